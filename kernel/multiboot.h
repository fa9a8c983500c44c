/* SPDX-License-Identifier: MIT */
/* multiboot.h: what the boot loader told us, copied out of its memory. */
#ifndef KERNEL_MULTIBOOT_H_
#define KERNEL_MULTIBOOT_H_

#include <stdint.h>
#include <vm/pmm.h>

#define BOOT_MODULES_MAX 16
#define BOOT_RANGES_MAX  64

struct boot_module {
    char name[64]; /* the first word of its command line */
    zx_paddr_t base;
    size_t size;
};

struct boot_framebuffer {
    zx_paddr_t base;
    uint32_t pitch, width, height; /* pixels, or characters where `text` */
    uint8_t bits;
    uint8_t type; /* enum boot_framebuffer_type */
};

enum boot_framebuffer_type { BOOT_FRAMEBUFFER_INDEXED, BOOT_FRAMEBUFFER_RGB, BOOT_FRAMEBUFFER_TEXT };

struct boot_info {
    char command_line[1024];
    char loader[64];
    unsigned module_count;
    struct boot_module modules[BOOT_MODULES_MAX];
    unsigned memory_count; /* usable ranges, as the loader lists them */
    struct pmm_range memory[BOOT_RANGES_MAX];
    struct pmm_range information; /* where all this was read from */
    unsigned acpi_size;           /* bytes of what the firmware's tables begin with; 0: there are none */
    uint8_t acpi[36];
    bool has_framebuffer;
    struct boot_framebuffer framebuffer;
};

extern struct boot_info boot_info;

/* Reads the loader's information at this physical address into boot_info; what is malformed is left out, and
 * said. */
void multiboot_read(zx_paddr_t information);

#endif /* KERNEL_MULTIBOOT_H_ */
