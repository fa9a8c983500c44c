/* SPDX-License-Identifier: MIT */
/*
 * model.h: the reference model: what every operation must answer and every byte must be, by the specification
 * alone.
 *
 * For each call there is a function model_…() that tells the answer before the core is asked, and one
 * model_do_…() that makes the change once the core has agreed. Handles are indexes into the model's array, or
 * MODEL_NONE for a number that is no handle of the process.
 */
#ifndef FUZZ_MODEL_H_
#define FUZZ_MODEL_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

#include "trace.h"

#define MODEL_NONE (-1)

struct model_handle {
    zx_handle_t value;
    zx_rights_t rights;
    int32_t object;  /* index into vmars, vmos or processes */
    uint8_t type;    /* enum trace_type */
    uint8_t process; /* whose it is */
    bool open;
};

struct model_vmar {
    zx_vaddr_t base;
    size_t size;
    uint32_t flags; /* ZX_VM_CAN_MAP_*, ZX_VM_COMPACT */
    int32_t parent; /* MODEL_NONE: a root */
    uint8_t space;
    bool alive;
    bool high;      /* of high memory priority */
    zx_koid_t koid; /* 0 until it was told */
};

/* A part of a mapping with one permission. Where one mapping ends and a neighbour begins cannot be told
   from outside, so mappings exist only as their parts. */
struct model_piece {
    zx_vaddr_t base, end;
    uint64_t vmo_offset; /* of base */
    int32_t vmar, vmo;
    uint8_t space;
    uint8_t perms, may; /* MODEL_READ… */
    bool vdso_code;     /* the executable mapping of a vDSO */
};

#define MODEL_READ    1u /* the same bits as ZX_VM_PERM_* and ZX_RIGHT_* >> 2 */
#define MODEL_WRITE   2u
#define MODEL_EXECUTE 4u

struct model_vmo {
    uint64_t size;
    bool resizable;
    bool snapshot; /* made as a snapshot of another */
    bool contiguous;
    bool physical;
    uint8_t cache_policy;
    bool relatives;                  /* it is, or was, parent or child of a snapshot: pages may be shared */
    bool living;                     /* model_note_living */
    bool asked;                      /* the runner's: how much memory it has */
    int32_t parent;                  /* what it was made of; MODEL_NONE */
    int32_t target;                  /* a slice: the VMO that it shows, which is no slice; else MODEL_NONE */
    uint64_t window;                 /* where in that it begins; a physical VMO: in the device's memory */
    int32_t first_page;              /* of those that were written; slices have none */
    uint64_t vdso_offset, vdso_size; /* the code of a vDSO; size 0: it is none */
    char name[ZX_MAX_NAME_LEN];
    zx_koid_t koid;
};

/* That a VMO has a page; the bytes may be those of other VMOs too. */
struct model_page {
    uint64_t number; /* in the VMO */
    int32_t next;
    int32_t content;
};

/* The bytes of a page. */
struct model_content {
    int32_t holders; /* pages that have them; 0: free */
    int32_t asked;   /* of these, in VMOs that were asked */
    int32_t next;    /* free */
};

/* A range that was pinned once. */
struct model_pin {
    int32_t vmo;           /* which was named */
    int32_t shown;         /* whose pages they are */
    uint64_t first, end;   /* of these, numbers */
    uint64_t offset, size; /* as it was told */
};

#define MODEL_PINS 32

/* Address spaces: those of their own have the numbers of their processes, shared ones the numbers behind, then the
   kernel's, then those of guests. */
#define MODEL_SPACE_KERNEL (2 * TRACE_PROCESSES)
#define MODEL_SPACES       (MODEL_SPACE_KERNEL + TRACE_SPACES)

/* The range of the kernel's space that is set aside for virtual_alloc. */
#define MODEL_ASIDE_BASE (0xffffff8000000000ull + (64ull << 30))
#define MODEL_ASIDE_SIZE (1ull << 30)

/* A run of pages that virtual_alloc has given out: numbers in its range. */
struct model_run {
    uint32_t first, end;
};

#define MODEL_RUNS 64

