/* SPDX-License-Identifier: MIT */
/* system.c: the calls on no object: figures of the machine, random numbers, time, the log, names of
   statuses. */
#include "matrix.h"

TEST(figures)
{
    uint64_t memory = zx_system_get_physmem();
    CHECK_EQUAL(zx_system_get_page_size(), ZX_PAGE_SIZE);
    CHECK(memory > 0);
    CHECK_EQUAL(memory & ZX_PAGE_MASK, 0);
    CHECK_EQUAL(kmem_stats().total_bytes, memory);
    CHECK_EQUAL(zx_system_get_physmem(), memory);
}

/* ---- Random numbers ---- */

static unsigned ones_of(const unsigned char *bytes, size_t size)
{
    unsigned ones = 0;
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            ones += bytes[i] >> bit & 1;
    return ones;
}

/* All of the buffer and no more, each time with other bytes. */
TEST(cprng)
{
    static unsigned char first[300], second[300];
    const size_t sizes[] = {0, 1, 3, 4, 63, 64, 65, 128, 299};
    zx_cprng_draw(first, sizeof(first));
    zx_cprng_draw(second, sizeof(second));
    CHECK(!same_bytes(first, second, 32));
    CHECK(!same_bytes(first, first + 32, 32));
    /* Of 2,400 bits; six deviations off are 147. */
    unsigned ones = ones_of(first, sizeof(first));
    CHECK(ones > 1053 && ones < 1347);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bool written = false;
        NOTE(sizes[i]);
        for (unsigned round = 0; round < 4; round++) { /* four zeroes at the end are unlikely enough */
            fill(first, 0, sizeof(first));
            zx_cprng_draw(first, sizes[i]);
            CHECK(all_bytes(first + sizes[i], 0, sizeof(first) - sizes[i]));
            written = written || sizes[i] == 0 || first[sizes[i] - 1] != 0;
        }
        CHECK(written);
    }
    zx_cprng_draw(NULL, 0);
    zx_cprng_draw(NULL, 64);
    zx_cprng_draw(BAD_POINTER, 64);
}

/* ---- Time ---- */

TEST(ticks)
{
    zx_ticks_t before = zx_ticks_get();
    for (unsigned i = 0; i < 1000; i++) {
        zx_ticks_t now = zx_ticks_get();
        CHECK(now >= before);
        before = now;
    }
}

/* ---- The log ---- */

TEST(debug_write)
{
    const size_t sizes[] = {1, 255, 256, 257, ZX_PAGE_SIZE - 1, ZX_PAGE_SIZE, (size_t)1 << 47, SIZE_MAX};
    static char text[256];
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        REFUSED(ZX_ERR_INVALID_ARGS, zx_debug_write(NULL, sizes[i]));
        REFUSED(ZX_ERR_INVALID_ARGS, zx_debug_write(BAD_POINTER, sizes[i]));
    }
    OK(zx_debug_write(NULL, 0));
    OK(zx_debug_write(BAD_POINTER, 0));
    OK(zx_debug_write("zx_debug_write\n", 15));
    /* No more than 256 bytes are looked at. */
    fill(text, '.', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\n';
    OK_ONCE(zx_debug_write(text, SIZE_MAX));
}

/* ---- Names of statuses ---- */

#define NAMED(status)                                                                                        \
    {                                                                                                        \
        status, #status, sizeof(#status)                                                                     \
    }

TEST(status_names)
{
    static const struct {
        zx_status_t status;
        const char *name;
        size_t size;
    } names[] = {
        NAMED(ZX_OK),
        NAMED(ZX_ERR_INTERNAL),
        NAMED(ZX_ERR_NOT_SUPPORTED),
        NAMED(ZX_ERR_NO_RESOURCES),
        NAMED(ZX_ERR_NO_MEMORY),
        NAMED(ZX_ERR_INVALID_ARGS),
        NAMED(ZX_ERR_BAD_HANDLE),
        NAMED(ZX_ERR_WRONG_TYPE),
        NAMED(ZX_ERR_BAD_SYSCALL),
        NAMED(ZX_ERR_OUT_OF_RANGE),
        NAMED(ZX_ERR_BUFFER_TOO_SMALL),
        NAMED(ZX_ERR_BAD_STATE),
        NAMED(ZX_ERR_TIMED_OUT),
        NAMED(ZX_ERR_SHOULD_WAIT),
        NAMED(ZX_ERR_CANCELED),
        NAMED(ZX_ERR_NOT_FOUND),
        NAMED(ZX_ERR_ALREADY_EXISTS),
        NAMED(ZX_ERR_UNAVAILABLE),
        NAMED(ZX_ERR_ACCESS_DENIED),
        NAMED(ZX_ERR_STOP),
        NAMED(ZX_ERR_NEXT),
    };
    const unsigned count = sizeof(names) / sizeof(names[0]);
    for (zx_status_t status = -100; status <= 100; status++) {
        unsigned i = 0;
        while (i < count && names[i].status != status)
            i++;
        NOTE(status);
        const char *told = zx_status_get_string(status);
        CHECK(i < count ? same_bytes(told, names[i].name, names[i].size) : same_bytes(told, "(UNKNOWN)", 10));
    }
    CHECK(same_bytes(zx_status_get_string(INT32_MIN), "(UNKNOWN)", 10));
    CHECK(same_bytes(zx_status_get_string(INT32_MAX), "(UNKNOWN)", 10));
}

const struct conformance_test system_tests[] = {CASE(figures),     CASE(cprng),        CASE(ticks),
                                                CASE(debug_write), CASE(status_names), NO_MORE_CASES};
