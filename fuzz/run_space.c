/* SPDX-License-Identifier: MIT */
/*
 * run_space.c: operations on the spaces that are no process's: the kernel's and those of guests. Memory is
 * allocated and freed by address there, and VMOs of processes are mapped.
 *
 * Accesses. Not every host has a processor that can work in such a space: the kernel that replays a trace runs
 * in a space of its own, and has no guests. So accesses are made by hand, where the host cannot: look the page
 * up in the tables, have it faulted in by software where they do not allow what is wanted, go on. Where the host
 * can, the same bytes are read by hand afterwards. Both must come to the same end.
 *
 * Locking: none; one run at a time. Cost: linear in the model, and in the pages that are looked at.
 */
#include <vm/aspace.h>
#include <vm/mem.h>
#include <vm/vmo.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)
/* Faults at one page that are resolved and change nothing. */
#define PATIENCE 3
/* Pages whose place is looked at. */
#define LOOKED_AT 1024

static struct vm_aspace *aspace_of(const struct run *run, uint8_t space)
{
    return space == TRACE_SPACE_KERNEL ? vm_aspace_kernel() : run->guests[space - 1];
}

/* ---- Accesses by hand ---- */

static uint8_t perms_of(uint32_t kind)
{
    return kind == TRACE_ACCESS_WRITE     ? MODEL_WRITE
           : kind == TRACE_ACCESS_EXECUTE ? MODEL_EXECUTE
                                          : MODEL_READ;
}

/* Where the byte at va lies, if the tables allow the access; else null. */
static uint8_t *reach(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t kind)
{
    const zx_vaddr_t page = va & ~(PAGE - 1);
    struct page_table_entry entry;

    if (va - vm_aspace_base(aspace) >= vm_aspace_size(aspace) ||
        page_table_query(vm_aspace_page_table(aspace), page, &entry) != ZX_OK ||
        (perms_of(kind) & ~entry.flags) != 0)
        return NULL;
    return (uint8_t *)trace_host_physical(entry.paddr + (page - entry.va)) + (va - page);
}

static zx_status_t access_by_hand(struct vm_aspace *aspace, uint8_t space, zx_vaddr_t va, uint8_t *buffer,
                                  size_t size, uint32_t kind, size_t *done)
{
    const uint32_t flags = (space == TRACE_SPACE_KERNEL ? 0 : VM_PF_FLAG_GUEST) |
                           (kind == TRACE_ACCESS_WRITE ? VM_PF_FLAG_WRITE : 0) |
                           (kind == TRACE_ACCESS_EXECUTE ? VM_PF_FLAG_INSTRUCTION : 0);
    unsigned tries = 0;

    *done = 0;
    while (*done < size) {
        const zx_vaddr_t at = va + *done;
        const size_t rest = PAGE - at % PAGE, step = rest < size - *done ? rest : size - *done;
        uint8_t *const bytes = reach(aspace, at, kind);
        if (bytes == NULL) {
            const zx_status_t status = vm_aspace_soft_fault(aspace, at, flags);
            if (status != ZX_OK || ++tries > PATIENCE)
                return status != ZX_OK ? status : ZX_ERR_INTERNAL;
            continue;
        }
        if (kind == TRACE_ACCESS_WRITE)
            memcpy(bytes, buffer + *done, step);
        if (kind == TRACE_ACCESS_READ)
            memcpy(buffer + *done, bytes, step);
        *done += step;
        tries = 0;
    }
    return ZX_OK;
}

/* The bytes that an access has just read or written, found by hand. */
static void check_by_hand(struct run *run, struct vm_aspace *aspace, zx_vaddr_t va, uint64_t size,
                          uint32_t kind)
{
    for (uint64_t n; size > 0 && !run->broken; size -= n, va += n) {
        const uint64_t rest = PAGE - va % PAGE;
        const uint8_t *const bytes = reach(aspace, va, kind);
        n = rest < size ? rest : size;
        if (bytes == NULL) {
            run_broken(run, "0x%llx was accessed, and is not translated", (unsigned long long)va);
            return;
        }
        if (kind == TRACE_ACCESS_EXECUTE)
            continue;
        memcpy(run->buffer, bytes, n);
        run_compare(run, va, n);
        memmove(run->expected, run->expected + n, size - n);
    }
}

