/* SPDX-License-Identifier: MIT */
/* dispatch.h: from the number of a call to the function that answers it. harness/generate-calls makes the source, of
   calls.list. */
#ifndef KERNEL_DISPATCH_H_
#define KERNEL_DISPATCH_H_

#include <stdint.h>

/* What goes back in rax. BAD_SYSCALL: there is no call of that number. No lock is held; a call that ends the process or the
   thread does not return. */
uint64_t syscall_dispatch(uint64_t number, const uint64_t arguments[8]);

#endif /* KERNEL_DISPATCH_H_ */
