/* SPDX-License-Identifier: MIT */
/*
 * test_placement.c: where zx_vmar_map and zx_vmar_allocate put things, as programs see it. The candidates of each
 * request are found by trying every position of a small VMAR against the specification; the calls must hit each of
 * them equally often and nothing else, find the only one that there is, and repeat themselves with the same seed.
 *
 * A VMAR is a row of units (pages, or more where alignment is the point), at most UNITS of them.
 */
#include "calls.h"

#define UNITS 128

struct row {
    zx_handle_t vmar;
    zx_vaddr_t base;
    unsigned unit_log2, units;
    bool taken[UNITS];
};

struct request {
    unsigned units;      /* size */
    unsigned align_log2; /* 0: not asked for */
    unsigned limit;      /* upper limit in units; 0: none */
};

static bool running;
static zx_handle_t vmo;
static uint64_t random_state;

/* Another machine in the place of the one before. */
static void restart(const struct zvm_config *config)
{
    if (running)
        assert_int_equal(zvm_stop(), ZX_OK);
    running = false;
    assert_int_equal(zvm_start(config), ZX_OK);
    running = true;
    vmo = make_vmo(PAGE, 0);
}

static void restart_with(uint64_t seed, uint8_t entropy_bits, uint8_t compact_entropy_bits)
{
    const struct zvm_config config = {.memory_bytes = 16u << 20,
                                      .seed = seed,
                                      .entropy_bits = entropy_bits,
                                      .compact_entropy_bits = compact_entropy_bits};
    restart(&config);
}

static int stop(void **state)
{
    bool was_running = running;
    running = false;
    return was_running ? machine_stop(state) : 0;
}

/* Numbers for layouts: the same in every run, and none of the core's. */
static unsigned below(unsigned bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((random_state >> 33) % bound);
}

/* ---- What the specification says ---- */

static bool is_valid(const struct row *row, const struct request *request, unsigned at)
{
    unsigned align_log2 = request->align_log2 > ZX_PAGE_SHIFT ? request->align_log2 : ZX_PAGE_SHIFT;
    zx_vaddr_t va = row->base + ((zx_vaddr_t)at << row->unit_log2);
    if ((va & (((zx_vaddr_t)1 << align_log2) - 1)) != 0)
        return false;
    if (at + request->units > (request->limit != 0 ? request->limit : row->units))
        return false;
    for (unsigned i = 0; i < request->units; i++)
        if (row->taken[at + i])
            return false;
    return true;
}

/* Marks those that may be chosen; how many. */
static unsigned find_candidates(const struct row *row, const struct request *request, unsigned entropy,
                                bool candidate[UNITS])
{
    unsigned align_log2 = request->align_log2 > row->unit_log2 ? request->align_log2 : row->unit_log2;
    uint64_t window = (uint64_t)1 << (entropy + align_log2 - row->unit_log2), free = 0;
    unsigned count = 0, lowest = UNITS;
    for (unsigned at = 0; at < row->units; at++) {
        bool in_window = !row->taken[at] && free++ < window, valid = is_valid(row, request, at);
        if (valid && lowest == UNITS)
            lowest = at;
        candidate[at] = valid && in_window;
        count += candidate[at];
    }
    if (count == 0 && lowest != UNITS) {
        candidate[lowest] = true;
        count = 1;
    }
    return count;
}

static unsigned count_valid(const struct row *row, const struct request *request)
{
    unsigned count = 0;
    for (unsigned at = 0; at < row->units; at++)
        count += is_valid(row, request, at);
    return count;
}

/* ---- Rows and requests as calls ---- */

static void row_make(struct row *row, zx_handle_t parent, zx_vm_option_t options, unsigned units,
                     unsigned unit_log2)
{
    *row = (struct row){.units = units, .unit_log2 = unit_log2};
    unsigned align_log2 = unit_log2 + 4 < 32 ? unit_log2 + 4 : 32;
    assert_ok(zx_vmar_allocate(parent, EVERYTHING | options | ALIGN(align_log2), 0,
                               (size_t)units << unit_log2, &row->vmar, &row->base));
}

static void row_drop(struct row *row)
{
    assert_ok(zx_vmar_destroy(row->vmar));
    assert_ok(zx_handle_close(row->vmar));
}

