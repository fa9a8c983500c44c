/* SPDX-License-Identifier: MIT */
/* handle.c: zx_handle_close, zx_handle_close_many, zx_handle_duplicate, zx_handle_replace. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE

/* ---- Closing ---- */

TEST(close_one)
{
    zx_handle_t vmo = make_vmo(PAGE, 0), again = without(vmo, ZX_RIGHT_NONE), vmar = with_rights(vmo, 0);
    OK(zx_handle_close(ZX_HANDLE_INVALID));
    CHECK_EQUAL(handle_count_of(vmo), 3);
    for (unsigned low = 0; low < 3; low++) {
        zx_handle_t no_handle = (vmo & ~ZX_HANDLE_FIXED_BITS_MASK) | low;
        REFUSED(no_handle == 0 ? ZX_OK : ZX_ERR_BAD_HANDLE, zx_handle_close(no_handle));
    }
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(UINT32_MAX));
    OK_ONCE(zx_handle_close(vmar)); /* no right is needed */
    OK_ONCE(zx_handle_close(vmo));
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(vmo));
    CHECK_EQUAL(handle_count_of(again), 1);
}

TEST(close_many)
{
    enum { MANY = 200 };
    static zx_handle_t handles[MANY];
    zx_handle_t vmo = make_vmo(PAGE, 0);
    for (unsigned i = 0; i < MANY; i++)
        handles[i] = with_rights(vmo, 0);
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_close_many(NULL, 1));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_close_many(BAD_POINTER, MANY));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_close_many(handles, SIZE_MAX));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_close_many(handles, SIZE_MAX / sizeof(*handles) + 1));
    OK(zx_handle_close_many(NULL, 0));
    OK(zx_handle_close_many(BAD_POINTER, 0));
    CHECK_EQUAL(handle_count_of(vmo), 1 + MANY);
    OK(zx_handle_close_many(handles, 1));
    CHECK_EQUAL(handle_count_of(vmo), MANY);
    handles[0] = ZX_HANDLE_INVALID; /* nothing, and fine */
    OK(zx_handle_close_many(handles, 2));
    CHECK_EQUAL(handle_count_of(vmo), MANY - 1);
    /* Closed already, no handle at all, one twice: the others are closed all the same. */
    handles[0] = UINT32_MAX;
    STATUS(ZX_ERR_BAD_HANDLE, zx_handle_close_many(handles, 4));
    CHECK_EQUAL(handle_count_of(vmo), MANY - 3);
    handles[3] = handles[5] = handles[4];
    STATUS(ZX_ERR_BAD_HANDLE, zx_handle_close_many(handles + 3, MANY - 3));
    CHECK_EQUAL(handle_count_of(vmo), 2); /* the one that was not named */
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close_many(handles, 4));
}

/* ---- Duplicating and replacing ---- */

static struct {
    zx_handle_t handle;
    zx_rights_t rights;
    zx_handle_t *out;
} args;

static zx_handle_t vmo, closed, no_duplicate, made;

static void good(void)
{
    args.handle = vmo;
    args.rights = ZX_RIGHT_READ;
    args.out = &made;
}

static void begin(void)
{
    vmo = make_vmo(PAGE, 0);
    closed = closed_handle();
    no_duplicate = without(vmo, ZX_RIGHT_DUPLICATE);
    good();
}

/* A refusal leaves the result alone, too. */
static zx_status_t call_duplicate(void)
{
    zx_handle_t before = made;
    zx_status_t status = zx_handle_duplicate(args.handle, args.rights, args.out);
    CHECK(status == ZX_OK || made == before);
    return status;
}

static zx_status_t call_replace(void)
{
    zx_handle_t before = made;
    zx_status_t status = zx_handle_replace(args.handle, args.rights, args.out);
    CHECK(status == ZX_OK || made == before);
    return status;
}

static zx_status_t spoil_replace(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.rights |= ZX_RIGHT_EXECUTE;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        return no_memory();
    case 3:
        args.out = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_duplicate(unsigned nth)
{
    if (nth == 1) {
        args.handle = no_duplicate;
        return ZX_ERR_ACCESS_DENIED;
    }
    return spoil_replace(nth == 0 ? 0 : nth - 1);
}

TEST(errors_in_order)
{
    begin();
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(vmo, 0, BAD_POINTER));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_replace(vmo, 0, BAD_POINTER));
    check_errors(&(const struct errors){good, spoil_duplicate, call_duplicate});
    check_errors(&(const struct errors){good, spoil_replace, call_replace});
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(vmo)); /* the last one replaced it */
}

static zx_status_t duplicate(zx_handle_t handle)
{
    return zx_handle_duplicate(handle, 0, &made);
}

static zx_status_t replace(zx_handle_t handle)
{
    return zx_handle_replace(handle, 0, &made);
}

