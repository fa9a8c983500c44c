/* SPDX-License-Identifier: MIT */
/* power.h: the end. */
#ifndef KERNEL_POWER_H_
#define KERNEL_POWER_H_

/* Stops the other processors, prints "zvm: exit STATUS", lets the serial line drain, and ends the machine: the emulator hears 0 as
 * success, all else as failure. */
_Noreturn void power_off(int status);

/* Says why, then power_off(1). */
_Noreturn void power_fail(const char *why);

#endif /* KERNEL_POWER_H_ */
