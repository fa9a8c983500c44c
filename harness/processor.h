/* SPDX-License-Identifier: MIT */
/*
 * processor.h: software processors that access simulated memory through the page tables that the core builds.
 * Any thread may use them; each thread runs on one processor.
 */
#ifndef HARNESS_PROCESSOR_H_
#define HARNESS_PROCESSOR_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/aspace.h>

#define PROCESSORS_MAX 16

/* Kinds of access; exactly one of the first three. */
#define PROCESSOR_READ       1u
#define PROCESSOR_WRITE      2u
#define PROCESSOR_EXECUTE    4u
#define PROCESSOR_SUPERVISOR 8u /* in ring 0, with WP, SMEP and SMAP on; else in ring 3 */

/* This many processors (1 to PROCESSORS_MAX) with empty caches. Threads are spread over them.
   Single-threaded. */
void processor_start(unsigned count);

/* Empties every cache, as power-on does. O(processors). */
void processor_reset(void);

/* The processor that the calling thread runs on, and moving it to another. */
unsigned processor_current(void);
void processor_move(unsigned processor);

/*
 * Accesses `size` bytes at va in that space, byte after byte in ascending order. Page faults go to
 * vm_aspace_page_fault; OK, or the status with which one was refused. READ fills the buffer, WRITE stores it,
 * EXECUTE fetches and leaves it alone. *done: bytes that were accessed. A non-canonical address is NOT_FOUND. In a space
 * of guest-physical addresses the access is a guest's, whatever its ring.
 */
zx_status_t processor_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                             uint32_t kind, size_t *done);

/* Compares every cached translation of every processor with the tables. False, with a report, where one
   grants more than they do, leads elsewhere, or belongs to tables that are gone. O(cached translations). */
bool processor_check(struct vm_sink *report);

/* How many translations the processor has cached; for tests. */
unsigned processor_cached(unsigned processor);

/* Says what the core is about to do, for reports. The text must stay valid until the next note. */
void processor_note(const char *operation);
const char *processor_note_text(void);
uint64_t processor_note_number(void);

/* For the port. */
void processor_root_created(zx_paddr_t root);
void processor_invalidate(const struct port_invalidation *invalidation);

#endif /* HARNESS_PROCESSOR_H_ */
