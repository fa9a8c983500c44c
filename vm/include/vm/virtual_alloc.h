/* SPDX-License-Identifier: MIT */
/*
 * virtual_alloc.h: page-granular allocation inside one range of the kernel's space (Zircon's VirtualAlloc):
 * for large buffers of the kernel itself, with unmapped pages around each.
 *
 * The range has been set aside (vm_aspace_set_aside). Pages are readable and writable, never executable, and
 * only the kernel's. Their contents are undefined when they are handed out.
 *
 * Not thread-safe: whoever has one serves it from one thread at a time. No lock of the core is held when it
 * is called. It cannot be copied or moved: users hold pointers to it, and a copy made by assignment would
 * give the same pages out twice. It belongs to the machine that was selected at init, which is selected at
 * every call.
 */
#ifndef VM_VIRTUAL_ALLOC_H_
#define VM_VIRTUAL_ALLOC_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/pmm.h>
#include <zircon/types.h>

#define VIRTUAL_ALLOC_FINDINGS 8

/* For virtual_alloc.c alone. */
struct virtual_alloc {
    enum vm_page_state page_state;
    zx_vaddr_t base;
    size_t pages;        /* of the whole range; 0 before init */
    size_t bitmap_pages; /* at the start of the range */
    size_t guard;        /* pages */
    uint8_t align_log2;
    size_t outstanding; /* pages that are allocated, bookkeeping apart */
    /* What searches have found: no allocation of `size` pages or more fits that would begin before page
       `before`. Both ascend. */
    unsigned finding_count;
    struct {
        size_t size, before;
    } findings[VIRTUAL_ALLOC_FINDINGS + 1]; /* the last for a moment only */
    uint64_t *words;                        /* of the page of the bitmap that was used last; null: none */
    size_t words_page;
};

/* An allocator of nothing yet. Pages that it takes are set to that state: not FREE, WIRED or ZERO. */
void virtual_alloc_construct(struct virtual_alloc *allocator, enum vm_page_state page_state);

/*
 * Manages [base, base + size), which lies in a range that was set aside and that nobody else uses: a page that
 * is mapped there already, as another allocator's are, is an assertion, before anything is touched. At least
 * `alloc_guard` pages stay unmapped before and behind each allocation; allocations of 1 << align_log2 bytes
 * and more are aligned to that. Errors in order: BAD_STATE initialised already; INVALID_ARGS align_log2 below
 * ZX_PAGE_SHIFT, size 0, base or size not aligned to it, base + size wraps, no room for bookkeeping, two
 * guards and a page; NO_MEMORY, it stays uninitialised. Cost: O(size / 128 MiB + tables there).
 */
zx_status_t virtual_alloc_init(struct virtual_alloc *allocator, zx_vaddr_t base, size_t size,
                               size_t alloc_guard, uint8_t align_log2);

/* The lowest place that fits. Errors in order: BAD_STATE not initialised; INVALID_ARGS count 0; NO_MEMORY no
   place, pages or tables, nothing changed. Cost: O(count), and a read for each 64 pages and a step for each
   hole that the search passes. It begins where nothing of that size fits before, as earlier searches found for
   up to VIRTUAL_ALLOC_FINDINGS sizes, and frees have not undone. */
zx_status_t virtual_alloc_alloc_pages(struct virtual_alloc *allocator, size_t count, zx_vaddr_t *out);

/* Any part of what was allocated, across allocations too. Cannot fail: a page that is not allocated is an
   assertion, before any page is touched. Cost: O(count), and a read for each 64 pages of the hole that comes to
   be, up to the largest size that was searched for on both sides. */
void virtual_alloc_free_pages(struct virtual_alloc *allocator, zx_vaddr_t va, size_t count);

/* Whether runs of the alignment are taken physically contiguous, where there are any, so that large pages
   form. */
bool virtual_alloc_can_attempt_contiguous_mappings(const struct virtual_alloc *allocator);

/* ---- For tests ---- */

size_t virtual_alloc_debug_bitmap_pages(const struct virtual_alloc *allocator); /* spent on bookkeeping */
void virtual_alloc_debug_free_all_allocations(struct virtual_alloc *allocator);
/* Takes just that range, guards and alignment ignored. A range that is not within the allocator's, or taken
   in part, is an assertion. NO_MEMORY, nothing changed. */
zx_status_t virtual_alloc_debug_allocate_vaddr_range(struct virtual_alloc *allocator, zx_vaddr_t va,
                                                     size_t count);

/* Gives the bookkeeping back; nothing is outstanding, else an assertion fails. Then it is as constructed. */
void virtual_alloc_destroy(struct virtual_alloc *allocator);

#endif /* VM_VIRTUAL_ALLOC_H_ */
