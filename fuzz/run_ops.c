/* SPDX-License-Identifier: MIT */
/*
 * run_ops.c: carries out one operation of a trace.
 *
 * Every operation goes the same way: slots and amounts are resolved into numbers, which go into the record;
 * the model is asked what the answer must be; the core is called; run_agree() compares; where the call succeeded,
 * results are checked and the model follows. Resolving uses the model and the landmarks only, never the core,
 * so that a wrong core cannot lead the run astray unnoticed.
 */
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>
#include <zircon/syscalls.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

/* More than any operation takes for its bookkeeping: with fewer free pages NO_MEMORY is believed. */
#define PAGES_FOR_BOOKKEEPING 32

/* ---- Records ---- */

void run_result(struct run *run, uint64_t value)
{
    run->record.results[run->record.result_count++] = value;
}

void run_data(struct run *run, const void *bytes, uint64_t size)
{
    run->record.data_hash = trace_hash(TRACE_DIGEST_START, bytes, size);
    run->record.data_size = (uint32_t)size;
}

uint8_t run_add_handle(struct run *run, uint8_t type, int32_t object, zx_handle_t value, zx_rights_t rights)
{
    const int32_t handle = model_add_handle(&run->model, run->current, type, object, value, rights);

    return run_name_handle(run, run->current, type, run->op.to, handle);
}

/* ---- Agreement ---- */

/* Whether the switch that fails allocations struck during this operation. */
static bool allocation_failed(const struct run *run)
{
    const uint64_t now = trace_host_allocation_count();

    if (run->fail_at == 0 || now < run->fail_at || now == run->allocations)
        return false;
    return run->fail_persistent || run->allocations < run->fail_at;
}

bool run_agree(struct run *run, zx_status_t status, struct model_answer want)
{
    run->record.status = status;
    run->record.failed_allocation = allocation_failed(run);
    if (status == want.status)
        return status == ZX_OK;
    if (status == ZX_ERR_NO_MEMORY && want.memory) {
        const uint64_t enough = PAGES_FOR_BOOKKEEPING + want.pages + want.pages / 16;
        if (run->record.failed_allocation || run->stats.pages_free < enough)
            return false;
        run_broken(run, "NO_MEMORY with %llu pages free, although no allocation was made to fail",
                   (unsigned long long)run->stats.pages_free);
        return false;
    }
    run_broken(run, "expected %s, got %s", zx_status_get_string(want.status), zx_status_get_string(status));
    return false;
}

/* ---- VMARs ---- */

void run_remember(struct run *run, zx_vaddr_t base, uint64_t size, uint64_t vmo_offset)
{
    run->landmarks[run->op.to % TRACE_SLOTS] = (struct run_landmark){true, base, size, vmo_offset};
    run->last = base;
}

static void check_place(struct run *run, int32_t vmar, uint32_t options, uint64_t offset, uint64_t size,
                        zx_vaddr_t place)
{
    const char *wrong = model_place_wrong(&run->model, vmar, options, offset, size, place);

    if (wrong != NULL)
        run_broken(run, "placed at 0x%llx: %s", (unsigned long long)place, wrong);
}

static void do_vmar_allocate(struct run *run)
{
    const struct run_target parent = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct run_surroundings s = run_around_target(run, parent);
    const uint32_t options = run_vm_options(run);
    const uint64_t offset = run_offset(run, 0, &s);
    const uint64_t size = run_size(run, 1, &s, s.base + offset);
    const bool null_first = run->op.to == TRACE_TO_NULL_FIRST,
               null_second = run->op.to == TRACE_TO_NULL_SECOND;
    zx_handle_t child = ZX_HANDLE_INVALID;
    zx_vaddr_t address = 0;

    run_argument(run, options);
    run_argument(run, offset);
    run_argument(run, size);
    const struct model_answer want =
        model_vmar_allocate(&run->model, parent.handle, options, offset, size, null_first || null_second);
    const zx_status_t status = zx_vmar_allocate(parent.value, options, offset, size,
                                                null_first ? NULL : &child, null_second ? NULL : &address);
    if (!run_agree(run, status, want))
        return;
    const int32_t vmar = run->model.handles[parent.handle].object;
    check_place(run, vmar, options, offset, size, address);
    if (run->broken)
        return;
    const int32_t made = model_do_vmar_allocate(&run->model, vmar, options, address, size);
    const zx_rights_t rights = ZX_DEFAULT_VMAR_RIGHTS | (options >> 7 & 7) << 2;
    run_result(run, run_add_handle(run, TRACE_TYPE_VMAR, made, child, rights));
    run_result(run, address);
    run_remember(run, address, size, 0);
}

