/* SPDX-License-Identifier: MIT */
/*
 * process_memory.c: reading and writing the memory of a process from outside.
 *
 * Concept. An address leads to a mapping, the mapping to a place in its VMO, and there the bytes are
 * copied: neither page tables nor permissions take part. A byte that no mapping shows, or that lies past
 * the end of its VMO, is not mapped; for a writer neither is one of a vDSO, which is everybody's. Where the process sees two spaces as one, the address says which it is,
 * and a copy ends where they meet.
 *
 * Method. How far memory reaches without a break is found first. Before the first byte is written, the
 * caller's buffer is probed and every page of the range is made, all or none. Only what other threads do
 * meanwhile can end a copy halfway: then it is short.
 *
 * Locking. The aspace's lock and, within, the VMO's, for each chunk; none while bytes are copied from or
 * to the caller.
 *
 * Cost. Of each mapping, one search per level of VMARs; of each chunk of at most VM_COPY_CHUNK bytes, one
 * comparison, for the mapping that was found last is tried first (aspace_mapping_at_locked).
 */
#include "internal.h"

/* Whether bytes can be copied from the mapping's VMO, or to it where `write`. */
static bool has_memory(const struct vm_mapping *mapping, bool write)
{
    return mapping->vmo->kind != VMO_PHYSICAL && !(write && vdso_is(mapping->vmo));
}

/* How many of the `size` bytes from va on are mapped. */
static size_t extent_locked(struct vm_vmar *root, zx_vaddr_t va, size_t size, bool write)
{
    zx_vaddr_t root_end = root->region.base + root->region.size;
    if (va < root->region.base || va >= root_end)
        return 0;
    struct mapping_walk walk = {.at = root, .va = va, .end = size < root_end - va ? va + size : root_end};
    struct vm_mapping *mapping;
    zx_vaddr_t base, end;
    while (mapping_walk_next(&walk, &mapping, &base, &end) == ZX_OK) {
        uint64_t offset = mapping->vmo_offset + (base - mapping->region.base);
        uint64_t vmo_end = mapping_vmo_end(mapping);
        if (offset >= vmo_end || !has_memory(mapping, write))
            return base - va;
        if (end - base > vmo_end - offset)
            return base - va + (vmo_end - offset);
    }
    return walk.va - va;
}

/* Copies bytes of one page; to the process where `write`. False where va is not mapped. */
static bool copy_chunk_locked(struct vm_aspace *aspace, zx_vaddr_t va, char *bytes, size_t size, bool write)
{
    VM_ASSERT(region_holds(&aspace->root->region, va, size)); /* as find_extent saw, and roots do not move */
    struct vm_mapping *mapping = aspace_mapping_at_locked(aspace, va);
    if (mapping == NULL)
        return false;
    struct vm_vmo *vmo = mapping->vmo;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    if (offset >= mapping->vmo_limit || !has_memory(mapping, write))
        return false;
    port_mutex_lock(&vmo->lock);
    zx_status_t status =
        write ? vmo_poke_locked(vmo, offset, bytes, size) : vmo_peek_locked(vmo, offset, bytes, size);
    port_mutex_unlock(&vmo->lock);
    return status == ZX_OK;
}

static bool copy_chunk(struct vm_process *process, zx_vaddr_t va, char *bytes, size_t size, bool write)
{
    struct vm_aspace *aspace = aspace_at(process->aspace, va);
    if (aspace == NULL)
        return false;
    port_mutex_lock(&aspace->lock);
    bool copied = aspace->root != NULL && copy_chunk_locked(aspace, va, bytes, size, write);
    port_mutex_unlock(&aspace->lock);
    return copied;
}

/* How many bytes of the range are mapped, at least one; with `commit`, they have pages then. BAD_STATE,
   NO_MEMORY. */
static zx_status_t find_extent(struct vm_process *process, zx_vaddr_t va, size_t size, bool write,
                               bool commit, size_t *extent)
{
    struct vm_aspace *aspace = aspace_at(process->aspace, va);
    zx_status_t status = ZX_ERR_BAD_STATE;
    if (aspace == NULL || vm_process_is_dead(process))
        return status;
    port_mutex_lock(&aspace->lock);
    if (aspace->root != NULL) {
        *extent = extent_locked(aspace->root, va, size, write);
        status = *extent == 0 ? ZX_ERR_NO_MEMORY : ZX_OK;
        if (status == ZX_OK && commit)
            status = mappings_commit_locked(aspace->root, va, va + *extent);
    }
    port_mutex_unlock(&aspace->lock);
    return status;
}

zx_status_t process_read_memory(struct vm_process *process, zx_vaddr_t va, void *user_to, size_t size,
                                size_t *actual)
{
    uintptr_t to = (uintptr_t)user_to;
    char bytes[VM_COPY_CHUNK];
    zx_status_t status = find_extent(process, va, size, false, false, &size);
    if (status != ZX_OK)
        return status;
    size_t done = 0, step;
    for (; done < size; done += step) {
        step = vm_copy_step(va + done, size - done);
        if (!copy_chunk(process, va + done, bytes, step, false))
            break;
        if (port_copy_to_user((void *)(to + done), bytes, step) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
    }
    *actual = done;
    return done == 0 ? ZX_ERR_NO_MEMORY : ZX_OK;
}

zx_status_t process_write_memory(struct vm_process *process, zx_vaddr_t va, const void *user_from,
                                 size_t size, size_t *actual)
{
    uintptr_t from = (uintptr_t)user_from;
    char bytes[VM_COPY_CHUNK];
    zx_status_t status = find_extent(process, va, size, true, false, &size);
    if (status == ZX_OK)
        status = user_probe(user_from, size);
    if (status == ZX_OK)
        status = find_extent(process, va, size, true, true, &size);
    if (status != ZX_OK)
        return status;
    size_t done = 0, step;
    for (; done < size; done += step) {
        step = vm_copy_step(va + done, size - done);
        if (port_copy_from_user(bytes, (const void *)(from + done), step) != ZX_OK)
            return ZX_ERR_INVALID_ARGS;
        if (!copy_chunk(process, va + done, bytes, step, true))
            break;
    }
    *actual = done;
    return done == 0 ? ZX_ERR_NO_MEMORY : ZX_OK;
}
