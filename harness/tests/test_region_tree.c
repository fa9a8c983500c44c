/* SPDX-License-Identifier: MIT */
/*
 * test_region_tree.c: the region tree and the protection ranges against flat arrays that do the same the slow
 * way; cutting in two; the uniformity of random placement; reservations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../vm/internal.h"
#include "../../vm/region_node.h"
#include "../host_port.h"
#include "plant.h"

#define PAGE PAGE_SIZE

/* ---- A machine for each test ---- */

static struct pmm_range memory;
static struct prng prng;

static int start(void **state)
{
    (void)state;
    memory = host_memory_map(256u << 20);
    const struct vm_machine_config config = {.memory = &memory, .memory_count = 1, .seed = 1};
    prng_seed(&prng, 20, 0);
    return memory.size > 0 && vm_machine_start(&config) ? 0 : -1;
}

/* Every test gives back all of its nodes. */
static int stop(void **state)
{
    (void)state;
    host_switches_reset();
    bool all_back = vm_machine->region_leaf_cache.objects == 0 && vm_machine->region_inner_cache.objects == 0;
    zx_status_t status = vm_machine_stop(&vm_log_sink);
    host_memory_unmap(memory);
    return all_back && status == ZX_OK ? 0 : -1;
}

static uint64_t below(uint64_t bound)
{
    return prng_below(&prng, bound);
}

static uint64_t nodes_in_use(void)
{
    return vm_machine->region_leaf_cache.objects + vm_machine->region_inner_cache.objects;
}

/* ---- The model: an ascending array ---- */

#define MODEL_MAX 8192

struct model {
    zx_vaddr_t base, end;
    size_t count;
    struct region_entry entry[MODEL_MAX];
};

static struct model model;

/* The first entry whose end is above va. */
static size_t model_from(zx_vaddr_t va)
{
    size_t i = 0;
    while (i < model.count && model.entry[i].end <= va)
        i++;
    return i;
}

static zx_vaddr_t gap_start(size_t i) /* of the gap before entry i */
{
    return i > 0 ? model.entry[i - 1].end : model.base;
}

static zx_vaddr_t gap_end(size_t i)
{
    return i < model.count ? model.entry[i].base : model.end;
}

static bool model_is_free(zx_vaddr_t base, zx_vaddr_t end)
{
    size_t i = model_from(base);
    return base >= model.base && end <= model.end && base < end &&
           (i == model.count || model.entry[i].base >= end);
}

static void model_insert(zx_vaddr_t base, zx_vaddr_t end, void *value)
{
    size_t i = model_from(base);
    memmove(&model.entry[i + 1], &model.entry[i], (model.count - i) * sizeof(model.entry[0]));
    model.entry[i] = (struct region_entry){base, end, value};
    model.count++;
}

static void model_remove(size_t i)
{
    model.count--;
    memmove(&model.entry[i], &model.entry[i + 1], (model.count - i) * sizeof(model.entry[0]));
}

/* Lowest place and number of places of the request that begin in the window. False: no place at all. */
static bool model_places(const struct region_request *request, uint8_t entropy, zx_vaddr_t *lowest,
                         uint64_t *in_window, zx_vaddr_t *cutoff)
{
    unsigned shift = request->align_log2 + entropy;
    uint64_t window = shift < 64 ? (uint64_t)1 << shift : UINT64_MAX,
             align = (uint64_t)1 << request->align_log2;
    bool found = false;
    *in_window = 0;
    *cutoff = model.end;
    for (size_t i = 0; i <= model.count; i++) {
        zx_vaddr_t lo = gap_start(i), hi = gap_end(i);
        zx_vaddr_t cut = window >= hi - lo ? hi : lo + window;
        if (window > 0 && window <= hi - lo)
            *cutoff = lo + window;
        window -= cut - lo;
        zx_vaddr_t end = hi < request->limit ? hi : request->limit;
        zx_vaddr_t first = lo / align * align + (lo % align ? align : 0);
        if (first < lo || end < lo || end - lo < request->size || first > end - request->size)
            continue;
        if (!found)
            *lowest = first;
        found = true;
        zx_vaddr_t last = end - request->size < cut - 1 ? end - request->size : cut - 1;
        if (cut > lo && first <= last)
            *in_window += (last - first) / align + 1;
    }
    return found;
}

static bool is_place(const struct region_request *request, zx_vaddr_t p)
{
    return p % ((uint64_t)1 << request->align_log2) == 0 && p + request->size <= request->limit &&
           model_is_free(p, p + request->size);
}

/* ---- The tree beside the model ---- */

static struct region_tree tree;

static void begin_model(zx_vaddr_t base, zx_vaddr_t end)
{
    model.base = base;
    model.end = end;
    model.count = 0;
}

static void begin(zx_vaddr_t base, zx_vaddr_t end)
{
    region_tree_init(&tree, base, end);
    begin_model(base, end);
}

