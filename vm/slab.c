/* SPDX-License-Identifier: MIT */
/*
 * slab.c: objects of fixed size.
 *
 * Concept. A cache hands out objects of one size. Its memory is slabs: single HEAP pages, each with a header
 * at its start and equal slots behind it. The slab of a slot is its page: the address rounded down.
 *
 * Structure. Slots that were used before and are free form a stack linked through their first word; slots
 * that were never used lie at and above `fresh`. A new slab thus costs its header, not a pass over its slots.
 * A slab with a free slot is on `partial`, one without on `full`; one with no object at all is on neither:
 * its page has gone back to the pmm. Keeping no empty slab in stock costs a page's round trip when a cache
 * swings about a boundary, and buys that a refused operation leaves exactly the free pages that it found.
 *
 * A slot on its way out passes through port_object_enter, which may put memory of the host's own in its
 * place; the object that comes back passes through port_object_leave. So the allocator never writes to a slot
 * that is out, and trusts only what leave() returns.
 *
 * Invariants (slab_cache_check). For each slab: in_use > 0, in_use + stack + never used = per_slab; it is on
 * `full` just when the last two are none; its page is HEAP. The cache's `objects` and `slabs` are the sums.
 *
 * Locking. The cache's lock guards everything of it; the pmm's is taken within. Two caches are never locked
 * at once.
 *
 * Cost. Alloc and free O(1), beside zeroing the object and, at a slab's birth and death, one page from or to
 * the pmm.
 */
#include <vm/mem.h>

#include "internal.h"

struct slot {
    struct slot *next;
};

struct slab {
    struct list_node node; /* on the cache's partial or full */
    struct slab_cache *cache;
    struct vm_page *page;
    struct slot *free;
    uint32_t in_use;
    uint32_t fresh; /* slots from here on were never used */
};

#define SLAB_HEADER_SIZE 64

_Static_assert(sizeof(struct slab) <= SLAB_HEADER_SIZE, "the header must leave the slots aligned");
_Static_assert(SLAB_HEADER_SIZE + 2 * SLAB_OBJECT_MAX <= PAGE_SIZE, "two of the largest objects to a slab");

void slab_cache_init(struct slab_cache *cache, const char *name, size_t object_size)
{
    VM_ASSERT(object_size > 0 && object_size <= SLAB_OBJECT_MAX);
    cache->name = name;
    cache->object_size = ((uint32_t)object_size + 15) & ~15u;
    cache->per_slab = (uint32_t)(PAGE_SIZE - SLAB_HEADER_SIZE) / cache->object_size;
    list_init(&cache->partial);
    list_init(&cache->full);
    cache->objects = 0;
    cache->slabs = 0;
    port_mutex_init(&cache->lock, PORT_LOCK_SLAB);
}

static struct slab *slab_of_slot(void *slot)
{
    return (struct slab *)((uintptr_t)slot & ~(uintptr_t)(PAGE_SIZE - 1));
}

static struct slab *slab_create_locked(struct slab_cache *cache)
{
    struct vm_page *page = pmm_alloc_page(VM_PAGE_HEAP);

    if (page == NULL)
        return NULL;
    struct slab *slab = pmm_page_bytes(page);
    *slab = (struct slab){.cache = cache, .page = page};
    list_add_head(&cache->partial, &slab->node);
    cache->slabs++;
    return slab;
}

static struct slot *slot_take_locked(struct slab_cache *cache, struct slab *slab)
{
    struct slot *slot = slab->free;

    if (slot != NULL)
        slab->free = slot->next;
    else
        slot = (struct slot *)((char *)slab + SLAB_HEADER_SIZE + (size_t)slab->fresh++ * cache->object_size);
    slab->in_use++;
    cache->objects++;
    if (slab->in_use == cache->per_slab) {
        list_remove(&slab->node);
        list_add_head(&cache->full, &slab->node);
    }
    return slot;
}

void *slab_alloc(struct slab_cache *cache)
{
    struct slot *slot = NULL;

    if (!port_allocation_allowed())
        return NULL;
    port_mutex_lock(&cache->lock);
    struct slab *slab;
    if (list_is_empty(&cache->partial))
        slab = slab_create_locked(cache);
    else
        slab = container_of(cache->partial.next, struct slab, node);
    if (slab != NULL)
        slot = slot_take_locked(cache, slab);
    port_mutex_unlock(&cache->lock);
    if (slot == NULL)
        return NULL;
    void *object = port_object_enter(slot, cache->object_size);
    memset(object, 0, cache->object_size);
    return object;
}

void slab_free(struct slab_cache *cache, void *object)
{
    struct slot *slot = port_object_leave(object, cache->object_size);
    struct slab *slab = slab_of_slot(slot);

    port_mutex_lock(&cache->lock);
    VM_ASSERT(slab->cache == cache && slab->in_use > 0);
    VM_ASSERT(((uintptr_t)slot - (uintptr_t)slab - SLAB_HEADER_SIZE) % cache->object_size == 0);
    if (slab->in_use == cache->per_slab) {
        list_remove(&slab->node);
        list_add_head(&cache->partial, &slab->node);
    }
    slab->in_use--;
    cache->objects--;
    if (slab->in_use == 0) {
        list_remove(&slab->node);
        cache->slabs--;
        pmm_free_page(slab->page);
    } else {
        slot->next = slab->free;
        slab->free = slot;
    }
    port_mutex_unlock(&cache->lock);
}

/* ---- Check ---- */

static bool slab_check(const struct slab_cache *cache, const struct slab *slab, bool full,
                       struct vm_sink *report)
{
    uint32_t listed = 0;
    bool sound = slab->cache == cache && slab->page->state == VM_PAGE_HEAP && slab->fresh <= cache->per_slab;

    for (const struct slot *slot = slab->free; slot != NULL && sound; slot = slot->next) {
        uintptr_t offset = (uintptr_t)slot - (uintptr_t)slab;
        sound = offset >= SLAB_HEADER_SIZE && offset < PAGE_SIZE &&
                (offset - SLAB_HEADER_SIZE) % cache->object_size == 0 &&
                (offset - SLAB_HEADER_SIZE) / cache->object_size < slab->fresh && ++listed <= cache->per_slab;
        if (!sound)
            break; /* nobody knows what lies there */
    }
    sound = sound && slab->in_use > 0 && slab->in_use + listed == slab->fresh &&
            full == (slab->in_use == cache->per_slab);
    if (!sound)
        vm_print(report, "slab %s: a slab is broken: %u of %u in use, %u listed, %u touched, %s list\n",
                 cache->name, slab->in_use, cache->per_slab, listed, slab->fresh, full ? "full" : "partial");
    return sound;
}

bool slab_cache_check(struct slab_cache *cache, struct vm_sink *report)
{
    uint64_t objects = 0, slabs = 0;
    bool sound = true;

    port_mutex_lock(&cache->lock);
    for (int full = 0; full < 2; full++) {
        const struct list_node *list = full ? &cache->full : &cache->partial;
        list_for_each(node, list)
        {
            const struct slab *slab = container_of(node, struct slab, node);
            sound = slab_check(cache, slab, full, report) && sound;
            objects += slab->in_use;
            if (++slabs > cache->slabs)
                break;
        }
    }
    if (objects != cache->objects || slabs != cache->slabs) {
        vm_print(report, "slab %s: %llu objects in %llu slabs, the counts say %llu in %llu\n", cache->name,
                 (unsigned long long)objects, (unsigned long long)slabs, (unsigned long long)cache->objects,
                 (unsigned long long)cache->slabs);
        sound = false;
    }
    port_mutex_unlock(&cache->lock);
    return sound;
}
