/* SPDX-License-Identifier: MIT */
/*
 * conformance.c: runs the conformance suite in ring 3: the sources that the host and the kernel run, unchanged, whose calls go
 * through the vDSO and whose accesses are loads, stores and calls of this program.
 *
 * Each test is a process of its own, of this program, with the test's number as an argument; the process that was started first
 * waits for it, and asks whether every invariant holds. A test's process has its memory touched beforehand and begins when all others wait, so that
 * nothing but the test changes the state of the machine, which is compared as a number (zvm_state_hash).
 *
 * What is fetched must be something that comes back: while a byte is fetched it is the return instruction, if the page
 * tables show a page there; otherwise the fetch faults, and is tried again once that is resolved.
 */
#include "../../harness/conformance/conformance.h"

#include "../conformance_checks.h"
#include "access.h"
#include "runtime.h"
#include "zvm.h"

#define RETURN      0xc3
#define RETRIES_MAX 8 /* faults at one byte that were resolved and yet came again */

/* ---- What the suite asks of who runs it ---- */

uint64_t conformance_state(void)
{
    uint64_t hash = 0;
    zx_status_t status = zvm_state_hash(&hash);
    if (status != ZX_OK)
        give_up("conformance: the state is not told: %s", zx_status_get_string(status));
    return hash;
}

void conformance_failed(void)
{
    zx_process_exit(1);
}

bool conformance_fail_allocation(uint64_t nth, bool persistent)
{
    return zvm_fail_allocation(nth, persistent) == ZX_OK;
}

bool conformance_runs_programs(void)
{
    return true;
}

/* ---- Accesses ---- */

static bool is_canonical(zx_vaddr_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

enum kind { READ_BYTE, WRITE_BYTE, FETCH_BYTE };

static int try_fetch(zx_vaddr_t va)
{
    uint32_t before, ours;
    bool there = zvm_poke(va, RETURN, &before) == ZX_OK;
    int answer = access_try_fetch(va);
    if (there && zvm_poke(va, before, &ours) != ZX_OK)
        give_up("conformance: the page at %llx is gone", (unsigned long long)va);
    return answer;
}

static zx_status_t access_byte(zx_vaddr_t va, uint8_t *byte, enum kind kind)
{
    if (!is_canonical(va)) /* the processor has no page fault for these */
        return ZX_ERR_NOT_FOUND;
    for (unsigned i = 0; i <= RETRIES_MAX; i++) {
        int answer = kind == READ_BYTE    ? access_try_read(va, byte)
                     : kind == WRITE_BYTE ? access_try_write(va, byte)
                                          : try_fetch(va);
        if (answer != ZX_OK)
            return answer == ACCESS_DONE ? ZX_OK : answer;
    }
    return ZX_ERR_INTERNAL;
}

static zx_status_t access_bytes(zx_vaddr_t va, uint8_t *bytes, size_t size, enum kind kind)
{
    zx_status_t status = zvm_catch_faults((zx_vaddr_t)access_caught, ZVM_CATCH_ALL);
    for (size_t i = 0; i < size && status == ZX_OK; i++)
        status = access_byte(va + i, bytes == NULL ? NULL : bytes + i, kind);
    (void)zvm_catch_faults(0, 0);
    return status;
}

zx_status_t access_read(zx_vaddr_t va, void *buffer, size_t size)
{
    return access_bytes(va, buffer, size, READ_BYTE);
}

zx_status_t access_write(zx_vaddr_t va, const void *buffer, size_t size)
{
    return access_bytes(va, (uint8_t *)(uintptr_t)buffer, size, WRITE_BYTE);
}

zx_status_t access_execute(zx_vaddr_t va, size_t size)
{
    return access_bytes(va, NULL, size, FETCH_BYTE);
}

/* ---- Running ---- */

static int run_one(const char *number)
{
    const struct conformance_test *test = NULL;
    const char *suite;
    uint64_t nth;
    if (text_number(number, &nth))
        test = conformance_test_at((unsigned)nth, &suite);
    if (test == NULL)
        give_up("conformance: %s: expected the number of a test", number);
    runtime_settle();
    runtime_await_quiet(); /* who started this process may still be closing handles */
    conformance_begin();
    test->function();
    return 0;
}

/* In a process of its own. */
static bool run_process(unsigned nth)
{
    char number[16];
    const char *const arguments[] = {"conformance", "--test", number};
    zx_handle_t process;
    int64_t code = 1;
    (void)vm_snprint(number, sizeof(number), "%u", nth);
    zx_status_t status = spawn_self("test", 3, arguments, &process);
    if (status == ZX_OK)
        status = process_wait(process, &code);
    (void)zvm_fail_allocation(0, 0);
    if (status != ZX_OK)
        print("# %s\n", zx_status_get_string(status));
    else if (code != 0 && code != 1)
        print("# the process ended with %lld\n", (long long)code);
    runtime_await_quiet();
    return zvm_check() == ZX_OK && status == ZX_OK && code == 0;
}

int main(int argument_count, char **arguments)
{
    const struct conformance_test *test;
    const char *suite;
    unsigned passed = 0, failed = 0;
    if (argument_count == 3 && text_equal(arguments[1], "--test"))
        return run_one(arguments[2]);
    for (unsigned i = 0; (test = conformance_test_at(i, &suite)) != NULL; i++) {
        if (argument_count > 1 && !text_contains(suite, arguments[1]))
            continue;
        bool fine = run_process(i);
        passed += fine;
        failed += !fine;
        print("%s %u - %s: %s\n", fine ? "ok" : "not ok", passed + failed, suite, test->name);
    }
    print("1..%u\n%u passed, %u failed\n", passed + failed, passed, failed);
    return failed == 0 && passed != 0 ? 0 : 1;
}
