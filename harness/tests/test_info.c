/* SPDX-License-Identifier: MIT */
/*
 * test_info.c: what zx_object_get_info tells of memory, held against the machine itself; the walk over a
 * space from inside. What the call answers is in the conformance suite.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"

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

/* ---- The usage of a space ---- */

static struct vm_aspace *space_of(zx_handle_t process)
{
    struct vm_process *object;
    assert_ok(vm_process_from_handle(process, &object));
    struct vm_aspace *aspace = vm_process_aspace(object);
    vm_process_release(object); /* the handle keeps it */
    return aspace;
}

static void check_usage(struct vm_aspace *aspace, const struct vm_aspace_usage *want)
{
    struct vm_aspace_usage got;
    assert_ok(vm_aspace_get_memory_usage(aspace, &got));
    assert_int_equal(got.mapped_pages, want->mapped_pages);
    assert_int_equal(got.private_pages, want->private_pages);
    assert_int_equal(got.shared_pages, want->shared_pages);
    assert_int_equal(got.scaled_shared_bytes, want->scaled_shared_bytes);
}

/* What a mapping has past the end of the slice it shows to nobody; a mapping it is all the same. */
static void test_usage_past_slices(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), slice, process, root;
    struct vm_aspace_usage one = {.mapped_pages = 4}, other = {.mapped_pages = 4};
    zx_info_vmo_t info;
    zx_vaddr_t at;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 4 * PAGE, NULL, 0));
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 0, PAGE, &slice));
    assert_ok(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, 0, 4 * PAGE, &at));
    assert_ok(zx_vmar_map(root, READ, 0, slice, 0, 4 * PAGE, &at));
    one.private_pages = 3;
    one.shared_pages = other.shared_pages = 1;
    one.scaled_shared_bytes = other.scaled_shared_bytes = PAGE / 2;
    check_usage(space_of(zx_process_self()), &one);
    check_usage(space_of(process), &other);
    assert_ok(zx_vmar_unmap(root, at, PAGE)); /* all that is left lies past the end */
    check_usage(space_of(zx_process_self()), &(struct vm_aspace_usage){4, 4, 0, 0});
    check_usage(space_of(process), &(struct vm_aspace_usage){3, 0, 0, 0});
    assert_ok(zx_object_get_info(slice, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    assert_int_equal(info.num_mappings, 1);
    assert_int_equal(info.share_count, 1);
    zx_info_maps_t records[RECORDS];
    size_t count = maps_of(process, records);
    assert_int_equal(records[count - 1].size, 3 * PAGE);
    assert_int_equal(records[count - 1].u.mapping.committed_pages, 0);
}

#define USAGE_PAGES  24
#define USAGE_SPACES 4
#define USAGE_PARTS  24

/* Two VMOs, slices of the first, and parts of all of them in several spaces: as the test knows them. */
struct usage_world {
    uint64_t random;
    zx_handle_t vmos[4], roots[USAGE_SPACES];
    struct vm_aspace *spaces[USAGE_SPACES];
    bool committed[2][USAGE_PAGES];
    struct usage_part {
        unsigned vmo, space;         /* which of the two; which space */
        uint64_t first, size, limit; /* pages; where the slice ends */
        zx_vaddr_t at;
    } parts[USAGE_PARTS]; /* size 0: none */
};

/* Of vmos[]: which VMO is behind, and which of its pages are in the window. */
static const struct {
    unsigned vmo;
    uint64_t first, limit;
} windows[4] = {{0, 0, USAGE_PAGES}, {1, 0, USAGE_PAGES}, {0, 4, 12}, {0, 9, 10}};

static uint64_t below(struct usage_world *world, uint64_t bound)
{
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (world->random >> 33) % bound;
}

static bool part_shows(const struct usage_part *part, unsigned vmo, uint64_t page)
{
    return part->size != 0 && part->vmo == vmo && page >= part->first && page < part->first + part->size &&
           page < part->limit;
}

static unsigned spaces_that_show(const struct usage_world *world, unsigned vmo, uint64_t page)
{
    bool shows[USAGE_SPACES] = {false};
    unsigned count = 0;
    for (unsigned i = 0; i < USAGE_PARTS; i++)
        shows[world->parts[i].space] |= part_shows(&world->parts[i], vmo, page);
    for (unsigned i = 0; i < USAGE_SPACES; i++)
        count += shows[i];
    return count;
}

/* Page by page. */
static struct vm_aspace_usage usage_of(const struct usage_world *world, unsigned space)
{
    struct vm_aspace_usage usage = {0};
    for (unsigned i = 0; i < USAGE_PARTS; i++) {
        const struct usage_part *part = &world->parts[i];
        if (part->space != space)
            continue;
        usage.mapped_pages += part->size;
        for (uint64_t page = part->first; page < part->first + part->size && page < USAGE_PAGES; page++) {
            if (!world->committed[part->vmo][page] || !part_shows(part, part->vmo, page))
                continue;
            unsigned spaces = spaces_that_show(world, part->vmo, page);
            usage.private_pages += spaces == 1;
            usage.shared_pages += spaces > 1;
            usage.scaled_shared_bytes += spaces > 1 ? PAGE / spaces : 0;
        }
    }
    return usage;
}

static void step_part(struct usage_world *world)
{
    struct usage_part *part = &world->parts[below(world, USAGE_PARTS)];
    if (part->size == 0) {
        unsigned which = (unsigned)below(world, 4);
        uint64_t offset = below(world, windows[which].limit - windows[which].first);
        *part = (struct usage_part){.vmo = windows[which].vmo, .space = (unsigned)below(world, USAGE_SPACES)};
        part->first = windows[which].first + offset;
        part->limit = windows[which].limit;
        part->size = 1 + below(world, 9);
        assert_ok(zx_vmar_map(world->roots[part->space], READ, 0, world->vmos[which], offset * PAGE,
                              part->size * PAGE, &part->at));
        return;
    }
    uint64_t cut = 1 + below(world, part->size);
    bool front = below(world, 2) == 0;
    assert_ok(zx_vmar_unmap(world->roots[part->space], part->at + (front ? 0 : part->size - cut) * PAGE,
                            cut * PAGE));
    part->at += front ? cut * PAGE : 0;
    part->first += front ? cut : 0;
    part->size -= cut;
}

static void step_page(struct usage_world *world)
{
    unsigned vmo = (unsigned)below(world, 2);
    uint64_t page = below(world, USAGE_PAGES);
    bool *committed = &world->committed[vmo][page];
    *committed = !*committed;
    assert_ok(zx_vmo_op_range(world->vmos[vmo], *committed ? ZX_VMO_OP_COMMIT : ZX_VMO_OP_DECOMMIT,
                              page * PAGE, PAGE, NULL, 0));
}

/* Mappings and pages come and go; what is told is what counting page by page gives. */
static void test_usage_recounted(void **state)
{
    (void)state;
    struct usage_world world = {.random = 1};
    world.vmos[0] = make_vmo(USAGE_PAGES * PAGE, 0);
    world.vmos[1] = make_vmo(USAGE_PAGES * PAGE, 0);
    for (unsigned i = 2; i < 4; i++)
        assert_ok(zx_vmo_create_child(world.vmos[0], ZX_VMO_CHILD_SLICE, windows[i].first * PAGE,
                                      (windows[i].limit - windows[i].first) * PAGE, &world.vmos[i]));
    for (unsigned i = 0; i < USAGE_SPACES; i++) {
        zx_handle_t process;
        assert_ok(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &world.roots[i]));
        world.spaces[i] = space_of(process);
    }
    for (unsigned step = 0; step < 2000; step++) {
        if (below(&world, 3) == 0)
            step_page(&world);
        else
            step_part(&world);
        unsigned space = (unsigned)below(&world, USAGE_SPACES);
        struct vm_aspace_usage want = usage_of(&world, space);
        check_usage(world.spaces[space], &want);
    }
}