static void check(void)
{
    assert_true(region_tree_check(&tree, &vm_log_sink));
    assert_int_equal(tree.count, model.count);
    zx_vaddr_t va = tree.base;
    struct region_entry entry;
    for (size_t i = 0; i < model.count; i++, va = entry.end) {
        assert_true(region_tree_find_from(&tree, va, &entry));
        assert_int_equal(entry.base, model.entry[i].base);
        assert_int_equal(entry.end, model.entry[i].end);
        assert_ptr_equal(entry.value, model.entry[i].value);
    }
    assert_false(region_tree_find_from(&tree, va, &entry));
}

static void insert_reserved(struct region_reserve *reserve, zx_vaddr_t base, zx_vaddr_t end)
{
    static uintptr_t serial;
    void *value = (void *)++serial;
    region_tree_insert(&tree, reserve, base, end, value);
    model_insert(base, end, value);
}

static void insert(zx_vaddr_t base, zx_vaddr_t end)
{
    struct region_reserve reserve = {0};
    assert_int_equal(region_reserve(&reserve, &tree, base, 1), ZX_OK);
    insert_reserved(&reserve, base, end);
    region_reserve_release(&reserve);
}

static void remove_nth(size_t i)
{
    assert_ptr_equal(region_tree_remove(&tree, model.entry[i].base), model.entry[i].value);
    model_remove(i);
}

static zx_vaddr_t random_address(void)
{
    uint64_t pages = (tree.end - tree.base) / PAGE;
    if (model.count > 0 && below(2)) {
        const struct region_entry *entry = &model.entry[below(model.count)];
        return (below(2) ? entry->base : entry->end) + (below(3) - 1) * (below(2) ? 1 : PAGE);
    }
    return tree.base + below(pages) * PAGE + below(2);
}

/* ---- Steps of the long random test ---- */

static void step_insert(uint64_t max_pages)
{
    size_t gap = below(model.count + 1);
    uint64_t room = (gap_end(gap) - gap_start(gap)) / PAGE;
    if (room == 0)
        return;
    uint64_t pages = 1 + below(room < max_pages ? room : max_pages);
    zx_vaddr_t base = gap_start(gap) + (below(4) ? below(room - pages + 1) : 0) * PAGE;
    insert(base, base + pages * PAGE);
}

/* Up to three insertions behind one range, after removals above it. */
static void step_replace(void)
{
    zx_vaddr_t at = tree.base + below((tree.end - tree.base) / PAGE) * PAGE;
    unsigned wanted = 1 + (unsigned)below(3);
    struct region_reserve reserve = {0};
    size_t next = 0;
    while (next < model.count && model.entry[next].base < at)
        next++;
    if (next > 0 && model.entry[next - 1].end > at)
        at = model.entry[next - 1].end;
    if (at == tree.end)
        return;
    assert_int_equal(region_reserve(&reserve, &tree, at, wanted), ZX_OK);
    uint64_t before = nodes_in_use();
    for (uint64_t n = below(8) ? below(4) : below(200); n > 0 && model.count > next; n--)
        remove_nth(next + (below(2) ? 0 : below(model.count - next)));
    assert_true(nodes_in_use() <= before);
    uint64_t room = (gap_end(next) - at) / PAGE;
    for (unsigned i = 0; i < wanted && room > 0; i++) { /* downwards, or upwards where it starts at `at` */
        uint64_t pages = 1 + below(room < 4 ? room : 4);
        if (below(2)) {
            insert_reserved(&reserve, at, at + pages * PAGE);
            at += pages * PAGE;
        } else {
            insert_reserved(&reserve, at + (room - pages) * PAGE, at + room * PAGE);
        }
        room -= pages;
    }
    region_reserve_release(&reserve);
}

static void step_resize(void)
{
    if (model.count == 0)
        return;
    size_t i = below(model.count);
    zx_vaddr_t lo = gap_start(i), hi = gap_end(i + 1), old = model.entry[i].base;
    uint64_t pages = (hi - lo) / PAGE, first = below(pages), size = 1 + below(pages - first);
    zx_vaddr_t base = below(3) ? lo + first * PAGE : old;
    zx_vaddr_t end = base == old ? old + (1 + below((hi - old) / PAGE)) * PAGE : base + size * PAGE;
    region_tree_resize(&tree, old, base, end);
    model.entry[i].base = base;
    model.entry[i].end = end;
}

static void step_span(void)
{
    if (model.count == 0)
        return;
    model.base = below(8) ? tree.base - PAGE * below(3) : model.entry[0].base;
    model.end = below(8) ? tree.end + PAGE * below(4) : model.entry[model.count - 1].end;
    if (model.end > -(zx_vaddr_t)PAGE)
        model.end = -(zx_vaddr_t)PAGE;
    region_tree_set_span(&tree, model.base, model.end);
    check();
}

