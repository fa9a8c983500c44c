/* SPDX-License-Identifier: MIT */
/*
 * page_table_entry.h: what the files page_table*.c share: the geometry of tables, the format of entries, and
 * the steps that several take.
 */
#ifndef VM_PAGE_TABLE_ENTRY_H_
#define VM_PAGE_TABLE_ENTRY_H_

#include "internal.h"

#define TOP_LEVEL  4
#define LEVEL_BITS 9
#define ENTRIES    (1u << LEVEL_BITS)

/* ---- Geometry ---- */

static inline unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + (level - 1) * LEVEL_BITS;
}

/* Bytes that an entry of this level covers, minus one. */
static inline zx_vaddr_t level_mask(unsigned level)
{
    return ((zx_vaddr_t)1 << level_shift(level)) - 1;
}

static inline unsigned entry_index(zx_vaddr_t va, unsigned level)
{
    return (unsigned)(va >> level_shift(level)) & (ENTRIES - 1);
}

/* The last address of the part of [va, last] that va's entry covers. */
static inline zx_vaddr_t entry_last(zx_vaddr_t va, unsigned level, zx_vaddr_t last)
{
    zx_vaddr_t end = va | level_mask(level);

    return end < last ? end : last;
}

static inline bool is_whole_entry(zx_vaddr_t va, zx_vaddr_t stop, unsigned level)
{
    return stop - va == level_mask(level);
}

/* From the part that ends at stop to the next; false behind the last one. */
static inline bool advance(zx_vaddr_t *va, zx_vaddr_t stop, zx_vaddr_t last)
{
    *va = stop + 1;
    return stop != last;
}

/* ---- Entries: the format ---- */

#define ENTRY_NOTES (X86_PTE_ACCESSED | X86_PTE_DIRTY) /* what processors write */

