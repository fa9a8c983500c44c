/* SPDX-License-Identifier: MIT */
/*
 * Text output without libc: a sink that takes bytes, and a small printf over it. Conversions: %s %c %d %i %u
 * %x %X %p %% with - 0 and width (also *), precision for %s (also *), and the lengths l, ll, z.
 */
#ifndef VM_FORMAT_H_
#define VM_FORMAT_H_

#include <stdarg.h>
#include <stddef.h>

/* Embed it first in a struct of your own to carry state. */
struct vm_sink {
    void (*write)(struct vm_sink *self, const char *text, size_t size);
};

void vm_print(struct vm_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vm_vprint(struct vm_sink *sink, const char *format, va_list args);

/* Formats into buffer (always terminated when size > 0); returns the length that it would have had. */
size_t vm_snprint(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The sink that leads to port_write. */
extern struct vm_sink vm_log_sink;

#endif /* VM_FORMAT_H_ */
