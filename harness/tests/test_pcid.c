/* SPDX-License-Identifier: MIT */
/*
 * test_pcid.c: which translations a processor of the kernel keeps (kernel/pcid.c): the rules one by one, and the claim of its
 * proof, on a processor of threads: one loads spaces and uses what it has learned of them, the other takes translations
 * away. The emulators keep nothing, so this is where a mark that gets lost would show.
 */
#define _DEFAULT_SOURCE
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "../../kernel/pcid.h"

#define ROOT(n)   ((zx_paddr_t)((n) + 1) << 12)
#define ROOTS     (PCID_SLOTS + 2)
#define ROUNDS    50000 /* of each of the two, at least */
#define NUMBER    0xfffull
#define BUSY      3 /* roots that are loaded most of the time, so that the others do not push them out */
#define INDEX(pa) (((pa) >> 12) - 1)

static bool is_root(const void *context, zx_paddr_t root)
{
    return root == *(const zx_paddr_t *)context;
}

static void mark(struct pcid_set *set, zx_paddr_t root)
{
    pcid_mark(set, is_root, &root);
}

static void expect_load(struct pcid_set *set, unsigned n, unsigned number, bool keeps)
{
    assert_int_equal(pcid_keeps(set, ROOT(n)), keeps);
    assert_int_equal(pcid_load(set, ROOT(n)), ROOT(n) | number | (keeps ? CR3_NO_FLUSH : 0));
}

/* ---- The rules ---- */

static void test_first_load_is_the_root(void **state)
{
    struct pcid_set set = {0};
    (void)state;
    assert_int_equal(pcid_load(&set, ROOT(0)), ROOT(0));
}

static void test_kept_until_marked(void **state)
{
    struct pcid_set set = {0};
    (void)state;
    expect_load(&set, 0, 0, false);
    expect_load(&set, 1, 1, false);
    expect_load(&set, 0, 0, true);
    mark(&set, ROOT(1));
    mark(&set, ROOT(2)); /* nobody's */
    expect_load(&set, 1, 1, false);
    expect_load(&set, 0, 0, true);
    expect_load(&set, 1, 1, true);
    pcid_mark_all(&set);
    pcid_unmark(&set, ROOT(1));
    pcid_unmark(&set, ROOT(2));
    expect_load(&set, 0, 0, false);
    expect_load(&set, 1, 1, true);
}

static void test_oldest_makes_room(void **state)
{
    struct pcid_set set = {0};
    (void)state;
    for (unsigned i = 0; i < PCID_SLOTS; i++)
        expect_load(&set, i, i, false);
    expect_load(&set, 0, 0, true);
    expect_load(&set, PCID_SLOTS, 1, false);
    expect_load(&set, 1, 2, false);
    expect_load(&set, 0, 0, true);
    expect_load(&set, PCID_SLOTS, 1, true);
}

static void test_stale_makes_room_first(void **state)
{
    struct pcid_set set = {0};
    (void)state;
    for (unsigned i = 0; i < PCID_SLOTS; i++)
        expect_load(&set, i, i, false);
    mark(&set, ROOT(4));
    expect_load(&set, PCID_SLOTS, 4, false);
    expect_load(&set, 0, 0, true);
    expect_load(&set, PCID_SLOTS, 4, true);
    expect_load(&set, 4, 1, false);
}

/* ---- The claim ---- */

/* Of each space, one translation; it is a version, that only grows, and whose it is. */
static struct {
    struct pcid_set set;
    _Atomic(zx_paddr_t) root, leaving;
    atomic_bool asked, ended;
    _Atomic(zx_paddr_t) request;
    _Atomic uint64_t tables[ROOTS];  /* what the tables say */
    _Atomic uint64_t settled[ROOTS]; /* nothing before that may be used any more */
    uint64_t known[PCID_SLOTS];      /* what the processor knows, by identifier; 0: nothing */
    uint64_t cr3, kept, lost, foreign;
    _Atomic uint64_t loads;
} machine;