static void step_find(void)
{
    zx_vaddr_t va = random_address();
    struct region_entry entry;
    size_t i = va < model.base ? 0 : model_from(va);
    bool held = i < model.count && model.entry[i].base <= va && va >= model.base;
    assert_int_equal(region_tree_find(&tree, va, &entry), held);
    if (held)
        assert_memory_equal(&entry, &model.entry[i], sizeof(entry));
    assert_int_equal(region_tree_find_from(&tree, va, &entry), i < model.count);
    if (i < model.count)
        assert_memory_equal(&entry, &model.entry[i], sizeof(entry));
    size_t before = 0;
    while (before < model.count && model.entry[before].base < va)
        before++;
    assert_int_equal(region_tree_find_before(&tree, va, &entry), before > 0);
    if (before > 0)
        assert_memory_equal(&entry, &model.entry[before - 1], sizeof(entry));
    zx_vaddr_t end = va + (1 + below(20)) * PAGE;
    assert_int_equal(region_tree_is_free(&tree, va, end), model_is_free(va, end));
}

static void step_place(uint64_t max_pages)
{
    struct region_request request = {
        .size = (1 + below(below(2) ? 4 : max_pages)) * PAGE,
        .align_log2 = (uint8_t)(PAGE_SHIFT + (below(2) ? 0 : below(12))),
        .limit = below(3) ? tree.end : tree.base + below((tree.end - tree.base) / PAGE + 1) * PAGE,
    };
    uint8_t entropy = (uint8_t)(below(2) ? below(12) : below(37));
    zx_vaddr_t lowest = 0, p = 0, cutoff;
    uint64_t in_window;
    bool any = model_places(&request, entropy, &lowest, &in_window, &cutoff);
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), any ? ZX_OK : ZX_ERR_NO_RESOURCES);
    assert_int_equal(p, any ? lowest : 0);
    assert_int_equal(region_tree_count_places(&tree, &request, entropy), in_window);
    p = 0;
    assert_int_equal(region_tree_place_random(&tree, &request, entropy, &prng, &p),
                     any ? ZX_OK : ZX_ERR_NO_RESOURCES);
    if (!any)
        return;
    assert_true(is_place(&request, p));
    if (in_window == 0 || entropy == 0)
        assert_int_equal(p, lowest);
    else
        assert_true(p < cutoff);
}

/* Swings between growing to `most` ranges and shrinking to none. */
static void walk_randomly(zx_vaddr_t base, uint64_t pages, size_t most, uint64_t max_pages, unsigned steps)
{
    bool growing = true;
    begin(base, base + pages * PAGE);
    for (unsigned step = 0; step < steps; step++) {
        if (model.count >= most)
            growing = false;
        else if (model.count == 0)
            growing = true;
        unsigned dice = (unsigned)below(100);
        if (dice < (growing ? 40 : 10))
            step_insert(max_pages);
        else if (dice < 50 && model.count > 0)
            remove_nth(below(model.count));
        else if (dice < 54)
            step_replace();
        else if (dice < 60)
            step_resize();
        else if (dice < 61)
            step_span();
        else if (dice < 82)
            step_find();
        else
            step_place(max_pages * 2);
        if (step < 3000 || step % 256 == 0)
            check();
    }
    check();
    region_tree_clear(&tree);
}

static void test_random_small(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++)
        walk_randomly(0x10000000, 300, 100, 4, 20000);
}

static void test_random_large(void **state)
{
    (void)state;
    walk_randomly(0x1000000, 1ull << 22, 3000, 900, 60000);
}

static void test_random_crowded(void **state)
{
    (void)state;
    walk_randomly(0x1000000, 6000, 2500, 2, 60000);
}

static void test_random_at_the_top(void **state)
{
    (void)state;
    walk_randomly(0xffffff8000000000, (512ull << 18) - 4096, 500, 100000, 30000);
}

static void test_random_from_zero(void **state)
{
    (void)state;
    begin(0, 1ull << 48);
    struct region_request request = {.size = PAGE, .align_log2 = 32, .limit = 1ull << 48};
    zx_vaddr_t p = 1;
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), ZX_OK);
    assert_int_equal(p, 0);
    insert(0, PAGE);
    insert(PAGE * 2, PAGE * 3);
    check();
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), ZX_OK);
    assert_int_equal(p, 1ull << 32);
    region_tree_clear(&tree);
}

static void test_top_of_addresses(void **state)
{
    (void)state;
    zx_vaddr_t end = -(zx_vaddr_t)PAGE;
    begin(end - 64 * PAGE, end);
    insert(end - 2 * PAGE, end - PAGE);
    struct region_request request = {.size = PAGE, .align_log2 = 32, .limit = end};
    zx_vaddr_t p;
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), ZX_ERR_NO_RESOURCES);
    assert_int_equal(region_tree_place_random(&tree, &request, 36, &prng, &p), ZX_ERR_NO_RESOURCES);
    request.align_log2 = 18;
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), ZX_OK);
    assert_int_equal(p, -(zx_vaddr_t)(64 * PAGE));
    request = (struct region_request){.size = 63 * PAGE, .align_log2 = 12, .limit = end};
    assert_int_equal(region_tree_place_lowest(&tree, &request, &p), ZX_ERR_NO_RESOURCES);
    check();
    region_tree_clear(&tree);
}

