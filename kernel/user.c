/* SPDX-License-Identifier: MIT */
/*
 * user.c: accesses from ring 3 through the real page tables: what a program would see of a space that has no
 * program yet.
 *
 * Data is moved by code in a window of the kernel's half, between the address in question and a buffer in the
 * same window, one byte after the other. A fetch is tried by writing a breakpoint, through the direct map,
 * over the byte that the page tables show at the address, going there, and putting the byte back: the
 * breakpoint says that the fetch was allowed.
 *
 * The window's own pages are no part of any space: an access to them is answered as one to an empty place.
 */
#include <stdbool.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "port.h"
#include "shootdown.h"
#include "trap.h"
#include "user.h"

#define BREAKPOINT  0xcc
#define RETRIES_MAX 8 /* faults at one byte that were resolved and yet came again */

static bool is_canonical(zx_vaddr_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static uint64_t error_for(enum user_access kind)
{
    return PF_USER | (kind == USER_WRITE ? PF_WRITE : kind == USER_EXECUTE ? PF_FETCH : 0);
}

static bool in_window(zx_vaddr_t va)
{
    return va >= USER_WINDOW_CODE && va < USER_WINDOW_END;
}

/* What is left to do about a trap other than the one that was hoped for: a page fault goes to the core. */
static zx_status_t resolve(struct vm_aspace *aspace, const struct trap_frame *frame, uint64_t cr2)
{
    if (frame->vector == TRAP_PAGE_FAULT && !(frame->error & PF_RESERVED))
        return vm_aspace_page_fault(aspace, cr2, trap_fault_flags(frame->error));
    vm_print(&vm_log_sink, "user: unexpected trap\n");
    trap_report(frame, cr2);
    return ZX_ERR_INTERNAL;
}

static zx_status_t stuck(zx_vaddr_t va)
{
    vm_print(&vm_log_sink, "user: the fault at %016llx is resolved, and comes again\n",
             (unsigned long long)va);
    return ZX_ERR_INTERNAL;
}

/* Moves up to a page between va and the window's buffer; *left: bytes not moved. */
static zx_status_t move(struct vm_aspace *aspace, zx_vaddr_t va, size_t size, enum user_access kind,
                        size_t *left)
{
    struct user_registers registers = {.rip = USER_WINDOW_CODE, .rcx = size};
    struct trap_frame frame;
    uint64_t cr2;
    unsigned retries = 0;

    registers.rsi = kind == USER_READ ? va : USER_WINDOW_BUFFER;
    registers.rdi = kind == USER_READ ? USER_WINDOW_BUFFER : va;
    for (;;) {
        trap_visit_user(vm_aspace_table_root(aspace), &registers, &frame, &cr2);
        vm_aspace_note_active(aspace);
        retries = frame.rcx == registers.rcx ? retries + 1 : 0;
        registers.rcx = *left = frame.rcx;
        registers.rsi = frame.rsi;
        registers.rdi = frame.rdi;
        if (frame.vector == TRAP_DONE)
            return ZX_OK;
        zx_status_t status = resolve(aspace, &frame, cr2);
        if (status != ZX_OK)
            return status;
        if (retries > RETRIES_MAX)
            return stuck(cr2);
    }
}

bool user_fetch(zx_paddr_t root, zx_vaddr_t va, struct trap_frame *frame, uint64_t *cr2)
{
    const struct user_registers registers = {.rip = va};
    zx_paddr_t pa;
    bool present = va >> 63 == 0 && paging_walk(root, va, &pa);
    uint8_t *byte = present ? physical_to_virtual(pa) : NULL, before = 0;

    if (present) {
        before = *byte;
        *byte = BREAKPOINT;
    }
    trap_visit_user(root, &registers, frame, cr2);
    if (present)
        *byte = before;
    return present && frame->vector == TRAP_BREAKPOINT && frame->rip == va + 1;
}

static zx_status_t fetch(struct vm_aspace *aspace, zx_vaddr_t va)
{
    for (unsigned retries = 0; retries <= RETRIES_MAX; retries++) {
        struct trap_frame frame;
        uint64_t cr2;
        bool fetched = user_fetch(vm_aspace_table_root(aspace), va, &frame, &cr2);
        vm_aspace_note_active(aspace);
        if (fetched)
            return ZX_OK;
        zx_status_t status = resolve(aspace, &frame, cr2);
        if (status != ZX_OK)
            return status;
    }
    return stuck(va);
}

static zx_status_t access_part(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                               enum user_access kind, size_t *done)
{
    size_t left = size;
    zx_status_t status;

    if (!is_canonical(va))
        return ZX_ERR_NOT_FOUND;
    if (in_window(va) || vm_aspace_table_root(aspace) == 0) {
        status = vm_aspace_page_fault(aspace, va, trap_fault_flags(error_for(kind)));
        return status == ZX_OK ? stuck(va) : status;
    }
    if (kind == USER_EXECUTE) {
        status = fetch(aspace, va);
        *done += status == ZX_OK;
        return status;
    }
    if (kind == USER_WRITE)
        memcpy(user_window_buffer, buffer, size);
    status = move(aspace, va, size, kind, &left);
    if (kind == USER_READ)
        memcpy(buffer, user_window_buffer, size - left);
    *done += size - left;
    return status;
}

zx_status_t user_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                        enum user_access kind, size_t *done)
{
    zx_status_t status = ZX_OK;

    *done = 0;
    port_set_user_aspace(aspace);
    while (status == ZX_OK && *done < size) {
        zx_vaddr_t at = va + *done;
        size_t part = ZX_PAGE_SIZE -
                      (at & ZX_PAGE_MASK); /* to the end of the page: parts never leave the canonical range */
        if (part > size - *done)
            part = size - *done;
        status = access_part(aspace, at, (char *)buffer + *done, part, kind, done);
    }
    port_set_user_aspace(NULL);
    return status;
}

void user_leave(void)
{
    shootdown_leave_all();
}
