/* SPDX-License-Identifier: MIT */
/*
 * syscall_vmar.c: the calls on VMARs, up to where vmar.c takes over: handles, rights, options, result
 * pointers.
 *
 * Concept. A call finds its objects, compares rights, refuses options that are not for it, lets the core do
 * the work, and hands out the result. The order of refusals is that of zircon/syscalls.h.
 *
 * Result pointers. A pointer that cannot be written is the last refusal in the order, and a refused call
 * changes nothing. Making a region and taking it away again would not quite do: the tree may keep a node
 * more. So the pointers are tried first, by writing back what they hold; with a bad one the core goes through
 * all its checks and stops short of doing anything. Only where a pointer goes bad between trial and use is
 * the region made and taken away again: that very region, since other threads may have replaced it, and
 * before it merges with any other.
 *
 * Overwriting cannot be taken back at all, but its address is known beforehand: it is handed out between a
 * full check and the work, and where the work finds no memory after all, what was there is put back.
 *
 * Locking. None is held here; objects are kept by references.
 */
#include "internal.h"

#define PERMS         (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)
#define CAN_MAP_PERMS (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define ALIGN_MASK    (0xffu << ZX_VM_ALIGN_BASE)

#define ALLOCATE_OPTIONS                                                                                     \
    (ZX_VM_COMPACT | ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_SPECIFIC | CAN_MAP_PERMS | ZX_VM_OFFSET_IS_UPPER_LIMIT | \
     ALIGN_MASK)
#define MAP_OPTIONS                                                                                          \
    (PERMS | ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_MAP_RANGE | ZX_VM_REQUIRE_NON_RESIZABLE |     \
     ZX_VM_ALLOW_FAULTS | ZX_VM_OFFSET_IS_UPPER_LIMIT | ALIGN_MASK)

static zx_status_t get_vmar(zx_handle_t handle, zx_rights_t needed, struct vm_vmar **out, zx_rights_t *rights)
{
    struct vm_object *object;
    zx_status_t status = handle_get(handle, ZX_OBJ_TYPE_VMAR, needed, &object, rights);
    if (status == ZX_OK)
        *out = container_of(object, struct vm_vmar, object);
    return status;
}

static bool is_align_valid(zx_vm_option_t options)
{
    uint32_t align_log2 = options >> ZX_VM_ALIGN_BASE;
    return align_log2 == 0 || (align_log2 >= 10 && align_log2 <= 32);
}

/* A permission is a right, a PERM_* and a CAN_MAP_*: three runs of bits in the same order. */
_Static_assert(ZX_VM_PERM_READ << 2 == ZX_RIGHT_READ && ZX_VM_PERM_WRITE << 2 == ZX_RIGHT_WRITE &&
                   ZX_VM_PERM_EXECUTE << 2 == ZX_RIGHT_EXECUTE,
               "rights are PERM_* shifted");
_Static_assert(ZX_RIGHT_READ << 5 == ZX_VM_CAN_MAP_READ && ZX_RIGHT_WRITE << 5 == ZX_VM_CAN_MAP_WRITE &&
                   ZX_RIGHT_EXECUTE << 5 == ZX_VM_CAN_MAP_EXECUTE,
               "CAN_MAP_* are rights shifted");

static zx_rights_t rights_of_perms(zx_vm_option_t options)
{
    return (options & PERMS) << 2;
}

static zx_rights_t rights_of_can_map(zx_vm_option_t options)
{
    return (options & CAN_MAP_PERMS) >> 5;
}

static zx_vm_option_t can_map_of_rights(zx_rights_t rights)
{
    return (rights << 5) & CAN_MAP_PERMS;
}

/* Whether a result of `size` bytes can be put there. What is there stays. */
bool user_is_writable(void *user, size_t size)
{
    char bytes[sizeof(uint64_t)];
    VM_ASSERT(size <= sizeof(bytes));
    return port_copy_from_user(bytes, user, size) == ZX_OK && port_copy_to_user(user, bytes, size) == ZX_OK;
}

zx_status_t user_tell_handle(zx_handle_t *user, zx_handle_t value, zx_handle_t *before)
{
    zx_status_t status = port_copy_from_user(before, user, sizeof(*before));
    return status == ZX_OK ? port_copy_to_user(user, &value, sizeof(value)) : status;
}

void user_untell_handle(zx_handle_t *user, zx_handle_t before)
{
    (void)port_copy_to_user(user, &before, sizeof(before));
}

/* ---- Allocate ---- */

/* Hands out the handle's number and the address, both or neither. */
static bool tell_child(const struct vm_vmar *child, zx_handle_t value, zx_handle_t *child_vmar,
                       zx_vaddr_t *child_addr)
{
    zx_vaddr_t base = child->region.base;
    zx_handle_t before;
    if (user_tell_handle(child_vmar, value, &before) != ZX_OK)
        return false;
    if (port_copy_to_user(child_addr, &base, sizeof(base)) == ZX_OK)
        return true;
    user_untell_handle(child_vmar, before);
    return false;
}

