/* SPDX-License-Identifier: MIT */
/*
 * test_thread_object.c: the life of threads and of the processes that they run in, from inside. The host says that
 * threads run (host_threads_start); none does, and the tests say when they have ended. What the calls refuse is in
 * the conformance suite.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/thread.h>

#include "../../vm/internal.h"
#include "../host_port.h"
#include "plant.h"

#define ENTRY ((zx_vaddr_t)64 << 20)

static int start(void **state)
{
    host_threads_start(true);
    return machine_start(state);
}

static int stop(void **state)
{
    host_threads_start(false);
    return machine_stop(state);
}

#define RUNNING_TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

static zx_handle_t make_process(void)
{
    zx_handle_t process, root;
    assert_ok(zx_process_create(ZX_HANDLE_INVALID, "process", 7, 0, &process, &root));
    assert_ok(zx_handle_close(root));
    return process;
}

static zx_handle_t make_thread(zx_handle_t process)
{
    zx_handle_t thread;
    assert_ok(zx_thread_create(process, "thread", 6, 0, &thread));
    return thread;
}

static zx_info_process_t info_of(zx_handle_t process)
{
    zx_info_process_t info;
    assert_ok(zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL));
    return info;
}

static uint32_t count_of(zx_handle_t handle)
{
    zx_info_handle_count_t info;
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_COUNT, &info, sizeof(info), NULL, NULL));
    return info.handle_count;
}

static zx_signals_t signals_of(zx_handle_t task)
{
    zx_signals_t signals = UINT32_MAX;
    check_status(zx_object_wait_one(task, 0, 0, &signals), ZX_ERR_TIMED_OUT, __FILE__, __LINE__);
    return signals;
}

/* The thread that was started last ends. */
static void end(struct vm_thread *thread)
{
    vm_thread_ended(thread);
    assert_int_equal(zvm_check(), ZX_OK);
}

static struct host_thread_entry last_started(void)
{
    struct host_thread_entry last;
    (void)host_threads_started(&last);
    return last;
}

static zx_status_t start_first(zx_handle_t process, zx_handle_t thread, zx_handle_t arg)
{
    return zx_process_start(process, thread, ENTRY, 0x7000, arg, 77);
}

/* ---- One process, one thread ---- */

/* The handle goes along, with its rights and under another number; the process lives without a handle to it, and
   dies with its thread. */
static void test_a_program(void **state)
{
    (void)state;
    zx_handle_t process = make_process(), thread = make_thread(process), vmo = make_vmo(PAGE, 0);
    zx_handle_t arg = without(vmo, ZX_RIGHT_MAP);
    zx_time_t before = zx_clock_get_monotonic();
    uint64_t started = host_threads_started(NULL);
    assert_survives_failed_allocations(start_first(process, thread, arg));
    assert_int_equal(host_threads_started(NULL), started + 1);
    struct host_thread_entry entry = last_started();
    assert_true(entry.entry == ENTRY && entry.stack == 0x7000 && entry.arg2 == 77);
    assert_int_equal(count_of(vmo), 2);
    assert_refused(zx_handle_close(arg), ZX_ERR_BAD_HANDLE);
    struct vm_process *made = vm_thread_process(entry.thread), *self = host_set_process(made);
    assert_int_equal(rights_of((zx_handle_t)entry.arg1), ZX_DEFAULT_VMO_RIGHTS & ~ZX_RIGHT_MAP);
    host_set_process(self);
    assert_true(info_of(process).flags == ZX_INFO_PROCESS_FLAG_STARTED);
    assert_true(info_of(process).start_time >= before);
    assert_int_equal(signals_of(thread), ZX_THREAD_RUNNING);
    zx_handle_t second = make_thread(process);
    assert_refused(start_first(process, second, ZX_HANDLE_INVALID), ZX_ERR_BAD_STATE);
    assert_refused(start_first(process, second, vmo), ZX_ERR_BAD_STATE);
    assert_refused(zx_thread_start(thread, ENTRY, 0, 0, 0), ZX_ERR_BAD_STATE);
    end(entry.thread);
    assert_int_equal(signals_of(thread), ZX_THREAD_TERMINATED);
    assert_int_equal(signals_of(second), ZX_THREAD_TERMINATED);
    assert_int_equal(signals_of(process), ZX_PROCESS_TERMINATED);
    assert_int_equal(info_of(process).flags, ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED);
    assert_int_equal(info_of(process).return_code, 0);
    assert_int_equal(count_of(vmo), 1);
    assert_refused(start_first(process, second, ZX_HANDLE_INVALID), ZX_ERR_BAD_STATE);
}

