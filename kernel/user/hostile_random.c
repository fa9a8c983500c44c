/* SPDX-License-Identifier: MIT */
/*
 * hostile_random.c: random calls with random arguments, the same for the same seed.
 *
 * Arguments are drawn by type and name from kernel/calls.list: handles that the process has (and makes: what a call gives
 * back joins them), pointers good and bad, sizes, options, anything. Kept out is what would hang a run or
 * drown it, no more: deadlines are near or past, and what zx_debug_write would print is empty. Calls that end the process
 * or its thread are made, but seldom. With every fourth seed allocations fail now and then.
 */
#include "calls.h"
#include "hostile.h"
#include "zvm.h"

#define HANDLES      64
#define BUFFER_PAGES 16
#define ROOM         (BUFFER_PAGES * PAGE)
#define TELL_EVERY   64 /* calls between two names */
#define SEEDED       6  /* handles that stay */

static uint64_t random_state;
static zx_handle_t handles[HANDLES];
static unsigned handle_count;
static zx_handle_t teller; /* this process, by a handle that no random call has */
static zx_vaddr_t buffer, read_only, alone, field_base;

static uint64_t draw_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1dull;
}

static uint64_t draw(uint64_t below)
{
    return (draw_word() >> 16) % below;
}

/* A number as bad numbers are: near powers of two, and near the ends. */
static uint64_t draw_number(void)
{
    uint64_t power = (uint64_t)1 << draw(64);
    switch (draw(8)) {
    case 0:
        return draw_word();
    case 1:
        return power - 1;
    case 2:
        return 0 - power;
    case 3:
        return power | draw(PAGE);
    case 4:
        return draw(16);
    default:
        return draw(64) * PAGE;
    }
}

static uint64_t draw_handle(void)
{
    if (draw(16) == 0)
        return draw_number();
    return handles[draw(handle_count)];
}

static uint64_t draw_pointer(void)
{
    static const uint64_t bad[] = {0,
                                   1,
                                   PAGE,
                                   0x0000800000000000ull,
                                   0x00007fffffffeff8ull,
                                   0x00007ffffffffff8ull,
                                   0xffff800000100000ull,
                                   0xffffffff80100000ull,
                                   0xffffff0000000000ull,
                                   0xfffffffffffffff8ull};
    switch (draw(8)) {
    case 0:
        return bad[draw(sizeof(bad) / sizeof(bad[0]))];
    case 1:
        return read_only + draw(PAGE);
    case 2:
        return alone + PAGE - draw(16);
    default:
        return buffer + draw(BUFFER_PAGES) * PAGE + draw(8) * 8;
    }
}

static uint64_t draw_size(void)
{
    switch (draw(16)) {
    case 0:
        return draw_number();
    case 1:
    case 2:
        return draw(ROOM);
    case 3:
        return 0;
    case 4:
        return draw(64) * PAGE;
    default:
        return draw(300);
    }
}

static uint64_t draw_address(void)
{
    switch (draw(6)) {
    case 0:
        return draw_number();
    case 1:
        return draw_pointer();
    default:
        return field_base + draw(64) * PAGE;
    }
}

static uint64_t draw_options(void)
{
    uint64_t options = draw(8);
    if (draw(4) == 0)
        options |= (uint64_t)1 << draw(33);
    if (draw(2) == 0)
        options |= draw(2) ? ZX_VM_SPECIFIC : ZX_VM_SPECIFIC_OVERWRITE;
    return options;
}

/* Never far ahead. */
static uint64_t draw_deadline(void)
{
    switch (draw(64)) {
    case 0:
        return (uint64_t)zx_clock_get_monotonic() + draw(1000000);
    case 1:
        return (uint64_t)INT64_MIN;
    default:
        return draw(1000);
    }
}

static uint64_t draw_argument(const struct call *call, unsigned nth)
{
    if (call_is_pointer(call, nth))
        return draw_pointer();
    if (call_has_type(call, nth, "zx_time_t"))
        return draw_deadline();
    if (call_has_type(call, nth, "zx_handle_t"))
        return draw_handle();
    if (call_has_type(call, nth, "zx_vaddr_t"))
        return draw_address();
    if (call_has_type(call, nth, "size_t") || call_has_name(call, nth, "size"))
        return draw_size();
    if (call_has_type(call, nth, "zx_vm_option_t"))
        return draw_options();
    return draw(4) ? draw(32) : draw_number();
}

/* Draws all that in the order of the arguments, whatever becomes of it. */
static void draw_arguments(const struct call *call, uint64_t arguments[CALL_ARGUMENTS])
{
    for (unsigned i = 0; i < CALL_ARGUMENTS; i++)
        arguments[i] = i < call->argument_count ? draw_argument(call, i) : draw_number();
    if (text_equal(call->name, "zx_debug_write"))
        arguments[1] = 0;
}

