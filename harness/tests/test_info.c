/* SPDX-License-Identifier: MIT */
/*
 * test_info.c: the topics of zx_object_get_info that tell of memory: VMO, TASK_STATS, PROCESS_MAPS,
 * KMEM_STATS, HANDLE_COUNT. Every refusal in order, the rules of the buffer, and the figures.
 */
#include "calls.h"

#include <vm/aspace.h>

#include "../../vm/internal.h"

#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

_Static_assert(sizeof(zx_info_task_stats_t) == 32 && sizeof(zx_info_kmem_stats_t) == 72, "as in Zircon");
_Static_assert(sizeof(zx_info_maps_mapping_t) == 32 && sizeof(zx_info_maps_t) == 96, "as in Zircon");
_Static_assert(offsetof(zx_info_maps_t, type) == 56 && offsetof(zx_info_maps_t, u) == 64, "as in Zircon");
_Static_assert(sizeof(zx_info_vmo_t) == 104 && offsetof(zx_info_vmo_t, flags) == 80, "as in Zircon");
_Static_assert(offsetof(zx_info_vmo_t, cache_policy) == 100 && sizeof(zx_info_handle_count_t) == 4,
               "as in Zircon");

static zx_koid_t koid_of(zx_handle_t handle)
{
    zx_info_handle_basic_t info;
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
    return info.koid;
}

static zx_info_vmo_t vmo_of(zx_handle_t vmo)
{
    zx_info_vmo_t info;
    memset(&info, 0xff, sizeof(info));
    assert_ok(zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    return info;
}

static zx_info_task_stats_t stats_of(zx_handle_t process)
{
    zx_info_task_stats_t info;
    assert_ok(zx_object_get_info(process, ZX_INFO_TASK_STATS, &info, sizeof(info), NULL, NULL));
    return info;
}

static uint32_t count_of(zx_handle_t handle)
{
    zx_info_handle_count_t info;
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_COUNT, &info, sizeof(info), NULL, NULL));
    return info.handle_count;
}

static void kill(zx_handle_t process)
{
    struct vm_process *killed;
    check_status(vm_process_from_handle(process, &killed), ZX_OK, __FILE__, __LINE__);
    vm_process_kill(killed);
    vm_process_release(killed);
}

/* ---- What all topics have in common ---- */

static const struct {
    uint32_t topic;
    size_t size;
    zx_obj_type_t type; /* NONE: any */
    bool inspect;       /* needs the right */
    bool array;
} topics[] = {
    {ZX_INFO_TASK_STATS, sizeof(zx_info_task_stats_t), ZX_OBJ_TYPE_PROCESS, true, false},
    {ZX_INFO_PROCESS_MAPS, sizeof(zx_info_maps_t), ZX_OBJ_TYPE_PROCESS, true, true},
    {ZX_INFO_KMEM_STATS, sizeof(zx_info_kmem_stats_t), ZX_OBJ_TYPE_NONE, true, false},
    {ZX_INFO_HANDLE_COUNT, sizeof(zx_info_handle_count_t), ZX_OBJ_TYPE_NONE, true, false},
    {ZX_INFO_VMO, sizeof(zx_info_vmo_t), ZX_OBJ_TYPE_VMO, false, false},
};

#define TOPICS (sizeof(topics) / sizeof(topics[0]))

static void test_refusals(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), self = zx_process_self(), closed = make_closed_handle();
    zx_handle_t root = zx_vmar_root_self();
    for (unsigned i = 0; i < TOPICS; i++) {
        uint32_t topic = topics[i].topic;
        bool of_vmo = topics[i].type == ZX_OBJ_TYPE_VMO;
        zx_handle_t right = of_vmo ? vmo : self, wrong = without(of_vmo ? self : vmo, ZX_RIGHT_INSPECT);
        assert_refused(zx_object_get_info(closed, topic, NULL, 0, NULL, NULL), ZX_ERR_BAD_HANDLE);
        assert_refused(zx_object_get_info(0, topic, NULL, 0, BAD_POINTER, NULL), ZX_ERR_BAD_HANDLE);
        if (topics[i].type != ZX_OBJ_TYPE_NONE) {
            assert_refused(zx_object_get_info(wrong, topic, NULL, 0, NULL, NULL), ZX_ERR_WRONG_TYPE);
            assert_refused(zx_object_get_info(root, topic, NULL, 0, NULL, NULL), ZX_ERR_WRONG_TYPE);
        }
        zx_handle_t blind = without(right, ZX_RIGHT_INSPECT);
        if (topics[i].inspect)
            assert_refused(zx_object_get_info(blind, topic, NULL, 0, BAD_POINTER, NULL),
                           ZX_ERR_ACCESS_DENIED);
        assert_refused(zx_object_get_info(right, topic, NULL, topics[i].size, NULL, NULL),
                       ZX_ERR_INVALID_ARGS);
        assert_refused(zx_object_get_info(right, topic, BAD_POINTER, SIZE_MAX, NULL, NULL),
                       ZX_ERR_INVALID_ARGS);
    }
}

