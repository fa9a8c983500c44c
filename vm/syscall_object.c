/* SPDX-License-Identifier: MIT */
/*
 * syscall_object.c: the calls on handles as such, whatever they lead to, and what can be learned of an object
 * and set of it.
 *
 * The order of refusals is that of zircon/syscalls.h. Duplicates and replacements get their slot first, then
 * the value is handed out, then the handle is published.
 */
#include <vm/mem.h>

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

/* A slot for a new handle whose value the program has already been told, in the place of `before`. */
static zx_status_t reserve_and_tell(zx_handle_t *out, struct vm_handle **handle, zx_handle_t *before)
{
    zx_status_t status = handle_reserve(port_current_process(), handle);
    if (status != ZX_OK)
        return status;
    status = user_tell_handle(out, handle_value(*handle), before);
    if (status != ZX_OK)
        handle_unreserve(*handle);
    return status;
}

/* How a new handle comes to stand beside an old one, or in its place: handle_duplicate, handle_replace. */
typedef zx_status_t publish_function(zx_handle_t value, zx_rights_t rights, struct vm_handle *fresh);

/* Gives out a new handle to what `handle` leads to. */
static zx_status_t give(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out, publish_function *publish)
{
    struct vm_handle *fresh;
    zx_handle_t before;
    zx_status_t status = reserve_and_tell(out, &fresh, &before);
    if (status != ZX_OK)
        return status;
    status = publish(handle, rights, fresh);
    if (status != ZX_OK) {
        handle_unreserve(fresh);
        user_untell_handle(out, before);
    }
    return status;
}

static zx_status_t give_narrowed(zx_handle_t handle, zx_rights_t needed, zx_rights_t rights, zx_handle_t *out,
                                 publish_function *publish)
{
    struct vm_object *object;
    zx_rights_t held;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, needed, &object, &held);
    if (status != ZX_OK)
        return status;
    status = narrow_rights(held, &rights);
    if (status == ZX_OK)
        status = give(handle, rights, out, publish);
    vm_object_release(object);
    return status;
}

zx_status_t zx_handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out)
{
    return give_narrowed(handle, ZX_RIGHT_DUPLICATE, rights, out, handle_duplicate);
}

zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out)
{
    return give_narrowed(handle, 0, rights, out, handle_replace);
}

zx_status_t zx_vmo_replace_as_executable(zx_handle_t handle, zx_handle_t vmex, zx_handle_t *out)
{
    struct vm_object *object;
    zx_rights_t held;
    if (vmex != ZX_HANDLE_INVALID || handle_get(handle, ZX_OBJ_TYPE_VMO, 0, &object, &held) != ZX_OK)
        return ZX_ERR_BAD_HANDLE;
    zx_status_t status = give(handle, held | ZX_RIGHT_EXECUTE, out, handle_replace);
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
    if (object->type == ZX_OBJ_TYPE_THREAD)
        info.related_koid = container_of(object, struct vm_thread, object)->process->object.koid;
    vm_object_release(object);
    return tell_record(answer, &info, sizeof(info));
}

static zx_status_t info_process(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_info_process_t info;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    process_info(container_of(object, struct vm_process, object), &info);
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

static zx_status_t info_vmo(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_rights_t rights;
    zx_info_vmo_t info;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMO, 0, &object, &rights);
    if (status != ZX_OK)
        return status;
    vmo_info(container_of(object, struct vm_vmo, object), rights, &info);
    vm_object_release(object);
    return tell_record(answer, &info, sizeof(info));
}

static zx_status_t info_handle_count(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    zx_info_handle_count_t info = {.handle_count = handle_count(object)};
    vm_object_release(object);
    return tell_record(answer, &info, sizeof(info));
}

/* The machine has no object of its own to ask: any handle that may be inspected will do. */
static zx_status_t info_kmem_stats(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_info_kmem_stats_t info;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    vm_object_release(object);
    machine_kmem_stats(&info);
    return tell_record(answer, &info, sizeof(info));
}

