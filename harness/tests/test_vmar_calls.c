/* SPDX-License-Identifier: MIT */
/*
 * test_vmar_calls.c: zx_vmar_allocate, map, unmap, protect, destroy as programs see them: every refusal, in
 * the specified order, with nothing changed; the boundaries between refused and granted.
 */
#include "calls.h"

/* ---- Allocate ---- */

/* Refused alike whether or not the result can be written: bad pointers come last. */
static void allocate_refused(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t size,
                             zx_status_t expected)
{
    zx_handle_t child = 77;
    zx_vaddr_t addr = 78;
    assert_refused(zx_vmar_allocate(parent, options, offset, size, &child, &addr), expected);
    assert_int_equal(child, 77);
    assert_int_equal(addr, 78);
    assert_refused(zx_vmar_allocate(parent, options, offset, size, NULL, BAD_POINTER), expected);
}

static void allocate_granted(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t size,
                             zx_vaddr_t expected)
{
    zx_handle_t child;
    zx_vaddr_t addr;
    assert_ok(zx_vmar_allocate(parent, options, offset, size, &child, &addr));
    if (expected != 0)
        assert_int_equal(addr, expected);
    assert_ok(zx_vmar_destroy(child));
    assert_ok(zx_handle_close(child));
}

static void test_allocate_handle(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), root = zx_vmar_root_self();
    zx_vm_option_t wrong = ZX_VM_PERM_READ | CAN_MAP_RWX;
    allocate_refused(ZX_HANDLE_INVALID, wrong, 1, 1, ZX_ERR_BAD_HANDLE);
    allocate_refused(make_closed_handle(), wrong, 1, 1, ZX_ERR_BAD_HANDLE);
    allocate_refused(vmo & ~3u, wrong, 1, 1, ZX_ERR_BAD_HANDLE);
    allocate_refused(vmo, wrong, 1, 1, ZX_ERR_WRONG_TYPE);
    allocate_refused(zx_process_self(), wrong, 1, 1, ZX_ERR_WRONG_TYPE);
    zx_rights_t rights[] = {ZX_RIGHT_READ, ZX_RIGHT_WRITE, ZX_RIGHT_EXECUTE};
    zx_vm_option_t options[] = {ZX_VM_CAN_MAP_READ, ZX_VM_CAN_MAP_WRITE, ZX_VM_CAN_MAP_EXECUTE};
    for (unsigned i = 0; i < 3; i++) {
        zx_handle_t fewer = without(root, rights[i]);
        allocate_refused(fewer, options[i] | ZX_VM_PERM_READ, 1, 1, ZX_ERR_ACCESS_DENIED);
        allocate_granted(fewer, CAN_MAP_RWX & ~options[i], 0, PAGE, 0);
    }
}

static void test_allocate_options(void **state)
{
    (void)state;
    zx_handle_t root = zx_vmar_root_self(), dead = make_dead_vmar();
    zx_vm_option_t fine = ZX_VM_COMPACT | ZX_VM_SPECIFIC | EVERYTHING | ZX_VM_OFFSET_IS_UPPER_LIMIT;
    for (unsigned bit = 0; bit < ZX_VM_ALIGN_BASE; bit++)
        if ((fine >> bit & 1) == 0)
            allocate_refused(dead, 1u << bit, 1, 0, ZX_ERR_INVALID_ARGS);
    for (unsigned align = 0; align < 256; align++) {
        bool valid = align == 0 || (align >= 10 && align <= 32);
        allocate_refused(dead, ALIGN(align), 1, 0, valid ? ZX_ERR_BAD_STATE : ZX_ERR_INVALID_ARGS);
        if (valid)
            allocate_granted(root, ALIGN(align), 0, PAGE, 0);
    }
    allocate_refused(dead, 0, 1, 1, ZX_ERR_INVALID_ARGS);
    allocate_refused(dead, 0, 0, PAGE + 1, ZX_ERR_INVALID_ARGS);
    allocate_refused(dead, 0, 0, SIZE_MAX, ZX_ERR_INVALID_ARGS);
    allocate_refused(dead, ZX_VM_SPECIFIC | ZX_VM_OFFSET_IS_UPPER_LIMIT, 1, PAGE, ZX_ERR_BAD_STATE);
    allocate_refused(root, 0, 0, 0, ZX_ERR_INVALID_ARGS);
}

