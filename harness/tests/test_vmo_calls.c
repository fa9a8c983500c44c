/* SPDX-License-Identifier: MIT */
/* test_vmo_calls.c: zx_vmo_create, read, write, get_size, set_size, op_range as programs see them. */
#include "calls.h"

/* The greatest size: whole pages, and a bit less than 2^64. */
#define SIZE_LIMIT (UINT64_MAX & ~(uint64_t)(64 * PAGE - 1))

static uint64_t size_of(zx_handle_t vmo)
{
    uint64_t size = 1;
    assert_ok(zx_vmo_get_size(vmo, &size));
    return size;
}

/* Whether every byte of the range reads as `expected`. */
static void bytes_are(zx_handle_t vmo, uint64_t offset, size_t size, int expected)
{
    char bytes[3 * ZX_PAGE_SIZE];
    assert_true(size <= sizeof(bytes));
    memset(bytes, ~expected, sizeof(bytes));
    check_status(zx_vmo_read(vmo, bytes, offset, size), ZX_OK, __FILE__, __LINE__);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], expected);
}

static void fill(zx_handle_t vmo, uint64_t offset, size_t size, int with)
{
    char bytes[3 * ZX_PAGE_SIZE];
    assert_true(size <= sizeof(bytes));
    memset(bytes, with, size);
    assert_ok(zx_vmo_write(vmo, bytes, offset, size));
}

/* ---- Create ---- */

