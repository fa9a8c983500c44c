/* SPDX-License-Identifier: MIT */
/*
 * symbols.c: names for addresses. The kernel is linked twice: symbols.awk turns the functions of the first
 * link into a table, which the second link adds behind everything that has an address of its own.
 */
#include <stddef.h>

#include "paging.h"
#include "symbols.h"

struct symbol {
    uint32_t address; /* from KERNEL_BASE */
    uint32_t name;    /* from symbol_names */
};

/* symbols.awk; absent from the first link. */
extern const struct symbol symbol_table[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));
extern const uint32_t symbol_count __attribute__((weak));

const char *symbol_at(uint64_t address, uint64_t *offset)
{
    const uint32_t *count = &symbol_count;
    if (count == NULL || address < (uintptr_t)image_text || address >= (uintptr_t)image_rodata)
        return NULL;
    uint32_t wanted = (uint32_t)(address - KERNEL_BASE);
    uint32_t low = 0, high = *count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (symbol_table[middle].address <= wanted)
            low = middle;
        else
            high = middle;
    }
    if (low == high || symbol_table[low].address > wanted)
        return NULL;
    if (offset != NULL)
        *offset = wanted - symbol_table[low].address;
    return symbol_names + symbol_table[low].name;
}
