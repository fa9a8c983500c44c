/* SPDX-License-Identifier: MIT */
/* vmar_op_range.c: zx_vmar_op_range. */
#include "layout.h"

#define COMMIT      ZX_VMAR_OP_COMMIT
#define DECOMMIT    ZX_VMAR_OP_DECOMMIT
#define MAP_RANGE   ZX_VMAR_OP_MAP_RANGE
#define DONT_NEED   ZX_VMAR_OP_DONT_NEED
#define ALWAYS_NEED ZX_VMAR_OP_ALWAYS_NEED

enum { OPS = 5 };
static const uint32_t ops[OPS] = {COMMIT, DECOMMIT, MAP_RANGE, DONT_NEED, ALWAYS_NEED};

/* ---- Errors in their order ---- */

static struct {
    bool closed, wrong_type, dead, weak;
    uint32_t op;
    zx_vaddr_t offset; /* from the VMAR's base */
    size_t size;
    void *buffer;
    size_t buffer_size;
} args;

static uint32_t good_op;
static zx_handle_t closed, other, weak[2];

static void make_args(void)
{
    make_layout();
    closed = closed_handle();
    other = zx_process_self();
    weak[0] = without(layout.vmar, ZX_RIGHT_OP_CHILDREN);
    weak[1] = without(layout.dead, ZX_RIGHT_OP_CHILDREN);
}

static zx_status_t call(void)
{
    zx_handle_t vmar = args.closed       ? closed
                       : args.wrong_type ? other
                       : args.weak       ? weak[args.dead]
                       : args.dead       ? layout.dead
                                         : layout.vmar;
    return zx_vmar_op_range(vmar, args.op, (args.dead ? layout.dead_base : layout.base) + args.offset,
                            args.size, args.buffer, args.buffer_size);
}

static void good(void)
{
    args.closed = args.wrong_type = args.dead = args.weak = false;
    args.op = good_op;
    args.offset = 20 * PAGE;
    args.size = 4 * PAGE;
    args.buffer = NULL;
    args.buffer_size = 0;
    /* So that committing takes memory. */
    (void)zx_vmar_op_range(layout.vmar, DECOMMIT, layout_at(20), 4 * PAGE, NULL, 0);
}

static zx_status_t spoil_arguments(unsigned nth)
{
    static char buffer;
    switch (nth) {
    case 0:
        args.closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.wrong_type = true;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.op = 4;
        return ZX_ERR_INVALID_ARGS;
    case 3:
        args.buffer = &buffer;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.buffer_size = 1;
        return ZX_ERR_INVALID_ARGS;
    case 5:
        args.size = 0;
        return ZX_ERR_INVALID_ARGS;
    case 6:
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 7:
        args.offset = (LAYOUT_PAGES - 1) * PAGE;
        args.size = PAGE + 1;
        return ZX_ERR_OUT_OF_RANGE;
    case 8:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    default: /* the gap comes after mappings that are wrong themselves */
        args.offset = 6 * PAGE;
        args.size = 5 * PAGE;
        return ZX_ERR_BAD_STATE;
    }
}

static zx_status_t spoil_commit(unsigned nth)
{
    switch (nth) {
    case 10: /* in a child, too */
        args.offset = 14 * PAGE;
        args.size = PAGE;
        return ZX_ERR_ACCESS_DENIED;
    case 11: /* past the end, too */
        args.offset = 15 * PAGE;
        args.size = PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 12:
        args.offset = 8 * PAGE;
        args.size = 2 * PAGE;
        return ZX_ERR_OUT_OF_RANGE;
    case 13:
        return no_memory();
    default:
        return nth < 10 ? spoil_arguments(nth) : ZX_OK;
    }
}

static zx_status_t spoil_decommit(unsigned nth)
{
    switch (nth) {
    case 12: /* a snapshot, past its end, too */
        args.offset = 16 * PAGE;
        args.size = 2 * PAGE;
        return ZX_ERR_NOT_SUPPORTED;
    case 13:
        return spoil_commit(12);
    default:
        return nth < 12 ? spoil_commit(nth) : ZX_OK;
    }
}

static zx_status_t spoil_hint(unsigned nth)
{
    switch (nth) {
    case 10:
        args.weak = true;
        args.offset = 22 * PAGE;
        args.size = 4 * PAGE;
        return ZX_ERR_INVALID_ARGS;
    default:
        return nth < 10 ? spoil_arguments(nth) : ZX_OK;
    }
}

