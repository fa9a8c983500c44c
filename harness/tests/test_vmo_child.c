/* SPDX-License-Identifier: MIT */
/*
 * test_vmo_child.c: snapshots and slices from inside: which pages there are, who holds and who counts them; who is
 * whose child, and how far it is from a child to its parent; and long random runs of a family of VMOs against a model
 * of its bytes, and of many against a model of who is whose child. What programs may ask for, what is refused and who
 * sees what is in the conformance suite.
 */
#include "calls.h"

#include "../../vm/internal.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static zx_handle_t snapshot_of(zx_handle_t vmo, uint64_t offset, uint64_t size)
{
    zx_handle_t child = ZX_HANDLE_INVALID;
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, offset, size, &child));
    return child;
}

static zx_handle_t slice_of(zx_handle_t vmo, uint64_t offset, uint64_t size)
{
    zx_handle_t child = ZX_HANDLE_INVALID;
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, offset, size, &child));
    return child;
}

static void put(zx_handle_t vmo, uint64_t offset, char byte)
{
    assert_ok(zx_vmo_write(vmo, &byte, offset, 1));
}

static char get(zx_handle_t vmo, uint64_t offset)
{
    char byte = 0x55;
    assert_ok(zx_vmo_read(vmo, &byte, offset, 1));
    return byte;
}

static zx_info_vmo_t info_of(zx_handle_t vmo)
{
    zx_info_vmo_t info;
    assert_ok(zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    return info;
}

static uint64_t committed(zx_handle_t vmo)
{
    return info_of(vmo).committed_bytes / PAGE;
}

static zx_vaddr_t map(zx_handle_t vmo, uint64_t offset, size_t size, zx_vm_option_t options)
{
    zx_vaddr_t va = 0;
    assert_ok(zx_vmar_map(zx_vmar_root_self(), options, 0, vmo, offset, size, &va));
    return va;
}

static char load(zx_vaddr_t va)
{
    char byte = 0x55;
    assert_ok(zvm_access(zx_process_self(), va, &byte, 1, ZVM_READ));
    return byte;
}

static void store(zx_vaddr_t va, char byte)
{
    assert_ok(zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE));
}

/* ---- Pages ---- */

/* However many hold a page, it is one, and counted once, whoever is asked, whoever goes first. */
static void test_counted_once(void **state)
{
    enum { PAGES = 5, CHILDREN = 7 };
    zx_handle_t family[1 + CHILDREN];
    (void)state;
    family[0] = make_vmo(PAGES * PAGE, 0);
    assert_ok(zx_vmo_op_range(family[0], ZX_VMO_OP_COMMIT, 0, PAGES * PAGE, NULL, 0));
    for (unsigned i = 1; i <= CHILDREN; i++)
        family[i] = snapshot_of(family[i / 2], 0, PAGES * PAGE);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), PAGES);
    for (unsigned gone = 0; gone <= CHILDREN; gone++) {
        uint64_t pages = 0;
        for (unsigned i = gone; i <= CHILDREN; i++)
            pages += committed(family[CHILDREN + gone - i]);
        assert_int_equal(pages, PAGES);
        assert_int_equal(pmm_count(VM_PAGE_OBJECT), PAGES);
        assert_ok(zx_handle_close(family[gone]));
    }
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 0);
}

/* The first writer copies; the last holder writes in place. */
static void test_copies(void **state)
{
    (void)state;
    zx_handle_t parent = make_vmo(2 * PAGE, 0);
    put(parent, 0, 'a');
    put(parent, PAGE, 'b');
    zx_handle_t child = snapshot_of(parent, 0, 2 * PAGE);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 2);
    put(parent, 1, 'A');
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 3);
    assert_int_equal(get(parent, 0), 'a');
    assert_int_equal(get(child, 1), 0);
    put(child, 1, 'c'); /* nobody else has that page any more */
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 3);
    assert_int_equal(get(parent, 1), 'A');
    assert_ok(zx_vmo_op_range(child, ZX_VMO_OP_COMMIT, 0, 2 * PAGE, NULL, 0));
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 4);
    assert_int_equal(get(child, PAGE), 'b');
    assert_int_equal(committed(parent) + committed(child), 4);
}

