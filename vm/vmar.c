/* SPDX-License-Identifier: MIT */
/*
 * vmar.c: virtual memory address regions: dividing an address space.
 *
 * Concept. A VMAR is a contiguous part of an address space, divided into child VMARs, mappings and gaps that
 * never overlap. What a VMAR may map only narrows from parent to child; whoever holds a VMAR can do nothing
 * outside it.
 *
 * Structure. The children of a VMAR are in its region tree (region_tree.c), which also finds places. The root
 * VMAR belongs to the address space. The tree holds a reference to each child VMAR, every handle holds
 * another: a destroyed VMAR leaves the tree and lives on, dead, until its handles are gone. Mappings belong
 * to the tree alone.
 *
 * Memory priority belongs to VMARs; a mapping has that of the VMAR it is in. The space counts the VMARs of
 * high priority, so that whether it has any is known at once.
 *
 * Invariants. Alive means: in the tree, all ancestors alive. Dead means: no parent, no children. Never
 * between, since both change under the space's lock within one operation.
 *
 * Method. Every operation first checks everything, then reserves what it may need (objects, tree nodes), then
 * commits without any way to fail: "refused" and "unchanged" are the same thing, without undoing. Walks over
 * a subtree are iterative: depth is bounded by memory, never by the stack.
 *
 * Locking. One lock a space, aspace->lock, over all its trees. It is taken here; functions named …_locked
 * want it held.
 *
 * Cost. Allocate, map, unmap, protect: logarithmic in the number of children, plus the regions in the range.
 * Destroy: the regions of the subtree.
 */
#include "internal.h"
#include "region_walk.h"

static struct vm_region *region_of(const struct region_entry *entry)
{
    return entry->value;
}

/* ---- Making ---- */

static struct vm_vmar *vmar_create(struct vm_aspace *aspace, zx_vaddr_t base, size_t size, uint32_t flags)
{
    struct vm_vmar *vmar = slab_alloc(&vm_machine->vmar_cache);
    if (vmar == NULL)
        return NULL;
    vm_object_init(&vmar->object, ZX_OBJ_TYPE_VMAR);
    vm_aspace_acquire(aspace);
    vmar->region = (struct vm_region){
        .kind = VM_REGION_VMAR, .alive = true, .flags = flags, .base = base, .size = size, .aspace = aspace};
    region_tree_init(&vmar->children, base, base + size);
    return vmar;
}

struct vm_vmar *vmar_create_root(struct vm_aspace *aspace)
{
    /* An end of 2^64 has no representation: the last page of the kernel's space is never given out. */
    size_t size = aspace->base + aspace->size == 0 ? aspace->size - PAGE_SIZE : aspace->size;
    struct vm_vmar *root = vmar_create(aspace, aspace->base, size,
                                       ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE |
                                           ZX_VM_CAN_MAP_SPECIFIC);
    if (root != NULL)
        root->is_root = true;
    return root;
}

void vm_vmar_release(struct vm_vmar *vmar)
{
    vm_object_release(&vmar->object);
}

zx_status_t vm_vmar_from_handle(zx_handle_t handle, struct vm_vmar **out)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMAR, 0, &object, NULL);
    if (status == ZX_OK)
        *out = container_of(object, struct vm_vmar, object);
    return status;
}

void vmar_free(struct vm_vmar *vmar)
{
    VM_ASSERT_REGION(!vmar->region.alive && vmar->children.count == 0, &vmar->region);
    struct vm_aspace *aspace = vmar->region.aspace;
    slab_free(&vm_machine->vmar_cache, vmar);
    vm_aspace_release(aspace);
}

/* ---- Finding a place ---- */

static uint8_t align_of(uint32_t options)
{
    uint8_t align_log2 = (uint8_t)(options >> ZX_VM_ALIGN_BASE);
    return align_log2 < PAGE_SHIFT ? PAGE_SHIFT : align_log2;
}

static bool is_specific(uint32_t options)
{
    return (options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)) != 0;
}

/* The checks of the placement options against the VMAR, in the order of zx_vmar_allocate from "placement
   options" to "out of bounds". */
