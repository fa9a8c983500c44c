/* SPDX-License-Identifier: MIT */
/*
 * region_walk.h: the regions of an address space in order of address, parents before children. It goes up
 * again by way of the parents, so it needs neither stack nor memory, however deep the VMARs are nested. O(log
 * siblings) a step.
 */
#ifndef VM_REGION_WALK_H_
#define VM_REGION_WALK_H_

#include "internal.h"

struct region_walk {
    struct vm_vmar *at;        /* whose children come next */
    zx_vaddr_t va;             /* those from here on */
    unsigned depth;            /* of the latest region; the root's children have 1 */
    unsigned at_depth;         /* of `at` */
    struct vm_vmar *parent;    /* who holds the latest region */
    struct region_entry entry; /* the latest region's place in its parent's tree */
};

/* Visits everything below `root`, which is alive (or null: nothing). */
static inline void region_walk_start(struct region_walk *walk, struct vm_vmar *root)
{
    *walk = (struct region_walk){.at = root, .va = root != NULL ? root->region.base : 0};
}

static inline struct vm_region *region_walk_next(struct region_walk *walk)
{
    for (; walk->at != NULL; walk->at_depth--) {
        if (region_tree_find_from(&walk->at->children, walk->va, &walk->entry)) {
            struct vm_region *region = walk->entry.value;
            walk->parent = walk->at;
            walk->depth = walk->at_depth + 1;
            walk->va = walk->entry.end;
            if (region->kind == VM_REGION_VMAR) {
                walk->at = vmar_of(region);
                walk->at_depth++;
                walk->va = walk->entry.base;
            }
            return region;
        }
        walk->va = walk->at->region.base + walk->at->region.size;
        walk->at = walk->at_depth == 0 ? NULL : walk->at->region.parent;
    }
    return NULL;
}

#endif /* VM_REGION_WALK_H_ */
