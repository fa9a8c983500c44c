/* SPDX-License-Identifier: MIT */
/*
 * syscall_system.c: the calls on no object: the machine's figures, its random numbers, its clock, its log.
 *
 * Random numbers come from one ChaCha20 stream of the machine, seeded with it: the same machine that is
 * asked the same gives the same.
 */
#include "internal.h"

uint32_t zx_system_get_page_size(void)
{
    return PAGE_SIZE;
}

uint64_t zx_system_get_physmem(void)
{
    return vm_machine != NULL ? pmm_total() << PAGE_SHIFT : 0;
}

#define DRAW_WORDS 16

void zx_cprng_draw(void *buffer, size_t buffer_size)
{
    uintptr_t to = (uintptr_t)buffer;
    uint32_t words[DRAW_WORDS];
    while (buffer_size > 0) {
        size_t step = buffer_size < sizeof(words) ? buffer_size : sizeof(words);
        port_mutex_lock(&vm_machine->lock);
        for (unsigned i = 0; i * sizeof(words[0]) < step; i++)
            words[i] = prng_u32(&vm_machine->prng);
        port_mutex_unlock(&vm_machine->lock);
        if (port_copy_to_user((void *)to, words, step) != ZX_OK)
            return;
        to += step;
        buffer_size -= step;
    }
}

zx_ticks_t zx_ticks_get(void)
{
    return port_ticks();
}

zx_ticks_t zx_ticks_per_second(void)
{
    return port_ticks_per_second();
}

#define DEBUG_WRITE_MAX 256

zx_status_t zx_debug_write(const char *buffer, size_t buffer_size)
{
    char text[DEBUG_WRITE_MAX];
    size_t size = buffer_size < sizeof(text) ? buffer_size : sizeof(text);
    zx_status_t status = port_copy_from_user(text, buffer, size);
    if (status == ZX_OK)
        port_write(text, size);
    return status;
}
