/* SPDX-License-Identifier: MIT */
/*
 * page_table_harvest.c: what processors have noted in page tables about their use, and tables that are not
 * used.
 *
 * Concept. A processor that walks the tables for an address sets the accessed bit of each entry by which it
 * comes, the leaf's included. A harvest reads these bits. The bit of a leaf tells that its page was used: the
 * page becomes young (page_queue.c), and the bit may be taken back, so that it tells of the time from then
 * on. The bit of an entry that leads to a table tells that something below was used: where it is clear, the
 * table goes with all that is below it, else the bit is taken back.
 *
 * Invalidation. A processor that remembers a translation uses it without a walk, and one that remembers a
 * table begins its walk there: either leaves no note. So what was translated by an entry whose bit is taken
 * back is invalidated as if it had been removed, before the harvest ends. Hence a clear bit above means that
 * nothing below was used since, and whatever lies below such an entry can go unread, but for the leaves'
 * bits that no harvest has taken back yet.
 *
 * Sharing. A processor that came by the root of a unified table has set the bit in the copy of the top-level
 * entry, so the copies are read, and changed, with the entry. Fixed top-level entries stay, and their bits
 * tell nothing: they are not looked at.
 *
 * Locking. table->lock, held throughout: the pages found by way of translations stay with their VMOs
 * meanwhile, since whoever takes a page away removes its translations first. So pages are made young before
 * the lock is given up. The caller keeps faults of the space away (aspace->lock), for which tables that were
 * there a moment ago must stay.
 *
 * Cost. The tables of the space, each entry of them once; one invalidation.
 */
#include "internal.h"
#include "page_table_entry.h"

#define YOUNG_MAX 64 /* pages that become young in one step */

struct harvest {
    struct page_table *table;
    bool free_unaccessed, clear;
    size_t young_count;
    struct vm_page *young[YOUNG_MAX];
};

/* ---- Leaves ---- */

static void flush_young(struct harvest *harvest)
{
    page_queue_use(harvest->young, harvest->young_count);
    harvest->young_count = 0;
}

/* The pages of an accessed leaf were used. What is no memory of the machine is of no age. */
static void make_young(struct harvest *harvest, uint64_t leaf, unsigned level)
{
    zx_paddr_t first = leaf_address(leaf, level), last = first + level_mask(level);

    for (zx_paddr_t at = first; at < last; at += PAGE_SIZE) {
        struct vm_page *page = pmm_page_at(at);
        if (page == NULL)
            continue;
        harvest->young[harvest->young_count++] = page;
        if (harvest->young_count == YOUNG_MAX)
            flush_young(harvest);
    }
}

static void harvest_leaf(struct harvest *harvest, uint64_t *slot, unsigned level, zx_vaddr_t va)
{
    const uint64_t accessed = format_of(harvest->table)->accessed;
    uint64_t leaf = entry_load(slot);

    if ((leaf & accessed) == 0)
        return;
    make_young(harvest, leaf, level);
    if (!harvest->clear)
        return;
    __atomic_fetch_and(slot, ~accessed, __ATOMIC_RELAXED);
    page_table_note_removed(harvest->table, va & ~level_mask(level), level_mask(level) + 1);
}

/* ---- Tables ---- */

/* Whether anything below the entry was used since this was asked last. */
static bool take_accessed(struct page_table *table, uint64_t *slot, unsigned level, zx_vaddr_t va)
{
    const uint64_t accessed = format_of(table)->accessed;
    uint64_t seen = __atomic_fetch_and(slot, ~accessed, __ATOMIC_RELAXED);

    if (level != TOP_LEVEL)
        return (seen & accessed) != 0;
    list_for_each(node, &table->views)
    {
        uint64_t *entries = port_phys_to_virt(container_of(node, struct port_root, node)->root);
        seen |= __atomic_fetch_and(&entries[entry_index(va, level)], ~accessed, __ATOMIC_RELAXED);
    }
    return (seen & accessed) != 0;
}

