/* SPDX-License-Identifier: MIT */
/*
 * fault.c: page faults: turning the promise of a mapping into a translation.
 *
 * Concept. A fault finds the mapping, checks the permission in force at that page, gets the page from the VMO
 * (making it for a write), and enters the translation. A read of an absent page enters the machine's zero
 * page, read-only; the write that follows replaces it. Pages right behind that the VMO has already are
 * entered along, within one table and one protection range: touching memory in order takes one fault for
 * sixteen pages. Where they lie one behind the other for a whole large page, that is entered.
 *
 * Invariants. Nothing is entered that the mapping does not allow now; the zero page is never entered
 * writable. A fault that is refused changes nothing: a page made for it goes again where the tables find no
 * memory. Memory is coherent: nobody can write to a page while a processor may still read the zero page in
 * its place.
 *
 * Spurious faults are fine: the processor may have cached less than the tables give, or another one was first.
 * Where the translation is there and suffices, nothing is done.
 *
 * Ranges. A soft fault of a range goes by runs: neighbouring pages that are there, that are absent and
 * read, or that are made for a write where nobody can see the zero page in their place. A run is entered in
 * one walk of the tables. What cannot be part of a run is entered as a fault does it.
 *
 * Locking. The aspace's lock throughout, the VMO's around page and translation.
 *
 * Cost. The mapping of the last fault, or of the last copy to or from the process, is tried first; else one search per
 * level of VMARs. One walk of the tables. Making a page where the zero page may stand: O(log mappings) for each mapping
 * that shows it there, or that is looked at in vain, which is bounded as vmo.c says. No allocation but the page, its
 * radix node and its table. Looking whether a large page can be entered takes one comparison, where the page at va does
 * not lie as it would in one, else a look at the 512 pages.
 */
#include "internal.h"

/* Pages that one fault may enter, the faulting one included. */
#define FAULT_PAGES 16
/* Pages that are entered in one walk where a range is faulted in. */
#define RUN_PAGES 64
/* Bytes that one lowest-level table translates. */
#define TABLE_SPAN (512 * PAGE_SIZE)

struct vm_mapping *aspace_mapping_at_locked(struct vm_aspace *aspace, zx_vaddr_t va)
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

/* The permissions that the access needs. */
static uint32_t needed_by(uint32_t flags)
{
    return ARCH_MMU_READ | ((flags & VM_PF_FLAG_WRITE) != 0 ? ARCH_MMU_WRITE : 0) |
           ((flags & VM_PF_FLAG_INSTRUCTION) != 0 ? ARCH_MMU_EXECUTE : 0);
}

static bool is_allowed(const struct vm_aspace *aspace, uint32_t perms, uint32_t flags)
{
    if ((flags & VM_PF_FLAG_USER) != 0 && !vm_aspace_is_user(aspace))
        return false;
    return (needed_by(flags) & ~perms) == 0;
}

/* Whether va has a translation already that suffices. */
static bool is_entered(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t needed)
{
    struct page_table_entry entry;
    return page_table_query(&aspace->table, va, &entry) == ZX_OK && (needed & ~entry.flags) == 0;
}

/* Enters the run of pages that the VMO has from va on, at least one; read-only where other VMOs hold them too. */
static zx_status_t enter_pages_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                          uint32_t perms)
{
    zx_paddr_t paddrs[FAULT_PAGES];
    bool shared;
    zx_vaddr_t table_last = va | (TABLE_SPAN - 1); /* its end may have no representation */
    if (table_last < end - 1)
        end = table_last + 1;
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

/* Enters the large page around va, where the page there has the address paddr. */
static zx_status_t enter_large_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_paddr_t paddr,
                                          uint32_t perms)
{
    zx_vaddr_t block = va & ~(VM_LARGE_SIZE - 1);
    return page_table_map(&mapping->region.aspace->table, block, paddr - (va - block), VM_LARGE_SIZE,
                          mapping_mmu_flags(mapping, perms), PAGE_TABLE_EXISTING_REPLACE);
}

static zx_status_t enter_zero_page_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, uint32_t perms)
{
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    zx_status_t status =
        page_table_map(&mapping->region.aspace->table, va, vm_machine->zero_page->paddr, PAGE_SIZE,
                       mapping_mmu_flags(mapping, perms & ~ARCH_MMU_WRITE), PAGE_TABLE_EXISTING_REPLACE);
    if (status == ZX_OK)
        mapping_tree_show_zero(&mapping->vmo->mappings, mapping, offset, offset + PAGE_SIZE);
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

/* [base, end) has one permission, which allows what is needed. */
static zx_status_t resolve_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t base,
                                      zx_vaddr_t end, uint32_t perms, uint32_t needed)
{
    struct vm_aspace *aspace = mapping->region.aspace;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    if (offset >= mapping_vmo_end_locked(mapping))
        return ZX_ERR_OUT_OF_RANGE;
    if (mapping->vmo->kind != VMO_PAGED)
        return is_entered(aspace, va, needed) ? ZX_OK
                                              : enter_frames_vmo_locked(mapping, va, base, end, perms);
    const struct vm_page *page = vmo_page_locked(mapping->vmo, offset);
    if ((needed & ARCH_MMU_WRITE) != 0 && (page == NULL || page_is_shared(page)))
        return make_page_vmo_locked(mapping, va, end, perms);
    if (page == NULL)
        return enter_zero_page_vmo_locked(mapping, va, perms);
    if (is_entered(aspace, va, needed))
        return ZX_OK;
    if (mapping_has_large_vmo_locked(mapping, va, page->paddr, base, end))
        return enter_large_vmo_locked(mapping, va, page->paddr, perms);
    return enter_pages_vmo_locked(mapping, va, end, perms);
}

