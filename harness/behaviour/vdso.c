/* SPDX-License-Identifier: MIT */
/* vdso.c: the vDSO: one executable mapping a space, of exactly its code, that nothing takes away. */
#include "behaviour.h"

#define OVERWRITE ZX_VM_SPECIFIC_OVERWRITE

/* Two pages of data, two of code, and one more. */
#define PAGES       5
#define CODE_OFFSET (2 * PAGE)
#define CODE_SIZE   (2 * PAGE)

static zx_handle_t make_vdso(void)
{
    zx_handle_t vdso = make_vmo(PAGES * PAGE, 0);
    STATUS(ZX_OK, zx_vmo_replace_as_executable(vdso, ZX_HANDLE_INVALID, &vdso));
    STATUS(ZX_OK, vm_vmo_declare_vdso(vmo_behind(vdso), CODE_OFFSET, CODE_SIZE));
    return vdso;
}

static zx_status_t map(zx_handle_t vmar, zx_vm_option_t options, size_t at, zx_handle_t vmo, uint64_t offset,
                       size_t size)
{
    zx_vaddr_t va;
    return zx_vmar_map(vmar, options, at, vmo, offset, size, &va);
}

TEST(declaring)
{
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), resizable = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE), slice;
    struct vm_vmo *device;
    STATUS(ZX_OK, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 0, PAGE, &slice));
    REFUSED(ZX_ERR_NOT_SUPPORTED, vm_vmo_declare_vdso(vmo_behind(resizable), 1, 0));
    REFUSED(ZX_ERR_NOT_SUPPORTED, vm_vmo_declare_vdso(vmo_behind(slice), 1, 0));
    STATUS(ZX_OK, vm_vmo_create_contiguous(PAGE, 0, &device));
    REFUSED(ZX_ERR_NOT_SUPPORTED, vm_vmo_declare_vdso(device, 0, PAGE));
    vm_vmo_release(device);
    REFUSED(ZX_ERR_INVALID_ARGS, vm_vmo_declare_vdso(vmo_behind(vmo), 1, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_vmo_declare_vdso(vmo_behind(vmo), 0, 1));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_vmo_declare_vdso(vmo_behind(vmo), UINT64_MAX - PAGE + 1, 0));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_vmo_declare_vdso(vmo_behind(vmo), 3 * PAGE, 2 * PAGE));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_vmo_declare_vdso(vmo_behind(vmo), 5 * PAGE, PAGE));
    STATUS(ZX_OK, map(zx_vmar_root_self(), R, 0, slice, 0, PAGE));
    REFUSED(ZX_ERR_BAD_STATE, vm_vmo_declare_vdso(vmo_behind(vmo), 0, PAGE));
    zx_handle_t vdso = make_vdso();
    REFUSED(ZX_ERR_BAD_STATE, vm_vmo_declare_vdso(vmo_behind(vdso), CODE_OFFSET, CODE_SIZE));
}

/* Executable: exactly the code, once, whichever way it is asked for. */
TEST(mapping)
{
    zx_handle_t vdso = make_vdso(), root = zx_vmar_root_self(), slice, short_slice, other;
    zx_vaddr_t va;
    CHECK_EQUAL(vm_aspace_vdso_code_address(self()), 0);
    CHECK_EQUAL(vm_aspace_vdso_base_address(self()), 0);
    STATUS(ZX_OK, zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 4 * PAGE, &slice));
    STATUS(ZX_OK, zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 2 * PAGE, &short_slice));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, 0, PAGES * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, CODE_OFFSET, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE + 1));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, CODE_OFFSET - PAGE, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, 0, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, slice, CODE_OFFSET, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, short_slice, CODE_OFFSET - PAGE, CODE_SIZE));
    /* What comes before in the order. */
    REFUSED(ZX_ERR_INVALID_ARGS, map(root, RX | ZX_VM_SPECIFIC, 1, vdso, 0, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, map(root, RX, 0, vdso, 0, VM_USER_ASPACE_SIZE + PAGE));
    OK(zx_vmar_map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    CHECK_EQUAL(vm_aspace_vdso_code_address(self()), va);
    CHECK_EQUAL(vm_aspace_vdso_base_address(self()), va - CODE_OFFSET);
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, slice, CODE_OFFSET - PAGE, CODE_SIZE));
    other = make_vdso();
    REFUSED(ZX_ERR_ACCESS_DENIED, map(root, RX, 0, other, CODE_OFFSET, CODE_SIZE));
    STATUS(ZX_OK, access_execute(va, 1));
}

