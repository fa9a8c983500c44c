/* SPDX-License-Identifier: MIT */
/*
 * tar.c: reads an archive in ustar format: blocks of 512 bytes, a header before each file, two empty blocks
 * at the end. Everything that a truncated or damaged archive can get wrong is noticed: magic, checksum,
 * numbers, sizes beyond the end, a missing end.
 */
#include <stdbool.h>
#include <vm/mem.h>

#include "tar.h"
#include "text.h"

#define BLOCK 512

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static bool read_octal(const char *field, size_t width, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < width && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    *out = value;
    return i > first && (i == width || field[i] == '\0' || field[i] == ' ');
}

static bool is_empty(const uint8_t *block)
{
    for (unsigned i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

/* The sum of all bytes, those of the sum itself taken as blanks. */
static uint64_t checksum(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    size_t from = offsetof(struct header, checksum), to = from + sizeof(header->checksum);
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= from && i < to ? (uint8_t)' ' : bytes[i];
    return sum;
}

static size_t copy_field(char *to, const char *from, size_t width)
{
    size_t length = 0;
    for (; length < width && from[length] != '\0'; length++)
        to[length] = from[length];
    to[length] = '\0';
    return length;
}

static void copy_name(struct tar_file *file, const struct header *header)
{
    size_t length = copy_field(file->name, header->prefix, sizeof(header->prefix));
    if (length > 0)
        file->name[length++] = '/';
    copy_field(file->name + length, header->name, sizeof(header->name));
}

static const char *check_header(const struct header *header, uint64_t *size)
{
    uint64_t sum;
    if (memcmp(header->magic, "ustar", 5) != 0)
        return "there is no ustar header";
    if (!read_octal(header->checksum, sizeof(header->checksum), &sum) || sum != checksum(header))
        return "there is a header whose checksum is wrong";
    if (!read_octal(header->size, sizeof(header->size), size))
        return "there is a header whose size is no number";
    return NULL;
}

enum tar_result tar_next(struct tar *tar, struct tar_file *file, const char **why)
{
    for (;;) {
        uint64_t size;
        if (tar->size - tar->at < BLOCK) {
            *why = "it ends, without the empty block that closes an archive: truncated";
            return TAR_BAD;
        }
        if (is_empty(tar->bytes + tar->at))
            return TAR_END;
        const struct header *header = (const void *)(tar->bytes + tar->at);
        *why = check_header(header, &size);
        if (*why != NULL)
            return TAR_BAD;
        size_t left = tar->size - tar->at - BLOCK;
        if (size > left) {
            *why = "begins a file that reaches past the end: truncated";
            return TAR_BAD;
        }
        size_t blocks = (size + BLOCK - 1) & ~(size_t)(BLOCK - 1);
        copy_name(file, header);
        file->bytes = tar->bytes + tar->at + BLOCK;
        file->size = size;
        tar->at += BLOCK + (blocks < left ? blocks : left);
        if (header->type == '0' || header->type == '\0')
            return TAR_FILE;
    }
}
