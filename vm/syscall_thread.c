/* SPDX-License-Identifier: MIT */
/*
 * syscall_thread.c: the calls that make, start and end threads, and those that start and end processes.
 *
 * The order of refusals is that of zircon/syscalls.h. A thread that nobody could be told of goes again, unseen.
 */
#include <vm/mem.h>

#include "internal.h"

/* ---- Making ---- */

/* Hands out a thread that nobody has a handle to yet; takes over the reference. */
static zx_status_t give_thread(struct vm_thread *thread, zx_handle_t *out)
{
    struct vm_handle *handle;
    zx_handle_t before;
    zx_status_t status = handle_reserve(port_current_process(), &handle);
    if (status == ZX_OK) {
        status = user_tell_handle(out, handle_value(handle), &before);
        if (status != ZX_OK)
            handle_unreserve(handle);
    }
    if (status == ZX_OK)
        handle_publish(handle, &thread->object, ZX_DEFAULT_THREAD_RIGHTS);
    else
        vm_thread_release(thread);
    return status;
}

zx_status_t zx_thread_create(zx_handle_t process, const char *name, size_t name_size, uint32_t options,
                             zx_handle_t *out)
{
    char copy[ZX_MAX_NAME_LEN] = {0};
    size_t length = name_size < sizeof(copy) - 1 ? name_size : sizeof(copy) - 1;
    struct vm_object *object;
    struct vm_thread *thread;
    if (options != 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = port_copy_from_user(copy, name, length);
    if (status == ZX_OK)
        status = handle_get(process, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_MANAGE_THREAD, &object, NULL);
    if (status != ZX_OK)
        return status;
    status = vm_thread_create(container_of(object, struct vm_process, object), copy, &thread);
    vm_object_release(object);
    return status == ZX_OK ? give_thread(thread, out) : status;
}

/* ---- Starting ---- */

zx_status_t zx_thread_start(zx_handle_t handle, zx_vaddr_t entry, zx_vaddr_t stack, uintptr_t arg1,
                            uintptr_t arg2)
{
    struct port_thread_entry begin = {.entry = entry, .stack = stack, .arg1 = arg1, .arg2 = arg2};
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_MANAGE_THREAD, &object, NULL);
    if (status != ZX_OK)
        return status;
    status = thread_is_entry(entry, stack) ? thread_start(container_of(object, struct vm_thread, object),
                                                          THREAD_START_FURTHER, &begin, NULL)
                                           : ZX_ERR_INVALID_ARGS;
    vm_object_release(object);
    return status;
}

/* Starts the first thread; the handle that goes with it, if any, is `move`'s. */
static zx_status_t start_first(struct vm_thread *thread, struct port_thread_entry *entry,
                               struct handle_move *move)
{
    if (!thread_is_entry(entry->entry, entry->stack))
        return ZX_ERR_INVALID_ARGS;
    if (move->object == NULL)
        return thread_start(thread, THREAD_START_FIRST, entry, NULL);
    zx_status_t status = thread_check_start(thread, THREAD_START_FIRST);
    if (status == ZX_OK)
        status = handle_reserve(thread->process, &move->fresh);
    if (status != ZX_OK)
        return status;
    move->to = thread->process;
    move->fresh_value = handle_value(move->fresh);
    entry->arg1 = move->fresh_value;
    status = thread_start(thread, THREAD_START_FIRST, entry, move);
    if (!move->moved)
        handle_unreserve(move->fresh);
    return status;
}

/* With the process and thread at hand: what is wrong with the rest. */
static zx_status_t start_process(struct vm_process *process, struct vm_thread *thread,
                                 struct port_thread_entry *entry, zx_handle_t arg1)
{
    struct handle_move move = {.value = arg1};
    if (thread->process != process)
        return ZX_ERR_ACCESS_DENIED;
    if (arg1 != ZX_HANDLE_INVALID) {
        zx_status_t status = handle_get(arg1, ZX_OBJ_TYPE_NONE, ZX_RIGHT_TRANSFER, &move.object, NULL);
        if (status != ZX_OK)
            return status;
    }
    zx_status_t status = start_first(thread, entry, &move);
    if (move.object != NULL)
        vm_object_release(move.object);
    return status;
}

zx_status_t zx_process_start(zx_handle_t handle, zx_handle_t thread, zx_vaddr_t entry, zx_vaddr_t stack,
                             zx_handle_t arg1, uintptr_t arg2)
{
    struct port_thread_entry begin = {.entry = entry, .stack = stack, .arg1 = 0, .arg2 = arg2};
    struct vm_object *process, *first;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_WRITE, &process, NULL);
    if (status != ZX_OK)
        return status;
    status = handle_get(thread, ZX_OBJ_TYPE_THREAD, ZX_RIGHT_WRITE, &first, NULL);
    if (status == ZX_OK) {
        status = start_process(container_of(process, struct vm_process, object),
                               container_of(first, struct vm_thread, object), &begin, arg1);
        vm_object_release(first);
    }
    vm_object_release(process);
    return status;
}

/* ---- Ending ---- */

void zx_thread_exit(void)
{
    port_thread_exited();
}

void zx_process_exit(int64_t retcode)
{
    vm_process_kill_with(port_current_process(), retcode);
    port_process_exited(retcode);
}

zx_status_t zx_task_kill(zx_handle_t handle)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, ZX_RIGHT_DESTROY, &object, NULL);
    if (status != ZX_OK)
        return status;
    bool own = object == &port_current_process()->object;
    if (object->type == ZX_OBJ_TYPE_PROCESS)
        vm_process_kill(container_of(object, struct vm_process, object));
    else
        status = object->type == ZX_OBJ_TYPE_JOB ? ZX_ERR_NOT_SUPPORTED : ZX_ERR_WRONG_TYPE;
    vm_object_release(object);
    if (own)
        port_process_exited(ZX_TASK_RETCODE_SYSCALL_KILL);
    return status;
}
