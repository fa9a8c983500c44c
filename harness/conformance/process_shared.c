/* SPDX-License-Identifier: MIT */
/*
 * process_shared.c: ZX_PROCESS_SHARED and zx_process_create_shared. BAD_STATE is not here: it takes a process
 * that is dead and yet has a handle.
 */
#include "matrix.h"

#define PAGE   ZX_PAGE_SIZE
#define BORDER ((zx_vaddr_t)1 << 46) /* where restricted spaces end and the shared one begins */

static struct {
    zx_handle_t with;
    uint32_t options;
    const char *name;
    size_t name_size;
    zx_handle_t *process, *root;
} args;

static zx_handle_t first, first_root, closed, wrong, denied, process, root;

static void good(void)
{
    args.with = first;
    args.options = 0;
    args.name = "name";
    args.name_size = 4;
    args.process = &process;
    args.root = &root;
}

static void begin(void)
{
    OK_ONCE(zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &first, &first_root));
    closed = closed_handle();
    wrong = make_vmo(PAGE, 0);
    denied = without(first, ZX_RIGHT_MANAGE_PROCESS);
    good();
}

static zx_status_t call(void)
{
    zx_handle_t before = process, root_before = root;
    zx_status_t status =
        zx_process_create_shared(args.with, args.options, args.name, args.name_size, args.process, args.root);
    CHECK(status == ZX_OK || (process == before && root == root_before));
    return status;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options = ZX_PROCESS_SHARED;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.name = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.with = closed;
        return ZX_ERR_BAD_HANDLE;
    case 3:
        args.with = wrong;
        return ZX_ERR_WRONG_TYPE;
    case 4:
        args.with = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 5:
        args.with = zx_process_self();
        return ZX_ERR_INVALID_ARGS;
    case 6:
        return no_memory();
    case 7:
        args.process = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 8:
        args.root = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

/* Nothing is kept of the process that was made. */
static zx_status_t call_on(zx_handle_t handle)
{
    args.with = handle;
    zx_status_t status = call();
    if (status == ZX_OK) {
        STATUS(ZX_OK, zx_handle_close(process));
        STATUS(ZX_OK, zx_handle_close(root));
    }
    return status;
}

TEST(errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil, call});
    good();
    check_handles(call_on, first, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_MANAGE_PROCESS | ZX_RIGHT_GET_PROPERTY);
    REFUSED(ZX_ERR_BAD_HANDLE, call_on(ZX_HANDLE_INVALID));
    REFUSED(ZX_OK, call_on(first)); /* one that is made and goes again leaves no trace */
}

TEST(options)
{
    begin();
    for (unsigned bit = 0; bit < 32; bit++) {
        NOTE(bit);
        args.options = 1u << bit;
        REFUSED(ZX_ERR_INVALID_ARGS, call());
    }
}

TEST(results)
{
    begin();
    args.process = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    good();
    args.root = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    good();
    OK(call());
    CHECK_EQUAL(rights_of(process), ZX_DEFAULT_PROCESS_RIGHTS);
    CHECK_EQUAL(rights_of(root), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    CHECK_EQUAL(vmar_info_of(root).base + vmar_info_of(root).len, BORDER);
    CHECK_EQUAL(vmar_info_of(first_root).base, BORDER);
    CHECK(handle_count_of(root) > 0 && basic_of(process).koid != basic_of(first).koid);
}

TEST(founding)
{
    zx_handle_t founder, space;
    OK(zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &founder, &space));
    CHECK_EQUAL(rights_of(founder), ZX_DEFAULT_PROCESS_RIGHTS);
    CHECK_EQUAL(rights_of(space), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    REFUSED(ZX_ERR_INVALID_ARGS,
            zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, NULL, &space));
    REFUSED(ZX_ERR_INVALID_ARGS,
            zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &founder, NULL));
}

static char byte_in(zx_handle_t whose, zx_vaddr_t va)
{
    char byte = 0;
    size_t actual = 0;
    STATUS(ZX_OK, zx_process_read_memory(whose, va, &byte, 1, &actual));
    CHECK_EQUAL(actual, 1);
    return byte;
}

TEST(memory)
{
    zx_handle_t others[2], roots[2], vmo, own[2];
    size_t actual;
    char byte;
    begin();
    vmo = make_vmo(2 * PAGE, 0);
    zx_vaddr_t shared = map_at(first_root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 2);
    zx_vaddr_t below = 0;
    for (unsigned i = 0; i < 2; i++) {
        OK_ONCE(call());
        others[i] = process;
        roots[i] = root;
        own[i] = make_vmo(PAGE, 0);
        below = map_at(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, vmar_info_of(root).len - PAGE, own[i], 0, 1);
        CHECK_EQUAL(below, BORDER - PAGE);
    }
    OK_ONCE(zx_process_write_memory(others[0], shared, "s", 1, &actual));
    OK_ONCE(zx_process_write_memory(others[0], below, "0", 1, &actual));
    OK_ONCE(zx_process_write_memory(others[1], below, "1", 1, &actual));
    CHECK_EQUAL(byte_in(first, shared), 's');
    CHECK_EQUAL(byte_in(others[1], shared), 's');
    CHECK_EQUAL(byte_in(others[0], below), '0');
    CHECK_EQUAL(byte_in(others[1], below), '1');
    CHECK_EQUAL(byte_of(own[1], 0), '1');
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_read_memory(first, below, &byte, 1, &actual));
    /* neighbours, but of two spaces */
    char bytes[2 * ZX_PAGE_SIZE];
    OK_ONCE(zx_process_read_memory(others[0], below, bytes, sizeof(bytes), &actual));
    CHECK_EQUAL(actual, PAGE);
    OK(zx_vmar_unmap(first_root, shared, 2 * PAGE));
    for (unsigned i = 0; i < 2; i++)
        REFUSED(ZX_ERR_NO_MEMORY, zx_process_read_memory(others[i], shared, &byte, 1, &actual));
    OK(zx_vmar_unmap(roots[0], below, PAGE));
    CHECK_EQUAL(byte_in(others[1], below), '1');
}

/* The space outlives the process that founded it, and goes with the last one. */
TEST(lifetime)
{
    zx_vaddr_t va;
    size_t actual;
    begin();
    zx_handle_t vmo = make_vmo(PAGE, 0);
    zx_vaddr_t shared = map_at(first_root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 1);
    OK_ONCE(call());
    OK_ONCE(zx_process_write_memory(process, shared, "s", 1, &actual));
    STATUS(ZX_OK, zx_handle_close(denied));
    STATUS(ZX_OK, zx_handle_close(first));
    CHECK_EQUAL(byte_in(process, shared), 's');
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 1);
    zx_handle_t second = process;
    args.with = second;
    OK_ONCE(call());
    CHECK_EQUAL(byte_in(process, shared), 's');
    STATUS(ZX_OK, zx_handle_close(second));
    CHECK_EQUAL(byte_in(process, shared), 's');
    STATUS(ZX_OK, zx_handle_close(process));
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 0);
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_map(first_root, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &va));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &va));
}

const struct conformance_test process_shared_tests[] = {
    CASE(errors_in_order), CASE(options),  CASE(results), CASE(founding),
    CASE(memory),          CASE(lifetime), NO_MORE_CASES,
};
