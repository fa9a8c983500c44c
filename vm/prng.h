/* SPDX-License-Identifier: MIT */
/* prng.h: ChaCha20 (RFC 8439) as a stream of random numbers, seeded once and drawn in blocks. The owner
   locks. */
#ifndef VM_PRNG_H_
#define VM_PRNG_H_

#include <stdint.h>

struct prng {
    uint32_t key[8];
    uint32_t nonce[3];
    uint32_t counter;
    uint32_t block[16]; /* the current block of key stream */
    unsigned used;      /* words of it already given out; 16: draw the next */
};

/* The block function of RFC 8439, section 2.3. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);

/* The same seed and stream give the same numbers; streams of one seed are independent. */
void prng_seed(struct prng *prng, uint64_t seed, uint64_t stream);
uint32_t prng_u32(struct prng *prng);
uint64_t prng_u64(struct prng *prng);

/* Uniform in [0, bound), bound > 0, without bias. */
uint64_t prng_below(struct prng *prng, uint64_t bound);

#endif /* VM_PRNG_H_ */
