/* SPDX-License-Identifier: MIT */
/*
 * slab.h: objects of fixed size, carved from HEAP pages. A slab is one page with its header; an empty slab
 * goes back to the pmm at once, so that a refused operation leaves the free pages as they were. All functions
 * lock for themselves (PORT_LOCK_SLAB).
 */
#ifndef VM_SLAB_H_
#define VM_SLAB_H_

#include <stddef.h>
#include <stdint.h>
#include <vm/list.h>
#include <vm/port.h>

struct slab_cache {
    const char *name;
    uint32_t object_size; /* bytes, a multiple of 16, at most SLAB_OBJECT_MAX */
    uint32_t per_slab;
    struct list_node partial; /* slabs with a free slot */
    struct list_node full;
    uint64_t objects, slabs;
    struct port_mutex lock;
};

#define SLAB_OBJECT_MAX 1984

void slab_cache_init(struct slab_cache *cache, const char *name, size_t object_size);

/* A zeroed object; null without memory (or where port_allocation_allowed says no). O(1) beside the zeroing. */
void *slab_alloc(struct slab_cache *cache);
void slab_free(struct slab_cache *cache, void *object);

struct vm_sink;
/* Counts, free lists and page states agree. False, with a report, when not. */
bool slab_cache_check(struct slab_cache *cache, struct vm_sink *report);

#endif /* VM_SLAB_H_ */
