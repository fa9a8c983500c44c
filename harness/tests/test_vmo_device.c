/* SPDX-License-Identifier: MIT */
/* test_vmo_device.c: contiguous and physical VMOs, pins, cache policies and cache operations. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../vm/internal.h"
#include "../host_port.h"

#define RW   (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define MIB2 ((size_t)2 << 20)

static zx_handle_t give(struct vm_vmo *vmo)
{
    zx_handle_t handle = ZX_HANDLE_INVALID;
    assert_ok(vm_vmo_give(vmo, port_current_process(), ZX_DEFAULT_VMO_RIGHTS, &handle));
    vm_vmo_release(vmo);
    return handle;
}

static zx_handle_t contiguous(uint64_t size, uint8_t align_log2)
{
    struct vm_vmo *vmo;
    assert_ok(vm_vmo_create_contiguous(size, align_log2, &vmo));
    return give(vmo);
}

static zx_handle_t physical(zx_paddr_t base, uint64_t size)
{
    struct vm_vmo *vmo;
    assert_ok(vm_vmo_create_physical(base, size, &vmo));
    return give(vmo);
}

static struct vm_vmo *vmo_of(zx_handle_t handle)
{
    struct vm_vmo *vmo;
    assert_ok(vm_vmo_from_handle(handle, &vmo));
    vm_vmo_release(vmo); /* the handle keeps it */
    return vmo;
}

static zx_info_vmo_t info_of(zx_handle_t vmo)
{
    zx_info_vmo_t info;
    assert_ok(zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    return info;
}

static zx_paddr_t frame_at(zx_handle_t vmo, uint64_t offset)
{
    zx_paddr_t frame = 1;
    assert_ok(vm_vmo_lookup(vmo_of(vmo), offset, &frame));
    return frame;
}

static zx_handle_t vmar; /* of the latest map_at */

/* Mapped so that large pages fit: at an address that is as far from a multiple of 2 MiB as `skew` says. */
static zx_vaddr_t map_at(zx_handle_t vmo, size_t size, size_t skew, zx_vm_option_t options)
{
    zx_vaddr_t base, va;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING | ZX_VM_ALIGN_2MB, 0, size + 2 * MIB2, &vmar,
                               &base));
    assert_ok(zx_vmar_map(vmar, options | ZX_VM_SPECIFIC, skew, vmo, 0, size, &va));
    return va;
}

static zx_status_t access(zx_vaddr_t va, char *byte, uint32_t kind)
{
    return zvm_access(zx_process_self(), va, byte, 1, kind);
}

static struct page_table_entry entry_at(zx_vaddr_t va)
{
    struct page_table_entry entry = {0};
    struct page_table *table = vm_aspace_page_table(vm_process_aspace(port_current_process()));
    if (page_table_query(table, va, &entry) != ZX_OK)
        entry.size = 0;
    return entry;
}

/* ---- Contiguous ---- */

static void test_contiguous_refusals(void **state)
{
    struct vm_vmo *vmo = NULL;
    (void)state;
    assert_refused(vm_vmo_create_contiguous(0, 64, &vmo), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_contiguous(UINT64_MAX, 64, &vmo), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_contiguous(UINT64_MAX, 11, &vmo), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_contiguous(UINT64_MAX, 12, &vmo), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_create_contiguous((uint64_t)1 << 40, 0, &vmo), ZX_ERR_NO_MEMORY);
    assert_refused(vm_vmo_create_contiguous(PAGE, 63, &vmo), ZX_ERR_NO_MEMORY);
    assert_survives_failed_allocations(vm_vmo_create_contiguous(100 * PAGE, 0, &vmo));
    zx_handle_t handle = give(vmo), child;
    assert_refused(zx_vmo_create_child(handle, ZX_VMO_CHILD_SNAPSHOT, 1, UINT64_MAX, NULL),
                   ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 1, UINT64_MAX, NULL, 0), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_set_size(handle, PAGE), ZX_ERR_UNAVAILABLE);
    assert_ok(zx_vmo_op_range(handle, ZX_VMO_OP_COMMIT, 0, 100 * PAGE, NULL, 0));
    assert_ok(zx_vmo_create_child(handle, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &child));
    assert_refused(zx_vmo_create_child(child, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &handle), ZX_ERR_INVALID_ARGS);
    assert_refused(zx_vmo_op_range(child, ZX_VMO_OP_DECOMMIT, 1, UINT64_MAX, NULL, 0), ZX_ERR_NOT_SUPPORTED);
    assert_int_equal(info_of(child).flags & ZX_INFO_VMO_CONTIGUOUS, ZX_INFO_VMO_CONTIGUOUS);
}

