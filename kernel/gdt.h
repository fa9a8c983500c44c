/* SPDX-License-Identifier: MIT */
/* gdt.h: segments, the task-state segment and the stacks that it names. Also read by assembly. */
#ifndef KERNEL_GDT_H_
#define KERNEL_GDT_H_

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA   0x23 /* behind a slot for 32-bit user code, in the order that sysret wants */
#define SELECTOR_USER_CODE   0x2b
#define SELECTOR_TSS         0x30

/* Stacks of their own, by number in the interrupt gates; 0 is the running one. */
#define IST_DOUBLE_FAULT 1
#define IST_NMI          2
#define IST_MACHINE      3
#define IST_PAGE_FAULT   4
#define IST_DEBUG        5
#define IST_COUNT        5

#define TSS_RSP0 4 /* offset */

#ifndef __ASSEMBLER__
#    include <stdbool.h>
#    include <stdint.h>

struct percpu;

/* Makes the first processor's, which are part of the image, and loads them. Its percpu is there. */
void gdt_start(void);

/* Makes those of another processor, its stacks from buffer_take; loaded by gdt_load, there. False: no memory. */
bool gdt_make(struct percpu *processor);
/* The running processor takes its own. */
void gdt_load(void);
/* Gives back what gdt_make took, of a processor that never came. */
void gdt_give_back(struct percpu *processor);

/*
 * A page fault while one is being reported must not overwrite the first one's frame: the page-fault stack is
 * handed out in steps. Each level of nesting moves its top down; below the last lies a guard page, and
 * touching that is a double fault. All of it for the running processor.
 */
void gdt_page_fault_nest(void);
void gdt_page_fault_reset(void);

/* Where the running processor comes in from ring 3. */
void gdt_set_kernel_stack(uint64_t top);

/* The data segments that a program has chosen; the kernel uses none. */
struct user_selectors {
    uint16_t ds, es, fs, gs;
};
void gdt_save_selectors(struct user_selectors *out);
/* All of them null or data of ring 3, or code. Interrupts are off. */
void gdt_load_selectors(const struct user_selectors *selectors);

/* The pages of the image that lie below the first processor's stacks and are not to be mapped. */
unsigned gdt_guard_count(void);
const void *gdt_guard(unsigned index);
#endif

#endif /* KERNEL_GDT_H_ */
