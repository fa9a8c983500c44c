/* SPDX-License-Identifier: MIT */
/*
 * run_virtual_alloc.c: operations of virtual_alloc, in a range of the kernel's space that is set aside when the
 * first of them comes.
 *
 * Freeing what is not allocated is an assertion, so what is freed is told by the number of a run of pages that
 * the model has, and a part of it. Each page that is given out gets a stamp, found again when it is freed: a
 * page that was given out twice, or taken for something else meanwhile, has lost it. Every page costs one page
 * of memory and its tables, no more, and gives them back.
 *
 * Locking: none; one run at a time. Cost: linear in the pages.
 */
#include <vm/aspace.h>
#include <vm/mem.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)
/* As many runs stay free for what splits one. */
#define RUNS_RESERVED 2

static zx_vaddr_t address_of(uint64_t page)
{
    return MODEL_ASIDE_BASE + page * PAGE;
}

/* The page's own bytes; null where it has no translation. */
static uint64_t *words_at(uint64_t page, struct page_table_entry *entry)
{
    const zx_vaddr_t va = address_of(page);

    if (page_table_query(vm_aspace_page_table(vm_aspace_kernel()), va, entry) != ZX_OK)
        return NULL;
    return trace_host_physical(entry->paddr + (va - entry->va));
}

/* What the page should have in its first and last word. */
static uint64_t stamp_of(uint64_t page)
{
    return (page + 1) * 0x9e3779b97f4a7c15ull;
}

static void stamp_pages(struct run *run, uint32_t first, uint32_t count)
{
    struct page_table_entry entry;

    for (uint32_t page = first; page < first + count && !run->broken; page++) {
        uint64_t *const words = words_at(page, &entry);
        if (words == NULL) {
            run_broken(run, "page %u was given out, and has no translation", page);
            return;
        }
        if ((entry.flags & (ARCH_MMU_PERMS | ARCH_MMU_USER)) != (ARCH_MMU_READ | ARCH_MMU_WRITE))
            run_broken(run, "page %u may be used as 0x%x says", page, entry.flags);
        words[0] = words[PAGE / sizeof *words - 1] = stamp_of(page);
    }
}

static void check_stamps(struct run *run, uint32_t first, uint32_t count)
{
    struct page_table_entry entry;

    for (uint32_t page = first; page < first + count && !run->broken; page++) {
        const uint64_t *const words = words_at(page, &entry);
        if (words == NULL || words[0] != stamp_of(page) || words[PAGE / sizeof *words - 1] != stamp_of(page))
            run_broken(run, "page %u has lost what was written to it", page);
    }
}

/* Each end of each run: translated inside, not outside. */
static void check_ends(struct run *run)
{
    const struct model_valloc *v = &run->model.valloc;
    struct page_table_entry entry;

    for (uint32_t i = 0; v->started && i <= v->run_count && !run->broken; i++) {
        const uint32_t first = i == 0 ? 0 : v->runs[i - 1].first;
        const uint32_t end = i == 0 ? v->bookkeeping : v->runs[i - 1].end;
        if (words_at(first, &entry) == NULL || words_at(end - 1, &entry) == NULL)
            run_broken(run, "a page of [%u, %u) has no translation", first, end);
        if ((first > 0 && !model_valloc_has(&run->model, first - 1) && words_at(first - 1, &entry) != NULL) ||
            (!model_valloc_has(&run->model, end) && words_at(end, &entry) != NULL))
            run_broken(run, "a page beside [%u, %u) is translated", first, end);
    }
}

/* So many pages fewer are free, or more, beside those that became tables or no longer are. */
static void check_cost(struct run *run, int64_t taken)
{
    struct vm_stats now;

    vm_machine_stats(&now);
    const int64_t gone = (int64_t)(run->stats.pages_free - now.pages_free);
    const int64_t tables = (int64_t)(now.page_tables - run->stats.page_tables);
    if (gone != taken + tables)
        run_broken(run, "expected %lld pages to be taken and %lld for tables, got %lld", (long long)taken,
                   (long long)tables, (long long)gone);
    check_ends(run);
}

/* Sets the range aside, the first time; false where that is refused. */
static bool set_aside(struct run *run)
{
    if (run->model.valloc.aside != MODEL_NONE)
        return true;
    const struct model_answer want = model_set_aside(&run->model);
    if (!run_agree(run, vm_aspace_set_aside(MODEL_ASIDE_BASE, MODEL_ASIDE_SIZE), want))
        return false;
    model_do_set_aside(&run->model);
    return true;
}

void run_valloc_init(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint64_t wanted = run_size(run, 1, &s, 0);
    /* More than is set aside would be misuse. */
    const uint64_t size = wanted <= MODEL_ASIDE_SIZE ? wanted : MODEL_ASIDE_SIZE;
    const uint8_t guard = run->op.b, align = run->op.align == 0 ? ZX_PAGE_SHIFT : run->op.align;

    run_argument(run, size);
    run_argument(run, guard);
    run_argument(run, align);
    if (!set_aside(run))
        return;
    vm_machine_stats(&run->stats); /* what was set aside has its price */
    const struct model_answer want = model_valloc_init(&run->model, size, guard, align);
    if (!run_agree(run, virtual_alloc_init(&run->valloc, MODEL_ASIDE_BASE, size, guard, align), want))
        return;
    model_do_valloc_init(&run->model, size, guard, align);
    const uint64_t bookkeeping = virtual_alloc_debug_bitmap_pages(&run->valloc);
    if (bookkeeping != run->model.valloc.bookkeeping)
        run_broken(run, "expected %u pages of bookkeeping, got %llu", run->model.valloc.bookkeeping,
                   (unsigned long long)bookkeeping);
    if (virtual_alloc_can_attempt_contiguous_mappings(&run->valloc) != (align > ZX_PAGE_SHIFT))
        run_broken(run, "runs are contiguous, or not, although the alignment is 2^%u", align);
    check_cost(run, (int64_t)bookkeeping);
    run_result(run, bookkeeping);
}

