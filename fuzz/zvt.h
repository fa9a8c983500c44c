/* SPDX-License-Identifier: MIT */
/* zvt.h: what the parts of the trace tool share: words to people, files, runs in a process of their own. */
#ifndef FUZZ_ZVT_H_
#define FUZZ_ZVT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <vm/format.h>

#include "run.h"
#include "trace.h"

/* Exit statuses. */
#define ZVT_FINE   0
#define ZVT_BROKEN 1 /* an invariant broke, or digests differ */
#define ZVT_MISUSE 2 /* or the result cannot be written */

/* Says it on the standard error output, after the tool's name. */
void zvt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and ends with ZVT_MISUSE; nothing half written stays. */
_Noreturn void zvt_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- Files (zvt_file.c) ---- */

struct zvt_bytes {
    const char *path;
    uint8_t *bytes;
    size_t size;
};

/* Ends with ZVT_MISUSE where it cannot be read, or is larger than anything that is `expected`. */
struct zvt_bytes zvt_read(const char *path, const char *expected);
void zvt_free(struct zvt_bytes *file);

struct zvt_output {
    const char *path;
    char *temporary; /* null: written to directly */
    char *target;    /* what the temporary becomes: the path, or where that leads */
    FILE *file;
};

/* Nothing is to be seen under `path` before zvt_commit: what is there is whole. */
bool zvt_open(struct zvt_output *output, const char *path);
bool zvt_commit(struct zvt_output *output);
/* Removes what is only half written. Safe in a signal handler. */
void zvt_abandon(void);
/* In a child: what is being written is its parent's. */
void zvt_disown(void);
bool zvt_write(const char *path, const void *bytes, size_t size);
/* Whether all that was printed has arrived; says so where it has not. */
bool zvt_flush_stdout(void);

/* The exit status of a command whose result was written, or not, and was fine, or not. */
static inline int zvt_status(bool written, bool fine)
{
    return !written ? ZVT_MISUSE : fine ? ZVT_FINE : ZVT_BROKEN;
}

/* A sink that leads to a file. */
struct zvt_sink {
    struct vm_sink sink;
    FILE *file;
};
struct zvt_sink zvt_sink_to(FILE *file);

/* ---- Runs (zvt_child.c) ---- */

#define ZVT_TEXT_MAX (1u << 18)

/* Text in memory that a process shares with its child; cut where it is too long. */
struct zvt_text {
    struct vm_sink sink; /* first: the sink leads to its text */
    size_t length;
    char bytes[ZVT_TEXT_MAX];
};

struct zvt_outcome {
    bool finished;       /* else it crashed, or took too long */
    int wait_status;     /* as waitpid tells it */
    uint32_t operations; /* that came to an end */
    struct trace_result result;
    char signature
        [160]; /* how it breaks, numbers left out: equal for the same defect; empty where nothing broke */
    uint32_t keep_from;                    /* in: trees are kept from this operation on; UINT32_MAX: none */
    struct zvt_text before, after, record; /* the trees around the last operation, and what came of it */
    struct zvt_text report;                /* what broke, or the last words of a crash */
};

/* In a new child: it ends with its parent. */
void zvt_child_begins(pid_t parent);
/* Where a child was ended from outside, by a signal that says nothing of the core: ends in the same way. */
void zvt_end_like(int wait_status);
/* Zeroed memory that children share. */
void *zvt_share(size_t size);
struct zvt_outcome *zvt_outcome_new(void);
/* Runs it in a child process; false, after saying why, where no process can be made. */
bool zvt_run_in_child(const uint8_t *bytes, size_t size, uint32_t keep_from, struct zvt_outcome *outcome);
/* Index of the operation that breaks it. */
uint32_t zvt_broken_operation(const struct zvt_outcome *outcome);

/* A crash of this process will name the trace; null: no more. */
void zvt_name_crash(const char *path);

/* ---- Commands: argv[0] is the command's name ---- */

int zvt_command_run(int argc, char **argv);
int zvt_command_dump(int argc, char **argv);
int zvt_command_svg(int argc, char **argv);
int zvt_command_diff(int argc, char **argv);
int zvt_command_minimize(int argc, char **argv);

/* Options of a command: NAME takes a value where `value` is not null. */
struct zvt_option {
    const char *name;
    const char **value;
    bool *flag;
};

/* Takes options out of argv; what is left are operands: how many. --help and unknown options end the program. */
int zvt_options(int argc, char **argv, const struct zvt_option *options, size_t count);
uint64_t zvt_number(const char *option, const char *text, uint64_t most);

#endif /* FUZZ_ZVT_H_ */
