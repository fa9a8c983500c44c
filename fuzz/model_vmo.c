/* SPDX-License-Identifier: MIT */
/*
 * model_vmo.c: the reference model, part three: what VMOs contain, and what accesses to an address space
 * find.
 *
 * A VMO has a list of the pages that were written, in no order, each with its bytes; every other page reads
 * as zero. Whether the core has given a page memory cannot be seen from outside and is not modelled.
 *
 * A snapshot takes over the list, as far as it reaches. The bytes are copied when one of the holders is about
 * to change them, not before: so the model has never more contents than a core that shares all it may has
 * pages. A slice has no list; what is done to it is done to the VMO that it shows. Physical VMOs all show one
 * memory, the device's, whose bytes a VMO of the model's own has; the core has none for it.
 */
#include <vm/mem.h>

#include "model.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

/* The largest size of a VMO: what a 64-bit size holds in whole groups of 64 pages. */
#define VMO_SIZE_MAX (UINT64_MAX - (64 * PAGE - 1))

static struct model_answer answer(zx_status_t status)
{
    return (struct model_answer){status, false, 0};
}

/* ---- Pages ---- */

static uint8_t *bytes_of(const struct model *model, int32_t page)
{
    return model->content_bytes + (uint64_t)model->pages[page].content * PAGE;
}

static int32_t find_page(const struct model *model, int32_t vmo, uint64_t number)
{
    int32_t page = model->vmos[vmo].first_page;

    while (page != MODEL_NONE && model->pages[page].number != number)
        page = model->pages[page].next;
    return page;
}

static void let_go(struct model *model, int32_t content)
{
    if (--model->contents[content].holders > 0)
        return;
    model->contents_used--;
    model->contents[content].next = model->free_content;
    model->free_content = content;
}

/* Gives up the pages from number `first` on, below `end`. */
static void drop_pages(struct model *model, int32_t vmo, uint64_t first, uint64_t end)
{
    int32_t *link = &model->vmos[vmo].first_page;

    while (*link != MODEL_NONE) {
        const int32_t page = *link;
        if (model->pages[page].number >= first && model->pages[page].number < end) {
            let_go(model, model->pages[page].content);
            *link = model->pages[page].next;
            model->pages[page].next = model->free_page;
            model->free_page = page;
            model->pages_used--;
        } else {
            link = &model->pages[page].next;
        }
    }
}

void model_note_living(struct model *model)
{
    for (int32_t vmo = 0; vmo < model->vmo_count; vmo++)
        model->vmos[vmo].living = false;
    for (int32_t i = 0; i < model->handle_count; i++) {
        const struct model_handle *h = &model->handles[i];
        if (h->open && h->type == TRACE_TYPE_VMO)
            model->vmos[h->object].living = true;
    }
    for (int32_t i = 0; i < model->piece_count; i++)
        model->vmos[model->pieces[i].vmo].living = true;
    for (uint32_t i = 0; i < model->pin_count; i++)
        model->vmos[model->pins[i].vmo].living = true;
    for (int32_t vmo = 0; vmo < model->vmo_count; vmo++) {
        if (model->vmos[vmo].living && model->vmos[vmo].target != MODEL_NONE)
            model->vmos[model->vmos[vmo].target].living = true;
    }
}

int32_t model_parent(const struct model *model, int32_t vmo)
{
    do
        vmo = model->vmos[vmo].parent;
    while (vmo != MODEL_NONE && !model->vmos[vmo].living);
    return vmo;
}

void model_collect(struct model *model)
{
    model_note_living(model);
    for (int32_t vmo = 0; vmo < model->vmo_count; vmo++) {
        if (!model->vmos[vmo].living && vmo != model->device)
            drop_pages(model, vmo, 0, UINT64_MAX);
    }
}

/* Bytes with one holder, undefined; the device's own or those of a VMO. MODEL_NONE when VMOs have more than
   the machine itself could have. */
static int32_t add_content(struct model *model, bool device)
{
    int32_t content;

    if (!device && model->contents_used - model->device_pages == model->content_max)
        model_collect(model);
    if (!device && model->contents_used - model->device_pages == model->content_max) {
        model->full = true;
        return MODEL_NONE;
    }
    content = model->free_content;
    if (content != MODEL_NONE)
        model->free_content = model->contents[content].next;
    else
        content = model->content_count++;
    model->contents[content].holders = 1;
    model->contents_used++;
    model->device_pages += device;
    return content;
}

