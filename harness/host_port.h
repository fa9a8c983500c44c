/* SPDX-License-Identifier: MIT */
/* host_port.h: what the host port offers to the rest of the host: simulated memory, switches that make things
   fail. */
#ifndef HARNESS_HOST_PORT_H_
#define HARNESS_HOST_PORT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/pmm.h>

struct vm_process;
struct vm_thread;

/* Simulated physical memory. Each piece is a window of its own: window k begins at k << 45, plus 16 MiB so
   that no page has address 0; all together are the 48 bits of the processor's physical addresses. The bytes are
   zero, and cost nothing, until they are touched. */
#define HOST_WINDOW_SHIFT 45
#define HOST_WINDOW_START (16ull << 20)
#define HOST_WINDOWS      8
#define HOST_WINDOW_TRACE (HOST_WINDOWS - 1) /* the one of traces; the others are handed out from 0 */

/* `bytes` (rounded up to pages) of memory in the lowest free window, its base aligned to 2 MiB. Size 0 when
   the host has no room. */
struct pmm_range host_memory_map(size_t bytes);
void host_memory_unmap(struct pmm_range memory);
/* Zeroes a part of such a piece; costs what was touched of it. */
void host_memory_zero(struct pmm_range memory);
/* As host_memory_map, in that very window, which must be free. */
struct pmm_range host_memory_map_window(unsigned window, size_t bytes);

/* The nth allocation from now fails (0: none), and all after it where persistent. */
void host_fail_allocation(uint64_t nth, bool persistent);
/* How many allocations were asked for since the last reset. */
uint64_t host_allocation_count(void);
/* The nth copy from or to a caller's memory from now fails (0: none). */
void host_fail_user_copy(uint64_t nth);
/* How many such copies were tried since the last reset, those of null and the like left out. */
uint64_t host_user_copy_count(void);
/* Before the nth copy of this thread from or to a caller's memory from now (0: none), `what` is called, once: what
   another thread may have done by then. Its own copies are not counted. */
void host_interrupt_user_copy(uint64_t nth, void (*what)(void *context), void *context);
/* How many bytes a cache operation (ZX_VMO_OP_CACHE_*) was done to since the last reset. */
uint64_t host_cache_bytes(uint32_t operation);
/* Counts from zero again, and nothing fails. */
void host_switches_reset(void);

/* The process that every calling thread runs for; returns the one before. */
struct vm_process *host_set_process(struct vm_process *process);
/* The process that this one thread runs for from now on, instead; null: again that of every thread. The caller keeps a
   reference while it is set. */
void host_enter_process(struct vm_process *process);

/* From now on one in so many steps (a lock taken or given up, a copy, an invalidation that is due) lets other threads go
   first, so that rare interleavings show. Which ones do is drawn from the seed and the thread's number. 0: none. */
void host_perturb_schedule(uint64_t seed, unsigned one_in);
/* A step of this thread. */
void host_schedule_step(void);

/* Whether the host says of threads of programs, from now on, that they run. Nothing does: whoever asks for this calls
   vm_thread_ended for each that was started. */
void host_threads_start(bool run);
/* While the next thread is being started, what the core did before that done, `what` is called: what another thread may have
   done by then. */
void host_interrupt_thread_start(void (*what)(void *context), void *context);
/* How many were started that way, and (may be null) the latest one. */
struct host_thread_entry {
    struct vm_thread *thread;
    uint64_t entry, stack, arg1, arg2;
};
uint64_t host_threads_started(struct host_thread_entry *last);

/* When a long call next asks whether it may go on, which it does with no lock held, `what` is called, once: what another
   thread may have done by then. */
void host_interrupt_long_call(void (*what)(void *context), void *context);

/* A number for the calling thread, from 1. */
uint32_t host_thread_number(void);

#endif /* HARNESS_HOST_PORT_H_ */
