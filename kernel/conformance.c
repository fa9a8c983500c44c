/* SPDX-License-Identifier: MIT */
/*
 * conformance.c: runs suites of tests in the booted kernel: the sources that the host runs, unchanged, on real
 * page tables, with accesses from ring 3. Those of every call are the command `conformance`; those of what only
 * the kernel itself can call are a part of the self-test (behaviour.c).
 *
 * Each test has a small machine of its own in the memory that traces use. The calls are made by the kernel on
 * behalf of that machine's one process. Nothing changed means: the address spaces as text, pages by state,
 * objects and bytes in objects are what they were; every invariant holds at the end of each test.
 */
#include "../harness/conformance/conformance.h"

#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>

#include "conformance.h"
#include "conformance_checks.h"
#include "port.h"
#include "replay.h"
#include "text.h"
#include "user.h"

#define MACHINE_PAGES 2048
#define SEED          0x5eed

static struct {
    void *failed[5]; /* where a check that fails leads: __builtin_setjmp */
} runner;

uint64_t conformance_state(void)
{
    return vm_state_hash();
}

void conformance_failed(void)
{
    __builtin_longjmp(runner.failed, 1);
}

bool conformance_fail_allocation(uint64_t nth, bool persistent)
{
    port_fail_allocation(nth, persistent);
    return true;
}

bool conformance_runs_programs(void)
{
    return false;
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
    port_refuse_programs(true);
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
    conformance_begin();
    if (__builtin_setjmp(runner.failed) != 0)
        return false;
    test->function();
    return true;
}

static bool run_test(const struct conformance_test *test)
{
    struct vm_machine *machine = vm_machine_current();
    struct vm_process *process = port_set_process(NULL);
    bool fine = start();
    if (fine) {
        fine = run_function(test);
        fine = stop() && fine;
    }
    port_refuse_programs(false);
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

void conformance_run(const struct conformance_suite *suites, const char *pattern, struct test_tally *tally)
{
    for (; suites->name != NULL; suites++)
        for (const struct conformance_test *test = suites->tests; test->name != NULL; test++)
            if (pattern == NULL || text_contains(suites->name, pattern))
                conformance_report(tally, run_test(test), suites->name, test->name);
}

bool conformance(const char *pattern)
{
    struct test_tally tally = {0};
    conformance_run(conformance_suites, pattern, &tally);
    if (tally.passed + tally.failed == 0) {
        vm_print(&vm_log_sink, "conformance: no suite has %s in its name; there are", pattern);
        for (const struct conformance_suite *suite = conformance_suites; suite->name != NULL; suite++)
            vm_print(&vm_log_sink, " %s", suite->name);
        vm_print(&vm_log_sink, "\n");
        return false;
    }
    return conformance_end(&tally);
}