static zx_status_t check_placement(const struct vm_vmar *vmar, uint32_t options, size_t offset, size_t size)
{
    bool specific = is_specific(options), limited = (options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0;
    size_t room = vmar->region.size;
    if ((specific && limited) || (!specific && !limited && offset != 0) || !is_page_aligned(offset))
        return ZX_ERR_INVALID_ARGS;
    if ((specific || limited) && (vmar->region.flags & ZX_VM_CAN_MAP_SPECIFIC) == 0)
        return ZX_ERR_ACCESS_DENIED;
    if (limited)
        return offset > room || size > offset ? ZX_ERR_INVALID_ARGS : ZX_OK;
    return offset >= room || size > room - offset ? ZX_ERR_INVALID_ARGS : ZX_OK;
}

/* Chooses where `size` bytes go; the options have passed check_placement. Under SPECIFIC_OVERWRITE the place
   may be occupied. INVALID_ARGS unaligned, ALREADY_EXISTS occupied, NO_RESOURCES no place. */
static zx_status_t choose_place_locked(struct vm_vmar *vmar, uint32_t options, size_t offset, size_t size,
                                       zx_vaddr_t *out)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    zx_vaddr_t base = vmar->region.base;
    uint8_t align_log2 = align_of(options);
    if (is_specific(options)) {
        *out = base + offset;
        if ((*out & ((1ull << align_log2) - 1)) != 0)
            return ZX_ERR_INVALID_ARGS;
        if ((options & ZX_VM_SPECIFIC_OVERWRITE) == 0 &&
            !region_tree_is_free(&vmar->children, *out, *out + size))
            return ZX_ERR_ALREADY_EXISTS;
        return ZX_OK;
    }
    bool limited = (options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0;
    /* Only spaces without random places begin at 0. */
    struct region_request request = {.size = size,
                                     .align_log2 = align_log2,
                                     .limit = limited ? base + offset : region_end(&vmar->region),
                                     .nonzero = true};
    uint8_t entropy = vm_aspace_entropy(aspace, vmar->compact);
    if (entropy == 0)
        return region_tree_place_lowest(&vmar->children, &request, out);
    return region_tree_place_random(&vmar->children, &request, entropy, &aspace->prng, out);
}

/* ---- Memory priority ---- */

static void set_high_priority(struct vm_vmar *vmar, bool high)
{
    if (vmar->high_priority == high)
        return;
    vmar->high_priority = high;
    if (high)
        vmar->region.aspace->high_vmars++;
    else
        vmar->region.aspace->high_vmars--;
}

zx_status_t vm_vmar_set_memory_priority(struct vm_vmar *vmar, enum vm_memory_priority priority)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    bool high = priority == VM_MEMORY_PRIORITY_HIGH;
    zx_status_t status = ZX_ERR_BAD_STATE;
    port_mutex_lock(&aspace->lock);
    if (vmar->region.alive) {
        struct region_walk walk;
        struct vm_region *region;
        set_high_priority(vmar, high);
        region_walk_start(&walk, vmar);
        while ((region = region_walk_next(&walk)) != NULL)
            if (region->kind == VM_REGION_VMAR)
                set_high_priority(vmar_of(region), high);
        status = ZX_OK;
    }
    port_mutex_unlock(&aspace->lock);
    return status;
}

/* ---- Allocating ---- */

#define CAN_MAP_PERMS (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)

