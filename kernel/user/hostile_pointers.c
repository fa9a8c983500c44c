/* SPDX-License-Identifier: MIT */
/*
 * hostile_pointers.c: every pointer that a call takes, bad in every way that there is; and every number that no call has.
 *
 * The calls and their arguments are those of kernel/calls.list. What is no pointer is chosen by type and name so that the call
 * would succeed; a short list corrects what that does not get right. With good pointers the call is made once, then with each
 * pointer bad in turn: where it succeeded it must answer INVALID_ARGS, and where it was refused, the same or that. A new
 * call is covered as soon as it is in the list; if the choice does not make it succeed, the test says so, and
 * the list below wants a line.
 */
#include "calls.h"
#include "hostile.h"
#include "zvm.h"

#define SIZE 16 /* of what a size speaks of, unless a page is meant */

static zx_vaddr_t good, read_only, nothing_allowed, beyond_vmo, edge, read_only_edge, unmapped;
static zx_handle_t vmar, vmo, process, sharing, thread;
static struct program_thread sleeper;

/* ---- Arguments that are no pointers ---- */

static const struct choice {
    const char *call, *argument;
    uint64_t value;
} choices[] = {
    {"zx_vmar_map", "len", PAGE},
    {"zx_vmar_op_range", "op", ZX_VMAR_OP_COMMIT},
    {"zx_vmar_op_range", "buffer_size", 0},
    {"zx_vmo_op_range", "op", ZX_VMO_OP_COMMIT},
    {"zx_vmo_op_range", "buffer_size", 0},
    {"zx_vmo_create_child", "options", ZX_VMO_CHILD_SNAPSHOT},
    {"zx_object_get_info", "topic", ZX_INFO_HANDLE_BASIC},
    {"zx_object_get_info", "buffer_size", sizeof(zx_info_handle_basic_t)},
    {"zx_object_get_property", "property", ZX_PROP_NAME},
    {"zx_object_get_property", "value_size", ZX_MAX_NAME_LEN},
    {"zx_object_set_property", "property", ZX_PROP_NAME},
    {"zx_object_wait_one", "signals", ZX_THREAD_RUNNING},
    {"zx_handle_duplicate", "rights", ZX_RIGHT_SAME_RIGHTS},
    {"zx_handle_replace", "rights", ZX_RIGHT_SAME_RIGHTS},
};

static zx_handle_t fresh(zx_handle_t handle)
{
    zx_handle_t made;
    return CHECK_STATUS(ZX_OK, zx_handle_duplicate(handle, ZX_RIGHT_SAME_RIGHTS, &made)) ? made : 0;
}

/* A new handle, which the call may take. */
static zx_handle_t choose_handle(const struct call *call, unsigned nth)
{
    const char *names[] = {"parent", "vmar", "vmo", "process", "shared_proc", "thread"};
    const zx_handle_t all[] = {vmar, vmar, vmo, process, sharing, thread};
    for (unsigned i = 0; i < 6; i++)
        if (call_has_name(call, nth, names[i]))
            return fresh(all[i]);
    if (!call_has_name(call, nth, "handle"))
        return ZX_HANDLE_INVALID;
    if (text_after(call->name, "zx_vmar_") != NULL)
        return fresh(vmar);
    if (text_after(call->name, "zx_process_") != NULL)
        return fresh(process);
    if (text_after(call->name, "zx_thread_") != NULL || text_equal(call->name, "zx_object_wait_one"))
        return fresh(thread);
    return fresh(vmo);
}

static uint64_t choose(const struct call *call, unsigned nth)
{
    for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        if (text_equal(call->name, choices[i].call) && call_has_name(call, nth, choices[i].argument))
            return choices[i].value;
    if (call_has_type(call, nth, "zx_handle_t") && !call_is_pointer(call, nth))
        return choose_handle(call, nth);
    if (call_has_type(call, nth, "zx_vaddr_t"))
        return good;
    if (call_has_name(call, nth, "size") || call_has_name(call, nth, "len"))
        return PAGE;
    if (call_has_name(call, nth, "num_handles"))
        return 2;
    return call_has_type(call, nth, "size_t") && !call_has_name(call, nth, "vmar_offset") &&
                   !call_has_name(call, nth, "offset")
               ? SIZE
               : 0;
}

