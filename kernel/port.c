/* SPDX-License-Identifier: MIT */
/*
 * port.c: the core's port to real hardware: physical memory through the direct map, translations in the
 * processor itself.
 *
 * There is one processor and nothing preempts, so a mutex never waits: it is a check that nobody takes it
 * twice or against the order.
 *
 * The processor keeps translations of the one space whose root it has loaded; loading another forgets those
 * that are not global. Ring 3 visits leave their root loaded, so that a translation which the core fails to
 * invalidate stays visible to the next one. Where a space loses everything, the processor leaves it: its
 * top-level table may be freed next.
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>
#include <vm/port.h>

#include "console.h"
#include "cpu.h"
#include "io.h"
#include "paging.h"
#include "port.h"
#include "power.h"
#include "trap.h"

/* ---- Physical memory ---- */

void *port_phys_to_virt(zx_paddr_t pa)
{
    return physical_to_virtual(pa);
}

/* ---- Translations ---- */

void port_root_table_created(zx_paddr_t root, bool low)
{
    if (low)
        paging_fill_root(root);
}

void port_invalidate(const struct port_invalidation *invalidation)
{
    if (invalidation->global) {
        paging_forget_global();
        return;
    }
    if (!port_invalidation_names(invalidation, read_cr3() & X86_PTE_ADDRESS))
        return;
    if (invalidation->everything) {
        paging_switch(paging_kernel_root());
        return;
    }
    for (unsigned i = 0; i < invalidation->count; i++) {
        zx_vaddr_t va = invalidation->ranges[i].va;
        size_t pages = invalidation->ranges[i].size >> ZX_PAGE_SHIFT;
        if (pages > PORT_INVALIDATION_MAX) {
            paging_forget_all();
            return;
        }
        for (; pages > 0; pages--, va += ZX_PAGE_SIZE)
            paging_forget_page(va);
    }
}

/* Caches of x86 know of each other and of instructions; memory that devices look at is made to agree with them by
   flushing, which writes back what is newer in the cache: nothing is ever lost by invalidating. */
void port_cache(enum port_cache_operation operation, void *at, size_t size)
{
    size_t line = cpu_cache_line_size();
    uintptr_t end = (uintptr_t)at + size;
    if (operation != PORT_CACHE_SYNC)
        for (uintptr_t address = (uintptr_t)at & ~(line - 1); address < end; address += line)
            flush_line(address);
    memory_fence();
}

unsigned port_current_processor(void)
{
    return 0;
}

/* ---- Locks ---- */

static uint32_t classes_held; /* bit n: a lock of class n */
static bool locking_stopped;

static _Noreturn void lock_fault(const struct port_mutex *mutex, const char *what)
{
    vm_print(&vm_log_sink, "zvm: lock of class %u %s (held: classes 0x%x)\n", mutex->lock_class, what,
             classes_held);
    port_panic();
}

void port_mutex_init(struct port_mutex *mutex, enum port_lock_class lock_class)
{
    mutex->lock_class = lock_class;
    mutex->holder = 0;
}

void port_mutex_lock(struct port_mutex *mutex)
{
    if (locking_stopped)
        return;
    if (mutex->holder != 0)
        lock_fault(mutex, "taken twice");
    if (classes_held >> mutex->lock_class != 0)
        lock_fault(mutex, "taken out of order");
    classes_held |= 1u << mutex->lock_class;
    mutex->holder = 1;
}

void port_mutex_unlock(struct port_mutex *mutex)
{
    if (locking_stopped)
        return;
    if (mutex->holder == 0)
        lock_fault(mutex, "given back by someone who has it not");
    classes_held &= ~(1u << mutex->lock_class);
    mutex->holder = 0;
}

bool port_mutex_is_held(const struct port_mutex *mutex)
{
    return locking_stopped || mutex->holder != 0;
}

void port_stop_locking(void)
{
    locking_stopped = true;
}

/* ---- Objects ---- */

void *port_object_enter(void *slot, size_t size)
{
    (void)size;
    return slot;
}

void *port_object_leave(void *object, size_t size)
{
    (void)size;
    return object;
}

static uint64_t allocations, first_failure; /* 0: none fails */
static bool failure_persists;

bool port_allocation_allowed(void)
{
    uint64_t number = ++allocations;
    if (first_failure == 0 || number < first_failure)
        return true;
    return number > first_failure && !failure_persists;
}

