/* SPDX-License-Identifier: MIT */
/*
 * test_vmar_op.c: zx_vmar_op_range as programs see it: every refusal, in the specified order, with nothing
 * changed; what each operation does to memory and page tables.
 */
#include "calls.h"

#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static const uint32_t all_ops[] = {ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE,
                                   ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED};

#define for_each_op(op) for (const uint32_t *op = all_ops; op < all_ops + 5; op++)

static void refused(zx_handle_t vmar, uint32_t op, zx_vaddr_t addr, size_t size, zx_status_t expected)
{
    assert_refused(zx_vmar_op_range(vmar, op, addr, size, NULL, 0), expected);
}

static void granted(zx_handle_t vmar, uint32_t op, zx_vaddr_t addr, size_t size)
{
    assert_ok(zx_vmar_op_range(vmar, op, addr, size, NULL, 0));
}

/* Maps at base + offset. */
static void map_at(zx_handle_t vmar, zx_vm_option_t perms, size_t offset, zx_handle_t vmo,
                   uint64_t vmo_offset, size_t size)
{
    zx_vaddr_t addr;
    assert_ok(zx_vmar_map(vmar, perms | ZX_VM_SPECIFIC, offset, vmo, vmo_offset, size, &addr));
}

static zx_status_t touch(zx_vaddr_t addr, char byte)
{
    return zvm_access(zx_process_self(), addr, &byte, 1, ZVM_WRITE);
}

static char peek(zx_vaddr_t addr)
{
    char byte = '?';
    check_status(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ), ZX_OK, __FILE__, __LINE__);
    return byte;
}

