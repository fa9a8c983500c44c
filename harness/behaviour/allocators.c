/* SPDX-License-Identifier: MIT */
/* allocators.c: memory for the kernel itself, by the piece: in the kernel's space and in low memory. */
#include "behaviour.h"

#define SPECIFIC VMM_FLAG_VALLOC_SPECIFIC
#define COMMIT   VMM_FLAG_COMMIT

static struct vm_aspace *kernel(void)
{
    return vm_aspace_kernel();
}

static zx_vaddr_t address(const void *at)
{
    return (zx_vaddr_t)(uintptr_t)at;
}

static void free_at(const void *at)
{
    STATUS(ZX_OK, vm_aspace_free_region(kernel(), address(at)));
    check_sound();
}

/* The kernel can use the whole of it: each page keeps what is written at its two ends. */
static void check_usable(struct vm_aspace *aspace, const void *at, size_t pages)
{
    for (size_t i = 0; i < 2 * pages; i++) {
        char byte = (char)('A' + i);
        zx_vaddr_t va = address(at) + i / 2 * PAGE + i % 2 * (PAGE - 1);
        NOTE(va);
        STATUS(ZX_OK, behaviour_kernel(aspace, va, &byte, BEHAVIOUR_WRITE));
    }
    for (size_t i = 0; i < 2 * pages; i++) {
        char byte = 0;
        zx_vaddr_t va = address(at) + i / 2 * PAGE + i % 2 * (PAGE - 1);
        NOTE(va);
        STATUS(ZX_OK, behaviour_kernel(aspace, va, &byte, BEHAVIOUR_READ));
        CHECK_EQUAL(byte, (char)('A' + i));
    }
}

static void check_gone(struct vm_aspace *aspace, const void *at)
{
    char byte = 'g';
    STATUS(ZX_ERR_NOT_FOUND, behaviour_kernel(aspace, address(at), &byte, BEHAVIOUR_READ));
    STATUS(ZX_ERR_NOT_FOUND, behaviour_kernel(aspace, address(at), &byte, BEHAVIOUR_WRITE));
}

/* ---- Refusals ---- */

TEST(alloc_refusals)
{
    void *at = NULL, *unaligned = (void *)(VM_KERNEL_ASPACE_BASE + 1), *low = (void *)PAGE;
    void *end = (void *)(0 - (zx_vaddr_t)PAGE), *first = (void *)VM_KERNEL_ASPACE_BASE;
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", 0, &at, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, &at, 33, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, NULL, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, &at, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, &unaligned, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, &low, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", PAGE, &end, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_alloc(kernel(), "a", SIZE_MAX, &at, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(kernel(), "a", VM_KERNEL_ASPACE_SIZE, &at, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_NO_MEMORY, vm_aspace_alloc(kernel(), "a", GIB, &at, 0, COMMIT, MMU_RW));
    CHECK(at == NULL);
    STATUS(ZX_OK, vm_aspace_alloc(kernel(), "a", PAGE, &first, 0, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_ALREADY_EXISTS, vm_aspace_alloc(kernel(), "b", PAGE, &first, 0, SPECIFIC, MMU_RW));
    free_at(first);
}

TEST(alloc_contiguous_refusals)
{
    void *at = NULL, *low = (void *)PAGE;
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc_contiguous(kernel(), "c", 0, &at, 0, COMMIT, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc_contiguous(kernel(), "c", PAGE, &at, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS,
            vm_aspace_alloc_contiguous(kernel(), "c", PAGE, &low, 0, COMMIT | SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_NO_MEMORY, vm_aspace_alloc_contiguous(kernel(), "c", GIB, &at, 0, COMMIT, MMU_RW));
    CHECK(at == NULL);
}

TEST(alloc_physical_refusals)
{
    void *at = NULL;
    REFUSED(ZX_OK, vm_aspace_alloc_physical(kernel(), "p", 0, &at, 99, 1, SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc_physical(kernel(), "p", PAGE, &at, 0, 1, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS,
            vm_aspace_alloc_physical(kernel(), "p", PAGE, &at, 0, 1ull << 52, 0, MMU_RW));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_alloc_physical(kernel(), "p", SIZE_MAX, &at, 0, 0, 0, MMU_RW));
    CHECK(at == NULL);
}

/* ---- In the kernel's space ---- */

/* Without COMMIT the memory comes when it is touched. */
TEST(alloc_lazily)
{
    void *lazy = NULL;
    char byte = '?';
    OK(vm_aspace_alloc(kernel(), "lazy", 2 * PAGE, &lazy, 0, 0, MMU_RW));
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 0);
    CHECK_EQUAL(entry_at(kernel(), address(lazy)).size, 0);
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(lazy) + 9, &byte, BEHAVIOUR_READ));
    CHECK(byte == 0 && pmm_count(VM_PAGE_OBJECT) == 0);
    check_usable(kernel(), lazy, 2);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 2);
    CHECK_EQUAL(entry_at(kernel(), address(lazy)).flags & (ARCH_MMU_PERMS | ARCH_MMU_USER), MMU_RW);
    /* any address in it will do */
    free_at((char *)lazy + PAGE + 7);
    check_gone(kernel(), lazy);
}

TEST(alloc_now)
{
    void *now = NULL;
    OK(vm_aspace_alloc(kernel(), "now", 3 * PAGE + 1, &now, 21, COMMIT, MMU_RW));
    CHECK_EQUAL(address(now) % (2 * MIB), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQUAL(entry_at(kernel(), address(now) + i * PAGE).flags & (ARCH_MMU_PERMS | ARCH_MMU_USER),
                    MMU_RW);
    check_usable(kernel(), now, 4);
    char byte = 'x';
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_kernel(kernel(), address(now), &byte, BEHAVIOUR_EXECUTE));
    free_at(now);
    check_gone(kernel(), now);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 0);
}

