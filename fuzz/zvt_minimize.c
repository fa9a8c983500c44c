/* SPDX-License-Identifier: MIT */
/*
 * zvt_minimize.c: makes a trace smaller that still breaks in the same way.
 *
 * Concept. Delta debugging: a change is kept when the trace still breaks with the same signature (zvt_child.c). First what comes after
 * the break is cut off. Then runs of operations are left out, long runs first, down to single ones, again and again until
 * nothing more can go. Then operands: each field of each operation is set to nothing, amounts are made small, and the header is made
 * plain. What operands no longer hold on to may go in another round. Every candidate runs in a child process, so that a crash of the
 * core is a finding like any other.
 *
 * Cost: a run for each candidate; about n log n + n · fields of them for n operations that stay.
 */
#include <stdlib.h>
#include <string.h>

#include "zvt.h"

#define BYTES_MAX (TRACE_HEADER_SIZE + TRACE_OPERATIONS_MAX * TRACE_OPERATION_SIZE)

struct minimizer {
    struct zvt_outcome *outcome;
    char signature[sizeof((struct zvt_outcome *)0)->signature];
    uint32_t count; /* operations */
    uint32_t tried; /* candidates */
    uint8_t bytes[BYTES_MAX], candidate[BYTES_MAX];
};

static size_t size_of(uint32_t count)
{
    return TRACE_HEADER_SIZE + (size_t)count * TRACE_OPERATION_SIZE;
}

/* Keeps the candidate where it breaks in the same way. */
static bool try_candidate(struct minimizer *m, uint32_t count)
{
    m->tried++;
    if (!zvt_run_in_child(m->candidate, size_of(count), UINT32_MAX, m->outcome) ||
        strcmp(m->outcome->signature, m->signature) != 0)
        return false;
    memcpy(m->bytes, m->candidate, size_of(count));
    m->count = count;
    return true;
}

static void candidate_is_best(struct minimizer *m)
{
    memcpy(m->candidate, m->bytes, size_of(m->count));
}

/* Leaves out `length` operations wherever that can be done; whether it could. */
static bool leave_out_runs(struct minimizer *m, uint32_t length)
{
    bool smaller = false;

    /* From the end: what is made late is used by less. */
    for (uint32_t end = m->count; end > 0;) {
        const uint32_t start = end > length ? end - length : 0;
        memcpy(m->candidate, m->bytes, size_of(start));
        memcpy(m->candidate + size_of(start), m->bytes + size_of(end), size_of(m->count) - size_of(end));
        smaller |= try_candidate(m, m->count - (end - start));
        end = start;
    }
    return smaller;
}

static bool leave_out_operations(struct minimizer *m)
{
    bool smaller = false;

    for (uint32_t length = m->count / 2; length > 1; length /= 2)
        smaller |= leave_out_runs(m, length);
    while (leave_out_runs(m, 1))
        smaller = true;
    return smaller;
}

/* Tries an operation in place of another; nothing is tried where they are the same. */
static bool try_operation(struct minimizer *m, uint32_t index, struct trace_op op)
{
    uint8_t *at = m->candidate + size_of(index);

    trace_normalize(&op);
    candidate_is_best(m);
    trace_encode(&op, at);
    return memcmp(at, m->bytes + size_of(index), TRACE_OPERATION_SIZE) != 0 && try_candidate(m, m->count);
}

static bool simplify_amount(struct minimizer *m, uint32_t index, unsigned which)
{
    struct trace_op op, simpler;
    bool changed = false;

    trace_decode(m->bytes, size_of(m->count), index, &op);
    simpler = op;
    /* Nothing is simpler than nothing; one page is tried only where there was more, or rounds would never end. */
    if (op.amount[which].kind == TRACE_ZERO && op.amount[which].delta == TRACE_DELTA_NONE)
        return false;
    memset(&simpler.amount[which], 0, sizeof simpler.amount[which]);
    if (try_operation(m, index, simpler))
        return true;
    simpler.amount[which] = (struct trace_amount){TRACE_PAGES, TRACE_DELTA_NONE, 1};
    if (try_operation(m, index, simpler))
        return true;
    simpler = op;
    simpler.amount[which].delta = TRACE_DELTA_NONE;
    changed |= try_operation(m, index, simpler);
    for (;;) {
        trace_decode(m->bytes, size_of(m->count), index, &simpler);
        if (simpler.amount[which].value < 2)
            return changed;
        simpler.amount[which].value /= 2;
        if (!try_operation(m, index, simpler))
            return changed;
        changed = true;
    }
}

/* Options one bit at a time. */
static bool simplify_options(struct minimizer *m, uint32_t index)
{
    struct trace_op op;
    bool changed = false;

    for (unsigned i = 0; i < 16; i++) {
        trace_decode(m->bytes, size_of(m->count), index, &op);
        if ((op.options & 1u << i) == 0)
            continue;
        op.options ^= (uint16_t)(1u << i);
        changed |= try_operation(m, index, op);
    }
    return changed;
}

