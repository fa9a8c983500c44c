/* SPDX-License-Identifier: MIT */
/*
 * target_trace.c: the fuzz target of both engines: runs an input as a trace and dies when a judge finds something broken.
 *
 * Every run starts a machine of its own in memory that it takes for undefined, so nothing of one input is left for the next one:
 * stability is 100 %, and what dies here dies again when it is run alone.
 *
 * libFuzzer is told of more than code: which operation was answered how, and in how rich a state it was done. A defect that
 * needs many regions is reached by steps then, each of which is worth keeping, though none runs a new line. AFL++ takes no
 * notice of these counters.
 */
#include <stdlib.h>

#include <vm/format.h>
#include <vm/machine.h>

#include "generate.h"
#include "run.h"

/* Looking at everything after each operation costs more than the operation; whatever stays broken is found at the end as well. */
#define CHECK_EVERY 4

#define SIZE_MOST (TRACE_HEADER_SIZE + TRACE_FUZZ_OPERATIONS * TRACE_OPERATION_SIZE)

#define ANSWERS 64 /* statuses, negated, are below */
#define BUCKETS 8

static struct {
    uint8_t answer[TRACE_CODE_COUNT][ANSWERS];
    uint8_t state[TRACE_CODE_COUNT][BUCKETS][BUCKETS]; /* VMARs, mappings */
} counters __attribute__((section("__libfuzzer_extra_counters")));

/* 0, 1, 2-3, 4-7, … */
static unsigned bucket_of(uint64_t count)
{
    unsigned bucket = 0;

    for (; count > 0 && bucket < BUCKETS - 1; count >>= 1)
        bucket++;
    return bucket;
}

static bool observe(void *context, uint32_t index, const struct trace_op *op,
                    const struct trace_record *record)
{
    struct vm_stats stats;

    (void)context;
    (void)index;
    vm_machine_stats(&stats);
    counters.answer[op->code][(unsigned)-record->status % ANSWERS] = 1;
    counters.state[op->code][bucket_of(stats.regions - stats.mappings)][bucket_of(stats.mappings)] = 1;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct trace_options options = {.check_every = CHECK_EVERY, .observe = observe};
    struct trace_result result;

    trace_run(bytes, size < SIZE_MOST ? size : SIZE_MOST, &options, &result);
    if (result.status != ZX_OK) {
        vm_print(&vm_log_sink, "zvm: broken after %u of %zu operations\n", result.operations,
                 trace_count(size));
        abort();
    }
    return 0;
}
