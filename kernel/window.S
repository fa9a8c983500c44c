/* SPDX-License-Identifier: MIT */
/* window.S: the two pages of the kernel's half that ring 3 may use. */

    .section .user, "a"
    .balign 4096
    .global user_window_code
/* Moves %rcx bytes from %rsi to %rdi, ascending; a fault leaves in %rcx how many are still to go. */
user_window_code:
    rep movsb
    int $0x80
    .balign 4096, 0xcc

    .section .bss.page, "aw", @nobits
    .balign 4096
    .global user_window_buffer
user_window_buffer:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