/* A page for that number, which has none. Only where there is room: model_has_room_for_child keeps so much that
   each content can have a page. */
static int32_t add_page(struct model *model, int32_t vmo, uint64_t number, int32_t content)
{
    int32_t page = model->free_page;

    if (page != MODEL_NONE)
        model->free_page = model->pages[page].next;
    else
        page = model->page_count++;
    model->pages_used++;
    model->pages[page] = (struct model_page){number, model->vmos[vmo].first_page, content};
    model->vmos[vmo].first_page = page;
    return page;
}

/* The page of that number, there from now on, whose bytes may be changed. MODEL_NONE: no room. */
static int32_t page_to_change(struct model *model, int32_t vmo, uint64_t number)
{
    int32_t page = find_page(model, vmo, number);

    if (page != MODEL_NONE && model->contents[model->pages[page].content].holders == 1)
        return page;
    const int32_t content = add_content(model, vmo == model->device);
    if (content == MODEL_NONE)
        return MODEL_NONE;
    uint8_t *const bytes = model->content_bytes + (uint64_t)content * PAGE;
    if (page == MODEL_NONE) {
        memset(bytes, 0, PAGE);
        return add_page(model, vmo, number, content);
    }
    memcpy(bytes, bytes_of(model, page), PAGE);
    let_go(model, model->pages[page].content);
    model->pages[page].content = content;
    return page;
}

/* The VMO whose pages this one shows; the offset becomes one in that. */
static int32_t shown_by(const struct model *model, int32_t vmo, uint64_t *offset)
{
    const struct model_vmo *v = &model->vmos[vmo];

    if (v->target == MODEL_NONE)
        return vmo;
    *offset += v->window;
    return v->target;
}

int32_t model_shown_at(const struct model *model, int32_t vmo, uint64_t *offset)
{
    return shown_by(model, vmo, offset);
}

const struct model_vmo *model_shown(const struct model *model, int32_t vmo)
{
    const struct model_vmo *v = &model->vmos[vmo];

    return v->target == MODEL_NONE ? v : &model->vmos[v->target];
}

/* The VMO that has the bytes of this one; the offset becomes one in that. */
static int32_t bytes_behind(const struct model *model, int32_t vmo, uint64_t *offset)
{
    vmo = shown_by(model, vmo, offset);
    if (!model->vmos[vmo].physical)
        return vmo;
    *offset += model->vmos[vmo].window;
    return model->device;
}

/* What is left of the page that holds `offset`, at most `size`. */
static uint64_t step(uint64_t offset, uint64_t size)
{
    const uint64_t rest = PAGE - offset % PAGE;

    return rest < size ? rest : size;
}

void model_vmo_read(const struct model *model, int32_t vmo, uint64_t offset, void *out, uint64_t size)
{
    uint8_t *to = out;

    vmo = bytes_behind(model, vmo, &offset);
    for (uint64_t n; size > 0; size -= n, offset += n, to += n) {
        n = step(offset, size);
        const int32_t page = find_page(model, vmo, offset / PAGE);
        if (page == MODEL_NONE)
            memset(to, 0, n);
        else
            memcpy(to, bytes_of(model, page) + offset % PAGE, n);
    }
}

void model_do_vmo_write(struct model *model, int32_t vmo, uint64_t offset, const void *in, uint64_t size)
{
    const uint8_t *from = in;

    vmo = bytes_behind(model, vmo, &offset);
    for (uint64_t n; size > 0; size -= n, offset += n, from += n) {
        n = step(offset, size);
        const int32_t page = page_to_change(model, vmo, offset / PAGE);
        if (page != MODEL_NONE)
            memcpy(bytes_of(model, page) + offset % PAGE, from, n);
    }
}

