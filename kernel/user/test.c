/* SPDX-License-Identifier: MIT */
/* test.c: runs tests in a program, and counts. */
#include "test.h"

#include <stdatomic.h>

static unsigned passed, failed;
static atomic_bool broken; /* a check of the running test has failed */

static void say_where(const char *file, int line, const char *text)
{
    atomic_store(&broken, true);
    print("# %s:%d: %s\n", file, line, text);
}

bool test_check(bool condition, const char *file, int line, const char *text)
{
    if (!condition)
        say_where(file, line, text);
    return condition;
}

bool test_equal(uint64_t a, uint64_t b, const char *file, int line, const char *text)
{
    if (a == b)
        return true;
    say_where(file, line, text);
    print("#   0x%llx is not 0x%llx\n", (unsigned long long)a, (unsigned long long)b);
    return false;
}

bool test_status(zx_status_t status, zx_status_t expected, const char *file, int line, const char *text)
{
    if (status == expected)
        return true;
    say_where(file, line, text);
    print("#   %s, not %s\n", zx_status_get_string(status), zx_status_get_string(expected));
    return false;
}

void test_run(const char *name, void (*function)(void))
{
    atomic_store(&broken, false);
    function();
    bool fine = !atomic_load(&broken);
    passed += fine;
    failed += !fine;
    print("%s %u - %s\n", fine ? "ok" : "not ok", passed + failed, name);
}

bool test_has_failed(void)
{
    return atomic_load(&broken);
}

int test_end(void)
{
    print("1..%u\n%u passed, %u failed\n", passed + failed, passed, failed);
    return passed != 0 && failed == 0 ? 0 : 1;
}
