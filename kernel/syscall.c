/* SPDX-License-Identifier: MIT */
/*
 * syscall.c: system calls, between entry.S and the core.
 *
 * A call comes in with interrupts off, on the thread's own kernel stack, with the frame of a trap. Everything of the
 * program's flags that could matter to the kernel has been cleared by the processor (the mask below). Where it came
 * from is looked at first: a vDSO cannot be moved, changed or taken away, so that its place is looked up once a thread.
 */
#include <vm/aspace.h>
#include <vm/machine.h>
#include <vm/vdso.h>

#include "dispatch.h"
#include "gdt.h"
#include "io.h"
#include "kill.h"
#include "spinlock.h"
#include "syscall.h"
#include "thread.h"

#define MSR_STAR  0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_FMASK 0xc0000084u
#define MSR_EFER  0xc0000080u
#define EFER_SCE  (1ull << 0)

#define SYSCALL_SIZE 2 /* of the instruction */

/* TF, IF, DF, IOPL, NT, RF, AC */
#define FLAGS_CLEARED 0x57700ull

/* sysret takes the selectors behind this one: + 8 for data, + 16 for code. */
#define SELECTOR_USER_BASE (SELECTOR_USER_DATA - 8)

void syscall_entry(void); /* entry.S */
void syscall_enter(struct trap_frame *frame);

static size_t vdso_code_size;

void syscall_start_processor(void)
{
    write_msr(MSR_STAR, (uint64_t)SELECTOR_USER_BASE << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    write_msr(MSR_LSTAR, (uintptr_t)syscall_entry);
    write_msr(MSR_FMASK, FLAGS_CLEARED);
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
}

void syscall_set_vdso_code_size(size_t size)
{
    vdso_code_size = size;
}

static bool is_from_vdso(struct thread *thread, uint64_t rip)
{
    if (thread->vdso_code == 0)
        thread->vdso_code = vm_aspace_vdso_code_address(thread->aspace);
    return thread->vdso_code != 0 && rip - SYSCALL_SIZE - thread->vdso_code < vdso_code_size;
}

void syscall_enter(struct trap_frame *frame)
{
    struct thread *thread = thread_current();
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {frame->rdi, frame->rsi, frame->rdx, frame->r10,
                                                   frame->r8,  frame->r9,  frame->r12, frame->r13};
    interrupts_on();
    if (!is_from_vdso(thread, frame->rip))
        kill_program(frame, 0, ZX_ERR_BAD_SYSCALL);
    frame->rax = syscall_dispatch(frame->rax, arguments);
    interrupts_off();
    thread_before_user();
}
