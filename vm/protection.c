/* SPDX-License-Identifier: MIT */
/*
 * protection.c: the permissions of the parts of one mapping.
 *
 * Concept. Most mappings have one permission throughout, and pay for nothing more: it is mapping->perms, and
 * `protections` is an empty tree. Once a part differs, the region tree holds the whole mapping cut into
 * ranges, the value of each its permission, and mapping->perms means nothing.
 *
 * Invariants (protection_check). A tree that is not empty tiles the mapping: its span is the mapping's, and
 * it has no gap. Its ranges are maximal: neighbours differ. So it has at least two.
 *
 * Setting a part first widens it over equal neighbours, which makes it end at edges of ranges or inside
 * ranges of another permission. What lies wholly within goes, but one range that is kept and stretched; what
 * reaches out is cut back. New ranges are needed only where nothing lies wholly within: the part itself, and
 * a second one where it is a hole in a single range. Both go behind the last range that begins below the
 * part, which is what a reservation for one place covers.
 *
 * Locking: the aspace's lock to read; the VMO's as well to change. Cost: O(log ranges) a range that is
 * touched, which is one that is new or goes: a range is not touched when its mapping is cut elsewhere.
 */
#include "internal.h"

static void *value_of(uint32_t perms)
{
    return (void *)(uintptr_t)perms;
}

static uint32_t perms_of(const struct region_entry *entry)
{
    return (uint32_t)(uintptr_t)entry->value;
}

/* The range of a tree that is not empty. */
static struct region_entry range_at(const struct vm_mapping *mapping, zx_vaddr_t va)
{
    struct region_entry entry;
    bool found = region_tree_find(&mapping->protections, va, &entry);
    VM_ASSERT_TREE(found, &mapping->protections);
    return entry;
}

uint32_t protection_range(const struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t *base, zx_vaddr_t *end)
{
    if (mapping->protections.count == 0) {
        VM_ASSERT_REGION(va >= mapping->region.base && va < region_end(&mapping->region), &mapping->region);
        *base = mapping->region.base;
        *end = region_end(&mapping->region);
        return mapping->perms;
    }
    struct region_entry entry = range_at(mapping, va);
    *base = entry.base;
    *end = entry.end;
    return perms_of(&entry);
}

uint32_t protection_at(const struct vm_mapping *mapping, zx_vaddr_t va)
{
    zx_vaddr_t base, end;
    return protection_range(mapping, va, &base, &end);
}

/* ---- Setting ---- */

zx_status_t protection_reserve(struct region_reserve *reserve, const struct vm_mapping *mapping,
                               zx_vaddr_t base, zx_vaddr_t end)
{
    VM_ASSERT_REGION(base >= mapping->region.base && base < end && end <= region_end(&mapping->region),
                     &mapping->region);
    if (base == mapping->region.base && end == region_end(&mapping->region))
        return ZX_OK;
    if (mapping->protections.count == 0)
        return region_reserve_ascending(reserve, 3);
    return region_reserve(reserve, &mapping->protections, base, 2);
}

/* The one permission goes into a tree. */
static void make_tree(struct vm_mapping *mapping, struct region_reserve *reserve)
{
    struct region_tree *tree = &mapping->protections;
    region_tree_init(tree, mapping->region.base, region_end(&mapping->region));
    region_tree_insert(tree, reserve, tree->base, tree->end, value_of(mapping->perms));
}

/* A tree of one range goes back into mapping->perms. */
static void drop_tree_if_uniform(struct vm_mapping *mapping)
{
    if (mapping->protections.count != 1)
        return;
    struct region_entry entry = range_at(mapping, mapping->protections.base);
    mapping->perms = perms_of(&entry);
    region_tree_clear(&mapping->protections);
}

/* Replaces [base, end), already widened over equal neighbours. */
static void carve(struct region_tree *tree, struct region_reserve *reserve, zx_vaddr_t base, zx_vaddr_t end,
                  uint32_t perms)
{
    struct region_entry entry;
    zx_vaddr_t kept = end; /* base of the range to stretch; `end`: none */
    if (region_tree_find_before(tree, base, &entry) && entry.end > base) {
        region_tree_resize(tree, entry.base, entry.base, base);
        if (entry.end > end)
            region_tree_insert(tree, reserve, end, entry.end, entry.value);
    }
    for (zx_vaddr_t at = base; region_tree_find_from(tree, at, &entry) && entry.base < end; at = entry.end) {
        if (entry.end > end)
            region_tree_resize(tree, entry.base, end, entry.end);
        else if (kept == end)
            kept = entry.base;
        else
            region_tree_remove(tree, entry.base);
    }
    if (kept == end) {
        region_tree_insert(tree, reserve, base, end, value_of(perms));
    } else {
        region_tree_set_value(tree, kept, value_of(perms));
        region_tree_resize(tree, kept, base, end);
    }
}

