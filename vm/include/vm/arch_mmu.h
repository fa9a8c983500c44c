/* SPDX-License-Identifier: MIT */
/*
 * arch_mmu.h: the page tables of one address space (four levels): those of x86-64, or the extended ones that
 * say where the physical memory of a guest lies.
 *
 * Every function locks for itself (PORT_LOCK_PAGE_TABLE). Translations that an operation removes or narrows
 * are invalidated on every processor, in one batch, before the function returns and before a table page is
 * reused. Empty tables are freed. Addresses and sizes are in bytes and page-aligned; misuse is an assertion.
 */
#ifndef VM_ARCH_MMU_H_
#define VM_ARCH_MMU_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/list.h>
#include <vm/port.h>
#include <zircon/types.h>

/* What a translation allows. */
#define ARCH_MMU_READ    (1u << 0)
#define ARCH_MMU_WRITE   (1u << 1)
#define ARCH_MMU_EXECUTE (1u << 2)
#define ARCH_MMU_USER    (1u << 3)
#define ARCH_MMU_GLOBAL  (1u << 4)
/* How the memory is cached: enum vm_cache_policy, in two bits */
#define ARCH_MMU_CACHE_SHIFT 5
#define ARCH_MMU_CACHE_MASK  (3u << ARCH_MMU_CACHE_SHIFT)
#define ARCH_MMU_PERMS       (ARCH_MMU_READ | ARCH_MMU_WRITE | ARCH_MMU_EXECUTE)

/* The entries themselves, for those who read tables as a processor does. */
#define X86_PTE_PRESENT  (1ull << 0)
#define X86_PTE_WRITABLE (1ull << 1)
#define X86_PTE_USER     (1ull << 2)
/* Which of the first four entries of the PAT says how the page is cached. The port sets them: write-back,
   write-combining, uncached where nothing else says more, uncached. */
#define X86_PTE_PWT      (1ull << 3)
#define X86_PTE_PCD      (1ull << 4)
#define X86_PTE_ACCESSED (1ull << 5)
#define X86_PTE_DIRTY    (1ull << 6)
#define X86_PTE_LARGE    (1ull << 7) /* in levels 2 and 3: maps 2 MiB or 1 GiB */
#define X86_PTE_GLOBAL   (1ull << 8)
#define X86_PTE_NX       (1ull << 63)

/* Entries of extended page tables: what they share with those above is written the same (the size of large pages,
   the address). A bit for each permission, and nothing else says what may be done. */
#define EPT_READ         (1ull << 0)
#define EPT_WRITE        (1ull << 1)
#define EPT_EXECUTE      (1ull << 2)
#define EPT_MEMORY_SHIFT 3 /* of leaves: 0 uncached, 1 write-combining, 6 write-back */
#define EPT_MEMORY_MASK  (7ull << EPT_MEMORY_SHIFT)
#define EPT_IGNORE_PAT   (1ull << 6) /* of leaves: the guest's own tables do not matter for caching */
#define EPT_ACCESSED     (1ull << 8)
#define EPT_DIRTY        (1ull << 9)
#define X86_PTE_ADDRESS  0x000ffffffffff000ull

struct page_table {
    struct port_mutex lock;
    zx_paddr_t root; /* the top-level table; 0 before init and after destroy */
    zx_vaddr_t base; /* the span that it may translate */
    size_t size;
    bool user;  /* entries carry USER; intermediate ones too */
    bool guest; /* extended page tables */
    bool fixed; /* the entries of the top-level table stay as they are until it is destroyed */
    /* of the largest pages that map makes: 2, 2 MiB; 3, 1 GiB. What the port says; may be lowered before the first map */
    uint8_t largest_level;
    uint64_t table_pages;             /* pages in state MMU, the top-level one included */
    struct port_invalidation pending; /* what the running operation has removed */
    struct list_node freed;           /* table pages to free after the invalidation */
    struct list_node views;           /* the unified tables that show this one: their struct port_root */
    struct page_table *parts[2];      /* of a unified one: what it shows; null in all others */
    struct port_root shown[2];        /* of a unified one: on parts[i]->views */
};

/* An empty set of tables for [base, base + size). NO_MEMORY. Those of the lower half leave the upper one to
   the port. */
zx_status_t page_table_init(struct page_table *table, zx_vaddr_t base, size_t size, bool user);

/* The same of extended page tables, for guest-physical addresses; up to 1 GiB a page. */
zx_status_t page_table_init_guest(struct page_table *table, zx_vaddr_t base, size_t size);

