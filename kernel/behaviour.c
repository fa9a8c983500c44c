/* SPDX-License-Identifier: MIT */
/*
 * behaviour.c: runs the behaviour suites in the booted kernel: the sources that the host runs, unchanged, each test
 * on a machine of its own (conformance.c).
 *
 * Accesses of the kernel to a space of such a machine are real ones. They go through tables that have the kernel
 * itself at its place and all else as the machine's kernel space has it; a page fault is caught, handed to the core
 * and tried again. These tables are loaded for one access at a time; what the processor remembers of global
 * translations is not forgotten with them, so that a missing invalidation shows. Of the kernel only the image is
 * there meanwhile: the tests run on the first processor, whose stacks lie in it, and an access with interrupts off. No processor of ours runs a guest:
 * its accesses go by what the tables say.
 *
 * An assertion that a test wants is caught as the core panics; then the machine's memory is put back as it was.
 */
#include "../harness/behaviour/behaviour.h"

#include <vm/mem.h>

#include "behaviour.h"
#include "buffer.h"
#include "conformance.h"
#include "cpu.h"
#include "io.h"
#include "paging.h"
#include "port.h"
#include "replay.h"
#include "spinlock.h"
#include "trap.h"
#include "user.h"

#define BREAKPOINT   0xcc
#define RETRIES_MAX  8
#define ENTRIES      512
#define KERNEL_SLOT  511 /* of the top level: the kernel's space */
#define IMAGE_SLOT   510 /* below that: the image, to the end */
#define MEMORY_PAGES 2048

/* ---- Accesses in user mode ---- */

zx_status_t behaviour_user(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind)
{
    static const enum user_access kinds[] = {USER_READ, USER_WRITE, USER_EXECUTE};
    size_t done;
    return user_access(aspace, va, byte, 1, kinds[kind], &done);
}

/* ---- Accesses of the kernel ---- */

static _Alignas(ZX_PAGE_SIZE) uint64_t top_table[ENTRIES], middle_table[ENTRIES];

static const uint64_t *table_behind(uint64_t entry)
{
    return physical_to_virtual(entry & X86_PTE_ADDRESS);
}

/* The tables by which the kernel reaches what is in the space. */
static zx_paddr_t root_of(struct vm_aspace *aspace)
{
    zx_paddr_t root = vm_aspace_table_root(aspace);
    if (vm_aspace_base(aspace) < VM_KERNEL_ASPACE_BASE)
        return root;
    const uint64_t *ours = table_behind(paging_kernel_root());
    uint64_t entry = table_behind(root)[KERNEL_SLOT];
    memcpy(top_table, ours, sizeof(top_table));
    memset(middle_table, 0, sizeof(middle_table));
    if ((entry & X86_PTE_PRESENT) != 0)
        memcpy(middle_table, table_behind(entry), sizeof(middle_table));
    memcpy(middle_table + IMAGE_SLOT, table_behind(ours[KERNEL_SLOT]) + IMAGE_SLOT,
           (ENTRIES - IMAGE_SLOT) * sizeof(middle_table[0]));
    top_table[KERNEL_SLOT] = kernel_to_physical(middle_table) | X86_PTE_PRESENT | X86_PTE_WRITABLE;
    return kernel_to_physical(top_table);
}

struct attempt {
    zx_vaddr_t va;
    char *byte;
    enum behaviour_access kind;
};

static void attempt(void *context)
{
    const struct attempt *attempt = context;
    volatile char *at = (volatile char *)(uintptr_t)attempt->va;
    if (attempt->kind == BEHAVIOUR_READ)
        *attempt->byte = *at;
    else if (attempt->kind == BEHAVIOUR_WRITE)
        *at = *attempt->byte;
    else
        ((void (*)(void))(uintptr_t)attempt->va)();
}

/* Whether it was done; else how it failed. Where it fetches there is a breakpoint meanwhile. */
static bool attempt_by(zx_paddr_t root, struct attempt *what, struct trap_frame *frame, uint64_t *cr2)
{
    zx_paddr_t pa;
    bool fetches = what->kind == BEHAVIOUR_EXECUTE && paging_walk(root, what->va, &pa);
    uint8_t *byte = fetches ? physical_to_virtual(pa) : NULL, before = 0;
    if (fetches) {
        before = *byte;
        *byte = BREAKPOINT;
    }
    uint64_t flags = interrupts_off();
    paging_switch(root);
    bool caught = trap_catch(attempt, what, frame, cr2);
    if (root == kernel_to_physical(top_table))
        paging_switch(paging_kernel_root());
    interrupts_restore(flags);
    if (fetches)
        *byte = before;
    return !caught || (fetches && frame->vector == TRAP_BREAKPOINT && frame->rip == what->va + 1);
}

