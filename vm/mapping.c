/* SPDX-License-Identifier: MIT */
/*
 * mapping.c: mappings, the leaves of an address space: where a part of a VMO stands in it, with which
 * permissions.
 *
 * Concept. A mapping is a promise, not a translation: the fault path enters pages when they are touched, and
 * anything that takes a page, a part of the mapping or a permission away removes the translations concerned
 * first.
 *
 * Structure. A mapping is in its parent VMAR's tree, keyed by base, and in its VMO's tree, by the part of the
 * VMO that it shows (mapping_tree.c). It holds a reference to the VMO.
 *
 * Invariants. base, size, vmo_offset and the place in the VMO's tree change only under both locks, the
 * aspace's and the VMO's, so that either suffices for reading: the fault path comes from the aspace,
 * shrinking and decommitting come from the VMO.
 *
 * Cutting. Unmapping a part, and overwriting a part, are one operation: a cut. What it may need (a second
 * mapping for what lies behind a hole, nodes for its protection ranges) is made by mapping_cut_prepare;
 * mapping_cut_commit cannot fail.
 *
 * Merging. Neighbours that one mapping could stand for become one: same VMO and contiguous in it, same parent,
 * one permission throughout, and the same. So what a cut leaves is looked at again where the cut took all parts of another
 * permission. No call answers otherwise for it; the tree stays as small as it can be. What a call is still handing out
 * waits (`pending`), so that it can be found and taken away again.
 *
 * Cost. Creating, cutting, merging and destroying are logarithmic in the number of siblings, beside the page tables
 * that are there and a step for each dozen of protection ranges on the side of a cut that has fewer.
 */
#include "internal.h"

zx_status_t mapping_create(struct vm_vmo *source, struct vm_mapping **out)
{
    struct vm_mapping *mapping = slab_alloc(&vm_machine->mapping_cache);
    if (mapping == NULL)
        return ZX_ERR_NO_MEMORY;
    mapping->region.kind = VM_REGION_MAPPING;
    vm_object_acquire(&source->object);
    mapping->source = source;
    mapping->vmo = source->target;
    mapping->vmo_limit = vmo_is_slice(source) ? source->window + source->size : UINT64_MAX;
    *out = mapping;
    return ZX_OK;
}

void mapping_abandon(struct vm_mapping *mapping)
{
    VM_ASSERT_REGION(!mapping->region.alive && mapping->link.height == 0, &mapping->region);
    vm_object_release(&mapping->source->object);
    slab_free(&vm_machine->mapping_cache, mapping);
}

/* Says where a new mapping is to stand. */
static void place(struct vm_mapping *mapping, struct vm_vmar *parent, zx_vaddr_t base, size_t size,
                  uint64_t vmo_offset)
{
    struct vm_region *region = &mapping->region;
    region->base = base;
    region->size = size;
    region->parent = parent;
    region->aspace = parent->region.aspace;
    mapping->vmo_offset = vmo_offset;
}

/* Into its VMO's tree, and out of it: what was known of the usage of the VMO's mappings is true no more. */
static void list_vmo_locked(struct vm_mapping *mapping)
{
    mapping->vmo->usage_known = false;
    mapping_tree_insert(&mapping->vmo->mappings, mapping);
}

static void unlist_vmo_locked(struct vm_mapping *mapping)
{
    mapping->vmo->usage_known = false;
    mapping_tree_remove(&mapping->vmo->mappings, mapping);
}

/* Puts a new mapping that has its place into both trees. */
static void link_vmo_locked(struct vm_mapping *mapping, struct region_reserve *reserve)
{
    struct vm_region *region = &mapping->region;
    region->alive = true;
    list_vmo_locked(mapping);
    region_tree_insert(&region->parent->children, reserve, region->base, region->base + region->size, region);
}

