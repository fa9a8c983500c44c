/* SPDX-License-Identifier: MIT */
/*
 * bench.c: what calls and page faults cost a program, in ticks of the processor's counter.
 *
 *   bench [MAX]
 *
 * In an emulator that counts a tick for each instruction of the guest (harness/bench/run-guest) these are instructions, of
 * program and kernel together, and the same in every run; anywhere else it is a test that all of it can be done. The
 * by-number rows are measured among 10, 100, … regions, up to MAX (1,000).
 *
 * A figure is the median of REPETITIONS; one line each for the script to read: `# figure KEY REGIONS TICKS`. What is
 * measured is the call or the access alone, its entry into the kernel and its return included. The counter is read
 * with two instructions more than what lies between, which the calibration shows: a loop of 2n+1 instructions
 * reads 2n+3.
 *
 * Memory is that of VMOs made beforehand, so that a fault finds the mapping, takes a page, clears it, enters it.
 */
#include "test.h"

#define PAGE         ZX_PAGE_SIZE
#define TABLE        ((size_t)2 << 20) /* what one page table maps */
#define REPETITIONS  64
#define MANY         256 /* pages */
#define READ_WRITE   (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define FIELD_SIZE   ((size_t)1 << 40)
#define MAX_REGIONS  60000
#define MAX_DEFAULT  1000
#define VMAR_OPTIONS (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC)

static uint32_t samples[REPETITIONS];
static zx_handle_t field, one_page; /* the VMAR and the VMO that regions are made of */
static zx_vaddr_t field_base;
static zx_vaddr_t places[MAX_REGIONS]; /* of the regions that are there, in the order of their making */
static uint64_t random_state = 1;

static inline uint32_t ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low;
}

/* What CODE costs goes to samples[i]. */
#define MEASURE(i, CODE)                                                                                     \
    do {                                                                                                     \
        uint32_t before_ = ticks();                                                                          \
        CODE;                                                                                                \
        samples[i] = ticks() - before_;                                                                      \
    } while (0)

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        zx_status_t status_ = (call);                                                                        \
        if (status_ != ZX_OK)                                                                                \
            give_up("bench: %s: %s", #call, zx_status_get_string(status_));                                  \
    } while (0)

static void tell(const char *key, unsigned regions, uint64_t figure)
{
    CHECK(figure != 0);
    print("# figure %s %u %llu\n", key, regions, (unsigned long long)figure);
}

/* The median of the samples. */
static void tell_samples(const char *key, unsigned regions)
{
    for (unsigned i = 1; i < REPETITIONS; i++) {
        uint32_t sample = samples[i];
        unsigned at = i;
        for (; at > 0 && samples[at - 1] > sample; at--)
            samples[at] = samples[at - 1];
        samples[at] = sample;
    }
    tell(key, regions, samples[REPETITIONS / 2]);
}

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 24) % below;
}

static void write_to(zx_vaddr_t va)
{
    *(volatile char *)va = 1;
}

static void read_from(zx_vaddr_t va)
{
    (void)*(volatile char *)va;
}

static void make_field(void)
{
    MUST(zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS | ZX_VM_ALIGN_2MB, 0, FIELD_SIZE, &field,
                          &field_base));
}

static void destroy_field(void)
{
    MUST(zx_vmar_destroy(field));
    MUST(zx_handle_close(field));
}

static zx_handle_t make_vmo(size_t size)
{
    zx_handle_t vmo;
    MUST(zx_vmo_create(size, 0, &vmo));
    return vmo;
}

static zx_vaddr_t map_at(size_t offset, zx_handle_t vmo, size_t size)
{
    zx_vaddr_t at;
    MUST(zx_vmar_map(field, READ_WRITE | ZX_VM_SPECIFIC, offset, vmo, 0, size, &at));
    return at;
}

static zx_vaddr_t map_anywhere(zx_handle_t vmo, size_t size)
{
    zx_vaddr_t at;
    MUST(zx_vmar_map(field, READ_WRITE, 0, vmo, 0, size, &at));
    return at;
}

/* ---- Whatever the number of regions ---- */