/* Makes the child and its handle. */
static zx_status_t allocate_child(struct vm_vmar *parent, zx_vm_option_t options, size_t offset, size_t size,
                                  zx_handle_t *child_vmar, zx_vaddr_t *child_addr)
{
    struct vm_vmar *child;
    struct vm_handle *handle;
    zx_status_t status = handle_reserve(port_current_process(), &handle);
    zx_status_t room = status;
    bool writable = user_is_writable(child_vmar, sizeof(*child_vmar)) &&
                    user_is_writable(child_addr, sizeof(*child_addr));
    status = vmar_allocate(parent, options, offset, size, room == ZX_OK && writable ? &child : NULL);
    if (status == ZX_OK)
        status = room != ZX_OK ? room : writable ? ZX_OK : ZX_ERR_INVALID_ARGS;
    if (status != ZX_OK) {
        if (room == ZX_OK)
            handle_unreserve(handle);
        return status;
    }
    if (!tell_child(child, handle_value(handle), child_vmar, child_addr)) {
        handle_unreserve(handle);
        vmar_destroy(child);
        vm_object_release(&child->object);
        return ZX_ERR_INVALID_ARGS;
    }
    handle_publish(handle, &child->object, ZX_DEFAULT_VMAR_RIGHTS | rights_of_can_map(options));
    return ZX_OK;
}

zx_status_t zx_vmar_allocate(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t size,
                             zx_handle_t *child_vmar, zx_vaddr_t *child_addr)
{
    struct vm_vmar *vmar;
    zx_status_t status = get_vmar(parent, rights_of_can_map(options), &vmar, NULL);
    if (status != ZX_OK)
        return status;
    if ((options & ~ALLOCATE_OPTIONS) != 0 || !is_align_valid(options) || !is_page_aligned(size))
        status = ZX_ERR_INVALID_ARGS;
    else
        status = allocate_child(vmar, options, offset, size, child_vmar, child_addr);
    vm_object_release(&vmar->object);
    return status == ZX_ERR_NO_RESOURCES ? ZX_ERR_NO_MEMORY : status;
}

/* ---- Map ---- */

struct map_request {
    struct vm_vmar *vmar;
    zx_rights_t vmar_rights;
    struct vm_vmo *vmo;
    zx_rights_t vmo_rights;
    zx_vm_option_t options;
    size_t vmar_offset;
    uint64_t vmo_offset;
    size_t len;
};

/* The refusals that need no look at the address space. */
static zx_status_t check_map(struct map_request *request)
{
    if ((request->options & ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED) != 0)
        request->options = (request->options | ZX_VM_PERM_READ) & ~ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
    zx_vm_option_t options = request->options;
    if ((options & PERMS) != 0 && (options & ZX_VM_PERM_READ) == 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_MAP_RANGE) != 0 && (options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & CAN_MAP_PERMS) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((rights_of_perms(options) & ~(request->vmar_rights & request->vmo_rights)) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if ((options & ~MAP_OPTIONS) != 0 || !is_align_valid(options))
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_REQUIRE_NON_RESIZABLE) != 0 && request->vmo->resizable)
        return ZX_ERR_NOT_SUPPORTED;
    return ZX_OK;
}

static zx_status_t core_map(const struct map_request *request, struct vm_mapped *out)
{
    return vmar_map(request->vmar, request->options, request->vmar_offset, request->vmo, request->vmo_offset,
                    request->len, can_map_of_rights(request->vmar_rights & request->vmo_rights), out);
}

static zx_status_t map_overwriting(const struct map_request *request, zx_vaddr_t *mapped_addr)
{
    zx_vaddr_t base = request->vmar->region.base + request->vmar_offset, before;
    zx_status_t status = core_map(request, NULL);
    if (status != ZX_OK)
        return status;
    if (port_copy_from_user(&before, mapped_addr, sizeof(before)) != ZX_OK ||
        port_copy_to_user(mapped_addr, &base, sizeof(base)) != ZX_OK)
        return ZX_ERR_INVALID_ARGS;
    struct vm_mapped mapped;
    status = core_map(request, &mapped);
    if (status == ZX_OK)
        vmar_map_end(request->vmar, &mapped, true);
    else
        (void)port_copy_to_user(mapped_addr, &before, sizeof(before));
    return status;
}

