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

/* The bias is below 2^-32 and does not matter here. */
uint32_t generator_below(struct generator *g, uint32_t limit)
{
    return (uint32_t)((generator_random(g) >> 32) * limit >> 32);
}

static bool percent(struct generator *g, uint32_t chance)
{
    return generator_below(g, 100) < chance;
}

static uint8_t pick_of(struct generator *g, const uint8_t *choices, size_t count)
{
    return choices[generator_below(g, (uint32_t)count)];
}
#define PICK(g, ...) pick_of(g, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* A slot of the set, which is not empty. */
static uint8_t pick_slot(struct generator *g, uint64_t set)
{
    uint32_t skip = generator_below(g, (uint32_t)__builtin_popcountll(set));

    while (skip-- > 0)
        set &= set - 1;
    return (uint8_t)__builtin_ctzll(set);
}

static uint64_t bit(uint8_t slot)
{
    return slot < TRACE_SLOTS ? (uint64_t)1 << slot : 0;
}

/* ---- The shadow ---- */

#define CAN_MAP       (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define CAN_MAP_SHIFT 7 /* from ZX_VM_PERM_* to ZX_VM_CAN_MAP_* */
#define PLACED        (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_OFFSET_IS_UPPER_LIMIT)
#define MANY_PAGES    0x7fffffffu /* more than matters: a root */

static uint32_t vmar_options(const struct generator *g, uint8_t slot)
{
    return slot < TRACE_SLOTS ? g->vmar[slot].options : CAN_MAP | ZX_VM_CAN_MAP_SPECIFIC;
}

static uint32_t vmar_pages(const struct generator *g, uint8_t slot)
{
    return slot < TRACE_SLOTS ? g->vmar[slot].pages : MANY_PAGES;
}

/* About how many pages an amount means, where `whole` is the size of the object that the operation is about. */
static uint32_t estimate(const struct generator *g, const struct trace_op *op, unsigned which, uint32_t whole)
{
    const struct trace_amount *amount = &op->amount[which];
    const uint32_t mark = op->mark < TRACE_SLOTS ? g->mark[op->mark].pages : 16;

    switch (amount->kind) {
    case TRACE_PAGES:
    case TRACE_PAGES_MANY:
        return amount->value;
    case TRACE_POWER:
        return amount->value < 12 ? 1 : amount->value < 42 ? 1u << (amount->value - 12) : MANY_PAGES;
    case TRACE_BYTES:
        return amount->value / 4096 + 1;
    case TRACE_LARGE:
        return amount->value * 512u;
    case TRACE_GIGA:
        return amount->value < 8192 ? (uint32_t)amount->value << 18 : MANY_PAGES;
    case TRACE_WHOLE:
    case TRACE_WHOLE_MINUS:
        return whole;
    case TRACE_PART:
        return (uint32_t)((uint64_t)whole * amount->value >> 16);
    case TRACE_MARK_SIZE:
        return mark;
    default:
        return 16;
    }
}

static void remember(uint8_t *recent, uint8_t slot)
{
    memmove(recent + 1, recent, GENERATOR_RECENT - 1);
    recent[0] = slot;
}

static void note_mark(struct generator *g, const struct trace_op *op, uint8_t vmar, uint8_t vmo,
                      uint32_t pages)
{
    g->marks |= bit(op->to);
    g->mappings &= ~bit(op->to);
    g->mark[op->to] = (struct generator_mark){vmar, vmo, op->options & 7, pages};
    remember(g->recent_mark, op->to);
}

static void note_vmar(struct generator *g, const struct trace_op *op)
{
    const uint32_t pages = estimate(g, op, 1, vmar_pages(g, op->a));

    if (op->to >= TRACE_SLOTS || pages == 0)
        return;
    note_mark(g, op, op->a, 0, pages);
    g->vmars |= bit(op->to);
    g->vmar[op->to] = (struct generator_vmar){op->options, op->a, pages};
    remember(g->recent_vmar, op->to);
}

static void note_mapping(struct generator *g, const struct trace_op *op)
{
    const uint32_t vmo = op->b < TRACE_SLOTS ? g->vmo[op->b].pages : 1;
    const uint32_t pages = estimate(g, op, 1, vmo);

    if (op->to >= TRACE_SLOTS || pages == 0)
        return;
    note_mark(g, op, op->a, op->b, pages);
    g->mappings |= bit(op->to);
}

