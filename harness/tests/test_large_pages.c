/* SPDX-License-Identifier: MIT */
/*
 * test_large_pages.c: memory of anonymous VMOs that is committed by the 2 MiB is shown by large pages, and stays what
 * it is to everybody else: single pages, each of which can go, be pinned, be shared, differ in permission. White-box.
 */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

#include <vm/page_queue.h>

#include "../../vm/internal.h"
#include "../host_port.h"

#define R      ZX_VM_PERM_READ
#define RW     (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define BLOCK  VM_LARGE_SIZE
#define MIDDLE (7 * PAGE) /* a page within a block */

static zx_handle_t vmar; /* of the latest map_at */

/* At an address that is as far behind a multiple of 2 MiB as `skew` says. */
static zx_vaddr_t map_at(zx_handle_t vmo, uint64_t offset, size_t size, size_t skew, zx_vm_option_t options)
{
    zx_vaddr_t base, va;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING | ZX_VM_ALIGN_2MB, 0, size + 2 * BLOCK, &vmar,
                               &base));
    assert_ok(zx_vmar_map(vmar, options | ZX_VM_SPECIFIC, skew, vmo, offset, size, &va));
    return va;
}

static struct vm_vmo *vmo_of(zx_handle_t handle)
{
    struct vm_vmo *vmo;
    assert_ok(vm_vmo_from_handle(handle, &vmo));
    vm_vmo_release(vmo); /* the handle keeps it */
    return vmo;
}

static struct vm_page *page_of(zx_handle_t vmo, uint64_t offset)
{
    return vmo_page_locked(vmo_of(vmo), offset);
}

static struct vm_aspace *self(void)
{
    return vm_process_aspace(port_current_process());
}

static size_t entered_size(struct vm_aspace *aspace, zx_vaddr_t va)
{
    struct page_table_entry entry;
    return page_table_query(&aspace->table, va, &entry) == ZX_OK ? entry.size : 0;
}

/* The size of the page that shows va; 0: none. */
static size_t size_at(zx_vaddr_t va)
{
    return entered_size(self(), va);
}

static void put(zx_vaddr_t va, char byte)
{
    assert_ok(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE));
}

static char get(zx_vaddr_t va)
{
    char byte = 'x';
    assert_ok(zvm_access(zx_process_self(), va, &byte, 1, ZVM_READ));
    return byte;
}

static uint64_t committed(zx_handle_t vmo)
{
    zx_info_vmo_t info;
    assert_ok(zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    return info.committed_bytes;
}

static void commit(zx_handle_t vmo, uint64_t offset, uint64_t size)
{
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, offset, size, NULL, 0));
}

/* A VMO of two blocks, all of it committed. */
static zx_handle_t make_committed(uint32_t options)
{
    zx_handle_t vmo = make_vmo(2 * BLOCK, options);
    commit(vmo, 0, 2 * BLOCK);
    return vmo;
}

static void assert_dumped(const char *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_ok(zvm_dump(zx_process_self(), to));
    (void)fclose(to);
    if (strstr(text, words) == NULL)
        fail_msg("no \"%s\" in:\n%s", words, text);
    free(text);
}

/* ---- Entering ---- */

static void test_faults(void **state)
{
    (void)state;
    zx_handle_t vmo = make_committed(0);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW), reading = map_at(vmo, 0, 2 * BLOCK, 0, R);
    for (size_t offset = 0; offset < BLOCK; offset += PAGE)
        assert_int_equal(page_of(vmo, offset)->paddr, page_of(vmo, 0)->paddr + offset);
    put(va + MIDDLE, 'a');
    assert_int_equal(size_at(va), BLOCK);
    assert_int_equal(size_at(va + BLOCK), 0);
    assert_int_equal(get(reading + MIDDLE), 'a');
    assert_int_equal(size_at(reading), BLOCK);
    char byte = 'b';
    assert_int_equal(zvm_access(zx_process_self(), reading + MIDDLE, &byte, 1, ZVM_WRITE),
                     ZX_ERR_ACCESS_DENIED);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va + PAGE, VM_PF_FLAG_WRITE, 2 * BLOCK - PAGE));
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    assert_dumped(", shown by 0 of 1 GiB, 2 of 2 MiB\n");
}

