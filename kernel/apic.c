/* SPDX-License-Identifier: MIT */
/*
 * apic.c: the local interrupt controller, by memory (xAPIC) where the processor has it that way, else by its own registers
 * (x2APIC). Both have the same registers, 16 bytes apart there and one apart here; only the one that sends
 * differs, which is two words by memory.
 *
 * What came through the old controller before still does: it is connected to the first processor's input 0, all others
 * are masked.
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/vmo.h>

#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "io.h"
#include "paging.h"
#include "spinlock.h"
#include "trap.h"

#define MSR_APIC_BASE    0x1bu
#define BASE_ENABLED     (1ull << 11)
#define BASE_X2          (1ull << 10)
#define BASE_ADDRESS     0x000ffffffffff000ull
#define MSR_X2           0x800u
#define CPUID1_D_APIC    9
#define CPUID1_C_X2      21
#define DEFAULT_ADDRESS  0xfee00000u
#define REGISTERS_STRIDE 16

/* Registers, by number. */
enum {
    ID = 0x02,
    PRIORITY = 0x08,
    END = 0x0b,
    SPURIOUS = 0x0f,
    ERRORS = 0x28,
    COMMAND = 0x30,
    COMMAND_HIGH = 0x31, /* by memory only */
    TIMER = 0x32,
    LINE0 = 0x35,
    LINE1 = 0x36,
    ERROR = 0x37,
    INITIAL = 0x38,
    CURRENT = 0x39,
    DIVIDE = 0x3e
};

#define SPURIOUS_ENABLE (1u << 8)
#define MASKED          (1u << 16)
#define LINE_EXTERNAL   (7u << 8) /* the old controller says which vector */
#define LINE_NMI        (4u << 8)
#define DIVIDE_BY_16    3u
#define DELIVER_NMI     (4u << 8)
#define DELIVER_INIT    (5u << 8)
#define DELIVER_STARTUP (6u << 8)
#define COMMAND_PENDING (1u << 12)
#define COMMAND_ASSERT  (1u << 14)
#define CALIBRATE       10000000 /* nanoseconds */
#define TIMER_SCALE     20       /* bits behind the point */

static volatile uint32_t *registers; /* null: by MSR */
static bool there;
static uint64_t timer_rate; /* ticks a nanosecond, so many bits behind the point */
static int64_t timer_most;  /* nanoseconds */

static uint32_t read(unsigned number)
{
    if (registers == NULL)
        return (uint32_t)read_msr(MSR_X2 + number);
    return registers[number * (REGISTERS_STRIDE / sizeof(*registers))];
}

static void write(unsigned number, uint32_t value)
{
    if (registers == NULL)
        write_msr(MSR_X2 + number, value);
    else
        registers[number * (REGISTERS_STRIDE / sizeof(*registers))] = value;
}

uint32_t apic_id(void)
{
    return registers == NULL ? read(ID) : read(ID) >> 24;
}

bool apic_is_there(void)
{
    return there;
}

void apic_end_interrupt(void)
{
    write(END, 0);
}

/* ---- Sending ---- */

/* By memory the target goes into a word of its own, so nobody may come between; and the one before must have left.
   What was written to memory is to be seen by whoever gets it: writing an MSR does not wait for that. */
static void command(uint32_t id, uint32_t value)
{
    uint64_t flags = interrupts_off();
    memory_fence();
    if (registers == NULL) {
        write_msr(MSR_X2 + COMMAND, (uint64_t)id << 32 | value);
    } else {
        while (read(COMMAND) & COMMAND_PENDING)
            spin_pause();
        write(COMMAND_HIGH, id << 24);
        write(COMMAND, value);
    }
    interrupts_restore(flags);
}