static zx_status_t allocate_locked(struct vm_vmar *parent, uint32_t options, size_t offset, size_t size,
                                   struct vm_vmar **out)
{
    zx_vaddr_t base;
    if (!parent->region.alive)
        return ZX_ERR_BAD_STATE;
    if (size == 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & CAN_MAP_PERMS & ~parent->region.flags) != 0)
        return ZX_ERR_ACCESS_DENIED;
    zx_status_t status = check_placement(parent, options, offset, size);
    if (status == ZX_OK)
        status = choose_place_locked(parent, options, offset, size, &base);
    if (status != ZX_OK)
        return status;

    struct region_reserve reserve = {0};
    if (region_reserve(&reserve, &parent->children, base, 1) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    struct vm_vmar *child =
        vmar_create(parent->region.aspace, base, size, options & (CAN_MAP_PERMS | ZX_VM_CAN_MAP_SPECIFIC));
    if (child == NULL) {
        region_reserve_release(&reserve);
        return ZX_ERR_NO_MEMORY;
    }
    if (out == NULL) {
        region_reserve_release(&reserve);
        child->region.alive = false;
        vm_object_release(&child->object);
        return ZX_OK;
    }
    child->compact = (options & ZX_VM_COMPACT) != 0;
    set_high_priority(child, parent->high_priority);
    child->region.parent = parent;
    vm_object_acquire(&child->object);
    region_tree_insert(&parent->children, &reserve, base, base + size, &child->region);
    region_reserve_release(&reserve);
    *out = child;
    return ZX_OK;
}

zx_status_t vmar_allocate(struct vm_vmar *parent, uint32_t options, size_t offset, size_t size,
                          struct vm_vmar **out)
{
    struct vm_aspace *aspace = parent->region.aspace;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = allocate_locked(parent, options, offset, size, out);
    port_mutex_unlock(&aspace->lock);
    return status;
}

/* ---- Removing a range: unmap, and the first half of overwriting ---- */

/* What taking [base, end) out of a VMAR touches, checked and reserved. */
struct removal {
    struct vm_vmar *vmar;
    zx_vaddr_t base, end;
    struct mapping_cut cut; /* of a mapping that reaches beyond both ends; there is one at the most */
};

/* INVALID_ARGS where a child VMAR is partly in the range, or any is and `vmars` says no. */
static zx_status_t removal_check_locked(const struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end,
                                        bool vmars)
{
    struct region_entry entry;
    for (zx_vaddr_t va = base; region_tree_find_from(&vmar->children, va, &entry) && entry.base < end;
         va = entry.end)
        if (region_of(&entry)->kind == VM_REGION_VMAR && (!vmars || entry.base < base || entry.end > end))
            return ZX_ERR_INVALID_ARGS;
    return ZX_OK;
}

/* The check has passed. NO_MEMORY. */
static zx_status_t removal_prepare_locked(struct removal *removal, struct vm_vmar *vmar, zx_vaddr_t base,
                                          zx_vaddr_t end)
{
    struct region_entry entry;
    *removal = (struct removal){.vmar = vmar, .base = base, .end = end};
    if (region_tree_find(&vmar->children, base, &entry) && region_of(&entry)->kind == VM_REGION_MAPPING)
        return mapping_cut_prepare(&removal->cut, mapping_of(region_of(&entry)), base, end - base);
    return ZX_OK;
}

/* `reserve` covers one insertion where removal->cut.tail is set. Cannot fail. */
static void removal_commit_locked(struct removal *removal, struct region_reserve *reserve)
{
    struct region_entry entry;
    for (zx_vaddr_t va = removal->base;
         region_tree_find_from(&removal->vmar->children, va, &entry) && entry.base < removal->end;
         va = entry.end) {
        struct vm_region *region = region_of(&entry);
        if (region->kind == VM_REGION_VMAR)
            vmar_destroy_tree_locked(vmar_of(region));
        else
            mapping_cut_commit(&removal->cut, mapping_of(region), removal->base, removal->end - removal->base,
                               reserve);
    }
    mapping_cut_release(&removal->cut);
}

/* When all is in its place: what the cuts left may go together with its neighbours. */
static void removal_end_locked(const struct removal *removal)
{
    if (removal->cut.made_uniform)
        mapping_merge_beside(removal->vmar, removal->base, removal->end);
}

/* ---- Mapping ---- */

