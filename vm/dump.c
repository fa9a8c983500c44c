/* SPDX-License-Identifier: MIT */
/*
 * dump.c: any address space as text, and as a picture.
 *
 * Concept. Both are views of one walk over the regions in order of address (region_walk.h). Text is one line
 * a node, indented by depth; the picture (SVG) is the same from top to bottom, low addresses first: VMARs are
 * frames around what they hold, mappings are boxes coloured by permission, gaps are breaks of the axis.
 * Addresses are not to scale, since one gap is a million times the next: a row's height grows with the
 * logarithm of its size. Rows never overlap, hence neither does text.
 *
 * Structure of the picture. The sink takes bytes in order and nothing can be kept, so the layout is computed
 * afresh in three passes of the same code: the first finds the size of the whole, the second paints frames
 * (translucent, each as its VMAR ends and its height is known), the third paints mappings and words over
 * them. Only the y at which open frames began is kept, for a bounded depth; what is nested deeper is named,
 * not drawn.
 *
 * Locking. Dump and picture hold the aspace's lock, and a VMO's while they look at its pages; not where the
 * caller holds it already. vm_aspace_dump_around is for a machine in distress: it takes none, and looks at a
 * bounded number of regions. A unified space is shown by its parts, each under its own lock: where others
 * change them meanwhile, the picture of one may come out uneven.
 *
 * Cost. O(regions + committed pages).
 */
#include <vm/mem.h>

#include "internal.h"
#include "region_walk.h"

/* ---- Words ---- */

struct text {
    char bytes[40];
};

/* 4K, 2M, 1.5T: exact where there is no fraction. */
static struct text size_text(uint64_t size)
{
    static const char units[] = "BKMGTPE";
    struct text text;
    unsigned unit = 0;

    while (unit + 1 < sizeof(units) - 1 && size >> 10 * (unit + 1) != 0)
        unit++;
    uint64_t whole = size >> 10 * unit;
    uint64_t rest = unit == 0 ? 0 : size >> 10 * (unit - 1) & 1023;
    uint64_t below = unit < 2 ? 0 : size & (((uint64_t)1 << 10 * (unit - 1)) - 1);
    if (rest == 0 && below == 0)
        vm_snprint(text.bytes, sizeof(text.bytes), "%llu%c", (unsigned long long)whole, units[unit]);
    else
        vm_snprint(text.bytes, sizeof(text.bytes), "%llu.%llu%c", (unsigned long long)whole,
                   (unsigned long long)(rest * 10 / 1024), units[unit]);
    return text;
}

static struct text perms_text(uint32_t perms)
{
    struct text text;

    vm_snprint(text.bytes, sizeof(text.bytes), "%c%c%c", (perms & ARCH_MMU_READ) != 0 ? 'r' : '-',
               (perms & ARCH_MMU_WRITE) != 0 ? 'w' : '-', (perms & ARCH_MMU_EXECUTE) != 0 ? 'x' : '-');
    return text;
}

#define CAN_MAP_SHIFT 7 /* from ZX_VM_CAN_MAP_* to ARCH_MMU_* */

static struct text flags_text(uint32_t flags)
{
    return perms_text(flags >> CAN_MAP_SHIFT);
}

static unsigned long long base_of(const struct vm_region *region)
{
    return region->base;
}

static unsigned long long end_of(const struct vm_region *region)
{
    return region_end(region);
}

/* True where the caller must unlock. */
static bool lock_unless_held(struct port_mutex *mutex)
{
    if (port_mutex_is_held(mutex))
        return false;
    port_mutex_lock(mutex);
    return true;
}

/* How many pages the tables of the space take. */
static uint64_t count_tables(struct vm_aspace *aspace)
{
    bool locked = lock_unless_held(&aspace->table.lock);
    uint64_t tables = aspace->table.table_pages;

    if (locked)
        port_mutex_unlock(&aspace->table.lock);
    return tables;
}

/* How many pages of what the mapping shows the VMO has. */
static uint64_t count_committed(const struct vm_mapping *mapping)
{
    uint64_t first = mapping->vmo_offset >> PAGE_SHIFT;
    uint64_t limit = first + (mapping->region.size >> PAGE_SHIFT), end = mapping_vmo_end_locked(mapping);

    if (limit > end >> PAGE_SHIFT)
        limit = end >> PAGE_SHIFT;
    return vmo_count_pages_locked(mapping->vmo, first, limit);
}

