/* SPDX-License-Identifier: MIT */
/*
 * selftest_paging.c: tests of what processors keep of a space that they have left, and of every way to have it forgotten:
 * on the processor that keeps it, by itself and from each other one.
 *
 * The space is made by hand: one page at one address, which the tables show at either of two places. Changing them
 * behind the core's back shows what the processor still believes. A processor may forget more than it has to, and emulators do (Bochs
 * takes identifiers and keeps nothing by them; QEMU has none); what the kernel would tell it to keep is looked at as well.
 */
#include <vm/format.h>
#include <vm/mem.h>
#include <vm/arch_mmu.h>
#include <vm/pmm.h>
#include <vm/port.h>

#include "cpu.h"
#include "paging.h"
#include "pcid.h"
#include "percpu.h"
#include "selftest.h"
#include "spinlock.h"
#include "thread.h"
#include "user.h"

#define PAGES 6
#define AT    (1ull << 39 | 1ull << 30 | 1ull << 21 | 1ull << 12) /* the second entry of every table */
#define FLAGS (X86_PTE_PRESENT | X86_PTE_WRITABLE | X86_PTE_ACCESSED | X86_PTE_DIRTY)

enum { OLD = 0, NEW = 1 };

static struct {
    zx_paddr_t tables[4]; /* the root first */
    zx_paddr_t data[2];   /* OLD, NEW: the first byte says which */
    unsigned holder;      /* the processor that keeps something */
    unsigned forgetful;   /* times that it had forgotten what it might have kept */
} hand;

/* What the tables say from now on. Nobody is told. */
static void show(unsigned which)
{
    uint64_t *entries = physical_to_virtual(hand.tables[3]);
    entries[1] = hand.data[which] | FLAGS;
}

static bool make_space(struct list_node *pages)
{
    zx_paddr_t at[PAGES];
    unsigned count = 0;

    list_init(pages);
    if (pmm_alloc_pages(PAGES, VM_PAGE_ALLOC, pages) != ZX_OK)
        return false;
    list_for_each(node, pages)
    {
        struct vm_page *page = container_of(node, struct vm_page, node);
        memset(pmm_page_bytes(page), 0, ZX_PAGE_SIZE);
        at[count++] = page->paddr;
    }
    memcpy(hand.tables, at, sizeof(hand.tables));
    memcpy(hand.data, at + 4, sizeof(hand.data));
    *(uint8_t *)physical_to_virtual(hand.data[NEW]) = NEW;
    for (unsigned i = 0; i < 3; i++)
        ((uint64_t *)physical_to_virtual(hand.tables[i]))[1] = hand.tables[i + 1] | FLAGS;
    paging_fill_root(hand.tables[0]);
    show(OLD);
    return true;
}

/* On the running processor, which then has the space loaded. */
static unsigned look(void)
{
    uint64_t flags = interrupts_off();
    paging_switch(hand.tables[0]);
    unsigned seen = *(volatile uint8_t *)(uintptr_t)AT;
    interrupts_restore(flags);
    return seen;
}

static bool would_keep(void)
{
    return pcid_keeps(&percpu()->pcids, hand.tables[0]);
}

/* ---- Ways to forget; from any processor ---- */

static void by_range(void)
{
    struct port_invalidation invalidation = {.root = hand.tables[0], .count = 1};
    invalidation.ranges[0].va = AT;
    invalidation.ranges[0].size = ZX_PAGE_SIZE;
    port_invalidate(&invalidation);
}

static void by_large_range(void)
{
    struct port_invalidation invalidation = {.root = hand.tables[0], .count = 1};
    invalidation.ranges[0].va = AT & ~(uint64_t)((2 << 20) - 1);
    invalidation.ranges[0].size = 2 << 20;
    port_invalidate(&invalidation);
}

/* The space is one that shows another's tables. */
static void by_view(void)
{
    struct list_node views;
    struct port_root view = {.root = hand.tables[0]};
    struct port_invalidation invalidation = {.root = hand.data[OLD], .views = &views, .count = 1};
    list_init(&views);
    list_add_tail(&views, &view.node);
    invalidation.ranges[0].va = AT;
    invalidation.ranges[0].size = ZX_PAGE_SIZE;
    port_invalidate(&invalidation);
}

static void by_everything(void)
{
    const struct port_invalidation invalidation = {.root = hand.tables[0], .everything = true};
    port_invalidate(&invalidation);
}

static void by_global(void)
{
    const struct port_invalidation invalidation = {.everything = true, .global = true};
    port_invalidate(&invalidation);
}

/* Who has the space loaded and is made to leave it. */
enum leaving { NOBODY, THE_IDLE, ALL };