/* ---- Fills and drains: shape, packing ---- */

#define FILL 5000

static void drain(unsigned order)
{
    while (model.count > 0) {
        remove_nth(order == 0 ? 0 : order == 1 ? model.count - 1 : below(model.count));
        if (model.count % 64 == 0)
            check();
    }
    assert_null(tree.root);
    assert_int_equal(nodes_in_use(), 0);
}

static void test_fills_and_drains(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 9; order++) {
        begin(0x1000000, 0x1000000 + 4 * FILL * PAGE);
        for (uint64_t i = 0; i < FILL; i++) {
            uint64_t slot = order % 3 == 0 ? i : order % 3 == 1 ? FILL - 1 - i : i * 3001 % FILL;
            insert(tree.base + (slot * 3 + 1) * PAGE, tree.base + (slot * 3 + 2) * PAGE);
            if (i < 500 || i % 64 == 0)
                check();
        }
        check();
        size_t a_range = region_tree_bytes(&tree) / FILL;
        assert_true(a_range < (order % 3 == 2 ? 52 : 46));
        drain(order / 3);
    }
}

/* ---- Cutting in two ---- */

/* The part as the tree, [base, end) of `whole` as the model. */
static void check_part(const struct region_tree *part, const struct model *whole, zx_vaddr_t base,
                       zx_vaddr_t end)
{
    tree = *part;
    assert_true(tree.base == base && tree.end == end);
    begin_model(base, end);
    for (size_t i = 0; i < whole->count; i++) {
        struct region_entry entry = whole->entry[i];
        entry.base = entry.base > base ? entry.base : base;
        entry.end = entry.end < end ? entry.end : end;
        if (entry.base < entry.end)
            model.entry[model.count++] = entry;
    }
    check();
}

/* Cuts the tree at `at` and goes on with one part. */
static void step_cut(zx_vaddr_t at, bool keep_tail)
{
    static struct model whole;
    struct region_reserve reserve = {0};
    struct region_tree head, tail;
    uint64_t height = tree.height;
    whole = model;
    assert_int_equal(region_reserve_cut(&reserve, &tree, at), ZX_OK);
    assert_true(reserve.leaves + reserve.inner <= (height == 0 ? 0 : 2 * height + 2));
    region_tree_cut(&tree, &tail, &reserve, at);
    region_reserve_release(&reserve);
    head = tree;
    check_part(keep_tail ? &head : &tail, &whole, keep_tail ? whole.base : at, keep_tail ? at : whole.end);
    region_tree_clear(&tree);
    check_part(keep_tail ? &tail : &head, &whole, keep_tail ? at : whole.base, keep_tail ? whole.end : at);
}

static zx_vaddr_t random_cut(void)
{
    zx_vaddr_t at = random_address() & ~(zx_vaddr_t)(PAGE - 1);
    if (below(4) == 0)
        at = tree.base + PAGE;
    if (below(4) == 0)
        at = tree.end - PAGE;
    return at > tree.base && at < tree.end ? at : tree.base + PAGE;
}

/* Many a tree of `most` ranges at the most, of up to max_pages each, cut until hardly anything is left, and changed
   in between. */
static void cut_randomly(uint64_t pages, uint64_t most, uint64_t max_pages)
{
    begin(0x1000000, 0x1000000 + pages * PAGE);
    for (uint64_t count = below(most + 1); count > 0; count--)
        step_insert(max_pages);
    while (tree.end - tree.base >= 4 * PAGE) {
        step_cut(random_cut(), below(2) != 0);
        for (unsigned step = 0; step < 20 && tree.end - tree.base >= 4 * PAGE; step++) {
            if (below(2))
                step_insert(max_pages);
            else if (model.count > 0 && below(2))
                remove_nth(below(model.count));
            else
                step_replace();
            check();
        }
    }
    region_tree_clear(&tree);
}

static void test_cuts(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        cut_randomly(60, 20, 3);
        cut_randomly(600, 300, 2);
        cut_randomly(6000, 600, 20);
    }
    cut_randomly(1u << 14, 5000, 4);
}

/* `n` ranges of two pages without a gap. Ascending fills leave room for three in each leaf: every fifth comes later. */
static void begin_full(unsigned n)
{
    begin(0x1000000, 0x1000000 + 2 * n * PAGE);
    for (unsigned later = 0; later < 2; later++)
        for (unsigned i = 0; i < n; i++)
            if ((i % 5 == 4) == (later != 0))
                insert(tree.base + 2 * i * PAGE, tree.base + 2 * (i + 1) * PAGE);
}

