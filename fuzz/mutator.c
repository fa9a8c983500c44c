/* SPDX-License-Identifier: MIT */
/*
 * mutator.c: changes traces an operation at a time, for both fuzzing engines.
 *
 * Concept. An engine that changes bytes spends most of its runs on operations that are refused. Here a mutation is one that a person
 * would make who looks for trouble: insert an operation that suits what comes before it, leave one out, do one twice, do two in the
 * other order, change one operand, begin like one trace and end like another, change the machine. The generator draws the new operands, so
 * a mutant stays as sensible as a fresh trace; now and then a raw bit is flipped, so that no encoding stays out of reach.
 *
 * Structure. trace_mutate and trace_splice work on bytes and know neither engine. libFuzzer calls LLVMFuzzerCustomMutator and
 * LLVMFuzzerCustomCrossOver in its own process; afl-fuzz loads this file as a library and calls afl_custom_….
 *
 * Determinism: equal input, limit and seed give an equal mutant.
 *
 * Locking: none. Cost: a mutation is linear in the size of the trace.
 */
#include <stdlib.h>

#include <vm/mem.h>

#include "generate.h"

/* A trace that is being changed: whole records only. */
struct mutant {
    uint8_t *bytes;
    uint32_t count, limit; /* operations, and how many there may be */
    struct generator generator;
};

static uint8_t *record_at(const struct mutant *m, uint32_t index)
{
    return m->bytes + TRACE_HEADER_SIZE + (size_t)index * TRACE_OPERATION_SIZE;
}

static size_t size_of(const struct mutant *m)
{
    return TRACE_HEADER_SIZE + (size_t)m->count * TRACE_OPERATION_SIZE;
}

static uint32_t below(struct mutant *m, uint32_t limit)
{
    return generator_below(&m->generator, limit);
}

/* Where something new goes: anywhere, the end more often, where everything is still there. */
static uint32_t draw_place(struct mutant *m)
{
    return below(m, 4) == 0 ? m->count : below(m, m->count + 1);
}

static void read_op(const struct mutant *m, uint32_t index, struct trace_op *op)
{
    trace_decode(m->bytes, size_of(m), index, op);
}

/* Tells the generator of the machine, and of everything before `index`. */
static void note_until(struct mutant *m, uint32_t index)
{
    struct trace_header header;
    struct trace_op op;

    trace_decode_header(m->bytes, TRACE_HEADER_SIZE, &header);
    m->generator.memory_pages = header.memory_pages;
    m->generator.processors = header.processors;
    for (uint32_t i = 0; i < index; i++) {
        read_op(m, i, &op);
        generator_note(&m->generator, &op);
    }
}

/* Room for `count` records at `index`; how many there is room for. */
static uint32_t open_gap(struct mutant *m, uint32_t index, uint32_t count)
{
    if (count > m->limit - m->count)
        count = m->limit - m->count;
    memmove(record_at(m, index + count), record_at(m, index),
            (size_t)(m->count - index) * TRACE_OPERATION_SIZE);
    m->count += count;
    return count;
}

static void remove_records(struct mutant *m, uint32_t index, uint32_t count)
{
    memmove(record_at(m, index), record_at(m, index + count),
            (size_t)(m->count - index - count) * TRACE_OPERATION_SIZE);
    m->count -= count;
}

/* ---- Mutations; each may find nothing to do ---- */

static void insert_drawn(struct mutant *m)
{
    const uint32_t index = draw_place(m);
    const uint32_t wanted = below(m, 3) == 0 ? 1 + below(m, 12) : 1;
    struct trace_op op;

    note_until(m, index);
    const uint32_t count = open_gap(m, index, wanted);
    for (uint32_t i = 0; i < count; i++) {
        generator_draw(&m->generator, &op);
        generator_note(&m->generator, &op);
        trace_encode(&op, record_at(m, index + i));
    }
}

/* A whole story at the end: what needs many steps, of which none alone runs anything new, is not made step
   by step. */
static void append_drawn(struct mutant *m)
{
    struct trace_op op;

    note_until(m, m->count);
    const uint32_t from = m->count, count = open_gap(m, from, 16 + below(m, 112));
    for (uint32_t i = 0; i < count; i++) {
        generator_draw(&m->generator, &op);
        generator_note(&m->generator, &op);
        trace_encode(&op, record_at(m, from + i));
    }
}

static void replace_drawn(struct mutant *m)
{
    struct trace_op op;

    if (m->count == 0)
        return;
    const uint32_t index = below(m, m->count);
    note_until(m, index);
    generator_draw(&m->generator, &op);
    trace_encode(&op, record_at(m, index));
}

static void delete_some(struct mutant *m)
{
    if (m->count == 0)
        return;
    const uint32_t index = below(m, m->count);
    uint32_t count = below(m, 3) == 0 ? 1 + below(m, 1 + m->count / 2) : 1;
    if (count > m->count - index)
        count = m->count - index;
    remove_records(m, index, count);
}

static void truncate_tail(struct mutant *m)
{
    if (m->count > 1)
        m->count = 1 + below(m, m->count);
}

