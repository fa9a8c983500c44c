/* SPDX-License-Identifier: MIT */
/*
 * vmar_map.c: zx_vmar_map: its refusals.
 *
 * "A PERM_* that the VMAR excludes" is not among the errors in order: a handle to such a VMAR cannot have the
 * right, so that the call has been refused already.
 */
#include "placement.h"

#define READ       ZX_VM_PERM_READ
#define WRITE      ZX_VM_PERM_WRITE
#define EXECUTE    ZX_VM_PERM_EXECUTE
#define READ_WRITE (READ | WRITE)
#define PERMS      (READ | WRITE | EXECUTE)
#define SPECIFIC   ZX_VM_SPECIFIC
#define OVERWRITE  ZX_VM_SPECIFIC_OVERWRITE
#define LIMIT      ZX_VM_OFFSET_IS_UPPER_LIMIT

#define OPTIONS                                                                                              \
    (PERMS | SPECIFIC | OVERWRITE | LIMIT | ZX_VM_MAP_RANGE | ZX_VM_REQUIRE_NON_RESIZABLE |                  \
     ZX_VM_ALLOW_FAULTS | 0xffu << ZX_VM_ALIGN_BASE)

/* The last page that an address can begin. */
#define LAST (0 - PAGE)

static zx_vaddr_t addr;

/* ---- Errors in their order ---- */

static struct {
    bool vmar_closed, vmar_wrong, vmar_weak, dead, plain;
    bool vmo_closed, vmo_wrong, vmo_weak, vmo_no_map, resizable;
    zx_vm_option_t options;
    size_t vmar_offset;
    uint64_t vmo_offset;
    size_t len;
    zx_vaddr_t *addr;
} args;

/* By place, and by what the handle lacks: nothing, WRITE. */
static zx_handle_t vmars[PLACES][2];
/* Fixed or resizable; by what the handle lacks: nothing, WRITE, MAP, both. */
static zx_handle_t vmos[2][4];
static zx_handle_t closed, other;

static void make_args(void)
{
    make_places();
    closed = closed_handle();
    other = zx_process_self();
    for (unsigned i = 0; i < PLACES; i++) {
        vmars[i][0] = places[i].vmar;
        vmars[i][1] = without(places[i].vmar, ZX_RIGHT_WRITE);
    }
    for (unsigned i = 0; i < 2; i++) {
        vmos[i][0] = make_vmo(4 * PAGE, i == 1 ? ZX_VMO_RESIZABLE : 0);
        for (unsigned lacks = 1; lacks < 4; lacks++)
            vmos[i][lacks] = without(vmos[i][0], ((lacks & 1) != 0 ? ZX_RIGHT_WRITE : 0) |
                                                     ((lacks & 2) != 0 ? ZX_RIGHT_MAP : 0));
    }
}

static zx_status_t call(void)
{
    zx_handle_t vmar = vmars[args.dead ? DEAD : args.plain ? PLAIN : OPEN][args.vmar_weak];
    zx_handle_t vmo = vmos[args.resizable][args.vmo_weak + 2 * args.vmo_no_map];
    vmar = args.vmar_closed ? closed : args.vmar_wrong ? other : vmar;
    vmo = args.vmo_closed ? closed : args.vmo_wrong ? other : vmo;
    return zx_vmar_map(vmar, args.options, args.vmar_offset, vmo, args.vmo_offset, args.len, args.addr);
}

static void good(void)
{
    args.vmar_closed = args.vmar_wrong = args.vmar_weak = args.dead = args.plain = false;
    args.vmo_closed = args.vmo_wrong = args.vmo_weak = args.vmo_no_map = args.resizable = false;
    args.options = READ_WRITE | SPECIFIC;
    args.vmar_offset = 5 * PAGE;
    args.vmo_offset = PAGE;
    args.len = 2 * PAGE;
    args.addr = &addr;
}

enum { HANDLE_ERRORS = 5, OPTION_ERRORS = 14, VMO_ERRORS = 18, PLACE_ERRORS = 23 };

