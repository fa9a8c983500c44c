/* SPDX-License-Identifier: MIT */
/*
 * run.c: runs a trace: the same code judges the core on the host and in the booted kernel.
 *
 * Concept. A run builds a machine in memory that the host lends, carries out the operations one after the
 * other against the core and against the model, and takes the machine down again. The verdict is ZX_OK only
 * if every answer and every byte was what the model says, a refused call left the counts as they were, every
 * invariant held whenever it was checked, and nothing was left over at the end.
 *
 * Determinism. A record holds nothing that depends on the host: handles appear as slots, and everything else
 * comes from the trace, from the core's own seeded random numbers, or from simulated memory. The digest is a
 * hash over the records (trace_hash_record).
 *
 * Memory. All state stands in the host's scratch memory: this structure, the model's arrays (their size
 * follows from the number of operations, so a short trace clears little), then page contents and buffers,
 * which need no clearing. The first run asks for all of it, so that later ones may use what lies behind the
 * part that they ask to be cleared.
 *
 * Locking: one run at a time. Cost: per operation, linear in the size of the model; plus the checks.
 */
#include <stdarg.h>

#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ZX_PAGE_SIZE

static const char *ordinal_of(char *buffer, size_t size, const struct run *run)
{
    vm_snprint(buffer, size, "operation %u", run->index);
    return buffer;
}

void run_broken(struct run *run, const char *format, ...)
{
    va_list args;
    char where[32];

    if (run->broken)
        return;
    run->broken = true;
    vm_print(run->report, "trace: %s: ", ordinal_of(where, sizeof where, run));
    va_start(args, format);
    vm_vprint(run->report, format, args);
    va_end(args);
    vm_print(run->report, "\n  ");
    trace_print_op(run->report, &run->op);
    vm_print(run->report, "\n ");
    trace_print_record(run->report, &run->op, &run->record);
    vm_print(run->report, "\n");
    if (run->processes[run->current] != NULL)
        vm_aspace_dump(vm_process_aspace(run->processes[run->current]), run->report);
}

/* ---- Setting up ---- */

static struct run *make_run(const struct trace_header *header, uint32_t operations)
{
    static bool whole_asked_for;
    struct model sizes;
    const size_t head = (sizeof(struct run) + 15) & ~(size_t)15;

    if (!whole_asked_for)
        trace_host_scratch(TRACE_SCRATCH_MAX);
    whole_asked_for = true;
    const size_t cleared = head + model_layout(&sizes, NULL, operations);
    char *const memory = trace_host_scratch(cleared);
    struct run *const run = (struct run *)(void *)memory;
    char *behind = memory + cleared;

    model_layout(&run->model, memory + head, operations);
    behind += model_layout_pages(&run->model, behind, header->memory_pages);
    run->buffer = (uint8_t *)behind;
    run->expected = run->buffer + RUN_TRANSFER_MAX;
    run->header = *header;
    run->ticks = INT64_MIN;
    run->model.aslr = !header->aslr_off;
    run->model.entropy_bits = header->entropy_bits != 0 ? header->entropy_bits : 30;
    run->model.compact_entropy_bits = header->compact_entropy_bits != 0 ? header->compact_entropy_bits : 8;
    return run;
}

_Static_assert(sizeof(struct run) + TRACE_OPERATIONS_MAX * 512 +
                       TRACE_MEMORY_PAGES_MAX * (ZX_PAGE_SIZE + 16 * 16 + 16) +
                       TRACE_DEVICE_PAGES * (ZX_PAGE_SIZE + 16 + 16) + 2 * RUN_TRANSFER_MAX + (64u << 10) <
                   TRACE_SCRATCH_MAX,
               "the longest trace in the largest machine fits into the scratch memory");

static void arm(struct run *run, uint64_t nth, bool persistent)
{
    trace_host_fail_allocation(nth, persistent);
    run->fail_at = nth == 0 ? 0 : trace_host_allocation_count() + nth;
    run->fail_persistent = persistent;
}

