/* SPDX-License-Identifier: MIT */
/*
 * fuzz_elf.c: a libFuzzer target over the loader of programs (kernel/elf.c): an input is a file that somebody wants to run, its
 * first byte the number of pages that its VMO has beside those that it needs.
 *
 * Whatever the file says: the loader answers; after a refusal nothing is left of it, and what is loaded is as promised: in one
 * VMAR, no page of it writable and executable, the entry in one that is executable. One machine serves all inputs; each has a process
 * of its own, and the machine must be afterwards what it was.
 */
#include <stdlib.h>
#include <string.h>

#include <vm/machine.h>
#include <zvm/host.h>
#include <zircon/syscalls.h>

#include "../kernel/elf.h"

#define SIZE_MAX_OF_FILE 65536
#define MAPS_MAX         64
#define CHECK_EVERY      256 /* inputs */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return zvm_start(NULL) == ZX_OK ? 0 : -1;
}

static zx_handle_t make_image(const uint8_t *bytes, size_t size, uint8_t more)
{
    zx_handle_t image;
    demand(zx_vmo_create(size + more * ZX_PAGE_SIZE, 0, &image) == ZX_OK);
    demand(zx_vmo_write(image, bytes, 0, size) == ZX_OK);
    return image;
}

/* How many regions the process has, its space not counted. */
static size_t look_at(zx_handle_t process, const struct elf_place *place)
{
    static zx_info_maps_t maps[MAPS_MAX];
    size_t count, there;
    bool entry_found = place == NULL || place->entry == 0;
    demand(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, maps, sizeof(maps), &count, &there) == ZX_OK);
    demand(count == there);
    for (size_t i = 0; i < count; i++) {
        const zx_vm_option_t flags = maps[i].u.mapping.mmu_flags;
        if (maps[i].type != ZX_INFO_MAPS_TYPE_MAPPING)
            continue;
        demand(place != NULL && maps[i].base >= place->base &&
               maps[i].base + maps[i].size <= place->base + place->size);
        demand((flags & ZX_VM_PERM_WRITE) == 0 || (flags & ZX_VM_PERM_EXECUTE) == 0);
        if ((flags & ZX_VM_PERM_EXECUTE) != 0 && place->entry - maps[i].base < maps[i].size)
            entry_found = true;
    }
    demand(entry_found);
    return count - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static unsigned runs;
    struct elf_place place;
    struct vm_stats before, after;
    zx_handle_t process, root;
    if (size == 0 || size > SIZE_MAX_OF_FILE)
        return 0;
    vm_machine_stats(&before);
    zx_handle_t image = make_image(bytes + 1, size - 1, bytes[0] % 16);
    demand(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root) == ZX_OK);
    zx_status_t status = elf_load(image, root, &place);
    size_t regions = look_at(process, status == ZX_OK ? &place : NULL);
    demand((status == ZX_OK) == (regions != 0));
    const zx_handle_t all[] = {process, root, image};
    demand(zx_handle_close_many(all, 3) == ZX_OK);
    vm_machine_stats(&after);
    demand(before.vmos == after.vmos && before.handles == after.handles && before.regions == after.regions);
    if (++runs % CHECK_EVERY == 0)
        demand(zvm_check() == ZX_OK);
    return 0;
}
