/* SPDX-License-Identifier: MIT */
/*
 * test_aspace.c: what those inside the kernel ask of an address space: the region at an address, all regions,
 * memory usage, text; and the allocators of kernel spaces. White-box.
 */
#include "calls.h"

#include <vm/vdso.h>

#include "../../vm/internal.h"
#include "../host_port.h"

#define R        ZX_VM_PERM_READ
#define RW       (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define MMU_RW   (ARCH_MMU_READ | ARCH_MMU_WRITE)
#define SPECIFIC VMM_FLAG_VALLOC_SPECIFIC
#define COMMIT   VMM_FLAG_COMMIT
#define MANY     100

static struct vm_aspace *space(void)
{
    return vm_process_aspace(port_current_process());
}

static zx_koid_t koid_of(zx_handle_t handle)
{
    zx_info_handle_basic_t info;
    assert_ok(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
    return info.koid;
}

/* ---- Looking ---- */

static void test_find_region(void **state)
{
    (void)state;
    struct vm_region_info info;
    struct vm_vmar *vmar;
    zx_vaddr_t base, va;
    zx_handle_t child = make_vmar(EVERYTHING, 8, &base), vmo = make_vmo(4 * PAGE, 0), slice;
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, PAGE, 3 * PAGE, &slice));
    assert_ok(zx_vmar_map(child, RW | ZX_VM_SPECIFIC, PAGE, slice, PAGE, 2 * PAGE, &va));
    assert_ok(zx_vmar_protect(child, R, va + PAGE, PAGE));
    assert_true(vm_aspace_find_region(space(), va + PAGE + 5, &info, &vmar));
    zx_koid_t found = vmar->object.koid;
    vm_vmar_release(vmar);
    assert_true(info.is_mapping && info.base == va && info.size == 2 * PAGE && info.depth == 2);
    assert_true(info.koid == koid_of(slice) && info.vmo_offset == PAGE && info.perms == ARCH_MMU_READ);
    assert_int_equal(found, koid_of(child));
    assert_true(vm_aspace_find_region(space(), va, &info, NULL));
    assert_int_equal(info.perms, MMU_RW);
    assert_true(vm_aspace_find_region(space(), base, &info, &vmar));
    assert_int_equal(vmar->object.koid, info.koid);
    vm_vmar_release(vmar);
    assert_true(!info.is_mapping && info.koid == koid_of(child) && info.depth == 1 && info.base == base);
    assert_true(vm_aspace_find_region(space(), VM_USER_ASPACE_TOP - 1, &info, NULL));
    assert_true(info.depth == 0 && info.base == VM_USER_ASPACE_BASE);
    assert_false(vm_aspace_find_region(space(), VM_USER_ASPACE_TOP, &info, NULL));
    assert_false(vm_aspace_find_region(space(), VM_USER_ASPACE_BASE - 1, &info, NULL));
    assert_ok(zvm_check());
}

struct visits {
    unsigned count, most;
    struct vm_region_info infos[8];
};

static bool visit(void *context, const struct vm_region_info *info)
{
    struct visits *visits = context;
    visits->infos[visits->count++] = *info;
    return visits->count < visits->most;
}

static void test_enumerate(void **state)
{
    (void)state;
    zx_vaddr_t base, va;
    zx_handle_t child = make_vmar(EVERYTHING, 8, &base), vmo = make_vmo(4 * PAGE, 0);
    struct visits visits = {.most = 8};
    struct vm_vmar *vmar;
    assert_ok(zx_vmar_map(child, RW | ZX_VM_SPECIFIC, PAGE, vmo, 0, PAGE, &va));
    assert_ok(zx_vmar_map(child, R | ZX_VM_SPECIFIC, 4 * PAGE, vmo, 0, PAGE, &va));
    assert_int_equal(vm_aspace_enumerate(space(), visit, &visits), ZX_OK);
    assert_int_equal(visits.count, 4);
    assert_true(visits.infos[0].base == VM_USER_ASPACE_BASE && visits.infos[0].depth == 0);
    assert_true(visits.infos[1].base == base && visits.infos[1].depth == 1);
    assert_true(visits.infos[2].base == base + PAGE && visits.infos[2].depth == 2);
    assert_true(visits.infos[3].base == va && visits.infos[3].perms == ARCH_MMU_READ);
    visits = (struct visits){.most = 2};
    assert_int_equal(vm_aspace_enumerate(space(), visit, &visits), ZX_OK);
    assert_int_equal(visits.count, 2);
    zx_koid_t koid = koid_of(child);
    check_status(vm_vmar_from_handle(child, &vmar), ZX_OK, __FILE__, __LINE__);
    visits = (struct visits){.most = 8};
    assert_int_equal(vm_vmar_enumerate(vmar, visit, &visits), ZX_OK);
    assert_true(visits.count == 3 && visits.infos[0].depth == 0 && visits.infos[0].koid == koid);
    check_status(zx_vmar_destroy(child), ZX_OK, __FILE__, __LINE__);
    assert_int_equal(vm_vmar_enumerate(vmar, visit, &visits), ZX_ERR_BAD_STATE);
    vm_vmar_release(vmar);
}

