/* SPDX-License-Identifier: MIT */
/*
 * aspace.h: the address space object (Zircon's VmAspace).
 *
 * References: whoever gets a pointer from create or a lookup that says "referenced" owes a vm_aspace_release.
 */
#ifndef VM_ASPACE_H_
#define VM_ASPACE_H_

#include <stdbool.h>
#include <vm/arch_mmu.h>
#include <zircon/types.h>

struct vm_aspace;
struct vm_vmar;
struct vm_region;
struct vm_sink;

#define VM_USER_ASPACE_BASE 0x0000000001000000ull
#define VM_USER_ASPACE_TOP  0x00007ffffffff000ull /* one page short of the canonical hole */
#define VM_USER_ASPACE_SIZE (VM_USER_ASPACE_TOP - VM_USER_ASPACE_BASE)
/* How the user range is divided where processes share a space: each has a restricted one of its own below. */
#define VM_RESTRICTED_ASPACE_SIZE ((1ull << 46) - VM_USER_ASPACE_BASE)
#define VM_SHARED_ASPACE_BASE     (1ull << 46)
#define VM_SHARED_ASPACE_SIZE     (VM_USER_ASPACE_TOP - VM_SHARED_ASPACE_BASE)
#define VM_KERNEL_ASPACE_BASE     0xffffff8000000000ull
#define VM_KERNEL_ASPACE_SIZE     (512ull << 30)

enum vm_aspace_type {
    VM_ASPACE_USER,
    VM_ASPACE_KERNEL,
    VM_ASPACE_LOW_KERNEL, /* the kernel's, at user addresses and from 0 on: to start processors there */
};

enum vm_aspace_share_opt {
    VM_ASPACE_SHARE_NONE,
    VM_ASPACE_SHARE_RESTRICTED, /* a unified space will show it beside a shared one */
    VM_ASPACE_SHARE_SHARED,     /* any number of unified spaces will; its top-level entries never move */
};

/* What an access was: flags of a page fault. */
#define VM_PF_FLAG_WRITE       (1u << 0)
#define VM_PF_FLAG_USER        (1u << 1)
#define VM_PF_FLAG_GUEST       (1u << 2)
#define VM_PF_FLAG_INSTRUCTION (1u << 3)
#define VM_PF_FLAG_NOT_PRESENT (1u << 4)
#define VM_PF_FLAG_HW_FAULT    (1u << 5)
#define VM_PF_FLAG_SW_FAULT    (1u << 6)
#define VM_PF_FLAG_ACCESS      (1u << 7)

/* The kernel's own space, made with the machine before any heap exists. Not referenced. */
struct vm_aspace *vm_aspace_kernel(void);

/* A space of the whole range of its type, with a root VMAR. The name is copied, cut at 31 bytes; null is
   "unnamed". Referenced; null without memory, nothing leaked. */
struct vm_aspace *vm_aspace_create(enum vm_aspace_type type, const char *name);

/* As vm_aspace_create, of a part of the type's range. Null also where the range is empty, not page-aligned,
   wraps, or is not within the type's. Only user spaces are shared or restricted. A shared one takes a page of
   tables for each 512 GiB that it touches. */
struct vm_aspace *vm_aspace_create_range(zx_vaddr_t base, size_t size, enum vm_aspace_type type,
                                         const char *name, enum vm_aspace_share_opt share_opt);

/*
 * A space that shows two others at once: base 0, size 0, no regions of its own; faults, and whatever else
 * concerns an address, go to the one that holds it. Referenced, and refers to both. Null where `shared` was
 * not created SHARED or `restricted` not RESTRICTED; the two touch the same 512 GiB; one is destroyed;
 * `restricted` is shown already; without memory. It must be destroyed before either of the two: else an
 * assertion fails.
 */
struct vm_aspace *vm_aspace_create_unified(struct vm_aspace *shared, struct vm_aspace *restricted,
                                           const char *name);

/* Tears down every region and translation. The object lives until its last reference. Harmless twice. */
void vm_aspace_destroy(struct vm_aspace *aspace);
void vm_aspace_acquire(struct vm_aspace *aspace);
void vm_aspace_release(struct vm_aspace *aspace);

zx_vaddr_t vm_aspace_base(const struct vm_aspace *aspace);
size_t vm_aspace_size(const struct vm_aspace *aspace);
bool vm_aspace_is_user(const struct vm_aspace *aspace);
bool vm_aspace_is_aslr_enabled(const struct vm_aspace *aspace);
bool vm_aspace_is_destroyed(struct vm_aspace *aspace);
void vm_aspace_name(struct vm_aspace *aspace, char name[static 32]); /* a copy taken under the lock */
void vm_aspace_rename(struct vm_aspace *aspace, const char *name);

