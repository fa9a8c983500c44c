/* SPDX-License-Identifier: MIT */
/*
 * target_trace.c: the fuzz target of both engines: runs an input as a trace and dies when a judge finds something broken.
 *
 * Every run starts a machine of its own in memory that it takes for undefined, so nothing of one input is left for the next one:
 * stability is 100 %, and what dies here dies again when it is run alone.
 */
#include <stdlib.h>

#include <vm/format.h>

#include "generate.h"
#include "run.h"

/* Looking at everything after each operation costs more than the operation; whatever stays broken is found at the end as well. */
#define CHECK_EVERY 4

#define SIZE_MOST (TRACE_HEADER_SIZE + TRACE_FUZZ_OPERATIONS * TRACE_OPERATION_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct trace_options options = {.check_every = CHECK_EVERY};
    struct trace_result result;

    trace_run(bytes, size < SIZE_MOST ? size : SIZE_MOST, &options, &result);
    if (result.status != ZX_OK) {
        vm_print(&vm_log_sink, "zvm: broken after %u of %zu operations\n", result.operations,
                 trace_count(size));
        abort();
    }
    return 0;
}