/* Zeroing bytes of one page, or none, leaves the others of that page. */
static void expect_parts_zeroed(zx_handle_t vmo)
{
    char bytes[4] = {0};
    assert_ok(zx_vmo_write(vmo, "abcd", 10, 4));
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 12, 0, NULL, 0));
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 11, 1, NULL, 0));
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 13, PAGE - 13, NULL, 0));
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 0, 10, NULL, 0));
    assert_ok(zx_vmo_read(vmo, bytes, 10, 4));
    assert_memory_equal(bytes, "a\0c\0", 4);
}

static void test_contiguous(void **state)
{
    char byte = 'x';
    (void)state;
    zx_handle_t vmo = contiguous(3 * PAGE + 1, 16), slice;
    assert_int_equal(info_of(vmo).size_bytes, 4 * PAGE);
    assert_int_equal(info_of(vmo).committed_bytes, 4 * PAGE);
    assert_int_equal(frame_at(vmo, 0) % (1u << 16), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(frame_at(vmo, i * PAGE + 5), frame_at(vmo, 0) + i * PAGE);
    assert_ok(zx_vmo_write(vmo, &byte, 3 * PAGE, 1));
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 2 * PAGE, 2 * PAGE, &slice));
    zx_vaddr_t va = map_at(slice, 2 * PAGE, 0, RW);
    assert_ok(access(va + PAGE, &byte, ZVM_READ));
    assert_int_equal(byte, 'x');
    assert_int_equal(frame_at(slice, PAGE), frame_at(vmo, 3 * PAGE));
    /* Zeroing leaves the memory where it is. */
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 5, 4 * PAGE - 6, NULL, 0));
    assert_int_equal(info_of(vmo).committed_bytes, 4 * PAGE);
    assert_ok(access(va + PAGE, &byte, ZVM_READ));
    assert_int_equal(byte, 0);
    expect_parts_zeroed(vmo);
    assert_refused(zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_DECOMMIT, va, PAGE, NULL, 0),
                   ZX_ERR_INVALID_ARGS);
}

/* The tree of regions has these words. */
static void assert_dumped(const char *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_ok(zvm_dump(zx_process_self(), to));
    (void)fclose(to);
    if (strstr(text, words) == NULL)
        fail_msg("no \"%s\" in:\n%s", words, text);
    free(text);
}

