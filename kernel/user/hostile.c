/* SPDX-License-Identifier: MIT */
/*
 * hostile.c: what no program should do, and what the kernel must make of it: the right status, or the death of that process
 * with the right return code; nothing else may come of it, and every invariant holds afterwards.
 *
 *   hostile [PART [CALLS [SEED]]]
 *
 * PART chooses among the tests by name, "all" has all. CALLS random calls are made (50,000).
 *
 * Each deed is a process of its own, of this program, which is told by its arguments what to do. The first process waits for its
 * end, for so long; one that hangs is killed, and counted as a failure.
 */
#include "hostile.h"

#include "zvm.h"

#define PATIENCE      ZX_SEC(120) /* for the end of a process */
#define KILL_AFTER    30          /* milliseconds; for what never ends */
#define GIVE_UP_AFTER 2000        /* for what may not */
#define BATCH         2000        /* random calls of a process */
#define CALLS_NORMAL  50000

static uint64_t calls_wanted = CALLS_NORMAL, seed = 1;
static const char *part;
static const struct deed *current;

/* ---- For all parts ---- */

zx_vaddr_t map_pages(unsigned pages, zx_vm_option_t permissions)
{
    zx_handle_t vmo;
    zx_vaddr_t at;
    if (zx_vmo_create(pages * PAGE, 0, &vmo) != ZX_OK ||
        zx_vmar_map(zx_vmar_root_self(), permissions, 0, vmo, 0, pages * PAGE, &at) != ZX_OK)
        give_up("hostile: no memory");
    (void)zx_handle_close(vmo);
    return at;
}

zx_vaddr_t map_code(const void *bytes, size_t size)
{
    zx_handle_t vmo;
    zx_vaddr_t at;
    if (zx_vmo_create(PAGE, 0, &vmo) != ZX_OK || zx_vmo_write(vmo, bytes, 0, size) != ZX_OK ||
        zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo) != ZX_OK ||
        zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE, &at) != ZX_OK)
        give_up("hostile: no memory");
    (void)zx_handle_close(vmo);
    return at;
}

void sleep_ms(int64_t milliseconds)
{
    (void)zx_nanosleep(zx_clock_get_monotonic() + ZX_MSEC(milliseconds));
}

/* ---- Processes ---- */

/* Waits for the end; false: it had to be killed. */
static bool await(zx_handle_t process, int64_t *code)
{
    zx_status_t status =
        zx_object_wait_one(process, ZX_PROCESS_TERMINATED, zx_clock_get_monotonic() + PATIENCE, NULL);
    if (status != ZX_OK) {
        print("# it does not end: %s\n", zx_status_get_string(status));
        CHECK_STATUS(ZX_OK, zx_task_kill(process));
    }
    return CHECK_STATUS(ZX_OK, process_wait(process, code)) && status == ZX_OK;
}

static bool start(const char *kind, const char *first, const char *second, zx_handle_t *process)
{
    const char *const words[] = {"hostile", kind, first, second};
    return CHECK_STATUS(ZX_OK, spawn_self(kind + 2, 4, words, process));
}

/* What it must end with; where it must not end by itself, or may not, it is helped. */
static int64_t kill_after_a_while(zx_handle_t process)
{
    bool must = current->code == NEEDS_KILLING;
    zx_status_t status =
        zx_object_wait_one(process, ZX_PROCESS_TERMINATED,
                           zx_clock_get_monotonic() + ZX_MSEC(must ? KILL_AFTER : GIVE_UP_AFTER), NULL);
    if (must)
        CHECK_STATUS(ZX_ERR_TIMED_OUT, status);
    if (status != ZX_ERR_TIMED_OUT)
        return current->code;
    CHECK_STATUS(ZX_OK, zx_task_kill(process));
    return ZX_TASK_RETCODE_SYSCALL_KILL;
}

static void run_deed(const char *kind)
{
    zx_handle_t process;
    int64_t code = 0, expected = current->code;
    if (!start(kind, current->name, "", &process))
        return;
    if (current->other == NEEDS_KILLING)
        expected = kill_after_a_while(process);
    CHECK(await(process, &code));
    if (code != expected && code != current->other)
        CHECK_EQUAL(code, expected);
    runtime_await_quiet();
    CHECK_STATUS(ZX_OK, zvm_check());
}

TEST(a_deed)
{
    run_deed("--deed");
}

TEST(a_survivor)
{
    run_deed("--survivor");
}

