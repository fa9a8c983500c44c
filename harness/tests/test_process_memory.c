/* SPDX-License-Identifier: MIT */
/*
 * test_process_memory.c: zx_process_read_memory and zx_process_write_memory as programs see them: every
 * refusal, in order, with nothing changed; where memory ends; that it goes through the VMO.
 */
#include "calls.h"

#include <vm/aspace.h>

#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define MIB        ((size_t)1 << 20)

static char buffer[4 * ZX_PAGE_SIZE];

static void read_refused(zx_handle_t process, zx_vaddr_t va, size_t size, zx_status_t expected)
{
    size_t actual = 77;
    assert_refused(zx_process_read_memory(process, va, buffer, size, &actual), expected);
    assert_int_equal(actual, 77);
    assert_refused(zx_process_read_memory(process, va, buffer, size, NULL), expected);
}

static void write_refused(zx_handle_t process, zx_vaddr_t va, size_t size, zx_status_t expected)
{
    size_t actual = 77;
    assert_refused(zx_process_write_memory(process, va, buffer, size, &actual), expected);
    assert_int_equal(actual, 77);
    assert_refused(zx_process_write_memory(process, va, buffer, size, NULL), expected);
}

static void both_refused(zx_handle_t process, zx_vaddr_t va, size_t size, zx_status_t expected)
{
    read_refused(process, va, size, expected);
    write_refused(process, va, size, expected);
}

static size_t read_bytes(zx_vaddr_t va, size_t size)
{
    size_t actual = 0;
    memset(buffer, '?', sizeof(buffer));
    assert_ok(zx_process_read_memory(zx_process_self(), va, buffer, size, &actual));
    for (size_t i = actual; i < sizeof(buffer); i++)
        assert_int_equal(buffer[i], '?');
    return actual;
}

static size_t write_bytes(zx_vaddr_t va, const void *bytes, size_t size)
{
    size_t actual = 0;
    assert_ok(zx_process_write_memory(zx_process_self(), va, bytes, size, &actual));
    return actual;
}

/* Three mappings with a gap of a page: [0, 2) and [2, 4) of two VMOs, then [5, 9), whose VMO ends after two
   pages. */
static zx_vaddr_t layout(zx_handle_t vmos[3])
{
    zx_vaddr_t base, addr;
    zx_handle_t vmar = make_vmar(EVERYTHING, 10, &base), child;
    zx_vm_option_t specific = ZX_VM_SPECIFIC;
    for (unsigned i = 0; i < 3; i++)
        vmos[i] = make_vmo(2 * PAGE, 0);
    assert_ok(zx_vmar_map(vmar, READ_WRITE | specific, 0, vmos[0], 0, 2 * PAGE, &addr));
    assert_ok(zx_vmar_allocate(vmar, EVERYTHING | specific, 2 * PAGE, 2 * PAGE, &child, &addr));
    assert_ok(zx_vmar_map(child, specific, 0, vmos[1], 0, 2 * PAGE, &addr));
    assert_ok(zx_vmar_map(vmar, READ | specific, 5 * PAGE, vmos[2], 0, 4 * PAGE, &addr));
    return base;
}

