/* SPDX-License-Identifier: MIT */
/*
 * test_state.c: the state of the machine as one number (vm/state.c): whatever a program could tell apart makes it
 * another one, and only that does.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include <vm/thread.h>

#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static uint64_t last;

static void begin(void)
{
    last = vm_state_hash();
    assert_true(vm_state_hash() == last);
}

static void check_changed(int line)
{
    uint64_t now = vm_state_hash();
    if (now == last)
        _fail(__FILE__, line);
    last = now;
}

/* The step does what it says, and it shows. */
#define CHANGES(call)                                                                                        \
    do {                                                                                                     \
        assert_ok(call);                                                                                     \
        check_changed(__LINE__);                                                                             \
    } while (0)

static void test_objects(void **state)
{
    (void)state;
    zx_handle_t vmo, again, process, root, thread;
    begin();
    CHANGES(zx_vmo_create(8 * PAGE, ZX_VMO_RESIZABLE, &vmo));
    CHANGES(zx_vmo_set_size(vmo, 9 * PAGE));
    CHANGES(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, PAGE, NULL, 0));
    CHANGES(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0));
    CHANGES(zx_object_set_property(vmo, ZX_PROP_NAME, "a", 1));
    CHANGES(zx_object_set_property(vmo, ZX_PROP_NAME, "b", 1));
    CHANGES(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &again));
    CHANGES(zx_handle_replace(again, ZX_RIGHT_READ, &again));
    CHANGES(zx_handle_close(again));
    CHANGES(zx_process_create(zx_job_default(), "p", 1, 0, &process, &root));
    CHANGES(zx_thread_create(process, "t", 1, 0, &thread));
    CHANGES(zx_object_set_property(thread, ZX_PROP_NAME, "u", 1));
    CHANGES(zx_object_set_property(zx_job_default(), ZX_PROP_NAME, "j", 1));
    CHANGES(zx_handle_close(thread));
    CHANGES(zx_task_kill(process));
    CHANGES(zx_handle_close(process));
}

static void test_spaces(void **state)
{
    (void)state;
    zx_handle_t vmo, vmar;
    zx_vaddr_t base, at;
    char byte = 1;
    struct vm_aspace *aspace = vm_process_aspace(port_current_process());
    assert_ok(zx_vmo_create(8 * PAGE, 0, &vmo));
    begin();
    CHANGES(zx_vmar_allocate(zx_vmar_root_self(),
                             ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0, 64 * PAGE,
                             &vmar, &base));
    CHANGES(zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, PAGE, vmo, 0, 8 * PAGE, &at));
    CHANGES(zx_vmar_protect(vmar, READ, at, 8 * PAGE));
    CHANGES(zx_vmar_protect(vmar, READ_WRITE, at + PAGE, PAGE));
    CHANGES(zx_vmar_protect(vmar, READ_WRITE, at + 3 * PAGE, PAGE));
    CHANGES(zvm_access(zx_process_self(), at + PAGE, &byte, 1, ZVM_WRITE)); /* tables, a page */
    CHANGES(zx_vmar_unmap(vmar, at, PAGE));
    CHANGES(zx_vmar_op_range(vmar, ZX_VMAR_OP_ALWAYS_NEED, at + PAGE, PAGE, NULL, 0));
    vm_aspace_rename(aspace, "another");
    check_changed(__LINE__);
    CHANGES(zx_vmar_destroy(vmar));
}

/* What only makes things fast does not count, nor what is merely counted on. */
static void test_what_does_not_count(void **state)
{
    (void)state;
    zx_handle_t vmo;
    zx_vaddr_t at;
    char bytes[16];
    assert_ok(zx_vmo_create(8 * PAGE, 0, &vmo));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, vmo, 0, 8 * PAGE, &at));
    memset(bytes, 1, sizeof(bytes));
    assert_ok(zvm_access(zx_process_self(), at, bytes, sizeof(bytes), ZVM_WRITE));
    begin();
    assert_ok(zvm_access(zx_process_self(), at, bytes, sizeof(bytes), ZVM_READ));
    bytes[0] = 2;
    assert_ok(zvm_access(zx_process_self(), at, bytes, sizeof(bytes), ZVM_WRITE));
    zx_cprng_draw(bytes, sizeof(bytes));
    assert_true(vm_state_hash() == last);
}

static void test_name_of_a_process(void **state)
{
    (void)state;
    char name[ZX_MAX_NAME_LEN];
    struct vm_process *process = vm_process_create("a name that is cut, since it is longer than that");
    assert_non_null(process);
    vm_process_name(process, name);
    assert_string_equal(name, "a name that is cut, since it is");
    vm_process_kill(process);
    vm_process_release(process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_objects), TEST(test_spaces), TEST(test_what_does_not_count),
                                       TEST(test_name_of_a_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