/* Not where the mapping has less of the block, or has it at another distance from a multiple of 2 MiB. */
static void test_where_it_fits(void **state)
{
    (void)state;
    zx_handle_t vmo = make_committed(0), part = make_vmo(BLOCK + 3 * PAGE, 0), slice;
    zx_vaddr_t skewed = map_at(vmo, 0, 2 * BLOCK, PAGE, RW);
    put(skewed + BLOCK, 'a');
    assert_int_equal(size_at(skewed + BLOCK), PAGE);
    /* both skewed by as much: the second block is whole */
    zx_vaddr_t va = map_at(vmo, MIDDLE, 2 * BLOCK - MIDDLE, MIDDLE, RW);
    put(va, 'b');
    put(va + BLOCK, 'c');
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    va = map_at(vmo, 0, 2 * BLOCK - PAGE, 0, RW);
    put(va + BLOCK, 'd');
    assert_int_equal(size_at(va + BLOCK), PAGE);
    /* what is no whole block is committed page by page, and the VMO may end within what is mapped */
    commit(part, 0, BLOCK + 3 * PAGE);
    assert_ok(zx_vmo_create_child(part, ZX_VMO_CHILD_SLICE, 0, BLOCK - PAGE, &slice));
    va = map_at(part, 0, 2 * BLOCK, 0, RW);
    put(va, 'e');
    put(va + BLOCK, 'f');
    assert_int_equal(size_at(va), BLOCK);
    assert_int_equal(size_at(va + BLOCK), PAGE);
    va = map_at(slice, 0, BLOCK, 0, RW);
    assert_int_equal(get(va), 'e');
    assert_int_equal(size_at(va), PAGE);
}

static void test_at_once(void **state)
{
    (void)state;
    zx_handle_t vmo = make_committed(0), fresh = make_vmo(2 * BLOCK, 0);
    zx_vaddr_t va = map_at(vmo, PAGE, 2 * BLOCK - PAGE, PAGE, RW | ZX_VM_MAP_RANGE);
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    /* zx_vmar_op_range commits, and enters what is missing in a table that is there */
    va = map_at(fresh, 0, 2 * BLOCK, 0, RW);
    assert_int_equal(get(va + MIDDLE), 0);
    assert_ok(zx_vmar_op_range(vmar, ZX_VMAR_OP_COMMIT, va, 2 * BLOCK, NULL, 0));
    put(va + BLOCK + MIDDLE, 'a');
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    assert_ok(zx_vmar_protect(vmar, R, va, PAGE));
    put(va + MIDDLE, 'b');
    assert_ok(zx_vmar_op_range(vmar, ZX_VMAR_OP_MAP_RANGE, va, 2 * BLOCK, NULL, 0));
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(size_at(va + BLOCK - PAGE), PAGE);
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    /* in the kernel's own space */
    void *at;
    assert_ok(vm_aspace_alloc(vm_aspace_kernel(), "large", 2 * BLOCK, &at, VM_LARGE_SHIFT, VMM_FLAG_COMMIT,
                              ARCH_MMU_READ | ARCH_MMU_WRITE));
    assert_int_equal(entered_size(vm_aspace_kernel(), (zx_vaddr_t)at + BLOCK), BLOCK);
    assert_ok(vm_aspace_free_region(vm_aspace_kernel(), (zx_vaddr_t)at));
}

/* Pages that take the place of the zero page, and of a table of small ones. */
static void test_after_the_zero_page(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(2 * BLOCK, 0);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW), other = map_at(vmo, 0, 2 * BLOCK, 0, R);
    assert_ok(vm_aspace_soft_fault_in_range(self(), va, 0, 2 * BLOCK));
    assert_int_equal(get(other + MIDDLE), 0);
    commit(vmo, 0, BLOCK);
    assert_int_equal(size_at(va), 0);
    put(va, 'a');
    assert_int_equal(size_at(va), BLOCK);
    assert_int_equal(size_at(va + BLOCK), PAGE);
    assert_int_equal(get(other), 'a');
    assert_int_equal(size_at(other + MIDDLE), BLOCK);
    assert_int_equal(get(other + BLOCK), 0);
}

/* ---- Parts of a large page ---- */

static void test_decommit_part(void **state)
{
    (void)state;
    zx_handle_t vmo = make_committed(0);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW);
    put(va + MIDDLE, 'a');
    put(va + MIDDLE + PAGE, 'b');
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, MIDDLE, PAGE, NULL, 0));
    assert_int_equal(size_at(va + MIDDLE), 0);
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(get(va + MIDDLE), 0);
    assert_int_equal(get(va + MIDDLE + PAGE), 'b');
    assert_int_equal(committed(vmo), 2 * BLOCK - PAGE);
    put(va + MIDDLE, 'c');
    assert_int_equal(size_at(va + MIDDLE), PAGE);
    /* without memory for the table the large page goes, and comes again page by page */
    put(va + BLOCK + MIDDLE, 'd');
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    zvm_fail_allocation(1, true);
    assert_int_equal(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, BLOCK, PAGE, NULL, 0), ZX_OK);
    zvm_fail_allocation(0, false);
    assert_int_equal(size_at(va + BLOCK + MIDDLE), 0);
    assert_int_equal(get(va + BLOCK + MIDDLE), 'd');
    assert_int_equal(get(va + BLOCK), 0);
    assert_int_equal(size_at(va + BLOCK + MIDDLE), PAGE);
}

