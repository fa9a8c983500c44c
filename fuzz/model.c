/* SPDX-License-Identifier: MIT */
/*
 * model.c: the reference model, part one: VMARs and the mappings in them.
 *
 * Concept. The model answers one question: what does the specification say that this call must do now? It is
 * written from the specification alone and tries to be obviously right, never to be fast: arrays that are
 * searched from end to end, one check a line, in the order in which the specification lists them.
 *
 * Structure. All VMARs, dead ones too, stand in one array in the order of their creation, so a parent stands
 * before its children. Mappings are kept as pieces with one permission each, in no order; a mapping is
 * nothing but its pieces, since merging and splitting cannot be seen from outside. An address in a space lies
 * in at most one piece.
 *
 * Places. Where the core chooses, the model cannot know the choice but knows which are allowed:
 * model_place_wrong() sorts the children of the VMAR, finds the lowest valid position and the end of the
 * window, and judges.
 *
 * Memory. The model has no notion of how much memory there is; an answer says whether NO_MEMORY may take its
 * place. Whether it really may is decided by the runner, which knows how many pages are free and whether the
 * failure switch fired.
 *
 * Locking: none, one run at a time. Cost: linear in the number of regions, a call.
 */
#include <vm/mem.h>

#include "model.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

static const struct model_answer fine = {ZX_OK, false, 0};

static struct model_answer refuse(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

/* The answer where memory is needed first. */
static struct model_answer with_memory(zx_status_t status, uint64_t pages)
{
    return (struct model_answer){status, true, pages};
}

static bool aligned(uint64_t value)
{
    return value % PAGE == 0;
}

/* ---- Setting up ---- */

static void *carve(char *memory, size_t *at, size_t count, size_t size)
{
    void *result = memory == NULL ? NULL : memory + *at;

    *at += (count * size + 15) & ~(size_t)15;
    return result;
}

size_t model_layout(struct model *model, void *memory, uint32_t operations)
{
    size_t at = 0;

    /* Beside the first process, the kernel's space and what is set aside there. */
    model->vmar_max = (int32_t)operations + 4;
    model->vmo_max = (int32_t)operations + 2;
    model->piece_max = 2 * (int32_t)operations + 8;
    model->handle_max = 2 * (int32_t)operations + 64;
    model->vmars = carve(memory, &at, (size_t)model->vmar_max, sizeof *model->vmars);
    model->vmos = carve(memory, &at, (size_t)model->vmo_max, sizeof *model->vmos);
    model->pieces = carve(memory, &at, (size_t)model->piece_max, sizeof *model->pieces);
    model->handles = carve(memory, &at, (size_t)model->handle_max, sizeof *model->handles);
    model->gaps = carve(memory, &at, (size_t)(model->piece_max + model->vmar_max), sizeof *model->gaps);
    return at;
}

/* A page for each content that the machine can hold, and as many for each of so many snapshots. */
#define PAGES_A_CONTENT 16

size_t model_layout_pages(struct model *model, void *memory, uint32_t machine_pages)
{
    size_t at = 0;

    model->content_max = (int32_t)machine_pages;
    model->page_max = PAGES_A_CONTENT * model->content_max;
    /* Beside them, those of the device's memory. */
    const size_t contents = machine_pages + TRACE_DEVICE_PAGES;
    model->pages = carve(memory, &at, (size_t)model->page_max + TRACE_DEVICE_PAGES, sizeof *model->pages);
    model->contents = carve(memory, &at, contents, sizeof *model->contents);
    model->content_bytes = carve(memory, &at, contents, PAGE);
    model->free_page = model->free_content = model->device = MODEL_NONE;
    return at;
}

/* ---- Looking ---- */

static bool within(const struct model_vmar *vmar, uint64_t addr, uint64_t len)
{
    return addr >= vmar->base && addr - vmar->base <= vmar->size && len <= vmar->size - (addr - vmar->base);
}

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
    return a < b_end && b < a_end;
}

int32_t model_piece_at(const struct model *model, uint8_t space, zx_vaddr_t va)
{
    for (int32_t i = 0; i < model->piece_count; i++) {
        const struct model_piece *piece = &model->pieces[i];
        if (piece->space == space && piece->base <= va && va < piece->end)
            return i;
    }
    return MODEL_NONE;
}

