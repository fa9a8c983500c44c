/* SPDX-License-Identifier: MIT */
/*
 * bench_calls.c: what the public calls cost among a given number of regions.
 *
 *   bench_calls LAYOUT REGIONS REPETITIONS
 *
 * Fills an address space with REGIONS one-page regions, then does each operation REPETITIONS times. Under
 * callgrind with --instr-atstart=no only the operations are counted, each into a dump of its own whose
 * description is how many there were and their name; without callgrind the same work is done, uncounted.
 * LAYOUT `random`: the core chooses the places. LAYOUT `dense`: every second page of one part of the space, so
 * that all gaps are one page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>
#include <vm/aspace.h>
#include <vm/machine.h>
#include <zircon/syscalls.h>
#include <zvm/host.h>

#define PAGE        4096ul
#define TABLE_SPAN  (512 * PAGE) /* what one lowest-level page table translates */
#define PARENT      (1ul << 40)  /* the part of the space that is filled, when dense */
#define MAX_REPS    4096
#define LARGE_PAGES 100000ul /* of the large mapping */

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

static char description[64];

/* From here on `count` operations are counted: harness/bench/run divides by that. */
static void begin_of(const char *name, unsigned long count)
{
    (void)snprintf(description, sizeof(description), "%lu %s", count, name);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

static void begin(const char *name)
{
    begin_of(name, repetitions);
}

static void end(void)
{
    CALLGRIND_DUMP_STATS_AT(description);
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
    begin("allocate, random place");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ, 0, PAGE, &handles[i], &addresses[i]), "allocate");
    end();
    begin("destroy");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_destroy(handles[i]), "destroy");
    end();
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_handle_close(handles[i]), "close");
}

/* At the very places that the core chose a moment ago, which are free. */
static void bench_allocate_specific(void)
{
    begin("allocate, given place");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ | ZX_VM_SPECIFIC, addresses[i] - filled_base, PAGE,
                              &handles[i], &addresses[i]),
             "allocate at a place");
    end();
    for (unsigned long i = 0; i < repetitions; i++) {
        must(zx_vmar_destroy(handles[i]), "destroy");
        must(zx_handle_close(handles[i]), "close");
    }
}

static void bench_allocate_aligned(void)
{
    begin("allocate, 64 KiB aligned");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_allocate(filled, ZX_VM_CAN_MAP_READ | ZX_VM_ALIGN_64KB, 0, 16 * PAGE, &handles[i],
                              &addresses[i]),
             "allocate aligned");
    end();
    for (unsigned long i = 0; i < repetitions; i++) {
        must(zx_vmar_destroy(handles[i]), "destroy");
        must(zx_handle_close(handles[i]), "close");
    }
}

static void bench_map(void)
{
    char byte;
    begin("map, random place");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_map(filled, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, i * PAGE, PAGE, &addresses[i]),
             "map");
    end();
    begin("read fault, zero page");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zvm_access(zx_process_self(), addresses[i], &byte, 1, ZVM_READ), "read fault");
    end();
    begin("write fault");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zvm_access(zx_process_self(), addresses[i], &byte, 1, ZVM_WRITE), "write fault");
    end();
    begin("protect, touched");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_protect(filled, ZX_VM_PERM_READ, addresses[i], PAGE), "protect");
    end();
    begin("unmap, touched");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_unmap(filled, addresses[i], PAGE), "unmap");
    end();
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
    begin("soft fault, page there");
    for (unsigned long i = 0; i < repetitions; i++)
        must(vm_aspace_soft_fault(aspace, va + i % pages * PAGE, 0), "soft fault");
    end();
    for (unsigned kind = 0; kind < 2; kind++) {
        vm_aspace_drop_user_page_tables(aspace);
        begin(names[kind]); /* as many pages as repetitions, so that the figure is for a page */
        for (unsigned long i = 0; i < repetitions; i += lengths[kind])
            must(vm_aspace_soft_fault_in_range(aspace, va + i % pages * PAGE, 0, lengths[kind] * PAGE),
                 "soft fault of a range");
        end();
    }
    vm_aspace_note_active(aspace);
    begin("harvest, each page");
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_RETAIN, VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    end();
    must(zx_vmar_unmap(filled, va, pages * PAGE), "unmap");
    vm_process_release(process);
}

/* What is larger than the gaps between many regions lies in the root VMAR, beside the part that is filled. */

static void touch(struct vm_aspace *aspace, zx_vaddr_t va, uint32_t flags)
{
    must(vm_aspace_page_fault(aspace, va, VM_PF_FLAG_USER | flags), "a page fault");
}

/* Page faults as the core sees them, without the software processor that would walk the tables before and after:
   the first touch of pages that nobody has touched. */