/* Null is what this one is told where the caller wants nothing. */
static bool may_be_null(const struct call *call, unsigned nth)
{
    return (text_equal(call->name, "zx_object_get_info") &&
            (call_has_name(call, nth, "actual") || call_has_name(call, nth, "avail"))) ||
           (text_equal(call->name, "zx_object_wait_one") && call_has_name(call, nth, "observed"));
}

/* This one must be null. */
static bool must_be_null(const struct call *call, unsigned nth)
{
    return call_has_name(call, nth, "buffer") &&
           (text_equal(call->name, "zx_vmar_op_range") || text_equal(call->name, "zx_vmo_op_range"));
}

/* ---- Making the calls ---- */

struct attempt {
    uint64_t arguments[CALL_ARGUMENTS];
    zx_status_t status;
};

static void make(const struct call *call, struct attempt *attempt, int bad, zx_vaddr_t pointer)
{
    static zx_handle_t taken[2];
    memset((void *)good, '\n', PAGE); /* some of it is printed */
    for (unsigned i = 0; i < call->argument_count; i++) {
        attempt->arguments[i] = !call_is_pointer(call, i) ? choose(call, i)
                                : must_be_null(call, i)   ? 0
                                                          : good + 64 * i;
        if ((int)i == bad)
            attempt->arguments[i] = pointer;
    }
    if (text_equal(call->name, "zx_handle_close_many"))
        for (unsigned i = 0; i < 2; i++)
            taken[i] = ((zx_handle_t *)good)[i] = fresh(vmo);
    attempt->status = (zx_status_t)call_raw(call->number, attempt->arguments);
    for (unsigned i = 0; i < call->argument_count; i++) {
        if (!call_has_type(call, i, "zx_handle_t"))
            continue;
        zx_handle_t handle = call_is_pointer(call, i)
                                 ? ((int)i == bad ? 0 : *(zx_handle_t *)attempt->arguments[i])
                                 : (zx_handle_t)attempt->arguments[i];
        if (attempt->status == ZX_OK || !call_is_pointer(call, i))
            (void)zx_handle_close(handle);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (taken[i] != 0)
            (void)zx_handle_close(taken[i]);
        taken[i] = 0;
    }
}

/* Calls that do not come back, or are not to be made here. */
static bool is_left_out(const struct call *call)
{
    return text_equal(call->name, "zx_process_exit") || text_equal(call->name, "zx_thread_exit");
}

static const struct bad {
    const char *what;
    const zx_vaddr_t *where; /* or null: `value` */
    zx_vaddr_t value;
    bool readable;
} bads[] = {
    {"null", NULL, 0, false},
    {"the first page", NULL, 8, false},
    {"below user space", NULL, 0xfffff8, false},
    {"the end of user space", NULL, 0x00007ffffffff000, false},
    {"the last canonical page", NULL, 0x00007ffffffffff8, false},
    {"not canonical", NULL, 0x0000800000000000, false},
    {"not canonical, high", NULL, 0xffff7ffffffffff8, false},
    {"the direct map", NULL, 0xffff800000100000, false},
    {"the window", NULL, 0xffffff0000000000, false},
    {"the window's data", NULL, 0xffffff0000001000, false},
    {"the kernel's space", NULL, 0xffffff8000000000, false},
    {"the kernel's buffers", NULL, 0xffffffc000000000, false},
    {"the kernel", NULL, 0xffffffff80100000, false},
    {"the last bytes", NULL, 0xfffffffffffffff8, false},
    {"the last byte", NULL, 0xffffffffffffffff, false},
    {"unmapped", &unmapped, 0, false},
    {"nothing allowed", &nothing_allowed, 0, false},
    {"past the end of its VMO", &beyond_vmo, 0, false},
    {"its end unmapped", &edge, 0, false},
    {"its end read-only", &read_only_edge, 0, true},
    {"read-only", &read_only, 0, true},
};

