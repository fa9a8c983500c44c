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
 * Invariants. A page in state OBJECT is in exactly one VMO, which it names, with its offset. No page at or
 * past the size. A translation leads to the page that the VMO holds at that offset or, where it holds none,
 * to the zero page: therefore whoever takes a page out removes its translations first, and whoever puts one
 * in removes those of the zero page first (each mapping knows whether it may show it).
 *
 * Locking. vmo->lock guards size, pages and the tree of mappings; taken after the aspace's, before the page
 * table's. Bytes are copied from and to programs through a buffer on the stack, with no lock held, since such
 * a copy may fault.
 *
 * Cost. A page: O(height of the radix tree), height <= 9. Decommit and shrink: the pages that are there, not
 * the bytes, and one page-table operation for each mapping that shows some of them.
 */
#include <vm/mem.h>

#include "internal.h"

zx_status_t vmo_create(uint64_t size, bool resizable, struct vm_vmo **out)
{
    uint64_t rounded = round_up_page(size);
    if ((rounded == 0 && size != 0) || rounded > VMO_SIZE_MAX)
        return ZX_ERR_OUT_OF_RANGE;
    struct vm_vmo *vmo = slab_alloc(&vm_machine->vmo_cache);
    if (vmo == NULL)
        return ZX_ERR_NO_MEMORY;
    vm_object_init(&vmo->object, ZX_OBJ_TYPE_VMO);
    port_mutex_init(&vmo->lock, PORT_LOCK_VMO);
    vmo->size = rounded;
    vmo->resizable = resizable;
    page_list_init(&vmo->pages);
    *out = vmo;
    return ZX_OK;
}

/* Frees every page of [first, limit) (page numbers). */
static void drop_pages_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    uint64_t index;
    while (page_list_next(&vmo->pages, first, &index) != NULL && index < limit) {
        vmo_drop_page_locked(vmo, index << PAGE_SHIFT);
        first = index + 1;
    }
}

void vmo_free(struct vm_vmo *vmo)
{
    VM_ASSERT(vmo->mappings.root == NULL);
    drop_pages_locked(vmo, 0, UINT64_MAX);
    VM_ASSERT(vmo->pages.count == 0);
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

/* Removes the translations of [offset, offset + size) from every mapping but `except` (may be null); with
   `zero`, from those only that may show the zero page. */
static void unmap_range_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size, bool zero,
                               const struct vm_mapping *except)
{
    uint64_t end = offset + size;
    for (struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, offset, end, zero); mapping != NULL;
         mapping = mapping_tree_next(mapping, offset, end, zero)) {
        if (mapping == except)
            continue;
        uint64_t first = mapping->vmo_offset, limit = first + mapping->region.size;
        uint64_t low = offset > first ? offset : first, high = end < limit ? end : limit;
        page_table_unmap(&mapping->region.aspace->table, mapping->region.base + (low - first), high - low);
    }
}

void vmo_unmap_range_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    unmap_range_locked(vmo, offset, size, false, NULL);
}

