/* SPDX-License-Identifier: MIT */
/*
 * elf.c: loads programs.
 *
 * The file is looked at once, its head and segment table copied out of the VMO; all that it says is checked before
 * anything is made. Then one VMAR takes the whole span of the segments, so that where a program lies relative to itself is what
 * the linker decided; each segment is a mapping in it. What breaks halfway goes with that VMAR.
 */
#include "elf.h"

#include <stdbool.h>
#include <vm/mem.h>

#include "text.h"

#define PAGE_END(value) (((value) + ZX_PAGE_MASK) & ~(uint64_t)ZX_PAGE_MASK)
#define PAGE_OF(value)  ((value) & ~(uint64_t)ZX_PAGE_MASK)

/* Above every program's address, far below where sums wrap. */
#define ADDRESS_MAX (1ull << 47)

struct file {
    struct elf_header header;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    uint64_t size;
    uint64_t base, end; /* the span of its segments, whole pages */
    uint32_t any_flags; /* of all of them */
};

/* ---- What the file says ---- */

static zx_status_t read_header(zx_handle_t image, struct file *file)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    struct elf_header *header = &file->header;
    zx_status_t status = zx_vmo_get_size(image, &file->size);
    if (status != ZX_OK)
        return status;
    if (file->size < sizeof(*header))
        return ZX_ERR_INVALID_ARGS;
    status = zx_vmo_read(image, header, 0, sizeof(*header));
    if (status != ZX_OK)
        return status;
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 || header->class != ELF_CLASS_64 ||
        header->data != ELF_DATA_LITTLE || header->version != ELF_VERSION ||
        header->segment_entry_size != sizeof(struct elf_segment))
        return ZX_ERR_INVALID_ARGS;
    if (header->machine != ELF_MACHINE_X86_64 ||
        (header->type != ELF_TYPE_FIXED && header->type != ELF_TYPE_SHARED) ||
        header->segment_count > ELF_SEGMENTS_MAX)
        return ZX_ERR_NOT_SUPPORTED;
    size_t table = header->segment_count * sizeof(struct elf_segment);
    if (header->segment_offset > file->size || table > file->size - header->segment_offset)
        return ZX_ERR_INVALID_ARGS;
    return zx_vmo_read(image, file->segments, header->segment_offset, table);
}

