/* SPDX-License-Identifier: MIT */
/*
 * test_harvest.c: soft faults of ranges, accessed flags, harvests, and dropping of page tables. White-box.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"
#include "../processor.h"

#define RW    (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define PAGES 100

static struct vm_aspace *self(void)
{
    return vm_process_aspace(port_current_process());
}

static zx_vaddr_t map_vmo(zx_handle_t vmo, zx_vm_option_t perms, size_t pages)
{
    zx_vaddr_t va = 0;
    assert_ok(zx_vmar_map(zx_vmar_root_self(), perms, 0, vmo, 0, pages * PAGE, &va));
    return va;
}

static bool is_entered(zx_vaddr_t va, struct page_table_entry *entry)
{
    return page_table_query(&self()->table, va, entry) == ZX_OK;
}

static size_t count_entered(zx_vaddr_t va, size_t pages)
{
    struct page_table_entry entry;
    size_t count = 0;
    for (size_t i = 0; i < pages; i++)
        count += is_entered(va + i * PAGE, &entry);
    return count;
}

static void put_byte(zx_vaddr_t va, char byte)
{
    check_status(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE), ZX_OK, __FILE__, __LINE__);
}

static char get_byte(zx_vaddr_t va)
{
    char byte = 0;
    check_status(zvm_access(zx_process_self(), va, &byte, 1, ZVM_READ), ZX_OK, __FILE__, __LINE__);
    return byte;
}

static bool is_accessed(zx_vaddr_t va)
{
    struct page_table_entry entry;
    assert_true(is_entered(va, &entry));
    return entry.accessed;
}

static void harvest(bool free_unaccessed, bool clear)
{
    vm_aspace_harvest_all_user_accessed_bits(
        free_unaccessed ? VM_NON_TERMINAL_FREE_UNACCESSED : VM_NON_TERMINAL_RETAIN,
        clear ? VM_TERMINAL_UPDATE_AGE_AND_HARVEST : VM_TERMINAL_UPDATE_AGE);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* ---- Soft faults of ranges ---- */

static void test_range_refusals(void **state)
{
    (void)state;
    zx_vaddr_t va = map_vmo(make_vmo(4 * PAGE, 0), ZX_VM_PERM_READ, 4);
    assert_refused(vm_aspace_soft_fault_in_range(self(), va, 0, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_soft_fault_in_range(self(), va, 0, UINT64_MAX - va + 1), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(vm_aspace_soft_fault_in_range(self(), 0, 0, 1), ZX_ERR_NOT_FOUND);
    /* up to the gap behind the mapping */
    assert_int_equal(vm_aspace_soft_fault_in_range(self(), va + 5, 0, 4 * PAGE), ZX_ERR_NOT_FOUND);
    assert_int_equal(count_entered(va, 4), 4);
    assert_int_equal(zvm_check(), ZX_OK);
}

static void test_range_read_and_write(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    zx_vaddr_t va = map_vmo(vmo, RW, PAGES);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va + PAGE + 7, VM_PF_FLAG_WRITE, 70 * PAGE));
    assert_int_equal(count_entered(va, PAGES), 71);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 71);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, 0, PAGES * PAGE));
    assert_int_equal(count_entered(va, PAGES), PAGES);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 71);
    /* where the zero page is shown, page by page */
    zx_vaddr_t other = map_vmo(vmo, ZX_VM_PERM_READ, PAGES);
    assert_int_equal(get_byte(other + 90 * PAGE), 0);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, PAGES * PAGE));
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), PAGES);
    put_byte(va + 90 * PAGE, 'x');
    assert_int_equal(get_byte(other + 90 * PAGE), 'x');
}

static void test_range_of_shared_pages(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), snapshot;
    zx_vaddr_t va = map_vmo(vmo, RW, 8);
    for (size_t i = 0; i < 8; i++)
        put_byte(va + i * PAGE, (char)i);
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 8 * PAGE, &snapshot));
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, 0, 8 * PAGE));
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 8);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 8 * PAGE));
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 16);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(get_byte(va + i * PAGE), (char)i);
}

