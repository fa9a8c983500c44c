/* SPDX-License-Identifier: MIT */
/*
 * virtual_alloc.c: pages in a range of the kernel's space, with unmapped pages around each allocation.
 *
 * Concept. One bit a page of the range says whether it is allocated. The bitmap lies in the first pages of
 * the range, which have the first bits set: so no heap is needed, and the rule of the guards holds for the
 * bookkeeping as for any allocation. Guards have no bits: a place fits where that many clear bits lie before
 * and behind it, and two neighbours share what lies between them. What is mapped where is known to the page
 * tables alone; freeing reads the frames back from them.
 *
 * Place. The lowest that fits. So a hole is used before the end of the range, the same request after a free
 * gets the same place, and an empty range begins anew. What a search finds is remembered: nothing of that size
 * or more fits before the place where it ended. A search begins behind what is known of its size or smaller
 * ones; a free takes back what the hole makes untrue, and that alone. Sizes and places of the findings both
 * ascend, for what says no more than another is dropped. Where there are too many, that one goes whose loss
 * costs the least: the one whose place is nearest to that of the size before.
 *
 * Large pages. Where the alignment is above the page size, each aligned run of that size is first asked of
 * the pmm in one piece, and mapped by leaves of 2 MiB at the most. The first refusal ends the attempts of
 * that allocation, and the rest is single pages. A part of a large page may be freed, and freeing cannot
 * fail: the table that splits the leaf is one of the frames being freed. With two ends there are two tables
 * at the most, and where there are two, at least two frames; 1 GiB leaves would take more.
 *
 * The bitmap is reached as all physical memory is (port_phys_to_virt), not by its address in the range: the
 * range is one that only a processor translates.
 *
 * Invariants. The bits set are the pages mapped; `outstanding` counts them, the bookkeeping apart. Frames are
 * on no list while they are mapped, in state page_state. A translation that an allocator did not enter itself
 * is somebody else's use of its range: an assertion, and nothing of it is touched. Findings are true.
 *
 * Locking. None: see the header. Page tables and pmm lock for themselves.
 *
 * Cost. In the header. Each page of the bitmap (128 MiB of range) takes a walk of the tables to be found; the
 * one that was used last is remembered, so that a search walks once for each that it passes.
 */
#include <vm/mem.h>
#include <vm/virtual_alloc.h>

#include "internal.h"

#define WORD_BITS  64
#define WORD_COUNT (PAGE_SIZE / sizeof(uint64_t)) /* of a page of the bitmap */
#define PAGE_BITS  (WORD_COUNT * WORD_BITS)
#define MAP_BATCH  64 /* single pages entered at a time */

#define MMU_FLAGS (ARCH_MMU_READ | ARCH_MMU_WRITE | ARCH_MMU_GLOBAL)

static struct page_table *kernel_table(void)
{
    return vm_aspace_page_table(vm_aspace_kernel());
}

static inline zx_vaddr_t address_of(const struct virtual_alloc *allocator, size_t page)
{
    return allocator->base + (page << PAGE_SHIFT);
}

static struct vm_page *take_first(struct list_node *list)
{
    struct list_node *node = list_pop_head(list);

    VM_ASSERT(node != NULL);
    return container_of(node, struct vm_page, node);
}

/* ---- The bitmap ---- */

/* The words that hold the bit of `page`: those of one page of the bitmap. */
static uint64_t *words_at(struct virtual_alloc *allocator, size_t page)
{
    size_t words_page = page / PAGE_BITS;
    zx_vaddr_t va = address_of(allocator, words_page);
    struct page_table_entry entry;

    if (allocator->words != NULL && allocator->words_page == words_page)
        return allocator->words;
    zx_status_t status = page_table_query(kernel_table(), va, &entry);
    VM_ASSERT(status == ZX_OK);
    allocator->words = port_phys_to_virt(entry.paddr + (va - entry.va));
    allocator->words_page = words_page;
    return allocator->words;
}

