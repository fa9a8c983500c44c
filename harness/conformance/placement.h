/* SPDX-License-Identifier: MIT */
/*
 * placement.h: what zx_vmar_allocate and zx_vmar_map share: where in a VMAR a region may go, and with which
 * status it is refused. A transcription of the specification for small VMARs that tries every page, to hold
 * the calls against.
 */
#ifndef HARNESS_CONFORMANCE_PLACEMENT_H_
#define HARNESS_CONFORMANCE_PLACEMENT_H_

#include "matrix.h"

#define PAGE ZX_PAGE_SIZE

/* A VMAR of ROOM pages, and what must be known of it. Pages as bits. */
enum { ROOM = 32 };
struct place {
    zx_handle_t vmar;
    zx_vaddr_t base;
    bool dead, specific;      /* it is dead; it was created with CAN_MAP_SPECIFIC */
    uint32_t mapped, divided; /* the pages that a mapping, a child VMAR occupies */
};

/* Where regions can go. OPEN has a mapping from page MAPPED_FROM on and a child VMAR from DIVIDED_FROM on;
   PLAIN is empty and nothing may be placed at an offset of it; DEAD has been destroyed. */
enum { OPEN, PLAIN, DEAD, PLACES };
enum { MAPPED_FROM = 9, MAPPED_PAGES = 2, DIVIDED_FROM = 20, DIVIDED_PAGES = 4 };
extern struct place places[PLACES];

void make_places(void);
/* Maps again what an overwriting mapping has replaced. */
void restore_places(void);

/* The status of placing `size` bytes, from "dead" to "no place"; no_room is what the call answers for
   that. */
zx_status_t placement_status(const struct place *place, zx_vm_option_t options, size_t offset, size_t size,
                             zx_status_t no_room);

/* Whether a region of `size` bytes, not yet there, may be at addr. */
bool placement_fits(const struct place *place, zx_vm_option_t options, size_t offset, size_t size,
                    zx_vaddr_t addr);

/* Whether the alignment byte is one that can be asked for. */
bool is_align_valid(zx_vm_option_t options);

/* Calls `try` for every option bit, every pair of bits, and every alignment byte beside each of the
   `count` options. */
void for_each_option(void (*try)(zx_vm_option_t options), const zx_vm_option_t *beside, size_t count);

/* Calls `try` for each pair of values that are boundaries for places and sizes. */
void for_each_boundary(void (*try)(uint64_t first, uint64_t second));

#endif /* HARNESS_CONFORMANCE_PLACEMENT_H_ */
