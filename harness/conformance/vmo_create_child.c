/* SPDX-License-Identifier: MIT */
/*
 * vmo_create_child.c: zx_vmo_create_child: what it refuses, and what the child's handle and ZX_INFO_VMO
 * say. What its bytes are is in vmo_child.c.
 */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE
#define SIZE (4 * PAGE)
/* The greatest size of a VMO. */
#define GREATEST (UINT64_MAX - 64 * PAGE + 1)

#define SNAPSHOT  ZX_VMO_CHILD_SNAPSHOT
#define ON_WRITE  ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE
#define SLICE     ZX_VMO_CHILD_SLICE
#define RESIZABLE ZX_VMO_CHILD_RESIZABLE
#define NO_WRITE  ZX_VMO_CHILD_NO_WRITE

static const uint32_t kinds[] = {SNAPSHOT, ON_WRITE, SLICE};
#define KINDS 3

static struct {
    zx_handle_t handle;
    uint32_t options;
    uint64_t offset, size;
    zx_handle_t *out;
} args;

static zx_handle_t vmo, resizable, closed, no_duplicate, no_read, made;
static uint32_t kind;

static void good(void)
{
    args.handle = vmo;
    args.options = kind;
    args.offset = PAGE;
    args.size = 2 * PAGE;
    args.out = &made;
}

/* The parent has pages, and lacks some. */
static void begin(void)
{
    kind = SNAPSHOT;
    vmo = make_vmo(SIZE, 0);
    resizable = make_vmo(SIZE, ZX_VMO_RESIZABLE);
    OK_ONCE(zx_vmo_write(vmo, "a", 0, 1));
    OK_ONCE(zx_vmo_write(vmo, "b", 2 * PAGE - 1, 1));
    OK_ONCE(zx_vmo_write(resizable, "c", 2 * PAGE, 1));
    closed = closed_handle();
    no_duplicate = without(vmo, ZX_RIGHT_DUPLICATE);
    no_read = without(vmo, ZX_RIGHT_READ);
    good();
}

/* A refusal leaves the result alone, too. */
static zx_status_t call(void)
{
    zx_handle_t before = made;
    zx_status_t status = zx_vmo_create_child(args.handle, args.options, args.offset, args.size, args.out);
    CHECK(status == ZX_OK || made == before);
    return status;
}

static zx_status_t call_on(zx_handle_t handle)
{
    args.handle = handle;
    return call();
}

/* Nobody keeps it. */
static void close_made(void)
{
    OK_ONCE(zx_handle_close(made));
}

/* ---- Refusals ---- */

static zx_status_t spoil_end(unsigned nth)
{
    if (nth == 0)
        return no_memory();
    args.out = NULL;
    return nth == 1 ? ZX_ERR_INVALID_ARGS : ZX_OK;
}

static zx_status_t spoil_slice(unsigned nth)
{
    if (kind == SLICE && nth-- == 0) {
        if (args.offset < SIZE) /* those that overflow come first */
            args.offset = SIZE;
        return ZX_ERR_INVALID_ARGS;
    }
    if (kind == SLICE && nth-- == 0) {
        args.handle = resizable;
        return ZX_ERR_NOT_SUPPORTED;
    }
    return spoil_end(nth);
}

static zx_status_t spoil_range(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options |= 1u << 31;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.size = UINT64_MAX;
        return ZX_ERR_OUT_OF_RANGE;
    case 3:
        args.offset = 0 - PAGE;
        return ZX_ERR_OUT_OF_RANGE;
    default:
        return spoil_slice(nth - 4);
    }
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.options |= NO_WRITE | RESIZABLE;
        return ZX_ERR_INVALID_ARGS;
    case 1:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 2:
        args.handle = zx_process_self();
        return ZX_ERR_WRONG_TYPE;
    case 3:
        args.handle = no_duplicate;
        return ZX_ERR_ACCESS_DENIED;
    case 4:
        args.handle = no_read;
        return ZX_ERR_ACCESS_DENIED;
    default:
        return spoil_range(nth - 5);
    }
}

TEST(errors_in_order)
{
    begin();
    made = 77;
    for (unsigned i = 0; i < KINDS; i++) {
        kind = kinds[i];
        good();
        args.options = 0;
        REFUSED(ZX_ERR_INVALID_ARGS, call());
        check_errors(&(const struct errors){good, spoil, call});
        good();
        check_handles(call_on, vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ);
        good();
        args.out = BAD_POINTER;
        REFUSED(ZX_ERR_INVALID_ARGS, call());
        good();
        OK(call());
    }
}

