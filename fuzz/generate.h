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
    uint16_t options; /* ZX_VM_CAN_MAP_* that VMAR and handle allow */
    uint8_t parent;   /* slot */
    uint8_t process;  /* whose space it is in */
    uint32_t pages;
    uint32_t used; /* pages from its base, behind which it is probably empty */
};

struct generator_vmo {
    bool resizable, mappable;
    bool snapshot;       /* made as one, or a slice of one */
    bool contiguous;     /* likewise */
    bool physical;       /* likewise; then contiguous too */
    uint8_t permissions; /* ZX_VM_PERM_* that its handle allows */
    uint32_t pages;
    uint32_t code, code_pages; /* of a vDSO: where its code begins, in pages; none: 0 pages */
};

struct generator_mark {
    uint8_t vmar, vmo; /* where it lies; what a mapping shows */
    uint8_t process;
    uint8_t permissions;
    uint32_t offset, pages; /* in its VMAR; GENERATOR_ANYWHERE */
};

#define GENERATOR_ROOT     0 /* slot */
#define GENERATOR_ANYWHERE UINT32_MAX
#define GENERATOR_MANY     0x7fffffffu /* pages: more than matters */
#define GENERATOR_RECENT   4

/* What a trace is about, beside VMARs and VMOs. */
enum generator_theme {
    GENERATOR_NO_THEME,
    GENERATOR_TABLES, /* page tables come and go */
    GENERATOR_SPACES, /* the kernel's space and those of guests */
    GENERATOR_VALLOC,
    GENERATOR_VDSO,
    GENERATOR_THEMES
};

/* What the trace so far has probably made, told from its operations alone. Slots are the handles of the current process;
   slot GENERATOR_ROOT has the root VMAR's from the start, and `vmars` does not tell of it. */
struct generator {
    uint64_t random;
    uint16_t memory_pages;    /* of the machine, where it is known; else 0 */
    uint8_t processors;       /* likewise */
    uint64_t vmars, vmos;     /* handles: a bit for each slot */
    uint64_t marks, mappings; /* landmarks; those that are mappings */
    uint64_t other_vmars[TRACE_PROCESSES],
        other_vmos[TRACE_PROCESSES]; /* of processes that are not current */
    struct generator_vmar vmar[TRACE_SLOTS];
    struct generator_vmo vmo[TRACE_SLOTS];
    struct generator_mark mark[TRACE_SLOTS];
    uint8_t recent_vmar[GENERATOR_RECENT], recent_mark[GENERATOR_RECENT];
    uint8_t process_slot[TRACE_PROCESSES]; /* of the handle to it */
    uint8_t fresh_vmo; /* the slot of a VMO that the last operation made; none: TRACE_SLOT_NONE */
    uint8_t family
        [2]; /* slots of the VMO that was made a child of last and of the child, or of a contiguous one */
    uint8_t family_left; /* operations that are still mostly about these */
    bool fresh_large;    /* the last operation made the family, which may be shown with large pages */
    uint16_t sharers;    /* processes that share a space: a bit for each */
    /* Slots of the root VMARs of the process that was made last to share, and of the one that joined last. */
    uint8_t part[2];
    uint8_t sharing_left;             /* operations that are still mostly about these */
    uint8_t joiners_wanted;           /* so many more are to join the one that was made last */
    uint8_t processes, process;       /* how many beside the first; the current one */
    uint8_t weight[TRACE_CODE_COUNT]; /* how often each operation is drawn in this trace */
    uint16_t weight_sum;
    bool wild;                          /* whether wild options are drawn at all */
    uint8_t theme;                      /* enum generator_theme */
    uint8_t guests;                     /* spaces of guests: a bit for each number */
    uint64_t space_marks[TRACE_SPACES]; /* landmarks in the kernel's space and those of guests */
    uint64_t vdsos, vdso_marks;         /* VMOs that are; landmarks of their code */
    bool valloc;                        /* virtual_alloc was initialised */
    uint8_t valloc_runs;
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

/* Draws all operands of the operation that op->code names; the rest of `op` is zero. Not yet in canonical form. (generate_op.c) */
void generator_draw_operands(struct generator *generator, struct trace_op *op);

/* Of operations from harvest_accessed_bits on: what they leave behind. (generate_aspace.c) */
void generator_note_aspace(struct generator *generator, const struct trace_op *op);
/* An operation that the trace's theme calls for; false: none now. (generate_aspace.c) */
bool generator_draw_theme_code(struct generator *generator, struct trace_op *op);
/* About how many pages the amount of that number means. */
uint32_t generator_estimate(const struct generator *generator, const struct trace_op *op, unsigned which,
                            uint32_t whole);

void generator_header(struct generator *generator, struct trace_header *header);

uint64_t generator_random(struct generator *generator);
/* Below `limit`, which is not 0. */
uint32_t generator_below(struct generator *generator, uint32_t limit);

static inline bool generator_percent(struct generator *generator, uint32_t chance)
{
    return generator_below(generator, 100) < chance;
}

/* One of the bytes. */
uint8_t generator_pick(struct generator *generator, const uint8_t *choices, size_t count);
#define GENERATOR_PICK(generator, ...)                                                                       \
    generator_pick(generator, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline uint64_t generator_bit(uint8_t slot)
{
    return slot < TRACE_SLOTS ? (uint64_t)1 << slot : 0;
}

/* Slots with a VMAR's handle or a mapping. */
static inline uint64_t generator_taken(const struct generator *generator)
{
    uint64_t taken = generator->vmars | generator->mappings | (uint64_t)1 << GENERATOR_ROOT;

    for (unsigned i = 0; i < TRACE_SPACES; i++)
        taken |= generator->space_marks[i];
    return taken;
}

static inline struct generator_vmar *generator_vmar(struct generator *generator, uint8_t slot)
{
    return &generator->vmar[slot < TRACE_SLOTS ? slot : GENERATOR_ROOT];
}

/* A whole trace of that many operations (as many of them as fit, at most TRACE_OPERATIONS_MAX): its size in bytes; 0 where not even
   the header fits. */
size_t trace_generate(uint64_t seed, uint32_t operations, uint8_t *out, size_t capacity);

#endif /* FUZZ_GENERATE_H_ */
