/* SPDX-License-Identifier: MIT */
/*
 * port.c: the core's port to real hardware: physical memory through the direct map, translations in the
 * processor itself, locks on which threads wait.
 *
 * A lock is a word: free, held, or held with others who may wait. Who finds it held looks again for a while, since
 * its holder most likely runs on another processor, and then waits until it is given up. Each thread knows the classes
 * of the locks that it holds: taking one twice, or against the order, is a failure of the kernel at once.
 *
 * Translations are forgotten on all processors (shootdown.c).
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>
#include <vm/port.h>
#include <vm/thread.h>

#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "io.h"
#include "paging.h"
#include "port.h"
#include "percpu.h"
#include "power.h"
#include "shootdown.h"
#include "smp.h"
#include "spinlock.h"
#include "thread.h"
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
    shootdown(invalidation);
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

uint8_t port_largest_page_level(void)
{
    return cpu_has(CPU_1GB) ? 3 : 2;
}

unsigned port_current_processor(void)
{
    return percpu()->number;
}

/* ---- Locks ---- */

enum { FREE, HELD, CONTENDED };
#define LOOKS 1000 /* before waiting */

static bool locking_stopped;

static atomic_uint *word_of(struct port_mutex *mutex)
{
    return (atomic_uint *)&mutex->storage[0];
}

/* Who holds a lock: threads are at addresses of the kernel's space, whose lower halves differ. */
static uint32_t number_of(const struct thread *thread)
{
    return (uint32_t)((uintptr_t)thread >> 3);
}

static uint32_t holder_of(const struct port_mutex *mutex)
{
    return __atomic_load_n(&mutex->holder, __ATOMIC_RELAXED);
}

static _Noreturn void lock_fault(const struct port_mutex *mutex, const char *what)
{
    vm_print(&vm_log_sink, "zvm: lock of class %u %s (held: classes 0x%x)\n", mutex->lock_class, what,
             thread_current()->classes_held);
    port_panic();
}

void port_mutex_init(struct port_mutex *mutex, enum port_lock_class lock_class)
{
    atomic_init(word_of(mutex), FREE);
    mutex->lock_class = lock_class;
    mutex->holder = 0;
}

