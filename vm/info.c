/* SPDX-License-Identifier: MIT */
/*
 * info.c: what can be learned of VMOs, processes, address spaces and the machine: the substance of zx_object_get_info.
 *
 * Sharing. How many address spaces map a VMO is found by looking at its mappings and counting the different spaces
 * among them. Each count has a number, its stamp, which it leaves on the spaces that it has seen: so it is exact,
 * whatever the number of spaces, and needs no memory.
 *
 * Usage. How many spaces show a page changes only where mappings of its VMO begin or end. So all mappings of a VMO
 * are counted in one sweep over these edges, in order: it knows how many mappings of each space show the place
 * where it is, how many spaces that makes, and the sums of private and shared pages below it. What such a sum grows
 * by from a mapping's beginning to its end is that mapping's figures, which stay with it (vm_mapping.usage) until
 * the VMO's mappings or pages change. The beginnings are in order in the VMO's tree; the ends are put in order by
 * merging lists that run through the mappings. A mapping of a slice ends where the slice does.
 *
 * The walk over a space, for PROCESS_MAPS, stops after every few records, so that they can be copied to a
 * caller with no lock held. It goes down and, by the parents, up: no recursion. Between two steps it holds
 * a reference to the VMAR that it is in, so that going on costs nothing; where that VMAR died meanwhile,
 * the place is found again from the root. The order of the records is by address, then by depth, and a
 * place is such a pair: everything before it has been told.
 *
 * A mapping whose parts differ in permission is told part by part.
 *
 * Invariants (vmo_usage_check). Where vmo->usage_known, the figures of its mappings are what a sweep says.
 *
 * Locking. The aspace's lock, the VMO's within, for stamps the machine's within that.
 *
 * Cost. Records: O(log siblings) each, whatever the mapping shows. A sweep: O(m log m) for the m mappings of the VMO,
 * and a count of pages (page_list_count_below) at each edge; never the pages. Statistics of a space: its mappings, and
 * a sweep of each VMO where anything changed since the last one; at worst, where others change it all the time, a
 * sweep for each mapping. That may be so much that no lock is held throughout, and what others change meanwhile may
 * be counted or not. A single sweep is not interrupted; nor is any other operation on all mappings of a VMO.
 */
#include <vm/mem.h>

#include "internal.h"
#include "region_walk.h"

/* ---- Sharing ---- */

/* How many spaces have mappings of `source`, of which `vmo` has the pages, and how many mappings these are, whether or
   not they show anything: they may lie past its end. */
static size_t count_spaces_locked(const struct vm_vmo *vmo, const struct vm_vmo *source, size_t *mappings)
{
    size_t spaces = 0;
    *mappings = 0;
    port_mutex_lock(&vm_machine->lock);
    uint64_t stamp = ++vm_machine->count_stamp;
    for (const struct vm_mapping *mapping =
             mapping_tree_first(&vmo->mappings, source->window, UINT64_MAX, false);
         mapping != NULL; mapping = mapping_tree_next(mapping, source->window, UINT64_MAX, false)) {
        if (mapping->source != source)
            continue;
        struct vm_aspace *aspace = mapping->region.aspace;
        spaces += aspace->count_stamp != stamp;
        aspace->count_stamp = stamp;
        ++*mappings;
    }
    port_mutex_unlock(&vm_machine->lock);
    return spaces;
}

/* ---- Usage ---- */

/* Where in the VMO it ends to show pages, as far as the VMO has any. */
static uint64_t shown_end(const struct vm_mapping *mapping)
{
    uint64_t end = mapping->vmo_offset + mapping->region.size;
    return end < mapping->vmo_limit ? end : mapping->vmo_limit;
}

static bool shows_nothing(const struct vm_mapping *mapping)
{
    return shown_end(mapping) <= mapping->vmo_offset;
}

static struct vm_mapping *merge_by_end(struct vm_mapping *left, struct vm_mapping *right)
{
    struct vm_mapping *first, **link = &first;
    while (left != NULL && right != NULL) {
        struct vm_mapping **lower = shown_end(left) <= shown_end(right) ? &left : &right;
        *link = *lower;
        link = &(*lower)->next_end;
        *lower = *link;
    }
    *link = left != NULL ? left : right;
    return first;
}

/* So many mappings, as a power of two, that no machine has them. */
#define RUNS_MAX 40

/* The mappings of the VMO that show anything, by where they end; the figures of all are wiped. runs[i] is null or has
   2^i of them, in order. */
