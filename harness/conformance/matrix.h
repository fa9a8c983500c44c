/* SPDX-License-Identifier: MIT */
/*
 * matrix.h: what the tests of several calls do in the same way: every pair of errors, every kind of wrong
 * handle, each right missing, sizes and offsets at the boundaries.
 */
#ifndef HARNESS_CONFORMANCE_MATRIX_H_
#define HARNESS_CONFORMANCE_MATRIX_H_

#include "conformance.h"

/*
 * A call and all that can be wrong with it, in the order in which it must be refused. Its arguments lie in
 * static storage of the test: `good` sets those with which the call succeeds, `spoil` makes them wrong in
 * the nth way and answers the status for that, ZX_OK where there are no more ways.
 */
struct errors {
    void (*good)(void);
    zx_status_t (*spoil)(unsigned nth);
    zx_status_t (*call)(void);
};

/* Each error alone, each pair, and all from the nth on: the first one decides. With none the call
   succeeds. Where two errors are about the same argument, the earlier one has it. */
void check_errors(const struct errors *errors);

/* What a `spoil` answers where whoever runs the tests cannot bring the error about: it is left out. */
#define CANNOT_SPOIL ZX_ERR_NEXT

/* For a `spoil`: the call finds no memory. ZX_ERR_NO_MEMORY, or CANNOT_SPOIL. */
zx_status_t no_memory(void);

/* Each allocation of a call that makes something fails in turn, once and for good: NO_MEMORY, nothing
   changed. At last the call succeeds. For calls that OK cannot make, since a copy that breaks off changes
   something. */
void check_allocations(zx_status_t (*call)(void));

/* A call on a handle, all its other arguments fine. It can be made many times. */
typedef zx_status_t call_on_handle(zx_handle_t handle);

/* Numbers that are no handle: BAD_HANDLE. */
void check_bad_handles(call_on_handle *call);

/* A handle to each type of object but this one: WRONG_TYPE. */
void check_wrong_types(call_on_handle *call, zx_obj_type_t fine);

/* Each right of the handle missing alone, all but the needed ones missing, all missing: ACCESS_DENIED
   where a needed one is. The call is made once for each: it need not be repeatable. */
void check_rights(call_on_handle *call, zx_handle_t handle, zx_rights_t needed);

/* All three. */
void check_handles(call_on_handle *call, zx_handle_t handle, zx_obj_type_t type, zx_rights_t needed);

/* A process with nothing in it, and its root VMAR. */
zx_handle_t make_process(zx_handle_t *root);

/* A thread of it that does not run. */
zx_handle_t make_thread(zx_handle_t process);

/* A process that does nothing, for ever, and the thread that does, which has begun to; where programs run. */
#define SPINNER_ENTRY ((zx_vaddr_t)64 << 20)
zx_handle_t start_spinner(zx_handle_t *thread);

zx_info_process_t process_info_of(zx_handle_t process);

/* What a process or a thread asserts now. */
zx_signals_t signals_of(zx_handle_t task);

/* How many handles lead to the object. */
uint32_t handle_count_of(zx_handle_t handle);

/* ---- Bytes and numbers ---- */

void fill(void *bytes, char with, size_t size);
bool all_bytes(const void *bytes, char expected, size_t size);

/* Sizes and offsets around those of an object of so many bytes, a few pages, and those that overflow. */
#define BOUNDARIES 16
const uint64_t *boundaries_of(uint64_t size, uint64_t values[BOUNDARIES]);

#endif /* HARNESS_CONFORMANCE_MATRIX_H_ */
