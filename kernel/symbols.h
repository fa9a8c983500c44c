/* SPDX-License-Identifier: MIT */
/* symbols.h: names for addresses in the kernel's code. */
#ifndef KERNEL_SYMBOLS_H_
#define KERNEL_SYMBOLS_H_

#include <stdint.h>

/* The function that holds the address, and how far into it (offset may be null); null outside the code. O(log
 * functions). */
const char *symbol_at(uint64_t address, uint64_t *offset);

#endif /* KERNEL_SYMBOLS_H_ */