/* Large pages where address, frame and size allow; any part of them may be protected or unmapped. */
static void test_large_pages(void **state)
{
    char byte = 'a';
    (void)state;
    zx_handle_t vmo = contiguous(3 * MIB2, 21);
    zx_vaddr_t va = map_at(vmo, 3 * MIB2, 0, RW);
    zx_handle_t first = vmar;
    zx_vaddr_t skewed = map_at(vmo, 3 * MIB2, PAGE, RW);
    zx_vaddr_t at_once = map_at(vmo, 2 * MIB2, 0, RW | ZX_VM_MAP_RANGE);
    assert_ok(access(va + MIB2 + 5 * PAGE, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(va + MIB2).size, MIB2);
    assert_int_equal(entry_at(va).size, 0);
    assert_ok(access(skewed + MIB2, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(skewed + MIB2).size, PAGE);
    assert_int_equal(entry_at(at_once).size, MIB2);
    assert_int_equal(entry_at(at_once + MIB2).size, MIB2);
    assert_ok(access(at_once + MIB2 + 5 * PAGE, &byte, ZVM_READ));
    assert_int_equal(byte, 'a');
    assert_dumped(", shown by 0 of 1 GiB, 2 of 2 MiB\n");
    /* A part that differs in permission, or is gone, is not in a large page. */
    assert_ok(zx_vmar_protect(first, ZX_VM_PERM_READ, va + MIB2 + 7 * PAGE, PAGE));
    assert_int_equal(access(va + MIB2 + 7 * PAGE, &byte, ZVM_WRITE), ZX_ERR_ACCESS_DENIED);
    assert_ok(access(va + MIB2 + 8 * PAGE, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(va + MIB2 + 8 * PAGE).size, PAGE);
    assert_ok(zx_vmar_unmap(first, va + 2 * MIB2, PAGE));
    assert_ok(access(va + 2 * MIB2 + PAGE, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(va + 2 * MIB2 + PAGE).size, PAGE);
    assert_ok(zx_vmar_protect(first, RW, va + MIB2 + 7 * PAGE, PAGE));
    assert_ok(access(va + MIB2 + 7 * PAGE, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(va + MIB2).size, MIB2);
}

/* ---- Physical ---- */

static void test_physical(void **state)
{
    char byte = 'p';
    struct vm_vmo *made;
    size_t actual;
    (void)state;
    assert_refused(vm_vmo_create_physical(PAGE, 0, &made), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_physical(1, PAGE, &made), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_physical(PAGE, 1, &made), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_physical(((uint64_t)1 << 52) - PAGE, 2 * PAGE, &made), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_create_physical(PAGE, 0 - PAGE, &made), ZX_ERR_INVALID_ARGS);
    assert_survives_failed_allocations(vm_vmo_create_physical(((uint64_t)1 << 52) - PAGE, PAGE, &made));
    vm_vmo_release(made);
    /* Memory that the machine does not manage. */
    struct pmm_range device = host_memory_map(MIB2);
    zx_handle_t vmo = physical(device.base, MIB2);
    zx_vaddr_t va = map_at(vmo, MIB2 + PAGE, 0, RW);
    assert_ok(access(va + 3, &byte, ZVM_WRITE));
    assert_int_equal(entry_at(va).size, MIB2);
    assert_int_equal(((char *)port_phys_to_virt(device.base))[3], 'p');
    assert_int_equal(access(va + MIB2, &byte, ZVM_READ), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(info_of(vmo).flags & ZX_INFO_VMO_TYPE_PAGED, ZX_INFO_VMO_TYPE_PHYSICAL);
    assert_int_equal(info_of(vmo).committed_bytes, 0);
    assert_refused(zx_vmo_read(vmo, &byte, UINT64_MAX, 1), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_write(vmo, &byte, 0, 1), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 1, NULL, 0), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, 1, NULL, 0), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 0, 1, NULL, 0), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 1, 0, NULL), ZX_ERR_NOT_SUPPORTED);
    assert_refused(zx_process_read_memory(zx_process_self(), va, &byte, 1, &actual), ZX_ERR_NO_MEMORY);
    assert_ok(zx_vmar_unmap(vmar, va, MIB2 + PAGE));
    assert_ok(vm_vmo_pin(vmo_of(vmo), 0, MIB2));
    assert_ok(vm_vmo_pin(vmo_of(vmo), 0, PAGE));
    vm_vmo_unpin(vmo_of(vmo), 0, MIB2);
    assert_refused(vm_vmo_set_cache_policy(vmo_of(vmo), VM_UNCACHED), ZX_ERR_BAD_STATE);
    vm_vmo_unpin(vmo_of(vmo), 0, PAGE);
    assert_ok(vm_vmo_set_cache_policy(vmo_of(vmo), VM_UNCACHED));
    host_memory_unmap(device);
}

/* ---- Pins ---- */

static void test_pins(void **state)
{
    char byte = 'a';
    zx_paddr_t frame;
    zx_handle_t child;
    (void)state;
    zx_handle_t handle = make_vmo(4 * PAGE, ZX_VMO_RESIZABLE);
    struct vm_vmo *vmo = vmo_of(handle);
    zx_vaddr_t va = map_at(handle, 4 * PAGE, 0, RW);
    assert_refused(vm_vmo_pin(vmo, 1, PAGE), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_pin(vmo, 0, 1), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_pin(vmo, 0, 0), ZX_ERR_INVALID_ARGS);
    assert_refused(vm_vmo_pin(vmo, PAGE, 4 * PAGE), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_pin(vmo, 0 - PAGE, 2 * PAGE), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_lookup(vmo, 4 * PAGE, &frame), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_lookup(vmo, PAGE, &frame), ZX_ERR_NOT_FOUND);
    assert_survives_failed_allocations(vm_vmo_pin(vmo, PAGE, 2 * PAGE));
    frame = frame_at(handle, 2 * PAGE);
    assert_refused(zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 0, 2 * PAGE, NULL, 0), ZX_ERR_BAD_STATE);
    assert_refused(zx_vmo_set_size(handle, 2 * PAGE), ZX_ERR_BAD_STATE);
    assert_refused(zx_vmo_create_child(handle, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE, NULL), ZX_ERR_BAD_STATE);
    assert_ok(zx_vmo_set_size(handle, 3 * PAGE));
    /* The last page lies past the end; that is found out later, whatever mappings the range is made of. */
    assert_refused(zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, va, 4 * PAGE, NULL, 0), ZX_ERR_BAD_STATE);
    assert_ok(zx_vmar_protect(vmar, ZX_VM_PERM_READ, va + 3 * PAGE, PAGE));
    assert_refused(zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, va, 4 * PAGE, NULL, 0), ZX_ERR_BAD_STATE);
    assert_refused(zx_vmar_op_range(vmar, ZX_VMAR_OP_DECOMMIT, va + 3 * PAGE, PAGE, NULL, 0),
                   ZX_ERR_OUT_OF_RANGE);
    assert_ok(zx_vmo_op_range(handle, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0));
    assert_ok(zx_vmo_create_child(handle, ZX_VMO_CHILD_SNAPSHOT, 3 * PAGE, PAGE, &child));
    assert_ok(access(va + 2 * PAGE, &byte, ZVM_WRITE));
    assert_ok(zx_vmo_op_range(handle, ZX_VMO_OP_ZERO, 0, 3 * PAGE, NULL, 0));
    assert_ok(access(va + 2 * PAGE, &byte, ZVM_READ));
    assert_int_equal(byte, 0);
    assert_int_equal(frame_at(handle, 2 * PAGE), frame);
    expect_parts_zeroed(handle); /* a page that is not pinned, beside some that are */
    assert_ok(vm_vmo_pin(vmo, 2 * PAGE, PAGE));
    vm_vmo_unpin(vmo, PAGE, 2 * PAGE);
    assert_refused(zx_vmo_set_size(handle, 2 * PAGE), ZX_ERR_BAD_STATE);
    vm_vmo_unpin(vmo, 2 * PAGE, PAGE);
    assert_ok(zx_vmo_set_size(handle, 2 * PAGE));
    /* The last pin of a page. */
    assert_ok(vm_vmo_pin(vmo, 0, PAGE));
    vmo_page_locked(vmo, 0)->pin_count = UINT16_MAX;
    assert_refused(vm_vmo_pin(vmo, 0, PAGE), ZX_ERR_UNAVAILABLE);
    vmo_page_locked(vmo, 0)->pin_count = 1;
    vm_vmo_unpin(vmo, 0, PAGE);
}

