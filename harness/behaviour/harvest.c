/* SPDX-License-Identifier: MIT */
/* harvest.c: which memory is in use: what processors have noted in tables, tables that nobody uses, dropping them. */
#include "behaviour.h"

static void harvest(bool free_unaccessed, bool clear)
{
    vm_aspace_harvest_all_user_accessed_bits(
        free_unaccessed ? VM_NON_TERMINAL_FREE_UNACCESSED : VM_NON_TERMINAL_RETAIN,
        clear ? VM_TERMINAL_UPDATE_AGE_AND_HARVEST : VM_TERMINAL_UPDATE_AGE);
    check_sound();
}

static uint64_t count_of_age(unsigned age)
{
    uint64_t counts[VM_PAGE_AGES];
    vm_page_queue_counts(counts);
    return counts[age];
}

/* The processor's own notes: read, left or taken back, made again at the next use. */
TEST(flags_are_taken_back)
{
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    for (size_t i = 0; i < 4; i++)
        put_byte(self(), va + i * PAGE, 'a');
    CHECK(vm_aspace_is_active(self()));
    harvest(false, false);
    CHECK(entry_at(self(), va).accessed && !vm_aspace_is_active(self()));
    (void)get_byte(self(), va);
    harvest(false, true);
    CHECK(!entry_at(self(), va).accessed);
    /* what the processor remembers must not keep the flag from being set again */
    CHECK_EQUAL(get_byte(self(), va + PAGE), 'a');
    CHECK(entry_at(self(), va + PAGE).accessed);
    CHECK(!entry_at(self(), va).accessed);
}

TEST(pages_grow_old)
{
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    for (size_t i = 0; i < 4; i++)
        put_byte(self(), va + i * PAGE, 'a');
    harvest(false, true);
    CHECK_EQUAL(count_of_age(0), 4);
    (void)get_byte(self(), va + PAGE);
    harvest(false, true);
    CHECK(count_of_age(0) == 1 && count_of_age(1) == 3);
    for (size_t i = 0; i < 10; i++)
        harvest(false, true);
    CHECK_EQUAL(count_of_age(VM_PAGE_AGES - 1), 4);
    (void)get_byte(self(), va);
    harvest(false, true);
    CHECK_EQUAL(count_of_age(0), 1);
    CHECK_EQUAL(vm_page_age(pmm_page_at(entry_at(self(), va).paddr)), 0);
}

/* Two passes after the last use the tables are gone; the next use brings them back. */
TEST(two_passes)
{
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t va = map_somewhere(vmo, RW, 4), other = map_somewhere(vmo, RW, 4);
    put_byte(self(), va, 'p');
    (void)get_byte(self(), other);
    uint64_t before = pmm_count(VM_PAGE_MMU);
    harvest(true, true);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), before);
    CHECK_EQUAL(get_byte(self(), other), 'p');
    harvest(true, true);
    CHECK(count_entered(self(), va, 1) == 0 && count_entered(self(), other, 1) == 1);
    harvest(true, true);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    harvest(true, true);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    CHECK_EQUAL(get_byte(self(), va), 'p');
}

TEST(high_priority_is_left_alone)
{
    zx_vaddr_t va = map_somewhere(make_vmo(PAGE, 0), RW, 1);
    struct vm_vmar *root = vmar_behind(zx_vmar_root_self());
    put_byte(self(), va, 'h');
    STATUS(ZX_OK, vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    for (unsigned i = 0; i < 3; i++)
        harvest(true, true);
    CHECK(entry_at(self(), va).accessed);
    STATUS(ZX_OK, vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_DEFAULT));
    harvest(true, true);
    harvest(true, true);
    CHECK_EQUAL(count_entered(self(), va, 1), 0);
}

/* Nobody has used what is entered ahead: there is nothing to read. */
TEST(idle_spaces_are_left_alone)
{
    zx_vaddr_t va = map_somewhere(make_vmo(PAGE, 0), RW, 1);
    STATUS(ZX_OK, vm_aspace_soft_fault(self(), va, 0));
    for (unsigned i = 0; i < 3; i++)
        harvest(true, true);
    CHECK_EQUAL(count_entered(self(), va, 1), 1);
    vm_aspace_note_active(self());
    CHECK(vm_aspace_is_active(self()));
    harvest(true, true);
    harvest(true, true);
    CHECK_EQUAL(count_entered(self(), va, 1), 0);
}

TEST(drop)
{
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    put_byte(self(), va + PAGE, 'd');
    CHECK_EQUAL(get_byte(self(), va), 0);
    vm_aspace_drop_user_page_tables(self());
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    check_sound();
    CHECK_EQUAL(get_byte(self(), va + PAGE), 'd');
    CHECK_EQUAL(get_byte(self(), va), 0);
    check_sound();
}

TEST(drop_all)
{
    zx_handle_t process, root, vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t va = map_somewhere(vmo, RW, 4), other;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "other", 5, 0, &process, &root));
    STATUS(ZX_OK, zx_vmar_map(root, RW, 0, vmo, 0, 4 * PAGE, &other));
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    put_byte(self(), va, 'd');
    CHECK_EQUAL(get_byte(space_of(process), other), 'd');
    vm_aspace_drop_all_user_page_tables();
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    CHECK_EQUAL(count_entered(self(), va, 1) + count_entered(space_of(process), other, 1), 0);
    CHECK_EQUAL(get_byte(space_of(process), other), 'd');
    CHECK_EQUAL(get_byte(self(), va), 'd');
    check_sound();
}

