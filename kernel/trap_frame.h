/* SPDX-License-Identifier: MIT */
/* trap_frame.h: what entry.S pushes, for assembly and C. */
#ifndef KERNEL_TRAP_FRAME_H_
#define KERNEL_TRAP_FRAME_H_

#define TRAP_SYSCALL 256 /* a vector of no interrupt: a system call made this frame */

#define TRAP_FRAME_SIZE (22 * 8)
#define TRAP_FRAME_RIP  (17 * 8)
#define TRAP_FRAME_CS   (18 * 8)
#define TRAP_FRAME_RSP  (20 * 8)

/* Before the general registers are pushed, and after they are popped. */
#define TRAP_ENTRY_CS  (3 * 8)
#define TRAP_ENTRY_RSP (5 * 8)

#ifndef __ASSEMBLER__
#    include <stdint.h>

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct trap_frame) == TRAP_FRAME_SIZE, "assembly knows it");
_Static_assert(__builtin_offsetof(struct trap_frame, rip) == TRAP_FRAME_RIP, "assembly knows it");
_Static_assert(__builtin_offsetof(struct trap_frame, cs) == TRAP_FRAME_CS, "assembly knows it");
_Static_assert(__builtin_offsetof(struct trap_frame, rsp) == TRAP_FRAME_RSP, "assembly knows it");
#endif

#endif /* KERNEL_TRAP_FRAME_H_ */