static void test_refusals(void **state)
{
    (void)state;
    zx_handle_t vmos[3], self = zx_process_self(), closed = make_closed_handle(), dead, root;
    zx_vaddr_t base = layout(vmos);
    zx_handle_t no_read = without(self, ZX_RIGHT_READ), no_write = without(self, ZX_RIGHT_WRITE);
    size_t actual;
    /* Sizes and a null buffer come before the handle. */
    both_refused(closed, 0, 0, ZX_ERR_INVALID_ARGS);
    both_refused(closed, 0, 64 * MIB + 1, ZX_ERR_INVALID_ARGS);
    both_refused(closed, 0, SIZE_MAX, ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_read_memory(closed, base, NULL, 1, &actual), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_write_memory(closed, base, NULL, 1, &actual), ZX_ERR_INVALID_ARGS);
    both_refused(closed, 0, 64 * MIB, ZX_ERR_BAD_HANDLE);
    both_refused(ZX_HANDLE_INVALID, 0, 1, ZX_ERR_BAD_HANDLE);
    both_refused(vmos[0], 0, 1, ZX_ERR_WRONG_TYPE);
    both_refused(zx_vmar_root_self(), 0, 1, ZX_ERR_WRONG_TYPE);
    read_refused(no_read, 0, 1, ZX_ERR_ACCESS_DENIED);
    both_refused(no_write, 0, 1, ZX_ERR_ACCESS_DENIED);
    write_refused(no_read, 0, 1, ZX_ERR_NO_MEMORY);
    /* Not mapped: outside of the space, in gaps, past the end of a VMO. */
    const zx_vaddr_t nowhere[] = {0,
                                  VM_USER_ASPACE_BASE - 1,
                                  VM_USER_ASPACE_TOP,
                                  1ull << 47,
                                  UINT64_MAX - PAGE,
                                  UINT64_MAX,
                                  base + 4 * PAGE,
                                  base + 5 * PAGE - 1,
                                  base + 7 * PAGE,
                                  base + 9 * PAGE - 1,
                                  base + 9 * PAGE};
    for (unsigned i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        both_refused(self, nowhere[i], 1, ZX_ERR_NO_MEMORY);
        both_refused(self, nowhere[i], 64 * MIB, ZX_ERR_NO_MEMORY);
        assert_refused(zx_process_write_memory(self, nowhere[i], BAD_POINTER, 1, NULL), ZX_ERR_NO_MEMORY);
    }
    read_refused(self, base, 0, ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_read_memory(self, base, BAD_POINTER, 1, &actual), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_read_memory(self, base, buffer, 1, NULL), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_write_memory(self, base, BAD_POINTER, 1, &actual), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_write_memory(self, base, buffer, 1, NULL), ZX_ERR_INVALID_ARGS);
    zvm_fail_allocation(1, true);
    assert_refused(zx_process_write_memory(self, base, BAD_POINTER, 1, &actual), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_process_write_memory(self, base, buffer, 1, NULL), ZX_ERR_INVALID_ARGS);
    zvm_fail_allocation(0, false);
    struct vm_process *killed;
    assert_ok(zx_process_create(0, "p", 1, 0, &dead, &root));
    both_refused(dead, base, 1, ZX_ERR_NO_MEMORY);
    check_status(vm_process_from_handle(dead, &killed), ZX_OK, __FILE__, __LINE__);
    vm_process_kill(killed);
    vm_process_release(killed);
    both_refused(dead, base, 1, ZX_ERR_BAD_STATE);
    both_refused(without(dead, ZX_RIGHT_WRITE), base, 1, ZX_ERR_ACCESS_DENIED);
    assert_refused(zx_process_write_memory(dead, base, BAD_POINTER, 1, NULL), ZX_ERR_BAD_STATE);
}

static void test_extent(void **state)
{
    (void)state;
    zx_handle_t vmos[3];
    zx_vaddr_t base = layout(vmos);
    memset(buffer, 'w', sizeof(buffer));
    assert_int_equal(write_bytes(base + PAGE - 3, "abcdef", 6), 6);
    assert_int_equal(write_bytes(base + 2 * PAGE - 2, "ghij", 4), 4);
    assert_int_equal(write_bytes(base + 4 * PAGE - 2, "klmn", 4), 2);
    assert_int_equal(write_bytes(base + 7 * PAGE - 1, "op", 2), 1);
    assert_int_equal(read_bytes(base + PAGE - 4, 8), 8);
    assert_memory_equal(buffer, "\0abcdef\0", 8);
    assert_int_equal(read_bytes(base + 2 * PAGE - 3, 6), 6);
    assert_memory_equal(buffer, "\0ghij\0", 6);
    assert_int_equal(read_bytes(base, 4 * PAGE), 4 * PAGE);
    assert_memory_equal(buffer + 4 * PAGE - 2, "kl", 2);
    assert_int_equal(read_bytes(base + PAGE, 4 * PAGE), 3 * PAGE);
    assert_int_equal(read_bytes(base + 4 * PAGE - 1, 64 * MIB), 1);
    assert_int_equal(read_bytes(base + 5 * PAGE, 4 * PAGE), 2 * PAGE);
    assert_int_equal(buffer[2 * PAGE - 1], 'o');
    assert_int_equal(read_bytes(base + 7 * PAGE - 1, 1), 1);
    /* What was written is in the VMOs, and nowhere else. */
    char bytes[4];
    assert_ok(zx_vmo_read(vmos[1], bytes, 0, 2));
    assert_memory_equal(bytes, "ij", 2);
    assert_ok(zx_vmo_read(vmos[0], bytes, 2 * PAGE - 2, 2));
    assert_memory_equal(bytes, "gh", 2);
}