static void test_range_past_the_end(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, ZX_VMO_RESIZABLE);
    zx_vaddr_t va = map_vmo(vmo, RW | ZX_VM_ALLOW_FAULTS, 8);
    assert_ok(zx_vmo_set_size(vmo, 3 * PAGE));
    assert_int_equal(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 8 * PAGE),
                     ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(count_entered(va, 8), 3);
    assert_refused(vm_aspace_soft_fault_in_range(self(), va + 3 * PAGE, 0, 1), ZX_ERR_OUT_OF_RANGE);
}

static void test_range_without_memory(void **state)
{
    (void)state;
    for (unsigned nth = 1;; nth++) {
        zx_vaddr_t va = map_vmo(make_vmo(PAGES * PAGE, 0), RW, PAGES);
        uint64_t before = pmm_count(VM_PAGE_OBJECT);
        assert_true(nth < 1000);
        zvm_fail_allocation(nth, true);
        zx_status_t status = vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, PAGES * PAGE);
        zvm_fail_allocation(0, false);
        assert_int_equal(zvm_check(), ZX_OK);
        /* a page is there where it is entered, and nowhere else */
        assert_int_equal(pmm_count(VM_PAGE_OBJECT) - before, count_entered(va, PAGES));
        if (status == ZX_OK)
            break;
        check_status(status, ZX_ERR_NO_MEMORY, __FILE__, __LINE__);
    }
}

static void test_range_of_frames(void **state)
{
    (void)state;
    struct vm_vmo *vmo;
    zx_handle_t handle;
    assert_ok(vm_vmo_create_contiguous((4u << 20) + 40 * PAGE, 21, &vmo));
    assert_ok(vm_vmo_give(vmo, port_current_process(), ZX_DEFAULT_VMO_RIGHTS, &handle));
    zx_vaddr_t va = map_vmo(handle, RW | ALIGN(21), 1024 + 40);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, 0, (4u << 20) + 40 * PAGE));
    assert_int_equal(count_entered(va, 1024 + 40), 1024 + 40);
    get_byte(va);
    harvest(false, true);
    assert_false(is_accessed(va));
    harvest(true, true);
    vm_vmo_release(vmo);
}

/* ---- Accessed flags ---- */

static void test_accessed_fault(void **state)
{
    (void)state;
    zx_vaddr_t va = map_vmo(make_vmo(4 * PAGE, 0), RW, 4);
    assert_refused(vm_aspace_accessed_fault(self(), va), ZX_ERR_NOT_FOUND);
    assert_refused(vm_aspace_accessed_fault(self(), UINT64_MAX), ZX_ERR_NOT_FOUND);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, 0, 2 * PAGE));
    assert_false(is_accessed(va));
    assert_ok(vm_aspace_accessed_fault(self(), va + 9));
    assert_true(is_accessed(va));
    assert_false(is_accessed(va + PAGE));
    assert_false(vm_aspace_is_active(self()));
}

static void test_flags_are_taken_back(void **state)
{
    (void)state;
    uint64_t counts[VM_PAGE_AGES];
    zx_vaddr_t va = map_vmo(make_vmo(4 * PAGE, 0), RW, 4);
    for (size_t i = 0; i < 4; i++)
        put_byte(va + i * PAGE, 'a');
    assert_true(vm_aspace_is_active(self()));
    harvest(false, false);
    assert_true(is_accessed(va));
    assert_false(vm_aspace_is_active(self()));
    get_byte(va);
    harvest(false, true);
    assert_false(is_accessed(va));
    /* what the processor remembers must not keep the flag from being set again */
    assert_int_equal(get_byte(va + PAGE), 'a');
    assert_true(is_accessed(va + PAGE));
    harvest(false, true);
    vm_page_queue_counts(counts);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 3);
    for (size_t i = 0; i < 10; i++)
        harvest(false, true);
    vm_page_queue_counts(counts);
    assert_int_equal(counts[VM_PAGE_AGES - 1], 4);
    get_byte(va);
    harvest(false, true);
    vm_page_queue_counts(counts);
    assert_int_equal(counts[0], 1);
}

