/* SPDX-License-Identifier: MIT */
/* assertions.c: misuse by the kernel itself, which the core refuses to survive. */
#include "behaviour.h"

#define BASE (VM_KERNEL_ASPACE_BASE + 64 * GIB)

/* ---- Large buffers ---- */

/* Each case works on a copy of this allocator of 512 pages, guard 1; four pages are allocated. */
static struct virtual_alloc allocator;
static zx_vaddr_t allocated;

static void free_none(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated, 0);
}

static void free_too_much(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated, 5);
}

static void free_before(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated - PAGE, 2);
}

static void free_bookkeeping(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, BASE, 1);
}

static void free_outside(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, BASE - PAGE, 1);
}

static void free_unaligned(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated + 1, 1);
}

static void free_huge(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated, SIZE_MAX);
}

static void free_twice(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated, 1);
    virtual_alloc_free_pages(own, allocated, 1);
}

static void destroy_early(struct virtual_alloc *own)
{
    virtual_alloc_destroy(own);
}

static void take_taken(struct virtual_alloc *own)
{
    (void)virtual_alloc_debug_allocate_vaddr_range(own, allocated - PAGE, 2);
}

static void take_outside(struct virtual_alloc *own)
{
    (void)virtual_alloc_debug_allocate_vaddr_range(own, BASE + 511 * PAGE, 2);
}

static void init_elsewhere(struct virtual_alloc *own)
{
    virtual_alloc_construct(own, VM_PAGE_ALLOC);
    (void)virtual_alloc_init(own, BASE - MIB, 2 * MIB, 1, ZX_PAGE_SHIFT);
}

/* Another allocator, over the range of this one, or of what it has given out. */
static void init_over(struct virtual_alloc *own, zx_vaddr_t base)
{
    (void)own;
    struct virtual_alloc second;
    virtual_alloc_construct(&second, VM_PAGE_ALLOC);
    (void)virtual_alloc_init(&second, base, 64 * PAGE, 1, ZX_PAGE_SHIFT);
}

static void init_over_bookkeeping(struct virtual_alloc *own)
{
    init_over(own, BASE);
}

static void init_over_pages(struct virtual_alloc *own)
{
    init_over(own, allocated - PAGE);
}

/* A range that another one has come to use after init. */
static void alloc_over_pages(struct virtual_alloc *own)
{
    struct virtual_alloc second;
    zx_vaddr_t va;
    virtual_alloc_construct(&second, VM_PAGE_ALLOC);
    if (virtual_alloc_init(&second, BASE + 64 * PAGE, 64 * PAGE, 1, ZX_PAGE_SHIFT) == ZX_OK &&
        virtual_alloc_debug_allocate_vaddr_range(own, BASE + 80 * PAGE, 1) == ZX_OK)
        (void)virtual_alloc_alloc_pages(&second, 40, &va);
}

static void construct_free(struct virtual_alloc *own)
{
    virtual_alloc_construct(own, VM_PAGE_FREE);
}

static void free_before_init(struct virtual_alloc *own)
{
    virtual_alloc_construct(own, VM_PAGE_ALLOC);
    virtual_alloc_free_pages(own, BASE, 1);
}

static void free_fine(struct virtual_alloc *own)
{
    virtual_alloc_free_pages(own, allocated, 4);
    virtual_alloc_destroy(own);
}

struct misuse {
    void (*function)(struct virtual_alloc *own);
};

static void misuse(void *context)
{
    const struct misuse *how = context;
    struct virtual_alloc own = allocator;
    how->function(&own);
}

static bool asserts(void (*function)(struct virtual_alloc *own))
{
    struct misuse how = {function};
    return behaviour_asserts(misuse, &how);
}

static void make_allocator(void)
{
    STATUS(ZX_OK, vm_aspace_set_aside(BASE, GIB));
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    STATUS(ZX_OK, virtual_alloc_init(&allocator, BASE, 512 * PAGE, 1, ZX_PAGE_SHIFT));
    STATUS(ZX_OK, virtual_alloc_alloc_pages(&allocator, 4, &allocated));
}

static void end_allocator(void)
{
    check_sound();
    virtual_alloc_free_pages(&allocator, allocated, 4);
    virtual_alloc_destroy(&allocator);
    check_sound();
}

