/* SPDX-License-Identifier: MIT */
/* conformance.h: the conformance suite of the calls, in this kernel; and what runs it, for other suites. */
#ifndef KERNEL_CONFORMANCE_H_
#define KERNEL_CONFORMANCE_H_

#include <stdbool.h>

/* Runs every test, or those of the suites with `pattern` in their names; one line a test, as TAP. False when one
   failed, or none was run. */
bool conformance(const char *pattern);

/* ---- Tests as TAP: one line each, at the end the plan ---- */

struct test_tally {
    unsigned passed, failed;
};

/* `ok N - SUITE: NAME`, or `not ok …`; an empty suite is left out. */
void conformance_report(struct test_tally *tally, bool fine, const char *suite, const char *name);
/* `1..N`, then how many passed. True when all did, and there was one. */
bool conformance_end(const struct test_tally *tally);

struct conformance_suite;
/* Every test of those suites of the table with `pattern` (null: any) in their names, each on a machine of its
 * own. */
void conformance_run(const struct conformance_suite *suites, const char *pattern, struct test_tally *tally);

#endif /* KERNEL_CONFORMANCE_H_ */
