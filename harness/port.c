/* SPDX-License-Identifier: MIT */
/*
 * port.c: the core's port to an ordinary program: physical memory is anonymous memory of the host, locks are
 * pthread mutexes, translations live in the software processor (processor.c).
 *
 * Locks are checked as they are taken: each thread keeps the set of classes that it holds, and taking a class
 * at or below one of them is reported at once, whether or not it would have deadlocked this time. Copies from
 * and to callers demand an empty set. Stress tests have threads step back at random where they take or give up
 * locks: a few processors then show interleavings that would take many.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <vm/machine.h>
#include <vm/port.h>

#include "host_port.h"
#include "processor.h"

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0)
        port_write(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

/* ---- Physical memory ---- */

static struct window {
    char *bytes; /* null: free */
    size_t size;
} windows[HOST_WINDOWS];

/* In AddressSanitizer builds: memory that an abandoned machine left poisoned may come again at the same
   address. */
void __asan_unpoison_memory_region(void const volatile *address, size_t size) __attribute__((weak));

struct pmm_range host_memory_map_window(unsigned number, size_t bytes)
{
    struct window *window = &windows[number];
    struct pmm_range none = {0, 0};

    bytes = (bytes + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
    if (window->bytes != NULL || bytes == 0 || bytes > ((uint64_t)1 << HOST_WINDOW_SHIFT) - HOST_WINDOW_START)
        return none;
    void *mapped =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return none;
    if (__asan_unpoison_memory_region != NULL)
        __asan_unpoison_memory_region(mapped, bytes);
    window->bytes = mapped;
    window->size = bytes;
    return (struct pmm_range){((uint64_t)number << HOST_WINDOW_SHIFT) + HOST_WINDOW_START, bytes};
}

struct pmm_range host_memory_map(size_t bytes)
{
    unsigned number = 0;