/* ---- Ranges ---- */

/* The address behind the run that may be entered at once from va on, below end. */
static zx_vaddr_t run_end(zx_vaddr_t va, zx_vaddr_t end)
{
    zx_vaddr_t table_left = TABLE_SPAN - (va & (TABLE_SPAN - 1)), left = end - va;
    if (left > table_left)
        left = table_left;
    return va + (left < RUN_PAGES * PAGE_SIZE ? left : RUN_PAGES * PAGE_SIZE);
}

static zx_status_t enter_run(struct vm_mapping *mapping, zx_vaddr_t va, const zx_paddr_t *paddrs,
                             size_t count, uint32_t perms)
{
    return page_table_map_pages(&mapping->region.aspace->table, va, paddrs, count,
                                mapping_mmu_flags(mapping, perms), PAGE_TABLE_EXISTING_REPLACE);
}

/* Enters the zero page for the absent pages from va on, at least one. */
static zx_status_t enter_zero_run_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                             uint32_t perms, zx_vaddr_t *next)
{
    zx_paddr_t paddrs[RUN_PAGES];
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base), first = offset >> PAGE_SHIFT, index;
    size_t count = (run_end(va, end) - va) >> PAGE_SHIFT;
    if (page_list_next(&mapping->vmo->pages, first, &index) != NULL && index - first < count)
        count = index - first;
    for (size_t i = 0; i < count; i++)
        paddrs[i] = vm_machine->zero_page->paddr;
    zx_status_t status = enter_run(mapping, va, paddrs, count, perms & ~ARCH_MMU_WRITE);
    if (status == ZX_OK)
        mapping_tree_show_zero(&mapping->vmo->mappings, mapping, offset, offset + count * PAGE_SIZE);
    *next = va + count * PAGE_SIZE;
    return status;
}

/* Makes and enters pages from va on where the VMO has none and no mapping can show the zero page; at least
   one. NO_MEMORY: those before *next are entered. */
static zx_status_t make_run_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                       uint32_t perms, zx_vaddr_t *next)
{
    zx_paddr_t paddrs[RUN_PAGES];
    struct vm_vmo *vmo = mapping->vmo;
    struct vm_page *before;
    uint64_t first = mapping->vmo_offset + (va - mapping->region.base), offset = first;
    uint64_t limit = first + (run_end(va, end) - va);
    zx_status_t made = ZX_OK, entered = ZX_OK;
    for (; offset < limit; offset += PAGE_SIZE) {
        if (vmo_page_locked(vmo, offset) != NULL ||
            mapping_tree_first(&vmo->mappings, offset, offset + PAGE_SIZE, true) != NULL)
            break;
        made = vmo_make_page_locked(vmo, offset, &before);
        if (made != ZX_OK)
            break;
        paddrs[(offset - first) >> PAGE_SHIFT] = vmo_page_locked(vmo, offset)->paddr;
    }
    if (offset != first)
        entered = enter_run(mapping, va, paddrs, (offset - first) >> PAGE_SHIFT, perms);
    while (entered != ZX_OK && offset != first) {
        offset -= PAGE_SIZE;
        vmo_unmake_page_locked(vmo, offset, NULL);
    }
    *next = va + (offset - first);
    return entered != ZX_OK ? entered : made;
}

/* Enters pages from va on, at least one, up to *next; [base, end) is within the VMO and has one permission,
   which suffices. */
