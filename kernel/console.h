/* SPDX-License-Identifier: MIT */
/* console.h: where the kernel's words go: the serial line, and a screen where there is one. */
#ifndef KERNEL_CONSOLE_H_
#define KERNEL_CONSOLE_H_

#include <stddef.h>

/* The serial line works from here on. */
void console_start(void);
/* The screen too, as boot_info describes it. The final page tables are loaded. */
void console_start_screen(void);

void console_write(const char *text, size_t size);

#endif /* KERNEL_CONSOLE_H_ */
