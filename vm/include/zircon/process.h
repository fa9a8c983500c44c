/* SPDX-License-Identifier: MIT */
/* Handles that every process has from its start. The returned handles stay the process's own: do not close
   them. */
#ifndef ZIRCON_PROCESS_H_
#define ZIRCON_PROCESS_H_

#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The calling process. */
zx_handle_t zx_process_self(void);

/* The root VMAR of the calling process's address space. */
zx_handle_t zx_vmar_root_self(void);

/*
 * The job that processes belong to: the machine has this one. A process gets its handle the first time
 * that it asks; ZX_HANDLE_INVALID where there is no memory or no handle for that.
 */
zx_handle_t zx_job_default(void);

#ifdef __cplusplus
}
#endif

#endif /* ZIRCON_PROCESS_H_ */
