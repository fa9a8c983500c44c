/* SPDX-License-Identifier: MIT */
/*
 * page_table.c: the page tables of one address space.
 *
 * Concept. A table is a physical page of 512 entries. An entry is absent, or a leaf that translates a page,
 * or leads to a table of the level below. Levels are numbered as the processor's manual does from the bottom:
 * 1 holds 4 KiB pages, 2 may hold 2 MiB pages, 3 may hold 1 GiB pages, 4 is the top. All walks below are one
 * recursion, of depth four at the most, over inclusive ranges [va, last]; inclusive, because the kernel's
 * half ends where addresses end. What an entry looks like is known only to page_table_entry.h, where two tables
 * of bits say in what the formats of x86-64 and of extended page tables (for guests) differ.
 *
 * Structure. Entries that lead to tables allow everything that the space may (write, user, execute); the leaf
 * alone restricts. So what a translation allows is decided in one place, and narrowing it changes one entry.
 * struct vm_page.table_entries counts the entries in use of each table, hence a table that became empty is
 * known without looking. At the top level only the slots of the space's own span belong to us: the others are
 * the host's (the kernel's half, in a user space) and are neither counted nor walked.
 *
 * Mapping is validate, reserve, commit. A first walk finds translations that are in the way, a second counts
 * the tables that the third will link, large pages that have to be split included; the pages for them are
 * taken in one go. So out of memory is noticed before anything changed, and no processor ever saw a table
 * that is taken back. Removing needs no memory but for splitting a large page; without that, all of the large
 * page goes, which a fault repairs.
 *
 * Invalidation. An operation notes each range whose translation it removed, narrowed or led elsewhere in
 * table->pending, adjacent ones merged, and reports them in one call at its end; where there are more than
 * the batch holds, the whole space. Table pages that were unlinked wait on table->freed until then, since a
 * processor may be walking them, or remember them. A permission that is only widened is not reported: a
 * processor that remembers the old one faults once, walks again, and goes on. A split is reported as a
 * removal of the large page, so that no processor holds large and small translations of one address when the
 * small ones change.
 *
 * Sharing. The tables may be shown by unified ones too (page_table_unified.c): these copy the entries of the
 * top level, and every invalidation names their roots as well.
 *
 * Invariants (page_table_check). Every table is in state MMU, linked once (a unified table's links are
 * copies), and not empty, but for the top one and those right below a fixed one; its count is right;
 * table_pages is the number of tables; no translation lies outside the span; entries that are not present are
 * zero.
 *
 * Locking. table->lock (PORT_LOCK_PAGE_TABLE) over everything. Processors read entries at any time and set
 * accessed and dirty bits in them, so entries are read and written as whole words, a new table is complete
 * before it is linked, and changes of a present entry keep bits set meanwhile.
 *
 * Cost. map, unmap, protect, for_each: the tables in the range, each entry of them once (map: thrice). query:
 * four reads.
 */
#include <vm/mem.h>

#include "internal.h"
#include "page_table_entry.h"

/* ---- Tables ---- */

void page_table_adopt(struct page_table *table, struct vm_page *page)
{
    memset(pmm_page_bytes(page), 0, PAGE_SIZE);
    page->table_entries = 0;
    table->table_pages++;
}

void page_table_drop(struct page_table *table, struct vm_page *page)
{
    table->table_pages--;
    list_add_tail(&table->freed, &page->node);
}

void page_table_set_link(struct page_table *table, uint64_t *slot, unsigned level, zx_vaddr_t va,
                         uint64_t entry)
{
    entry_store(slot, entry);
    if (level != TOP_LEVEL)
        return;
    list_for_each(node, &table->views)
    {
        uint64_t *entries = port_phys_to_virt(container_of(node, struct port_root, node)->root);
        entry_store(&entries[entry_index(va, level)], entry);
    }
}

/* ---- Invalidation ---- */

void page_table_note_removed(struct page_table *table, zx_vaddr_t va, size_t size)
{
    struct port_invalidation *pending = &table->pending;

    if (pending->everything)
        return;
    if (pending->count > 0) {
        zx_vaddr_t before = pending->ranges[pending->count - 1].va;
        size_t *before_size = &pending->ranges[pending->count - 1].size;
        if (va >= before && va - before <= *before_size) {
            if (va - before + size > *before_size)
                *before_size = va - before + size;
            return;
        }
    }
    if (pending->count == PORT_INVALIDATION_MAX) {
        pending->everything = true;
        pending->count = 0;
        return;
    }
    pending->ranges[pending->count].va = va;
    pending->ranges[pending->count].size = size;
    pending->count++;
}

