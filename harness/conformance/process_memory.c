/* SPDX-License-Identifier: MIT */
/*
 * process_memory.c: zx_process_read_memory and zx_process_write_memory: every refusal in order; where
 * memory ends; that it goes through the VMO.
 */
#include "matrix.h"

#define PAGE       ZX_PAGE_SIZE
#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define MIB        ((size_t)1 << 20)

static char buffer[4 * ZX_PAGE_SIZE];
static size_t actual;
static zx_handle_t process, vmos[3], closed, no_read, no_write;
static zx_vaddr_t base;

static struct {
    zx_handle_t handle;
    zx_vaddr_t va;
    void *buffer;
    size_t size;
    size_t *actual;
} args;

static void good(void)
{
    args.handle = process;
    args.va = base + PAGE - 1;
    args.buffer = buffer;
    args.size = PAGE + 2;
    args.actual = &actual;
}

/* Three mappings with a gap of a page: [0, 2) and [2, 4) of two VMOs, then [5, 9), whose VMO ends after
   two pages. */
static void begin(void)
{
    zx_handle_t vmar = make_vmar(EVERYTHING, 10, &base);
    zx_handle_t child = make_vmar_at(vmar, EVERYTHING, 2 * PAGE, 2);
    for (unsigned i = 0; i < 3; i++)
        vmos[i] = make_vmo(2 * PAGE, 0);
    (void)map_at(vmar, READ_WRITE, 0, vmos[0], 0, 2);
    (void)map_at(child, 0, 0, vmos[1], 0, 2);
    (void)map_at(vmar, READ, 5 * PAGE, vmos[2], 0, 4);
    closed = closed_handle();
    process = zx_process_self();
    no_read = without(zx_process_self(), ZX_RIGHT_READ);
    no_write = without(zx_process_self(), ZX_RIGHT_WRITE);
    good();
}

/* A refusal leaves the result alone, too. */
static zx_status_t call_read(void)
{
    actual = 77;
    zx_status_t status = zx_process_read_memory(args.handle, args.va, args.buffer, args.size, args.actual);
    CHECK(status == ZX_OK || actual == 77);
    return status;
}

static zx_status_t call_write(void)
{
    actual = 77;
    zx_status_t status = zx_process_write_memory(args.handle, args.va, args.buffer, args.size, args.actual);
    CHECK(status == ZX_OK || actual == 77);
    return status;
}

/* ---- Refusals ---- */

static zx_status_t spoil_either(unsigned nth)
{
    switch (nth) {
    case 0:
        args.buffer = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.size = 0;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.size = 64 * MIB + 1;
        return ZX_ERR_INVALID_ARGS;
    case 3:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 4:
        args.handle = zx_vmar_root_self();
        return ZX_ERR_WRONG_TYPE;
    case 5:
        args.handle = no_write;
        return ZX_ERR_ACCESS_DENIED;
    case 6:
        args.va = base + 4 * PAGE;
        return ZX_ERR_NO_MEMORY; /* nothing is mapped there */
    case 7:
        args.buffer = BAD_POINTER;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_read(unsigned nth)
{
    if (nth == 5) {
        args.handle = no_read;
        return ZX_ERR_ACCESS_DENIED;
    }
    if (nth == 8) {
        args.actual = NULL;
        return ZX_ERR_INVALID_ARGS;
    }
    return spoil_either(nth);
}

static zx_status_t spoil_write(unsigned nth)
{
    if (nth == 8) {
        args.actual = NULL;
        return ZX_ERR_INVALID_ARGS;
    }
    return nth == 9 ? no_memory() : spoil_either(nth);
}

static zx_status_t read_on(zx_handle_t handle)
{
    return zx_process_read_memory(handle, base, buffer, PAGE, &actual);
}

static zx_status_t write_on(zx_handle_t handle)
{
    return zx_process_write_memory(handle, base, buffer, PAGE, &actual);
}

TEST(errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil_read, call_read});
    check_errors(&(const struct errors){good, spoil_write, call_write});
    check_handles(read_on, zx_process_self(), ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_READ | ZX_RIGHT_WRITE);
    check_handles(write_on, zx_process_self(), ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_WRITE);
}

/* Not mapped: outside of the space, in gaps, past the end of a VMO. */
TEST(nowhere)
{
    begin();
    zx_info_vmar_t root = vmar_info_of(zx_vmar_root_self());
    const zx_vaddr_t addresses[] = {0,
                                    1,
                                    PAGE,
                                    root.base - 1,
                                    root.base + root.len,
                                    1ull << 47,
                                    UINT64_MAX - PAGE,
                                    UINT64_MAX,
                                    base + 4 * PAGE,
                                    base + 5 * PAGE - 1,
                                    base + 7 * PAGE,
                                    base + 9 * PAGE - 1,
                                    base + 9 * PAGE};
    const size_t sizes[] = {1, PAGE - 1, PAGE, PAGE + 1, 64 * MIB};
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            args.va = addresses[i];
            args.size = sizes[j];
            NOTE(args.va);
            REFUSED(ZX_ERR_NO_MEMORY, call_read());
            REFUSED(ZX_ERR_NO_MEMORY, call_write());
        }
}