/* One permission has three names: asked for with PERM_*, allowed by CAN_MAP_*, in force as ARCH_MMU_*. */
#define PERM_TO_CAN_MAP_SHIFT 7
_Static_assert(ZX_VM_PERM_READ << PERM_TO_CAN_MAP_SHIFT == ZX_VM_CAN_MAP_READ &&
                   ZX_VM_PERM_WRITE << PERM_TO_CAN_MAP_SHIFT == ZX_VM_CAN_MAP_WRITE &&
                   ZX_VM_PERM_EXECUTE << PERM_TO_CAN_MAP_SHIFT == ZX_VM_CAN_MAP_EXECUTE,
               "CAN_MAP_* are PERM_* shifted");
_Static_assert(ZX_VM_PERM_READ == ARCH_MMU_READ && ZX_VM_PERM_WRITE == ARCH_MMU_WRITE &&
                   ZX_VM_PERM_EXECUTE == ARCH_MMU_EXECUTE,
               "PERM_* are ARCH_MMU_*");

struct map_request {
    uint32_t options;
    zx_vaddr_t base;
    size_t size;
    struct vm_vmo *vmo;
    uint64_t vmo_offset;
    uint32_t may;
};

static bool is_overwriting(const struct map_request *request)
{
    return (request->options & ZX_VM_SPECIFIC_OVERWRITE) != 0;
}

/* The refusals that come when the place is known, but for memory. */
static zx_status_t check_map_locked(const struct vm_vmar *vmar, const struct map_request *request)
{
    const struct vm_aspace *aspace = vmar->region.aspace;
    zx_vaddr_t base = request->base;
    zx_status_t status = ZX_OK;
    if (is_overwriting(request))
        status = removal_check_locked(vmar, base, base + request->size, false);
    if (status == ZX_OK && is_overwriting(request) && vdso_intersects_locked(aspace, base, request->size))
        status = ZX_ERR_ACCESS_DENIED;
    return status == ZX_OK ? vdso_check_map_locked(aspace, request->vmo, request->vmo_offset, request->size,
                                                   request->options & ARCH_MMU_PERMS)
                           : status;
}

/* Puts the mapping in its place. NO_MEMORY, only with VMAR_MAP_ALL: nothing done. */
static zx_status_t place_mapping_locked(struct vm_mapping *mapping, struct vm_vmar *vmar,
                                        const struct map_request *request, struct region_reserve *reserve)
{
    zx_vaddr_t base = request->base;
    uint32_t perms = request->options & ARCH_MMU_PERMS;
    uint32_t may = vdso_may(request->vmo, perms, request->may & vmar->region.flags);
    if ((request->options & VMAR_MAP_ALL) != 0) {
        zx_status_t status = mapping_insert_entered(mapping, vmar, reserve, base, request->size,
                                                    request->vmo_offset, perms, may);
        if (status != ZX_OK)
            return status;
    } else {
        mapping_insert(mapping, vmar, reserve, base, request->size, request->vmo_offset, perms, may);
    }
    if ((request->options & ZX_VM_MAP_RANGE) != 0)
        mapping_map_present(mapping, base, base + request->size);
    vdso_mapped_locked(mapping);
    mapping->pending = ++vmar->region.aspace->next_pending;
    return ZX_OK;
}

/* Everything is checked but for memory. */
static zx_status_t finish_map_locked(struct vm_vmar *vmar, const struct map_request *request,
                                     struct vm_mapped *out)
{
    struct removal removal = {0};
    struct region_reserve reserve = {0};
    struct vm_mapping *mapping = NULL;
    zx_vaddr_t base = request->base;
    zx_status_t status = ZX_OK;
    if (is_overwriting(request))
        status = removal_prepare_locked(&removal, vmar, base, base + request->size);
    if (status == ZX_OK)
        status = region_reserve(&reserve, &vmar->children, base, removal.cut.tail != NULL ? 2 : 1);
    if (status == ZX_OK)
        status = mapping_create(request->vmo, &mapping);
    if (status == ZX_OK && out != NULL) {
        if (is_overwriting(request))
            removal_commit_locked(&removal, &reserve);
        status = place_mapping_locked(mapping, vmar, request, &reserve);
        if (is_overwriting(request))
            removal_end_locked(&removal);
    }
    if (mapping != NULL && (out == NULL || status != ZX_OK))
        mapping_abandon(mapping);
    else if (status == ZX_OK)
        *out = (struct vm_mapped){base, request->size, mapping->pending};
    mapping_cut_release(&removal.cut);
    region_reserve_release(&reserve);
    return status;
}