/* Zeroing parts of shared pages needs copies, whole pages none; all or none of it happens. */
static void test_zero_parts(void **state)
{
    (void)state;
    zx_handle_t parent = make_vmo(4 * PAGE, 0);
    for (unsigned i = 0; i < 4; i++) {
        put(parent, i * PAGE, (char)('a' + i));
        put(parent, i * PAGE + PAGE - 1, (char)('A' + i));
    }
    zx_handle_t child = snapshot_of(parent, 0, 4 * PAGE);
    assert_survives_failed_allocations(
        zx_vmo_op_range(child, ZX_VMO_OP_ZERO, PAGE / 2, 3 * PAGE - 1, NULL, 0));
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 6);
    assert_int_equal(get(child, 0), 'a');
    assert_int_equal(get(child, PAGE - 1), 0);
    assert_int_equal(get(child, PAGE), 0);
    assert_int_equal(get(child, 3 * PAGE), 0);
    assert_int_equal(get(child, 4 * PAGE - 1), 'D');
    assert_int_equal(get(parent, 3 * PAGE), 'd');
    assert_survives_failed_allocations(zx_vmo_op_range(parent, ZX_VMO_OP_ZERO, 5, 6, NULL, 0));
    assert_int_equal(get(parent, 0), 'a');
    /* All of one page, from its first byte to its last, is no part. */
    assert_ok(zx_vmo_op_range(parent, ZX_VMO_OP_ZERO, PAGE, PAGE, NULL, 0));
    assert_int_equal(get(parent, 2 * PAGE - 1), 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    zx_handle_t parent = make_vmo(1000 * PAGE, 0), child, grandchild;
    for (unsigned i = 0; i < 1000; i += 37)
        put(parent, i * PAGE, (char)i);
    zx_vaddr_t va = map(parent, 0, 1000 * PAGE, RW);
    store(va + 37 * PAGE, 'x');
    assert_survives_failed_allocations(
        zx_vmo_create_child(parent, ZX_VMO_CHILD_SNAPSHOT, 0, 900 * PAGE, &child));
    assert_survives_failed_copies(
        zx_vmo_create_child(child, ZX_VMO_CHILD_SNAPSHOT, 0, 900 * PAGE, &grandchild));
    assert_refused(zx_vmo_create_child(parent, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, BAD_POINTER),
                   ZX_ERR_INVALID_ARGS);
    assert_survives_failed_allocations(
        zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &grandchild));
    assert_survives_failed_copies(zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &grandchild));
    assert_survives_failed_allocations(zx_vmo_op_range(child, ZX_VMO_OP_COMMIT, 0, 80 * PAGE, NULL, 0));
    char byte = 'y';
    assert_survives_failed_allocations(zx_vmo_write(parent, &byte, 111 * PAGE, 1));
    assert_survives_failed_allocations(zvm_access(zx_process_self(), va + 148 * PAGE, &byte, 1, ZVM_WRITE));
    assert_survives_failed_allocations(
        zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_COMMIT, va, 200 * PAGE, NULL, 0));
}

/* ---- Families ---- */

/* Neither closing nor writing costs stack or time by the length of the line. */
static void test_long_line(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), child;
    put(vmo, 0, 'a');
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t kind = i % 2 == 0 ? ZX_VMO_CHILD_SLICE : ZX_VMO_CHILD_SNAPSHOT;
        assert_int_equal(zx_vmo_create_child(vmo, kind, 0, PAGE, &child), ZX_OK);
        if (i % 3 != 0)
            assert_int_equal(zx_handle_close(vmo), ZX_OK);
        vmo = child;
    }
    assert_int_equal(zvm_check(), ZX_OK);
    put(vmo, 0, 'b');
}

/* ---- A random family against a model ---- */

#define MEMBERS   12
#define MAX_PAGES 6

