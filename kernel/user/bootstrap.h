/* SPDX-License-Identifier: MIT */
/*
 * bootstrap.h: what a new process finds in the VMO whose handle is the first argument of its first thread: this head,
 * then the arguments, each ended by a NUL. README.md has the whole protocol.
 */
#ifndef KERNEL_USER_BOOTSTRAP_H_
#define KERNEL_USER_BOOTSTRAP_H_

#include <stdint.h>

#define BOOTSTRAP_MAGIC     0x747370616d76747aull
#define BOOTSTRAP_SIZE_MAX  4096 /* of all of it */
#define BOOTSTRAP_ARGUMENTS 32   /* at most */

struct bootstrap {
    uint64_t magic;
    uint32_t argument_count;
    uint32_t text_size; /* of the arguments, their NULs included */
};

#endif /* KERNEL_USER_BOOTSTRAP_H_ */
