/* SPDX-License-Identifier: MIT */
/*
 * thread.c: threads, and which of them a processor runs.
 *
 * Concept. Threads that are ready stand in one queue for all processors, or in that of the one processor that may run
 * them. A processor takes the first, and goes on with it until it waits, ends, or comes back to ring 3, or to a copy
 * for a program, with somebody else ready; then it is the last in the queue. A thread waits at a word: it is told who expects which value there, and
 * looks under the scheduler's lock, so that a wake between the look and the wait is not lost. Whatever else is waited
 * for (locks, the end of a thread, a time) is made of that.
 *
 * Time. A thread that a processor takes has a slice of time, after which others go first, if any are ready. The timer runs
 * only where somebody waits for it: while others are ready, until the slice ends; while threads sleep, until the first of
 * them is due. A single program is never interrupted. So a processor that was alone with its thread does not look when
 * others become ready: the one whose slice ends next, with some still waiting, tells those that are over time. Who makes
 * somebody ready tells an idle processor, or none.
 *
 * Who changes. One thread's call of thread_switch is another's return from it. The scheduler's lock is held across it,
 * taken by the one and given up by the other. The processor keeps the page tables of the last space that it ran in while
 * it runs the kernel alone: what the core forgets to invalidate shows later. When it is idle and asked to forget something of
 * it, it leaves it (shootdown.c).
 *
 * Ends. A thread that has ended cannot free the stack that it stands on. Whoever makes a thread next takes over what
 * is left of it, or thread_join does.
 *
 * Locking. One spinlock, below which nothing is called but the interrupt controller and the clock. Cost: O(1), but
 * for sleepers, who stand in a list by deadline, and words, which share 64 queues.
 */
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>
#include <vm/thread.h>

#include "apic.h"
#include "buffer.h"
#include "clock.h"
#include "fpu.h"
#include "io.h"
#include "paging.h"
#include "power.h"
#include "spinlock.h"
#include "thread.h"
#include "trap.h"

#define STACK_SIZE   (4 * ZX_PAGE_SIZE)
#define SLICE        10000000 /* nanoseconds */
#define QUEUES       64
#define FOR_EVER     INT64_MAX
#define CALLEE_SAVED 6

/* entry.S */
void thread_switch(uint64_t *from, uint64_t to);
void thread_begin(void);
_Noreturn void thread_enter_user(const struct trap_frame *frame);
_Noreturn void thread_first(void);

/* boot.S */
extern uint8_t boot_stack_end[];

static struct spinlock lock;
static struct list_node ready, ready_pinned[PERCPU_MAX], waiting[QUEUES], sleeping, all, ended;
static struct thread first; /* that booted */
static bool started;

static struct list_node *queue_of(const atomic_uint *word)
{
    uint64_t hash = (uintptr_t)word / sizeof(*word) * 0x9e3779b97f4a7c15ull;
    return &waiting[hash >> 58];
}

/* ---- Ready threads; under the lock ---- */

static void wake_idle_processor(const struct thread *thread)
{
    for (unsigned i = 0; i < percpu_count(); i++) {
        struct percpu *other = percpu_at(i);
        bool fits = thread->pinned < 0 ? other->thread == other->idle : (unsigned)thread->pinned == i;
        if (other == percpu() || !fits || !atomic_load(&other->online))
            continue;
        apic_send(other->apic_id, TRAP_RESCHEDULE);
        return;
    }
}

static void make_ready(struct thread *thread)
{
    thread->state = THREAD_READY;
    list_add_tail(thread->pinned < 0 ? &ready : &ready_pinned[thread->pinned], &thread->queue);
    wake_idle_processor(thread);
}

static struct thread *take_ready(void)
{
    struct list_node *node = list_pop_head(&ready_pinned[percpu()->number]);
    if (node == NULL)
        node = list_pop_head(&ready);
    return node != NULL ? container_of(node, struct thread, queue) : NULL;
}

