/* SPDX-License-Identifier: MIT */
/* faults.c: from promise to translation: page faults, soft faults of pages and of ranges, accessed faults. */
#include "behaviour.h"

#define PAGES 100

/* ---- Single pages ---- */

TEST(page_fault)
{
    zx_handle_t vmo = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE);
    zx_vaddr_t va = 0, code, none;
    const uint32_t user = VM_PF_FLAG_USER | VM_PF_FLAG_HW_FAULT | VM_PF_FLAG_NOT_PRESENT;
    STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), RW | ZX_VM_ALLOW_FAULTS, 0, vmo, 0, 4 * PAGE, &va));
    code = map_somewhere(make_executable_vmo(PAGE), RX, 1);
    none = map_somewhere(make_vmo(PAGE, 0), 0, 1);
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_page_fault(self(), 0, user));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_page_fault(self(), UINT64_MAX, user));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_page_fault(self(), va - 1, user));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_page_fault(self(), va, user | VM_PF_FLAG_INSTRUCTION));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_page_fault(self(), none, user));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_page_fault(self(), code, user | VM_PF_FLAG_WRITE));
    STATUS(ZX_OK, vm_aspace_page_fault(self(), code, user | VM_PF_FLAG_INSTRUCTION));
    STATUS(ZX_OK, zx_vmo_set_size(vmo, 2 * PAGE));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_page_fault(self(), va + 2 * PAGE, user));
    OK(vm_aspace_page_fault(self(), va + 5, user | VM_PF_FLAG_WRITE));
    CHECK_EQUAL(entry_at(self(), va).flags, MMU_RW | ARCH_MMU_USER);
    REFUSED(ZX_OK, vm_aspace_page_fault(self(), va + 6, user | VM_PF_FLAG_WRITE));
}

/* The zero page until the first write, which gets a page of its own. */
TEST(first_read_then_write)
{
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t va = map_somewhere(vmo, RW, 4), other = map_somewhere(vmo, R, 4);
    CHECK_EQUAL(get_byte(self(), va + 7), 0);
    CHECK_EQUAL(get_byte(self(), other + 7), 0);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 0);
    CHECK_EQUAL(entry_at(self(), va).flags & ARCH_MMU_WRITE, 0);
    CHECK_EQUAL(entry_at(self(), va).paddr, entry_at(self(), other).paddr);
    put_byte(self(), va + 7, 'w');
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 1);
    CHECK_EQUAL(get_byte(self(), other + 7), 'w');
    CHECK_EQUAL(get_byte(self(), va + 8), 0);
    CHECK_EQUAL(entry_at(self(), va).paddr, entry_at(self(), other).paddr);
    check_sound();
}

/* Pages that are there already come along, and only those. */
TEST(neighbours_come_along)
{
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, PAGES * PAGE, NULL, 0));
    zx_vaddr_t va = map_somewhere(vmo, RW, PAGES), lazy = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    put_byte(self(), va + 20 * PAGE, 'n');
    size_t entered = count_entered(self(), va, PAGES);
    CHECK(entered > 1 && entered <= 16);
    put_byte(self(), lazy, 'l');
    CHECK_EQUAL(count_entered(self(), lazy, 4), 1);
    check_sound();
}

