/* SPDX-License-Identifier: MIT */
/*
 * machine.h: one instance of the core: physical memory, the kernel's address space, objects, handles.
 *
 * All state of the core hangs off one struct vm_machine, which lives in WIRED pages of its own first arena.
 * One machine is selected at a time; the booted kernel has its own and makes another for each trace that it
 * replays.
 */
#ifndef VM_MACHINE_H_
#define VM_MACHINE_H_

#include <stdbool.h>
#include <vm/pmm.h>
#include <zircon/types.h>

struct vm_machine;
struct vm_process;
struct vm_aspace;
struct vm_sink;

struct vm_machine_config {
    const struct pmm_range *memory; /* the arenas, ascending, not overlapping */
    size_t memory_count;            /* 1..PMM_ARENAS_MAX */
    uint64_t seed;                  /* of every address space's random placement, and of handle values */
    bool aslr_off;
    uint8_t entropy_bits, compact_entropy_bits; /* 0: 30 and 8; at most 36 */
};

/* Builds a machine in the given memory and selects it. Null, nothing kept, when the memory is too small.
   Single-threaded. */
struct vm_machine *vm_machine_start(const struct vm_machine_config *config);

/* Destroys every process, space and object of the selected machine, none of whose threads runs any more, then proves that nothing is left:
   BAD_STATE, with a report to `report`, where a page or an object leaked. The memory is the caller's again in
   both cases; no machine is selected then. Single-threaded. */
zx_status_t vm_machine_stop(struct vm_sink *report);

/* The selected machine, and selecting another (may be null); returns the one before. Single-threaded. */
struct vm_machine *vm_machine_current(void);
struct vm_machine *vm_machine_select(struct vm_machine *machine);

/* ---- Processes, as the host of the core sees them (programs use zx_process_create) ---- */

/* A process with an empty handle table but for "self" and its root VMAR. One reference, the caller's. Null:
   no memory. */
struct vm_process *vm_process_create(const char *name);
/* Ends it: its threads are stopped (port_process_killed), its address space is destroyed (a shared one: with the
   last that shares it), its handles are closed. It is TERMINATED when, besides, all its threads have ended.
   Harmless twice. The return code: ZX_TASK_RETCODE_SYSCALL_KILL; of one that is dead already it stays. */
void vm_process_kill(struct vm_process *process);
/* The same with another return code: ZX_TASK_RETCODE_EXCEPTION_KILL, … */
void vm_process_kill_with(struct vm_process *process, int64_t return_code);
/* Gives up a reference. A process that the host made is ended by vm_process_kill or vm_machine_stop, not by
   this. */
void vm_process_release(struct vm_process *process);
/* What the process sees; one that others share outlives its death. Not referenced; as long-lived as the
   process. */
struct vm_aspace *vm_process_aspace(struct vm_process *process);
/* A copy, with its NUL. */
void vm_process_name(struct vm_process *process, char name[static ZX_MAX_NAME_LEN]);
bool vm_process_is_dead(struct vm_process *process);            /* killed, or without a handle to it left */
zx_handle_t vm_process_self_handle(struct vm_process *process); /* what zx_process_self answers in it */
zx_handle_t vm_process_root_handle(struct vm_process *process); /* what zx_vmar_root_self answers in it */

/* The process behind a handle of the current process, referenced. BAD_HANDLE, WRONG_TYPE. */
zx_status_t vm_process_from_handle(zx_handle_t handle, struct vm_process **out);

struct vm_stats {
    uint64_t regions; /* VMARs alive, roots included, and mappings */
    uint64_t mappings;
    uint64_t page_tables; /* pages in state MMU */
    uint64_t pages_free, pages_total;
    uint64_t heap_bytes; /* in objects alive */
    uint64_t vmos, handles, processes;
};
void vm_machine_stats(struct vm_stats *out); /* of the selected machine. O(spaces + regions) */

#endif /* VM_MACHINE_H_ */
