/* SPDX-License-Identifier: MIT */
/*
 * generate_op.c: draws the operands of one operation to suit the generator's shadow of the trace (generate.c). The chances are chosen
 * so that more than half of the operations succeed and the rest are spread over the refusals.
 */
#include <vm/aspace.h>
#include <vm/vmo.h>
#include <zircon/syscalls/object.h>

#include "generate.h"
#include "generate_op.h"

#define LARGE_PAGES   512 /* in 2 MiB */
#define PICK          GENERATOR_PICK
#define CAN_MAP       (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define CAN_MAP_SHIFT 7 /* from ZX_VM_PERM_* to ZX_VM_CAN_MAP_* */
#define PLACED_AT     (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)

static uint32_t below(struct generator *g, uint32_t limit)
{
    return generator_below(g, limit);
}

static bool percent(struct generator *g, uint32_t chance)
{
    return generator_percent(g, chance);
}

static uint64_t bit(uint8_t slot)
{
    return generator_bit(slot);
}

/* ---- Slots ---- */

static uint32_t count_slots(uint64_t set)
{
    uint32_t count = 0;

    for (; set != 0; set &= set - 1)
        count++;
    return count;
}

/* A slot of the set, which is not empty. */
uint8_t generator_slot(struct generator *g, uint64_t set)
{
    uint32_t skip = below(g, count_slots(set));

    while (skip-- > 0)
        set &= set - 1;
    return (uint8_t)__builtin_ctzll(set);
}

static uint8_t bad_slot(struct generator *g)
{
    return PICK(g, TRACE_SLOT_NONE, TRACE_SLOT_GARBAGE, TRACE_SLOT_CLOSED, TRACE_SLOT_FOREIGN,
                TRACE_SLOT_WRONG_TYPE);
}

static uint8_t draw_vmar_once(struct generator *g)
{
    if (g->sharing_left > 0 && percent(g, 60))
        return g->part[below(g, 2)];
    if (g->vmars == 0 || percent(g, 20))
        return GENERATOR_ROOT;
    if (percent(g, 40)) {
        const uint8_t slot = g->recent_vmar[below(g, GENERATOR_RECENT)];
        if ((g->vmars & bit(slot)) != 0)
            return slot;
    }
    return generator_slot(g, g->vmars);
}

/* Mostly one that has room left. */
static uint8_t draw_vmar(struct generator *g)
{
    uint8_t slot = draw_vmar_once(g);

    if (percent(g, 2))
        return percent(g, 50) ? bad_slot(g) : TRACE_SLOT_OWN;
    for (unsigned i = 0; i < 4 && generator_vmar(g, slot)->used >= generator_vmar(g, slot)->pages; i++)
        slot = draw_vmar_once(g);
    return slot;
}

uint8_t generator_vmo_slot(struct generator *g)
{
    if (percent(g, 1))
        return bad_slot(g);
    if (g->family_left > 0 && percent(g, 70))
        return g->family[below(g, 2)];
    return g->vmos == 0 ? (uint8_t)below(g, TRACE_SLOTS) : generator_slot(g, g->vmos);
}

/* Mappings of the VMO that was made a child of last, and of the child. */
static uint64_t family_mappings(const struct generator *g)
{
    uint64_t found = 0;

    for (uint64_t rest = g->family_left > 0 ? g->mappings : 0; rest != 0; rest &= rest - 1) {
        const uint8_t slot = (uint8_t)__builtin_ctzll(rest);
        if (g->mark[slot].vmo == g->family[0] || g->mark[slot].vmo == g->family[1])
            found |= bit(slot);
    }
    return found;
}

/* Those in the parts of a space that was shared last. */
static uint64_t shared_mappings(const struct generator *g)
{
    uint64_t found = 0;

    for (uint64_t rest = g->sharing_left > 0 ? g->mappings : 0; rest != 0; rest &= rest - 1) {
        const uint8_t slot = (uint8_t)__builtin_ctzll(rest);
        if (g->mark[slot].vmar == g->part[0] || g->mark[slot].vmar == g->part[1])
            found |= bit(slot);
    }
    return found;
}

/* A mapping; any slot where there is none. */
uint8_t generator_mapping(struct generator *g)
{
    if (g->mappings == 0)
        return (uint8_t)below(g, TRACE_SLOTS);
    if ((g->vdso_marks & g->mappings) != 0 && g->theme == GENERATOR_VDSO && percent(g, 50))
        return generator_slot(g, g->vdso_marks & g->mappings);
    const uint64_t shared = shared_mappings(g), family = family_mappings(g);
    if (shared != 0 && percent(g, 70))
        return generator_slot(g, shared);
    if (family != 0 && percent(g, 70))
        return generator_slot(g, family);
    if (percent(g, 40)) {
        const uint8_t slot = g->recent_mark[below(g, GENERATOR_RECENT)];
        if ((g->mappings & bit(slot)) != 0)
            return slot;
    }
    return generator_slot(g, g->mappings);
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
    if (inside != 0 && !percent(g, 3))
        return generator_slot(g, inside);
    if (vmar >= TRACE_SLOTS || vmar == GENERATOR_ROOT)
        return TRACE_MARK_ROOT;
    return percent(g, 80) ? vmar : (uint8_t)below(g, TRACE_SLOTS);
}

/* Mostly one that is free. */
uint8_t generator_to(struct generator *g, uint64_t taken)
{
    if (percent(g, 1))
        return PICK(g, TRACE_TO_NULL_FIRST, TRACE_TO_NULL_SECOND);
    if (taken == UINT64_MAX || percent(g, 3))
        return (uint8_t)below(g, TRACE_SLOTS);
    return generator_slot(g, ~taken);
}

