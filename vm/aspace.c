/* SPDX-License-Identifier: MIT */
/*
 * aspace.c: address spaces: a root VMAR, the page tables that show it to a processor, a source of random
 * places.
 *
 * Sharing. A shared space is seen by many processes at once, each of which has a restricted space of its own
 * beside it. What a process sees as one is a unified space: a top-level page table that shows both
 * (page_table_unified.c), and nothing else. It has neither regions nor random numbers; whatever asks about an
 * address asks the part that holds it (aspace_at). The two touch no common entry of the top level.
 *
 * Lifetime. The process holds a reference, so does every VMAR (dead ones too), so does a unified space to
 * both of its parts. Destroying takes the root VMAR and everything below it down and frees the tables; the
 * object itself stays until the last reference, and answers everything as an empty space does. A unified
 * space is destroyed before its parts.
 *
 * Randomness. Each space has a ChaCha20 stream of its own, from the machine's seed and the number of the
 * space: a run can be repeated, and two spaces share no placement.
 */
#include <vm/mem.h>

#include "internal.h"

static void copy_name(char to[ZX_MAX_NAME_LEN], const char *name)
{
    size_t length = 0;
    if (name == NULL)
        name = "unnamed";
    for (; length < ZX_MAX_NAME_LEN - 1 && name[length] != '\0'; length++)
        to[length] = name[length];
    memset(to + length, 0, ZX_MAX_NAME_LEN - length);
}

static void seed(struct vm_aspace *aspace)
{
    const struct vm_machine_config *config = &vm_machine->config;
    aspace->seed = config->seed;
    aspace->aslr = aspace->type == VM_ASPACE_USER && !config->aslr_off;
    aspace->entropy_bits = config->entropy_bits;
    aspace->compact_entropy_bits = config->compact_entropy_bits;
    port_mutex_lock(&vm_machine->lock);
    uint64_t stream = vm_machine->next_stream++;
    port_mutex_unlock(&vm_machine->lock);
    prng_seed(&aspace->prng, aspace->seed, stream);
}

/* ---- Making ---- */

/* What all spaces have; root and tables are still to come. */
static void start(struct vm_aspace *aspace, enum vm_aspace_type type, const char *name)
{
    port_mutex_init(&aspace->lock, PORT_LOCK_ASPACE);
    atomic_init(&aspace->refs, 1);
    aspace->type = type;
    copy_name(aspace->name, name);
}

static void publish(struct vm_aspace *aspace)
{
    port_mutex_lock(&vm_machine->lock);
    list_add_tail(&vm_machine->aspaces, &aspace->node);
    port_mutex_unlock(&vm_machine->lock);
}

zx_status_t vm_aspace_init(struct vm_aspace *aspace, zx_vaddr_t base, size_t size, enum vm_aspace_type type,
                           const char *name, enum vm_aspace_share_opt share_opt)
{
    start(aspace, type, name);
    aspace->base = base;
    aspace->size = size;
    aspace->share_opt = share_opt;
    aspace->root = vmar_create_root(aspace);
    if (aspace->root == NULL)
        return ZX_ERR_NO_MEMORY;
    zx_status_t status =
        type == VM_ASPACE_GUEST_PHYSICAL
            ? page_table_init_guest(&aspace->table, base, aspace->root->region.size)
            : page_table_init(&aspace->table, base, aspace->root->region.size, type == VM_ASPACE_USER);
    if (status == ZX_OK && share_opt == VM_ASPACE_SHARE_SHARED) {
        status = page_table_fix(&aspace->table);
        if (status != ZX_OK)
            page_table_destroy(&aspace->table);
    }
    if (status != ZX_OK) {
        struct vm_vmar *root = aspace->root;
        aspace->root = NULL;
        root->region.alive = false;
        vm_object_release(&root->object);
        return status;
    }
    seed(aspace);
    publish(aspace);
    return ZX_OK;
}

static void type_range(enum vm_aspace_type type, zx_vaddr_t *base, size_t *size)
{
    switch (type) {
    case VM_ASPACE_USER:
        *base = VM_USER_ASPACE_BASE;
        *size = VM_USER_ASPACE_SIZE;
        return;
    case VM_ASPACE_KERNEL:
        *base = VM_KERNEL_ASPACE_BASE;
        *size = VM_KERNEL_ASPACE_SIZE;
        return;
    case VM_ASPACE_LOW_KERNEL:
        *base = 0;
        *size = VM_USER_ASPACE_TOP;
        return;
    case VM_ASPACE_GUEST_PHYSICAL:
        *base = 0;
        *size = VM_GUEST_ASPACE_SIZE;
        return;
    }
    VM_ASSERT(!"a type of address space");
}

