/* SPDX-License-Identifier: MIT */
/*
 * test_fault.c: what a page fault does to the page tables, what it leaves alone, and how many mappings a write looks at.
 * White-box; what faults answer is in harness/behaviour/faults.c.
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

/* ---- Where a write looks for the zero page ---- */

#define READERS   40
#define FAR       200 /* the last page of the VMO */
#define LOOKS     16  /* that one zero page pays for, each time one is taken away */
#define READ_ONLY ZX_VM_PERM_READ

static struct vm_vmo *shown; /* FAR + 1 pages */
static zx_handle_t shown_handle;
static zx_vaddr_t readers[READERS], writer;

static void map_readers(void)
{
    shown_handle = make_vmo((FAR + 1) * PAGE, ZX_VMO_RESIZABLE);
    assert_ok(vm_vmo_from_handle(shown_handle, &shown));
    vm_vmo_release(shown); /* the handle holds it */
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, shown_handle, 0, (FAR + 1) * PAGE, &writer));
    for (size_t i = 0; i < READERS; i++)
        assert_ok(
            zx_vmar_map(zx_vmar_root_self(), READ_ONLY, 0, shown_handle, 0, (FAR + 1) * PAGE, &readers[i]));
}

static char read_at(zx_vaddr_t va)
{
    char byte = 'x';
    assert_int_equal(zvm_access(zx_process_self(), va, &byte, 1, ZVM_READ), ZX_OK);
    return byte;
}

static void write_at(zx_vaddr_t va, char byte)
{
    assert_int_equal(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE), ZX_OK);
}

static void all_read(size_t page)
{
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(read_at(readers[i] + page * PAGE), 0);
}

/* How many mappings a write to that page, absent so far, looks at. */
static size_t looks_at(size_t page)
{
    size_t count = 0;
    const struct vm_mapping *mapping =
        mapping_tree_first(&shown->mappings, page * PAGE, (page + 1) * PAGE, true);
    for (; mapping != NULL; mapping = mapping_tree_next(mapping, page * PAGE, (page + 1) * PAGE, true))
        count++;
    return count;
}

/* So many writes to absent pages, from `first` on; how many mappings they look at. */
static size_t write_pages(size_t first, size_t count)
{
    size_t looks = 0;
    for (size_t i = 0; i < count; i++) {
        looks += looks_at(first + i);
        write_at(writer + (first + i) * PAGE, 'w');
    }
    assert_ok(zvm_check());
    return looks;
}

/* Who has read one place is looked at for that place alone. */
static void test_zero_page_elsewhere(void **state)
{
    (void)state;
    map_readers();
    for (size_t i = 0; i < READERS; i++) /* on both sides of what is written, in turn */
        assert_int_equal(read_at(readers[i] + (i % 2 == 0 ? 2 : FAR) * PAGE), 0);
    assert_int_equal(write_pages(10, 50), 0);
    for (size_t i = 0; i < READERS; i++)
        assert_int_not_equal(entry_at(readers[i] + (i % 2 == 0 ? 2 : FAR) * PAGE).size, 0);
    assert_int_equal(write_pages(2, 1), READERS / 2);
    assert_int_equal(write_pages(FAR, 1), READERS / 2);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(read_at(readers[i] + (i % 2 == 0 ? 2 : FAR) * PAGE), 'w');
}

/* Who has read two places far apart is looked at in vain a limited number of times. */
static void test_zero_pages_far_apart(void **state)
{
    (void)state;
    map_readers();
    all_read(0);
    all_read(FAR);
    assert_int_equal(write_pages(10, LOOKS - 1), READERS * (LOOKS - 1));
    for (size_t i = 0; i < READERS; i++)
        assert_int_not_equal(entry_at(readers[i]).size, 0);
    assert_int_equal(write_pages(10 + LOOKS - 1, 100), READERS);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(entry_at(readers[i]).size, 0);
        assert_int_not_equal(entry_at(readers[i] + FAR * PAGE).size, 0);
    }
    all_read(0); /* it comes back, and the same again */
    assert_int_equal(write_pages(10 + LOOKS + 99, 60), READERS * LOOKS);
    assert_int_equal(write_pages(FAR, 1), READERS);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(read_at(readers[i] + FAR * PAGE), 'w');
}

