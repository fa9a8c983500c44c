/* SPDX-License-Identifier: MIT */
/* process_start.c: zx_process_start; and, where programs run, how they end. */
#include "matrix.h"

#define PAGE  ZX_PAGE_SIZE
#define ENTRY SPINNER_ENTRY

static struct {
    zx_handle_t process, thread, arg1;
    zx_vaddr_t entry;
} args;

static zx_handle_t process, root, thread, arg, closed, wrong, denied_process, denied_thread, denied_arg,
    other_thread;

static void good(void)
{
    args.process = process;
    args.thread = thread;
    args.arg1 = arg;
    args.entry = ENTRY;
}

static void begin(void)
{
    process = make_process(&root);
    thread = make_thread(process);
    other_thread = make_thread(zx_process_self());
    arg = make_vmo(PAGE, 0);
    closed = closed_handle();
    wrong = make_vmo(PAGE, 0);
    denied_process = without(process, ZX_RIGHT_WRITE);
    denied_thread = without(thread, ZX_RIGHT_WRITE);
    denied_arg = without(arg, ZX_RIGHT_TRANSFER);
    good();
}

static zx_status_t call(void)
{
    return zx_process_start(args.process, args.thread, args.entry, 0, args.arg1, 2);
}

/* Where programs do not run, that is the last thing to be found. */
static zx_status_t call_in_order(void)
{
    zx_status_t status = call();
    return status == ZX_ERR_NOT_SUPPORTED && !conformance_runs_programs() ? ZX_OK : status;
}

static zx_status_t spoil_handles(unsigned nth)
{
    switch (nth) {
    case 0:
        args.process = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.process = wrong;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.process = denied_process;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.thread = closed;
        return ZX_ERR_BAD_HANDLE;
    case 4:
        args.thread = wrong;
        return ZX_ERR_WRONG_TYPE;
    default:
        args.thread = denied_thread;
        return ZX_ERR_ACCESS_DENIED;
    }
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 6:
        args.thread = other_thread;
        return ZX_ERR_ACCESS_DENIED;
    case 7:
        args.arg1 = closed;
        return ZX_ERR_BAD_HANDLE;
    case 8:
        args.arg1 = denied_arg;
        return ZX_ERR_ACCESS_DENIED;
    case 9:
        args.entry = UINT64_MAX;
        return ZX_ERR_INVALID_ARGS;
    case 10:
        return no_memory();
    default:
        return nth < 6 ? spoil_handles(nth) : ZX_OK;
    }
}

TEST(errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil, call_in_order});
    STATUS(ZX_OK, zx_task_kill(process));
    STATUS(ZX_OK, zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
}

/* A dead process: BAD_STATE, where the handles are fine; that comes before NO_MEMORY. */
static zx_status_t call_on_dead(void)
{
    zx_status_t status = call();
    return status == ZX_ERR_BAD_STATE ? ZX_OK : status;
}

static zx_status_t process_on(zx_handle_t handle)
{
    args.process = handle;
    return call_on_dead();
}

static zx_status_t thread_on(zx_handle_t handle)
{
    args.thread = handle;
    return call_on_dead();
}

static zx_status_t arg_on(zx_handle_t handle)
{
    args.arg1 = handle;
    return call_on_dead();
}

TEST(handles)
{
    begin();
    STATUS(ZX_OK, zx_task_kill(process));
    check_handles(process_on, process, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_WRITE);
    good();
    check_handles(thread_on, thread, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_WRITE);
    good();
    check_rights(arg_on, arg, ZX_RIGHT_TRANSFER);
    for (zx_handle_t none = 1; none < 4; none++) /* but 0 is none */
        REFUSED(ZX_ERR_BAD_HANDLE, arg_on(none));
    REFUSED(ZX_ERR_BAD_HANDLE, arg_on(arg & ~ZX_HANDLE_FIXED_BITS_MASK));
    args.arg1 = ZX_HANDLE_INVALID;
    REFUSED(ZX_ERR_BAD_STATE, call());
    good();
    uint32_t count = handle_count_of(arg);
    if (conformance_fail_allocation(1, true)) {
        REFUSED(ZX_ERR_BAD_STATE, call());
        (void)conformance_fail_allocation(0, false);
    }
    CHECK_EQUAL(handle_count_of(arg), count);
}

/* Every kind of handle may go with it, the process's own and the caller's too. Refused, all stay where they
   are. */
