/* SPDX-License-Identifier: MIT */
/*
 * model_handle.c: the reference model, part two: handles, rights, processes.
 *
 * Every handle that was ever made stands in one array; a closed one stays there. A process lives as long as
 * another process has a handle to it, or the host keeps it, and does not exit; when it dies its handles are
 * closed, which may be the end of the next. A shared space lives as long as one of those that share it.
 */
#include <vm/mem.h>
#include <zircon/syscalls/object.h>

#include "model.h"

static struct model_answer answer(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

int32_t model_add_handle(struct model *model, uint8_t process, uint8_t type, int32_t object,
                         zx_handle_t value, zx_rights_t rights)
{
    const int32_t index = model->handle_count++;

    model->handles[index] = (struct model_handle){
        .value = value,
        .rights = rights,
        .object = object,
        .type = type,
        .process = process,
        .open = true,
    };
    if (type == TRACE_TYPE_PROCESS && object != process)
        model->processes[object].handles++;
    return index;
}

/* ---- Processes and their spaces ---- */

void model_start_space(struct model *model, int32_t space, zx_vaddr_t base, size_t size)
{
    model->spaces[space] = (struct model_space){.root = model->vmar_count++, .sharers = 1};
    model->vmars[model->spaces[space].root] = (struct model_vmar){
        .base = base,
        .size = size,
        .flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC,
        .parent = MODEL_NONE,
        .space = (uint8_t)space,
        .alive = true,
    };
}

static bool is_remembered(const struct model_process *process)
{
    return process->alive || process->handles > 0;
}

bool model_has_room_for_process(const struct model *model)
{
    unsigned remembered = 0;

    for (unsigned i = 0; i < TRACE_PROCESSES; i++)
        remembered += is_remembered(&model->processes[i]);
    return remembered < TRACE_PROCESSES;
}

int32_t model_add_process(struct model *model, bool hosted, enum model_sharing sharing, int32_t shared,
                          zx_vaddr_t base, size_t size)
{
    int32_t index = 0, founded = TRACE_PROCESSES;

    while (is_remembered(&model->processes[index]))
        index++;
    while (model->spaces[founded].sharers > 0)
        founded++;
    struct model_process *const process = &model->processes[index];
    *process = (struct model_process){.alive = true, .hosted = hosted, .spaces = {index, MODEL_NONE}};
    if (sharing == MODEL_FOUNDS) {
        process->spaces[0] = MODEL_NONE;
        process->spaces[1] = founded;
        model_start_space(model, founded, base, size);
        process->root = model->spaces[founded].root;
        return index;
    }
    if (sharing == MODEL_JOINS) {
        process->spaces[1] = shared;
        model->spaces[shared].sharers++;
    }
    model_start_space(model, index, base, size);
    process->root = model->spaces[index].root;
    return index;
}

uint8_t model_space_at(const struct model *model, uint8_t process, zx_vaddr_t va)
{
    const int32_t own = model->processes[process].spaces[0], shared = model->processes[process].spaces[1];

    if (own == MODEL_NONE)
        return (uint8_t)shared;
    if (shared == MODEL_NONE || va < model->vmars[model->spaces[shared].root].base)
        return (uint8_t)own;
    return (uint8_t)shared;
}

/* What is left to do when a process has died: its spaces go, the shared one where nobody else shares it. */
static void leave_spaces(struct model *model, struct model_process *process)
{
    for (unsigned i = 0; i < 2; i++) {
        const int32_t space = process->spaces[i];
        if (space == MODEL_NONE || process->shared_over || --model->spaces[space].sharers > 0)
            continue;
        model_do_vmar_destroy(model, model->spaces[space].root);
        for (unsigned other = 0; other < TRACE_PROCESSES && i == 1; other++)
            model->processes[other].shared_over |= model->processes[other].spaces[1] == space;
    }
}

struct model_answer model_process_create(uint32_t options, bool job, bool null_name, bool null_result)
{
    /* A table for each 512 GiB of a space that others can share. */
    const uint64_t tables = options == ZX_PROCESS_SHARED ? 129 : 0;

    if ((options & ~ZX_PROCESS_SHARED) != 0 || null_name)
        return answer(ZX_ERR_INVALID_ARGS);
    if (job)
        return answer(ZX_ERR_BAD_HANDLE);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, tables};
}