/* The first bit of that value in [from, limit); limit where there is none. */
static size_t find_bit(struct virtual_alloc *allocator, bool value, size_t from, size_t limit)
{
    while (from < limit) {
        const uint64_t *words = words_at(allocator, from);
        size_t page_end = (from / PAGE_BITS + 1) * PAGE_BITS;
        do {
            uint64_t word = words[from % PAGE_BITS / WORD_BITS];
            word = (value ? word : ~word) >> from % WORD_BITS;
            if (word != 0) {
                from += (unsigned)__builtin_ctzll(word);
                return from < limit ? from : limit;
            }
            from = (from / WORD_BITS + 1) * WORD_BITS;
        } while (from < page_end && from < limit);
    }
    return limit;
}

/* Where the clear bits right before `end` begin, as far down as `limit`; `end` where there are none. */
static size_t find_clear_before(struct virtual_alloc *allocator, size_t end, size_t limit)
{
    while (end > limit) {
        unsigned bits = (end - 1) % WORD_BITS + 1;
        uint64_t word = words_at(allocator, end - 1)[(end - 1) % PAGE_BITS / WORD_BITS];
        word <<= WORD_BITS - bits;
        if (word != 0) {
            end -= (unsigned)__builtin_clzll(word);
            return end > limit ? end : limit;
        }
        end -= bits;
    }
    return limit;
}

static void set_bits(struct virtual_alloc *allocator, bool value, size_t from, size_t limit)
{
    while (from < limit) {
        uint64_t *words = words_at(allocator, from);
        size_t page_end = (from / PAGE_BITS + 1) * PAGE_BITS;
        do {
            size_t end = (from / WORD_BITS + 1) * WORD_BITS;
            uint64_t mask = ~0ull << from % WORD_BITS;
            if (end > limit)
                mask &= ~0ull >> (end - limit);
            uint64_t *word = &words[from % PAGE_BITS / WORD_BITS];
            *word = value ? *word | mask : *word & ~mask;
            from = end;
        } while (from < page_end && from < limit);
    }
}

/* The index of `count` pages, all of them behind the bookkeeping, in the range. */
static size_t index_of(const struct virtual_alloc *allocator, zx_vaddr_t va, size_t count)
{
    VM_ASSERT(allocator->pages != 0 && count > 0 && is_page_aligned(va) && va >= allocator->base);
    size_t first = (va - allocator->base) >> PAGE_SHIFT;
    VM_ASSERT(first >= allocator->bitmap_pages && first < allocator->pages &&
              count <= allocator->pages - first);
    return first;
}

/* ---- Frames and translations ---- */

struct gathering {
    zx_vaddr_t va, end;
    struct list_node *list;
};

static bool gather(void *context, const struct page_table_entry *entry)
{
    const struct gathering *gathering = context;
    zx_vaddr_t va = entry->va > gathering->va ? entry->va : gathering->va;
    zx_vaddr_t end = entry->va + entry->size < gathering->end ? entry->va + entry->size : gathering->end;

    for (; va < end; va += PAGE_SIZE) {
        struct vm_page *page = pmm_page_at(entry->paddr + (va - entry->va));
        VM_ASSERT(page != NULL);
        list_add_tail(gathering->list, &page->node);
    }
    return true;
}

/* Puts small pages in the place of a large one that goes on across va; the table is one of `frames`. */
static void split_at(zx_vaddr_t va, struct list_node *frames)
{
    struct page_table_entry entry;

    if (page_table_query(kernel_table(), va, &entry) == ZX_OK && entry.va < va)
        page_table_split(kernel_table(), va, take_first(frames));
}

/* Unmaps [va, va + size), all of which is mapped, and gives the frames back. Cannot fail. */
static void unmap_pages(zx_vaddr_t va, size_t size)
{
    struct list_node frames;
    struct gathering gathering = {va, va + size, &frames};

    if (size == 0)
        return;
    list_init(&frames);
    page_table_for_each(kernel_table(), va, size, gather, &gathering);
    split_at(va, &frames);
    split_at(va + size, &frames);
    page_table_unmap(kernel_table(), va, size);
    pmm_free_list(&frames);
}

/* Whether what was to be mapped is. What stands there already was entered by somebody else. */
static bool is_entered(zx_status_t status)
{
    VM_ASSERT(status != ZX_ERR_ALREADY_EXISTS);
    return status == ZX_OK;
}

