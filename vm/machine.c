/* SPDX-License-Identifier: MIT */
/*
 * machine.c: one instance of the core, from the memory it is given to the proof that it gave all of it back.
 *
 * Concept. All state hangs off struct vm_machine, which lies in wired pages of the first arena, behind the
 * page structures: no heap and no static storage is needed to start one. One machine is selected at a time
 * (`vm_machine`); a booted kernel has its own and starts another for each trace that it replays.
 *
 * Start. Physical memory first, then the caches, then the two things that stay for the machine's life: the
 * zero page, and the kernel's address space, whose storage is part of the machine.
 *
 * Stop. Processes are killed, spaces destroyed, and what belongs to the machine itself goes last. Then
 * nothing may be left: no object, no handle, no space, no page but wired and free ones. What is left was
 * leaked by someone, and the report names it.
 *
 * Locking. Start, stop and select are for one thread alone. Statistics take each lock in turn: the sums are
 * exact when the machine is quiet.
 *
 * Cost. Start: the page structures. Stop: what is there. Statistics: spaces and regions.
 */
#include <vm/mem.h>

#include "internal.h"

struct vm_machine *vm_machine;

#define ENTROPY_DEFAULT         30
#define ENTROPY_COMPACT_DEFAULT 8
#define ENTROPY_MAX             36

/* Of the machine's own random numbers; spaces and processes count theirs from 0. */
#define MACHINE_STREAM UINT64_MAX

/* ---- Start ---- */

static void configure(struct vm_machine *machine, const struct vm_machine_config *config)
{
    machine->config = *config;
    machine->config.memory = NULL;
    machine->config.memory_count = 0;
    if (config->entropy_bits == 0)
        machine->config.entropy_bits = ENTROPY_DEFAULT;
    if (config->compact_entropy_bits == 0)
        machine->config.compact_entropy_bits = ENTROPY_COMPACT_DEFAULT;
    VM_ASSERT(machine->config.entropy_bits <= ENTROPY_MAX);
    VM_ASSERT(machine->config.compact_entropy_bits <= ENTROPY_MAX);
}

static void start_caches(struct vm_machine *machine)
{
    region_tree_start();
    page_list_start();
    slab_cache_init(&machine->vmar_cache, "vmar", sizeof(struct vm_vmar));
    slab_cache_init(&machine->mapping_cache, "mapping", sizeof(struct vm_mapping));
    slab_cache_init(&machine->vmo_cache, "vmo", sizeof(struct vm_vmo));
    slab_cache_init(&machine->aspace_cache, "aspace", sizeof(struct vm_aspace));
    slab_cache_init(&machine->process_cache, "process", sizeof(struct vm_process));
    slab_cache_init(&machine->handle_cache, "handle", sizeof(struct vm_handle));
    slab_cache_init(&machine->thread_cache, "thread", sizeof(struct vm_thread));
}

/* What stays for the machine's life. */
static bool start_residents(struct vm_machine *machine)
{
    machine->zero_page = pmm_alloc_page(VM_PAGE_ZERO);
    if (machine->zero_page == NULL)
        return false;
    memset(pmm_page_bytes(machine->zero_page), 0, PAGE_SIZE);
    machine->kernel_aspace = &machine->kernel_aspace_storage;
    return vm_aspace_init(machine->kernel_aspace, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE,
                          VM_ASPACE_KERNEL, "kernel", VM_ASPACE_SHARE_NONE) == ZX_OK;
}

/* Part of the machine, with a number of its own; the machine's reference goes in tear_down. */
static void start_job(struct vm_job *job)
{
    static const char name[] = "root";
    job->object = (struct vm_object){.koid = VM_JOB_KOID, .type = ZX_OBJ_TYPE_JOB};
    atomic_init(&job->object.refs, 1);
    memcpy(job->name, name, sizeof(name));
    list_add_tail(&vm_machine->objects, &job->object.node);
}