static void bench_first_touch(struct vm_aspace *aspace)
{
    zx_handle_t fresh;
    zx_vaddr_t va;
    size_t pages = repetitions * TABLE_SPAN;
    must(zx_vmo_create(pages, 0, &fresh), "making a VMO");
    must(zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_ALIGN_2MB, 0, fresh, 0, pages, &va),
         "map");
    begin("first write, makes a table");
    for (unsigned long i = 0; i < repetitions; i++)
        touch(aspace, va + i * TABLE_SPAN, VM_PF_FLAG_WRITE);
    end();
    begin("first write, table there");
    for (unsigned long i = 0; i < repetitions; i++)
        touch(aspace, va + (1 + i) * PAGE, VM_PF_FLAG_WRITE);
    end();
    begin("first read, table there");
    for (unsigned long i = 0; i < repetitions; i++)
        touch(aspace, va + TABLE_SPAN + (1 + i) * PAGE, 0);
    end();
    begin("first write after a read");
    for (unsigned long i = 0; i < repetitions; i++)
        touch(aspace, va + TABLE_SPAN + (1 + i) * PAGE, VM_PF_FLAG_WRITE);
    end();
    must(zx_vmar_unmap(root, va, pages), "unmap");
    must(zx_handle_close(fresh), "close");
}

/* The life of a page of memory: made, mapped, written, unmapped, gone. */
static void bench_whole_life(struct vm_aspace *aspace)
{
    zx_handle_t fresh;
    zx_vaddr_t va;
    begin("VMO, map, write, unmap");
    for (unsigned long i = 0; i < repetitions; i++) {
        must(zx_vmo_create(PAGE, 0, &fresh), "making a VMO");
        must(zx_vmar_map(filled, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, fresh, 0, PAGE, &va), "map");
        must(zx_handle_close(fresh), "close");
        touch(aspace, va, VM_PF_FLAG_WRITE);
        must(zx_vmar_unmap(filled, va, PAGE), "unmap");
    }
    end();
}

/* Memory by the 2 MiB: what of it is physically together may be entered as a large page. */
static void bench_commit(struct vm_aspace *aspace)
{
    zx_handle_t fresh;
    zx_vaddr_t va;
    must(zx_vmo_create(2 * TABLE_SPAN, 0, &fresh), "making a VMO");
    must(zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_ALIGN_2MB, 0, fresh, 0, 2 * TABLE_SPAN,
                     &va),
         "map");
    begin_of("commit 2 MiB, each page", 512);
    must(zx_vmo_op_range(fresh, ZX_VMO_OP_COMMIT, 0, TABLE_SPAN, NULL, 0), "committing");
    end();
    begin_of("touch what is committed", 512);
    for (unsigned long i = 0; i < 512; i++)
        touch(aspace, va + i * PAGE, VM_PF_FLAG_WRITE);
    end();
    begin_of("decommit 2 MiB, each page", 512);
    must(zx_vmo_op_range(fresh, ZX_VMO_OP_DECOMMIT, 0, TABLE_SPAN, NULL, 0), "decommitting");
    end();
    must(zx_vmar_unmap(root, va, 2 * TABLE_SPAN), "unmap");
    must(zx_handle_close(fresh), "close");
}

/* One page of a mapping all of whose pages are entered, and every second of which has another permission than its
   neighbours; so each page is a range of its own, is joined to both neighbours and cut out again. */
static void bench_protect_in_large(struct vm_aspace *aspace)
{
    const uint32_t writable = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE;
    const size_t size = LARGE_PAGES * PAGE, step = LARGE_PAGES / repetitions / 2 * 2 * PAGE;
    zx_handle_t large;
    zx_vaddr_t va;
    must(zx_vmo_create(size, 0, &large), "making a VMO");
    must(zx_vmar_map(root, writable, 0, large, 0, size, &va), "map");
    must(vm_aspace_soft_fault_in_range(aspace, va, 0, size), "entering all pages");
    for (unsigned long i = 0; i < LARGE_PAGES; i += 2)
        must(zx_vmar_protect(root, ZX_VM_PERM_READ, va + i * PAGE, PAGE), "protect");
    begin("protect 1 of 10^5, joins");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_protect(root, ZX_VM_PERM_READ, va + i * step + PAGE, PAGE), "protect");
    end();
    begin("protect 1 of 10^5, cuts");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_protect(root, writable, va + i * step + PAGE, PAGE), "protect");
    end();
    must(zx_vmar_unmap(root, va, size), "unmap");
    must(zx_handle_close(large), "close");
}

static void bench_faults(void)
{
    struct vm_process *process;
    must(vm_process_from_handle(zx_process_self(), &process), "finding the process");
    struct vm_aspace *aspace = vm_process_aspace(process);
    bench_first_touch(aspace);
    bench_whole_life(aspace);
    bench_commit(aspace);
    bench_protect_in_large(aspace);
    vm_process_release(process);
}

static void bench_map_specific(void)
{
    begin("map, given place");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_map(filled, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, addresses[i] - filled_base, vmo, i * PAGE,
                         PAGE, &addresses[i]),
             "map at a place");
    end();
    begin("unmap, untouched");
    for (unsigned long i = 0; i < repetitions; i++)
        must(zx_vmar_unmap(filled, addresses[i], PAGE), "unmap");
    end();
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
    bench_faults();
    return 0; /* without zvm_stop: tearing a million regions down is not what is measured */
}
