/* SPDX-License-Identifier: MIT */
/* vmar_unmap.c: zx_vmar_unmap. */
#include "layout.h"

/* ---- Errors in their order ---- */

static struct {
    bool closed, wrong_type, dead, weak;
    zx_vaddr_t offset; /* from the VMAR's base */
    size_t len;
} args;

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
    return zx_vmar_unmap(vmar, (args.dead ? layout.dead_base : layout.base) + args.offset, args.len);
}

/* A hole in a mapping: it takes memory to have two of them. */
static void good(void)
{
    args.closed = args.wrong_type = args.dead = args.weak = false;
    args.offset = PAGE;
    args.len = PAGE;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.wrong_type = true;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 3:
        args.len = 0;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    case 5:
        args.offset = (args.offset & 1) - PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 6:
        args.offset = 11 * PAGE;
        args.len = 4 * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 7:
        args.weak = true;
        args.offset = 20 * PAGE;
        args.len = 8 * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 8:
        return no_memory();
    default:
        return ZX_OK;
    }
}

TEST(errors_in_order)
{
    make_args();
    check_errors(&(const struct errors){good, spoil, call});
}

static zx_status_t unmap_a_gap(zx_handle_t vmar)
{
    return zx_vmar_unmap(vmar, layout_at(10), PAGE);
}

TEST(handles)
{
    make_layout();
    check_handles(unmap_a_gap, layout.vmar, ZX_OBJ_TYPE_VMAR, ZX_RIGHT_NONE);
}

/* ---- Ranges ---- */

static bool op_children;

static zx_status_t expected(zx_vaddr_t addr, size_t len)
{
    if ((addr & ZX_PAGE_MASK) != 0 || len == 0 || !layout_holds(addr, len))
        return ZX_ERR_INVALID_ARGS;
    size_t first = (addr - layout.base) / PAGE, end = first + (len + ZX_PAGE_MASK) / PAGE;
    for (size_t page = first; page < end; page++) {
        size_t count, from = layout_child_of(page, &count);
        if (count != 0 && (!op_children || from < first || from + count > end))
            return ZX_ERR_INVALID_ARGS;
    }
    return ZX_OK;
}

static void try(zx_vaddr_t addr, size_t len)
{
    zx_handle_t vmar = op_children ? layout.vmar : weak[0];
    zx_status_t status = expected(addr, len);
    NOTE(op_children);
    NOTE(addr - layout.base);
    NOTE(len);
    if (status != ZX_OK) {
        REFUSED(status, zx_vmar_unmap(vmar, addr, len));
        return;
    }
    OK(zx_vmar_unmap(vmar, addr, len));
    for (size_t page = (addr - layout.base) / PAGE; layout_at(page) - addr < len; page++)
        layout.pages[page] = (struct layout_page){.mapped = false};
    check_layout();
    for (unsigned i = 0; i < 3; i++)
        if (vmar_info_of(layout.children[i]).base - addr < len)
            REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(layout.children[i], addr, PAGE));
    restore_layout();
}

static void try_within(uint64_t first, uint64_t second)
{
    try(layout.base + first, second);
}

TEST(ranges)
{
    make_args();
    for (unsigned i = 0; i < 2; i++) {
        op_children = i == 0;
        for_each_boundary(try_within);
    }
    for_each_boundary(try); /* far away */
}

/* Each range of whole pages in the first half. */
TEST(every_part)
{
    make_args();
    op_children = true;
    for (size_t from = 0; from < LAYOUT_PAGES / 2; from++)
        for (size_t end = from + 1; end <= LAYOUT_PAGES / 2; end++)
            try(layout_at(from), (end - from) * PAGE);
}

TEST(the_dead)
{
    make_args();
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(layout.dead, layout.dead_base, PAGE));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(layout.dead, 0, SIZE_MAX));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(layout.dead, 1, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(layout.dead, 0, 0));
}

/* A VMO keeps its bytes, and its pages go when nobody holds it any more. */
TEST(what_it_leaves)
{
    make_layout();
    OK(zx_vmar_unmap(layout.vmar, layout_at(1), 1));
    CHECK_EQUAL(byte_of(layout.vmo, PAGE), LETTER(1));
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    uint64_t free_bytes = kmem_stats().vmo_bytes;
    zx_vaddr_t at = map_at(layout.vmar, READ_WRITE, 10 * PAGE, vmo, 0, 2);
    STATUS(ZX_OK, touch(at, 'x'));
    STATUS(ZX_OK, zx_handle_close(vmo));
    CHECK_EQUAL(byte_at(at), 'x');
    CHECK_EQUAL(kmem_stats().vmo_bytes, free_bytes + PAGE);
    OK(zx_vmar_unmap(layout.vmar, at, 2 * PAGE));
    CHECK_EQUAL(kmem_stats().vmo_bytes, free_bytes);
}

const struct conformance_test vmar_unmap_tests[] = {
    CASE(errors_in_order), CASE(handles),        CASE(ranges), CASE(every_part),
    CASE(the_dead),        CASE(what_it_leaves), NO_MORE_CASES};