static zx_status_t map_locked(struct vm_vmar *vmar, size_t offset, struct map_request *request,
                              struct vm_mapped *out)
{
    if (!vmar->region.alive)
        return ZX_ERR_BAD_STATE;
    if (request->size == 0)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = check_placement(vmar, request->options, offset, request->size);
    if (status == ZX_OK)
        status = choose_place_locked(vmar, request->options, offset, request->size, &request->base);
    if (status == ZX_OK)
        status = check_map_locked(vmar, request);
    return status == ZX_OK ? finish_map_locked(vmar, request, out) : status;
}

zx_status_t vmar_map(struct vm_vmar *vmar, uint32_t options, size_t offset, struct vm_vmo *vmo,
                     uint64_t vmo_offset, size_t len, uint32_t may, struct vm_mapped *out)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    uint32_t needed = (options & ARCH_MMU_PERMS) << PERM_TO_CAN_MAP_SHIFT;
    if ((needed & ~vmar->region.flags) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if (!is_page_aligned(vmo_offset))
        return ZX_ERR_INVALID_ARGS;
    size_t size = round_up_page(len);
    uint64_t offset_in_target = vmo->window + vmo_offset;
    if ((size == 0 && len != 0) || offset_in_target < vmo_offset ||
        offset_in_target + size < offset_in_target)
        return ZX_ERR_OUT_OF_RANGE;
    struct map_request request = {
        .options = options, .size = size, .vmo = vmo, .vmo_offset = offset_in_target, .may = may};
    port_mutex_lock(&aspace->lock);
    zx_status_t status = map_locked(vmar, offset, &request, out);
    port_mutex_unlock(&aspace->lock);
    return status;
}

void vmar_map_end(struct vm_vmar *vmar, const struct vm_mapped *mapped, bool keep)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    zx_vaddr_t end = mapped->base + mapped->size;
    struct region_entry entry;
    port_mutex_lock(&aspace->lock);
    for (zx_vaddr_t va = mapped->base; region_tree_find_from(&vmar->children, va, &entry) && entry.base < end;
         va = entry.end) {
        struct vm_region *region = region_of(&entry);
        if (region->kind != VM_REGION_MAPPING || mapping_of(region)->pending != mapped->pending)
            continue;
        if (keep) {
            mapping_of(region)->pending = 0;
            mapping_merge(vmar, entry.base);
            mapping_merge(vmar, entry.end);
        } else {
            mapping_destroy(mapping_of(region));
        }
    }
    port_mutex_unlock(&aspace->lock);
}

/* ---- Unmapping ---- */

static zx_status_t unmap_locked(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, bool op_children)
{
    if (!vmar->region.alive)
        return ZX_ERR_BAD_STATE;
    if (!region_holds(&vmar->region, base, size))
        return ZX_ERR_INVALID_ARGS;
    if (vdso_intersects_locked(vmar->region.aspace, base, size))
        return ZX_ERR_ACCESS_DENIED;
    struct removal removal = {0};
    struct region_reserve reserve = {0};
    zx_status_t status = removal_check_locked(vmar, base, base + size, op_children);
    if (status == ZX_OK)
        status = removal_prepare_locked(&removal, vmar, base, base + size);
    if (status == ZX_OK && removal.cut.tail != NULL)
        status = region_reserve(&reserve, &vmar->children, base + size, 1);
    if (status == ZX_OK) {
        removal_commit_locked(&removal, &reserve);
        removal_end_locked(&removal);
    }
    mapping_cut_release(&removal.cut);
    region_reserve_release(&reserve);
    return status;
}

zx_status_t vmar_unmap(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, bool op_children)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = unmap_locked(vmar, base, size, op_children);
    port_mutex_unlock(&aspace->lock);
    return status;
}

/* ---- Protecting ---- */