/* The order in the words of the interface. */
static zx_status_t expected_for(uint32_t options)
{
    const uint32_t all = SNAPSHOT | ON_WRITE | SLICE | RESIZABLE | NO_WRITE;
    unsigned chosen = 0;
    for (unsigned i = 0; i < KINDS; i++)
        chosen += (options & kinds[i]) != 0;
    if ((options & NO_WRITE) != 0 && (options & RESIZABLE) != 0)
        return ZX_ERR_INVALID_ARGS;
    if (chosen != 1 || ((options & SLICE) != 0 && (options & RESIZABLE) != 0) || (options & ~all) != 0)
        return ZX_ERR_INVALID_ARGS;
    return ZX_OK;
}

static void check_options(uint32_t options)
{
    zx_status_t expected = expected_for(options);
    bool before_handle = (options & NO_WRITE) != 0 && (options & RESIZABLE) != 0;
    NOTE(options);
    args.options = options;
    if (expected != ZX_OK) {
        REFUSED(expected, call_on(vmo));
    } else {
        OK_ONCE(call_on(vmo));
        close_made();
    }
    REFUSED(before_handle ? ZX_ERR_INVALID_ARGS : ZX_ERR_BAD_HANDLE, call_on(closed));
}

TEST(every_option_and_pair)
{
    begin();
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++)
            check_options(1u << first | 1u << second);
    for (uint32_t options = 0; options < 64; options++) /* all sets of those that there are */
        check_options(options);
    check_options(UINT32_MAX);
}

