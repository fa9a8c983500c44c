/* SPDX-License-Identifier: MIT */
/*
 * zvm.h: calls of this kernel's own, by which its tests see and do what no program should. They exist while the
 * command `programs` runs (kernel/program.h), and answer BAD_SYSCALL otherwise. Result pointers that cannot be
 * written are INVALID_ARGS.
 */
#ifndef KERNEL_USER_ZVM_H_
#define KERNEL_USER_ZVM_H_

#include <zircon/types.h>

/* The nth allocation of the core from now fails, whoever asks for it, and all after it where persistent is not 0; nth
   0: none fails, as when the program that was started has ended. Errors: BAD_SYSCALL. */
zx_status_t zvm_fail_allocation(uint64_t nth, uint32_t persistent);

/*
 * A number that is the same as long as the state of the machine is: all address spaces as text, pages by
 * state, objects and their bytes. Anybody's page fault changes it: a program that compares has its own memory
 * committed and entered first (runtime_settle). Cost: all regions. Errors in order: BAD_SYSCALL; INVALID_ARGS.
 */
zx_status_t zvm_state_hash(uint64_t *out);

/* Whether every invariant of the core holds; what does not is told in the log. Errors in order: BAD_SYSCALL;
   INTERNAL one is broken. */
zx_status_t zvm_check(void);

/* A handle to the VMO of the vDSO, and one to the image of the program that the command has started: with READ, MAP,
   EXECUTE, DUPLICATE, TRANSFER, GET_PROPERTY, INSPECT. Errors in order: BAD_SYSCALL; NO_MEMORY; INVALID_ARGS. */
zx_status_t zvm_vdso_vmo(zx_handle_t *out);
zx_status_t zvm_program_vmo(zx_handle_t *out);

/* How many processors run threads. Errors in order: BAD_SYSCALL; INVALID_ARGS. */
zx_status_t zvm_processors(uint32_t *out);

/* Whether every other thread in the machine waits: what is compared from then on, nobody else changes. Errors in order:
   BAD_SYSCALL; SHOULD_WAIT one is ready, or runs. Cost: the threads. */
zx_status_t zvm_others_wait(void);

/*
 * From now on the calling thread goes on at `handler` where a page fault of its own is refused (0: it dies again,
 * and its process with it): rdi is the status, rsi the address, all other registers are those of the faulting
 * instruction, whose address is lost. ZVM_CATCH_ALL: also after faults that were resolved, with ZX_OK. There is
 * nothing to return to: the handler knows where it came from, or gives up. Errors in order: BAD_SYSCALL;
 * INVALID_ARGS unknown option.
 */
#define ZVM_CATCH_ALL ((uint32_t)1u)
zx_status_t zvm_catch_faults(zx_vaddr_t handler, uint32_t options);

/*
 * Writes a byte where the calling process's page tables have a page for `va`, permissions or not, and tells what
 * was there; faults nothing in. All that show the page see it, even the page of zeroes that all share: to be put
 * back at once, and by one thread in the machine at a time. Errors in order: BAD_SYSCALL; NOT_FOUND the
 * tables have nothing there, or va is no program's; INVALID_ARGS.
 */
zx_status_t zvm_poke(zx_vaddr_t va, uint32_t byte, uint32_t *before);

/* Whether the deaths of programs are told in full from now on, or (0) in a line each. In full again when the command
   ends. Errors: BAD_SYSCALL. */
zx_status_t zvm_report_deaths(uint32_t in_full);

#endif /* KERNEL_USER_ZVM_H_ */