static void judge_access(struct run *run, uint8_t space, zx_vaddr_t va, uint64_t size, uint32_t kind,
                         zx_status_t status, uint64_t done)
{
    uint64_t want_done;
    const zx_status_t want = model_space_access(&run->model, space, va, size, perms_of(kind), &want_done);
    const bool short_of_memory = status == ZX_ERR_NO_MEMORY && done <= want_done && done < size;

    run_agree(run, status, (struct model_answer){want, want_done > 0, 8});
    if (!run->broken && done != want_done && !short_of_memory)
        run_broken(run, "expected %llu bytes to be accessed, got %llu", (unsigned long long)want_done,
                   (unsigned long long)done);
    if (run->broken || model_touches_aside(&run->model, space, va, size))
        return;
    if (kind == TRACE_ACCESS_WRITE)
        model_do_space_bytes(&run->model, space, va, run->buffer, done);
    if (kind != TRACE_ACCESS_EXECUTE)
        model_space_bytes(&run->model, space, va, run->expected, done);
    if (kind == TRACE_ACCESS_READ && done > 0) {
        run_compare(run, va, done);
        run_data(run, run->buffer, done);
    }
    check_by_hand(run, aspace_of(run, space), va, done, kind);
}

/* What virtual_alloc has given out is only read: what is there nobody knows. */
void run_space_access(struct run *run)
{
    const uint8_t space = run_resolve_space(run);
    const struct run_surroundings s = run_around_space(run, space);
    const zx_vaddr_t va = run_address(run, 0, &s);
    uint32_t kind = run->op.code == TRACE_SPACE_WRITE     ? TRACE_ACCESS_WRITE
                    : run->op.code == TRACE_SPACE_EXECUTE ? TRACE_ACCESS_EXECUTE
                                                          : TRACE_ACCESS_READ;
    uint64_t size = 1;
    size_t done = 0;
    zx_status_t status;

    run_argument(run, va);
    if (kind != TRACE_ACCESS_EXECUTE) {
        size = run_size(run, 1, &s, va);
        size = size == 0 ? 1 : size > RUN_ACCESS_MAX ? RUN_ACCESS_MAX : size;
        run_argument(run, size);
    }
    if (kind == TRACE_ACCESS_WRITE && model_touches_aside(&run->model, space, va, size))
        kind = TRACE_ACCESS_READ;
    if (kind == TRACE_ACCESS_WRITE)
        run_fill(run->buffer, size, run->op.b);
    if (!trace_host_space_access(aspace_of(run, space), va, run->buffer, size, kind, &done, &status))
        status = access_by_hand(aspace_of(run, space), space, va, run->buffer, size, kind, &done);
    judge_access(run, space, va, size, kind, status, done);
    run_result(run, done);
}

/* ---- Guests ---- */

/* The space that is named, or the next one that there is not; TRACE_SPACE_KERNEL where there are all. */
static uint8_t free_guest(const struct run *run)
{
    for (uint8_t i = 0; i < TRACE_SPACES; i++) {
        const uint8_t at = (run->op.a + i) % TRACE_SPACES;
        if (!model_has_space(&run->model, at))
            return at;
    }
    return TRACE_SPACE_KERNEL;
}

void run_guest_create(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint8_t space = free_guest(run);
    const uint64_t base = run_size(run, 0, &s, 0);
    /* Where there is no room for one more, the call is made one that is refused. */
    const uint64_t size = space == TRACE_SPACE_KERNEL ? 1 : run_size(run, 1, &s, 0);

    run_argument(run, space);
    run_argument(run, base);
    run_argument(run, size);
    const struct model_answer want = model_guest_create(base, size);
    struct vm_aspace *const made = size == 0 ? vm_aspace_create(VM_ASPACE_GUEST_PHYSICAL, "guest")
                                             : vm_aspace_create_range(base, size, VM_ASPACE_GUEST_PHYSICAL,
                                                                      "guest", VM_ASPACE_SHARE_NONE);
    /* Null has no reasons. */
    const zx_status_t status = made != NULL ? ZX_OK : want.status == ZX_OK ? ZX_ERR_NO_MEMORY : want.status;
    if (!run_agree(run, status, want))
        return;
    model_do_guest_create(&run->model, space, base, size);
    run->guests[space - 1] = made;
}

static void destroy_guest(struct run *run, uint8_t space)
{
    struct vm_aspace *const guest = run->guests[space - 1];

    vm_aspace_destroy(guest);
    vm_aspace_destroy(guest); /* harmless */
    if (!vm_aspace_is_destroyed(guest) ||
        vm_aspace_soft_fault(guest, 0, VM_PF_FLAG_GUEST) != ZX_ERR_NOT_FOUND)
        run_broken(run, "a guest's space was destroyed, and is still there");
    vm_aspace_release(guest);
    run->guests[space - 1] = NULL;
    model_do_guest_destroy(&run->model, space);
}

