/* SPDX-License-Identifier: MIT */
/*
 * mapping_tree.h: the mappings of one VMO by the part of it that they show. Theory of operation in
 * mapping_tree.c. The VMO's lock guards all of it.
 */
#ifndef VM_MAPPING_TREE_H_
#define VM_MAPPING_TREE_H_

#include <stdbool.h>
#include <stdint.h>

struct vm_mapping;
struct vm_sink;

struct mapping_tree {
    struct vm_mapping *root; /* null: no mapping */
};

/* Inside each mapping. */
struct mapping_link {
    struct vm_mapping *parent, *left, *right;
    uint64_t reach;      /* the highest end of a part in this subtree */
    uint64_t zero_reach; /* the same, of mappings that may show the zero page; 0: none */
    uint8_t height;      /* of this subtree; 0: in no tree */
    bool zero;           /* this mapping may show the zero page */
};

/* The part that a mapping shows is [vmo_offset, vmo_offset + region.size): it must be set before inserting,
   and stay until removal. O(log n). */
void mapping_tree_insert(struct mapping_tree *tree, struct vm_mapping *mapping);
void mapping_tree_remove(struct mapping_tree *tree, struct vm_mapping *mapping);

/* Notes that this mapping may show the zero page. O(log n) the first time, O(1) then. */
void mapping_tree_set_zero(struct vm_mapping *mapping);

/* The mappings that show some of [offset, end), in order of vmo_offset; with `zero`, only those that may show
   the zero page. Null at the end. O(log n) each. */
struct vm_mapping *mapping_tree_first(const struct mapping_tree *tree, uint64_t offset, uint64_t end,
                                      bool zero);
struct vm_mapping *mapping_tree_next(const struct vm_mapping *mapping, uint64_t offset, uint64_t end,
                                     bool zero);

/* Order, balance, summaries and links. False, with a report, when not. O(n). */
bool mapping_tree_check(const struct mapping_tree *tree, struct vm_sink *report);

#endif /* VM_MAPPING_TREE_H_ */
