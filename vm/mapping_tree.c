/* SPDX-License-Identifier: MIT */
/*
 * mapping_tree.c: the mappings of one VMO, found by the part of the VMO that they show.
 *
 * Concept. Shrinking and decommitting must remove translations from every mapping that shows the pages
 * concerned, and from no more than those: a VMO may have a million mappings of which one shows a given page.
 * Putting a page in must remove the zero page only where it may stand.
 *
 * Structure. An interval tree: an AVL tree threaded through the mappings, ordered by vmo_offset (equal ones
 * in any order), each node carrying the highest end of its subtree (`reach`), and the same over those
 * mappings only that may show the zero page (`zero_reach`). A search skips every subtree that does not reach
 * far enough, and stops where parts begin too high.
 *
 * Invariants (mapping_tree_check). Order; heights of siblings differ by one at the most; reach, zero_reach
 * and height equal a recount; parents and children agree. `zero` is never cleared while the mapping lives: it
 * says "may".
 *
 * Cost. Insert, remove: O(log n). Searching: O(log n) for each mapping found.
 */
#include "internal.h"

static uint64_t end_of(const struct vm_mapping *mapping)
{
    return mapping->vmo_offset + mapping->region.size;
}

static uint8_t height_of(const struct vm_mapping *mapping)
{
    return mapping == NULL ? 0 : mapping->link.height;
}

static uint64_t reach_of(const struct vm_mapping *mapping, bool zero)
{
    if (mapping == NULL)
        return 0;
    return zero ? mapping->link.zero_reach : mapping->link.reach;
}

/* How far the mapping itself reaches, as a search sees it. */
static uint64_t own_reach(const struct vm_mapping *mapping, bool zero)
{
    return zero && !mapping->link.zero ? 0 : end_of(mapping);
}

static uint64_t subtree_reach(const struct vm_mapping *mapping, bool zero)
{
    uint64_t reach = own_reach(mapping, zero);
    uint64_t left = reach_of(mapping->link.left, zero), right = reach_of(mapping->link.right, zero);
    reach = reach > left ? reach : left;
    return reach > right ? reach : right;
}

static void summarise(struct vm_mapping *mapping)
{
    uint8_t left = height_of(mapping->link.left), right = height_of(mapping->link.right);
    mapping->link.height = (left > right ? left : right) + 1;
    mapping->link.reach = subtree_reach(mapping, false);
    mapping->link.zero_reach = subtree_reach(mapping, true);
}

/* Puts `replacement` (may be null) where `mapping` hangs. */
static void replace_child(struct mapping_tree *tree, const struct vm_mapping *mapping,
                          struct vm_mapping *replacement)
{
    struct vm_mapping *parent = mapping->link.parent;
    if (parent == NULL)
        tree->root = replacement;
    else if (parent->link.left == mapping)
        parent->link.left = replacement;
    else
        parent->link.right = replacement;
    if (replacement != NULL)
        replacement->link.parent = parent;
}

/* Lifts the left (or right) child of `top` above it; returns that child. */
static struct vm_mapping *rotate(struct mapping_tree *tree, struct vm_mapping *top, bool left)
{
    struct vm_mapping *child = left ? top->link.left : top->link.right;
    struct vm_mapping *inner = left ? child->link.right : child->link.left;
    replace_child(tree, top, child);
    if (left) {
        top->link.left = inner;
        child->link.right = top;
    } else {
        top->link.right = inner;
        child->link.left = top;
    }
    if (inner != NULL)
        inner->link.parent = top;
    top->link.parent = child;
    summarise(top);
    summarise(child);
    return child;
}

/* Restores balance at `top`, whose subtrees are in order; returns what stands there then. */
static struct vm_mapping *balance(struct mapping_tree *tree, struct vm_mapping *top)
{
    int lean = height_of(top->link.left) - height_of(top->link.right);
    if (lean > 1) {
        struct vm_mapping *child = top->link.left;
        if (height_of(child->link.left) < height_of(child->link.right))
            rotate(tree, child, false);
        return rotate(tree, top, true);
    }
    if (lean < -1) {
        struct vm_mapping *child = top->link.right;
        if (height_of(child->link.right) < height_of(child->link.left))
            rotate(tree, child, true);
        return rotate(tree, top, false);
    }
    return top;
}

/* Brings summaries and balance in order from `from` up to the root. */
static void retrace(struct mapping_tree *tree, struct vm_mapping *from)
{
    for (struct vm_mapping *at = from; at != NULL; at = at->link.parent) {
        summarise(at);
        at = balance(tree, at);
    }
}

