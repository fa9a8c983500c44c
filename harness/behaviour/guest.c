/* SPDX-License-Identifier: MIT */
/* guest.c: what a guest takes for physical memory: a space with tables of another format. */
#include "behaviour.h"

static struct vm_aspace *make_guest(void)
{
    struct vm_aspace *guest = vm_aspace_create(VM_ASPACE_GUEST_PHYSICAL, "guest");
    CHECK(guest != NULL);
    return guest;
}

/* Maps all of the VMO there. */
static void map_guest(struct vm_aspace *guest, zx_vaddr_t va, zx_handle_t vmo, size_t pages,
                      uint32_t mmu_flags)
{
    void *at = (void *)(uintptr_t)va;
    STATUS(ZX_OK, vm_aspace_map_object(guest, vmo_behind(vmo), 0, pages * PAGE, &at, 0,
                                       VMM_FLAG_VALLOC_SPECIFIC, mmu_flags));
}

static void check_access(struct vm_aspace *guest, zx_vaddr_t va, enum behaviour_access kind,
                         zx_status_t expected)
{
    char byte = 'g';
    NOTE(va);
    NOTE(kind);
    STATUS(expected, behaviour_kernel(guest, va, &byte, kind));
}

TEST(span)
{
    struct vm_aspace *guest = make_guest();
    const zx_vaddr_t upper = (zx_vaddr_t)1 << 47; /* where no program's address could be */
    map_guest(guest, PAGE, make_vmo(PAGE, 0), 1, MMU_RW);
    map_guest(guest, VM_GUEST_ASPACE_SIZE - PAGE, make_vmo(PAGE, 0), 1, MMU_RW);
    map_guest(guest, upper, make_vmo(PAGE, 0), 1, MMU_RW);
    check_access(guest, PAGE, BEHAVIOUR_WRITE, ZX_OK);
    check_access(guest, VM_GUEST_ASPACE_SIZE - 1, BEHAVIOUR_WRITE, ZX_OK);
    check_access(guest, upper, BEHAVIOUR_WRITE, ZX_OK);
    check_access(guest, 0, BEHAVIOUR_READ, ZX_ERR_NOT_FOUND);
    check_access(guest, 2 * PAGE, BEHAVIOUR_READ, ZX_ERR_NOT_FOUND);
    check_access(guest, VM_GUEST_ASPACE_SIZE, BEHAVIOUR_READ, ZX_ERR_NOT_FOUND);
    check_access(guest, UINT64_MAX, BEHAVIOUR_READ, ZX_ERR_NOT_FOUND);
    check_sound();
    discard(guest);
}

TEST(permissions)
{
    static const uint32_t perms[] = {0, ARCH_MMU_READ, MMU_RW, ARCH_MMU_READ | ARCH_MMU_EXECUTE,
                                     MMU_RW | ARCH_MMU_EXECUTE};
    static const uint32_t needs[] = {ARCH_MMU_READ, ARCH_MMU_WRITE, ARCH_MMU_EXECUTE};
    struct vm_aspace *guest = make_guest();
    for (unsigned i = 0; i < sizeof(perms) / sizeof(perms[0]); i++) {
        zx_vaddr_t va = (i + 1) * 16 * PAGE;
        map_guest(guest, va, make_vmo(PAGE, 0), 1, perms[i]);
        for (unsigned kind = 0; kind < 3; kind++)
            check_access(guest, va, kind, (needs[kind] & perms[i]) != 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED);
    }
    /* Programs have no business here. */
    STATUS(ZX_ERR_ACCESS_DENIED, vm_aspace_page_fault(guest, 16 * PAGE * 5, VM_PF_FLAG_USER));
    check_sound();
    discard(guest);
}

