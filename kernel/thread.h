/* SPDX-License-Identifier: MIT */
/*
 * thread.h: threads of the kernel and of programs, and the processors that run them.
 *
 * A program's thread is preempted by the timer, in ring 3 and where the kernel copies from or to the program; else the kernel runs
 * until it waits or returns there.
 * Kernel code runs with interrupts on, except below a spinlock and where a comment says so. What an interrupt does
 * is short, takes none of the core's locks and never waits.
 */
#ifndef KERNEL_THREAD_H_
#define KERNEL_THREAD_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vm/list.h>
#include <zircon/types.h>

#include "gdt.h"
#include "percpu.h"
#include "trap_frame.h"

struct vm_aspace;
struct vm_process;
struct vm_thread;

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_WAITING, THREAD_ENDED };

/* Fields marked (s) are under the scheduler's lock, the others are the thread's own. */
struct thread {
    uint64_t rsp;            /* (s) while it does not run */
    uint64_t stack_top;      /* constant */
    void *stack;             /* constant; null: it is part of the image */
    enum thread_state state; /* (s) */
    int pinned;              /* (s) the one processor that may run it; -1: any */
    unsigned processor;      /* (s) that runs it, or did last */
    struct list_node queue;  /* (s) of those ready, or of those that wait at the same word */
    struct list_node sleep;  /* (s) by deadline */
    struct list_node all;    /* (s) */
    atomic_uint *word;       /* (s) at which it waits */
    int64_t deadline;        /* (s) */
    bool may_be_canceled;    /* (s) that wait */
    zx_status_t answer;      /* (s) of the wait */
    atomic_uint ended;       /* 1: somebody may join it */
    atomic_bool killed;      /* its program runs no more */

    void (*function)(void *context); /* of the kernel's own */
    void *context;

    struct vm_thread *object;        /* of a program's; null: the kernel's own */
    struct vm_process *process;      /* on whose behalf it makes calls; may be null in the kernel's own */
    struct vm_aspace *aspace;        /* that ring 3 runs in; null: none */
    zx_vaddr_t vdso_code;            /* 0: not looked up yet */
    zx_vaddr_t fault_handler;        /* where to go on after a refused access; 0: nowhere */
    bool every_fault;                /* also after one that was resolved */
    struct trap_frame first;         /* what it begins ring 3 with */
    void *extended;                  /* registers that the kernel does not use itself (fpu.c) */
    struct user_selectors selectors; /* nor these */

    uint32_t classes_held;               /* bit n: a lock of the core of class n (port.c) */
    uint64_t visit_anchor, catch_anchor; /* stack pointers; 0: nobody waits for a trap (trap.c) */
    struct trap_frame caught;            /* that trap */
    uint64_t caught_cr2;
};

/* Makes what runs now, at boot, the first thread. */
void thread_start_first(void);
/* From here on threads can be made, and wait. Once there are buffers. */
bool thread_start_scheduler(void);

static inline struct thread *thread_current(void)
{
    struct thread *thread;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(thread) : "i"(PERCPU_THREAD));
    return thread;
}

/* A thread of the kernel's own, which runs function(context) and ends when that returns. Null: no memory. */
struct thread *thread_create(void (*function)(void *context), void *context);
/* Waits until it has ended, and forgets it. */
void thread_join(struct thread *thread);

/*
 * A thread of a program: enters ring 3 at `entry` with that stack pointer, arg1 in rdi, arg2 in rsi, all other
 * registers zero. The caller's reference to `object` goes over to it, and with vm_thread_ended back to the core.
 * Both are addresses of user space. NO_MEMORY. The reference then stays the caller's.
 */
zx_status_t thread_start_user(struct vm_thread *object, zx_vaddr_t entry, zx_vaddr_t stack, uint64_t arg1,
                              uint64_t arg2);

/* Ends the running thread. */
_Noreturn void thread_exit(void);

/* Lets others run. */
void thread_yield(void);

/* For a program's thread, between two steps of a call, with no lock: lets others run if it is their turn. False: the process is
   dead, and the call is best broken off. */
bool thread_goes_on(void);

/* From here on the running thread runs on that processor only; -1: on any. */
void thread_pin(int processor);

/*
 * Waits while *word is `value`, until thread_wake of it, or the deadline (nanoseconds of clock_now; INT64_MAX: none).
 * OK also where *word was another at once, or for no reason. TIMED_OUT; CANCELED: the thread's process is dead
 * (never for threads of the kernel's own).
 */
zx_status_t thread_wait(atomic_uint *word, unsigned value, int64_t deadline);
/* The same without an end but thread_wake: for locks. */
void thread_wait_lock(atomic_uint *word, unsigned value);
/* Wakes up to `count` of those that wait there, the longest first; how many. */
unsigned thread_wake(atomic_uint *word, unsigned count);

/* The threads of that process run no more instructions in ring 3, on any processor, once they have been seen there by
   the next interrupt; those that wait are woken. Returns at once. */
void thread_kill(struct vm_process *process);

/*
 * A test aid (zvm_catch_faults): from now on, where a page fault of the running thread in ring 3 is refused, it goes
 * on at `handler` (0: it dies, as at first) with rdi = the status, rsi = the address, and all other registers kept;
 * where `every`, also after a fault that was resolved, with ZX_OK. A program's thread. INVALID_ARGS: no program can
 * have that address.
 */
zx_status_t thread_set_fault_handler(zx_vaddr_t handler, bool every);

/* A test aid: whether every other thread waits. As long as the running thread does not wake one, and no deadline passes,
   nobody else does anything. O(threads). */
bool thread_others_wait(void);

/* ---- For the processors (smp.c, trap.c) ---- */

/* What a processor does that has come up: runs threads. Its percpu is set up, interrupts are off; what runs now becomes
   its idle thread. */
_Noreturn void thread_run_processor(struct thread *idle);

/* Makes the space of the running program's thread the processor's again, which may have had to leave it. False: the space is gone. */
bool thread_load_space(void);

/* On the way out to ring 3, interrupts off: gives way where somebody else is to run, ends where the process is dead,
   makes the space of the thread the processor's. */
void thread_before_user(void);

#endif /* KERNEL_THREAD_H_ */