/* The machine with its first process; false where it has too little memory, nothing being left of it. */
static bool start_machine(struct run *run)
{
    const struct trace_header *header = &run->header;
    const struct pmm_range memory = trace_host_memory(header->memory_pages);
    const struct vm_machine_config config = {
        .memory = &memory,
        .memory_count = 1,
        .seed = header->seed,
        .aslr_off = header->aslr_off,
        .entropy_bits = header->entropy_bits,
        .compact_entropy_bits = header->compact_entropy_bits,
    };

    trace_host_start_processors(header->processors);
    arm(run, run->options->fail_nth, run->options->fail_persistent);
    if (vm_machine_start(&config) == NULL)
        return false;
    struct vm_process *const process = vm_process_create("trace");
    if (process == NULL) {
        trace_host_fail_allocation(0, false);
        if (vm_machine_stop(run->report) != ZX_OK)
            run_broken(run, "the machine, which got no first process, left something behind");
        return false;
    }
    run_adopt_process(run, process, true, MODEL_ALONE, MODEL_NONE);
    model_start_spaces(&run->model);
    virtual_alloc_construct(&run->valloc, VM_PAGE_ALLOC);
    vm_machine_stats(&run->stats);
    run->core_vmars = run->stats.regions - run->stats.mappings - (uint64_t)run->model.vmar_count;
    if (run->options->fail_nth == 0 && header->fail)
        arm(run, header->fail_nth, header->fail_persistent);
    return true;
}

/* ---- Checking ---- */

/* Processes that the model saw die are let go. */
static void release_dead(struct run *run)
{
    for (unsigned i = 0; i < TRACE_PROCESSES; i++) {
        if (run->processes[i] != NULL && !run->model.processes[i].alive) {
            vm_process_release(run->processes[i]);
            run->processes[i] = NULL;
        }
    }
}

static void expect_count(struct run *run, const char *what, uint64_t want, uint64_t got)
{
    if (want != got)
        run_broken(run, "expected %llu %s, got %llu", (unsigned long long)want, what,
                   (unsigned long long)got);
}

static void check_counts(struct run *run, const struct vm_stats *now)
{
    struct model *const model = &run->model;
    uint64_t vmars = 0, vmos = 0, handles = 0, processes = 0;

    for (int32_t i = 0; i < model->vmar_count; i++)
        vmars += model->vmars[i].alive;
    model_note_living(model);
    for (int32_t i = 0; i < model->vmo_count; i++)
        vmos += model->vmos[i].living;
    for (int32_t i = 0; i < model->handle_count; i++)
        handles += model->handles[i].open;
    for (unsigned i = 0; i < TRACE_PROCESSES; i++)
        processes += model->processes[i].alive || model->processes[i].handles > 0;
    expect_count(run, "VMARs", vmars, now->regions - now->mappings - run->core_vmars);
    expect_count(run, "VMOs", vmos, now->vmos);
    expect_count(run, "handles", handles, now->handles);
    expect_count(run, "processes", processes, now->processes);
}

static void check_priorities(struct run *run)
{
    for (uint8_t i = 0; i < TRACE_PROCESSES; i++) {
        if (run->processes[i] == NULL)
            continue;
        const bool want = model_is_high_priority(&run->model, i);
        if (vm_aspace_is_high_memory_priority(vm_process_aspace(run->processes[i])) != want)
            run_broken(run, "expected process %u to be of %s memory priority", i, want ? "high" : "default");
    }
}

/* Whether a refused operation changed something. An access that got some way before it was refused may
   have, and closing many closes those that are valid. */
static void check_unchanged(struct run *run, const struct vm_stats *now)
{
    const struct vm_stats *was = &run->stats;

    if (run->record.status == ZX_OK ||
        (run->op.code == TRACE_HANDLE_CLOSE_MANY && run->record.status == ZX_ERR_BAD_HANDLE))
        return;
    const bool partial = run->op.code == TRACE_READ || run->op.code == TRACE_WRITE ||
                         run->op.code == TRACE_SPACE_READ || run->op.code == TRACE_SPACE_WRITE ||
                         run->op.code == TRACE_SOFT_FAULT_IN_RANGE;
    if (partial && run->record.results[0] != 0)
        return;
    /* What was committed stays. */
    if (run->op.code == TRACE_SPACE_MAP_OBJECT && (run->op.options & TRACE_ALLOC_COMMIT) != 0 &&
        run->record.status == ZX_ERR_NO_MEMORY)
        return;
    expect_count(run, "regions as before the refused call", was->regions, now->regions);
    expect_count(run, "mappings as before the refused call", was->mappings, now->mappings);
    expect_count(run, "VMOs as before the refused call", was->vmos, now->vmos);
    expect_count(run, "page tables as before the refused call", was->page_tables, now->page_tables);
    expect_count(run, "bytes of objects as before the refused call", was->heap_bytes, now->heap_bytes);
    expect_count(run, "free pages as before the refused call", was->pages_free, now->pages_free);
}