/* ---- Tables ---- */

static void test_two_passes(void **state)
{
    (void)state;
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t va = map_vmo(vmo, RW, 4), other = map_vmo(vmo, RW, 4);
    put_byte(va, 'p');
    get_byte(other);
    uint64_t before = pmm_count(VM_PAGE_MMU);
    harvest(true, true);
    assert_int_equal(pmm_count(VM_PAGE_MMU), before);
    assert_int_equal(get_byte(other), 'p');
    harvest(true, true);
    assert_int_equal(count_entered(va, 1), 0);
    assert_int_equal(count_entered(other, 1), 1);
    harvest(true, true);
    assert_int_equal(pmm_count(VM_PAGE_MMU), empty);
    harvest(true, true);
    assert_int_equal(get_byte(va), 'p');
}

static void test_left_alone(void **state)
{
    (void)state;
    zx_vaddr_t va = map_vmo(make_vmo(PAGE, 0), RW, 1);
    struct vm_vmar *root = vm_aspace_root_vmar(self());
    vm_vmar_release(root); /* its space keeps it */
    put_byte(va, 'h');
    assert_ok(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    for (unsigned i = 0; i < 3; i++)
        harvest(true, true);
    assert_true(is_accessed(va));
    assert_ok(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_DEFAULT));
    harvest(true, true);
    harvest(true, true);
    assert_int_equal(count_entered(va, 1), 0);
    /* nobody has used what is entered ahead: there is nothing to read */
    assert_ok(vm_aspace_soft_fault(self(), va, 0));
    harvest(true, true);
    assert_int_equal(count_entered(va, 1), 1);
}

static void test_drop(void **state)
{
    (void)state;
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    zx_vaddr_t va = map_vmo(make_vmo(4 * PAGE, 0), RW, 4);
    put_byte(va + PAGE, 'd');
    assert_int_equal(get_byte(va), 0);
    vm_aspace_drop_user_page_tables(vm_aspace_kernel());
    vm_aspace_drop_user_page_tables(self());
    assert_int_equal(pmm_count(VM_PAGE_MMU), empty);
    assert_int_equal(zvm_check(), ZX_OK);
    assert_int_equal(get_byte(va + PAGE), 'd');
    assert_int_equal(get_byte(va), 0);
    vm_aspace_drop_all_user_page_tables();
    assert_int_equal(pmm_count(VM_PAGE_MMU), empty);
    assert_int_equal(get_byte(va + PAGE), 'd');
    assert_int_equal(zvm_check(), ZX_OK);
}

/* ---- Shared spaces ---- */

static char member_access(zx_handle_t member, zx_vaddr_t va, char byte, uint32_t kind)
{
    check_status(zvm_access(member, va, &byte, 1, kind), ZX_OK, __FILE__, __LINE__);
    return byte;
}

