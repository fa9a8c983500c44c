/* SPDX-License-Identifier: MIT */
/* shell.c: the kernel's commands. The boot command line runs them by name, people by the serial line. */
#include <stddef.h>
#include <stdint.h>
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <zircon/syscalls.h>

#include "conformance.h"
#include "cpu.h"
#include "multiboot.h"
#include "power.h"
#include "program.h"
#include "replay.h"
#include "selftest.h"
#include "serial.h"
#include "shell.h"
#include "text.h"
#include "trap.h"

#define LINE_MAX 256

struct command {
    const char *name, *arguments, *help;
    bool (*run)(char *arguments);
};

static int exit_status;

static const struct command commands[];

/* ---- Commands ---- */

static bool run_help(char *arguments);

static bool run_selftest(char *arguments)
{
    (void)arguments;
    return selftest();
}

static bool run_conformance(char *arguments)
{
    return conformance(text_next_word(&arguments));
}

static bool run_programs(char *arguments)
{
    const char *part = text_next_word(&arguments);
    return program_run(part, arguments);
}

static bool run_replay(char *arguments)
{
    return replay(text_next_word(&arguments));
}

static bool run_dump(char *arguments)
{
    (void)arguments;
    vm_aspace_dump_all(&vm_log_sink);
    return true;
}

static bool run_mem(char *arguments)
{
    static const char *const names[VM_PAGE_STATE_COUNT] = {"free",   "alloc", "wired", "heap",
                                                           "object", "mmu",   "zero"};
    struct vm_stats stats;

    (void)arguments;
    vm_print(&vm_log_sink, "pages: %llu", (unsigned long long)pmm_total());
    for (unsigned state = 0; state < VM_PAGE_STATE_COUNT; state++)
        vm_print(&vm_log_sink, ", %s %llu", names[state], (unsigned long long)pmm_count(state));
    vm_machine_stats(&stats);
    vm_print(&vm_log_sink, "\nheap: %llu bytes\n", (unsigned long long)stats.heap_bytes);
    vm_print(&vm_log_sink, "objects: %llu processes, %llu regions, %llu mappings, %llu VMOs, %llu handles\n",
             (unsigned long long)stats.processes, (unsigned long long)stats.regions,
             (unsigned long long)stats.mappings, (unsigned long long)stats.vmos,
             (unsigned long long)stats.handles);
    for (unsigned i = 0; i < boot_info.memory_count; i++)
        vm_print(&vm_log_sink, "memory: %012llx %10llu KiB\n", (unsigned long long)boot_info.memory[i].base,
                 (unsigned long long)boot_info.memory[i].size >> 10);
    return true;
}

static bool run_check(char *arguments)
{
    (void)arguments;
    bool fine = vm_check(&vm_log_sink);
    vm_print(&vm_log_sink, "check: %s\n", fine ? "every invariant holds" : "BROKEN");
    return fine;
}

static bool run_modules(char *arguments)
{
    (void)arguments;
    for (unsigned i = 0; i < boot_info.module_count; i++)
        vm_print(&vm_log_sink, "%s: %zu bytes at %llx\n", boot_info.modules[i].name,
                 boot_info.modules[i].size, (unsigned long long)boot_info.modules[i].base);
    vm_print(&vm_log_sink, "%u modules\n", boot_info.module_count);
    return true;
}

static bool run_cpu(char *arguments)
{
    (void)arguments;
    cpu_describe(&vm_log_sink);
    vm_print(&vm_log_sink, "loader: %s\ncommand line: %s\n", boot_info.loader, boot_info.command_line);
    if (boot_info.has_framebuffer)
        vm_print(&vm_log_sink, "screen: %u x %u, %u bits, type %u, at %llx\n", boot_info.framebuffer.width,
                 boot_info.framebuffer.height, boot_info.framebuffer.bits, boot_info.framebuffer.type,
                 (unsigned long long)boot_info.framebuffer.base);
    return true;
}

static bool run_panic(char *arguments)
{
    vm_print(&vm_log_sink, "panic: %s\n", *arguments != '\0' ? arguments : "asked for");
    trap_print_stack((uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0));
    power_off(1);
}