static uint32_t count_loop(uint32_t rounds)
{
    uint32_t before = ticks();
    __asm__ volatile("movl %0, %%ecx\n\t"
                     "1: decl %%ecx\n\t"
                     "jnz 1b"
                     :
                     : "r"(rounds)
                     : "ecx", "cc");
    return ticks() - before;
}

TEST(calibration)
{
    (void)count_loop(1000);
    tell("loop-of-2001", 0, count_loop(1000));
    tell("loop-of-2000001", 0, count_loop(1000000));
}

TEST(null_call)
{
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, (void)zx_process_self());
    tell_samples("null-call", 0);
}

TEST(faults)
{
    size_t size = (REPETITIONS + 1) * PAGE, wide = REPETITIONS * TABLE;
    zx_handle_t vmo = make_vmo(size), wide_vmo = make_vmo(wide);
    make_field();
    zx_vaddr_t at = map_at(0, vmo, size), wide_at = map_at(TABLE, wide_vmo, wide);
    read_from(at);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, read_from(at + (i + 1) * PAGE));
    tell_samples("read-fault", 0);
    MUST(zx_vmar_unmap(field, at, size));
    at = map_at(0, vmo, size);
    write_to(at);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, write_to(at + (i + 1) * PAGE));
    tell_samples("write-fault", 0);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, write_to(wide_at + i * TABLE));
    tell_samples("write-fault-table", 0);
    destroy_field();
    MUST(zx_handle_close(vmo));
    MUST(zx_handle_close(wide_vmo));
}

/* A VMO, mapped, written to, unmapped and closed. */
static void live(size_t offset, size_t pages)
{
    zx_handle_t vmo = make_vmo(pages * PAGE);
    zx_vaddr_t at = map_at(offset, vmo, pages * PAGE);
    for (size_t i = 0; i < pages; i++)
        write_to(at + i * PAGE);
    MUST(zx_vmar_unmap(field, at, pages * PAGE));
    MUST(zx_handle_close(vmo));
}

TEST(whole_lives)
{
    make_field();
    write_to(map_at(0, one_page, PAGE)); /* keeps the tables of the first 2 MiB */
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, live(4 * PAGE, 1));
    tell_samples("life-1", 0);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, live(4 * TABLE, 1));
    tell_samples("life-1-table", 0);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, live(4 * PAGE, MANY));
    tell_samples("life-256", 0);
    destroy_field();
}

/* ---- Among a number of regions ---- */

static void bench_chosen(unsigned regions)
{
    static zx_vaddr_t at[REPETITIONS];
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, at[i] = map_anywhere(one_page, PAGE));
    tell_samples("map-chosen", regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, MUST(zx_vmar_unmap(field, at[i], PAGE)));
    tell_samples("unmap-chosen", regions);
}

static void bench_vmar(unsigned regions)
{
    static zx_handle_t vmars[REPETITIONS];
    zx_vaddr_t at;
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, MUST(zx_vmar_allocate(field, VMAR_OPTIONS, 0, PAGE, &vmars[i], &at)));
    tell_samples("allocate", regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, MUST(zx_vmar_destroy(vmars[i])));
    tell_samples("destroy", regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MUST(zx_handle_close(vmars[i]));
}

/* One page between two regions, somewhere among them. */
static void bench_given(unsigned regions)
{
    static size_t offsets[REPETITIONS];
    for (unsigned i = 0; i < REPETITIONS; i++) {
        offsets[i] = 2 * (regions < REPETITIONS ? i : (uint64_t)i * regions / REPETITIONS) * PAGE;
        MEASURE(i, (void)map_at(offsets[i], one_page, PAGE));
    }
    tell_samples("map-given", regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, MUST(zx_vmar_unmap(field, field_base + offsets[i], PAGE)));
    tell_samples("unmap-given", regions);
}

