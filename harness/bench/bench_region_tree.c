/* SPDX-License-Identifier: MIT */
/*
 * bench_region_tree.c: what the operations of the region tree cost among a given number of ranges.
 *
 *   bench_region_tree LAYOUT RANGES REPETITIONS
 *
 * Fills a span of 2^47 bytes with RANGES one-page ranges, then does each operation REPETITIONS times. Under
 * callgrind with --instr-atstart=no only the operations are counted, each into a dump of its own whose
 * description names it (harness/bench/region_tree makes a table of them); without callgrind nanoseconds are
 * printed. LAYOUT `random`: places chosen as a program's address space chooses them. LAYOUT `dense`: every
 * second page of the start of the span, and one large gap at its end. LAYOUT `uneven`: gaps of 1 to 16 pages,
 * no large one.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "../../vm/internal.h"
#include "../host_port.h"

#define MAX_REPETITIONS 65536

static struct region_tree tree;
static struct prng prng;
static zx_vaddr_t *bases; /* of all ranges, ascending or not */
static size_t ranges;
static unsigned long repetitions;
static zx_vaddr_t chosen[MAX_REPETITIONS];
static struct timespec started;

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench_region_tree: %s failed\n", what);
        exit(1);
    }
}

static void begin(void)
{
    clock_gettime(CLOCK_MONOTONIC, &started);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

static void end(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ns = 1e9 * (double)(now.tv_sec - started.tv_sec) + (double)(now.tv_nsec - started.tv_nsec);
    printf("%-28s %9.0f ns\n", name, ns / (double)repetitions);
}

static void insert(zx_vaddr_t base)
{
    struct region_reserve reserve = {0};
    must(region_reserve(&reserve, &tree, base, 1) == ZX_OK, "reserving");
    region_tree_insert(&tree, &reserve, base, base + PAGE_SIZE, NULL);
    region_reserve_release(&reserve);
}

static struct region_request one_page = {.size = PAGE_SIZE, .align_log2 = PAGE_SHIFT};

static void fill(const char *layout, size_t count)
{
    bases = malloc(count * sizeof(*bases));
    must(bases != NULL, "malloc");
    zx_vaddr_t at = tree.base;
    for (ranges = 0; ranges < count; ranges++) {
        if (strcmp(layout, "random") == 0)
            must(region_tree_place_random(&tree, &one_page, 30, &prng, &at) == ZX_OK, "placing");
        else
            at += (strcmp(layout, "dense") == 0 ? 2 : 2 + prng_below(&prng, 16)) * PAGE_SIZE;
        insert(at);
        bases[ranges] = at;
    }
    if (strcmp(layout, "uneven") == 0)
        region_tree_set_span(&tree, tree.base, at + PAGE_SIZE);
    one_page.limit = tree.end;
}

static void bench_find(void)
{
    struct region_entry entry;
    unsigned long found = 0;
    for (unsigned long i = 0; i < repetitions; i++)
        chosen[i] = bases[prng_below(&prng, ranges)];
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        found += region_tree_find(&tree, chosen[i] + 5, &entry);
    end("find");
    must(found == repetitions, "find");
}

/* At places that are chosen beforehand, one at a time, so that the tree stays as large as it is. */
static void bench_given(void)
{
    unsigned long many = repetitions < ranges ? repetitions : ranges, wanted = repetitions;
    for (unsigned long i = 0; i < many; i++) {
        must(region_tree_place_random(&tree, &one_page, 30, &prng, &chosen[i]) == ZX_OK, "placing");
        insert(chosen[i]);
    }
    for (unsigned long i = 0; i < many; i++)
        region_tree_remove(&tree, chosen[i]);
    begin();
    for (unsigned long i = 0; i < repetitions; i++) {
        insert(chosen[i % many]);
        region_tree_remove(&tree, chosen[i % many]);
    }
    end("insert + remove, one");
    repetitions = many;
    begin();
    for (unsigned long i = 0; i < many; i++)
        insert(chosen[i]);
    end("insert, many");
    begin();
    for (unsigned long i = 0; i < many; i++)
        region_tree_remove(&tree, chosen[i]);
    end("remove, many");
    repetitions = wanted;
}

static void bench_place(const char *name, uint64_t pages, uint8_t align_log2, uint8_t entropy)
{
    struct region_request request = {.size = pages * PAGE_SIZE, .align_log2 = align_log2, .limit = tree.end};
    zx_vaddr_t p;
    if (region_tree_place_lowest(&tree, &request, &p) != ZX_OK)
        return;
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        region_tree_place_random(&tree, &request, entropy, &prng, &p);
    end(name);
}

static void bench_lowest(const char *name, uint64_t pages, uint8_t align_log2)
{
    struct region_request request = {.size = pages * PAGE_SIZE, .align_log2 = align_log2, .limit = tree.end};
    zx_vaddr_t p;
    begin();
    for (unsigned long i = 0; i < repetitions; i++)
        region_tree_place_lowest(&tree, &request, &p);
    end(name);
}

int main(int argc, char **argv)
{
    size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    repetitions = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (count == 0 || repetitions == 0 || repetitions > MAX_REPETITIONS ||
        (strcmp(argv[1], "random") != 0 && strcmp(argv[1], "dense") != 0 && strcmp(argv[1], "uneven") != 0)) {
        fprintf(stderr, "usage: bench_region_tree random|dense|uneven RANGES REPETITIONS (at most %d)\n",
                MAX_REPETITIONS);
        return 2;
    }
    struct pmm_range memory = host_memory_map((64u << 20) + count * 128);
    const struct vm_machine_config config = {.memory = &memory, .memory_count = 1};
    must(memory.size > 0 && vm_machine_start(&config) != NULL, "starting a machine");
    prng_seed(&prng, 1, 0);
    region_tree_init(&tree, PAGE_SIZE, 1ull << 47);
    one_page.limit = tree.end;
    fill(argv[1], count);

    bench_find();
    bench_given();
    bench_lowest("lowest 1 page", 1, PAGE_SHIFT);
    bench_lowest("lowest 16 pages", 16, PAGE_SHIFT);
    bench_lowest("lowest 2 MiB aligned", 512, 21);
    bench_place("random 1 page", 1, PAGE_SHIFT, 30);
    bench_place("random 1 page, compact", 1, PAGE_SHIFT, 8);
    bench_place("random 12 pages", 12, PAGE_SHIFT, 30);
    bench_place("random 16 pages", 16, PAGE_SHIFT, 30);
    bench_place("random 1 page, at 64 KiB", 1, 16, 30);
    bench_place("random 1 page, at 2 MiB", 1, 21, 30);
    bench_place("random 1 page, at 1 GiB", 1, 30, 30);
    printf("%-28s %9.1f\n", "bytes a range", (double)region_tree_bytes(&tree) / (double)tree.count);
    region_tree_clear(&tree);
    free(bases);
    return vm_machine_stop(&vm_log_sink) == ZX_OK ? 0 : 1;
}
