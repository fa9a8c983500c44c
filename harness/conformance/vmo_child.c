/* SPDX-License-Identifier: MIT */
/*
 * vmo_child.c: the bytes of snapshots and slices: who sees whose writes, through calls and through
 * mappings; what zx_vmo_op_range and zx_vmo_set_size do to them and to their parents.
 *
 * Every page of a parent is told by one byte, a letter, at its beginning; 0 where it was never written.
 */
#include "matrix.h"

#define PAGE       ZX_PAGE_SIZE
#define PAGES      6
#define SIZE       (PAGES * PAGE)
#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

#define SNAPSHOT  ZX_VMO_CHILD_SNAPSHOT
#define ON_WRITE  ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE
#define SLICE     ZX_VMO_CHILD_SLICE
#define RESIZABLE ZX_VMO_CHILD_RESIZABLE

static zx_handle_t vmo;

static void put(zx_handle_t handle, uint64_t page, char byte)
{
    OK_ONCE(zx_vmo_write(handle, &byte, page * PAGE, 1));
}

/* Pages 0, 1, 3, 4 with a to e, the others never written. */
static void begin(uint32_t options)
{
    vmo = make_vmo(SIZE, options);
    put(vmo, 0, 'a');
    put(vmo, 1, 'b');
    put(vmo, 3, 'd');
    put(vmo, 4, 'e');
}

static zx_handle_t child_of(zx_handle_t parent, uint32_t options, uint64_t page, uint64_t pages)
{
    zx_handle_t child = ZX_HANDLE_INVALID;
    OK_ONCE(zx_vmo_create_child(parent, options, page * PAGE, pages * PAGE, &child));
    return child;
}

/* Each page from the first on, '.' for 0; not a byte of them is anything but its letter and zeroes. */
static bool shows(zx_handle_t handle, const char *letters)
{
    static char bytes[ZX_PAGE_SIZE];
    for (uint64_t page = 0; letters[page] != '\0'; page++) {
        NOTE(page);
        STATUS(ZX_OK, zx_vmo_read(handle, bytes, page * PAGE, PAGE));
        if (bytes[0] != (letters[page] == '.' ? 0 : letters[page]) || !all_bytes(bytes + 1, 0, PAGE - 1))
            return false;
    }
    return true;
}

static bool mapping_shows(zx_vaddr_t at, const char *letters)
{
    for (uint64_t page = 0; letters[page] != '\0'; page++) {
        NOTE(page);
        if (byte_at(at + page * PAGE) != (letters[page] == '.' ? 0 : letters[page]))
            return false;
    }
    return true;
}

static uint64_t committed(zx_handle_t handle)
{
    return vmo_info_of(handle).committed_bytes / PAGE;
}

/* ---- Snapshots ---- */

/* Neither sees what the other writes later, whoever writes first, whether there was a page or none. */
TEST(both_ways)
{
    const uint32_t kinds[] = {SNAPSHOT, ON_WRITE, SNAPSHOT | RESIZABLE, ON_WRITE | RESIZABLE};
    for (unsigned i = 0; i < 4; i++) {
        begin(i % 2 == 0 ? 0 : ZX_VMO_RESIZABLE);
        zx_handle_t child = child_of(vmo, kinds[i], 0, PAGES);
        NOTE(i);
        CHECK(shows(vmo, "ab.de.") && shows(child, "ab.de."));
        put(vmo, 0, 'A');
        put(child, 1, 'B');
        put(vmo, 2, 'C');
        put(child, 5, 'F');
        CHECK(shows(vmo, "AbCde.") && shows(child, "aB.deF"));
        put(child, 0, 'x');
        put(vmo, 1, 'y');
        put(child, 2, 'z');
        CHECK(shows(vmo, "AyCde.") && shows(child, "xBzdeF"));
    }
}

