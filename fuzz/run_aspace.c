/* SPDX-License-Identifier: MIT */
/*
 * run_aspace.c: operations on the space of a process as the host of the core sees it: harvests, dropped
 * tables, faults by software, what is where, how much memory is in use, the vDSO.
 *
 * Which pages have translations is the core's own affair, but for what an operation has just promised: what
 * was faulted in is there, what was dropped is gone, what was used a moment ago is not taken for unused. That
 * is looked up in the tables at once, and stays out of the digest.
 *
 * Quiet harvests. A space is looked at by two harvests that free tables after its last use; when both came one
 * right behind the other, nothing is left of its translations. So each space has a count of the harvests
 * that are still due.
 *
 * Locking: none; one run at a time. Cost: linear in the model, for each page of a range.
 */
#include <vm/aspace.h>
#include <vm/mem.h>
#include <vm/page_queue.h>
#include <vm/vdso.h>
#include <vm/vmo.h>
#include <zircon/syscalls/object.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE          ((uint64_t)ZX_PAGE_SIZE)
#define RANGE_MAX     (256 * PAGE)
#define USAGE_MAX     2048 /* pages that are counted one by one */
#define QUIET_PASSES  2
#define NAME_SIZE_MAX 64

static struct vm_aspace *aspace_of(const struct run *run, uint8_t process)
{
    return vm_process_aspace(run->processes[process]);
}

/* Whether the tables translate va, and how. */
static bool look_up(struct vm_aspace *aspace, zx_vaddr_t va, struct page_table_entry *entry)
{
    return page_table_query(vm_aspace_page_table(aspace), va & ~(PAGE - 1), entry) == ZX_OK;
}

static bool is_space_of(const struct run *run, uint8_t space, uint8_t process)
{
    const struct model_process *const p = &run->model.processes[process];

    return space == p->spaces[0] || space == p->spaces[1];
}

/* No page at the ends of a mapping of the space, which the process sees, is translated. */
static void check_space_dropped(struct run *run, uint8_t process, uint8_t space, const char *why)
{
    struct page_table_entry entry;

    for (int32_t i = 0; i < run->model.piece_count && !run->broken; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        if (piece->space != space)
            continue;
        if (look_up(aspace_of(run, process), piece->base, &entry) ||
            look_up(aspace_of(run, process), piece->end - 1, &entry))
            run_broken(run, "0x%llx is translated still, after %s", (unsigned long long)entry.va, why);
    }
}

static void check_dropped(struct run *run, uint8_t process, const char *why)
{
    const int32_t *const spaces = run->model.processes[process].spaces;

    for (unsigned i = 0; i < 2; i++) {
        if (spaces[i] != MODEL_NONE)
            check_space_dropped(run, process, (uint8_t)spaces[i], why);
    }
}

/* ---- Harvests ---- */

/* Processors differ in whether an access that was refused is a use of the space; harvests may not. */
void run_note_use(struct run *run, uint8_t process)
{
    const int32_t *const spaces = run->model.processes[process].spaces;

    vm_aspace_note_active(aspace_of(run, process));
    for (unsigned i = 0; i < 2; i++) {
        if (spaces[i] != MODEL_NONE)
            run->passes_due[spaces[i]] = QUIET_PASSES;
    }
}

/* What is left of the use of a page a moment ago. */
static void check_touched(struct run *run, uint8_t process, zx_vaddr_t va)
{
    const bool notes = (run->op.options & TRACE_HARVEST_NOTES) != 0;
    struct page_table_entry entry;

    if (!look_up(aspace_of(run, process), va, &entry)) {
        run_broken(run, "the page at 0x%llx was in use, and has no translation any more",
                   (unsigned long long)va);
        return;
    }
    if (entry.accessed == notes)
        run_broken(run, "expected the accessed flag to be %s", notes ? "taken back" : "left alone");
    const struct vm_page *const page = pmm_page_at(entry.paddr);
    if (page != NULL && page->state == VM_PAGE_OBJECT && vm_page_age(page) != 0)
        run_broken(run, "a page that was in use is of age %u", vm_page_age(page));
}

