/* SPDX-License-Identifier: MIT */
/* test_model.c: the reference model of traces: places, refusals, contents, lifetimes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zircon/syscalls.h>

#include "../../fuzz/model.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

#define OPERATIONS 32

struct world {
    struct model model;
    void *memory, *pages;
    int32_t root, vmo;
};

static const zx_rights_t all_vmar_rights =
    ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE;

/* A root VMAR of 16 pages at 1 MiB, a VMO of 4 pages with every right, and handles to them. */
static struct world make_world(bool aslr)
{
    struct world w;

    memset(&w, 0, sizeof w);
    w.memory = calloc(1, model_layout(&w.model, NULL, OPERATIONS));
    assert_non_null(w.memory);
    model_layout(&w.model, w.memory, OPERATIONS);
    w.pages = malloc(model_layout_pages(&w.model, NULL, 4));
    assert_non_null(w.pages);
    model_layout_pages(&w.model, w.pages, 4);
    w.model.aslr = aslr;
    w.model.entropy_bits = 2;
    w.model.compact_entropy_bits = 1;
    model_add_process(&w.model, true, MODEL_ALONE, MODEL_NONE, 1 << 20, 16 * PAGE);
    w.root = model_add_handle(&w.model, 0, TRACE_TYPE_VMAR, w.model.processes[0].root, 3, all_vmar_rights);
    const int32_t vmo = model_do_vmo_create(&w.model, 4 * PAGE, ZX_VMO_RESIZABLE);
    w.vmo = model_add_handle(&w.model, 0, TRACE_TYPE_VMO, vmo, 7,
                             ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_EXECUTE | ZX_RIGHT_RESIZE);
    return w;
}

static void free_world(struct world *w)
{
    free(w->memory);
    free(w->pages);
}

#define BASE ((zx_vaddr_t)1 << 20)

/* Maps pages [first, first + count) of the root. */
static void map_at(struct world *w, uint64_t first, uint64_t count, uint32_t options)
{
    options |= ZX_VM_SPECIFIC;
    assert_int_equal(
        model_vmar_map(&w->model, w->root, options, first * PAGE, w->vmo, 0, count * PAGE, false).status,
        ZX_OK);
    model_do_vmar_map(&w->model, w->root, options, w->vmo, 0, BASE + first * PAGE, count * PAGE);
}

static const char *place(struct world *w, uint32_t options, uint64_t offset, uint64_t pages, uint64_t at)
{
    return model_place_wrong(&w->model, 0, options, offset, pages * PAGE, BASE + at * PAGE);
}

static void model_knows_the_window(void **state)
{
    struct world w = make_world(true);

    (void)state;
    /* Window: the lowest 2^2 free pages. Taken: 1 and 2. So it holds 0, 3, 4, 5. */
    map_at(&w, 1, 2, ZX_VM_PERM_READ);
    assert_null(place(&w, 0, 0, 1, 0));
    assert_non_null(place(&w, 0, 0, 1, 1));
    assert_null(place(&w, 0, 0, 1, 5));
    assert_non_null(place(&w, 0, 0, 1, 6));
    /* Two pages do not fit at 0; the window holds 3, 4, 5 for them. */
    assert_non_null(place(&w, 0, 0, 2, 0));
    assert_null(place(&w, 0, 0, 2, 5));
    /* An upper limit, at page 5. */
    assert_null(place(&w, ZX_VM_OFFSET_IS_UPPER_LIMIT, 5 * PAGE, 2, 3));
    assert_non_null(place(&w, ZX_VM_OFFSET_IS_UPPER_LIMIT, 5 * PAGE, 2, 4));
    /* An alignment of 4 pages makes the window 16 pages. */
    assert_null(place(&w, ZX_VM_ALIGN_16KB, 0, 1, 12));
    assert_non_null(place(&w, ZX_VM_ALIGN_16KB, 0, 1, 13));
    free_world(&w);
}

static void model_takes_the_lowest_place_outside_the_window(void **state)
{
    struct world w = make_world(true);

    (void)state;
    /* Free: 0, 2, 4, 6 and from 8 on. Two pages fit from 8 only, which is behind the window. */
    for (uint64_t i = 1; i < 8; i += 2)
        map_at(&w, i, 1, ZX_VM_PERM_READ);
    assert_null(place(&w, 0, 0, 2, 8));
    assert_non_null(place(&w, 0, 0, 2, 9));
    w.model.aslr = false;
    assert_null(place(&w, 0, 0, 1, 0));
    assert_non_null(place(&w, 0, 0, 1, 2));
    free_world(&w);
}

