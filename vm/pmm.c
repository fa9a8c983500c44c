/* SPDX-License-Identifier: MIT */
/*
 * pmm.c: the physical memory manager.
 *
 * Concept. Memory comes as a few arenas, ascending runs of physical pages. Each page has a struct vm_page,
 * and each arena keeps the array of its own in its first pages, so that nothing but the memory itself is
 * needed to manage it. The host shows an arena at consecutive addresses (port_phys_to_virt), hence the array
 * is an ordinary array and page <-> structure is arithmetic.
 *
 * Structure. A free page is in one of two places. Pages that were used before are on `free`, a doubly linked
 * stack: what was freed last is warm in the caches and is handed out first, and any page can be taken out of
 * the middle for a run. Pages that were never used are fresh: they lie at and above the `fresh` index of
 * their arena and are on no list. Their structures are all zero, which reads as FREE, so that searching for
 * runs need not tell the two apart. Starting costs one clearing of the page arrays and no linking, which
 * matters to a fuzzer that starts a machine for every input.
 *
 * Taking pages at a place (contiguous runs, given ranges) first thaws: fresh pages up to the end of the run,
 * lower arenas included, go to the tail of the list in ascending order. The order in which single pages come
 * is therefore the same as if all of memory had been listed from the start: last freed first, then ascending
 * addresses. It depends on the calls alone.
 *
 * Invariants (pmm_check). Every page has one state; counts[s] is the number of pages in state s; total is the
 * sum. A page is FREE and linked on `free`, or FREE and fresh, or not FREE. A free page names no VMO, has no
 * pins and counts no table entries; hence a page that was just allocated does neither.
 *
 * Locking. pmm->lock guards the list, the counts, `fresh`, and each page's state in transition. Bounds of the
 * arenas never change and are read without it. It is the innermost lock: nothing is called while it is held.
 * The host's permission to allocate is asked before it is taken.
 *
 * Cost. A page: O(1). A contiguous run: one pass over the page arrays, no page looked at twice. Start:
 * O(bytes of the page arrays).
 */
#include <vm/mem.h>

#include "internal.h"

#define POISON_BYTE 0xdb

static const char *const state_names[VM_PAGE_STATE_COUNT] = {"FREE",   "ALLOC", "WIRED", "HEAP",
                                                             "OBJECT", "MMU",   "ZERO"};

/* ---- Start ---- */

static size_t page_array_bytes(size_t pages)
{
    return round_up_page(pages * sizeof(struct vm_page));
}

size_t pmm_wired_bytes(size_t pages, size_t extra)
{
    return page_array_bytes(pages) + round_up_page(extra);
}

void *pmm_carve(const struct pmm_range *first, size_t extra)
{
    size_t pages = first->size >> PAGE_SHIFT;

    if (pmm_wired_bytes(pages, extra) >= first->size)
        return NULL;
    void *bytes = (char *)port_phys_to_virt(first->base) + page_array_bytes(pages);
    memset(bytes, 0, extra);
    return bytes;
}

static void arena_start(struct pmm *pmm, struct pmm_arena *arena, const struct pmm_range *memory,
                        size_t extra)
{
    arena->base = memory->base;
    arena->pages = memory->size >> PAGE_SHIFT;
    arena->page_array = port_phys_to_virt(memory->base);
    memset(arena->page_array, 0, arena->pages * sizeof(struct vm_page));

    arena->fresh = pmm_wired_bytes(arena->pages, extra) >> PAGE_SHIFT;
    VM_ASSERT(arena->fresh <= arena->pages);
    for (size_t i = 0; i < arena->fresh; i++) {
        arena->page_array[i].paddr = arena->base + (i << PAGE_SHIFT);
        arena->page_array[i].state = VM_PAGE_WIRED;
    }
    pmm->counts[VM_PAGE_WIRED] += arena->fresh;
    pmm->counts[VM_PAGE_FREE] += arena->pages - arena->fresh;
    pmm->total += arena->pages;
}

void pmm_start(struct pmm *pmm, const struct pmm_range *memory, size_t count, size_t extra)
{
    VM_ASSERT(count > 0 && count <= PMM_ARENAS_MAX);
    port_mutex_init(&pmm->lock, PORT_LOCK_PMM);
    list_init(&pmm->free);
    memset(pmm->counts, 0, sizeof(pmm->counts));
    pmm->total = 0;
    pmm->arena_count = count;
    pmm->fresh_arena = 0;
    for (size_t i = 0; i < count; i++) {
        VM_ASSERT(is_page_aligned(memory[i].base) && is_page_aligned(memory[i].size) && memory[i].size > 0);
        VM_ASSERT(i == 0 || memory[i - 1].base + memory[i - 1].size <= memory[i].base);
        arena_start(pmm, &pmm->arenas[i], &memory[i], i == 0 ? extra : 0);
    }
}