static void test_allocate_placement(void **state)
{
    (void)state;
    zx_vaddr_t base, plain_base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), plain = make_vmar(CAN_MAP_RWX, 16, &plain_base);
    zx_vm_option_t specific = ZX_VM_SPECIFIC, limit = ZX_VM_OFFSET_IS_UPPER_LIMIT;
    allocate_refused(plain, specific | limit, 0, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(plain, 0, PAGE, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(plain, specific, 1, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(plain, limit, 1, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(plain, specific, 99 * PAGE, PAGE, ZX_ERR_ACCESS_DENIED);
    allocate_refused(plain, limit, 99 * PAGE, PAGE, ZX_ERR_ACCESS_DENIED);
    allocate_refused(plain, 0, 0, 17 * PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(plain, 0, 0, (size_t)0 - PAGE, ZX_ERR_INVALID_ARGS);
    allocate_granted(plain, 0, 0, 16 * PAGE, plain_base);

    allocate_refused(vmar, specific, 16 * PAGE, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, specific, 15 * PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, specific, (size_t)0 - PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, specific, PAGE, (size_t)0 - PAGE, ZX_ERR_INVALID_ARGS);
    allocate_granted(vmar, specific, 15 * PAGE, PAGE, base + 15 * PAGE);
    allocate_granted(vmar, specific, 0, 16 * PAGE, base);
    allocate_refused(vmar, limit, 17 * PAGE, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, limit, 2 * PAGE, 3 * PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, limit, 0, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_granted(vmar, limit, 16 * PAGE, 16 * PAGE, base);
    allocate_granted(vmar, limit, 2 * PAGE, 2 * PAGE, base);
    allocate_granted(vmar, limit, PAGE, PAGE, base);
}

static void test_allocate_occupied(void **state)
{
    (void)state;
    zx_vaddr_t base, addr;
    zx_handle_t child, vmar;
    zx_vm_option_t specific = ZX_VM_SPECIFIC;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING | ALIGN(20), 0, 16 * PAGE, &vmar, &base));
    assert_int_equal(base % (1u << 20), 0);
    assert_ok(zx_vmar_allocate(vmar, specific, 4 * PAGE, 2 * PAGE, &child, &addr));
    assert_int_equal(addr, base + 4 * PAGE);
    allocate_refused(vmar, specific, 4 * PAGE, PAGE, ZX_ERR_ALREADY_EXISTS);
    allocate_refused(vmar, specific, 5 * PAGE, PAGE, ZX_ERR_ALREADY_EXISTS);
    allocate_refused(vmar, specific, 3 * PAGE, 2 * PAGE, ZX_ERR_ALREADY_EXISTS);
    allocate_refused(vmar, specific, 0, 16 * PAGE, ZX_ERR_ALREADY_EXISTS);
    allocate_granted(vmar, specific, 3 * PAGE, PAGE, base + 3 * PAGE);
    allocate_granted(vmar, specific, 6 * PAGE, PAGE, base + 6 * PAGE);
    allocate_refused(vmar, specific | ALIGN(13), 5 * PAGE, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_refused(vmar, specific | ALIGN(14), 6 * PAGE, PAGE, ZX_ERR_INVALID_ARGS);
    allocate_granted(vmar, specific | ALIGN(13), 6 * PAGE, PAGE, base + 6 * PAGE);
    /* Room for ten pages on one side, for four on the other. */
    allocate_refused(vmar, 0, 0, 11 * PAGE, ZX_ERR_NO_MEMORY);
    allocate_granted(vmar, 0, 0, 10 * PAGE, base + 6 * PAGE);
    allocate_refused(vmar, ALIGN(15), 0, 9 * PAGE, ZX_ERR_NO_MEMORY);
    allocate_granted(vmar, ALIGN(15), 0, 8 * PAGE, base + 8 * PAGE);
    allocate_refused(vmar, ZX_VM_OFFSET_IS_UPPER_LIMIT, 10 * PAGE, 5 * PAGE, ZX_ERR_NO_MEMORY);
    allocate_granted(vmar, ZX_VM_OFFSET_IS_UPPER_LIMIT, 11 * PAGE, 5 * PAGE, base + 6 * PAGE);
}

static void test_allocate_results(void **state)
{
    (void)state;
    zx_vaddr_t base, addr;
    zx_handle_t child, vmar = make_vmar(EVERYTHING, 16, &base);
    assert_refused(zx_vmar_allocate(vmar, 0, 0, PAGE, NULL, &addr), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_allocate(vmar, 0, 0, PAGE, &child, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_allocate(vmar, 0, 0, PAGE, BAD_POINTER, &addr), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_vmar_allocate(vmar, 0, 0, PAGE, &child, &addr));
    for (unsigned i = 0; i < 8; i++) {
        zx_vm_option_t options = (i & 1 ? ZX_VM_CAN_MAP_READ : 0) | (i & 2 ? ZX_VM_CAN_MAP_WRITE : 0) |
                                 (i & 4 ? ZX_VM_CAN_MAP_EXECUTE : 0);
        zx_rights_t rights =
            (i & 1 ? ZX_RIGHT_READ : 0) | (i & 2 ? ZX_RIGHT_WRITE : 0) | (i & 4 ? ZX_RIGHT_EXECUTE : 0);
        assert_survives_failed_allocations(zx_vmar_allocate(vmar, options, 0, PAGE, &child, &addr));
        assert_int_equal(rights_of(child), ZX_DEFAULT_VMAR_RIGHTS | rights);
        assert_true(addr >= base && addr < base + 16 * PAGE && addr % PAGE == 0);
    }
}

/* Every alignment that can be asked for: below a page it means a page; in compact VMARs and under an upper
   limit it holds too; a SPECIFIC place must have it. */
static void test_alignments(void **state)
{
    (void)state;
    zx_vaddr_t base[2], addr;
    zx_handle_t child, in[2], vmo = make_vmo(PAGE, 0);
    size_t span = 64ull << 30;
    for (unsigned i = 0; i < 2; i++)
        in[i] = make_vmar(EVERYTHING | ALIGN(32) | (i ? ZX_VM_COMPACT : 0), span / PAGE, &base[i]);
    for (unsigned i = 0; i < 2 * 23; i++) {
        zx_handle_t vmar = in[i % 2];
        unsigned log2 = 10 + i / 2;
        size_t align = log2 < 12 ? PAGE : (size_t)1 << log2;
        zx_vm_option_t limit = ALIGN(log2) | ZX_VM_OFFSET_IS_UPPER_LIMIT;
        zx_vm_option_t specific = ALIGN(log2) | ZX_VM_SPECIFIC;
        assert_ok(zx_vmar_allocate(vmar, ALIGN(log2), 0, PAGE, &child, &addr));
        assert_int_equal(addr % align, 0);
        assert_ok(zx_vmar_unmap(vmar, addr, PAGE));
        assert_ok(zx_vmar_map(vmar, limit | ZX_VM_PERM_READ, 2 * align, vmo, 0, PAGE, &addr));
        assert_true(addr == base[i % 2] || addr == base[i % 2] + align);
        assert_ok(zx_vmar_unmap(vmar, addr, PAGE));
        if (align > PAGE) {
            allocate_refused(vmar, specific, align / 2, PAGE, ZX_ERR_INVALID_ARGS);
            assert_refused(zx_vmar_map(vmar, ALIGN(log2) | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_PERM_READ,
                                       align / 2, vmo, 0, PAGE, &addr),
                           ZX_ERR_INVALID_ARGS);
        }
        allocate_granted(vmar, specific, align, PAGE, base[i % 2] + align);
        /* Under the limit there is one place; taken, there is none. */
        assert_ok(zx_vmar_map(vmar, limit | ZX_VM_PERM_READ, align, vmo, 0, PAGE, &addr));
        assert_int_equal(addr, base[i % 2]);
        allocate_refused(vmar, limit, align, PAGE, ZX_ERR_NO_MEMORY);
        assert_refused(zx_vmar_map(vmar, limit | ZX_VM_PERM_READ, align, vmo, 0, PAGE, &addr),
                       ZX_ERR_NO_RESOURCES);
        assert_ok(zx_vmar_unmap(vmar, addr, PAGE));
    }
}

/* A refused call leaves no trace in the numbers that the next calls give. */
static void test_refusals_leave_no_trace(void **state)
{
    zx_handle_t given[2][3], child;
    zx_vaddr_t addr;
    for (unsigned round = 0; round < 2; round++) {
        zx_handle_t root = zx_vmar_root_self(), vmo = given[round][0] = make_vmo(PAGE, 0);
        if (round == 1) {
            assert_refused(zx_vmar_allocate(root, 0, 1, PAGE, &child, &addr), ZX_ERR_INVALID_ARGS);
            assert_refused(zx_vmar_allocate(root, 0, 0, PAGE, NULL, &addr), ZX_ERR_INVALID_ARGS);
            assert_refused(zx_vmo_create(PAGE, 0, NULL), ZX_ERR_INVALID_ARGS);
            assert_refused(zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
            assert_refused(zx_handle_replace(vmo, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
            assert_refused(zx_vmo_replace_as_executable(vmo, 0, NULL), ZX_ERR_INVALID_ARGS);
        }
        given[round][1] = make_vmo(PAGE, 0);
        assert_ok(zx_vmar_allocate(root, 0, 0, PAGE, &given[round][2], &addr));
        assert_int_equal(machine_stop(state), 0);
        assert_int_equal(machine_start(state), 0);
    }
    assert_memory_equal(given[0], given[1], sizeof(given[0]));
}

/* Dead: the parent gone, its children with it. */
static void test_allocate_in_the_dead(void **state)
{
    (void)state;
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), child;
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING, 0, 4 * PAGE, &child, &addr));
    assert_ok(zx_vmar_destroy(vmar));
    allocate_refused(vmar, 0, 0, PAGE, ZX_ERR_BAD_STATE);
    allocate_refused(child, CAN_MAP_RWX, 0, 0, ZX_ERR_BAD_STATE);
}

/* ---- Map ---- */

struct map_call {
    zx_handle_t vmar;
    zx_vm_option_t options;
    size_t vmar_offset;
    zx_handle_t vmo;
    uint64_t vmo_offset;
    size_t len;
};

static zx_status_t do_map(const struct map_call *call, zx_vaddr_t *addr)
{
    return zx_vmar_map(call->vmar, call->options, call->vmar_offset, call->vmo, call->vmo_offset, call->len,
                       addr);
}

static void map_refused(struct map_call call, zx_status_t expected)
{
    zx_vaddr_t addr = 78;
    assert_refused(do_map(&call, &addr), expected);
    assert_int_equal(addr, 78);
    assert_refused(do_map(&call, BAD_POINTER), expected);
}

static void map_granted(struct map_call call, zx_vaddr_t expected)
{
    zx_vaddr_t addr;
    assert_ok(do_map(&call, &addr));
    if (expected != 0)
        assert_int_equal(addr, expected);
    assert_ok(zx_vmar_unmap(call.vmar, addr, call.len));
}

#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static void test_map_handles(void **state)
{
    (void)state;
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0), closed = make_closed_handle();
    zx_vm_option_t wrong = ZX_VM_PERM_WRITE | ZX_VM_COMPACT;
    map_refused((struct map_call){closed, wrong, 1, closed, 1, 0}, ZX_ERR_BAD_HANDLE);
    map_refused((struct map_call){vmo, wrong, 1, closed, 1, 0}, ZX_ERR_WRONG_TYPE);
    map_refused((struct map_call){root, wrong, 1, closed, 1, 0}, ZX_ERR_BAD_HANDLE);
    map_refused((struct map_call){root, wrong, 1, root, 1, 0}, ZX_ERR_WRONG_TYPE);
    map_refused((struct map_call){root, wrong, 1, without(vmo, ZX_RIGHT_MAP), 1, 0}, ZX_ERR_ACCESS_DENIED);
}

static void test_map_options(void **state)
{
    (void)state;
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0), fixed = vmo, dead = make_dead_vmar();
    zx_handle_t resizable = make_vmo(PAGE, ZX_VMO_RESIZABLE),
                weak = without(vmo, ZX_RIGHT_READ | ZX_RIGHT_WRITE);
    zx_vm_option_t first[] = {ZX_VM_PERM_WRITE,
                              ZX_VM_PERM_EXECUTE,
                              ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE,
                              READ | ZX_VM_MAP_RANGE | ZX_VM_SPECIFIC_OVERWRITE,
                              READ | ZX_VM_CAN_MAP_READ,
                              READ | ZX_VM_CAN_MAP_WRITE,
                              READ | ZX_VM_CAN_MAP_EXECUTE};
    for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        map_refused((struct map_call){dead, first[i] | ZX_VM_COMPACT, 1, weak, 1, 0}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){dead, READ | ZX_VM_COMPACT, 1, weak, 1, 0}, ZX_ERR_ACCESS_DENIED);
    zx_vm_option_t fine = 7u | ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_MAP_RANGE | CAN_MAP_RWX |
                          ZX_VM_REQUIRE_NON_RESIZABLE | ZX_VM_ALLOW_FAULTS | ZX_VM_OFFSET_IS_UPPER_LIMIT |
                          ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
    for (unsigned bit = 0; bit < ZX_VM_ALIGN_BASE; bit++)
        if ((fine >> bit & 1) == 0)
            map_refused((struct map_call){dead, 1u << bit | ZX_VM_REQUIRE_NON_RESIZABLE, 1, resizable, 1, 0},
                        ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){dead, ALIGN(9) | ZX_VM_REQUIRE_NON_RESIZABLE, 1, resizable, 1, 0},
                ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){dead, ALIGN(33) | ZX_VM_REQUIRE_NON_RESIZABLE, 1, resizable, 1, 0},
                ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){dead, ZX_VM_REQUIRE_NON_RESIZABLE, 1, resizable, 1, 0},
                ZX_ERR_NOT_SUPPORTED);
    map_granted((struct map_call){root, READ | ZX_VM_REQUIRE_NON_RESIZABLE, 0, fixed, 0, PAGE}, 0);
    map_granted((struct map_call){root, READ | ZX_VM_ALLOW_FAULTS, 0, resizable, 0, PAGE}, 0);
    map_granted((struct map_call){root, READ_WRITE | ZX_VM_MAP_RANGE, 0, vmo, 0, PAGE}, 0);
    map_granted((struct map_call){root, 0, 0, weak, 0, PAGE}, 0);
    for (unsigned align = 10; align <= 32; align++)
        map_granted((struct map_call){root, READ | ALIGN(align), 0, vmo, 0, PAGE}, 0);
}