static void forget_vmar(struct generator *g, uint8_t slot)
{
    g->vmars &= ~bit(slot);
    for (uint64_t rest = g->mappings; rest != 0; rest &= rest - 1) {
        const uint8_t mapping = (uint8_t)__builtin_ctzll(rest);
        if (g->mark[mapping].vmar == slot)
            g->mappings &= ~bit(mapping);
    }
}

void generator_note(struct generator *g, const struct trace_op *op)
{
    switch (op->code) {
    case TRACE_VMAR_ALLOCATE:
        note_vmar(g, op);
        break;
    case TRACE_VMAR_MAP:
        note_mapping(g, op);
        break;
    case TRACE_VMAR_UNMAP:
        if (op->amount[1].kind == TRACE_MARK_SIZE && op->amount[0].kind == TRACE_MARK)
            g->mappings &= ~bit(op->mark);
        break;
    case TRACE_VMAR_DESTROY:
        forget_vmar(g, op->a);
        break;
    case TRACE_VMO_CREATE:
        if (op->to < TRACE_SLOTS) {
            g->vmos |= bit(op->to);
            g->vmo[op->to] =
                (struct generator_vmo){(op->options & ZX_VMO_RESIZABLE) != 0, estimate(g, op, 1, 16)};
        }
        break;
    case TRACE_VMO_SET_SIZE:
        if (op->a < TRACE_SLOTS)
            g->vmo[op->a].pages = estimate(g, op, 1, g->vmo[op->a].pages);
        break;
    case TRACE_HANDLE_CLOSE:
        if (op->b == TRACE_TYPE_VMAR)
            g->vmars &= ~bit(op->a);
        if (op->b == TRACE_TYPE_VMO)
            g->vmos &= ~bit(op->a);
        break;
    case TRACE_HANDLE_DUPLICATE:
    case TRACE_HANDLE_REPLACE:
        if (op->a >= TRACE_SLOTS || op->to >= TRACE_SLOTS || op->b == TRACE_TYPE_PROCESS)
            break;
        if (op->b == TRACE_TYPE_VMAR) {
            g->vmars |= bit(op->to);
            g->vmar[op->to] = g->vmar[op->a];
        } else {
            g->vmos |= bit(op->to);
            g->vmo[op->to] = g->vmo[op->a];
        }
        break;
    case TRACE_PROCESS_CREATE:
        g->processes = g->processes < TRACE_PROCESSES ? (uint8_t)(g->processes + 1) : TRACE_PROCESSES;
        break;
    default:
        break;
    }
}

/* ---- Operands ---- */

static uint8_t draw_vmar(struct generator *g)
{
    if (percent(g, 2))
        return PICK(g, TRACE_SLOT_NONE, TRACE_SLOT_GARBAGE, TRACE_SLOT_CLOSED, TRACE_SLOT_FOREIGN,
                    TRACE_SLOT_WRONG_TYPE);
    if (g->vmars == 0 || percent(g, 20))
        return TRACE_SLOT_OWN;
    if (percent(g, 50)) {
        const uint8_t slot = g->recent_vmar[generator_below(g, GENERATOR_RECENT)];
        if ((g->vmars & bit(slot)) != 0)
            return slot;
    }
    return pick_slot(g, g->vmars);
}

static uint8_t draw_vmo(struct generator *g)
{
    if (percent(g, 2))
        return PICK(g, TRACE_SLOT_NONE, TRACE_SLOT_GARBAGE, TRACE_SLOT_CLOSED, TRACE_SLOT_FOREIGN,
                    TRACE_SLOT_WRONG_TYPE);
    return g->vmos == 0 ? (uint8_t)generator_below(g, TRACE_SLOTS) : pick_slot(g, g->vmos);
}

/* A mapping; any slot where there is none. */
static uint8_t draw_mapping(struct generator *g)
{
    if (g->mappings == 0)
        return (uint8_t)generator_below(g, TRACE_SLOTS);
    if (percent(g, 40)) {
        const uint8_t slot = g->recent_mark[generator_below(g, GENERATOR_RECENT)];
        if ((g->mappings & bit(slot)) != 0)
            return slot;
    }
    return pick_slot(g, g->mappings);
}

