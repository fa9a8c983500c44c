/* SPDX-License-Identifier: MIT */
/*
 * buffer.c: the kernel's own large buffers, from a range of its space that is set aside for them. They are
 * mapped for every space, so that they can be used whatever machine is selected; only taking and giving wants
 * the kernel's own.
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/virtual_alloc.h>

#include "buffer.h"
#include "port.h"

#define GUARD_PAGES 1
#define ALIGN_LOG2  21 /* those of 2 MiB and more are made of large pages */

static struct virtual_alloc allocator;
static struct port_mutex lock; /* taken before any of the core's */

bool buffer_start(void)
{
    port_mutex_init(&lock, PORT_LOCK_BUFFERS);
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    return vm_aspace_set_aside(BUFFER_BASE, BUFFER_SIZE) == ZX_OK &&
           virtual_alloc_init(&allocator, BUFFER_BASE, BUFFER_SIZE, GUARD_PAGES, ALIGN_LOG2) == ZX_OK;
}

static size_t page_count(size_t size)
{
    return size / ZX_PAGE_SIZE + (size % ZX_PAGE_SIZE != 0);
}

void *buffer_take(size_t size)
{
    zx_vaddr_t va;
    size_t pages = page_count(size);

    port_mutex_lock(&lock);
    zx_status_t status = virtual_alloc_alloc_pages(&allocator, pages, &va);
    port_mutex_unlock(&lock);
    if (status != ZX_OK)
        return NULL;
    return (char *)(uintptr_t)va + (pages * ZX_PAGE_SIZE - size);
}

void buffer_give(void *buffer, size_t size)
{
    if (buffer == NULL)
        return;
    port_mutex_lock(&lock);
    virtual_alloc_free_pages(&allocator, (uintptr_t)buffer & ~ZX_PAGE_MASK, page_count(size));
    port_mutex_unlock(&lock);
}
