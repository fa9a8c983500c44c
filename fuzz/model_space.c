/* SPDX-License-Identifier: MIT */
/*
 * model_space.c: the reference model, part four: the kernel's space and those of guests, the allocators that
 * serve them, and what makes a VMO a vDSO.
 *
 * These spaces are as those of processes, but for three things: nobody has a handle to a VMAR of theirs, so
 * they have a root and nothing below it, but for the range that is set aside; places are never random; a
 * mapping is what one call has made, and goes as a whole. So each piece is one mapping.
 *
 * Locking: none, one run at a time. Cost: linear in the number of mappings, a call.
 */
#include <vm/aspace.h>
#include <vm/mem.h>

#include "model.h"

#define PAGE       ((uint64_t)ZX_PAGE_SIZE)
#define ALIGN_MOST 32
#define ADDRESSES  (1ull << 52) /* physical ones */

/* The largest size of a VMO: what a 64-bit size holds in whole groups of 64 pages. */
#define VMO_SIZE_MAX (UINT64_MAX - (64 * PAGE - 1))

static struct model_answer answer(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

/* NO_MEMORY may come instead. */
static struct model_answer with_memory(zx_status_t status, uint64_t pages)
{
    return (struct model_answer){status, true, pages};
}

static uint64_t round_up(uint64_t size)
{
    return (size + PAGE - 1) & ~(PAGE - 1);
}

/* ---- The spaces ---- */

void model_start_spaces(struct model *model)
{
    /* The last page is nobody's. */
    model_start_space(model, MODEL_SPACE_KERNEL, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE - PAGE);
    model->valloc.aside = MODEL_NONE;
}

bool model_has_space(const struct model *model, uint8_t space)
{
    return model->spaces[MODEL_SPACE_KERNEL + space].sharers > 0;
}

int32_t model_space_root(const struct model *model, uint8_t space)
{
    return model->spaces[MODEL_SPACE_KERNEL + space].root;
}

struct model_answer model_guest_create(uint64_t base, uint64_t size)
{
    const bool whole = size == 0;

    if (!whole && (base % PAGE != 0 || size % PAGE != 0 || base >= VM_GUEST_ASPACE_SIZE ||
                   size > VM_GUEST_ASPACE_SIZE - base))
        return answer(ZX_ERR_INVALID_ARGS);
    return with_memory(ZX_OK, 0);
}

void model_do_guest_create(struct model *model, uint8_t space, uint64_t base, uint64_t size)
{
    if (size == 0) {
        base = 0;
        size = VM_GUEST_ASPACE_SIZE;
    }
    model_start_space(model, MODEL_SPACE_KERNEL + space, base, size);
}

void model_do_guest_destroy(struct model *model, uint8_t space)
{
    model_do_vmar_destroy(model, model_space_root(model, space));
    model->spaces[MODEL_SPACE_KERNEL + space].sharers = 0;
}

/* ---- Allocating and freeing ---- */

static bool is_placement_valid(const struct model *model, const struct model_alloc *alloc)
{
    if (alloc->align_log2 > ALIGN_MOST)
        return false;
    if ((alloc->options & TRACE_ALLOC_SPECIFIC) == 0)
        return true;
    return !alloc->null_at && alloc->at != 0 && alloc->at % PAGE == 0 &&
           alloc->at >= model->vmars[model_space_root(model, alloc->space)].base;
}

static uint8_t perms_of(const struct model_alloc *alloc)
{
    return alloc->options >> TRACE_ALLOC_PERMS_SHIFT & (MODEL_READ | MODEL_WRITE | MODEL_EXECUTE);
}

/* What the space says to a mapping of `len` bytes, which is a multiple of a page; `vmo` may be MODEL_NONE. */
static zx_status_t check_map(const struct model *model, const struct model_alloc *alloc, int32_t vmo,
                             uint64_t len)
{
    const int32_t root = model_space_root(model, alloc->space);
    const bool specific = (alloc->options & TRACE_ALLOC_SPECIFIC) != 0;
    const uint64_t offset = specific ? alloc->at - model->vmars[root].base : 0;
    const uint32_t options = (specific ? ZX_VM_SPECIFIC : 0) | (uint32_t)alloc->align_log2
                                                                   << ZX_VM_ALIGN_BASE;
    const zx_status_t place = model_check_place(model, root, options, offset, len);

    if (place != ZX_OK || vmo == MODEL_NONE)
        return place;
    return model_vdso_refuses(model, MODEL_SPACE_KERNEL + alloc->space, vmo, alloc->offset, len,
                              perms_of(alloc))
               ? ZX_ERR_ACCESS_DENIED
               : ZX_OK;
}

static struct model_answer map_object(const struct model *model, const struct model_alloc *alloc)
{
    const zx_status_t handle = model_check_handle(model, alloc->vmo, TRACE_TYPE_VMO, 0);
    const bool commit = (alloc->options & TRACE_ALLOC_COMMIT) != 0;

    if (handle != ZX_OK)
        return answer(handle);
    if (alloc->size == 0 || alloc->offset % PAGE != 0 || !is_placement_valid(model, alloc))
        return answer(ZX_ERR_INVALID_ARGS);
    const int32_t object = model_object(model, alloc->vmo);
    const struct model_vmo *vmo = &model->vmos[object];
    const uint64_t len = round_up(alloc->size), window = vmo->target != MODEL_NONE ? vmo->window : 0;
    if (len == 0 || alloc->offset > UINT64_MAX - window || len > UINT64_MAX - (window + alloc->offset))
        return answer(ZX_ERR_OUT_OF_RANGE);
    const zx_status_t status = check_map(model, alloc, object, len);
    if (status != ZX_OK)
        return with_memory(status, 0);
    if (commit && (alloc->offset > vmo->size || len > vmo->size - alloc->offset))
        return with_memory(ZX_ERR_OUT_OF_RANGE, 0);
    return with_memory(ZX_OK, commit ? len / PAGE : 0);
}

struct model_answer model_space_alloc(const struct model *model, uint8_t code,
                                      const struct model_alloc *alloc)
{
    const bool commit = (alloc->options & TRACE_ALLOC_COMMIT) != 0;
    const uint64_t len = round_up(alloc->size);

    if (code == TRACE_SPACE_MAP_OBJECT)
        return map_object(model, alloc);
    if (code == TRACE_SPACE_ALLOC_PHYSICAL && alloc->size == 0)
        return answer(ZX_OK);
    if (alloc->size == 0 || !is_placement_valid(model, alloc) ||
        (code == TRACE_SPACE_ALLOC_CONTIGUOUS && !commit) ||
        (code == TRACE_SPACE_ALLOC_PHYSICAL && alloc->offset % PAGE != 0))
        return answer(ZX_ERR_INVALID_ARGS);
    if (code == TRACE_SPACE_ALLOC_PHYSICAL ? len == 0 : alloc->size > VMO_SIZE_MAX)
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (code == TRACE_SPACE_ALLOC_PHYSICAL && len >= ADDRESSES)
        return answer(ZX_ERR_INVALID_ARGS);
    const zx_status_t status = check_map(model, alloc, MODEL_NONE, len);
    /* However much memory is left, there may be no such run of pages. */
    return with_memory(status, code == TRACE_SPACE_ALLOC_CONTIGUOUS  ? UINT32_MAX
                               : code == TRACE_SPACE_ALLOC && commit ? len / PAGE
                                                                     : len >> 21);
}

static int32_t make_memory(struct model *model, uint8_t code, const struct model_alloc *alloc)
{
    switch (code) {
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
        return model_do_vmo_create_contiguous(model, alloc->size);
    case TRACE_SPACE_ALLOC_PHYSICAL:
        return model_do_vmo_create_physical(model, alloc->offset, round_up(alloc->size),
                                            (uint8_t)(alloc->options >> TRACE_ALLOC_CACHE_SHIFT));
    default:
        return model_do_vmo_create(model, alloc->size, 0);
    }
}

void model_do_space_alloc(struct model *model, uint8_t code, const struct model_alloc *alloc, zx_vaddr_t base)
{
    const bool object = code == TRACE_SPACE_MAP_OBJECT;
    const int32_t vmo = object ? model_object(model, alloc->vmo) : make_memory(model, code, alloc);

    model_add_piece(model, (struct model_piece){
                               .base = base,
                               .end = base + round_up(alloc->size),
                               .vmo_offset = object ? alloc->offset : 0,
                               .vmar = model_space_root(model, alloc->space),
                               .vmo = vmo,
                               .space = MODEL_SPACE_KERNEL + alloc->space,
                               .perms = perms_of(alloc),
                               .may = MODEL_READ | MODEL_WRITE | MODEL_EXECUTE,
                           });
}

struct model_answer model_space_free_region(const struct model *model, uint8_t space, zx_vaddr_t va)
{
    const int32_t piece = model_piece_at(model, MODEL_SPACE_KERNEL + space, va);

    if (space == TRACE_SPACE_KERNEL && model->valloc.aside != MODEL_NONE &&
        va - MODEL_ASIDE_BASE < MODEL_ASIDE_SIZE)
        return answer(ZX_ERR_BAD_STATE);
    if (piece == MODEL_NONE)
        return answer(ZX_ERR_NOT_FOUND);
    return answer(model->pieces[piece].vdso_code ? ZX_ERR_ACCESS_DENIED : ZX_OK);
}

void model_do_space_free_region(struct model *model, uint8_t space, zx_vaddr_t va)
{
    const int32_t piece = model_piece_at(model, MODEL_SPACE_KERNEL + space, va);

    model->pieces[piece] = model->pieces[--model->piece_count];
}

/* ---- Accesses ---- */

static uint64_t step(uint64_t va, uint64_t size)
{
    const uint64_t rest = PAGE - va % PAGE;

    return rest < size ? rest : size;
}

bool model_touches_aside(const struct model *model, uint8_t space, zx_vaddr_t va, uint64_t size)
{
    return space == TRACE_SPACE_KERNEL && model->valloc.aside != MODEL_NONE &&
           va < MODEL_ASIDE_BASE + MODEL_ASIDE_SIZE && va + size > MODEL_ASIDE_BASE;
}

static zx_status_t fault(const struct model *model, uint8_t space, zx_vaddr_t va, uint8_t perms)
{
    if (!model_touches_aside(model, space, va, 1))
        return model_fault_in(model, MODEL_SPACE_KERNEL + space, va, perms);
    if ((perms & MODEL_EXECUTE) != 0 || !model_valloc_has(model, (va - MODEL_ASIDE_BASE) / PAGE))
        return ZX_ERR_NOT_FOUND;
    return ZX_OK;
}

zx_status_t model_space_access(const struct model *model, uint8_t space, zx_vaddr_t va, uint64_t size,
                               uint8_t perms, uint64_t *done)
{
    *done = 0;
    while (*done < size) {
        const zx_status_t status = fault(model, space, va + *done, perms);
        if (status != ZX_OK)
            return status;
        *done += step(va + *done, size - *done);
    }
    return ZX_OK;
}

void model_space_bytes(const struct model *model, uint8_t space, zx_vaddr_t va, void *out, uint64_t size)
{
    uint8_t *to = out;

    for (uint64_t n; size > 0; size -= n, va += n, to += n) {
        const struct model_piece *piece =
            &model->pieces[model_piece_at(model, MODEL_SPACE_KERNEL + space, va)];
        n = step(va, size);
        model_vmo_read(model, piece->vmo, piece->vmo_offset + (va - piece->base), to, n);
    }
}

void model_do_space_bytes(struct model *model, uint8_t space, zx_vaddr_t va, const void *in, uint64_t size)
{
    const uint8_t *from = in;

    for (uint64_t n; size > 0; size -= n, va += n, from += n) {
        const struct model_piece *piece =
            &model->pieces[model_piece_at(model, MODEL_SPACE_KERNEL + space, va)];
        n = step(va, size);
        model_do_vmo_write(model, piece->vmo, piece->vmo_offset + (va - piece->base), from, n);
    }
}

/* ---- The vDSO ---- */

struct model_answer model_declare_vdso(const struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, 0);

    if (handle != ZX_OK)
        return answer(handle);
    const int32_t object = model_object(model, vmo);
    const struct model_vmo *v = &model->vmos[object];
    if (v->resizable || v->target != MODEL_NONE || v->contiguous || v->physical)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (offset % PAGE != 0 || size % PAGE != 0 || size == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (offset > v->size || size > v->size - offset)
        return answer(ZX_ERR_OUT_OF_RANGE);
    for (int32_t i = 0; i < model->piece_count; i++) {
        uint64_t unused = 0;
        if (model_shown_at(model, model->pieces[i].vmo, &unused) == object)
            return answer(ZX_ERR_BAD_STATE);
    }
    return answer(v->vdso_size != 0 ? ZX_ERR_BAD_STATE : ZX_OK);
}

void model_do_declare_vdso(struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    struct model_vmo *const v = &model->vmos[model_object(model, vmo)];

    v->vdso_offset = offset;
    v->vdso_size = size;
}