static void bench_protect(unsigned regions, bool touched)
{
    static uint32_t merges[REPETITIONS];
    zx_handle_t vmo = make_vmo(3 * PAGE);
    zx_vaddr_t at = map_anywhere(vmo, 3 * PAGE), middle = at + PAGE;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        for (unsigned page = 0; page < 3 && touched; page++)
            write_to(at + page * PAGE);
        MEASURE(i, MUST(zx_vmar_protect(field, ZX_VM_PERM_READ, middle, PAGE)));
        uint32_t before = ticks();
        MUST(zx_vmar_protect(field, READ_WRITE, middle, PAGE));
        merges[i] = ticks() - before;
    }
    tell_samples(touched ? "split-touched" : "split", regions);
    memcpy(samples, merges, sizeof(samples));
    tell_samples(touched ? "merge-touched" : "merge", regions);
    MUST(zx_vmar_unmap(field, at, 3 * PAGE));
    MUST(zx_handle_close(vmo));
}

static void bench_faults(unsigned regions)
{
    size_t size = (REPETITIONS + 1) * PAGE;
    zx_handle_t vmo = make_vmo(size);
    for (unsigned write = 0; write < 2; write++) {
        zx_vaddr_t at = map_at(FIELD_SIZE / 2 + 4 * TABLE, vmo, size);
        read_from(at);
        for (unsigned i = 0; i < REPETITIONS; i++) {
            if (write)
                MEASURE(i, write_to(at + (i + 1) * PAGE));
            else
                MEASURE(i, read_from(at + (i + 1) * PAGE));
        }
        tell_samples(write ? "write-fault-among" : "read-fault-among", regions);
        MUST(zx_vmar_unmap(field, at, size));
    }
    MUST(zx_handle_close(vmo));
}

/* Every second page. */
static void bench_dense(unsigned regions)
{
    make_field();
    for (unsigned i = 0; i < regions; i++)
        (void)map_at((2 * (size_t)i + 1) * PAGE, one_page, PAGE);
    bench_chosen(regions);
    bench_vmar(regions);
    bench_given(regions);
    bench_protect(regions, false);
    bench_protect(regions, true);
    bench_faults(regions);
    destroy_field();
}

/* At a random place of which nothing is mapped yet. */
static zx_vaddr_t map_in_gap(void)
{
    zx_vaddr_t at;
    zx_status_t status;
    do
        status = zx_vmar_map(field, READ_WRITE | ZX_VM_SPECIFIC, draw(FIELD_SIZE / PAGE) * PAGE, one_page, 0,
                             PAGE, &at);
    while (status == ZX_ERR_ALREADY_EXISTS);
    MUST(status);
    return at;
}

static void bench_build(unsigned regions)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < regions; i++) {
        uint32_t before = ticks();
        places[i] = map_in_gap();
        sum += ticks() - before;
    }
    tell("build", regions, sum / regions);
}

static void bench_tear_down(unsigned regions)
{
    uint64_t sum = 0;
    for (unsigned left = regions; left > 0; left--) {
        uint64_t which = draw(left);
        uint32_t before = ticks();
        MUST(zx_vmar_unmap(field, places[which], PAGE));
        sum += ticks() - before;
        places[which] = places[left - 1];
    }
    tell("tear-down", regions, sum / regions);
}

static void bench_gaps(unsigned regions)
{
    static zx_vaddr_t at[REPETITIONS];
    make_field();
    bench_build(regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, at[i] = map_in_gap());
    tell_samples("map-gap", regions);
    for (unsigned i = 0; i < REPETITIONS; i++)
        MEASURE(i, MUST(zx_vmar_unmap(field, at[i], PAGE)));
    tell_samples("unmap-gap", regions);
    bench_tear_down(regions);
    destroy_field();
}

static uint64_t max_regions = MAX_DEFAULT;

TEST(among_regions)
{
    static const unsigned sizes[] = {10, 100, 1000, 10000, MAX_REGIONS};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] <= max_regions; i++) {
        bench_dense(sizes[i]);
        bench_gaps(sizes[i]);
    }
}

int main(int count, char **words)
{
    if (count > 2 || (count == 2 && !text_number(words[1], &max_regions)))
        give_up("bench: expected a number of regions");
    runtime_settle();
    one_page = make_vmo(PAGE);
    RUN(calibration);
    RUN(null_call);
    RUN(faults);
    RUN(whole_lives);
    RUN(among_regions);
    return test_end();
}
