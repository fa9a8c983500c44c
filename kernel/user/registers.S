/* SPDX-License-Identifier: MIT */
/* registers.S: what C cannot say of registers (registers.h). */

    .text
    .globl registers_hold, registers_through, registers_snapshot, registers_touch, registers_return, registers_spin
    .hidden registers_hold, registers_through, registers_snapshot, registers_touch, registers_return, registers_spin

    .macro for_each_xmm instruction, from
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \instruction \n, \from
    .endr
    .endm

    .macro load_xmm n, from
    movdqu 16 * \n(\from), %xmm\n
    .endm

    .macro store_xmm n, to
    movdqu %xmm\n, 16 * \n(\to)
    .endm

    .macro store_xmm_high n, to
    movdqu %xmm\n, 128 + 16 * \n(\to)
    .endm

    .balign 16
registers_hold:
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %rbx
    movq %rsi, %r12
    movq %rdx, %r13
    movq %rcx, %r14
    movl $64, %r15d
    for_each_xmm load_xmm, %rbx
1:  movl %r14d, %ecx
2:  decl %ecx
    jnz 2b
    xorl %edi, %edi
    call *%r13
    decl %r15d
    jnz 1b
    for_each_xmm store_xmm, %r12
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    ret

/* Fields as struct registers has them. */
    .balign 16
registers_through:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rsi
    pushq %rdi
    pushq 120(%rdi)
    popfq
    movq 0(%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 56(%rdi), %r8
    movq 64(%rdi), %r9
    movq 72(%rdi), %r10
    movq 80(%rdi), %r11
    movq 88(%rdi), %r12
    movq 96(%rdi), %r13
    movq 104(%rdi), %r14
    movq 112(%rdi), %r15
    movq 40(%rdi), %rdi
    call *8(%rsp)
    pushfq
    pushq %rax
    movq 16(%rsp), %rax
    movq %rbx, 8(%rax)
    movq %rcx, 16(%rax)
    movq %rdx, 24(%rax)
    movq %rsi, 32(%rax)
    movq %rdi, 40(%rax)
    movq %rbp, 48(%rax)
    movq %r8, 56(%rax)
    movq %r9, 64(%rax)
    movq %r10, 72(%rax)
    movq %r11, 80(%rax)
    movq %r12, 88(%rax)
    movq %r13, 96(%rax)
    movq %r14, 104(%rax)
    movq %r15, 112(%rax)
    popq 0(%rax)
    popq 120(%rax)
    pushq $2
    popfq
    popq %rdi
    popq %rsi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

registers_touch:
    movb $1, (%rbx)
registers_return:
    ret

registers_spin:
    decq %rcx
    jnz registers_spin
    ret

/* Where a thread begins whose first argument is a struct registers_all; its second is what it calls at the end. */
    .balign 16
registers_snapshot:
    movq %rax, 0(%rdi)
    movq %rbx, 8(%rdi)
    movq %rcx, 16(%rdi)
    movq %rdx, 24(%rdi)
    movq $0, 32(%rdi)
    movq $0, 40(%rdi)
    movq %rbp, 48(%rdi)
    movq %r8, 56(%rdi)
    movq %r9, 64(%rdi)
    movq %r10, 72(%rdi)
    movq %r11, 80(%rdi)
    movq %r12, 88(%rdi)
    movq %r13, 96(%rdi)
    movq %r14, 104(%rdi)
    movq %r15, 112(%rdi)
    movq $0, 120(%rdi)
    for_each_xmm store_xmm_high, %rdi
    call *%rsi
    ud2

    .section .note.GNU-stack, "", @progbits