static void test_without_handles(void **state)
{
    (void)state;
    zx_handle_t process = make_process(), thread = make_thread(process), vmo = make_vmo(PAGE, 0);
    uint64_t processes = stats_now().processes;
    assert_ok(start_first(process, thread, without(vmo, 0)));
    assert_ok(zx_handle_close(process));
    assert_ok(zx_handle_close(thread));
    assert_int_equal(stats_now().processes, processes);
    assert_int_equal(count_of(vmo), 2);
    end(last_started().thread);
    assert_int_equal(stats_now().processes, processes - 1);
    assert_int_equal(vm_machine->thread_cache.objects, 0);
    assert_int_equal(count_of(vmo), 1);
}

/* It gets a handle to itself, or to its maker; what it holds to itself does not keep it. */
static void test_handles_to_itself(void **state)
{
    (void)state;
    for (unsigned own = 0; own < 2; own++) {
        uint64_t processes = stats_now().processes;
        zx_handle_t process = make_process(), thread = make_thread(process);
        zx_handle_t arg = without(own == 0 ? process : thread, 0);
        assert_ok(start_first(process, thread, arg));
        assert_ok(zx_handle_close(process));
        assert_ok(zx_handle_close(thread));
        assert_int_equal(stats_now().processes, processes + 1);
        end(last_started().thread);
        assert_int_equal(stats_now().processes, processes);
    }
    zx_handle_t process = make_process(), thread = make_thread(process);
    assert_ok(start_first(process, thread, without(zx_process_self(), 0)));
    end(last_started().thread);
}

/* Its own handle, and no other, is what the process is started with: it is started by then, and lives. */
static void test_its_last_handle_goes_along(void **state)
{
    (void)state;
    uint64_t processes = stats_now().processes;
    zx_handle_t process = make_process(), thread = make_thread(process);
    assert_ok(start_first(process, thread, process));
    assert_refused(zx_handle_close(process), ZX_ERR_BAD_HANDLE);
    assert_int_equal(stats_now().processes, processes + 1);
    end(last_started().thread);
    assert_int_equal(signals_of(thread), ZX_THREAD_TERMINATED);
    assert_ok(zx_handle_close(thread));
    assert_int_equal(stats_now().processes, processes);
}

/* ---- Several threads ---- */

static void test_the_last_thread(void **state)
{
    (void)state;
    enum { MANY = 5 };
    zx_handle_t process = make_process(), threads[MANY];
    struct vm_thread *running[MANY];
    for (unsigned i = 0; i < MANY; i++)
        threads[i] = make_thread(process);
    assert_refused(zx_thread_start(threads[1], ENTRY, 0, 0, 0), ZX_ERR_BAD_STATE);
    assert_ok(start_first(process, threads[0], ZX_HANDLE_INVALID));
    running[0] = last_started().thread;
    for (unsigned i = 1; i < MANY; i++) {
        assert_survives_failed_allocations(zx_thread_start(threads[i], ENTRY, 1, 2, i));
        assert_true(last_started().stack == 1 && last_started().arg1 == 2 && last_started().arg2 == i);
        running[i] = last_started().thread;
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(signals_of(process), 0);
        assert_int_equal(info_of(process).flags, ZX_INFO_PROCESS_FLAG_STARTED);
        end(running[i]);
        end(running[i]); /* harmless while a handle leads to it */
        assert_int_equal(signals_of(threads[i]), ZX_THREAD_TERMINATED);
    }
    assert_int_equal(signals_of(process), ZX_PROCESS_TERMINATED);
}

