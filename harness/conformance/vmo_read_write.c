/* SPDX-License-Identifier: MIT */
/* vmo_read_write.c: zx_vmo_read and zx_vmo_write. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE
#define SIZE (3 * PAGE)

static char buffer[SIZE];

static struct {
    zx_handle_t handle;
    char *buffer;
    uint64_t offset;
    size_t size;
} args;

static zx_handle_t vmo, closed, no_read, no_write;

static void good(void)
{
    args.handle = vmo;
    args.buffer = buffer;
    args.offset = PAGE - 1;
    args.size = PAGE + 2;
}

static void begin(void)
{
    vmo = make_vmo(SIZE, 0);
    closed = closed_handle();
    no_read = without(vmo, ZX_RIGHT_READ);
    no_write = without(vmo, ZX_RIGHT_WRITE);
    good();
}

static zx_status_t call_read(void)
{
    return zx_vmo_read(args.handle, args.buffer, args.offset, args.size);
}

static zx_status_t call_write(void)
{
    return zx_vmo_write(args.handle, args.buffer, args.offset, args.size);
}

static zx_status_t spoil_either(unsigned nth, zx_handle_t denied)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = zx_process_self();
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.offset = SIZE;
        return ZX_ERR_OUT_OF_RANGE;
    case 4:
        args.buffer = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_read(unsigned nth)
{
    return spoil_either(nth, no_read);
}

static zx_status_t spoil_write(unsigned nth)
{
    return nth == 5 ? no_memory() : spoil_either(nth, no_write);
}

TEST(errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil_read, call_read});
    check_errors(&(const struct errors){good, spoil_write, call_write});
}

static zx_status_t read_on(zx_handle_t handle)
{
    return zx_vmo_read(handle, buffer, 0, PAGE);
}

static zx_status_t write_on(zx_handle_t handle)
{
    return zx_vmo_write(handle, buffer, 0, PAGE);
}

TEST(handles)
{
    begin();
    check_handles(read_on, vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_READ);
    check_handles(write_on, vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_WRITE);
}

/* Each offset with each size: within the VMO or not. Bytes that are there are fine, even none at the very
   end. */
TEST(ranges)
{
    uint64_t offsets[BOUNDARIES], sizes[BOUNDARIES];
    begin();
    boundaries_of(SIZE, offsets);
    boundaries_of(SIZE, sizes);
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, SIZE, NULL, 0));
    for (unsigned i = 0; i < BOUNDARIES; i++)
        for (unsigned j = 0; j < BOUNDARIES; j++) {
            args.offset = offsets[i];
            args.size = sizes[j];
            if (args.offset <= SIZE && args.size <= SIZE - args.offset) {
                OK(call_read());
                OK_ONCE(call_write());
            } else {
                REFUSED(ZX_ERR_OUT_OF_RANGE, call_read());
                REFUSED(ZX_ERR_OUT_OF_RANGE, call_write());
            }
        }
}

TEST(an_empty_vmo)
{
    begin();
    args.handle = make_vmo(0, ZX_VMO_RESIZABLE);
    args.offset = args.size = 0;
    OK(call_read());
    OK_ONCE(call_write());
    args.size = 1;
    REFUSED(ZX_ERR_OUT_OF_RANGE, call_read());
    REFUSED(ZX_ERR_OUT_OF_RANGE, call_write());
    args.offset = 1;
    args.size = 0;
    REFUSED(ZX_ERR_OUT_OF_RANGE, call_read());
    REFUSED(ZX_ERR_OUT_OF_RANGE, call_write());
}

/* Where nothing is copied, no buffer is looked at. */
TEST(buffers)
{
    begin();
    for (unsigned i = 0; i < 2; i++) {
        args.buffer = i == 0 ? NULL : BAD_POINTER;
        for (args.size = 1; args.size <= PAGE; args.size += PAGE - 1) {
            REFUSED(ZX_ERR_INVALID_ARGS, call_read());
            REFUSED(ZX_ERR_INVALID_ARGS, call_write());
        }
        args.size = 0;
        OK(call_read());
        OK_ONCE(call_write());
    }
}

