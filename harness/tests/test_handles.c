/* SPDX-License-Identifier: MIT */
/*
 * test_handles.c: handles and processes from inside: numbers, what happens when there are none left, what
 * dies with what; and that handle_check sees what it is there to see. What the calls answer is in the
 * conformance suite.
 */
#include <stdlib.h>

#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"
#include "plant.h"

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

/* ---- Handles ---- */

/* The whole array is read before the first of it is closed: here by the first four copies. */
static void test_close_many_reads_first(void **state)
{
    (void)state;
    enum { MANY = 200 };
    zx_handle_t handles[MANY];
    for (unsigned i = 0; i < MANY; i++)
        handles[i] = make_vmo(PAGE, 0);
    for (unsigned nth = 1; nth <= 4; nth++) {
        zvm_fail_user_copy(nth);
        assert_refused(zx_handle_close_many(handles, MANY), ZX_ERR_INVALID_ARGS);
        zvm_fail_user_copy(0);
    }
    assert_ok(zx_handle_close_many(handles, MANY));
    assert_int_equal(stats_now().vmos, 0);
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

/* ---- The job, random numbers ---- */

/* Each process has a handle of its own to the one job. */
static void test_job(void **state)
{
    (void)state;
    zx_handle_t job = zx_job_default(), process, root;
    assert_int_equal(basic(job).koid, VM_JOB_KOID);
    assert_ok(zx_process_create(job, "p", 1, 0, &process, &root));
    struct vm_process *made = process_of(process), *before = host_set_process(made);
    assert_refused(zx_handle_close(job), ZX_ERR_BAD_HANDLE);
    zx_handle_t theirs = zx_job_default();
    assert_int_equal(basic(theirs).type, ZX_OBJ_TYPE_JOB);
    assert_int_equal(basic(theirs).koid, VM_JOB_KOID);
    host_set_process(before);
    vm_process_release(made);
    assert_ok(zx_handle_close(process));
    assert_int_equal(zx_job_default(), job);
    assert_int_equal(basic(job).koid, VM_JOB_KOID);
}

/* A buffer is filled up to where it cannot be written; another machine of the same seed gives the same. */
static void test_cprng(void **state)
{
    (void)state;
    static const struct zvm_config config = {.memory_bytes = 64u << 20};
    unsigned char first[300], second[300] = {0};
    zx_cprng_draw(first, sizeof(first));
    zvm_fail_user_copy(2);
    zx_cprng_draw(second, sizeof(second));
    zvm_fail_user_copy(0);
    assert_memory_not_equal(second, (unsigned char[64]){0}, 64);
    for (unsigned i = 64; i < sizeof(second); i++)
        assert_int_equal(second[i], 0);
    assert_int_equal(zvm_stop(), ZX_OK);
    assert_int_equal(zvm_start(&config), ZX_OK);
    zx_cprng_draw(second, sizeof(second));
    assert_memory_equal(first, second, sizeof(first));
}

/* ---- Processes ---- */

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

/* A process that the host kills while there are handles to it. */
static void test_calls_on_the_dead(void **state)
{
    (void)state;
    zx_handle_t process, root;
    char buffer[8];
    size_t actual = 77;
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    zx_handle_t weak = without(process, ZX_RIGHT_WRITE);
    struct vm_process *killed = process_of(process);
    vm_process_kill(killed);
    vm_process_release(killed);
    assert_refused(zx_object_get_info(process, ZX_INFO_TASK_STATS, NULL, 0, NULL, NULL), ZX_ERR_BAD_STATE);
    assert_refused(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, NULL, 0, NULL, NULL), ZX_ERR_BAD_STATE);
    assert_refused(zx_process_read_memory(process, 0, NULL, 1, &actual), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_read_memory(weak, 0, buffer, 1, &actual), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_process_write_memory(weak, 0, buffer, 1, &actual), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_process_read_memory(process, 0, BAD_POINTER, 1, NULL), ZX_ERR_BAD_STATE);
    assert_refused(zx_process_write_memory(process, 0, BAD_POINTER, 1, NULL), ZX_ERR_BAD_STATE);
    assert_int_equal(actual, 77);
    /* What there is beside its space can be asked and set still. */
    zx_info_handle_count_t count = {0};
    assert_ok(zx_object_get_info(process, ZX_INFO_HANDLE_COUNT, &count, sizeof(count), NULL, NULL));
    assert_int_equal(count.handle_count, 2);
    assert_ok(zx_object_set_property(process, ZX_PROP_NAME, "dead", 4));
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

/* A slot that was reserved and forgotten; a handle that is another process's, or has no number. */
static void test_check_says_what(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0);
    struct vm_process *self = port_current_process(), *other = vm_process_create("other");
    struct vm_handle *handle = container_of(self->handles.prev, struct vm_handle, node), *reserved;
    assert_int_equal(handle_value(handle), vmo);
#define PLANT(place, value, words) PLANT_FOR(handle_check(report_begin()), place, value, words)
    PLANT(handle->process, other, "on its list is not its own");
    PLANT(handle->serial, handle->serial | 1u << 31, "misplaced, or of a dead process");
    assert_int_equal(handle_reserve(self, &reserved), ZX_OK);
    assert_false(handle_check(report_begin()));
    assert_true(report_says("reserved and forgotten"));
    handle_unreserve(reserved);
    assert_ok(zx_handle_close(vmo));
    vm_process_kill(other);
    vm_process_release(other);
}