/* Every place of trees whose leaves are full. */
static void test_cuts_of_full_nodes(void **state)
{
    (void)state;
    for (unsigned n = 12; n < 500; n += n < 64 ? 1 : 97) {
        for (unsigned page = 1; page < 2 * n; page++) {
            begin_full(n);
            step_cut(tree.base + page * PAGE, page % 2 != 0);
            region_tree_clear(&tree);
        }
    }
}

static void test_cut_refused(void **state)
{
    (void)state;
    for (unsigned n = 14; n < 4000; n = n < 24 ? n + 1 : 3 * n) {
        begin_full(n);
        uint64_t nodes = nodes_in_use(), refused = 0;
        zx_status_t status = ZX_ERR_NO_MEMORY;
        while (status != ZX_OK) {
            struct region_reserve reserve = {0};
            host_fail_allocation(refused + 1, false);
            status = region_reserve_cut(&reserve, &tree, tree.base + (n | 1) * PAGE);
            host_fail_allocation(0, false);
            if (status == ZX_OK)
                region_reserve_release(&reserve);
            else
                refused++;
            assert_int_equal(nodes_in_use(), nodes);
            check();
        }
        assert_true(refused >= tree.height);
        region_tree_clear(&tree);
    }
}

/* ---- Reservations ---- */

static void test_reserve_ascending(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 700; n += 1 + n / 16) {
        struct region_reserve reserve = {0};
        begin(0x1000000, 0x1000000 + 4096 * PAGE);
        assert_int_equal(region_reserve_ascending(&reserve, n), ZX_OK);
        for (uint64_t i = 0; i < n; i++)
            insert_reserved(&reserve, tree.base + i * PAGE, tree.base + (i + 1) * PAGE);
        check();
        assert_true(reserve.leaves <= 1 && reserve.inner <= 2);
        region_reserve_release(&reserve);
        region_tree_clear(&tree);
    }
}

static void test_reserve_anywhere(void **state)
{
    (void)state;
    begin(0x1000000, 0x1000000 + (1ull << 32));
    for (unsigned round = 0; round < 60; round++) {
        struct region_reserve reserve = {0};
        assert_int_equal(region_reserve(&reserve, &tree, tree.base, 20), ZX_OK);
        for (unsigned i = 0; i < 20; i++) {
            zx_vaddr_t at = tree.base + below(1u << 20) * PAGE;
            if (model_is_free(at, at + PAGE))
                insert_reserved(&reserve, at, at + PAGE);
        }
        region_reserve_release(&reserve);
        check();
    }
    region_tree_clear(&tree);
}

static void test_reserve_refused(void **state)
{
    (void)state;
    begin(0x1000000, 0x1000000 + (1ull << 32));
    for (uint64_t i = 0; i < 3000; i++)
        insert(tree.base + i * 2 * PAGE, tree.base + (i * 2 + 1) * PAGE);
    uint64_t nodes = nodes_in_use(), free_pages = pmm_count(VM_PAGE_FREE);
    uint64_t refused = 0;
    for (uint64_t nth = 1;; nth++) {
        struct region_reserve reserve = {0};
        host_fail_allocation(nth, false);
        zx_status_t status = region_reserve(&reserve, &tree, tree.base + PAGE, 5);
        host_fail_allocation(0, false);
        if (status == ZX_OK) {
            region_reserve_release(&reserve);
            break;
        }
        refused++;
        assert_int_equal(status, ZX_ERR_NO_MEMORY);
        assert_int_equal(reserve.leaves + reserve.inner, 0);
        assert_null(reserve.leaf_list);
        assert_int_equal(nodes_in_use(), nodes);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
        check();
    }
    assert_true(refused >= 5);
    assert_int_equal(nodes_in_use(), nodes);
    region_tree_clear(&tree);
}

static void discard(struct vm_sink *sink, const char *text, size_t size)
{
    (void)sink;
    (void)text;
    (void)size;
}

static void test_check_sees_damage(void **state)
{
    (void)state;
    struct vm_sink quiet = {discard};
    begin(0x1000000, 0x1000000 + (1ull << 32));
    for (uint64_t i = 0; i < 300; i++)
        insert(tree.base + i * 2 * PAGE, tree.base + (i * 2 + 1) * PAGE);
    struct region_inner *root = region_inner_of(tree.root);
    struct region_leaf *leaf = (struct region_leaf *)(uintptr_t)region_leaf_at(&tree, tree.base);
    uint64_t *damage[] = {&root->summary[0].free,
                          &root->summary[1].max_gap,
                          &root->key[1],
                          &leaf->end[3],
                          &leaf->base[5],
                          &leaf->count,
                          &root->count,
                          &tree.count,
                          &tree.end};
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        *damage[i] += PAGE;
        assert_false(region_tree_check(&tree, &quiet));
        *damage[i] -= PAGE;
    }
    root->summary[0].best_align++;
    assert_false(region_tree_check(&tree, &quiet));
    root->summary[0].best_align--;
    root->summary[0].gaps--;
    assert_false(region_tree_check(&tree, &quiet));
    root->summary[0].gaps++;
    check();
    region_tree_clear(&tree);
}