/* The kernel's stays. */
void run_guest_destroy(struct run *run)
{
    const uint8_t space = run_resolve_space(run);

    run->record.status = ZX_OK;
    if (space != TRACE_SPACE_KERNEL)
        destroy_guest(run, space);
}

/* ---- Allocating and freeing ---- */

static struct model_alloc resolve_alloc(struct run *run)
{
    const uint8_t space = run_resolve_space(run);
    const struct run_surroundings s = run_around_space(run, space);
    struct model_alloc alloc = {.space = space, .options = run->op.options, .align_log2 = run->op.align};

    if ((alloc.options & TRACE_ALLOC_SPECIFIC) != 0) {
        alloc.at = run_address(run, 0, &s);
        alloc.null_at = run->op.to >= TRACE_SLOTS;
    }
    run_argument(run, alloc.options | (uint32_t)alloc.align_log2 << ZX_VM_ALIGN_BASE);
    run_argument(run, alloc.at);
    alloc.size = run_size(run, 1, &s, alloc.at);
    return alloc;
}

/* What reaches past the end of the device's memory ends there. */
static void resolve_device(struct run *run, struct model_alloc *alloc)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});

    if (run->device.size == 0)
        run->device = trace_host_device();
    alloc->offset = run_vmo_offset(run, 2, &s) % run->device.size;
    if (alloc->size > run->device.size - alloc->offset && alloc->size < 1ull << 51)
        alloc->size = (run->device.size - alloc->offset) & ~(PAGE - 1);
    run_argument(run, alloc->size);
    run_argument(run, alloc->offset);
}

static zx_status_t map_object(struct run *run, struct model_alloc *alloc, struct run_target target, void **at,
                              uint32_t flags, uint32_t mmu_flags)
{
    struct vm_vmo *vmo;
    zx_status_t status = vm_vmo_from_handle(target.value, &vmo);

    if (status != ZX_OK)
        return status;
    status = vm_aspace_map_object(aspace_of(run, alloc->space), vmo, alloc->offset, alloc->size, at,
                                  alloc->align_log2, flags, mmu_flags);
    vm_vmo_release(vmo);
    return status;
}

static zx_status_t call(struct run *run, struct model_alloc *alloc, struct run_target target, void **at)
{
    struct vm_aspace *const aspace = aspace_of(run, alloc->space);
    const uint32_t flags = ((alloc->options & TRACE_ALLOC_SPECIFIC) != 0 ? VMM_FLAG_VALLOC_SPECIFIC : 0) |
                           ((alloc->options & TRACE_ALLOC_COMMIT) != 0 ? VMM_FLAG_COMMIT : 0);
    const uint32_t mmu_flags = alloc->options >> TRACE_ALLOC_PERMS_SHIFT & ARCH_MMU_PERMS;
    const uint32_t cache = alloc->options >> TRACE_ALLOC_CACHE_SHIFT << ARCH_MMU_CACHE_SHIFT;

    switch (run->op.code) {
    case TRACE_SPACE_ALLOC:
        return vm_aspace_alloc(aspace, "traced", alloc->size, at, alloc->align_log2, flags, mmu_flags);
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
        return vm_aspace_alloc_contiguous(aspace, "traced", alloc->size, at, alloc->align_log2, flags,
                                          mmu_flags);
    case TRACE_SPACE_ALLOC_PHYSICAL:
        return vm_aspace_alloc_physical(aspace, NULL, alloc->size, at, alloc->align_log2,
                                        run->device.base + alloc->offset, flags, mmu_flags | cache);
    default:
        return map_object(run, alloc, target, at, flags, mmu_flags);
    }
}