/* Which children of the VMAR lie at least partly in [base, end). */
static bool touches_vmar(const struct model *model, int32_t vmar, uint64_t base, uint64_t end)
{
    for (int32_t i = vmar + 1; i < model->vmar_count; i++) {
        const struct model_vmar *child = &model->vmars[i];
        if (child->alive && child->parent == vmar &&
            overlaps(child->base, child->base + child->size, base, end))
            return true;
    }
    return false;
}

static uint64_t pieces_touched(const struct model *model, int32_t vmar, uint64_t base, uint64_t end)
{
    uint64_t count = 0;

    for (int32_t i = 0; i < model->piece_count; i++) {
        const struct model_piece *piece = &model->pieces[i];
        count += piece->vmar == vmar && overlaps(piece->base, piece->end, base, end);
    }
    return count;
}

bool model_touches_vdso(const struct model *model, uint8_t space, uint64_t base, uint64_t end)
{
    for (int32_t i = 0; i < model->piece_count; i++) {
        const struct model_piece *piece = &model->pieces[i];
        if (piece->vdso_code && piece->space == space && overlaps(piece->base, piece->end, base, end))
            return true;
    }
    return false;
}

bool model_vdso_refuses(const struct model *model, uint8_t space, int32_t vmo, uint64_t vmo_offset,
                        uint64_t len, uint8_t perms)
{
    const uint64_t from = vmo_offset;
    const struct model_vmo *shown = &model->vmos[model_shown_at(model, vmo, &vmo_offset)];

    if ((perms & MODEL_EXECUTE) == 0 || shown->vdso_size == 0)
        return false;
    if (model_touches_vdso(model, space, 0, UINT64_MAX))
        return true;
    /* A slice shows only what is its own. */
    return vmo_offset != shown->vdso_offset || len != shown->vdso_size || from + len > model->vmos[vmo].size;
}

void model_add_piece(struct model *model, struct model_piece piece)
{
    if (model_shown(model, piece.vmo)->vdso_size != 0) {
        piece.vdso_code = (piece.perms & MODEL_EXECUTE) != 0;
        if (!piece.vdso_code)
            piece.may &= (uint8_t)~MODEL_EXECUTE;
    }
    model->pieces[model->piece_count++] = piece;
}

uint64_t model_gap(const struct model *model, int32_t vmar, zx_vaddr_t from)
{
    const struct model_vmar *v = &model->vmars[vmar];
    uint64_t end = v->base + v->size;

    if (from < v->base || from >= end || touches_vmar(model, vmar, from, from + 1) ||
        pieces_touched(model, vmar, from, from + 1) != 0)
        return 0;
    for (int32_t i = vmar + 1; i < model->vmar_count; i++) {
        const struct model_vmar *child = &model->vmars[i];
        if (child->alive && child->parent == vmar && child->base > from && child->base < end)
            end = child->base;
    }
    for (int32_t i = 0; i < model->piece_count; i++) {
        const struct model_piece *piece = &model->pieces[i];
        if (piece->vmar == vmar && piece->base > from && piece->base < end)
            end = piece->base;
    }
    return end - from;
}

/* ---- Places ---- */

static uint64_t alignment_of(uint32_t options)
{
    const uint32_t log2 = options >> ZX_VM_ALIGN_BASE;

    return log2 <= ZX_PAGE_SHIFT ? PAGE : 1ull << log2;
}

static bool alignment_byte_is_good(uint32_t options)
{
    const uint32_t log2 = options >> ZX_VM_ALIGN_BASE;

    return log2 == 0 || (log2 >= 10 && log2 <= 32);
}

/* The children of the VMAR as [base, end), ascending, into model->gaps; how many. */
static int32_t sort_children(const struct model *model, int32_t vmar)
{
    uint64_t(*list)[2] = model->gaps;
    int32_t count = 0;

    for (int32_t i = vmar + 1; i < model->vmar_count; i++) {
        const struct model_vmar *child = &model->vmars[i];
        if (child->alive && child->parent == vmar) {
            list[count][0] = child->base;
            list[count++][1] = child->base + child->size;
        }
    }
    for (int32_t i = 0; i < model->piece_count; i++) {
        if (model->pieces[i].vmar == vmar) {
            list[count][0] = model->pieces[i].base;
            list[count++][1] = model->pieces[i].end;
        }
    }
    for (int32_t step = count / 2; step > 0; step /= 2) {
        for (int32_t i = step; i < count; i++) {
            const uint64_t base = list[i][0], end = list[i][1];
            int32_t j = i;
            for (; j >= step && list[j - step][0] > base; j -= step) {
                list[j][0] = list[j - step][0];
                list[j][1] = list[j - step][1];
            }
            list[j][0] = base;
            list[j][1] = end;
        }
    }
    return count;
}