zx_status_t vmo_make_page_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page **out)
{
    VM_ASSERT(offset < vmo->size);
    uint64_t index = offset >> PAGE_SHIFT;
    if (page_list_reserve(&vmo->pages, index) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    struct vm_page *page = pmm_alloc_page(VM_PAGE_OBJECT);
    if (page == NULL) {
        page_list_unreserve(&vmo->pages, index);
        return ZX_ERR_NO_MEMORY;
    }
    memset(pmm_page_bytes(page), 0, PAGE_SIZE);
    page->vmo = vmo;
    page->vmo_offset = index << PAGE_SHIFT;
    page_list_set(&vmo->pages, index, page);
    *out = page;
    return ZX_OK;
}

void vmo_page_made_locked(struct vm_vmo *vmo, uint64_t offset, const struct vm_mapping *except)
{
    unmap_range_locked(vmo, round_down_page(offset), PAGE_SIZE, true, except);
}

void vmo_drop_page_locked(struct vm_vmo *vmo, uint64_t offset)
{
    struct vm_page *page = page_list_remove(&vmo->pages, offset >> PAGE_SHIFT);
    if (page == NULL)
        return;
    page->vmo = NULL;
    pmm_free_page(page);
}

zx_status_t vmo_set_size(struct vm_vmo *vmo, uint64_t size)
{
    if (!vmo->resizable)
        return ZX_ERR_UNAVAILABLE;
    uint64_t rounded = round_up_page(size);
    if ((rounded == 0 && size != 0) || rounded > VMO_SIZE_MAX)
        return ZX_ERR_OUT_OF_RANGE;
    port_mutex_lock(&vmo->lock);
    if (rounded < vmo->size) {
        vmo_unmap_range_locked(vmo, rounded, vmo->size - rounded);
        drop_pages_locked(vmo, rounded >> PAGE_SHIFT, vmo->size >> PAGE_SHIFT);
    }
    vmo->size = rounded;
    port_mutex_unlock(&vmo->lock);
    return ZX_OK;
}

static bool in_range_locked(const struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    return offset <= vmo->size && size <= vmo->size - offset;
}

uint64_t vmo_count_pages_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    uint64_t count = 0, index;
    while (page_list_next(&vmo->pages, first, &index) != NULL && index < limit) {
        count++;
        first = index + 1;
    }
    return count;
}

/* Makes every absent page of [first, limit), all or none. A range that cannot fit is refused before anything
   is taken. */
static zx_status_t commit_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    if (limit - first - vmo_count_pages_locked(vmo, first, limit) > pmm_count(VM_PAGE_FREE))
        return ZX_ERR_NO_MEMORY;
    zx_status_t status = ZX_OK;
    struct list_node made;
    list_init(&made);
    for (uint64_t index = first; index < limit && status == ZX_OK; index++) {
        struct vm_page *page;
        if (vmo_page_locked(vmo, index << PAGE_SHIFT) != NULL)
            continue;
        status = vmo_make_page_locked(vmo, index << PAGE_SHIFT, &page);
        if (status == ZX_OK)
            list_add_tail(&made, &page->node);
    }
    struct list_node *node;
    while ((node = list_pop_head(&made)) != NULL) {
        uint64_t offset = container_of(node, struct vm_page, node)->vmo_offset;
        if (status == ZX_OK)
            vmo_page_made_locked(vmo, offset, NULL);
        else
            vmo_drop_page_locked(vmo, offset);
    }
    return status;
}

