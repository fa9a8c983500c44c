/* SPDX-License-Identifier: MIT */
/* access.h: accesses of a program to its own memory that may be refused, by means of zvm_catch_faults (zvm.h). */
#ifndef KERNEL_USER_ACCESS_H_
#define KERNEL_USER_ACCESS_H_

#include <zircon/types.h>

/* To be caught at: returns from the function below that was at work, with the fault's status. */
void access_caught(void) __attribute__((visibility("hidden")));

/*
 * One byte, through the processor; the second is written through `byte`, which must not fault. ACCESS_DONE; or a
 * status: 0 where the fault was resolved and the access must be tried again. Fetch: calls va, where an
 * instruction must be that returns.
 */
#define ACCESS_DONE 1
int access_try_read(zx_vaddr_t va, uint8_t *byte) __attribute__((visibility("hidden")));
int access_try_write(zx_vaddr_t va, const uint8_t *byte) __attribute__((visibility("hidden")));
int access_try_fetch(zx_vaddr_t va) __attribute__((visibility("hidden")));

/* The same for eight bytes at once; va is a multiple of eight. */
int access_try_load(zx_vaddr_t va, uint64_t *value) __attribute__((visibility("hidden")));
int access_try_store(zx_vaddr_t va, uint64_t value) __attribute__((visibility("hidden")));

#endif /* KERNEL_USER_ACCESS_H_ */
