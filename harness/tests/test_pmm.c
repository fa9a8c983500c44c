/* SPDX-License-Identifier: MIT */
/* test_pmm.c: physical pages against an array of states: order, runs, ranges, conservation, refusal without a
   trace. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <sys/mman.h>

#include "machine.h"
#include "plant.h"

static struct pmm_arena *arena_at(size_t index)
{
    return &vm_machine->pmm.arenas[index];
}

/* Two arenas with a hole between them, and a third that touches the second. */
static int parts_setup(void **state)
{
    static const struct pmm_range parts[] = {{0, MIB}, {2 * MIB, MIB}, {3 * MIB, 2 * MIB}, {0, 0}};

    (void)state;
    machine_start_parts(8 * MIB, parts);
    return 0;
}

#define PARTS_TEST(function) cmocka_unit_test_setup_teardown(function, parts_setup, machine_teardown)

static struct vm_page *first_of(struct list_node *list)
{
    return container_of(list->next, struct vm_page, node);
}

static size_t length_of(const struct list_node *list)
{
    size_t length = 0;

    list_for_each(node, list) length++;
    return length;
}

/* ---- Start ---- */

static void test_start_needs_room(void **state)
{
    struct pmm_range memory = host_memory_map(MIB);

    (void)state;
    for (size_t pages = 1; pages <= MIB / PAGE_SIZE; pages++) {
        struct pmm_range part = {memory.base, pages * PAGE_SIZE};
        size_t wired = pmm_wired_bytes(pages, sizeof(struct vm_machine));
        assert_true(is_page_aligned(wired));
        void *carved = pmm_carve(&part, sizeof(struct vm_machine));
        if (wired >= part.size) {
            assert_null(carved);
            continue;
        }
        assert_non_null(carved);
        assert_true((char *)carved + sizeof(struct vm_machine) <=
                    (char *)port_phys_to_virt(memory.base) + wired);
        assert_true((char *)carved >=
                    (char *)port_phys_to_virt(memory.base) + pages * sizeof(struct vm_page));
    }
    host_memory_unmap(memory);
}

static void test_start_counts(void **state)
{
    (void)state;
    assert_int_equal(pmm_total(), 1024);
    uint64_t sum = 0;
    for (int page_state = 0; page_state < VM_PAGE_STATE_COUNT; page_state++)
        sum += pmm_count((enum vm_page_state)page_state);
    assert_int_equal(sum, 1024);
    assert_int_equal(pmm_count(VM_PAGE_ZERO), 1);
    assert_int_equal(arena_at(0)->fresh << PAGE_SHIFT > pmm_wired_bytes(256, sizeof(struct vm_machine)),
                     true);
    assert_int_equal(arena_at(1)->fresh << PAGE_SHIFT, pmm_wired_bytes(256, 0));
    assert_int_equal(arena_at(2)->fresh << PAGE_SHIFT, pmm_wired_bytes(512, 0));
    assert_true(pmm_check(&vm_log_sink));
}

static void test_page_at(void **state)
{
    (void)state;
    assert_null(pmm_page_at(machine_memory.base - 1));
    assert_ptr_equal(pmm_page_at(machine_memory.base), arena_at(0)->page_array);
    assert_ptr_equal(pmm_page_at(machine_memory.base + MIB - 1), &arena_at(0)->page_array[255]);
    assert_null(pmm_page_at(machine_memory.base + MIB));
    assert_null(pmm_page_at(machine_memory.base + 2 * MIB - 1));
    assert_ptr_equal(pmm_page_at(machine_memory.base + 3 * MIB - 1), &arena_at(1)->page_array[255]);
    assert_ptr_equal(pmm_page_at(machine_memory.base + 3 * MIB), arena_at(2)->page_array);
    assert_null(pmm_page_at(machine_memory.base + 5 * MIB));
    assert_null(pmm_page_at(UINT64_MAX));
}

/* ---- Order ---- */

