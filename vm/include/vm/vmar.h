/* SPDX-License-Identifier: MIT */
/*
 * vmar.h: regions of an address space, for those inside the kernel. What programs can do with them is in
 * zircon/syscalls.h.
 *
 * References: whoever gets a pointer from a lookup that says "referenced" owes a vm_vmar_release.
 */
#ifndef VM_VMAR_H_
#define VM_VMAR_H_

#include <zircon/types.h>

struct vm_vmar;

void vm_vmar_release(struct vm_vmar *vmar);

/* The VMAR behind a handle of the current process, referenced. BAD_HANDLE, WRONG_TYPE. */
zx_status_t vm_vmar_from_handle(zx_handle_t handle, struct vm_vmar **out);

/* How much it matters that memory stays: what is HIGH is not harvested or reclaimed. */
enum vm_memory_priority { VM_MEMORY_PRIORITY_DEFAULT, VM_MEMORY_PRIORITY_HIGH };

/*
 * Sets the priority of a VMAR and of everything below it. What is created below it later inherits; what dies
 * counts no more. While any of a space's regions is HIGH, all of the space is
 * (vm_aspace_is_high_memory_priority). BAD_STATE: the VMAR is dead. Locks: aspace. Cost: O(regions below).
 */
zx_status_t vm_vmar_set_memory_priority(struct vm_vmar *vmar, enum vm_memory_priority priority);

#endif /* VM_VMAR_H_ */