static inline uint64_t entry_load(const uint64_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static inline void entry_store(uint64_t *slot, uint64_t entry)
{
    __atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

static inline bool is_present(uint64_t entry)
{
    return (entry & X86_PTE_PRESENT) != 0;
}

static inline bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (entry & X86_PTE_LARGE) != 0;
}

static inline zx_paddr_t table_address(uint64_t entry)
{
    return entry & X86_PTE_ADDRESS;
}

static inline zx_paddr_t leaf_address(uint64_t entry, unsigned level)
{
    return entry & X86_PTE_ADDRESS & ~level_mask(level);
}

static inline uint64_t make_table_entry(const struct page_table *table, zx_paddr_t pa)
{
    return pa | X86_PTE_PRESENT | X86_PTE_WRITABLE | (table->user ? X86_PTE_USER : 0);
}

/* By enum vm_cache_policy. */
static const uint64_t cache_bits[] = {0, X86_PTE_PCD, X86_PTE_PCD | X86_PTE_PWT, X86_PTE_PWT};

static inline uint32_t cache_flags_of(uint64_t leaf)
{
    uint32_t policy = 0;

    while (cache_bits[policy] != (leaf & (X86_PTE_PCD | X86_PTE_PWT)))
        policy++;
    return policy << ARCH_MMU_CACHE_SHIFT;
}

static inline uint64_t make_leaf(const struct page_table *table, zx_paddr_t pa, unsigned level,
                                 uint32_t flags)
{
    uint64_t entry = pa | X86_PTE_PRESENT;

    entry |= level > 1 ? X86_PTE_LARGE : 0;
    entry |= flags & ARCH_MMU_WRITE ? X86_PTE_WRITABLE : 0;
    entry |= flags & ARCH_MMU_EXECUTE ? 0 : X86_PTE_NX;
    entry |= flags & ARCH_MMU_GLOBAL ? X86_PTE_GLOBAL : 0;
    entry |= cache_bits[(flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT];
    entry |= table->user ? X86_PTE_USER : 0;
    return entry;
}

/* Entry `index` of the table that a leaf of `level` is split into. */
static inline uint64_t make_split_leaf(uint64_t leaf, unsigned level, unsigned index)
{
    uint64_t bits = leaf & ~X86_PTE_ADDRESS;

    if (level - 1 == 1)
        bits &= ~X86_PTE_LARGE;
    return bits | (leaf_address(leaf, level) + ((zx_paddr_t)index << level_shift(level - 1)));
}

/* Whether a processor that remembers leaf `before` could do what `after` forbids, or reach another page. */
static inline bool takes_away(uint64_t before, uint64_t after)
{
    const uint64_t grants = X86_PTE_WRITABLE | X86_PTE_USER;
    const uint64_t same = X86_PTE_ADDRESS | X86_PTE_GLOBAL | X86_PTE_PCD | X86_PTE_PWT;

    return ((before ^ after) & same) != 0 || (before & ~after & grants) != 0 ||
           (after & ~before & X86_PTE_NX) != 0;
}

/* What the leaf allows under entries that allowed `above` (as bits of an entry). */
static inline uint32_t flags_of(uint64_t leaf, uint64_t above)
{
    uint32_t flags = ARCH_MMU_READ;

    flags |= leaf & above & X86_PTE_WRITABLE ? ARCH_MMU_WRITE : 0;
    flags |= leaf & above & X86_PTE_USER ? ARCH_MMU_USER : 0;
    flags |= (leaf | above) & X86_PTE_NX ? 0 : ARCH_MMU_EXECUTE;
    flags |= leaf & X86_PTE_GLOBAL ? ARCH_MMU_GLOBAL : 0;
    return flags | cache_flags_of(leaf);
}

#define ALLOWS_ALL (X86_PTE_WRITABLE | X86_PTE_USER)

/* What is still allowed below an entry that leads to a table. */
static inline uint64_t allowed_below(uint64_t entry, uint64_t above)
{
    return (entry & above & ALLOWS_ALL) | ((entry | above) & X86_PTE_NX);
}

static inline uint64_t *entries_of(const struct vm_page *page)
{
    return pmm_page_bytes(page);
}

static inline struct vm_page *child_of(uint64_t entry)
{
    struct vm_page *page = pmm_page_at(table_address(entry));

    VM_ASSERT(page != NULL && page->state == VM_PAGE_MMU);
    return page;
}

/* Whether it is the kernel's half that is translated: for all spaces alike. */
static inline bool is_upper(const struct page_table *table)
{
    return table->base >> 63 != 0;
}

/* va's entry is zero: the last address before the next that is not, at most `last`. Most of most tables is
   empty, so this looks at eight at a time. */
static inline zx_vaddr_t skip_empty(const uint64_t *entries, unsigned level, zx_vaddr_t va, zx_vaddr_t last)
{
    unsigned first = entry_index(va, level), limit = entry_index(last, level), index = first + 1;

    while (index + 7 <= limit && (entry_load(&entries[index]) | entry_load(&entries[index + 1]) |
                                  entry_load(&entries[index + 2]) | entry_load(&entries[index + 3]) |
                                  entry_load(&entries[index + 4]) | entry_load(&entries[index + 5]) |
                                  entry_load(&entries[index + 6]) | entry_load(&entries[index + 7])) == 0)
        index += 8;
    while (index <= limit && entry_load(&entries[index]) == 0)
        index++;
    if (index > limit)
        return last;
    return (va | level_mask(level)) + ((zx_vaddr_t)(index - first - 1) << level_shift(level));
}

/* Whether what is linked from this level stays, however empty. */
static inline bool link_stays(const struct page_table *table, unsigned level)
{
    return level == TOP_LEVEL && table->fixed;
}

/* ---- Steps; table->lock is held where processors may know the table ---- */

/* No table at all, of a span. */
void page_table_start(struct page_table *table, zx_vaddr_t base, size_t size, bool user);
/* Makes the top-level table, of which no processor is told yet. Null without memory. */
struct vm_page *page_table_make_root(struct page_table *table);
/* Makes an allocated page a table, empty. */
void page_table_adopt(struct page_table *table, struct vm_page *page);
/* Changes an entry that leads to a table, or will. At the top level, the copies change with it. */
void page_table_set_link(struct page_table *table, uint64_t *slot, unsigned level, zx_vaddr_t va,
                         uint64_t entry);
/* The translations of the range are to be forgotten when the operation ends. */
void page_table_note_removed(struct page_table *table, zx_vaddr_t va, size_t size);
/* A table that is linked no more: it is freed once no processor can use it. */
void page_table_drop(struct page_table *table, struct vm_page *page);
/* Ends an operation: processors forget, then tables are freed. */
void page_table_settle(struct page_table *table);

/* page_table_unified.c */
void page_table_destroy_unified(struct page_table *table);
bool page_table_check_unified(const struct page_table *table, struct vm_sink *report);

#endif /* VM_PAGE_TABLE_ENTRY_H_ */
