/* SPDX-License-Identifier: MIT */
/*
 * test_merge.c: neighbouring mappings that one mapping could stand for become one. Each test draws its address space
 * as a string, a letter a page: what a mapping shows of the VMO ('a' its first page), '.' a gap, '|' between two
 * mappings. A failing test prints both pictures.
 */
#include "calls.h"

#include "../../vm/internal.h"

#define PAGES 16
#define RW    (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static zx_handle_t vmar, vmo;
static zx_vaddr_t base;

static int setup(void **state)
{
    if (machine_start(state) != 0 || zx_vmo_create(PAGES * PAGE, 0, &vmo) != ZX_OK)
        return -1;
    return zx_vmar_allocate(zx_vmar_root_self(),
                            ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0,
                            PAGES * PAGE, &vmar, &base);
}

#define MERGE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, machine_stop)

/* The picture of the region's mappings up to the last one. */
static void draw(char picture[2 * PAGES + 1])
{
    struct vm_object *object;
    struct region_entry entry;
    size_t at = 0;
    assert_int_equal(handle_get(vmar, ZX_OBJ_TYPE_VMAR, 0, &object, NULL), ZX_OK);
    struct region_tree *tree = &container_of(object, struct vm_vmar, object)->children;
    for (zx_vaddr_t va = base; region_tree_find_from(tree, va, &entry); va = entry.end) {
        if (entry.base == va && va != base)
            picture[at++] = '|';
        for (; va < entry.base; va += PAGE)
            picture[at++] = '.';
        const struct vm_mapping *mapping = mapping_of(entry.value);
        for (; va < entry.end; va += PAGE)
            picture[at++] = (char)('a' + (mapping->vmo_offset + (va - entry.base)) / PAGE);
    }
    picture[at] = '\0';
    vm_object_release(object);
}

static void expect(const char *picture)
{
    char found[2 * PAGES + 1];
    draw(found);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_string_equal(found, picture);
}

/* Maps `pages` from page number `from` of the VMO at page number `at`. */
static void map(unsigned at, unsigned from, unsigned pages, uint32_t options)
{
    zx_vaddr_t address;
    assert_ok(
        zx_vmar_map(vmar, options | ZX_VM_SPECIFIC, at * PAGE, vmo, from * PAGE, pages * PAGE, &address));
}

static void protect(unsigned at, unsigned pages, uint32_t options)
{
    assert_ok(zx_vmar_protect(vmar, options, base + at * PAGE, pages * PAGE));
}

static void test_on_either_side(void **state)
{
    (void)state;
    map(0, 0, 2, RW);
    expect("ab");
    map(2, 2, 1, RW);
    expect("abc");
    map(5, 5, 2, RW);
    map(3, 3, 2, RW); /* closes the gap */
    expect("abcdefg");
    assert_int_equal(stats_now().mappings, 1);
}

static void test_only_where_alike(void **state)
{
    zx_handle_t other, read_only;
    zx_vaddr_t address;
    (void)state;
    map(0, 0, 1, RW);
    map(1, 2, 1, RW); /* not contiguous in the VMO */
    expect("a|c");
    map(2, 3, 1, ZX_VM_PERM_READ); /* another permission */
    expect("a|c|d");
    assert_ok(zx_vmo_create(PAGES * PAGE, 0, &other));
    assert_ok(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 3 * PAGE, other, 4 * PAGE, PAGE, &address));
    expect("a|c|d|e");
    /* The same permission now, but not the same to come: the handle may only read. */
    assert_ok(zx_handle_duplicate(vmo, ZX_RIGHT_MAP | ZX_RIGHT_READ, &read_only));
    assert_ok(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 5 * PAGE, vmo, 6 * PAGE, PAGE, &address));
    assert_ok(
        zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 6 * PAGE, read_only, 7 * PAGE, PAGE, &address));
    expect("a|c|d|e.g|h");
}

static void test_protect_makes_alike(void **state)
{
    (void)state;
    map(0, 0, 2, RW);
    map(2, 2, 2, ZX_VM_PERM_READ);
    map(4, 4, 2, RW);
    expect("ab|cd|ef");
    protect(2, 1, RW); /* in part: its own ranges keep it apart */
    expect("ab|cd|ef");
    protect(3, 1, RW);
    expect("abcdef");
    protect(2, 2, ZX_VM_PERM_READ);
    protect(0, 6, 0);
    expect("abcdef");
}

static void test_across_a_whole_range(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        map(i, i, 1, i % 2 == 0 ? RW : ZX_VM_PERM_READ);
    expect("a|b|c|d|e|f|g|h");
    protect(1, 6, RW);
    expect("abcdefg|h");
    protect(7, 1, RW);
    expect("abcdefgh");
}

static void test_cut_and_mended(void **state)
{
    char byte = 'x';
    (void)state;
    map(0, 0, 6, RW);
    assert_int_equal(zvm_access(zx_process_self(), base + 4 * PAGE, &byte, 1, ZVM_WRITE), ZX_OK);
    assert_ok(zx_vmar_unmap(vmar, base + 2 * PAGE, PAGE));
    expect("ab.def");
    map(2, 2, 1, RW);
    expect("abcdef");
    byte = 0;
    assert_int_equal(zvm_access(zx_process_self(), base + 4 * PAGE, &byte, 1, ZVM_READ), ZX_OK);
    assert_int_equal(byte, 'x');
    assert_ok(zx_vmar_unmap(vmar, base + PAGE, 4 * PAGE));
    expect("a....f");
}

/* The zero page that the right one shows must be found when its page is made through another mapping. */
static void test_zero_page_is_remembered(void **state)
{
    char byte = 1;
    (void)state;
    map(1, 1, 1, RW);
    assert_int_equal(zvm_access(zx_process_self(), base + PAGE, &byte, 1, ZVM_READ), ZX_OK);
    map(0, 0, 1, RW);
    expect("ab");
    map(8, 1, 1, RW);
    byte = 'y';
    assert_int_equal(zvm_access(zx_process_self(), base + 8 * PAGE, &byte, 1, ZVM_WRITE), ZX_OK);
    assert_int_equal(zvm_access(zx_process_self(), base + PAGE, &byte, 1, ZVM_READ), ZX_OK);
    assert_int_equal(byte, 'y');
}

static void test_failed_allocations(void **state)
{
    zx_vaddr_t address;
    (void)state;
    map(0, 0, 2, RW);
    map(3, 3, 2, RW);
    assert_survives_failed_allocations(
        zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 2 * PAGE, PAGE, &address));
    expect("abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGE_TEST(test_on_either_side),      MERGE_TEST(test_only_where_alike),
        MERGE_TEST(test_protect_makes_alike), MERGE_TEST(test_across_a_whole_range),
        MERGE_TEST(test_cut_and_mended),      MERGE_TEST(test_zero_page_is_remembered),
        MERGE_TEST(test_failed_allocations),
    };
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