/* Killed, the process is dead at once, its new threads too; it is terminated when the running ones have ended. */
static void test_killed_while_running(void **state)
{
    (void)state;
    zx_handle_t process = make_process(), first = make_thread(process), second = make_thread(process),
                never = make_thread(process);
    assert_ok(start_first(process, first, ZX_HANDLE_INVALID));
    struct vm_thread *running = last_started().thread;
    assert_ok(zx_thread_start(second, ENTRY, 0, 0, 0));
    assert_ok(zx_task_kill(process));
    assert_int_equal(signals_of(never), ZX_THREAD_TERMINATED);
    assert_int_equal(signals_of(first), ZX_THREAD_RUNNING);
    assert_int_equal(signals_of(process), 0);
    assert_int_equal(info_of(process).flags, ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED);
    assert_refused(zx_thread_start(never, ENTRY, 0, 0, 0), ZX_ERR_BAD_STATE);
    zx_handle_t out;
    assert_refused(zx_thread_create(process, "t", 1, 0, &out), ZX_ERR_BAD_STATE);
    end(running);
    assert_int_equal(signals_of(process), 0);
    end(last_started().thread);
    assert_int_equal(signals_of(process), ZX_PROCESS_TERMINATED);
    assert_int_equal(info_of(process).return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
}

/* The first return code stays. */
static void test_return_codes(void **state)
{
    (void)state;
    const int64_t codes[] = {ZX_TASK_RETCODE_EXCEPTION_KILL, ZX_TASK_RETCODE_VDSO_KILL, 0, 5, INT64_MIN};
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        zx_handle_t process = make_process(), thread = make_thread(process);
        struct vm_process *made;
        assert_ok(start_first(process, thread, ZX_HANDLE_INVALID));
        assert_ok(vm_process_from_handle(process, &made));
        vm_process_kill_with(made, codes[i]);
        vm_process_kill(made);
        end(last_started().thread);
        vm_process_release(made);
        assert_ok(zx_task_kill(process));
        assert_int_equal(info_of(process).return_code, codes[i]);
        assert_ok(zx_handle_close(process));
        assert_ok(zx_handle_close(thread));
    }
}

/* ---- As the host sees them ---- */

static void test_hosted(void **state)
{
    (void)state;
    struct vm_process *process = vm_process_create("program");
    struct vm_thread *first, *second, *refused = NULL;
    char name[ZX_MAX_NAME_LEN];
    assert_survives_failed_allocations(
        vm_thread_create(process, "a name of more than 31 characters", &first));
    assert_ok(vm_thread_create(process, NULL, &second));
    memcpy(name, first->name, sizeof(name));
    assert_string_equal(name, "a name of more than 31 characte");
    assert_string_equal(second->name, "");
    assert_ptr_equal(vm_thread_process(first), process);
    assert_ptr_equal(vm_thread_aspace(first), vm_process_aspace(process));
    assert_refused(vm_thread_start(first, UINT64_MAX, 0, 0, 0), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_allocations(vm_thread_start(first, ENTRY, 1, 2, 3));
    assert_true(last_started().thread == first && last_started().arg2 == 3);
    assert_refused(vm_thread_start(first, ENTRY, 1, 2, 3), ZX_ERR_BAD_STATE);
    assert_ok(vm_thread_start(second, ENTRY, 0, 0, 0));
    end(first);
    assert_false(vm_process_is_dead(process));
    end(second);
    assert_true(vm_process_is_dead(process));
    assert_refused(vm_thread_create(process, "t", &refused), ZX_ERR_BAD_STATE);
    assert_null(refused);
    vm_thread_release(first);
    vm_process_release(process);
    vm_thread_release(second); /* and the process with it */
}

static void test_attach(void **state)
{
    (void)state;
    struct vm_process *process = vm_process_create("program");
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "other");
    struct vm_thread *thread;
    assert_ok(vm_thread_create(process, "thread", &thread));
    vm_aspace_attach_to_thread(aspace, thread);
    assert_ptr_equal(vm_thread_aspace(thread), aspace);
    vm_aspace_attach_to_thread(aspace, thread); /* before it runs, as often as one likes */
    assert_ok(vm_thread_start(thread, ENTRY, 0, 0, 0));
    end(thread);
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
    assert_int_equal(zvm_check(), ZX_OK);
    vm_thread_release(thread);
    vm_process_release(process);
}

/* Whether `broken` ends the program by an assertion. */
static bool asserts(void (*broken)(struct vm_thread *thread), struct vm_thread *thread)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        broken(thread);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void attach_its_own(struct vm_thread *thread)
{
    vm_aspace_attach_to_thread(vm_thread_aspace(thread), thread);
}

static void attach_the_kernels(struct vm_thread *thread)
{
    vm_aspace_attach_to_thread(vm_aspace_kernel(), thread);
}

static void test_misuse(void **state)
{
    (void)state;
    struct vm_process *process = vm_process_create("program");
    struct vm_thread *thread;
    assert_ok(vm_thread_create(process, "thread", &thread));
    assert_true(asserts(vm_thread_ended, thread));
    assert_true(asserts(attach_the_kernels, thread));
    assert_false(asserts(attach_its_own, thread));
    assert_ok(vm_thread_start(thread, ENTRY, 0, 0, 0));
    assert_true(asserts(attach_its_own, thread));
    end(thread);
    assert_true(asserts(attach_its_own, thread));
    assert_false(asserts(vm_thread_ended, thread));
    vm_thread_release(thread);
    vm_process_release(process);
}