struct large_pages {
    uint64_t of_2mib, of_1gib;
};

static bool count_large_page(void *context, const struct page_table_entry *entry)
{
    struct large_pages *count = context;

    count->of_2mib += entry->size == (size_t)1 << 21;
    count->of_1gib += entry->size == (size_t)1 << 30;
    return true;
}

/* Those by which the mapping is shown now. None are told of in a report about tables that are being changed. */
static struct large_pages count_large_pages(const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;
    struct page_table *table = &region->aspace->table;
    struct large_pages count = {0};

    if (table->root != 0 && !port_mutex_is_held(&table->lock))
        page_table_for_each(table, region->base, region->size, count_large_page, &count);
    return count;
}

/* ---- Text ---- */

static void print_vmar(const struct vm_vmar *vmar, unsigned depth, struct vm_sink *sink)
{
    const struct vm_region *region = &vmar->region;

    vm_print(sink, "%*svmar %llu [0x%llx, 0x%llx) %s %s%s%s%s%s%s%s\n", (int)depth * 2, "",
             (unsigned long long)vmar->object.koid, base_of(region), end_of(region),
             size_text(region->size).bytes, flags_text(region->flags).bytes,
             (region->flags & ZX_VM_CAN_MAP_SPECIFIC) != 0 ? " specific" : "",
             vmar->compact ? " compact" : "", vmar->high_priority ? " high-priority" : "",
             vmar->set_aside ? " set-aside" : "", vmar->is_root ? " root" : "", region->alive ? "" : " dead");
}

static void print_mapping(const struct vm_mapping *mapping, uint64_t committed, unsigned depth,
                          struct vm_sink *sink)
{
    const struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size, part_base, part_end;
    uint32_t perms = protection_range(mapping, region->base, &part_base, &part_end);
    bool uniform = part_end == end;

    struct large_pages large = count_large_pages(mapping);
    vm_print(sink, "%*smapping [0x%llx, 0x%llx) %s %s of %s, vmo %llu + 0x%llx, %llu of %llu pages",
             (int)depth * 2, "", base_of(region), end_of(region), size_text(region->size).bytes,
             uniform ? perms_text(perms).bytes : "mixed", flags_text(region->flags).bytes,
             (unsigned long long)mapping->source->object.koid,
             (unsigned long long)(mapping->vmo_offset - mapping->source->window),
             (unsigned long long)committed, (unsigned long long)(region->size >> PAGE_SHIFT));
    if (large.of_1gib != 0 || large.of_2mib != 0)
        vm_print(sink, ", shown by %llu of 1 GiB, %llu of 2 MiB", (unsigned long long)large.of_1gib,
                 (unsigned long long)large.of_2mib);
    vm_print(sink, "%s%s\n", region->alive && region->aspace->vdso_code == mapping ? ", vdso code" : "",
             region->alive ? "" : " dead");
    for (zx_vaddr_t va = region->base; !uniform && va < end; va = part_end) {
        perms = protection_range(mapping, va, &part_base, &part_end);
        vm_print(sink, "%*s[0x%llx, 0x%llx) %s %s\n", (int)depth * 2 + 2, "", (unsigned long long)va,
                 (unsigned long long)part_end, size_text(part_end - va).bytes, perms_text(perms).bytes);
    }
}

static void print_region(struct vm_region *region, unsigned depth, struct vm_sink *sink)
{
    if (region->kind == VM_REGION_VMAR) {
        print_vmar(vmar_of(region), depth, sink);
        return;
    }
    struct vm_mapping *mapping = mapping_of(region);
    bool locked = lock_unless_held(&mapping->vmo->lock);
    uint64_t committed = count_committed(mapping);
    if (locked)
        port_mutex_unlock(&mapping->vmo->lock);
    print_mapping(mapping, committed, depth, sink);
}

/* A name is any bytes; what could end a line or speak to a terminal is replaced. */
static void print_printable(struct vm_sink *sink, const char *name)
{
    for (; *name != '\0'; name++)
        vm_print(sink, "%c", *name < ' ' || *name > '~' ? '?' : *name);
}

static const char *kind_of(const struct vm_aspace *aspace)
{
    static const char *const user[] = {"user", "restricted", "shared"};

    if (aspace_is_unified(aspace))
        return "unified";
    switch (aspace->type) {
    case VM_ASPACE_USER:
        return user[aspace->share_opt];
    case VM_ASPACE_LOW_KERNEL:
        return "low kernel";
    case VM_ASPACE_GUEST_PHYSICAL:
        return "guest";
    case VM_ASPACE_KERNEL:
        break;
    }
    return "kernel";
}