/* More spaces than any table would hold, some of which map the pages twice. */
static void test_memory_usage(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), own = make_vmo(2 * PAGE, 0), process, root;
    struct vm_aspace_usage usage;
    zx_vaddr_t va;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 2 * PAGE, NULL, 0));
    assert_ok(zx_vmo_op_range(own, ZX_VMO_OP_COMMIT, 0, PAGE, NULL, 0));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), R, 0, own, 0, 2 * PAGE, &va));
    for (unsigned i = 1; i < MANY; i++) {
        assert_ok(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
        for (unsigned twice = 0; twice <= i % 2; twice++)
            check_status(zx_vmar_map(root, R, 0, vmo, 0, PAGE, &va), ZX_OK, __FILE__, __LINE__);
    }
    assert_ok(zx_vmar_map(zx_vmar_root_self(), R, 0, vmo, 0, 4 * PAGE, &va));
    assert_refused(vm_aspace_get_memory_usage(space(), &usage), ZX_OK);
    assert_int_equal(usage.mapped_pages, 6);
    assert_int_equal(usage.private_pages, 2);
    assert_int_equal(usage.shared_pages, 1);
    assert_int_equal(usage.scaled_shared_bytes, PAGE / MANY);
}

/* ---- Text ---- */

struct counter {
    struct vm_sink sink;
    unsigned lines;
};

static void count_lines(struct vm_sink *self, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((struct counter *)self)->lines += text[i] == '\n';
}

static void test_dump(void **state)
{
    (void)state;
    zx_vaddr_t base;
    struct counter counter = {.sink = {count_lines}};
    (void)make_vmar(EVERYTHING, 8, &base);
    vm_aspace_dump(space(), &counter.sink);
    assert_int_equal(counter.lines, 3); /* the space, its root, the VMAR */
    port_mutex_lock(&space()->lock);
    vm_aspace_dump_locked(space(), &counter.sink);
    port_mutex_unlock(&space()->lock);
    assert_int_equal(counter.lines, 6);
    vm_aspace_dump_all(&counter.sink);
    assert_int_equal(counter.lines, 6 + 3 + 2);
}

/* A destroyed space has no regions to tell of. */
static void test_destroyed(void **state)
{
    (void)state;
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "mortal");
    struct vm_region_info info;
    struct vm_aspace_usage usage;
    struct visits visits = {.most = 8};
    void *at = (void *)PAGE;
    vm_aspace_destroy(aspace);
    assert_false(vm_aspace_find_region(aspace, PAGE, &info, NULL));
    assert_int_equal(vm_aspace_enumerate(aspace, visit, &visits), ZX_ERR_BAD_STATE);
    assert_int_equal(vm_aspace_get_memory_usage(aspace, &usage), ZX_ERR_BAD_STATE);
    assert_refused(vm_aspace_alloc(aspace, "a", PAGE, &at, 0, SPECIFIC, MMU_RW), ZX_ERR_BAD_STATE);
    assert_refused(vm_aspace_free_region(aspace, PAGE), ZX_ERR_BAD_STATE);
    vm_aspace_release(aspace);
}

/* ---- The allocators of kernel spaces ---- */

static struct vm_aspace *kernel(void)
{
    return vm_aspace_kernel();
}

static struct page_table_entry entry_at(const void *at)
{
    struct page_table_entry entry = {0};
    if (page_table_query(vm_aspace_page_table(kernel()), (zx_vaddr_t)at, &entry) != ZX_OK)
        entry.size = 0;
    return entry;
}

static void free_at(const void *at)
{
    assert_ok(vm_aspace_free_region(kernel(), (zx_vaddr_t)at));
}