static void test_unified(void **state)
{
    (void)state;
    zx_handle_t first, next, shared, own, vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t high, low;
    assert_ok(zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &first, &shared));
    assert_ok(zx_process_create_shared(first, 0, "next", 4, &next, &own));
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    assert_ok(zx_vmar_map(shared, RW, 0, vmo, 0, 4 * PAGE, &high));
    assert_ok(zx_vmar_map(own, RW, 0, vmo, 0, 4 * PAGE, &low));
    member_access(next, high, 'u', ZVM_WRITE);
    assert_int_equal(member_access(next, low, 0, ZVM_READ), 'u');
    /* used by way of the unified space alone: its notes count for what it shows */
    uint64_t before = pmm_count(VM_PAGE_MMU);
    harvest(true, true);
    assert_int_equal(pmm_count(VM_PAGE_MMU), before);
    harvest(true, true);
    assert_int_equal(pmm_count(VM_PAGE_MMU), empty);
    assert_int_equal(member_access(next, high, 0, ZVM_READ), 'u');
    assert_int_equal(member_access(next, low, 0, ZVM_READ), 'u');
    struct vm_process *process;
    assert_ok(vm_process_from_handle(next, &process));
    struct vm_aspace *unified = vm_process_aspace(process);
    vm_aspace_drop_user_page_tables(unified);
    assert_int_equal(pmm_count(VM_PAGE_MMU), empty);
    assert_ok(vm_aspace_soft_fault_in_range(unified, low, VM_PF_FLAG_WRITE, 4 * PAGE));
    assert_ok(vm_aspace_soft_fault_in_range(unified, high, VM_PF_FLAG_WRITE, 4 * PAGE));
    assert_ok(vm_aspace_accessed_fault(unified, high));
    assert_int_equal(member_access(next, low, 0, ZVM_READ), 'u');
    vm_process_release(process);
}

/* ---- The checker ---- */

static void test_checker(void **state)
{
    (void)state;
    zx_vaddr_t va = map_vmo(make_vmo(PAGE, 0), RW, 1);
    struct page_table_entry entry;
    put_byte(va, 'c');
    assert_true(is_entered(va, &entry));
    struct vm_page *page = pmm_page_at(entry.paddr);
    uint64_t pages;
    page->seen++;
    assert_false(page_queue_check(&pages, &vm_log_sink));
    page->seen--;
    vm_machine->page_queue.counts[0]++;
    assert_false(vm_check(&vm_log_sink));
    vm_machine->page_queue.counts[0]--;
    page_queue_remove(page);
    assert_false(vm_check(&vm_log_sink));
    page_queue_add(page);
    assert_int_equal(vm_page_age(page), 0);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* What is there already ends a run of pages that are made for writing. */
static void test_range_with_pages(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 10 * PAGE, PAGE, NULL, 0));
    zx_vaddr_t va = map_vmo(vmo, RW, PAGES);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_WRITE, 20 * PAGE));
    assert_int_equal(count_entered(va, PAGES), 20);
}

/* Memory of a device has no age; a page whose table nobody used may have been used itself. */
static void test_odd_leaves(void **state)
{
    struct pmm_range device = host_memory_map(PAGE);
    struct vm_vmo *vmo;
    zx_handle_t handle;
    (void)state;
    assert_ok(vm_vmo_create_physical(device.base, PAGE, &vmo));
    assert_ok(vm_vmo_give(vmo, port_current_process(), ZX_DEFAULT_VMO_RIGHTS, &handle));
    vm_vmo_release(vmo);
    zx_vaddr_t va = map_vmo(handle, RW, 1), other = map_vmo(make_vmo(PAGE, 0), RW, 1);
    put_byte(va, 'd');
    put_byte(other, 'o');
    harvest(false, true);
    put_byte(other, 'o');
    harvest(true, true);
    assert_ok(vm_aspace_accessed_fault(self(), other));
    harvest(true, true);
    assert_int_equal(get_byte(other), 'o');
    assert_int_equal(get_byte(va), 'd');
    assert_ok(zx_vmar_unmap(zx_vmar_root_self(), va, PAGE));
    host_memory_unmap(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_range_refusals),
        TEST(test_range_read_and_write),
        TEST(test_range_of_shared_pages),
        TEST(test_range_past_the_end),
        TEST(test_range_without_memory),
        TEST(test_range_of_frames),
        TEST(test_accessed_fault),
        TEST(test_flags_are_taken_back),
        TEST(test_two_passes),
        TEST(test_left_alone),
        TEST(test_drop),
        TEST(test_range_with_pages),
        TEST(test_odd_leaves),
        TEST(test_unified),
        TEST(test_checker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
