/* SPDX-License-Identifier: MIT */
/*
 * vmo.c: memory that can be mapped: paged, anonymous, demand-zero, sparse.
 *
 * Concept. A VMO is an array of bytes, all zero at first, that takes memory page by page as it is written.
 * Absent pages read as zero; in page tables the machine's one zero page stands for them, read-only.
 *
 * Structure. The pages hang in a radix tree by page number (page_list.c), so that a VMO costs what it holds,
 * not what it spans. The mappings of a VMO are in a tree by the part that they show (mapping_tree.c); every
 * page table that shows a page of it is reached from there, and no other mapping is looked at.
 *
 * Holders. A page may be held by several VMOs at once, after a snapshot (vmo_child.c). It is counted how many;
 * none of them knows the others. A page with several holders is never written: whoever wants to write takes a
 * copy and lets go of the page that it had. A VMO that finds itself the only holder, under its own lock, stays
 * it, since others join only through a snapshot of this VMO: then it may write in place. So neither writing
 * nor faulting looks at any other VMO, however long the line of ancestors is.
 *
 * Counting. A page is counted in one of its holders, the one that it names. When that one lets go, the page
 * names nobody until another holder is asked what it has: that one takes it over (vmo_counted_pages_locked). A VMO
 * that is asked, and finds all its pages counted in it and held by nobody else, is as one that never shared any: both
 * stay so under its lock, since nobody but a holder that is named takes its name away, and others become holders only
 * through a snapshot of this VMO, which notes that (had_sharers) under the same lock.
 *
 * Invariants. A page in state OBJECT has as many holders as it says, and names one of them, with the offset
 * there, or none. No page at or past the size. A translation leads to the page that the VMO holds at that
 * offset or, where it holds none, to the zero page; it is never writable where the page has other holders.
 * Therefore whoever takes a page out removes its translations first, and whoever puts one in removes those of
 * the page that was shown until then (of the zero page: each mapping knows where it may show it).
 *
 * The zero page. Each mapping has one interval of the VMO that bounds where it may show the zero page
 * (mapping_tree.c). It grows where the zero page is entered, and shrinks at its ends where this VMO removes
 * translations there. What removes translations without the VMO's lock (harvests, protecting) leaves it as it is. So it
 * may say too much: of a mapping that has read two places far apart, or whose tables were freed. A page that is made
 * in between looks there in vain; with n such mappings, each such fault would look at n of them, for ever. Therefore
 * each VAIN_LOOKS such looks take the mapping's lowest zero page away, and the interval begins where the next
 * translation of one is. What was taken away is read in again by a fault, if it is still wanted. So every zero page
 * that is entered pays for about VAIN_LOOKS looks in vain, and so many looks in vain cause one fault at the most.
 * (To know it page by page would take memory for each page that is read, which may be missing, where the zero page is
 * there to save memory; a mark in the list of pages, that some mapping shows a page, does not tell which one.)
 *
 * Large pages. Where a whole aligned run of VM_LARGE_PAGES absent pages is committed at once, pages that lie one
 * behind the other are taken for it, if there are any: mappings can show them by a large page
 * (mapping_has_large_vmo_locked). Nothing else knows of it: they are single pages, each of which may go or be
 * replaced, and whoever removes the translation of one splits the large page.
 *
 * Slices. A slice (vmo_child.c) has no pages: what comes in here for it is done to the VMO behind it. What is
 * special about contiguous, physical and pinned memory is in vmo_device.c.
 *
 * Locking. vmo->lock guards size, pages and the tree of mappings; taken after the aspace's, before the page
 * table's. The holders of a page and its name of one are atomic. Bytes are copied from and to programs
 * through a buffer on the stack, with no lock held, since such a copy may fault.
 *
 * Cost. A page: O(height of the radix tree), height <= 9. Decommit and shrink: the pages that are there, not
 * the bytes, and one page-table operation for each mapping that shows some of them. Commit: the pages; a call that
 * finds no run for a large page has looked at the machine's page arrays, once.
 */
#include <vm/mem.h>

#include "internal.h"

zx_status_t vmo_round_size(uint64_t size, uint64_t *rounded)
{
    *rounded = round_up_page(size);
    return (*rounded == 0 && size != 0) || *rounded > VMO_SIZE_MAX ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
}

