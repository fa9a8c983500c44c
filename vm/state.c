/* SPDX-License-Identifier: MIT */
/*
 * state.c: the state of the selected machine as one number, for tests that demand that a refused call has changed
 * nothing.
 *
 * Concept. What can be told apart by a program, sooner or later, goes in: every region of every space with its flags
 * and permissions, how many translations' tables there are, every object with what it holds, every handle with its
 * rights, the pages by state. What only makes things fast stays out (the last fault, marks of use), and so does what is
 * merely counted on (koids given out, random numbers drawn). Contents of pages are not looked at.
 *
 * Locking. Each lock in turn, in the order of the lists: the number means something where the machine is quiet.
 *
 * Cost. O(regions + objects + handles).
 */
#include "internal.h"
#include "region_walk.h"

#define START 0xcbf29ce484222325ull
#define PRIME 0x100000001b3ull

struct state {
    uint64_t hash;
};

/* FNV-1a a word at a time; the high bits come down, or they would never matter again. */
static void take(struct state *state, uint64_t word)
{
    state->hash = (state->hash ^ word) * PRIME;
    state->hash ^= state->hash >> 32;
}

static void take_name(struct state *state, const char name[static ZX_MAX_NAME_LEN])
{
    for (unsigned i = 0; i < ZX_MAX_NAME_LEN && name[i] != '\0'; i++)
        take(state, (unsigned char)name[i]);
    take(state, ZX_MAX_NAME_LEN);
}

/* ---- Spaces ---- */

static void take_mapping(struct state *state, const struct vm_mapping *mapping)
{
    struct region_entry entry;
    zx_vaddr_t va = mapping->region.base;
    take(state, mapping->source->object.koid);
    take(state, mapping->vmo_offset);
    take(state, mapping->perms);
    for (; region_tree_find_from(&mapping->protections, va, &entry); va = entry.end) {
        take(state, entry.base);
        take(state, (uintptr_t)entry.value);
    }
}

static void take_region(struct state *state, const struct vm_region *region)
{
    take(state, region->base);
    take(state, region->size);
    take(state, region->flags);
    take(state, region->kind);
}

static void take_vmar(struct state *state, const struct vm_vmar *vmar)
{
    take(state, vmar->object.koid);
    take(state, vmar->compact);
    take(state, vmar->high_priority);
}

static void take_space(struct state *state, struct vm_aspace *aspace)
{
    struct region_walk walk;
    struct vm_region *region;
    port_mutex_lock(&aspace->lock);
    take_name(state, aspace->name);
    take(state, aspace->base);
    take(state, aspace->destroyed);
    take(state, aspace->always_need);
    take(state, aspace->high_vmars);
    if (aspace->root != NULL) {
        take_region(state, &aspace->root->region);
        take_vmar(state, aspace->root);
    }
    region_walk_start(&walk, aspace->root);
    while ((region = region_walk_next(&walk)) != NULL) {
        take(state, walk.depth);
        take_region(state, region);
        if (region->kind == VM_REGION_MAPPING)
            take_mapping(state, mapping_of(region));
        else
            take_vmar(state, vmar_of(region));
    }
    port_mutex_unlock(&aspace->lock);
    port_mutex_lock(&aspace->table.lock);
    take(state, aspace->table.table_pages);
    port_mutex_unlock(&aspace->table.lock);
}

/* ---- Objects ---- */

static void take_vmo(struct state *state, struct vm_vmo *vmo)
{
    port_mutex_lock(&vmo->lock);
    take_name(state, vmo->name);
    take(state, vmo->size);
    take(state, vmo->pages.count);
    take(state, vmo->pinned_pages);
    take(state, vmo->cache_policy);
    take(state, vmo->vdso_code_offset);
    take(state, vmo->vdso_code_size);
    port_mutex_unlock(&vmo->lock);
}

static void take_process(struct state *state, const struct vm_process *process)
{
    port_mutex_lock(&vm_machine->handle_lock);
    take_name(state, process->name);
    take(state, process->dead);
    take(state, process->job);
    list_for_each(node, &process->handles)
    {
        const struct vm_handle *handle = container_of(node, struct vm_handle, node);
        take(state, handle->rights);
        take(state, handle->object != NULL ? handle->object->koid : ZX_KOID_INVALID);
    }
    port_mutex_unlock(&vm_machine->handle_lock);
}

static void take_thread(struct state *state, struct vm_thread *thread)
{
    port_mutex_lock(&vm_machine->handle_lock);
    take_name(state, thread->name);
    take(state, thread->process->object.koid);
    take(state, thread->state);
    port_mutex_unlock(&vm_machine->handle_lock);
}

static void take_job(struct state *state, const struct vm_job *job)
{
    port_mutex_lock(&vm_machine->handle_lock);
    take_name(state, job->name);
    port_mutex_unlock(&vm_machine->handle_lock);
}

static void take_object(struct state *state, struct vm_object *object)
{
    take(state, object->koid);
    take(state, object->type);
    take(state, atomic_load(&object->refs));
    switch (object->type) {
    case ZX_OBJ_TYPE_VMO:
        take_vmo(state, container_of(object, struct vm_vmo, object));
        break;
    case ZX_OBJ_TYPE_PROCESS:
        take_process(state, container_of(object, struct vm_process, object));
        break;
    case ZX_OBJ_TYPE_THREAD:
        take_thread(state, container_of(object, struct vm_thread, object));
        break;
    case ZX_OBJ_TYPE_JOB:
        take_job(state, container_of(object, struct vm_job, object));
        break;
    default: /* a VMAR: with its space */
        break;
    }
}

uint64_t vm_state_hash(void)
{
    struct state state = {START};
    list_for_each(node, &vm_machine->aspaces) take_space(&state, container_of(node, struct vm_aspace, node));
    list_for_each(node, &vm_machine->objects) take_object(&state, container_of(node, struct vm_object, node));
    for (unsigned page_state = 0; page_state < VM_PAGE_STATE_COUNT; page_state++)
        take(&state, pmm_count(page_state));
    take(&state, machine_heap_bytes());
    take(&state, vm_machine->handles.count);
    return state.hash;
}