/* `end`: of the one before. */
static zx_status_t check_segment(const struct file *file, const struct elf_segment *segment, uint64_t end)
{
    if ((segment->flags & ELF_PF_W) != 0 && (segment->flags & ELF_PF_X) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if ((segment->flags & ELF_PF_R) == 0)
        return ZX_ERR_INVALID_ARGS;
    if (segment->offset > file->size || segment->file_size > file->size - segment->offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (segment->file_size > segment->memory_size || segment->address > ADDRESS_MAX ||
        segment->memory_size > ADDRESS_MAX - segment->address)
        return ZX_ERR_INVALID_ARGS;
    if (segment->alignment > ZX_PAGE_SIZE)
        return ZX_ERR_NOT_SUPPORTED;
    if (((segment->offset ^ segment->address) & ZX_PAGE_MASK) != 0 || PAGE_OF(segment->address) < end)
        return ZX_ERR_INVALID_ARGS;
    if (segment->memory_size != segment->file_size && (segment->flags & ELF_PF_W) == 0)
        return ZX_ERR_NOT_SUPPORTED;
    return ZX_OK;
}

static bool is_loaded(const struct elf_segment *segment)
{
    return segment->type == ELF_PT_LOAD && segment->memory_size != 0;
}

static zx_status_t check_segments(struct file *file)
{
    bool entry_found = file->header.entry == 0;
    file->end = 0;
    file->any_flags = 0;
    for (unsigned i = 0; i < file->header.segment_count; i++)
        if (file->segments[i].type == ELF_PT_INTERP || file->segments[i].type == ELF_PT_TLS)
            return ZX_ERR_NOT_SUPPORTED;
    for (unsigned i = 0; i < file->header.segment_count; i++) {
        const struct elf_segment *segment = &file->segments[i];
        if (!is_loaded(segment))
            continue;
        zx_status_t status = check_segment(file, segment, file->end);
        if (status != ZX_OK)
            return status;
        if (file->any_flags == 0)
            file->base = PAGE_OF(segment->address);
        file->end = PAGE_END(segment->address + segment->memory_size);
        file->any_flags |= segment->flags;
        if ((segment->flags & ELF_PF_X) != 0 && file->header.entry - segment->address < segment->memory_size)
            entry_found = true;
    }
    return file->any_flags != 0 && entry_found ? ZX_OK : ZX_ERR_INVALID_ARGS;
}

/* ---- Mapping it ---- */

/* A VMAR for the whole span, with what its segments need allowed in it. */
static zx_status_t allocate(const struct file *file, zx_handle_t parent, zx_handle_t *vmar, zx_vaddr_t *base)
{
    zx_vm_option_t options = ZX_VM_CAN_MAP_SPECIFIC | ZX_VM_CAN_MAP_READ;
    size_t offset = 0;
    if ((file->any_flags & ELF_PF_W) != 0)
        options |= ZX_VM_CAN_MAP_WRITE;
    if ((file->any_flags & ELF_PF_X) != 0)
        options |= ZX_VM_CAN_MAP_EXECUTE;
    if (file->header.type == ELF_TYPE_FIXED) {
        zx_info_vmar_t info;
        zx_status_t status = zx_object_get_info(parent, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL);
        if (status != ZX_OK)
            return status;
        if (file->base < info.base)
            return ZX_ERR_INVALID_ARGS;
        options |= ZX_VM_SPECIFIC;
        offset = file->base - info.base;
    }
    return zx_vmar_allocate(parent, options, offset, file->end - file->base, vmar, base);
}

/* The memory of a writable segment: what the file has, then zeroes. */
static zx_status_t make_writable(zx_handle_t image, const struct elf_segment *segment, zx_handle_t *out)
{
    uint64_t from = PAGE_OF(segment->offset), lead = segment->offset - from;
    uint64_t bytes = lead + segment->file_size, size = PAGE_END(lead + segment->memory_size);
    if (segment->file_size == 0)
        return zx_vmo_create(size, 0, out);
    zx_status_t status = zx_vmo_create_child(image, ZX_VMO_CHILD_SNAPSHOT, from, size, out);
    if (status != ZX_OK)
        return status;
    status = zx_vmo_op_range(*out, ZX_VMO_OP_ZERO, bytes, size - bytes, NULL, 0);
    if (status != ZX_OK)
        zx_handle_close(*out);
    return status;
}

/* Another handle to the image, by which its segment can be mapped. */
static zx_status_t get_image(zx_handle_t image, bool executable, zx_handle_t *out)
{
    zx_handle_t handle;
    zx_status_t status = zx_handle_duplicate(image, ZX_RIGHT_SAME_RIGHTS, &handle);
    if (status == ZX_OK && executable) {
        status = zx_vmo_replace_as_executable(handle, ZX_HANDLE_INVALID, out);
        if (status != ZX_OK)
            zx_handle_close(handle);
    } else {
        *out = handle;
    }
    return status;
}

static zx_status_t map_segment(zx_handle_t image, const struct file *file, const struct elf_segment *segment,
                               zx_handle_t vmar)
{
    zx_vm_option_t options = ZX_VM_SPECIFIC | ZX_VM_PERM_READ;
    uint64_t lead = segment->address & ZX_PAGE_MASK, vmo_offset = 0;
    zx_handle_t vmo = ZX_HANDLE_INVALID;
    zx_vaddr_t address;
    zx_status_t status;

    if ((segment->flags & ELF_PF_W) != 0) {
        options |= ZX_VM_PERM_WRITE;
        status = make_writable(image, segment, &vmo);
    } else {
        bool executable = (segment->flags & ELF_PF_X) != 0;
        options |= executable ? ZX_VM_PERM_EXECUTE : 0;
        vmo_offset = PAGE_OF(segment->offset);
        status = get_image(image, executable, &vmo);
    }
    if (status != ZX_OK)
        return status;
    status = zx_vmar_map(vmar, options, PAGE_OF(segment->address) - file->base, vmo, vmo_offset,
                         PAGE_END(lead + segment->memory_size), &address);
    zx_handle_close(vmo);
    return status;
}

zx_status_t elf_load(zx_handle_t image, zx_handle_t parent, struct elf_place *out)
{
    struct file file;
    zx_handle_t vmar;
    zx_vaddr_t base;
    zx_status_t status = read_header(image, &file);
    if (status == ZX_OK)
        status = check_segments(&file);
    if (status == ZX_OK)
        status = allocate(&file, parent, &vmar, &base);
    if (status != ZX_OK)
        return status;
    for (unsigned i = 0; i < file.header.segment_count && status == ZX_OK; i++)
        if (is_loaded(&file.segments[i]))
            status = map_segment(image, &file, &file.segments[i], vmar);
    if (status != ZX_OK)
        zx_vmar_destroy(vmar);
    zx_handle_close(vmar);
    if (status != ZX_OK)
        return status;
    out->bias = base - file.base;
    out->base = base;
    out->size = file.end - file.base;
    out->entry = file.header.entry == 0 ? 0 : out->bias + file.header.entry;
    return ZX_OK;
}

zx_status_t elf_map_stack(zx_handle_t parent, size_t size, zx_handle_t *vmar_out, zx_vaddr_t *top)
{
    zx_handle_t vmo, vmar;
    zx_vaddr_t base, stack;
    zx_status_t status = zx_vmo_create(size, 0, &vmo);
    if (status != ZX_OK)
        return status;
    status = zx_vmar_allocate(parent, ZX_VM_CAN_MAP_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE, 0,
                              size + 2 * ZX_PAGE_SIZE, &vmar, &base);
    if (status == ZX_OK) {
        status = zx_vmar_map(vmar, ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, ZX_PAGE_SIZE, vmo, 0,
                             size, &stack);
        if (status != ZX_OK) {
            zx_vmar_destroy(vmar);
            zx_handle_close(vmar);
        }
    }
    zx_handle_close(vmo);
    if (status != ZX_OK)
        return status;
    *vmar_out = vmar;
    *top = stack + size;
    return ZX_OK;
}
