/* SPDX-License-Identifier: MIT */
/*
 * syscall_wait.c: the calls that wait, for an object or for a time, and the clock.
 *
 * What an object asserts is an atomic word; it changes under the handle lock, and everybody who waits on it is
 * woken then. A waiter looks at the word, sleeps while it is what he saw (port_wait), and looks again: no signal
 * is lost in between. It holds a reference to the object meanwhile, and no lock.
 */
#include "internal.h"

/* Null: an object that asserts nothing. */
static atomic_uint *signals_of(struct vm_object *object)
{
    switch (object->type) {
    case ZX_OBJ_TYPE_PROCESS:
        return &container_of(object, struct vm_process, object)->signals;
    case ZX_OBJ_TYPE_THREAD:
        return &container_of(object, struct vm_thread, object)->signals;
    default:
        return NULL;
    }
}

static zx_status_t wait_for(atomic_uint *word, zx_signals_t signals, zx_time_t deadline,
                            zx_signals_t *observed)
{
    zx_status_t status = ZX_OK;
    for (;;) {
        *observed = atomic_load_explicit(word, memory_order_acquire);
        if ((*observed & signals) != 0)
            return ZX_OK;
        if (status != ZX_OK)
            return status;
        status = port_wait(word, *observed, deadline);
    }
}

zx_status_t zx_object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_time_t deadline,
                               zx_signals_t *observed)
{
    struct vm_object *object;
    zx_signals_t seen;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_NONE, ZX_RIGHT_WAIT, &object, NULL);
    if (status != ZX_OK)
        return status;
    atomic_uint *word = signals_of(object);
    if (word == NULL)
        status = ZX_ERR_NOT_SUPPORTED;
    else if (observed != NULL && !user_is_writable(observed, sizeof(*observed)))
        status = ZX_ERR_INVALID_ARGS; /* before an hour of waiting rather than after it */
    if (status == ZX_OK) {
        status = wait_for(word, signals, deadline, &seen);
        if (observed != NULL && port_copy_to_user(observed, &seen, sizeof(seen)) != ZX_OK)
            status = ZX_ERR_INVALID_ARGS;
    }
    vm_object_release(object);
    return status;
}

zx_status_t zx_nanosleep(zx_time_t deadline)
{
    atomic_uint nobody; /* wakes it */
    zx_status_t status;
    atomic_init(&nobody, 0);
    do
        status = port_wait(&nobody, 0, deadline);
    while (status == ZX_OK);
    return status == ZX_ERR_TIMED_OUT ? ZX_OK : status;
}

zx_time_t zx_clock_get_monotonic(void)
{
    return port_clock();
}