static zx_status_t spoil_handles(unsigned nth)
{
    switch (nth) {
    case 0:
        args.vmar_closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.vmar_wrong = true;
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.vmo_closed = true;
        return ZX_ERR_BAD_HANDLE;
    case 3:
        args.vmo_wrong = true;
        return ZX_ERR_WRONG_TYPE;
    default:
        args.vmo_no_map = true;
        return ZX_ERR_ACCESS_DENIED;
    }
}

static zx_status_t spoil_options(unsigned nth)
{
    switch (nth) {
    case 5:
        args.options &= ~READ;
        return ZX_ERR_INVALID_ARGS;
    case 6:
        args.options |= ZX_VM_MAP_RANGE | OVERWRITE;
        return ZX_ERR_INVALID_ARGS;
    case 7:
        args.options |= ZX_VM_CAN_MAP_WRITE;
        return ZX_ERR_INVALID_ARGS;
    case 8:
        args.vmar_weak = true;
        return ZX_ERR_ACCESS_DENIED;
    case 9:
        args.vmo_weak = true;
        return ZX_ERR_ACCESS_DENIED;
    case 10:
        args.options |= 1u << 20;
        return ZX_ERR_INVALID_ARGS;
    case 11:
        args.options |= ALIGN(255);
        return ZX_ERR_INVALID_ARGS;
    case 12:
        args.options |= ZX_VM_COMPACT;
        return ZX_ERR_INVALID_ARGS;
    default:
        args.options |= ZX_VM_CAN_MAP_SPECIFIC;
        return ZX_ERR_INVALID_ARGS;
    }
}

static zx_status_t spoil_vmo(unsigned nth)
{
    switch (nth) {
    case 14:
        args.options |= ZX_VM_REQUIRE_NON_RESIZABLE;
        args.resizable = true;
        return ZX_ERR_NOT_SUPPORTED;
    case 15:
        args.vmo_offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    case 16:
        args.len = SIZE_MAX;
        return ZX_ERR_OUT_OF_RANGE;
    default:
        args.vmo_offset = LAST;
        args.len = PAGE + 1;
        return ZX_ERR_OUT_OF_RANGE;
    }
}

static zx_status_t spoil_place(unsigned nth)
{
    switch (nth) {
    case 18:
        args.dead = true;
        return ZX_ERR_BAD_STATE;
    case 19:
        args.len = 0;
        return ZX_ERR_INVALID_ARGS;
    case 20:
        args.options |= SPECIFIC | LIMIT;
        return ZX_ERR_INVALID_ARGS;
    case 21:
        args.vmar_offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    default:
        args.plain = true;
        return ZX_ERR_ACCESS_DENIED;
    }
}

static zx_status_t spoil_until_place(unsigned nth)
{
    return nth < HANDLE_ERRORS   ? spoil_handles(nth)
           : nth < OPTION_ERRORS ? spoil_options(nth)
           : nth < VMO_ERRORS    ? spoil_vmo(nth)
                                 : spoil_place(nth);
}