static void do_vmar_map(struct run *run)
{
    const struct run_target vmar = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct run_surroundings s = run_around_target(run, vmar);
    const uint32_t options = run_vm_options(run);
    const uint64_t offset = run_offset(run, 0, &s);

    run_argument(run, options);
    run_argument(run, offset);
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.b);
    const struct run_surroundings in_vmo = run_around_vmo(run, vmo);
    const uint64_t vmo_offset = run_vmo_offset(run, 2, &in_vmo);
    const uint64_t len = run_size(run, 1, &s, s.base + offset);
    const bool null_result = run->op.to >= TRACE_SLOTS;
    zx_vaddr_t address = 0;

    run_argument(run, vmo_offset);
    run_argument(run, len);
    const struct model_answer want =
        model_vmar_map(&run->model, vmar.handle, options, offset, vmo.handle, vmo_offset, len, null_result);
    const zx_status_t status =
        zx_vmar_map(vmar.value, options, offset, vmo.value, vmo_offset, len, null_result ? NULL : &address);
    if (!run_agree(run, status, want))
        return;
    const uint64_t rounded = (len + PAGE - 1) & ~(PAGE - 1);
    check_place(run, run->model.handles[vmar.handle].object, options, offset, rounded, address);
    if (run->broken)
        return;
    model_do_vmar_map(&run->model, vmar.handle, options, vmo.handle, vmo_offset, address, len);
    run_result(run, address);
    run_remember(run, address, rounded, vmo_offset);
}

static void do_vmar_unmap(struct run *run)
{
    const struct run_target vmar = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct run_surroundings s = run_around_target(run, vmar);
    const uint64_t addr = run_address(run, 0, &s);
    const uint64_t len = run_size(run, 1, &s, addr);

    run_argument(run, addr);
    run_argument(run, len);
    const struct model_answer want = model_vmar_unmap(&run->model, vmar.handle, addr, len);
    if (run_agree(run, zx_vmar_unmap(vmar.value, addr, len), want))
        model_do_vmar_unmap(&run->model, run->model.handles[vmar.handle].object, addr, len);
}

static void do_vmar_protect(struct run *run)
{
    const struct run_target vmar = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct run_surroundings s = run_around_target(run, vmar);
    const uint32_t options = run_vm_options(run);
    const uint64_t addr = run_address(run, 0, &s);
    const uint64_t len = run_size(run, 1, &s, addr);

    run_argument(run, options);
    run_argument(run, addr);
    run_argument(run, len);
    const struct model_answer want = model_vmar_protect(&run->model, vmar.handle, options, addr, len);
    if (!run_agree(run, zx_vmar_protect(vmar.value, options, addr, len), want))
        return;
    const int32_t object = run->model.handles[vmar.handle].object;
    model_do_vmar_protect(&run->model, run->model.vmars[object].space, options, addr, len);
}

static void do_vmar_op_range(struct run *run)
{
    const struct run_target vmar = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct run_surroundings s = run_around_target(run, vmar);
    const uint32_t op = run->op.options;
    const uint64_t addr = run_address(run, 0, &s);
    const uint64_t len = run_size(run, 1, &s, addr);
    const bool buffer = run->op.to == TRACE_TO_NULL_FIRST, buffer_size = run->op.to == TRACE_TO_NULL_SECOND;

    run_argument(run, op);
    run_argument(run, addr);
    run_argument(run, len);
    const struct model_answer want =
        model_vmar_op_range(&run->model, vmar.handle, op, addr, len, buffer || buffer_size);
    if (!run_agree(
            run,
            zx_vmar_op_range(vmar.value, op, addr, len, buffer ? run->buffer : NULL, buffer_size ? 1 : 0),
            want))
        return;
    const int32_t object = run->model.handles[vmar.handle].object;
    model_do_vmar_op_range(&run->model, run->model.vmars[object].space, op, addr, len);
}

static void do_vmar_destroy(struct run *run)
{
    const struct run_target vmar = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const struct model_answer want = model_vmar_destroy(&run->model, vmar.handle);

    if (run_agree(run, zx_vmar_destroy(vmar.value), want))
        model_do_vmar_destroy(&run->model, run->model.handles[vmar.handle].object);
}

/* ---- VMOs ---- */

static void do_vmo_create(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint64_t size = run_size(run, 1, &s, 0);
    const uint32_t options = run->op.options;
    const bool null_result = run->op.to >= TRACE_SLOTS;
    zx_handle_t vmo = ZX_HANDLE_INVALID;

    run_argument(run, size);
    run_argument(run, options);
    const struct model_answer want = model_vmo_create(size, options, null_result);
    if (!run_agree(run, zx_vmo_create(size, options, null_result ? NULL : &vmo), want))
        return;
    const int32_t made = model_do_vmo_create(&run->model, size, options);
    const zx_rights_t rights =
        ZX_DEFAULT_VMO_RIGHTS | ((options & ZX_VMO_RESIZABLE) != 0 ? ZX_RIGHT_RESIZE : 0);
    run_result(run, run_add_handle(run, TRACE_TYPE_VMO, made, vmo, rights));
}

