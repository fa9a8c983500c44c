/* SPDX-License-Identifier: MIT */
/* vmo_replace_as_executable.c: zx_vmo_replace_as_executable. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE

static struct {
    zx_handle_t handle, vmex;
    zx_handle_t *out;
} args;

static zx_handle_t vmo, closed, made;

static void good(void)
{
    args.handle = vmo;
    args.vmex = ZX_HANDLE_INVALID;
    args.out = &made;
}

/* A refusal leaves the result alone, too. */
static zx_status_t call(void)
{
    zx_handle_t before = made;
    zx_status_t status = zx_vmo_replace_as_executable(args.handle, args.vmex, args.out);
    CHECK(status == ZX_OK || made == before);
    return status;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = zx_process_self(); /* no VMO */
        return ZX_ERR_BAD_HANDLE;
    case 2:
        args.vmex = vmo;
        return ZX_ERR_BAD_HANDLE;
    case 3:
        return no_memory();
    case 4:
        args.out = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

TEST(errors_in_order)
{
    vmo = make_vmo(PAGE, 0);
    closed = closed_handle();
    made = 77;
    check_errors(&(const struct errors){good, spoil, call});
    CHECK(made != 77); /* by the call without an error: the last one */
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(vmo));
}

static zx_status_t replace(zx_handle_t handle)
{
    return zx_vmo_replace_as_executable(handle, ZX_HANDLE_INVALID, &made);
}

static zx_status_t replace_for(zx_handle_t vmex)
{
    return zx_vmo_replace_as_executable(vmo, vmex, &made);
}

TEST(handles)
{
    const zx_handle_t others[] = {zx_vmar_root_self(), zx_process_self(), zx_job_default()};
    vmo = make_vmo(PAGE, 0);
    check_bad_handles(replace);
    for (unsigned i = 0; i < 3; i++) {
        REFUSED(ZX_ERR_BAD_HANDLE, replace(others[i]));
        REFUSED(ZX_ERR_BAD_HANDLE, replace_for(others[i]));
    }
    REFUSED(ZX_ERR_BAD_HANDLE, replace_for(vmo));
    closed = closed_handle();
    REFUSED(ZX_ERR_BAD_HANDLE, replace_for(closed));
    REFUSED(ZX_ERR_BAD_HANDLE, replace_for(UINT32_MAX));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmo_replace_as_executable(vmo, 0, BAD_POINTER));
    check_rights(replace, make_vmo(PAGE, ZX_VMO_RESIZABLE), ZX_RIGHT_NONE);
}

/* The new handle may what the old one might, and execute; the old one is gone. The result may lie where
   the old number does. */
TEST(rights)
{
    vmo = make_vmo(PAGE, ZX_VMO_RESIZABLE);
    zx_rights_t held = basic_of(vmo).rights;
    zx_koid_t koid = basic_of(vmo).koid;
    for (unsigned bit = 0; bit < 32; bit++) {
        zx_rights_t rights = bit < 31 ? held & ~(1u << bit) : 0;
        zx_handle_t handle = with_rights(vmo, rights), old = handle;
        uint32_t count = handle_count_of(vmo);
        OK(zx_vmo_replace_as_executable(handle, ZX_HANDLE_INVALID, &handle));
        CHECK_EQUAL(basic_of(handle).rights, rights | ZX_RIGHT_EXECUTE);
        CHECK_EQUAL(basic_of(handle).koid, koid);
        CHECK_EQUAL(handle_count_of(vmo), count);
        REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(old));
        /* Once more changes nothing but the number. */
        OK(zx_vmo_replace_as_executable(handle, ZX_HANDLE_INVALID, &handle));
        CHECK_EQUAL(basic_of(handle).rights, rights | ZX_RIGHT_EXECUTE);
    }
}

TEST(executes)
{
    const zx_vm_option_t perms = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE;
    zx_handle_t root = zx_vmar_root_self();
    zx_vaddr_t at;
    unsigned char ret = 0xc3;
    vmo = make_vmo(PAGE, 0);
    OK_ONCE(zx_vmo_write(vmo, &ret, 0, 1));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_map(root, perms, 0, vmo, 0, PAGE, &at));
    OK(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo));
    OK(zx_vmar_map(root, perms, 0, vmo, 0, PAGE, &at));
    OK(access_execute(at, 1));
}

const struct conformance_test vmo_replace_as_executable_tests[] = {
    CASE(errors_in_order), CASE(handles), CASE(rights), CASE(executes), NO_MORE_CASES};
