/* SPDX-License-Identifier: MIT */
/* vmo_size.c: zx_vmo_get_size and zx_vmo_set_size. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE
#define SIZE (4 * PAGE)
/* The greatest size: whole pages, and a bit less than 2^64. */
#define GREATEST (UINT64_MAX - 64 * PAGE + 1)

static struct {
    zx_handle_t handle;
    uint64_t size;
    uint64_t *out;
} args;

static zx_handle_t vmo, fixed, closed, no_write, no_resize;
static uint64_t size_told;

static void good(void)
{
    args.handle = vmo;
    args.size = SIZE;
    args.out = &size_told;
}

static void begin(void)
{
    vmo = make_vmo(SIZE, ZX_VMO_RESIZABLE);
    fixed = make_vmo(SIZE, 0);
    closed = closed_handle();
    no_write = without(vmo, ZX_RIGHT_WRITE);
    no_resize = without(vmo, ZX_RIGHT_RESIZE);
    good();
}

/* ---- Getting ---- */

static zx_status_t call_get(void)
{
    return zx_vmo_get_size(args.handle, args.out);
}

static zx_status_t spoil_get(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = zx_vmar_root_self();
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.out = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t get_on(zx_handle_t handle)
{
    return zx_vmo_get_size(handle, &size_told);
}

TEST(get_size)
{
    begin();
    check_errors(&(const struct errors){good, spoil_get, call_get});
    check_handles(get_on, vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_NONE);
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmo_get_size(vmo, BAD_POINTER));
    size_told = 77;
    REFUSED(ZX_ERR_BAD_HANDLE, zx_vmo_get_size(closed, &size_told));
    CHECK_EQUAL(size_told, 77);
}

/* ---- Setting ---- */

static zx_status_t call_set(void)
{
    return zx_vmo_set_size(args.handle, args.size);
}

static zx_status_t spoil_set(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = zx_job_default();
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.handle = no_write;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.handle = fixed;
        return ZX_ERR_UNAVAILABLE;
    case 4:
        args.handle = no_resize;
        return ZX_ERR_ACCESS_DENIED;
    case 5:
        args.size = UINT64_MAX;
        return ZX_ERR_OUT_OF_RANGE;
    default:
        return ZX_OK;
    }
}

static zx_status_t set_on(zx_handle_t handle)
{
    return zx_vmo_set_size(handle, PAGE);
}

TEST(set_size_refusals)
{
    begin();
    (void)zx_job_default();
    check_errors(&(const struct errors){good, spoil_set, call_set});
    check_handles(set_on, vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_WRITE | ZX_RIGHT_RESIZE);
    /* Two that are wrong with one handle. */
    zx_handle_t fixed_reader = without(fixed, ZX_RIGHT_WRITE), neither = without(no_write, ZX_RIGHT_RESIZE);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmo_set_size(fixed_reader, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmo_set_size(neither, PAGE));
    REFUSED(ZX_ERR_UNAVAILABLE, zx_vmo_set_size(fixed, SIZE)); /* not even to what it is */
}

TEST(set_size_boundaries)
{
    uint64_t sizes[2 * BOUNDARIES];
    begin();
    boundaries_of(SIZE, sizes);
    boundaries_of(GREATEST, sizes + BOUNDARIES);
    for (unsigned i = 0; i < 2 * BOUNDARIES; i++) {
        args.size = sizes[i];
        if (args.size > GREATEST) {
            REFUSED(ZX_ERR_OUT_OF_RANGE, call_set());
            continue;
        }
        OK(call_set());
        OK(call_get());
        CHECK_EQUAL(size_told, (args.size + PAGE - 1) & ~(PAGE - 1));
        CHECK_EQUAL(vmo_info_of(vmo).size_bytes, size_told);
    }
}

/* Growing brings zeroes, shrinking forgets: what comes back is zero. So are the bytes of the last page from the
   size on that was asked for. */
