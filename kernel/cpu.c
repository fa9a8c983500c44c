/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: what the processor can do, and switching it on: WP and NX, which must be there, then global
 * pages, PCID, SMEP, SMAP, UMIP, each where there is one; and the ways in which pages can be cached. What the first processor
 * has all of them have; each is switched on by itself.
 */
#include <vm/format.h>
#include <vm/mem.h>

#include "cpu.h"
#include "io.h"
#include "power.h"

static const char *const names[CPU_FEATURE_COUNT] = {"NX",   "PGE",  "1GB",  "PCID",
                                                     "UMIP", "SMEP", "SMAP", "XSAVE"};
static bool features[CPU_FEATURE_COUNT];
static size_t line_size;

/* A byte for each combination of the PAT, PCD and PWT bits of a page, as vm/arch_mmu.h has it, twice. */
enum { UNCACHED = 0, WRITE_COMBINING = 1, WRITE_BACK = 6, UNCACHED_UNLESS = 7 };
#define PAT_HALF                                                                                             \
    ((uint64_t)UNCACHED << 24 | (uint64_t)UNCACHED_UNLESS << 16 | WRITE_COMBINING << 8 | WRITE_BACK)
#define PAT (PAT_HALF << 32 | PAT_HALF)

void cpu_start(void)
{
    features[CPU_PGE] = cpuid(1).d >> 13 & 1;
    features[CPU_PCID] = cpuid(1).c >> 17 & 1;
    features[CPU_XSAVE] = cpuid(1).c >> 26 & 1;
    features[CPU_NX] = cpuid(0x80000001).d >> 20 & 1;
    features[CPU_1GB] = cpuid(0x80000001).d >> 26 & 1;
    if (cpuid(0).a >= 7) {
        struct cpuid extended = cpuid(7);
        features[CPU_SMEP] = extended.b >> 7 & 1;
        features[CPU_SMAP] = extended.b >> 20 & 1;
        features[CPU_UMIP] = extended.c >> 2 & 1;
    }
    if (!features[CPU_NX])
        power_fail("boot: this processor has no NX; the core's page tables rely on it");
    line_size = (cpuid(1).b >> 8 & 0xff) * 8;
    cpu_start_processor();
}

void cpu_start_processor(void)
{
    write_cr0(read_cr0() | CR0_WP);
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
    write_msr(MSR_PAT, PAT);
}

size_t cpu_cache_line_size(void)
{
    return line_size;
}

void cpu_protect(void)
{
    static const uint64_t bits[CPU_FEATURE_COUNT] = {[CPU_PGE] = CR4_PGE,
                                                     [CPU_PCID] = CR4_PCIDE,
                                                     [CPU_UMIP] = CR4_UMIP,
                                                     [CPU_SMEP] = CR4_SMEP,
                                                     [CPU_SMAP] = CR4_SMAP};
    uint64_t cr4 = read_cr4();
    for (unsigned i = 0; i < CPU_FEATURE_COUNT; i++)
        if (features[i])
            cr4 |= bits[i];
    write_cr4(cr4);
}

bool cpu_has(enum cpu_feature feature)
{
    return features[feature];
}

void cpu_describe(struct vm_sink *sink)
{
    char name[49] = "unknown";
    if (cpuid(0x80000000).a >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            struct cpuid part = cpuid(0x80000002 + i);
            memcpy(name + 16 * i, &part, 16);
        }
        name[48] = '\0';
    }
    const char *from = name;
    while (*from == ' ')
        from++;
    vm_print(sink, "cpu: %s: WP", from);
    for (unsigned i = 0; i < CPU_FEATURE_COUNT; i++)
        if (features[i])
            vm_print(sink, " %s", names[i]);
    vm_print(sink, "\n");
}