static zx_status_t resolve_run_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t base,
                                          zx_vaddr_t end, uint32_t perms, bool write, zx_vaddr_t *next)
{
    struct vm_vmo *vmo = mapping->vmo;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    zx_paddr_t paddrs[RUN_PAGES];
    bool shared;
    if (vmo->kind != VMO_PAGED) {
        struct page_table_entry entry;
        zx_status_t status = enter_frames_vmo_locked(mapping, va, base, end, perms);
        *next = run_end(va, va + FAULT_PAGES * PAGE_SIZE);
        if (status == ZX_OK && page_table_query(&mapping->region.aspace->table, va, &entry) == ZX_OK &&
            entry.size > PAGE_SIZE)
            *next = entry.va + entry.size;
        return status;
    }
    const struct vm_page *page = vmo_page_locked(vmo, offset);
    if (page == NULL && !write)
        return enter_zero_run_vmo_locked(mapping, va, end, perms, next);
    if (page == NULL && mapping_tree_first(&vmo->mappings, offset, offset + PAGE_SIZE, true) == NULL)
        return make_run_vmo_locked(mapping, va, end, perms, next);
    if (write && (page == NULL || page_is_shared(page))) {
        *next = va + PAGE_SIZE;
        return make_page_vmo_locked(mapping, va, va + PAGE_SIZE, perms);
    }
    if (mapping_has_large_vmo_locked(mapping, va, page->paddr, base, end)) {
        *next = (va | (VM_LARGE_SIZE - 1)) + 1;
        return enter_large_vmo_locked(mapping, va, page->paddr, perms);
    }
    size_t count = mapping_gather_vmo_locked(mapping, va, run_end(va, end), RUN_PAGES, paddrs, &shared);
    *next = va + count * PAGE_SIZE;
    return enter_run(mapping, va, paddrs, count, shared ? perms & ~ARCH_MMU_WRITE : perms);
}

/* Enters [va, end), of a part [base, part_end) of a mapping with one permission, which suffices. */
static zx_status_t resolve_part_vmo_locked(struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                                           zx_vaddr_t base, zx_vaddr_t part_end, uint32_t perms, bool write)
{
    uint64_t vmo_end = mapping_vmo_end_locked(mapping);
    uint64_t shown = vmo_end > mapping->vmo_offset ? vmo_end - mapping->vmo_offset : 0;
    zx_vaddr_t limit = end;
    zx_status_t status = ZX_OK;
    if (limit - mapping->region.base > shown)
        limit = mapping->region.base + shown;
    bool frames = mapping->vmo->kind != VMO_PAGED;
    while (va < limit && status == ZX_OK)
        status = resolve_run_vmo_locked(mapping, va, base, frames ? part_end : limit, perms, write, &va);
    return status == ZX_OK && limit < end ? ZX_ERR_OUT_OF_RANGE : status;
}

/* Which permissions a fault finds at va, and the part [*base, *end) of the mapping that has them. */
static zx_status_t find_part_locked(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags,
                                    struct vm_mapping **mapping, uint32_t *perms, zx_vaddr_t *base,
                                    zx_vaddr_t *end)
{
    *mapping = aspace_mapping_at_locked(aspace, va);
    if (*mapping == NULL)
        return ZX_ERR_NOT_FOUND;
    *perms = protection_range(*mapping, va, base, end);
    return is_allowed(aspace, *perms, flags) ? ZX_OK : ZX_ERR_ACCESS_DENIED;
}

/* The pages of [*va, last]; *va moves behind what was entered. */
static zx_status_t fault_range_locked(struct vm_aspace *aspace, zx_vaddr_t *va, zx_vaddr_t last,
                                      uint32_t flags)
{
    while (*va <= last) {
        struct vm_mapping *mapping;
        uint32_t perms;
        zx_vaddr_t base, part_end;
        zx_status_t status = find_part_locked(aspace, *va, flags, &mapping, &perms, &base, &part_end);
        if (status != ZX_OK)
            return status;
        zx_vaddr_t end = part_end - 1 < last ? part_end : round_down_page(last) + PAGE_SIZE;
        port_mutex_lock(&mapping->vmo->lock);
        status = resolve_part_vmo_locked(mapping, *va, end, base, part_end, perms,
                                         (flags & VM_PF_FLAG_WRITE) != 0);
        port_mutex_unlock(&mapping->vmo->lock);
        if (status != ZX_OK)
            return status;
        *va = end;
    }
    return ZX_OK;
}

zx_status_t vm_aspace_soft_fault_in_range(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags, size_t len)
{
    zx_status_t status = ZX_OK;
    if (len == 0)
        return ZX_ERR_INVALID_ARGS;
    if (va + len < va)
        return ZX_ERR_OUT_OF_RANGE;
    zx_vaddr_t last = va + (len - 1);
    for (va = round_down_page(va); va <= last && status == ZX_OK;) {
        zx_vaddr_t stop = last;
        struct vm_aspace *part = aspace_at(aspace, va);
        if (part == NULL)
            return ZX_ERR_NOT_FOUND;
        if (part != aspace && part == aspace->parts[0] && last >= aspace->parts[1]->base)
            stop = aspace->parts[1]->base - 1;
        port_mutex_lock(&part->lock);
        status = fault_range_locked(part, &va, stop, flags | VM_PF_FLAG_SW_FAULT);
        port_mutex_unlock(&part->lock);
    }
    return status;
}

/* ---- Single faults ---- */

static zx_status_t fault_locked(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags)
{
    struct vm_mapping *mapping;
    uint32_t perms;
    zx_vaddr_t base, end;
    zx_status_t status = find_part_locked(aspace, va, flags, &mapping, &perms, &base, &end);
    if (status != ZX_OK)
        return status;
    port_mutex_lock(&mapping->vmo->lock);
    status = resolve_vmo_locked(mapping, round_down_page(va), base, end, perms, needed_by(flags));
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