/* What was to be entered at once is, where it has to lie. */
static void check_made(struct run *run, const struct model_alloc *alloc, zx_vaddr_t base, uint64_t len)
{
    struct page_table *const table = vm_aspace_page_table(aspace_of(run, alloc->space));
    const uint8_t code = run->op.code;
    const bool one_run = code == TRACE_SPACE_ALLOC_CONTIGUOUS || code == TRACE_SPACE_ALLOC_PHYSICAL;
    const bool entered = (alloc->options & TRACE_ALLOC_COMMIT) != 0 || code == TRACE_SPACE_ALLOC_PHYSICAL;
    struct page_table_entry entry;
    zx_paddr_t first = run->device.base + alloc->offset;

    /* What may not be read has no translation. */
    if (!entered || (alloc->options & TRACE_ALLOC_READ) == 0)
        return;
    for (uint64_t i = 0; i < len / PAGE && i < LOOKED_AT && !run->broken; i++) {
        if (page_table_query(table, base + i * PAGE, &entry) != ZX_OK) {
            run_broken(run, "0x%llx was not entered at once", (unsigned long long)(base + i * PAGE));
            return;
        }
        const zx_paddr_t at = entry.paddr + (base + i * PAGE - entry.va);
        if (i == 0 && code == TRACE_SPACE_ALLOC_CONTIGUOUS)
            first = at;
        if (one_run && at != first + i * PAGE)
            run_broken(run, "page %llu does not lie in one run", (unsigned long long)i);
    }
    if (code == TRACE_SPACE_ALLOC_CONTIGUOUS && alloc->align_log2 > ZX_PAGE_SHIFT &&
        first % (1ull << alloc->align_log2) != 0)
        run_broken(run, "the memory at 0x%llx is not aligned", (unsigned long long)first);
}

void run_space_alloc(struct run *run)
{
    struct model_alloc alloc = resolve_alloc(run);
    struct run_target target = {ZX_HANDLE_INVALID, MODEL_NONE};

    if (run->op.code == TRACE_SPACE_ALLOC_PHYSICAL) {
        resolve_device(run, &alloc);
    } else if (run->op.code == TRACE_SPACE_MAP_OBJECT) {
        target = run_resolve(run, TRACE_TYPE_VMO, run->op.b);
        const struct run_surroundings s = run_around_vmo(run, target);
        alloc.offset = run_vmo_offset(run, 2, &s);
        alloc.vmo = target.handle;
        run_argument(run, alloc.offset);
        run_argument(run, alloc.size);
    } else {
        run_argument(run, alloc.size);
    }
    void *at = (void *)(uintptr_t)alloc.at;
    const struct model_answer want = model_space_alloc(&run->model, run->op.code, &alloc);
    const zx_status_t status = call(run, &alloc, target, alloc.null_at ? NULL : &at);
    const zx_vaddr_t base = (uintptr_t)at;
    const uint64_t len = (alloc.size + PAGE - 1) & ~(PAGE - 1);
    if (!run_agree(run, status, want)) {
        if (base != alloc.at)
            run_broken(run, "a refused call has placed something at 0x%llx", (unsigned long long)base);
        return;
    }
    if (len == 0)
        return;
    const int32_t root = model_space_root(&run->model, alloc.space);
    const bool specific = (alloc.options & TRACE_ALLOC_SPECIFIC) != 0;
    const char *const wrong = model_place_wrong(
        &run->model, root, (specific ? ZX_VM_SPECIFIC : 0) | (uint32_t)alloc.align_log2 << ZX_VM_ALIGN_BASE,
        specific ? alloc.at - run->model.vmars[root].base : 0, len, base);
    if (wrong != NULL) {
        run_broken(run, "placed at 0x%llx: %s", (unsigned long long)base, wrong);
        return;
    }
    model_do_space_alloc(&run->model, run->op.code, &alloc, base);
    check_made(run, &alloc, base, len);
    run_result(run, base);
    run_remember(run, base, len, alloc.offset);
}

void run_space_free_region(struct run *run)
{
    const uint8_t space = run_resolve_space(run);
    const struct run_surroundings s = run_around_space(run, space);
    const zx_vaddr_t va = run_address(run, 0, &s);
    struct page_table_entry entry;

    run_argument(run, va);
    const struct model_answer want = model_space_free_region(&run->model, space, va);
    if (!run_agree(run, vm_aspace_free_region(aspace_of(run, space), va), want))
        return;
    if (page_table_query(vm_aspace_page_table(aspace_of(run, space)), va & ~(PAGE - 1), &entry) == ZX_OK)
        run_broken(run, "0x%llx was freed, and is translated still", (unsigned long long)va);
    model_do_space_free_region(&run->model, space, va);
}

void run_spaces_end(struct run *run)
{
    for (uint8_t space = 1; space < TRACE_SPACES; space++) {
        if (model_has_space(&run->model, space))
            destroy_guest(run, space);
    }
    for (int32_t i = run->model.piece_count - 1; i >= 0; i--) {
        const struct model_piece piece = run->model.pieces[i];
        if (piece.space != MODEL_SPACE_KERNEL || piece.vdso_code)
            continue;
        if (vm_aspace_free_region(vm_aspace_kernel(), piece.base) != ZX_OK)
            run_broken(run, "0x%llx cannot be freed", (unsigned long long)piece.base);
        model_do_space_free_region(&run->model, TRACE_SPACE_KERNEL, piece.base);
    }
}
