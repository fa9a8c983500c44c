/* SPDX-License-Identifier: MIT */
/* Topics of zx_object_get_info, properties, and the structures that they fill in. */
#ifndef ZIRCON_SYSCALLS_OBJECT_H_
#define ZIRCON_SYSCALLS_OBJECT_H_

#include <zircon/types.h>

#define ZX_INFO_HANDLE_VALID ((uint32_t)1u)
#define ZX_INFO_HANDLE_BASIC ((uint32_t)2u)
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
    zx_koid_t related_koid; /* 0 where the type has no related object */
    uint32_t reserved;
    uint8_t padding1[4];
} zx_info_handle_basic_t;

typedef struct zx_info_vmar {
    uintptr_t base;
    size_t len;
} zx_info_vmar_t;

#endif /* ZIRCON_SYSCALLS_OBJECT_H_ */
