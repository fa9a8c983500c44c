/* SPDX-License-Identifier: MIT */
/*
 * model_vmo.c: the reference model, part three: what VMOs contain, and what accesses to an address space
 * find.
 *
 * A VMO has a list of the pages that were written, in no order, each with its bytes; every other page reads
 * as zero. Whether the core has given a page memory cannot be seen from outside and is not modelled.
 */
#include <vm/mem.h>

#include "model.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

/* The largest size of a VMO: what a 64-bit size holds in whole groups of 64 pages. */
#define VMO_SIZE_MAX (UINT64_MAX - (64 * PAGE - 1))

static struct model_answer answer(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

/* ---- Pages ---- */

static uint8_t *bytes_of(const struct model *model, int32_t page)
{
    return model->page_bytes + (uint64_t)page * PAGE;
}

static int32_t find_page(const struct model *model, int32_t vmo, uint64_t number)
{
    int32_t page = model->vmos[vmo].first_page;

    while (page != MODEL_NONE && model->pages[page].number != number)
        page = model->pages[page].next;
    return page;
}

/* Gives up the pages from number `first` on, below `end`. */
static void drop_pages(struct model *model, int32_t vmo, uint64_t first, uint64_t end)
{
    int32_t *link = &model->vmos[vmo].first_page;

    while (*link != MODEL_NONE) {
        const int32_t page = *link;
        if (model->pages[page].number >= first && model->pages[page].number < end) {
            *link = model->pages[page].next;
            model->pages[page].next = model->free_page;
            model->free_page = page;
        } else {
            link = &model->pages[page].next;
        }
    }
}

void model_collect(struct model *model)
{
    for (int32_t vmo = 0; vmo < model->vmo_count; vmo++) {
        bool used = false;
        for (int32_t i = 0; i < model->handle_count && !used; i++) {
            const struct model_handle *h = &model->handles[i];
            used = h->open && h->type == TRACE_TYPE_VMO && h->object == vmo;
        }
        for (int32_t i = 0; i < model->piece_count && !used; i++)
            used = model->pieces[i].vmo == vmo;
        if (!used)
            drop_pages(model, vmo, 0, UINT64_MAX);
    }
}

/* A zeroed page for that number, which has none. MODEL_NONE when there are more than the machine itself
   could have. */
static int32_t add_page(struct model *model, int32_t vmo, uint64_t number)
{
    int32_t page;

    if (model->free_page == MODEL_NONE && model->page_count == model->page_max)
        model_collect(model);
    if (model->free_page != MODEL_NONE) {
        page = model->free_page;
        model->free_page = model->pages[page].next;
    } else if (model->page_count < model->page_max) {
        page = model->page_count++;
    } else {
        return MODEL_NONE;
    }
    memset(bytes_of(model, page), 0, PAGE);
    model->pages[page].number = number;
    model->pages[page].next = model->vmos[vmo].first_page;
    model->vmos[vmo].first_page = page;
    return page;
}

/* What is left of the page that holds `offset`, at most `size`. */
static uint64_t step(uint64_t offset, uint64_t size)
{
    const uint64_t rest = PAGE - offset % PAGE;

    return rest < size ? rest : size;
}

void model_vmo_read(const struct model *model, int32_t vmo, uint64_t offset, void *out, uint64_t size)
{
    uint8_t *to = out;

    for (uint64_t n; size > 0; size -= n, offset += n, to += n) {
        n = step(offset, size);
        const int32_t page = find_page(model, vmo, offset / PAGE);
        if (page == MODEL_NONE)
            memset(to, 0, n);
        else
            memcpy(to, bytes_of(model, page) + offset % PAGE, n);
    }
}

void model_do_vmo_write(struct model *model, int32_t vmo, uint64_t offset, const void *in, uint64_t size)
{
    const uint8_t *from = in;

    for (uint64_t n; size > 0; size -= n, offset += n, from += n) {
        n = step(offset, size);
        int32_t page = find_page(model, vmo, offset / PAGE);
        if (page == MODEL_NONE)
            page = add_page(model, vmo, offset / PAGE);
        if (page != MODEL_NONE)
            memcpy(bytes_of(model, page) + offset % PAGE, from, n);
    }
}

static void zero(struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    const uint64_t whole = (offset + PAGE - 1) / PAGE, whole_end = (offset + size) / PAGE;

    if (whole < whole_end)
        drop_pages(model, vmo, whole, whole_end);
    for (int32_t page = model->vmos[vmo].first_page; page != MODEL_NONE; page = model->pages[page].next) {
        const uint64_t base = model->pages[page].number * PAGE;
        const uint64_t from = base > offset ? base : offset;
        const uint64_t to = base + PAGE < offset + size ? base + PAGE : offset + size;
        if (from < to)
            memset(bytes_of(model, page) + (from - base), 0, to - from);
    }
}

/* ---- Calls ---- */

/* Rounded up to a page; false where the result is larger than a VMO may be. */
static bool vmo_size(uint64_t *size)
{
    if (*size > VMO_SIZE_MAX)
        return false;
    *size = (*size + PAGE - 1) / PAGE * PAGE;
    return true;
}

struct model_answer model_vmo_create(uint64_t size, uint32_t options, bool null_result)
{
    if ((options & ~ZX_VMO_RESIZABLE) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (!vmo_size(&size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, 0};
}

int32_t model_do_vmo_create(struct model *model, uint64_t size, uint32_t options)
{
    vmo_size(&size);
    model->vmos[model->vmo_count] = (struct model_vmo){
        .size = size,
        .resizable = (options & ZX_VMO_RESIZABLE) != 0,
        .first_page = MODEL_NONE,
    };
    return model->vmo_count++;
}

static bool in_range(const struct model_vmo *vmo, uint64_t offset, uint64_t size)
{
    return offset <= vmo->size && size <= vmo->size - offset;
}

static uint64_t pages_in(uint64_t offset, uint64_t size)
{
    return size == 0 ? 0 : (offset + size - 1) / PAGE - offset / PAGE + 1;
}

struct model_answer model_vmo_io(const struct model *model, int32_t vmo, bool write, uint64_t offset,
                                 uint64_t size, bool null_buffer)
{
    const zx_status_t handle =
        model_check_handle(model, vmo, TRACE_TYPE_VMO, write ? ZX_RIGHT_WRITE : ZX_RIGHT_READ);

    if (handle != ZX_OK)
        return answer(handle);
    if (!in_range(&model->vmos[model_object(model, vmo)], offset, size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (null_buffer && size > 0)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, write && size > 0, write ? pages_in(offset, size) : 0};
}

struct model_answer model_vmo_set_size(const struct model *model, int32_t vmo, uint64_t size)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, ZX_RIGHT_WRITE);

    if (handle != ZX_OK)
        return answer(handle);
    if (!model->vmos[model_object(model, vmo)].resizable)
        return answer(ZX_ERR_UNAVAILABLE);
    if ((model_rights(model, vmo) & ZX_RIGHT_RESIZE) == 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    if (!vmo_size(&size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    return answer(ZX_OK);
}

void model_do_vmo_set_size(struct model *model, int32_t vmo, uint64_t size)
{
    vmo_size(&size);
    model->vmos[vmo].size = size;
    drop_pages(model, vmo, size / PAGE, UINT64_MAX);
}

static bool is_cache_op(uint32_t op)
{
    return op >= ZX_VMO_OP_CACHE_SYNC && op <= ZX_VMO_OP_CACHE_CLEAN_INVALIDATE;
}

struct model_answer model_vmo_op_range(const struct model *model, int32_t vmo, uint32_t op, uint64_t offset,
                                       uint64_t size, bool buffer)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, 0);
    const bool changes = op == ZX_VMO_OP_COMMIT || op == ZX_VMO_OP_DECOMMIT || op == ZX_VMO_OP_ZERO;

    if (handle != ZX_OK)
        return answer(handle);
    if (!changes && !is_cache_op(op) && op != ZX_VMO_OP_DONT_NEED && op != ZX_VMO_OP_ALWAYS_NEED)
        return answer(ZX_ERR_INVALID_ARGS);
    if (buffer)
        return answer(ZX_ERR_INVALID_ARGS);
    const bool writes = changes || op == ZX_VMO_OP_CACHE_INVALIDATE;
    const zx_rights_t needed = writes ? ZX_RIGHT_WRITE : is_cache_op(op) ? ZX_RIGHT_READ : ZX_RIGHT_NONE;
    if ((needed & ~model_rights(model, vmo)) != 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    if (is_cache_op(op) && size == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (!in_range(&model->vmos[model_object(model, vmo)], offset, size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (op == ZX_VMO_OP_DECOMMIT && (offset % PAGE != 0 || size % PAGE != 0))
        return answer(ZX_ERR_INVALID_ARGS);
    if (op == ZX_VMO_OP_COMMIT)
        return (struct model_answer){ZX_OK, size > 0, pages_in(offset, size)};
    return answer(ZX_OK);
}

void model_do_vmo_op_range(struct model *model, int32_t vmo, uint32_t op, uint64_t offset, uint64_t size)
{
    if (op == ZX_VMO_OP_DECOMMIT || op == ZX_VMO_OP_ZERO)
        zero(model, vmo, offset, size);
}

/* ---- Accesses ---- */

zx_status_t model_fault(const struct model *model, uint8_t process, zx_vaddr_t va, uint8_t perms)
{
    const int32_t i = model_piece_at(model, process, va);

    if (i == MODEL_NONE)
        return ZX_ERR_NOT_FOUND;
    const struct model_piece *piece = &model->pieces[i];
    if ((perms & ~piece->perms) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if (piece->vmo_offset + (va - piece->base) >= model->vmos[piece->vmo].size)
        return ZX_ERR_OUT_OF_RANGE;
    return ZX_OK;
}

zx_status_t model_access(const struct model *model, uint8_t process, zx_vaddr_t va, uint64_t size,
                         uint8_t perms, uint64_t *done)
{
    *done = 0;
    while (*done < size) {
        const zx_status_t status = model_fault(model, process, va + *done, perms);
        if (status != ZX_OK)
            return status;
        *done += step(va + *done, size - *done);
    }
    return ZX_OK;
}

void model_space_read(const struct model *model, uint8_t process, zx_vaddr_t va, void *out, uint64_t size)
{
    uint8_t *to = out;

    for (uint64_t n; size > 0; size -= n, va += n, to += n) {
        const struct model_piece *piece = &model->pieces[model_piece_at(model, process, va)];
        n = step(va, size);
        model_vmo_read(model, piece->vmo, piece->vmo_offset + (va - piece->base), to, n);
    }
}

void model_do_space_write(struct model *model, uint8_t process, zx_vaddr_t va, const void *in, uint64_t size)
{
    const uint8_t *from = in;

    for (uint64_t n; size > 0; size -= n, va += n, from += n) {
        const struct model_piece *piece = &model->pieces[model_piece_at(model, process, va)];
        n = step(va, size);
        model_do_vmo_write(model, piece->vmo, piece->vmo_offset + (va - piece->base), from, n);
    }
}

#define MEMORY_SIZE_MAX (64ull << 20)

struct model_answer model_process_memory(const struct model *model, int32_t handle, bool write, zx_vaddr_t va,
                                         uint64_t size, bool null_buffer, bool null_actual, uint64_t *done)
{
    const zx_rights_t needed = write ? ZX_RIGHT_WRITE : ZX_RIGHT_READ | ZX_RIGHT_WRITE;

    *done = 0;
    if (null_buffer || size == 0 || size > MEMORY_SIZE_MAX)
        return answer(ZX_ERR_INVALID_ARGS);
    const zx_status_t status = model_check_handle(model, handle, TRACE_TYPE_PROCESS, needed);
    if (status != ZX_OK)
        return answer(status);
    const uint8_t process = (uint8_t)model_object(model, handle);
    if (!model->processes[process].alive)
        return answer(ZX_ERR_BAD_STATE);
    model_access(model, process, va, size, 0, done); /* whatever the mappings permit */
    if (*done == 0)
        return answer(ZX_ERR_NO_MEMORY);
    if (null_actual)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, write, write ? pages_in(va, *done) : 0};
}
