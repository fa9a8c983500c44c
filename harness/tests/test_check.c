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

#include <zvm/host.h>

#include "../../vm/internal.h"

/* A sink that keeps the report. */
struct kept {
    struct vm_sink sink;
    size_t size;
    char text[8192];
};

static void keep(struct vm_sink *self, const char *text, size_t size)
{
    struct kept *kept = (struct kept *)(void *)self;

    if (size > sizeof(kept->text) - 1 - kept->size)
        size = sizeof(kept->text) - 1 - kept->size;
    memcpy(kept->text + kept->size, text, size);
    kept->size += size;
}

static bool is_sound(void)
{
    return vm_check(&vm_log_sink);
}

/* Whether the checker finds something, and says so in these words. */
static bool finds(const char *words)
{
    static struct kept kept;

    kept = (struct kept){.sink = {.write = keep}};
    if (vm_check(&kept.sink))
        return false;
    if (strstr(kept.text, words) == NULL)
        print_message("the report does not say '%s':\n%s", words, kept.text);
    return strstr(kept.text, words) != NULL;
}

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

/* Plants `value` in a field, sees it found, and repairs it. */
#define PLANT(field, value, words)                                                                           \
    do {                                                                                                     \
        __typeof__(field) before_ = (field);                                                                 \
        (field) = (value);                                                                                   \
        bool found_ = finds(words);                                                                          \
        (field) = before_;                                                                                   \
        assert_true(found_);                                                                                 \
    } while (0)

static uint64_t *entry_of(zx_vaddr_t at)
{
    zx_paddr_t pa = aspace->table.root;

    for (unsigned level = 3;; level--) {
        uint64_t *entry = (uint64_t *)port_phys_to_virt(pa) + (at >> (12 + 9 * level) & 511);
        if (level == 0)
            return entry;
        pa = *entry & X86_PTE_ADDRESS;
    }
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
    PLANT(mapping->protections.end, mapping->protections.end - PAGE_SIZE, "protection ranges are broken");
}

static void test_vmo(void **state)
{
    struct vm_page *page = vmo_page_locked(vmo, 0);

    (void)state;
    PLANT(vmo->size, 0, "a page past its end");
    PLANT(vmo->size, vmo->size + 1, "its size is none");
    PLANT(vmo->object.refs, 9, "its references are not its handles, mappings, slices and the host");
    PLANT(vmo->child_count, 1, "another number of children");
    PLANT(page->sharers, 1, "1 VMOs hold it, it says 2");
    PLANT(page->sharers, 1, "a page that other VMOs hold too, writable");
    PLANT(mapping->vmo_limit, PAGE_SIZE, "past the end of the VMO");
    PLANT(mapping->vmo_offset, 1, "unaligned");
    PLANT(mapping->vmo_offset, PAGE_SIZE, "the VMO holds no page there");
    PLANT(page->vmo, NULL, "it is another's");
    PLANT(page->vmo_offset, PAGE_SIZE, "it is another's");
    PLANT(page->state, VM_PAGE_ALLOC, "it is another's");
    PLANT(vmo->pages.count, 3, "another number of pages");
    PLANT(mapping->link.height, 0, "not in the tree of a VMO");
    PLANT(mapping->link.zero, false, "the mapping does not know of");
}

static void test_translations(void **state)
{
    uint64_t *written = entry_of(va), *zero = entry_of(va + 2 * PAGE_SIZE), *readable = entry_of(other_va);

    (void)state;
    PLANT(*readable, *readable | X86_PTE_WRITABLE, "more than the protection in force");
    PLANT(*written, *written & ~X86_PTE_NX, "more than the protection in force");
    PLANT(*written, *written & ~X86_PTE_USER, "for users just where");
    PLANT(*written, *written + PAGE_SIZE, "not the page that the VMO holds there");
    PLANT(*zero, *zero | X86_PTE_WRITABLE, "the zero page, writable");
    PLANT(*zero, *zero + PAGE_SIZE, "the VMO holds no page there");
    PLANT(written[-1], *written, "in no mapping");
    PLANT(written[3], *written, "the VMO holds no page there");
    PLANT(vmo->size, PAGE_SIZE, "past the end of the VMO");
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
    static struct kept kept;

    (void)state;
    kept = (struct kept){.sink = {.write = keep}};
    vm_aspace_dump(vm_machine->kernel_aspace, &kept.sink);
    assert_non_null(
        strstr(kept.text, "space 'kernel' kernel [0xffffff8000000000, 0x10000000000000000) 512G"));
    assert_non_null(strstr(kept.text, "vmar"));
    assert_null(strstr(kept.text, " 0x0)"));
}

/* The words of a space, whole and around an address; one space checked by itself; its name. */
static void test_one_space(void **state)
{
    static struct kept kept;
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
    kept = (struct kept){.sink = {.write = keep}};
    vm_aspace_dump_all(&kept.sink);
    assert_non_null(strstr(kept.text, "space 'kernel' kernel"));
    assert_non_null(strstr(kept.text, "' user"));
    kept = (struct kept){.sink = {.write = keep}};
    vm_aspace_dump_around(aspace, 0, &kept.sink);
    assert_non_null(strstr(kept.text, "0x0 is outside of it"));
    kept = (struct kept){.sink = {.write = keep}};
    vm_aspace_dump_around(aspace, mapping->region.base, &kept.sink);
    assert_non_null(strstr(kept.text, "mapping ["));
    kept = (struct kept){.sink = {.write = keep}};
    vm_aspace_dump_around(kernel, VM_KERNEL_ASPACE_BASE, &kept.sink);
    assert_non_null(strstr(kept.text, "gap [0xffffff8000000000, 0x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places, start, stop),
        cmocka_unit_test_setup_teardown(test_rights, start, stop),
        cmocka_unit_test_setup_teardown(test_vmo, start, stop),
        cmocka_unit_test_setup_teardown(test_translations, start, stop),
        cmocka_unit_test_setup_teardown(test_spaces_and_objects, start, stop),
        cmocka_unit_test_setup_teardown(test_machine, start, stop),
        cmocka_unit_test_setup_teardown(test_leaked_node, start, stop),
        cmocka_unit_test_setup_teardown(test_last_end, start, stop),
        cmocka_unit_test_setup_teardown(test_one_space, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
