/* SPDX-License-Identifier: MIT */
/*
 * thread.c: threads: whose they are, where they run, whether they have run.
 *
 * Concept. A thread here is what handles lead to and what can be waited for. What runs is the host's: it is
 * given the thread once, by port_thread_start, with a reference, and gives both back by vm_thread_ended.
 *
 * Life and death. New, running, dead, in that order and never back, but for a start that the host refuses:
 * that one is new again. A new thread dies with its process; a running one is the host's to stop, which
 * port_process_killed asks for. A process lives, once it was started, while any of its threads runs, with or
 * without handles; the end of the last one ends it. A dead process is TERMINATED when it is torn down and none
 * of its threads runs any more, whichever comes last.
 *
 * Starting takes three steps. Under the handle lock, everything is checked and what the new thread must find is
 * put there: the thread is running, its process started, the handle moved. Then, without any lock, the host
 * begins to run it, or refuses. Where it refuses, all that is put back, under the lock; what happened in between
 * (the process killed, further threads started and ended) keeps its effect.
 *
 * References. A thread holds its process and its space; a running one is held by the port. The process's list of
 * threads holds nothing: a thread that is being freed takes itself off under the handle lock.
 *
 * Invariants (check.c). A process counts as many running threads as there are; a dead one has no new ones.
 *
 * Locking. State, list and counts are under the handle lock. Threads are released without any lock.
 *
 * Cost. O(1), beside the process's own end.
 */
#include <vm/mem.h>

#include "internal.h"

/* ---- Making and freeing ---- */

static void set_name(struct vm_thread *thread, const char *name)
{
    size_t length = 0;
    while (length < ZX_MAX_NAME_LEN - 1 && name != NULL && name[length] != '\0')
        length++;
    if (length > 0)
        memcpy(thread->name, name, length);
}

