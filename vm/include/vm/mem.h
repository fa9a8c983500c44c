/* SPDX-License-Identifier: MIT */
/* mem.h: the four functions on bytes that compilers count on and that every host of the core supplies. */
#ifndef VM_MEM_H_
#define VM_MEM_H_

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif /* VM_MEM_H_ */
