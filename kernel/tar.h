/* SPDX-License-Identifier: MIT */
/* tar.h: reads an archive in ustar format that lies in memory. */
#ifndef KERNEL_TAR_H_
#define KERNEL_TAR_H_

#include <stddef.h>
#include <stdint.h>

struct tar {
    const uint8_t *bytes;
    size_t size, at;
};

struct tar_file {
    char name[258]; /* prefix, slash, name */
    const uint8_t *bytes;
    size_t size;
};

enum tar_result { TAR_FILE, TAR_END, TAR_BAD };

/* The next regular file. BAD: the archive is damaged at tar->at, and *why says how. */
enum tar_result tar_next(struct tar *tar, struct tar_file *file, const char **why);

#endif /* KERNEL_TAR_H_ */