struct places {
    bool any;              /* there is a valid position */
    zx_vaddr_t lowest;     /* the lowest one */
    zx_vaddr_t window_end; /* the window holds the positions below it */
};

/* 2^entropy alignments, in bytes; all ones where that is more than a number holds. */
static uint64_t window_size(const struct model *model, const struct model_vmar *vmar, uint64_t alignment)
{
    const uint8_t bits =
        (vmar->flags & ZX_VM_COMPACT) != 0 ? model->compact_entropy_bits : model->entropy_bits;

    return alignment > UINT64_MAX >> bits ? UINT64_MAX : alignment << bits;
}

static struct places find_places(const struct model *model, int32_t vmar, uint64_t size, uint64_t alignment,
                                 zx_vaddr_t limit)
{
    const struct model_vmar *v = &model->vmars[vmar];
    const zx_vaddr_t end = v->base + v->size;
    const int32_t count = sort_children(model, vmar);
    struct places places = {false, 0, end};
    uint64_t window = window_size(model, v, alignment);
    zx_vaddr_t at = v->base;

    for (int32_t i = 0; i <= count; i++) {
        const zx_vaddr_t gap_end = i < count ? model->gaps[i][0] : end;
        const uint64_t free_bytes = gap_end - at;
        const zx_vaddr_t stop = gap_end < limit ? gap_end : limit;
        zx_vaddr_t first = (at + alignment - 1) & ~(alignment - 1);
        if (window > 0 && free_bytes >= window) {
            places.window_end = at + window;
            window = 0;
        } else if (window > 0) {
            window -= free_bytes;
        }
        /* Nothing that was not asked to be there is placed at 0. */
        if (first == 0 && at == 0)
            first = alignment;
        /* Rounding up may wrap at the end of the kernel's space. */
        if (!places.any && first >= at && first < stop && size <= stop - first) {
            places.any = true;
            places.lowest = first;
        }
        if (i < count)
            at = model->gaps[i][1];
    }
    return places;
}

static zx_vaddr_t limit_of(const struct model_vmar *vmar, uint32_t options, uint64_t offset)
{
    return (options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0 ? vmar->base + offset : vmar->base + vmar->size;
}

const char *model_place_wrong(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                              uint64_t size, zx_vaddr_t place)
{
    const struct model_vmar *v = &model->vmars[vmar];
    const uint64_t alignment = alignment_of(options);
    const zx_vaddr_t limit = limit_of(v, options, offset);

    if ((options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)) != 0)
        return place == v->base + offset ? NULL : "not the place that was asked for";
    if (place % alignment != 0)
        return "not aligned";
    if (!within(v, place, size))
        return "not within the VMAR";
    if (place > limit || size > limit - place)
        return "above the upper limit";
    if (touches_vmar(model, vmar, place, place + size) ||
        pieces_touched(model, vmar, place, place + size) != 0)
        return "not free";
    const struct places places = find_places(model, vmar, size, alignment, limit);
    if (!model->aslr || v->space >= MODEL_SPACE_KERNEL)
        return place == places.lowest ? NULL : "not the lowest valid position, without randomisation";
    if (places.lowest >= places.window_end)
        return place == places.lowest ? NULL : "not the lowest valid position, with none in the window";
    return place < places.window_end ? NULL : "outside the window";
}

