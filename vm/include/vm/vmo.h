/* SPDX-License-Identifier: MIT */
/*
 * vmo.h: VMOs as the host of the core sees them: those that no program can make (contiguous and physical ones),
 * and memory that stays where it is while a device works with it.
 *
 * References: whoever gets a VMO from a function that says "referenced" owes a vm_vmo_release. Offsets and sizes
 * are in bytes. All functions lock for themselves (VMO, then page tables) and are called with no lock held.
 */
#ifndef VM_VMO_H_
#define VM_VMO_H_

#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

struct vm_vmo;
struct vm_process;

/* How processors cache the memory: the numbers of zx_info_vmo_t.cache_policy. */
enum vm_cache_policy { VM_CACHED, VM_UNCACHED, VM_UNCACHED_DEVICE, VM_WRITE_COMBINING, VM_CACHE_POLICIES };

/*
 * `size` bytes (rounded up) of zeroed memory in one physical run, the first page aligned to 1 << align_log2
 * (0: to a page). The memory stays the VMO's until it goes: it cannot be decommitted, resized or snapshotted
 * (NOT_SUPPORTED whatever the range, UNAVAILABLE, INVALID_ARGS);
 * zeroing writes zeroes. Mapped with large pages where alignment allows. Referenced. Errors in order:
 * INVALID_ARGS size 0, align_log2 between 1 and 11 or above 63; OUT_OF_RANGE size too large; NO_MEMORY. Cost:
 * the pages of the machine, to find the run.
 */
zx_status_t vm_vmo_create_contiguous(uint64_t size, uint8_t align_log2, struct vm_vmo **out);

/*
 * The physical addresses [base, base + size), memory of the machine or a device's. They are shown by
 * mappings, and by nothing else: reading, writing, committing, decommitting, zeroing are NOT_SUPPORTED, and a
 * mapping of it counts as no memory for zx_process_read_memory. What lies there is not touched and not owned.
 * Referenced. Errors in order: INVALID_ARGS size 0, base or size not page-aligned, or base + size wraps or is
 * beyond 52 bits; NO_MEMORY. O(1).
 */
zx_status_t vm_vmo_create_physical(zx_paddr_t base, uint64_t size, struct vm_vmo **out);

void vm_vmo_acquire(struct vm_vmo *vmo);
void vm_vmo_release(struct vm_vmo *vmo);

/* For all mappings to come. Errors in order: NOT_SUPPORTED the VMO is neither contiguous nor physical, or a slice;
   BAD_STATE there are mappings, slices or pins. O(1). */
zx_status_t vm_vmo_set_cache_policy(struct vm_vmo *vmo, enum vm_cache_policy policy);

/*
 * Commits the range and keeps each page where it is until it has been unpinned as often: what would take a
 * pinned page away or replace it (decommit, shrinking, a snapshot) is BAD_STATE; zeroing writes zeroes. The
 * caller's reference must last as long. All or none. Errors in order: INVALID_ARGS offset or size not
 * page-aligned, size 0; OUT_OF_RANGE; NO_MEMORY; UNAVAILABLE a page is pinned 65,535 times already. O(pages).
 */
zx_status_t vm_vmo_pin(struct vm_vmo *vmo, uint64_t offset, uint64_t size);
/* Of a range that was pinned. O(pages). */
void vm_vmo_unpin(struct vm_vmo *vmo, uint64_t offset, uint64_t size);

/* The physical address of the page at offset. Errors in order: OUT_OF_RANGE; NOT_FOUND there is no memory. It
   stays so only while the page is pinned, or the VMO contiguous or physical. O(height of the radix tree). */
zx_status_t vm_vmo_lookup(struct vm_vmo *vmo, uint64_t offset, zx_paddr_t *paddr);

/* A handle to the VMO for a process that is alive. Errors: NO_MEMORY. */
zx_status_t vm_vmo_give(struct vm_vmo *vmo, struct vm_process *process, zx_rights_t rights, zx_handle_t *out);

/* The VMO behind a handle of the current process, referenced. BAD_HANDLE, WRONG_TYPE. */
zx_status_t vm_vmo_from_handle(zx_handle_t handle, struct vm_vmo **out);

#endif /* VM_VMO_H_ */
