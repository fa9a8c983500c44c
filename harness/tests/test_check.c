/* SPDX-License-Identifier: MIT */
/*
 * test_check.c: every kind of damage that vm_check knows is planted in a sound machine, must be reported, and
 * is repaired again. White-box: it reaches into the structures of the core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <vm/vdso.h>
#include <zvm/host.h>

#include "../../vm/internal.h"
#include "../../vm/region_node.h"
#include "plant.h"

static bool is_sound(void)
{
    return vm_check(&vm_log_sink);
}

/* Whether the checker finds something, and says so in these words. */
static bool finds(const char *words)
{
    return !vm_check(report_begin()) && report_says(words);
}

#define PLANT(place, value, words) PLANT_FOR(vm_check(report_begin()), place, value, words)

/* ---- The machine: root / outer VMAR / inner VMAR / two mappings of one VMO ---- */

static struct vm_aspace *aspace;
static struct vm_vmar *outer, *inner;
static struct vm_mapping *mapping, *other;
static struct vm_vmo *vmo;
static zx_handle_t vmo_handle;
static zx_vaddr_t va, other_va;

static struct vm_region *find_region(zx_vaddr_t at, enum vm_region_kind kind, size_t size)
{
    struct vm_vmar *vmar = aspace->root;
    struct region_entry entry;

    while (region_tree_find(&vmar->children, at, &entry)) {
        struct vm_region *region = entry.value;
        if (region->kind == kind && region->size == size)
            return region;
        assert_int_equal(region->kind, VM_REGION_VMAR);
        vmar = vmar_of(region);
    }
    return NULL;
}

static int start(void **state)
{
    const zx_vm_option_t can_map = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC;
    zx_handle_t outer_handle, inner_handle;
    zx_vaddr_t outer_va, inner_va;

    (void)state;
    assert_int_equal(zvm_start(NULL), ZX_OK);
    aspace = vm_process_aspace(port_current_process());
    assert_int_equal(zx_vmar_allocate(zx_vmar_root_self(), can_map, 0, 1u << 20, &outer_handle, &outer_va),
                     ZX_OK);
    assert_int_equal(zx_vmar_allocate(outer_handle, can_map, 0, 1u << 18, &inner_handle, &inner_va), ZX_OK);
    assert_int_equal(zx_vmo_create(8 * PAGE_SIZE, ZX_VMO_RESIZABLE, &vmo_handle), ZX_OK);
    assert_int_equal(zx_vmar_map(inner_handle, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, PAGE_SIZE,
                                 vmo_handle, 0, 8 * PAGE_SIZE, &va),
                     ZX_OK);
    assert_int_equal(
        zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, vmo_handle, 0, 4 * PAGE_SIZE, &other_va), ZX_OK);
    assert_int_equal(zx_vmar_protect(inner_handle, ZX_VM_PERM_READ, va + 3 * PAGE_SIZE, PAGE_SIZE), ZX_OK);
    char byte = 'x';
    assert_int_equal(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE), ZX_OK);
    assert_int_equal(zvm_access(zx_process_self(), va + 2 * PAGE_SIZE, &byte, 1, ZVM_READ), ZX_OK);
    assert_int_equal(zvm_access(zx_process_self(), other_va, &byte, 1, ZVM_READ), ZX_OK);
    outer = vmar_of(find_region(va, VM_REGION_VMAR, 1u << 20));
    inner = vmar_of(find_region(va, VM_REGION_VMAR, 1u << 18));
    mapping = mapping_of(find_region(va, VM_REGION_MAPPING, 8 * PAGE_SIZE));
    other = mapping_of(find_region(other_va, VM_REGION_MAPPING, 4 * PAGE_SIZE));
    vmo = mapping->vmo;
    assert_true(is_sound());
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_true(is_sound());
    return zvm_stop() == ZX_OK ? 0 : -1;
}

static uint64_t *entry_at(zx_vaddr_t at, unsigned wanted)
{
    zx_paddr_t pa = aspace->table.root;

    for (unsigned level = 3;; level--) {
        uint64_t *entry = (uint64_t *)port_phys_to_virt(pa) + (at >> (12 + 9 * level) & 511);
        if (level == wanted)
            return entry;
        pa = *entry & X86_PTE_ADDRESS;
    }
}

static uint64_t *entry_of(zx_vaddr_t at)
{
    return entry_at(at, 0);
}

