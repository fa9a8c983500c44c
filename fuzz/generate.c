/* SPDX-License-Identifier: MIT */
/*
 * generate.c: random traces that go deep.
 *
 * Concept. Operations drawn evenly are refused at the first check, one after the other, and reach little. So the generator keeps a
 * shadow of what the trace has probably made so far: which slots hold VMARs, VMOs and mappings, what they may do and about how
 * large they are. It is told from the operations alone, without running them, so it costs little, and being wrong about something
 * costs no more than a refused operation. Most operations are drawn to suit the shadow: mappings go into VMARs that allow them,
 * beside other mappings; accesses hit mappings; protects and unmaps take parts of them. The rest are drawn wildly.
 *
 * Two more means bring variety. Each trace has weights of its own for the operations, some of them zero, so that traces differ in
 * what they are about. And now and then an operation is drawn as the first of a run of similar ones: rows of adjacent mappings, every
 * second one of a row unmapped, VMARs nested in one another.
 *
 * Structure. generator_note keeps the shadow; generator_draw draws what comes next. The mutator uses the same two: it notes the operations
 * before the place where it wants to insert one, then draws.
 *
 * Determinism: the numbers come from splitmix64, a counter whose bits are mixed by two multiplications; the seed is all there is.
 *
 * Locking: none; a generator belongs to one thread. Cost: constant an operation.
 */
#include "generate.h"

#include <vm/aspace.h>
#include <vm/mem.h>
#include <zircon/syscalls/object.h>

/* ---- Random numbers ---- */

uint64_t generator_random(struct generator *g)
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* The bias is below 2^-32 * limit and does not matter here. */
uint32_t generator_below(struct generator *g, uint32_t limit)
{
    return (uint32_t)((generator_random(g) >> 32) * limit >> 32);
}

uint8_t generator_pick(struct generator *g, const uint8_t *choices, size_t count)
{
    return choices[generator_below(g, (uint32_t)count)];
}

static bool percent(struct generator *g, uint32_t chance)
{
    return generator_percent(g, chance);
}

static uint64_t bit(uint8_t slot)
{
    return generator_bit(slot);
}

/* ---- The shadow ---- */

#define CAN_MAP            (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define CAN_MAP_SHIFT      7 /* from ZX_VM_PERM_* to ZX_VM_CAN_MAP_* */
#define FAMILY_OPERATIONS  8
#define SHARING_OPERATIONS 12
#define JOINERS            2 /* that a space has at least which is made to be shared */
#define PERMISSIONS        (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)
#define PLACED             (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_OFFSET_IS_UPPER_LIMIT)
#define PLACED_AT          (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)

/* About how many pages an amount means, where `whole` is the size of the object that the operation is about. */
uint32_t generator_estimate(const struct generator *g, const struct trace_op *op, unsigned which,
                            uint32_t whole)
{
    const struct trace_amount *amount = &op->amount[which];
    const uint32_t mark = op->mark < TRACE_SLOTS ? g->mark[op->mark].pages : 16;

    switch (amount->kind) {
    case TRACE_ZERO:
        return 0;
    case TRACE_PAGES:
    case TRACE_PAGES_MANY:
        return amount->value;
    case TRACE_POWER:
        return amount->value < 12 ? 1 : amount->value < 42 ? 1u << (amount->value - 12) : GENERATOR_MANY;
    case TRACE_BYTES:
        return amount->value / 4096 + 1;
    case TRACE_LARGE:
        return amount->value * 512u;
    case TRACE_GIGA:
        return amount->value < 8192 ? (uint32_t)amount->value << 18 : GENERATOR_MANY;
    case TRACE_WHOLE:
        return whole;
    case TRACE_WHOLE_MINUS:
        return whole > amount->value ? whole - amount->value : 0;
    case TRACE_PART:
        return (uint32_t)((uint64_t)whole * amount->value >> 16);
    case TRACE_MARK_SIZE:
        return mark;
    case TRACE_MINUS_PAGES:
    case TRACE_MINUS_BYTES:
        return GENERATOR_MANY;
    default:
        return 16;
    }
}

/* Where in its VMAR something is placed, in pages. */
static uint32_t estimate_place(const struct generator *g, const struct trace_op *op)
{
    const struct trace_amount *amount = &op->amount[0];
    const struct generator_mark *mark = op->mark < TRACE_SLOTS ? &g->mark[op->mark] : NULL;
    uint32_t place;

    switch (amount->kind) {
    case TRACE_ZERO:
    case TRACE_BASE:
        place = 0;
        break;
    case TRACE_PAGES:
    case TRACE_PAGES_MANY:
        place = amount->value;
        break;
    case TRACE_LARGE:
        place = amount->value * 512u;
        break;
    case TRACE_MARK:
    case TRACE_MARK_END:
        if (mark == NULL || mark->vmar != op->a || mark->offset == GENERATOR_ANYWHERE)
            return GENERATOR_ANYWHERE;
        place = mark->offset + (amount->kind == TRACE_MARK_END ? mark->pages : 0);
        break;
    default:
        return GENERATOR_ANYWHERE;
    }
    return amount->delta == TRACE_DELTA_PAGE_UP ? place + 1 : place;
}

