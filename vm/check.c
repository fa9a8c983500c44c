/* SPDX-License-Identifier: MIT */
/*
 * check.c: every invariant of the core, as code.
 *
 * Concept. What the other files promise in words is recounted here from nothing but the structures themselves, and each
 * difference is one line of the report: what is broken, and where. The same code judges after a test, after each operation of a
 * fuzzer, from the kernel's shell and in a debugger.
 *
 * Structure. One pass over the regions of each space (in order of address, up again by parent pointers, so depth costs nothing);
 * beside it, one pass over the space's translations, in the same order, so that the mapping and the protection range of each
 * translation are found by stepping on, not by searching; one pass over all objects. What is reached is counted, and
 * the counts must equal what the caches have given out: then nothing was reached twice, nothing is out that cannot be reached, and
 * nothing that can be reached is dead.
 *
 * Rights. That a translation never gives more than every VMAR above allows is shown link by link: translation within protection range,
 * range within the mapping's flags (which also hold what the VMO's handle gave), mapping within its VMAR, VMAR within its parent.
 *
 * Locking. None is taken: the machine is quiet. Only the pmm, the caches and the page tables lock for themselves.
 *
 * Cost. O(pages + objects + translations), with a logarithm of the siblings for each region. Nothing is allocated.
 */
#include "internal.h"
#include "region_walk.h"

#define CAN_MAP_PERMS (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define CAN_MAP_SHIFT 7 /* from ARCH_MMU_* to ZX_VM_CAN_MAP_* */

struct checker {
    struct vm_sink *report;
    bool sound;
    uint64_t vmars, mappings; /* alive, reached from roots */
    uint64_t tree_bytes;      /* of their trees */
    uint64_t table_pages;
    uint64_t vmos, processes, all_vmars; /* on the list of objects */
    uint64_t listed_mappings;            /* on the lists of VMOs */
    uint64_t object_pages;
};