static uint32_t fault_flags(enum behaviour_access kind, bool present)
{
    return (kind == BEHAVIOUR_WRITE     ? VM_PF_FLAG_WRITE
            : kind == BEHAVIOUR_EXECUTE ? VM_PF_FLAG_INSTRUCTION
                                        : 0) |
           (present ? 0 : VM_PF_FLAG_NOT_PRESENT) | VM_PF_FLAG_HW_FAULT;
}

static uint64_t error_of(enum behaviour_access kind)
{
    return kind == BEHAVIOUR_WRITE ? PF_WRITE : kind == BEHAVIOUR_EXECUTE ? PF_FETCH : 0;
}

/* What a guest's processor would find. */
static zx_status_t guest_access(struct vm_aspace *aspace, zx_vaddr_t va, char *byte,
                                enum behaviour_access kind)
{
    static const uint32_t needs[] = {ARCH_MMU_READ, ARCH_MMU_WRITE, ARCH_MMU_EXECUTE};
    struct page_table_entry entry;
    for (unsigned retries = 0; retries < RETRIES_MAX; retries++) {
        bool present =
            va < VM_GUEST_ASPACE_SIZE && page_table_query(vm_aspace_page_table(aspace), va, &entry) == ZX_OK;
        if (present && (entry.flags & needs[kind]) != 0) {
            char *at = (char *)physical_to_virtual(entry.paddr) + (va - entry.va);
            if (kind == BEHAVIOUR_READ)
                *byte = *at;
            else if (kind == BEHAVIOUR_WRITE)
                *at = *byte;
            return ZX_OK;
        }
        zx_status_t status = vm_aspace_page_fault(aspace, va, fault_flags(kind, present) | VM_PF_FLAG_GUEST);
        if (status != ZX_OK)
            return status;
    }
    return ZX_ERR_INTERNAL;
}

zx_status_t behaviour_kernel(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind)
{
    struct attempt what = {va, byte, kind};
    struct trap_frame frame;
    uint64_t cr2 = 0;
    if (vm_aspace_page_table(aspace)->guest)
        return guest_access(aspace, va, byte, kind);
    for (unsigned retries = 0; retries < RETRIES_MAX; retries++) {
        if (attempt_by(root_of(aspace), &what, &frame, &cr2))
            return ZX_OK;
        if (frame.vector != TRAP_PAGE_FAULT || cr2 != va ||
            (frame.error & ~(uint64_t)PF_PRESENT) != error_of(kind))
            break;
        zx_status_t status =
            vm_aspace_page_fault(aspace, va, fault_flags(kind, (frame.error & PF_PRESENT) != 0));
        if (status != ZX_OK)
            return status;
    }
    vm_print(&vm_log_sink, "# an access to %016llx ends otherwise:\n", (unsigned long long)va);
    trap_report(&frame, cr2);
    return ZX_ERR_INTERNAL;
}

/* ---- The rest ---- */

struct pmm_range behaviour_device(void)
{
    struct pmm_range device = replay_device();
    memset(physical_to_virtual(device.base), 0, device.size);
    return device;
}

static char *saved_memory; /* where the machine's is kept while a test may panic */
static void *panicked[5];  /* where a panic leads: __builtin_setjmp */

static void leave_panic(void)
{
    __builtin_longjmp(panicked, 1);
}

static bool panics(void (*function)(void *context), void *context)
{
    if (__builtin_setjmp(panicked) != 0)
        return true;
    port_catch_panic(leave_panic);
    function(context);
    port_catch_panic(NULL);
    return false;
}

bool behaviour_asserts(void (*function)(void *context), void *context)
{
    struct pmm_range memory = replay_memory(MEMORY_PAGES);
    void *bytes = physical_to_virtual(memory.base);
    user_leave();
    memcpy(saved_memory, bytes, memory.size);
    bool caught = panics(function, context);
    user_leave();
    memcpy(bytes, saved_memory, memory.size);
    paging_forget_global();
    return caught;
}

/* The image is in the way of nothing: its place is the same in every kernel space. */
static bool prepare(void)
{
    return vm_aspace_set_aside(KERNEL_BASE, 0 - KERNEL_BASE - ZX_PAGE_SIZE) == ZX_OK;
}

void behaviour(const char *pattern, struct test_tally *tally)
{
    const size_t size = MEMORY_PAGES * ZX_PAGE_SIZE;
    saved_memory = buffer_take(size);
    if (saved_memory == NULL)
        conformance_report(tally, false, "", "memory for the behaviour suites");
    else
        conformance_run(behaviour_suites, pattern, prepare, tally);
    buffer_give(saved_memory, size);
    saved_memory = NULL;
}