zx_status_t model_check_place(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                              uint64_t size)
{
    const struct model_vmar *v = &model->vmars[vmar];
    const bool specific = (options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)) != 0;
    const bool limited = (options & ZX_VM_OFFSET_IS_UPPER_LIMIT) != 0;
    const uint64_t alignment = alignment_of(options);

    if (specific && limited)
        return ZX_ERR_INVALID_ARGS;
    if (!specific && !limited && offset != 0)
        return ZX_ERR_INVALID_ARGS;
    if (!aligned(offset))
        return ZX_ERR_INVALID_ARGS;
    if ((specific || limited) && (v->flags & ZX_VM_CAN_MAP_SPECIFIC) == 0)
        return ZX_ERR_ACCESS_DENIED;
    if (limited && (offset > v->size || size > offset))
        return ZX_ERR_INVALID_ARGS;
    if (!limited && (offset >= v->size || size > v->size - offset))
        return ZX_ERR_INVALID_ARGS;
    if (!specific)
        return find_places(model, vmar, size, alignment, limit_of(v, options, offset)).any
                   ? ZX_OK
                   : ZX_ERR_NO_RESOURCES;
    const zx_vaddr_t base = v->base + offset;
    if (base % alignment != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        return touches_vmar(model, vmar, base, base + size) ? ZX_ERR_INVALID_ARGS : ZX_OK;
    if (touches_vmar(model, vmar, base, base + size) || pieces_touched(model, vmar, base, base + size) != 0)
        return ZX_ERR_ALREADY_EXISTS;
    return ZX_OK;
}

/* ---- allocate ---- */

#define CAN_MAP        (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define PERMS          (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)
#define UNDEFINED_BITS 0x00ff8000u

/* READ, WRITE and EXECUTE of rights, and of CAN_MAP_*, as MODEL_READ… */
static uint32_t perms_of_rights(zx_rights_t rights)
{
    return rights >> 2 & 7;
}

static uint32_t perms_of_can_map(uint32_t flags)
{
    return flags >> 7 & 7;
}

struct model_answer model_vmar_allocate(const struct model *model, int32_t parent, uint32_t options,
                                        uint64_t offset, uint64_t size, bool null_result)
{
    const uint32_t not_for_this = UNDEFINED_BITS | PERMS | ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED |
                                  ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_MAP_RANGE | ZX_VM_REQUIRE_NON_RESIZABLE |
                                  ZX_VM_ALLOW_FAULTS;
    const zx_status_t handle = model_check_handle(model, parent, TRACE_TYPE_VMAR, 0);

    if (handle != ZX_OK)
        return refuse(handle);
    if ((perms_of_can_map(options) & ~perms_of_rights(model_rights(model, parent))) != 0)
        return refuse(ZX_ERR_ACCESS_DENIED);
    if ((options & not_for_this) != 0 || !alignment_byte_is_good(options) || !aligned(size))
        return refuse(ZX_ERR_INVALID_ARGS);
    const int32_t vmar = model_object(model, parent);
    if (!model->vmars[vmar].alive)
        return refuse(ZX_ERR_BAD_STATE);
    if (size == 0)
        return refuse(ZX_ERR_INVALID_ARGS);
    if ((options & CAN_MAP & ~model->vmars[vmar].flags) != 0)
        return refuse(ZX_ERR_ACCESS_DENIED);
    const zx_status_t place = model_check_place(model, vmar, options, offset, size);
    if (place == ZX_ERR_NO_RESOURCES)
        return refuse(ZX_ERR_NO_MEMORY);
    if (place != ZX_OK)
        return refuse(place);
    return with_memory(null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, 0);
}

int32_t model_do_vmar_allocate(struct model *model, int32_t parent, uint32_t options, zx_vaddr_t base,
                               uint64_t size)
{
    const int32_t index = model->vmar_count++;

    model->vmars[index] = (struct model_vmar){
        .base = base,
        .size = size,
        .flags = options & (CAN_MAP | ZX_VM_CAN_MAP_SPECIFIC | ZX_VM_COMPACT),
        .parent = parent,
        .space = model->vmars[parent].space,
        .alive = true,
        .high = model->vmars[parent].high,
    };
    return index;
}

/* ---- map ---- */

/* Rounded up to a page; false where that overflows. */
static bool round_up(uint64_t *len)
{
    if (*len > UINT64_MAX - (PAGE - 1))
        return false;
    *len = (*len + PAGE - 1) / PAGE * PAGE;
    return true;
}

static uint32_t map_options(uint32_t options)
{
    if ((options & ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED) != 0)
        options = (options & ~ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED) | ZX_VM_PERM_READ;
    return options;
}