#define PLANT(place, value, words) PLANT_FOR(region_tree_check(&tree, report_begin()), place, value, words)

/* Each finding by its words; what a finding about one node needs of the others is left as it is. */
static void test_check_says_what(void **state)
{
    (void)state;
    begin(0x1000000, 0x1000000 + (1ull << 32));
    PLANT(tree.height, 1, "an empty tree with a height or a count");
    PLANT(tree.count, 1, "an empty tree with a height or a count");
    for (uint64_t i = 0; i < 300; i++)
        insert(tree.base + i * 2 * PAGE, tree.base + (i * 2 + 1) * PAGE);
    struct region_inner *root = region_inner_of(tree.root);
    struct region_leaf *first = (struct region_leaf *)(uintptr_t)region_leaf_at(&tree, tree.base), *last,
                       *roomy;
    for (last = first; last->next != NULL;)
        last = last->next;
    for (roomy = first; roomy->count > REGION_LEAF_SLOTS - 1;)
        roomy = roomy->next;
    assert_true(tree.height > 1 && root->count < REGION_INNER_SLOTS);
    PLANT(tree.height, 0, ": height");
    PLANT(tree.height, REGION_HEIGHT_MAX + 1, ": height");
    PLANT(first->next, NULL, "the leaves are not linked in order");
    PLANT(last->next, first, "a leaf follows the last");
    PLANT(first->count, 1, "number of slots");
    PLANT(first->end[3], first->base[4] + PAGE, "ranges overlap");
    PLANT(first->base[3], first->base[3] + 1, "not page-aligned");
    PLANT(first->end[3], first->end[3] - 1, "not page-aligned");
    PLANT(first->end[0], first->base[0] + PAGE, "no sentinel");
    PLANT(last->end[0], last->base[0], "empty range");
    PLANT(roomy->base[roomy->count + 1], 5, "unused base is not all ones");
    PLANT(root->count, 1, "number of children");
    PLANT(root->key[0], 1, "first key is not 0");
    PLANT(root->key[root->count], 7, "unused key is not all ones");
    check();
    region_tree_clear(&tree);
}

/* ---- Uniformity ---- */

#define POSITIONS_MAX 4096

/* Draws and compares how often each place came with how often it should. */
static void check_uniform(const struct region_request *request, uint8_t entropy, uint64_t expected_places)
{
    static uint32_t hits[POSITIONS_MAX];
    static zx_vaddr_t places[POSITIONS_MAX];
    zx_vaddr_t lowest, cutoff, align = (zx_vaddr_t)1 << request->align_log2;
    uint64_t count = 0, in_window;
    assert_true(model_places(request, entropy, &lowest, &in_window, &cutoff));
    assert_int_equal(in_window, expected_places);
    assert_true(in_window <= POSITIONS_MAX);
    for (zx_vaddr_t p = (model.base + align - 1) / align * align; p < cutoff; p += align)
        if (is_place(request, p)) {
            hits[count] = 0;
            places[count++] = p;
        }
    assert_int_equal(count, in_window);
    uint64_t draws = count * 100;
    for (uint64_t i = 0; i < draws; i++) {
        zx_vaddr_t p;
        assert_int_equal(region_tree_place_random(&tree, request, entropy, &prng, &p), ZX_OK);
        uint64_t lo = 0, hi = count;
        while (hi - lo > 1)
            *(places[(lo + hi) / 2] <= p ? &lo : &hi) = (lo + hi) / 2;
        assert_int_equal(places[lo], p);
        hits[lo]++;
    }
    /* Pearson's statistic, times 100: mean count - 1, variance 2 (count - 1); beyond five deviations it is no
       accident. */
    uint64_t chi = 0, freedom = count - 1, deviation = 1;
    for (uint64_t i = 0; i < count; i++)
        chi += (uint64_t)((int64_t)(hits[i] - 100ll) * (int64_t)(hits[i] - 100ll));
    while (deviation * deviation < 2 * freedom)
        deviation++;
    assert_true(chi <= 100 * (freedom + 5 * deviation));
    assert_true(chi + 500 * deviation >= 100 * freedom);
}

static void test_uniform_in_one_gap(void **state)
{
    (void)state;
    begin(0x1000000, 0x1000000 + 1000 * PAGE);
    struct region_request request = {.size = 3 * PAGE, .align_log2 = 12, .limit = tree.end};
    check_uniform(&request, 30, 998);
    insert(tree.base, tree.base + 100 * PAGE);
    check_uniform(&request, 30, 898);
    check_uniform(&request, 8, 256); /* the window ends inside the gap */
    request.limit = tree.base + 200 * PAGE;
    check_uniform(&request, 30, 98);
    request.align_log2 = 14;
    check_uniform(&request, 30, 25);
    request.limit = tree.base + 103 * PAGE;
    check_uniform(&request, 30, 1);
    region_tree_clear(&tree);
}

