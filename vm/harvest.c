/* SPDX-License-Identifier: MIT */
/*
 * harvest.c: which memory of programs is in use, and page tables that can do without.
 *
 * Concept. Page tables are a cache: what they say follows from mappings and VMOs, and a fault brings back
 * whatever is missing. So any of them may go at any time. A harvest asks the tables of each user space what
 * processors have noted in them since the last one (page_table_harvest.c): pages that were used become young
 * (page_queue.c), tables that were not used may be freed. Dropping frees all tables of a space at once.
 *
 * Which spaces are looked at. Processors say in which spaces they have used memory (vm_aspace_note_active);
 * where none has since the last harvest, there is nothing new to read. Only where tables are to be freed two
 * more passes are worth their while after the last use: the first one finds the notes of that use and takes
 * them back, the second one finds none and frees what is left; a third would change nothing. A space of high
 * memory priority is left alone; what is noted there stays for the day when its priority is default again.
 * A unified space has no tables but the one at the top, which shows those of two others: these are looked at
 * each for itself.
 *
 * Locking. The lock of one space at a time, and that of its tables. The space's keeps faults away: one that
 * enters a page in two steps relies on the tables of the first.
 *
 * Cost. A harvest: the spaces, and the tables of those that are looked at. Dropping: the tables.
 */
#include "internal.h"

/* Harvests that may find something to free after a space was used. */
#define PASSES_AFTER_USE 2

/* ---- What processors say ---- */

static void note_active(struct vm_aspace *aspace)
{
    if (!atomic_load_explicit(&aspace->active, memory_order_relaxed))
        atomic_store_explicit(&aspace->active, true, memory_order_release);
}

void vm_aspace_note_active(struct vm_aspace *aspace)
{
    note_active(aspace);
    for (unsigned i = 0; i < 2; i++)
        if (aspace->parts[i] != NULL)
            note_active(aspace->parts[i]);
}

bool vm_aspace_is_active(struct vm_aspace *aspace)
{
    return atomic_load_explicit(&aspace->active, memory_order_acquire);
}

zx_status_t vm_aspace_accessed_fault(struct vm_aspace *aspace, zx_vaddr_t va)
{
    aspace = aspace_at(aspace, va);
    return aspace != NULL ? page_table_set_accessed(&aspace->table, va) : ZX_ERR_NOT_FOUND;
}

/* ---- Harvesting ---- */

/* Whether there may be something to harvest; if so, it counts as done. */
static bool is_due_locked(struct vm_aspace *aspace, bool free_unaccessed)
{
    bool active = atomic_exchange_explicit(&aspace->active, false, memory_order_acq_rel);

    if (active)
        aspace->passes_due = PASSES_AFTER_USE;
    if (!free_unaccessed)
        return active;
    if (aspace->passes_due == 0)
        return false;
    aspace->passes_due--;
    return true;
}

static void harvest_space(struct vm_aspace *aspace, bool free_unaccessed, bool clear)
{
    if (aspace_is_unified(aspace) || !vm_aspace_is_user(aspace))
        return;
    port_mutex_lock(&aspace->lock);
    if (!aspace->destroyed && !aspace_is_high_locked(aspace) && is_due_locked(aspace, free_unaccessed))
        page_table_harvest(&aspace->table, free_unaccessed, clear);
    port_mutex_unlock(&aspace->lock);
}

void vm_aspace_harvest_all_user_accessed_bits(enum vm_non_terminal_action non_terminal,
                                              enum vm_terminal_action terminal)
{
    bool free_unaccessed = non_terminal == VM_NON_TERMINAL_FREE_UNACCESSED;
    bool clear = terminal == VM_TERMINAL_UPDATE_AGE_AND_HARVEST;

    page_queue_turn();
    for (struct vm_aspace *aspace = machine_next_aspace(NULL); aspace != NULL;
         aspace = machine_next_aspace(aspace))
        harvest_space(aspace, free_unaccessed, clear);
}

/* ---- Dropping ---- */

static void drop_tables(struct vm_aspace *aspace)
{
    if (!vm_aspace_is_user(aspace))
        return;
    port_mutex_lock(&aspace->lock);
    page_table_unmap(&aspace->table, aspace->table.base, aspace->table.size);
    port_mutex_unlock(&aspace->lock);
}

void vm_aspace_drop_user_page_tables(struct vm_aspace *aspace)
{
    for (unsigned i = 0; i < aspace_part_count(aspace); i++) {
        struct vm_aspace *part = aspace_part(aspace, i);
        if (part != NULL)
            drop_tables(part);
    }
}

void vm_aspace_drop_all_user_page_tables(void)
{
    for (struct vm_aspace *aspace = machine_next_aspace(NULL); aspace != NULL;
         aspace = machine_next_aspace(aspace))
        if (!aspace_is_unified(aspace))
            drop_tables(aspace);
}