static bool run_crash(char *arguments)
{
    const char *kind = text_next_word(&arguments);
    if (kind == NULL)
        kind = "";
    for (unsigned i = 0; i < selftest_crash_count(); i++)
        if (text_equal(kind, selftest_crash_name(i)))
            selftest_crash(i);
    vm_print(&vm_log_sink, "crash: which one?");
    for (unsigned i = 0; i < selftest_crash_count(); i++)
        vm_print(&vm_log_sink, " %s", selftest_crash_name(i));
    vm_print(&vm_log_sink, "\n");
    return false;
}

/* As a program ends: zx_process_exit. */
static bool run_exit(char *arguments)
{
    uint64_t code = 0;
    const char *word = text_next_word(&arguments);
    if (word != NULL && !text_number(word, &code)) {
        vm_print(&vm_log_sink, "exit: expected a number\n");
        return false;
    }
    zx_process_exit((int64_t)code);
}

static bool run_poweroff(char *arguments)
{
    (void)arguments;
    power_off(exit_status);
}

static const struct command commands[] = {
    {"help", "", "this list", run_help},
    {"selftest", "", "tests what the kernel itself relies on: traps, permissions, ring 3, spaces, buffers",
     run_selftest},
    {"conformance", "[PART]", "what every call answers and does, or the suites with PART in their names",
     run_conformance},
    {"programs", "[PART] [WORDS]",
     "runs the programs of the modules, or those with PART in their names, with WORDS", run_programs},
    {"replay", "[PART]", "replays the traces of the modules, or those with PART in their names", run_replay},
    {"dump", "", "every address space as a tree", run_dump},
    {"mem", "", "physical pages by state, objects, the loader's memory map", run_mem},
    {"check", "", "checks every invariant of the core", run_check},
    {"modules", "", "what the boot loader brought along", run_modules},
    {"cpu", "", "the processor, its protections, the screen, the boot command line", run_cpu},
    {"panic", "[WORDS]", "stops as a broken kernel does, status 1", run_panic},
    {"crash", "KIND", "raises an exception that nobody expects, to see its report", run_crash},
    {"exit", "[CODE]", "ends the kernel's process (0 is success), and so the machine", run_exit},
    {"poweroff", "", "ends; the status is 1 if any command has failed", run_poweroff},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static bool run_help(char *arguments)
{
    (void)arguments;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        vm_print(&vm_log_sink, "  %-11s %-8s %s\n", commands[i].name, commands[i].arguments,
                 commands[i].help);
    return true;
}

enum outcome { DONE, FAILED, UNKNOWN };

static enum outcome run_line(char *line)
{
    const char *name = text_next_word(&line);
    if (name == NULL)
        return DONE;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (text_equal(name, commands[i].name))
            return commands[i].run(line) ? DONE : FAILED;
    vm_print(&vm_log_sink, "no command named %s; `help` lists them\n", name);
    return UNKNOWN;
}

bool shell_run(char *line)
{
    return run_line(line) == DONE;
}

/* ---- The serial line ---- */

static void echo(const char *text)
{
    vm_print(&vm_log_sink, "%s", text);
}

static void read_line(char line[static LINE_MAX])
{
    size_t length = 0;
    for (;;) {
        char c = serial_read();
        if (c == '\r' || c == '\n')
            break;
        if ((c == '\b' || c == 0x7f) && length > 0) {
            length--;
            echo("\b \b");
        } else if (c == 0x15) { /* control-U forgets the line */
            for (; length > 0; length--)
                echo("\b \b");
        } else if (c == 0x04 && length == 0) { /* control-D is the end */
            text_copy(line, LINE_MAX, "poweroff");
            echo("poweroff\n");
            return;
        } else if (c >= ' ' && c < 0x7f && length + 1 < LINE_MAX) {
            line[length++] = c;
            vm_print(&vm_log_sink, "%c", c);
        }
    }
    line[length] = '\0';
    echo("\n");
}

void shell_loop(int status)
{
    static char line[LINE_MAX];
    exit_status = status;
    echo("Type `help` for the commands, `poweroff` to leave.\n");
    for (;;) {
        echo("zvm> ");
        read_line(line);
        if (run_line(line) == FAILED) /* a slip of the fingers is none */
            exit_status = 1;
    }
}