/* ---- Amounts ---- */

struct trace_amount generator_amount(uint8_t kind, uint32_t value)
{
    return (struct trace_amount){kind, TRACE_DELTA_NONE, (uint16_t)value};
}

/* With a value from `first` on, below first + count. C leaves the order in which arguments are evaluated to the compiler, so no call
   here has two that draw. */
struct trace_amount generator_amount_from(struct generator *g, uint8_t kind, uint32_t first, uint32_t count)
{
    return generator_amount(kind, first + below(g, count));
}

struct trace_amount generator_pages(uint32_t pages)
{
    if (pages > UINT16_MAX)
        return generator_amount(TRACE_LARGE, pages / 512);
    return generator_amount(pages < 32 ? TRACE_PAGES : TRACE_PAGES_MANY, pages);
}

struct trace_amount generator_any_amount(struct generator *g)
{
    const uint32_t value = (uint32_t)generator_random(g);
    const uint8_t shift = PICK(g, 16, 24, 28, 30);
    struct trace_amount amount = generator_amount((uint8_t)below(g, TRACE_KIND_COUNT), value >> shift);

    if (percent(g, 10))
        amount.delta =
            PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN, TRACE_DELTA_BYTE_UP, TRACE_DELTA_BYTE_DOWN);
    return amount;
}

/* One up to `most` pages, few more often. */
uint32_t generator_count(struct generator *g, uint32_t most)
{
    if (most < 2 || percent(g, 25))
        return 1;
    return 1 + below(g, most < 6 || percent(g, 30) ? most : 6);
}

/* Sizes of what is made where there is room for so many pages. */
static struct trace_amount draw_size(struct generator *g, uint32_t room)
{
    const uint32_t draw = below(g, 100);

    if (draw < 2)
        return generator_any_amount(g);
    if (draw < 75 || room < 4)
        return generator_amount(TRACE_PAGES, generator_count(g, room > 60 ? 20 : room / 3 + 1));
    if (draw < 79)
        return generator_pages(room > 4096 ? 1 + below(g, 4096) : room); /* all of it */
    if (draw < 82)
        return generator_amount(PICK(g, TRACE_MARK_SIZE, TRACE_GAP), 0);
    if (draw < 85)
        return generator_amount(TRACE_BYTES, 1 + below(g, 0x8000));
    if (draw < 88)
        return generator_amount(TRACE_PART, generator_random(g) & 0x3fff);
    if (draw < 92 && room > 4096)
        return generator_amount(TRACE_LARGE, 1 + below(g, 3));
    if (draw < 94 && room > 4096)
        return generator_amount_from(g, PICK(g, TRACE_GIGA, TRACE_POWER), 12, 20);
    if (draw < 96)
        return generator_amount(TRACE_WHOLE_MINUS, below(g, 4));
    return generator_pages(1 + below(g, room > 600 ? 600 : room));
}

/* Where something is placed: behind what is there; beside it; on it; anywhere. `mark` may lie elsewhere. */
static struct trace_amount draw_place(struct generator *g, uint8_t slot, uint8_t mark, bool onto)
{
    const struct generator_vmar *vmar = generator_vmar(g, slot);
    const bool beside = mark < TRACE_SLOTS && g->mark[mark].vmar == slot;
    const uint32_t draw = !beside ? below(g, percent(g, 5) ? 100 : 60)
                          : onto  ? 60 + below(g, 40)
                                  : below(g, 100);
    const uint32_t room = vmar->pages - vmar->used;
    struct trace_amount amount;

    if (draw < (beside ? 55 : 60) && vmar->used <= UINT16_MAX)
        return generator_pages(vmar->used + (room > 8 && percent(g, 40) ? 1 + below(g, 3) : 0));
    if (draw < 70)
        amount = generator_amount(TRACE_MARK_END, 0);
    else if (draw < 78)
        amount = generator_amount(TRACE_MARK, 0);
    else if (draw < 86)
        amount = generator_amount_from(g, PICK(g, TRACE_MARK_PAGE, TRACE_MARK_MIDDLE), 0, 16);
    else if (draw < 91)
        return generator_pages(below(g, vmar->pages < 64 ? vmar->pages : 64));
    else if (draw < 96)
        return generator_amount(TRACE_PART, generator_random(g) & 0xffff);
    else if (draw < 98)
        return generator_amount_from(g, PICK(g, TRACE_LARGE, TRACE_LAST, TRACE_WHOLE_MINUS), 1, 4);
    else
        return generator_any_amount(g);
    if (percent(g, 12))
        amount.delta = PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN);
    return amount;
}

/* Limits lie high more often than low. */
static struct trace_amount draw_limit(struct generator *g, const struct generator_vmar *vmar)
{
    const uint32_t draw = below(g, 100);

    if (draw < 30)
        return generator_amount(TRACE_WHOLE, 0);
    if (draw < 45)
        return generator_amount(TRACE_WHOLE_MINUS, 1 + below(g, 8));
    if (draw < 65)
        return generator_amount(TRACE_PART, 0x8000 + below(g, 0x8000));
    if (draw < 75)
        return generator_amount_from(
            g, PICK(g, TRACE_MARK, TRACE_MARK_END, TRACE_MARK_MIDDLE, TRACE_MARK_PAGE), 0, 8);
    if (draw < 95 && vmar->used < 0x8000)
        return generator_pages(vmar->used + below(g, 64));
    return generator_pages(below(g, 64));
}

