/* SPDX-License-Identifier: MIT */
/*
 * vmo_device.c: what devices need of VMOs: memory at known physical addresses.
 *
 * Concept. A contiguous VMO is born with all its pages, one behind the other, and keeps them. A physical VMO
 * has no pages at all, only addresses, which may be no memory of the machine. Of both, the address of any
 * offset is known without looking at a list (`frames`), so that mappings may use large pages. Any other VMO can
 * be held still in parts: a pinned page is its VMO's alone and stays where it is.
 *
 * Invariants. A pinned page is not shared: pinning commits, which makes copies, and a snapshot of it is
 * refused. vmo->pinned_pages counts the pages with pins, of a physical VMO the pins of pages. A page of a
 * contiguous VMO at offset x is at frames + x. The cache policy does not change while there are mappings, so all
 * translations agree on it.
 *
 * Cache operations reach the memory through the direct map of the host, page by page; processors here keep their
 * caches coherent, so it is only devices for which they matter.
 *
 * Locking. The VMO's lock. Cost. Pins and cache operations: the pages of the range.
 */
#include <vm/mem.h>

#include "internal.h"

_Static_assert(VM_CACHE_POLICIES - 1 <= ARCH_MMU_CACHE_MASK >> ARCH_MMU_CACHE_SHIFT, "a policy fits");

/* ---- Frames ---- */

bool vmo_frame_locked(const struct vm_vmo *vmo, uint64_t offset, zx_paddr_t *frame, bool *shared)
{
    *shared = false;
    if (vmo->kind != VMO_PAGED) {
        *frame = vmo->frames + round_down_page(offset);
        return true;
    }
    const struct vm_page *page = vmo_page_locked(vmo, offset);
    if (page == NULL)
        return false;
    *shared = page_is_shared(page);
    *frame = page->paddr;
    return true;
}

/* Notes that the caller's reference is the host's from now on. */
static struct vm_vmo *give_to_host(struct vm_vmo *vmo)
{
    atomic_fetch_add(&vmo->host_refs, 1);
    return vmo;
}

static zx_status_t fill_contiguous(struct vm_vmo *vmo, uint8_t align_log2)
{
    uint64_t count = vmo->size >> PAGE_SHIFT;
    struct list_node pages;
    if (count > pmm_count(VM_PAGE_FREE) || page_list_reserve_range(&vmo->pages, 0, count) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    list_init(&pages);
    if (pmm_alloc_contiguous(count, align_log2, VM_PAGE_OBJECT, &pages) != ZX_OK) {
        while (count-- > 0)
            page_list_unreserve(&vmo->pages, count);
        return ZX_ERR_NO_MEMORY;
    }
    struct list_node *node;
    for (uint64_t index = 0; (node = list_pop_head(&pages)) != NULL; index++) {
        struct vm_page *page = container_of(node, struct vm_page, node);
        memset(pmm_page_bytes(page), 0, PAGE_SIZE);
        page->vmo = vmo;
        page->vmo_offset = index << PAGE_SHIFT;
        page_list_set(&vmo->pages, index, page);
        page_queue_add(page);
        if (index == 0)
            vmo->frames = page->paddr;
    }
    return ZX_OK;
}

zx_status_t vm_vmo_create_contiguous(uint64_t size, uint8_t align_log2, struct vm_vmo **out)
{
    struct vm_vmo *vmo;
    if (size == 0 || align_log2 > 63 || (align_log2 != 0 && align_log2 < PAGE_SHIFT))
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vmo_create(size, false, &vmo);
    if (status != ZX_OK)
        return status;
    vmo->kind = VMO_CONTIGUOUS;
    status = fill_contiguous(vmo, align_log2 == 0 ? PAGE_SHIFT : align_log2);
    if (status == ZX_OK)
        *out = give_to_host(vmo);
    else
        vm_object_release(&vmo->object);
    return status;
}

zx_status_t vm_vmo_create_physical(zx_paddr_t base, uint64_t size, struct vm_vmo **out)
{
    const uint64_t limit = (uint64_t)1 << 52;
    if (size == 0 || !is_page_aligned(base) || !is_page_aligned(size) || base >= limit || size > limit - base)
        return ZX_ERR_INVALID_ARGS;
    struct vm_vmo *vmo;
    zx_status_t status = vmo_create(size, false, &vmo);
    if (status != ZX_OK)
        return status;
    vmo->kind = VMO_PHYSICAL;
    vmo->frames = base;
    *out = give_to_host(vmo);
    return ZX_OK;
}

zx_status_t vm_vmo_lookup(struct vm_vmo *vmo, uint64_t offset, zx_paddr_t *paddr)
{
    bool shared;
    zx_status_t status = ZX_ERR_OUT_OF_RANGE;
    if (vmo_is_slice(vmo) && offset >= vmo->size)
        return status;
    offset += vmo->window;
    vmo = vmo->target;
    port_mutex_lock(&vmo->lock);
    if (offset < vmo->size)
        status = vmo_frame_locked(vmo, offset, paddr, &shared) ? ZX_OK : ZX_ERR_NOT_FOUND;
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- Holding still ---- */

bool vmo_is_pinned_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    const struct vm_page *page;
    uint64_t index;
    if (vmo->pinned_pages == 0)
        return false;
    for (; (page = page_list_next(&vmo->pages, first, &index)) != NULL && index < limit; first = index + 1)
        if (page->pin_count != 0)
            return true;
    return false;
}

/* Whether each page of the range, all of which are there, can bear one more pin. */
static bool can_pin_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit)
{
    for (; first < limit; first++)
        if (vmo_page_locked(vmo, first << PAGE_SHIFT)->pin_count == UINT16_MAX)
            return false;
    return true;
}