void mapping_insert(struct vm_mapping *mapping, struct vm_vmar *parent, struct region_reserve *reserve,
                    zx_vaddr_t base, size_t size, uint64_t vmo_offset, uint32_t perms, uint32_t may)
{
    VM_ASSERT(port_mutex_is_held(&parent->region.aspace->lock));
    mapping->region.flags = may;
    mapping->perms = perms;
    region_tree_init(&mapping->protections, base, base + size);
    port_mutex_lock(&mapping->vmo->lock);
    place(mapping, parent, base, size, vmo_offset);
    link_vmo_locked(mapping, reserve);
    port_mutex_unlock(&mapping->vmo->lock);
}

static void unmap_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t base, size_t size)
{
    page_table_unmap(&mapping->region.aspace->table, base, size);
}

/* What is left of a mapping that is in no tree any more. */
static void discard(struct vm_mapping *mapping)
{
    struct vm_aspace *aspace = mapping->region.aspace;
    if (aspace->last_fault == mapping)
        aspace->last_fault = NULL;
    if (aspace->vdso_code == mapping)
        aspace->vdso_code = NULL;
    mapping->region.alive = false;
    mapping->region.parent = NULL;
    region_tree_clear(&mapping->protections);
    vm_object_release(&mapping->source->object);
    slab_free(&vm_machine->mapping_cache, mapping);
}

void mapping_detach(struct vm_mapping *mapping)
{
    VM_ASSERT(port_mutex_is_held(&mapping->region.aspace->lock));
    port_mutex_lock(&mapping->vmo->lock);
    unlist_vmo_locked(mapping);
    port_mutex_unlock(&mapping->vmo->lock);
    discard(mapping);
}

void mapping_destroy(struct vm_mapping *mapping)
{
    struct vm_region *region = &mapping->region;
    port_mutex_lock(&mapping->vmo->lock);
    unmap_vmo_locked(mapping, region->base, region->size);
    unlist_vmo_locked(mapping);
    port_mutex_unlock(&mapping->vmo->lock);
    void *removed = region_tree_remove(&region->parent->children, region->base);
    VM_ASSERT_REGION(removed == region, region);
    discard(mapping);
}

/* ---- Cutting ---- */

/* Whether taking [base, end) out leaves something on both sides. */
static bool cut_is_hole(const struct vm_region *region, zx_vaddr_t base, zx_vaddr_t end)
{
    return base > region->base && end < region->base + region->size;
}

zx_status_t mapping_cut_prepare(struct mapping_cut *cut, struct vm_mapping *mapping, zx_vaddr_t base,
                                size_t size)
{
    *cut = (struct mapping_cut){0};
    if (!cut_is_hole(&mapping->region, base, base + size))
        return ZX_OK;
    zx_status_t status = mapping_create(mapping->source, &cut->tail);
    if (status == ZX_OK)
        status = protection_split_reserve(&cut->tail_protections, mapping, base + size);
    if (status != ZX_OK)
        mapping_cut_release(cut);
    return status;
}

void mapping_cut_release(struct mapping_cut *cut)
{
    region_reserve_release(&cut->tail_protections);
    if (cut->tail != NULL)
        mapping_abandon(cut->tail);
    cut->tail = NULL;
}

/* Gives what lies at and above `at` to the prepared tail. */
static void split_vmo_locked(struct mapping_cut *cut, struct vm_mapping *mapping, zx_vaddr_t at,
                             struct region_reserve *reserve)
{
    struct vm_mapping *tail = cut->tail;
    struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size;
    tail->region.flags = region->flags;
    tail->zero.first = mapping->zero.first;
    tail->zero.end = mapping->zero.end;
    tail->pending = mapping->pending;
    protection_split(mapping, tail, at, &cut->tail_protections);
    region->size = at - region->base;
    region_tree_resize(&region->parent->children, region->base, region->base, at);
    place(tail, region->parent, at, end - at, mapping->vmo_offset + region->size);
    link_vmo_locked(tail, reserve);
    cut->tail = NULL;
}

