/* SPDX-License-Identifier: MIT */
/*
 * port.h: everything the core asks of the machine that hosts it.
 *
 * The kernel answers with hardware (kernel/port.c), the host library with a memory arena and a software
 * processor (harness/port.c); the linker decides. Only the core's own files, the two port.c and
 * kernel/shootdown.c include this header. Beside these functions the core needs memcpy, memmove, memset, memcmp.
 */
#ifndef VM_PORT_H_
#define VM_PORT_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/list.h>
#include <zircon/types.h>

/* ---- Physical memory ---- */

/* Where the core can read and write the physical page at `pa` (page-aligned, inside a pmm arena). O(1). */
void *port_phys_to_virt(zx_paddr_t pa);

/* ---- Translations ---- */

/* An address space got its top-level table at `root` (zeroed). `low`: the space lies in the lower half; the
   port fills in what such a space needs of the host itself (the kernel's half). */
void port_root_table_created(zx_paddr_t root, bool low);

/* A top-level table that shows the tables of another space as well. */
struct port_root {
    struct list_node node;
    zx_paddr_t root;
};

#define PORT_INVALIDATION_MAX 32

/* Translations to forget: `count` ranges of one space, or all of them. Global entries too where `global`. */
struct port_invalidation {
    zx_paddr_t root; /* whose */
    /* struct port_root: by these, too, processors may have come to know them; null: there are none */
    const struct list_node *views;
    bool everything; /* more than the ranges can tell: forget all of the space */
    bool global;     /* kernel mappings: every space may hold them */
    unsigned count;
    struct {
        zx_vaddr_t va;
        size_t size; /* bytes; a large page is one range */
    } ranges[PORT_INVALIDATION_MAX];
};

/* Whether what was learned by way of that top-level table is to be forgotten. */
static inline bool port_invalidation_names(const struct port_invalidation *invalidation, zx_paddr_t root)
{
    if (root == invalidation->root)
        return true;
    if (invalidation->views == NULL)
        return false;
    list_for_each(node, invalidation->views)
    {
        if (container_of(node, struct port_root, node)->root == root)
            return true;
    }
    return false;
}

/* Returns when no processor can use the translations any more, nor any table page that was linked there. */
void port_invalidate(const struct port_invalidation *invalidation);

/* The level of the largest pages that all processors take: 2 (2 MiB) or 3 (1 GiB). The same at all times. */
uint8_t port_largest_page_level(void);

/* The processor that runs the caller, from 0. */
unsigned port_current_processor(void);

enum port_cache_operation {
    PORT_CACHE_SYNC, /* instructions fetched from now on are those that were written */
    PORT_CACHE_INVALIDATE,
    PORT_CACHE_CLEAN,
    PORT_CACHE_CLEAN_INVALIDATE,
    PORT_CACHE_OPERATIONS
};

/* Does that to the caches for [at, at + size), a part of one page as the core reaches it. */
void port_cache(enum port_cache_operation operation, void *at, size_t size);

/* ---- Locks ---- */

/* The order in which locks may be taken: ascending. Two of one class are never held at once. */
enum port_lock_class {
    PORT_LOCK_HANDLES = 1, /* handle table of the machine */
    PORT_LOCK_ASPACE,      /* region trees of one address space */
    PORT_LOCK_VMO,         /* pages and mappings of one VMO */
    PORT_LOCK_PAGE_TABLE,  /* page tables of one address space */
    PORT_LOCK_PAGE_QUEUE,  /* pages by age */
    PORT_LOCK_MACHINE,     /* lists of all spaces and objects */
    PORT_LOCK_SLAB,        /* object caches */
    PORT_LOCK_PMM,         /* physical pages */
};

struct port_mutex {
    uint64_t storage[6]; /* the port's; suits pthread_mutex_t */
    uint32_t lock_class; /* enum port_lock_class */
    uint32_t holder;     /* the port's: who holds it, for port_mutex_is_held */
};

/* A mutex lives as long as what it is part of; nothing is released. Not recursive. */
void port_mutex_init(struct port_mutex *mutex, enum port_lock_class lock_class);
void port_mutex_lock(struct port_mutex *mutex);
void port_mutex_unlock(struct port_mutex *mutex);
/* Whether the calling thread holds it; for assertions. */
bool port_mutex_is_held(const struct port_mutex *mutex);

/* ---- Objects ---- */

/* The slab allocator hands each slot of `size` bytes to the port as it leaves, and each object as it returns.
   The kernel returns the pointer unchanged; a sanitizer build swaps in an allocation of its own, so that use
   after free and overflow are seen. enter() may not fail. leave() gives the slot back. */
void *port_object_enter(void *slot, size_t size);
void *port_object_leave(void *object, size_t size);

/* Asked before every allocation of a page or an object: false makes that allocation fail. */
bool port_allocation_allowed(void);

/* ---- User memory ---- */

/* Copies between the core and the caller of a zx_ call. INVALID_ARGS where a byte cannot be reached (null and
   the first page never can); part may then have been copied. No lock of the core is held. */
zx_status_t port_copy_to_user(void *user_to, const void *from, size_t size);
zx_status_t port_copy_from_user(void *to, const void *user_from, size_t size);

/* ---- The running program ---- */

struct vm_process;

/* The process on whose behalf the calling thread runs; never null once the machine has started. */
struct vm_process *port_current_process(void);

/* The current process has ended itself and is dead: whatever ran in it runs no more. Does not return. No lock
   of the core is held. */
_Noreturn void port_process_exited(int64_t retcode);

/* ---- Threads ---- */

struct vm_thread;

/* Where a thread begins in its program, and what it finds there. */
struct port_thread_entry {
    zx_vaddr_t entry, stack;
    uint64_t arg1, arg2;
};

/* The thread of a program that runs the caller; null: one of the host's own. */
struct vm_thread *port_current_thread(void);

/* Begins to run a thread, which has not run yet, in its space. The reference to it that the caller had is then the port's, until
   it calls vm_thread_ended. NOT_SUPPORTED: this host runs no programs. NO_MEMORY. No lock of the core is held. */
zx_status_t port_thread_start(struct vm_thread *thread, const struct port_thread_entry *entry);

/* The current thread has ended itself: it runs no more. Does not return. No lock of the core is held. */
_Noreturn void port_thread_exited(void);

/* The process is dead: its threads run no more of the program, and vm_thread_ended comes for each, sooner or later. The caller may be
   one of them, and returns. No lock of the core is held. */
void port_process_killed(struct vm_process *process);

/*
 * Waits while *word is `value`, until port_wake of the same word, or the deadline, in nanoseconds of port_clock (INT64_MAX: none). OK may
 * come for no reason; TIMED_OUT; CANCELED: the caller's process is dead. No lock of the core is held.
 */
zx_status_t port_wait(atomic_uint *word, unsigned value, int64_t deadline);
/* Wakes up to `count` of those that wait there, the longest first; how many. Any lock may be held. */
unsigned port_wake(atomic_uint *word, unsigned count);

/* In a call that takes long, between two steps, with no lock of the core held: others may run. False: the caller's process is dead, and
   the call is best broken off. */
bool port_go_on(void);

/* ---- Time ---- */

/* A clock that never goes back, in units of the host's, of which so many are a second. */
int64_t port_ticks(void);
int64_t port_ticks_per_second(void);
/* Nanoseconds since the host started; never goes back. */
int64_t port_clock(void);

/* ---- Words to people ---- */

/* Writes text to the log. Any context. */
void port_write(const char *text, size_t size);

/* The core found itself broken; what was wrong has been written. Does not return. */
_Noreturn void port_panic(void);

#endif /* VM_PORT_H_ */
