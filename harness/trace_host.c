/* SPDX-License-Identifier: MIT */
/*
 * trace_host.c: what running a trace needs of the host: memory for its machine and for a device beside it,
 * scratch memory, accesses by software processors, the failure switch.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vm/format.h>

#include "../fuzz/trace_host.h"
#include "host_port.h"
#include "processor.h"

_Noreturn static void out_of_memory(const char *what, size_t bytes)
{
    fprintf(stderr, "zvm: the host has no %zu bytes for %s\n", bytes, what);
    exit(EXIT_FAILURE);
}

#define MEMORY_SIZE (TRACE_MEMORY_PAGES_MAX * ZX_PAGE_SIZE)
#define DEVICE_SIZE (TRACE_DEVICE_PAGES * ZX_PAGE_SIZE)

/* The device's memory lies behind that of the largest machine. */
static struct pmm_range memory;

/* A new machine begins here: nothing of the one before may fail it. */
struct pmm_range trace_host_memory(size_t pages)
{
    if (memory.size == 0)
        memory = host_memory_map_window(HOST_WINDOW_TRACE, MEMORY_SIZE + DEVICE_SIZE);
    if (memory.size == 0)
        out_of_memory("a trace's memory", MEMORY_SIZE + DEVICE_SIZE);
    host_switches_reset();
    return (struct pmm_range){memory.base, pages * ZX_PAGE_SIZE};
}

struct pmm_range trace_host_device(void)
{
    const struct pmm_range device = {memory.base + MEMORY_SIZE, DEVICE_SIZE};

    host_memory_zero(device);
    return device;
}

/* Nothing of the machine before may be found in a cache, and nothing that is done here may depend on it. */
void trace_host_start_processors(unsigned count)
{
    processor_start(count);
    processor_move(0);
}

void trace_host_select_processor(unsigned processor)
{
    processor_move(processor);
}

/* Above this many bytes giving the pages back to the host zeroes them more cheaply than writing, for it costs what
   was touched. Below, as for every trace of a fuzzer's length, the faults that follow cost more. */
#define CLEAR_BY_HAND (1u << 20)

void *trace_host_scratch(size_t bytes)
{
    static char *scratch;

    if (scratch == NULL) {
        void *mapped = mmap(NULL, TRACE_SCRATCH_MAX, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED)
            out_of_memory("a trace's scratch memory", TRACE_SCRATCH_MAX);
        scratch = mapped;
    } else if (bytes <= CLEAR_BY_HAND || madvise(scratch, bytes, MADV_DONTNEED) != 0) {
        memset(scratch, 0, bytes);
    }
    return scratch;
}

struct vm_process *trace_host_set_process(struct vm_process *process)
{
    return host_set_process(process);
}

_Static_assert(TRACE_ACCESS_READ == PROCESSOR_READ && TRACE_ACCESS_WRITE == PROCESSOR_WRITE &&
                   TRACE_ACCESS_EXECUTE == PROCESSOR_EXECUTE,
               "kinds of access are handed on as they are");

zx_status_t trace_host_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                              uint32_t kind, size_t *done)
{
    return processor_access(aspace, va, buffer, size, kind, done);
}

bool trace_host_space_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                             uint32_t kind, size_t *done, zx_status_t *status)
{
    *status = processor_access(aspace, va, buffer, size, kind | PROCESSOR_SUPERVISOR, done);
    return true;
}

void *trace_host_physical(zx_paddr_t paddr)
{
    return port_phys_to_virt(paddr);
}

void trace_host_fail_allocation(uint64_t nth, bool persistent)
{
    host_fail_allocation(nth, persistent);
}

uint64_t trace_host_allocation_count(void)
{
    return host_allocation_count();
}

bool trace_host_check(void)
{
    return processor_check(&vm_log_sink);
}