/* Steps 1 to 4: everything that the handles and the options say. */
static zx_status_t check_map(const struct model *model, int32_t vmar, uint32_t options, int32_t vmo)
{
    zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, 0);

    if (handle == ZX_OK)
        handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, ZX_RIGHT_MAP);
    if (handle != ZX_OK)
        return handle;
    if ((options & (ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)) != 0 && (options & ZX_VM_PERM_READ) == 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_MAP_RANGE) != 0 && (options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & CAN_MAP) != 0)
        return ZX_ERR_INVALID_ARGS;
    if ((options & PERMS & ~perms_of_rights(model_rights(model, vmar) & model_rights(model, vmo))) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if ((options & (UNDEFINED_BITS | ZX_VM_COMPACT | ZX_VM_CAN_MAP_SPECIFIC)) != 0 ||
        !alignment_byte_is_good(options))
        return ZX_ERR_INVALID_ARGS;
    if ((options & ZX_VM_REQUIRE_NON_RESIZABLE) != 0 && model->vmos[model_object(model, vmo)].resizable)
        return ZX_ERR_NOT_SUPPORTED;
    return ZX_OK;
}

struct model_answer model_vmar_map(const struct model *model, int32_t vmar, uint32_t options, uint64_t offset,
                                   int32_t vmo, uint64_t vmo_offset, uint64_t len, bool null_result)
{
    options = map_options(options);
    const zx_status_t first = check_map(model, vmar, options, vmo);
    if (first != ZX_OK)
        return refuse(first);
    const int32_t index = model_object(model, vmar);
    const struct model_vmar *v = &model->vmars[index];
    if ((options & PERMS & ~perms_of_can_map(v->flags)) != 0)
        return refuse(ZX_ERR_ACCESS_DENIED);
    if (!aligned(vmo_offset))
        return refuse(ZX_ERR_INVALID_ARGS);
    if (!round_up(&len) || len > UINT64_MAX - vmo_offset)
        return refuse(ZX_ERR_OUT_OF_RANGE);
    const struct model_vmo *shown = &model->vmos[model_object(model, vmo)];
    if (shown->target != MODEL_NONE && vmo_offset + len > UINT64_MAX - shown->window)
        return refuse(ZX_ERR_OUT_OF_RANGE);
    if (!v->alive)
        return refuse(ZX_ERR_BAD_STATE);
    if (len == 0)
        return refuse(ZX_ERR_INVALID_ARGS);
    const zx_status_t place = model_check_place(model, index, options, offset, len);
    if (place != ZX_OK)
        return refuse(place);
    const zx_vaddr_t base = v->base + offset;
    const bool overwrite = (options & ZX_VM_SPECIFIC_OVERWRITE) != 0;
    if (overwrite && model_touches_vdso(model, v->space, base, base + len))
        return refuse(ZX_ERR_ACCESS_DENIED);
    if (model_vdso_refuses(model, v->space, model_object(model, vmo), vmo_offset, len,
                           (uint8_t)(options & PERMS)))
        return refuse(ZX_ERR_ACCESS_DENIED);
    return with_memory(null_result ? ZX_ERR_INVALID_ARGS : ZX_OK,
                       overwrite ? pieces_touched(model, index, base, base + len) : 0);
}

/* Takes [base, end) out of the VMAR's own mappings. */
static void cut(struct model *model, int32_t vmar, uint64_t base, uint64_t end)
{
    for (int32_t i = model->piece_count - 1; i >= 0; i--) {
        const struct model_piece old = model->pieces[i];
        if (old.vmar != vmar || !overlaps(old.base, old.end, base, end))
            continue;
        model->pieces[i] = model->pieces[--model->piece_count];
        if (old.base < base) {
            struct model_piece *head = &model->pieces[model->piece_count++];
            *head = old;
            head->end = base;
        }
        if (old.end > end) {
            struct model_piece *tail = &model->pieces[model->piece_count++];
            *tail = old;
            tail->base = end;
            tail->vmo_offset += end - old.base;
        }
    }
}