static void remember(uint8_t *recent, uint8_t slot)
{
    memmove(recent + 1, recent, GENERATOR_RECENT - 1);
    recent[0] = slot;
}

/* Something of that many pages is made in op->a: false where that will surely be refused. */
static bool note_place(struct generator *g, const struct trace_op *op, uint32_t pages, uint32_t can_map)
{
    struct generator_vmar *vmar = generator_vmar(g, op->a);
    uint32_t place = GENERATOR_ANYWHERE;

    if (op->to >= TRACE_SLOTS || op->to == GENERATOR_ROOT ||
        (op->a >= TRACE_SLOTS && op->a != TRACE_SLOT_OWN) || pages == 0 || pages > vmar->pages ||
        (can_map & ~(uint32_t)vmar->options) != 0)
        return false;
    if ((op->options & PLACED) != 0 && (vmar->options & ZX_VM_CAN_MAP_SPECIFIC) == 0)
        return false;
    if ((op->options & PLACED_AT) != 0)
        place = estimate_place(g, op);
    if (place != GENERATOR_ANYWHERE && place > vmar->pages - pages)
        return false;
    if (place != GENERATOR_ANYWHERE && place + pages > vmar->used)
        vmar->used = place + pages;
    else if ((op->options & PLACED_AT) == 0 && pages < vmar->pages - vmar->used)
        vmar->used += pages;
    g->marks |= bit(op->to);
    g->mappings &= ~bit(op->to);
    g->vdso_marks &= ~bit(op->to);
    for (unsigned i = 0; i < TRACE_SPACES; i++)
        g->space_marks[i] &= ~bit(op->to);
    g->mark[op->to] = (struct generator_mark){op->a < TRACE_SLOTS ? op->a : GENERATOR_ROOT,
                                              op->b,
                                              vmar->process,
                                              op->options & PERMISSIONS,
                                              place,
                                              pages};
    remember(g->recent_mark, op->to);
    return true;
}

static void note_vmar(struct generator *g, const struct trace_op *op)
{
    const struct generator_vmar *parent = generator_vmar(g, op->a);
    const uint32_t pages = generator_estimate(g, op, 1, parent->pages);

    if (!note_place(g, op, pages, op->options & CAN_MAP))
        return;
    g->vmars |= bit(op->to);
    g->vmar[op->to] = (struct generator_vmar){op->options, op->a < TRACE_SLOTS ? op->a : GENERATOR_ROOT,
                                              parent->process, pages, 0};
    remember(g->recent_vmar, op->to);
}

static void note_mapping(struct generator *g, const struct trace_op *op)
{
    if (op->b >= TRACE_SLOTS || !g->vmo[op->b].mappable ||
        (op->options & PERMISSIONS & ~(uint32_t)g->vmo[op->b].permissions) != 0)
        return;
    if (note_place(g, op, generator_estimate(g, op, 1, generator_vmar(g, op->a)->pages),
                   (op->options & PERMISSIONS) << CAN_MAP_SHIFT))
        g->mappings |= bit(op->to);
    if ((g->mappings & bit(op->to)) != 0 && (g->vdsos & bit(op->b)) != 0 &&
        (op->options & ZX_VM_PERM_EXECUTE) != 0)
        g->vdso_marks |= bit(op->to);
}

static bool lies_in(const struct generator *g, uint8_t vmar, uint8_t ancestor)
{
    for (unsigned i = 0; i < TRACE_SLOTS && vmar != GENERATOR_ROOT; i++) {
        if (vmar == ancestor)
            return true;
        vmar = g->vmar[vmar].parent;
    }
    return false;
}

/* The VMAR is destroyed with all that is in it. */
static void note_destroy(struct generator *g, uint8_t slot)
{
    uint64_t dead = 0;

    if ((g->vmars & bit(slot)) == 0)
        return;
    for (uint64_t rest = g->vmars; rest != 0; rest &= rest - 1) {
        const uint8_t vmar = (uint8_t)__builtin_ctzll(rest);
        if (lies_in(g, vmar, slot))
            dead |= bit(vmar);
    }
    for (uint64_t rest = g->mappings; rest != 0; rest &= rest - 1) {
        const uint8_t mapping = (uint8_t)__builtin_ctzll(rest);
        if ((dead & bit(g->mark[mapping].vmar)) != 0)
            g->mappings &= ~bit(mapping);
    }
    g->vmars &= ~dead;
}

