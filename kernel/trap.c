/* SPDX-License-Identifier: MIT */
/*
 * trap.c: exceptions and interrupts.
 *
 * An exception in ring 3 ends a visit there (trap_visit_user); in a program, a page fault goes to the core, and
 * whatever is not resolved ends the program with a report: nothing that it does ends the kernel. Those of the kernel
 * are resolved where it copies from or to a program's memory, caught where someone is prepared (trap_catch), and
 * otherwise reported in full and the machine stops.
 *
 * Reporting may itself fault: each further exception reports less, and the fourth only stops.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>

#include "gdt.h"
#include "io.h"
#include "kill.h"
#include "paging.h"
#include "port.h"
#include "power.h"
#include "smp.h"
#include "spinlock.h"
#include "symbols.h"
#include "thread.h"
#include "trap.h"

#define RFLAGS_AC   (1ull << 18)
#define STUB_SIZE   16
#define GATE        0x8eu /* present, an interrupt gate */
#define GATE_USER   0xeeu /* may be raised by ring 3 */
#define VECTORS     256
#define FRAMES_MAX  32
#define REPORTS_MAX 3

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

/* entry.S */
extern const char trap_stubs[], syscall_entry[];
bool trap_call(uint64_t *anchor, void (*function)(void *), void *context);
_Noreturn void trap_unwind(uint64_t anchor);
void trap_enter_user(uint64_t *anchor, const struct user_registers *registers);
extern const char user_copy_begin[], user_copy_end[], user_copy_failed[];
void trap(struct trap_frame *frame, uint64_t cr2);

static const char *const names[TRAP_EXCEPTIONS] = {
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved (15)",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualisation",
    "control protection",
    "reserved (22)",
    "reserved (23)",
    "reserved (24)",
    "reserved (25)",
    "reserved (26)",
    "reserved (27)",
    "hypervisor injection",
    "VMM communication",
    "security",
    "reserved (31)",
};

static struct gate gates[VECTORS];
static void (*_Atomic handlers[VECTORS])(void);
static unsigned reports;

/* ---- Interrupts ---- */

void trap_set_handler(unsigned vector, void (*handler)(void))
{
    atomic_store(&handlers[vector], handler);
}

/* It only ends a halt. */
static void serial_interrupt(void)
{
    outb(0x20, 0x20);
}

/* A line of the old controllers that was quiet again when it was asked which: the last line of either, and no answer, but for the
   first one, which had a real request of the second. */
static void no_interrupt(void)
{
}

static void no_second_interrupt(void)
{
    outb(0x20, 0x20);
}

/* ---- Set-up ---- */

static uint8_t ist_of(unsigned vector)
{
    switch (vector) {
    case TRAP_DEBUG:
        return IST_DEBUG;
    case TRAP_NMI:
        return IST_NMI;
    case TRAP_DOUBLE_FAULT:
        return IST_DOUBLE_FAULT;
    case TRAP_PAGE_FAULT:
        return IST_PAGE_FAULT;
    case TRAP_MACHINE_CHECK:
        return IST_MACHINE;
    default:
        return 0;
    }
}

static void set_gate(unsigned vector)
{
    uint64_t stub = (uintptr_t)trap_stubs + vector * STUB_SIZE;
    bool user = vector == TRAP_BREAKPOINT || vector == TRAP_DONE;
    gates[vector] = (struct gate){.offset_low = (uint16_t)stub,
                                  .selector = SELECTOR_KERNEL_CODE,
                                  .ist = ist_of(vector),
                                  .type = user ? GATE_USER : GATE,
                                  .offset_middle = (uint16_t)(stub >> 16),
                                  .offset_high = (uint32_t)(stub >> 32)};
}

/* The interrupt controllers, moved away from the exceptions, everything masked. */
static void quiet_controllers(void)
{
    static const uint8_t first[] = {0x11, 0x20, 0x04, 0x01, 0xff}, second[] = {0x11, 0x28, 0x02, 0x01, 0xff};
    outb(0x20, first[0]);
    outb(0xa0, second[0]);
    for (unsigned i = 1; i < sizeof(first); i++) {
        outb(0x21, first[i]);
        outb(0xa1, second[i]);
    }
}

void trap_load(void)
{
    struct {
        uint16_t limit;
        const struct gate *base;
    } __attribute__((packed)) pointer = {sizeof(gates) - 1, gates};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void trap_start(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++)
        set_gate(vector);
    quiet_controllers();
    trap_set_handler(TRAP_SERIAL, serial_interrupt);
    trap_set_handler(TRAP_NOTHING, no_interrupt);
    trap_set_handler(TRAP_NOTHING_SECOND, no_second_interrupt);
    trap_load();
}

/* ---- Reports ---- */

/* The first thread's and that of exceptions on the first processor lie in the image, a thread's own in a buffer. */
static bool is_stack(uint64_t address)
{
    const struct thread *thread = thread_current();
    bool in_image = address >= (uintptr_t)image_data && address < (uintptr_t)image_end - 16;
    bool of_thread = address >= (uintptr_t)thread->stack && address <= thread->stack_top - 16;
    return address % 8 == 0 && (in_image || (thread->stack != NULL && of_thread));
}