/* ---- Single pages ---- */

static void move_state_locked(struct pmm *pmm, struct vm_page *page, enum vm_page_state state)
{
    pmm->counts[page->state]--;
    pmm->counts[state]++;
    page->state = (uint8_t)state;
}

static struct vm_page *use_fresh_locked(struct pmm_arena *arena)
{
    struct vm_page *page = &arena->page_array[arena->fresh];

    page->paddr = arena->base + (arena->fresh << PAGE_SHIFT);
    arena->fresh++;
    return page;
}

static struct vm_page *take_locked(struct pmm *pmm, enum vm_page_state state)
{
    struct list_node *node = list_pop_head(&pmm->free);
    struct vm_page *page = NULL;

    if (node != NULL)
        page = container_of(node, struct vm_page, node);
    while (page == NULL && pmm->fresh_arena < pmm->arena_count) {
        struct pmm_arena *arena = &pmm->arenas[pmm->fresh_arena];
        if (arena->fresh < arena->pages)
            page = use_fresh_locked(arena);
        else
            pmm->fresh_arena++;
    }
    if (page != NULL)
        move_state_locked(pmm, page, state);
    return page;
}

struct vm_page *pmm_alloc_page(enum vm_page_state state)
{
    struct pmm *pmm = &vm_machine->pmm;

    VM_ASSERT(state > VM_PAGE_FREE && state < VM_PAGE_STATE_COUNT);
    if (!port_allocation_allowed())
        return NULL;
    port_mutex_lock(&pmm->lock);
    struct vm_page *page = take_locked(pmm, state);
    port_mutex_unlock(&pmm->lock);
    return page;
}

/* What does not need the lock: the page is its holder's until it is on the list. */
static void prepare_free(struct vm_page *page)
{
    VM_ASSERT(page->state != VM_PAGE_FREE && page->state != VM_PAGE_WIRED);
    VM_ASSERT(!list_is_linked(&page->node));
    VM_ASSERT(page->pin_count == 0 && atomic_load(&page->sharers) == 0);
    page->vmo = NULL;
    page->vmo_offset = 0;
    page->marks = 0;
    page->table_entries = 0;
#ifdef VM_POISON_FREED_PAGES
    memset(pmm_page_bytes(page), POISON_BYTE, PAGE_SIZE);
#endif
}

static void give_locked(struct pmm *pmm, struct vm_page *page)
{
    move_state_locked(pmm, page, VM_PAGE_FREE);
    list_add_head(&pmm->free, &page->node);
}

void pmm_free_page(struct vm_page *page)
{
    struct pmm *pmm = &vm_machine->pmm;

    prepare_free(page);
    port_mutex_lock(&pmm->lock);
    give_locked(pmm, page);
    port_mutex_unlock(&pmm->lock);
}

void pmm_set_state(struct vm_page *page, enum vm_page_state state)
{
    struct pmm *pmm = &vm_machine->pmm;

    VM_ASSERT(state > VM_PAGE_FREE && state < VM_PAGE_STATE_COUNT);
    VM_ASSERT(page->state != VM_PAGE_FREE && page->state != VM_PAGE_WIRED);
    port_mutex_lock(&pmm->lock);
    move_state_locked(pmm, page, state);
    port_mutex_unlock(&pmm->lock);
}

/* ---- Lists of pages ---- */

static struct vm_page *pop_tail(struct list_node *list)
{
    struct vm_page *page = container_of(list->prev, struct vm_page, node);

    list_remove(&page->node);
    return page;
}

zx_status_t pmm_alloc_pages(size_t count, enum vm_page_state state, struct list_node *list)
{
    for (size_t taken = 0; taken < count; taken++) {
        struct vm_page *page = pmm_alloc_page(state);
        if (page == NULL) {
            /* Backwards, so that the pages come again in the order in which they would have come. */
            for (; taken > 0; taken--)
                pmm_free_page(pop_tail(list));
            return ZX_ERR_NO_MEMORY;
        }
        list_add_tail(list, &page->node);
    }
    return ZX_OK;
}

void pmm_free_list(struct list_node *list)
{
    struct pmm *pmm = &vm_machine->pmm;

    if (list_is_empty(list))
        return;
    port_mutex_lock(&pmm->lock);
    while (!list_is_empty(list)) {
        struct vm_page *page = pop_tail(list);
        prepare_free(page);
        give_locked(pmm, page);
    }
    port_mutex_unlock(&pmm->lock);
}

