/* SPDX-License-Identifier: MIT */
/*
 * run_resolve.c: turns the slots and amounts of an operation into numbers.
 *
 * Resolving uses the model and the landmarks only, never the core, so that a wrong core cannot lead the run
 * astray unnoticed. A slot stands for the handle in it or, where that is closed or of another type, for the
 * next one that fits, around the end: a trace names objects by the slots that it chose itself, and nearly
 * every byte names something. Amounts are taken relative to a landmark (where something was placed earlier)
 * or to the object that the operation is about.
 */
#include <vm/aspace.h>
#include <vm/mem.h>

#include "runner.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

void run_argument(struct run *run, uint64_t value)
{
    run->record.arguments[run->record.argument_count++] = value;
}

/* ---- Slots ---- */

static bool usable(const struct run *run, int32_t handle, uint8_t type)
{
    const struct model_handle *h = &run->model.handles[handle];

    return h->open && h->process == run->current && h->type == type;
}

/* The open handle of the current process with that value. */
static int32_t find_value(const struct run *run, zx_handle_t value)
{
    for (int32_t i = 0; i < run->model.handle_count; i++) {
        const struct model_handle *h = &run->model.handles[i];
        if (h->open && h->process == run->current && h->value == value)
            return i;
    }
    return MODEL_NONE;
}

static zx_handle_t foreign_value(const struct run *run, uint8_t type)
{
    for (int32_t i = 0; i < run->model.handle_count; i++) {
        const struct model_handle *h = &run->model.handles[i];
        if (h->open && h->process != run->current && h->type == type)
            return h->value;
    }
    return ZX_HANDLE_INVALID;
}

static zx_handle_t wrong_type_value(const struct run *run, uint8_t type)
{
    for (int32_t i = 0; i < run->model.handle_count; i++) {
        const struct model_handle *h = &run->model.handles[i];
        if (h->open && h->process == run->current && h->type != type)
            return h->value;
    }
    return ZX_HANDLE_INVALID;
}

static zx_handle_t special_value(const struct run *run, uint8_t type, uint8_t slot)
{
    struct vm_process *const process = run->processes[run->current];

    switch (slot) {
    case TRACE_SLOT_GARBAGE:
        return RUN_GARBAGE_HANDLE;
    case TRACE_SLOT_CLOSED:
        return run->closed[run->current] != 0 ? run->closed[run->current] : RUN_GARBAGE_HANDLE;
    case TRACE_SLOT_FOREIGN:
        return foreign_value(run, type);
    case TRACE_SLOT_WRONG_TYPE:
        return wrong_type_value(run, type);
    case TRACE_SLOT_OWN:
        if (type == TRACE_TYPE_VMO)
            return ZX_HANDLE_INVALID;
        return type == TRACE_TYPE_VMAR ? vm_process_root_handle(process) : vm_process_self_handle(process);
    default:
        return ZX_HANDLE_INVALID;
    }
}

/* Finds what a slot stands for, and records it. */
struct run_target run_resolve(struct run *run, uint8_t type, uint8_t slot)
{
    struct run_target target = {ZX_HANDLE_INVALID, MODEL_NONE};

    if (slot >= TRACE_SLOTS) {
        target.value = special_value(run, type, slot);
        target.handle = find_value(run, target.value);
        run_argument(run, trace_reference(type, slot));
        return target;
    }
    for (uint8_t i = 0; i < TRACE_SLOTS; i++) {
        const uint8_t at = (uint8_t)((slot + i) % TRACE_SLOTS);
        const int32_t handle = run->slots[run->current][type][at] - 1;
        if (handle >= 0 && usable(run, handle, type)) {
            target.value = run->model.handles[handle].value;
            target.handle = handle;
            run_argument(run, trace_reference(type, at));
            return target;
        }
    }
    run_argument(run, trace_reference(type, TRACE_SLOT_NONE));
    return target;
}

