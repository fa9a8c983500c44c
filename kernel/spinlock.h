/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h: the kernel's own short locks, taken with interrupts off, so that an interrupt may take them too. Not recursive; whoever holds
 * one takes no lock of the core's and waits for nobody.
 */
#ifndef KERNEL_SPINLOCK_H_
#define KERNEL_SPINLOCK_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_INTERRUPTS (1ull << 9)

/* Switches interrupts off; what they were, for interrupts_restore. */
static inline uint64_t interrupts_off(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_restore(uint64_t flags)
{
    if (flags & RFLAGS_INTERRUPTS)
        interrupts_on();
}

static inline bool interrupts_are_on(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
    return flags & RFLAGS_INTERRUPTS;
}

static inline void spin_pause(void)
{
    __asm__ volatile("pause");
}

struct spinlock {
    atomic_bool held;
};

/* Interrupts are off already, and stay so. */
static inline void spinlock_take(struct spinlock *lock)
{
    while (atomic_exchange_explicit(&lock->held, true, memory_order_acquire))
        while (atomic_load_explicit(&lock->held, memory_order_relaxed))
            spin_pause();
}

static inline bool spinlock_try(struct spinlock *lock)
{
    return !atomic_exchange_explicit(&lock->held, true, memory_order_acquire);
}

static inline void spinlock_give(struct spinlock *lock)
{
    atomic_store_explicit(&lock->held, false, memory_order_release);
}

/* What interrupts were, for spinlock_release. */
static inline uint64_t spinlock_acquire(struct spinlock *lock)
{
    uint64_t flags = interrupts_off();
    spinlock_take(lock);
    return flags;
}

static inline void spinlock_release(struct spinlock *lock, uint64_t flags)
{
    spinlock_give(lock);
    interrupts_restore(flags);
}

#endif /* KERNEL_SPINLOCK_H_ */
