/* SPDX-License-Identifier: MIT */
/*
 * test_merge.c: neighbouring mappings that one mapping could stand for become one. Each test draws its address space
 * as a string, a letter a page: what a mapping shows of the VMO ('a' its first page), '.' a gap, '|' between two
 * mappings. A failing test prints both pictures. At the end the cuts that make neighbours, on mappings of many
 * permissions, against a flat array of pages.
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

/* ---- Cuts that leave one permission where there were several ---- */

static void unmap(unsigned at, unsigned pages)
{
    assert_survives_failed_allocations(zx_vmar_unmap(vmar, base + at * PAGE, pages * PAGE));
}

/* Shows the last page, 'p', of another VMO there. */
static void overwrite(unsigned at)
{
    zx_handle_t other;
    zx_vaddr_t address;
    assert_ok(zx_vmo_create(PAGES * PAGE, 0, &other));
    assert_survives_failed_allocations(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC_OVERWRITE, at * PAGE, other,
                                                   (PAGES - 1) * PAGE, PAGE, &address));
    assert_ok(zx_handle_close(other));
}

/* The last page of the second one may only be read. */
static void begin_odd_tail(void)
{
    map(0, 0, 2, RW);
    map(2, 2, 3, ZX_VM_PERM_READ);
    protect(2, 2, RW);
    expect("ab|cde");
}

/* The first page of the first one may only be read. */
static void begin_odd_head(void)
{
    map(0, 0, 3, ZX_VM_PERM_READ);
    map(3, 3, 2, RW);
    protect(1, 2, RW);
    expect("abc|de");
}

/* Of the second one, `pages` from page number `at` may only be read. */
static void begin_odd_middle(unsigned at, unsigned pages)
{
    map(0, 0, 1, RW);
    map(1, 1, 5, ZX_VM_PERM_READ);
    map(6, 6, 1, RW);
    protect(1, at - 1, RW);
    protect(at + pages, 6 - at - pages, RW);
    expect("a|bcdef|g");
}

static void test_cut_at_the_tail(void **state)
{
    (void)state;
    begin_odd_tail();
    unmap(4, 1);
    expect("abcd");
}

static void test_cut_at_the_head(void **state)
{
    (void)state;
    begin_odd_head();
    unmap(0, 1);
    expect(".bcde");
}

static void test_cut_in_the_middle(void **state)
{
    (void)state;
    begin_odd_middle(3, 1);
    unmap(3, 1);
    expect("abc.efg");
}

static void test_cut_of_a_part_in_the_middle(void **state)
{
    (void)state;
    begin_odd_middle(3, 2);
    unmap(3, 1); /* 'e' may still only be read */
    expect("abc.ef|g");
    unmap(4, 1);
    expect("abc..fg");
}

static void test_cut_of_the_other_part(void **state)
{
    (void)state;
    begin_odd_middle(2, 2);
    unmap(3, 1); /* 'c' may still only be read */
    expect("a|bc.efg");
    unmap(2, 1);
    expect("ab..efg");
}

static void test_cut_of_two_at_once(void **state)
{
    (void)state;
    map(0, 0, 1, RW);
    map(1, 1, 2, ZX_VM_PERM_READ);
    protect(1, 1, RW);
    map(3, 4, 2, ZX_VM_PERM_READ);
    protect(4, 1, RW);
    map(5, 6, 1, RW);
    expect("a|bc|ef|g");
    unmap(2, 2);
    expect("ab..fg");
}

static void test_overwrite_at_the_tail(void **state)
{
    (void)state;
    begin_odd_tail();
    overwrite(4);
    expect("abcd|p");
}

static void test_overwrite_at_the_head(void **state)
{
    (void)state;
    begin_odd_head();
    overwrite(0);
    expect("p|bcde");
}

static void test_overwrite_in_the_middle(void **state)
{
    (void)state;
    begin_odd_middle(3, 1);
    overwrite(3);
    expect("abc|p|efg");
}

/* ---- Cuts of a mapping of many permissions ---- */

#define MANY   600
#define ABSENT 0xff

static const uint32_t kinds[] = {0, ZX_VM_PERM_READ, RW};

struct field {
    struct prng prng;
    zx_handle_t vmar, vmo;
    zx_vaddr_t base;
    uint8_t perms[MANY];
};

static unsigned below(struct field *field, unsigned bound)
{
    return (unsigned)prng_below(&field->prng, bound);
}

static void field_begin(struct field *field, uint64_t seed)
{
    zx_vaddr_t address;
    prng_seed(&field->prng, seed, 0);
    field->vmar =
        make_vmar(ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, MANY, &field->base);
    field->vmo = make_vmo(MANY * PAGE, 0);
    assert_ok(zx_vmar_map(field->vmar, RW | ZX_VM_SPECIFIC, 0, field->vmo, 0, MANY * PAGE, &address));
    memset(field->perms, RW, MANY);
}

static void field_end(struct field *field)
{
    assert_ok(zx_vmar_destroy(field->vmar));
    assert_ok(zx_handle_close(field->vmar));
    assert_ok(zx_handle_close(field->vmo));
}

static void field_protect(struct field *field, unsigned from, unsigned pages, uint32_t perms)
{
    zx_vaddr_t at = field->base + from * PAGE;
    if (memchr(&field->perms[from], ABSENT, pages) != NULL) {
        assert_int_equal(zx_vmar_protect(field->vmar, perms, at, pages * PAGE), ZX_ERR_NOT_FOUND);
        return;
    }
    if (below(field, 16) == 0)
        assert_survives_failed_allocations(zx_vmar_protect(field->vmar, perms, at, pages * PAGE));
    else
        assert_ok(zx_vmar_protect(field->vmar, perms, at, pages * PAGE));
    memset(&field->perms[from], (int)perms, pages);
}

