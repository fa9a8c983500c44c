/* SPDX-License-Identifier: MIT */
/*
 * run_device.c: operations that are the host's, not a program's: memory in one physical run, memory of a
 * device, memory that stays where it is (vm/vmo.h), how much it matters that memory stays at all (vm/vmar.h).
 *
 * They are judged by what programs see of them, and by the one thing that only the host sees: where pages lie.
 * Addresses of pages stay out of the digest: which pages are given out is the core's own affair.
 */
#include <vm/vmar.h>
#include <vm/vmo.h>

#include "runner.h"
#include "trace_host.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

/* Where the page at offset lies; 0, and the run is broken, where it has no memory. */
static zx_paddr_t place_of(struct run *run, struct vm_vmo *vmo, uint64_t offset)
{
    zx_paddr_t at = 0;

    if (vm_vmo_lookup(vmo, offset, &at) != ZX_OK)
        run_broken(run, "no memory is at 0x%llx", (unsigned long long)offset);
    return at;
}

static void check_run(struct run *run, struct vm_vmo *vmo, uint64_t size, uint8_t align_log2)
{
    const zx_paddr_t first = place_of(run, vmo, 0);

    if (align_log2 > ZX_PAGE_SHIFT && first % (1ull << align_log2) != 0)
        run_broken(run, "at 0x%llx, which is not aligned", (unsigned long long)first);
    for (uint64_t offset = PAGE; offset < size && !run->broken; offset += PAGE) {
        const zx_paddr_t at = place_of(run, vmo, offset);
        if (at != first + offset)
            run_broken(run, "page 0x%llx is at 0x%llx, not in one run from 0x%llx on",
                       (unsigned long long)offset, (unsigned long long)at, (unsigned long long)first);
    }
}

void run_create_contiguous(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    const uint64_t size = run_size(run, 1, &s, 0);
    const uint8_t align_log2 = run->op.align;
    struct vm_vmo *vmo;
    zx_handle_t handle = ZX_HANDLE_INVALID;

    run_argument(run, size);
    run_argument(run, align_log2);
    const struct model_answer want = model_vmo_create_contiguous(size, align_log2);
    zx_status_t status = vm_vmo_create_contiguous(size, align_log2, &vmo);
    if (status == ZX_OK) {
        check_run(run, vmo, size, align_log2);
        status = vm_vmo_give(vmo, run->processes[run->current], ZX_DEFAULT_VMO_RIGHTS, &handle);
        vm_vmo_release(vmo);
    }
    if (!run_agree(run, status, want))
        return;
    const int32_t made = model_do_vmo_create_contiguous(&run->model, size);
    run_result(run, run_add_handle(run, TRACE_TYPE_VMO, made, handle, ZX_DEFAULT_VMO_RIGHTS));
}

/* What reaches past the end of the device's memory ends there; beyond what addresses can be, it does not:
   that is refused. */
void run_create_physical(struct run *run)
{
    const struct run_surroundings s = run_around_vmo(run, (struct run_target){ZX_HANDLE_INVALID, MODEL_NONE});
    if (run->device.size == 0)
        run->device = trace_host_device();
    const uint64_t offset = run_vmo_offset(run, 0, &s) % run->device.size;
    uint64_t size = run_size(run, 1, &s, 0);
    const uint8_t policy = (uint8_t)run->op.options;
    struct vm_vmo *vmo;
    zx_handle_t handle = ZX_HANDLE_INVALID;

    if (size % PAGE == 0 && size > run->device.size - offset && size < 1ull << 52)
        size = (run->device.size - offset) & ~(PAGE - 1);
    run_argument(run, offset);
    run_argument(run, size);
    run_argument(run, policy);
    const struct model_answer want = model_vmo_create_physical(offset, size, run->device.size);
    zx_status_t status = vm_vmo_create_physical(run->device.base + offset, size, &vmo);
    if (status == ZX_OK) {
        if (vm_vmo_set_cache_policy(vmo, policy) != ZX_OK)
            run_broken(run, "a new physical VMO takes no cache policy");
        if (place_of(run, vmo, size - PAGE) != run->device.base + offset + size - PAGE)
            run_broken(run, "the VMO does not show the memory that it was made for");
        status = vm_vmo_give(vmo, run->processes[run->current], ZX_DEFAULT_VMO_RIGHTS, &handle);
        vm_vmo_release(vmo);
    }
    if (!run_agree(run, status, want))
        return;
    const int32_t made = model_do_vmo_create_physical(&run->model, offset, size, policy);
    run_result(run, run_add_handle(run, TRACE_TYPE_VMO, made, handle, ZX_DEFAULT_VMO_RIGHTS));
}

