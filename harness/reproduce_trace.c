/* SPDX-License-Identifier: MIT */
/*
 * reproduce_trace.c: runs one trace and shows how it breaks: the operation, what the judges say of it, the
 * region trees before and after.
 *
 *   reproduce_trace FILE                  runs it in child processes, so that a crash can be told of
 *   reproduce_trace --stop-before N FILE  runs it in this process and calls reproduce_stop() when operation N comes next (for a debugger)
 *
 * The first child finds out which operation breaks; the second does it all again and keeps the trees around
 * that one, in memory that it shares with the parent. Exit status: 0 nothing broke, 1 it reproduces, 2
 * misuse.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vm/aspace.h>
#include <vm/format.h>

#include "../fuzz/run.h"
#include "../fuzz/trace.h"

/* A run that takes longer does not end. */
#ifndef SECONDS_MOST
#    define SECONDS_MOST 20
#endif

#define TEXT_MAX  (1u << 20)
#define BYTES_MAX (TRACE_HEADER_SIZE + TRACE_OPERATIONS_MAX * TRACE_OPERATION_SIZE)

struct text {
    struct vm_sink sink; /* first: a sink leads to its text */
    size_t length;
    bool cut;
    char bytes[TEXT_MAX];
};

/* What a child leaves behind, however it ends. */
struct outcome {
    uint32_t operations; /* that ended */
    bool dumping;        /* it died while it looked at a tree */
    bool finished;
    struct trace_result result;
    uint32_t trees_from; /* trees are kept of this operation on; UINT32_MAX: none */
    uint32_t
        last; /* what comes behind this operation does not end: the run stops here; UINT32_MAX: nowhere */
    struct text before, after, record, report;
};

static uint8_t trace[BYTES_MAX];
static size_t trace_size;
static struct outcome *outcome;
static uint32_t stop_before = UINT32_MAX;

static void text_write(struct vm_sink *self, const char *bytes, size_t size)
{
    struct text *text = (struct text *)self;
    size_t room = sizeof(text->bytes) - text->length;
    if (size > room) {
        text->cut = true;
        size = room;
    }
    memcpy(text->bytes + text->length, bytes, size);
    text->length += size;
}

static void text_clear(struct text *text)
{
    text->sink.write = text_write;
    text->length = 0;
    text->cut = false;
}

static void text_show(const char *title, const struct text *text)
{
    printf("\n%s\n", title);
    fwrite(text->bytes, 1, text->length, stdout);
    if (text->length == 0 || text->bytes[text->length - 1] != '\n')
        putchar('\n');
    if (text->cut)
        printf("(cut here: there is more)\n");
}

static void stdout_write(struct vm_sink *self, const char *bytes, size_t size)
{
    (void)self;
    fwrite(bytes, 1, size, stdout);
}
static struct vm_sink stdout_sink = {stdout_write};

/* Where a debugger stops. */
__attribute__((noinline)) void reproduce_stop(uint32_t operation)
{
    __asm__ volatile("" : : "r"(operation) : "memory");
}

static bool observe(void *context, uint32_t index, const struct trace_op *op,
                    const struct trace_record *record)
{
    struct outcome *out = context;
    if (index + 1 == stop_before)
        reproduce_stop(stop_before);
    if (index >= out->trees_from) {
        out->dumping = true;
        out->before.length = out->after.length;
        memcpy(out->before.bytes, out->after.bytes, out->after.length);
        text_clear(&out->after);
        vm_aspace_dump_all(&out->after.sink);
        text_clear(&out->record);
        trace_print_record(&out->record.sink, op, record);
        out->dumping = false;
    }
    out->operations = index + 1;
    if (index == out->last)
        _exit(0);
    return true;
}

static void run(void)
{
    struct trace_options options = {
        .check_every = 1, .report = &outcome->report.sink, .observe = observe, .context = outcome};
    if (stop_before == 0)
        reproduce_stop(0);
    trace_run(trace, trace_size, &options, &outcome->result);
    outcome->finished = true;
}

