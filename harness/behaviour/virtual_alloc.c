/* SPDX-License-Identifier: MIT */
/*
 * virtual_alloc.c: large buffers of the kernel: places, guards, faults around each, large pages, failing
 * allocations. After every allocation the kernel itself reads and writes one page before and behind it, and the
 * processor must refuse.
 */
#include "behaviour.h"

#define BASE        (VM_KERNEL_ASPACE_BASE + 64 * GIB)
#define LARGE_SHIFT 21

static struct virtual_alloc allocator;

/* An allocator of so many pages in a range of its own. */
static void make_allocator(size_t pages, size_t guard, uint8_t align_log2)
{
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    STATUS(ZX_OK, virtual_alloc_init(&allocator, BASE, pages * PAGE, guard, align_log2));
}

/* Nothing may be left: the machine's end counts the pages. */
static void end_allocator(void)
{
    virtual_alloc_debug_free_all_allocations(&allocator);
    check_sound();
    virtual_alloc_destroy(&allocator);
    check_sound();
}

static zx_status_t use(zx_vaddr_t va, enum behaviour_access kind)
{
    char byte = 'v';
    return behaviour_kernel(vm_aspace_kernel(), va, &byte, kind);
}

/* Nobody reaches it, reading or writing. */
static void check_nothing_at(zx_vaddr_t va)
{
    NOTE(va);
    STATUS(ZX_ERR_NOT_FOUND, use(va, BEHAVIOUR_READ));
    STATUS(ZX_ERR_NOT_FOUND, use(va, BEHAVIOUR_WRITE));
}

static void check_guards(zx_vaddr_t va, size_t pages)
{
    zx_vaddr_t end = va + pages * PAGE;
    check_nothing_at(va - PAGE);
    check_nothing_at(va - 1);
    check_nothing_at(end);
    check_nothing_at(end + PAGE - 1);
}

static void check_used(zx_vaddr_t va)
{
    NOTE(va);
    STATUS(ZX_OK, use(va, BEHAVIOUR_WRITE));
    STATUS(ZX_OK, use(va + PAGE - 1, BEHAVIOUR_READ));
}

/* An allocation that works, at its ends at least, and has guards. */
static zx_vaddr_t alloc(size_t pages)
{
    zx_vaddr_t va = 0;
    STATUS(ZX_OK, virtual_alloc_alloc_pages(&allocator, pages, &va));
    check_used(va);
    check_used(va + (pages - 1) * PAGE);
    check_guards(va, pages);
    return va;
}

static struct page_table_entry leaf_at(zx_vaddr_t va)
{
    return entry_at(vm_aspace_kernel(), va);
}

/* ---- Ranges set aside ---- */

TEST(set_aside)
{
    const zx_vaddr_t last = VM_KERNEL_ASPACE_BASE + (VM_KERNEL_ASPACE_SIZE - PAGE);
    void *inside = (void *)(BASE + PAGE);
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_set_aside(BASE, 0));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_set_aside(BASE + 1, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_set_aside(BASE, PAGE + 1));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_set_aside(PAGE, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_set_aside(last, PAGE));
    REFUSED(ZX_ERR_ALREADY_EXISTS, vm_aspace_set_aside(BASE + GIB - PAGE, 2 * PAGE));
    OK(vm_aspace_set_aside(BASE + GIB, PAGE));
    REFUSED(ZX_ERR_ALREADY_EXISTS,
            vm_aspace_alloc(vm_aspace_kernel(), "a", PAGE, &inside, 0, VMM_FLAG_VALLOC_SPECIFIC, MMU_RW));
    check_nothing_at(BASE);
    check_nothing_at(BASE + GIB - 1);
}

/* ---- Init ---- */

TEST(init_refuses)
{
    const uint8_t page = ZX_PAGE_SHIFT;
    const struct {
        zx_vaddr_t base;
        size_t size, guard;
        uint8_t align_log2;
    } bad[] = {
        {BASE, MIB, 1, page - 1},
        {BASE, MIB, 1, 64},
        {BASE, MIB, 1, 255},
        {BASE, 0, 1, page},
        {BASE + 1, MIB, 1, page},
        {BASE, MIB + 1, 1, page},
        {BASE + PAGE, 4 * MIB, 1, LARGE_SHIFT},
        {BASE, MIB, 1, LARGE_SHIFT},
        {0 - (zx_vaddr_t)MIB, 2 * MIB, 1, page},
        {0 - (zx_vaddr_t)MIB, MIB, 1, page},
        {BASE, 3 * PAGE, 1, page},
        {BASE, PAGE, 0, page},
        {BASE, MIB, SIZE_MAX, page},
        {BASE, MIB, 128, page},
    };
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        NOTE(i);
        REFUSED(ZX_ERR_INVALID_ARGS,
                virtual_alloc_init(&allocator, bad[i].base, bad[i].size, bad[i].guard, bad[i].align_log2));
    }
}

