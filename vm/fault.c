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

/* Enters the run of pages that the VMO has from va on, at least one; read-only where other VMOs hold them too. */
static zx_status_t enter_pages_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                          uint32_t perms)
{
    zx_paddr_t paddrs[FAULT_PAGES];
    bool shared;
    zx_vaddr_t table_end = (va & ~(TABLE_SPAN - 1)) + TABLE_SPAN;
    if (table_end < end)
        end = table_end;
    size_t count = mapping_gather_vmo_locked(mapping, va, end, FAULT_PAGES, paddrs, &shared);
    if (shared)
        perms &= ~ARCH_MMU_WRITE;
    return page_table_map_pages(&mapping->region.aspace->table, va, paddrs, count,
                                mapping_mmu_flags(mapping, perms), PAGE_TABLE_EXISTING_REPLACE);
}

/* Enters, of a VMO whose frames lie one behind the other, the largest page around va that fits into [base, end),
   which have one permission, and into the VMO; else the pages from va on. */
static zx_status_t enter_frames_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t base,
                                           zx_vaddr_t end, uint32_t perms)
{
    struct page_table *table = &mapping->region.aspace->table;
    zx_paddr_t first_frame = mapping->vmo->frames + mapping->vmo_offset - mapping->region.base;
    uint64_t shown = mapping_vmo_end_locked(mapping) - mapping->vmo_offset;
    if (end - mapping->region.base > shown)
        end = mapping->region.base + shown;
    for (unsigned level = table->largest_level; level > 1; level--) {
        zx_vaddr_t size = PAGE_SIZE << (9 * (level - 1)), block = va & ~(size - 1);
        if (block >= base && block <= end && end - block >= size && ((first_frame + block) & (size - 1)) == 0)
            return page_table_map(table, block, first_frame + block, size, mapping_mmu_flags(mapping, perms),
                                  PAGE_TABLE_EXISTING_REPLACE);
    }
    return enter_pages_vmo_locked(mapping, va, end, perms);
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

/* Makes a page at va that the VMO owns, in the place of the zero page or of one that others hold too, and
   enters it. Where the page before may have been shown, here or elsewhere, it is entered without write
   permission until no processor can see that one any more: what a program writes through one translation must
   not be missing behind another. The second entering finds its tables there, so it cannot fail. */
static zx_status_t make_page_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                        uint32_t perms)
{
    struct vm_vmo *vmo = mapping->vmo;
    struct vm_page *before;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    zx_status_t status = vmo_make_page_locked(vmo, offset, &before);
    if (status != ZX_OK)
        return status;
    bool shown =
        before != NULL || mapping_tree_first(&vmo->mappings, offset, offset + PAGE_SIZE, true) != NULL;
    if (shown)
        status = enter_pages_vmo_locked(mapping, va, va + PAGE_SIZE, perms & ~ARCH_MMU_WRITE);
    if (shown && status == ZX_OK)
        vmo_page_made_locked(vmo, offset, before,
                             mapping); /* here the page before has been replaced already */
    if (status == ZX_OK)
        status = enter_pages_vmo_locked(mapping, va, end, perms);
    if (status != ZX_OK)
        vmo_unmake_page_locked(vmo, offset, before);
    return status;
}

/* [base, end) has one permission, which suffices. */
static zx_status_t resolve_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t base,
                                      zx_vaddr_t end, uint32_t perms, bool write)
{
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    if (offset >= mapping_vmo_end_locked(mapping))
        return ZX_ERR_OUT_OF_RANGE;
    if (mapping->vmo->kind != VMO_PAGED)
        return enter_frames_vmo_locked(mapping, va, base, end, perms);
    const struct vm_page *page = vmo_page_locked(mapping->vmo, offset);
    if (write && (page == NULL || page_is_shared(page)))
        return make_page_vmo_locked(mapping, va, end, perms);
    if (page == NULL)
        return enter_zero_page_vmo_locked(mapping, va, perms);
    return enter_pages_vmo_locked(mapping, va, end, perms);
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
        resolve_vmo_locked(mapping, round_down_page(va), base, end, perms, (flags & VM_PF_FLAG_WRITE) != 0);
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