static zx_status_t pin_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    uint64_t first = offset >> PAGE_SHIFT, limit = (offset + size) >> PAGE_SHIFT;
    if (offset > vmo->size || size > vmo->size - offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (vmo->kind == VMO_PHYSICAL) {
        vmo->pinned_pages += limit - first;
        return ZX_OK;
    }
    zx_status_t status = vmo_commit_locked(vmo, first, limit);
    if (status != ZX_OK)
        return status;
    if (!can_pin_locked(vmo, first, limit))
        return ZX_ERR_UNAVAILABLE;
    for (; first < limit; first++)
        vmo->pinned_pages += vmo_page_locked(vmo, first << PAGE_SHIFT)->pin_count++ == 0;
    return ZX_OK;
}

zx_status_t vm_vmo_pin(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    if (!is_page_aligned(offset) || !is_page_aligned(size) || size == 0)
        return ZX_ERR_INVALID_ARGS;
    if (vmo_find_target(&vmo, &offset, size) != ZX_OK)
        return ZX_ERR_OUT_OF_RANGE;
    port_mutex_lock(&vmo->lock);
    zx_status_t status = pin_locked(vmo, offset, size);
    port_mutex_unlock(&vmo->lock);
    return status;
}

void vm_vmo_unpin(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    zx_status_t status = vmo_find_target(&vmo, &offset, size);
    VM_ASSERT(status == ZX_OK);
    port_mutex_lock(&vmo->lock);
    if (vmo->kind == VMO_PHYSICAL) {
        VM_ASSERT(vmo->pinned_pages >= size >> PAGE_SHIFT);
        vmo->pinned_pages -= size >> PAGE_SHIFT;
    }
    for (uint64_t at = offset; at < offset + size && vmo->kind != VMO_PHYSICAL; at += PAGE_SIZE) {
        struct vm_page *page = vmo_page_locked(vmo, at);
        VM_ASSERT(page != NULL && page->pin_count != 0);
        vmo->pinned_pages -= --page->pin_count == 0;
    }
    port_mutex_unlock(&vmo->lock);
}

/* ---- Caches ---- */

zx_status_t vm_vmo_set_cache_policy(struct vm_vmo *vmo, enum vm_cache_policy policy)
{
    zx_koid_t parent;
    size_t children;
    zx_status_t status = ZX_ERR_BAD_STATE;
    if (vmo->kind == VMO_PAGED || vmo_is_slice(vmo))
        return ZX_ERR_NOT_SUPPORTED;
    vmo_family(vmo, &parent, &children);
    port_mutex_lock(&vmo->lock);
    if (vmo->mappings.root == NULL && children == 0 && vmo->pinned_pages == 0) {
        vmo->cache_policy = policy;
        status = ZX_OK;
    }
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* The bytes [offset, end) of the page at offset, where it is memory of the machine. */
static void cache_page_locked(const struct vm_vmo *vmo, enum port_cache_operation operation, uint64_t offset,
                              uint64_t end)
{
    zx_paddr_t frame;
    bool shared;
    if (!vmo_frame_locked(vmo, offset, &frame, &shared))
        return;
    const struct vm_page *page = pmm_page_at(frame);
    if (page != NULL)
        port_cache(operation, (char *)pmm_page_bytes(page) + offset % PAGE_SIZE, end - offset);
}

zx_status_t vmo_cache(struct vm_vmo *vmo, enum port_cache_operation operation, uint64_t offset, uint64_t size)
{
    zx_status_t status = ZX_ERR_OUT_OF_RANGE;
    if (vmo_find_target(&vmo, &offset, size) != ZX_OK)
        return status;
    port_mutex_lock(&vmo->lock);
    if (offset <= vmo->size && size <= vmo->size - offset) {
        uint64_t end = offset + size, index = offset >> PAGE_SHIFT;
        while (offset < end) {
            uint64_t left = PAGE_SIZE - offset % PAGE_SIZE, step = end - offset < left ? end - offset : left;
            cache_page_locked(vmo, operation, offset, offset + step);
            offset += step;
            /* Nothing is done for what is not there, however much of it. */
            if (vmo->kind == VMO_PAGED && page_list_next(&vmo->pages, offset >> PAGE_SHIFT, &index) == NULL)
                break;
            if (vmo->kind == VMO_PAGED && index << PAGE_SHIFT > offset)
                offset = index << PAGE_SHIFT;
        }
        status = ZX_OK;
    }
    port_mutex_unlock(&vmo->lock);
    return status;
}

/* ---- In and out of the core ---- */

void vm_vmo_acquire(struct vm_vmo *vmo)
{
    vm_object_acquire(&vmo->object);
    give_to_host(vmo);
}

void vm_vmo_release(struct vm_vmo *vmo)
{
    unsigned before = atomic_fetch_sub(&vmo->host_refs, 1);
    VM_ASSERT(before != 0);
    vm_object_release(&vmo->object);
}

zx_status_t vm_vmo_give(struct vm_vmo *vmo, struct vm_process *process, zx_rights_t rights, zx_handle_t *out)
{
    struct vm_handle *handle;
    zx_status_t status = handle_reserve(process, &handle);
    if (status != ZX_OK)
        return status;
    *out = handle_value(handle);
    vm_object_acquire(&vmo->object);
    handle_publish(handle, &vmo->object, rights);
    return ZX_OK;
}

zx_status_t vm_vmo_from_handle(zx_handle_t handle, struct vm_vmo **out)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMO, 0, &object, NULL);
    if (status == ZX_OK)
        *out = give_to_host(container_of(object, struct vm_vmo, object));
    return status;
}
