/* SPDX-License-Identifier: MIT */
/* layout.c: makes the VMAR of layout.h, and looks at it. */
#include "layout.h"

struct layout layout;

static const struct part {
    size_t from, count;
    zx_handle_t *vmar; /* null: the VMAR itself */
    size_t vmar_from;
    zx_handle_t *vmo;
    zx_vm_option_t perms, may;
} parts[] = {
    {0, 4, NULL, 0, &layout.vmo, READ_WRITE, READ_WRITE},
    {4, 2, NULL, 0, &layout.vmo, READ, READ_WRITE},
    {6, 2, NULL, 0, &layout.reader, READ, READ},
    {8, 2, NULL, 0, &layout.small, READ, READ_WRITE},
    {12, 1, &layout.children[0], 12, &layout.vmo, READ_WRITE, READ_WRITE},
    {13, 1, &layout.children[0], 12, &layout.vmo, READ, READ_WRITE},
    {14, 1, &layout.children[0], 12, &layout.reader, READ, READ},
    {15, 1, &layout.children[0], 12, &layout.small, READ, READ_WRITE},
    {20, 4, NULL, 0, &layout.vmo, READ_WRITE, READ_WRITE},
    {24, 4, &layout.children[2], 24, &layout.vmo, READ_WRITE, READ_WRITE},
    {28, 4, NULL, 0, &layout.vmo, 0, READ_WRITE},
};

static const struct child {
    size_t from, count;
} children[3] = {{12, 4}, {18, 2}, {24, 4}};

/* A page of a VMO is mapped at the page of the same number. */
static void map_part(const struct part *part)
{
    zx_handle_t vmar = part->vmar == NULL ? layout.vmar : *part->vmar;
    (void)map_at(vmar, part->perms, (part->from - part->vmar_from) * PAGE, *part->vmo, part->from * PAGE,
                 part->count);
    for (size_t i = part->from; i < part->from + part->count; i++)
        layout.pages[i] = (struct layout_page){.in_child = part->vmar != NULL,
                                               .mapped = true,
                                               .past_end = part->vmo == &layout.small && i >= 9,
                                               .may = part->may,
                                               .perms = part->perms,
                                               .byte = LETTER(i)};
}

static void fill_layout(void)
{
    for (size_t i = 0; i < LAYOUT_PAGES; i++)
        layout.pages[i] = (struct layout_page){.in_child = false};
    for (unsigned i = 0; i < 3; i++) {
        layout.children[i] =
            make_vmar_at(layout.vmar, EVERYTHING, children[i].from * PAGE, children[i].count);
        for (size_t page = 0; page < children[i].count; page++)
            layout.pages[children[i].from + page].in_child = true;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        map_part(&parts[i]);
    for (size_t i = 0; i < LAYOUT_PAGES; i++) {
        char byte = LETTER(i);
        STATUS(ZX_OK, zx_vmo_write(layout.vmo, &byte, i * PAGE, 1));
        if (i < 9)
            STATUS(ZX_OK, zx_vmo_write(layout.small, &byte, i * PAGE, 1));
    }
}

void make_layout(void)
{
    layout.vmar = make_vmar(EVERYTHING, LAYOUT_PAGES, &layout.base);
    layout.dead = make_vmar(EVERYTHING, LAYOUT_PAGES, &layout.dead_base);
    STATUS(ZX_OK, zx_vmar_destroy(layout.dead));
    layout.vmo = make_vmo(LAYOUT_PAGES * PAGE, 0);
    layout.reader = without(layout.vmo, ZX_RIGHT_WRITE);
    layout.small = make_vmo(9 * PAGE, 0);
    fill_layout();
}

void restore_layout(void)
{
    STATUS(ZX_OK, zx_vmar_unmap(layout.vmar, layout.base, LAYOUT_PAGES * PAGE));
    for (unsigned i = 0; i < 3; i++)
        STATUS(ZX_OK, zx_handle_close(layout.children[i]));
    fill_layout();
}

static zx_status_t access_status(const struct layout_page *page, zx_vm_option_t perm)
{
    return !page->mapped               ? ZX_ERR_NOT_FOUND
           : (page->perms & perm) == 0 ? ZX_ERR_ACCESS_DENIED
           : page->past_end            ? ZX_ERR_OUT_OF_RANGE
                                       : ZX_OK;
}

void check_layout(void)
{
    for (size_t i = 0; i < LAYOUT_PAGES; i++) {
        const struct layout_page *page = &layout.pages[i];
        char byte = '?';
        NOTE(i);
        STATUS(access_status(page, READ), access_read(layout_at(i), &byte, 1));
        if (access_status(page, READ) == ZX_OK)
            CHECK_EQUAL(byte, page->byte);
        byte = page->byte;
        STATUS(access_status(page, WRITE), access_write(layout_at(i), &byte, 1));
    }
}

zx_vaddr_t layout_at(size_t page)
{
    return layout.base + page * PAGE;
}

size_t layout_child_of(size_t page, size_t *count)
{
    for (unsigned i = 0; i < 3; i++) {
        *count = children[i].count;
        if (page - children[i].from < children[i].count)
            return children[i].from;
    }
    *count = 0;
    return 0;
}

bool layout_holds(zx_vaddr_t addr, size_t len)
{
    size_t size = (len + ZX_PAGE_MASK) & ~ZX_PAGE_MASK, room = LAYOUT_PAGES * PAGE;
    return size >= len && addr >= layout.base && addr - layout.base <= room &&
           size <= room - (addr - layout.base);
}
