/* SPDX-License-Identifier: MIT */
/*
 * port_sanitizer.c: every object of the core is an allocation of its own, so that AddressSanitizer sees use
 * after free, overflow into a neighbour, and a second free.
 *
 * The slot that the object stands for waits in a header in front of it, poisoned meanwhile; so is the slot
 * itself, since nobody may touch a slot that is out.
 */
#include <stdio.h>
#include <stdlib.h>

#include <vm/port.h>

#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define HAVE_ASAN 1
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#    define HAVE_ASAN 1
#endif

#ifdef HAVE_ASAN
#    include <sanitizer/asan_interface.h>
#else
#    define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#    define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* As large as what malloc aligns to, so that the object is aligned too. */
struct header {
    void *slot;
    size_t size;
};

void *port_object_enter(void *slot, size_t size)
{
    struct header *header = malloc(sizeof(*header) + size);

    if (header == NULL) {
        fputs("zvm: the host is out of memory\n", stderr);
        exit(EXIT_FAILURE); /* not a finding: the core's own memory is simulated */
    }
    header->slot = slot;
    header->size = size;
    void *object = header + 1;
    ASAN_POISON_MEMORY_REGION(header, sizeof(*header));
    ASAN_POISON_MEMORY_REGION(slot, size);
    return object;
}

void *port_object_leave(void *object, size_t size)
{
    struct header *header = (struct header *)object - 1;
    volatile char *bytes = object;

    (void)bytes
        [0]; /* of a freed object: reported as what it is, a use after free, before the header is believed */
    ASAN_UNPOISON_MEMORY_REGION(header, sizeof(*header));
    void *slot = header->slot;
    if (header->size != size) {
        fprintf(stderr, "zvm: an object of %zu bytes is freed as one of %zu\n", header->size, size);
        abort();
    }
    ASAN_UNPOISON_MEMORY_REGION(slot, size);
    free(header);
    return slot;
}