static void yield_sometimes(unsigned *seed)
{
    if (rand_r(seed) % 64 == 0)
        sched_yield();
}

static void answer(void)
{
    if (!atomic_load(&machine.asked))
        return;
    if ((machine.cr3 & ~NUMBER) == atomic_load(&machine.request)) {
        machine.known[machine.cr3 & NUMBER] = 0;
        pcid_unmark(&machine.set, machine.cr3 & ~NUMBER);
    }
    atomic_store(&machine.asked, false);
}

static void use(void)
{
    uint64_t index = INDEX(machine.cr3 & ~NUMBER), *known = &machine.known[machine.cr3 & NUMBER];
    uint64_t settled = atomic_load(&machine.settled[index]);
    if (*known == 0)
        *known = atomic_load(&machine.tables[index]) << 8 | index;
    machine.lost += *known >> 8 < settled;
    machine.foreign += (*known & 0xff) != index;
}

static void load(zx_paddr_t root, unsigned *seed)
{
    if (root == atomic_load(&machine.root))
        return;
    atomic_store(&machine.root, root);
    if (machine.cr3 != 0) {
        yield_sometimes(seed);
        use(); /* of the one that is about to be left */
    }
    uint64_t cr3 = pcid_load(&machine.set, root);
    machine.cr3 = cr3 & ~CR3_NO_FLUSH;
    if ((cr3 & CR3_NO_FLUSH) == 0)
        machine.known[machine.cr3 & NUMBER] = 0;
    machine.kept += (cr3 & CR3_NO_FLUSH) != 0;
    atomic_store(&machine.leaving, root);
}

static unsigned next_root(unsigned *seed)
{
    unsigned number = (unsigned)rand_r(seed);
    return number % 8 != 0 ? number / 8 % BUSY : number / 8 % ROOTS;
}

static void *run_owner(void *unused)
{
    unsigned seed = 1;
    (void)unused;
    while (!atomic_load(&machine.ended)) {
        load(ROOT(next_root(&seed)), &seed);
        use();
        answer();
        use();
        yield_sometimes(&seed);
        atomic_fetch_add(&machine.loads, 1);
    }
    answer();
    return NULL;
}

static void take_away(zx_paddr_t root, unsigned *seed)
{
    uint64_t index = INDEX(root), now = atomic_fetch_add(&machine.tables[index], 1) + 1;
    atomic_thread_fence(memory_order_seq_cst);
    mark(&machine.set, root);
    yield_sometimes(seed);
    if (atomic_load(&machine.root) == root || atomic_load(&machine.leaving) == root) {
        atomic_store(&machine.request, root);
        atomic_store(&machine.asked, true);
        while (atomic_load(&machine.asked))
            sched_yield();
    }
    atomic_store(&machine.settled[index], now);
}

static void test_nothing_taken_away_is_used(void **state)
{
    pthread_t owner;
    unsigned seed = 2;
    (void)state;
    for (unsigned i = 0; i < ROOTS; i++)
        atomic_store(&machine.tables[i], 1);
    assert_int_equal(pthread_create(&owner, NULL, run_owner, NULL), 0);
    for (unsigned i = 0; i < ROUNDS || atomic_load(&machine.loads) < ROUNDS; i++)
        take_away(ROOT(next_root(&seed)), &seed);
    atomic_store(&machine.ended, true);
    assert_int_equal(pthread_join(owner, NULL), 0);
    assert_int_equal(machine.lost, 0);
    assert_int_equal(machine.foreign, 0);
    assert_true(machine.kept > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_load_is_the_root),     cmocka_unit_test(test_kept_until_marked),
        cmocka_unit_test(test_oldest_makes_room),          cmocka_unit_test(test_stale_makes_room_first),
        cmocka_unit_test(test_nothing_taken_away_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
