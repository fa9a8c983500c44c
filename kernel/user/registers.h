/* SPDX-License-Identifier: MIT */
/* registers.h: what becomes of a program's registers while the kernel, or another thread, is at work. */
#ifndef KERNEL_USER_REGISTERS_H_
#define KERNEL_USER_REGISTERS_H_

#include <stdint.h>
#include <zircon/types.h>

/* All but the stack pointer. Assembly knows the layout. */
struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

/* Loads them, flags first, calls `function`, and stores what they are when that returns. */
void registers_through(struct registers *registers, void (*function)(void))
    __attribute__((visibility("hidden")));

/* To be called through: writes a byte at rbx; does nothing; counts rcx down to 0. */
void registers_touch(void) __attribute__((visibility("hidden")));
void registers_return(void) __attribute__((visibility("hidden")));
void registers_spin(void) __attribute__((visibility("hidden")));

#define REGISTERS_XMM_WORDS 32

/* Loads xmm0 to xmm15 with `pattern`; then 64 times spins `spins` rounds and calls call(0), which must not touch them
   itself; and stores what they are into `out`. */
void registers_hold(const uint64_t pattern[REGISTERS_XMM_WORDS], uint64_t out[REGISTERS_XMM_WORDS],
                    zx_status_t (*call)(zx_time_t), uint32_t spins) __attribute__((visibility("hidden")));

struct registers_all {
    struct registers general; /* rsi, rdi and flags: 0 */
    uint64_t xmm[REGISTERS_XMM_WORDS];
};

/* The entry of a thread: stores what it was started with at its first argument, then calls its second, which must not
   return. */
void registers_snapshot(void) __attribute__((visibility("hidden")));

#endif /* KERNEL_USER_REGISTERS_H_ */
