/* SPDX-License-Identifier: MIT */
/*
 * vdso.c: the calls that the vDSO answers by itself. zx_status_get_string is another: vm/status.c is linked in.
 *
 * The vDSO is a shared object without data, relocations or calls to anything else: it is mapped as it lies in the file.
 */
#include <zircon/syscalls.h>

uint32_t zx_system_get_page_size(void)
{
    return ZX_PAGE_SIZE;
}