/* Gaps of 1 to `widest` pages, enough for a tree of several levels. */
static void fragment(uint64_t ranges, uint64_t widest)
{
    begin(0x1000000, 0x1000000 + ranges * (widest + 1) * PAGE);
    zx_vaddr_t at = tree.base;
    for (uint64_t i = 0; i < ranges; i++, at += PAGE) {
        at += (below(3) ? 1 : 1 + below(widest)) * PAGE;
        insert(at, at + PAGE);
    }
    region_tree_set_span(&tree, tree.base, at); /* no gap at the end */
    model.end = at;
    check();
}

static uint64_t count_of(const struct region_request *request, uint8_t entropy)
{
    return region_tree_count_places(&tree, request, entropy);
}

static void test_uniform_in_fragments(void **state)
{
    (void)state;
    fragment(1500, 8);
    struct region_request request = {.size = PAGE, .align_log2 = 12, .limit = tree.end};
    check_uniform(&request, 30, count_of(&request, 30));
    request.size = 4 * PAGE;
    check_uniform(&request, 30, count_of(&request, 30));
    check_uniform(&request, 10, count_of(&request, 10));
    request.size = 8 * PAGE; /* few gaps are as large: draws are mostly rejected */
    check_uniform(&request, 30, count_of(&request, 30));
    request = (struct region_request){.size = PAGE, .align_log2 = 14, .limit = tree.end};
    check_uniform(&request, 30, count_of(&request, 30));
    request.limit = tree.base + 1234 * PAGE;
    check_uniform(&request, 30, count_of(&request, 30));
    check_uniform(&request, 7, count_of(&request, 7));
    region_tree_clear(&tree);
}

static void test_uniform_when_hardly_any(void **state)
{
    (void)state;
    fragment(3000, 1);
    struct region_request request = {.size = PAGE, .align_log2 = 20, .limit = tree.end};
    uint64_t places = count_of(&request, 30);
    assert_true(places > 1 && places < 40);
    check_uniform(&request, 30, places);
    request.size = 2 * PAGE;
    request.align_log2 = 12;
    zx_vaddr_t p;
    assert_int_equal(region_tree_place_random(&tree, &request, 30, &prng, &p), ZX_ERR_NO_RESOURCES);
    remove_nth(1700);
    check_uniform(&request, 30, 2);
    request.size = 3 * PAGE;
    check_uniform(&request, 30, 1);
    assert_int_equal(region_tree_place_random(&tree, &request, 10, &prng, &p), ZX_OK); /* above the window */
    assert_int_equal(p, gap_start(1700));
    region_tree_clear(&tree);
}

static void test_entropy_0_is_lowest(void **state)
{
    (void)state;
    begin(0x1000000, 0x1000000 + 1000 * PAGE);
    insert(tree.base, tree.base + PAGE);
    struct region_request request = {.size = PAGE, .align_log2 = 12, .limit = tree.end};
    zx_vaddr_t p;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(region_tree_place_random(&tree, &request, 0, &prng, &p), ZX_OK);
        assert_int_equal(p, tree.base + PAGE);
    }
    region_tree_clear(&tree);
}

/* ---- Permissions of parts of a mapping ---- */

#define PARTS 400

struct parts {
    struct vm_mapping mapping;
    uint8_t perms[PARTS]; /* by page, from `first` */
    unsigned first, count;
};

static void parts_init(struct parts *parts, uint32_t perms)
{
    *parts = (struct parts){.count = PARTS};
    parts->mapping.region.kind = VM_REGION_MAPPING;
    parts->mapping.region.base = 0x4000000;
    parts->mapping.region.size = PARTS * PAGE;
    parts->mapping.perms = perms;
    memset(parts->perms, (int)perms, PARTS);
}

static zx_vaddr_t part_address(const struct parts *parts, unsigned page)
{
    return parts->mapping.region.base + (page - parts->first) * PAGE;
}

static void parts_check(const struct parts *parts)
{
    const struct vm_mapping *mapping = &parts->mapping;
    unsigned ranges = 1;
    assert_true(protection_check(mapping, &vm_log_sink));
    for (unsigned page = parts->first; page < parts->first + parts->count; page++) {
        zx_vaddr_t base, end;
        assert_int_equal(protection_at(mapping, part_address(parts, page)), parts->perms[page]);
        assert_int_equal(protection_range(mapping, part_address(parts, page), &base, &end),
                         parts->perms[page]);
        assert_true(base <= part_address(parts, page) && end > part_address(parts, page));
        if (page > parts->first && parts->perms[page] != parts->perms[page - 1])
            ranges++;
    }
    assert_int_equal(mapping->protections.count, ranges == 1 ? 0 : ranges);
}