/* Of a part, and of what lies beyond the parent's end. */
TEST(ranges)
{
    begin(0);
    CHECK(shows(child_of(vmo, SNAPSHOT, 1, 3), "b.d"));
    CHECK(shows(child_of(vmo, SNAPSHOT, 3, PAGES), "de...."));
    CHECK(shows(child_of(vmo, SNAPSHOT, PAGES, 2), ".."));
    CHECK(shows(child_of(vmo, SNAPSHOT, 1ull << 40, 2), ".."));
    zx_handle_t child = child_of(vmo, SNAPSHOT, 4, 4), empty = child_of(vmo, SNAPSHOT, 2, 0);
    CHECK_EQUAL(vmo_info_of(empty).size_bytes, 0);
    put(child, 3, 'X');
    put(vmo, 4, 'E');
    CHECK(shows(child, "e..X") && shows(vmo, "ab.dE."));
    char byte;
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(child, &byte, 4 * PAGE, 1));
}

TEST(generations)
{
    begin(0);
    zx_handle_t child = child_of(vmo, SNAPSHOT, 1, 4), grandchild = child_of(child, ON_WRITE, 2, 2);
    CHECK(shows(child, "b.de") && shows(grandchild, "de"));
    put(child, 2, 'x');
    put(vmo, 4, 'E');
    zx_handle_t second = child_of(child, SNAPSHOT, 0, 4);
    CHECK(shows(grandchild, "de") && shows(second, "b.xe") && shows(vmo, "ab.dE."));
    put(grandchild, 0, 'g');
    put(second, 0, 's');
    CHECK(shows(vmo, "ab.dE.") && shows(child, "b.xe") && shows(grandchild, "ge") && shows(second, "s.xe"));
}

/* Whoever goes first. */
TEST(parents_that_go)
{
    uint64_t before = kmem_stats().vmo_bytes;
    begin(0);
    zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES), grandchild = child_of(child, SNAPSHOT, 0, PAGES);
    OK_ONCE(zx_handle_close(child));
    put(vmo, 0, 'A');
    CHECK(shows(grandchild, "ab.de."));
    OK_ONCE(zx_handle_close(vmo));
    CHECK(shows(grandchild, "ab.de."));
    CHECK_EQUAL(committed(grandchild), 4);
    put(grandchild, 3, 'D');
    CHECK(shows(grandchild, "ab.De."));
    CHECK_EQUAL(committed(grandchild), 4); /* nobody else has the page any more */
    OK_ONCE(zx_handle_close(grandchild));
    CHECK_EQUAL(kmem_stats().vmo_bytes, before);
}

static zx_handle_t written;

static zx_status_t write_two_pages(void)
{
    static char bytes[2 * ZX_PAGE_SIZE];
    fill(bytes, 'w', sizeof(bytes));
    return zx_vmo_write(written, bytes, 3 * PAGE, sizeof(bytes));
}

/* A write to pages that both have needs memory, and is refused whole where there is none. */
TEST(a_copy_without_memory)
{
    static char bytes[2 * ZX_PAGE_SIZE];
    for (unsigned i = 0; i < 2; i++) {
        begin(0);
        zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES), other = i == 0 ? vmo : child;
        written = i == 0 ? child : vmo;
        check_allocations(write_two_pages);
        CHECK(shows(other, "ab.de.") && shows(written, "ab."));
        OK(zx_vmo_read(written, bytes, 3 * PAGE, sizeof(bytes)));
        CHECK(all_bytes(bytes, 'w', sizeof(bytes)));
    }
}

/* ---- Sizes ---- */

