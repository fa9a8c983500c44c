/* SPDX-License-Identifier: MIT */
/*
 * mapping_tree.h: the mappings of one VMO by the part of it that they show, and by where in it they may show the
 * zero page. Theory of operation in mapping_tree.c. The VMO's lock guards all of it.
 */
#ifndef VM_MAPPING_TREE_H_
#define VM_MAPPING_TREE_H_

#include <stdbool.h>
#include <stdint.h>

struct vm_mapping;
struct vm_sink;

/* Inside each mapping twice: for the part that it shows, and for where in it the zero page may stand. */
struct mapping_link {
    struct mapping_link *parent, *left, *right;
    uint64_t first, end; /* [first, end) in the VMO, page-aligned */
    uint64_t reach;      /* the highest end in this subtree */
    uint8_t height;      /* of this subtree; 0: in no tree */
};

struct mapping_tree {
    struct mapping_link *root;      /* null: no mapping */
    struct mapping_link *zero_root; /* of those mappings only that may show the zero page */
};

/* The part that a mapping shows is [vmo_offset, vmo_offset + region.size): it must be set before inserting,
   and stay until removal. What mapping->zero says survives removal; inserting cuts it to the part. O(log n). */
void mapping_tree_insert(struct mapping_tree *tree, struct vm_mapping *mapping);
void mapping_tree_remove(struct mapping_tree *tree, struct vm_mapping *mapping);

/* Notes that this mapping, which is in the tree, may show the zero page in [first, end) of the VMO, a part of its own.
   O(1) where that is known, else O(log n). */
void mapping_tree_show_zero(struct mapping_tree *tree, struct vm_mapping *mapping, uint64_t first,
                            uint64_t end);
/* Notes that it does not; what lies in the middle of what is known is not remembered. O(1) where nothing changes,
   else O(log n). */
void mapping_tree_hide_zero(struct mapping_tree *tree, struct vm_mapping *mapping, uint64_t first,
                            uint64_t end);

/* The mappings that show some of [offset, end), in order of vmo_offset; with `zero`, those that may show the zero page
   there, in order of where that begins. Null at the end. O(log n) each. */
struct vm_mapping *mapping_tree_first(const struct mapping_tree *tree, uint64_t offset, uint64_t end,
                                      bool zero);
struct vm_mapping *mapping_tree_next(const struct vm_mapping *mapping, uint64_t offset, uint64_t end,
                                     bool zero);

/* Order, balance, summaries and links. False, with a report, when not. O(n). */
bool mapping_tree_check(const struct mapping_tree *tree, struct vm_sink *report);

#endif /* VM_MAPPING_TREE_H_ */
