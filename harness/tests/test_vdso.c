/* SPDX-License-Identifier: MIT */
/* test_vdso.c: the vDSO: one executable mapping a space, of exactly its code, that nothing takes away. */
#include "calls.h"

#include <vm/vdso.h>

#include "../../vm/internal.h"
#include "plant.h"

#define R         ZX_VM_PERM_READ
#define RX        (ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE)
#define OVERWRITE ZX_VM_SPECIFIC_OVERWRITE

/* Two pages of data, two of code, and one more. */
#define PAGES       5
#define CODE_OFFSET (2 * PAGE)
#define CODE_SIZE   (2 * PAGE)

static struct vm_vmo *behind(zx_handle_t handle)
{
    struct vm_vmo *vmo = NULL;
    check_status(vm_vmo_from_handle(handle, &vmo), ZX_OK, __FILE__, __LINE__);
    vm_vmo_release(vmo); /* its handle keeps it */
    return vmo;
}

static zx_handle_t make_vdso(void)
{
    zx_handle_t vdso = make_vmo(PAGES * PAGE, 0);
    assert_ok(zx_vmo_replace_as_executable(vdso, ZX_HANDLE_INVALID, &vdso));
    assert_ok(vm_vmo_declare_vdso(behind(vdso), CODE_OFFSET, CODE_SIZE));
    return vdso;
}

static struct vm_aspace *space(void)
{
    return vm_process_aspace(port_current_process());
}

static zx_status_t map(zx_handle_t vmar, zx_vm_option_t options, size_t at, zx_handle_t vmo, uint64_t offset,
                       size_t size)
{
    zx_vaddr_t va;
    return zx_vmar_map(vmar, options, at, vmo, offset, size, &va);
}