static void test_protect_and_unmap_parts(void **state)
{
    char byte = 'x';
    (void)state;
    zx_handle_t vmo = make_committed(ZX_VMO_RESIZABLE);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW);
    put(va, 'a');
    assert_ok(zx_vmar_protect(vmar, R, va + MIDDLE, PAGE));
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(zvm_access(zx_process_self(), va + MIDDLE, &byte, 1, ZVM_WRITE), ZX_ERR_ACCESS_DENIED);
    put(va + MIDDLE + PAGE, 'b');
    assert_ok(zx_vmar_protect(vmar, RW, va + MIDDLE, PAGE));
    put(va + MIDDLE, 'c');
    assert_int_equal(size_at(va), BLOCK);
    assert_int_equal(get(va), 'a');
    assert_int_equal(get(va + MIDDLE + PAGE), 'b');
    put(va + BLOCK, 'd');
    assert_ok(zx_vmar_unmap(vmar, va + BLOCK + MIDDLE, PAGE));
    assert_int_equal(size_at(va + BLOCK + MIDDLE), 0);
    assert_int_equal(get(va + BLOCK), 'd');
    assert_ok(zx_vmo_set_size(vmo, BLOCK + PAGE));
    assert_int_equal(size_at(va + BLOCK + PAGE), 0);
    assert_int_equal(get(va + BLOCK), 'd');
    assert_int_equal(zvm_access(zx_process_self(), va + BLOCK + PAGE, &byte, 1, ZVM_READ),
                     ZX_ERR_OUT_OF_RANGE);
}

/* While others hold the pages none is in a large page; nor where one has been copied. */
static void test_snapshots(void **state)
{
    zx_handle_t child;
    (void)state;
    zx_handle_t vmo = make_committed(0);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW);
    put(va + MIDDLE, 'a');
    put(va + BLOCK + MIDDLE, 'b');
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * BLOCK, &child));
    zx_vaddr_t copy = map_at(child, 0, 2 * BLOCK, 0, RW);
    assert_int_equal(get(va + MIDDLE), 'a');
    assert_int_equal(get(copy + MIDDLE), 'a');
    assert_int_equal(size_at(va + MIDDLE), PAGE);
    assert_int_equal(size_at(copy + MIDDLE), PAGE);
    put(copy + MIDDLE, 'c');
    assert_int_equal(get(va + MIDDLE), 'a');
    assert_ok(zx_vmar_destroy(vmar));
    assert_ok(zx_handle_close(child));
    put(va + MIDDLE, 'd');
    put(va + BLOCK + MIDDLE, 'e');
    assert_int_equal(size_at(va), BLOCK); /* the parent has what it had, alone again */
    assert_int_equal(size_at(va + BLOCK), BLOCK);
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, BLOCK, &child));
    put(va, 'f');
    assert_ok(zx_handle_close(child));
    put(va + PAGE, 'g');
    assert_int_equal(size_at(va + PAGE), PAGE);
    assert_int_equal(get(va + MIDDLE), 'd');
}

static void test_pins(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(BLOCK, 0);
    assert_ok(vm_vmo_pin(vmo_of(vmo), 0, BLOCK));
    zx_vaddr_t va = map_at(vmo, 0, BLOCK, 0, RW);
    put(va, 'a');
    assert_int_equal(size_at(va), BLOCK);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, MIDDLE, PAGE, NULL, 0), ZX_ERR_BAD_STATE);
    assert_int_equal(size_at(va), BLOCK);
    vm_vmo_unpin(vmo_of(vmo), MIDDLE, PAGE);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, MIDDLE, PAGE, NULL, 0));
    assert_int_equal(size_at(va + MIDDLE), 0);
    vm_vmo_unpin(vmo_of(vmo), 0, MIDDLE);
    vm_vmo_unpin(vmo_of(vmo), MIDDLE + PAGE, BLOCK - MIDDLE - PAGE);
}

