/* SPDX-License-Identifier: MIT */
/* acpi.h: what the firmware's tables say about processors. */
#ifndef KERNEL_ACPI_H_
#define KERNEL_ACPI_H_

#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

#define ACPI_PROCESSORS_MAX 64

struct acpi_processors {
    zx_paddr_t apic; /* the local interrupt controllers' registers; 0: the tables do not say */
    unsigned count;
    uint32_t ids[ACPI_PROCESSORS_MAX]; /* those that may be used, by their interrupt controllers */
};

/*
 * Reads the tables that begin with that pointer (RSDP), of which a copy of `size` bytes is at `pointer` (multiboot.h). What is
 * malformed is left out, and said; without tables there are no processors in *out. The kernel's machine has started: tables
 * are looked at through its space, wherever they lie. Cost: their size.
 */
void acpi_find_processors(const void *pointer, size_t size, struct acpi_processors *out);

#endif /* KERNEL_ACPI_H_ */