void run_set_cache_policy(struct run *run)
{
    const struct run_target target = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const uint8_t policy = (uint8_t)run->op.options;
    struct vm_vmo *vmo;

    run_argument(run, policy);
    const struct model_answer want = model_vmo_set_cache_policy(&run->model, target.handle);
    zx_status_t status = vm_vmo_from_handle(target.value, &vmo);
    if (status == ZX_OK) {
        status = vm_vmo_set_cache_policy(vmo, policy);
        vm_vmo_release(vmo);
    }
    if (run_agree(run, status, want))
        model_do_vmo_set_cache_policy(&run->model, target.handle, policy);
}

void run_pin(struct run *run)
{
    const struct run_target target = run_resolve(run, TRACE_TYPE_VMO, run->op.a);
    const struct run_surroundings s = run_around_vmo(run, target);
    const uint64_t offset = run_vmo_offset(run, 0, &s);
    /* Where the model has no room for one more, the call is made one that is refused. */
    const uint64_t size = run->model.pin_count == MODEL_PINS ? 0 : run_vmo_size(run, 1, &s, offset);
    struct vm_vmo *vmo;

    run_argument(run, offset);
    run_argument(run, size);
    const struct model_answer want = model_vmo_pin(&run->model, target.handle, offset, size);
    zx_status_t status = vm_vmo_from_handle(target.value, &vmo);
    if (status == ZX_OK) {
        status = vm_vmo_pin(vmo, offset, size);
        if (status != ZX_OK)
            vm_vmo_release(vmo);
    }
    if (!run_agree(run, status, want))
        return;
    run->pinned[run->model.pin_count] = vmo;
    run->pinned_at[run->model.pin_count] = place_of(run, vmo, offset);
    model_do_vmo_pin(&run->model, target.handle, offset, size);
}

static void unpin(struct run *run, uint32_t index)
{
    const struct model_pin pin = run->model.pins[index];
    struct vm_vmo *const vmo = run->pinned[index];
    const zx_paddr_t at = place_of(run, vmo, pin.offset);

    if (at != run->pinned_at[index])
        run_broken(run, "a pinned page has moved from 0x%llx to 0x%llx",
                   (unsigned long long)run->pinned_at[index], (unsigned long long)at);
    vm_vmo_unpin(vmo, pin.offset, pin.size);
    vm_vmo_release(vmo);
    model_do_vmo_unpin(&run->model, index);
    run->pinned[index] = run->pinned[run->model.pin_count];
    run->pinned_at[index] = run->pinned_at[run->model.pin_count];
}

void run_unpin(struct run *run)
{
    const uint32_t count = run->model.pin_count, index = count == 0 ? 0 : run->op.b % count;

    run_argument(run, index);
    run->record.status = ZX_OK;
    if (count > 0)
        unpin(run, index);
}

void run_unpin_all(struct run *run)
{
    while (run->model.pin_count > 0)
        unpin(run, run->model.pin_count - 1);
}

void run_set_priority(struct run *run)
{
    const struct run_target target = run_resolve(run, TRACE_TYPE_VMAR, run->op.a);
    const bool high = run->op.options != 0;
    struct vm_vmar *vmar;

    run_argument(run, high);
    const struct model_answer want = model_vmar_set_priority(&run->model, target.handle);
    zx_status_t status = vm_vmar_from_handle(target.value, &vmar);
    if (status == ZX_OK) {
        status =
            vm_vmar_set_memory_priority(vmar, high ? VM_MEMORY_PRIORITY_HIGH : VM_MEMORY_PRIORITY_DEFAULT);
        vm_vmar_release(vmar);
    }
    if (run_agree(run, status, want))
        model_do_vmar_set_priority(&run->model, run->model.handles[target.handle].object, high);
}