/* A processor notes the use of the whole. */
static void test_harvest(void **state)
{
    (void)state;
    zx_handle_t vmo = make_committed(0);
    zx_vaddr_t va = map_at(vmo, 0, 2 * BLOCK, 0, RW);
    put(va, 'a');
    vm_aspace_note_active(self());
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_RETAIN, VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    assert_int_equal(vm_page_age(page_of(vmo, BLOCK - PAGE)), 0);
    assert_int_equal(vm_page_age(page_of(vmo, BLOCK)), 1);
    for (int pass = 0; pass < 3; pass++) {
        vm_aspace_note_active(self());
        vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_FREE_UNACCESSED,
                                                 VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
        assert_ok(zvm_check());
    }
    assert_int_equal(size_at(va), 0);
    assert_int_equal(get(va), 'a');
    assert_int_equal(size_at(va), BLOCK);
}

/* ---- Memory ---- */

/* Where no run is free, pages of any place do. */
static void test_fragmented(void **state)
{
    (void)state;
    uint64_t all = stats_now().pages_free / VM_LARGE_PAGES * BLOCK - BLOCK;
    zx_handle_t filler = make_vmo(all, 0), vmo = make_vmo(BLOCK, 0);
    commit(filler, 0, all);
    for (uint64_t offset = 0; offset < all; offset += BLOCK)
        assert_int_equal(
            zx_vmo_op_range(filler, ZX_VMO_OP_DECOMMIT, offset + MIDDLE, BLOCK - MIDDLE, NULL, 0), ZX_OK);
    zx_handle_t rest = make_vmo(2 * BLOCK, 0);
    commit(rest, PAGE, 2 * BLOCK - PAGE); /* takes the last runs */
    commit(vmo, 0, BLOCK);
    zx_vaddr_t va = map_at(vmo, 0, BLOCK, 0, RW);
    put(va, 'a');
    assert_int_equal(size_at(va), PAGE);
    assert_int_equal(committed(vmo), BLOCK);
}

/* Each allocation of a commit fails: either all of it is there, if need be of single pages, or nothing is. */
static void test_failures(void **state)
{
    (void)state;
    unsigned refused = 0, single = 0;
    for (unsigned nth = 1; nth <= 40; nth++) {
        zx_handle_t vmo = make_vmo(BLOCK + PAGE, 0);
        uint64_t asked = host_allocation_count();
        zvm_fail_allocation(nth, nth % 2 == 0);
        zx_status_t status = zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, BLOCK + PAGE, NULL, 0);
        zvm_fail_allocation(0, false);
        assert_int_equal(committed(vmo), status == ZX_OK ? BLOCK + PAGE : 0);
        assert_true(status == ZX_OK || status == ZX_ERR_NO_MEMORY);
        refused += status != ZX_OK;
        single += status == ZX_OK && host_allocation_count() - asked > VM_LARGE_PAGES;
        assert_ok(zx_handle_close(vmo));
    }
    assert_true(refused > 4 && single > 4);
}

/* ---- At random ---- */

#define BLOCKS 3
#define PAGES  (BLOCKS * VM_LARGE_PAGES)

/* A VMO, its snapshot (or none), and the first byte of each page of theirs. */
static struct model {
    uint64_t random;
    zx_handle_t vmo[2], mapped_in[2];
    zx_vaddr_t at[2];
    bool writable[PAGES]; /* through the first VMO's mapping */
    char bytes[2][PAGES];
    uint64_t large; /* how often one was seen */
} model;

static uint64_t below(uint64_t bound)
{
    model.random = model.random * 6364136223846793005ull + 1442695040888963407ull;
    return (model.random >> 33) % bound;
}

/* Mostly whole blocks; *count of pages. */
static uint64_t draw_range(uint64_t *count)
{
    uint64_t first = below(BLOCKS) * VM_LARGE_PAGES;
    *count = (1 + below(BLOCKS - first / VM_LARGE_PAGES)) * VM_LARGE_PAGES;
    if (below(2) == 0) {
        first += below(VM_LARGE_PAGES);
        *count = 1 + below(2) * below(PAGES - first);
    }
    return first;
}

static void step_snapshot(void)
{
    zx_handle_t child;
    if (model.vmo[1] != ZX_HANDLE_INVALID) {
        assert_ok(zx_vmar_destroy(model.mapped_in[1]));
        assert_ok(zx_handle_close(model.mapped_in[1]));
        assert_ok(zx_handle_close(model.vmo[1]));
        model.vmo[1] = ZX_HANDLE_INVALID;
    } else if (zx_vmo_create_child(model.vmo[0], ZX_VMO_CHILD_SNAPSHOT, 0, BLOCKS * BLOCK, &child) == ZX_OK) {
        model.vmo[1] = child;
        model.at[1] = map_at(child, 0, BLOCKS * BLOCK, 0, RW);
        model.mapped_in[1] = vmar;
        memcpy(model.bytes[1], model.bytes[0], sizeof(model.bytes[0]));
    }
}

