/* SPDX-License-Identifier: MIT */
/* hello.c: what every program counts on: that it was started right. */
#include "../elf.h"
#include "bootstrap.h"
#include "test.h"
#include "zvm.h"

#define COUNTERS_MAX 64

static int argument_count;
static char **arguments;
static int answer = 42;
static int *pointer = &answer; /* right only once the program is relocated */
static char zeroes[3 * 4096];

TEST(arguments_are_there)
{
    CHECK(argument_count >= 1);
    CHECK(text_equal(arguments[0], "hello"));
    CHECK(arguments[argument_count] == NULL);
}

TEST(data_is_right)
{
    CHECK_EQUAL(*pointer, 42);
    for (size_t i = 0; i < sizeof(zeroes); i++)
        if (!CHECK_EQUAL(zeroes[i], 0))
            break;
    *pointer = 43;
    CHECK_EQUAL(answer, 43);
}

TEST(the_vdso_is_where_it_is_said)
{
    const struct elf_header *header = (const void *)runtime_vdso_base();
    CHECK_EQUAL(header->magic[1], 'E');
    CHECK_EQUAL(zx_system_get_page_size(), ZX_PAGE_SIZE);
    CHECK(text_equal(zx_status_get_string(ZX_ERR_NOT_FOUND), "ZX_ERR_NOT_FOUND"));
}

/* Seven arguments, of which one is on the stack: the stub must give it to the kernel. */
TEST(calls_reach_the_kernel)
{
    zx_handle_t vmo;
    zx_vaddr_t at = 0;
    if (!CHECK_STATUS(ZX_OK, zx_vmo_create(ZX_PAGE_SIZE, 0, &vmo)))
        return;
    CHECK_STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0,
                                    ZX_PAGE_SIZE, &at));
    char byte = 0;
    *(volatile char *)at = 'z';
    CHECK_STATUS(ZX_OK, zx_vmo_read(vmo, &byte, 0, 1));
    CHECK_EQUAL(byte, 'z');
    CHECK_STATUS(ZX_OK, zx_vmar_unmap(zx_vmar_root_self(), at, ZX_PAGE_SIZE));
    CHECK_STATUS(ZX_OK, zx_handle_close(vmo));
    CHECK_STATUS(ZX_ERR_BAD_HANDLE, zx_handle_close(vmo));
}

static void add_up(void *context)
{
    double *sum = context; /* in the registers that only programs use */
    for (int i = 1; i <= 1000; i++)
        *(volatile double *)sum += i * 0.5;
}

TEST(threads_run)
{
    struct program_thread threads[3];
    double sums[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        if (!CHECK_STATUS(ZX_OK, thread_start(&threads[i], "adder", add_up, &sums[i])))
            return;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_STATUS(ZX_OK, thread_join(&threads[i]));
        CHECK(sums[i] == 250250.0);
    }
}

/* ---- Threads that never wait ---- */

struct counter {
    struct program_thread thread;
    _Atomic uint64_t count;
};
static struct counter counters[COUNTERS_MAX];
static _Atomic bool enough;

static void count_on(void *context)
{
    struct counter *counter = context;
    while (!enough)
        counter->count++;
}

static void nap(void)
{
    zx_signals_t seen;
    zx_object_wait_one(zx_process_self(), ZX_TASK_TERMINATED, zx_clock_get_monotonic() + 10 * 1000 * 1000,
                       &seen);
}

static void find_extremes(unsigned count, uint64_t *least, uint64_t *most)
{
    *least = UINT64_MAX, *most = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t seen = counters[i].count;
        *least = seen < *least ? seen : *least;
        *most = seen > *most ? seen : *most;
    }
}

/* None keeps a processor for itself. The margin is for processors that run at different speeds, as an emulator's do. */
TEST(processors_are_shared)
{
    uint32_t processors = 1;
    unsigned count = 0;
    uint64_t alone, least, most;
    CHECK_STATUS(ZX_OK, zvm_processors(&processors));
    const unsigned wanted = processors * 8 + 1 < COUNTERS_MAX ? processors * 8 + 1 : COUNTERS_MAX;
    enough = false;
    while (count < wanted && CHECK_STATUS(ZX_OK, thread_start(&counters[count].thread, "counter", count_on,
                                                              &counters[count]))) {
        if (count++ == 0)
            nap();
    }
    alone = counters[0].count;
    do {
        nap();
        find_extremes(count, &least, &most);
    } while (least < 4 * alone);
    enough = true;
    for (unsigned i = 0; i < count; i++)
        CHECK_STATUS(ZX_OK, thread_join(&counters[i].thread));
    print("# %u threads on %u processors counted to between %llu and %llu\n", count, processors,
          (unsigned long long)least, (unsigned long long)most);
    CHECK(most < 5 * least);
}

TEST(further_processes_end)
{
    const char *const words[] = {"hello", "child", "7"};
    zx_handle_t process;
    int64_t code = 0;
    if (CHECK_STATUS(ZX_OK, spawn_self("child", 3, words, &process)) &&
        CHECK_STATUS(ZX_OK, process_wait(process, &code)))
        CHECK_EQUAL(code, 7);
}

/* More arguments than there is room for, in number and in length: nothing is started. */
TEST(arguments_have_a_limit)
{
    static char long_word[BOOTSTRAP_SIZE_MAX];
    static const char *many[BOOTSTRAP_ARGUMENTS + 1];
    const char *const one[] = {long_word};
    zx_handle_t process = ZX_HANDLE_INVALID;
    memset(long_word, 'x', sizeof(long_word) - 1);
    for (unsigned i = 0; i < BOOTSTRAP_ARGUMENTS + 1; i++)
        many[i] = "x";
    CHECK_STATUS(ZX_ERR_OUT_OF_RANGE, spawn_self("many", BOOTSTRAP_ARGUMENTS + 1, many, &process));
    CHECK_STATUS(ZX_ERR_OUT_OF_RANGE, spawn_self("long", 1, one, &process));
    CHECK_EQUAL(process, ZX_HANDLE_INVALID);
}

int main(int count, char **words)
{
    uint64_t code;
    argument_count = count;
    arguments = words;
    if (count == 3 && text_equal(words[1], "child") && text_number(words[2], &code))
        return (int)code;
    print("hello from ring 3\n");
    RUN(arguments_are_there);
    RUN(data_is_right);
    RUN(the_vdso_is_where_it_is_said);
    RUN(calls_reach_the_kernel);
    RUN(threads_run);
    RUN(processors_are_shared);
    RUN(further_processes_end);
    RUN(arguments_have_a_limit);
    return test_end();
}