void page_table_settle(struct page_table *table)
{
    struct port_invalidation *pending = &table->pending;

    if (pending->count == 0 && !list_is_empty(&table->freed))
        pending->everything = true;
    if (pending->count > 0 || pending->everything) {
        pending->global = is_upper(table);
        port_invalidate(pending);
        pending->count = 0;
        pending->everything = false;
    }
    pmm_free_list(&table->freed);
}

/* ---- Init and destroy ---- */

void page_table_start(struct page_table *table, zx_vaddr_t base, size_t size, bool user)
{
    memset(table, 0, sizeof(*table));
    port_mutex_init(&table->lock, PORT_LOCK_PAGE_TABLE);
    list_init(&table->freed);
    list_init(&table->views);
    table->pending.views = &table->views;
    table->base = base;
    table->size = size;
    table->user = user;
    table->largest_level = port_largest_page_level();
}

struct vm_page *page_table_make_root(struct page_table *table)
{
    struct vm_page *root = pmm_alloc_page(VM_PAGE_MMU);
    if (root == NULL)
        return NULL;
    page_table_adopt(table, root);
    table->pending.root = root->paddr;
    port_root_table_created(root->paddr, !is_upper(table) && !table->guest);
    return root;
}

zx_status_t page_table_init(struct page_table *table, zx_vaddr_t base, size_t size, bool user)
{
    VM_ASSERT(is_page_aligned(base) && is_page_aligned(size) && size > 0 && base + (size - 1) >= base);
    page_table_start(table, base, size, user);
    struct vm_page *root = page_table_make_root(table);
    if (root == NULL)
        return ZX_ERR_NO_MEMORY;
    table->root = root->paddr;
    return ZX_OK;
}

zx_status_t page_table_init_guest(struct page_table *table, zx_vaddr_t base, size_t size)
{
    page_table_start(table, base, size, false);
    table->guest = true;
    table->largest_level = 3;
    struct vm_page *root = page_table_make_root(table);
    if (root == NULL)
        return ZX_ERR_NO_MEMORY;
    table->root = root->paddr;
    return ZX_OK;
}

/* The last address of a range that must lie in the span. */
static zx_vaddr_t range_last(const struct page_table *table, zx_vaddr_t va, size_t size)
{
    VM_ASSERT(is_page_aligned(va) && is_page_aligned(size) && size > 0);
    VM_ASSERT(va >= table->base && va - table->base <= table->size - size && size <= table->size);
    return va + (size - 1);
}

static void drop_tables_below(struct page_table *table, struct vm_page *page, unsigned level, zx_vaddr_t va,
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
            if (level > 2)
                drop_tables_below(table, child, level - 1, va, stop);
            page_table_drop(table, child);
        }
        entry_store(slot, 0);
    } while (advance(&va, stop, last));
}

void page_table_destroy(struct page_table *table)
{
    if (table->parts[0] != NULL) {
        page_table_destroy_unified(table);
        return;
    }
    port_mutex_lock(&table->lock);
    VM_ASSERT(list_is_empty(&table->views));
    if (table->root != 0) {
        struct vm_page *root = child_of(table->root);
        drop_tables_below(table, root, TOP_LEVEL, table->base, table->base + (table->size - 1));
        page_table_drop(table, root);
        table->pending.everything = true;
        table->pending.count = 0;
        /* A processor that finds this root from now on finds none; one that found it earlier is waited for.
           */
        __atomic_store_n(&table->root, 0, __ATOMIC_RELEASE);
        page_table_settle(table);
    }
    port_mutex_unlock(&table->lock);
}

/* ---- Unmap and protect ---- */

/* Puts a table of smaller pages with the same translations in the place of a large leaf; va is any address in
   it. */
static void split_leaf(struct page_table *table, uint64_t *slot, unsigned level, zx_vaddr_t va,
                       struct vm_page *child)
{
    uint64_t leaf = entry_load(slot);
    uint64_t *entries = entries_of(child);

    page_table_adopt(table, child);
    for (unsigned i = 0; i < ENTRIES; i++)
        entries[i] = make_split_leaf(leaf, level, i);
    child->table_entries = ENTRIES;
    entry_store(slot, make_table_entry(table, child->paddr));
    page_table_note_removed(table, va & ~level_mask(level), level_mask(level) + 1);
}