/* That of the kernel's space is 2^64, which no variable holds. */
static struct text end_text(const struct vm_aspace *aspace)
{
    struct text text;
    zx_vaddr_t end = aspace->base + aspace->size;

    vm_snprint(text.bytes, sizeof(text.bytes),
               end != 0 || aspace->size == 0 ? "0x%llx" : "0x10000000000000000", (unsigned long long)end);
    return text;
}

static void print_aspace(struct vm_aspace *aspace, struct vm_sink *sink)
{
    uint64_t tables = count_tables(aspace);

    vm_print(sink, "space '");
    print_printable(sink, aspace->name);
    vm_print(sink, "' %s [0x%llx, %s) %s, %llu pages of tables%s\n", kind_of(aspace),
             (unsigned long long)aspace->base, end_text(aspace).bytes, size_text(aspace->size).bytes,
             (unsigned long long)tables, aspace->destroyed ? ", destroyed" : "");
}

/* But for what a unified space shows. */
static void dump_own(struct vm_aspace *aspace, struct vm_sink *sink)
{
    struct region_walk walk;
    struct vm_region *region;
    bool locked = lock_unless_held(&aspace->lock);

    print_aspace(aspace, sink);
    if (aspace->root != NULL)
        print_region(&aspace->root->region, 1, sink);
    region_walk_start(&walk, aspace->root);
    while ((region = region_walk_next(&walk)) != NULL)
        print_region(region, walk.depth + 1, sink);
    if (locked)
        port_mutex_unlock(&aspace->lock);
}

void vm_aspace_dump(struct vm_aspace *aspace, struct vm_sink *sink)
{
    dump_own(aspace, sink);
    for (unsigned i = 0; aspace_is_unified(aspace) && i < aspace_part_count(aspace); i++) {
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part != NULL)
            dump_own(part, sink);
    }
}

void vm_aspace_dump_locked(struct vm_aspace *aspace, struct vm_sink *sink)
{
    VM_ASSERT(port_mutex_is_held(&aspace->lock));
    dump_own(aspace, sink);
}

void vm_aspace_dump_all(struct vm_sink *sink)
{
    for (struct vm_aspace *aspace = machine_next_aspace(NULL); aspace != NULL;
         aspace = machine_next_aspace(aspace))
        dump_own(aspace, sink);
}

/* ---- Around one address ---- */

#define AROUND_DEPTH_MAX 64

static void print_neighbour(struct vm_region *region, unsigned depth, struct vm_sink *sink)
{
    if (region->kind == VM_REGION_VMAR)
        print_vmar(vmar_of(region), depth, sink);
    else
        print_mapping(mapping_of(region), count_committed(mapping_of(region)), depth, sink);
}

/* What lies at va in a VMAR: a region, or the gap, with a neighbour on either side. */
static void print_surroundings(struct vm_vmar *vmar, zx_vaddr_t va, unsigned depth, struct vm_sink *sink)
{
    struct region_entry at, before, after;
    zx_vaddr_t base = va, end = va + 1;
    bool found = region_tree_find(&vmar->children, va, &at);

    if (found) {
        base = at.base;
        end = at.end;
    }
    bool has_before = region_tree_find_before(&vmar->children, base, &before);
    bool has_after = region_tree_find_from(&vmar->children, end, &after);
    if (has_before)
        print_neighbour(before.value, depth, sink);
    if (found)
        print_neighbour(at.value, depth, sink);
    else
        vm_print(sink, "%*sgap [0x%llx, 0x%llx)\n", (int)depth * 2, "",
                 (unsigned long long)(has_before ? before.end : vmar->region.base),
                 (unsigned long long)(has_after ? after.base : vmar->region.base + vmar->region.size));
    vm_print(sink, "%*s^ 0x%llx\n", (int)depth * 2, "", (unsigned long long)va);
    if (has_after)
        print_neighbour(after.value, depth, sink);
}

