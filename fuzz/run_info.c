/* SPDX-License-Identifier: MIT */
/*
 * run_info.c: judges what zx_object_get_info tells of VMOs, of the memory of processes and of their maps.
 *
 * Only what the specification determines is compared and goes into the record. How mappings are cut into
 * records where neighbours may have merged, and which pages have memory, is held within its limits and stays
 * out of the digest.
 *
 * Locking: none; one run at a time. Cost: linear in the model for each record.
 */
#include <vm/mem.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/object.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

static void expect(struct run *run, const char *what, uint64_t want, uint64_t got)
{
    if (want != got)
        run_broken(run, "%s: expected 0x%llx, got 0x%llx", what, (unsigned long long)want,
                   (unsigned long long)got);
}

static void expect_within(struct run *run, const char *what, uint64_t least, uint64_t most, uint64_t got)
{
    if (got < least || got > most)
        run_broken(run, "%s: expected 0x%llx to 0x%llx, got 0x%llx", what, (unsigned long long)least,
                   (unsigned long long)most, (unsigned long long)got);
}

static void expect_koid(struct run *run, zx_koid_t *known, zx_koid_t got)
{
    if (*known == 0)
        *known = got;
    expect(run, "koid", *known, got);
}

static void expect_name(struct run *run, const char *want, const char *got)
{
    if (memcmp(want, got, ZX_MAX_NAME_LEN) != 0)
        run_broken(run, "expected the name \"%.31s\", got \"%.31s\"", want, got);
}

/* ---- HANDLE_COUNT, VMO, TASK_STATS ---- */

static void check_handle_count(struct run *run, int32_t handle, const zx_info_handle_count_t *info)
{
    const struct model_handle *asked = &run->model.handles[handle];
    uint64_t count = 0;

    for (int32_t i = 0; i < run->model.handle_count; i++) {
        const struct model_handle *h = &run->model.handles[i];
        count += h->open && h->type == asked->type && h->object == asked->object;
    }
    expect(run, "handles", count, info->handle_count);
    run_result(run, info->handle_count);
}

/* The model knows which VMOs there still are. */
static void check_family(struct run *run, int32_t object, const zx_info_vmo_t *info)
{
    const int32_t parent = model_parent(&run->model, object);
    uint64_t children = 0;

    for (int32_t i = object + 1; i < run->model.vmo_count; i++)
        children += run->model.vmos[i].living && model_parent(&run->model, i) == object;
    if (parent == MODEL_NONE)
        expect(run, "parent", 0, info->parent_koid);
    else
        expect_koid(run, &run->model.vmos[parent].koid, info->parent_koid);
    expect(run, "children", children, info->num_children);
}

/* What the VMOs with a handle say to have, summed up; they are marked as asked. */
static uint64_t ask_all(struct run *run)
{
    struct model *const model = &run->model;
    zx_info_vmo_t info;
    uint64_t bytes = 0;

    for (int32_t i = 0; i < model->vmo_count; i++)
        model->vmos[i].asked = false;
    for (int32_t i = 0; i < model->handle_count; i++) {
        const struct model_handle *h = &model->handles[i];
        if (!h->open || h->type != TRACE_TYPE_VMO || model->vmos[h->object].asked)
            continue;
        trace_host_set_process(run->processes[h->process]);
        if (zx_object_get_info(h->value, ZX_INFO_VMO, &info, sizeof info, NULL, NULL) != ZX_OK)
            run_broken(run, "a VMO tells nothing of itself");
        model->vmos[h->object].asked = true;
        bytes += info.committed_bytes;
    }
    trace_host_set_process(run->processes[run->current]);
    return bytes;
}

/* A page that several VMOs hold is counted in one of them. Which one is not told; but it is one of those asked
   where all that hold the page were. */
static void check_committed(struct run *run, zx_handle_t handle)
{
    const struct model *const model = &run->model;
    const uint64_t bytes = ask_all(run), least = model_contents_of_asked(&run->model) * PAGE;
    zx_info_kmem_stats_t memory;
    bool all = true;

    if (zx_object_get_info(handle, ZX_INFO_KMEM_STATS, &memory, sizeof memory, NULL, NULL) != ZX_OK) {
        memory.vmo_bytes = (run->stats.pages_total - run->stats.pages_free) * PAGE;
        all = false;
    }
    for (int32_t i = 0; i < model->vmo_count; i++)
        all = all && (!model->vmos[i].living || model->vmos[i].asked || model->vmos[i].target != MODEL_NONE);
    expect_within(run, "committed bytes of all VMOs", all ? memory.vmo_bytes : least, memory.vmo_bytes,
                  bytes);
    expect_within(run, "committed bytes of all VMOs", least, memory.vmo_bytes, bytes);
}

