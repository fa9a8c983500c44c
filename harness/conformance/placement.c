/* SPDX-License-Identifier: MIT */
/* placement.c: the specification of placing, for VMARs of few pages (placement.h). */
#include "placement.h"

struct place places[PLACES];

static uint32_t pages_from(size_t first, size_t count)
{
    return (uint32_t)(((1ull << count) - 1) << first);
}

void make_places(void)
{
    zx_vm_option_t aligned = ALIGN(20); /* all bases alike */
    zx_handle_t vmo = make_vmo(PAGE, 0);
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *place = &places[i];
        *place = (struct place){.dead = i == DEAD, .specific = i == OPEN};
        place->vmar = make_vmar((place->specific ? EVERYTHING : CAN_MAP_RWX) | aligned, ROOM, &place->base);
    }
    STATUS(ZX_OK, zx_vmar_destroy(places[DEAD].vmar));
    places[OPEN].mapped = pages_from(MAPPED_FROM, MAPPED_PAGES);
    places[OPEN].divided = pages_from(DIVIDED_FROM, DIVIDED_PAGES);
    (void)map_at(places[OPEN].vmar, ZX_VM_PERM_READ, MAPPED_FROM * PAGE, vmo, 0, MAPPED_PAGES);
    (void)make_vmar_at(places[OPEN].vmar, EVERYTHING, DIVIDED_FROM * PAGE, DIVIDED_PAGES);
}

void restore_places(void)
{
    zx_handle_t vmo = make_vmo(PAGE, 0), vmar = places[OPEN].vmar;
    STATUS(ZX_OK, zx_vmar_unmap(vmar, places[OPEN].base, DIVIDED_FROM * PAGE));
    (void)map_at(vmar, ZX_VM_PERM_READ, MAPPED_FROM * PAGE, vmo, 0, MAPPED_PAGES);
    STATUS(ZX_OK, zx_handle_close(vmo));
}

static bool is_specific(zx_vm_option_t options)
{
    return (options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)) != 0;
}

static bool is_limited(zx_vm_option_t options)
{
    return (options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0;
}

bool is_align_valid(zx_vm_option_t options)
{
    uint32_t log2 = options >> ZX_VM_ALIGN_BASE;
    return log2 == 0 || (log2 >= 10 && log2 <= 32);
}

static bool is_aligned(zx_vm_option_t options, zx_vaddr_t addr)
{
    uint32_t log2 = options >> ZX_VM_ALIGN_BASE;
    return (addr & ((1ull << (log2 < ZX_PAGE_SHIFT ? ZX_PAGE_SHIFT : log2)) - 1)) == 0;
}

bool placement_fits(const struct place *place, zx_vm_option_t options, size_t offset, size_t size,
                    zx_vaddr_t addr)
{
    size_t from = addr - place->base, room = is_limited(options) ? offset : ROOM * PAGE;
    if (addr < place->base || !is_aligned(options, addr) || from > room || size > room - from)
        return false;
    if (is_specific(options) && from != offset)
        return false;
    uint32_t pages = pages_from(from / PAGE, size / PAGE);
    if ((options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        return (pages & place->divided) == 0;
    return (pages & (place->mapped | place->divided)) == 0;
}

static bool has_room(const struct place *place, zx_vm_option_t options, size_t offset, size_t size)
{
    for (size_t page = 0; page < ROOM; page++)
        if (placement_fits(place, options, offset, size, place->base + page * PAGE))
            return true;
    return false;
}

zx_status_t placement_status(const struct place *place, zx_vm_option_t options, size_t offset, size_t size,
                             zx_status_t no_room)
{
    size_t room = ROOM * PAGE;
    if (place->dead)
        return ZX_ERR_BAD_STATE;
    if (size == 0)
        return ZX_ERR_INVALID_ARGS;
    if (is_specific(options) && is_limited(options))
        return ZX_ERR_INVALID_ARGS;
    if (!is_specific(options) && !is_limited(options) && offset != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((offset & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((is_specific(options) || is_limited(options)) && !place->specific)
        return ZX_ERR_ACCESS_DENIED;
    if (is_limited(options) ? offset > room || size > offset : offset >= room || size > room - offset)
        return ZX_ERR_INVALID_ARGS;
    if (!is_specific(options))
        return has_room(place, options, offset, size) ? ZX_OK : no_room;
    if (!is_aligned(options, place->base + offset))
        return ZX_ERR_INVALID_ARGS;
    if (placement_fits(place, options, offset, size, place->base + offset))
        return ZX_OK;
    return (options & ZX_VM_SPECIFIC_OVERWRITE) != 0 ? ZX_ERR_INVALID_ARGS : ZX_ERR_ALREADY_EXISTS;
}

void for_each_option(void (*try)(zx_vm_option_t options), const zx_vm_option_t *beside, size_t count)
{
    try(0);
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++)
            try(1u << first | 1u << second);
    for (size_t i = 0; i < count; i++)
        for (unsigned log2 = 1; log2 < 256; log2++)
            try(ALIGN(log2) | beside[i]);
}

void for_each_boundary(void (*try)(uint64_t first, uint64_t second))
{
    enum { OWN = 9, ALL = BOUNDARIES + OWN };
    static const uint64_t pages[OWN] = {2, 7, 8, 9, 10, 11, 19, 20, 24};
    uint64_t values[ALL];
    (void)boundaries_of(ROOM * PAGE, values);
    for (unsigned i = 0; i < OWN; i++)
        values[BOUNDARIES + i] = pages[i] * PAGE;
    for (unsigned i = 0; i < ALL; i++)
        for (unsigned j = 0; j < ALL; j++)
            try(values[i], values[j]);
}