/* A shared page is copied before it is pinned. */
static void test_pin_shared(void **state)
{
    char byte = 'a';
    zx_handle_t parent = make_vmo(PAGE, 0), child;
    (void)state;
    assert_ok(zx_vmo_write(parent, &byte, 0, 1));
    assert_ok(zx_vmo_create_child(parent, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE, &child));
    assert_int_equal(frame_at(parent, 0), frame_at(child, 0));
    assert_ok(vm_vmo_pin(vmo_of(child), 0, PAGE));
    assert_int_not_equal(frame_at(parent, 0), frame_at(child, 0));
    vm_vmo_unpin(vmo_of(child), 0, PAGE);
}

/* ---- Caches ---- */

static void test_cache_policy(void **state)
{
    char byte;
    (void)state;
    zx_handle_t paged = make_vmo(PAGE, 0), vmo = contiguous(2 * PAGE, 0), slice;
    assert_refused(vm_vmo_set_cache_policy(vmo_of(paged), VM_UNCACHED), ZX_ERR_NOT_SUPPORTED);
    for (unsigned policy = VM_CACHE_POLICIES; policy-- > 0;) {
        assert_ok(vm_vmo_set_cache_policy(vmo_of(vmo), policy));
        assert_int_equal(info_of(vmo).cache_policy, policy);
        assert_ok(zx_vmo_write(vmo, "x", policy, 1)); /* calls reach the bytes whatever the policy */
        assert_ok(zx_vmo_read(vmo, &byte, policy, 1));
        assert_int_equal(byte, 'x');
        zx_vaddr_t va = map_at(vmo, 2 * PAGE, 0, RW);
        assert_ok(access(va, &byte, ZVM_READ));
        assert_int_equal((entry_at(va).flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT, policy);
        assert_refused(vm_vmo_set_cache_policy(vmo_of(vmo), VM_UNCACHED), ZX_ERR_BAD_STATE);
        assert_ok(zx_vmar_protect(vmar, ZX_VM_PERM_READ, va, PAGE));
        assert_ok(access(va, &byte, ZVM_READ));
        assert_int_equal((entry_at(va).flags & ARCH_MMU_CACHE_MASK) >> ARCH_MMU_CACHE_SHIFT, policy);
        assert_ok(zx_vmar_unmap(vmar, va, 2 * PAGE));
    }
    assert_ok(vm_vmo_pin(vmo_of(vmo), 0, PAGE));
    assert_refused(vm_vmo_set_cache_policy(vmo_of(vmo), VM_UNCACHED), ZX_ERR_BAD_STATE);
    vm_vmo_unpin(vmo_of(vmo), 0, PAGE);
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 0, PAGE, &slice));
    assert_refused(vm_vmo_set_cache_policy(vmo_of(vmo), VM_UNCACHED), ZX_ERR_BAD_STATE);
    assert_refused(vm_vmo_set_cache_policy(vmo_of(slice), VM_UNCACHED), ZX_ERR_NOT_SUPPORTED);
}

