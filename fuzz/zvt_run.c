/* SPDX-License-Identifier: MIT */
/*
 * zvt_run.c: the commands that run traces: run, dump, svg, diff.
 *
 * `run` runs all files in one child process, which costs next to nothing. Where the core takes that down, its parent tells so in the
 * file's line and has another child go on behind it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vm/aspace.h>
#include <zircon/errors.h>

#include "zvt.h"

static const char trace_expected[] = "a trace";

/* ---- run ---- */

static void print_result(const char *path, const struct trace_result *result)
{
    printf("%s %016" PRIx64 " %u %s\n", path, result->digest, result->operations,
           zx_status_get_string(result->status));
    if (!zvt_flush_stdout())
        exit(ZVT_MISUSE);
}

/* The operation that broke. */
static uint32_t last_of(const struct trace_result *result)
{
    return result->operations > 0 ? result->operations - 1 : 0;
}

static void print_operation_at(FILE *to, const struct zvt_bytes *trace, uint32_t index)
{
    struct zvt_sink sink = zvt_sink_to(to);

    if (index < trace_count(trace->size))
        trace_print_operation(&sink.sink, trace->bytes, trace->size, index);
    else
        fputs("the end of the run", to);
    fputc('\n', to);
}

/* Of the process that runs traces, in memory that it shares with its parent. */
static struct run_state {
    int index;                  /* of the file that is run */
    bool broken, ended;         /* any of them; all of them */
    struct trace_result result; /* of this one, so far */
} * state;

static bool note_result(void *context, uint32_t index, const struct trace_op *op,
                        const struct trace_record *record)
{
    (void)context;
    (void)op;
    state->result.operations = index + 1;
    state->result.digest = record->digest;
    return true;
}

static bool run_one(const struct zvt_bytes *trace, unsigned check_every)
{
    struct zvt_sink report = zvt_sink_to(stderr);
    const struct trace_options options = {
        .check_every = check_every, .report = &report.sink, .observe = note_result};
    struct trace_result result;

    trace_run(trace->bytes, trace->size, &options, &result);
    print_result(trace->path, &result);
    if (result.status == ZX_OK)
        return true;
    fprintf(stderr, "zvt: %s: breaks at operation %u: ", trace->path, last_of(&result));
    print_operation_at(stderr, trace, last_of(&result));
    return false;
}

static bool run_failing(const struct zvt_bytes *trace, unsigned check_every, uint64_t nth, bool persistent)
{
    struct zvt_sink report = zvt_sink_to(stderr);
    const struct trace_options options = {
        .check_every = check_every, .report = &report.sink, .fail_nth = nth, .fail_persistent = persistent};
    struct trace_result result;

    trace_run(trace->bytes, trace->size, &options, &result);
    if (result.status == ZX_OK)
        return true;
    fprintf(stderr,
            "zvt: %s: with allocation %" PRIu64 " made to fail%s, breaks at operation %u: ", trace->path, nth,
            persistent ? " and all after it" : "", last_of(&result));
    print_operation_at(stderr, trace, last_of(&result));
    return false;
}

static bool run_fail_each(const struct zvt_bytes *trace, unsigned check_every)
{
    const struct trace_options options = {.check_every = check_every};
    struct trace_result result;
    uint64_t broken = 0;

    if (!run_one(trace, check_every))
        return false;
    trace_run(trace->bytes, trace->size, &options, &result);
    for (uint64_t nth = 1; nth <= result.allocations; nth++) {
        broken += !run_failing(trace, check_every, nth, false);
        broken += !run_failing(trace, check_every, nth, true);
    }
    printf("%s: %" PRIu64 " allocations, each made to fail once and for good: %" PRIu64 " of %" PRIu64
           " runs broke\n",
           trace->path, result.allocations, broken, 2 * result.allocations);
    return broken == 0;
}

static void print_text(const char *title, const struct zvt_text *text)
{
    printf("\n%s\n%s%s", title, text->bytes,
           text->length == 0 || text->bytes[text->length - 1] != '\n' ? "\n" : "");
}

