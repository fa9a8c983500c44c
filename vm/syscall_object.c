/* SPDX-License-Identifier: MIT */
/*
 * syscall_object.c: the calls on handles as such, whatever they lead to, and what can be learned of an object
 * or the system.
 *
 * The order of refusals is that of zircon/syscalls.h. Duplicates and replacements get their slot first, then
 * the value is handed out, then the handle is published.
 */
#include "internal.h"

#define CLOSE_CHUNK 64

zx_status_t zx_handle_close(zx_handle_t handle)
{
    if (handle == ZX_HANDLE_INVALID)
        return ZX_OK;
    return handle_close(port_current_process(), handle);
}

/* The numbers of handles [at, at + *count) of the program's array, *count cut to what fits. */
static zx_status_t fetch_handles(const zx_handle_t *handles, size_t at, size_t end, zx_handle_t *to,
                                 size_t *count)
{
    *count = end - at < CLOSE_CHUNK ? end - at : CLOSE_CHUNK;
    /* Arithmetic on numbers: the pointer is the program's and may be anything. */
    const void *from = (const void *)((uintptr_t)handles + at * sizeof(*handles));
    return port_copy_from_user(to, from, *count * sizeof(*to));
}

zx_status_t zx_handle_close_many(const zx_handle_t *handles, size_t num_handles)
{
    zx_handle_t chunk[CLOSE_CHUNK];
    size_t count;
    zx_status_t status = ZX_OK;
    if (num_handles > SIZE_MAX / sizeof(*handles))
        return ZX_ERR_INVALID_ARGS;
    /* The whole array is read before the first handle is closed, so that a bad pointer closes none. */
    for (size_t at = 0; at < num_handles; at += count)
        if (fetch_handles(handles, at, num_handles, chunk, &count) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
    for (size_t at = 0; at < num_handles; at += count) {
        if (fetch_handles(handles, at, num_handles, chunk, &count) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
        for (size_t i = 0; i < count; i++)
            if (zx_handle_close(chunk[i]) != ZX_OK)
                status = ZX_ERR_BAD_HANDLE;
    }
    return status;
}

/* What the new handle may do; INVALID_ARGS where more is asked than the old one may. */
static zx_status_t narrow_rights(zx_rights_t held, zx_rights_t *asked)
{
    if (*asked == ZX_RIGHT_SAME_RIGHTS)
        *asked = held;
    return (*asked & ~held) != 0 ? ZX_ERR_INVALID_ARGS : ZX_OK;
}

/* A slot for a new handle whose value the program has already been told. */
static zx_status_t reserve_and_tell(zx_handle_t *out, struct vm_handle **handle)
{
    zx_status_t status = handle_reserve(port_current_process(), handle);
    if (status != ZX_OK)
        return status;
    zx_handle_t value = handle_value(*handle);
    status = port_copy_to_user(out, &value, sizeof(value));
    if (status != ZX_OK)
        handle_unreserve(*handle);
    return status;
}

zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out)
{
    struct vm_object *object;
    struct vm_handle *fresh;
    zx_rights_t held;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, ZX_RIGHT_DUPLICATE, &object, &held);
    if (status != ZX_OK)
        return status;
    status = narrow_rights(held, &rights);
    if (status == ZX_OK)
        status = reserve_and_tell(out, &fresh);
    if (status == ZX_OK) {
        status = handle_duplicate(handle, rights, fresh);
        if (status != ZX_OK)
            handle_unreserve(fresh);
    }
    vm_object_release(object);
    return status;
}

zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out)
{
    struct vm_object *object;
    struct vm_handle *fresh;
    zx_rights_t held;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, 0, &object, &held);
    if (status != ZX_OK)
        return status;
    status = narrow_rights(held, &rights);
    if (status == ZX_OK)
        status = reserve_and_tell(out, &fresh);
    if (status == ZX_OK) {
        status = handle_replace(handle, rights, fresh);
        if (status != ZX_OK)
            handle_unreserve(fresh);
    }
    vm_object_release(object);
    return status;
}

zx_status_t zx_vmo_replace_as_executable(zx_handle_t handle, zx_handle_t vmex, zx_handle_t *out)
{
    struct vm_object *object;
    struct vm_handle *fresh;
    zx_rights_t held;
    if (vmex != ZX_HANDLE_INVALID || handle_get(handle, ZX_OBJ_TYPE_VMO, 0, &object, &held) != ZX_OK)
        return ZX_ERR_BAD_HANDLE;
    zx_status_t status = reserve_and_tell(out, &fresh);
    if (status == ZX_OK) {
        status = handle_replace(handle, held | ZX_RIGHT_EXECUTE, fresh);
        if (status != ZX_OK)
            handle_unreserve(fresh);
    }
    vm_object_release(object);
    return status;
}

/* ---- What can be learned ---- */

/* An answer of one record. */
struct answer {
    void *buffer;
    size_t buffer_size;
    size_t *actual, *avail;
};

static zx_status_t tell_counts(const struct answer *answer, size_t actual, size_t avail)
{
    zx_status_t status = ZX_OK;
    if (answer->avail != NULL)
        status = port_copy_to_user(answer->avail, &avail, sizeof(avail));
    if (status == ZX_OK && answer->actual != NULL)
        status = port_copy_to_user(answer->actual, &actual, sizeof(actual));
    return status;
}

static zx_status_t tell_record(const struct answer *answer, const void *record, size_t size)
{
    if (answer->buffer_size < size) {
        (void)tell_counts(answer, 0, 1);
        return ZX_ERR_BUFFER_TOO_SMALL;
    }
    zx_status_t status = port_copy_to_user(answer->buffer, record, size);
    return status == ZX_OK ? tell_counts(answer, 1, 1) : status;
}

static zx_status_t info_valid(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, 0, &object, NULL);
    if (status != ZX_OK)
        return status;
    vm_object_release(object);
    return tell_counts(answer, 0, 0);
}

static zx_status_t info_basic(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_info_handle_basic_t info = {0};
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, 0, &object, &info.rights);
    if (status != ZX_OK)
        return status;
    info.koid = object->koid;
    info.type = object->type;
    vm_object_release(object);
    return tell_record(answer, &info, sizeof(info));
}

static zx_status_t info_vmar(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMAR, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    /* A VMAR never moves, nor does it forget its place when it dies. */
    const struct vm_region *region = &container_of(object, struct vm_vmar, object)->region;
    zx_info_vmar_t info = {.base = region->base, .len = region->size};
    vm_object_release(object);
    return tell_record(answer, &info, sizeof(info));
}

zx_status_t zx_object_get_info(zx_handle_t handle, uint32_t topic, void *buffer, size_t buffer_size,
                               size_t *actual, size_t *avail)
{
    const struct answer answer = {buffer, buffer_size, actual, avail};
    const struct answer silent = {0};
    zx_status_t status;
    switch (topic) {
    case ZX_INFO_HANDLE_VALID:
        return info_valid(handle, &answer);
    case ZX_INFO_HANDLE_BASIC:
        return info_basic(handle, &answer);
    case ZX_INFO_VMAR:
        return info_vmar(handle, &answer);
    default:
        status = info_valid(handle, &silent);
        return status == ZX_OK ? ZX_ERR_NOT_SUPPORTED : status;
    }
}

uint32_t zx_system_get_page_size(void)
{
    return PAGE_SIZE;
}

uint64_t zx_system_get_physmem(void)
{
    return pmm_total() << PAGE_SHIFT;
}
