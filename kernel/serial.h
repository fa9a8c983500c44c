/* SPDX-License-Identifier: MIT */
/* serial.h: the first serial port (16550 at 0x3f8), 115200 8N1, polled. */
#ifndef KERNEL_SERIAL_H_
#define KERNEL_SERIAL_H_

#include <stddef.h>

void serial_start(void);
void serial_write(const char *text, size_t size);

/* Waits until the last bit has left. */
void serial_drain(void);

/* The next character; waits for it, halting the processor. */
char serial_read(void);

#endif /* KERNEL_SERIAL_H_ */
