/* SPDX-License-Identifier: MIT */
/*
 * conformance.c: runs suites of tests in the booted kernel: the sources that the host runs, unchanged, on real
 * page tables, with accesses from ring 3. Those of every call are the command `conformance`; those of what only
 * the kernel itself can call are a part of the self-test (behaviour.c).
 *
 * Each test has a small machine of its own in the memory that traces use. The calls are made by the kernel on
 * behalf of that machine's one process. Nothing changed means: the address spaces as text, pages by state,
 * objects and bytes in objects are what they were; every invariant holds at the end of each test.
 *
 * OK makes each allocation of a call fail in turn, once and for good; how many there are shows when none fails
 * any more. Where a place in a test is reached again, in a loop, the call is made once. Copies cannot be made to
 * fail here.
 */
#include "../harness/conformance/conformance.h"

#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>

#include "conformance.h"
#include "port.h"
#include "replay.h"
#include "text.h"
#include "user.h"

#define MACHINE_PAGES 2048
#define SEED          0x5eed
#define NOTES_MAX     16
#define PLACES_MAX    1024
#define NTH_MAX       1000 /* more allocations than a call makes: one that keeps failing has failed */

static struct {
    void *failed[5]; /* where a check that fails leads: __builtin_setjmp */
    uint64_t before; /* the state as a hash */
    struct {
        const char *name;
        uint64_t value;
    } notes[NOTES_MAX];
    unsigned note_count;
    const struct conformance_place *places[PLACES_MAX]; /* of each OK that was reached in this test */
    unsigned place_count;
} runner;

/* ---- The state ---- */

struct hash_sink {
    struct vm_sink sink;
    uint64_t hash;
};

static void hash_bytes(struct vm_sink *self, const char *text, size_t size)
{
    struct hash_sink *hash = (struct hash_sink *)self;
    for (; size > 0; size--)
        hash->hash = (hash->hash ^ (unsigned char)*text++) * 0x100000001b3ull;
}

static uint64_t hash_state(void)
{
    struct hash_sink hash = {.sink = {hash_bytes}, .hash = 0xcbf29ce484222325ull};
    struct vm_stats stats;
    vm_aspace_dump_all(&hash.sink);
    vm_machine_stats(&stats);
    hash_bytes(&hash.sink, (const char *)&stats, sizeof(stats));
    for (unsigned state = 0; state < VM_PAGE_STATE_COUNT; state++) {
        uint64_t pages = pmm_count(state);
        hash_bytes(&hash.sink, (const char *)&pages, sizeof(pages));
    }
    return hash.hash;
}

void conformance_before(void)
{
    runner.before = hash_state();
}

/* ---- Checks ---- */

static _Noreturn void fail_at(const struct conformance_place *place)
{
    vm_print(&vm_log_sink, "# %s:%d: %s\n", place->file, place->line, place->text);
    for (unsigned i = 0; i < runner.note_count; i++)
        vm_print(&vm_log_sink, "#   %s: 0x%llx\n", runner.notes[i].name,
                 (unsigned long long)runner.notes[i].value);
    port_fail_allocation(0, false);
    __builtin_longjmp(runner.failed, 1);
}

void conformance_check(bool condition, const struct conformance_place *place)
{
    if (condition)
        return;
    vm_print(&vm_log_sink, "# not so:\n");
    fail_at(place);
}

void conformance_check_equal(uint64_t a, uint64_t b, const struct conformance_place *place)
{
    if (a == b)
        return;
    vm_print(&vm_log_sink, "# not so: 0x%llx is not 0x%llx\n", (unsigned long long)a, (unsigned long long)b);
    fail_at(place);
}

void conformance_check_status(zx_status_t status, zx_status_t expected, const struct conformance_place *place)
{
    if (status == expected)
        return;
    vm_print(&vm_log_sink, "# %s, not %s\n", zx_status_get_string(status), zx_status_get_string(expected));
    fail_at(place);
}

void conformance_succeeded(zx_status_t status, const struct conformance_place *place)
{
    conformance_check_status(status, ZX_OK, place);
}

void conformance_note(const char *name, uint64_t value)
{
    unsigned i = 0;
    while (i < runner.note_count && !text_equal(runner.notes[i].name, name))
        i++;
    if (i == NOTES_MAX)
        return;
    if (i == runner.note_count)
        runner.note_count++;
    runner.notes[i].name = name;
    runner.notes[i].value = value;
}

void conformance_unchanged(zx_status_t status, zx_status_t expected, const struct conformance_place *place)
{
    conformance_check_status(status, expected, place);
    if (hash_state() == runner.before)
        return;
    vm_print(&vm_log_sink, "# refused, but it changed something:\n");
    fail_at(place);
}

/* ---- OK ---- */