/* A process alive that sees the space; MODEL_NONE. */
static int32_t seen_by(const struct run *run, uint8_t space)
{
    for (uint8_t i = 0; i < TRACE_PROCESSES; i++) {
        if (run->processes[i] != NULL && run->model.processes[i].alive && is_space_of(run, space, i))
            return i;
    }
    return MODEL_NONE;
}

/* This harvest has freed what was not used. */
static void check_quiet(struct run *run)
{
    const bool quiet = run->quiet_harvests == run->index && run->index > 0;

    for (uint8_t space = 0; space < MODEL_SPACE_KERNEL && !run->broken; space++) {
        const int32_t process = seen_by(run, space);
        if (process == MODEL_NONE || model_is_space_high(&run->model, space))
            run->passes_due[space] = 0;
        if (run->passes_due[space] > 0 && --run->passes_due[space] == 0 && quiet)
            check_space_dropped(run, (uint8_t)process, space, "two harvests without a use");
    }
    run->quiet_harvests = run->index + 1;
}

void run_harvest(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    const uint16_t options = run->op.options;
    struct model_answer want = {model_fault(&run->model, process, va, MODEL_READ), true, 4};
    size_t done = 0;
    bool touched = false;

    run_argument(run, options);
    run_argument(run, va);
    if ((options & TRACE_HARVEST_TOUCH) != 0) {
        want.memory = want.status == ZX_OK;
        touched = run_agree(
            run, trace_host_access(aspace_of(run, process), va, run->buffer, 1, TRACE_ACCESS_READ, &done),
            want);
        run_note_use(run, process);
    }
    vm_aspace_harvest_all_user_accessed_bits(
        (options & TRACE_HARVEST_FREE) != 0 ? VM_NON_TERMINAL_FREE_UNACCESSED : VM_NON_TERMINAL_RETAIN,
        (options & TRACE_HARVEST_NOTES) != 0 ? VM_TERMINAL_UPDATE_AGE_AND_HARVEST : VM_TERMINAL_UPDATE_AGE);
    run->record.status = ZX_OK;
    run_result(run, touched);
    if (touched && !run->broken && !model_is_high_priority(&run->model, process))
        check_touched(run, process, va);
    if ((options & TRACE_HARVEST_FREE) != 0)
        check_quiet(run);
    if (touched && !run->broken) {
        model_space_read(&run->model, process, va, run->expected, 1);
        if (run->buffer[0] != run->expected[0])
            run_broken(run, "expected byte 0x%02x, got 0x%02x", run->expected[0], run->buffer[0]);
        run_data(run, run->buffer, 1);
    }
}

void run_drop_page_tables(struct run *run)
{
    const uint8_t process = run_resolve_process(run);

    vm_aspace_drop_user_page_tables(aspace_of(run, process));
    run->record.status = ZX_OK;
    check_dropped(run, process, "its tables were dropped");
}

void run_drop_all_page_tables(struct run *run)
{
    vm_aspace_drop_all_user_page_tables();
    run->record.status = ZX_OK;
    for (uint8_t i = 0; i < TRACE_PROCESSES; i++) {
        if (run->processes[i] != NULL && run->model.processes[i].alive)
            check_dropped(run, i, "all tables were dropped");
    }
}

/* ---- Faults by software ---- */

static uint8_t perms_of_flags(uint32_t flags)
{
    const uint8_t perms = (uint8_t)(((flags & VM_PF_FLAG_WRITE) != 0 ? MODEL_WRITE : 0) |
                                    ((flags & VM_PF_FLAG_INSTRUCTION) != 0 ? MODEL_EXECUTE : 0));

    return perms == 0 ? MODEL_READ : perms;
}

static void check_entered(struct run *run, uint8_t process, zx_vaddr_t first, zx_vaddr_t end, uint8_t perms)
{
    struct page_table_entry entry;

    for (zx_vaddr_t at = first; at < end && !run->broken; at += PAGE) {
        if (!look_up(aspace_of(run, process), at, &entry))
            run_broken(run, "0x%llx was not entered", (unsigned long long)at);
        else if ((perms & ~entry.flags) != 0)
            run_broken(run, "0x%llx was entered with 0x%x, expected 0x%x", (unsigned long long)at,
                       entry.flags, perms);
    }
}

