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

/* What differs between the formats. In both, bit 0 is set in whatever is present, bit 7 says that a page is large,
   and addresses are at the same place. 0: the format has no such bit. */
struct entry_format {
    uint64_t table, leaf; /* of every entry that leads to a table, and of every leaf */
    uint64_t user;        /* of both kinds, in user spaces */
    uint64_t write, execute, no_execute, global;
    uint64_t notes; /* what processors write: */
    uint64_t accessed, dirty;
    uint64_t cache[VM_CACHE_POLICIES], cache_mask;
};

static const struct entry_format x86_format = {
    .table = X86_PTE_PRESENT | X86_PTE_WRITABLE,
    .leaf = X86_PTE_PRESENT,
    .user = X86_PTE_USER,
    .write = X86_PTE_WRITABLE,
    .no_execute = X86_PTE_NX,
    .global = X86_PTE_GLOBAL,
    .notes = X86_PTE_ACCESSED | X86_PTE_DIRTY,
    .accessed = X86_PTE_ACCESSED,
    .dirty = X86_PTE_DIRTY,
    .cache = {0, X86_PTE_PCD, X86_PTE_PCD | X86_PTE_PWT, X86_PTE_PWT},
    .cache_mask = X86_PTE_PCD | X86_PTE_PWT,
};

/* Uncached memory of both kinds differs by whether the guest's word counts. */
static const struct entry_format ept_format = {
    .table = EPT_READ | EPT_WRITE | EPT_EXECUTE,
    .leaf = EPT_READ,
    .write = EPT_WRITE,
    .execute = EPT_EXECUTE,
    .notes = EPT_ACCESSED | EPT_DIRTY,
    .accessed = EPT_ACCESSED,
    .dirty = EPT_DIRTY,
    .cache = {6ull << EPT_MEMORY_SHIFT, 0, EPT_IGNORE_PAT, 1ull << EPT_MEMORY_SHIFT | EPT_IGNORE_PAT},
    .cache_mask = EPT_MEMORY_MASK | EPT_IGNORE_PAT,
};

static inline const struct entry_format *format_of(const struct page_table *table)
{
    return table->guest ? &ept_format : &x86_format;
}

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
    const struct entry_format *format = format_of(table);

    return pa | format->table | (table->user ? format->user : 0);
}

static inline uint32_t cache_flags_of(const struct entry_format *format, uint64_t leaf)
{
    uint32_t policy = 0;

    while (format->cache[policy] != (leaf & format->cache_mask))
        policy++;
    return policy << ARCH_MMU_CACHE_SHIFT;
}

static inline uint64_t make_leaf(const struct page_table *table, zx_paddr_t pa, unsigned level,
                                 uint32_t flags)
{
    const struct entry_format *format = format_of(table);
    uint64_t entry = pa | format->leaf;

    entry |= level > 1 ? X86_PTE_LARGE : 0;
    entry |= flags & ARCH_MMU_WRITE ? format->write : 0;
    entry |= flags & ARCH_MMU_EXECUTE ? format->execute : format->no_execute;
    entry |= flags & ARCH_MMU_GLOBAL ? format->global : 0;
    entry |= format->cache[(flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT];
    entry |= table->user ? format->user : 0;
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

/* What allows something where the bit is set. */
static inline uint64_t grants_of(const struct entry_format *format)
{
    return format->write | format->execute | format->user;
}

/* Whether a processor that remembers leaf `before` could do what `after` forbids, or reach another page. */
static inline bool takes_away(const struct entry_format *format, uint64_t before, uint64_t after)
{
    const uint64_t same = X86_PTE_ADDRESS | format->global | format->cache_mask;

    return ((before ^ after) & same) != 0 || (before & ~after & grants_of(format)) != 0 ||
           (after & ~before & format->no_execute) != 0;
}

/* What the leaf allows under entries that allowed `above` (as bits of an entry). */
static inline uint32_t flags_of(const struct entry_format *format, uint64_t leaf, uint64_t above)
{
    uint64_t allowed = leaf & above & grants_of(format);
    bool executable = format->no_execute != 0 ? ((leaf | above) & format->no_execute) == 0
                                              : (allowed & format->execute) != 0;

    return ARCH_MMU_READ | (allowed & format->write ? ARCH_MMU_WRITE : 0) |
           (allowed & format->user ? ARCH_MMU_USER : 0) | (executable ? ARCH_MMU_EXECUTE : 0) |
           (leaf & format->global ? ARCH_MMU_GLOBAL : 0) | cache_flags_of(format, leaf);
}

/* What is still allowed below an entry that leads to a table; at the top grants_of. */
static inline uint64_t allowed_below(const struct entry_format *format, uint64_t entry, uint64_t above)
{
    return (entry & above & grants_of(format)) | ((entry | above) & format->no_execute);
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
