/* SPDX-License-Identifier: MIT */
/* text.c: the few functions on strings that the kernel needs. */
#include "text.h"

size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

const char *text_after(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; prefix++, text++)
        if (*text != *prefix)
            return NULL;
    return text;
}

bool text_contains(const char *text, const char *part)
{
    do {
        if (text_after(text, part) != NULL)
            return true;
    } while (*text++ != '\0');
    return false;
}

void text_copy(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i];
    to[i] = '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *text_next_word(char **rest)
{
    char *word = *rest;
    while (is_blank(*word))
        word++;
    if (*word == '\0')
        return NULL;
    char *end = word;
    while (*end != '\0' && !is_blank(*end))
        end++;
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

bool text_number(const char *text, uint64_t *out)
{
    unsigned base = 10;
    uint64_t value = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = digit_value(*text);
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *out = value;
    return true;
}