static void note_copy(struct generator *g, const struct trace_op *op)
{
    const uint32_t lost = op->mark == TRACE_RIGHTS_MINUS  ? op->options
                          : op->mark == TRACE_RIGHTS_SAME ? 0
                                                          : UINT32_MAX;

    if (op->a >= TRACE_SLOTS || op->to >= TRACE_SLOTS)
        return;
    if (op->b == TRACE_TYPE_VMAR && op->to != GENERATOR_ROOT && ((g->vmars | 1) & bit(op->a)) != 0) {
        g->vmars |= bit(op->to);
        g->vmar[op->to] = g->vmar[op->a];
        g->vmar[op->to].options &= (uint16_t) ~(lost >> 2 << CAN_MAP_SHIFT & CAN_MAP);
    }
    if (op->b == TRACE_TYPE_VMO && (g->vmos & bit(op->a)) != 0) {
        g->vmos |= bit(op->to);
        g->vmo[op->to] = g->vmo[op->a];
        g->vmo[op->to].permissions &= (uint8_t) ~(lost >> 2);
        g->vmo[op->to].mappable &= (lost & ZX_RIGHT_MAP) == 0;
    }
    if (op->code == TRACE_HANDLE_REPLACE && op->to != op->a) {
        if (op->b == TRACE_TYPE_VMAR)
            g->vmars &= ~bit(op->a);
        if (op->b == TRACE_TYPE_VMO)
            g->vmos &= ~bit(op->a);
    }
}

static void note_close_many(struct generator *g, const struct trace_op *op)
{
    for (unsigned i = 0; i < op->options && op->a < TRACE_SLOTS; i++) {
        const uint64_t closed = bit((uint8_t)((op->a + i) % TRACE_SLOTS));
        const unsigned type = op->wild ? (op->b + i) % TRACE_TYPE_COUNT : op->b;
        if (type == TRACE_TYPE_VMAR)
            g->vmars &= ~closed;
        if (type == TRACE_TYPE_VMO)
            g->vmos &= ~closed;
    }
}

static void note_executable(struct generator *g, const struct trace_op *op)
{
    if (op->b != TRACE_TYPE_VMO || op->a >= TRACE_SLOTS || op->to >= TRACE_SLOTS ||
        op->options != TRACE_VMEX_NONE || (g->vmos & bit(op->a)) == 0)
        return;
    g->vmo[op->to] = g->vmo[op->a];
    g->vmo[op->to].permissions |= ZX_VM_PERM_EXECUTE;
    g->vmos = (g->vmos & ~bit(op->a)) | bit(op->to);
    if ((g->vdsos & bit(op->a)) != 0)
        g->vdsos |= bit(op->to);
}

/* What comes next is mostly about these VMOs. */
static void note_family(struct generator *g, uint8_t one, uint8_t other)
{
    g->family[0] = one;
    g->family[1] = other;
    g->family_left = FAMILY_OPERATIONS;
}

static void note_child(struct generator *g, const struct trace_op *op)
{
    const bool slice = (op->options & ZX_VMO_CHILD_SLICE) != 0;

    if (op->a >= TRACE_SLOTS || op->to >= TRACE_SLOTS || (g->vmos & bit(op->a)) == 0)
        return;
    struct generator_vmo made = g->vmo[op->a];
    if (slice ? made.resizable : made.contiguous)
        return;
    made.pages = generator_estimate(g, op, 1, made.pages);
    made.resizable = (op->options & ZX_VMO_CHILD_RESIZABLE) != 0;
    made.snapshot = made.snapshot || !slice;
    if (!slice)
        made.permissions = (made.permissions | ZX_VM_PERM_WRITE) & ~ZX_VM_PERM_EXECUTE;
    if ((op->options & ZX_VMO_CHILD_NO_WRITE) != 0)
        made.permissions &= ~ZX_VM_PERM_WRITE;
    g->vmos |= bit(op->to);
    g->vmo[op->to] = made;
    note_family(g, op->a, op->to);
}

static void note_process(struct generator *g, const struct trace_op *op)
{
    const bool founds = op->code == TRACE_PROCESS_CREATE && op->options == ZX_PROCESS_SHARED;

    if (op->to >= TRACE_SLOTS || op->to == GENERATOR_ROOT || op->wild || g->processes == TRACE_PROCESSES - 1)
        return;
    g->processes++;
    if (founds)
        g->joiners_wanted = JOINERS;
    else if (op->code == TRACE_PROCESS_CREATE_SHARED && g->joiners_wanted > 0)
        g->joiners_wanted--;
    if (founds || op->code == TRACE_PROCESS_CREATE_SHARED)
        g->sharers |= (uint16_t)(1u << g->processes);
    g->process_slot[g->processes] = op->to;
    g->other_vmars[g->processes] = g->other_vmos[g->processes] = 0;
    g->vmars |= bit(op->to);
    g->vmar[op->to] = (struct generator_vmar){CAN_MAP | ZX_VM_CAN_MAP_SPECIFIC, GENERATOR_ROOT, g->processes,
                                              GENERATOR_MANY, 0};
    if (!founds && op->code != TRACE_PROCESS_CREATE_SHARED)
        return;
    g->part[founds ? 0 : 1] = op->to;
    if (founds)
        g->part[1] = op->to;
    g->sharing_left = SHARING_OPERATIONS;
}