static bool others_are_ready(void)
{
    return !list_is_empty(&ready) || !list_is_empty(&ready_pinned[percpu()->number]);
}

/* ---- Waiting; under the lock ---- */

static void sleep_until(struct thread *thread, int64_t deadline)
{
    struct list_node *at = sleeping.prev;
    while (at != &sleeping && container_of(at, struct thread, sleep)->deadline > deadline)
        at = at->prev;
    thread->deadline = deadline;
    list_insert_before(at->next, &thread->sleep);
}

static void end_wait(struct thread *thread, zx_status_t answer)
{
    thread->answer = answer;
    list_remove(&thread->queue);
    if (list_is_linked(&thread->sleep))
        list_remove(&thread->sleep);
    make_ready(thread);
}

static void wake_sleepers(void)
{
    int64_t now = list_is_empty(&sleeping) ? 0 : clock_now();
    while (!list_is_empty(&sleeping)) {
        struct thread *thread = container_of(sleeping.next, struct thread, sleep);
        if (thread->deadline > now)
            return;
        end_wait(thread, ZX_ERR_TIMED_OUT);
    }
}

/* Until this processor has to look for somebody else. */
static void arm_timer(void)
{
    int64_t until = FOR_EVER;
    if (!apic_is_there())
        return;
    if (!list_is_empty(&sleeping))
        until = container_of(sleeping.next, struct thread, sleep)->deadline;
    if (others_are_ready() && percpu()->slice_end < until)
        until = percpu()->slice_end;
    if (until == FOR_EVER)
        apic_timer_cancel();
    else
        apic_timer_arm(until - clock_now());
}

/* ---- From one thread to the next; under the lock ---- */

static void exchange_user_state(struct thread *from, struct thread *to)
{
    if (from->extended != NULL && from->state != THREAD_ENDED) {
        fpu_save(from->extended);
        gdt_save_selectors(&from->selectors);
    }
    if (to->extended != NULL) {
        fpu_restore(to->extended);
        gdt_load_selectors(&to->selectors);
    }
}

/* Loads the tables of the space of a program's thread, if it has one: not while it ends. False: the space is gone. */
static bool load_space(const struct thread *thread)
{
    if (thread->object == NULL || thread->aspace == NULL)
        return true;
    if (paging_switch_to_space(thread->aspace)) {
        vm_aspace_note_active(thread->aspace);
        return true;
    }
    paging_switch(paging_kernel_root());
    return false;
}

/* Runs somebody else, where there is anybody or this thread does not want to go on. */
static void schedule(void)
{
    struct percpu *self = percpu();
    struct thread *from = self->thread, *to = take_ready();
    if (to == NULL)
        to = from->state == THREAD_RUNNING ? from : self->idle;
    if (to != from) {
        if (from->state == THREAD_RUNNING && from != self->idle)
            make_ready(from);
        to->state = THREAD_RUNNING;
        to->processor = self->number;
        self->thread = to;
        self->stack = to->stack_top;
        self->switches++;
        gdt_set_kernel_stack(to->stack_top);
        exchange_user_state(from, to);
        load_space(to);
    }
    atomic_store(&self->reschedule, false);
    self->slice_end = clock_now() + SLICE;
    arm_timer();
    if (to != from)
        thread_switch(&from->rsp, to->rsp);
}

static zx_status_t thread_block(atomic_uint *word, unsigned value, int64_t deadline, bool may_be_canceled)
{
    struct thread *thread = thread_current();
    zx_status_t answer = ZX_OK;
    if (!started)
        power_fail("thread: a wait before there is anybody to wait for");
    uint64_t flags = spinlock_acquire(&lock);
    if (atomic_load(word) != value) {
        answer = ZX_OK;
    } else if (may_be_canceled && atomic_load(&thread->killed)) {
        answer = ZX_ERR_CANCELED;
    } else if (deadline != FOR_EVER && deadline <= clock_now()) {
        answer = ZX_ERR_TIMED_OUT;
    } else {
        thread->word = word;
        thread->may_be_canceled = may_be_canceled;
        thread->state = THREAD_WAITING;
        list_add_tail(queue_of(word), &thread->queue);
        if (deadline != FOR_EVER)
            sleep_until(thread, deadline);
        schedule();
        answer = thread->answer;
    }
    spinlock_release(&lock, flags);
    return answer;
}