void apic_send(uint32_t id, unsigned vector)
{
    command(id, COMMAND_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
    command(id, COMMAND_ASSERT | DELIVER_NMI);
}

void apic_send_init(uint32_t id)
{
    command(id, COMMAND_ASSERT | DELIVER_INIT);
}

void apic_send_startup(uint32_t id, zx_paddr_t page)
{
    command(id, COMMAND_ASSERT | DELIVER_STARTUP | (uint32_t)(page >> ZX_PAGE_SHIFT));
}

/* ---- The timer ---- */

void apic_timer_arm(int64_t nanoseconds)
{
    if (nanoseconds > timer_most)
        nanoseconds = timer_most;
    if (!there)
        return;
    uint64_t ticks = nanoseconds <= 0 ? 0 : (uint64_t)nanoseconds * timer_rate >> TIMER_SCALE;
    write(INITIAL, ticks == 0 ? 1 : (uint32_t)ticks);
}

void apic_timer_cancel(void)
{
    if (there)
        write(INITIAL, 0);
}

/* How many ticks the timer makes in the time that passes; both are read at one moment, or nearly so: of a few readings the
   quickest counts. */
static void read_both(int64_t *now, uint32_t *count)
{
    int64_t quickest = INT64_MAX;
    for (unsigned i = 0; i < 8; i++) {
        int64_t before = clock_now();
        uint32_t current = read(CURRENT);
        int64_t after = clock_now();
        if (after - before < quickest) {
            quickest = after - before;
            *now = before + quickest / 2;
            *count = current;
        }
    }
}

static bool measure_timer(void)
{
    int64_t from, to;
    uint32_t first, last;

    write(INITIAL, UINT32_MAX);
    read_both(&from, &first);
    clock_spin(CALIBRATE);
    read_both(&to, &last);
    write(INITIAL, 0);
    if (first <= last || to <= from)
        return false;
    timer_rate = ((uint64_t)(first - last) << TIMER_SCALE) / (uint64_t)(to - from);
    if (timer_rate == 0)
        return false;
    /* Neither the product nor the count overflows. */
    timer_most = (int64_t)(((uint64_t)UINT32_MAX << TIMER_SCALE) / timer_rate);
    return true;
}

/* ---- Starting ---- */

static void on_spurious(void)
{
}

static bool map_registers(zx_paddr_t base)
{
    void *at = (void *)APIC_BASE;
    uint32_t flags = ARCH_MMU_READ | ARCH_MMU_WRITE | VM_UNCACHED_DEVICE << ARCH_MMU_CACHE_SHIFT;
    if (vm_aspace_alloc_physical(vm_aspace_kernel(), "apic", ZX_PAGE_SIZE, &at, 0, base,
                                 VMM_FLAG_VALLOC_SPECIFIC, flags) != ZX_OK)
        return false;
    registers = at;
    return true;
}

void apic_start_processor(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE) | BASE_ENABLED;
    write_msr(MSR_APIC_BASE, base);
    if (registers == NULL)
        write_msr(MSR_APIC_BASE, base | BASE_X2);
    write(PRIORITY, 0);
    write(SPURIOUS, SPURIOUS_ENABLE | TRAP_SPURIOUS);
    write(LINE0, LINE_EXTERNAL | (base & (1u << 8) ? 0 : MASKED)); /* bit 8: the first processor */
    write(LINE1, LINE_NMI);
    write(ERROR, MASKED);
    write(DIVIDE, DIVIDE_BY_16);
    write(INITIAL, 0);
    write(TIMER, TRAP_TIMER);
}

bool apic_start(zx_paddr_t base)
{
    struct cpuid features = cpuid(1);
    if (!(features.d >> CPUID1_D_APIC & 1)) {
        vm_print(&vm_log_sink, "apic: this processor has none: one processor, no timer\n");
        return false;
    }
    uint64_t state = read_msr(MSR_APIC_BASE);
    bool by_msr = (state & BASE_X2) && (features.c >> CPUID1_C_X2 & 1);
    if (base == 0)
        base = state & BASE_ADDRESS;
    if (base == 0)
        base = DEFAULT_ADDRESS;
    if (!by_msr && !map_registers(base)) {
        vm_print(&vm_log_sink, "apic: no memory to map it\n");
        return false;
    }
    trap_set_handler(TRAP_SPURIOUS, on_spurious);
    apic_start_processor();
    there = measure_timer();
    if (!there)
        vm_print(&vm_log_sink, "apic: its timer does not count: one processor, no timer\n");
    return there;
}
