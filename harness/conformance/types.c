/* SPDX-License-Identifier: MIT */
/*
 * types.c: the binary interface: every constant, the size and signedness of every type, the layout of every
 * structure, the type of every call.
 *
 * Each number is written out here a second time: a program that was compiled against the headers of another
 * day must still work, so a change to any of them is a mistake. Most is proved by the compiler; what is
 * left to run is what a value looks like when a call gives it.
 */
#include "conformance.h"

#define IS(name, value) _Static_assert((name) == (value), #name " is " #value)

/* ---- Types ---- */

#define SAME_TYPE(type, expected)                                                                            \
    _Static_assert(_Generic((type)0, expected : 1, default : 0), #type " is " #expected)

SAME_TYPE(zx_handle_t, uint32_t);
SAME_TYPE(zx_status_t, int32_t);
SAME_TYPE(zx_rights_t, uint32_t);
SAME_TYPE(zx_vm_option_t, uint32_t);
SAME_TYPE(zx_vaddr_t, uintptr_t);
SAME_TYPE(zx_paddr_t, uintptr_t);
SAME_TYPE(zx_off_t, uint64_t);
SAME_TYPE(zx_time_t, int64_t);
SAME_TYPE(zx_duration_t, int64_t);
SAME_TYPE(zx_ticks_t, int64_t);
SAME_TYPE(zx_signals_t, uint32_t);
SAME_TYPE(zx_koid_t, uint64_t);
SAME_TYPE(zx_obj_type_t, uint32_t);
SAME_TYPE(zx_info_maps_type_t, uint32_t);

IS(ZX_HANDLE_INVALID, 0);
IS(ZX_HANDLE_FIXED_BITS_MASK, 3);
IS(ZX_KOID_INVALID, 0);
IS(ZX_KOID_KERNEL, 1);
IS(ZX_KOID_FIRST, 1024);
IS(ZX_MAX_NAME_LEN, 32);

IS(ZX_OBJ_TYPE_NONE, 0);
IS(ZX_OBJ_TYPE_PROCESS, 1);
IS(ZX_OBJ_TYPE_THREAD, 2);
IS(ZX_OBJ_TYPE_VMO, 3);
IS(ZX_OBJ_TYPE_JOB, 17);
IS(ZX_OBJ_TYPE_VMAR, 18);

/* ---- Time, signals, return codes ---- */

IS(ZX_TIME_INFINITE, INT64_MAX);
IS(ZX_TIME_INFINITE_PAST, INT64_MIN);
IS(ZX_NSEC(7), 7);
IS(ZX_USEC(7), 7000);
IS(ZX_MSEC(7), 7000000);
IS(ZX_SEC(7), 7000000000);
IS(ZX_MIN(7), 420000000000);
IS(ZX_HOUR(7), 25200000000000);
IS(ZX_SIGNAL_NONE, 0);
IS(ZX_TASK_TERMINATED, 0x8);
IS(ZX_PROCESS_TERMINATED, 0x8);
IS(ZX_THREAD_TERMINATED, 0x8);
IS(ZX_THREAD_RUNNING, 0x10);
IS(ZX_TASK_RETCODE_SYSCALL_KILL, -1024);
IS(ZX_TASK_RETCODE_VDSO_KILL, -1027);
IS(ZX_TASK_RETCODE_EXCEPTION_KILL, -1028);

/* ---- Limits ---- */

IS(ZX_PAGE_SHIFT, 12);
IS(ZX_PAGE_SIZE, 4096);
IS(ZX_PAGE_MASK, 4095);
IS(ZX_MIN_PAGE_SHIFT, 12);
IS(ZX_MIN_PAGE_SIZE, 4096);
IS(ZX_MAX_PAGE_SHIFT, 21);
IS(ZX_MAX_PAGE_SIZE, 2097152);

/* ---- Statuses ---- */

IS(ZX_OK, 0);
IS(ZX_ERR_INTERNAL, -1);
IS(ZX_ERR_NOT_SUPPORTED, -2);
IS(ZX_ERR_NO_RESOURCES, -3);
IS(ZX_ERR_NO_MEMORY, -4);
IS(ZX_ERR_INVALID_ARGS, -10);
IS(ZX_ERR_BAD_HANDLE, -11);
IS(ZX_ERR_WRONG_TYPE, -12);
IS(ZX_ERR_BAD_SYSCALL, -13);
IS(ZX_ERR_OUT_OF_RANGE, -14);
IS(ZX_ERR_BUFFER_TOO_SMALL, -15);
IS(ZX_ERR_BAD_STATE, -20);
IS(ZX_ERR_TIMED_OUT, -21);
IS(ZX_ERR_SHOULD_WAIT, -22);
IS(ZX_ERR_CANCELED, -23);
IS(ZX_ERR_NOT_FOUND, -25);
IS(ZX_ERR_ALREADY_EXISTS, -26);
IS(ZX_ERR_UNAVAILABLE, -28);
IS(ZX_ERR_ACCESS_DENIED, -30);
IS(ZX_ERR_STOP, -60);
IS(ZX_ERR_NEXT, -61);

/* ---- Rights ---- */

IS(ZX_RIGHT_NONE, 0);
IS(ZX_RIGHT_DUPLICATE, 0x1);
IS(ZX_RIGHT_TRANSFER, 0x2);
IS(ZX_RIGHT_READ, 0x4);
IS(ZX_RIGHT_WRITE, 0x8);
IS(ZX_RIGHT_EXECUTE, 0x10);
IS(ZX_RIGHT_MAP, 0x20);
IS(ZX_RIGHT_GET_PROPERTY, 0x40);
IS(ZX_RIGHT_SET_PROPERTY, 0x80);
IS(ZX_RIGHT_ENUMERATE, 0x100);
IS(ZX_RIGHT_DESTROY, 0x200);
IS(ZX_RIGHT_SET_POLICY, 0x400);
IS(ZX_RIGHT_GET_POLICY, 0x800);
IS(ZX_RIGHT_SIGNAL, 0x1000);
IS(ZX_RIGHT_SIGNAL_PEER, 0x2000);
IS(ZX_RIGHT_WAIT, 0x4000);
IS(ZX_RIGHT_INSPECT, 0x8000);
IS(ZX_RIGHT_MANAGE_JOB, 0x10000);
IS(ZX_RIGHT_MANAGE_PROCESS, 0x20000);
IS(ZX_RIGHT_MANAGE_THREAD, 0x40000);
IS(ZX_RIGHT_APPLY_PROFILE, 0x80000);
IS(ZX_RIGHT_OP_CHILDREN, 0x200000);
IS(ZX_RIGHT_RESIZE, 0x400000);
IS(ZX_RIGHT_SAME_RIGHTS, 0x80000000);
IS(ZX_RIGHTS_BASIC, 0xc003);
IS(ZX_RIGHTS_IO, 0xc);
IS(ZX_RIGHTS_PROPERTY, 0xc0);
IS(ZX_RIGHTS_POLICY, 0xc00);
IS(ZX_DEFAULT_VMAR_RIGHTS, 0x208003);
IS(ZX_DEFAULT_VMO_RIGHTS, 0xd0ef);
IS(ZX_DEFAULT_PROCESS_RIGHTS, 0x6d3cf);
IS(ZX_DEFAULT_THREAD_RIGHTS, 0x4d2cf);
IS(ZX_DEFAULT_JOB_RIGHTS, 0x7dfcf);

/* ---- Options and operations ---- */

IS(ZX_VM_PERM_READ, 0x1);
IS(ZX_VM_PERM_WRITE, 0x2);
IS(ZX_VM_PERM_EXECUTE, 0x4);
IS(ZX_VM_COMPACT, 0x8);
IS(ZX_VM_SPECIFIC, 0x10);
IS(ZX_VM_SPECIFIC_OVERWRITE, 0x20);
IS(ZX_VM_CAN_MAP_SPECIFIC, 0x40);
IS(ZX_VM_CAN_MAP_READ, 0x80);
IS(ZX_VM_CAN_MAP_WRITE, 0x100);
IS(ZX_VM_CAN_MAP_EXECUTE, 0x200);
IS(ZX_VM_MAP_RANGE, 0x400);
IS(ZX_VM_REQUIRE_NON_RESIZABLE, 0x800);
IS(ZX_VM_ALLOW_FAULTS, 0x1000);
IS(ZX_VM_OFFSET_IS_UPPER_LIMIT, 0x2000);
IS(ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED, 0x4000);
IS(ZX_VM_ALIGN_BASE, 24);
IS(ZX_VM_ALIGN_1KB, 0x0a000000);
IS(ZX_VM_ALIGN_2KB, 0x0b000000);
IS(ZX_VM_ALIGN_4KB, 0x0c000000);
IS(ZX_VM_ALIGN_8KB, 0x0d000000);
IS(ZX_VM_ALIGN_16KB, 0x0e000000);
IS(ZX_VM_ALIGN_32KB, 0x0f000000);
IS(ZX_VM_ALIGN_64KB, 0x10000000);
IS(ZX_VM_ALIGN_128KB, 0x11000000);
IS(ZX_VM_ALIGN_256KB, 0x12000000);
IS(ZX_VM_ALIGN_512KB, 0x13000000);
IS(ZX_VM_ALIGN_1MB, 0x14000000);
IS(ZX_VM_ALIGN_2MB, 0x15000000);
IS(ZX_VM_ALIGN_4MB, 0x16000000);
IS(ZX_VM_ALIGN_8MB, 0x17000000);
IS(ZX_VM_ALIGN_16MB, 0x18000000);
IS(ZX_VM_ALIGN_32MB, 0x19000000);
IS(ZX_VM_ALIGN_64MB, 0x1a000000);
IS(ZX_VM_ALIGN_128MB, 0x1b000000);
IS(ZX_VM_ALIGN_256MB, 0x1c000000);
IS(ZX_VM_ALIGN_512MB, 0x1d000000);
IS(ZX_VM_ALIGN_1GB, 0x1e000000);
IS(ZX_VM_ALIGN_2GB, 0x1f000000);
IS(ZX_VM_ALIGN_4GB, 0x20000000);

IS(ZX_VMO_RESIZABLE, 0x2);
IS(ZX_PROCESS_SHARED, 0x1);
IS(ZX_VMO_OP_COMMIT, 1);
IS(ZX_VMO_OP_DECOMMIT, 2);
IS(ZX_VMO_OP_CACHE_SYNC, 6);
IS(ZX_VMO_OP_CACHE_INVALIDATE, 7);
IS(ZX_VMO_OP_CACHE_CLEAN, 8);
IS(ZX_VMO_OP_CACHE_CLEAN_INVALIDATE, 9);
IS(ZX_VMO_OP_ZERO, 10);
IS(ZX_VMO_OP_DONT_NEED, 12);
IS(ZX_VMO_OP_ALWAYS_NEED, 13);
IS(ZX_VMAR_OP_COMMIT, 1);
IS(ZX_VMAR_OP_DECOMMIT, 2);
IS(ZX_VMAR_OP_MAP_RANGE, 3);
IS(ZX_VMAR_OP_DONT_NEED, 12);
IS(ZX_VMAR_OP_ALWAYS_NEED, 13);
IS(ZX_VMO_CHILD_SNAPSHOT, 0x1);
IS(ZX_VMO_CHILD_RESIZABLE, 0x4);
IS(ZX_VMO_CHILD_SLICE, 0x8);
IS(ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0x10);
IS(ZX_VMO_CHILD_NO_WRITE, 0x20);

/* ---- What can be learned of objects ---- */

IS(ZX_INFO_HANDLE_VALID, 1);
IS(ZX_INFO_HANDLE_BASIC, 2);
IS(ZX_INFO_PROCESS, 3);
IS(ZX_INFO_VMAR, 7);
IS(ZX_INFO_TASK_STATS, 12);
IS(ZX_INFO_PROCESS_MAPS, 13);
IS(ZX_INFO_KMEM_STATS, 17);
IS(ZX_INFO_HANDLE_COUNT, 19);
IS(ZX_INFO_VMO, 23);
IS(ZX_PROP_NAME, 3);
IS(ZX_INFO_MAPS_TYPE_NONE, 0);
IS(ZX_INFO_MAPS_TYPE_ASPACE, 1);
IS(ZX_INFO_MAPS_TYPE_VMAR, 2);
IS(ZX_INFO_MAPS_TYPE_MAPPING, 3);
IS(ZX_INFO_VMO_TYPE_PAGED, 0x1);
IS(ZX_INFO_VMO_TYPE_PHYSICAL, 0);
IS(ZX_INFO_VMO_TYPE(0xffffffff), 0x1);
IS(ZX_INFO_VMO_RESIZABLE, 0x2);
IS(ZX_INFO_VMO_IS_COW_CLONE, 0x4);
IS(ZX_INFO_VMO_VIA_HANDLE, 0x8);
IS(ZX_INFO_VMO_VIA_MAPPING, 0x10);
IS(ZX_INFO_VMO_PAGER_BACKED, 0x20);
IS(ZX_INFO_VMO_CONTIGUOUS, 0x40);
IS(ZX_INFO_PROCESS_FLAG_STARTED, 0x1);
IS(ZX_INFO_PROCESS_FLAG_EXITED, 0x2);

/* A member is where it is, and as large as that. */
#define MEMBER(structure, member, at, size)                                                                  \
    _Static_assert(offsetof(structure, member) == (at) && sizeof(((structure *)0)->member) == (size),        \
                   #structure "." #member)

IS(sizeof(zx_info_handle_basic_t), 32);
MEMBER(zx_info_handle_basic_t, koid, 0, 8);
MEMBER(zx_info_handle_basic_t, rights, 8, 4);
MEMBER(zx_info_handle_basic_t, type, 12, 4);
MEMBER(zx_info_handle_basic_t, related_koid, 16, 8);
MEMBER(zx_info_handle_basic_t, reserved, 24, 4);

IS(sizeof(zx_info_process_t), 24);
MEMBER(zx_info_process_t, return_code, 0, 8);
MEMBER(zx_info_process_t, start_time, 8, 8);
MEMBER(zx_info_process_t, flags, 16, 4);

IS(sizeof(zx_info_vmar_t), 16);
MEMBER(zx_info_vmar_t, base, 0, 8);
MEMBER(zx_info_vmar_t, len, 8, 8);

IS(sizeof(zx_info_task_stats_t), 32);
MEMBER(zx_info_task_stats_t, mem_mapped_bytes, 0, 8);
MEMBER(zx_info_task_stats_t, mem_private_bytes, 8, 8);
MEMBER(zx_info_task_stats_t, mem_shared_bytes, 16, 8);
MEMBER(zx_info_task_stats_t, mem_scaled_shared_bytes, 24, 8);

IS(sizeof(zx_info_maps_mapping_t), 32);
MEMBER(zx_info_maps_mapping_t, mmu_flags, 0, 4);
MEMBER(zx_info_maps_mapping_t, vmo_koid, 8, 8);
MEMBER(zx_info_maps_mapping_t, vmo_offset, 16, 8);
MEMBER(zx_info_maps_mapping_t, committed_pages, 24, 8);

IS(sizeof(zx_info_maps_t), 96);
MEMBER(zx_info_maps_t, name, 0, 32);
MEMBER(zx_info_maps_t, base, 32, 8);
MEMBER(zx_info_maps_t, size, 40, 8);
MEMBER(zx_info_maps_t, depth, 48, 8);
MEMBER(zx_info_maps_t, type, 56, 4);
MEMBER(zx_info_maps_t, u, 64, 32);
MEMBER(zx_info_maps_t, u.mapping, 64, 32);

IS(sizeof(zx_info_kmem_stats_t), 72);
MEMBER(zx_info_kmem_stats_t, total_bytes, 0, 8);
MEMBER(zx_info_kmem_stats_t, free_bytes, 8, 8);
MEMBER(zx_info_kmem_stats_t, wired_bytes, 16, 8);
MEMBER(zx_info_kmem_stats_t, total_heap_bytes, 24, 8);
MEMBER(zx_info_kmem_stats_t, free_heap_bytes, 32, 8);
MEMBER(zx_info_kmem_stats_t, vmo_bytes, 40, 8);
MEMBER(zx_info_kmem_stats_t, mmu_overhead_bytes, 48, 8);
MEMBER(zx_info_kmem_stats_t, ipc_bytes, 56, 8);
MEMBER(zx_info_kmem_stats_t, other_bytes, 64, 8);

IS(sizeof(zx_info_handle_count_t), 4);
MEMBER(zx_info_handle_count_t, handle_count, 0, 4);

IS(sizeof(zx_info_vmo_t), 104);
MEMBER(zx_info_vmo_t, koid, 0, 8);
MEMBER(zx_info_vmo_t, name, 8, 32);
MEMBER(zx_info_vmo_t, size_bytes, 40, 8);
MEMBER(zx_info_vmo_t, parent_koid, 48, 8);
MEMBER(zx_info_vmo_t, num_children, 56, 8);
MEMBER(zx_info_vmo_t, num_mappings, 64, 8);
MEMBER(zx_info_vmo_t, share_count, 72, 8);
MEMBER(zx_info_vmo_t, flags, 80, 4);
MEMBER(zx_info_vmo_t, committed_bytes, 88, 8);
MEMBER(zx_info_vmo_t, handle_rights, 96, 4);
MEMBER(zx_info_vmo_t, cache_policy, 100, 4);

/* ---- Calls ---- */

/* CALL(name, result, arguments…) */
#define CALL(name, result, ...)                                                                              \
    _Static_assert(_Generic(&(name), result(*)(__VA_ARGS__) : 1, default : 0), "the type of " #name)

CALL(zx_status_get_string, const char *, zx_status_t);
CALL(zx_vmar_allocate, zx_status_t, zx_handle_t, zx_vm_option_t, size_t, size_t, zx_handle_t *, zx_vaddr_t *);
CALL(zx_vmar_map, zx_status_t, zx_handle_t, zx_vm_option_t, size_t, zx_handle_t, uint64_t, size_t,
     zx_vaddr_t *);
CALL(zx_vmar_unmap, zx_status_t, zx_handle_t, zx_vaddr_t, size_t);
CALL(zx_vmar_protect, zx_status_t, zx_handle_t, zx_vm_option_t, zx_vaddr_t, size_t);
CALL(zx_vmar_destroy, zx_status_t, zx_handle_t);
CALL(zx_vmar_op_range, zx_status_t, zx_handle_t, uint32_t, zx_vaddr_t, size_t, void *, size_t);
CALL(zx_vmo_create, zx_status_t, uint64_t, uint32_t, zx_handle_t *);
CALL(zx_vmo_create_child, zx_status_t, zx_handle_t, uint32_t, uint64_t, uint64_t, zx_handle_t *);
CALL(zx_vmo_read, zx_status_t, zx_handle_t, void *, uint64_t, size_t);
CALL(zx_vmo_write, zx_status_t, zx_handle_t, const void *, uint64_t, size_t);
CALL(zx_vmo_get_size, zx_status_t, zx_handle_t, uint64_t *);
CALL(zx_vmo_set_size, zx_status_t, zx_handle_t, uint64_t);
CALL(zx_vmo_op_range, zx_status_t, zx_handle_t, uint32_t, uint64_t, uint64_t, void *, size_t);
CALL(zx_vmo_replace_as_executable, zx_status_t, zx_handle_t, zx_handle_t, zx_handle_t *);
CALL(zx_handle_close, zx_status_t, zx_handle_t);
CALL(zx_handle_close_many, zx_status_t, const zx_handle_t *, size_t);
CALL(zx_handle_duplicate, zx_status_t, zx_handle_t, zx_rights_t, zx_handle_t *);
CALL(zx_handle_replace, zx_status_t, zx_handle_t, zx_rights_t, zx_handle_t *);
CALL(zx_object_get_info, zx_status_t, zx_handle_t, uint32_t, void *, size_t, size_t *, size_t *);
CALL(zx_object_get_property, zx_status_t, zx_handle_t, uint32_t, void *, size_t);
CALL(zx_object_set_property, zx_status_t, zx_handle_t, uint32_t, const void *, size_t);
CALL(zx_process_create, zx_status_t, zx_handle_t, const char *, size_t, uint32_t, zx_handle_t *,
     zx_handle_t *);
CALL(zx_process_create_shared, zx_status_t, zx_handle_t, uint32_t, const char *, size_t, zx_handle_t *,
     zx_handle_t *);
CALL(zx_process_start, zx_status_t, zx_handle_t, zx_handle_t, zx_vaddr_t, zx_vaddr_t, zx_handle_t, uintptr_t);
CALL(zx_process_exit, void, int64_t);
CALL(zx_task_kill, zx_status_t, zx_handle_t);
CALL(zx_thread_create, zx_status_t, zx_handle_t, const char *, size_t, uint32_t, zx_handle_t *);
CALL(zx_thread_start, zx_status_t, zx_handle_t, zx_vaddr_t, zx_vaddr_t, uintptr_t, uintptr_t);
CALL(zx_thread_exit, void, void);
CALL(zx_object_wait_one, zx_status_t, zx_handle_t, zx_signals_t, zx_time_t, zx_signals_t *);
CALL(zx_nanosleep, zx_status_t, zx_time_t);
CALL(zx_clock_get_monotonic, zx_time_t, void);
CALL(zx_ticks_per_second, zx_ticks_t, void);
CALL(zx_process_read_memory, zx_status_t, zx_handle_t, zx_vaddr_t, void *, size_t, size_t *);
CALL(zx_process_write_memory, zx_status_t, zx_handle_t, zx_vaddr_t, const void *, size_t, size_t *);
CALL(zx_process_self, zx_handle_t, void);
CALL(zx_vmar_root_self, zx_handle_t, void);
CALL(zx_job_default, zx_handle_t, void);
CALL(zx_system_get_page_size, uint32_t, void);
CALL(zx_system_get_physmem, uint64_t, void);
CALL(zx_cprng_draw, void, void *, size_t);
CALL(zx_ticks_get, zx_ticks_t, void);
CALL(zx_debug_write, zx_status_t, const char *, size_t);

/* ---- Values ---- */

TEST(handles)
{
    const zx_handle_t handles[] = {make_vmo(ZX_PAGE_SIZE, 0), closed_handle(), zx_process_self(),
                                   zx_vmar_root_self(), zx_job_default()};
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        CHECK(handles[i] != ZX_HANDLE_INVALID);
        CHECK_EQUAL(handles[i] & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
        for (unsigned j = 0; j < i; j++)
            CHECK(handles[i] != handles[j]);
    }
}

const struct conformance_test types_tests[] = {CASE(handles), NO_MORE_CASES};