static zx_status_t spoil_end(unsigned nth)
{
    switch (nth) {
    case 0:
        return no_memory();
    case 1:
        args.addr = BAD_POINTER;
        return ZX_ERR_INVALID_ARGS;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_specific(unsigned nth)
{
    switch (nth) {
    case 23:
        args.vmar_offset = ROOM * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 24:
        args.options |= ALIGN(15);
        return ZX_ERR_INVALID_ARGS;
    case 25:
        args.vmar_offset = MAPPED_FROM * PAGE;
        return ZX_ERR_ALREADY_EXISTS;
    default:
        return nth < PLACE_ERRORS ? spoil_until_place(nth) : spoil_end(nth - 26);
    }
}

TEST(errors_in_order)
{
    make_args();
    check_errors(&(const struct errors){good, spoil_specific, call});
}

/* Over one mapping, partly. */
static void good_overwriting(void)
{
    good();
    args.options = READ_WRITE | OVERWRITE;
    args.vmar_offset = (MAPPED_FROM + 1) * PAGE;
}

static zx_status_t spoil_overwriting(unsigned nth)
{
    switch (nth) {
    case 23:
        args.vmar_offset = ROOM * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 24:
        args.options |= ALIGN(15);
        return ZX_ERR_INVALID_ARGS;
    case 25:
        args.vmar_offset = (DIVIDED_FROM - 1) * PAGE;
        return ZX_ERR_INVALID_ARGS;
    default:
        return nth < PLACE_ERRORS ? spoil_until_place(nth) : spoil_end(nth - 26);
    }
}

TEST(errors_in_order_when_overwriting)
{
    make_args();
    check_errors(&(const struct errors){good_overwriting, spoil_overwriting, call});
}

static void good_limited(void)
{
    good();
    args.options = READ_WRITE | LIMIT;
}

static zx_status_t spoil_limited(unsigned nth)
{
    switch (nth) {
    case 23:
        args.vmar_offset = (ROOM + 1) * PAGE;
        return ZX_ERR_INVALID_ARGS;
    case 24:
        args.len = args.vmar_offset + 1;
        return ZX_ERR_INVALID_ARGS;
    case 25: /* there is no place so aligned */
        args.options |= ALIGN(32);
        return ZX_ERR_NO_RESOURCES;
    default:
        return nth < PLACE_ERRORS ? spoil_until_place(nth) : spoil_end(nth - 26);
    }
}

TEST(errors_in_order_under_a_limit)
{
    make_args();
    check_errors(&(const struct errors){good_limited, spoil_limited, call});
}

TEST(a_refusal_leaves_the_result_alone)
{
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0);
    addr = 78;
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, WRITE, 0, vmo, 0, PAGE, &addr));
    REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_map(root, READ, 0, vmo, 0, PAGE, NULL));
    CHECK_EQUAL(addr, 78);
}

/* The allocations of the check succeed, one of the work fails: the result is as it was. */
TEST(an_overwrite_without_memory_leaves_the_result_alone)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    zx_status_t status = ZX_ERR_NO_MEMORY;
    (void)map_at(vmar, READ_WRITE, 0, vmo, 0, 8);
    for (uint64_t nth = 1; status != ZX_OK && conformance_fail_allocation(nth, true); nth++) {
        addr = 78;
        NOTE(nth);
        status = zx_vmar_map(vmar, READ | OVERWRITE, 5 * PAGE, vmo, 0, 2 * PAGE, &addr);
        (void)conformance_fail_allocation(0, false);
        if (status != ZX_OK)
            STATUS(ZX_ERR_NO_MEMORY, status);
        CHECK_EQUAL(addr, status == ZX_OK ? base + 5 * PAGE : 78);
    }
}

/* ---- Handles and rights ---- */

static zx_handle_t the_vmo;

static zx_status_t map_in(zx_handle_t vmar)
{
    return zx_vmar_map(vmar, args.options, 0, the_vmo, 0, PAGE, &addr);
}

static zx_status_t map_it(zx_handle_t vmo)
{
    return zx_vmar_map(zx_vmar_root_self(), args.options, 0, vmo, 0, PAGE, &addr);
}

TEST(handles)
{
    static const zx_vm_option_t perms[] = {0, READ, READ | WRITE, READ | EXECUTE, PERMS};
    the_vmo = make_executable_vmo(PAGE);
    for (unsigned i = 0; i < sizeof(perms) / sizeof(perms[0]); i++) {
        zx_rights_t rights = perms[i] * ZX_RIGHT_READ;
        args.options = perms[i];
        check_handles(map_in, zx_vmar_root_self(), ZX_OBJ_TYPE_VMAR, rights);
        check_handles(map_it, the_vmo, ZX_OBJ_TYPE_VMO, rights | ZX_RIGHT_MAP);
        args.options = perms[i] | ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
        check_rights(map_in, zx_vmar_root_self(), rights | ZX_RIGHT_READ);
        check_rights(map_it, the_vmo, rights | ZX_RIGHT_READ | ZX_RIGHT_MAP);
    }
}