static zx_status_t expected_range(uint64_t offset, uint64_t size)
{
    uint64_t rounded = (size + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
    if ((offset & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    if (size > GREATEST || offset + rounded < offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (kind == SLICE && (offset > SIZE || rounded > SIZE - offset))
        return ZX_ERR_INVALID_ARGS;
    return ZX_OK;
}

/* Where the parent is resizable a slice is refused all the same, but for what is wrong with the range. */
static void check_slice_of_resizable(zx_status_t expected)
{
    REFUSED(expected != ZX_OK ? expected : ZX_ERR_NOT_SUPPORTED, call_on(resizable));
    args.handle = vmo;
}

TEST(ranges)
{
    uint64_t offsets[BOUNDARIES], sizes[2 * BOUNDARIES];
    begin();
    boundaries_of(SIZE, offsets);
    boundaries_of(SIZE, sizes);
    boundaries_of(GREATEST, sizes + BOUNDARIES);
    for (unsigned i = 0; i < KINDS * BOUNDARIES * 2 * BOUNDARIES; i++) {
        kind = args.options = kinds[i % KINDS];
        args.offset = offsets[i / KINDS % BOUNDARIES];
        args.size = sizes[i / KINDS / BOUNDARIES];
        zx_status_t expected = expected_range(args.offset, args.size);
        NOTE(args.offset);
        NOTE(args.size);
        if (kind == SLICE)
            check_slice_of_resizable(expected);
        if (expected != ZX_OK) {
            REFUSED(expected, call());
            continue;
        }
        OK_ONCE(call());
        CHECK_EQUAL(vmo_info_of(made).size_bytes, (args.size + ZX_PAGE_MASK) & ~ZX_PAGE_MASK);
        close_made();
    }
}

/* ---- Rights and names ---- */

static zx_rights_t expected_rights(zx_rights_t rights, uint32_t options)
{
    rights = (rights & ~ZX_RIGHT_RESIZE) | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY;
    if ((options & RESIZABLE) != 0)
        rights |= ZX_RIGHT_RESIZE;
    if ((options & NO_WRITE) != 0)
        return rights & ~ZX_RIGHT_WRITE;
    return (options & SLICE) != 0 ? rights : (rights & ~ZX_RIGHT_EXECUTE) | ZX_RIGHT_WRITE;
}

static void check_rights_of_child(zx_handle_t parent, zx_rights_t rights, uint32_t options)
{
    const zx_rights_t needed = ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ;
    if ((rights & needed) != needed || expected_for(options) != ZX_OK)
        return;
    zx_handle_t weak = with_rights(parent, rights);
    NOTE(rights);
    args.options = options;
    OK_ONCE(call_on(weak));
    CHECK_EQUAL(rights_of(made), expected_rights(rights, options));
    CHECK_EQUAL(vmo_info_of(made).flags & ZX_INFO_VMO_RESIZABLE,
                (options & RESIZABLE) != 0 ? ZX_INFO_VMO_RESIZABLE : 0);
    close_made();
    OK_ONCE(zx_handle_close(weak));
}

TEST(rights)
{
    begin();
    OK(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo));
    OK(zx_vmo_replace_as_executable(resizable, ZX_HANDLE_INVALID, &resizable));
    for (uint32_t options = 0; options < 64; options++) {
        zx_handle_t parent = (options & SLICE) != 0 ? vmo : resizable;
        zx_rights_t held = rights_of(parent);
        NOTE(options);
        for (unsigned bit = 0; bit < 31; bit++)
            check_rights_of_child(parent, held & ~(1u << bit), options);
        check_rights_of_child(parent, held, options);
        check_rights_of_child(parent, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ, options);
    }
}

static void check_name(zx_handle_t handle, const char *name, size_t length)
{
    zx_info_vmo_t info = vmo_info_of(handle);
    CHECK(same_bytes(info.name, name, length));
    CHECK(all_bytes(info.name + length, 0, sizeof(info.name) - length));
}

TEST(names)
{
    begin();
    OK(zx_object_set_property(vmo, ZX_PROP_NAME, "parent", 6));
    zx_handle_t nameless = without(vmo, ZX_RIGHT_GET_PROPERTY);
    for (unsigned i = 0; i < KINDS; i++) {
        args.options = kinds[i];
        OK(call_on(vmo));
        check_name(made, "parent", 6);
        OK(zx_object_set_property(made, ZX_PROP_NAME, "child", 5));
        check_name(made, "child", 5);
        check_name(vmo, "parent", 6);
        OK(call_on(nameless));
        check_name(made, "", 0);
    }
}

/* ---- ZX_INFO_VMO ---- */

static zx_handle_t child_of(zx_handle_t parent, uint32_t options)
{
    zx_handle_t child = ZX_HANDLE_INVALID;
    OK_ONCE(zx_vmo_create_child(parent, options, 0, SIZE, &child));
    return child;
}

static void check_family(zx_handle_t handle, zx_koid_t parent, size_t children)
{
    zx_info_vmo_t info = vmo_info_of(handle);
    CHECK_EQUAL(info.parent_koid, parent);
    CHECK_EQUAL(info.num_children, children);
}

TEST(flags)
{
    const uint32_t always = ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_VIA_HANDLE;
    begin();
    CHECK_EQUAL(vmo_info_of(child_of(vmo, SNAPSHOT)).flags, always | ZX_INFO_VMO_IS_COW_CLONE);
    CHECK_EQUAL(vmo_info_of(child_of(vmo, ON_WRITE | NO_WRITE)).flags, always | ZX_INFO_VMO_IS_COW_CLONE);
    CHECK_EQUAL(vmo_info_of(child_of(resizable, SNAPSHOT)).flags, always | ZX_INFO_VMO_IS_COW_CLONE);
    CHECK_EQUAL(vmo_info_of(child_of(vmo, SNAPSHOT | RESIZABLE)).flags,
                always | ZX_INFO_VMO_IS_COW_CLONE | ZX_INFO_VMO_RESIZABLE);
    CHECK_EQUAL(vmo_info_of(child_of(vmo, SLICE)).flags, always);
    CHECK_EQUAL(vmo_info_of(vmo).flags, always);
}

/* Direct children alone are counted. Whose parent dies becomes a child of that one's parent, or of none. */
TEST(families)
{
    begin();
    zx_koid_t koid = basic_of(vmo).koid;
    check_family(vmo, 0, 0);
    zx_handle_t child = child_of(vmo, SNAPSHOT), slice = child_of(vmo, SLICE);
    zx_koid_t child_koid = basic_of(child).koid;
    zx_handle_t grandchildren[] = {child_of(child, SNAPSHOT), child_of(child, ON_WRITE),
                                   child_of(child, SNAPSHOT)};
    check_family(vmo, 0, 2);
    check_family(child, koid, 3);
    check_family(slice, koid, 0);
    for (unsigned i = 0; i < 3; i++)
        check_family(grandchildren[i], child_koid, 0);
    OK_ONCE(zx_handle_close(grandchildren[0]));
    check_family(child, koid, 2);
    OK_ONCE(zx_handle_close(child));
    check_family(vmo, 0, 3);
    for (unsigned i = 1; i < 3; i++)
        check_family(grandchildren[i], koid, 0);
    OK_ONCE(zx_handle_close(slice));
    check_family(vmo, 0, 2);
    OK_ONCE(zx_handle_close(vmo));
    OK_ONCE(zx_handle_close(no_duplicate));
    OK_ONCE(zx_handle_close(no_read));
    for (unsigned i = 1; i < 3; i++)
        check_family(grandchildren[i], 0, 0);
}

/* A slice of a slice is the slice's child; one that goes in the middle leaves its own to the VMO. */
TEST(families_of_slices)
{
    begin();
    zx_handle_t outer = child_of(vmo, SLICE), inner = child_of(outer, SLICE),
                copy = child_of(inner, SNAPSHOT);
    check_family(vmo, 0, 1);
    check_family(outer, basic_of(vmo).koid, 1);
    check_family(inner, basic_of(outer).koid, 1);
    check_family(copy, basic_of(inner).koid, 0);
    OK_ONCE(zx_handle_close(outer));
    check_family(inner, basic_of(vmo).koid, 1);
    OK_ONCE(zx_handle_close(inner));
    check_family(copy, basic_of(vmo).koid, 0);
    check_family(vmo, 0, 1);
    /* A snapshot that has a slice is kept by it. */
    zx_koid_t copy_koid = basic_of(copy).koid;
    zx_handle_t window = child_of(copy, SLICE), second = child_of(copy, SNAPSHOT);
    OK_ONCE(zx_handle_close(copy));
    check_family(window, copy_koid, 0);
    check_family(second, copy_koid, 0);
    OK_ONCE(zx_handle_close(window));
    check_family(second, basic_of(vmo).koid, 0);
    check_family(vmo, 0, 1);
}

/* A parent lives on, and is the parent, while it is mapped. */
TEST(a_mapped_parent)
{
    zx_handle_t parent = make_vmo(SIZE, 0), child = child_of(parent, SNAPSHOT);
    zx_koid_t koid = basic_of(parent).koid;
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 4, &base);
    (void)map_at(vmar, ZX_VM_PERM_READ, 0, parent, 0, 4);
    OK_ONCE(zx_handle_close(parent));
    check_family(child, koid, 0);
    OK(zx_vmar_unmap(vmar, base, SIZE));
    check_family(child, 0, 0);
}

static uint64_t committed(zx_handle_t handle)
{
    return vmo_info_of(handle).committed_bytes / PAGE;
}

/* However many share a page, it is counted in one of them; in no slice. */
TEST(memory_is_counted_once)
{
    begin();
    OK(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, SIZE, NULL, 0));
    zx_handle_t child = child_of(vmo, SNAPSHOT), slice = child_of(vmo, SLICE),
                grandchild = child_of(child, SNAPSHOT);
    zx_handle_t slice_of_child = child_of(child, SLICE);
    CHECK_EQUAL(committed(vmo) + committed(child) + committed(grandchild), 4);
    CHECK_EQUAL(committed(slice) + committed(slice_of_child), 0);
    OK_ONCE(zx_vmo_write(child, "x", PAGE, 1));
    CHECK_EQUAL(committed(vmo) + committed(child) + committed(grandchild), 5);
    OK_ONCE(zx_vmo_write(child, "y", PAGE, 1)); /* that one is its own by now */
    CHECK_EQUAL(committed(vmo) + committed(child) + committed(grandchild), 5);
    OK_ONCE(zx_vmo_write(vmo, "z", PAGE, 1));
    CHECK_EQUAL(committed(vmo) + committed(child) + committed(grandchild), 6);
    OK_ONCE(zx_handle_close(slice_of_child));
    OK_ONCE(zx_handle_close(child));
    CHECK_EQUAL(committed(vmo) + committed(grandchild), 5);
    OK_ONCE(zx_handle_close(grandchild));
    CHECK_EQUAL(committed(vmo), 4);
}

/* A slice tells of the mappings that were made through it. */
TEST(mappings_of_slices)
{
    zx_vaddr_t base;
    begin();
    zx_handle_t slice = child_of(vmo, SLICE), other = child_of(vmo, SLICE),
                vmar = make_vmar(EVERYTHING, 16, &base);
    (void)map_at(vmar, ZX_VM_PERM_READ, 0, slice, 0, 2);
    (void)map_at(vmar, ZX_VM_PERM_READ, 4 * PAGE, slice, 0, 4);
    CHECK_EQUAL(vmo_info_of(slice).num_mappings, 2);
    CHECK_EQUAL(vmo_info_of(slice).share_count, 1);
    CHECK_EQUAL(vmo_info_of(other).num_mappings, 0);
    CHECK_EQUAL(vmo_info_of(other).share_count, 0);
    CHECK_EQUAL(vmo_info_of(vmo).num_mappings, 0);
    OK(zx_vmar_unmap(vmar, base, 2 * PAGE));
    CHECK_EQUAL(vmo_info_of(slice).num_mappings, 1);
}

const struct conformance_test vmo_create_child_tests[] = {CASE(errors_in_order),
                                                          CASE(every_option_and_pair),
                                                          CASE(ranges),
                                                          CASE(rights),
                                                          CASE(names),
                                                          CASE(flags),
                                                          CASE(families),
                                                          CASE(families_of_slices),
                                                          CASE(a_mapped_parent),
                                                          CASE(memory_is_counted_once),
                                                          CASE(mappings_of_slices),
                                                          NO_MORE_CASES};
