/* SPDX-License-Identifier: MIT */
/*
 * entry.S: the ways into the kernel and out of it: traps, system calls, visits to ring 3, the change from one thread to
 * another, copies from and to programs' memory, calls that can be cut short.
 *
 * GS. In the kernel its base is the processor's struct percpu, in ring 3 the program's; whoever comes from there or
 * goes there exchanges the two. What may arrive at any instruction (NMI, machine check, double fault) looks at the base
 * itself: the kernel's has its highest bit set.
 *
 * Flags. Whatever a program had set in them (direction, alignment check, which would lift SMAP, nested task) is gone
 * before the first instruction of C.
 *
 * Page faults come in on a stack of their own, so that one without a stack can still be reported. Those that may wait,
 * of programs and of copies on their behalf, move to the stack of the thread first.
 */
#include "gdt.h"
#include "percpu.h"
#include "trap_frame.h"

#define STUB_SIZE    16 /* trap.c counts on it */
#define MSR_GS_BASE  0xc0000101
#define RFLAGS_CLEAN 2 /* all that can be off is off, interrupts too */

    .text

/* Vectors for which the processor pushes an error code: 8, 10-14, 17, 21, 29, 30. */
#define ERROR_CODES 0x60227d00
/* Vectors that may come between any two instructions: 2, 8, 18. */
#define ANYWHERE 0x00040104

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
    .if vector == 14
    jmp trap_page_fault
    .elseif vector == 1
    jmp trap_debug
    .elseif vector >= 32
    jmp trap_common
    .elseif (ANYWHERE >> vector) & 1
    jmp trap_anywhere
    .else
    jmp trap_common
    .endif
    vector = vector + 1
    .endr

    .macro push_registers
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
    pushq $RFLAGS_CLEAN
    popfq
    xorl %ebp, %ebp
    .endm

    .macro pop_registers
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
    .endm

    .balign 16
trap_common:
    testb $3, TRAP_ENTRY_CS(%rsp)
    jz 1f
    swapgs
1:  push_registers
    movq %rsp, %rdi
    xorl %esi, %esi
    call trap
trap_return:
    pop_registers
    testb $3, TRAP_ENTRY_CS(%rsp)
    jz 1f
    swapgs
1:  addq $16, %rsp
    iretq

trap_page_fault:
    testb $3, TRAP_ENTRY_CS(%rsp)
    jz 1f
    swapgs
1:  push_registers
    movq %cr2, %rsi
    movq %rsp, %rdi
    testb $3, TRAP_FRAME_CS(%rsp)
    jz 2f
    movq %gs:PERCPU_STACK, %rdi
    jmp 3f
2:  movq TRAP_FRAME_RIP(%rsp), %rax
    subq $user_copy_begin, %rax
    cmpq $(user_copy_end - user_copy_begin), %rax
    jae 4f
    movq TRAP_FRAME_RSP(%rsp), %rdi
    andq $-16, %rdi
3:  subq $TRAP_FRAME_SIZE, %rdi
    movq %rsp, %rdx
    movl $(TRAP_FRAME_SIZE / 8), %ecx
    movq %rdi, %rax
    xchgq %rsi, %rdx
    rep movsq
    movq %rax, %rsp
    movq %rax, %rdi
    movq %rdx, %rsi
4:  call trap
    jmp trap_return

/* From a program as a page fault, to the thread's stack; in the kernel it may be at the first instruction of a system call,
   where neither GS nor the stack is the kernel's. */
trap_debug:
    testb $3, TRAP_ENTRY_CS(%rsp)
    jnz trap_page_fault

trap_anywhere:
    push_registers
    xorl %ebx, %ebx
    movl $MSR_GS_BASE, %ecx
    rdmsr
    testl %edx, %edx
    js 1f
    swapgs
    incl %ebx
1:  movq %rsp, %rdi
    xorl %esi, %esi
    call trap
    testl %ebx, %ebx
    jz 2f
    swapgs
2:  pop_registers
    addq $16, %rsp
    iretq

/*
 * System calls. The frame is that of a trap, so that reports and threads know of one kind only. %rcx and %r11 are the
 * program's own place and flags; everything else is given back as it came, but for the answer in %rax.
 */
    .balign 16
    .global syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:PERCPU_USER_RSP
    movq %gs:PERCPU_STACK, %rsp
    pushq $SELECTOR_USER_DATA
    pushq %gs:PERCPU_USER_RSP
    pushq %r11
    pushq $SELECTOR_USER_CODE
    pushq %rcx
    pushq $0
    pushq $TRAP_SYSCALL
    push_registers
    movq %rsp, %rdi
    call syscall_enter
    pop_registers
    movq TRAP_ENTRY_RSP(%rsp), %rsp
    swapgs
    sysretq

/* Where a thread of a program begins: on its kernel stack is the frame of its first entry. */
    .global thread_enter_user
thread_enter_user:
    movq %rdi, %rsp
    jmp trap_return

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

/* void thread_switch(uint64_t *from, uint64_t to): leaves the stack pointer of this thread at *from, and goes on where the other
   one left off. */
    .global thread_switch
thread_switch:
    save_registers
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    restore_registers
    ret

/* Where a new thread goes on first: thread_switch finds zeroes for its registers, and this address. */
    .global thread_begin
thread_begin:
    xorl %ebp, %ebp
    call thread_first
    ud2

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

/* void trap_enter_user(uint64_t *anchor, const struct user_registers *registers): returns by trap_unwind. Interrupts
   are off, and stay so. */
    .global trap_enter_user
trap_enter_user:
    save_registers
    movq %rsp, (%rdi)
    movq %rsp, %gs:PERCPU_STACK
    movq %gs:PERCPU_TSS, %rax
    movq %rsp, TSS_RSP0(%rax)
    pushq $SELECTOR_USER_DATA
    pushq 8(%rsi)
    pushq $RFLAGS_CLEAN
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
    swapgs
    iretq

/*
 * bool user_copy(void *to, const void *from, size_t size, bool smap): true when everything was copied. One of the two is a
 * program's; a fault there that nothing resolves sends the copy to user_copy_failed (trap.c).
 */
    .global user_copy, user_copy_begin, user_copy_end, user_copy_failed
user_copy:
    testb %cl, %cl
    jnz 1f
    movq %rdx, %rcx
    shrq $3, %rcx
user_copy_begin:
    rep movsq
    movl %edx, %ecx
    andl $7, %ecx
    rep movsb
    movl $1, %eax
    ret
1:  movq %rdx, %rcx
    shrq $3, %rcx
    stac
    rep movsq
    movl %edx, %ecx
    andl $7, %ecx
    rep movsb
    clac
    movl $1, %eax
    ret
user_copy_end:
user_copy_failed: /* trap.c has put SMAP in force again */
    xorl %eax, %eax
    ret

    .section .note.GNU-stack, "", @progbits