/* Memory at the very end of the space. */
static void test_end_of_space(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), root = zx_vmar_root_self();
    zx_vaddr_t addr, last = VM_USER_ASPACE_TOP - PAGE;
    assert_ok(zx_vmar_map(root, READ | ZX_VM_SPECIFIC, VM_USER_ASPACE_SIZE - PAGE, vmo, 0, PAGE, &addr));
    assert_int_equal(addr, last);
    assert_int_equal(write_bytes(last + PAGE - 1, "ab", 2), 1);
    assert_int_equal(read_bytes(last + PAGE - 1, 64 * MIB), 1);
    assert_int_equal(buffer[0], 'a');
}

/* What a reader of the mapping sees, zero page and all, follows; permissions do not matter; another process
   is reached alike. */
static void test_through_the_vmo(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(2 * PAGE, 0), process, root, self = zx_process_self();
    zx_vaddr_t here, there;
    char byte;
    size_t actual;
    assert_ok(zx_process_create(0, "p", 1, 0, &process, &root));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, 0, 2 * PAGE, &here));
    assert_ok(zx_vmar_map(root, READ, 0, vmo, 0, 2 * PAGE, &there));
    assert_ok(zvm_access(self, here, &byte, 1, ZVM_READ));
    assert_ok(zvm_access(process, there, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 0);
    assert_ok(zx_process_write_memory(process, there, "x", 1, &actual));
    assert_ok(zvm_access(self, here, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 'x');
    assert_ok(zvm_access(process, there, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 'x');
    assert_ok(zx_vmar_protect(root, 0, there, PAGE));
    assert_refused(zvm_access(process, there, &byte, 1, ZVM_READ), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_process_read_memory(process, there, &byte, 1, &actual));
    assert_int_equal(byte, 'x');
    assert_ok(zx_process_write_memory(process, there, "y", 1, &actual));
    assert_ok(zvm_access(self, here, &byte, 1, ZVM_READ));
    assert_int_equal(byte, 'y');
    assert_refused(zvm_access(self, here, &byte, 1, ZVM_WRITE), ZX_ERR_ACCESS_DENIED);
}

/* Each allocation, each copy fails in turn; a write without memory for its last page writes none. */
static void test_failures(void **state)
{
    (void)state;
    zx_handle_t vmos[3], self = zx_process_self();
    zx_vaddr_t base = layout(vmos);
    size_t actual = 0;
    char bytes[4 * ZX_PAGE_SIZE];
    memset(bytes, 'w', sizeof(bytes));
    zvm_fail_allocation(3, true);
    assert_refused(zx_process_write_memory(self, base, bytes, sizeof(bytes), &actual), ZX_ERR_NO_MEMORY);
    zvm_fail_allocation(0, false);
    read_bytes(base, 4 * PAGE);
    for (size_t i = 0; i < 4 * PAGE; i++)
        assert_int_equal(buffer[i], 0);
    assert_survives_failed_allocations(
        zx_process_write_memory(self, base + 1, bytes, sizeof(bytes), &actual));
    assert_int_equal(actual, 4 * PAGE - 1);
    /* Pages and bytes are there now. A copy that fails behind the probe of the buffer, as only another thread can
       bring about, ends the call halfway: here it writes what is there already. */
    assert_ok(zx_process_write_memory(self, base, bytes, 1, &actual));
    assert_survives_failed_copies(zx_process_write_memory(self, base, bytes, sizeof(bytes), &actual));
    assert_survives_failed_copies(zx_process_read_memory(self, base, buffer, sizeof(buffer), &actual));
    assert_int_equal(actual, 4 * PAGE);
    assert_memory_equal(buffer, bytes, sizeof(bytes));
    zvm_fail_allocation(1, true);
    assert_int_equal(read_bytes(base + 5 * PAGE, PAGE), PAGE); /* reading makes nothing */
    zvm_fail_allocation(0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),        TEST(test_extent),   TEST(test_end_of_space),
        TEST(test_through_the_vmo), TEST(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
