/* SPDX-License-Identifier: MIT */
/* spawn.c: further processes of the calling program. */
#include "../elf.h"
#include "runtime.h"
#include "zvm.h"

zx_status_t spawn_self(const char *name, unsigned argument_count, const char *const *arguments,
                       zx_handle_t *process)
{
    struct elf_program program = {.name = name, .argument_count = argument_count, .arguments = arguments};
    zx_status_t status = zvm_vdso_vmo(&program.vdso);
    if (status != ZX_OK)
        return status;
    status = zvm_program_vmo(&program.image);
    if (status == ZX_OK) {
        status = elf_start(&program, process);
        (void)zx_handle_close(program.image);
    }
    (void)zx_handle_close(program.vdso);
    return status;
}

zx_status_t process_wait(zx_handle_t process, int64_t *return_code)
{
    zx_info_process_t info;
    zx_status_t status = zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL);
    if (status == ZX_OK)
        status = zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL);
    if (status != ZX_OK)
        return status;
    *return_code = info.return_code;
    return zx_handle_close(process);
}
