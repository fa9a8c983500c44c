/* SPDX-License-Identifier: MIT */
/*
 * test_guest.c: spaces of guest-physical addresses: extended page tables, written by the core, walked by the software
 * processor in their own format. White-box; what a guest sees is in ../behaviour/guest.c.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include "../../vm/page_table_entry.h"
#include "../host_port.h"
#include "../processor.h"

#define MIB2 ((size_t)2 << 20)
#define GIB  ((size_t)1 << 30)
#define RW   (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define RWX  (RW | ZX_VM_PERM_EXECUTE)

static struct vm_aspace *guest;

static int setup(void **state)
{
    if (machine_start(state) != 0)
        return -1;
    guest = vm_aspace_create(VM_ASPACE_GUEST_PHYSICAL, "guest");
    return guest != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    vm_aspace_destroy(guest);
    vm_aspace_release(guest);
    return machine_stop(state);
}

#define GUEST_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct vm_vmo *new_vmo(size_t size)
{
    struct vm_vmo *vmo;
    assert_ok(vm_vmo_from_handle(make_vmo(size, 0), &vmo));
    return vmo;
}

/* The space keeps it. */
static struct vm_vmar *root_of_guest(void)
{
    struct vm_vmar *root = vm_aspace_root_vmar(guest);
    vm_vmar_release(root);
    return root;
}

/* Maps all of the VMO at va; its reference goes to the mapping. */
static void map_vmo(struct vm_vmo *vmo, zx_vaddr_t va, uint32_t options)
{
    struct vm_mapped mapped;
    struct vm_vmar *root = root_of_guest();
    assert_ok(vmar_map(root, options | ZX_VM_SPECIFIC, va, vmo, 0, vmo_size(vmo), CAN_MAP_RWX, &mapped));
    vmar_map_end(root, &mapped, true);
    vm_vmo_release(vmo);
}

static zx_status_t access(zx_vaddr_t va, char *byte, uint32_t kind)
{
    size_t done;
    return processor_access(guest, va, byte, 1, kind, &done);
}

static void expect_access(zx_vaddr_t va, uint32_t kind, zx_status_t expected)
{
    char byte = 'g';
    check_status(access(va, &byte, kind), expected, __FILE__, __LINE__);
    check_status(zvm_check(), ZX_OK, __FILE__, __LINE__);
}

/* The entry for va itself, whatever its level. */
static uint64_t raw_entry(zx_vaddr_t va, unsigned *level)
{
    zx_paddr_t table = vm_aspace_table_root(guest);
    for (*level = TOP_LEVEL;; --*level) {
        const uint64_t *entries = port_phys_to_virt(table);
        uint64_t entry = entries[entry_index(va, *level)];
        if (!is_present(entry) || is_leaf(entry, *level))
            return entry;
        assert_int_equal(entry & (EPT_MEMORY_MASK | EPT_IGNORE_PAT | X86_PTE_NX), 0);
        assert_int_equal(entry & 7, EPT_READ | EPT_WRITE | EPT_EXECUTE);
        table = table_address(entry);
    }
}

static void test_permissions(void **state)
{
    static const uint32_t perms[] = {0, ZX_VM_PERM_READ, RW, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, RWX};
    static const struct {
        uint32_t kind, needs;
    } kinds[] = {{PROCESSOR_READ, ZX_VM_PERM_READ},
                 {PROCESSOR_WRITE, ZX_VM_PERM_WRITE},
                 {PROCESSOR_EXECUTE, ZX_VM_PERM_EXECUTE}};
    (void)state;
    for (unsigned i = 0; i < sizeof(perms) / sizeof(perms[0]); i++) {
        zx_vaddr_t va = (i + 1) * 16 * PAGE;
        unsigned level;
        map_vmo(new_vmo(PAGE), va, perms[i]);
        for (unsigned j = 0; j < 3; j++)
            expect_access(va, kinds[j].kind,
                          (kinds[j].needs & ~perms[i]) == 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED);
        uint64_t entry = raw_entry(va, &level);
        assert_int_equal(entry & 7, perms[i]);
        assert_int_equal(entry & EPT_MEMORY_MASK, perms[i] != 0 ? 6ull << EPT_MEMORY_SHIFT : 0);
        assert_int_equal(entry & X86_PTE_NX, 0);
    }
    /* Programs have no business here. */
    assert_int_equal(vm_aspace_page_fault(guest, 16 * PAGE * 5, VM_PF_FLAG_USER), ZX_ERR_ACCESS_DENIED);
}