void vm_aspace_dump_around(struct vm_aspace *aspace, zx_vaddr_t va, struct vm_sink *sink)
{
    struct region_entry entry;

    print_aspace(aspace, sink);
    if (aspace_is_unified(aspace)) {
        aspace = aspace->parts[va >= aspace->parts[1]->base ? 1 : 0];
        print_aspace(aspace, sink);
    }
    struct vm_vmar *vmar = aspace->root;
    if (vmar == NULL || va - vmar->region.base >= vmar->region.size) {
        vm_print(sink, "  0x%llx is outside of it\n", (unsigned long long)va);
        return;
    }
    for (unsigned depth = 1; depth < AROUND_DEPTH_MAX; depth++) {
        print_vmar(vmar, depth, sink);
        bool found = region_tree_find(&vmar->children, va, &entry);
        struct vm_region *region = found ? entry.value : NULL;
        if (region == NULL || region->kind == VM_REGION_MAPPING) {
            print_surroundings(vmar, va, depth + 1, sink);
            return;
        }
        vmar = vmar_of(region);
    }
    vm_print(sink, "  … nested deeper\n");
}

/* ---- Picture: layout ---- */

#define AXIS_X       170 /* addresses stand left of it */
#define TOP          92  /* below title and legend */
#define INDENT       14  /* per level, on the left; a third of it on the right */
#define INDENT_RIGHT 6
#define BOX_WIDTH    720 /* of a mapping, at any depth */
#define STRIP_WIDTH  192 /* of the committed pages, inside a mapping's box */
#define STRIP_CELLS  64
#define MARGIN       16
#define FRAME_HEAD   24
#define FRAME_FOOT   7
#define GAP_HEIGHT   22
#define MAPPING_MIN  26
#define PART_HEIGHT  17 /* of a protection range, where there are several */
#define PARTS_MAX    24 /* of them drawn */
#define ROW_SPACE    3
#define DEPTH_MAX    24 /* of frames drawn */
#define TINTED       6  /* the outermost frames, each darker than the one around it; words stay readable */
#define REGIONS_MAX  2000

enum pass { PASS_MEASURE, PASS_FRAMES, PASS_ROWS };

struct picture {
    struct vm_sink *sink;
    struct vm_aspace *aspace;
    enum pass pass;
    int y;
    unsigned depth, deepest;             /* of open frames */
    const struct vm_vmar *open;          /* the innermost open frame */
    zx_vaddr_t va;                       /* drawn up to here */
    int began[DEPTH_MAX];                /* where open frames began */
    uint64_t vmars, mappings, committed; /* counted by PASS_MEASURE */
    uint64_t undrawn;                    /* regions beyond the limits */
    bool any;                            /* there is something to draw */
};

static const char *const colours[8] = {
    [0] = "#dcdcdc",
    [ARCH_MMU_READ] = "#a6cee3",
    [ARCH_MMU_READ | ARCH_MMU_WRITE] = "#b2df8a",
    [ARCH_MMU_READ | ARCH_MMU_EXECUTE] = "#fdbf6f",
    [ARCH_MMU_PERMS] = "#fb8f8f",
};

static const char *colour_of(uint32_t perms)
{
    const char *colour = colours[perms & ARCH_MMU_PERMS];

    return colour != NULL ? colour : "#ffffff";
}

/* The boxes of the deepest level are BOX_WIDTH wide, those further out more. */
static int left_of(unsigned depth)
{
    return AXIS_X + 12 + (int)depth * INDENT;
}

static int width_of(const struct picture *picture, unsigned depth)
{
    return BOX_WIDTH + (int)(picture->deepest - depth) * (INDENT + INDENT_RIGHT);
}

/* Height for a size: a little more for each power of two above a page. */
static int height_for(uint64_t size)
{
    int height = MAPPING_MIN;

    for (uint64_t pages = size >> PAGE_SHIFT; pages > 1 && height < 2 * MAPPING_MIN; pages >>= 1)
        height += 2;
    return height;
}

static unsigned count_parts(const struct vm_mapping *mapping)
{
    const struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size, part_base, part_end;
    unsigned parts = 0;

    for (zx_vaddr_t va = region->base; va < end && parts <= PARTS_MAX; va = part_end, parts++)
        (void)protection_range(mapping, va, &part_base, &part_end);
    return parts;
}

static int mapping_height(const struct vm_mapping *mapping)
{
    unsigned parts = count_parts(mapping);
    int height = height_for(mapping->region.size);

    if (parts > PARTS_MAX)
        parts = PARTS_MAX + 1; /* and a line for the rest */
    int needed = parts == 1 ? 0 : PART_HEIGHT * ((int)parts + 1) + 3;
    return needed > height ? needed : height;
}