/* Bytes that differ from page to page and from one fill to the next. */
void run_fill(uint8_t *buffer, uint64_t size, uint8_t seed)
{
    for (uint64_t i = 0; i < size; i++)
        buffer[i] = (uint8_t)(seed + 17 * i + (i >> 8) * 5);
}

void run_compare(struct run *run, uint64_t at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        if (run->buffer[i] != run->expected[i]) {
            run_broken(run, "expected byte 0x%02x at 0x%llx, got 0x%02x", run->expected[i],
                       (unsigned long long)(at + i), run->buffer[i]);
            return;
        }
    }
}

/* Reads some of what an operation may have changed: the pages of [offset, offset + size) at its beginning, and its
   last one. Nothing of it goes into the record. */
static void verify_contents(struct run *run, int32_t handle, uint64_t offset, uint64_t size)
{
    const struct model_handle *h = &run->model.handles[handle];
    const uint64_t first = offset & ~(PAGE - 1), end = (offset + size + PAGE - 1) & ~(PAGE - 1);

    if ((h->rights & ZX_RIGHT_READ) == 0 || size == 0 || model_shown(&run->model, h->object)->physical)
        return;
    for (unsigned i = 0; i < 2 && !run->broken; i++) {
        const uint64_t from = i == 0 ? first : end - PAGE;
        const uint64_t most = end - from < RUN_TRANSFER_MAX ? end - from : RUN_TRANSFER_MAX;
        if (zx_vmo_read(h->value, run->buffer, from, most) != ZX_OK) {
            run_broken(run, "the VMO cannot be read at 0x%llx", (unsigned long long)from);
            return;
        }
        model_vmo_read(&run->model, h->object, from, run->expected, most);
        run_compare(run, from, most);
    }
}

static void do_vmo_create_child(struct run *run)
{
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, vmo);
    uint32_t options = run->op.options;
    const uint64_t offset = run_vmo_offset(run, 0, &s);
    const uint64_t size = run_vmo_size(run, 1, &s, offset);
    const bool null_result = run->op.to >= TRACE_SLOTS;
    zx_handle_t child = ZX_HANDLE_INVALID;

    struct model_answer want =
        model_vmo_create_child(&run->model, vmo.handle, options, offset, size, null_result);
    /* Where the model has no room for one more, the call is made one that is refused. */
    if (want.status == ZX_OK && !model_has_room_for_child(&run->model, vmo.handle, options, offset, size)) {
        options = ZX_VMO_CHILD_NO_WRITE | ZX_VMO_CHILD_RESIZABLE;
        want = model_vmo_create_child(&run->model, vmo.handle, options, offset, size, null_result);
    }
    run_argument(run, options);
    run_argument(run, offset);
    run_argument(run, size);
    if (!run_agree(run, zx_vmo_create_child(vmo.value, options, offset, size, null_result ? NULL : &child),
                   want))
        return;
    const zx_rights_t rights = model_child_rights(model_rights(&run->model, vmo.handle), options);
    const int32_t made = model_do_vmo_create_child(&run->model, vmo.handle, options, offset, size);
    run_result(run, run_add_handle(run, TRACE_TYPE_VMO, made, child, rights));
    verify_contents(run, run->model.handle_count - 1, 0, run->model.vmos[made].size);
}

static void do_vmo_transfer(struct run *run)
{
    const bool write = run->op.code == TRACE_VMO_WRITE;
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, vmo);
    const uint64_t offset = run_vmo_offset(run, 0, &s);
    uint64_t size = run_vmo_size(run, 1, &s, offset);
    const bool null_buffer = run->op.to >= TRACE_SLOTS;

    struct model_answer want = model_vmo_io(&run->model, vmo.handle, write, offset, size, null_buffer);
    if (want.status != ZX_ERR_OUT_OF_RANGE && size > RUN_TRANSFER_MAX) {
        size = RUN_TRANSFER_MAX;
        want = model_vmo_io(&run->model, vmo.handle, write, offset, size, null_buffer);
    }
    run_argument(run, offset);
    run_argument(run, size);
    if (write) {
        run_fill(run->buffer, size < RUN_TRANSFER_MAX ? size : RUN_TRANSFER_MAX, run->op.b);
        if (run_agree(run, zx_vmo_write(vmo.value, null_buffer ? NULL : run->buffer, offset, size), want))
            model_do_vmo_write(&run->model, run->model.handles[vmo.handle].object, offset, run->buffer, size);
        return;
    }
    if (!run_agree(run, zx_vmo_read(vmo.value, null_buffer ? NULL : run->buffer, offset, size), want))
        return;
    model_vmo_read(&run->model, run->model.handles[vmo.handle].object, offset, run->expected, size);
    run_compare(run, offset, size);
    run_data(run, run->buffer, size);
}

