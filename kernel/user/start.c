/* SPDX-License-Identifier: MIT */
/*
 * start.c: from the first instruction to main: relocates the program, links it with the vDSO, reads its arguments.
 *
 * The program is a position-independent executable that was linked against the vDSO's file. Its dynamic section lists
 * what depends on where it lies (RELATIVE) and where the vDSO lies (the others, by name); nothing is resolved
 * later. Until that is done no call can be made and no pointer in data is right: what cannot be linked stops at an
 * instruction that does not exist.
 */
#include "../elf.h"
#include "bootstrap.h"
#include "runtime.h"
#include "zvm.h"

_Noreturn void start(zx_handle_t bootstrap, zx_vaddr_t vdso, const struct elf_dynamic *dynamic,
                     zx_vaddr_t base);

static zx_vaddr_t vdso_base, program_base;
static zx_vaddr_t stack_top; /* an address in the last page of the first thread's stack */

/* ---- Linking ---- */

struct dynamic {
    const struct elf_symbol *symbols;
    const char *names;
    const uint32_t *hash;
    const struct elf_relocation *relocations[2]; /* DT_RELA, DT_JMPREL */
    size_t sizes[2];
};

static void read_dynamic(const struct elf_dynamic *entry, zx_vaddr_t base, struct dynamic *out)
{
    for (; entry->tag != ELF_DT_NULL; entry++) {
        const void *at = (const void *)(base + entry->value);
        switch (entry->tag) {
        case ELF_DT_SYMTAB:
            out->symbols = at;
            break;
        case ELF_DT_STRTAB:
            out->names = at;
            break;
        case ELF_DT_HASH:
            out->hash = at;
            break;
        case ELF_DT_RELA:
            out->relocations[0] = at;
            break;
        case ELF_DT_RELASZ:
            out->sizes[0] = entry->value;
            break;
        case ELF_DT_JMPREL:
            out->relocations[1] = at;
            break;
        case ELF_DT_PLTRELSZ:
            out->sizes[1] = entry->value;
            break;
        default:
            break;
        }
    }
}

/* The vDSO's function of that name, by the hash table that System V's ABI describes. */
static zx_vaddr_t find_symbol(const struct dynamic *vdso, zx_vaddr_t base, const char *name)
{
    uint32_t hash = 0;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash << 4) + (unsigned char)*c;
        uint32_t high = hash & 0xf0000000;
        hash = (hash ^ high >> 24) & ~high;
    }
    uint32_t bucket_count = vdso->hash[0];
    const uint32_t *buckets = vdso->hash + 2, *chain = buckets + bucket_count;
    for (uint32_t i = buckets[hash % bucket_count]; i != 0; i = chain[i])
        if (text_equal(vdso->names + vdso->symbols[i].name, name))
            return base + vdso->symbols[i].value;
    __builtin_trap();
}

static void relocate(const struct dynamic *program, zx_vaddr_t base, const struct dynamic *vdso)
{
    for (unsigned table = 0; table < 2; table++) {
        const struct elf_relocation *at = program->relocations[table];
        for (size_t count = program->sizes[table] / sizeof(*at); count > 0; count--, at++) {
            uint64_t *where = (uint64_t *)(base + at->offset);
            uint32_t type = (uint32_t)at->info;
            const struct elf_symbol *symbol = &program->symbols[at->info >> 32];
            if (type == ELF_R_X86_64_RELATIVE)
                *where = base + (uint64_t)at->addend;
            else if (type == ELF_R_X86_64_GLOB_DAT || type == ELF_R_X86_64_JUMP_SLOT ||
                     type == ELF_R_X86_64_64)
                *where = find_symbol(vdso, vdso_base, program->names + symbol->name) + (uint64_t)at->addend;
            else
                __builtin_trap();
        }
    }
}

static void link_program(const struct elf_dynamic *dynamic, zx_vaddr_t base)
{
    struct dynamic program = {.sizes = {0, 0}}, vdso = {.sizes = {0, 0}};
    const struct elf_header *header = (const void *)vdso_base;
    const struct elf_segment *segment = (const void *)(vdso_base + header->segment_offset);
    for (unsigned i = 0; i < header->segment_count; i++, segment++)
        if (segment->type == ELF_PT_DYNAMIC)
            read_dynamic((const void *)(vdso_base + segment->address), vdso_base, &vdso);
    if (vdso.hash == NULL || vdso.symbols == NULL || vdso.names == NULL)
        __builtin_trap();
    read_dynamic(dynamic, base, &program);
    relocate(&program, base, &vdso);
}

/* ---- Arguments ---- */

static char text[BOOTSTRAP_SIZE_MAX];
static char *arguments[BOOTSTRAP_ARGUMENTS + 1];

static int read_arguments(zx_handle_t vmo)
{
    struct bootstrap head;
    if (zx_vmo_read(vmo, &head, 0, sizeof(head)) != ZX_OK || head.magic != BOOTSTRAP_MAGIC ||
        head.argument_count > BOOTSTRAP_ARGUMENTS || head.text_size >= sizeof(text) ||
        zx_vmo_read(vmo, text, sizeof(head), head.text_size) != ZX_OK)
        give_up("start: handle %x: expected the VMO with the arguments", vmo);
    zx_handle_close(vmo);
    char *at = text;
    for (uint32_t i = 0; i < head.argument_count; i++) {
        arguments[i] = at;
        at += text_length(at) + 1;
        if (at > text + head.text_size)
            give_up("start: argument %u is not ended", i);
    }
    return (int)head.argument_count;
}

void start(zx_handle_t bootstrap, zx_vaddr_t vdso, const struct elf_dynamic *dynamic, zx_vaddr_t base)
{
    vdso_base = vdso;
    program_base = base;
    stack_top = (zx_vaddr_t)__builtin_frame_address(0);
    link_program(dynamic, base);
    int count = read_arguments(bootstrap);
    zx_process_exit(main(count, arguments));
}

zx_vaddr_t runtime_vdso_base(void)
{
    return vdso_base;
}

/* ---- Memory of the program itself ---- */

/* A write to a page of an image is what takes a page of its own for it; a page that is entered stays so. */
static void touch_pages(zx_vaddr_t from, zx_vaddr_t to, bool writable)
{
    for (zx_vaddr_t at = from & ~ZX_PAGE_MASK; at < to; at += ZX_PAGE_SIZE) {
        volatile char *byte = (volatile char *)at;
        char value = *byte;
        if (writable)
            *byte = value;
    }
}

void runtime_settle(void)
{
    const struct elf_header *header = (const void *)program_base;
    const struct elf_segment *segment = (const void *)(program_base + header->segment_offset);
    for (unsigned i = 0; i < header->segment_count; i++, segment++)
        if (segment->type == ELF_PT_LOAD)
            touch_pages(program_base + segment->address,
                        program_base + segment->address + segment->memory_size,
                        (segment->flags & ELF_PF_W) != 0);
    header = (const void *)vdso_base;
    segment = (const void *)(vdso_base + header->segment_offset);
    for (unsigned i = 0; i < header->segment_count; i++, segment++)
        if (segment->type == ELF_PT_LOAD)
            touch_pages(vdso_base + segment->address, vdso_base + segment->address + segment->memory_size,
                        false);
    zx_vaddr_t end = (stack_top + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
    touch_pages(end - ELF_STACK_SIZE, end, true);
}

void runtime_await_quiet(void)
{
    for (unsigned i = 0; i < 10000 && zvm_others_wait() == ZX_ERR_SHOULD_WAIT; i++)
        (void)zx_nanosleep(zx_clock_get_monotonic() + ZX_USEC(100));
}
