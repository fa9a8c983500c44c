/* SPDX-License-Identifier: MIT */
/*
 * conformance_checks.c: what a check does: it compares, and one that fails tells where, what, and the notes.
 *
 * OK makes each allocation of a call fail in turn, once and for good; how many there are shows when none fails
 * any more. Where a place in a test is reached again, in a loop, the call is made once. Copies cannot be made to
 * fail here.
 */
#include "../harness/conformance/conformance.h"

#include <vm/format.h>

#include "conformance_checks.h"
#include "text.h"

#define NOTES_MAX  16
#define PLACES_MAX 1024
#define NTH_MAX    1000 /* more allocations than a call makes: one that keeps failing has failed */

static struct {
    uint64_t before; /* the state */
    struct {
        const char *name;
        uint64_t value;
    } notes[NOTES_MAX];
    unsigned note_count;
    const struct conformance_place *places[PLACES_MAX]; /* of each OK that was reached in this test */
    unsigned place_count;
} runner;

/* ---- The suite ---- */

const struct conformance_test *conformance_test_at(unsigned nth, const char **suite)
{
    for (const struct conformance_suite *at = conformance_suites; at->name != NULL; at++)
        for (const struct conformance_test *test = at->tests; test->name != NULL; test++)
            if (nth-- == 0) {
                *suite = at->name;
                return test;
            }
    return NULL;
}

void conformance_begin(void)
{
    runner.note_count = runner.place_count = 0;
}

/* ---- Checks ---- */

void conformance_before(void)
{
    runner.before = conformance_state();
}

static _Noreturn void fail_at(const struct conformance_place *place)
{
    vm_print(&vm_log_sink, "# %s:%d: %s\n", place->file, place->line, place->text);
    for (unsigned i = 0; i < runner.note_count; i++)
        vm_print(&vm_log_sink, "#   %s: 0x%llx\n", runner.notes[i].name,
                 (unsigned long long)runner.notes[i].value);
    (void)conformance_fail_allocation(0, false);
    conformance_failed();
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
    if (conformance_state() == runner.before)
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
    (void)conformance_fail_allocation(0, false);
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
        (void)conformance_fail_allocation(attempt->nth / 2 + 1, attempt->nth % 2 != 0);
        attempt->nth++;
    }
    return true;
}
