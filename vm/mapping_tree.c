/* SPDX-License-Identifier: MIT */
/*
 * mapping_tree.c: the mappings of one VMO, found by the part of the VMO that they show.
 *
 * Concept. Shrinking and decommitting must remove translations from every mapping that shows the pages
 * concerned, and from no more than those: a VMO may have a million mappings of which one shows a given page.
 * Putting a page in must remove the zero page only where it may stand.
 *
 * Structure. Two interval trees of one make. One holds all mappings by the part that they show, the other those that
 * may show the zero page, each with one interval that bounds where. Each is an AVL tree threaded through the
 * mappings, ordered by the beginning of the interval (equal ones in any order), each node carrying the highest
 * end of its subtree (`reach`). A search skips every subtree that does not reach far enough, and stops where
 * intervals begin too high.
 *
 * Why a tree of its own for the zero page: in one that is ordered by parts, a search has to look at every mapping
 * whose zero pages begin behind the place, and nothing bounds how many there are. Why one interval: it costs no memory
 * that could be missing when the zero page is entered, and it is exact for what programs do most, reading
 * something in one place. Two places far apart make it say too much; vmo.c narrows it where it has been wrong too
 * often.
 *
 * Invariants (mapping_tree_check). Order; heights of siblings differ by one at the most; reach and height equal
 * a recount; parents and children agree. A mapping is in the second tree if its interval there is not empty, and
 * that lies within its part. It says "may": the zero page stands nowhere else, and perhaps not there.
 *
 * Cost. Insert, remove, show, hide: O(log n). Searching: O(log n) for each mapping found.
 */
#include "internal.h"

/* ---- One tree ---- */

static uint8_t height_of(const struct mapping_link *link)
{
    return link == NULL ? 0 : link->height;
}

static uint64_t reach_of(const struct mapping_link *link)
{
    return link == NULL ? 0 : link->reach;
}

static uint64_t subtree_reach(const struct mapping_link *link)
{
    uint64_t reach = link->end, left = reach_of(link->left), right = reach_of(link->right);
    reach = reach > left ? reach : left;
    return reach > right ? reach : right;
}

static void summarise(struct mapping_link *link)
{
    uint8_t left = height_of(link->left), right = height_of(link->right);
    link->height = (left > right ? left : right) + 1;
    link->reach = subtree_reach(link);
}

/* Puts `replacement` (may be null) where `link` hangs. */
static void replace_child(struct mapping_link **root, const struct mapping_link *link,
                          struct mapping_link *replacement)
{
    struct mapping_link *parent = link->parent;
    if (parent == NULL)
        *root = replacement;
    else if (parent->left == link)
        parent->left = replacement;
    else
        parent->right = replacement;
    if (replacement != NULL)
        replacement->parent = parent;
}

/* Lifts the left (or right) child of `top` above it; returns that child. */
static struct mapping_link *rotate(struct mapping_link **root, struct mapping_link *top, bool left)
{
    struct mapping_link *child = left ? top->left : top->right;
    struct mapping_link *inner = left ? child->right : child->left;
    replace_child(root, top, child);
    if (left) {
        top->left = inner;
        child->right = top;
    } else {
        top->right = inner;
        child->left = top;
    }
    if (inner != NULL)
        inner->parent = top;
    top->parent = child;
    summarise(top);
    summarise(child);
    return child;
}

/* Restores balance at `top`, whose subtrees are in order; returns what stands there then. */
static struct mapping_link *balance(struct mapping_link **root, struct mapping_link *top)
{
    int lean = height_of(top->left) - height_of(top->right);
    if (lean > 1) {
        struct mapping_link *child = top->left;
        if (height_of(child->left) < height_of(child->right))
            rotate(root, child, false);
        return rotate(root, top, true);
    }
    if (lean < -1) {
        struct mapping_link *child = top->right;
        if (height_of(child->right) < height_of(child->left))
            rotate(root, child, true);
        return rotate(root, top, false);
    }
    return top;
}

