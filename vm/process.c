/* SPDX-License-Identifier: MIT */
/*
 * process.c: processes: an address space and the handles to use it with.
 *
 * Concept. A process is what handles belong to. It is born with an address space and two handles of its own:
 * one to itself, one to its root VMAR. There are no threads in the core: a host that runs a program in a
 * process keeps the process by a reference and says who is running (port_current_process).
 *
 * Life and death. A process lives while another process holds a handle to it or, where the host made it,
 * until the host kills it. While it lives it holds a reference to itself; so its memory outlives its death,
 * never the other way round. To die is: marked dead, under the handle lock, then its space destroyed, its
 * handles closed, its reference to itself given up. Handles to a dead process stay valid.
 *
 * Closing the handles of one may end others. They queue up on a list, and one loop ends them in turn: no
 * recursion, whatever holds on to whatever.
 *
 * Invariants. The last reference goes after death. A dead process holds no handle (one that is being made
 * when it dies is closed as it is published) and its space has no region.
 *
 * Locking. Name and `dead` are under the handle lock. Nothing else changes between birth and death.
 *
 * Cost. Birth: a space, its top-level table, two handles. Death: what it holds.
 */
#include <vm/mem.h>

#include "internal.h"

static uint32_t draw_secret(void)
{
    struct prng prng;
    port_mutex_lock(&vm_machine->lock);
    uint64_t stream = vm_machine->next_stream++;
    port_mutex_unlock(&vm_machine->lock);
    prng_seed(&prng, vm_machine->config.seed, stream);
    return prng_u32(&prng) & ((1u << 30) - 1);
}

static void set_name(struct vm_process *process, const char *name)
{
    size_t length = 0;
    while (length < ZX_MAX_NAME_LEN - 1 && name != NULL && name[length] != '\0')
        length++;
    if (length > 0)
        memcpy(process->name, name, length);
}

/* Everything is at hand: a process alive, with its two handles. */
static void begin(struct vm_process *process, struct vm_handle *self, struct vm_handle *root)
{
    struct vm_object *vmar = &process->aspace->root->object;
    vm_object_init(&process->object, ZX_OBJ_TYPE_PROCESS);
    vm_object_acquire(&process->object);
    process->self = handle_value(self);
    process->root_vmar = handle_value(root);
    vm_object_acquire(&process->object);
    handle_publish(self, &process->object, ZX_DEFAULT_PROCESS_RIGHTS);
    vm_object_acquire(vmar);
    handle_publish(root, vmar, VM_ROOT_VMAR_RIGHTS);
}

static void discard_aspace(struct vm_aspace *aspace)
{
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
}

zx_status_t process_create(const char *name, bool hosted, struct vm_process **out)
{
    struct vm_handle *self = NULL, *root = NULL;
    struct vm_process *process = slab_alloc(&vm_machine->process_cache);
    if (process == NULL)
        return ZX_ERR_NO_MEMORY;
    set_name(process, name);
    process->hosted = hosted;
    list_init(&process->handles);
    process->aspace = vm_aspace_create(VM_ASPACE_USER, process->name);
    zx_status_t status = process->aspace == NULL ? ZX_ERR_NO_MEMORY : handle_reserve(process, &self);
    if (status == ZX_OK)
        status = handle_reserve(process, &root);
    if (status == ZX_OK) {
        process->secret = draw_secret();
        begin(process, self, root);
        *out = process;
        return ZX_OK;
    }
    if (self != NULL)
        handle_unreserve(self);
    if (process->aspace != NULL)
        discard_aspace(process->aspace);
    slab_free(&vm_machine->process_cache, process);
    return ZX_ERR_NO_MEMORY;
}

void process_free(struct vm_process *process)
{
    VM_ASSERT(process->dead && list_is_empty(&process->handles) && !list_is_linked(&process->dying));
    struct vm_aspace *aspace = process->aspace;
    slab_free(&vm_machine->process_cache, process);
    vm_aspace_release(aspace);
}

bool process_doom_locked(struct vm_process *process, struct list_node *doomed)
{
    VM_ASSERT(port_mutex_is_held(&vm_machine->handle_lock));
    if (process->dead)
        return false;
    process->dead = true;
    list_add_tail(doomed, &process->dying);
    return true;
}

void process_end_doomed(struct list_node *doomed)
{
    struct list_node *node;
    while ((node = list_pop_head(doomed)) != NULL) {
        struct vm_process *process = container_of(node, struct vm_process, dying);
        vm_aspace_destroy(process->aspace);
        handle_close_all(process, doomed);
        vm_object_release(&process->object);
    }
}

/* ---- As the host sees them ---- */

struct vm_process *vm_process_create(const char *name)
{
    struct vm_process *process;
    return process_create(name, true, &process) == ZX_OK ? process : NULL;
}

void vm_process_kill(struct vm_process *process)
{
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    process_doom_locked(process, &doomed);
    port_mutex_unlock(&vm_machine->handle_lock);
    process_end_doomed(&doomed);
}

void vm_process_release(struct vm_process *process)
{
    vm_object_release(&process->object);
}

struct vm_aspace *vm_process_aspace(struct vm_process *process)
{
    return process->aspace;
}

zx_handle_t vm_process_self_handle(struct vm_process *process)
{
    return process->self;
}

zx_handle_t vm_process_root_handle(struct vm_process *process)
{
    return process->root_vmar;
}

zx_status_t vm_process_from_handle(zx_handle_t handle, struct vm_process **out)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_PROCESS, 0, &object, NULL);
    if (status == ZX_OK)
        *out = container_of(object, struct vm_process, object);
    return status;
}
