/* SPDX-License-Identifier: MIT */
/*
 * model_virtual_alloc.c: the reference model, part five: which pages virtual_alloc must give out.
 *
 * What is given out is a list of runs of pages, ascending; the pages of bookkeeping are a run before them. An
 * allocation goes to the lowest place that has its guards on both sides and, where it is as large as the
 * alignment, begins at a multiple of that. Two runs that touch are one.
 *
 * Locking: none. Cost: linear in the runs.
 */
#include "model.h"

#define PAGE      ((uint64_t)ZX_PAGE_SIZE)
#define PAGE_BITS (8 * PAGE) /* pages that a page of bookkeeping tells of */

static struct model_answer answer(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

struct model_answer model_set_aside(const struct model *model)
{
    const int32_t root = model_space_root(model, TRACE_SPACE_KERNEL);
    const uint64_t offset = MODEL_ASIDE_BASE - model->vmars[root].base;

    return (struct model_answer){model_check_place(model, root, ZX_VM_SPECIFIC, offset, MODEL_ASIDE_SIZE),
                                 true, 0};
}

void model_do_set_aside(struct model *model)
{
    model->valloc.aside = model_do_vmar_allocate(model, model_space_root(model, TRACE_SPACE_KERNEL), 0,
                                                 MODEL_ASIDE_BASE, MODEL_ASIDE_SIZE);
}

struct model_answer model_valloc_init(const struct model *model, uint64_t size, uint64_t guard,
                                      uint8_t align_log2)
{
    if (model->valloc.started)
        return answer(ZX_ERR_BAD_STATE);
    if (align_log2 < ZX_PAGE_SHIFT || size == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    const uint64_t align = 1ull << align_log2;
    if (size % align != 0 || MODEL_ASIDE_BASE % align != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    const uint64_t pages = size / PAGE, bookkeeping = (pages + PAGE_BITS - 1) / PAGE_BITS;
    if (pages < bookkeeping + 2 * guard + 1)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, true, bookkeeping};
}

void model_do_valloc_init(struct model *model, uint64_t size, uint64_t guard, uint8_t align_log2)
{
    struct model_valloc *const v = &model->valloc;

    v->started = true;
    v->pages = (uint32_t)(size / PAGE);
    v->bookkeeping = (uint32_t)((v->pages + PAGE_BITS - 1) / PAGE_BITS);
    v->guard = (uint32_t)guard;
    v->align_log2 = align_log2;
    v->run_count = 0;
}

struct model_answer model_valloc_alloc(const struct model *model, uint64_t pages, uint32_t *place)
{
    const struct model_valloc *v = &model->valloc;

    *place = 0;
    if (!v->started)
        return answer(ZX_ERR_BAD_STATE);
    if (pages == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    uint64_t align = (1ull << v->align_log2) / PAGE;
    if (pages < align)
        align = 1;
    for (uint32_t i = 0; i <= v->run_count; i++) {
        const uint64_t from = i == 0 ? v->bookkeeping : v->runs[i - 1].end;
        const uint64_t to = i == v->run_count ? v->pages : v->runs[i].first;
        const uint64_t at = (from + v->guard + align - 1) / align * align;
        if (at + v->guard <= to && pages <= to - v->guard - at) {
            *place = (uint32_t)at;
            return (struct model_answer){ZX_OK, true, pages};
        }
    }
    return answer(ZX_ERR_NO_MEMORY);
}

void model_do_valloc_take(struct model *model, uint32_t first, uint32_t count)
{
    struct model_valloc *const v = &model->valloc;
    uint32_t at = 0;

    while (at < v->run_count && v->runs[at].end < first)
        at++;
    if (at < v->run_count && v->runs[at].end == first) {
        v->runs[at].end += count;
    } else if (at < v->run_count && v->runs[at].first == first + count) {
        v->runs[at].first = first;
    } else {
        for (uint32_t i = v->run_count++; i > at; i--)
            v->runs[i] = v->runs[i - 1];
        v->runs[at] = (struct model_run){first, first + count};
    }
    if (at + 1 < v->run_count && v->runs[at].end == v->runs[at + 1].first) {
        v->runs[at].end = v->runs[at + 1].end;
        for (uint32_t i = at + 1; i + 1 < v->run_count; i++)
            v->runs[i] = v->runs[i + 1];
        v->run_count--;
    }
}

void model_do_valloc_free(struct model *model, uint32_t first, uint32_t count)
{
    struct model_valloc *const v = &model->valloc;
    uint32_t at = 0;

    while (v->runs[at].end <= first)
        at++;
    const struct model_run old = v->runs[at];
    const bool head = old.first<first, tail = old.end> first + count;
    if (head && tail) {
        for (uint32_t i = v->run_count++; i > at; i--)
            v->runs[i] = v->runs[i - 1];
        v->runs[at + 1].first = first + count;
    }
    if (head)
        v->runs[at].end = first;
    else if (tail)
        v->runs[at].first = first + count;
    if (head || tail)
        return;
    v->run_count--;
    for (uint32_t i = at; i < v->run_count; i++)
        v->runs[i] = v->runs[i + 1];
}

bool model_valloc_has(const struct model *model, uint64_t page)
{
    const struct model_valloc *v = &model->valloc;

    if (!v->started)
        return false;
    for (uint32_t i = 0; i < v->run_count; i++) {
        if (page >= v->runs[i].first && page < v->runs[i].end)
            return true;
    }
    return page < v->bookkeeping;
}
