/* SPDX-License-Identifier: MIT */
/*
 * smp.c: starts the other processors, and stops them.
 *
 * Concept. A processor begins in real mode, in a page below 1 MiB, and turns paging on while it runs there. So it needs
 * tables that show this page at its own address and the kernel's half as well: a space of the kernel's in low memory
 * (VM_ASPACE_LOW_KERNEL) with that one mapping, which is there while processors are started and is destroyed
 * afterwards. Its top-level table is loaded in 32-bit mode and may lie higher than that can tell; what they load is a copy
 * of it in the image.
 *
 * Method. One after the other: what a processor needs for itself is made first; then it is reset, and started up to twice,
 * as its makers want it. It takes up its own tables, segments and interrupt controller, says that it is there, and compares
 * its clock with the first one's. Who stays away is reset, so that it cannot come later to what is no longer there.
 *
 * The end. Whoever has something to report stops the others first, by an interrupt that cannot be switched off.
 */
#include <stdatomic.h>
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "acpi.h"
#include "apic.h"
#include "buffer.h"
#include "clock.h"
#include "cpu.h"
#include "fpu.h"
#include "gdt.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "percpu.h"
#include "shootdown.h"
#include "smp.h"
#include "spinlock.h"
#include "syscall.h"
#include "thread.h"
#include "trap.h"

#define STACK_SIZE      (4 * ZX_PAGE_SIZE)
#define RESET_TIME      10000000   /* nanoseconds, from reset to the first start */
#define FIRST_TIME      10000000   /* until it is started again */
#define SECOND_TIME     2000000000 /* until it is left out: an emulator may be slow */
#define STOP_TIME       100000000  /* until those that do not stop are no longer waited for */
#define CLOCK_TOLERANCE 1000       /* nanoseconds */

/* As ap_boot.S has it. */
struct parameters {
    uint64_t root; /* below 4 GiB */
    uint64_t stack;
    void (*entry)(struct percpu *processor);
    struct percpu *processor;
};

/* ap_boot.S */
extern const uint8_t ap_boot[], ap_boot_end[], ap_boot_parameters[];

static uint64_t first_root[ZX_PAGE_SIZE / sizeof(uint64_t)]
    __attribute__((aligned(4096), section(".bss.page")));
static struct acpi_processors found;
static unsigned limit = PERCPU_MAX;
static atomic_bool arrived, accepted; /* the one that is being started; it may go on */
static struct clock_comparison comparison;

void smp_limit(unsigned processors)
{
    limit = processors;
}

/* ---- On the processor that starts ---- */

static _Noreturn void on_start(struct percpu *processor)
{
    percpu_load(processor);
    cpu_start_processor();
    paging_switch(paging_kernel_root());
    gdt_load();
    trap_load();
    cpu_protect();
    fpu_start_processor();
    syscall_start_processor();
    apic_start_processor();
    atomic_store(&arrived, true);
    clock_compare(&comparison);
    while (!atomic_load(&accepted))
        spin_pause();
    thread_run_processor(processor->thread);
}

/* ---- On the first one ---- */

static struct vm_aspace *make_space(zx_paddr_t page)
{
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "processors");
    void *at = (void *)(uintptr_t)page;
    if (aspace == NULL)
        return NULL;
    if (vm_aspace_alloc_physical(aspace, "start", ZX_PAGE_SIZE, &at, 0, page, VMM_FLAG_VALLOC_SPECIFIC,
                                 ARCH_MMU_READ | ARCH_MMU_EXECUTE) == ZX_OK)
        return aspace;
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
    return NULL;
}

static bool wait_for_arrival(int64_t nanoseconds)
{
    int64_t until = clock_now() + nanoseconds;
    while (!atomic_load(&arrived))
        if (clock_now() >= until)
            return atomic_load(&arrived);
        else
            spin_pause();
    return true;
}

static bool wake(uint32_t id, zx_paddr_t page)
{
    apic_send_init(id);
    clock_spin(RESET_TIME);
    apic_send_startup(id, page);
    if (wait_for_arrival(FIRST_TIME))
        return true;
    apic_send_startup(id, page);
    if (wait_for_arrival(SECOND_TIME))
        return true;
    apic_send_init(id);
    return false;
}