static void check_vmo(struct run *run, int32_t handle, const zx_info_vmo_t *info)
{
    const struct model_handle *h = &run->model.handles[handle];
    struct model_vmo *vmo = &run->model.vmos[h->object];
    const bool slice = vmo->target != MODEL_NONE;
    const struct model_vmo *shown = model_shown(&run->model, h->object);
    uint64_t pieces = 0, own = 0, spaces = 0;
    uint32_t shares = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        if (run->model.pieces[i].vmo != h->object)
            continue;
        pieces++;
        spaces |= 1ull << run->model.pieces[i].space;
    }
    for (; spaces != 0; spaces &= spaces - 1)
        shares++;
    model_collect(&run->model);
    for (int32_t page = vmo->first_page; page != MODEL_NONE; page = run->model.pages[page].next)
        own += run->model.contents[run->model.pages[page].content].holders == 1;
    expect_koid(run, &vmo->koid, info->koid);
    expect_name(run, vmo->name, info->name);
    expect(run, "size", vmo->size, info->size_bytes);
    check_family(run, h->object, info);
    expect_within(run, "mappings", shares, pieces, info->num_mappings);
    expect(run, "address spaces", shares, info->share_count);
    expect(run, "flags",
           (shown->physical ? ZX_INFO_VMO_TYPE_PHYSICAL : ZX_INFO_VMO_TYPE_PAGED) | ZX_INFO_VMO_VIA_HANDLE |
               (vmo->resizable ? ZX_INFO_VMO_RESIZABLE : 0) | (vmo->snapshot ? ZX_INFO_VMO_IS_COW_CLONE : 0) |
               (shown->contiguous ? ZX_INFO_VMO_CONTIGUOUS : 0),
           info->flags);
    expect_within(run, "committed bytes", vmo->contiguous ? vmo->size : own * PAGE,
                  slice || vmo->physical ? 0 : vmo->size, info->committed_bytes);
    check_committed(run, h->value);
    expect(run, "rights", h->rights, info->handle_rights);
    expect(run, "cache policy", shown->cache_policy, info->cache_policy);
    run_result(run, info->koid);
    run_result(run, info->size_bytes);
    run_result(run, info->share_count);
    run_result(run, info->flags);
}

static bool is_space_of(const struct run *run, uint8_t space, int32_t process)
{
    const struct model_process *const p = &run->model.processes[process];

    return space == p->spaces[0] || space == p->spaces[1];
}

static uint64_t mapped_bytes(const struct run *run, int32_t process)
{
    uint64_t bytes = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        bytes += is_space_of(run, piece->space, process) ? piece->end - piece->base : 0;
    }
    return bytes;
}

/* What others that share the space have as well is not private. */
static uint64_t unshared_bytes(const struct run *run, int32_t process)
{
    const int32_t *const spaces = run->model.processes[process].spaces;
    uint64_t bytes = mapped_bytes(run, process);

    if (spaces[1] == MODEL_NONE || run->model.spaces[spaces[1]].sharers < 2)
        return bytes;
    for (int32_t i = 0; i < run->model.piece_count; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        bytes -= piece->space == spaces[1] ? piece->end - piece->base : 0;
    }
    return bytes;
}

static void check_task_stats(struct run *run, int32_t handle, const zx_info_task_stats_t *info)
{
    const int32_t process = run->model.handles[handle].object;
    const uint64_t mapped = mapped_bytes(run, process);

    expect(run, "mapped bytes", mapped, info->mem_mapped_bytes);
    expect_within(run, "private bytes", 0, unshared_bytes(run, process), info->mem_private_bytes);
    expect_within(run, "shared bytes", 0, mapped - info->mem_private_bytes, info->mem_shared_bytes);
    expect_within(run, "scaled shared bytes", info->mem_shared_bytes / (MODEL_SPACES * TRACE_PROCESSES),
                  info->mem_shared_bytes / 2, info->mem_scaled_shared_bytes);
    run_result(run, info->mem_mapped_bytes);
}

/* ---- KMEM_STATS ---- */

/* How the core divides its memory is its own affair; what is known is what is left, and that nothing is counted
   twice or not at all. */
static void check_memory(struct run *run, const zx_info_kmem_stats_t *info)
{
    const struct vm_stats *stats = &run->stats;
    const uint64_t used = info->wired_bytes + info->total_heap_bytes + info->vmo_bytes +
                          info->mmu_overhead_bytes + info->ipc_bytes + info->other_bytes;

    expect(run, "bytes of memory", stats->pages_total * PAGE, info->total_bytes);
    expect(run, "free bytes", stats->pages_free * PAGE, info->free_bytes);
    expect(run, "bytes in use", info->total_bytes - info->free_bytes, used);
    expect(run, "bytes of page tables", stats->page_tables * PAGE, info->mmu_overhead_bytes);
    expect_within(run, "free bytes of the heap", 0, info->total_heap_bytes, info->free_heap_bytes);
    expect(run, "bytes of messages", 0, info->ipc_bytes);
    run_result(run, info->total_bytes);
}

/* ---- PROCESS_MAPS ---- */

