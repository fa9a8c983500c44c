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
 *
 * Where the environment names a file, ZVM_COUNT_FILE, of at least 16 bytes, operations and runs are counted there (two u64, added
 * atomically): the processes of a campaign share it, and what one has counted stays when it dies.
 */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Of the whole campaign; where it is not asked for, of this process. */
struct counts {
    atomic_uint_least64_t operations, runs;
};
static struct counts own_counts, *counts = &own_counts;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Before the first input, and before afl-fuzz takes its copy of the process, so that no run does it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *path = getenv("ZVM_COUNT_FILE");
    struct stat status;

    (void)argc;
    (void)argv;
    if (path == NULL)
        return 0;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    void *shared = MAP_FAILED;
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size >= (off_t)sizeof *counts)
        shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) {
        vm_print(&vm_log_sink, "zvm: %s: expected a file of %zu bytes to count in\n", path, sizeof *counts);
        exit(EXIT_FAILURE);
    }
    close(file);
    counts = shared;
    return 0;
}

static bool observe(void *context, uint32_t index, const struct trace_op *op,
                    const struct trace_record *record)
{
    const struct vm_stats *stats = record->stats;

    (void)context;
    (void)index;
    atomic_fetch_add_explicit(&counts->operations, 1, memory_order_relaxed);
    counters.answer[op->code][(unsigned)-record->status % ANSWERS] = 1;
    counters.state[op->code][bucket_of(stats->regions - stats->mappings)][bucket_of(stats->mappings)] = 1;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct trace_options options = {.check_every = CHECK_EVERY, .observe = observe};
    struct trace_result result;

    atomic_fetch_add_explicit(&counts->runs, 1, memory_order_relaxed);
    trace_run(bytes, size < SIZE_MOST ? size : SIZE_MOST, &options, &result);
    if (result.status != ZX_OK) {
        vm_print(&vm_log_sink, "zvm: broken after %u of %zu operations\n", result.operations,
                 trace_count(size));
        abort();
    }
    return 0;
}
