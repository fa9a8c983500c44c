/* SPDX-License-Identifier: MIT */
/*
 * run_system.c: operations on no object: random numbers, the clock, the processor that runs what follows, the
 * switch that makes an allocation fail.
 *
 * Random bytes follow from the machine's seed, so they belong into the digest. Which they are the model does
 * not know; but no eight of them come twice in a run, but for a chance that no run will ever have. The clock is
 * the host's own affair, as long as it does not go back.
 */
#include <vm/mem.h>
#include <zircon/syscalls.h>

#include "runner.h"
#include "trace_host.h"

#define BEHIND 16 /* bytes behind those that were asked for */

/* Whether the number came before, or comes again later, among `count` of this draw. */
static bool is_repeated(const struct run *run, const uint64_t *numbers, uint32_t index, uint32_t count)
{
    for (uint32_t i = 0; i < run->drawn_count; i++) {
        if (run->drawn[i] == numbers[index])
            return true;
    }
    for (uint32_t i = index + 1; i < count; i++) {
        if (numbers[i] == numbers[index])
            return true;
    }
    return false;
}

static void check_drawn(struct run *run, uint64_t size)
{
    const uint32_t count = (uint32_t)(size / sizeof(uint64_t));
    uint64_t numbers[RUN_DRAW_MAX / sizeof(uint64_t)];

    memcpy(numbers, run->buffer, count * sizeof(uint64_t));
    for (uint32_t i = 0; i < count && !run->broken; i++) {
        if (is_repeated(run, numbers, i, count))
            run_broken(run, "the random number 0x%llx comes twice", (unsigned long long)numbers[i]);
    }
    if (count > 0 && run->drawn_count < RUN_DRAWN_MAX)
        run->drawn[run->drawn_count++] = numbers[0];
    for (unsigned i = 0; i < BEHIND; i++) {
        if (run->buffer[size + i] != 0xa5)
            run_broken(run, "%llu random bytes reach further", (unsigned long long)size);
    }
}

void run_cprng_draw(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint64_t wanted = run_size(run, 1, &s, 0), size = wanted < RUN_DRAW_MAX ? wanted : RUN_DRAW_MAX;

    run_argument(run, size);
    memset(run->buffer, 0xa5, size + BEHIND);
    zx_cprng_draw(run->buffer, size);
    run->record.status = ZX_OK;
    check_drawn(run, size);
    if (size > 0)
        run_data(run, run->buffer, size);
}

void run_ticks_get(struct run *run)
{
    for (unsigned i = 0; i < 2; i++) {
        const zx_ticks_t now = zx_ticks_get();
        if (now < run->ticks)
            run_broken(run, "the clock goes back from %lld to %lld", (long long)run->ticks, (long long)now);
        run->ticks = now;
    }
    run->record.status = ZX_OK;
}

void run_select_processor(struct run *run)
{
    const unsigned processor = run->op.b % run->header.processors;

    run_argument(run, processor);
    trace_host_select_processor(processor);
    run->record.status = ZX_OK;
}

void run_fail_allocation(struct run *run)
{
    const uint64_t nth = run->op.b;

    run_argument(run, nth);
    run->record.status = ZX_OK;
    if (run->options->fail_nth != 0)
        return;
    trace_host_fail_allocation(nth, false);
    run->fail_at = nth == 0 ? 0 : trace_host_allocation_count() + nth;
    run->fail_persistent = false;
}
