/* SPDX-License-Identifier: MIT */
/* behaviour.c: the table of all suites, and things that tests work with: not what is tested. */
#include "behaviour.h"

const struct conformance_suite behaviour_suites[] = {BEHAVIOUR_SUITES(SUITE_OF) NO_MORE_SUITES};

struct vm_aspace *space_of(zx_handle_t process)
{
    struct vm_process *object = NULL;
    STATUS(ZX_OK, vm_process_from_handle(process, &object));
    struct vm_aspace *aspace = vm_process_aspace(object);
    vm_process_release(object);
    return aspace;
}

struct vm_aspace *self(void)
{
    return space_of(zx_process_self());
}

struct vm_vmo *vmo_behind(zx_handle_t handle)
{
    struct vm_vmo *vmo = NULL;
    STATUS(ZX_OK, vm_vmo_from_handle(handle, &vmo));
    vm_vmo_release(vmo);
    return vmo;
}

struct vm_vmar *vmar_behind(zx_handle_t handle)
{
    struct vm_vmar *vmar = NULL;
    STATUS(ZX_OK, vm_vmar_from_handle(handle, &vmar));
    vm_vmar_release(vmar);
    return vmar;
}

void discard(struct vm_aspace *aspace)
{
    if (aspace == NULL)
        return;
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
}

void check_sound(void)
{
    CHECK(vm_check(&vm_log_sink));
}

struct page_table_entry entry_at(struct vm_aspace *aspace, zx_vaddr_t va)
{
    struct page_table_entry entry = {0};
    if (page_table_query(vm_aspace_page_table(aspace), va, &entry) != ZX_OK)
        entry.size = 0;
    return entry;
}

size_t count_entered(struct vm_aspace *aspace, zx_vaddr_t va, size_t pages)
{
    size_t count = 0;
    for (size_t i = 0; i < pages; i++)
        count += entry_at(aspace, va + i * PAGE).size != 0;
    return count;
}

zx_vaddr_t map_somewhere(zx_handle_t vmo, zx_vm_option_t perms, size_t pages)
{
    zx_vaddr_t va = 0;
    STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), perms, 0, vmo, 0, pages * PAGE, &va));
    return va;
}

void put_byte(struct vm_aspace *aspace, zx_vaddr_t va, char byte)
{
    STATUS(ZX_OK, behaviour_user(aspace, va, &byte, BEHAVIOUR_WRITE));
}

char get_byte(struct vm_aspace *aspace, zx_vaddr_t va)
{
    char byte = '?';
    STATUS(ZX_OK, behaviour_user(aspace, va, &byte, BEHAVIOUR_READ));
    return byte;
}

/* ---- Text ---- */

static void keep(struct vm_sink *self, const char *text, size_t size)
{
    struct kept_text *kept = (struct kept_text *)(void *)self;
    for (size_t i = 0; i < size; i++) {
        kept->lines += text[i] == '\n';
        if (kept->size < sizeof(kept->text))
            kept->text[kept->size++] = text[i];
    }
}

struct vm_sink *keep_text(struct kept_text *kept)
{
    kept->sink.write = keep;
    kept->size = 0;
    kept->lines = 0;
    return &kept->sink;
}

bool says(const struct kept_text *kept, const char *words)
{
    for (size_t from = 0; from < kept->size; from++) {
        size_t i = 0;
        while (words[i] != '\0' && from + i < kept->size && kept->text[from + i] == words[i])
            i++;
        if (words[i] == '\0')
            return true;
    }
    return false;
}
