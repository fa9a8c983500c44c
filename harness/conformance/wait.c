/* SPDX-License-Identifier: MIT */
/* wait.c: zx_object_wait_one, zx_nanosleep. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE

static struct {
    zx_handle_t handle;
    zx_signals_t signals;
    zx_time_t deadline;
    zx_signals_t *observed;
} args;

static zx_handle_t dead, closed, denied, silent;
static zx_signals_t observed;

static void good(void)
{
    args.handle = dead;
    args.signals = ZX_PROCESS_TERMINATED;
    args.deadline = ZX_TIME_INFINITE_PAST;
    args.observed = &observed;
}

static void begin(void)
{
    zx_handle_t root;
    dead = make_process(&root);
    STATUS(ZX_OK, zx_task_kill(dead));
    closed = closed_handle();
    denied = without(dead, ZX_RIGHT_WAIT);
    silent = make_vmo(PAGE, 0);
    good();
}

static zx_status_t call(void)
{
    return zx_object_wait_one(args.handle, args.signals, args.deadline, args.observed);
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 2:
        args.handle = silent;
        return ZX_ERR_NOT_SUPPORTED;
    case 3:
        args.observed = BAD_POINTER;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.signals = ZX_SIGNAL_NONE;
        return ZX_ERR_TIMED_OUT;
    default:
        return ZX_OK;
    }
}

static zx_status_t call_on(zx_handle_t handle)
{
    args.handle = handle;
    return call();
}

TEST(errors_in_order)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(0, 1, &base), job = zx_job_default();
    begin();
    check_errors(&(const struct errors){good, spoil, call});
    good();
    check_handles(call_on, dead, ZX_OBJ_TYPE_NONE, ZX_RIGHT_WAIT);
    REFUSED(ZX_ERR_NOT_SUPPORTED, call_on(job));
    REFUSED(ZX_ERR_ACCESS_DENIED, call_on(vmar));
    /* Bad, it is told so before the wait, not after it. */
    good();
    args.deadline = ZX_TIME_INFINITE;
    args.signals = ZX_SIGNAL_NONE;
    args.observed = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

/* All that is asserted is told, whatever was asked for; nothing need be told. */
TEST(observed_signals)
{
    begin();
    for (unsigned bit = 0; bit < 32; bit++) {
        args.signals = 1u << bit;
        observed = 0x55555555;
        if (args.signals == ZX_TASK_TERMINATED)
            OK(call());
        else
            STATUS(ZX_ERR_TIMED_OUT, call());
        CHECK_EQUAL(observed, ZX_PROCESS_TERMINATED);
    }
    args.signals = UINT32_MAX;
    args.observed = NULL;
    OK(call());
    args.signals = ZX_SIGNAL_NONE;
    STATUS(ZX_ERR_TIMED_OUT, call());
}

TEST(tasks)
{
    zx_handle_t root, process = make_process(&root), thread = make_thread(process);
    CHECK_EQUAL(signals_of(process), ZX_SIGNAL_NONE);
    CHECK_EQUAL(signals_of(thread), ZX_SIGNAL_NONE);
    CHECK_EQUAL(signals_of(zx_process_self()), ZX_SIGNAL_NONE);
    STATUS(ZX_OK, zx_task_kill(process));
    CHECK_EQUAL(signals_of(process), ZX_PROCESS_TERMINATED);
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_TERMINATED);
    OK(zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    OK(zx_object_wait_one(thread, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL));
}

/* ---- Deadlines ---- */

TEST(deadlines)
{
    const zx_time_t past[] = {ZX_TIME_INFINITE_PAST, -1, 0, 1};
    zx_handle_t root, process = make_process(&root);
    for (unsigned i = 0; i < sizeof(past) / sizeof(past[0]); i++)
        STATUS(ZX_ERR_TIMED_OUT, zx_object_wait_one(process, ZX_PROCESS_TERMINATED, past[i], NULL));
    for (unsigned i = 0; i < 4; i++) {
        zx_time_t deadline = zx_clock_get_monotonic() + ZX_USEC(500) * i;
        STATUS(ZX_ERR_TIMED_OUT, zx_object_wait_one(process, ZX_PROCESS_TERMINATED, deadline, &observed));
        CHECK(zx_clock_get_monotonic() >= deadline);
        CHECK_EQUAL(observed, ZX_SIGNAL_NONE);
    }
}

TEST(nanosleep)
{
    OK(zx_nanosleep(ZX_TIME_INFINITE_PAST));
    OK(zx_nanosleep(0));
    OK(zx_nanosleep(1));
    for (unsigned i = 0; i < 4; i++) {
        zx_time_t deadline = zx_clock_get_monotonic() + ZX_USEC(500) * i;
        STATUS(ZX_OK, zx_nanosleep(deadline));
        CHECK(zx_clock_get_monotonic() >= deadline);
    }
}

const struct conformance_test wait_tests[] = {CASE(errors_in_order), CASE(observed_signals), CASE(tasks),
                                              CASE(deadlines),       CASE(nanosleep),        NO_MORE_CASES};