/* How many bytes from the start of the layout on are mapped without a break. */
static size_t mapped_from(size_t offset)
{
    const size_t ends[] = {4 * PAGE, 7 * PAGE};
    if (offset < ends[0])
        return ends[0] - offset;
    return offset >= 5 * PAGE && offset < ends[1] ? ends[1] - offset : 0;
}

/* Each offset with each size: as many bytes as there are. */
TEST(extents)
{
    const size_t offsets[] = {0,
                              1,
                              PAGE - 1,
                              PAGE,
                              2 * PAGE - 1,
                              2 * PAGE,
                              4 * PAGE - 1,
                              4 * PAGE,
                              5 * PAGE - 1,
                              5 * PAGE,
                              7 * PAGE - 1,
                              7 * PAGE,
                              9 * PAGE};
    const size_t sizes[] = {0,
                            1,
                            2,
                            PAGE - 1,
                            PAGE,
                            PAGE + 1,
                            4 * PAGE - 1,
                            4 * PAGE,
                            4 * PAGE + 1,
                            64 * MIB - 1,
                            64 * MIB,
                            64 * MIB + 1,
                            (size_t)1 << 47,
                            SIZE_MAX};
    begin();
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            size_t there = mapped_from(offsets[i]), expected = there < sizes[j] ? there : sizes[j];
            bool wrong = sizes[j] == 0 || sizes[j] > 64 * MIB;
            args.va = base + offsets[i];
            args.size = sizes[j];
            NOTE(offsets[i]);
            NOTE(sizes[j]);
            if (wrong || there == 0) {
                REFUSED(wrong ? ZX_ERR_INVALID_ARGS : ZX_ERR_NO_MEMORY, call_read());
                REFUSED(wrong ? ZX_ERR_INVALID_ARGS : ZX_ERR_NO_MEMORY, call_write());
                continue;
            }
            fill(buffer, '?', sizeof(buffer));
            OK_ONCE(call_read());
            CHECK_EQUAL(actual, expected);
            CHECK(all_bytes(buffer + actual, '?', sizeof(buffer) - actual));
            OK_ONCE(call_write());
            CHECK_EQUAL(actual, expected);
        }
}

/* ---- Bytes ---- */

static size_t read_bytes(size_t offset, size_t size)
{
    fill(buffer, '?', sizeof(buffer));
    OK(zx_process_read_memory(process, base + offset, buffer, size, &actual));
    return actual;
}

/* A copy that breaks off behind the probe of the buffer, as only another thread can bring about, ends the
   call halfway. */
static size_t write_bytes(size_t offset, const char *bytes, size_t size)
{
    OK_ONCE(zx_process_write_memory(process, base + offset, bytes, size, &actual));
    return actual;
}

/* Across pages, mappings and VMARs; what was written is in the VMOs, and nowhere else. */
TEST(bytes)
{
    begin();
    CHECK_EQUAL(write_bytes(PAGE - 3, "abcdef", 6), 6);
    CHECK_EQUAL(write_bytes(2 * PAGE - 2, "ghij", 4), 4);
    CHECK_EQUAL(write_bytes(4 * PAGE - 2, "klmn", 4), 2);
    CHECK_EQUAL(write_bytes(7 * PAGE - 1, "op", 2), 1);
    CHECK_EQUAL(read_bytes(PAGE - 4, 8), 8);
    CHECK(same_bytes(buffer, "\0abcdef\0", 8));
    CHECK_EQUAL(read_bytes(2 * PAGE - 3, 6), 6);
    CHECK(same_bytes(buffer, "\0ghij\0", 6));
    CHECK_EQUAL(read_bytes(3 * PAGE, 2 * PAGE), PAGE);
    CHECK(same_bytes(buffer + PAGE - 3, "\0kl?", 4));
    CHECK_EQUAL(read_bytes(5 * PAGE, 4 * PAGE), 2 * PAGE);
    CHECK(same_bytes(buffer + 2 * PAGE - 2, "\0o?", 3));
    OK(zx_vmo_read(vmos[0], buffer, 2 * PAGE - 2, 2));
    OK(zx_vmo_read(vmos[1], buffer + 2, 0, 2));
    CHECK(same_bytes(buffer, "ghij", 4));
    CHECK_EQUAL(vmo_info_of(vmos[0]).committed_bytes, 2 * PAGE);
    CHECK_EQUAL(vmo_info_of(vmos[1]).committed_bytes, 2 * PAGE);
    CHECK_EQUAL(vmo_info_of(vmos[2]).committed_bytes, PAGE);
}

