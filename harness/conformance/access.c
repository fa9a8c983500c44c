/* SPDX-License-Identifier: MIT */
/* access.c: what reading, writing and executing memory answers, and what it does. */
#include "layout.h"

static const zx_vm_option_t all_perms[] = {0, READ, READ | WRITE, READ | EXECUTE, READ | WRITE | EXECUTE};
enum { ALL_PERMS = sizeof(all_perms) / sizeof(all_perms[0]) };

/* Each permission that can be mapped, and each way to use it; the page absent or there. */
TEST(permissions)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base);
    char byte;
    for (unsigned i = 0; i < 2 * ALL_PERMS; i++) {
        zx_vm_option_t perms = all_perms[i / 2];
        zx_handle_t vmo = make_executable_vmo(PAGE);
        zx_vaddr_t at = map_at(vmar, perms, i * PAGE, vmo, 0, 1);
        if (i % 2 != 0)
            STATUS(ZX_OK, zx_vmo_write(vmo, "r", 0, 1));
        NOTE(i);
        if ((perms & READ) != 0) {
            OK(access_read(at, &byte, 1));
            CHECK_EQUAL(byte, i % 2 != 0 ? 'r' : 0);
        } else {
            REFUSED(ZX_ERR_ACCESS_DENIED, access_read(at, &byte, 1));
        }
        if ((perms & EXECUTE) != 0)
            OK(access_execute(at, 1));
        else
            REFUSED(ZX_ERR_ACCESS_DENIED, access_execute(at, 1));
        if ((perms & WRITE) != 0) {
            OK(touch(at, 'w'));
            CHECK_EQUAL(byte_of(vmo, 0), 'w');
        } else {
            REFUSED(ZX_ERR_ACCESS_DENIED, touch(at, 'w'));
        }
    }
}

/* Nothing is there: gaps, VMARs without mappings, places no program has. */
TEST(nothing_there)
{
    make_layout();
    zx_info_vmar_t root = vmar_info_of(zx_vmar_root_self());
    const zx_vaddr_t where[] = {0,
                                1,
                                PAGE,
                                root.base - 1,
                                root.base,
                                root.base + root.len - 1,
                                root.base + root.len,
                                1ull << 47,
                                0xffff800000000000,
                                0xffffff8000000000,
                                0 - PAGE,
                                UINT64_MAX,
                                layout.base - 1,
                                layout_at(10),
                                layout_at(12) - 1,
                                layout_at(18),
                                layout_at(LAYOUT_PAGES),
                                layout.dead_base};
    char byte = 'x';
    for (unsigned i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        NOTE(where[i]);
        REFUSED(ZX_ERR_NOT_FOUND, access_read(where[i], &byte, 1));
        REFUSED(ZX_ERR_NOT_FOUND, access_write(where[i], &byte, 1));
        REFUSED(ZX_ERR_NOT_FOUND, access_execute(where[i], 1));
    }
}

/* Past the end of the VMO, which moves; permission is looked at first. */
TEST(past_the_end)
{
    zx_vaddr_t base;
    char byte = 'x';
    zx_handle_t vmo = make_vmo(2 * PAGE, ZX_VMO_RESIZABLE), vmar = make_vmar(EVERYTHING, 16, &base);
    zx_vaddr_t at = map_at(vmar, READ_WRITE, 0, vmo, 0, 4), reader = map_at(vmar, READ, 4 * PAGE, vmo, 0, 4);
    zx_vaddr_t blind = map_at(vmar, 0, 8 * PAGE, vmo, 0, 4);
    for (size_t size = 0; size <= 4; size++) {
        STATUS(ZX_OK, zx_vmo_set_size(vmo, size * PAGE));
        NOTE(size);
        for (size_t page = 0; page < 4; page++) {
            NOTE(page);
            if (page < size) {
                OK(touch(at + page * PAGE, byte));
                OK(access_read(reader + page * PAGE, &byte, 1));
            } else {
                REFUSED(ZX_ERR_OUT_OF_RANGE, touch(at + page * PAGE, byte));
                REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(reader + page * PAGE, &byte, 1));
            }
            REFUSED(ZX_ERR_ACCESS_DENIED, touch(reader + page * PAGE, byte));
            REFUSED(ZX_ERR_ACCESS_DENIED, access_read(blind + page * PAGE, &byte, 1));
        }
    }
    STATUS(ZX_OK, zx_vmo_set_size(vmo, PAGE));
    REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(at + PAGE, &byte, 1));
    STATUS(ZX_OK, zx_vmo_set_size(vmo, 2 * PAGE));
    CHECK_EQUAL(byte_at(at + PAGE), 0);
}

