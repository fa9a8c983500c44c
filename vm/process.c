/* SPDX-License-Identifier: MIT */
/*
 * process.c: processes: an address space and the handles to use it with.
 *
 * Concept. A process is what handles belong to. It is born with an address space and two handles of its own:
 * one to itself, one to its root VMAR. What runs in it are threads (thread.c), and the host, which says for
 * which process it does (port_current_process).
 *
 * Life and death. A process lives while another process holds a handle to it or, once it was started, while any of
 * its threads runs; where the host made it and it was not started, until the host kills it. While it lives it holds a reference to itself; so its memory outlives its death,
 * never the other way round. To die is: marked dead, under the handle lock, then its threads told to stop, its space
 * destroyed, its handles closed, its reference to itself given up. Handles to a dead process stay valid. Threads may be on
 * their way out for a while longer, on its behalf; when none is, and the rest is done, it is TERMINATED.
 *
 * Sharing. A process may share its address space with others. The one that is made first has the shared space
 * alone; each that joins it has a restricted one of its own as well, and sees both by a unified one
 * (aspace.c). Whoever shares counts in aspace->sharers until it has died and its own spaces are gone; the
 * last one destroys the shared space. So it is there while anybody needs it, and nobody joins when it is
 * about to go.
 *
 * Closing the handles of one may end others. They queue up on a list, and one loop ends them in turn: no
 * recursion, whatever holds on to whatever.
 *
 * Invariants. The last reference goes after death. A dead process holds no handle (one that is being made
 * when it dies is closed as it is published) and the space of its own has no region.
 *
 * Locking. Name, `dead`, what is known of its threads, and the number of those that share a space are under the handle lock. Nothing else
 * changes between birth and death.
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
    struct vm_object *vmar = &process_root(process)->object;
    vm_object_init(&process->object, ZX_OBJ_TYPE_PROCESS);
    vm_object_acquire(&process->object);
    process->self = handle_value(self);
    process->root_vmar = handle_value(root);
    vm_object_acquire(&process->object);
    handle_publish(self, &process->object, ZX_DEFAULT_PROCESS_RIGHTS);
    vm_object_acquire(vmar);
    handle_publish(root, vmar, VM_ROOT_VMAR_RIGHTS);
}

/* ---- Its spaces ---- */

struct vm_vmar *process_root(const struct vm_process *process)
{
    return process->restricted != NULL ? process->restricted->root : process->aspace->root;
}

/* Joins those that share a space; false when there are none any more. */
static bool join(struct vm_aspace *shared)
{
    port_mutex_lock(&vm_machine->handle_lock);
    bool joined = shared->sharers != 0;
    if (joined)
        shared->sharers++;
    port_mutex_unlock(&vm_machine->handle_lock);
    return joined;
}

static void leave(struct vm_aspace *shared)
{
    port_mutex_lock(&vm_machine->handle_lock);
    bool last = --shared->sharers == 0;
    port_mutex_unlock(&vm_machine->handle_lock);
    if (last)
        vm_aspace_destroy(shared);
}

/* A space that is shared by this process alone so far. */
static zx_status_t found_space(struct vm_process *process)
{
    struct vm_aspace *shared = vm_aspace_create_range(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE,
                                                      VM_ASPACE_USER, process->name, VM_ASPACE_SHARE_SHARED);
    if (shared == NULL)
        return ZX_ERR_NO_MEMORY;
    shared->sharers = 1;
    vm_aspace_acquire(shared);
    process->shared = process->aspace = shared;
    return ZX_OK;
}

/* Of one that has joined already. */
static zx_status_t make_space_beside(struct vm_process *process, struct vm_aspace *shared)
{
    vm_aspace_acquire(shared);
    process->shared = shared;
    process->restricted = vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE,
                                                 VM_ASPACE_USER, process->name, VM_ASPACE_SHARE_RESTRICTED);
    if (process->restricted != NULL)
        process->aspace = vm_aspace_create_unified(shared, process->restricted, process->name);
    return process->aspace != NULL ? ZX_OK : ZX_ERR_NO_MEMORY;
}

/* As far as there are any: what shows others goes before them. */
static void destroy_spaces(struct vm_process *process)
{
    if (process->aspace != NULL && process->aspace != process->shared)
        vm_aspace_destroy(process->aspace);
    if (process->restricted != NULL)
        vm_aspace_destroy(process->restricted);
    if (process->shared != NULL)
        leave(process->shared);
}

