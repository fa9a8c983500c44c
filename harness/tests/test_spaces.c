/* SPDX-License-Identifier: MIT */
/*
 * test_spaces.c: inside address spaces: how memory priority is counted; shared, restricted and unified spaces, with
 * several processors that look at them, and threads that change them; their checker. White-box; what can be seen
 * from outside is in ../behaviour/.
 */
#include "calls.h"

#include <pthread.h>

#include "../../vm/internal.h"
#include "../host_port.h"
#include "../processor.h"
#include "plant.h"

#define RW         (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define TOP_ENTRY  ((size_t)512 << 30) /* what a top-level entry spans */
#define PROCESSORS 4

/* ---- Memory priority ---- */

static struct vm_vmar *vmar_behind(zx_handle_t handle)
{
    struct vm_vmar *vmar = NULL;
    check_status(vm_vmar_from_handle(handle, &vmar), ZX_OK, __FILE__, __LINE__);
    vm_vmar_release(vmar); /* its handle keeps it */
    return vmar;
}

static zx_handle_t make_child(zx_handle_t parent, size_t pages)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    zx_vaddr_t base;
    assert_ok(zx_vmar_allocate(parent, EVERYTHING, 0, pages * PAGE, &vmar, &base));
    return vmar;
}

static bool is_high(void)
{
    return vm_aspace_is_high_memory_priority(vm_process_aspace(port_current_process()));
}

static void test_priority_of_a_tree(void **state)
{
    (void)state;
    zx_handle_t outer = make_child(zx_vmar_root_self(), 64), inner = make_child(outer, 32), vmo, later;
    zx_vaddr_t va;
    assert_ok(zx_vmo_create(4 * PAGE, 0, &vmo));
    assert_ok(zx_vmar_map(inner, RW, 0, vmo, 0, 4 * PAGE, &va));
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_HIGH));
    later = make_child(inner, 8);
    assert_true(vmar_behind(later)->high_priority);
    assert_int_equal(vm_process_aspace(port_current_process())->high_vmars, 3);
    /* what lies deeper may differ again */
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_DEFAULT));
    assert_false(is_high());
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(later), VM_MEMORY_PRIORITY_HIGH));
    assert_true(is_high());
    assert_false(vmar_behind(inner)->high_priority);
    assert_ok(zx_vmar_destroy(outer));
    assert_false(is_high());
    assert_ok(vm_vmar_set_memory_priority(vmar_behind(zx_vmar_root_self()), VM_MEMORY_PRIORITY_HIGH));
    assert_true(vmar_behind(make_child(zx_vmar_root_self(), 8))->high_priority);
}

static void test_priority_of_refused_children(void **state)
{
    (void)state;
    struct vm_vmar *root = vmar_behind(zx_vmar_root_self());
    zx_handle_t child;
    zx_vaddr_t va;
    assert_ok(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    assert_survives_failed_allocations(
        zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, PAGE, &child, &va));
    assert_survives_failed_copies(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, PAGE, &child, &va));
    assert_int_equal(root->region.aspace->high_vmars, 3);
}

/* ---- Ranges and types ---- */

static int start_many(void **state)
{
    static const struct zvm_config config = {.memory_bytes = 64u << 20, .processors = PROCESSORS};
    (void)state;
    return zvm_start(&config) == ZX_OK ? 0 : -1;
}

#define TEST_MANY(function) cmocka_unit_test_setup_teardown(function, start_many, machine_stop)

static void discard(struct vm_aspace *aspace)
{
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
}

static bool is_sound(void)
{
    return vm_check(&vm_log_sink) && processor_check(&vm_log_sink);
}

static struct vm_aspace *make_plain(void)
{
    return vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
}

static struct vm_aspace *make_shared(void)
{
    return vm_aspace_create_range(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE, VM_ASPACE_USER, "shared",
                                  VM_ASPACE_SHARE_SHARED);
}

static struct vm_aspace *make_restricted(void)
{
    return vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE, VM_ASPACE_USER,
                                  "restricted", VM_ASPACE_SHARE_RESTRICTED);
}

/* ---- Mapping in a space, and accesses ---- */