static struct vm_mapping *sort_by_end_locked(const struct vm_vmo *vmo, size_t *count)
{
    struct vm_mapping *runs[RUNS_MAX] = {NULL}, *all = NULL;
    *count = 0;
    for (struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, 0, UINT64_MAX, false);
         mapping != NULL; mapping = mapping_tree_next(mapping, 0, UINT64_MAX, false)) {
        struct vm_mapping *run = mapping;
        unsigned i = 0;
        ++*count;
        mapping->usage = (struct mapping_usage){0};
        mapping->next_end = NULL;
        if (shows_nothing(mapping))
            continue;
        for (; runs[i] != NULL; i++) {
            run = merge_by_end(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < RUNS_MAX; i++)
        all = merge_by_end(runs[i], all);
    return all;
}

/* A sweep over the offsets of a VMO. */
struct sweep {
    const struct vm_vmo *vmo;
    uint64_t stamp;           /* on the spaces that it has met */
    uint64_t offset, below;   /* where it is; how many pages the VMO has below */
    size_t spaces;            /* that show what is there */
    struct mapping_usage sum; /* of what is below, each page once */
};

static void sweep_to(struct sweep *sweep, uint64_t offset)
{
    if (offset <= sweep->offset)
        return;
    uint64_t below = page_list_count_below(&sweep->vmo->pages, offset >> PAGE_SHIFT);
    uint64_t pages = below - sweep->below;
    if (sweep->spaces == 1)
        sweep->sum.private_pages += pages;
    if (sweep->spaces > 1) {
        sweep->sum.shared_pages += pages;
        sweep->sum.scaled_shared_bytes += pages * (PAGE_SIZE / sweep->spaces);
    }
    sweep->offset = offset;
    sweep->below = below;
}

static void sweep_begin(struct sweep *sweep, struct vm_mapping *mapping)
{
    struct vm_aspace *aspace = mapping->region.aspace;
    sweep_to(sweep, mapping->vmo_offset);
    if (aspace->count_stamp != sweep->stamp)
        aspace->count_showing = 0;
    aspace->count_stamp = sweep->stamp;
    sweep->spaces += aspace->count_showing++ == 0;
    mapping->usage = sweep->sum;
}

static void sweep_end(struct sweep *sweep, struct vm_mapping *mapping)
{
    struct mapping_usage *usage = &mapping->usage;
    sweep_to(sweep, shown_end(mapping));
    sweep->spaces -= --mapping->region.aspace->count_showing == 0;
    usage->private_pages = sweep->sum.private_pages - usage->private_pages;
    usage->shared_pages = sweep->sum.shared_pages - usage->shared_pages;
    usage->scaled_shared_bytes = sweep->sum.scaled_shared_bytes - usage->scaled_shared_bytes;
}

/* Finds the figures of all mappings, of what they show from offset `from` on; how many there are. The machine's lock
   is held too. */
static size_t sweep_locked(struct vm_vmo *vmo, uint64_t from)
{
    size_t count;
    struct vm_mapping *ending = sort_by_end_locked(vmo, &count);
    struct vm_mapping *beginning = mapping_tree_first(&vmo->mappings, 0, UINT64_MAX, false);
    struct sweep sweep = {.vmo = vmo, .stamp = ++vm_machine->count_stamp, .offset = from};
    sweep.below = page_list_count_below(&vmo->pages, from >> PAGE_SHIFT);
    while (ending != NULL) {
        if (beginning == NULL || beginning->vmo_offset >= shown_end(ending)) {
            sweep_end(&sweep, ending);
            ending = ending->next_end;
            continue;
        }
        if (!shows_nothing(beginning))
            sweep_begin(&sweep, beginning);
        beginning = mapping_tree_next(beginning, 0, UINT64_MAX, false);
    }
    return count;
}

static size_t count_usage_locked(struct vm_vmo *vmo, uint64_t from)
{
    port_mutex_lock(&vm_machine->lock);
    size_t count = sweep_locked(vmo, from);
    port_mutex_unlock(&vm_machine->lock);
    vmo->usage_known = from == 0;
    return count;
}

/* All figures of its mappings as one number. */
static uint64_t usage_digest(const struct vm_vmo *vmo)
{
    uint64_t digest = 0;
    for (const struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, 0, UINT64_MAX, false);
         mapping != NULL; mapping = mapping_tree_next(mapping, 0, UINT64_MAX, false)) {
        const struct mapping_usage *usage = &mapping->usage;
        digest = (digest ^ usage->private_pages) * 0x9e3779b97f4a7c15;
        digest = (digest ^ usage->shared_pages) * 0x9e3779b97f4a7c15;
        digest = (digest ^ usage->scaled_shared_bytes) * 0x9e3779b97f4a7c15;
    }
    return digest;
}

bool vmo_usage_check(struct vm_vmo *vmo)
{
    if (!vmo->usage_known)
        return true;
    uint64_t digest = usage_digest(vmo);
    (void)sweep_locked(vmo, 0);
    return usage_digest(vmo) == digest;
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
    out->share_count = count_spaces_locked(target, vmo, &out->num_mappings);
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

/* Mappings looked at before others may run. */
#define STATS_STEPS 4096

/* Adds what the mapping shows from va on; how many mappings were looked at. It is counted from its beginning but where
   it was put together with what had been counted before. */
static size_t add_mapping(const struct vm_mapping *mapping, zx_vaddr_t va, zx_info_task_stats_t *stats)
{
    struct vm_vmo *vmo = mapping->vmo;
    uint64_t counted = va - mapping->region.base;
    size_t steps = 1;
    port_mutex_lock(&vmo->lock);
    if (counted != 0)
        steps += count_usage_locked(vmo, mapping->vmo_offset + counted);
    else if (!vmo->usage_known)
        steps += count_usage_locked(vmo, 0);
    stats->mem_private_bytes += mapping->usage.private_pages << PAGE_SHIFT;
    stats->mem_shared_bytes += mapping->usage.shared_pages << PAGE_SHIFT;
    stats->mem_scaled_shared_bytes += mapping->usage.scaled_shared_bytes;
    port_mutex_unlock(&vmo->lock);
    stats->mem_mapped_bytes += mapping->region.size - counted;
    return steps;
}

/* Adds what lies from *va on, for so many steps. False: that is all. */
static bool add_mappings_locked(struct vm_vmar *root, zx_vaddr_t *va, zx_info_task_stats_t *stats)
{
    struct region_walk walk;
    region_walk_start(&walk, root);
    for (size_t steps = 0; steps < STATS_STEPS;) {
        if (walk.va < *va)
            walk.va = *va;
        struct vm_region *region = region_walk_next(&walk);
        if (region == NULL)
            return false;
        if (region->kind != VM_REGION_MAPPING)
            continue;
        steps += add_mapping(mapping_of(region), region->base > *va ? region->base : *va, stats);
        *va = region_end(region);
    }
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
