/* SPDX-License-Identifier: MIT */
/* Basic types of the public interface: handles, statuses, rights, addresses, object types. */
#ifndef ZIRCON_TYPES_H_
#define ZIRCON_TYPES_H_

#include <stddef.h>
#include <stdint.h>

#include <zircon/errors.h>
#include <zircon/limits.h>
#include <zircon/rights.h>

typedef uint32_t zx_handle_t;
#define ZX_HANDLE_INVALID ((zx_handle_t)0)
/* Bits that are set in every valid handle. */
#define ZX_HANDLE_FIXED_BITS_MASK ((zx_handle_t)0x3)

typedef uint32_t zx_vm_option_t;
typedef uintptr_t zx_vaddr_t;
typedef uintptr_t zx_paddr_t;
typedef uint64_t zx_off_t;

/* Nanoseconds of the clock that never goes back (zx_clock_get_monotonic), and between two of its moments. */
typedef int64_t zx_time_t;
typedef int64_t zx_duration_t;
typedef int64_t zx_ticks_t;
#define ZX_TIME_INFINITE      ((zx_time_t)INT64_MAX)
#define ZX_TIME_INFINITE_PAST ((zx_time_t)INT64_MIN)
#define ZX_NSEC(n)            ((zx_duration_t)(1LL * (n)))
#define ZX_USEC(n)            ((zx_duration_t)(1000LL * (n)))
#define ZX_MSEC(n)            ((zx_duration_t)(1000000LL * (n)))
#define ZX_SEC(n)             ((zx_duration_t)(1000000000LL * (n)))
#define ZX_MIN(n)             (ZX_SEC(n) * 60LL)
#define ZX_HOUR(n)            (ZX_MIN(n) * 60LL)

/* What an object says of itself, a bit each; zx_object_wait_one. */
typedef uint32_t zx_signals_t;
#define ZX_SIGNAL_NONE        ((zx_signals_t)0u)
#define ZX_TASK_TERMINATED    ((zx_signals_t)(1u << 3))
#define ZX_PROCESS_TERMINATED ZX_TASK_TERMINATED
#define ZX_THREAD_TERMINATED  ZX_TASK_TERMINATED
#define ZX_THREAD_RUNNING     ((zx_signals_t)(1u << 4))

/* Return codes of processes that did not end by themselves. */
#define ZX_TASK_RETCODE_SYSCALL_KILL   ((int64_t)-1024) /* zx_task_kill, or nobody had a handle any more */
#define ZX_TASK_RETCODE_VDSO_KILL      ((int64_t)-1027) /* a system call from outside of the vDSO */
#define ZX_TASK_RETCODE_EXCEPTION_KILL ((int64_t)-1028) /* an exception that nobody handled */

typedef uint64_t zx_koid_t;
#define ZX_KOID_INVALID ((zx_koid_t)0)
#define ZX_KOID_KERNEL  ((zx_koid_t)1)
#define ZX_KOID_FIRST   ((zx_koid_t)1024)

typedef uint32_t zx_obj_type_t;
#define ZX_OBJ_TYPE_NONE    ((zx_obj_type_t)0u)
#define ZX_OBJ_TYPE_PROCESS ((zx_obj_type_t)1u)
#define ZX_OBJ_TYPE_THREAD  ((zx_obj_type_t)2u)
#define ZX_OBJ_TYPE_VMO     ((zx_obj_type_t)3u)
#define ZX_OBJ_TYPE_JOB     ((zx_obj_type_t)17u)
#define ZX_OBJ_TYPE_VMAR    ((zx_obj_type_t)18u)

/* Longest name of an object, the terminating NUL included. */
#define ZX_MAX_NAME_LEN ((size_t)32u)

