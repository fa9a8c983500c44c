/* SPDX-License-Identifier: MIT */
/*
 * host.c: runs suites of tests on the host: each test under cmocka, on a small machine of its own.
 *
 * Nothing changed means: the whole state as text (snapshot.h) is what it was, and every invariant holds.
 *
 * OK makes a call fail in every way that it can. In how many ways, only the call itself can tell, by
 * succeeding, and then it has been made. So it is first made in a copy of this process (fork), which counts
 * its copies and allocations, reports them through a pipe, and waits for its end. That is slow: where a place
 * in a test is reached again, in a loop, either the copies are made to fail or the allocations, in turns,
 * until the call succeeds.
 */
#define _POSIX_C_SOURCE 200809L /* kill */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <zvm/host.h>

#include "../host_port.h"
#include "../tests/snapshot.h"
#include "host.h"

#define NOTES_MAX  16
#define PLACES_MAX 1024
#define UNKNOWN    1000 /* copies or allocations; more than a call makes: one that keeps failing has failed */
#define TESTS_MAX  256  /* of a source */

struct counts {
    uint64_t copies, allocations;
    bool known; /* the rehearsal came to its end: no check failed in it */
};

static struct {
    struct snapshot before;
    struct {
        const char *name;
        uint64_t value;
    } notes[NOTES_MAX];
    unsigned note_count;
    struct {
        const char *file;
        int line;
        unsigned visits;
    } places[PLACES_MAX];
    unsigned place_count;
    int report; /* in the rehearsing process, where it writes its counts; else 0 */
} runner;

/* ---- Checks ---- */

/* Ends a rehearsal. By itself this process would have to take its machine down first, or be said to leak
   it. */
static _Noreturn void report_counts(struct counts counts)
{
    if (write(runner.report, &counts, sizeof(counts)) != sizeof(counts))
        abort();
    for (;;)
        pause();
}

static _Noreturn void fail_at(const struct conformance_place *place)
{
    for (unsigned i = 0; i < runner.note_count; i++)
        print_error("  %s: 0x%llx\n", runner.notes[i].name, (unsigned long long)runner.notes[i].value);
    if (runner.report != 0) {
        print_error("%s:%d: in a rehearsal\n", place->file, place->line);
        report_counts((struct counts){.known = false});
    }
    _fail(place->file, place->line);
    abort();
}

void conformance_check(bool condition, const struct conformance_place *place)
{
    if (condition)
        return;
    print_error("not so: %s\n", place->text);
    fail_at(place);
}

void conformance_check_equal(uint64_t a, uint64_t b, const struct conformance_place *place)
{
    if (a == b)
        return;
    print_error("not so: %s: 0x%llx is not 0x%llx\n", place->text, (unsigned long long)a,
                (unsigned long long)b);
    fail_at(place);
}

void conformance_check_status(zx_status_t status, zx_status_t expected, const struct conformance_place *place)
{
    if (status == expected)
        return;
    print_error("%s: %s, not %s\n", place->text, zx_status_get_string(status),
                zx_status_get_string(expected));
    fail_at(place);
}

static void check_sound(const struct conformance_place *place)
{
    if (zvm_check() == ZX_OK)
        return;
    print_error("%s: left something broken\n", place->text);
    fail_at(place);
}

void conformance_succeeded(zx_status_t status, const struct conformance_place *place)
{
    conformance_check_status(status, ZX_OK, place);
    check_sound(place);
}

void conformance_note(const char *name, uint64_t value)
{
    unsigned i = 0;
    while (i < runner.note_count && strcmp(runner.notes[i].name, name) != 0)
        i++;
    if (i == NOTES_MAX)
        return;
    if (i == runner.note_count)
        runner.note_count++;
    runner.notes[i].name = name;
    runner.notes[i].value = value;
}

void conformance_before(void)
{
    snapshot_release(&runner.before);
    runner.before = snapshot_take();
}

static void check_unchanged(const struct conformance_place *place)
{
    bool same = snapshot_is_current(&runner.before);
    snapshot_release(&runner.before);
    if (!same) {
        print_error("%s: refused, but it changed something\n", place->text);
        fail_at(place);
    }
    check_sound(place);
}

void conformance_unchanged(zx_status_t status, zx_status_t expected, const struct conformance_place *place)
{
    conformance_check_status(status, expected, place);
    check_unchanged(place);
}

/* ---- OK: every way to fail, then success ---- */

enum phase { FIRST, REHEARSAL, COPY, ALLOCATION, LAST };

/* How often an OK has been reached before. */
static unsigned visits_of(const struct conformance_place *place)
{
    unsigned i = 0;
    while (i < runner.place_count &&
           (runner.places[i].line != place->line || strcmp(runner.places[i].file, place->file) != 0))
        i++;
    if (i == PLACES_MAX)
        return 0;
    if (i == runner.place_count) {
        runner.places[i].file = place->file;
        runner.places[i].line = place->line;
        runner.place_count++;
    }
    return runner.places[i].visits++;
}

/* True in the copy of this process, which is to make the call. In this one the counts are known
   afterwards: zero where the call failed. */
