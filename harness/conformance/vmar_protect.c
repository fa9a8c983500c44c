/* SPDX-License-Identifier: MIT */
/* vmar_protect.c: zx_vmar_protect. */
#include "layout.h"

#define PERMS (READ | WRITE | EXECUTE)

/* ---- Errors in their order ---- */

static struct {
    bool closed, wrong_type, dead, no_write, no_children;
    zx_vm_option_t options;
    zx_vaddr_t offset; /* from the VMAR's base */
    size_t len;
} args;

/* Alive or dead; by what the handle lacks: nothing, WRITE, OP_CHILDREN, both. */
static zx_handle_t vmars[2][4];
static zx_handle_t closed, other;

static void make_args(void)
{
    make_layout();
    closed = closed_handle();
    other = layout.vmo;
    for (unsigned dead = 0; dead < 2; dead++)
        for (unsigned lacks = 0; lacks < 4; lacks++)
            vmars[dead][lacks] =
                without(dead ? layout.dead : layout.vmar, ((lacks & 1) != 0 ? ZX_RIGHT_WRITE : 0) |
                                                              ((lacks & 2) != 0 ? ZX_RIGHT_OP_CHILDREN : 0));
}

static zx_status_t call(void)
{
    zx_handle_t vmar = args.closed       ? closed
                       : args.wrong_type ? other
                                         : vmars[args.dead][args.no_write + 2 * args.no_children];
    return zx_vmar_protect(vmar, args.options, (args.dead ? layout.dead_base : layout.base) + args.offset,
                           args.len);
}

/* Part of a mapping, which takes memory. */
static void good(void)
{
    args.closed = args.wrong_type = args.dead = args.no_write = args.no_children = false;
    args.options = READ_WRITE;
    args.offset = 4 * PAGE;
    args.len = PAGE;
}

static zx_status_t spoil_arguments(unsigned nth)
{
    switch (nth) {
    case 0:
        args.closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.wrong_type = true;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.no_write = true;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.options &= ~READ;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 5:
        args.options |= ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
        return ZX_ERR_INVALID_ARGS;
    default:
        args.len = 0;
        return ZX_ERR_INVALID_ARGS;
    }
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 7:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    case 8:
        args.offset = 0 - PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 9:
        args.offset = 10 * PAGE;
        return ZX_ERR_NOT_FOUND;
    case 10: /* in a child, too */
        args.offset = 14 * PAGE;
        return ZX_ERR_ACCESS_DENIED;
    case 11: /* and it would gain, too */
        args.no_children = true;
        args.offset = 13 * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 12:
        args.offset = 13 * PAGE;
        return ZX_ERR_ACCESS_DENIED;
    case 13:
        return no_memory();
    default:
        return nth < 7 ? spoil_arguments(nth) : ZX_OK;
    }
}

TEST(errors_in_order)
{
    make_args();
    check_errors(&(const struct errors){good, spoil, call});
}

static zx_status_t protect_first(zx_handle_t vmar)
{
    return zx_vmar_protect(vmar, args.options, layout_at(0), PAGE);
}

TEST(handles)
{
    static const zx_vm_option_t options[] = {0, READ, READ_WRITE};
    make_layout();
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        args.options = options[i];
        check_handles(protect_first, layout.vmar, ZX_OBJ_TYPE_VMAR, options[i] * ZX_RIGHT_READ);
    }
    zx_vaddr_t at = map_at(layout.vmar, READ, 10 * PAGE, make_executable_vmo(PAGE), 0, 1);
    zx_handle_t no_execute = without(layout.vmar, ZX_RIGHT_EXECUTE);
    zx_handle_t enough = with_rights(layout.vmar, ZX_RIGHT_READ | ZX_RIGHT_EXECUTE);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(no_execute, READ | EXECUTE, at, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, access_execute(at, 1));
    OK(zx_vmar_protect(enough, READ | EXECUTE, at, PAGE));
    OK(access_execute(at, 1));
}

/* ---- Options ---- */