/* Takes units of a row, by a mapping or by a child VMAR. */
static void row_take(struct row *row, unsigned at, unsigned units)
{
    size_t offset = (size_t)at << row->unit_log2, size = (size_t)units << row->unit_log2;
    zx_vaddr_t address;
    zx_handle_t child;
    if (below(2) == 0) {
        assert_ok(zx_vmar_map(row->vmar, ZX_VM_SPECIFIC | ZX_VM_PERM_READ, offset, vmo, 0, size, &address));
    } else {
        assert_ok(zx_vmar_allocate(row->vmar, ZX_VM_SPECIFIC, offset, size, &child, &address));
        assert_ok(zx_handle_close(child));
    }
    for (unsigned i = 0; i < units; i++)
        row->taken[at + i] = true;
}

/* Takes all that `taken` asks for, in pieces. */
static void row_take_all(struct row *row, const bool taken[UNITS])
{
    for (unsigned at = 0, end; at < row->units; at = end) {
        unsigned most = 1 + below(8);
        for (end = at; end < row->units && taken[end] && end - at < most; end++)
            ;
        if (end > at)
            row_take(row, at, end - at);
        else
            end++;
    }
}

static void row_fragment(struct row *row)
{
    bool taken[UNITS] = {false};
    for (unsigned at = below(4); at < row->units; at += 1 + below(7))
        for (unsigned end = at + 1 + below(4); at < end && at < row->units; at++)
            taken[at] = true;
    row_take_all(row, taken);
}

static zx_status_t call_map(const struct row *row, const struct request *request, zx_vaddr_t *address)
{
    zx_vm_option_t options = ALIGN(request->align_log2) | ZX_VM_PERM_READ;
    if (request->limit != 0)
        options |= ZX_VM_OFFSET_IS_UPPER_LIMIT;
    return zx_vmar_map(row->vmar, options, (size_t)request->limit << row->unit_log2, vmo, 0,
                       (size_t)request->units << row->unit_log2, address);
}

static zx_status_t call_allocate(const struct row *row, const struct request *request, zx_handle_t *child,
                                 zx_vaddr_t *address)
{
    zx_vm_option_t options = ALIGN(request->align_log2);
    if (request->limit != 0)
        options |= ZX_VM_OFFSET_IS_UPPER_LIMIT;
    return zx_vmar_allocate(row->vmar, options, (size_t)request->limit << row->unit_log2,
                            (size_t)request->units << row->unit_log2, child, address);
}

/* Where the request was put, in units; it is taken away again. */
static unsigned place(const struct row *row, const struct request *request, bool vmar)
{
    zx_vaddr_t address = 0;
    zx_handle_t child;
    if (vmar) {
        check_status(call_allocate(row, request, &child, &address), ZX_OK, __FILE__, __LINE__);
        check_status(zx_vmar_destroy(child), ZX_OK, __FILE__, __LINE__);
        check_status(zx_handle_close(child), ZX_OK, __FILE__, __LINE__);
    } else {
        size_t size = (size_t)request->units << row->unit_log2;
        check_status(call_map(row, request, &address), ZX_OK, __FILE__, __LINE__);
        check_status(zx_vmar_unmap(row->vmar, address, size), ZX_OK, __FILE__, __LINE__);
    }
    zx_vaddr_t offset = address - row->base;
    assert_true(address >= row->base && offset >> row->unit_log2 < row->units);
    assert_int_equal(offset & (((zx_vaddr_t)1 << row->unit_log2) - 1), 0);
    return (unsigned)(offset >> row->unit_log2);
}

/* Without any valid position both calls refuse, each in its own way. */
static void assert_no_room(const struct row *row, const struct request *request)
{
    zx_vaddr_t address;
    zx_handle_t child;
    assert_refused(call_map(row, request, &address), ZX_ERR_NO_RESOURCES);
    assert_refused(call_allocate(row, request, &child, &address), ZX_ERR_NO_MEMORY);
}

/* ---- Uniformity ---- */

#define DRAWS 100 /* for each candidate: what each is expected to get */

/* Only candidates are hit, and each as often as the others: Pearson's statistic has mean count - 1 and variance 2
   (count - 1); what is five deviations off is no accident. */
