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
#include <zircon/syscalls/object.h>

#include "runner.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

static void result(struct run *run, uint64_t value)
{
    run->record.results[run->record.result_count++] = value;
}

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
    result(run, info->handle_count);
}

static void check_vmo(struct run *run, int32_t handle, const zx_info_vmo_t *info)
{
    const struct model_handle *h = &run->model.handles[handle];
    struct model_vmo *vmo = &run->model.vmos[h->object];
    uint64_t pieces = 0, written = 0;
    uint32_t spaces = 0, shares = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        if (run->model.pieces[i].vmo != h->object)
            continue;
        pieces++;
        spaces |= 1u << run->model.pieces[i].process;
    }
    for (; spaces != 0; spaces &= spaces - 1)
        shares++;
    for (int32_t page = vmo->first_page; page != MODEL_NONE; page = run->model.pages[page].next)
        written++;
    expect_koid(run, &vmo->koid, info->koid);
    expect_name(run, vmo->name, info->name);
    expect(run, "size", vmo->size, info->size_bytes);
    expect(run, "parent and children", 0, info->parent_koid + info->num_children);
    expect_within(run, "mappings", shares, pieces, info->num_mappings);
    expect(run, "address spaces", shares, info->share_count);
    expect(run, "flags",
           ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_VIA_HANDLE | (vmo->resizable ? ZX_INFO_VMO_RESIZABLE : 0),
           info->flags);
    expect_within(run, "committed bytes", written * PAGE, vmo->size, info->committed_bytes);
    expect(run, "rights", h->rights, info->handle_rights);
    expect(run, "cache policy", 0, info->cache_policy);
    result(run, info->koid);
    result(run, info->size_bytes);
    result(run, info->share_count);
    result(run, info->flags);
}

static uint64_t mapped_bytes(const struct run *run, int32_t process)
{
    uint64_t bytes = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        bytes += piece->process == process ? piece->end - piece->base : 0;
    }
    return bytes;
}

static void check_task_stats(struct run *run, int32_t handle, const zx_info_task_stats_t *info)
{
    const uint64_t mapped = mapped_bytes(run, run->model.handles[handle].object);

    expect(run, "mapped bytes", mapped, info->mem_mapped_bytes);
    expect_within(run, "private bytes", 0, mapped, info->mem_private_bytes);
    expect_within(run, "shared bytes", 0, mapped - info->mem_private_bytes, info->mem_shared_bytes);
    expect_within(run, "scaled shared bytes", info->mem_shared_bytes / TRACE_PROCESSES,
                  info->mem_shared_bytes / 2, info->mem_scaled_shared_bytes);
    result(run, info->mem_mapped_bytes);
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
        if (v->alive && v->process == process && v->base == record->base && v->size == record->size &&
            depth_of(run, i) == record->depth)
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
        const int32_t i = model_piece_at(&run->model, process, at);
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
    const struct model_vmar *root = &run->model.vmars[run->model.processes[process].root];
    uint64_t vmars = 0, want_vmars = 0, bytes = 0;
    zx_vaddr_t at = root->base;

    for (size_t i = 0; i < count && !run->broken; i++) {
        const zx_info_maps_t *record = &records[i];
        expect_within(run, "base", at, root->base + root->size - 1, record->base);
        at = record->base;
        if (i == 0) {
            expect(run, "type", ZX_INFO_MAPS_TYPE_ASPACE, record->type);
            expect(run, "depth", 0, record->depth);
            expect(run, "size", root->size, record->size);
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
        want_vmars += run->model.vmars[i].alive && run->model.vmars[i].process == process;
    expect(run, "VMARs", want_vmars, vmars);
    expect(run, "mapped bytes", mapped_bytes(run, process), bytes);
    result(run, vmars);
    result(run, bytes);
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
    case ZX_INFO_TASK_STATS:
        check_task_stats(run, handle, records);
        break;
    default:
        check_maps(run, handle, records, count, avail);
        break;
    }
}