void mapping_cut_commit(struct mapping_cut *cut, struct vm_mapping *mapping, zx_vaddr_t base, size_t size,
                        struct region_reserve *reserve)
{
    struct vm_region *region = &mapping->region;
    struct vm_mapping *tail = cut->tail;
    bool had_ranges = mapping->protections.count != 0;
    zx_vaddr_t old_base = region->base, old_end = old_base + region->size;
    zx_vaddr_t low = base > old_base ? base : old_base;
    zx_vaddr_t high = base + size < old_end ? base + size : old_end;
    if (low == old_base && high == old_end) {
        mapping_destroy(mapping);
        return;
    }
    port_mutex_lock(&mapping->vmo->lock);
    unmap_vmo_locked(mapping, low, high - low);
    unlist_vmo_locked(mapping);
    if (tail != NULL)
        split_vmo_locked(cut, mapping, high, reserve);
    zx_vaddr_t new_base = low == old_base ? high : old_base;
    zx_vaddr_t new_end = low == old_base ? old_end : low;
    protection_truncate(mapping, new_base, new_end);
    mapping->vmo_offset += new_base - old_base;
    region->base = new_base;
    region->size = new_end - new_base;
    region_tree_resize(&region->parent->children, old_base, new_base, new_end);
    list_vmo_locked(mapping);
    port_mutex_unlock(&mapping->vmo->lock);
    if (had_ranges && (mapping->protections.count == 0 || (tail != NULL && tail->protections.count == 0)))
        cut->made_uniform = true;
    mapping_cut_release(cut);
}

/* ---- Merging ---- */

static struct vm_mapping *mapping_at(struct vm_vmar *parent, zx_vaddr_t va)
{
    struct region_entry entry;
    if (!region_tree_find(&parent->children, va, &entry))
        return NULL;
    struct vm_region *region = entry.value;
    return region->kind == VM_REGION_MAPPING ? mapping_of(region) : NULL;
}

bool mapping_is_alike(const struct vm_mapping *left, const struct vm_mapping *right)
{
    return left->source == right->source && left->vmo_offset + left->region.size == right->vmo_offset &&
           left->region.flags == right->region.flags && left->perms == right->perms &&
           left->protections.count == 0 && right->protections.count == 0 && left->pending == 0 &&
           right->pending == 0;
}

/* `left` takes over what `right` shows. No translation changes: each address shows the page that it did. */
static void join(struct vm_mapping *left, struct vm_mapping *right)
{
    struct vm_region *region = &left->region;
    struct region_tree *siblings = &region->parent->children;
    struct vm_vmo *vmo = left->vmo;
    zx_vaddr_t end = right->region.base + right->region.size;
    port_mutex_lock(&vmo->lock);
    unlist_vmo_locked(right);
    unlist_vmo_locked(left);
    region_tree_remove(siblings, right->region.base);
    region_tree_resize(siblings, region->base, region->base, end);
    region->size = end - region->base;
    list_vmo_locked(left);
    if (right->zero.end != 0)
        mapping_tree_show_zero(&vmo->mappings, left, right->zero.first, right->zero.end);
    port_mutex_unlock(&vmo->lock);
    discard(right);
}

void mapping_merge(struct vm_vmar *parent, zx_vaddr_t va)
{
    VM_ASSERT(port_mutex_is_held(&parent->region.aspace->lock));
    if (va <= parent->region.base || va >= parent->region.base + parent->region.size)
        return;
    struct vm_mapping *right, *left = mapping_at(parent, va - 1);
    if (left == NULL || left->region.base + left->region.size != va)
        return;
    right = mapping_at(parent, va);
    if (right != NULL && mapping_is_alike(left, right))
        join(left, right);
}

void mapping_merge_beside(struct vm_vmar *parent, zx_vaddr_t base, zx_vaddr_t end)
{
    const struct vm_mapping *left = base > parent->region.base ? mapping_at(parent, base - 1) : NULL;
    if (left != NULL)
        mapping_merge(parent, left->region.base);
    const struct vm_mapping *right = end < region_end(&parent->region) ? mapping_at(parent, end) : NULL;
    if (right != NULL)
        mapping_merge(parent, region_end(&right->region));
}

/* ---- Entering pages ---- */