/* What each page of a member begins with, as it was written; slices: through `target`. */
struct member {
    zx_handle_t vmo;
    unsigned pages, window;
    struct bytes {
        unsigned holders;
        char first[MAX_PAGES];
    } * bytes;
    bool resizable, snapshot, slice;
    zx_vaddr_t va; /* of a mapping of MAX_PAGES pages; 0: none */
};

static void member_end(struct member *member)
{
    if (member->vmo == ZX_HANDLE_INVALID)
        return;
    if (member->va != 0)
        assert_ok(zx_vmar_unmap(zx_vmar_root_self(), member->va, MAX_PAGES * PAGE));
    assert_ok(zx_handle_close(member->vmo));
    if (--member->bytes->holders == 0)
        test_free(member->bytes);
    *member = (struct member){0};
}

static struct bytes *new_bytes(void)
{
    struct bytes *bytes = test_calloc(1, sizeof(*bytes));
    bytes->holders = 1;
    return bytes;
}

static void member_begin(struct member *member, const struct member *from, struct prng *prng)
{
    unsigned pages = (unsigned)prng_below(prng, MAX_PAGES + 1), at = (unsigned)prng_below(prng, MAX_PAGES);
    member_end(member);
    if (from->vmo == ZX_HANDLE_INVALID) {
        *member = (struct member){.pages = pages, .resizable = prng_below(prng, 2) != 0};
        member->bytes = new_bytes();
        member->vmo = make_vmo(pages * PAGE, member->resizable ? ZX_VMO_RESIZABLE : 0);
    } else if (prng_below(prng, 3) == 0 && !from->resizable && at <= from->pages) {
        if (pages > from->pages - at)
            pages = from->pages - at;
        *member = (struct member){.pages = pages, .window = from->window + at, .slice = true};
        member->snapshot = from->snapshot;
        member->bytes = from->bytes;
        member->bytes->holders++;
        member->vmo = slice_of(from->vmo, at * PAGE, pages * PAGE);
    } else {
        *member = (struct member){.pages = pages, .resizable = prng_below(prng, 2) != 0, .snapshot = true};
        member->bytes = new_bytes();
        for (unsigned i = 0; i < pages && at + i < from->pages; i++)
            member->bytes->first[i] = from->bytes->first[from->window + at + i];
        uint32_t options = ZX_VMO_CHILD_SNAPSHOT | (member->resizable ? ZX_VMO_CHILD_RESIZABLE : 0);
        assert_ok(zx_vmo_create_child(from->vmo, options, at * PAGE, pages * PAGE, &member->vmo));
    }
}

/* Something that changes the page of a member. */
static void member_change(struct member *member, struct prng *prng)
{
    unsigned page = (unsigned)prng_below(prng, member->pages);
    char *byte = &member->bytes->first[member->window + page], fresh = (char)prng_below(prng, 256);
    switch (prng_below(prng, 6)) {
    case 0:
        put(member->vmo, page * PAGE, fresh);
        *byte = fresh;
        break;
    case 1:
        assert_ok(
            zx_vmo_op_range(member->vmo, ZX_VMO_OP_ZERO, page * PAGE, prng_below(prng, PAGE) + 1, NULL, 0));
        *byte = 0;
        break;
    case 2:
        assert_ok(zx_vmo_op_range(member->vmo, ZX_VMO_OP_COMMIT, page * PAGE, PAGE, NULL, 0));
        break;
    case 3:
        assert_int_equal(zx_vmo_op_range(member->vmo, ZX_VMO_OP_DECOMMIT, page * PAGE, PAGE, NULL, 0),
                         member->snapshot ? ZX_ERR_NOT_SUPPORTED : ZX_OK);
        if (!member->snapshot)
            *byte = 0;
        break;
    default:
        if (member->va == 0)
            member->va = map(member->vmo, 0, MAX_PAGES * PAGE, RW);
        store(member->va + page * PAGE, fresh);
        *byte = fresh;
        break;
    }
}

