/* SPDX-License-Identifier: MIT */
/*
 * vmar_allocate.c: zx_vmar_allocate.
 *
 * "A CAN_MAP_* that the parent was not created with" is not among the errors in order: a handle to such a
 * parent cannot have the right, so that the call has been refused already.
 */
#include "placement.h"

#define SPECIFIC ZX_VM_SPECIFIC
#define LIMIT    ZX_VM_OFFSET_IS_UPPER_LIMIT

#define OPTIONS                                                                                              \
    (ZX_VM_COMPACT | SPECIFIC | ZX_VM_CAN_MAP_SPECIFIC | CAN_MAP_RWX | LIMIT | 0xffu << ZX_VM_ALIGN_BASE)

static zx_rights_t rights_of_options(zx_vm_option_t options)
{
    return ((options & ZX_VM_CAN_MAP_READ) != 0 ? ZX_RIGHT_READ : 0) |
           ((options & ZX_VM_CAN_MAP_WRITE) != 0 ? ZX_RIGHT_WRITE : 0) |
           ((options & ZX_VM_CAN_MAP_EXECUTE) != 0 ? ZX_RIGHT_EXECUTE : 0);
}

/* ---- Errors in their order ---- */

static struct {
    bool closed, wrong_type, weak, dead, plain;
    zx_vm_option_t options;
    size_t offset, size;
    zx_handle_t *child;
    zx_vaddr_t *addr;
} args;

static zx_handle_t closed, other, weak[PLACES], child;
static zx_vaddr_t addr;

static void make_args(void)
{
    make_places();
    closed = closed_handle();
    other = zx_process_self();
    for (unsigned i = 0; i < PLACES; i++)
        weak[i] = without(places[i].vmar, ZX_RIGHT_READ);
}

static zx_status_t call(void)
{
    unsigned place = args.dead ? DEAD : args.plain ? PLAIN : OPEN;
    zx_handle_t parent = args.closed       ? closed
                         : args.wrong_type ? other
                         : args.weak       ? weak[place]
                                           : places[place].vmar;
    return zx_vmar_allocate(parent, args.options, args.offset, args.size, args.child, args.addr);
}

static void good(void)
{
    args.closed = args.wrong_type = args.weak = args.dead = args.plain = false;
    args.options = EVERYTHING | SPECIFIC;
    args.offset = 5 * PAGE;
    args.size = PAGE;
    args.child = &child;
    args.addr = &addr;
}

/* Those that are about the placing are of the options that `good` has set. */
static zx_status_t spoil_handle_and_options(unsigned nth)
{
    switch (nth) {
    case 0:
        args.closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.wrong_type = true;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.weak = true;
        return ZX_ERR_ACCESS_DENIED;
    case 3:
        args.options |= ZX_VM_PERM_READ;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.options |= 1u << 20;
        return ZX_ERR_INVALID_ARGS;
    case 5:
        args.options |= ALIGN(255);
        return ZX_ERR_INVALID_ARGS;
    case 6:
        args.size |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 7:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    case 8:
        args.size = 0;
        return ZX_ERR_INVALID_ARGS;
    case 9:
        args.options |= SPECIFIC | LIMIT;
        return ZX_ERR_INVALID_ARGS;
    case 10:
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    default:
        args.plain = true;
        return ZX_ERR_ACCESS_DENIED;
    }
}

static zx_status_t spoil_end(unsigned nth)
{
    switch (nth) {
    case 0:
        return no_memory();
    case 1:
        args.child = BAD_POINTER;
        return ZX_ERR_INVALID_ARGS;
    case 2:
        args.addr = NULL;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_specific(unsigned nth)
{
    switch (nth) {
    case 12:
        args.offset = ROOM * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 13:
        args.options |= ALIGN(15);
        return ZX_ERR_INVALID_ARGS;
    case 14:
        args.offset = MAPPED_FROM * PAGE;
        return ZX_ERR_ALREADY_EXISTS;
    default:
        return nth < 12 ? spoil_handle_and_options(nth) : spoil_end(nth - 15);
    }
}

TEST(errors_in_order)
{
    make_args();
    check_errors(&(const struct errors){good, spoil_specific, call});
}

static void good_limited(void)
{
    good();
    args.options = EVERYTHING | LIMIT;
}

static zx_status_t spoil_limited(unsigned nth)
{
    switch (nth) {
    case 12:
        args.offset = (ROOM + 1) * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 13:
        args.size = args.offset + PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 14: /* there is no place so aligned */
        args.options |= ALIGN(32);
        return ZX_ERR_NO_MEMORY;
    default:
        return nth < 12 ? spoil_handle_and_options(nth) : spoil_end(nth - 15);
    }
}

TEST(errors_in_order_under_a_limit)
{
    make_args();
    check_errors(&(const struct errors){good_limited, spoil_limited, call});
}

TEST(a_refusal_leaves_the_results_alone)
{
    zx_handle_t root = zx_vmar_root_self();
    child = 77;
    addr = 78;
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 1, PAGE, &child, &addr));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 0, PAGE, &child, NULL));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_allocate(root, 0, 0, PAGE, NULL, &addr));
    CHECK_EQUAL(child, 77);
    CHECK_EQUAL(addr, 78);
}