TEST(errors_in_order)
{
    zx_handle_t snapshot;
    make_args();
    STATUS(ZX_OK, zx_vmo_create_child(layout.vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &snapshot));
    (void)map_at(layout.vmar, READ_WRITE, 16 * PAGE, snapshot, 0, 2);
    for (unsigned i = 0; i < OPS; i++) {
        good_op = ops[i];
        NOTE(good_op);
        check_errors(&(const struct errors){good,
                                            i == 0   ? spoil_commit
                                            : i == 1 ? spoil_decommit
                                                     : spoil_hint,
                                            call});
    }
}

static zx_status_t work_on_first(zx_handle_t vmar)
{
    return zx_vmar_op_range(vmar, good_op, layout_at(0), PAGE, NULL, 0);
}

/* No right is asked for: the mappings decide. */
TEST(handles)
{
    make_layout();
    for (unsigned i = 0; i < OPS; i++) {
        good_op = ops[i];
        check_handles(work_on_first, layout.vmar, ZX_OBJ_TYPE_VMAR, ZX_RIGHT_NONE);
    }
}

TEST(every_operation)
{
    make_layout();
    for (uint32_t op = 0; op < 32 + 256; op++) {
        uint32_t value = op < 256 ? op : 1u << (op - 256);
        bool known = false;
        for (unsigned i = 0; i < OPS; i++)
            known = known || ops[i] == value;
        NOTE(value);
        if (known)
            OK(zx_vmar_op_range(layout.vmar, value, layout_at(0), PAGE, NULL, 0));
        else
            REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_op_range(layout.vmar, value, layout_at(0), PAGE, NULL, 0));
    }
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_op_range(layout.vmar, UINT32_MAX, layout_at(0), PAGE, NULL, 0));
}

/* ---- Ranges ---- */

static uint32_t op;
static bool op_children;

/* What is wrong with a mapping is wrong with each of its pages, but that only some may be past the end of
   the VMO. */
static zx_status_t expected_of_page(const struct layout_page *page)
{
    if (op != COMMIT && op != DECOMMIT)
        return page->in_child && !op_children ? ZX_ERR_INVALID_ARGS : ZX_OK;
    if ((page->may & WRITE) == 0)
        return ZX_ERR_ACCESS_DENIED;
    if (page->in_child)
        return ZX_ERR_INVALID_ARGS;
    return page->past_end ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
}