struct model_answer model_process_create_shared(const struct model *model, int32_t handle, uint32_t options,
                                                bool null_name, bool null_result)
{
    if (options != 0 || null_name)
        return answer(ZX_ERR_INVALID_ARGS);
    const zx_status_t status = model_check_handle(model, handle, TRACE_TYPE_PROCESS,
                                                  ZX_RIGHT_MANAGE_PROCESS | ZX_RIGHT_GET_PROPERTY);
    if (status != ZX_OK)
        return answer(status);
    const struct model_process *with = &model->processes[model_object(model, handle)];
    if (with->spaces[1] == MODEL_NONE)
        return answer(ZX_ERR_INVALID_ARGS);
    if (with->shared_over)
        return answer(ZX_ERR_BAD_STATE);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, 0};
}

/* ---- Handles ---- */

zx_status_t model_check_handle(const struct model *model, int32_t handle, uint8_t type, zx_rights_t needed)
{
    if (handle == MODEL_NONE)
        return ZX_ERR_BAD_HANDLE;
    if (model->handles[handle].type != type)
        return ZX_ERR_WRONG_TYPE;
    if ((needed & ~model->handles[handle].rights) != 0)
        return ZX_ERR_ACCESS_DENIED;
    return ZX_OK;
}

zx_rights_t model_rights(const struct model *model, int32_t handle)
{
    return model->handles[handle].rights;
}

int32_t model_object(const struct model *model, int32_t handle)
{
    return model->handles[handle].object;
}

struct model_answer model_handle_close(int32_t handle, bool invalid)
{
    return answer(invalid || handle != MODEL_NONE ? ZX_OK : ZX_ERR_BAD_HANDLE);
}

/* Closes a handle; the process that it was the last one to, or MODEL_NONE. */
static int32_t close_one(struct model *model, int32_t handle)
{
    struct model_handle *h = &model->handles[handle];

    h->open = false;
    if (h->type != TRACE_TYPE_PROCESS || h->object == h->process)
        return MODEL_NONE;
    struct model_process *process = &model->processes[h->object];
    if (--process->handles > 0 || process->hosted || !process->alive)
        return MODEL_NONE;
    return h->object;
}

/* Ends a process, and with its handles those that nobody else has a handle to. */
static void end_process(struct model *model, int32_t dying)
{
    bool again = true, died[TRACE_PROCESSES] = {false};

    model->processes[dying].alive = false;
    died[dying] = true;
    while (again) {
        again = false;
        for (int32_t i = 0; i < model->handle_count; i++) {
            if (!model->handles[i].open || model->processes[model->handles[i].process].alive)
                continue;
            dying = close_one(model, i);
            if (dying != MODEL_NONE) {
                model->processes[dying].alive = false;
                died[dying] = true;
            }
            again = true;
        }
    }
    for (unsigned i = 0; i < TRACE_PROCESSES; i++) {
        if (died[i])
            leave_spaces(model, &model->processes[i]);
    }
}

void model_do_handle_close(struct model *model, int32_t handle)
{
    const int32_t dying = close_one(model, handle);

    if (dying != MODEL_NONE)
        end_process(model, dying);
}

void model_do_process_exit(struct model *model, uint8_t process)
{
    end_process(model, process);
}

