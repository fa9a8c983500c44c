/* SPDX-License-Identifier: MIT */
/* access.c: what reading, writing and executing memory answers, and what it does. */
#include "conformance.h"

#define READ  ZX_VM_PERM_READ
#define WRITE ZX_VM_PERM_WRITE
#define EXEC  ZX_VM_PERM_EXECUTE

/* Each permission that can be mapped, and each way to use it. */
TEST(permissions)
{
    static const zx_vm_option_t perms[] = {0, READ, READ | WRITE, READ | EXEC, READ | WRITE | EXEC};
    zx_vaddr_t base;
    zx_handle_t vmo = make_executable_vmo(ZX_PAGE_SIZE), vmar = make_vmar(EVERYTHING, 16, &base);
    char byte;
    for (unsigned i = 0; i < sizeof(perms) / sizeof(perms[0]); i++) {
        zx_vaddr_t at = map_at(vmar, perms[i], i * ZX_PAGE_SIZE, vmo, 0, 1);
        NOTE(perms[i]);
        if ((perms[i] & READ) != 0)
            OK(access_read(at, &byte, 1));
        else
            REFUSED(ZX_ERR_ACCESS_DENIED, access_read(at, &byte, 1));
        if ((perms[i] & EXEC) != 0)
            OK(access_execute(at, 1));
        else
            REFUSED(ZX_ERR_ACCESS_DENIED, access_execute(at, 1));
        if ((perms[i] & WRITE) != 0)
            OK(touch(at, 'w'));
        else
            REFUSED(ZX_ERR_ACCESS_DENIED, touch(at, 'w'));
    }
}

const struct conformance_test access_tests[] = {CASE(permissions), NO_MORE_CASES};
