/* SPDX-License-Identifier: MIT */
/*
 * machine.h: a bare machine for tests of the core's lower floors, and the pieces that such tests share.
 */
#ifndef HARNESS_TESTS_MACHINE_H_
#define HARNESS_TESTS_MACHINE_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../vm/internal.h"
#include "../host_port.h"
#include "../processor.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static struct pmm_range machine_memory;

/* A machine over the given parts of `bytes` of memory; a part of size 0 ends them, and null is one arena of
   all. */
static inline void machine_start_parts(size_t bytes, const struct pmm_range *parts)
{
    struct pmm_range arenas[PMM_ARENAS_MAX];
    struct vm_machine_config config = {.memory = arenas, .memory_count = 1, .seed = 1};

    machine_memory = host_memory_map(bytes);
    assert_true(machine_memory.size >= bytes);
    arenas[0] = machine_memory;
    if (parts != NULL) {
        for (config.memory_count = 0; parts[config.memory_count].size != 0; config.memory_count++) {
            arenas[config.memory_count] = parts[config.memory_count];
            arenas[config.memory_count].base += machine_memory.base;
        }
    }
    processor_start(1);
    host_switches_reset();
    assert_non_null(vm_machine_start(&config));
}

static inline int machine_setup(void **state)
{
    (void)state;
    machine_start_parts(64 * MIB, NULL);
    return 0;
}

static inline int machine_teardown(void **state)
{
    (void)state;
    host_switches_reset();
    zx_status_t status = vm_machine_stop(&vm_log_sink);
    host_memory_unmap(machine_memory);
    return status == ZX_OK ? 0 : -1;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, machine_setup, machine_teardown)

/* Numbers for random tests: the same in every run. */
static inline uint64_t draw(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

static inline uint64_t draw_below(uint64_t *state, uint64_t bound)
{
    return draw(state) % bound;
}

#endif /* HARNESS_TESTS_MACHINE_H_ */
