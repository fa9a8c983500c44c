/* SPDX-License-Identifier: MIT */
/* runner.h: the state of a run, shared by run.c (the loop, the verdict) and run_ops.c (the operations). */
#ifndef FUZZ_RUNNER_H_
#define FUZZ_RUNNER_H_

#include <vm/machine.h>
#include <vm/virtual_alloc.h>

#include "model.h"
#include "run.h"
#include "trace.h"

/* The longest access, and the longest transfer from or to a VMO. */
#define RUN_ACCESS_MAX   (2 * 4096u)
#define RUN_TRANSFER_MAX (4 * 4096u)

/* Random bytes that are drawn at once, and draws that are remembered. */
#define RUN_DRAW_MAX  512u
#define RUN_DRAWN_MAX 64

/* Where something was placed; stays when that has gone. */
struct run_landmark {
    bool used;
    zx_vaddr_t base;
    uint64_t size;
    uint64_t vmo_offset;
};

struct run {
    const struct trace_options *options;
    struct vm_sink *report;
    struct model model;
    struct vm_process *processes[TRACE_PROCESSES]; /* referenced; null where the model has none */
    uint8_t current;
    bool broken;
    struct trace_header header;
    struct trace_op op;
    struct trace_record record;
    uint32_t index;
    uint64_t digest;
    uint64_t fail_at; /* the allocation that fails, counted from the start of the machine; 0: none */
    bool fail_persistent;
    uint64_t allocations;          /* before the operation */
    struct vm_stats stats;         /* likewise */
    uint64_t core_vmars;           /* VMARs that are the core's own */
    zx_vaddr_t last;               /* where something was placed last */
    struct pmm_range device;       /* size 0: not asked for yet */
    zx_ticks_t ticks;              /* the latest that was told */
    uint64_t drawn[RUN_DRAWN_MAX]; /* random numbers, the first of each draw */
    uint32_t drawn_count;
    struct run_landmark landmarks[TRACE_SLOTS];
    zx_handle_t closed[TRACE_PROCESSES];
    uint8_t passes_due[MODEL_SPACES];       /* harvests that find something of its last use */
    uint32_t quiet_harvests;                /* the operation behind the last one that freed tables */
    struct vm_aspace *guests[TRACE_GUESTS]; /* referenced; null where the model has none */
    struct virtual_alloc valloc;
    /* Of the model's pins, in their order: what was pinned, referenced, and where its first page lies. */
    struct vm_vmo *pinned[MODEL_PINS];
    zx_paddr_t pinned_at[MODEL_PINS];
    int16_t slots[TRACE_PROCESSES][TRACE_TYPE_COUNT][TRACE_SLOTS]; /* index of a handle + 1; 0: never used */
    uint8_t *buffer, *expected;                                    /* RUN_TRANSFER_MAX bytes each */
};

/* Calls the core for run->op, compares with the model, fills run->record. */
void run_operation(struct run *run);

/* Compares the core's answer with the model's. True: the call succeeded and the model is to follow. */
bool run_agree(struct run *run, zx_status_t status, struct model_answer want);

/* Adds a result to the record. */
void run_result(struct run *run, uint64_t value);

/* Tells the model of a handle that the current process got: the slot that names it. */
uint8_t run_add_handle(struct run *run, uint8_t type, int32_t object, zx_handle_t value, zx_rights_t rights);

/* What was read goes into the record. */
void run_data(struct run *run, const void *bytes, uint64_t size);

