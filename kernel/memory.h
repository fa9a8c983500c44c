/* SPDX-License-Identifier: MIT */
/* memory.h: physical memory before the core has a machine: free ranges from which boot code takes, and which
 * the core gets in the end. */
#ifndef KERNEL_MEMORY_H_
#define KERNEL_MEMORY_H_

#include <vm/pmm.h>

/* Reads boot_info: usable memory without the lowest MiB, kernel image, modules. */
void memory_start(void);

/* Takes `size` bytes with that alignment (a power of two, at least a page) from the top of what lies below 4
   GiB; 0: there is no room. Contents undefined. */
zx_paddr_t memory_take(size_t size, size_t alignment);

/* Hands what is left to the caller: at most `most` ranges, the largest, ascending. Nothing can be taken any
 * more. */
size_t memory_give_all(struct pmm_range *out, size_t most);

/* A page below 1 MiB, usable and never given away: for processors to start in. 0: there is none. */
zx_paddr_t memory_low_page(void);

/* One byte past the highest usable address. */
zx_paddr_t memory_top(void);

#endif /* KERNEL_MEMORY_H_ */
