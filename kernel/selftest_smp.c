/* SPDX-License-Identifier: MIT */
/*
 * selftest_smp.c: tests of what several processors do to each other: translations of the kernel's own that one of them takes
 * away, exceptions on each, one time for all; and of the tables that say which processors there are, damaged in
 * every way. They run with one processor as well, where most are easy.
 */
#include <vm/aspace.h>
#include <vm/mem.h>
#include <zircon/errors.h>

#include "acpi.h"
#include "buffer.h"
#include "clock.h"
#include "paging.h"
#include "percpu.h"
#include "replay.h"
#include "selftest.h"
#include "spinlock.h"
#include "thread.h"
#include "trap.h"

#define ROUNDS 40
#define SIZE   (3 * ZX_PAGE_SIZE)

/* ---- Each processor by itself ---- */

static void read_byte(void *address)
{
    (void)*(volatile const char *)address;
}

static bool faults(void *address)
{
    struct trap_frame frame;
    uint64_t cr2;
    return trap_catch(read_byte, address, &frame, &cr2) && frame.vector == TRAP_PAGE_FAULT &&
           cr2 == (uintptr_t)address;
}

static void test_each(void)
{
    bool caught = true, shown = true, forgotten = true;
    int64_t last = clock_now();
    bool forward = true;

    for (unsigned i = 0; i < percpu_count(); i++) {
        char *buffer = buffer_take(ZX_PAGE_SIZE);
        if (buffer == NULL) {
            selftest_expect(false, "a buffer");
            return;
        }
        buffer[0] = 1;
        for (unsigned j = 0; j < percpu_count(); j++) {
            thread_pin((int)j);
            caught &= faults(NULL);
            shown &= !faults(buffer);
            forward &= clock_now() >= last;
            last = clock_now();
        }
        thread_pin((int)i);
        buffer_give(buffer, ZX_PAGE_SIZE);
        for (unsigned j = 0; j < percpu_count(); j++) {
            thread_pin((int)j);
            forgotten &= faults(buffer);
        }
    }
    thread_pin(0);
    selftest_expect(caught, "each processor takes its exceptions");
    selftest_expect(shown, "each sees the kernel's own memory");
    selftest_expect(forgotten, "none sees what another one has given back");
    selftest_expect(forward, "time goes forward from one to the next");
}

/* ---- All at once ---- */

static atomic_uint spoiled, used;

/* What is taken away here is in use there at the same addresses next. */
static void take_and_give(void *context)
{
    unsigned self = *(const unsigned *)context;
    thread_pin((int)self);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t *buffer = buffer_take(SIZE);
        if (buffer == NULL) {
            atomic_fetch_add(&spoiled, 1);
            return;
        }
        memset(buffer, (int)(self + 1), SIZE);
        thread_yield();
        for (size_t j = 0; j < SIZE; j++)
            if (buffer[j] != self + 1)
                atomic_fetch_add(&spoiled, 1);
        buffer_give(buffer, SIZE);
    }
    atomic_fetch_or(&used, 1u << percpu()->number);
}

static void test_all(void)
{
    static unsigned numbers[PERCPU_MAX];
    struct thread *threads[PERCPU_MAX];
    unsigned count = percpu_count(), made = 0;

    atomic_store(&spoiled, 0);
    atomic_store(&used, 0);
    for (; made < count; made++) {
        numbers[made] = made;
        if ((threads[made] = thread_create(take_and_give, &numbers[made])) == NULL)
            break;
    }
    for (unsigned i = 0; i < made; i++)
        thread_join(threads[i]);
    selftest_expect(made == count && atomic_load(&used) == (1u << count) - 1,
                    "all processors take and give at once");
    selftest_expect(atomic_load(&spoiled) == 0, "and nobody finds another's bytes");
}

/* ---- Spaces that go ---- */

#define SPACES   100
#define REUSED   (4 * ZX_PAGE_SIZE)
#define ATTEMPTS 50

static struct vm_aspace *_Atomic space; /* null: no more */
static atomic_uint attempts;

static void enter_spaces(void *context)
{
    struct vm_aspace *at;
    thread_pin((int)*(const unsigned *)context);
    while ((at = atomic_load(&space)) != NULL) {
        paging_switch_to_space(at);
        paging_switch(paging_kernel_root());
        atomic_fetch_add(&attempts, 1);
    }
}

/* Whoever still uses its top-level table will not for long. */
static bool destroy_and_spoil(struct vm_aspace *aspace)
{
    vm_aspace_destroy(aspace);
    void *reused = buffer_take(REUSED);
    if (reused != NULL)
        memset(reused, 0, REUSED);
    bool left = !paging_switch_to_space(aspace) && percpu()->root == paging_kernel_root();
    buffer_give(reused, REUSED);
    return reused != NULL && left;
}

static bool make_and_destroy_spaces(struct vm_aspace *spaces[SPACES])
{
    bool fine = true;
    for (unsigned i = 0; i < SPACES; i++) {
        spaces[i] = vm_aspace_create(VM_ASPACE_USER, "gone");
        if (spaces[i] == NULL)
            return false;
        fine &= paging_switch_to_space(spaces[i]);
        unsigned before = atomic_load(&attempts);
        atomic_store(&space, spaces[i]);
        while (percpu_count() > 1 && atomic_load(&attempts) - before < ATTEMPTS)
            spin_pause();
        fine &= destroy_and_spoil(spaces[i]);
    }
    return fine;
}

