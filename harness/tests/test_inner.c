/* SPDX-License-Identifier: MIT */
/*
 * test_inner.c: what the inner functions of the core answer where the calls in front of them have refused already;
 * and what a call answers when another thread does something in the middle of it. There the other thread is played by
 * host_interrupt_user_copy, so that it always comes at the same moment. White-box.
 */
#include "calls.h"

#include "../../vm/internal.h"
#include "../host_port.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static struct vm_vmar *own_root(void)
{
    return process_root(port_current_process());
}

static struct vm_vmo *vmo_behind(zx_handle_t handle)
{
    struct vm_vmo *vmo = NULL;
    check_status(vm_vmo_from_handle(handle, &vmo), ZX_OK, __FILE__, __LINE__);
    vm_vmo_release(vmo); /* the handle keeps it */
    return vmo;
}

/* ---- Behind the checks of the calls ---- */

/* A handle has no rights that its VMAR does not have; the VMAR is asked all the same. */
static void test_vmar_without_rights(void **state)
{
    (void)state;
    struct vm_vmar *narrow, *child;
    struct vm_mapped mapped;
    struct vm_vmo *vmo = vmo_behind(make_vmo(PAGE, 0));
    check_status(vmar_allocate(own_root(), ZX_VM_CAN_MAP_READ, 0, 8 * PAGE, &narrow), ZX_OK, __FILE__,
                 __LINE__);
    assert_int_equal(vmar_allocate(narrow, ZX_VM_CAN_MAP_WRITE, 0, PAGE, &child), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(vmar_map(narrow, RW, 0, vmo, 0, PAGE, 0, &mapped), ZX_ERR_ACCESS_DENIED);
    vm_object_release(&narrow->object);
}

/* A mapping that is taken away before its address has been handed out, with a VMAR in its place. */
static void test_map_end_finds_a_vmar(void **state)
{
    (void)state;
    struct vm_vmar *child;
    struct vm_mapped mapped;
    struct vm_vmo *vmo = vmo_behind(make_vmo(PAGE, 0));
    for (int keep = 0; keep < 2; keep++) {
        check_status(vmar_map(own_root(), ARCH_MMU_READ, 0, vmo, 0, PAGE, ZX_VM_CAN_MAP_READ, &mapped), ZX_OK,
                     __FILE__, __LINE__);
        check_status(vmar_unmap(own_root(), mapped.base, PAGE, false), ZX_OK, __FILE__, __LINE__);
        check_status(
            vmar_allocate(own_root(), ZX_VM_SPECIFIC, mapped.base - own_root()->region.base, PAGE, &child),
            ZX_OK, __FILE__, __LINE__);
        vmar_map_end(own_root(), &mapped, keep);
        assert_true(child->region.alive);
        vm_object_release(&child->object);
    }
    assert_ok(zvm_check());
}

/* Preparing cuts the part at the end of the VMO. */
static void test_prepared_range(void **state)
{
    (void)state;
    struct vm_vmo *vmo = vmo_behind(make_vmo(2 * PAGE, 0));
    struct list_node ready;
    list_init(&ready);
    assert_int_equal(vmo_commit_prepare(vmo, 2 * PAGE, PAGE, &ready), ZX_OK);
    assert_int_equal(vmo_commit_prepare(vmo, PAGE, 0, &ready), ZX_OK);
    assert_true(list_is_empty(&ready));
    assert_int_equal(vmo_commit_prepare(vmo, PAGE, 9 * PAGE, &ready), ZX_OK);
    assert_int_equal(vmo_commit_finish(&ready), ZX_OK);
    assert_int_equal(vmo->pages.count, 1);
    assert_ok(zvm_check());
}

/* Between preparing and finishing the VMO ends below the page, or the place that was kept for it is lost. */
static void test_prepared_pages(void **state)
{
    (void)state;
    struct vm_vmo *vmo = vmo_behind(make_vmo(2 * PAGE, ZX_VMO_RESIZABLE));
    struct snapshot before = snapshot_take();
    struct list_node ready;
    list_init(&ready);
    assert_int_equal(vmo_commit_prepare(vmo, PAGE, PAGE, &ready), ZX_OK);
    assert_int_equal(vmo_set_size(vmo, PAGE), ZX_OK);
    assert_int_equal(vmo_commit_finish(&ready), ZX_OK);
    assert_int_equal(vmo->pages.count, 0);
    assert_int_equal(vmo_set_size(vmo, 2 * PAGE), ZX_OK);
    assert_int_equal(vmo_commit_prepare(vmo, PAGE, PAGE, &ready), ZX_OK);
    page_list_unreserve(&vmo->pages, 1);
    host_fail_allocation(1, true);
    assert_int_equal(vmo_commit_finish(&ready), ZX_ERR_NO_MEMORY);
    host_fail_allocation(0, false);
    check_unchanged(&before, __FILE__, __LINE__);
}

/* Committing stops at the end of a slice, as of any VMO. */
static void test_commit_past_a_slice(void **state)
{
    (void)state;
    zx_handle_t parent = make_vmo(4 * PAGE, 0), slice;
    zx_vaddr_t va;
    assert_ok(zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &slice));
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, slice, 0, 3 * PAGE, &va));
    struct vm_aspace *aspace = vm_process_aspace(port_current_process());
    port_mutex_lock(&aspace->lock);
    zx_status_t whole = mappings_commit_locked(aspace->root, va, va + 3 * PAGE);
    zx_status_t behind = mappings_commit_locked(aspace->root, va + 2 * PAGE, va + 3 * PAGE);
    port_mutex_unlock(&aspace->lock);
    assert_int_equal(whole, ZX_OK);
    assert_int_equal(behind, ZX_OK);
    assert_int_equal(vmo_behind(parent)->pages.count, 1);
    assert_ok(zvm_check());
}

