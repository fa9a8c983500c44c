/* SPDX-License-Identifier: MIT */
/* shell.h: the kernel's commands, by name and from the serial line. */
#ifndef KERNEL_SHELL_H_
#define KERNEL_SHELL_H_

#include <stdbool.h>

/* Runs one command ("name arguments", written to). False: it failed, or there is none of that name. */
bool shell_run(char *line);

/* Reads commands from the serial line until the machine is powered off; `status` is the exit status if
 * nothing fails here. */
_Noreturn void shell_loop(int status);

#endif /* KERNEL_SHELL_H_ */
