/* SPDX-License-Identifier: MIT */
/*
 * region_tree.h: disjoint ranges of addresses inside one span, each with a value, and the gaps between them.
 *
 * It holds the children of a VMAR (value: the region) and the protection ranges of a mapping (value:
 * permissions). Theory of operation in region_tree.c. The owner locks. Insertion never fails: what it may
 * need is reserved before.
 */
#ifndef VM_REGION_TREE_H_
#define VM_REGION_TREE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

struct prng;
struct region_node;
struct region_spare;

struct region_tree {
    /* the span; end is exclusive, base < end <= 2^64 - 4096; end <= 2^63 where base is 0 */
    zx_vaddr_t base, end;
    struct region_node *root; /* null: empty */
    uint32_t height;          /* levels of nodes */
    uint64_t count;           /* ranges */
};

struct region_entry {
    zx_vaddr_t base, end;
    void *value;
};

/* Nodes that an insertion may need, taken beforehand. All zero is an empty one. May be copied when the
   original is forgotten. */
struct region_reserve {
    struct region_spare *leaf_list, *inner_list;
    uint64_t leaves, inner;
};

void region_tree_init(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end);

/* Frees the nodes of a tree whatever it holds; the tree is empty then. */
void region_tree_clear(struct region_tree *tree);

/*
 * Takes what `insertions` may need at the most. Up to three: they go directly behind the last range whose
 * base is below `at`, or behind one another there, and whatever begins at or above `at` may be removed or
 * resized in between; costs the full nodes on the path. More than three: they go anywhere, and nothing is
 * removed in between; costs height + 2 nodes each. Adds to what the reserve holds; NO_MEMORY leaves it empty.
 */
zx_status_t region_reserve(struct region_reserve *reserve, const struct region_tree *tree, zx_vaddr_t at,
                           unsigned insertions);
/* As much as a tree that is empty when they begin needs for `insertions` in ascending order. O(insertions)
   memory. */
zx_status_t region_reserve_ascending(struct region_reserve *reserve, uint64_t insertions);
/* What cutting the tree at `at` takes: at most 2 * height + 2 nodes. */
zx_status_t region_reserve_cut(struct region_reserve *reserve, const struct region_tree *tree, zx_vaddr_t at);
/* Gives back what was not used. Harmless on an empty reserve (all zero). */
void region_reserve_release(struct region_reserve *reserve);

/* Adds [base, end), which must be a free part of the span (asserted). O(log n). */
void region_tree_insert(struct region_tree *tree, struct region_reserve *reserve, zx_vaddr_t base,
                        zx_vaddr_t end, void *value);

/* Removes the range that begins at base (asserted) and returns its value. Frees nodes, needs no memory. O(log
   n). */
void *region_tree_remove(struct region_tree *tree, zx_vaddr_t base);

/* Gives the range that begins at base a new extent that does not cross its neighbours (asserted). O(log n). */
void region_tree_resize(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t new_base, zx_vaddr_t new_end);
void region_tree_set_value(struct region_tree *tree, zx_vaddr_t base, void *value);

/* Gives the tree another span, which must hold every range (asserted). O(log n). */
void region_tree_set_span(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end);

/* Moves what lies at and above `at`, which is inside the span, to `tail`: the spans end and begin there. A range that
   reaches across becomes two. O(log n), beside a step for each leaf of the part with fewer ranges. */
void region_tree_cut(struct region_tree *tree, struct region_tree *tail, struct region_reserve *reserve,
                     zx_vaddr_t at);

/* The range that holds va. False: a gap, or outside. O(log n). */
bool region_tree_find(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out);

/* The first range whose end is above va (it holds va, or is the next one). False: none. O(log n). */
bool region_tree_find_from(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out);

/* The last range whose base is below va. False: none. O(log n). */
bool region_tree_find_before(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out);

/* Whether [base, end) is within the span and free. O(log n). */
bool region_tree_is_free(const struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end);

/* A place for `size` bytes that begins at a multiple of 1 << align_log2 and ends at or below `limit`. size >
   0, page-aligned. */
struct region_request {
    size_t size;
    uint8_t align_log2; /* at least ZX_PAGE_SHIFT */
    zx_vaddr_t limit;   /* exclusive end; at most tree->end */
    bool nonzero;       /* the lowest place is not to be address 0 */
};

/* The lowest such place. NO_RESOURCES where there is none. */
zx_status_t region_tree_place_lowest(const struct region_tree *tree, const struct region_request *request,
                                     zx_vaddr_t *out);

/* A place chosen uniformly among all that begin in the window: the lowest 2^entropy_bits << align_log2 bytes
   of free space. The lowest place where the window holds none. NO_RESOURCES where there is none at all. */
zx_status_t region_tree_place_random(const struct region_tree *tree, const struct region_request *request,
                                     uint8_t entropy_bits, struct prng *prng, zx_vaddr_t *out);

/* Exactly how many places begin in that window (saturating); for tests and proofs. O(gaps). */
uint64_t region_tree_count_places(const struct region_tree *tree, const struct region_request *request,
                                  uint8_t entropy_bits);

struct vm_sink;
/* Order, disjointness, bounds, fill of nodes, summaries equal to a recount, count. False, with a report, when
   not. O(n). */
bool region_tree_check(const struct region_tree *tree, struct vm_sink *report);

/* Bytes of node memory that the tree holds; for statistics. O(nodes). */
size_t region_tree_bytes(const struct region_tree *tree);

#endif /* VM_REGION_TREE_H_ */
