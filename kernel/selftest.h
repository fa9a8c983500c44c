/* SPDX-License-Identifier: MIT */
/* selftest.h: tests of what only the kernel has: traps, permissions of its own pages, ring 3; and of what it has in
 * common with the host, the behaviour suites. */
#ifndef KERNEL_SELFTEST_H_
#define KERNEL_SELFTEST_H_

#include <stdbool.h>

/* TAP, then how many passed; true when all did. */
bool selftest(void);

/* For the parts of it: one line; and those parts. */
void selftest_expect(bool fine, const char *what);
void selftest_threads(void);
void selftest_processors(void);
void selftest_paging(void);

/* Exceptions that nobody expects, by name; selftest_crash does not come back. */
unsigned selftest_crash_count(void);
const char *selftest_crash_name(unsigned index);
void selftest_crash(unsigned index);

#endif /* KERNEL_SELFTEST_H_ */
