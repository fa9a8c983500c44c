/* SPDX-License-Identifier: MIT */
/* Topics of zx_object_get_info, properties, and the structures that they fill in. */
#ifndef ZIRCON_SYSCALLS_OBJECT_H_
#define ZIRCON_SYSCALLS_OBJECT_H_

#include <zircon/types.h>

#define ZX_INFO_HANDLE_VALID ((uint32_t)1u)
#define ZX_INFO_HANDLE_BASIC ((uint32_t)2u)
#define ZX_INFO_PROCESS      ((uint32_t)3u)
#define ZX_INFO_VMAR         ((uint32_t)7u)
#define ZX_INFO_TASK_STATS   ((uint32_t)12u)
#define ZX_INFO_PROCESS_MAPS ((uint32_t)13u)
#define ZX_INFO_KMEM_STATS   ((uint32_t)17u)
#define ZX_INFO_HANDLE_COUNT ((uint32_t)19u)
#define ZX_INFO_VMO          ((uint32_t)23u)

#define ZX_PROP_NAME ((uint32_t)3u)

typedef struct zx_info_handle_basic {
    zx_koid_t koid;     /* the object, for as long as the machine runs */
    zx_rights_t rights; /* of the handle asked about */
    zx_obj_type_t type;
    zx_koid_t related_koid; /* of a thread its process; else 0 */
    uint32_t reserved;
    uint8_t padding1[4];
} zx_info_handle_basic_t;

#define ZX_INFO_PROCESS_FLAG_STARTED ((uint32_t)(1u << 0)) /* a thread of it was started */
#define ZX_INFO_PROCESS_FLAG_EXITED                                                                          \
    ((uint32_t)(1u << 1)) /* it is dead; some threads may still be on their way out */

typedef struct zx_info_process {
    int64_t return_code;  /* where it has EXITED: that of zx_process_exit, or ZX_TASK_RETCODE_*; else 0 */
    zx_time_t start_time; /* where it was STARTED; else 0 */
    uint32_t flags;       /* ZX_INFO_PROCESS_FLAG_* */
    uint8_t padding1[4];
} zx_info_process_t;

typedef struct zx_info_vmar {
    uintptr_t base;
    size_t len;
} zx_info_vmar_t;

/* Pages are looked at by the VMO that is mapped: one that a snapshot shares with its parent is private to a space where
   that space alone maps the VMO asked through, although other spaces may show the same page by way of the other VMO. */
typedef struct zx_info_task_stats {
    size_t mem_mapped_bytes;  /* in mappings, with memory or not */
    size_t mem_private_bytes; /* with memory, and mapped into this process alone; mapped twice counts twice */
    size_t mem_shared_bytes;  /* with memory, and mapped into other processes too */
    /* The same, each page divided by the address spaces that map it, and what is in a space that several
       processes share divided by these. */
    size_t mem_scaled_shared_bytes;
} zx_info_task_stats_t;

typedef uint32_t zx_info_maps_type_t;
#define ZX_INFO_MAPS_TYPE_NONE    ((zx_info_maps_type_t)0u)
#define ZX_INFO_MAPS_TYPE_ASPACE  ((zx_info_maps_type_t)1u)
#define ZX_INFO_MAPS_TYPE_VMAR    ((zx_info_maps_type_t)2u)
#define ZX_INFO_MAPS_TYPE_MAPPING ((zx_info_maps_type_t)3u)

typedef struct zx_info_maps_mapping {
    zx_vm_option_t mmu_flags; /* ZX_VM_PERM_* in force */
    uint8_t padding1[4];
    zx_koid_t vmo_koid;
    uint64_t vmo_offset;
    size_t committed_pages; /* of the part mapped here, those that have memory */
} zx_info_maps_mapping_t;

typedef struct zx_info_maps {
    char name[ZX_MAX_NAME_LEN]; /* of the address space or VMO; empty for VMARs */
    zx_vaddr_t base;
    size_t size;
    size_t depth; /* 0 the address space, 1 the root VMAR, 2 what is in that, … */
    zx_info_maps_type_t type;
    uint8_t padding1[4];
    union {
        zx_info_maps_mapping_t mapping; /* ZX_INFO_MAPS_TYPE_MAPPING; zeroes otherwise */
    } u;
} zx_info_maps_t;

typedef struct zx_info_kmem_stats {
    uint64_t total_bytes;
    uint64_t free_bytes;
    uint64_t wired_bytes; /* never free */
    uint64_t total_heap_bytes;
    uint64_t free_heap_bytes; /* of these, the bytes in no object */
    uint64_t vmo_bytes;
    uint64_t mmu_overhead_bytes; /* page tables */
    uint64_t ipc_bytes;          /* 0: there is no such memory */
    uint64_t other_bytes;        /* so that all but total_bytes and free_heap_bytes add up to total_bytes */
} zx_info_kmem_stats_t;

typedef struct zx_info_handle_count {
    uint32_t handle_count; /* handles to the object, of all processes */
} zx_info_handle_count_t;

#define ZX_INFO_VMO_TYPE_PAGED    ((uint32_t)(1u << 0))
#define ZX_INFO_VMO_TYPE_PHYSICAL ((uint32_t)(0u << 0))
#define ZX_INFO_VMO_TYPE(flags)   ((flags) & (uint32_t)(1u << 0))
#define ZX_INFO_VMO_RESIZABLE     ((uint32_t)(1u << 1))
#define ZX_INFO_VMO_IS_COW_CLONE  ((uint32_t)(1u << 2))
#define ZX_INFO_VMO_VIA_HANDLE    ((uint32_t)(1u << 3))
#define ZX_INFO_VMO_VIA_MAPPING   ((uint32_t)(1u << 4))
#define ZX_INFO_VMO_PAGER_BACKED  ((uint32_t)(1u << 5))
#define ZX_INFO_VMO_CONTIGUOUS    ((uint32_t)(1u << 6))

typedef struct zx_info_vmo {
    zx_koid_t koid;
    char name[ZX_MAX_NAME_LEN];
    uint64_t size_bytes;
    zx_koid_t parent_koid; /* 0 where the VMO is nobody's child */
    size_t num_children;
    size_t num_mappings;
    size_t share_count; /* address spaces that map it, however many */
    uint32_t flags;     /* ZX_INFO_VMO_* */
    uint8_t padding1[4];
    uint64_t committed_bytes;
    zx_rights_t handle_rights; /* of the handle asked about */
    uint32_t cache_policy;     /* 0: cached */
} zx_info_vmo_t;

#endif /* ZIRCON_SYSCALLS_OBJECT_H_ */