static void print_call(uint64_t rip)
{
    uint64_t offset;
    const char *name = symbol_at(rip, &offset);
    if (name != NULL)
        vm_print(&vm_log_sink, "  %016llx %s+0x%llx\n", (unsigned long long)rip, name,
                 (unsigned long long)offset);
    else
        vm_print(&vm_log_sink, "  %016llx\n", (unsigned long long)rip);
}

void trap_print_stack(uint64_t rip, uint64_t rbp)
{
    vm_print(&vm_log_sink, "stack:\n");
    print_call(rip);
    for (unsigned i = 0; i < FRAMES_MAX && is_stack(rbp); i++) {
        const uint64_t *frame = (const uint64_t *)(uintptr_t)rbp;
        if (symbol_at(frame[1], NULL) == NULL)
            break;
        print_call(frame[1]);
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

static void print_error_code(const struct trap_frame *frame)
{
    uint64_t error = frame->error;
    if (frame->vector == TRAP_PAGE_FAULT)
        vm_print(&vm_log_sink, "error: 0x%llx: %s %s, %s%s\n", (unsigned long long)error,
                 error & PF_USER ? "user" : "kernel",
                 error & PF_FETCH   ? "fetch"
                 : error & PF_WRITE ? "write"
                                    : "read",
                 error & PF_PRESENT ? "not permitted" : "not present",
                 error & PF_RESERVED ? ", reserved bit set in a table" : "");
    else if (error != 0)
        vm_print(&vm_log_sink, "error: 0x%llx: selector 0x%llx in the %s%s\n", (unsigned long long)error,
                 (unsigned long long)(error & 0xfff8),
                 error & 2   ? "IDT"
                 : error & 4 ? "LDT"
                             : "GDT",
                 error & 1 ? ", external event" : "");
}

void trap_print_registers(const struct trap_frame *frame, uint64_t cr2)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"rax", frame->rax}, {"rbx", frame->rbx},    {"rcx", frame->rcx}, {"rdx", frame->rdx},
        {"rsi", frame->rsi}, {"rdi", frame->rdi},    {"rbp", frame->rbp}, {"rsp", frame->rsp},
        {"r8 ", frame->r8},  {"r9 ", frame->r9},     {"r10", frame->r10}, {"r11", frame->r11},
        {"r12", frame->r12}, {"r13", frame->r13},    {"r14", frame->r14}, {"r15", frame->r15},
        {"rip", frame->rip}, {"flg", frame->rflags}, {"cs ", frame->cs},  {"ss ", frame->ss},
        {"cr0", read_cr0()}, {"cr2", cr2},           {"cr3", read_cr3()}, {"cr4", read_cr4()},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        vm_print(&vm_log_sink, "%s %016llx%s", rows[i].name, (unsigned long long)rows[i].value,
                 i % 4 == 3 ? "\n" : "  ");
}

/* The regions around the address of a page fault, in the space that it belongs to. */
static void print_regions(uint64_t cr2)
{
    if (vm_machine_current() == NULL)
        return;
    struct vm_aspace *aspace = cr2 >= VM_KERNEL_ASPACE_BASE ? vm_aspace_kernel() : port_running_aspace();
    if (aspace == NULL)
        return;
    vm_print(&vm_log_sink, "regions around %016llx:\n", (unsigned long long)cr2);
    port_stop_locking();
    vm_aspace_dump_around(aspace, cr2, &vm_log_sink);
}

const char *trap_name(uint64_t vector)
{
    return vector < TRAP_EXCEPTIONS ? names[vector] : "unexpected interrupt";
}

void trap_report(const struct trap_frame *frame, uint64_t cr2)
{
    vm_print(&vm_log_sink, "\nexception %llu: %s%s\n", (unsigned long long)frame->vector,
             trap_name(frame->vector), frame->cs & 3 ? " in ring 3" : "");
    print_error_code(frame);
    if (reports > 2)
        return;
    trap_print_registers(frame, cr2);
    if (!(frame->cs & 3))
        trap_print_stack(frame->rip, frame->rbp);
    if (reports <= 1 && frame->vector == TRAP_PAGE_FAULT)
        print_regions(cr2);
}

/* ---- Page faults of programs ---- */

uint32_t trap_fault_flags(uint64_t error)
{
    uint32_t flags = VM_PF_FLAG_HW_FAULT | VM_PF_FLAG_USER;
    if (error & PF_WRITE)
        flags |= VM_PF_FLAG_WRITE;
    if (error & PF_FETCH)
        flags |= VM_PF_FLAG_INSTRUCTION;
    if (!(error & PF_PRESENT))
        flags |= VM_PF_FLAG_NOT_PRESENT;
    return flags;
}