static void accept(struct percpu *processor)
{
    uint64_t flags = interrupts_off();
    int64_t step = clock_compare(&comparison);
    interrupts_restore(flags);
    if (step > CLOCK_TOLERANCE)
        vm_print(&vm_log_sink, "clock: processor %u and the first one differ by %lld ns\n", processor->number,
                 (long long)step);
    percpu_add();
    atomic_store(&processor->online, true);
    atomic_store(&accepted, true);
}

static bool start(struct percpu *processor, zx_paddr_t page)
{
    const struct parameters parameters = {.root = kernel_to_physical(first_root),
                                          .stack = processor->thread->stack_top,
                                          .entry = on_start,
                                          .processor = processor};
    uint8_t *code = physical_to_virtual(page);
    memcpy(code, ap_boot, (size_t)(ap_boot_end - ap_boot));
    memcpy(code + (ap_boot_parameters - ap_boot), &parameters, sizeof(parameters));
    atomic_store(&arrived, false);
    atomic_store(&accepted, false);
    comparison = (struct clock_comparison){0};
    if (!wake(processor->apic_id, page))
        return false;
    accept(processor);
    return true;
}

/* What it runs when there is nothing to do, on the stack that it starts on. */
static struct thread *make_idle_thread(void)
{
    struct thread *idle = buffer_take(sizeof(*idle));
    uint8_t *stack = buffer_take(STACK_SIZE);
    if (idle == NULL || stack == NULL) {
        buffer_give(idle, sizeof(*idle));
        buffer_give(stack, STACK_SIZE);
        return NULL;
    }
    memset(idle, 0, sizeof(*idle));
    idle->stack = stack;
    idle->stack_top = (uintptr_t)stack + STACK_SIZE;
    return idle;
}

static void give_back_idle_thread(struct thread *idle)
{
    buffer_give(idle->stack, STACK_SIZE);
    buffer_give(idle, sizeof(*idle));
}

/* False: there is room for no more. */
static bool add(uint32_t id, zx_paddr_t page)
{
    struct percpu *processor = percpu_prepare();
    if (processor == NULL)
        return false;
    processor->apic_id = id;
    processor->thread = make_idle_thread();
    if (processor->thread != NULL && gdt_make(processor)) {
        if (start(processor, page))
            return true;
        vm_print(&vm_log_sink, "smp: processor with interrupt controller %u does not answer: left out\n", id);
        gdt_give_back(processor);
        give_back_idle_thread(processor->thread);
        return true;
    }
    vm_print(&vm_log_sink, "smp: no memory for more processors\n");
    if (processor->thread != NULL)
        give_back_idle_thread(processor->thread);
    return false;
}

static void add_all(void)
{
    zx_paddr_t page = memory_low_page();
    struct vm_aspace *aspace = page != 0 ? make_space(page) : NULL;
    if (aspace == NULL) {
        vm_print(&vm_log_sink, "smp: no memory to start processors in\n");
        return;
    }
    memcpy(first_root, physical_to_virtual(vm_aspace_table_root(aspace)), sizeof(first_root));
    for (unsigned i = 0; i < found.count && percpu_count() < limit; i++)
        if (found.ids[i] != apic_id() && !add(found.ids[i], page))
            break;
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
}

void smp_find(void)
{
    acpi_find_processors(boot_info.acpi, boot_info.acpi_size, &found);
    shootdown_start();
    if (apic_start(found.apic))
        percpu()->apic_id = apic_id();
}

void smp_start(void)
{
    if (apic_is_there() && found.count > 1 && limit > 1)
        add_all();
    vm_print(&vm_log_sink, "processors: %u\n", percpu_count());
}

/* ---- The end ---- */

static atomic_uint stopper, stopped; /* who stops the others: its number and one; 0: nobody does */

static void on_stop(void)
{
    atomic_fetch_add(&stopped, 1);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void smp_stop_others(void)
{
    unsigned self = percpu()->number, nobody = 0, waiting = 0;
    if (percpu_count() == 1)
        return;
    interrupts_off();
    if (!atomic_compare_exchange_strong(&stopper, &nobody, self + 1)) {
        if (nobody == self + 1)
            return;
        on_stop();
    }
    trap_set_handler(TRAP_NMI, on_stop);
    for (unsigned i = 0; i < percpu_count(); i++) {
        if (i == self)
            continue;
        waiting++;
        apic_send_nmi(percpu_at(i)->apic_id);
    }
    int64_t until = clock_now() + STOP_TIME;
    while (atomic_load(&stopped) < waiting && clock_now() < until)
        spin_pause();
}
