/* SPDX-License-Identifier: MIT */
/*
 * boot.S: from the boot loader to C. GRUB enters `start` in 32-bit protected mode without paging, under BIOS
 * and UEFI alike.
 *
 * The early page tables show the lowest 4 GiB three times, in 2 MiB pages: at their own addresses (for the
 * instructions that turn paging on), in the direct map at 0xffff800000000000, and their first GiB at -2 GiB,
 * where the kernel is linked. paging.c replaces them soon after by tables with real permissions.
 */
#define PHYSICAL(symbol) ((symbol) - 0xffffffff80000000)

#define MAGIC_HEADER 0xe85250d6
#define MAGIC_LOADER 0x36d76289

#define CR0_PE   (1 << 0)
#define CR0_WP   (1 << 16)
#define CR0_PG   (1 << 31)
#define CR4_PAE  (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)

#define ENTRY_TABLE 0x3  /* present, writable */
#define ENTRY_LARGE 0x83 /* and a 2 MiB page */

    .section .multiboot, "a"
    .balign 8
header:
    .long MAGIC_HEADER
    .long 0 /* i386 */
    .long header_end - header
    .long -(MAGIC_HEADER + 0 + (header_end - header))
    /* Wants, where there are any: command line (1), modules (3), memory map (6), framebuffer (8). */
    .balign 8
    .short 1, 1
    .long 8 + 4 * 4
    .long 1, 3, 6, 8
    /* Modules begin pages. */
    .balign 8
    .short 6, 1
    .long 8
    .balign 8
    .short 0, 0
    .long 8
header_end:

    .section .boot, "ax"
    .code32
    .global start
start:
    cli
    cld
    movl $PHYSICAL(boot_stack_end), %esp
    cmpl $MAGIC_LOADER, %eax
    movl $message_loader, %esi
    jne refuse
    movl %ebx, %ebp

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    movl $message_processor, %esi
    jb refuse
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz refuse

    /* Linked tables; the loader has zeroed .bss. */
    movl $PHYSICAL(boot_pdpt_low) + ENTRY_TABLE, %eax
    movl %eax, PHYSICAL(boot_pml4)
    movl %eax, PHYSICAL(boot_pml4) + 256 * 8
    movl $PHYSICAL(boot_pdpt_high) + ENTRY_TABLE, PHYSICAL(boot_pml4) + 511 * 8
    movl $PHYSICAL(boot_pd) + ENTRY_TABLE, %eax
    movl %eax, PHYSICAL(boot_pdpt_high) + 510 * 8
    movl %eax, PHYSICAL(boot_pdpt_low)
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_pdpt_low) + 8
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_pdpt_low) + 16
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_pdpt_low) + 24
    movl $ENTRY_LARGE, %eax
    xorl %ecx, %ecx
1:  movl %eax, PHYSICAL(boot_pd)(, %ecx, 8)
    addl $(2 << 20), %eax
    incl %ecx
    cmpl $2048, %ecx
    jb 1b

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl $(CR0_PE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $start_long

/* Says on the serial line what is in %esi, and stops. */
refuse:
    movw $0x3fd, %dx
2:  inb %dx, %al
    testb $0x20, %al
    jz 2b
    lodsb
    testb %al, %al
    jz 3f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp refuse
3:  hlt
    jmp 3b

message_loader:
    .asciz "zvm: not started by a multiboot2 loader\nzvm: exit 1\n"
message_processor:
    .asciz "zvm: this processor has no 64-bit mode\nzvm: exit 1\n"

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* 64-bit code */
    .quad 0x00cf92000000ffff /* data */
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

    .code64
start_long:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq $start_high, %rax
    jmp *%rax

    .text
start_high:
    movq $boot_stack_end, %rsp
    movl %ebp, %edi /* physical address of the boot information; the upper half is zero */
    xorl %ebp, %ebp
    call kernel_main
    ud2

    .section .bss.page, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt_low:
    .skip 4096
boot_pdpt_high:
    .skip 4096
boot_pd:
    .skip 4 * 4096

/* A guard page lies below each stack: paging.c leaves it out. */
    .global boot_stack_guard, boot_stack_end
boot_stack_guard:
    .skip 4096
    .skip 16 * 4096
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