/* A permission must be in both handles' rights; each of the three, each of the two handles. */
static void test_map_rights(void **state)
{
    (void)state;
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0);
    map_refused((struct map_call){root, READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE}, ZX_ERR_ACCESS_DENIED);
    zx_handle_t only_map = without(vmo, ZX_RIGHT_READ);
    map_refused((struct map_call){root, READ, 0, only_map, 0, PAGE}, ZX_ERR_ACCESS_DENIED);
    map_refused((struct map_call){root, ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED, 0, only_map, 0, PAGE},
                ZX_ERR_ACCESS_DENIED);
    map_granted(
        (struct map_call){root, ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED | ZX_VM_PERM_WRITE, 0, vmo, 0, PAGE}, 0);
    map_refused((struct map_call){root, READ_WRITE, 0, without(vmo, ZX_RIGHT_WRITE), 0, PAGE},
                ZX_ERR_ACCESS_DENIED);
    map_granted((struct map_call){root, READ, 0, without(vmo, ZX_RIGHT_WRITE), 0, PAGE}, 0);
    map_refused((struct map_call){without(root, ZX_RIGHT_READ), READ, 0, vmo, 0, PAGE}, ZX_ERR_ACCESS_DENIED);
    map_refused((struct map_call){without(root, ZX_RIGHT_WRITE), READ_WRITE, 0, vmo, 0, PAGE},
                ZX_ERR_ACCESS_DENIED);
    /* A VMAR that may not write, with its own handle. */
    zx_vaddr_t base;
    zx_handle_t reader = make_vmar(ZX_VM_CAN_MAP_READ, 4, &base);
    map_refused((struct map_call){reader, READ_WRITE, 0, vmo, 0, PAGE}, ZX_ERR_ACCESS_DENIED);
    map_granted((struct map_call){reader, READ, 0, vmo, 0, PAGE}, 0);
}