static void test_buffers(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), self = zx_process_self();
    for (unsigned i = 0; i < TOPICS; i++) {
        uint32_t topic = topics[i].topic;
        zx_handle_t right = topics[i].type == ZX_OBJ_TYPE_VMO ? vmo : self;
        char buffer[256];
        size_t actual = 77, avail = 77, size = topics[i].size;
        memset(buffer, '?', sizeof(buffer));
        if (!topics[i].array) {
            assert_refused(zx_object_get_info(right, topic, NULL, size - 1, &actual, &avail),
                           ZX_ERR_BUFFER_TOO_SMALL);
            assert_int_equal(actual, 0);
            assert_int_equal(avail, 1);
            assert_refused(zx_object_get_info(right, topic, NULL, 0, BAD_POINTER, BAD_POINTER),
                           ZX_ERR_BUFFER_TOO_SMALL);
        } else {
            assert_ok(zx_object_get_info(right, topic, NULL, size - 1, &actual, &avail));
            assert_int_equal(actual, 0);
            assert_int_equal(avail, 2);
        }
        assert_survives_failed_copies(zx_object_get_info(right, topic, buffer, size, &actual, &avail));
        assert_int_equal(actual, 1);
        assert_int_equal(buffer[size], '?');
        assert_refused(zx_object_get_info(right, topic, buffer, size, BAD_POINTER, NULL),
                       ZX_ERR_INVALID_ARGS);
        assert_refused(zx_object_get_info(right, topic, buffer, size, NULL, BAD_POINTER),
                       ZX_ERR_INVALID_ARGS);
        zvm_fail_allocation(1, true);
        assert_ok(zx_object_get_info(right, topic, buffer, size, NULL, NULL));
        zvm_fail_allocation(0, false);
    }
}

static void test_the_dead(void **state)
{
    (void)state;
    zx_handle_t process, root;
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    kill(process);
    assert_refused(zx_object_get_info(process, ZX_INFO_TASK_STATS, NULL, 0, NULL, NULL), ZX_ERR_BAD_STATE);
    assert_refused(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, NULL, 0, NULL, NULL), ZX_ERR_BAD_STATE);
    assert_int_equal(count_of(process), 1);
}

/* ---- Figures ---- */

