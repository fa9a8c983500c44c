/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg.c: QEMU's configuration device, read through its two ports: select an item, then take its bytes.
 * Item 25 is a directory of named items. So one image serves both for a run without people and for one that
 * ends in the shell.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fw_cfg.h"
#include "io.h"
#include "text.h"

#define PORT_SELECT    0x510
#define PORT_DATA      0x511
#define ITEM_SIGNATURE 0x0000
#define ITEM_DIRECTORY 0x0019
#define NAME_SIZE      56
#define FILES_MAX      1024
#define OPTIONS        "opt/zvm/options"

static uint32_t read_big_endian(unsigned bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | inb(PORT_DATA);
    return value;
}

static bool is_present(void)
{
    outw(PORT_SELECT, ITEM_SIGNATURE);
    return read_big_endian(4) == 0x51454d55; /* "QEMU" */
}

/* Looks the item up; its size is 0 when there is none. */
static uint32_t find(const char *wanted, uint16_t *item)
{
    outw(PORT_SELECT, ITEM_DIRECTORY);
    uint32_t count = read_big_endian(4);
    for (uint32_t i = 0; i < count && i < FILES_MAX; i++) {
        char name[NAME_SIZE + 1];
        uint32_t size = read_big_endian(4);
        *item = (uint16_t)read_big_endian(2);
        read_big_endian(2);
        for (unsigned n = 0; n < NAME_SIZE; n++)
            name[n] = (char)inb(PORT_DATA);
        name[NAME_SIZE] = '\0';
        if (text_equal(name, wanted))
            return size;
    }
    return 0;
}

void fw_cfg_read_options(char *to, size_t size)
{
    uint16_t item = 0;
    uint32_t length = is_present() ? find(OPTIONS, &item) : 0;
    size_t i = 0;

    if (length > 0)
        outw(PORT_SELECT, item);
    for (; i < length && i + 1 < size; i++)
        to[i] = (char)inb(PORT_DATA);
    to[i] = '\0';
}