/* Brings summaries and balance in order from `from` up to the root. */
static void retrace(struct mapping_link **root, struct mapping_link *from)
{
    for (struct mapping_link *at = from; at != NULL; at = at->parent) {
        summarise(at);
        at = balance(root, at);
    }
}

static void link_insert(struct mapping_link **root, struct mapping_link *link)
{
    struct mapping_link *parent = NULL, **slot = root;
    while (*slot != NULL) {
        parent = *slot;
        slot = link->first < parent->first ? &parent->left : &parent->right;
    }
    *slot = link;
    link->parent = parent;
    link->left = link->right = NULL;
    retrace(root, link);
}

static void link_remove(struct mapping_link **root, struct mapping_link *link)
{
    struct mapping_link *left = link->left, *right = link->right, *changed;
    if (left == NULL || right == NULL) {
        changed = link->parent;
        replace_child(root, link, left != NULL ? left : right);
    } else {
        struct mapping_link *heir = right;
        while (heir->left != NULL)
            heir = heir->left;
        changed = heir == right ? heir : heir->parent;
        replace_child(root, heir, heir->right);
        heir->left = link->left;
        heir->right = link->right;
        replace_child(root, link, heir);
        heir->left->parent = heir;
        if (heir->right != NULL)
            heir->right->parent = heir;
    }
    retrace(root, changed);
    link->parent = link->left = link->right = NULL;
    link->height = 0;
}

/* The first of the subtree, which reaches beyond `offset`: so one of left, itself and right does. Null: it begins
   at or above `end`. */
static struct mapping_link *first_below(struct mapping_link *at, uint64_t offset, uint64_t end)
{
    for (;;) {
        if (reach_of(at->left) > offset) {
            at = at->left;
            continue;
        }
        if (at->first >= end)
            return NULL;
        if (at->end > offset)
            return at;
        at = at->right;
    }
}

static struct mapping_link *next_link(struct mapping_link *at, uint64_t offset, uint64_t end)
{
    for (;;) {
        if (reach_of(at->right) > offset)
            return first_below(at->right, offset, end);
        const struct mapping_link *child;
        do {
            child = at;
            at = at->parent;
            if (at == NULL)
                return NULL;
        } while (child == at->right);
        if (at->first >= end)
            return NULL;
        if (at->end > offset)
            return at;
    }
}

/* ---- Both ---- */

static struct vm_mapping *mapping_with(struct mapping_link *link, bool zero)
{
    if (link == NULL)
        return NULL;
    return zero ? container_of(link, struct vm_mapping, zero) : container_of(link, struct vm_mapping, link);
}

/* Moves the interval of the zero page. */
static void set_zero(struct mapping_tree *tree, struct vm_mapping *mapping, uint64_t first, uint64_t end)
{
    struct mapping_link *zero = &mapping->zero;
    if (zero->height != 0)
        link_remove(&tree->zero_root, zero);
    zero->first = first < end ? first : 0;
    zero->end = first < end ? end : 0;
    if (first < end)
        link_insert(&tree->zero_root, zero);
}

void mapping_tree_insert(struct mapping_tree *tree, struct vm_mapping *mapping)
{
    struct mapping_link *part = &mapping->link;
    const struct mapping_link *zero = &mapping->zero;
    VM_ASSERT_REGION(part->height == 0 && zero->height == 0, &mapping->region);
    part->first = mapping->vmo_offset;
    part->end = mapping->vmo_offset + mapping->region.size;
    link_insert(&tree->root, part);
    set_zero(tree, mapping, zero->first > part->first ? zero->first : part->first,
             zero->end < part->end ? zero->end : part->end);
}

void mapping_tree_remove(struct mapping_tree *tree, struct vm_mapping *mapping)
{
    VM_ASSERT_REGION(mapping->link.height != 0, &mapping->region);
    link_remove(&tree->root, &mapping->link);
    if (mapping->zero.height != 0)
        link_remove(&tree->zero_root, &mapping->zero);
}