static void test_arguments(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING, 8, &base), dead = make_dead_vmar();
    char buffer[8];
    map_at(vmar, READ_WRITE, 0, vmo, 0, 4 * PAGE);
    for (uint32_t op = 0; op < 64; op++) {
        bool known = (op >= 1 && op <= 3) || op == 12 || op == 13;
        refused(make_closed_handle(), op, base + 1, 0, ZX_ERR_BAD_HANDLE);
        refused(ZX_HANDLE_INVALID, op, base + 1, 0, ZX_ERR_BAD_HANDLE);
        refused(vmo, op, base + 1, 0, ZX_ERR_WRONG_TYPE);
        refused(zx_process_self(), op, base + 1, 0, ZX_ERR_WRONG_TYPE);
        if (!known)
            refused(vmar, op, base, PAGE, ZX_ERR_INVALID_ARGS);
    }
    refused(vmar, UINT32_MAX, base, PAGE, ZX_ERR_INVALID_ARGS);
    for_each_op(op)
    {
        assert_refused(zx_vmar_op_range(dead, *op, 0, PAGE, buffer, 0), ZX_ERR_INVALID_ARGS);
        assert_refused(zx_vmar_op_range(dead, *op, 0, PAGE, NULL, 1), ZX_ERR_INVALID_ARGS);
        assert_refused(zx_vmar_op_range(vmar, *op, base, PAGE, buffer, sizeof(buffer)), ZX_ERR_INVALID_ARGS);
        refused(dead, *op, 0, 0, ZX_ERR_INVALID_ARGS);
        refused(dead, *op, 1, PAGE, ZX_ERR_INVALID_ARGS);
        refused(vmar, *op, base, 0, ZX_ERR_INVALID_ARGS);
        refused(vmar, *op, base + PAGE - 1, PAGE, ZX_ERR_INVALID_ARGS);
        granted(vmar, *op, base, 1);
        granted(vmar, *op, base + 3 * PAGE, PAGE - 1);
        granted(vmar, *op, base, 4 * PAGE);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    zx_vaddr_t base, empty_base, child_base;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), vmar = make_vmar(EVERYTHING, 8, &base), child;
    zx_handle_t empty = make_vmar(EVERYTHING, 2, &empty_base), dead;
    zx_info_vmar_t place;
    map_at(vmar, READ_WRITE, 0, vmo, 0, 4 * PAGE);
    map_at(vmar, READ_WRITE, 6 * PAGE, vmo, 6 * PAGE, 2 * PAGE);
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING | ZX_VM_SPECIFIC, 4 * PAGE, PAGE, &child, &child_base));
    assert_ok(zx_vmar_allocate(empty, EVERYTHING, 0, PAGE, &dead, &child_base));
    assert_ok(zx_object_get_info(dead, ZX_INFO_VMAR, &place, sizeof(place), NULL, NULL));
    assert_ok(zx_vmar_destroy(dead));
    for_each_op(op)
    {
        /* Outside; dead or not. */
        refused(vmar, *op, base - PAGE, PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base - PAGE, 2 * PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base + 8 * PAGE, PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base, 8 * PAGE + 1, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base + PAGE, 8 * PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base, SIZE_MAX, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, base, (size_t)0 - base, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, 0, 1ull << 47, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, *op, (zx_vaddr_t)0 - PAGE, PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(dead, *op, place.base - PAGE, PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(dead, *op, place.base, place.len + 1, ZX_ERR_OUT_OF_RANGE);
        /* Dead, or with a gap: at the start, within, at the end, inside a child. */
        refused(dead, *op, place.base, place.len, ZX_ERR_BAD_STATE);
        refused(vmar, *op, base + 5 * PAGE, 2 * PAGE, ZX_ERR_BAD_STATE);
        refused(vmar, *op, base, 8 * PAGE, ZX_ERR_BAD_STATE);
        refused(vmar, *op, base, 4 * PAGE + 1, ZX_ERR_BAD_STATE);
        refused(vmar, *op, base + 4 * PAGE, PAGE, ZX_ERR_BAD_STATE);
        refused(empty, *op, empty_base, 2 * PAGE, ZX_ERR_BAD_STATE);
        granted(vmar, *op, base + 6 * PAGE, 2 * PAGE);
    }
}

static void test_what_mappings_allow(void **state)
{
    (void)state;
    zx_vaddr_t base, child_base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), reader = without(vmo, ZX_RIGHT_WRITE), child;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), weak = without(vmar, ZX_RIGHT_OP_CHILDREN);
    zx_handle_t bare = without(vmar, UINT32_MAX);
    map_at(vmar, READ_WRITE, 0, vmo, 0, 2 * PAGE);
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING | ZX_VM_SPECIFIC, 2 * PAGE, 4 * PAGE, &child, &child_base));
    map_at(child, READ_WRITE, 0, vmo, 0, 2 * PAGE);
    map_at(child, READ, 2 * PAGE, reader, 0, 2 * PAGE);
    map_at(vmar, READ, 6 * PAGE, vmo, 0, 2 * PAGE);      /* may become writable */
    map_at(vmar, READ, 8 * PAGE, reader, 0, 2 * PAGE);   /* may not */
    map_at(vmar, 0, 10 * PAGE, vmo, 2 * PAGE, 4 * PAGE); /* two pages past the end */
    for (uint32_t op = ZX_VMAR_OP_COMMIT; op <= ZX_VMAR_OP_DECOMMIT; op++) {
        granted(vmar, op, base, 2 * PAGE);
        granted(bare, op, base, 2 * PAGE);
        granted(vmar, op, base + 6 * PAGE, 2 * PAGE);
        granted(vmar, op, base + 10 * PAGE, 2 * PAGE);
        granted(child, op, child_base, 2 * PAGE);
        refused(vmar, op, base + 2 * PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(vmar, op, base, 4 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(weak, op, base, 3 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(child, op, child_base, 4 * PAGE, ZX_ERR_ACCESS_DENIED);
        refused(vmar, op, base + 8 * PAGE, PAGE, ZX_ERR_ACCESS_DENIED);
        /* One that is neither a direct child nor writable; then the first in ascending order. */
        refused(vmar, op, base + 4 * PAGE, PAGE, ZX_ERR_ACCESS_DENIED);
        refused(vmar, op, base, 10 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(vmar, op, base + 6 * PAGE, 8 * PAGE, ZX_ERR_ACCESS_DENIED);
        refused(vmar, op, base + 10 * PAGE, 2 * PAGE + 1, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, op, base + 12 * PAGE, PAGE, ZX_ERR_OUT_OF_RANGE);
        /* A gap anywhere comes before all of them. */
        refused(vmar, op, base, 15 * PAGE, ZX_ERR_BAD_STATE);
    }
    for (unsigned i = 2; i < 5; i++) {
        granted(vmar, all_ops[i], base, 14 * PAGE);
        granted(weak, all_ops[i], base, 2 * PAGE);
        granted(bare, all_ops[i], base + 6 * PAGE, 8 * PAGE);
        refused(weak, all_ops[i], base, 14 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(bare, all_ops[i], base + 5 * PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS);
        refused(weak, all_ops[i], base, 15 * PAGE, ZX_ERR_BAD_STATE);
    }
}

/* Which mappings of a VMO have merged cannot be told from the answer. */
static void test_snapshots(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(2 * PAGE, 0), vmar = make_vmar(EVERYTHING, 8, &base), child;
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &child));
    map_at(vmar, READ_WRITE, 0, child, 0, 4 * PAGE); /* two pages past the end */
    map_at(vmar, READ_WRITE, 4 * PAGE, vmo, 0, 4 * PAGE);
    for (unsigned i = 0; i < 2; i++) {
        refused(vmar, ZX_VMAR_OP_DECOMMIT, base, PAGE, ZX_ERR_NOT_SUPPORTED);
        refused(vmar, ZX_VMAR_OP_DECOMMIT, base, 4 * PAGE, ZX_ERR_NOT_SUPPORTED);
        refused(vmar, ZX_VMAR_OP_DECOMMIT, base + 2 * PAGE, 2 * PAGE, ZX_ERR_NOT_SUPPORTED);
        refused(vmar, ZX_VMAR_OP_DECOMMIT, base + 4 * PAGE, 3 * PAGE, ZX_ERR_OUT_OF_RANGE);
        refused(vmar, ZX_VMAR_OP_COMMIT, base, 4 * PAGE, ZX_ERR_OUT_OF_RANGE);
        granted(vmar, ZX_VMAR_OP_DECOMMIT, base + 4 * PAGE, 2 * PAGE);
        granted(vmar, ZX_VMAR_OP_COMMIT, base, 2 * PAGE);
        assert_ok(zx_vmar_unmap(vmar, base + 2 * PAGE, 2 * PAGE));
        map_at(vmar, READ, 2 * PAGE, child, 2 * PAGE, 2 * PAGE);
    }
}

static void test_commit_and_decommit(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t first = make_vmo(8 * PAGE, 0), second = make_vmo(1ull << 40, 0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base);
    map_at(vmar, READ_WRITE, 0, first, 2 * PAGE, 4 * PAGE);
    map_at(vmar, READ_WRITE, 4 * PAGE, second, 1ull << 39, 4 * PAGE);
    map_at(vmar, READ_WRITE, 8 * PAGE, first, 2 * PAGE, 4 * PAGE);
    assert_int_equal(peek(base + PAGE), 0);
    assert_int_equal(peek(base + 9 * PAGE), 0);
    assert_ok(touch(base + 5 * PAGE, 'x'));
    struct vm_stats before = stats_now();
    granted(vmar, ZX_VMAR_OP_COMMIT, base + PAGE, 11 * PAGE);
    /* All of the first, three of the second, one of which was there; radix nodes may cost a page. */
    uint64_t taken = before.pages_free - stats_now().pages_free;
    assert_true(taken >= 4 + 3 && taken <= 4 + 3 + 2);
    zvm_fail_allocation(1, true);
    granted(vmar, ZX_VMAR_OP_COMMIT, base + PAGE, 11 * PAGE);
    check_status(zx_vmo_write(first, "y", 3 * PAGE, 1), ZX_OK, __FILE__, __LINE__);
    zvm_fail_allocation(0, false);
    /* The zero page that stood there has gone from every mapping. */
    assert_int_equal(peek(base + PAGE), 'y');
    assert_int_equal(peek(base + 9 * PAGE), 'y');
    assert_int_equal(peek(base + 5 * PAGE), 'x');
    granted(vmar, ZX_VMAR_OP_DECOMMIT, base + PAGE, 5 * PAGE);
    assert_int_equal(peek(base + 9 * PAGE), 0);
    assert_int_equal(peek(base + 5 * PAGE), 0);
    assert_ok(touch(base + 7 * PAGE, 'z'));
    granted(vmar, ZX_VMAR_OP_DECOMMIT, base, 7 * PAGE);
    assert_int_equal(peek(base + 7 * PAGE), 'z');
}

static void test_commit_without_memory(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t vmos[3], vmar = make_vmar(EVERYTHING, 1u << 20, &base);
    for (unsigned i = 0; i < 3; i++) {
        vmos[i] = make_vmo(1ull << 40, 0);
        map_at(vmar, READ_WRITE, 4 * i * PAGE, vmos[i], (uint64_t)i << 38, 4 * PAGE);
    }
    map_at(vmar, READ_WRITE, 12 * PAGE, vmos[0], 0, 4 * PAGE); /* the first once more */
    map_at(vmar, READ_WRITE, 16 * PAGE, vmos[0], 1ull << 30, 1ull << 30);
    /* More than there is; the first parts would fit. */
    refused(vmar, ZX_VMAR_OP_COMMIT, base, 1ull << 30, ZX_ERR_NO_MEMORY);
    assert_int_equal(peek(base), 0);
    assert_ok(touch(base + 5 * PAGE, 'x'));
    assert_survives_failed_allocations(zx_vmar_op_range(vmar, ZX_VMAR_OP_COMMIT, base, 16 * PAGE, NULL, 0));
    uint64_t free_pages = stats_now().pages_free;
    granted(vmar, ZX_VMAR_OP_DECOMMIT, base, 16 * PAGE);
    assert_true(stats_now().pages_free >= free_pages + 12);
    assert_int_equal(peek(base + 5 * PAGE), 0);
}

static void test_map_range(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(16 * PAGE, 0), vmar = make_vmar(EVERYTHING | ALIGN(21), 32, &base);
    map_at(vmar, READ_WRITE, 0, vmo, 0, 16 * PAGE);
    map_at(vmar, 0, 16 * PAGE, vmo, 0, 8 * PAGE);
    uint64_t tables = stats_now().page_tables;
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base, 16 * PAGE); /* nothing is there */
    assert_int_equal(stats_now().page_tables, tables);
    assert_ok(zx_vmo_write(vmo, "a", 3 * PAGE, 1));
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base, 3 * PAGE);
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base + 4 * PAGE, 20 * PAGE);
    assert_int_equal(stats_now().page_tables, tables);
    /* Best effort: without memory for tables nothing is entered, and the next fault does it. */
    zvm_fail_allocation(1, true);
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base, 24 * PAGE);
    zvm_fail_allocation(0, false);
    assert_int_equal(stats_now().page_tables, tables);
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base, 24 * PAGE);
    assert_true(stats_now().page_tables > tables);
    /* No fault: it would need no memory, but neither permission nor page may be missing. */
    assert_int_equal(peek(base + 3 * PAGE), 'a');
    assert_refused(touch(base + 19 * PAGE, 'b'), ZX_ERR_ACCESS_DENIED);
    assert_ok(touch(base + 3 * PAGE, 'c'));
    granted(vmar, ZX_VMAR_OP_MAP_RANGE, base + 3 * PAGE, PAGE); /* skips what is entered */
    assert_int_equal(peek(base + 3 * PAGE), 'c');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),           TEST(test_ranges),
        TEST(test_what_mappings_allow), TEST(test_snapshots),
        TEST(test_commit_and_decommit), TEST(test_commit_without_memory),
        TEST(test_map_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