static void check_invariants(struct run *run)
{
    if (!vm_check(run->report))
        run_broken(run, "an invariant of the core is broken");
    if (!trace_host_check())
        run_broken(run, "a translation is cached that the tables do not have");
}

static void check_after(struct run *run)
{
    const unsigned every = run->options->check_every;
    struct vm_stats now;

    release_dead(run);
    vm_machine_stats(&now);
    if (run->model.full)
        run_broken(run, "VMOs contain more than the machine has pages");
    check_counts(run, &now);
    check_priorities(run);
    check_unchanged(run, &now);
    run->stats = now;
    if (every != 0 && (run->index + 1) % every == 0)
        check_invariants(run);
}

/* ---- The run ---- */

static bool step(struct run *run, const uint8_t *bytes, size_t size)
{
    trace_decode(bytes, size, run->index, &run->op);
    memset(&run->record, 0, sizeof run->record);
    run->allocations = trace_host_allocation_count();
    run_operation(run);
    run->digest = trace_hash_record(run->digest, &run->op, &run->record);
    run->record.digest = run->digest;
    run->record.aspace = vm_process_aspace(run->processes[run->current]);
    run->record.stats = &run->stats;
    if (!run->broken)
        check_after(run);
    if (run->options->observe != NULL &&
        !run->options->observe(run->options->context, run->index, &run->op, &run->record))
        return false;
    return !run->broken;
}

/* Takes everything down; what is left over then has leaked. */
static void finish(struct run *run, struct vm_process *before)
{
    trace_host_fail_allocation(0, false);
    if (!run->broken)
        check_invariants(run);
    run_unpin_all(run);
    if (!run->broken) {
        run_valloc_end(run);
        run_spaces_end(run);
    }
    for (unsigned i = 1; i < TRACE_PROCESSES; i++) {
        if (run->processes[i] != NULL)
            vm_process_release(run->processes[i]);
        run->processes[i] = NULL;
    }
    trace_host_set_process(before);
    vm_process_kill(run->processes[0]);
    vm_process_release(run->processes[0]);
    run->processes[0] = NULL;
    if (vm_machine_stop(run->report) != ZX_OK)
        run_broken(run, "something was left over at the end");
}

void trace_run(const uint8_t *bytes, size_t size, const struct trace_options *options,
               struct trace_result *result)
{
    const size_t count = trace_count(size);
    const uint32_t operations = (uint32_t)(count < TRACE_OPERATIONS_MAX ? count : TRACE_OPERATIONS_MAX);
    struct trace_header header;

    trace_decode_header(bytes, size, &header);
    struct run *const run = make_run(&header, operations);
    run->options = options;
    run->report = options->report != NULL ? options->report : &vm_log_sink;
    run->digest = TRACE_DIGEST_START;
    memset(result, 0, sizeof *result);
    result->digest = run->digest;
    if (!start_machine(run)) {
        result->status = options->fail_nth != 0 && !run->broken ? ZX_OK : ZX_ERR_BAD_STATE;
        result->allocations = trace_host_allocation_count();
        trace_host_fail_allocation(0, false);
        return;
    }
    struct vm_process *const before = trace_host_set_process(run->processes[0]);
    while (run->index < operations) {
        const bool go_on = step(run, bytes, size);
        run->index++;
        if (!go_on)
            break;
    }
    result->operations = run->index;
    result->allocations = trace_host_allocation_count();
    if (run->index > 0)
        run->index--;
    finish(run, before);
    result->digest = run->digest;
    result->status = run->broken ? ZX_ERR_BAD_STATE : ZX_OK;
}