static zx_status_t expected(zx_vaddr_t addr, size_t size)
{
    if (size == 0 || (addr & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    if (!layout_holds(addr, size))
        return ZX_ERR_OUT_OF_RANGE;
    size_t first = (addr - layout.base) / PAGE;
    zx_status_t status = ZX_OK;
    for (size_t page = first; layout_at(page) - addr < size; page++)
        if (!layout.pages[page].mapped)
            return ZX_ERR_BAD_STATE;
    for (size_t page = first; status == ZX_OK && layout_at(page) - addr < size; page++)
        status = expected_of_page(&layout.pages[page]);
    return status;
}

static void try(zx_vaddr_t addr, size_t size)
{
    zx_handle_t vmar = op_children ? layout.vmar : weak[0];
    zx_status_t status = expected(addr, size);
    NOTE(op);
    NOTE(op_children);
    NOTE(addr - layout.base);
    NOTE(size);
    if (status != ZX_OK) {
        REFUSED(status, zx_vmar_op_range(vmar, op, addr, size, NULL, 0));
        return;
    }
    OK(zx_vmar_op_range(vmar, op, addr, size, NULL, 0));
    if (op == DECOMMIT)
        for (size_t page = (addr - layout.base) / PAGE; layout_at(page) - addr < size; page++)
            layout.pages[page].byte = 0;
    check_layout();
    restore_layout();
}

static void try_within(uint64_t first, uint64_t second)
{
    try(layout.base + first, second);
}

TEST(ranges)
{
    make_args();
    for (unsigned i = 0; i < OPS; i++) {
        op = ops[i];
        op_children = i % 2 == 0;
        for_each_boundary(try_within);
    }
    for_each_boundary(try); /* far away */
}

/* Each range of whole pages in each half: gaps before all else, then the first error in ascending order. */
TEST(every_part)
{
    static const uint32_t each[] = {COMMIT, DECOMMIT, MAP_RANGE};
    enum { HALF = LAYOUT_PAGES / 2 };
    make_args();
    for (unsigned i = 0; i < 4; i++) {
        op = each[i % 3];
        op_children = i < 3;
        for (size_t from = 0; from < LAYOUT_PAGES; from++)
            for (size_t end = from + 1; end <= (from < HALF ? HALF : LAYOUT_PAGES); end++)
                try(layout_at(from), (end - from) * PAGE);
    }
}

TEST(the_dead)
{
    make_layout();
    for (unsigned i = 0; i < OPS; i++) {
        zx_vaddr_t base = layout.dead_base;
        size_t size = LAYOUT_PAGES * PAGE;
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_op_range(layout.dead, ops[i], base, size, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(layout.dead, ops[i], base, size + 1, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(layout.dead, ops[i], base - PAGE, PAGE, NULL, 0));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_op_range(layout.dead, ops[i], base, 0, NULL, 0));
    }
}

/* ---- What it does ---- */

static zx_status_t work(uint32_t which, size_t page, size_t count)
{
    return zx_vmar_op_range(layout.vmar, which, layout_at(page), count * PAGE, NULL, 0);
}

/* Maps a new VMO's pages at 10 and 11. */
static zx_handle_t make_absent(void)
{
    zx_handle_t vmo = make_vmo(2 * PAGE, 0);
    (void)map_at(layout.vmar, READ_WRITE, 10 * PAGE, vmo, 0, 2);
    return vmo;
}

/* What is committed needs no memory any more, but for page tables; and a zero page that was read there
   goes. */
TEST(commit)
{
    make_layout();
    zx_handle_t vmo = make_absent();
    CHECK_EQUAL(byte_at(layout_at(10)), 0);
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, 0);
    OK(work(COMMIT, 10, 2));
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, 2 * PAGE);
    (void)conformance_fail_allocation(1, true);
    OK_ONCE(work(COMMIT, 10, 2));
    STATUS(ZX_OK, zx_vmo_write(vmo, "y", 0, 1));
    (void)conformance_fail_allocation(0, false);
    CHECK_EQUAL(byte_at(layout_at(10)), 'y');
    CHECK_EQUAL(byte_at(layout_at(11)), 0);
    OK(work(COMMIT, 10, 2));
    CHECK_EQUAL(byte_at(layout_at(10)), 'y');
}

/* All or none, over parts of several VMOs, one of them twice: more than there is, though the first parts
   would fit. */
TEST(commit_of_too_much)
{
    zx_vaddr_t base;
    uint64_t huge = 1ull << 40;
    zx_handle_t vmar = make_vmar(EVERYTHING, 1u << 29, &base), vmos[3];
    for (unsigned i = 0; i < 3; i++) {
        vmos[i] = make_vmo(huge, 0);
        (void)map_at(vmar, READ_WRITE, 4 * i * PAGE, vmos[i], (uint64_t)i << 38, 4);
    }
    (void)map_at(vmar, READ_WRITE, 12 * PAGE, vmos[0], 0, 4);
    (void)map_at(vmar, READ_WRITE, 16 * PAGE, vmos[0], 1ull << 30, (1ull << 39) / PAGE);
    CHECK_EQUAL(byte_at(base), 0);
    STATUS(ZX_OK, touch(base + 5 * PAGE, 'x'));
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_op_range(vmar, COMMIT, base, 1ull << 39, NULL, 0));
    CHECK_EQUAL(vmo_info_of(vmos[0]).committed_bytes, 0);
    OK(zx_vmar_op_range(vmar, COMMIT, base, 16 * PAGE, NULL, 0));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(vmo_info_of(vmos[i]).committed_bytes, 4 * PAGE);
    OK(zx_vmar_op_range(vmar, DECOMMIT, base, 16 * PAGE, NULL, 0));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(vmo_info_of(vmos[i]).committed_bytes, 0);
    CHECK_EQUAL(byte_at(base + 5 * PAGE), 0);
}

