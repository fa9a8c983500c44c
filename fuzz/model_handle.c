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

struct model_answer model_get_info(const struct model *model, int32_t handle, uint32_t topic,
                                   bool null_buffer, bool short_buffer)
{
    if (handle == MODEL_NONE)
        return answer(ZX_ERR_BAD_HANDLE);
    if (topic == ZX_INFO_HANDLE_VALID)
        return answer(ZX_OK);
    if (topic != ZX_INFO_HANDLE_BASIC && topic != ZX_INFO_VMAR)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (topic == ZX_INFO_VMAR) {
        const zx_status_t status = model_check_handle(model, handle, TRACE_TYPE_VMAR, ZX_RIGHT_INSPECT);
        if (status != ZX_OK)
            return answer(status);
    }
    if (short_buffer)
        return answer(ZX_ERR_BUFFER_TOO_SMALL);
    return answer(null_buffer ? ZX_ERR_INVALID_ARGS : ZX_OK);
}
