/* SPDX-License-Identifier: MIT */
/*
 * run.h: runs a trace on a fresh machine against the model and the checkers; used by fuzz targets, zvt and
 * the booted kernel alike.
 */
#ifndef FUZZ_RUN_H_
#define FUZZ_RUN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

struct vm_sink;
struct trace_op;
struct trace_record;

struct trace_options {
    unsigned check_every;   /* vm_check after every nth operation; 0: only at the end */
    struct vm_sink *report; /* what broke, in words; null: the log */
    /* Called after each operation with what it was and what came of it; may be null. Stops the run by
       returning false. */
    bool (*observe)(void *context, uint32_t index, const struct trace_op *op,
                    const struct trace_record *record);
    void *context;
    /* When not 0 it takes the place of the trace's own failure switches: this allocation of the whole run
       fails, the start of the machine included; where persistent, so do all after it. */
    uint64_t fail_nth;
    bool fail_persistent;
};

struct trace_result {
    uint64_t digest; /* of all records */
    uint32_t operations;
    /* ZX_OK; ZX_ERR_BAD_STATE: model and core disagree, or an invariant broke, at operation `operations - 1`. */
    zx_status_t status;
    uint64_t allocations; /* asked for during the run */
};

/* Never refuses an input. One at a time. */
void trace_run(const uint8_t *bytes, size_t size, const struct trace_options *options,
               struct trace_result *result);

#endif /* FUZZ_RUN_H_ */
