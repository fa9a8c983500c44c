/* SPDX-License-Identifier: MIT */
/*
 * vmo_family.c: which VMO was made from which.
 *
 * Concept. ZX_INFO_VMO tells a VMO's parent and how many children it has, and the caching of a VMO with children does
 * not change; nothing else depends on it. When a VMO goes, its children become its parent's. So no VMO is kept for the
 * sake of its children's pedigree; but it may have any number of them, and a line of VMOs that are closed one after the
 * other hands them on each time.
 *
 * Structure. The children of a VMO are one set: a binary tree threaded through them, in no order, whose root
 * alone knows the parent. A child finds its parent by going up to the root, and a set becomes part of another
 * as a whole. The children of a VMO that goes and is nobody's child stay together, in a set whose root names no
 * parent. Each node knows its weight: the nodes of its subtree, itself included.
 *
 * Merging. The heavier root stays above; the other tree is merged with the lighter of its subtrees.
 *
 * Removing. What takes the place of a node is the leaf at which one arrives who goes down from the root, to the
 * heavier subtree each time. So only the weights on that way change.
 *
 * Invariants (vmo_family_check). Weights equal a recount; up and down agree; a root's parent, if it names one,
 * has it for its children; nobody else names a parent. No subtree has more than three quarters of the weight of
 * the node above it. Merging n with m <= n leaves the heavier subtree as it was and makes of the lighter one, which
 * has less than n / 2, one of less than n / 2 + m, which is at most 3/4 (n + m); removing takes from the heavier one.
 * So it is log(n) / log(4/3) < 2.5 log2(n) steps from any node to the root.
 *
 * Locking. All of it is under machine->lock.
 *
 * Cost. Everything O(log n) of the sets concerned. No memory is taken.
 */
#include "internal.h"

static size_t weight_of(const struct vm_vmo *vmo)
{
    return vmo != NULL ? vmo->weight : 0;
}

static struct vm_vmo **lighter_subtree(struct vm_vmo *vmo)
{
    return &vmo->below[weight_of(vmo->below[1]) < weight_of(vmo->below[0])];
}

static struct vm_vmo *const *heavier_subtree(const struct vm_vmo *vmo)
{
    return &vmo->below[weight_of(vmo->below[1]) >= weight_of(vmo->below[0])];
}

static const struct vm_vmo *root_of(const struct vm_vmo *vmo)
{
    while (vmo->above != NULL)
        vmo = vmo->above;
    return vmo;
}

/* One set of two, either of which may be empty; its root names no parent yet. */
static struct vm_vmo *merge(struct vm_vmo *one, struct vm_vmo *other)
{
    struct vm_vmo *root = NULL, *above = NULL, **place = &root;
    while (one != NULL && other != NULL) {
        struct vm_vmo *heavy = one->weight >= other->weight ? one : other;
        other = heavy == one ? other : one;
        heavy->weight += other->weight;
        heavy->parent = NULL;
        heavy->above = above;
        *place = above = heavy;
        place = lighter_subtree(heavy);
        one = *place;
    }
    struct vm_vmo *rest = one != NULL ? one : other;
    *place = rest;
    if (rest != NULL) {
        rest->parent = NULL;
        rest->above = above;
    }
    return root;
}

/* Makes all of a set children of the parent, or, where that is null, of nobody. */
static void adopt(struct vm_vmo *parent, struct vm_vmo *set)
{
    if (parent != NULL)
        set = parent->children = merge(parent->children, set);
    if (set != NULL)
        set->parent = parent;
}

/* What led down to vmo leads to the other from now on, which may be null. */
static void relink(const struct vm_vmo *vmo, struct vm_vmo *other)
{
    if (vmo->above != NULL)
        vmo->above->below[vmo->above->below[1] == vmo] = other;
    else if (vmo->parent != NULL)
        vmo->parent->children = other;
}

/* Takes a VMO out of the set that it is in. */
static void take_out(struct vm_vmo *vmo)
{
    struct vm_vmo *leaf = vmo;
    while (leaf->above != NULL)
        leaf = leaf->above;
    while (leaf->weight-- > 1)
        leaf = *heavier_subtree(leaf);
    relink(leaf, NULL);
    if (leaf == vmo)
        return;
    relink(vmo, leaf);
    leaf->parent = vmo->parent;
    leaf->above = vmo->above;
    leaf->weight = vmo->weight;
    for (unsigned side = 0; side < 2; side++) {
        leaf->below[side] = vmo->below[side];
        if (leaf->below[side] != NULL)
            leaf->below[side]->above = leaf;
    }
}

void vmo_join_family(struct vm_vmo *child, struct vm_vmo *parent)
{
    port_mutex_lock(&vm_machine->lock);
    child->weight = 1;
    adopt(parent, child);
    port_mutex_unlock(&vm_machine->lock);
}

void vmo_leave_family(struct vm_vmo *vmo)
{
    port_mutex_lock(&vm_machine->lock);
    struct vm_vmo *parent = root_of(vmo)->parent;
    if (vmo->weight != 0)
        take_out(vmo);
    adopt(parent, vmo->children);
    port_mutex_unlock(&vm_machine->lock);
}

void vmo_family(const struct vm_vmo *vmo, zx_koid_t *parent, size_t *children)
{
    port_mutex_lock(&vm_machine->lock);
    const struct vm_vmo *found = root_of(vmo)->parent;
    *parent = found != NULL ? found->object.koid : ZX_KOID_INVALID;
    *children = weight_of(vmo->children);
    port_mutex_unlock(&vm_machine->lock);
}

/* ---- Check ---- */

static bool is_alive(const struct vm_vmo *vmo)
{
    return vmo->object.type == ZX_OBJ_TYPE_VMO && atomic_load(&vmo->object.refs) != 0;
}

/* Whether the node's weight is that of its subtrees and itself, and they are its own. So none of them is as
   heavy, and no way down goes in a circle. */
static bool are_subtrees_sound(const struct vm_vmo *vmo)
{
    size_t weight = 1;
    for (unsigned side = 0; side < 2; side++) {
        const struct vm_vmo *below = vmo->below[side];
        if (below == NULL)
            continue;
        if (!is_alive(below) || below->above != vmo || below->weight == 0)
            return false;
        weight += below->weight;
    }
    return vmo->weight == weight;
}

/* Whether what is above leads down to the node again. */
static bool is_place_sound(const struct vm_vmo *vmo)
{
    const struct vm_vmo *above = vmo->above, *parent = vmo->parent;
    if (above != NULL)
        return is_alive(above) && parent == NULL && (above->below[0] == vmo) != (above->below[1] == vmo);
    return parent == NULL || (is_alive(parent) && parent->children == vmo);
}

const char *vmo_family_check(const struct vm_vmo *vmo)
{
    const struct vm_vmo *children = vmo->children;
    if (children != NULL && (!is_alive(children) || children->parent != vmo || children->above != NULL))
        return "its children are another's";
    if (vmo->weight == 0)
        return vmo->parent == NULL && vmo->above == NULL && vmo->below[0] == NULL && vmo->below[1] == NULL
                   ? NULL
                   : "a child of nobody has a place among children";
    if (!is_place_sound(vmo))
        return "its place among the children of its parent is another's";
    if (!are_subtrees_sound(vmo))
        return "another number of children from it downwards than it counts";
    return weight_of(*heavier_subtree(vmo)) > vmo->weight - (vmo->weight + 3) / 4
               ? "most of the children from it downwards are on one side"
               : NULL;
}