TEST(bytes)
{
    char bytes[4 * ZX_PAGE_SIZE];
    begin();
    fill(bytes, 'x', SIZE);
    OK_ONCE(zx_vmo_write(vmo, bytes, 0, SIZE));
    OK(zx_vmo_set_size(vmo, PAGE + 1));
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, 2 * PAGE);
    REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmo_read(vmo, bytes, 2 * PAGE, 1));
    OK(zx_vmo_set_size(vmo, GREATEST));
    OK(zx_vmo_read(vmo, bytes, 0, SIZE));
    CHECK(all_bytes(bytes, 'x', PAGE + 1));
    CHECK(all_bytes(bytes + PAGE + 1, 0, SIZE - PAGE - 1));
    OK(zx_vmo_set_size(vmo, 0));
    CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, 0);
    OK(zx_vmo_set_size(vmo, PAGE));
    OK(zx_vmo_read(vmo, bytes, 0, PAGE));
    CHECK(all_bytes(bytes, 0, PAGE));
}

/* The end of the last page, whatever the size was before: seen at once by mappings, not by who shares the page. */
TEST(end_of_the_last_page)
{
    const uint64_t sizes[] = {SIZE - 1, SIZE - PAGE + 1, SIZE, SIZE + 1, PAGE - 8, PAGE - 1, 1, 0};
    char bytes[SIZE];
    zx_vaddr_t at;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t size = sizes[i], left = size < SIZE ? size : SIZE;
        zx_handle_t child;
        NOTE(size);
        begin();
        fill(bytes, 'x', SIZE);
        OK_ONCE(zx_vmo_write(vmo, bytes, 0, SIZE));
        OK_ONCE(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, vmo, 0, SIZE, &at));
        OK_ONCE(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, SIZE, &child));
        OK_ONCE(access_read(at, bytes, SIZE));
        OK(zx_vmo_set_size(vmo, size)); /* without memory to copy a shared page it changes nothing */
        CHECK_EQUAL(vmo_info_of(vmo).size_bytes, (size + PAGE - 1) & ~(PAGE - 1));
        OK(zx_vmo_set_size(vmo, SIZE));
        OK(access_read(at, bytes, SIZE));
        CHECK(all_bytes(bytes, 'x', left) && all_bytes(bytes + left, 0, SIZE - left));
        OK(zx_vmo_read(child, bytes, 0, SIZE));
        CHECK(all_bytes(bytes, 'x', SIZE));
    }
}

/* What is cut off is gone from every mapping; the mappings stay, and show what grows back. */
TEST(mapped)
{
    const zx_vm_option_t read_write = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE;
    zx_vaddr_t at[2];
    char byte = 'x';
    begin();
    for (unsigned i = 0; i < 2; i++) {
        OK(zx_vmar_map(zx_vmar_root_self(), read_write, 0, vmo, 0, SIZE, &at[i]));
        for (unsigned page = 0; page < 4; page++)
            OK_ONCE(access_write(at[i] + page * PAGE, &byte, 1)); /* an access is not undone */
    }
    OK(zx_vmo_set_size(vmo, 2 * PAGE));
    for (unsigned i = 0; i < 2; i++) {
        OK(access_read(at[i] + 2 * PAGE - 1, &byte, 1));
        REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(at[i] + 2 * PAGE, &byte, 1));
        REFUSED(ZX_ERR_OUT_OF_RANGE, access_write(at[i] + SIZE - 1, &byte, 1));
    }
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 2);
    OK(zx_vmo_set_size(vmo, SIZE));
    for (unsigned i = 0; i < 2; i++) {
        byte = '?';
        OK(access_read(at[i] + 2 * PAGE, &byte, 1));
        CHECK_EQUAL(byte, 0);
        OK(access_read(at[i] + PAGE, &byte, 1));
        CHECK_EQUAL(byte, 'x');
    }
}

const struct conformance_test vmo_size_tests[] = {
    CASE(get_size), CASE(set_size_refusals),    CASE(set_size_boundaries),
    CASE(bytes),    CASE(end_of_the_last_page), CASE(mapped),
    NO_MORE_CASES};