void model_do_vmar_map(struct model *model, int32_t vmar, uint32_t options, int32_t vmo, uint64_t vmo_offset,
                       zx_vaddr_t base, uint64_t len)
{
    const int32_t index = model_object(model, vmar);

    round_up(&len);
    if ((options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        cut(model, index, base, base + len);
    model_add_piece(model,
                    (struct model_piece){
                        .base = base,
                        .end = base + len,
                        .vmo_offset = vmo_offset,
                        .vmar = index,
                        .vmo = model_object(model, vmo),
                        .space = model->vmars[index].space,
                        .perms = (uint8_t)(map_options(options) & PERMS),
                        .may = (uint8_t)perms_of_rights(model_rights(model, vmar) & model_rights(model, vmo)),
                    });
}

/* ---- unmap ---- */

struct model_answer model_vmar_unmap(const struct model *model, int32_t vmar, uint64_t addr, uint64_t len)
{
    const zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, 0);

    if (handle != ZX_OK)
        return refuse(handle);
    if (!aligned(addr) || len == 0)
        return refuse(ZX_ERR_INVALID_ARGS);
    const int32_t index = model_object(model, vmar);
    if (!model->vmars[index].alive)
        return refuse(ZX_ERR_BAD_STATE);
    if (!round_up(&len) || !within(&model->vmars[index], addr, len))
        return refuse(ZX_ERR_INVALID_ARGS);
    if (model_touches_vdso(model, model->vmars[index].space, addr, addr + len))
        return refuse(ZX_ERR_ACCESS_DENIED);
    const bool op_children = (model_rights(model, vmar) & ZX_RIGHT_OP_CHILDREN) != 0;
    for (int32_t i = index + 1; i < model->vmar_count; i++) {
        const struct model_vmar *child = &model->vmars[i];
        if (!child->alive || child->parent != index ||
            !overlaps(child->base, child->base + child->size, addr, addr + len))
            continue;
        if (!op_children || child->base < addr || child->base + child->size > addr + len)
            return refuse(ZX_ERR_INVALID_ARGS);
    }
    return with_memory(ZX_OK, 0);
}

void model_do_vmar_unmap(struct model *model, int32_t vmar, uint64_t addr, uint64_t len)
{
    round_up(&len);
    cut(model, vmar, addr, addr + len);
    for (int32_t i = vmar + 1; i < model->vmar_count; i++) {
        const struct model_vmar *child = &model->vmars[i];
        if (child->alive && child->parent == vmar &&
            overlaps(child->base, child->base + child->size, addr, addr + len))
            model_do_vmar_destroy(model, i);
    }
}

/* ---- protect ---- */

struct model_answer model_vmar_protect(const struct model *model, int32_t vmar, uint32_t options,
                                       uint64_t addr, uint64_t len)
{
    const zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, 0);
    const uint32_t perms = options & PERMS;
    uint64_t parts = 0;

    if (handle != ZX_OK)
        return refuse(handle);
    const zx_rights_t rights = model_rights(model, vmar);
    if ((perms & ~perms_of_rights(rights)) != 0)
        return refuse(ZX_ERR_ACCESS_DENIED);
    if (perms != 0 && (perms & MODEL_READ) == 0)
        return refuse(ZX_ERR_INVALID_ARGS);
    if (!aligned(addr) || (options & ~PERMS) != 0 || len == 0)
        return refuse(ZX_ERR_INVALID_ARGS);
    const int32_t index = model_object(model, vmar);
    const struct model_vmar *v = &model->vmars[index];
    if (!v->alive)
        return refuse(ZX_ERR_BAD_STATE);
    if (!round_up(&len) || !within(v, addr, len))
        return refuse(ZX_ERR_INVALID_ARGS);
    for (zx_vaddr_t at = addr; at < addr + len;) {
        const int32_t i = model_piece_at(model, v->space, at);
        if (i == MODEL_NONE)
            return refuse(ZX_ERR_NOT_FOUND);
        const struct model_piece *piece = &model->pieces[i];
        if ((perms & ~piece->may) != 0 || piece->vdso_code)
            return refuse(ZX_ERR_ACCESS_DENIED);
        if (piece->vmar != index && (rights & ZX_RIGHT_OP_CHILDREN) == 0)
            return refuse(ZX_ERR_INVALID_ARGS);
        if (piece->vmar != index && (perms & ~piece->perms) != 0)
            return refuse(ZX_ERR_ACCESS_DENIED);
        at = piece->end;
        parts++;
    }
    return with_memory(ZX_OK, parts);
}