static void check_uniform(const struct row *row, const struct request *request, unsigned entropy)
{
    bool candidate[UNITS];
    unsigned hits[UNITS] = {0}, count = find_candidates(row, request, entropy, candidate);
    if (count == 0) {
        assert_no_room(row, request);
        return;
    }
    for (unsigned i = 0; i < count * DRAWS; i++) {
        unsigned at = place(row, request, i % 4 == 0);
        assert_true(candidate[at]);
        hits[at]++;
    }
    uint64_t chi = 0, freedom = count - 1, deviation = 1; /* chi: times DRAWS */
    for (unsigned at = 0; at < row->units; at++)
        if (candidate[at])
            chi += (uint64_t)((int64_t)hits[at] - DRAWS) * (uint64_t)((int64_t)hits[at] - DRAWS);
    while (deviation * deviation < 2 * freedom)
        deviation++;
    if (chi > DRAWS * (freedom + 5 * deviation) || chi + DRAWS * 5 * deviation < DRAWS * freedom) {
        print_error("size %u align %u limit %u entropy %u: %llu/%u with %llu degrees of freedom\n",
                    request->units, request->align_log2, request->limit, entropy, (unsigned long long)chi,
                    DRAWS, (unsigned long long)freedom);
        fail();
    }
}

static const struct request requests[] = {
    {.units = 1},
    {.units = 3},
    {.units = 1, .limit = 40},
    {.units = 2, .limit = 13},
    {.units = 1, .align_log2 = 14},
    {.units = 2, .align_log2 = 13},
    {.units = 5, .align_log2 = 13, .limit = 61},
    {.units = 1, .align_log2 = 16, .limit = 90},
    {.units = 90, .align_log2 = 10},
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void check_all_requests(zx_vm_option_t options, unsigned entropy, bool fragmented)
{
    struct row row;
    row_make(&row, zx_vmar_root_self(), options, 96, 12);
    if (fragmented)
        row_fragment(&row);
    for (size_t i = 0; i < REQUESTS; i++)
        check_uniform(&row, &requests[i], entropy);
    row_drop(&row);
}

/* Windows of all sizes: that cut inside the row, that end in a gap, that hold everything. */
static void test_uniform(void **state)
{
    static const uint8_t entropies[] = {1, 2, 4, 5, 6, 30, 36};
    (void)state;
    for (unsigned i = 0; i < sizeof(entropies); i++) {
        restart_with(11 + i, entropies[i], 3);
        random_state = i;
        check_all_requests(0, entropies[i], false);
        check_all_requests(0, entropies[i], true);
    }
}

static void test_uniform_compact(void **state)
{
    static const uint8_t entropies[] = {1, 3, 5, 8};
    (void)state;
    for (unsigned i = 0; i < sizeof(entropies); i++) {
        restart_with(31 + i, 30, entropies[i]);
        random_state = 100 + i;
        check_all_requests(ZX_VM_COMPACT, entropies[i], false);
        check_all_requests(ZX_VM_COMPACT, entropies[i], true);
        check_all_requests(0, 30, true); /* what is not compact has its own entropy */
    }
}

/* Every alignment that there is, up to 4 GiB: rows whose unit is the alignment, or half or an eighth of it. */
static void test_uniform_aligned(void **state)
{
    (void)state;
    restart_with(51, 3, 8);
    random_state = 51;
    for (unsigned align_log2 = 13; align_log2 <= 32; align_log2++)
        for (unsigned finer = 0; finer <= 3 && align_log2 - finer >= 12; finer += finer + 1) {
            struct row row;
            struct request request = {.units = 1 + below(5), .align_log2 = align_log2};
            row_make(&row, zx_vmar_root_self(), 0, UNITS, align_log2 - finer);
            row_fragment(&row);
            check_uniform(&row, &request, 3);
            request.limit = 30 + below(90);
            check_uniform(&row, &request, 3);
            row_drop(&row);
        }
}

/* Where the window holds no position, the lowest one behind it is taken. */
static void test_behind_the_window(void **state)
{
    (void)state;
    restart_with(61, 3, 2);
    for (unsigned compact = 0; compact < 2; compact++) {
        struct row row;
        struct request request = {.units = 2};
        row_make(&row, zx_vmar_root_self(), compact ? ZX_VM_COMPACT : 0, 64, 12);
        for (unsigned at = 1; at < 40; at += 2)
            row_take(&row, at, 1);
        for (unsigned i = 0; i < 32; i++)
            assert_int_equal(place(&row, &request, i % 2 != 0), 40);
        request.align_log2 = 14; /* the window grows with the alignment, and reaches beyond */
        check_uniform(&row, &request, compact ? 2 : 3);
        row_drop(&row);
    }
}

/* ---- The only position ---- */

/* What to take so that the request has exactly one position, and many gaps in vain. Where that is. */
static unsigned only_position(const struct row *row, const struct request *request, bool taken[UNITS])
{
    struct row plan = *row;
    bool candidate[UNITS];
    unsigned count = find_candidates(row, request, 36, candidate), nth, only = 0;
    assert_true(count > 0);
    for (nth = below(count); !candidate[only] || nth-- > 0; only++)
        ;
    for (unsigned at = 0; at < row->units; at++)
        plan.taken[at] = at < only || at >= only + request->units;
    for (unsigned i = 0; i < 40; i++) {
        struct row tried = plan;
        unsigned at = below(row->units), end = at + 1 + below(2 * request->units);
        for (; at < end && at < row->units; at++)
            tried.taken[at] = false;
        if (count_valid(&tried, request) == 1)
            plan = tried;
    }
    memcpy(taken, plan.taken, sizeof(plan.taken));
    return only;
}

static void check_only_position(struct row *row)
{
    struct request request = {.units = 1 + below(6)};
    bool taken[UNITS];
    if (row->unit_log2 > 12 || below(2) != 0)
        request.align_log2 = row->unit_log2 + below(4);
    if (request.align_log2 > 32)
        request.align_log2 = 32;
    if (below(2) != 0)
        request.limit = request.units + below(row->units - request.units + 1);
    unsigned only = only_position(row, &request, taken);
    row_take_all(row, taken);
    assert_int_equal(count_valid(row, &request), 1);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(place(row, &request, i % 2 != 0), only);
    row_take(row, only, request.units);
    assert_no_room(row, &request);
}

/* Layouts at random, in VMARs that fill their parents, compact or not; a window of a few pages or of all. */
static void test_only_position(void **state)
{
    static const uint8_t entropies[] = {1, 4, 30, 36}, units_log2[] = {12, 12, 15, 21, 30};
    (void)state;
    for (unsigned layout = 0; layout < 400; layout++) {
        random_state = layout;
        if (layout % 100 == 0)
            restart_with(71 + layout, entropies[layout / 100], entropies[3 - layout / 100] / 4 + 1);
        struct row outer[4];
        unsigned depth = 1 + below(4), units = 8 + below(UNITS - 8);
        unsigned unit_log2 = units_log2[below(sizeof(units_log2))];
        for (unsigned i = 0; i < depth; i++)
            row_make(&outer[i], i == 0 ? zx_vmar_root_self() : outer[i - 1].vmar,
                     below(2) == 0 ? ZX_VM_COMPACT : 0, units, unit_log2);
        check_only_position(&outer[depth - 1]);
        assert_ok(zx_vmar_destroy(outer[0].vmar));
        for (unsigned i = 0; i < depth; i++)
            assert_ok(zx_handle_close(outer[i].vmar));
    }
}

/* A VMAR takes as much as fits, whatever the order in which random places fill it. */
static void test_fills_up(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        restart_with(91 + round, (uint8_t)(1 + round * 3), 0);
        struct row row;
        struct request request = {.units = 1, .align_log2 = round % 4 == 0 ? 0 : 12 + round % 4};
        unsigned expected = UNITS >> (round % 4);
        row_make(&row, zx_vmar_root_self(), 0, UNITS, 12);
        for (unsigned i = 0; i < expected; i++) {
            zx_vaddr_t address;
            assert_ok(call_map(&row, &request, &address));
            unsigned at = (unsigned)((address - row.base) >> 12);
            assert_true(at < UNITS && is_valid(&row, &request, at));
            row.taken[at] = true;
        }
        assert_no_room(&row, &request);
        row_drop(&row);
    }
}

