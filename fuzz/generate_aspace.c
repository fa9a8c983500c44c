/* SPDX-License-Identifier: MIT */
/*
 * generate_aspace.c: draws operations on spaces as the host of the core sees them, on virtual_alloc and on the
 * vDSO, and keeps the generator's shadow of what they have made.
 *
 * Each of these tells something only in company: a harvest among accesses, a free among allocations, an attempt
 * to take the vDSO away where there is one. So a good part of the traces has a theme, which such company is
 * drawn for.
 */
#include <vm/aspace.h>
#include <vm/mem.h>
#include <vm/vmo.h>
#include <zircon/syscalls/object.h>

#include "generate_op.h"

#define PICK GENERATOR_PICK

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

/* ---- The shadow ---- */

static void note_space_mark(struct generator *g, const struct trace_op *op)
{
    if (op->to >= TRACE_SLOTS)
        return;
    g->marks &= ~bit(op->to);
    g->mappings &= ~bit(op->to);
    g->vmars &= ~bit(op->to);
    for (unsigned i = 0; i < TRACE_SPACES; i++)
        g->space_marks[i] &= ~bit(op->to);
    const uint8_t space = op->a == TRACE_SPACE_KERNEL || (g->guests >> op->a & 1) != 0 ? op->a : 0;
    g->space_marks[space] |= bit(op->to);
    g->mark[op->to] = (struct generator_mark){.vmo = op->b,
                                              .permissions = op->options >> TRACE_ALLOC_PERMS_SHIFT & 7,
                                              .pages = generator_estimate(g, op, 1, 64)};
}

static void note_declared(struct generator *g, const struct trace_op *op)
{
    if (op->a >= TRACE_SLOTS || (g->vmos & bit(op->a)) == 0 || g->vmo[op->a].resizable ||
        g->vmo[op->a].contiguous)
        return;
    g->vdsos |= bit(op->a);
    g->vmo[op->a].code = generator_estimate(g, op, 0, 0);
    g->vmo[op->a].code_pages = generator_estimate(g, op, 1, g->vmo[op->a].pages);
}

void generator_note_aspace(struct generator *g, const struct trace_op *op)
{
    switch (op->code) {
    case TRACE_GUEST_CREATE:
        g->guests |= (uint8_t)(1u << (op->a == 0 ? 1 : op->a));
        break;
    case TRACE_GUEST_DESTROY:
        g->guests &= (uint8_t) ~(1u << op->a);
        if (op->a != TRACE_SPACE_KERNEL)
            g->space_marks[op->a] = 0;
        break;
    case TRACE_SPACE_ALLOC:
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
    case TRACE_SPACE_ALLOC_PHYSICAL:
    case TRACE_SPACE_MAP_OBJECT:
        note_space_mark(g, op);
        break;
    case TRACE_SPACE_FREE_REGION:
        g->space_marks[op->a] &= ~bit(op->mark);
        break;
    case TRACE_VMO_DECLARE_VDSO:
        note_declared(g, op);
        break;
    case TRACE_VALLOC_INIT:
        g->valloc = true;
        break;
    case TRACE_VALLOC_ALLOC:
        g->valloc_runs += g->valloc && g->valloc_runs < UINT8_MAX;
        break;
    case TRACE_VALLOC_DESTROY:
        g->valloc = false;
        g->valloc_runs = 0;
        break;
    default:
        break;
    }
}

/* ---- What a theme calls for ---- */

/* A VMO that could be declared a vDSO; TRACE_SLOT_NONE. */
static uint8_t future_vdso(const struct generator *g)
{
    for (uint64_t rest = g->vmos & ~g->vdsos; rest != 0; rest &= rest - 1) {
        const uint8_t slot = (uint8_t)__builtin_ctzll(rest);
        const struct generator_vmo *vmo = &g->vmo[slot];
        if (!vmo->resizable && !vmo->snapshot && !vmo->contiguous &&
            (vmo->permissions & ZX_VM_PERM_EXECUTE) != 0)
            return slot;
    }
    return TRACE_SLOT_NONE;
}

static uint8_t draw_vdso_code(struct generator *g)
{
    if (g->vdsos == 0)
        return future_vdso(g) < TRACE_SLOTS ? TRACE_VMO_DECLARE_VDSO : TRACE_VMO_CREATE;
    if (g->vdso_marks == 0)
        return percent(g, 70) ? TRACE_VMAR_MAP : TRACE_VMAR_ALLOCATE;
    return PICK(g, TRACE_VMAR_MAP, TRACE_VMAR_MAP, TRACE_VMAR_UNMAP, TRACE_VMAR_PROTECT, TRACE_VMAR_DESTROY,
                TRACE_VMAR_OP_RANGE, TRACE_VDSO_ADDRESS, TRACE_EXECUTE, TRACE_SPACE_MAP_OBJECT,
                TRACE_VMO_CREATE_CHILD);
}

