/* SPDX-License-Identifier: MIT */
/*
 * clock.c: time by the processor's counter (TSC), whose frequency is measured against the interval timer (PIT).
 *
 * Concept. An emulator may stop the processor for any time between two instructions. So what is measured is not a
 * number but an interval that the frequency must lie in: the timer's count was read at some moment between two readings
 * of the counter, which bound that moment. Of several measurements the narrowest counts. What a processor says about
 * itself is believed where it lies in that interval (an emulator may repeat what a real one says); else the
 * roundest number in it is as good as any.
 *
 * The timer's second channel counts down once from its largest value; a measurement that takes longer than that is
 * seen by the channel's output, and done again.
 */
#include <stdatomic.h>
#include <vm/format.h>

#include "clock.h"
#include "cpu.h"
#include "io.h"
#include "spinlock.h"

#define PIT_FREQUENCY 1193182u
#define PIT_CHANNEL2  0x42
#define PIT_COMMAND   0x43
#define PIT_ONCE      0xb0 /* channel 2, both bytes, one count to zero */
#define PIT_LATCH     0x80 /* channel 2 */
#define PIT_GATE      0x61 /* bit 0: channel 2 counts; bit 1: the loudspeaker; bit 5: its output */
#define GATE_COUNT    0x01
#define GATE_SPEAKER  0x02
#define GATE_OUTPUT   0x20

#define WINDOW       23864u /* of the timer's ticks: 20 ms */
#define MEASUREMENTS 4
#define TRIES        50
#define COMPARISONS  400
#define SECOND       1000000000ull
#define FAR          100u /* parts in a million by which a measurement may be uncertain without our saying so */

static uint64_t frequency, low, high; /* of the counter; the interval that was measured */
static uint64_t started;
static uint64_t scale; /* nanoseconds a tick, 32 bits behind the point */
static const char *source;

struct sample {
    uint64_t before, after; /* the counter */
    uint32_t count;         /* the timer's, at some moment between */
};

static uint32_t read_count(void)
{
    outb(PIT_COMMAND, PIT_LATCH);
    uint32_t count = inb(PIT_CHANNEL2);
    return count | (uint32_t)inb(PIT_CHANNEL2) << 8;
}

/* The narrowest of a few. */
static struct sample take_sample(void)
{
    struct sample best = {0, UINT64_MAX, 0};
    for (unsigned i = 0; i < 8; i++) {
        struct sample sample;
        sample.before = read_tsc();
        sample.count = read_count();
        sample.after = read_tsc();
        if (sample.after - sample.before < best.after - best.before)
            best = sample;
    }
    return best;
}

/* Narrows [low, high]. False: it took too long. */
static bool measure(void)
{
    uint8_t gate = inb(PIT_GATE) & (uint8_t) ~(GATE_COUNT | GATE_SPEAKER);
    outb(PIT_GATE, gate);
    outb(PIT_COMMAND, PIT_ONCE);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_GATE, gate | GATE_COUNT);

    struct sample from = take_sample(), to;
    do
        to = take_sample();
    while (from.count - to.count < WINDOW && (inb(PIT_GATE) & GATE_OUTPUT) == 0);
    bool in_time = (inb(PIT_GATE) & GATE_OUTPUT) == 0 && from.count > to.count;
    outb(PIT_GATE, gate);
    if (!in_time || to.before <= from.after)
        return false;

    /* A count is up to a tick old. */
    uint32_t ticks = from.count - to.count;
    uint64_t least = (to.before - from.after) * PIT_FREQUENCY / (ticks + 1);
    uint64_t most = (to.after - from.before) * PIT_FREQUENCY / (ticks - 1) + 1;
    if (least > high || most < low)
        return true; /* the emulator's own clocks disagree: the first one stays */
    low = least > low ? least : low;
    high = most < high ? most : high;
    return true;
}

/* The number in the interval that ends in the most zeros. */
static uint64_t roundest(void)
{
    uint64_t best = low + (high - low) / 2;
    for (uint64_t unit = 10; unit <= high; unit *= 10)
        if (high / unit * unit >= low)
            best = high / unit * unit;
    return best;
}

/* What the processor, or what emulates it, says; 0: nothing. */
static uint64_t told_by_crystal(void)
{
    if (cpuid(0).a < 0x15)
        return 0;
    struct cpuid ratio = cpuid(0x15);
    return ratio.a == 0 ? 0 : (uint64_t)ratio.c * ratio.b / ratio.a;
}

static uint64_t told_by_processor(void)
{
    return cpuid(0).a < 0x16 ? 0 : (cpuid(0x16).a & 0xffff) * 1000000ull;
}

static uint64_t told_by_hypervisor(void)
{
    bool there = cpuid(1).c >> 31 & 1;
    return there && cpuid(0x40000000).a >= 0x40000010 ? cpuid(0x40000010).a * 1000ull : 0;
}

static void choose(void)
{
    const struct {
        uint64_t value;
        const char *source;
    } told[] = {{told_by_hypervisor(), "the hypervisor"},
                {told_by_crystal(), "the processor's crystal"},
                {told_by_processor(), "the processor's model"}};
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (told[i].value != 0 && told[i].value >= low && told[i].value <= high) {
            frequency = told[i].value;
            source = told[i].source;
            return;
        }
    frequency = roundest();
    source = "the interval timer";
}

void clock_start(void)
{
    unsigned done = 0;
    low = 0;
    high = UINT64_MAX;
    for (unsigned i = 0; i < TRIES && done < MEASUREMENTS; i++)
        done += measure();
    if (done == 0) {
        vm_print(&vm_log_sink, "clock: the interval timer does not count: time is a guess\n");
        low = high = SECOND;
    }
    choose();
    if ((high - low) / 2 > frequency / 1000000 * FAR)
        vm_print(&vm_log_sink, "clock: measured no better than between %llu and %llu Hz\n",
                 (unsigned long long)low, (unsigned long long)high);
    scale = (SECOND << 32) / frequency;
    started = read_tsc();
}

int64_t clock_now(void)
{
    unsigned __int128 ticks = read_tsc() - started;
    return (int64_t)(uint64_t)(ticks * scale >> 32);
}

int64_t clock_ticks_per_second(void)
{
    return (int64_t)frequency;
}

void clock_spin(int64_t nanoseconds)
{
    int64_t until = clock_now() + nanoseconds;
    while (clock_now() < until)
        spin_pause();
}

/* Waits until as many have come as are wanted. */
static void meet(atomic_uint *arrived, unsigned wanted)
{
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < wanted)
        spin_pause();
}

int64_t clock_compare(struct clock_comparison *shared)
{
    meet(&shared->arrived, 2);
    for (unsigned i = 0; i < COMPARISONS; i++) {
        spinlock_take(&shared->lock);
        int64_t now = clock_now();
        if (shared->last - now > shared->most)
            shared->most = shared->last - now;
        shared->last = now;
        spinlock_give(&shared->lock);
        spin_pause();
    }
    meet(&shared->arrived, 4);
    return shared->most;
}

void clock_describe(struct vm_sink *sink)
{
    vm_print(sink, "clock: %llu Hz, by %s\n", (unsigned long long)frequency, source);
}
