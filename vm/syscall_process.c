/* SPDX-License-Identifier: MIT */
/*
 * syscall_process.c: the calls on processes, but for those that start and end them (syscall_thread.c).
 *
 * A process is made whole, with its space and its own handles, before its maker's two handles are published;
 * where a result pointer is bad it is killed again, unseen.
 */
#include <vm/mem.h>

#include "internal.h"

zx_handle_t zx_process_self(void)
{
    return vm_process_self_handle(port_current_process());
}

zx_handle_t zx_vmar_root_self(void)
{
    return vm_process_root_handle(port_current_process());
}

/* Two threads may ask for the first time at once: then one handle is closed again. */
zx_handle_t zx_job_default(void)
{
    struct vm_process *process = port_current_process();
    struct vm_object *job = &vm_machine->job.object;
    struct vm_handle *handle;
    port_mutex_lock(&vm_machine->handle_lock);
    zx_handle_t known = process->job;
    port_mutex_unlock(&vm_machine->handle_lock);
    if (known != ZX_HANDLE_INVALID || handle_reserve(process, &handle) != ZX_OK)
        return known;
    zx_handle_t value = handle_value(handle);
    vm_object_acquire(job);
    handle_publish(handle, job, ZX_DEFAULT_JOB_RIGHTS);
    port_mutex_lock(&vm_machine->handle_lock);
    known = process->job;
    if (known == ZX_HANDLE_INVALID)
        process->job = value;
    port_mutex_unlock(&vm_machine->handle_lock);
    if (known == ZX_HANDLE_INVALID)
        return value;
    (void)handle_close(process, value);
    return known;
}

/* The job of a new process is the machine's, whether the caller names it or none. */
static zx_status_t check_job(zx_handle_t job)
{
    struct vm_object *object;
    if (job == ZX_HANDLE_INVALID)
        return ZX_OK;
    zx_status_t status = handle_get(job, ZX_OBJ_TYPE_JOB, ZX_RIGHT_MANAGE_PROCESS, &object, NULL);
    if (status == ZX_OK)
        vm_object_release(object);
    return status;
}

/* Two slots of the caller, their values told. */
static zx_status_t reserve_and_tell(struct vm_handle *handles[2], zx_handle_t *outs[2])
{
    zx_status_t status = ZX_OK;
    zx_handle_t before[2];
    unsigned held = 0;
    for (; held < 2 && status == ZX_OK; held++)
        status = handle_reserve(port_current_process(), &handles[held]);
    if (status != ZX_OK)
        held--;
    if (status == ZX_OK)
        status = user_tell_handle(outs[0], handle_value(handles[0]), &before[0]);
    if (status == ZX_OK) {
        status = user_tell_handle(outs[1], handle_value(handles[1]), &before[1]);
        if (status != ZX_OK)
            user_untell_handle(outs[0], before[0]);
    }
    while (status != ZX_OK && held > 0)
        handle_unreserve(handles[--held]);
    return status;
}

static zx_status_t copy_process_name(char copy[ZX_MAX_NAME_LEN], const char *name, size_t name_size)
{
    size_t length = name_size < ZX_MAX_NAME_LEN - 1 ? name_size : ZX_MAX_NAME_LEN - 1;
    memset(copy, 0, ZX_MAX_NAME_LEN);
    return length > 0 ? port_copy_from_user(copy, name, length) : ZX_OK;
}

/* Hands a process out that nobody has a handle to yet; it ends where that fails. */
static zx_status_t give_process(struct vm_process *process, zx_handle_t *proc_handle,
                                zx_handle_t *vmar_handle)
{
    struct vm_handle *handles[2];
    zx_handle_t *outs[2] = {proc_handle, vmar_handle};
    zx_status_t status = reserve_and_tell(handles, outs);
    if (status != ZX_OK) {
        vm_process_kill(process);
        vm_process_release(process);
        return status;
    }
    struct vm_object *root = &process_root(process)->object;
    vm_object_acquire(root);
    handle_publish(handles[0], &process->object, ZX_DEFAULT_PROCESS_RIGHTS);
    handle_publish(handles[1], root, VM_ROOT_VMAR_RIGHTS);
    return ZX_OK;
}