/* ---- What others do while a thread is being started ---- */

static struct {
    zx_handle_t process, thread, further, arg;
    struct vm_process *made;
} scene;

static void make_scene(void)
{
    scene.process = make_process();
    scene.thread = make_thread(scene.process);
    scene.further = make_thread(scene.process);
    scene.arg = make_vmo(PAGE, 0);
}

static void kill_it(void *context)
{
    (void)context;
    check_status(zx_task_kill(scene.process), ZX_OK, __FILE__, __LINE__);
}

/* Refused, the caller has its handle again, though the process that it had gone to is dead. */
static void test_killed_while_starting(void **state)
{
    (void)state;
    make_scene();
    host_interrupt_thread_start(kill_it, NULL);
    host_threads_start(false);
    check_status(start_first(scene.process, scene.thread, scene.arg), ZX_ERR_NOT_SUPPORTED, __FILE__,
                 __LINE__);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_int_equal(count_of(scene.arg), 1);
    assert_int_equal(signals_of(scene.thread), ZX_THREAD_TERMINATED);
    assert_int_equal(signals_of(scene.process), ZX_PROCESS_TERMINATED);
    /* Taken, it is for the host to find out. */
    make_scene();
    host_interrupt_thread_start(kill_it, NULL);
    host_threads_start(true);
    assert_ok(start_first(scene.process, scene.thread, scene.arg));
    assert_int_equal(signals_of(scene.process), 0);
    end(last_started().thread);
    assert_int_equal(signals_of(scene.process), ZX_PROCESS_TERMINATED);
    assert_refused(zx_handle_close(scene.arg), ZX_ERR_BAD_HANDLE);
}

static void close_it(void *context)
{
    (void)context;
    check_status(zx_handle_close(scene.process), ZX_OK, __FILE__, __LINE__);
}

/* Nobody has a handle to it any more, and it does not run: it dies. */
static void test_closed_while_starting(void **state)
{
    (void)state;
    make_scene();
    host_interrupt_thread_start(close_it, NULL);
    host_threads_start(false);
    check_status(start_first(scene.process, scene.thread, scene.arg), ZX_ERR_NOT_SUPPORTED, __FILE__,
                 __LINE__);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_int_equal(signals_of(scene.thread), ZX_THREAD_TERMINATED);
    assert_int_equal(count_of(scene.arg), 1);
}

static void run_a_further_one(void *context)
{
    bool *ended = context;
    host_threads_start(true);
    check_status(zx_thread_start(scene.further, ENTRY, 0, 0, 0), ZX_OK, __FILE__, __LINE__);
    if (*ended)
        vm_thread_ended(last_started().thread);
    host_threads_start(false);
}

/* The first one is refused, but another has been started meanwhile, and runs, or has ended. */
static void test_another_started_meanwhile(void **state)
{
    (void)state;
    for (unsigned ended = 0; ended < 2; ended++) {
        bool ends = ended != 0;
        make_scene();
        host_interrupt_thread_start(run_a_further_one, &ends);
        host_threads_start(false);
        check_status(start_first(scene.process, scene.thread, scene.arg), ZX_ERR_NOT_SUPPORTED, __FILE__,
                     __LINE__);
        assert_int_equal(zvm_check(), ZX_OK);
        assert_int_equal(count_of(scene.arg), 1);
        if (!ends) {
            assert_int_equal(info_of(scene.process).flags, ZX_INFO_PROCESS_FLAG_STARTED);
            assert_int_equal(signals_of(scene.thread), 0);
            end(last_started().thread);
        }
        assert_int_equal(signals_of(scene.process), ZX_PROCESS_TERMINATED);
        assert_int_equal(info_of(scene.process).return_code, 0);
    }
}

/* The argument is closed between the check and the step: it is none any more. */
static void test_argument_is_on_its_way(void **state)
{
    (void)state;
    make_scene();
    struct vm_object *object;
    check_status(handle_get(scene.arg, ZX_OBJ_TYPE_VMO, 0, &object, NULL), ZX_OK, __FILE__, __LINE__);
    check_status(zx_handle_close(scene.arg), ZX_OK, __FILE__, __LINE__);
    struct handle_move move = {.value = scene.arg, .object = object};
    port_mutex_lock(&vm_machine->handle_lock);
    assert_int_equal(handle_move_locked(&move), ZX_ERR_BAD_HANDLE);
    port_mutex_unlock(&vm_machine->handle_lock);
    vm_object_release(object);
}