TEST(alloc_at_an_address)
{
    void *wanted = (void *)(VM_KERNEL_ASPACE_BASE + GIB);
    char byte = '?';
    OK(vm_aspace_alloc(kernel(), "wanted", PAGE, &wanted, 0, SPECIFIC | COMMIT, ARCH_MMU_READ));
    CHECK_EQUAL(address(wanted), VM_KERNEL_ASPACE_BASE + GIB);
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(wanted), &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(byte, 0);
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_kernel(kernel(), address(wanted), &byte, BEHAVIOUR_WRITE));
    free_at(wanted);
}

/* Programs cannot see it. */
TEST(alloc_is_the_kernels)
{
    void *at = NULL;
    char byte = 's';
    STATUS(ZX_OK, vm_aspace_alloc(kernel(), "secret", PAGE, &at, 0, COMMIT, MMU_RW));
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(at), &byte, BEHAVIOUR_WRITE));
    STATUS(ZX_ERR_NOT_FOUND, access_read(address(at), &byte, 1));
    free_at(at);
}

TEST(alloc_contiguous)
{
    void *at = NULL;
    OK(vm_aspace_alloc_contiguous(kernel(), "run", 5 * PAGE, &at, 16, COMMIT, MMU_RW));
    zx_paddr_t first = entry_at(kernel(), address(at)).paddr;
    CHECK_EQUAL(first % (1u << 16), 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQUAL(entry_at(kernel(), address(at) + i * PAGE).paddr, first + i * PAGE);
    check_usable(kernel(), at, 5);
    free_at(at);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 0);
}

TEST(alloc_physical)
{
    struct pmm_range device = behaviour_device();
    for (unsigned policy = 0; policy < VM_CACHE_POLICIES; policy++) {
        void *at = NULL;
        uint32_t cache = policy << ARCH_MMU_CACHE_SHIFT;
        NOTE(policy);
        OK(vm_aspace_alloc_physical(kernel(), "device", 2 * MIB, &at, 21, device.base, 0, MMU_RW | cache));
        struct page_table_entry entry = entry_at(kernel(), address(at));
        CHECK_EQUAL(entry.size, 2 * MIB);
        CHECK_EQUAL(entry.paddr, device.base);
        CHECK_EQUAL(entry.flags & ARCH_MMU_CACHE_MASK, cache);
        check_usable(kernel(), at, 3);
        free_at(at);
        check_gone(kernel(), at);
    }
}