void protection_set(struct vm_mapping *mapping, struct region_reserve *reserve, zx_vaddr_t base,
                    zx_vaddr_t end, uint32_t perms)
{
    struct region_tree *tree = &mapping->protections;
    VM_ASSERT_REGION(base >= mapping->region.base && base < end && end <= region_end(&mapping->region),
                     &mapping->region);
    if (base == mapping->region.base && end == region_end(&mapping->region)) {
        region_tree_clear(tree);
        mapping->perms = perms;
        return;
    }
    if (tree->count == 0 && mapping->perms == perms)
        return;
    if (tree->count == 0)
        make_tree(mapping, reserve);
    struct region_entry entry = range_at(mapping, base);
    if (perms_of(&entry) == perms && entry.end >= end)
        return;
    if (base > tree->base && (entry = range_at(mapping, base - 1), perms_of(&entry) == perms))
        base = entry.base;
    if (end < tree->end && (entry = range_at(mapping, end), perms_of(&entry) == perms))
        end = entry.end;
    carve(tree, reserve, base, end, perms);
    drop_tree_if_uniform(mapping);
}

/* ---- When the mapping is shortened or cut; its region.base and size are the old ones or the new ones ---- */

void protection_truncate(struct vm_mapping *mapping, zx_vaddr_t new_base, zx_vaddr_t new_end)
{
    struct region_tree *tree = &mapping->protections;
    struct region_entry entry;
    if (tree->count == 0)
        return;
    VM_ASSERT_TREE(tree->base <= new_base && new_base < new_end && new_end <= tree->end, tree);
    while (region_tree_find_from(tree, tree->base, &entry) && entry.end <= new_base)
        region_tree_remove(tree, entry.base);
    while (region_tree_find_before(tree, tree->end, &entry) && entry.base >= new_end)
        region_tree_remove(tree, entry.base);
    entry = range_at(mapping, new_base);
    region_tree_resize(tree, entry.base, new_base, entry.end < new_end ? entry.end : new_end);
    entry = range_at(mapping, new_end - 1);
    region_tree_resize(tree, entry.base, entry.base, new_end);
    region_tree_set_span(tree, new_base, new_end);
    drop_tree_if_uniform(mapping);
}

/* Whether the part from `at` on has several permissions, and so a tree. */
static bool tail_has_tree(const struct vm_mapping *mapping, zx_vaddr_t at)
{
    return mapping->protections.count != 0 && range_at(mapping, at).end < mapping->protections.end;
}

zx_status_t protection_split_reserve(struct region_reserve *tail_reserve, const struct vm_mapping *mapping,
                                     zx_vaddr_t at)
{
    return tail_has_tree(mapping, at) ? region_reserve_cut(tail_reserve, &mapping->protections, at) : ZX_OK;
}

void protection_split(struct vm_mapping *mapping, struct vm_mapping *tail, zx_vaddr_t at,
                      struct region_reserve *tail_reserve)
{
    struct region_tree *tree = &mapping->protections;
    tail->perms = protection_at(mapping, at);
    tail->protections = (struct region_tree){0};
    if (tail_has_tree(mapping, at)) {
        region_tree_cut(tree, &tail->protections, tail_reserve, at);
        drop_tree_if_uniform(mapping);
    } else {
        protection_truncate(mapping, tree->base, at);
    }
}

bool protection_check(const struct vm_mapping *mapping, struct vm_sink *report)
{
    const struct region_tree *tree = &mapping->protections;
    struct region_entry entry;
    zx_vaddr_t at = mapping->region.base;
    void *before = NULL;
    bool ok = true;
    if (tree->count == 0 && tree->root == NULL)
        return true;
    if (tree->base != mapping->region.base || tree->end != region_end(&mapping->region) || tree->count < 2)
        ok = false;
    for (; region_tree_find_from(tree, at, &entry) && ok; before = entry.value, at = entry.end)
        ok = entry.base == at && (at == tree->base || entry.value != before) &&
             perms_of(&entry) <= ARCH_MMU_PERMS;
    if (!ok || at != tree->end)
        vm_print(
            report,
            "mapping [0x%llx, 0x%llx): its protection ranges do not tile it, or two are alike, at 0x%llx\n",
            (unsigned long long)mapping->region.base, (unsigned long long)region_end(&mapping->region),
            (unsigned long long)at);
    return region_tree_check(tree, report) && ok && at == tree->end;
}
