/* SPDX-License-Identifier: MIT */
/*
 * test_fault.c: what a page fault does to the page tables, and what it leaves alone. White-box; what faults answer is in
 * harness/behaviour/faults.c.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"

#define RW     (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define PAGES  64
#define AROUND 16 /* pages that one fault enters */

static struct vm_aspace *self(void)
{
    return vm_process_aspace(port_current_process());
}

static zx_handle_t vmar; /* of the latest map_committed */

/* So many pages, committed, within one page table. */
static zx_vaddr_t map_committed(void)
{
    zx_vaddr_t base, va;
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, PAGES * PAGE, NULL, 0));
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING | ZX_VM_ALIGN_2MB, 0, (size_t)2 << 20, &vmar,
                               &base));
    assert_ok(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, 0, vmo, 0, PAGES * PAGE, &va));
    return va;
}

static struct page_table_entry entry_at(zx_vaddr_t va)
{
    struct page_table_entry entry = {0};
    if (page_table_query(&self()->table, va, &entry) != ZX_OK)
        entry.size = 0;
    return entry;
}

static size_t count_entered(zx_vaddr_t va)
{
    size_t count = 0;
    for (size_t i = 0; i < PAGES; i++)
        count += entry_at(va + i * PAGE).size != 0;
    return count;
}

static void fault(zx_vaddr_t va, uint32_t flags)
{
    assert_ok(vm_aspace_page_fault(self(), va, flags));
}

/* A fault on what is there does nothing, nor does it need anything. */
static void test_spurious(void **state)
{
    char byte = 'a';
    (void)state;
    zx_vaddr_t va = map_committed();
    fault(va, VM_PF_FLAG_WRITE | VM_PF_FLAG_USER);
    assert_int_equal(count_entered(va), AROUND);
    assert_ok(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE));
    uint64_t asked = host_allocation_count();
    fault(va, VM_PF_FLAG_WRITE | VM_PF_FLAG_USER);
    fault(va + (AROUND - 1) * PAGE + 5, VM_PF_FLAG_USER);
    assert_int_equal(count_entered(va), AROUND);
    assert_int_equal(host_allocation_count(), asked);
    assert_true(entry_at(va).accessed && entry_at(va).dirty);
    assert_false(entry_at(va + PAGE).accessed);
}

/* Where the translation allows less than is needed, it and those behind it get what the mapping allows. */
static void test_insufficient(void **state)
{
    (void)state;
    zx_vaddr_t va = map_committed();
    fault(va, 0);
    assert_ok(zx_vmar_protect(vmar, ZX_VM_PERM_READ, va, PAGES * PAGE));
    fault(va + AROUND / 2 * PAGE, 0);
    assert_int_equal(count_entered(va), AROUND);
    assert_int_equal(entry_at(va).flags & ARCH_MMU_WRITE, 0);
    assert_ok(zx_vmar_protect(vmar, RW, va, PAGES * PAGE));
    fault(va, 0);
    assert_int_equal(entry_at(va).flags & ARCH_MMU_WRITE, 0);
    fault(va + PAGE, VM_PF_FLAG_WRITE);
    assert_int_equal(entry_at(va).flags & ARCH_MMU_WRITE, 0);
    assert_true(entry_at(va + PAGE).flags & ARCH_MMU_WRITE);
    assert_true(entry_at(va + AROUND * PAGE).flags & ARCH_MMU_WRITE);
    assert_int_equal(count_entered(va), AROUND + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_spurious), TEST(test_insufficient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