static void broken(struct checker *checker, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void broken(struct checker *checker, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vm_print(checker->report, "check: ");
    vm_vprint(checker->report, format, args);
    vm_print(checker->report, "\n");
    va_end(args);
    checker->sound = false;
}

/* Says which region is broken, and how. */
static void broken_region(struct checker *checker, const struct vm_region *region, const char *how)
{
    broken(checker, "%s [0x%llx, 0x%llx) of '%s': %s", region->kind == VM_REGION_VMAR ? "vmar" : "mapping",
           (unsigned long long)region->base, (unsigned long long)(region->base + region->size),
           region->aspace->name, how);
}

/* ---- Regions ---- */

/* What holds for VMARs and mappings alike, against the place that the parent's tree gives them. */
static void check_place(struct checker *checker, const struct vm_region *region, const struct vm_vmar *parent,
                        const struct region_entry *entry)
{
    if (!region->alive)
        broken_region(checker, region, "dead, but in the tree");
    if (region->parent != parent)
        broken_region(checker, region, "its parent is not the VMAR that holds it");
    if (region->aspace != parent->region.aspace)
        broken_region(checker, region, "of another space than its parent");
    if (entry->base != region->base || entry->end != region->base + region->size)
        broken(checker, "region [0x%llx, 0x%llx) of '%s': its tree has it at [0x%llx, 0x%llx)",
               (unsigned long long)region->base, (unsigned long long)(region->base + region->size),
               parent->region.aspace->name, (unsigned long long)entry->base, (unsigned long long)entry->end);
    if (!is_page_aligned(region->base) || !is_page_aligned(region->size))
        broken_region(checker, region, "not page-aligned");
    if (region->size == 0 || region->base == 0)
        broken_region(checker, region, "empty, or at address 0");
    if (entry->base < parent->region.base || entry->end > parent->region.base + parent->region.size)
        broken_region(checker, region, "not within its parent");
    if ((region->flags & CAN_MAP_PERMS & ~parent->region.flags) != 0)
        broken(checker, "region at 0x%llx of '%s': may map 0x%x, its parent only 0x%x",
               (unsigned long long)region->base, region->aspace->name, region->flags, parent->region.flags);
}

static void check_vmar(struct checker *checker, const struct vm_vmar *vmar)
{
    const struct vm_region *region = &vmar->region;
    const struct region_tree *tree = &vmar->children;

    checker->vmars++;
    checker->tree_bytes += region_tree_bytes(tree);
    if ((region->flags & ~(CAN_MAP_PERMS | ZX_VM_CAN_MAP_SPECIFIC)) != 0)
        broken_region(checker, region, "unknown flags");
    if (vmar->object.type != ZX_OBJ_TYPE_VMAR || !list_is_linked(&vmar->object.node))
        broken_region(checker, region, "not a listed VMAR object");
    if (tree->base != region->base || tree->end != region->base + region->size)
        broken_region(checker, region, "its tree of children spans something else");
    if (!region_tree_check(tree, checker->report))
        broken_region(checker, region, "its tree of children is broken");
}

static bool are_perms_legal(uint32_t perms)
{
    return (perms & ~ARCH_MMU_PERMS) == 0 && (perms == 0 || (perms & ARCH_MMU_READ) != 0);
}

/* The permissions of all parts: legal, within what the mapping may have; the parts tile it. */
static void check_protections(struct checker *checker, const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;
    const struct region_tree *tree = &mapping->protections;
    struct region_entry entry;
    zx_vaddr_t va = region->base, end = region->base + region->size;

    checker->tree_bytes += region_tree_bytes(tree);
    if (tree->count != 0 && !region_tree_check(tree, checker->report))
        broken_region(checker, region, "its tree of protection ranges is broken");
    for (uint64_t i = 0; i < (tree->count == 0 ? 1 : tree->count); i++) {
        entry = (struct region_entry){.base = va, .end = end, .value = (void *)(uintptr_t)mapping->perms};
        if (tree->count != 0 && (!region_tree_find_from(tree, va, &entry) || entry.base != va))
            break;
        uint32_t perms = (uint32_t)(uintptr_t)entry.value;
        if (!are_perms_legal(perms) || ((perms << CAN_MAP_SHIFT) & ~region->flags) != 0)
            broken(checker, "mapping at 0x%llx of '%s': permissions 0x%x of [0x%llx, 0x%llx) exceed its flags 0x%x",
                   (unsigned long long)region->base, region->aspace->name, perms,
                   (unsigned long long)entry.base, (unsigned long long)entry.end, region->flags);
        va = entry.end;
    }
    if (va != end)
        broken_region(checker, region, "its protection ranges do not tile it");
}

static void check_mapping(struct checker *checker, const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;

    checker->mappings++;
    if ((region->flags & ~CAN_MAP_PERMS) != 0)
        broken_region(checker, region, "unknown flags");
    if (mapping->vmo == NULL || !list_is_linked(&mapping->vmo_node)) {
        broken_region(checker, region, "not on the list of a VMO");
        return;
    }
    if (mapping->vmo->object.type != ZX_OBJ_TYPE_VMO || atomic_load(&mapping->vmo->object.refs) == 0)
        broken_region(checker, region, "its VMO is none, or dead");
    if (!is_page_aligned(mapping->vmo_offset) || mapping->vmo_offset + region->size < mapping->vmo_offset)
        broken_region(checker, region, "its offset in the VMO is unaligned, or wraps");
    check_protections(checker, mapping);
}

static void check_root(struct checker *checker, const struct vm_aspace *aspace)
{
    const struct vm_region *region = &aspace->root->region;

    if (!region->alive || !aspace->root->is_root || region->parent != NULL || region->aspace != aspace)
        broken_region(checker, region, "not an alive root of its space");
    if (region->base != aspace->base || region->size > aspace->size ||
        aspace->size - region->size > PAGE_SIZE)
        broken_region(checker, region, "does not span its space");
    check_vmar(checker, aspace->root);
}

/* Every region below the root. False: so broken that walking it again would lead astray. */
static bool check_regions(struct checker *checker, const struct vm_aspace *aspace)
{
    uint64_t most = vm_machine->vmar_cache.objects + vm_machine->mapping_cache.objects;
    const struct vm_mapping *last_fault = aspace->last_fault;
    struct region_walk walk;
    bool was_sound = checker->sound;

    checker->sound = true;
    check_root(checker, aspace);
    region_walk_start(&walk, aspace->root);
    for (;;) {
        const struct vm_vmar *parent = walk.at;
        const struct vm_region *region = region_walk_next(&walk);
        if (region == NULL)
            break;
        if (region->kind == VM_REGION_VMAR) {
            check_vmar(checker, container_of(region, struct vm_vmar, region));
        } else {
            check_mapping(checker, container_of(region, struct vm_mapping, region));
            if (last_fault != NULL && region == &last_fault->region)
                last_fault = NULL;
        }
        /* The walk left VMARs without more children, in which case the parent is another. */
        parent = region->kind == VM_REGION_VMAR || walk.at != parent ? region->parent : parent;
        if (parent == NULL || most-- == 0) {
            broken_region(checker, region, parent == NULL ? "no parent" : "the tree does not end");
            return false;
        }
        check_place(checker, region, parent, &walk.entry);
    }
    if (last_fault != NULL)
        broken(checker, "space '%s': the mapping of the last fault is not in it", aspace->name);
    bool sound = checker->sound;
    checker->sound = sound && was_sound;
    return sound;
}
