/* SPDX-License-Identifier: MIT */
/*
 * elf.h: loads programs: ELF64 files for x86-64, into processes. Written over the calls alone (zircon/syscalls.h), so that kernel,
 * programs and the host's tests share it.
 */
#ifndef KERNEL_ELF_H_
#define KERNEL_ELF_H_

#include <stddef.h>
#include <stdint.h>
#include <zircon/syscalls.h>

/* ---- The format, as far as it is used here ---- */

struct elf_header {
    uint8_t magic[4]; /* 7f 45 4c 46 */
    uint8_t class, data, version, abi, padding[8];
    uint16_t type, machine;
    uint32_t version2;
    uint64_t entry, segment_offset, section_offset;
    uint32_t flags;
    uint16_t header_size, segment_entry_size, segment_count;
    uint16_t section_entry_size, section_count, section_names;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};

struct elf_dynamic {
    uint64_t tag, value;
};

struct elf_symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
};

struct elf_relocation {
    uint64_t offset, info;
    int64_t addend;
};

#define ELF_CLASS_64       2
#define ELF_DATA_LITTLE    1
#define ELF_VERSION        1
#define ELF_TYPE_FIXED     2
#define ELF_TYPE_SHARED    3
#define ELF_MACHINE_X86_64 62

#define ELF_PT_LOAD    1
#define ELF_PT_DYNAMIC 2
#define ELF_PT_INTERP  3
#define ELF_PT_TLS     7

#define ELF_PF_X 1
#define ELF_PF_W 2
#define ELF_PF_R 4

#define ELF_DT_NULL     0
#define ELF_DT_PLTRELSZ 2
#define ELF_DT_HASH     4
#define ELF_DT_STRTAB   5
#define ELF_DT_SYMTAB   6
#define ELF_DT_RELA     7
#define ELF_DT_RELASZ   8
#define ELF_DT_JMPREL   23

#define ELF_R_X86_64_64        1
#define ELF_R_X86_64_GLOB_DAT  6
#define ELF_R_X86_64_JUMP_SLOT 7
#define ELF_R_X86_64_RELATIVE  8

/* ---- Loading ---- */

#define ELF_SEGMENTS_MAX 16 /* entries of the segment table */

struct elf_place {
    zx_vaddr_t bias;  /* what was added to every address of the file */
    zx_vaddr_t base;  /* of the VMAR */
    size_t size;      /* of the VMAR */
    zx_vaddr_t entry; /* 0: the file has none */
};

/*
 * Maps the file in `image` (READ, MAP, DUPLICATE) into a new child of `vmar`: a file of type SHARED at a random place, one of type
 * FIXED where it says. Segments that are not writable show the VMO itself, which is nobody's to change from then on; writable ones a
 * snapshot of it, zeroed where the file ends. A page is not writable and executable. Bytes of the file that share a page
 * with a segment are visible there. Nothing is relocated: start.c does that in the process.
 *
 * Errors in order: those of zx_vmo_get_size; INVALID_ARGS no such file: too short for its head or its table, magic, class,
 * byte order, version, or a table of other entries; NOT_SUPPORTED another machine or type, more than ELF_SEGMENTS_MAX segments, an
 * interpreter, thread-local storage; then by segment to be loaded: ACCESS_DENIED writable and executable, INVALID_ARGS not readable,
 * OUT_OF_RANGE its bytes are not all in the VMO, INVALID_ARGS its memory is smaller than its part of the file, or wraps,
 * NOT_SUPPORTED an alignment above a page, INVALID_ARGS offset and address differ within the page, INVALID_ARGS it begins below the end
 * of the one before, pages counted, NOT_SUPPORTED memory beyond the file without being writable; INVALID_ARGS nothing to be loaded, an entry
 * outside of the executable segments; then those of zx_vmar_allocate and zx_vmar_map, NO_MEMORY. Nothing is left where it is refused, but
 * for a vDSO's code, which its process keeps.
 */
zx_status_t elf_load(zx_handle_t image, zx_handle_t vmar, struct elf_place *out);

#define ELF_STACK_SIZE ((size_t)256 << 10)

/* Maps a stack of `size` bytes (a multiple of the page size) between two pages that nothing is mapped at, at a random place in
   `vmar`; *vmar_out is a handle to the VMAR that holds all this, *top the end of the stack. Errors: those of zx_vmo_create,
   zx_vmar_allocate, zx_vmar_map; nothing is left. */
zx_status_t elf_map_stack(zx_handle_t vmar, size_t size, zx_handle_t *vmar_out, zx_vaddr_t *top);

struct elf_program {
    zx_handle_t image, vdso; /* as elf_load wants them; they stay the caller's */
    const char *name;        /* of the process */
    unsigned argument_count; /* the first should be the name */
    const char *const *arguments;
};

/*
 * Makes a process, maps a snapshot of the program, the vDSO and a stack of ELF_STACK_SIZE in it and starts its first thread as
 * user/README.md says. *process is a handle to it. Errors in order: those of zx_process_create; of elf_load, for
 * program and vDSO, with INVALID_ARGS a program without entry; of elf_map_stack; OUT_OF_RANGE the arguments do not fit
 * (user/bootstrap.h), NO_MEMORY; those of zx_thread_create, zx_process_start. The process is gone then.
 */
zx_status_t elf_start(const struct elf_program *program, zx_handle_t *process);

#endif /* KERNEL_ELF_H_ */