void run_soft_fault_in_range(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const uint32_t flags = run->op.options;
    const zx_vaddr_t va = run_address(run, 0, &s), first = va & ~(PAGE - 1);
    uint64_t len = run_size(run, 1, &s, va), pages = 0;
    const uint8_t perms = perms_of_flags(flags);
    struct model_answer want = {ZX_OK, true, 0};

    if (len > RANGE_MAX && va + len >= va)
        len = RANGE_MAX;
    run_argument(run, flags);
    run_argument(run, va);
    run_argument(run, len);
    if (len == 0)
        want = (struct model_answer){ZX_ERR_INVALID_ARGS, false, 0};
    else if (va + len < va)
        want = (struct model_answer){ZX_ERR_OUT_OF_RANGE, false, 0};
    for (; want.status == ZX_OK && first + pages * PAGE <= va + (len - 1); pages++) {
        want.status = model_fault(&run->model, process, first + pages * PAGE, perms);
        if (want.status != ZX_OK)
            break;
    }
    /* Each page may take one, and tables. */
    want.pages = 2 * pages + 4;
    want.memory = pages > 0;
    const zx_status_t status = vm_aspace_soft_fault_in_range(aspace_of(run, process), va, flags, len);
    run_agree(run, status, want);
    run_result(run, pages);
    if (status != ZX_ERR_NO_MEMORY)
        check_entered(run, process, first, first + pages * PAGE, perms);
}

/* There is a translation where the page may be read, for it is faulted in first; else there is none. */
void run_accessed_fault(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    struct vm_aspace *const aspace = aspace_of(run, process);
    struct model_answer want = {model_fault(&run->model, process, va, MODEL_READ), true, 4};
    struct page_table_entry before, after;

    run_argument(run, va);
    want.memory = want.status == ZX_OK;
    const zx_status_t status = vm_aspace_soft_fault(aspace, va, VM_PF_FLAG_USER);
    if (!run_agree(run, status, want)) {
        if (status != ZX_ERR_NO_MEMORY && vm_aspace_accessed_fault(aspace, va) != ZX_ERR_NOT_FOUND)
            run_broken(run, "0x%llx, which is not mapped, can be accessed", (unsigned long long)va);
        return;
    }
    const bool there = look_up(aspace, va, &before);
    if (!there || vm_aspace_accessed_fault(aspace, va) != ZX_OK || !look_up(aspace, va, &after)) {
        run_broken(run, "0x%llx has no translation right after a fault", (unsigned long long)va);
        return;
    }
    if (!after.accessed)
        run_broken(run, "the accessed flag is not set");
    if (after.dirty != before.dirty || after.flags != before.flags || after.paddr != before.paddr ||
        after.size != before.size)
        run_broken(run, "more than the accessed flag has changed");
}

/* ---- What there is ---- */

/* A name of so many letters; null: no name at all. */
void run_rename(struct run *run)
{
    static const char nobody[] = "unnamed";
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const uint64_t wanted = run_size(run, 1, &s, 0), size = wanted < NAME_SIZE_MAX ? wanted : NAME_SIZE_MAX;
    char name[NAME_SIZE_MAX + 1] = {0}, got[ZX_MAX_NAME_LEN], want[ZX_MAX_NAME_LEN] = {0};
    const bool null_name = run->op.to >= TRACE_SLOTS;

    run_argument(run, size);
    for (uint64_t i = 0; i < size; i++)
        name[i] = (char)('a' + (run->op.align + i) % 26);
    const char *const given = null_name ? nobody : name;
    for (unsigned i = 0; i < ZX_MAX_NAME_LEN - 1 && given[i] != '\0'; i++)
        want[i] = given[i];
    vm_aspace_rename(aspace_of(run, process), null_name ? NULL : name);
    vm_aspace_name(aspace_of(run, process), got);
    run->record.status = ZX_OK;
    if (memcmp(want, got, sizeof want) != 0)
        run_broken(run, "expected the name \"%s\", got \"%.31s\"", want, got);
    run_data(run, got, sizeof got);
}