/* ---- Without randomness ---- */

static void test_aslr_off(void **state)
{
    const struct zvm_config config = {.memory_bytes = 16u << 20, .aslr_off = true};
    zx_vaddr_t address;
    (void)state;
    restart(&config);
    assert_ok(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &address));
    assert_int_equal(address, 0x1000000); /* where user spaces begin */
    for (unsigned layout = 0; layout < 200; layout++) {
        random_state = 1000 + layout;
        struct row row;
        struct request request = {.units = 1 + below(6), .align_log2 = below(2) != 0 ? 12 + below(5) : 0};
        row_make(&row, zx_vmar_root_self(), below(2) != 0 ? ZX_VM_COMPACT : 0, 32 + below(UNITS - 32), 12);
        row_fragment(&row);
        if (below(2) != 0)
            request.limit = request.units + below(row.units - request.units + 1);
        unsigned lowest = 0;
        while (lowest < row.units && !is_valid(&row, &request, lowest))
            lowest++;
        if (lowest == row.units)
            assert_no_room(&row, &request);
        for (unsigned i = 0; i < 4 && lowest < row.units; i++)
            assert_int_equal(place(&row, &request, i % 2 != 0), lowest);
        row_drop(&row);
    }
}

/* ---- Seeds ---- */

#define PLACES 400