/* What a child loses and gets again is zero, whatever its parent has there; and the other way round. */
TEST(resizing)
{
    begin(ZX_VMO_RESIZABLE);
    zx_handle_t child = child_of(vmo, SNAPSHOT | RESIZABLE, 0, PAGES),
                fixed = child_of(vmo, SNAPSHOT, 0, PAGES);
    REFUSED(ZX_ERR_UNAVAILABLE, zx_vmo_set_size(fixed, PAGE));
    OK(zx_vmo_set_size(child, 3 * PAGE));
    CHECK(shows(vmo, "ab.de."));
    OK(zx_vmo_set_size(child, 5 * PAGE));
    CHECK(shows(child, "ab..."));
    OK(zx_vmo_set_size(vmo, PAGE));
    CHECK(shows(child, "ab...") && shows(fixed, "ab.de."));
    OK(zx_vmo_set_size(vmo, SIZE));
    CHECK(shows(vmo, "a.....") && shows(child, "ab...") && shows(fixed, "ab.de."));
    OK(zx_vmo_set_size(child, 0));
    OK(zx_vmo_set_size(vmo, 0));
    CHECK(shows(fixed, "ab.de."));
    CHECK_EQUAL(committed(fixed), 4);
}

/* ---- Operations ---- */

/* A parent may be decommitted, a snapshot not: nor a slice of one. */
TEST(decommit)
{
    begin(0);
    zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES), slice = child_of(child, SLICE, 1, 4);
    const struct {
        zx_handle_t handle;
        uint64_t size;
    } snapshots[] = {{child, SIZE}, {slice, 4 * PAGE}, {child_of(slice, SLICE, 1, 2), 2 * PAGE}};
    for (unsigned i = 0; i < 3; i++) {
        zx_handle_t handle = snapshots[i].handle;
        uint64_t size = snapshots[i].size;
        NOTE(i);
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 1, size, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, size + PAGE, 0, NULL, 0));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 1, PAGE, NULL, 0));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 0, 1, NULL, 0));
        REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 0, size, NULL, 0));
        REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, PAGE, PAGE, NULL, 0));
        OK(zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, size, 0, NULL, 0));
    }
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, PAGE, 3 * PAGE, NULL, 0));
    CHECK(shows(vmo, "a...e.") && shows(child, "ab.de.") && shows(slice, "b.de"));
    zx_handle_t of_parent = child_of(vmo, SLICE, 4, 2);
    OK(zx_vmo_op_range(of_parent, ZX_VMO_OP_DECOMMIT, 0, 2 * PAGE, NULL, 0));
    CHECK(shows(vmo, "a.....") && shows(child, "ab.de."));
}

TEST(decommit_by_address)
{
    zx_vaddr_t base;
    begin(0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 4 * PAGES, &base), child = child_of(vmo, SNAPSHOT, 0, PAGES);
    zx_vaddr_t first = map_at(vmar, READ_WRITE, 0, vmo, 0, PAGES);
    zx_vaddr_t second = map_at(vmar, READ_WRITE, SIZE, child, 0, PAGES);
    zx_vaddr_t third = map_at(vmar, READ_WRITE, 2 * SIZE, child_of(child, SLICE, 0, 2), 0, 2);
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, second, PAGE, NULL, 0));
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, third, PAGE, NULL, 0));
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, first, 2 * SIZE, NULL, 0));
    CHECK(mapping_shows(first, "ab.de.") && mapping_shows(second, "ab.de."));
    OK(zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, first, SIZE, NULL, 0));
    CHECK(mapping_shows(first, "......") && mapping_shows(second, "ab.de.") && mapping_shows(third, "ab"));
}

/* Whole pages go, parts of a page that both have are copied. */
TEST(zero)
{
    begin(0);
    zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES);
    OK(zx_vmo_op_range(child, ZX_VMO_OP_ZERO, 0, PAGE + 1, NULL, 0));
    CHECK(shows(vmo, "ab.de.") && shows(child, "...de."));
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 3 * PAGE, 2 * PAGE, NULL, 0));
    CHECK(shows(vmo, "ab....") && shows(child, "...de."));
    OK(zx_vmo_op_range(child, ZX_VMO_OP_ZERO, 4 * PAGE, 1, NULL, 0));
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 1, PAGE - 1, NULL, 0));
    CHECK(shows(vmo, "ab....") && shows(child, "...d.."));
    OK(zx_vmo_op_range(child, ZX_VMO_OP_ZERO, 0, SIZE, NULL, 0));
    CHECK(shows(vmo, "ab....") && shows(child, "......"));
}

