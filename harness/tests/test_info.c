/* SPDX-License-Identifier: MIT */
/*
 * test_info.c: what zx_object_get_info tells of memory, held against the machine itself; the walk over a
 * space from inside. What the call answers is in the conformance suite.
 */
#include "calls.h"

#include "../../vm/internal.h"

#define READ ZX_VM_PERM_READ

/* The figures are the machine's own. */
static void test_kmem_stats(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0);
    zx_info_kmem_stats_t info;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 8 * PAGE, NULL, 0));
    assert_ok(zx_object_get_info(vmo, ZX_INFO_KMEM_STATS, &info, sizeof(info), NULL, NULL));
    assert_int_equal(info.total_bytes, 64u << 20);
    assert_int_equal(info.vmo_bytes, 8 * PAGE);
    assert_int_equal(info.other_bytes, PAGE); /* the zero page */
    assert_int_equal(info.free_bytes, stats_now().pages_free * PAGE);
    assert_int_equal(info.mmu_overhead_bytes, stats_now().page_tables * PAGE);
    assert_int_equal(info.total_heap_bytes - info.free_heap_bytes, stats_now().heap_bytes);
}

/* ---- PROCESS_MAPS ---- */

#define RECORDS 64

static size_t maps_of(zx_handle_t process, zx_info_maps_t records[RECORDS])
{
    size_t actual, avail;
    assert_ok(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records, RECORDS * sizeof(*records), &actual,
                                 &avail));
    assert_int_equal(actual, avail < RECORDS ? avail : RECORDS);
    return avail;
}

/* The same walk, cut after any number of records, tells the same; also when what it stands in dies. */
static void test_maps_in_pieces(void **state)
{
    (void)state;
    enum { MANY = 10 };
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0), vmars[MANY], inner;
    zx_vaddr_t bases[MANY], addr;
    zx_info_maps_t records[RECORDS], pieces[RECORDS];
    for (unsigned i = 0; i < MANY; i++) {
        assert_ok(zx_vmar_allocate(root, EVERYTHING, 0, 4 * PAGE, &vmars[i], &bases[i]));
        assert_ok(zx_vmar_allocate(vmars[i], EVERYTHING | ZX_VM_SPECIFIC, 0, PAGE, &inner, &addr));
        assert_ok(zx_vmar_map(inner, READ, 0, vmo, 0, PAGE, &addr));
        assert_ok(zx_vmar_map(vmars[i], READ, 0, vmo, 0, PAGE, &addr));
    }
    size_t all = maps_of(zx_process_self(), records), count;
    assert_int_equal(all, 2 + 4 * MANY);
    struct vm_aspace *aspace = vm_process_aspace(port_current_process());
    struct maps_walk walk;
    for (size_t most = 2; most <= all + 1; most++) {
        size_t told = 0;
        maps_walk_start(&walk, aspace);
        do {
            check_status(maps_walk_next(&walk, &pieces[told], most, &count), ZX_OK, __FILE__, __LINE__);
            told += count;
        } while (count != 0);
        maps_walk_end(&walk);
        assert_int_equal(told, all);
        assert_memory_equal(pieces, records, all * sizeof(*records));
    }
    /* Every second one is destroyed while the walk is in it: the others are told all the same. */
    size_t tops = 0, told = 0;
    maps_walk_start(&walk, aspace);
    do {
        check_status(maps_walk_next(&walk, pieces, 2, &count), ZX_OK, __FILE__, __LINE__);
        for (size_t i = 0; i < count; i++) {
            told++;
            if (pieces[i].depth != 2)
                continue;
            for (unsigned v = 0; v < MANY && tops % 2 == 0; v++)
                if (bases[v] == pieces[i].base)
                    check_status(zx_vmar_destroy(vmars[v]), ZX_OK, __FILE__, __LINE__);
            tops++;
        }
    } while (count != 0);
    maps_walk_end(&walk);
    assert_int_equal(tops, MANY);
    assert_true(told < all && told >= 2 + MANY);
    assert_int_equal(maps_of(zx_process_self(), records), 2 + 4 * (MANY / 2));
}

/* Where the walk stands in a VMAR that dies, it goes on in the one around it: behind what it has told, whether or
   not the two begin at one place. */
