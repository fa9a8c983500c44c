/* SPDX-License-Identifier: MIT */
/*
 * region_node.h: how a region tree lies in memory; shared by region_tree.c (shape) and region_place.c (search
 * for a place) and by nobody else. Theory of operation in region_tree.c.
 */
#ifndef VM_REGION_NODE_H_
#define VM_REGION_NODE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "region_tree.h"

/* A leaf of 15 slots is six cache lines, and 16 bases make its search four steps without a branch to
   mispredict. */
#define REGION_LEAF_SLOTS  15
#define REGION_INNER_SLOTS 16

/* Nodes hold at least four slots, so that 16 levels are 2^32 ranges at the very least: more than 64-bit
   machines have memory for. */
#define REGION_HEIGHT_MAX 16

/* What is known of the gaps below one child. */
struct region_summary {
    uint64_t free;           /* bytes in all gaps */
    uint64_t max_gap;        /* bytes in the largest */
    uint64_t gaps : 56;      /* gaps that are not empty */
    uint64_t best_align : 8; /* the largest k such that some gap holds a multiple of 2^k; 0 without gaps */
};

struct region_leaf {
    zx_vaddr_t base[REGION_LEAF_SLOTS + 1]; /* [count]: where the last slot's gap ends; above that all ones */
    zx_vaddr_t end[REGION_LEAF_SLOTS];
    void *value[REGION_LEAF_SLOTS];
    struct region_leaf *next; /* of the higher neighbour */
    uint64_t count;
};

struct region_inner {
    zx_vaddr_t
        key[REGION_INNER_SLOTS]; /* the lowest base below child i; [0] is 0, unused ones are all ones */
    struct region_node *child[REGION_INNER_SLOTS];
    struct region_summary summary[REGION_INNER_SLOTS];
    uint64_t count;
};

static inline struct region_leaf *region_leaf_of(const struct region_node *node)
{
    return (struct region_leaf *)(void *)(uintptr_t)node;
}

static inline struct region_inner *region_inner_of(const struct region_node *node)
{
    return (struct region_inner *)(void *)(uintptr_t)node;
}

/* The last of 16 ascending keys that is at or below va; the first one is. */
static inline unsigned region_slot_of(const zx_vaddr_t key[static 16], zx_vaddr_t va)
{
    unsigned i = (unsigned)(key[8] <= va) << 3;
    i += (unsigned)(key[i + 4] <= va) << 2;
    i += (unsigned)(key[i + 2] <= va) << 1;
    i += (unsigned)(key[i + 1] <= va);
    return i;
}

/* The leaf whose slots and gaps va belongs to. The tree is not empty and va lies in its span. */
static inline const struct region_leaf *region_leaf_at(const struct region_tree *tree, zx_vaddr_t va)
{
    const struct region_node *node = tree->root;
    for (uint32_t level = tree->height; level > 1; level--) {
        const struct region_inner *inner = region_inner_of(node);
        node = inner->child[region_slot_of(inner->key, va)];
    }
    return region_leaf_of(node);
}

#endif /* VM_REGION_NODE_H_ */
