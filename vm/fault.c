/* SPDX-License-Identifier: MIT */
/*
 * fault.c: page faults: turning the promise of a mapping into a translation.
 *
 * Concept. A fault finds the mapping, checks the permission in force at that page, gets the page from the VMO
 * (making it for a write), and enters the translation. A read of an absent page enters the machine's zero
 * page, read-only; the write that follows replaces it. Pages right behind that the VMO has already are
 * entered along, within one table and one protection range: touching memory in order takes one fault for
 * sixteen pages.
 *
 * Invariants. Nothing is entered that the mapping does not allow now; the zero page is never entered
 * writable. A fault that is refused changes nothing: a page made for it goes again where the tables find no
 * memory. Memory is coherent: nobody can write to a page while a processor may still read the zero page in
 * its place.
 *
 * Spurious faults are fine: the processor may have cached less than the tables give; the translation is
 * entered again, unchanged.
 *
 * Locking. The aspace's lock throughout, the VMO's around page and translation.
 *
 * Cost. The mapping of the last fault is tried first; else one search per level of VMARs. One walk of the
 * tables. No allocation but the page, its radix node and its table.
 */
#include "internal.h"

/* Pages that one fault may enter, the faulting one included. */
#define FAULT_PAGES 16
/* Bytes that one lowest-level table translates. */
#define TABLE_SPAN (512 * PAGE_SIZE)

/* The mapping that holds va; null in a gap. */
static struct vm_mapping *find_mapping_locked(struct vm_aspace *aspace, zx_vaddr_t va)
{
    struct vm_mapping *last = aspace->last_fault;
    if (last != NULL && va - last->region.base < last->region.size)
        return last;
    struct region_entry entry;
    struct vm_vmar *vmar = aspace->root;
    while (vmar != NULL && region_tree_find(&vmar->children, va, &entry)) {
        struct vm_region *region = entry.value;
        if (region->kind == VM_REGION_MAPPING)
            return aspace->last_fault = mapping_of(region);
        vmar = vmar_of(region);
    }
    return NULL;
}

static bool is_allowed(const struct vm_aspace *aspace, uint32_t perms, uint32_t flags)
{
    uint32_t needed = ARCH_MMU_READ;
    if ((flags & VM_PF_FLAG_WRITE) != 0)
        needed |= ARCH_MMU_WRITE;
    if ((flags & VM_PF_FLAG_INSTRUCTION) != 0)
        needed |= ARCH_MMU_EXECUTE;
    if ((flags & VM_PF_FLAG_USER) != 0 && !vm_aspace_is_user(aspace))
        return false;
    return (needed & ~perms) == 0;
}

/* Enters the run of pages that the VMO has from va on, at least one. */
static zx_status_t enter_pages_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                          uint32_t perms)
{
    zx_paddr_t paddrs[FAULT_PAGES];
    zx_vaddr_t table_end = (va & ~(TABLE_SPAN - 1)) + TABLE_SPAN;
    if (table_end < end)
        end = table_end;
    size_t count = mapping_gather_vmo_locked(mapping, va, end, FAULT_PAGES, paddrs);
    return page_table_map_pages(&mapping->region.aspace->table, va, paddrs, count,
                                mapping_mmu_flags(mapping, perms), PAGE_TABLE_EXISTING_REPLACE);
}

static zx_status_t enter_zero_page_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, uint32_t perms)
{
    zx_status_t status =
        page_table_map(&mapping->region.aspace->table, va, vm_machine->zero_page->paddr, PAGE_SIZE,
                       mapping_mmu_flags(mapping, perms & ~ARCH_MMU_WRITE), PAGE_TABLE_EXISTING_REPLACE);
    if (status == ZX_OK)
        mapping_tree_set_zero(mapping);
    return status;
}

/* Makes the absent page at va and enters it. Where the zero page may have stood for it, here or elsewhere, it
   is entered without write permission until no processor can see the zero page any more: what a program
   writes through one translation must not be missing behind another. The second entering finds its tables
   there, so it cannot fail. */
static zx_status_t make_page_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                        uint32_t perms)
{
    struct vm_vmo *vmo = mapping->vmo;
    struct vm_page *made;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    bool shown = mapping_tree_first(&vmo->mappings, offset, offset + PAGE_SIZE, true) != NULL;
    zx_status_t status = vmo_make_page_locked(vmo, offset, &made);
    if (status != ZX_OK)
        return status;
    if (shown)
        status = enter_pages_vmo_locked(mapping, va, va + PAGE_SIZE, perms & ~ARCH_MMU_WRITE);
    if (shown && status == ZX_OK)
        vmo_page_made_locked(vmo, offset, mapping); /* here the zero page has been replaced already */
    if (status == ZX_OK)
        status = enter_pages_vmo_locked(mapping, va, end, perms);
    if (status != ZX_OK)
        vmo_drop_page_locked(vmo, offset);
    return status;
}

static zx_status_t resolve_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                      uint32_t perms, bool write)
{
    struct vm_vmo *vmo = mapping->vmo;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    if (offset >= vmo->size)
        return ZX_ERR_OUT_OF_RANGE;
    if (vmo_page_locked(vmo, offset) != NULL)
        return enter_pages_vmo_locked(mapping, va, end, perms);
    if (!write)
        return enter_zero_page_vmo_locked(mapping, va, perms);
    return make_page_vmo_locked(mapping, va, end, perms);
}

static zx_status_t fault_locked(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags)
{
    struct vm_mapping *mapping = find_mapping_locked(aspace, va);
    if (mapping == NULL)
        return ZX_ERR_NOT_FOUND;
    zx_vaddr_t base, end;
    uint32_t perms = protection_range(mapping, va, &base, &end);
    if (!is_allowed(aspace, perms, flags))
        return ZX_ERR_ACCESS_DENIED;
    port_mutex_lock(&mapping->vmo->lock);
    zx_status_t status =
        resolve_vmo_locked(mapping, round_down_page(va), end, perms, (flags & VM_PF_FLAG_WRITE) != 0);
    port_mutex_unlock(&mapping->vmo->lock);
    return status;
}

zx_status_t vm_aspace_page_fault(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags)
{
    aspace = aspace_at(aspace, va);
    if (aspace == NULL)
        return ZX_ERR_NOT_FOUND;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = fault_locked(aspace, va, flags);
    port_mutex_unlock(&aspace->lock);
    return status;
}

zx_status_t vm_aspace_soft_fault(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags)
{
    return vm_aspace_page_fault(aspace, va, flags | VM_PF_FLAG_SW_FAULT);
}