uint32_t mapping_mmu_flags(const struct vm_mapping *mapping, uint32_t perms)
{
    static const uint32_t of_type[] = {[VM_ASPACE_USER] = ARCH_MMU_USER,
                                       [VM_ASPACE_KERNEL] = ARCH_MMU_GLOBAL,
                                       [VM_ASPACE_LOW_KERNEL] = 0,
                                       [VM_ASPACE_GUEST_PHYSICAL] = 0};
    uint32_t cache = (uint32_t)mapping->vmo->cache_policy << ARCH_MMU_CACHE_SHIFT;
    return perms | cache | of_type[mapping->region.aspace->type];
}

uint64_t mapping_vmo_end_locked(const struct vm_mapping *mapping)
{
    return mapping->vmo->size < mapping->vmo_limit ? mapping->vmo->size : mapping->vmo_limit;
}

uint64_t mapping_vmo_end(const struct vm_mapping *mapping)
{
    port_mutex_lock(&mapping->vmo->lock);
    uint64_t end = mapping_vmo_end_locked(mapping);
    port_mutex_unlock(&mapping->vmo->lock);
    return end;
}

size_t mapping_gather_vmo_locked(const struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end, size_t most,
                                 zx_paddr_t *paddrs, bool *shared)
{
    const struct vm_vmo *vmo = mapping->vmo;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    uint64_t limit = mapping_vmo_end_locked(mapping);
    size_t count = 0, run = 1;
    if (limit - offset > end - va)
        limit = offset + (end - va);
    if (most > (limit - offset) >> PAGE_SHIFT)
        most = (limit - offset) >> PAGE_SHIFT;
    *shared = false;
    for (; vmo->kind != VMO_PAGED && count < most; count++)
        paddrs[count] = vmo->frames + offset + (count << PAGE_SHIFT);
    while (count < most && run != 0) {
        void *const *pages = page_list_run(&vmo->pages, (offset >> PAGE_SHIFT) + count, &run);
        for (size_t i = 0; i < run && count < most; i++, count++) {
            const struct vm_page *page = pages[i];
            bool also_shared = page_is_shared(page);
            if (count != 0 && also_shared != *shared)
                return count;
            *shared = also_shared;
            paddrs[count] = page->paddr;
        }
    }
    return count;
}

bool mapping_has_large_vmo_locked(const struct vm_mapping *mapping, zx_vaddr_t va, zx_paddr_t paddr,
                                  zx_vaddr_t base, zx_vaddr_t end)
{
    zx_vaddr_t block = va & ~(VM_LARGE_SIZE - 1);
    uint64_t offset = mapping->vmo_offset + (block - mapping->region.base);
    if (((paddr ^ va) & (VM_LARGE_SIZE - 1)) != 0 || block < base || block >= end ||
        end - block < VM_LARGE_SIZE || mapping_vmo_end_locked(mapping) - offset < VM_LARGE_SIZE)
        return false;
    size_t run;
    for (uint64_t index = 0; index < VM_LARGE_PAGES; index += run) {
        void *const *pages = page_list_run(&mapping->vmo->pages, (offset >> PAGE_SHIFT) + index, &run);
        if (run == 0)
            return false;
        for (size_t i = 0; i < run && index + i < VM_LARGE_PAGES; i++) {
            const struct vm_page *page = pages[i];
            if (page->paddr != paddr - (va - block) + ((index + i) << PAGE_SHIFT) || page_is_shared(page))
                return false;
        }
    }
    return true;
}

/* Enters [va, limit) of a VMO whose frames lie one behind the other, with large pages where that is possible. */
static zx_status_t map_frames_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t limit)
{
    struct vm_region *region = &mapping->region;
    zx_vaddr_t base, end;
    for (; va < limit; va = end) {
        uint32_t perms = protection_range(mapping, va, &base, &end);
        if (end > limit)
            end = limit;
        zx_paddr_t frame = mapping->vmo->frames + mapping->vmo_offset + (va - region->base);
        if ((perms & ARCH_MMU_READ) != 0 &&
            page_table_map(&region->aspace->table, va, frame, end - va, mapping_mmu_flags(mapping, perms),
                           PAGE_TABLE_EXISTING_SKIP) != ZX_OK)
            return ZX_ERR_NO_MEMORY;
    }
    return ZX_OK;
}

