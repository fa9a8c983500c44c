/* SPDX-License-Identifier: MIT */
/* test_prng.c: the block function against the vectors of RFC 8439; what numbers cut from it promise. */
#include "machine.h"

struct vector {
    const char *name;
    uint32_t key[8], nonce[3], counter;
    uint32_t expected[16];
};

static const struct vector vectors[] = {
    {"2.3.2",
     {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c},
     {0x09000000, 0x4a000000, 0x00000000},
     1,
     {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2}},
    {"A.1 #1",
     {0},
     {0},
     0,
     {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653, 0xb819d2bd, 0x1aed8da0, 0xccef36a8, 0xc70d778b,
      0x7c5941da, 0x8d485751, 0x3fe02477, 0x374ad8b8, 0xf4b8436a, 0x1ca11815, 0x69b687c3, 0x8665eeb2}},
    {"A.1 #2",
     {0},
     {0},
     1,
     {0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73, 0xa0290fcb, 0x6965e348, 0x3e53c612, 0xed7aee32,
      0x7621b729, 0x434ee69c, 0xb03371d5, 0xd539d874, 0x281fed31, 0x45fb0a51, 0x1f0ae1ac, 0x6f4d794b}},
    {"A.1 #3",
     {0, 0, 0, 0, 0, 0, 0, 0x01000000},
     {0},
     1,
     {0x2452eb3a, 0x9249f8ec, 0x8d829d9b, 0xddd4ceb1, 0xe8252083, 0x60818b01, 0xf38422b8, 0x5aaa49c9,
      0xbb00ca8e, 0xda3ba7b4, 0xc4b592d1, 0xfdf2732f, 0x4436274e, 0x2561b3c8, 0xebdd4aa6, 0xa0136c00}},
    {"A.1 #4",
     {0x0000ff00},
     {0},
     2,
     {0xfb4dd572, 0x4bc42ef1, 0xdf922636, 0x327f1394, 0xa78dea8f, 0x5e269039, 0xa1bebbc1, 0xcaf09aae,
      0xa25ab213, 0x48a6b46c, 0x1b9d9bcb, 0x092c5be6, 0x546ca624, 0x1bec45d5, 0x87f47473, 0x96f0992e}},
    {"A.1 #5",
     {0},
     {0, 0, 0x02000000},
     0,
     {0x374dc6c2, 0x3736d58c, 0xb904e24a, 0xcd3f93ef, 0x88228b1a, 0x96a4dfb3, 0x5b76ab72, 0xc727ee54,
      0x0e0e978a, 0xf3145c95, 0x1b748ea8, 0xf786c297, 0x99c28f5f, 0x628314e8, 0x398a19fa, 0x6ded1b53}},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint32_t block[16];
        chacha20_block(vectors[i].key, vectors[i].counter, vectors[i].nonce, block);
        if (memcmp(block, vectors[i].expected, sizeof(block)) != 0)
            fail_msg("vector %s", vectors[i].name);
    }
}

static void test_stream_is_the_key_stream(void **state)
{
    const uint32_t key[8] = {0x89abcdef, 0x01234567}, nonce[3] = {0, 7, 0};
    struct prng prng;
    uint32_t block[16];

    (void)state;
    prng_seed(&prng, 0x0123456789abcdefull, 7);
    for (uint32_t counter = 0; counter < 3; counter++) {
        chacha20_block(key, counter, nonce, block);
        for (int i = 0; i < 16; i++)
            assert_int_equal(prng_u32(&prng), block[i]);
    }
    chacha20_block(key, 3, nonce, block);
    assert_int_equal(prng_u64(&prng), block[0] | (uint64_t)block[1] << 32);
}

static void test_counter_carries(void **state)
{
    const uint32_t key[8] = {5}, nonce[3] = {1, 9, 0};
    struct prng prng;
    uint32_t block[16];

    (void)state;
    prng_seed(&prng, 5, 9);
    prng.counter = UINT32_MAX;
    for (int i = 0; i < 16; i++)
        (void)prng_u32(&prng);
    chacha20_block(key, 0, nonce, block);
    assert_int_equal(prng_u32(&prng), block[0]);
}

static void test_streams_differ(void **state)
{
    struct prng a, b, c;
    unsigned same_stream = 0, same_seed = 0;

    (void)state;
    prng_seed(&a, 1, 1);
    prng_seed(&b, 1, 2);
    prng_seed(&c, 2, 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t number = prng_u64(&a);
        same_seed += number == prng_u64(&b);
        same_stream += number == prng_u64(&c);
    }
    assert_int_equal(same_seed, 0);
    assert_int_equal(same_stream, 0);
}

/* Chi-squared of 'draws' numbers below bound, under a limit that chance exceeds less than once in 10^6. */
static void expect_uniform(uint64_t bound, unsigned cells, unsigned draws, unsigned limit)
{
    uint64_t counts[32] = {0};
    uint64_t chi = 0, expected = draws / cells;
    struct prng prng;

    prng_seed(&prng, bound, 3);
    for (unsigned i = 0; i < draws; i++) {
        uint64_t number = prng_below(&prng, bound);
        assert_true(number < bound);
        __extension__ unsigned __int128 scaled = (unsigned __int128)number * cells;
        counts[(size_t)(scaled / bound)]++;
    }
    for (unsigned i = 0; i < cells; i++)
        chi += (counts[i] - expected) * (counts[i] - expected);
    assert_true(chi / expected < limit);
}

static void test_below_is_uniform(void **state)
{
    (void)state;
    expect_uniform(2, 2, 20000, 25);
    expect_uniform(7, 7, 70000, 40);
    expect_uniform(32, 32, 64000, 95);
    expect_uniform((3ull << 62) + 1, 32, 64000, 95); /* a quarter of the draws is rejected */
    expect_uniform(UINT64_MAX, 32, 64000, 95);
}

static void test_below_one_and_powers(void **state)
{
    struct prng prng;

    (void)state;
    prng_seed(&prng, 0, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(prng_below(&prng, 1), 0);
    for (unsigned shift = 0; shift < 64; shift++)
        assert_true(prng_below(&prng, (uint64_t)1 << shift) >> shift == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),          cmocka_unit_test(test_stream_is_the_key_stream),
        cmocka_unit_test(test_counter_carries),  cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_below_is_uniform), cmocka_unit_test(test_below_one_and_powers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
