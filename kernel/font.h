/* SPDX-License-Identifier: MIT */
/* font.h: the shapes of characters. */
#ifndef KERNEL_FONT_H_
#define KERNEL_FONT_H_

#include <stdint.h>

#define FONT_WIDTH  5
#define FONT_HEIGHT 7
#define FONT_FIRST  ' '
#define FONT_GLYPHS 95

extern const uint64_t font_glyphs[FONT_GLYPHS];

#endif /* KERNEL_FONT_H_ */
