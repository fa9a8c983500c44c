/* SPDX-License-Identifier: MIT */
/*
 * page_queue.h: how long pages have not been used: every page of a VMO is on one of a few queues, by age. The
 * age of a page is the number of harvests (vm_aspace_harvest_all_user_accessed_bits) since one found it in
 * use, or since it was made; the oldest queue holds all that are older still.
 */
#ifndef VM_PAGE_QUEUE_H_
#define VM_PAGE_QUEUE_H_

#include <stdint.h>
#include <vm/pmm.h>

#define VM_PAGE_AGES 4

/* How many pages are of each age, the youngest first; their sum is the number of pages in state OBJECT but
   for those that are being made at this moment. O(1). */
void vm_page_queue_counts(uint64_t counts[static VM_PAGE_AGES]);

/* The age of a page that a VMO holds, below VM_PAGE_AGES. The page must not go meanwhile. O(1). */
unsigned vm_page_age(const struct vm_page *page);

#endif /* VM_PAGE_QUEUE_H_ */
