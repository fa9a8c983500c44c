/* SPDX-License-Identifier: MIT */
/* test_virtual_alloc.c: large buffers of the kernel against a model of one byte a page; each allocation failing in
   turn; the checker. White-box; what users see is in ../behaviour/virtual_alloc.c. */
#include "machine.h"

#include <vm/virtual_alloc.h>

#include "plant.h"

#define BASE        (VM_KERNEL_ASPACE_BASE + 64 * GIB)
#define LARGE_SHIFT 21

static struct virtual_alloc allocator;

static int setup(void **state)
{
    (void)state;
    machine_start_parts(64 * MIB, NULL);
    assert_int_equal(vm_aspace_set_aside(BASE, GIB), ZX_OK);
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    return 0;
}

/* Nothing may be left: the machine's stop counts the pages. */
static int teardown(void **state)
{
    assert_true(vm_check(&vm_log_sink));
    assert_true(processor_check(&vm_log_sink));
    virtual_alloc_destroy(&allocator);
    assert_true(vm_check(&vm_log_sink));
    return machine_teardown(state);
}

#define ALLOC_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static void init(size_t pages, size_t guard, uint8_t align_log2)
{
    assert_int_equal(virtual_alloc_init(&allocator, BASE, pages * PAGE_SIZE, guard, align_log2), ZX_OK);
}

static zx_vaddr_t alloc(size_t pages)
{
    zx_vaddr_t va = 0;

    assert_int_equal(virtual_alloc_alloc_pages(&allocator, pages, &va), ZX_OK);
    return va;
}

/* One byte, by a processor in the kernel. */
static zx_status_t touch(zx_vaddr_t va, uint32_t kind)
{
    char byte = 'v';
    size_t done;

    return processor_access(vm_aspace_kernel(), va, &byte, 1, kind | PROCESSOR_SUPERVISOR, &done);
}

static bool is_mapped(zx_vaddr_t va)
{
    struct page_table_entry entry;

    return page_table_query(vm_aspace_page_table(vm_aspace_kernel()), va, &entry) == ZX_OK;
}

static size_t leaf_size(zx_vaddr_t va)
{
    struct page_table_entry entry;

    assert_int_equal(page_table_query(vm_aspace_page_table(vm_aspace_kernel()), va, &entry), ZX_OK);
    return entry.size;
}

/* ---- Setting a range aside ---- */