/* What is not allocated is not freed, and no page is touched before that is known. */
TEST(freeing_what_is_not_allocated)
{
    char byte = 'k';
    make_allocator();
    STATUS(ZX_OK, behaviour_kernel(vm_aspace_kernel(), allocated, &byte, BEHAVIOUR_WRITE));
    CHECK(asserts(free_none));
    CHECK(asserts(free_too_much));
    CHECK(asserts(free_before));
    CHECK(asserts(free_bookkeeping));
    CHECK(asserts(free_outside));
    CHECK(asserts(free_unaligned));
    CHECK(asserts(free_huge));
    CHECK(asserts(free_twice));
    CHECK(asserts(free_before_init));
    byte = 0;
    STATUS(ZX_OK, behaviour_kernel(vm_aspace_kernel(), allocated, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(byte, 'k');
    end_allocator();
}

TEST(taking_what_cannot_be_taken)
{
    make_allocator();
    CHECK(asserts(take_taken));
    CHECK(asserts(take_outside));
    end_allocator();
}

TEST(beginning_and_end_of_an_allocator)
{
    make_allocator();
    CHECK(asserts(destroy_early));
    CHECK(asserts(init_elsewhere));
    CHECK(asserts(init_over_bookkeeping));
    CHECK(asserts(init_over_pages));
    CHECK(asserts(alloc_over_pages));
    CHECK(asserts(construct_free));
    end_allocator();
}

/* What is right does not assert; and here, too, it is undone. */
TEST(no_assertion)
{
    make_allocator();
    CHECK(!asserts(free_fine));
    end_allocator();
}

/* ---- Spaces ---- */

static void destroy_space(void *aspace)
{
    vm_aspace_destroy(aspace);
}

/* A unified space goes before what it shows. */
TEST(parts_destroyed_first)
{
    struct vm_aspace *shared = vm_aspace_create_range(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE,
                                                      VM_ASPACE_USER, "shared", VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *own = vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE,
                                                   VM_ASPACE_USER, "own", VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = vm_aspace_create_unified(shared, own, "unified");
    CHECK(unified != NULL);
    CHECK(behaviour_asserts(destroy_space, shared));
    CHECK(behaviour_asserts(destroy_space, own));
    CHECK(!behaviour_asserts(destroy_space, unified));
    CHECK(!vm_aspace_is_destroyed(unified));
    check_sound();
    discard(unified);
    discard(own);
    discard(shared);
}

static void allocate_in(void *aspace)
{
    void *at = NULL;
    (void)vm_aspace_alloc(aspace, "misplaced", PAGE, &at, 0, 0, MMU_RW);
}

static void allocate_contiguous_in(void *aspace)
{
    void *at = NULL;
    (void)vm_aspace_alloc_contiguous(aspace, "misplaced", PAGE, &at, 0, VMM_FLAG_COMMIT, MMU_RW);
}

static void allocate_physical_in(void *aspace)
{
    void *at = NULL;
    (void)vm_aspace_alloc_physical(aspace, "misplaced", PAGE, &at, 0, 0, 0, MMU_RW);
}

static zx_handle_t some_vmo;

static void map_object_in(void *aspace)
{
    void *at = NULL;
    (void)vm_aspace_map_object(aspace, vmo_behind(some_vmo), 0, PAGE, &at, 0, 0, MMU_RW);
}

static void allocate_write_only_in(void *aspace)
{
    void *at = NULL;
    (void)vm_aspace_alloc(aspace, "unreadable", PAGE, &at, 0, 0, ARCH_MMU_WRITE);
}

/* The kernel's allocators are for its own spaces. */
TEST(allocating_in_a_users_space)
{
    some_vmo = make_vmo(PAGE, 0);
    CHECK(behaviour_asserts(allocate_in, self()));
    CHECK(behaviour_asserts(allocate_contiguous_in, self()));
    CHECK(behaviour_asserts(allocate_physical_in, self()));
    CHECK(behaviour_asserts(map_object_in, self()));
    CHECK(!behaviour_asserts(allocate_in, vm_aspace_kernel()));
    CHECK(!behaviour_asserts(map_object_in, vm_aspace_kernel()));
    CHECK(behaviour_asserts(allocate_write_only_in, vm_aspace_kernel()));
    check_sound();
}

const struct conformance_test assertions_tests[] = {
    CASE(freeing_what_is_not_allocated),
    CASE(taking_what_cannot_be_taken),
    CASE(beginning_and_end_of_an_allocator),
    CASE(no_assertion),
    CASE(parts_destroyed_first),
    CASE(allocating_in_a_users_space),
    NO_MORE_CASES,
};
