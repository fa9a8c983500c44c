/* SPDX-License-Identifier: MIT */
/*
 * handle.c: handles, by which programs name objects.
 *
 * Concept. A handle belongs to one process, leads to one object and carries rights. Programs hold it as a
 * number.
 *
 * Structure. All handles of the machine share one sparse array of 2^18 slots. Each handle gets a serial
 * number of 30 bits, the low 18 of which are its slot. Serials go up and skip those whose slot is taken, so a
 * slot is used again only after all others had their turn, and a serial only after 2^12 uses of its slot: a
 * number that a program has closed stays invalid for long. What a program sees is
 *
 *      ((serial xor secret of the process) << 2) | 3
 *
 * The secret differs from process to process, so that the numbers of one say nothing of those of another, and
 * handles that a process did not get are refused: they name another process's slot, or none.
 *
 * Making one takes two steps: reserving the slot, which may fail, and publishing, which may not. A call makes
 * its object, reserves the handle, hands out its value, and publishes when nothing can go wrong any more.
 * Reserved handles lead nowhere: nobody can use one.
 *
 * Life. A handle keeps its object alive by a reference. object->handles counts the handles that lead to it,
 * but not those that a process holds to itself: these would keep it for ever. When the count of a process
 * falls to 0, and no host keeps it and it was not started, the process dies, and so perhaps do those to which it held the last
 * handle. They are put on a list and ended one after the other (process.c), since a chain of them may be
 * longer than any stack. A process that dies between the two steps of making a handle gets the handle closed
 * as it is published.
 *
 * Invariants (handle_check). A handle is in the slot of its serial and on the list of its process; a dead
 * process has none; the counts of all objects equal a recount.
 *
 * Locking. machine->handle_lock, the first in the order, guards slots, lists and counts. It is never held
 * while an object is destroyed or a program's memory is copied.
 *
 * Cost. Lookup, closing and making: the height of the array, at most 3, however many slots are taken.
 */
#include <vm/mem.h>

#include "internal.h"

#define SLOT_BITS   18
#define SLOT_MASK   (VM_HANDLES_MAX - 1)
#define SERIAL_MASK ((1u << 30) - 1)

_Static_assert(VM_HANDLES_MAX == 1u << SLOT_BITS, "slots are the low bits of serials");

static uint32_t slot_of(const struct vm_handle *handle)
{
    return handle->serial & SLOT_MASK;
}

/* Whether the handle keeps its object from dying: one from a process to itself does not. */
static bool is_counted(const struct vm_handle *handle)
{
    return handle->object != &handle->process->object;
}

zx_handle_t handle_value(const struct vm_handle *handle)
{
    return ((handle->serial ^ handle->process->secret) << 2) | ZX_HANDLE_FIXED_BITS_MASK;
}

/* ---- Making ---- */

/* The next serial, from the machine's counter on, whose slot is empty. False: all are taken. */
static bool find_serial_locked(uint32_t *serial)
{
    uint32_t next = vm_machine->next_serial, first = next & SLOT_MASK;
    uint64_t slot = page_list_next_empty(&vm_machine->handles, first, VM_HANDLES_MAX);
    uint32_t round = next - first;
    if (slot == VM_HANDLES_MAX) {
        slot = page_list_next_empty(&vm_machine->handles, 0, first);
        if (slot == first)
            return false;
        round += VM_HANDLES_MAX;
    }
    *serial = (round + (uint32_t)slot) & SERIAL_MASK;
    return true;
}