/* Memory in one physical run; `physical`: a device's. */
static void note_run(struct generator *g, const struct trace_op *op, bool physical)
{
    if (op->to >= TRACE_SLOTS)
        return;
    g->vmos |= bit(op->to);
    g->vmo[op->to] = (struct generator_vmo){.mappable = true,
                                            .contiguous = true,
                                            .physical = physical,
                                            .permissions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE,
                                            .pages = generator_estimate(g, op, 1, 64)};
    note_family(g, op->to, op->to);
    g->fresh_large = op->amount[1].kind == TRACE_LARGE;
}

static void note_select(struct generator *g, uint8_t process)
{
    if (process > g->processes)
        return;
    g->other_vmars[g->process] = g->vmars;
    g->other_vmos[g->process] = g->vmos;
    g->vmars = g->other_vmars[process];
    g->vmos = g->other_vmos[process];
    g->process = g->vmar[GENERATOR_ROOT].process = process;
}

void generator_note(struct generator *g, const struct trace_op *op)
{
    g->fresh_vmo = TRACE_SLOT_NONE;
    g->fresh_large = false;
    if (g->sharing_left > 0)
        g->sharing_left--;
    if (g->family_left > 0)
        g->family_left--;
    switch (op->code) {
    case TRACE_VMAR_ALLOCATE:
        note_vmar(g, op);
        break;
    case TRACE_VMAR_MAP:
        note_mapping(g, op);
        break;
    case TRACE_VMAR_UNMAP:
        if (op->mark < TRACE_SLOTS && generator_estimate(g, op, 1, GENERATOR_MANY) >= g->mark[op->mark].pages)
            g->mappings &= ~bit(op->mark);
        break;
    case TRACE_VMAR_PROTECT:
        if ((g->mappings & bit(op->mark)) != 0 && op->amount[0].kind == TRACE_MARK)
            g->mark[op->mark].permissions = op->options & PERMISSIONS;
        break;
    case TRACE_VMAR_DESTROY:
        note_destroy(g, op->a);
        break;
    case TRACE_VMO_CREATE:
        if (op->to >= TRACE_SLOTS)
            break;
        g->vmos |= bit(op->to);
        g->vmo[op->to] = (struct generator_vmo){.resizable = (op->options & ZX_VMO_RESIZABLE) != 0,
                                                .mappable = true,
                                                .permissions = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE,
                                                .pages = generator_estimate(g, op, 1, 64)};
        g->fresh_vmo = op->to;
        g->vdsos &= ~bit(op->to);
        break;
    case TRACE_VMO_CREATE_CONTIGUOUS:
    case TRACE_VMO_CREATE_PHYSICAL:
        note_run(g, op, op->code == TRACE_VMO_CREATE_PHYSICAL);
        break;
    case TRACE_VMO_SET_SIZE:
        if (op->a < TRACE_SLOTS && g->vmo[op->a].resizable)
            g->vmo[op->a].pages = generator_estimate(g, op, 1, g->vmo[op->a].pages);
        break;
    case TRACE_HANDLE_CLOSE_MANY:
        note_close_many(g, op);
        break;
    case TRACE_HANDLE_CLOSE:
        if (op->b == TRACE_TYPE_VMAR)
            g->vmars &= ~bit(op->a);
        if (op->b == TRACE_TYPE_VMO)
            g->vmos &= ~bit(op->a);
        break;
    case TRACE_HANDLE_DUPLICATE:
    case TRACE_HANDLE_REPLACE:
        note_copy(g, op);
        break;
    case TRACE_VMO_REPLACE_AS_EXECUTABLE:
        note_executable(g, op);
        break;
    case TRACE_VMO_CREATE_CHILD:
        note_child(g, op);
        break;
    case TRACE_PROCESS_CREATE:
    case TRACE_PROCESS_CREATE_SHARED:
        note_process(g, op);
        break;
    case TRACE_SELECT_PROCESS:
        note_select(g, op->a);
        break;
    default:
        generator_note_aspace(g, op);
        break;
    }
}

/* ---- Operations ---- */

