/* SPDX-License-Identifier: MIT */
/* regions.c: looking into a space: the region at an address, all of them, memory usage, text and picture. */
#include "behaviour.h"

#define SPACES 100

/* ---- One region ---- */

TEST(find_region)
{
    struct vm_region_info info;
    struct vm_vmar *vmar;
    zx_vaddr_t base, va;
    zx_handle_t child = make_vmar(EVERYTHING, 8, &base), vmo = make_vmo(4 * PAGE, 0), slice;
    STATUS(ZX_OK, zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, PAGE, 3 * PAGE, &slice));
    STATUS(ZX_OK, zx_vmar_map(child, RW | ZX_VM_SPECIFIC, PAGE, slice, PAGE, 2 * PAGE, &va));
    STATUS(ZX_OK, zx_vmar_protect(child, R, va + PAGE, PAGE));
    CHECK(vm_aspace_find_region(self(), va + PAGE + 5, &info, &vmar));
    CHECK(vmar == vmar_behind(child));
    vm_vmar_release(vmar);
    CHECK(info.is_mapping && info.base == va && info.size == 2 * PAGE && info.depth == 2);
    CHECK(info.koid == basic_of(slice).koid && info.vmo_offset == PAGE && info.perms == ARCH_MMU_READ);
    CHECK(vm_aspace_find_region(self(), va, &info, NULL));
    CHECK_EQUAL(info.perms, MMU_RW);
    CHECK(vm_aspace_find_region(self(), base, &info, &vmar));
    CHECK(vmar == vmar_behind(child));
    vm_vmar_release(vmar);
    CHECK(!info.is_mapping && info.koid == basic_of(child).koid && info.depth == 1 && info.base == base);
    CHECK(vm_aspace_find_region(self(), VM_USER_ASPACE_TOP - 1, &info, NULL));
    CHECK(info.depth == 0 && info.base == VM_USER_ASPACE_BASE);
    CHECK(!vm_aspace_find_region(self(), VM_USER_ASPACE_TOP, &info, NULL));
    CHECK(!vm_aspace_find_region(self(), VM_USER_ASPACE_BASE - 1, &info, NULL));
    check_sound();
}

/* ---- All regions ---- */

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

TEST(enumerate)
{
    zx_vaddr_t base, va;
    zx_handle_t child = make_vmar(EVERYTHING, 8, &base), vmo = make_vmo(4 * PAGE, 0);
    struct visits visits = {.most = 8};
    STATUS(ZX_OK, zx_vmar_map(child, RW | ZX_VM_SPECIFIC, PAGE, vmo, 0, PAGE, &va));
    STATUS(ZX_OK, zx_vmar_map(child, R | ZX_VM_SPECIFIC, 4 * PAGE, vmo, 0, PAGE, &va));
    REFUSED(ZX_OK, vm_aspace_enumerate(self(), visit, &visits));
    CHECK_EQUAL(visits.count, 4);
    CHECK(visits.infos[0].base == VM_USER_ASPACE_BASE && visits.infos[0].depth == 0);
    CHECK(visits.infos[1].base == base && visits.infos[1].depth == 1);
    CHECK(visits.infos[2].base == base + PAGE && visits.infos[2].depth == 2);
    CHECK(visits.infos[3].base == va && visits.infos[3].perms == ARCH_MMU_READ);
    visits.count = 0;
    visits.most = 2;
    STATUS(ZX_OK, vm_aspace_enumerate(self(), visit, &visits));
    CHECK_EQUAL(visits.count, 2);
}

TEST(enumerate_below_a_vmar)
{
    zx_vaddr_t base, va;
    zx_handle_t child = make_vmar(EVERYTHING, 8, &base), vmo = make_vmo(4 * PAGE, 0);
    struct visits visits = {.most = 8};
    struct vm_vmar *vmar;
    zx_koid_t koid = basic_of(child).koid;
    STATUS(ZX_OK, zx_vmar_map(child, RW | ZX_VM_SPECIFIC, PAGE, vmo, 0, PAGE, &va));
    STATUS(ZX_OK, vm_vmar_from_handle(child, &vmar));
    STATUS(ZX_OK, vm_vmar_enumerate(vmar, visit, &visits));
    CHECK(visits.count == 2 && visits.infos[0].depth == 0 && visits.infos[0].koid == koid);
    CHECK(visits.infos[1].depth == 1 && visits.infos[1].base == va);
    STATUS(ZX_OK, zx_vmar_destroy(child));
    STATUS(ZX_ERR_BAD_STATE, vm_vmar_enumerate(vmar, visit, &visits));
    CHECK_EQUAL(visits.count, 2);
    vm_vmar_release(vmar);
}

TEST(enumerate_the_dead)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "mortal");
    struct visits visits = {.most = 8};
    STATUS(ZX_OK, vm_aspace_enumerate(aspace, visit, &visits));
    CHECK_EQUAL(visits.count, 1);
    vm_aspace_destroy(aspace);
    STATUS(ZX_ERR_BAD_STATE, vm_aspace_enumerate(aspace, visit, &visits));
    CHECK_EQUAL(visits.count, 1);
    vm_aspace_release(aspace);
}