zx_status_t vmo_create(uint64_t size, bool resizable, struct vm_vmo **out)
{
    uint64_t rounded;
    if (vmo_round_size(size, &rounded) != ZX_OK)
        return ZX_ERR_OUT_OF_RANGE;
    struct vm_vmo *vmo = slab_alloc(&vm_machine->vmo_cache);
    if (vmo == NULL)
        return ZX_ERR_NO_MEMORY;
    vm_object_init(&vmo->object, ZX_OBJ_TYPE_VMO);
    port_mutex_init(&vmo->lock, PORT_LOCK_VMO);
    vmo->size = rounded;
    vmo->resizable = resizable;
    vmo->target = vmo;
    page_list_init(&vmo->pages);
    *out = vmo;
    return ZX_OK;
}

zx_status_t vmo_find_target(struct vm_vmo **vmo, uint64_t *offset, uint64_t size)
{
    const struct vm_vmo *asked = *vmo;
    if (vmo_is_slice(asked) && (*offset > asked->size || size > asked->size - *offset))
        return ZX_ERR_OUT_OF_RANGE;
    *vmo = asked->target;
    *offset += asked->window;
    return ZX_OK;
}

/* The same for what works on pages: NOT_SUPPORTED comes first, where there never are any. */
static zx_status_t find_pages(struct vm_vmo **vmo, uint64_t *offset, uint64_t size)
{
    return (*vmo)->target->kind == VMO_PHYSICAL ? ZX_ERR_NOT_SUPPORTED : vmo_find_target(vmo, offset, size);
}

/* Gives up this VMO's hold on a page that is not in its list any more and has no translation in its mappings. */
static void let_go(struct vm_vmo *vmo, struct vm_page *page)
{
    struct vm_vmo *counted = vmo;
    unsigned sharers = atomic_load(&page->sharers);
    atomic_compare_exchange_strong(&page->vmo, &counted, NULL);
    while (sharers != 0)
        if (atomic_compare_exchange_weak(&page->sharers, &sharers, sharers - 1))
            return;
    page_queue_remove(page);
    pmm_free_page(page);
}

static void drop_page_locked(struct vm_vmo *vmo, uint64_t index)
{
    struct vm_page *page = page_list_remove(&vmo->pages, index);
    vmo->usage_known = false;
    if (page != NULL)
        let_go(vmo, page);
}

/* Lets go of every page of [first, limit) (page numbers). */
static void drop_pages_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    uint64_t index;
    while (page_list_next(&vmo->pages, first, &index) != NULL && index < limit) {
        drop_page_locked(vmo, index);
        first = index + 1;
    }
}

void vmo_free(struct vm_vmo *vmo)
{
    VM_ASSERT(vmo->mappings.root == NULL);
    drop_pages_locked(vmo, 0, UINT64_MAX);
    VM_ASSERT(vmo->pages.count == 0);
    vmo_leave_family(vmo);
    if (vmo_is_slice(vmo))
        vm_object_release(&vmo->target->object);
    slab_free(&vm_machine->vmo_cache, vmo);
}

uint64_t vmo_size(struct vm_vmo *vmo)
{
    port_mutex_lock(&vmo->lock);
    uint64_t size = vmo->size;
    port_mutex_unlock(&vmo->lock);
    return size;
}

struct vm_page *vmo_page_locked(const struct vm_vmo *vmo, uint64_t offset)
{
    return page_list_get(&vmo->pages, offset >> PAGE_SHIFT);
}

/* Removes the translations of [offset, offset + size) from every mapping but `except` (may be null). */
static void unmap_range_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size,
                               const struct vm_mapping *except)
{
    uint64_t end = offset + size;
    for (struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, offset, end, false); mapping != NULL;
         mapping = mapping_tree_next(mapping, offset, end, false)) {
        if (mapping == except)
            continue;
        uint64_t first = mapping->vmo_offset, limit = first + mapping->region.size;
        uint64_t low = offset > first ? offset : first, high = end < limit ? end : limit;
        page_table_unmap(&mapping->region.aspace->table, mapping->region.base + (low - first), high - low);
        mapping_tree_hide_zero(&vmo->mappings, mapping, low, high);
    }
}

void vmo_unmap_range_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    unmap_range_locked(vmo, offset, size, NULL);
}

