/* SPDX-License-Identifier: MIT */
/*
 * info.c: what can be learned of VMOs, processes, address spaces and the machine: the substance of zx_object_get_info.
 *
 * Sharing. How many address spaces map a page is found by looking at the mappings that show it, or at all
 * mappings of a VMO, and counting the different spaces among them. Each count has a number, its stamp, which it
 * leaves on the spaces that it has seen: so it is exact, whatever the number of spaces, and needs no memory.
 *
 * The walk over a space, for PROCESS_MAPS, stops after every few records, so that they can be copied to a
 * caller with no lock held. It goes down and, by the parents, up: no recursion. Between two steps it holds
 * a reference to the VMAR that it is in, so that going on costs nothing; where that VMAR died meanwhile,
 * the place is found again from the root. The order of the records is by address, then by depth, and a
 * place is such a pair: everything before it has been told.
 *
 * A mapping whose parts differ in permission is told part by part.
 *
 * Locking. The aspace's lock, the VMO's within, for stamps the machine's within that. Cost. Records: O(log siblings) each, and the pages of the
 * mapping. Statistics of a space: its pages, for each a search among the mappings of its VMO:
 * so much where they are many that no lock is held throughout, and what others change meanwhile may be counted or not.
 */
#include <vm/mem.h>

#include "internal.h"
#include "region_walk.h"

/* ---- Sharing ---- */

/* How many spaces, and mappings, show some of [offset, end). `source`: only mappings of this one; null: of any. */
static size_t count_spaces_locked(const struct vm_vmo *vmo, uint64_t offset, uint64_t end,
                                  const struct vm_vmo *source, size_t *mappings)
{
    size_t spaces = 0;
    *mappings = 0;
    port_mutex_lock(&vm_machine->lock);
    uint64_t stamp = ++vm_machine->count_stamp;
    for (const struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, offset, end, false);
         mapping != NULL; mapping = mapping_tree_next(mapping, offset, end, false)) {
        if (source != NULL && mapping->source != source)
            continue;
        struct vm_aspace *aspace = mapping->region.aspace;
        spaces += aspace->count_stamp != stamp;
        aspace->count_stamp = stamp;
        ++*mappings;
    }
    port_mutex_unlock(&vm_machine->lock);
    return spaces;
}

/* ---- VMOs ---- */

void vmo_info(struct vm_vmo *vmo, zx_rights_t rights, zx_info_vmo_t *out)
{
    struct vm_vmo *target = vmo->target;
    memset(out, 0, sizeof(*out));
    out->koid = vmo->object.koid;
    out->handle_rights = rights;
    out->flags = ZX_INFO_VMO_VIA_HANDLE;
    if (target->kind != VMO_PHYSICAL)
        out->flags |= ZX_INFO_VMO_TYPE_PAGED;
    if (target->kind == VMO_CONTIGUOUS)
        out->flags |= ZX_INFO_VMO_CONTIGUOUS;
    if (vmo->resizable)
        out->flags |= ZX_INFO_VMO_RESIZABLE;
    if (vmo->is_snapshot)
        out->flags |= ZX_INFO_VMO_IS_COW_CLONE;
    vmo_family(vmo, &out->parent_koid, &out->num_children);
    port_mutex_lock(&vmo->lock);
    memcpy(out->name, vmo->name, sizeof(out->name));
    out->size_bytes = vmo->size;
    out->committed_bytes = vmo_counted_pages_locked(vmo) << PAGE_SHIFT;
    port_mutex_unlock(&vmo->lock);
    port_mutex_lock(&target->lock);
    out->cache_policy = target->cache_policy;
    out->share_count = count_spaces_locked(target, vmo->window, UINT64_MAX, vmo, &out->num_mappings);
    port_mutex_unlock(&target->lock);
}

/* ---- Processes ---- */

void process_info(struct vm_process *process, zx_info_process_t *out)
{
    memset(out, 0, sizeof(*out));
    port_mutex_lock(&vm_machine->handle_lock);
    out->return_code = process->return_code;
    out->start_time = process->start_time;
    out->flags = (process->started != 0 ? ZX_INFO_PROCESS_FLAG_STARTED : 0) |
                 (process->dead ? ZX_INFO_PROCESS_FLAG_EXITED : 0);
    port_mutex_unlock(&vm_machine->handle_lock);
}

/* ---- Address spaces ---- */

/* Pages and mappings looked at before others may run. */
#define STATS_STEPS 4096