static void member_resize(struct member *member, struct prng *prng)
{
    unsigned pages = (unsigned)prng_below(prng, MAX_PAGES + 1);
    assert_int_equal(zx_vmo_set_size(member->vmo, pages * PAGE),
                     member->resizable ? ZX_OK : ZX_ERR_UNAVAILABLE);
    if (!member->resizable)
        return;
    for (unsigned i = pages; i < MAX_PAGES; i++)
        member->bytes->first[i] = 0;
    member->pages = pages;
}

static void member_check(const struct member *member)
{
    char byte;
    for (unsigned i = 0; i < member->pages; i++) {
        char expected = member->bytes->first[member->window + i];
        assert_int_equal(get(member->vmo, i * PAGE), expected);
        if (member->va != 0)
            assert_int_equal(load(member->va + i * PAGE), expected);
    }
    if (member->va != 0 && member->pages < MAX_PAGES)
        assert_int_equal(zvm_access(zx_process_self(), member->va + member->pages * PAGE, &byte, 1, ZVM_READ),
                         ZX_ERR_OUT_OF_RANGE);
}

static void check_counted(const struct member *family)
{
    uint64_t pages = 0;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (family[i].vmo != ZX_HANDLE_INVALID)
            pages += committed(family[i].vmo);
    /* A slice may be all that keeps the VMO behind it, which nobody can be asked about then. */
    assert_true(pages <= pmm_count(VM_PAGE_OBJECT));
}