static zx_status_t resolve(const struct trap_frame *frame, uint64_t cr2)
{
    if (frame->error & PF_RESERVED)
        return ZX_ERR_INTERNAL;
    interrupts_on();
    zx_status_t status = vm_aspace_page_fault(thread_current()->aspace, cr2, trap_fault_flags(frame->error));
    interrupts_off();
    return status;
}

/* A test aid: the program wants to know of its page faults itself. */
static bool tell_program(struct trap_frame *frame, uint64_t cr2, zx_status_t status)
{
    const struct thread *thread = thread_current();
    if (thread->fault_handler == 0 || (status == ZX_OK && !thread->every_fault))
        return false;
    frame->rip = thread->fault_handler;
    frame->rdi = (uint64_t)(int64_t)status;
    frame->rsi = cr2;
    return true;
}

static void user_trap(struct trap_frame *frame, uint64_t cr2)
{
    zx_status_t status = ZX_ERR_BAD_STATE;
    if (frame->vector == TRAP_PAGE_FAULT) {
        status = resolve(frame, cr2);
        if (tell_program(frame, cr2, status) || status == ZX_OK)
            return;
    }
    interrupts_on();
    kill_program(frame, cr2, status);
}

static bool is_user_copy(const struct trap_frame *frame)
{
    return frame->vector == TRAP_PAGE_FAULT && frame->rip >= (uintptr_t)user_copy_begin &&
           frame->rip < (uintptr_t)user_copy_end;
}

/* The kernel has none of a program's pointers but within the program's half: nothing else faults there. */
static void user_copy_trap(struct trap_frame *frame, uint64_t cr2)
{
    if (cr2 < VM_USER_ASPACE_BASE + VM_USER_ASPACE_SIZE && resolve(frame, cr2) == ZX_OK &&
        thread_load_space())
        return;
    frame->rip = (uintptr_t)user_copy_failed;
    frame->rflags &= ~RFLAGS_AC;
}

/* Some processors deliver the single step of a program that makes a system call with TF set behind that
   instruction, where nothing of the program's is in force any more: the call goes on. */
static bool is_step_into_call(const struct trap_frame *frame)
{
    return frame->vector == TRAP_DEBUG && frame->rip == (uintptr_t)syscall_entry;
}

/* ---- Traps ---- */

static _Noreturn void unwind(uint64_t *anchor, const struct trap_frame *frame, uint64_t cr2)
{
    struct thread *thread = thread_current();
    uint64_t to = *anchor;
    *anchor = 0;
    thread->caught = *frame;
    thread->caught_cr2 = cr2;
    gdt_page_fault_reset();
    trap_unwind(to);
}

/* Those come between any two instructions, on stacks on which nobody can wait: no program is to blame, and none can be ended. */
static bool is_of_machine(uint64_t vector)
{
    return vector == TRAP_NMI || vector == TRAP_DOUBLE_FAULT || vector == TRAP_MACHINE_CHECK;
}

void trap(struct trap_frame *frame, uint64_t cr2)
{
    struct thread *thread = thread_current();
    bool user = (frame->cs & 3) != 0 && !is_of_machine(frame->vector),
         visit = user && thread->visit_anchor != 0;
    void (*handler)(void) = atomic_load(&handlers[frame->vector]);
    if (handler != NULL) {
        handler();
        if (user && !visit)
            thread_before_user();
        return;
    }
    if (visit)
        unwind(&thread->visit_anchor, frame, cr2);
    if (user) {
        user_trap(frame, cr2);
        thread_before_user();
        return;
    }
    if (is_step_into_call(frame))
        return;
    if (is_user_copy(frame)) {
        user_copy_trap(frame, cr2);
        return;
    }
    if (thread->catch_anchor != 0)
        unwind(&thread->catch_anchor, frame, cr2);
    if (frame->vector == TRAP_PAGE_FAULT)
        gdt_page_fault_nest();
    smp_stop_others();
    if (reports++ < REPORTS_MAX)
        trap_report(frame, cr2);
    power_off(1);
}

bool trap_catch(void (*function)(void *context), void *context, struct trap_frame *frame, uint64_t *cr2)
{
    struct thread *thread = thread_current();
    uint64_t flags = interrupts_off(); /* an exception leaves them off: as they were is put back */
    bool was_caught = trap_call(&thread->catch_anchor, function, context);
    thread->catch_anchor = 0;
    interrupts_restore(flags);
    if (was_caught) {
        *frame = thread->caught;
        *cr2 = thread->caught_cr2;
    }
    return was_caught;
}

void trap_visit_user(zx_paddr_t root, const struct user_registers *registers, struct trap_frame *frame,
                     uint64_t *cr2)
{
    struct thread *thread = thread_current();
    uint64_t flags = interrupts_off();
    paging_switch(root);
    paging_open_window(root, true);
    trap_enter_user(&thread->visit_anchor, registers);
    paging_open_window(root, false);
    percpu()->stack = thread->stack_top;
    gdt_set_kernel_stack(thread->stack_top);
    *frame = thread->caught;
    *cr2 = thread->caught_cr2;
    interrupts_restore(flags);
}
