/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h: the whole state of the selected machine as text, to be compared before and after a call that must
 * change nothing. Linked with each test of the zx_ calls (calls.h).
 *
 * In it: pages by state; objects and slabs of each cache; each address space with its region tree, protection ranges
 * and translations (rights, accessed and dirty flags, frames relative to the first arena); each object with its
 * references and handles; each VMO's size, pages (frame, pins, a hash of the bytes) and mappings; each handle by slot.
 *
 * Left out, because a refused call may move it and no program can tell: how far the random numbers are drawn
 * (vm_aspace.prng, vm_machine.next_stream); the counters that only name things to come (next_koid, next_serial); which
 * of the free pages and free slots is the next; the last-fault cache; the hint where a mapping may show the zero page
 * (vm_mapping.zero, vain); and what processors have cached, which zvm_check judges.
 */
#ifndef HARNESS_TESTS_SNAPSHOT_H_
#define HARNESS_TESTS_SNAPSHOT_H_

#include <stdbool.h>
#include <stddef.h>

struct snapshot {
    char *text; /* lines */
    size_t size;
};

/* The machine must be quiet. Empty where no machine is selected. O(regions + translations + pages of VMOs +
   handles). */
struct snapshot snapshot_take(void);

/* Gives up its memory. Harmless twice. */
void snapshot_release(struct snapshot *snapshot);

/* Whether the state is still the same; the lines that differ go to standard error. */
bool snapshot_is_current(const struct snapshot *before);

#endif /* HARNESS_TESTS_SNAPSHOT_H_ */