/* By a slice that shows all of the code it is the code as well; a bad result pointer leaves none. */
TEST(mapping_a_slice)
{
    zx_handle_t vdso = make_vdso(), slice;
    zx_vaddr_t va;
    STATUS(ZX_OK, zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 3 * PAGE, &slice));
    OK(zx_vmar_map(zx_vmar_root_self(), RX, 0, slice, PAGE, CODE_SIZE, &va));
    CHECK_EQUAL(vm_aspace_vdso_base_address(self()), va - CODE_OFFSET);
}

/* What is not executable never becomes so, and is as any other mapping. */
TEST(data)
{
    zx_handle_t vdso = make_vdso(), root = zx_vmar_root_self();
    zx_vaddr_t va, none;
    STATUS(ZX_OK, zx_vmar_map(root, R, 0, vdso, 0, PAGES * PAGE, &va));
    STATUS(ZX_OK, zx_vmar_map(root, 0, 0, vdso, CODE_OFFSET, CODE_SIZE, &none));
    CHECK_EQUAL(vm_aspace_vdso_code_address(self()), 0);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, RX, va + CODE_OFFSET, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, RX, none, CODE_SIZE));
    STATUS(ZX_OK, zx_vmar_protect(root, 0, va, PAGE));
    STATUS(ZX_OK, zx_vmar_protect(root, R, none, PAGE));
    STATUS(ZX_OK, zx_vmar_unmap(root, va + CODE_OFFSET, PAGE));
    STATUS(ZX_OK, map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
}

static zx_handle_t outer, inner;
static zx_vaddr_t outer_base, code;

/* The code at the third page of a VMAR of eight pages, in one of sixteen; gaps and a mapping around it. */
static zx_handle_t lay_out(void)
{
    zx_handle_t vdso = make_vdso(), vmo = make_vmo(PAGE, 0);
    zx_vaddr_t base;
    outer = make_vmar(EVERYTHING, 16, &outer_base);
    STATUS(ZX_OK, zx_vmar_allocate(outer, EVERYTHING | ZX_VM_SPECIFIC, 0, 8 * PAGE, &inner, &base));
    STATUS(ZX_OK, zx_vmar_map(inner, RX | ZX_VM_SPECIFIC, 3 * PAGE, vdso, CODE_OFFSET, CODE_SIZE, &code));
    STATUS(ZX_OK, map(inner, R | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, PAGE));
    STATUS(ZX_OK, map(outer, R | ZX_VM_SPECIFIC, 8 * PAGE, vmo, 0, PAGE));
    return vmo;
}

TEST(unmap_and_destroy)
{
    lay_out();
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(inner, code, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(inner, code + PAGE, 3 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(inner, outer_base, 4 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(outer, outer_base, 16 * PAGE));
    /* before the child VMAR that is partly in the range, and before the right; after the bounds */
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(outer, code, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(no_children, outer_base, 16 * PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_unmap(inner, code, 16 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_destroy(inner));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_destroy(outer));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_destroy(no_children));
    STATUS(ZX_OK, zx_vmar_unmap(inner, outer_base, 3 * PAGE));
    STATUS(ZX_OK, zx_vmar_unmap(inner, code + CODE_SIZE, PAGE));
    STATUS(ZX_OK, zx_vmar_unmap(outer, outer_base + 8 * PAGE, 8 * PAGE));
    CHECK_EQUAL(vm_aspace_vdso_code_address(self()), code);
}

TEST(overwrite)
{
    zx_handle_t vmo = lay_out(), vdso = make_vdso();
    size_t at = code - outer_base;
    REFUSED(ZX_ERR_ACCESS_DENIED, map(inner, R | OVERWRITE, at, vmo, 0, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(inner, R | OVERWRITE, at + PAGE, vmo, 0, 2 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(inner, R | OVERWRITE, 0, vmo, 0, 8 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, map(inner, RX | OVERWRITE, at, vdso, CODE_OFFSET, CODE_SIZE));
    REFUSED(ZX_ERR_INVALID_ARGS, map(outer, R | OVERWRITE, at, vmo, 0, PAGE));
    REFUSED(ZX_ERR_ALREADY_EXISTS, map(inner, R | ZX_VM_SPECIFIC, at, vmo, 0, PAGE));
    STATUS(ZX_OK, map(inner, R | OVERWRITE, at - PAGE, vmo, 0, PAGE));
    STATUS(ZX_OK, map(inner, R | OVERWRITE, at + CODE_SIZE, vmo, 0, PAGE));
}

TEST(protect)
{
    lay_out();
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(inner, R, code, PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(inner, RX, code, CODE_SIZE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(inner, 0, code - PAGE, 2 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(outer, R, code, PAGE));
    /* per mapping: a gap before it, the code itself before the right */
    REFUSED(ZX_ERR_NOT_FOUND, zx_vmar_protect(inner, 0, outer_base, 8 * PAGE));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(no_children, R, code, PAGE));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_protect(no_children, R, code - PAGE, 2 * PAGE));
    STATUS(ZX_OK, zx_vmar_protect(inner, 0, code - PAGE, PAGE));
}

TEST(op_range)
{
    lay_out();
    static const uint32_t ops[] = {ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE,
                                   ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED};
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        bool changes = i < 2;
        REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_op_range(inner, ops[i], code, PAGE, NULL, 0));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_op_range(inner, ops[i], code, 4 * PAGE, NULL, 0));
        REFUSED(ZX_ERR_OUT_OF_RANGE, zx_vmar_op_range(inner, ops[i], code, 16 * PAGE, NULL, 0));
        REFUSED(changes ? ZX_ERR_INVALID_ARGS : ZX_ERR_ACCESS_DENIED,
                zx_vmar_op_range(outer, ops[i], code, PAGE, NULL, 0));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_op_range(no_children, ops[i], code, PAGE, NULL, 0));
    }
    STATUS(ZX_OK, zx_vmar_op_range(inner, ZX_VMAR_OP_MAP_RANGE, code - PAGE, PAGE, NULL, 0));
}

/* It is everybody's memory: nobody writes to it by way of a process that shows it. */
TEST(process_memory)
{
    zx_handle_t vdso = make_vdso(), root = zx_vmar_root_self(), process = zx_process_self();
    zx_vaddr_t code, data;
    size_t actual = 0;
    char bytes[4] = {0};
    STATUS(ZX_OK, zx_vmo_write(vdso, "code", CODE_OFFSET, 4));
    STATUS(ZX_OK, zx_vmar_map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &code));
    STATUS(ZX_OK, zx_vmar_map(root, R, 0, vdso, 0, PAGE, &data));
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_write_memory(process, code, "evil", 4, &actual));
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_write_memory(process, data, "evil", 4, &actual));
    STATUS(ZX_OK, zx_process_read_memory(process, code, bytes, 4, &actual));
    CHECK(actual == 4 && same_bytes(bytes, "code", 4));
}

