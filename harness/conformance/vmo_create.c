/* SPDX-License-Identifier: MIT */
/* vmo_create.c: zx_vmo_create. */
#include "matrix.h"

static struct {
    uint64_t size;
    uint32_t options;
    zx_handle_t *out;
} args;

static zx_handle_t made;

static void good(void)
{
    args.size = ZX_PAGE_SIZE;
    args.options = ZX_VMO_RESIZABLE;
    args.out = &made;
}

/* A refusal leaves the result alone, too. */
static zx_status_t call(void)
{
    zx_handle_t before = made;
    zx_status_t status = zx_vmo_create(args.size, args.options, args.out);
    CHECK(status == ZX_OK || made == before);
    return status;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.size = UINT64_MAX;
        return ZX_ERR_OUT_OF_RANGE;
    case 2:
        return no_memory();
    case 3:
        args.out = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

TEST(errors_in_order)
{
    made = 77;
    check_errors(&(const struct errors){good, spoil, call});
    good();
    args.out = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

TEST(every_option_and_pair)
{
    good();
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++) {
            args.options = 1u << first | 1u << second;
            if (args.options != ZX_VMO_RESIZABLE)
                REFUSED(ZX_ERR_INVALID_ARGS, call());
        }
    args.options = UINT32_MAX;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

/* What the new VMO and its handle are like. */
static void check_made(uint32_t options, uint64_t size)
{
    zx_info_vmo_t info = vmo_info_of(made);
    bool resizable = options == ZX_VMO_RESIZABLE;
    zx_rights_t rights = ZX_DEFAULT_VMO_RIGHTS | (resizable ? ZX_RIGHT_RESIZE : 0);
    zx_info_handle_basic_t basic = basic_of(made);
    CHECK_EQUAL(made & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
    CHECK_EQUAL(basic.rights, rights);
    CHECK_EQUAL(basic.type, ZX_OBJ_TYPE_VMO);
    CHECK_EQUAL(basic.related_koid, 0);
    CHECK_EQUAL(info.koid, basic.koid);
    CHECK(info.koid >= ZX_KOID_FIRST);
    CHECK_EQUAL(info.size_bytes, size);
    CHECK_EQUAL(info.flags,
                ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_VIA_HANDLE | (resizable ? ZX_INFO_VMO_RESIZABLE : 0));
    CHECK_EQUAL(info.committed_bytes, 0);
    CHECK_EQUAL(info.parent_koid, 0);
    CHECK_EQUAL(info.num_children, 0);
    CHECK_EQUAL(info.num_mappings, 0);
    CHECK_EQUAL(info.name[0], 0);
}

/* The greatest size: whole pages, and a bit less than 2^64. */
#define GREATEST (UINT64_MAX - 64 * ZX_PAGE_SIZE + 1)

TEST(sizes)
{
    uint64_t sizes[BOUNDARIES];
    boundaries_of(GREATEST, sizes);
    good();
    for (uint32_t options = 0; options <= ZX_VMO_RESIZABLE; options += ZX_VMO_RESIZABLE)
        for (unsigned i = 0; i < BOUNDARIES; i++) {
            args.size = sizes[i];
            args.options = options;
            if (args.size > GREATEST) {
                REFUSED(ZX_ERR_OUT_OF_RANGE, call());
                continue;
            }
            OK(call());
            check_made(options, (args.size + ZX_PAGE_MASK) & ~ZX_PAGE_MASK);
        }
}

/* Two are two: of another number, with other bytes. */
TEST(each_is_its_own)
{
    zx_handle_t first = make_vmo(ZX_PAGE_SIZE, 0), second = make_vmo(ZX_PAGE_SIZE, 0);
    char byte = '?';
    CHECK(first != second);
    CHECK(vmo_info_of(first).koid < vmo_info_of(second).koid);
    OK_ONCE(zx_vmo_write(first, "a", 0, 1));
    OK(zx_vmo_read(second, &byte, 0, 1));
    CHECK_EQUAL(byte, 0);
}

const struct conformance_test vmo_create_tests[] = {CASE(errors_in_order), CASE(every_option_and_pair),
                                                    CASE(sizes), CASE(each_is_its_own), NO_MORE_CASES};