static void draw_code(struct generator *g, struct trace_op *op)
{
    uint32_t draw = generator_below(g, g->weight_sum);

    for (op->code = 0; draw >= g->weight[op->code]; op->code++)
        draw -= g->weight[op->code];
    /* What parent and child have in common shows when both are used, and a large page when parts of it are. */
    if (g->family_left > 0 && percent(g, 60))
        op->code =
            GENERATOR_PICK(g, TRACE_WRITE, TRACE_WRITE, TRACE_WRITE, TRACE_READ, TRACE_READ, TRACE_VMO_WRITE,
                           TRACE_VMO_WRITE, TRACE_VMO_READ, TRACE_VMO_READ, TRACE_VMAR_MAP, TRACE_VMAR_MAP,
                           TRACE_VMO_OP_RANGE, TRACE_VMO_SET_SIZE, TRACE_OBJECT_GET_INFO,
                           TRACE_VMO_CREATE_CHILD, TRACE_VMAR_PROTECT, TRACE_VMAR_UNMAP);
    if (g->joiners_wanted > 0 && percent(g, 35))
        op->code = TRACE_PROCESS_CREATE_SHARED;
    else if (g->sharing_left > 0 && percent(g, 60))
        op->code = GENERATOR_PICK(g, TRACE_VMAR_MAP, TRACE_VMAR_MAP, TRACE_WRITE, TRACE_WRITE, TRACE_WRITE,
                                  TRACE_READ, TRACE_READ, TRACE_READ, TRACE_VMAR_UNMAP, TRACE_VMAR_PROTECT,
                                  TRACE_VMAR_OP_RANGE, TRACE_VMO_OP_RANGE, TRACE_VMO_SET_SIZE);
    if (percent(g, 50))
        generator_draw_theme_code(g, op);
    /* Which of one processor runs makes no difference. */
    if (op->code == TRACE_SELECT_PROCESSOR && g->processors == 1)
        op->code = TRACE_READ;
    /* Nothing to do anything with: make something. */
    const bool wants_vmo = op->code == TRACE_VMAR_MAP || op->code == TRACE_VMO_REPLACE_AS_EXECUTABLE ||
                           op->code == TRACE_VMO_CREATE_CHILD || op->code == TRACE_VMO_PIN ||
                           (op->code >= TRACE_VMO_READ && op->code <= TRACE_VMO_OP_RANGE);
    const bool wants_mapping = op->code == TRACE_VMAR_UNMAP || op->code == TRACE_VMAR_PROTECT ||
                               (op->code >= TRACE_READ && op->code <= TRACE_PAGE_FAULT) ||
                               (op->code >= TRACE_VMAR_OP_RANGE && op->code <= TRACE_PROCESS_WRITE_MEMORY) ||
                               op->code == TRACE_SOFT_FAULT_IN_RANGE || op->code == TRACE_ACCESSED_FAULT;
    if (wants_vmo && g->vmos == 0 && !percent(g, 10))
        op->code = TRACE_VMO_CREATE;
    if (wants_mapping && g->mappings == 0 && !percent(g, 10))
        op->code = g->vmos == 0 ? TRACE_VMO_CREATE : TRACE_VMAR_MAP;
    if (op->code == TRACE_VMAR_DESTROY && g->vmars == 0 && !percent(g, 10))
        op->code = TRACE_VMAR_ALLOCATE;
}

/* Wild options: one bit more or less than is sensible, or any at all. */
static void draw_wild(struct generator *g, struct trace_op *op)
{
    if (!trace_has_wild(op->code) || !g->wild || !percent(g, 6))
        return;
    op->wild = true;
    if (percent(g, 70))
        op->options ^= (uint16_t)(1u << generator_below(g, 16));
    else
        op->options = (uint16_t)generator_random(g);
    if (percent(g, 20))
        op->align = (uint8_t)generator_random(g);
    if (op->code == TRACE_PROCESS_CREATE_SHARED)
        op->b = (uint8_t)generator_below(g, 2);
    if (op->code == TRACE_PROCESS_CREATE)
        op->a = op->b = (uint8_t)generator_below(g, 2);
}

/* ---- Runs of similar operations ---- */

enum run_kind {
    RUN_SAME,  /* the same operation, each result in a slot of its own */
    RUN_ROW,   /* each one beside the one before */
    RUN_NEST,  /* each one inside the one before */
    RUN_MARKS, /* the same done to one landmark after the other */
    RUN_AGAIN, /* just the same */
};

