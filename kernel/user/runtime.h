/* SPDX-License-Identifier: MIT */
/*
 * runtime.h: what a program has beside the calls (zircon/syscalls.h): a beginning, words out, threads, further
 * processes of itself, memory by the piece. Bytes: vm/mem.h. Strings: kernel/text.h. Output into buffers: vm_snprint
 * of vm/format.h. README.md says how a program is made.
 *
 * All functions may be called by any thread at any time, unless they say otherwise.
 */
#ifndef KERNEL_USER_RUNTIME_H_
#define KERNEL_USER_RUNTIME_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vm/format.h>
#include <vm/mem.h>
#include <zircon/syscalls.h>

#include "../text.h"

/* The program's own. arguments[0] is its name. What it returns is the process's return code. */
int main(int argument_count, char **arguments);

/* ---- Words ---- */

/* Writes to the log, in pieces of up to 256 bytes; a piece is not torn apart by others'. Conversions: vm/format.h. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says why, and ends the process with code 1. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- This process ---- */

/* Where the vDSO was mapped by who started the process. */
zx_vaddr_t runtime_vdso_base(void);

/*
 * Touches all memory of the program itself (image, vDSO, the first thread's stack), so that running on takes no memory and
 * no page fault. The first thread's. Without memory the process dies of the page fault.
 */
void runtime_settle(void);

/* Waits until every other thread in the machine waits, for some seconds at the most: a thread or a process is told to have ended before
   the last of it is gone, which zvm_check and comparisons would see. Does nothing without the test aids. */
void runtime_await_quiet(void);

/* ---- Threads ---- */

struct program_thread {
    zx_handle_t handle; /* its owner's, until thread_join */
    zx_handle_t stack;  /* a VMAR: guard page, stack, guard page */
    void (*function)(void *context);
    void *context;
};

/* Starts a thread that runs function(context) and ends when that returns. `thread` stays where it is until thread_join.
   Its stack: RUNTIME_STACK_SIZE bytes. Errors: those of zx_thread_create and zx_thread_start; nothing is left then. */
#define RUNTIME_STACK_SIZE ((size_t)64 << 10)
zx_status_t thread_start(struct program_thread *thread, const char *name, void (*function)(void *context),
                         void *context);

/* Waits for its end, and gives everything back. Errors: those of zx_object_wait_one. */
zx_status_t thread_join(struct program_thread *thread);

/* ---- Locks ---- */

/* Zeroed memory is a lock that nobody has. Waits by trying again, and sleeps between. */
struct lock {
    _Atomic uint32_t taken;
};
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

/* ---- Processes ---- */

/*
 * Starts the calling program's image again, as a process of that name, with these arguments (a name first);
 * *process is a handle to it. Needs the test aids (zvm.h). Errors: those of elf_start (kernel/elf.h), of zvm_vdso_vmo, of
 * zvm_program_vmo.
 */
zx_status_t spawn_self(const char *name, unsigned argument_count, const char *const *arguments,
                       zx_handle_t *process);

/* Waits until the process has ended, tells its return code and closes the handle. Errors: those of
   zx_object_wait_one and zx_object_get_info. */
zx_status_t process_wait(zx_handle_t process, int64_t *return_code);

/* ---- Memory by the piece (malloc.c) ---- */

/* `size` bytes, undefined, at an address that is a multiple of 16; null: no memory. malloc(0) is a piece too. */
void *malloc(size_t size);
/* Zeroed. Null also where the product is too large. */
void *calloc(size_t count, size_t size);
/* As much of the piece's bytes as fit, in a piece of the new size; the old one is gone. Null: it stays. */
void *realloc(void *piece, size_t size);
/* Null is nothing. What is no piece ends the process. */
void free(void *piece);

#endif /* KERNEL_USER_RUNTIME_H_ */
