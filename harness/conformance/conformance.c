/* SPDX-License-Identifier: MIT */
/* conformance.c: things to make calls with. What is made here is made once and quickly: it is not what is
   tested. */
#include "conformance.h"

zx_handle_t make_vmo(uint64_t size, uint32_t options)
{
    zx_handle_t vmo = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_vmo_create(size, options, &vmo));
    return vmo;
}

zx_handle_t make_executable_vmo(uint64_t size)
{
    zx_handle_t vmo = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_vmo_replace_as_executable(make_vmo(size, 0), ZX_HANDLE_INVALID, &vmo));
    return vmo;
}

zx_handle_t make_vmar(zx_vm_option_t options, size_t pages, zx_vaddr_t *base)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_vmar_allocate(zx_vmar_root_self(), options, 0, pages * ZX_PAGE_SIZE, &vmar, base));
    return vmar;
}

zx_handle_t make_vmar_at(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t pages)
{
    zx_handle_t vmar = ZX_HANDLE_INVALID;
    zx_vaddr_t base;
    STATUS(ZX_OK,
           zx_vmar_allocate(parent, options | ZX_VM_SPECIFIC, offset, pages * ZX_PAGE_SIZE, &vmar, &base));
    return vmar;
}

zx_vaddr_t map_at(zx_handle_t vmar, zx_vm_option_t perms, size_t offset, zx_handle_t vmo, uint64_t vmo_offset,
                  size_t pages)
{
    zx_vaddr_t addr = 0;
    STATUS(ZX_OK,
           zx_vmar_map(vmar, perms | ZX_VM_SPECIFIC, offset, vmo, vmo_offset, pages * ZX_PAGE_SIZE, &addr));
    return addr;
}

zx_handle_t dead_vmar(void)
{
    zx_vaddr_t base;
    zx_handle_t vmar = make_vmar(EVERYTHING, 16, &base);
    STATUS(ZX_OK, zx_vmar_destroy(vmar));
    return vmar;
}

zx_handle_t closed_handle(void)
{
    zx_handle_t vmo = make_vmo(ZX_PAGE_SIZE, 0);
    STATUS(ZX_OK, zx_handle_close(vmo));
    return vmo;
}

zx_handle_t with_rights(zx_handle_t handle, zx_rights_t rights)
{
    zx_handle_t fewer = ZX_HANDLE_INVALID;
    STATUS(ZX_OK, zx_handle_duplicate(handle, rights, &fewer));
    return fewer;
}

zx_handle_t without(zx_handle_t handle, zx_rights_t rights)
{
    return with_rights(handle, rights_of(handle) & ~rights);
}

zx_info_handle_basic_t basic_of(zx_handle_t handle)
{
    zx_info_handle_basic_t info;
    STATUS(ZX_OK, zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof(info), NULL, NULL));
    return info;
}

zx_rights_t rights_of(zx_handle_t handle)
{
    return basic_of(handle).rights;
}

zx_info_vmar_t vmar_info_of(zx_handle_t vmar)
{
    zx_info_vmar_t info;
    STATUS(ZX_OK, zx_object_get_info(vmar, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    return info;
}

zx_info_vmo_t vmo_info_of(zx_handle_t vmo)
{
    zx_info_vmo_t info;
    STATUS(ZX_OK, zx_object_get_info(vmo, ZX_INFO_VMO, &info, sizeof(info), NULL, NULL));
    return info;
}

zx_info_kmem_stats_t kmem_stats(void)
{
    zx_info_kmem_stats_t info;
    STATUS(ZX_OK,
           zx_object_get_info(zx_vmar_root_self(), ZX_INFO_KMEM_STATS, &info, sizeof(info), NULL, NULL));
    return info;
}

bool same_bytes(const void *a, const void *b, size_t size)
{
    const char *left = a, *right = b;
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return false;
    return true;
}

char byte_at(zx_vaddr_t va)
{
    char byte = '?';
    STATUS(ZX_OK, access_read(va, &byte, 1));
    return byte;
}

char byte_of(zx_handle_t vmo, uint64_t offset)
{
    char byte = '?';
    STATUS(ZX_OK, zx_vmo_read(vmo, &byte, offset, 1));
    return byte;
}

zx_status_t touch(zx_vaddr_t va, char byte)
{
    return access_write(va, &byte, 1);
}