static uint8_t draw_valloc_code(struct generator *g)
{
    if (!g->valloc)
        return TRACE_VALLOC_INIT;
    if (g->valloc_runs == 0)
        return TRACE_VALLOC_ALLOC;
    return PICK(g, TRACE_VALLOC_ALLOC, TRACE_VALLOC_ALLOC, TRACE_VALLOC_ALLOC, TRACE_VALLOC_ALLOC,
                TRACE_VALLOC_ALLOC, TRACE_VALLOC_FREE, TRACE_VALLOC_FREE, TRACE_VALLOC_FREE,
                TRACE_VALLOC_FREE, TRACE_VALLOC_ALLOCATE_RANGE, TRACE_VALLOC_FREE_ALL, TRACE_VALLOC_DESTROY);
}

static uint8_t draw_spaces_code(struct generator *g)
{
    if (g->guests == 0 && percent(g, 40))
        return TRACE_GUEST_CREATE;
    return PICK(g, TRACE_SPACE_ALLOC, TRACE_SPACE_ALLOC, TRACE_SPACE_ALLOC_CONTIGUOUS,
                TRACE_SPACE_ALLOC_PHYSICAL, TRACE_SPACE_MAP_OBJECT, TRACE_SPACE_MAP_OBJECT,
                TRACE_SPACE_FREE_REGION, TRACE_SPACE_FREE_REGION, TRACE_SPACE_READ, TRACE_SPACE_WRITE,
                TRACE_SPACE_WRITE, TRACE_SPACE_EXECUTE, TRACE_GUEST_DESTROY, TRACE_GET_MEMORY_USAGE);
}

bool generator_draw_theme_code(struct generator *g, struct trace_op *op)
{
    switch (g->theme) {
    case GENERATOR_TABLES:
        op->code =
            PICK(g, TRACE_HARVEST_ACCESSED_BITS, TRACE_HARVEST_ACCESSED_BITS, TRACE_HARVEST_ACCESSED_BITS,
                 TRACE_DROP_PAGE_TABLES, TRACE_DROP_ALL_PAGE_TABLES, TRACE_SOFT_FAULT_IN_RANGE,
                 TRACE_SOFT_FAULT_IN_RANGE, TRACE_ACCESSED_FAULT, TRACE_GET_MEMORY_USAGE, TRACE_FIND_REGION,
                 TRACE_READ, TRACE_READ, TRACE_WRITE, TRACE_WRITE);
        return true;
    case GENERATOR_SPACES:
        op->code = draw_spaces_code(g);
        return true;
    case GENERATOR_VALLOC:
        op->code = draw_valloc_code(g);
        return true;
    case GENERATOR_VDSO:
        op->code = draw_vdso_code(g);
        return true;
    default:
        return false;
    }
}

/* ---- Operands ---- */

static void draw_alloc(struct generator *g, struct trace_op *op)
{
    const bool object = op->code == TRACE_SPACE_MAP_OBJECT;

    op->a = percent(g, 50) || g->guests == 0 ? TRACE_SPACE_KERNEL : generator_slot(g, g->guests);
    op->to = generator_to(g, generator_taken(g));
    op->options = TRACE_ALLOC_READ | PICK(g, 0, TRACE_ALLOC_WRITE, TRACE_ALLOC_WRITE, TRACE_ALLOC_WRITE,
                                          TRACE_ALLOC_WRITE | TRACE_ALLOC_EXECUTE, TRACE_ALLOC_EXECUTE);
    if (percent(g, 5))
        op->options = 0;
    if (percent(g, op->code == TRACE_SPACE_ALLOC_CONTIGUOUS ? 95 : 40))
        op->options |= TRACE_ALLOC_COMMIT;
    if (op->code == TRACE_SPACE_ALLOC_PHYSICAL)
        op->options |= (uint16_t)(below(g, VM_CACHE_POLICIES) << TRACE_ALLOC_CACHE_SHIFT);
    if (percent(g, 35))
        op->align = (uint8_t)(percent(g, 80) ? 12 + below(g, 5) : 10 + below(g, 23));
    op->amount[1] = percent(g, 4) ? generator_any_amount(g) : generator_pages(generator_count(g, 40));
    if (percent(g, 5))
        op->amount[1] = generator_amount(TRACE_BYTES, below(g, 9000));
    if (percent(g, 25)) {
        const uint64_t marks = g->space_marks[op->a];
        op->options |= TRACE_ALLOC_SPECIFIC;
        op->mark = marks != 0 ? generator_slot(g, marks) : TRACE_MARK_ROOT;
        op->amount[0] = percent(g, 4) ? generator_any_amount(g)
                                      : generator_amount(PICK(g, TRACE_MARK, TRACE_MARK_END), 0);
        op->amount[0].delta = percent(g, 50) ? PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN) : 0;
    }
    if (op->code == TRACE_SPACE_ALLOC_PHYSICAL)
        op->amount[2] = generator_amount(TRACE_PAGES, below(g, 31));
    if (object) {
        op->b = generator_vmo_slot(g);
        op->amount[2] = generator_amount(TRACE_PAGES, percent(g, 60) ? 0 : below(g, 8));
        if (op->b < TRACE_SLOTS && (g->vdsos & bit(op->b)) != 0 && percent(g, 80)) {
            op->amount[2] = generator_amount(TRACE_PAGES, g->vmo[op->b].code % 32);
            op->amount[1] = generator_pages(g->vmo[op->b].code_pages % 4096);
        }
    }
}