/* Pages that are shared get memory of their own, as those that are absent do. */
TEST(commit)
{
    begin(0);
    zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES);
    CHECK_EQUAL(committed(vmo) + committed(child), 4);
    OK(zx_vmo_op_range(child, ZX_VMO_OP_COMMIT, PAGE, 2 * PAGE, NULL, 0));
    CHECK_EQUAL(committed(vmo) + committed(child), 6);
    OK(zx_vmo_op_range(child, ZX_VMO_OP_COMMIT, 0, SIZE, NULL, 0));
    CHECK_EQUAL(committed(vmo) + committed(child), 10);
    CHECK_EQUAL(committed(child), PAGES);
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, SIZE, NULL, 0));
    CHECK_EQUAL(committed(vmo) + committed(child), 12);
    CHECK(shows(vmo, "ab.de.") && shows(child, "ab.de."));
    /* From now on no write needs memory. */
    if (conformance_fail_allocation(1, true)) {
        put(child, 0, 'x');
        put(vmo, 2, 'y');
        (void)conformance_fail_allocation(0, false);
        CHECK(shows(vmo, "abyde.") && shows(child, "xb.de."));
    }
}

TEST(hints)
{
    const uint32_t ops[] = {ZX_VMO_OP_CACHE_SYNC,  ZX_VMO_OP_CACHE_INVALIDATE,       ZX_VMO_OP_DONT_NEED,
                            ZX_VMO_OP_CACHE_CLEAN, ZX_VMO_OP_CACHE_CLEAN_INVALIDATE, ZX_VMO_OP_ALWAYS_NEED};
    begin(0);
    zx_handle_t children[] = {child_of(vmo, SNAPSHOT, 0, PAGES), child_of(vmo, SLICE, 0, PAGES)};
    for (unsigned i = 0; i < 6; i++)
        for (unsigned j = 0; j < 2; j++) {
            OK(zx_vmo_op_range(children[j], ops[i], 0, SIZE, NULL, 0));
            REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(children[j], ops[i], PAGE, SIZE, NULL, 0));
            CHECK(shows(vmo, "ab.de.") && shows(children[j], "ab.de."));
        }
    CHECK_EQUAL(committed(vmo) + committed(children[0]), 4);
}

/* ---- Mappings of snapshots ---- */

/* Each goes on seeing its own bytes, entered before or after, in whichever way the others are written. */
TEST(mapped)
{
    zx_vaddr_t base;
    begin(0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 8 * PAGES, &base);
    zx_vaddr_t writable = map_at(vmar, READ_WRITE, 0, vmo, 0, PAGES);
    zx_vaddr_t reader = map_at(vmar, READ, SIZE, vmo, 0, PAGES);
    OK_ONCE(touch(writable, 'A'));
    OK_ONCE(touch(writable + PAGE, 'B')); /* entered, and writable, when the snapshot is made */
    CHECK(mapping_shows(reader, "AB.de."));
    zx_handle_t child = child_of(vmo, SNAPSHOT, 0, PAGES);
    zx_vaddr_t of_child = map_at(vmar, READ_WRITE, 2 * SIZE, child, 0, PAGES);
    zx_vaddr_t of_child_too = map_at(vmar, READ, 3 * SIZE, child, 0, PAGES);
    OK(touch(writable, 'x'));
    CHECK(mapping_shows(writable, "xB.de.") && mapping_shows(reader, "xB.de.") &&
          mapping_shows(of_child, "AB.de."));
    OK(touch(of_child + PAGE, 'y'));
    OK(touch(of_child + 2 * PAGE, 'z'));
    CHECK(mapping_shows(writable, "xB.de.") && mapping_shows(reader, "xB.de."));
    CHECK(mapping_shows(of_child, "Ayzde.") && mapping_shows(of_child_too, "Ayzde."));
    put(vmo, 3, 'D');
    put(child, 4, 'E');
    size_t actual;
    OK_ONCE(zx_process_write_memory(zx_process_self(), writable + 5 * PAGE, "F", 1, &actual));
    OK_ONCE(zx_process_write_memory(zx_process_self(), of_child_too, "G", 1, &actual));
    CHECK(mapping_shows(writable, "xB.DeF") && mapping_shows(reader, "xB.DeF") && shows(vmo, "xB.DeF"));
    CHECK(mapping_shows(of_child, "GyzdE.") && mapping_shows(of_child_too, "GyzdE.") &&
          shows(child, "GyzdE."));
    REFUSED(ZX_ERR_ACCESS_DENIED, touch(of_child_too, 'n'));
    /* Mappings keep both. */
    OK_ONCE(zx_handle_close(vmo));
    OK_ONCE(zx_handle_close(child));
    OK(touch(writable + 3 * PAGE, 'm'));
    OK(touch(of_child + 3 * PAGE, 'n'));
    CHECK(mapping_shows(reader, "xB.meF") && mapping_shows(of_child_too, "GyznE."));
}