static void do_vmo_set_size(struct run *run)
{
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, vmo);
    const uint64_t size = run_vmo_size(run, 1, &s, 0);
    const struct model_answer want = model_vmo_set_size(&run->model, vmo.handle, size);

    run_argument(run, size);
    if (run_agree(run, zx_vmo_set_size(vmo.value, size), want))
        model_do_vmo_set_size(&run->model, run->model.handles[vmo.handle].object, size);
}

static void do_vmo_get_size(struct run *run)
{
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const bool null_result = run->op.to >= TRACE_SLOTS;
    struct model_answer want = {model_check_handle(&run->model, vmo.handle, TRACE_TYPE_VMO, 0), false, 0};
    uint64_t size = 0;

    if (want.status == ZX_OK && null_result)
        want.status = ZX_ERR_INVALID_ARGS;
    if (!run_agree(run, zx_vmo_get_size(vmo.value, null_result ? NULL : &size), want))
        return;
    const uint64_t expected = run->model.vmos[run->model.handles[vmo.handle].object].size;
    if (size != expected)
        run_broken(run, "expected size 0x%llx, got 0x%llx", (unsigned long long)expected,
                   (unsigned long long)size);
    run_result(run, size);
}

static void do_vmo_op_range(struct run *run)
{
    const struct run_target vmo = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, vmo);
    const uint32_t op = run->op.options;
    const uint64_t offset = run_vmo_offset(run, 0, &s);
    const uint64_t size = run_vmo_size(run, 1, &s, offset);
    const bool buffer = run->op.to == TRACE_TO_NULL_FIRST, buffer_size = run->op.to == TRACE_TO_NULL_SECOND;
    const struct model_answer want =
        model_vmo_op_range(&run->model, vmo.handle, op, offset, size, buffer || buffer_size);

    run_argument(run, op);
    run_argument(run, offset);
    run_argument(run, size);
    if (!run_agree(
            run,
            zx_vmo_op_range(vmo.value, op, offset, size, buffer ? run->buffer : NULL, buffer_size ? 1 : 0),
            want))
        return;
    model_do_vmo_op_range(&run->model, run->model.handles[vmo.handle].object, op, offset, size);
    verify_contents(run, vmo.handle, offset, size);
}

/* ---- Handles ---- */

static void do_handle_close(struct run *run)
{
    const struct run_target target = run_resolve(run, run->op.b, run->op.a);
    const struct model_answer want = model_handle_close(target.handle, target.value == ZX_HANDLE_INVALID);

    if (!run_agree(run, zx_handle_close(target.value), want) || target.handle == MODEL_NONE)
        return;
    run->closed[run->current] = target.value;
    model_do_handle_close(&run->model, target.handle);
}

/* All that are valid are closed, whatever else the array holds; a handle that is in it twice is valid once. */
static void do_handle_close_many(struct run *run)
{
    const unsigned count = run->op.options;
    const bool null_array = run->op.to >= TRACE_SLOTS;
    struct run_target targets[TRACE_CLOSE_MANY_MAX];
    zx_handle_t values[TRACE_CLOSE_MANY_MAX];
    struct model_answer want = {ZX_OK, false, 0};

    run_argument(run, count);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t type = run->op.wild ? (uint8_t)((run->op.b + i) % TRACE_TYPE_COUNT) : run->op.b;
        const uint8_t slot = run->op.a < TRACE_SLOTS ? (uint8_t)((run->op.a + i) % TRACE_SLOTS) : run->op.a;
        targets[i] = run_resolve(run, type, slot);
        values[i] = targets[i].value;
        bool again = false;
        for (unsigned j = 0; j < i; j++)
            again = again || values[j] == values[i];
        if (values[i] != ZX_HANDLE_INVALID && (again || targets[i].handle == MODEL_NONE))
            want.status = ZX_ERR_BAD_HANDLE;
    }
    if (null_array && count > 0)
        want.status = ZX_ERR_INVALID_ARGS;
    run_agree(run, zx_handle_close_many(null_array ? NULL : values, count), want);
    for (unsigned i = 0; i < count && want.status != ZX_ERR_INVALID_ARGS; i++) {
        if (targets[i].handle == MODEL_NONE || !run->model.handles[targets[i].handle].open)
            continue;
        run->closed[run->current] = values[i];
        model_do_handle_close(&run->model, targets[i].handle);
    }
}

static zx_rights_t wanted_rights(const struct run *run, int32_t handle)
{
    const uint32_t bits = run->op.options | (uint32_t)run->op.align << 16;

    switch (run->op.mark) {
    case TRACE_RIGHTS_MINUS:
        return handle == MODEL_NONE ? 0 : run->model.handles[handle].rights & ~bits;
    case TRACE_RIGHTS_RAW:
        return bits;
    case TRACE_RIGHTS_HIGH:
        return bits << 8;
    default:
        return ZX_RIGHT_SAME_RIGHTS;
    }
}