/* No number is a handle before it is published, nor one of another process that was guessed. */
static void test_guessed_numbers(void **state)
{
    (void)state;
    struct vm_process *self = port_current_process(), *other = vm_process_create("other");
    struct vm_handle *reserved, *theirs = container_of(other->handles.prev, struct vm_handle, node);
    assert_int_equal(handle_reserve(self, &reserved), ZX_OK);
    assert_int_equal(zx_handle_close(handle_value(reserved)), ZX_ERR_BAD_HANDLE);
    handle_unreserve(reserved);
    zx_handle_t guess = handle_value(theirs) ^ (other->secret ^ self->secret) << 2;
    assert_refused(zx_handle_close(guess), ZX_ERR_BAD_HANDLE);
    vm_process_kill(other);
    vm_process_release(other);
}

/* An object of a type that has no name, were there a handle that lets ask for it. */
static void test_nameless(void **state)
{
    (void)state;
    struct vm_handle *handle;
    struct vm_object *root;
    char name[ZX_MAX_NAME_LEN];
    assert_int_equal(handle_get(zx_vmar_root_self(), ZX_OBJ_TYPE_VMAR, 0, &root, NULL), ZX_OK);
    assert_int_equal(handle_reserve(port_current_process(), &handle), ZX_OK);
    zx_handle_t value = handle_value(handle);
    handle_publish(handle, root, ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY);
    assert_refused(zx_object_get_property(value, ZX_PROP_NAME, name, sizeof(name)), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_object_set_property(value, ZX_PROP_NAME, "name", 4), ZX_ERR_WRONG_TYPE);
    assert_ok(zx_handle_close(value));
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

/* The report names what leaked, whatever it is. */
static void test_stop_names_leaks(void **state)
{
    (void)state;
    struct pmm_range memory = host_memory_map(1u << 20);
    struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    struct vm_machine *before = vm_machine_select(NULL);
    struct vm_handle *handle;
    struct vm_vmo *vmo;
    assert_non_null(vm_machine_start(&config));
    struct vm_process *process = vm_process_create("killed");
    struct vm_aspace *aspace = vm_process_aspace(process);
    struct vm_vmar *root = vm_aspace_root_vmar(aspace);
    assert_int_equal(handle_reserve(process, &handle), ZX_OK);
    assert_int_equal(vmo_create(PAGE, false, &vmo), ZX_OK);
    vm_object_acquire(&vm_machine->job.object);
    vm_process_kill(process);
    vm_process_release(process);
    vmo->object.type = 99;
    void *slots = vm_machine->handles.root;
    assert_int_equal(vm_machine_stop(report_begin()), ZX_ERR_BAD_STATE);
    assert_true(report_says("leaked: vmar ") && report_says("leaked: job ") &&
                report_says("leaked: object of unknown type ") &&
                report_says("leaked: address space 'killed'") && report_says("leaked: 1 handles"));
    leave_behind(vmo, sizeof(*vmo));
    leave_behind(root, sizeof(*root));
    leave_behind(aspace, sizeof(*aspace));
    leave_behind(handle, sizeof(*handle));
    leave_behind(slots, (2 + 64) * sizeof(uint64_t)); /* a node of page_list.c */
    vm_machine_select(before);
    host_memory_unmap(memory);
}

/* A unified space that nobody destroyed goes before what it shows. */
static void test_stop_with_a_unified_space(void **state)
{
    (void)state;
    struct pmm_range memory = host_memory_map(1u << 20);
    struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    struct vm_machine *before = vm_machine_select(NULL);
    assert_non_null(vm_machine_start(&config));
    struct vm_aspace *restricted = vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE,
                                                          VM_ASPACE_USER, "low", VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *shared = vm_aspace_create_range(VM_SHARED_ASPACE_BASE, 1u << 30, VM_ASPACE_USER, "high",
                                                      VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *unified = vm_aspace_create_unified(shared, restricted, "both");
    assert_non_null(unified);
    assert_int_equal(vm_machine_stop(report_begin()), ZX_ERR_BAD_STATE);
    assert_true(report_says("leaked: address space 'both', 1 references"));
    assert_null(strstr(report.text, "MMU"));
    leave_behind(restricted, sizeof(*restricted));
    leave_behind(shared, sizeof(*shared));
    leave_behind(unified, sizeof(*unified));
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
        TEST(test_close_many_reads_first),
        TEST(test_numbers_are_not_reused),
        TEST(test_all_handles_in_use),
        TEST(test_job),
        TEST(test_cprng),
        TEST(test_process_tables_are_apart),
        TEST(test_process_does_not_keep_itself),
        TEST(test_process_chain),
        TEST(test_process_dies_while_making),
        TEST(test_calls_on_the_dead),
        TEST(test_check_sees),
        TEST(test_check_says_what),
        TEST(test_guessed_numbers),
        TEST(test_nameless),
        TEST(test_stop_reports_leaks),
        TEST(test_stop_names_leaks),
        TEST(test_stop_with_a_unified_space),
        TEST(test_start_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
