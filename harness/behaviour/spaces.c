/* SPDX-License-Identifier: MIT */
/* spaces.c: memory priority; shared, restricted and unified spaces, bare and as processes have them. */
#include "behaviour.h"

#define TOP_ENTRY ((size_t)512 << 30) /* what a top-level entry spans */

/* ---- Memory priority ---- */

static zx_handle_t make_child(zx_handle_t parent, size_t pages)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    zx_vaddr_t base;
    STATUS(ZX_OK, zx_vmar_allocate(parent, EVERYTHING, 0, pages * PAGE, &vmar, &base));
    return vmar;
}

static bool is_high(void)
{
    return vm_aspace_is_high_memory_priority(self());
}

TEST(priority_of_one)
{
    zx_handle_t handle = make_child(zx_vmar_root_self(), 16);
    struct vm_vmar *vmar = vmar_behind(handle);
    CHECK(!is_high());
    REFUSED(ZX_OK, vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_DEFAULT));
    OK_ONCE(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
    CHECK(is_high());
    REFUSED(ZX_OK, vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
    OK_ONCE(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_DEFAULT));
    CHECK(!is_high());
    OK_ONCE(vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
    STATUS(ZX_OK, zx_vmar_destroy(handle));
    CHECK(!is_high());
    REFUSED(ZX_ERR_BAD_STATE, vm_vmar_set_memory_priority(vmar, VM_MEMORY_PRIORITY_HIGH));
}

/* What lies deeper inherits, may differ again, and counts until it is gone. */
TEST(priority_of_a_tree)
{
    zx_handle_t outer = make_child(zx_vmar_root_self(), 64), inner = make_child(outer, 32), later;
    OK_ONCE(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_HIGH));
    later = make_child(inner, 8);
    OK_ONCE(vm_vmar_set_memory_priority(vmar_behind(outer), VM_MEMORY_PRIORITY_DEFAULT));
    CHECK(!is_high());
    OK_ONCE(vm_vmar_set_memory_priority(vmar_behind(later), VM_MEMORY_PRIORITY_HIGH));
    CHECK(is_high());
    STATUS(ZX_OK, zx_vmar_destroy(outer));
    CHECK(!is_high());
}

TEST(priority_is_inherited)
{
    zx_handle_t child;
    zx_vaddr_t va;
    OK_ONCE(vm_vmar_set_memory_priority(vmar_behind(zx_vmar_root_self()), VM_MEMORY_PRIORITY_HIGH));
    OK(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, PAGE, &child, &va));
    /* The child alone would do. */
    STATUS(ZX_OK, zx_vmar_destroy(child));
    CHECK(is_high());
    OK_ONCE(vm_vmar_set_memory_priority(vmar_behind(zx_vmar_root_self()), VM_MEMORY_PRIORITY_DEFAULT));
    CHECK(!is_high());
}

TEST(priority_always_needed)
{
    zx_vaddr_t va = map_somewhere(make_vmo(PAGE, 0), RW, 1);
    STATUS(ZX_OK, zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_ALWAYS_NEED, va, PAGE, NULL, 0));
    CHECK(is_high());
    STATUS(ZX_OK, zx_vmar_unmap(zx_vmar_root_self(), va, PAGE));
    CHECK(is_high());
}