/* A first child finds out which operation breaks, a second one keeps the trees around it. */
static bool run_verbose(const struct zvt_bytes *trace)
{
    struct zvt_outcome *outcome = zvt_outcome_new();

    if (!zvt_run_in_child(trace->bytes, trace->size, UINT32_MAX, outcome))
        return false;
    if (outcome->signature[0] == '\0') {
        print_result(trace->path, &outcome->result);
        return true;
    }
    const uint32_t index = zvt_broken_operation(outcome);
    if (!zvt_run_in_child(trace->bytes, trace->size, index == 0 ? 0 : index - 1, outcome))
        return false;
    printf("%s: breaks at operation %u of %zu: ", trace->path, index, trace_count(trace->size));
    print_operation_at(stdout, trace, index);
    const bool ended = outcome->operations == index + 1;
    if (ended)
        printf("   %s\n", outcome->record.bytes);
    if (!outcome->finished && WIFSIGNALED(outcome->wait_status))
        printf("the run was ended by signal %d (%s)\n", WTERMSIG(outcome->wait_status),
               WTERMSIG(outcome->wait_status) == SIGALRM ? "it took too long" : "it crashed");
    print_text("What is broken:", &outcome->report);
    print_text("Address spaces before:", ended ? &outcome->before : &outcome->after);
    if (ended)
        print_text("Address spaces after:", &outcome->after);
    return false;
}

/* How the files are run. */
struct running {
    char **files;
    int count;
    bool verbose, fail_each;
    unsigned check_every;
};

/* Runs the files from number `first` on; the exit status. */
static int run_files(const struct running *running, int first)
{
    for (int i = first; i < running->count; i++) {
        state->index = i;
        memset(&state->result, 0, sizeof state->result);
        state->result.digest = TRACE_DIGEST_START;
        struct zvt_bytes trace = zvt_read(running->files[i], trace_expected);
        zvt_name_crash(trace.path);
        if (running->verbose)
            state->broken |= !run_verbose(&trace);
        else if (running->fail_each)
            state->broken |= !run_fail_each(&trace, running->check_every);
        else
            state->broken |= !run_one(&trace, running->check_every);
        zvt_free(&trace);
    }
    state->ended = true;
    return zvt_status(zvt_flush_stdout(), !state->broken);
}

/* A core that crashes takes its process with it; another one goes on behind the file that it was at. */
static int run_files_in_children(const struct running *running)
{
    int first = 0, status = 0;

    while (first < running->count) {
        fflush(stdout);
        fflush(stderr);
        const pid_t parent = getpid(), child = fork();
        if (child < 0)
            zvt_misuse("no process to run a trace in: %s", strerror(errno));
        if (child == 0) {
            zvt_child_begins(parent);
            exit(run_files(running, first));
        }
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (WIFEXITED(status) && (state->ended || WEXITSTATUS(status) == ZVT_MISUSE))
            return WEXITSTATUS(status);
        zvt_end_like(status);
        state->broken = true;
        state->result.status = ZX_ERR_INTERNAL;
        if (WIFSIGNALED(status))
            zvt_say("%s: the run was ended by signal %d", running->files[state->index], WTERMSIG(status));
        print_result(running->files[state->index], &state->result);
        first = state->index + 1;
    }
    return zvt_status(zvt_flush_stdout(), false);
}

int zvt_command_run(int argc, char **argv)
{
    struct running running = {.files = argv};
    const char *every = NULL;
    const struct zvt_option options[] = {{"--verbose", NULL, &running.verbose},
                                         {"--fail-each", NULL, &running.fail_each},
                                         {"--check-every", &every, NULL}};

    running.count = zvt_options(argc, argv, options, 3);
    if (running.verbose && (running.fail_each || every != NULL))
        zvt_misuse(
            "run: expected --verbose alone, found %s beside it: it checks after each operation of one run",
            running.fail_each ? "--fail-each" : "--check-every");
    running.check_every = every != NULL ? (unsigned)zvt_number("--check-every", every, 1000000) : 1;
    if (running.count == 0)
        zvt_misuse("run: expected one or more traces, found none; `zvt run --help` tells more");
    state = zvt_share(sizeof *state);
    return run_files_in_children(&running);
}

/* ---- dump ---- */

struct dump {
    const struct zvt_bytes *trace;
    struct zvt_sink to;
    uint32_t printed; /* operations */
};