/* Something that lies in that VMAR, so that places beside it mean something there. */
static uint8_t draw_neighbour(struct generator *g, uint8_t vmar)
{
    uint64_t inside = 0;

    for (uint64_t rest = g->marks; rest != 0; rest &= rest - 1) {
        const uint8_t slot = (uint8_t)__builtin_ctzll(rest);
        if (g->mark[slot].vmar == vmar)
            inside |= bit(slot);
    }
    if (inside != 0 && !percent(g, 5))
        return pick_slot(g, inside);
    if (vmar >= TRACE_SLOTS)
        return TRACE_MARK_ROOT;
    return percent(g, 80) ? vmar : (uint8_t)generator_below(g, TRACE_SLOTS);
}

/* A handle in it, or a landmark. Slot 0 has the root VMAR's handle from the start. */
static uint64_t taken_slots(const struct generator *g)
{
    return g->vmars | g->mappings | 1;
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

/* Mostly one that is free. */
static uint8_t draw_to(struct generator *g, uint64_t taken)
{
    if (percent(g, 1))
        return PICK(g, TRACE_TO_NULL_FIRST, TRACE_TO_NULL_SECOND);
    if (taken == UINT64_MAX || percent(g, 10))
        return (uint8_t)generator_below(g, TRACE_SLOTS);
    return pick_slot(g, ~taken);
}

static uint8_t draw_delta(struct generator *g)
{
    if (!percent(g, 10))
        return TRACE_DELTA_NONE;
    return PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN, TRACE_DELTA_PAGE_DOWN,
                TRACE_DELTA_BYTE_UP, TRACE_DELTA_BYTE_DOWN);
}

static struct trace_amount amount_of(uint8_t kind, uint32_t value)
{
    return (struct trace_amount){kind, TRACE_DELTA_NONE, (uint16_t)value};
}

static struct trace_amount draw_any_amount(struct generator *g)
{
    struct trace_amount amount = amount_of((uint8_t)generator_below(g, TRACE_KIND_COUNT),
                                           (uint32_t)generator_random(g) >> PICK(g, 16, 24, 28, 30));

    amount.delta = draw_delta(g);
    return amount;
}

/* A few pages, mostly. */
static struct trace_amount draw_pages(struct generator *g, uint32_t most)
{
    if (most > 31)
        most = 31;
    if (most == 0 || percent(g, 30))
        return amount_of(TRACE_PAGES, 1);
    return amount_of(TRACE_PAGES, 1 + generator_below(g, most));
}

/* Sizes of what is made: small ones, some large, some that fill what there is. */
static struct trace_amount draw_size(struct generator *g, uint32_t room)
{
    const uint32_t draw = generator_below(g, 100);

    if (draw < 3)
        return draw_any_amount(g);
    if (draw < 70)
        return draw_pages(g, room > 64 ? 16 : room / 3 + 1);
    if (draw < 76)
        return amount_of(TRACE_MARK_SIZE, 0);
    if (draw < 81)
        return amount_of(TRACE_GAP, 0);
    if (draw < 85)
        return amount_of(TRACE_POWER, 12 + generator_below(g, 12));
    if (draw < 90)
        return amount_of(TRACE_PART, generator_random(g) & 0x7fff);
    if (draw < 95)
        return amount_of(TRACE_LARGE, 1 + generator_below(g, 3));
    if (draw < 98)
        return amount_of(TRACE_PAGES_MANY, 32 + generator_below(g, 600));
    return amount_of(PICK(g, TRACE_WHOLE, TRACE_WHOLE_MINUS, TRACE_GIGA), 1 + generator_below(g, 4));
}

/* Where something that is placed goes: beside what is there, or anywhere. */
static struct trace_amount draw_place(struct generator *g, uint32_t room)
{
    const uint32_t draw = generator_below(g, 100);
    struct trace_amount amount;

    if (draw < 3)
        return draw_any_amount(g);
    if (draw < 40)
        amount = amount_of(TRACE_MARK_END, 0);
    else if (draw < 50)
        amount = amount_of(TRACE_MARK, 0);
    else if (draw < 55)
        amount = amount_of(PICK(g, TRACE_MARK_PAGE, TRACE_MARK_MIDDLE), generator_below(g, 16));
    else if (draw < 75)
        return amount_of(TRACE_PAGES, generator_below(g, room < 31 ? room + 1 : 32));
    else if (draw < 88)
        return amount_of(TRACE_PART, generator_random(g) & 0xffff);
    else if (draw < 92)
        return amount_of(TRACE_LARGE, generator_below(g, 8));
    else if (draw < 96)
        return amount_of(PICK(g, TRACE_ZERO, TRACE_BASE, TRACE_LAST), 0);
    else
        return amount_of(TRACE_WHOLE_MINUS, 1 + generator_below(g, 4));
    if (percent(g, 15))
        amount.delta = PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN);
    return amount;
}