/* Puts it among those of its process; false where that is dead. */
static bool join(struct vm_thread *thread)
{
    struct vm_process *process = thread->process;
    port_mutex_lock(&vm_machine->handle_lock);
    bool alive = !process->dead;
    if (alive) {
        vm_object_init(&thread->object, ZX_OBJ_TYPE_THREAD);
        vm_object_acquire(&process->object);
        vm_aspace_acquire(thread->aspace);
        list_add_tail(&process->threads, &thread->node);
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return alive;
}

zx_status_t vm_thread_create(struct vm_process *process, const char *name, struct vm_thread **out)
{
    if (vm_process_is_dead(process))
        return ZX_ERR_BAD_STATE;
    struct vm_thread *thread = slab_alloc(&vm_machine->thread_cache);
    if (thread == NULL)
        return ZX_ERR_NO_MEMORY;
    set_name(thread, name);
    thread->process = process;
    thread->aspace = process->aspace;
    thread->state = VM_THREAD_NEW;
    atomic_init(&thread->signals, ZX_SIGNAL_NONE);
    if (!join(thread)) {
        slab_free(&vm_machine->thread_cache, thread);
        return ZX_ERR_BAD_STATE;
    }
    *out = thread;
    return ZX_OK;
}

void thread_free(struct vm_thread *thread)
{
    struct vm_process *process = thread->process;
    struct vm_aspace *aspace = thread->aspace;
    VM_ASSERT(thread->state != VM_THREAD_RUNNING);
    port_mutex_lock(&vm_machine->handle_lock);
    list_remove(&thread->node);
    port_mutex_unlock(&vm_machine->handle_lock);
    slab_free(&vm_machine->thread_cache, thread);
    vm_aspace_release(aspace);
    vm_object_release(&process->object);
}

void vm_thread_release(struct vm_thread *thread)
{
    vm_object_release(&thread->object);
}

struct vm_process *vm_thread_process(struct vm_thread *thread)
{
    return thread->process;
}

struct vm_aspace *vm_thread_aspace(struct vm_thread *thread)
{
    return thread->aspace;
}

void vm_aspace_attach_to_thread(struct vm_aspace *aspace, struct vm_thread *thread)
{
    VM_ASSERT(vm_aspace_is_user(aspace));
    vm_aspace_acquire(aspace);
    port_mutex_lock(&vm_machine->handle_lock);
    VM_ASSERT(thread->state == VM_THREAD_NEW);
    struct vm_aspace *before = thread->aspace;
    thread->aspace = aspace;
    port_mutex_unlock(&vm_machine->handle_lock);
    vm_aspace_release(before);
}

/* ---- Starting ---- */

static bool may_start_locked(const struct vm_thread *thread, enum thread_start_kind kind)
{
    const struct vm_process *process = thread->process;
    if (thread->state != VM_THREAD_NEW || process->dead)
        return false;
    return kind == THREAD_START_ANY || (kind == THREAD_START_FIRST) == (process->started == 0);
}

zx_status_t thread_check_start(struct vm_thread *thread, enum thread_start_kind kind)
{
    port_mutex_lock(&vm_machine->handle_lock);
    bool may = may_start_locked(thread, kind);
    port_mutex_unlock(&vm_machine->handle_lock);
    return may ? ZX_OK : ZX_ERR_BAD_STATE;
}

/* What the new thread must find when it runs. */
static zx_status_t prepare(struct vm_thread *thread, enum thread_start_kind kind, struct handle_move *move)
{
    struct vm_process *process = thread->process;
    zx_time_t now = port_clock();
    port_mutex_lock(&vm_machine->handle_lock);
    zx_status_t status = may_start_locked(thread, kind) ? ZX_OK : ZX_ERR_BAD_STATE;
    if (status == ZX_OK && move != NULL)
        status = handle_move_locked(move);
    if (status == ZX_OK) {
        thread->state = VM_THREAD_RUNNING;
        vm_object_acquire(&thread->object);
        if (process->started++ == 0)
            process->start_time = now;
        process->running++;
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return status;
}

/* The last thread of its process that ran does no more, or never did. */
static void leave_locked(struct vm_process *process, struct list_node *doomed)
{
    VM_ASSERT(process->running != 0);
    if (--process->running != 0)
        return;
    bool unused = process->started == 0 && (process->hosted || process->object.handles != 0);
    if (process->dead)
        process_tell_end_locked(process);
    else if (!unused)
        process_doom_locked(process, process->started != 0 ? 0 : ZX_TASK_RETCODE_SYSCALL_KILL, doomed);
}

/* The host does not run it. */
static void take_back(struct vm_thread *thread)
{
    struct vm_process *process = thread->process;
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    thread->state = VM_THREAD_NEW;
    if (process->dead)
        thread_doom_locked(thread);
    if (--process->started == 0)
        process->start_time = 0;
    leave_locked(process, &doomed);
    port_mutex_unlock(&vm_machine->handle_lock);
    process_end_doomed(&doomed);
    vm_object_release(&thread->object);
}

static void tell_start(struct vm_thread *thread)
{
    port_mutex_lock(&vm_machine->handle_lock);
    if (thread->state == VM_THREAD_RUNNING)
        signals_set_locked(&thread->signals, ZX_THREAD_RUNNING);
    port_mutex_unlock(&vm_machine->handle_lock);
}

zx_status_t thread_start(struct vm_thread *thread, enum thread_start_kind kind,
                         struct port_thread_entry *entry, struct handle_move *move)
{
    zx_status_t status = prepare(thread, kind, move);
    if (status != ZX_OK)
        return status;
    status = port_thread_start(thread, entry);
    if (move != NULL)
        handle_move_end(move, status == ZX_OK);
    if (status == ZX_OK)
        tell_start(thread);
    else
        take_back(thread);
    return status;
}

zx_status_t vm_thread_start(struct vm_thread *thread, zx_vaddr_t entry, zx_vaddr_t stack, uint64_t arg1,
                            uint64_t arg2)
{
    struct port_thread_entry begin = {.entry = entry, .stack = stack, .arg1 = arg1, .arg2 = arg2};
    return thread_is_entry(entry, stack) ? thread_start(thread, THREAD_START_ANY, &begin, NULL)
                                         : ZX_ERR_INVALID_ARGS;
}

/* ---- Ending ---- */

static void die_locked(struct vm_thread *thread)
{
    thread->state = VM_THREAD_DEAD;
    signals_set_locked(&thread->signals, ZX_THREAD_TERMINATED);
}

void thread_doom_locked(struct vm_thread *thread)
{
    if (thread->state == VM_THREAD_NEW)
        die_locked(thread);
}

void vm_thread_ended(struct vm_thread *thread)
{
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    VM_ASSERT(thread->state != VM_THREAD_NEW);
    bool running = thread->state == VM_THREAD_RUNNING;
    if (running) {
        die_locked(thread);
        leave_locked(thread->process, &doomed);
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    process_end_doomed(&doomed);
    if (running)
        vm_object_release(&thread->object);
}