/* ---- Picture: drawing ---- */

static void draw_address(const struct picture *picture, int y, zx_vaddr_t va)
{
    vm_print(picture->sink, "<text class=\"a\" x=\"%d\" y=\"%d\">0x%012llx</text>\n", AXIS_X - 10, y + 4,
             (unsigned long long)va);
    vm_print(picture->sink, "<path class=\"x\" d=\"M%d %dh10\"/>\n", AXIS_X - 5, y);
}

/* The name with what XML would misread, or cannot hold, replaced. */
static void print_escaped(struct vm_sink *sink, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        if (c == '<' || c == '&' || c == '>')
            vm_print(sink, "&#%u;", c);
        else
            vm_print(sink, "%c", c < ' ' || c > '~' ? '?' : c);
    }
}

static void draw_gap(struct picture *picture, zx_vaddr_t end)
{
    if (picture->pass == PASS_ROWS) {
        int middle = picture->y + GAP_HEIGHT / 2, left = left_of(picture->depth);
        vm_print(picture->sink,
                 "<path class=\"k\" d=\"M%d %dl-4 3l8 4l-8 4l4 3\"/>\n<text class=\"g\" x=\"%d\" "
                 "y=\"%d\">%s free</text>\n",
                 AXIS_X, middle - 7, left + 10, middle + 4, size_text(end - picture->va).bytes);
    }
    picture->y += GAP_HEIGHT;
}

static void begin_frame(struct picture *picture, const struct vm_vmar *vmar)
{
    const struct vm_region *region = &vmar->region;

    if (picture->pass == PASS_ROWS) {
        draw_address(picture, picture->y, region->base);
        vm_print(picture->sink,
                 "<text class=\"h\" x=\"%d\" y=\"%d\">vmar %llu&#160;<tspan class=\"d\">· %s · may map "
                 "%s%s%s</tspan></text>\n",
                 left_of(picture->depth) + 10, picture->y + 16, (unsigned long long)vmar->object.koid,
                 size_text(region->size).bytes, flags_text(region->flags).bytes,
                 (region->flags & ZX_VM_CAN_MAP_SPECIFIC) != 0 ? " · specific" : "",
                 vmar->compact ? " · compact" : "");
    }
    picture->began[picture->depth++] = picture->y;
    if (picture->pass == PASS_MEASURE) {
        picture->vmars++;
        if (picture->depth > picture->deepest)
            picture->deepest = picture->depth;
    }
    picture->open = vmar;
    picture->va = region->base;
    picture->y += FRAME_HEAD;
}

static void end_frame(struct picture *picture)
{
    const struct vm_region *region = &picture->open->region;
    zx_vaddr_t end = region->base + region->size;

    if (picture->va < end)
        draw_gap(picture, end);
    int began = picture->began[--picture->depth];
    picture->y += FRAME_FOOT;
    if (picture->pass == PASS_FRAMES)
        vm_print(picture->sink,
                 "<rect class=\"f%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"><title>vmar %llu "
                 "[0x%llx, "
                 "0x%llx)</title></rect>\n",
                 picture->depth < TINTED ? "" : " n", left_of(picture->depth), began,
                 width_of(picture, picture->depth), picture->y - began,
                 (unsigned long long)picture->open->object.koid, base_of(region), end_of(region));
    picture->y += ROW_SPACE;
    picture->va = end;
    picture->open = region->parent;
}

/* ---- Picture: mappings ---- */

enum cell { CELL_EMPTY, CELL_SOME, CELL_ALL, CELL_PAST_END };

/* What each cell of a strip for [va, end) of the mapping shows; how many there are. */
static unsigned fill_cells(const struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end,
                           enum cell cells[STRIP_CELLS])
{
    uint64_t first = (mapping->vmo_offset + (va - mapping->region.base)) >> PAGE_SHIFT, index = first;
    uint64_t pages = (end - va) >> PAGE_SHIFT, limit = mapping_vmo_end_locked(mapping) >> PAGE_SHIFT;
    uint64_t held[STRIP_CELLS] = {0};
    unsigned count = pages < STRIP_CELLS ? (unsigned)pages : STRIP_CELLS;
    uint64_t step = pages / count, longer = pages % count; /* the first `longer` cells have one more */