/* Copies some operations to another place; a copy of one may make something of its own. */
static void duplicate_some(struct mutant *m)
{
    uint8_t chunk[16 * TRACE_OPERATION_SIZE];
    struct trace_op op;

    if (m->count == 0)
        return;
    const uint32_t from = below(m, m->count);
    uint32_t count = below(m, 2) == 0 ? 1 : 1 + below(m, 16);
    if (count > m->count - from)
        count = m->count - from;
    memcpy(chunk, record_at(m, from), (size_t)count * TRACE_OPERATION_SIZE);
    const uint32_t to = draw_place(m);
    count = open_gap(m, to, count);
    memcpy(record_at(m, to), chunk, (size_t)count * TRACE_OPERATION_SIZE);
    if (count == 1 && below(m, 2) == 0) {
        read_op(m, to, &op);
        op.to = (uint8_t)below(m, TRACE_SLOTS);
        trace_normalize(&op);
        trace_encode(&op, record_at(m, to));
    }
}

static void swap_two(struct mutant *m)
{
    uint8_t first[TRACE_OPERATION_SIZE];

    if (m->count < 2)
        return;
    uint8_t *a = record_at(m, below(m, m->count)), *b = record_at(m, below(m, m->count));
    memcpy(first, a, sizeof first);
    memmove(a, b, sizeof first);
    memcpy(b, first, sizeof first);
}

static void move_one(struct mutant *m)
{
    uint8_t moved[TRACE_OPERATION_SIZE];

    if (m->count < 2)
        return;
    const uint32_t from = below(m, m->count);
    memcpy(moved, record_at(m, from), sizeof moved);
    remove_records(m, from, 1);
    const uint32_t to = below(m, m->count + 1);
    open_gap(m, to, 1);
    memcpy(record_at(m, to), moved, sizeof moved);
}

static void redraw_field(struct mutant *m)
{
    struct trace_op op;
    unsigned fields = 0;

    if (m->count == 0)
        return;
    const uint32_t index = below(m, m->count);
    read_op(m, index, &op);
    while (trace_shapes[op.code].fields[fields].kind != TRACE_FIELD_END)
        fields++;
    note_until(m, index);
    generator_redraw(&m->generator, &op, below(m, fields));
    trace_encode(&op, record_at(m, index));
}

/* One operand moves a little. */
static void nudge_field(struct mutant *m)
{
    struct trace_op op;

    if (m->count == 0)
        return;
    const uint32_t index = below(m, m->count);
    read_op(m, index, &op);
    struct trace_amount *amount = &op.amount[below(m, 3)];
    switch (below(m, 8)) {
    case 0:
    case 1:
        amount->value = (uint16_t)(amount->value + (below(m, 2) == 0 ? 1 : -1));
        break;
    case 2:
        amount->value = (uint16_t)(below(m, 2) == 0 ? amount->value << 1 : amount->value >> 1);
        break;
    case 3:
        amount->delta = (uint8_t)below(m, 8);
        break;
    case 4:
        amount->kind = (uint8_t)below(m, TRACE_KIND_COUNT);
        break;
    case 5:
        op.options ^= (uint16_t)(1u << below(m, 16));
        break;
    case 6:
        op.mark = (uint8_t)((op.mark + (below(m, 2) == 0 ? 1 : TRACE_SLOTS - 1)) % TRACE_SLOTS);
        break;
    default:
        op.wild = !op.wild;
        break;
    }
    trace_normalize(&op);
    trace_encode(&op, record_at(m, index));
}

/* One operation names what another one made. */
static void retarget(struct mutant *m)
{
    struct trace_op op, other;

    if (m->count < 2)
        return;
    const uint32_t index = below(m, m->count);
    read_op(m, index, &op);
    read_op(m, below(m, m->count), &other);
    switch (below(m, 4)) {
    case 0:
        op.a = other.to;
        break;
    case 1:
        op.b = other.to;
        break;
    case 2:
        op.to = other.to;
        break;
    default:
        op.mark = other.to;
        break;
    }
    trace_normalize(&op);
    trace_encode(&op, record_at(m, index));
}

static void change_header(struct mutant *m)
{
    struct trace_header header, fresh;

    trace_decode_header(m->bytes, TRACE_HEADER_SIZE, &header);
    generator_header(&m->generator, &fresh);
    switch (below(m, 7)) {
    case 0:
        header.memory_pages = fresh.memory_pages;
        break;
    case 1:
        header.aslr_off = !header.aslr_off;
        break;
    case 2:
        header.fail = !header.fail;
        header.fail_persistent = header.fail && below(m, 3) == 0;
        header.fail_nth = header.fail ? (uint16_t)(1 + below(m, 200)) : 0;
        break;
    case 3:
        header.entropy_bits = fresh.entropy_bits;
        break;
    case 4:
        header.compact_entropy_bits = fresh.compact_entropy_bits;
        break;
    case 5:
        header.processors = fresh.processors;
        break;
    default:
        header.seed = fresh.seed;
        break;
    }
    trace_encode_header(&header, m->bytes);
}

static void flip_bit(struct mutant *m)
{
    const uint32_t at = below(m, (uint32_t)size_of(m));

    m->bytes[at] ^= (uint8_t)(1u << below(m, 8));
}