uint8_t run_name_handle(struct run *run, uint8_t process, uint8_t type, uint8_t slot, int32_t handle)
{
    int16_t *const slots = run->slots[process][type];

    slot %= TRACE_SLOTS;
    for (uint8_t i = 0; i < TRACE_SLOTS; i++) {
        const uint8_t at = (uint8_t)((slot + i) % TRACE_SLOTS);
        const int32_t there = slots[at] - 1;
        if (there < 0 || !run->model.handles[there].open || run->model.handles[there].process != process) {
            slots[at] = (int16_t)(handle + 1);
            return at;
        }
    }
    /* All taken: the handle that was there stays open, but nothing can name it any more. */
    slots[slot] = (int16_t)(handle + 1);
    return slot;
}

uint8_t run_resolve_process(struct run *run)
{
    uint8_t process = run->op.a;

    while (!run->model.processes[process].alive)
        process = (process + 1) % TRACE_PROCESSES;
    run_argument(run, process);
    return process;
}

uint8_t run_resolve_space(struct run *run)
{
    uint8_t space = run->op.a;

    while (!model_has_space(&run->model, space))
        space = (space + 1) % TRACE_SPACES;
    run_argument(run, space);
    return space;
}

/* ---- Amounts ---- */

/* The one in the slot, or the next one there is; where there is none, that root VMAR. */
static struct run_landmark find_landmark(const struct run *run, int32_t root_vmar, uint8_t slot)
{
    const struct model_vmar *root = &run->model.vmars[root_vmar];

    for (uint8_t i = 0; slot < TRACE_SLOTS && i < TRACE_SLOTS; i++) {
        const struct run_landmark *mark = &run->landmarks[(slot + i) % TRACE_SLOTS];
        if (mark->used)
            return *mark;
    }
    return (struct run_landmark){true, root->base, root->size, 0};
}

static struct run_surroundings around_vmar(const struct run *run, int32_t root, int32_t vmar)
{
    const struct model_vmar *v = &run->model.vmars[vmar];

    return (struct run_surroundings){find_landmark(run, root, run->op.mark), v->base, v->size, vmar};
}

struct run_surroundings run_around_process(const struct run *run, uint8_t process)
{
    const int32_t root = run->model.processes[process].root;

    return around_vmar(run, root, root);
}

struct run_surroundings run_around_space(const struct run *run, uint8_t space)
{
    const int32_t root = model_space_root(&run->model, space);

    return around_vmar(run, root, root);
}

/* Of the VMAR that a handle leads to; of the current root where it leads to none. */
struct run_surroundings run_around_target(const struct run *run, struct run_target target)
{
    int32_t vmar = run->model.processes[run->current].root;

    if (target.handle != MODEL_NONE && run->model.handles[target.handle].type == TRACE_TYPE_VMAR)
        vmar = run->model.handles[target.handle].object;
    return around_vmar(run, run->model.spaces[run->model.vmars[vmar].space].root, vmar);
}

struct run_surroundings run_around_vmo(const struct run *run, struct run_target target)
{
    uint64_t size = run->header.memory_pages * PAGE;

    if (target.handle != MODEL_NONE && run->model.handles[target.handle].type == TRACE_TYPE_VMO)
        size = run->model.vmos[run->model.handles[target.handle].object].size;
    const int32_t root = run->model.processes[run->current].root;
    return (struct run_surroundings){find_landmark(run, root, run->op.mark), 0, size, MODEL_NONE};
}

static uint64_t edge(uint16_t number)
{
    static const uint64_t edges[8] = {
        0,          ZX_PAGE_SIZE, VM_USER_ASPACE_BASE,   VM_USER_ASPACE_TOP,
        1ull << 47, 1ull << 63,   VM_KERNEL_ASPACE_BASE, UINT64_MAX - (ZX_PAGE_SIZE - 1),
    };

    return edges[number % 8];
}

/* Part `value` of 65536 of size, rounded down to a page, without overflow. */
static uint64_t part_of(uint64_t size, uint16_t value)
{
    return ((size >> 16) * value + ((size & 0xffff) * value >> 16)) & ~(PAGE - 1);
}