TEST(before_init_and_twice)
{
    zx_vaddr_t va;
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    REFUSED(ZX_ERR_BAD_STATE, virtual_alloc_alloc_pages(&allocator, 1, &va));
    REFUSED(ZX_ERR_BAD_STATE, virtual_alloc_alloc_pages(&allocator, 0, &va));
    CHECK_EQUAL(virtual_alloc_debug_bitmap_pages(&allocator), 0);
    OK(virtual_alloc_init(&allocator, BASE, GIB, 1, LARGE_SHIFT));
    REFUSED(ZX_ERR_BAD_STATE, virtual_alloc_init(&allocator, BASE, 0, 1, ZX_PAGE_SHIFT));
    REFUSED(ZX_ERR_INVALID_ARGS, virtual_alloc_alloc_pages(&allocator, 0, &va));
    virtual_alloc_destroy(&allocator);
    REFUSED(ZX_ERR_BAD_STATE, virtual_alloc_alloc_pages(&allocator, 1, &va));
    OK_ONCE(virtual_alloc_init(&allocator, BASE, GIB, 1, ZX_PAGE_SHIFT));
    end_allocator();
}

TEST(smallest)
{
    zx_vaddr_t va;
    make_allocator(4, 1, ZX_PAGE_SHIFT);
    REFUSED(ZX_ERR_NO_MEMORY, virtual_alloc_alloc_pages(&allocator, 2, &va));
    REFUSED(ZX_ERR_NO_MEMORY, virtual_alloc_alloc_pages(&allocator, SIZE_MAX, &va));
    CHECK_EQUAL(alloc(1), BASE + 2 * PAGE);
    REFUSED(ZX_ERR_NO_MEMORY, virtual_alloc_alloc_pages(&allocator, 1, &va));
    virtual_alloc_free_pages(&allocator, BASE + 2 * PAGE, 1);
    check_nothing_at(BASE + 2 * PAGE);
    end_allocator();
}

TEST(bitmap_pages)
{
    static const struct {
        size_t pages, guard, bitmap;
    } cases[] = {{262144, 1, 8}, {32768, 0, 1}, {32769, 0, 2}};
    uint64_t taken = pmm_count(VM_PAGE_ALLOC);
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        STATUS(ZX_OK,
               virtual_alloc_init(&allocator, BASE, cases[i].pages * PAGE, cases[i].guard, ZX_PAGE_SHIFT));
        CHECK_EQUAL(virtual_alloc_debug_bitmap_pages(&allocator), cases[i].bitmap);
        CHECK_EQUAL(pmm_count(VM_PAGE_ALLOC), taken + cases[i].bitmap);
        virtual_alloc_destroy(&allocator);
        CHECK_EQUAL(pmm_count(VM_PAGE_ALLOC), taken);
    }
}

TEST(page_state)
{
    uint64_t heap = pmm_count(VM_PAGE_HEAP);
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    heap = pmm_count(VM_PAGE_HEAP);
    virtual_alloc_construct(&allocator, VM_PAGE_HEAP);
    STATUS(ZX_OK, virtual_alloc_init(&allocator, BASE, 512 * PAGE, 1, ZX_PAGE_SHIFT));
    (void)alloc(3);
    CHECK_EQUAL(pmm_count(VM_PAGE_HEAP), heap + 4);
    virtual_alloc_debug_free_all_allocations(&allocator);
    CHECK_EQUAL(pmm_count(VM_PAGE_HEAP), heap + 1);
    end_allocator();
    CHECK_EQUAL(pmm_count(VM_PAGE_HEAP), heap);
}

/* ---- What users rely on ---- */

TEST(faults_around)
{
    static const size_t sizes[] = {1, 300, 7};
    zx_vaddr_t at[3];
    make_allocator(4096, 1, ZX_PAGE_SHIFT);
    for (unsigned i = 0; i < 3; i++) {
        at[i] = alloc(sizes[i]);
        for (size_t page = 0; page < sizes[i]; page++)
            check_used(at[i] + page * PAGE);
        STATUS(ZX_ERR_NOT_FOUND, use(at[i], BEHAVIOUR_EXECUTE));
    }
    for (unsigned i = 0; i < 3; i++)
        check_guards(at[i], sizes[i]);
    virtual_alloc_debug_free_all_allocations(&allocator);
    for (unsigned i = 0; i < 3; i++)
        check_nothing_at(at[i]);
    end_allocator();
}