/* A place in the landmark; `bytes`: anywhere in a page. */
struct trace_amount generator_inside(struct generator *g, uint32_t pages, bool bytes)
{
    const uint32_t draw = below(g, 100);
    struct trace_amount amount;

    if (draw < 2)
        return generator_any_amount(g);
    if (draw < 40)
        amount = generator_amount(TRACE_MARK, 0);
    else if (draw < 65)
        amount = generator_amount(TRACE_MARK_PAGE, below(g, pages < 64 ? pages : 64));
    else if (draw < 80)
        amount = generator_amount(TRACE_MARK_MIDDLE, 0);
    else
        amount = (struct trace_amount){TRACE_MARK_END, TRACE_DELTA_PAGE_DOWN, 0};
    if (bytes && percent(g, 30))
        amount = generator_amount(TRACE_MARK_BYTE, generator_random(g) & 0xffff);
    else if (bytes && percent(g, 10))
        amount.delta = PICK(g, TRACE_DELTA_BYTE_DOWN, TRACE_DELTA_BYTE_UP);
    else if (percent(g, 4))
        amount.delta = PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN);
    return amount;
}

/* How much of a landmark of so many pages is taken. */
struct trace_amount generator_extent(struct generator *g, uint32_t pages)
{
    const uint32_t draw = below(g, 100);

    if (draw < 2)
        return generator_any_amount(g);
    if (draw < 70)
        return generator_amount(TRACE_PAGES, generator_count(g, pages < 40 ? pages / 2 + 1 : 20));
    if (draw < 92)
        return generator_amount(TRACE_MARK_SIZE, 0);
    if (draw < 95)
        return generator_amount(TRACE_BYTES, 1 + below(g, 9000));
    return generator_amount_from(g, PICK(g, TRACE_WHOLE, TRACE_PART, TRACE_LARGE, TRACE_GAP), 1, 0x4000);
}

/* Bytes of an access or of reading and writing a VMO. */
struct trace_amount generator_bytes(struct generator *g)
{
    if (percent(g, 70))
        return generator_amount(TRACE_BYTES, 1 + below(g, 16));
    if (percent(g, 60))
        return generator_amount(TRACE_BYTES, 1 + below(g, 9000));
    return percent(g, 80) ? generator_amount(TRACE_PAGES, 1 + below(g, 2)) : generator_any_amount(g);
}

static uint8_t draw_align(struct generator *g, uint32_t options)
{
    if (!percent(g, (options & PLACED_AT) != 0 ? 2 : 15))
        return 0;
    return percent(g, 85) ? (uint8_t)(12 + below(g, 10)) : (uint8_t)(10 + below(g, 23));
}

/* ---- Operations ---- */

static uint32_t draw_placement(struct generator *g, const struct generator_vmar *vmar, uint32_t at,
                               uint32_t limit)
{
    if ((vmar->options & ZX_VM_CAN_MAP_SPECIFIC) == 0 && !percent(g, 2))
        return 0;
    if (percent(g, at))
        return ZX_VM_SPECIFIC;
    return percent(g, limit) ? ZX_VM_OFFSET_IS_UPPER_LIMIT : 0;
}

static void draw_vmar_allocate(struct generator *g, struct trace_op *op)
{
    op->a = draw_vmar(g);
    op->mark = draw_neighbour(g, op->a);
    op->to = generator_to(g, generator_taken(g));

    const struct generator_vmar *parent = generator_vmar(g, op->a);
    uint32_t options = parent->options & CAN_MAP;
    if (percent(g, 20))
        options &= (uint32_t)generator_random(g);
    if (percent(g, 2))
        options |= CAN_MAP;
    if (percent(g, 80))
        options |= ZX_VM_CAN_MAP_SPECIFIC;
    if (percent(g, 12))
        options |= ZX_VM_COMPACT;
    options |= draw_placement(g, parent, 40, 25);
    op->options = (uint16_t)options;
    op->align = draw_align(g, options);
    const uint32_t room = parent->pages - parent->used;
    if ((options & ZX_VM_SPECIFIC) != 0)
        op->amount[0] = draw_place(g, op->a, op->mark, false);
    else
        op->amount[0] = draw_limit(g, parent);
    if (room > 4096 && percent(g, 65)) /* space for something to go on in */
        op->amount[1] = percent(g, 50) ? generator_amount(TRACE_LARGE, 1 + below(g, 3))
                                       : generator_pages(32 + below(g, 200));
    else if (room > 16 && percent(g, 60))
        op->amount[1] = generator_pages(room / 4 + below(g, room / 4));
    else
        op->amount[1] = draw_size(g, room);
}

uint32_t generator_vmo_pages(const struct generator *g, uint8_t vmo)
{
    return vmo < TRACE_SLOTS && g->vmo[vmo].pages > 0 ? g->vmo[vmo].pages : 1;
}