/* The kernel's memory is not faulted back by anybody: its tables stay. */
TEST(kernel_tables_stay)
{
    void *at = NULL;
    char byte = 'k';
    STATUS(ZX_OK, vm_aspace_alloc(vm_aspace_kernel(), "k", PAGE, &at, 0, VMM_FLAG_COMMIT, MMU_RW));
    zx_vaddr_t va = (zx_vaddr_t)(uintptr_t)at;
    STATUS(ZX_OK, behaviour_kernel(vm_aspace_kernel(), va, &byte, BEHAVIOUR_WRITE));
    vm_aspace_drop_user_page_tables(vm_aspace_kernel());
    vm_aspace_drop_all_user_page_tables();
    harvest(true, true);
    harvest(true, true);
    CHECK_EQUAL(count_entered(vm_aspace_kernel(), va, 1), 1);
    STATUS(ZX_OK, vm_aspace_free_region(vm_aspace_kernel(), va));
}

/* Used by way of a unified space alone: its notes count for what it shows. */
TEST(unified)
{
    zx_handle_t first, next, shared, own, vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t high, low;
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &first, &shared));
    STATUS(ZX_OK, zx_process_create_shared(first, 0, "next", 4, &next, &own));
    struct vm_aspace *space = space_of(next);
    uint64_t empty = pmm_count(VM_PAGE_MMU);
    STATUS(ZX_OK, zx_vmar_map(shared, RW, 0, vmo, 0, 4 * PAGE, &high));
    STATUS(ZX_OK, zx_vmar_map(own, RW, 0, vmo, 0, 4 * PAGE, &low));
    put_byte(space, high, 'u');
    CHECK_EQUAL(get_byte(space, low), 'u');
    uint64_t before = pmm_count(VM_PAGE_MMU);
    harvest(true, true);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), before);
    harvest(true, true);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    CHECK_EQUAL(get_byte(space, high), 'u');
    CHECK_EQUAL(get_byte(space, low), 'u');
    vm_aspace_drop_user_page_tables(space);
    CHECK_EQUAL(pmm_count(VM_PAGE_MMU), empty);
    CHECK_EQUAL(get_byte(space, low), 'u');
}

static zx_vaddr_t map_given(struct vm_vmo *vmo, zx_vm_option_t options, size_t pages)
{
    struct vm_process *process;
    zx_handle_t handle;
    STATUS(ZX_OK, vm_process_from_handle(zx_process_self(), &process));
    STATUS(ZX_OK, vm_vmo_give(vmo, process, ZX_DEFAULT_VMO_RIGHTS, &handle));
    vm_process_release(process);
    vm_vmo_release(vmo);
    return map_somewhere(handle, options, pages);
}

/* Large pages have one note for all of them. */
TEST(runs_of_frames)
{
    const size_t pages = 512 + 40;
    struct vm_vmo *vmo;
    STATUS(ZX_OK, vm_vmo_create_contiguous(pages * PAGE, 21, &vmo));
    zx_vaddr_t va = map_given(vmo, RW | ZX_VM_ALIGN_2MB, pages);
    STATUS(ZX_OK, vm_aspace_soft_fault_in_range(self(), va, 0, pages * PAGE));
    CHECK_EQUAL(count_entered(self(), va, pages), pages);
    CHECK_EQUAL(entry_at(self(), va).size, 2 * MIB);
    (void)get_byte(self(), va);
    harvest(false, true);
    CHECK(!entry_at(self(), va).accessed);
    CHECK_EQUAL(get_byte(self(), va + 77 * PAGE), 0);
    CHECK(entry_at(self(), va).accessed);
    harvest(true, true);
}

/* Memory of a device has no age; a page whose table nobody used may have been used itself. */
TEST(devices)
{
    struct vm_vmo *vmo;
    STATUS(ZX_OK, vm_vmo_create_physical(behaviour_device().base, PAGE, &vmo));
    zx_vaddr_t va = map_given(vmo, RW, 1), other = map_somewhere(make_vmo(PAGE, 0), RW, 1);
    put_byte(self(), va, 'd');
    put_byte(self(), other, 'o');
    harvest(false, true);
    put_byte(self(), other, 'o');
    harvest(true, true);
    STATUS(ZX_OK, vm_aspace_accessed_fault(self(), other));
    harvest(true, true);
    CHECK_EQUAL(get_byte(self(), other), 'o');
    CHECK_EQUAL(get_byte(self(), va), 'd');
}

const struct conformance_test harvest_tests[] = {
    CASE(flags_are_taken_back),
    CASE(pages_grow_old),
    CASE(two_passes),
    CASE(high_priority_is_left_alone),
    CASE(idle_spaces_are_left_alone),
    CASE(drop),
    CASE(drop_all),
    CASE(kernel_tables_stay),
    CASE(unified),
    CASE(runs_of_frames),
    CASE(devices),
    NO_MORE_CASES,
};