struct model_valloc {
    int32_t aside; /* the VMAR that stands for the range; MODEL_NONE: not set aside yet */
    bool started;
    uint32_t pages, bookkeeping, guard;
    uint8_t align_log2;
    struct model_run runs[MODEL_RUNS]; /* ascending, none touches the next */
    uint32_t run_count;
};

struct model_space {
    int32_t root;
    uint32_t sharers; /* processes alive that see it */
    bool always_need; /* ZX_VMAR_OP_ALWAYS_NEED was used in it */
};

struct model_process {
    bool alive;
    bool hosted;      /* lives without handles */
    uint32_t handles; /* that other processes hold to it */
    char name[ZX_MAX_NAME_LEN];
    int32_t spaces[2]; /* its own and the one that it shares with others; MODEL_NONE */
    bool shared_over;  /* the space that it shared is no more */
    int32_t root;      /* of its own space where it has one, else of the shared one */
    zx_koid_t koid;
};

enum model_sharing {
    MODEL_ALONE,  /* a space of its own */
    MODEL_FOUNDS, /* one that others can share */
    MODEL_JOINS   /* a space of its own below one that is shared already */
};

struct model {
    bool aslr;
    uint8_t entropy_bits, compact_entropy_bits;
    struct model_vmar *vmars;
    struct model_vmo *vmos;
    struct model_piece *pieces;
    struct model_handle *handles;
    struct model_page *pages;
    struct model_content *contents;
    uint8_t *content_bytes;
    uint64_t (*gaps)[2]; /* room to sort the children of a VMAR */
    int32_t vmar_count, vmo_count, piece_count, handle_count, page_count, content_count;
    int32_t vmar_max, vmo_max, piece_max, handle_max, page_max, content_max;
    int32_t free_page, free_content; /* lists of those given up */
    int32_t pages_used;
    int32_t contents_used;
    int32_t device_pages; /* of these two, those of the device's memory, which is no machine's */
    bool full;            /* there were more contents than the machine has pages: core or model is wrong */
    struct model_process processes[TRACE_PROCESSES];
    struct model_space spaces[MODEL_SPACES];
    int32_t device; /* VMO that stands for the device's memory, which physical VMOs show; MODEL_NONE */
    struct model_pin pins[MODEL_PINS];
    uint32_t pin_count;
    struct model_valloc valloc;
};

/* What the core must answer. */
struct model_answer {
    zx_status_t status;
    bool memory;    /* NO_MEMORY may come instead where memory is short */
    uint64_t pages; /* how many pages the operation itself asks for */
};

/* Bytes of scratch memory for a run of so many operations; sets the limits and carves the arrays out of
   zeroed memory (null: only tells the size). */
size_t model_layout(struct model *model, void *memory, uint32_t operations);
/* Likewise for pages and contents of a machine with so many pages; this memory need not be zeroed. */
size_t model_layout_pages(struct model *model, void *memory, uint32_t machine_pages);

/* ---- Handles and processes (model_handle.c) ---- */

int32_t model_add_handle(struct model *model, uint8_t process, uint8_t type, int32_t object,
                         zx_handle_t value, zx_rights_t rights);
/* With a space of `size` bytes at base: its own, or the one that it founds. Where it joins, `shared` is the
   space that it does. The root VMAR's and the process's own handles are added by the caller. */
int32_t model_add_process(struct model *model, bool hosted, enum model_sharing sharing, int32_t shared,
                          zx_vaddr_t base, size_t size);
/* Whether there can be one more: a process that is dead is remembered as long as there are handles to it. */
bool model_has_room_for_process(const struct model *model);
struct model_answer model_process_create(uint32_t options, bool job, bool null_name, bool null_result);
struct model_answer model_process_create_shared(const struct model *model, int32_t handle, uint32_t options,
                                                bool null_name, bool null_result);
