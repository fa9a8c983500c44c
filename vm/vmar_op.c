/* SPDX-License-Identifier: MIT */
/*
 * vmar_op.c: operations on the memory behind a range of a VMAR: committing, decommitting, entering, hints.
 *
 * Concept. A range of addresses is turned into parts of VMOs by walking the mappings, child VMARs
 * included, and each part is then what the operation works on.
 *
 * Method. One walk looks for gaps, a second one checks each mapping, and only then is anything done.
 * Committing is the one operation that can run out of memory: it makes all pages of all parts ready before
 * it puts the first one into its VMO. Entering pages is best effort, as with the MAP_RANGE option of
 * zx_vmar_map: what is not entered, a fault enters.
 *
 * Locking. The aspace's lock throughout, so that no mapping moves or goes; each VMO's around the work on
 * its part. A VMO that another thread shrinks between check and work is operated on as far as it reaches.
 *
 * Cost. The walk: O(log siblings) a mapping. Committing and decommitting: the pages of the range that change.
 */
#include "internal.h"

static uint64_t offset_of(const struct vm_mapping *mapping, zx_vaddr_t va)
{
    return mapping->vmo_offset + (va - mapping->region.base);
}

static zx_status_t check_no_gap(struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping;
    zx_vaddr_t part_base, part_end;
    zx_status_t status;
    do
        status = mapping_walk_next(&walk, &mapping, &part_base, &part_end);
    while (status == ZX_OK);
    return status == ZX_ERR_STOP ? ZX_OK : ZX_ERR_BAD_STATE;
}

/* Whether committing or decommitting is nothing for such a VMO. */
static bool never_does(const struct vm_vmo *vmo, uint32_t op)
{
    return op == ZX_VMAR_OP_COMMIT ? vmo->kind == VMO_PHYSICAL : vmo->kind != VMO_PAGED || vmo->is_snapshot;
}

static zx_status_t check_part(const struct vm_vmar *vmar, uint32_t op, const struct vm_mapping *mapping,
                              zx_vaddr_t base, zx_vaddr_t end, bool op_children)
{
    bool is_child = mapping->region.parent == vmar;
    bool is_vdso_code = mapping == mapping->region.aspace->vdso_code;
    if (op != ZX_VMAR_OP_COMMIT && op != ZX_VMAR_OP_DECOMMIT) {
        if (!is_child && !op_children)
            return ZX_ERR_INVALID_ARGS;
        return is_vdso_code ? ZX_ERR_ACCESS_DENIED : ZX_OK;
    }
    if ((mapping->region.flags & ZX_VM_CAN_MAP_WRITE) == 0)
        return ZX_ERR_ACCESS_DENIED;
    if (!is_child)
        return ZX_ERR_INVALID_ARGS;
    if (is_vdso_code)
        return ZX_ERR_ACCESS_DENIED;
    uint64_t from = offset_of(mapping, base), to = offset_of(mapping, end), limit = mapping_vmo_end(mapping);
    /* First what is true of all mappings of the VMO, and what lies below its end before what lies past it: the
       answer may not tell which mappings have merged. */
    if (never_does(mapping->vmo, op))
        return ZX_ERR_NOT_SUPPORTED;
    zx_status_t status = ZX_OK;
    if (op == ZX_VMAR_OP_DECOMMIT && from < limit)
        status = vmo_check_decommit(mapping->vmo, from, (to < limit ? to : limit) - from);
    return status == ZX_OK && to > limit ? ZX_ERR_OUT_OF_RANGE : status;
}

static zx_status_t check_parts(struct vm_vmar *vmar, uint32_t op, zx_vaddr_t base, zx_vaddr_t end,
                               bool op_children)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping;
    zx_vaddr_t part_base, part_end;
    zx_status_t status = ZX_OK;
    while (status == ZX_OK && mapping_walk_next(&walk, &mapping, &part_base, &part_end) == ZX_OK)
        status = check_part(vmar, op, mapping, part_base, part_end, op_children);
    return status;
}

zx_status_t mappings_commit_locked(struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping;
    zx_vaddr_t part_base, part_end;
    zx_status_t status = ZX_OK;
    struct list_node ready;
    list_init(&ready);
    while (status == ZX_OK && mapping_walk_next(&walk, &mapping, &part_base, &part_end) == ZX_OK) {
        uint64_t first = offset_of(mapping, part_base), limit = offset_of(mapping, part_end);
        if (limit > mapping->vmo_limit)
            limit = mapping->vmo_limit;
        if (first < limit)
            status = vmo_commit_prepare(mapping->vmo, first, limit - first, &ready);
    }
    if (status == ZX_OK)
        return vmo_commit_finish(&ready);
    vmo_commit_release(&ready);
    return status;
}

/* The operations that cannot fail. */
static void apply(struct vm_vmar *vmar, uint32_t op, zx_vaddr_t base, zx_vaddr_t end)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping;
    zx_vaddr_t part_base, part_end;
    while (mapping_walk_next(&walk, &mapping, &part_base, &part_end) == ZX_OK) {
        if (op == ZX_VMAR_OP_DECOMMIT)
            (void)vmo_decommit(mapping->vmo, offset_of(mapping, part_base), part_end - part_base);
        else if (op == ZX_VMAR_OP_MAP_RANGE)
            mapping_map_present(mapping, part_base, part_end);
    }
}

static zx_status_t op_range_locked(struct vm_vmar *vmar, uint32_t op, zx_vaddr_t base, size_t size,
                                   bool op_children)
{
    if (!region_holds(&vmar->region, base, size))
        return ZX_ERR_OUT_OF_RANGE;
    if (!vmar->region.alive)
        return ZX_ERR_BAD_STATE;
    zx_status_t status = check_no_gap(vmar, base, base + size);
    if (status == ZX_OK)
        status = check_parts(vmar, op, base, base + size, op_children);
    if (status != ZX_OK)
        return status;
    if (op == ZX_VMAR_OP_COMMIT)
        return mappings_commit_locked(vmar, base, base + size);
    if (op == ZX_VMAR_OP_ALWAYS_NEED)
        vmar->region.aspace->always_need = true;
    apply(vmar, op, base, base + size);
    return ZX_OK;
}

zx_status_t vmar_op_range(struct vm_vmar *vmar, uint32_t op, zx_vaddr_t base, size_t size, bool op_children)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = op_range_locked(vmar, op, base, size, op_children);
    port_mutex_unlock(&aspace->lock);
    return status;
}