/* ---- Memory usage ---- */

/* More spaces than any table would hold, some of which map the pages twice. */
TEST(memory_usage)
{
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), own = make_vmo(2 * PAGE, 0), process, root;
    struct vm_aspace_usage usage;
    zx_vaddr_t va;
    STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 2 * PAGE, NULL, 0));
    STATUS(ZX_OK, zx_vmo_op_range(own, ZX_VMO_OP_COMMIT, 0, PAGE, NULL, 0));
    (void)map_somewhere(own, R, 2);
    for (unsigned i = 1; i < SPACES; i++) {
        STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
        for (unsigned twice = 0; twice <= i % 2; twice++)
            STATUS(ZX_OK, zx_vmar_map(root, R, 0, vmo, 0, PAGE, &va));
    }
    (void)map_somewhere(vmo, R, 4);
    REFUSED(ZX_OK, vm_aspace_get_memory_usage(self(), &usage));
    CHECK_EQUAL(usage.mapped_pages, 6);
    CHECK_EQUAL(usage.private_pages, 2);
    CHECK_EQUAL(usage.shared_pages, 1);
    CHECK_EQUAL(usage.scaled_shared_bytes, PAGE / SPACES);
}

TEST(memory_usage_of_a_kernel_space)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
    struct vm_aspace_usage usage;
    void *now = NULL, *later = NULL;
    STATUS(ZX_OK, vm_aspace_get_memory_usage(aspace, &usage));
    CHECK(usage.mapped_pages == 0 && usage.private_pages == 0 && usage.shared_pages == 0);
    STATUS(ZX_OK, vm_aspace_alloc(aspace, "now", 3 * PAGE, &now, 0, VMM_FLAG_COMMIT, MMU_RW));
    STATUS(ZX_OK, vm_aspace_alloc(aspace, "later", 4 * PAGE, &later, 0, 0, MMU_RW));
    STATUS(ZX_OK, vm_aspace_get_memory_usage(aspace, &usage));
    CHECK(usage.mapped_pages == 7 && usage.private_pages == 3);
    CHECK(usage.shared_pages == 0 && usage.scaled_shared_bytes == 0);
    discard(aspace);
}

/* ---- Text and picture ---- */

TEST(dump)
{
    static struct kept_text kept;
    zx_vaddr_t base;
    (void)make_vmar(EVERYTHING, 8, &base);
    vm_aspace_dump(self(), keep_text(&kept));
    CHECK_EQUAL(kept.lines, 3); /* the space, its root, the VMAR */
    CHECK(says(&kept, "space 'self'") && says(&kept, "vmar"));
    (void)map_somewhere(make_vmo(PAGE, 0), RW, 1);
    vm_aspace_dump(self(), keep_text(&kept));
    CHECK(kept.lines == 4 && says(&kept, "mapping ["));
}

static struct vm_aspace *visited;

/* Whoever visits regions holds the lock. */
static bool dump_here(void *context, const struct vm_region_info *info)
{
    (void)info;
    vm_aspace_dump_locked(visited, keep_text(context));
    return false;
}

TEST(dump_locked)
{
    static struct kept_text kept, locked;
    zx_vaddr_t base;
    (void)make_vmar(EVERYTHING, 8, &base);
    visited = self();
    vm_aspace_dump(visited, keep_text(&kept));
    STATUS(ZX_OK, vm_aspace_enumerate(visited, dump_here, &locked));
    CHECK(kept.size == locked.size && kept.size < sizeof(kept.text));
    CHECK(same_bytes(kept.text, locked.text, kept.size));
}

TEST(dump_all)
{
    static struct kept_text kept, one;
    unsigned lines;
    vm_aspace_dump_all(keep_text(&kept));
    CHECK(says(&kept, "space 'self'") && says(&kept, "space 'kernel'"));
    lines = kept.lines;
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_GUEST_PHYSICAL, "one more");
    vm_aspace_dump(aspace, keep_text(&one));
    CHECK_EQUAL(one.lines, 2);
    vm_aspace_dump_all(keep_text(&kept));
    CHECK(kept.lines == lines + one.lines && says(&kept, "space 'one more'"));
    discard(aspace);
}

TEST(dump_around)
{
    static struct kept_text kept;
    zx_vaddr_t va = map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    vm_aspace_dump_around(self(), va + PAGE, keep_text(&kept));
    CHECK(says(&kept, "mapping ["));
}

TEST(svg)
{
    static struct kept_text kept;
    (void)map_somewhere(make_vmo(4 * PAGE, 0), RW, 4);
    vm_aspace_svg(self(), keep_text(&kept));
    CHECK(says(&kept, "<svg") && says(&kept, "mapping [") && says(&kept, "</svg>"));
}

const struct conformance_test regions_tests[] = {
    CASE(find_region),
    CASE(enumerate),
    CASE(enumerate_below_a_vmar),
    CASE(enumerate_the_dead),
    CASE(memory_usage),
    CASE(memory_usage_of_a_kernel_space),
    CASE(dump),
    CASE(dump_locked),
    CASE(dump_all),
    CASE(dump_around),
    CASE(svg),
    NO_MORE_CASES,
};