static unsigned depth_of(const struct run *run, int32_t vmar)
{
    unsigned depth = 0;

    while ((vmar = run->model.vmars[vmar].parent) != MODEL_NONE)
        depth++;
    return depth;
}

/* The deepest VMAR of the space that holds va; a child stands behind its parent. */
static int32_t vmar_at(const struct run *run, uint8_t space, zx_vaddr_t va)
{
    int32_t found = MODEL_NONE;

    for (int32_t i = 0; i < run->model.vmar_count; i++) {
        const struct model_vmar *v = &run->model.vmars[i];
        if (v->alive && v->space == space && va >= v->base && va - v->base < v->size)
            found = i;
    }
    return found;
}

static void expect(struct run *run, const char *what, uint64_t want, uint64_t got)
{
    if (want != got)
        run_broken(run, "%s: expected 0x%llx, got 0x%llx", what, (unsigned long long)want,
                   (unsigned long long)got);
}

static void check_found_mapping(struct run *run, const struct model_piece *piece, zx_vaddr_t va,
                                const struct vm_region_info *info)
{
    const uint64_t offset = piece->vmo_offset + (va - piece->base);

    if (va < info->base || va - info->base >= info->size)
        run_broken(run, "the region does not hold the address");
    expect(run, "depth", depth_of(run, piece->vmar) + 1, info->depth);
    expect(run, "VMO offset", offset, info->vmo_offset + (va - info->base));
    expect(run, "permissions", piece->perms, info->perms);
    expect(run, "permissions that protect may give", piece->may, info->can_map >> 7 & 7);
    if (run->model.vmos[piece->vmo].koid != 0)
        expect(run, "koid", run->model.vmos[piece->vmo].koid, info->koid);
    run_result(run, true);
    run_result(run, info->depth);
    run_result(run, offset);
    run_result(run, info->perms);
}

void run_find_region(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    const uint8_t space = model_space_at(&run->model, process, va);
    const int32_t piece = model_piece_at(&run->model, space, va), vmar = vmar_at(run, space, va);
    struct vm_vmar *held = NULL;
    struct vm_region_info info;

    run_argument(run, va);
    const bool found = vm_aspace_find_region(aspace_of(run, process), va, &info, &held);
    if (found)
        vm_vmar_release(held);
    if (!run_agree(run, found ? ZX_OK : ZX_ERR_NOT_FOUND,
                   (struct model_answer){vmar != MODEL_NONE ? ZX_OK : ZX_ERR_NOT_FOUND, false, 0}))
        return;
    expect(run, "a mapping", piece != MODEL_NONE, info.is_mapping);
    if (piece != MODEL_NONE) {
        check_found_mapping(run, &run->model.pieces[piece], va, &info);
        return;
    }
    expect(run, "base", run->model.vmars[vmar].base, info.base);
    expect(run, "size", run->model.vmars[vmar].size, info.size);
    expect(run, "depth", depth_of(run, vmar), info.depth);
    run_result(run, false);
    run_result(run, info.depth);
    run_result(run, info.base);
    run_result(run, info.size);
}

/* The lock of the space is held while it looks: words come later. */
struct visit {
    const struct run *run;
    uint8_t process;
    zx_vaddr_t last;
    uint64_t vmars, bytes;
    zx_vaddr_t wrong_at;
    const char *wrong;
};

static const char *visit_wrong(const struct visit *visit, const struct vm_region_info *info)
{
    const struct model *const model = &visit->run->model;

    if (info->base < visit->last)
        return "is told after what lies behind it";
    if (info->is_mapping)
        return model_piece_at(model, model_space_at(model, visit->process, info->base), info->base) ==
                       MODEL_NONE
                   ? "is no mapping"
                   : NULL;
    for (int32_t i = 0; i < model->vmar_count; i++) {
        const struct model_vmar *v = &model->vmars[i];
        if (v->alive && is_space_of(visit->run, v->space, visit->process) && v->base == info->base &&
            v->size == info->size && depth_of(visit->run, i) == info->depth)
            return NULL;
    }
    return "is no VMAR";
}