/* The end of the slice is past the end of all offsets. */
static void test_offset_in_a_slice(void **state)
{
    (void)state;
    zx_handle_t parent = make_vmo(4 * PAGE, 0), slice;
    zx_vaddr_t va;
    assert_ok(zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, PAGE, PAGE, &slice));
    assert_refused(zx_vmar_map(zx_vmar_root_self(), RW, 0, slice, -(uint64_t)PAGE, PAGE, &va),
                   ZX_ERR_OUT_OF_RANGE);
}

/* ---- In the middle of a call ---- */

static zx_handle_t victim;
static zx_vaddr_t place; /* two pages that are mapped */

static void close_victim(void *unused)
{
    (void)unused;
    check_status(zx_handle_close(victim), ZX_OK, __FILE__, __LINE__);
}

static void unmap_place(void *unused)
{
    (void)unused;
    check_status(zx_vmar_unmap(zx_vmar_root_self(), place, 2 * PAGE), ZX_OK, __FILE__, __LINE__);
}

/* The handle is closed when the new one's value has been told: BAD_HANDLE, and the value is told no more. */
static void test_handle_closed_meanwhile(void **state)
{
    (void)state;
    struct snapshot before = snapshot_take();
    for (unsigned call = 0; call < 3; call++) {
        zx_handle_t out = 77;
        zx_status_t status;
        victim = make_vmo(PAGE, 0);
        host_interrupt_user_copy(2, close_victim, NULL);
        if (call == 0)
            status = zx_handle_duplicate(victim, ZX_RIGHT_SAME_RIGHTS, &out);
        else if (call == 1)
            status = zx_handle_replace(victim, ZX_RIGHT_SAME_RIGHTS, &out);
        else
            status = zx_vmo_replace_as_executable(victim, ZX_HANDLE_INVALID, &out);
        check_status(status, ZX_ERR_BAD_HANDLE, __FILE__, __LINE__);
        assert_int_equal(out, 77);
    }
    check_unchanged(&before, __FILE__, __LINE__);
}

static void map_place(void)
{
    victim = make_vmo(2 * PAGE, ZX_VMO_RESIZABLE);
    assert_ok(zx_vmar_map(zx_vmar_root_self(), RW, 0, victim, 0, 2 * PAGE, &place));
}

/* Chunks after the first of a mapping find it without a search: it is the one that the space found last. What
   is copied is what is mapped at each place, across mappings below several VMARs. */
