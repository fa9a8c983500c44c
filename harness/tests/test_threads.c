/* SPDX-License-Identifier: MIT */
/*
 * test_threads.c: races that were found and what they broke, each made likely. The port perturbs the schedule, so that two
 * processors are enough; still, a test that passes proves little, one that fails proves a defect. stress_threads.c looks
 * for more of them.
 */
#define _DEFAULT_SOURCE
#include "calls.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <vm/aspace.h>

#include "../host_port.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static int start_perturbed(void **state)
{
    static const struct zvm_config config = {.memory_bytes = 64u << 20, .processors = 4};
    (void)state;
    host_perturb_schedule(1, 2);
    return zvm_start(&config) == ZX_OK ? 0 : -1;
}

static int stop_perturbed(void **state)
{
    host_perturb_schedule(0, 0);
    return machine_stop(state);
}

/* Runs all at once; each returns how often it failed. */
static void run_all(void *(*const functions[])(void *), unsigned count)
{
    pthread_t threads[4];
    void *failures;
    assert_true(count <= 4);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, functions[i], NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], &failures), 0);
        assert_null(failures);
    }
}

static void run_both(void *(*first)(void *), void *(*second)(void *))
{
    void *(*const functions[])(void *) = {first, second};
    run_all(functions, 2);
}

#define SIZE_OF_SNAPSHOT (512 * PAGE) /* many pages: it takes a while to let go of them */

static zx_handle_t vmo;
static zx_vaddr_t here, there; /* two mappings of it */
static pthread_barrier_t barrier;
static atomic_bool ended;

static zx_status_t touch(zx_vaddr_t va, uint64_t *value, uint32_t kind)
{
    return zvm_access(zx_process_self(), va, value, sizeof(*value), kind);
}

static void map_twice(void)
{
    vmo = make_vmo(PAGE, 0);
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, vmo, 0, PAGE, &here));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, vmo, 0, PAGE, &there));
}

/* ---- The first write to an absent page, which another mapping still shows as the zero page ---- */

#define ROUNDS 1500

static void *write_first(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t value = 1;
        failures += zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0) != ZX_OK;
        failures += touch(here, &value, ZVM_READ) != ZX_OK || touch(there, &value, ZVM_READ) != ZX_OK;
        pthread_barrier_wait(&barrier);
        failures += touch(here, &value, ZVM_WRITE) != ZX_OK;
        pthread_barrier_wait(&barrier);
    }
    return (void *)failures;
}

/* What one has written here is what one reads there. */
static void *write_and_compare(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t value = round + 1, back = 0;
        pthread_barrier_wait(&barrier);
        for (unsigned i = round % 8; i > 0; i--)
            sched_yield();
        failures += touch(here + 8, &value, ZVM_WRITE) != ZX_OK;
        failures += touch(there + 8, &back, ZVM_READ) != ZX_OK || back != value;
        pthread_barrier_wait(&barrier);
    }
    return (void *)failures;
}

static void test_first_write_is_coherent(void **state)
{
    (void)state;
    map_twice();
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    run_both(write_first, write_and_compare);
    pthread_barrier_destroy(&barrier);
    assert_ok(zvm_check());
}

/* ---- A page that is taken away again and again between a fault and the access that it was for ---- */

static void *write_stubbornly(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t value = i;
        failures += touch(here, &value, ZVM_WRITE) != ZX_OK;
    }
    atomic_store(&ended, true);
    return (void *)failures;
}

static void *decommit_meanwhile(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    while (!atomic_load(&ended))
        failures += zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0) != ZX_OK;
    return (void *)failures;
}

static void test_fault_against_decommit(void **state)
{
    (void)state;
    map_twice();
    atomic_store(&ended, false);
    run_both(write_stubbornly, decommit_meanwhile);
    assert_ok(zvm_check());
}

/* ---- A handle that is closed while it is being duplicated ---- */

static _Atomic(zx_handle_t) offered;

static void *offer_and_close(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned i = 0; i < 2000; i++) {
        zx_handle_t process, root;
        failures += zx_process_create(ZX_HANDLE_INVALID, "brief", 5, 0, &process, &root) != ZX_OK;
        atomic_store(&offered, process);
        sched_yield();
        failures += zx_handle_close(process) != ZX_OK;
        failures += zx_handle_close(root) != ZX_OK;
    }
    atomic_store(&ended, true);
    return (void *)failures;
}

/* The process lives as long as the duplicate does. */
static void *duplicate_and_look(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    while (!atomic_load(&ended)) {
        zx_handle_t copy;
        struct vm_process *process;
        if (zx_handle_duplicate(atomic_load(&offered), ZX_RIGHT_SAME_RIGHTS, &copy) != ZX_OK)
            continue;
        failures += vm_process_from_handle(copy, &process) != ZX_OK;
        for (unsigned i = 0; i < 3; i++)
            sched_yield();
        failures += vm_aspace_is_destroyed(vm_process_aspace(process));
        vm_process_release(process);
        failures += zx_handle_close(copy) != ZX_OK;
    }
    return (void *)failures;
}

static void test_duplicate_against_close(void **state)
{
    (void)state;
    atomic_store(&ended, false);
    run_both(offer_and_close, duplicate_and_look);
    assert_ok(zvm_check());
}

/* ---- Bytes that a program writes while a call reads and writes them; views of a space that changes (for ThreadSanitizer) ---- */

static void *write_by_access(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value = i;
        failures += touch(here + i % 64, &value, ZVM_WRITE) != ZX_OK;
        failures += i % 8 == 0 && zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0) != ZX_OK;
    }
    atomic_store(&ended, true);
    return (void *)failures;
}

