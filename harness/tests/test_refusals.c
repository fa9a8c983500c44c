/* SPDX-License-Identifier: MIT */
/*
 * test_refusals.c: a refused call changes nothing, whatever the state. A space lives through thousands of random calls,
 * many of them wrong, some without memory; whenever one is refused, the whole state (snapshot.h) must be what it was.
 */
#include "calls.h"

#define PAGES   24
#define VMARS   4
#define VMOS    3
#define RW      (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define OPTIONS (sizeof(map_options) / sizeof(map_options[0]))

static uint64_t random_state;
static zx_handle_t vmars[VMARS], vmos[VMOS];
static zx_vaddr_t base;

static unsigned below(unsigned bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((random_state >> 33) % bound);
}

static zx_handle_t some_vmar(void)
{
    return below(16) == 0 ? vmos[0] : vmars[below(VMARS)];
}

static zx_handle_t some_vmo(void)
{
    return below(16) == 0 ? vmars[0] : vmos[below(VMOS)];
}

/* A number of bytes, now and then not of whole pages. */
static uint64_t some_size(void)
{
    return below(8) * PAGE + (below(8) == 0 ? below(PAGE) : 0);
}

/* In the space, now and then beyond its ends or unaligned. */
static zx_vaddr_t some_address(void)
{
    return base + below(PAGES + 1) * PAGE - (below(24) == 0 ? PAGE : 0) + (below(16) == 0 ? 1 : 0);
}

static const zx_vm_option_t map_options[] = {
    RW,
    RW,
    RW | ZX_VM_SPECIFIC,
    RW | ZX_VM_SPECIFIC,
    RW | ZX_VM_SPECIFIC_OVERWRITE,
    ZX_VM_PERM_READ | ZX_VM_SPECIFIC_OVERWRITE,
    RW | ZX_VM_SPECIFIC | ZX_VM_MAP_RANGE,
    ZX_VM_PERM_READ | ZX_VM_OFFSET_IS_UPPER_LIMIT,
    ZX_VM_PERM_WRITE,
    ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE | ZX_VM_SPECIFIC,
    RW | ZX_VM_SPECIFIC | ZX_VM_REQUIRE_NON_RESIZABLE,
};

static zx_status_t some_map(void)
{
    zx_vaddr_t address;
    zx_vm_option_t options = map_options[below(OPTIONS)];
    size_t offset = (options & ~RW) != 0 ? some_address() - base : 0;
    return zx_vmar_map(some_vmar(), options, offset, some_vmo(), some_size(), some_size(),
                       below(16) == 0 ? NULL : &address);
}

/* The new VMAR takes the place of another handle. */
static zx_status_t some_allocate(void)
{
    unsigned at = 1 + below(VMARS - 1);
    zx_handle_t child;
    zx_vaddr_t address;
    zx_vm_option_t options = EVERYTHING & ~(below(4) == 0 ? ZX_VM_CAN_MAP_EXECUTE : 0);
    size_t offset = below(2) * (some_address() - base);
    if (offset != 0)
        options |= below(2) != 0 ? ZX_VM_SPECIFIC : ZX_VM_OFFSET_IS_UPPER_LIMIT;
    zx_status_t status =
        zx_vmar_allocate(some_vmar(), options, offset, some_size(), &child, below(16) == 0 ? NULL : &address);
    if (status == ZX_OK) {
        assert_ok(zx_handle_close(vmars[at]));
        vmars[at] = child;
    }
    return status;
}

static zx_status_t some_access(void)
{
    char byte = (char)below(256);
    return zvm_access(zx_process_self(), some_address(), &byte, 1, below(2) != 0 ? ZVM_READ : ZVM_WRITE);
}

