/* SPDX-License-Identifier: MIT */
/*
 * pcid.c: which identifier a processor uses for which top-level table, and when it has to flush.
 *
 * Concept. A processor tags translations with the identifier that was loaded as it learned them, and uses those of the
 * loaded one alone. So it may keep those of spaces that it has left, as long as whoever takes translations away
 * says so: the slot is marked stale, and the next load of it flushes. A slot whose table nobody loads any more is
 * never used again, so marking is all the forgetting there is: the page of the table may serve another space, which finds the slot
 * stale.
 *
 * Choice. A root keeps its slot. One that has none takes over a slot in which there is nothing to keep (nobody's, or stale),
 * else the one that was not loaded for longest; what it held is flushed by that load.
 *
 * Order. Let the processor O load R while another one, I, invalidates a translation of R. Both do one thing after the
 * other, in an order that all agree about (every access below is sequentially consistent, writing CR3 waits for the writes
 * before it):
 *
 *   O1  percpu.root := R                            I1  writes the tables
 *   O2  finds R's slot, and stale := false;         I2  (fence)
 *       or takes one over: slot.root := R,          I3  reads slot.root of every slot
 *       stale := false                              I4  where it is R: slot.stale := true
 *   O3  writes CR3, which keeps what is known       I5  reads percpu.root, then percpu.leaving; where one is R: asks O,
 *       only if O2 found R's slot not stale             waits for its answer
 *   O4  percpu.leaving := R
 *
 * Claim: after I5, O uses no translation of R that was read before I1. What O learns after I2 is new, whatever it
 * loads. What it learned before lies in the slot that was R's then, under that identifier.
 *
 *   - I3 does not find R there. Then the slot was taken over (whoever writes slot.root next flushes it before it is used, and
 *     R, if it comes back, gets a slot by a load that flushes as well), or is given to R after I3, by a load that flushes after I1.
 *   - I3 finds R, and O clears the mark of I4, at O2. Then it flushes, at O3, after I1.
 *   - I3 finds R, and the mark stays. Then every load of R after I4 flushes first, and only one whose O2 came before I4 matters; its O1
 *     came before I5. If I5 reads R in root, O is asked. Else O has written a later root, S, since; and writes leaving := S only
 *     after CR3. So I5 reads R in leaving, and O is asked; or O has left R, and the mark waits for the next load.
 *
 * O answers with interrupts on, hence not between O1 and O4: it has R loaded, forgets the ranges, and is rid of the mark (pcid_unmark); or
 * it has not, and the mark stays. The mark that it takes off there is that of the request it answers: requests come one
 * after the other (shootdown.c), and an earlier one that had marked R after O2 has been answered. A mark that comes late, for a
 * root that has lost the slot to another, costs that one a flush.
 */
#include "pcid.h"

#include <stddef.h>

static struct pcid_slot *slot_of(struct pcid_set *set, zx_paddr_t root)
{
    for (unsigned i = 0; i < PCID_SLOTS; i++)
        if (atomic_load(&set->slots[i].root) == root)
            return &set->slots[i];
    return NULL;
}

static struct pcid_slot *slot_to_take(struct pcid_set *set)
{
    struct pcid_slot *oldest = &set->slots[0];
    for (struct pcid_slot *slot = set->slots; slot < set->slots + PCID_SLOTS; slot++) {
        if (atomic_load(&slot->root) == 0 || atomic_load(&slot->stale))
            return slot;
        if (slot->used < oldest->used)
            oldest = slot;
    }
    return oldest;
}

uint64_t pcid_load(struct pcid_set *set, zx_paddr_t root)
{
    struct pcid_slot *slot = slot_of(set, root);
    bool keeps = slot != NULL && !atomic_exchange(&slot->stale, false);

    if (slot == NULL) {
        slot = slot_to_take(set);
        atomic_store(&slot->root, root);
        atomic_store(&slot->stale, false);
    }
    slot->used = ++set->loads;
    return root | (uint64_t)(slot - set->slots) | (keeps ? CR3_NO_FLUSH : 0);
}

bool pcid_keeps(const struct pcid_set *set, zx_paddr_t root)
{
    for (unsigned i = 0; i < PCID_SLOTS; i++)
        if (atomic_load(&set->slots[i].root) == root)
            return !atomic_load(&set->slots[i].stale);
    return false;
}

void pcid_mark(struct pcid_set *set, bool (*is_concerned)(const void *context, zx_paddr_t root),
               const void *context)
{
    for (unsigned i = 0; i < PCID_SLOTS; i++) {
        zx_paddr_t root = atomic_load(&set->slots[i].root);
        if (root != 0 && is_concerned(context, root))
            atomic_store(&set->slots[i].stale, true);
    }
}

static bool is_any(const void *context, zx_paddr_t root)
{
    (void)context, (void)root;
    return true;
}

void pcid_mark_all(struct pcid_set *set)
{
    pcid_mark(set, is_any, NULL);
}

void pcid_unmark(struct pcid_set *set, zx_paddr_t root)
{
    struct pcid_slot *slot = slot_of(set, root);
    if (slot != NULL)
        atomic_store(&slot->stale, false);
}