static void do_handle_copy(struct run *run)
{
    const bool replace = run->op.code == TRACE_HANDLE_REPLACE;
    const uint8_t type = run->op.b;
    const struct run_target target = run_resolve(run, type, run->op.a);
    const zx_rights_t rights = wanted_rights(run, target.handle);
    const bool null_result = run->op.to >= TRACE_SLOTS;
    zx_handle_t copy = ZX_HANDLE_INVALID;

    run_argument(run, rights);
    const struct model_answer want =
        model_handle_copy(&run->model, target.handle, replace, rights, null_result);
    const zx_status_t status = replace
                                   ? zx_handle_replace(target.value, rights, null_result ? NULL : &copy)
                                   : zx_handle_duplicate(target.value, rights, null_result ? NULL : &copy);
    if (!run_agree(run, status, want))
        return;
    const struct model_handle old = run->model.handles[target.handle];
    run_result(run, run_add_handle(run, old.type, old.object, copy,
                                   rights == ZX_RIGHT_SAME_RIGHTS ? old.rights : rights));
    if (replace) {
        run->closed[run->current] = target.value;
        model_do_handle_close(&run->model, target.handle);
    }
}

static void do_replace_as_executable(struct run *run)
{
    const struct run_target target = run_resolve(run, run->op.b, run->op.a);
    const uint16_t vmex = run->op.options;
    const bool null_result = run->op.to >= TRACE_SLOTS;
    zx_handle_t made = ZX_HANDLE_INVALID;

    run_argument(run, vmex);
    const zx_handle_t resource = vmex == TRACE_VMEX_NONE   ? ZX_HANDLE_INVALID
                                 : vmex == TRACE_VMEX_SAME ? target.value
                                                           : RUN_GARBAGE_HANDLE;
    const struct model_answer want =
        model_replace_as_executable(&run->model, target.handle, resource != ZX_HANDLE_INVALID, null_result);
    if (!run_agree(run, zx_vmo_replace_as_executable(target.value, resource, null_result ? NULL : &made),
                   want))
        return;
    const struct model_handle old = run->model.handles[target.handle];
    run_result(run, run_add_handle(run, old.type, old.object, made, old.rights | ZX_RIGHT_EXECUTE));
    run->closed[run->current] = target.value;
    model_do_handle_close(&run->model, target.handle);
}

/* Names are short; what is longer reaches no further into the buffer. */
static void do_property(struct run *run)
{
    const bool set = run->op.code == TRACE_OBJECT_SET_PROPERTY;
    const struct run_target target = run_resolve(run, run->op.b, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, target);
    const uint32_t property = run->op.options;
    const uint64_t size = run_size(run, 1, &s, 0);
    char *const value = run->op.to >= TRACE_SLOTS ? NULL : (char *)run->buffer;

    run_argument(run, property);
    run_argument(run, size);
    const struct model_answer want =
        model_property(&run->model, target.handle, set, property, size, value == NULL);
    run_fill(run->buffer, 2 * ZX_MAX_NAME_LEN, set ? run->op.align : 0xa5);
    if (set) {
        if (run_agree(run, zx_object_set_property(target.value, property, value, size), want))
            model_do_set_name(&run->model, target.handle, (const char *)run->buffer, size);
        return;
    }
    run_fill(run->expected, 2 * ZX_MAX_NAME_LEN, 0xa5);
    if (!run_agree(run, zx_object_get_property(target.value, property, value, size), want))
        return;
    /* All of the name, and nothing behind it. */
    memcpy(run->expected, model_name(&run->model, target.handle), ZX_MAX_NAME_LEN);
    run_compare(run, 0, 2 * ZX_MAX_NAME_LEN);
    run_data(run, run->buffer, ZX_MAX_NAME_LEN);
}

static zx_obj_type_t object_type(uint8_t type)
{
    static const zx_obj_type_t types[TRACE_TYPE_COUNT] = {ZX_OBJ_TYPE_VMAR, ZX_OBJ_TYPE_VMO,
                                                          ZX_OBJ_TYPE_PROCESS};

    return types[type];
}

static zx_koid_t *koid_of(struct run *run, const struct model_handle *h)
{
    switch (h->type) {
    case TRACE_TYPE_VMAR:
        return &run->model.vmars[h->object].koid;
    case TRACE_TYPE_VMO:
        return &run->model.vmos[h->object].koid;
    default:
        return &run->model.processes[h->object].koid;
    }
}