/* Options of zx_vmar_allocate, zx_vmar_map and zx_vmar_protect. */
#define ZX_VM_PERM_READ                    ((zx_vm_option_t)(1u << 0))
#define ZX_VM_PERM_WRITE                   ((zx_vm_option_t)(1u << 1))
#define ZX_VM_PERM_EXECUTE                 ((zx_vm_option_t)(1u << 2))
#define ZX_VM_COMPACT                      ((zx_vm_option_t)(1u << 3))
#define ZX_VM_SPECIFIC                     ((zx_vm_option_t)(1u << 4))
#define ZX_VM_SPECIFIC_OVERWRITE           ((zx_vm_option_t)(1u << 5))
#define ZX_VM_CAN_MAP_SPECIFIC             ((zx_vm_option_t)(1u << 6))
#define ZX_VM_CAN_MAP_READ                 ((zx_vm_option_t)(1u << 7))
#define ZX_VM_CAN_MAP_WRITE                ((zx_vm_option_t)(1u << 8))
#define ZX_VM_CAN_MAP_EXECUTE              ((zx_vm_option_t)(1u << 9))
#define ZX_VM_MAP_RANGE                    ((zx_vm_option_t)(1u << 10))
#define ZX_VM_REQUIRE_NON_RESIZABLE        ((zx_vm_option_t)(1u << 11))
#define ZX_VM_ALLOW_FAULTS                 ((zx_vm_option_t)(1u << 12))
#define ZX_VM_OFFSET_IS_UPPER_LIMIT        ((zx_vm_option_t)(1u << 13))
#define ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED ((zx_vm_option_t)(1u << 14))

/* The top byte of the options holds log2 of the alignment; 0 asks for none. */
#define ZX_VM_ALIGN_BASE  24
#define ZX_VM_ALIGN_1KB   ((zx_vm_option_t)(10u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_2KB   ((zx_vm_option_t)(11u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_4KB   ((zx_vm_option_t)(12u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_8KB   ((zx_vm_option_t)(13u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_16KB  ((zx_vm_option_t)(14u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_32KB  ((zx_vm_option_t)(15u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_64KB  ((zx_vm_option_t)(16u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_128KB ((zx_vm_option_t)(17u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_256KB ((zx_vm_option_t)(18u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_512KB ((zx_vm_option_t)(19u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_1MB   ((zx_vm_option_t)(20u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_2MB   ((zx_vm_option_t)(21u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_4MB   ((zx_vm_option_t)(22u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_8MB   ((zx_vm_option_t)(23u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_16MB  ((zx_vm_option_t)(24u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_32MB  ((zx_vm_option_t)(25u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_64MB  ((zx_vm_option_t)(26u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_128MB ((zx_vm_option_t)(27u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_256MB ((zx_vm_option_t)(28u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_512MB ((zx_vm_option_t)(29u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_1GB   ((zx_vm_option_t)(30u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_2GB   ((zx_vm_option_t)(31u << ZX_VM_ALIGN_BASE))
#define ZX_VM_ALIGN_4GB   ((zx_vm_option_t)(32u << ZX_VM_ALIGN_BASE))

/* Options of zx_vmo_create. */
#define ZX_VMO_RESIZABLE ((uint32_t)(1u << 1))

/* Options of zx_process_create. */
#define ZX_PROCESS_SHARED ((uint32_t)(1u << 0))

/* Operations of zx_vmo_op_range. */
#define ZX_VMO_OP_COMMIT                 ((uint32_t)1u)
#define ZX_VMO_OP_DECOMMIT               ((uint32_t)2u)
#define ZX_VMO_OP_CACHE_SYNC             ((uint32_t)6u)
#define ZX_VMO_OP_CACHE_INVALIDATE       ((uint32_t)7u)
#define ZX_VMO_OP_CACHE_CLEAN            ((uint32_t)8u)
#define ZX_VMO_OP_CACHE_CLEAN_INVALIDATE ((uint32_t)9u)
#define ZX_VMO_OP_ZERO                   ((uint32_t)10u)
#define ZX_VMO_OP_DONT_NEED              ((uint32_t)12u)
#define ZX_VMO_OP_ALWAYS_NEED            ((uint32_t)13u)

/* Operations of zx_vmar_op_range. */
#define ZX_VMAR_OP_COMMIT      ((uint32_t)1u)
#define ZX_VMAR_OP_DECOMMIT    ((uint32_t)2u)
#define ZX_VMAR_OP_MAP_RANGE   ((uint32_t)3u)
#define ZX_VMAR_OP_DONT_NEED   ((uint32_t)12u)
#define ZX_VMAR_OP_ALWAYS_NEED ((uint32_t)13u)

/* Options of zx_vmo_create_child. */
#define ZX_VMO_CHILD_SNAPSHOT                   ((uint32_t)(1u << 0))
#define ZX_VMO_CHILD_RESIZABLE                  ((uint32_t)(1u << 2))
#define ZX_VMO_CHILD_SLICE                      ((uint32_t)(1u << 3))
#define ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE ((uint32_t)(1u << 4))
#define ZX_VMO_CHILD_NO_WRITE                   ((uint32_t)(1u << 5))

#endif /* ZIRCON_TYPES_H_ */