static void model_refuses_in_order(void **state)
{
    struct world w = make_world(true);
    const struct model *m = &w.model;

    (void)state;
    assert_int_equal(model_vmar_allocate(m, MODEL_NONE, 0, 0, PAGE, false).status, ZX_ERR_BAD_HANDLE);
    assert_int_equal(model_vmar_allocate(m, w.vmo, 0, 0, PAGE, false).status, ZX_ERR_WRONG_TYPE);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_PERM_READ, 0, PAGE, false).status,
                     ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, PAGE, PAGE, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_SPECIFIC, 16 * PAGE, PAGE, false).status,
                     ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, 0, 17 * PAGE, false).status, ZX_ERR_INVALID_ARGS);
    map_at(&w, 0, 8, ZX_VM_PERM_READ);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, 0, 9 * PAGE, false).status, ZX_ERR_NO_MEMORY);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 0, 9 * PAGE, false).status, ZX_ERR_NO_RESOURCES);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_SPECIFIC, 7 * PAGE, PAGE, false).status,
                     ZX_ERR_ALREADY_EXISTS);
    assert_int_equal(
        model_vmar_map(m, w.root, ZX_VM_PERM_WRITE | ZX_VM_COMPACT, 0, w.vmo, 0, PAGE, false).status,
        ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 1, PAGE, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 0, UINT64_MAX, false).status,
                     ZX_ERR_OUT_OF_RANGE);
    free_world(&w);
}

