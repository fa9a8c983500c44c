/* SPDX-License-Identifier: MIT */
/*
 * test_snapshot.c: the snapshot by which tests tell that a refused call changed nothing sees every kind of change, and
 * nothing where there was none.
 */
#include "calls.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static struct snapshot last;

/* Whether anything is different from what it was the last time. */
static bool changed(void)
{
    struct snapshot now = snapshot_take();
    bool same = now.size == last.size && (now.size == 0 || memcmp(now.text, last.text, now.size) == 0);
    snapshot_release(&last);
    last = now;
    return !same;
}

static int stop(void **state)
{
    snapshot_release(&last);
    return machine_stop(state);
}

#define assert_changes(call)                                                                                 \
    do {                                                                                                     \
        assert_ok(call);                                                                                     \
        assert_true(changed());                                                                              \
    } while (0)

#define assert_keeps(call)                                                                                   \
    do {                                                                                                     \
        assert_ok(call);                                                                                     \
        assert_false(changed());                                                                             \
    } while (0)

static void test_sees_every_change(void **state)
{
    (void)state;
    zx_vaddr_t base, address;
    zx_handle_t vmo = make_vmo(8 * PAGE, ZX_VMO_RESIZABLE), vmar = make_vmar(EVERYTHING, 64, &base), other,
                child;
    zx_handle_t self = zx_process_self(), root;
    char byte = 'a';
    assert_true(changed());
    assert_false(changed());
    assert_changes(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, 0, vmo, 0, 8 * PAGE, &address));
    assert_changes(zvm_access(self, base, &byte, 1, ZVM_READ));  /* the zero page is entered */
    assert_changes(zvm_access(self, base, &byte, 1, ZVM_WRITE)); /* a page is made */
    byte = 'b';
    assert_changes(zx_vmo_write(vmo, &byte, 5, 1)); /* nothing but a byte */
    assert_keeps(zx_vmo_write(vmo, &byte, 5, 1));
    assert_changes(zx_vmar_protect(vmar, ZX_VM_PERM_READ, base + 2 * PAGE, PAGE));
    assert_keeps(zx_vmar_protect(vmar, ZX_VM_PERM_READ, base + 2 * PAGE, PAGE));
    assert_changes(zx_vmar_protect(vmar, 0, base, PAGE));
    assert_changes(zx_vmar_unmap(vmar, base + 4 * PAGE, PAGE));
    assert_keeps(zx_vmar_unmap(vmar, base + 4 * PAGE, PAGE));
    assert_changes(zx_vmar_allocate(vmar, ZX_VM_SPECIFIC, 16 * PAGE, PAGE, &child, &address));
    assert_changes(zx_handle_replace(child, ZX_RIGHT_SAME_RIGHTS, &child)); /* nothing but its number */
    assert_changes(zx_handle_replace(child, 0, &child));
    assert_changes(zx_handle_close(child));
    assert_changes(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &other));
    assert_changes(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 3 * PAGE, PAGE, NULL, 0));
    assert_changes(zx_vmo_set_size(vmo, 7 * PAGE));
    assert_changes(zx_object_set_property(vmo, ZX_PROP_NAME, "name", 4));
    assert_changes(zx_process_create(zx_job_default(), "p", 1, 0, &other, &root));
    assert_changes(zx_vmar_map(root, RW, 0, vmo, 0, PAGE, &address));
    assert_changes(zx_vmar_destroy(vmar));
    assert_changes(zx_handle_close(root));
    assert_changes(zx_handle_close(other));
}

/* What it is silent about is no state of the machine: what is made and gone again leaves no trace. */
static void test_sees_no_more(void **state)
{
    (void)state;
    zx_vaddr_t base, address;
    zx_handle_t vmar = make_vmar(EVERYTHING, 64, &base), vmo = make_vmo(8 * PAGE, 0), other;
    assert_true(changed());
    for (unsigned i = 0; i < 100; i++) {
        zx_handle_t made = make_vmo(8 * PAGE, 0), child;
        assert_ok(zx_vmo_op_range(made, ZX_VMO_OP_COMMIT, 0, 8 * PAGE, NULL, 0));
        assert_ok(zx_handle_close(made));
        assert_ok(zx_vmar_map(vmar, RW | ZX_VM_MAP_RANGE, 0, vmo, 0, 3 * PAGE, &address));
        assert_ok(zx_vmar_unmap(vmar, address, 3 * PAGE));
        assert_ok(zx_vmar_allocate(vmar, 0, 0, 5 * PAGE, &child, &address));
        assert_ok(zx_vmar_destroy(child));
        assert_ok(zx_handle_close(child));
        assert_ok(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &other));
        assert_ok(zx_handle_close(other));
        assert_false(changed());
    }
}

/* Nothing to tell, and no harm, before there is a machine. */
static void test_without_a_machine(void **state)
{
    (void)state;
    assert_int_equal(zvm_stop(), ZX_OK);
    struct snapshot empty = snapshot_take();
    assert_int_equal(empty.size, 0);
    assert_true(snapshot_is_current(&empty));
    snapshot_release(&empty);
    assert_int_equal(machine_start(state), 0);
}

#define SNAPSHOT_TEST(function) cmocka_unit_test_setup_teardown(function, machine_start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(test_sees_every_change),
        SNAPSHOT_TEST(test_sees_no_more),
        SNAPSHOT_TEST(test_without_a_machine),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
