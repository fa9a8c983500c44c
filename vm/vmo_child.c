/* SPDX-License-Identifier: MIT */
/*
 * vmo_child.c: VMOs made from others: snapshots and slices.
 *
 * Snapshots. A snapshot holds the very pages that its parent held in the range when it was made, and nothing
 * ties the two together afterwards: whoever writes first to a page that both hold takes a copy (vmo.c). So a
 * snapshot of a snapshot, a parent that is closed first, sizes that change need no thought, and no access ever
 * looks beyond the VMO that it is about. What the parent does not have is zero, in the snapshot as in itself.
 *
 * The moment of the snapshot. The parent's lock is held while its pages get their second holder, and before
 * it is given up the translations of the range are gone from all processors. What programs write until then
 * is in both; whoever writes later faults, and takes a copy.
 *
 * Slices. A slice is a window on a VMO of fixed size: an object with a number, a name and rights of its own
 * that has no pages. It refers to the VMO behind it (never to another slice: a window in a window is a
 * window), and whatever is done to it is done there. Mappings of a slice are in the tree of the VMO behind
 * it, and remember where the slice ends.
 *
 * Families. Who is whose child is remembered, for those who ask (vmo_family.c).
 *
 * Locking. The parent's own lock, which is not held when the child joins the family. The child is not known to
 * anybody until it is made.
 *
 * Cost. A snapshot: the pages that the parent has in the range. A slice: none. Both: O(log children).
 */
#include <vm/mem.h>

#include "internal.h"

/* Hands the child out, where all is well and somebody wants it; else it goes. */
static void end_creation(struct vm_vmo *child, struct vm_vmo *parent, zx_status_t status, struct vm_vmo **out)
{
    if (status != ZX_OK || out == NULL) {
        vm_object_release(&child->object);
        return;
    }
    vmo_join_family(child, parent);
    *out = child;
}

/* ---- Snapshots ---- */

/* What of the parent a snapshot shows, as a range of page numbers of the VMO behind it. */
static void visible_pages_locked(const struct vm_vmo *parent, uint64_t offset, uint64_t size, uint64_t *first,
                                 uint64_t *limit)
{
    uint64_t rest = offset < parent->size ? parent->size - offset : 0;
    *first = (parent->window + offset) >> PAGE_SHIFT;
    *limit = *first + ((size < rest ? size : rest) >> PAGE_SHIFT);
}

/* Makes the child, which nobody knows yet, a holder of the target's pages [first, limit), the first of them at
   its beginning. NO_MEMORY: it holds some already. */
static zx_status_t share_pages_locked(struct vm_vmo *target, uint64_t first, uint64_t limit,
                                      struct vm_vmo *child)
{
    struct vm_page *page;
    uint64_t index = first;
    for (; (page = page_list_next(&target->pages, index, &index)) != NULL && index < limit; index++) {
        if (page_list_reserve(&child->pages, index - first) != ZX_OK)
            return ZX_ERR_NO_MEMORY;
        atomic_fetch_add(&page->sharers, 1);
        page_list_set(&child->pages, index - first, page);
    }
    return ZX_OK;
}

/* Takes that back while the target's lock is still held: its translations are as they were, and a page that has another
   holder may not be written through them. The target holds each of the pages, so none goes. */
static void unshare_pages_locked(struct vm_vmo *child)
{
    struct vm_page *page;
    uint64_t index;
    while ((page = page_list_next(&child->pages, 0, &index)) != NULL) {
        page_list_remove(&child->pages, index);
        atomic_fetch_sub(&page->sharers, 1);
    }
}

/* Asked before any memory is taken, since that comes later in the order of refusals, and again under the lock. */
static bool is_pinned(struct vm_vmo *parent, uint64_t offset, uint64_t size)
{
    uint64_t first, limit;
    port_mutex_lock(&parent->target->lock);
    visible_pages_locked(parent, offset, size, &first, &limit);
    bool pinned = vmo_is_pinned_locked(parent->target, first, limit);
    port_mutex_unlock(&parent->target->lock);
    return pinned;
}

zx_status_t vmo_create_snapshot(struct vm_vmo *parent, uint64_t offset, uint64_t size, bool resizable,
                                struct vm_vmo **out)
{
    struct vm_vmo *child, *target = parent->target;
    uint64_t rounded, first, limit;
    if (target->kind != VMO_PAGED)
        return target->kind == VMO_CONTIGUOUS ? ZX_ERR_INVALID_ARGS : ZX_ERR_NOT_SUPPORTED;
    if (!is_page_aligned(offset))
        return ZX_ERR_INVALID_ARGS;
    if (vmo_round_size(size, &rounded) != ZX_OK || offset + rounded < offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (is_pinned(parent, offset, rounded))
        return ZX_ERR_BAD_STATE;
    zx_status_t status = vmo_create(rounded, resizable, &child);
    if (status != ZX_OK)
        return status;
    child->is_snapshot = true;
    port_mutex_lock(&target->lock);
    visible_pages_locked(parent, offset, rounded, &first, &limit);
    status = vmo_is_pinned_locked(target, first, limit) ? ZX_ERR_BAD_STATE
                                                        : share_pages_locked(target, first, limit, child);
    if (status != ZX_OK || out == NULL) {
        unshare_pages_locked(child);
    } else if (child->pages.count != 0) {
        child->had_sharers = target->had_sharers = true;
        vmo_unmap_range_locked(target, first << PAGE_SHIFT, (limit - first) << PAGE_SHIFT);
    }
    port_mutex_unlock(&target->lock);
    end_creation(child, parent, status, out);
    return status;
}

/* ---- Slices ---- */

zx_status_t vmo_create_slice(struct vm_vmo *parent, uint64_t offset, uint64_t size, struct vm_vmo **out)
{
    struct vm_vmo *child;
    uint64_t rounded, parent_size = vmo_size(parent);
    if (!is_page_aligned(offset))
        return ZX_ERR_INVALID_ARGS;
    if (vmo_round_size(size, &rounded) != ZX_OK || offset + rounded < offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (offset > parent_size || rounded > parent_size - offset)
        return ZX_ERR_INVALID_ARGS;
    if (parent->resizable)
        return ZX_ERR_NOT_SUPPORTED;
    zx_status_t status = vmo_create(rounded, false, &child);
    if (status != ZX_OK)
        return status;
    child->target = parent->target;
    child->window = parent->window + offset;
    vm_object_acquire(&child->target->object);
    end_creation(child, parent, ZX_OK, out);
    return ZX_OK;
}