static void test_vmo(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, ZX_VMO_RESIZABLE), reader = without(vmo, ZX_RIGHT_INSPECT);
    zx_handle_t process, root;
    zx_vaddr_t addr;
    zx_info_vmo_t info = vmo_of(vmo);
    assert_int_equal(info.koid, koid_of(vmo));
    assert_int_equal(info.size_bytes, 8 * PAGE);
    assert_int_equal(info.flags, ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_RESIZABLE | ZX_INFO_VMO_VIA_HANDLE);
    assert_int_equal(info.handle_rights, ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_RESIZE);
    assert_int_equal(info.parent_koid + info.num_children + info.num_mappings + info.share_count, 0);
    assert_int_equal(info.committed_bytes + info.cache_policy + info.padding1[0] + info.name[0], 0);
    assert_int_equal(vmo_of(reader).handle_rights, rights_of(reader));
    assert_int_equal(vmo_of(make_vmo(0, 0)).flags, ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_VIA_HANDLE);
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, "name", 4));
    assert_ok(zx_vmo_write(vmo, "a", PAGE, 1));
    assert_ok(zx_vmo_write(vmo, "a", 3 * PAGE - 1, 1));
    assert_ok(zx_vmo_write(vmo, "a", 7 * PAGE, 1));
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    for (unsigned i = 0; i < 3; i++)
        assert_ok(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, i * PAGE, PAGE, &addr));
    assert_ok(zx_vmar_map(root, READ, 0, vmo, 0, PAGE, &addr));
    info = vmo_of(vmo);
    assert_string_equal(info.name, "name");
    assert_int_equal(info.committed_bytes, 3 * PAGE);
    assert_int_equal(info.num_mappings, 4);
    assert_int_equal(info.share_count, 2);
    assert_ok(zx_vmar_unmap(root, addr, PAGE));
    assert_ok(zx_vmo_set_size(vmo, 2 * PAGE));
    info = vmo_of(vmo);
    assert_int_equal(info.num_mappings, 3);
    assert_int_equal(info.share_count, 1);
    assert_int_equal(info.committed_bytes, PAGE);
    assert_int_equal(info.size_bytes, 2 * PAGE);
}

/* As many spaces as there may be in the table, and more. */
static void test_many_shares(void **state)
{
    (void)state;
    enum { MANY = 70 };
    zx_handle_t vmo = make_vmo(PAGE, 0), process, root;
    zx_vaddr_t addr;
    for (unsigned i = 0; i < MANY; i++) {
        assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
        assert_ok(zx_vmar_map(root, READ, 0, vmo, 0, PAGE, &addr));
        assert_int_equal(vmo_of(vmo).share_count, i + 1);
    }
}

static void test_task_stats(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), self = zx_process_self(), process, root, third, third_root;
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 32, &base), child;
    zx_info_task_stats_t stats = stats_of(self);
    assert_int_equal(stats.mem_mapped_bytes + stats.mem_private_bytes + stats.mem_shared_bytes, 0);
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING, 0, 16 * PAGE, &child, &addr));
    assert_ok(zx_vmar_map(child, READ_WRITE, 0, vmo, 0, 8 * PAGE, &addr));
    for (unsigned i = 0; i < 6; i++)
        assert_ok(zx_vmo_write(vmo, "a", i * PAGE, 1));
    stats = stats_of(self);
    assert_int_equal(stats.mem_mapped_bytes, 8 * PAGE);
    assert_int_equal(stats.mem_private_bytes, 6 * PAGE);
    assert_int_equal(stats.mem_shared_bytes + stats.mem_scaled_shared_bytes, 0);
    /* The first four pages in a second process, the first two in a third. */
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    assert_ok(zx_process_create(0, "q", 1, 0, &third, &third_root));
    assert_ok(zx_vmar_map(root, READ, 0, vmo, 0, 4 * PAGE, &addr));
    assert_ok(zx_vmar_map(third_root, 0, 0, vmo, 0, 2 * PAGE, &addr));
    stats = stats_of(self);
    assert_int_equal(stats.mem_mapped_bytes, 8 * PAGE);
    assert_int_equal(stats.mem_private_bytes, 2 * PAGE);
    assert_int_equal(stats.mem_shared_bytes, 4 * PAGE);
    assert_int_equal(stats.mem_scaled_shared_bytes, 2 * (PAGE / 2) + 2 * (PAGE / 3));
    stats = stats_of(third);
    assert_int_equal(stats.mem_mapped_bytes, 2 * PAGE);
    assert_int_equal(stats.mem_private_bytes, 0);
    assert_int_equal(stats.mem_scaled_shared_bytes, 2 * (PAGE / 3));
    /* Twice in one space counts twice, but is one space. */
    assert_ok(zx_vmar_map(vmar, READ, 0, vmo, 5 * PAGE, PAGE, &addr));
    stats = stats_of(self);
    assert_int_equal(stats.mem_mapped_bytes, 9 * PAGE);
    assert_int_equal(stats.mem_private_bytes, 3 * PAGE);
}

