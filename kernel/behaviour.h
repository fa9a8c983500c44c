/* SPDX-License-Identifier: MIT */
/* behaviour.h: the behaviour suites (harness/behaviour/) in this kernel. */
#ifndef KERNEL_BEHAVIOUR_H_
#define KERNEL_BEHAVIOUR_H_

struct test_tally;

/* Runs every test of what the kernel itself can call, or those of the suites with `pattern` in their names; one
 * line a test. */
void behaviour(const char *pattern, struct test_tally *tally);

#endif /* KERNEL_BEHAVIOUR_H_ */