static void test_declaring(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), resizable = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE), slice;
    struct vm_vmo *device;
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 0, PAGE, &slice));
    assert_refused(vm_vmo_declare_vdso(behind(resizable), 1, 0), ZX_ERR_NOT_SUPPORTED);
    assert_refused(vm_vmo_declare_vdso(behind(slice), 1, 0), ZX_ERR_NOT_SUPPORTED);
    assert_ok(vm_vmo_create_contiguous(PAGE, 0, &device));
    assert_refused(vm_vmo_declare_vdso(device, 0, PAGE), ZX_ERR_NOT_SUPPORTED);
    vm_vmo_release(device);
    assert_refused(vm_vmo_declare_vdso(behind(vmo), 1, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_declare_vdso(behind(vmo), 0, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_declare_vdso(behind(vmo), UINT64_MAX - PAGE + 1, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_declare_vdso(behind(vmo), 3 * PAGE, 2 * PAGE), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_declare_vdso(behind(vmo), 5 * PAGE, PAGE), ZX_ERR_OUT_OF_RANGE);
    assert_ok(map(zx_vmar_root_self(), R, 0, slice, 0, PAGE));
    assert_refused(vm_vmo_declare_vdso(behind(vmo), 0, PAGE), ZX_ERR_BAD_STATE);
    zx_handle_t vdso = make_vdso();
    assert_refused(vm_vmo_declare_vdso(behind(vdso), CODE_OFFSET, CODE_SIZE), ZX_ERR_BAD_STATE);
}

/* Executable: exactly the code, once, whichever way it is asked for. */
static void test_mapping(void **state)
{
    (void)state;
    zx_handle_t vdso = make_vdso(), root = zx_vmar_root_self(), slice, short_slice, other;
    zx_vaddr_t va;
    assert_int_equal(vm_aspace_vdso_code_address(space()), 0);
    assert_int_equal(vm_aspace_vdso_base_address(space()), 0);
    assert_ok(zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 4 * PAGE, &slice));
    assert_ok(zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 2 * PAGE, &short_slice));
    assert_refused(map(root, RX, 0, vdso, 0, PAGES * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, vdso, CODE_OFFSET, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE + 1), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, vdso, CODE_OFFSET - PAGE, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, vdso, 0, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, slice, CODE_OFFSET, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, short_slice, CODE_OFFSET - PAGE, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    /* What comes before in the order. */
    assert_refused(map(root, RX | ZX_VM_SPECIFIC, 1, vdso, 0, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(map(root, RX, 0, vdso, 0, VM_USER_ASPACE_SIZE + PAGE), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_allocations(zx_vmar_map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    assert_int_equal(vm_aspace_vdso_code_address(space()), va);
    assert_int_equal(vm_aspace_vdso_base_address(space()), va - CODE_OFFSET);
    assert_refused(map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(root, RX, 0, slice, CODE_OFFSET - PAGE, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    other = make_vdso();
    assert_refused(map(root, RX, 0, other, CODE_OFFSET, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zvm_access(zx_process_self(), va, NULL, 1, ZVM_EXECUTE));
}

/* By a slice that shows all of the code it is the code as well; a bad result pointer leaves none. */
static void test_mapping_a_slice(void **state)
{
    (void)state;
    zx_handle_t vdso = make_vdso(), slice;
    zx_vaddr_t va;
    assert_ok(zx_vmo_create_child(vdso, ZX_VMO_CHILD_SLICE, PAGE, 3 * PAGE, &slice));
    assert_survives_failed_copies(zx_vmar_map(zx_vmar_root_self(), RX, 0, slice, PAGE, CODE_SIZE, &va));
    assert_int_equal(vm_aspace_vdso_base_address(space()), va - CODE_OFFSET);
}

/* What is not executable never becomes so, and is as any other mapping. */
static void test_data(void **state)
{
    (void)state;
    zx_handle_t vdso = make_vdso(), root = zx_vmar_root_self();
    zx_vaddr_t va, none;
    assert_ok(zx_vmar_map(root, R, 0, vdso, 0, PAGES * PAGE, &va));
    assert_ok(zx_vmar_map(root, 0, 0, vdso, CODE_OFFSET, CODE_SIZE, &none));
    assert_int_equal(vm_aspace_vdso_code_address(space()), 0);
    assert_refused(zx_vmar_protect(root, RX, va + CODE_OFFSET, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(root, RX, none, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_protect(root, 0, va, PAGE));
    assert_ok(zx_vmar_protect(root, R, none, PAGE));
    assert_ok(zx_vmar_unmap(root, va + CODE_OFFSET, PAGE));
    assert_ok(map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
}

static zx_handle_t outer, inner;
static zx_vaddr_t outer_base, code;

/* The code at the third page of a VMAR of eight pages, in one of sixteen; gaps and a mapping around it. */
static zx_handle_t lay_out(void)
{
    zx_handle_t vdso = make_vdso(), vmo = make_vmo(PAGE, 0);
    zx_vaddr_t base;
    outer = make_vmar(EVERYTHING, 16, &outer_base);
    assert_ok(zx_vmar_allocate(outer, EVERYTHING | ZX_VM_SPECIFIC, 0, 8 * PAGE, &inner, &base));
    assert_ok(zx_vmar_map(inner, RX | ZX_VM_SPECIFIC, 3 * PAGE, vdso, CODE_OFFSET, CODE_SIZE, &code));
    assert_ok(map(inner, R | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, PAGE));
    assert_ok(map(outer, R | ZX_VM_SPECIFIC, 8 * PAGE, vmo, 0, PAGE));
    return vmo;
}

static void test_unmap_and_destroy(void **state)
{
    (void)state;
    lay_out();
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    assert_refused(zx_vmar_unmap(inner, code, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_unmap(inner, code + PAGE, 3 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_unmap(inner, outer_base, 4 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_unmap(outer, outer_base, 16 * PAGE), ZX_ERR_ACCESS_DENIED);
    /* before the child VMAR that is partly in the range, and before the right; after the bounds */
    assert_refused(zx_vmar_unmap(outer, code, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_unmap(no_children, outer_base, 16 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_unmap(inner, code, 16 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_destroy(inner), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_destroy(outer), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_destroy(no_children), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_unmap(inner, outer_base, 3 * PAGE));
    assert_ok(zx_vmar_unmap(inner, code + CODE_SIZE, PAGE));
    assert_ok(zx_vmar_unmap(outer, outer_base + 8 * PAGE, 8 * PAGE));
    assert_int_equal(vm_aspace_vdso_code_address(space()), code);
}

static void test_overwrite(void **state)
{
    (void)state;
    zx_handle_t vmo = lay_out(), vdso = make_vdso();
    size_t at = code - outer_base;
    assert_refused(map(inner, R | OVERWRITE, at, vmo, 0, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(inner, R | OVERWRITE, at + PAGE, vmo, 0, 2 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(inner, R | OVERWRITE, 0, vmo, 0, 8 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(inner, RX | OVERWRITE, at, vdso, CODE_OFFSET, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(map(outer, R | OVERWRITE, at, vmo, 0, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(map(inner, R | ZX_VM_SPECIFIC, at, vmo, 0, PAGE), ZX_ERR_ALREADY_EXISTS);
    assert_ok(map(inner, R | OVERWRITE, at - PAGE, vmo, 0, PAGE));
    assert_ok(map(inner, R | OVERWRITE, at + CODE_SIZE, vmo, 0, PAGE));
}

static void test_protect(void **state)
{
    (void)state;
    lay_out();
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    assert_refused(zx_vmar_protect(inner, R, code, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(inner, RX, code, CODE_SIZE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(inner, 0, code - PAGE, 2 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(outer, R, code, PAGE), ZX_ERR_ACCESS_DENIED);
    /* per mapping: a gap before it, the code itself before the right */
    assert_refused(zx_vmar_protect(inner, 0, outer_base, 8 * PAGE), ZX_ERR_NOT_FOUND);
    assert_refused(zx_vmar_protect(no_children, R, code, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(no_children, R, code - PAGE, 2 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_vmar_protect(inner, 0, code - PAGE, PAGE));
}

static void test_op_range(void **state)
{
    (void)state;
    lay_out();
    static const uint32_t ops[] = {ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE,
                                   ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED};
    zx_handle_t no_children = without(outer, ZX_RIGHT_OP_CHILDREN);
    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        bool changes = i < 2;
        assert_refused(zx_vmar_op_range(inner, ops[i], code, PAGE, NULL, 0), ZX_ERR_ACCESS_DENIED);
        assert_refused(zx_vmar_op_range(inner, ops[i], code, 4 * PAGE, NULL, 0), ZX_ERR_BAD_STATE);
        assert_refused(zx_vmar_op_range(inner, ops[i], code, 16 * PAGE, NULL, 0), ZX_ERR_OUT_OF_RANGE);
        assert_refused(zx_vmar_op_range(outer, ops[i], code, PAGE, NULL, 0),
                       changes ? ZX_ERR_INVALID_ARGS : ZX_ERR_ACCESS_DENIED);
        assert_refused(zx_vmar_op_range(no_children, ops[i], code, PAGE, NULL, 0), ZX_ERR_INVALID_ARGS);
    }
    assert_ok(zx_vmar_op_range(inner, ZX_VMAR_OP_MAP_RANGE, code - PAGE, PAGE, NULL, 0));
}

static void test_intersects(void **state)
{
    (void)state;
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
        assert_int_equal(vm_aspace_intersects_vdso_code(space(), cases[i].base, cases[i].size),
                         cases[i].touches);
}

/* Each space has its own; it goes with the space, and a unified one shows it. */
static void test_spaces(void **state)
{
    (void)state;
    zx_handle_t vdso = make_vdso(), process, root, founder, founder_root, member, member_root;
    zx_vaddr_t va;
    struct vm_process *object;
    assert_ok(map(zx_vmar_root_self(), RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
    assert_ok(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
    assert_ok(zx_vmar_map(root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    check_status(vm_process_from_handle(process, &object), ZX_OK, __FILE__, __LINE__);
    assert_int_equal(vm_aspace_vdso_code_address(vm_process_aspace(object)), va);
    vm_process_kill(object);
    assert_int_equal(vm_aspace_vdso_code_address(vm_process_aspace(object)), 0);
    assert_false(vm_aspace_intersects_vdso_code(vm_process_aspace(object), va, PAGE));
    vm_process_release(object);
    assert_ok(zx_process_create(ZX_HANDLE_INVALID, "p", 1, ZX_PROCESS_SHARED, &founder, &founder_root));
    assert_ok(zx_process_create_shared(founder, 0, "q", 1, &member, &member_root));
    check_status(vm_process_from_handle(member, &object), ZX_OK, __FILE__, __LINE__);
    struct vm_aspace *unified = vm_process_aspace(object);
    assert_ok(zx_vmar_map(founder_root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    assert_int_equal(vm_aspace_vdso_code_address(unified), va);
    assert_true(vm_aspace_intersects_vdso_code(unified, va, 1));
    assert_ok(zx_vmar_map(member_root, RX, 0, vdso, CODE_OFFSET, CODE_SIZE, &va));
    assert_int_equal(vm_aspace_vdso_code_address(unified), va);
    vm_process_kill(object);
    assert_int_equal(vm_aspace_vdso_code_address(unified), 0);
    assert_false(vm_aspace_intersects_vdso_code(unified, va, PAGE));
    vm_process_release(object);
}

/* The checker knows which mapping may be executable, and what it must show. */
static void test_check(void **state)
{
    static struct vm_mapping nowhere;
    (void)state;
    zx_handle_t vdso = make_vdso();
    struct vm_vmo *vmo = behind(vdso);
    assert_ok(map(zx_vmar_root_self(), RX, 0, vdso, CODE_OFFSET, CODE_SIZE));
    PLANT_FOR(vm_check(report_begin()), space()->vdso_code, NULL, "of the vDSO, and may become executable");
    PLANT_FOR(vm_check(report_begin()), space()->vdso_code, &nowhere,
              "the mapping of the vDSO's code is not in it");
    PLANT_FOR(vm_check(report_begin()), vmo->vdso_code_size, PAGE, "not the vDSO's code, executable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check),    TEST(test_declaring),         TEST(test_mapping),   TEST(test_mapping_a_slice),
        TEST(test_data),     TEST(test_unmap_and_destroy), TEST(test_overwrite), TEST(test_protect),
        TEST(test_op_range), TEST(test_intersects),        TEST(test_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