void model_do_vmar_protect(struct model *model, uint8_t space, uint32_t options, uint64_t addr, uint64_t len)
{
    round_up(&len);
    for (zx_vaddr_t at = addr; at < addr + len;) {
        struct model_piece *piece = &model->pieces[model_piece_at(model, space, at)];
        const struct model_piece old = *piece;
        piece->base = at;
        piece->end = old.end < addr + len ? old.end : addr + len;
        piece->vmo_offset += at - old.base;
        piece->perms = (uint8_t)(options & PERMS);
        if (old.base < at) {
            struct model_piece *head = &model->pieces[model->piece_count++];
            *head = old;
            head->end = at;
        }
        if (old.end > piece->end) {
            struct model_piece *tail = &model->pieces[model->piece_count++];
            *tail = old;
            tail->base = piece->end;
            tail->vmo_offset += piece->end - old.base;
        }
        at = piece->end;
    }
}

/* ---- op_range ---- */

/* What one part of the range, which `i` shows, says to the operation. */
static zx_status_t check_op_range_part(const struct model *model, int32_t vmar, int32_t i, uint32_t op,
                                       zx_vaddr_t at, zx_vaddr_t end)
{
    const struct model_piece *piece = &model->pieces[i];
    const bool child = piece->vmar != model_object(model, vmar);

    if (op != ZX_VMAR_OP_COMMIT && op != ZX_VMAR_OP_DECOMMIT) {
        const bool op_children = (model_rights(model, vmar) & ZX_RIGHT_OP_CHILDREN) != 0;
        if (child && !op_children)
            return ZX_ERR_INVALID_ARGS;
        return piece->vdso_code ? ZX_ERR_ACCESS_DENIED : ZX_OK;
    }
    if ((piece->may & MODEL_WRITE) == 0)
        return ZX_ERR_ACCESS_DENIED;
    if (child)
        return ZX_ERR_INVALID_ARGS;
    if (piece->vdso_code)
        return ZX_ERR_ACCESS_DENIED;
    const struct model_vmo *vmo = &model->vmos[piece->vmo];
    const uint64_t from = piece->vmo_offset + (at - piece->base);
    const struct model_vmo *shown = model_shown(model, piece->vmo);
    if (shown->physical || (op == ZX_VMAR_OP_DECOMMIT && (shown->snapshot || shown->contiguous)))
        return ZX_ERR_NOT_SUPPORTED;
    const uint64_t inside = from >= vmo->size ? 0 : vmo->size - from < end - at ? vmo->size - from : end - at;
    if (op == ZX_VMAR_OP_DECOMMIT && model_is_pinned(model, piece->vmo, from, inside))
        return ZX_ERR_BAD_STATE;
    return inside < end - at ? ZX_ERR_OUT_OF_RANGE : ZX_OK;
}

/* Where the part that begins at `at` ends, in a range that ends at `end`; 0: there is a gap. */
static zx_vaddr_t part_end(const struct model *model, uint8_t space, zx_vaddr_t at, zx_vaddr_t end)
{
    const int32_t i = model_piece_at(model, space, at);

    if (i == MODEL_NONE)
        return 0;
    return model->pieces[i].end < end ? model->pieces[i].end : end;
}

struct model_answer model_vmar_op_range(const struct model *model, int32_t vmar, uint32_t op, uint64_t addr,
                                        uint64_t len, bool buffer)
{
    const zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, 0);

    if (handle != ZX_OK)
        return refuse(handle);
    if (op != ZX_VMAR_OP_COMMIT && op != ZX_VMAR_OP_DECOMMIT && op != ZX_VMAR_OP_MAP_RANGE &&
        op != ZX_VMAR_OP_DONT_NEED && op != ZX_VMAR_OP_ALWAYS_NEED)
        return refuse(ZX_ERR_INVALID_ARGS);
    if (buffer || len == 0 || !aligned(addr))
        return refuse(ZX_ERR_INVALID_ARGS);
    const struct model_vmar *v = &model->vmars[model_object(model, vmar)];
    if (!round_up(&len) || !within(v, addr, len))
        return refuse(ZX_ERR_OUT_OF_RANGE);
    if (!v->alive)
        return refuse(ZX_ERR_BAD_STATE);
    const zx_vaddr_t end = addr + len;
    for (zx_vaddr_t at = addr; at < end; at = part_end(model, v->space, at, end)) {
        if (part_end(model, v->space, at, end) == 0)
            return refuse(ZX_ERR_BAD_STATE);
    }
    for (zx_vaddr_t at = addr, next; at < end; at = next) {
        next = part_end(model, v->space, at, end);
        const zx_status_t part =
            check_op_range_part(model, vmar, model_piece_at(model, v->space, at), op, at, next);
        if (part != ZX_OK)
            return refuse(part);
    }
    return op == ZX_VMAR_OP_COMMIT ? with_memory(ZX_OK, len / PAGE) : fine;
}

