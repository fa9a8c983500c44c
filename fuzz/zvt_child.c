/* SPDX-License-Identifier: MIT */
/*
 * zvt_child.c: runs a trace in a process of its own, so that a core that crashes, or never ends, can be told of like any other finding.
 *
 * The child leaves what it found in memory that it shares with its parent. What it writes to the standard error output goes to a
 * file without a name; when the child crashed, its last words are there.
 */
#define _GNU_SOURCE /* memfd_create, MAP_ANONYMOUS */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vm/aspace.h>

#include "zvt.h"

#define SECONDS_MOST 20

static void text_write(struct vm_sink *self, const char *bytes, size_t size)
{
    struct zvt_text *text = (struct zvt_text *)self;

    if (size > ZVT_TEXT_MAX - 1 - text->length)
        size = ZVT_TEXT_MAX - 1 - text->length;
    memcpy(text->bytes + text->length, bytes, size);
    text->length += size;
    text->bytes[text->length] = '\0';
}

static void text_clear(struct zvt_text *text)
{
    text->sink.write = text_write;
    text->length = 0;
    text->bytes[0] = '\0';
}

void *zvt_share(size_t size)
{
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        zvt_misuse("no memory to run a trace with: %s", strerror(errno));
    return shared;
}

struct zvt_outcome *zvt_outcome_new(void)
{
    return zvt_share(sizeof(struct zvt_outcome));
}

void zvt_child_begins(pid_t parent)
{
    zvt_disown();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(ZVT_BROKEN);
}

void zvt_end_like(int wait_status)
{
    const int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    if (number != SIGHUP && number != SIGINT && number != SIGTERM && number != SIGPIPE)
        return;
    zvt_abandon();
    signal(number, SIG_DFL);
    raise(number);
}

static bool observe(void *context, uint32_t index, const struct trace_op *op,
                    const struct trace_record *record)
{
    struct zvt_outcome *outcome = context;

    if (index >= outcome->keep_from) {
        outcome->before.length = outcome->after.length;
        memcpy(outcome->before.bytes, outcome->after.bytes, outcome->after.length + 1);
        text_clear(&outcome->after);
        vm_aspace_dump_all(&outcome->after.sink);
        text_clear(&outcome->record);
        trace_print_record(&outcome->record.sink, op, record);
    }
    outcome->operations = index + 1;
    return true;
}

_Noreturn static void run_as_child(const uint8_t *bytes, size_t size, struct zvt_outcome *outcome, int words)
{
    const struct trace_options options = {
        .check_every = 1, .report = &outcome->report.sink, .observe = observe, .context = outcome};
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    zvt_name_crash(NULL);
    if (words >= 0)
        dup2(words, STDERR_FILENO);
    alarm(SECONDS_MOST);
    trace_run(bytes, size, &options, &outcome->result);
    outcome->finished = true;
    _exit(0);
}

/* The first line that tells what is wrong: the first of all, or the one that a sanitizer or an assertion wrote. */
static const char *telling_line(const char *text)
{
    static const char *const marks[] = {"assertion failed", "ERROR: ", "runtime error", "zvm: "};

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const char *found = strstr(text, marks[i]);
        while (found != NULL && found > text && found[-1] != '\n')
            found--;
        if (found != NULL)
            return found;
    }
    while (*text == '\n')
        text++;
    return text;
}

/* Copies a line, each word with a digit in it made #: addresses and numbers differ between traces that break in the same way. */
static void leave_out_numbers(const char *line, char *out, size_t room)
{
    while (*line != '\0' && *line != '\n' && room > 1) {
        size_t length = 0;
        bool number = false;
        while (isalnum((unsigned char)line[length])) {
            number = number || isdigit((unsigned char)line[length]) != 0;
            length++;
        }
        const size_t copied = number ? 1 : length == 0 ? 1 : length < room - 1 ? length : room - 1;
        memcpy(out, number ? "#" : line, copied);
        out += copied;
        room -= copied;
        line += length == 0 ? 1 : length;
    }
    *out = '\0';
}

static void sign(struct zvt_outcome *outcome, int words)
{
    char line[sizeof outcome->signature - 24];

    outcome->signature[0] = '\0';
    if (outcome->finished && outcome->result.status == ZX_OK)
        return;
    if (!outcome->finished && words >= 0) {
        const ssize_t got = pread(words, outcome->report.bytes, ZVT_TEXT_MAX - 1, 0);
        outcome->report.length = got > 0 ? (size_t)got : 0;
        outcome->report.bytes[outcome->report.length] = '\0';
    }
    leave_out_numbers(telling_line(outcome->report.bytes), line, sizeof line);
    if (outcome->finished)
        snprintf(outcome->signature, sizeof outcome->signature, "broken: %s", line);
    else if (WIFSIGNALED(outcome->wait_status))
        snprintf(outcome->signature, sizeof outcome->signature, "signal %d: %s",
                 WTERMSIG(outcome->wait_status), line);
    else
        snprintf(outcome->signature, sizeof outcome->signature, "exit %d: %s",
                 WEXITSTATUS(outcome->wait_status), line);
}

bool zvt_run_in_child(const uint8_t *bytes, size_t size, uint32_t keep_from, struct zvt_outcome *outcome)
{
    outcome->finished = false;
    outcome->operations = 0;
    outcome->keep_from = keep_from;
    text_clear(&outcome->before);
    text_clear(&outcome->after);
    text_clear(&outcome->record);
    text_clear(&outcome->report);
    fflush(stdout);
    fflush(stderr);
    const pid_t parent = getpid();
    const int words = memfd_create("words", MFD_CLOEXEC);
    const pid_t child = fork();
    if (child < 0) {
        zvt_say("no process to run a trace in: %s", strerror(errno));
        if (words >= 0)
            close(words);
        return false;
    }
    if (child == 0) {
        zvt_child_begins(parent);
        run_as_child(bytes, size, outcome, words);
    }
    while (waitpid(child, &outcome->wait_status, 0) < 0 && errno == EINTR)
        ;
    zvt_end_like(outcome->wait_status);
    sign(outcome, words);
    if (words >= 0)
        close(words);
    return true;
}

uint32_t zvt_broken_operation(const struct zvt_outcome *outcome)
{
    if (!outcome->finished)
        return outcome->operations;
    return outcome->result.operations > 0 ? outcome->result.operations - 1 : 0;
}

/* ---- Crashes of this very process ---- */

static const char *running;

static void write_words(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

static void on_crash(int number)
{
    write_words("zvt: ");
    write_words(running);
    write_words(": the core stopped in this trace; `zvt run --verbose` shows where\n");
    zvt_abandon();
    (void)number;
    _exit(ZVT_BROKEN);
}

void zvt_name_crash(const char *path)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static char stack[1 << 14]; /* the usual one may be what is full */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = path != NULL ? on_crash : SIG_DFL, .sa_flags = SA_ONSTACK}, now;

    running = path;
    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        /* What a sanitizer has set up says more. */
        sigaction(crashes[i], NULL, &now);
        if (now.sa_handler == SIG_DFL || now.sa_handler == on_crash)
            sigaction(crashes[i], &action, NULL);
    }
}