/* The table that holds the entry of `at`. */
static struct vm_page *table_of(zx_vaddr_t at)
{
    return pmm_page_at(*entry_at(at, 1) & X86_PTE_ADDRESS);
}

/* ---- Damage ---- */

static void test_places(void **state)
{
    (void)state;
    PLANT(inner->region.base, inner->region.base + PAGE_SIZE, "its tree has it at");
    PLANT(inner->region.size, inner->region.size - 1, "not page-aligned");
    PLANT(outer->region.alive, false, "dead, but in the tree");
    PLANT(inner->region.parent, aspace->root, "its parent is not the VMAR that holds it");
    PLANT(mapping->region.aspace, vm_machine->kernel_aspace, "of another space than its parent");
    PLANT(inner->children.end, inner->children.end + PAGE_SIZE, "spans something else");
    PLANT(inner->children.count, 7, "broken");
    PLANT(aspace->root, NULL, "alive without a root");
    PLANT(aspace->root->is_root, false, "not an alive root");
    PLANT(aspace->root->region.alive, false, "not an alive root");
    PLANT(aspace->root->region.parent, outer, "not an alive root");
    PLANT(aspace->root->region.aspace, vm_machine->kernel_aspace, "not an alive root");
    PLANT(aspace->root->region.base, aspace->base + PAGE_SIZE, "does not span its space");
    PLANT(aspace->root->region.size, aspace->size + PAGE_SIZE, "does not span its space");
    PLANT(aspace->root->region.size, aspace->size - 2 * PAGE_SIZE, "does not span its space");
    PLANT(inner->region.base, inner->region.base + 1, "not page-aligned");
    PLANT(inner->region.size, 0, "empty, or at address 0");
    PLANT(inner->region.base, 0, "empty, or at address 0");
    PLANT(outer->region.base, outer->region.base + outer->region.size - PAGE_SIZE, "not within its parent");
    PLANT(outer->region.size, PAGE_SIZE, "not within its parent");
}

/* A VMAR that the list of objects lacks. */
static void test_unlisted(void **state)
{
    struct list_node *next = inner->object.node.next;

    (void)state;
    list_remove(&inner->object.node);
    bool found = finds("not a listed VMAR object");
    list_insert_before(next, &inner->object.node);
    assert_true(found);
}

/* What is dead has nothing left. */
static void test_dead(void **state)
{
    struct vm_aspace *mortal = vm_aspace_create(VM_ASPACE_USER, "mortal");
    zx_handle_t handle;
    zx_vaddr_t at;
    struct vm_vmar *dead;

    (void)state;
    assert_int_equal(zx_vmar_allocate(zx_vmar_root_self(), 0, 0, PAGE_SIZE, &handle, &at), ZX_OK);
    assert_int_equal(vm_vmar_from_handle(handle, &dead), ZX_OK);
    vm_vmar_release(dead);
    assert_int_equal(zx_vmar_destroy(handle), ZX_OK);
    PLANT(dead->high_priority, true, "dead, but of high memory priority");
    PLANT(dead->children.count, 1, "dead, but with a parent or children");
    PLANT(dead->region.parent, outer, "dead, but with a parent or children");
    vm_aspace_destroy(mortal);
    PLANT(mortal->high_vmars, 1, "destroyed, but it counts VMARs of high priority");
    PLANT(mortal->table.table_pages, 1, "destroyed, but it has page tables");
    PLANT(mortal->last_fault, mapping, "destroyed, but it has regions");
    vm_aspace_release(mortal);
}

static void test_rights(void **state)
{
    (void)state;
    PLANT(outer->region.flags, outer->region.flags & ~ZX_VM_CAN_MAP_WRITE, "its parent only");
    PLANT(inner->region.flags, inner->region.flags | ZX_VM_CAN_MAP_EXECUTE, "its parent only");
    PLANT(mapping->region.flags, mapping->region.flags | ZX_VM_CAN_MAP_EXECUTE, "its parent only");
    PLANT(mapping->region.flags, ZX_VM_CAN_MAP_READ, "exceed its flags");
    PLANT(other->perms, ARCH_MMU_READ | ARCH_MMU_EXECUTE, "exceed its flags");
    PLANT(other->perms, ARCH_MMU_WRITE, "exceed its flags");
    PLANT(outer->region.flags, outer->region.flags | 1u << 31, "unknown flags");
    PLANT(mapping->region.flags, mapping->region.flags | 1u << 31, "unknown flags");
    PLANT(other->perms, ARCH_MMU_READ | 16, "exceed its flags");
    PLANT(mapping->protections.end, mapping->protections.end - PAGE_SIZE, "protection ranges are broken");
    PLANT(mapping->protections.base, mapping->protections.base - PAGE_SIZE, "protection ranges are broken");
    PLANT(mapping->protections.count, 0, "protection ranges are broken");
    PLANT(mapping->protections.count, 1, "do not tile it, or two are alike");
}

