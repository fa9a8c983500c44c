/* SPDX-License-Identifier: MIT */
/* conformance.h: the conformance suite of the calls, in this kernel. */
#ifndef KERNEL_CONFORMANCE_H_
#define KERNEL_CONFORMANCE_H_

#include <stdbool.h>

/* Runs every test, or those of the suites with `pattern` in their names; one line a test, as TAP. False when one
   failed, or none was run. */
bool conformance(const char *pattern);

#endif /* KERNEL_CONFORMANCE_H_ */