static const struct {
    void (*forget)(void);
    const char *away, *loaded;
    enum leaving leaving;
} ways[] = {
    {by_range, "a page that is invalidated is forgotten by who has left its space", "and by who is in it",
     THE_IDLE},
    {by_large_range, "so is a large range", "there, too", THE_IDLE},
    {by_view, "and a page that is seen by way of another's tables", "there, too", THE_IDLE},
    {by_everything, "and a whole space", "which is left by who is in it", ALL},
    {by_global, "and what is global", "there, too", NOBODY},
    {user_leave, "and all when everybody leaves", "those as well who are in it", ALL},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* ---- The tests ---- */

/* The holder knows the old page, and has the space loaded. */
static bool learn(void)
{
    thread_pin((int)hand.holder);
    show(OLD);
    by_range();
    return look() == OLD;
}

static void leave(void)
{
    paging_switch(paging_kernel_root());
}

/* The processor has the space loaded no more: what is there when it comes back. */
static bool keeps(void)
{
    bool fine = learn();
    leave();
    fine &= would_keep();
    show(NEW);
    hand.forgetful += look() != OLD;
    return fine;
}

static bool keeps_nothing(void)
{
    bool fine = learn();
    leave();
    fine &= !would_keep();
    show(NEW);
    return look() == NEW && fine;
}

static bool forgets_away(unsigned way, unsigned other)
{
    bool fine = learn();
    leave();
    thread_pin((int)other);
    show(NEW);
    ways[way].forget();
    thread_pin((int)hand.holder);
    fine &= !would_keep();
    return look() == NEW && fine;
}

static atomic_bool busy;

static void keep_busy(void *context)
{
    (void)context;
    thread_pin((int)hand.holder);
    atomic_store(&busy, true);
    while (atomic_load(&busy))
        spin_pause();
}

/* Moves to the other processor; on the holder runs the thread, which ends when `busy` does. Null: no memory. */
static struct thread *leave_busy(unsigned other)
{
    struct thread *thread = thread_create(keep_busy, NULL);
    thread_pin((int)other);
    while (thread != NULL && !atomic_load(&busy))
        spin_pause();
    return thread;
}

/* Who was in it may keep the rest, afterwards, where it was not made to leave. */
static bool forgets_loaded(unsigned way, unsigned other, bool idle)
{
    bool fine = learn(), alone = idle || other == hand.holder;
    bool leaves = ways[way].leaving == ALL || (ways[way].leaving == THE_IDLE && other != hand.holder && idle);
    struct thread *thread = alone ? NULL : leave_busy(other);
    thread_pin((int)other);
    show(NEW);
    ways[way].forget();
    atomic_store(&busy, false);
    if (thread != NULL)
        thread_join(thread);
    thread_pin((int)hand.holder);
    fine &= (atomic_load(&percpu()->root) == hand.tables[0]) == !leaves;
    fine &= !cpu_has(CPU_PCID) || would_keep() == !leaves;
    return look() == NEW && fine && (alone || thread != NULL);
}

static void test_way(unsigned way)
{
    bool away = true, loaded = true;
    for (hand.holder = 0; hand.holder < percpu_count(); hand.holder++)
        for (unsigned other = 0; other < percpu_count(); other++) {
            away &= forgets_away(way, other);
            loaded &= forgets_loaded(way, other, false) && forgets_loaded(way, other, true);
        }
    selftest_expect(away, ways[way].away);
    selftest_expect(loaded, ways[way].loaded);
}

static void test_survival(void)
{
    bool fine = true;
    hand.forgetful = 0;
    for (hand.holder = 0; hand.holder < percpu_count(); hand.holder++)
        fine &= cpu_has(CPU_PCID) ? keeps() : keeps_nothing();
    if (cpu_has(CPU_PCID))
        selftest_expect(fine, "what is not invalidated is kept while another space is loaded");
    else
        selftest_expect(fine, "no processor keeps anything of a space that it has left");
    if (!cpu_has(CPU_PCID))
        vm_print(&vm_log_sink, "# no PCID here: translations that survive are not tested\n");
    else if (hand.forgetful > 0)
        vm_print(&vm_log_sink, "# %u of %u processors have PCID and forget nevertheless\n", hand.forgetful,
                 percpu_count());
}

/* More spaces than identifiers: the roots differ, all else is shared. */
static void test_many(void)
{
    zx_paddr_t roots[PCID_SLOTS + 2];
    struct list_node pages;
    unsigned count = 0;
    bool fine = true;

    list_init(&pages);
    if (pmm_alloc_pages(PCID_SLOTS + 2, VM_PAGE_ALLOC, &pages) != ZX_OK) {
        selftest_expect(false, "memory for many tables");
        return;
    }
    hand.holder = 0;
    fine &= learn();
    list_for_each(node, &pages)
    {
        roots[count] = container_of(node, struct vm_page, node)->paddr;
        memcpy(physical_to_virtual(roots[count]), physical_to_virtual(hand.tables[0]), ZX_PAGE_SIZE);
        paging_switch(roots[count++]);
        fine &= *(volatile uint8_t *)(uintptr_t)AT == OLD;
    }
    fine &= !would_keep();
    for (unsigned i = 0; i < count; i++)
        fine &= !cpu_has(CPU_PCID) || pcid_keeps(&percpu()->pcids, roots[i]) == (i >= count - PCID_SLOTS);
    show(NEW);
    fine &= look() == NEW;
    selftest_expect(fine, "the space that was not loaded for longest makes room for one more");
    user_leave();
    pmm_free_list(&pages);
}

/* The window's bit is in the root itself, which is not loaded. */
static void test_window(void)
{
    hand.holder = 0;
    bool fine = learn();
    leave();
    paging_open_window(hand.tables[0], false);
    selftest_expect(fine && !would_keep(), "the window of a space that is not loaded is not kept either");
}

void selftest_paging(void)
{
    struct list_node pages;
    bool made = make_space(&pages);

    selftest_expect(made, "memory for a space by hand");
    if (!made)
        return;
    test_survival();
    for (unsigned way = 0; way < WAYS; way++)
        test_way(way);
    test_many();
    test_window();
    thread_pin(0);
    user_leave();
    pmm_free_list(&pages);
}
