/* SPDX-License-Identifier: MIT */
/* text.h: the few functions on strings that the kernel needs. */
#ifndef KERNEL_TEXT_H_
#define KERNEL_TEXT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
bool text_contains(const char *text, const char *part);
/* What follows `prefix` in text; null where text begins otherwise. */
const char *text_after(const char *text, const char *prefix);
/* Copies, cut to size - 1 bytes, always terminated. */
void text_copy(char *to, size_t size, const char *from);
/* Cuts the next word off *rest (which is written to); null at the end. */
char *text_next_word(char **rest);
/* Decimal, or hexadecimal after 0x; false where text is not all of a number. */
bool text_number(const char *text, uint64_t *out);

#endif /* KERNEL_TEXT_H_ */
