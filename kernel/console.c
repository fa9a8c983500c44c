/* SPDX-License-Identifier: MIT */
/*
 * console.c: the serial line always, and a screen where the loader left one: VGA text, or a framebuffer of 32
 * bits a pixel.
 *
 * Text is kept in cells; a framebuffer is drawn from them. Scrolling a framebuffer redraws it, and clears a
 * quarter of it at once, because reading graphics memory back would be slower still.
 */
#include <stdbool.h>
#include <stdint.h>
#include <vm/mem.h>

#include "console.h"
#include "font.h"
#include "multiboot.h"
#include "paging.h"
#include "serial.h"
#include "spinlock.h"

#define GREY_ON_BLACK 0x0700u
#define COLUMNS_MAX   160
#define ROWS_MAX      64
#define CELL_WIDTH    8
#define CELL_HEIGHT   16
#define INK           0xc0 /* of every colour */
#define PAPER         0

#define PATIENCE 100000000u

static struct spinlock lock;
static enum { SCREEN_NONE, SCREEN_TEXT, SCREEN_PIXELS } screen;
static char text[ROWS_MAX][COLUMNS_MAX];
static unsigned columns, rows, column, row;
static volatile uint16_t *cells; /* SCREEN_TEXT */
static volatile uint8_t *pixels; /* SCREEN_PIXELS */
static unsigned pitch, depth;    /* bytes a line, bytes a pixel */

static bool has_dot(char c, unsigned x, unsigned y)
{
    unsigned index = (unsigned char)c - (unsigned)FONT_FIRST;
    if (index >= FONT_GLYPHS || x >= FONT_WIDTH || y >= FONT_HEIGHT)
        return false;
    return font_glyphs[index] >> (FONT_WIDTH * FONT_HEIGHT - 1 - (y * FONT_WIDTH + x)) & 1;
}

/* Each dot is one pixel wide and two high. */
static void draw_glyph(unsigned at_row, unsigned at_column, char c)
{
    volatile uint8_t *line = pixels + at_row * CELL_HEIGHT * pitch + at_column * CELL_WIDTH * depth;
    for (unsigned y = 0; y < CELL_HEIGHT; y++, line += pitch)
        for (unsigned x = 0; x < CELL_WIDTH * depth; x++)
            line[x] = y > 0 && x >= depth && has_dot(c, x / depth - 1, (y - 1) / 2) ? INK : PAPER;
}

static void put_cell(unsigned at_row, unsigned at_column, char c)
{
    if (text[at_row][at_column] == c)
        return;
    text[at_row][at_column] = c;
    if (screen == SCREEN_TEXT)
        cells[at_row * columns + at_column] = (uint16_t)(GREY_ON_BLACK | (uint8_t)c);
    else
        draw_glyph(at_row, at_column, c);
}

static void scroll(void)
{
    unsigned by = screen == SCREEN_PIXELS ? (rows + 3) / 4 : 1;
    for (unsigned i = 0; i < rows; i++)
        for (unsigned j = 0; j < columns; j++)
            put_cell(i, j, i + by < rows ? text[i + by][j] : ' ');
    row = rows - by;
}

static void new_line(void)
{
    column = 0;
    if (++row == rows)
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
        put_cell(row, column, c);
        if (++column == columns)
            new_line();
    }
}

void console_start(void)
{
    serial_start();
}

static unsigned at_most(unsigned value, unsigned most)
{
    return value < most ? value : most;
}

void console_start_screen(void)
{
    const struct boot_framebuffer *from = &boot_info.framebuffer;
    if (!boot_info.has_framebuffer)
        return;
    if (from->type == BOOT_FRAMEBUFFER_TEXT && from->width <= COLUMNS_MAX) {
        columns = from->width;
        rows = at_most(from->height, ROWS_MAX);
        cells = physical_to_virtual(from->base);
        screen = SCREEN_TEXT;
    } else if (from->type == BOOT_FRAMEBUFFER_RGB && (from->bits == 24 || from->bits == 32)) {
        columns = at_most(from->width / CELL_WIDTH, COLUMNS_MAX);
        rows = at_most(from->height / CELL_HEIGHT, ROWS_MAX);
        pixels = physical_to_virtual(from->base);
        pitch = from->pitch;
        depth = from->bits / 8;
        screen = SCREEN_PIXELS;
    }
    if (columns == 0 || rows == 0)
        screen = SCREEN_NONE;
    for (unsigned i = 0; screen != SCREEN_NONE && i < rows * columns; i++)
        put_cell(i / columns, i % columns, ' ');
}

/* Not for ever: who holds it may be what a report is about. */
static void take_lock(void)
{
    for (unsigned i = 0; i < PATIENCE && !spinlock_try(&lock); i++)
        spin_pause();
}

void console_write(const char *words, size_t size)
{
    uint64_t flags = interrupts_off();
    take_lock();
    serial_write(words, size);
    for (size_t i = 0; screen != SCREEN_NONE && i < size; i++)
        put(words[i]);
    spinlock_give(&lock);
    interrupts_restore(flags);
}
