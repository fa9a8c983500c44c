/* SPDX-License-Identifier: MIT */
/* user.h: accesses from ring 3 through the real page tables. */
#ifndef KERNEL_USER_H_
#define KERNEL_USER_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

#include "paging.h"

#define USER_WINDOW_CODE   USER_WINDOW
#define USER_WINDOW_BUFFER (USER_WINDOW + 4096)
#define USER_WINDOW_END    (USER_WINDOW + 2 * 4096)

/* window.S: each a page. */
extern char user_window_code[], user_window_buffer[];

struct vm_aspace;

enum user_access { USER_READ, USER_WRITE, USER_EXECUTE };

/*
 * Ring 3 accesses `size` bytes at va in that space, in ascending order; page faults are resolved through
 * vm_aspace_page_fault. OK, or the status with which a fault was refused; *done: bytes that were accessed.
 * EXECUTE fetches one instruction.
 */
zx_status_t user_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                        enum user_access kind, size_t *done);

/* Whether ring 3 can fetch an instruction at va, a canonical address, with the tables of `root`; when not,
 * what trap came instead. */
struct trap_frame;
bool user_fetch(zx_paddr_t root, zx_vaddr_t va, struct trap_frame *frame, uint64_t *cr2);

/* Every processor leaves the last space that was visited there, and remembers nothing of it. */
void user_leave(void);

#endif /* KERNEL_USER_H_ */
