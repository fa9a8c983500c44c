/* SPDX-License-Identifier: MIT */
/*
 * page_table_unified.c: a top-level table that shows the tables of two spaces as its own.
 *
 * Concept. A unified table is a top-level table alone: its entries are those of two other sets of tables, its
 * parts, which do everything. So a processor that has loaded it sees both.
 *
 * Structure. One part is fixed: all its top-level entries are made at once and stay, so that any number of
 * unified tables may show it and none has ever to be told of a change. The other part is shown by one table,
 * and whatever changes an entry of its top level changes the copy too, in the same step and before the
 * invalidation (page_table.c, set_link). Each part lists the roots that show it: processors remember a
 * translation by the root by which they came to it, so every invalidation names these roots as well.
 *
 * Order of ending. No processor finds the root any more; all forget it; the parts forget it; its page is
 * freed. Were the parts to forget it first, a page that they give up could still be seen by way of this root.
 *
 * Invariants (page_table_check). In the lower half each entry is that of the part whose span it touches, but
 * for what processors have noted in it, or zero; both parts list the root.
 *
 * Locking. The entries of a unified table, and the lists of roots, are under the lock of the part concerned;
 * two parts are never locked at once.
 *
 * Cost. Making and ending: the top-level entries. Nothing else.
 */
#include "internal.h"
#include "page_table_entry.h"

zx_status_t page_table_fix(struct page_table *table)
{
    zx_vaddr_t va = table->base, last = table->base + (table->size - 1);
    size_t count = entry_index(last, TOP_LEVEL) - entry_index(va, TOP_LEVEL) + 1;
    struct list_node reserve;

    list_init(&reserve);
    if (pmm_alloc_pages(count, VM_PAGE_MMU, &reserve) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    port_mutex_lock(&table->lock);
    struct vm_page *root = child_of(table->root);
    VM_ASSERT(root->table_entries == 0);
    uint64_t *slot = &entries_of(root)[entry_index(va, TOP_LEVEL)];
    for (; root->table_entries < count; root->table_entries++, slot++) {
        struct vm_page *child = container_of(list_pop_head(&reserve), struct vm_page, node);
        page_table_adopt(table, child);
        entry_store(slot, make_table_entry(table, child->paddr));
    }
    table->fixed = true;
    port_mutex_unlock(&table->lock);
    return ZX_OK;
}

/* Copies the top-level entries of the part, which come with their changes from now on. */
static zx_status_t show(struct page_table *part, struct port_root *view)
{
    unsigned first = entry_index(part->base, TOP_LEVEL);
    unsigned last = entry_index(part->base + (part->size - 1), TOP_LEVEL);
    uint64_t *to = port_phys_to_virt(view->root);
    zx_status_t status = ZX_ERR_BAD_STATE;

    port_mutex_lock(&part->lock);
    if (part->root != 0 && (part->fixed || list_is_empty(&part->views))) {
        const uint64_t *from = port_phys_to_virt(part->root);
        for (unsigned i = first; i <= last; i++)
            entry_store(&to[i], entry_load(&from[i]));
        list_add_tail(&part->views, &view->node);
        status = ZX_OK;
    }
    port_mutex_unlock(&part->lock);
    return status;
}

static void show_no_more(struct page_table *part, struct port_root *view)
{
    port_mutex_lock(&part->lock);
    list_remove(&view->node);
    port_mutex_unlock(&part->lock);
}

zx_status_t page_table_init_unified(struct page_table *table, struct page_table *fixed,
                                    struct page_table *other)
{
    VM_ASSERT(fixed->fixed && !other->fixed && fixed->user && other->user);
    page_table_start(table, 0, 0, true);
    struct vm_page *root = page_table_make_root(table);
    if (root == NULL)
        return ZX_ERR_NO_MEMORY;
    table->shown[0].root = table->shown[1].root = root->paddr;
    zx_status_t status = show(fixed, &table->shown[0]);
    if (status == ZX_OK) {
        status = show(other, &table->shown[1]);
        if (status != ZX_OK)
            show_no_more(fixed, &table->shown[0]);
    }
    if (status != ZX_OK) {
        pmm_free_page(root);
        return status;
    }
    table->parts[0] = fixed;
    table->parts[1] = other;
    table->root = root->paddr;
    return ZX_OK;
}

void page_table_destroy_unified(struct page_table *table)
{
    port_mutex_lock(&table->lock);
    zx_paddr_t root = table->root;
    if (root != 0) {
        __atomic_store_n(&table->root, 0, __ATOMIC_RELEASE);
        table->pending.everything = true;
        page_table_settle(table);
    }
    port_mutex_unlock(&table->lock);
    if (root == 0)
        return;
    /* Until here, what the parts take away had to be forgotten by way of this root as well. */
    for (unsigned i = 0; i < 2; i++)
        show_no_more(table->parts[i], &table->shown[i]);
    port_mutex_lock(&table->lock);
    table->table_pages--;
    port_mutex_unlock(&table->lock);
    pmm_free_page(child_of(root));
}

bool page_table_is_shown(struct page_table *table)
{
    port_mutex_lock(&table->lock);
    bool shown = !list_is_empty(&table->views);
    port_mutex_unlock(&table->lock);
    return shown;
}

static bool is_listed(const struct list_node *list, const struct list_node *wanted)
{
    list_for_each(node, list)
    {
        if (node == wanted)
            return true;
    }
    return false;
}

/* Every entry is a copy of the part's, but for what processors have noted in it; where there is no part,
   there is none. */
bool page_table_check_unified(const struct page_table *table, struct vm_sink *report)
{
    const uint64_t *entries = port_phys_to_virt(table->root);
    bool sound = table->table_pages == 1;

    for (unsigned i = 0; i < 2; i++)
        sound = sound && table->shown[i].root == table->root && table->parts[i]->root != 0 &&
                is_listed(&table->parts[i]->views, &table->shown[i].node);
    if (!sound)
        vm_print(report, "page table 0x%llx: unified, but not with its parts\n",
                 (unsigned long long)table->root);
    for (unsigned i = 0; sound && i < ENTRIES / 2; i++) {
        uint64_t expected = 0;
        for (unsigned j = 0; j < 2; j++) {
            const struct page_table *part = table->parts[j];
            const uint64_t *from = port_phys_to_virt(part->root);
            if (i >= entry_index(part->base, TOP_LEVEL) &&
                i <= entry_index(part->base + (part->size - 1), TOP_LEVEL))
                expected = entry_load(&from[i]);
        }
        uint64_t entry = entry_load(&entries[i]);
        if (((entry ^ expected) & ~format_of(table)->notes) != 0) {
            vm_print(report, "page table 0x%llx: top-level entry %u is 0x%llx, its part has 0x%llx\n",
                     (unsigned long long)table->root, i, (unsigned long long)entry,
                     (unsigned long long)expected);
            sound = false;
        }
    }
    return sound;
}
