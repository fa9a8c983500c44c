/* SPDX-License-Identifier: MIT */
/*
 * check.c: every invariant of the core, as code.
 *
 * Concept. What the other files promise in words is recounted here from nothing but the structures
 * themselves, and each difference is one line of the report: what is broken, and where. The same code judges
 * after a test, after each operation of a fuzzer, from the kernel's shell and in a debugger.
 *
 * Structure. One pass over the regions of each space (in order of address, up again by parent pointers, so
 * depth costs nothing); beside it, one pass over the space's translations, in the same order, so that the
 * mapping and the protection range of each translation are found by stepping on, not by searching; one pass
 * over all objects. What is reached is counted, and the counts must equal what the caches have given out:
 * then nothing was reached twice, nothing is out that cannot be reached, and nothing that can be reached is
 * dead.
 *
 * Rights. That a translation never gives more than every VMAR above allows is shown link by link: translation
 * within protection range, range within the mapping's flags (which also hold what the VMO's handle gave),
 * mapping within its VMAR, VMAR within its parent.
 *
 * Locking. None is taken: the machine is quiet. Only the pmm, the caches and the page tables lock for
 * themselves.
 *
 * Cost. O(pages + objects + translations), with a logarithm of the siblings for each region, and of a VMO's mappings
 * for each where their usage is known (info.c). Nothing is allocated.
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
    bool vdso_found;          /* the mapping of the vDSO's code that the space being checked names */
    uint64_t high_vmars;      /* of the space being checked, alive and of high memory priority */
    uint64_t table_pages;
    uint64_t vmos, processes, threads, all_vmars; /* on the list of objects */
    uint64_t listed_mappings;                     /* on the lists of VMOs */
    uint64_t object_pages;                        /* each counted once */
    uint64_t aside_pages[VM_PAGE_STATE_COUNT];    /* translated in ranges that were set aside, by state */
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
    if (region->size == 0 || (region->base == 0 && region->aspace->base != 0))
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
    checker->high_vmars += vmar->high_priority;
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

/* The permissions of all parts: legal, and within what the mapping may have. */
static void check_protections(struct checker *checker, const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size, part_base, part_end;

    checker->tree_bytes += region_tree_bytes(&mapping->protections);
    if (!protection_check(mapping, checker->report)) {
        broken_region(checker, region, "its protection ranges are broken");
        return;
    }
    for (zx_vaddr_t va = region->base; va < end; va = part_end) {
        uint32_t perms = protection_range(mapping, va, &part_base, &part_end);
        if (!are_perms_legal(perms) || ((perms << CAN_MAP_SHIFT) & ~region->flags) != 0)
            broken(checker,
                   "mapping at 0x%llx of '%s': permissions 0x%x of [0x%llx, 0x%llx) exceed its flags 0x%x",
                   (unsigned long long)region->base, region->aspace->name, perms, (unsigned long long)va,
                   (unsigned long long)part_end, region->flags);
    }
}

/* Only the one that the space names may be an executable mapping of a vDSO, and it shows exactly the code. */
static void check_vdso(struct checker *checker, const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;
    const struct vm_vmo *vmo = mapping->vmo;

    if (mapping != region->aspace->vdso_code) {
        if (vmo->vdso_code_size != 0 && (region->flags & ZX_VM_CAN_MAP_EXECUTE) != 0)
            broken_region(checker, region, "of the vDSO, and may become executable");
        return;
    }
    checker->vdso_found = true;
    if (vmo->vdso_code_size != region->size || vmo->vdso_code_offset != mapping->vmo_offset ||
        mapping->protections.count != 0 || (mapping->perms & ARCH_MMU_EXECUTE) == 0)
        broken_region(checker, region, "not the vDSO's code, executable");
}