static void check_basic(struct run *run, int32_t handle, const zx_info_handle_basic_t *info)
{
    const struct model_handle *h = &run->model.handles[handle];
    zx_koid_t *const koid = koid_of(run, h);

    if (info->type != object_type(h->type))
        run_broken(run, "expected type %u, got %u", object_type(h->type), info->type);
    if (info->rights != h->rights)
        run_broken(run, "expected rights 0x%x, got 0x%x", h->rights, info->rights);
    if (info->koid < ZX_KOID_FIRST || (*koid != 0 && info->koid != *koid))
        run_broken(run, "expected koid %llu, got %llu", (unsigned long long)*koid,
                   (unsigned long long)info->koid);
    *koid = info->koid;
    run_result(run, info->koid);
    run_result(run, info->rights);
    run_result(run, info->type);
    run_result(run, info->related_koid);
}

static void check_vmar_info(struct run *run, int32_t handle, const zx_info_vmar_t *info)
{
    const struct model_vmar *v = &run->model.vmars[run->model.handles[handle].object];

    if (info->base != v->base || info->len != v->size)
        run_broken(run, "expected base 0x%llx and size 0x%llx, got 0x%llx and 0x%llx",
                   (unsigned long long)v->base, (unsigned long long)v->size, (unsigned long long)info->base,
                   (unsigned long long)info->len);
    run_result(run, info->base);
    run_result(run, info->len);
}

/* Topics that tell of memory. */
static void do_get_memory_info(struct run *run, struct run_target target, uint32_t topic, size_t size)
{
    const bool null_buffer = run->op.to == TRACE_TO_NULL_FIRST,
               short_buffer = run->op.to == TRACE_TO_NULL_SECOND;
    const struct model_answer want =
        model_get_info(&run->model, target.handle, topic, null_buffer, short_buffer);
    size_t actual = 0, avail = 0;

    memset(run->buffer, 0xa5, RUN_TRANSFER_MAX);
    if (!run_agree(run,
                   zx_object_get_info(target.value, topic, null_buffer ? NULL : run->buffer,
                                      short_buffer ? 3 : size, &actual, &avail),
                   want))
        return;
    const size_t fit = short_buffer || avail == 0      ? 0
                       : topic == ZX_INFO_PROCESS_MAPS ? size / sizeof(zx_info_maps_t)
                                                       : 1;
    if (actual != (avail < fit ? avail : fit))
        run_broken(run, "%zu records of %zu, where there is room for %zu", actual, avail, fit);
    else if (!short_buffer)
        run_check_info(run, target.handle, topic, actual, avail);
}

static void do_get_info(struct run *run)
{
    const struct run_target target = run_resolve(run, run->op.b, run->op.a);
    const uint32_t topic = run->op.options;
    const size_t memory_size = topic == ZX_INFO_HANDLE_COUNT   ? sizeof(zx_info_handle_count_t)
                               : topic == ZX_INFO_VMO          ? sizeof(zx_info_vmo_t)
                               : topic == ZX_INFO_KMEM_STATS   ? sizeof(zx_info_kmem_stats_t)
                               : topic == ZX_INFO_TASK_STATS   ? sizeof(zx_info_task_stats_t)
                               : topic == ZX_INFO_PROCESS_MAPS ? RUN_TRANSFER_MAX
                                                               : 0;
    const bool null_buffer = run->op.to == TRACE_TO_NULL_FIRST,
               short_buffer = run->op.to == TRACE_TO_NULL_SECOND;
    union {
        zx_info_handle_basic_t basic;
        zx_info_vmar_t vmar;
    } info;

    memset(&info, 0, sizeof info);
    run_argument(run, topic);
    if (memory_size != 0) {
        do_get_memory_info(run, target, topic, memory_size);
        return;
    }
    const struct model_answer want =
        model_get_info(&run->model, target.handle, topic, null_buffer, short_buffer);
    const zx_status_t status = zx_object_get_info(target.value, topic, null_buffer ? NULL : &info,
                                                  short_buffer ? 8 : sizeof info, NULL, NULL);
    if (!run_agree(run, status, want))
        return;
    if (topic == ZX_INFO_HANDLE_BASIC)
        check_basic(run, target.handle, &info.basic);
    if (topic == ZX_INFO_VMAR)
        check_vmar_info(run, target.handle, &info.vmar);
}

/* ---- Accesses and faults ---- */

static uint8_t perms_of_access(uint8_t code)
{
    return code == TRACE_WRITE ? MODEL_WRITE : code == TRACE_EXECUTE ? MODEL_EXECUTE : MODEL_READ;
}

/* How many bytes must have been done when the access ended with `status`; the status that the model wants
   in the end. */
