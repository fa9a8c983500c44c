/* SPDX-License-Identifier: MIT */
/*
 * test_spaces.c: address spaces as those inside the kernel see them: memory priority.
 */
#include "calls.h"

#include "../../vm/internal.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

/* ---- Memory priority ---- */

static struct vm_vmar *vmar_behind(zx_handle_t handle)
{
    struct vm_vmar *vmar = NULL;
    check_status(vm_vmar_from_handle(handle, &vmar), ZX_OK, __FILE__, __LINE__);
    vm_vmar_release(vmar); /* its handle keeps it */
    return vmar;
}

static zx_handle_t make_child(zx_handle_t parent, size_t pages)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    zx_vaddr_t base;
    assert_ok(zx_vmar_allocate(parent, EVERYTHING, 0, pages * PAGE, &vmar, &base));
    return vmar;
}

static bool is_high(void)
{
    return vm_aspace_is_high_memory_priority(vm_process_aspace(port_current_process()));
}

static void test_priority_of_one(void **state)
{
    (void)state;
    zx_handle_t handle = make_child(zx_vmar_root_self(), 16);
    struct vm_vmar *vmar = vmar_behind(handle);
    assert_false(is_high());
    assert_refused(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_DEFAULT), ZX_OK);
    assert_ok(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
    assert_true(is_high());
    assert_refused(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH), ZX_OK);
    assert_ok(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_DEFAULT));
    assert_false(is_high());
    assert_ok(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
    assert_ok(zx_vmar_destroy(handle));
    assert_false(is_high());
    assert_refused(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH), ZX_ERR_BAD_STATE);
}

static void test_priority_of_a_tree(void **state)
{
    (void)state;
    zx_handle_t outer = make_child(zx_vmar_root_self(), 64), inner = make_child(outer, 32), vmo, later;
    zx_vaddr_t va;
    assert_ok(zx_vmo_create(4 * PAGE, 0, &vmo));
    assert_ok(zx_vmar_map(inner, RW, 0, vmo, 0, 4 * PAGE, &va));
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_HIGH));
    later = make_child(inner, 8);
    assert_true(vmar_behind(later)->high_priority);
    assert_int_equal(vm_process_aspace(port_current_process())->high_vmars, 3);
    /* what lies deeper may differ again */
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_DEFAULT));
    assert_false(is_high());
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(later), VM_MEMORY_PRIORITY_HIGH));
    assert_true(is_high());
    assert_false(vmar_behind(inner)->high_priority);
    assert_ok(zx_vmar_destroy(outer));
    assert_false(is_high());
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(zx_vmar_root_self()), VM_MEMORY_PRIORITY_HIGH));
    assert_true(vmar_behind(make_child(zx_vmar_root_self(), 8))->high_priority);
}

static void test_priority_of_refused_children(void **state)
{
    (void)state;
    struct vm_vmar *root = vmar_behind(zx_vmar_root_self());
    zx_handle_t child;
    zx_vaddr_t va;
    assert_ok(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    assert_survives_failed_allocations(
        zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, PAGE, &child, &va));
    assert_survives_failed_copies(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, PAGE, &child, &va));
    assert_int_equal(root->region.aspace->high_vmars, 3);
}

static void test_priority_always_needed(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0);
    zx_vaddr_t va;
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, vmo, 0, PAGE, &va));
    assert_ok(zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_ALWAYS_NEED, va, PAGE, NULL, 0));
    assert_true(is_high());
    assert_ok(zx_vmar_unmap(zx_vmar_root_self(), va, PAGE));
    assert_true(is_high());
}

static void test_priority_of_the_dead(void **state)
{
    (void)state;
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "mortal");
    struct vm_vmar *root = vm_aspace_root_vmar(aspace);
    assert_int_equal(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH), ZX_OK);
    assert_true(vm_aspace_is_high_memory_priority(aspace));
    vm_aspace_destroy(aspace);
    assert_false(vm_aspace_is_high_memory_priority(aspace));
    assert_null(vm_aspace_root_vmar(aspace));
    assert_int_equal(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH), ZX_ERR_BAD_STATE);
    vm_vmar_release(root);
    assert_true(vm_check(&vm_log_sink));
    vm_aspace_release(aspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_priority_of_one),
        TEST(test_priority_of_a_tree),
        TEST(test_priority_of_refused_children),
        TEST(test_priority_always_needed),
        TEST(test_priority_of_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