/* ---- Handles and rights ---- */

static zx_status_t allocate_anywhere(zx_handle_t parent)
{
    return zx_vmar_allocate(parent, args.options, 0, PAGE, &child, &addr);
}

TEST(handles)
{
    static const zx_vm_option_t can_map[] = {ZX_VM_CAN_MAP_READ, ZX_VM_CAN_MAP_WRITE, ZX_VM_CAN_MAP_EXECUTE};
    for (unsigned subset = 0; subset < 8; subset++) {
        args.options = ZX_VM_COMPACT;
        for (unsigned i = 0; i < 3; i++)
            args.options |= (subset >> i & 1) != 0 ? can_map[i] : 0;
        check_handles(allocate_anywhere, zx_vmar_root_self(), ZX_OBJ_TYPE_VMAR,
                      rights_of_options(args.options));
    }
}

/* A child has the rights that it was created with, and its parent's limits; but a parent that may not be
   placed in can have a child that may. */
TEST(children_only_narrow)
{
    for (unsigned subset = 0; subset < 16; subset++) {
        zx_vaddr_t base;
        zx_vm_option_t parent_options = subset * ZX_VM_CAN_MAP_SPECIFIC;
        zx_handle_t parent = make_vmar(parent_options, 16, &base);
        NOTE(subset);
        CHECK_EQUAL(rights_of(parent), ZX_DEFAULT_VMAR_RIGHTS | rights_of_options(parent_options));
        for (unsigned asked = 0; asked < 16; asked++) {
            zx_vm_option_t options = asked * ZX_VM_CAN_MAP_SPECIFIC;
            NOTE(asked);
            if ((options & CAN_MAP_RWX & ~parent_options) != 0) {
                REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_allocate(parent, options, 0, PAGE, &child, &addr));
                continue;
            }
            OK_ONCE(zx_vmar_allocate(parent, options, 0, PAGE, &child, &addr));
            CHECK_EQUAL(rights_of(child), ZX_DEFAULT_VMAR_RIGHTS | rights_of_options(options));
            CHECK_EQUAL(basic_of(child).type, ZX_OBJ_TYPE_VMAR);
            STATUS((options & ZX_VM_CAN_MAP_SPECIFIC) != 0 ? ZX_OK : ZX_ERR_ACCESS_DENIED,
                   zx_vmar_allocate(child, SPECIFIC, 0, PAGE, &other, &addr));
            STATUS(ZX_OK, zx_vmar_destroy(child));
        }
    }
}

/* ---- Options, places and sizes ---- */

static const struct place *place;
static size_t offset, size;
static zx_vm_option_t mode;

