/* SPDX-License-Identifier: MIT */
/*
 * layout.h: a VMAR with every kind of page in it, and what is known of each: for the calls that work on
 * ranges.
 *
 *   0-3   read, write                      12-15 a child VMAR: like 0, 4, 6 and 9
 *   4-5   read, may be made writable       18-19 a child VMAR with nothing in it
 *   6-7   read, may never be written       20-23 read, write
 *   8-9   read; 9 is past the end of       24-27 a child VMAR: read, write
 *         its VMO                          28-31 no permission
 *
 * The other pages are gaps. Page i holds a byte of its own, LETTER(i).
 */
#ifndef HARNESS_CONFORMANCE_LAYOUT_H_
#define HARNESS_CONFORMANCE_LAYOUT_H_

#include "placement.h"

#define READ       ZX_VM_PERM_READ
#define WRITE      ZX_VM_PERM_WRITE
#define EXECUTE    ZX_VM_PERM_EXECUTE
#define READ_WRITE (READ | WRITE)
#define LETTER(i)  ((char)('A' + (i)))

enum { LAYOUT_PAGES = 32 };

struct layout_page {
    bool in_child; /* in a child VMAR, mapped or not */
    bool mapped, past_end;
    zx_vm_option_t may, perms;
    char byte;
};

struct layout {
    zx_handle_t vmar, dead; /* the VMAR; one of the same size that has been destroyed */
    zx_vaddr_t base, dead_base;
    zx_handle_t vmo;           /* of the pages that can be read; one page for each of the layout */
    zx_handle_t reader, small; /* the same without WRITE; one of 9 pages */
    zx_handle_t children[3];   /* at 12, 18, 24 */
    struct layout_page pages[LAYOUT_PAGES];
};
extern struct layout layout;

/* Makes it; or makes it again, in the same place, with the same bytes. */
void make_layout(void);
void restore_layout(void);

/* Each page can be read and written as its `pages` says, and holds its byte. */
void check_layout(void);

/* The address of a page. */
zx_vaddr_t layout_at(size_t page);

/* The child VMAR, as first page and number of pages, that a page is in; 0 pages where it is in none. */
size_t layout_child_of(size_t page, size_t *count);

/* Whether [addr, addr + len), rounded up, is within the VMAR. */
bool layout_holds(zx_vaddr_t addr, size_t len);

#endif /* HARNESS_CONFORMANCE_LAYOUT_H_ */