static zx_status_t some_vmo_call(void)
{
    static char bytes[2 * ZX_PAGE_SIZE];
    static const uint32_t ops[] = {ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_ZERO, 99};
    char *buffer = below(8) == 0 ? NULL : bytes;
    size_t size = below(sizeof(bytes)), actual;
    switch (below(6)) {
    case 0:
        return zx_vmo_write(some_vmo(), buffer, some_size(), size);
    case 1:
        return zx_vmo_read(some_vmo(), buffer, some_size(), size);
    case 2:
        return zx_vmo_set_size(some_vmo(), some_size());
    case 3:
        return zx_process_write_memory(zx_process_self(), some_address(), buffer, size, &actual);
    default:
        return zx_vmo_op_range(some_vmo(), ops[below(4)], some_size(), some_size(), NULL, 0);
    }
}

static zx_status_t some_call(void)
{
    static const uint32_t ops[] = {ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE, 99};
    static const zx_vm_option_t perms[] = {RW, ZX_VM_PERM_READ, 0, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE,
                                           ZX_VM_PERM_WRITE};
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
        return some_map();
    case 3:
        return some_allocate();
    case 4:
        return zx_vmar_unmap(some_vmar(), some_address(), some_size());
    case 5:
    case 6:
    case 7:
        return zx_vmar_protect(some_vmar(), perms[below(5)], some_address(), some_size());
    case 8:
    case 9:
        return zx_vmar_op_range(some_vmar(), ops[below(4)], some_address(), some_size(), NULL, 0);
    case 10:
        return below(16) != 0 ? ZX_OK : zx_vmar_destroy(vmars[2 + below(VMARS - 2)]);
    case 11:
    case 12:
        return some_vmo_call();
    default:
        return some_access();
    }
}

static zx_status_t with_little_memory(void)
{
    zvm_fail_allocation(1 + below(6), below(2) != 0);
    zx_status_t status = some_call();
    zvm_fail_allocation(0, false);
    return status;
}

/* A VMAR with something in it that has been used, and handles of several kinds to it. */
static void begin(void)
{
    zx_vaddr_t address;
    vmars[0] = make_vmar(EVERYTHING, PAGES, &base);
    for (unsigned i = 1; i < VMARS; i++)
        vmars[i] = without(vmars[0], i == 1 ? ZX_RIGHT_OP_CHILDREN : ZX_RIGHT_WRITE);
    for (unsigned i = 0; i < VMOS; i++) {
        assert_ok(zx_vmo_write(vmos[i], "used", 0, i == 1 ? 0 : 4)); /* one may have shrunk to nothing */
        assert_ok(zx_vmar_map(vmars[0], RW | ZX_VM_SPECIFIC | ZX_VM_MAP_RANGE, i * 6 * PAGE, vmos[i], 0,
                              6 * PAGE, &address));
    }
}

static void end(void)
{
    (void)zx_vmar_destroy(vmars[0]); /* perhaps it is dead already */
    assert_ok(zx_handle_close_many(vmars, VMARS));
}

static void test_refusals(void **state)
{
    enum { CALLS = 10000, LIFE = 100 };
    unsigned refused = 0, without_memory = 0;
    (void)state;
    for (unsigned i = 0; i < VMOS; i++)
        vmos[i] = make_vmo((4 + i) * PAGE, i == 1 ? ZX_VMO_RESIZABLE : 0);
    begin();
    struct snapshot before = snapshot_take();
    random_state = 1;
    for (unsigned i = 0; i < CALLS; i++) {
        if (i % LIFE == LIFE - 1) { /* too many child VMARs by now */
            end();
            begin();
            snapshot_release(&before);
            before = snapshot_take();
        }
        zx_status_t status = below(4) == 0 ? with_little_memory() : some_call();
        if (status != ZX_OK) {
            refused++;
            without_memory += status == ZX_ERR_NO_MEMORY;
            if (!snapshot_is_current(&before))
                fail_msg("call %u: %s", i, zx_status_get_string(status));
        } else {
            snapshot_release(&before);
            before = snapshot_take();
            assert_int_equal(zvm_check(), ZX_OK);
        }
    }
    snapshot_release(&before);
    print_message("%u refused, %u without memory\n", refused, without_memory);
    assert_true(refused > CALLS / 8 && refused < CALLS * 7 / 8 && without_memory > CALLS / 100);
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

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_refusals), TEST(test_refusals_leave_no_trace)};
    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