struct vm_machine *vm_machine_start(const struct vm_machine_config *config)
{
    VM_ASSERT(config->memory_count >= 1 && config->memory_count <= PMM_ARENAS_MAX);
    struct vm_machine *machine = pmm_carve(&config->memory[0], sizeof(*machine));
    if (machine == NULL)
        return NULL;
    struct vm_machine *before = vm_machine_select(machine);
    pmm_start(&machine->pmm, config->memory, config->memory_count, sizeof(*machine));
    configure(machine, config);
    page_queue_start(&machine->page_queue);
    port_mutex_init(&machine->lock, PORT_LOCK_MACHINE);
    port_mutex_init(&machine->handle_lock, PORT_LOCK_HANDLES);
    list_init(&machine->aspaces);
    list_init(&machine->objects);
    machine->next_koid = ZX_KOID_FIRST;
    page_list_init(&machine->handles);
    prng_seed(&machine->prng, machine->config.seed, MACHINE_STREAM);
    start_job(&machine->job);
    start_caches(machine);
    if (start_residents(machine))
        return machine;
    vm_machine_select(before);
    return NULL;
}

struct vm_machine *vm_machine_current(void)
{
    return vm_machine;
}

struct vm_machine *vm_machine_select(struct vm_machine *machine)
{
    struct vm_machine *before = vm_machine;
    vm_machine = machine;
    return before;
}

/* ---- Stop ---- */

/* Some process that is alive; null when there is none. */
static struct vm_process *find_alive(void)
{
    list_for_each(node, &vm_machine->objects)
    {
        struct vm_object *object = container_of(node, struct vm_object, node);
        struct vm_process *process = container_of(object, struct vm_process, object);
        if (object->type == ZX_OBJ_TYPE_PROCESS && !process->dead)
            return process;
    }
    return NULL;
}

static void tear_down(void)
{
    struct vm_process *process;
    while ((process = find_alive()) != NULL)
        vm_process_kill(process);
    /* what shows others goes before them */
    list_for_each(node, &vm_machine->aspaces)
    {
        struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        if (aspace_is_unified(aspace))
            vm_aspace_destroy(aspace);
    }
    list_for_each(node, &vm_machine->aspaces) vm_aspace_destroy(container_of(node, struct vm_aspace, node));
    vm_aspace_release(vm_machine->kernel_aspace);
    vm_object_release(&vm_machine->job.object);
    pmm_free_page(vm_machine->zero_page);
    vm_machine->zero_page = NULL;
}

static const char *type_name(zx_obj_type_t type)
{
    switch (type) {
    case ZX_OBJ_TYPE_PROCESS:
        return "process";
    case ZX_OBJ_TYPE_THREAD:
        return "thread";
    case ZX_OBJ_TYPE_VMO:
        return "vmo";
    case ZX_OBJ_TYPE_VMAR:
        return "vmar";
    case ZX_OBJ_TYPE_JOB:
        return "job";
    default:
        return "object of unknown type";
    }
}

static bool nothing_listed(struct vm_sink *report)
{
    list_for_each(node, &vm_machine->objects)
    {
        const struct vm_object *object = container_of(node, struct vm_object, node);
        vm_print(report, "leaked: %s %llu, %u references, %u handles\n", type_name(object->type),
                 (unsigned long long)object->koid, atomic_load(&object->refs), object->handles);
    }
    list_for_each(node, &vm_machine->aspaces)
    {
        const struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        vm_print(report, "leaked: address space '%s', %u references\n", aspace->name,
                 atomic_load(&aspace->refs));
    }
    if (vm_machine->handles.count != 0)
        vm_print(report, "leaked: %llu handles\n", (unsigned long long)vm_machine->handles.count);
    return list_is_empty(&vm_machine->objects) && list_is_empty(&vm_machine->aspaces) &&
           vm_machine->handles.count == 0;
}

#define CACHE_COUNT 10

static struct slab_cache *cache_at(unsigned index)
{
    struct slab_cache *const caches[CACHE_COUNT] = {
        &vm_machine->region_leaf_cache, &vm_machine->region_inner_cache, &vm_machine->page_list_cache,
        &vm_machine->vmar_cache,        &vm_machine->mapping_cache,      &vm_machine->vmo_cache,
        &vm_machine->aspace_cache,      &vm_machine->process_cache,      &vm_machine->handle_cache,
        &vm_machine->thread_cache};
    return caches[index];
}

