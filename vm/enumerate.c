/* SPDX-License-Identifier: MIT */
/*
 * enumerate.c: the regions of a space as those inside the kernel see them: the one at an address, and all of
 * them.
 *
 * Concept. Regions are described by value. Nobody outside holds a mapping, which belongs to its tree alone
 * and may be cut, merged or freed by any thread; what can be held is a VMAR, by a reference.
 *
 * Locking. The aspace's lock. Cost. Finding: a search per level of VMARs. Enumerating: O(log siblings) a
 * region.
 */
#include "internal.h"
#include "region_walk.h"

static void describe(struct vm_region_info *info, struct vm_region *region, unsigned depth, zx_vaddr_t va)
{
    *info = (struct vm_region_info){.base = region->base,
                                    .size = region->size,
                                    .depth = depth,
                                    .is_mapping = region->kind == VM_REGION_MAPPING,
                                    .can_map = region->flags};
    if (!info->is_mapping) {
        info->koid = vmar_of(region)->object.koid;
        return;
    }
    const struct vm_mapping *mapping = mapping_of(region);
    info->koid = mapping->source->object.koid;
    info->vmo_offset = mapping->vmo_offset - mapping->source->window;
    info->perms = protection_at(mapping, va);
}

/* The deepest region that holds va, and its depth; null where the root does not hold it. */
static struct vm_region *find_locked(struct vm_aspace *aspace, zx_vaddr_t va, unsigned *depth)
{
    struct region_entry entry;
    *depth = 0;
    if (aspace->root == NULL || va - aspace->root->region.base >= aspace->root->region.size)
        return NULL;
    struct vm_region *region = &aspace->root->region;
    while (region->kind == VM_REGION_VMAR && region_tree_find(&vmar_of(region)->children, va, &entry)) {
        region = entry.value;
        ++*depth;
    }
    return region;
}

bool vm_aspace_find_region(struct vm_aspace *aspace, zx_vaddr_t va, struct vm_region_info *info,
                           struct vm_vmar **vmar)
{
    unsigned depth;
    aspace = aspace_at(aspace, va);
    if (aspace == NULL)
        return false;
    port_mutex_lock(&aspace->lock);
    struct vm_region *region = find_locked(aspace, va, &depth);
    if (region != NULL)
        describe(info, region, depth, va);
    if (region != NULL && vmar != NULL) {
        *vmar = region->kind == VM_REGION_VMAR ? vmar_of(region) : region->parent;
        vm_object_acquire(&(*vmar)->object);
    }
    port_mutex_unlock(&aspace->lock);
    return region != NULL;
}

/* False: the visitor wants no more. */
static bool visit_locked(struct vm_vmar *vmar, vm_region_visitor *visit, void *context)
{
    struct region_walk walk;
    struct vm_region_info info;
    struct vm_region *region;
    describe(&info, &vmar->region, 0, vmar->region.base);
    if (!visit(context, &info))
        return false;
    region_walk_start(&walk, vmar);
    while ((region = region_walk_next(&walk)) != NULL) {
        describe(&info, region, walk.depth, region->base);
        if (!visit(context, &info))
            return false;
    }
    return true;
}

zx_status_t vm_vmar_enumerate(struct vm_vmar *vmar, vm_region_visitor *visit, void *context)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    zx_status_t status = ZX_ERR_BAD_STATE;
    port_mutex_lock(&aspace->lock);
    if (vmar->region.alive) {
        (void)visit_locked(vmar, visit, context);
        status = ZX_OK;
    }
    port_mutex_unlock(&aspace->lock);
    return status;
}

zx_status_t vm_aspace_enumerate(struct vm_aspace *aspace, vm_region_visitor *visit, void *context)
{
    bool more = true;
    for (unsigned i = 0; i < aspace_part_count(aspace) && more; i++) {
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part == NULL)
            return ZX_ERR_BAD_STATE;
        port_mutex_lock(&part->lock);
        bool alive = part->root != NULL;
        if (alive)
            more = visit_locked(part->root, visit, context);
        port_mutex_unlock(&part->lock);
        if (!alive)
            return ZX_ERR_BAD_STATE;
    }
    return ZX_OK;
}