static void check_mapping(struct checker *checker, const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;

    checker->mappings++;
    if ((region->flags & ~CAN_MAP_PERMS) != 0)
        broken_region(checker, region, "unknown flags");
    if (mapping->vmo == NULL || mapping->link.height == 0) {
        broken_region(checker, region, "not in the tree of a VMO");
        return;
    }
    if (mapping->vmo->object.type != ZX_OBJ_TYPE_VMO || atomic_load(&mapping->vmo->object.refs) == 0)
        broken_region(checker, region, "its VMO is none, or dead");
    else
        check_vdso(checker, mapping);
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

/* Against the mapping that the walk came by before it, if any. */
static void check_merged(struct checker *checker, const struct vm_mapping *before,
                         const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;

    if (before != NULL && region_end(&before->region) == region->base &&
        before->region.parent == region->parent && mapping_is_alike(before, mapping))
        broken_region(checker, region, "not merged with the one before it, which is alike");
}

/* Every region below the root. False: so broken that walking it again would lead astray. */
static bool check_regions(struct checker *checker, const struct vm_aspace *aspace)
{
    uint64_t most = vm_machine->vmar_cache.objects + vm_machine->mapping_cache.objects;
    const struct vm_mapping *last_fault = aspace->last_fault, *mapping, *before = NULL;
    struct region_walk walk;
    bool was_sound = checker->sound;

    checker->sound = true;
    checker->high_vmars = 0;
    checker->vdso_found = false;
    check_root(checker, aspace);
    region_walk_start(&walk, aspace->root);
    for (const struct vm_region *region; (region = region_walk_next(&walk)) != NULL;) {
        check_place(checker, region, walk.parent, &walk.entry);
        if (region->parent != walk.parent || most-- == 0) {
            broken_region(checker, region, "the walk ends here");
            return false;
        }
        if (region->kind == VM_REGION_VMAR) {
            check_vmar(checker, container_of(region, struct vm_vmar, region));
            continue;
        }
        mapping = container_of(region, struct vm_mapping, region);
        check_mapping(checker, mapping);
        check_merged(checker, before, mapping);
        before = mapping;
        if (last_fault != NULL && region == &last_fault->region)
            last_fault = NULL;
    }
    if (last_fault != NULL)
        broken(checker, "space '%s': the mapping of the last fault is not in it", aspace->name);
    if (checker->vdso_found != (aspace->vdso_code != NULL))
        broken(checker, "space '%s': the mapping of the vDSO's code is not in it", aspace->name);
    if (checker->high_vmars != aspace->high_vmars)
        broken(checker, "space '%s': counts %llu VMARs of high priority, there are %llu", aspace->name,
               (unsigned long long)aspace->high_vmars, (unsigned long long)checker->high_vmars);
    bool sound = checker->sound;
    checker->sound = sound && was_sound;
    return sound;
}

/* ---- Translations ---- */

/* The mapping and the protection range that hold the translation being checked; both only move upwards. */
struct cursor {
    struct checker *checker;
    const struct vm_aspace *aspace;
    struct region_walk walk;
    const struct vm_mapping *mapping; /* null: not begun, or no more */
    const struct vm_region *aside;    /* the latest range that was set aside */
    zx_vaddr_t base, end;             /* the protection range */
    uint32_t perms;
};

static bool cursor_is_aside(const struct cursor *cursor, zx_vaddr_t va)
{
    return cursor->aside != NULL && va - cursor->aside->base < cursor->aside->size;
}

/* Moves to va. False: it is in no mapping. */
static bool cursor_move(struct cursor *cursor, zx_vaddr_t va)
{
    const struct vm_mapping *mapping = cursor->mapping;

    if (cursor_is_aside(cursor, va))
        return false;
    while (mapping == NULL || mapping->region.base + mapping->region.size <= va) {
        struct vm_region *region = region_walk_next(&cursor->walk);
        if (region == NULL)
            return false;
        if (region->kind == VM_REGION_MAPPING)
            cursor->mapping = mapping = mapping_of(region);
        else if (vmar_of(region)->set_aside)
            cursor->aside = region;
        cursor->base = cursor->end = 0;
        if (cursor_is_aside(cursor, va))
            return false;
    }
    if (va < mapping->region.base)
        return false;
    if (va < cursor->base || va >= cursor->end)
        cursor->perms = protection_range(mapping, va, &cursor->base, &cursor->end);
    return true;
}

static void broken_translation(const struct cursor *cursor, zx_vaddr_t va,
                               const struct page_table_entry *entry, const char *how)
{
    broken(cursor->checker, "translation of 0x%llx in '%s' (page 0x%llx, flags 0x%x): %s",
           (unsigned long long)va, cursor->aspace->name,
           (unsigned long long)(entry->paddr + (va - entry->va)), entry->flags, how);
}

/* What the owner of a range that was set aside has entered: pages that somebody holds, or that are no memory of
   the machine's. */
static void check_aside(struct cursor *cursor, zx_vaddr_t va, const struct page_table_entry *entry)
{
    const struct vm_page *page = pmm_page_at(entry->paddr + (va - entry->va));

    if (page == NULL || page->state >= VM_PAGE_STATE_COUNT)
        return; /* the second is the pmm's to report */
    cursor->checker->aside_pages[page->state]++;
    if (page->state == VM_PAGE_FREE)
        broken_translation(cursor, va, entry, "set aside, but the page is free");
    else if (list_is_linked(&page->node))
        broken_translation(cursor, va, entry, "set aside, but the page is on a list");
}

/* One 4 KiB page of a translation leads where its mapping says. */
static void check_page(struct cursor *cursor, zx_vaddr_t va, const struct page_table_entry *entry)
{
    if (!cursor_move(cursor, va)) {
        if (cursor_is_aside(cursor, va))
            check_aside(cursor, va, entry);
        else
            broken_translation(cursor, va, entry, "in no mapping");
        return;
    }
    const struct vm_mapping *mapping = cursor->mapping;
    const struct vm_vmo *vmo = mapping->vmo;
    uint64_t offset = mapping->vmo_offset + (va - mapping->region.base);
    zx_paddr_t paddr = entry->paddr + (va - entry->va);

    if ((entry->flags & ARCH_MMU_PERMS & ~cursor->perms) != 0)
        broken_translation(cursor, va, entry, "more than the protection in force");
    if (((entry->flags & ARCH_MMU_USER) != 0) != (cursor->aspace->type == VM_ASPACE_USER))
        broken_translation(cursor, va, entry, "for users just where it should not be, or the reverse");
    if (offset >= mapping_vmo_end_locked(mapping)) {
        broken_translation(cursor, va, entry, "past the end of the VMO");
        return;
    }
    if ((entry->flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT != vmo->cache_policy)
        broken_translation(cursor, va, entry, "another cache policy than the VMO's");
    zx_paddr_t frame;
    bool shared;
    if (vmo_frame_locked(vmo, offset, &frame, &shared)) {
        if (frame != paddr)
            broken_translation(cursor, va, entry, "not the page that the VMO holds there");
        if (shared && (entry->flags & ARCH_MMU_WRITE) != 0)
            broken_translation(cursor, va, entry, "a page that other VMOs hold too, writable");
        return;
    }
    if (paddr != vm_machine->zero_page->paddr)
        broken_translation(cursor, va, entry, "the VMO holds no page there");
    else if ((entry->flags & ARCH_MMU_WRITE) != 0)
        broken_translation(cursor, va, entry, "the zero page, writable");
    else if (mapping->zero.height == 0 || offset < mapping->zero.first || offset >= mapping->zero.end)
        broken_translation(cursor, va, entry, "the zero page, where the mapping does not know of it");
}

static bool check_translation(void *context, const struct page_table_entry *entry)
{
    struct cursor *cursor = context;

    for (size_t offset = 0; offset < entry->size; offset += PAGE_SIZE)
        check_page(cursor, entry->va + offset, entry);
    return true;
}

/* ---- Spaces ---- */

static void check_destroyed(struct checker *checker, const struct vm_aspace *aspace)
{
    if (aspace->root != NULL || aspace->last_fault != NULL)
        broken(checker, "space '%s': destroyed, but it has regions", aspace->name);
    if (aspace->high_vmars != 0)
        broken(checker, "space '%s': destroyed, but it counts VMARs of high priority", aspace->name);
    if (aspace->table.root != 0 || aspace->table.table_pages != 0)
        broken(checker, "space '%s': destroyed, but it has page tables", aspace->name);
}

/* A space that shows two others has nothing but the top-level table, which page_table_check compares. */
static void check_unified(struct checker *checker, struct vm_aspace *aspace)
{
    const struct vm_aspace *below = aspace->parts[0], *above = aspace->parts[1];
    unsigned shared = below->share_opt == VM_ASPACE_SHARE_SHARED ? 0 : 1;

    if (aspace->root != NULL || aspace->last_fault != NULL || aspace->high_vmars != 0 || aspace->base != 0 ||
        aspace->size != 0)
        broken(checker, "space '%s': unified, but it has something of its own", aspace->name);
    if (below->base + (below->size - 1) >= above->base ||
        aspace->parts[shared]->share_opt != VM_ASPACE_SHARE_SHARED ||
        aspace->parts[1 - shared]->share_opt != VM_ASPACE_SHARE_RESTRICTED)
        broken(checker, "space '%s': unified from what cannot be", aspace->name);
    if (aspace->destroyed) {
        check_destroyed(checker, aspace);
        return;
    }
    if (below->destroyed || above->destroyed)
        broken(checker, "space '%s': unified, but one that it shows is destroyed", aspace->name);
    if (aspace->table.root == 0)
        broken(checker, "space '%s': alive without page tables", aspace->name);
    else if (!page_table_check(&aspace->table, checker->report))
        broken(checker, "space '%s': its page tables are broken", aspace->name);
}

static void check_aspace(struct checker *checker, struct vm_aspace *aspace)
{
    struct cursor cursor = {.checker = checker, .aspace = aspace};

    checker->table_pages += aspace->table.table_pages;
    if (aspace_is_unified(aspace)) {
        check_unified(checker, aspace);
        return;
    }
    if (aspace->destroyed || aspace->root == NULL) {
        if (!aspace->destroyed)
            broken(checker, "space '%s': alive without a root", aspace->name);
        check_destroyed(checker, aspace);
        return;
    }
    if (aspace->table.root == 0)
        broken(checker, "space '%s': alive without page tables", aspace->name);
    const bool tables_are_sound = page_table_check(&aspace->table, checker->report);
    if (!tables_are_sound)
        broken(checker, "space '%s': its page tables are broken", aspace->name);
    if (!check_regions(checker, aspace) || !tables_are_sound)
        return;
    region_walk_start(&cursor.walk, aspace->root);
    page_table_for_each(&aspace->table, aspace->table.base, aspace->table.size, check_translation, &cursor);
}

bool vm_check_aspace(struct vm_aspace *aspace, struct vm_sink *report)
{
    struct checker checker = {.report = report, .sound = true};

    check_aspace(&checker, aspace);
    return checker.sound;
}

static void check_aspaces(struct checker *checker)
{
    uint64_t count = 0, most = vm_machine->aspace_cache.objects + 1;

    list_for_each(node, &vm_machine->aspaces)
    {
        struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        aspace->check_refs = aspace->check_sharers = 0;
        check_aspace(checker, aspace);
        if (++count > most)
            break;
    }
    if (count != most)
        broken(checker, "%llu spaces are listed, %llu were made", (unsigned long long)count,
               (unsigned long long)most);
}

/* ---- Objects ---- */

static void broken_object(struct checker *checker, const struct vm_object *object, const char *how)
{
    broken(checker, "%s %llu (%u references, %u handles): %s",
           object->type == ZX_OBJ_TYPE_VMO      ? "vmo"
           : object->type == ZX_OBJ_TYPE_VMAR   ? "vmar"
           : object->type == ZX_OBJ_TYPE_JOB    ? "job"
           : object->type == ZX_OBJ_TYPE_THREAD ? "thread"
                                                : "process",
           (unsigned long long)object->koid, atomic_load(&object->refs), object->handles, how);
}

/* Of a page in the list of a VMO: it may be there, and says who holds it. */
static bool is_page_sound(const struct vm_page *page, const struct vm_vmo *vmo, uint64_t index)
{
    if (page->state != VM_PAGE_OBJECT || (page->marks & PAGE_MARK_QUEUED) == 0 ||
        pmm_page_at(page->paddr) != page)
        return false;
    const struct vm_vmo *counted = atomic_load(&page->vmo);
    if (!vmo->had_sharers && (counted != vmo || page_is_shared(page)))
        return false;
    if (counted == vmo)
        return page->vmo_offset == index << PAGE_SHIFT;
    return counted == NULL || page_is_shared(page);
}

static void check_vmo_pages(struct checker *checker, const struct vm_vmo *vmo)
{
    uint64_t index = 0, count = 0, pinned = 0;
    struct vm_page *page;

    if (!page_list_check(&vmo->pages, checker->report))
        broken_object(checker, &vmo->object, "its list of pages is broken");
    for (; (page = page_list_next(&vmo->pages, index, &index)) != NULL; index++) {
        count++;
        if (index >= vmo->size >> PAGE_SHIFT)
            broken_object(checker, &vmo->object, "a page past its end");
        if (page->check_holders++ == 0)
            checker->object_pages++;
        pinned += page->pin_count != 0;
        if (page->pin_count != 0 && page_is_shared(page))
            broken_object(checker, &vmo->object, "a pinned page is shared");
        if (vmo->kind != VMO_PAGED && page->paddr != vmo->frames + (index << PAGE_SHIFT))
            broken_object(checker, &vmo->object, "its frames do not lie one behind the other");
        if (!is_page_sound(page, vmo, index))
            broken(checker,
                   "page 0x%llx, held by vmo %llu at 0x%llx: it is another's, or shared, or in state %u",
                   (unsigned long long)page->paddr, (unsigned long long)vmo->object.koid,
                   (unsigned long long)(index << PAGE_SHIFT), page->state);
    }
    if (count != vmo->pages.count)
        broken_object(checker, &vmo->object, "holds another number of pages than it counts");
    if (vmo->kind != VMO_PHYSICAL && pinned != vmo->pinned_pages)
        broken_object(checker, &vmo->object, "another number of its pages is pinned than it counts");
    if (vmo->kind != VMO_PAGED && count != (vmo->kind == VMO_PHYSICAL ? 0 : vmo->size >> PAGE_SHIFT))
        broken_object(checker, &vmo->object, "lacks pages, or has some that it cannot have");
}

/* After each VMO has noted the pages that it holds: as many as each page says. The notes are wiped. */
static void check_holders(struct checker *checker, const struct vm_vmo *vmo)
{
    struct vm_page *page;

    for (uint64_t index = 0; (page = page_list_next(&vmo->pages, index, &index)) != NULL; index++) {
        if (page->check_holders != 0 && page->check_holders != atomic_load(&page->sharers) + 1)
            broken(checker, "page 0x%llx, held by vmo %llu at 0x%llx: %u VMOs hold it, it says %u",
                   (unsigned long long)page->paddr, (unsigned long long)vmo->object.koid,
                   (unsigned long long)(index << PAGE_SHIFT), page->check_holders,
                   atomic_load(&page->sharers) + 1);
        page->check_holders = 0;
    }
}

/* A slice has nothing of its own. */
static void check_slice(struct checker *checker, const struct vm_vmo *vmo)
{
    if (!vmo_is_slice(vmo))
        return;
    if (vmo->pages.count != 0 || vmo->mappings.root != NULL || vmo->resizable || vmo->is_snapshot)
        broken_object(checker, &vmo->object, "a slice with something of its own");
    if (vmo_is_slice(vmo->target) || vmo->target->resizable || vmo->window > vmo->target->size ||
        vmo->size > vmo->target->size - vmo->window)
        broken_object(checker, &vmo->object, "a slice of nothing that could be sliced");
}

static void check_vmo(struct checker *checker, struct vm_vmo *vmo)
{
    checker->vmos++;
    if (!is_page_aligned(vmo->size) || vmo->size > VMO_SIZE_MAX)
        broken_object(checker, &vmo->object, "its size is none");
    check_vmo_pages(checker, vmo);
    const char *how = vmo_family_check(vmo);
    if (how != NULL)
        broken_object(checker, &vmo->object, how);
    check_slice(checker, vmo);
    if (vmo_is_slice(vmo))
        vmo->target->check_refs++;
    if (!mapping_tree_check(&vmo->mappings, checker->report)) {
        broken_object(checker, &vmo->object, "its tree of mappings is broken");
        return;
    }
    if (!vmo_usage_check(vmo))
        broken_object(checker, &vmo->object, "the usage of its mappings is not what it says to know");
    for (const struct vm_mapping *mapping = mapping_tree_first(&vmo->mappings, 0, UINT64_MAX, false);
         mapping != NULL; mapping = mapping_tree_next(mapping, 0, UINT64_MAX, false)) {
        checker->listed_mappings++;
        mapping->source->check_refs++;
        if (mapping->vmo != vmo || mapping->source->target != vmo || !mapping->region.alive)
            broken_object(checker, &vmo->object, "lists a mapping that is dead, or another VMO's");
    }
}

/* What can be said of VMOs only when all of them have been looked at. */
static void check_vmos_together(struct checker *checker)
{
    list_for_each(node, &vm_machine->objects)
    {
        const struct vm_object *object = container_of(node, struct vm_object, node);
        if (object->type != ZX_OBJ_TYPE_VMO)
            continue;
        struct vm_vmo *vmo = container_of(object, struct vm_vmo, object);
        check_holders(checker, vmo);
        if (atomic_load(&object->refs) != object->handles + vmo->check_refs + atomic_load(&vmo->host_refs))
            broken_object(checker, object,
                          "its references are not its handles, mappings, slices and the host's");
        vmo->check_refs = 0;
    }
}

static void check_vmar_object(struct checker *checker, const struct vm_vmar *vmar)
{
    checker->all_vmars++;
    vmar->region.aspace->check_refs++;
    if (vmar->region.alive) {
        if (vmar->region.parent == NULL && vmar->region.aspace->root != vmar)
            broken_object(checker, &vmar->object, "alive, but without a parent");
    } else {
        checker->vmars++;
        if (vmar->region.parent != NULL || vmar->children.count != 0)
            broken_object(checker, &vmar->object, "dead, but with a parent or children");
        if (vmar->high_priority)
            broken_object(checker, &vmar->object, "dead, but of high memory priority");
    }
    if (atomic_load(&vmar->object.refs) != vmar->object.handles + (vmar->region.alive ? 1 : 0))
        broken_object(checker, &vmar->object, "its references are not its handles and its place in the tree");
}

/* What a process has of its own is destroyed when it is dead; what it shares, when all that share it are. */
static void check_spaces_of(struct checker *checker, const struct vm_process *process)
{
    struct vm_aspace *aspace = process->aspace, *shared = process->shared, *restricted = process->restricted;

    aspace->check_refs++;
    if (aspace != shared && process->dead != aspace->destroyed)
        broken_object(checker, &process->object, "dead, or its space destroyed, but not both");
    if (restricted != NULL) {
        restricted->check_refs++;
        if (process->dead != restricted->destroyed || !aspace_is_unified(aspace) || shared == NULL)
            broken_object(checker, &process->object, "its restricted space is not its own");
    }
    if (shared != NULL) {
        shared->check_refs++;
        shared->check_sharers += process->dead ? 0 : 1;
        if (shared->destroyed != (shared->sharers == 0))
            broken_object(checker, &process->object,
                          "its shared space does not go with the last that shares it");
    }
}

/* After it has come by, a thread is counted in its process. */
static void check_thread(struct checker *checker, const struct vm_thread *thread)
{
    checker->threads++;
    thread->aspace->check_refs++;
    thread->process->check_threads++;
    if (atomic_load(&thread->object.refs) <
        thread->object.handles + (thread->state == VM_THREAD_RUNNING ? 1 : 0))
        broken_object(checker, &thread->object, "fewer references than handles and whoever runs it");
    if (thread->state == VM_THREAD_NEW && thread->process->dead)
        broken_object(checker, &thread->object, "new, but its process is dead");
}

/* After all threads have been looked at: they are those that the process lists. */
static void check_threads_of(struct checker *checker, struct vm_process *process)
{
    uint32_t listed = 0, running = 0;

    list_for_each(node, &process->threads)
    {
        const struct vm_thread *thread = container_of(node, struct vm_thread, node);
        if (thread->process != process)
            broken_object(checker, &process->object, "lists a thread of another");
        listed++;
        running += thread->state == VM_THREAD_RUNNING;
    }
    if (listed != process->check_threads)
        broken_object(checker, &process->object, "lists another number of threads than it has");
    if (running != process->running || running > process->started)
        broken_object(checker, &process->object, "another number of its threads runs than it counts");
    if (process->started != 0 && running == 0 && !process->dead)
        broken_object(checker, &process->object, "alive, though its last thread has ended");
    if (atomic_load(&process->object.refs) < process->check_refs + process->check_threads)
        broken_object(checker, &process->object,
                      "fewer references than handles, its own life and its threads");
    process->check_threads = 0;
}

static void check_process(struct checker *checker, struct vm_process *process)
{
    unsigned own = 0;

    checker->processes++;
    check_spaces_of(checker, process);
    list_for_each(node, &process->handles)
    {
        if (container_of(node, struct vm_handle, node)->object == &process->object)
            own++;
    }
    process->check_refs = process->object.handles + own + (process->dead ? 0 : 1);
    if (atomic_load(&process->object.refs) < process->check_refs)
        broken_object(checker, &process->object, "fewer references than handles and its own life");
}

static void check_objects(struct checker *checker)
{
    zx_koid_t last = 0;

    list_for_each(node, &vm_machine->objects)
    {
        const struct vm_object *object = container_of(node, struct vm_object, node);
        if (object->koid <= last || object->koid >= vm_machine->next_koid) {
            broken_object(checker, object, "the list of objects is not in the order of their making");
            return;
        }
        last = object->koid;
        switch (object->type) {
        case ZX_OBJ_TYPE_VMO:
            check_vmo(checker, container_of(object, struct vm_vmo, object));
            break;
        case ZX_OBJ_TYPE_VMAR:
            check_vmar_object(checker, container_of(object, struct vm_vmar, object));
            break;
        case ZX_OBJ_TYPE_PROCESS:
            check_process(checker, container_of(object, struct vm_process, object));
            break;
        case ZX_OBJ_TYPE_THREAD:
            check_thread(checker, container_of(object, struct vm_thread, object));
            break;
        case ZX_OBJ_TYPE_JOB:
            if (object != &vm_machine->job.object || atomic_load(&object->refs) != object->handles + 1)
                broken_object(checker, object, "not the machine's, or its references are not its handles");
            break;
        default:
            broken(checker, "object %llu: unknown type %u", (unsigned long long)object->koid, object->type);
        }
    }
    check_vmos_together(checker);
    list_for_each(node, &vm_machine->objects)
    {
        struct vm_object *object = container_of(node, struct vm_object, node);
        if (object->type == ZX_OBJ_TYPE_PROCESS)
            check_threads_of(checker, container_of(object, struct vm_process, object));
    }
    list_for_each(node, &vm_machine->aspaces)
    {
        const struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        for (unsigned i = 0; aspace_is_unified(aspace) && i < 2; i++)
            aspace->parts[i]->check_refs++;
    }
    list_for_each(node, &vm_machine->aspaces)
    {
        const struct vm_aspace *aspace = container_of(node, struct vm_aspace, node);
        if (atomic_load(&aspace->refs) < aspace->check_refs)
            broken(checker, "space '%s': %u references, but %u VMARs, processes and spaces hold it",
                   aspace->name, atomic_load(&aspace->refs), aspace->check_refs);
        if (aspace->sharers != aspace->check_sharers)
            broken(checker, "space '%s': %u processes share it, it counts %u", aspace->name,
                   aspace->check_sharers, aspace->sharers);
    }
}

/* ---- The machine ---- */

static void check_equal(struct checker *checker, const char *what, uint64_t found, uint64_t expected)
{
    if (found != expected)
        broken(checker, "%s: %llu, but %llu are accounted for", what, (unsigned long long)found,
               (unsigned long long)expected);
}

static void check_caches(struct checker *checker)
{
    struct slab_cache *const caches[] = {&vm_machine->region_leaf_cache, &vm_machine->region_inner_cache,
                                         &vm_machine->page_list_cache,   &vm_machine->vmar_cache,
                                         &vm_machine->mapping_cache,     &vm_machine->vmo_cache,
                                         &vm_machine->aspace_cache,      &vm_machine->process_cache,
                                         &vm_machine->handle_cache,      &vm_machine->thread_cache};
    uint64_t slabs = 0;

    for (unsigned i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        if (!slab_cache_check(caches[i], checker->report))
            broken(checker, "cache %s is broken", caches[i]->name);
        slabs += caches[i]->slabs;
    }
    check_equal(checker, "pages in state HEAP", pmm_count(VM_PAGE_HEAP),
                slabs + checker->aside_pages[VM_PAGE_HEAP]);
    check_equal(checker, "VMAR objects made", vm_machine->vmar_cache.objects, checker->all_vmars);
    check_equal(checker, "VMARs made", vm_machine->vmar_cache.objects, checker->vmars);
    check_equal(checker, "mappings made", vm_machine->mapping_cache.objects, checker->mappings);
    check_equal(checker, "mappings on lists of VMOs", checker->listed_mappings, checker->mappings);
    check_equal(checker, "VMOs made", vm_machine->vmo_cache.objects, checker->vmos);
    check_equal(checker, "processes made", vm_machine->process_cache.objects, checker->processes);
    check_equal(checker, "threads made", vm_machine->thread_cache.objects, checker->threads);
    check_equal(checker, "handles made", vm_machine->handle_cache.objects, vm_machine->handles.count);
    check_equal(checker, "bytes of tree nodes made",
                vm_machine->region_leaf_cache.objects * vm_machine->region_leaf_cache.object_size +
                    vm_machine->region_inner_cache.objects * vm_machine->region_inner_cache.object_size,
                checker->tree_bytes);
}

static void check_pages(struct checker *checker)
{
    const struct vm_page *zero = vm_machine->zero_page;

    if (!pmm_check(checker->report))
        broken(checker, "the pmm is broken");
    uint64_t queued = 0;
    if (!page_queue_check(&queued, checker->report))
        broken(checker, "the page queues are broken");
    check_equal(checker, "pages in queues", queued, checker->object_pages);
    check_equal(checker, "pages in state OBJECT", pmm_count(VM_PAGE_OBJECT),
                checker->object_pages + checker->aside_pages[VM_PAGE_OBJECT]);
    check_equal(checker, "pages in state MMU", pmm_count(VM_PAGE_MMU),
                checker->table_pages + checker->aside_pages[VM_PAGE_MMU]);
    if (checker->aside_pages[VM_PAGE_ALLOC] > pmm_count(VM_PAGE_ALLOC))
        broken(checker, "pages in state ALLOC: %llu, but %llu are translated where ranges were set aside",
               (unsigned long long)pmm_count(VM_PAGE_ALLOC),
               (unsigned long long)checker->aside_pages[VM_PAGE_ALLOC]);
    check_equal(checker, "pages in state ZERO", pmm_count(VM_PAGE_ZERO), 1);
    const uint64_t *words = pmm_page_bytes(zero);
    for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
        if (words[i] != 0) {
            broken(checker, "the zero page is not zero at byte %zu", i * sizeof(*words));
            break;
        }
}

bool vm_check(struct vm_sink *report)
{
    struct checker checker = {.report = report, .sound = true};

    if (vm_machine == NULL) {
        broken(&checker, "no machine is selected");
        return false;
    }
    check_aspaces(&checker);
    check_objects(&checker);
    check_caches(&checker);
    check_pages(&checker);
    if (!page_list_check(&vm_machine->handles, report) || !handle_check(report))
        broken(&checker, "the handles are broken");
    return checker.sound;
}
