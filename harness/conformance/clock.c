/* SPDX-License-Identifier: MIT */
/* clock.c: zx_clock_get_monotonic, zx_ticks_per_second: time in two units. */
#include "matrix.h"

TEST(monotonic)
{
    zx_time_t before = zx_clock_get_monotonic();
    CHECK(before >= 0);
    for (unsigned i = 0; i < 1000; i++) {
        zx_time_t now = zx_clock_get_monotonic();
        CHECK(now >= before);
        before = now;
    }
}

/* So many ticks are a second: what the two say of one sleep differs by less than the sleep takes at most. */
TEST(ticks_per_second)
{
    zx_ticks_t per_second = zx_ticks_per_second();
    CHECK(per_second > 0);
    CHECK_EQUAL(zx_ticks_per_second(), per_second);
    zx_ticks_t ticks = zx_ticks_get();
    zx_time_t inside = zx_clock_get_monotonic();
    STATUS(ZX_OK, zx_nanosleep(inside + ZX_MSEC(5)));
    inside = zx_clock_get_monotonic() - inside;
    ticks = zx_ticks_get() - ticks;
    /* The ticks were taken around the clock's times; a thousandth is the clock's own error. */
    CHECK((uint64_t)ticks >= (uint64_t)inside * ((uint64_t)per_second / 1000) / 1000000 * 999 / 1000);
}

const struct conformance_test clock_tests[] = {CASE(monotonic), CASE(ticks_per_second), NO_MORE_CASES};