static void test_create(void **state)
{
    (void)state;
    zx_handle_t vmo = 77;
    for (unsigned bit = 0; bit < 32; bit++)
        if (1u << bit != ZX_VMO_RESIZABLE)
            assert_refused(zx_vmo_create(UINT64_MAX, 1u << bit, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_create(UINT64_MAX, 0, NULL), ZX_ERR_OUT_OF_RANGE);
    assert_refused(zx_vmo_create(SIZE_LIMIT + 1, 0, &vmo), ZX_ERR_OUT_OF_RANGE);
    assert_refused(zx_vmo_create(PAGE, 0, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_create(PAGE, 0, BAD_POINTER), ZX_ERR_INVALID_ARGS);
    assert_int_equal(vmo, 77);
    assert_survives_failed_copies(zx_vmo_create(PAGE, 0, &vmo));
    assert_survives_failed_allocations(zx_vmo_create(PAGE, ZX_VMO_RESIZABLE, &vmo));
    assert_int_equal(rights_of(vmo), ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_RESIZE);
    assert_int_equal(rights_of(make_vmo(0, 0)), ZX_DEFAULT_VMO_RIGHTS);
    assert_int_equal(size_of(make_vmo(0, 0)), 0);
    assert_int_equal(size_of(make_vmo(1, 0)), PAGE);
    assert_int_equal(size_of(make_vmo(PAGE, 0)), PAGE);
    assert_int_equal(size_of(make_vmo(PAGE + 1, 0)), 2 * PAGE);
    assert_int_equal(size_of(make_vmo(SIZE_LIMIT, 0)), SIZE_LIMIT);
    assert_int_equal(size_of(make_vmo(SIZE_LIMIT - PAGE + 1, 0)), SIZE_LIMIT);
}

/* ---- Read and write ---- */

static void test_read_and_write_refusals(void **state)
{
    (void)state;
    char bytes[64] = "";
    zx_handle_t vmo = make_vmo(2 * PAGE, 0), closed = make_closed_handle(), root = zx_vmar_root_self();
    zx_handle_t no_read = without(vmo, ZX_RIGHT_READ), no_write = without(vmo, ZX_RIGHT_WRITE);
    assert_refused(zx_vmo_read(closed, NULL, UINT64_MAX, 1), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_read(root, NULL, UINT64_MAX, 1), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmo_read(no_read, NULL, UINT64_MAX, 1), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmo_write(closed, NULL, UINT64_MAX, 1), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_write(root, NULL, UINT64_MAX, 1), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmo_write(no_write, NULL, UINT64_MAX, 1), ZX_ERR_ACCESS_DENIED);
    const struct {
        uint64_t offset;
        size_t size;
    } outside[] = {{2 * PAGE, 1},   {2 * PAGE - 1, 2}, {2 * PAGE + 1, 0}, {0, 2 * PAGE + 1},
                   {UINT64_MAX, 1}, {PAGE, SIZE_MAX},  {0, SIZE_MAX}};
    for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_refused(zx_vmo_read(vmo, NULL, outside[i].offset, outside[i].size), ZX_ERR_OUT_OF_RANGE);
        assert_refused(zx_vmo_write(vmo, NULL, outside[i].offset, outside[i].size), ZX_ERR_OUT_OF_RANGE);
    }
    assert_refused(zx_vmo_read(vmo, NULL, 0, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_write(vmo, NULL, 0, 1), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_vmo_read(vmo, NULL, 2 * PAGE, 0));
    assert_ok(zx_vmo_write(vmo, NULL, 2 * PAGE, 0));
    assert_survives_failed_copies(zx_vmo_read(vmo, bytes, PAGE - 32, sizeof(bytes)));
    assert_survives_failed_copies(zx_vmo_read(no_write, bytes, 2 * PAGE - 64, sizeof(bytes)));
    assert_ok(zx_vmo_write(no_read, bytes, 2 * PAGE - 64, sizeof(bytes)));
}

static void test_write_without_memory(void **state)
{
    (void)state;
    char bytes[64] = "across two pages";
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    assert_survives_failed_allocations(zx_vmo_write(vmo, bytes, PAGE - 32, sizeof(bytes)));
    char got[64];
    assert_ok(zx_vmo_read(vmo, got, PAGE - 32, sizeof(got)));
    assert_memory_equal(got, bytes, sizeof(bytes));
    bytes_are(vmo, 0, PAGE - 32, 0);
    bytes_are(vmo, 2 * PAGE, 2 * PAGE, 0);
    fill(vmo, 2 * PAGE, PAGE, 'x');
    bytes_are(vmo, 2 * PAGE, PAGE, 'x');
}

static void test_sparse(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(1ull << 40, 0);
    uint64_t before = stats_now().pages_free;
    fill(vmo, 0, 1, 'a');
    fill(vmo, 1ull << 39, 1, 'b');
    fill(vmo, (1ull << 40) - 1, 1, 'c');
    assert_true(before - stats_now().pages_free < 32);
    bytes_are(vmo, 1ull << 39, 1, 'b');
    bytes_are(vmo, (1ull << 39) - PAGE, PAGE, 0);
    bytes_are(vmo, (1ull << 40) - 1, 1, 'c');
}

/* ---- Sizes ---- */

static void test_get_size(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), bare = without(vmo, rights_of(vmo) & ~ZX_RIGHT_DUPLICATE);
    assert_refused(zx_vmo_get_size(make_closed_handle(), NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_get_size(zx_process_self(), NULL), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmo_get_size(vmo, NULL), ZX_ERR_INVALID_ARGS);
    assert_int_equal(size_of(bare), PAGE);
}

static void test_set_size(void **state)
{
    (void)state;
    zx_handle_t fixed = make_vmo(4 * PAGE, 0), vmo = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE);
    zx_handle_t closed = make_closed_handle(), fixed_reader = without(fixed, ZX_RIGHT_WRITE);
    zx_handle_t reader = without(vmo, ZX_RIGHT_WRITE), no_resize = without(vmo, ZX_RIGHT_RESIZE);
    assert_refused(zx_vmo_set_size(closed, UINT64_MAX), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_set_size(zx_process_self(), UINT64_MAX), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmo_set_size(fixed_reader, UINT64_MAX), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmo_set_size(fixed, UINT64_MAX), ZX_ERR_UNAVAILABLE);
    assert_refused(zx_vmo_set_size(reader, UINT64_MAX), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmo_set_size(no_resize, UINT64_MAX), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmo_set_size(vmo, UINT64_MAX), ZX_ERR_OUT_OF_RANGE);
    assert_refused(zx_vmo_set_size(vmo, SIZE_LIMIT + 1), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(size_of(vmo), 4 * PAGE);
    fill(vmo, PAGE, 3 * PAGE, 'x');
    assert_ok(zx_vmo_set_size(vmo, PAGE + 1));
    assert_int_equal(size_of(vmo), 2 * PAGE);
    bytes_are(vmo, PAGE, PAGE, 'x');
    assert_ok(zx_vmo_set_size(vmo, SIZE_LIMIT));
    bytes_are(vmo, PAGE, PAGE, 'x');
    bytes_are(vmo, 2 * PAGE, 2 * PAGE, 0);
    assert_ok(zx_vmo_set_size(vmo, 0));
    assert_int_equal(size_of(vmo), 0);
}

/* What is cut off is gone from every mapping, and comes back as zeroes. */
static void test_shrink_mapped(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE), root = zx_vmar_root_self();
    zx_vaddr_t addr[2];
    char byte = 'x';
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4 * PAGE, &addr[i]));
        for (unsigned page = 0; page < 4; page++)
            assert_ok(zvm_access(zx_process_self(), addr[i] + page * PAGE, &byte, 1, ZVM_WRITE));
    }
    assert_ok(zx_vmo_set_size(vmo, 2 * PAGE));
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(zvm_access(zx_process_self(), addr[i] + PAGE, &byte, 1, ZVM_READ));
        assert_refused(zvm_access(zx_process_self(), addr[i] + 2 * PAGE, &byte, 1, ZVM_READ),
                       ZX_ERR_OUT_OF_RANGE);
    }
    assert_ok(zx_vmo_set_size(vmo, 4 * PAGE));
    assert_ok(zvm_access(zx_process_self(), addr[0] + 2 * PAGE, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 0);
}