/* Protection ranges that are no permissions, do not begin where the one before ends, or are two for one. */
/* Two of one VMO, contiguous in it, that differ in permission alone. */
static void test_unmerged(void **state)
{
    zx_vaddr_t base, at;
    zx_handle_t vmar;
    (void)state;
    assert_int_equal(zx_vmar_allocate(zx_vmar_root_self(),
                                      ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0,
                                      2 * PAGE_SIZE, &vmar, &base),
                     ZX_OK);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(zx_vmar_map(vmar, ZX_VM_PERM_READ | (i == 0 ? ZX_VM_PERM_WRITE : 0) | ZX_VM_SPECIFIC,
                                     i * PAGE_SIZE, vmo_handle, i * PAGE_SIZE, PAGE_SIZE, &at),
                         ZX_OK);
    struct vm_mapping *right = mapping_of(find_region(base + PAGE_SIZE, VM_REGION_MAPPING, PAGE_SIZE));
    PLANT(right->perms, ARCH_MMU_READ | ARCH_MMU_WRITE, "not merged with the one before it");
}

static void test_protection_ranges(void **state)
{
    struct region_leaf *leaf = region_leaf_of(mapping->protections.root);

    (void)state;
    assert_int_equal(mapping->protections.count, 3); /* behind the sentinel */
    PLANT(leaf->value[2], (void *)(uintptr_t)(ARCH_MMU_PERMS + 1), "do not tile it, or two are alike");
    PLANT(leaf->value[2], leaf->value[1], "do not tile it, or two are alike");
    PLANT(leaf->base[2], leaf->base[2] + PAGE_SIZE, "do not tile it, or two are alike");
    PLANT(leaf->end[3], leaf->end[3] - PAGE_SIZE, "do not tile it, or two are alike");
}

static void test_vmo(void **state)
{
    struct vm_page *page = vmo_page_locked(vmo, 0);

    (void)state;
    PLANT(vmo->size, 0, "a page past its end");
    PLANT(vmo->size, vmo->size + 1, "its size is none");
    PLANT(vmo->object.refs, 9, "its references are not its handles, mappings, slices and the host");
    PLANT(vmo->weight, 2, "another number of children");
    PLANT(vmo->children, vmo, "its children are another's");
    PLANT(vmo->parent, vmo, "a child of nobody");
    PLANT(vmo->above, vmo, "a child of nobody");
    PLANT(vmo->below[0], vmo, "a child of nobody");
    PLANT(vmo->below[1], vmo, "a child of nobody");
    PLANT(page->sharers, 1, "1 VMOs hold it, it says 2");
    PLANT(page->sharers, 1, "a page that other VMOs hold too, writable");
    PLANT(page->sharers, 1, "it is another's, or shared");
    PLANT(mapping->vmo_limit, PAGE_SIZE, "past the end of the VMO");
    PLANT(mapping->vmo_offset, 1, "unaligned");
    PLANT(mapping->vmo_offset, PAGE_SIZE, "the VMO holds no page there");
    PLANT(page->vmo, NULL, "it is another's");
    PLANT(page->vmo_offset, PAGE_SIZE, "it is another's");
    PLANT(page->state, VM_PAGE_ALLOC, "it is another's");
    PLANT(vmo->pages.count, 3, "another number of pages");
    PLANT(mapping->link.height, 0, "not in the tree of a VMO");
    PLANT(mapping->zero.height, 0, "the mapping does not know of");
    PLANT(mapping->zero.first, 3 * PAGE_SIZE, "the mapping does not know of");
    PLANT(mapping->zero.end, 2 * PAGE_SIZE, "the mapping does not know of");
    PLANT(vmo->size, ~(uint64_t)(PAGE_SIZE - 1), "its size is none");
    PLANT(vmo->object.refs, 0, "its VMO is none, or dead");
    PLANT(mapping->vmo, NULL, "not in the tree of a VMO");
    PLANT(mapping->vmo, (struct vm_vmo *)(void *)inner, "its VMO is none, or dead");
    PLANT(mapping->vmo_offset, ~(uint64_t)(PAGE_SIZE - 1), "unaligned, or wraps");
    PLANT(page->paddr, page->paddr + PAGE_SIZE, "it is another's");
    vmo->had_sharers = true;
    PLANT(page->vmo, (struct vm_vmo *)(void *)inner, "it is another's");
    vmo->had_sharers = false;
}

