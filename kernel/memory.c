/* SPDX-License-Identifier: MIT */
/*
 * memory.c: physical memory before the core has a machine. A short sorted array of free ranges: what is in
 * use is cut out of it, what boot code takes comes off the top of a range, what is left becomes the arenas of
 * the kernel's machine.
 */
#include <vm/format.h>
#include <vm/mem.h>

#include "memory.h"
#include "multiboot.h"
#include "paging.h"

#define RANGES_MAX       (2 * BOOT_RANGES_MAX)
#define LOW_MEMORY       (1u << 20)  /* firmware data, the VGA window; not worth having */
#define CONVENTIONAL_END 0xa0000u    /* the VGA window begins there */
#define RANGE_MIN        (64u << 10) /* smaller ones are not worth an arena */

static struct pmm_range ranges[RANGES_MAX]; /* ascending, disjoint, page-aligned */
static size_t range_count;
static zx_paddr_t top, low_page;

static void insert(size_t at, zx_paddr_t base, zx_paddr_t end)
{
    if (base >= end || range_count == RANGES_MAX)
        return;
    memmove(&ranges[at + 1], &ranges[at], (range_count - at) * sizeof(ranges[0]));
    ranges[at] = (struct pmm_range){base, end - base};
    range_count++;
}

static void erase(size_t at)
{
    range_count--;
    memmove(&ranges[at], &ranges[at + 1], (range_count - at) * sizeof(ranges[0]));
}

/* Cuts [base, end), grown to whole pages, out of what is free. */
static void cut(zx_paddr_t base, zx_paddr_t end)
{
    base &= ~ZX_PAGE_MASK;
    end = (end + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
    for (size_t i = 0; i < range_count;) {
        zx_paddr_t from = ranges[i].base, to = from + ranges[i].size;
        if (to <= base || from >= end) {
            i++;
            continue;
        }
        erase(i);
        insert(i, end > from ? end : from, to);
        insert(i, from, base < to ? base : to);
    }
}

/* Adds a range of the loader's list; whatever of it is known already is not added twice. */
static void add(zx_paddr_t base, size_t size)
{
    zx_paddr_t end = base + size;
    base = (base + ZX_PAGE_MASK) & ~ZX_PAGE_MASK;
    end &= ~ZX_PAGE_MASK;
    if (end <= base || end > DIRECT_MAP_SIZE)
        return;
    cut(base, end);
    size_t at = 0;
    while (at < range_count && ranges[at].base < base)
        at++;
    insert(at, base, end);
    if (end > top)
        top = end;
}

/* The highest page of conventional memory that nobody uses. */
static void choose_low_page(void)
{
    for (size_t i = 0; i < range_count; i++) {
        zx_paddr_t end = ranges[i].base + ranges[i].size;
        if (end > CONVENTIONAL_END)
            end = CONVENTIONAL_END;
        if (ranges[i].base < end && end - ZX_PAGE_SIZE != 0)
            low_page = end - ZX_PAGE_SIZE;
    }
}

void memory_start(void)
{
    for (unsigned i = 0; i < boot_info.memory_count; i++)
        add(boot_info.memory[i].base, boot_info.memory[i].size);
    cut(boot_info.information.base, boot_info.information.base + boot_info.information.size);
    cut((zx_paddr_t)image_start_physical, kernel_to_physical(image_end));
    for (unsigned i = 0; i < boot_info.module_count; i++)
        cut(boot_info.modules[i].base, boot_info.modules[i].base + boot_info.modules[i].size);
    choose_low_page();
    cut(0, LOW_MEMORY);
}

zx_paddr_t memory_low_page(void)
{
    return low_page;
}

zx_paddr_t memory_take(size_t size, size_t alignment)
{
    for (size_t i = range_count; i-- > 0;) {
        zx_paddr_t end = ranges[i].base + ranges[i].size;
        if (end > EARLY_MAP_SIZE)
            end = EARLY_MAP_SIZE;
        if (end < size)
            continue;
        zx_paddr_t base = (end - size) & ~(alignment - 1);
        if (base < ranges[i].base)
            continue;
        cut(base, base + size);
        return base;
    }
    return 0;
}

static void drop_smallest(void)
{
    size_t smallest = 0;
    for (size_t i = 1; i < range_count; i++)
        if (ranges[i].size < ranges[smallest].size)
            smallest = i;
    erase(smallest);
}

size_t memory_give_all(struct pmm_range *out, size_t most)
{
    while (range_count > most)
        drop_smallest();
    for (size_t i = range_count; i-- > 0;)
        if (ranges[i].size < RANGE_MIN)
            erase(i);
    size_t count = range_count;
    memcpy(out, ranges, count * sizeof(ranges[0]));
    range_count = 0;
    return count;
}

zx_paddr_t memory_top(void)
{
    return top;
}