static void outcome_reset(uint32_t trees_from, uint32_t last)
{
    outcome->last = last;
    outcome->operations = 0;
    outcome->dumping = outcome->finished = false;
    outcome->trees_from = trees_from;
    text_clear(&outcome->before);
    text_clear(&outcome->after);
    text_clear(&outcome->record);
    text_clear(&outcome->report);
}

/* Runs the trace in a child; how the child ended, as waitpid tells it. */
static int run_in_child(uint32_t trees_from, uint32_t last, bool quiet)
{
    outcome_reset(trees_from, last);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("reproduce: no process for the run");
        exit(2);
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS_MOST);
        int null = quiet ? open("/dev/null", O_WRONLY) : -1;
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        run();
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    /* Somebody wants this to end: that is not the trace's doing. */
    if (WIFSIGNALED(status) &&
        (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return status;
}

static bool is_endless(int status)
{
    return !outcome->finished && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

static void show_break(const char *path, int status, uint32_t index, bool endless)
{
    printf("%s: breaks at operation %u of %zu\n", path, index, trace_count(trace_size));
    if (index < trace_count(trace_size)) {
        printf("    ");
        trace_print_operation(&stdout_sink, trace, trace_size, index);
        printf("\n");
    }
    /* The record of the operation itself is there only where it came to an end. */
    bool ended = outcome->operations == index + 1;
    if (ended)
        text_show("what came of it:", &outcome->record);
    if (outcome->report.length > 0)
        text_show("what is broken:", &outcome->report);
    if (endless)
        printf("\nthe run does not end: it was stopped after %d s\n", SECONDS_MOST);
    else if (!outcome->finished && WIFSIGNALED(status))
        printf("\nthe run was ended by signal %d (%s)%s\n", WTERMSIG(status), strsignal(WTERMSIG(status)),
               outcome->dumping ? ", while the tree was being printed: it is damaged"
                                : "; its words are above");
    else if (!outcome->finished)
        printf("\nthe run ended with exit status %d; its words are above\n", WEXITSTATUS(status));
    text_show("address spaces before:", ended ? &outcome->before : &outcome->after);
    if (ended)
        text_show("address spaces after:", &outcome->after);
}

static bool read_trace(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "reproduce: %s cannot be opened: %s; expected a trace\n", path, strerror(errno));
        return false;
    }
    trace_size = fread(trace, 1, sizeof(trace), file);
    bool failed = ferror(file);
    fclose(file);
    if (failed)
        fprintf(stderr, "reproduce: %s cannot be read: %s; expected a trace\n", path, strerror(errno));
    return !failed;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--stop-before") == 0)
        stop_before = (uint32_t)strtoul(argv[2], NULL, 10);
    else if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: reproduce_trace [--stop-before N] FILE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    if (!read_trace(path))
        return 2;
    outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) {
        perror("reproduce: no memory");
        return 2;
    }
    if (stop_before != UINT32_MAX) {
        outcome_reset(UINT32_MAX, UINT32_MAX);
        run();
        return outcome->result.status == ZX_OK ? 0 : 1;
    }
    int status = run_in_child(UINT32_MAX, UINT32_MAX, true);
    const bool endless = is_endless(status);
    if (outcome->finished && outcome->result.status == ZX_OK) {
        printf("%s: does not break: %u operations, digest %016llx\n", path, outcome->result.operations,
               (unsigned long long)outcome->result.digest);
        return 0;
    }
    uint32_t index = outcome->operations;
    if (outcome->finished)
        index = outcome->result.operations > 0 ? outcome->result.operations - 1 : 0;
    /* What does not end is not run again: the trees before it are enough. */
    if (!endless || index > 0)
        status = run_in_child(index > 0 ? index - 1 : 0, endless ? index - 1 : UINT32_MAX, false);
    show_break(path, status, index, endless);
    return 1;
}
