/* SPDX-License-Identifier: MIT */
/*
 * assert.h: what only our own code can get wrong. A failed assertion prints itself, then the structure that
 * it is about. Assertions stay in every build: they are cheap comparisons, and a broken core must not go on.
 */
#ifndef VM_ASSERT_H_
#define VM_ASSERT_H_

struct vm_region;
struct region_tree;

_Noreturn void vm_assert_failed(const char *file, int line, const char *expression);
_Noreturn void vm_assert_failed_region(const char *file, int line, const char *expression,
                                       const struct vm_region *region);
_Noreturn void vm_assert_failed_tree(const char *file, int line, const char *expression,
                                     const struct region_tree *tree);

#define VM_ASSERT(expression) ((expression) ? (void)0 : vm_assert_failed(__FILE__, __LINE__, #expression))
/* With the region, or the region tree, that it is about. */
#define VM_ASSERT_REGION(expression, region)                                                                 \
    ((expression) ? (void)0 : vm_assert_failed_region(__FILE__, __LINE__, #expression, (region)))
#define VM_ASSERT_TREE(expression, tree)                                                                     \
    ((expression) ? (void)0 : vm_assert_failed_tree(__FILE__, __LINE__, #expression, (tree)))

#endif /* VM_ASSERT_H_ */
