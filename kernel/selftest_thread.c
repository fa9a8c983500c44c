/* SPDX-License-Identifier: MIT */
/*
 * selftest_thread.c: tests of threads, of what they wait at, and of the core's locks between them, on as many
 * processors as there are.
 */
#include <vm/port.h>

#include "clock.h"
#include "selftest.h"
#include "thread.h"

#define THREADS  8
#define ROUNDS   1000
#define TURNS    200
#define NAP      2000000 /* nanoseconds */
#define LONG_NAP 50000000

/* ---- One lock, many threads ---- */

static struct {
    struct port_mutex mutex;
    unsigned count;      /* under the mutex */
    atomic_uint inside;  /* threads that believe to hold it */
    atomic_uint crowded; /* more than one did */
    atomic_uint processors;
} shared;

static void count_up(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        port_mutex_lock(&shared.mutex);
        if (atomic_fetch_add(&shared.inside, 1) != 0)
            atomic_store(&shared.crowded, 1);
        shared.count++;
        if (i % 16 == 0)
            thread_yield(); /* with the lock held: others have to wait */
        atomic_fetch_sub(&shared.inside, 1);
        port_mutex_unlock(&shared.mutex);
        atomic_fetch_or(&shared.processors, 1u << percpu()->number);
    }
}

static void test_lock(void)
{
    struct thread *threads[THREADS];
    unsigned made = 0;
    port_mutex_init(&shared.mutex, PORT_LOCK_ASPACE);
    shared.count = 0;
    for (; made < THREADS; made++)
        if ((threads[made] = thread_create(count_up, NULL)) == NULL)
            break;
    for (unsigned i = 0; i < made; i++)
        thread_join(threads[i]);
    selftest_expect(made == THREADS, "threads can be made");
    selftest_expect(shared.count == made * ROUNDS && atomic_load(&shared.crowded) == 0,
                    "a lock lets one of them in at a time");
    selftest_expect(__builtin_popcount(atomic_load(&shared.processors)) <= (int)percpu_count(),
                    "they run where there are processors");
}

/* ---- By turns ---- */

static atomic_uint turn;

static void take_turns(void *context)
{
    (void)context;
    for (unsigned i = 0; i < TURNS; i++) {
        unsigned now;
        while ((now = atomic_load(&turn)) % 2 == 0)
            thread_wait(&turn, now, INT64_MAX);
        atomic_fetch_add(&turn, 1);
        thread_wake(&turn, 1);
    }
}

static void test_turns(void)
{
    atomic_store(&turn, 0);
    struct thread *other = thread_create(take_turns, NULL);
    for (unsigned i = 0; other != NULL && i < TURNS; i++) {
        unsigned now;
        atomic_fetch_add(&turn, 1);
        thread_wake(&turn, 1);
        while ((now = atomic_load(&turn)) % 2 != 0)
            thread_wait(&turn, now, INT64_MAX);
    }
    if (other != NULL)
        thread_join(other);
    selftest_expect(other != NULL && atomic_load(&turn) == 2 * TURNS, "two take turns, no wake is lost");
}

/* ---- Time ---- */

static void test_time(void)
{
    static atomic_uint word;
    int64_t before = clock_now();
    zx_status_t status = thread_wait(&word, 0, before + NAP);
    int64_t took = clock_now() - before;
    selftest_expect(status == ZX_ERR_TIMED_OUT && took >= NAP, "a wait ends at its deadline, not before");
    selftest_expect(thread_wait(&word, 1, INT64_MAX) == ZX_OK,
                    "a word that is another already ends it at once");
    selftest_expect(thread_wait(&word, 0, clock_now()) == ZX_ERR_TIMED_OUT,
                    "so does a deadline that is past");
    selftest_expect(thread_wake(&word, 1) == 0, "nobody waits there any more");
}

static atomic_uint naps[2];

static void nap(void *context)
{
    unsigned which = *(const unsigned *)context;
    int64_t before = clock_now();
    static atomic_uint word;
    thread_wait(&word, 0, before + (which == 0 ? LONG_NAP : NAP));
    atomic_store(&naps[which], atomic_load(&naps[1 - which]) != 0 ? 2 : 1);
}

static void test_sleepers(void)
{
    static const unsigned which[] = {0, 1};
    atomic_store(&naps[0], 0);
    atomic_store(&naps[1], 0);
    struct thread *longer = thread_create(nap, (void *)(uintptr_t)&which[0]);
    struct thread *shorter = thread_create(nap, (void *)(uintptr_t)&which[1]);
    if (longer != NULL)
        thread_join(longer);
    if (shorter != NULL)
        thread_join(shorter);
    selftest_expect(atomic_load(&naps[1]) == 1 && atomic_load(&naps[0]) == 2,
                    "of two sleepers the one that is due first wakes first");
}

/* ---- Places ---- */

static void test_pin(void)
{
    bool fine = true;
    for (unsigned i = 0; i < percpu_count(); i++) {
        thread_pin((int)i);
        thread_yield();
        fine &= percpu()->number == i;
    }
    thread_pin(0);
    selftest_expect(fine, "a thread runs on the processor that it asks for");
}

void selftest_threads(void)
{
    test_lock();
    test_turns();
    test_time();
    test_sleepers();
    test_pin();
}
