/* SPDX-License-Identifier: MIT */
/*
 * calls.h: what the tests of the zx_ calls share: a machine for each test, and the demand that a refused call
 * changes nothing.
 */
#ifndef HARNESS_TESTS_CALLS_H_
#define HARNESS_TESTS_CALLS_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vm/machine.h>
#include <vm/port.h>
#include <zircon/syscalls.h>
#include <zvm/host.h>

#include "snapshot.h"

#define PAGE ZX_PAGE_SIZE

#define RIGHTS_RWX  (ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE)
#define CAN_MAP_RWX (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define ALIGN(log2) ((zx_vm_option_t)(log2) << ZX_VM_ALIGN_BASE)
#define BAD_POINTER ((void *)8) /* in the first page, which no program has */

static inline int machine_start(void **state)
{
    static const struct zvm_config config = {.memory_bytes = 64u << 20};
    (void)state;
    return zvm_start(&config) == ZX_OK ? 0 : -1;
}

/* Whatever a test leaves behind must go with its process: nothing leaks. */
static inline int machine_stop(void **state)
{
    (void)state;
    return zvm_stop() == ZX_OK ? 0 : -1;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, machine_start, machine_stop)

/* An object whose machine is gone goes back to the host, so that no leak checker tells of what was meant. Caches
   round sizes up. */
static inline void leave_behind(void *object, size_t size)
{
    (void)port_object_leave(object, (size + 15) & ~(size_t)15);
}

static inline struct vm_stats stats_now(void)
{
    struct vm_stats stats;
    vm_machine_stats(&stats);
    return stats;
}

/* Releases `before`. */
static inline void check_unchanged(struct snapshot *before, const char *file, int line)
{
    bool unchanged = snapshot_is_current(before);
    snapshot_release(before);
    if (!unchanged)
        _fail(file, line);
    _assert_int_equal((unsigned long long)(unsigned)zvm_check(), ZX_OK, file, line);
}

static inline void check_status(zx_status_t status, zx_status_t expected, const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s, not %s\n", zx_status_get_string(status), zx_status_get_string(expected));
    _fail(file, line);
}

/* The call is refused with that status and changes nothing. */
#define assert_refused(call, expected)                                                                       \
    do {                                                                                                     \
        struct snapshot before_ = snapshot_take();                                                           \
        check_status((call), (expected), __FILE__, __LINE__);                                                \
        check_unchanged(&before_, __FILE__, __LINE__);                                                       \
    } while (0)

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        check_status((call), ZX_OK, __FILE__, __LINE__);                                                     \
        check_status(zvm_check(), ZX_OK, __FILE__, __LINE__);                                                \
    } while (0)

/* Each allocation of the call fails in turn: NO_MEMORY, nothing changed; at last it succeeds. */
#define assert_survives_failed_allocations(call)                                                             \
    do {                                                                                                     \
        zx_status_t status_ = ZX_ERR_NO_MEMORY;                                                              \
        for (unsigned nth_ = 1; status_ != ZX_OK; nth_++) {                                                  \
            struct snapshot before_ = snapshot_take();                                                       \
            assert_true(nth_ < 1000);                                                                        \
            zvm_fail_allocation(nth_, nth_ % 2 == 0);                                                        \
            status_ = (call);                                                                                \
            zvm_fail_allocation(0, false);                                                                   \
            if (status_ == ZX_OK) {                                                                          \
                snapshot_release(&before_);                                                                  \
                break;                                                                                       \
            }                                                                                                \
            check_status(status_, ZX_ERR_NO_MEMORY, __FILE__, __LINE__);                                     \
            check_unchanged(&before_, __FILE__, __LINE__);                                                   \
        }                                                                                                    \
        check_status(zvm_check(), ZX_OK, __FILE__, __LINE__);                                                \
    } while (0)

/* Each copy from or to the caller's memory fails in turn: INVALID_ARGS, nothing changed; at last the call
   succeeds. */
#define assert_survives_failed_copies(call)                                                                  \
    do {                                                                                                     \
        zx_status_t status_ = ZX_ERR_INVALID_ARGS;                                                           \
        for (unsigned nth_ = 1; status_ != ZX_OK; nth_++) {                                                  \
            struct snapshot before_ = snapshot_take();                                                       \
            assert_true(nth_ < 1000);                                                                        \
            zvm_fail_user_copy(nth_);                                                                        \
            status_ = (call);                                                                                \
            zvm_fail_user_copy(0);                                                                           \
            if (status_ == ZX_OK) {                                                                          \
                snapshot_release(&before_);                                                                  \
                break;                                                                                       \
            }                                                                                                \
            check_status(status_, ZX_ERR_INVALID_ARGS, __FILE__, __LINE__);                                  \
            check_unchanged(&before_, __FILE__, __LINE__);                                                   \
        }                                                                                                    \
        check_status(zvm_check(), ZX_OK, __FILE__, __LINE__);                                                \
    } while (0)

static inline zx_handle_t make_vmo(uint64_t size, uint32_t options)
{
    zx_handle_t vmo = ZX_HANDLE_INVALID;
    assert_ok(zx_vmo_create(size, options, &vmo));
    return vmo;
}

static inline zx_rights_t rights_of(zx_handle_t handle)
{
    zx_info_handle_basic_t info;
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
    return info.rights;
}

/* A second handle that lacks some rights of the first. */
static inline zx_handle_t without(zx_handle_t handle, zx_rights_t rights)
{
    zx_handle_t fewer = ZX_HANDLE_INVALID;
    assert_ok(zx_handle_duplicate(handle, rights_of(handle) & ~rights, &fewer));
    return fewer;
}

/* A child VMAR of the root, of so many pages, that may be placed in as its options say. */
static inline zx_handle_t make_vmar(zx_vm_option_t options, size_t pages, zx_vaddr_t *base)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), options, 0, pages * PAGE, &vmar, base));
    return vmar;
}

#define EVERYTHING (CAN_MAP_RWX | ZX_VM_CAN_MAP_SPECIFIC)

static inline zx_handle_t make_closed_handle(void)
{
    zx_handle_t vmo = make_vmo(PAGE, 0);
    assert_ok(zx_handle_close(vmo));
    return vmo;
}

#endif /* HARNESS_TESTS_CALLS_H_ */