/* Empties a table that was not used, and drops those below it. The caller has noted the range. */
static void empty_table(struct harvest *harvest, struct vm_page *page, unsigned level, zx_vaddr_t va,
                        zx_vaddr_t last)
{
    uint64_t *entries = entries_of(page);
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t *slot = &entries[entry_index(va, level)];
        uint64_t entry = entry_load(slot);
        if (!is_present(entry)) {
            stop = skip_empty(entries, level, va, last);
            continue;
        }
        if (!is_leaf(entry, level)) {
            struct vm_page *child = child_of(entry);
            empty_table(harvest, child, level - 1, va, stop);
            page_table_drop(harvest->table, child);
        } else if ((entry & format_of(harvest->table)->accessed) != 0) {
            make_young(harvest, entry, level);
        }
        entry_store(slot, 0);
        page->table_entries--;
    } while (advance(&va, stop, last));
}

static void harvest_range(struct harvest *harvest, struct vm_page *page, unsigned level, zx_vaddr_t va,
                          zx_vaddr_t last);

static void harvest_link(struct harvest *harvest, struct vm_page *page, uint64_t *slot, unsigned level,
                         zx_vaddr_t va, zx_vaddr_t last)
{
    struct page_table *table = harvest->table;
    struct vm_page *child = child_of(entry_load(slot));
    bool may_go = harvest->free_unaccessed && !link_stays(table, level), used = true;

    if (may_go) {
        used = take_accessed(table, slot, level, va);
        page_table_note_removed(table, va, last - va + 1);
    }
    if (used)
        harvest_range(harvest, child, level - 1, va, last);
    else
        empty_table(harvest, child, level - 1, va, last);
    if (may_go && child->table_entries == 0) {
        page_table_set_link(table, slot, level, va, 0);
        page->table_entries--;
        page_table_drop(table, child);
    }
}

static void harvest_range(struct harvest *harvest, struct vm_page *page, unsigned level, zx_vaddr_t va,
                          zx_vaddr_t last)
{
    uint64_t *entries = entries_of(page);
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t *slot = &entries[entry_index(va, level)];
        uint64_t entry = entry_load(slot);
        if (!is_present(entry))
            stop = skip_empty(entries, level, va, last);
        else if (is_leaf(entry, level))
            harvest_leaf(harvest, slot, level, va);
        else
            harvest_link(harvest, page, slot, level, va, stop);
    } while (advance(&va, stop, last));
}

void page_table_harvest(struct page_table *table, bool free_unaccessed, bool clear)
{
    struct harvest harvest = {.table = table, .free_unaccessed = free_unaccessed, .clear = clear};

    VM_ASSERT(table->parts[0] == NULL);
    port_mutex_lock(&table->lock);
    if (table->root != 0) {
        harvest_range(&harvest, child_of(table->root), TOP_LEVEL, table->base,
                      table->base + (table->size - 1));
        flush_young(&harvest);
        page_table_settle(table);
    }
    port_mutex_unlock(&table->lock);
}

/* ---- Notes that a processor cannot make ---- */

static zx_status_t set_accessed_locked(struct page_table *table, zx_vaddr_t va)
{
    struct vm_page *page;

    if (table->root == 0 || va < table->base || va - table->base >= table->size)
        return ZX_ERR_NOT_FOUND;
    page = child_of(table->root);
    for (unsigned level = TOP_LEVEL;; level--) {
        uint64_t *slot = &entries_of(page)[entry_index(va, level)];
        uint64_t entry = entry_load(slot);
        if (!is_present(entry))
            return ZX_ERR_NOT_FOUND;
        if (is_leaf(entry, level)) {
            __atomic_fetch_or(slot, format_of(table)->accessed, __ATOMIC_RELAXED);
            return ZX_OK;
        }
        page = child_of(entry);
    }
}

zx_status_t page_table_set_accessed(struct page_table *table, zx_vaddr_t va)
{
    VM_ASSERT(table->parts[0] == NULL);
    port_mutex_lock(&table->lock);
    zx_status_t status = set_accessed_locked(table, va);
    port_mutex_unlock(&table->lock);
    return status;
}
