/* SPDX-License-Identifier: MIT */
/*
 * test_page_table.c: page tables against an array of translations.
 *
 * The window under test straddles a 512 GiB boundary, so that every level has an edge in it. The software
 * processor caches translations throughout and forgets only what it is told; processor_check finds every
 * removal that was not reported.
 */
#include "machine.h"
#include "plant.h"

#define WINDOW_PAGES 4096 /* 16 MiB: eight large pages */
#define WINDOW_BASE  (((zx_vaddr_t)1 << 39) - WINDOW_PAGES / 2 * PAGE_SIZE)
#define LARGE_PAGES  512
#define LARGE_SIZE   (2 * MIB)

#define RW   (ARCH_MMU_READ | ARCH_MMU_WRITE | ARCH_MMU_USER)
#define RO   (ARCH_MMU_READ | ARCH_MMU_USER)
#define RX   (ARCH_MMU_READ | ARCH_MMU_EXECUTE | ARCH_MMU_USER)
#define RWX  (RW | ARCH_MMU_EXECUTE)
#define KERN (ARCH_MMU_READ | ARCH_MMU_WRITE | ARCH_MMU_GLOBAL)

struct translation {
    zx_paddr_t paddr;
    uint32_t flags; /* 0: none */
};

/* The space under test and what it should translate. */
struct fixture {
    struct vm_aspace *aspace;
    struct page_table *table;
    struct translation model[WINDOW_PAGES], actual[WINDOW_PAGES];
    uint64_t random;
};

static int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    machine_setup(NULL);
    fixture->aspace = vm_aspace_create(VM_ASPACE_USER, "test");
    assert_non_null(fixture->aspace);
    fixture->table = vm_aspace_page_table(fixture->aspace);
    *state = fixture;
    return 0;
}

static int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    vm_aspace_destroy(fixture->aspace);
    vm_aspace_release(fixture->aspace);
    free(fixture);
    return machine_teardown(NULL);
}

#define SPACE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

static zx_vaddr_t page_va(size_t page)
{
    return WINDOW_BASE + page * PAGE_SIZE;
}

/* ---- Comparing ---- */

static bool note_entry(void *context, const struct page_table_entry *entry)
{
    struct fixture *fixture = context;

    for (size_t offset = 0; offset < entry->size; offset += PAGE_SIZE) {
        size_t page = (entry->va + offset - WINDOW_BASE) / PAGE_SIZE;
        assert_true(page < WINDOW_PAGES);
        fixture->actual[page] = (struct translation){entry->paddr + offset, entry->flags};
    }
    return true;
}

static void compare(struct fixture *fixture)
{
    memset(fixture->actual, 0, sizeof(fixture->actual));
    page_table_for_each(fixture->table, WINDOW_BASE, WINDOW_PAGES * PAGE_SIZE, note_entry, fixture);
    for (size_t page = 0; page < WINDOW_PAGES; page++) {
        const struct translation *model = &fixture->model[page], *actual = &fixture->actual[page];
        if (model->flags != actual->flags || (model->flags != 0 && model->paddr != actual->paddr))
            fail_msg("page %zu: is %#llx flags %#x, should be %#llx flags %#x", page,
                     (unsigned long long)actual->paddr, actual->flags, (unsigned long long)model->paddr,
                     model->flags);
    }
    assert_true(page_table_check(fixture->table, &vm_log_sink));
    assert_true(processor_check(&vm_log_sink));
}

/* Makes the processor remember the page, when there is one, in every way that it allows. */
static void touch(struct fixture *fixture, size_t page)
{
    uint32_t flags = fixture->model[page].flags;
    size_t done;
    char byte;

    if (flags == 0)
        return;
    assert_int_equal(processor_access(fixture->aspace, page_va(page), &byte, 1, PROCESSOR_READ, &done),
                     ZX_OK);
    if (flags & ARCH_MMU_WRITE)
        assert_int_equal(processor_access(fixture->aspace, page_va(page), &byte, 1, PROCESSOR_WRITE, &done),
                         ZX_OK);
    if (flags & ARCH_MMU_EXECUTE)
        assert_int_equal(processor_access(fixture->aspace, page_va(page), &byte, 1, PROCESSOR_EXECUTE, &done),
                         ZX_OK);
}

/* ---- The model ---- */

