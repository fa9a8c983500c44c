/* SPDX-License-Identifier: MIT */
/* image.S: the vDSO's file in the kernel's image; program.c makes a VMO of it. */

    .section .rodata
    .balign 4096
    .globl vdso_image
vdso_image:
    .incbin VDSO_FILE
    .globl vdso_image_end
vdso_image_end:
    .section .note.GNU-stack, "", @progbits
