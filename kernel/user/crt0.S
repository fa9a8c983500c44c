/* SPDX-License-Identifier: MIT */
/* crt0.S: where a process begins: rdi is the handle of the bootstrap VMO, rsi the base of the vDSO, rsp the end of the
   stack. */

    .text
    .globl program_start
    .hidden program_start
    .type program_start, @function
program_start:
    xorl %ebp, %ebp
    andq $-16, %rsp
    leaq _DYNAMIC(%rip), %rdx
    leaq __ehdr_start(%rip), %rcx
    call start
    ud2
    .size program_start, . - program_start

    .globl thread_begin
    .hidden thread_begin
    .type thread_begin, @function
/* Where a further thread begins: rdi is its struct program_thread. */
thread_begin:
    xorl %ebp, %ebp
    andq $-16, %rsp
    call thread_main
    ud2
    .size thread_begin, . - thread_begin

    .hidden _DYNAMIC
    .hidden __ehdr_start
    .section .note.GNU-stack, "", @progbits