static void test_memory_across_mappings(void **state)
{
    (void)state;
    static char bytes[8 * PAGE], copy[8 * PAGE];
    struct vm_aspace *aspace = vm_process_aspace(port_current_process());
    zx_handle_t vmar = zx_vmar_root_self(), inner, vmos[4];
    zx_vaddr_t base, at;
    for (unsigned depth = 0; depth < 3; depth++, vmar = inner)
        assert_ok(zx_vmar_allocate(vmar, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC, 0,
                                   8 * PAGE, &inner, &base));
    for (unsigned i = 0; i < 4; i++) {
        vmos[i] = make_vmo(2 * PAGE, 0);
        assert_ok(zx_vmar_map(vmar, RW | ZX_VM_SPECIFIC, 2 * i * PAGE, vmos[i], 0, 2 * PAGE, &at));
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i / 97 + i);
    size_t actual = 0, from = PAGE + 100, size = 5 * PAGE + 77;
    assert_ok(zx_process_write_memory(zx_process_self(), base + from, bytes + from, size, &actual));
    assert_int_equal(actual, size);
    assert_non_null(aspace->last_fault);
    assert_int_equal(aspace->last_fault->region.base, base + 6 * PAGE);
    assert_ok(zx_process_read_memory(zx_process_self(), base, copy, sizeof(copy), &actual));
    assert_int_equal(actual, sizeof(copy));
    for (size_t i = 0; i < sizeof(copy); i++)
        assert_int_equal(copy[i], i >= from && i < from + size ? bytes[i] : 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_ok(zx_vmo_read(vmos[i], copy, 0, 2 * PAGE));
        for (size_t j = 0, k = 2 * i * PAGE; j < 2 * PAGE; j++, k++)
            assert_int_equal(copy[j], k >= from && k < from + size ? bytes[k] : 0);
    }
    assert_ok(zx_process_read_memory(zx_process_self(), base + PAGE, copy, 1, &actual));
    assert_int_equal(aspace->last_fault->region.base, base);
}

/* Where what is mapped goes after the first chunk, that much was read, or written; nothing is an error. */
static void test_memory_unmapped_meanwhile(void **state)
{
    (void)state;
    char bytes[1024] = {0};
    size_t actual = 0;
    map_place();
    host_interrupt_user_copy(1, unmap_place, NULL);
    assert_ok(zx_process_read_memory(zx_process_self(), place, bytes, sizeof(bytes), &actual));
    assert_int_equal(actual, VM_COPY_CHUNK);
    for (unsigned chunks = 0; chunks < 2; chunks++) {
        map_place();
        /* after the two copies that try the buffer */
        host_interrupt_user_copy(3 + chunks, unmap_place, NULL);
        assert_int_equal(process_write_memory(port_current_process(), place, bytes, sizeof(bytes), &actual),
                         chunks == 0 ? ZX_ERR_NO_MEMORY : ZX_OK);
        assert_int_equal(actual, chunks * VM_COPY_CHUNK);
    }
    assert_ok(zvm_check());
}

static zx_handle_t substitute;

static void overwrite_place(void *unused)
{
    zx_vaddr_t at;
    (void)unused;
    check_status(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_SPECIFIC_OVERWRITE,
                             place - own_root()->region.base, substitute, 0, 2 * PAGE, &at),
                 ZX_OK, __FILE__, __LINE__);
}

/* Something else is mapped there after the first chunk: what is past the end of a slice, or no memory. */
static void test_memory_replaced_meanwhile(void **state)
{
    (void)state;
    char bytes[1024];
    size_t actual = 0;
    zx_handle_t parent = make_vmo(4 * PAGE, 0);
    struct vm_vmo *device;
    map_place();
    assert_ok(zx_vmo_create_child(parent, ZX_VMO_CHILD_SLICE, 0, PAGE, &substitute));
    host_interrupt_user_copy(1, overwrite_place, NULL);
    assert_ok(zx_process_read_memory(zx_process_self(), place + PAGE, bytes, sizeof(bytes), &actual));
    assert_int_equal(actual, VM_COPY_CHUNK);
    map_place();
    check_status(vm_vmo_create_physical((zx_paddr_t)1 << 50, 2 * PAGE, &device), ZX_OK, __FILE__, __LINE__);
    assert_ok(vm_vmo_give(device, port_current_process(), ZX_DEFAULT_VMO_RIGHTS, &substitute));
    vm_vmo_release(device);
    host_interrupt_user_copy(1, overwrite_place, NULL);
    assert_ok(zx_process_read_memory(zx_process_self(), place, bytes, sizeof(bytes), &actual));
    assert_int_equal(actual, VM_COPY_CHUNK);
    assert_ok(zvm_check());
}

static void kill_process(void *process)
{
    vm_process_kill(process);
}

/* The process whose memory is read dies after the first chunk. One has a space of its own, the other shares one. */
static void test_process_killed_meanwhile(void **state)
{
    (void)state;
    static struct vm_process *processes[3];
    char bytes[1024];
    struct vm_vmo *vmo = vmo_behind(make_vmo(PAGE, 0));
    processes[0] = vm_process_create("alone");
    check_status(process_create_sharing("first", NULL, &processes[1]), ZX_OK, __FILE__, __LINE__);
    check_status(process_create_sharing("second", processes[1], &processes[2]), ZX_OK, __FILE__, __LINE__);
    for (unsigned i = 0; i < 3; i += 2) {
        struct vm_mapped mapped;
        struct vm_vmar *root = process_root(processes[i]);
        size_t actual = 0;
        check_status(vmar_map(root, RW, 0, vmo, 0, PAGE, ZX_VM_CAN_MAP_READ, &mapped), ZX_OK, __FILE__,
                     __LINE__);
        vmar_map_end(root, &mapped, true);
        host_interrupt_user_copy(1, kill_process, processes[i]);
        assert_int_equal(process_read_memory(processes[i], mapped.base, bytes, sizeof(bytes), &actual),
                         ZX_OK);
        assert_int_equal(actual, VM_COPY_CHUNK);
    }
    vm_process_kill(processes[1]);
    for (unsigned i = 0; i < 3; i++)
        vm_process_release(processes[i]);
    assert_ok(zvm_check());
}

static void shrink_victim(void *unused)
{
    (void)unused;
    check_status(zx_vmo_set_size(victim, 0), ZX_OK, __FILE__, __LINE__);
}

/* Memory runs out as well, where it is told so. */
static void decommit_victim(void *run_out)
{
    check_status(zx_vmo_op_range(victim, ZX_VMO_OP_DECOMMIT, 0, 2 * PAGE, NULL, 0), ZX_OK, __FILE__,
                 __LINE__);
    host_fail_allocation(run_out != NULL ? 1 : 0, true);
}

/* A VMO shrinks, or loses the pages that the call had made, before the second chunk is written. */
static void test_vmo_changed_meanwhile(void **state)
{
    (void)state;
    char bytes[1024] = {1}, byte = 0;
    victim = make_vmo(2 * PAGE, ZX_VMO_RESIZABLE);
    host_interrupt_user_copy(4, decommit_victim, NULL);
    bytes[VM_COPY_CHUNK] = 2;
    assert_int_equal(zx_vmo_write(victim, bytes, 0, sizeof(bytes)), ZX_OK);
    assert_ok(zx_vmo_read(victim, &byte, VM_COPY_CHUNK, 1));
    assert_int_equal(byte, 2);
    host_interrupt_user_copy(4, decommit_victim, bytes);
    assert_int_equal(zx_vmo_write(victim, bytes, 0, sizeof(bytes)), ZX_ERR_NO_MEMORY);
    host_fail_allocation(0, false);
    host_interrupt_user_copy(4, shrink_victim, NULL);
    assert_int_equal(zx_vmo_write(victim, bytes, 0, sizeof(bytes)), ZX_ERR_OUT_OF_RANGE);
    assert_ok(zx_vmo_set_size(victim, PAGE));
    assert_ok(zx_vmo_write(victim, bytes, 0, sizeof(bytes)));
    host_interrupt_user_copy(1, shrink_victim, NULL);
    assert_int_equal(zx_vmo_read(victim, bytes, 0, sizeof(bytes)), ZX_ERR_OUT_OF_RANGE);
    struct vm_vmo *vmo = vmo_behind(victim);
    port_mutex_lock(&vmo->lock);
    zx_status_t status = vmo_peek_locked(vmo, 0, &byte, 1);
    port_mutex_unlock(&vmo->lock);
    assert_int_equal(status, ZX_ERR_OUT_OF_RANGE);
    assert_ok(zvm_check());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_vmar_without_rights),
        TEST(test_map_end_finds_a_vmar),
        TEST(test_prepared_range),
        TEST(test_prepared_pages),
        TEST(test_commit_past_a_slice),
        TEST(test_offset_in_a_slice),
        TEST(test_handle_closed_meanwhile),
        TEST(test_memory_across_mappings),
        TEST(test_memory_unmapped_meanwhile),
        TEST(test_memory_replaced_meanwhile),
        TEST(test_process_killed_meanwhile),
        TEST(test_vmo_changed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
