/* SPDX-License-Identifier: MIT */
/* test_aid.c: the calls of user/zvm.h, which exist while a program is run by the kernel's command. */
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/port.h>
#include <vm/vmo.h>
#include <zircon/syscalls.h>

#include "kill.h"
#include "paging.h"
#include "percpu.h"
#include "port.h"
#include "program.h"
#include "thread.h"
#include "user/zvm.h"

#define GIVEN_RIGHTS                                                                                         \
    (ZX_RIGHT_READ | ZX_RIGHT_MAP | ZX_RIGHT_EXECUTE | ZX_RIGHT_DUPLICATE | ZX_RIGHT_TRANSFER |              \
     ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_INSPECT)

zx_status_t zvm_fail_allocation(uint64_t nth, uint32_t persistent)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    port_fail_allocation(nth, persistent != 0);
    return ZX_OK;
}

zx_status_t zvm_state_hash(uint64_t *out)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    uint64_t hash = vm_state_hash();
    return port_copy_to_user(out, &hash, sizeof(hash));
}

zx_status_t zvm_check(void)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    return vm_check(&vm_log_sink) ? ZX_OK : ZX_ERR_INTERNAL;
}

static zx_status_t give(struct vm_vmo *vmo, zx_handle_t *out)
{
    zx_handle_t handle;
    zx_status_t status = vm_vmo_give(vmo, port_current_process(), GIVEN_RIGHTS, &handle);
    if (status != ZX_OK)
        return status;
    status = port_copy_to_user(out, &handle, sizeof(handle));
    if (status != ZX_OK)
        zx_handle_close(handle);
    return status;
}

zx_status_t zvm_vdso_vmo(zx_handle_t *out)
{
    return program_is_running() ? give(program_vdso(), out) : ZX_ERR_BAD_SYSCALL;
}

zx_status_t zvm_program_vmo(zx_handle_t *out)
{
    struct vm_vmo *image = program_image();
    if (image == NULL)
        return ZX_ERR_BAD_SYSCALL;
    zx_status_t status = give(image, out);
    vm_vmo_release(image);
    return status;
}

zx_status_t zvm_processors(uint32_t *out)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    uint32_t count = percpu_count();
    return port_copy_to_user(out, &count, sizeof(count));
}

zx_status_t zvm_others_wait(void)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    return thread_others_wait() ? ZX_OK : ZX_ERR_SHOULD_WAIT;
}

zx_status_t zvm_catch_faults(zx_vaddr_t handler, uint32_t options)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    if ((options & ~ZVM_CATCH_ALL) != 0)
        return ZX_ERR_INVALID_ARGS;
    return thread_set_fault_handler(handler, (options & ZVM_CATCH_ALL) != 0);
}

zx_status_t zvm_poke(zx_vaddr_t va, uint32_t byte, uint32_t *before)
{
    zx_paddr_t pa;
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    zx_paddr_t root = vm_aspace_table_root(vm_process_aspace(port_current_process())); /* 0: just killed */
    if (va >= VM_USER_ASPACE_TOP || root == 0 || !paging_walk(root, va, &pa))
        return ZX_ERR_NOT_FOUND;
    volatile uint8_t *at = physical_to_virtual(pa);
    uint32_t old = *at;
    zx_status_t status = port_copy_to_user(before, &old, sizeof(old));
    if (status == ZX_OK)
        *at = (uint8_t)byte;
    return status;
}

zx_status_t zvm_report_deaths(uint32_t in_full)
{
    if (!program_is_running())
        return ZX_ERR_BAD_SYSCALL;
    kill_report_in_full(in_full != 0);
    return ZX_OK;
}