/* What is known of the usage of a VMO's mappings. */
static void test_usage(void **state)
{
    struct vm_aspace_usage usage;

    (void)state;
    assert_int_equal(vm_aspace_get_memory_usage(aspace, &usage), ZX_OK);
    assert_true(vmo->usage_known);
    PLANT(mapping->usage.private_pages, 9, "the usage of its mappings is not what it says to know");
    PLANT(mapping->usage.shared_pages, 1, "the usage of its mappings is not what it says to know");
    PLANT(mapping->usage.scaled_shared_bytes, 1, "the usage of its mappings is not what it says to know");
}

/* What a VMO's tree of mappings holds, and whose they are. */
static void test_mappings_of_a_vmo(void **state)
{
    struct vm_vmo *second;

    (void)state;
    assert_int_equal(vmo_create(PAGE_SIZE, false, &second), ZX_OK);
    atomic_fetch_add(&second->host_refs, 1);
    assert_true(is_sound());
    PLANT(mapping->vmo, second, "lists a mapping that is dead, or another VMO's");
    PLANT(mapping->source, second, "lists a mapping that is dead, or another VMO's");
    PLANT(mapping->region.alive, false, "lists a mapping that is dead, or another VMO's");
    vm_vmo_release(second);
}

/* Slices, and who is whose child. */
static void test_families(void **state)
{
    zx_handle_t parent_handle, handles[2];
    struct vm_vmo *parent, *slices[2];

    (void)state;
    assert_int_equal(zx_vmo_create(4 * PAGE_SIZE, 0, &parent_handle), ZX_OK);
    assert_int_equal(vm_vmo_from_handle(parent_handle, &parent), ZX_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            zx_vmo_create_child(parent_handle, ZX_VMO_CHILD_SLICE, 0, 2 * PAGE_SIZE, &handles[i]), ZX_OK);
        assert_int_equal(vm_vmo_from_handle(handles[i], &slices[i]), ZX_OK);
    }
    struct vm_vmo *slice = slices[0];
    assert_ptr_equal(parent->children, slice);
    assert_ptr_equal(slice->below[0], slices[1]);
    PLANT(slice->parent, vmo, "its children are another's");
    PLANT(slice->parent, NULL, "its children are another's");
    PLANT(slice->above, vmo, "its children are another's");
    PLANT(parent->children, NULL, "its place among the children");
    PLANT(parent->children, slices[1], "its children are another's");
    PLANT(slice->object.refs, 0, "its children are another's");
    PLANT(slice->weight, 0, "a child of nobody");
    PLANT(slice->weight, 3, "another number of children");
    PLANT(slice->below[0], NULL, "another number of children");
    PLANT(slice->below[0], vmo, "another number of children");
    PLANT(slice->below[1], slices[1], "its place among the children");
    PLANT(slices[1]->object.refs, 0, "another number of children");
    PLANT(slices[1]->weight, 0, "another number of children");
    PLANT(slices[1]->above, NULL, "another number of children");
    PLANT(slices[1]->above, vmo, "its place among the children");
    PLANT(slices[1]->parent, parent, "its place among the children");
    PLANT(parent->object.refs, 0, "its place among the children");
    PLANT(slice->resizable, true, "a slice with something of its own");
    PLANT(slice->is_snapshot, true, "a slice with something of its own");
    PLANT(slice->pages.count, 1, "a slice with something of its own");
    PLANT(slice->mappings.root, &mapping->link, "a slice with something of its own");
    PLANT(parent->resizable, true, "a slice of nothing that could be sliced");
    PLANT(slice->target, slices[1], "a slice of nothing that could be sliced");
    PLANT(slice->window, 5 * PAGE_SIZE, "a slice of nothing that could be sliced");
    PLANT(slice->window, 3 * PAGE_SIZE, "a slice of nothing that could be sliced");
    vm_vmo_release(slices[0]);
    vm_vmo_release(slices[1]);
    vm_vmo_release(parent);
}