/* ---- Pages at a place ---- */

/* Lists the fresh pages of the arenas below this one, and those of this one below `limit`. */
static void thaw_locked(struct pmm *pmm, size_t arena_index, size_t limit)
{
    for (size_t i = pmm->fresh_arena; i <= arena_index; i++) {
        struct pmm_arena *arena = &pmm->arenas[i];
        size_t end = i < arena_index ? arena->pages : limit;
        while (arena->fresh < end)
            list_add_tail(&pmm->free, &use_fresh_locked(arena)->node);
    }
}

static void take_at_locked(struct pmm *pmm, struct vm_page *page, enum vm_page_state state,
                           struct list_node *list)
{
    list_remove(&page->node);
    move_state_locked(pmm, page, state);
    list_add_tail(list, &page->node);
}

/* The index of the first page of the lowest free run in this arena; arena->pages where there is none. */
static size_t find_run_locked(const struct pmm_arena *arena, size_t count, uint8_t align_log2)
{
    zx_paddr_t align_mask = ((zx_paddr_t)1 << align_log2) - 1;
    size_t next = 0;

    for (;;) {
        zx_paddr_t start = (arena->base + (next << PAGE_SHIFT) + align_mask) & ~align_mask;
        size_t first = (start - arena->base) >> PAGE_SHIFT;
        if (start < arena->base || first >= arena->pages || count > arena->pages - first)
            return arena->pages;
        size_t end = first;
        while (end - first < count && arena->page_array[end].state == VM_PAGE_FREE)
            end++;
        if (end - first == count)
            return first;
        next = end + 1;
    }
}

zx_status_t pmm_alloc_contiguous(size_t count, uint8_t align_log2, enum vm_page_state state,
                                 struct list_node *list)
{
    struct pmm *pmm = &vm_machine->pmm;
    zx_status_t status = ZX_ERR_NO_MEMORY;

    VM_ASSERT(count > 0 && align_log2 >= PAGE_SHIFT && align_log2 < 64);
    VM_ASSERT(state > VM_PAGE_FREE && state < VM_PAGE_STATE_COUNT);
    if (!port_allocation_allowed())
        return ZX_ERR_NO_MEMORY;
    port_mutex_lock(&pmm->lock);
    for (size_t i = 0; i < pmm->arena_count && status != ZX_OK; i++) {
        struct pmm_arena *arena = &pmm->arenas[i];
        size_t first = find_run_locked(arena, count, align_log2);
        if (first == arena->pages)
            continue;
        thaw_locked(pmm, i, first + count);
        for (size_t j = first; j < first + count; j++)
            take_at_locked(pmm, &arena->page_array[j], state, list);
        status = ZX_OK;
    }
    port_mutex_unlock(&pmm->lock);
    return status;
}

static struct vm_page *find_page(struct pmm *pmm, zx_paddr_t pa, size_t *arena_index)
{
    for (size_t i = 0; i < pmm->arena_count; i++) {
        struct pmm_arena *arena = &pmm->arenas[i];
        if (pa >= arena->base && (pa - arena->base) >> PAGE_SHIFT < arena->pages) {
            *arena_index = i;
            return &arena->page_array[(pa - arena->base) >> PAGE_SHIFT];
        }
    }
    return NULL;
}

static zx_status_t take_range_locked(struct pmm *pmm, zx_paddr_t base, size_t count, enum vm_page_state state,
                                     struct list_node *list)
{
    size_t arena_index = 0;

    for (size_t i = 0; i < count; i++) {
        if (find_page(pmm, base + (i << PAGE_SHIFT), &arena_index) == NULL)
            return ZX_ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < count; i++) {
        if (find_page(pmm, base + (i << PAGE_SHIFT), &arena_index)->state != VM_PAGE_FREE)
            return ZX_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct vm_page *page = find_page(pmm, base + (i << PAGE_SHIFT), &arena_index);
        thaw_locked(pmm, arena_index, (size_t)(page - pmm->arenas[arena_index].page_array) + 1);
        take_at_locked(pmm, page, state, list);
    }
    return ZX_OK;
}

zx_status_t pmm_alloc_range(zx_paddr_t base, size_t count, enum vm_page_state state, struct list_node *list)
{
    struct pmm *pmm = &vm_machine->pmm;

    VM_ASSERT(is_page_aligned(base) && count > 0);
    VM_ASSERT(state > VM_PAGE_FREE && state < VM_PAGE_STATE_COUNT);
    if (!port_allocation_allowed())
        return ZX_ERR_NO_MEMORY;
    if (count - 1 > (UINT64_MAX - base) >> PAGE_SHIFT)
        return ZX_ERR_NOT_FOUND;
    port_mutex_lock(&pmm->lock);
    zx_status_t status = take_range_locked(pmm, base, count, state, list);
    port_mutex_unlock(&pmm->lock);
    return status;
}