zx_status_t mapping_walk_next(struct mapping_walk *walk, struct vm_mapping **mapping, zx_vaddr_t *base,
                              zx_vaddr_t *end)
{
    struct region_entry entry;
    for (;;) {
        if (walk->va >= walk->end)
            return ZX_ERR_STOP;
        if (walk->va >= region_end(&walk->at->region)) {
            walk->at = walk->at->region.parent;
            continue;
        }
        if (!region_tree_find(&walk->at->children, walk->va, &entry))
            return ZX_ERR_NOT_FOUND;
        if (region_of(&entry)->kind == VM_REGION_MAPPING)
            break;
        walk->at = vmar_of(region_of(&entry));
    }
    *mapping = mapping_of(region_of(&entry));
    *base = walk->va;
    *end = entry.end < walk->end ? entry.end : walk->end;
    walk->va = *end;
    return ZX_OK;
}

/* Whether some part of [base, end) has less than `perms`. */
static bool would_gain(const struct vm_mapping *mapping, zx_vaddr_t base, zx_vaddr_t end, uint32_t perms)
{
    zx_vaddr_t part_base, part_end;
    for (zx_vaddr_t va = base; va < end; va = part_end)
        if ((perms & ~protection_range(mapping, va, &part_base, &part_end)) != 0)
            return true;
    return false;
}

static zx_status_t check_protect(const struct vm_vmar *vmar, const struct vm_mapping *mapping,
                                 zx_vaddr_t base, zx_vaddr_t end, uint32_t perms, bool op_children)
{
    if (((perms << PERM_TO_CAN_MAP_SHIFT) & ~mapping->region.flags) != 0 ||
        mapping == mapping->region.aspace->vdso_code)
        return ZX_ERR_ACCESS_DENIED;
    if (mapping->region.parent == vmar)
        return ZX_OK;
    if (!op_children)
        return ZX_ERR_INVALID_ARGS;
    return would_gain(mapping, base, end, perms) ? ZX_ERR_ACCESS_DENIED : ZX_OK;
}

/* Takes from the translations of [base, end) what `perms` no longer allows. What it newly allows is given by
   faults; so is write permission wherever anything was taken, since a page may stand for the zero page. */
static void narrow_translations(struct vm_mapping *mapping, zx_vaddr_t base, zx_vaddr_t end, uint32_t perms)
{
    struct page_table *table = &mapping->region.aspace->table;
    zx_vaddr_t part_base, part_end;
    for (zx_vaddr_t va = base; va < end; va = part_end) {
        uint32_t old = protection_range(mapping, va, &part_base, &part_end);
        if (part_end > end)
            part_end = end;
        uint32_t kept = old & perms & ~ARCH_MMU_WRITE;
        if ((old & ~perms) == 0)
            continue;
        if ((kept & ARCH_MMU_READ) == 0)
            page_table_unmap(table, va, part_end - va);
        else
            page_table_protect(table, va, part_end - va, mapping_mmu_flags(mapping, kept));
    }
}

/* Only the first and the last mapping of a range can be in it partly: those two need memory. */
struct protect_reserve {
    struct region_reserve edges[2];
    unsigned used;
};

static zx_status_t protect_check_locked(struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end, uint32_t perms,
                                        bool op_children, struct protect_reserve *reserve)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping, *first = NULL, *last = NULL;
    zx_vaddr_t part_base, part_end, first_end = 0, last_base = 0;
    zx_status_t status;
    while ((status = mapping_walk_next(&walk, &mapping, &part_base, &part_end)) == ZX_OK) {
        status = check_protect(vmar, mapping, part_base, part_end, perms, op_children);
        if (status != ZX_OK)
            return status;
        if (first == NULL) {
            first = mapping;
            first_end = part_end;
        }
        last = mapping;
        last_base = part_base;
    }
    if (status != ZX_ERR_STOP)
        return status;
    status = protection_reserve(&reserve->edges[0], first, base, first_end);
    if (status == ZX_OK && last != first)
        status = protection_reserve(&reserve->edges[1], last, last_base, end);
    return status;
}

