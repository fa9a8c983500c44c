/* SPDX-License-Identifier: MIT */
/*
 * apic.h: the local interrupt controller of each processor: its timer, and interrupts from one processor to others. The
 * serial line still comes by the old controller (trap.c), through the first processor's.
 */
#ifndef KERNEL_APIC_H_
#define KERNEL_APIC_H_

#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

/* Maps the registers, which the firmware's tables have at `base` (0: nobody says), starts the running processor's,
   which is the first, and measures its timer. The clock and the kernel's machine have started. False, said: there is none. */
bool apic_start(zx_paddr_t base);

/* Starts the running processor's; apic_start came before, on the first. */
void apic_start_processor(void);

/* Whether apic_start has found one. */
bool apic_is_there(void);

/* Of the running processor. */
uint32_t apic_id(void);

/* The interrupt is done with: what every handler does, but that of TRAP_SPURIOUS. */
void apic_end_interrupt(void);

/* To one processor, by its controller's id. In any context. */
void apic_send(uint32_t id, unsigned vector);
void apic_send_nmi(uint32_t id);

/* Resets a processor; starts one that is reset in real mode at that page below 1 MiB. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, zx_paddr_t page);

/* TRAP_TIMER comes to the running processor after so many nanoseconds (at once where that is not positive; earlier
   where they are more than the timer can count, a second at the least), once; what was armed before is forgotten.
   Interrupts are off. Nothing, where there is none. */
void apic_timer_arm(int64_t nanoseconds);
/* It comes no more, unless it is under way already. */
void apic_timer_cancel(void);

#endif /* KERNEL_APIC_H_ */