zx_status_t thread_wait(atomic_uint *word, unsigned value, int64_t deadline)
{
    return thread_block(word, value, deadline, true);
}

void thread_wait_lock(atomic_uint *word, unsigned value)
{
    thread_block(word, value, FOR_EVER, false);
}

unsigned thread_wake(atomic_uint *word, unsigned count)
{
    unsigned woken = 0;
    uint64_t flags = spinlock_acquire(&lock);
    struct list_node *queue = queue_of(word), *next;
    for (struct list_node *node = queue->next; node != queue && woken < count; node = next) {
        struct thread *thread = container_of(node, struct thread, queue);
        next = node->next;
        if (thread->word != word)
            continue;
        end_wait(thread, ZX_OK);
        woken++;
    }
    if (woken != 0 && started)
        arm_timer();
    spinlock_release(&lock, flags);
    return woken;
}

void thread_yield(void)
{
    uint64_t flags = spinlock_acquire(&lock);
    wake_sleepers();
    schedule();
    spinlock_release(&lock, flags);
}

bool thread_goes_on(void)
{
    if (atomic_load_explicit(&percpu()->reschedule, memory_order_relaxed))
        thread_yield();
    return !atomic_load(&thread_current()->killed);
}

void thread_pin(int processor)
{
    uint64_t flags = spinlock_acquire(&lock);
    struct thread *thread = thread_current();
    thread->pinned = processor;
    if (processor >= 0 && (unsigned)processor != percpu()->number) {
        make_ready(thread);
        thread->state = THREAD_READY;
        schedule();
    }
    spinlock_release(&lock, flags);
}

/* The other processors whose threads had their time, and do not know that somebody waits. */
static void tell_those_over_time(int64_t now)
{
    for (unsigned i = 0; i < percpu_count(); i++) {
        struct percpu *other = percpu_at(i);
        if (other != percpu() && other->thread != other->idle && other->slice_end <= now &&
            atomic_load(&other->online) && !atomic_load(&other->reschedule))
            apic_send(other->apic_id, TRAP_RESCHEDULE);
    }
}

/* The timer, or another processor, wants this one to look for what to run next. A sleeper that is due takes nothing from
   the slice that runs, or it would always be the same thread's, where times go together. */
static void tick(void)
{
    apic_end_interrupt();
    uint64_t flags = spinlock_acquire(&lock);
    int64_t now = clock_now();
    wake_sleepers();
    if (others_are_ready() && percpu()->slice_end <= now) {
        atomic_store(&percpu()->reschedule, true);
        if (!list_is_empty(&ready))
            tell_those_over_time(now);
    } else {
        arm_timer();
    }
    spinlock_release(&lock, flags);
}

bool thread_load_space(void)
{
    uint64_t flags = interrupts_off();
    bool loaded = load_space(thread_current());
    interrupts_restore(flags);
    return loaded;
}

void thread_before_user(void)
{
    struct thread *thread = thread_current();
    for (;;) {
        if (atomic_load_explicit(&percpu()->reschedule, memory_order_relaxed)) {
            thread_yield();
            continue;
        }
        if (thread->object == NULL) /* a visit's own affair */
            return;
        if (!load_space(thread) || atomic_load(&thread->killed)) {
            interrupts_on();
            thread_exit();
        }
        return;
    }
}

/* ---- Beginnings ---- */

/* Never returns where the thread is new: it was made to look as if it had called thread_switch. */
static void prepare_stack(struct thread *thread)
{
    uint64_t *top = (uint64_t *)thread->stack_top;
    *--top = (uintptr_t)thread_begin;
    for (unsigned i = 0; i < CALLEE_SAVED; i++)
        *--top = 0;
    thread->rsp = (uintptr_t)top;
}

