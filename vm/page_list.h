/* SPDX-License-Identifier: MIT */
/*
 * page_list.h: a sparse array of pointers by 52-bit index: the pages of a VMO by page number, handles by
 * slot. A radix tree of 64 slots a node whose height grows with the highest index in use; empty nodes are
 * freed. The owner locks.
 */
#ifndef VM_PAGE_LIST_H_
#define VM_PAGE_LIST_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/list.h>
#include <zircon/types.h>

struct page_list_node;

struct page_list {
    struct page_list_node *root; /* null: empty */
    uint32_t height;             /* levels; 0 when empty */
    uint64_t count;              /* items held */
};

void page_list_init(struct page_list *list);

/* The item at index, null when none. O(height). */
void *page_list_get(const struct page_list *list, uint64_t index);

/* Makes sure that page_list_set at this index cannot fail (an unused slot is kept until set or released).
   NO_MEMORY: nothing changed. */
zx_status_t page_list_reserve(struct page_list *list, uint64_t index);
/* The same of `count` slots from index on, all or none. */
zx_status_t page_list_reserve_range(struct page_list *list, uint64_t index, uint64_t count);
/* Gives up a reserved slot that was not set: frees what reserving made. Harmless where nothing is reserved. */
void page_list_unreserve(struct page_list *list, uint64_t index);

/* Puts a non-null item in a reserved or occupied slot; returns what was there. Cannot fail. */
void *page_list_set(struct page_list *list, uint64_t index, void *item);

/* Takes the item out (null when none) and frees nodes that became empty. */
void *page_list_remove(struct page_list *list, uint64_t index);

/* The first item at or above index; its index in *found. Null: none. O(height). */
void *page_list_next(const struct page_list *list, uint64_t index, uint64_t *found);

/* How many items are below index. O(height), and at most 63 more nodes a level. */
uint64_t page_list_count_below(const struct page_list *list, uint64_t index);

/* The items at index and right behind it, as far as none is missing and one node holds them (64 at the most).
   *count of them, perhaps 0. Valid until the list changes. O(height). */
void *const *page_list_run(const struct page_list *list, uint64_t index, size_t *count);

/* The first index in [from, limit) whose slot is empty; limit where all are occupied. O(height), and the
   full siblings beside that path. */
uint64_t page_list_next_empty(const struct page_list *list, uint64_t from, uint64_t limit);

struct vm_sink;
bool page_list_check(const struct page_list *list, struct vm_sink *report);

#endif /* VM_PAGE_LIST_H_ */