static void test_random_family(void **state)
{
    struct member family[MEMBERS] = {0};
    struct prng prng;
    (void)state;
    prng_seed(&prng, 5, 0);
    for (unsigned round = 0; round < 6000; round++) {
        struct member *member = &family[prng_below(&prng, MEMBERS)];
        const struct member *from = &family[prng_below(&prng, MEMBERS)];
        if (member != from && prng_below(&prng, 4) == 0)
            member_begin(member, from, &prng);
        else if (member->vmo != ZX_HANDLE_INVALID && prng_below(&prng, 10) == 0)
            member_resize(member, &prng);
        else if (member->vmo != ZX_HANDLE_INVALID && member->pages > 0)
            member_change(member, &prng);
        for (unsigned i = 0; i < MEMBERS && round % 4 == 0; i++)
            if (family[i].vmo != ZX_HANDLE_INVALID)
                member_check(&family[i]);
        check_counted(family);
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        member_end(&family[i]);
    assert_int_equal(pmm_count(VM_PAGE_OBJECT), 0);
}

/* ---- Who is whose child ---- */

#define FAMILY_SIZE 100
#define FAR         16 /* log(FAMILY_SIZE) / log(4/3), vmo_family.c */

/* Without a look at the whole machine each time: asked very often. */
static void check_told(zx_handle_t handle, zx_koid_t parent, size_t children)
{
    zx_info_vmo_t info;
    assert_int_equal(zx_object_get_info(handle, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL), ZX_OK);
    assert_int_equal(info.parent_koid, parent);
    assert_int_equal(info.num_children, children);
}

/* How many steps it takes to find the parent. */
static unsigned distance(zx_handle_t handle)
{
    unsigned steps = 0;
    struct vm_vmo *vmo;
    assert_int_equal(vm_vmo_from_handle(handle, &vmo), ZX_OK);
    for (const struct vm_vmo *at = vmo; at->above != NULL; at = at->above)
        steps++;
    vm_vmo_release(vmo);
    return steps;
}

/* A line of VMOs, each a snapshot of the one before, and as many snapshots of the last, its leaves. */
struct line {
    zx_handle_t vmos[FAMILY_SIZE], leaves[FAMILY_SIZE];
    zx_koid_t koids[FAMILY_SIZE];
};

static void line_begin(struct line *line)
{
    for (unsigned i = 0; i < FAMILY_SIZE; i++) {
        line->vmos[i] = i == 0 ? make_vmo(PAGE, 0) : snapshot_of(line->vmos[i - 1], 0, PAGE);
        line->koids[i] = info_of(line->vmos[i]).koid;
    }
    for (unsigned i = 0; i < FAMILY_SIZE; i++)
        line->leaves[i] = snapshot_of(line->vmos[FAMILY_SIZE - 1], 0, PAGE);
}

static void check_leaves(const struct line *line, zx_koid_t parent)
{
    for (unsigned i = 0; i < FAMILY_SIZE; i++) {
        check_told(line->leaves[i], parent, 0);
        assert_true(distance(line->leaves[i]) <= FAR);
    }
}

static void close_leaves(const struct line *line)
{
    for (unsigned i = 0; i < FAMILY_SIZE; i++)
        assert_ok(zx_handle_close(line->leaves[i]));
}

/* The leaves are handed from each to the one before, and at last are nobody's. */
static void test_line_goes_from_its_end(void **state)
{
    struct line line;
    (void)state;
    line_begin(&line);
    for (unsigned left = FAMILY_SIZE - 1; left > 0; left--) {
        assert_ok(zx_handle_close(line.vmos[left]));
        check_told(line.vmos[left - 1], left > 1 ? line.koids[left - 2] : 0, FAMILY_SIZE);
        check_leaves(&line, line.koids[left - 1]);
    }
    assert_ok(zx_handle_close(line.vmos[0]));
    check_leaves(&line, 0);
    close_leaves(&line);
}

/* Each has one child, which is nobody's then; only the last has the leaves. */
static void test_line_goes_from_its_beginning(void **state)
{
    struct line line;
    (void)state;
    line_begin(&line);
    for (unsigned gone = 0; gone < FAMILY_SIZE - 1; gone++) {
        assert_ok(zx_handle_close(line.vmos[gone]));
        check_told(line.vmos[gone + 1], 0, gone + 1 < FAMILY_SIZE - 1 ? 1 : FAMILY_SIZE);
        check_leaves(&line, line.koids[FAMILY_SIZE - 1]);
    }
    assert_ok(zx_handle_close(line.vmos[FAMILY_SIZE - 1]));
    check_leaves(&line, 0);
    close_leaves(&line);
}

/* As ZX_INFO_VMO is to tell it. */
struct relative {
    zx_handle_t vmo; /* invalid: closed */
    zx_koid_t koid;  /* invalid: gone; a VMO that is closed stays while there are slices of it */
    unsigned parent, target, slices;
};

#define NOBODY FAMILY_SIZE

static void relative_begin(struct relative *all, unsigned self, unsigned parent, bool slice)
{
    struct relative *relative = &all[self];
    *relative = (struct relative){.parent = parent, .target = self};
    if (parent == NOBODY)
        relative->vmo = make_vmo(PAGE, 0);
    else if (!slice)
        relative->vmo = snapshot_of(all[parent].vmo, 0, PAGE);
    else {
        relative->vmo = slice_of(all[parent].vmo, 0, PAGE);
        relative->target = all[parent].target;
        all[relative->target].slices++;
    }
    relative->koid = info_of(relative->vmo).koid;
}

/* Where neither a handle nor a slice keeps it: it goes, and its children are its parent's. */
static void relative_go(struct relative *all, unsigned self)
{
    if (all[self].vmo != ZX_HANDLE_INVALID || all[self].slices != 0)
        return;
    for (unsigned i = 0; i < FAMILY_SIZE; i++)
        if (all[i].koid != ZX_KOID_INVALID && all[i].parent == self)
            all[i].parent = all[self].parent;
    all[self].koid = ZX_KOID_INVALID;
    if (all[self].target != self && --all[all[self].target].slices == 0)
        relative_go(all, all[self].target);
}

static void relative_end(struct relative *all, unsigned self)
{
    assert_ok(zx_handle_close(all[self].vmo));
    all[self].vmo = ZX_HANDLE_INVALID;
    relative_go(all, self);
}

static void check_relatives(const struct relative *all)
{
    for (unsigned i = 0; i < FAMILY_SIZE; i++) {
        size_t children = 0;
        if (all[i].vmo == ZX_HANDLE_INVALID)
            continue;
        for (unsigned j = 0; j < FAMILY_SIZE; j++)
            children += all[j].koid != ZX_KOID_INVALID && all[j].parent == i;
        check_told(all[i].vmo, all[i].parent != NOBODY ? all[all[i].parent].koid : 0, children);
        assert_true(distance(all[i].vmo) <= FAR);
    }
    assert_int_equal(zvm_check(), ZX_OK);
}

/* Of the latest, for long lines; of the first in the table, for many children of one; or of anybody. */
static unsigned choose_parent(const struct relative *all, unsigned latest, struct prng *prng)
{
    const unsigned choices[] = {latest, latest, (unsigned)prng_below(prng, 4),
                                (unsigned)prng_below(prng, FAMILY_SIZE)};
    const unsigned chosen = choices[prng_below(prng, 4)];
    return all[chosen].vmo != ZX_HANDLE_INVALID ? chosen : NOBODY;
}

static void test_random_relatives(void **state)
{
    struct relative all[FAMILY_SIZE] = {0};
    struct prng prng;
    unsigned latest = 0;
    (void)state;
    prng_seed(&prng, 6, 0);
    for (unsigned round = 0; round < 10000; round++) {
        const unsigned self = (unsigned)prng_below(&prng, FAMILY_SIZE);
        const bool growing = round / 500 % 2 == 0; /* in turn with shrinking */
        if (all[self].vmo != ZX_HANDLE_INVALID && prng_below(&prng, growing ? 8 : 2) == 0) {
            relative_end(all, self);
        } else if (all[self].koid == ZX_KOID_INVALID && (growing || prng_below(&prng, 4) == 0)) {
            relative_begin(all, self, choose_parent(all, latest, &prng), prng_below(&prng, 4) == 0);
            latest = self;
        }
        if (round % 20 == 0)
            check_relatives(all);
    }
    for (unsigned i = 0; i < FAMILY_SIZE; i++)
        if (all[i].vmo != ZX_HANDLE_INVALID)
            relative_end(all, i);
    check_relatives(all);
}

/* Who has all pages alone again, and is asked, need not look at them any more; until the next snapshot. */
static void test_alone_again(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(3 * PAGE, 0);
    struct vm_vmo *parent, *other;
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 3 * PAGE, NULL, 0));
    assert_ok(vm_vmo_from_handle(vmo, &parent));
    for (unsigned round = 0; round < 2; round++) {
        zx_handle_t child = snapshot_of(vmo, 0, 2 * PAGE);
        assert_ok(vm_vmo_from_handle(child, &other));
        assert_int_equal(committed(vmo), 3);
        assert_int_equal(committed(child), 0);
        assert_true(parent->had_sharers && other->had_sharers);
        put(child, 0, 1); /* one of the two that are shared: both are still asked about each page */
        assert_int_equal(committed(vmo), 3);
        assert_int_equal(committed(child), 1);
        assert_true(parent->had_sharers && other->had_sharers);
        put(vmo, PAGE, 1); /* the child alone holds the other, which nobody counts until it is asked */
        assert_true(other->had_sharers);
        assert_int_equal(committed(child), 2);
        assert_int_equal(committed(vmo), 3);
        assert_true(!parent->had_sharers && !other->had_sharers);
        vm_vmo_release(other);
        assert_ok(zx_handle_close(child));
    }
    zx_handle_t child = snapshot_of(vmo, 0, 3 * PAGE);
    assert_ok(vm_vmo_from_handle(child, &other));
    vm_vmo_release(parent);
    assert_ok(zx_handle_close(vmo));
    assert_true(other->had_sharers);
    assert_int_equal(committed(child), 3);
    assert_false(other->had_sharers);
    vm_vmo_release(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counted_once),
        TEST(test_alone_again),
        TEST(test_copies),
        TEST(test_zero_parts),
        TEST(test_out_of_memory),
        TEST(test_long_line),
        TEST(test_random_family),
        TEST(test_line_goes_from_its_end),
        TEST(test_line_goes_from_its_beginning),
        TEST(test_random_relatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