static zx_status_t expected_of_options(zx_vm_option_t options)
{
    if ((options & (WRITE | EXECUTE)) != 0 && (options & READ) == 0)
        return ZX_ERR_INVALID_ARGS;
    return (options & ~PERMS) != 0 ? ZX_ERR_INVALID_ARGS : ZX_OK;
}

static void try_option(zx_vm_option_t options)
{
    zx_status_t status = expected_of_options(options);
    NOTE(options);
    REFUSED(status != ZX_OK ? status : ZX_ERR_BAD_STATE,
            zx_vmar_protect(layout.dead, options, layout.dead_base, PAGE));
    if (status == ZX_OK && (options & EXECUTE) != 0)
        status = ZX_ERR_ACCESS_DENIED;
    if (status != ZX_OK)
        REFUSED(status, zx_vmar_protect(layout.vmar, options, layout_at(0), PAGE));
    else
        OK(zx_vmar_protect(layout.vmar, options, layout_at(0), PAGE));
}

TEST(every_option_and_pair)
{
    static const zx_vm_option_t beside[] = {0, READ};
    make_layout();
    for_each_option(try_option, beside, sizeof(beside) / sizeof(beside[0]));
    for (zx_vm_option_t perms = 0; perms < 8; perms++)
        try_option(perms);
}

/* ---- Ranges ---- */

static unsigned lacks; /* of the handle: as in vmars */
static zx_vm_option_t perms;

/* A mapping is judged as its pages are, one after another: what is wrong with one is wrong with all, but
   that some may gain. */
static zx_status_t expected_of_page(const struct layout_page *page)
{
    if (!page->mapped)
        return ZX_ERR_NOT_FOUND;
    if ((perms & ~page->may) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if (!page->in_child)
        return ZX_OK;
    if ((lacks & 2) != 0)
        return ZX_ERR_INVALID_ARGS;
    return (perms & ~page->perms) != 0 ? ZX_ERR_ACCESS_DENIED : ZX_OK;
}

static zx_status_t expected(zx_vaddr_t addr, size_t len)
{
    if ((lacks & 1) != 0 && (perms & WRITE) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if ((addr & ZX_PAGE_MASK) != 0 || len == 0 || !layout_holds(addr, len))
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = ZX_OK;
    for (size_t page = (addr - layout.base) / PAGE; status == ZX_OK && layout_at(page) - addr < len; page++)
        status = expected_of_page(&layout.pages[page]);
    return status;
}

static void try(zx_vaddr_t addr, size_t len)
{
    zx_status_t status = expected(addr, len);
    NOTE(lacks);
    NOTE(perms);
    NOTE(addr - layout.base);
    NOTE(len);
    if (status != ZX_OK) {
        REFUSED(status, zx_vmar_protect(vmars[0][lacks], perms, addr, len));
        return;
    }
    OK(zx_vmar_protect(vmars[0][lacks], perms, addr, len));
    for (size_t page = (addr - layout.base) / PAGE; layout_at(page) - addr < len; page++)
        layout.pages[page].perms = perms;
    check_layout();
    restore_layout();
}

static void try_within(uint64_t first, uint64_t second)
{
    try(layout.base + first, second);
}

TEST(ranges)
{
    static const zx_vm_option_t all[] = {0, READ, READ_WRITE};
    make_args();
    for (lacks = 0; lacks < 4; lacks++) {
        perms = all[lacks % 3];
        for_each_boundary(try_within);
    }
    lacks = 0;
    for_each_boundary(try); /* far away */
}

/* Each range of whole pages in the first half, and the first error in ascending order. */
TEST(every_part)
{
    make_args();
    lacks = 0;
    for (unsigned i = 0; i < 4; i++) {
        perms = i % 2 == 0 ? READ : READ_WRITE;
        lacks = i < 2 ? 0 : 2;
        for (size_t from = 0; from < LAYOUT_PAGES / 2; from++)
            for (size_t end = from + 1; end <= LAYOUT_PAGES / 2; end++)
                try(layout_at(from), (end - from) * PAGE);
    }
}

TEST(the_dead)
{
    make_layout();
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_protect(layout.dead, READ, layout.dead_base, PAGE));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_protect(layout.dead, READ, 0, SIZE_MAX));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_protect(layout.dead, READ, 1, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_protect(layout.dead, READ, 0, 0));
}

