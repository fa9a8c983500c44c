/* SPDX-License-Identifier: MIT */
/*
 * check.h: every invariant of the core, in one place; callable by test, fuzzer, kernel shell and debugger.
 * The machine must be quiet: no other thread inside the core.
 */
#ifndef VM_CHECK_H_
#define VM_CHECK_H_

#include <stdbool.h>
#include <stdint.h>

struct vm_aspace;
struct vm_sink;

/* The whole selected machine: pages, heap, handles, VMOs, every space. False, with one line a broken
   invariant, when not. Allocates nothing. O(pages + objects + translations). */
bool vm_check(struct vm_sink *report);

/* One space: its tree, its translations against mappings and VMOs. */
bool vm_check_aspace(struct vm_aspace *aspace, struct vm_sink *report);

/*
 * The state of the selected machine as one number: regions, permissions, page tables, objects, references, handles,
 * pages by state; not the bytes in pages, nor what only makes things fast. Equal numbers: nothing has changed, as far
 * as 64 bits can tell. O(regions + objects + handles).
 */
uint64_t vm_state_hash(void);

#endif /* VM_CHECK_H_ */
