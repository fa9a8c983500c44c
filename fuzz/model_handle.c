/* SPDX-License-Identifier: MIT */
/*
 * model_handle.c: the reference model, part two: handles, rights, processes.
 *
 * Every handle that was ever made stands in one array; a closed one stays there. A process lives as long as
 * another process has a handle to it, or the host keeps it; when it dies its handles are closed, which may be
 * the end of the next.
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

int32_t model_add_process(struct model *model, bool hosted, zx_vaddr_t base, size_t size)
{
    int32_t index = 0;

    while (model->processes[index].alive)
        index++;
    model->processes[index] =
        (struct model_process){.alive = true, .hosted = hosted, .root = model->vmar_count++};
    model->vmars[model->processes[index].root] = (struct model_vmar){
        .base = base,
        .size = size,
        .flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC,
        .parent = MODEL_NONE,
        .process = (uint8_t)index,
        .alive = true,
    };
    return index;
}

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
    if (--process->handles > 0 || process->hosted)
        return MODEL_NONE;
    return h->object;
}

void model_do_handle_close(struct model *model, int32_t handle)
{
    bool again = true;
    int32_t dying = close_one(model, handle);

    if (dying == MODEL_NONE)
        return;
    model->processes[dying].alive = false;
    while (again) {
        again = false;
        for (int32_t i = 0; i < model->handle_count; i++) {
            if (!model->handles[i].open || model->processes[model->handles[i].process].alive)
                continue;
            dying = close_one(model, i);
            if (dying != MODEL_NONE)
                model->processes[dying].alive = false;
            again = true;
        }
    }
    for (int32_t i = 0; i < TRACE_PROCESSES; i++) {
        if (!model->processes[i].alive && model->vmars[model->processes[i].root].alive &&
            model->vmars[model->processes[i].root].process == i && model->processes[i].root != 0)
            model_do_vmar_destroy(model, model->processes[i].root);
    }
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