/* Handles to objects of each type; a VMO's once more, of which RESIZE is a right. */
#define KINDS 5
static void of_each_kind(zx_handle_t handles[KINDS])
{
    zx_vaddr_t base;
    handles[0] = make_vmo(PAGE, ZX_VMO_RESIZABLE);
    handles[1] = make_vmo(PAGE, 0);
    handles[2] = make_vmar(ZX_VM_CAN_MAP_READ, 1, &base);
    handles[3] = zx_process_self();
    handles[4] = zx_job_default();
}

TEST(each_right_missing)
{
    zx_handle_t handles[KINDS];
    of_each_kind(handles);
    check_bad_handles(duplicate);
    check_bad_handles(replace);
    for (unsigned i = 0; i < KINDS; i++) {
        check_rights(duplicate, handles[i], ZX_RIGHT_DUPLICATE);
        check_rights(replace, without(handles[i], ZX_RIGHT_NONE), ZX_RIGHT_NONE);
    }
}

/* A second handle with these rights, by both calls, or none. */
static void ask_for(zx_handle_t handle, zx_rights_t held, zx_rights_t asked)
{
    zx_rights_t given = asked == ZX_RIGHT_SAME_RIGHTS ? held : asked;
    zx_handle_t old = without(handle, ZX_RIGHT_NONE);
    zx_handle_t out = ZX_HANDLE_INVALID;
    if ((given & ~held) != 0) {
        REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(handle, asked, &out));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_replace(old, asked, &out));
        OK_ONCE(zx_handle_close(old));
        return;
    }
    OK_ONCE(zx_handle_duplicate(handle, asked, &out));
    CHECK_EQUAL(basic_of(out).rights, given);
    CHECK_EQUAL(basic_of(out).koid, basic_of(handle).koid);
    OK_ONCE(zx_handle_close(out));
    OK_ONCE(zx_handle_replace(old, asked, &out));
    CHECK_EQUAL(basic_of(out).rights, given);
    CHECK_EQUAL(basic_of(out).koid, basic_of(handle).koid);
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_replace(old, asked, &out));
    OK_ONCE(zx_handle_close(out));
}

TEST(every_right_and_pair)
{
    zx_handle_t handles[KINDS];
    of_each_kind(handles);
    for (unsigned i = 0; i < KINDS; i++) {
        zx_rights_t held = basic_of(handles[i]).rights;
        for (unsigned first = 0; first < 32; first++)
            for (unsigned second = first; second < 32; second++)
                ask_for(handles[i], held, 1u << first | 1u << second);
        zx_handle_t out;
        OK(zx_handle_duplicate(handles[i], held, &out));
        OK(zx_handle_replace(out, ZX_RIGHT_SAME_RIGHTS, &out));
        ask_for(handles[i], held, 0);
        ask_for(handles[i], held, held);
        ask_for(handles[i], held, UINT32_MAX);
        ask_for(handles[i], held, held | ZX_RIGHT_SAME_RIGHTS);
    }
}

/* Rights narrow from handle to handle and never come back. */
TEST(narrowing)
{
    begin();
    zx_handle_t reader = with_rights(vmo, ZX_RIGHT_READ | ZX_RIGHT_DUPLICATE), out;
    REFUSED(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(reader, ZX_RIGHT_READ | ZX_RIGHT_WRITE, &out));
    OK(zx_handle_duplicate(reader, ZX_RIGHT_SAME_RIGHTS, &out));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmo_write(out, "x", 0, 1));
    OK(zx_handle_replace(out, ZX_RIGHT_NONE, &out)); /* the result may lie where the old number does */
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmo_read(out, NULL, 0, 0));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_handle_duplicate(out, ZX_RIGHT_NONE, &out));
    OK(zx_handle_replace(out, ZX_RIGHT_SAME_RIGHTS, &out));
    CHECK_EQUAL(basic_of(out).rights, ZX_RIGHT_NONE);
}

/* The object lives as long as anything leads to it. */
TEST(lifetime)
{
    zx_vaddr_t at;
    zx_handle_t second;
    char byte = '?';
    begin();
    OK_ONCE(zx_vmo_write(vmo, "x", 0, 1));
    OK(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &second));
    OK_ONCE(zx_handle_close(vmo));
    OK(zx_vmo_read(second, &byte, 0, 1));
    CHECK_EQUAL(byte, 'x');
    OK(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, second, 0, PAGE, &at));
    OK_ONCE(zx_handle_close(second));
    OK_ONCE(zx_handle_close(no_duplicate));
    OK(access_read(at, &byte, 1));
    CHECK_EQUAL(byte, 'x');
}

const struct conformance_test handle_tests[] = {CASE(close_one),
                                                CASE(close_many),
                                                CASE(errors_in_order),
                                                CASE(each_right_missing),
                                                CASE(every_right_and_pair),
                                                CASE(narrowing),
                                                CASE(lifetime),
                                                NO_MORE_CASES};
