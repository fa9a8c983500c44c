/* SPDX-License-Identifier: MIT */
/* aspace.c: making address spaces, what they say of themselves, and their end. */
#include "behaviour.h"

#define NAME_SIZE 32

static bool name_is(struct vm_aspace *aspace, const char *name)
{
    char actual[NAME_SIZE];
    vm_aspace_name(aspace, actual);
    size_t i = 0;
    while (name[i] != '\0' && actual[i] == name[i])
        i++;
    return actual[i] == name[i];
}

TEST(name_is_a_copy)
{
    char name[] = "first";
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, name);
    CHECK(aspace != NULL);
    name[0] = 'w';
    CHECK(name_is(aspace, "first"));
    discard(aspace);
}

TEST(name_is_cut)
{
    static const char wide[] = "0123456789012345678901234567890123456789";
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, wide);
    CHECK(aspace != NULL && name_is(aspace, "0123456789012345678901234567890"));
    vm_aspace_rename(aspace, "short");
    CHECK(name_is(aspace, "short"));
    vm_aspace_rename(aspace, wide + 1);
    CHECK(name_is(aspace, "1234567890123456789012345678901"));
    vm_aspace_rename(aspace, "");
    CHECK(name_is(aspace, ""));
    check_sound();
    discard(aspace);
}

TEST(no_name_is_unnamed)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, NULL);
    CHECK(aspace != NULL && name_is(aspace, "unnamed"));
    vm_aspace_rename(aspace, "named");
    vm_aspace_rename(aspace, NULL);
    CHECK(name_is(aspace, "unnamed"));
    discard(aspace);
}

/* Base, size, kind, and whether places are drawn, by type. */
TEST(types)
{
    static const struct {
        enum vm_aspace_type type;
        zx_vaddr_t base;
        size_t size;
        bool user;
    } types[] = {
        {VM_ASPACE_USER, VM_USER_ASPACE_BASE, VM_USER_ASPACE_SIZE, true},
        {VM_ASPACE_KERNEL, VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE, false},
        {VM_ASPACE_LOW_KERNEL, 0, VM_USER_ASPACE_TOP, false},
        {VM_ASPACE_GUEST_PHYSICAL, 0, VM_GUEST_ASPACE_SIZE, false},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct vm_aspace *aspace = vm_aspace_create(types[i].type, "typed");
        NOTE(i);
        CHECK(aspace != NULL);
        CHECK_EQUAL(vm_aspace_base(aspace), types[i].base);
        CHECK_EQUAL(vm_aspace_size(aspace), types[i].size);
        CHECK_EQUAL(vm_aspace_is_user(aspace), types[i].user);
        CHECK_EQUAL(vm_aspace_is_aslr_enabled(aspace), types[i].user);
        check_sound();
        discard(aspace);
    }
}

/* What a processor would load is the top of the tables that arch_aspace stands for. */
TEST(tables_are_its_own)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "own");
    CHECK(aspace != NULL && vm_aspace_page_table(aspace) != vm_aspace_page_table(self()));
    CHECK_EQUAL(vm_aspace_page_table(aspace)->root, vm_aspace_table_root(aspace));
    CHECK(vm_aspace_table_root(aspace) != 0 && vm_aspace_table_root(aspace) != vm_aspace_table_root(self()));
    vm_aspace_destroy(aspace);
    CHECK_EQUAL(vm_aspace_table_root(aspace), 0);
    vm_aspace_release(aspace);
}

TEST(kernel_space)
{
    struct vm_aspace *kernel = vm_aspace_kernel();
    CHECK(kernel != NULL && kernel == vm_aspace_kernel());
    CHECK_EQUAL(vm_aspace_base(kernel), VM_KERNEL_ASPACE_BASE);
    CHECK_EQUAL(vm_aspace_size(kernel), VM_KERNEL_ASPACE_SIZE);
    CHECK(!vm_aspace_is_user(kernel) && !vm_aspace_is_aslr_enabled(kernel));
    CHECK(!vm_aspace_is_destroyed(kernel));
}

/* ---- Parts of a range ---- */

struct range {
    zx_vaddr_t base;
    size_t size;
    enum vm_aspace_type type;
};

static zx_status_t make_range(const struct range *range, struct vm_aspace **out)
{
    *out = vm_aspace_create_range(range->base, range->size, range->type, NULL, VM_ASPACE_SHARE_NONE);
    return *out != NULL ? ZX_OK : ZX_ERR_NO_MEMORY;
}