void model_do_process_exit(struct model *model, uint8_t process);
/* A space with a root VMAR and nothing in it. */
void model_start_space(struct model *model, int32_t space, zx_vaddr_t base, size_t size);
/* The space in which a process finds an address. */
uint8_t model_space_at(const struct model *model, uint8_t process, zx_vaddr_t va);
zx_status_t model_check_handle(const struct model *model, int32_t handle, uint8_t type, zx_rights_t needed);
zx_rights_t model_rights(const struct model *model, int32_t handle);
int32_t model_object(const struct model *model, int32_t handle);
struct model_answer model_handle_close(int32_t handle, bool invalid);
void model_do_handle_close(struct model *model, int32_t handle);
/* Both of duplicate and replace. */
struct model_answer model_handle_copy(const struct model *model, int32_t handle, bool replace,
                                      zx_rights_t rights, bool null_result);
struct model_answer model_replace_as_executable(const struct model *model, int32_t handle, bool vmex,
                                                bool null_result);
/* Either of get_property and set_property. */
struct model_answer model_property(const struct model *model, int32_t handle, bool set, uint32_t property,
                                   uint64_t size, bool null_value);
/* The ZX_MAX_NAME_LEN bytes of the name of what a handle to a VMO or a process leads to. */
char *model_name(struct model *model, int32_t handle);
void model_do_set_name(struct model *model, int32_t handle, const char *value, uint64_t size);
struct model_answer model_get_info(const struct model *model, int32_t handle, uint32_t topic,
                                   bool null_buffer, bool short_buffer);

/* ---- VMARs (model.c) ---- */

struct model_answer model_vmar_allocate(const struct model *model, int32_t parent, uint32_t options,
                                        uint64_t offset, uint64_t size, bool null_result);
struct model_answer model_vmar_map(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                                   int32_t vmo, uint64_t vmo_offset, uint64_t len, bool null_result);
/* Whether the place that the core chose is one that it may choose. Null, or what is wrong with it. */
const char *model_place_wrong(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                              uint64_t size, zx_vaddr_t place);
int32_t model_do_vmar_allocate(struct model *model, int32_t parent, uint32_t options, zx_vaddr_t base,
                               uint64_t size);
void model_do_vmar_map(struct model *model, int32_t vmar, uint32_t options, int32_t vmo, uint64_t vmo_offset,
                       zx_vaddr_t base, uint64_t len);
struct model_answer model_vmar_unmap(const struct model *model, int32_t vmar, uint64_t addr, uint64_t len);
void model_do_vmar_unmap(struct model *model, int32_t vmar, uint64_t addr, uint64_t len);
struct model_answer model_vmar_protect(const struct model *model, int32_t vmar, uint32_t options,
                                       uint64_t addr, uint64_t len);
void model_do_vmar_protect(struct model *model, uint8_t space, uint32_t options, uint64_t addr, uint64_t len);
struct model_answer model_vmar_op_range(const struct model *model, int32_t vmar, uint32_t op, uint64_t addr,
                                        uint64_t len, bool buffer);
void model_do_vmar_op_range(struct model *model, uint8_t space, uint32_t op, uint64_t addr, uint64_t len);
struct model_answer model_vmar_destroy(const struct model *model, int32_t vmar);
void model_do_vmar_destroy(struct model *model, int32_t vmar);
struct model_answer model_vmar_set_priority(const struct model *model, int32_t vmar);
void model_do_vmar_set_priority(struct model *model, int32_t vmar, bool high);
bool model_is_space_high(const struct model *model, uint8_t space);
/* Whether a space of a process that is alive is of high memory priority. */
bool model_is_high_priority(const struct model *model, uint8_t process);
/* The piece that holds va; MODEL_NONE in a gap. */
int32_t model_piece_at(const struct model *model, uint8_t space, zx_vaddr_t va);
/* Whether code of a vDSO is mapped in [base, end) of the space. */
bool model_touches_vdso(const struct model *model, uint8_t space, uint64_t base, uint64_t end);
/* Whether a mapping of the VMO is refused because it would execute a vDSO; `len` is a multiple of a page. */
bool model_vdso_refuses(const struct model *model, uint8_t space, int32_t vmo, uint64_t vmo_offset,
                        uint64_t len, uint8_t perms);
/* The piece that such a mapping becomes, where it is allowed: appended. */
void model_add_piece(struct model *model, struct model_piece piece);
/* Steps 6 to 9 of allocate, with options of a map; NO_RESOURCES where a place is to be chosen and there is none. */
zx_status_t model_check_place(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                              uint64_t size);
/* The free bytes of the VMAR from `from` on up to its next child or its end. */
uint64_t model_gap(const struct model *model, int32_t vmar, zx_vaddr_t from);