void thread_first(void)
{
    struct thread *thread = thread_current();
    spinlock_give(&lock);
    if (thread->object != NULL) {
        thread_before_user();
        thread_enter_user(&thread->first);
    }
    interrupts_on();
    thread->function(thread->context);
    thread_exit();
}

static void free_thread(struct thread *thread)
{
    if (thread->extended != NULL)
        buffer_give(thread->extended, fpu_size());
    buffer_give(thread->stack, STACK_SIZE);
    buffer_give(thread, sizeof(*thread));
}

/* Threads of programs that have ended, and that nobody joins. */
static void free_ended(void)
{
    for (;;) {
        uint64_t flags = spinlock_acquire(&lock);
        struct list_node *node = list_pop_head(&ended);
        spinlock_release(&lock, flags);
        if (node == NULL)
            return;
        free_thread(container_of(node, struct thread, queue));
    }
}

static struct thread *allocate(bool user)
{
    free_ended();
    struct thread *thread = buffer_take(sizeof(*thread));
    if (thread == NULL)
        return NULL;
    memset(thread, 0, sizeof(*thread));
    thread->pinned = -1;
    thread->stack = buffer_take(STACK_SIZE);
    if (user)
        thread->extended = buffer_take(fpu_size());
    if (thread->stack == NULL || (user && thread->extended == NULL)) {
        free_thread(thread);
        return NULL;
    }
    thread->stack_top = (uintptr_t)thread->stack + STACK_SIZE;
    prepare_stack(thread);
    return thread;
}

static void enlist(struct thread *thread)
{
    uint64_t flags = spinlock_acquire(&lock);
    list_add_tail(&all, &thread->all);
    make_ready(thread);
    arm_timer();
    spinlock_release(&lock, flags);
}

struct thread *thread_create(void (*function)(void *context), void *context)
{
    struct thread *thread = allocate(false);
    if (thread == NULL)
        return NULL;
    thread->function = function;
    thread->context = context;
    thread->process = thread_current()->process;
    enlist(thread);
    return thread;
}

static bool may_be_user(zx_vaddr_t va)
{
    return va < VM_USER_ASPACE_BASE + VM_USER_ASPACE_SIZE;
}

zx_status_t thread_start_user(struct vm_thread *object, zx_vaddr_t entry, zx_vaddr_t stack, uint64_t arg1,
                              uint64_t arg2)
{
    struct thread *thread = allocate(true); /* the core knows both for addresses of user space */
    if (thread == NULL)
        return ZX_ERR_NO_MEMORY;
    fpu_init(thread->extended);
    thread->object = object;
    thread->process = vm_thread_process(object);
    thread->aspace = vm_thread_aspace(object);
    thread->first = (struct trap_frame){.rip = entry,
                                        .rsp = stack,
                                        .rdi = arg1,
                                        .rsi = arg2,
                                        .cs = SELECTOR_USER_CODE,
                                        .ss = SELECTOR_USER_DATA,
                                        .rflags = RFLAGS_INTERRUPTS | 2};
    enlist(thread);
    return ZX_OK;
}

zx_status_t thread_set_fault_handler(zx_vaddr_t handler, bool every)
{
    if (!may_be_user(handler))
        return ZX_ERR_INVALID_ARGS;
    thread_current()->fault_handler = handler;
    thread_current()->every_fault = every;
    return ZX_OK;
}

bool thread_others_wait(void)
{
    bool quiet = true;
    uint64_t flags = spinlock_acquire(&lock);
    list_for_each(node, &all)
    {
        const struct thread *thread = container_of(node, struct thread, all);
        if (thread != thread_current() && thread->state != THREAD_WAITING)
            quiet = false;
    }
    spinlock_release(&lock, flags);
    return quiet;
}

/* ---- Ends ---- */