static bool dump_operation(void *context, uint32_t index, const struct trace_op *op,
                           const struct trace_record *record)
{
    struct dump *dump = context;

    trace_print_operation(&dump->to.sink, dump->trace->bytes, dump->trace->size, index);
    vm_print(&dump->to.sink, " # %u:", index);
    trace_print_record(&dump->to.sink, op, record);
    vm_print(&dump->to.sink, "\n");
    /* If the core dies, what came before it has been said. */
    fflush(dump->to.file);
    dump->printed = index + 1;
    return true;
}

static bool dump_results(const struct zvt_bytes *trace, FILE *to)
{
    struct dump dump = {trace, zvt_sink_to(to), 0};
    struct zvt_sink report = zvt_sink_to(stderr);
    const struct trace_options options = {
        .check_every = 1, .report = &report.sink, .observe = dump_operation, .context = &dump};
    struct trace_result result;

    trace_print_header(&dump.to.sink, trace->bytes, trace->size);
    fputc('\n', to);
    trace_run(trace->bytes, trace->size, &options, &result);
    for (size_t i = dump.printed; i < trace_count(trace->size); i++) {
        trace_print_operation(&dump.to.sink, trace->bytes, trace->size, i);
        fprintf(to, " # %zu: not run\n", i);
    }
    fprintf(to, "# digest %016" PRIx64 ", %u operations, %s\n", result.digest, result.operations,
            zx_status_get_string(result.status));
    return result.status == ZX_OK;
}

int zvt_command_dump(int argc, char **argv)
{
    bool plain = false, fine = true;
    const char *path = NULL;
    const struct zvt_option options[] = {{"--plain", NULL, &plain}, {"-o", &path, NULL}};
    struct zvt_output output = {.file = stdout};

    if (zvt_options(argc, argv, options, 2) != 1)
        zvt_misuse("dump: expected one trace; `zvt dump --help` tells more");
    struct zvt_bytes trace = zvt_read(argv[0], trace_expected);
    if (path != NULL && !zvt_open(&output, path))
        return ZVT_MISUSE;
    if (plain) {
        struct zvt_sink sink = zvt_sink_to(output.file);
        trace_print(&sink.sink, trace.bytes, trace.size);
    } else {
        zvt_name_crash(trace.path);
        fine = dump_results(&trace, output.file);
    }
    zvt_free(&trace);
    return zvt_status(path != NULL ? zvt_commit(&output) : zvt_flush_stdout(), fine);
}

/* ---- svg ---- */

struct pictures {
    const char *path;
    bool directory;
    uint32_t after; /* where not a directory: the operation */
    bool failed, drawn;
};

static bool draw_operation(void *context, uint32_t index, const struct trace_op *op,
                           const struct trace_record *record)
{
    struct pictures *pictures = context;
    struct zvt_output output;
    char path[4096];

    (void)op;
    if (record->aspace == NULL || (!pictures->directory && index != pictures->after))
        return true;
    if (pictures->directory)
        snprintf(path, sizeof path, "%s/%04u.svg", pictures->path, index);
    else
        snprintf(path, sizeof path, "%s", pictures->path);
    pictures->failed = !zvt_open(&output, path);
    if (pictures->failed)
        return false;
    struct zvt_sink sink = zvt_sink_to(output.file);
    vm_aspace_svg(record->aspace, &sink.sink);
    pictures->failed = !zvt_commit(&output);
    pictures->drawn = true;
    return !pictures->failed && pictures->directory;
}

static uint32_t operations_to_draw(const struct zvt_bytes *trace)
{
    const size_t count = trace_count(trace->size);

    if (count == 0)
        zvt_misuse("%s: expected a trace with operations, found none: there is nothing to draw", trace->path);
    return count < TRACE_OPERATIONS_MAX ? (uint32_t)count : TRACE_OPERATIONS_MAX;
}