/* ---- Spaces that are no process's: the kernel's and those of guests (model_space.c) ---- */

struct model_alloc {
    uint8_t space;    /* TRACE_SPACE_KERNEL, or a guest that there is */
    uint32_t options; /* TRACE_ALLOC_* */
    uint8_t align_log2;
    bool null_at;
    zx_vaddr_t at; /* with SPECIFIC */
    uint64_t size;
    uint64_t offset; /* in the VMO, or in the device's memory */
    int32_t vmo;     /* handle; that of map_object */
};

/* Before the first operation: the kernel's space. */
void model_start_spaces(struct model *model);
bool model_has_space(const struct model *model, uint8_t space);
/* Its root VMAR. */
int32_t model_space_root(const struct model *model, uint8_t space);
/* Of the whole type where `size` is 0. */
struct model_answer model_guest_create(uint64_t base, uint64_t size);
void model_do_guest_create(struct model *model, uint8_t space, uint64_t base, uint64_t size);
void model_do_guest_destroy(struct model *model, uint8_t space);
/* Of the four that `code` names. */
struct model_answer model_space_alloc(const struct model *model, uint8_t code,
                                      const struct model_alloc *alloc);
/* What it makes: the memory of its own or, of map_object, a mapping of the VMO. */
void model_do_space_alloc(struct model *model, uint8_t code, const struct model_alloc *alloc,
                          zx_vaddr_t base);
struct model_answer model_space_free_region(const struct model *model, uint8_t space, zx_vaddr_t va);
void model_do_space_free_region(struct model *model, uint8_t space, zx_vaddr_t va);
/* How an access ends; *inside: all of it lies in mappings, so that its bytes are known. */
zx_status_t model_space_access(const struct model *model, uint8_t space, zx_vaddr_t va, uint64_t size,
                               uint8_t perms, uint64_t *done);
bool model_touches_aside(const struct model *model, uint8_t space, zx_vaddr_t va, uint64_t size);
void model_space_bytes(const struct model *model, uint8_t space, zx_vaddr_t va, void *out, uint64_t size);
void model_do_space_bytes(struct model *model, uint8_t space, zx_vaddr_t va, const void *in, uint64_t size);
struct model_answer model_declare_vdso(const struct model *model, int32_t vmo, uint64_t offset,
                                       uint64_t size);
void model_do_declare_vdso(struct model *model, int32_t vmo, uint64_t offset, uint64_t size);

/* ---- virtual_alloc (model_virtual_alloc.c) ---- */

/* Sets the range aside, where that has not been done. */
struct model_answer model_set_aside(const struct model *model);
void model_do_set_aside(struct model *model);
struct model_answer model_valloc_init(const struct model *model, uint64_t size, uint64_t guard,
                                      uint8_t align_log2);
void model_do_valloc_init(struct model *model, uint64_t size, uint64_t guard, uint8_t align_log2);
/* *place: where it must lie, in pages from the base of the range. */
struct model_answer model_valloc_alloc(const struct model *model, uint64_t pages, uint32_t *place);
void model_do_valloc_take(struct model *model, uint32_t first, uint32_t count);
/* Pages of a run, all of which are taken. */
void model_do_valloc_free(struct model *model, uint32_t first, uint32_t count);
/* Whether the page is one of bookkeeping or given out. */
bool model_valloc_has(const struct model *model, uint64_t page);

/* ---- VMOs and accesses (model_vmo.c) ---- */

struct model_answer model_vmo_create(uint64_t size, uint32_t options, bool null_result);
int32_t model_do_vmo_create(struct model *model, uint64_t size, uint32_t options);
struct model_answer model_vmo_create_child(const struct model *model, int32_t vmo, uint32_t options,
                                           uint64_t offset, uint64_t size, bool null_result);