/* ---- Lookup ---- */

struct vm_page *pmm_page_at(zx_paddr_t pa)
{
    size_t arena_index;

    return find_page(&vm_machine->pmm, pa, &arena_index);
}

void *pmm_page_bytes(const struct vm_page *page)
{
    return port_phys_to_virt(page->paddr);
}

uint64_t pmm_count(enum vm_page_state state)
{
    struct pmm *pmm = &vm_machine->pmm;

    port_mutex_lock(&pmm->lock);
    uint64_t count = pmm->counts[state];
    port_mutex_unlock(&pmm->lock);
    return count;
}

uint64_t pmm_total(void)
{
    return vm_machine->pmm.total;
}

/* ---- Check ---- */

struct recount {
    uint64_t counts[VM_PAGE_STATE_COUNT];
    uint64_t fresh, linked;
    bool sound;
};

static void check_page(const struct pmm_arena *arena, size_t index, struct recount *recount,
                       struct vm_sink *report)
{
    const struct vm_page *page = &arena->page_array[index];
    zx_paddr_t pa = arena->base + (index << PAGE_SHIFT);
    const char *fault = NULL;

    if (page->state >= VM_PAGE_STATE_COUNT) {
        vm_print(report, "pmm: page 0x%llx has no state (%u)\n", (unsigned long long)pa, page->state);
        recount->sound = false;
        return;
    }
    recount->counts[page->state]++;
    if (index >= arena->fresh) {
        recount->fresh++;
        if (page->state != VM_PAGE_FREE || page->node.next != NULL || page->paddr != 0)
            fault = "was never taken and yet used";
    } else if (page->paddr != pa) {
        fault = "names another address";
    } else if (page->state == VM_PAGE_FREE) {
        if (!list_is_linked(&page->node))
            fault = "is free and on no list";
        else if (page->vmo != NULL || page->pin_count != 0 || page->table_entries != 0 || page->sharers != 0)
            fault = "is free and in use";
    }
    if (fault != NULL) {
        vm_print(report, "pmm: page 0x%llx (%s) %s\n", (unsigned long long)pa, state_names[page->state],
                 fault);
        recount->sound = false;
    }
}

static void check_free_list(struct pmm *pmm, struct recount *recount, struct vm_sink *report)
{
    list_for_each(node, &pmm->free)
    {
        const struct vm_page *page = container_of(node, struct vm_page, node);
        size_t arena_index;
        recount->linked++;
        if (find_page(pmm, page->paddr, &arena_index) == page && page->state == VM_PAGE_FREE &&
            node->next->prev == node && recount->linked <= pmm->total)
            continue;
        vm_print(report, "pmm: the free list is broken at its member %llu, page 0x%llx\n",
                 (unsigned long long)recount->linked, (unsigned long long)page->paddr);
        recount->sound = false;
        return;
    }
}

bool pmm_check(struct vm_sink *report)
{
    struct pmm *pmm = &vm_machine->pmm;
    struct recount recount = {.sound = true};
    uint64_t total = 0;

    port_mutex_lock(&pmm->lock);
    for (size_t i = 0; i < pmm->arena_count; i++) {
        total += pmm->arenas[i].pages;
        for (size_t j = 0; j < pmm->arenas[i].pages; j++)
            check_page(&pmm->arenas[i], j, &recount, report);
    }
    check_free_list(pmm, &recount, report);
    for (int i = 0; i < VM_PAGE_STATE_COUNT; i++) {
        if (recount.counts[i] == pmm->counts[i])
            continue;
        vm_print(report, "pmm: %llu pages are %s, the count says %llu\n",
                 (unsigned long long)recount.counts[i], state_names[i], (unsigned long long)pmm->counts[i]);
        recount.sound = false;
    }
    if (recount.linked + recount.fresh != recount.counts[VM_PAGE_FREE] || total != pmm->total) {
        vm_print(
            report,
            "pmm: %llu free pages, %llu of them listed and %llu fresh; %llu pages, the total says %llu\n",
            (unsigned long long)recount.counts[VM_PAGE_FREE], (unsigned long long)recount.linked,
            (unsigned long long)recount.fresh, (unsigned long long)total, (unsigned long long)pmm->total);
        recount.sound = false;
    }
    port_mutex_unlock(&pmm->lock);
    return recount.sound;
}
