/* SPDX-License-Identifier: MIT */
/* replay.h: runs traces from the modules that the boot loader brought. */
#ifndef KERNEL_REPLAY_H_
#define KERNEL_REPLAY_H_

#include <stdbool.h>
#include <stddef.h>
#include <vm/pmm.h>

/* Takes the memory that traces run in; from memory_take, so before the kernel's machine starts. */
void replay_reserve(void);

/*
 * Replays every file of the modules whose names begin with "corpus", or of these those whose names contain
 * `pattern`. One line a file: FILE DIGEST OPS STATUS. False, with the reason, when a module is missing or
 * damaged, a trace broke something, or nothing was run.
 */
bool replay(const char *pattern);

/* That many pages of the memory that traces run in, at most 4,096, while none runs. Base 0: there is no room. */
struct pmm_range replay_memory(size_t pages);

/* The 4 MiB beside it that stand for a device, aligned to 2 MiB. */
struct pmm_range replay_device(void);

/* vm_check after every nth operation of a trace; 0: only at its end. */
void replay_check_every(unsigned operations);

#endif /* KERNEL_REPLAY_H_ */
