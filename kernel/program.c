/* SPDX-License-Identifier: MIT */
/*
 * program.c: programs from the boot loader's modules.
 *
 * The kernel starts them as any program could start another: with the calls, made for its own process, and elf_start. An
 * image is a VMO with the module's bytes; the vDSO is one with the bytes that the build put into the kernel (user/vdso/), of
 * which the core is told what is code. Neither VMO is written to once a program can map it: no handle with WRITE leaves the
 * kernel.
 */
#include "program.h"

#include <vm/format.h>
#include <vm/vdso.h>
#include <vm/vmo.h>

#include "elf.h"
#include "kill.h"
#include "multiboot.h"
#include "paging.h"
#include "port.h"
#include "spinlock.h"
#include "syscall.h"
#include "text.h"
#include "user/bootstrap.h"

#define PREFIX "bin/"

/* user/vdso/image.S */
extern const char vdso_image[], vdso_image_end[];

static zx_handle_t vdso_handle;
static struct vm_vmo *vdso_vmo;
static struct spinlock lock;
static struct vm_vmo *running_image; /* under the lock; null: no program is run */

static void set_image(struct vm_vmo *vmo)
{
    uint64_t flags = spinlock_acquire(&lock);
    running_image = vmo;
    spinlock_release(&lock, flags);
}

struct vm_vmo *program_image(void)
{
    uint64_t flags = spinlock_acquire(&lock);
    struct vm_vmo *vmo = running_image;
    if (vmo != NULL)
        vm_vmo_acquire(vmo);
    spinlock_release(&lock, flags);
    return vmo;
}

bool program_is_running(void)
{
    uint64_t flags = spinlock_acquire(&lock);
    bool running = running_image != NULL;
    spinlock_release(&lock, flags);
    return running;
}

struct vm_vmo *program_vdso(void)
{
    return vdso_vmo;
}

/* ---- VMOs ---- */

/* A VMO with these bytes, and a reference to it. */
static zx_status_t make_image(const char *name, const void *bytes, size_t size, zx_handle_t *handle,
                              struct vm_vmo **vmo)
{
    zx_status_t status = zx_vmo_create(size, 0, handle);
    if (status != ZX_OK)
        return status;
    status = zx_vmo_write(*handle, bytes, 0, size);
    if (status == ZX_OK)
        status = zx_object_set_property(*handle, ZX_PROP_NAME, name, text_length(name));
    if (status == ZX_OK)
        status = vm_vmo_from_handle(*handle, vmo);
    if (status != ZX_OK)
        zx_handle_close(*handle);
    return status;
}

/* Tells the core which part is code: the one executable segment, whole pages. */
static zx_status_t declare_code(struct vm_vmo *vmo)
{
    const struct elf_header *header = (const void *)vdso_image;
    const struct elf_segment *segment = (const void *)(vdso_image + header->segment_offset);
    for (unsigned i = 0; i < header->segment_count; i++, segment++)
        if (segment->type == ELF_PT_LOAD && (segment->flags & ELF_PF_X) != 0) {
            size_t size = (segment->memory_size + ZX_PAGE_MASK) & ~(uint64_t)ZX_PAGE_MASK;
            syscall_set_vdso_code_size(size);
            return vm_vmo_declare_vdso(vmo, segment->offset, size);
        }
    return ZX_ERR_NOT_FOUND;
}

bool program_start(void)
{
    zx_status_t status =
        make_image("vdso", vdso_image, (size_t)(vdso_image_end - vdso_image), &vdso_handle, &vdso_vmo);
    if (status == ZX_OK)
        status = declare_code(vdso_vmo);
    if (status != ZX_OK)
        vm_print(&vm_log_sink, "boot: the vDSO cannot be made: %s\n", zx_status_get_string(status));
    return status == ZX_OK;
}

/* ---- Running ---- */

/* Waits for the end of the process and takes its return code. */
static zx_status_t await(zx_handle_t process, int64_t *return_code)
{
    zx_info_process_t info;
    zx_status_t status = zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL);
    if (status == ZX_OK)
        status = zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof(info), NULL, NULL);
    if (status == ZX_OK)
        *return_code = info.return_code;
    zx_handle_close(process);
    return status;
}

static bool run_image(const char *name, zx_handle_t image, unsigned count, const char *const *arguments)
{
    const struct elf_program program = {
        .image = image, .vdso = vdso_handle, .name = name, .argument_count = count, .arguments = arguments};
    zx_handle_t process;
    int64_t code = 0;
    zx_status_t status = elf_start(&program, &process);
    if (status != ZX_OK) {
        vm_print(&vm_log_sink, "programs: %s cannot be started: %s\n", name, zx_status_get_string(status));
        return false;
    }
    status = await(process, &code);
    if (status != ZX_OK)
        vm_print(&vm_log_sink, "programs: nobody knows how %s ended: %s\n", name,
                 zx_status_get_string(status));
    else
        vm_print(&vm_log_sink, "programs: %s ended with %lld\n", name, (long long)code);
    return status == ZX_OK && code == 0;
}

static bool run_module(const struct boot_module *module, const char *name, unsigned count,
                       const char *const *arguments)
{
    zx_handle_t image;
    struct vm_vmo *vmo;
    zx_status_t status = make_image(name, physical_to_virtual(module->base), module->size, &image, &vmo);
    if (status != ZX_OK) {
        vm_print(&vm_log_sink, "programs: %s (%zu bytes) finds no memory: %s\n", name, module->size,
                 zx_status_get_string(status));
        return false;
    }
    set_image(vmo);
    bool fine = run_image(name, image, count, arguments);
    set_image(NULL);
    kill_report_in_full(true);
    port_fail_allocation(0, false);
    zx_handle_close(image);
    vm_vmo_release(vmo);
    return fine;
}

bool program_run(const char *part, char *arguments)
{
    const char *words[BOOTSTRAP_ARGUMENTS];
    unsigned count = 1, run = 0, broken = 0;
    while (arguments != NULL && count < BOOTSTRAP_ARGUMENTS &&
           (words[count] = text_next_word(&arguments)) != NULL)
        count++;
    for (unsigned i = 0; i < boot_info.module_count; i++) {
        const char *name = text_after(boot_info.modules[i].name, PREFIX);
        if (name == NULL || (part != NULL && !text_contains(name, part)))
            continue;
        words[0] = name;
        run++;
        broken += !run_module(&boot_info.modules[i], name, count, words);
    }
    if (run == 0)
        vm_print(&vm_log_sink,
                 "programs: the boot loader brought none of that name; `modules` lists what there is\n");
    return run != 0 && broken == 0;
}