/* Enters the pages that there are below vmo_end, from va on. */
static zx_status_t map_pages_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t limit,
                                        uint64_t vmo_end)
{
    enum { BATCH = 32 };
    zx_paddr_t paddrs[BATCH];
    struct vm_region *region = &mapping->region;
    struct page_table *table = &region->aspace->table;
    struct vm_vmo *vmo = mapping->vmo;
    for (;;) {
        uint64_t index;
        bool shared;
        uint64_t offset = mapping->vmo_offset + (va - region->base);
        if (page_list_next(&vmo->pages, offset >> PAGE_SHIFT, &index) == NULL ||
            index >= vmo_end >> PAGE_SHIFT)
            return ZX_OK;
        va = region->base + ((index << PAGE_SHIFT) - mapping->vmo_offset);
        zx_vaddr_t base, end;
        uint32_t perms = protection_range(mapping, va, &base, &end);
        if (end > limit)
            end = limit;
        if ((perms & ARCH_MMU_READ) == 0) {
            va = end;
            continue;
        }
        zx_vaddr_t block_left = VM_LARGE_SIZE - (va & (VM_LARGE_SIZE - 1));
        zx_vaddr_t batch_end = end - va < block_left ? end : va + block_left;
        size_t count = mapping_gather_vmo_locked(mapping, va, batch_end, BATCH, paddrs, &shared);
        if (shared)
            perms &= ~ARCH_MMU_WRITE;
        uint32_t flags = mapping_mmu_flags(mapping, perms);
        zx_status_t status;
        if (mapping_has_large_vmo_locked(mapping, va, paddrs[0], va, end)) {
            status = page_table_map(table, va, paddrs[0], VM_LARGE_SIZE, flags, PAGE_TABLE_EXISTING_SKIP);
            count = VM_LARGE_PAGES;
        } else {
            status = page_table_map_pages(table, va, paddrs, count, flags, PAGE_TABLE_EXISTING_SKIP);
        }
        if (status != ZX_OK)
            return status;
        va += count * PAGE_SIZE;
    }
}

/* Enters what the VMO has in [va, limit). NO_MEMORY: some of it is entered. */
static zx_status_t map_present_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t limit)
{
    const struct vm_vmo *vmo = mapping->vmo;
    zx_vaddr_t base = mapping->region.base;
    uint64_t vmo_end = mapping_vmo_end_locked(mapping), first = mapping->vmo_offset + (va - base);
    if (first < vmo_end && vmo_end - first < limit - va)
        limit = va + (vmo_end - first);
    if (first >= vmo_end)
        return ZX_OK;
    if (vmo->kind != VMO_PAGED)
        return map_frames_vmo_locked(mapping, va, limit);
    return map_pages_vmo_locked(mapping, va, limit, mapping->vmo_offset + (limit - base));
}

void mapping_map_present(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t limit)
{
    port_mutex_lock(&mapping->vmo->lock);
    (void)map_present_vmo_locked(mapping, va, limit);
    port_mutex_unlock(&mapping->vmo->lock);
}

zx_status_t mapping_insert_entered(struct vm_mapping *mapping, struct vm_vmar *parent,
                                   struct region_reserve *reserve, zx_vaddr_t base, size_t size,
                                   uint64_t vmo_offset, uint32_t perms, uint32_t may)
{
    VM_ASSERT(port_mutex_is_held(&parent->region.aspace->lock));
    mapping->region.flags = may;
    mapping->perms = perms;
    region_tree_init(&mapping->protections, base, base + size);
    port_mutex_lock(&mapping->vmo->lock);
    place(mapping, parent, base, size, vmo_offset);
    zx_status_t status = map_present_vmo_locked(mapping, base, base + size);
    if (status == ZX_OK)
        link_vmo_locked(mapping, reserve);
    else
        unmap_vmo_locked(mapping, base, size);
    port_mutex_unlock(&mapping->vmo->lock);
    return status;
}