/* ---- The zero page ---- */

#define VAIN_LOOKS 16
/* Translations that one search passes. */
#define SEARCH_MOST 32

struct zero_search {
    zx_vaddr_t va;
    unsigned left;
    bool found;
};

static bool find_zero(void *context, const struct page_table_entry *entry)
{
    struct zero_search *search = context;
    search->va = entry->va;
    search->found = entry->paddr == vm_machine->zero_page->paddr;
    return !search->found && --search->left > 0;
}

/* Looks for the lowest translation of the zero page where the mapping may have one. What lies below it, or below where
   the search has ended, is none of its interval any more. */
static bool seek_zero_locked(struct vm_vmo *vmo, struct vm_mapping *mapping, zx_vaddr_t *va)
{
    uint64_t first = mapping->zero.first, end = mapping->zero.end;
    zx_vaddr_t base = mapping->region.base - mapping->vmo_offset; /* of offset 0; may wrap */
    struct zero_search search = {.left = SEARCH_MOST};
    page_table_for_each(&mapping->region.aspace->table, base + first, end - first, find_zero, &search);
    if (search.found || search.left == 0)
        end = search.va - base;
    mapping_tree_hide_zero(&vmo->mappings, mapping, first, end);
    *va = search.va;
    return search.found;
}

/* Narrows where the mapping may show the zero page, which it does not at `offset`, though it may. */
static void narrow_zero_locked(struct vm_vmo *vmo, struct vm_mapping *mapping, uint64_t offset)
{
    zx_vaddr_t va;
    if (!seek_zero_locked(vmo, mapping, &va) || mapping->zero.first > offset)
        return;
    page_table_unmap(&mapping->region.aspace->table, va, PAGE_SIZE);
    (void)seek_zero_locked(vmo, mapping, &va);
}

/* Removes the zero page at offset from a mapping that may show it there. */
static void hide_zero_locked(struct vm_vmo *vmo, struct vm_mapping *mapping, uint64_t offset)
{
    struct page_table *table = &mapping->region.aspace->table;
    zx_vaddr_t va = mapping->region.base + (offset - mapping->vmo_offset);
    struct page_table_entry entry;
    if (page_table_query(table, va, &entry) == ZX_OK) {
        page_table_unmap(table, va, PAGE_SIZE);
    } else if (++mapping->vain == VAIN_LOOKS) {
        mapping->vain = 0;
        narrow_zero_locked(vmo, mapping, offset);
    }
}

/* Removes the zero page at offset from every mapping but `except`, which shows something else there. One that was
   narrowed on the way, and not enough, may come by once more: at the most one in VAIN_LOOKS. */
static void unmap_zero_locked(struct vm_vmo *vmo, uint64_t offset, const struct vm_mapping *except)
{
    uint64_t end = offset + PAGE_SIZE;
    struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, offset, end, true), *next;
    for (; mapping != NULL; mapping = next) {
        next = mapping_tree_next(mapping, offset, end, true); /* before it moves in the tree */
        if (mapping != except)
            hide_zero_locked(vmo, mapping, offset);
        mapping_tree_hide_zero(&vmo->mappings, mapping, offset, end);
    }
}

/* ---- Making pages ---- */

/* A page for a place where the VMO has none of its own, and the place kept for it: nobody's yet, but it says
   already whose it will be. NO_MEMORY. */
