/* SPDX-License-Identifier: MIT */
/* port_objects.c: objects of the core stay where the slab allocator put them. Plain builds link this,
   sanitizer builds port_sanitizer.c. */
#include <vm/port.h>

void *port_object_enter(void *slot, size_t size)
{
    (void)size;
    return slot;
}

void *port_object_leave(void *object, size_t size)
{
    (void)size;
    return object;
}
