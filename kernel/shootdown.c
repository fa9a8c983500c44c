/* SPDX-License-Identifier: MIT */
/*
 * shootdown.c: translations that are to be forgotten, on the running processor and on all others that may have them.
 *
 * Concept. A processor keeps translations of the one space whose root it has loaded; loading another forgets those
 * that are not global, or, with PCID, keeps those of a few spaces apart (pcid.c). Ring 3 visits, and processors that have nothing to do, leave the last root loaded, so that a
 * translation which the core fails to invalidate stays visible to the next one. Where a space loses everything, the
 * processors that have it loaded leave it: its top-level table may be freed next. So does one that has nothing to do
 * when it is first asked: what others do meanwhile interrupts it once, not each time.
 *
 * Method. The caller has changed the tables; then it looks which root the others have loaded or are about to load or to
 * leave (percpu.h), asks those concerned by an interrupt, and waits until all have answered. Whoever loads that root
 * after the look finds the tables changed: it has written its own root before. What the others keep of it without having it
 * loaded is marked before the look, so that they forget it when they load it again: nobody is interrupted for that, and why nothing
 * gets lost between mark and look is shown in pcid.c.
 *
 * One request at a time is under way. Those who wait for their turn or for answers have interrupts on, so that they
 * answer meanwhile; the answer takes no lock. So all answers come, as long as nobody keeps interrupts off for something
 * that another processor does.
 *
 * Invariants. Nobody begins a request with interrupts off where there are several processors (checked). CR3 is written
 * with interrupts off only, together with the percpu's root.
 */
#include <stdatomic.h>
#include <vm/arch_mmu.h>
#include <vm/format.h>
#include <vm/port.h>

#include "apic.h"
#include "io.h"
#include "paging.h"
#include "pcid.h"
#include "percpu.h"
#include "shootdown.h"
#include "spinlock.h"
#include "trap.h"

static atomic_bool busy;                        /* a request is under way; of it: */
static const struct port_invalidation *request; /* null: leave the space, whichever */
static atomic_bool asked[PERCPU_MAX];           /* and not answered yet */

/* ---- On one processor; interrupts are off ---- */

static void forget_ranges(const struct port_invalidation *invalidation)
{
    for (unsigned i = 0; i < invalidation->count; i++) {
        zx_vaddr_t va = invalidation->ranges[i].va;
        size_t pages = invalidation->ranges[i].size >> ZX_PAGE_SHIFT;
        if (pages > PORT_INVALIDATION_MAX) {
            paging_forget_all();
            return;
        }
        for (; pages > 0; pages--, va += ZX_PAGE_SIZE)
            paging_forget_page(va);
    }
}

static bool is_named(const void *invalidation, zx_paddr_t root)
{
    return port_invalidation_names(invalidation, root);
}

/* A table that is left stays marked. A processor with nothing to do leaves it rather than be asked again and again. */
static void forget_of_space(const struct port_invalidation *invalidation)
{
    struct percpu *self = percpu();
    zx_paddr_t root = read_cr3() & X86_PTE_ADDRESS;

    pcid_mark(&self->pcids, is_named, invalidation);
    if (!port_invalidation_names(invalidation, root))
        return;
    if (invalidation->everything || self->thread == self->idle) {
        paging_switch(paging_kernel_root());
        return;
    }
    forget_ranges(invalidation);
    pcid_unmark(&self->pcids, root);
}

static void forget(const struct port_invalidation *invalidation)
{
    if (invalidation == NULL) {
        pcid_mark_all(&percpu()->pcids);
        paging_switch(paging_kernel_root());
    } else if (invalidation->global) {
        paging_forget_global();
    } else {
        forget_of_space(invalidation);
    }
}

static void on_request(void)
{
    struct percpu *self = percpu();
    apic_end_interrupt();
    if (!atomic_load(&asked[self->number]))
        return;
    forget(request);
    self->shootdowns++;
    atomic_store(&asked[self->number], false);
}

/* ---- On all ---- */

/* Whether that processor is to be asked; what it has left is marked, first (pcid.c). */
static bool concerns(const struct port_invalidation *invalidation, struct percpu *other)
{
    if (!atomic_load(&other->online))
        return false;
    if (invalidation == NULL || invalidation->global)
        return true;
    pcid_mark(&other->pcids, is_named, invalidation);
    return port_invalidation_names(invalidation, atomic_load(&other->root)) ||
           port_invalidation_names(invalidation, atomic_load(&other->leaving));
}

static void ask_others(const struct port_invalidation *invalidation)
{
    unsigned count = percpu_count(), self = percpu()->number;

    if (!interrupts_are_on()) {
        vm_print(&vm_log_sink, "zvm: translations are to be forgotten with interrupts off\n");
        port_panic();
    }
    while (atomic_exchange(&busy, true))
        spin_pause();
    request = invalidation;
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < count; i++) {
        if (i == self || !concerns(invalidation, percpu_at(i)))
            continue;
        atomic_store(&asked[i], true);
        apic_send(percpu_at(i)->apic_id, TRAP_SHOOTDOWN);
    }
    for (unsigned i = 0; i < count; i++)
        while (atomic_load(&asked[i]))
            spin_pause();
    atomic_store(&busy, false);
}

void shootdown(const struct port_invalidation *invalidation)
{
    uint64_t flags = interrupts_off();
    forget(invalidation);
    interrupts_restore(flags);
    if (percpu_count() > 1)
        ask_others(invalidation);
}

void shootdown_leave_all(void)
{
    shootdown(NULL);
}

void shootdown_start(void)
{
    trap_set_handler(TRAP_SHOOTDOWN, on_request);
}
