/* SPDX-License-Identifier: MIT */
/* clock.h: what time it is. */
#ifndef KERNEL_CLOCK_H_
#define KERNEL_CLOCK_H_

#include <stdatomic.h>
#include <stdint.h>

#include "spinlock.h"

/* Measures the processor's counter. About a tenth of a second; once, interrupts off. */
void clock_start(void);

/* Nanoseconds since clock_start; never goes back, on any processor. 0 before that. */
int64_t clock_now(void);

int64_t clock_ticks_per_second(void);

/* Waits that long, without giving way. */
void clock_spin(int64_t nanoseconds);

struct clock_comparison {
    atomic_uint arrived;
    struct spinlock lock;
    int64_t last, most;
};

/* Two processors call it at once, with the same zeroed struct, and both return when both are done: the largest step back
   that was seen in what they read by turns; 0: none. Interrupts are off. */
int64_t clock_compare(struct clock_comparison *shared);

struct vm_sink;
/* What was measured, one line. */
void clock_describe(struct vm_sink *sink);

#endif /* KERNEL_CLOCK_H_ */