static bool rehearse(struct conformance_attempt *attempt)
{
    struct counts counts = {.known = false};
    int ends[2];
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should this process be stopped */
        runner.report = ends[1];
        host_switches_reset();
        return true;
    }
    if (child < 0) {
        print_error("cannot fork\n");
        fail_at(attempt->place);
    }
    (void)close(ends[1]);
    if (read(ends[0], &counts, sizeof(counts)) != sizeof(counts) || !counts.known) {
        print_error("%s: failed when rehearsed\n", attempt->place->text);
        counts.known = false;
    }
    (void)close(ends[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    if (!counts.known)
        fail_at(attempt->place);
    attempt->copies = counts.copies;
    attempt->allocations = counts.allocations;
    return false;
}

static _Noreturn void end_rehearsal(const struct conformance_attempt *attempt)
{
    struct counts counts = {.known = true};
    if (attempt->status == ZX_OK) {
        counts.copies = host_user_copy_count();
        counts.allocations = host_allocation_count();
    }
    report_counts(counts);
}

static void disarm(void)
{
    zvm_fail_allocation(0, false);
    zvm_fail_user_copy(0);
}

/* Judges the attempt that was made. Whether more are to come. */
static bool judge(const struct conformance_attempt *attempt)
{
    disarm();
    switch ((enum phase)attempt->phase) {
    case FIRST:
        return true;
    case REHEARSAL:
        end_rehearsal(attempt);
    case COPY:
        if (attempt->status == ZX_OK && attempt->copies == UNKNOWN)
            break;
        conformance_unchanged(attempt->status, ZX_ERR_INVALID_ARGS, attempt->place);
        return true;
    case ALLOCATION:
        if (attempt->status != ZX_OK) {
            conformance_unchanged(attempt->status, ZX_ERR_NO_MEMORY, attempt->place);
            return true;
        }
        break; /* none was left, or it did without */
    case LAST:
        break;
    }
    conformance_succeeded(attempt->status, attempt->place);
    return false;
}

/* Makes the next attempt fail, or none where all were made. */
static void arm(struct conformance_attempt *attempt)
{
    if (attempt->phase == COPY && attempt->nth == attempt->copies) {
        attempt->phase = ALLOCATION;
        attempt->nth = 0;
    }
    if (attempt->phase == ALLOCATION && attempt->nth / 2 == attempt->allocations) {
        attempt->phase = LAST;
        return;
    }
    conformance_before();
    if (attempt->phase == COPY)
        zvm_fail_user_copy(attempt->nth + 1);
    else
        zvm_fail_allocation(attempt->nth / 2 + 1, attempt->nth % 2 != 0);
    attempt->nth++;
}

bool conformance_attempt(struct conformance_attempt *attempt)
{
    if (!judge(attempt))
        return false;
    if (attempt->phase == FIRST) {
        unsigned visits = visits_of(attempt->place);
        attempt->phase = REHEARSAL;
        if (visits == 0 && rehearse(attempt))
            return true;
        attempt->phase = visits % 2 == 0 ? COPY : ALLOCATION;
        if (visits != 0)
            attempt->copies = attempt->allocations = UNKNOWN;
    }
    arm(attempt);
    return true;
}

bool conformance_fail_allocation(uint64_t nth, bool persistent)
{
    zvm_fail_allocation(nth, persistent);
    return true;
}

bool asserts_in_a_copy(void (*function)(void *context), void *context)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        function(context);
        (void)kill(getpid(), SIGKILL); /* as in a rehearsal: its machine is not to be taken for leaked */
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        print_error("cannot fork\n");
        abort();
    }
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

bool conformance_runs_programs(void)
{
    return false;
}

/* ---- Accesses ---- */

zx_status_t access_read(zx_vaddr_t va, void *buffer, size_t size)
{
    return zvm_access(zx_process_self(), va, buffer, size, ZVM_READ);
}

zx_status_t access_write(zx_vaddr_t va, const void *buffer, size_t size)
{
    return zvm_access(zx_process_self(), va, (void *)(uintptr_t)buffer, size, ZVM_WRITE);
}

zx_status_t access_execute(zx_vaddr_t va, size_t size)
{
    return zvm_access(zx_process_self(), va, NULL, size, ZVM_EXECUTE);
}

/* ---- Running ---- */

/* For the address sanitizer: it keeps little of what was freed, since a fork copies all of that. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=8";
}

static int start(void **state)
{
    static const struct zvm_config config = {.memory_bytes = 8u << 20};
    (void)state;
    runner.note_count = 0;
    return zvm_start(&config) == ZX_OK ? 0 : -1;
}

/* Whatever a test leaves behind must go with its process: nothing leaks. */
static int stop(void **state)
{
    (void)state;
    snapshot_release(&runner.before);
    return zvm_stop() == ZX_OK ? 0 : -1;
}

static void run(void **state)
{
    const struct conformance_test *test = *state;
    test->function();
}

static int run_suite(const struct conformance_suite *suite)
{
    struct CMUnitTest tests[TESTS_MAX] = {{0}};
    static char names[TESTS_MAX][80];
    size_t count = 0;
    for (const struct conformance_test *test = suite->tests; test->name != NULL; test++) {
        if (count == sizeof(tests) / sizeof(tests[0]))
            abort();
        snprintf(names[count], sizeof(names[count]), "%s: %s", suite->name, test->name);
        tests[count] = (struct CMUnitTest){names[count], run, start, stop, (void *)(uintptr_t)test};
        count++;
    }
    return _cmocka_run_group_tests(suite->name, tests, count, NULL, NULL);
}

int run_suites(const struct conformance_suite *suites, int argc, char **argv)
{
    int failed = 0;
    for (const struct conformance_suite *suite = suites; suite->name != NULL; suite++) {
        bool wanted = argc < 2;
        for (int arg = 1; arg < argc; arg++)
            wanted = wanted || strcmp(argv[arg], suite->name) == 0;
        if (wanted)
            failed += run_suite(suite);
    }
    return failed != 0;
}