static void model_splits_mappings(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    map_at(&w, 0, 4, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
    model_do_vmar_protect(m, 0, ZX_VM_PERM_READ, BASE + PAGE, 2 * PAGE);
    assert_int_equal(model_fault(m, 0, BASE, MODEL_WRITE), ZX_OK);
    assert_int_equal(model_fault(m, 0, BASE + PAGE, MODEL_WRITE), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(model_fault(m, 0, BASE + 3 * PAGE - 1, MODEL_READ), ZX_OK);
    assert_int_equal(model_fault(m, 0, BASE + 3 * PAGE, MODEL_WRITE), ZX_OK);
    model_do_vmar_unmap(m, 0, BASE + 2 * PAGE, PAGE);
    assert_int_equal(model_fault(m, 0, BASE + 2 * PAGE, MODEL_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(model_vmar_protect(m, w.root, ZX_VM_PERM_READ, BASE, 4 * PAGE).status, ZX_ERR_NOT_FOUND);
    const int32_t tail = model_piece_at(m, 0, BASE + 3 * PAGE);
    assert_int_equal(m->pieces[tail].vmo_offset, 3 * PAGE);
    free_world(&w);
}

static void model_keeps_contents(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    uint8_t bytes[10];
    uint64_t done;

    (void)state;
    map_at(&w, 0, 6, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
    model_do_space_write(m, 0, BASE + PAGE - 5, "abcdefghij", 10);
    model_vmo_read(m, 0, PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abcdefghij", 10);
    model_do_vmo_op_range(m, 0, ZX_VMO_OP_ZERO, PAGE - 2, 4);
    model_space_read(m, 0, BASE + PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abc\0\0\0\0hij", 10);
    assert_int_equal(model_access(m, 0, BASE + 4 * PAGE - 3, 10, MODEL_READ, &done), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(done, 3);
    model_do_vmo_set_size(m, 0, PAGE);
    model_do_vmo_set_size(m, 0, 4 * PAGE);
    model_space_read(m, 0, BASE + PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abc\0\0\0\0\0\0\0", 10);
    model_do_vmo_set_size(m, 0, PAGE - 4);
    model_do_vmo_set_size(m, 0, 4 * PAGE);
    model_space_read(m, 0, BASE + PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "a\0\0\0\0\0\0\0\0\0", 10);
    free_world(&w);
}

static void model_destroys_subtrees(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const uint32_t options = ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC;

    (void)state;
    const int32_t child = model_do_vmar_allocate(m, 0, options, BASE, 8 * PAGE);
    const int32_t grandchild = model_do_vmar_allocate(m, child, options, BASE + PAGE, PAGE);
    const int32_t handle = model_add_handle(m, 0, TRACE_TYPE_VMAR, grandchild, 11, all_vmar_rights);
    model_do_vmar_map(m, handle, ZX_VM_PERM_READ, w.vmo, 0, BASE + PAGE, PAGE);
    assert_int_equal(model_vmar_unmap(m, w.root, BASE, 4 * PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_unmap(m, w.root, BASE, 8 * PAGE).status, ZX_OK);
    model_do_vmar_unmap(m, 0, BASE, 8 * PAGE);
    assert_false(m->vmars[child].alive);
    assert_false(m->vmars[grandchild].alive);
    assert_int_equal(m->piece_count, 0);
    assert_int_equal(model_vmar_destroy(m, handle).status, ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmar_destroy(m, w.root).status, ZX_ERR_NOT_SUPPORTED);
    free_world(&w);
}

static void model_operates_on_ranges(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const uint32_t options = ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC;

    (void)state;
    map_at(&w, 0, 4, ZX_VM_PERM_READ);
    map_at(&w, 4, 2, 0);
    const int32_t child = model_do_vmar_allocate(m, 0, options, BASE + 6 * PAGE, 2 * PAGE);
    const int32_t handle =
        model_add_handle(m, 0, TRACE_TYPE_VMAR, child, 11, ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ);
    model_do_vmar_map(m, handle, ZX_VM_PERM_READ, w.vmo, 0, BASE + 6 * PAGE, PAGE);
    const struct {
        int32_t vmar;
        uint32_t op;
        uint64_t addr, len;
        zx_status_t expected;
    } cases[] = {
        {MODEL_NONE, 0, 1, 0, ZX_ERR_BAD_HANDLE},
        {w.vmo, 0, 1, 0, ZX_ERR_WRONG_TYPE},
        {w.root, 4, BASE, PAGE, ZX_ERR_INVALID_ARGS},
        {w.root, ZX_VMAR_OP_COMMIT, BASE, 0, ZX_ERR_INVALID_ARGS},
        {w.root, ZX_VMAR_OP_COMMIT, BASE + 1, PAGE, ZX_ERR_INVALID_ARGS},
        {w.root, ZX_VMAR_OP_COMMIT, BASE - PAGE, PAGE, ZX_ERR_OUT_OF_RANGE},
        {w.root, ZX_VMAR_OP_COMMIT, BASE, UINT64_MAX, ZX_ERR_OUT_OF_RANGE},
        {w.root, ZX_VMAR_OP_COMMIT, BASE, 8 * PAGE, ZX_ERR_BAD_STATE},
        {w.root, ZX_VMAR_OP_COMMIT, BASE, 6 * PAGE + 1, ZX_ERR_ACCESS_DENIED},
        {w.root, ZX_VMAR_OP_COMMIT, BASE, 6 * PAGE, ZX_OK},
        {w.root, ZX_VMAR_OP_MAP_RANGE, BASE, 7 * PAGE, ZX_OK},
        {handle, ZX_VMAR_OP_DECOMMIT, BASE + 6 * PAGE, 1, ZX_ERR_ACCESS_DENIED},
        {handle, ZX_VMAR_OP_ALWAYS_NEED, BASE + 6 * PAGE, 1, ZX_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct model_answer answer =
            model_vmar_op_range(m, cases[i].vmar, cases[i].op, cases[i].addr, cases[i].len, false);
        assert_int_equal(answer.status, cases[i].expected);
    }
    m->handles[w.root].rights &= ~ZX_RIGHT_OP_CHILDREN;
    assert_int_equal(model_vmar_op_range(m, w.root, ZX_VMAR_OP_DONT_NEED, BASE, 7 * PAGE, false).status,
                     ZX_ERR_INVALID_ARGS);
    m->vmos[0].size = PAGE;
    assert_int_equal(model_vmar_op_range(m, w.root, ZX_VMAR_OP_COMMIT, BASE, PAGE, false).status, ZX_OK);
    assert_int_equal(model_vmar_op_range(m, w.root, ZX_VMAR_OP_COMMIT, BASE, 7 * PAGE, false).status,
                     ZX_ERR_OUT_OF_RANGE);
    model_do_vmo_write(m, 0, 0, "abc", 3);
    model_do_vmar_op_range(m, 0, ZX_VMAR_OP_DECOMMIT, BASE, 1);
    assert_int_equal(m->vmos[0].first_page, MODEL_NONE);
    free_world(&w);
}

static void model_keeps_names(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    (void)state;
    model_do_set_name(m, w.vmo, letters, sizeof letters);
    assert_string_equal(model_name(m, w.vmo), "abcdefghijklmnopqrstuvwxyz01234");
    model_do_set_name(m, w.vmo, "xy\0z", 4);
    assert_memory_equal(model_name(m, w.vmo), "xy\0\0\0", 5);
    model_do_set_name(m, w.vmo, letters, 1);
    assert_string_equal(model_name(m, w.vmo), "a");
    assert_int_equal(model_property(m, w.vmo, false, ZX_PROP_NAME, 31, true).status, ZX_ERR_BUFFER_TOO_SMALL);
    assert_int_equal(model_property(m, w.vmo, false, ZX_PROP_NAME, 32, true).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_property(m, w.vmo, true, ZX_PROP_NAME, 0, true).status, ZX_OK);
    assert_int_equal(model_property(m, w.vmo, true, 0, 0, true).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_property(m, w.root, true, 0, 0, true).status, ZX_ERR_ACCESS_DENIED);
    free_world(&w);
}

static void model_ends_processes_with_their_last_handle(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    const int32_t child = model_add_process(m, false, MODEL_ALONE, MODEL_NONE, BASE, 16 * PAGE);
    const int32_t to_child = model_add_handle(m, 0, TRACE_TYPE_PROCESS, child, 11, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t second = model_add_handle(m, 0, TRACE_TYPE_PROCESS, child, 15, ZX_DEFAULT_PROCESS_RIGHTS);
    model_add_handle(m, (uint8_t)child, TRACE_TYPE_PROCESS, child, 19, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t grandchild = model_add_process(m, false, MODEL_ALONE, MODEL_NONE, BASE, 16 * PAGE);
    model_add_handle(m, (uint8_t)child, TRACE_TYPE_PROCESS, grandchild, 23, ZX_DEFAULT_PROCESS_RIGHTS);
    model_do_handle_close(m, to_child);
    assert_true(m->processes[child].alive);
    model_do_handle_close(m, second);
    assert_false(m->processes[child].alive);
    assert_false(m->processes[grandchild].alive);
    assert_false(m->vmars[m->processes[grandchild].root].alive);
    assert_true(m->processes[0].alive);
    assert_true(m->vmars[0].alive);
    free_world(&w);
}

/* Makes a child that is not refused, and a handle to it. */
static int32_t make_child(struct world *w, int32_t of, uint32_t options, uint64_t first, uint64_t count)
{
    struct model *m = &w->model;

    assert_int_equal(model_vmo_create_child(m, of, options, first * PAGE, count * PAGE, false).status, ZX_OK);
    assert_true(model_has_room_for_child(m, of, options, first * PAGE, count * PAGE));
    const zx_rights_t rights = model_child_rights(model_rights(m, of), options);
    const int32_t made = model_do_vmo_create_child(m, of, options, first * PAGE, count * PAGE);
    return model_add_handle(m, 0, TRACE_TYPE_VMO, made, 101, rights);
}

static void expect_bytes(const struct world *w, int32_t handle, uint64_t offset, const char *bytes)
{
    char got[8] = {0};

    model_vmo_read(&w->model, model_object(&w->model, handle), offset, got, strlen(bytes));
    assert_string_equal(got, bytes);
}

static void put_bytes(struct world *w, int32_t handle, uint64_t offset, const char *bytes)
{
    model_do_vmo_write(&w->model, model_object(&w->model, handle), offset, bytes, strlen(bytes));
}

static void model_takes_snapshots(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    put_bytes(&w, w.vmo, PAGE, "abc");
    put_bytes(&w, w.vmo, 3 * PAGE, "def");
    const int32_t child = make_child(&w, w.vmo, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_RESIZABLE, 1, 4);
    assert_int_equal(m->content_count, 2);
    expect_bytes(&w, child, 0, "abc");
    put_bytes(&w, w.vmo, PAGE, "xy");
    put_bytes(&w, child, 2 * PAGE + 1, "z");
    expect_bytes(&w, child, 0, "abc");
    expect_bytes(&w, w.vmo, PAGE, "xyc");
    expect_bytes(&w, w.vmo, 3 * PAGE, "def");
    expect_bytes(&w, child, 2 * PAGE, "dzf");
    assert_int_equal(m->content_count, 4); /* all that the machine has */
    /* Sizes go their own ways; what was cut off is free for others. */
    model_do_vmo_set_size(m, model_object(m, w.vmo), PAGE);
    expect_bytes(&w, child, 0, "abc");
    const int32_t grandchild = make_child(&w, child, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 4);
    model_do_vmo_op_range(m, model_object(m, child), ZX_VMO_OP_ZERO, 1, 1);
    expect_bytes(&w, grandchild, 0, "abc");
    expect_bytes(&w, child, 2, "c");
    assert_false(m->full);
    assert_int_equal(model_vmo_op_range(m, child, ZX_VMO_OP_DECOMMIT, 0, PAGE, false).status,
                     ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_op_range(m, child, ZX_VMO_OP_DECOMMIT, 0, 0, false).status, ZX_OK);
    assert_int_equal(model_vmo_op_range(m, w.vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, false).status, ZX_OK);
    assert_true(model_vmo_op_range(m, w.vmo, ZX_VMO_OP_ZERO, 0, 1, false).memory);
    assert_false(model_vmo_op_range(m, w.vmo, ZX_VMO_OP_ZERO, 0, PAGE, false).memory);
    free_world(&w);
}

static void model_shows_slices(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    uint64_t done;

    (void)state;
    m->vmos[0].resizable = false;
    const int32_t slice = make_child(&w, w.vmo, ZX_VMO_CHILD_SLICE, 1, 3);
    const int32_t inner = make_child(&w, slice, ZX_VMO_CHILD_SLICE | ZX_VMO_CHILD_NO_WRITE, 1, 1);
    assert_int_equal(model_vmo_io(m, inner, true, 0, 1, false).status, ZX_ERR_ACCESS_DENIED);
    assert_int_equal(model_vmo_io(m, inner, false, PAGE, 1, false).status, ZX_ERR_OUT_OF_RANGE);
    put_bytes(&w, slice, 2 * PAGE - 1, "ab");
    expect_bytes(&w, w.vmo, 3 * PAGE - 1, "ab");
    expect_bytes(&w, inner, PAGE - 1, "a");
    model_do_vmar_map(m, w.root, ZX_VM_PERM_READ, inner, 0, BASE, 2 * PAGE);
    assert_int_equal(model_access(m, 0, BASE + PAGE - 4, 8, MODEL_READ, &done), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(done, 4);
    /* A snapshot of a slice ends where the slice does. */
    const int32_t snapshot = make_child(&w, inner, ZX_VMO_CHILD_SNAPSHOT, 0, 2);
    put_bytes(&w, w.vmo, 3 * PAGE - 1, "x");
    expect_bytes(&w, snapshot, PAGE - 1, "a");
    expect_bytes(&w, snapshot, PAGE, "");
    const int32_t part = make_child(&w, snapshot, ZX_VMO_CHILD_SLICE, 1, 1);
    assert_int_equal(model_vmo_op_range(m, part, ZX_VMO_OP_DECOMMIT, 0, PAGE, false).status,
                     ZX_ERR_NOT_SUPPORTED);
    free_world(&w);
}

static void model_knows_families(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    m->vmos[0].resizable = false;
    const int32_t slice = make_child(&w, w.vmo, ZX_VMO_CHILD_SLICE, 0, 4);
    const int32_t inner = make_child(&w, slice, ZX_VMO_CHILD_SLICE, 0, 1);
    const int32_t child = make_child(&w, inner, ZX_VMO_CHILD_SNAPSHOT, 0, 1);
    model_do_handle_close(m, w.vmo);
    model_note_living(m);
    assert_int_equal(model_parent(m, model_object(m, inner)), model_object(m, slice));
    /* A slice keeps the VMO that it shows, not the slices between. */
    model_do_handle_close(m, slice);
    model_note_living(m);
    assert_int_equal(model_parent(m, model_object(m, inner)), 0);
    assert_true(m->vmos[0].living);
    model_do_handle_close(m, inner);
    model_note_living(m);
    assert_false(m->vmos[0].living);
    assert_int_equal(model_parent(m, model_object(m, child)), MODEL_NONE);
    free_world(&w);
}

static void model_refuses_children_in_order(void **state)
{
    struct world w = make_world(true);
    const struct model *m = &w.model;
    const int32_t poor = model_add_handle(&w.model, 0, TRACE_TYPE_VMO, 0, 11, ZX_RIGHT_READ);
    const uint32_t snapshot = ZX_VMO_CHILD_SNAPSHOT, slice = ZX_VMO_CHILD_SLICE;
    const struct {
        int32_t vmo;
        uint32_t options;
        uint64_t offset, size;
        zx_status_t expected;
    } cases[] = {
        {MODEL_NONE, snapshot | ZX_VMO_CHILD_NO_WRITE | ZX_VMO_CHILD_RESIZABLE, 0, 0, ZX_ERR_INVALID_ARGS},
        {MODEL_NONE, 0, 0, 0, ZX_ERR_BAD_HANDLE},
        {w.root, 0, 0, 0, ZX_ERR_WRONG_TYPE},
        {poor, 0, 0, 0, ZX_ERR_ACCESS_DENIED},
        {w.vmo, ZX_VMO_CHILD_RESIZABLE, 1, UINT64_MAX, ZX_ERR_INVALID_ARGS},
        {w.vmo, snapshot | slice, 0, UINT64_MAX, ZX_ERR_INVALID_ARGS},
        {w.vmo, snapshot | 1u << 1, 0, UINT64_MAX, ZX_ERR_INVALID_ARGS},
        {w.vmo, slice | ZX_VMO_CHILD_RESIZABLE, 0, UINT64_MAX, ZX_ERR_INVALID_ARGS},
        {w.vmo, snapshot, 1, UINT64_MAX, ZX_ERR_INVALID_ARGS},
        {w.vmo, snapshot, 0, UINT64_MAX - 63 * PAGE, ZX_ERR_OUT_OF_RANGE},
        {w.vmo, snapshot, 0, UINT64_MAX - 64 * PAGE + 1, ZX_OK},
        {w.vmo, snapshot, -PAGE, 1, ZX_ERR_OUT_OF_RANGE},
        {w.vmo, slice, 4 * PAGE, 1, ZX_ERR_INVALID_ARGS},
        {w.vmo, slice, 3 * PAGE, 1, ZX_ERR_NOT_SUPPORTED},
        {w.vmo, snapshot, 9 * PAGE, 1, ZX_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct model_answer answer =
            model_vmo_create_child(m, cases[i].vmo, cases[i].options, cases[i].offset, cases[i].size, false);
        assert_int_equal(answer.status, cases[i].expected);
        assert_int_equal(answer.memory, cases[i].expected == ZX_OK);
    }
    assert_int_equal(model_vmo_create_child(m, w.vmo, snapshot, 0, PAGE, true).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_child_rights(ZX_RIGHT_READ | ZX_RIGHT_EXECUTE | ZX_RIGHT_RESIZE, snapshot),
                     ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY);
    assert_int_equal(model_child_rights(ZX_RIGHT_EXECUTE | ZX_RIGHT_RESIZE | ZX_RIGHT_WRITE,
                                        slice | ZX_VMO_CHILD_NO_WRITE),
                     ZX_RIGHT_EXECUTE | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY);
    free_world(&w);
}

static void model_keeps_pinned_pages(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const int32_t vmo = w.vmo;

    (void)state;
    assert_int_equal(model_vmo_pin(m, w.root, 1, 0).status, ZX_ERR_WRONG_TYPE);
    assert_int_equal(model_vmo_pin(m, vmo, 1, PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_pin(m, vmo, 5 * PAGE, 0).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_pin(m, vmo, 3 * PAGE, 2 * PAGE).status, ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(model_vmo_pin(m, vmo, PAGE, 2 * PAGE).status, ZX_OK);
    model_do_vmo_pin(m, vmo, PAGE, 2 * PAGE);
    assert_int_equal(model_vmo_set_size(m, vmo, 2 * PAGE).status, ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmo_set_size(m, vmo, 3 * PAGE).status, ZX_OK);
    assert_int_equal(model_vmo_op_range(m, vmo, ZX_VMO_OP_DECOMMIT, 0, 2 * PAGE, false).status,
                     ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmo_op_range(m, vmo, ZX_VMO_OP_DECOMMIT, PAGE, 0, false).status, ZX_OK);
    assert_int_equal(model_vmo_op_range(m, vmo, ZX_VMO_OP_DECOMMIT, 3 * PAGE, PAGE, false).status, ZX_OK);
    const uint32_t snapshot = ZX_VMO_CHILD_SNAPSHOT;
    assert_int_equal(model_vmo_create_child(m, vmo, snapshot, 2 * PAGE, PAGE, true).status, ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmo_create_child(m, vmo, snapshot, 3 * PAGE, 9 * PAGE, false).status, ZX_OK);
    /* Part in the VMO, part past its end: the pins are met first. */
    model_do_vmar_map(m, w.root, ZX_VM_PERM_READ, vmo, 0, BASE, 6 * PAGE);
    assert_int_equal(model_vmar_op_range(m, w.root, ZX_VMAR_OP_DECOMMIT, BASE, 6 * PAGE, false).status,
                     ZX_ERR_BAD_STATE);
    assert_int_equal(
        model_vmar_op_range(m, w.root, ZX_VMAR_OP_DECOMMIT, BASE + 3 * PAGE, 3 * PAGE, false).status,
        ZX_ERR_OUT_OF_RANGE);
    /* A pin keeps the VMO. */
    model_do_vmar_unmap(m, 0, BASE, 6 * PAGE);
    model_do_handle_close(m, vmo);
    model_note_living(m);
    assert_true(m->vmos[0].living);
    model_do_vmo_unpin(m, 0);
    model_note_living(m);
    assert_false(m->vmos[0].living);
    free_world(&w);
}

static void model_knows_contiguous_vmos(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    assert_int_equal(model_vmo_create_contiguous(0, 12).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_contiguous(UINT64_MAX, 11).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_contiguous(UINT64_MAX, 64).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_contiguous(UINT64_MAX, 63).status, ZX_ERR_OUT_OF_RANGE);
    assert_true(model_vmo_create_contiguous(1, 0).memory);
    const int32_t made = model_do_vmo_create_contiguous(m, 3 * PAGE);
    const int32_t vmo = model_add_handle(m, 0, TRACE_TYPE_VMO, made, 11, ZX_DEFAULT_VMO_RIGHTS);
    const int32_t slice = make_child(&w, vmo, ZX_VMO_CHILD_SLICE, 1, 2);
    const int32_t both[2] = {vmo, slice};
    for (unsigned i = 0; i < 2; i++) {
        const struct model_answer decommit =
            model_vmo_op_range(m, both[i], ZX_VMO_OP_DECOMMIT, 1, UINT64_MAX, false);
        assert_int_equal(decommit.status, ZX_ERR_NOT_SUPPORTED);
        assert_int_equal(model_vmo_op_range(m, both[i], ZX_VMO_OP_COMMIT, 0, PAGE, false).status, ZX_OK);
        assert_int_equal(model_vmo_set_size(m, both[i], PAGE).status, ZX_ERR_UNAVAILABLE);
        assert_int_equal(
            model_vmo_create_child(m, both[i], ZX_VMO_CHILD_SNAPSHOT, 0, UINT64_MAX, false).status,
            ZX_ERR_INVALID_ARGS);
    }
    model_do_vmar_map(m, w.root, ZX_VM_PERM_READ, slice, 0, BASE, 4 * PAGE);
    assert_int_equal(model_vmar_op_range(m, w.root, ZX_VMAR_OP_DECOMMIT, BASE, 4 * PAGE, false).status,
                     ZX_ERR_NOT_SUPPORTED);
    free_world(&w);
}

static void model_passes_priority_down(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const uint32_t options = ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC;

    (void)state;
    const int32_t child = model_do_vmar_allocate(m, 0, options, BASE, 8 * PAGE);
    const int32_t handle = model_add_handle(m, 0, TRACE_TYPE_VMAR, child, 11, all_vmar_rights);
    const int32_t before = model_do_vmar_allocate(m, child, options, BASE, PAGE);
    assert_int_equal(model_vmar_set_priority(m, w.vmo).status, ZX_ERR_WRONG_TYPE);
    assert_int_equal(model_vmar_set_priority(m, handle).status, ZX_OK);
    model_do_vmar_set_priority(m, child, true);
    const int32_t after = model_do_vmar_allocate(m, child, options, BASE + PAGE, PAGE);
    assert_true(m->vmars[before].high && m->vmars[after].high && !m->vmars[0].high);
    model_do_vmar_set_priority(m, child, false);
    assert_false(model_is_high_priority(m, 0));
    model_do_vmar_set_priority(m, after, true);
    assert_true(model_is_high_priority(m, 0));
    model_do_vmar_destroy(m, child);
    assert_false(model_is_high_priority(m, 0));
    assert_int_equal(model_vmar_set_priority(m, handle).status, ZX_ERR_BAD_STATE);
    model_do_vmar_op_range(m, 0, ZX_VMAR_OP_ALWAYS_NEED, BASE, PAGE);
    assert_true(model_is_high_priority(m, 0));
    free_world(&w);
}

/* Pages for snapshots are finite, and contents as many as the machine has pages. */
static void model_says_when_it_is_full(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    int32_t children[OPERATIONS];
    int made = 0;

    (void)state;
    for (uint64_t page = 0; page < 4; page++)
        put_bytes(&w, w.vmo, page * PAGE, "abc");
    for (; model_has_room_for_child(m, w.vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 4 * PAGE); made++)
        children[made] = make_child(&w, w.vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 4);
    assert_true(made > 4);
    assert_true(m->page_max - m->pages_used >= m->content_max);
    assert_true(model_has_room_for_child(m, w.vmo, ZX_VMO_CHILD_SLICE, 0, 4 * PAGE));
    model_do_handle_close(m, children[1]);
    assert_true(model_has_room_for_child(m, w.vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 4 * PAGE));
    assert_false(m->full);
    put_bytes(&w, children[0], 0, "x");
    assert_true(m->full);
    free_world(&w);
}

/* ---- Shared spaces ---- */

static void model_shares_spaces(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const zx_vaddr_t shared = (zx_vaddr_t)1 << 46;

    (void)state;
    const uint8_t founder = (uint8_t)model_add_process(m, false, MODEL_FOUNDS, MODEL_NONE, shared, 16 * PAGE);
    const int32_t to_founder =
        model_add_handle(m, 0, TRACE_TYPE_PROCESS, founder, 11, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t root =
        model_add_handle(m, 0, TRACE_TYPE_VMAR, m->processes[founder].root, 15, all_vmar_rights);
    const int32_t space = m->processes[founder].spaces[1];
    const uint8_t joiner = (uint8_t)model_add_process(m, false, MODEL_JOINS, space, BASE, 16 * PAGE);
    const int32_t to_joiner =
        model_add_handle(m, 0, TRACE_TYPE_PROCESS, joiner, 19, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t own =
        model_add_handle(m, 0, TRACE_TYPE_VMAR, m->processes[joiner].root, 23, all_vmar_rights);
    model_do_vmar_map(m, root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, w.vmo, 0, shared, PAGE);
    model_do_vmar_map(m, own, ZX_VM_PERM_READ, w.vmo, PAGE, BASE + 15 * PAGE, PAGE);

    /* Both see the shared space, one sees its own. */
    assert_int_equal(model_space_at(m, founder, BASE), space);
    assert_int_equal(model_space_at(m, joiner, shared), space);
    assert_int_equal(model_space_at(m, joiner, BASE), joiner);
    assert_int_equal(model_fault(m, founder, shared, MODEL_WRITE), ZX_OK);
    assert_int_equal(model_fault(m, joiner, shared, MODEL_WRITE), ZX_OK);
    assert_int_equal(model_fault(m, joiner, BASE + 15 * PAGE, MODEL_READ), ZX_OK);
    assert_int_equal(model_fault(m, founder, BASE + 15 * PAGE, MODEL_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(model_fault(m, 0, shared, MODEL_READ), ZX_ERR_NOT_FOUND);

    /* The founder exits: its handle stays, and the space as long as the other lives. */
    model_do_process_exit(m, founder);
    assert_false(m->processes[founder].alive);
    assert_int_equal(model_fault(m, joiner, shared, MODEL_WRITE), ZX_OK);
    assert_int_equal(model_process_create_shared(m, to_founder, 0, false, false).status, ZX_OK);
    model_do_handle_close(m, to_joiner);
    assert_false(m->vmars[m->spaces[space].root].alive);
    assert_int_equal(model_process_create_shared(m, to_founder, 0, false, false).status, ZX_ERR_BAD_STATE);

    /* Neither that one's number nor its handle is another's. */
    const uint8_t next = (uint8_t)model_add_process(m, false, MODEL_FOUNDS, MODEL_NONE, shared, 16 * PAGE);
    assert_int_not_equal(next, founder);
    assert_int_equal(m->processes[next].spaces[1], space);
    assert_int_equal(model_process_create_shared(m, to_founder, 0, false, false).status, ZX_ERR_BAD_STATE);
    free_world(&w);
}

static void model_refuses_sharing_in_order(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    const int32_t alone = model_add_process(m, false, MODEL_ALONE, MODEL_NONE, BASE, 16 * PAGE);
    const int32_t handle = model_add_handle(m, 0, TRACE_TYPE_PROCESS, alone, 11, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t weak = model_add_handle(m, 0, TRACE_TYPE_PROCESS, alone, 15,
                                          ZX_DEFAULT_PROCESS_RIGHTS & ~ZX_RIGHT_GET_PROPERTY);
    assert_int_equal(model_process_create_shared(m, MODEL_NONE, 1, false, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_process_create_shared(m, MODEL_NONE, 0, true, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_process_create_shared(m, MODEL_NONE, 0, false, true).status, ZX_ERR_BAD_HANDLE);
    assert_int_equal(model_process_create_shared(m, w.vmo, 0, false, true).status, ZX_ERR_WRONG_TYPE);
    assert_int_equal(model_process_create_shared(m, weak, 0, false, true).status, ZX_ERR_ACCESS_DENIED);
    assert_int_equal(model_process_create_shared(m, handle, 0, false, true).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_process_create(2, true, false, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_process_create(ZX_PROCESS_SHARED, true, false, true).status, ZX_ERR_BAD_HANDLE);
    assert_int_equal(model_process_create(ZX_PROCESS_SHARED, false, false, true).status, ZX_ERR_INVALID_ARGS);
    free_world(&w);
}

/* ---- Physical VMOs ---- */

static void model_shows_the_device(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    char bytes[3] = "";

    (void)state;
    assert_int_equal(model_vmo_create_physical(0, 0, 8 * PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_physical(1, PAGE, 8 * PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_physical(PAGE, 8 * PAGE, 8 * PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmo_create_physical(PAGE, 7 * PAGE, 8 * PAGE).status, ZX_OK);
    const int32_t one = model_do_vmo_create_physical(m, 0, 4 * PAGE, 0);
    const int32_t other = model_do_vmo_create_physical(m, 3 * PAGE, 2 * PAGE, 1);
    const int32_t first = model_add_handle(m, 0, TRACE_TYPE_VMO, one, 11, ZX_DEFAULT_VMO_RIGHTS);
    const int32_t second = model_add_handle(m, 0, TRACE_TYPE_VMO, other, 15, ZX_DEFAULT_VMO_RIGHTS);
    model_do_vmo_write(m, one, 3 * PAGE, "ab", 2);
    model_vmo_read(m, other, 0, bytes, 2);
    assert_string_equal(bytes, "ab");
    const int32_t slice = model_do_vmo_create_child(m, second, ZX_VMO_CHILD_SLICE, PAGE, PAGE);
    const int32_t third = model_add_handle(m, 0, TRACE_TYPE_VMO, slice, 19, ZX_DEFAULT_VMO_RIGHTS);
    model_do_vmo_write(m, slice, 0, "cd", 2);
    model_vmo_read(m, other, PAGE, bytes, 2);
    assert_string_equal(bytes, "cd");
    /* It is no memory of the machine's, however much of it is written. */
    for (uint64_t page = 0; page < 4; page++)
        model_do_vmo_write(m, one, page * PAGE, "e", 1);
    for (uint64_t page = 0; page < 4; page++)
        model_do_vmo_write(m, model_object(m, w.vmo), page * PAGE, "f", 1);
    assert_false(m->full);

    assert_int_equal(model_vmo_io(m, first, true, UINT64_MAX, 1, true).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_io(m, third, false, 0, 1, false).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_op_range(m, first, ZX_VMO_OP_ZERO, 0, 0, false).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_op_range(m, first, ZX_VMO_OP_CACHE_CLEAN, 0, PAGE, false).status, ZX_OK);
    assert_int_equal(model_vmo_create_child(m, first, ZX_VMO_CHILD_SNAPSHOT, 1, PAGE, false).status,
                     ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_set_cache_policy(m, w.vmo).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_set_cache_policy(m, third).status, ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(model_vmo_set_cache_policy(m, second).status, ZX_ERR_BAD_STATE); /* a slice */
    model_do_handle_close(m, third);
    assert_int_equal(model_vmo_set_cache_policy(m, second).status, ZX_OK);
    model_do_vmo_pin(m, second, 0, PAGE);
    assert_int_equal(model_vmo_set_cache_policy(m, second).status, ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmo_set_cache_policy(m, first).status, ZX_OK);
    model_do_vmar_map(m, w.root, ZX_VM_PERM_READ, first, 0, BASE, PAGE);
    assert_int_equal(model_vmo_set_cache_policy(m, first).status, ZX_ERR_BAD_STATE);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_knows_the_window),
        cmocka_unit_test(model_takes_the_lowest_place_outside_the_window),
        cmocka_unit_test(model_refuses_in_order),
        cmocka_unit_test(model_splits_mappings),
        cmocka_unit_test(model_keeps_contents),
        cmocka_unit_test(model_destroys_subtrees),
        cmocka_unit_test(model_operates_on_ranges),
        cmocka_unit_test(model_keeps_names),
        cmocka_unit_test(model_ends_processes_with_their_last_handle),
        cmocka_unit_test(model_takes_snapshots),
        cmocka_unit_test(model_shows_slices),
        cmocka_unit_test(model_knows_families),
        cmocka_unit_test(model_refuses_children_in_order),
        cmocka_unit_test(model_keeps_pinned_pages),
        cmocka_unit_test(model_knows_contiguous_vmos),
        cmocka_unit_test(model_passes_priority_down),
        cmocka_unit_test(model_says_when_it_is_full),
        cmocka_unit_test(model_shares_spaces),
        cmocka_unit_test(model_refuses_sharing_in_order),
        cmocka_unit_test(model_shows_the_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