/* Children in a line, each below the other: everything is counted right, but finding takes as long as there are many. */
static void test_lopsided_family(void **state)
{
    enum { LINE = 5 };
    struct vm_vmo *parent, *line[LINE];

    (void)state;
    assert_int_equal(vmo_create(PAGE_SIZE, false, &parent), ZX_OK);
    atomic_fetch_add(&parent->host_refs, 1);
    for (unsigned i = 0; i < LINE; i++) {
        assert_int_equal(vmo_create_slice(parent, 0, PAGE_SIZE, &line[i]), ZX_OK);
        atomic_fetch_add(&line[i]->host_refs, 1);
    }
    assert_true(is_sound());
    parent->children = line[0];
    for (unsigned i = 0; i < LINE; i++) {
        line[i]->parent = i == 0 ? parent : NULL;
        line[i]->above = i == 0 ? NULL : line[i - 1];
        line[i]->below[0] = i + 1 < LINE ? line[i + 1] : NULL;
        line[i]->below[1] = NULL;
        line[i]->weight = LINE - i;
    }
    assert_true(finds("are on one side"));
    for (unsigned i = 0; i < LINE; i++)
        vm_vmo_release(line[i]);
    assert_true(is_sound());
    vm_vmo_release(parent);
}

/* Pins, and memory in one run. */
static void test_devices(void **state)
{
    struct vm_page *page = vmo_page_locked(vmo, 0);
    struct vm_vmo *run;

    (void)state;
    PLANT(vmo->pinned_pages, 5, "another number of its pages is pinned");
    assert_int_equal(vm_vmo_pin(vmo, 0, PAGE_SIZE), ZX_OK);
    PLANT(page->sharers, 1, "a pinned page is shared");
    vm_vmo_unpin(vmo, 0, PAGE_SIZE);
    PLANT(vmo->cache_policy, VM_UNCACHED, "another cache policy than the VMO's");
    assert_int_equal(vm_vmo_create_contiguous(2 * PAGE_SIZE, 0, &run), ZX_OK);
    PLANT(run->frames, run->frames + PAGE_SIZE, "its frames do not lie one behind the other");
    PLANT(run->size, 4 * PAGE_SIZE, "lacks pages, or has some that it cannot have");
    vm_vmo_release(run);
}

static void test_translations(void **state)
{
    uint64_t *written = entry_of(va), *zero = entry_of(va + 2 * PAGE_SIZE), *readable = entry_of(other_va);
    uint64_t *link = entry_at(va, 1);

    (void)state;
    PLANT(*readable, *readable | X86_PTE_WRITABLE, "more than the protection in force");
    PLANT(*written, *written & ~X86_PTE_NX, "more than the protection in force");
    PLANT(*link, *link & ~X86_PTE_USER, "for users just where");
    PLANT(*written, *written + PAGE_SIZE, "not the page that the VMO holds there");
    PLANT(*zero, *zero | X86_PTE_WRITABLE, "the zero page, writable");
    PLANT(*zero, *zero + PAGE_SIZE, "the VMO holds no page there");
    PLANT(written[3], *written, "entries in use, its count says");
    table_of(va)->table_entries++;
    PLANT(written[-1], *written, "in no mapping");
    PLANT(written[3], *written, "the VMO holds no page there");
    table_of(va)->table_entries--;
    PLANT(vmo->size, PAGE_SIZE, "past the end of the VMO");
}

/* A translation above every mapping. */
static void test_translation_behind_all(void **state)
{
    zx_vaddr_t last = round_down_page(aspace->base + aspace->root->region.size) - PAGE_SIZE, at;
    char byte = 'x';

    (void)state;
    last &= ~(zx_vaddr_t)0x1fffff; /* where a table of translations begins */
    assert_int_equal(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_SPECIFIC,
                                 last - aspace->root->region.base, vmo_handle, 0, PAGE_SIZE, &at),
                     ZX_OK);
    assert_int_equal(zvm_access(zx_process_self(), at, &byte, 1, ZVM_READ), ZX_OK);
    uint64_t *entry = entry_of(at);
    table_of(at)->table_entries++;
    PLANT(entry[1], entry[0], "in no mapping");
    table_of(at)->table_entries--;
}

