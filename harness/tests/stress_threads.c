/* SPDX-License-Identifier: MIT */
/*
 * stress_threads.c: many threads inside the host library at once.
 *
 *   stress_threads [--threads N] [--ops M] [--seed S] [--perturb K]
 *
 * N threads (8) make M operations each (20000): all zx_ calls but zx_debug_write and zx_process_exit,
 * zvm_access, soft faults of ranges, harvests, views, statistics, failing allocations and copies. They share handles and addresses in pools
 * from which each takes at random, so most of what one works with is being closed, unmapped or destroyed by
 * others. Now and then a thread runs for a guest, a process that others may end meanwhile. One in K steps
 * (16) of the schedule is perturbed (host_perturb_schedule); 0: none.
 *
 * What must hold, in spite of all:
 * - each call answers with a status that its description names;
 * - what a thread does in a process of its own goes as if it were alone, but for want of memory;
 * - memory that several processes show is coherent: a thread that has written a word through one of them reads it through
 *   any other;
 * - a snapshot shows one moment: of two words that a thread writes one after the other, never the second without the
 *   first; and it stays as it is;
 * - a process lives as long as a handle leads to it;
 * - a name is one that somebody has set, and the records of a process that changes meanwhile are in order;
 * - at quiet points, eight times a run, every invariant (zvm_check); at the end, nothing has leaked (zvm_stop).
 * And ThreadSanitizer, AddressSanitizer and the port's checker of the lock order have nothing to say.
 *
 * Exits with 0 when all is well, 1 when not, 2 on misuse. What each thread attempts follows from the seed; how the threads
 * interleave is the host's.
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vm/aspace.h>
#include <vm/machine.h>
#include <vm/vmo.h>
#include <zircon/syscalls.h>
#include <zvm/host.h>

#include "../host_port.h"
#include "../processor.h"

#define PAGE         ((size_t)ZX_PAGE_SIZE)
#define THREADS_MAX  64
#define QUIET_POINTS 8
#define SLOTS        8 /* of a kind in a pool */
#define GUESTS       4
#define VMO_PAGES    64 /* of the largest VMO */
#define SHARED_PAGES 64 /* of the VMO whose coherence is tested */
#define MEMORY       ((size_t)16 << 20)

/* ---- What the threads share ---- */

/* Handles and addresses that a process has, or had. */
struct pool {
    _Atomic(zx_handle_t) vmars[SLOTS], vmos[SLOTS];
    _Atomic(zx_vaddr_t) addresses[SLOTS];
};

static struct pool pools[1 + GUESTS]; /* the first is self's */
static _Atomic(zx_handle_t) guests[GUESTS];

static unsigned thread_count = 8;
static uint64_t op_count = 20000, first_seed = 1;
static unsigned perturb_one_in = 16;
static zx_handle_t shared_vmo;
static zx_handle_t homes[THREADS_MAX]; /* a process for each thread; each shows the shared VMO */
static zx_vaddr_t shared_at[THREADS_MAX];
static pthread_barrier_t barrier;
static atomic_uint failures;
static atomic_uint_least64_t answered_ok, answered;

struct worker {
    pthread_t thread;
    unsigned number;
    uint64_t random;
    unsigned context; /* 0: self; else one more than the guest that it runs for */
    FILE *nowhere;
    zx_handle_t home_root;
    uint64_t written[SHARED_PAGES]; /* its word of each page of the shared VMO */
    uint64_t tick;                  /* what it wrote latest into its first, then its second tick */
    uint64_t ok, calls;
};

static struct worker workers[THREADS_MAX];

static void fail(const struct worker *worker, const char *what, int64_t value)
{
    fprintf(stderr, "stress: thread %u: %s: %lld\n", worker->number, what, (long long)value);
    atomic_fetch_add(&failures, 1);
}

/* ---- Choosing ---- */

