/* SPDX-License-Identifier: MIT */
/*
 * main.c: from boot.S to the end of the run: hardware, the core's machine, then what the command line asks
 * for.
 *
 * Words of the command line, and after them those that QEMU passes (fw_cfg.c):
 *   run=COMMAND[:ARGUMENTS]  runs a command of the shell; several run in order; run=none forgets those before it
 *   check=N                  traces are checked after every Nth operation (0: only at the end)
 *   processors=N             no more than so many are used
 *   then=poweroff            ends after the commands (the default), with a status that says whether all went well
 *   then=shell, shell        goes on with the shell on the serial line
 */
#include <stddef.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>

#include "buffer.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "fpu.h"
#include "fw_cfg.h"
#include "gdt.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "percpu.h"
#include "port.h"
#include "power.h"
#include "program.h"
#include "replay.h"
#include "shell.h"
#include "smp.h"
#include "syscall.h"
#include "text.h"
#include "thread.h"
#include "trap.h"

#define RUNS_MAX 32
#define SEED     1 /* of the kernel's own machine; traces bring theirs */

static struct {
    char *runs[RUNS_MAX];
    unsigned run_count;
    bool shell, bad;
} plan;

_Noreturn void kernel_main(zx_paddr_t information);

static void plan_word(char *word)
{
    const char *value;
    uint64_t number;

    if ((value = text_after(word, "run=")) != NULL) {
        char *command = word + (value - word);
        for (char *c = command; *c != '\0'; c++)
            if (*c == ':')
                *c = ' ';
        if (text_equal(command, "none"))
            plan.run_count = 0;
        else if (plan.run_count < RUNS_MAX)
            plan.runs[plan.run_count++] = command;
        else
            plan.bad = true;
    } else if ((value = text_after(word, "check=")) != NULL && text_number(value, &number)) {
        replay_check_every((unsigned)number);
    } else if ((value = text_after(word, "processors=")) != NULL && text_number(value, &number) &&
               number != 0) {
        smp_limit((unsigned)(number < PERCPU_MAX ? number : PERCPU_MAX));
    } else if (text_equal(word, "then=poweroff")) {
        plan.shell = false;
    } else if (text_equal(word, "then=shell") || text_equal(word, "shell")) {
        plan.shell = true;
    } else {
        vm_print(&vm_log_sink, "boot: the command line has a word that means nothing: %s\n", word);
        plan.bad = true;
    }
}

static void make_plan(void)
{
    static char words[sizeof(boot_info.command_line)], more[sizeof(words)];
    char *rest = words, *word;

    text_copy(words, sizeof(words), boot_info.command_line);
    while ((word = text_next_word(&rest)) != NULL)
        plan_word(word);
    fw_cfg_read_options(more, sizeof(more));
    rest = more;
    while ((word = text_next_word(&rest)) != NULL)
        plan_word(word);
}

static void start_machine(void)
{
    struct pmm_range memory[PMM_ARENAS_MAX];
    struct vm_machine_config config = {.memory = memory, .seed = SEED};
    uint64_t bytes = 0;

    replay_reserve();
    config.memory_count = memory_give_all(memory, PMM_ARENAS_MAX);
    for (size_t i = 0; i < config.memory_count; i++)
        bytes += memory[i].size;
    if (config.memory_count == 0 || vm_machine_start(&config) == NULL)
        power_fail("boot: too little memory for the core: expected 64 MiB or more");
    if (!paging_join_space() || !buffer_start())
        power_fail("boot: too little memory for the kernel's own space");
    struct vm_process *process = vm_process_create("kernel");
    if (process == NULL)
        power_fail("boot: too little memory for the first process");
    port_set_process(process);
    if (!program_start())
        power_fail("boot: too little memory for the vDSO");
    vm_print(&vm_log_sink, "memory: %llu KiB in %zu ranges\n", (unsigned long long)(bytes >> 10),
             config.memory_count);
}

static int run_plan(void)
{
    int status = plan.bad;
    for (unsigned i = 0; i < plan.run_count; i++)
        if (!shell_run(plan.runs[i]))
            status = 1;
    return status;
}

void kernel_main(zx_paddr_t information)
{
    console_start();
    percpu_start();
    gdt_start();
    thread_start_first();
    trap_start();
    vm_print(&vm_log_sink, "zvm: an address-space core\n");
    multiboot_read(information);
    memory_start();
    cpu_start();
    paging_start();
    cpu_protect();
    fpu_start_processor();
    syscall_start_processor();
    console_start_screen();
    cpu_describe(&vm_log_sink);
    start_machine();
    clock_start();
    clock_describe(&vm_log_sink);
    smp_find();
    if (!thread_start_scheduler())
        power_fail("boot: too little memory for a second thread");
    make_plan();
    smp_start();
    int status = run_plan();
    if (plan.shell)
        shell_loop(status);
    power_off(status);
}
