/* SPDX-License-Identifier: MIT */
/*
 * format.c: printf to a sink.
 *
 * Concept. The format is read once, left to right. Literal text goes to the sink in pieces as long as they
 * come; a conversion is parsed into a struct spec, its text is made (numbers in a small buffer of their own,
 * from the right), and written with its padding. There is no buffer for the whole, so there is no limit on
 * the length and nothing to allocate. A sink that wants lines or a bounded buffer does so itself: vm_snprint
 * is such a sink.
 *
 * A conversion that does not exist, or a length that does not fit it, is written as it stands; the compiler's
 * check of formats keeps these out of our code.
 */
#include <vm/format.h>

#include <stdbool.h>
#include <stdint.h>

#include <vm/mem.h>
#include <vm/port.h>

struct spec {
    bool left, zero;
    int width;
    int precision; /* negative: none */
    enum { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE } length;
    char conversion;
};

/* 64 bits in octal would be 22 digits; we write decimal (20) and hexadecimal (16, and "0x"). */
#define NUMBER_MAX 24

static void write_repeated(struct vm_sink *sink, char c, int count)
{
    char run[16];

    memset(run, c, sizeof(run));
    for (int piece; count > 0; count -= piece) {
        piece = count < (int)sizeof(run) ? count : (int)sizeof(run);
        sink->write(sink, run, (size_t)piece);
    }
}

static void write_padded(struct vm_sink *sink, const struct spec *spec, const char *text, size_t size)
{
    int padding = (size_t)spec->width > size && spec->width > 0 ? spec->width - (int)size : 0;

    if (!spec->left)
        write_repeated(sink, ' ', padding);
    if (size > 0)
        sink->write(sink, text, size);
    if (spec->left)
        write_repeated(sink, ' ', padding);
}

static void write_number(struct vm_sink *sink, const struct spec *spec, uint64_t magnitude,
                         const char *prefix)
{
    const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = spec->conversion == 'd' || spec->conversion == 'i' || spec->conversion == 'u' ? 10 : 16;
    char text[NUMBER_MAX];
    size_t at = NUMBER_MAX;
    size_t prefix_size = 0;

    while (prefix[prefix_size] != '\0')
        prefix_size++;
    do
        text[--at] = digits[magnitude % base];
    while ((magnitude /= base) != 0);

    size_t size = NUMBER_MAX - at;
    if (spec->zero && !spec->left && spec->width > 0 && (size_t)spec->width > size + prefix_size) {
        sink->write(sink, prefix, prefix_size);
        write_repeated(sink, '0', spec->width - (int)(size + prefix_size));
        sink->write(sink, text + at, size);
        return;
    }
    for (size_t i = prefix_size; i > 0; i--)
        text[--at] = prefix[i - 1];
    write_padded(sink, spec, text + at, NUMBER_MAX - at);
}

static void write_string(struct vm_sink *sink, const struct spec *spec, const char *text)
{
    size_t size = 0;

    if (text == NULL)
        text = "(null)";
    while ((spec->precision < 0 || size < (size_t)spec->precision) && text[size] != '\0')
        size++;
    write_padded(sink, spec, text, size);
}

static int parse_number(const char **format)
{
    int number = 0;

    for (; **format >= '0' && **format <= '9'; (*format)++)
        number = number < 100000 ? number * 10 + (**format - '0') : number;
    return number;
}

/* A va_list inside a struct can be passed on by address whatever type it has. */
struct arguments {
    va_list list;
};

/* Behind the '%'; leaves *format behind the conversion. */
static struct spec parse_spec(const char **format, struct arguments *arguments)
{
    struct spec spec = {.precision = -1};

