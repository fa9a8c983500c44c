/* SPDX-License-Identifier: MIT */
/*
 * print.c: words out. A text is collected on the caller's stack and written a piece at a time, as large as the call takes, so
 * that what fits in one piece stands together, whoever else writes.
 */
#include <vm/port.h>

#include "runtime.h"

#define PIECE_MAX 256

struct piece {
    struct vm_sink sink;
    size_t size;
    char text[PIECE_MAX];
};

static void flush(struct piece *piece)
{
    if (piece->size > 0)
        (void)zx_debug_write(piece->text, piece->size);
    piece->size = 0;
}

static void collect(struct vm_sink *self, const char *text, size_t size)
{
    struct piece *piece = (struct piece *)self;
    for (; size > 0; size--) {
        if (piece->size == PIECE_MAX)
            flush(piece);
        piece->text[piece->size++] = *text++;
    }
}

static void print_arguments(const char *format, va_list arguments)
{
    struct piece piece;
    piece.sink.write = collect;
    piece.size = 0;
    vm_vprint(&piece.sink, format, arguments);
    flush(&piece);
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_arguments(format, arguments);
    va_end(arguments);
}

void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_arguments(format, arguments);
    va_end(arguments);
    print("\n");
    zx_process_exit(1);
}

/* Where vm_log_sink leads. */
void port_write(const char *text, size_t size)
{
    (void)zx_debug_write(text, size);
}
