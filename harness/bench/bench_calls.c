/* SPDX-License-Identifier: MIT */
/*
 * bench_calls.c: what the public calls cost among a given number of regions.
 *
 *   bench_calls LAYOUT REGIONS REPETITIONS
 *
 * Fills an address space with REGIONS one-page regions, then does each operation REPETITIONS times. Under
 * callgrind with --instr-atstart=no only the operations are counted, each into a dump of its own whose
 * description names it; without callgrind the same work is done, uncounted. LAYOUT `random`: the core chooses
 * the places. LAYOUT `dense`: every second page of one part of the space, so that all gaps are one page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>
#include <vm/aspace.h>
#include <vm/machine.h>
#include <zircon/syscalls.h>
#include <zvm/host.h>

#define PAGE     4096ul
#define PARENT   (1ul << 40) /* the part of the space that is filled, when dense */
#define MAX_REPS 4096

static zx_handle_t root, vmo, filled;
static zx_vaddr_t filled_base;
static unsigned long repetitions;
static zx_handle_t handles[MAX_REPS];
static zx_vaddr_t addresses[MAX_REPS];

static void must(zx_status_t status, const char *what)
{
    if (status != ZX_OK) {
        fprintf(stderr, "bench_calls: %s answered %d\n", what, status);
        exit(1);
    }
}

static void begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

static void end(const char *name)
{
    (void)name; /* unused where the macros are empty */
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}

static const uint32_t vmar_rights = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC;

/* Regions are VMARs and mappings in turn, as a program has them. */
static void fill(unsigned long count, bool dense)
{
    must(zx_vmar_allocate(root, vmar_rights, 0, PARENT, &filled, &filled_base), "making the part to fill");
    for (unsigned long i = 0; i < count; i++) {
        zx_vaddr_t at;
        zx_handle_t handle;
        uint32_t place = dense ? ZX_VM_SPECIFIC : 0;
        size_t offset = dense ? (2 * i + 1) * PAGE : 0;
        if (i % 2 == 0) {
            must(zx_vmar_map(filled, ZX_VM_PERM_READ | place, offset, vmo, 0, PAGE, &at),
                 "filling with a mapping");
        } else {
            must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ | place, offset, PAGE, &handle, &at),
                 "filling with a VMAR");
            must(zx_handle_close(handle), "closing a handle");
        }
    }
}

static void bench_allocate(void)
{
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ, 0, PAGE, &handles[i], &addresses[i]), "allocate");
    end("allocate, random place");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_destroy(handles[i]), "destroy");
    end("destroy");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_handle_close(handles[i]), "close");
}

/* At the very places that the core chose a moment ago, which are free. */
static void bench_allocate_specific(void)
{
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ | ZX_VM_SPECIFIC, addresses[i] - filled_base, PAGE,
                              &handles[i], &addresses[i]),
             "allocate at a place");
    end("allocate, given place");
    for (unsigned long i = 0; i < repetitions; i++) {
        must(zx_vmar_destroy(handles[i]), "destroy");
        must(zx_handle_close(handles[i]), "close");
    }
}

static void bench_allocate_aligned(void)
{
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ | ZX_VM_ALIGN_64KB, 0, 16 * PAGE, &handles[i],
                              &addresses[i]),
             "allocate aligned");
    end("allocate, 64 KiB aligned");
    for (unsigned long i = 0; i < repetitions; i++) {
        must(zx_vmar_destroy(handles[i]), "destroy");
        must(zx_handle_close(handles[i]), "close");
    }
}

static void bench_map(void)
{
    char byte;
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_map(filled, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, i * PAGE, PAGE, &addresses[i]),
             "map");
    end("map, random place");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zvm_access(zx_process_self(), addresses[i], &byte, 1, ZVM_READ), "read fault");
    end("read fault, zero page");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zvm_access(zx_process_self(), addresses[i], &byte, 1, ZVM_WRITE), "write fault");
    end("write fault");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_protect(filled, ZX_VM_PERM_READ, addresses[i], PAGE), "protect");
    end("protect, touched");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_unmap(filled, addresses[i], PAGE), "unmap");
    end("unmap, touched");
}

/* Soft faults on pages that are there, one by one and in ranges; a harvest, for each page that is entered. */
static void bench_tables(void)
{
    static const unsigned long lengths[] = {16, 256};
    static const char *const names[] = {"soft fault, 16 pages, each", "soft fault, 256 pages, each"};
    struct vm_process *process;
    zx_vaddr_t va;
    unsigned long pages = repetitions < 256 ? 256 : repetitions / 256 * 256;
    must(vm_process_from_handle(zx_process_self(), &process), "finding the process");
    struct vm_aspace *aspace = vm_process_aspace(process);
    must(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, pages * PAGE, NULL, 0), "committing");
    must(zx_vmar_map(filled, ZX_VM_PERM_READ, 0, vmo, 0, pages * PAGE, &va), "map");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(vm_aspace_soft_fault(aspace, va + i % pages * PAGE, 0), "soft fault");
    end("soft fault, page there");
    for (unsigned kind = 0; kind < 2; kind++) {
        vm_aspace_drop_user_page_tables(aspace);
        begin(); /* as many pages as repetitions, so that the figure is for a page */
        for (unsigned long i = 0; i < repetitions; i += lengths[kind])
            must(vm_aspace_soft_fault_in_range(aspace, va + i % pages * PAGE, 0, lengths[kind] * PAGE),
                 "soft fault of a range");
        end(names[kind]);
    }
    vm_aspace_note_active(aspace);
    begin();
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_RETAIN, VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    end("harvest, each page");
    must(zx_vmar_unmap(filled, va, pages * PAGE), "unmap");
    vm_process_release(process);
}

static void bench_map_specific(void)
{
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_map(filled, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, addresses[i] - filled_base, vmo, i * PAGE,
                         PAGE, &addresses[i]),
             "map at a place");
    end("map, given place");
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_unmap(filled, addresses[i], PAGE), "unmap");
    end("unmap, untouched");
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[1], "random") && strcmp(argv[1], "dense"))) {
        fprintf(stderr, "usage: bench_calls random|dense REGIONS REPETITIONS\n");
        return 2;
    }
    unsigned long count = strtoul(argv[2], NULL, 0);
    repetitions = strtoul(argv[3], NULL, 0);
    if (repetitions == 0 || repetitions > MAX_REPS) {
        fprintf(stderr, "bench_calls: %s repetitions: expected 1 to %d\n", argv[3], MAX_REPS);
        return 2;
    }
    struct zvm_config config = {.memory_bytes = (256ul << 20) + count * 2048};
    must(zvm_start(&config), "zvm_start");
    root = zx_vmar_root_self();
    must(zx_vmo_create(MAX_REPS * PAGE, 0, &vmo), "making a VMO");
    fill(count, argv[1][0] == 'd');
    bench_allocate();
    bench_allocate_specific();
    bench_allocate_aligned();
    bench_map();
    bench_map_specific();
    bench_tables();
    return 0; /* without zvm_stop: tearing a million regions down is not what is measured */
}