static void test_maps_where_the_inner_dies(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), outer, inner;
    zx_info_maps_t records[4];
    struct maps_walk walk;
    zx_vaddr_t base, at, behind;
    size_t count;
    for (size_t offset = 0; offset <= PAGE; offset += PAGE) {
        assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 4 * PAGE, &outer, &base));
        assert_ok(zx_vmar_allocate(outer, EVERYTHING | ZX_VM_SPECIFIC, offset, PAGE, &inner, &at));
        assert_ok(zx_vmar_map(inner, READ | ZX_VM_SPECIFIC, 0, vmo, 0, PAGE, &at));
        assert_ok(zx_vmar_map(outer, READ | ZX_VM_SPECIFIC, 3 * PAGE, vmo, 0, PAGE, &behind));
        maps_walk_start(&walk, vm_process_aspace(port_current_process()));
        assert_int_equal(maps_walk_next(&walk, records, 4, &count), ZX_OK); /* space, root, outer, inner */
        assert_int_equal(records[3].base, at);
        assert_int_equal(zx_vmar_destroy(inner), ZX_OK);
        assert_int_equal(maps_walk_next(&walk, records, 4, &count), ZX_OK);
        assert_int_equal(count, 1);
        assert_int_equal(records[0].base, behind);
        maps_walk_end(&walk);
        assert_ok(zx_vmar_destroy(outer));
    }
}

/* A VMAR that begins just where a told mapping ended, in a VMAR that died, is still to be told. */
static void test_maps_behind_the_dead(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), outer, inner, next;
    zx_info_maps_t records[5];
    struct maps_walk walk;
    zx_vaddr_t base, at, behind;
    size_t count;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 4 * PAGE, &outer, &base));
    assert_ok(zx_vmar_allocate(outer, EVERYTHING | ZX_VM_SPECIFIC, 0, PAGE, &inner, &at));
    assert_ok(zx_vmar_map(inner, READ | ZX_VM_SPECIFIC, 0, vmo, 0, PAGE, &at));
    assert_ok(zx_vmar_allocate(outer, EVERYTHING | ZX_VM_SPECIFIC, PAGE, PAGE, &next, &behind));
    maps_walk_start(&walk, vm_process_aspace(port_current_process()));
    assert_int_equal(maps_walk_next(&walk, records, 5, &count), ZX_OK);
    assert_int_equal(count, 5); /* space, root, outer, inner, mapping */
    assert_int_equal(records[4].type, ZX_INFO_MAPS_TYPE_MAPPING);
    assert_int_equal(zx_vmar_destroy(inner), ZX_OK);
    assert_int_equal(maps_walk_next(&walk, records, 5, &count), ZX_OK);
    assert_int_equal(count, 1);
    assert_int_equal(records[0].base, behind);
    maps_walk_end(&walk);
}

/* A space that goes while the walk is in it. */
static void test_maps_of_the_dying(void **state)
{
    (void)state;
    struct vm_process *process = vm_process_create("mortal");
    zx_info_maps_t records[2];
    zx_info_task_stats_t stats;
    struct maps_walk walk;
    struct vm_vmar *child;
    size_t count;
    assert_int_equal(vmar_allocate(process_root(process), 0, 0, PAGE, &child), ZX_OK);
    vm_object_release(&child->object);
    maps_walk_start(&walk, vm_process_aspace(process));
    assert_int_equal(maps_walk_next(&walk, records, 2, &count), ZX_OK);
    vm_process_kill(process);
    assert_int_equal(maps_walk_next(&walk, records, 2, &count), ZX_ERR_BAD_STATE);
    assert_int_equal(count, 0);
    maps_walk_end(&walk);
    assert_int_equal(aspace_task_stats(vm_process_aspace(process), &stats), ZX_ERR_BAD_STATE);
    vm_process_release(process);
}

/* So many pages and mappings of them that they are counted in parts: each once, wherever a part ends. */
static void test_stats_in_parts(void **state)
{
    (void)state;
    const size_t size = 128 * PAGE;
    const unsigned count = 40;
    zx_handle_t vmo = make_vmo(size, 0), vmar, inner;
    zx_info_task_stats_t before, after;
    zx_vaddr_t base, at;
    struct vm_aspace *aspace = vm_process_aspace(port_current_process());
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, size, NULL, 0));
    assert_int_equal(aspace_task_stats(aspace, &before), ZX_OK);
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 100 * size, &vmar, &base));
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING | ZX_VM_SPECIFIC, count * size, count * size, &inner, &at));
    for (unsigned i = 0; i < count; i++)
        assert_ok(zx_vmar_map(i % 2 == 0 ? vmar : inner, READ | ZX_VM_SPECIFIC, i * size, vmo, 0, size, &at));
    assert_int_equal(aspace_task_stats(aspace, &after), ZX_OK);
    assert_int_equal(after.mem_mapped_bytes - before.mem_mapped_bytes, count * size);
    assert_int_equal(after.mem_private_bytes - before.mem_private_bytes, count * size);
    assert_int_equal(after.mem_shared_bytes, before.mem_shared_bytes);
    assert_ok(zx_vmar_destroy(vmar));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_kmem_stats),           TEST(test_stats_in_parts),
                                       TEST(test_maps_in_pieces),       TEST(test_maps_where_the_inner_dies),
                                       TEST(test_maps_behind_the_dead), TEST(test_maps_of_the_dying)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