/* However many pages, mapped however often, of one VMO: it is counted once, and not again until something changes. */
static void test_usage_counts_once(void **state)
{
    (void)state;
    enum { MANY = 20 };
    zx_handle_t vmo = make_vmo(MANY * PAGE, 0), other = make_vmo(PAGE, 0);
    struct vm_aspace *aspace = space_of(zx_process_self());
    const struct vm_aspace_usage want = {MANY * MANY, MANY * MANY, 0, 0};
    zx_vaddr_t at;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, MANY * PAGE, NULL, 0));
    for (unsigned i = 0; i < MANY; i++)
        assert_ok(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, 0, MANY * PAGE, &at));
    uint64_t counts = vm_machine->count_stamp;
    struct vm_aspace_usage got;
    assert_int_equal(vm_aspace_get_memory_usage(aspace, &got), ZX_OK);
    assert_int_equal(vm_machine->count_stamp, counts + 1);
    assert_memory_equal(&got, &want, sizeof(got));
    assert_int_equal(zx_vmo_op_range(other, ZX_VMO_OP_COMMIT, 0, PAGE, NULL, 0), ZX_OK);
    assert_int_equal(vm_aspace_get_memory_usage(aspace, &got), ZX_OK);
    assert_int_equal(vm_machine->count_stamp, counts + 1);
    assert_memory_equal(&got, &want, sizeof(got));
}