TEST(arguments)
{
    zx_vaddr_t base;
    begin();
    const zx_handle_t handles[] = {
        arg,    make_vmar(0, 1, &base), zx_vmar_root_self(), zx_process_self(), process,
        thread, zx_job_default()};
    STATUS(ZX_OK, zx_handle_close(denied_arg));
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        NOTE(i);
        args.arg1 = handles[i];
        args.entry = UINT64_MAX;
        REFUSED(ZX_ERR_INVALID_ARGS, call());
        args.entry = ENTRY;
        if (conformance_runs_programs())
            continue;
        uint32_t count = handle_count_of(handles[i]);
        REFUSED(ZX_ERR_NOT_SUPPORTED, call());
        CHECK_EQUAL(handle_count_of(handles[i]), count);
    }
    args.arg1 = ZX_HANDLE_INVALID;
    if (!conformance_runs_programs())
        REFUSED(ZX_ERR_NOT_SUPPORTED, call());
}

/* A start that is refused is none: the process dies of its last handle as before. */
TEST(refused_is_not_started)
{
    if (conformance_runs_programs())
        return;
    begin();
    REFUSED(ZX_ERR_NOT_SUPPORTED, call());
    CHECK_EQUAL(process_info_of(process).flags, 0);
    CHECK_EQUAL(process_info_of(process).start_time, 0);
    CHECK_EQUAL(signals_of(thread), ZX_SIGNAL_NONE);
    OK_ONCE(zx_handle_close(denied_process));
    OK_ONCE(zx_handle_close(process));
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_TERMINATED);
}

/* ---- Where programs run: what they do changes the state meanwhile; all of them are ended ---- */

TEST(started)
{
    if (!conformance_runs_programs())
        return;
    begin();
    zx_handle_t second;
    zx_time_t before = zx_clock_get_monotonic();
    zx_handle_t spinner = start_spinner(&thread);
    zx_info_process_t info = process_info_of(spinner);
    CHECK_EQUAL(info.flags, ZX_INFO_PROCESS_FLAG_STARTED);
    CHECK_EQUAL(info.return_code, 0);
    CHECK(info.start_time >= before && info.start_time <= zx_clock_get_monotonic());
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_RUNNING);
    CHECK_EQUAL(signals_of(spinner), ZX_SIGNAL_NONE);
    second = make_thread(spinner);
    STATUS(ZX_ERR_BAD_STATE, zx_process_start(spinner, second, ENTRY, 0, ZX_HANDLE_INVALID, 0));
    STATUS(ZX_ERR_BAD_STATE, zx_process_start(spinner, thread, ENTRY, 0, arg, 0));
    STATUS(ZX_ERR_TIMED_OUT,
           zx_object_wait_one(thread, ZX_THREAD_TERMINATED, zx_clock_get_monotonic() + ZX_MSEC(2), NULL));
    STATUS(ZX_OK, zx_task_kill(spinner));
    STATUS(ZX_OK, zx_object_wait_one(spinner, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    CHECK_EQUAL(signals_of(second), ZX_THREAD_TERMINATED);
}

TEST(killed)
{
    if (!conformance_runs_programs())
        return;
    begin();
    zx_handle_t spinner = start_spinner(&thread);
    STATUS(ZX_OK, zx_task_kill(spinner));
    STATUS(ZX_OK, zx_object_wait_one(spinner, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    zx_info_process_t info = process_info_of(spinner);
    CHECK_EQUAL(info.flags, ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED);
    CHECK_EQUAL(info.return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_TERMINATED);
}

/* Nothing is mapped where it begins. The handle that went with it went with the process. */
TEST(exception)
{
    if (!conformance_runs_programs())
        return;
    begin();
    STATUS(ZX_OK, zx_handle_close(denied_arg));
    zx_handle_t second = with_rights(arg, ZX_RIGHT_SAME_RIGHTS);
    STATUS(ZX_OK, call());
    STATUS(ZX_ERR_BAD_HANDLE, zx_handle_close(arg));
    STATUS(ZX_OK, zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    CHECK_EQUAL(process_info_of(process).return_code, ZX_TASK_RETCODE_EXCEPTION_KILL);
    CHECK_EQUAL(handle_count_of(second), 1);
}

const struct conformance_test process_start_tests[] = {
    CASE(errors_in_order), CASE(handles), CASE(arguments), CASE(refused_is_not_started),
    CASE(started),         CASE(killed),  CASE(exception), NO_MORE_CASES};