/* A fault that needs a copy and finds no memory changes nothing; what can be read stays readable. */
TEST(faults)
{
    zx_vaddr_t base;
    begin(0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 4 * PAGES, &base), child = child_of(vmo, SNAPSHOT, 0, PAGES);
    zx_vaddr_t at = map_at(vmar, READ_WRITE, 0, child, 0, PAGES + 1);
    CHECK(mapping_shows(at, "ab.de."));
    if (conformance_fail_allocation(1, true)) {
        REFUSED(ZX_ERR_NO_MEMORY, touch(at, 'x'));
        CHECK(mapping_shows(at, "ab.de."));
        (void)conformance_fail_allocation(0, false);
    }
    OK(touch(at, 'x'));
    CHECK(mapping_shows(at, "xb.de.") && shows(vmo, "ab.de."));
    REFUSED(ZX_ERR_OUT_OF_RANGE, touch(at + SIZE, 'x'));
}

TEST(mapped_at_once)
{
    zx_vaddr_t base;
    begin(0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 4 * PAGES, &base), child = child_of(vmo, SNAPSHOT, 0, PAGES);
    zx_vaddr_t at = map_at(vmar, READ_WRITE | ZX_VM_MAP_RANGE, 0, child, 0, PAGES);
    zx_vaddr_t too = map_at(vmar, READ_WRITE, SIZE, vmo, 0, PAGES);
    OK(zx_vmar_op_range(vmar, ZX_VMAR_OP_MAP_RANGE, too, SIZE, NULL, 0));
    OK(touch(at, 'x'));
    OK(touch(too + PAGE, 'y'));
    CHECK(mapping_shows(at, "xb.de.") && mapping_shows(too, "ay.de."));
    OK(zx_vmar_op_range(vmar, ZX_VMAR_OP_COMMIT, base, 2 * SIZE, NULL, 0));
    CHECK(mapping_shows(at, "xb.de.") && mapping_shows(too, "ay.de."));
    CHECK_EQUAL(committed(vmo) + committed(child), 2 * PAGES);
}

TEST(resizable_or_not)
{
    zx_vaddr_t addr;
    const zx_vm_option_t fixed = READ | ZX_VM_REQUIRE_NON_RESIZABLE;
    zx_handle_t root = zx_vmar_root_self();
    begin(ZX_VMO_RESIZABLE);
    zx_handle_t resizable = child_of(vmo, SNAPSHOT | RESIZABLE, 0, PAGES),
                child = child_of(vmo, SNAPSHOT, 0, PAGES);
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_map(root, fixed, 0, resizable, 0, SIZE, &addr));
    OK(zx_vmar_map(root, fixed, 0, child, 0, SIZE, &addr));
    OK(zx_vmar_map(root, READ_WRITE, 0, resizable, 0, SIZE, &addr));
    CHECK(mapping_shows(addr, "ab.de."));
    OK(zx_vmo_set_size(resizable, 2 * PAGE));
    CHECK(mapping_shows(addr, "ab"));
    REFUSED(ZX_ERR_OUT_OF_RANGE, touch(addr + 2 * PAGE, 'x'));
}