/* Permission that protect gives arrives with the next fault; what it takes is gone at once. */
TEST(permissions_come_and_go)
{
    zx_vaddr_t va = map_somewhere(make_vmo(2 * PAGE, 0), RW, 2);
    char byte = 'p';
    put_byte(self(), va, byte);
    STATUS(ZX_OK, zx_vmar_protect(zx_vmar_root_self(), R, va, PAGE));
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_user(self(), va, &byte, BEHAVIOUR_WRITE));
    STATUS(ZX_OK, zx_vmar_protect(zx_vmar_root_self(), RW, va, PAGE));
    CHECK_EQUAL(entry_at(self(), va).flags & ARCH_MMU_WRITE, 0);
    put_byte(self(), va, byte);
    STATUS(ZX_OK, zx_vmar_unmap(zx_vmar_root_self(), va, PAGE));
    STATUS(ZX_ERR_NOT_FOUND, behaviour_user(self(), va, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(get_byte(self(), va + PAGE), 0);
}

/* Of a space that is not the one that runs; spurious ones are fine. */
TEST(soft_fault)
{
    zx_handle_t process, root, vmo = make_vmo(2 * PAGE, 0);
    zx_vaddr_t va;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "other", 5, 0, &process, &root));
    struct vm_aspace *other = space_of(process);
    STATUS(ZX_OK, zx_vmar_map(root, RW, 0, vmo, 0, 2 * PAGE, &va));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_soft_fault(other, va + 2 * PAGE, VM_PF_FLAG_WRITE));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_soft_fault(other, va, VM_PF_FLAG_INSTRUCTION));
    OK(vm_aspace_soft_fault(other, va + 3, VM_PF_FLAG_WRITE));
    CHECK_EQUAL(entry_at(other, va).flags, MMU_RW | ARCH_MMU_USER);
    REFUSED(ZX_OK, vm_aspace_soft_fault(other, va, VM_PF_FLAG_WRITE));
    REFUSED(ZX_OK, vm_aspace_soft_fault(other, va, 0));
    put_byte(other, va, 'o');
    CHECK_EQUAL(byte_of(vmo, 0), 'o');
}

/* ---- Ranges ---- */

TEST(range_refusals)
{
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), R, 4);
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_soft_fault_in_range(self(), va, 0, 0));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_soft_fault_in_range(self(), va, 0, UINT64_MAX - va + 1));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, PAGE));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_soft_fault_in_range(self(), 0, 0, 1));
    /* up to the gap behind the mapping */
    STATUS(ZX_ERR_NOT_FOUND, vm_aspace_soft_fault_in_range(self(), va + 5, 0, 4 * PAGE));
    CHECK_EQUAL(count_entered(self(), va, 4), 4);
    check_sound();
}

TEST(range_read_and_write)
{
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    zx_vaddr_t va = map_somewhere(vmo, RW, PAGES);
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va + PAGE + 7, VM_PF_FLAG_WRITE, 70 * PAGE));
    CHECK_EQUAL(count_entered(self(), va, PAGES), 71);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 71);
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va, 0, PAGES * PAGE));
    CHECK_EQUAL(count_entered(self(), va, PAGES), PAGES);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 71);
    /* where the zero page is shown, page by page */
    zx_vaddr_t other = map_somewhere(vmo, R, PAGES);
    CHECK_EQUAL(get_byte(self(), other + 90 * PAGE), 0);
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, PAGES * PAGE));
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), PAGES);
    put_byte(self(), va + 90 * PAGE, 'x');
    CHECK_EQUAL(get_byte(self(), other + 90 * PAGE), 'x');
    check_sound();
}

/* What is there already ends a run of pages that are made for writing. */
TEST(range_with_pages)
{
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 10 * PAGE, PAGE, NULL, 0));
    zx_vaddr_t va = map_somewhere(vmo, RW, PAGES);
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 20 * PAGE));
    CHECK_EQUAL(count_entered(self(), va, PAGES), 20);
}

TEST(range_of_shared_pages)
{
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), snapshot;
    zx_vaddr_t va = map_somewhere(vmo, RW, 8);
    for (size_t i = 0; i < 8; i++)
        put_byte(self(), va + i * PAGE, (char)i);
    STATUS(ZX_OK, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 8 * PAGE, &snapshot));
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va, 0, 8 * PAGE));
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 8);
    OK_ONCE(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 8 * PAGE));
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 16);
    for (size_t i = 0; i < 8; i++)
        CHECK_EQUAL(get_byte(self(), va + i * PAGE), (char)i);
}