/* Maps `size` bytes, aligned to that, by one run of physical memory. NO_MEMORY, nothing changed. */
static zx_status_t map_run(const struct virtual_alloc *allocator, zx_vaddr_t va, size_t size)
{
    struct list_node frames;
    size_t mapped = 0;

    list_init(&frames);
    if (pmm_alloc_contiguous(size >> PAGE_SHIFT, allocator->align_log2, allocator->page_state, &frames) !=
        ZX_OK)
        return ZX_ERR_NO_MEMORY;
    zx_paddr_t paddr = container_of(frames.next, struct vm_page, node)->paddr;
    while (mapped < size) {
        size_t step = size - mapped < VM_LARGE_SIZE ? size - mapped : VM_LARGE_SIZE;
        if (!is_entered(page_table_map(kernel_table(), va + mapped, paddr + mapped, step, MMU_FLAGS,
                                       PAGE_TABLE_EXISTING_ERROR))) {
            page_table_unmap(kernel_table(), va, mapped);
            pmm_free_list(&frames);
            return ZX_ERR_NO_MEMORY;
        }
        mapped += step;
    }
    while (!list_is_empty(&frames))
        take_first(&frames);
    return ZX_OK;
}

/* Maps single pages; *mapped of them. NO_MEMORY: those stay mapped, for the caller to unmap. */
static zx_status_t map_singles(const struct virtual_alloc *allocator, zx_vaddr_t va, size_t count,
                               size_t *mapped)
{
    zx_paddr_t paddrs[MAP_BATCH];
    struct list_node frames;

    *mapped = 0;
    list_init(&frames);
    if (pmm_alloc_pages(count, allocator->page_state, &frames) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    while (*mapped < count) {
        size_t batch = count - *mapped < MAP_BATCH ? count - *mapped : MAP_BATCH, i = 0;
        for (const struct list_node *node = frames.next; i < batch; node = node->next)
            paddrs[i++] = container_of(node, struct vm_page, node)->paddr;
        if (!is_entered(page_table_map_pages(kernel_table(), va + (*mapped << PAGE_SHIFT), paddrs, batch,
                                             MMU_FLAGS, PAGE_TABLE_EXISTING_ERROR))) {
            pmm_free_list(&frames);
            return ZX_ERR_NO_MEMORY;
        }
        for (i = 0; i < batch; i++)
            take_first(&frames);
        *mapped += batch;
    }
    return ZX_OK;
}

/* NO_MEMORY, nothing changed. */
static zx_status_t map_pages(const struct virtual_alloc *allocator, zx_vaddr_t va, size_t count)
{
    size_t run = (size_t)1 << allocator->align_log2, size = count << PAGE_SHIFT, done = 0, singles;

    if (virtual_alloc_can_attempt_contiguous_mappings(allocator) && (va & (run - 1)) == 0)
        while (size - done >= run && map_run(allocator, va + done, run) == ZX_OK)
            done += run;
    if (done == size)
        return ZX_OK;
    zx_status_t status = map_singles(allocator, va + done, (size - done) >> PAGE_SHIFT, &singles);
    if (status != ZX_OK)
        unmap_pages(va, done + (singles << PAGE_SHIFT));
    return status;
}

/* ---- Start and end ---- */

void virtual_alloc_construct(struct virtual_alloc *allocator, enum vm_page_state page_state)
{
    VM_ASSERT(page_state > VM_PAGE_FREE && page_state < VM_PAGE_STATE_COUNT);
    VM_ASSERT(page_state != VM_PAGE_WIRED && page_state != VM_PAGE_ZERO);
    *allocator = (struct virtual_alloc){.page_state = page_state};
}

static bool note_mapped(void *context, const struct page_table_entry *entry)
{
    (void)entry;
    *(bool *)context = true;
    return false;
}

static bool is_unmapped(zx_vaddr_t base, size_t size)
{
    bool mapped = false;

    page_table_for_each(kernel_table(), base, size, note_mapped, &mapped);
    return !mapped;
}

zx_status_t virtual_alloc_init(struct virtual_alloc *allocator, zx_vaddr_t base, size_t size,
                               size_t alloc_guard, uint8_t align_log2)
{
    size_t pages = size >> PAGE_SHIFT, bitmap_pages = (pages + PAGE_BITS - 1) / PAGE_BITS;

    if (allocator->pages != 0)
        return ZX_ERR_BAD_STATE;
    if (align_log2 < PAGE_SHIFT || align_log2 >= 64 || size == 0 ||
        ((base | size) & (((uint64_t)1 << align_log2) - 1)) != 0 || base + size < base ||
        bitmap_pages >= pages || alloc_guard > (pages - bitmap_pages - 1) / 2)
        return ZX_ERR_INVALID_ARGS;
    VM_ASSERT(aspace_is_set_aside(vm_aspace_kernel(), base, size));
    VM_ASSERT(is_unmapped(base, size)); /* another allocator has it */
    struct virtual_alloc fresh = {.page_state = allocator->page_state,
                                  .base = base,
                                  .pages = pages,
                                  .bitmap_pages = bitmap_pages,
                                  .guard = alloc_guard,
                                  .align_log2 = align_log2};
    if (map_pages(&fresh, base, bitmap_pages) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    for (size_t i = 0; i < bitmap_pages; i++)
        memset(words_at(&fresh, i * PAGE_BITS), 0, PAGE_SIZE);
    set_bits(&fresh, true, 0, bitmap_pages);
    *allocator = fresh;
    return ZX_OK;
}

void virtual_alloc_destroy(struct virtual_alloc *allocator)
{
    VM_ASSERT(allocator->outstanding == 0);
    if (allocator->pages != 0)
        unmap_pages(allocator->base, allocator->bitmap_pages << PAGE_SHIFT);
    virtual_alloc_construct(allocator, allocator->page_state);
}

/* ---- Findings ---- */

static void forget(struct virtual_alloc *allocator, unsigned i)
{
    allocator->finding_count--;
    for (; i < allocator->finding_count; i++)
        allocator->findings[i] = allocator->findings[i + 1];
}

/* The page before which no allocation of that size begins. */
static size_t first_candidate(const struct virtual_alloc *allocator, size_t size)
{
    size_t before = 0;

    for (unsigned i = 0; i < allocator->finding_count && allocator->findings[i].size <= size; i++)
        before = allocator->findings[i].before;
    return before;
}

static void forget_the_least(struct virtual_alloc *allocator)
{
    size_t least = SIZE_MAX, previous = 0;
    unsigned which = 0;

    for (unsigned i = 0; i < allocator->finding_count; i++) {
        size_t before = allocator->findings[i].before;
        if (before - previous < least) {
            least = before - previous;
            which = i;
        }
        previous = before;
    }
    forget(allocator, which);
}

/* A search for `size` pages has ended at page `before`. */
static void remember(struct virtual_alloc *allocator, size_t size, size_t before)
{
    unsigned i = 0, last = allocator->finding_count;

    if (first_candidate(allocator, size) == before)
        return;
    while (i < last && allocator->findings[i].size < size)
        i++;
    for (; last > i; last--)
        allocator->findings[last] = allocator->findings[last - 1];
    allocator->findings[i].size = size;
    allocator->findings[i].before = before;
    allocator->finding_count++;
    while (i + 1 < allocator->finding_count && allocator->findings[i + 1].before <= before)
        forget(allocator, i + 1);
    if (allocator->finding_count > VIRTUAL_ALLOC_FINDINGS)
        forget_the_least(allocator);
}

/* Pages [first, end) were freed: the hole that they are in may hold what did not fit before. A place that is
   new has one of them inside or as its guard, so the hole matters as far as the largest size reaches. */
static void note_hole(struct virtual_alloc *allocator, size_t first, size_t end)
{
    unsigned count = allocator->finding_count;
    size_t guards = 2 * allocator->guard;

    if (count == 0)
        return;
    size_t reach = allocator->findings[count - 1].size + guards;
    first = find_clear_before(allocator, first, first > reach ? first - reach : 0);
    end = find_bit(allocator, true, end, allocator->pages - end > reach ? end + reach : allocator->pages);
    size_t place = first + allocator->guard;
    for (unsigned i = 0;
         i < allocator->finding_count && allocator->findings[i].size + guards <= end - first;) {
        if (allocator->findings[i].before > place)
            allocator->findings[i].before = place;
        if (i > 0 && allocator->findings[i - 1].before == place)
            forget(allocator, i);
        else
            i++;
    }
}

/* ---- Allocating and freeing ---- */

/* The lowest place for `count` pages, which begins at page `first` or behind it; allocator->pages where there is
   none. */
static size_t search(struct virtual_alloc *allocator, size_t first, size_t count, size_t align_pages)
{
    size_t from = first > allocator->guard ? first - allocator->guard : 0;

    for (;;) {
        from = find_bit(allocator, false, from, allocator->pages);
        if (allocator->pages - from <= allocator->guard)
            return allocator->pages;
        size_t place = (from + allocator->guard + align_pages - 1) & ~(align_pages - 1);
        if (place >= allocator->pages || allocator->pages - place < count + allocator->guard)
            return allocator->pages;
        size_t end = place + count + allocator->guard;
        from = find_bit(allocator, true, from, end);
        if (from == end)
            return place;
    }
}

/* The lowest place for `count` pages; allocator->pages where there is none. */
static size_t find_place(struct virtual_alloc *allocator, size_t count)
{
    size_t room = allocator->pages - allocator->bitmap_pages - 2 * allocator->guard;
    size_t align_pages = (size_t)1 << (allocator->align_log2 - PAGE_SHIFT);

    if (count > room)
        return allocator->pages;
    if (count < align_pages)
        align_pages = 1; /* to align the small ones as well would waste most of the range */
    size_t place = search(allocator, first_candidate(allocator, count), count, align_pages);
    remember(allocator, count, place);
    return place;
}

zx_status_t virtual_alloc_alloc_pages(struct virtual_alloc *allocator, size_t count, zx_vaddr_t *out)
{
    if (allocator->pages == 0)
        return ZX_ERR_BAD_STATE;
    if (count == 0)
        return ZX_ERR_INVALID_ARGS;
    size_t place = find_place(allocator, count);
    if (place == allocator->pages || map_pages(allocator, address_of(allocator, place), count) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    set_bits(allocator, true, place, place + count);
    allocator->outstanding += count;
    *out = address_of(allocator, place);
    return ZX_OK;
}

/* All of the pages are allocated. */
static void free_run(struct virtual_alloc *allocator, size_t first, size_t count)
{
    set_bits(allocator, false, first, first + count);
    unmap_pages(address_of(allocator, first), count << PAGE_SHIFT);
    allocator->outstanding -= count;
    note_hole(allocator, first, first + count);
}

void virtual_alloc_free_pages(struct virtual_alloc *allocator, zx_vaddr_t va, size_t count)
{
    size_t first = index_of(allocator, va, count);

    VM_ASSERT(find_bit(allocator, false, first, first + count) == first + count);
    free_run(allocator, first, count);
}

bool virtual_alloc_can_attempt_contiguous_mappings(const struct virtual_alloc *allocator)
{
    return allocator->align_log2 > PAGE_SHIFT;
}

/* ---- For tests ---- */

size_t virtual_alloc_debug_bitmap_pages(const struct virtual_alloc *allocator)
{
    return allocator->bitmap_pages;
}

void virtual_alloc_debug_free_all_allocations(struct virtual_alloc *allocator)
{
    size_t first = allocator->bitmap_pages;

    while ((first = find_bit(allocator, true, first, allocator->pages)) < allocator->pages) {
        size_t end = find_bit(allocator, false, first, allocator->pages);
        free_run(allocator, first, end - first);
        first = end;
    }
    VM_ASSERT(allocator->outstanding == 0);
}

zx_status_t virtual_alloc_debug_allocate_vaddr_range(struct virtual_alloc *allocator, zx_vaddr_t va,
                                                     size_t count)
{
    size_t first = index_of(allocator, va, count);

    VM_ASSERT(find_bit(allocator, true, first, first + count) == first + count);
    zx_status_t status = map_pages(allocator, va, count);
    if (status != ZX_OK)
        return status;
    set_bits(allocator, true, first, first + count);
    allocator->outstanding += count;
    return ZX_OK;
}