/* ---- Operations on ranges ---- */

static const uint32_t operations[] = {ZX_VMO_OP_COMMIT,      ZX_VMO_OP_DECOMMIT,
                                      ZX_VMO_OP_CACHE_SYNC,  ZX_VMO_OP_CACHE_INVALIDATE,
                                      ZX_VMO_OP_CACHE_CLEAN, ZX_VMO_OP_CACHE_CLEAN_INVALIDATE,
                                      ZX_VMO_OP_ZERO,        ZX_VMO_OP_DONT_NEED,
                                      ZX_VMO_OP_ALWAYS_NEED};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static bool is_known(uint32_t op)
{
    for (unsigned i = 0; i < OPERATIONS; i++)
        if (operations[i] == op)
            return true;
    return false;
}

static bool is_cache_op(uint32_t op)
{
    return op >= ZX_VMO_OP_CACHE_SYNC && op <= ZX_VMO_OP_CACHE_CLEAN_INVALIDATE;
}

static zx_rights_t right_for(uint32_t op)
{
    if (op == ZX_VMO_OP_COMMIT || op == ZX_VMO_OP_DECOMMIT || op == ZX_VMO_OP_ZERO ||
        op == ZX_VMO_OP_CACHE_INVALIDATE)
        return ZX_RIGHT_WRITE;
    return is_cache_op(op) ? ZX_RIGHT_READ : ZX_RIGHT_NONE;
}