static void test_map_ranges(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), dead = make_dead_vmar();
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), plain = make_vmar(CAN_MAP_RWX, 16, &base);
    size_t most = (size_t)0 - PAGE;
    map_refused((struct map_call){dead, READ, 1, vmo, 1, SIZE_MAX}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){dead, READ, 1, vmo, 0, SIZE_MAX}, ZX_ERR_OUT_OF_RANGE);
    map_refused((struct map_call){dead, READ, 1, vmo, 0, most + 1}, ZX_ERR_OUT_OF_RANGE);
    map_refused((struct map_call){dead, READ, 1, vmo, PAGE, most}, ZX_ERR_OUT_OF_RANGE);
    map_refused((struct map_call){dead, READ, 1, vmo, most, PAGE}, ZX_ERR_OUT_OF_RANGE);
    map_refused((struct map_call){dead, READ, 1, vmo, 0, most}, ZX_ERR_BAD_STATE);
    map_refused((struct map_call){dead, READ, 1, vmo, 0, 0}, ZX_ERR_BAD_STATE);
    map_refused((struct map_call){vmar, READ, 0, vmo, 0, 0}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){plain, READ | ZX_VM_SPECIFIC | ZX_VM_OFFSET_IS_UPPER_LIMIT, 0, vmo, 0, 1},
                ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){plain, READ, PAGE, vmo, 0, 1}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){plain, READ | ZX_VM_SPECIFIC, 1, vmo, 0, 1}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){plain, READ | ZX_VM_SPECIFIC, 99 * PAGE, vmo, 0, 1}, ZX_ERR_ACCESS_DENIED);
    map_refused((struct map_call){plain, READ | ZX_VM_SPECIFIC_OVERWRITE, 0, vmo, 0, 1},
                ZX_ERR_ACCESS_DENIED);
    map_refused((struct map_call){plain, READ | ZX_VM_OFFSET_IS_UPPER_LIMIT, PAGE, vmo, 0, 1},
                ZX_ERR_ACCESS_DENIED);
    map_refused((struct map_call){vmar, READ | ZX_VM_SPECIFIC, 16 * PAGE, vmo, 0, 1}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, READ | ZX_VM_SPECIFIC, 15 * PAGE, vmo, 0, PAGE + 1},
                ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, READ | ZX_VM_SPECIFIC_OVERWRITE, 16 * PAGE, vmo, 0, 1},
                ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, READ, 0, vmo, 0, 16 * PAGE + 1}, ZX_ERR_INVALID_ARGS);
    map_granted((struct map_call){vmar, READ, 0, vmo, 0, 16 * PAGE}, 0);
    map_granted((struct map_call){vmar, READ, 0, vmo, 99 * PAGE, PAGE}, 0);
    map_granted((struct map_call){vmar, READ, 0, vmo, most - PAGE, PAGE}, 0);
}