static void maybe_start_run(struct generator *g, const struct trace_op *op)
{
    if (op->wild || !percent(g, op->code == TRACE_HARVEST_ACCESSED_BITS ? 30 : 6))
        return;
    if (op->code == TRACE_HARVEST_ACCESSED_BITS) { /* one right behind the other */
        g->run_kind = RUN_AGAIN;
        g->run_op = *op;
        g->run_left = (uint8_t)(1 + generator_below(g, 3));
        return;
    }
    if (op->code == TRACE_VMAR_ALLOCATE || op->code == TRACE_VMAR_MAP) {
        if ((op->options & PLACED) == 0)
            g->run_kind = percent(g, 75) || op->code == TRACE_VMAR_MAP ? RUN_SAME : RUN_NEST;
        else
            g->run_kind = RUN_ROW;
    } else if (op->code == TRACE_VMAR_UNMAP || op->code == TRACE_VMAR_PROTECT || op->code == TRACE_WRITE ||
               op->code == TRACE_READ || op->code == TRACE_VMAR_OP_RANGE) {
        g->run_kind = RUN_MARKS;
    } else {
        return;
    }
    g->run_op = *op;
    g->run_left = (uint8_t)(2 + generator_below(g, GENERATOR_PICK(g, 4, 12, 40)));
    g->run_step = (uint8_t)(1 + generator_below(g, 3));
}

/* The next slot that is free, around the end. */
static uint8_t next_free(uint8_t slot, uint64_t taken)
{
    for (unsigned i = 1; i < TRACE_SLOTS; i++) {
        const uint8_t at = (uint8_t)((slot + i) % TRACE_SLOTS);
        if ((taken & bit(at)) == 0)
            return at;
    }
    return (uint8_t)((slot + 1) % TRACE_SLOTS);
}

static void continue_run(struct generator *g, struct trace_op *op)
{
    *op = g->run_op;
    g->run_left--;
    if (g->run_kind == RUN_AGAIN)
        return;
    if (generator_vmar(g, op->a)->used >= generator_vmar(g, op->a)->pages)
        g->run_left = 0; /* full */
    switch (g->run_kind) {
    case RUN_NEST:
        if (op->to < TRACE_SLOTS)
            op->a = op->to;
        op->amount[1] =
            (struct trace_amount){TRACE_WHOLE_MINUS, TRACE_DELTA_NONE, (uint16_t)generator_below(g, 3)};
        op->to = next_free(op->to, generator_taken(g));
        break;
    case RUN_ROW:
        op->mark = op->to % TRACE_SLOTS;
        op->amount[0] = (struct trace_amount){TRACE_MARK_END, TRACE_DELTA_NONE, 0};
        if (g->run_step == 2)
            op->amount[0].delta = TRACE_DELTA_PAGE_UP;
        if (g->run_step == 3) /* contiguous in the VMO as well */
            op->amount[2].value = (op->amount[2].value + op->amount[1].value) & 0xff;
        op->to = next_free(op->to, generator_taken(g));
        break;
    case RUN_SAME:
        op->to = next_free(op->to, generator_taken(g));
        break;
    default: {
        /* The next landmark that is a mapping, some left out. */
        const uint8_t from = (uint8_t)((op->mark + g->run_step) % TRACE_SLOTS);
        const uint64_t turned =
            from == 0 ? g->mappings : g->mappings >> from | g->mappings << (TRACE_SLOTS - from);
        op->mark = turned == 0 ? from : (uint8_t)((from + __builtin_ctzll(turned)) % TRACE_SLOTS);
        op->a = op->code == TRACE_READ || op->code == TRACE_WRITE ? op->a : g->mark[op->mark].vmar;
        break;
    }
    }
    trace_normalize(op);
    g->run_op = *op;
}

/* ---- The whole ---- */