/* ---- Slices ---- */

/* All that is done to a slice is done to its parent, and the other way round. */
TEST(a_window)
{
    begin(0);
    zx_handle_t slice = child_of(vmo, SLICE, 1, 4), inner = child_of(slice, SLICE, 1, 2);
    CHECK(shows(slice, "b.de") && shows(inner, ".d"));
    put(slice, 1, 'x');
    put(inner, 1, 'y');
    put(vmo, 4, 'z');
    CHECK(shows(vmo, "abxyz.") && shows(slice, "bxyz") && shows(inner, "xy"));
    OK(zx_vmo_op_range(slice, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0));
    OK(zx_vmo_op_range(inner, ZX_VMO_OP_ZERO, 0, PAGE, NULL, 0));
    CHECK(shows(vmo, "a..yz.") && shows(slice, "..yz") && shows(inner, ".y"));
    OK(zx_vmo_op_range(slice, ZX_VMO_OP_COMMIT, 0, 4 * PAGE, NULL, 0));
    CHECK_EQUAL(committed(vmo), 5);
    CHECK_EQUAL(committed(slice), 0);
    /* What was closed lives on behind the slice. */
    OK_ONCE(zx_handle_close(vmo));
    OK_ONCE(zx_handle_close(slice));
    CHECK(shows(inner, ".y"));
}

/* It ends where it ends, whatever lies behind. */
TEST(ends_of_slices)
{
    uint64_t values[BOUNDARIES];
    char byte = 'x';
    begin(0);
    zx_handle_t slice = child_of(vmo, SLICE, 1, 2);
    boundaries_of(2 * PAGE, values);
    for (unsigned i = 0; i < BOUNDARIES; i++) {
        uint64_t offset = values[i];
        NOTE(offset);
        if (offset >= 2 * PAGE) {
            REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(slice, &byte, offset, 1));
            REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_write(slice, &byte, offset, 1));
            REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(slice, ZX_VMO_OP_ZERO, offset, 1, NULL, 0));
            REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_op_range(slice, ZX_VMO_OP_COMMIT, 1, offset, NULL, 0));
        } else {
            OK(zx_vmo_read(slice, &byte, offset, 1));
        }
        if (offset <= 2 * PAGE)
            OK(zx_vmo_op_range(slice, ZX_VMO_OP_ALWAYS_NEED, 0, offset, NULL, 0));
    }
    char two[2];
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(slice, two, 2 * PAGE - 1, 2));
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_write(slice, two, 2 * PAGE - 1, 2));
    REFUSED(ZX_ERR_UNAVAILABLE, zx_vmo_set_size(slice, PAGE));
    uint64_t size = 0;
    OK(zx_vmo_get_size(slice, &size));
    CHECK_EQUAL(size, 2 * PAGE);
    CHECK(shows(vmo, "ab.de."));
}