struct neighbours {
    zx_handle_t vmar;
    zx_vaddr_t second;
};

static void make_alike(void *context)
{
    const struct neighbours *neighbours = context;
    check_status(zx_vmar_protect(neighbours->vmar, READ, neighbours->second, PAGE), ZX_OK, __FILE__,
                 __LINE__);
}

/* Between two steps what was counted is put together with what was not: each is counted once. */
static void test_usage_where_parts_merge(void **state)
{
    (void)state;
    enum { MANY = 4096 }; /* as many as are looked at in one step */
    zx_handle_t vmo = make_vmo(2 * PAGE, 0);
    struct vm_aspace *aspace = space_of(zx_process_self());
    struct neighbours neighbours;
    zx_info_task_stats_t stats;
    zx_vaddr_t base, at;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, PAGE, PAGE, NULL, 0));
    neighbours.vmar = make_vmar(EVERYTHING, MANY + 2, &base);
    neighbours.second = base + PAGE;
    assert_ok(zx_vmar_map(neighbours.vmar, READ | ZX_VM_SPECIFIC, 0, vmo, 0, PAGE, &at));
    assert_ok(
        zx_vmar_map(neighbours.vmar, READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC, PAGE, vmo, PAGE, PAGE, &at));
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(
            zx_vmar_map(neighbours.vmar, READ | ZX_VM_SPECIFIC, (i + 2) * PAGE, vmo, PAGE, PAGE, &at), ZX_OK);
    size_t mappings = stats_now().mappings;
    host_interrupt_long_call(make_alike, &neighbours);
    assert_int_equal(aspace_task_stats(aspace, &stats), ZX_OK);
    assert_int_equal(stats_now().mappings, mappings - 1);
    assert_int_equal(stats.mem_mapped_bytes, (MANY + 2) * PAGE);
    assert_int_equal(stats.mem_private_bytes, (MANY + 1) * PAGE);
    assert_int_equal(stats.mem_shared_bytes, 0);
    assert_ok(zx_vmar_destroy(neighbours.vmar));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_kmem_stats),           TEST(test_stats_in_parts),
                                       TEST(test_maps_in_pieces),       TEST(test_maps_where_the_inner_dies),
                                       TEST(test_maps_behind_the_dead), TEST(test_maps_of_the_dying),
                                       TEST(test_usage_past_slices),    TEST(test_usage_recounted),
                                       TEST(test_usage_counts_once),    TEST(test_usage_where_parts_merge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
