/* SPDX-License-Identifier: MIT */
/*
 * gdt.c: segments and the task-state segment. Double fault, NMI, machine check and page fault each have a
 * stack of their own, so that they can be reported whatever has become of the running one.
 */
#include "gdt.h"
#include "percpu.h"

#include <vm/pmm.h>

#define STACK_SIZE  (4 * ZX_PAGE_SIZE)
#define NEST_STEP   ZX_PAGE_SIZE
#define GUARD_COUNT (IST_COUNT + 1)

struct guarded_stack {
    uint8_t guard[ZX_PAGE_SIZE];
    uint8_t bytes[STACK_SIZE];
};

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* [0] is number 1 */
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

_Static_assert(__builtin_offsetof(struct tss, rsp) == TSS_RSP0, "assembly writes it");

/* boot.S */
extern uint8_t boot_stack_guard[];

static struct guarded_stack stacks[IST_COUNT] __attribute__((aligned(4096), section(".bss.page")));

/* Assembly sets rsp[0] when it enters ring 3. */
struct tss kernel_tss;

static uint64_t table[8] = {
    [SELECTOR_KERNEL_CODE / 8] = 0x00af9a000000ffff,
    [SELECTOR_KERNEL_DATA / 8] = 0x00cf92000000ffff,
    [SELECTOR_USER_DATA / 8] = 0x00cff2000000ffff,
    [SELECTOR_USER_CODE / 8] = 0x00affa000000ffff,
};

static void describe_tss(void)
{
    uint64_t base = (uintptr_t)&kernel_tss;
    uint64_t limit = sizeof(kernel_tss) - 1;
    table[SELECTOR_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    table[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void gdt_set_kernel_stack(uint64_t top)
{
    percpu()->tss->rsp[0] = top;
}

void gdt_start(void)
{
    struct {
        uint16_t limit;
        const uint64_t *base;
    } __attribute__((packed)) pointer = {sizeof(table) - 1, table};

    for (unsigned i = 0; i < IST_COUNT; i++)
        kernel_tss.ist[i] = (uintptr_t)(stacks[i].bytes + STACK_SIZE);
    kernel_tss.io_map = sizeof(kernel_tss); /* none */
    describe_tss();
    percpu()->tss = &kernel_tss;
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(pointer), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA), "i"(SELECTOR_TSS)
                     : "rax", "memory");
}

void gdt_page_fault_nest(void)
{
    kernel_tss.ist[IST_PAGE_FAULT - 1] -= NEST_STEP;
}

void gdt_page_fault_unnest(void)
{
    kernel_tss.ist[IST_PAGE_FAULT - 1] += NEST_STEP;
}

void gdt_page_fault_reset(void)
{
    kernel_tss.ist[IST_PAGE_FAULT - 1] = (uintptr_t)(stacks[IST_PAGE_FAULT - 1].bytes + STACK_SIZE);
}

unsigned gdt_guard_count(void)
{
    return GUARD_COUNT;
}

const void *gdt_guard(unsigned index)
{
    return index < IST_COUNT ? stacks[index].guard : boot_stack_guard;
}
