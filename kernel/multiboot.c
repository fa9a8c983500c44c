/* SPDX-License-Identifier: MIT */
/*
 * multiboot.c: the boot information of multiboot2: a size, then tags, each with a type and a size, each at
 * the next multiple of eight. What we need is copied: the loader's memory is given away afterwards. Nothing
 * in it is trusted beyond its own bounds.
 */
#include <stdbool.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "multiboot.h"
#include "paging.h"
#include "text.h"

enum {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER = 2,
    TAG_MODULE = 3,
    TAG_MEMORY = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15
};

struct tag {
    uint32_t type, size;
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char name[];
};

struct tag_memory {
    struct tag tag;
    uint32_t entry_size, entry_version;
};

struct memory_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

#define MEMORY_AVAILABLE 1

struct tag_framebuffer {
    struct tag tag;
    uint64_t base;
    uint32_t pitch, width, height;
    uint8_t bits, type, reserved[2];
};

struct boot_info boot_info;

static void read_module(const struct tag *tag)
{
    const struct tag_module *module = (const void *)tag;
    if (tag->size <= sizeof(*module) || module->end < module->start)
        return;
    if (boot_info.module_count == BOOT_MODULES_MAX) {
        vm_print(&vm_log_sink, "boot: more than %d modules, the rest is ignored\n", BOOT_MODULES_MAX);
        return;
    }
    struct boot_module *to = &boot_info.modules[boot_info.module_count++];
    to->base = module->start;
    to->size = module->end - module->start;
    text_copy(to->name, sizeof(to->name), module->name);
    for (char *c = to->name; *c != '\0'; c++)
        if (*c == ' ')
            *c = '\0';
}

static void read_memory(const struct tag *tag)
{
    const struct tag_memory *memory = (const void *)tag;
    if (memory->entry_size < sizeof(struct memory_entry))
        return;
    const char *end = (const char *)tag + tag->size;
    for (const char *at = (const char *)(memory + 1); at + memory->entry_size <= end;
         at += memory->entry_size) {
        struct memory_entry entry;
        memcpy(&entry, at, sizeof(entry));
        if (entry.type == MEMORY_AVAILABLE && boot_info.memory_count < BOOT_RANGES_MAX)
            boot_info.memory[boot_info.memory_count++] = (struct pmm_range){entry.base, entry.size};
    }
}

static void read_framebuffer(const struct tag *tag)
{
    const struct tag_framebuffer *from = (const void *)tag;
    if (tag->size < sizeof(*from))
        return;
    boot_info.has_framebuffer = true;
    boot_info.framebuffer = (struct boot_framebuffer){.base = from->base,
                                                      .pitch = from->pitch,
                                                      .width = from->width,
                                                      .height = from->height,
                                                      .bits = from->bits,
                                                      .type = from->type};
}

/* A copy of the pointer that ACPI's tables begin with; where there are both kinds, the new one counts. */
static void read_acpi(const struct tag *tag)
{
    size_t size = tag->size - sizeof(*tag);
    if (boot_info.acpi_size > size)
        return;
    boot_info.acpi_size = size < sizeof(boot_info.acpi) ? (unsigned)size : sizeof(boot_info.acpi);
    memcpy(boot_info.acpi, tag + 1, boot_info.acpi_size);
}

static void read_tag(const struct tag *tag)
{
    switch (tag->type) {
    case TAG_COMMAND_LINE:
        text_copy(boot_info.command_line, sizeof(boot_info.command_line), (const char *)(tag + 1));
        break;
    case TAG_LOADER:
        text_copy(boot_info.loader, sizeof(boot_info.loader), (const char *)(tag + 1));
        break;
    case TAG_MODULE:
        read_module(tag);
        break;
    case TAG_MEMORY:
        read_memory(tag);
        break;
    case TAG_FRAMEBUFFER:
        read_framebuffer(tag);
        break;
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW:
        read_acpi(tag);
        break;
    default:
        break;
    }
}

void multiboot_read(zx_paddr_t information)
{
    const uint32_t *head = physical_to_virtual(information);
    uint32_t size = head[0];
    boot_info.information = (struct pmm_range){information, size};
    for (uint32_t at = 8; at + sizeof(struct tag) <= size;) {
        const struct tag *tag = physical_to_virtual(information + at);
        if (tag->type == TAG_END || tag->size < sizeof(*tag) || tag->size > size - at)
            break;
        read_tag(tag);
        at += (tag->size + 7) & ~7u;
    }
}
