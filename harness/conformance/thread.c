/* SPDX-License-Identifier: MIT */
/* thread.c: zx_thread_create, zx_thread_start; what becomes of threads that never run. */
#include "matrix.h"

#define PAGE  ZX_PAGE_SIZE
#define ENTRY ((zx_vaddr_t)16 << 20)

/* ---- zx_thread_create ---- */

static struct {
    zx_handle_t process;
    const char *name;
    size_t name_size;
    uint32_t options;
    zx_handle_t *out;
} args;

static zx_handle_t process, closed, wrong, denied, dead, thread;

static void good(void)
{
    args.process = process;
    args.name = "name";
    args.name_size = 4;
    args.options = 0;
    args.out = &thread;
}

static void begin(void)
{
    zx_handle_t root;
    process = make_process(&root);
    closed = closed_handle();
    wrong = make_vmo(PAGE, 0);
    denied = without(process, ZX_RIGHT_MANAGE_THREAD);
    dead = make_process(&root);
    STATUS(ZX_OK, zx_task_kill(dead));
    good();
}

/* A refusal leaves the result alone, too. */
static zx_status_t call(void)
{
    zx_handle_t before = thread;
    zx_status_t status = zx_thread_create(args.process, args.name, args.name_size, args.options, args.out);
    CHECK(status == ZX_OK || thread == before);
    return status;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options = 1;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.name = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.process = closed;
        return ZX_ERR_BAD_HANDLE;
    case 3:
        args.process = wrong;
        return ZX_ERR_WRONG_TYPE;
    case 4:
        args.process = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 5:
        args.process = dead;
        return ZX_ERR_BAD_STATE;
    case 6:
        return no_memory();
    case 7:
        args.out = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

/* Nothing is kept of the thread that was made. */
static zx_status_t call_on(zx_handle_t handle)
{
    args.process = handle;
    zx_status_t status = call();
    if (status == ZX_OK)
        STATUS(ZX_OK, zx_handle_close(thread));
    return status;
}

TEST(create_errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil, call});
    good();
    check_handles(call_on, process, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_MANAGE_THREAD);
    args.process = process;
    args.out = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

TEST(create_options)
{
    begin();
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++) {
            args.options = 1u << first | 1u << second;
            REFUSED(ZX_ERR_INVALID_ARGS, call());
        }
    args.options = UINT32_MAX;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    args.options = 0;
    REFUSED(ZX_OK, call_on(process)); /* and nothing is left of it */
}

/* Cut at 31 bytes; no more of it is looked at. It can be set later. */
TEST(names)
{
    static const char name[] = "a name that is longer than what there is room for";
    const size_t sizes[] = {0, 1, 4, 30, 31, 32, 33, PAGE, (size_t)1 << 47, SIZE_MAX};
    char told[ZX_MAX_NAME_LEN];
    begin();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t length = sizes[i] < 31 ? sizes[i] : 31;
        args.name = name;
        args.name_size = sizes[i];
        OK(call());
        STATUS(ZX_OK, zx_object_get_property(thread, ZX_PROP_NAME, told, sizeof(told)));
        CHECK(same_bytes(told, name, length) && all_bytes(told + length, 0, sizeof(told) - length));
        args.name = BAD_POINTER;
        if (sizes[i] == 0)
            OK(call());
        else
            REFUSED(ZX_ERR_INVALID_ARGS, call());
    }
    OK(zx_object_set_property(thread, ZX_PROP_NAME, "a\0b", 3));
    OK(zx_object_get_property(thread, ZX_PROP_NAME, told, sizeof(told)));
    CHECK(told[0] == 'a' && all_bytes(told + 1, 0, sizeof(told) - 1));
}

TEST(create_makes)
{
    begin();
    OK(call());
    zx_info_handle_basic_t basic = basic_of(thread);
    CHECK_EQUAL(basic.type, ZX_OBJ_TYPE_THREAD);
    CHECK_EQUAL(basic.rights, ZX_DEFAULT_THREAD_RIGHTS);
    CHECK_EQUAL(basic.related_koid, basic_of(process).koid);
    CHECK(basic.koid != basic.related_koid && basic.koid >= ZX_KOID_FIRST);
    CHECK_EQUAL(handle_count_of(thread), 1);
    CHECK_EQUAL(signals_of(thread), ZX_SIGNAL_NONE);
    /* One of the own process, and several of one. */
    zx_handle_t first = thread;
    args.process = zx_process_self();
    OK(call());
    CHECK_EQUAL(basic_of(thread).related_koid, basic_of(zx_process_self()).koid);
    CHECK(basic_of(thread).koid != basic_of(first).koid);
}

/* A thread that never ran dies with its process; handles to it stay valid, and so does what can be learned. */
TEST(a_thread_dies_with_its_process)
{
    begin();
    OK(call());
    zx_koid_t koid = basic_of(process).koid;
    OK_ONCE(zx_handle_close(denied));
    OK_ONCE(zx_handle_close(process));
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_TERMINATED);
    CHECK_EQUAL(basic_of(thread).related_koid, koid);
    REFUSED(ZX_ERR_BAD_STATE, zx_thread_start(thread, ENTRY, 0, 0, 0));
    OK_ONCE(zx_handle_close(thread));
}