static void test_map_occupied(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), child;
    zx_vaddr_t base, addr;
    zx_handle_t vmar;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING | ALIGN(16), 0, 16 * PAGE, &vmar, &base));
    zx_vm_option_t specific = READ | ZX_VM_SPECIFIC, overwrite = READ | ZX_VM_SPECIFIC_OVERWRITE;
    assert_ok(zx_vmar_map(vmar, specific, 4 * PAGE, vmo, 0, 4 * PAGE, &addr));
    assert_int_equal(addr, base + 4 * PAGE);
    assert_ok(zx_vmar_allocate(vmar, ZX_VM_SPECIFIC, 12 * PAGE, 4 * PAGE, &child, &addr));
    map_refused((struct map_call){vmar, specific, 7 * PAGE, vmo, 0, PAGE}, ZX_ERR_ALREADY_EXISTS);
    map_refused((struct map_call){vmar, specific, 3 * PAGE, vmo, 0, PAGE + 1}, ZX_ERR_ALREADY_EXISTS);
    map_refused((struct map_call){vmar, specific | ALIGN(13), 7 * PAGE, vmo, 0, PAGE}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, overwrite | ALIGN(13), 7 * PAGE, vmo, 0, PAGE}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, overwrite, 7 * PAGE, vmo, 0, 6 * PAGE}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, overwrite, 13 * PAGE, vmo, 0, PAGE}, ZX_ERR_INVALID_ARGS);
    map_refused((struct map_call){vmar, READ, 0, vmo, 0, 5 * PAGE}, ZX_ERR_NO_RESOURCES);
    map_refused((struct map_call){vmar, READ | ZX_VM_OFFSET_IS_UPPER_LIMIT, 11 * PAGE, vmo, 0, 4 * PAGE + 1},
                ZX_ERR_NO_RESOURCES);
    map_granted((struct map_call){vmar, specific, 8 * PAGE, vmo, 0, 4 * PAGE}, base + 8 * PAGE);
    map_granted((struct map_call){vmar, specific, 3 * PAGE, vmo, 0, 1}, base + 3 * PAGE);
    map_granted((struct map_call){vmar, READ | ZX_VM_OFFSET_IS_UPPER_LIMIT, 4 * PAGE, vmo, 0, 4 * PAGE},
                base);
}