/* Limits lie high more often than low. */
static struct trace_amount draw_limit(struct generator *g)
{
    const uint32_t draw = generator_below(g, 100);

    if (draw < 30)
        return amount_of(TRACE_WHOLE, 0);
    if (draw < 45)
        return amount_of(TRACE_WHOLE_MINUS, 1 + generator_below(g, 8));
    if (draw < 70)
        return amount_of(TRACE_PART, 0x4000 + (generator_random(g) & 0xbfff));
    if (draw < 85)
        return amount_of(PICK(g, TRACE_MARK, TRACE_MARK_END, TRACE_MARK_MIDDLE, TRACE_MARK_PAGE),
                         generator_below(g, 8));
    return amount_of(TRACE_PAGES, generator_below(g, 32));
}

/* A place in the landmark; `bytes`: anywhere in a page. */
static struct trace_amount draw_inside(struct generator *g, uint32_t pages, bool bytes)
{
    const uint32_t draw = generator_below(g, 100);
    struct trace_amount amount;

    if (draw < 3)
        return draw_any_amount(g);
    if (draw < 40)
        amount = amount_of(TRACE_MARK, 0);
    else if (draw < 65)
        amount = amount_of(TRACE_MARK_PAGE, generator_below(g, pages < 64 ? pages + 1 : 64));
    else if (draw < 80)
        amount = amount_of(TRACE_MARK_MIDDLE, 0);
    else
        amount = (struct trace_amount){TRACE_MARK_END, TRACE_DELTA_PAGE_DOWN, 0};
    if (bytes && percent(g, 40))
        amount = amount_of(TRACE_MARK_BYTE, generator_random(g) & 0xffff);
    else if (bytes && percent(g, 20))
        amount.delta = PICK(g, TRACE_DELTA_BYTE_DOWN, TRACE_DELTA_BYTE_UP);
    else if (percent(g, 6))
        amount.delta = PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN);
    return amount;
}

/* How much of a landmark is taken. */
static struct trace_amount draw_extent(struct generator *g, uint32_t pages)
{
    const uint32_t draw = generator_below(g, 100);

    if (draw < 3)
        return draw_any_amount(g);
    if (draw < 60)
        return draw_pages(g, pages < 4 ? pages : pages / 2 + 1);
    if (draw < 90)
        return amount_of(TRACE_MARK_SIZE, 0);
    if (draw < 94)
        return amount_of(TRACE_BYTES, 1 + generator_below(g, 9000));
    return amount_of(PICK(g, TRACE_WHOLE, TRACE_PART, TRACE_LARGE, TRACE_GAP),
                     1 + generator_below(g, 0x4000));
}

/* Bytes of an access or of reading and writing a VMO. */
static struct trace_amount draw_bytes(struct generator *g)
{
    if (percent(g, 60))
        return amount_of(TRACE_BYTES, 1 + generator_below(g, 16));
    if (percent(g, 60))
        return amount_of(TRACE_BYTES, 1 + generator_below(g, 9000));
    return percent(g, 80) ? amount_of(TRACE_PAGES, 1 + generator_below(g, 4)) : draw_any_amount(g);
}

static uint8_t draw_align(struct generator *g)
{
    if (!percent(g, 15))
        return 0;
    return percent(g, 80) ? (uint8_t)(12 + generator_below(g, 10)) : (uint8_t)(10 + generator_below(g, 23));
}

/* ---- Operations ---- */

static void draw_vmar_allocate(struct generator *g, struct trace_op *op)
{
    op->a = draw_vmar(g);
    op->mark = draw_neighbour(g, op->a);
    op->to = draw_to(g, taken_slots(g));
    op->align = draw_align(g);

    const uint32_t parent = vmar_options(g, op->a);
    uint32_t options = parent & CAN_MAP;
    if (percent(g, 25))
        options &= (uint32_t)generator_random(g);
    if (percent(g, 3))
        options |= CAN_MAP;
    if (percent(g, 75))
        options |= ZX_VM_CAN_MAP_SPECIFIC;
    if (percent(g, 12))
        options |= ZX_VM_COMPACT;
    const bool may_place = (parent & ZX_VM_CAN_MAP_SPECIFIC) != 0 || percent(g, 5);
    if (may_place && percent(g, 50))
        options |= ZX_VM_SPECIFIC;
    else if (may_place && percent(g, 25))
        options |= ZX_VM_OFFSET_IS_UPPER_LIMIT;
    op->options = (uint16_t)options;
    op->amount[0] = (options & ZX_VM_SPECIFIC) != 0 ? draw_place(g, vmar_pages(g, op->a)) : draw_limit(g);
    op->amount[1] = draw_size(g, vmar_pages(g, op->a));
    if (percent(g, 40)) /* room for something to go on in */
        op->amount[1] = percent(g, 50) ? amount_of(TRACE_LARGE, 1 + generator_below(g, 2))
                                       : amount_of(TRACE_PAGES_MANY, 32 + generator_below(g, 200));
}