/* A landmark of a space: which. */
static uint8_t draw_space_mark(struct generator *g, struct trace_op *op)
{
    uint8_t space = (uint8_t)below(g, TRACE_SPACES);

    for (unsigned i = 0; i < TRACE_SPACES && g->space_marks[space] == 0; i++)
        space = (uint8_t)((space + 1) % TRACE_SPACES);
    op->a = space;
    op->mark = g->space_marks[space] != 0 ? generator_slot(g, g->space_marks[space]) : TRACE_MARK_ROOT;
    return op->mark;
}

static void draw_space_access(struct generator *g, struct trace_op *op)
{
    const uint8_t wanted = op->code == TRACE_SPACE_WRITE     ? ZX_VM_PERM_WRITE
                           : op->code == TRACE_SPACE_EXECUTE ? ZX_VM_PERM_EXECUTE
                                                             : ZX_VM_PERM_READ;
    uint8_t mark = draw_space_mark(g, op);

    for (unsigned i = 0; i < 2 && mark < TRACE_SLOTS && (g->mark[mark].permissions & wanted) == 0; i++)
        mark = draw_space_mark(g, op);
    op->b = (uint8_t)generator_random(g);
    op->amount[0] = generator_inside(g, generator_mark_pages(g, mark), true);
    if (op->code == TRACE_SPACE_EXECUTE)
        return;
    op->amount[1] = generator_bytes(g);
    if (percent(g, 4)) { /* where virtual_alloc is */
        op->a = TRACE_SPACE_KERNEL;
        op->mark = TRACE_MARK_ROOT;
        op->amount[0] = generator_amount(TRACE_GIGA, 64);
    }
}

static void draw_valloc(struct generator *g, struct trace_op *op)
{
    switch (op->code) {
    case TRACE_VALLOC_INIT:
        op->b = (uint8_t)(percent(g, 80) ? below(g, 4) : below(g, 40));
        op->align = percent(g, 60) ? 0 : PICK(g, 13, 14, 14, 15, 16, 16, 18, 21, 11);
        op->amount[1] = percent(g, 90) ? generator_amount(PICK(g, TRACE_LARGE, TRACE_LARGE, TRACE_POWER), 0)
                                       : generator_any_amount(g);
        op->amount[1].value = op->amount[1].kind == TRACE_LARGE
                                  ? (uint16_t)(1 + below(g, percent(g, 20) ? 200 : 3))
                                  : (uint16_t)(15 + below(g, 12));
        break;
    case TRACE_VALLOC_ALLOC:
        op->to = generator_to(g, generator_taken(g));
        op->amount[1] = percent(g, 3) ? generator_any_amount(g) : generator_pages(generator_count(g, 48));
        break;
    default:
        op->to = generator_to(g, generator_taken(g));
        op->b = (uint8_t)below(g, 8);
        op->amount[0] = generator_amount(TRACE_PAGES, percent(g, 40) ? 0 : below(g, 8));
        op->amount[1] = percent(g, 40) ? generator_amount(TRACE_ZERO, 0) : generator_pages(1 + below(g, 6));
        break;
    }
}

static void draw_declare(struct generator *g, struct trace_op *op)
{
    op->a = future_vdso(g);
    op->mark = TRACE_MARK_ROOT;
    if (op->a >= TRACE_SLOTS || percent(g, 10))
        op->a = generator_vmo_slot(g);
    const uint32_t pages = generator_vmo_pages(g, op->a);
    const uint32_t from = percent(g, 40) ? 0 : below(g, pages < 31 ? pages : 31);
    op->amount[0] = percent(g, 4) ? generator_any_amount(g) : generator_amount(TRACE_PAGES, from);
    op->amount[1] =
        percent(g, 4) ? generator_any_amount(g) : generator_pages(generator_count(g, pages - from));
}