static void wait_for(atomic_uint *word)
{
    for (unsigned looks = 0; looks < LOOKS; looks++) {
        unsigned found = FREE;
        if (atomic_compare_exchange_weak_explicit(word, &found, HELD, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        spin_pause();
    }
    while (atomic_exchange_explicit(word, CONTENDED, memory_order_acquire) != FREE)
        thread_wait_lock(word, CONTENDED);
}

void port_mutex_lock(struct port_mutex *mutex)
{
    struct thread *thread = thread_current();
    unsigned found = FREE;
    if (locking_stopped)
        return;
    if (holder_of(mutex) == number_of(thread))
        lock_fault(mutex, "taken twice");
    if (thread->classes_held >> mutex->lock_class != 0)
        lock_fault(mutex, "taken out of order");
    if (!atomic_compare_exchange_strong_explicit(word_of(mutex), &found, HELD, memory_order_acquire,
                                                 memory_order_relaxed))
        wait_for(word_of(mutex));
    thread->classes_held |= 1u << mutex->lock_class;
    __atomic_store_n(&mutex->holder, number_of(thread), __ATOMIC_RELAXED);
}

void port_mutex_unlock(struct port_mutex *mutex)
{
    struct thread *thread = thread_current();
    if (locking_stopped)
        return;
    if (holder_of(mutex) != number_of(thread))
        lock_fault(mutex, "given back by someone who has it not");
    thread->classes_held &= ~(1u << mutex->lock_class);
    __atomic_store_n(&mutex->holder, 0, __ATOMIC_RELAXED);
    if (atomic_exchange_explicit(word_of(mutex), FREE, memory_order_release) == CONTENDED)
        thread_wake(word_of(mutex), 1);
}

bool port_mutex_is_held(const struct port_mutex *mutex)
{
    return locking_stopped || holder_of(mutex) == number_of(thread_current());
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

static _Atomic uint64_t allocations, first_failure; /* 0: none fails */
static atomic_bool failure_persists;

bool port_allocation_allowed(void)
{
    uint64_t number = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
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

bool user_copy(void *to, const void *from, size_t size, bool smap); /* entry.S */

/* A thread of a program has pointers into its half; the kernel's own threads, which make calls as well, have the
   kernel's. */
static bool is_bad_range(const struct thread *thread, const void *pointer, size_t size)
{
    uintptr_t from = (uintptr_t)pointer, top = VM_USER_ASPACE_BASE + VM_USER_ASPACE_SIZE;
    if (thread->classes_held != 0 && !locking_stopped) {
        vm_print(&vm_log_sink, "zvm: copy from or to a caller with locks held (classes 0x%x)\n",
                 thread->classes_held);
        port_panic();
    }
    if (thread->object == NULL)
        return from < DIRECT_MAP_BASE;
    return from < ZX_PAGE_SIZE || from >= top || size > top - from;
}

static zx_status_t copy(void *to, const void *from, const void *user, size_t size)
{
    const struct thread *thread = thread_current();
    /* A call that copies for hours is a program's thread like any other, and can be killed. */
    if (!port_go_on())
        return ZX_ERR_INVALID_ARGS;
    if (size == 0)
        return ZX_OK;
    if (is_bad_range(thread, user, size))
        return ZX_ERR_INVALID_ARGS;
    if (thread->object == NULL) {
        memcpy(to, from, size);
        return ZX_OK;
    }
    return user_copy(to, from, size, cpu_has(CPU_SMAP)) ? ZX_OK : ZX_ERR_INVALID_ARGS;
}

zx_status_t port_copy_to_user(void *user_to, const void *from, size_t size)
{
    return copy(user_to, from, user_to, size);
}

zx_status_t port_copy_from_user(void *to, const void *user_from, size_t size)
{
    return copy(to, user_from, user_from, size);
}

/* ---- Time ---- */

int64_t port_ticks(void)
{
    return (int64_t)read_tsc();
}

int64_t port_ticks_per_second(void)
{
    return (int64_t)clock_ticks_per_second();
}

int64_t port_clock(void)
{
    return clock_now();
}

/* ---- Threads ---- */

struct vm_thread *port_current_thread(void)
{
    return thread_current()->object;
}

static bool programs_refused;

void port_refuse_programs(bool refuse)
{
    programs_refused = refuse;
}

zx_status_t port_thread_start(struct vm_thread *thread, const struct port_thread_entry *entry)
{
    if (programs_refused)
        return ZX_ERR_NOT_SUPPORTED;
    struct vm_process *process = vm_thread_process(thread);
    zx_status_t status = thread_start_user(thread, entry->entry, entry->stack, entry->arg1, entry->arg2);
    /* Who killed the process meanwhile may have looked for its threads too early to see this one. */
    if (status == ZX_OK && vm_process_is_dead(process))
        thread_kill(process);
    return status;
}

void port_thread_exited(void)
{
    thread_exit();
}

void port_process_killed(struct vm_process *process)
{
    thread_kill(process);
}

bool port_go_on(void)
{
    return thread_current()->object == NULL || thread_goes_on();
}

zx_status_t port_wait(atomic_uint *word, unsigned value, int64_t deadline)
{
    return thread_wait(word, value, deadline);
}

unsigned port_wake(atomic_uint *word, unsigned count)
{
    return thread_wake(word, count);
}

/* ---- The running program ---- */

struct vm_process *port_current_process(void)
{
    return thread_current()->process;
}

struct vm_process *port_set_process(struct vm_process *process)
{
    struct thread *thread = thread_current();
    struct vm_process *before = thread->process;
    thread->process = process;
    return before;
}

void port_process_exited(int64_t retcode)
{
    if (thread_current()->object != NULL)
        thread_exit();
    vm_print(&vm_log_sink, "zvm: the kernel's process exits with %lld\n", (long long)retcode);
    power_off(retcode == 0 ? 0 : 1);
}

void port_set_user_aspace(struct vm_aspace *aspace)
{
    struct thread *thread = thread_current();
    if (thread->object == NULL)
        thread->aspace = aspace;
}

struct vm_aspace *port_running_aspace(void)
{
    const struct thread *thread = thread_current();
    if (thread->aspace != NULL || thread->object != NULL)
        return thread->aspace;
    return thread->process != NULL ? vm_process_aspace(thread->process) : NULL;
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
        thread_current()->classes_held = 0;
        catcher();
    }
    static bool again;
    smp_stop_others();
    if (!again) {
        again = true;
        const uint64_t *frame = __builtin_frame_address(0);
        trap_print_stack(frame[1], frame[0]);
    }
    power_off(1);
}
