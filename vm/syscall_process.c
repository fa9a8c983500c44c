/* SPDX-License-Identifier: MIT */
/*
 * syscall_process.c: the calls on processes.
 *
 * A process is made whole, with its space and its own handles, before its maker's two handles are published;
 * where a result pointer is bad it is killed again, unseen.
 */
#include "internal.h"

zx_handle_t zx_process_self(void)
{
    return vm_process_self_handle(port_current_process());
}

zx_handle_t zx_vmar_root_self(void)
{
    return vm_process_root_handle(port_current_process());
}

/* Two slots of the caller, their values told. */
static zx_status_t reserve_and_tell(struct vm_handle *handles[2], zx_handle_t *outs[2])
{
    zx_status_t status = ZX_OK;
    unsigned held = 0;
    for (; held < 2 && status == ZX_OK; held++)
        status = handle_reserve(port_current_process(), &handles[held]);
    if (status != ZX_OK)
        held--;
    for (unsigned i = 0; i < 2 && status == ZX_OK; i++) {
        zx_handle_t value = handle_value(handles[i]);
        status = port_copy_to_user(outs[i], &value, sizeof(value));
    }
    while (status != ZX_OK && held > 0)
        handle_unreserve(handles[--held]);
    return status;
}

zx_status_t zx_process_create(zx_handle_t job, const char *name, size_t name_size, uint32_t options,
                              zx_handle_t *proc_handle, zx_handle_t *vmar_handle)
{
    char copy[ZX_MAX_NAME_LEN] = {0};
    struct vm_process *process;
    struct vm_handle *handles[2];
    zx_handle_t *outs[2] = {proc_handle, vmar_handle};
    size_t length = name_size < sizeof(copy) - 1 ? name_size : sizeof(copy) - 1;
    if (options != 0)
        return ZX_ERR_INVALID_ARGS;
    if (length > 0 && port_copy_from_user(copy, name, length) != ZX_OK)
        return ZX_ERR_INVALID_ARGS;
    if (job != ZX_HANDLE_INVALID)
        return ZX_ERR_BAD_HANDLE;
    zx_status_t status = process_create(copy, false, &process);
    if (status != ZX_OK)
        return status;
    status = reserve_and_tell(handles, outs);
    if (status != ZX_OK) {
        vm_process_kill(process);
        vm_process_release(process);
        return status;
    }
    struct vm_object *root = &process->aspace->root->object;
    vm_object_acquire(root);
    handle_publish(handles[0], &process->object, ZX_DEFAULT_PROCESS_RIGHTS);
    handle_publish(handles[1], root, VM_ROOT_VMAR_RIGHTS);
    return ZX_OK;
}