/* The run has found something: words to the report, once. */
void run_broken(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes of a fill; those of run->buffer against those of run->expected, which are at `at`. */
void run_fill(uint8_t *buffer, uint64_t size, uint8_t seed);
void run_compare(struct run *run, uint64_t at, uint64_t size);
/* A landmark in slot `to`. */
void run_remember(struct run *run, zx_vaddr_t base, uint64_t size, uint64_t vmo_offset);

/* ---- run_aspace.c: the space of a process, as the host sees it ---- */

void run_harvest(struct run *run);
void run_drop_page_tables(struct run *run);
void run_drop_all_page_tables(struct run *run);
void run_soft_fault_in_range(struct run *run);
void run_accessed_fault(struct run *run);
void run_rename(struct run *run);
void run_find_region(struct run *run);
void run_enumerate(struct run *run);
void run_memory_usage(struct run *run);
void run_declare_vdso(struct run *run);
void run_vdso_address(struct run *run);
/* A processor has used memory of the process. */
void run_note_use(struct run *run, uint8_t process);

/* ---- run_space.c: the kernel's space and those of guests ---- */

void run_guest_create(struct run *run);
void run_guest_destroy(struct run *run);
/* Each of the four that allocate or map. */
void run_space_alloc(struct run *run);
void run_space_free_region(struct run *run);
/* Reads, writes, executes. */
void run_space_access(struct run *run);
/* Frees what was allocated in the kernel's space, destroys the guests' spaces. */
void run_spaces_end(struct run *run);

/* ---- run_virtual_alloc.c ---- */

void run_valloc_init(struct run *run);
void run_valloc_alloc(struct run *run);
void run_valloc_free(struct run *run);
void run_valloc_allocate_range(struct run *run);
void run_valloc_free_all(struct run *run);
void run_valloc_destroy(struct run *run);
/* Destroys it where there is one. */
void run_valloc_end(struct run *run);

/* ---- run_device.c: what devices are given, which no program can ask for ---- */

void run_create_contiguous(struct run *run);
void run_create_physical(struct run *run);
void run_set_cache_policy(struct run *run);
void run_pin(struct run *run);
void run_unpin(struct run *run);
void run_set_priority(struct run *run);
/* Whatever is pinned still; then the model has no pins. */
void run_unpin_all(struct run *run);

/* ---- run_process.c ---- */

/* Gives a process that the core just made, and that is referenced, to the model, with its own two handles.
   `shared`: the space that it joins, or MODEL_NONE. */
uint8_t run_adopt_process(struct run *run, struct vm_process *process, bool hosted,
                          enum model_sharing sharing, int32_t shared);
void run_process_create(struct run *run);
void run_process_create_shared(struct run *run);
void run_process_exit(struct run *run);
void run_select_process(struct run *run);

/* ---- run_system.c: what is the machine's ---- */

void run_cprng_draw(struct run *run);
void run_ticks_get(struct run *run);
void run_select_processor(struct run *run);
void run_fail_allocation(struct run *run);

/* ---- run_info.c ---- */

/* Judges the `count` records of HANDLE_COUNT, KMEM_STATS, VMO, TASK_STATS or PROCESS_MAPS in run->buffer, of `avail` that
   there are, and adds results to the record. */
void run_check_info(struct run *run, int32_t handle, uint32_t topic, size_t count, size_t avail);

/* ---- run_resolve.c ---- */

/* No valid handle lacks the two lowest bits. */
#define RUN_GARBAGE_HANDLE ((zx_handle_t)0x7ffffffc)

/* A handle as the core sees it, and as the model does. */
struct run_target {
    zx_handle_t value;
    int32_t handle;
};

/* What amounts refer to: the landmark, and the object that the operation is about. */
struct run_surroundings {
    struct run_landmark mark;
    uint64_t base, size;
    int32_t vmar; /* MODEL_NONE: the object is no VMAR */
};

/* Adds to the record. */
void run_argument(struct run *run, uint64_t value);

/* Finds what a slot stands for, and records it. */
struct run_target run_resolve(struct run *run, uint8_t type, uint8_t slot);
uint8_t run_resolve_process(struct run *run); /* of field a */
uint8_t run_resolve_space(struct run *run);   /* likewise: that, or the next one there is */

/* Of a process's root; of the VMAR that a handle leads to (the current root where it leads to none); of a
   VMO. */
struct run_surroundings run_around_process(const struct run *run, uint8_t process);
struct run_surroundings run_around_target(const struct run *run, struct run_target target);
struct run_surroundings run_around_space(const struct run *run, uint8_t space);
struct run_surroundings run_around_vmo(const struct run *run, struct run_target target);

/* The amount of that number as: an offset into the object; an address; the distance from `start`; an
   offset into a VMO (a place means the byte of the VMO that the landmark shows there); the size of a part of
   a VMO that begins at `offset`. */
uint64_t run_offset(const struct run *run, unsigned number, const struct run_surroundings *s);
uint64_t run_address(const struct run *run, unsigned number, const struct run_surroundings *s);
uint64_t run_size(const struct run *run, unsigned number, const struct run_surroundings *s, uint64_t start);
uint64_t run_vmo_offset(const struct run *run, unsigned number, const struct run_surroundings *s);
uint64_t run_vmo_size(const struct run *run, unsigned number, const struct run_surroundings *s,
                      uint64_t offset);

/* The options of a VMAR call, with the undefined bit in its place and the alignment. */
uint32_t run_vm_options(const struct run *run);

/* Puts a handle into the slot, or the next that holds no open one; which. */
uint8_t run_name_handle(struct run *run, uint8_t process, uint8_t type, uint8_t slot, int32_t handle);

#endif /* FUZZ_RUNNER_H_ */
