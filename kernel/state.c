/* SPDX-License-Identifier: MIT */
/* state.c: the state of the selected machine as one number: FNV-1a over all that can be seen of it. */
#include "state.h"

#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>

struct hash_sink {
    struct vm_sink sink;
    uint64_t hash;
};

static void hash_bytes(struct vm_sink *self, const char *text, size_t size)
{
    struct hash_sink *hash = (struct hash_sink *)self;
    for (; size > 0; size--)
        hash->hash = (hash->hash ^ (unsigned char)*text++) * 0x100000001b3ull;
}

uint64_t state_hash(void)
{
    struct hash_sink hash = {.sink = {hash_bytes}, .hash = 0xcbf29ce484222325ull};
    struct vm_stats stats;
    vm_aspace_dump_all(&hash.sink);
    vm_machine_stats(&stats);
    hash_bytes(&hash.sink, (const char *)&stats, sizeof(stats));
    for (unsigned state = 0; state < VM_PAGE_STATE_COUNT; state++) {
        uint64_t pages = pmm_count(state);
        hash_bytes(&hash.sink, (const char *)&pages, sizeof(pages));
    }
    return hash.hash;
}