static void judge_access(struct run *run, uint8_t process, zx_vaddr_t va, uint64_t size, zx_status_t status,
                         uint64_t done)
{
    const uint8_t perms = perms_of_access(run->op.code);
    uint64_t want_done;
    const zx_status_t want = model_access(&run->model, process, va, size, perms, &want_done);
    const bool short_of_memory = status == ZX_ERR_NO_MEMORY && done <= want_done && done < size;

    run_agree(run, status, (struct model_answer){want, want_done > 0, 4});
    if (!run->broken && done != want_done && !short_of_memory)
        run_broken(run, "expected %llu bytes to be accessed, got %llu", (unsigned long long)want_done,
                   (unsigned long long)done);
    if (run->broken)
        return;
    if (run->op.code == TRACE_WRITE)
        model_do_space_write(&run->model, process, va, run->buffer, done);
    if (run->op.code == TRACE_READ && done > 0) {
        model_space_read(&run->model, process, va, run->expected, done);
        run_compare(run, va, done);
        run_data(run, run->buffer, done);
    }
}

static void do_access(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    uint64_t size = 1;
    uint32_t kind = TRACE_ACCESS_EXECUTE;
    size_t done = 0;

    run_argument(run, va);
    if (run->op.code != TRACE_EXECUTE) {
        size = run_size(run, 1, &s, va);
        size = size == 0 ? 1 : size > RUN_ACCESS_MAX ? RUN_ACCESS_MAX : size;
        kind = run->op.code == TRACE_WRITE ? TRACE_ACCESS_WRITE : TRACE_ACCESS_READ;
        run_argument(run, size);
    }
    if (run->op.code == TRACE_WRITE)
        run_fill(run->buffer, size, run->op.b);
    const zx_status_t status =
        trace_host_access(vm_process_aspace(run->processes[process]), va, run->buffer, size, kind, &done);
    run_note_use(run, process);
    judge_access(run, process, va, size, status, done);
    run_result(run, done);
}

/* The longest transfer whose size is not refused is the longest that the buffer has room for. */
static void do_process_memory(struct run *run)
{
    const bool write = run->op.code == TRACE_PROCESS_WRITE_MEMORY;
    const struct run_target target = run_resolve(run, TRACE_TYPE_PROCESS, run->op.a);
    const bool found =
        target.handle != MODEL_NONE && run->model.handles[target.handle].type == TRACE_TYPE_PROCESS;
    const uint8_t process = found ? (uint8_t)run->model.handles[target.handle].object : run->current;
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    uint64_t size = run_size(run, 1, &s, va), done;
    const bool null_buffer = run->op.to == TRACE_TO_NULL_FIRST,
               null_actual = run->op.to == TRACE_TO_NULL_SECOND;
    size_t actual = 0;

    if (size > RUN_TRANSFER_MAX && size <= 64u << 20)
        size = RUN_TRANSFER_MAX;
    run_argument(run, va);
    run_argument(run, size);
    const struct model_answer want =
        model_process_memory(&run->model, target.handle, write, va, size, null_buffer, null_actual, &done);
    run_fill(run->buffer, size < RUN_TRANSFER_MAX ? size : RUN_TRANSFER_MAX, run->op.align);
    void *const buffer = null_buffer ? NULL : run->buffer;
    size_t *const told = null_actual ? NULL : &actual;
    if (!run_agree(run,
                   write ? zx_process_write_memory(target.value, va, buffer, size, told)
                         : zx_process_read_memory(target.value, va, buffer, size, told),
                   want))
        return;
    run_result(run, actual);
    if (actual != done) {
        run_broken(run, "expected %llu bytes to be moved, got %llu", (unsigned long long)done,
                   (unsigned long long)actual);
    } else if (write) {
        model_do_space_write(&run->model, process, va, run->buffer, done);
    } else {
        model_space_read(&run->model, process, va, run->expected, done);
        run_compare(run, va, done);
        run_data(run, run->buffer, done);
    }
}

static void do_fault(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const uint32_t flags = run->op.options;
    const zx_vaddr_t va = run_address(run, 0, &s);
    struct vm_aspace *const aspace = vm_process_aspace(run->processes[process]);
    uint8_t perms = (flags & VM_PF_FLAG_WRITE) != 0 ? MODEL_WRITE : 0;

    if ((flags & VM_PF_FLAG_INSTRUCTION) != 0)
        perms |= MODEL_EXECUTE;
    if (perms == 0)
        perms = MODEL_READ;
    run_argument(run, flags);
    run_argument(run, va);
    const struct model_answer want = {model_fault(&run->model, process, va, perms), true, 4};
    const zx_status_t status = run->op.code == TRACE_SOFT_FAULT ? vm_aspace_soft_fault(aspace, va, flags)
                                                                : vm_aspace_page_fault(aspace, va, flags);
    run_agree(run, status, (struct model_answer){want.status, want.status == ZX_OK, want.pages});
}