static void *copy_and_view(void *unused)
{
    uintptr_t failures = 0;
    char bytes[100] = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    (void)unused;
    while (!atomic_load(&ended)) {
        failures += zx_vmo_read(vmo, bytes, 3, sizeof(bytes)) != ZX_OK;
        failures += zx_vmo_write(vmo, bytes, 5, sizeof(bytes)) != ZX_OK;
        failures += zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 9, 30, NULL, 0) != ZX_OK;
        failures += zvm_dump(zx_process_self(), nowhere) != ZX_OK;
        failures += zvm_svg(zx_process_self(), nowhere) != ZX_OK;
    }
    fclose(nowhere);
    return (void *)failures;
}

static void test_shared_bytes(void **state)
{
    (void)state;
    map_twice();
    atomic_store(&ended, false);
    run_both(write_by_access, copy_and_view);
    assert_ok(zvm_check());
}

/* ---- A mapping whose address cannot be handed out, and whose place others have taken meanwhile ---- */

static void *map_in_vain(void *unused)
{
    (void)unused;
    while (!atomic_load(&ended)) {
        zx_vaddr_t at;
        zvm_fail_user_copy(3); /* after the two of the trial */
        (void)zx_vmar_map(zx_vmar_root_self(), RW | ZX_VM_SPECIFIC, 64 * PAGE, vmo, 0, PAGE, &at);
    }
    return NULL;
}

/* What was mapped stays until it is unmapped. */
static void *overwrite_and_use(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (unsigned i = 0; i < 4000; i++) {
        zx_vaddr_t at;
        uint64_t value = i;
        if (zx_vmar_map(zx_vmar_root_self(), RW | ZX_VM_SPECIFIC_OVERWRITE, 64 * PAGE, vmo, 0, PAGE, &at) !=
            ZX_OK)
            continue;
        sched_yield();
        failures += touch(at, &value, ZVM_WRITE) == ZX_ERR_NOT_FOUND;
        failures += zx_vmar_unmap(zx_vmar_root_self(), at, PAGE) != ZX_OK;
    }
    atomic_store(&ended, true);
    return (void *)failures;
}

static void test_failed_map_against_overwrite(void **state)
{
    (void)state;
    vmo = make_vmo(PAGE, 0);
    atomic_store(&ended, false);
    run_both(overwrite_and_use, map_in_vain);
    zvm_fail_user_copy(0);
    assert_ok(zvm_check());
}

/* Between two neighbours with which it would merge; taking it away needs no memory. */
static void test_failed_map_without_memory(void **state)
{
    zx_vaddr_t at, base;
    zx_handle_t vmar;
    char byte;
    (void)state;
    vmo = make_vmo(3 * PAGE, 0);
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(),
                               ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0, 3 * PAGE,
                               &vmar, &base));
    for (size_t i = 0; i < 3; i += 2)
        assert_ok(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, i * PAGE, vmo, i * PAGE, PAGE, &at));
    for (unsigned nth = 1; nth < 12; nth++) {
        zvm_fail_allocation(nth, true);
        zvm_fail_user_copy(3);
        assert_int_not_equal(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, PAGE, vmo, PAGE, PAGE, &at), ZX_OK);
        zvm_fail_user_copy(0);
        zvm_fail_allocation(0, false);
        assert_int_equal(zvm_access(zx_process_self(), base + PAGE, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
        assert_ok(zvm_check());
    }
    assert_ok(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, PAGE, vmo, PAGE, PAGE, &at));
    assert_ok(zvm_access(zx_process_self(), base + PAGE, &byte, 1, ZVM_READ));
}

/* ---- A snapshot that comes to nothing, while others write to its pages and take copies of them ---- */

#define STORES 20000

static void *store_and_look(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    for (uint64_t value = 1, back = 0; value <= STORES; value++) {
        failures += touch(here, &value, ZVM_WRITE) != ZX_OK || touch(here, &back, ZVM_READ) != ZX_OK;
        failures += back != value;
    }
    atomic_store(&ended, true);
    return (void *)failures;
}

static void *commit_meanwhile(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    while (!atomic_load(&ended))
        failures += zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, PAGE, NULL, 0) != ZX_OK;
    return (void *)failures;
}

static void *snapshot_in_vain(void *unused)
{
    uintptr_t failures = 0;
    (void)unused;
    while (!atomic_load(&ended))
        failures +=
            zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, SIZE_OF_SNAPSHOT, NULL) != ZX_ERR_INVALID_ARGS;
    return (void *)failures;
}

static void test_refused_snapshot_loses_no_store(void **state)
{
    void *(*const functions[])(void *) = {store_and_look, commit_meanwhile, snapshot_in_vain};
    (void)state;
    vmo = make_vmo(SIZE_OF_SNAPSHOT, 0);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, SIZE_OF_SNAPSHOT, NULL, 0));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, vmo, 0, SIZE_OF_SNAPSHOT, &here));
    atomic_store(&ended, false);
    run_all(functions, 3);
    assert_ok(zvm_check());
}

#define PERTURBED(function) cmocka_unit_test_setup_teardown(function, start_perturbed, stop_perturbed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PERTURBED(test_first_write_is_coherent),         PERTURBED(test_fault_against_decommit),
        PERTURBED(test_duplicate_against_close),         PERTURBED(test_shared_bytes),
        PERTURBED(test_failed_map_against_overwrite),    PERTURBED(test_failed_map_without_memory),
        PERTURBED(test_refused_snapshot_loses_no_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
