/* SPDX-License-Identifier: MIT */
/*
 * replay.c: runs traces, with the runner, model and checkers that fuzz targets use, on this machine: user
 * accesses come from ring 3 and go through the processor's own page tables (user.c).
 *
 * A module is an archive in ustar format, so that one boot replays many files. Each trace runs on a machine
 * of its own, in memory taken at boot; the kernel's machine is selected again afterwards. The archive is read
 * from a copy of it, and model and buffers lie in another: whatever reads or writes past the end of one of
 * them faults.
 */
#include "../fuzz/run.h"
#include "../fuzz/trace_host.h"

#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>

#include "buffer.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "percpu.h"
#include "port.h"
#include "replay.h"
#include "shootdown.h"
#include "tar.h"
#include "text.h"
#include "thread.h"
#include "user.h"

#define TRACE_MEMORY_SIZE  (TRACE_MEMORY_PAGES_MAX * ZX_PAGE_SIZE)
#define TRACE_DEVICE_SIZE  (TRACE_DEVICE_PAGES * ZX_PAGE_SIZE)
#define TRACE_MEMORY_ALIGN (2ul << 20)
#define MODULE_PREFIX      "corpus"
#define CHECK_EVERY        1

static zx_paddr_t trace_memory, trace_device; /* trace_memory 0: there was no room */
static void *trace_scratch;                   /* while a module is replayed */
static unsigned check_every = CHECK_EVERY;

struct totals {
    uint64_t files, operations, broken;
};

void replay_reserve(void)
{
    trace_memory = memory_take(TRACE_MEMORY_SIZE + TRACE_DEVICE_SIZE, TRACE_MEMORY_ALIGN);
    trace_device = trace_memory + TRACE_MEMORY_SIZE;
}

struct pmm_range replay_memory(size_t pages)
{
    return (struct pmm_range){trace_memory, pages << ZX_PAGE_SHIFT};
}

struct pmm_range replay_device(void)
{
    return (struct pmm_range){trace_device, TRACE_DEVICE_SIZE};
}

void replay_check_every(unsigned operations)
{
    check_every = operations;
}

static bool replay_file(const struct tar_file *file, struct totals *totals)
{
    const struct trace_options options = {.check_every = check_every, .report = &vm_log_sink};
    struct trace_result result;
    struct vm_machine *machine = vm_machine_current();
    struct vm_process *process = port_set_process(NULL);

    trace_run(file->bytes, file->size, &options, &result);
    user_leave();
    thread_pin(0);
    port_reset_allocations();
    vm_machine_select(machine);
    port_set_process(process);
    vm_print(&vm_log_sink, "%s %016llx %u %s\n", file->name, (unsigned long long)result.digest,
             result.operations, zx_status_get_string(result.status));
    totals->files++;
    totals->operations += result.operations;
    totals->broken += result.status != ZX_OK;
    return result.status == ZX_OK;
}

static bool replay_archive(const struct boot_module *module, const uint8_t *bytes, const char *pattern,
                           struct totals *totals)
{
    struct tar tar = {.bytes = bytes, .size = module->size};
    struct tar_file file;
    const char *why;
    bool fine = true;

    for (;;) {
        switch (tar_next(&tar, &file, &why)) {
        case TAR_FILE:
            if (pattern == NULL || text_contains(file.name, pattern))
                fine &= replay_file(&file, totals);
            break;
        case TAR_END:
            return fine;
        case TAR_BAD:
            vm_print(&vm_log_sink,
                     "replay: module %s (%zu bytes) is damaged: at byte %zu %s; expected an archive "
                     "in ustar "
                     "format; make the image again\n",
                     module->name, module->size, tar.at, why);
            return false;
        }
    }
}

static bool replay_module(const struct boot_module *module, const char *pattern, struct totals *totals)
{
    size_t size = module->size + (module->size == 0);
    uint8_t *bytes = buffer_take(size);
    bool fine = false;

    trace_scratch = buffer_take(TRACE_SCRATCH_MAX);
    if (bytes == NULL || trace_scratch == NULL) {
        vm_print(&vm_log_sink,
                 "replay: too little memory for module %s (%zu bytes) and 32 MiB beside it; give the machine "
                 "128 MiB\n",
                 module->name, module->size);
    } else {
        memcpy(bytes, physical_to_virtual(module->base), module->size);
        fine = replay_archive(module, bytes, pattern, totals);
    }
    buffer_give(bytes, size);
    buffer_give(trace_scratch, TRACE_SCRATCH_MAX);
    trace_scratch = NULL;
    return fine;
}

