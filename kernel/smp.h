/* SPDX-License-Identifier: MIT */
/* smp.h: the other processors. */
#ifndef KERNEL_SMP_H_
#define KERNEL_SMP_H_

#include <stdbool.h>

/* At most so many processors are used; before smp_start. */
void smp_limit(unsigned processors);

/* Finds the processors, and starts the first one's interrupt controller. Once, there; the kernel's machine and the clock
   have started. */
void smp_find(void);

/* Starts the others, one after the other, and says how many there are. Those that do not answer are left out, and said.
   Once, after smp_find, as soon as there can be threads; interrupts are on. */
void smp_start(void);

/* The others stop, for good; the caller, whose report is not to be disturbed, goes on alone. Where another processor
   has called it first, this one is stopped. Any context, any number of times. */
void smp_stop_others(void);

#endif /* KERNEL_SMP_H_ */