/* Across pages, at odd places; what is beside it stays as it was. */
TEST(bytes)
{
    char expected[SIZE] = {0};
    const struct {
        uint64_t offset;
        size_t size;
    } ranges[] = {{0, 1},   {PAGE - 1, 2}, {SIZE - 1, 1},     {PAGE - 7, PAGE + 14},
                  {5, 64},  {2 * PAGE, 8}, {2 * PAGE + 9, 3}, {1, 2 * PAGE + 4000},
                  {0, SIZE}};
    begin();
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (size_t at = 0; at < ranges[i].size; at++)
            buffer[at] = expected[ranges[i].offset + at] = (char)(at * 7 + i + 1);
        OK_ONCE(zx_vmo_write(vmo, buffer, ranges[i].offset, ranges[i].size));
        OK(zx_vmo_write(vmo, buffer, ranges[i].offset, ranges[i].size)); /* what is there already */
        fill(buffer, '?', SIZE);
        OK(zx_vmo_read(vmo, buffer, ranges[i].offset, ranges[i].size));
        CHECK(same_bytes(buffer, expected + ranges[i].offset, ranges[i].size));
        CHECK(ranges[i].size == SIZE || buffer[ranges[i].size] == '?');
        OK(zx_vmo_read(vmo, buffer, 0, SIZE));
        CHECK(same_bytes(buffer, expected, SIZE));
    }
}

/* All pages are made before the first byte is written. */
TEST(writing_without_memory)
{
    begin();
    fill(buffer, 'w', sizeof(buffer));
    check_allocations(call_write);
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, SIZE);
    OK(zx_vmo_read(vmo, buffer, 0, SIZE));
    CHECK(all_bytes(buffer, 0, PAGE - 1) && all_bytes(buffer + PAGE - 1, 'w', PAGE + 2));
    CHECK(all_bytes(buffer + 2 * PAGE + 1, 0, PAGE - 1));
}

/* Reading takes no memory, writing that of the pages written; a VMO costs what it holds. */
TEST(memory)
{
    enum { FAR = 39 };
    zx_handle_t huge = make_vmo(1ull << 40, 0);
    char byte = '?';
    OK(zx_vmo_read(huge, buffer, 0, SIZE));
    CHECK(all_bytes(buffer, 0, SIZE));
    CHECK_EQUAL(vmo_info_of(huge).committed_bytes, 0);
    uint64_t before = kmem_stats().free_bytes;
    OK_ONCE(zx_vmo_write(huge, "a", 0, 1));
    OK_ONCE(zx_vmo_write(huge, "bc", (1ull << FAR) - 1, 2));
    OK_ONCE(zx_vmo_write(huge, "d", (1ull << 40) - 1, 1));
    CHECK_EQUAL(vmo_info_of(huge).committed_bytes, 4 * PAGE);
    CHECK(before - kmem_stats().free_bytes < 32 * PAGE);
    OK(zx_vmo_read(huge, &byte, 1ull << FAR, 1));
    CHECK_EQUAL(byte, 'c');
    OK(zx_vmo_read(huge, buffer, (1ull << FAR) - 2, 4));
    CHECK(same_bytes(buffer, "\0bc\0", 4));
    OK(zx_vmo_read(huge, &byte, (1ull << 40) - 1, 1));
    CHECK_EQUAL(byte, 'd');
}

/* What is written and read is what a mapping shows. */
TEST(mapped)
{
    zx_vaddr_t at;
    begin();
    OK(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, SIZE, &at));
    OK(access_read(at + PAGE, buffer, 2)); /* the zero page */
    CHECK(all_bytes(buffer, 0, 2));
    OK_ONCE(zx_vmo_write(vmo, "ab", PAGE, 2));
    OK(access_read(at + PAGE, buffer, 2));
    CHECK(same_bytes(buffer, "ab", 2));
    OK_ONCE(access_write(at + 2 * PAGE - 1, "cd", 2)); /* an access is not undone */
    OK(zx_vmo_read(vmo, buffer, 2 * PAGE - 1, 2));
    CHECK(same_bytes(buffer, "cd", 2));
}

const struct conformance_test vmo_read_write_tests[] = {
    CASE(errors_in_order),        CASE(handles), CASE(ranges), CASE(an_empty_vmo), CASE(buffers), CASE(bytes),
    CASE(writing_without_memory), CASE(memory),  CASE(mapped), NO_MORE_CASES};
