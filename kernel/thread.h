/* SPDX-License-Identifier: MIT */
/*
 * thread.h: threads of the kernel and of programs, and the processors that run them.
 *
 * A program's thread is preempted by the timer, in ring 3 alone; the kernel runs until it waits or returns there. Kernel code
 * runs with interrupts on, except below the scheduler's own lock and where a comment says so. What an interrupt does
 * is short, takes none of the core's locks and never waits.
 */
#ifndef KERNEL_THREAD_H_
#define KERNEL_THREAD_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

#include "percpu.h"

struct vm_aspace;
struct vm_process;
struct vm_thread;
struct thread;

/* Makes what runs now, at boot, the first thread. Single processor, interrupts off. */
void thread_start(void);

static inline struct thread *thread_current(void)
{
    return percpu()->thread;
}

/* A thread of the kernel's own, which runs function(context) and ends when that returns. Null: no memory. */
struct thread *thread_create(const char *name, void (*function)(void *context), void *context);
/* Waits until it has ended, and forgets it. */
void thread_join(struct thread *thread);

/* A thread of a program: enters ring 3 at `entry` with that stack pointer, arg1 in rdi, arg2 in rsi, all other registers
   zero. It has a reference to `object` (vm_thread_ended gives the end to the core). NO_MEMORY. */
zx_status_t thread_start_user(struct vm_thread *object, zx_vaddr_t entry, zx_vaddr_t stack, uint64_t arg1,
                              uint64_t arg2);

/* Ends the running thread. */
_Noreturn void thread_exit(void);

/* Lets others run. */
void thread_yield(void);

/* From here on the running thread runs on that processor only; -1: on any. */
void thread_pin(int processor);

/*
 * Waits while *word is `value`, until thread_wake of it, or the deadline (nanoseconds of clock_now; INT64_MAX: none).
 * OK also where *word was another at once, or for no reason. TIMED_OUT; CANCELED: the thread's process is dead
 * (never for threads of the kernel's own).
 */
zx_status_t thread_wait(atomic_uint *word, unsigned value, int64_t deadline);
/* Wakes up to `count` of those that wait there, the longest first; how many. */
unsigned thread_wake(atomic_uint *word, unsigned count);

/* The threads of that process run no more instructions in ring 3, on any processor, once they have been seen there by the
   next interrupt; those that wait are woken. Returns at once. */
void thread_kill(struct vm_process *process);

/*
 * A test aid (zvm_catch_faults): from now on, where a page fault of the running thread in ring 3 is refused, it goes on at
 * `handler` (0: it dies, as at first) with rdi = the status, rsi = the address, and all other registers kept; where `every`, also
 * after a fault that was resolved, with ZX_OK. A program's thread.
 */
void thread_set_fault_handler(zx_vaddr_t handler, bool every);

/* ---- For the processors (smp.c, trap.c) ---- */

/* What a processor does that has come up: runs threads. Its percpu is set up, interrupts are off. */
_Noreturn void thread_run_processor(void);

/* The timer or another processor wants this one to look for what to run next. In an interrupt. */
void thread_tick(void);

/* On the way out to ring 3, interrupts off: gives way where somebody else is to run, dies where the process is dead, makes the
   space of the thread the processor's. */
void thread_before_user(void);

#endif /* KERNEL_THREAD_H_ */
