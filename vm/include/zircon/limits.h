/* SPDX-License-Identifier: MIT */
/* Limits of the platform: the page size, and between which sizes x86-64 may have it. */
#ifndef ZIRCON_LIMITS_H_
#define ZIRCON_LIMITS_H_

#include <stdint.h>

#define ZX_PAGE_SHIFT     ((uint32_t)12u)
#define ZX_PAGE_SIZE      ((uintptr_t)(1u << 12))
#define ZX_PAGE_MASK      (ZX_PAGE_SIZE - 1u)
#define ZX_MIN_PAGE_SHIFT ((uint32_t)12u)
#define ZX_MIN_PAGE_SIZE  ((uintptr_t)(1u << 12))
#define ZX_MAX_PAGE_SHIFT ((uint32_t)21u)
#define ZX_MAX_PAGE_SIZE  ((uintptr_t)(1u << 21))

#endif /* ZIRCON_LIMITS_H_ */