static void field_unmap(struct field *field, unsigned from, unsigned pages)
{
    zx_vaddr_t at = field->base + from * PAGE;
    if (below(field, 8) == 0)
        assert_survives_failed_allocations(zx_vmar_unmap(field->vmar, at, pages * PAGE));
    else
        assert_ok(zx_vmar_unmap(field->vmar, at, pages * PAGE));
    memset(&field->perms[from], ABSENT, pages);
}

/* A page can be read and written as the array says. */
static void field_access(struct field *field, unsigned page)
{
    zx_vaddr_t at = field->base + page * PAGE;
    uint32_t perms = field->perms[page] == ABSENT ? 0 : field->perms[page];
    char byte;
    assert_int_equal(zvm_access(zx_process_self(), at, &byte, 1, ZVM_READ) == ZX_OK,
                     (perms & ZX_VM_PERM_READ) != 0);
    byte = (char)page;
    assert_int_equal(zvm_access(zx_process_self(), at, &byte, 1, ZVM_WRITE) == ZX_OK,
                     (perms & ZX_VM_PERM_WRITE) != 0);
}

static void field_check(struct field *field)
{
    struct vm_object *object;
    struct region_entry entry;
    assert_int_equal(handle_get(field->vmar, ZX_OBJ_TYPE_VMAR, 0, &object, NULL), ZX_OK);
    const struct region_tree *tree = &container_of(object, struct vm_vmar, object)->children;
    for (unsigned page = 0; page < MANY; page++) {
        zx_vaddr_t at = field->base + page * PAGE;
        bool found = region_tree_find(tree, at, &entry);
        assert_int_equal(found, field->perms[page] != ABSENT);
        if (!found)
            continue;
        const struct vm_mapping *mapping = mapping_of(entry.value);
        assert_int_equal(protection_at(mapping, at), field->perms[page]);
        assert_int_equal(mapping->vmo_offset + (at - entry.base), page * PAGE);
    }
    vm_object_release(object);
    for (unsigned i = 0; i < 4; i++)
        field_access(field, below(field, MANY));
}

/* Every third page has another permission, sometimes the others differ too. */
static void field_stripe(struct field *field)
{
    for (unsigned page = 1; page < MANY; page += 3)
        field_protect(field, page, 1, ZX_VM_PERM_READ);
    for (unsigned more = below(field, 100); more > 0; more--)
        field_protect(field, below(field, MANY), 1, kinds[below(field, 3)]);
    field_check(field);
}

static void test_holes_in_order(void **state)
{
    static struct field field;
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        field_begin(&field, round);
        field_stripe(&field);
        for (unsigned i = 0; i < MANY / 6; i++) {
            unsigned at = round % 2 == 0 ? 6 * i : MANY - 6 - 6 * i;
            field_unmap(&field, at + below(&field, 3), 1 + below(&field, 3));
            field_check(&field);
        }
        field_end(&field);
    }
}

static void test_holes_anywhere(void **state)
{
    static struct field field;
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        field_begin(&field, 100 + round);
        field_stripe(&field);
        for (unsigned step = 0; step < 150; step++) {
            unsigned from = below(&field, MANY), left = MANY - from;
            unsigned widest = below(&field, 8) == 0 ? 60 : 6;
            unsigned pages = 1 + below(&field, left < widest ? left : widest);
            if (below(&field, 3) == 0)
                field_unmap(&field, from, pages);
            else
                field_protect(&field, from, pages, kinds[below(&field, 3)]);
            field_check(&field);
        }
        field_end(&field);
    }
}

/* What a hole needs does not grow with the number of ranges on either side of it. */
static void test_holes_take_little(void **state)
{
    static struct field field;
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        field_begin(&field, 200);
        for (unsigned page = 1; page < MANY; page += 3)
            field_protect(&field, page, 1, ZX_VM_PERM_READ);
        for (unsigned i = 0; i < MANY / 3; i++) {
            unsigned at = round == 0 ? 3 * i : MANY - 3 - 3 * i;
            uint64_t before = zvm_allocation_count();
            assert_ok(zx_vmar_unmap(field.vmar, field.base + (at + 2) * PAGE, PAGE));
            assert_true(zvm_allocation_count() - before <= 16);
            field.perms[at + 2] = ABSENT;
        }
        field_check(&field);
        field_end(&field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MERGE_TEST(test_on_either_side),
        MERGE_TEST(test_only_where_alike),
        MERGE_TEST(test_protect_makes_alike),
        MERGE_TEST(test_across_a_whole_range),
        MERGE_TEST(test_cut_and_mended),
        MERGE_TEST(test_zero_page_is_remembered),
        MERGE_TEST(test_cut_at_the_tail),
        MERGE_TEST(test_cut_at_the_head),
        MERGE_TEST(test_cut_in_the_middle),
        MERGE_TEST(test_cut_of_a_part_in_the_middle),
        MERGE_TEST(test_cut_of_the_other_part),
        MERGE_TEST(test_cut_of_two_at_once),
        MERGE_TEST(test_overwrite_at_the_tail),
        MERGE_TEST(test_overwrite_at_the_head),
        MERGE_TEST(test_overwrite_in_the_middle),
        TEST(test_holes_in_order),
        TEST(test_holes_anywhere),
        TEST(test_holes_take_little),
        MERGE_TEST(test_failed_allocations),
    };
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