    for (; page_list_next(&mapping->vmo->pages, index, &index) != NULL && index - first < pages; index++) {
        uint64_t at = index - first, split = longer * (step + 1);
        held[at < split ? at / (step + 1) : longer + (at - split) / step]++;
    }
    for (uint64_t cell = 0, at = first; cell < count; cell++) {
        uint64_t size = step + (cell < longer ? 1 : 0);
        if (at >= limit)
            cells[cell] = CELL_PAST_END;
        else if (held[cell] == 0)
            cells[cell] = CELL_EMPTY;
        else
            cells[cell] = held[cell] < size ? CELL_SOME : CELL_ALL;
        at += size;
    }
    return count;
}

/* The strip of [va, end) of the mapping, in a row of that height at y; `right` is the box's edge. */
static void draw_strip(const struct picture *picture, const struct vm_mapping *mapping, zx_vaddr_t va,
                       zx_vaddr_t end, int right, int y, int height)
{
    static const char *const classes[] = {"e", "s", "c", "p"};
    enum cell cells[STRIP_CELLS];
    unsigned count = fill_cells(mapping, va, end, cells);
    int x = right - STRIP_WIDTH - 10, inset = height > PART_HEIGHT + 4 ? 6 : 3;

    for (unsigned cell = 0, next; cell < count; cell = next) {
        for (next = cell + 1; next < count && cells[next] == cells[cell]; next++)
            continue;
        int from = x + (int)(cell * STRIP_WIDTH / count), to = x + (int)(next * STRIP_WIDTH / count);
        vm_print(picture->sink, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
                 classes[cells[cell]], from, y + inset, to - from, height - 2 * inset);
    }
}

struct box {
    int x, y, width, height;
};

static void draw_part(const struct picture *picture, const struct box *box, uint32_t perms)
{
    vm_print(picture->sink, "<rect fill=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
             colour_of(perms), box->x, box->y, box->width, box->height);
}

/* Below the line that names the mapping, one line for each protection range. */
static void draw_parts(const struct picture *picture, const struct vm_mapping *mapping, const struct box *box)
{
    const struct vm_region *region = &mapping->region;
    zx_vaddr_t end = region->base + region->size, part_base, part_end;
    unsigned drawn = 0;
    struct box part = {box->x, box->y + PART_HEIGHT + 2, box->width, PART_HEIGHT};

    for (zx_vaddr_t va = region->base; va < end; va = part_end, part.y += PART_HEIGHT) {
        if (drawn++ == PARTS_MAX) {
            vm_print(picture->sink, "<text class=\"m\" x=\"%d\" y=\"%d\">… more protection ranges</text>\n",
                     part.x + 10, part.y + 12);
            return;
        }
        uint32_t perms = protection_range(mapping, va, &part_base, &part_end);
        if (part_end == end) /* the rest of the box, which may be higher than its lines */
            part.height = box->y + box->height - part.y;
        draw_part(picture, &part, perms);
        vm_print(picture->sink, "<text class=\"m\" x=\"%d\" y=\"%d\">%s · 0x%012llx · %s</text>\n",
                 part.x + 10, part.y + 13, perms_text(perms).bytes, (unsigned long long)va,
                 size_text(part_end - va).bytes);
        draw_strip(picture, mapping, va, part_end, part.x + part.width, part.y, PART_HEIGHT);
    }
}

static void draw_mapping_box(const struct picture *picture, const struct vm_mapping *mapping, int height)
{
    const struct vm_region *region = &mapping->region;
    struct box box = {left_of(picture->depth), picture->y, width_of(picture, picture->depth), height};
    zx_vaddr_t end = region->base + region->size, part_base, part_end;
    uint32_t perms = protection_range(mapping, region->base, &part_base, &part_end);
    bool uniform = part_end == end;
    int words_y = box.y + (uniform ? height / 2 + 4 : 14);

    draw_address(picture, box.y, region->base);
    vm_print(picture->sink,
             "<g><title>mapping [0x%llx, 0x%llx), may be given %s</title>\n"
             "<rect fill=\"#f4f4f4\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
             base_of(region), end_of(region), flags_text(region->flags).bytes, box.x, box.y, box.width,
             height);
    if (uniform) {
        draw_part(picture, &box, perms);
        draw_strip(picture, mapping, region->base, end, box.x + box.width, box.y, height);
    } else {
        draw_parts(picture, mapping, &box);
    }
    vm_print(picture->sink,
             "<text class=\"m\" x=\"%d\" y=\"%d\"><tspan class=\"b\">%s</tspan>&#160;· vmo %llu + 0x%llx · "
             "%llu of %llu page%s</text>\n",
             box.x + 10, words_y, uniform ? perms_text(perms).bytes : "mixed",
             (unsigned long long)mapping->source->object.koid,
             (unsigned long long)(mapping->vmo_offset - mapping->source->window),
             (unsigned long long)count_committed(mapping), (unsigned long long)(region->size >> PAGE_SHIFT),
             region->size == PAGE_SIZE ? "" : "s");
    vm_print(picture->sink, "<text class=\"z\" x=\"%d\" y=\"%d\">%s</text>\n",
             box.x + box.width - STRIP_WIDTH - 22, words_y, size_text(region->size).bytes);
    vm_print(picture->sink, "<rect class=\"o\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/></g>\n", box.x,
             box.y, box.width, height);
}