static void run_all(const struct deed *first, unsigned count, void (*how)(void))
{
    for (current = first; current < first + count; current++)
        if (part == NULL || text_contains(current->name, part))
            test_run(current->name, how);
}

static const struct deed *find(const struct deed *first, unsigned count, const char *name)
{
    for (const struct deed *deed = first; deed < first + count; deed++)
        if (text_equal(deed->name, name))
            return deed;
    give_up("hostile: there is no deed %s", name);
}

/* ---- Random calls ---- */

/* How many calls a process that has ended says to have made: every so many it gave itself a name. */
static uint64_t calls_of(zx_handle_t process)
{
    char name[ZX_MAX_NAME_LEN];
    const char *number;
    uint64_t made;
    if (zx_object_get_property(process, ZX_PROP_NAME, name, sizeof(name)) != ZX_OK)
        return 0;
    number = text_after(name, RANDOM_NAME);
    return number != NULL && text_number(number, &made) ? made : 0;
}

TEST(random_calls_of_many_processes)
{
    uint64_t made = 0, batches = 0, deaths = 0, exits = 0;
    for (; made < calls_wanted && batches < calls_wanted; batches++) {
        zx_handle_t process, again;
        char number[24], count[24];
        int64_t code = 0;
        (void)vm_snprint(number, sizeof(number), "%llu", (unsigned long long)(seed * 1000000 + batches));
        (void)vm_snprint(count, sizeof(count), "%llu",
                         (unsigned long long)(calls_wanted - made < BATCH ? calls_wanted - made : BATCH));
        if (!start("--random", number, count, &process))
            return;
        /* It runs already, and may have asked that some allocation fails, which may be this one. */
        zx_status_t status = ZX_ERR_NO_MEMORY;
        for (unsigned i = 0; i < 100 && status == ZX_ERR_NO_MEMORY; i++)
            status = zx_handle_duplicate(process, ZX_RIGHT_SAME_RIGHTS, &again);
        if (!CHECK_STATUS(ZX_OK, status))
            return;
        bool ended = CHECK(await(process, &code));
        (void)zvm_fail_allocation(0, 0);
        made += calls_of(again);
        deaths += code == ZX_TASK_RETCODE_EXCEPTION_KILL || code == ZX_TASK_RETCODE_VDSO_KILL;
        exits += code != 0;
        CHECK_STATUS(ZX_OK, zx_handle_close(again));
        runtime_await_quiet();
        if (!ended || !CHECK_STATUS(ZX_OK, zvm_check())) {
            print("# random: seed %s\n", number);
            return;
        }
    }
    print("# random: %llu calls of %llu processes, of which %llu ended themselves early, %llu by an "
          "exception\n",
          (unsigned long long)made, (unsigned long long)batches, (unsigned long long)exits,
          (unsigned long long)deaths);
}

/* ---- The end of all ---- */

/* Nobody gets memory any more, until the kernel sees that this program has ended. */
static void leave(void)
{
    (void)zvm_report_deaths(1);
    (void)zvm_fail_allocation(1, 1);
}

/* ---- The first process, and the others ---- */

static int obey(char **words)
{
    if (text_equal(words[1], "--deed")) {
        find(deeds, deed_count, words[2])->function();
        return SURVIVED;
    }
    if (text_equal(words[1], "--survivor")) {
        find(survivors, survivor_count, words[2])->function();
        return test_has_failed() ? 1 : 0;
    }
    uint64_t first, count;
    if (!text_number(words[2], &first) || !text_number(words[3], &count))
        give_up("hostile: expected a seed and a number of calls");
    random_calls(first, count);
}

static void read_arguments(int count, char **words)
{
    if (count > 4 || (count > 2 && !text_number(words[2], &calls_wanted)) ||
        (count > 3 && !text_number(words[3], &seed)))
        give_up("hostile: expected a part, a number of calls, a seed");
    if (count > 1 && !text_equal(words[1], "all"))
        part = words[1];
}

int main(int count, char **words)
{
    if (count == 4 && words[1][0] == '-')
        return obey(words);
    read_arguments(count, words);
    runtime_settle();
    if (zvm_report_deaths(0) != ZX_OK)
        give_up("hostile: needs the test aids");
    run_all(survivors, survivor_count, a_survivor);
    run_all(deeds, deed_count, a_deed);
    if (part == NULL || text_contains("random_calls", part))
        test_run("random_calls", random_calls_of_many_processes);
    int answer = test_end();
    leave();
    return answer;
}