static zx_status_t prepare_page_locked(struct vm_vmo *vmo, uint64_t index, struct vm_page **out)
{
    if (page_list_reserve(&vmo->pages, index) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    struct vm_page *page = pmm_alloc_page(VM_PAGE_OBJECT);
    if (page == NULL) {
        page_list_unreserve(&vmo->pages, index);
        return ZX_ERR_NO_MEMORY;
    }
    page->vmo = vmo;
    page->vmo_offset = index << PAGE_SHIFT;
    *out = page;
    return ZX_OK;
}

/* Gives up a prepared page. */
static void unprepare_page_locked(struct vm_vmo *vmo, struct vm_page *page)
{
    page_list_unreserve(&vmo->pages, page->vmo_offset >> PAGE_SHIFT);
    pmm_free_page(page);
}

/* Puts a prepared page in its place, zeroed, or with the bytes of the shared page that was there, which is
   returned. */
static struct vm_page *place_page_locked(struct vm_vmo *vmo, struct vm_page *page)
{
    const struct vm_page *before = vmo_page_locked(vmo, page->vmo_offset);
    if (before != NULL)
        memcpy(pmm_page_bytes(page), pmm_page_bytes(before), PAGE_SIZE);
    else
        memset(pmm_page_bytes(page), 0, PAGE_SIZE);
    page_queue_add(page);
    vmo->usage_known = false;
    return page_list_set(&vmo->pages, page->vmo_offset >> PAGE_SHIFT, page);
}

zx_status_t vmo_make_page_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page **before)
{
    struct vm_page *page;
    VM_ASSERT(offset < vmo->size);
    zx_status_t status = prepare_page_locked(vmo, offset >> PAGE_SHIFT, &page);
    if (status == ZX_OK)
        *before = place_page_locked(vmo, page);
    return status;
}

void vmo_page_made_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page *before,
                          const struct vm_mapping *except)
{
    offset = round_down_page(offset);
    if (before == NULL) {
        unmap_zero_locked(vmo, offset, except);
        return;
    }
    unmap_range_locked(vmo, offset, PAGE_SIZE, except);
    let_go(vmo, before);
}

void vmo_unmake_page_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page *before)
{
    uint64_t index = offset >> PAGE_SHIFT;
    struct vm_page *page =
        before != NULL ? page_list_set(&vmo->pages, index, before) : page_list_remove(&vmo->pages, index);
    vmo->usage_known = false;
    page_queue_remove(page);
    pmm_free_page(page);
}

static bool in_range_locked(const struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    return offset <= vmo->size && size <= vmo->size - offset;
}

uint64_t vmo_count_pages_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    if (first >= limit)
        return 0;
    return page_list_count_below(&vmo->pages, limit) - page_list_count_below(&vmo->pages, first);
}

/* Whether the VMO has a page at offset that no other VMO holds. */
static bool owns_page_locked(const struct vm_vmo *vmo, uint64_t offset)
{
    const struct vm_page *page = vmo_page_locked(vmo, offset);
    return page != NULL && !page_is_shared(page);
}

uint64_t vmo_counted_pages_locked(struct vm_vmo *vmo)
{
    struct vm_page *page;
    uint64_t count = 0, alone = 0;
    if (!vmo->had_sharers)
        return vmo->pages.count;
    for (uint64_t index = 0; (page = page_list_next(&vmo->pages, index, &index)) != NULL; index++) {
        struct vm_vmo *counted = NULL;
        if (atomic_compare_exchange_strong(&page->vmo, &counted, vmo))
            page->vmo_offset = index << PAGE_SHIFT;
        bool here = counted == NULL || counted == vmo;
        count += here;
        alone += here && !page_is_shared(page);
    }
    vmo->had_sharers = alone != vmo->pages.count;
    return count;
}

/* How many pages of [first, limit) the VMO has for itself alone. */
static uint64_t count_own_pages_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    const struct vm_page *page;
    uint64_t count = 0, index;
    for (; (page = page_list_next(&vmo->pages, first, &index)) != NULL && index < limit; first = index + 1)
        count += !page_is_shared(page);
    return count;
}

/* Whether the VMO could have a large page at `index`, below limit: it has no page there yet. */
static bool is_free_for_large_locked(const struct vm_vmo *vmo, uint64_t index, uint64_t limit)
{
    uint64_t next;
    return index % VM_LARGE_PAGES == 0 && limit - index >= VM_LARGE_PAGES &&
           (page_list_next(&vmo->pages, index, &next) == NULL || next - index >= VM_LARGE_PAGES);
}

/* Prepares pages for VM_LARGE_PAGES places, all absent, that one large page can show. NO_MEMORY: nothing done; single
   pages may well be had. */
