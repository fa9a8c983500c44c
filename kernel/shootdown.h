/* SPDX-License-Identifier: MIT */
/* shootdown.h: forgetting translations, on every processor that may have them. */
#ifndef KERNEL_SHOOTDOWN_H_
#define KERNEL_SHOOTDOWN_H_

struct port_invalidation;

/* Before the second processor is started. */
void shootdown_start(void);

/* What port_invalidate promises (vm/port.h). Where there are several processors, interrupts are on. Cost: on the running
   processor the ranges; the same on each other one that has the space loaded, and an interrupt there. */
void shootdown(const struct port_invalidation *invalidation);

/* Every processor leaves whatever space it has loaded for the kernel's tables, and remembers nothing of it. Interrupts are
   on, where there are several processors. */
void shootdown_leave_all(void);

#endif /* KERNEL_SHOOTDOWN_H_ */