/* Makes the top-level entries of the whole span, in an empty set of tables that nobody uses yet. They stay
   until it is destroyed, whatever is mapped and unmapped below them. NO_MEMORY: nothing is changed. */
zx_status_t page_table_fix(struct page_table *table);

/*
 * A top-level table that shows the tables of two others as its own, and manages nothing itself: only query,
 * check and destroy are for it. The spans of the parts touch no common top-level entry; one part is fixed,
 * the other may be shown once at a time. The parts outlive it. BAD_STATE: a part is destroyed, or shown
 * already; NO_MEMORY.
 */
zx_status_t page_table_init_unified(struct page_table *table, struct page_table *fixed,
                                    struct page_table *other);

/* Frees every table; the translations are invalidated first. No unified table shows it. Harmless twice. */
void page_table_destroy(struct page_table *table);

enum page_table_existing {
    PAGE_TABLE_EXISTING_ERROR,   /* ALREADY_EXISTS, nothing changed */
    PAGE_TABLE_EXISTING_SKIP,    /* leave entries that are there as they are */
    PAGE_TABLE_EXISTING_REPLACE, /* the new one wins; invalidated where that takes something away */
};

/*
 * Maps [va, va + size) to the physically contiguous run at `paddr`, with large pages wherever alignment and
 * size allow. flags: READ must be among them. Errors in order: ALREADY_EXISTS (…_ERROR only), NO_MEMORY;
 * nothing is then changed.
 */
zx_status_t page_table_map(struct page_table *table, zx_vaddr_t va, zx_paddr_t paddr, size_t size,
                           uint32_t flags, enum page_table_existing existing);

/* As page_table_map of `count` single pages at ascending addresses from va, from an array of physical
   addresses. */
zx_status_t page_table_map_pages(struct page_table *table, zx_vaddr_t va, const zx_paddr_t *paddrs,
                                 size_t count, uint32_t flags, enum page_table_existing existing);

/* Removes every translation of [va, va + size). A large page that is partly in the range is split; where
   there is no memory for that, all of it goes (the next access faults it back). Cannot fail. Cost: tables
   present, not bytes. */
void page_table_unmap(struct page_table *table, zx_vaddr_t va, size_t size);

/* Gives every translation present in the range exactly `flags`; without READ they are removed. Splits as
   unmap does. */
void page_table_protect(struct page_table *table, zx_vaddr_t va, size_t size, uint32_t flags);

struct vm_page;
/* Puts small pages with the same translations in the place of the 2 MiB page that translates va. The table is
   `page`, which is allocated and becomes MMU; what it holds is lost. For those to whom an unmap of a part
   must leave the rest: it then needs no memory. Cannot fail. O(1). */
void page_table_split(struct page_table *table, zx_vaddr_t va, struct vm_page *page);

struct page_table_entry {
    zx_vaddr_t va;    /* of the whole (perhaps large) page */
    zx_paddr_t paddr; /* likewise */
    size_t size;
    uint32_t flags; /* ARCH_MMU_* that the walk as a whole allows */
    bool accessed, dirty;
};

/* The translation of va; NOT_FOUND where there is none. O(levels). */
zx_status_t page_table_query(struct page_table *table, zx_vaddr_t va, struct page_table_entry *out);

/* Calls visit for every present translation in [va, va + size), ascending, under the lock; stops when it
   returns false. Absent subtrees are skipped. Not of a unified table, whose parts know what is in them. */
void page_table_for_each(struct page_table *table, zx_vaddr_t va, size_t size,
                         bool (*visit)(void *context, const struct page_table_entry *entry), void *context);

/*
 * What processors have noted in the tables: the pages behind accessed translations become young
 * (vm/page_queue.h). `clear`: these notes are taken back, and made again at the next use. `free_unaccessed`:
 * tables by which no processor came since the last such pass are freed with what is below them, but for those
 * right below a fixed entry; the notes of the others are taken back. What a processor remembers without a
 * note is invalidated. No unified table; no fault of the space is under way. O(tables).
 */
void page_table_harvest(struct page_table *table, bool free_unaccessed, bool clear);

/* Notes that the page at va was used, in its own entry alone. NOT_FOUND where va is not translated. */
zx_status_t page_table_set_accessed(struct page_table *table, zx_vaddr_t va);

/* Whether a unified table shows it. */
bool page_table_is_shown(struct page_table *table);

struct vm_sink;
/* Every table page is MMU, linked once, not empty, with the right count of entries; table_pages is exact; no
   translation outside the span; a unified one has the top-level entries of its parts. False, with a report,
   when not. */
bool page_table_check(struct page_table *table, struct vm_sink *report);

#endif /* VM_ARCH_MMU_H_ */