/* What the mapping has between the two is passed, a limited number of pages at a time, and stays. */
static void test_zero_pages_around_others(void **state)
{
    (void)state;
    map_readers();
    for (size_t page = 1; page <= 40; page++)
        write_at(writer + page * PAGE, 'w');
    all_read(0);
    all_read(FAR);
    for (size_t i = 0; i < READERS; i++)
        for (size_t page = 1; page <= 40; page++)
            assert_int_equal(read_at(readers[i] + page * PAGE), 'w');
    /* each is looked at twice by the write that narrows it the first time */
    assert_int_equal(write_pages(50, 100), READERS * (2 * LOOKS - 1));
    for (size_t i = 0; i < READERS; i++)
        for (size_t page = 1; page <= 40; page++)
            assert_int_not_equal(entry_at(readers[i] + page * PAGE).size, 0);
}

/* Who has lost its tables has lost what it showed, and is found out. */
static void test_zero_pages_dropped(void **state)
{
    (void)state;
    map_readers();
    all_read(0);
    all_read(FAR);
    vm_aspace_drop_user_page_tables(self());
    assert_int_equal(write_pages(50, 100), READERS * LOOKS);
    assert_int_equal(looks_at(0), 0);
    assert_int_equal(looks_at(FAR), 0);
}

/* Whatever removes translations on the VMO's behalf, or with a part of the mapping, is remembered. */
static void test_zero_pages_removed(void **state)
{
    (void)state;
    map_readers();
    for (size_t page = 20; page < 30; page++)
        all_read(page);
    assert_ok(zx_vmo_op_range(shown_handle, ZX_VMO_OP_DECOMMIT, 10 * PAGE, 12 * PAGE, NULL, 0));
    assert_int_equal(looks_at(21), 0);
    assert_int_equal(looks_at(22), READERS);
    assert_ok(zx_vmo_set_size(shown_handle, 28 * PAGE));
    assert_int_equal(looks_at(28), 0);
    assert_int_equal(looks_at(27), READERS);
    assert_int_equal(write_pages(22, 2), READERS * 2);
    assert_int_equal(looks_at(24), READERS);
    for (size_t i = 0; i < READERS; i++) /* a hole in the middle of what is left */
        assert_ok(zx_vmar_unmap(zx_vmar_root_self(), readers[i] + 25 * PAGE, 2 * PAGE));
    assert_int_equal(looks_at(24), READERS);
    assert_int_equal(looks_at(25), 0);
    assert_int_equal(looks_at(26), 0);
    assert_int_equal(write_pages(27, 1), READERS);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(read_at(readers[i] + 27 * PAGE), 'w');
}

/* ---- Several mappings of one VMO against an array ---- */

#define SIDES 5
#define SPAN  24

struct view {
    zx_handle_t vmo, vmar;
    zx_vaddr_t base[SIDES];
    bool mapped[SIDES][SPAN], writable[SIDES][SPAN];
    char bytes[SPAN]; /* one of each page, at its beginning */
    struct prng prng;
};

static size_t below(struct view *view, size_t limit)
{
    return (size_t)prng_below(&view->prng, limit);
}

static void map_side(struct view *view, size_t side, size_t first, size_t count, uint32_t perms)
{
    zx_vaddr_t at;
    zx_vaddr_t offset = view->base[side] - view->base[0] + first * PAGE;
    assert_int_equal(zx_vmar_map(view->vmar, perms | ZX_VM_SPECIFIC_OVERWRITE, offset, view->vmo,
                                 first * PAGE, count * PAGE, &at),
                     ZX_OK);
    for (size_t page = first; page < first + count; page++) {
        view->mapped[side][page] = true;
        view->writable[side][page] = (perms & ZX_VM_PERM_WRITE) != 0;
    }
}