static void test_spaces_and_objects(void **state)
{
    struct vm_process *process = port_current_process();

    (void)state;
    PLANT(aspace->refs, 1, "VMARs, processes and spaces hold it");
    PLANT(aspace->last_fault, (struct vm_mapping *)(void *)vmo, "the mapping of the last fault is not in it");
    PLANT(aspace->table.table_pages, 77, "page tables are broken");
    PLANT(aspace->destroyed, true, "destroyed, but it has regions");
    PLANT(aspace->high_vmars, 1, "counts 1 VMARs of high priority, there are 0");
    PLANT(inner->high_priority, true, "counts 0 VMARs of high priority, there are 1");
    PLANT(process->object.refs, 1, "fewer references");
    PLANT(process->dead, true, "but not both");
    PLANT(outer->object.refs, 7, "its references are not its handles and its place");
    PLANT(outer->object.handles, 7, "broken");
    PLANT(outer->object.type, 99, "unknown type");
    PLANT(vm_machine->next_koid, ZX_KOID_FIRST, "not in the order of their making");
    PLANT(inner->object.koid, 1, "not in the order of their making");
    PLANT(outer->object.type, ZX_OBJ_TYPE_JOB, "not the machine's, or its references are not its handles");
    PLANT(vm_machine->job.object.refs, 7, "not the machine's, or its references are not its handles");
    PLANT(aspace->table.root, 0, "alive without page tables");
    PLANT(vm_machine->aspace_cache.objects, 7, "spaces are listed");
    PLANT(vm_machine->aspace_cache.objects, 0, "spaces are listed");
}

static void test_machine(void **state)
{
    char *zero = pmm_page_bytes(vm_machine->zero_page);

    (void)state;
    PLANT(zero[77], 1, "the zero page is not zero at byte 72");
    PLANT(vm_machine->vmo_cache.objects, 7, "VMOs made");
    PLANT(vm_machine->mapping_cache.slabs, 7, "cache mapping is broken");
    PLANT(vm_machine->pmm.counts[VM_PAGE_OBJECT], 77, "pages in state OBJECT");
    PLANT(vm_machine->pmm.counts[VM_PAGE_FREE], 77, "the pmm is broken");
    PLANT(vm_machine->handles.count, 77, "handles made");
    struct vm_page *leaked = pmm_alloc_page(VM_PAGE_MMU);
    assert_true(finds("pages in state MMU"));
    pmm_free_page(leaked);
    struct vm_object *leaked_ref = &vmo->object;
    vm_object_acquire(leaked_ref);
    assert_true(finds("its references are not its handles, mappings, slices and the host"));
    vm_object_release(leaked_ref);
    struct vm_machine *machine = vm_machine_select(NULL);
    assert_true(finds("no machine"));
    vm_machine_select(machine);
}

/* A node of a tree that nobody holds any more. */
static void test_leaked_node(void **state)
{
    void *node = slab_alloc(&vm_machine->region_leaf_cache);

    (void)state;
    assert_true(finds("bytes of tree nodes"));
    slab_free(&vm_machine->region_leaf_cache, node);
}

/* The kernel's space ends where no address is left: at 2^64, and not at 0. Its root VMAR is a page shorter. */
static void test_last_end(void **state)
{
    (void)state;
    vm_aspace_dump(vm_machine->kernel_aspace, report_begin());
    assert_non_null(
        strstr(report.text, "space 'kernel' kernel [0xffffff8000000000, 0x10000000000000000) 512G"));
    assert_non_null(strstr(report.text, "vmar"));
    assert_null(strstr(report.text, " 0x0)"));
}