static void draw_vmar_map(struct generator *g, struct trace_op *op)
{
    op->a = draw_vmar(g);
    op->b = draw_vmo(g);
    op->mark = draw_neighbour(g, op->a);
    op->to = draw_to(g, taken_slots(g));
    op->align = draw_align(g);

    const uint32_t vmar = vmar_options(g, op->a);
    uint32_t options = PICK(g, 0, 1, 3, 3, 3, 3, 3, 3);
    if (!percent(g, 5))
        options &= vmar >> CAN_MAP_SHIFT;
    if (percent(g, 3))
        options |= ZX_VM_PERM_EXECUTE;
    const bool may_place = (vmar & ZX_VM_CAN_MAP_SPECIFIC) != 0 || percent(g, 5);
    if (may_place && percent(g, 65))
        options |= percent(g, 22) ? ZX_VM_SPECIFIC_OVERWRITE : ZX_VM_SPECIFIC;
    else if (may_place && percent(g, 30))
        options |= ZX_VM_OFFSET_IS_UPPER_LIMIT;
    if (percent(g, 10))
        options |= ZX_VM_MAP_RANGE;
    if (percent(g, 8))
        options |= 1u << PICK(g, 11, 12, 14);
    op->options = (uint16_t)options;
    if ((options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0)
        op->amount[0] = draw_limit(g);
    else
        op->amount[0] = draw_place(g, vmar_pages(g, op->a));
    if (percent(g, 50))
        op->amount[2] = draw_pages(g, 7);
    else if (percent(g, 5))
        op->amount[2] = draw_any_amount(g);
    op->amount[1] = draw_size(g, vmar_pages(g, op->a));
}

/* The VMAR of a landmark, or one above it. */
static uint8_t holder_of(struct generator *g, uint8_t mark)
{
    if (mark >= TRACE_SLOTS || percent(g, 4))
        return draw_vmar(g);
    uint8_t vmar = g->mark[mark].vmar;
    for (unsigned i = 0; i < 4 && vmar < TRACE_SLOTS && percent(g, 20); i++)
        vmar = g->vmar[vmar].parent;
    return vmar;
}

static uint32_t mark_pages(const struct generator *g, uint8_t mark)
{
    return mark < TRACE_SLOTS ? g->mark[mark].pages : 16;
}

static void draw_vmar_unmap(struct generator *g, struct trace_op *op)
{
    op->mark = g->marks != 0 && percent(g, 8) ? pick_slot(g, g->marks) : draw_mapping(g);
    op->a = holder_of(g, op->mark);
    op->amount[0] = draw_inside(g, mark_pages(g, op->mark), false);
    op->amount[1] = draw_extent(g, mark_pages(g, op->mark));
}

static void draw_vmar_protect(struct generator *g, struct trace_op *op)
{
    op->mark = draw_mapping(g);
    op->a = holder_of(g, op->mark);
    op->options = PICK(g, 0, 0, 1, 1, 1, 3, 3, 3, 3, 5, 7);
    op->amount[0] = draw_inside(g, mark_pages(g, op->mark), false);
    op->amount[1] = draw_extent(g, mark_pages(g, op->mark));
}

static void draw_vmo_create(struct generator *g, struct trace_op *op)
{
    op->to = draw_to(g, g->vmos);
    op->options = percent(g, 60) ? ZX_VMO_RESIZABLE : 0;
    op->mark = g->marks != 0 ? pick_slot(g, g->marks) : 0;
    op->amount[1] = percent(g, 60) ? draw_pages(g, 31) : draw_size(g, 1024);
}

static void draw_vmo_access(struct generator *g, struct trace_op *op)
{
    op->a = draw_vmo(g);
    op->mark = draw_mapping(g);
    op->to = (uint8_t)generator_below(g, percent(g, 5) ? 256 : TRACE_SLOTS);
    op->b = (uint8_t)generator_random(g);
    if (percent(g, 60))
        op->amount[0] = amount_of(TRACE_PAGES, generator_below(g, 8));
    else if (percent(g, 60))
        op->amount[0] = amount_of(TRACE_PART, generator_random(g) & 0xffff);
    else
        op->amount[0] = percent(g, 80) ? amount_of(TRACE_BYTES, generator_random(g) & 0x7fff)
                                       : amount_of(TRACE_WHOLE_MINUS, generator_below(g, 4));
    if (percent(g, 15))
        op->amount[0].delta = PICK(g, TRACE_DELTA_BYTE_UP, TRACE_DELTA_BYTE_DOWN);
    op->amount[1] = draw_bytes(g);
}

static void draw_vmo_set_size(struct generator *g, struct trace_op *op)
{
    op->a = draw_vmo(g);
    for (unsigned i = 0; i < 4 && op->a < TRACE_SLOTS && !g->vmo[op->a].resizable; i++)
        op->a = draw_vmo(g);
    op->mark = draw_mapping(g);
    if (percent(g, 50))
        op->amount[1] = amount_of(TRACE_PAGES, generator_below(g, 12));
    else if (percent(g, 70))
        op->amount[1] = amount_of(PICK(g, TRACE_WHOLE_MINUS, TRACE_WHOLE_MINUS, TRACE_PART, TRACE_BYTES),
                                  generator_below(g, 0x8000) >> PICK(g, 0, 12, 13));
    else
        op->amount[1] = draw_size(g, 64);
}

static void draw_vmo_op_range(struct generator *g, struct trace_op *op)
{
    draw_vmo_access(g, op);
    op->options =
        PICK(g, ZX_VMO_OP_COMMIT, ZX_VMO_OP_COMMIT, ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_DECOMMIT,
             ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_ZERO, ZX_VMO_OP_ZERO, ZX_VMO_OP_CACHE_CLEAN, ZX_VMO_OP_DONT_NEED);
    if (percent(g, 80))
        op->amount[0] = percent(g, 40) ? amount_of(TRACE_ZERO, 0) : draw_pages(g, 12);
    op->amount[1] = percent(g, 30) ? amount_of(TRACE_WHOLE, 0) : draw_pages(g, 16);
}

static void draw_handle(struct generator *g, struct trace_op *op)
{
    const uint32_t draw = generator_below(g, 100);

    op->b = draw < 45 ? TRACE_TYPE_VMAR : draw < 92 ? TRACE_TYPE_VMO : TRACE_TYPE_PROCESS;
    op->a = op->b == TRACE_TYPE_VMAR ? draw_vmar(g) : draw_vmo(g);
    op->to = draw_to(g, op->b == TRACE_TYPE_VMAR ? taken_slots(g) : g->vmos);
    if (percent(g, 40)) {
        op->mark = TRACE_RIGHTS_SAME;
        return;
    }
    /* Less by one or two of those that calls look at. */
    op->mark = percent(g, 85) ? TRACE_RIGHTS_MINUS : (uint8_t)generator_below(g, TRACE_RIGHTS_COUNT);
    const uint32_t rights =
        1u << PICK(g, 0, 2, 3, 4, 5, 21, 22) | (percent(g, 30) ? 1u << PICK(g, 0, 2, 3, 4, 5, 21) : 0);
    op->options = (uint16_t)rights;
    op->align = (uint8_t)(rights >> 16);
    if (percent(g, 5))
        op->options = (uint16_t)generator_random(g);
}

static uint8_t draw_process(struct generator *g)
{
    return percent(g, 85) ? 0 : (uint8_t)generator_below(g, g->processes + 1u);
}

static void draw_access(struct generator *g, struct trace_op *op)
{
    op->a = draw_process(g);
    op->mark = g->marks != 0 && percent(g, 6) ? pick_slot(g, g->marks) : draw_mapping(g);
    op->b = (uint8_t)generator_random(g);
    op->amount[0] = draw_inside(g, mark_pages(g, op->mark), true);
    if (op->code == TRACE_READ || op->code == TRACE_WRITE)
        op->amount[1] = draw_bytes(g);
    if (op->code == TRACE_SOFT_FAULT || op->code == TRACE_PAGE_FAULT) {
        op->options = VM_PF_FLAG_USER | VM_PF_FLAG_HW_FAULT;
        if (percent(g, 60))
            op->options |= VM_PF_FLAG_WRITE;
        if (percent(g, 10))
            op->options = (uint16_t)generator_random(g);
    }
}

static void draw_code(struct generator *g, struct trace_op *op)
{
    uint32_t draw = generator_below(g, g->weight_sum);

    for (op->code = 0; draw >= g->weight[op->code]; op->code++)
        draw -= g->weight[op->code];
    /* Nothing to do anything with: make something. */
    const bool wants_vmo =
        op->code == TRACE_VMAR_MAP || (op->code >= TRACE_VMO_READ && op->code <= TRACE_VMO_OP_RANGE);
    const bool wants_mapping = op->code == TRACE_VMAR_UNMAP || op->code == TRACE_VMAR_PROTECT ||
                               (op->code >= TRACE_READ && op->code <= TRACE_PAGE_FAULT);
    if (wants_vmo && g->vmos == 0 && !percent(g, 10))
        op->code = TRACE_VMO_CREATE;
    if (wants_mapping && g->mappings == 0 && !percent(g, 10))
        op->code = g->vmos == 0 ? TRACE_VMO_CREATE : TRACE_VMAR_MAP;
    if (op->code == TRACE_VMAR_DESTROY && g->vmars == 0 && !percent(g, 10))
        op->code = TRACE_VMAR_ALLOCATE;
}

static void draw_operands(struct generator *g, struct trace_op *op)
{
    switch (op->code) {
    case TRACE_VMAR_ALLOCATE:
        draw_vmar_allocate(g, op);
        break;
    case TRACE_VMAR_MAP:
        draw_vmar_map(g, op);
        break;
    case TRACE_VMAR_UNMAP:
        draw_vmar_unmap(g, op);
        break;
    case TRACE_VMAR_PROTECT:
        draw_vmar_protect(g, op);
        break;
    case TRACE_VMAR_DESTROY:
        op->a = draw_vmar(g);
        break;
    case TRACE_VMO_CREATE:
        draw_vmo_create(g, op);
        break;
    case TRACE_VMO_SET_SIZE:
        draw_vmo_set_size(g, op);
        break;
    case TRACE_VMO_OP_RANGE:
        draw_vmo_op_range(g, op);
        break;
    case TRACE_VMO_READ:
    case TRACE_VMO_WRITE:
    case TRACE_VMO_GET_SIZE:
        draw_vmo_access(g, op);
        break;
    case TRACE_HANDLE_CLOSE:
    case TRACE_HANDLE_DUPLICATE:
    case TRACE_HANDLE_REPLACE:
        draw_handle(g, op);
        break;
    case TRACE_OBJECT_GET_INFO:
        draw_handle(g, op);
        op->options = PICK(g, ZX_INFO_HANDLE_VALID, ZX_INFO_HANDLE_BASIC, ZX_INFO_VMAR, ZX_INFO_VMAR, 255);
        break;
    case TRACE_PROCESS_CREATE:
        op->to = (uint8_t)generator_below(g, TRACE_SLOTS);
        break;
    case TRACE_FAIL_ALLOCATION:
        op->b = (uint8_t)(1 + generator_below(g, PICK(g, 2, 6, 40)));
        break;
    case TRACE_SELECT_PROCESS:
        op->a = (uint8_t)generator_below(g, g->processes + 1u);
        break;
    default:
        draw_access(g, op);
        break;
    }
}

/* Wild options: one bit more or less than is sensible, or any at all. */
static void draw_wild(struct generator *g, struct trace_op *op)
{
    if (trace_shapes[op->code].wild_weight == 0 || !g->wild || !percent(g, 6))
        return;
    op->wild = true;
    if (percent(g, 70))
        op->options ^= (uint16_t)(1u << generator_below(g, 16));
    else
        op->options = (uint16_t)generator_random(g);
    if (percent(g, 20))
        op->align = (uint8_t)generator_random(g);
    if (op->code == TRACE_PROCESS_CREATE)
        op->a = op->b = (uint8_t)generator_below(g, 2);
}

/* ---- Runs of similar operations ---- */

enum run_kind {
    RUN_SAME,  /* the same operation, each result in a slot of its own */
    RUN_ROW,   /* each one beside the one before */
    RUN_NEST,  /* each one inside the one before */
    RUN_MARKS, /* the same done to one landmark after the other */
};

static void maybe_start_run(struct generator *g, const struct trace_op *op)
{
    if (op->wild || !percent(g, 6))
        return;
    if (op->code == TRACE_VMAR_ALLOCATE || op->code == TRACE_VMAR_MAP) {
        if ((op->options & PLACED) == 0)
            g->run_kind = percent(g, 75) || op->code == TRACE_VMAR_MAP ? RUN_SAME : RUN_NEST;
        else
            g->run_kind = RUN_ROW;
    } else if (op->code == TRACE_VMAR_UNMAP || op->code == TRACE_VMAR_PROTECT || op->code == TRACE_WRITE ||
               op->code == TRACE_READ) {
        g->run_kind = RUN_MARKS;
    } else {
        return;
    }
    g->run_op = *op;
    g->run_left = (uint8_t)(2 + generator_below(g, PICK(g, 4, 12, 40)));
    g->run_step = (uint8_t)(1 + generator_below(g, 3));
}

static void continue_run(struct generator *g, struct trace_op *op)
{
    *op = g->run_op;
    g->run_left--;
    switch (g->run_kind) {
    case RUN_NEST:
        if (op->to < TRACE_SLOTS)
            op->a = op->to;
        op->amount[1] = amount_of(TRACE_WHOLE_MINUS, generator_below(g, 3));
        op->to = next_free(op->to, taken_slots(g));
        break;
    case RUN_ROW:
        op->mark = op->to % TRACE_SLOTS;
        op->amount[0] = amount_of(TRACE_MARK_END, 0);
        if (g->run_step == 2)
            op->amount[0].delta = TRACE_DELTA_PAGE_UP;
        if (g->run_step == 3) /* contiguous in the VMO as well */
            op->amount[2].value = (op->amount[2].value + op->amount[1].value) & 0xff;
        op->to = next_free(op->to, taken_slots(g));
        break;
    case RUN_SAME:
        op->to = next_free(op->to, taken_slots(g));
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

void generator_start(struct generator *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->random = seed;
    memset(g->recent_vmar, TRACE_SLOT_NONE, sizeof g->recent_vmar);
    memset(g->recent_mark, TRACE_SLOT_NONE, sizeof g->recent_mark);
    g->wild = percent(g, 60);
    for (uint8_t code = 0; code < TRACE_CODE_COUNT; code++) {
        const uint8_t usual = (uint8_t)(trace_shapes[code].weight + trace_shapes[code].wild_weight);
        const uint32_t draw = generator_below(g, 10);
        g->weight[code] = draw < 2 ? 0 : draw < 8 ? usual : (uint8_t)(usual * 3);
        if (code == TRACE_VMAR_ALLOCATE || code == TRACE_VMAR_MAP || code == TRACE_VMO_CREATE)
            g->weight[code] = g->weight[code] == 0 ? 1 : g->weight[code];
        /* Rarer than its codes: it ends much. */
        if (code == TRACE_VMAR_DESTROY || code == TRACE_HANDLE_CLOSE || code == TRACE_FAIL_ALLOCATION ||
            code == TRACE_SELECT_PROCESS || code == TRACE_PROCESS_CREATE)
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
    draw_code(g, op);
    draw_operands(g, op);
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
    draw_operands(g, &fresh);
    if (op->wild)
        fresh.options ^= (uint16_t)(1u << generator_below(g, 16));
    switch (trace_shapes[op->code].fields[field].kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS:
    case TRACE_FIELD_JOB:
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
    header->memory_pages = trace_memory_sizes[PICK(g, 0, 1, 2, 3, 3, 4, 4, 4, 5, 6, 7)];
    header->aslr_off = percent(g, 30);
    if (percent(g, 50))
        header->entropy_bits =
            (uint8_t)(percent(g, 60) ? 1 + generator_below(g, 12) : generator_below(g, 37));
    if (percent(g, 50))
        header->compact_entropy_bits = (uint8_t)generator_below(g, 13);
    if (percent(g, 12)) {
        header->fail = true;
        header->fail_persistent = percent(g, 30);
        header->fail_nth = (uint16_t)(1 + generator_below(g, PICK(g, 20, 100, 255)));
    }
    header->seed = generator_random(g) >> PICK(g, 0, 56);
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
    for (uint32_t i = 0; i < operations; i++) {
        generator_draw(&g, &op);
        generator_note(&g, &op);
        trace_encode(&op, out + TRACE_HEADER_SIZE + (size_t)i * TRACE_OPERATION_SIZE);
    }
    return TRACE_HEADER_SIZE + (size_t)operations * TRACE_OPERATION_SIZE;
}