/* Whether the call would end this process or thread, on purpose. */
static bool is_end(const struct call *call, const uint64_t arguments[CALL_ARGUMENTS])
{
    if (text_equal(call->name, "zx_process_exit") || text_equal(call->name, "zx_thread_exit"))
        return true;
    if (text_equal(call->name, "zx_task_kill"))
        return arguments[0] == zx_process_self();
    return false;
}

/* Whether it would change the name of a process: that of this one tells how far it is. */
static bool is_renaming(const struct call *call, const uint64_t arguments[CALL_ARGUMENTS])
{
    zx_info_handle_basic_t info;
    return text_equal(call->name, "zx_object_set_property") &&
           zx_object_get_info((zx_handle_t)arguments[0], ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL,
                              NULL) == ZX_OK &&
           info.type == ZX_OBJ_TYPE_PROCESS;
}

/* What the call may have given, where it was told to leave handles. */
static void keep_results(const struct call *call, const uint64_t arguments[CALL_ARGUMENTS])
{
    for (unsigned i = 0; i < call->argument_count; i++) {
        if (!call_has_type(call, i, "zx_handle_t") || !call_is_pointer(call, i) || call_is_input(call, i) ||
            arguments[i] < buffer || arguments[i] > buffer + ROOM - sizeof(zx_handle_t))
            continue;
        zx_handle_t made = *(zx_handle_t *)arguments[i];
        if (handle_count < HANDLES) {
            handles[handle_count++] = made;
            continue;
        }
        unsigned replaced = SEEDED + (unsigned)draw(HANDLES - SEEDED);
        if (handles[replaced] != zx_process_self() && handles[replaced] != zx_vmar_root_self())
            (void)zx_handle_close(handles[replaced]);
        handles[replaced] = made;
    }
}

static void add_handle(zx_handle_t handle)
{
    handles[handle_count++] = handle;
}

static void prepare(uint64_t seed)
{
    zx_handle_t made, second;
    zx_vaddr_t at;
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
    if (zx_handle_duplicate(zx_process_self(), ZX_RIGHT_SAME_RIGHTS, &teller) != ZX_OK)
        give_up("hostile: no handle");
    buffer = map_pages(BUFFER_PAGES, READ_WRITE);
    read_only = map_pages(1, ZX_VM_PERM_READ);
    alone = map_pages(1, READ_WRITE);
    if (zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, 64 * PAGE, &made, &field_base) != ZX_OK)
        give_up("hostile: no VMAR");
    add_handle(made);
    add_handle(made);
    add_handle(zx_process_self());
    if (zx_vmo_create(64 * PAGE, ZX_VMO_RESIZABLE, &made) != ZX_OK)
        give_up("hostile: no VMO");
    add_handle(made);
    add_handle(made);
    if (zx_process_create(ZX_HANDLE_INVALID, "other", 5, 0, &made, &second) != ZX_OK)
        give_up("hostile: no process");
    add_handle(made);
    add_handle(second);
    if (zx_thread_create(made, "other", 5, 0, &second) == ZX_OK)
        add_handle(second);
    if (zx_vmo_create(2 * PAGE, 0, &made) == ZX_OK)
        add_handle(made);
    if (zx_vmar_map(handles[0], READ_WRITE | ZX_VM_SPECIFIC, 0, made, 0, 2 * PAGE, &at) != ZX_OK)
        give_up("hostile: no mapping");
    add_handle(zx_job_default());
    add_handle(zx_vmar_root_self());
}

static void tell(uint64_t made)
{
    char name[ZX_MAX_NAME_LEN];
    size_t size = vm_snprint(name, sizeof(name), RANDOM_NAME "%llu", (unsigned long long)made);
    (void)zx_object_set_property(teller, ZX_PROP_NAME, name, size);
}

static const struct call *draw_call(void)
{
    const struct call *call;
    do
        call = &calls[draw(call_count)];
    while (call->number >= 256); /* the test aids are not for programs */
    return call;
}

void random_calls(uint64_t seed, uint64_t count)
{
    uint64_t arguments[CALL_ARGUMENTS];
    prepare(seed);
    for (uint64_t made = 0; made < count; made++) {
        if (made % TELL_EVERY == 0)
            tell(made);
        if (seed % 4 == 0 && made % TELL_EVERY == 1)
            (void)zvm_fail_allocation(1 + draw(200), 0);
        const struct call *call = draw_call();
        draw_arguments(call, arguments);
        if (is_renaming(call, arguments) || (is_end(call, arguments) && draw(200) != 0))
            continue;
        if (draw(32) == 0) {
            uint64_t number = draw_number();
            (void)call_raw(call_of_number(number) == NULL ? number : UINT64_MAX, arguments);
            continue;
        }
        uint64_t answer = call_raw(call->number, arguments);
        if ((zx_status_t)answer == ZX_OK && text_equal(call->result, "zx_status_t"))
            keep_results(call, arguments);
    }
    tell(count);
    zx_process_exit(0);
}