static zx_status_t map_into_free(const struct map_request *request, zx_vaddr_t *mapped_addr)
{
    struct vm_mapped mapped;
    bool writable = user_is_writable(mapped_addr, sizeof(*mapped_addr));
    zx_status_t status = core_map(request, writable ? &mapped : NULL);
    if (status != ZX_OK)
        return status;
    if (!writable)
        return ZX_ERR_INVALID_ARGS;
    bool told = port_copy_to_user(mapped_addr, &mapped.base, sizeof(mapped.base)) == ZX_OK;
    vmar_map_end(request->vmar, &mapped, told);
    return told ? ZX_OK : ZX_ERR_INVALID_ARGS;
}

zx_status_t zx_vmar_map(zx_handle_t vmar, zx_vm_option_t options, size_t vmar_offset, zx_handle_t vmo,
                        uint64_t vmo_offset, size_t len, zx_vaddr_t *mapped_addr)
{
    struct map_request request = {
        .options = options, .vmar_offset = vmar_offset, .vmo_offset = vmo_offset, .len = len};
    struct vm_object *object;
    zx_status_t status = get_vmar(vmar, 0, &request.vmar, &request.vmar_rights);
    if (status != ZX_OK)
        return status;
    status = handle_get(vmo, ZX_OBJ_TYPE_VMO, ZX_RIGHT_MAP, &object, &request.vmo_rights);
    if (status == ZX_OK) {
        request.vmo = container_of(object, struct vm_vmo, object);
        status = check_map(&request);
        if (status == ZX_OK && (options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
            status = map_overwriting(&request, mapped_addr);
        else if (status == ZX_OK)
            status = map_into_free(&request, mapped_addr);
        vm_object_release(object);
    }
    vm_object_release(&request.vmar->object);
    return status;
}

/* ---- Unmap, protect, operate, destroy ---- */

/* Sizes that overflow when rounded are outside of every VMAR; so is the greatest size. */
static size_t round_up_or_greatest(size_t len)
{
    size_t size = round_up_page(len);
    return size != 0 ? size : round_down_page(SIZE_MAX);
}

zx_status_t zx_vmar_unmap(zx_handle_t handle, zx_vaddr_t addr, size_t len)
{
    struct vm_vmar *vmar;
    zx_rights_t rights;
    zx_status_t status = get_vmar(handle, 0, &vmar, &rights);
    if (status != ZX_OK)
        return status;
    if (!is_page_aligned(addr) || len == 0)
        status = ZX_ERR_INVALID_ARGS;
    else
        status = vmar_unmap(vmar, addr, round_up_or_greatest(len), (rights & ZX_RIGHT_OP_CHILDREN) != 0);
    vm_object_release(&vmar->object);
    return status;
}

zx_status_t zx_vmar_protect(zx_handle_t handle, zx_vm_option_t options, zx_vaddr_t addr, size_t len)
{
    struct vm_vmar *vmar;
    zx_rights_t rights;
    zx_status_t status = get_vmar(handle, rights_of_perms(options), &vmar, &rights);
    if (status != ZX_OK)
        return status;
    bool without_read = (options & PERMS) != 0 && (options & ZX_VM_PERM_READ) == 0;
    if (without_read || !is_page_aligned(addr) || (options & ~PERMS) != 0 || len == 0)
        status = ZX_ERR_INVALID_ARGS;
    else
        status = vmar_protect(vmar, addr, round_up_or_greatest(len), options,
                              (rights & ZX_RIGHT_OP_CHILDREN) != 0);
    vm_object_release(&vmar->object);
    return status;
}

static bool is_known_op(uint32_t op)
{
    switch (op) {
    case ZX_VMAR_OP_COMMIT:
    case ZX_VMAR_OP_DECOMMIT:
    case ZX_VMAR_OP_MAP_RANGE:
    case ZX_VMAR_OP_DONT_NEED:
    case ZX_VMAR_OP_ALWAYS_NEED:
        return true;
    default:
        return false;
    }
}

zx_status_t zx_vmar_op_range(zx_handle_t handle, uint32_t op, zx_vaddr_t address, size_t size, void *buffer,
                             size_t buffer_size)
{
    struct vm_vmar *vmar;
    zx_rights_t rights;
    zx_status_t status = get_vmar(handle, 0, &vmar, &rights);
    if (status != ZX_OK)
        return status;
    if (!is_known_op(op) || buffer != NULL || buffer_size != 0 || size == 0 || !is_page_aligned(address))
        status = ZX_ERR_INVALID_ARGS;
    else
        status = vmar_op_range(vmar, op, address, round_up_or_greatest(size),
                               (rights & ZX_RIGHT_OP_CHILDREN) != 0);
    vm_object_release(&vmar->object);
    return status;
}

zx_status_t zx_vmar_destroy(zx_handle_t handle)
{
    struct vm_vmar *vmar;
    zx_status_t status = get_vmar(handle, ZX_RIGHT_OP_CHILDREN, &vmar, NULL);
    if (status != ZX_OK)
        return status;
    status = vmar_destroy(vmar);
    vm_object_release(&vmar->object);
    return status;
}