/* What a guest writes its host reads, and what goes is gone. */
TEST(memory)
{
    struct vm_aspace *guest = make_guest();
    zx_handle_t vmo = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE);
    char byte = 'h';
    map_guest(guest, 16 * PAGE, vmo, 4, MMU_RW);
    check_access(guest, 17 * PAGE, BEHAVIOUR_READ, ZX_OK); /* the zero page */
    check_access(guest, 17 * PAGE, BEHAVIOUR_WRITE, ZX_OK);
    CHECK_EQUAL(byte_of(vmo, PAGE), 'g');
    STATUS(ZX_OK, zx_vmo_write(vmo, &byte, 2 * PAGE, 1));
    byte = 0;
    STATUS(ZX_OK, behaviour_kernel(guest, 18 * PAGE, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(byte, 'h');
    STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, 4 * PAGE, NULL, 0));
    STATUS(ZX_OK, behaviour_kernel(guest, 18 * PAGE, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(byte, 0);
    STATUS(ZX_OK, zx_vmo_set_size(vmo, 2 * PAGE));
    check_access(guest, 18 * PAGE, BEHAVIOUR_READ, ZX_ERR_OUT_OF_RANGE);
    OK(vm_aspace_page_fault(guest, 16 * PAGE, VM_PF_FLAG_GUEST | VM_PF_FLAG_WRITE));
    check_sound();
    discard(guest);
}

TEST(allocations)
{
    struct vm_aspace *guest = make_guest();
    void *at = NULL;
    char byte = 'a';
    OK(vm_aspace_alloc(guest, "memory", 2 * PAGE, &at, 0, VMM_FLAG_COMMIT, MMU_RW));
    zx_vaddr_t va = (zx_vaddr_t)(uintptr_t)at;
    STATUS(ZX_OK, behaviour_kernel(guest, va + PAGE, &byte, BEHAVIOUR_WRITE));
    STATUS(ZX_OK, vm_aspace_free_region(guest, va));
    STATUS(ZX_ERR_NOT_FOUND, behaviour_kernel(guest, va + PAGE, &byte, BEHAVIOUR_WRITE));
    discard(guest);
}

TEST(large_pages)
{
    struct vm_aspace *guest = make_guest();
    struct pmm_range device = behaviour_device();
    void *at = (void *)(uintptr_t)(8 * GIB);
    OK(vm_aspace_alloc_physical(guest, "device", device.size, &at, 0, device.base, VMM_FLAG_VALLOC_SPECIFIC,
                                MMU_RW));
    CHECK_EQUAL(entry_at(guest, 8 * GIB + 5 * PAGE).size, 2 * MIB);
    check_access(guest, 8 * GIB + 3 * MIB, BEHAVIOUR_WRITE, ZX_OK);
    CHECK_EQUAL(entry_at(guest, 8 * GIB + 3 * MIB).paddr, device.base + 2 * MIB);
    STATUS(ZX_OK, vm_aspace_free_region(guest, 8 * GIB));
    check_access(guest, 8 * GIB, BEHAVIOUR_READ, ZX_ERR_NOT_FOUND);
    discard(guest);
}

TEST(cache_policies)
{
    struct vm_aspace *guest = make_guest();
    struct pmm_range device = behaviour_device();
    for (unsigned policy = 0; policy < VM_CACHE_POLICIES; policy++) {
        void *at = (void *)((policy + 1) * GIB);
        uint32_t cache = policy << ARCH_MMU_CACHE_SHIFT;
        NOTE(policy);
        STATUS(ZX_OK, vm_aspace_alloc_physical(guest, "device", PAGE, &at, 0, device.base,
                                               VMM_FLAG_VALLOC_SPECIFIC, MMU_RW | cache));
        CHECK_EQUAL(entry_at(guest, (policy + 1) * GIB).flags & ARCH_MMU_CACHE_MASK, cache);
    }
    discard(guest);
}

const struct conformance_test guest_tests[] = {
    CASE(span),        CASE(permissions),    CASE(memory),  CASE(allocations),
    CASE(large_pages), CASE(cache_policies), NO_MORE_CASES,
};
