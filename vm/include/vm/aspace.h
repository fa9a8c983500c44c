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
#include <vm/vmar.h>
#include <zircon/types.h>

struct vm_aspace;
struct vm_vmar;
struct vm_vmo;
struct vm_sink;

#define VM_USER_ASPACE_BASE 0x0000000001000000ull
#define VM_USER_ASPACE_TOP  0x00007ffffffff000ull /* one page short of the canonical hole */
#define VM_USER_ASPACE_SIZE (VM_USER_ASPACE_TOP - VM_USER_ASPACE_BASE)
/* How the user range is divided where processes share a space: each has a restricted one of its own below. */
#define VM_RESTRICTED_ASPACE_SIZE ((1ull << 46) - VM_USER_ASPACE_BASE)
#define VM_SHARED_ASPACE_BASE     (1ull << 46)
#define VM_SHARED_ASPACE_SIZE     (VM_USER_ASPACE_TOP - VM_SHARED_ASPACE_BASE)
#define VM_GUEST_ASPACE_SIZE      (1ull << 48) /* from 0 on */
#define VM_KERNEL_ASPACE_BASE     0xffffff8000000000ull
#define VM_KERNEL_ASPACE_SIZE     (512ull << 30) /* the last page of it is never given out */

enum vm_aspace_type {
    VM_ASPACE_USER,
    VM_ASPACE_KERNEL,
    VM_ASPACE_LOW_KERNEL,     /* the kernel's, at user addresses and from 0 on: to start processors there */
    VM_ASPACE_GUEST_PHYSICAL, /* what a guest takes for physical memory, in extended page tables */
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
   wraps, is not within the type's, or is the very last page, which is never given out. Only user spaces are
   shared or restricted. A shared one takes a page of tables for each 512 GiB that it touches. */
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

/*
 * The deepest region that holds va. A mapping may go as soon as the lock is given up, so what is found is
 * described, not handed out; what stays is the VMAR: `vmar` (may be null) gets the region itself or, of a
 * mapping, the VMAR that it is in, referenced. False, nothing told: va is outside of the space, or the space
 * is destroyed. Locks: aspace. Cost: a search per level of VMARs.
 */
bool vm_aspace_find_region(struct vm_aspace *aspace, zx_vaddr_t va, struct vm_region_info *info,
                           struct vm_vmar **vmar);

/* Visits all regions of the space (vm_vmar_enumerate), of a unified one those of the lower part first.
   BAD_STATE: it is destroyed. */
zx_status_t vm_aspace_enumerate(struct vm_aspace *aspace, vm_region_visitor *visit, void *context);

struct vm_aspace_usage {
    uint64_t mapped_pages;  /* in mappings, with memory or without */
    uint64_t private_pages; /* with memory, mapped in this space alone */
    uint64_t shared_pages;  /* with memory, mapped in others too */
    /* each shared page counts as its size through the number of spaces that map it, rounded down */
    uint64_t scaled_shared_bytes;
};

/* A page that is mapped twice counts twice; one that VMOs share after a snapshot is looked at in each by
   itself: it is private where no other space maps the same VMO there. What a mapping has past the end of a slice shows
   nothing. A unified space adds up its parts. BAD_STATE: it is destroyed. Locks: aspace, VMO, machine. Cost: the
   mappings, and for each VMO that changed since it was last counted all mappings of it, sorted; not the pages. */
zx_status_t vm_aspace_get_memory_usage(struct vm_aspace *aspace, struct vm_aspace_usage *out);

/*
 * Memory for the kernel itself, in spaces that are not user ones (asserted). mmu_flags: ARCH_MMU_READ, _WRITE
 * and _EXECUTE (WRITE and EXECUTE with READ), what is in force at first; protect may give all three. *at:
 * where it is; with SPECIFIC also where it is to be. align_log2: of the address (and the memory, if
 * contiguous), at most 32; below a page it is a page. Sizes are rounded up. Each call makes one mapping,
 * which never merges. Refused: nothing changed, and *at stays. Errors in order, for all: those of the call;
 * INVALID_ARGS align_log2 above 32, or SPECIFIC with `at` null or *at unaligned, 0 or below the base of the
 * space; OUT_OF_RANGE size too large; BAD_STATE the space is destroyed; INVALID_ARGS not within the space, or
 * not aligned as asked; ALREADY_EXISTS occupied; NO_RESOURCES no place; NO_MEMORY, which may come before
 * those from BAD_STATE on. Locks: aspace, VMO, page table.
 */
#define VMM_FLAG_VALLOC_SPECIFIC (1u << 0) /* at *at */
#define VMM_FLAG_COMMIT          (1u << 1) /* all memory is taken and entered now */

/* INVALID_ARGS: size 0. Zeroed memory; without COMMIT it is taken when it is touched. */
zx_status_t vm_aspace_alloc(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                            uint8_t align_log2, uint32_t flags, uint32_t mmu_flags);
/* INVALID_ARGS: size 0, or without COMMIT. Zeroed memory in one physical run. */
zx_status_t vm_aspace_alloc_contiguous(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                                       uint8_t align_log2, uint32_t flags, uint32_t mmu_flags);
/* Shows the physical addresses from paddr on, at once. Size 0 is OK and does nothing. INVALID_ARGS: paddr not
   page-aligned, or the range wraps or is beyond 52 bits. mmu_flags may have a cache policy (enum
   vm_cache_policy << ARCH_MMU_CACHE_SHIFT). */
zx_status_t vm_aspace_alloc_physical(struct vm_aspace *aspace, const char *name, size_t size, void **at,
                                     uint8_t align_log2, zx_paddr_t paddr, uint32_t flags,
                                     uint32_t mmu_flags);
/* What those three do: maps a part of a VMO. INVALID_ARGS: size 0, vmo_offset not page-aligned. With COMMIT,
   behind those of the place, OUT_OF_RANGE: not within the VMO; where NO_MEMORY comes for the tables, what was
   committed stays committed. */
zx_status_t vm_aspace_map_object(struct vm_aspace *aspace, struct vm_vmo *vmo, uint64_t vmo_offset,
                                 size_t size, void **at, uint8_t align_log2, uint32_t flags,
                                 uint32_t mmu_flags);
/* Unmaps the one mapping that holds va; its memory goes with it. Errors in order: BAD_STATE the space is
   destroyed; NOT_FOUND a gap, or outside; BAD_STATE a child VMAR is there; ACCESS_DENIED it is the vDSO's
   code. Locks: aspace. */
zx_status_t vm_aspace_free_region(struct vm_aspace *aspace, zx_vaddr_t va);

/* Whether a region of it is of high priority, or ZX_VMAR_OP_ALWAYS_NEED was used; a destroyed one is not, a
   unified one is where a space that it shows is. O(1). */
bool vm_aspace_is_high_memory_priority(struct vm_aspace *aspace);

/*
 * Sets [base, base + size) of the kernel's space aside for as long as the machine lives: nothing else gets a
 * place there, nothing can be mapped there, and a fault there is NOT_FOUND. What is translated there is for
 * the caller to enter into and to remove from the space's page tables, without USER; vm_check accepts it as
 * long as no page of it is free. Errors in order: INVALID_ARGS size 0, unaligned, not within the space (whose
 * last page is nobody's); ALREADY_EXISTS something is there; NO_MEMORY. O(log regions).
 */
zx_status_t vm_aspace_set_aside(zx_vaddr_t base, size_t size);

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
/* The same of one that is not unified, whose lock is held. */
void vm_aspace_dump_locked(struct vm_aspace *aspace, struct vm_sink *sink);
void vm_aspace_dump_all(struct vm_sink *sink);
/* Only the chain of regions that holds va and the neighbours of the deepest one. */
void vm_aspace_dump_around(struct vm_aspace *aspace, zx_vaddr_t va, struct vm_sink *sink);
/* A picture (SVG) of the space: nested regions, mappings, permissions, committed pages. */
void vm_aspace_svg(struct vm_aspace *aspace, struct vm_sink *sink);

#endif /* VM_ASPACE_H_ */