static void test_alloc_refusals(void **state)
{
    (void)state;
    void *at = NULL, *unaligned = (void *)(VM_KERNEL_ASPACE_BASE + 1), *low = (void *)PAGE;
    void *end = (void *)(0 - (zx_vaddr_t)PAGE), *first = (void *)VM_KERNEL_ASPACE_BASE;
    assert_refused(vm_aspace_alloc(kernel(), "a", 0, &at, 0, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, &at, 33, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, NULL, 0, SPECIFIC, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, &at, 0, SPECIFIC, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, &unaligned, 0, SPECIFIC, MMU_RW),
                   ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, &low, 0, SPECIFIC, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", PAGE, &end, 0, SPECIFIC, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", SIZE_MAX, &at, 0, 0, MMU_RW), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_aspace_alloc(kernel(), "a", VM_KERNEL_ASPACE_SIZE, &at, 0, 0, MMU_RW),
                   ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc(kernel(), "a", (size_t)1 << 30, &at, 0, COMMIT, MMU_RW), ZX_ERR_NO_MEMORY);
    assert_refused(vm_aspace_alloc_contiguous(kernel(), "c", 0, &at, 0, COMMIT, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc_contiguous(kernel(), "c", PAGE, &at, 0, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc_contiguous(kernel(), "c", PAGE, &low, 0, COMMIT | SPECIFIC, MMU_RW),
                   ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc_contiguous(kernel(), "c", (size_t)1 << 30, &at, 0, COMMIT, MMU_RW),
                   ZX_ERR_NO_MEMORY);
    assert_refused(vm_aspace_alloc_physical(kernel(), "p", 0, &at, 99, 1, SPECIFIC, MMU_RW), ZX_OK);
    assert_refused(vm_aspace_alloc_physical(kernel(), "p", PAGE, &at, 0, 1, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc_physical(kernel(), "p", PAGE, &at, 0, 1ull << 52, 0, MMU_RW),
                   ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_alloc_physical(kernel(), "p", SIZE_MAX, &at, 0, 0, 0, MMU_RW),
                   ZX_ERR_OUT_OF_RANGE);
    assert_null(at);
    assert_ok(vm_aspace_alloc(kernel(), "a", PAGE, &first, 0, SPECIFIC, MMU_RW));
    assert_refused(vm_aspace_alloc(kernel(), "b", PAGE, &first, 0, SPECIFIC, MMU_RW), ZX_ERR_ALREADY_EXISTS);
    free_at(first);
}

static void test_alloc(void **state)
{
    (void)state;
    void *lazy = NULL, *now = NULL, *wanted = (void *)(VM_KERNEL_ASPACE_BASE + (1ull << 30));
    struct vm_stats before = stats_now();
    assert_survives_failed_allocations(vm_aspace_alloc(kernel(), "lazy", 2 * PAGE, &lazy, 0, 0, MMU_RW));
    assert_int_equal(entry_at(lazy).size, 0);
    assert_ok(vm_aspace_page_fault(kernel(), (zx_vaddr_t)lazy, VM_PF_FLAG_WRITE));
    assert_int_equal(entry_at(lazy).flags & ARCH_MMU_PERMS, MMU_RW);
    assert_survives_failed_allocations(
        vm_aspace_alloc(kernel(), "now", 3 * PAGE + 1, &now, 21, COMMIT, MMU_RW));
    assert_int_equal((zx_vaddr_t)now % (1u << 21), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(entry_at((char *)now + i * PAGE).flags & (ARCH_MMU_PERMS | ARCH_MMU_USER), MMU_RW);
    assert_ok(vm_aspace_alloc(kernel(), "wanted", PAGE, &wanted, 0, SPECIFIC | COMMIT, ARCH_MMU_READ));
    assert_int_equal((zx_vaddr_t)wanted, VM_KERNEL_ASPACE_BASE + (1ull << 30));
    assert_int_equal(entry_at(wanted).flags & ARCH_MMU_PERMS, ARCH_MMU_READ);
    /* any address in it will do */
    free_at((char *)lazy + PAGE + 7);
    free_at(now);
    free_at(wanted);
    assert_int_equal(stats_now().pages_free + stats_now().page_tables,
                     before.pages_free + before.page_tables);
    assert_int_equal(stats_now().vmos, before.vmos);
    assert_refused(vm_aspace_free_region(kernel(), (zx_vaddr_t)now), ZX_ERR_NOT_FOUND);
    assert_refused(vm_aspace_free_region(kernel(), PAGE), ZX_ERR_NOT_FOUND);
}

static void test_alloc_contiguous(void **state)
{
    (void)state;
    void *at = NULL;
    assert_survives_failed_allocations(
        vm_aspace_alloc_contiguous(kernel(), "run", 5 * PAGE, &at, 16, COMMIT, MMU_RW));
    assert_int_equal(entry_at(at).paddr % (1u << 16), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(entry_at((char *)at + i * PAGE).paddr, entry_at(at).paddr + i * PAGE);
    free_at(at);
}

static void test_alloc_physical(void **state)
{
    (void)state;
    struct pmm_range device = host_memory_map((size_t)4 << 20);
    for (unsigned policy = 0; policy < VM_CACHE_POLICIES; policy++) {
        void *at = NULL;
        uint32_t cache = policy << ARCH_MMU_CACHE_SHIFT;
        assert_survives_failed_allocations(vm_aspace_alloc_physical(kernel(), "device", (size_t)2 << 20, &at,
                                                                    21, device.base, 0, MMU_RW | cache));
        assert_int_equal(entry_at(at).size, (size_t)2 << 20);
        assert_int_equal(entry_at(at).paddr, device.base);
        assert_int_equal(entry_at(at).flags & ARCH_MMU_CACHE_MASK, cache);
        free_at(at);
    }
    host_memory_unmap(device);
}

/* Neighbours of one VMO stay what they were made as. */
static void test_map_object(void **state)
{
    (void)state;
    zx_handle_t handle = make_vmo(4 * PAGE, 0);
    struct vm_vmo *vmo;
    void *low = (void *)VM_KERNEL_ASPACE_BASE, *high = (void *)(VM_KERNEL_ASPACE_BASE + PAGE), *none = NULL;
    assert_ok(vm_vmo_from_handle(handle, &vmo));
    assert_refused(vm_aspace_map_object(kernel(), vmo, 0, 0, &none, 0, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_map_object(kernel(), vmo, 1, PAGE, &none, 0, 0, MMU_RW), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_aspace_map_object(kernel(), vmo, PAGE, 4 * PAGE, &none, 0, COMMIT, MMU_RW),
                   ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_aspace_map_object(kernel(), vmo, PAGE, SIZE_MAX, &none, 0, 0, MMU_RW),
                   ZX_ERR_OUT_OF_RANGE);
    assert_ok(vm_aspace_map_object(kernel(), vmo, 0, PAGE, &low, 0, SPECIFIC, MMU_RW));
    assert_ok(vm_aspace_map_object(kernel(), vmo, PAGE, PAGE, &high, 0, SPECIFIC, MMU_RW));
    free_at(low);
    assert_refused(vm_aspace_free_region(kernel(), (zx_vaddr_t)low), ZX_ERR_NOT_FOUND);
    free_at(high);
    vm_vmo_release(vmo);
}

static void test_free_region(void **state)
{
    (void)state;
    zx_vaddr_t base, va;
    zx_handle_t vdso = make_vmo(PAGE, 0);
    struct vm_vmo *vmo;
    (void)make_vmar(EVERYTHING, 8, &base);
    assert_refused(vm_aspace_free_region(space(), base), ZX_ERR_BAD_STATE);
    assert_ok(zx_vmo_replace_as_executable(vdso, ZX_HANDLE_INVALID, &vdso));
    assert_ok(vm_vmo_from_handle(vdso, &vmo));
    assert_ok(vm_vmo_declare_vdso(vmo, 0, PAGE));
    vm_vmo_release(vmo);
    assert_ok(zx_vmar_map(zx_vmar_root_self(), R | ZX_VM_PERM_EXECUTE, 0, vdso, 0, PAGE, &va));
    assert_refused(vm_aspace_free_region(space(), va), ZX_ERR_ACCESS_DENIED);
}

static bool visit_one(void *context, const struct vm_region_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return false;
}

/* A unified space while it lives, and when it is dead. */
static void test_unified(void **state)
{
    struct vm_region_info info;
    unsigned visits = 0;
    (void)state;
    struct vm_aspace *shared = vm_aspace_create_range(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE,
                                                      VM_ASPACE_USER, "shared", VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *restricted = vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE,
                                                          VM_ASPACE_USER, "own", VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = vm_aspace_create_unified(shared, restricted, "unified");
    zx_vaddr_t va = VM_SHARED_ASPACE_BASE - PAGE;
    assert_ok(vm_aspace_enumerate(unified, visit_one, &visits));
    assert_int_equal(visits, 1);
    assert_true(vm_aspace_find_region(unified, va, &info, NULL));
    assert_int_equal(vm_aspace_soft_fault_in_range(unified, va, 0, 2 * PAGE), ZX_ERR_NOT_FOUND);
    vm_aspace_destroy(unified);
    assert_false(vm_aspace_find_region(unified, va, &info, NULL));
    assert_int_equal(vm_aspace_soft_fault_in_range(unified, va, 0, 2 * PAGE), ZX_ERR_NOT_FOUND);
    assert_int_equal(vm_aspace_enumerate(unified, visit_one, &visits), ZX_ERR_BAD_STATE);
    vm_aspace_destroy(restricted);
    vm_aspace_destroy(shared);
    vm_aspace_release(unified);
    vm_aspace_release(restricted);
    vm_aspace_release(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unified),        TEST(test_find_region), TEST(test_enumerate),
        TEST(test_memory_usage),   TEST(test_dump),        TEST(test_destroyed),
        TEST(test_alloc_refusals), TEST(test_alloc),       TEST(test_alloc_contiguous),
        TEST(test_alloc_physical), TEST(test_map_object),  TEST(test_free_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