static void draw_vmar_map(struct generator *g, struct trace_op *op)
{
    if (generator_draw_vdso_map(g, op))
        return;
    op->a = draw_vmar(g);
    op->b = generator_vmo_slot(g);
    for (unsigned i = 0; i < 3 && op->b < TRACE_SLOTS && !g->vmo[op->b].mappable; i++)
        op->b = generator_vmo_slot(g);
    op->mark = draw_neighbour(g, op->a);
    op->to = generator_to(g, generator_taken(g));

    const struct generator_vmar *vmar = generator_vmar(g, op->a);
    uint32_t options = PICK(g, 0, 1, 3, 3, 3, 3, 3, 3);
    const uint32_t may =
        op->b < TRACE_SLOTS ? (uint32_t)vmar->options >> CAN_MAP_SHIFT & g->vmo[op->b].permissions : 0;
    if (percent(g, 2))
        options |= ZX_VM_PERM_EXECUTE;
    else if (!percent(g, 2) && op->b < TRACE_SLOTS)
        options &= may;
    if ((may & ZX_VM_PERM_EXECUTE) != 0 && (may & ZX_VM_PERM_READ) != 0 && percent(g, 60))
        options |= ZX_VM_PERM_EXECUTE | ZX_VM_PERM_READ;
    options |= draw_placement(g, vmar, 62, 25);
    if ((options & ZX_VM_SPECIFIC) != 0 && percent(g, 20))
        options ^= ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE;
    if (percent(g, 10))
        options |= ZX_VM_MAP_RANGE;
    if (percent(g, 6))
        options |= 1u << PICK(g, 11, 12, 14);
    op->options = (uint16_t)options;
    op->align = draw_align(g, options);
    if ((options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0)
        op->amount[0] = draw_limit(g, vmar);
    else
        op->amount[0] = draw_place(g, op->a, op->mark, (options & ZX_VM_SPECIFIC_OVERWRITE) != 0);

    /* Mostly pages that the VMO has. */
    const uint32_t pages = generator_vmo_pages(g, op->b);
    uint32_t from = percent(g, 40) ? below(g, pages < 31 ? pages : 31) : 0, room = vmar->pages - vmar->used;
    if (percent(g, 8))
        from = below(g, 31);
    op->amount[2] = percent(g, 3) ? generator_any_amount(g) : generator_amount(TRACE_PAGES, from);
    if (room > pages - from && from < pages && percent(g, 75))
        room = pages - from;
    op->amount[1] = draw_size(g, room);
    if (op->b < TRACE_SLOTS && g->vmo[op->b].contiguous && pages >= LARGE_PAGES && percent(g, 70)) {
        /* All of it, with large pages. */
        op->options &= (uint16_t) ~(PLACED_AT | ZX_VM_OFFSET_IS_UPPER_LIMIT);
        op->align = 21;
        op->amount[0] = op->amount[2] = generator_amount(TRACE_ZERO, 0);
        op->amount[1] = generator_pages(pages);
    }
}

/* The VMAR of a landmark, or one above it. */
static uint8_t holder_of(struct generator *g, uint8_t mark)
{
    if (mark >= TRACE_SLOTS || percent(g, 2))
        return draw_vmar(g);
    uint8_t vmar = g->mark[mark].vmar;
    for (unsigned i = 0; i < 4 && vmar != GENERATOR_ROOT && percent(g, 15); i++)
        vmar = g->vmar[vmar].parent;
    return vmar;
}

uint32_t generator_mark_pages(const struct generator *g, uint8_t mark)
{
    const uint32_t pages = mark < TRACE_SLOTS ? g->mark[mark].pages : 16;

    return pages == 0 ? 1 : pages;
}

static void draw_vmar_unmap(struct generator *g, struct trace_op *op)
{
    op->mark = g->marks != 0 && percent(g, 5) ? generator_slot(g, g->marks) : generator_mapping(g);
    op->a = holder_of(g, op->mark);
    op->amount[0] = generator_inside(g, generator_mark_pages(g, op->mark), false);
    op->amount[1] = generator_extent(g, generator_mark_pages(g, op->mark));
}

static bool may_execute(const struct generator *g, uint8_t mark)
{
    if (mark >= TRACE_SLOTS || g->mark[mark].vmo >= TRACE_SLOTS)
        return false;
    return (g->vmo[g->mark[mark].vmo].permissions & ZX_VM_PERM_EXECUTE) != 0;
}

static void draw_vmar_op_range(struct generator *g, struct trace_op *op)
{
    op->mark = generator_mapping(g);
    op->a = percent(g, 60) && op->mark < TRACE_SLOTS ? g->mark[op->mark].vmar : holder_of(g, op->mark);
    op->to = percent(g, 2) ? PICK(g, TRACE_TO_NULL_FIRST, TRACE_TO_NULL_SECOND) : 0;
    op->options = PICK(g, ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT,
                       ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE, ZX_VMAR_OP_MAP_RANGE,
                       ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED);
    op->amount[0] = percent(g, 45) ? generator_amount(TRACE_MARK, 0)
                                   : generator_inside(g, generator_mark_pages(g, op->mark), false);
    /* All of it, what lies behind it too, or a part. */
    if (op->amount[0].kind == TRACE_MARK && percent(g, 30))
        op->amount[1] = generator_amount(TRACE_MARK_SIZE, 0);
    else if (percent(g, 15))
        op->amount[1] = generator_pages(generator_mark_pages(g, op->mark) % 4096 + 1 + below(g, 8));
    else
        op->amount[1] = percent(g, 55) ? generator_amount(TRACE_PAGES, 1 + below(g, 2))
                                       : generator_extent(g, generator_mark_pages(g, op->mark));
}

static void draw_vmar_protect(struct generator *g, struct trace_op *op)
{
    op->mark = generator_mapping(g);
    op->a = holder_of(g, op->mark);
    op->options = PICK(g, 0, 0, 1, 1, 1, 3, 3, 3, 3);
    /* To and from what may be executed, where it may. */
    if (percent(g, may_execute(g, op->mark) ? 45 : 4))
        op->options |= ZX_VM_PERM_EXECUTE;
    op->amount[0] = generator_inside(g, generator_mark_pages(g, op->mark), false);
    if (g->family_left > 0 && percent(g, 35)) {
        op->amount[0] = generator_amount(TRACE_MARK, 0);
        op->amount[1] = generator_amount(TRACE_MARK_SIZE, 0);
        return;
    }
    /* From the middle on, all of it would be too much. */
    const bool whole =
        op->amount[0].kind == TRACE_MARK && op->amount[0].delta == TRACE_DELTA_NONE && percent(g, 40);
    op->amount[1] = whole ? generator_amount(TRACE_MARK_SIZE, 0)
                    : op->amount[0].kind == TRACE_MARK_END || percent(g, 50)
                        ? generator_amount(TRACE_PAGES, 1)
                        : generator_extent(g, generator_mark_pages(g, op->mark));
}

static void draw_vmo_create(struct generator *g, struct trace_op *op)
{
    op->to = generator_to(g, g->vmos);
    op->options = percent(g, g->theme == GENERATOR_VDSO ? 10 : 60) ? ZX_VMO_RESIZABLE : 0;
    op->mark = g->marks != 0 ? generator_slot(g, g->marks) : 0;
    op->amount[1] = percent(g, 75) ? generator_amount(TRACE_PAGES, 1 + below(g, 31)) : draw_size(g, 0x4000);
}

static void draw_vmo_create_contiguous(struct generator *g, struct trace_op *op)
{
    const bool large = g->memory_pages >= 2 * LARGE_PAGES && percent(g, 60);

    op->to = generator_to(g, g->vmos) % TRACE_SLOTS;
    op->mark = g->marks != 0 ? generator_slot(g, g->marks) : 0;
    if (percent(g, 4))
        op->amount[1] = generator_any_amount(g);
    else if (large)
        op->amount[1] = generator_amount(TRACE_LARGE, 1 + below(g, 2));
    else
        op->amount[1] = generator_amount(TRACE_PAGES, 1 + below(g, 31));
    if (large && percent(g, 85))
        op->align = 21;
    else if (percent(g, 40))
        op->align = (uint8_t)(10 + below(g, 13));
}

/* Mostly what large pages can show. */
static void draw_vmo_create_physical(struct generator *g, struct trace_op *op)
{
    const bool large = percent(g, 70);

    op->to = generator_to(g, g->vmos) % TRACE_SLOTS;
    op->options = PICK(g, VM_CACHED, VM_CACHED, VM_UNCACHED, VM_UNCACHED_DEVICE, VM_WRITE_COMBINING);
    op->amount[0] = percent(g, 4) ? generator_any_amount(g)
                    : large       ? generator_amount(TRACE_LARGE, below(g, 2))
                                  : generator_amount(TRACE_PAGES, below(g, 31));
    op->amount[1] = percent(g, 4) ? generator_any_amount(g)
                    : large       ? generator_amount(TRACE_LARGE, 1 + below(g, 2))
                                  : generator_amount(TRACE_PAGES, 1 + below(g, 31));
}

static void draw_set_cache_policy(struct generator *g, struct trace_op *op)
{
    op->a = generator_vmo_slot(g);
    for (unsigned i = 0; i < 8 && op->a < TRACE_SLOTS && !g->vmo[op->a].contiguous; i++)
        op->a = generator_vmo_slot(g);
    op->options = (uint16_t)below(g, VM_CACHE_POLICIES);
}

static void draw_vmo_pin(struct generator *g, struct trace_op *op)
{
    op->a = generator_vmo_slot(g);
    op->mark = generator_mapping(g);
    const uint32_t pages = generator_vmo_pages(g, op->a),
                   from = percent(g, 50) ? 0 : below(g, pages < 31 ? pages : 31);
    op->amount[0] = percent(g, 3) ? generator_any_amount(g) : generator_amount(TRACE_PAGES, from);
    op->amount[1] = percent(g, 3) ? generator_any_amount(g)
                                  : generator_amount(TRACE_PAGES, generator_count(g, pages - from));
}

static void draw_vmo_create_child(struct generator *g, struct trace_op *op)
{
    const bool slice = percent(g, 25);

    op->a = generator_vmo_slot(g);
    for (unsigned i = 0; i < 4 && slice && op->a < TRACE_SLOTS && g->vmo[op->a].resizable; i++)
        op->a = generator_vmo_slot(g);
    op->mark = generator_mapping(g);
    op->to = generator_to(g, g->vmos);
    if (slice)
        op->options = ZX_VMO_CHILD_SLICE | PICK(g, 0, 0, 0, ZX_VMO_CHILD_NO_WRITE);
    else
        op->options =
            PICK(g, ZX_VMO_CHILD_SNAPSHOT, ZX_VMO_CHILD_SNAPSHOT, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE);
    if (!slice)
        op->options |=
            PICK(g, 0, 0, 0, ZX_VMO_CHILD_RESIZABLE, ZX_VMO_CHILD_RESIZABLE, ZX_VMO_CHILD_NO_WRITE);

    const uint32_t pages = generator_vmo_pages(g, op->a);
    const uint32_t from = percent(g, 60) ? 0 : below(g, pages < 31 ? pages : 31);
    op->amount[0] = percent(g, 3) ? generator_any_amount(g) : generator_amount(TRACE_PAGES, from);
    if (percent(g, 3))
        op->amount[1] = generator_any_amount(g);
    else if (from == 0 && percent(g, 50))
        op->amount[1] = generator_amount(TRACE_WHOLE, 0);
    else if (!slice && percent(g, 20)) /* beyond the parent's end */
        op->amount[1] = generator_pages(pages % 4096 + 1 + below(g, 8));
    else
        op->amount[1] = generator_pages(generator_count(g, pages - from));
}

static void draw_vmo_access(struct generator *g, struct trace_op *op)
{
    op->a = generator_vmo_slot(g);
    for (unsigned i = 0; i < 3 && op->a < TRACE_SLOTS && g->vmo[op->a].physical; i++)
        op->a = generator_vmo_slot(g);
    op->mark = generator_mapping(g);
    op->to = (uint8_t)below(g, percent(g, 2) ? 256 : TRACE_SLOTS);
    op->b = (uint8_t)generator_random(g);
    const uint32_t pages = generator_vmo_pages(g, op->a);
    if (percent(g, 70))
        op->amount[0] = generator_amount(TRACE_PAGES, below(g, pages < 12 ? pages : 12));
    else if (percent(g, 60))
        op->amount[0] = generator_amount(TRACE_PART, generator_random(g) & 0xffff);
    else if (percent(g, 80))
        op->amount[0] = generator_amount(TRACE_BYTES, below(g, pages > 8 ? 0x8000 : pages * 0x1000));
    else
        op->amount[0] = generator_amount_from(g, PICK(g, TRACE_WHOLE_MINUS, TRACE_MARK_BYTE), 0, 4);
    if (percent(g, 10))
        op->amount[0].delta = PICK(g, TRACE_DELTA_BYTE_UP, TRACE_DELTA_BYTE_DOWN);
    op->amount[1] = generator_bytes(g);
}

static void draw_vmo_set_size(struct generator *g, struct trace_op *op)
{
    const uint32_t most = percent(g, 30) ? 0x8000 : 8;

    op->a = generator_vmo_slot(g);
    for (unsigned i = 0; i < 4 && op->a < TRACE_SLOTS && !g->vmo[op->a].resizable; i++)
        op->a = generator_vmo_slot(g);
    op->mark = generator_mapping(g);
    if (percent(g, 60))
        op->amount[1] = generator_amount(TRACE_PAGES, below(g, 16));
    else if (percent(g, 70))
        op->amount[1] = generator_amount_from(
            g, PICK(g, TRACE_WHOLE_MINUS, TRACE_WHOLE_MINUS, TRACE_PART, TRACE_BYTES), 0, most);
    else
        op->amount[1] = draw_size(g, 64);
}

static void draw_vmo_op_range(struct generator *g, struct trace_op *op)
{
    draw_vmo_access(g, op);
    op->options =
        PICK(g, ZX_VMO_OP_COMMIT, ZX_VMO_OP_COMMIT, ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_DECOMMIT,
             ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_ZERO, ZX_VMO_OP_ZERO, ZX_VMO_OP_CACHE_CLEAN, ZX_VMO_OP_DONT_NEED);
    if (op->options == ZX_VMO_OP_DECOMMIT && op->a < TRACE_SLOTS &&
        (g->vmo[op->a].snapshot || g->vmo[op->a].contiguous) && !percent(g, 15))
        op->options = ZX_VMO_OP_ZERO;
    if (percent(g, 12)) {
        op->amount[1] = percent(g, 50) ? generator_any_amount(g) : generator_amount(TRACE_MARK_SIZE, 0);
        return;
    }
    const uint32_t pages = generator_vmo_pages(g, op->a),
                   from = percent(g, 50) ? 0 : below(g, pages < 31 ? pages : 31);
    /* Parts of pages. */
    if (op->options == ZX_VMO_OP_ZERO && percent(g, 35)) {
        op->amount[0] = percent(g, 50) ? generator_amount(TRACE_PAGES, from)
                                       : generator_amount_from(g, TRACE_BYTES, 0, 0x4000);
        op->amount[1] = percent(g, 50) ? generator_amount(TRACE_BYTES, below(g, 4096)) : generator_bytes(g);
        return;
    }
    op->amount[0] = generator_amount(TRACE_PAGES, from);
    op->amount[1] = from == 0 && percent(g, 40)
                        ? generator_amount(TRACE_WHOLE, 0)
                        : generator_amount(TRACE_PAGES, generator_count(g, pages - from));
}

static void draw_rights(struct generator *g, struct trace_op *op)
{
    if (percent(g, 45)) {
        op->mark = TRACE_RIGHTS_SAME;
        return;
    }
    /* Less by one or two of those that calls look at. */
    op->mark = percent(g, 85) ? TRACE_RIGHTS_MINUS : (uint8_t)below(g, TRACE_RIGHTS_COUNT);
    uint32_t rights = 1u << PICK(g, 0, 2, 3, 4, 5, 21, 22);
    if (percent(g, 30))
        rights |= 1u << PICK(g, 0, 2, 3, 4, 5, 21);
    op->options = (uint16_t)rights;
    op->align = (uint8_t)(rights >> 16);
    if (percent(g, 5))
        op->options = (uint16_t)generator_random(g);
}

static void draw_handle(struct generator *g, struct trace_op *op)
{
    const uint32_t draw = below(g, 100);
    /* Without the root's handle little can be done. */
    const bool ends = op->code == TRACE_HANDLE_CLOSE || op->code == TRACE_HANDLE_CLOSE_MANY ||
                      op->code == TRACE_HANDLE_REPLACE;

    op->b = draw < 45 ? TRACE_TYPE_VMAR : draw < 92 ? TRACE_TYPE_VMO : TRACE_TYPE_PROCESS;
    if (op->b == TRACE_TYPE_VMAR && g->vmars == 0 && ends && !percent(g, 3))
        op->b = TRACE_TYPE_VMO;
    if (op->b == TRACE_TYPE_VMAR)
        op->a = g->vmars != 0 && (ends || percent(g, 80)) ? generator_slot(g, g->vmars) : GENERATOR_ROOT;
    else
        op->a = op->b == TRACE_TYPE_VMO ? generator_vmo_slot(g) : (uint8_t)below(g, 8);
    if (percent(g, 2))
        op->a = PICK(g, TRACE_SLOT_NONE, TRACE_SLOT_GARBAGE, TRACE_SLOT_CLOSED, TRACE_SLOT_FOREIGN);
    op->to = generator_to(g, op->b == TRACE_TYPE_VMAR ? generator_taken(g) : g->vmos);
    if (op->code == TRACE_HANDLE_DUPLICATE || op->code == TRACE_HANDLE_REPLACE)
        draw_rights(g, op);
    if (op->code == TRACE_HANDLE_CLOSE_MANY) {
        op->to = percent(g, 3) ? TRACE_TO_NULL_FIRST : 0;
        op->options = (uint16_t)below(g, TRACE_CLOSE_MANY_MAX + 1);
    }
}

void generator_access(struct generator *g, struct trace_op *op)
{
    op->mark = g->marks != 0 && percent(g, 4) ? generator_slot(g, g->marks) : generator_mapping(g);
    const uint8_t wanted = op->code == TRACE_WRITE     ? ZX_VM_PERM_WRITE
                           : op->code == TRACE_EXECUTE ? ZX_VM_PERM_EXECUTE
                                                       : ZX_VM_PERM_READ;
    for (unsigned i = 0; i < (op->code == TRACE_EXECUTE ? 8 : 2) && op->mark < TRACE_SLOTS &&
                         (g->mark[op->mark].permissions & wanted) == 0;
         i++)
        op->mark = generator_mapping(g);
    op->a = op->mark < TRACE_SLOTS && !percent(g, 2) ? g->mark[op->mark].process
                                                     : (uint8_t)below(g, g->processes + 1u);
    /* Another one that shares the space. */
    if (op->a < TRACE_PROCESSES && (g->sharers >> op->a & 1) != 0 && percent(g, 60))
        op->a = generator_slot(g, g->sharers);
    op->b = (uint8_t)generator_random(g);
    op->amount[0] = generator_inside(g, generator_mark_pages(g, op->mark), true);
    if (op->code == TRACE_READ || op->code == TRACE_WRITE)
        op->amount[1] = generator_bytes(g);
    if (op->code == TRACE_SOFT_FAULT || op->code == TRACE_PAGE_FAULT) {
        op->options = VM_PF_FLAG_USER | VM_PF_FLAG_HW_FAULT;
        if (percent(g, 60))
            op->options |= VM_PF_FLAG_WRITE;
        else if (may_execute(g, op->mark) && percent(g, 50))
            op->options |= VM_PF_FLAG_INSTRUCTION;
        if (percent(g, 10))
            op->options = (uint16_t)generator_random(g);
    }
}

static void draw_process_memory(struct generator *g, struct trace_op *op)
{
    op->mark = generator_mapping(g);
    const uint8_t process = op->mark < TRACE_SLOTS ? g->mark[op->mark].process : g->process;
    op->a = process == g->process ? TRACE_SLOT_OWN : g->process_slot[process % TRACE_PROCESSES];
    if (percent(g, 4))
        op->a = percent(g, 50) ? bad_slot(g) : (uint8_t)below(g, 8);
    op->to = percent(g, 3) ? PICK(g, TRACE_TO_NULL_FIRST, TRACE_TO_NULL_SECOND) : 0;
    op->align = (uint8_t)generator_random(g);
    op->amount[0] = generator_inside(g, generator_mark_pages(g, op->mark), true);
    op->amount[1] = percent(g, 15) ? generator_amount(TRACE_MARK_SIZE, 0) : generator_bytes(g);
}

static void draw_property(struct generator *g, struct trace_op *op)
{
    draw_handle(g, op);
    if (op->b == TRACE_TYPE_VMAR && !percent(g, 5))
        op->b = percent(g, 60) ? TRACE_TYPE_VMO : TRACE_TYPE_PROCESS;
    op->to = percent(g, 3) ? TRACE_TO_NULL_FIRST : 0;
    op->options = percent(g, 4) ? TRACE_PROPERTY_UNKNOWN : ZX_PROP_NAME;
    op->align = (uint8_t)generator_random(g);
    op->amount[1] = generator_amount(TRACE_BYTES, 32);
    if (op->code == TRACE_OBJECT_SET_PROPERTY || percent(g, 20))
        op->amount[1] =
            percent(g, 90) ? generator_amount(TRACE_BYTES, below(g, 40)) : generator_any_amount(g);
}

static void draw_replace_as_executable(struct generator *g, struct trace_op *op)
{
    const uint8_t fresh = g->fresh_vmo;

    op->b = percent(g, 96) ? TRACE_TYPE_VMO : (uint8_t)below(g, TRACE_TYPE_COUNT);
    op->a = fresh < TRACE_SLOTS && percent(g, 95) ? fresh : generator_vmo_slot(g);
    op->to = generator_to(g, g->vmos);
    if (percent(g, 4))
        op->options = PICK(g, TRACE_VMEX_GARBAGE, TRACE_VMEX_SAME);
}

static void draw_memory_topic(struct generator *g, struct trace_op *op)
{
    op->options = PICK(g, ZX_INFO_HANDLE_COUNT, ZX_INFO_KMEM_STATS, ZX_INFO_VMO, ZX_INFO_VMO,
                       ZX_INFO_TASK_STATS, ZX_INFO_PROCESS_MAPS, ZX_INFO_PROCESS_MAPS);
    if (op->options == ZX_INFO_HANDLE_COUNT || op->options == ZX_INFO_KMEM_STATS || percent(g, 5))
        return;
    op->b = op->options == ZX_INFO_VMO ? TRACE_TYPE_VMO : TRACE_TYPE_PROCESS;
    if (op->b == TRACE_TYPE_VMO)
        op->a = generator_vmo_slot(g);
    else
        op->a = percent(g, 70) ? TRACE_SLOT_OWN : g->process_slot[below(g, g->processes + 1u)];
}

static void draw_process_operation(struct generator *g, struct trace_op *op)
{
    switch (op->code) {
    case TRACE_PROCESS_CREATE:
        op->to = generator_to(g, generator_taken(g));
        /* Its tables need much. */
        if ((g->memory_pages == 0 || g->memory_pages >= 256) && percent(g, 50))
            op->options = ZX_PROCESS_SHARED;
        break;
    case TRACE_PROCESS_CREATE_SHARED:
        op->to = generator_to(g, generator_taken(g));
        if ((g->sharers >> g->process & 1) != 0 && percent(g, 70))
            op->a = TRACE_SLOT_OWN;
        else if (g->sharers != 0 && !percent(g, 5))
            op->a = g->process_slot[generator_slot(g, g->sharers)];
        else
            op->a = percent(g, 50) ? bad_slot(g) : (uint8_t)below(g, 8);
        break;
    case TRACE_PROCESS_EXIT:
        op->a = g->sharers != 0 && percent(g, 70) ? generator_slot(g, g->sharers)
                                                  : (uint8_t)below(g, TRACE_PROCESSES);
        break;
    case TRACE_SELECT_PROCESSOR:
        op->b = (uint8_t)below(g, TRACE_PROCESSORS_MAX);
        break;
    case TRACE_CPRNG_DRAW:
        op->amount[1] = percent(g, 95) ? generator_amount(TRACE_BYTES, below(g, percent(g, 70) ? 32 : 400))
                                       : generator_any_amount(g);
        break;
    case TRACE_TICKS_GET:
        break;
    case TRACE_VMO_UNPIN:
        op->b = (uint8_t)below(g, 8);
        break;
    case TRACE_SELECT_PROCESS:
        /* Home more often than away. */
        op->a = percent(g, 50) ? 0 : (uint8_t)below(g, g->processes + 1u);
        break;
    default:
        op->b = (uint8_t)(1 + below(g, PICK(g, 2, 6, 40)));
        break;
    }
}

void generator_draw_operands(struct generator *g, struct trace_op *op)
{
    if (op->code >= TRACE_HARVEST_ACCESSED_BITS) {
        generator_draw_aspace(g, op);
        return;
    }
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
    case TRACE_VMAR_OP_RANGE:
        draw_vmar_op_range(g, op);
        break;
    case TRACE_VMO_REPLACE_AS_EXECUTABLE:
        draw_replace_as_executable(g, op);
        break;
    case TRACE_PROCESS_READ_MEMORY:
    case TRACE_PROCESS_WRITE_MEMORY:
        draw_process_memory(g, op);
        break;
    case TRACE_OBJECT_GET_PROPERTY:
    case TRACE_OBJECT_SET_PROPERTY:
        draw_property(g, op);
        break;
    case TRACE_VMAR_SET_MEMORY_PRIORITY:
        op->a = draw_vmar(g);
        op->options = (uint16_t)below(g, 2);
        break;
    case TRACE_VMAR_DESTROY:
        op->a = generator_vdso_holder(g);
        if (op->a == GENERATOR_ROOT)
            op->a = g->vmars != 0 && percent(g, 95) ? generator_slot(g, g->vmars) : draw_vmar(g);
        break;
    case TRACE_VMO_CREATE:
        draw_vmo_create(g, op);
        break;
    case TRACE_VMO_CREATE_CHILD:
        draw_vmo_create_child(g, op);
        break;
    case TRACE_VMO_CREATE_CONTIGUOUS:
        draw_vmo_create_contiguous(g, op);
        break;
    case TRACE_VMO_CREATE_PHYSICAL:
        draw_vmo_create_physical(g, op);
        break;
    case TRACE_VMO_SET_CACHE_POLICY:
        draw_set_cache_policy(g, op);
        break;
    case TRACE_VMO_PIN:
        draw_vmo_pin(g, op);
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
    case TRACE_HANDLE_CLOSE_MANY:
    case TRACE_HANDLE_DUPLICATE:
    case TRACE_HANDLE_REPLACE:
        draw_handle(g, op);
        break;
    case TRACE_OBJECT_GET_INFO:
        draw_handle(g, op);
        op->options =
            PICK(g, ZX_INFO_HANDLE_VALID, ZX_INFO_HANDLE_BASIC, ZX_INFO_HANDLE_BASIC, ZX_INFO_VMAR, 255);
        if (op->options == ZX_INFO_VMAR && op->b != TRACE_TYPE_VMAR && !percent(g, 20))
            op->b = TRACE_TYPE_VMAR;
        if (percent(g, 55))
            draw_memory_topic(g, op);
        break;
    case TRACE_PROCESS_CREATE:
    case TRACE_PROCESS_CREATE_SHARED:
    case TRACE_PROCESS_EXIT:
    case TRACE_SELECT_PROCESS:
    case TRACE_SELECT_PROCESSOR:
    case TRACE_CPRNG_DRAW:
    case TRACE_TICKS_GET:
    case TRACE_VMO_UNPIN:
    case TRACE_FAIL_ALLOCATION:
        draw_process_operation(g, op);
        break;
    default:
        generator_access(g, op);
        break;
    }
}