static zx_status_t write_all(void)
{
    args.va = base;
    args.size = 4 * PAGE;
    return call_write();
}

/* All pages are made before the first byte is written; reading makes none. */
TEST(memory)
{
    begin();
    CHECK_EQUAL(read_bytes(0, 4 * PAGE), 4 * PAGE);
    CHECK_EQUAL(vmo_info_of(vmos[0]).committed_bytes + vmo_info_of(vmos[1]).committed_bytes, 0);
    fill(buffer, 'w', sizeof(buffer));
    check_allocations(write_all);
    CHECK_EQUAL(actual, 4 * PAGE);
    CHECK_EQUAL(read_bytes(0, 4 * PAGE), 4 * PAGE);
    CHECK(all_bytes(buffer, 'w', 4 * PAGE));
    OK(write_all()); /* what is there already */
}

/* Memory at the very end of the space. */
TEST(end_of_space)
{
    begin();
    zx_handle_t root;
    process = make_process(&root);
    zx_info_vmar_t place = vmar_info_of(root);
    base = map_at(root, READ, place.len - PAGE, vmos[0], 0, 1);
    CHECK_EQUAL(base + PAGE, place.base + place.len);
    CHECK_EQUAL(write_bytes(PAGE - 1, "ab", 2), 1);
    CHECK_EQUAL(read_bytes(PAGE - 1, 64 * MIB), 1);
    CHECK_EQUAL(buffer[0], 'a');
}

/* What a reader of the mapping sees, zero page and all, follows; permissions do not matter. */
TEST(through_the_vmo)
{
    begin();
    CHECK_EQUAL(byte_at(base), 0);
    CHECK_EQUAL(write_bytes(0, "x", 1), 1);
    CHECK_EQUAL(byte_at(base), 'x');
    OK(zx_vmar_protect(zx_vmar_root_self(), 0, base, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, access_read(base, buffer, 1));
    CHECK_EQUAL(read_bytes(0, 1), 1);
    CHECK_EQUAL(buffer[0], 'x');
    CHECK_EQUAL(byte_at(base + 5 * PAGE), 0);
    CHECK_EQUAL(write_bytes(5 * PAGE, "y", 1), 1);
    CHECK_EQUAL(byte_at(base + 5 * PAGE), 'y');
    REFUSED(ZX_ERR_ACCESS_DENIED, touch(base + 5 * PAGE, 'z'));
    CHECK_EQUAL(byte_of(vmos[2], 0), 'y');
}

/* Another process, which maps the same. */
TEST(another_process)
{
    zx_handle_t root;
    begin();
    process = make_process(&root);
    zx_vaddr_t there = map_at(root, READ, PAGE, vmos[0], 0, 2);
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_read_memory(process, base, buffer, 1, &actual));
    OK_ONCE(zx_process_write_memory(process, there + PAGE, "x", 1, &actual));
    CHECK_EQUAL(byte_at(base + PAGE), 'x');
    OK_ONCE(touch(base + PAGE, 'y'));
    OK(zx_process_read_memory(process, there + PAGE, buffer, 2 * PAGE, &actual));
    CHECK_EQUAL(actual, PAGE);
    CHECK_EQUAL(buffer[0], 'y');
}

/* Neither the permissions of a mapping nor what bounds them matter to who may write to the process. */
TEST(what_may_be_written)
{
    zx_vaddr_t place;
    zx_handle_t may_not = without(make_vmo(4 * PAGE, 0), ZX_RIGHT_WRITE);
    zx_handle_t vmar = make_vmar(EVERYTHING, 8, &place);
    zx_handle_t closed_to_writes =
        make_vmar_at(vmar, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC, 2 * PAGE, 2);
    begin();
    base = map_at(vmar, READ, 0, may_not, 0, 2);
    (void)map_at(closed_to_writes, READ, 0, may_not, 2 * PAGE, 2);
    CHECK_EQUAL(write_bytes(2 * PAGE - 2, "abcd", 4), 4);
    CHECK_EQUAL(byte_at(base + 2 * PAGE - 1), 'b');
    CHECK_EQUAL(byte_at(base + 2 * PAGE), 'c');
}

const struct conformance_test process_memory_tests[] = {
    CASE(errors_in_order), CASE(nowhere),         CASE(extents),
    CASE(bytes),           CASE(memory),          CASE(end_of_space),
    CASE(through_the_vmo), CASE(another_process), CASE(what_may_be_written),
    NO_MORE_CASES};