static void release_spaces(struct vm_process *process)
{
    struct vm_aspace *const spaces[] = {process->aspace, process->restricted, process->shared};
    for (unsigned i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
        if (spaces[i] != NULL)
            vm_aspace_release(spaces[i]);
}

/* ---- Making ---- */

static struct vm_process *allocate(const char *name, bool hosted)
{
    struct vm_process *process = slab_alloc(&vm_machine->process_cache);
    if (process == NULL)
        return NULL;
    set_name(process, name);
    process->hosted = hosted;
    list_init(&process->handles);
    list_init(&process->threads);
    atomic_init(&process->signals, ZX_SIGNAL_NONE);
    return process;
}

/* The last steps, where the spaces could be made (`status`); else, and where these fail, nothing is left. */
static zx_status_t finish(struct vm_process *process, zx_status_t status, struct vm_process **out)
{
    struct vm_handle *self = NULL, *root = NULL;
    if (status == ZX_OK)
        status = handle_reserve(process, &self);
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
    destroy_spaces(process);
    release_spaces(process);
    slab_free(&vm_machine->process_cache, process);
    return status;
}

zx_status_t process_create(const char *name, bool hosted, struct vm_process **out)
{
    struct vm_process *process = allocate(name, hosted);
    if (process == NULL)
        return ZX_ERR_NO_MEMORY;
    process->aspace = vm_aspace_create(VM_ASPACE_USER, process->name);
    return finish(process, process->aspace != NULL ? ZX_OK : ZX_ERR_NO_MEMORY, out);
}

zx_status_t process_create_sharing(const char *name, struct vm_process *with, struct vm_process **out)
{
    struct vm_aspace *shared = with != NULL ? with->shared : NULL;
    if (with != NULL && shared == NULL)
        return ZX_ERR_INVALID_ARGS;
    if (with != NULL && !join(shared))
        return ZX_ERR_BAD_STATE;
    struct vm_process *process = allocate(name, false);
    if (process == NULL) {
        if (with != NULL)
            leave(shared);
        return ZX_ERR_NO_MEMORY;
    }
    return finish(process, with != NULL ? make_space_beside(process, shared) : found_space(process), out);
}

/* ---- Ending ---- */

void process_free(struct vm_process *process)
{
    VM_ASSERT(process->dead && list_is_empty(&process->handles) && !list_is_linked(&process->dying));
    VM_ASSERT(list_is_empty(&process->threads));
    release_spaces(process);
    slab_free(&vm_machine->process_cache, process);
}

void process_doom_locked(struct vm_process *process, int64_t return_code, struct list_node *doomed)
{
    VM_ASSERT(port_mutex_is_held(&vm_machine->handle_lock));
    if (process->dead)
        return;
    process->dead = true;
    process->return_code = return_code;
    list_for_each(node, &process->threads) thread_doom_locked(container_of(node, struct vm_thread, node));
    list_add_tail(doomed, &process->dying);
}

void process_tell_end_locked(struct vm_process *process)
{
    if (process->torn_down && process->running == 0)
        signals_set_locked(&process->signals, ZX_PROCESS_TERMINATED);
}

static void tell_torn_down(struct vm_process *process)
{
    port_mutex_lock(&vm_machine->handle_lock);
    process->torn_down = true;
    process_tell_end_locked(process);
    port_mutex_unlock(&vm_machine->handle_lock);
}

void process_end_doomed(struct list_node *doomed)
{
    struct list_node *node;
    while ((node = list_pop_head(doomed)) != NULL) {
        struct vm_process *process = container_of(node, struct vm_process, dying);
        port_process_killed(process);
        destroy_spaces(process);
        handle_close_all(process, doomed);
        tell_torn_down(process);
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
    vm_process_kill_with(process, ZX_TASK_RETCODE_SYSCALL_KILL);
}

void vm_process_kill_with(struct vm_process *process, int64_t return_code)
{
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    process_doom_locked(process, return_code, &doomed);
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

bool vm_process_is_dead(struct vm_process *process)
{
    port_mutex_lock(&vm_machine->handle_lock);
    bool dead = process->dead;
    port_mutex_unlock(&vm_machine->handle_lock);
    return dead;
}

void vm_process_name(struct vm_process *process, char name[static ZX_MAX_NAME_LEN])
{
    port_mutex_lock(&vm_machine->handle_lock);
    memcpy(name, process->name, ZX_MAX_NAME_LEN);
    port_mutex_unlock(&vm_machine->handle_lock);
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
