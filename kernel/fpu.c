/* SPDX-License-Identifier: MIT */
/*
 * fpu.c: registers of programs that the kernel does not touch (it is compiled for general registers alone). They stay
 * in the processor while a thread is in the kernel, and are saved and loaded only when one thread takes the place of
 * another: nothing is loaded lazily, so nothing of one program is ever seen by the next.
 *
 * XSAVE where there is one, with x87, SSE and AVX; else FXSAVE, which knows the first two.
 */
#include <stdbool.h>
#include <stdint.h>
#include <vm/mem.h>

#include "cpu.h"
#include "fpu.h"
#include "io.h"

#define CR0_MP         (1ull << 1)
#define CR0_EM         (1ull << 2)
#define CR0_TS         (1ull << 3)
#define CR0_NE         (1ull << 5)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_OSXSAVE    (1ull << 18)

#define XCR0_WANTED 7u /* x87, SSE, AVX */
#define FXSAVE_SIZE 512
#define CONTROL     0x037f /* x87: all exceptions masked, 64 bits of precision */
#define MXCSR       0x1f80 /* SSE: all exceptions masked */
#define AT_CONTROL  0      /* in an area of either kind */
#define AT_MXCSR    24

static uint32_t features; /* of XCR0; 0: no XSAVE */
static size_t size;

static uint32_t wanted_features(void)
{
    if (!cpu_has(CPU_XSAVE))
        return 0;
    uint32_t a = 13, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return a & XCR0_WANTED;
}

void fpu_start_processor(void)
{
    write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (cpu_has(CPU_XSAVE) ? CR4_OSXSAVE : 0));
    if (size == 0)
        features = wanted_features();
    if (features != 0)
        __asm__ volatile("xsetbv" : : "c"(0), "a"(features), "d"(0));
    if (size != 0)
        return;
    uint32_t a = 13, b = FXSAVE_SIZE, c = 0, d;
    if (features != 0)
        __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)); /* b: for what is switched on now */
    size = b;
}

size_t fpu_size(void)
{
    return size;
}

void fpu_init(void *area)
{
    static const uint16_t control = CONTROL;
    static const uint32_t mxcsr = MXCSR;
    memset(area, 0, size);
    memcpy((char *)area + AT_CONTROL, &control, sizeof(control));
    memcpy((char *)area + AT_MXCSR, &mxcsr, sizeof(mxcsr));
}

void fpu_save(void *area)
{
    if (features != 0)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(features), "d"(0) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

void fpu_restore(const void *area)
{
    if (features != 0)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(features), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}