static void test_spaces(void)
{
    static unsigned numbers[PERCPU_MAX];
    struct thread *threads[PERCPU_MAX] = {NULL};
    struct vm_aspace *spaces[SPACES] = {vm_aspace_create(VM_ASPACE_USER, "first")};
    bool fine = spaces[0] != NULL;
    struct vm_aspace *before = spaces[0];

    atomic_store(&space, before);
    for (unsigned i = 1; fine && i < percpu_count(); i++) {
        numbers[i] = i;
        threads[i] = thread_create(enter_spaces, &numbers[i]);
        fine &= threads[i] != NULL;
    }
    fine = fine && make_and_destroy_spaces(spaces);
    atomic_store(&space, NULL);
    for (unsigned i = 1; i < percpu_count(); i++)
        if (threads[i] != NULL)
            thread_join(threads[i]);
    if (before != NULL) {
        vm_aspace_destroy(before);
        vm_aspace_release(before);
    }
    for (unsigned i = 0; i < SPACES; i++)
        if (spaces[i] != NULL && spaces[i] != before)
            vm_aspace_release(spaces[i]);
    selftest_expect(fine, "a space that goes is entered by nobody, and left by all");
}

/* ---- The firmware's tables ---- */

/* As they lie in memory, one behind the other. */
struct tables {
    uint8_t pointer[36], list[36 + 8], madt[44 + 8 + 8 + 8 + 12 + 16];
};

static struct tables *tables;
static zx_paddr_t where;

static void put(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, size);
}

static void add_up(uint8_t *table, size_t size, size_t checksum)
{
    uint8_t sum = 0;
    table[checksum] = 0;
    for (size_t i = 0; i < size; i++)
        sum += table[i];
    table[checksum] = (uint8_t)-sum;
}

static void sum_all(void)
{
    add_up(tables->pointer, 20, 8);
    add_up(tables->pointer, 36, 32);
    add_up(tables->list, sizeof(tables->list), 9);
    add_up(tables->madt, sizeof(tables->madt), 9);
}

/* Three processors that may be used, one of them twice, and one that may not. */
static void make_tables(void)
{
    memset(tables, 0, sizeof(*tables));
    memcpy(tables->pointer, "RSD PTR ", 8);
    tables->pointer[15] = 2;
    put(tables->pointer + 20, 36, 4);
    put(tables->pointer + 24, where + __builtin_offsetof(struct tables, list), 8);
    memcpy(tables->list, "XSDT", 4);
    put(tables->list + 4, sizeof(tables->list), 4);
    put(tables->list + 36, where + __builtin_offsetof(struct tables, madt), 8);
    memcpy(tables->madt, "APIC", 4);
    put(tables->madt + 4, sizeof(tables->madt), 4);
    put(tables->madt + 36, 0xfee00000, 4);
    uint8_t *entry = tables->madt + 44;
    memcpy(entry, (const uint8_t[]){0, 8, 0, 7, 1, 0, 0, 0}, 8);
    memcpy(entry + 8, (const uint8_t[]){0, 8, 1, 9, 0, 0, 0, 0}, 8);
    memcpy(entry + 16, (const uint8_t[]){0, 8, 2, 11, 1, 0, 0, 0}, 8);
    memcpy(entry + 24, (const uint8_t[]){5, 12, 0, 0, 0, 0x10, 0xe0, 0xfe}, 8);
    memcpy(entry + 36, (const uint8_t[]){9, 16, 0, 0, 11, 0, 0, 0, 1}, 9);
    sum_all();
}

static void expect_processors(unsigned count, zx_paddr_t apic, const char *what)
{
    struct acpi_processors found;
    acpi_find_processors(tables->pointer, sizeof(tables->pointer), &found);
    selftest_expect(found.count == count && found.apic == apic && (count == 0 || found.ids[0] == 7), what);
}

static void damage(uint8_t *at, uint64_t value, size_t size, bool sum, const char *what)
{
    make_tables();
    put(at, value, size);
    if (sum)
        sum_all();
    expect_processors(0, 0, what);
}

static void test_tables(void)
{
    struct pmm_range memory = replay_memory(2);
    if (memory.base == 0)
        return;
    where = memory.base + ZX_PAGE_SIZE - 60; /* the list lies across the end of the page */
    tables = physical_to_virtual(where);
    make_tables();
    expect_processors(2, 0xfee01000, "firmware tables: those that may be used, once each");
    damage(tables->pointer, 0, 1, true, "a pointer that is none");
    damage(tables->pointer + 10, 1, 1, false, "a pointer with a wrong checksum");
    damage(tables->pointer + 24, 0, 8, true, "a pointer to nothing");
    damage(tables->pointer + 24, UINT64_MAX - 20, 8, true, "a pointer beyond the end of memory");
    damage(tables->list, 0, 1, true, "a list by another name");
    damage(tables->list + 20, 1, 1, false, "a list with a wrong checksum");
    damage(tables->list + 4, 20, 4, true, "a list shorter than its own head");
    damage(tables->list + 4, UINT32_MAX, 4, true, "a list without end");
    damage(tables->list + 36, 1ull << 60, 8, true, "a table where there can be no memory");
    damage(tables->madt + 40, 1, 1, false, "a table with a wrong checksum");
    make_tables();
    put(tables->madt + 44 + 16 + 1, 0, 1);
    sum_all();
    expect_processors(1, 0xfee00000, "an entry of no length ends a table");
    make_tables();
    put(tables->madt + 44 + 36 + 1, 17, 1);
    sum_all();
    expect_processors(2, 0xfee01000, "so does one that is longer than the rest");
}

void selftest_processors(void)
{
    test_each();
    test_all();
    test_spaces();
    test_tables();
}
