/* SPDX-License-Identifier: MIT */
/*
 * syscall.h: the way in for programs: the `syscall` instruction, from the vDSO's code alone.
 *
 * Number in rax; arguments in rdi, rsi, rdx, r10, r8, r9, r12, r13; the answer in rax. rcx and r11 are lost, as the
 * instruction has it; all other registers stay.
 */
#ifndef KERNEL_SYSCALL_H_
#define KERNEL_SYSCALL_H_

#include <stddef.h>
#include <stdint.h>

#define SYSCALL_ARGUMENTS 8

/* On each processor: where the instruction leads. */
void syscall_start_processor(void);

/* How large the vDSO's code is: calls come from there. 0, as at first: from nowhere. */
void syscall_set_vdso_code_size(size_t size);

#endif /* KERNEL_SYSCALL_H_ */