static zx_status_t prepare_large_locked(struct vm_vmo *vmo, uint64_t index, struct list_node *ready)
{
    struct list_node run, *node;
    if (page_list_reserve_range(&vmo->pages, index, VM_LARGE_PAGES) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    list_init(&run);
    if (pmm_alloc_contiguous(VM_LARGE_PAGES, VM_LARGE_SHIFT, VM_PAGE_OBJECT, &run) != ZX_OK) {
        for (uint64_t i = VM_LARGE_PAGES; i > 0; i--)
            page_list_unreserve(&vmo->pages, index + i - 1);
        return ZX_ERR_NO_MEMORY;
    }
    for (; (node = list_pop_head(&run)) != NULL; index++) {
        struct vm_page *page = container_of(node, struct vm_page, node);
        page->vmo = vmo;
        page->vmo_offset = index << PAGE_SHIFT;
        list_add_tail(ready, &page->node);
    }
    return ZX_OK;
}

/* Prepares a page for every place of [first, limit) that is absent or shared; as long as there are any, pages that
   make up large ones. NO_MEMORY: what is on the list stays there. A range that cannot fit is refused before
   anything is taken. */
static zx_status_t prepare_range_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit,
                                        struct list_node *ready)
{
    zx_status_t status = ZX_OK;
    bool large = true;
    if (limit - first - count_own_pages_locked(vmo, first, limit) > pmm_count(VM_PAGE_FREE))
        return ZX_ERR_NO_MEMORY;
    for (uint64_t index = first; index < limit && status == ZX_OK; index++) {
        struct vm_page *page;
        if (large && is_free_for_large_locked(vmo, index, limit)) {
            large = prepare_large_locked(vmo, index, ready) == ZX_OK;
            if (large) {
                index += VM_LARGE_PAGES - 1;
                continue;
            }
        }
        if (owns_page_locked(vmo, index << PAGE_SHIFT))
            continue;
        status = prepare_page_locked(vmo, index, &page);
        if (status == ZX_OK)
            list_add_tail(ready, &page->node);
    }
    return status;
}

/* Puts a prepared page in its place where it is still wanted. The kept place is the VMO's: another thread that
   fails to make the same page gives it up, so it is asked for again; NO_MEMORY where that fails. */
static zx_status_t finish_page_locked(struct vm_vmo *vmo, struct vm_page *page)
{
    uint64_t offset = page->vmo_offset;
    bool wanted = offset < vmo->size && !owns_page_locked(vmo, offset);
    if (!wanted || page_list_reserve(&vmo->pages, offset >> PAGE_SHIFT) != ZX_OK) {
        unprepare_page_locked(vmo, page);
        return wanted ? ZX_ERR_NO_MEMORY : ZX_OK;
    }
    vmo_page_made_locked(vmo, offset, place_page_locked(vmo, page), NULL);
    return ZX_OK;
}

/* Finishes the prepared pages of this VMO where `status` says that all is well, else gives them up. */
static zx_status_t end_ready_locked(struct vm_vmo *vmo, struct list_node *ready, zx_status_t status)
{
    struct list_node *node;
    while ((node = list_pop_head(ready)) != NULL) {
        struct vm_page *page = container_of(node, struct vm_page, node);
        if (status == ZX_OK)
            status = finish_page_locked(vmo, page);
        else
            unprepare_page_locked(vmo, page);
    }
    return status;
}

zx_status_t vmo_commit_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    struct list_node ready;
    list_init(&ready);
    return end_ready_locked(vmo, &ready, prepare_range_locked(vmo, first, limit, &ready));
}

