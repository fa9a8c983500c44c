/* SPDX-License-Identifier: MIT */
/* access.S: accesses that may be refused (access.h). r8 remembers where the return address is: a fetch that faults has its own
   above that. */

    .text
    .globl access_try_read, access_try_write, access_try_fetch, access_caught
    .hidden access_try_read, access_try_write, access_try_fetch, access_caught
    .globl access_try_load, access_try_store
    .hidden access_try_load, access_try_store

access_try_read:
    movq %rsp, %r8
    movb (%rdi), %al
    movb %al, (%rsi)
    movl $1, %eax
    ret

access_try_write:
    movq %rsp, %r8
    movb (%rsi), %al
    movb %al, (%rdi)
    movl $1, %eax
    ret

access_try_fetch:
    movq %rsp, %r8
    call *%rdi
    movl $1, %eax
    ret

access_try_load:
    movq %rsp, %r8
    movq (%rdi), %rax
    movq %rax, (%rsi)
    movl $1, %eax
    ret

access_try_store:
    movq %rsp, %r8
    movq %rsi, (%rdi)
    movl $1, %eax
    ret

access_caught:
    movq %r8, %rsp
    movl %edi, %eax
    ret

    .section .note.GNU-stack, "", @progbits