static void zero(struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    vmo = shown_by(model, vmo, &offset);
    const uint64_t whole = (offset + PAGE - 1) / PAGE, whole_end = (offset + size) / PAGE;
    const uint64_t ends[2] = {offset, offset + size};

    if (whole < whole_end)
        drop_pages(model, vmo, whole, whole_end);
    /* What is left are parts of the pages at both ends, which may be one. */
    for (unsigned i = 0; i < 2 && size > 0; i++) {
        const uint64_t base = ends[i] / PAGE * PAGE;
        const uint64_t from = base > offset ? base : offset;
        const uint64_t to = offset + size - base < PAGE ? offset + size : base + PAGE;
        if (from >= to || find_page(model, vmo, base / PAGE) == MODEL_NONE)
            continue;
        const int32_t page = page_to_change(model, vmo, base / PAGE);
        if (page != MODEL_NONE)
            memset(bytes_of(model, page) + (from - base), 0, to - from);
    }
}

bool model_is_pinned(const struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    const int32_t shown = shown_by(model, vmo, &offset);

    for (uint32_t i = 0; i < model->pin_count && size > 0; i++) {
        const struct model_pin *pin = &model->pins[i];
        if (pin->shown == shown && pin->first < (offset + size) / PAGE && offset / PAGE < pin->end)
            return true;
    }
    return false;
}

/* ---- Calls ---- */

/* Rounded up to a page; false where the result is larger than a VMO may be. */
static bool vmo_size(uint64_t *size)
{
    if (*size > VMO_SIZE_MAX)
        return false;
    *size = (*size + PAGE - 1) / PAGE * PAGE;
    return true;
}