/* The processor's own notes are where the format has them. */
static void test_accessed_and_dirty(void **state)
{
    struct page_table_entry entry;
    unsigned level;
    (void)state;
    struct vm_vmo *vmo = new_vmo(2 * PAGE);
    assert_ok(vmo_commit(vmo, 0, 2 * PAGE));
    map_vmo(vmo, 0, RW | ZX_VM_MAP_RANGE);
    assert_int_equal(raw_entry(0, &level) & (EPT_ACCESSED | EPT_DIRTY), 0);
    expect_access(0, PROCESSOR_READ, ZX_OK);
    assert_int_equal(raw_entry(0, &level) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
    expect_access(0, PROCESSOR_WRITE, ZX_OK);
    assert_int_equal(raw_entry(0, &level) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
    assert_ok(page_table_query(vm_aspace_page_table(guest), 0, &entry));
    assert_true(entry.accessed && entry.dirty);
    assert_int_equal(entry.flags, ARCH_MMU_READ | ARCH_MMU_WRITE);
    assert_ok(page_table_query(vm_aspace_page_table(guest), PAGE, &entry));
    assert_false(entry.accessed || entry.dirty);
    /* and stay when a permission goes */
    struct vm_vmar *root = root_of_guest();
    assert_ok(vmar_protect(root, 0, PAGE, ARCH_MMU_READ, true));
    assert_int_equal(raw_entry(0, &level) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
    expect_access(0, PROCESSOR_WRITE, ZX_ERR_ACCESS_DENIED);
}

/* Large pages of both sizes, split when a part differs. */
static void test_large_pages(void **state)
{
    struct pmm_range device = host_memory_map(4 * GIB);
    zx_paddr_t base = (device.base + GIB - 1) & ~(GIB - 1);
    struct vm_vmo *vmo;
    unsigned level;
    (void)state;
    assert_ok(vm_vmo_create_physical(base, 2 * GIB + MIB2, &vmo));
    map_vmo(vmo, 8 * GIB, RW);
    expect_access(8 * GIB + 5 * MIB2, PROCESSOR_WRITE, ZX_OK);
    assert_int_equal(raw_entry(8 * GIB, &level) & X86_PTE_LARGE, X86_PTE_LARGE);
    assert_int_equal(level, 3);
    expect_access(10 * GIB, PROCESSOR_WRITE, ZX_OK);
    (void)raw_entry(10 * GIB, &level);
    assert_int_equal(level, 2);
    struct vm_vmar *root = root_of_guest();
    assert_ok(vmar_protect(root, 8 * GIB + MIB2 + PAGE, PAGE, ARCH_MMU_READ, true));
    expect_access(8 * GIB + MIB2 + PAGE, PROCESSOR_READ, ZX_OK);
    expect_access(8 * GIB + MIB2 + PAGE, PROCESSOR_WRITE, ZX_ERR_ACCESS_DENIED);
    expect_access(8 * GIB + MIB2 + 2 * PAGE, PROCESSOR_WRITE, ZX_OK);
    (void)raw_entry(8 * GIB + MIB2 + PAGE, &level);
    assert_int_equal(level, 1);
    assert_ok(vmar_unmap(root, 8 * GIB, MIB2, true));
    expect_access(8 * GIB, PROCESSOR_READ, ZX_ERR_NOT_FOUND);
    expect_access(9 * GIB, PROCESSOR_WRITE, ZX_OK);
    (void)raw_entry(9 * GIB, &level);
    assert_int_equal(level, 3);
    assert_ok(vmar_unmap(root, 8 * GIB, 3 * GIB, true));
    host_memory_unmap(device);
}

static void test_cache_policies(void **state)
{
    static const uint64_t types[] = {6, 0, 0, 1};
    unsigned level;
    (void)state;
    for (unsigned policy = 0; policy < VM_CACHE_POLICIES; policy++) {
        struct vm_vmo *vmo;
        struct page_table_entry entry;
        zx_vaddr_t va = policy * 16 * PAGE;
        assert_ok(vm_vmo_create_contiguous(PAGE, 0, &vmo));
        assert_ok(vm_vmo_set_cache_policy(vmo, policy));
        map_vmo(vmo, va, RW);
        expect_access(va, PROCESSOR_WRITE, ZX_OK);
        assert_int_equal((raw_entry(va, &level) & EPT_MEMORY_MASK) >> EPT_MEMORY_SHIFT, types[policy]);
        assert_ok(page_table_query(vm_aspace_page_table(guest), va, &entry));
        assert_int_equal((entry.flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT, policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(test_permissions),
        GUEST_TEST(test_accessed_and_dirty),
        GUEST_TEST(test_large_pages),
        GUEST_TEST(test_cache_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