static void draw_mapping(struct picture *picture, struct vm_mapping *mapping)
{
    int height = mapping_height(mapping);

    if (picture->pass != PASS_FRAMES) {
        bool locked = lock_unless_held(&mapping->vmo->lock);
        if (picture->pass == PASS_ROWS)
            draw_mapping_box(picture, mapping, height);
        else
            picture->committed += count_committed(mapping);
        if (locked)
            port_mutex_unlock(&mapping->vmo->lock);
    }
    if (picture->pass == PASS_MEASURE)
        picture->mappings++;
    picture->y += height + ROW_SPACE;
    picture->va = mapping->region.base + mapping->region.size;
}

/* ---- Picture: the passes ---- */

/* Says how many regions were left out since the last one, inside the innermost open frame. */
static void draw_undrawn(struct picture *picture)
{
    const struct vm_region *open = &picture->open->region;

    if (picture->undrawn == 0)
        return;
    if (picture->pass == PASS_ROWS)
        vm_print(picture->sink, "<text class=\"g\" x=\"%d\" y=\"%d\">… %llu more region%s</text>\n",
                 left_of(picture->depth) + 10, picture->y + GAP_HEIGHT / 2 + 4,
                 (unsigned long long)picture->undrawn, picture->undrawn == 1 ? "" : "s");
    picture->y += GAP_HEIGHT;
    picture->undrawn = 0;
    picture->va = open->base + open->size;
}

static void draw_region(struct picture *picture, struct vm_region *region)
{
    draw_undrawn(picture);
    while (picture->open != region->parent)
        end_frame(picture);
    if (picture->va < region->base)
        draw_gap(picture, region->base);
    if (region->kind == VM_REGION_VMAR)
        begin_frame(picture, vmar_of(region));
    else
        draw_mapping(picture, mapping_of(region));
}

static void draw_locked(struct picture *picture, struct vm_aspace *aspace)
{
    struct vm_vmar *root = aspace->root;
    struct region_walk walk;
    struct vm_region *region;
    unsigned drawn = 0;

    if (root == NULL)
        return;
    picture->any = true;
    begin_frame(picture, root);
    region_walk_start(&walk, root);
    while ((region = region_walk_next(&walk)) != NULL) {
        if (walk.depth >= DEPTH_MAX || drawn == REGIONS_MAX) {
            picture->undrawn++;
            continue;
        }
        drawn++;
        draw_region(picture, region);
    }
    draw_undrawn(picture);
    while (picture->open != NULL)
        end_frame(picture);
    if (picture->pass == PASS_ROWS)
        draw_address(picture, picture->y - ROW_SPACE, root->region.base + root->region.size);
}

static void draw_pass(struct picture *picture, enum pass pass)
{
    picture->pass = pass;
    picture->y = TOP;
    picture->depth = 0;
    for (unsigned i = 0; i < aspace_part_count(picture->aspace); i++) {
        struct vm_aspace *part = aspace_part(picture->aspace, i);
        if (part == NULL)
            return;
        bool locked = lock_unless_held(&part->lock);
        if (i > 0)
            picture->y += GAP_HEIGHT;
        draw_locked(picture, part);
        if (locked)
            port_mutex_unlock(&part->lock);
    }
}