/* A space's figures are about spaces, those of a process about processes: where several share the space, all in
   it is shared, and each has an equal part of it. */
static void share_stats(struct vm_aspace *shared, zx_info_task_stats_t *stats)
{
    port_mutex_lock(&vm_machine->handle_lock);
    size_t sharers = shared->sharers;
    port_mutex_unlock(&vm_machine->handle_lock);
    if (sharers <= 1)
        return;
    stats->mem_scaled_shared_bytes =
        stats->mem_scaled_shared_bytes / sharers + stats->mem_private_bytes / sharers;
    stats->mem_shared_bytes += stats->mem_private_bytes;
    stats->mem_private_bytes = 0;
}

/* The sum over all that the process sees. BAD_STATE: it is dead. */
static zx_status_t process_task_stats(struct vm_process *process, zx_info_task_stats_t *sum)
{
    zx_status_t status = vm_process_is_dead(process) ? ZX_ERR_BAD_STATE : ZX_OK;
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; status == ZX_OK && i < aspace_part_count(process->aspace); i++) {
        struct vm_aspace *part = aspace_part(process->aspace, i);
        zx_info_task_stats_t stats = {0};
        status = part != NULL ? aspace_task_stats(part, &stats) : ZX_ERR_BAD_STATE;
        if (part != NULL && part == process->shared)
            share_stats(part, &stats);
        sum->mem_mapped_bytes += stats.mem_mapped_bytes;
        sum->mem_private_bytes += stats.mem_private_bytes;
        sum->mem_shared_bytes += stats.mem_shared_bytes;
        sum->mem_scaled_shared_bytes += stats.mem_scaled_shared_bytes;
    }
    return status;
}

static zx_status_t info_task_stats(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_info_task_stats_t info;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    status = process_task_stats(container_of(object, struct vm_process, object), &info);
    vm_object_release(object);
    return status == ZX_OK ? tell_record(answer, &info, sizeof(info)) : status;
}

#define MAPS_BATCH 8

struct maps_told {
    const struct answer *answer;
    size_t actual, avail;
};

/* Copies what fits, a few records at a time; counts them all. */
static zx_status_t tell_maps(struct maps_walk *walk, struct maps_told *told)
{
    zx_info_maps_t records[MAPS_BATCH];
    size_t room = told->answer->buffer_size / sizeof(*records), count;
    for (;;) {
        zx_status_t status = maps_walk_next(walk, records, MAPS_BATCH, &count);
        if (status != ZX_OK || count == 0)
            return status;
        size_t fit = count < room - told->actual ? count : room - told->actual;
        void *to = (void *)((uintptr_t)told->answer->buffer + told->actual * sizeof(*records));
        status = port_copy_to_user(to, records, fit * sizeof(*records));
        if (status != ZX_OK)
            return status;
        told->actual += fit;
        told->avail += count;
    }
}

/* One space after the other. */
static zx_status_t tell_process_maps(struct vm_process *process, const struct answer *answer)
{
    struct maps_told told = {.answer = answer};
    zx_status_t status = vm_process_is_dead(process) ? ZX_ERR_BAD_STATE : ZX_OK;
    for (unsigned i = 0; status == ZX_OK && i < aspace_part_count(process->aspace); i++) {
        struct vm_aspace *part = aspace_part(process->aspace, i);
        struct maps_walk walk;
        if (part == NULL)
            return ZX_ERR_BAD_STATE;
        maps_walk_start(&walk, part);
        status = tell_maps(&walk, &told);
        maps_walk_end(&walk);
    }
    return status == ZX_OK ? tell_counts(answer, told.actual, told.avail) : status;
}

