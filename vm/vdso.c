/* SPDX-License-Identifier: MIT */
/*
 * vdso.c: the vDSO: which VMO it is, and where its code is in a space.
 *
 * Concept. A VMO that is declared to be a vDSO has a part that is code. A space remembers the one mapping
 * that shows it executable (aspace->vdso_code). Whatever could take that mapping away, change or cover it
 * asks here first and is refused; so a program finds it where it was, with the bytes that it had, as long as
 * the space lives.
 *
 * Why nothing gets around it. An executable mapping that is not exactly the code is refused; mappings that
 * are not executable lose the permission to become so (vdso_may). A slice shows the pages of the VMO behind
 * it, and is looked at by what it shows there. A snapshot has pages of its own: it is not the vDSO.
 *
 * Invariants (check.c). aspace->vdso_code is alive in the space and shows exactly the code; no other mapping
 * of a vDSO is executable or may become so.
 *
 * Locking. aspace->vdso_code is under the aspace's lock. What is declared of a VMO is under the VMO's, and
 * does not change while there are mappings.
 *
 * Cost. O(1).
 */
#include <vm/vdso.h>

#include "internal.h"

zx_status_t vm_vmo_declare_vdso(struct vm_vmo *vmo, uint64_t code_offset, uint64_t code_size)
{
    zx_status_t status = ZX_OK;
    if (vmo->resizable || vmo_is_slice(vmo) || vmo->kind != VMO_PAGED)
        return ZX_ERR_NOT_SUPPORTED;
    if (!is_page_aligned(code_offset) || !is_page_aligned(code_size) || code_size == 0)
        return ZX_ERR_INVALID_ARGS;
    port_mutex_lock(&vmo->lock);
    if (code_offset > vmo->size || code_size > vmo->size - code_offset) {
        status = ZX_ERR_OUT_OF_RANGE;
    } else if (vmo->vdso_code_size != 0 || vmo->mappings.root != NULL) {
        status = ZX_ERR_BAD_STATE;
    } else {
        vmo->vdso_code_offset = code_offset;
        vmo->vdso_code_size = code_size;
    }
    port_mutex_unlock(&vmo->lock);
    return status;
}

bool vdso_is(struct vm_vmo *vmo)
{
    port_mutex_lock(&vmo->lock);
    bool declared = vmo->vdso_code_size != 0;
    port_mutex_unlock(&vmo->lock);
    return declared;
}

/* Whether a mapping of that part, by way of `source`, shows exactly the code. */
static bool is_code(const struct vm_vmo *source, uint64_t vmo_offset, size_t size)
{
    const struct vm_vmo *vmo = source->target;
    return vmo_offset == vmo->vdso_code_offset && size == vmo->vdso_code_size &&
           (!vmo_is_slice(source) || vmo_offset + size <= source->window + source->size);
}

zx_status_t vdso_check_map_locked(const struct vm_aspace *aspace, const struct vm_vmo *source,
                                  uint64_t vmo_offset, size_t size, uint32_t perms)
{
    VM_ASSERT(port_mutex_is_held(&aspace->lock));
    if ((perms & ARCH_MMU_EXECUTE) == 0 || !vdso_is(source->target))
        return ZX_OK;
    return aspace->vdso_code == NULL && is_code(source, vmo_offset, size) ? ZX_OK : ZX_ERR_ACCESS_DENIED;
}

uint32_t vdso_may(const struct vm_vmo *source, uint32_t perms, uint32_t may)
{
    bool never = (perms & ARCH_MMU_EXECUTE) == 0 && vdso_is(source->target);
    return never ? may & ~ZX_VM_CAN_MAP_EXECUTE : may;
}

void vdso_mapped_locked(struct vm_mapping *mapping)
{
    struct vm_aspace *aspace = mapping->region.aspace;
    if ((mapping->perms & ARCH_MMU_EXECUTE) != 0 && vdso_is(mapping->vmo)) {
        VM_ASSERT_REGION(aspace->vdso_code == NULL, &mapping->region);
        aspace->vdso_code = mapping;
    }
}

bool vdso_intersects_locked(const struct vm_aspace *aspace, zx_vaddr_t base, size_t size)
{
    const struct vm_mapping *code = aspace->vdso_code;
    VM_ASSERT(port_mutex_is_held(&aspace->lock));
    if (code == NULL || size == 0)
        return false;
    return base < code->region.base ? code->region.base - base < size
                                    : base - code->region.base < code->region.size;
}

/* ---- As the host asks ---- */

/* The addresses of code and base, 0 and 0 where there are none. */
static void find_vdso(struct vm_aspace *aspace, zx_vaddr_t *code, zx_vaddr_t *base)
{
    *code = *base = 0;
    for (unsigned i = 0; i < aspace_part_count(aspace) && *code == 0; i++) {
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part == NULL)
            continue;
        port_mutex_lock(&part->lock);
        const struct vm_mapping *mapping = part->vdso_code;
        if (mapping != NULL) {
            *code = mapping->region.base;
            *base = *code >= mapping->vmo_offset ? *code - mapping->vmo_offset : 0;
        }
        port_mutex_unlock(&part->lock);
    }
}

zx_vaddr_t vm_aspace_vdso_code_address(struct vm_aspace *aspace)
{
    zx_vaddr_t code, base;
    find_vdso(aspace, &code, &base);
    return code;
}

zx_vaddr_t vm_aspace_vdso_base_address(struct vm_aspace *aspace)
{
    zx_vaddr_t code, base;
    find_vdso(aspace, &code, &base);
    return base;
}

bool vm_aspace_intersects_vdso_code(struct vm_aspace *aspace, zx_vaddr_t base, size_t size)
{
    bool touches = false;
    for (unsigned i = 0; i < aspace_part_count(aspace) && !touches; i++) {
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part == NULL)
            continue;
        port_mutex_lock(&part->lock);
        touches = vdso_intersects_locked(part, base, size);
        port_mutex_unlock(&part->lock);
    }
    return touches;
}
