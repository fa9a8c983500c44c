/* SPDX-License-Identifier: MIT */
/*
 * object.c: what is common to all that handles lead to.
 *
 * Concept. An object (VMO, VMAR, process, thread) begins with a struct vm_object: its number (koid), its type, its
 * references, and how many handles lead to it. It lives until its last reference is given up.
 *
 * References. A handle holds one. Beside handles: each mapping holds one to its VMO; a VMAR's place in the
 * tree (or as root of its space) holds one to it; a process that is alive holds one to itself. Whoever works
 * with an object outside of a lock that keeps one of these alive holds its own.
 *
 * Locking. References are atomic. The list of all objects is under machine->lock, which is taken here and
 * held for a moment, so acquiring and releasing are fine under any lock ordered before it. But the last
 * release of a process frees its address space, that of a thread may release its process; both are
 * therefore released without any lock. Giving up
 * a VMO or VMAR takes only the machine's lock, caches and pages, and is done under the lock of the space by
 * those who tear down trees.
 *
 * Cost. O(1), beside what the object itself holds.
 */
#include "internal.h"

void vm_object_init(struct vm_object *object, zx_obj_type_t type)
{
    object->type = type;
    object->handles = 0;
    atomic_init(&object->refs, 1);
    port_mutex_lock(&vm_machine->lock);
    object->koid = vm_machine->next_koid++;
    list_add_tail(&vm_machine->objects, &object->node);
    port_mutex_unlock(&vm_machine->lock);
}

void vm_object_acquire(struct vm_object *object)
{
    unsigned before = atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
    VM_ASSERT(before != 0);
}

void vm_object_release(struct vm_object *object)
{
    unsigned before = atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel);
    VM_ASSERT(before != 0);
    if (before != 1)
        return;
    VM_ASSERT(object->handles == 0);
    port_mutex_lock(&vm_machine->lock);
    list_remove(&object->node);
    port_mutex_unlock(&vm_machine->lock);
    switch (object->type) {
    case ZX_OBJ_TYPE_VMAR:
        vmar_free(container_of(object, struct vm_vmar, object));
        break;
    case ZX_OBJ_TYPE_VMO:
        vmo_free(container_of(object, struct vm_vmo, object));
        break;
    case ZX_OBJ_TYPE_THREAD:
        thread_free(container_of(object, struct vm_thread, object));
        break;
    case ZX_OBJ_TYPE_JOB:
        break; /* part of the machine */
    default:
        VM_ASSERT(object->type == ZX_OBJ_TYPE_PROCESS);
        process_free(container_of(object, struct vm_process, object));
        break;
    }
}