static void test_kmem_stats(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0);
    zx_info_kmem_stats_t before, after;
    assert_ok(zx_object_get_info(vmo, ZX_INFO_KMEM_STATS, &before, sizeof(before), NULL, NULL));
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 8 * PAGE, NULL, 0));
    assert_ok(zx_object_get_info(vmo, ZX_INFO_KMEM_STATS, &after, sizeof(after), NULL, NULL));
    assert_int_equal(after.total_bytes, zx_system_get_physmem());
    assert_int_equal(after.vmo_bytes, before.vmo_bytes + 8 * PAGE);
    assert_int_equal(after.free_bytes + after.wired_bytes + after.total_heap_bytes + after.vmo_bytes +
                         after.mmu_overhead_bytes + after.ipc_bytes + after.other_bytes,
                     after.total_bytes);
    assert_int_equal(after.other_bytes, PAGE); /* the zero page */
    assert_int_equal(after.free_bytes, stats_now().pages_free * PAGE);
    assert_int_equal(after.mmu_overhead_bytes, stats_now().page_tables * PAGE);
    assert_int_equal(after.total_heap_bytes - after.free_heap_bytes, stats_now().heap_bytes);
}

static void test_handle_count(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), second = without(vmo, 0), process, root, third;
    zx_vaddr_t addr;
    assert_int_equal(count_of(vmo), 2);
    assert_ok(zx_handle_duplicate(vmo, ZX_RIGHT_INSPECT, &third));
    assert_int_equal(count_of(third), 3);
    assert_ok(zx_handle_close_many((zx_handle_t[]){third, second}, 2));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, 0, PAGE, &addr));
    assert_int_equal(count_of(vmo), 1);
    /* A process has a handle to itself and one to its root VMAR. */
    assert_int_equal(count_of(zx_process_self()), 1);
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    assert_int_equal(count_of(process), 2);
    assert_int_equal(count_of(root), 2);
}

/* ---- PROCESS_MAPS ---- */

#define RECORDS 64

struct expected {
    size_t depth;
    zx_info_maps_type_t type;
    zx_vaddr_t base;
    size_t size;
};

static size_t maps_of(zx_handle_t process, zx_info_maps_t records[RECORDS])
{
    size_t actual, avail;
    assert_ok(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records, RECORDS * sizeof(*records), &actual,
                                 &avail));
    assert_int_equal(actual, avail < RECORDS ? avail : RECORDS);
    return avail;
}

static void records_are(const zx_info_maps_t *records, const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(records[i].depth, expected[i].depth);
        assert_int_equal(records[i].type, expected[i].type);
        assert_int_equal(records[i].base, expected[i].base);
        assert_int_equal(records[i].size, expected[i].size);
    }
}

#define ASPACE  ZX_INFO_MAPS_TYPE_ASPACE
#define VMAR    ZX_INFO_MAPS_TYPE_VMAR
#define MAPPING ZX_INFO_MAPS_TYPE_MAPPING

/*
 *  outer  [0 inner [0 deep [0 mapping 0..2]  4) 8)  mapping 8..12 (three parts)  empty [12..14)  16)
 * every address at which several begin, and a mapping that ends with all its ancestors
 */