struct model_answer model_vmo_create(uint64_t size, uint32_t options, bool null_result)
{
    if ((options & ~ZX_VMO_RESIZABLE) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (!vmo_size(&size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true, 0};
}

int32_t model_do_vmo_create(struct model *model, uint64_t size, uint32_t options)
{
    vmo_size(&size);
    model->vmos[model->vmo_count] = (struct model_vmo){
        .size = size,
        .resizable = (options & ZX_VMO_RESIZABLE) != 0,
        .parent = MODEL_NONE,
        .target = MODEL_NONE,
        .first_page = MODEL_NONE,
    };
    return model->vmo_count++;
}

static bool in_range(const struct model_vmo *vmo, uint64_t offset, uint64_t size)
{
    return offset <= vmo->size && size <= vmo->size - offset;
}

static uint64_t pages_in(uint64_t offset, uint64_t size)
{
    return size == 0 ? 0 : (offset + size - 1) / PAGE - offset / PAGE + 1;
}

struct model_answer model_vmo_io(const struct model *model, int32_t vmo, bool write, uint64_t offset,
                                 uint64_t size, bool null_buffer)
{
    const zx_status_t handle =
        model_check_handle(model, vmo, TRACE_TYPE_VMO, write ? ZX_RIGHT_WRITE : ZX_RIGHT_READ);

    if (handle != ZX_OK)
        return answer(handle);
    if (model_shown(model, model_object(model, vmo))->physical)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (!in_range(&model->vmos[model_object(model, vmo)], offset, size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (null_buffer && size > 0)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, write && size > 0, write ? pages_in(offset, size) : 0};
}

struct model_answer model_vmo_set_size(const struct model *model, int32_t vmo, uint64_t size)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, ZX_RIGHT_WRITE);

    if (handle != ZX_OK)
        return answer(handle);
    if (!model->vmos[model_object(model, vmo)].resizable)
        return answer(ZX_ERR_UNAVAILABLE);
    if ((model_rights(model, vmo) & ZX_RIGHT_RESIZE) == 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    const bool partial = size % PAGE != 0;
    if (!vmo_size(&size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    const int32_t object = model_object(model, vmo);
    const uint64_t before = model->vmos[object].size;
    if (size < before && model_is_pinned(model, object, size, before - size))
        return answer(ZX_ERR_BAD_STATE);
    /* The end of a shared page is zeroed in a copy. */
    return (struct model_answer){ZX_OK, partial && model->vmos[object].relatives, partial};
}

void model_do_vmo_set_size(struct model *model, int32_t vmo, uint64_t size)
{
    const uint64_t from = size;

    vmo_size(&size);
    zero(model, vmo, from, size - from);
    model->vmos[vmo].size = size;
    drop_pages(model, vmo, size / PAGE, UINT64_MAX);
}

static bool is_cache_op(uint32_t op)
{
    return op >= ZX_VMO_OP_CACHE_SYNC && op <= ZX_VMO_OP_CACHE_CLEAN_INVALIDATE;
}

struct model_answer model_vmo_op_range(const struct model *model, int32_t vmo, uint32_t op, uint64_t offset,
                                       uint64_t size, bool buffer)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, 0);
    const bool changes = op == ZX_VMO_OP_COMMIT || op == ZX_VMO_OP_DECOMMIT || op == ZX_VMO_OP_ZERO;

    if (handle != ZX_OK)
        return answer(handle);
    if (!changes && !is_cache_op(op) && op != ZX_VMO_OP_DONT_NEED && op != ZX_VMO_OP_ALWAYS_NEED)
        return answer(ZX_ERR_INVALID_ARGS);
    if (buffer)
        return answer(ZX_ERR_INVALID_ARGS);
    const bool writes = changes || op == ZX_VMO_OP_CACHE_INVALIDATE;
    const zx_rights_t needed = writes ? ZX_RIGHT_WRITE : is_cache_op(op) ? ZX_RIGHT_READ : ZX_RIGHT_NONE;
    if ((needed & ~model_rights(model, vmo)) != 0)
        return answer(ZX_ERR_ACCESS_DENIED);
    if (is_cache_op(op) && size == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    const int32_t object = model_object(model, vmo);
    const uint64_t from = offset;
    const struct model_vmo *shown = &model->vmos[shown_by(model, object, &offset)];
    if (shown->physical && changes)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (op == ZX_VMO_OP_DECOMMIT && shown->contiguous)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (!in_range(&model->vmos[object], from, size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (op == ZX_VMO_OP_DECOMMIT && (offset % PAGE != 0 || size % PAGE != 0))
        return answer(ZX_ERR_INVALID_ARGS);
    if (op == ZX_VMO_OP_DECOMMIT && size > 0 && shown->snapshot)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (op == ZX_VMO_OP_DECOMMIT && model_is_pinned(model, object, from, size))
        return answer(ZX_ERR_BAD_STATE);
    if (op == ZX_VMO_OP_COMMIT)
        return (struct model_answer){ZX_OK, size > 0, pages_in(offset, size)};
    /* A part of a shared page is zeroed in a copy. */
    if (op == ZX_VMO_OP_ZERO && shown->relatives && (offset % PAGE != 0 || size % PAGE != 0))
        return (struct model_answer){ZX_OK, true, 2};
    return answer(ZX_OK);
}

void model_do_vmo_op_range(struct model *model, int32_t vmo, uint32_t op, uint64_t offset, uint64_t size)
{
    if (op == ZX_VMO_OP_DECOMMIT || op == ZX_VMO_OP_ZERO)
        zero(model, vmo, offset, size);
}

/* ---- Children ---- */

#define SNAPSHOTS (ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE)

struct model_answer model_vmo_create_child(const struct model *model, int32_t vmo, uint32_t options,
                                           uint64_t offset, uint64_t size, bool null_result)
{
    const uint32_t kind = options & (SNAPSHOTS | ZX_VMO_CHILD_SLICE);

    if ((options & ZX_VMO_CHILD_NO_WRITE) != 0 && (options & ZX_VMO_CHILD_RESIZABLE) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    const zx_status_t handle =
        model_check_handle(model, vmo, TRACE_TYPE_VMO, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ);
    if (handle != ZX_OK)
        return answer(handle);
    if (kind == 0 || (kind & (kind - 1)) != 0 ||
        (options & ~(kind | ZX_VMO_CHILD_RESIZABLE | ZX_VMO_CHILD_NO_WRITE)) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (kind == ZX_VMO_CHILD_SLICE && (options & ZX_VMO_CHILD_RESIZABLE) != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    const int32_t object = model_object(model, vmo);
    const struct model_vmo *parent = &model->vmos[object];
    const struct model_vmo *shown = model_shown(model, object);
    if (kind != ZX_VMO_CHILD_SLICE && (shown->contiguous || shown->physical))
        return answer(shown->contiguous ? ZX_ERR_INVALID_ARGS : ZX_ERR_NOT_SUPPORTED);
    if (offset % PAGE != 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (!vmo_size(&size) || size > UINT64_MAX - offset)
        return answer(ZX_ERR_OUT_OF_RANGE);
    if (kind == ZX_VMO_CHILD_SLICE && !in_range(parent, offset, size))
        return answer(ZX_ERR_INVALID_ARGS);
    if (kind == ZX_VMO_CHILD_SLICE && parent->resizable)
        return answer(ZX_ERR_NOT_SUPPORTED);
    if (kind != ZX_VMO_CHILD_SLICE && offset < parent->size &&
        model_is_pinned(model, object, offset, size < parent->size - offset ? size : parent->size - offset))
        return answer(ZX_ERR_BAD_STATE);
    /* To a snapshot each page of the machine may have to be given. */
    const uint64_t most = (uint64_t)model->content_max, pages = size / PAGE < most ? size / PAGE : most;
    return (struct model_answer){null_result ? ZX_ERR_INVALID_ARGS : ZX_OK, true,
                                 kind == ZX_VMO_CHILD_SLICE ? 0 : pages / 4};
}

/* The part of the parent, in pages of what it shows, that a snapshot takes over. */
struct part {
    int32_t vmo;
    uint64_t first, end;
};

static struct part part_taken(const struct model *model, int32_t parent, uint64_t offset, uint64_t size)
{
    const uint64_t limit = model->vmos[parent].size;

    if (offset >= limit)
        size = 0;
    else if (size > limit - offset)
        size = limit - offset;
    const int32_t shown = shown_by(model, parent, &offset);
    return (struct part){shown, offset / PAGE, offset / PAGE + size / PAGE};
}

static int32_t count_part(const struct model *model, struct part part)
{
    int32_t count = 0;

    for (int32_t i = model->vmos[part.vmo].first_page; i != MODEL_NONE; i = model->pages[i].next)
        count += model->pages[i].number >= part.first && model->pages[i].number < part.end;
    return count;
}

bool model_has_room_for_child(struct model *model, int32_t vmo, uint32_t options, uint64_t offset,
                              uint64_t size)
{
    if ((options & SNAPSHOTS) == 0)
        return true;
    vmo_size(&size);
    const int32_t wanted = count_part(model, part_taken(model, model_object(model, vmo), offset, size));
    /* So many pages more as there are contents will be had without asking here. */
    const int32_t most = model->page_max - model->content_max - wanted;
    if (model->pages_used - model->device_pages > most)
        model_collect(model);
    return model->pages_used - model->device_pages <= most;
}

static void take_part(struct model *model, int32_t child, struct part part)
{
    for (int32_t i = model->vmos[part.vmo].first_page; i != MODEL_NONE; i = model->pages[i].next) {
        const struct model_page page = model->pages[i];
        if (page.number < part.first || page.number >= part.end)
            continue;
        model->contents[page.content].holders++;
        add_page(model, child, page.number - part.first, page.content);
    }
    model->vmos[part.vmo].relatives = model->vmos[child].relatives = true;
}

int32_t model_do_vmo_create_child(struct model *model, int32_t vmo, uint32_t options, uint64_t offset,
                                  uint64_t size)
{
    const int32_t child = model->vmo_count++, parent = model_object(model, vmo);
    struct model_vmo *const made = &model->vmos[child];

    vmo_size(&size);
    *made = (struct model_vmo){
        .size = size,
        .resizable = (options & ZX_VMO_CHILD_RESIZABLE) != 0,
        .snapshot = (options & SNAPSHOTS) != 0,
        .parent = parent,
        .target = MODEL_NONE,
        .first_page = MODEL_NONE,
    };
    if ((model_rights(model, vmo) & ZX_RIGHT_GET_PROPERTY) != 0)
        memcpy(made->name, model->vmos[parent].name, sizeof made->name);
    if (made->snapshot) {
        take_part(model, child, part_taken(model, parent, offset, size));
    } else {
        made->target = shown_by(model, parent, &offset);
        made->window = offset;
    }
    return child;
}

uint64_t model_contents_of_asked(struct model *model)
{
    uint64_t count = 0;

    for (int32_t i = 0; i < model->content_count; i++)
        model->contents[i].asked = 0;
    for (int32_t vmo = 0; vmo < model->vmo_count; vmo++) {
        if (!model->vmos[vmo].asked)
            continue;
        for (int32_t i = model->vmos[vmo].first_page; i != MODEL_NONE; i = model->pages[i].next) {
            struct model_content *const content = &model->contents[model->pages[i].content];
            count += ++content->asked == content->holders;
        }
    }
    return count;
}

zx_rights_t model_child_rights(zx_rights_t parent, uint32_t options)
{
    zx_rights_t rights = (parent & ~ZX_RIGHT_RESIZE) | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY;

    if ((options & ZX_VMO_CHILD_RESIZABLE) != 0)
        rights |= ZX_RIGHT_RESIZE;
    if ((options & ZX_VMO_CHILD_NO_WRITE) != 0)
        return rights & ~ZX_RIGHT_WRITE;
    if ((options & SNAPSHOTS) != 0)
        return (rights | ZX_RIGHT_WRITE) & ~ZX_RIGHT_EXECUTE;
    return rights;
}

/* ---- Contiguous and physical VMOs, pins ---- */

struct model_answer model_vmo_create_contiguous(uint64_t size, uint8_t align_log2)
{
    if (size == 0 || align_log2 > 63 || (align_log2 != 0 && align_log2 < ZX_PAGE_SHIFT))
        return answer(ZX_ERR_INVALID_ARGS);
    if (!vmo_size(&size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    /* However much memory is left, there may be no such run of pages. */
    return (struct model_answer){ZX_OK, true, UINT32_MAX};
}

int32_t model_do_vmo_create_contiguous(struct model *model, uint64_t size)
{
    const int32_t made = model_do_vmo_create(model, size, 0);

    model->vmos[made].contiguous = true;
    return made;
}

struct model_answer model_vmo_create_physical(uint64_t offset, uint64_t size, uint64_t device_size)
{
    if (size == 0 || offset % PAGE != 0 || size % PAGE != 0 || offset > device_size ||
        size > device_size - offset)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, true, 0};
}

int32_t model_do_vmo_create_physical(struct model *model, uint64_t offset, uint64_t size, uint8_t policy)
{
    if (model->device == MODEL_NONE)
        model->device = model_do_vmo_create(model, TRACE_DEVICE_PAGES * PAGE, 0);
    const int32_t made = model_do_vmo_create(model, size, 0);
    model->vmos[made].physical = true;
    model->vmos[made].window = offset;
    model->vmos[made].cache_policy = policy;
    return made;
}

struct model_answer model_vmo_set_cache_policy(struct model *model, int32_t vmo)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, 0);

    if (handle != ZX_OK)
        return answer(handle);
    const int32_t object = model_object(model, vmo);
    if (!model->vmos[object].contiguous && !model->vmos[object].physical)
        return answer(ZX_ERR_NOT_SUPPORTED);
    model_note_living(model);
    for (int32_t i = 0; i < model->piece_count; i++) {
        if (model->pieces[i].vmo == object)
            return answer(ZX_ERR_BAD_STATE);
    }
    for (int32_t i = 0; i < model->vmo_count; i++) {
        if (model->vmos[i].living && model->vmos[i].target == object)
            return answer(ZX_ERR_BAD_STATE);
    }
    return answer(model_is_pinned(model, object, 0, model->vmos[object].size) ? ZX_ERR_BAD_STATE : ZX_OK);
}

void model_do_vmo_set_cache_policy(struct model *model, int32_t vmo, uint8_t policy)
{
    model->vmos[model_object(model, vmo)].cache_policy = policy;
}

struct model_answer model_vmo_pin(const struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    const zx_status_t handle = model_check_handle(model, vmo, TRACE_TYPE_VMO, 0);

    if (handle != ZX_OK)
        return answer(handle);
    if (offset % PAGE != 0 || size % PAGE != 0 || size == 0)
        return answer(ZX_ERR_INVALID_ARGS);
    if (!in_range(&model->vmos[model_object(model, vmo)], offset, size))
        return answer(ZX_ERR_OUT_OF_RANGE);
    return (struct model_answer){ZX_OK, true, size / PAGE};
}

void model_do_vmo_pin(struct model *model, int32_t vmo, uint64_t offset, uint64_t size)
{
    uint64_t from = offset;
    const int32_t object = model_object(model, vmo), shown = shown_by(model, object, &from);

    model->pins[model->pin_count++] =
        (struct model_pin){object, shown, from / PAGE, (from + size) / PAGE, offset, size};
}

void model_do_vmo_unpin(struct model *model, uint32_t pin)
{
    model->pins[pin] = model->pins[--model->pin_count];
}

/* ---- Accesses ---- */

zx_status_t model_fault_in(const struct model *model, uint8_t space, zx_vaddr_t va, uint8_t perms)
{
    const int32_t i = model_piece_at(model, space, va);

    if (i == MODEL_NONE)
        return ZX_ERR_NOT_FOUND;
    const struct model_piece *piece = &model->pieces[i];
    if ((perms & ~piece->perms) != 0)
        return ZX_ERR_ACCESS_DENIED;
    if (piece->vmo_offset + (va - piece->base) >= model->vmos[piece->vmo].size)
        return ZX_ERR_OUT_OF_RANGE;
    return ZX_OK;
}

zx_status_t model_fault(const struct model *model, uint8_t process, zx_vaddr_t va, uint8_t perms)
{
    return model_fault_in(model, model_space_at(model, process, va), va, perms);
}

zx_status_t model_access(const struct model *model, uint8_t process, zx_vaddr_t va, uint64_t size,
                         uint8_t perms, uint64_t *done)
{
    *done = 0;
    while (*done < size) {
        const zx_status_t status = model_fault(model, process, va + *done, perms);
        if (status != ZX_OK)
            return status;
        *done += step(va + *done, size - *done);
    }
    return ZX_OK;
}

void model_space_read(const struct model *model, uint8_t process, zx_vaddr_t va, void *out, uint64_t size)
{
    uint8_t *to = out;

    for (uint64_t n; size > 0; size -= n, va += n, to += n) {
        const uint8_t space = model_space_at(model, process, va);
        const struct model_piece *piece = &model->pieces[model_piece_at(model, space, va)];
        n = step(va, size);
        model_vmo_read(model, piece->vmo, piece->vmo_offset + (va - piece->base), to, n);
    }
}

void model_do_space_write(struct model *model, uint8_t process, zx_vaddr_t va, const void *in, uint64_t size)
{
    const uint8_t *from = in;

    for (uint64_t n; size > 0; size -= n, va += n, from += n) {
        const uint8_t space = model_space_at(model, process, va);
        const struct model_piece *piece = &model->pieces[model_piece_at(model, space, va)];
        n = step(va, size);
        model_do_vmo_write(model, piece->vmo, piece->vmo_offset + (va - piece->base), from, n);
    }
}

#define MEMORY_SIZE_MAX (64ull << 20)

/* How many of the bytes at va have memory of the machine, whatever the mappings permit; where `write`, memory
   that is no vDSO's. It ends where another space begins. */
static uint64_t bytes_there(const struct model *model, uint8_t process, zx_vaddr_t va, uint64_t size,
                            bool write)
{
    const uint8_t space = model_space_at(model, process, va);
    uint64_t done = 0;

    while (done < size) {
        const int32_t i = model_piece_at(model, space, va + done);
        if (i == MODEL_NONE)
            break;
        const struct model_piece *piece = &model->pieces[i];
        if (piece->vmo_offset + (va + done - piece->base) >= model->vmos[piece->vmo].size ||
            model_shown(model, piece->vmo)->physical ||
            (write && model_shown(model, piece->vmo)->vdso_size != 0))
            break;
        done += step(va + done, size - done);
    }
    return done;
}

struct model_answer model_process_memory(const struct model *model, int32_t handle, bool write, zx_vaddr_t va,
                                         uint64_t size, bool null_buffer, bool null_actual, uint64_t *done)
{
    const zx_rights_t needed = write ? ZX_RIGHT_WRITE : ZX_RIGHT_READ | ZX_RIGHT_WRITE;

    *done = 0;
    if (null_buffer || size == 0 || size > MEMORY_SIZE_MAX)
        return answer(ZX_ERR_INVALID_ARGS);
    const zx_status_t status = model_check_handle(model, handle, TRACE_TYPE_PROCESS, needed);
    if (status != ZX_OK)
        return answer(status);
    const uint8_t process = (uint8_t)model_object(model, handle);
    if (!model->processes[process].alive)
        return answer(ZX_ERR_BAD_STATE);
    *done = bytes_there(model, process, va, size, write);
    if (*done == 0)
        return answer(ZX_ERR_NO_MEMORY);
    if (null_actual)
        return answer(ZX_ERR_INVALID_ARGS);
    return (struct model_answer){ZX_OK, write, write ? pages_in(va, *done) : 0};
}
