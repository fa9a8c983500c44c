/* SPDX-License-Identifier: MIT */
/* cpu.h: what the processor can do, and what of that is switched on. */
#ifndef KERNEL_CPU_H_
#define KERNEL_CPU_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR0_WP    (1ull << 16)
#define CR4_PGE   (1ull << 7)
#define CR4_UMIP  (1ull << 11)
#define CR4_PCIDE (1ull << 17)
#define CR4_SMEP  (1ull << 20)
#define CR4_SMAP  (1ull << 21)

#define MSR_PAT  0x277u
#define MSR_EFER 0xc0000080u
#define EFER_NXE (1ull << 11)

enum cpu_feature {
    CPU_NX,
    CPU_PGE,
    CPU_1GB,
    CPU_PCID,
    CPU_UMIP,
    CPU_SMEP,
    CPU_SMAP,
    CPU_XSAVE,
    CPU_FEATURE_COUNT
};

struct cpuid {
    uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid out;
    __asm__ volatile("cpuid" : "=a"(out.a), "=b"(out.b), "=c"(out.c), "=d"(out.d) : "a"(leaf), "c"(0));
    return out;
}

/* Finds the features out, once for all processors, and starts the first. */
void cpu_start(void);
/* Switches on, for the running processor, what needs no tables of ours: NX, WP, the cache policies. */
void cpu_start_processor(void);
/* The rest, for the running processor: global pages, PCID, SMEP, SMAP, UMIP. Once the kernel's own tables are loaded, and nothing
   since: PCID demands identifier 0. */
void cpu_protect(void);

bool cpu_has(enum cpu_feature feature);
/* In bytes. */
size_t cpu_cache_line_size(void);

struct vm_sink;
/* The processor's name and the features in use, one line. */
void cpu_describe(struct vm_sink *sink);

#endif /* KERNEL_CPU_H_ */