/* The bytes that have memory, and no others. */
static void test_cache_operations(void **state)
{
    char byte = 1;
    (void)state;
    zx_handle_t vmo = make_vmo((uint64_t)1 << 50, 0), slice;
    for (unsigned i = 0; i < 3; i++)
        assert_ok(zx_vmo_write(vmo, &byte, (uint64_t)i << 30, 1));
    for (uint32_t op = ZX_VMO_OP_CACHE_SYNC; op <= ZX_VMO_OP_CACHE_CLEAN_INVALIDATE; op++) {
        assert_int_equal(host_cache_bytes(op), 0);
        assert_ok(zx_vmo_op_range(vmo, op, 100, (uint64_t)1 << 49, NULL, 0));
        assert_int_equal(host_cache_bytes(op), 3 * PAGE - 100);
        assert_ok(zx_vmo_op_range(vmo, op, 1u << 30, 7, NULL, 0));
        assert_int_equal(host_cache_bytes(op), 3 * PAGE - 100 + 7);
        assert_refused(zx_vmo_op_range(vmo, op, 0, ((uint64_t)1 << 50) + 1, NULL, 0), ZX_ERR_OUT_OF_RANGE);
    }
    assert_ok(zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, 1u << 30, PAGE, &slice));
    assert_ok(zx_vmo_op_range(slice, ZX_VMO_OP_CACHE_SYNC, 1, 2, NULL, 0));
    assert_int_equal(host_cache_bytes(ZX_VMO_OP_CACHE_SYNC), 3 * PAGE - 100 + 9);
    assert_refused(zx_vmo_op_range(slice, ZX_VMO_OP_CACHE_SYNC, PAGE, 1, NULL, 0), ZX_ERR_OUT_OF_RANGE);
}

