/* SPDX-License-Identifier: MIT */
/* process.c: zx_process_create, zx_task_kill; zx_process_self, zx_vmar_root_self, zx_job_default. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE

static struct {
    zx_handle_t job;
    const char *name;
    size_t name_size;
    uint32_t options;
    zx_handle_t *process, *vmar;
} args;

static zx_handle_t job, closed, wrong, denied, process, root;

static void good(void)
{
    args.job = job;
    args.name = "name";
    args.name_size = 4;
    args.options = 0;
    args.process = &process;
    args.vmar = &root;
}

static void begin(void)
{
    job = zx_job_default();
    closed = closed_handle();
    wrong = make_vmo(PAGE, 0);
    denied = without(job, ZX_RIGHT_MANAGE_PROCESS);
    good();
}

/* A refusal leaves the results alone, too. */
static zx_status_t call(void)
{
    zx_handle_t before = process, root_before = root;
    zx_status_t status =
        zx_process_create(args.job, args.name, args.name_size, args.options, args.process, args.vmar);
    CHECK(status == ZX_OK || (process == before && root == root_before));
    return status;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options = 2;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.name = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.job = closed;
        return ZX_ERR_BAD_HANDLE;
    case 3:
        args.job = wrong;
        return ZX_ERR_WRONG_TYPE;
    case 4:
        args.job = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 5:
        return no_memory();
    case 6:
        args.process = NULL;
        return ZX_ERR_INVALID_ARGS;
    case 7:
        args.vmar = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

/* Nothing is kept of the process that was made. */
static zx_status_t call_on(zx_handle_t handle)
{
    args.job = handle;
    zx_status_t status = call();
    if (status == ZX_OK) {
        STATUS(ZX_OK, zx_handle_close(process));
        STATUS(ZX_OK, zx_handle_close(root));
    }
    return status;
}

TEST(create_errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil, call});
    good();
    check_wrong_types(call_on, ZX_OBJ_TYPE_JOB);
    check_rights(call_on, job, ZX_RIGHT_MANAGE_PROCESS);
    for (zx_handle_t none = 1; none < 4; none++) /* but 0 is the job */
        REFUSED(ZX_ERR_BAD_HANDLE, call_on(none));
    REFUSED(ZX_ERR_BAD_HANDLE, call_on(UINT32_MAX));
    REFUSED(ZX_ERR_BAD_HANDLE, call_on(job & ~ZX_HANDLE_FIXED_BITS_MASK));
    /* One that is made and goes again leaves no trace. */
    REFUSED(ZX_OK, call_on(ZX_HANDLE_INVALID));
    REFUSED(ZX_OK, call_on(job));
}

TEST(create_options)
{
    begin();
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++) {
            args.options = 1u << first | 1u << second;
            if (args.options == ZX_PROCESS_SHARED)
                REFUSED(ZX_OK, call_on(job)); /* and nothing is left of it */
            else
                REFUSED(ZX_ERR_INVALID_ARGS, call());
        }
    args.options = UINT32_MAX;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

TEST(create_results)
{
    begin();
    args.process = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    good();
    args.vmar = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    args.process = BAD_POINTER;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
    good();
    OK(call());
}

/* Cut at 31 bytes; no more of it is looked at. */
TEST(create_names)
{
    static const char name[] = "a name that is longer than what there is room for";
    const size_t sizes[] = {0, 1, 4, 30, 31, 32, 33, PAGE - 1, PAGE, (size_t)1 << 47, SIZE_MAX};
    begin();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char told[ZX_MAX_NAME_LEN];
        size_t length = sizes[i] < 31 ? sizes[i] : 31;
        args.name = name;
        args.name_size = sizes[i];
        OK(call());
        STATUS(ZX_OK, zx_object_get_property(process, ZX_PROP_NAME, told, sizeof(told)));
        CHECK(same_bytes(told, name, length) && all_bytes(told + length, 0, sizeof(told) - length));
        args.name = BAD_POINTER;
        if (sizes[i] == 0)
            OK(call());
        else
            REFUSED(ZX_ERR_INVALID_ARGS, call());
    }
}

TEST(create_makes)
{
    begin();
    OK(call());
    zx_info_handle_basic_t of_process = basic_of(process), of_root = basic_of(root);
    zx_info_vmar_t place = vmar_info_of(root), own = vmar_info_of(zx_vmar_root_self());
    CHECK_EQUAL(of_process.type, ZX_OBJ_TYPE_PROCESS);
    CHECK_EQUAL(of_process.rights, ZX_DEFAULT_PROCESS_RIGHTS);
    CHECK_EQUAL(of_root.type, ZX_OBJ_TYPE_VMAR);
    CHECK_EQUAL(of_root.rights, ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    CHECK(of_process.koid != of_root.koid && of_process.koid != basic_of(zx_process_self()).koid &&
          of_root.koid != basic_of(zx_vmar_root_self()).koid);
    CHECK_EQUAL(place.base, own.base);
    CHECK_EQUAL(place.len, own.len);
    /* A space of its own, in which the parent may map. */
    zx_vaddr_t here;
    char byte;
    zx_handle_t vmo = make_vmo(PAGE, 0);
    (void)make_vmar(0, 1, &here);
    CHECK_EQUAL(map_at(root, ZX_VM_PERM_READ, here - place.base, vmo, 0, 1), here);
    REFUSED(ZX_ERR_NOT_FOUND, access_read(here, &byte, 1));
    CHECK_EQUAL(vmo_info_of(vmo).share_count, 1);
}

/* It dies of its last handle; its root VMAR is then dead, whoever has a handle to that. */
TEST(a_process_dies_of_its_last_handle)
{
    zx_vaddr_t base;
    zx_handle_t child;
    begin();
    OK(call());
    zx_handle_t vmo = make_vmo(PAGE, 0), second = with_rights(process, ZX_RIGHT_NONE);
    (void)map_at(root, ZX_VM_PERM_READ, 0, vmo, 0, 1);
    OK_ONCE(zx_handle_close(process));
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 1);
    OK_ONCE(zx_handle_close(second));
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 0);
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(root, 0, 0, PAGE, &child, &base));
    CHECK_EQUAL(handle_count_of(root), 1);
    OK_ONCE(zx_handle_close(root));
}

