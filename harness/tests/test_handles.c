/* SPDX-License-Identifier: MIT */
/*
 * test_handles.c: handles and processes as programs see them: closing, duplicating, replacing, asking,
 * creating processes; what dies with what; and that handle_check sees what it is there to see.
 */
#include <stdlib.h>

#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"

static zx_info_handle_basic_t basic(zx_handle_t handle)
{
    zx_info_handle_basic_t info = {0};
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
    return info;
}

static struct vm_process *process_of(zx_handle_t handle)
{
    struct vm_process *process = NULL;
    assert_ok(vm_process_from_handle(handle, &process));
    return process;
}

/* ---- Closing ---- */

static void test_close(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), again;
    assert_ok(zx_handle_close(ZX_HANDLE_INVALID));
    for (unsigned low = 0; low < 3; low++)
        assert_refused(zx_handle_close((vmo & ~3u) | low),
                       (vmo & ~3u) + low == 0 ? ZX_OK : ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_close(UINT32_MAX), ZX_ERR_BAD_HANDLE);
    assert_ok(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &again));
    assert_ok(zx_handle_close(vmo));
    assert_refused(zx_handle_close(vmo), ZX_ERR_BAD_HANDLE);
    assert_int_equal(stats_now().vmos, 1);
    assert_ok(zx_handle_close(again));
    assert_int_equal(stats_now().vmos, 0);
}