struct vm_aspace *vm_aspace_create_range(zx_vaddr_t base, size_t size, enum vm_aspace_type type,
                                         const char *name, enum vm_aspace_share_opt share_opt)
{
    zx_vaddr_t type_base;
    size_t type_size;
    VM_ASSERT(type == VM_ASPACE_USER || share_opt == VM_ASPACE_SHARE_NONE);
    type_range(type, &type_base, &type_size);
    if (size == 0 || !is_page_aligned(base) || !is_page_aligned(size) || base < type_base ||
        base - type_base >= type_size || size > type_size - (base - type_base))
        return NULL;
    if (base == -(zx_vaddr_t)PAGE_SIZE)
        return NULL; /* the page that no root gives out (vmar_create_root): nothing would be left */
    struct vm_aspace *aspace = slab_alloc(&vm_machine->aspace_cache);
    if (aspace == NULL)
        return NULL;
    if (vm_aspace_init(aspace, base, size, type, name, share_opt) != ZX_OK) {
        slab_free(&vm_machine->aspace_cache, aspace);
        return NULL;
    }
    return aspace;
}

struct vm_aspace *vm_aspace_create(enum vm_aspace_type type, const char *name)
{
    zx_vaddr_t base;
    size_t size;
    type_range(type, &base, &size);
    return vm_aspace_create_range(base, size, type, name, VM_ASPACE_SHARE_NONE);
}

/* ---- Unified spaces ---- */

/* What an entry of a top-level table spans. */
#define TOP_ENTRY_SHIFT 39

static bool meet(const struct vm_aspace *below, const struct vm_aspace *above)
{
    zx_vaddr_t last = below->base + (below->size - 1);
    return last >> TOP_ENTRY_SHIFT >= above->base >> TOP_ENTRY_SHIFT;
}

struct vm_aspace *vm_aspace_create_unified(struct vm_aspace *shared, struct vm_aspace *restricted,
                                           const char *name)
{
    bool shared_above = shared->base > restricted->base;
    struct vm_aspace *below = shared_above ? restricted : shared, *above = shared_above ? shared : restricted;
    if (shared->share_opt != VM_ASPACE_SHARE_SHARED || restricted->share_opt != VM_ASPACE_SHARE_RESTRICTED ||
        meet(below, above))
        return NULL;
    struct vm_aspace *aspace = slab_alloc(&vm_machine->aspace_cache);
    if (aspace == NULL)
        return NULL;
    start(aspace, VM_ASPACE_USER, name);
    if (page_table_init_unified(&aspace->table, &shared->table, &restricted->table) != ZX_OK) {
        slab_free(&vm_machine->aspace_cache, aspace);
        return NULL;
    }
    vm_aspace_acquire(below);
    vm_aspace_acquire(above);
    aspace->parts[0] = below;
    aspace->parts[1] = above;
    publish(aspace);
    return aspace;
}

struct vm_aspace *aspace_at(struct vm_aspace *aspace, zx_vaddr_t va)
{
    if (!aspace_is_unified(aspace))
        return aspace;
    if (vm_aspace_table_root(aspace) == 0)
        return NULL;
    return aspace->parts[va >= aspace->parts[1]->base ? 1 : 0];
}

struct vm_aspace *aspace_part(struct vm_aspace *aspace, unsigned index)
{
    VM_ASSERT(index < aspace_part_count(aspace));
    if (!aspace_is_unified(aspace))
        return aspace;
    return vm_aspace_table_root(aspace) != 0 ? aspace->parts[index] : NULL;
}

/* ---- Ranges set aside ---- */

zx_status_t vm_aspace_set_aside(zx_vaddr_t base, size_t size)
{
    struct vm_aspace *aspace = vm_machine->kernel_aspace;
    const struct vm_region *root = &aspace->root->region;
    struct vm_vmar *vmar;

    if (size == 0 || !is_page_aligned(base) || !is_page_aligned(size) || !region_holds(root, base, size))
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vmar_allocate(aspace->root, ZX_VM_SPECIFIC, base - root->base, size, &vmar);
    if (status != ZX_OK)
        return status;
    vmar->set_aside = true;
    vm_object_release(&vmar->object); /* its place in the tree keeps it */
    return ZX_OK;
}

