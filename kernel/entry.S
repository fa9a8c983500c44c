/* SPDX-License-Identifier: MIT */
/*
 * entry.S: the way into trap() from any interrupt, the way into ring 3, and calls that can be cut short.
 */
#include "gdt.h"

#define STUB_SIZE 16 /* trap.c counts on it */

    .text

/* Vectors for which the processor pushes an error code: 8, 10-14, 17, 21, 29, 30. */
#define ERROR_CODES 0x60227d00

    .balign STUB_SIZE
    .global trap_stubs
trap_stubs:
vector = 0
    .rept 256
    .balign STUB_SIZE
    .if vector >= 32
    pushq $0
    .elseif !((ERROR_CODES >> vector) & 1)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    vector = vector + 1
    .endr

    .balign 16
trap_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %cr2, %rsi
    xorl %ebp, %ebp
    call trap
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    .macro save_registers
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro restore_registers
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    .endm

/* bool trap_call(uint64_t *anchor, void (*function)(void *), void *context): false when function returned. */
    .global trap_call
trap_call:
    save_registers
    movq %rsp, (%rdi)
    subq $8, %rsp
    movq %rsi, %rax
    movq %rdx, %rdi
    call *%rax
    addq $8, %rsp
    xorl %eax, %eax
    restore_registers
    ret

/* _Noreturn void trap_unwind(uint64_t anchor): makes the call that set the anchor return true. */
    .global trap_unwind
trap_unwind:
    movq %rdi, %rsp
    movl $1, %eax
    restore_registers
    ret

/* void trap_enter_user(uint64_t *anchor, const struct user_registers *registers): returns by trap_unwind.
   Interrupts stay off. */
    .global trap_enter_user
trap_enter_user:
    save_registers
    movq %rsp, (%rdi)
    movq %rsp, kernel_tss + TSS_RSP0(%rip)
    pushq $SELECTOR_USER_DATA
    pushq 8(%rsi)
    pushq $2
    pushq $SELECTOR_USER_CODE
    pushq 0(%rsi)
    movq 16(%rsi), %rcx
    movq 32(%rsi), %rdi
    movq 24(%rsi), %rsi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %edx, %edx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    iretq

    .section .note.GNU-stack, "", @progbits