/* What is written to a page is in it, and in no other. */
TEST(keeps_bytes)
{
    make_allocator(4096, 1, ZX_PAGE_SHIFT);
    zx_vaddr_t va = alloc(64);
    char byte;
    for (unsigned i = 0; i < 64; i++) {
        byte = (char)i;
        STATUS(ZX_OK, behaviour_kernel(vm_aspace_kernel(), va + i * PAGE + i, &byte, BEHAVIOUR_WRITE));
    }
    for (unsigned i = 0; i < 64; i++) {
        STATUS(ZX_OK, behaviour_kernel(vm_aspace_kernel(), va + i * PAGE + i, &byte, BEHAVIOUR_READ));
        CHECK_EQUAL(byte, (char)i);
    }
    end_allocator();
}

TEST(places_come_again)
{
    make_allocator(1024, 2, ZX_PAGE_SHIFT);
    zx_vaddr_t first = alloc(10), second = alloc(5), third = alloc(20);
    CHECK_EQUAL(first, BASE + 3 * PAGE);
    CHECK_EQUAL(second, first + 12 * PAGE);
    virtual_alloc_free_pages(&allocator, second, 5);
    check_nothing_at(second);
    CHECK_EQUAL(alloc(5), second);
    virtual_alloc_free_pages(&allocator, first, 10);
    CHECK_EQUAL(alloc(11), third + 22 * PAGE); /* does not fit */
    CHECK_EQUAL(alloc(10), first);
    virtual_alloc_debug_free_all_allocations(&allocator);
    CHECK_EQUAL(alloc(600), first);
    virtual_alloc_free_pages(&allocator, first, 600);
    end_allocator();
}

/* In parts, across allocations: the hole is as large as all of it. */
TEST(frees_in_parts)
{
    make_allocator(1024, 2, ZX_PAGE_SHIFT);
    zx_vaddr_t first = alloc(10), second = alloc(5), third = alloc(20);
    virtual_alloc_free_pages(&allocator, first + 9 * PAGE, 1);
    check_nothing_at(first + 9 * PAGE);
    check_used(first + 8 * PAGE);
    virtual_alloc_free_pages(&allocator, second, 5);
    virtual_alloc_free_pages(&allocator, first + 3 * PAGE, 2);
    check_guards(first, 3);
    check_used(first + 5 * PAGE);
    virtual_alloc_free_pages(&allocator, first, 3);
    virtual_alloc_free_pages(&allocator, first + 5 * PAGE, 4);
    CHECK_EQUAL(alloc(17), first);
    check_used(third);
    end_allocator();
}

TEST(no_guards)
{
    make_allocator(512, 0, ZX_PAGE_SHIFT);
    zx_vaddr_t first = 0, second = 0;
    STATUS(ZX_OK, virtual_alloc_alloc_pages(&allocator, 3, &first));
    STATUS(ZX_OK, virtual_alloc_alloc_pages(&allocator, 2, &second));
    CHECK(first == BASE + PAGE && second == first + 3 * PAGE);
    check_used(first + 2 * PAGE);
    check_used(second);
    check_nothing_at(second + 2 * PAGE);
    end_allocator();
}

/* All but the guard at the end is taken. */
TEST(full)
{
    zx_vaddr_t va;
    make_allocator(8, 1, ZX_PAGE_SHIFT);
    zx_vaddr_t first = alloc(5);
    REFUSED(ZX_ERR_NO_MEMORY, virtual_alloc_alloc_pages(&allocator, 1, &va));
    virtual_alloc_free_pages(&allocator, first, 5);
    CHECK_EQUAL(alloc(5), first);
    virtual_alloc_free_pages(&allocator, first, 5);
    CHECK_EQUAL(alloc(3), first);
    REFUSED(ZX_ERR_NO_MEMORY, virtual_alloc_alloc_pages(&allocator, 3, &va));
    end_allocator();
}

TEST(takes_just_that)
{
    make_allocator(512, 4, ZX_PAGE_SHIFT);
    zx_vaddr_t at = BASE + 5 * PAGE;
    OK(virtual_alloc_debug_allocate_vaddr_range(&allocator, BASE + PAGE, 1));
    OK_ONCE(virtual_alloc_debug_allocate_vaddr_range(&allocator, at, 2));
    OK_ONCE(virtual_alloc_debug_allocate_vaddr_range(&allocator, at + 2 * PAGE, 1));
    for (unsigned i = 0; i < 3; i++)
        check_used(at + i * PAGE);
    check_guards(at, 3);
    CHECK_EQUAL(alloc(1), at + 7 * PAGE);
    virtual_alloc_free_pages(&allocator, at, 3);
    check_nothing_at(at);
    end_allocator();
}

/* ---- Large pages ---- */

