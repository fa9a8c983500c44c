/* SPDX-License-Identifier: MIT */
/*
 * assert.c: the last words of a core that found itself broken: the assertion, then the structure that it is
 * about, then the host's panic. What is shown may itself be damaged: every loop is bounded, and an assertion
 * that fails while another is being reported goes straight to the panic.
 */
#include <stdatomic.h>

#include "internal.h"

#define SHOWN_PARENTS_MAX 32
#define SHOWN_ENTRIES_MAX 64

/* Threads that have failed; never reset, as nobody comes back from a failed assertion. */
static atomic_uint failures;

static void print_failure(const char *file, int line, const char *expression)
{
    if (atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed) != 0)
        port_panic();
    vm_print(&vm_log_sink, "%s:%d: assertion failed: %s\n", file, line, expression);
}

static void print_region(const struct vm_region *region)
{
    vm_print(&vm_log_sink, "  %s %p [0x%llx, 0x%llx) flags 0x%x %s parent %p aspace %p\n",
             region->kind == VM_REGION_VMAR ? "vmar" : "mapping", (const void *)region,
             (unsigned long long)region->base, (unsigned long long)(region->base + region->size),
             region->flags, region->alive ? "alive" : "dead", (const void *)region->parent,
             (const void *)region->aspace);
    if (region->kind == VM_REGION_MAPPING) {
        const struct vm_mapping *mapping = container_of(region, struct vm_mapping, region);
        vm_print(&vm_log_sink, "    vmo %p of source %p offset 0x%llx perms 0x%x, %llu protection ranges\n",
                 (const void *)mapping->vmo, (const void *)mapping->source,
                 (unsigned long long)mapping->vmo_offset, mapping->perms,
                 (unsigned long long)mapping->protections.count);
    }
}

void vm_assert_failed(const char *file, int line, const char *expression)
{
    print_failure(file, line, expression);
    port_panic();
}

void vm_assert_failed_region(const char *file, int line, const char *expression,
                             const struct vm_region *region)
{
    print_failure(file, line, expression);
    if (region == NULL)
        vm_print(&vm_log_sink, "  no region\n");
    for (unsigned i = 0; region != NULL && i < SHOWN_PARENTS_MAX; i++) {
        print_region(region);
        region = region->parent != NULL ? &region->parent->region : NULL;
    }
    port_panic();
}

void vm_assert_failed_tree(const char *file, int line, const char *expression, const struct region_tree *tree)
{
    struct region_entry entry;
    zx_vaddr_t at = tree->base;

    print_failure(file, line, expression);
    vm_print(&vm_log_sink, "  region tree %p [0x%llx, 0x%llx) height %u, %llu ranges\n", (const void *)tree,
             (unsigned long long)tree->base, (unsigned long long)tree->end, tree->height,
             (unsigned long long)tree->count);
    for (unsigned i = 0; i < SHOWN_ENTRIES_MAX && region_tree_find_from(tree, at, &entry); i++) {
        vm_print(&vm_log_sink, "    [0x%llx, 0x%llx) %p\n", (unsigned long long)entry.base,
                 (unsigned long long)entry.end, entry.value);
        if (entry.end <= at)
            break;
        at = entry.end;
    }
    port_panic();
}