/* The VMAR that spans the space, referenced (vm/vmar.h); null after destruction, and of a unified space. */
struct vm_vmar *vm_aspace_root_vmar(struct vm_aspace *aspace);

/* Whether a region of it is of high priority, or ZX_VMAR_OP_ALWAYS_NEED was used; a destroyed one is not, a
   unified one is where a space that it shows is. O(1). */
bool vm_aspace_is_high_memory_priority(struct vm_aspace *aspace);

/* The top-level table, for a processor to load; 0 when destroyed. */
zx_paddr_t vm_aspace_table_root(struct vm_aspace *aspace);

/* The tables themselves, for hosts that look into them; as long-lived as the space. */
struct page_table *vm_aspace_page_table(struct vm_aspace *aspace);

/*
 * The hardware's page fault at va (any address). flags: VM_PF_FLAG_*. OK: try the access again. Errors in
 * order: NOT_FOUND in a gap or outside; ACCESS_DENIED where the permission in force lacks USER, WRITE, READ
 * or EXECUTE as asked; OUT_OF_RANGE past the end of the VMO; NO_MEMORY, nothing changed. Locks: aspace, VMO,
 * page table. Cost: last-fault cache, else a search per level of VMARs; one walk of the tables.
 */
zx_status_t vm_aspace_page_fault(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags);

/* As a page fault, for a space that need not be active; fine where nothing is to be done. */
zx_status_t vm_aspace_soft_fault(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags);

/*
 * Soft faults at every page that [va, va + len) touches, ascending; nothing need be aligned. Errors in order:
 * INVALID_ARGS len is 0; OUT_OF_RANGE va + len wraps; then that of the first page that is refused, as for a
 * page fault: those before it stay entered. Locks: as a page fault, the space's once for all. Cost: one
 * search for each mapping and each part with one permission; runs of up to 64 pages are entered in one walk.
 */
zx_status_t vm_aspace_soft_fault_in_range(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags,
                                          size_t len);

/* The fault of a processor that cannot note a use by itself: sets the accessed flag of the translation of va
   (any address), and nothing else. NOT_FOUND where there is none. Locks: page table. O(levels). */
zx_status_t vm_aspace_accessed_fault(struct vm_aspace *aspace, zx_vaddr_t va);

/* ---- Which memory is in use (harvest.c) ---- */

/* A processor has used memory of the space, or of what a unified one shows: called after the use, by whoever
   runs processors. Any context. O(1). */
void vm_aspace_note_active(struct vm_aspace *aspace);
/* Whether one has since the last harvest that looked at it. */
bool vm_aspace_is_active(struct vm_aspace *aspace);

/* What becomes of tables, and of their accessed flags. */
enum vm_non_terminal_action {
    VM_NON_TERMINAL_RETAIN,          /* both stay */
    VM_NON_TERMINAL_FREE_UNACCESSED, /* tables not used since the last such pass go; else the flag goes */
};

/* What becomes of the accessed flags of pages. */
enum vm_terminal_action {
    VM_TERMINAL_UPDATE_AGE,             /* pages that were used become young, their flags stay */
    VM_TERMINAL_UPDATE_AGE_AND_HARVEST, /* the same, and the flags go, to be set by the next use */
};

/*
 * Reads the accessed flags of all user spaces, each harvest making all other pages older by one
 * (vm/page_queue.h). Left out: spaces of high memory priority, and those that no processor has used since the
 * last harvest; but two passes that free tables look at a space after its last use, and then none of its
 * tables is left but the top. Whatever is freed is faulted back at the next use, with the same bytes. Locks:
 * one space at a time, its page table, the page queues. Cost: the tables of the spaces that are looked at.
 */
void vm_aspace_harvest_all_user_accessed_bits(enum vm_non_terminal_action non_terminal,
                                              enum vm_terminal_action terminal);

/* Removes every translation of a user space, or of what a unified one shows, and frees the tables but for the
   top and what is right below fixed entries; each page faults back with the same bytes. Kernel spaces:
   nothing. Locks: aspace, page table, one after the other. Cost: the tables. */
void vm_aspace_drop_user_page_tables(struct vm_aspace *aspace);
void vm_aspace_drop_all_user_page_tables(void); /* of all user spaces */

/* One line a node, indented; the lines name kinds, addresses, permissions, VMOs. */
void vm_aspace_dump(struct vm_aspace *aspace, struct vm_sink *sink);
void vm_aspace_dump_all(struct vm_sink *sink);
/* Only the chain of regions that holds va and the neighbours of the deepest one. */
void vm_aspace_dump_around(struct vm_aspace *aspace, zx_vaddr_t va, struct vm_sink *sink);
/* A picture (SVG) of the space: nested regions, mappings, permissions, committed pages. */
void vm_aspace_svg(struct vm_aspace *aspace, struct vm_sink *sink);

#endif /* VM_ASPACE_H_ */
