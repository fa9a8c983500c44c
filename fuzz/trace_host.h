/* SPDX-License-Identifier: MIT */
/*
 * trace_host.h: what running a trace needs of the machine that runs it, beside the core: the host build
 * answers with the software processor (harness/trace_host.c), the kernel with ring 3 (kernel/replay.c).
 */
#ifndef FUZZ_TRACE_HOST_H_
#define FUZZ_TRACE_HOST_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/pmm.h>
#include <zircon/types.h>

struct vm_aspace;
struct vm_process;

#define TRACE_MEMORY_PAGES_MAX 4096 /* 16 MiB */
#define TRACE_DEVICE_PAGES     1024 /* 4 MiB: room for large pages */

/* `pages` (at most the maximum) of physical memory for a trace's machine, its base aligned to 2 MiB. The
   same memory every time; contents undefined. */
struct pmm_range trace_host_memory(size_t pages);

/* TRACE_DEVICE_PAGES of zeroed memory that the machine does not manage, as a device's would be, aligned to 2
   MiB: the same every time. At most once a run. */
struct pmm_range trace_host_device(void);

/* From now on the machine has so many processors, at most TRACE_PROCESSORS_MAX, which remember no
   translation; accesses run on the first. A host may have fewer: then several of them are one. */
void trace_host_start_processors(unsigned count);
/* The processor on which accesses and calls run from now on. */
void trace_host_select_processor(unsigned processor);

/* Scratch memory of the runner's own for a run (model, buffers), `bytes` of it zeroed, 16-byte aligned; the
   same memory every time. What lies behind `bytes`, as far as the largest request reached, is the runner's
   too and may hold anything. */
void *trace_host_scratch(size_t bytes);
#define TRACE_SCRATCH_MAX (32u << 20)

/* Makes `process` (may be null) the one that port_current_process() answers; returns the one before. */
struct vm_process *trace_host_set_process(struct vm_process *process);

#define TRACE_ACCESS_READ    1u
#define TRACE_ACCESS_WRITE   2u
#define TRACE_ACCESS_EXECUTE 4u

/* A user-mode access of `size` bytes at va in that space, byte after byte in ascending order (what a page
   crossing does to the bytes before it is thereby defined), page faults taken and resolved through
   vm_aspace_page_fault: OK, or the status with which a fault was refused. READ fills the buffer, WRITE stores
   it, EXECUTE (size 1) only fetches. *done: bytes that were accessed. A non-canonical address is NOT_FOUND.
   */
zx_status_t trace_host_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                              uint32_t kind, size_t *done);

/* The same access to the kernel's space of the trace's machine or to that of a guest, as such a processor would
   make it. False: the host has none for them; nothing was done. */
bool trace_host_space_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                             uint32_t kind, size_t *done, zx_status_t *status);

/* Where the host itself reaches the byte at that physical address, of the machine's memory or the device's. */
void *trace_host_physical(zx_paddr_t paddr);

/* The switch behind port_allocation_allowed: the nth allocation from now fails (0: none), and all after it
   where persistent. */
void trace_host_fail_allocation(uint64_t nth, bool persistent);

/* How many allocations were asked for since the start of the machine. */
uint64_t trace_host_allocation_count(void);

/* Whether the host's own checks (translation caches against tables) hold; a report to vm_log_sink when
   not. */
bool trace_host_check(void);

#endif /* FUZZ_TRACE_HOST_H_ */