void model_do_vmar_op_range(struct model *model, uint8_t space, uint32_t op, uint64_t addr, uint64_t len)
{
    round_up(&len);
    if (op == ZX_VMAR_OP_ALWAYS_NEED)
        model->spaces[space].always_need = true;
    if (op != ZX_VMAR_OP_DECOMMIT)
        return;
    for (zx_vaddr_t at = addr, next; at < addr + len; at = next) {
        const struct model_piece *piece = &model->pieces[model_piece_at(model, space, at)];
        next = part_end(model, space, at, addr + len);
        model_do_vmo_op_range(model, piece->vmo, ZX_VMO_OP_DECOMMIT, piece->vmo_offset + (at - piece->base),
                              next - at);
    }
}

/* ---- destroy ---- */

struct model_answer model_vmar_destroy(const struct model *model, int32_t vmar)
{
    const zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, ZX_RIGHT_OP_CHILDREN);

    if (handle != ZX_OK)
        return refuse(handle);
    const struct model_vmar *v = &model->vmars[model_object(model, vmar)];
    if (v->parent == MODEL_NONE)
        return refuse(ZX_ERR_NOT_SUPPORTED);
    if (!v->alive)
        return refuse(ZX_ERR_BAD_STATE);
    if (model_touches_vdso(model, v->space, v->base, v->base + v->size))
        return refuse(ZX_ERR_ACCESS_DENIED);
    return fine;
}

void model_do_vmar_destroy(struct model *model, int32_t vmar)
{
    model->vmars[vmar].alive = false;
    for (int32_t i = vmar + 1; i < model->vmar_count; i++) {
        struct model_vmar *below = &model->vmars[i];
        if (below->parent != MODEL_NONE && !model->vmars[below->parent].alive)
            below->alive = false;
    }
    for (int32_t i = model->piece_count - 1; i >= 0; i--) {
        if (!model->vmars[model->pieces[i].vmar].alive)
            model->pieces[i] = model->pieces[--model->piece_count];
    }
}

/* ---- Memory priority ---- */

struct model_answer model_vmar_set_priority(const struct model *model, int32_t vmar)
{
    const zx_status_t handle = model_check_handle(model, vmar, TRACE_TYPE_VMAR, 0);

    if (handle != ZX_OK)
        return refuse(handle);
    return model->vmars[model_object(model, vmar)].alive ? fine : refuse(ZX_ERR_BAD_STATE);
}

void model_do_vmar_set_priority(struct model *model, int32_t vmar, bool high)
{
    for (int32_t i = vmar; i < model->vmar_count; i++) {
        int32_t above = i;
        while (above != MODEL_NONE && above != vmar)
            above = model->vmars[above].parent;
        if (above == vmar)
            model->vmars[i].high = high;
    }
}

bool model_is_space_high(const struct model *model, uint8_t space)
{
    for (int32_t i = 0; i < model->vmar_count; i++) {
        const struct model_vmar *v = &model->vmars[i];
        if (v->alive && v->high && v->space == space)
            return true;
    }
    return model->spaces[space].always_need;
}

bool model_is_high_priority(const struct model *model, uint8_t process)
{
    const int32_t *const spaces = model->processes[process].spaces;

    for (unsigned i = 0; i < 2; i++) {
        if (spaces[i] != MODEL_NONE && model_is_space_high(model, (uint8_t)spaces[i]))
            return true;
    }
    return false;
}
