/* SPDX-License-Identifier: MIT */
/*
 * acpi.c: which processors there are: the pointer from the boot loader leads to a list of tables, one of which (MADT) lists
 * interrupt controllers, and with them processors.
 *
 * Nothing is believed beyond its own bounds. A table is first seen as its header, then, with the length that this gives, as
 * a whole, which must add up to zero. Tables may lie anywhere in physical memory, above what the direct map has too: each
 * is shown in the kernel's own space while it is read.
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "acpi.h"

#define TABLE_MAX    (1u << 20)
#define POINTER_OLD  20 /* bytes of it that the first checksum is for */
#define POINTER_NEW  36
#define MADT_ENTRIES 44

struct pointer {
    char signature[8];
    uint8_t checksum, maker[6], revision;
    uint32_t rsdt;
    /* from revision 2 on */
    uint32_t length;
    uint64_t xsdt;
    uint8_t checksum_all, reserved[3];
} __attribute__((packed));

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum, maker[6], table[8];
    uint32_t table_revision, tool, tool_revision;
} __attribute__((packed));

_Static_assert(sizeof(struct pointer) == POINTER_NEW && sizeof(struct header) == 36,
               "as the firmware has them");

/* A physical range, as it is seen for a while. */
struct view {
    void *mapped;
    const uint8_t *bytes;
};

static bool view(zx_paddr_t base, size_t size, struct view *out)
{
    size_t inside = base & ZX_PAGE_MASK;
    out->mapped = NULL;
    if (base == 0 || vm_aspace_alloc_physical(vm_aspace_kernel(), "acpi", inside + size, &out->mapped, 0,
                                              base - inside, 0, ARCH_MMU_READ) != ZX_OK)
        return false;
    out->bytes = (const uint8_t *)out->mapped + inside;
    return true;
}

static void leave(struct view *seen)
{
    vm_aspace_free_region(vm_aspace_kernel(), (uintptr_t)seen->mapped);
}

static bool adds_up(const void *bytes, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum == 0;
}

static uint64_t number_at(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    memcpy(&number, bytes, size);
    return number;
}

static void complain(const char *what, zx_paddr_t at)
{
    vm_print(&vm_log_sink, "acpi: %s (at %llx): left out\n", what, (unsigned long long)at);
}

/* Shows a table. False: there is none; said, where there should have been. */
static bool view_table(zx_paddr_t base, const char *signature, struct view *out, size_t *length)
{
    struct header header;
    if (!view(base, sizeof(header), out)) {
        complain("a table at an impossible place", base);
        return false;
    }
    memcpy(&header, out->bytes, sizeof(header));
    leave(out);
    if (memcmp(header.signature, signature, sizeof(header.signature)) != 0)
        return false;
    *length = header.length;
    if (*length < sizeof(header) || *length > TABLE_MAX || !view(base, *length, out)) {
        complain("a table of an impossible length", base);
        return false;
    }
    if (adds_up(out->bytes, *length))
        return true;
    complain("a table with a wrong checksum", base);
    leave(out);
    return false;
}

/* ---- The table of interrupt controllers ---- */

enum { PROCESSOR = 0, ADDRESS = 5, PROCESSOR_X2 = 9 };

#define MAY_BE_USED 1u

static void add_processor(struct acpi_processors *out, uint64_t id, uint64_t flags)
{
    if ((flags & MAY_BE_USED) == 0)
        return;
    for (unsigned i = 0; i < out->count; i++)
        if (out->ids[i] == id)
            return;
    if (out->count < ACPI_PROCESSORS_MAX)
        out->ids[out->count++] = (uint32_t)id;
}

static void read_entry(const uint8_t *entry, size_t size, struct acpi_processors *out)
{
    if (entry[0] == PROCESSOR && size >= 8)
        add_processor(out, entry[3], number_at(entry + 4, 4));
    else if (entry[0] == PROCESSOR_X2 && size >= 16)
        add_processor(out, number_at(entry + 4, 4), number_at(entry + 8, 4));
    else if (entry[0] == ADDRESS && size >= 12)
        out->apic = number_at(entry + 4, 8);
}

static void read_madt(const uint8_t *table, size_t length, zx_paddr_t base, struct acpi_processors *out)
{
    if (length < MADT_ENTRIES) {
        complain("a table of processors without any", base);
        return;
    }
    out->apic = number_at(table + sizeof(struct header), 4);
    for (size_t at = MADT_ENTRIES; at < length; at += table[at + 1]) {
        if (length - at < 2 || table[at + 1] < 2 || table[at + 1] > length - at) {
            complain("the rest of a table of processors, which is cut off", base + at);
            return;
        }
        read_entry(table + at, table[at + 1], out);
    }
}

/* ---- The list of tables ---- */

/* Reads the first table of processors in the list. False: the list itself is not to be had. */
static bool read_list(zx_paddr_t base, const char *signature, size_t entry_size, struct acpi_processors *out)
{
    struct view list, table;
    size_t length, table_length;
    bool found = false;

    if (!view_table(base, signature, &list, &length))
        return false;
    for (size_t at = sizeof(struct header); !found && length - at >= entry_size; at += entry_size) {
        zx_paddr_t where = number_at(list.bytes + at, entry_size);
        found = where != 0 && view_table(where, "APIC", &table, &table_length);
        if (!found)
            continue;
        read_madt(table.bytes, table_length, where, out);
        leave(&table);
    }
    leave(&list);
    return true;
}

void acpi_find_processors(const void *bytes, size_t size, struct acpi_processors *out)
{
    struct pointer pointer = {0};

    out->apic = 0;
    out->count = 0;
    if (size == 0)
        return;
    memcpy(&pointer, bytes, size < sizeof(pointer) ? size : sizeof(pointer));
    if (size < POINTER_OLD || memcmp(pointer.signature, "RSD PTR ", 8) != 0 ||
        !adds_up(&pointer, POINTER_OLD)) {
        complain("a pointer to tables that is damaged", 0);
        return;
    }
    if (pointer.revision >= 2 && size >= POINTER_NEW && pointer.xsdt != 0) {
        if (!adds_up(&pointer, POINTER_NEW))
            complain("the new half of the pointer to tables, with a wrong checksum,", pointer.xsdt);
        else if (read_list(pointer.xsdt, "XSDT", sizeof(uint64_t), out))
            return;
    }
    if (pointer.rsdt == 0 || !read_list(pointer.rsdt, "RSDT", sizeof(uint32_t), out))
        complain("a list of tables that is not there", pointer.rsdt);
}