enum phase { FIRST, FAILING, ONCE };

static bool is_first_visit(const struct conformance_place *place)
{
    for (unsigned i = 0; i < runner.place_count; i++)
        if (runner.places[i] == place ||
            (runner.places[i]->line == place->line && text_equal(runner.places[i]->file, place->file)))
            return false;
    if (runner.place_count < PLACES_MAX)
        runner.places[runner.place_count++] = place;
    return true;
}

bool conformance_attempt(struct conformance_attempt *attempt)
{
    port_fail_allocation(0, false);
    if (attempt->phase == FIRST) {
        attempt->phase = is_first_visit(attempt->place) ? FAILING : ONCE;
    } else if (attempt->phase == ONCE || attempt->status == ZX_OK || attempt->nth == NTH_MAX) {
        conformance_succeeded(attempt->status, attempt->place);
        return false;
    } else {
        conformance_unchanged(attempt->status, ZX_ERR_NO_MEMORY, attempt->place);
    }
    if (attempt->phase == FAILING) {
        conformance_before();
        port_fail_allocation(attempt->nth / 2 + 1, attempt->nth % 2 != 0);
        attempt->nth++;
    }
    return true;
}

bool conformance_fail_allocation(uint64_t nth, bool persistent)
{
    port_fail_allocation(nth, persistent);
    return true;
}

/* ---- Accesses ---- */

static zx_status_t access_at(zx_vaddr_t va, void *buffer, size_t size, enum user_access kind)
{
    size_t done;
    return user_access(port_running_aspace(), va, buffer, size, kind, &done);
}

zx_status_t access_read(zx_vaddr_t va, void *buffer, size_t size)
{
    return access_at(va, buffer, size, USER_READ);
}

zx_status_t access_write(zx_vaddr_t va, const void *buffer, size_t size)
{
    return access_at(va, (void *)(uintptr_t)buffer, size, USER_WRITE);
}

zx_status_t access_execute(zx_vaddr_t va, size_t size)
{
    return access_at(va, NULL, size, USER_EXECUTE);
}

/* ---- Running ---- */

/* Makes the machine and its process, which is then the one that runs. */
static bool start(void)
{
    struct pmm_range memory = replay_memory(MACHINE_PAGES);
    const struct vm_machine_config config = {.memory = &memory, .memory_count = 1, .seed = SEED};
    port_reset_allocations();
    if (memory.base == 0 || vm_machine_start(&config) == NULL)
        return false;
    struct vm_process *process = vm_process_create("self");
    port_set_process(process);
    return process != NULL;
}

/* Whatever a test leaves behind must go with its process: nothing leaks. */
static bool stop(void)
{
    bool sound = vm_check(&vm_log_sink);
    user_leave();
    struct vm_process *process = port_set_process(NULL);
    vm_process_kill(process);
    vm_process_release(process);
    return vm_machine_stop(&vm_log_sink) == ZX_OK && sound;
}

static bool run_function(const struct conformance_test *test)
{
    runner.note_count = runner.place_count = 0;
    if (__builtin_setjmp(runner.failed) != 0)
        return false;
    test->function();
    return true;
}

static bool run_test(const struct conformance_test *test, bool (*prepare)(void))
{
    struct vm_machine *machine = vm_machine_current();
    struct vm_process *process = port_set_process(NULL);
    bool fine = start();
    if (fine) {
        fine = (prepare == NULL || prepare()) && run_function(test);
        fine = stop() && fine;
    }
    vm_machine_select(machine);
    port_set_process(process);
    return fine;
}

void conformance_report(struct test_tally *tally, bool fine, const char *suite, const char *name)
{
    tally->passed += fine;
    tally->failed += !fine;
    vm_print(&vm_log_sink, "%s %u - %s%s%s\n", fine ? "ok" : "not ok", tally->passed + tally->failed, suite,
             suite[0] != '\0' ? ": " : "", name);
}

bool conformance_end(const struct test_tally *tally)
{
    vm_print(&vm_log_sink, "1..%u\n%u passed, %u failed\n", tally->passed + tally->failed, tally->passed,
             tally->failed);
    return tally->failed == 0 && tally->passed != 0;
}

void conformance_run(const struct conformance_suite *suites, const char *pattern, bool (*prepare)(void),
                     struct test_tally *tally)
{
    for (; suites->name != NULL; suites++)
        for (const struct conformance_test *test = suites->tests; test->name != NULL; test++)
            if (pattern == NULL || text_contains(suites->name, pattern))
                conformance_report(tally, run_test(test, prepare), suites->name, test->name);
}

bool conformance(const char *pattern)
{
    struct test_tally tally = {0};
    conformance_run(conformance_suites, pattern, NULL, &tally);
    return conformance_end(&tally);
}