static bool has_room(const struct run *run)
{
    return run->model.valloc.run_count + RUNS_RESERVED < MODEL_RUNS;
}

void run_valloc_alloc(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    /* Where the model has no room for one more, the call is made one that is refused. */
    const uint64_t pages = has_room(run) ? run_size(run, 1, &s, 0) / PAGE : 0;
    zx_vaddr_t at = 0;
    uint32_t place;

    run_argument(run, pages);
    const struct model_answer want = model_valloc_alloc(&run->model, pages, &place);
    if (!run_agree(run, virtual_alloc_alloc_pages(&run->valloc, pages, &at), want)) {
        check_ends(run);
        return;
    }
    if (at != address_of(place)) {
        run_broken(run, "expected the lowest place, 0x%llx, got 0x%llx",
                   (unsigned long long)address_of(place), (unsigned long long)at);
        return;
    }
    model_do_valloc_take(&run->model, place, (uint32_t)pages);
    stamp_pages(run, place, (uint32_t)pages);
    check_cost(run, (int64_t)pages);
    run_result(run, at);
    run_remember(run, at, pages * PAGE, 0);
}

/* A part of [first, first + count) as the amounts say: at least a page. */
static void resolve_part(struct run *run, uint32_t *first, uint32_t *count)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint32_t from = (uint32_t)(run_size(run, 0, &s, 0) / PAGE % *count);
    const uint64_t wanted = run_size(run, 1, &s, 0) / PAGE;

    *first += from;
    *count -= from;
    if (wanted > 0 && wanted < *count)
        *count = (uint32_t)wanted;
    run_argument(run, address_of(*first));
    run_argument(run, *count);
}

static void free_part(struct run *run, uint32_t first, uint32_t count)
{
    check_stamps(run, first, count);
    if (run->broken)
        return;
    virtual_alloc_free_pages(&run->valloc, address_of(first), count);
    model_do_valloc_free(&run->model, first, count);
}

void run_valloc_free(struct run *run)
{
    const struct model_valloc *v = &run->model.valloc;

    run->record.status = ZX_OK;
    if (v->run_count == 0)
        return;
    const struct model_run part = v->runs[run->op.b % v->run_count];
    uint32_t first = part.first, count = part.end - part.first;
    if (has_room(run)) {
        resolve_part(run, &first, &count);
    } else {
        run_argument(run, address_of(first));
        run_argument(run, count);
    }
    free_part(run, first, count);
    if (!run->broken)
        check_cost(run, -(int64_t)count);
}

/* The gaps are told by numbers too: the one behind the bookkeeping is the first. */
void run_valloc_allocate_range(struct run *run)
{
    const struct model_valloc *v = &run->model.valloc;

    run->record.status = ZX_OK;
    if (!v->started || !has_room(run))
        return;
    const uint32_t gap = run->op.b % (v->run_count + 1);
    uint32_t first = gap == 0 ? v->bookkeeping : v->runs[gap - 1].end;
    const uint32_t end = gap == v->run_count ? v->pages : v->runs[gap].first;
    if (first == end)
        return;
    uint32_t count = end - first;
    resolve_part(run, &first, &count);
    if (!run_agree(run, virtual_alloc_debug_allocate_vaddr_range(&run->valloc, address_of(first), count),
                   (struct model_answer){ZX_OK, true, count}))
        return;
    model_do_valloc_take(&run->model, first, count);
    stamp_pages(run, first, count);
    check_cost(run, count);
    run_remember(run, address_of(first), count * PAGE, 0);
}

void run_valloc_free_all(struct run *run)
{
    struct model_valloc *const v = &run->model.valloc;
    int64_t count = 0;

    run->record.status = ZX_OK;
    if (!v->started)
        return;
    for (uint32_t i = 0; i < v->run_count; i++) {
        check_stamps(run, v->runs[i].first, v->runs[i].end - v->runs[i].first);
        count += v->runs[i].end - v->runs[i].first;
    }
    virtual_alloc_debug_free_all_allocations(&run->valloc);
    v->run_count = 0;
    check_cost(run, -count);
}

/* Run by run, the last one first. */
void run_valloc_end(struct run *run)
{
    struct model_valloc *const v = &run->model.valloc;

    while (v->run_count > 0 && !run->broken) {
        const struct model_run last = v->runs[v->run_count - 1];
        free_part(run, last.first, last.end - last.first);
    }
    if (run->broken)
        return;
    virtual_alloc_destroy(&run->valloc);
    v->started = false;
}

void run_valloc_destroy(struct run *run)
{
    int64_t count = run->model.valloc.started ? run->model.valloc.bookkeeping : 0;
    struct page_table_entry entry;

    for (uint32_t i = 0; i < run->model.valloc.run_count; i++)
        count += run->model.valloc.runs[i].end - run->model.valloc.runs[i].first;
    run_valloc_end(run);
    run->record.status = ZX_OK;
    if (run->broken)
        return;
    check_cost(run, -count);
    if (run->model.valloc.aside != MODEL_NONE && words_at(0, &entry) != NULL)
        run_broken(run, "an allocator was destroyed, and its bookkeeping is still there");
}