static const struct {
    void (*apply)(struct mutant *m);
    uint8_t weight;
} mutations[] = {
    {insert_drawn, 28}, {append_drawn, 4},  {redraw_field, 18}, {nudge_field, 12}, {duplicate_some, 8},
    {delete_some, 8},   {replace_drawn, 6}, {retarget, 5},      {swap_two, 3},     {move_one, 3},
    {truncate_tail, 2}, {change_header, 2}, {flip_bit, 1},
};
#define WEIGHTS 100

/* Operations that there may be in so many bytes, which have room for a header. */
static uint32_t operations_in(size_t size)
{
    const size_t fit = (size - TRACE_HEADER_SIZE) / TRACE_OPERATION_SIZE;

    return fit < TRACE_FUZZ_OPERATIONS ? (uint32_t)fit : TRACE_FUZZ_OPERATIONS;
}

/* Makes a mutant of what is in `bytes`, in place: its size. `bytes` is left as it is where `max_size` has no room for a header. */
static size_t trace_mutate(uint8_t *bytes, size_t size, size_t max_size, uint64_t seed)
{
    struct mutant m;

    if (max_size < TRACE_HEADER_SIZE)
        return size;
    if (size < TRACE_HEADER_SIZE)
        memset(bytes + size, 0, TRACE_HEADER_SIZE - size);
    m.bytes = bytes;
    m.limit = operations_in(max_size);
    /* A last record that is cut short is left out, and so is what never runs. */
    m.count = size < TRACE_HEADER_SIZE ? 0 : operations_in(size);
    if (m.count > m.limit)
        m.count = m.limit;
    generator_start(&m.generator, seed);
    uint32_t times = 1;
    while (times < 8 && below(&m, 2) == 0)
        times++;
    for (uint32_t i = 0; i < times; i++) {
        uint32_t draw = below(&m, WEIGHTS), which = 0;
        for (; draw >= mutations[which].weight; which++)
            draw -= mutations[which].weight;
        generator_start(&m.generator, generator_random(&m.generator));
        mutations[which].apply(&m);
    }
    return size_of(&m);
}

/* Begins like one trace and ends like the other, or takes a piece of the other in: size of what is in `out`. */
static size_t trace_splice(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                           size_t max_size, uint64_t seed)
{
    struct mutant m;

    if (max_size < TRACE_HEADER_SIZE || a_size < TRACE_HEADER_SIZE || b_size < TRACE_HEADER_SIZE)
        return 0;
    m.bytes = out;
    m.limit = operations_in(max_size);
    m.count = operations_in(a_size);
    if (m.count > m.limit)
        m.count = m.limit;
    memcpy(out, a, size_of(&m));
    generator_start(&m.generator, seed);

    const uint32_t others = operations_in(b_size);
    if (others == 0)
        return size_of(&m);
    const uint32_t from = below(&m, others);
    uint32_t at = below(&m, m.count + 1), count = others - from;
    if (below(&m, 2) == 0)
        m.count = at;
    else
        count = 1 + below(&m, count);
    count = open_gap(&m, at, count);
    memcpy(record_at(&m, at), b + TRACE_HEADER_SIZE + (size_t)from * TRACE_OPERATION_SIZE,
           (size_t)count * TRACE_OPERATION_SIZE);
    return size_of(&m);
}

/* ---- libFuzzer ---- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return trace_mutate(data, size, max_size, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed)
{
    return trace_splice(a, a_size, b, b_size, out, max_size, seed);
}

/* ---- AFL++: no header is packaged for these; the first argument of init is its own state ---- */

#define AFL_SIZE_MAX  (TRACE_HEADER_SIZE + TRACE_FUZZ_OPERATIONS * TRACE_OPERATION_SIZE)
#define SPLICE_ONE_IN 6

struct afl_mutator {
    uint64_t seed;
    uint8_t out[AFL_SIZE_MAX];
};

void *afl_custom_init(void *afl, unsigned int seed);
size_t afl_custom_fuzz(void *state, uint8_t *data, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size);
void afl_custom_deinit(void *state);

void *afl_custom_init(void *afl, unsigned int seed)
{
    struct afl_mutator *mutator = calloc(1, sizeof *mutator);

    (void)afl;
    if (mutator != NULL)
        mutator->seed = (uint64_t)seed << 32;
    return mutator;
}

size_t afl_custom_fuzz(void *state, uint8_t *data, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size)
{
    struct afl_mutator *mutator = state;
    const uint64_t seed = mutator->seed++;
    size_t made = 0;

    if (max_size > sizeof mutator->out)
        max_size = sizeof mutator->out;
    if (other != NULL && seed % SPLICE_ONE_IN == 0)
        made = trace_splice(data, size, other, other_size, mutator->out, max_size, seed);
    if (made == 0) {
        if (size > max_size)
            size = max_size;
        memcpy(mutator->out, data, size);
        made = trace_mutate(mutator->out, size, max_size, seed);
    }
    *out = mutator->out;
    return made;
}

void afl_custom_deinit(void *state)
{
    free(state);
}
