/* SPDX-License-Identifier: MIT */
/* thread.c: further threads of a program, each with a stack between two pages that fault. */
#include "../elf.h"
#include "runtime.h"

/* crt0.S */
extern void thread_begin(struct program_thread *thread) __attribute__((visibility("hidden")));

_Noreturn void thread_main(struct program_thread *thread);

void thread_main(struct program_thread *thread)
{
    thread->function(thread->context);
    zx_thread_exit();
}

/* Together with what is mapped in it. */
static void destroy_vmar(zx_handle_t vmar)
{
    (void)zx_vmar_destroy(vmar);
    (void)zx_handle_close(vmar);
}

zx_status_t thread_start(struct program_thread *thread, const char *name, void (*function)(void *context),
                         void *context)
{
    zx_vaddr_t top;
    zx_status_t status = elf_map_stack(zx_vmar_root_self(), RUNTIME_STACK_SIZE, &thread->stack, &top);
    if (status != ZX_OK)
        return status;
    thread->function = function;
    thread->context = context;
    status = zx_thread_create(zx_process_self(), name, text_length(name), 0, &thread->handle);
    if (status == ZX_OK) {
        status = zx_thread_start(thread->handle, (zx_vaddr_t)thread_begin, top, (uintptr_t)thread, 0);
        if (status != ZX_OK)
            (void)zx_handle_close(thread->handle);
    }
    if (status != ZX_OK)
        destroy_vmar(thread->stack);
    return status;
}

zx_status_t thread_join(struct program_thread *thread)
{
    zx_status_t status = zx_object_wait_one(thread->handle, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL);
    if (status != ZX_OK)
        return status;
    (void)zx_handle_close(thread->handle);
    destroy_vmar(thread->stack);
    return ZX_OK;
}