static void test_set_aside(void **state)
{
    zx_vaddr_t last = VM_KERNEL_ASPACE_BASE + (VM_KERNEL_ASPACE_SIZE - PAGE_SIZE);

    (void)state;
    assert_int_equal(vm_aspace_set_aside(BASE, 0), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vm_aspace_set_aside(BASE + 1, PAGE_SIZE), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vm_aspace_set_aside(BASE, PAGE_SIZE + 1), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vm_aspace_set_aside(PAGE_SIZE, PAGE_SIZE), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vm_aspace_set_aside(last, PAGE_SIZE), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vm_aspace_set_aside(BASE + GIB - PAGE_SIZE, 2 * PAGE_SIZE), ZX_ERR_ALREADY_EXISTS);
    assert_int_equal(vm_aspace_set_aside(BASE + GIB, PAGE_SIZE), ZX_OK);
    assert_true(aspace_is_set_aside(vm_aspace_kernel(), BASE, GIB));
    assert_false(aspace_is_set_aside(vm_aspace_kernel(), BASE, GIB + PAGE_SIZE));
    assert_false(aspace_is_set_aside(vm_aspace_kernel(), BASE - PAGE_SIZE, PAGE_SIZE));
    host_fail_allocation(1, true);
    assert_int_equal(vm_aspace_set_aside(BASE - GIB, PAGE_SIZE), ZX_ERR_NO_MEMORY);
    host_fail_allocation(0, false);
    assert_int_equal(touch(BASE, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
}

static void discard(struct vm_sink *self, const char *text, size_t size)
{
    (void)self, (void)text, (void)size;
}

/* The checker accepts what an owner enters, and nothing else. */
static void test_check(void **state)
{
    struct vm_sink nowhere = {discard};
    struct page_table *table = vm_aspace_page_table(vm_aspace_kernel());
    struct vm_page *page = pmm_alloc_page(VM_PAGE_HEAP);
    const uint32_t flags = ARCH_MMU_READ | ARCH_MMU_GLOBAL;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        zx_vaddr_t va = i == 0 ? BASE : BASE - PAGE_SIZE;
        assert_int_equal(page_table_map(table, va, page->paddr, PAGE_SIZE, flags, PAGE_TABLE_EXISTING_ERROR),
                         ZX_OK);
        assert_int_equal(vm_check(&nowhere), i == 0);
        page_table_unmap(table, va, PAGE_SIZE);
    }
    assert_false(vm_check(&nowhere)); /* a page that nobody has */
    assert_int_equal(page_table_map(table, BASE, page->paddr, PAGE_SIZE, flags, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    pmm_set_state(page, VM_PAGE_ALLOC);
    assert_true(vm_check(&nowhere));
    /* two translations of one page are too many */
    assert_int_equal(page_table_map(table, BASE + GIB - PAGE_SIZE, page->paddr, PAGE_SIZE, flags,
                                    PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    assert_false(vm_check(&nowhere));
    page_table_unmap(table, BASE + GIB - PAGE_SIZE, PAGE_SIZE);
    pmm_free_page(page);
    assert_false(vm_check(&nowhere)); /* it is free */
    page_table_unmap(table, BASE, PAGE_SIZE);
}

/* ---- Large pages ---- */

static void test_large_pages(void **state)
{
    uint64_t random = 3;

    (void)state;
    init(GIB / PAGE_SIZE, 1, LARGE_SHIFT);
    assert_true(virtual_alloc_can_attempt_contiguous_mappings(&allocator));
    assert_int_equal(alloc(511), BASE + 9 * PAGE_SIZE); /* a small one is not aligned */
    for (unsigned round = 0; round < 100; round++) {
        zx_vaddr_t va = alloc(1024 + 7);
        assert_int_equal(va % (2 * MIB), 0);
        assert_int_equal(leaf_size(va), 2 * MIB);
        assert_int_equal(leaf_size(va + 4 * MIB), PAGE_SIZE);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(touch(va + i * 2 * MIB, PROCESSOR_WRITE), ZX_OK);
        /* a part of it, while there is no memory to split what it lies in */
        size_t first = draw_below(&random, 1031), count = 1 + draw_below(&random, 1031 - first);
        host_fail_allocation(1, true);
        virtual_alloc_free_pages(&allocator, va + first * PAGE_SIZE, count);
        host_fail_allocation(0, false);
        for (size_t i = 0; i < 1031; i++)
            assert_int_equal(is_mapped(va + i * PAGE_SIZE), i < first || i >= first + count);
        assert_true(vm_check(&vm_log_sink));
        assert_true(processor_check(&vm_log_sink));
        if (first > 0)
            virtual_alloc_free_pages(&allocator, va, first);
        if (first + count < 1031)
            virtual_alloc_free_pages(&allocator, va + (first + count) * PAGE_SIZE, 1031 - first - count);
    }
    virtual_alloc_debug_free_all_allocations(&allocator);
}

/* ---- Against a model ---- */

#define MODEL_PAGES 70000
static bool model[MODEL_PAGES]; /* whether a page is allocated */

/* The lowest place, page by page; MODEL_PAGES where there is none. */
static size_t model_place(size_t count, size_t guard, size_t align)
{
    size_t clear = 0;

    for (size_t end = 0; end < MODEL_PAGES; end++) {
        clear = model[end] ? 0 : clear + 1;
        if (end + 1 < count + 2 * guard)
            continue;
        size_t first = end + 1 - guard - count;
        if (clear >= count + 2 * guard && first % align == 0)
            return first;
    }
    return MODEL_PAGES;
}

static void model_set(size_t first, size_t count, bool value)
{
    for (size_t i = first; i < first + count; i++) {
        assert_int_equal(model[i], !value);
        model[i] = value;
    }
}

static size_t draw_size(uint64_t *random)
{
    switch (draw_below(random, 4)) {
    case 0:
        return 1 + draw_below(random, 3);
    case 1:
        return 1 + draw_below(random, 600);
    case 2:
        return 100;
    default:
        return 1 + draw_below(random, 40);
    }
}

static void model_alloc(uint64_t *random, size_t guard, uint8_t align_log2)
{
    size_t count = draw_size(random), align = (size_t)1 << (align_log2 - PAGE_SHIFT);
    size_t place = model_place(count, guard, count >= align ? align : 1);
    zx_vaddr_t va = 1;
    zx_status_t status = virtual_alloc_alloc_pages(&allocator, count, &va);

    if (status == ZX_ERR_NO_MEMORY && (place == MODEL_PAGES || pmm_count(VM_PAGE_FREE) < count + 8))
        return;
    assert_int_equal(status, ZX_OK);
    assert_int_equal(va, BASE + place * PAGE_SIZE);
    model_set(place, count, true);
}

/* Frees any part of what is allocated around a random page. */
static void model_free(uint64_t *random, size_t bitmap_pages, size_t pages)
{
    size_t first = bitmap_pages + draw_below(random, MODEL_PAGES / 8), count = 0;

    while (first < pages && !model[first])
        first++;
    size_t most = draw_size(random);
    while (count < most && first + count < pages && model[first + count])
        count++;
    if (count == 0)
        return;
    virtual_alloc_free_pages(&allocator, BASE + first * PAGE_SIZE, count);
    model_set(first, count, false);
}

/* What the allocator has noted of earlier searches: ascending, and true. */
static void check_findings(size_t guard, size_t align)
{
    size_t size = 0, before = 0;

    assert_true(allocator.finding_count <= VIRTUAL_ALLOC_FINDINGS);
    for (unsigned i = 0; i < allocator.finding_count; i++) {
        assert_true(allocator.findings[i].size > size && allocator.findings[i].before > before);
        size = allocator.findings[i].size;
        before = allocator.findings[i].before;
        size_t place = model_place(size, guard, size >= align ? align : 1);
        assert_true(place == MODEL_PAGES || place >= before);
    }
}

static void run_model(uint64_t seed, size_t guard, uint8_t align_log2)
{
    uint64_t random = seed;
    size_t pages = MODEL_PAGES & ~(((size_t)1 << (align_log2 - PAGE_SHIFT)) - 1);

    memset(model, 0, sizeof(model));
    memset(model + pages, 1, sizeof(model) - pages);
    init(pages, guard, align_log2);
    size_t bitmap_pages = virtual_alloc_debug_bitmap_pages(&allocator);
    model_set(0, bitmap_pages, true);
    for (unsigned step = 0; step < 600; step++) {
        if (draw_below(&random, 5) < 3)
            model_alloc(&random, guard, align_log2);
        else
            model_free(&random, bitmap_pages, pages);
        if (step % 5 == 0)
            check_findings(guard, (size_t)1 << (align_log2 - PAGE_SHIFT));
        if (step % 50 != 0)
            continue;
        for (size_t i = 0; i < pages; i++)
            assert_int_equal(is_mapped(BASE + i * PAGE_SIZE), model[i]);
        assert_true(vm_check(&vm_log_sink));
    }
    virtual_alloc_debug_free_all_allocations(&allocator);
    virtual_alloc_destroy(&allocator);
}

static void test_model(void **state)
{
    (void)state;
    run_model(1, 0, PAGE_SHIFT);
    run_model(2, 1, PAGE_SHIFT);
    run_model(3, 16, PAGE_SHIFT + 2);
    run_model(4, 3, LARGE_SHIFT);
}

/* Whatever sizes come, a few of them or many, each search begins where the last of its size ended: it passes
   no hole twice. Behind a free it begins where the hole has made place, and no lower. */
static void test_searches_go_on(void **state)
{
    zx_vaddr_t at[8], last = 0;

    (void)state;
    init(65536, 1, PAGE_SHIFT);
    assert_int_equal(virtual_alloc_debug_allocate_vaddr_range(&allocator, BASE + 9 * PAGE_SIZE, 2), ZX_OK);
    virtual_alloc_free_pages(&allocator, BASE + 9 * PAGE_SIZE, 2); /* nothing has been searched for */
    assert_int_equal(allocator.finding_count, 0);
    for (unsigned round = 0; round < 64; round++) {
        for (size_t size = 1; size <= 8; size++) {
            at[size - 1] = alloc(size);
            assert_true(at[size - 1] > last);
            last = at[size - 1];
        }
        for (unsigned i = 0; i < allocator.finding_count; i++)
            assert_true(allocator.findings[i].before >= (at[0] - BASE) / PAGE_SIZE);
        assert_true(allocator.finding_count > 0 && allocator.findings[0].size == 1);
    }
    /* a hole of four pages says nothing of eight */
    virtual_alloc_free_pages(&allocator, at[3], 4);
    assert_true(allocator.findings[allocator.finding_count - 1].size == 8);
    assert_int_equal(allocator.findings[allocator.finding_count - 1].before, (last - BASE) / PAGE_SIZE);
    assert_true(alloc(5) > last);
    assert_int_equal(alloc(4), at[3]);
    /* of what was refused, too, until something is freed that may be enough */
    assert_int_equal(virtual_alloc_alloc_pages(&allocator, 65500, &last), ZX_ERR_NO_MEMORY);
    assert_int_equal(allocator.findings[allocator.finding_count - 1].before, 65536);
    virtual_alloc_debug_free_all_allocations(&allocator);
}

/* ---- Failing allocations ---- */

static void test_failures_undo(void **state)
{
    uint64_t tables = pmm_count(VM_PAGE_MMU), taken = pmm_count(VM_PAGE_ALLOC);
    zx_status_t status = ZX_ERR_NO_MEMORY;
    uint64_t nth;
    zx_vaddr_t va = 1;

    (void)state;
    for (nth = 1; status != ZX_OK; nth++) {
        host_fail_allocation(nth, true);
        status = virtual_alloc_init(&allocator, BASE, GIB, 1, LARGE_SHIFT);
        if (status == ZX_OK)
            break;
        assert_int_equal(status, ZX_ERR_NO_MEMORY);
        assert_int_equal(virtual_alloc_alloc_pages(&allocator, 1, &va), ZX_ERR_BAD_STATE);
        assert_int_equal(pmm_count(VM_PAGE_MMU), tables);
        assert_int_equal(pmm_count(VM_PAGE_ALLOC), taken);
    }
    assert_true(nth > 8);
    tables = pmm_count(VM_PAGE_MMU), taken = pmm_count(VM_PAGE_ALLOC);
    for (unsigned persistent = 0; persistent < 2; persistent++) {
        unsigned refused = 0;
        for (nth = 1;; nth++) {
            host_fail_allocation(nth, persistent);
            status = virtual_alloc_alloc_pages(&allocator, 1024 + 200, &va);
            host_fail_allocation(0, false);
            if (status == ZX_OK) {
                virtual_alloc_free_pages(&allocator, va, 1024 + 200);
                if (nth > 1500)
                    break;
            } else {
                assert_int_equal(status, ZX_ERR_NO_MEMORY);
                refused++;
            }
            assert_int_equal(pmm_count(VM_PAGE_MMU), tables);
            assert_int_equal(pmm_count(VM_PAGE_ALLOC), taken);
            if (nth % 64 == 0)
                assert_true(vm_check(&vm_log_sink));
        }
        assert_true(refused > 200);
    }
    assert_int_equal(alloc(1224), BASE + 2 * MIB);
    virtual_alloc_debug_free_all_allocations(&allocator);
}

/* ---- The checker, and a rare end ---- */

/* What an owner may have entered by itself, and what not. */
static void test_check_aside(void **state)
{
    struct page_table *table = vm_aspace_page_table(vm_aspace_kernel());
    const zx_vaddr_t va = BASE + GIB / 2;
    struct list_node pages;
    (void)state;
    assert_int_equal(
        page_table_map(table, va, (zx_paddr_t)1 << 45, PAGE_SIZE, ARCH_MMU_READ, PAGE_TABLE_EXISTING_ERROR),
        ZX_OK); /* no memory of the machine's */
    assert_true(vm_check(&vm_log_sink));
    page_table_unmap(table, va, PAGE_SIZE);
    list_init(&pages);
    assert_int_equal(pmm_alloc_pages(1, VM_PAGE_ALLOC, &pages), ZX_OK);
    zx_paddr_t pa = container_of(pages.next, struct vm_page, node)->paddr;
    assert_int_equal(page_table_map(table, va, pa, PAGE_SIZE, ARCH_MMU_READ, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    assert_false(vm_check(report_begin()));
    assert_true(report_says("set aside, but the page is on a list"));
    page_table_unmap(table, va, PAGE_SIZE);
    pmm_free_list(&pages);
}

/* A run that is there, but no table to enter it: single pages do not help then either. */
static void test_no_table_for_a_run(void **state)
{
    const zx_vaddr_t base = BASE + 4 * GIB - 2 * MIB;
    zx_vaddr_t va;
    (void)state;
    assert_int_equal(vm_aspace_set_aside(base, GIB), ZX_OK);
    assert_int_equal(virtual_alloc_init(&allocator, base, GIB, 1, LARGE_SHIFT), ZX_OK);
    for (unsigned nth = 1; nth < 4; nth++) {
        uint64_t free_pages = pmm_count(VM_PAGE_FREE);
        host_fail_allocation(nth, true);
        zx_status_t status = virtual_alloc_alloc_pages(&allocator, 512, &va);
        host_fail_allocation(0, false);
        if (status == ZX_OK)
            virtual_alloc_free_pages(&allocator, va, 512);
        assert_true(status == ZX_OK || status == ZX_ERR_NO_MEMORY);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALLOC_TEST(test_check_aside),   ALLOC_TEST(test_no_table_for_a_run), ALLOC_TEST(test_set_aside),
        ALLOC_TEST(test_check),         ALLOC_TEST(test_large_pages),        ALLOC_TEST(test_model),
        ALLOC_TEST(test_failures_undo), ALLOC_TEST(test_searches_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