static void test_close_many(void **state)
{
    (void)state;
    enum { MANY = 200 };
    zx_handle_t handles[MANY];
    for (unsigned i = 0; i < MANY; i++)
        handles[i] = make_vmo(PAGE, 0);
    assert_refused(zx_handle_close_many(NULL, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_handle_close_many(handles, SIZE_MAX), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_handle_close_many(NULL, 0));
    /* The first three copies are the ones that look at all of the array before anything is closed. */
    for (unsigned nth = 1; nth <= 4; nth++) {
        zvm_fail_user_copy(nth);
        assert_refused(zx_handle_close_many(handles, MANY), ZX_ERR_INVALID_ARGS);
        zvm_fail_user_copy(0);
    }
    zx_handle_t valid = handles[1];
    handles[0] = ZX_HANDLE_INVALID;
    handles[1] = UINT32_MAX;
    check_status(zx_handle_close_many(handles, MANY), ZX_ERR_BAD_HANDLE, __FILE__, __LINE__);
    assert_int_equal(stats_now().vmos, 2);
    handles[2] = handles[3] = handles[4] = valid;
    check_status(zx_handle_close_many(&handles[2], 3), ZX_ERR_BAD_HANDLE, __FILE__, __LINE__);
    assert_int_equal(stats_now().vmos, 1);
}

/* A number that was closed does not come back for as long as there are others. */
static void test_numbers_are_not_reused(void **state)
{
    (void)state;
    zx_handle_t first = make_vmo(PAGE, 0), next;
    check_status(zx_handle_close(first), ZX_OK, __FILE__, __LINE__);
    for (unsigned i = 0; i < 300000; i++) {
        check_status(zx_vmo_create(PAGE, 0, &next), ZX_OK, __FILE__, __LINE__);
        assert_int_not_equal(next, first);
        assert_int_equal(next & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
        check_status(zx_handle_close(next), ZX_OK, __FILE__, __LINE__);
    }
    assert_refused(zx_handle_close(first), ZX_ERR_BAD_HANDLE);
}

/* ---- Duplicating and replacing ---- */

static void test_duplicate(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), fixed = without(vmo, ZX_RIGHT_DUPLICATE), out = 77;
    assert_refused(zx_handle_duplicate(ZX_HANDLE_INVALID, UINT32_MAX, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_duplicate(make_closed_handle(), UINT32_MAX, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_duplicate(fixed, UINT32_MAX, NULL), ZX_ERR_ACCESS_DENIED);
    for (unsigned bit = 0; bit < 31; bit++)
        if ((rights_of(vmo) >> bit & 1) == 0)
            assert_refused(zx_handle_duplicate(vmo, 1u << bit, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS | ZX_RIGHT_READ, &out), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
    assert_int_equal(out, 77);
    assert_survives_failed_allocations(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &out));
    assert_int_equal(rights_of(out), rights_of(vmo));
    assert_int_equal(basic(out).koid, basic(vmo).koid);
    assert_survives_failed_copies(zx_handle_duplicate(vmo, 0, &out));
    assert_int_equal(rights_of(out), 0);
    assert_refused(zx_vmo_read(out, NULL, 0, 0), ZX_ERR_ACCESS_DENIED);
}

static void test_replace(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), fixed = without(vmo, ZX_RIGHT_DUPLICATE), out = 77;
    zx_koid_t koid = basic(vmo).koid;
    assert_refused(zx_handle_replace(make_closed_handle(), UINT32_MAX, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_replace(vmo, ZX_RIGHT_EXECUTE, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_handle_replace(vmo, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
    zvm_fail_allocation(1, true);
    assert_refused(zx_handle_replace(vmo, ZX_RIGHT_SAME_RIGHTS, &out), ZX_ERR_NO_MEMORY);
    zvm_fail_allocation(0, false);
    assert_int_equal(basic(vmo).koid, koid);
    assert_int_equal(out, 77);
    uint64_t handles = stats_now().handles;
    assert_ok(zx_handle_replace(fixed, ZX_RIGHT_READ, &out));
    assert_int_equal(stats_now().handles, handles);
    assert_int_equal(rights_of(out), ZX_RIGHT_READ);
    assert_int_equal(basic(out).koid, koid);
    assert_refused(zx_handle_close(fixed), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_replace(fixed, 0, &fixed), ZX_ERR_BAD_HANDLE);
    assert_ok(zx_handle_replace(out, ZX_RIGHT_SAME_RIGHTS, &out));
    assert_int_equal(rights_of(out), ZX_RIGHT_READ);
}

static void test_replace_as_executable(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), out = 77, closed = make_closed_handle();
    zx_handle_t bare = without(vmo, UINT32_MAX), root = zx_vmar_root_self();
    zx_koid_t koid = basic(vmo).koid;
    assert_refused(zx_vmo_replace_as_executable(closed, vmo, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(ZX_HANDLE_INVALID, 0, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(root, 0, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(zx_process_self(), 0, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(vmo, vmo, &out), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(vmo, closed, &out), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(vmo, UINT32_MAX, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmo_replace_as_executable(vmo, 0, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_replace_as_executable(vmo, 0, BAD_POINTER), ZX_ERR_INVALID_ARGS);
    zvm_fail_allocation(1, true);
    assert_refused(zx_vmo_replace_as_executable(vmo, 0, NULL), ZX_ERR_NO_MEMORY);
    zvm_fail_allocation(0, false);
    assert_int_equal(out, 77);
    uint64_t handles = stats_now().handles;
    assert_survives_failed_copies(zx_vmo_replace_as_executable(vmo, 0, &out));
    assert_int_equal(stats_now().handles, handles);
    assert_int_equal(rights_of(out), ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_EXECUTE);
    assert_int_equal(basic(out).koid, koid);
    assert_refused(zx_handle_close(vmo), ZX_ERR_BAD_HANDLE);
    /* Once more changes nothing but the number; a handle without any right gets just this one. */
    assert_ok(zx_vmo_replace_as_executable(out, 0, &out));
    assert_int_equal(rights_of(out), ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_EXECUTE);
    assert_survives_failed_allocations(zx_vmo_replace_as_executable(bare, 0, &bare));
    assert_int_equal(rights_of(bare), ZX_RIGHT_EXECUTE);
    zx_vaddr_t at;
    zx_vm_option_t perms = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE;
    assert_ok(zx_vmar_map(root, perms, 0, out, 0, PAGE, &at));
    char byte;
    assert_ok(zvm_access(zx_process_self(), at, &byte, 1, ZVM_EXECUTE));
}

/* Every handle of the machine in use: each call that makes one says NO_MEMORY and leaves no trace. */
static void test_all_handles_in_use(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), child, out, *handles = calloc(VM_HANDLES_MAX, sizeof(*handles));
    size_t count = VM_HANDLES_MAX - (size_t)stats_now().handles;
    zx_vaddr_t addr;
    for (size_t i = 0; i < count; i++)
        check_status(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &handles[i]), ZX_OK, __FILE__, __LINE__);
    assert_refused(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &out), ZX_ERR_NO_MEMORY);
    assert_refused(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_NO_MEMORY);
    assert_refused(zx_vmo_create(PAGE, 0, &out), ZX_ERR_NO_MEMORY);
    assert_refused(zx_vmar_allocate(zx_vmar_root_self(), 0, 0, PAGE, &child, &addr), ZX_ERR_NO_MEMORY);
    assert_refused(zx_vmar_allocate(zx_vmar_root_self(), 0, 1, PAGE, &child, &addr), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(0, "p", 1, 0, &child, &out), ZX_ERR_NO_MEMORY);
    assert_ok(zx_handle_close_many(handles, 3));
    /* A process needs two for itself and two for its maker: three are too few. */
    assert_refused(zx_process_create(0, "p", 1, 0, &child, &out), ZX_ERR_NO_MEMORY);
    assert_ok(zx_handle_close(handles[3]));
    assert_ok(zx_process_create(0, "p", 1, 0, &child, &out));
    assert_ok(zx_handle_close(child));
    assert_ok(zx_handle_close_many(handles + 4, count - 4));
    free(handles);
}

/* ---- Asking ---- */

static void test_get_info(void **state)
{
    (void)state;
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(PAGE, 0), vmar = make_vmar(0, 4, &base), closed = make_closed_handle();
    zx_handle_t blind = without(vmar, ZX_RIGHT_INSPECT);
    zx_info_handle_basic_t info = {0};
    zx_info_vmar_t place = {0};
    size_t actual = 7, avail = 7;
    assert_refused(zx_object_get_info(closed, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_object_get_info(closed, ZX_INFO_HANDLE_BASIC, NULL, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_object_get_info(closed, 9999, NULL, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_object_get_info(vmo, 9999, NULL, 0, BAD_POINTER, NULL), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_object_get_info(vmo, ZX_INFO_VMAR, NULL, 0, NULL, NULL), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_object_get_info(blind, ZX_INFO_VMAR, NULL, 0, NULL, NULL), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_object_get_info(vmo, ZX_INFO_HANDLE_BASIC, NULL, sizeof(info) - 1, &actual, &avail),
                   ZX_ERR_BUFFER_TOO_SMALL);
    assert_int_equal(actual, 0);
    assert_int_equal(avail, 1);
    assert_refused(zx_object_get_info(vmar, ZX_INFO_VMAR, NULL, sizeof(place) - 1, BAD_POINTER, NULL),
                   ZX_ERR_BUFFER_TOO_SMALL);
    assert_refused(zx_object_get_info(vmar, ZX_INFO_VMAR, NULL, sizeof(place), NULL, NULL),
                   ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(
        zx_object_get_info(vmar, ZX_INFO_VMAR, &place, sizeof(place), &actual, &avail));
    assert_int_equal(place.base, base);
    assert_int_equal(place.len, 4 * PAGE);
    assert_int_equal(actual, 1);
    assert_ok(zx_object_get_info(vmo, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL));
    assert_ok(zx_object_get_info(vmo, ZX_INFO_HANDLE_BASIC, &info, sizeof(info) + 1, &actual, NULL));
    assert_true(info.koid >= ZX_KOID_FIRST);
    assert_int_equal(info.type, ZX_OBJ_TYPE_VMO);
    assert_int_equal(info.rights, ZX_DEFAULT_VMO_RIGHTS);
    assert_int_equal(basic(vmar).type, ZX_OBJ_TYPE_VMAR);
    assert_int_equal(basic(zx_process_self()).type, ZX_OBJ_TYPE_PROCESS);
    assert_int_equal(basic(zx_process_self()).rights, ZX_DEFAULT_PROCESS_RIGHTS);
    assert_int_equal(basic(zx_vmar_root_self()).rights, ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    assert_ok(zx_vmar_destroy(vmar));
    assert_ok(zx_object_get_info(vmar, ZX_INFO_VMAR, &place, sizeof(place), NULL, NULL));
    assert_int_equal(place.base, base);
}

/* ---- Names ---- */

static void name_is(zx_handle_t handle, const char *expected)
{
    char name[ZX_MAX_NAME_LEN + 1], padded[ZX_MAX_NAME_LEN] = {0};
    memset(name, '?', sizeof(name));
    assert_ok(zx_object_get_property(handle, ZX_PROP_NAME, name, sizeof(name)));
    memcpy(padded, expected, strlen(expected));
    assert_memory_equal(name, padded, sizeof(padded));
    assert_int_equal(name[ZX_MAX_NAME_LEN], '?');
}

static void test_properties(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), closed = make_closed_handle(), root = zx_vmar_root_self();
    zx_handle_t no_get = without(vmo, ZX_RIGHT_GET_PROPERTY), no_set = without(vmo, ZX_RIGHT_SET_PROPERTY);
    char name[64] = "name";
    const uint32_t unknown[] = {0, 2, 4, UINT32_MAX};
    for (unsigned i = 0; i < 4; i++) {
        assert_refused(zx_object_get_property(closed, unknown[i], NULL, 0), ZX_ERR_BAD_HANDLE);
        assert_refused(zx_object_set_property(closed, unknown[i], NULL, 1), ZX_ERR_BAD_HANDLE);
        assert_refused(zx_object_get_property(no_get, unknown[i], NULL, 0), ZX_ERR_ACCESS_DENIED);
        assert_refused(zx_object_set_property(no_set, unknown[i], NULL, 1), ZX_ERR_ACCESS_DENIED);
        assert_refused(zx_object_get_property(no_set, unknown[i], NULL, 0), ZX_ERR_NOT_SUPPORTED);
        assert_refused(zx_object_set_property(no_get, unknown[i], NULL, 1), ZX_ERR_NOT_SUPPORTED);
    }
    /* Handles to VMARs never have the right. */
    assert_refused(zx_object_get_property(root, ZX_PROP_NAME, name, sizeof(name)), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_object_set_property(root, ZX_PROP_NAME, name, 4), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_object_get_property(vmo, ZX_PROP_NAME, NULL, 31), ZX_ERR_BUFFER_TOO_SMALL);
    assert_refused(zx_object_get_property(vmo, ZX_PROP_NAME, name, 0), ZX_ERR_BUFFER_TOO_SMALL);
    assert_refused(zx_object_get_property(vmo, ZX_PROP_NAME, NULL, 32), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_object_set_property(vmo, ZX_PROP_NAME, NULL, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_object_set_property(vmo, ZX_PROP_NAME, BAD_POINTER, SIZE_MAX), ZX_ERR_INVALID_ARGS);
    name_is(vmo, "");
    assert_survives_failed_copies(zx_object_set_property(vmo, ZX_PROP_NAME, "first", 5));
    assert_survives_failed_copies(zx_object_get_property(no_set, ZX_PROP_NAME, name, 32));
    name_is(vmo, "first");
    zvm_fail_user_copy(1);
    assert_refused(zx_object_set_property(vmo, ZX_PROP_NAME, "second", 6), ZX_ERR_INVALID_ARGS);
    zvm_fail_user_copy(0);
    name_is(no_set, "first");
    assert_ok(zx_object_set_property(no_get, ZX_PROP_NAME, "a\0b", 3));
    name_is(vmo, "a");
    const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, letters, 30));
    name_is(vmo, "abcdefghijklmnopqrstuvwxyz0123");
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, letters, 31));
    name_is(vmo, "abcdefghijklmnopqrstuvwxyz01234");
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, letters, 32));
    name_is(vmo, "abcdefghijklmnopqrstuvwxyz01234");
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, letters, SIZE_MAX));
    name_is(vmo, "abcdefghijklmnopqrstuvwxyz01234");
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, NULL, 0));
    name_is(vmo, "");
    zx_handle_t process, its_root;
    assert_ok(zx_process_create(0, "child", 5, 0, &process, &its_root));
    name_is(process, "child");
    assert_ok(zx_object_set_property(process, ZX_PROP_NAME, "renamed", 7));
    name_is(process, "renamed");
}

static void test_system(void **state)
{
    (void)state;
    assert_int_equal(zx_system_get_page_size(), PAGE);
    assert_int_equal(zx_system_get_physmem(), 64u << 20);
}

static void test_job(void **state)
{
    (void)state;
    uint64_t handles = stats_now().handles;
    zvm_fail_allocation(1, true);
    assert_int_equal(zx_job_default(), ZX_HANDLE_INVALID);
    zvm_fail_allocation(0, false);
    zx_handle_t job = zx_job_default(), process, root, out;
    assert_int_equal(stats_now().handles, handles + 1);
    assert_int_equal(zx_job_default(), job);
    assert_int_equal(stats_now().handles, handles + 1);
    assert_int_equal(basic(job).type, ZX_OBJ_TYPE_JOB);
    assert_int_equal(basic(job).rights, ZX_DEFAULT_JOB_RIGHTS);
    assert_true(basic(job).koid > ZX_KOID_KERNEL && basic(job).koid < ZX_KOID_FIRST);
    name_is(job, "root");
    assert_ok(zx_object_set_property(job, ZX_PROP_NAME, "job", 3));
    name_is(job, "job");
    assert_refused(zx_vmar_destroy(job), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmo_read(job, NULL, 0, 0), ZX_ERR_WRONG_TYPE);
    /* Processes are made in it. */
    zx_handle_t weak = without(job, ZX_RIGHT_MANAGE_PROCESS), self = zx_process_self();
    assert_refused(zx_process_create(weak, NULL, 1, 0, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(make_closed_handle(), "p", 1, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_process_create(self, "p", 1, 0, NULL, NULL), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_process_create(weak, "p", 1, 0, NULL, NULL), ZX_ERR_ACCESS_DENIED);
    assert_survives_failed_copies(zx_process_create(job, "p", 1, 0, &process, &root));
    struct vm_process *made = process_of(process), *before = host_set_process(made);
    assert_refused(zx_handle_close(job), ZX_ERR_BAD_HANDLE);
    out = zx_job_default();
    assert_int_equal(basic(out).type, ZX_OBJ_TYPE_JOB);
    assert_int_equal(basic(out).koid, VM_JOB_KOID);
    host_set_process(before);
    vm_process_release(made);
    assert_ok(zx_handle_close(process));
    /* Its handles are like others; the number stays what it was. */
    assert_ok(zx_handle_close(job));
    assert_int_equal(zx_job_default(), job);
    assert_refused(zx_handle_close(job), ZX_ERR_BAD_HANDLE);
    name_is(weak, "job");
}

/* The machine's stream, whatever the size of the pieces; another machine of the same seed gives the same. */
static void test_cprng(void **state)
{
    (void)state;
    static const struct zvm_config config = {.memory_bytes = 64u << 20};
    unsigned char first[300], second[300], guard[8];
    memset(guard, '?', sizeof(guard));
    zx_cprng_draw(first, sizeof(first));
    zx_cprng_draw(second, sizeof(second));
    assert_memory_not_equal(first, second, 32);
    zx_cprng_draw(guard, 3);
    assert_int_equal(guard[3], '?');
    zx_cprng_draw(NULL, 0);
    zx_cprng_draw(NULL, 64);
    zvm_fail_user_copy(2);
    memset(second, 0, sizeof(second));
    zx_cprng_draw(second, sizeof(second));
    zvm_fail_user_copy(0);
    for (unsigned i = 64; i < sizeof(second); i++)
        assert_int_equal(second[i], 0);
    unsigned ones = 0;
    for (unsigned i = 0; i < sizeof(first); i++)
        ones += (unsigned)__builtin_popcount(first[i]);
    assert_in_range(ones, 1050, 1350); /* of 2,400 bits; six deviations off are 147 */
    assert_int_equal(zvm_stop(), ZX_OK);
    assert_int_equal(zvm_start(&config), ZX_OK);
    zx_cprng_draw(second, sizeof(second));
    assert_memory_equal(first, second, sizeof(first));
}

static void test_ticks_and_log(void **state)
{
    (void)state;
    zx_ticks_t before = zx_ticks_get();
    for (unsigned i = 0; i < 1000; i++) {
        zx_ticks_t now = zx_ticks_get();
        assert_true(now >= before);
        before = now;
    }
    assert_refused(zx_debug_write(NULL, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_debug_write(BAD_POINTER, SIZE_MAX), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_debug_write(NULL, 0));
    assert_survives_failed_copies(zx_debug_write("zx_debug_write\n", 15));
}

/* ---- Processes ---- */

static void test_process_create(void **state)
{
    (void)state;
    zx_handle_t process, root;
    zx_vaddr_t base;
    struct snapshot before = snapshot_take();
    assert_refused(zx_process_create(99, NULL, 1, 1, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(99, NULL, 1, 0, NULL, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(99, "p", 1, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_process_create(0, "p", 1, 0, NULL, &root), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_create(0, "p", 1, 0, &process, NULL), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_process_create(0, "p", 1, 0, &process, &root));
    assert_ok(zx_handle_close(process));
    assert_refused(zx_vmar_allocate(root, 0, 0, PAGE, &process, &base), ZX_ERR_BAD_STATE);
    assert_ok(zx_handle_close(root));
    check_unchanged(&before, __FILE__, __LINE__);
    assert_survives_failed_allocations(zx_process_create(0, NULL, 0, 0, &process, &root));
    assert_int_equal(rights_of(process), ZX_DEFAULT_PROCESS_RIGHTS);
    assert_int_equal(rights_of(root), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    zx_info_vmar_t place;
    assert_ok(zx_object_get_info(root, ZX_INFO_VMAR, &place, sizeof(place), NULL, NULL));
    assert_int_equal(place.base, VM_USER_ASPACE_BASE);
    assert_int_equal(place.len, VM_USER_ASPACE_SIZE);
}

static void test_process_name(void **state)
{
    (void)state;
    zx_handle_t process, root;
    const char *name = "a name that is longer than what there is room for";
    assert_ok(zx_process_create(0, name, strlen(name), 0, &process, &root));
    struct vm_process *made = process_of(process);
    assert_int_equal(strlen(made->name), ZX_MAX_NAME_LEN - 1);
    assert_memory_equal(made->name, name, ZX_MAX_NAME_LEN - 1);
    vm_process_release(made);
}

/* The numbers of one process mean nothing in another. */
static void test_process_tables_are_apart(void **state)
{
    (void)state;
    zx_handle_t process, root, theirs;
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    struct vm_process *made = process_of(process), *self = host_set_process(made);
    assert_refused(zx_handle_close(process), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_handle_close(root), ZX_ERR_BAD_HANDLE);
    assert_int_equal(basic(zx_process_self()).type, ZX_OBJ_TYPE_PROCESS);
    theirs = make_vmo(PAGE, 0);
    host_set_process(self);
    assert_refused(zx_handle_close(theirs), ZX_ERR_BAD_HANDLE);
    vm_process_release(made);
    assert_int_equal(stats_now().vmos, 1);
    assert_ok(zx_handle_close(process));
    assert_int_equal(stats_now().vmos, 0);
    assert_int_equal(stats_now().processes, 1);
}

/* Handles of a process to itself do not keep it; nor can it be kept by closing and duplicating them. */
static void test_process_does_not_keep_itself(void **state)
{
    (void)state;
    zx_handle_t process, second, root, own;
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    struct vm_process *made = process_of(process), *self = host_set_process(made);
    assert_ok(zx_handle_duplicate(zx_process_self(), ZX_RIGHT_SAME_RIGHTS, &own));
    assert_ok(zx_handle_close(zx_process_self()));
    assert_ok(zx_handle_replace(own, ZX_RIGHT_SAME_RIGHTS, &own));
    host_set_process(self);
    vm_process_release(made);
    assert_ok(zx_handle_duplicate(process, ZX_RIGHT_SAME_RIGHTS, &second));
    assert_ok(zx_handle_close(process));
    assert_int_equal(stats_now().processes, 2);
    assert_ok(zx_handle_replace(second, ZX_RIGHT_SAME_RIGHTS, &second));
    assert_int_equal(stats_now().processes, 2);
    assert_ok(zx_handle_close(second));
    assert_int_equal(stats_now().processes, 1);
}

/* Each process holds the only handle to the next: closing the first ends them all, however many. */
static void test_process_chain(void **state)
{
    (void)state;
    enum { LENGTH = 2000 };
    struct vm_process *self = port_current_process();
    zx_handle_t first = 0;
    struct snapshot before = snapshot_take();
    uint64_t processes = stats_now().processes;
    struct vm_process *made = NULL;
    for (unsigned i = 0; i < LENGTH; i++) {
        zx_handle_t process, root;
        check_status(zx_process_create(0, "link", 4, 0, &process, &root), ZX_OK, __FILE__, __LINE__);
        check_status(zx_handle_close(root), ZX_OK, __FILE__, __LINE__);
        if (i == 0)
            first = process;
        struct vm_process *next = NULL;
        check_status(vm_process_from_handle(process, &next), ZX_OK, __FILE__, __LINE__);
        host_set_process(next);
        if (made != NULL)
            vm_process_release(made);
        made = next;
    }
    host_set_process(self);
    vm_process_release(made);
    assert_int_equal(stats_now().processes, processes + LENGTH);
    assert_ok(zx_handle_close(first));
    check_unchanged(&before, __FILE__, __LINE__);
}

/* A handle that is being made when its process dies is closed at once. */
static void test_process_dies_while_making(void **state)
{
    (void)state;
    struct vm_process *made = vm_process_create("mortal");
    struct vm_handle *handle;
    struct vm_vmo *vmo;
    assert_non_null(made);
    check_status(vmo_create(PAGE, false, &vmo), ZX_OK, __FILE__, __LINE__);
    check_status(handle_reserve(made, &handle), ZX_OK, __FILE__, __LINE__);
    vm_process_kill(made);
    vm_process_kill(made);
    handle_publish(handle, &vmo->object, 0);
    assert_int_equal(stats_now().vmos, 0);
    assert_ok(zvm_check());
    assert_true(vm_aspace_is_destroyed(vm_process_aspace(made)));
    vm_process_release(made);
    assert_int_equal(stats_now().processes, 1);
}

/* ---- The checker ---- */

struct count_sink {
    struct vm_sink sink;
    size_t bytes;
};

static void count_bytes(struct vm_sink *sink, const char *text, size_t size)
{
    (void)text;
    ((struct count_sink *)sink)->bytes += size;
}

static bool handles_are_fine(void)
{
    struct count_sink sink = {{count_bytes}, 0};
    bool fine = handle_check(&sink.sink);
    assert_int_equal(fine, sink.bytes == 0);
    return fine;
}

static void test_check_sees(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0);
    struct vm_process *self = port_current_process();
    struct vm_handle *handle = container_of(self->handles.prev, struct vm_handle, node);
    struct vm_object *object = handle->object;
    assert_int_equal(basic(vmo).koid, object->koid);
    assert_true(handles_are_fine());
    object->handles++;
    assert_false(handles_are_fine());
    object->handles -= 2;
    assert_false(handles_are_fine());
    object->handles++;
    handle->serial ^= 1;
    assert_false(handles_are_fine());
    handle->serial ^= 1;
    self->dead = true;
    assert_false(handles_are_fine());
    self->dead = false;
    list_remove(&handle->node);
    assert_false(handles_are_fine());
    list_add_tail(&self->handles, &handle->node);
    list_remove(&object->node);
    assert_false(handles_are_fine());
    list_add_tail(&vm_machine->objects, &object->node);
    assert_true(handles_are_fine());
}

/* An object whose machine is gone goes back to the host, so that no leak checker tells of what was meant. Caches round sizes up. */
static void leave_behind(void *object, size_t size)
{
    (void)port_object_leave(object, (size + 15) & ~(size_t)15);
}

/* Stopping tells what leaked, and says BAD_STATE. */
static void test_stop_reports_leaks(void **state)
{
    (void)state;
    struct pmm_range memory = host_memory_map(1u << 20);
    struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    struct count_sink sink = {{count_bytes}, 0};
    struct vm_vmo *vmo;
    struct vm_machine *before = vm_machine_select(NULL);
    assert_non_null(vm_machine_start(&config));
    check_status(vm_machine_stop(&sink.sink), ZX_OK, __FILE__, __LINE__);
    assert_int_equal(sink.bytes, 0);
    assert_non_null(vm_machine_start(&config));
    check_status(vmo_create(PAGE, false, &vmo), ZX_OK, __FILE__, __LINE__);
    check_status(vm_machine_stop(&sink.sink), ZX_ERR_BAD_STATE, __FILE__, __LINE__);
    assert_int_not_equal(sink.bytes, 0);
    assert_non_null(vm_machine_start(&config));
    struct vm_process *process = vm_process_create("never released");
    assert_non_null(process);
    check_status(vm_machine_stop(&sink.sink), ZX_ERR_BAD_STATE, __FILE__, __LINE__);
    assert_non_null(vm_machine_start(&config));
    assert_non_null(pmm_alloc_page(VM_PAGE_ALLOC));
    check_status(vm_machine_stop(&sink.sink), ZX_ERR_BAD_STATE, __FILE__, __LINE__);
    assert_null(vm_machine_current());
    leave_behind(vmo, sizeof(*vmo));
    leave_behind(process->aspace, sizeof(*process->aspace));
    leave_behind(process, sizeof(*process));
    vm_machine_select(before);
    host_memory_unmap(memory);
}

/* From too little memory to just enough, and with each allocation failing in turn: null, then a machine that
   stops without a leak. */
static void test_start_in_little_memory(void **state)
{
    (void)state;
    struct pmm_range memory = host_memory_map(64 * PAGE);
    struct vm_machine *before = vm_machine_select(NULL);
    bool started = false;
    for (size_t pages = 1; pages <= 64; pages++) {
        struct pmm_range part = {memory.base, pages * PAGE};
        struct vm_machine_config config = {.memory = &part, .memory_count = 1};
        struct vm_machine *machine = vm_machine_start(&config);
        assert_true(machine != NULL || !started);
        assert_ptr_equal(vm_machine_current(), machine);
        started = machine != NULL;
        if (machine != NULL)
            check_status(vm_machine_stop(&vm_log_sink), ZX_OK, __FILE__, __LINE__);
    }
    assert_true(started);
    struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    unsigned failures = 0;
    for (host_fail_allocation(1, false); vm_machine_start(&config) == NULL;
         host_fail_allocation(++failures + 1, false))
        assert_null(vm_machine_current());
    host_fail_allocation(0, false);
    assert_true(failures >= 3); /* the zero page, a VMAR, a page table */
    check_status(vm_machine_stop(&vm_log_sink), ZX_OK, __FILE__, __LINE__);
    vm_machine_select(before);
    host_memory_unmap(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_close),
        TEST(test_close_many),
        TEST(test_numbers_are_not_reused),
        TEST(test_duplicate),
        TEST(test_replace),
        TEST(test_replace_as_executable),
        TEST(test_all_handles_in_use),
        TEST(test_get_info),
        TEST(test_properties),
        TEST(test_system),
        TEST(test_job),
        TEST(test_cprng),
        TEST(test_ticks_and_log),
        TEST(test_process_create),
        TEST(test_process_name),
        TEST(test_process_tables_are_apart),
        TEST(test_process_does_not_keep_itself),
        TEST(test_process_chain),
        TEST(test_process_dies_while_making),
        TEST(test_check_sees),
        TEST(test_stop_reports_leaks),
        TEST(test_start_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