void mapping_tree_show_zero(struct mapping_tree *tree, struct vm_mapping *mapping, uint64_t first,
                            uint64_t end)
{
    const struct mapping_link *zero = &mapping->zero;
    VM_ASSERT_REGION(first >= mapping->link.first && end <= mapping->link.end, &mapping->region);
    if (zero->height != 0) {
        first = first < zero->first ? first : zero->first;
        end = end > zero->end ? end : zero->end;
    }
    if (first != zero->first || end != zero->end)
        set_zero(tree, mapping, first, end);
}

void mapping_tree_hide_zero(struct mapping_tree *tree, struct vm_mapping *mapping, uint64_t first,
                            uint64_t end)
{
    const struct mapping_link *zero = &mapping->zero;
    if (first <= zero->first && end > zero->first && zero->height != 0)
        set_zero(tree, mapping, end, zero->end);
    else if (first < zero->end && end >= zero->end)
        set_zero(tree, mapping, zero->first, first);
}

struct vm_mapping *mapping_tree_first(const struct mapping_tree *tree, uint64_t offset, uint64_t end,
                                      bool zero)
{
    struct mapping_link *root = zero ? tree->zero_root : tree->root;
    return mapping_with(reach_of(root) > offset ? first_below(root, offset, end) : NULL, zero);
}

struct vm_mapping *mapping_tree_next(const struct vm_mapping *mapping, uint64_t offset, uint64_t end,
                                     bool zero)
{
    const struct mapping_link *link = zero ? &mapping->zero : &mapping->link;
    return mapping_with(next_link((struct mapping_link *)link, offset, end), zero);
}

/* ---- Check ---- */

static bool check_node(const struct mapping_link *link, const struct mapping_link *parent)
{
    int left = height_of(link->left), right = height_of(link->right);
    int lean = left - right;
    return link->parent == parent && lean >= -1 && lean <= 1 &&
           link->height == (lean > 0 ? left : right) + 1 && link->reach == subtree_reach(link);
}

/* What both intervals of a mapping say, of which the part is in its tree. */
static bool check_intervals(const struct vm_mapping *mapping)
{
    const struct mapping_link *part = &mapping->link, *zero = &mapping->zero;
    if (part->first != mapping->vmo_offset || part->end != part->first + mapping->region.size)
        return false;
    if (zero->height == 0)
        return zero->first == 0 && zero->end == 0;
    return is_page_aligned(zero->first | zero->end) && zero->first < zero->end &&
           zero->first >= part->first && zero->end <= part->end;
}

struct tree_check {
    bool zero;
    uint64_t last;  /* where the interval before begins, in order */
    uint64_t zeros; /* how many mappings say that they may show the zero page, less those that are found */
    struct vm_sink *report;
};

/* Recursion is bounded by the height, which is logarithmic. */
static bool check_subtree(struct tree_check *check, struct mapping_link *link,
                          const struct mapping_link *parent)
{
    if (link == NULL)
        return true;
    if (!check_subtree(check, link->left, link))
        return false;
    const struct vm_mapping *mapping = mapping_with(link, check->zero);
    if (link->first < check->last || !check_node(link, parent) || !check_intervals(mapping)) {
        vm_print(check->report, "mapping at 0x%llx: misplaced in its VMO's tree, or a wrong summary there\n",
                 (unsigned long long)mapping->region.base);
        return false;
    }
    check->last = link->first;
    check->zeros += check->zero ? -1 : mapping->zero.height != 0;
    return check_subtree(check, link->right, link);
}

bool mapping_tree_check(const struct mapping_tree *tree, struct vm_sink *report)
{
    struct tree_check check = {.report = report};
    if (!check_subtree(&check, tree->root, NULL))
        return false;
    check.zero = true;
    check.last = 0;
    if (!check_subtree(&check, tree->zero_root, NULL))
        return false;
    if (check.zeros != 0)
        vm_print(report, "mappings that may show the zero page: %lld are missing in their VMO's tree\n",
                 (long long)check.zeros);
    return check.zeros == 0;
}