/* Each set of permissions in a VMAR of each kind. */
TEST(what_the_vmar_excludes)
{
    the_vmo = make_executable_vmo(PAGE);
    for (unsigned can = 0; can < 8; can++) {
        zx_vaddr_t base;
        zx_handle_t vmar = make_vmar(can * ZX_VM_CAN_MAP_READ, 64, &base);
        NOTE(can);
        for (zx_vm_option_t perms = 0; perms < 8; perms++) {
            NOTE(perms);
            if (perms != 0 && (perms & READ) == 0)
                REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_map(vmar, perms, 0, the_vmo, 0, PAGE, &addr));
            else if ((perms & ~can) != 0)
                REFUSED(ZX_ERR_ACCESS_DENIED, zx_vmar_map(vmar, perms, 0, the_vmo, 0, PAGE, &addr));
            else
                OK(zx_vmar_map(vmar, perms, 0, the_vmo, 0, PAGE, &addr));
        }
    }
}

/* ---- Options, places and sizes ---- */

static const struct place *place;
static size_t offset, len;
static uint64_t vmo_offset;
static bool resizable;
static zx_vm_option_t mode;

/* The refusals before the VMO's part is looked at. */
static zx_status_t expected_of_options(zx_vm_option_t options)
{
    if ((options & (WRITE | EXECUTE)) != 0 && (options & READ) == 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_MAP_RANGE) != 0 && (options & OVERWRITE) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & CAN_MAP_RWX) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & EXECUTE) != 0) /* the VMO's handle has no such right */
        return ZX_ERR_ACCESS_DENIED;
    if ((options & ~OPTIONS) != 0 || !is_align_valid(options))
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_REQUIRE_NON_RESIZABLE) != 0 && resizable)
        return ZX_ERR_NOT_SUPPORTED;
    return ZX_OK;
}