static void test_ascending_then_last_freed_first(void **state)
{
    struct vm_page *pages[3], *page;
    zx_paddr_t last = 0;
    struct list_node all;

    (void)state;
    for (int i = 0; i < 3; i++)
        pages[i] = pmm_alloc_page(VM_PAGE_ALLOC);
    pmm_free_page(pages[1]);
    pmm_free_page(pages[0]);
    pmm_free_page(pages[2]);
    assert_ptr_equal(pmm_alloc_page(VM_PAGE_ALLOC), pages[2]);
    assert_ptr_equal(pmm_alloc_page(VM_PAGE_ALLOC), pages[0]);
    assert_ptr_equal(pmm_alloc_page(VM_PAGE_ALLOC), pages[1]);

    list_init(&all);
    while ((page = pmm_alloc_page(VM_PAGE_OBJECT)) != NULL) {
        assert_true(page->paddr > last);
        last = page->paddr;
        list_add_tail(&all, &page->node);
    }
    assert_int_equal(pmm_count(VM_PAGE_FREE), 0);
    assert_true(pmm_check(&vm_log_sink));
    pmm_free_list(&all);
    assert_true(list_is_empty(&all));
    for (int i = 0; i < 3; i++)
        pmm_free_page(pages[i]);
}

/* Taking a run does not disturb the order in which single pages come. */
static void test_run_then_ascending(void **state)
{
    struct list_node run;
    struct vm_page *page;
    zx_paddr_t last = 0;

    (void)state;
    list_init(&run);
    assert_int_equal(pmm_alloc_range(machine_memory.base + 4 * MIB, 3, VM_PAGE_ALLOC, &run), ZX_OK);
    struct list_node all;
    list_init(&all);
    while ((page = pmm_alloc_page(VM_PAGE_HEAP)) != NULL) {
        assert_true(page->paddr > last);
        last = page->paddr;
        list_add_tail(&all, &page->node);
    }
    pmm_free_list(&all);
    pmm_free_list(&run);
    assert_true(pmm_check(&vm_log_sink));
}

/* ---- Refusal ---- */