static void model_set(struct fixture *fixture, size_t first, size_t count, zx_paddr_t paddr, uint32_t flags,
                      enum page_table_existing existing)
{
    for (size_t i = 0; i < count; i++) {
        if (fixture->model[first + i].flags == 0 || existing == PAGE_TABLE_EXISTING_REPLACE)
            fixture->model[first + i] = (struct translation){paddr + i * PAGE_SIZE, flags};
    }
}

static bool model_any(const struct fixture *fixture, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (fixture->model[i].flags != 0)
            return true;
    }
    return false;
}

static void model_change(struct fixture *fixture, size_t first, size_t count, uint32_t flags)
{
    for (size_t i = first; i < first + count; i++) {
        if (fixture->model[i].flags != 0)
            fixture->model[i].flags = (flags & ARCH_MMU_READ) != 0 ? flags : 0;
    }
}

/* Without memory for a split: the large page around this edge of a change goes, unless the change changes
   nothing of it. */
static void model_lose_edge(struct fixture *fixture, size_t edge, size_t first, size_t count, uint32_t flags)
{
    struct page_table_entry entry;

    if (page_table_query(fixture->table, page_va(edge), &entry) != ZX_OK || entry.size == PAGE_SIZE)
        return;
    size_t large = (entry.va - WINDOW_BASE) / PAGE_SIZE;
    if ((large >= first && large + LARGE_PAGES <= first + count) || entry.flags == flags)
        return;
    for (size_t i = large; i < large + LARGE_PAGES; i++)
        fixture->model[i].flags = 0;
}

/* ---- Random operations ---- */

/* A range of pages: short, or long, or of whole large pages. */
static void draw_range(struct fixture *fixture, size_t *first, size_t *count)
{
    *first = draw_below(&fixture->random, WINDOW_PAGES);
    switch (draw_below(&fixture->random, 4)) {
    case 0:
        *count = 1;
        break;
    case 1:
        *count = 1 + draw_below(&fixture->random, 16);
        break;
    case 2:
        *count = 1 + draw_below(&fixture->random, 1200);
        break;
    default:
        *first &= ~(size_t)(LARGE_PAGES - 1);
        *count = LARGE_PAGES * (1 + draw_below(&fixture->random, 3));
        break;
    }
    if (*count > WINDOW_PAGES - *first)
        *count = WINDOW_PAGES - *first;
}

static uint32_t draw_flags(struct fixture *fixture)
{
    static const uint32_t flags[] = {RO, RW, RX, RWX};

    return flags[draw_below(&fixture->random, 4)];
}

/* A run of physical memory that exists, in step with the window when it should fill large pages. */
static zx_paddr_t draw_paddr(struct fixture *fixture, size_t first)
{
    zx_paddr_t base = machine_memory.base + draw_below(&fixture->random, 8) * LARGE_SIZE;

    if (draw_below(&fixture->random, 3) == 0)
        return base + draw_below(&fixture->random, LARGE_PAGES) * PAGE_SIZE;
    return base + first % LARGE_PAGES * PAGE_SIZE;
}

static void step_map(struct fixture *fixture, bool starved)
{
    size_t first, count;
    draw_range(fixture, &first, &count);
    enum page_table_existing existing = draw_below(&fixture->random, 3);
    uint32_t flags = draw_flags(fixture);
    zx_paddr_t paddr = draw_paddr(fixture, first);
    uint64_t tables = fixture->table->table_pages, free_pages = pmm_count(VM_PAGE_FREE);
    zx_status_t status;

    if (draw_below(&fixture->random, 3) == 0) {
        zx_paddr_t paddrs[16];
        count = count < 16 ? count : 16;
        for (size_t i = 0; i < count; i++)
            paddrs[i] = paddr + i * PAGE_SIZE;
        status = page_table_map_pages(fixture->table, page_va(first), paddrs, count, flags, existing);
    } else {
        status = page_table_map(fixture->table, page_va(first), paddr, count * PAGE_SIZE, flags, existing);
    }
    if (existing == PAGE_TABLE_EXISTING_ERROR && model_any(fixture, first, count)) {
        assert_int_equal(status, ZX_ERR_ALREADY_EXISTS);
    } else if (status == ZX_OK) {
        model_set(fixture, first, count, paddr, flags, existing);
    } else {
        assert_true(starved);
        assert_int_equal(status, ZX_ERR_NO_MEMORY);
    }
    if (status != ZX_OK) {
        assert_int_equal(fixture->table->table_pages, tables);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
    }
}