/* It goes with its last handle, and does not keep its process. */
TEST(a_thread_does_not_keep_its_process)
{
    zx_handle_t root;
    begin();
    OK_ONCE(zx_handle_close(denied));
    zx_handle_t vmo = make_vmo(PAGE, 0);
    process = make_process(&root);
    (void)map_at(root, ZX_VM_PERM_READ, 0, vmo, 0, 1);
    good();
    OK(call());
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 1);
    OK_ONCE(zx_handle_close(process));
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 0);
    OK_ONCE(zx_handle_close(thread));
}

/* ---- zx_thread_start ---- */

static struct {
    zx_handle_t handle;
    zx_vaddr_t entry, stack;
} start;

static void good_start(void)
{
    start.handle = thread;
    start.entry = ENTRY;
    start.stack = 0;
}

static zx_status_t call_start(void)
{
    return zx_thread_start(start.handle, start.entry, start.stack, 1, 2);
}

/* Its process was not started: that is the last thing to be found. */
static zx_status_t call_start_in_vain(void)
{
    zx_status_t status = call_start();
    return status == ZX_ERR_BAD_STATE ? ZX_OK : status;
}

static zx_status_t start_on(zx_handle_t handle)
{
    start.handle = handle;
    return call_start_in_vain();
}

static zx_status_t spoil_start(unsigned nth)
{
    switch (nth) {
    case 0:
        start.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        start.handle = wrong;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        start.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        start.entry = (zx_vaddr_t)1 << 63;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        start.stack = (zx_vaddr_t)1 << 63;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

TEST(start_errors_in_order)
{
    begin();
    OK(call());
    denied = without(thread, ZX_RIGHT_MANAGE_THREAD);
    check_errors(&(const struct errors){good_start, spoil_start, call_start_in_vain});
    good_start();
    check_handles(start_on, thread, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_MANAGE_THREAD);
    good_start();
    REFUSED(ZX_ERR_BAD_STATE, call_start());
}

/* Entry and stack are addresses of user space, whatever is there; a stack may begin at its end. */
TEST(entries)
{
    const zx_vaddr_t own = vmar_info_of(zx_vmar_root_self()).base,
                     end = own + vmar_info_of(zx_vmar_root_self()).len;
    const zx_vaddr_t fine[] = {0, 1, own - 1, own, end - 1};
    const zx_vaddr_t bad[] = {end, (zx_vaddr_t)1 << 47, (zx_vaddr_t)1 << 63, UINT64_MAX};
    begin();
    OK(call());
    good_start();
    for (unsigned i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        start.entry = fine[i];
        REFUSED(ZX_ERR_BAD_STATE, call_start());
        start.stack = fine[i];
        REFUSED(ZX_ERR_BAD_STATE, call_start());
    }
    start.stack = end;
    REFUSED(ZX_ERR_BAD_STATE, call_start());
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        good_start();
        start.entry = bad[i];
        REFUSED(ZX_ERR_INVALID_ARGS, call_start());
        good_start();
        start.stack = bad[i] + 1 != 0 ? bad[i] + 1 : bad[i];
        REFUSED(ZX_ERR_INVALID_ARGS, call_start());
    }
}

/* ---- Where programs run: what they do changes the state meanwhile; all of them are ended ---- */

TEST(further_threads)
{
    if (!conformance_runs_programs())
        return;
    begin();
    zx_handle_t first, second;
    zx_handle_t spinner = start_spinner(&first);
    args.process = spinner;
    OK(call());
    second = thread;
    STATUS(ZX_ERR_BAD_STATE, zx_thread_start(first, ENTRY, 0, 0, 0));
    STATUS(ZX_OK, zx_thread_start(second, SPINNER_ENTRY, 0, 0, 0));
    CHECK_EQUAL(signals_of(second), ZX_THREAD_RUNNING);
    STATUS(ZX_ERR_BAD_STATE, zx_thread_start(second, SPINNER_ENTRY, 0, 0, 0));
    STATUS(ZX_OK, zx_task_kill(spinner));
    STATUS(ZX_OK, zx_object_wait_one(first, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL));
    STATUS(ZX_OK, zx_object_wait_one(second, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL));
    STATUS(ZX_OK, zx_object_wait_one(spinner, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
    CHECK_EQUAL(signals_of(first), ZX_THREAD_TERMINATED);
}

const struct conformance_test thread_tests[] = {CASE(create_errors_in_order),
                                                CASE(create_options),
                                                CASE(names),
                                                CASE(create_makes),
                                                CASE(a_thread_dies_with_its_process),
                                                CASE(a_thread_does_not_keep_its_process),
                                                CASE(start_errors_in_order),
                                                CASE(entries),
                                                CASE(further_threads),
                                                NO_MORE_CASES};