bool aspace_is_set_aside(struct vm_aspace *aspace, zx_vaddr_t base, size_t size)
{
    struct region_entry entry;

    port_mutex_lock(&aspace->lock);
    bool found = region_tree_find(&aspace->root->children, base, &entry);
    struct vm_region *region = found ? entry.value : NULL;
    bool set_aside = found && region->kind == VM_REGION_VMAR && vmar_of(region)->set_aside &&
                     region_holds(region, base, size);
    port_mutex_unlock(&aspace->lock);
    return set_aside;
}

/* ---- Ending ---- */

void vm_aspace_destroy(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    struct vm_vmar *root = aspace->root;
    if (root != NULL)
        VM_ASSERT_REGION(!page_table_is_shown(&aspace->table), &root->region); /* unified spaces go first */
    aspace->root = NULL;
    aspace->destroyed = true;
    if (root != NULL)
        vmar_destroy_tree_locked(root);
    page_table_destroy(&aspace->table);
    port_mutex_unlock(&aspace->lock);
}

void vm_aspace_acquire(struct vm_aspace *aspace)
{
    atomic_fetch_add_explicit(&aspace->refs, 1, memory_order_relaxed);
}

void vm_aspace_release(struct vm_aspace *aspace)
{
    unsigned before = atomic_fetch_sub_explicit(&aspace->refs, 1, memory_order_acq_rel);
    VM_ASSERT(before != 0);
    if (before != 1)
        return;
    VM_ASSERT(aspace->destroyed);
    port_mutex_lock(&vm_machine->lock);
    list_remove(&aspace->node);
    port_mutex_unlock(&vm_machine->lock);
    struct vm_aspace *parts[2] = {aspace->parts[0], aspace->parts[1]};
    if (aspace != vm_machine->kernel_aspace)
        slab_free(&vm_machine->aspace_cache, aspace);
    for (unsigned i = 0; i < 2; i++)
        if (parts[i] != NULL)
            vm_aspace_release(parts[i]);
}

/* ---- Looking ---- */

struct vm_aspace *vm_aspace_kernel(void)
{
    return vm_machine->kernel_aspace;
}

zx_vaddr_t vm_aspace_base(const struct vm_aspace *aspace)
{
    return aspace->base;
}

size_t vm_aspace_size(const struct vm_aspace *aspace)
{
    return aspace->size;
}

bool vm_aspace_is_user(const struct vm_aspace *aspace)
{
    return aspace->type == VM_ASPACE_USER;
}

bool vm_aspace_is_aslr_enabled(const struct vm_aspace *aspace)
{
    return aspace->aslr;
}

bool vm_aspace_is_destroyed(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    bool destroyed = aspace->destroyed;
    port_mutex_unlock(&aspace->lock);
    return destroyed;
}

void vm_aspace_name(struct vm_aspace *aspace, char name[static 32])
{
    port_mutex_lock(&aspace->lock);
    memcpy(name, aspace->name, ZX_MAX_NAME_LEN);
    port_mutex_unlock(&aspace->lock);
}

void vm_aspace_rename(struct vm_aspace *aspace, const char *name)
{
    port_mutex_lock(&aspace->lock);
    copy_name(aspace->name, name);
    port_mutex_unlock(&aspace->lock);
}

struct vm_vmar *vm_aspace_root_vmar(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    struct vm_vmar *root = aspace->root;
    if (root != NULL)
        vm_object_acquire(&root->object);
    port_mutex_unlock(&aspace->lock);
    return root;
}

bool aspace_is_high_locked(const struct vm_aspace *aspace)
{
    return !aspace->destroyed && (aspace->high_vmars != 0 || aspace->always_need);
}

static bool is_high(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    bool high = aspace_is_high_locked(aspace);
    port_mutex_unlock(&aspace->lock);
    return high;
}

bool vm_aspace_is_high_memory_priority(struct vm_aspace *aspace)
{
    if (!aspace_is_unified(aspace))
        return is_high(aspace);
    return !vm_aspace_is_destroyed(aspace) && (is_high(aspace->parts[0]) || is_high(aspace->parts[1]));
}

zx_paddr_t vm_aspace_table_root(struct vm_aspace *aspace)
{
    return __atomic_load_n(&aspace->table.root, __ATOMIC_ACQUIRE);
}

struct page_table *vm_aspace_page_table(struct vm_aspace *aspace)
{
    return &aspace->table;
}

uint8_t vm_aspace_entropy(const struct vm_aspace *aspace, bool compact)
{
    if (!aspace->aslr)
        return 0;
    return compact ? aspace->compact_entropy_bits : aspace->entropy_bits;
}