static void step_change(struct fixture *fixture, bool starved)
{
    size_t first, count;
    draw_range(fixture, &first, &count);
    uint32_t flags = draw_below(&fixture->random, 2) == 0 ? 0 : draw_flags(fixture);

    if (starved) {
        model_lose_edge(fixture, first, first, count, flags);
        model_lose_edge(fixture, first + count - 1, first, count, flags);
    }
    if (flags == 0 && draw_below(&fixture->random, 2) == 0)
        page_table_unmap(fixture->table, page_va(first), count * PAGE_SIZE);
    else
        page_table_protect(fixture->table, page_va(first), count * PAGE_SIZE, flags);
    model_change(fixture, first, count, flags);
}

static void run_random(struct fixture *fixture, uint64_t seed, unsigned steps)
{
    fixture->random = seed;
    for (unsigned step = 0; step < steps; step++) {
        bool starved = draw_below(&fixture->random, 4) == 0;
        for (size_t page = draw_below(&fixture->random, 8); page < WINDOW_PAGES;
             page += 1 + draw_below(&fixture->random, 64))
            touch(fixture, page);
        if (starved)
            host_fail_allocation(1, true);
        if (draw_below(&fixture->random, 2) == 0)
            step_map(fixture, starved);
        else
            step_change(fixture, starved);
        host_fail_allocation(0, false);
        compare(fixture);
    }
    page_table_unmap(fixture->table, WINDOW_BASE, WINDOW_PAGES * PAGE_SIZE);
    memset(fixture->model, 0, sizeof(fixture->model));
    compare(fixture);
    assert_int_equal(fixture->table->table_pages, 1);
}

static void test_random(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_random(*state, seed, 400);
}

/* ---- One thing at a time ---- */

static struct page_table_entry query(struct fixture *fixture, zx_vaddr_t va)
{
    struct page_table_entry entry;

    assert_int_equal(page_table_query(fixture->table, va, &entry), ZX_OK);
    return entry;
}

static void expect_none(struct fixture *fixture, zx_vaddr_t va)
{
    struct page_table_entry entry;

    assert_int_equal(page_table_query(fixture->table, va, &entry), ZX_ERR_NOT_FOUND);
}