static void test_op_range_refusals(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), closed = make_closed_handle(),
                reader = without(vmo, ZX_RIGHT_WRITE), neither = without(reader, ZX_RIGHT_READ);
    char buffer[1];
    assert_refused(zx_vmo_op_range(closed, 99, UINT64_MAX, 0, buffer, 1), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_op_range(zx_process_self(), 99, UINT64_MAX, 0, buffer, 1), ZX_ERR_WRONG_TYPE);
    for (uint32_t op = 0; op < 64; op++)
        if (!is_known(op))
            assert_refused(zx_vmo_op_range(reader, op, UINT64_MAX, PAGE, NULL, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_op_range(reader, UINT32_MAX, 0, PAGE, NULL, 0), ZX_ERR_INVALID_ARGS);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint32_t op = operations[i];
        assert_refused(zx_vmo_op_range(reader, op, UINT64_MAX, 1, buffer, 0), ZX_ERR_INVALID_ARGS);
        assert_refused(zx_vmo_op_range(reader, op, UINT64_MAX, 1, NULL, 1), ZX_ERR_INVALID_ARGS);
        assert_refused(zx_vmo_op_range(neither, op, UINT64_MAX, 1, buffer, 0), ZX_ERR_INVALID_ARGS);
        if (right_for(op) != ZX_RIGHT_NONE) {
            zx_handle_t fewer = without(vmo, right_for(op));
            assert_refused(zx_vmo_op_range(fewer, op, UINT64_MAX, 0, NULL, 0), ZX_ERR_ACCESS_DENIED);
            assert_refused(zx_vmo_op_range(fewer, op, 0, PAGE, NULL, 0), ZX_ERR_ACCESS_DENIED);
        }
        zx_handle_t enough = without(vmo, (ZX_RIGHT_READ | ZX_RIGHT_WRITE) & ~right_for(op));
        assert_ok(zx_vmo_op_range(enough, op, 0, PAGE, NULL, 0));
        assert_refused(zx_vmo_op_range(vmo, op, UINT64_MAX, 1, NULL, 0), ZX_ERR_OUT_OF_RANGE);
        assert_refused(zx_vmo_op_range(vmo, op, 4 * PAGE + 1, 0, NULL, 0),
                       is_cache_op(op) ? ZX_ERR_INVALID_ARGS : ZX_ERR_OUT_OF_RANGE);
        assert_refused(zx_vmo_op_range(vmo, op, 3 * PAGE + 1, PAGE, NULL, 0), ZX_ERR_OUT_OF_RANGE);
        assert_refused(zx_vmo_op_range(vmo, op, PAGE, UINT64_MAX, NULL, 0), ZX_ERR_OUT_OF_RANGE);
        assert_ok(zx_vmo_op_range(vmo, op, PAGE, 3 * PAGE, NULL, 0));
    }
    for (uint32_t op = ZX_VMO_OP_CACHE_SYNC; op <= ZX_VMO_OP_CACHE_CLEAN_INVALIDATE; op++)
        assert_refused(zx_vmo_op_range(vmo, op, PAGE, 0, NULL, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 1, PAGE, NULL, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, PAGE, 1, NULL, 0), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 1, 1, NULL, 0));
}

static void test_commit(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(16 * PAGE, 0), huge = make_vmo(1ull << 40, 0);
    assert_refused(zx_vmo_op_range(huge, ZX_VMO_OP_COMMIT, 0, 1ull << 40, NULL, 0), ZX_ERR_NO_MEMORY);
    fill(vmo, 3 * PAGE, 1, 'x');
    assert_survives_failed_allocations(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, PAGE + 1, 4 * PAGE, NULL, 0));
    uint64_t free = stats_now().pages_free;
    fill(vmo, PAGE, 3 * PAGE, 'y');
    fill(vmo, 5 * PAGE, PAGE, 'y');
    assert_int_equal(stats_now().pages_free, free);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, PAGE, 2 * PAGE, NULL, 0));
    assert_int_equal(stats_now().pages_free, free + 2);
    bytes_are(vmo, PAGE, 2 * PAGE, 0);
    bytes_are(vmo, 3 * PAGE, PAGE, 'y');
}

static void test_zero(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t addr;
    char byte = 0;
    fill(vmo, 0, 3 * PAGE, 'x');
    assert_ok(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, vmo, 0, 4 * PAGE, &addr));
    assert_ok(zvm_access(zx_process_self(), addr + PAGE, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 'x');
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, PAGE - 1, PAGE + 2, NULL, 0));
    bytes_are(vmo, 0, PAGE - 1, 'x');
    bytes_are(vmo, PAGE - 1, PAGE + 2, 0);
    bytes_are(vmo, 2 * PAGE + 1, PAGE - 1, 'x');
    assert_ok(zvm_access(zx_process_self(), addr + PAGE, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 0);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 10, 20, NULL, 0));
    bytes_are(vmo, 0, 10, 'x');
    bytes_are(vmo, 10, 20, 0);
    bytes_are(vmo, 30, 10, 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_read_and_write_refusals),
        TEST(test_write_without_memory),
        TEST(test_sparse),
        TEST(test_get_size),
        TEST(test_set_size),
        TEST(test_shrink_mapped),
        TEST(test_op_range_refusals),
        TEST(test_commit),
        TEST(test_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