static void kill_caller(void *context)
{
    vm_process_kill(context);
}

/* The caller's process dies meanwhile: what comes back to it is closed. */
static void test_caller_dies_while_starting(void **state)
{
    (void)state;
    struct vm_process *caller = vm_process_create("caller"), *self = host_set_process(caller);
    zx_handle_t seen;
    make_scene();
    assert_ok(zx_handle_duplicate(scene.arg, ZX_RIGHT_SAME_RIGHTS, &seen));
    uint64_t vmos = stats_now().vmos;
    host_interrupt_thread_start(kill_caller, caller);
    host_threads_start(false);
    check_status(start_first(scene.process, scene.thread, scene.arg), ZX_ERR_NOT_SUPPORTED, __FILE__,
                 __LINE__);
    host_set_process(self);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_int_equal(stats_now().vmos, vmos - 1);
    vm_process_release(caller);
    assert_int_equal(vm_machine->thread_cache.objects, 0);
}

/* ---- Waiting ---- */

/* Of a process that nothing else works with. */
static unsigned object_refs(zx_handle_t process)
{
    struct vm_process *made;
    check_status(vm_process_from_handle(process, &made), ZX_OK, __FILE__, __LINE__);
    unsigned refs = atomic_load(&made->object.refs) - 1;
    vm_process_release(made);
    return refs;
}

struct waiter {
    zx_handle_t handle;
    zx_signals_t signals, observed;
    zx_time_t deadline;
    zx_status_t status;
    pthread_t thread;
};

static void *wait_for_it(void *context)
{
    struct waiter *waiter = context;
    waiter->status = zx_object_wait_one(waiter->handle, waiter->signals, waiter->deadline, &waiter->observed);
    return NULL;
}

static void begin_wait(struct waiter *waiter, zx_handle_t handle, zx_signals_t signals, zx_time_t deadline)
{
    *waiter = (struct waiter){.handle = handle, .signals = signals, .deadline = deadline};
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_it, waiter), 0);
}

static void end_wait(struct waiter *waiter, zx_status_t expected, zx_signals_t observed)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
    check_status(waiter->status, expected, __FILE__, __LINE__);
    assert_int_equal(waiter->observed, observed);
}

/* Whoever waits is woken by each end, whether or not it sleeps by then; its handle may be closed meanwhile. */
static void test_waiting(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        zx_handle_t process = make_process(), thread = make_thread(process), never = make_thread(process);
        struct waiter waiters[5];
        begin_wait(&waiters[0], process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE);
        begin_wait(&waiters[1], thread, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE);
        begin_wait(&waiters[2], never, ZX_THREAD_TERMINATED, zx_clock_get_monotonic() + ZX_HOUR(1));
        begin_wait(&waiters[3], thread, ZX_THREAD_RUNNING | 1, ZX_TIME_INFINITE);
        begin_wait(&waiters[4], process, 1, zx_clock_get_monotonic() + ZX_USEC(300));
        end_wait(&waiters[4], ZX_ERR_TIMED_OUT, 0);
        if (round % 2 == 0)
            (void)zx_nanosleep(zx_clock_get_monotonic() + ZX_USEC(200));
        check_status(start_first(process, thread, ZX_HANDLE_INVALID), ZX_OK, __FILE__, __LINE__);
        end_wait(&waiters[3], ZX_OK, ZX_THREAD_RUNNING);
        if (round % 3 == 0)
            check_status(zx_task_kill(process), ZX_OK, __FILE__, __LINE__);
        vm_thread_ended(last_started().thread);
        end_wait(&waiters[0], ZX_OK, ZX_PROCESS_TERMINATED);
        end_wait(&waiters[1], ZX_OK, ZX_THREAD_TERMINATED);
        end_wait(&waiters[2], ZX_OK, ZX_THREAD_TERMINATED);
        const zx_handle_t all[] = {process, thread, never};
        assert_ok(zx_handle_close_many(all, 3));
    }
}

/* The handle is closed while it waits: that does not disturb it. */
static void test_closed_while_waiting(void **state)
{
    (void)state;
    zx_handle_t process = make_process(), second = without(process, 0);
    struct waiter waiter;
    begin_wait(&waiter, second, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE);
    while (object_refs(process) < 5) /* two handles, its own, its life, the waiter */
        (void)zx_nanosleep(zx_clock_get_monotonic() + ZX_USEC(50));
    assert_ok(zx_handle_close(second));
    assert_ok(zx_task_kill(process));
    end_wait(&waiter, ZX_OK, ZX_PROCESS_TERMINATED);
}