void run_operation(struct run *run)
{
    static void (*const operations[TRACE_CODE_COUNT])(struct run *) = {
        [TRACE_VMAR_ALLOCATE] = do_vmar_allocate,
        [TRACE_VMAR_MAP] = do_vmar_map,
        [TRACE_VMAR_UNMAP] = do_vmar_unmap,
        [TRACE_VMAR_PROTECT] = do_vmar_protect,
        [TRACE_VMAR_DESTROY] = do_vmar_destroy,
        [TRACE_VMO_CREATE] = do_vmo_create,
        [TRACE_VMO_READ] = do_vmo_transfer,
        [TRACE_VMO_WRITE] = do_vmo_transfer,
        [TRACE_VMO_SET_SIZE] = do_vmo_set_size,
        [TRACE_VMO_GET_SIZE] = do_vmo_get_size,
        [TRACE_VMO_OP_RANGE] = do_vmo_op_range,
        [TRACE_HANDLE_CLOSE] = do_handle_close,
        [TRACE_HANDLE_DUPLICATE] = do_handle_copy,
        [TRACE_HANDLE_REPLACE] = do_handle_copy,
        [TRACE_PROCESS_CREATE] = run_process_create,
        [TRACE_OBJECT_GET_INFO] = do_get_info,
        [TRACE_READ] = do_access,
        [TRACE_WRITE] = do_access,
        [TRACE_EXECUTE] = do_access,
        [TRACE_SOFT_FAULT] = do_fault,
        [TRACE_PAGE_FAULT] = do_fault,
        [TRACE_FAIL_ALLOCATION] = run_fail_allocation,
        [TRACE_SELECT_PROCESS] = run_select_process,
        [TRACE_VMO_REPLACE_AS_EXECUTABLE] = do_replace_as_executable,
        [TRACE_VMAR_OP_RANGE] = do_vmar_op_range,
        [TRACE_PROCESS_READ_MEMORY] = do_process_memory,
        [TRACE_PROCESS_WRITE_MEMORY] = do_process_memory,
        [TRACE_OBJECT_GET_PROPERTY] = do_property,
        [TRACE_OBJECT_SET_PROPERTY] = do_property,
        [TRACE_VMO_CREATE_CHILD] = do_vmo_create_child,
        [TRACE_HANDLE_CLOSE_MANY] = do_handle_close_many,
        [TRACE_VMO_CREATE_CONTIGUOUS] = run_create_contiguous,
        [TRACE_VMO_PIN] = run_pin,
        [TRACE_VMO_UNPIN] = run_unpin,
        [TRACE_VMAR_SET_MEMORY_PRIORITY] = run_set_priority,
        [TRACE_PROCESS_CREATE_SHARED] = run_process_create_shared,
        [TRACE_PROCESS_EXIT] = run_process_exit,
        [TRACE_VMO_CREATE_PHYSICAL] = run_create_physical,
        [TRACE_VMO_SET_CACHE_POLICY] = run_set_cache_policy,
        [TRACE_CPRNG_DRAW] = run_cprng_draw,
        [TRACE_TICKS_GET] = run_ticks_get,
        [TRACE_SELECT_PROCESSOR] = run_select_processor,
        [TRACE_HARVEST_ACCESSED_BITS] = run_harvest,
        [TRACE_DROP_PAGE_TABLES] = run_drop_page_tables,
        [TRACE_DROP_ALL_PAGE_TABLES] = run_drop_all_page_tables,
        [TRACE_SOFT_FAULT_IN_RANGE] = run_soft_fault_in_range,
        [TRACE_ACCESSED_FAULT] = run_accessed_fault,
        [TRACE_ASPACE_RENAME] = run_rename,
        [TRACE_FIND_REGION] = run_find_region,
        [TRACE_ASPACE_ENUMERATE] = run_enumerate,
        [TRACE_GET_MEMORY_USAGE] = run_memory_usage,
        [TRACE_GUEST_CREATE] = run_guest_create,
        [TRACE_GUEST_DESTROY] = run_guest_destroy,
        [TRACE_SPACE_ALLOC] = run_space_alloc,
        [TRACE_SPACE_ALLOC_CONTIGUOUS] = run_space_alloc,
        [TRACE_SPACE_ALLOC_PHYSICAL] = run_space_alloc,
        [TRACE_SPACE_MAP_OBJECT] = run_space_alloc,
        [TRACE_SPACE_FREE_REGION] = run_space_free_region,
        [TRACE_SPACE_READ] = run_space_access,
        [TRACE_SPACE_WRITE] = run_space_access,
        [TRACE_SPACE_EXECUTE] = run_space_access,
        [TRACE_VMO_DECLARE_VDSO] = run_declare_vdso,
        [TRACE_VDSO_ADDRESS] = run_vdso_address,
        [TRACE_VALLOC_INIT] = run_valloc_init,
        [TRACE_VALLOC_ALLOC] = run_valloc_alloc,
        [TRACE_VALLOC_FREE] = run_valloc_free,
        [TRACE_VALLOC_ALLOCATE_RANGE] = run_valloc_allocate_range,
        [TRACE_VALLOC_FREE_ALL] = run_valloc_free_all,
        [TRACE_VALLOC_DESTROY] = run_valloc_destroy,
    };

    operations[run->op.code](run);
}