/* ---- What it does ---- */

/* What both handles allowed when it was mapped bounds every later protect. */
TEST(what_was_allowed_when_mapping)
{
    zx_handle_t vmo = make_executable_vmo(PAGE), root = zx_vmar_root_self();
    for (unsigned mine = 0; mine < 8; mine++)
        for (unsigned its = 0; its < 8; its++) {
            zx_vaddr_t addr = 0;
            zx_handle_t vmar = without(root, (7 & ~mine) * ZX_RIGHT_READ);
            zx_handle_t weak = without(vmo, (7 & ~its) * ZX_RIGHT_READ);
            NOTE(mine);
            NOTE(its);
            STATUS(ZX_OK, zx_vmar_map(vmar, 0, 0, weak, 0, PAGE, &addr));
            for (perms = 0; perms < 8; perms++) {
                NOTE(perms);
                if (expected_of_options(perms) != ZX_OK)
                    continue;
                if ((perms & ~(mine & its)) != 0)
                    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, perms, addr, PAGE));
                else
                    OK(zx_vmar_protect(root, perms, addr, PAGE));
            }
            STATUS(ZX_OK, zx_vmar_unmap(root, addr, PAGE));
            STATUS(ZX_OK, zx_handle_close(vmar));
            STATUS(ZX_OK, zx_handle_close(weak));
        }
}

/* To and fro between all that can be asked for, the page used in between or not; and the bytes stay. */
TEST(from_each_to_each)
{
    static const zx_vm_option_t all[] = {0, READ, READ_WRITE, READ | EXECUTE, PERMS};
    zx_handle_t vmo = make_executable_vmo(PAGE), root = zx_vmar_root_self();
    zx_vaddr_t addr = 0;
    char byte = 'x';
    STATUS(ZX_OK, zx_vmar_map(root, READ_WRITE, 0, vmo, 0, PAGE, &addr));
    STATUS(ZX_OK, touch(addr, byte));
    for (unsigned i = 0; i < 25 * 2; i++) {
        zx_vm_option_t to = all[i / 2 % 5];
        STATUS(ZX_OK, zx_vmar_protect(root, all[i / 10], addr, PAGE));
        if (i % 2 != 0)
            (void)access_read(addr, &byte, 1);
        NOTE(i);
        OK(zx_vmar_protect(root, to, addr, PAGE));
        STATUS((to & READ) != 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED, access_read(addr, &byte, 1));
        STATUS((to & WRITE) != 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED, access_write(addr, &byte, 1));
        STATUS((to & EXECUTE) != 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED, access_execute(addr, 1));
        CHECK_EQUAL(byte, 'x');
    }
}

/* A child's mapping may lose through the parent, and regains only through the child. */
TEST(children)
{
    make_layout();
    OK(zx_vmar_protect(layout.vmar, READ_WRITE, layout_at(24), 4 * PAGE));
    OK(zx_vmar_protect(layout.vmar, READ, layout_at(24), 4 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(layout.vmar, READ_WRITE, layout_at(24), PAGE));
    OK(zx_vmar_protect(layout.children[2], READ_WRITE, layout_at(24), PAGE));
    OK(zx_vmar_protect(layout.vmar, READ_WRITE, layout_at(24), PAGE));
    /* One page of the range would gain. */
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(layout.vmar, READ_WRITE, layout_at(24), 4 * PAGE));
    OK(zx_vmar_protect(layout.vmar, 0, layout_at(24), 4 * PAGE));
}

const struct conformance_test vmar_protect_tests[] = {
    CASE(errors_in_order), CASE(handles),  CASE(every_option_and_pair),         CASE(ranges),
    CASE(every_part),      CASE(the_dead), CASE(what_was_allowed_when_mapping), CASE(from_each_to_each),
    CASE(children),        NO_MORE_CASES};