/* The words of a space, whole and around an address; one space checked by itself; its name. */
static void test_one_space(void **state)
{
    struct vm_aspace *kernel = vm_aspace_kernel();
    char before[ZX_MAX_NAME_LEN], name[ZX_MAX_NAME_LEN];

    (void)state;
    assert_true(vm_check_aspace(aspace, &vm_log_sink));
    assert_ptr_equal(kernel, vm_machine->kernel_aspace);
    assert_true(vm_aspace_is_aslr_enabled(kernel) == kernel->aslr);
    vm_aspace_name(kernel, before);
    vm_aspace_rename(kernel, "renamed");
    vm_aspace_name(kernel, name);
    assert_string_equal(name, "renamed");
    vm_aspace_rename(kernel, before);
    vm_aspace_dump_all(report_begin());
    assert_non_null(strstr(report.text, "space 'kernel' kernel"));
    assert_non_null(strstr(report.text, "' user"));
    vm_aspace_dump_around(aspace, 0, report_begin());
    assert_non_null(strstr(report.text, "0x0 is outside of it"));
    vm_aspace_dump_around(aspace, mapping->region.base, report_begin());
    assert_non_null(strstr(report.text, "mapping ["));
    vm_aspace_dump_around(kernel, VM_KERNEL_ASPACE_BASE, report_begin());
    assert_non_null(strstr(report.text, "gap [0xffffff8000000000, 0x"));
}

/* Which mapping may be executable, and what it must show. */
static void test_vdso(void **state)
{
    static struct vm_mapping nowhere;
    struct vm_vmo *vdso;
    zx_handle_t handle;
    zx_vaddr_t at;
    (void)state;
    assert_int_equal(zx_vmo_create(5 * PAGE_SIZE, 0, &handle), ZX_OK);
    assert_int_equal(zx_vmo_replace_as_executable(handle, ZX_HANDLE_INVALID, &handle), ZX_OK);
    assert_int_equal(vm_vmo_from_handle(handle, &vdso), ZX_OK);
    vm_vmo_release(vdso); /* its handle keeps it */
    assert_int_equal(vm_vmo_declare_vdso(vdso, 2 * PAGE_SIZE, 2 * PAGE_SIZE), ZX_OK);
    assert_int_equal(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, handle,
                                 2 * PAGE_SIZE, 2 * PAGE_SIZE, &at),
                     ZX_OK);
    PLANT(aspace->vdso_code, NULL, "of the vDSO, and may become executable");
    PLANT(aspace->vdso_code, &nowhere, "the mapping of the vDSO's code is not in it");
    PLANT(vdso->vdso_code_size, PAGE_SIZE, "not the vDSO's code, executable");
}

/* Pages by age. */
static void test_page_queue(void **state)
{
    struct page_table_entry entry;
    uint64_t pages;
    (void)state;
    assert_int_equal(page_table_query(&aspace->table, va, &entry), ZX_OK);
    struct vm_page *page = pmm_page_at(entry.paddr);
    page->seen++;
    assert_false(page_queue_check(&pages, report_begin()));
    page->seen--;
    vm_machine->page_queue.counts[0]++;
    assert_false(vm_check(report_begin()));
    vm_machine->page_queue.counts[0]--;
    page_queue_remove(page);
    assert_false(vm_check(report_begin()));
    page_queue_add(page);
    assert_int_equal(vm_page_age(page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places, start, stop),
        cmocka_unit_test_setup_teardown(test_unlisted, start, stop),
        cmocka_unit_test_setup_teardown(test_dead, start, stop),
        cmocka_unit_test_setup_teardown(test_rights, start, stop),
        cmocka_unit_test_setup_teardown(test_protection_ranges, start, stop),
        cmocka_unit_test_setup_teardown(test_vmo, start, stop),
        cmocka_unit_test_setup_teardown(test_usage, start, stop),
        cmocka_unit_test_setup_teardown(test_unmerged, start, stop),
        cmocka_unit_test_setup_teardown(test_mappings_of_a_vmo, start, stop),
        cmocka_unit_test_setup_teardown(test_families, start, stop),
        cmocka_unit_test_setup_teardown(test_lopsided_family, start, stop),
        cmocka_unit_test_setup_teardown(test_devices, start, stop),
        cmocka_unit_test_setup_teardown(test_translations, start, stop),
        cmocka_unit_test_setup_teardown(test_translation_behind_all, start, stop),
        cmocka_unit_test_setup_teardown(test_spaces_and_objects, start, stop),
        cmocka_unit_test_setup_teardown(test_machine, start, stop),
        cmocka_unit_test_setup_teardown(test_leaked_node, start, stop),
        cmocka_unit_test_setup_teardown(test_last_end, start, stop),
        cmocka_unit_test_setup_teardown(test_one_space, start, stop),
        cmocka_unit_test_setup_teardown(test_vdso, start, stop),
        cmocka_unit_test_setup_teardown(test_page_queue, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