bool replay(const char *pattern)
{
    struct totals totals = {0};
    unsigned modules = 0;
    bool fine = true;

    if (trace_memory == 0) {
        vm_print(&vm_log_sink,
                 "replay: too little memory: traces need 20 MiB in one piece; give the machine 128 MiB\n");
        return false;
    }
    for (unsigned i = 0; i < boot_info.module_count; i++) {
        if (text_after(boot_info.modules[i].name, MODULE_PREFIX) == NULL)
            continue;
        modules++;
        fine &= replay_module(&boot_info.modules[i], pattern, &totals);
    }
    if (modules == 0) {
        vm_print(&vm_log_sink,
                 "replay: no module with traces: expected `module2 FILE %s` in the loader's configuration, "
                 "found %u modules\n",
                 MODULE_PREFIX, boot_info.module_count);
        return false;
    }
    if (fine && totals.files == 0) {
        vm_print(&vm_log_sink, "replay: no trace%s%s\n", pattern ? " matches " : " in any module",
                 pattern ? pattern : "");
        return false;
    }
    vm_print(&vm_log_sink, "replay: %llu traces, %llu operations, %llu broken\n",
             (unsigned long long)totals.files, (unsigned long long)totals.operations,
             (unsigned long long)totals.broken);
    return fine;
}

/* ---- What running a trace needs of us: fuzz/trace_host.h ---- */

struct pmm_range trace_host_memory(size_t pages)
{
    port_reset_allocations();
    return replay_memory(pages);
}

struct pmm_range trace_host_device(void)
{
    memset(physical_to_virtual(trace_device), 0, TRACE_DEVICE_SIZE);
    return (struct pmm_range){trace_device, TRACE_DEVICE_SIZE};
}

/* What a trace does on its processor n is done on processor n, or, where there are fewer, on one that stands for
   several. None remembers anything of an earlier machine in the same memory. */
void trace_host_start_processors(unsigned count)
{
    (void)count;
    shootdown_leave_all();
    thread_pin(0);
}

void trace_host_select_processor(unsigned processor)
{
    thread_pin((int)(processor % percpu_count()));
}

void *trace_host_scratch(size_t bytes)
{
    return memset(trace_scratch, 0, bytes);
}

struct vm_process *trace_host_set_process(struct vm_process *process)
{
    return port_set_process(process);
}

/* The entries that lead to the tables for va, and whether a use was noted in each. */
struct notes {
    uint64_t *entries[3];
    bool noted[3];
    unsigned count;
};

static void read_notes(zx_paddr_t root, zx_vaddr_t va, struct notes *notes)
{
    zx_paddr_t table = root;

    notes->count = 0;
    for (unsigned shift = 39; table != 0 && shift >= 21; shift -= 9) {
        uint64_t *const entry = (uint64_t *)physical_to_virtual(table) + (va >> shift & 511);
        if ((*entry & X86_PTE_PRESENT) == 0 || (shift < 39 && (*entry & X86_PTE_LARGE) != 0))
            return;
        notes->entries[notes->count] = entry;
        notes->noted[notes->count++] = (*entry & X86_PTE_ACCESSED) != 0;
        table = *entry & X86_PTE_ADDRESS;
    }
}

/* Processors may note the use of tables by which they came to a page that is not there. Where the access was
   refused, what is freed later would depend on the processor; so these notes are taken back. */
static void restore_notes(const struct notes *notes)
{
    for (unsigned i = 0; i < notes->count; i++) {
        if (!notes->noted[i])
            *notes->entries[i] &= ~X86_PTE_ACCESSED;
    }
    paging_forget_all();
}

/* Page by page. Whoever refuses an access changes no table. */
zx_status_t trace_host_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                              uint32_t kind, size_t *done)
{
    const enum user_access access = kind & TRACE_ACCESS_EXECUTE ? USER_EXECUTE
                                    : kind & TRACE_ACCESS_WRITE ? USER_WRITE
                                                                : USER_READ;
    zx_status_t status = ZX_OK;

    *done = 0;
    while (status == ZX_OK && *done < size) {
        const zx_vaddr_t at = va + *done;
        const size_t rest = ZX_PAGE_SIZE - (at & ZX_PAGE_MASK);
        const size_t part = rest < size - *done ? rest : size - *done;
        struct notes notes;
        size_t moved = 0;
        read_notes(vm_aspace_table_root(aspace), at, &notes);
        status = user_access(aspace, at, (char *)buffer + *done, part, access, &moved);
        if (status != ZX_OK && at >> 47 == 0)
            restore_notes(&notes);
        *done += moved;
    }
    return status;
}

/* The processor runs in the kernel's own machine, and has no guests. */
bool trace_host_space_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                             uint32_t kind, size_t *done, zx_status_t *status)
{
    (void)aspace, (void)va, (void)buffer, (void)size, (void)kind, (void)done, (void)status;
    return false;
}

void *trace_host_physical(zx_paddr_t paddr)
{
    return physical_to_virtual(paddr);
}

void trace_host_fail_allocation(uint64_t nth, bool persistent)
{
    port_fail_allocation(nth, persistent);
}

uint64_t trace_host_allocation_count(void)
{
    return port_allocation_count();
}

bool trace_host_check(void)
{
    return true; /* the processor answers for itself */
}