/* A page is as good as its bytes: the first and the last of them, and runs over the border of two
   mappings. What comes before a fault has been accessed. */
TEST(runs_of_bytes)
{
    char bytes[4] = "abc", got[4];
    make_layout();
    OK(access_write(layout_at(0), bytes, 1));
    OK(access_write(layout_at(1) - 1, bytes, 1));
    CHECK_EQUAL(byte_of(layout.vmo, PAGE - 1), 'a');
    OK(access_write(layout_at(1) - 2, bytes, 4));
    OK(access_read(layout_at(1) - 2, got, 4));
    CHECK(same_bytes(bytes, got, 4));
    OK(access_read(layout_at(4) - 2, got, 4)); /* from one mapping into the next */
    REFUSED(ZX_ERR_NOT_FOUND, access_read(layout_at(12) - 2, got, 4));
    STATUS(ZX_ERR_ACCESS_DENIED, access_write(layout_at(4) - 2, bytes, 4));
    CHECK_EQUAL(byte_of(layout.vmo, 4 * PAGE - 2), 'a');
    CHECK_EQUAL(byte_of(layout.vmo, 4 * PAGE - 1), 'b');
    CHECK_EQUAL(byte_of(layout.vmo, 4 * PAGE), LETTER(4));
    OK(access_read(layout_at(0), got, 0));
}

/* All mappings of a VMO show the same bytes, whichever of them was touched first, and so do the calls. */
TEST(one_memory)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    for (unsigned i = 0; i < 3; i++)
        (void)map_at(vmar, READ_WRITE, i * 2 * PAGE, vmo, 0, 1);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(byte_at(base + i * 2 * PAGE), 0); /* the zero page everywhere */
    for (unsigned i = 0; i < 3; i++) {
        char byte = (char)('a' + i);
        OK(touch(base + i * 2 * PAGE, byte));
        for (unsigned j = 0; j < 3; j++)
            CHECK_EQUAL(byte_at(base + j * 2 * PAGE), byte);
        CHECK_EQUAL(byte_of(vmo, 0), byte);
        STATUS(ZX_OK, zx_vmo_write(vmo, "v", 0, 1));
        CHECK_EQUAL(byte_at(base + i * 2 * PAGE), 'v');
        STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 0, PAGE, NULL, 0));
        CHECK_EQUAL(byte_at(base + i * 2 * PAGE), 0);
    }
}

/* Reading what was never written takes no memory of the VMO; writing takes a page. */
TEST(memory_when_written)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), vmar = make_vmar(EVERYTHING, 8, &base);
    (void)map_at(vmar, READ_WRITE, 0, vmo, 0, 8);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQUAL(byte_at(base + i * PAGE), 0);
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, 0);
    for (unsigned i = 0; i < 8; i++) {
        OK(touch(base + i * PAGE, 'x'));
        CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, (i + 1) * PAGE);
    }
}

const struct conformance_test access_tests[] = {
    CASE(permissions), CASE(nothing_there),       CASE(past_the_end), CASE(runs_of_bytes),
    CASE(one_memory),  CASE(memory_when_written), NO_MORE_CASES};
