/* SPDX-License-Identifier: MIT */
/*
 * aspace_alloc.c: memory for the kernel itself, allocated and freed by address: a VMO of the wanted kind,
 * mapped in the root VMAR of a kernel space.
 *
 * Concept. The three allocators make a VMO and hand it to one path, vm_aspace_map_object. The mapping alone
 * keeps the VMO: freeing the region by its address frees the memory. So that an address stands for what one
 * call has made, such a mapping stays `pending` for ever and never merges.
 *
 * Method. Everything is tried first (vmar_map without a result), then memory is committed, then the mapping
 * is made with all of its translations, or not at all. What fails leaves no trace; a VMO that was made goes
 * with its last reference.
 *
 * Locking. As vmar_map and the VMO's functions; none is held here but for freeing. Cost. The pages that are
 * committed.
 */
#include "internal.h"

#define CAN_MAP_PERMS   (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define ALIGN_LOG2_MOST 32

static bool is_placement_valid(const struct vm_aspace *aspace, void *const *at, uint8_t align_log2,
                               uint32_t flags)
{
    if (align_log2 > ALIGN_LOG2_MOST)
        return false;
    if ((flags & VMM_FLAG_VALLOC_SPECIFIC) == 0)
        return true;
    return at != NULL && *at != NULL && is_page_aligned((uintptr_t)*at) && (uintptr_t)*at >= aspace->base;
}

/* The space is the kernel's, and the flags are some that there are: misuse, where not. */
static void assert_usage(const struct vm_aspace *aspace, uint32_t flags, uint32_t mmu_flags)
{
    VM_ASSERT(!vm_aspace_is_user(aspace));
    VM_ASSERT((flags & ~(VMM_FLAG_VALLOC_SPECIFIC | VMM_FLAG_COMMIT)) == 0);
    VM_ASSERT((mmu_flags & ~ARCH_MMU_PERMS) == 0 && (mmu_flags == 0 || (mmu_flags & ARCH_MMU_READ) != 0));
}

/* Of a physical VMO there is nothing to commit, and its size stays as it is. */
static zx_status_t commit_all(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    if (vmo->target->kind != VMO_PHYSICAL)
        return vmo_commit(vmo, offset, size);
    return offset <= vmo->size && size <= vmo->size - offset ? ZX_OK : ZX_ERR_OUT_OF_RANGE;
}

/* Maps into the root, which is referenced; everything that needs no look at the space has been checked. */
static zx_status_t map_in_root(struct vm_vmar *root, struct vm_vmo *vmo, uint64_t vmo_offset, size_t size,
                               uint32_t options, size_t offset, struct vm_mapped *out)
{
    zx_status_t status = vmar_map(root, options, offset, vmo, vmo_offset, size, CAN_MAP_PERMS, NULL);
    if (status != ZX_OK)
        return status;
    if ((options & VMAR_MAP_ALL) != 0)
        status = commit_all(vmo, vmo_offset, round_up_page(size));
    if (status == ZX_OK)
        status = vmar_map(root, options, offset, vmo, vmo_offset, size, CAN_MAP_PERMS, out);
    return status;
}

zx_status_t vm_aspace_map_object(struct vm_aspace *aspace, struct vm_vmo *vmo, uint64_t vmo_offset,
                                 size_t size, void **at, uint8_t align_log2, uint32_t flags,
                                 uint32_t mmu_flags)
{
    assert_usage(aspace, flags, mmu_flags);
    if (size == 0 || !is_page_aligned(vmo_offset) || !is_placement_valid(aspace, at, align_log2, flags))
        return ZX_ERR_INVALID_ARGS;
    size_t offset = 0;
    uint32_t options = mmu_flags | (uint32_t)align_log2 << ZX_VM_ALIGN_BASE;
    if ((flags & VMM_FLAG_VALLOC_SPECIFIC) != 0) {
        options |= ZX_VM_SPECIFIC;
        offset = (uintptr_t)*at - aspace->base;
    }
    if ((flags & VMM_FLAG_COMMIT) != 0)
        options |= VMAR_MAP_ALL;
    struct vm_vmar *root = vm_aspace_root_vmar(aspace);
    if (root == NULL)
        return ZX_ERR_BAD_STATE;
    struct vm_mapped mapped;
    zx_status_t status = map_in_root(root, vmo, vmo_offset, size, options, offset, &mapped);
    if (status == ZX_OK && at != NULL)
        *at = (void *)mapped.base;
    vm_object_release(&root->object);
    return status;
}

