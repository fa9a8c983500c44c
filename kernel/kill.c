/* SPDX-License-Identifier: MIT */
/*
 * kill.c: the end of a program that did what it may not: a system call from elsewhere than the vDSO, an access that was
 * refused, an exception. It is reported, one process at a time and each once; then the process dies, as zx_task_kill would have it
 * die, and the kernel goes on.
 */
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/thread.h>

#include "kill.h"
#include "port.h"
#include "thread.h"
#include "trap.h"

static atomic_bool in_full = true;
static atomic_uint reporting; /* somebody is; the others wait */

static void begin_report(void)
{
    while (atomic_exchange(&reporting, 1) != 0)
        thread_wait_lock(&reporting, 1);
}

static void end_report(void)
{
    atomic_store(&reporting, 0);
    thread_wake(&reporting, 1);
}

void kill_report_in_full(bool full)
{
    atomic_store(&in_full, full);
}

static const char *access_of(uint64_t error)
{
    return error & PF_FETCH ? "execute" : error & PF_WRITE ? "write" : "read";
}

static void print_cause(const struct trap_frame *frame, uint64_t cr2, zx_status_t status)
{
    if (frame->vector == TRAP_SYSCALL)
        vm_print(&vm_log_sink, "a system call from outside the vDSO, at %016llx",
                 (unsigned long long)frame->rip);
    else if (frame->vector == TRAP_PAGE_FAULT)
        vm_print(&vm_log_sink, "%s of %016llx, at %016llx: %s", access_of(frame->error),
                 (unsigned long long)cr2, (unsigned long long)frame->rip, zx_status_get_string(status));
    else
        vm_print(&vm_log_sink, "%s, at %016llx", trap_name(frame->vector), (unsigned long long)frame->rip);
}

static void print_regions(uint64_t va)
{
    vm_print(&vm_log_sink, "regions around %016llx:\n", (unsigned long long)va);
    vm_aspace_dump_around(thread_current()->aspace, va, &vm_log_sink);
}

static void report(const struct trap_frame *frame, uint64_t cr2, zx_status_t status)
{
    char name[ZX_MAX_NAME_LEN];
    vm_process_name(thread_current()->process, name);
    vm_print(&vm_log_sink, "process %s dies: ", name);
    print_cause(frame, cr2, status);
    vm_print(&vm_log_sink, "\n");
    if (atomic_load(&in_full)) {
        trap_print_registers(frame, cr2);
        print_regions(frame->vector == TRAP_PAGE_FAULT ? cr2 : frame->rip);
    }
}

void kill_program(const struct trap_frame *frame, uint64_t cr2, zx_status_t status)
{
    const struct thread *thread = thread_current();
    bool vdso = frame->vector == TRAP_SYSCALL;
    begin_report();
    if (!atomic_load(&thread->killed)) { /* else what it ran into is that its memory is gone */
        report(frame, cr2, status);
        vm_process_kill_with(thread->process,
                             vdso ? ZX_TASK_RETCODE_VDSO_KILL : ZX_TASK_RETCODE_EXCEPTION_KILL);
    }
    end_report();
    thread_exit();
}