TEST(range_refusals)
{
    static const struct range bad[] = {
        {VM_USER_ASPACE_BASE, 0, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE + 1, PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE, PAGE + 1, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE - PAGE, 2 * PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_TOP - PAGE, 2 * PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_TOP, PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE, (size_t)0 - VM_USER_ASPACE_BASE, VM_ASPACE_USER},
        {2 * VM_USER_ASPACE_BASE, (size_t)0 - VM_USER_ASPACE_BASE, VM_ASPACE_USER},
        {VM_KERNEL_ASPACE_BASE, PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE, PAGE, VM_ASPACE_KERNEL},
        {VM_KERNEL_ASPACE_BASE - PAGE, PAGE, VM_ASPACE_KERNEL},
        {(zx_vaddr_t)0 - PAGE, 2 * PAGE, VM_ASPACE_KERNEL},
        {(zx_vaddr_t)0 - PAGE, PAGE, VM_ASPACE_KERNEL},
        {VM_USER_ASPACE_TOP, PAGE, VM_ASPACE_LOW_KERNEL},
        {0, VM_USER_ASPACE_TOP + PAGE, VM_ASPACE_LOW_KERNEL},
        {PAGE, VM_GUEST_ASPACE_SIZE, VM_ASPACE_GUEST_PHYSICAL},
    };
    struct vm_aspace *aspace = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        NOTE(i);
        REFUSED(ZX_ERR_NO_MEMORY, make_range(&bad[i], &aspace));
    }
}

TEST(range_extremes)
{
    static const struct range good[] = {
        {VM_USER_ASPACE_BASE, PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_TOP - PAGE, PAGE, VM_ASPACE_USER},
        {VM_USER_ASPACE_BASE, VM_USER_ASPACE_SIZE, VM_ASPACE_USER},
        {VM_KERNEL_ASPACE_BASE, VM_KERNEL_ASPACE_SIZE, VM_ASPACE_KERNEL},
        {(zx_vaddr_t)0 - 2 * PAGE, 2 * PAGE, VM_ASPACE_KERNEL},
        {0, VM_USER_ASPACE_TOP, VM_ASPACE_LOW_KERNEL},
        {0, PAGE, VM_ASPACE_LOW_KERNEL},
        {0, VM_GUEST_ASPACE_SIZE, VM_ASPACE_GUEST_PHYSICAL},
    };
    struct vm_aspace *aspace = NULL;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        NOTE(i);
        STATUS(ZX_OK, make_range(&good[i], &aspace));
        CHECK_EQUAL(vm_aspace_base(aspace), good[i].base);
        CHECK_EQUAL(vm_aspace_size(aspace), good[i].size);
        CHECK_EQUAL(vm_aspace_is_user(aspace), good[i].type == VM_ASPACE_USER);
        check_sound();
        discard(aspace);
    }
}

/* Whoever makes a space gets null, and nothing else, each time that an allocation fails. */
static zx_status_t make_kind(enum vm_aspace_type type, enum vm_aspace_share_opt share_opt,
                             struct vm_aspace **out)
{
    if (share_opt == VM_ASPACE_SHARE_NONE)
        *out = vm_aspace_create(type, "kind");
    else if (share_opt == VM_ASPACE_SHARE_SHARED)
        *out = vm_aspace_create_range(VM_SHARED_ASPACE_BASE, VM_SHARED_ASPACE_SIZE, type, "kind", share_opt);
    else
        *out =
            vm_aspace_create_range(VM_USER_ASPACE_BASE, VM_RESTRICTED_ASPACE_SIZE, type, "kind", share_opt);
    return *out != NULL ? ZX_OK : ZX_ERR_NO_MEMORY;
}

TEST(creation_without_memory)
{
    static const struct {
        enum vm_aspace_type type;
        enum vm_aspace_share_opt share_opt;
    } kinds[] = {{VM_ASPACE_USER, VM_ASPACE_SHARE_NONE},
                 {VM_ASPACE_KERNEL, VM_ASPACE_SHARE_NONE},
                 {VM_ASPACE_LOW_KERNEL, VM_ASPACE_SHARE_NONE},
                 {VM_ASPACE_GUEST_PHYSICAL, VM_ASPACE_SHARE_NONE},
                 {VM_ASPACE_USER, VM_ASPACE_SHARE_RESTRICTED}};
    struct vm_aspace *aspace = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        NOTE(i);
        OK(make_kind(kinds[i].type, kinds[i].share_opt, &aspace));
        discard(aspace);
    }
}

/* It takes many tables at once. */
TEST(shared_creation_without_memory)
{
    struct vm_aspace *aspace = NULL;
    OK(make_kind(VM_ASPACE_USER, VM_ASPACE_SHARE_SHARED, &aspace));
    discard(aspace);
}

/* ---- The end ---- */