static zx_status_t expected(zx_vm_option_t options)
{
    if ((options & ~OPTIONS) != 0 || !is_align_valid(options) || (size & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    return placement_status(place, options, offset, size, ZX_ERR_NO_MEMORY);
}

static void try(zx_vm_option_t options)
{
    zx_status_t status = expected(options);
    NOTE(options);
    NOTE(offset);
    NOTE(size);
    NOTE(place - places);
    child = 77;
    addr = 78;
    if (status != ZX_OK) {
        REFUSED(status, zx_vmar_allocate(place->vmar, options, offset, size, &child, &addr));
        CHECK_EQUAL(child, 77);
        CHECK_EQUAL(addr, 78);
        return;
    }
    OK(zx_vmar_allocate(place->vmar, options, offset, size, &child, &addr));
    CHECK(placement_fits(place, options, offset, size, addr));
    CHECK_EQUAL(rights_of(child), ZX_DEFAULT_VMAR_RIGHTS | rights_of_options(options));
    CHECK_EQUAL(vmar_info_of(child).base, addr);
    CHECK_EQUAL(vmar_info_of(child).len, size);
    STATUS(ZX_OK, zx_vmar_destroy(child));
    STATUS(ZX_OK, zx_handle_close(child));
}

TEST(every_option_and_pair)
{
    static const zx_vm_option_t beside[] = {0, SPECIFIC, LIMIT};
    make_places();
    size = PAGE;
    for (place = places; place < places + PLACES; place++)
        for (offset = 0; offset <= 5 * PAGE; offset += 5 * PAGE)
            for_each_option(try, beside, sizeof(beside) / sizeof(beside[0]));
}

static void try_boundary(uint64_t first, uint64_t second)
{
    offset = first;
    size = second;
    try(mode);
}

TEST(offsets_and_sizes)
{
    static const zx_vm_option_t modes[] = {0, SPECIFIC, LIMIT, SPECIFIC | ALIGN(14), LIMIT | ALIGN(14)};
    make_places();
    place = &places[OPEN];
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        mode = modes[i];
        for_each_boundary(try_boundary);
    }
    place = &places[PLAIN];
    mode = 0;
    for_each_boundary(try_boundary);
}

/* Every alignment that can be asked for: below a page it means a page; in compact VMARs and under an upper
   limit it holds too. */
TEST(alignments)
{
    for (unsigned i = 0; i < 2 * 23; i++) {
        unsigned log2 = 10 + i / 2;
        size_t align = log2 < 12 ? PAGE : (size_t)1 << log2;
        zx_vm_option_t compact = i % 2 != 0 ? ZX_VM_COMPACT : 0;
        zx_vaddr_t base;
        zx_handle_t vmar = make_vmar(EVERYTHING | ALIGN(32) | compact, (16ull << 30) / PAGE, &base);
        NOTE(log2);
        CHECK_EQUAL(base % (4ull << 30), 0);
        OK(zx_vmar_allocate(vmar, ALIGN(log2), 0, PAGE, &child, &addr));
        CHECK_EQUAL(addr % align, 0);
        STATUS(ZX_OK, zx_vmar_destroy(child));
        if (align > PAGE)
            REFUSED(ZX_ERR_INVALID_ARGS,
                    zx_vmar_allocate(vmar, ALIGN(log2) | SPECIFIC, align / 2, PAGE, &child, &addr));
        OK(zx_vmar_allocate(vmar, ALIGN(log2) | SPECIFIC, align, PAGE, &child, &addr));
        CHECK_EQUAL(addr, base + align);
        /* Under the limit there is one place; taken, there is none. */
        OK(zx_vmar_allocate(vmar, ALIGN(log2) | LIMIT, align, PAGE, &child, &addr));
        CHECK_EQUAL(addr, base);
        REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_allocate(vmar, ALIGN(log2) | LIMIT, align, PAGE, &child, &addr));
        STATUS(ZX_OK, zx_vmar_destroy(vmar));
        STATUS(ZX_OK, zx_handle_close(vmar));
    }
}

/* Where there is one place it is found; all of a VMAR can be had. */
TEST(the_only_place)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING | ALIGN(20), 16, &base);
    OK(zx_vmar_allocate(vmar, 0, 0, 16 * PAGE, &child, &addr));
    CHECK_EQUAL(addr, base);
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_allocate(vmar, 0, 0, PAGE, &child, &addr));
    STATUS(ZX_OK, zx_vmar_destroy(child));
    (void)make_vmar_at(vmar, 0, 4 * PAGE, 2);
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_allocate(vmar, 0, 0, 11 * PAGE, &child, &addr));
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_allocate(vmar, ALIGN(15), 0, 9 * PAGE, &child, &addr));
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmar_allocate(vmar, LIMIT, 10 * PAGE, 5 * PAGE, &child, &addr));
    OK(zx_vmar_allocate(vmar, 0, 0, 10 * PAGE, &child, &addr));
    CHECK_EQUAL(addr, base + 6 * PAGE);
    STATUS(ZX_OK, zx_vmar_destroy(child));
    OK(zx_vmar_allocate(vmar, ALIGN(15), 0, 8 * PAGE, &child, &addr));
    CHECK_EQUAL(addr, base + 8 * PAGE);
    STATUS(ZX_OK, zx_vmar_destroy(child));
    OK(zx_vmar_allocate(vmar, LIMIT, 11 * PAGE, 5 * PAGE, &child, &addr));
    CHECK_EQUAL(addr, base + 6 * PAGE);
}

/* Dead: the parent gone, its children with it. */
TEST(in_the_dead)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), inner = make_vmar_at(vmar, EVERYTHING, 0, 4);
    STATUS(ZX_OK, zx_vmar_destroy(vmar));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(vmar, 0, 0, PAGE, &child, &addr));
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(inner, CAN_MAP_RWX, 0, 0, &child, &addr));
}

const struct conformance_test vmar_allocate_tests[] = {CASE(errors_in_order),
                                                       CASE(errors_in_order_under_a_limit),
                                                       CASE(a_refusal_leaves_the_results_alone),
                                                       CASE(handles),
                                                       CASE(children_only_narrow),
                                                       CASE(every_option_and_pair),
                                                       CASE(offsets_and_sizes),
                                                       CASE(alignments),
                                                       CASE(the_only_place),
                                                       CASE(in_the_dead),
                                                       NO_MORE_CASES};
