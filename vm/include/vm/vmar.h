/* SPDX-License-Identifier: MIT */
/*
 * vmar.h: regions of an address space, for those inside the kernel. What programs can do with them is in
 * zircon/syscalls.h.
 *
 * References: whoever gets a pointer from a lookup that says "referenced" owes a vm_vmar_release.
 */
#ifndef VM_VMAR_H_
#define VM_VMAR_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* A region as it was when it was looked at: nothing of it is held. */
struct vm_region_info {
    zx_vaddr_t base;
    size_t size;
    unsigned depth; /* the VMAR that spans the space has 0 */
    bool is_mapping;
    uint32_t can_map;    /* ZX_VM_CAN_MAP_*: what a VMAR may map, what protect may give a mapping */
    zx_koid_t koid;      /* of the VMAR, or the VMO that is mapped */
    uint64_t vmo_offset; /* of a mapping: what it shows at its base */
    uint32_t
        perms; /* of a mapping: ARCH_MMU_READ, _WRITE, _EXECUTE at the address asked for, else at its base */
};

/* Called for a region, with the lock of its space held: it may call nothing that takes a lock of the core.
   False: no more. */
typedef bool vm_region_visitor(void *context, const struct vm_region_info *info);

/* Visits the VMAR and everything below it, in order of address, parents before children; `depth` counts from
   the VMAR. OK, also where the visitor ended it; BAD_STATE: the VMAR is dead. Locks: aspace. Cost: O(log
   siblings) a region. */
zx_status_t vm_vmar_enumerate(struct vm_vmar *vmar, vm_region_visitor *visit, void *context);

#endif /* VM_VMAR_H_ */