/* How often operations without codes of the 128 are drawn, compared with those. */
static const uint8_t later_weights[TRACE_CODE_COUNT - TRACE_LATER] = {
    [TRACE_VMO_REPLACE_AS_EXECUTABLE - TRACE_LATER] = 2,
    [TRACE_VMAR_OP_RANGE - TRACE_LATER] = 8,
    [TRACE_PROCESS_READ_MEMORY - TRACE_LATER] = 3,
    [TRACE_PROCESS_WRITE_MEMORY - TRACE_LATER] = 4,
    [TRACE_OBJECT_GET_PROPERTY - TRACE_LATER] = 1,
    [TRACE_OBJECT_SET_PROPERTY - TRACE_LATER] = 1,
    [TRACE_VMO_CREATE_CHILD - TRACE_LATER] = 3,
    [TRACE_HANDLE_CLOSE_MANY - TRACE_LATER] = 1,
    [TRACE_VMO_CREATE_CONTIGUOUS - TRACE_LATER] = 2,
    [TRACE_VMO_PIN - TRACE_LATER] = 2,
    [TRACE_VMO_UNPIN - TRACE_LATER] = 1,
    [TRACE_VMAR_SET_MEMORY_PRIORITY - TRACE_LATER] = 1,
    [TRACE_PROCESS_CREATE_SHARED - TRACE_LATER] = 2,
    [TRACE_PROCESS_EXIT - TRACE_LATER] = 2,
    [TRACE_VMO_CREATE_PHYSICAL - TRACE_LATER] = 2,
    [TRACE_VMO_SET_CACHE_POLICY - TRACE_LATER] = 1,
    [TRACE_CPRNG_DRAW - TRACE_LATER] = 1,
    [TRACE_TICKS_GET - TRACE_LATER] = 1,
    [TRACE_SELECT_PROCESSOR - TRACE_LATER] = 4,
    [TRACE_HARVEST_ACCESSED_BITS - TRACE_LATER] = 3,
    [TRACE_DROP_PAGE_TABLES - TRACE_LATER] = 1,
    [TRACE_DROP_ALL_PAGE_TABLES - TRACE_LATER] = 1,
    [TRACE_SOFT_FAULT_IN_RANGE - TRACE_LATER] = 3,
    [TRACE_ACCESSED_FAULT - TRACE_LATER] = 1,
    [TRACE_ASPACE_RENAME - TRACE_LATER] = 1,
    [TRACE_FIND_REGION - TRACE_LATER] = 2,
    [TRACE_ASPACE_ENUMERATE - TRACE_LATER] = 1,
    [TRACE_GET_MEMORY_USAGE - TRACE_LATER] = 2,
    [TRACE_GUEST_CREATE - TRACE_LATER] = 1,
    [TRACE_GUEST_DESTROY - TRACE_LATER] = 1,
    [TRACE_SPACE_ALLOC - TRACE_LATER] = 1,
    [TRACE_SPACE_ALLOC_CONTIGUOUS - TRACE_LATER] = 1,
    [TRACE_SPACE_ALLOC_PHYSICAL - TRACE_LATER] = 1,
    [TRACE_SPACE_MAP_OBJECT - TRACE_LATER] = 2,
    [TRACE_SPACE_FREE_REGION - TRACE_LATER] = 1,
    [TRACE_SPACE_READ - TRACE_LATER] = 1,
    [TRACE_SPACE_WRITE - TRACE_LATER] = 1,
    [TRACE_SPACE_EXECUTE - TRACE_LATER] = 1,
    [TRACE_VMO_DECLARE_VDSO - TRACE_LATER] = 1,
    [TRACE_VDSO_ADDRESS - TRACE_LATER] = 1,
    [TRACE_VALLOC_INIT - TRACE_LATER] = 1,
    [TRACE_VALLOC_ALLOC - TRACE_LATER] = 1,
    [TRACE_VALLOC_FREE - TRACE_LATER] = 1,
    [TRACE_VALLOC_ALLOCATE_RANGE - TRACE_LATER] = 1,
    [TRACE_VALLOC_FREE_ALL - TRACE_LATER] = 1,
    [TRACE_VALLOC_DESTROY - TRACE_LATER] = 1,
};

void generator_start(struct generator *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->random = seed;
    memset(g->recent_vmar, TRACE_SLOT_NONE, sizeof g->recent_vmar);
    memset(g->recent_mark, TRACE_SLOT_NONE, sizeof g->recent_mark);
    g->vmar[GENERATOR_ROOT] =
        (struct generator_vmar){CAN_MAP | ZX_VM_CAN_MAP_SPECIFIC, GENERATOR_ROOT, 0, GENERATOR_MANY, 0};
    g->fresh_vmo = TRACE_SLOT_NONE;
    g->process_slot[0] = TRACE_SLOT_OWN;
    g->wild = percent(g, 60);
    if (percent(g, 45))
        g->theme = (uint8_t)(1 + generator_below(g, GENERATOR_THEMES - 1));
    for (uint8_t code = 0; code < TRACE_CODE_COUNT; code++) {
        const uint8_t usual = code < TRACE_LATER
                                  ? (uint8_t)(trace_shapes[code].weight + trace_shapes[code].wild_weight)
                                  : later_weights[code - TRACE_LATER];
        const uint32_t draw = generator_below(g, 10);
        g->weight[code] = draw < 2 ? 0 : draw < 8 ? usual : (uint8_t)(usual * 3);
        if (code == TRACE_VMAR_ALLOCATE || code == TRACE_VMAR_MAP || code == TRACE_VMO_CREATE)
            g->weight[code] = g->weight[code] == 0 ? 1 : g->weight[code];
        /* Rarer than its codes: it ends much. */
        if (code == TRACE_VMAR_DESTROY || code == TRACE_HANDLE_CLOSE || code == TRACE_FAIL_ALLOCATION ||
            code == TRACE_SELECT_PROCESS || code == TRACE_PROCESS_EXIT)
            g->weight[code] = (uint8_t)((g->weight[code] + 1) / 2);
        g->weight_sum = (uint16_t)(g->weight_sum + g->weight[code]);
    }
}