zx_status_t vmo_commit(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    zx_status_t status = find_pages(&vmo, &offset, size);
    if (status != ZX_OK)
        return status;
    port_mutex_lock(&vmo->lock);
    if (!in_range_locked(vmo, offset, size))
        status = ZX_ERR_OUT_OF_RANGE;
    else if (size != 0)
        status = vmo_commit_locked(vmo, offset >> PAGE_SHIFT, round_up_page(offset + size) >> PAGE_SHIFT);
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- Committing parts of several VMOs, all or none ---- */

zx_status_t vmo_commit_prepare(struct vm_vmo *vmo, uint64_t offset, uint64_t size, struct list_node *ready)
{
    zx_status_t status = ZX_OK;
    port_mutex_lock(&vmo->lock);
    uint64_t end = offset < vmo->size && size > vmo->size - offset ? vmo->size : offset + size;
    if (offset < vmo->size && size != 0)
        status = prepare_range_locked(vmo, offset >> PAGE_SHIFT, round_up_page(end) >> PAGE_SHIFT, ready);
    port_mutex_unlock(&vmo->lock);
    return status;
}

zx_status_t vmo_commit_finish(struct list_node *ready)
{
    zx_status_t status = ZX_OK;
    struct list_node *node;
    while ((node = list_pop_head(ready)) != NULL) {
        struct vm_page *page = container_of(node, struct vm_page, node);
        struct vm_vmo *vmo = page->vmo;
        port_mutex_lock(&vmo->lock);
        if (finish_page_locked(vmo, page) != ZX_OK)
            status = ZX_ERR_NO_MEMORY;
        port_mutex_unlock(&vmo->lock);
    }
    return status;
}

void vmo_commit_release(struct list_node *ready)
{
    struct list_node *node;
    while ((node = list_pop_head(ready)) != NULL) {
        struct vm_page *page = container_of(node, struct vm_page, node);
        struct vm_vmo *vmo = page->vmo;
        port_mutex_lock(&vmo->lock);
        unprepare_page_locked(vmo, page);
        port_mutex_unlock(&vmo->lock);
    }
}

/* ---- Taking pages away ---- */

/* Makes [offset, offset + size), page-aligned, absent. */
static void decommit_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    vmo_unmap_range_locked(vmo, offset, size);
    drop_pages_locked(vmo, offset >> PAGE_SHIFT, (offset + size) >> PAGE_SHIFT);
}

static zx_status_t check_decommit_locked(const struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    VM_ASSERT(vmo->kind == VMO_PAGED);
    if (!in_range_locked(vmo, offset, size))
        return ZX_ERR_OUT_OF_RANGE;
    if (!is_page_aligned(offset) || !is_page_aligned(size))
        return ZX_ERR_INVALID_ARGS;
    if (size == 0)
        return ZX_OK;
    if (vmo->is_snapshot)
        return ZX_ERR_NOT_SUPPORTED;
    bool pinned = vmo_is_pinned_locked(vmo, offset >> PAGE_SHIFT, (offset + size) >> PAGE_SHIFT);
    return pinned ? ZX_ERR_BAD_STATE : ZX_OK;
}

zx_status_t vmo_check_decommit(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    port_mutex_lock(&vmo->lock);
    zx_status_t status = check_decommit_locked(vmo, offset, size);
    port_mutex_unlock(&vmo->lock);
    return status;
}

zx_status_t vmo_decommit(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    zx_status_t status =
        vmo->target->kind != VMO_PAGED ? ZX_ERR_NOT_SUPPORTED : find_pages(&vmo, &offset, size);
    if (status != ZX_OK)
        return status;
    port_mutex_lock(&vmo->lock);
    status = check_decommit_locked(vmo, offset, size);
    if (status == ZX_OK)
        decommit_locked(vmo, offset, size);
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- Bytes of pages that programs may be writing at this moment ---- */

/* Words and bytes are loaded and stored each at once: what a program finds there in a race is its business,
   but it is no undefined behaviour of ours. `loose`: wherever it lies, whatever is there. */
typedef uint64_t __attribute__((may_alias, aligned(1))) loose_word;
typedef uint64_t __attribute__((may_alias)) shared_word;

static bool is_word(const char *at, size_t left)
{
    return left >= sizeof(shared_word) && (uintptr_t)at % sizeof(shared_word) == 0;
}

static void copy_from_page(char *to, const char *page, size_t size)
{
    for (const char *end = page + size; page < end;) {
        size_t step = is_word(page, (size_t)(end - page)) ? sizeof(shared_word) : 1;
        if (step != 1)
            *(loose_word *)(void *)to =
                __atomic_load_n((const shared_word *)(const void *)page, __ATOMIC_RELAXED);
        else
            *to = __atomic_load_n(page, __ATOMIC_RELAXED);
        to += step;
        page += step;
    }
}

/* `from` null: zeroes. */
static void copy_to_page(char *page, const char *from, size_t size)
{
    for (char *end = page + size; page < end;) {
        size_t step = is_word(page, (size_t)(end - page)) ? sizeof(shared_word) : 1;
        if (step != 1)
            __atomic_store_n((shared_word *)(void *)page,
                             from != NULL ? *(const loose_word *)(const void *)from : 0, __ATOMIC_RELAXED);
        else
            __atomic_store_n(page, (char)(from != NULL ? *from : 0), __ATOMIC_RELAXED);
        from = from != NULL ? from + step : NULL;
        page += step;
    }
}

/* Zeroes bytes of one page in place; an absent page is zero already. */
static void zero_part_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    struct vm_page *page = vmo_page_locked(vmo, offset);
    if (page != NULL && size != 0)
        copy_to_page((char *)pmm_page_bytes(page) + offset % PAGE_SIZE, NULL, size);
}