static bool nothing_allocated(struct vm_sink *report)
{
    bool fine = true;
    for (unsigned i = 0; i < CACHE_COUNT; i++) {
        const struct slab_cache *cache = cache_at(i);
        if (cache->objects == 0)
            continue;
        vm_print(report, "leaked: %llu objects of cache %s\n", (unsigned long long)cache->objects,
                 cache->name);
        fine = false;
    }
    static const char *const names[VM_PAGE_STATE_COUNT] = {"FREE",   "ALLOC", "WIRED", "HEAP",
                                                           "OBJECT", "MMU",   "ZERO"};
    for (unsigned state = 0; state < VM_PAGE_STATE_COUNT; state++) {
        uint64_t count = pmm_count(state);
        if (state == VM_PAGE_FREE || state == VM_PAGE_WIRED || count == 0)
            continue;
        vm_print(report, "leaked: %llu pages in state %s\n", (unsigned long long)count, names[state]);
        fine = false;
    }
    return fine;
}

zx_status_t vm_machine_stop(struct vm_sink *report)
{
    tear_down();
    bool fine = nothing_listed(report);
    fine &= nothing_allocated(report);
    fine &= pmm_check(report);
    vm_machine_select(NULL);
    return fine ? ZX_OK : ZX_ERR_BAD_STATE;
}

/* ---- Statistics ---- */

/* Every region below the root, in order of address and without recursion: depth is bounded by memory alone. */
static void count_regions(struct vm_aspace *aspace, struct vm_stats *stats)
{
    port_mutex_lock(&aspace->lock);
    struct vm_vmar *at = aspace->root;
    zx_vaddr_t va = aspace->base;
    if (at != NULL)
        stats->regions++;
    while (at != NULL) {
        struct region_entry entry;
        if (!region_tree_find_from(&at->children, va, &entry)) {
            va = at->region.base + at->region.size;
            at = at->region.parent;
            continue;
        }
        struct vm_region *region = entry.value;
        stats->regions++;
        va = entry.end;
        if (region->kind == VM_REGION_MAPPING) {
            stats->mappings++;
        } else {
            at = vmar_of(region);
            va = entry.base;
        }
    }
    port_mutex_unlock(&aspace->lock);
}

/* The first space from `node` on that is not about to vanish, referenced. */
static struct vm_aspace *acquire_from_locked(struct list_node *node)
{
    for (; node != &vm_machine->aspaces; node = node->next) {
        struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        unsigned refs = atomic_load_explicit(&aspace->refs, memory_order_relaxed);
        while (refs != 0)
            if (atomic_compare_exchange_weak_explicit(&aspace->refs, &refs, refs + 1, memory_order_acquire,
                                                      memory_order_relaxed))
                return aspace;
    }
    return NULL;
}

struct vm_aspace *machine_next_aspace(struct vm_aspace *before)
{
    port_mutex_lock(&vm_machine->lock);
    struct vm_aspace *next =
        acquire_from_locked(before != NULL ? before->node.next : vm_machine->aspaces.next);
    port_mutex_unlock(&vm_machine->lock);
    if (before != NULL)
        vm_aspace_release(before);
    return next;
}

static uint64_t cache_objects(struct slab_cache *cache)
{
    port_mutex_lock(&cache->lock);
    uint64_t objects = cache->objects;
    port_mutex_unlock(&cache->lock);
    return objects;
}

uint64_t machine_heap_bytes(void)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < CACHE_COUNT; i++)
        bytes += cache_objects(cache_at(i)) * cache_at(i)->object_size;
    return bytes;
}

void vm_machine_stats(struct vm_stats *out)
{
    *out = (struct vm_stats){.page_tables = pmm_count(VM_PAGE_MMU),
                             .pages_free = pmm_count(VM_PAGE_FREE),
                             .pages_total = pmm_total(),
                             .heap_bytes = machine_heap_bytes(),
                             .vmos = cache_objects(&vm_machine->vmo_cache),
                             .processes = cache_objects(&vm_machine->process_cache)};
    port_mutex_lock(&vm_machine->handle_lock);
    out->handles = vm_machine->handles.count;
    port_mutex_unlock(&vm_machine->handle_lock);
    for (struct vm_aspace *aspace = machine_next_aspace(NULL); aspace != NULL;
         aspace = machine_next_aspace(aspace))
        count_regions(aspace, out);
}