static uint64_t draw(struct worker *worker)
{
    uint64_t mixed = worker->random += 0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

static unsigned below(struct worker *worker, unsigned bound)
{
    return (unsigned)(draw(worker) % bound);
}

static bool one_in(struct worker *worker, unsigned n)
{
    return below(worker, n) == 0;
}

static struct pool *pool_of(const struct worker *worker)
{
    return &pools[worker->context];
}

static zx_handle_t some_vmar(struct worker *worker)
{
    if (one_in(worker, 8))
        return zx_vmar_root_self();
    return atomic_load(&pool_of(worker)->vmars[below(worker, SLOTS)]);
}

static zx_handle_t some_vmo(struct worker *worker)
{
    return atomic_load(&pool_of(worker)->vmos[below(worker, SLOTS)]);
}

static zx_handle_t some_process(struct worker *worker)
{
    if (worker->context != 0 || one_in(worker, 4))
        return zx_process_self();
    return atomic_load(&guests[below(worker, GUESTS)]);
}

/* Whatever it leads to. */
static zx_handle_t some_handle(struct worker *worker)
{
    switch (below(worker, 3)) {
    case 0:
        return some_vmar(worker);
    case 1:
        return some_vmo(worker);
    default:
        return some_process(worker);
    }
}

static zx_vaddr_t some_address(struct worker *worker)
{
    zx_vaddr_t base = atomic_load(&pool_of(worker)->addresses[below(worker, SLOTS)]);

    return base + below(worker, 8) * PAGE;
}

static size_t some_pages(struct worker *worker, unsigned most)
{
    return (1 + below(worker, one_in(worker, 4) ? most : 4)) * PAGE;
}

/* ---- Judging ---- */

#define S(status) ((uint64_t)1 << -(status))
/* Of every call: its handles may be gone or too weak, its copies and allocations may be made to fail. */
#define ANY                                                                                                  \
    (S(ZX_OK) | S(ZX_ERR_BAD_HANDLE) | S(ZX_ERR_WRONG_TYPE) | S(ZX_ERR_ACCESS_DENIED) |                      \
     S(ZX_ERR_INVALID_ARGS) | S(ZX_ERR_NO_MEMORY))

static bool is_ok(struct worker *worker, const char *call, zx_status_t status, uint64_t others)
{
    worker->calls++;
    worker->ok += status == ZX_OK;
    if (status > 0 || status < -63 || (S(status) & (ANY | others)) == 0)
        fail(worker, call, status);
    return status == ZX_OK;
}

#define CALL(others, function, ...) is_ok(worker, #function, function(__VA_ARGS__), others)

/* Puts a new handle where others find it; the one that was there goes. */
static void put(struct worker *worker, _Atomic(zx_handle_t) *slot, zx_handle_t handle)
{
    CALL(0, zx_handle_close, atomic_exchange(slot, handle));
}

/* ---- Operations ---- */

static zx_vm_option_t some_perms(struct worker *worker)
{
    static const zx_vm_option_t perms[] = {0, ZX_VM_PERM_READ, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE,
                                           ZX_VM_PERM_READ | ZX_VM_PERM_WRITE,
                                           ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE};
    return perms[below(worker, 5)];
}

static void op_allocate(struct worker *worker)
{
    zx_handle_t child;
    zx_vaddr_t at;
    zx_vm_option_t options = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC;
    size_t offset = 0;

    if (one_in(worker, 3))
        options |= ZX_VM_COMPACT;
    if (one_in(worker, 4))
        offset = some_pages(worker, 64), options |= ZX_VM_SPECIFIC;
    if (CALL(S(ZX_ERR_BAD_STATE) | S(ZX_ERR_ALREADY_EXISTS), zx_vmar_allocate, some_vmar(worker), options,
             offset, some_pages(worker, 256), &child, &at)) {
        atomic_store(&pool_of(worker)->addresses[below(worker, SLOTS)], at);
        put(worker, &pool_of(worker)->vmars[below(worker, SLOTS)], child);
    }
}

static void op_map(struct worker *worker)
{
    zx_vaddr_t at;
    zx_vm_option_t options = some_perms(worker);
    size_t offset = 0, vmo_offset = below(worker, 4) * PAGE;

    if (one_in(worker, 4))
        options |= ZX_VM_MAP_RANGE;
    if (one_in(worker, 3)) {
        offset = some_pages(worker, 64);
        options |= one_in(worker, 2) ? ZX_VM_SPECIFIC : ZX_VM_SPECIFIC_OVERWRITE;
        if (one_in(worker, 2))
            vmo_offset = offset; /* neighbours of one VMO merge */
    }
    if (CALL(S(ZX_ERR_BAD_STATE) | S(ZX_ERR_ALREADY_EXISTS) | S(ZX_ERR_NO_RESOURCES), zx_vmar_map,
             some_vmar(worker), options, offset, some_vmo(worker), vmo_offset, some_pages(worker, VMO_PAGES),
             &at))
        atomic_store(&pool_of(worker)->addresses[below(worker, SLOTS)], at);
}

static void op_unmap(struct worker *worker)
{
    CALL(S(ZX_ERR_BAD_STATE), zx_vmar_unmap, some_vmar(worker), some_address(worker), some_pages(worker, 64));
}

static void op_protect(struct worker *worker)
{
    CALL(S(ZX_ERR_BAD_STATE) | S(ZX_ERR_NOT_FOUND), zx_vmar_protect, some_vmar(worker), some_perms(worker),
         some_address(worker), some_pages(worker, 16));
}

static void op_destroy(struct worker *worker)
{
    CALL(S(ZX_ERR_BAD_STATE) | S(ZX_ERR_NOT_SUPPORTED), zx_vmar_destroy, some_vmar(worker));
}

static void op_vmo_create(struct worker *worker)
{
    zx_handle_t vmo;

    if (CALL(0, zx_vmo_create, some_pages(worker, VMO_PAGES), one_in(worker, 3) ? 0 : ZX_VMO_RESIZABLE, &vmo))
        put(worker, &pool_of(worker)->vmos[below(worker, SLOTS)], vmo);
}

static void op_vmo_bytes(struct worker *worker)
{
    char bytes[600] = {1};
    uint64_t offset = draw(worker) % (16 * PAGE);
    size_t size = below(worker, sizeof(bytes) + 1);

    if (one_in(worker, 2))
        CALL(S(ZX_ERR_OUT_OF_RANGE), zx_vmo_read, some_vmo(worker), bytes, offset, size);
    else
        CALL(S(ZX_ERR_OUT_OF_RANGE), zx_vmo_write, some_vmo(worker), bytes, offset, size);
}

static void op_vmo_size(struct worker *worker)
{
    uint64_t size;

    if (one_in(worker, 2))
        CALL(0, zx_vmo_get_size, some_vmo(worker), &size);
    else
        CALL(S(ZX_ERR_UNAVAILABLE) | S(ZX_ERR_BAD_STATE), zx_vmo_set_size, some_vmo(worker),
             some_pages(worker, VMO_PAGES));
}

static void op_vmo_range(struct worker *worker)
{
    static const uint32_t ops[] = {ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT,  ZX_VMO_OP_DECOMMIT,
                                   ZX_VMO_OP_ZERO,   ZX_VMO_OP_DONT_NEED, ZX_VMO_OP_CACHE_SYNC};
    uint32_t op = ops[below(worker, 6)];
    uint64_t offset = below(worker, 8) * PAGE, size = some_pages(worker, 16);

    if (op == ZX_VMO_OP_ZERO && one_in(worker, 2))
        offset += 100, size -= 300;
    CALL(S(ZX_ERR_OUT_OF_RANGE) | S(ZX_ERR_NOT_SUPPORTED) | S(ZX_ERR_BAD_STATE), zx_vmo_op_range,
         some_vmo(worker), op, offset, size, NULL, 0);
}

static void op_vmo_child(struct worker *worker)
{
    static const uint32_t kinds[] = {ZX_VMO_CHILD_SNAPSHOT, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_RESIZABLE,
                                     ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
                                     ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_NO_WRITE, ZX_VMO_CHILD_SLICE};
    uint64_t offset = below(worker, 4) * PAGE;
    zx_handle_t child;

    if (CALL(S(ZX_ERR_NOT_SUPPORTED) | S(ZX_ERR_BAD_STATE), zx_vmo_create_child, some_vmo(worker),
             kinds[below(worker, 5)], offset, some_pages(worker, VMO_PAGES), &child))
        put(worker, &pool_of(worker)->vmos[below(worker, SLOTS)], child);
}

/* What is pinned stays where it is, whatever others do to it meanwhile. */
static void op_pin(struct worker *worker)
{
    struct vm_vmo *vmo;
    uint64_t offset = below(worker, 4) * PAGE, size = some_pages(worker, 8);
    zx_paddr_t before, after;

    if (vm_vmo_from_handle(some_vmo(worker), &vmo) != ZX_OK)
        return;
    if (CALL(S(ZX_ERR_OUT_OF_RANGE), vm_vmo_pin, vmo, offset, size)) {
        CALL(0, vm_vmo_lookup, vmo, offset, &before);
        sched_yield();
        if (CALL(0, vm_vmo_lookup, vmo, offset, &after) && before != after)
            fail(worker, "a pinned page has moved, to", (int64_t)after);
        vm_vmo_unpin(vmo, offset, size);
    }
    vm_vmo_release(vmo);
}

static void op_vmar_range(struct worker *worker)
{
    static const uint32_t ops[] = {ZX_VMAR_OP_COMMIT,    ZX_VMAR_OP_COMMIT,    ZX_VMAR_OP_DECOMMIT,
                                   ZX_VMAR_OP_MAP_RANGE, ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED};

    CALL(S(ZX_ERR_BAD_STATE) | S(ZX_ERR_OUT_OF_RANGE) | S(ZX_ERR_NOT_SUPPORTED), zx_vmar_op_range,
         some_vmar(worker), ops[below(worker, 6)], some_address(worker), some_pages(worker, 16), NULL, 0);
}

static void op_close(struct worker *worker)
{
    zx_handle_t both[2] = {some_handle(worker), some_vmo(worker)};

    if (both[0] == zx_process_self() && worker->context == 0)
        return; /* self's own two handles are for all */
    if (both[0] == zx_vmar_root_self() && worker->context == 0)
        return;
    if (one_in(worker, 2))
        CALL(0, zx_handle_close, both[0]);
    else
        CALL(0, zx_handle_close_many, both, 2);
}

static void op_copy_handle(struct worker *worker)
{
    zx_handle_t copy, vmo = some_vmo(worker);
    zx_rights_t rights = one_in(worker, 3) ? ZX_DEFAULT_VMO_RIGHTS & ~ZX_RIGHT_WRITE : ZX_RIGHT_SAME_RIGHTS;

    if (one_in(worker, 2) ? CALL(0, zx_handle_duplicate, vmo, rights, &copy)
                          : CALL(0, zx_handle_replace, vmo, rights, &copy))
        put(worker, &pool_of(worker)->vmos[below(worker, SLOTS)], copy);
    if (one_in(worker, 4) &&
        CALL(0, zx_vmo_replace_as_executable, some_vmo(worker), ZX_HANDLE_INVALID, &copy))
        put(worker, &pool_of(worker)->vmos[below(worker, SLOTS)], copy);
    zx_handle_t vmar = atomic_load(&pool_of(worker)->vmars[below(worker, SLOTS)]);
    if (one_in(worker, 2) ? CALL(0, zx_handle_duplicate, vmar, ZX_RIGHT_SAME_RIGHTS, &copy)
                          : CALL(0, zx_handle_replace, vmar, ZX_RIGHT_SAME_RIGHTS, &copy))
        put(worker, &pool_of(worker)->vmars[below(worker, SLOTS)], copy);
}

static void op_info(struct worker *worker)
{
    static const uint32_t topics[] = {ZX_INFO_HANDLE_VALID, ZX_INFO_HANDLE_BASIC, ZX_INFO_VMAR,
                                      ZX_INFO_TASK_STATS,   ZX_INFO_PROCESS_MAPS, ZX_INFO_KMEM_STATS,
                                      ZX_INFO_HANDLE_COUNT, ZX_INFO_VMO};
    _Alignas(16) char buffer[32 * sizeof(zx_info_maps_t)];
    size_t actual, avail, size = one_in(worker, 3) ? below(worker, sizeof(buffer)) : sizeof(buffer);
    uint32_t topic = topics[below(worker, 8)];

    if (CALL(S(ZX_ERR_BUFFER_TOO_SMALL) | S(ZX_ERR_BAD_STATE), zx_object_get_info, some_handle(worker), topic,
             buffer, size, &actual, &avail) &&
        actual > avail)
        fail(worker, "more records than there are", (int64_t)actual);
    if (zx_system_get_page_size() != PAGE || zx_system_get_physmem() != MEMORY)
        fail(worker, "zx_system", 0);
}

/* All that is in a process, which others change meanwhile: what is told is in order and fits in each other. */
static void op_maps(struct worker *worker)
{
    enum { RECORDS = 512 };
    zx_info_maps_t *maps = calloc(RECORDS, sizeof(*maps));
    size_t actual, avail, room = one_in(worker, 2) ? RECORDS : below(worker, 20);

    if (CALL(S(ZX_ERR_BAD_STATE), zx_object_get_info, some_process(worker), ZX_INFO_PROCESS_MAPS, maps,
             room * sizeof(*maps), &actual, &avail)) {
        if (actual > room || actual > avail || (actual < room && actual < avail))
            fail(worker, "records of a process that do not add up", (int64_t)actual);
        size_t space = 0; /* the record of the one that the following are in; a process may see two */
        for (size_t i = 1; i < actual; i++) {
            if (maps[i].type == ZX_INFO_MAPS_TYPE_ASPACE &&
                maps[i].base >= maps[space].base + maps[space].size)
                space = i;
            if (maps[i].base < maps[i - 1].base || maps[i].depth > maps[i - 1].depth + 1 ||
                maps[i].base - maps[space].base > maps[space].size - maps[i].size)
                fail(worker, "a record out of order", (int64_t)i);
        }
    }
    free(maps);
}

/* A name is all of one that somebody has set, never parts of two. */
static void op_name(struct worker *worker)
{
    char name[ZX_MAX_NAME_LEN];
    zx_handle_t handle = one_in(worker, 3) ? zx_job_default() : some_handle(worker);

    memset(name, 'a' + (int)below(worker, 26), sizeof(name));
    if (one_in(worker, 2))
        CALL(0, zx_object_set_property, handle, ZX_PROP_NAME, name, sizeof(name));
    if (!CALL(S(ZX_ERR_BUFFER_TOO_SMALL), zx_object_get_property, handle, ZX_PROP_NAME, name,
              sizeof(name) - (one_in(worker, 16) ? 1 : 0)))
        return;
    for (size_t i = 1; i < sizeof(name) - 1 && name[1] == name[0]; i++)
        if (name[i] != name[0])
            fail(worker, "a name of two", name[i]);
}

/* The memory of a process from outside. */
static void op_process_memory(struct worker *worker)
{
    char bytes[3 * 4096] = {3};
    size_t actual = 0, size = 1 + (one_in(worker, 2) ? below(worker, 64) : below(worker, sizeof(bytes)));
    zx_vaddr_t at = some_address(worker) + below(worker, PAGE);
    zx_handle_t process = some_process(worker);

    if (one_in(worker, 2)
            ? CALL(S(ZX_ERR_BAD_STATE), zx_process_read_memory, process, at, bytes, size, &actual)
            : CALL(S(ZX_ERR_BAD_STATE), zx_process_write_memory, process, at, bytes, size, &actual))
        if (actual == 0 || actual > size)
            fail(worker, "bytes of a process", (int64_t)actual);
}

static void op_system(struct worker *worker)
{
    uint64_t bytes[8] = {0};
    zx_ticks_t before = zx_ticks_get();

    zx_cprng_draw(bytes, sizeof(bytes));
    zx_cprng_draw(bytes, below(worker, sizeof(bytes)));
    if (zx_ticks_get() < before)
        fail(worker, "ticks go back", (int64_t)before);
    (void)zx_job_default(); /* a guest's is made the first time; there may be no memory */
}

/* Of its own, or one that shares its space; that of another process, where it can be. */
static bool make_process(struct worker *worker, zx_handle_t *process, zx_handle_t *root)
{
    zx_handle_t job = one_in(worker, 2) ? ZX_HANDLE_INVALID : zx_job_default();
    uint32_t options = one_in(worker, 3) ? ZX_PROCESS_SHARED : 0;

    if (one_in(worker, 2) && CALL(S(ZX_ERR_BAD_STATE), zx_process_create_shared, some_process(worker), 0,
                                  "guest", 5, process, root))
        return true;
    return CALL(0, zx_process_create, job, "guest", 5, options, process, root);
}

static void op_process(struct worker *worker)
{
    zx_handle_t process, root;

    if (!make_process(worker, &process, &root))
        return;
    put(worker, &pool_of(worker)->vmars[below(worker, SLOTS)], root);
    if (worker->context == 0)
        put(worker, &guests[below(worker, GUESTS)], process);
    else
        CALL(0, zx_handle_close, process);
}

static void op_access(struct worker *worker)
{
    static const uint32_t kinds[] = {ZVM_READ, ZVM_WRITE, ZVM_WRITE, ZVM_EXECUTE};
    char bytes[40] = {2};

    CALL(S(ZX_ERR_NOT_FOUND) | S(ZX_ERR_OUT_OF_RANGE), zvm_access, some_process(worker),
         some_address(worker) + below(worker, PAGE), bytes, 1 + below(worker, sizeof(bytes)),
         kinds[below(worker, 4)]);
}

/* Tables come and go beneath everyone. */
static void op_tables(struct worker *worker)
{
    struct vm_process *process;
    zx_vaddr_t va = some_address(worker);
    uint32_t flags = one_in(worker, 2) ? VM_PF_FLAG_WRITE : 0;

    if (one_in(worker, 8))
        vm_aspace_harvest_all_user_accessed_bits((enum vm_non_terminal_action)below(worker, 2),
                                                 (enum vm_terminal_action)below(worker, 2));
    if (one_in(worker, 64))
        vm_aspace_drop_all_user_page_tables();
    if (vm_process_from_handle(some_process(worker), &process) != ZX_OK)
        return;
    (void)vm_aspace_soft_fault_in_range(vm_process_aspace(process), va, flags,
                                        some_pages(worker, VMO_PAGES) * PAGE);
    (void)vm_aspace_accessed_fault(vm_process_aspace(process), va);
    vm_process_release(process);
}

/* Rare, since these take long or hit everyone. */
static void op_rare(struct worker *worker)
{
    struct zvm_stats stats;

    switch (below(worker, 8)) {
    case 0:
        CALL(0, zvm_dump, some_process(worker), worker->nowhere);
        break;
    case 1:
        CALL(0, zvm_svg, some_process(worker), worker->nowhere);
        break;
    case 2:
        zvm_fail_allocation(1 + below(worker, 8), false);
        break;
    case 3:
        zvm_fail_user_copy(1 + below(worker, 8));
        break;
    case 4:
        processor_move(below(worker, PROCESSORS_MAX));
        break;
    default:
        if (CALL(0, zvm_get_stats, &stats) && stats.pages_free > stats.pages_total)
            fail(worker, "zvm_get_stats", (int64_t)stats.pages_free);
        break;
    }
}

/* A thread's own word in a page that all write: read through any process, it is what was written last through any. */
static void op_coherence(struct worker *worker)
{
    unsigned page = below(worker, SHARED_PAGES), from = below(worker, thread_count),
             to = below(worker, thread_count);
    uint64_t offset = page * PAGE + worker->number * sizeof(uint64_t);
    uint64_t value = draw(worker), back = 0;

    if (one_in(worker, 2))
        CALL(0, zvm_access, homes[to], shared_at[to] + offset, &back, sizeof(back), ZVM_READ);
    if (one_in(worker, 8)
            ? CALL(0, zx_vmo_write, shared_vmo, &value, offset, sizeof(value))
            : CALL(0, zvm_access, homes[from], shared_at[from] + offset, &value, sizeof(value), ZVM_WRITE))
        worker->written[page] = value;
    if ((one_in(worker, 8)
             ? CALL(0, zx_vmo_read, shared_vmo, &back, offset, sizeof(back))
             : CALL(0, zvm_access, homes[to], shared_at[to] + offset, &back, sizeof(back), ZVM_READ)) &&
        back != worker->written[page])
        fail(worker, "a word of the shared VMO is not what was written; page", page);
}

/* Where a thread's two ticks are, in pages far from each other. */
static uint64_t tick_offset(unsigned thread, bool second)
{
    return (second ? (SHARED_PAGES - 1) * PAGE : 0) + PAGE / 2 + thread * sizeof(uint64_t);
}

static void op_tick(struct worker *worker)
{
    unsigned home = below(worker, thread_count);
    uint64_t value = worker->tick + 1;

    for (unsigned second = 0; second < 2; second++)
        if (!CALL(0, zvm_access, homes[home], shared_at[home] + tick_offset(worker->number, second), &value,
                  sizeof(value), ZVM_WRITE))
            return;
    worker->tick = value;
}

static void op_moment(struct worker *worker)
{
    zx_handle_t child;
    uint64_t ticks[2], again, own = 7;
    unsigned of = below(worker, thread_count), home = worker->number;
    uint64_t offsets[2] = {tick_offset(of, false), tick_offset(of, true)};
    zx_vaddr_t at;

    if (!CALL(0, zx_vmo_create_child, shared_vmo, ZX_VMO_CHILD_SNAPSHOT, 0, SHARED_PAGES * PAGE, &child))
        return;
    bool read = CALL(0, zx_vmo_read, child, &ticks[1], offsets[1], sizeof(ticks[1])) &&
                CALL(0, zx_vmo_read, child, &ticks[0], offsets[0], sizeof(ticks[0]));
    if (read && ticks[0] < ticks[1])
        fail(worker, "a snapshot shows the second of two words without the first, thread", of);
    if (CALL(S(ZX_ERR_NO_RESOURCES), zx_vmar_map, worker->home_root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0,
             child, 0, SHARED_PAGES * PAGE, &at)) {
        CALL(0, zvm_access, homes[home], at + offsets[1] - 8 * THREADS_MAX, &own, sizeof(own), ZVM_WRITE);
        if (read && CALL(0, zvm_access, homes[home], at + offsets[0], &again, sizeof(again), ZVM_READ) &&
            again != ticks[0])
            fail(worker, "a snapshot has changed, thread", of);
        CALL(0, zx_vmar_unmap, worker->home_root, at, SHARED_PAGES * PAGE);
    }
    CALL(0, zx_handle_close, child);
}

/* In the thread's own process nobody interferes. */
static void use_mapping(struct worker *worker, zx_handle_t vmar, zx_vaddr_t at, zx_handle_t vmo)
{
    zx_handle_t home = homes[worker->number];
    uint64_t value = draw(worker), back;

    if (!CALL(0, zvm_access, home, at + PAGE - 4, &value, sizeof(value), ZVM_WRITE))
        return;
    if (!CALL(0, zx_vmar_protect, vmar, ZX_VM_PERM_READ, at, PAGE))
        return;
    zx_status_t status = zvm_access(home, at, &value, 1, ZVM_WRITE);
    if (status != ZX_ERR_ACCESS_DENIED)
        fail(worker, "write to what is protected", status);
    if (CALL(0, zvm_access, home, at + PAGE - 4, &back, sizeof(back), ZVM_READ) && back != value)
        fail(worker, "another value in a private page", (int64_t)back);
    if (CALL(0, zx_vmo_read, vmo, &back, PAGE - 4, sizeof(back)) && back != value)
        fail(worker, "another value in a private VMO", (int64_t)back);
    status = zx_vmar_unmap(vmar, at, PAGE);
    if (status != ZX_OK)
        fail(worker, "unmapping half of a private mapping", status);
    if ((status = zvm_access(home, at, &value, 1, ZVM_READ)) != ZX_ERR_NOT_FOUND)
        fail(worker, "read of what is unmapped", status);
}

static void op_private(struct worker *worker)
{
    zx_handle_t vmo = ZX_HANDLE_INVALID, vmar = ZX_HANDLE_INVALID;
    zx_vaddr_t base, at;

    if (CALL(0, zx_vmo_create, 2 * PAGE, 0, &vmo) &&
        CALL(0, zx_vmar_allocate, worker->home_root, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE, 0, 8 * PAGE,
             &vmar, &base)) {
        if (CALL(0, zx_vmar_map, vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 2 * PAGE, &at))
            use_mapping(worker, vmar, at, vmo);
        zx_status_t status = zx_vmar_destroy(vmar);
        if (status != ZX_OK)
            fail(worker, "destroying a private VMAR", status);
    }
    CALL(0, zx_handle_close, vmar);
    CALL(0, zx_handle_close, vmo);
}

/* A process to which a handle leads is alive, whoever closes which other one. */
static void op_keep_alive(struct worker *worker)
{
    zx_handle_t copy;
    struct vm_process *process;

    if (worker->context != 0 || !CALL(0, zx_handle_duplicate, atomic_load(&guests[below(worker, GUESTS)]),
                                      ZX_RIGHT_SAME_RIGHTS, &copy))
        return;
    if (vm_process_from_handle(copy, &process) == ZX_OK) {
        sched_yield();
        if (vm_aspace_is_destroyed(vm_process_aspace(process)))
            fail(worker, "a process has died of whose handles one is left", (int64_t)copy);
        vm_process_release(process);
    } else {
        fail(worker, "a handle that nobody knows is gone", (int64_t)copy);
    }
    CALL(0, zx_handle_close, copy);
}

static void run_op(struct worker *worker);

/* Some operations on behalf of another process, which may be ended in the midst of them. */
static void op_guest(struct worker *worker)
{
    unsigned guest = below(worker, GUESTS), ops = 1 + below(worker, 16);
    struct vm_process *process;

    if (worker->context != 0 || vm_process_from_handle(atomic_load(&guests[guest]), &process) != ZX_OK)
        return;
    host_enter_process(process);
    worker->context = 1 + guest;
    for (; ops > 0; ops--)
        run_op(worker);
    worker->context = 0;
    host_enter_process(NULL);
    vm_process_release(process);
}

static const struct {
    void (*run)(struct worker *worker);
    unsigned weight;
    bool anywhere; /* for a guest too */
} operations[] = {
    {op_allocate, 6, true},       {op_map, 16, true},     {op_unmap, 6, true},
    {op_protect, 6, true},        {op_destroy, 2, true},  {op_vmo_create, 4, true},
    {op_vmo_bytes, 8, true},      {op_vmo_size, 5, true}, {op_vmar_range, 10, true},
    {op_vmo_range, 8, true},      {op_close, 3, true},    {op_copy_handle, 5, true},
    {op_info, 4, true},           {op_maps, 3, true},     {op_name, 3, true},
    {op_process_memory, 8, true}, {op_system, 1, true},   {op_process, 2, true},
    {op_access, 24, true},        {op_rare, 1, true},     {op_coherence, 12, false},
    {op_vmo_child, 6, true},      {op_pin, 2, true},      {op_tick, 6, false},
    {op_moment, 4, false},        {op_private, 2, false}, {op_keep_alive, 3, false},
    {op_guest, 3, false},         {op_tables, 6, true},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void run_op(struct worker *worker)
{
    unsigned total = 0, i = 0;

    for (unsigned j = 0; j < OPERATIONS; j++)
        total += operations[j].weight;
    for (unsigned drawn = below(worker, total); drawn >= operations[i].weight; i++)
        drawn -= operations[i].weight;
    if (worker->context == 0 || operations[i].anywhere)
        operations[i].run(worker);
}

/* ---- Quiet points ---- */

static void stand_still(struct worker *worker)
{
    pthread_barrier_wait(&barrier);
    if (worker->number == 0) {
        zvm_fail_allocation(0, false);
        zvm_fail_user_copy(0);
        if (zvm_check() != ZX_OK)
            fail(worker, "zvm_check", ZX_ERR_BAD_STATE);
        if (zx_vmo_op_range(shared_vmo, ZX_VMO_OP_DECOMMIT, 0, SHARED_PAGES * PAGE, NULL, 0) != ZX_OK)
            fail(worker, "decommitting the shared VMO", 0);
    }
    memset(worker->written, 0, sizeof(worker->written));
    worker->tick = 0;
    pthread_barrier_wait(&barrier);
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (unsigned round = 0; round < QUIET_POINTS; round++) {
        for (uint64_t i = 0; i < op_count / QUIET_POINTS && atomic_load(&failures) < 20; i++)
            run_op(worker);
        stand_still(worker);
    }
    atomic_fetch_add(&answered, worker->calls);
    atomic_fetch_add(&answered_ok, worker->ok);
    return NULL;
}

/* ---- Beginning and end ---- */

static bool prepare(struct worker *worker)
{
    unsigned i = worker->number;
    worker->random = first_seed * 1000003 + i;
    worker->nowhere = fopen("/dev/null", "w");
    return worker->nowhere != NULL &&
           zx_process_create(ZX_HANDLE_INVALID, "home", 4, 0, &homes[i], &worker->home_root) == ZX_OK &&
           zx_vmar_map(worker->home_root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, shared_vmo, 0,
                       SHARED_PAGES * PAGE, &shared_at[i]) == ZX_OK;
}

static bool run_threads(void)
{
    bool fine = zx_vmo_create(SHARED_PAGES * PAGE, 0, &shared_vmo) == ZX_OK;

    for (unsigned i = 0; i < thread_count && fine; i++) {
        workers[i].number = i;
        fine = prepare(&workers[i]);
    }
    if (!fine || pthread_barrier_init(&barrier, NULL, thread_count) != 0)
        return false;
    for (unsigned i = 0; i < thread_count; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(workers[i].thread, NULL);
        fclose(workers[i].nowhere);
    }
    pthread_barrier_destroy(&barrier);
    return true;
}

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        if (end == NULL || end == argv[i + 1] || *end != '\0')
            return false;
        if (strcmp(argv[i], "--threads") == 0 && value >= 1 && value <= THREADS_MAX)
            thread_count = (unsigned)value;
        else if (strcmp(argv[i], "--ops") == 0)
            op_count = value;
        else if (strcmp(argv[i], "--seed") == 0)
            first_seed = value;
        else if (strcmp(argv[i], "--perturb") == 0)
            perturb_one_in = (unsigned)value;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs("usage: stress_threads [--threads N] [--ops M] [--seed S] [--perturb K]\n", stderr);
        return 2;
    }
    const struct zvm_config config = {.memory_bytes = MEMORY, .seed = first_seed, .processors = 4};
    if (zvm_start(&config) != ZX_OK)
        return 1;
    host_perturb_schedule(first_seed, perturb_one_in);
    bool ran = run_threads();
    host_perturb_schedule(0, 0);
    bool clean = zvm_stop() == ZX_OK;
    printf("%u threads, %llu operations each, seed %llu: %llu calls, %llu of them OK; %s, %s\n", thread_count,
           (unsigned long long)op_count, (unsigned long long)first_seed,
           (unsigned long long)atomic_load(&answered), (unsigned long long)atomic_load(&answered_ok),
           ran && atomic_load(&failures) == 0 ? "sound" : "BROKEN", clean ? "nothing leaked" : "LEAKED");
    return ran && clean && atomic_load(&failures) == 0 ? 0 : 1;
}