static void test_map_results(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 64, &base);
    assert_refused(zx_vmar_map(vmar, READ, 0, vmo, 0, PAGE, NULL), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_vmar_map(vmar, READ, 0, vmo, 0, PAGE, &addr));
    assert_survives_failed_allocations(zx_vmar_map(vmar, READ, 0, vmo, 0, PAGE, &addr));
    assert_ok(zx_vmar_unmap(vmar, base, 64 * PAGE));
    assert_ok(zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, 0, vmo, 0, 8 * PAGE, &addr));
    /* A hole in the middle: every part of the preparation fails in turn. */
    zx_vm_option_t overwrite = READ | ZX_VM_SPECIFIC_OVERWRITE;
    assert_refused(zx_vmar_map(vmar, overwrite, 2 * PAGE, vmo, 0, PAGE, NULL), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_copies(zx_vmar_map(vmar, overwrite, 2 * PAGE, vmo, 0, PAGE, &addr));
    assert_int_equal(addr, base + 2 * PAGE);
    /* The allocations of the check succeed, one of the work fails: the result is as it was. */
    zx_status_t status = ZX_ERR_NO_MEMORY;
    for (uint64_t nth = 1; status == ZX_ERR_NO_MEMORY; nth++) {
        struct snapshot before = snapshot_take();
        addr = 78;
        zvm_fail_allocation(nth, true);
        status = zx_vmar_map(vmar, overwrite, 5 * PAGE, vmo, 0, 2 * PAGE, &addr);
        zvm_fail_allocation(0, false);
        assert_int_equal(addr, status == ZX_OK ? base + 5 * PAGE : 78);
        if (status == ZX_OK)
            snapshot_release(&before);
        else
            check_unchanged(&before, __FILE__, __LINE__);
    }
    check_status(status, ZX_OK, __FILE__, __LINE__);
    struct vm_stats stats = stats_now();
    assert_int_equal(stats.mappings, 5);
}

/* The bytes of the VMO at the place that was asked for, by way of the processor; and they outlive the VMO's
   handle. */
