/* SPDX-License-Identifier: MIT */
/*
 * syscall_vmo.c: the calls on VMOs, up to where vmo.c takes over: handles, rights, options, result pointers.
 *
 * The order of refusals is that of zircon/syscalls.h. A call that makes an object makes it first, then
 * reserves the handle, then hands out its value, and publishes it when nothing can go wrong any more; until
 * then undoing leaves no trace.
 */
#include <vm/mem.h>

#include "internal.h"

static zx_status_t get_vmo(zx_handle_t handle, zx_rights_t needed, struct vm_vmo **out, zx_rights_t *rights)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMO, needed, &object, rights);
    if (status == ZX_OK)
        *out = container_of(object, struct vm_vmo, object);
    return status;
}

/* A slot of the caller, its value told in the place of `before`. */
static zx_status_t reserve_and_tell(struct vm_handle **handle, zx_handle_t *out, zx_handle_t *before)
{
    zx_status_t status = handle_reserve(port_current_process(), handle);
    if (status != ZX_OK)
        return status;
    status = user_tell_handle(out, handle_value(*handle), before);
    if (status != ZX_OK)
        handle_unreserve(*handle);
    return status;
}

zx_status_t zx_vmo_create(uint64_t size, uint32_t options, zx_handle_t *out)
{
    struct vm_vmo *vmo;
    struct vm_handle *handle;
    zx_handle_t before;
    bool resizable = (options & ZX_VMO_RESIZABLE) != 0;
    if ((options & ~ZX_VMO_RESIZABLE) != 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vmo_create(size, resizable, &vmo);
    if (status != ZX_OK)
        return status;
    status = reserve_and_tell(&handle, out, &before);
    if (status != ZX_OK) {
        vm_object_release(&vmo->object);
        return status;
    }
    handle_publish(handle, &vmo->object, ZX_DEFAULT_VMO_RIGHTS | (resizable ? ZX_RIGHT_RESIZE : 0));
    return ZX_OK;
}

_Static_assert(ZX_VMO_OP_CACHE_INVALIDATE - ZX_VMO_OP_CACHE_SYNC == PORT_CACHE_INVALIDATE &&
                   ZX_VMO_OP_CACHE_CLEAN - ZX_VMO_OP_CACHE_SYNC == PORT_CACHE_CLEAN &&
                   ZX_VMO_OP_CACHE_CLEAN_INVALIDATE - ZX_VMO_OP_CACHE_SYNC == PORT_CACHE_CLEAN_INVALIDATE,
               "the port's cache operations are in the order of the program's");

/* ---- Children ---- */

#define SNAPSHOTS (ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE)

/* Exactly one kind, and nothing that does not go with it. */
static zx_status_t check_child_options(uint32_t options)
{
    uint32_t kind = options & (SNAPSHOTS | ZX_VMO_CHILD_SLICE);
    uint32_t others = options & ~kind & ~ZX_VMO_CHILD_NO_WRITE;
    bool one = kind != 0 && (kind & (kind - 1)) == 0;
    uint32_t allowed = kind != ZX_VMO_CHILD_SLICE ? ZX_VMO_CHILD_RESIZABLE : 0;
    return one && (others & ~allowed) == 0 ? ZX_OK : ZX_ERR_INVALID_ARGS;
}

static zx_rights_t child_rights(uint32_t options, zx_rights_t rights)
{
    rights &= ~ZX_RIGHT_RESIZE;
    rights |= ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY;
    if ((options & ZX_VMO_CHILD_RESIZABLE) != 0)
        rights |= ZX_RIGHT_RESIZE;
    if ((options & ZX_VMO_CHILD_NO_WRITE) != 0)
        return rights & ~ZX_RIGHT_WRITE;
    return (options & SNAPSHOTS) != 0 ? (rights & ~ZX_RIGHT_EXECUTE) | ZX_RIGHT_WRITE : rights;
}

static zx_status_t create_child(struct vm_vmo *parent, uint32_t options, uint64_t offset, uint64_t size,
                                struct vm_vmo **out)
{
    if ((options & ZX_VMO_CHILD_SLICE) != 0)
        return vmo_create_slice(parent, offset, size, out);
    return vmo_create_snapshot(parent, offset, size, (options & ZX_VMO_CHILD_RESIZABLE) != 0, out);
}

/* Nobody but the caller knows the child yet. */
static void copy_name(struct vm_vmo *parent, struct vm_vmo *child)
{
    port_mutex_lock(&parent->lock);
    memcpy(child->name, parent->name, sizeof(child->name));
    port_mutex_unlock(&parent->lock);
}

/* A snapshot takes translations away from its parent, which cannot be undone unseen. So it comes last; where it
   is not to be, a trial tells what else is wrong, since that comes first in the order of refusals. */
static zx_status_t make_child(struct vm_vmo *parent, uint32_t options, uint64_t offset, uint64_t size,
                              zx_rights_t rights, zx_handle_t *out)
{
    struct vm_vmo *child;
    struct vm_handle *handle;
    zx_handle_t before;
    zx_status_t told = reserve_and_tell(&handle, out, &before);
    zx_status_t status = create_child(parent, options, offset, size, told == ZX_OK ? &child : NULL);
    if (told != ZX_OK)
        return status != ZX_OK ? status : told;
    if (status != ZX_OK) {
        handle_unreserve(handle);
        user_untell_handle(out, before);
        return status;
    }
    if ((rights & ZX_RIGHT_GET_PROPERTY) != 0)
        copy_name(parent, child);
    handle_publish(handle, &child->object, child_rights(options, rights));
    return ZX_OK;
}

zx_status_t zx_vmo_create_child(zx_handle_t handle, uint32_t options, uint64_t offset, uint64_t size,
                                zx_handle_t *out)
{
    struct vm_vmo *parent;
    zx_rights_t rights;
    if ((options & ZX_VMO_CHILD_NO_WRITE) != 0 && (options & ZX_VMO_CHILD_RESIZABLE) != 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = get_vmo(handle, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ, &parent, &rights);
    if (status != ZX_OK)
        return status;
    status = check_child_options(options);
    if (status == ZX_OK)
        status = make_child(parent, options, offset, size, rights, out);
    vm_object_release(&parent->object);
    return status;
}

/* ---- Bytes, size, operations ---- */

zx_status_t zx_vmo_read(zx_handle_t handle, void *buffer, uint64_t offset, size_t buffer_size)
{
    struct vm_vmo *vmo;
    zx_status_t status = get_vmo(handle, ZX_RIGHT_READ, &vmo, NULL);
    if (status != ZX_OK)
        return status;
    status = vmo_read(vmo, buffer, offset, buffer_size);
    vm_object_release(&vmo->object);
    return status;
}

zx_status_t zx_vmo_write(zx_handle_t handle, const void *buffer, uint64_t offset, size_t buffer_size)
{
    struct vm_vmo *vmo;
    zx_status_t status = get_vmo(handle, ZX_RIGHT_WRITE, &vmo, NULL);
    if (status != ZX_OK)
        return status;
    status = vmo_write(vmo, buffer, offset, buffer_size);
    vm_object_release(&vmo->object);
    return status;
}

zx_status_t zx_vmo_get_size(zx_handle_t handle, uint64_t *size)
{
    struct vm_vmo *vmo;
    zx_status_t status = get_vmo(handle, 0, &vmo, NULL);
    if (status != ZX_OK)
        return status;
    uint64_t bytes = vmo_size(vmo);
    vm_object_release(&vmo->object);
    return port_copy_to_user(size, &bytes, sizeof(bytes));
}

zx_status_t zx_vmo_set_size(zx_handle_t handle, uint64_t size)
{
    struct vm_vmo *vmo;
    zx_rights_t rights;
    zx_status_t status = get_vmo(handle, ZX_RIGHT_WRITE, &vmo, &rights);
    if (status != ZX_OK)
        return status;
    /* Handles to VMOs of fixed size never have RESIZE: looking at the right first would hide UNAVAILABLE. */
    if (vmo->resizable && (rights & ZX_RIGHT_RESIZE) == 0)
        status = ZX_ERR_ACCESS_DENIED;
    else
        status = vmo_set_size(vmo, size);
    vm_object_release(&vmo->object);
    return status;
}

/* Whoever drops cached bytes that are not yet in memory changes what the VMO holds: INVALIDATE is a write. */
static zx_status_t check_op(uint32_t op, const void *buffer, size_t buffer_size, zx_rights_t rights)
{
    zx_rights_t needed = 0;
    switch (op) {
    case ZX_VMO_OP_COMMIT:
    case ZX_VMO_OP_DECOMMIT:
    case ZX_VMO_OP_ZERO:
    case ZX_VMO_OP_CACHE_INVALIDATE:
        needed = ZX_RIGHT_WRITE;
        break;
    case ZX_VMO_OP_CACHE_SYNC:
    case ZX_VMO_OP_CACHE_CLEAN:
    case ZX_VMO_OP_CACHE_CLEAN_INVALIDATE:
        needed = ZX_RIGHT_READ;
        break;
    case ZX_VMO_OP_DONT_NEED:
    case ZX_VMO_OP_ALWAYS_NEED:
        break;
    default:
        return ZX_ERR_INVALID_ARGS;
    }
    if (buffer != NULL || buffer_size != 0)
        return ZX_ERR_INVALID_ARGS;
    return (needed & ~rights) != 0 ? ZX_ERR_ACCESS_DENIED : ZX_OK;
}

/* Nothing is reclaimed yet: the range is looked at. */
static zx_status_t hint(struct vm_vmo *vmo, uint64_t offset, uint64_t size)
{
    uint64_t end = vmo_size(vmo);
    return offset > end || size > end - offset ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
}

static zx_status_t cache(struct vm_vmo *vmo, uint32_t op, uint64_t offset, uint64_t size)
{
    enum port_cache_operation operation = PORT_CACHE_SYNC + (op - ZX_VMO_OP_CACHE_SYNC);
    return size == 0 ? ZX_ERR_INVALID_ARGS : vmo_cache(vmo, operation, offset, size);
}

zx_status_t zx_vmo_op_range(zx_handle_t handle, uint32_t op, uint64_t offset, uint64_t size, void *buffer,
                            size_t buffer_size)
{
    struct vm_vmo *vmo;
    zx_rights_t rights;
    zx_status_t status = get_vmo(handle, 0, &vmo, &rights);
    if (status != ZX_OK)
        return status;
    status = check_op(op, buffer, buffer_size, rights);
    if (status == ZX_OK) {
        switch (op) {
        case ZX_VMO_OP_COMMIT:
            status = vmo_commit(vmo, offset, size);
            break;
        case ZX_VMO_OP_DECOMMIT:
            status = vmo_decommit(vmo, offset, size);
            break;
        case ZX_VMO_OP_ZERO:
            status = vmo_zero(vmo, offset, size);
            break;
        case ZX_VMO_OP_DONT_NEED:
        case ZX_VMO_OP_ALWAYS_NEED:
            status = hint(vmo, offset, size);
            break;
        default:
            status = cache(vmo, op, offset, size);
            break;
        }
    }
    vm_object_release(&vmo->object);
    return status;
}