/* An amount before its delta; *address: it names a place. */
static uint64_t amount_base(const struct run *run, const struct trace_amount *amount, uint64_t value,
                            const struct run_surroundings *s, bool *address)
{
    const struct run_landmark *mark = &s->mark;

    *address = true;
    switch (amount->kind) {
    case TRACE_MARK:
        return mark->base;
    case TRACE_MARK_END:
        return mark->base + mark->size;
    case TRACE_MARK_PAGE:
        return mark->base + value % (mark->size / PAGE + 1) * PAGE;
    case TRACE_MARK_BYTE:
        return mark->base + value % (mark->size + 1);
    case TRACE_MARK_MIDDLE:
        return mark->base + (mark->size / 2 & ~(PAGE - 1));
    case TRACE_BASE:
        return s->base;
    case TRACE_END:
        return s->base + s->size;
    case TRACE_EDGE:
        return edge(amount->value);
    case TRACE_LAST:
        return run->last;
    default:
        break;
    }
    *address = false;
    switch (amount->kind) {
    case TRACE_PAGES:
    case TRACE_PAGES_MANY:
        return value * PAGE;
    case TRACE_POWER:
        return 1ull << value;
    case TRACE_BYTES:
        return value;
    case TRACE_LARGE:
        return value << 21;
    case TRACE_GIGA:
        return value << 30;
    case TRACE_MARK_SIZE:
        return mark->size;
    case TRACE_WHOLE:
        return s->size;
    case TRACE_PART:
        return part_of(s->size, amount->value);
    case TRACE_MINUS_PAGES:
        return -(value * PAGE);
    case TRACE_MINUS_BYTES:
        return -value;
    case TRACE_GAP:
        return s->vmar == MODEL_NONE ? 0 : model_gap(&run->model, s->vmar, mark->base + mark->size);
    case TRACE_WHOLE_MINUS:
        return s->size - value * PAGE;
    default:
        return 0;
    }
}

static uint64_t amount_value(const struct run *run, unsigned number, const struct run_surroundings *s,
                             bool *address)
{
    const struct trace_amount *amount = &run->op.amount[number];
    const uint64_t value = amount_base(run, amount, amount->value, s, address);

    switch (amount->delta) {
    case TRACE_DELTA_PAGE_UP:
        return value + PAGE;
    case TRACE_DELTA_PAGE_DOWN:
        return value - PAGE;
    case TRACE_DELTA_BYTE_UP:
        return value + 1;
    case TRACE_DELTA_BYTE_DOWN:
        return value - 1;
    default:
        return value;
    }
}

/* An offset into the object. */
uint64_t run_offset(const struct run *run, unsigned number, const struct run_surroundings *s)
{
    bool address;
    const uint64_t value = amount_value(run, number, s, &address);

    return address ? value - s->base : value;
}

uint64_t run_address(const struct run *run, unsigned number, const struct run_surroundings *s)
{
    bool address;
    const uint64_t value = amount_value(run, number, s, &address);

    return address ? value : value + s->mark.base;
}

/* A size, where a place means the distance to it from `start`. */
uint64_t run_size(const struct run *run, unsigned number, const struct run_surroundings *s, uint64_t start)
{
    bool address;
    const uint64_t value = amount_value(run, number, s, &address);

    return address ? value - start : value;
}

/* An offset into a VMO, where a place means the byte of the VMO that the landmark shows there; the
   object's own base and end are places in the VMO already. */
uint64_t run_vmo_offset(const struct run *run, unsigned number, const struct run_surroundings *s)
{
    const uint8_t kind = run->op.amount[number].kind;
    bool address;
    const uint64_t value = amount_value(run, number, s, &address);

    if (!address || kind == TRACE_BASE || kind == TRACE_END)
        return value;
    return value - s->mark.base + s->mark.vmo_offset;
}

/* The size of a part of a VMO that begins at `offset`. */
uint64_t run_vmo_size(const struct run *run, unsigned number, const struct run_surroundings *s,
                      uint64_t offset)
{
    bool address;

    amount_value(run, number, s, &address);
    const uint64_t value = run_vmo_offset(run, number, s);
    return address ? value - offset : value;
}

/* The options with the undefined bit in its place, and the alignment. */
uint32_t run_vm_options(const struct run *run)
{
    const struct trace_op *op = &run->op;
    uint32_t options = op->options & ~(uint32_t)TRACE_OPTION_UNDEFINED;

    if ((op->options & TRACE_OPTION_UNDEFINED) != 0)
        options |= 1u << (15 + op->mark % 9);
    return options | (uint32_t)op->align << ZX_VM_ALIGN_BASE;
}
