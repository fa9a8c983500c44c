/* SPDX-License-Identifier: MIT */
/*
 * percpu.h: what each processor has for itself. In the kernel the processor's GS base leads there; every way in from
 * ring 3 and every way out exchanges it for the program's (entry.S). Also read by assembly.
 */
#ifndef KERNEL_PERCPU_H_
#define KERNEL_PERCPU_H_

#define PERCPU_MAX 16 /* processors that are used */

/* Offsets, for assembly. */
#define PERCPU_SELF     0
#define PERCPU_THREAD   8
#define PERCPU_STACK    16
#define PERCPU_USER_RSP 24
#define PERCPU_TSS      32

#ifndef __ASSEMBLER__
#    include <stdatomic.h>
#    include <stdbool.h>
#    include <stddef.h>
#    include <stdint.h>
#    include <zircon/types.h>

#    include "pcid.h"

struct thread;
struct tss;

struct percpu {
    struct percpu *self;
    struct thread *thread; /* that it runs */
    uint64_t stack;        /* top of that thread's kernel stack: where ring 3 comes in */
    uint64_t user_rsp;     /* for a moment, while a system call comes in */
    struct tss *tss;
    unsigned number; /* from 0, which is the one that booted */
    uint32_t apic_id;
    struct thread *idle;           /* what it runs when there is nothing to do */
    int64_t slice_end;             /* when others go first, if any are ready */
    _Atomic(zx_paddr_t) root;      /* the top-level table that it has loaded; written before that */
    _Atomic(zx_paddr_t) leaving;   /* the one that it had until then; written after that, the same again */
    struct pcid_set pcids;         /* and those that it had before, where it knows them apart */
    atomic_bool online;            /* takes interrupts from other processors */
    atomic_bool reschedule;        /* somebody else is to run: looked at on the way out to ring 3 */
    uint64_t switches, shootdowns; /* for people */
};

static inline struct percpu *percpu(void)
{
    struct percpu *self;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(self));
    return self;
}

/* Sets up the first processor's; before any trap can come. */
void percpu_start(void);

/* Those that are used, counted from 1; they stay, once they are there. */
unsigned percpu_count(void);
struct percpu *percpu_at(unsigned number);

/* ---- For those who start processors (smp.c), one at a time ---- */

/* The next one, with a number, for the caller to fill in; null: there is room for no more. */
struct percpu *percpu_prepare(void);
/* The one that was prepared runs: from now on it counts. */
void percpu_add(void);
/* Makes it the running processor's. */
void percpu_load(struct percpu *processor);

#    define STATIC_ASSERT_OFFSET(field, offset)                                                              \
        _Static_assert(__builtin_offsetof(struct percpu, field) == (offset), "assembly knows it")
STATIC_ASSERT_OFFSET(self, PERCPU_SELF);
STATIC_ASSERT_OFFSET(thread, PERCPU_THREAD);
STATIC_ASSERT_OFFSET(stack, PERCPU_STACK);
STATIC_ASSERT_OFFSET(user_rsp, PERCPU_USER_RSP);
STATIC_ASSERT_OFFSET(tss, PERCPU_TSS);
#    undef STATIC_ASSERT_OFFSET
#endif

#endif /* KERNEL_PERCPU_H_ */