void page_table_split(struct page_table *table, zx_vaddr_t va, struct vm_page *page)
{
    port_mutex_lock(&table->lock);
    struct vm_page *at = child_of(table->root);
    for (unsigned level = TOP_LEVEL; level > 2; level--) {
        uint64_t entry = entry_load(&entries_of(at)[entry_index(va, level)]);
        VM_ASSERT(is_present(entry) && !is_leaf(entry, level));
        at = child_of(entry);
    }
    uint64_t *slot = &entries_of(at)[entry_index(va, 2)];
    VM_ASSERT(is_present(entry_load(slot)) && is_leaf(entry_load(slot), 2));
    pmm_set_state(page, VM_PAGE_MMU);
    split_leaf(table, slot, 2, va, page);
    page_table_settle(table);
    port_mutex_unlock(&table->lock);
}

/* What to do with the leaves in a range. */
struct change {
    bool remove;
    uint32_t flags;
};

static void change_leaf(struct page_table *table, struct vm_page *page, uint64_t *slot, unsigned level,
                        zx_vaddr_t va, const struct change *change)
{
    uint64_t before = entry_load(slot);

    if (change->remove) {
        entry_store(slot, 0);
        page->table_entries--;
        page_table_note_removed(table, va & ~level_mask(level), level_mask(level) + 1);
        return;
    }
    uint64_t after = make_leaf(table, leaf_address(before, level), level, change->flags);
    while (!__atomic_compare_exchange_n(slot, &before, after | (before & format_of(table)->notes), false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
    if (takes_away(format_of(table), before, after))
        page_table_note_removed(table, va & ~level_mask(level), level_mask(level) + 1);
}

/* Makes a large leaf ready for a change of [va, stop], a part of it: the table that took its place. Null
   where nothing is left to do. */
static struct vm_page *split_for_change(struct page_table *table, struct vm_page *page, uint64_t *slot,
                                        unsigned level, zx_vaddr_t va, const struct change *change)
{
    static const struct change remove = {.remove = true};
    uint64_t leaf = entry_load(slot);

    if (!change->remove && make_leaf(table, leaf_address(leaf, level), level, change->flags) ==
                               (leaf & ~format_of(table)->notes))
        return NULL;
    struct vm_page *child = pmm_alloc_page(VM_PAGE_MMU);
    if (child == NULL)
        change_leaf(table, page, slot, level, va, &remove);
    else
        split_leaf(table, slot, level, va, child);
    return child;
}

static void change_range(struct page_table *table, struct vm_page *page, unsigned level, zx_vaddr_t va,
                         zx_vaddr_t last, const struct change *change)
{
    uint64_t *entries = entries_of(page);
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t *slot = &entries[entry_index(va, level)];
        uint64_t entry = entry_load(slot);
        struct vm_page *child;
        if (!is_present(entry)) {
            stop = skip_empty(entries, level, va, last);
            continue;
        }
        if (!is_leaf(entry, level)) {
            child = child_of(entry);
        } else if (is_whole_entry(va, stop, level)) {
            change_leaf(table, page, slot, level, va, change);
            continue;
        } else {
            child = split_for_change(table, page, slot, level, va, change);
            if (child == NULL)
                continue;
        }
        change_range(table, child, level - 1, va, stop, change);
        if (child->table_entries == 0 && !link_stays(table, level)) {
            page_table_set_link(table, slot, level, va, 0);
            page->table_entries--;
            page_table_drop(table, child);
        }
    } while (advance(&va, stop, last));
}

static void change_all(struct page_table *table, zx_vaddr_t va, size_t size, const struct change *change)
{
    if (size == 0)
        return;
    zx_vaddr_t last = range_last(table, va, size);
    port_mutex_lock(&table->lock);
    if (table->root != 0) {
        change_range(table, child_of(table->root), TOP_LEVEL, va, last, change);
        page_table_settle(table);
    }
    port_mutex_unlock(&table->lock);
}

void page_table_unmap(struct page_table *table, zx_vaddr_t va, size_t size)
{
    const struct change change = {.remove = true};

    change_all(table, va, size, &change);
}

static void assert_flags(const struct page_table *table, uint32_t flags)
{
    VM_ASSERT((flags & ARCH_MMU_USER) == 0 || table->user);
    VM_ASSERT((flags & ARCH_MMU_GLOBAL) == 0 || is_upper(table));
}

void page_table_protect(struct page_table *table, zx_vaddr_t va, size_t size, uint32_t flags)
{
    const struct change change = {.remove = (flags & ARCH_MMU_READ) == 0, .flags = flags};

    assert_flags(table, flags);
    change_all(table, va, size, &change);
}

/* ---- Map ---- */

struct map_request {
    zx_vaddr_t va;
    zx_paddr_t paddr;         /* of va, of a contiguous run */
    const zx_paddr_t *paddrs; /* not null: of each page from va on */
    uint32_t flags;
    enum page_table_existing existing;
    uint8_t largest_level;
};

static inline zx_paddr_t paddr_at(const struct map_request *request, zx_vaddr_t va)
{
    if (request->paddrs != NULL)
        return request->paddrs[(va - request->va) >> PAGE_SHIFT];
    return request->paddr + (va - request->va);
}

/* Whether one leaf of this level can translate [va, stop]. */
static bool leaf_fits(const struct map_request *request, unsigned level, zx_vaddr_t va, zx_vaddr_t stop)
{
    if (level == 1)
        return true;
    return level <= request->largest_level && request->paddrs == NULL && is_whole_entry(va, stop, level) &&
           (paddr_at(request, va) & level_mask(level)) == 0;
}

/* Whether anything in the range is translated. A table that lies wholly in the range answers for itself: it
   is not empty, or stays while it is. */
static bool any_present(const struct vm_page *page, unsigned level, zx_vaddr_t va, zx_vaddr_t last)
{
    const uint64_t *entries = entries_of(page);
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t entry = entry_load(&entries[entry_index(va, level)]);
        if (!is_present(entry))
            continue;
        if (is_leaf(entry, level))
            return true;
        const struct vm_page *child = child_of(entry);
        if (is_whole_entry(va, stop, level) ? child->table_entries != 0
                                            : any_present(child, level - 1, va, stop))
            return true;
    } while (advance(&va, stop, last));
    return false;
}

