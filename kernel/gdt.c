/* SPDX-License-Identifier: MIT */
/*
 * gdt.c: segments and the task-state segment, of each processor. Double fault, NMI, machine check and page fault each
 * have a stack of their own, so that they can be reported whatever has become of the running one. Those of the first
 * processor lie in the image, because they are needed before there is memory; the others' are buffers.
 */
#include "gdt.h"

#include <vm/mem.h>
#include <vm/pmm.h>

#include "buffer.h"
#include "percpu.h"

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

static struct guarded_stack first_stacks[IST_COUNT] __attribute__((aligned(4096), section(".bss.page")));

/* The first processor's. Assembly sets rsp[0] when it enters ring 3. */
struct tss kernel_tss;

/* By the processor's number. */
static struct {
    uint64_t table[8];
    struct tss tss; /* but for the first one's */
    uint8_t *stacks[IST_COUNT];
} processors[PERCPU_MAX];

static void describe_tss(uint64_t table[], const struct tss *tss)
{
    uint64_t base = (uintptr_t)tss;
    uint64_t limit = sizeof(*tss) - 1;
    table[SELECTOR_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    table[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void gdt_set_kernel_stack(uint64_t top)
{
    percpu()->tss->rsp[0] = top;
}

/* The stacks are there. */
static void fill(struct percpu *processor, struct tss *tss)
{
    uint64_t *table = processors[processor->number].table;
    table[SELECTOR_KERNEL_CODE / 8] = 0x00af9a000000ffff;
    table[SELECTOR_KERNEL_DATA / 8] = 0x00cf92000000ffff;
    table[SELECTOR_USER_DATA / 8] = 0x00cff2000000ffff;
    table[SELECTOR_USER_CODE / 8] = 0x00affa000000ffff;
    for (unsigned i = 0; i < IST_COUNT; i++)
        tss->ist[i] = (uintptr_t)processors[processor->number].stacks[i] + STACK_SIZE;
    tss->io_map = sizeof(*tss); /* none */
    describe_tss(table, tss);
    processor->tss = tss;
}

void gdt_start(void)
{
    for (unsigned i = 0; i < IST_COUNT; i++)
        processors[0].stacks[i] = first_stacks[i].bytes;
    fill(percpu(), &kernel_tss);
    gdt_load();
}

bool gdt_make(struct percpu *processor)
{
    for (unsigned i = 0; i < IST_COUNT; i++) {
        processors[processor->number].stacks[i] = buffer_take(STACK_SIZE);
        if (processors[processor->number].stacks[i] == NULL) {
            gdt_give_back(processor);
            return false;
        }
    }
    fill(processor, &processors[processor->number].tss);
    return true;
}

void gdt_give_back(struct percpu *processor)
{
    for (unsigned i = 0; i < IST_COUNT; i++) {
        buffer_give(processors[processor->number].stacks[i], STACK_SIZE);
        processors[processor->number].stacks[i] = NULL;
    }
}

void gdt_load(void)
{
    const uint64_t *table = processors[percpu()->number].table;
    struct {
        uint16_t limit;
        const uint64_t *base;
    } __attribute__((packed)) pointer = {sizeof(processors[0].table) - 1, table};

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
                     "ltr %%ax\n\t"
                     "xorl %%eax, %%eax\n\t" /* after a reset there is a local table, at address 0 */
                     "lldt %%ax"
                     :
                     : "m"(pointer), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA), "i"(SELECTOR_TSS)
                     : "rax", "memory");
}

void gdt_save_selectors(struct user_selectors *out)
{
    __asm__ volatile("movw %%ds, %0\n\t"
                     "movw %%es, %1\n\t"
                     "movw %%fs, %2\n\t"
                     "movw %%gs, %3"
                     : "=m"(out->ds), "=m"(out->es), "=m"(out->fs), "=m"(out->gs));
}

/* GS takes the base of what is loaded, which must not be the kernel's. */
void gdt_load_selectors(const struct user_selectors *selectors)
{
    __asm__ volatile("movw %0, %%ds\n\t"
                     "movw %1, %%es\n\t"
                     "movw %2, %%fs\n\t"
                     "swapgs\n\t"
                     "movw %3, %%gs\n\t"
                     "swapgs"
                     :
                     : "m"(selectors->ds), "m"(selectors->es), "m"(selectors->fs), "m"(selectors->gs)
                     : "memory");
}

void gdt_page_fault_nest(void)
{
    percpu()->tss->ist[IST_PAGE_FAULT - 1] -= NEST_STEP;
}

void gdt_page_fault_reset(void)
{
    uint8_t *stack = processors[percpu()->number].stacks[IST_PAGE_FAULT - 1];
    percpu()->tss->ist[IST_PAGE_FAULT - 1] = (uintptr_t)stack + STACK_SIZE;
}

unsigned gdt_guard_count(void)
{
    return GUARD_COUNT;
}

const void *gdt_guard(unsigned index)
{
    return index < IST_COUNT ? first_stacks[index].guard : boot_stack_guard;
}