static zx_status_t info_process_maps(zx_handle_t handle, const struct answer *answer)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, &object, NULL);
    if (status != ZX_OK)
        return status;
    status = tell_process_maps(container_of(object, struct vm_process, object), answer);
    vm_object_release(object);
    return status;
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
    case ZX_INFO_PROCESS:
        return info_process(handle, &answer);
    case ZX_INFO_VMAR:
        return info_vmar(handle, &answer);
    case ZX_INFO_TASK_STATS:
        return info_task_stats(handle, &answer);
    case ZX_INFO_PROCESS_MAPS:
        return info_process_maps(handle, &answer);
    case ZX_INFO_KMEM_STATS:
        return info_kmem_stats(handle, &answer);
    case ZX_INFO_HANDLE_COUNT:
        return info_handle_count(handle, &answer);
    case ZX_INFO_VMO:
        return info_vmo(handle, &answer);
    default:
        status = info_valid(handle, &silent);
        return status == ZX_OK ? ZX_ERR_NOT_SUPPORTED : status;
    }
}

/* ---- Properties ---- */

/* Where the object keeps its name, and under which lock; null where it has none. */
static char *name_of(struct vm_object *object, struct port_mutex **lock)
{
    *lock = &vm_machine->handle_lock;
    switch (object->type) {
    case ZX_OBJ_TYPE_VMO:
        *lock = &container_of(object, struct vm_vmo, object)->lock;
        return container_of(object, struct vm_vmo, object)->name;
    case ZX_OBJ_TYPE_PROCESS:
        return container_of(object, struct vm_process, object)->name;
    case ZX_OBJ_TYPE_THREAD:
        return container_of(object, struct vm_thread, object)->name;
    case ZX_OBJ_TYPE_JOB:
        return container_of(object, struct vm_job, object)->name;
    default:
        return NULL;
    }
}

/* The object, referenced, whose property may be looked at or changed. */
static zx_status_t get_with_property(zx_handle_t handle, zx_rights_t right, uint32_t property,
                                     struct vm_object **out)
{
    struct port_mutex *lock;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, right, out, NULL);
    if (status != ZX_OK)
        return status;
    if (property != ZX_PROP_NAME)
        status = ZX_ERR_NOT_SUPPORTED;
    else if (name_of(*out, &lock) == NULL)
        status = ZX_ERR_WRONG_TYPE;
    if (status != ZX_OK)
        vm_object_release(*out);
    return status;
}

zx_status_t zx_object_get_property(zx_handle_t handle, uint32_t property, void *value, size_t value_size)
{
    struct vm_object *object;
    struct port_mutex *lock;
    char name[ZX_MAX_NAME_LEN];
    zx_status_t status = get_with_property(handle, ZX_RIGHT_GET_PROPERTY, property, &object);
    if (status != ZX_OK)
        return status;
    const char *from = name_of(object, &lock);
    port_mutex_lock(lock);
    memcpy(name, from, sizeof(name));
    port_mutex_unlock(lock);
    vm_object_release(object);
    return value_size < sizeof(name) ? ZX_ERR_BUFFER_TOO_SMALL : port_copy_to_user(value, name, sizeof(name));
}

zx_status_t zx_object_set_property(zx_handle_t handle, uint32_t property, const void *value,
                                   size_t value_size)
{
    struct vm_object *object;
    struct port_mutex *lock;
    char name[ZX_MAX_NAME_LEN] = {0};
    size_t length = 0, most = value_size < sizeof(name) - 1 ? value_size : sizeof(name) - 1;
    zx_status_t status = get_with_property(handle, ZX_RIGHT_SET_PROPERTY, property, &object);
    if (status != ZX_OK)
        return status;
    status = port_copy_from_user(name, value, most);
    if (status == ZX_OK) {
        while (length < most && name[length] != '\0')
            length++;
        memset(name + length, 0, sizeof(name) - length);
        char *to = name_of(object, &lock);
        port_mutex_lock(lock);
        memcpy(to, name, sizeof(name));
        port_mutex_unlock(lock);
    }
    vm_object_release(object);
    return status;
}