/* Adds the pages that the mapping shows from va on, while there are steps; how far it came. */
static zx_vaddr_t add_pages(const struct vm_mapping *mapping, zx_vaddr_t va, size_t *steps,
                            zx_info_task_stats_t *stats)
{
    struct vm_vmo *vmo = mapping->vmo;
    zx_vaddr_t stop = mapping->region.base + mapping->region.size;
    uint64_t end = mapping->vmo_offset + mapping->region.size;
    size_t mappings;
    port_mutex_lock(&vmo->lock);
    uint64_t index = (mapping->vmo_offset + (va - mapping->region.base)) >> PAGE_SHIFT;
    uint64_t limit = (end < mapping->vmo_limit ? end : mapping->vmo_limit) >> PAGE_SHIFT;
    for (; page_list_next(&vmo->pages, index, &index) != NULL && index < limit; index++) {
        uint64_t offset = index << PAGE_SHIFT;
        if (*steps == 0) {
            stop = mapping->region.base + (offset - mapping->vmo_offset);
            break;
        }
        size_t spaces = count_spaces_locked(vmo, offset, offset + PAGE_SIZE, NULL, &mappings);
        *steps -= mappings < *steps ? mappings : *steps;
        if (spaces == 1) {
            stats->mem_private_bytes += PAGE_SIZE;
        } else {
            stats->mem_shared_bytes += PAGE_SIZE;
            stats->mem_scaled_shared_bytes += PAGE_SIZE / spaces;
        }
    }
    port_mutex_unlock(&vmo->lock);
    stats->mem_mapped_bytes += stop - va;
    return stop;
}

/* Adds what lies from *va on, while there are steps. False: that is all. */
static bool add_mappings_locked(struct vm_vmar *root, zx_vaddr_t *va, zx_info_task_stats_t *stats)
{
    struct region_walk walk;
    struct vm_region *region;
    size_t steps = STATS_STEPS;
    region_walk_start(&walk, root);
    do {
        if (walk.va < *va)
            walk.va = *va;
        region = region_walk_next(&walk);
        if (region == NULL)
            return false;
        if (region->kind != VM_REGION_MAPPING)
            continue;
        *va = add_pages(mapping_of(region), region->base > *va ? region->base : *va, &steps, stats);
        steps -= steps != 0;
    } while (steps != 0);
    return true;
}

zx_status_t aspace_task_stats(struct vm_aspace *aspace, zx_info_task_stats_t *out)
{
    zx_status_t status = ZX_OK;
    zx_vaddr_t va = 0;
    bool more = true;
    memset(out, 0, sizeof(*out));
    while (status == ZX_OK && more) {
        port_mutex_lock(&aspace->lock);
        status = aspace->root != NULL ? ZX_OK : ZX_ERR_BAD_STATE;
        more = status == ZX_OK && add_mappings_locked(aspace->root, &va, out);
        port_mutex_unlock(&aspace->lock);
        status = more && !port_go_on() ? ZX_ERR_CANCELED : status;
    }
    return status;
}

zx_status_t vm_aspace_get_memory_usage(struct vm_aspace *aspace, struct vm_aspace_usage *out)
{
    struct vm_aspace_usage usage = {0};
    for (unsigned i = 0; i < aspace_part_count(aspace); i++) {
        zx_info_task_stats_t stats;
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part == NULL || aspace_task_stats(part, &stats) != ZX_OK)
            return ZX_ERR_BAD_STATE;
        usage.mapped_pages += stats.mem_mapped_bytes >> PAGE_SHIFT;
        usage.private_pages += stats.mem_private_bytes >> PAGE_SHIFT;
        usage.shared_pages += stats.mem_shared_bytes >> PAGE_SHIFT;
        usage.scaled_shared_bytes += stats.mem_scaled_shared_bytes;
    }
    *out = usage;
    return ZX_OK;
}

/* ---- The records of PROCESS_MAPS ---- */

static void record_region(zx_info_maps_t *record, zx_info_maps_type_t type, zx_vaddr_t base, size_t size,
                          size_t depth)
{
    memset(record, 0, sizeof(*record));
    record->type = type;
    record->base = base;
    record->size = size;
    record->depth = depth;
}

static void record_part(zx_info_maps_t *record, const struct vm_mapping *mapping, zx_vaddr_t va,
                        zx_vaddr_t end, uint32_t perms, size_t depth)
{
    struct vm_vmo *source = mapping->source, *vmo = mapping->vmo;
    zx_info_maps_mapping_t *out = &record->u.mapping;
    uint64_t first = mapping->vmo_offset + (va - mapping->region.base), limit = first + (end - va);
    record_region(record, ZX_INFO_MAPS_TYPE_MAPPING, va, end - va, depth);
    out->mmu_flags = perms;
    out->vmo_koid = source->object.koid;
    out->vmo_offset = first - source->window;
    port_mutex_lock(&source->lock);
    memcpy(record->name, source->name, sizeof(record->name));
    port_mutex_unlock(&source->lock);
    if (limit > mapping->vmo_limit)
        limit = mapping->vmo_limit;
    port_mutex_lock(&vmo->lock);
    out->committed_pages = vmo_count_pages_locked(vmo, first >> PAGE_SHIFT, limit >> PAGE_SHIFT);
    port_mutex_unlock(&vmo->lock);
}

/* The VMAR whose children come next, found from the root: the deepest one told so far that holds the place.
   */