static struct vm_vmo *vmo_behind(zx_handle_t handle)
{
    struct vm_object *object = NULL;
    check_status(handle_get(handle, ZX_OBJ_TYPE_VMO, 0, &object, NULL), ZX_OK, __FILE__, __LINE__);
    vm_object_release(object); /* its handle keeps it */
    return container_of(object, struct vm_vmo, object);
}

static zx_status_t map_at(struct vm_aspace *aspace, zx_vaddr_t va, zx_handle_t vmo, size_t pages)
{
    struct vm_mapped mapped;
    zx_status_t status = vmar_map(aspace->root, RW | ZX_VM_SPECIFIC, va - aspace->base, vmo_behind(vmo), 0,
                                  pages * PAGE, CAN_MAP_RWX, &mapped);
    if (status == ZX_OK)
        vmar_map_end(aspace->root, &mapped, true);
    return status;
}

static zx_status_t unmap_at(struct vm_aspace *aspace, zx_vaddr_t va, size_t pages)
{
    return vmar_unmap(aspace->root, va, pages * PAGE, true);
}

static zx_status_t access_on(unsigned processor, struct vm_aspace *aspace, zx_vaddr_t va, char *byte,
                             uint32_t kind)
{
    size_t done;
    processor_move(processor);
    return processor_access(aspace, va, byte, 1, kind, &done);
}

static zx_status_t poke(struct vm_aspace *aspace, zx_vaddr_t va, char byte)
{
    return access_on(0, aspace, va, &byte, PROCESSOR_WRITE);
}

/* The byte at va as that processor sees it; -1 where it may not. */
static int peek_on(unsigned processor, struct vm_aspace *aspace, zx_vaddr_t va)
{
    char byte;
    return access_on(processor, aspace, va, &byte, PROCESSOR_READ) == ZX_OK ? byte : -1;
}

static void test_low_kernel(void **state)
{
    (void)state;
    struct vm_aspace *aspace = make_plain();
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    char byte = 'l';
    assert_int_equal(map_at(aspace, 0, vmo, 4), ZX_OK);
    assert_int_equal(access_on(0, aspace, 5, &byte, PROCESSOR_WRITE | PROCESSOR_SUPERVISOR), ZX_OK);
    assert_int_equal(access_on(1, aspace, 5, &byte, PROCESSOR_READ), ZX_ERR_ACCESS_DENIED);
    assert_true(is_sound());
    /* these are no entries that every space has */
    struct page_table_entry entry;
    assert_int_equal(page_table_query(vm_aspace_page_table(aspace), 0, &entry), ZX_OK);
    assert_int_equal(entry.flags, ARCH_MMU_READ | ARCH_MMU_WRITE);
    assert_int_equal(unmap_at(aspace, 0, 4), ZX_OK);
    assert_int_equal(access_on(0, aspace, 5, &byte, PROCESSOR_READ | PROCESSOR_SUPERVISOR), ZX_ERR_NOT_FOUND);
    assert_true(is_sound());
    discard(aspace);
}

/* ---- Shared spaces ---- */

static uint64_t *top_entries(struct vm_aspace *aspace)
{
    return port_phys_to_virt(vm_aspace_table_root(aspace));
}

#define NOTES (X86_PTE_ACCESSED | X86_PTE_DIRTY)

static void test_shared_top_level_stays(void **state)
{
    (void)state;
    enum { FIRST = 128, LIMIT = 256 };
    struct vm_aspace *shared = make_shared();
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    uint64_t before[LIMIT];
    assert_int_equal(shared->table.table_pages, 1 + LIMIT - FIRST);
    memcpy(before, top_entries(shared), sizeof(before));
    for (unsigned i = FIRST; i < LIMIT; i++)
        assert_true((before[i] & X86_PTE_PRESENT) != 0);
    for (unsigned i = 0; i < FIRST; i++)
        assert_int_equal(before[i], 0);
    for (zx_vaddr_t va = VM_SHARED_ASPACE_BASE; va < VM_USER_ASPACE_TOP; va += 16 * TOP_ENTRY) {
        assert_int_equal(map_at(shared, va, vmo, 4), ZX_OK);
        assert_int_equal(poke(shared, va + PAGE, 's'), ZX_OK);
    }
    assert_true(is_sound());
    assert_int_equal(shared->table.table_pages, 1 + LIMIT - FIRST + 8 * 2);
    assert_int_equal(unmap_at(shared, VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE / PAGE), ZX_OK);
    assert_int_equal(shared->table.table_pages, 1 + LIMIT - FIRST);
    for (unsigned i = 0; i < LIMIT; i++)
        assert_int_equal(top_entries(shared)[i] & ~NOTES, before[i] & ~NOTES);
    /* an empty table is not in the way of anything */
    assert_int_equal(map_at(shared, VM_SHARED_ASPACE_BASE, vmo, 4), ZX_OK);
    assert_true(is_sound());
    discard(shared);
}