static void test_map_shows_the_vmo(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    zx_vaddr_t addr;
    char bytes[6] = "hello", got[6] = "";
    assert_ok(zx_vmo_write(vmo, bytes, 2 * PAGE + 9, sizeof(bytes)));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, vmo, PAGE, 4 * PAGE, &addr));
    assert_ok(zvm_access(zx_process_self(), addr + PAGE + 9, got, sizeof(got), ZVM_READ));
    assert_memory_equal(got, bytes, sizeof(bytes));
    assert_ok(zvm_access(zx_process_self(), addr, bytes, 1, ZVM_WRITE));
    assert_ok(zx_vmo_read(vmo, got, PAGE, 1));
    assert_int_equal(got[0], 'h');
    assert_refused(zvm_access(zx_process_self(), addr, got, 1, ZVM_EXECUTE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zvm_access(zx_process_self(), addr + 3 * PAGE, got, 1, ZVM_READ), ZX_ERR_OUT_OF_RANGE);
    assert_refused(zvm_access(zx_process_self(), addr + 4 * PAGE, got, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_ok(zx_handle_close(vmo));
    assert_int_equal(stats_now().vmos, 1);
    assert_ok(zvm_access(zx_process_self(), addr + PAGE + 9, got, 1, ZVM_READ));
    assert_ok(zx_vmar_unmap(zx_vmar_root_self(), addr, 4 * PAGE));
    assert_int_equal(stats_now().vmos, 0);
}

/* ---- Unmap ---- */

static void test_unmap_refusals(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), dead = make_dead_vmar(), child;
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base), weak = without(vmar, ZX_RIGHT_OP_CHILDREN);
    size_t most = (size_t)0 - PAGE;
    assert_refused(zx_vmar_unmap(make_closed_handle(), 1, 0), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmar_unmap(vmo, 1, 0), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmar_unmap(dead, 1, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(dead, 0, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(dead, 0, SIZE_MAX), ZX_ERR_BAD_STATE);
    assert_refused(zx_vmar_unmap(vmar, base, SIZE_MAX), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, base, most), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, base - PAGE, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, base, 16 * PAGE + 1), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, base + 16 * PAGE, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, most, 2 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_vmar_unmap(vmar, base, 16 * PAGE));
    assert_ok(zx_vmar_unmap(weak, base + 15 * PAGE, 1));

    assert_ok(zx_vmar_allocate(vmar, ZX_VM_SPECIFIC, 4 * PAGE, 4 * PAGE, &child, &addr));
    assert_refused(zx_vmar_unmap(vmar, addr, 3 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, addr + PAGE, 3 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(vmar, base, 5 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(weak, addr, 4 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_unmap(weak, base, 16 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_ok(zx_vmar_unmap(weak, base, 4 * PAGE));
    assert_ok(zx_vmar_unmap(vmar, addr, 4 * PAGE));
    assert_refused(zx_vmar_unmap(child, addr, PAGE), ZX_ERR_BAD_STATE);
}

static void test_unmap_splits(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(16 * PAGE, 0);
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base);
    char byte = 'x';
    assert_ok(zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, 0, vmo, 0, 16 * PAGE, &addr));
    for (unsigned i = 0; i < 16; i++)
        assert_ok(zvm_access(zx_process_self(), base + i * PAGE, &byte, 1, ZVM_WRITE));
    assert_survives_failed_allocations(zx_vmar_unmap(vmar, base + 4 * PAGE, 1));
    assert_int_equal(stats_now().mappings, 2);
    assert_ok(zx_vmar_unmap(vmar, base, 1));
    assert_ok(zx_vmar_unmap(vmar, base + 15 * PAGE, PAGE));
    for (unsigned i = 0; i < 16; i++) {
        bool gone = i == 0 || i == 4 || i == 15;
        check_status(zvm_access(zx_process_self(), base + i * PAGE, &byte, 1, ZVM_READ),
                     gone ? ZX_ERR_NOT_FOUND : ZX_OK, __FILE__, __LINE__);
    }
    assert_ok(zx_vmar_unmap(vmar, base + 3 * PAGE, 3 * PAGE));
    assert_int_equal(stats_now().mappings, 2);
    assert_ok(zx_vmar_unmap(vmar, base, 16 * PAGE));
    assert_int_equal(stats_now().mappings, 0);
}

/* ---- Protect ---- */

static void test_protect_refusals(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), dead = make_dead_vmar(), root = zx_vmar_root_self();
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base);
    zx_vm_option_t wrong = ZX_VM_PERM_WRITE | ZX_VM_COMPACT;
    zx_handle_t no_read = without(root, ZX_RIGHT_READ), no_write = without(root, ZX_RIGHT_WRITE);
    zx_handle_t no_execute = without(root, ZX_RIGHT_EXECUTE), closed = make_closed_handle();
    assert_refused(zx_vmar_protect(closed, wrong, 1, 0), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmar_protect(vmo, wrong, 1, 0), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmar_protect(no_read, READ | ZX_VM_COMPACT, 1, 0), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(no_write, wrong, 1, 0), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(no_execute, ZX_VM_PERM_EXECUTE, 1, 0), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(dead, ZX_VM_PERM_WRITE, 0, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(dead, ZX_VM_PERM_EXECUTE, 0, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(dead, READ, 1, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(dead, READ, 0, 0), ZX_ERR_INVALID_ARGS);
    for (unsigned bit = 3; bit < 32; bit++)
        assert_refused(zx_vmar_protect(dead, READ | 1u << bit, 0, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(dead, READ, 0, SIZE_MAX), ZX_ERR_BAD_STATE);
    assert_refused(zx_vmar_protect(vmar, READ, base, SIZE_MAX), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(vmar, READ, base - PAGE, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(vmar, READ, base, 17 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(vmar, READ, base, PAGE), ZX_ERR_NOT_FOUND);
    assert_ok(zx_vmar_map(vmar, READ | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, 2 * PAGE, &addr));
    assert_refused(zx_vmar_protect(vmar, 0, base + PAGE, 2 * PAGE), ZX_ERR_NOT_FOUND);
    assert_refused(zx_vmar_protect(vmar, 0, addr + PAGE, PAGE + 1), ZX_ERR_NOT_FOUND);
    /* The first in ascending order decides. */
    assert_refused(zx_vmar_protect(vmar, READ | ZX_VM_PERM_EXECUTE, addr, 3 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(vmar, READ | ZX_VM_PERM_EXECUTE, base, 3 * PAGE), ZX_ERR_NOT_FOUND);
}

/* What both handles allowed when it was mapped bounds every later protect. */
static void test_protect_bounds(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), reader = without(vmo, ZX_RIGHT_WRITE), root = zx_vmar_root_self();
    zx_vaddr_t addr;
    char byte = 'x';
    assert_ok(zx_vmar_map(root, READ, 0, reader, 0, PAGE, &addr));
    assert_refused(zx_vmar_protect(root, READ_WRITE, addr, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_map(without(root, ZX_RIGHT_WRITE), READ, 0, vmo, 0, PAGE, &addr));
    assert_refused(zx_vmar_protect(root, READ_WRITE, addr, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_map(root, 0, 0, vmo, 0, PAGE, &addr));
    assert_refused(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_protect(root, READ_WRITE, addr, 1));
    assert_ok(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_WRITE));
    assert_ok(zx_vmar_protect(root, READ, addr, 1));
    assert_refused(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_WRITE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ));
    assert_ok(zx_vmar_protect(root, 0, addr, 1));
    assert_refused(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ), ZX_ERR_ACCESS_DENIED);
}

static void test_protect_children(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), child;
    zx_vaddr_t base, addr, mapped;
    zx_handle_t vmar = make_vmar(EVERYTHING, 8, &base), weak = without(vmar, ZX_RIGHT_OP_CHILDREN);
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING | ZX_VM_SPECIFIC, 2 * PAGE, 4 * PAGE, &child, &addr));
    assert_ok(zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, 0, vmo, 0, 2 * PAGE, &mapped));
    assert_ok(zx_vmar_map(child, READ | ZX_VM_SPECIFIC, 0, vmo, 0, 2 * PAGE, &mapped));
    assert_ok(zx_vmar_map(child, READ_WRITE | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, 2 * PAGE, &mapped));
    assert_refused(zx_vmar_protect(weak, READ, base, 4 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(weak, READ_WRITE, base, 4 * PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmar_protect(weak, READ | ZX_VM_PERM_EXECUTE, addr, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(vmar, READ_WRITE, base, 6 * PAGE), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_protect(vmar, READ, base, 7 * PAGE), ZX_ERR_NOT_FOUND);
    assert_ok(zx_vmar_protect(vmar, READ_WRITE, base + 4 * PAGE, 2 * PAGE));
    assert_ok(zx_vmar_protect(weak, READ, base, 2 * PAGE));
    assert_ok(zx_vmar_protect(vmar, READ, base, 6 * PAGE));
    assert_refused(zx_vmar_protect(vmar, READ_WRITE, base + 4 * PAGE, PAGE), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_vmar_protect(child, READ_WRITE, base + 2 * PAGE, 4 * PAGE));
}

static void test_protect_without_memory(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(8 * PAGE, 0);
    zx_vaddr_t base;
    zx_handle_t root = zx_vmar_root_self();
    char byte = 'x';
    assert_ok(zx_vmar_map(root, READ_WRITE, 0, vmo, 0, 8 * PAGE, &base));
    assert_survives_failed_allocations(zx_vmar_protect(root, READ, base + 2 * PAGE, 2 * PAGE));
    assert_survives_failed_allocations(zx_vmar_protect(root, 0, base + 3 * PAGE, 2 * PAGE));
    zx_status_t writes[8] = {
        ZX_OK, ZX_OK, ZX_ERR_ACCESS_DENIED, ZX_ERR_ACCESS_DENIED, ZX_ERR_ACCESS_DENIED, ZX_OK, ZX_OK, ZX_OK};
    for (unsigned i = 0; i < 8; i++)
        check_status(zvm_access(zx_process_self(), base + i * PAGE, &byte, 1, ZVM_WRITE), writes[i], __FILE__,
                     __LINE__);
    assert_ok(zx_vmar_protect(root, READ_WRITE, base, 8 * PAGE));
    for (unsigned i = 0; i < 8; i++)
        assert_ok(zvm_access(zx_process_self(), base + i * PAGE, &byte, 1, ZVM_WRITE));
}

/* ---- Destroy ---- */

static void test_destroy(void **state)
{
    (void)state;
    zx_handle_t root = zx_vmar_root_self(), vmo = make_vmo(PAGE, 0), child;
    zx_vaddr_t base, addr;
    char byte;
    zx_handle_t vmar = make_vmar(EVERYTHING, 8, &base), dead = make_dead_vmar();
    zx_handle_t closed = make_closed_handle(), weak_root = without(root, ZX_RIGHT_OP_CHILDREN);
    zx_handle_t weak_dead = without(dead, ZX_RIGHT_OP_CHILDREN);
    assert_refused(zx_vmar_destroy(closed), ZX_ERR_BAD_HANDLE);
    assert_refused(zx_vmar_destroy(vmo), ZX_ERR_WRONG_TYPE);
    assert_refused(zx_vmar_destroy(weak_root), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_destroy(weak_dead), ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_vmar_destroy(root), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmar_destroy(dead), ZX_ERR_BAD_STATE);
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING, 0, 4 * PAGE, &child, &addr));
    assert_ok(zx_vmar_map(child, READ_WRITE, 0, vmo, 0, PAGE, &addr));
    assert_ok(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ));
    assert_ok(zx_vmar_destroy(vmar));
    assert_refused(zvm_access(zx_process_self(), addr, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_refused(zx_vmar_destroy(child), ZX_ERR_BAD_STATE);
    assert_int_equal(stats_now().mappings, 0);
    assert_int_equal(rights_of(child), ZX_DEFAULT_VMAR_RIGHTS | RIGHTS_RWX);
}

/* A chain of 10,000 VMARs, each in the one before. */
static void test_destroy_deep(void **state)
{
    (void)state;
    enum { DEPTH = 10000 };
    zx_vaddr_t base, addr;
    zx_handle_t top = make_vmar(EVERYTHING, DEPTH, &base), at = top;
    uint64_t regions = stats_now().regions;
    for (size_t i = 1; i < DEPTH; i++) {
        zx_handle_t next;
        check_status(zx_vmar_allocate(at, EVERYTHING | ZX_VM_SPECIFIC, 0, (DEPTH - i) * PAGE, &next, &addr),
                     ZX_OK, __FILE__, __LINE__);
        if (at != top)
            check_status(zx_handle_close(at), ZX_OK, __FILE__, __LINE__);
        at = next;
    }
    assert_int_equal(stats_now().regions, regions + DEPTH - 1);
    assert_ok(zx_vmar_destroy(top));
    assert_int_equal(stats_now().regions, regions - 1);
    assert_refused(zx_vmar_unmap(at, base, PAGE), ZX_ERR_BAD_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_allocate_handle),
        TEST(test_allocate_options),
        TEST(test_allocate_placement),
        TEST(test_allocate_occupied),
        TEST(test_allocate_results),
        TEST(test_alignments),
        TEST(test_refusals_leave_no_trace),
        TEST(test_allocate_in_the_dead),
        TEST(test_map_handles),
        TEST(test_map_options),
        TEST(test_map_rights),
        TEST(test_map_ranges),
        TEST(test_map_occupied),
        TEST(test_map_results),
        TEST(test_map_shows_the_vmo),
        TEST(test_unmap_refusals),
        TEST(test_unmap_splits),
        TEST(test_protect_refusals),
        TEST(test_protect_bounds),
        TEST(test_protect_children),
        TEST(test_protect_without_memory),
        TEST(test_destroy),
        TEST(test_destroy_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