/* Slices end where they end, whatever lies behind; the host's own references. */
static void test_slices_and_references(void **state)
{
    (void)state;
    zx_paddr_t frame = 0;
    zx_handle_t parent = make_vmo(4 * PAGE, 0), slice, given;
    struct vm_vmo *vmo = NULL;
    assert_ok(zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &slice));
    assert_refused(vm_vmo_lookup(vmo_of(slice), PAGE, &frame), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_pin(vmo_of(slice), PAGE, PAGE), ZX_ERR_OUT_OF_RANGE);
    assert_refused(vm_vmo_create_physical((zx_paddr_t)1 << 52, PAGE, &vmo), ZX_ERR_INVALID_ARGS);
    vmo = vmo_of(parent);
    vm_vmo_acquire(vmo);
    assert_ok(zx_handle_close(slice));
    assert_ok(zx_handle_close(parent));
    assert_ok(vm_vmo_pin(vmo, 0, PAGE));
    vm_vmo_unpin(vmo, 0, PAGE);
    assert_survives_failed_allocations(
        vm_vmo_give(vmo, port_current_process(), ZX_DEFAULT_VMO_RIGHTS, &given));
    vm_vmo_release(vmo);
}

/* Of a range with a pinned page that page is zeroed where it is; the others go. */
static void test_zero_beside_a_pin(void **state)
{
    char bytes[2] = {'a', 'b'};
    (void)state;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0);
    for (unsigned page = 0; page < 3; page++)
        assert_ok(zx_vmo_write(vmo, bytes, page * PAGE, 2));
    assert_ok(vm_vmo_pin(vmo_of(vmo), PAGE, PAGE));
    zx_paddr_t frame = frame_at(vmo, PAGE);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 0, 4 * PAGE, NULL, 0));
    assert_int_equal(frame_at(vmo, PAGE), frame);
    assert_int_equal(info_of(vmo).committed_bytes, PAGE);
    assert_ok(zx_vmo_read(vmo, bytes, PAGE, 2));
    assert_true(bytes[0] == 0 && bytes[1] == 0);
    vm_vmo_unpin(vmo_of(vmo), PAGE, PAGE);
}

/* MAP_RANGE enters a part of one run of frames, cut by permissions; without memory for tables it enters less. */
static void test_map_part_of_a_run(void **state)
{
    struct page_table_entry entry;
    (void)state;
    zx_handle_t vmo = contiguous(8 * PAGE, 0);
    zx_vaddr_t va;
    struct page_table *table = vm_aspace_page_table(vm_process_aspace(port_current_process()));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, vmo, 0, 8 * PAGE, &va));
    assert_ok(zx_vmar_protect(zx_vmar_root_self(), 0, va + 2 * PAGE, PAGE));
    host_fail_allocation(1, true);
    assert_ok(zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_MAP_RANGE, va, 5 * PAGE, NULL, 0));
    host_fail_allocation(0, false);
    assert_int_equal(page_table_query(table, va, &entry), ZX_ERR_NOT_FOUND);
    assert_ok(zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_MAP_RANGE, va, 5 * PAGE, NULL, 0));
    for (unsigned page = 0; page < 8; page++)
        assert_int_equal(page_table_query(table, va + page * PAGE, &entry),
                         page < 5 && page != 2 ? ZX_OK : ZX_ERR_NOT_FOUND);
    assert_refused(zx_vmar_op_range(zx_vmar_root_self(), ZX_VMAR_OP_DECOMMIT, va, PAGE, NULL, 0),
                   ZX_ERR_NOT_SUPPORTED);
    assert_ok(zx_vmo_op_range(vmo, ZX_VMO_OP_CACHE_CLEAN, 100, 2 * PAGE, NULL, 0));
    assert_int_equal(host_cache_bytes(ZX_VMO_OP_CACHE_CLEAN), 2 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_contiguous_refusals),
        TEST(test_contiguous),
        TEST(test_large_pages),
        TEST(test_physical),
        TEST(test_pins),
        TEST(test_pin_shared),
        TEST(test_cache_policy),
        TEST(test_cache_operations),
        TEST(test_slices_and_references),
        TEST(test_zero_beside_a_pin),
        TEST(test_map_part_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