static void spoil_observed(void *context)
{
    (void)context;
    zvm_fail_user_copy(1);
}

/* The pointer goes bad while it waits. */
static void test_pointer_goes_bad(void **state)
{
    (void)state;
    zx_handle_t process = make_process();
    zx_signals_t observed;
    host_interrupt_user_copy(3, spoil_observed, NULL);
    check_status(zx_object_wait_one(process, 1, 0, &observed), ZX_ERR_INVALID_ARGS, __FILE__, __LINE__);
    zvm_fail_user_copy(0);
}

static void *exit_thread(void *context)
{
    (void)context;
    zx_thread_exit();
}

static void test_thread_exit(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, exit_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The program's own process, killed by itself, ends the program, and not with 0. */
static void test_kill_oneself(void **state)
{
    int status;
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)zx_task_kill(zx_process_self());
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

/* ---- What the checker and the machine's stop say ---- */

#define PLANT(place, value, words) PLANT_FOR(vm_check(report_begin()), place, value, words)

static void test_damage(void **state)
{
    (void)state;
    zx_handle_t handle = make_process(), first = make_thread(handle);
    (void)make_thread(handle);
    assert_ok(start_first(handle, first, ZX_HANDLE_INVALID));
    struct vm_thread *thread = last_started().thread;
    struct vm_process *process = vm_thread_process(thread), *self = port_current_process();
    PLANT(thread->object.refs, 1, "fewer references than handles and whoever runs it");
    PLANT(thread->state, VM_THREAD_NEW, "another number of its threads runs than it counts");
    PLANT(thread->process, self, "lists a thread of another");
    PLANT(thread->process, self, "lists another number of threads than it has");
    PLANT(process->running, 7, "another number of its threads runs than it counts");
    PLANT(process->started, 0, "another number of its threads runs than it counts");
    PLANT(process->object.refs, process->object.refs - 1, "its own life and its threads");
    PLANT(process->dead, true, "new, but its process is dead");
    PLANT(vm_machine->thread_cache.objects, 7, "threads made");
    PLANT(process->aspace->refs, 2, "hold it");
    PLANT(self->started, 1, "alive, though its last thread has ended");
    end(thread);
}

static void test_stop_names_leaks(void **state)
{
    (void)state;
    struct vm_machine *before = vm_machine_select(NULL);
    struct pmm_range memory = host_memory_map(8u << 20);
    const struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    assert_non_null(vm_machine_start(&config));
    struct vm_process *process = vm_process_create("program");
    struct vm_thread *thread;
    check_status(vm_thread_create(process, "thread", &thread), ZX_OK, __FILE__, __LINE__);
    check_status(vm_thread_start(thread, ENTRY, 0, 0, 0), ZX_OK, __FILE__, __LINE__);
    vm_process_release(process);
    assert_int_equal(vm_machine_stop(report_begin()), ZX_ERR_BAD_STATE);
    assert_true(report_says("leaked: thread "));
    assert_true(report_says("leaked: 1 objects of cache thread"));
    leave_behind(process->aspace, sizeof(*process->aspace));
    leave_behind(process, sizeof(*process));
    leave_behind(thread, sizeof(*thread));
    vm_machine_select(before);
    host_memory_unmap(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUNNING_TEST(test_a_program),
        RUNNING_TEST(test_without_handles),
        RUNNING_TEST(test_handles_to_itself),
        RUNNING_TEST(test_its_last_handle_goes_along),
        RUNNING_TEST(test_the_last_thread),
        RUNNING_TEST(test_killed_while_running),
        RUNNING_TEST(test_return_codes),
        RUNNING_TEST(test_hosted),
        RUNNING_TEST(test_attach),
        RUNNING_TEST(test_misuse),
        RUNNING_TEST(test_killed_while_starting),
        RUNNING_TEST(test_closed_while_starting),
        RUNNING_TEST(test_another_started_meanwhile),
        RUNNING_TEST(test_argument_is_on_its_way),
        RUNNING_TEST(test_caller_dies_while_starting),
        RUNNING_TEST(test_waiting),
        RUNNING_TEST(test_closed_while_waiting),
        RUNNING_TEST(test_pointer_goes_bad),
        RUNNING_TEST(test_thread_exit),
        RUNNING_TEST(test_kill_oneself),
        RUNNING_TEST(test_damage),
        RUNNING_TEST(test_stop_names_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
