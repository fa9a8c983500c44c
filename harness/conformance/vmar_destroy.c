/* SPDX-License-Identifier: MIT */
/* vmar_destroy.c: zx_vmar_destroy. */
#include "layout.h"

/* ---- Errors in their order ---- */

static struct {
    bool closed, wrong_type, weak, root, dead;
} args;

/* Not the root or the root; alive or dead; with OP_CHILDREN or without. */
static zx_handle_t vmars[2][2][2];
static zx_handle_t closed, other;

/* The root of a process that has died of its last handle. */
static zx_handle_t dead_root(void)
{
    zx_handle_t process = ZX_HANDLE_INVALID, root = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "", 0, 0, &process, &root));
    STATUS(ZX_OK, zx_handle_close(process));
    return root;
}

static void make_args(void)
{
    make_layout();
    closed = closed_handle();
    other = layout.vmo;
    vmars[0][0][0] = layout.vmar;
    vmars[0][1][0] = layout.dead;
    vmars[1][0][0] = zx_vmar_root_self();
    vmars[1][1][0] = dead_root();
    for (unsigned i = 0; i < 4; i++)
        vmars[i / 2][i % 2][1] = without(vmars[i / 2][i % 2][0], ZX_RIGHT_OP_CHILDREN);
}

static zx_status_t call(void)
{
    return zx_vmar_destroy(args.closed       ? closed
                           : args.wrong_type ? other
                                             : vmars[args.root][args.dead][args.weak]);
}

static void good(void)
{
    args.closed = args.wrong_type = args.weak = args.root = args.dead = false;
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
        args.weak = true;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.root = true;
        return ZX_ERR_NOT_SUPPORTED;
    case 4:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    default:
        return ZX_OK;
    }
}

TEST(errors_in_order)
{
    make_args();
    check_errors(&(const struct errors){good, spoil, call});
}

TEST(handles)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 1, &base);
    zx_rights_t held = rights_of(vmar);
    check_bad_handles(zx_vmar_destroy);
    check_wrong_types(zx_vmar_destroy, ZX_OBJ_TYPE_VMAR);
    for (unsigned bit = 0; bit < 32; bit++)
        if ((held & 1u << bit & ~ZX_RIGHT_OP_CHILDREN) != 0) {
            zx_handle_t weak = with_rights(vmar, 1u << bit);
            NOTE(bit);
            REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_destroy(weak));
        }
    zx_handle_t weak = without(vmar, ZX_RIGHT_OP_CHILDREN), enough = with_rights(vmar, ZX_RIGHT_OP_CHILDREN);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_destroy(weak));
    OK(zx_vmar_destroy(enough));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_destroy(vmar));
}

/* ---- What it does ---- */

/* All below it is gone, the memory and the children; handles stay, with their rights, and every call on
   them is BAD_STATE. */
TEST(everything_below)
{
    zx_vaddr_t addr = 0;
    zx_handle_t child;
    make_layout();
    CHECK(vmo_info_of(layout.vmo).num_mappings != 0);
    OK(zx_vmar_destroy(layout.vmar));
    CHECK_EQUAL(vmo_info_of(layout.vmo).num_mappings, 0);
    for (size_t i = 0; i < LAYOUT_PAGES; i++)
        layout.pages[i] = (struct layout_page){.mapped = false};
    check_layout();
    CHECK_EQUAL(byte_of(layout.vmo, 0), LETTER(0));
    for (unsigned i = 0; i < 4; i++) {
        zx_handle_t vmar = i < 3 ? layout.children[i] : layout.vmar;
        zx_vaddr_t base = vmar_info_of(vmar).base;
        NOTE(i);
        CHECK_EQUAL(rights_of(vmar), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_destroy(vmar));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(vmar, 0, 0, PAGE, &child, &addr));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_map(vmar, READ, 0, layout.vmo, 0, PAGE, &addr));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(vmar, base, PAGE));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_protect(vmar, READ, base, PAGE));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, base, PAGE, NULL, 0));
    }
    /* The room is free again. */
    zx_handle_t root = zx_vmar_root_self();
    size_t offset = layout.base - vmar_info_of(root).base;
    OK(zx_vmar_allocate(root, ZX_VM_SPECIFIC, offset, LAYOUT_PAGES * PAGE, &child, &addr));
    CHECK_EQUAL(addr, layout.base);
}

/* A child, through its own handle, leaves its parent and its siblings as they are. */
TEST(one_child)
{
    make_layout();
    OK(zx_vmar_destroy(layout.children[0]));
    for (size_t i = 12; i < 16; i++)
        layout.pages[i] = (struct layout_page){.mapped = false};
    check_layout();
    (void)make_vmar_at(layout.vmar, 0, 12 * PAGE, 4);
}

/* A VMAR lives without a handle, as long as its parent. */
TEST(without_handles)
{
    make_layout();
    STATUS(ZX_OK, zx_handle_close(layout.children[2]));
    check_layout();
    STATUS(ZX_OK, zx_handle_close(layout.vmar));
    check_layout();
}

/* A chain of VMARs, each in the one before. */
TEST(deep)
{
    enum { DEPTH = 10000 };
    zx_vaddr_t base;
    zx_handle_t top = make_vmar(EVERYTHING, DEPTH, &base), at = top;
    for (size_t i = 1; i < DEPTH; i++) {
        zx_handle_t next = make_vmar_at(at, EVERYTHING, 0, DEPTH - i);
        if (at != top)
            STATUS(ZX_OK, zx_handle_close(at));
        at = next;
    }
    OK_ONCE(zx_vmar_unmap(at, base, PAGE));
    OK_ONCE(zx_vmar_destroy(top));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(at, base, PAGE));
}

const struct conformance_test vmar_destroy_tests[] = {
    CASE(errors_in_order), CASE(handles), CASE(everything_below), CASE(one_child),
    CASE(without_handles), CASE(deep),    NO_MORE_CASES};
