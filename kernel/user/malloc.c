/* SPDX-License-Identifier: MIT */
/*
 * malloc.c: memory by the piece, for programs that link it.
 *
 * Concept. All of it lies in one VMAR, made at first use. In it are regions, each a mapping of a VMO of its own at a multiple of
 * 64 KiB that begins with a head: so the head of any piece is found by rounding its address down. A region of 64 KiB is cut into slots of one
 * size (a class); a large piece has a region for itself.
 *
 * Structure. Classes are the multiples of 16 up to 128, then four for each doubling up to 8 KiB. A class lists its regions that have a
 * free slot; a region has a bit for each slot that is taken, so that giving back what is free is noticed. A region whose
 * slots are all free goes, unless it is the only one in its list.
 *
 * Locking. A lock for each class, one for making the VMAR; none for large pieces, which are the callers' own.
 *
 * Cost. Small: 64 words looked at, at most. Large, and each 64 KiB: three calls.
 */
#include <stdatomic.h>

#include "runtime.h"

#define REGION_SIZE  ((size_t)64 << 10)
#define REGION_MAGIC 0x6e6f696765722121ull
#define HEAP_SIZE    ((size_t)64 << 30)
#define GRAIN        ((size_t)16)
#define LINEAR_MAX   ((size_t)128) /* up to here a class for each multiple of the grain */
#define SMALL_MAX    ((size_t)8 << 10)
#define LINEAR_COUNT 8
#define STEPS        4 /* classes for each doubling above */
#define CLASS_COUNT  (LINEAR_COUNT + STEPS * 6)
#define LARGE        CLASS_COUNT
#define WORDS        (REGION_SIZE / GRAIN / 64)

struct region {
    uint64_t magic;
    uint32_t class; /* or LARGE */
    uint32_t taken;
    size_t slot_size, slot_count; /* LARGE: size of the piece, 1 */
    size_t size;                  /* of the mapping */
    struct region *next, *previous;
    bool listed;
    uint64_t bits[WORDS]; /* one for each slot that is taken */
} __attribute__((aligned(16)));

static struct class
{
    struct lock lock;
    struct region *first; /* of those with a free slot */
} classes[CLASS_COUNT];

static struct lock heap_lock;
static _Atomic zx_handle_t heap;

/* ---- Regions ---- */

/* The VMAR; ZX_HANDLE_INVALID: no room. */
static zx_handle_t get_heap(void)
{
    zx_handle_t vmar = atomic_load(&heap);
    zx_vaddr_t base;
    if (vmar != ZX_HANDLE_INVALID)
        return vmar;
    lock_take(&heap_lock);
    vmar = atomic_load(&heap);
    if (vmar == ZX_HANDLE_INVALID &&
        zx_vmar_allocate(zx_vmar_root_self(), ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_COMPACT, 0,
                         HEAP_SIZE, &vmar, &base) == ZX_OK)
        atomic_store(&heap, vmar);
    lock_give(&heap_lock);
    return vmar;
}

static struct region *map_region(size_t size)
{
    zx_handle_t vmar = get_heap(), vmo;
    zx_vaddr_t at = 0;
    if (vmar == ZX_HANDLE_INVALID || zx_vmo_create(size, 0, &vmo) != ZX_OK)
        return NULL;
    zx_status_t status =
        zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_ALIGN_64KB, 0, vmo, 0, size, &at);
    (void)zx_handle_close(vmo);
    if (status != ZX_OK)
        return NULL;
    struct region *region = (struct region *)at;
    region->magic = REGION_MAGIC;
    region->size = size;
    return region;
}

static void unmap_region(struct region *region)
{
    region->magic = 0;
    if (zx_vmar_unmap(get_heap(), (zx_vaddr_t)region, region->size) != ZX_OK)
        give_up("malloc: a region at %p cannot be unmapped", (void *)region);
}

static struct region *region_of(void *piece)
{
    struct region *region = (struct region *)((uintptr_t)piece & ~(REGION_SIZE - 1));
    if (region->magic != REGION_MAGIC)
        give_up("malloc: %p was never handed out", piece);
    return region;
}

/* ---- Small pieces ---- */

static unsigned class_of(size_t size)
{
    if (size <= LINEAR_MAX)
        return size == 0 ? 0 : (unsigned)((size - 1) / GRAIN);
    unsigned log = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^log < size <= 2^(log+1) */
    unsigned step = (unsigned)((size - 1) >> (log - 2)) & 3;
    return LINEAR_COUNT + (log - 7) * STEPS + step;
}