static void step_access(unsigned which)
{
    uint64_t page = below(PAGES);
    char byte = (char)('a' + below(26));
    if (model.vmo[which] == ZX_HANDLE_INVALID)
        return;
    zx_vaddr_t va = model.at[which] + page * PAGE;
    zx_status_t status = zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE);
    if (which == 0 && !model.writable[page])
        assert_int_equal(status, ZX_ERR_ACCESS_DENIED);
    else
        assert_true(status == ZX_OK || status == ZX_ERR_NO_MEMORY);
    if (status == ZX_OK)
        model.bytes[which][page] = byte;
    model.large += size_at(va) == BLOCK;
}

/* A step during which memory may run out. */
static void step(void)
{
    uint64_t count, first = draw_range(&count);
    zx_vaddr_t va = model.at[0] + first * PAGE;
    bool writable = below(3) != 0;
    switch (below(8)) {
    case 0: /* anew, so that runs are wanted */
        if (below(2) == 0 &&
            zx_vmo_op_range(model.vmo[0], ZX_VMO_OP_DECOMMIT, first * PAGE, count * PAGE, NULL, 0) == ZX_OK)
            memset(&model.bytes[0][first], 0, count);
        (void)zx_vmo_op_range(model.vmo[0], ZX_VMO_OP_COMMIT, first * PAGE, count * PAGE, NULL, 0);
        break;
    case 1:
        if (zx_vmo_op_range(model.vmo[0], ZX_VMO_OP_DECOMMIT, first * PAGE, PAGE, NULL, 0) == ZX_OK)
            model.bytes[0][first] = 0;
        break;
    case 2:
        if (below(2) == 0) { /* all of it, so that whole blocks have one permission */
            va = model.at[0];
            first = 0;
            count = PAGES;
        }
        if (zx_vmar_protect(model.mapped_in[0], writable ? RW : R, va, count * PAGE) == ZX_OK)
            for (uint64_t i = first; i < first + count; i++)
                model.writable[i] = writable;
        break;
    case 3:
        (void)zx_vmar_op_range(model.mapped_in[0], ZX_VMAR_OP_MAP_RANGE, va, count * PAGE, NULL, 0);
        break;
    case 4:
        (void)vm_aspace_soft_fault_in_range(self(), va, 0, count * PAGE);
        break;
    case 5:
        vm_aspace_note_active(self());
        vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_FREE_UNACCESSED,
                                                 VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
        break;
    default:
        step_access((unsigned)below(2));
    }
}

static void compare(void)
{
    char byte;
    for (unsigned which = 0; which < 2 && model.vmo[which] != ZX_HANDLE_INVALID; which++)
        for (uint64_t page = below(64); page < PAGES; page += 64) {
            assert_int_equal(zvm_access(zx_process_self(), model.at[which] + page * PAGE, &byte, 1, ZVM_READ),
                             ZX_OK);
            assert_int_equal(byte, model.bytes[which][page]);
        }
}

static void test_random(void **state)
{
    (void)state;
    model = (struct model){.random = 1, .vmo = {make_vmo(BLOCKS * BLOCK, 0), ZX_HANDLE_INVALID}};
    model.at[0] = map_at(model.vmo[0], 0, BLOCKS * BLOCK, 0, RW);
    model.mapped_in[0] = vmar;
    memset(model.writable, true, sizeof(model.writable));
    for (unsigned i = 0; i < 8000; i++) {
        if (below(40) == 0)
            step_snapshot();
        zvm_fail_allocation(below(4) == 0 ? 1 + below(6) : 0, below(2) == 0);
        step();
        zvm_fail_allocation(0, false);
        if (i % 8 == 0)
            compare();
        if (i % 16 == 0)
            assert_int_equal(zvm_check(), ZX_OK);
    }
    assert_true(model.large > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_faults),        TEST(test_where_it_fits),
        TEST(test_at_once),       TEST(test_after_the_zero_page),
        TEST(test_decommit_part), TEST(test_protect_and_unmap_parts),
        TEST(test_snapshots),     TEST(test_pins),
        TEST(test_harvest),       TEST(test_fragmented),
        TEST(test_failures),      TEST(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