    for (; **format == '-' || **format == '0'; (*format)++) {
        spec.left = spec.left || **format == '-';
        spec.zero = spec.zero || **format == '0';
    }
    if (**format == '*') {
        (*format)++;
        spec.width = va_arg(arguments->list, int);
        if (spec.width < 0) {
            spec.left = true;
            spec.width = spec.width == INT32_MIN ? 0 : -spec.width;
        }
    } else {
        spec.width = parse_number(format);
    }
    if (**format == '.') {
        (*format)++;
        if (**format == '*') {
            (*format)++;
            spec.precision = va_arg(arguments->list, int);
        } else {
            spec.precision = parse_number(format);
        }
    }
    if (**format == 'z') {
        (*format)++;
        spec.length = LENGTH_SIZE;
    } else if (**format == 'l') {
        spec.length = *++*format == 'l' ? LENGTH_LONG_LONG : LENGTH_LONG;
        if (spec.length == LENGTH_LONG_LONG)
            (*format)++;
    }
    spec.conversion = **format;
    if (spec.conversion != '\0')
        (*format)++;
    return spec;
}

static uint64_t take_unsigned(const struct spec *spec, struct arguments *arguments)
{
    switch (spec->length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, size_t);
    default:
        return va_arg(arguments->list, unsigned int);
    }
}

static int64_t take_signed(const struct spec *spec, struct arguments *arguments)
{
    switch (spec->length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, long long);
    case LENGTH_SIZE:
        return (int64_t)va_arg(arguments->list, size_t);
    default:
        return va_arg(arguments->list, int);
    }
}

static void write_signed(struct vm_sink *sink, const struct spec *spec, int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    write_number(sink, spec, magnitude, value < 0 ? "-" : "");
}

/* `start` points at the '%' of the conversion, `end` behind it. */
static void write_conversion(struct vm_sink *sink, const struct spec *spec, struct arguments *arguments,
                             const char *start, const char *end)
{
    char c;

    switch (spec->conversion) {
    case '%':
        sink->write(sink, "%", 1);
        break;
    case 'c':
        c = (char)va_arg(arguments->list, int);
        write_padded(sink, spec, &c, 1);
        break;
    case 's':
        write_string(sink, spec, va_arg(arguments->list, const char *));
        break;
    case 'd':
    case 'i':
        write_signed(sink, spec, take_signed(spec, arguments));
        break;
    case 'u':
    case 'x':
    case 'X':
        write_number(sink, spec, take_unsigned(spec, arguments), "");
        break;
    case 'p':
        write_number(sink, spec, (uintptr_t)va_arg(arguments->list, void *), "0x");
        break;
    default:
        sink->write(sink, start, (size_t)(end - start));
        break;
    }
}

void vm_vprint(struct vm_sink *sink, const char *format, va_list args)
{
    struct arguments arguments;

    va_copy(arguments.list, args);
    while (*format != '\0') {
        const char *start = format;
        while (*format != '\0' && *format != '%')
            format++;
        if (format != start)
            sink->write(sink, start, (size_t)(format - start));
        if (*format == '\0')
            break;
        start = format++;
        struct spec spec = parse_spec(&format, &arguments);
        write_conversion(sink, &spec, &arguments, start, format);
    }
    va_end(arguments.list);
}

void vm_print(struct vm_sink *sink, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vm_vprint(sink, format, args);
    va_end(args);
}

/* ---- Sinks ---- */

struct buffer_sink {
    struct vm_sink sink;
    char *buffer;
    size_t room; /* without the terminator */
    size_t size; /* of the whole text */
};

static void buffer_write(struct vm_sink *self, const char *text, size_t size)
{
    struct buffer_sink *to = (struct buffer_sink *)self;

    if (to->size < to->room) {
        size_t fits = size < to->room - to->size ? size : to->room - to->size;
        memcpy(to->buffer + to->size, text, fits);
    }
    to->size += size;
}

size_t vm_snprint(char *buffer, size_t size, const char *format, ...)
{
    struct buffer_sink to = {.sink = {buffer_write}, .buffer = buffer, .room = size > 0 ? size - 1 : 0};
    va_list args;

    va_start(args, format);
    vm_vprint(&to.sink, format, args);
    va_end(args);
    if (size > 0)
        buffer[to.size < to.room ? to.size : to.room] = '\0';
    return to.size;
}

static void log_write(struct vm_sink *self, const char *text, size_t size)
{
    (void)self;
    port_write(text, size);
}

struct vm_sink vm_log_sink = {log_write};
