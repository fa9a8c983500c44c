/* SPDX-License-Identifier: MIT */
/*
 * test.h: tests in programs. TEST(name) { … } and, in main, RUN(name) for each, then return test_end(). One line a test, as
 * TAP; a check that fails prints where and what and goes on; its test is then "not ok". Test functions run one
 * after the other; checks may be made by any thread of theirs.
 */
#ifndef KERNEL_USER_TEST_H_
#define KERNEL_USER_TEST_H_

#include "runtime.h"

#define TEST(name) static void name(void)
#define RUN(name)  test_run(#name, name)

#define CHECK(condition)           test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(a, b)          test_equal((uint64_t)(a), (uint64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_STATUS(status, call) test_status((call), (status), __FILE__, __LINE__, #call)

/* Each answers whether it is so. */
bool test_check(bool condition, const char *file, int line, const char *text);
bool test_equal(uint64_t a, uint64_t b, const char *file, int line, const char *text);
bool test_status(zx_status_t status, zx_status_t expected, const char *file, int line, const char *text);

void test_run(const char *name, void (*function)(void));

/* Whether a check has failed since the last test began: for processes that are part of a test of another one. */
bool test_has_failed(void);

/* Prints the plan and `N passed, N failed`; what main returns: 0 where something ran and nothing failed. */
int test_end(void);

#endif /* KERNEL_USER_TEST_H_ */
