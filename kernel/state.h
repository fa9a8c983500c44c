/* SPDX-License-Identifier: MIT */
/* state.h: the state of the selected machine as one number. */
#ifndef KERNEL_STATE_H_
#define KERNEL_STATE_H_

#include <stdint.h>

/* The same where nothing has changed: all address spaces as text, pages by state, objects and bytes in objects. O(regions). */
uint64_t state_hash(void);

#endif /* KERNEL_STATE_H_ */