struct model_answer model_handle_copy(const struct model *model, int32_t handle, bool replace,
                                      zx_rights_t rights, bool null_result)
{
    if (handle == MODEL_NONE)
        return answer(ZX_ERR_BAD_HANDLE);
    const zx_rights_t held = model->handles[handle].rights;
    if (!replace && (held & ZX_RIGHT_DUPLICATE) == 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    if (rights != ZX_RIGHT_SAME_RIGHTS && (rights & ~held) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, 0};
}

struct model_answer model_replace_as_executable(const struct model *model, int32_t handle, bool vmex,
                                                bool null_result)
{
    if (vmex || handle == MODEL_NONE || model->handles[handle].type != TRACE_TYPE_VMO)
        return answer(ZX_ERR_BAD_HANDLE);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, 0};
}

struct model_answer model_property(const struct model *model, int32_t handle, bool set, uint32_t property,
                                   uint64_t size, bool null_value)
{
    if (handle == MODEL_NONE)
        return answer(ZX_ERR_BAD_HANDLE);
    if ((model->handles[handle].rights & (set ? ZX_RIGHT_SET_PROPERTY : ZX_RIGHT_GET_PROPERTY)) == 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    if (property != ZX_PROP_NAME)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (model->handles[handle].type == TRACE_TYPE_VMAR)
        return answer(ZX_ERR_WRONG_TYPE);
    if (!set && size < ZX_MAX_NAME_LEN)
        return answer(ZX_ERR_BUFFER_TOO_SMALL);
    return answer(null_value && size > 0 ? ZX_ERR_INVALID_ARGS : ZX_OK);
}

char *model_name(struct model *model, int32_t handle)
{
    const struct model_handle *h = &model->handles[handle];

    return h->type == TRACE_TYPE_VMO ? model->vmos[h->object].name : model->processes[h->object].name;
}

void model_do_set_name(struct model *model, int32_t handle, const char *value, uint64_t size)
{
    char *const name = model_name(model, handle);
    bool over = false;

    for (unsigned i = 0; i < ZX_MAX_NAME_LEN; i++) {
        over = over || i >= size || i == ZX_MAX_NAME_LEN - 1 || value[i] == '\0';
        name[i] = '\0';
        if (!over)
            name[i] = value[i];
    }
}

struct model_answer model_get_info(const struct model *model, int32_t handle, uint32_t topic,
                                   bool null_buffer, bool short_buffer)
{
    if (handle == MODEL_NONE)
        return answer(ZX_ERR_BAD_HANDLE);
    if (topic == ZX_INFO_HANDLE_VALID)
        return answer(ZX_OK);
    zx_status_t status = ZX_OK;
    switch (topic) {
    case ZX_INFO_HANDLE_BASIC:
        break;
    case ZX_INFO_VMAR:
        status = model_check_handle(model, handle, TRACE_TYPE_VMAR, ZX_RIGHT_INSPECT);
        break;
    case ZX_INFO_VMO:
        status = model_check_handle(model, handle, TRACE_TYPE_VMO, 0);
        break;
    case ZX_INFO_HANDLE_COUNT:
    case ZX_INFO_KMEM_STATS:
        status = model_check_handle(model, handle, model->handles[handle].type, ZX_RIGHT_INSPECT);
        break;
    case ZX_INFO_TASK_STATS:
    case ZX_INFO_PROCESS_MAPS:
        status = model_check_handle(model, handle, TRACE_TYPE_PROCESS, ZX_RIGHT_INSPECT);
        if (status == ZX_OK && !model->processes[model_object(model, handle)].alive)
            status = ZX_ERR_BAD_STATE;
        break;
    default:
        status = ZX_ERR_NOT_SUPPORTED;
        break;
    }
    if (status != ZX_OK)
        return answer(status);
    /* Of an array as many are told as there is room for, be it none. */
    if (short_buffer && topic == ZX_INFO_PROCESS_MAPS)
        return answer(ZX_OK);
    if (short_buffer)
        return answer(ZX_ERR_BUFFER_TOO_SMALL);
    return answer(null_buffer ? ZX_ERR_INVALID_ARGS : ZX_OK);
}