static zx_status_t take_slot_locked(struct vm_handle *handle)
{
    uint32_t serial;
    if (!find_serial_locked(&serial) || page_list_reserve(&vm_machine->handles, serial & SLOT_MASK) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    handle->serial = serial;
    page_list_set(&vm_machine->handles, serial & SLOT_MASK, handle);
    vm_machine->next_serial = (serial + 1) & SERIAL_MASK;
    return ZX_OK;
}

zx_status_t handle_reserve(struct vm_process *process, struct vm_handle **out)
{
    struct vm_handle *handle = slab_alloc(&vm_machine->handle_cache);
    if (handle == NULL)
        return ZX_ERR_NO_MEMORY;
    handle->process = process;
    port_mutex_lock(&vm_machine->handle_lock);
    zx_status_t status = take_slot_locked(handle);
    port_mutex_unlock(&vm_machine->handle_lock);
    if (status != ZX_OK) {
        slab_free(&vm_machine->handle_cache, handle);
        return status;
    }
    *out = handle;
    return ZX_OK;
}

/* Takes the handle out of its slot and frees it. */
static void free_locked(struct vm_handle *handle)
{
    void *held = page_list_remove(&vm_machine->handles, slot_of(handle));
    VM_ASSERT(held == handle);
    slab_free(&vm_machine->handle_cache, handle);
}

/* Nobody could use the number, so it may be the next again: a refused call leaves no trace in those that follow. */
static void forget_serial_locked(const struct vm_handle *handle)
{
    if (vm_machine->next_serial == ((handle->serial + 1) & SERIAL_MASK))
        vm_machine->next_serial = handle->serial;
}

void handle_unreserve(struct vm_handle *handle)
{
    VM_ASSERT(handle->object == NULL);
    port_mutex_lock(&vm_machine->handle_lock);
    forget_serial_locked(handle);
    free_locked(handle);
    port_mutex_unlock(&vm_machine->handle_lock);
}

static void publish_locked(struct vm_handle *handle, struct vm_object *object, zx_rights_t rights)
{
    VM_ASSERT(handle->object == NULL && object != NULL);
    handle->object = object;
    handle->rights = rights;
    list_add_tail(&handle->process->handles, &handle->node);
    if (is_counted(handle))
        object->handles++;
}

/* Takes a published handle out and frees it. Returns the object, whose reference is now the caller's. A
   process that dies of it joins `doomed`. */
static struct vm_object *take_locked(struct vm_handle *handle, struct list_node *doomed)
{
    struct vm_object *object = handle->object;
    bool counted = is_counted(handle);
    list_remove(&handle->node);
    free_locked(handle);
    if (!counted)
        return object;
    VM_ASSERT(object->handles != 0);
    object->handles--;
    if (object->handles != 0 || object->type != ZX_OBJ_TYPE_PROCESS)
        return object;
    struct vm_process *process = container_of(object, struct vm_process, object);
    if (!process->hosted && process->started == 0)
        process_doom_locked(process, ZX_TASK_RETCODE_SYSCALL_KILL, doomed);
    return object;
}

void handle_publish(struct vm_handle *handle, struct vm_object *object, zx_rights_t rights)
{
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    publish_locked(handle, object, rights);
    bool closed = handle->process->dead;
    if (closed)
        object = take_locked(handle, &doomed);
    port_mutex_unlock(&vm_machine->handle_lock);
    if (!closed)
        return;
    process_end_doomed(&doomed);
    vm_object_release(object);
}

/* ---- Finding ---- */

static struct vm_handle *find_any_locked(const struct vm_process *process, zx_handle_t value)
{
    if ((value & ZX_HANDLE_FIXED_BITS_MASK) != ZX_HANDLE_FIXED_BITS_MASK)
        return NULL;
    uint32_t serial = (value >> 2) ^ process->secret;
    struct vm_handle *handle = page_list_get(&vm_machine->handles, serial & SLOT_MASK);
    if (handle == NULL || handle->serial != serial || handle->process != process || handle->object == NULL)
        return NULL;
    return handle;
}

/* Of those that are not just leaving. */
static struct vm_handle *find_locked(const struct vm_process *process, zx_handle_t value)
{
    struct vm_handle *handle = find_any_locked(process, value);
    return handle != NULL && !handle->moving ? handle : NULL;
}

zx_status_t handle_get(zx_handle_t value, zx_obj_type_t type, zx_rights_t needed, struct vm_object **out,
                       zx_rights_t *rights)
{
    const struct vm_process *process = port_current_process();
    zx_status_t status = ZX_OK;
    port_mutex_lock(&vm_machine->handle_lock);
    const struct vm_handle *handle = find_locked(process, value);
    if (handle == NULL) {
        status = ZX_ERR_BAD_HANDLE;
    } else if (type != ZX_OBJ_TYPE_NONE && handle->object->type != type) {
        status = ZX_ERR_WRONG_TYPE;
    } else if ((needed & ~handle->rights) != 0) {
        status = ZX_ERR_ACCESS_DENIED;
    } else {
        *out = handle->object;
        vm_object_acquire(handle->object);
        if (rights != NULL)
            *rights = handle->rights;
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return status;
}

uint32_t handle_count(struct vm_object *object)
{
    port_mutex_lock(&vm_machine->handle_lock);
    uint32_t count = object->handles;
    if (object->type == ZX_OBJ_TYPE_PROCESS) {
        list_for_each(node, &container_of(object, struct vm_process, object)->handles)
        {
            if (container_of(node, struct vm_handle, node)->object == object)
                count++;
        }
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return count;
}

/* ---- Closing, replacing, duplicating ---- */

zx_status_t handle_close(struct vm_process *process, zx_handle_t value)
{
    struct vm_object *object = NULL;
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    struct vm_handle *handle = find_locked(process, value);
    if (handle != NULL)
        object = take_locked(handle, &doomed);
    port_mutex_unlock(&vm_machine->handle_lock);
    if (object == NULL)
        return ZX_ERR_BAD_HANDLE;
    process_end_doomed(&doomed);
    vm_object_release(object);
    return ZX_OK;
}

void handle_close_all(struct vm_process *process, struct list_node *doomed)
{
    for (;;) {
        struct vm_object *object = NULL;
        port_mutex_lock(&vm_machine->handle_lock);
        if (!list_is_empty(&process->handles))
            object = take_locked(container_of(process->handles.next, struct vm_handle, node), doomed);
        port_mutex_unlock(&vm_machine->handle_lock);
        if (object == NULL)
            return;
        vm_object_release(object);
    }
}

zx_status_t handle_replace(zx_handle_t value, zx_rights_t rights, struct vm_handle *fresh)
{
    struct vm_process *process = fresh->process;
    port_mutex_lock(&vm_machine->handle_lock);
    struct vm_handle *old = find_locked(process, value);
    if (old != NULL) {
        /* The count never passes through 0, so nothing can die of this. */
        publish_locked(fresh, old->object, rights);
        take_locked(old, NULL);
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return old != NULL ? ZX_OK : ZX_ERR_BAD_HANDLE;
}

zx_status_t handle_duplicate(zx_handle_t value, zx_rights_t rights, struct vm_handle *fresh)
{
    port_mutex_lock(&vm_machine->handle_lock);
    struct vm_handle *old = find_locked(fresh->process, value);
    if (old != NULL) {
        vm_object_acquire(old->object);
        publish_locked(fresh, old->object, rights);
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return old != NULL ? ZX_OK : ZX_ERR_BAD_HANDLE;
}

/* ---- Moving into another process ---- */

/* The old handle stays where it is, but nobody finds it: should the move come to nothing, it is as it was. */
zx_status_t handle_move_locked(struct handle_move *move)
{
    struct vm_handle *old = find_locked(port_current_process(), move->value);
    if (old == NULL || old->object != move->object)
        return ZX_ERR_BAD_HANDLE;
    vm_object_acquire(old->object);
    publish_locked(move->fresh, old->object, old->rights);
    old->moving = true;
    move->moved = true;
    return ZX_OK;
}

/* A process that died meanwhile has closed what it had of the two. */
void handle_move_end(struct handle_move *move, bool keep)
{
    struct vm_object *given_up = NULL;
    struct list_node doomed;
    list_init(&doomed);
    port_mutex_lock(&vm_machine->handle_lock);
    struct vm_handle *old = find_any_locked(port_current_process(), move->value);
    struct vm_handle *there = find_any_locked(move->to, move->fresh_value);
    if (old != NULL)
        old->moving = false;
    if (!keep && there != NULL)
        forget_serial_locked(there);
    if (keep ? old != NULL : there != NULL)
        given_up = take_locked(keep ? old : there, &doomed);
    port_mutex_unlock(&vm_machine->handle_lock);
    process_end_doomed(&doomed);
    if (given_up != NULL)
        vm_object_release(given_up);
}

/* ---- Checking ---- */

/* Each handle in its place. Takes 1 from the count of its object for each that counts, and says how many
   these were. */
static bool check_slots(struct vm_sink *report, uint64_t *counted)
{
    bool fine = true;
    uint64_t slot = 0;
    for (struct vm_handle *handle; (handle = page_list_next(&vm_machine->handles, slot, &slot)) != NULL;
         slot++) {
        if (handle->object == NULL) {
            vm_print(report, "handle in slot %llu: reserved and forgotten\n", (unsigned long long)slot);
            fine = false;
            continue;
        }
        if (is_counted(handle)) {
            handle->object->handles--;
            (*counted)++;
        }
        if (slot_of(handle) != slot || handle->serial > SERIAL_MASK || handle->process->dead ||
            !list_is_linked(&handle->node)) {
            vm_print(report, "handle 0x%x in slot %llu: misplaced, or of a dead process\n", handle->serial,
                     (unsigned long long)slot);
            fine = false;
        }
    }
    return fine;
}

static void give_back_counts(void)
{
    uint64_t slot = 0;
    for (struct vm_handle *handle; (handle = page_list_next(&vm_machine->handles, slot, &slot)) != NULL;
         slot++)
        if (handle->object != NULL && is_counted(handle))
            handle->object->handles++;
}

/* The list of a process; adds how many handles are on it. */
static bool check_process(const struct vm_process *process, uint64_t *listed, struct vm_sink *report)
{
    bool fine = true;
    list_for_each(node, &process->handles)
    {
        const struct vm_handle *handle = container_of(node, struct vm_handle, node);
        (*listed)++;
        if (handle->process == process && page_list_get(&vm_machine->handles, slot_of(handle)) == handle)
            continue;
        vm_print(report, "process %llu: handle 0x%x on its list is not its own\n",
                 (unsigned long long)process->object.koid, handle->serial);
        fine = false;
    }
    return fine;
}

/* With every counted handle taken away by check_slots, no count of a listed object is left over. */
static bool check_objects(struct vm_sink *report)
{
    bool fine = true;
    uint64_t listed = 0;
    list_for_each(node, &vm_machine->objects)
    {
        struct vm_object *object = container_of(node, struct vm_object, node);
        if (object->handles != 0) {
            vm_print(report, "object %llu (type %u): %d handles more are counted than there are\n",
                     (unsigned long long)object->koid, object->type, (int)object->handles);
            fine = false;
        }
        if (object->type == ZX_OBJ_TYPE_PROCESS)
            fine &= check_process(container_of(object, struct vm_process, object), &listed, report);
    }
    if (listed != vm_machine->handles.count) {
        vm_print(report, "processes list %llu handles, but %llu slots are taken\n",
                 (unsigned long long)listed, (unsigned long long)vm_machine->handles.count);
        fine = false;
    }
    return fine;
}

/* The sum of the counts of all listed objects. */
static uint64_t sum_counts(void)
{
    uint64_t sum = 0;
    list_for_each(node, &vm_machine->objects) sum += container_of(node, struct vm_object, node)->handles;
    return sum;
}

bool handle_check(struct vm_sink *report)
{
    port_mutex_lock(&vm_machine->handle_lock);
    bool fine = page_list_check(&vm_machine->handles, report);
    uint64_t sum = sum_counts(), counted = 0;
    fine &= check_slots(report, &counted);
    fine &= check_objects(report);
    give_back_counts();
    if (sum != counted) {
        vm_print(report, "objects count %llu handles, but %llu lead to objects: some leads to a dead one\n",
                 (unsigned long long)sum, (unsigned long long)counted);
        fine = false;
    }
    port_mutex_unlock(&vm_machine->handle_lock);
    return fine;
}