TEST(range_past_the_end)
{
    zx_handle_t vmo = make_vmo(8 * PAGE, ZX_VMO_RESIZABLE);
    zx_vaddr_t va = map_somewhere(vmo, RW | ZX_VM_ALLOW_FAULTS, 8);
    STATUS(ZX_OK, zx_vmo_set_size(vmo, 3 * PAGE));
    STATUS(ZX_ERR_OUT_OF_RANGE, vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 8 * PAGE));
    CHECK_EQUAL(count_entered(self(), va, 8), 3);
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_soft_fault_in_range(self(), va + 3 * PAGE, 0, 1));
}

TEST(range_without_memory)
{
    zx_status_t status = ZX_ERR_NO_MEMORY;
    for (unsigned nth = 1; status != ZX_OK; nth++) {
        zx_vaddr_t va = map_somewhere(make_vmo(20 * PAGE, 0), RW, 20);
        uint64_t before = pmm_count(VM_PAGE_OBJECT);
        NOTE(nth);
        CHECK(nth < 1000);
        (void)conformance_fail_allocation(nth, true);
        status = vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 20 * PAGE);
        (void)conformance_fail_allocation(0, false);
        /* a page is there where it is entered, and nowhere else */
        CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT) - before, count_entered(self(), va, 20));
        CHECK(status == ZX_OK || status == ZX_ERR_NO_MEMORY);
        check_sound();
    }
}

/* Of a space that shows two others: either side, and not across. */
TEST(range_of_a_unified_space)
{
    zx_handle_t first, next, shared, own, vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t high, low;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &first, &shared));
    STATUS(ZX_OK, zx_process_create_shared(first, 0, "next", 4, &next, &own));
    struct vm_aspace *unified = space_of(next);
    STATUS(ZX_OK, zx_vmar_map(shared, RW, 0, vmo, 0, 4 * PAGE, &high));
    STATUS(ZX_OK, zx_vmar_map(own, RW, 0, vmo, 0, 4 * PAGE, &low));
    OK_ONCE(vm_aspace_soft_fault_in_range(unified, low, VM_PF_FLAG_WRITE, 4 * PAGE));
    OK_ONCE(vm_aspace_soft_fault_in_range(unified, high, VM_PF_FLAG_WRITE, 4 * PAGE));
    CHECK_EQUAL(count_entered(unified, low, 4) + count_entered(unified, high, 4), 8);
    STATUS(ZX_OK, vm_aspace_accessed_fault(unified, high));
    REFUSED(ZX_ERR_NOT_FOUND,
            vm_aspace_soft_fault_in_range(unified, VM_SHARED_ASPACE_BASE - PAGE, 0, 2 * PAGE));
}

/* ---- Accessed faults ---- */

TEST(accessed_fault)
{
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_accessed_fault(self(), va));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_accessed_fault(self(), UINT64_MAX));
    STATUS(ZX_OK, vm_aspace_soft_fault_in_range(self(), va, 0, 2 * PAGE));
    struct page_table_entry before = entry_at(self(), va);
    CHECK(!before.accessed);
    OK(vm_aspace_accessed_fault(self(), va + 9));
    struct page_table_entry after = entry_at(self(), va);
    CHECK(after.accessed && !after.dirty && after.flags == before.flags && after.paddr == before.paddr);
    CHECK(!entry_at(self(), va + PAGE).accessed);
    CHECK(!vm_aspace_is_active(self()));
}

const struct conformance_test faults_tests[] = {
    CASE(page_fault),
    CASE(first_read_then_write),
    CASE(neighbours_come_along),
    CASE(permissions_come_and_go),
    CASE(soft_fault),
    CASE(range_refusals),
    CASE(range_read_and_write),
    CASE(range_with_pages),
    CASE(range_of_shared_pages),
    CASE(range_past_the_end),
    CASE(range_without_memory),
    CASE(range_of_a_unified_space),
    CASE(accessed_fault),
    NO_MORE_CASES,
};