static void try_bad(const struct call *call, unsigned nth, const struct bad *bad, zx_status_t usual)
{
    struct attempt attempt = {{0}, ZX_OK};
    zx_vaddr_t pointer = bad->where != NULL ? *bad->where : bad->value;
    bool input = call_is_input(call, nth), fine;
    make(call, &attempt, (int)nth, pointer);
    if (!text_equal(call->result, "zx_status_t"))
        return; /* coming back is all that it can do right */
    fine = attempt.status == ZX_ERR_INVALID_ARGS || (usual != ZX_OK && attempt.status == usual);
    if ((input && bad->readable) || (pointer == 0 && (may_be_null(call, nth) || must_be_null(call, nth))))
        fine = attempt.status == usual || (attempt.status == ZX_ERR_BAD_HANDLE && input);
    if (!fine) {
        CHECK(!"a bad pointer is answered wrongly");
        print("# %s: %s: %s: %s\n", call->name, call->arguments[nth], bad->what,
              zx_status_get_string(attempt.status));
    }
}

static void try_call(const struct call *call)
{
    struct attempt attempt = {{0}, ZX_OK};
    unsigned pointers = 0;
    if (is_left_out(call))
        return;
    for (unsigned i = 0; i < call->argument_count; i++)
        pointers += call_is_pointer(call, i);
    if (pointers == 0)
        return;
    make(call, &attempt, -1, 0);
    if (text_equal(call->result, "zx_status_t") && attempt.status != ZX_OK) {
        CHECK(!"the arguments chosen for a call do not make it succeed");
        print("# %s: %s\n", call->name, zx_status_get_string(attempt.status));
    }
    for (unsigned i = 0; i < call->argument_count; i++)
        for (unsigned j = 0; call_is_pointer(call, i) && j < sizeof(bads) / sizeof(bads[0]); j++)
            try_bad(call, i, &bads[j], attempt.status);
}

/* ---- The memory that is bad ---- */

/* A page that may be written, then one with these permissions, or none mapped (`none`). */
static zx_vaddr_t map_edge(zx_vm_option_t permissions, bool none)
{
    zx_vaddr_t at = map_pages(2, READ_WRITE);
    memset((void *)at, '\n', 2 * PAGE);
    if (none)
        CHECK_STATUS(ZX_OK, zx_vmar_unmap(zx_vmar_root_self(), at + PAGE, PAGE));
    else
        CHECK_STATUS(ZX_OK, zx_vmar_protect(zx_vmar_root_self(), permissions, at + PAGE, PAGE));
    return at + PAGE - 1;
}

static void sleep_for_ever(void *context)
{
    (void)context;
    (void)zx_nanosleep(ZX_TIME_INFINITE);
}

static void prepare(void)
{
    zx_vaddr_t base;
    zx_handle_t root, small;
    unmapped = map_edge(0, true) + 1;
    edge = map_edge(0, true);
    read_only_edge = map_edge(ZX_VM_PERM_READ, false);
    read_only = read_only_edge + 1;
    nothing_allowed = map_pages(1, 0);
    CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &small));
    CHECK_STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, small, 0, 2 * PAGE, &beyond_vmo));
    beyond_vmo += PAGE;
    CHECK_STATUS(ZX_OK, zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, 64 * PAGE, &vmar, &base));
    CHECK_STATUS(ZX_OK, zx_vmo_create(4 * PAGE, 0, &vmo));
    CHECK_STATUS(ZX_OK, zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, 0, vmo, 0, 4 * PAGE, &good));
    process = fresh(zx_process_self());
    CHECK_STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "other", 5, ZX_PROCESS_SHARED, &sharing, &root));
    CHECK_STATUS(ZX_OK, thread_start(&sleeper, "sleeper", sleep_for_ever, NULL));
    thread = sleeper.handle;
}

void bad_pointers(void)
{
    prepare();
    for (unsigned i = 0; i < call_count; i++)
        try_call(&calls[i]);
}

void unused_numbers(void)
{
    static const uint64_t odd[] = {0x80000000,         0xffffffff,         0x100000000,
                                   0x10000000e,        0x8000000000000000, 0xffffffffffffffff,
                                   0xffffffff00000000, 0x7fffffffffffffff};
    uint64_t arguments[CALL_ARGUMENTS] = {0};
    for (uint64_t number = 0; number < 4096; number++)
        if (call_of_number(number) == NULL &&
            !CHECK_STATUS(ZX_ERR_BAD_SYSCALL, (zx_status_t)call_raw(number, arguments)))
            print("# call %llu\n", (unsigned long long)number);
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        CHECK_STATUS(ZX_ERR_BAD_SYSCALL, (zx_status_t)call_raw(odd[i], arguments));
}