TEST(priority_of_the_dead)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "mortal");
    struct vm_vmar *root = vm_aspace_root_vmar(aspace);
    STATUS(ZX_OK, vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    CHECK(vm_aspace_is_high_memory_priority(aspace));
    vm_aspace_destroy(aspace);
    CHECK(!vm_aspace_is_high_memory_priority(aspace));
    STATUS(ZX_ERR_BAD_STATE, vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    vm_vmar_release(root);
    check_sound();
    vm_aspace_release(aspace);
}

/* ---- Unified spaces, bare ---- */

static struct vm_aspace *make_part(zx_vaddr_t base, size_t size, enum vm_aspace_share_opt share_opt)
{
    struct vm_aspace *aspace = vm_aspace_create_range(base, size, VM_ASPACE_USER, "part", share_opt);
    CHECK(aspace != NULL);
    return aspace;
}

static zx_status_t unify(struct vm_aspace *shared, struct vm_aspace *restricted, struct vm_aspace **out)
{
    *out = vm_aspace_create_unified(shared, restricted, "unified");
    return *out != NULL ? ZX_OK : ZX_ERR_NO_MEMORY;
}

#define CANNOT_UNIFY(a, b) REFUSED(ZX_ERR_NO_MEMORY, unify(a, b, &none))

TEST(unified_refusals)
{
    struct vm_aspace *shared = make_part(4 * TOP_ENTRY, 2 * TOP_ENTRY, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *plain = make_part(TOP_ENTRY, TOP_ENTRY, VM_ASPACE_SHARE_NONE);
    struct vm_aspace *fine = make_part(TOP_ENTRY, 3 * TOP_ENTRY, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *above = make_part(6 * TOP_ENTRY, TOP_ENTRY, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *overlapping = make_part(TOP_ENTRY, 3 * TOP_ENTRY + PAGE, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *inside = make_part(5 * TOP_ENTRY, PAGE, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *gone = make_part(TOP_ENTRY, TOP_ENTRY, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *none = NULL, *below = NULL, *other = NULL;
    vm_aspace_destroy(gone);
    CANNOT_UNIFY(plain, fine);
    CANNOT_UNIFY(fine, fine);
    CANNOT_UNIFY(shared, plain);
    CANNOT_UNIFY(shared, shared);
    CANNOT_UNIFY(shared, overlapping);
    CANNOT_UNIFY(shared, inside);
    CANNOT_UNIFY(shared, gone);
    STATUS(ZX_OK, unify(shared, fine, &below));
    STATUS(ZX_OK, unify(shared, above, &other));
    check_sound();
    CANNOT_UNIFY(shared, fine); /* it is shown already */
    discard(below);
    STATUS(ZX_OK, unify(shared, fine, &below));
    discard(below);
    discard(other);
    struct vm_aspace *const rest[] = {plain, fine, above, overlapping, inside, gone, shared};
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
        discard(rest[i]);
    check_sound();
}

TEST(unified_creation_without_memory)
{
    struct vm_aspace *shared = make_part(VM_SHARED_ASPACE_BASE, TOP_ENTRY, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *own = make_part(VM_USER_ASPACE_BASE, GIB, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = NULL;
    OK(unify(shared, own, &unified));
    discard(unified);
    discard(own);
    discard(shared);
}

static bool count_visit(void *context, const struct vm_region_info *info)
{
    (void)info;
    ++*(unsigned *)context;
    return true;
}

/* It manages nothing itself, and keeps what it shows. */
TEST(unified_manages_nothing)
{
    struct vm_aspace *shared =
        make_part(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *own =
        make_part(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = NULL;
    struct vm_region_info info;
    unsigned visits = 0;
    STATUS(ZX_OK, unify(shared, own, &unified));
    CHECK(vm_aspace_base(unified) == 0 && vm_aspace_size(unified) == 0 && vm_aspace_is_user(unified));
    CHECK(vm_aspace_root_vmar(unified) == NULL && !vm_aspace_is_destroyed(unified));
    CHECK(vm_aspace_table_root(unified) != vm_aspace_table_root(shared));
    STATUS(ZX_OK, vm_aspace_enumerate(unified, count_visit, &visits));
    CHECK_EQUAL(visits, 2);
    CHECK(vm_aspace_find_region(unified, VM_SHARED_ASPACE_BASE - PAGE, &info, NULL));
    CHECK_EQUAL(info.base, VM_USER_ASPACE_BASE);
    CHECK(vm_aspace_find_region(unified, VM_SHARED_ASPACE_BASE, &info, NULL));
    CHECK_EQUAL(info.base, VM_SHARED_ASPACE_BASE);
    vm_aspace_destroy(unified);
    vm_aspace_destroy(unified);
    CHECK(vm_aspace_is_destroyed(unified) && !vm_aspace_is_destroyed(shared) && !vm_aspace_is_destroyed(own));
    CHECK(!vm_aspace_find_region(unified, VM_SHARED_ASPACE_BASE, &info, NULL));
    STATUS(ZX_ERR_NOT_FOUND, vm_aspace_soft_fault_in_range(unified, VM_SHARED_ASPACE_BASE, 0, PAGE));
    STATUS(ZX_ERR_BAD_STATE, vm_aspace_enumerate(unified, count_visit, &visits));
    discard(own);
    discard(shared);
    check_sound();
    vm_aspace_release(unified);
}

TEST(unified_priority)
{
    struct vm_aspace *shared = make_part(VM_SHARED_ASPACE_BASE, TOP_ENTRY, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *own = make_part(VM_USER_ASPACE_BASE, GIB, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = NULL;
    struct vm_vmar *root = vm_aspace_root_vmar(shared);
    vm_vmar_release(root); /* its space keeps it */
    STATUS(ZX_OK, unify(shared, own, &unified));
    CHECK(!vm_aspace_is_high_memory_priority(unified));
    OK_ONCE(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH));
    CHECK(vm_aspace_is_high_memory_priority(unified) && !vm_aspace_is_high_memory_priority(own));
    vm_aspace_destroy(unified);
    CHECK(!vm_aspace_is_high_memory_priority(unified));
    discard(own);
    discard(shared);
    vm_aspace_release(unified);
}

TEST(unified_text)
{
    static struct kept_text kept;
    struct vm_aspace *shared = make_part(VM_SHARED_ASPACE_BASE, TOP_ENTRY, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *own = make_part(VM_USER_ASPACE_BASE, GIB, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *unified = NULL;
    STATUS(ZX_OK, unify(shared, own, &unified));
    vm_aspace_dump(unified, keep_text(&kept));
    CHECK(says(&kept, "space 'unified' unified [0x0, 0x0)"));
    CHECK(says(&kept, "space 'part' restricted [0x1000000, ") &&
          says(&kept, "space 'part' shared [0x400000000000, "));
    discard(unified);
    discard(own);
    discard(shared);
}

/* ---- Unified spaces as processes have them ---- */

struct members {
    zx_handle_t process[3], root[3], vmo;
    struct vm_aspace *space[3]; /* of the founder, the shared space; of the others, unified ones */
    zx_vaddr_t high, low; /* of four pages of the VMO: in what all share, in what member 1 has for itself */
};

static struct members make_members(void)
{
    struct members members = {.vmo = make_vmo(4 * PAGE, 0)};
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &members.process[0],
                                    &members.root[0]));
    for (unsigned i = 1; i < 3; i++)
        STATUS(ZX_OK, zx_process_create_shared(members.process[0], 0, "next", 4, &members.process[i],
                                               &members.root[i]));
    for (unsigned i = 0; i < 3; i++)
        members.space[i] = space_of(members.process[i]);
    STATUS(ZX_OK, zx_vmar_map(members.root[0], RW, 0, members.vmo, 0, 4 * PAGE, &members.high));
    STATUS(ZX_OK, zx_vmar_map(members.root[1], RW, 0, members.vmo, 0, 4 * PAGE, &members.low));
    return members;
}

/* The byte at va as that member sees it; -1 where there is nothing. */
static int peek(const struct members *members, unsigned number, zx_vaddr_t va)
{
    char byte;
    zx_status_t status = behaviour_user(members->space[number], va, &byte, BEHAVIOUR_READ);
    CHECK(status == ZX_OK || status == ZX_ERR_NOT_FOUND);
    return status == ZX_OK ? byte : -1;
}

TEST(unified_shows_both)
{
    struct members members = make_members();
    put_byte(members.space[1], members.high + 5, 's');
    put_byte(members.space[1], members.low + PAGE, 'r');
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQUAL(peek(&members, i, members.high + 5), 's');
        CHECK_EQUAL(peek(&members, i, members.high + PAGE), 'r');
        CHECK_EQUAL(peek(&members, i, members.low), i == 1 ? 0 : -1);
    }
    const zx_vaddr_t nowhere[] = {0,
                                  members.low - PAGE,
                                  members.low + 4 * PAGE,
                                  members.high - PAGE,
                                  VM_USER_ASPACE_TOP,
                                  VM_KERNEL_ASPACE_BASE};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
        CHECK_EQUAL(peek(&members, 1, nowhere[i]), -1);
    check_sound();
}

/* What is taken away is gone from every view, by whichever it was in use. */
TEST(unified_invalidation)
{
    struct members members = make_members();
    char byte = 'y';
    put_byte(members.space[1], members.high, 'x');
    put_byte(members.space[1], members.low, 'x');
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(peek(&members, i, members.high), 'x');
    CHECK_EQUAL(peek(&members, 1, members.low), 'x');
    STATUS(ZX_OK, zx_vmar_unmap(members.root[1], members.low, 4 * PAGE));
    CHECK_EQUAL(peek(&members, 1, members.low), -1);
    CHECK_EQUAL(peek(&members, 1, members.high), 'x');
    STATUS(ZX_OK, zx_vmar_protect(members.root[0], R, members.high, PAGE));
    STATUS(ZX_ERR_ACCESS_DENIED, behaviour_user(members.space[1], members.high, &byte, BEHAVIOUR_WRITE));
    CHECK_EQUAL(peek(&members, 1, members.high), 'x');
    STATUS(ZX_OK, zx_vmo_op_range(members.vmo, ZX_VMO_OP_DECOMMIT, 0, 4 * PAGE, NULL, 0));
    CHECK_EQUAL(peek(&members, 1, members.high), 0);
    STATUS(ZX_OK, zx_vmar_unmap(members.root[0], members.high, 4 * PAGE));
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(peek(&members, i, members.high), -1);
    check_sound();
}

/* The restricted part's top-level entries come and go under the eyes of its view. */
TEST(unified_follows_top_level)
{
    struct members members = make_members();
    zx_handle_t vmar;
    zx_vaddr_t base;
    for (unsigned round = 0; round < 3; round++) {
        STATUS(ZX_OK,
               zx_vmar_allocate(members.root[1], EVERYTHING | ZX_VM_SPECIFIC,
                                (3 + round) * TOP_ENTRY - VM_USER_ASPACE_BASE, 4 * PAGE, &vmar, &base));
        STATUS(ZX_OK, zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, 0, members.vmo, 0, 4 * PAGE, &base));
        put_byte(members.space[1], base, (char)('0' + round));
        CHECK_EQUAL(byte_of(members.vmo, 0), '0' + round);
        STATUS(ZX_OK, zx_vmar_destroy(vmar));
        CHECK_EQUAL(peek(&members, 1, base), -1);
        check_sound();
    }
}

/* A member's end takes what is its own; what all share stays for the others. */
TEST(unified_end)
{
    struct members members = make_members();
    struct vm_process *process;
    char byte = 'e';
    put_byte(members.space[1], members.high, 'x');
    STATUS(ZX_OK, vm_process_from_handle(members.process[1], &process));
    vm_process_kill(process);
    CHECK(vm_aspace_is_destroyed(members.space[1]));
    STATUS(ZX_ERR_NOT_FOUND, vm_aspace_page_fault(members.space[1], members.high, 0));
    STATUS(ZX_ERR_NOT_FOUND, behaviour_user(members.space[1], members.low, &byte, BEHAVIOUR_READ));
    CHECK_EQUAL(peek(&members, 2, members.high), 'x');
    vm_process_release(process);
    check_sound();
}

const struct conformance_test spaces_tests[] = {
    CASE(priority_of_one),
    CASE(priority_of_a_tree),
    CASE(priority_is_inherited),
    CASE(priority_always_needed),
    CASE(priority_of_the_dead),
    CASE(unified_refusals),
    CASE(unified_creation_without_memory),
    CASE(unified_manages_nothing),
    CASE(unified_priority),
    CASE(unified_text),
    CASE(unified_shows_both),
    CASE(unified_invalidation),
    CASE(unified_follows_top_level),
    CASE(unified_end),
    NO_MORE_CASES,
};
