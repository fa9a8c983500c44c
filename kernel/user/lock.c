/* SPDX-License-Identifier: MIT */
/* lock.c: locks of a program. There is nothing to wait on in user memory, so who finds one taken sleeps a little longer each time. */
#include <stdatomic.h>

#include "runtime.h"

#define SPINS       64
#define SLEEP_FIRST 1000 /* nanoseconds */
#define SLEEP_MAX   1000000

void lock_take(struct lock *lock)
{
    zx_duration_t sleep = SLEEP_FIRST;
    for (unsigned spins = 0; atomic_exchange_explicit(&lock->taken, 1, memory_order_acquire) != 0; spins++) {
        if (spins < SPINS) {
            __builtin_ia32_pause();
            continue;
        }
        (void)zx_nanosleep(zx_clock_get_monotonic() + sleep);
        if (sleep < SLEEP_MAX)
            sleep *= 2;
    }
}

void lock_give(struct lock *lock)
{
    atomic_store_explicit(&lock->taken, 0, memory_order_release);
}