static uint64_t depth_of(const struct run *run, int32_t vmar)
{
    uint64_t depth = 1;

    while ((vmar = run->model.vmars[vmar].parent) != MODEL_NONE)
        depth++;
    return depth;
}

static void check_vmar_record(struct run *run, int32_t process, const zx_info_maps_t *record)
{
    static const char no_name[ZX_MAX_NAME_LEN];

    expect_name(run, no_name, record->name);
    for (int32_t i = 0; i < run->model.vmar_count; i++) {
        const struct model_vmar *v = &run->model.vmars[i];
        if (v->alive && is_space_of(run, v->space, process) && v->base == record->base &&
            v->size == record->size && depth_of(run, i) == record->depth)
            return;
    }
    run_broken(run, "no VMAR is at 0x%llx, 0x%llx bytes, depth %llu", (unsigned long long)record->base,
               (unsigned long long)record->size, (unsigned long long)record->depth);
}

static void check_mapping_record(struct run *run, uint8_t process, const zx_info_maps_t *record)
{
    const zx_info_maps_mapping_t *mapping = &record->u.mapping;

    expect_within(run, "committed pages", 0, record->size / PAGE, mapping->committed_pages);
    for (zx_vaddr_t at = record->base; at < record->base + record->size && !run->broken;) {
        const int32_t i = model_piece_at(&run->model, model_space_at(&run->model, process, at), at);
        if (i == MODEL_NONE) {
            run_broken(run, "nothing is mapped at 0x%llx", (unsigned long long)at);
            return;
        }
        const struct model_piece *piece = &run->model.pieces[i];
        struct model_vmo *vmo = &run->model.vmos[piece->vmo];
        expect_koid(run, &vmo->koid, mapping->vmo_koid);
        expect_name(run, vmo->name, record->name);
        expect(run, "permissions", piece->perms, mapping->mmu_flags);
        expect(run, "VMO offset", piece->vmo_offset + (at - piece->base),
               mapping->vmo_offset + (at - record->base));
        expect(run, "depth", depth_of(run, piece->vmar) + 1, record->depth);
        at = piece->end;
    }
}

static void check_maps(struct run *run, int32_t handle, const zx_info_maps_t *records, size_t count,
                       size_t avail)
{
    const uint8_t process = (uint8_t)run->model.handles[handle].object;
    const struct model_process *const p = &run->model.processes[process];
    const struct model_vmar *root = &run->model.vmars[p->root];
    uint64_t vmars = 0, want_vmars = 0, bytes = 0;
    unsigned spaces = 0, want_spaces = (p->spaces[0] != MODEL_NONE) + (p->spaces[1] != MODEL_NONE);
    zx_vaddr_t at = root->base;

    for (size_t i = 0; i < count && !run->broken; i++) {
        const zx_info_maps_t *record = &records[i];
        /* The shared space comes behind its own. */
        if (spaces == 1 && want_spaces == 2 && record->type == ZX_INFO_MAPS_TYPE_ASPACE)
            root = &run->model.vmars[run->model.spaces[p->spaces[1]].root];
        expect_within(run, "base", at, root->base + root->size - 1, record->base);
        at = record->base;
        if (i == 0 || record->type == ZX_INFO_MAPS_TYPE_ASPACE) {
            expect(run, "type", ZX_INFO_MAPS_TYPE_ASPACE, record->type);
            expect(run, "depth", 0, record->depth);
            expect(run, "base", root->base, record->base);
            expect(run, "size", root->size, record->size);
            spaces++;
        } else if (record->type == ZX_INFO_MAPS_TYPE_VMAR) {
            check_vmar_record(run, process, record);
            vmars++;
        } else {
            expect(run, "type", ZX_INFO_MAPS_TYPE_MAPPING, record->type);
            check_mapping_record(run, process, record);
            bytes += record->size;
            at += record->size;
        }
    }
    if (count < avail)
        return;
    for (int32_t i = 0; i < run->model.vmar_count; i++)
        want_vmars += run->model.vmars[i].alive && is_space_of(run, run->model.vmars[i].space, process);
    expect(run, "address spaces", want_spaces, spaces);
    expect(run, "VMARs", want_vmars, vmars);
    expect(run, "mapped bytes", mapped_bytes(run, process), bytes);
    run_result(run, vmars);
    run_result(run, bytes);
}

void run_check_info(struct run *run, int32_t handle, uint32_t topic, size_t count, size_t avail)
{
    const void *const records = run->buffer;

    switch (topic) {
    case ZX_INFO_HANDLE_COUNT:
        check_handle_count(run, handle, records);
        break;
    case ZX_INFO_VMO:
        check_vmo(run, handle, records);
        break;
    case ZX_INFO_KMEM_STATS:
        check_memory(run, records);
        break;
    case ZX_INFO_TASK_STATS:
        check_task_stats(run, handle, records);
        break;
    default:
        check_maps(run, handle, records, count, avail);
        break;
    }
}
