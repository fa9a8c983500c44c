/* SPDX-License-Identifier: MIT */
/* fpu.h: the registers that programs use and the kernel does not: x87, SSE and what came after. */
#ifndef KERNEL_FPU_H_
#define KERNEL_FPU_H_

#include <stddef.h>

/* On each processor: switches these registers on, for ring 3. The first one finds out how much room they take. */
void fpu_start_processor(void);

/* Bytes that one thread's take, in pieces of a page. */
size_t fpu_size(void);

/* Makes `area`, a multiple of 64, hold the registers as a program finds them first. */
void fpu_init(void *area);

void fpu_save(void *area);
void fpu_restore(const void *area);

#endif /* KERNEL_FPU_H_ */
