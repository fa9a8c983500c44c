/* SPDX-License-Identifier: MIT */
/* buffer.h: the kernel's own large buffers: each lies between pages that nothing may touch. */
#ifndef KERNEL_BUFFER_H_
#define KERNEL_BUFFER_H_

#include <stdbool.h>
#include <stddef.h>

#define BUFFER_BASE 0xffffffc000000000ull
#define BUFFER_SIZE (1ull << 30) /* of the range that they lie in */

/* After paging_join_space. False without memory. */
bool buffer_start(void);

/* A buffer of `size` bytes, not 0, whose end is the end of a page: one byte past it faults. Contents
   undefined. Null without memory. The kernel's machine is selected, no lock of the core is held. */
void *buffer_take(size_t size);

/* Null is nothing. The kernel's machine is selected, no lock of the core is held. */
void buffer_give(void *buffer, size_t size);

#endif /* KERNEL_BUFFER_H_ */
