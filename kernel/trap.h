/* SPDX-License-Identifier: MIT */
/* trap.h: exceptions: what the processor saved, and what can be done about it. */
#ifndef KERNEL_TRAP_H_
#define KERNEL_TRAP_H_

#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

#include "trap_frame.h"

enum trap_vector {
    TRAP_DEBUG = 1,
    TRAP_NMI = 2, /* from another processor: stop for good */
    TRAP_BREAKPOINT = 3,
    TRAP_DOUBLE_FAULT = 8,
    TRAP_PROTECTION = 13,
    TRAP_PAGE_FAULT = 14,
    TRAP_MACHINE_CHECK = 18,
    TRAP_EXCEPTIONS = 32,
    TRAP_SERIAL = 0x24,         /* the serial line's interrupt */
    TRAP_NOTHING = 0x27,        /* the old interrupt controller took one back */
    TRAP_NOTHING_SECOND = 0x2f, /* so did the one behind it */
    TRAP_TIMER = 0x40,
    TRAP_RESCHEDULE = 0x41, /* from another processor: look for what to run */
    TRAP_SHOOTDOWN = 0x42,  /* from another processor: forget translations */
    TRAP_DONE = 0x80,       /* ring 3 has finished */
    TRAP_SPURIOUS = 0xff,
};

/* Bits of a page fault's error code. */
#define PF_PRESENT  (1u << 0)
#define PF_WRITE    (1u << 1)
#define PF_USER     (1u << 2)
#define PF_RESERVED (1u << 3)
#define PF_FETCH    (1u << 4)

/* Fills the interrupt table and loads it. */
void trap_start(void);
/* Loads it on another processor. */
void trap_load(void);

/* What is called, interrupts off, when that vector comes, and then nothing else is done about it; null: as before. */
void trap_set_handler(unsigned vector, void (*handler)(void));

/* Calls function(context). True: an exception in the kernel cut it short; *frame is what the processor saved,
 *cr2 the address of a page fault. Nests not. */
bool trap_catch(void (*function)(void *context), void *context, struct trap_frame *frame, uint64_t *cr2);

/* Everything about an exception, to the log. */
void trap_report(const struct trap_frame *frame, uint64_t cr2);

/* Parts of it: what an exception is called; the registers. */
const char *trap_name(uint64_t vector);
void trap_print_registers(const struct trap_frame *frame, uint64_t cr2);

/* The calls that led here, with names; from the frame pointer of the caller, or of a frame. */
void trap_print_stack(uint64_t rip, uint64_t rbp);

/* ---- Ring 3 ---- */

struct user_registers {
    uint64_t rip, rsp, rcx, rsi, rdi;
};

/* Runs ring 3 with the tables of `root` from these registers until it traps; what the processor saved is then in
 *frame, the fault's address in *cr2. Meanwhile interrupts are off, and ring 3 may use the window (user.h). */
void trap_visit_user(zx_paddr_t root, const struct user_registers *registers, struct trap_frame *frame,
                     uint64_t *cr2);

/* What the core is to know of a page fault with that error code. */
uint32_t trap_fault_flags(uint64_t error);

#endif /* KERNEL_TRAP_H_ */