static void find_place_locked(struct maps_walk *walk)
{
    struct region_entry entry;
    walk->at = walk->aspace->root;
    for (walk->at_depth = 1; region_tree_find(&walk->at->children, walk->va, &entry); walk->at_depth++) {
        struct vm_region *region = entry.value;
        bool told = entry.base < walk->va || walk->at_depth + 1 < walk->depth;
        if (region->kind != VM_REGION_VMAR || !told)
            break;
        walk->at = vmar_of(region);
    }
}

/* Tells the region that holds walk->va or follows it in walk->at, and moves on. False: there is none. */
static bool step_locked(struct maps_walk *walk, zx_info_maps_t *record)
{
    struct region_entry entry;
    if (!region_tree_find_from(&walk->at->children, walk->va, &entry))
        return false;
    struct vm_region *region = entry.value;
    size_t depth = walk->at_depth + 1;
    if (region->kind == VM_REGION_VMAR) {
        record_region(record, ZX_INFO_MAPS_TYPE_VMAR, entry.base, entry.end - entry.base, depth);
        walk->at = vmar_of(region);
        walk->at_depth = depth;
        walk->va = entry.base;
        walk->depth = depth + 1;
        return true;
    }
    zx_vaddr_t va = walk->va > entry.base ? walk->va : entry.base, base, end;
    uint32_t perms = protection_range(mapping_of(region), va, &base, &end);
    record_part(record, mapping_of(region), va, end, perms, depth);
    walk->va = end;
    walk->depth = 0;
    return true;
}

static size_t walk_locked(struct maps_walk *walk, zx_info_maps_t *records, size_t most)
{
    size_t count = 0;
    while (count < most && walk->at != NULL) {
        if (step_locked(walk, &records[count])) {
            count++;
            continue;
        }
        walk->va = walk->at->region.base + walk->at->region.size;
        walk->depth = 0;
        walk->at = walk->at->region.parent;
        walk->at_depth--;
    }
    return count;
}

/* The space itself and its root. */
static size_t first_records_locked(struct maps_walk *walk, zx_info_maps_t *records)
{
    const struct vm_aspace *aspace = walk->aspace;
    const struct vm_region *root = &aspace->root->region;
    record_region(&records[0], ZX_INFO_MAPS_TYPE_ASPACE, aspace->base, aspace->size, 0);
    memcpy(records[0].name, aspace->name, sizeof(records[0].name));
    record_region(&records[1], ZX_INFO_MAPS_TYPE_VMAR, root->base, root->size, 1);
    walk->started = true;
    walk->va = root->base;
    walk->depth = 2;
    return 2;
}

void maps_walk_start(struct maps_walk *walk, struct vm_aspace *aspace)
{
    *walk = (struct maps_walk){.aspace = aspace};
}

void maps_walk_end(struct maps_walk *walk)
{
    if (walk->at != NULL)
        vm_object_release(&walk->at->object);
    walk->at = NULL;
}

zx_status_t maps_walk_next(struct maps_walk *walk, zx_info_maps_t *records, size_t most, size_t *count)
{
    struct vm_aspace *aspace = walk->aspace;
    struct vm_vmar *held = walk->at;
    zx_status_t status = ZX_ERR_BAD_STATE;
    VM_ASSERT(most >= 2);
    port_mutex_lock(&aspace->lock);
    *count = 0;
    if (aspace->root != NULL) {
        status = ZX_OK;
        if (!walk->started)
            *count = first_records_locked(walk, records);
        if (held == NULL || !held->region.alive)
            find_place_locked(walk);
        *count += walk_locked(walk, records + *count, most - *count);
    } else {
        walk->at = NULL;
    }
    if (walk->at != NULL)
        vm_object_acquire(&walk->at->object);
    port_mutex_unlock(&aspace->lock);
    if (held != NULL)
        vm_object_release(&held->object);
    return status;
}

/* ---- The machine ---- */

void machine_kmem_stats(zx_info_kmem_stats_t *out)
{
    uint64_t heap_bytes = machine_heap_bytes();
    memset(out, 0, sizeof(*out));
    out->total_bytes = pmm_total() << PAGE_SHIFT;
    out->free_bytes = pmm_count(VM_PAGE_FREE) << PAGE_SHIFT;
    out->wired_bytes = pmm_count(VM_PAGE_WIRED) << PAGE_SHIFT;
    out->total_heap_bytes = pmm_count(VM_PAGE_HEAP) << PAGE_SHIFT;
    out->vmo_bytes = pmm_count(VM_PAGE_OBJECT) << PAGE_SHIFT;
    out->mmu_overhead_bytes = pmm_count(VM_PAGE_MMU) << PAGE_SHIFT;
    if (heap_bytes < out->total_heap_bytes)
        out->free_heap_bytes = out->total_heap_bytes - heap_bytes;
    uint64_t known =
        out->free_bytes + out->wired_bytes + out->total_heap_bytes + out->vmo_bytes + out->mmu_overhead_bytes;
    if (known < out->total_bytes)
        out->other_bytes = out->total_bytes - known;
}