static void parts_set(struct parts *parts, unsigned from, unsigned to, uint32_t perms)
{
    struct region_reserve reserve = {0};
    zx_vaddr_t base = part_address(parts, from), end = part_address(parts, to);
    assert_int_equal(protection_reserve(&reserve, &parts->mapping, base, end), ZX_OK);
    protection_set(&parts->mapping, &reserve, base, end, perms);
    region_reserve_release(&reserve);
    memset(&parts->perms[from], (int)perms, to - from);
}

static void parts_truncate(struct parts *parts, unsigned from, unsigned to)
{
    zx_vaddr_t base = part_address(parts, from), end = part_address(parts, to);
    protection_truncate(&parts->mapping, base, end);
    parts->mapping.region.base = base;
    parts->mapping.region.size = end - base;
    parts->first = from;
    parts->count = to - from;
}

static void parts_split(struct parts *parts, struct parts *tail, unsigned page)
{
    struct region_reserve reserve = {0};
    zx_vaddr_t at = part_address(parts, page), end = parts->mapping.region.base + parts->mapping.region.size;
    assert_int_equal(protection_split_reserve(&reserve, &parts->mapping, at), ZX_OK);
    *tail = (struct parts){.first = page, .count = parts->first + parts->count - page};
    memcpy(tail->perms, parts->perms, PARTS);
    protection_split(&parts->mapping, &tail->mapping, at, &reserve);
    region_reserve_release(&reserve);
    tail->mapping.region.base = at;
    tail->mapping.region.size = end - at;
    parts->mapping.region.size = at - parts->mapping.region.base;
    parts->count = page - parts->first;
}

static void test_protection(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {0, 1, 3, 5, 7};
    for (unsigned round = 0; round < 60; round++) {
        static struct parts parts, tail;
        parts_init(&parts, kinds[below(5)]);
        unsigned widest = round % 3 == 0 ? 5 : round % 3 == 1 ? 40 : PARTS;
        for (unsigned step = 0; step < 500; step++) {
            unsigned from = parts.first + (unsigned)below(parts.count);
            unsigned left = parts.first + parts.count - from;
            unsigned to = from + 1 + (unsigned)below(left < widest ? left : widest);
            parts_set(&parts, from, to, kinds[below(round % 2 ? 2 : 5)]);
            parts_check(&parts);
            if (parts.count > 40 && below(60) == 0) {
                parts_truncate(&parts, parts.first + (unsigned)below(3),
                               parts.first + parts.count - (unsigned)below(3));
                parts_check(&parts);
            }
            if (parts.count > 100 && below(100) == 0) {
                parts_split(&parts, &tail,
                            parts.first + parts.count - 1 - (unsigned)below(round % 2 ? 70 : 99));
                parts_check(&parts);
                parts_check(&tail);
                region_tree_clear(&tail.mapping.protections);
            }
        }
        region_tree_clear(&parts.mapping.protections);
    }
}

static void test_protection_refused(void **state)
{
    (void)state;
    static struct parts parts;
    parts_init(&parts, 3);
    struct region_reserve reserve = {0};
    host_fail_allocation(1, false);
    assert_int_equal(
        protection_reserve(&reserve, &parts.mapping, part_address(&parts, 1), part_address(&parts, 2)),
        ZX_ERR_NO_MEMORY);
    assert_int_equal(nodes_in_use(), 0);
    parts_check(&parts);
    host_fail_allocation(1, true); /* changing the whole of it takes nothing */
    parts_set(&parts, 0, PARTS, 1);
    parts_check(&parts);
    host_switches_reset();
    parts_set(&parts, 100, 200, 3);
    parts_set(&parts, 150, 160, 1);
    parts_check(&parts);
    host_fail_allocation(1, true);
    assert_int_equal(protection_split_reserve(&reserve, &parts.mapping, part_address(&parts, 120)),
                     ZX_ERR_NO_MEMORY);
    assert_int_equal(protection_split_reserve(&reserve, &parts.mapping, part_address(&parts, 300)), ZX_OK);
    parts_set(&parts, 0, PARTS, 1);
    parts_check(&parts);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_small),         TEST(test_random_large),
        TEST(test_random_crowded),       TEST(test_random_at_the_top),
        TEST(test_random_from_zero),     TEST(test_top_of_addresses),
        TEST(test_fills_and_drains),     TEST(test_cuts),
        TEST(test_cuts_of_full_nodes),   TEST(test_cut_refused),
        TEST(test_reserve_ascending),    TEST(test_reserve_anywhere),
        TEST(test_reserve_refused),      TEST(test_check_sees_damage),
        TEST(test_check_says_what),      TEST(test_uniform_in_one_gap),
        TEST(test_uniform_in_fragments), TEST(test_uniform_when_hardly_any),
        TEST(test_entropy_0_is_lowest),  TEST(test_protection),
        TEST(test_protection_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
