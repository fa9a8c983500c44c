/* SPDX-License-Identifier: MIT */
/* test_format.c: the formatter against the C library, conversion by conversion; the names of statuses. */
#include "machine.h"

#include <limits.h>

/* Ours and libc's, with the same arguments; the compiler checks the format for both. */
#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char ours[256], theirs[256];                                                                         \
        size_t our_size = vm_snprint(ours, sizeof(ours), __VA_ARGS__);                                       \
        int their_size = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                      \
        assert_string_equal(ours, theirs);                                                                   \
        assert_int_equal(our_size, their_size);                                                              \
    } while (0)

static void test_numbers(void **state)
{
    static const long long values[] = {0, 1, -1, 9, 10, 4095, -4096, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        long long v = values[i];
        SAME("%d|%i|%u|%x|%X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%ld|%lu|%lx|%lX", (long)v, (unsigned long)v, (unsigned long)v, (unsigned long)v);
        SAME("%lld|%llu|%llx", v, (unsigned long long)v, (unsigned long long)v);
        SAME("%zu|%zx|%zd", (size_t)v, (size_t)v, (ptrdiff_t)v);
        SAME("[%30lld] [%-30lld] [%030lld]", v, v, v);
        SAME("[%3d] [%-3d] [%03d]", (int)v, (int)v, (int)v);
        SAME("[%016llx] [%16llx] [%-16llX]", (unsigned long long)v, (unsigned long long)v,
             (unsigned long long)v);
        SAME("[%*d] [%-*d] [%0*x]", 12, (int)v, 12, (int)v, 12, (unsigned)v);
    }
    SAME("[%*d]", -8, 5);
}

static void test_text(void **state)
{
    (void)state;
    SAME("%s", "");
    SAME("plain %% text");
    SAME("[%s] [%10s] [%-10s]", "word", "word", "word");
    SAME("[%.2s] [%10.2s] [%-10.2s] [%.0s]", "word", "word", "word", "word");
    SAME("[%.*s] [%.*s]", 3, "word", -1, "word");
    SAME("[%c%c%c] [%4c] [%-4c]", 'a', 'b', 'c', 'd', 'e');
    SAME("%p", (void *)0x7fff12345678);
    SAME("[%20p] [%-20p]", (void *)0x1000, (void *)0x1000);
    const char unterminated[3] = {'x', 'y', 'z'};
    SAME("%.3s", unterminated);
}

static void test_null_and_unknown(void **state)
{
    char text[64];
    const char *volatile null = NULL;
    const char *volatile unknown = "a %q b %", *volatile cut = "100%", *volatile repeated = "[%--4d] [%004d]";

    (void)state;
    vm_snprint(text, sizeof(text), "%s", null);
    assert_string_equal(text, "(null)");
    vm_snprint(text, sizeof(text), "%p", (void *)0);
    assert_string_equal(text, "0x0");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    vm_snprint(text, sizeof(text), unknown);
    assert_string_equal(text, "a %q b %");
    vm_snprint(text, sizeof(text), repeated, 5, 5);
    assert_string_equal(text, "[5   ] [0005]");
    vm_snprint(text, sizeof(text), cut);
    assert_string_equal(text, "100%");
#pragma GCC diagnostic pop
}

static void test_buffer_ends(void **state)
{
    char text[8];

    (void)state;
    memset(text, '#', sizeof(text));
    assert_int_equal(vm_snprint(text, 0, "%d", 12345), 5);
    assert_int_equal(text[0], '#');
    assert_int_equal(vm_snprint(text, 1, "%d", 12345), 5);
    assert_string_equal(text, "");
    assert_int_equal(vm_snprint(text, 4, "%d%s", 12345, "abc"), 8);
    assert_string_equal(text, "123");
    assert_int_equal(text[4], '#');
    assert_int_equal(vm_snprint(text, 6, "%d", 12345), 5);
    assert_string_equal(text, "12345");
}

static void test_statuses(void **state)
{
    (void)state;
    assert_string_equal(zx_status_get_string(ZX_OK), "ZX_OK");
    assert_string_equal(zx_status_get_string(ZX_ERR_NO_MEMORY), "ZX_ERR_NO_MEMORY");
    assert_string_equal(zx_status_get_string(ZX_ERR_NEXT), "ZX_ERR_NEXT");
    assert_string_equal(zx_status_get_string(1), "(UNKNOWN)");
    assert_string_equal(zx_status_get_string(INT32_MIN), "(UNKNOWN)");
    unsigned named = 0;
    for (zx_status_t status = -100; status <= 100; status++)
        named += strcmp(zx_status_get_string(status), "(UNKNOWN)") != 0;
    assert_int_equal(named, 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),          cmocka_unit_test(test_text),
        cmocka_unit_test(test_null_and_unknown), cmocka_unit_test(test_buffer_ends),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