/* How many tables map_range will link. entries null: a table that is not there yet and whose entries will all
   be like `like`: absent, or of the large leaf that was split. */
static size_t tables_needed(const struct map_request *request, const uint64_t *entries, uint64_t like,
                            unsigned level, zx_vaddr_t va, zx_vaddr_t last)
{
    size_t needed = 0;
    zx_vaddr_t stop;

    if (level == 1)
        return 0;
    do {
        stop = entry_last(va, level, last);
        uint64_t entry = entries != NULL ? entry_load(&entries[entry_index(va, level)]) : like;
        bool present = is_present(entry);
        if (leaf_fits(request, level, va, stop) &&
            (!present || request->existing == PAGE_TABLE_EXISTING_REPLACE))
            continue;
        if (present && !is_leaf(entry, level))
            needed += tables_needed(request, entries_of(child_of(entry)), 0, level - 1, va, stop);
        else if (!present || request->existing != PAGE_TABLE_EXISTING_SKIP)
            needed += 1 + tables_needed(request, NULL, entry, level - 1, va, stop);
    } while (advance(&va, stop, last));
    return needed;
}

/* Puts the leaf for va in the place of whatever `slot` holds. */
static void set_leaf(struct page_table *table, const struct map_request *request, struct vm_page *page,
                     uint64_t *slot, unsigned level, zx_vaddr_t va)
{
    static const struct change remove = {.remove = true};
    uint64_t before = entry_load(slot);
    uint64_t after = make_leaf(table, paddr_at(request, va), level, request->flags);

    if (!is_present(before)) {
        entry_store(slot, after);
        page->table_entries++;
        return;
    }
    if (!is_leaf(before, level)) {
        struct vm_page *child = child_of(before);
        change_range(table, child, level - 1, va, va | level_mask(level), &remove);
        entry_store(slot, after);
        page_table_drop(table, child);
        return;
    }
    if ((before & ~format_of(table)->notes) == after)
        return;
    bool same_page = leaf_address(before, level) == leaf_address(after, level);
    while (!__atomic_compare_exchange_n(slot, &before,
                                        after | (same_page ? before & format_of(table)->notes : 0), false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
    if (takes_away(format_of(table), before, after))
        page_table_note_removed(table, va, level_mask(level) + 1);
}

static struct vm_page *take_reserved(struct list_node *reserve)
{
    struct list_node *node = list_pop_head(reserve);

    VM_ASSERT(node != NULL);
    return container_of(node, struct vm_page, node);
}

static void map_range(struct page_table *table, const struct map_request *request, struct list_node *reserve,
                      struct vm_page *page, unsigned level, zx_vaddr_t va, zx_vaddr_t last)
{
    uint64_t *entries = entries_of(page);
    bool skip = request->existing == PAGE_TABLE_EXISTING_SKIP;
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t *slot = &entries[entry_index(va, level)];
        uint64_t entry = entry_load(slot);
        if (leaf_fits(request, level, va, stop) && (!is_present(entry) || !skip)) {
            set_leaf(table, request, page, slot, level, va);
            continue;
        }
        struct vm_page *child;
        if (!is_present(entry)) {
            child = take_reserved(reserve);
            page_table_adopt(table, child);
            page_table_set_link(table, slot, level, va, make_table_entry(table, child->paddr));
            page->table_entries++;
        } else if (!is_leaf(entry, level)) {
            child = child_of(entry);
        } else if (skip) {
            continue;
        } else {
            child = take_reserved(reserve);
            split_leaf(table, slot, level, va, child);
        }
        map_range(table, request, reserve, child, level - 1, va, stop);
    } while (advance(&va, stop, last));
}

/* The lowest table that holds all that mapping [va, last] may change, and its level: most requests are for a few
   pages that one lowest-level table translates. */
static struct vm_page *common_table(const struct page_table *table, zx_vaddr_t va, zx_vaddr_t last,
                                    unsigned *level)
{
    zx_paddr_t address = table->root;

    for (*level = TOP_LEVEL; *level > 1; (*level)--) {
        const uint64_t *entries = port_phys_to_virt(address);
        uint64_t entry = entry_load(&entries[entry_index(va, *level)]);
        if (entry_last(va, *level, last) != last || is_whole_entry(va, last, *level) || !is_present(entry) ||
            is_leaf(entry, *level))
            break;
        address = table_address(entry);
    }
    return child_of(address);
}

static zx_status_t map_locked(struct page_table *table, const struct map_request *request, zx_vaddr_t last)
{
    unsigned level;
    struct vm_page *top = common_table(table, request->va, last, &level);
    struct list_node reserve;

    list_init(&reserve);
    if (request->existing == PAGE_TABLE_EXISTING_ERROR && any_present(top, level, request->va, last))
        return ZX_ERR_ALREADY_EXISTS;
    size_t needed = tables_needed(request, entries_of(top), 0, level, request->va, last);
    if (pmm_alloc_pages(needed, VM_PAGE_MMU, &reserve) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    map_range(table, request, &reserve, top, level, request->va, last);
    VM_ASSERT(list_is_empty(&reserve));
    page_table_settle(table);
    return ZX_OK;
}

static zx_status_t map(struct page_table *table, struct map_request *request, size_t size)
{
    assert_flags(table, request->flags);
    VM_ASSERT((request->flags & ARCH_MMU_READ) != 0);
    if (size == 0)
        return ZX_OK;
    zx_vaddr_t last = range_last(table, request->va, size);
    port_mutex_lock(&table->lock);
    VM_ASSERT(table->root != 0);
    request->largest_level = table->largest_level;
    zx_status_t status = map_locked(table, request, last);
    port_mutex_unlock(&table->lock);
    return status;
}

zx_status_t page_table_map(struct page_table *table, zx_vaddr_t va, zx_paddr_t paddr, size_t size,
                           uint32_t flags, enum page_table_existing existing)
{
    struct map_request request = {.va = va, .paddr = paddr, .flags = flags, .existing = existing};

    VM_ASSERT(is_page_aligned(paddr) && (paddr & ~X86_PTE_ADDRESS) == 0);
    return map(table, &request, size);
}

zx_status_t page_table_map_pages(struct page_table *table, zx_vaddr_t va, const zx_paddr_t *paddrs,
                                 size_t count, uint32_t flags, enum page_table_existing existing)
{
    struct map_request request = {.va = va, .paddrs = paddrs, .flags = flags, .existing = existing};

    return map(table, &request, count << PAGE_SHIFT);
}

/* ---- Query ---- */

static struct page_table_entry describe(const struct entry_format *format, uint64_t leaf, uint64_t above,
                                        unsigned level, zx_vaddr_t va)
{
    return (struct page_table_entry){
        .va = va & ~level_mask(level),
        .paddr = leaf_address(leaf, level),
        .size = level_mask(level) + 1,
        .flags = flags_of(format, leaf, above),
        .accessed = (leaf & format->accessed) != 0,
        .dirty = (leaf & format->dirty) != 0,
    };
}

static zx_status_t query_locked(struct page_table *table, zx_vaddr_t va, struct page_table_entry *out)
{
    const struct entry_format *format = format_of(table);
    zx_paddr_t address = table->root;
    uint64_t above = grants_of(format);

    if (address == 0 || va < table->base || va - table->base >= table->size)
        return ZX_ERR_NOT_FOUND;
    for (unsigned level = TOP_LEVEL;; level--) {
        const uint64_t *entries = port_phys_to_virt(address);
        uint64_t entry = entry_load(&entries[entry_index(va, level)]);
        if (!is_present(entry))
            return ZX_ERR_NOT_FOUND;
        if (is_leaf(entry, level)) {
            *out = describe(format, entry, above, level, va);
            return ZX_OK;
        }
        above = allowed_below(format, entry, above);
        address = table_address(entry);
    }
}

/* Who manages the translation of va: a part, where the table is unified and alive. */
static struct page_table *manager_of(struct page_table *table, zx_vaddr_t va)
{
    if (__atomic_load_n(&table->root, __ATOMIC_ACQUIRE) == 0)
        return table;
    for (unsigned i = 0; i < 2; i++)
        if (table->parts[i] != NULL && va - table->parts[i]->base < table->parts[i]->size)
            return table->parts[i];
    return table;
}

zx_status_t page_table_query(struct page_table *table, zx_vaddr_t va, struct page_table_entry *out)
{
    table = manager_of(table, va);
    port_mutex_lock(&table->lock);
    zx_status_t status = query_locked(table, va, out);
    port_mutex_unlock(&table->lock);
    return status;
}

struct visitor {
    bool (*visit)(void *context, const struct page_table_entry *entry);
    void *context;
    const struct entry_format *format;
};

/* Ends behind the last entry in use: most of most tables is empty. */
static bool visit_range(const struct visitor *visitor, const struct vm_page *page, uint64_t above,
                        unsigned level, zx_vaddr_t va, zx_vaddr_t last)
{
    const uint64_t *entries = entries_of(page);
    uint32_t left = page->table_entries;
    zx_vaddr_t stop;

    do {
        stop = entry_last(va, level, last);
        uint64_t entry = entry_load(&entries[entry_index(va, level)]);
        if (!is_present(entry)) {
            stop = skip_empty(entries, level, va, last);
            continue;
        }
        left--;
        if (is_leaf(entry, level)) {
            struct page_table_entry described = describe(visitor->format, entry, above, level, va);
            if (!visitor->visit(visitor->context, &described))
                return false;
        } else if (!visit_range(visitor, child_of(entry), allowed_below(visitor->format, entry, above),
                                level - 1, va, stop)) {
            return false;
        }
    } while (left > 0 && advance(&va, stop, last));
    return true;
}

void page_table_for_each(struct page_table *table, zx_vaddr_t va, size_t size,
                         bool (*visit)(void *context, const struct page_table_entry *entry), void *context)
{
    const struct visitor visitor = {visit, context, format_of(table)};

    if (size == 0)
        return;
    VM_ASSERT(table->parts[0] == NULL);
    zx_vaddr_t last = range_last(table, va, size);
    port_mutex_lock(&table->lock);
    if (table->root != 0)
        visit_range(&visitor, child_of(table->root), grants_of(visitor.format), TOP_LEVEL, va, last);
    port_mutex_unlock(&table->lock);
}

/* ---- Check ---- */

struct table_check {
    const struct page_table *table;
    struct list_node seen; /* every table that the check came by; a table in use is on no other list */
    uint64_t tables;
    struct vm_sink *report;
};

static bool complain(struct table_check *check, const char *what, unsigned level, zx_vaddr_t va,
                     uint64_t entry)
{
    vm_print(check->report, "page table 0x%llx: %s: level %u at 0x%llx, entry 0x%llx\n",
             (unsigned long long)check->table->root, what, level, (unsigned long long)va,
             (unsigned long long)entry);
    return false;
}

static bool check_leaf(struct table_check *check, uint64_t entry, unsigned level, zx_vaddr_t va)
{
    const struct page_table *table = check->table;

    if (va < table->base || va - table->base > table->size - 1 ||
        level_mask(level) > table->size - 1 - (va - table->base))
        return complain(check, "a translation outside the span", level, va, entry);
    if (level > 1 && (entry & X86_PTE_ADDRESS & level_mask(level)) != 0)
        return complain(check, "a large page that is not aligned", level, va, entry);
    if (((entry & format_of(table)->user) != 0) != table->user)
        return complain(check, "a translation for the wrong half", level, va, entry);
    return true;
}

/* The tables from this one down; va and last bound what belongs to the space. */
static bool check_tables(struct table_check *check, struct vm_page *page, unsigned level, zx_vaddr_t va,
                         zx_vaddr_t last)
{
    const uint64_t *entries = entries_of(page);
    zx_vaddr_t first = va, stop;
    uint32_t in_use = 0;

    list_add_tail(&check->seen, &page->node);
    check->tables++;
    do {
        stop = entry_last(va, level, last);
        uint64_t entry = entry_load(&entries[entry_index(va, level)]);
        if (!is_present(entry)) {
            if (entry != 0)
                return complain(check, "an absent entry that is not zero", level, va, entry);
            if (link_stays(check->table, level))
                return complain(check, "a fixed entry is gone", level, va, entry);
            stop = skip_empty(entries, level, va, last);
            continue;
        }
        in_use++;
        if (is_leaf(entry, level)) {
            if (level == TOP_LEVEL || !check_leaf(check, entry, level, va))
                return level != TOP_LEVEL ? false : complain(check, "a leaf at the top", level, va, entry);
            continue;
        }
        struct vm_page *child = pmm_page_at(table_address(entry));
        if (child == NULL || child->state != VM_PAGE_MMU)
            return complain(check, "leads to a page that is no table", level, va, entry);
        if (list_is_linked(&child->node))
            return complain(check, "leads to a table that is linked elsewhere", level, va, entry);
        if (child->table_entries == 0 && !link_stays(check->table, level))
            return complain(check, "leads to an empty table", level, va, entry);
        if (!check_tables(check, child, level - 1, va, stop))
            return false;
    } while (advance(&va, stop, last));
    if (in_use != page->table_entries) {
        vm_print(check->report,
                 "page table 0x%llx: level %u at 0x%llx has %u entries in use, its count says %u\n",
                 (unsigned long long)check->table->root, level, (unsigned long long)first, in_use,
                 page->table_entries);
        return false;
    }
    return true;
}

static bool check_locked(struct page_table *table, struct vm_sink *report)
{
    struct table_check check = {.table = table, .report = report};
    /* The top-level entries that the span touches, each as a whole. */
    zx_vaddr_t first = table->base & ~level_mask(TOP_LEVEL);
    zx_vaddr_t last = (table->base + (table->size - 1)) | level_mask(TOP_LEVEL);
    struct vm_page *root = pmm_page_at(table->root);

    if (root == NULL || root->state != VM_PAGE_MMU || list_is_linked(&root->node)) {
        vm_print(report, "page table 0x%llx: the top is no table\n", (unsigned long long)table->root);
        return false;
    }
    list_init(&check.seen);
    bool sound = check_tables(&check, root, TOP_LEVEL, first, last);
    while (list_pop_head(&check.seen) != NULL)
        ;
    if (sound && check.tables != table->table_pages) {
        vm_print(report, "page table 0x%llx: %llu tables, the count says %llu\n",
                 (unsigned long long)table->root, (unsigned long long)check.tables,
                 (unsigned long long)table->table_pages);
        sound = false;
    }
    if (!list_is_empty(&table->freed) || table->pending.count != 0 || table->pending.everything) {
        vm_print(report, "page table 0x%llx: an operation was left unfinished\n",
                 (unsigned long long)table->root);
        sound = false;
    }
    return sound;
}

bool page_table_check(struct page_table *table, struct vm_sink *report)
{
    bool sound = true;

    port_mutex_lock(&table->lock);
    if (table->root != 0)
        sound =
            table->parts[0] != NULL ? page_table_check_unified(table, report) : check_locked(table, report);
    else if (table->table_pages != 0) {
        vm_print(report, "page table: there is no top, but the count says %llu tables\n",
                 (unsigned long long)table->table_pages);
        sound = false;
    }
    port_mutex_unlock(&table->lock);
    return sound;
}
