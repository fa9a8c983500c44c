/* SPDX-License-Identifier: MIT */
/* runner.h: the state of a run, shared by run.c (the loop, the verdict) and run_ops.c (the operations). */
#ifndef FUZZ_RUNNER_H_
#define FUZZ_RUNNER_H_

#include <vm/machine.h>

#include "model.h"
#include "run.h"
#include "trace.h"

/* The longest access, and the longest transfer from or to a VMO. */
#define RUN_ACCESS_MAX   (2 * 4096u)
#define RUN_TRANSFER_MAX (4 * 4096u)

/* Where something was placed; stays when that has gone. */
struct run_landmark {
    bool used;
    zx_vaddr_t base;
    uint64_t size;
    uint64_t vmo_offset;
};

struct run {
    const struct trace_options *options;
    struct vm_sink *report;
    struct model model;
    struct vm_process *processes[TRACE_PROCESSES]; /* referenced; null where the model has none */
    uint8_t current;
    bool broken;
    struct trace_header header;
    struct trace_op op;
    struct trace_record record;
    uint32_t index;
    uint64_t digest;
    uint64_t fail_at; /* the allocation that fails, counted from the start of the machine; 0: none */
    bool fail_persistent;
    uint64_t allocations;  /* before the operation */
    struct vm_stats stats; /* likewise */
    uint64_t core_vmars;   /* VMARs that are the core's own */
    zx_vaddr_t last;       /* where something was placed last */
    struct run_landmark landmarks[TRACE_SLOTS];
    zx_handle_t closed[TRACE_PROCESSES];
    int16_t slots[TRACE_PROCESSES][TRACE_TYPE_COUNT][TRACE_SLOTS]; /* index of a handle + 1; 0: never used */
    uint8_t *buffer, *expected;                                    /* RUN_TRANSFER_MAX bytes each */
};

/* Calls the core for run->op, compares with the model, fills run->record. */
void run_operation(struct run *run);

/* The run has found something: words to the report, once. */
void run_broken(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a handle into the slot, or the next that holds no open one; which. */
uint8_t run_name_handle(struct run *run, uint8_t process, uint8_t type, uint8_t slot, int32_t handle);

/* Gives the process that the core just made to the model, with its own two handles. */
uint8_t run_adopt_process(struct run *run, struct vm_process *process, bool hosted);

#endif /* FUZZ_RUNNER_H_ */