TEST(intersects)
{
    lay_out();
    const struct {
        zx_vaddr_t base;
        size_t size;
        bool touches;
    } cases[] = {
        {code, CODE_SIZE, true},
        {code, 1, true},
        {code, 0, false},
        {code - 1, 1, false},
        {code - 1, 2, true},
        {code + CODE_SIZE - 1, 1, true},
        {code + CODE_SIZE, 1, false},
        {0, SIZE_MAX, true},
        {0, code, false},
        {code + CODE_SIZE, SIZE_MAX - code - CODE_SIZE, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_EQUAL(vm_aspace_intersects_vdso_code(self(), cases[i].base, cases[i].size), cases[i].touches);
}

/* Each space has its own; it goes with the space, and a unified one shows it. */
TEST(spaces)
{
    zx_handle_t vdso = make_vdso(), process, root, founder, founder_root, member, member_root;
    zx_vaddr_t va;
    struct vm_process *object;
    STATUS(ZX_OK, map(zx_vmar_root_self(), RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
    STATUS(ZX_OK, zx_vmar_map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    STATUS(ZX_OK, vm_process_from_handle(process, &object));
    CHECK_EQUAL(vm_aspace_vdso_code_address(vm_process_aspace(object)), va);
    vm_process_kill(object);
    CHECK_EQUAL(vm_aspace_vdso_code_address(vm_process_aspace(object)), 0);
    CHECK(!vm_aspace_intersects_vdso_code(vm_process_aspace(object), va, PAGE));
    vm_process_release(object);
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "p", 1, ZX_PROCESS_SHARED, &founder, &founder_root));
    STATUS(ZX_OK, zx_process_create_shared(founder, 0, "q", 1, &member, &member_root));
    STATUS(ZX_OK, vm_process_from_handle(member, &object));
    struct vm_aspace *unified = vm_process_aspace(object);
    STATUS(ZX_OK, zx_vmar_map(founder_root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    CHECK_EQUAL(vm_aspace_vdso_code_address(unified), va);
    CHECK(vm_aspace_intersects_vdso_code(unified, va, 1));
    STATUS(ZX_OK, zx_vmar_map(member_root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    CHECK_EQUAL(vm_aspace_vdso_code_address(unified), va);
    vm_process_kill(object);
    CHECK_EQUAL(vm_aspace_vdso_code_address(unified), 0);
    CHECK(!vm_aspace_intersects_vdso_code(unified, va, PAGE));
    vm_process_release(object);
}

const struct conformance_test vdso_tests[] = {
    CASE(declaring),         CASE(mapping),    CASE(mapping_a_slice), CASE(data),
    CASE(unmap_and_destroy), CASE(overwrite),  CASE(protect),         CASE(op_range),
    CASE(process_memory),    CASE(intersects), CASE(spaces),          NO_MORE_CASES,
};
