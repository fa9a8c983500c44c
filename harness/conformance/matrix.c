/* SPDX-License-Identifier: MIT */
/* matrix.c: every pair of errors, every kind of wrong handle, each right missing. */
#include "matrix.h"

/* ---- Errors in their order ---- */

zx_status_t no_memory(void)
{
    return conformance_fail_allocation(1, true) ? ZX_ERR_NO_MEMORY : CANNOT_SPOIL;
}

static unsigned count_errors(const struct errors *errors)
{
    unsigned count = 0;
    errors->good();
    while (errors->spoil(count) != ZX_OK)
        count++;
    (void)conformance_fail_allocation(0, false);
    return count;
}

/* With the arguments spoilt already, and now in this way too, which comes before the others. */
static void check_error(const struct errors *errors, unsigned nth)
{
    zx_status_t expected = errors->spoil(nth);
    NOTE(nth);
    if (expected != CANNOT_SPOIL)
        REFUSED(expected, errors->call());
    (void)conformance_fail_allocation(0, false);
}

void check_errors(const struct errors *errors)
{
    unsigned count = count_errors(errors);
    for (unsigned nth = 0; nth < count; nth++) {
        for (unsigned later = nth; later < count; later++) {
            NOTE(later);
            errors->good();
            (void)errors->spoil(later);
            check_error(errors, nth);
        }
        errors->good();
        for (unsigned later = count - 1; later > nth; later--)
            (void)errors->spoil(later);
        check_error(errors, nth);
    }
    errors->good();
    OK_ONCE(errors->call());
}

void check_allocations(zx_status_t (*call)(void))
{
    zx_status_t status = ZX_ERR_NO_MEMORY;
    unsigned attempt = 0;
    while (status != ZX_OK && conformance_fail_allocation(attempt / 2 + 1, attempt % 2 != 0)) {
        conformance_before();
        status = call();
        (void)conformance_fail_allocation(0, false);
        NOTE(attempt);
        if (status != ZX_OK)
            conformance_unchanged(status, ZX_ERR_NO_MEMORY, CONFORMANCE_PLACE("without memory"));
        attempt++;
    }
    CHECK(attempt != 1); /* the first one did fail */
    if (status != ZX_OK)
        OK_ONCE(call());
}

/* ---- Handles ---- */

void check_bad_handles(call_on_handle *call)
{
    zx_handle_t vmo = make_vmo(ZX_PAGE_SIZE, 0);
    const zx_handle_t bad[] = {ZX_HANDLE_INVALID,
                               1,
                               2,
                               3,
                               vmo & ~1u,
                               vmo & ~2u,
                               vmo & ~3u,
                               ~vmo,
                               vmo ^ (1u << 20),
                               vmo ^ (1u << 31),
                               UINT32_MAX,
                               closed_handle()};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        NOTE(bad[i]);
        REFUSED(ZX_ERR_BAD_HANDLE, call(bad[i]));
    }
}

void check_wrong_types(call_on_handle *call, zx_obj_type_t fine)
{
    const zx_handle_t handles[] = {make_vmo(ZX_PAGE_SIZE, 0), zx_vmar_root_self(), zx_process_self(),
                                   zx_job_default(), make_thread(zx_process_self())};
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        if (basic_of(handles[i]).type == fine)
            continue;
        REFUSED(ZX_ERR_WRONG_TYPE, call(handles[i]));
        zx_handle_t bare = with_rights(handles[i], ZX_RIGHT_NONE);
        REFUSED(ZX_ERR_WRONG_TYPE, call(bare));
    }
}

/* The call on a handle with just these rights. */
static void check_with(call_on_handle *call, zx_handle_t handle, zx_rights_t rights, zx_rights_t needed)
{
    zx_handle_t weak = with_rights(handle, rights);
    NOTE(rights);
    if ((needed & ~rights) != 0)
        REFUSED(ZX_ERR_ACCESS_DENIED, call(weak));
    else
        OK_ONCE(call(weak));
}

void check_rights(call_on_handle *call, zx_handle_t handle, zx_rights_t needed)
{
    zx_rights_t held = basic_of(handle).rights;
    CHECK_EQUAL(needed & ~held, 0);
    for (unsigned bit = 0; bit < 31; bit++)
        if ((held >> bit & 1) != 0) {
            check_with(call, handle, held & ~(1u << bit), needed);
            check_with(call, handle, needed & ~(1u << bit), needed);
        }
    check_with(call, handle, needed, needed);
    check_with(call, handle, 0, needed);
    check_with(call, handle, held & ~needed, needed);
    OK_ONCE(call(handle));
}