zx_status_t zx_process_create(zx_handle_t job, const char *name, size_t name_size, uint32_t options,
                              zx_handle_t *proc_handle, zx_handle_t *vmar_handle)
{
    char copy[ZX_MAX_NAME_LEN];
    struct vm_process *process;
    if ((options & ~ZX_PROCESS_SHARED) != 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = copy_process_name(copy, name, name_size);
    if (status == ZX_OK)
        status = check_job(job);
    if (status == ZX_OK)
        status = (options & ZX_PROCESS_SHARED) != 0 ? process_create_sharing(copy, NULL, &process)
                                                    : process_create(copy, false, &process);
    return status == ZX_OK ? give_process(process, proc_handle, vmar_handle) : status;
}

zx_status_t zx_process_create_shared(zx_handle_t shared_proc, uint32_t options, const char *name,
                                     size_t name_size, zx_handle_t *proc_handle,
                                     zx_handle_t *restricted_vmar_handle)
{
    char copy[ZX_MAX_NAME_LEN];
    struct vm_object *with;
    struct vm_process *process;
    if (options != 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = copy_process_name(copy, name, name_size);
    if (status == ZX_OK)
        status = handle_get(shared_proc, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_MANAGE_PROCESS | ZX_RIGHT_GET_PROPERTY,
                            &with, NULL);
    if (status != ZX_OK)
        return status;
    status = process_create_sharing(copy, container_of(with, struct vm_process, object), &process);
    vm_object_release(with);
    return status == ZX_OK ? give_process(process, proc_handle, restricted_vmar_handle) : status;
}

/* ---- Memory of a process ---- */

#define MEMORY_MAX ((size_t)64 << 20)

/* The process, where buffer, size and handle are fine; referenced. */
static zx_status_t begin_memory(zx_handle_t handle, zx_rights_t rights, const void *buffer, size_t size,
                                struct vm_process **out)
{
    struct vm_object *object;
    if (buffer == NULL || size == 0 || size > MEMORY_MAX)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, rights, &object, NULL);
    if (status == ZX_OK)
        *out = container_of(object, struct vm_process, object);
    return status;
}

zx_status_t zx_process_read_memory(zx_handle_t handle, zx_vaddr_t vaddr, void *buffer, size_t buffer_size,
                                   size_t *actual)
{
    struct vm_process *process;
    size_t done;
    zx_status_t status = begin_memory(handle, ZX_RIGHT_READ | ZX_RIGHT_WRITE, buffer, buffer_size, &process);
    if (status != ZX_OK)
        return status;
    status = process_read_memory(process, vaddr, buffer, buffer_size, &done);
    vm_object_release(&process->object);
    return status == ZX_OK ? port_copy_to_user(actual, &done, sizeof(done)) : status;
}

/* What has been written cannot be taken back: whether `actual` can be told is found out before. */
zx_status_t zx_process_write_memory(zx_handle_t handle, zx_vaddr_t vaddr, const void *buffer,
                                    size_t buffer_size, size_t *actual)
{
    struct vm_process *process;
    size_t done;
    zx_status_t status = begin_memory(handle, ZX_RIGHT_WRITE, buffer, buffer_size, &process);
    if (status != ZX_OK)
        return status;
    /* Without the buffer nothing is written, but everything before the buffer is checked. */
    bool writable = user_is_writable(actual, sizeof(*actual));
    status = process_write_memory(process, vaddr, writable ? buffer : NULL, buffer_size, &done);
    vm_object_release(&process->object);
    return status == ZX_OK ? port_copy_to_user(actual, &done, sizeof(done)) : status;
}