static void test_alloc_pages_takes_all_or_none(void **state)
{
    struct vm_page *next = pmm_alloc_page(VM_PAGE_ALLOC), *mine = pmm_alloc_page(VM_PAGE_ALLOC);
    uint64_t free_pages;
    struct list_node list;

    (void)state;
    pmm_free_page(next);
    list_init(&list);
    list_add_tail(&list, &mine->node); /* what the caller had stays */
    free_pages = pmm_count(VM_PAGE_FREE);
    assert_int_equal(pmm_alloc_pages(free_pages + 1, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY);
    assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
    assert_int_equal(length_of(&list), 1);
    for (uint64_t nth = 1; nth <= 5; nth++) {
        host_fail_allocation(nth, false);
        assert_int_equal(pmm_alloc_pages(5, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
    }
    host_fail_allocation(6, false);
    assert_int_equal(pmm_alloc_pages(5, VM_PAGE_ALLOC, &list), ZX_OK);
    assert_null(pmm_alloc_page(VM_PAGE_ALLOC));
    assert_int_equal(length_of(&list), 6);
    assert_ptr_equal(first_of(&list), mine);
    /* The refused attempts changed no order. */
    assert_ptr_equal(container_of(list.next->next, struct vm_page, node), next);
    for (const struct list_node *node = list.next->next->next; node->next != &list; node = node->next)
        assert_int_equal(container_of(node, struct vm_page, node)->paddr + PAGE_SIZE,
                         container_of(node->next, struct vm_page, node)->paddr);
    assert_int_equal(pmm_alloc_pages(0, VM_PAGE_ALLOC, &list), ZX_OK);
    pmm_free_list(&list);
    assert_true(pmm_check(&vm_log_sink));
}

static void test_ranges(void **state)
{
    struct list_node list;
    zx_paddr_t base = machine_memory.base;

    (void)state;
    list_init(&list);
    assert_int_equal(pmm_alloc_range(base + MIB, 1, VM_PAGE_ALLOC, &list), ZX_ERR_NOT_FOUND);
    assert_int_equal(pmm_alloc_range(base + MIB - PAGE_SIZE, 2, VM_PAGE_ALLOC, &list), ZX_ERR_NOT_FOUND);
    assert_int_equal(pmm_alloc_range(0 - (zx_paddr_t)PAGE_SIZE, 2, VM_PAGE_ALLOC, &list), ZX_ERR_NOT_FOUND);
    assert_int_equal(pmm_alloc_range(base, SIZE_MAX, VM_PAGE_ALLOC, &list), ZX_ERR_NOT_FOUND);
    assert_int_equal(pmm_alloc_range(base, 1, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY); /* wired */
    assert_true(list_is_empty(&list));

    assert_int_equal(pmm_alloc_range(base + MIB - PAGE_SIZE, 1, VM_PAGE_ALLOC, &list), ZX_OK);
    assert_int_equal(pmm_alloc_range(base + MIB - 3 * PAGE_SIZE, 3, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY);
    assert_int_equal(pmm_alloc_range(base + MIB - 3 * PAGE_SIZE, 2, VM_PAGE_ALLOC, &list), ZX_OK);
    /* Across the border of two arenas lie the page structures of the upper one. */
    assert_int_equal(pmm_alloc_range(base + 3 * MIB - PAGE_SIZE, 2, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY);
    assert_int_equal(length_of(&list), 3);
    assert_true(pmm_check(&vm_log_sink));
    host_fail_allocation(1, false);
    assert_int_equal(pmm_alloc_range(base + 4 * MIB, 1, VM_PAGE_ALLOC, &list), ZX_ERR_NO_MEMORY);
    pmm_free_list(&list);
}

/* ---- Contiguous runs against a naive search ---- */

static bool naive_run(size_t count, uint8_t align_log2, zx_paddr_t *out)
{
    for (size_t i = 0; i < vm_machine->pmm.arena_count; i++) {
        const struct pmm_arena *arena = arena_at(i);
        for (size_t first = 0; first + count <= arena->pages; first++) {
            size_t run = 0;
            while (run < count && arena->page_array[first + run].state == VM_PAGE_FREE)
                run++;
            *out = arena->base + first * PAGE_SIZE;
            if (run == count && *out % ((zx_paddr_t)1 << align_log2) == 0)
                return true;
        }
    }
    return false;
}

static void take_run(size_t count, uint8_t align_log2, struct list_node *held)
{
    struct list_node run;
    zx_paddr_t expected = 0;
    bool exists = naive_run(count, align_log2, &expected);

    list_init(&run);
    zx_status_t status = pmm_alloc_contiguous(count, align_log2, VM_PAGE_OBJECT, &run);
    assert_int_equal(status, exists ? ZX_OK : ZX_ERR_NO_MEMORY);
    assert_int_equal(length_of(&run), exists ? count : 0);
    while (!list_is_empty(&run)) {
        struct vm_page *page = first_of(&run);
        assert_int_equal(page->paddr, expected);
        expected += PAGE_SIZE;
        list_remove(&page->node);
        list_add_tail(held, &page->node);
    }
}

static void test_random_runs(void **state)
{
    struct list_node held;
    uint64_t random = 7;

    (void)state;
    list_init(&held);
    for (int step = 0; step < 3000; step++) {
        struct vm_page *page;
        switch (draw_below(&random, 4)) {
        case 0:
            take_run(1 + draw_below(&random, 40), (uint8_t)(PAGE_SHIFT + draw_below(&random, 10)), &held);
            break;
        case 1:
            page = pmm_alloc_page(VM_PAGE_ALLOC);
            if (page != NULL)
                list_add_tail(&held, &page->node);
            break;
        default:
            for (uint64_t frees = draw_below(&random, 12); frees > 0 && !list_is_empty(&held); frees--) {
                struct list_node *node = held.next;
                for (uint64_t skip = draw_below(&random, 9); skip > 0 && node->next != &held; skip--)
                    node = node->next;
                list_remove(node);
                pmm_free_page(container_of(node, struct vm_page, node));
            }
            break;
        }
        if (step % 16 == 0)
            assert_true(pmm_check(&vm_log_sink));
    }
    /* A run that no alignment of this memory admits. */
    take_run(1, 40, &held);
    take_run(600, PAGE_SHIFT, &held);
    pmm_free_list(&held);
    take_run(300, PAGE_SHIFT, &held);
    pmm_free_list(&held);
    assert_true(pmm_check(&vm_log_sink));
}

static void test_states(void **state)
{
    struct vm_page *page = pmm_alloc_page(VM_PAGE_ALLOC);
    uint64_t objects = pmm_count(VM_PAGE_OBJECT);

    (void)state;
    assert_int_equal(page->state, VM_PAGE_ALLOC);
    pmm_set_state(page, VM_PAGE_OBJECT);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), objects + 1);
    assert_int_equal(pmm_count(VM_PAGE_ALLOC), 0);
    page->vmo_offset = 77;
    pmm_free_page(page);
    assert_int_equal(page->vmo_offset, 0);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), objects);
}

static void discard(struct vm_sink *self, const char *text, size_t size)
{
    (void)self, (void)text, (void)size;
}

static void test_check_finds_damage(void **state)
{
    struct vm_sink nowhere = {discard};
    struct vm_page *page = pmm_alloc_page(VM_PAGE_ALLOC), *free_page = pmm_alloc_page(VM_PAGE_ALLOC);

    (void)state;
    pmm_free_page(free_page);
    assert_true(pmm_check(&nowhere));
    page->state = VM_PAGE_HEAP;
    assert_false(pmm_check(&nowhere));
    page->state = VM_PAGE_FREE;
    assert_false(pmm_check(&nowhere));
    page->state = VM_PAGE_STATE_COUNT;
    assert_false(pmm_check(&nowhere));
    page->state = VM_PAGE_ALLOC;
    page->paddr += PAGE_SIZE;
    assert_false(pmm_check(&nowhere));
    page->paddr -= PAGE_SIZE;
    free_page->table_entries = 1;
    assert_false(pmm_check(&nowhere));
    free_page->table_entries = 0;
    list_remove(&free_page->node);
    assert_false(pmm_check(&nowhere));
    list_add_head(&vm_machine->pmm.free, &free_page->node);
    vm_machine->pmm.counts[VM_PAGE_WIRED]++;
    assert_false(pmm_check(&nowhere));
    vm_machine->pmm.counts[VM_PAGE_WIRED]--;
    assert_true(pmm_check(&nowhere));
    pmm_free_page(page);
}

#define PLANT(place, value, words) PLANT_FOR(pmm_check(report_begin()), place, value, words)

static void test_check_says_what(void **state)
{
    struct vm_page *page = pmm_alloc_page(VM_PAGE_ALLOC);
    struct pmm *pmm = &vm_machine->pmm;
    struct pmm_arena *arena = &pmm->arenas[pmm->arena_count - 1];
    struct vm_page *fresh = &arena->page_array[arena->pages - 1];

    (void)state;
    pmm_free_page(page);
    assert_true(arena->fresh < arena->pages);
    PLANT(fresh->state, VM_PAGE_ALLOC, "was never taken and yet used");
    PLANT(fresh->node.next, &pmm->free, "was never taken and yet used");
    PLANT(fresh->paddr, PAGE_SIZE, "was never taken and yet used");
    PLANT(page->vmo, (struct vm_vmo *)(void *)page, "is free and in use");
    PLANT(page->pin_count, 1, "is free and in use");
    PLANT(page->sharers, 1, "is free and in use");
    PLANT(page->paddr, page->paddr + PAGE_SIZE, "the free list is broken at its member");
    PLANT(page->state, VM_PAGE_ALLOC, "the free list is broken at its member");
    PLANT(page->node.next->prev, NULL, "the free list is broken at its member");
    PLANT(pmm->total, 0, "the free list is broken at its member");
    PLANT(pmm->total, pmm->total + 1, "the total says");
    assert_true(pmm_check(&vm_log_sink));
}

void __asan_unpoison_memory_region(void const volatile *address, size_t size) __attribute__((weak));

/* How much memory there is, is for the host to say: here more than a window of 40 bits would hold. */
static void test_memory_is_as_large_as_asked(void **state)
{
    const size_t bytes = 3 * 1024 * GIB / 2;

    (void)state;
    if (__asan_unpoison_memory_region != NULL)
        skip(); /* that would touch the sanitizer's own memory, an eighth of it */
    void *tried =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (tried == MAP_FAILED) {
        print_message("this host has no room for it\n");
        skip();
    }
    munmap(tried, bytes);
    const struct pmm_range memory = host_memory_map(bytes);
    assert_int_equal(memory.size, bytes);
    char *first = port_phys_to_virt(memory.base), *last = port_phys_to_virt(memory.base + bytes - 1);
    assert_ptr_equal(last, first + bytes - 1);
    *first = *last = 1;
    host_memory_unmap(memory);
    assert_int_equal(host_memory_map((size_t)1 << 45).size, 0);
    assert_int_equal(host_memory_map(SIZE_MAX).size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_as_large_as_asked),
        cmocka_unit_test(test_start_needs_room),
        PARTS_TEST(test_start_counts),
        PARTS_TEST(test_page_at),
        PARTS_TEST(test_ascending_then_last_freed_first),
        PARTS_TEST(test_run_then_ascending),
        PARTS_TEST(test_alloc_pages_takes_all_or_none),
        PARTS_TEST(test_ranges),
        PARTS_TEST(test_random_runs),
        PARTS_TEST(test_states),
        PARTS_TEST(test_check_finds_damage),
        PARTS_TEST(test_check_says_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