TEST(large_pages)
{
    make_allocator(GIB / PAGE, 1, LARGE_SHIFT);
    CHECK(virtual_alloc_can_attempt_contiguous_mappings(&allocator));
    CHECK_EQUAL(alloc(11), BASE + 9 * PAGE); /* a small one is not aligned */
    zx_vaddr_t va = alloc(1024 + 7);
    CHECK_EQUAL(va % (2 * MIB), 0);
    CHECK_EQUAL(leaf_at(va).size, 2 * MIB);
    CHECK_EQUAL(leaf_at(va + 2 * MIB).size, 2 * MIB);
    CHECK_EQUAL(leaf_at(va + 4 * MIB).size, PAGE);
    STATUS(ZX_ERR_NOT_FOUND, use(va + 5 * PAGE, BEHAVIOUR_EXECUTE));
    for (unsigned i = 0; i < 1031; i += 103)
        check_used(va + i * PAGE);
    /* a part of one, while there is no memory to split it */
    bool fails = conformance_fail_allocation(1, true);
    virtual_alloc_free_pages(&allocator, va + 3 * PAGE, 600);
    (void)conformance_fail_allocation(0, false);
    CHECK(fails);
    check_sound();
    check_used(va + 2 * PAGE);
    check_nothing_at(va + 3 * PAGE);
    check_nothing_at(va + 602 * PAGE);
    check_used(va + 603 * PAGE);
    virtual_alloc_free_pages(&allocator, va, 3);
    virtual_alloc_free_pages(&allocator, va + 603 * PAGE, 1031 - 603);
    for (unsigned i = 0; i < 1031; i += 103)
        check_nothing_at(va + i * PAGE);
    end_allocator();
}

TEST(no_large_pages)
{
    make_allocator(4096, 1, ZX_PAGE_SHIFT);
    CHECK(!virtual_alloc_can_attempt_contiguous_mappings(&allocator));
    zx_vaddr_t va = alloc(600);
    CHECK_EQUAL(leaf_at(va).size, PAGE);
    end_allocator();
}

/* Where no run is free, single pages do. */
TEST(fragmented)
{
    struct list_node held, spread;
    struct vm_page *page;
    list_init(&held);
    list_init(&spread);
    make_allocator(GIB / PAGE, 1, LARGE_SHIFT);
    for (unsigned i = 0; (page = pmm_alloc_page(VM_PAGE_HEAP)) != NULL; i++)
        list_add_tail(i % 256 == 0 ? &spread : &held, &page->node);
    pmm_free_list(&held);
    zx_vaddr_t va = alloc(1024);
    CHECK_EQUAL(va % (2 * MIB), 0);
    CHECK_EQUAL(leaf_at(va).size, PAGE);
    virtual_alloc_free_pages(&allocator, va, 1024);
    pmm_free_list(&spread);
    CHECK_EQUAL(alloc(1024), va);
    CHECK_EQUAL(leaf_at(va).size, 2 * MIB);
    end_allocator();
}

/* ---- Failing allocations ---- */

/* Each of many, in turn, once and for good; single pages may take the place of a run that cannot be had. */
TEST(failures_undo)
{
    zx_vaddr_t va = 1;
    unsigned refused = 0;
    zx_status_t status = ZX_ERR_NO_MEMORY;
    make_allocator(GIB / PAGE, 1, LARGE_SHIFT);
    for (unsigned nth = 1; nth < 2000 && (status != ZX_OK || nth < 700); nth += nth < 40 ? 1 : 37) {
        uint64_t tables = pmm_count(VM_PAGE_MMU), taken = pmm_count(VM_PAGE_ALLOC);
        NOTE(nth);
        (void)conformance_fail_allocation(nth, nth % 2 != 0);
        status = virtual_alloc_alloc_pages(&allocator, 512 + 50, &va);
        (void)conformance_fail_allocation(0, false);
        if (status == ZX_OK) {
            check_used(va + 561 * PAGE);
            virtual_alloc_free_pages(&allocator, va, 512 + 50);
        } else {
            STATUS(ZX_ERR_NO_MEMORY, status);
            refused++;
        }
        check_nothing_at(BASE + 2 * MIB);
        CHECK_EQUAL(pmm_count(VM_PAGE_MMU), tables);
        CHECK_EQUAL(pmm_count(VM_PAGE_ALLOC), taken);
        check_sound();
    }
    CHECK(refused > 10);
    CHECK_EQUAL(alloc(562), BASE + 2 * MIB);
    end_allocator();
}

const struct conformance_test virtual_alloc_tests[] = {
    CASE(set_aside),       CASE(init_refuses),  CASE(before_init_and_twice),
    CASE(smallest),        CASE(bitmap_pages),  CASE(page_state),
    CASE(faults_around),   CASE(keeps_bytes),   CASE(places_come_again),
    CASE(frees_in_parts),  CASE(no_guards),     CASE(full),
    CASE(takes_just_that), CASE(large_pages),   CASE(no_large_pages),
    CASE(fragmented),      CASE(failures_undo), NO_MORE_CASES,
};