/* ---- Unified spaces ---- */

struct trio {
    struct vm_aspace *shared, *restricted, *unified;
};

/* Of a shared space of its own, or of one that is there already. */
static struct trio make_trio(struct vm_aspace *shared)
{
    struct trio trio = {.shared = shared != NULL ? shared : make_shared(), .restricted = make_restricted()};
    assert_non_null(trio.shared);
    assert_non_null(trio.restricted);
    trio.unified = vm_aspace_create_unified(trio.shared, trio.restricted, "unified");
    assert_non_null(trio.unified);
    return trio;
}

static void discard_trio(const struct trio *trio, bool with_shared)
{
    discard(trio->unified);
    assert_true(is_sound());
    discard(trio->restricted);
    if (with_shared)
        discard(trio->shared);
    assert_true(is_sound());
}

/* What is taken away is forgotten by every processor, by whichever space it came to know it. */
static void test_unified_invalidation(void **state)
{
    (void)state;
    struct trio one = make_trio(NULL), two = make_trio(one.shared);
    zx_vaddr_t low = VM_USER_ASPACE_BASE, high = VM_SHARED_ASPACE_BASE;
    zx_handle_t vmo = make_vmo(64 * PAGE, 0);
    struct vm_aspace *const viewers[] = {one.unified, two.unified, one.shared, one.unified};
    for (unsigned pages = 1; pages <= 64; pages += 63) {
        assert_int_equal(map_at(one.shared, high, vmo, 64), ZX_OK);
        assert_int_equal(map_at(one.restricted, low, vmo, 64), ZX_OK);
        assert_int_equal(map_at(two.restricted, low, vmo, 64), ZX_OK);
        assert_int_equal(poke(one.unified, high, 'x'), ZX_OK);
        for (unsigned i = 0; i < PROCESSORS; i++)
            for (unsigned page = 0; page < 64; page++)
                assert_int_equal(peek_on(i, viewers[i], high + page * PAGE), page == 0 ? 'x' : 0);
        assert_int_equal(peek_on(0, one.unified, low), 'x');
        assert_int_equal(peek_on(1, two.unified, low), 'x');
        assert_int_equal(peek_on(2, one.restricted, low), 'x');
        assert_int_equal(peek_on(3, one.unified, low), 'x');
        assert_true(is_sound());
        /* of one restricted space: the other is not concerned */
        assert_int_equal(unmap_at(one.restricted, low, pages), ZX_OK);
        assert_true(is_sound());
        assert_int_equal(peek_on(0, one.unified, low), -1);
        assert_int_equal(peek_on(1, two.unified, low), 'x');
        assert_int_equal(peek_on(2, one.restricted, low), -1);
        assert_int_equal(peek_on(3, one.unified, low), -1);
        /* of the shared one: first write permission, then all */
        assert_int_equal(vmar_protect(one.shared->root, high, pages * PAGE, ZX_VM_PERM_READ, true), ZX_OK);
        assert_true(is_sound());
        for (unsigned i = 0; i < PROCESSORS; i++) {
            char byte = 'y';
            assert_int_equal(access_on(i, viewers[i], high, &byte, PROCESSOR_WRITE), ZX_ERR_ACCESS_DENIED);
        }
        assert_int_equal(unmap_at(one.shared, high, pages), ZX_OK);
        assert_true(is_sound());
        for (unsigned i = 0; i < PROCESSORS; i++)
            assert_int_equal(peek_on(i, viewers[i], high), -1);
        /* pages that go with their VMO's range, too */
        assert_int_equal(poke(two.unified, low, 'z'), ZX_OK);
        assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, 64 * PAGE, NULL, 0));
        assert_int_equal(peek_on(1, two.unified, low), 0);
        assert_int_equal(unmap_at(one.shared, high, 64), ZX_OK);
        assert_int_equal(unmap_at(one.restricted, low, 64), ZX_OK);
        assert_int_equal(unmap_at(two.restricted, low, 64), ZX_OK);
    }
    discard_trio(&two, false);
    discard_trio(&one, true);
}