static bool visit_region(void *context, const struct vm_region_info *info)
{
    struct visit *const visit = context;

    visit->wrong = visit_wrong(visit, info);
    visit->wrong_at = visit->last = info->base;
    if (info->is_mapping)
        visit->bytes += info->size;
    else
        visit->vmars++;
    return visit->wrong == NULL;
}

static uint64_t mapped_bytes(const struct run *run, uint8_t process)
{
    uint64_t bytes = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        bytes += is_space_of(run, piece->space, process) ? piece->end - piece->base : 0;
    }
    return bytes;
}

void run_enumerate(struct run *run)
{
    struct visit visit = {.run = run};
    uint64_t vmars = 0;

    visit.process = run_resolve_process(run);
    for (int32_t i = 0; i < run->model.vmar_count; i++)
        vmars += run->model.vmars[i].alive && is_space_of(run, run->model.vmars[i].space, visit.process);
    const zx_status_t status = vm_aspace_enumerate(aspace_of(run, visit.process), visit_region, &visit);
    if (!run_agree(run, status, (struct model_answer){ZX_OK, false, 0}))
        return;
    if (visit.wrong != NULL) {
        run_broken(run, "what is told of 0x%llx %s", (unsigned long long)visit.wrong_at, visit.wrong);
        return;
    }
    expect(run, "VMARs", vmars, visit.vmars);
    expect(run, "mapped bytes", mapped_bytes(run, visit.process), visit.bytes);
    run_result(run, visit.vmars);
    run_result(run, visit.bytes);
}

/* ---- How much memory ---- */

/* The VMO as the core has it; null where nobody has a handle to it. Not referenced: a handle keeps it. */
static struct vm_vmo *vmo_of(struct run *run, int32_t object)
{
    struct vm_vmo *vmo = NULL;

    for (int32_t i = 0; i < run->model.handle_count && vmo == NULL; i++) {
        const struct model_handle *h = &run->model.handles[i];
        if (!h->open || h->type != TRACE_TYPE_VMO || h->object != object)
            continue;
        trace_host_set_process(run->processes[h->process]);
        if (vm_vmo_from_handle(h->value, &vmo) == ZX_OK)
            vm_vmo_release(vmo);
    }
    trace_host_set_process(run->processes[run->current]);
    return vmo;
}

/* How many bytes of its VMO the piece shows: what lies past the end of it, be it a slice, shows nothing. */
static uint64_t bytes_shown(const struct run *run, const struct model_piece *piece)
{
    const uint64_t size = run->model.vmos[piece->vmo].size;
    const uint64_t limit = size > piece->vmo_offset ? size - piece->vmo_offset : 0;

    return piece->end - piece->base < limit ? piece->end - piece->base : limit;
}

/* The spaces that map the page at that offset of a VMO that is no slice. */
static uint64_t spaces_that_show(const struct run *run, int32_t shown, uint64_t offset)
{
    uint64_t spaces = 0, count = 0;

    for (int32_t i = 0; i < run->model.piece_count; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        uint64_t from = piece->vmo_offset;
        if (model_shown_at(&run->model, piece->vmo, &from) == shown && offset >= from &&
            offset - from < bytes_shown(run, piece))
            spaces |= 1ull << piece->space;
    }
    for (; spaces != 0; spaces &= spaces - 1)
        count++;
    return count;
}

/* Adds what the piece shows; false where that cannot be counted. */
static bool add_piece(struct run *run, const struct model_piece *piece, uint64_t *budget,
                      struct vm_aspace_usage *usage)
{
    const uint64_t bytes = bytes_shown(run, piece);

    if (model_shown(&run->model, piece->vmo)->physical || bytes == 0)
        return true;
    struct vm_vmo *const core = vmo_of(run, piece->vmo);
    if (core == NULL || bytes / PAGE > *budget)
        return false;
    *budget -= bytes / PAGE;
    for (uint64_t offset = piece->vmo_offset; offset < piece->vmo_offset + bytes; offset += PAGE) {
        uint64_t at = offset;
        zx_paddr_t unused;
        if (vm_vmo_lookup(core, offset, &unused) != ZX_OK)
            continue;
        const int32_t shown = model_shown_at(&run->model, piece->vmo, &at);
        const uint64_t spaces = spaces_that_show(run, shown, at);
        usage->private_pages += spaces == 1;
        usage->shared_pages += spaces > 1;
        usage->scaled_shared_bytes += spaces > 1 ? PAGE / spaces : 0;
    }
    return true;
}

