/* SPDX-License-Identifier: MIT */
/*
 * generate.h: random traces, and single operations that suit the trace that they are to join.
 */
#ifndef FUZZ_GENERATE_H_
#define FUZZ_GENERATE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace.h"

/* Fuzzers neither grow a trace beyond this nor run more of it: many short runs find more than few long ones. */
#define TRACE_FUZZ_OPERATIONS 256

struct generator_vmar {
    uint16_t options; /* ZX_VM_CAN_MAP_* that it was asked for */
    uint8_t parent;
    uint32_t pages;
};

struct generator_vmo {
    bool resizable;
    uint32_t pages;
};

struct generator_mark {
    uint8_t vmar, vmo; /* where it lies; what a mapping shows */
    uint8_t permissions;
    uint32_t pages;
};

#define GENERATOR_RECENT 4

/* What the trace so far has probably made, told from its operations alone. */
struct generator {
    uint64_t random;
    uint64_t vmars, vmos, mappings, marks; /* a bit for each slot */
    struct generator_vmar vmar[TRACE_SLOTS];
    struct generator_vmo vmo[TRACE_SLOTS];
    struct generator_mark mark[TRACE_SLOTS];
    uint8_t recent_vmar[GENERATOR_RECENT], recent_mark[GENERATOR_RECENT];
    uint8_t processes;
    uint8_t weight[TRACE_CODE_COUNT]; /* how often each operation is drawn in this trace */
    uint16_t weight_sum;
    bool wild; /* whether wild options are drawn at all */
    /* A run of similar operations, such as fragments are made of. */
    uint8_t run_left, run_step, run_kind;
    struct trace_op run_op;
};

/* Before the first operation. Equal seeds draw equal traces. */
void generator_start(struct generator *generator, uint64_t seed);

/* Tells the generator of an operation that the trace has. */
void generator_note(struct generator *generator, const struct trace_op *op);

/* An operation in canonical form that may come next; the generator is not told of it. */
void generator_draw(struct generator *generator, struct trace_op *op);

/* Draws one field of `op` afresh: the field numbered `field` of its shape. */
void generator_redraw(struct generator *generator, struct trace_op *op, unsigned field);

void generator_header(struct generator *generator, struct trace_header *header);

uint64_t generator_random(struct generator *generator);
/* Below `limit`, which is not 0. */
uint32_t generator_below(struct generator *generator, uint32_t limit);

/* A whole trace of that many operations (as many of them as fit, at most TRACE_OPERATIONS_MAX): its size in bytes; 0 where not even
   the header fits. */
size_t trace_generate(uint64_t seed, uint32_t operations, uint8_t *out, size_t capacity);

#endif /* FUZZ_GENERATE_H_ */