void generator_draw_aspace(struct generator *g, struct trace_op *op)
{
    switch (op->code) {
    case TRACE_GUEST_CREATE:
        op->a = (uint8_t)below(g, TRACE_SPACES);
        if (percent(g, 25)) {
            op->amount[0] = generator_amount(TRACE_PAGES, below(g, 32));
            op->amount[1] = percent(g, 80) ? generator_amount(TRACE_PAGES_MANY, 64 + below(g, 512))
                                           : generator_any_amount(g);
        }
        break;
    case TRACE_GUEST_DESTROY:
        op->a = g->guests != 0 ? generator_slot(g, g->guests) : (uint8_t)below(g, TRACE_SPACES);
        break;
    case TRACE_SPACE_ALLOC:
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
    case TRACE_SPACE_ALLOC_PHYSICAL:
    case TRACE_SPACE_MAP_OBJECT:
        draw_alloc(g, op);
        break;
    case TRACE_SPACE_FREE_REGION:
        op->amount[0] = generator_inside(g, generator_mark_pages(g, draw_space_mark(g, op)), true);
        break;
    case TRACE_SPACE_READ:
    case TRACE_SPACE_WRITE:
    case TRACE_SPACE_EXECUTE:
        draw_space_access(g, op);
        break;
    case TRACE_VMO_DECLARE_VDSO:
        draw_declare(g, op);
        break;
    case TRACE_VALLOC_INIT:
    case TRACE_VALLOC_ALLOC:
    case TRACE_VALLOC_FREE:
    case TRACE_VALLOC_ALLOCATE_RANGE:
        draw_valloc(g, op);
        break;
    default:
        generator_access(g, op);
        if (op->code == TRACE_HARVEST_ACCESSED_BITS)
            op->options = (uint16_t)(below(g, 4) | (percent(g, 60) ? TRACE_HARVEST_TOUCH : 0));
        if (op->code == TRACE_SOFT_FAULT_IN_RANGE || op->code == TRACE_VDSO_ADDRESS)
            op->amount[1] = generator_extent(g, generator_mark_pages(g, op->mark));
        if (op->code == TRACE_SOFT_FAULT_IN_RANGE)
            op->options = VM_PF_FLAG_USER | (percent(g, 50) ? VM_PF_FLAG_WRITE : 0);
        if (op->code == TRACE_ASPACE_RENAME) {
            op->to = percent(g, 10) ? TRACE_TO_NULL_FIRST : 0;
            op->align = (uint8_t)below(g, 26);
            op->amount[1] = generator_amount(TRACE_BYTES, below(g, 64));
        }
        break;
    }
}

bool generator_draw_vdso_map(struct generator *g, struct trace_op *op)
{
    const bool over = (g->vdso_marks & g->mappings) != 0 && percent(g, 50);

    if (g->theme != GENERATOR_VDSO || g->vdsos == 0 || percent(g, 30))
        return false;
    op->b = generator_slot(g, g->vdsos);
    op->to = generator_to(g, generator_taken(g));
    op->options = ZX_VM_PERM_READ;
    if (over) {
        if (percent(g, 50))
            op->b = generator_vmo_slot(g);
        op->mark = generator_slot(g, g->vdso_marks & g->mappings);
        op->a = g->mark[op->mark].vmar;
        op->options |= ZX_VM_SPECIFIC_OVERWRITE;
        op->amount[0] = generator_inside(g, generator_mark_pages(g, op->mark), false);
        op->amount[1] = generator_pages(1 + below(g, 4));
        return true;
    }
    op->a = g->vmars != 0 && percent(g, 60) ? generator_slot(g, g->vmars) : GENERATOR_ROOT;
    op->options |= percent(g, 85) ? ZX_VM_PERM_EXECUTE : ZX_VM_PERM_WRITE;
    op->amount[2] = generator_amount(TRACE_PAGES, g->vmo[op->b].code % 32);
    op->amount[1] = generator_pages(g->vmo[op->b].code_pages % 4096);
    if (percent(g, 10))
        op->amount[1].delta = PICK(g, TRACE_DELTA_PAGE_UP, TRACE_DELTA_PAGE_DOWN);
    return true;
}

uint8_t generator_vdso_holder(struct generator *g)
{
    if (g->theme != GENERATOR_VDSO || (g->vdso_marks & g->mappings) == 0 || percent(g, 40))
        return GENERATOR_ROOT;
    const uint8_t vmar = g->mark[generator_slot(g, g->vdso_marks & g->mappings)].vmar;
    return vmar < TRACE_SLOTS && (g->vmars & bit(vmar)) != 0 ? vmar : GENERATOR_ROOT;
}