/* Of a VMO that nobody else knows yet. */
static void set_name(struct vm_vmo *vmo, const char *name)
{
    for (size_t i = 0; name != NULL && i < ZX_MAX_NAME_LEN - 1 && name[i] != '\0'; i++)
        vmo->name[i] = name[i];
}

zx_status_t vm_aspace_alloc(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                            uint8_t align_log2, uint32_t flags, uint32_t mmu_flags)
{
    struct vm_vmo *vmo;
    assert_usage(aspace, flags, mmu_flags);
    if (size == 0 || !is_placement_valid(aspace, at, align_log2, flags))
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vmo_create(size, false, &vmo);
    if (status != ZX_OK)
        return status;
    set_name(vmo, name);
    status = vm_aspace_map_object(aspace, vmo, 0, size, at, align_log2, flags, mmu_flags);
    vm_object_release(&vmo->object);
    return status;
}

zx_status_t vm_aspace_alloc_contiguous(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                                       uint8_t align_log2, uint32_t flags, uint32_t mmu_flags)
{
    struct vm_vmo *vmo;
    assert_usage(aspace, flags, mmu_flags);
    if (size == 0 || (flags & VMM_FLAG_COMMIT) == 0 || !is_placement_valid(aspace, at, align_log2, flags))
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status =
        vm_vmo_create_contiguous(size, align_log2 < PAGE_SHIFT ? PAGE_SHIFT : align_log2, &vmo);
    if (status != ZX_OK)
        return status;
    set_name(vmo, name);
    status = vm_aspace_map_object(aspace, vmo, 0, size, at, align_log2, flags, mmu_flags);
    vm_vmo_release(vmo);
    return status;
}

zx_status_t vm_aspace_alloc_physical(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                                     uint8_t align_log2, zx_paddr_t paddr, uint32_t flags, uint32_t mmu_flags)
{
    struct vm_vmo *vmo;
    uint32_t cache = mmu_flags & ARCH_MMU_CACHE_MASK;
    mmu_flags &= ~ARCH_MMU_CACHE_MASK;
    assert_usage(aspace, flags, mmu_flags);
    if (size == 0)
        return ZX_OK;
    if (!is_page_aligned(paddr) || !is_placement_valid(aspace, at, align_log2, flags))
        return ZX_ERR_INVALID_ARGS;
    if (round_up_page(size) == 0)
        return ZX_ERR_OUT_OF_RANGE;
    zx_status_t status = vm_vmo_create_physical(paddr, round_up_page(size), &vmo);
    if (status != ZX_OK)
        return status;
    set_name(vmo, name);
    status = vm_vmo_set_cache_policy(vmo, cache >> ARCH_MMU_CACHE_SHIFT);
    VM_ASSERT(status == ZX_OK);
    status = vm_aspace_map_object(aspace, vmo, 0, size, at, align_log2, flags | VMM_FLAG_COMMIT, mmu_flags);
    vm_vmo_release(vmo);
    return status;
}

zx_status_t vm_aspace_free_region(struct vm_aspace *aspace, zx_vaddr_t va)
{
    struct region_entry entry;
    zx_status_t status = ZX_OK;
    port_mutex_lock(&aspace->lock);
    if (aspace->root == NULL)
        status = ZX_ERR_BAD_STATE;
    else if (!region_tree_find(&aspace->root->children, va, &entry))
        status = ZX_ERR_NOT_FOUND;
    if (status == ZX_OK) {
        struct vm_region *region = entry.value;
        if (region->kind == VM_REGION_VMAR)
            status = ZX_ERR_BAD_STATE;
        else if (mapping_of(region) == aspace->vdso_code)
            status = ZX_ERR_ACCESS_DENIED;
        else
            mapping_destroy(mapping_of(region));
    }
    port_mutex_unlock(&aspace->lock);
    return status;
}