/* A destroyed space has no regions to tell of, and takes none. */
TEST(destroyed)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "mortal");
    struct vm_region_info info;
    struct vm_aspace_usage usage;
    void *at = (void *)PAGE, *gone = (void *)(16 * PAGE);
    char byte = 'd';
    CHECK(aspace != NULL && !vm_aspace_is_destroyed(aspace));
    STATUS(ZX_OK, vm_aspace_alloc(aspace, "gone", PAGE, &gone, 0, VMM_FLAG_VALLOC_SPECIFIC | VMM_FLAG_COMMIT,
                                  MMU_RW));
    STATUS(ZX_OK, behaviour_kernel(aspace, 16 * PAGE, &byte, BEHAVIOUR_WRITE));
    vm_aspace_destroy(aspace);
    CHECK(vm_aspace_is_destroyed(aspace));
    vm_aspace_destroy(aspace);
    CHECK(vm_aspace_is_destroyed(aspace) && vm_aspace_root_vmar(aspace) == NULL);
    CHECK(!vm_aspace_find_region(aspace, PAGE, &info, NULL));
    REFUSED(ZX_ERR_BAD_STATE, vm_aspace_get_memory_usage(aspace, &usage));
    REFUSED(ZX_ERR_BAD_STATE, vm_aspace_alloc(aspace, "a", PAGE, &at, 0, VMM_FLAG_VALLOC_SPECIFIC, MMU_RW));
    REFUSED(ZX_ERR_BAD_STATE, vm_aspace_free_region(aspace, PAGE));
    STATUS(ZX_ERR_NOT_FOUND, vm_aspace_page_fault(aspace, 16 * PAGE, 0));
    CHECK_EQUAL(vm_aspace_table_root(aspace), 0);
    check_sound();
    vm_aspace_release(aspace);
}

/* What it had comes back at once; the object goes with its last reference. */
TEST(destruction_gives_back)
{
    struct vm_stats before, after;
    vm_machine_stats(&before);
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "mortal");
    void *at = NULL;
    CHECK(aspace != NULL);
    vm_aspace_acquire(aspace);
    STATUS(ZX_OK, vm_aspace_alloc(aspace, "memory", 40 * PAGE, &at, 0, VMM_FLAG_COMMIT, MMU_RW));
    vm_aspace_destroy(aspace);
    vm_machine_stats(&after);
    CHECK(after.page_tables == before.page_tables && after.vmos == before.vmos);
    CHECK_EQUAL(pmm_count(VM_PAGE_OBJECT), 0);
    vm_aspace_release(aspace);
    CHECK(vm_aspace_is_destroyed(aspace));
    vm_aspace_release(aspace);
    vm_machine_stats(&after);
    CHECK_EQUAL(after.heap_bytes, before.heap_bytes);
}

TEST(root_vmar)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "rooted");
    struct vm_region_info info;
    struct vm_vmar *root = vm_aspace_root_vmar(aspace), *found;
    CHECK(root != NULL);
    CHECK(vm_aspace_find_region(aspace, VM_USER_ASPACE_BASE, &info, &found) && found == root);
    CHECK(info.depth == 0 && info.base == VM_USER_ASPACE_BASE && info.size == VM_USER_ASPACE_SIZE);
    vm_vmar_release(found);
    struct vm_vmar *own = vm_aspace_root_vmar(self());
    CHECK(own == vmar_behind(zx_vmar_root_self()));
    vm_vmar_release(own);
    vm_aspace_destroy(aspace);
    CHECK(vm_aspace_root_vmar(aspace) == NULL);
    vm_vmar_release(root); /* it outlived its space's life */
    vm_aspace_release(aspace);
}

static struct vm_thread *thread;

static void attach(void *context)
{
    vm_aspace_attach_to_thread(context, thread);
}

/* A thread that has not run yet runs in the space that was attached last; a user space. */
TEST(attach_to_thread)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_USER, "attached");
    struct vm_process *process;
    STATUS(ZX_OK, vm_process_from_handle(zx_process_self(), &process));
    STATUS(ZX_OK, vm_thread_create(process, "thread", &thread));
    CHECK(vm_thread_process(thread) == process && vm_thread_aspace(thread) == vm_process_aspace(process));
    attach(aspace);
    CHECK(vm_thread_aspace(thread) == aspace);
    check_sound();
    attach(self());
    CHECK(vm_thread_aspace(thread) == self());
    CHECK(behaviour_asserts(attach, vm_aspace_kernel()));
    CHECK(!behaviour_asserts(attach, aspace));
    attach(aspace);
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
    check_sound();
    vm_thread_release(thread);
    vm_process_release(process);
}

const struct conformance_test aspace_tests[] = {
    CASE(name_is_a_copy),
    CASE(name_is_cut),
    CASE(no_name_is_unnamed),
    CASE(types),
    CASE(tables_are_its_own),
    CASE(kernel_space),
    CASE(range_refusals),
    CASE(range_extremes),
    CASE(creation_without_memory),
    CASE(shared_creation_without_memory),
    CASE(destroyed),
    CASE(destruction_gives_back),
    CASE(root_vmar),
    CASE(attach_to_thread),
    NO_MORE_CASES,
};