/* Makes whole pages zero: absent, or, where they have to stay, by writing. */
static void zero_whole_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t end)
{
    if (vmo->kind == VMO_PAGED && vmo->pinned_pages == 0) {
        decommit_locked(vmo, offset, end - offset);
        return;
    }
    const struct vm_page *page;
    uint64_t index;
    for (; (page = page_list_next(&vmo->pages, offset >> PAGE_SHIFT, &index)) != NULL; offset += PAGE_SIZE) {
        offset = index << PAGE_SHIFT;
        if (offset >= end)
            break;
        if (vmo->kind != VMO_PAGED || page->pin_count != 0)
            zero_part_locked(vmo, offset, PAGE_SIZE);
        else
            decommit_locked(vmo, offset, PAGE_SIZE);
    }
}

/* Where the page at offset is shared, and [offset, offset + size) is less than all of it, prepares a copy. */
static zx_status_t prepare_edge_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size,
                                       struct list_node *ready)
{
    struct vm_page *copy;
    const struct vm_page *page = size == 0 ? NULL : vmo_page_locked(vmo, offset);
    if (page == NULL || !page_is_shared(page))
        return ZX_OK;
    zx_status_t status = prepare_page_locked(vmo, offset >> PAGE_SHIFT, &copy);
    if (status == ZX_OK)
        list_add_tail(ready, &copy->node);
    return status;
}

/* The range is cut into what is left of its first page, whole pages, and the beginning of its last page. */
static zx_status_t zero_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    struct list_node ready;
    uint64_t end = offset + size;
    uint64_t head_end = is_page_aligned(offset) ? offset : round_down_page(offset) + PAGE_SIZE;
    if (head_end > end)
        head_end = end;
    uint64_t tail = round_down_page(end) > head_end ? round_down_page(end) : head_end;
    list_init(&ready);
    zx_status_t status = prepare_edge_locked(vmo, offset, head_end - offset, &ready);
    if (status == ZX_OK)
        status = prepare_edge_locked(vmo, tail, end - tail, &ready);
    status = end_ready_locked(vmo, &ready, status);
    if (status != ZX_OK)
        return status;
    zero_part_locked(vmo, offset, head_end - offset);
    if (tail > head_end) /* else neither may be where a page begins */
        zero_whole_locked(vmo, head_end, tail);
    zero_part_locked(vmo, tail, end - tail);
    return ZX_OK;
}