static size_t size_of_class(unsigned class)
{
    if (class < LINEAR_COUNT)
        return (class + 1) * GRAIN;
    unsigned log = 7 + (class - LINEAR_COUNT) / STEPS, step = (class - LINEAR_COUNT) % STEPS;
    return ((size_t)(STEPS + step + 1) << log) / STEPS;
}

static void list_add(struct class *class, struct region *region)
{
    region->listed = true;
    region->previous = NULL;
    region->next = class->first;
    if (region->next != NULL)
        region->next->previous = region;
    class->first = region;
}

static void list_remove(struct class *class, struct region *region)
{
    region->listed = false;
    if (region->previous != NULL)
        region->previous->next = region->next;
    else
        class->first = region->next;
    if (region->next != NULL)
        region->next->previous = region->previous;
}

static struct region *add_region(unsigned number)
{
    struct region *region = map_region(REGION_SIZE);
    if (region == NULL)
        return NULL;
    region->class = number;
    region->slot_size = size_of_class(number);
    region->slot_count = (REGION_SIZE - sizeof(*region)) / region->slot_size;
    list_add(&classes[number], region);
    return region;
}

/* Of a region that has one. */
static void *take_slot(struct region *region)
{
    size_t word = 0;
    while (region->bits[word] == UINT64_MAX)
        word++;
    unsigned bit = (unsigned)__builtin_ctzll(~region->bits[word]);
    region->bits[word] |= 1ull << bit;
    region->taken++;
    return (char *)(region + 1) + (word * 64 + bit) * region->slot_size;
}

static void *take_small(size_t size)
{
    unsigned number = class_of(size);
    struct class *class = &classes[number];
    void *piece = NULL;
    lock_take(&class->lock);
    struct region *region = class->first;
    if (region == NULL)
        region = add_region(number);
    if (region != NULL) {
        piece = take_slot(region);
        if (region->taken == region->slot_count)
            list_remove(class, region);
    }
    lock_give(&class->lock);
    return piece;
}

static void give_small(struct region *region, void *piece)
{
    struct class *class = &classes[region->class];
    size_t offset = (size_t)((char *)piece - (char *)(region + 1)), slot = offset / region->slot_size;
    bool last = false;
    if ((char *)piece < (char *)(region + 1) || offset % region->slot_size != 0 || slot >= region->slot_count)
        give_up("malloc: %p is within a piece", piece);
    lock_take(&class->lock);
    if ((region->bits[slot / 64] >> slot % 64 & 1) == 0)
        give_up("malloc: %p is free already", piece);
    region->bits[slot / 64] &= ~(1ull << slot % 64);
    region->taken--;
    if (!region->listed)
        list_add(class, region);
    if (region->taken == 0 && (class->first != region || region->next != NULL)) {
        list_remove(class, region);
        last = true;
    }
    lock_give(&class->lock);
    if (last)
        unmap_region(region);
}

/* ---- Large pieces ---- */

static void *take_large(size_t size)
{
    if (size > HEAP_SIZE)
        return NULL;
    struct region *region = map_region((size + sizeof(*region) + ZX_PAGE_MASK) & ~ZX_PAGE_MASK);
    if (region == NULL)
        return NULL;
    region->class = LARGE;
    region->slot_count = 1;
    region->slot_size = region->size - sizeof(*region);
    return region + 1;
}

/* ---- All pieces ---- */

void *malloc(size_t size)
{
    return size <= SMALL_MAX ? take_small(size) : take_large(size);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *piece = malloc(bytes);
    if (piece != NULL && bytes <= SMALL_MAX) /* a region of its own is of zeroes */
        memset(piece, 0, bytes);
    return piece;
}

void *realloc(void *piece, size_t size)
{
    if (piece == NULL)
        return malloc(size);
    size_t room = region_of(piece)->slot_size;
    if (size <= room && size > room / 2)
        return piece;
    void *other = malloc(size);
    if (other == NULL)
        return NULL;
    memcpy(other, piece, size < room ? size : room);
    free(piece);
    return other;
}

void free(void *piece)
{
    if (piece == NULL)
        return;
    struct region *region = region_of(piece);
    if (region->class != LARGE)
        give_small(region, piece);
    else if (piece != region + 1)
        give_up("malloc: %p is within a piece", piece);
    else
        unmap_region(region);
}