/* ---- zx_task_kill, ZX_INFO_PROCESS ---- */

TEST(kill_refusals)
{
    zx_handle_t other_root, victim = make_process(&other_root);
    begin();
    check_bad_handles(zx_task_kill);
    zx_handle_t weak = without(victim, ZX_RIGHT_DESTROY), thread = make_thread(victim);
    zx_handle_t weak_thread = without(thread, ZX_RIGHT_DESTROY), weak_job = without(job, ZX_RIGHT_DESTROY);
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_task_kill(weak));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_task_kill(wrong)); /* a VMO: no handle to one has the right */
    REFUSED(ZX_ERR_WRONG_TYPE, zx_task_kill(thread));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_task_kill(weak_thread));
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_task_kill(job));
    REFUSED(ZX_ERR_ACCESS_DENIED, zx_task_kill(weak_job));
    check_rights(zx_task_kill, victim, ZX_RIGHT_DESTROY); /* again and again: it is dead already */
}

TEST(kill)
{
    zx_vaddr_t base;
    zx_handle_t child;
    begin();
    OK(call());
    zx_handle_t vmo = make_vmo(PAGE, 0), thread = make_thread(process);
    (void)map_at(root, ZX_VM_PERM_READ, 0, vmo, 0, 1);
    zx_info_process_t info = process_info_of(process);
    CHECK(info.return_code == 0 && info.start_time == 0 && info.flags == 0);
    OK_ONCE(zx_task_kill(with_rights(process, ZX_RIGHT_DESTROY)));
    info = process_info_of(process);
    CHECK_EQUAL(info.return_code, ZX_TASK_RETCODE_SYSCALL_KILL);
    CHECK_EQUAL(info.flags, ZX_INFO_PROCESS_FLAG_EXITED);
    CHECK_EQUAL(info.start_time, 0);
    CHECK(all_bytes((const char *)info.padding1, 0, sizeof(info.padding1)));
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 0);
    CHECK_EQUAL(signals_of(process), ZX_PROCESS_TERMINATED);
    CHECK_EQUAL(signals_of(thread), ZX_THREAD_TERMINATED);
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(root, 0, 0, PAGE, &child, &base));
    REFUSED(ZX_OK, zx_task_kill(process));
    CHECK_EQUAL(process_info_of(zx_process_self()).flags & ZX_INFO_PROCESS_FLAG_EXITED, 0);
}

/* ---- What every process has ---- */

TEST(self)
{
    CHECK_EQUAL(basic_of(zx_process_self()).type, ZX_OBJ_TYPE_PROCESS);
    CHECK_EQUAL(basic_of(zx_process_self()).rights, ZX_DEFAULT_PROCESS_RIGHTS);
    CHECK_EQUAL(basic_of(zx_vmar_root_self()).type, ZX_OBJ_TYPE_VMAR);
    CHECK_EQUAL(basic_of(zx_vmar_root_self()).rights, ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
    CHECK_EQUAL(zx_process_self(), zx_process_self());
    CHECK_EQUAL(zx_vmar_root_self(), zx_vmar_root_self());
}

/* Its handle is made when it is first asked for, and is a handle like others: the number stays what it
   was. */
TEST(default_job)
{
    if (conformance_fail_allocation(1, true)) {
        CHECK_EQUAL(zx_job_default(), ZX_HANDLE_INVALID);
        (void)conformance_fail_allocation(0, false);
    }
    job = zx_job_default();
    CHECK_EQUAL(basic_of(job).type, ZX_OBJ_TYPE_JOB);
    CHECK_EQUAL(basic_of(job).rights, ZX_DEFAULT_JOB_RIGHTS);
    CHECK(basic_of(job).koid > ZX_KOID_KERNEL && basic_of(job).koid < ZX_KOID_FIRST);
    CHECK_EQUAL(handle_count_of(job), 1);
    CHECK_EQUAL(zx_job_default(), job);
    CHECK_EQUAL(handle_count_of(job), 1);
    zx_handle_t second = without(job, ZX_RIGHT_NONE);
    OK_ONCE(zx_handle_close(job));
    CHECK_EQUAL(zx_job_default(), job);
    REFUSED(ZX_ERR_BAD_HANDLE, zx_handle_close(job));
    CHECK_EQUAL(handle_count_of(second), 1);
    REFUSED(ZX_ERR_WRONG_TYPE, zx_vmar_destroy(second));
}

const struct conformance_test process_tests[] = {CASE(create_errors_in_order),
                                                 CASE(create_options),
                                                 CASE(create_results),
                                                 CASE(create_names),
                                                 CASE(create_makes),
                                                 CASE(a_process_dies_of_its_last_handle),
                                                 CASE(kill_refusals),
                                                 CASE(kill),
                                                 CASE(self),
                                                 CASE(default_job),
                                                 NO_MORE_CASES};