void thread_exit(void)
{
    struct thread *thread = thread_current();
    bool user = thread->object != NULL;
    if (user) {
        free_ended();          /* as many as die at once stay behind, not all that ever died */
        thread->aspace = NULL; /* it may go with the thread, and who waits for a lock then comes back */
        vm_thread_ended(thread->object);
    }
    interrupts_off();
    spinlock_take(&lock);
    list_remove(&thread->all);
    thread->state = THREAD_ENDED;
    atomic_store(&thread->ended, 1);
    if (user)
        list_add_tail(&ended, &thread->queue);
    /* woken here, they cannot run before this processor has left the stack: the lock is held until then */
    struct list_node *queue = queue_of(&thread->ended), *next;
    for (struct list_node *node = queue->next; node != queue; node = next) {
        struct thread *joiner = container_of(node, struct thread, queue);
        next = node->next;
        if (joiner->word == &thread->ended)
            end_wait(joiner, ZX_OK);
    }
    schedule();
    power_fail("thread: one that has ended goes on");
}

void thread_join(struct thread *thread)
{
    while (atomic_load(&thread->ended) == 0)
        thread_wait_lock(&thread->ended, 0);
    uint64_t flags = spinlock_acquire(&lock); /* it has left its stack */
    spinlock_release(&lock, flags);
    free_thread(thread);
}

void thread_kill(struct vm_process *process)
{
    uint64_t flags = spinlock_acquire(&lock);
    list_for_each(node, &all)
    {
        struct thread *thread = container_of(node, struct thread, all);
        if (thread->object == NULL || thread->process != process)
            continue;
        atomic_store(&thread->killed, true);
        if (thread->state == THREAD_WAITING && thread->may_be_canceled)
            end_wait(thread, ZX_ERR_CANCELED);
        else if (thread->state == THREAD_RUNNING && thread->processor != percpu()->number)
            apic_send(percpu_at(thread->processor)->apic_id, TRAP_RESCHEDULE);
    }
    arm_timer();
    spinlock_release(&lock, flags);
}

/* ---- Processors ---- */

void thread_start_first(void)
{
    list_init(&ready);
    list_init(&sleeping);
    list_init(&all);
    list_init(&ended);
    for (unsigned i = 0; i < PERCPU_MAX; i++)
        list_init(&ready_pinned[i]);
    for (unsigned i = 0; i < QUEUES; i++)
        list_init(&waiting[i]);
    first.pinned = 0;
    first.state = THREAD_RUNNING;
    first.stack_top = (uintptr_t)boot_stack_end;
    list_add_tail(&all, &first.all);
    percpu()->thread = &first;
    percpu()->stack = first.stack_top;
    gdt_set_kernel_stack(first.stack_top);
}

static _Noreturn void idle_loop(void)
{
    for (;;) {
        interrupts_off();
        spinlock_take(&lock);
        wake_sleepers();
        schedule();
        spinlock_give(&lock);
        if (apic_is_there())
            __asm__ volatile("sti; hlt" : : : "memory");
        else
            __asm__ volatile("sti; pause" : : : "memory"); /* nothing would wake it for a sleeper */
    }
}

static void run_idle(void *context)
{
    (void)context;
    idle_loop();
}

bool thread_start_scheduler(void)
{
    struct thread *idle = allocate(false);
    if (idle == NULL)
        return false;
    idle->function = run_idle;
    idle->pinned = 0;
    percpu()->idle = idle;
    trap_set_handler(TRAP_TIMER, tick);
    trap_set_handler(TRAP_RESCHEDULE, tick);
    started = true;
    interrupts_on();
    return true;
}

void thread_run_processor(struct thread *idle)
{
    idle->state = THREAD_RUNNING;
    idle->pinned = (int)percpu()->number;
    idle->processor = percpu()->number;
    percpu()->idle = percpu()->thread = idle;
    atomic_store(&percpu()->online, true);
    idle_loop();
}