void generator_draw(struct generator *g, struct trace_op *op)
{
    if (g->run_left > 0) {
        continue_run(g, op);
        return;
    }
    memset(op, 0, sizeof *op);
    /* A third of the VMOs may be executed, unless the trace is not about that. */
    if (g->fresh_large && percent(g, 60))
        op->code = TRACE_VMAR_MAP;
    else if (g->fresh_vmo < TRACE_SLOTS && g->weight[TRACE_VMO_REPLACE_AS_EXECUTABLE] > 0 &&
             percent(g, g->theme == GENERATOR_VDSO ? 85 : 40))
        op->code = TRACE_VMO_REPLACE_AS_EXECUTABLE;
    else
        draw_code(g, op);
    generator_draw_operands(g, op);
    draw_wild(g, op);
    trace_normalize(op);
    maybe_start_run(g, op);
}

void generator_redraw(struct generator *g, struct trace_op *op, unsigned field)
{
    struct trace_op fresh;

    memset(&fresh, 0, sizeof fresh);
    fresh.code = op->code;
    fresh.wild = op->wild;
    generator_draw_operands(g, &fresh);
    if (op->wild)
        fresh.options ^= (uint16_t)(1u << generator_below(g, 16));
    switch (trace_shapes[op->code].fields[field].kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS:
    case TRACE_FIELD_PROCESS_HANDLE:
    case TRACE_FIELD_JOB:
    case TRACE_FIELD_SPACE:
        op->a = fresh.a;
        break;
    case TRACE_FIELD_ANY:
        op->a = fresh.a;
        op->b = fresh.b;
        break;
    case TRACE_FIELD_VMO:
    case TRACE_FIELD_NUMBER:
        op->b = fresh.b;
        break;
    case TRACE_FIELD_TO:
        op->to = fresh.to;
        break;
    case TRACE_FIELD_MARK:
        op->mark = fresh.mark;
        break;
    case TRACE_FIELD_OPTIONS:
        op->options = fresh.options;
        break;
    case TRACE_FIELD_ALIGN:
        op->align = percent(g, 50) ? 0 : (uint8_t)(10 + generator_below(g, 23));
        break;
    case TRACE_FIELD_FILL:
        op->align = fresh.align;
        break;
    case TRACE_FIELD_RIGHTS:
        op->mark = fresh.mark;
        op->options = fresh.options;
        op->align = fresh.align;
        break;
    case TRACE_FIELD_AMOUNT0:
        op->amount[0] = fresh.amount[0];
        break;
    case TRACE_FIELD_AMOUNT1:
        op->amount[1] = fresh.amount[1];
        break;
    case TRACE_FIELD_AMOUNT2:
        op->amount[2] = fresh.amount[2];
        break;
    default:
        break;
    }
    trace_normalize(op);
}

void generator_header(struct generator *g, struct trace_header *header)
{
    memset(header, 0, sizeof *header);
    header->memory_pages =
        trace_memory_sizes[GENERATOR_PICK(g, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 7)];
    header->processors = (uint8_t)(percent(g, 55) ? 1 : 2 + generator_below(g, TRACE_PROCESSORS_MAX - 1));
    header->aslr_off = percent(g, 30);
    if (percent(g, 50))
        header->entropy_bits =
            (uint8_t)(percent(g, 60) ? 1 + generator_below(g, 12) : generator_below(g, 37));
    if (percent(g, 50))
        header->compact_entropy_bits = (uint8_t)generator_below(g, 13);
    if (percent(g, 12)) {
        header->fail = true;
        header->fail_persistent = percent(g, 30);
        header->fail_nth = (uint16_t)(1 + generator_below(g, GENERATOR_PICK(g, 20, 100, 255)));
    }
    header->seed = generator_random(g);
    header->seed >>= GENERATOR_PICK(g, 0, 56);
}

size_t trace_generate(uint64_t seed, uint32_t operations, uint8_t *out, size_t capacity)
{
    struct generator g;
    struct trace_header header;
    struct trace_op op;

    if (capacity < TRACE_HEADER_SIZE)
        return 0;
    const size_t fit = (capacity - TRACE_HEADER_SIZE) / TRACE_OPERATION_SIZE;
    if (operations > TRACE_OPERATIONS_MAX)
        operations = TRACE_OPERATIONS_MAX;
    if (operations > fit)
        operations = (uint32_t)fit;
    generator_start(&g, seed);
    generator_header(&g, &header);
    trace_encode_header(&header, out);
    g.memory_pages = header.memory_pages;
    g.processors = header.processors;
    for (uint32_t i = 0; i < operations; i++) {
        generator_draw(&g, &op);
        generator_note(&g, &op);
        trace_encode(&op, out + TRACE_HEADER_SIZE + (size_t)i * TRACE_OPERATION_SIZE);
    }
    return TRACE_HEADER_SIZE + (size_t)operations * TRACE_OPERATION_SIZE;
}