static void test_tables_come_and_go(void **state)
{
    struct fixture *fixture = *state;
    zx_paddr_t paddr = machine_memory.base;

    assert_int_equal(fixture->table->table_pages, 1);
    assert_int_equal(
        page_table_map(fixture->table, page_va(0), paddr, PAGE_SIZE, RO, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(fixture->table->table_pages, 4);
    assert_int_equal(
        page_table_map(fixture->table, page_va(1), paddr, PAGE_SIZE, RO, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(fixture->table->table_pages, 4);
    assert_int_equal(pmm_count(VM_PAGE_MMU), 4 + vm_machine->kernel_aspace->table.table_pages);
    page_table_unmap(fixture->table, page_va(0), PAGE_SIZE);
    assert_int_equal(fixture->table->table_pages, 4);
    page_table_unmap(fixture->table, page_va(1), PAGE_SIZE);
    assert_int_equal(fixture->table->table_pages, 1);
    assert_int_equal(pmm_count(VM_PAGE_MMU), 1 + vm_machine->kernel_aspace->table.table_pages);
}

static void test_large_pages(void **state)
{
    struct fixture *fixture = *state;
    zx_paddr_t paddr = machine_memory.base;

    /* One page, a large page, one page. */
    assert_int_equal(page_table_map(fixture->table, page_va(511), paddr + LARGE_SIZE - PAGE_SIZE,
                                    LARGE_SIZE + 2 * PAGE_SIZE, RW, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    assert_int_equal(query(fixture, page_va(511)).size, PAGE_SIZE);
    assert_int_equal(query(fixture, page_va(512)).size, LARGE_SIZE);
    assert_int_equal(query(fixture, page_va(600)).va, page_va(512));
    assert_int_equal(query(fixture, page_va(600)).paddr, paddr + LARGE_SIZE);
    assert_int_equal(query(fixture, page_va(1024)).size, PAGE_SIZE);

    /* The same protection again: nothing to split. */
    page_table_protect(fixture->table, page_va(600), PAGE_SIZE, RW);
    assert_int_equal(query(fixture, page_va(600)).size, LARGE_SIZE);
    page_table_protect(fixture->table, page_va(600), PAGE_SIZE, RO);
    assert_int_equal(query(fixture, page_va(600)).size, PAGE_SIZE);
    assert_int_equal(query(fixture, page_va(600)).flags, RO);
    assert_int_equal(query(fixture, page_va(601)).flags, RW);
    assert_int_equal(query(fixture, page_va(601)).paddr, paddr + LARGE_SIZE + 89 * PAGE_SIZE);

    /* Another run over all of it takes the small ones' table away again. */
    uint64_t tables = fixture->table->table_pages;
    assert_int_equal(
        page_table_map(fixture->table, page_va(512), paddr, LARGE_SIZE, RX, PAGE_TABLE_EXISTING_REPLACE),
        ZX_OK);
    assert_int_equal(query(fixture, page_va(600)).size, LARGE_SIZE);
    assert_int_equal(fixture->table->table_pages, tables - 1);
    assert_true(page_table_check(fixture->table, &vm_log_sink));
    page_table_unmap(fixture->table, page_va(0), WINDOW_PAGES * PAGE_SIZE);
    assert_int_equal(fixture->table->table_pages, 1);
}

static void test_gigabyte_pages(void **state)
{
    struct fixture *fixture = *state;
    struct page_table *table = fixture->table;
    zx_vaddr_t va = 5 * GIB;

    table->largest_level = 3;
    assert_int_equal(page_table_map(table, va, 7 * GIB, GIB, RW, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(table->table_pages, 2);
    assert_int_equal(query(fixture, va + 12345 * PAGE_SIZE).size, GIB);

    /* One page out of it: 1 GiB becomes 2 MiB, one of which becomes 4 KiB. */
    page_table_unmap(table, va + 1000 * PAGE_SIZE, PAGE_SIZE);
    assert_int_equal(table->table_pages, 4);
    expect_none(fixture, va + 1000 * PAGE_SIZE);
    assert_int_equal(query(fixture, va + 1001 * PAGE_SIZE).size, PAGE_SIZE);
    assert_int_equal(query(fixture, va + 1001 * PAGE_SIZE).paddr, 7 * GIB + 1001 * PAGE_SIZE);
    assert_int_equal(query(fixture, va).size, LARGE_SIZE);
    assert_int_equal(query(fixture, va + GIB - 1).paddr, 8 * GIB - LARGE_SIZE);
    assert_true(page_table_check(table, &vm_log_sink));

    /* A small page in the midst of one replaces just that: two splits at once. */
    assert_int_equal(page_table_map(table, va, 7 * GIB, GIB, RO, PAGE_TABLE_EXISTING_REPLACE), ZX_OK);
    assert_int_equal(table->table_pages, 2);
    host_fail_allocation(2, false);
    assert_int_equal(page_table_map(table, va + LARGE_SIZE, 0, PAGE_SIZE, RW, PAGE_TABLE_EXISTING_REPLACE),
                     ZX_ERR_NO_MEMORY);
    assert_int_equal(query(fixture, va + LARGE_SIZE).size, GIB);
    assert_int_equal(page_table_map(table, va + LARGE_SIZE, 0, PAGE_SIZE, RW, PAGE_TABLE_EXISTING_REPLACE),
                     ZX_OK);
    assert_int_equal(table->table_pages, 4);
    assert_int_equal(query(fixture, va + LARGE_SIZE).paddr, 0);
    assert_int_equal(query(fixture, va + LARGE_SIZE + PAGE_SIZE).flags, RO);
    page_table_unmap(table, va, GIB);
    assert_int_equal(table->table_pages, 1);
}

/* All but one page of 1 GiB goes, and memory runs out at the second split: then that 2 MiB goes as well, and
   with it the table. */
static void test_split_that_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct page_table *table = fixture->table;

    table->largest_level = 3;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        assert_int_equal(page_table_map(table, GIB, GIB, GIB, RW, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
        host_fail_allocation(nth, true);
        page_table_unmap(table, GIB, GIB - PAGE_SIZE);
        host_fail_allocation(0, false);
        expect_none(fixture, 2 * GIB - PAGE_SIZE);
        assert_int_equal(table->table_pages, 1);
        assert_true(page_table_check(table, &vm_log_sink));
    }
}

/* Each allocation of a map fails in turn: nothing of it happened. */
static void test_map_fails_at_each_allocation(void **state)
{
    struct fixture *fixture = *state;
    zx_paddr_t paddr = machine_memory.base + PAGE_SIZE;

    assert_int_equal(page_table_map(fixture->table, page_va(1024), machine_memory.base, LARGE_SIZE, RO,
                                    PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    model_set(fixture, 1024, LARGE_PAGES, machine_memory.base, RO, PAGE_TABLE_EXISTING_ERROR);
    uint64_t free_pages = pmm_count(VM_PAGE_FREE);
    for (uint64_t nth = 1;; nth++) {
        host_fail_allocation(nth, false);
        zx_status_t status = page_table_map(fixture->table, page_va(100), paddr, 3000 * PAGE_SIZE, RW,
                                            PAGE_TABLE_EXISTING_REPLACE);
        host_fail_allocation(0, false);
        if (status == ZX_OK) {
            /* Three levels on one side of the boundary and on the other, six tables of small pages. */
            assert_int_equal(nth, 1 + 2 + 7);
            break;
        }
        assert_int_equal(status, ZX_ERR_NO_MEMORY);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
        compare(fixture);
    }
    model_set(fixture, 100, 3000, paddr, RW, PAGE_TABLE_EXISTING_REPLACE);
    compare(fixture);
}

static void test_accessed_and_dirty(void **state)
{
    struct fixture *fixture = *state;
    zx_paddr_t paddr = machine_memory.base + 8 * MIB;
    size_t done;
    char byte = 1;

    assert_int_equal(
        page_table_map(fixture->table, page_va(0), paddr, PAGE_SIZE, RW, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_false(query(fixture, page_va(0)).accessed);
    assert_int_equal(processor_access(fixture->aspace, page_va(0), &byte, 1, PROCESSOR_WRITE, &done), ZX_OK);
    assert_true(query(fixture, page_va(0)).accessed && query(fixture, page_va(0)).dirty);
    page_table_protect(fixture->table, page_va(0), PAGE_SIZE, RO);
    assert_true(query(fixture, page_va(0)).accessed && query(fixture, page_va(0)).dirty);
    /* The same page with more rights keeps what was noted; another page starts afresh. */
    assert_int_equal(
        page_table_map(fixture->table, page_va(0), paddr, PAGE_SIZE, RW, PAGE_TABLE_EXISTING_REPLACE), ZX_OK);
    assert_true(query(fixture, page_va(0)).dirty);
    assert_int_equal(page_table_map(fixture->table, page_va(0), paddr + PAGE_SIZE, PAGE_SIZE, RW,
                                    PAGE_TABLE_EXISTING_REPLACE),
                     ZX_OK);
    assert_false(query(fixture, page_va(0)).accessed || query(fixture, page_va(0)).dirty);
}

/* More separate ranges than a batch holds: all of the space is forgotten. */
static void test_many_removals_at_once(void **state)
{
    struct fixture *fixture = *state;

    for (size_t gaps = PORT_INVALIDATION_MAX - 1; gaps <= PORT_INVALIDATION_MAX + 2; gaps++) {
        for (size_t i = 0; i < gaps; i++) {
            assert_int_equal(page_table_map(fixture->table, page_va(3 * i), machine_memory.base, PAGE_SIZE,
                                            RO, PAGE_TABLE_EXISTING_ERROR),
                             ZX_OK);
            model_set(fixture, 3 * i, 1, machine_memory.base, RO, PAGE_TABLE_EXISTING_ERROR);
            touch(fixture, 3 * i);
        }
        compare(fixture);
        assert_int_equal(processor_cached(0), gaps);
        page_table_unmap(fixture->table, page_va(0), 3 * gaps * PAGE_SIZE);
        model_change(fixture, 0, 3 * gaps, 0);
        compare(fixture);
        assert_int_equal(processor_cached(0), 0);
    }
}

/* The kernel's span ends where addresses end. */
static void test_top_of_the_kernel(void **state)
{
    struct page_table table;
    struct page_table_entry entry;
    zx_vaddr_t last = 0 - (zx_vaddr_t)PAGE_SIZE;

    (void)state;
    assert_int_equal(page_table_init(&table, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE, false), ZX_OK);
    assert_int_equal(page_table_map(&table, last, 0, PAGE_SIZE, KERN, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(page_table_map(&table, 0 - LARGE_SIZE, 0, LARGE_SIZE, KERN, PAGE_TABLE_EXISTING_SKIP),
                     ZX_OK);
    assert_int_equal(page_table_query(&table, last, &entry), ZX_OK);
    assert_int_equal(entry.flags, KERN);
    assert_int_equal(entry.paddr, 0);
    assert_int_equal(page_table_query(&table, last - PAGE_SIZE, &entry), ZX_OK);
    assert_int_equal(entry.paddr, LARGE_SIZE - 2 * PAGE_SIZE);
    assert_int_equal(page_table_query(&table, VM_KERNEL_ASPACE_BASE, &entry), ZX_ERR_NOT_FOUND);
    assert_true(page_table_check(&table, &vm_log_sink));
    page_table_protect(&table, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE, ARCH_MMU_READ);
    assert_int_equal(page_table_query(&table, last, &entry), ZX_OK);
    assert_int_equal(entry.flags, ARCH_MMU_READ);
    page_table_unmap(&table, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE);
    assert_int_equal(table.table_pages, 1);
    page_table_destroy(&table);
    page_table_destroy(&table);
    assert_int_equal(page_table_query(&table, last, &entry), ZX_ERR_NOT_FOUND);
}

static void test_init_without_memory(void **state)
{
    struct page_table table;
    uint64_t free_pages = pmm_count(VM_PAGE_FREE);

    (void)state;
    host_fail_allocation(1, false);
    assert_int_equal(page_table_init(&table, VM_USER_ASPACE_BASE, VM_USER_ASPACE_SIZE, true),
                     ZX_ERR_NO_MEMORY);
    page_table_destroy(&table);
    assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
}

static bool visit_three(void *context, const struct page_table_entry *entry)
{
    unsigned *visits = context;

    assert_int_equal(entry->va, page_va(*visits));
    return ++*visits < 3;
}

static void test_for_each_stops(void **state)
{
    struct fixture *fixture = *state;
    unsigned visits = 0;

    assert_int_equal(page_table_map(fixture->table, page_va(0), machine_memory.base, 10 * PAGE_SIZE, RO,
                                    PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    page_table_for_each(fixture->table, page_va(0), WINDOW_PAGES * PAGE_SIZE, visit_three, &visits);
    assert_int_equal(visits, 3);
}

/* ---- The check finds what it should ---- */

static void discard(struct vm_sink *self, const char *text, size_t size)
{
    (void)self, (void)text, (void)size;
}

static void expect_found(struct fixture *fixture, uint64_t *place, uint64_t value)
{
    struct vm_sink nowhere = {discard};
    uint64_t before = *place;

    *place = value;
    assert_false(page_table_check(fixture->table, &nowhere));
    *place = before;
    assert_true(page_table_check(fixture->table, &vm_log_sink));
}

static void test_check_finds_damage(void **state)
{
    struct fixture *fixture = *state;
    zx_vaddr_t va = page_va(0);
    uint64_t *tables[5];

    assert_int_equal(
        page_table_map(fixture->table, va, machine_memory.base, 3 * PAGE_SIZE, RO, PAGE_TABLE_EXISTING_ERROR),
        ZX_OK);
    tables[4] = port_phys_to_virt(fixture->table->root);
    for (unsigned level = 3; level > 0; level--)
        tables[level] = port_phys_to_virt(tables[level + 1][va >> (12 + 9 * level) & 511] & X86_PTE_ADDRESS);
    unsigned at = va >> 12 & 511, at2 = va >> 21 & 511, at4 = va >> 39 & 511;

    expect_found(fixture, &tables[1][at], 0);                               /* count too high */
    expect_found(fixture, &tables[1][at + 5], tables[1][at]);               /* too low */
    expect_found(fixture, &tables[1][at + 5], X86_PTE_WRITABLE);            /* absent, not zero */
    expect_found(fixture, &tables[1][at], tables[1][at] & ~X86_PTE_USER);   /* the wrong half */
    expect_found(fixture, &tables[2][at2 + 1], tables[2][at2]);             /* linked twice */
    expect_found(fixture, &tables[2][at2], machine_memory.base | 7);        /* not a table */
    expect_found(fixture, &tables[4][at4], tables[4][at4] | X86_PTE_LARGE); /* a leaf at the top */
    expect_found(fixture, &tables[1][at], 0);
    expect_found(fixture, &fixture->table->table_pages, 5);
}

#define PLANT(place, value, words)                                                                           \
    PLANT_FOR(page_table_check(fixture->table, report_begin()), place, value, words)

static void test_check_says_what(void **state)
{
    struct fixture *fixture = *state;
    struct page_table *table = fixture->table;
    zx_vaddr_t va = page_va(0), large_va = page_va(LARGE_PAGES);
    uint64_t *tables[5];

    assert_int_equal(page_table_map(table, va, machine_memory.base, PAGE_SIZE, RO, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    assert_int_equal(
        page_table_map(table, large_va, machine_memory.base, LARGE_SIZE, RO, PAGE_TABLE_EXISTING_ERROR),
        ZX_OK);
    tables[4] = port_phys_to_virt(table->root);
    for (unsigned level = 3; level > 0; level--)
        tables[level] = port_phys_to_virt(tables[level + 1][va >> (12 + 9 * level) & 511] & X86_PTE_ADDRESS);
    uint64_t *link = &tables[2][va >> 21 & 511], *large = &tables[2][large_va >> 21 & 511];
    struct vm_page *leaf_table = pmm_page_at(*link & X86_PTE_ADDRESS);
    assert_true((*large & X86_PTE_LARGE) != 0);

    PLANT(table->base, va + PAGE_SIZE, "a translation outside the span");
    PLANT(table->size, va - table->base, "a translation outside the span");
    PLANT(table->size, large_va + LARGE_SIZE / 2 - table->base, "a translation outside the span");
    PLANT(*large, *large | 2 * PAGE_SIZE, "a large page that is not aligned");
    PLANT(*link, *link | (uint64_t)1 << 50, "leads to a page that is no table");
    PLANT(leaf_table->table_entries, 0, "leads to an empty table");
    PLANT(table->root, machine_memory.base, "the top is no table");
    PLANT(table->root, (zx_paddr_t)1 << 50, "the top is no table");
    PLANT(table->pending.count, 1, "an operation was left unfinished");
    PLANT(table->pending.everything, true, "an operation was left unfinished");
    struct vm_page *freed = pmm_alloc_page(VM_PAGE_MMU);
    list_add_tail(&table->freed, &freed->node);
    assert_false(page_table_check(table, report_begin()));
    assert_true(report_says("an operation was left unfinished"));
    list_remove(&freed->node);
    pmm_free_page(freed);
    PLANT(table->root, 0, "there is no top, but the count says");
    page_table_unmap(table, va, PAGE_SIZE);
    page_table_unmap(table, large_va, LARGE_SIZE);
}

/* What concerns nothing does nothing; outside of the span there is no translation. */
static void test_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct page_table *table = fixture->table;
    struct page_table_entry entry;

    assert_int_equal(page_table_map(table, page_va(0), machine_memory.base, 0, RO, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    compare(fixture);
    assert_int_equal(page_table_query(table, table->base - 1, &entry), ZX_ERR_NOT_FOUND);
    assert_int_equal(page_table_query(table, table->base + table->size, &entry), ZX_ERR_NOT_FOUND);
}

/* Whose translations an invalidation is about: that of one root, and of the views that show it. */
static void test_invalidation_names(void **state)
{
    struct list_node views;
    struct port_root view = {.root = 2 * PAGE_SIZE};
    struct port_invalidation invalidation = {.root = PAGE_SIZE};

    (void)state;
    list_init(&views);
    list_add_tail(&views, &view.node);
    assert_true(port_invalidation_names(&invalidation, PAGE_SIZE));
    assert_false(port_invalidation_names(&invalidation, 2 * PAGE_SIZE));
    invalidation.views = &views;
    assert_true(port_invalidation_names(&invalidation, 2 * PAGE_SIZE));
    assert_false(port_invalidation_names(&invalidation, 3 * PAGE_SIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPACE_TEST(test_tables_come_and_go),
        SPACE_TEST(test_large_pages),
        SPACE_TEST(test_gigabyte_pages),
        SPACE_TEST(test_split_that_leaves_nothing),
        SPACE_TEST(test_map_fails_at_each_allocation),
        SPACE_TEST(test_accessed_and_dirty),
        SPACE_TEST(test_many_removals_at_once),
        TEST(test_top_of_the_kernel),
        TEST(test_init_without_memory),
        SPACE_TEST(test_for_each_stops),
        SPACE_TEST(test_check_finds_damage),
        SPACE_TEST(test_check_says_what),
        SPACE_TEST(test_nothing),
        TEST(test_invalidation_names),
        SPACE_TEST(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