void port_fail_allocation(uint64_t nth, bool persistent)
{
    failure_persists = persistent;
    first_failure = nth == 0 || nth > UINT64_MAX - allocations ? 0 : allocations + nth;
}

uint64_t port_allocation_count(void)
{
    return allocations;
}

void port_reset_allocations(void)
{
    allocations = first_failure = 0;
    failure_persists = false;
}

/* ---- User memory ---- */

/* Callers are the kernel's own code so far: their pointers are the kernel's. */
static bool is_bad_range(const void *pointer, size_t size)
{
    if (classes_held != 0 && !locking_stopped) {
        vm_print(&vm_log_sink, "zvm: copy from or to a caller with locks held (classes 0x%x)\n",
                 classes_held);
        port_panic();
    }
    return size != 0 && (uintptr_t)pointer < DIRECT_MAP_BASE;
}

zx_status_t port_copy_to_user(void *user_to, const void *from, size_t size)
{
    if (is_bad_range(user_to, size))
        return ZX_ERR_INVALID_ARGS;
    if (size != 0)
        memcpy(user_to, from, size);
    return ZX_OK;
}

zx_status_t port_copy_from_user(void *to, const void *user_from, size_t size)
{
    if (is_bad_range(user_from, size))
        return ZX_ERR_INVALID_ARGS;
    if (size != 0)
        memcpy(to, user_from, size);
    return ZX_OK;
}

/* ---- Time ---- */

int64_t port_ticks(void)
{
    return (int64_t)read_tsc();
}

/* The processor's counter is taken for one of 1 GHz: nothing has measured it. */
int64_t port_ticks_per_second(void)
{
    return 1000000000;
}

int64_t port_clock(void)
{
    return (int64_t)read_tsc();
}

/* ---- Threads ---- */

struct vm_thread *port_current_thread(void)
{
    return NULL;
}

zx_status_t port_thread_start(struct vm_thread *thread, const struct port_thread_entry *entry)
{
    (void)thread;
    (void)entry;
    return ZX_ERR_NOT_SUPPORTED;
}

void port_thread_exited(void)
{
    port_process_exited(0); /* the kernel has one thread of its own */
}

void port_process_killed(struct vm_process *process)
{
    (void)process;
}

/* Nobody else runs who could change it. */
zx_status_t port_wait(atomic_uint *word, unsigned value, int64_t deadline)
{
    while (atomic_load(word) == value)
        if (deadline != INT64_MAX && port_clock() >= deadline)
            return ZX_ERR_TIMED_OUT;
    return ZX_OK;
}

unsigned port_wake(atomic_uint *word, unsigned count)
{
    (void)word;
    (void)count;
    return 0;
}

/* ---- The running program ---- */

static struct vm_process *current_process;
static struct vm_aspace *user_aspace;

struct vm_process *port_current_process(void)
{
    return current_process;
}

struct vm_process *port_set_process(struct vm_process *process)
{
    struct vm_process *before = current_process;
    current_process = process;
    return before;
}

/* Only the kernel itself calls zx_ functions so far: the process that ends is the kernel's own. */
void port_process_exited(int64_t retcode)
{
    vm_print(&vm_log_sink, "zvm: the kernel's process exits with %lld\n", (long long)retcode);
    power_off(retcode == 0 ? 0 : 1);
}

void port_set_user_aspace(struct vm_aspace *aspace)
{
    user_aspace = aspace;
}

struct vm_aspace *port_running_aspace(void)
{
    if (user_aspace != NULL)
        return user_aspace;
    return current_process != NULL ? vm_process_aspace(current_process) : NULL;
}

/* ---- Words to people ---- */

void port_write(const char *text, size_t size)
{
    console_write(text, size);
}

static void (*panic_catcher)(void);

void port_catch_panic(void (*catcher)(void))
{
    panic_catcher = catcher;
}

void port_panic(void)
{
    if (panic_catcher != NULL) {
        void (*catcher)(void) = panic_catcher;
        panic_catcher = NULL;
        classes_held = 0;
        catcher();
    }
    static bool again;
    if (!again) {
        again = true;
        const uint64_t *frame = __builtin_frame_address(0);
        trap_print_stack(frame[1], frame[0]);
    }
    power_off(1);
}