static void protect_commit_locked(struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end, uint32_t perms,
                                  struct protect_reserve *reserve)
{
    struct mapping_walk walk = {.at = vmar, .va = base, .end = end};
    struct vm_mapping *mapping;
    zx_vaddr_t part_base, part_end;
    while (mapping_walk_next(&walk, &mapping, &part_base, &part_end) == ZX_OK) {
        port_mutex_lock(&mapping->vmo->lock);
        narrow_translations(mapping, part_base, part_end, perms);
        protection_set(mapping, &reserve->edges[part_base == base ? 0 : 1], part_base, part_end, perms);
        port_mutex_unlock(&mapping->vmo->lock);
        struct vm_vmar *parent = mapping->region.parent;
        zx_vaddr_t mapping_base = mapping->region.base, mapping_end = region_end(&mapping->region);
        mapping_merge(parent, mapping_base);
        if (part_end == end)
            mapping_merge(parent, mapping_end);
    }
}

static zx_status_t protect_locked(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, uint32_t perms,
                                  bool op_children)
{
    if (!vmar->region.alive)
        return ZX_ERR_BAD_STATE;
    if (!region_holds(&vmar->region, base, size))
        return ZX_ERR_INVALID_ARGS;
    struct protect_reserve reserve = {0};
    zx_status_t status = protect_check_locked(vmar, base, base + size, perms, op_children, &reserve);
    if (status == ZX_OK)
        protect_commit_locked(vmar, base, base + size, perms, &reserve);
    region_reserve_release(&reserve.edges[0]);
    region_reserve_release(&reserve.edges[1]);
    return status;
}

zx_status_t vmar_protect(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, uint32_t perms, bool op_children)
{
    struct vm_aspace *aspace = vmar->region.aspace;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = protect_locked(vmar, base, size, perms, op_children);
    port_mutex_unlock(&aspace->lock);
    return status;
}

/* ---- Destroying ---- */

/* Takes a VMAR that is out of its parent's tree already to death: its children are put on the list, or gone. */
static void kill_locked(struct vm_vmar *vmar, struct vm_vmar **doomed)
{
    struct region_entry entry;
    set_high_priority(vmar, false);
    for (zx_vaddr_t va = vmar->region.base; region_tree_find_from(&vmar->children, va, &entry);
         va = entry.end) {
        struct vm_region *region = region_of(&entry);
        if (region->kind == VM_REGION_MAPPING) {
            mapping_detach(mapping_of(region));
            continue;
        }
        vmar_of(region)->next_doomed = *doomed;
        *doomed = vmar_of(region);
    }
    region_tree_clear(&vmar->children);
    vmar->region.alive = false;
    vmar->region.parent = NULL;
    vm_object_release(&vmar->object);
}

void vmar_destroy_tree_locked(struct vm_vmar *vmar)
{
    struct vm_region *region = &vmar->region;
    VM_ASSERT_REGION(region->alive && port_mutex_is_held(&region->aspace->lock), region);
    page_table_unmap(&region->aspace->table, region->base, region->size);
    if (region->parent != NULL)
        region_tree_remove(&region->parent->children, region->base);
    struct vm_vmar *doomed = vmar;
    vmar->next_doomed = NULL;
    while (doomed != NULL) {
        struct vm_vmar *next = doomed;
        doomed = next->next_doomed;
        kill_locked(next, &doomed);
    }
}

zx_status_t vmar_destroy(struct vm_vmar *vmar)
{
    if (vmar->is_root)
        return ZX_ERR_NOT_SUPPORTED;
    struct vm_aspace *aspace = vmar->region.aspace;
    port_mutex_lock(&aspace->lock);
    zx_status_t status = ZX_ERR_BAD_STATE;
    if (vmar->region.alive && vdso_intersects_locked(aspace, vmar->region.base, vmar->region.size)) {
        status = ZX_ERR_ACCESS_DENIED;
    } else if (vmar->region.alive) {
        vmar_destroy_tree_locked(vmar);
        status = ZX_OK;
    }
    port_mutex_unlock(&aspace->lock);
    return status;
}