    while (number < HOST_WINDOW_TRACE && windows[number].bytes != NULL)
        number++;
    if (number == HOST_WINDOW_TRACE)
        return (struct pmm_range){0, 0};
    return host_memory_map_window(number, bytes);
}

void host_memory_unmap(struct pmm_range memory)
{
    struct window *window = &windows[memory.base >> HOST_WINDOW_SHIFT];

    munmap(window->bytes, window->size);
    *window = (struct window){NULL, 0};
}

/* Pages that are given back to the system come again as zeroes. */
void host_memory_zero(struct pmm_range memory)
{
    void *const bytes = port_phys_to_virt(memory.base);

    if (madvise(bytes, memory.size, MADV_DONTNEED) != 0)
        memset(bytes, 0, memory.size);
}

void *port_phys_to_virt(zx_paddr_t pa)
{
    uint64_t number = pa >> HOST_WINDOW_SHIFT;
    uint64_t offset = pa - (number << HOST_WINDOW_SHIFT) - HOST_WINDOW_START;

    if (number >= HOST_WINDOWS || offset >= windows[number].size) {
        say("zvm: physical address %#llx is outside the simulated memory\n", (unsigned long long)pa);
        port_panic();
    }
    return windows[number].bytes + offset;
}

/* ---- Translations ---- */

void port_root_table_created(zx_paddr_t root, bool low)
{
    (void)low; /* the host has nothing of its own in any space */
    processor_root_created(root);
}

void port_invalidate(const struct port_invalidation *invalidation)
{
    processor_invalidate(invalidation);
}

uint8_t port_largest_page_level(void)
{
    return 3;
}

unsigned port_current_processor(void)
{
    return processor_current();
}

/* ---- Threads ---- */

static atomic_uint threads;
static _Thread_local uint32_t thread_number;

uint32_t host_thread_number(void)
{
    if (thread_number == 0)
        thread_number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return thread_number;
}

/* Perturbing the schedule. */
static atomic_uint_least64_t perturbation_seed;
static atomic_uint perturbation_one_in;

void host_perturb_schedule(uint64_t seed, unsigned one_in)
{
    atomic_store(&perturbation_seed, seed);
    atomic_store(&perturbation_one_in, one_in);
}

static uint64_t draw_step(void)
{
    static _Thread_local uint64_t seed, state;
    uint64_t wanted = atomic_load_explicit(&perturbation_seed, memory_order_relaxed);

    if (state == 0 || seed != wanted) {
        seed = wanted;
        state = (wanted + host_thread_number()) * 0x9e3779b97f4a7c15ull | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 16;
}

void host_schedule_step(void)
{
    unsigned one_in = atomic_load_explicit(&perturbation_one_in, memory_order_relaxed);

    if (one_in == 0)
        return;
    uint64_t drawn = draw_step();
    if (drawn % one_in != 0)
        return;
    if (drawn / one_in % 8 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL); /* some fifty times as long in fact */
    else
        sched_yield();
}

/* ---- Locks ---- */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(((struct port_mutex *)0)->storage), "storage too small");

static _Thread_local uint32_t classes_held;

static pthread_mutex_t *pthread_of(struct port_mutex *mutex)
{
    return (pthread_mutex_t *)(void *)mutex->storage;
}

static const char *lock_name(uint32_t lock_class)
{
    static const char *const names[] = {
        [PORT_LOCK_HANDLES] = "handles", [PORT_LOCK_ASPACE] = "aspace",         [PORT_LOCK_VMO] = "vmo",
        [PORT_LOCK_MACHINE] = "machine", [PORT_LOCK_PAGE_TABLE] = "page table", [PORT_LOCK_SLAB] = "slab",
        [PORT_LOCK_PMM] = "pmm",         [PORT_LOCK_PAGE_QUEUE] = "page queue",
    };
    if (lock_class >= sizeof(names) / sizeof(names[0]) || names[lock_class] == NULL)
        return "unknown";
    return names[lock_class];
}

_Noreturn static void lock_error(const struct port_mutex *mutex, const char *what)
{
    say("zvm: %s: the %s lock at %p; this thread holds:", what, lock_name(mutex->lock_class),
        (const void *)mutex);
    for (uint32_t lock_class = 0; lock_class < 32; lock_class++)
        if ((classes_held >> lock_class & 1) != 0)
            say(" %s", lock_name(lock_class));
    say("\n");
    port_panic();
}

void port_mutex_init(struct port_mutex *mutex, enum port_lock_class lock_class)
{
    pthread_mutex_init(pthread_of(mutex), NULL);
    mutex->lock_class = lock_class;
    mutex->holder = 0;
}

bool port_mutex_is_held(const struct port_mutex *mutex)
{
    return __atomic_load_n(&mutex->holder, __ATOMIC_RELAXED) == host_thread_number();
}

/* Where a program calls zx_ something without a machine, the core comes here with a member of none. */
_Noreturn static void no_machine(void)
{
    say("zvm: a zx_ call, and no machine is started: expected zvm_start before it, and zvm_stop after the "
        "last one\n");
    abort();
}

void port_mutex_lock(struct port_mutex *mutex)
{
    if ((uintptr_t)mutex < ZX_PAGE_SIZE)
        no_machine();
    if (mutex->lock_class < PORT_LOCK_HANDLES || mutex->lock_class > PORT_LOCK_PMM)
        lock_error(mutex, "locking what was never initialised");
    if (port_mutex_is_held(mutex))
        lock_error(mutex, "locking twice");
    if (classes_held >> mutex->lock_class != 0)
        lock_error(mutex, "locking against the order");
    host_schedule_step();
    pthread_mutex_lock(pthread_of(mutex));
    __atomic_store_n(&mutex->holder, host_thread_number(), __ATOMIC_RELAXED);
    classes_held |= 1u << mutex->lock_class;
}

void port_mutex_unlock(struct port_mutex *mutex)
{
    if (!port_mutex_is_held(mutex))
        lock_error(mutex, "unlocking what another thread holds, or none");
    classes_held &= ~(1u << mutex->lock_class);
    __atomic_store_n(&mutex->holder, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(pthread_of(mutex));
    host_schedule_step();
}

/* ---- Switches that make things fail ---- */

/* Counts events; the one numbered `first` (from 1) fails, and all after it where persistent. */
struct failure_switch {
    atomic_uint_least64_t count;
    atomic_uint_least64_t first; /* 0: none */
    atomic_bool persistent;
};

static struct failure_switch allocations, user_copies;

static bool switch_allows(struct failure_switch *failure)
{
    uint64_t number = atomic_fetch_add_explicit(&failure->count, 1, memory_order_relaxed) + 1;
    uint64_t first = atomic_load_explicit(&failure->first, memory_order_relaxed);

    if (first == 0 || number < first)
        return true;
    return number > first && !atomic_load_explicit(&failure->persistent, memory_order_relaxed);
}

static void switch_set(struct failure_switch *failure, uint64_t nth, bool persistent)
{
    uint64_t count = atomic_load(&failure->count);

    atomic_store(&failure->persistent, persistent);
    atomic_store(&failure->first, nth == 0 || nth > UINT64_MAX - count ? 0 : count + nth);
}

void host_fail_allocation(uint64_t nth, bool persistent)
{
    switch_set(&allocations, nth, persistent);
}

uint64_t host_allocation_count(void)
{
    return atomic_load(&allocations.count);
}

void host_fail_user_copy(uint64_t nth)
{
    switch_set(&user_copies, nth, false);
}

uint64_t host_user_copy_count(void)
{
    return atomic_load(&user_copies.count);
}

/* By enum port_cache_operation. There are no caches to work on: it is counted. */
static atomic_uint_least64_t cache_bytes[PORT_CACHE_OPERATIONS];

void port_cache(enum port_cache_operation operation, void *at, size_t size)
{
    (void)at;
    atomic_fetch_add_explicit(&cache_bytes[operation], size, memory_order_relaxed);
}

uint64_t host_cache_bytes(uint32_t operation)
{
    return atomic_load(&cache_bytes[operation - ZX_VMO_OP_CACHE_SYNC]);
}

void host_switches_reset(void)
{
    for (unsigned i = 0; i < PORT_CACHE_OPERATIONS; i++)
        atomic_store(&cache_bytes[i], 0);
    switch_set(&allocations, 0, false);
    switch_set(&user_copies, 0, false);
    atomic_store(&allocations.count, 0);
    atomic_store(&user_copies.count, 0);
}

bool port_allocation_allowed(void)
{
    return switch_allows(&allocations);
}

/* ---- User memory ---- */

/* What is to happen before one of the copies to come. */
static _Thread_local struct {
    uint64_t left; /* 0: nothing */
    void (*what)(void *context);
    void *context;
} interruption;

void host_interrupt_user_copy(uint64_t nth, void (*what)(void *context), void *context)
{
    interruption.left = nth;
    interruption.what = what;
    interruption.context = context;
}

static zx_status_t check_user_range(const void *user, size_t size)
{
    uintptr_t address = (uintptr_t)user;

    if (classes_held != 0) {
        say("zvm: copying from or to a caller's memory with locks held (classes %#x)\n", classes_held);
        port_panic();
    }
    host_schedule_step();
    if (size == 0)
        return ZX_OK;
    if (interruption.left != 0 && --interruption.left == 0)
        interruption.what(interruption.context);
    if (address < ZX_PAGE_SIZE || size > UINTPTR_MAX - address || !switch_allows(&user_copies))
        return ZX_ERR_INVALID_ARGS;
    return ZX_OK;
}

zx_status_t port_copy_to_user(void *user_to, const void *from, size_t size)
{
    zx_status_t status = check_user_range(user_to, size);

    if (status == ZX_OK && size != 0)
        memcpy(user_to, from, size);
    return status;
}

zx_status_t port_copy_from_user(void *to, const void *user_from, size_t size)
{
    zx_status_t status = check_user_range(user_from, size);

    if (status == ZX_OK && size != 0)
        memcpy(to, user_from, size);
    return status;
}

/* ---- The running program ---- */

static _Atomic(struct vm_process *) current_process;
static _Thread_local struct vm_process *entered_process;

struct vm_process *port_current_process(void)
{
    if (entered_process != NULL)
        return entered_process;
    struct vm_process *process = atomic_load_explicit(&current_process, memory_order_acquire);
    if (process == NULL && vm_machine_current() == NULL)
        no_machine();
    return process;
}

struct vm_process *host_set_process(struct vm_process *process)
{
    return atomic_exchange(&current_process, process);
}

void host_enter_process(struct vm_process *process)
{
    entered_process = process;
}

/* The program is the process: whatever else it simulates ends with it. What fails does not end with 0, even where
   the exit status has no room for more of the number than zeroes. */
void port_process_exited(int64_t retcode)
{
    exit(retcode != 0 && (retcode & 0xff) == 0 ? EXIT_FAILURE : (int)retcode);
}

/* ---- Words to people ---- */

void port_write(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

void port_panic(void)
{
    if (processor_note_number() == 0)
        say("zvm: the core is broken, stopping\n");
    else
        say("zvm: the core is broken, stopping (operation %llu: %s)\n",
            (unsigned long long)processor_note_number(), processor_note_text());
    abort();
}
