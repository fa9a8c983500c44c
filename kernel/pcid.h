/* SPDX-License-Identifier: MIT */
/*
 * pcid.h: process-context identifiers: whose translations a processor keeps while it has another space loaded. Nothing
 * here touches hardware.
 */
#ifndef KERNEL_PCID_H_
#define KERNEL_PCID_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

#define PCID_SLOTS   6 /* identifiers that a processor uses, from 0 */
#define CR3_NO_FLUSH (1ull << 63)

struct pcid_slot {
    _Atomic(zx_paddr_t) root; /* whose the identifier is; 0: nobody's. The owner writes it */
    atomic_bool stale;        /* the next load is to flush. Anybody sets it, the owner clears it */
    uint64_t used;            /* the load, counted, that used it last: the owner's */
};

/* Of one processor, its owner. All zero: it has loaded nothing. */
struct pcid_set {
    struct pcid_slot slots[PCID_SLOTS];
    uint64_t loads;
};

/*
 * For the owner, interrupts off, who has noted in its percpu that it loads this root and loads it next: what it writes into
 * CR3. What is kept from before, if anything, is not stale. The first load of all is identifier 0 and flushes: the root
 * itself, as it has to be while CR4.PCIDE is not set. Cost: the slots.
 */
uint64_t pcid_load(struct pcid_set *set, zx_paddr_t root);

/* Whether pcid_load would keep what is known of that root. For the owner. */
bool pcid_keeps(const struct pcid_set *set, zx_paddr_t root);

/* For anybody, without a lock: what the slots know whose root is_concerned is forgotten at their next load. Cost: a question a slot in
   use. */
void pcid_mark(struct pcid_set *set, bool (*is_concerned)(const void *context, zx_paddr_t root),
               const void *context);
void pcid_mark_all(struct pcid_set *set);

/* For the owner, interrupts off, who has that root loaded and has forgotten what was to be forgotten of it: nothing is stale. */
void pcid_unmark(struct pcid_set *set, zx_paddr_t root);

#endif /* KERNEL_PCID_H_ */