zx_status_t vmo_zero(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    zx_status_t status = find_pages(&vmo, &offset, size);
    if (status != ZX_OK)
        return status;
    port_mutex_lock(&vmo->lock);
    status = in_range_locked(vmo, offset, size) ? zero_locked(vmo, offset, size) : ZX_ERR_OUT_OF_RANGE;
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* The bytes from `size` to the end of its page become zero, so that growing brings nothing else back. */
zx_status_t vmo_set_size(struct vm_vmo *vmo, uint64_t size)
{
    if (!vmo->resizable)
        return ZX_ERR_UNAVAILABLE;
    uint64_t rounded;
    if (vmo_round_size(size, &rounded) != ZX_OK)
        return ZX_ERR_OUT_OF_RANGE;
    port_mutex_lock(&vmo->lock);
    zx_status_t status = vmo_is_pinned_locked(vmo, rounded >> PAGE_SHIFT, UINT64_MAX)
                             ? ZX_ERR_BAD_STATE
                             : zero_locked(vmo, size, rounded - size);
    if (status == ZX_OK && rounded < vmo->size) {
        vmo_unmap_range_locked(vmo, rounded, vmo->size - rounded);
        drop_pages_locked(vmo, rounded >> PAGE_SHIFT, vmo->size >> PAGE_SHIFT);
    }
    if (status == ZX_OK)
        vmo->size = rounded;
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- Reading and writing ---- */

size_t vm_copy_step(uint64_t offset, size_t size)
{
    size_t most = PAGE_SIZE - offset % PAGE_SIZE;
    if (most > VM_COPY_CHUNK)
        most = VM_COPY_CHUNK;
    return size < most ? size : most;
}

zx_status_t vmo_peek_locked(const struct vm_vmo *vmo, uint64_t offset, char *bytes, size_t size)
{
    if (!in_range_locked(vmo, offset, size))
        return ZX_ERR_OUT_OF_RANGE;
    const struct vm_page *page = size == 0 ? NULL : vmo_page_locked(vmo, offset);
    if (page != NULL)
        copy_from_page(bytes, (char *)pmm_page_bytes(page) + offset % PAGE_SIZE, size);
    else
        memset(bytes, 0, size);
    return ZX_OK;
}

zx_status_t vmo_read(struct vm_vmo *vmo, void *user_to, uint64_t offset, size_t size)
{
    uintptr_t to = (uintptr_t)user_to; /* a program's pointer may be anything: arithmetic on numbers */
    char bytes[VM_COPY_CHUNK];
    zx_status_t status = find_pages(&vmo, &offset, size);
    if (status != ZX_OK)
        return status;
    do {
        size_t step = vm_copy_step(offset, size);
        port_mutex_lock(&vmo->lock);
        bool inside = in_range_locked(vmo, offset, size);
        if (inside)
            (void)vmo_peek_locked(vmo, offset, bytes, step);
        port_mutex_unlock(&vmo->lock);
        if (!inside)
            return ZX_ERR_OUT_OF_RANGE;
        if (step != 0 && port_copy_to_user((void *)to, bytes, step) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
        to += step;
        offset += step;
        size -= step;
    } while (size != 0);
    return ZX_OK;
}

/* Touches a byte of every page of a program's buffer, so that a bad one is refused before anything is
   written. */
zx_status_t user_probe(const void *user_from, size_t size)
{
    uintptr_t from = (uintptr_t)user_from;
    char byte;
    for (size_t at = 0; at < size; at += PAGE_SIZE)
        if (port_copy_from_user(&byte, (const void *)(from + at), 1) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
    return size == 0 ? ZX_OK : port_copy_from_user(&byte, (const void *)(from + size - 1), 1);
}

zx_status_t vmo_poke_locked(struct vm_vmo *vmo, uint64_t offset, const char *bytes, size_t size)
{
    if (!in_range_locked(vmo, offset, size))
        return ZX_ERR_OUT_OF_RANGE;
    struct vm_page *before;
    if (!owns_page_locked(vmo, offset)) {
        if (vmo_make_page_locked(vmo, offset, &before) != ZX_OK)
            return ZX_ERR_NO_MEMORY;
        vmo_page_made_locked(vmo, offset, before, NULL);
    }
    copy_to_page((char *)pmm_page_bytes(vmo_page_locked(vmo, offset)) + offset % PAGE_SIZE, bytes, size);
    return ZX_OK;
}

/* All pages are made before the first byte is written. Only a buffer or a size that another thread takes away
   meanwhile can end the call halfway; a prefix is then written. */
zx_status_t vmo_write(struct vm_vmo *vmo, const void *user_from, uint64_t offset, size_t size)
{
    uintptr_t from = (uintptr_t)user_from;
    char bytes[VM_COPY_CHUNK];
    zx_status_t status = find_pages(&vmo, &offset, size);
    if (status != ZX_OK)
        return status;
    port_mutex_lock(&vmo->lock);
    bool inside = in_range_locked(vmo, offset, size);
    port_mutex_unlock(&vmo->lock);
    if (!inside)
        return ZX_ERR_OUT_OF_RANGE;
    if (user_probe(user_from, size) != ZX_OK)
        return ZX_ERR_INVALID_ARGS;
    status = size == 0 ? ZX_OK : vmo_commit(vmo, offset, size);
    while (size != 0 && status == ZX_OK) {
        size_t step = vm_copy_step(offset, size);
        if (port_copy_from_user(bytes, (const void *)from, step) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
        port_mutex_lock(&vmo->lock);
        status = vmo_poke_locked(vmo, offset, bytes, step);
        port_mutex_unlock(&vmo->lock);
        from += step;
        offset += step;
        size -= step;
    }
    return status;
}
