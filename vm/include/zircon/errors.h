/* SPDX-License-Identifier: MIT */
/* Status codes of the public interface: ZX_OK, or a negative number that says why a call was refused. */
#ifndef ZIRCON_ERRORS_H_
#define ZIRCON_ERRORS_H_

#include <stdint.h>

typedef int32_t zx_status_t;

#define ZX_OK                   (0)
#define ZX_ERR_INTERNAL         (-1)
#define ZX_ERR_NOT_SUPPORTED    (-2)
#define ZX_ERR_NO_RESOURCES     (-3)
#define ZX_ERR_NO_MEMORY        (-4)
#define ZX_ERR_INVALID_ARGS     (-10)
#define ZX_ERR_BAD_HANDLE       (-11)
#define ZX_ERR_WRONG_TYPE       (-12)
#define ZX_ERR_BAD_SYSCALL      (-13)
#define ZX_ERR_OUT_OF_RANGE     (-14)
#define ZX_ERR_BUFFER_TOO_SMALL (-15)
#define ZX_ERR_BAD_STATE        (-20)
#define ZX_ERR_TIMED_OUT        (-21)
#define ZX_ERR_SHOULD_WAIT      (-22)
#define ZX_ERR_CANCELED         (-23)
#define ZX_ERR_NOT_FOUND        (-25)
#define ZX_ERR_ALREADY_EXISTS   (-26)
#define ZX_ERR_UNAVAILABLE      (-28)
#define ZX_ERR_ACCESS_DENIED    (-30)
#define ZX_ERR_STOP             (-60)
#define ZX_ERR_NEXT             (-61)

#ifdef __cplusplus
extern "C" {
#endif

/* The name of a status ("ZX_ERR_NO_MEMORY"), "(UNKNOWN)" for a number that is none. Never null; static
   storage. */
const char *zx_status_get_string(zx_status_t status);

#ifdef __cplusplus
}
#endif

#endif /* ZIRCON_ERRORS_H_ */
