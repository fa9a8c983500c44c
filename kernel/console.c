/* SPDX-License-Identifier: MIT */
/* console.c: the serial line always; a VGA text screen where the loader left one. */
#include <stdbool.h>
#include <stdint.h>
#include <vm/mem.h>

#include "console.h"
#include "multiboot.h"
#include "paging.h"
#include "serial.h"

#define GREY_ON_BLACK 0x0700u

static volatile uint16_t *cells; /* null: no screen */
static unsigned columns, rows, column, row;

static void scroll(void)
{
    for (unsigned i = 0; i < columns * (rows - 1); i++)
        cells[i] = cells[i + columns];
    for (unsigned i = columns * (rows - 1); i < columns * rows; i++)
        cells[i] = GREY_ON_BLACK | ' ';
}

static void new_line(void)
{
    column = 0;
    if (row + 1 < rows)
        row++;
    else
        scroll();
}

static void put(char c)
{
    if (c == '\n') {
        new_line();
    } else if (c == '\r') {
        column = 0;
    } else if (c == '\b') {
        column -= column > 0;
    } else {
        cells[row * columns + column] = (uint16_t)(GREY_ON_BLACK | (uint8_t)c);
        if (++column == columns)
            new_line();
    }
}

void console_start(void)
{
    serial_start();
}

void console_start_screen(void)
{
    const struct boot_framebuffer *screen = &boot_info.framebuffer;
    if (!boot_info.has_framebuffer || screen->type != BOOT_FRAMEBUFFER_TEXT)
        return;
    columns = screen->width;
    rows = screen->height;
    if (columns == 0 || rows == 0)
        return;
    cells = physical_to_virtual(screen->base);
    for (unsigned i = 0; i < columns * rows; i++)
        cells[i] = GREY_ON_BLACK | ' ';
}

void console_write(const char *text, size_t size)
{
    serial_write(text, size);
    for (size_t i = 0; cells != NULL && i < size; i++)
        put(text[i]);
}
