/* SPDX-License-Identifier: MIT */
/* kill.h: the end of a program that did what it may not. */
#ifndef KERNEL_KILL_H_
#define KERNEL_KILL_H_

#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

#include "trap_frame.h"

/* Ends the process whose thread runs, in which that trap or system call came; cr2 and status: of a page fault. Says why: what it did and
   where, its registers, the regions near. Interrupts are on. */
_Noreturn void kill_program(const struct trap_frame *frame, uint64_t cr2, zx_status_t status);

/* Whether that is said in full, or, where many are expected to die, in a line each. */
void kill_report_in_full(bool full);

#endif /* KERNEL_KILL_H_ */