/* The largest pages that there are; nobody looks at what is there. */
TEST(alloc_physical_in_large_pages)
{
    void *at = NULL;
    OK(vm_aspace_alloc_physical(kernel(), "window", 2 * GIB, &at, 30, 4 * GIB, 0, MMU_RW));
    struct page_table_entry entry = entry_at(kernel(), address(at) + GIB);
    CHECK_EQUAL(entry.size, vm_aspace_page_table(kernel())->largest_level == 3 ? GIB : 2 * MIB);
    CHECK_EQUAL(entry.paddr, 5 * GIB);
    free_at(at);
    OK(vm_aspace_alloc_physical(kernel(), "window", GIB, &at, 30, 4 * GIB + 2 * MIB, 0, MMU_RW));
    CHECK_EQUAL(entry_at(kernel(), address(at)).size, 2 * MIB);
    free_at(at);
}

/* What is the kernel's survives a change of spaces. */
TEST(pages_are_global)
{
    void *at = NULL;
    struct vm_aspace *low = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
    OK(vm_aspace_alloc(kernel(), "here", PAGE, &at, 0, COMMIT, MMU_RW));
    CHECK((entry_at(kernel(), address(at)).flags & ARCH_MMU_GLOBAL) != 0);
    free_at(at);
    OK(vm_aspace_alloc(low, "there", PAGE, &at, 0, COMMIT, MMU_RW));
    CHECK((entry_at(low, address(at)).flags & ARCH_MMU_GLOBAL) == 0);
    discard(low);
}

/* The same memory, shown twice. */
TEST(alloc_physical_shows_what_is_there)
{
    struct pmm_range device = behaviour_device();
    void *one = NULL, *other = NULL;
    char byte = 'd';
    STATUS(ZX_OK, vm_aspace_alloc_physical(kernel(), "one", 4 * PAGE, &one, 0, device.base, 0, MMU_RW));
    STATUS(ZX_OK, vm_aspace_alloc_physical(kernel(), "other", PAGE, &other, 0, device.base + 3 * PAGE, 0,
                                           ARCH_MMU_READ));
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(one) + 3 * PAGE + 5, &byte, BEHAVIOUR_WRITE));
    byte = 0;
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(other) + 5, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(byte, 'd');
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_kernel(kernel(), address(other), &byte, BEHAVIOUR_WRITE));
    free_at(one);
    free_at(other);
}

/* Neighbours of one VMO stay what they were made as. */
TEST(map_object)
{
    zx_handle_t handle = make_vmo(4 * PAGE, 0);
    struct vm_vmo *vmo = vmo_behind(handle);
    void *low = (void *)VM_KERNEL_ASPACE_BASE, *high = (void *)(VM_KERNEL_ASPACE_BASE + PAGE), *none = NULL;
    char byte = 'm';
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_map_object(kernel(), vmo, 0, 0, &none, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_map_object(kernel(), vmo, 1, PAGE, &none, 0, 0, MMU_RW));
    REFUSED(ZX_ERR_OUT_OF_RANGE,
            vm_aspace_map_object(kernel(), vmo, PAGE, 4 * PAGE, &none, 0, COMMIT, MMU_RW));
    REFUSED(ZX_ERR_OUT_OF_RANGE, vm_aspace_map_object(kernel(), vmo, PAGE, SIZE_MAX, &none, 0, 0, MMU_RW));
    OK(vm_aspace_map_object(kernel(), vmo, 0, PAGE, &low, 0, SPECIFIC, MMU_RW));
    OK(vm_aspace_map_object(kernel(), vmo, PAGE, PAGE, &high, 0, SPECIFIC, MMU_RW));
    STATUS(ZX_OK, behaviour_kernel(kernel(), address(high) + 7, &byte, BEHAVIOUR_WRITE));
    CHECK_EQUAL(byte_of(handle, PAGE + 7), 'm');
    free_at(low);
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_free_region(kernel(), address(low)));
    free_at(high);
}

TEST(free_region)
{
    zx_vaddr_t base, va;
    zx_handle_t vdso;
    (void)make_vmar(EVERYTHING, 8, &base);
    REFUSED(ZX_ERR_BAD_STATE, vm_aspace_free_region(self(), base));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_free_region(self(), base + 8 * PAGE));
    REFUSED(ZX_ERR_NOT_FOUND, vm_aspace_free_region(self(), PAGE));
    vdso = make_executable_vmo(PAGE);
    STATUS(ZX_OK, vm_vmo_declare_vdso(vmo_behind(vdso), 0, PAGE));
    STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), RX, 0, vdso, 0, PAGE, &va));
    REFUSED(ZX_ERR_ACCESS_DENIED, vm_aspace_free_region(self(), va));
    /* of a program, too */
    va = map_somewhere(make_vmo(2 * PAGE, 0), RW, 2);
    STATUS(ZX_OK, touch(va + PAGE, 'f'));
    STATUS(ZX_OK, vm_aspace_free_region(self(), va + 5));
    STATUS(ZX_ERR_NOT_FOUND, touch(va + PAGE, 'f'));
    check_sound();
}

