/* SPDX-License-Identifier: MIT */
/*
 * ap_boot.S: where the other processors start: in real mode, at the beginning of a page below 1 MiB to which smp.c copies
 * this code. By way of 32-bit protected mode they load the tables of the space in which that page lies at its own address, beside
 * the kernel's half, and go on there (smp.c).
 *
 * Everything is addressed by the page's own place, which is in %ebx; what must be an absolute address is made one on the
 * way, in the copy. Descriptors are marked as used: once paging is on, the processor could not write that down.
 */
#define AT(symbol) ((symbol) - ap_boot)

#define CR0_PE   (1 << 0)
#define CR0_WP   (1 << 16)
#define CR0_PG   (1 << 31)
#define CR4_PAE  (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

#define CODE32 8
#define DATA   16
#define CODE64 24

    .section .rodata
    .balign 16
    .global ap_boot, ap_boot_end, ap_boot_parameters
    .code16
ap_boot:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx
    addl %ebx, AT(gdt_base)
    addl %ebx, AT(to_protected)
    addl %ebx, AT(to_long)
    lgdtl AT(gdt_pointer)
    movl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl *AT(to_protected)

    .code32
protected:
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl AT(ap_boot_parameters)(%ebx), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    xorl %edx, %edx
    movl $(EFER_LME | EFER_NXE), %eax
    wrmsr
    movl $(CR0_PE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    ljmpl *AT(to_long)(%ebx)

    .code64
long_mode:
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq AT(ap_boot_parameters) + 8(%rbx), %rsp
    movq AT(ap_boot_parameters) + 16(%rbx), %rax
    movq AT(ap_boot_parameters) + 24(%rbx), %rdi
    xorl %ebp, %ebp
    pushq %rbp /* nobody called */
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 32-bit code */
    .quad 0x00cf93000000ffff /* data */
    .quad 0x00af9b000000ffff /* 64-bit code */
gdt_pointer:
    .short gdt_pointer - gdt - 1
gdt_base:
    .long AT(gdt)
to_protected:
    .long AT(protected)
    .short CODE32
to_long:
    .long AT(long_mode)
    .short CODE64
    .balign 8
ap_boot_parameters:
    .quad 0, 0, 0, 0 /* struct parameters in smp.c */
ap_boot_end:

    .section .note.GNU-stack, "", @progbits
