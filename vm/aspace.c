/* SPDX-License-Identifier: MIT */
/*
 * aspace.c: address spaces: a root VMAR, the page tables that show it to a processor, a source of random
 * places.
 *
 * Lifetime. The process holds a reference, so does every VMAR (dead ones too). Destroying takes the root VMAR
 * and everything below it down and frees the tables; the object itself stays until the last reference, and
 * answers everything as an empty space does.
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

zx_status_t vm_aspace_init(struct vm_aspace *aspace, enum vm_aspace_type type, const char *name)
{
    bool user = type == VM_ASPACE_USER;
    port_mutex_init(&aspace->lock, PORT_LOCK_ASPACE);
    atomic_init(&aspace->refs, 1);
    aspace->type = type;
    aspace->base = user ? VM_USER_ASPACE_BASE : VM_KERNEL_ASPACE_BASE;
    aspace->size = user ? VM_USER_ASPACE_SIZE : VM_KERNEL_ASPACE_SIZE;
    copy_name(aspace->name, name);
    aspace->root = vmar_create_root(aspace);
    if (aspace->root == NULL)
        return ZX_ERR_NO_MEMORY;
    zx_status_t status = page_table_init(&aspace->table, aspace->base, aspace->root->region.size, user);
    if (status != ZX_OK) {
        struct vm_vmar *root = aspace->root;
        aspace->root = NULL;
        root->region.alive = false;
        vm_object_release(&root->object);
        return status;
    }
    seed(aspace);
    port_mutex_lock(&vm_machine->lock);
    list_add_tail(&vm_machine->aspaces, &aspace->node);
    port_mutex_unlock(&vm_machine->lock);
    return ZX_OK;
}

struct vm_aspace *vm_aspace_create(enum vm_aspace_type type, const char *name)
{
    struct vm_aspace *aspace = slab_alloc(&vm_machine->aspace_cache);
    if (aspace == NULL)
        return NULL;
    if (vm_aspace_init(aspace, type, name) != ZX_OK) {
        slab_free(&vm_machine->aspace_cache, aspace);
        return NULL;
    }
    return aspace;
}

void vm_aspace_destroy(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    struct vm_vmar *root = aspace->root;
    aspace->root = NULL;
    aspace->destroyed = true;
    if (root != NULL) {
        vmar_destroy_tree_locked(root);
        page_table_destroy(&aspace->table);
    }
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
    if (aspace != vm_machine->kernel_aspace)
        slab_free(&vm_machine->aspace_cache, aspace);
}

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

bool vm_aspace_is_high_memory_priority(struct vm_aspace *aspace)
{
    port_mutex_lock(&aspace->lock);
    bool high = !aspace->destroyed && (aspace->high_vmars != 0 || aspace->always_need);
    port_mutex_unlock(&aspace->lock);
    return high;
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
