/* SPDX-License-Identifier: MIT */
/*
 * pmm.h: the physical memory manager. Every page of every arena is in exactly one state; the counts per state
 * are exact at all times. The page structures themselves live in WIRED pages at the start of their arena. All
 * functions lock for themselves (PORT_LOCK_PMM) and may be called under any other lock of the core.
 */
#ifndef VM_PMM_H_
#define VM_PMM_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/list.h>
#include <zircon/types.h>

enum vm_page_state {
    VM_PAGE_FREE,
    VM_PAGE_ALLOC,  /* taken by someone who has not said what for */
    VM_PAGE_WIRED,  /* never freed: page structures, the machine itself */
    VM_PAGE_HEAP,   /* slabs of objects */
    VM_PAGE_OBJECT, /* held by a VMO */
    VM_PAGE_MMU,    /* a page table */
    VM_PAGE_ZERO,   /* the shared zero page */
    VM_PAGE_STATE_COUNT
};

struct vm_vmo;

struct vm_page {
    struct list_node node; /* on the free list, or its holder's */
    zx_paddr_t paddr;
    /* OBJECT: the VMO that the page is counted in, one of those that hold it, at vmo_offset there; null: the
       next one that is asked */
    struct vm_vmo *_Atomic vmo;
    uint64_t vmo_offset;
    uint8_t state; /* enum vm_page_state; pmm's lock while FREE, else the holder's */
    uint8_t marks; /* the core's own */
    uint16_t pin_count;
    union {
        uint32_t table_entries; /* MMU: entries in use (page table's lock) */
        uint32_t seen;          /* OBJECT: the pass at which it was last found in use (page queues' lock) */
    };
    atomic_uint sharers;    /* OBJECT: VMOs that hold it, beside the first */
    uint32_t check_holders; /* check.c's own: VMOs found to hold it so far */
};

struct pmm_range {
    zx_paddr_t base; /* page-aligned */
    size_t size;     /* bytes, page-aligned */
};

#define PMM_ARENAS_MAX 16

/* One free page in the given state (not FREE), its contents undefined; null when there is none. O(1). The
   most recently freed page comes first; before any was freed, ascending addresses. */
struct vm_page *pmm_alloc_page(enum vm_page_state state);

/* `count` pages onto the end of `list`; NO_MEMORY and nothing taken when there are fewer. O(count). */
zx_status_t pmm_alloc_pages(size_t count, enum vm_page_state state, struct list_node *list);

/* `count` physically contiguous pages, the first aligned to 1 << align_log2 (at least ZX_PAGE_SHIFT), onto
   `list` in ascending order; the lowest such run. NO_MEMORY where there is none. O(pages of the arenas). */
zx_status_t pmm_alloc_contiguous(size_t count, uint8_t align_log2, enum vm_page_state state,
                                 struct list_node *list);

/* Exactly the pages of [base, base + count pages) onto `list`. NOT_FOUND outside the arenas, NO_MEMORY where
   one is taken (none are then). O(count). */
zx_status_t pmm_alloc_range(zx_paddr_t base, size_t count, enum vm_page_state state, struct list_node *list);

/* Gives a page back. It may not be on a list, FREE, WIRED or pinned. Debug builds fill it with a pattern.
   O(1). */
void pmm_free_page(struct vm_page *page);

/* Gives back all of the list, which becomes empty. */
void pmm_free_list(struct list_node *list);

/* Moves an allocated page to another state (not FREE). O(1). */
void pmm_set_state(struct vm_page *page, enum vm_page_state state);

/* The structure of the page at `pa`; null outside the arenas. O(arenas). */
struct vm_page *pmm_page_at(zx_paddr_t pa);

/* The bytes of the page, as the core reaches them. */
void *pmm_page_bytes(const struct vm_page *page);

uint64_t pmm_count(enum vm_page_state state);
uint64_t pmm_total(void);

struct vm_sink;
/* Recounts every page: exactly one state each, free list and counts agree. False, with a report, when not.
   O(pages). */
bool pmm_check(struct vm_sink *report);

#endif /* VM_PMM_H_ */