static size_t rounded(size_t bytes)
{
    return (bytes + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
}

static zx_status_t expected(zx_vm_option_t options)
{
    if ((options & ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED) != 0)
        options = (options | READ) & ~ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
    zx_status_t status = expected_of_options(options);
    if (status != ZX_OK)
        return status;
    if ((vmo_offset & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    if (rounded(len) < len || vmo_offset + rounded(len) < vmo_offset)
        return ZX_ERR_OUT_OF_RANGE;
    return placement_status(place, options, offset, rounded(len), ZX_ERR_NO_RESOURCES);
}

static void try(zx_vm_option_t options)
{
    zx_status_t status = expected(options);
    zx_handle_t vmo = vmos[resizable][0];
    NOTE(options);
    NOTE(offset);
    NOTE(len);
    NOTE(vmo_offset);
    NOTE(place - places);
    addr = 78;
    if (status != ZX_OK) {
        REFUSED(status, zx_vmar_map(place->vmar, options, offset, vmo, vmo_offset, len, &addr));
        CHECK_EQUAL(addr, 78);
        return;
    }
    OK(zx_vmar_map(place->vmar, options, offset, vmo, vmo_offset, len, &addr));
    CHECK(placement_fits(place, options, offset, rounded(len), addr));
    STATUS(ZX_OK, zx_vmar_unmap(place->vmar, addr, len));
    if ((options & OVERWRITE) != 0)
        restore_places();
}

TEST(every_option_and_pair)
{
    static const zx_vm_option_t beside[] = {0, READ | SPECIFIC, READ_WRITE | LIMIT, READ | OVERWRITE};
    make_args();
    len = PAGE;
    vmo_offset = 0;
    for (place = places; place < places + PLACES; place++) {
        resizable = !resizable;
        for (offset = 0; offset <= 5 * PAGE; offset += 5 * PAGE)
            for_each_option(try, beside, sizeof(beside) / sizeof(beside[0]));
    }
    place = &places[OPEN];
    resizable = true;
    offset = MAPPED_FROM * PAGE;
    for_each_option(try, beside, sizeof(beside) / sizeof(beside[0]));
}

/* Each pair of options beside permissions that most calls have. */
static void try_with_read(zx_vm_option_t options)
{
    try(options | READ);
}

TEST(every_pair_beside_read)
{
    make_args();
    place = &places[OPEN];
    offset = 5 * PAGE;
    len = PAGE;
    vmo_offset = 0;
    for (unsigned i = 0; i < 2; i++) {
        resizable = i == 1;
        for_each_option(try_with_read, NULL, 0);
    }
}

static void try_place(uint64_t first, uint64_t second)
{
    offset = first;
    len = second;
    try(mode);
}

TEST(offsets_and_lengths)
{
    static const zx_vm_option_t modes[] = {READ, READ | SPECIFIC, READ | LIMIT, READ | OVERWRITE,
                                           READ | LIMIT | ALIGN(14)};
    make_args();
    resizable = false;
    place = &places[OPEN];
    vmo_offset = 0;
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        mode = modes[i];
        for_each_boundary(try_place);
    }
    place = &places[DEAD];
    mode = READ;
    for_each_boundary(try_place);
}

static void try_part(uint64_t first, uint64_t second)
{
    offset = 0;
    vmo_offset = first;
    len = second;
    try(READ);
}

TEST(parts_of_the_vmo)
{
    make_args();
    resizable = false;
    place = &places[OPEN];
    for_each_boundary(try_part);
    place = &places[DEAD];
    for_each_boundary(try_part);
}

TEST(alignments)
{
    zx_handle_t vmo = make_vmo(PAGE, 0);
    for (unsigned i = 0; i < 2 * 23; i++) {
        unsigned log2 = 10 + i / 2;
        size_t align = log2 < 12 ? PAGE : (size_t)1 << log2;
        zx_vm_option_t compact = i % 2 != 0 ? ZX_VM_COMPACT : 0;
        zx_vaddr_t base;
        zx_handle_t vmar = make_vmar(EVERYTHING | ALIGN(32) | compact, (16ull << 30) / PAGE, &base);
        NOTE(log2);
        OK(zx_vmar_map(vmar, READ | ALIGN(log2), 0, vmo, 0, PAGE, &addr));
        CHECK_EQUAL(addr % align, 0);
        STATUS(ZX_OK, zx_vmar_unmap(vmar, addr, PAGE));
        OK(zx_vmar_map(vmar, READ | ALIGN(log2) | LIMIT, 2 * align, vmo, 0, PAGE, &addr));
        CHECK(addr == base || addr == base + align);
        STATUS(ZX_OK, zx_vmar_unmap(vmar, addr, PAGE));
        if (align > PAGE)
            REFUSED(ZX_ERR_INVALID_ARGS,
                    zx_vmar_map(vmar, READ | ALIGN(log2) | OVERWRITE, align / 2, vmo, 0, PAGE, &addr));
        OK(zx_vmar_map(vmar, READ | ALIGN(log2) | SPECIFIC, align, vmo, 0, PAGE, &addr));
        CHECK_EQUAL(addr, base + align);
        OK(zx_vmar_map(vmar, READ | ALIGN(log2) | LIMIT, align, vmo, 0, PAGE, &addr));
        CHECK_EQUAL(addr, base);
        REFUSED(ZX_ERR_NO_RESOURCES,
                zx_vmar_map(vmar, READ | ALIGN(log2) | LIMIT, align, vmo, 0, PAGE, &addr));
        STATUS(ZX_OK, zx_vmar_destroy(vmar));
        STATUS(ZX_OK, zx_handle_close(vmar));
    }
}

const struct conformance_test vmar_map_tests[] = {CASE(errors_in_order),
                                                  CASE(errors_in_order_when_overwriting),
                                                  CASE(errors_in_order_under_a_limit),
                                                  CASE(a_refusal_leaves_the_result_alone),
                                                  CASE(an_overwrite_without_memory_leaves_the_result_alone),
                                                  CASE(handles),
                                                  CASE(what_the_vmar_excludes),
                                                  CASE(every_option_and_pair),
                                                  CASE(every_pair_beside_read),
                                                  CASE(offsets_and_lengths),
                                                  CASE(parts_of_the_vmo),
                                                  CASE(alignments),
                                                  NO_MORE_CASES};