/* ---- In low memory ---- */

TEST(low_memory)
{
    struct vm_aspace *low = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
    void *wanted = (void *)(uintptr_t)GIB, *run = NULL;
    char byte = 'l';
    OK(vm_aspace_alloc(low, "wanted", 2 * PAGE, &wanted, 0, SPECIFIC, MMU_RW));
    CHECK_EQUAL(address(wanted), GIB);
    check_usable(low, wanted, 2);
    OK(vm_aspace_alloc_contiguous(low, "run", 4 * PAGE, &run, 0, COMMIT, MMU_RW | ARCH_MMU_EXECUTE));
    check_usable(low, run, 4);
    STATUS(ZX_OK, behaviour_kernel(low, address(run), &byte, BEHAVIOUR_EXECUTE));
    /* the kernel's, although programs have their memory at such addresses: and these are no entries that every
       space has */
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_user(low, address(run), &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(entry_at(low, address(wanted)).flags, MMU_RW);
    STATUS(ZX_OK, vm_aspace_free_region(low, address(wanted)));
    check_gone(low, wanted);
    check_sound();
    discard(low);
}

/* Nothing is ever placed at address 0, where null points, be it the lowest place that fits. */
TEST(never_at_null)
{
    static const enum vm_aspace_type types[] = {VM_ASPACE_LOW_KERNEL, VM_ASPACE_GUEST_PHYSICAL};
    for (unsigned i = 0; i < 2; i++)
        for (uint8_t align_log2 = 0; align_log2 <= 32; align_log2 += 16) {
            struct vm_aspace *aspace = vm_aspace_create(types[i], "low");
            void *first = NULL, *next = NULL, *null = NULL;
            NOTE(align_log2);
            STATUS(ZX_OK, vm_aspace_alloc(aspace, "first", PAGE, &first, align_log2, 0, MMU_RW));
            CHECK_EQUAL(address(first), align_log2 == 0 ? PAGE : (size_t)1 << align_log2);
            STATUS(ZX_OK, vm_aspace_alloc(aspace, "next", PAGE, &next, align_log2, 0, MMU_RW));
            CHECK_EQUAL(address(next), 2 * address(first));
            REFUSED(ZX_ERR_INVALID_ARGS, vm_aspace_alloc(aspace, "null", PAGE, &null, 0, SPECIFIC, MMU_RW));
            check_sound();
            discard(aspace);
        }
}

TEST(no_place_but_null)
{
    struct vm_aspace *aspace =
        vm_aspace_create_range(0, 2 * PAGE, VM_ASPACE_LOW_KERNEL, "tiny", VM_ASPACE_SHARE_NONE);
    void *at = NULL;
    REFUSED(ZX_ERR_NO_RESOURCES, vm_aspace_alloc(aspace, "two", 2 * PAGE, &at, 0, 0, MMU_RW));
    STATUS(ZX_OK, vm_aspace_alloc(aspace, "one", PAGE, &at, 0, 0, MMU_RW));
    CHECK_EQUAL(address(at), PAGE);
    REFUSED(ZX_ERR_NO_RESOURCES, vm_aspace_alloc(aspace, "more", PAGE, &at, 0, 0, MMU_RW));
    discard(aspace);
}

const struct conformance_test allocators_tests[] = {
    CASE(alloc_refusals),
    CASE(alloc_contiguous_refusals),
    CASE(alloc_physical_refusals),
    CASE(alloc_lazily),
    CASE(alloc_now),
    CASE(alloc_at_an_address),
    CASE(alloc_is_the_kernels),
    CASE(alloc_contiguous),
    CASE(alloc_physical),
    CASE(alloc_physical_in_large_pages),
    CASE(pages_are_global),
    CASE(alloc_physical_shows_what_is_there),
    CASE(map_object),
    CASE(free_region),
    CASE(low_memory),
    CASE(never_at_null),
    CASE(no_place_but_null),
    NO_MORE_CASES,
};