void run_memory_usage(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    struct vm_aspace_usage got = {0}, want = {0};
    uint64_t budget = USAGE_MAX;
    bool counted = true;

    const zx_status_t status = vm_aspace_get_memory_usage(aspace_of(run, process), &got);
    if (!run_agree(run, status, (struct model_answer){ZX_OK, false, 0}))
        return;
    expect(run, "mapped pages", mapped_bytes(run, process) / PAGE, got.mapped_pages);
    run_result(run, got.mapped_pages);
    if (got.private_pages + got.shared_pages > got.mapped_pages)
        run_broken(run, "more pages have memory than are mapped");
    for (int32_t i = 0; i < run->model.piece_count && counted; i++) {
        const struct model_piece *piece = &run->model.pieces[i];
        if (is_space_of(run, piece->space, process))
            counted = add_piece(run, piece, &budget, &want);
    }
    if (!counted)
        return;
    expect(run, "private pages", want.private_pages, got.private_pages);
    expect(run, "shared pages", want.shared_pages, got.shared_pages);
    expect(run, "scaled shared bytes", want.scaled_shared_bytes, got.scaled_shared_bytes);
}

/* ---- The vDSO ---- */

void run_declare_vdso(struct run *run)
{
    const struct run_target target = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, target);
    const uint64_t offset = run_vmo_offset(run, 0, &s), size = run_vmo_size(run, 1, &s, offset);
    struct vm_vmo *vmo;

    run_argument(run, offset);
    run_argument(run, size);
    const struct model_answer want = model_declare_vdso(&run->model, target.handle, offset, size);
    zx_status_t status = vm_vmo_from_handle(target.value, &vmo);
    if (status == ZX_OK) {
        status = vm_vmo_declare_vdso(vmo, offset, size);
        vm_vmo_release(vmo);
    }
    if (run_agree(run, status, want))
        model_do_declare_vdso(&run->model, target.handle, offset, size);
}

/* The code's mapping in one of the process's spaces, of the lower one first. */
static const struct model_piece *code_of(const struct run *run, uint8_t process)
{
    const int32_t *const spaces = run->model.processes[process].spaces;

    for (unsigned i = 0; i < 2; i++) {
        for (int32_t j = 0; j < run->model.piece_count; j++) {
            const struct model_piece *piece = &run->model.pieces[j];
            if (piece->vdso_code && piece->space == spaces[i])
                return piece;
        }
    }
    return NULL;
}

void run_vdso_address(struct run *run)
{
    const uint8_t process = run_resolve_process(run);
    const struct run_surroundings s = run_around_process(run, process);
    const zx_vaddr_t va = run_address(run, 0, &s);
    const uint64_t len = run_size(run, 1, &s, va);
    struct vm_aspace *const aspace = aspace_of(run, process);
    const struct model_piece *const code = code_of(run, process);
    bool touches = false;

    run_argument(run, va);
    run_argument(run, len);
    run->record.status = ZX_OK;
    for (unsigned i = 0; i < 2 && len > 0 && va + len > va; i++) {
        const int32_t space = run->model.processes[process].spaces[i];
        touches =
            touches || (space != MODEL_NONE && model_touches_vdso(&run->model, (uint8_t)space, va, va + len));
    }
    const zx_vaddr_t at = vm_aspace_vdso_code_address(aspace), base = vm_aspace_vdso_base_address(aspace);
    expect(run, "the address of the vDSO's code", code == NULL ? 0 : code->base, at);
    if (code != NULL) {
        uint64_t offset = code->vmo_offset;
        model_shown_at(&run->model, code->vmo, &offset);
        expect(run, "the address of the vDSO", code->base >= offset ? code->base - offset : 0, base);
    }
    if (len == 0 || va + len > va)
        expect(run, "whether the vDSO's code is touched", touches,
               vm_aspace_intersects_vdso_code(aspace, va, len));
    run_result(run, at);
    run_result(run, base);
    run_result(run, touches);
}