/* Maps and allocates in a root VMAR; where. */
static void place_many(zx_handle_t root, zx_vaddr_t places[PLACES])
{
    for (unsigned i = 0; i < PLACES; i++) {
        zx_handle_t child;
        if (i % 2 == 0) {
            assert_ok(zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &places[i]));
            continue;
        }
        assert_ok(zx_vmar_allocate(root, i % 4 == 1 ? 0 : ALIGN(16), 0, PAGE, &child, &places[i]));
        assert_ok(zx_handle_close(child));
    }
}

static bool share_a_place(const zx_vaddr_t first[PLACES], const zx_vaddr_t second[PLACES])
{
    for (unsigned i = 0; i < PLACES; i++)
        for (unsigned j = 0; j < PLACES; j++)
            if (first[i] == second[j])
                return true;
    return false;
}

/* Of 2^30 positions each, 400 and 400 meet with a probability of 1 in 6,700: these seeds do not. */
static void test_seeds(void **state)
{
    static zx_vaddr_t places[4][PLACES];
    static const uint64_t seeds[] = {1, 2, 1, UINT64_MAX};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        restart_with(seeds[i], 0, 0);
        place_many(zx_vmar_root_self(), places[i]);
    }
    assert_memory_equal(places[0], places[2], sizeof(places[0]));
    assert_false(share_a_place(places[0], places[1]));
    assert_false(share_a_place(places[0], places[3]));
    assert_false(share_a_place(places[1], places[3]));
}

/* Nor do two processes of one machine, and each repeats itself in another machine of the same seed. */
static void test_processes(void **state)
{
    static zx_vaddr_t places[2][3][PLACES];
    zx_handle_t processes[2], roots[3];
    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        restart_with(5, 0, 0);
        roots[0] = zx_vmar_root_self();
        for (unsigned i = 0; i < 2; i++)
            assert_ok(zx_process_create(zx_job_default(), "p", 1, 0, &processes[i], &roots[i + 1]));
        for (unsigned i = 0; i < 3; i++) /* the order among spaces plays no part */
            place_many(roots[run == 0 ? i : 2 - i], places[run][run == 0 ? i : 2 - i]);
    }
    assert_memory_equal(places[0], places[1], sizeof(places[0]));
    assert_false(share_a_place(places[0][0], places[0][1]));
    assert_false(share_a_place(places[0][0], places[0][2]));
    assert_false(share_a_place(places[0][1], places[0][2]));
}

#define PLACEMENT_TEST(function) cmocka_unit_test_teardown(function, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACEMENT_TEST(test_uniform),         PLACEMENT_TEST(test_uniform_compact),
        PLACEMENT_TEST(test_uniform_aligned), PLACEMENT_TEST(test_behind_the_window),
        PLACEMENT_TEST(test_only_position),   PLACEMENT_TEST(test_fills_up),
        PLACEMENT_TEST(test_aslr_off),        PLACEMENT_TEST(test_seeds),
        PLACEMENT_TEST(test_processes),
    };
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