zx_status_t vmo_commit(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    port_mutex_lock(&vmo->lock);
    zx_status_t status = ZX_ERR_OUT_OF_RANGE;
    if (in_range_locked(vmo, offset, size))
        status = size == 0
                     ? ZX_OK
                     : commit_locked(vmo, offset >> PAGE_SHIFT, round_up_page(offset + size) >> PAGE_SHIFT);
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- Committing parts of several VMOs, all or none ---- */

/* Pages that are not yet the VMO's say already whose they will be. The reservation of the place is the VMO's:
   another thread that fails to make the same page gives it up, so finishing asks for it again. */
static zx_status_t prepare_page_locked(struct vm_vmo *vmo, uint64_t index, struct list_node *ready)
{
    if (page_list_reserve(&vmo->pages, index) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    struct vm_page *page = pmm_alloc_page(VM_PAGE_ALLOC);
    if (page == NULL) {
        page_list_unreserve(&vmo->pages, index);
        return ZX_ERR_NO_MEMORY;
    }
    memset(pmm_page_bytes(page), 0, PAGE_SIZE);
    page->vmo = vmo;
    page->vmo_offset = index << PAGE_SHIFT;
    list_add_tail(ready, &page->node);
    return ZX_OK;
}

zx_status_t vmo_commit_prepare(struct vm_vmo *vmo, uint64_t offset, uint64_t size, struct list_node *ready)
{
    zx_status_t status = ZX_OK;
    port_mutex_lock(&vmo->lock);
    uint64_t end = offset < vmo->size && size > vmo->size - offset ? vmo->size : offset + size;
    uint64_t first = offset >> PAGE_SHIFT, limit = round_up_page(end) >> PAGE_SHIFT;
    if (offset >= vmo->size || size == 0)
        limit = first;
    else if (limit - first - vmo_count_pages_locked(vmo, first, limit) > pmm_count(VM_PAGE_FREE))
        status = ZX_ERR_NO_MEMORY;
    for (uint64_t index = first; index < limit && status == ZX_OK; index++)
        if (vmo_page_locked(vmo, index << PAGE_SHIFT) == NULL)
            status = prepare_page_locked(vmo, index, ready);
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* Gives up a prepared page. */
static void unprepare_page_locked(struct vm_vmo *vmo, struct vm_page *page)
{
    page_list_unreserve(&vmo->pages, page->vmo_offset >> PAGE_SHIFT);
    page->vmo = NULL;
    pmm_free_page(page);
}

static zx_status_t finish_page_locked(struct vm_vmo *vmo, struct vm_page *page)
{
    uint64_t offset = page->vmo_offset, index = offset >> PAGE_SHIFT;
    bool wanted = offset < vmo->size && vmo_page_locked(vmo, offset) == NULL;
    if (!wanted || page_list_reserve(&vmo->pages, index) != ZX_OK) {
        unprepare_page_locked(vmo, page);
        return wanted ? ZX_ERR_NO_MEMORY : ZX_OK;
    }
    pmm_set_state(page, VM_PAGE_OBJECT);
    page_list_set(&vmo->pages, index, page);
    vmo_page_made_locked(vmo, offset, NULL);
    return ZX_OK;
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

/* Makes [offset, offset + size), page-aligned, absent. */
static void decommit_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    vmo_unmap_range_locked(vmo, offset, size);
    drop_pages_locked(vmo, offset >> PAGE_SHIFT, (offset + size) >> PAGE_SHIFT);
}

zx_status_t vmo_decommit(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    port_mutex_lock(&vmo->lock);
    zx_status_t status = ZX_OK;
    if (!in_range_locked(vmo, offset, size))
        status = ZX_ERR_OUT_OF_RANGE;
    else if (!is_page_aligned(offset) || !is_page_aligned(size))
        status = ZX_ERR_INVALID_ARGS;
    else
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
    if (page != NULL)
        copy_to_page((char *)pmm_page_bytes(page) + offset % PAGE_SIZE, NULL, size);
}

zx_status_t vmo_zero(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    port_mutex_lock(&vmo->lock);
    if (!in_range_locked(vmo, offset, size)) {
        port_mutex_unlock(&vmo->lock);
        return ZX_ERR_OUT_OF_RANGE;
    }
    uint64_t end = offset + size;
    uint64_t whole = round_up_page(offset), whole_end = round_down_page(end);
    if (whole > whole_end || (whole == 0 && offset != 0)) {
        zero_part_locked(vmo, offset, size);
    } else {
        if (offset < whole)
            zero_part_locked(vmo, offset, whole - offset);
        if (whole < whole_end)
            decommit_locked(vmo, whole, whole_end - whole);
        if (whole_end < end)
            zero_part_locked(vmo, whole_end, end - whole_end);
    }
    port_mutex_unlock(&vmo->lock);
    return ZX_OK;
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
    struct vm_page *page = vmo_page_locked(vmo, offset);
    if (page == NULL) {
        if (vmo_make_page_locked(vmo, offset, &page) != ZX_OK)
            return ZX_ERR_NO_MEMORY;
        vmo_page_made_locked(vmo, offset, NULL);
    }
    copy_to_page((char *)pmm_page_bytes(page) + offset % PAGE_SIZE, bytes, size);
    return ZX_OK;
}

/* All pages are made before the first byte is written. Only a buffer or a size that another thread takes away
   meanwhile can end the call halfway; a prefix is then written. */
zx_status_t vmo_write(struct vm_vmo *vmo, const void *user_from, uint64_t offset, size_t size)
{
    uintptr_t from = (uintptr_t)user_from;
    char bytes[VM_COPY_CHUNK];
    port_mutex_lock(&vmo->lock);
    bool inside = in_range_locked(vmo, offset, size);
    port_mutex_unlock(&vmo->lock);
    if (!inside)
        return ZX_ERR_OUT_OF_RANGE;
    if (user_probe(user_from, size) != ZX_OK)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = size == 0 ? ZX_OK : vmo_commit(vmo, offset, size);
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