void check_handles(call_on_handle *call, zx_handle_t handle, zx_obj_type_t type, zx_rights_t needed)
{
    check_bad_handles(call);
    if (type != ZX_OBJ_TYPE_NONE)
        check_wrong_types(call, type);
    check_rights(call, handle, needed);
}

zx_handle_t make_process(zx_handle_t *root)
{
    zx_handle_t process = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "process", 7, 0, &process, root));
    return process;
}

zx_handle_t make_thread(zx_handle_t process)
{
    zx_handle_t thread = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_thread_create(process, "thread", 6, 0, &thread));
    return thread;
}

/* Its program (x86-64): movb $1, SPINNER_RUNS; jmp here. The byte is in its own page: when it is seen there are no page faults to come. */
#define SPINNER_RUNS 16
zx_handle_t start_spinner(zx_handle_t *thread)
{
    static const unsigned char program[] = {0xc6, 0x05, SPINNER_RUNS - 7, 0, 0, 0, 1, 0xeb, 0xfe};
    zx_handle_t root, process = make_process(&root), vmo = make_executable_vmo(ZX_PAGE_SIZE);
    unsigned char runs = 0;
    STATUS(ZX_OK, zx_vmo_write(vmo, program, 0, sizeof(program)));
    CHECK_EQUAL(map_at(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE,
                       SPINNER_ENTRY - vmar_info_of(root).base, vmo, 0, 1),
                SPINNER_ENTRY);
    *thread = make_thread(process);
    STATUS(ZX_OK, zx_process_start(process, *thread, SPINNER_ENTRY, 0, ZX_HANDLE_INVALID, 0));
    while (runs == 0 && signals_of(*thread) == ZX_THREAD_RUNNING) {
        (void)zx_object_wait_one(*thread, ZX_THREAD_TERMINATED, zx_clock_get_monotonic() + ZX_MSEC(1), NULL);
        STATUS(ZX_OK, zx_vmo_read(vmo, &runs, SPINNER_RUNS, 1));
    }
    CHECK_EQUAL(runs, 1);
    return process;
}

zx_info_process_t process_info_of(zx_handle_t process)
{
    zx_info_process_t info;
    STATUS(ZX_OK, zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL));
    return info;
}

zx_signals_t signals_of(zx_handle_t task)
{
    zx_signals_t signals = ~ZX_SIGNAL_NONE;
    STATUS(ZX_ERR_TIMED_OUT, zx_object_wait_one(task, ZX_SIGNAL_NONE, ZX_TIME_INFINITE_PAST, &signals));
    return signals;
}

uint32_t handle_count_of(zx_handle_t handle)
{
    zx_info_handle_count_t info;
    STATUS(ZX_OK, zx_object_get_info(handle, ZX_INFO_HANDLE_COUNT, &info, sizeof(info), NULL, NULL));
    return info.handle_count;
}

/* ---- Bytes and numbers ---- */

void fill(void *bytes, char with, size_t size)
{
    char *to = bytes;
    for (size_t i = 0; i < size; i++)
        to[i] = with;
}

bool all_bytes(const void *bytes, char expected, size_t size)
{
    const char *from = bytes;
    for (size_t i = 0; i < size; i++)
        if (from[i] != expected)
            return false;
    return true;
}

const uint64_t *boundaries_of(uint64_t size, uint64_t values[BOUNDARIES])
{
    const uint64_t all[BOUNDARIES] = {0,
                                      1,
                                      ZX_PAGE_SIZE - 1,
                                      ZX_PAGE_SIZE,
                                      ZX_PAGE_SIZE + 1,
                                      size - ZX_PAGE_SIZE,
                                      size - 1,
                                      size,
                                      size + 1,
                                      size + ZX_PAGE_SIZE,
                                      1ull << 47,
                                      1ull << 63,
                                      0 - ZX_PAGE_SIZE,
                                      1 - ZX_PAGE_SIZE,
                                      UINT64_MAX - 1,
                                      UINT64_MAX};
    for (unsigned i = 0; i < BOUNDARIES; i++)
        values[i] = all[i];
    return values;
}
