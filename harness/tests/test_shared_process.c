/* SPDX-License-Identifier: MIT */
/*
 * test_shared_process.c: processes that share a part of their address space: what is refused, who sees what,
 * what lives how long, what is told of them, and all of that in many threads.
 */
#define _DEFAULT_SOURCE
#include "calls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../vm/internal.h"
#include "../host_port.h"
#include "plant.h"

#define RW     (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define BORDER VM_SHARED_ASPACE_BASE

struct member {
    zx_handle_t process, root;
};

static struct member found(void)
{
    struct member member = {0};
    assert_ok(
        zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &member.process, &member.root));
    return member;
}

static struct member join(zx_handle_t with)
{
    struct member member = {0};
    assert_ok(zx_process_create_shared(with, 0, "next", 4, &member.process, &member.root));
    return member;
}

static void close_member(const struct member *member)
{
    assert_ok(zx_handle_close(member->root));
    assert_ok(zx_handle_close(member->process));
}

static void kill(zx_handle_t handle)
{
    struct vm_process *process = NULL;
    check_status(vm_process_from_handle(handle, &process), ZX_OK, __FILE__, __LINE__);
    vm_process_kill(process);
    vm_process_release(process);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* Maps at that address, in the VMAR that it is in. */
static void map_at(zx_handle_t root, zx_vaddr_t va, zx_handle_t vmo, size_t pages)
{
    zx_info_vmar_t info;
    zx_vaddr_t at;
    assert_ok(zx_object_get_info(root, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    assert_ok(zx_vmar_map(root, RW | ZX_VM_SPECIFIC, va - info.base, vmo, 0, pages * PAGE, &at));
    assert_int_equal(at, va);
}

static int peek(zx_handle_t process, zx_vaddr_t va)
{
    char byte = 0;
    return zvm_access(process, va, &byte, 1, ZVM_READ) == ZX_OK ? byte : -1;
}

static void poke(zx_handle_t process, zx_vaddr_t va, char byte)
{
    assert_ok(zvm_access(process, va, &byte, 1, ZVM_WRITE));
}

/* ---- Refusals ---- */

static void test_create_refusals(void **state)
{
    (void)state;
    zx_handle_t process, root;
    assert_refused(zx_process_create(99, NULL, 1, 2, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(99, NULL, 1, ZX_PROCESS_SHARED | 2, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(99, "p", 1, ZX_PROCESS_SHARED, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_process_create(0, "p", 1, ZX_PROCESS_SHARED, NULL, &root), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(0, "p", 1, ZX_PROCESS_SHARED, &process, NULL), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_process_create(0, "p", 1, ZX_PROCESS_SHARED, &process, &root));
    assert_survives_failed_allocations(zx_process_create(0, "p", 1, ZX_PROCESS_SHARED, &process, &root));
}

static void test_create_shared_refusals(void **state)
{
    (void)state;
    struct member first = found();
    zx_handle_t process, root, self = zx_process_self(), vmo = make_vmo(PAGE, 0);
    zx_handle_t weak = without(first.process, ZX_RIGHT_MANAGE_PROCESS);
    zx_handle_t nameless = without(first.process, ZX_RIGHT_GET_PROPERTY);
    zx_handle_t closed = make_closed_handle(), weak_self = without(self, ZX_RIGHT_MANAGE_PROCESS);
    assert_refused(zx_process_create_shared(closed, 1, NULL, 1, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create_shared(closed, 0, NULL, 1, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create_shared(closed, 0, "p", 1, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_process_create_shared(0, 0, "p", 1, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_process_create_shared(vmo, 0, "p", 1, NULL, NULL), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_process_create_shared(weak_self, 0, "p", 1, NULL, NULL), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_process_create_shared(weak, 0, "p", 1, NULL, NULL), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_process_create_shared(nameless, 0, "p", 1, NULL, NULL), ZX_ERR_ACCESS_DENIED);
    zvm_fail_allocation(1, true);
    assert_refused(zx_process_create_shared(self, 0, "p", 1, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create_shared(first.process, 0, "p", 1, NULL, NULL), ZX_ERR_NO_MEMORY);
    zvm_fail_allocation(0, false);
    assert_refused(zx_process_create_shared(first.process, 0, "p", 1, NULL, &root), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create_shared(first.process, 0, "p", 1, &process, BAD_POINTER),
                   ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_process_create_shared(first.process, 0, "p", 1, &process, &root));
    assert_survives_failed_allocations(zx_process_create_shared(first.process, 0, NULL, 0, &process, &root));
}

static void test_nobody_left(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process);
    kill(first.process);
    struct member third = join(first.process); /* the second keeps the space */
    kill(second.process);
    kill(third.process);
    zvm_fail_allocation(1, true);
    assert_refused(zx_process_create_shared(first.process, 0, "p", 1, NULL, NULL), ZX_ERR_BAD_STATE);
    assert_refused(zx_process_create_shared(second.process, 0, "p", 1, NULL, NULL), ZX_ERR_BAD_STATE);
    zvm_fail_allocation(0, false);
    close_member(&third);
    close_member(&first);
    assert_refused(zx_process_create_shared(second.process, 0, "p", 1, NULL, NULL), ZX_ERR_BAD_STATE);
    close_member(&second);
}

/* ---- Who sees what ---- */

static void check_handles(const struct member *member, zx_vaddr_t base, size_t size)
{
    zx_info_vmar_t info;
    struct vm_process *process = NULL;
    assert_int_equal(rights_of(member->process), ZX_DEFAULT_PROCESS_RIGHTS);
    assert_int_equal(rights_of(member->root), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    assert_ok(zx_object_get_info(member->root, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    assert_int_equal(info.base, base);
    assert_int_equal(info.len, size);
    check_status(vm_process_from_handle(member->process, &process), ZX_OK, __FILE__, __LINE__);
    host_enter_process(process);
    check_status(zx_object_get_info(zx_vmar_root_self(), ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL),
                 ZX_OK, __FILE__, __LINE__);
    host_enter_process(NULL);
    vm_process_release(process);
    assert_int_equal(info.base, base);
    assert_int_equal(info.len, size);
}

static void test_layout(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process), third = join(second.process);
    char name[ZX_MAX_NAME_LEN];
    check_handles(&first, BORDER, VM_USER_ASPACE_TOP - BORDER);
    check_handles(&second, VM_USER_ASPACE_BASE, BORDER - VM_USER_ASPACE_BASE);
    check_handles(&third, VM_USER_ASPACE_BASE, BORDER - VM_USER_ASPACE_BASE);
    assert_ok(zx_object_get_property(third.process, ZX_PROP_NAME, name, sizeof(name)));
    assert_string_equal(name, "next");
    assert_int_equal(stats_now().processes, 4);
}

static void test_memory(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process), third = join(first.process);
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), own = make_vmo(4 * PAGE, 0), other = make_vmo(4 * PAGE, 0);
    zx_vaddr_t shared = BORDER + ((zx_vaddr_t)9 << 39), low = VM_USER_ASPACE_BASE;
    map_at(first.root, shared, vmo, 4);
    map_at(second.root, low, own, 4);
    map_at(third.root, low, other, 4);
    poke(second.process, shared, 's');
    assert_int_equal(peek(first.process, shared), 's');
    assert_int_equal(peek(third.process, shared), 's');
    poke(second.process, low, '2');
    poke(third.process, low, '3');
    assert_int_equal(peek(second.process, low), '2');
    assert_int_equal(peek(third.process, low), '3');
    assert_int_equal(peek(first.process, low), -1);
    /* a page that everybody saw as zero */
    assert_int_equal(peek(first.process, shared + PAGE), 0);
    assert_int_equal(peek(second.process, shared + PAGE), 0);
    poke(third.process, shared + PAGE, 'z');
    assert_int_equal(peek(first.process, shared + PAGE), 'z');
    assert_int_equal(peek(second.process, shared + PAGE), 'z');
    assert_ok(zx_vmar_unmap(first.root, shared, 4 * PAGE));
    assert_int_equal(peek(second.process, shared), -1);
    assert_int_equal(peek(third.process, shared), -1);
    assert_ok(zx_vmar_unmap(second.root, low, 4 * PAGE));
    assert_int_equal(peek(second.process, low), -1);
    assert_int_equal(peek(third.process, low), '3');
}

static void test_memory_from_outside(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process);
    zx_handle_t low = make_vmo(PAGE, 0), high = make_vmo(PAGE, 0);
    char bytes[8] = "outside", seen[8] = "";
    size_t actual = 0;
    map_at(first.root, BORDER, high, 1);
    map_at(second.root, BORDER - PAGE, low, 1);
    assert_ok(zx_process_write_memory(second.process, BORDER, bytes, 8, &actual));
    assert_int_equal(actual, 8);
    assert_ok(zx_process_write_memory(second.process, BORDER - 4, bytes, 8, &actual));
    assert_int_equal(actual, 4); /* where the two meet */
    assert_ok(zx_process_read_memory(second.process, BORDER - 4, seen, 8, &actual));
    assert_int_equal(actual, 4);
    assert_memory_equal(seen, "outs", 4);
    assert_ok(zx_process_read_memory(first.process, BORDER, seen, 8, &actual));
    assert_memory_equal(seen, "outside", 8);
    assert_refused(zx_process_read_memory(first.process, BORDER - 4, seen, 8, &actual), ZX_ERR_NO_MEMORY);
    assert_refused(zx_process_read_memory(second.process, VM_USER_ASPACE_BASE, seen, 8, &actual),
                   ZX_ERR_NO_MEMORY);
    assert_refused(zx_process_read_memory(second.process, 0, seen, 8, &actual), ZX_ERR_NO_MEMORY);
    assert_refused(zx_process_read_memory(second.process, UINT64_MAX, seen, 8, &actual), ZX_ERR_NO_MEMORY);
}

/* ---- Who lives how long ---- */

static void test_lifetime(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process), third = join(second.process);
    zx_handle_t vmo = make_vmo(PAGE, 0);
    zx_info_task_stats_t stats;
    zx_vaddr_t at;
    char byte;
    size_t actual;
    map_at(first.root, BORDER, vmo, 1);
    poke(third.process, BORDER, 'l');
    kill(first.process);
    assert_int_equal(peek(second.process, BORDER), 'l');
    assert_refused(zvm_access(first.process, BORDER, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_refused(zx_process_read_memory(first.process, BORDER, &byte, 1, &actual), ZX_ERR_BAD_STATE);
    assert_refused(zx_process_write_memory(first.process, BORDER, "x", 1, &actual), ZX_ERR_BAD_STATE);
    assert_refused(zx_object_get_info(first.process, ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL),
                   ZX_ERR_BAD_STATE);
    assert_refused(zx_object_get_info(first.process, ZX_INFO_PROCESS_MAPS, NULL, 0, NULL, NULL),
                   ZX_ERR_BAD_STATE);
    /* its VMAR is the shared space's, and alive */
    assert_ok(zx_vmar_unmap(first.root, BORDER, PAGE));
    map_at(first.root, BORDER + PAGE, vmo, 1);
    assert_int_equal(peek(third.process, BORDER + PAGE), 'l');
    assert_ok(zx_handle_close(first.process));
    assert_ok(zx_handle_close(second.process)); /* dies of it */
    assert_refused(zx_vmar_map(second.root, RW, 0, vmo, 0, PAGE, &at), ZX_ERR_BAD_STATE);
    assert_int_equal(peek(third.process, BORDER + PAGE), 'l');
    assert_ok(zx_handle_close(third.process));
    assert_refused(zx_vmar_map(first.root, RW, 0, vmo, 0, PAGE, &at), ZX_ERR_BAD_STATE);
    assert_int_equal(stats_now().processes, 1);
    assert_int_equal(stats_now().mappings, 0);
}

/* Each member holds the only handle to the next, which it made: closing the first ends them all. */
static void test_chain(void **state)
{
    (void)state;
    enum { LENGTH = 50 };
    struct snapshot before = snapshot_take();
    struct member first = found();
    zx_handle_t last = first.process;
    struct vm_process *made = NULL;
    assert_ok(zx_handle_close(first.root));
    for (unsigned i = 0; i < LENGTH; i++) {
        struct vm_process *next = NULL;
        zx_handle_t root;
        check_status(vm_process_from_handle(last, &next), ZX_OK, __FILE__, __LINE__);
        host_enter_process(next);
        if (made != NULL)
            vm_process_release(made);
        made = next;
        check_status(zx_process_create_shared(zx_process_self(), 0, "link", 4, &last, &root), ZX_OK, __FILE__,
                     __LINE__);
        check_status(zx_handle_close(root), ZX_OK, __FILE__, __LINE__);
    }
    host_enter_process(NULL);
    vm_process_release(made);
    assert_int_equal(stats_now().processes, 1 + 1 + LENGTH);
    assert_ok(zx_handle_close(first.process));
    check_unchanged(&before, __FILE__, __LINE__);
}

/* ---- What is told ---- */

static void test_maps(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process);
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_info_maps_t maps[8];
    zx_info_task_stats_t stats;
    size_t actual, avail;
    map_at(first.root, BORDER, vmo, 2);
    map_at(second.root, VM_USER_ASPACE_BASE, vmo, 3);
    assert_ok(zx_object_get_info(second.process, ZX_INFO_PROCESS_MAPS, maps, sizeof(maps), &actual, &avail));
    assert_int_equal(actual, 6);
    assert_int_equal(avail, 6);
    static const struct {
        zx_info_maps_type_t type;
        zx_vaddr_t base;
        size_t size, depth;
    } expected[] = {
        {ZX_INFO_MAPS_TYPE_ASPACE, VM_USER_ASPACE_BASE, BORDER - VM_USER_ASPACE_BASE, 0},
        {ZX_INFO_MAPS_TYPE_VMAR, VM_USER_ASPACE_BASE, BORDER - VM_USER_ASPACE_BASE, 1},
        {ZX_INFO_MAPS_TYPE_MAPPING, VM_USER_ASPACE_BASE, 3 * ZX_PAGE_SIZE, 2},
        {ZX_INFO_MAPS_TYPE_ASPACE, BORDER, VM_USER_ASPACE_TOP - BORDER, 0},
        {ZX_INFO_MAPS_TYPE_VMAR, BORDER, VM_USER_ASPACE_TOP - BORDER, 1},
        {ZX_INFO_MAPS_TYPE_MAPPING, BORDER, 2 * ZX_PAGE_SIZE, 2},
    };
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(maps[i].type, expected[i].type);
        assert_int_equal(maps[i].base, expected[i].base);
        assert_int_equal(maps[i].size, expected[i].size);
        assert_int_equal(maps[i].depth, expected[i].depth);
    }
    assert_ok(
        zx_object_get_info(second.process, ZX_INFO_PROCESS_MAPS, maps, 4 * sizeof(*maps), &actual, &avail));
    assert_int_equal(actual, 4);
    assert_int_equal(avail, 6);
    assert_ok(zx_object_get_info(first.process, ZX_INFO_PROCESS_MAPS, maps, sizeof(maps), &actual, &avail));
    assert_int_equal(actual, 3);
    assert_int_equal(maps[0].base, BORDER);
    assert_ok(zx_object_get_info(second.process, ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL));
    assert_int_equal(stats.mem_mapped_bytes, 5 * PAGE);
    poke(second.process, BORDER, 'x'); /* seen by both spaces */
    assert_ok(zx_object_get_info(second.process, ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL));
    assert_int_equal(stats.mem_private_bytes, 0);
    assert_int_equal(stats.mem_shared_bytes, 2 * PAGE);
}

static void check_stats(zx_handle_t process, size_t mapped, size_t own, size_t shared, size_t scaled)
{
    zx_info_task_stats_t stats;
    assert_ok(zx_object_get_info(process, ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL));
    assert_int_equal(stats.mem_mapped_bytes, mapped);
    assert_int_equal(stats.mem_private_bytes, own);
    assert_int_equal(stats.mem_shared_bytes, shared);
    assert_int_equal(stats.mem_scaled_shared_bytes, scaled);
}

/* What is in the shared space is shared by all who share it, each of them with an equal part. */
static void test_stats(void **state)
{
    (void)state;
    struct member first = found();
    zx_handle_t common = make_vmo(4 * PAGE, 0), own = make_vmo(PAGE, 0);
    map_at(first.root, BORDER, common, 4);
    poke(first.process, BORDER, 'x');
    poke(first.process, BORDER + PAGE, 'x');
    check_stats(first.process, 4 * PAGE, 2 * PAGE, 0, 0); /* with nobody yet */
    struct member second = join(first.process), third = join(first.process);
    map_at(second.root, VM_USER_ASPACE_BASE, own, 1);
    poke(second.process, VM_USER_ASPACE_BASE, 'x');
    check_stats(first.process, 4 * PAGE, 0, 2 * PAGE, 2 * PAGE / 3);
    check_stats(second.process, 5 * PAGE, PAGE, 2 * PAGE, 2 * PAGE / 3);
    /* One of its pages in a restricted space as well: that is another space. */
    map_at(third.root, VM_USER_ASPACE_BASE, common, 1);
    check_stats(first.process, 4 * PAGE, 0, 2 * PAGE, PAGE / 2 / 3 + PAGE / 3);
    check_stats(third.process, 5 * PAGE, 0, 3 * PAGE, PAGE / 2 / 3 + PAGE / 3 + PAGE / 2);
    kill(first.process);
    kill(third.process);
    check_stats(second.process, 5 * PAGE, 3 * PAGE, 0, 0);
    close_member(&first);
    close_member(&second);
    close_member(&third);
}

static void test_dump(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process);
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_ok(zvm_dump(second.process, to));
    fclose(to);
    assert_non_null(strstr(text, "space 'next' unified"));
    assert_non_null(strstr(text, "space 'next' restricted"));
    assert_non_null(strstr(text, "space 'first' shared"));
    free(text);
}

static void test_damage(void **state)
{
    (void)state;
    struct member first = found(), second = join(first.process);
    struct vm_process *process = NULL;
    check_status(vm_process_from_handle(second.process, &process), ZX_OK, __FILE__, __LINE__);
    vm_process_release(process);
    process->shared->sharers++;
    assert_int_equal(zvm_check(), ZX_ERR_BAD_STATE);
    process->shared->sharers -= 2;
    assert_int_equal(zvm_check(), ZX_ERR_BAD_STATE);
    process->shared->sharers++;
    process->dead = true;
    assert_int_equal(zvm_check(), ZX_ERR_BAD_STATE);
    process->dead = false;
    assert_int_equal(zvm_check(), ZX_OK);
#define PLANT(place, value, words) PLANT_FOR(vm_check(report_begin()), place, value, words)
    PLANT(process->shared->destroyed, true, "its shared space does not go with the last that shares it");
    PLANT(process->restricted->destroyed, true, "its restricted space is not its own");
    PLANT(process->aspace, process->restricted, "its restricted space is not its own");
    PLANT(process->shared, NULL, "its restricted space is not its own");
}

/* ---- Many threads ---- */

enum { THREADS = 4, ROUNDS = 400, PLACES = 3 };

static _Atomic(zx_handle_t) places[PLACES];
static atomic_uint joined;

static unsigned below(uint64_t *random, unsigned bound)
{
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((*random >> 33) % bound);
}

static void put(zx_handle_t handle, unsigned place)
{
    (void)zx_handle_close(atomic_exchange(&places[place], handle));
}

static void kill_any(zx_handle_t handle)
{
    struct vm_process *process;
    if (vm_process_from_handle(handle, &process) != ZX_OK)
        return;
    vm_process_kill(process);
    vm_process_release(process);
}

/* Founds, joins, uses and ends; what it works with is ended by others meanwhile. */
static void *work(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    zx_handle_t vmo = ZX_HANDLE_INVALID;
    (void)zx_vmo_create(PAGE, 0, &vmo);
    for (unsigned round = 0; round < ROUNDS; round++) {
        zx_handle_t with = atomic_load(&places[below(&random, PLACES)]), process, root;
        unsigned what = below(&random, 16);
        zx_vaddr_t at;
        char byte = 'w';
        if (what == 0)
            kill_any(with);
        if (what == 1 &&
            zx_process_create(ZX_HANDLE_INVALID, "f", 1, ZX_PROCESS_SHARED, &process, &root) == ZX_OK) {
            (void)zx_vmar_map(root, RW | ZX_VM_SPECIFIC, 0, vmo, 0, PAGE, &at);
            (void)zx_handle_close(root);
            put(process, below(&random, PLACES));
        }
        if (what < 2 || zx_process_create_shared(with, 0, "j", 1, &process, &root) != ZX_OK)
            continue;
        atomic_fetch_add(&joined, 1);
        if (zx_vmar_map(root, RW, 0, vmo, 0, PAGE, &at) == ZX_OK)
            (void)zvm_access(process, at, &byte, 1, ZVM_WRITE);
        (void)zvm_access(process, BORDER, &byte, 1, ZVM_READ);
        (void)zx_handle_close(root);
        if (what < 8)
            put(process, below(&random, PLACES));
        else
            (void)zx_handle_close(process);
    }
    (void)zx_handle_close(vmo);
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    for (unsigned i = 0; i < PLACES; i++) {
        struct member member = found();
        assert_ok(zx_handle_close(member.root));
        put(member.process, i);
    }
    host_perturb_schedule(1, 8);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    host_perturb_schedule(0, 0);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_true(atomic_load(&joined) > ROUNDS / 4);
    for (unsigned i = 0; i < PLACES; i++)
        put(ZX_HANDLE_INVALID, i);
    assert_int_equal(stats_now().processes, 1);
    assert_int_equal(zvm_check(), ZX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create_refusals),
        TEST(test_create_shared_refusals),
        TEST(test_nobody_left),
        TEST(test_layout),
        TEST(test_memory),
        TEST(test_memory_from_outside),
        TEST(test_lifetime),
        TEST(test_chain),
        TEST(test_maps),
        TEST(test_stats),
        TEST(test_dump),
        TEST(test_damage),
        TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