static bool simplify_field(struct minimizer *m, uint32_t index, uint8_t kind)
{
    struct trace_op op;

    trace_decode(m->bytes, size_of(m->count), index, &op);
    switch (kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS:
    case TRACE_FIELD_PROCESS_HANDLE:
    case TRACE_FIELD_JOB:
        op.a = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_ANY:
        op.a = op.b = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_VMO:
    case TRACE_FIELD_NUMBER:
        op.b = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_TO:
        op.to = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_MARK:
        op.mark = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_OPTIONS:
        return simplify_options(m, index);
    case TRACE_FIELD_ALIGN:
    case TRACE_FIELD_FILL:
        op.align = 0;
        return try_operation(m, index, op);
    case TRACE_FIELD_RIGHTS:
        op.mark = TRACE_RIGHTS_SAME;
        return try_operation(m, index, op) || simplify_options(m, index);
    default:
        return simplify_amount(m, index, kind - TRACE_FIELD_AMOUNT0);
    }
}

static bool simplify_operations(struct minimizer *m)
{
    struct trace_op op;
    bool changed = false;

    for (uint32_t index = 0; index < m->count; index++) {
        trace_decode(m->bytes, size_of(m->count), index, &op);
        if (op.wild) {
            struct trace_op tame = op;
            tame.wild = false;
            changed |= try_operation(m, index, tame);
        }
        for (const struct trace_field *f = trace_shapes[op.code].fields; f->kind != TRACE_FIELD_END; f++)
            changed |= simplify_field(m, index, f->kind);
    }
    return changed;
}

static void try_header(struct minimizer *m, const struct trace_header *header)
{
    candidate_is_best(m);
    trace_encode_header(header, m->candidate);
    if (memcmp(m->candidate, m->bytes, TRACE_HEADER_SIZE) != 0)
        try_candidate(m, m->count);
}

static void simplify_header(struct minimizer *m)
{
    struct trace_header header;

    for (unsigned i = 0; i < 7; i++) {
        trace_decode_header(m->bytes, TRACE_HEADER_SIZE, &header);
        switch (i) {
        case 0:
            header.fail = header.fail_persistent = false;
            header.fail_nth = 0;
            break;
        case 1:
            header.aslr_off = true;
            break;
        case 2:
            header.entropy_bits = 0;
            break;
        case 3:
            header.compact_entropy_bits = 0;
            break;
        case 4:
            header.seed = 0;
            break;
        case 5:
            header.processors = 1;
            break;
        default:
            header.memory_pages = 256;
            break;
        }
        try_header(m, &header);
    }
}

/* The trace as it came, in canonical form where that breaks too. False where it does not break. */
static bool start(struct minimizer *m, const struct zvt_bytes *trace)
{
    struct trace_header header;
    struct trace_op op;

    m->outcome = zvt_outcome_new();
    memcpy(m->bytes, trace->bytes, trace->size < BYTES_MAX ? trace->size : BYTES_MAX);
    m->count = (uint32_t)trace_count(trace->size < BYTES_MAX ? trace->size : BYTES_MAX);
    if (!zvt_run_in_child(trace->bytes, trace->size, UINT32_MAX, m->outcome) ||
        m->outcome->signature[0] == '\0')
        return false;
    memcpy(m->signature, m->outcome->signature, sizeof m->signature);

    uint32_t needed = zvt_broken_operation(m->outcome) + 1;
    if (needed < m->count) {
        candidate_is_best(m);
        try_candidate(m, needed);
    }
    candidate_is_best(m);
    trace_decode_header(m->bytes, TRACE_HEADER_SIZE, &header);
    trace_encode_header(&header, m->candidate);
    for (uint32_t i = 0; i < m->count; i++) {
        trace_decode(m->bytes, size_of(m->count), i, &op);
        trace_encode(&op, m->candidate + size_of(i));
    }
    try_candidate(m, m->count);
    return true;
}

int zvt_command_minimize(int argc, char **argv)
{
    const char *to = NULL;
    const struct zvt_option option = {"-o", &to, NULL};
    struct zvt_output output;

    if (zvt_options(argc, argv, &option, 1) != 1 || to == NULL)
        zvt_misuse("minimize: expected one trace and -o FILE; `zvt minimize --help` tells more");
    struct zvt_bytes trace = zvt_read(argv[0], "a trace that breaks");
    struct minimizer *m = calloc(1, sizeof *m);
    if (m == NULL)
        zvt_misuse("minimize: no memory");
    /* Opened first: this may take long, and is not to be in vain. */
    if (!zvt_open(&output, to))
        return ZVT_MISUSE;
    if (!start(m, &trace))
        zvt_misuse("%s: expected a trace that breaks, found one that does not: there is nothing to minimize",
                   trace.path);
    const uint32_t before = (uint32_t)trace_count(trace.size);
    zvt_say("%s: %s", trace.path, m->signature);
    do {
        leave_out_operations(m);
        simplify_header(m);
    } while (simplify_operations(m) && leave_out_operations(m));
    zvt_say("%u operations of %u are left, after %u runs", m->count, before, m->tried);
    fwrite(m->bytes, 1, size_of(m->count), output.file);
    const bool written = zvt_commit(&output);
    zvt_free(&trace);
    free(m);
    return zvt_status(written, true);
}
