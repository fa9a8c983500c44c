/* SPDX-License-Identifier: MIT */
/*
 * prng.c: random numbers from the key stream of ChaCha20 (RFC 8439).
 *
 * Concept. ChaCha20 maps a key, a nonce and a block counter to 64 bytes that nobody can tell from random
 * without the key. Counting blocks up gives the stream; numbers are cut off it in words.
 *
 * Structure. The seed is the key's first 64 bits (the rest is constant: whoever knows the seed may predict,
 * that is its purpose), the stream number the last 64 bits of the nonce. The 32-bit block counter carries
 * into the first word of the nonce, so a stream is 2^64 blocks long and streams never meet. One block serves
 * sixteen 32-bit draws; a draw costs a few instructions, each sixteenth the block function.
 *
 * Invariants. used <= 16; words of `block` below used have been given out. A 64-bit draw is two 32-bit draws,
 * low word first.
 *
 * Locking. The owner's.
 */
#include "prng.h"

#include "assert.h"

#define BLOCK_WORDS 16

static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}; /* "expand 32-byte k" */

static inline uint32_t rotate_left(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static inline void quarter_round(uint32_t state[BLOCK_WORDS], unsigned a, unsigned b, unsigned c, unsigned d)
{
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 12);
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16])
{
    uint32_t start[BLOCK_WORDS];

    for (unsigned i = 0; i < 4; i++)
        start[i] = sigma[i];
    for (unsigned i = 0; i < 8; i++)
        start[4 + i] = key[i];
    start[12] = counter;
    for (unsigned i = 0; i < 3; i++)
        start[13 + i] = nonce[i];
    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        out[i] = start[i];

    for (unsigned double_round = 0; double_round < 10; double_round++) {
        for (unsigned i = 0; i < 4; i++) /* columns */
            quarter_round(out, i, 4 + i, 8 + i, 12 + i);
        for (unsigned i = 0; i < 4; i++) /* diagonals */
            quarter_round(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        out[i] += start[i];
}

void prng_seed(struct prng *prng, uint64_t seed, uint64_t stream)
{
    *prng = (struct prng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .nonce = {0, (uint32_t)stream, (uint32_t)(stream >> 32)},
        .used = BLOCK_WORDS,
    };
}

uint32_t prng_u32(struct prng *prng)
{
    if (prng->used == BLOCK_WORDS) {
        chacha20_block(prng->key, prng->counter, prng->nonce, prng->block);
        if (++prng->counter == 0)
            prng->nonce[0]++;
        prng->used = 0;
    }
    return prng->block[prng->used++];
}

uint64_t prng_u64(struct prng *prng)
{
    uint64_t low = prng_u32(prng);

    return low | (uint64_t)prng_u32(prng) << 32;
}

/*
 * A draw r of 64 bits, times bound, has the result in its upper 64 bits: [0, 2^64) is cut into `bound`
 * pieces. They are equally long once the draws whose lower 64 bits fall below 2^64 mod bound are rejected.
 * That modulus is computed only when the lower bits are below bound, which a small bound hardly ever sees.
 */
uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    VM_ASSERT(bound > 0);
    __extension__ unsigned __int128 product = (unsigned __int128)prng_u64(prng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t reject = -bound % bound;
        while ((uint64_t)product < reject)
            product = (unsigned __int128)prng_u64(prng) * bound;
    }
    return (uint64_t)(product >> 64);
}