int zvt_command_svg(int argc, char **argv)
{
    struct pictures pictures = {.path = NULL};
    const char *after = NULL;
    const struct zvt_option options[] = {{"-o", &pictures.path, NULL}, {"--after", &after, NULL}};
    struct zvt_sink report = zvt_sink_to(stderr);
    const struct trace_options run = {
        .check_every = 1, .report = &report.sink, .observe = draw_operation, .context = &pictures};
    struct trace_result result;
    struct stat status;

    if (zvt_options(argc, argv, options, 2) != 1 || pictures.path == NULL)
        zvt_misuse("svg: expected one trace and -o FILE.svg or -o DIRECTORY; `zvt svg --help` tells more");
    pictures.directory = stat(pictures.path, &status) == 0 && S_ISDIR(status.st_mode);
    if (pictures.directory && after != NULL)
        zvt_misuse(
            "svg: --after: expected -o FILE.svg beside it, found the directory %s, which gets every picture",
            pictures.path);
    struct zvt_bytes trace = zvt_read(argv[0], trace_expected);
    const uint32_t count = operations_to_draw(&trace);
    pictures.after = after != NULL ? (uint32_t)zvt_number("--after", after, count - 1) : count - 1;
    zvt_name_crash(trace.path);
    trace_run(trace.bytes, trace.size, &run, &result);
    zvt_free(&trace);
    if (!pictures.drawn && !pictures.failed)
        zvt_say("%s: breaks at operation %u, before the one to be drawn", argv[0], last_of(&result));
    return zvt_status(!pictures.failed, pictures.drawn && result.status == ZX_OK);
}

/* ---- diff ---- */

struct history {
    uint64_t digest[TRACE_OPERATIONS_MAX]; /* of the run up to each operation */
    struct trace_result result;
};

static bool remember(void *context, uint32_t index, const struct trace_op *op,
                     const struct trace_record *record)
{
    struct history *history = context;

    (void)op;
    history->digest[index] = record->digest;
    return true;
}

struct showing {
    uint32_t index;
    struct zvt_sink to;
};

static bool show_record(void *context, uint32_t index, const struct trace_op *op,
                        const struct trace_record *record)
{
    struct showing *showing = context;

    if (index < showing->index)
        return true;
    trace_print_record(&showing->to.sink, op, record);
    return false;
}

static void run_history(const struct zvt_bytes *trace, struct history *history)
{
    struct zvt_sink report = zvt_sink_to(stderr);
    const struct trace_options options = {
        .check_every = 1, .report = &report.sink, .observe = remember, .context = history};

    zvt_name_crash(trace->path);
    trace_run(trace->bytes, trace->size, &options, &history->result);
}

static void show_operation(const struct zvt_bytes *trace, const struct history *history, uint32_t index)
{
    struct showing showing = {index, zvt_sink_to(stdout)};
    const struct trace_options options = {.observe = show_record, .context = &showing};
    struct trace_result result;

    printf("%s: ", trace->path);
    if (index >= history->result.operations) {
        printf("ends after %u operations\n", history->result.operations);
        return;
    }
    trace_print_operation(&showing.to.sink, trace->bytes, trace->size, index);
    printf(" #");
    trace_run(trace->bytes, trace->size, &options, &result);
    printf("\n");
}

int zvt_command_diff(int argc, char **argv)
{
    static struct history history[2];
    uint32_t index = 0;

    if (zvt_options(argc, argv, NULL, 0) != 2)
        zvt_misuse("diff: expected two traces; `zvt diff --help` tells more");
    struct zvt_bytes trace[2] = {zvt_read(argv[0], trace_expected), zvt_read(argv[1], trace_expected)};
    run_history(&trace[0], &history[0]);
    run_history(&trace[1], &history[1]);
    const uint32_t counts[2] = {history[0].result.operations, history[1].result.operations};
    while (index < counts[0] && index < counts[1] && history[0].digest[index] == history[1].digest[index])
        index++;
    const bool equal = index == counts[0] && index == counts[1] &&
                       history[0].result.digest == history[1].result.digest &&
                       history[0].result.status == history[1].result.status;
    if (equal) {
        printf("%u operations with equal outcomes, digest %016" PRIx64 "\n", index, history[0].result.digest);
    } else {
        printf("first difference at operation %u:\n", index);
        show_operation(&trace[0], &history[0], index);
        show_operation(&trace[1], &history[1], index);
    }
    const bool fine = equal && history[0].result.status == ZX_OK;
    zvt_free(&trace[0]);
    zvt_free(&trace[1]);
    return zvt_status(zvt_flush_stdout(), fine);
}