static void test_unified_destruction(void **state)
{
    (void)state;
    struct trio one = make_trio(NULL), two = make_trio(one.shared);
    zx_vaddr_t low = VM_USER_ASPACE_BASE, high = VM_SHARED_ASPACE_BASE;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    assert_int_equal(map_at(one.shared, high, vmo, 4), ZX_OK);
    assert_int_equal(map_at(one.restricted, low, vmo, 4), ZX_OK);
    assert_int_equal(poke(one.unified, high, 'x'), ZX_OK);
    assert_int_equal(peek_on(1, one.unified, low), 'x');
    vm_aspace_destroy(one.unified);
    assert_true(is_sound());
    vm_aspace_destroy(one.unified);
    assert_true(vm_aspace_is_destroyed(one.unified));
    char byte;
    assert_int_equal(access_on(1, one.unified, low, &byte, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(access_on(1, one.unified, high, &byte, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(vm_aspace_page_fault(one.unified, high, 0), ZX_ERR_NOT_FOUND);
    assert_int_equal(peek_on(1, one.shared, high), 'x');
    assert_int_equal(peek_on(1, two.unified, high), 'x');
    assert_int_equal(peek_on(1, one.restricted, low), 'x');
    /* it keeps its parts as long as it lives */
    discard(one.restricted);
    vm_aspace_release(one.unified);
    assert_true(is_sound());
    discard_trio(&two, true);
}

/* ---- What the checker and the views say ---- */

#define PLANT(place, value, words) PLANT_FOR(vm_check(report_begin()), place, value, words)

static void test_damage(void **state)
{
    (void)state;
    struct trio trio = make_trio(NULL);
    zx_vaddr_t low = VM_USER_ASPACE_BASE;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    assert_int_equal(map_at(trio.restricted, low, vmo, 4), ZX_OK);
    assert_int_equal(poke(trio.unified, low, 'x'), ZX_OK);
    PLANT(top_entries(trio.unified)[0], 0, "top-level entry 0");
    PLANT(top_entries(trio.unified)[200], 0, "top-level entry 200");
    PLANT(top_entries(trio.unified)[200], top_entries(trio.unified)[200] & ~X86_PTE_WRITABLE,
          "top-level entry 200");
    PLANT(top_entries(trio.unified)[5], top_entries(trio.unified)[200], "top-level entry 5");
    PLANT(top_entries(trio.shared)[130], 0, "a fixed entry is gone");
    PLANT(trio.unified->table.shown[0].root, 0, "not with its parts");
    PLANT(trio.unified->root, trio.restricted->root, "has something of its own");
    PLANT(trio.restricted->share_opt, VM_ASPACE_SHARE_NONE, "unified from what cannot be");
    PLANT(trio.shared->refs, 1, "VMARs, processes and spaces hold it");
    PLANT(trio.unified->last_fault, (struct vm_mapping *)(void *)trio.shared, "has something of its own");
    PLANT(trio.unified->high_vmars, 1, "has something of its own");
    PLANT(trio.unified->base, PAGE, "has something of its own");
    PLANT(trio.unified->size, PAGE, "has something of its own");
    PLANT(trio.restricted->size, 64 * TOP_ENTRY * 2 + PAGE, "unified from what cannot be");
    PLANT(trio.shared->share_opt, VM_ASPACE_SHARE_NONE, "unified from what cannot be");
    PLANT(trio.restricted->destroyed, true, "one that it shows is destroyed");
    PLANT(trio.shared->destroyed, true, "one that it shows is destroyed");
    PLANT(trio.unified->table.root, 0, "'unified': alive without page tables");
    PLANT(trio.restricted->table.root, 0, "not with its parts");
    PLANT(trio.shared->table.views.next, &trio.shared->table.views, "not with its parts");
    assert_true(vm_check(&vm_log_sink));
    discard_trio(&trio, true);
}

static void test_views(void **state)
{
    (void)state;
    struct trio trio = make_trio(NULL);
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    assert_int_equal(map_at(trio.restricted, 3 * TOP_ENTRY, vmo, 4), ZX_OK);
    assert_int_equal(map_at(trio.shared, 200 * TOP_ENTRY, vmo, 2), ZX_OK);
    vm_aspace_dump(trio.unified, report_begin());
    assert_non_null(strstr(report.text, "space 'unified' unified [0x0, 0x0)"));
    assert_non_null(strstr(report.text, "space 'restricted' restricted [0x1000000, 0x400000000000)"));
    assert_non_null(strstr(report.text, "space 'shared' shared [0x400000000000, 0x7ffffffff000)"));
    assert_non_null(strstr(report.text, "mapping [0x18000000000, 0x18000004000)"));
    assert_non_null(strstr(report.text, "mapping [0x640000000000, 0x640000002000)"));
    vm_aspace_dump_around(trio.unified, 200 * TOP_ENTRY, report_begin());
    assert_non_null(strstr(report.text, "mapping [0x640000000000, 0x640000002000)"));
    vm_aspace_svg(trio.unified, report_begin());
    assert_non_null(strstr(report.text, "unified space"));
    assert_non_null(strstr(report.text, "mapping [0x18000000000"));
    assert_non_null(strstr(report.text, "mapping [0x640000000000"));
    assert_non_null(strstr(report.text, "</svg>"));
    vm_aspace_destroy(trio.unified);
    vm_aspace_dump(trio.unified, report_begin());
    assert_non_null(strstr(report.text, "destroyed"));
    assert_null(strstr(report.text, "mapping"));
    vm_aspace_svg(trio.unified, report_begin());
    assert_non_null(strstr(report.text, "destroyed space"));
    discard_trio(&trio, true);
}

/* ---- Many threads ---- */

enum { THREADS = 4, ROUNDS = 300 };

struct worker {
    pthread_t thread;
    unsigned number;
    struct trio trio;
    zx_handle_t vmo;
    unsigned seen;
};

/* Each has a restricted space of its own, beside the one that all share: what goes in either, and whole
   top-level entries of the restricted one with it, goes under the eyes of all. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    zx_vaddr_t low = VM_USER_ASPACE_BASE, high = VM_SHARED_ASPACE_BASE;
    zx_vaddr_t own = high + worker->number * 8 * PAGE;
    processor_move(worker->number);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char byte = (char)('a' + worker->number), seen;
        size_t done;
        (void)map_at(worker->trio.shared, own, worker->vmo, 4);
        (void)map_at(worker->trio.restricted, low, worker->vmo, 4);
        (void)processor_access(worker->trio.unified, own, &byte, 1, PROCESSOR_WRITE, &done);
        (void)processor_access(worker->trio.unified, low, &seen, 1, PROCESSOR_READ, &done);
        worker->seen += done == 1 && seen == byte;
        for (unsigned i = 0; i < THREADS; i++)
            (void)processor_access(worker->trio.unified, high + i * 8 * PAGE, &seen, 1, PROCESSOR_READ,
                                   &done);
        (void)unmap_at(worker->trio.restricted, low, 4);
        (void)unmap_at(worker->trio.shared, own, 4);
        if (round % 50 == 49) {
            discard(worker->trio.unified);
            worker->trio.unified =
                vm_aspace_create_unified(worker->trio.shared, worker->trio.restricted, "again");
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct worker workers[THREADS];
    struct vm_aspace *shared = make_shared();
    host_perturb_schedule(1, 8);
    for (unsigned i = 0; i < THREADS; i++)
        workers[i] = (struct worker){.number = i, .trio = make_trio(shared), .vmo = make_vmo(4 * PAGE, 0)};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    host_perturb_schedule(0, 0);
    assert_true(is_sound());
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].seen, ROUNDS);
        discard_trio(&workers[i].trio, false);
    }
    discard(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_priority_of_a_tree),
        TEST(test_priority_of_refused_children),
        TEST_MANY(test_low_kernel),
        TEST_MANY(test_shared_top_level_stays),
        TEST_MANY(test_unified_invalidation),
        TEST_MANY(test_unified_destruction),
        TEST_MANY(test_damage),
        TEST_MANY(test_views),
        TEST_MANY(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