static void draw_style(struct vm_sink *sink)
{
    vm_print(
        sink, "%s",
        "<style>\n"
        "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#222}\n"
        ".t{font-size:17px;font-weight:bold}\n"
        ".d{fill:#555;font-weight:normal}\n"
        ".a{text-anchor:end;fill:#555;font-size:11px}\n"
        ".h,.b{font-weight:bold}\n"
        ".g{fill:#666;font-size:11px;font-style:italic}\n"
        ".m{font-size:11px}\n"
        ".z{font-size:11px;text-anchor:end}\n"
        ".f{fill:#4a6fa5;fill-opacity:.07;stroke:#4a6fa5;stroke-opacity:.8}\n"
        ".n{fill:none}\n"
        ".o{fill:none;stroke:#444}\n"
        ".e{fill:#fff;fill-opacity:.55}\n"
        ".s{fill:url(#some)}\n"
        ".c{fill:url(#all)}\n"
        ".p{fill:#555}\n"
        ".x{stroke:#888;fill:none}\n"
        ".k{stroke:#888;fill:none;stroke-width:1.5}\n"
        "</style>\n<defs>\n"
        "<pattern id=\"all\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
        "patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"#fff\"/><rect width=\"3\" "
        "height=\"5\" fill=\"#33475b\"/></pattern>\n"
        "<pattern id=\"some\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
        "patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"#fff\"/><rect width=\"1\" "
        "height=\"5\" fill=\"#33475b\"/></pattern>\n"
        "</defs>\n");
}

static void draw_legend(struct vm_sink *sink)
{
    static const struct {
        const char *attribute, *words;
        int width;
    } items[] = {
        {"fill=\"#dcdcdc\"", "none", 66},
        {"fill=\"#a6cee3\"", "read", 66},
        {"fill=\"#b2df8a\"", "read write", 108},
        {"fill=\"#fdbf6f\"", "read execute", 122},
        {"fill=\"#fb8f8f\"", "all", 60},
        {"class=\"c\"", "committed", 102},
        {"class=\"s\"", "partly", 80},
        {"class=\"p\"", "past the VMO's end", 164},
        {"class=\"f\"", "VMAR", 60},
    };
    int x = MARGIN;

    for (unsigned i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        vm_print(sink, "<rect %s x=\"%d\" y=\"57\" width=\"14\" height=\"14\"/>", items[i].attribute, x);
        vm_print(sink, "<rect class=\"o\" x=\"%d\" y=\"57\" width=\"14\" height=\"14\"/>", x);
        vm_print(sink, "<text class=\"m\" x=\"%d\" y=\"68\">%s</text>\n", x + 20, items[i].words);
        x += items[i].width;
    }
}

static void draw_head(const struct picture *picture, int width, int height)
{
    struct vm_aspace *aspace = picture->aspace;
    struct vm_sink *sink = picture->sink;
    uint64_t tables = count_tables(aspace);

    vm_print(sink,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
             width, height, width, height);
    draw_style(sink);
    vm_print(sink, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text class=\"t\" x=\"%d\" y=\"26\">",
             width, height, MARGIN);
    print_escaped(sink, aspace->name);
    vm_print(sink,
             "</text>\n<text class=\"d\" x=\"%d\" y=\"45\">%s space · %llu VMAR%s · %llu mapping%s · %llu "
             "page%s committed · %llu page%s of tables</text>\n",
             MARGIN, aspace->destroyed ? "destroyed" : kind_of(aspace), (unsigned long long)picture->vmars,
             picture->vmars == 1 ? "" : "s", (unsigned long long)picture->mappings,
             picture->mappings == 1 ? "" : "s", (unsigned long long)picture->committed,
             picture->committed == 1 ? "" : "s", (unsigned long long)tables, tables == 1 ? "" : "s");
    draw_legend(sink);
    if (picture->any)
        vm_print(sink, "<path class=\"x\" d=\"M%d %dV%d\"/>\n", AXIS_X, TOP, height - MARGIN);
}

void vm_aspace_svg(struct vm_aspace *aspace, struct vm_sink *sink)
{
    struct picture picture = {.sink = sink, .aspace = aspace};
    bool locked = !aspace_is_unified(aspace) && lock_unless_held(&aspace->lock);

    draw_pass(&picture, PASS_MEASURE);
    int width = left_of(0) + width_of(&picture, 0) + MARGIN, height = picture.y - ROW_SPACE + MARGIN;
    bool head_locked = lock_unless_held(&aspace->lock);
    draw_head(&picture, width, height);
    if (head_locked)
        port_mutex_unlock(&aspace->lock);
    draw_pass(&picture, PASS_FRAMES);
    draw_pass(&picture, PASS_ROWS);
    vm_print(sink, "</svg>\n");
    if (locked)
        port_mutex_unlock(&aspace->lock);
}