static void open_view(struct view *view)
{
    *view = (struct view){.vmo = make_vmo(SPAN * PAGE, 0)};
    prng_seed(&view->prng, 7, 8);
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 2 * SIDES * SPAN * PAGE, &view->vmar,
                               &view->base[0]));
    for (size_t side = 0; side < SIDES; side++) {
        view->base[side] = view->base[0] + 2 * side * SPAN * PAGE;
        map_side(view, side, 0, SPAN, RW);
    }
}

/* All that can be read is what the array says. */
static void compare_side(struct view *view, size_t side)
{
    for (size_t page = 0; page < SPAN; page++)
        if (view->mapped[side][page])
            assert_int_equal(read_at(view->base[side] + page * PAGE), view->bytes[page]);
}

static void change_parts(struct view *view, size_t side, size_t page, size_t count)
{
    zx_vaddr_t va = view->base[side] + page * PAGE;
    uint32_t perms = below(view, 2) == 0 ? RW : READ_ONLY;
    switch (below(view, 3)) {
    case 0:
        assert_int_equal(zx_vmar_unmap(view->vmar, va, count * PAGE), ZX_OK);
        memset(&view->mapped[side][page], false, count);
        break;
    case 1:
        map_side(view, side, page, count, perms);
        break;
    default:
        for (size_t i = page; i < page + count; i++) {
            if (!view->mapped[side][i])
                continue;
            assert_int_equal(zx_vmar_protect(view->vmar, perms, view->base[side] + i * PAGE, PAGE), ZX_OK);
            view->writable[side][i] = perms == RW;
        }
    }
}

static void change_vmo(struct view *view, size_t page, size_t count)
{
    zx_handle_t child;
    char byte = (char)(1 + below(view, 100));
    switch (below(view, 6)) {
    case 0:
        assert_int_equal(zx_vmo_create_child(view->vmo, ZX_VMO_CHILD_SNAPSHOT, 0, SPAN * PAGE, &child),
                         ZX_OK);
        assert_int_equal(zx_handle_close(child), ZX_OK);
        break;
    case 1:
        vm_aspace_drop_user_page_tables(self());
        break;
    case 2:
    case 3:
        assert_int_equal(zx_vmo_write(view->vmo, &byte, page * PAGE, 1), ZX_OK);
        view->bytes[page] = byte;
        break;
    default:
        assert_int_equal(zx_vmo_op_range(view->vmo, ZX_VMO_OP_DECOMMIT, page * PAGE, count * PAGE, NULL, 0),
                         ZX_OK);
        memset(&view->bytes[page], 0, count);
    }
}

static void step(struct view *view)
{
    size_t side = below(view, SIDES), page = below(view, SPAN), count = 1 + below(view, SPAN - page);
    zx_vaddr_t va = view->base[side] + page * PAGE;
    size_t what = below(view, 100);
    if (what < 3)
        change_parts(view, side, page, count);
    else if (what < 12)
        change_vmo(view, page, below(view, 4) == 0 ? count : 1);
    else if (what < 16)
        (void)vm_aspace_soft_fault_in_range(self(), va, VM_PF_FLAG_USER, count * PAGE);
    else if (!view->mapped[side][page])
        return;
    else if (what < 60 || !view->writable[side][page])
        assert_int_equal(read_at(va), view->bytes[page]);
    else
        write_at(va, view->bytes[page] = (char)what);
}

static void test_views_agree(void **state)
{
    struct view view;
    (void)state;
    open_view(&view);
    for (unsigned i = 0; i < 20000; i++) {
        step(&view);
        if (i % 5 == 0)
            assert_int_equal(zvm_check(), ZX_OK);
        if (i % 50 == 0)
            compare_side(&view, below(&view, SIDES));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_spurious),
        TEST(test_insufficient),
        TEST(test_zero_page_elsewhere),
        TEST(test_zero_pages_far_apart),
        TEST(test_zero_pages_around_others),
        TEST(test_zero_pages_dropped),
        TEST(test_zero_pages_removed),
        TEST(test_views_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