/* A mapping may reach past the end of a slice; faults there are refused, though the VMO behind goes on. */
TEST(mappings_of_slices)
{
    zx_vaddr_t base;
    char byte = '?';
    size_t actual;
    begin(0);
    zx_handle_t vmar = make_vmar(EVERYTHING, 4 * PAGES, &base), slice = child_of(vmo, SLICE, 1, 2);
    zx_vaddr_t at = map_at(vmar, READ_WRITE, 0, slice, 0, 4);
    zx_vaddr_t whole = map_at(vmar, READ, SIZE, vmo, 0, PAGES);
    zx_vaddr_t second = map_at(vmar, READ_WRITE | ZX_VM_MAP_RANGE, 2 * SIZE, slice, PAGE, 2);
    CHECK(mapping_shows(whole, "ab.de.") && mapping_shows(at, "b.") && mapping_shows(second, "."));
    OK(touch(at + PAGE, 'x'));
    CHECK(mapping_shows(whole, "abxde.") && mapping_shows(second, "x"));
    REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(at + 2 * PAGE, &byte, 1));
    REFUSED(ZX_ERR_OUT_OF_RANGE, touch(at + 3 * PAGE, 'y'));
    REFUSED(ZX_ERR_OUT_OF_RANGE, touch(second + PAGE, 'y'));
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(vmar, ZX_VMAR_OP_COMMIT, at, 3 * PAGE, NULL, 0));
    OK(zx_vmar_op_range(vmar, ZX_VMAR_OP_MAP_RANGE, at, 4 * PAGE, NULL, 0));
    REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(at + 2 * PAGE, &byte, 1));
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_read_memory(zx_process_self(), at + 2 * PAGE, &byte, 1, &actual));
    char bytes[8];
    OK(zx_process_read_memory(zx_process_self(), at + 2 * PAGE - 4, bytes, sizeof(bytes), &actual));
    CHECK_EQUAL(actual, 4);
    zx_handle_t inner = child_of(slice, SLICE, 1, 1);
    zx_vaddr_t of_inner = map_at(vmar, READ_WRITE, 3 * SIZE, inner, 0, 2);
    CHECK(mapping_shows(of_inner, "x"));
    OK(touch(of_inner, 'i'));
    CHECK(mapping_shows(whole, "abide."));
    REFUSED(ZX_ERR_OUT_OF_RANGE, touch(of_inner + PAGE, 'y'));
    OK_ONCE(zx_handle_close(inner));
    /* Its place behind counts where an offset overflows. */
    OK(zx_vmar_map(vmar, READ, 0, vmo, 0 - 2 * PAGE, PAGE, &base));
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_map(vmar, READ, 0, slice, 0 - 2 * PAGE, PAGE, &base));
    /* It outlives the handles of all. */
    OK_ONCE(zx_handle_close(slice));
    OK_ONCE(zx_handle_close(vmo));
    CHECK(mapping_shows(at, "bi") && mapping_shows(whole, "abide.") && mapping_shows(of_inner, "i"));
    REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(at + 2 * PAGE, &byte, 1));
}

/* Copies of windows, windows on copies. */
TEST(slices_and_snapshots)
{
    begin(0);
    zx_handle_t slice = child_of(vmo, SLICE, 1, 3), copy = child_of(slice, SNAPSHOT, 0, 6);
    CHECK(shows(copy, "b.d...")); /* zero beyond the slice's end, not what lies behind it */
    put(vmo, 1, 'x');
    put(copy, 2, 'y');
    CHECK(shows(copy, "b.y...") && shows(slice, "x.d") && shows(vmo, "ax.de."));
    zx_handle_t window = child_of(copy, SLICE, 2, 2), second = child_of(window, SNAPSHOT, 0, 2);
    put(window, 1, 'z');
    CHECK(shows(copy, "b.yz..") && shows(window, "yz") && shows(second, "y."));
    OK_ONCE(zx_handle_close(copy));
    OK_ONCE(zx_handle_close(slice));
    OK_ONCE(zx_handle_close(vmo));
    CHECK(shows(window, "yz") && shows(second, "y."));
}

const struct conformance_test vmo_child_tests[] = {CASE(both_ways),
                                                   CASE(ranges),
                                                   CASE(generations),
                                                   CASE(parents_that_go),
                                                   CASE(a_copy_without_memory),
                                                   CASE(resizing),
                                                   CASE(decommit),
                                                   CASE(decommit_by_address),
                                                   CASE(zero),
                                                   CASE(commit),
                                                   CASE(hints),
                                                   CASE(mapped),
                                                   CASE(faults),
                                                   CASE(mapped_at_once),
                                                   CASE(resizable_or_not),
                                                   CASE(a_window),
                                                   CASE(ends_of_slices),
                                                   CASE(mappings_of_slices),
                                                   CASE(slices_and_snapshots),
                                                   NO_MORE_CASES};
