/* SPDX-License-Identifier: MIT */
/*
 * vdso.h: the vDSO: a VMO with the code that is the way into the kernel.
 *
 * The host makes the VMO, fills it and declares which part of it is code. From then on a space has at most
 * one executable mapping of it, of exactly that part, and nobody takes that away, changes or covers it:
 * unmap, protect, overwriting, destroying what holds it and zx_vmar_op_range are ACCESS_DENIED. It goes with
 * its space. Other mappings of the VMO are as any others, but can never become executable.
 */
#ifndef VM_VDSO_H_
#define VM_VDSO_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

struct vm_aspace;
struct vm_vmo;

/*
 * Declares a VMO, which no program knows yet, to be a vDSO with its code in [code_offset, code_offset +
 * code_size). There may be several. Errors in order: NOT_SUPPORTED the VMO is resizable, a slice, contiguous
 * or physical; INVALID_ARGS offset or size not page-aligned, size 0; OUT_OF_RANGE not within the VMO;
 * BAD_STATE it is declared already, or there are mappings. Locks: VMO. O(1).
 */
zx_status_t vm_vmo_declare_vdso(struct vm_vmo *vmo, uint64_t code_offset, uint64_t code_size);

/* Where the vDSO's code is in the space, and where its first byte would be if it were mapped in one piece; 0
   where there is none. Of a unified space, the one in the lower part, else in the upper one. Locks: aspace.
   O(1). */
zx_vaddr_t vm_aspace_vdso_code_address(struct vm_aspace *aspace);
zx_vaddr_t vm_aspace_vdso_base_address(struct vm_aspace *aspace);

/* Whether [base, base + size) touches the vDSO's code. An empty range touches nothing. Locks: aspace. O(1).
 */
bool vm_aspace_intersects_vdso_code(struct vm_aspace *aspace, zx_vaddr_t base, size_t size);

#endif /* VM_VDSO_H_ */