void mapping_tree_insert(struct mapping_tree *tree, struct vm_mapping *mapping)
{
    struct vm_mapping *parent = NULL, **slot = &tree->root;
    VM_ASSERT_REGION(mapping->link.height == 0, &mapping->region);
    while (*slot != NULL) {
        parent = *slot;
        slot = mapping->vmo_offset < parent->vmo_offset ? &parent->link.left : &parent->link.right;
    }
    *slot = mapping;
    mapping->link.parent = parent;
    mapping->link.left = mapping->link.right = NULL;
    retrace(tree, mapping);
}

void mapping_tree_remove(struct mapping_tree *tree, struct vm_mapping *mapping)
{
    struct vm_mapping *left = mapping->link.left, *right = mapping->link.right, *changed;
    VM_ASSERT_REGION(mapping->link.height != 0, &mapping->region);
    if (left == NULL || right == NULL) {
        changed = mapping->link.parent;
        replace_child(tree, mapping, left != NULL ? left : right);
    } else {
        struct vm_mapping *heir = right;
        while (heir->link.left != NULL)
            heir = heir->link.left;
        changed = heir == right ? heir : heir->link.parent;
        replace_child(tree, heir, heir->link.right);
        heir->link.left = mapping->link.left;
        heir->link.right = mapping->link.right;
        replace_child(tree, mapping, heir);
        heir->link.left->link.parent = heir;
        if (heir->link.right != NULL)
            heir->link.right->link.parent = heir;
    }
    retrace(tree, changed);
    mapping->link.parent = mapping->link.left = mapping->link.right = NULL;
    mapping->link.height = 0;
}

void mapping_tree_set_zero(struct vm_mapping *mapping)
{
    if (mapping->link.zero)
        return;
    mapping->link.zero = true;
    for (struct vm_mapping *at = mapping; at != NULL; at = at->link.parent)
        at->link.zero_reach = subtree_reach(at, true);
}

/* The first of the subtree, which reaches beyond `offset`: so one of left, itself and right does. Null: it begins
   at or above `end`. */
static struct vm_mapping *first_below(struct vm_mapping *at, uint64_t offset, uint64_t end, bool zero)
{
    for (;;) {
        if (reach_of(at->link.left, zero) > offset) {
            at = at->link.left;
            continue;
        }
        if (at->vmo_offset >= end)
            return NULL;
        if (own_reach(at, zero) > offset)
            return at;
        at = at->link.right;
    }
}

struct vm_mapping *mapping_tree_first(const struct mapping_tree *tree, uint64_t offset, uint64_t end,
                                      bool zero)
{
    return reach_of(tree->root, zero) > offset ? first_below(tree->root, offset, end, zero) : NULL;
}

struct vm_mapping *mapping_tree_next(const struct vm_mapping *mapping, uint64_t offset, uint64_t end,
                                     bool zero)
{
    const struct vm_mapping *at = mapping;
    for (;;) {
        if (reach_of(at->link.right, zero) > offset)
            return first_below(at->link.right, offset, end, zero);
        const struct vm_mapping *child;
        do {
            child = at;
            at = at->link.parent;
            if (at == NULL)
                return NULL;
        } while (child == at->link.right);
        if (at->vmo_offset >= end)
            return NULL;
        if (own_reach(at, zero) > offset)
            return (struct vm_mapping *)at;
    }
}

static bool check_node(const struct vm_mapping *mapping, const struct vm_mapping *parent)
{
    int left = height_of(mapping->link.left), right = height_of(mapping->link.right);
    int lean = left - right;
    return mapping->link.parent == parent && lean >= -1 && lean <= 1 &&
           mapping->link.height == (lean > 0 ? left : right) + 1 &&
           mapping->link.reach == subtree_reach(mapping, false) &&
           mapping->link.zero_reach == subtree_reach(mapping, true);
}

/* Recursion is bounded by the height, which is logarithmic. `last`: the offset of the mapping before, in
   order. */
static bool check_subtree(const struct vm_mapping *mapping, const struct vm_mapping *parent, uint64_t *last,
                          struct vm_sink *report)
{
    if (mapping == NULL)
        return true;
    if (!check_subtree(mapping->link.left, mapping, last, report))
        return false;
    if (mapping->vmo_offset < *last || !check_node(mapping, parent)) {
        vm_print(report, "mapping at 0x%llx: misplaced in its VMO's tree, or a wrong summary there\n",
                 (unsigned long long)mapping->region.base);
        return false;
    }
    *last = mapping->vmo_offset;
    return check_subtree(mapping->link.right, mapping, last, report);
}

bool mapping_tree_check(const struct mapping_tree *tree, struct vm_sink *report)
{
    uint64_t last = 0;
    return check_subtree(tree->root, NULL, &last, report);
}
