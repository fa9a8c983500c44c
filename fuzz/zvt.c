/* SPDX-License-Identifier: MIT */
/*
 * zvt.c: the trace tool: its commands, their options, and the two that only make files (assemble, generate).
 *
 * Exit status: 0 fine; 1 an invariant broke, or digests differ; 2 misuse, or a result cannot be written.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "zvt.h"

/* ---- Words ---- */

void zvt_say(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    fputs("zvt: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void zvt_misuse(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    va_start(args, format);
    fputs("zvt: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    zvt_abandon();
    exit(ZVT_MISUSE);
}

static int command_assemble(int argc, char **argv);
static int command_generate(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *operands, *summary, *details;
} commands[] = {
    {"run", zvt_command_run, "[--verbose | [--fail-each] [--check-every N]] FILE...",
     "runs traces against the model",
     "Prints a line for each file: FILE DIGEST OPERATIONS STATUS. What broke goes to the standard error "
     "output.\n"
     "Where the core itself crashes, the status is ZX_ERR_INTERNAL, digest and operations are those before.\n"
     "  --verbose        shows the operation that breaks, what is broken, the address spaces before and "
     "after\n"
     "  --fail-each      makes each allocation of each run fail in turn, once and then for good\n"
     "  --check-every N  checks every invariant after each Nth operation (1), 0: only at the end\n"},
    {"dump", zvt_command_dump, "[--plain] FILE [-o TEXT]",
     "prints a trace as text, with what came of each operation",
     "What came of an operation stands behind #, so that the text can be assembled again.\n"
     "  --plain  without results; nothing is run\n"},
    {"assemble", command_assemble, "TEXT -o FILE", "makes a trace of its text form",
     "The text may have 4096 operations, as many as a run carries out, in at most 4 MiB.\n"},
    {"generate", command_generate, "--seed N --ops M -o FILE",
     "makes a random trace; equal seeds make equal traces", ""},
    {"minimize", zvt_command_minimize, "FILE -o FILE", "makes a smaller trace that breaks in the same way",
     "Leaves out operations and simplifies operands as long as the first broken line stays the same but for "
     "its\n"
     "numbers. A crash of the core counts as well.\n"},
    {"svg", zvt_command_svg, "FILE [--after N] -o FILE.svg|DIRECTORY",
     "draws the current process's address space",
     "Into a directory that exists: one picture after each operation. Into a file: after the last one.\n"
     "  --after N  into a file: after operation N (from 0) instead\n"},
    {"diff", zvt_command_diff, "A B", "finds the first operation whose outcome differs", ""},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *this_command;

static void print_usage(FILE *to)
{
    fputs("usage: zvt COMMAND [OPTION...] FILE...\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  zvt %s %s\n      %s\n", commands[i].name, commands[i].operands, commands[i].summary);
    fputs(
        "\n`zvt COMMAND --help` tells more. Exit status: 0 fine; 1 an invariant broke, or digests differ; 2 "
        "misuse, or\n"
        "a result cannot be written.\n",
        to);
}

static void print_command_usage(FILE *to)
{
    fprintf(to, "usage: zvt %s %s\n%s.\n%s", this_command->name, this_command->operands,
            this_command->summary, this_command->details);
}

/* ---- Options ---- */

_Noreturn static void misuse_of_command(void)
{
    print_command_usage(stderr);
    exit(ZVT_MISUSE);
}

static const struct zvt_option *find_option(const struct zvt_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

int zvt_options(int argc, char **argv, const struct zvt_option *options, size_t count)
{
    int operands = 0;
    bool only_operands = false;

    for (int i = 1; i < argc; i++) {
        if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[operands++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_command_usage(stdout);
            exit(zvt_status(zvt_flush_stdout(), true));
        }
        const struct zvt_option *option = find_option(options, count, argv[i]);
        if (option == NULL) {
            zvt_say("unknown option %s of %s", argv[i], this_command->name);
            misuse_of_command();
        }
        if (option->flag != NULL) {
            *option->flag = true;
            continue;
        }
        if (i + 1 == argc) {
            zvt_say("%s: expected a value behind it, found nothing", argv[i]);
            misuse_of_command();
        }
        *option->value = argv[++i];
    }
    return operands;
}

uint64_t zvt_number(const char *option, const char *text, uint64_t most)
{
    char *end;

    /* 0x in front, or decimal: 010 is ten. */
    const int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    errno = 0;
    const uint64_t number = strtoull(text, &end, base);
    if (text[0] < '0' || text[0] > '9' || *end != '\0')
        zvt_misuse("%s: expected a number, found \"%s\"", option, text);
    if (errno != 0 || number > most)
        zvt_misuse("%s: expected at most %llu, found %s", option, (unsigned long long)most, text);
    return number;
}

/* ---- Commands that make files ---- */

#define BYTES_MAX (TRACE_HEADER_SIZE + TRACE_OPERATIONS_MAX * TRACE_OPERATION_SIZE)

static int command_assemble(int argc, char **argv)
{
    static uint8_t out[BYTES_MAX];
    const char *to = NULL;
    struct trace_parse_error error;

    const int operands = zvt_options(argc, argv, &(struct zvt_option){"-o", &to, NULL}, 1);
    if (operands != 1 || to == NULL) {
        zvt_say("assemble: expected one TEXT and -o FILE, found %d operands and %s -o", operands,
                to ? "an" : "no");
        misuse_of_command();
    }
    struct zvt_bytes text = zvt_read(argv[0], "the text form of a trace");
    const size_t size = trace_parse((const char *)text.bytes, text.size, out, sizeof out, &error);
    zvt_free(&text);
    if (size == SIZE_MAX)
        zvt_misuse("%s:%u: %s; `zvt dump` shows what the text form looks like", argv[0], error.line,
                   error.message);
    return zvt_status(zvt_write(to, out, size), true);
}

static int command_generate(int argc, char **argv)
{
    static uint8_t out[BYTES_MAX];
    const char *to = NULL, *seed = NULL, *operations = NULL;
    const struct zvt_option options[] = {
        {"-o", &to, NULL}, {"--seed", &seed, NULL}, {"--ops", &operations, NULL}};

    if (zvt_options(argc, argv, options, 3) != 0 || to == NULL || seed == NULL || operations == NULL) {
        zvt_say("generate: expected --seed N, --ops M and -o FILE, and nothing else");
        misuse_of_command();
    }
    const uint64_t number = zvt_number("--seed", seed, UINT64_MAX);
    const uint32_t count = (uint32_t)zvt_number("--ops", operations, TRACE_OPERATIONS_MAX);
    const size_t size = trace_generate(number, count, out, sizeof out);
    return zvt_status(zvt_write(to, out, size), true);
}

static const int interrupts[] = {SIGHUP, SIGINT, SIGTERM};

static void on_interrupt(int number)
{
    zvt_abandon();
    signal(number, SIG_DFL);
    raise(number);
}

int main(int argc, char **argv)
{
    /* A file that may not grow is told of like a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof interrupts / sizeof interrupts[0]; i++) {
        if (signal(interrupts[i], SIG_IGN) != SIG_IGN)
            signal(interrupts[i], on_interrupt);
    }

    if (argc < 2) {
        print_usage(stderr);
        return ZVT_MISUSE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return zvt_status(zvt_flush_stdout(), true);
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            this_command = &commands[i];
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    zvt_say("there is no command \"%s\"", argv[1]);
    print_usage(stderr);
    return ZVT_MISUSE;
}