static void test_maps(void **state)
{
    (void)state;
    zx_vaddr_t b, addr;
    zx_handle_t outer, inner, deep, empty, process, root, vmo = make_vmo(16 * PAGE, 0), last;
    zx_vm_option_t all = EVERYTHING | ZX_VM_SPECIFIC, at = ZX_VM_SPECIFIC;
    zx_info_maps_t records[RECORDS];
    assert_ok(zx_process_create(0, "victim", 6, 0, &process, &root));
    assert_int_equal(maps_of(process, records), 2);
    assert_ok(zx_object_set_property(vmo, ZX_PROP_NAME, "pages", 5));
    assert_ok(zx_vmo_write(vmo, "x", 9 * PAGE, 1));
    assert_ok(zx_vmo_write(vmo, "x", 10 * PAGE, 1));
    assert_ok(zx_vmar_allocate(root, EVERYTHING, 0, 16 * PAGE, &outer, &b));
    assert_ok(zx_vmar_allocate(outer, all, 0, 8 * PAGE, &inner, &addr));
    assert_ok(zx_vmar_allocate(inner, all, 0, 4 * PAGE, &deep, &addr));
    assert_ok(zx_vmar_map(deep, READ_WRITE | at, 0, vmo, 0, 2 * PAGE, &addr));
    assert_ok(zx_vmar_map(outer, READ_WRITE | at, 8 * PAGE, vmo, 8 * PAGE, 4 * PAGE, &addr));
    assert_ok(zx_vmar_protect(root, READ, addr + PAGE, PAGE));
    assert_ok(zx_vmar_allocate(outer, all, 12 * PAGE, 2 * PAGE, &empty, &addr));
    assert_ok(zx_vmar_allocate(outer, all, 14 * PAGE, 2 * PAGE, &last, &addr));
    assert_ok(zx_vmar_map(last, at, PAGE, vmo, 15 * PAGE, PAGE, &addr));
    const struct expected expected[] = {
        {0, ASPACE, VM_USER_ASPACE_BASE, VM_USER_ASPACE_SIZE},
        {1, VMAR, VM_USER_ASPACE_BASE, VM_USER_ASPACE_SIZE},
        {2, VMAR, b, 16 * PAGE},
        {3, VMAR, b, 8 * PAGE},
        {4, VMAR, b, 4 * PAGE},
        {5, MAPPING, b, 2 * PAGE},
        {3, MAPPING, b + 8 * PAGE, PAGE},
        {3, MAPPING, b + 9 * PAGE, PAGE},
        {3, MAPPING, b + 10 * PAGE, 2 * PAGE},
        {3, VMAR, b + 12 * PAGE, 2 * PAGE},
        {3, VMAR, b + 14 * PAGE, 2 * PAGE},
        {4, MAPPING, b + 15 * PAGE, PAGE},
    };
    enum { COUNT = sizeof(expected) / sizeof(expected[0]) };
    assert_int_equal(maps_of(process, records), COUNT);
    records_are(records, expected, COUNT);
    assert_string_equal(records[0].name, "victim");
    assert_string_equal(records[2].name, "");
    assert_string_equal(records[7].name, "pages");
    assert_int_equal(records[7].u.mapping.mmu_flags, READ);
    assert_int_equal(records[8].u.mapping.mmu_flags, READ_WRITE);
    assert_int_equal(records[11].u.mapping.mmu_flags, 0);
    assert_int_equal(records[8].u.mapping.vmo_koid, koid_of(vmo));
    assert_int_equal(records[8].u.mapping.vmo_offset, 10 * PAGE);
    assert_int_equal(records[6].u.mapping.committed_pages, 0);
    assert_int_equal(records[7].u.mapping.committed_pages, 1);
    assert_int_equal(records[8].u.mapping.committed_pages, 1);
    /* As many as fit, whole ones only, and the buffer's rest untouched. */
    for (size_t room = 0; room <= COUNT; room++) {
        size_t actual, avail;
        memset(records, '?', sizeof(records));
        assert_ok(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records, room * sizeof(*records) + 95,
                                     &actual, &avail));
        assert_int_equal(actual, room);
        assert_int_equal(avail, COUNT);
        records_are(records, expected, room);
        assert_int_equal(records[room].name[0], '?');
    }
    assert_survives_failed_copies(
        zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records, sizeof(records), NULL, NULL));
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

/* Depth is no matter of stack. */
static void test_maps_deep(void **state)
{
    (void)state;
    enum { DEPTH = 3000 };
    zx_vaddr_t base, addr;
    zx_handle_t at = make_vmar(EVERYTHING, DEPTH, &base);
    for (size_t i = 1; i < DEPTH; i++)
        check_status(zx_vmar_allocate(at, EVERYTHING | ZX_VM_SPECIFIC, 0, (DEPTH - i) * PAGE, &at, &addr),
                     ZX_OK, __FILE__, __LINE__);
    zx_info_maps_t records[RECORDS];
    assert_int_equal(maps_of(zx_process_self(), records), 2 + DEPTH);
    assert_int_equal(records[RECORDS - 1].depth, RECORDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),    TEST(test_buffers),        TEST(test_the_dead),   TEST(test_vmo),
        TEST(test_many_shares), TEST(test_task_stats),     TEST(test_kmem_stats), TEST(test_handle_count),
        TEST(test_maps),        TEST(test_maps_in_pieces), TEST(test_maps_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
