/* SPDX-License-Identifier: MIT */
/*
 * port_threads.c: the part of the host's port that is about threads of programs, waiting and time.
 *
 * The host runs no programs: starting a thread is NOT_SUPPORTED. Tests of what the core makes of threads may have it
 * say that they run (host_threads_start), and say themselves when they have ended.
 *
 * Whoever waits does so on one of a few condition variables, chosen by the address of the word: a wake-up there
 * wakes all of them, and each looks whether it was meant.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <vm/port.h>
#include <zircon/errors.h>

#include "host_port.h"

/* ---- Threads ---- */

static struct {
    atomic_bool run;
    atomic_uint_least64_t count;
    struct host_thread_entry last;
    void (*what)(void *context); /* is to happen while the next one is being started */
    void *context;
} started;

void host_interrupt_thread_start(void (*what)(void *context), void *context)
{
    started.what = what;
    started.context = context;
}

void host_threads_start(bool run)
{
    atomic_store(&started.run, run);
}

uint64_t host_threads_started(struct host_thread_entry *last)
{
    if (last != NULL)
        *last = started.last;
    return atomic_load(&started.count);
}

struct vm_thread *port_current_thread(void)
{
    return NULL;
}

zx_status_t port_thread_start(struct vm_thread *thread, const struct port_thread_entry *entry)
{
    void (*what)(void *context) = started.what;

    started.what = NULL;
    if (what != NULL)
        what(started.context);
    if (!port_allocation_allowed())
        return ZX_ERR_NO_MEMORY;
    if (!atomic_load(&started.run))
        return ZX_ERR_NOT_SUPPORTED;
    started.last = (struct host_thread_entry){.thread = thread,
                                              .entry = entry->entry,
                                              .stack = entry->stack,
                                              .arg1 = entry->arg1,
                                              .arg2 = entry->arg2};
    atomic_fetch_add(&started.count, 1);
    return ZX_OK;
}

void port_thread_exited(void)
{
    pthread_exit(NULL);
}

void port_process_killed(struct vm_process *process)
{
    (void)process; /* threads are those of tests, which end them */
}

static struct {
    void (*what)(void *context); /* is to happen when a long call next asks */
    void *context;
} long_call;

void host_interrupt_long_call(void (*what)(void *context), void *context)
{
    long_call.what = what;
    long_call.context = context;
}

bool port_go_on(void)
{
    void (*what)(void *context) = long_call.what;

    if (what != NULL) { /* no thread writes where no test asked for it */
        long_call.what = NULL;
        what(long_call.context);
    }
    return true;
}

/* ---- Time ---- */

static int64_t nanoseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t port_ticks(void)
{
    return nanoseconds_now();
}

int64_t port_ticks_per_second(void)
{
    return 1000000000;
}

int64_t port_clock(void)
{
    return nanoseconds_now();
}

/* ---- Waiting ---- */

#define PLACES 16

static struct place {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct waiter *waiters;
} places[PLACES];

/* One that waits; in its own stack frame. The list has the longest waiting first. */
struct waiter {
    struct waiter *next;
    const atomic_uint *word;
    bool woken;
};

static pthread_once_t places_made = PTHREAD_ONCE_INIT;

static void make_places(void)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    for (unsigned i = 0; i < PLACES; i++) {
        pthread_mutex_init(&places[i].mutex, NULL);
        pthread_cond_init(&places[i].changed, &attributes);
    }
    pthread_condattr_destroy(&attributes);
}

static struct place *place_of(const atomic_uint *word)
{
    pthread_once(&places_made, make_places);
    return &places[((uintptr_t)word >> 4) % PLACES];
}

/* Until it is woken or the deadline has passed; false: the latter. The place's mutex is held. */
static bool sleep_there(struct place *place, const struct waiter *waiter, int64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000), .tv_nsec = deadline % 1000000000};

    while (!waiter->woken) {
        if (deadline == INT64_MAX)
            pthread_cond_wait(&place->changed, &place->mutex);
        else if (deadline <= nanoseconds_now())
            return false;
        else
            pthread_cond_timedwait(&place->changed, &place->mutex, &until);
    }
    return true;
}

static void take_off(struct place *place, const struct waiter *waiter)
{
    struct waiter **at = &place->waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

/* Whoever changes the word wakes afterwards, with the same mutex: it is seen changed here, or the wake-up comes. */
zx_status_t port_wait(atomic_uint *word, unsigned value, int64_t deadline)
{
    struct place *place = place_of(word);
    struct waiter waiter = {.word = word};
    struct waiter **end = &place->waiters;
    bool woken = true;

    pthread_mutex_lock(&place->mutex);
    if (atomic_load(word) == value) {
        while (*end != NULL)
            end = &(*end)->next;
        *end = &waiter;
        woken = sleep_there(place, &waiter, deadline);
        take_off(place, &waiter);
    }
    pthread_mutex_unlock(&place->mutex);
    return woken ? ZX_OK : ZX_ERR_TIMED_OUT;
}

unsigned port_wake(atomic_uint *word, unsigned count)
{
    struct place *place = place_of(word);
    unsigned woken = 0;

    pthread_mutex_lock(&place->mutex);
    for (struct waiter *waiter = place->waiters; waiter != NULL && woken < count; waiter = waiter->next)
        if (waiter->word == word && !waiter->woken) {
            waiter->woken = true;
            woken++;
        }
    if (woken != 0)
        pthread_cond_broadcast(&place->changed);
    pthread_mutex_unlock(&place->mutex);
    return woken;
}
