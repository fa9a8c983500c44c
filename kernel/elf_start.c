/* SPDX-License-Identifier: MIT */
/* elf_start.c: makes a process of a program: its memory, its bootstrap VMO, its first thread. */
#include <stdbool.h>
#include <vm/mem.h>

#include "elf.h"
#include "text.h"
#include "user/bootstrap.h"

/* The VMO that tells the program its arguments. */
static zx_status_t make_bootstrap(const struct elf_program *program, zx_handle_t *out)
{
    struct bootstrap head = {.magic = BOOTSTRAP_MAGIC, .argument_count = program->argument_count};
    size_t room = BOOTSTRAP_SIZE_MAX - sizeof(head) - 1;
    zx_handle_t vmo;
    if (program->argument_count > BOOTSTRAP_ARGUMENTS)
        return ZX_ERR_OUT_OF_RANGE;
    for (unsigned i = 0; i < program->argument_count; i++) {
        size_t size = text_length(program->arguments[i]) + 1;
        if (size > room - head.text_size)
            return ZX_ERR_OUT_OF_RANGE;
        head.text_size += (uint32_t)size;
    }
    zx_status_t status = zx_vmo_create(BOOTSTRAP_SIZE_MAX, 0, &vmo);
    if (status != ZX_OK)
        return status;
    status = zx_vmo_write(vmo, &head, 0, sizeof(head));
    uint64_t at = sizeof(head);
    for (unsigned i = 0; i < program->argument_count && status == ZX_OK; i++) {
        size_t size = text_length(program->arguments[i]) + 1;
        status = zx_vmo_write(vmo, program->arguments[i], at, size);
        at += size;
    }
    if (status == ZX_OK)
        *out = vmo;
    else
        zx_handle_close(vmo);
    return status;
}

struct memory {
    zx_vaddr_t entry, vdso, stack;
};

/* What a process has of the image is a snapshot: whoever may write to its memory (zx_process_write_memory) writes to
   its own. */
static zx_status_t load_image(zx_handle_t image, zx_handle_t root, struct elf_place *out)
{
    uint64_t size;
    zx_handle_t own;
    zx_status_t status = zx_vmo_get_size(image, &size);
    if (status == ZX_OK)
        status = zx_vmo_create_child(image, ZX_VMO_CHILD_SNAPSHOT, 0, size, &own);
    if (status != ZX_OK)
        return status;
    status = elf_load(own, root, out);
    zx_handle_close(own);
    return status;
}

static zx_status_t map_all(const struct elf_program *program, zx_handle_t root, struct memory *out)
{
    struct elf_place image, vdso;
    zx_handle_t stack_vmar;
    zx_status_t status = load_image(program->image, root, &image);
    if (status == ZX_OK && image.entry == 0)
        status = ZX_ERR_INVALID_ARGS;
    if (status == ZX_OK)
        status = elf_load(program->vdso, root, &vdso);
    if (status == ZX_OK)
        status = elf_map_stack(root, ELF_STACK_SIZE, &stack_vmar, &out->stack);
    if (status != ZX_OK)
        return status;
    zx_handle_close(stack_vmar);
    out->entry = image.entry;
    out->vdso = vdso.base;
    return ZX_OK;
}

static zx_status_t start_thread(zx_handle_t process, const struct memory *memory, zx_handle_t bootstrap)
{
    zx_handle_t thread;
    zx_status_t status = zx_thread_create(process, "main", 4, 0, &thread);
    if (status == ZX_OK) {
        status = zx_process_start(process, thread, memory->entry, memory->stack, bootstrap, memory->vdso);
        zx_handle_close(thread);
    }
    if (status != ZX_OK) /* else it is the process's */
        zx_handle_close(bootstrap);
    return status;
}

zx_status_t elf_start(const struct elf_program *program, zx_handle_t *process)
{
    zx_handle_t handle, root, bootstrap;
    struct memory memory;
    zx_status_t status =
        zx_process_create(ZX_HANDLE_INVALID, program->name, text_length(program->name), 0, &handle, &root);
    if (status != ZX_OK)
        return status;
    status = map_all(program, root, &memory);
    zx_handle_close(root);
    if (status == ZX_OK)
        status = make_bootstrap(program, &bootstrap);
    if (status == ZX_OK)
        status = start_thread(handle, &memory, bootstrap);
    if (status == ZX_OK)
        *process = handle;
    else
        zx_handle_close(handle);
    return status;
}