/* Which mappings of a VMO have merged cannot be told from the answer. */
TEST(snapshots)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(2 * PAGE, 0), vmar = make_vmar(EVERYTHING, 8, &base), snapshot;
    STATUS(ZX_OK, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, &snapshot));
    (void)map_at(vmar, READ_WRITE, 0, snapshot, 0, 4); /* two pages past the end */
    (void)map_at(vmar, READ_WRITE, 4 * PAGE, vmo, 0, 4);
    for (unsigned i = 0; i < 2; i++) {
        NOTE(i);
        REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, DECOMMIT, base, PAGE, NULL, 0));
        REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, DECOMMIT, base, 4 * PAGE, NULL, 0));
        REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_op_range(vmar, DECOMMIT, base + 2 * PAGE, 2 * PAGE, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(vmar, DECOMMIT, base + 4 * PAGE, 3 * PAGE, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(vmar, COMMIT, base, 4 * PAGE, NULL, 0));
        OK(zx_vmar_op_range(vmar, DECOMMIT, base + 4 * PAGE, 2 * PAGE, NULL, 0));
        OK(zx_vmar_op_range(vmar, COMMIT, base, 2 * PAGE, NULL, 0));
        STATUS(ZX_OK, zx_vmar_unmap(vmar, base + 2 * PAGE, 2 * PAGE));
        (void)map_at(vmar, READ, 2 * PAGE, snapshot, 2 * PAGE, 2);
    }
}

/* Zeroes for everybody who maps the page, and memory given back. */
TEST(decommit)
{
    make_layout();
    zx_vaddr_t second = map_at(layout.vmar, READ, 10 * PAGE, layout.vmo, 20 * PAGE, 2);
    uint64_t committed = vmo_info_of(layout.vmo).committed_bytes;
    CHECK_EQUAL(byte_at(second), LETTER(20));
    OK(work(DECOMMIT, 20, 1));
    CHECK_EQUAL(vmo_info_of(layout.vmo).committed_bytes, committed - PAGE);
    CHECK_EQUAL(byte_at(second), 0);
    CHECK_EQUAL(byte_at(second + PAGE), LETTER(21));
    STATUS(ZX_OK, touch(layout_at(20), 'n'));
    CHECK_EQUAL(byte_at(second), 'n');
}

static zx_status_t enter(zx_handle_t vmar, zx_vaddr_t addr)
{
    return zx_vmar_op_range(vmar, MAP_RANGE, addr, 4 * PAGE, NULL, 0);
}

/* Enters what has memory, where it may be read; best effort. What is entered needs no memory to be used. */
TEST(map_range)
{
    zx_vaddr_t base, unreadable;
    char byte = 'x';
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING | ALIGN(22), 1u << 10, &base);
    uint64_t tables = kmem_stats().mmu_overhead_bytes;
    (void)map_at(vmar, READ_WRITE, 0, vmo, 0, 4);
    unreadable = map_at(vmar, 0, 2u << 20, vmo, 0, 4);
    OK(enter(vmar, base));
    CHECK_EQUAL(kmem_stats().mmu_overhead_bytes, tables); /* there was nothing to enter */
    STATUS(ZX_OK, zx_vmo_write(vmo, "a", 3 * PAGE, 1));
    OK(enter(vmar, unreadable));
    CHECK_EQUAL(kmem_stats().mmu_overhead_bytes, tables);
    if (conformance_fail_allocation(1, true)) {
        OK_ONCE(enter(vmar, base));
        CHECK_EQUAL(kmem_stats().mmu_overhead_bytes, tables);
        STATUS(ZX_ERR_NO_MEMORY, access_read(base + 3 * PAGE, &byte, 1));
        (void)conformance_fail_allocation(0, false);
    }
    OK_ONCE(enter(vmar, base));
    CHECK(kmem_stats().mmu_overhead_bytes > tables);
    (void)conformance_fail_allocation(1, true);
    STATUS(ZX_OK, access_read(base + 3 * PAGE, &byte, 1));
    (void)conformance_fail_allocation(0, false);
    CHECK_EQUAL(byte, 'a');
    STATUS(ZX_OK, touch(base + 3 * PAGE, 'b'));
    OK(enter(vmar, base)); /* skips what is there */
    CHECK_EQUAL(byte_at(base + 3 * PAGE), 'b');
    REFUSED(ZX_ERR_ACCESS_DENIED, access_read(unreadable + 3 * PAGE, &byte, 1));
}

const struct conformance_test vmar_op_range_tests[] = {
    CASE(errors_in_order), CASE(handles),  CASE(every_operation), CASE(ranges),
    CASE(every_part),      CASE(the_dead), CASE(commit),          CASE(commit_of_too_much),
    CASE(snapshots),       CASE(decommit), CASE(map_range),       NO_MORE_CASES};
