/* SPDX-License-Identifier: MIT */
/* calls_raw.S: a call with any number (calls.h). */

    .text
    .globl call_through
    .hidden call_through
    .balign 16
call_through:
    pushq %rbx
    pushq %r12
    pushq %r13
    movq %rdi, %rax
    movq %rdx, %rbx
    movq %rsi, %r11
    movq 0(%r11), %rdi
    movq 8(%r11), %rsi
    movq 16(%r11), %rdx
    movq 24(%r11), %r10
    movq 32(%r11), %r8
    movq 40(%r11), %r9
    movq 48(%r11), %r12
    movq 56(%r11), %r13
    call *%rbx
    popq %r13
    popq %r12
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits
