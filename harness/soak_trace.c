/* SPDX-License-Identifier: MIT */
/*
 * soak_trace.c: runs generated traces of consecutive seeds, as many operations as were asked for, in several processes, with the model
 * and the checkers on and no fuzzing engine: the number of operations that the core has stood is then a plain figure.
 *
 * Each worker is a process, for a run has the host's simulated memory to itself. It takes the next seed from memory that all share,
 * makes its trace, runs it, adds its operations, and so on until enough seeds are taken or somebody found something. The parent only
 * counts, tells and waits: a worker that crashes or takes too long leaves behind which seed it was at. Since every seed that was
 * taken is run to its end, all seeds below the next one are done when the program ends, and --seed goes on from there.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, strsignal */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vm/format.h>

#include "../fuzz/generate.h"
#include "../fuzz/run.h"
#include "../fuzz/trace.h"

#define JOBS_MAX    64
#define TRACE_BYTES (TRACE_HEADER_SIZE + TRACE_OPERATIONS_MAX * TRACE_OPERATION_SIZE)

#define NUMBER_MAX (1ull << 52)

/* A trace that takes longer does not come to an end. */
#define TRACE_SECONDS 120

enum { FINE = 0, BROKEN = 1, MISUSE = 2 };

struct options {
    uint64_t seed, operations, length, check_every, jobs,
        seconds; /* the last: between two lines of progress */
    const char *findings;
};

/* What all processes share. */
static struct shared {
    atomic_uint_least64_t next_seed, operations, traces;
    atomic_bool stop;
    atomic_uint_least64_t seed_of[JOBS_MAX]; /* that each worker took last */
} * shared;

static uint8_t bytes[TRACE_BYTES];

/* ---- A worker ---- */

/* Takes the next seed unless all are taken, or somebody said stop. */
static bool take(unsigned worker, uint64_t end)
{
    uint64_t seed = atomic_load(&shared->next_seed);

    do {
        if (seed >= end || atomic_load(&shared->stop))
            return false;
    } while (!atomic_compare_exchange_weak(&shared->next_seed, &seed, seed + 1));
    atomic_store(&shared->seed_of[worker], seed);
    return true;
}

_Noreturn static void work(unsigned worker, const struct options *options, uint64_t end)
{
    const struct trace_options run = {.check_every = (unsigned)options->check_every};
    const struct rlimit none = {0, 0};
    struct trace_result result;

    setrlimit(RLIMIT_CORE, &none);
    /* The parent decides when to stop; a worker only ever ends between two traces. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (take(worker, end)) {
        const size_t size = trace_generate(atomic_load(&shared->seed_of[worker]), (uint32_t)options->length,
                                           bytes, sizeof bytes);
        alarm(TRACE_SECONDS);
        trace_run(bytes, size, &run, &result);
        atomic_fetch_add(&shared->operations, result.operations);
        atomic_fetch_add(&shared->traces, 1);
        if (result.status != ZX_OK) {
            atomic_store(&shared->stop, true);
            _exit(BROKEN);
        }
    }
    _exit(FINE);
}

/* ---- Progress ---- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_progress(const struct options *options, double elapsed)
{
    const uint64_t done = atomic_load(&shared->operations);
    const double rate = (double)done / elapsed;
    const double left =
        rate > 0 && done < options->operations ? (double)(options->operations - done) / rate : 0;

    printf("soak: %.0f s: %" PRIu64 " of %" PRIu64
           " operations (%.1f %%), %.0f/s, %.0f min left, at seed %" PRIu64 "\n",
           elapsed, done, options->operations, 100.0 * (double)done / (double)options->operations, rate,
           left / 60, (uint64_t)atomic_load(&shared->next_seed));
    fflush(stdout);
}

static void on_signal(int number)
{
    (void)number;
    atomic_store(&shared->stop, true);
}

/* Signals end a wait, so that progress is told and stopping is seen; nothing is to be done about them here. */
static void on_alarm(int number)
{
    (void)number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
}

/* ---- A finding ---- */

static bool save(const char *path, uint64_t seed, const struct options *options)
{
    const size_t size = trace_generate(seed, (uint32_t)options->length, bytes, sizeof bytes);
    FILE *file = fopen(path, "wb");
    bool written = file != NULL && fwrite(bytes, 1, size, file) == size;

    written = file != NULL && fclose(file) == 0 && written;
    if (!written)
        fprintf(stderr,
                "soak: %s cannot be written: %s; `zvt generate --seed %" PRIu64 " --ops %" PRIu64
                "` makes it again\n",
                path, strerror(errno), seed, options->length);
    return written;
}

static void tell_finding(unsigned worker, int status, const struct options *options)
{
    const uint64_t seed = atomic_load(&shared->seed_of[worker]);
    char path[4096];

    snprintf(path, sizeof path, "%s/seed-%" PRIu64 ".zvt", options->findings, seed);
    printf("soak: the trace of seed %" PRIu64 " breaks", seed);
    if (WIFSIGNALED(status))
        printf(": %s", WTERMSIG(status) == SIGALRM ? "it takes too long" : strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != BROKEN)
        printf(": the run ended with exit status %d", WEXITSTATUS(status));
    printf("\n");
    fflush(stdout);
    if (save(path, seed, options))
        printf("soak: found %s: harness/reproduce %s\n", path, path);
}

/* ---- All together ---- */

/* Starts the workers; how many there are. */
static unsigned start(const struct options *options, uint64_t end, pid_t *children)
{
    for (unsigned i = 0; i < options->jobs; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            fprintf(stderr, "soak: no process for job %u: %s\n", i + 1, strerror(errno));
            return i;
        }
        if (children[i] == 0)
            work(i, options, end);
    }
    return (unsigned)options->jobs;
}

/* Waits for all, telling of progress meanwhile; how many findings there were. */
static unsigned wait_for(unsigned count, const pid_t *children, const struct options *options, double started)
{
    const struct timeval seconds = {.tv_sec = (time_t)options->seconds};
    const struct itimerval every = {seconds, seconds};
    unsigned findings = 0, left = count;
    int status;

    setitimer(ITIMER_REAL, &every, NULL);
    while (left > 0) {
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno == EINTR) {
            print_progress(options, seconds_now() - started);
            continue;
        }
        left--;
        for (unsigned i = 0; i < count; i++) {
            if (children[i] != ended || (WIFEXITED(status) && WEXITSTATUS(status) == FINE))
                continue;
            atomic_store(&shared->stop, true);
            tell_finding(i, status, options);
            findings++;
        }
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    return findings;
}

static int soak(const struct options *options)
{
    const uint64_t traces = (options->operations + options->length - 1) / options->length;
    const uint64_t end = options->seed + traces;
    const double started = seconds_now();
    pid_t children[JOBS_MAX];

    atomic_store(&shared->next_seed, options->seed);
    catch_signals();
    const unsigned count = start(options, end, children);
    if (count < options->jobs)
        atomic_store(&shared->stop, true);
    const unsigned findings = wait_for(count, children, options, started);
    const double elapsed = seconds_now() - started;
    const uint64_t done = atomic_load(&shared->operations), next = atomic_load(&shared->next_seed);
    printf("soak: %" PRIu64 " operations in %" PRIu64 " traces, %.0f s (%.0f/s), findings %u\n", done,
           (uint64_t)atomic_load(&shared->traces), elapsed, (double)done / (elapsed > 0 ? elapsed : 1),
           findings);
    if (next < end)
        printf("soak: stopped early; --seed %" PRIu64 " goes on behind what was done\n", next);
    return findings == 0 && next == end ? FINE : BROKEN;
}

/* ---- Options ---- */

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    /* 1e9 is a number of operations, too; every whole number below 2^53 is exact. */
    const double number = strtod(text, &end);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' ||
        !(number >= (double)least && number <= (double)most))
        return false;
    *out = (uint64_t)number;
    return (double)*out == number;
}

/* Takes an option with its value; false, after saying why, where there is no such thing. */
static bool take_option(struct options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *to, least, most;
    } numbers[] = {
        {"--seed", &options->seed, 0, NUMBER_MAX},
        {"--operations", &options->operations, 1, NUMBER_MAX},
        {"--length", &options->length, 1, TRACE_OPERATIONS_MAX},
        {"--check-every", &options->check_every, 0, 1000000},
        {"--jobs", &options->jobs, 1, JOBS_MAX},
        {"--progress", &options->seconds, 1, 86400},
    };

    if (strcmp(name, "--findings") == 0 && value[0] != '\0') {
        options->findings = value;
        return true;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (parse_number(value, numbers[i].least, numbers[i].most, numbers[i].to))
            return true;
        fprintf(stderr, "soak: %s %s: expected a whole number from %" PRIu64 " to %" PRIu64 "\n", name, value,
                numbers[i].least, numbers[i].most);
        return false;
    }
    fprintf(stderr, "soak: %s: no such option, or no value behind it; harness/soak --help lists them\n",
            name);
    return false;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1,
                              .operations = 1000000,
                              .length = TRACE_FUZZ_OPERATIONS,
                              .check_every = 4,
                              .jobs = 1,
                              .seconds = 10,
                              .findings = "."};

    for (int i = 1; i < argc; i += 2) {
        if (!take_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : ""))
            return MISUSE;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("soak: no memory");
        return BROKEN;
    }
    const int status = soak(&options);
    return fflush(stdout) == 0 ? status : BROKEN;
}