struct model_answer model_vmo_create_contiguous(uint64_t size, uint8_t align_log2);
int32_t model_do_vmo_create_contiguous(struct model *model, uint64_t size);
/* `size` bytes from `offset` on in the device's memory of `device_size` bytes. */
struct model_answer model_vmo_create_physical(uint64_t offset, uint64_t size, uint64_t device_size);
int32_t model_do_vmo_create_physical(struct model *model, uint64_t offset, uint64_t size, uint8_t policy);
struct model_answer model_vmo_set_cache_policy(struct model *model, int32_t vmo);
void model_do_vmo_set_cache_policy(struct model *model, int32_t vmo, uint8_t policy);
/* The VMO whose pages this one shows: itself, or what a slice is a slice of. */
const struct model_vmo *model_shown(const struct model *model, int32_t vmo);
/* The VMO whose pages this one shows, by number; the offset becomes one in that. */
int32_t model_shown_at(const struct model *model, int32_t vmo, uint64_t *offset);
struct model_answer model_vmo_pin(const struct model *model, int32_t vmo, uint64_t offset, uint64_t size);
void model_do_vmo_pin(struct model *model, int32_t vmo, uint64_t offset, uint64_t size);
void model_do_vmo_unpin(struct model *model, uint32_t pin); /* the last pin takes its number */
/* Whether the model has room for the pages of such a child, which is known not to be refused. */
bool model_has_room_for_child(struct model *model, int32_t vmo, uint32_t options, uint64_t offset,
                              uint64_t size);
int32_t model_do_vmo_create_child(struct model *model, int32_t vmo, uint32_t options, uint64_t offset,
                                  uint64_t size);
zx_rights_t model_child_rights(zx_rights_t parent, uint32_t options);
/* Finds out which VMOs there still are: those with a handle, a mapping or a pin, and what a slice of them shows. */
void model_note_living(struct model *model);
/* The nearest VMO that a living VMO descends from and that there still is; MODEL_NONE. */
int32_t model_parent(const struct model *model, int32_t vmo);
struct model_answer model_vmo_io(const struct model *model, int32_t vmo, bool write, uint64_t offset,
                                 uint64_t size, bool null_buffer);
void model_vmo_read(const struct model *model, int32_t vmo, uint64_t offset, void *out, uint64_t size);
void model_do_vmo_write(struct model *model, int32_t vmo, uint64_t offset, const void *in, uint64_t size);
struct model_answer model_vmo_set_size(const struct model *model, int32_t vmo, uint64_t size);
void model_do_vmo_set_size(struct model *model, int32_t vmo, uint64_t size);
struct model_answer model_vmo_op_range(const struct model *model, int32_t vmo, uint32_t op, uint64_t offset,
                                       uint64_t size, bool buffer);
void model_do_vmo_op_range(struct model *model, int32_t vmo, uint32_t op, uint64_t offset, uint64_t size);
/* Whether a page of the range, which is within the VMO, is pinned. */
bool model_is_pinned(const struct model *model, int32_t vmo, uint64_t offset, uint64_t size);
/* The same of a space. */
zx_status_t model_fault_in(const struct model *model, uint8_t space, zx_vaddr_t va, uint8_t perms);
/* What a fault at va is answered with, for an access that wants these permissions. */
zx_status_t model_fault(const struct model *model, uint8_t process, zx_vaddr_t va, uint8_t perms);
/* How an access of `size` bytes ends, and after how many bytes. */
zx_status_t model_access(const struct model *model, uint8_t process, zx_vaddr_t va, uint64_t size,
                         uint8_t perms, uint64_t *done);
/* The bytes at va, all of which are mapped and within their VMOs. */
void model_space_read(const struct model *model, uint8_t process, zx_vaddr_t va, void *out, uint64_t size);
void model_do_space_write(struct model *model, uint8_t process, zx_vaddr_t va, const void *in, uint64_t size);
/* zx_process_read_memory and zx_process_write_memory; *done: how many bytes they must move. */
struct model_answer model_process_memory(const struct model *model, int32_t handle, bool write, zx_vaddr_t va,
                                         uint64_t size, bool null_buffer, bool null_actual, uint64_t *done);
/* How many contents VMOs have none of which was left out when they were asked. */
uint64_t model_contents_of_asked(struct model *model);
/* Gives up the pages of VMOs that there are no longer. */
void model_collect(struct model *model);

#endif /* FUZZ_MODEL_H_ */
