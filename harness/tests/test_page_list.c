/* SPDX-License-Identifier: MIT */
/* test_page_list.c: the radix tree against a sorted array, and its memory against the indexes that it holds.
   */
#include "machine.h"
#include "plant.h"

#define MODEL_MAX 4096
#define INDEX_END ((uint64_t)1 << 52)

struct model {
    struct page_list list;
    size_t count;
    struct {
        uint64_t index;
        void *item;
    } entries[MODEL_MAX];
    uint64_t random;
};

static struct model model;

/* Where the first entry at or above index is. */
static size_t model_find(uint64_t index)
{
    size_t low = 0, high = model.count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (model.entries[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool model_has(size_t at, uint64_t index)
{
    return at < model.count && model.entries[at].index == index;
}

static void *any_item(void)
{
    return (void *)(uintptr_t)(draw(&model.random) | 1);
}

static uint64_t nodes_held(void)
{
    return vm_machine->page_list_cache.objects;
}

/* Dense near 0, sparse over all heights, and at the edges of nodes. */
static uint64_t draw_index(void)
{
    uint64_t edge;

    switch (draw_below(&model.random, 4)) {
    case 0:
        return draw_below(&model.random, 512);
    case 1:
        return draw(&model.random) >> (12 + draw_below(&model.random, 52));
    case 2:
        edge = (uint64_t)1 << draw_below(&model.random, 53);
        return (edge + draw_below(&model.random, 3) - 1) % INDEX_END;
    default:
        return INDEX_END - 1 - draw_below(&model.random, 200);
    }
}

static void step_put(void)
{
    uint64_t index = draw_index(), nodes = nodes_held();
    size_t at = model_find(index);
    bool had = model_has(at, index);

    if (model.count == MODEL_MAX)
        return;
    if (draw_below(&model.random, 3) == 0) {
        host_fail_allocation(1 + draw_below(&model.random, 6), true);
        zx_status_t status = page_list_reserve(&model.list, index);
        host_fail_allocation(0, false);
        if (status != ZX_OK) {
            assert_int_equal(status, ZX_ERR_NO_MEMORY);
            assert_int_equal(nodes_held(), nodes);
            return;
        }
    } else {
        assert_int_equal(page_list_reserve(&model.list, index), ZX_OK);
    }
    if (draw_below(&model.random, 3) == 0) {
        page_list_unreserve(&model.list, index);
        assert_int_equal(nodes_held(), nodes);
        return;
    }
    void *item = any_item(), *before = page_list_set(&model.list, index, item);
    assert_ptr_equal(before, had ? model.entries[at].item : NULL);
    if (!had) {
        memmove(&model.entries[at + 1], &model.entries[at], (model.count - at) * sizeof(model.entries[0]));
        model.entries[at].index = index;
        model.count++;
    }
    model.entries[at].item = item;
}

static void step_remove(void)
{
    uint64_t index = draw_index();

    if (model.count > 0 && draw_below(&model.random, 4) != 0)
        index = model.entries[draw_below(&model.random, model.count)].index;
    size_t at = model_find(index);
    bool had = model_has(at, index);
    assert_ptr_equal(page_list_remove(&model.list, index), had ? model.entries[at].item : NULL);
    if (had) {
        model.count--;
        memmove(&model.entries[at], &model.entries[at + 1], (model.count - at) * sizeof(model.entries[0]));
    }
}

static void look(void)
{
    uint64_t index = draw_index(), found = 0;
    size_t at = model_find(index);

    assert_ptr_equal(page_list_get(&model.list, index), model_has(at, index) ? model.entries[at].item : NULL);
    void *next = page_list_next(&model.list, index, &found);
    assert_ptr_equal(next, at < model.count ? model.entries[at].item : NULL);
    if (next != NULL)
        assert_int_equal(found, model.entries[at].index);

    size_t run;
    void *const *items = page_list_run(&model.list, index, &run);
    for (size_t i = 0; i < run; i++)
        assert_true(model_has(at + i, index + i) && items[i] == model.entries[at + i].item);
    assert_true((run != 0 && (index + run) % 64 == 0) || !model_has(at + run, index + run));

    uint64_t limit = index + draw_below(&model.random, 300), empty = index;
    for (; empty < limit && model_has(at, empty); at++)
        empty++;
    assert_int_equal(page_list_next_empty(&model.list, index, limit), empty < limit ? empty : limit);
    assert_int_equal(page_list_count_below(&model.list, index), model_find(index));
    assert_int_equal(page_list_count_below(&model.list, UINT64_MAX), model.count);
}

static void check_all(void)
{
    uint64_t found = 0, index = 0;

    assert_true(page_list_check(&model.list, &vm_log_sink));
    assert_int_equal(model.list.count, model.count);
    for (size_t i = 0; i < model.count; i++, index = found + 1) {
        assert_ptr_equal(page_list_next(&model.list, index, &found), model.entries[i].item);
        assert_int_equal(found, model.entries[i].index);
    }
    assert_null(page_list_next(&model.list, index, &found));
}

static void start(uint64_t seed)
{
    memset(&model, 0, sizeof(model));
    model.random = seed;
    page_list_init(&model.list);
}

static void test_random(void **state)
{
    uint64_t free_pages = pmm_count(VM_PAGE_FREE);

    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        start(seed);
        for (int step = 0; step < 6000; step++) {
            bool growing = step / 1500 % 2 == 0;
            if (draw_below(&model.random, 8) < (growing ? 5 : 2))
                step_put();
            else
                step_remove();
            look();
            if (step % 100 == 0)
                check_all();
        }
        while (model.count > 0)
            step_remove();
        check_all();
        assert_null(model.list.root);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
    }
}

static void put(uint64_t index)
{
    assert_int_equal(page_list_reserve(&model.list, index), ZX_OK);
    assert_null(page_list_set(&model.list, index, &model));
}

static void test_heights(void **state)
{
    uint64_t before = nodes_held();

    (void)state;
    start(0);
    put(0);
    assert_int_equal(model.list.height, 1);
    put(63);
    assert_int_equal(model.list.height, 1);
    put(64);
    assert_int_equal(model.list.height, 2);
    assert_int_equal(nodes_held() - before, 3);
    put(INDEX_END - 1);
    assert_int_equal(model.list.height, 9);
    assert_int_equal(nodes_held() - before, 3 + 7 + 8);
    assert_ptr_equal(page_list_remove(&model.list, INDEX_END - 1), &model);
    assert_int_equal(model.list.height, 2);
    assert_ptr_equal(page_list_remove(&model.list, 0), &model);
    assert_ptr_equal(page_list_remove(&model.list, 64), &model);
    assert_int_equal(model.list.height, 1);
    assert_ptr_equal(page_list_remove(&model.list, 63), &model);
    assert_int_equal(nodes_held(), before);
}

/* A reservation keeps its place whatever happens around it. */
static void test_reserved_stays(void **state)
{
    uint64_t before = nodes_held();

    (void)state;
    start(0);
    put(100);
    assert_int_equal(page_list_reserve(&model.list, 101), ZX_OK);
    assert_int_equal(page_list_reserve(&model.list, 5000), ZX_OK);
    assert_ptr_equal(page_list_remove(&model.list, 100), &model);
    assert_null(page_list_get(&model.list, 101));
    assert_int_equal(model.list.count, 0);
    host_fail_allocation(1, true);
    assert_null(page_list_set(&model.list, 101, &model));
    page_list_unreserve(&model.list, 5000);
    assert_ptr_equal(page_list_set(&model.list, 101, &before), &model);
    host_fail_allocation(0, false);
    assert_int_equal(page_list_reserve(&model.list, 101), ZX_OK); /* of an occupied slot */
    assert_ptr_equal(page_list_remove(&model.list, 101), &before);
    assert_null(page_list_set(&model.list, 101, &model));
    assert_ptr_equal(page_list_remove(&model.list, 101), &model);
    assert_int_equal(nodes_held(), before);
}

static void test_next_empty_over_full_leaves(void **state)
{
    (void)state;
    start(0);
    for (uint64_t index = 10; index < 300; index++)
        put(index);
    assert_int_equal(page_list_next_empty(&model.list, 0, 1000), 0);
    assert_int_equal(page_list_next_empty(&model.list, 10, 1000), 300);
    assert_int_equal(page_list_next_empty(&model.list, 10, 200), 200);
    assert_int_equal(page_list_next_empty(&model.list, 10, 10), 10);
    assert_int_equal(page_list_next_empty(&model.list, 5000, 6000), 5000);
    for (uint64_t index = 10; index < 300; index++)
        page_list_remove(&model.list, index);
}

/* ---- Full subtrees ---- */

#define FULL_END ((uint64_t)64 * 64 * 3) /* full: three nodes of 64 full leaves below one root */

static bool occupied[FULL_END + 64];

static uint64_t first_empty(uint64_t from, uint64_t limit)
{
    while (from < limit && from < FULL_END + 64 && occupied[from])
        from++;
    return from;
}

static void flip(uint64_t index)
{
    if (occupied[index])
        assert_ptr_equal(page_list_remove(&model.list, index), &model);
    else
        put(index);
    occupied[index] = !occupied[index];
}

static void check_search(uint64_t from, uint64_t limit)
{
    assert_int_equal(page_list_next_empty(&model.list, from, limit), first_empty(from, limit));
}

/* A list that is nearly full, beside one byte an index: full leaves and full nodes come and go. */
static void test_full_subtrees(void **state)
{
    (void)state;
    start(7);
    memset(occupied, 0, sizeof(occupied));
    for (uint64_t index = 0; index < FULL_END; index++) {
        flip(index);
        if (index % 64 >= 62 || index % 64 == 0)
            assert_true(page_list_check(&model.list, &vm_log_sink));
    }
    for (unsigned step = 0; step < 4000; step++) {
        uint64_t index = draw_below(&model.random, FULL_END + 64), from;
        if (!occupied[index] || draw_below(&model.random, 3) == 0)
            flip(index);
        from = draw_below(&model.random, FULL_END + 64);
        check_search(from, INDEX_END);
        check_search(from, from + draw_below(&model.random, 5000));
        if (step % 200 == 0)
            assert_true(page_list_check(&model.list, &vm_log_sink));
    }
    for (uint64_t index = 0; index < FULL_END + 64; index++)
        if (occupied[index])
            flip(index);
    assert_null(model.list.root);
}

/* The root that a full tree gets above it knows that it is full. */
static void test_growing_above_what_is_full(void **state)
{
    (void)state;
    start(0);
    for (uint64_t index = 0; index < 64; index++)
        put(index);
    assert_int_equal(page_list_next_empty(&model.list, 0, INDEX_END), 64);
    put(64 * 64);
    assert_int_equal(model.list.height, 3);
    assert_true(page_list_check(&model.list, &vm_log_sink));
    assert_int_equal(page_list_next_empty(&model.list, 3, INDEX_END), 64);
    page_list_remove(&model.list, 64 * 64);
    for (uint64_t index = 0; index < 64; index++)
        page_list_remove(&model.list, index);
    assert_null(model.list.root);
}

static void discard(struct vm_sink *self, const char *text, size_t size)
{
    (void)self, (void)text, (void)size;
}

static void test_check_finds_damage(void **state)
{
    struct vm_sink nowhere = {discard};

    (void)state;
    start(0);
    put(7);
    put(70);
    model.list.count++;
    assert_false(page_list_check(&model.list, &nowhere));
    model.list.count--;
    model.list.height = 0;
    assert_false(page_list_check(&model.list, &nowhere));
    model.list.height = 2;
    assert_true(page_list_check(&model.list, &nowhere));
    page_list_remove(&model.list, 7);
    page_list_remove(&model.list, 70);
}

/* As in page_list.c. Above the leaves, `reserved` counts the items below. */
struct node {
    uint64_t present, reserved;
    void *slots[64];
};

#define PLANT(place, value, words)                                                                           \
    PLANT_FOR(page_list_check(&model.list, report_begin()), place, value, words)

static void test_check_says_what(void **state)
{
    (void)state;
    start(0);
    PLANT(model.list.height, 1, "height 1 without a root");
    put(7);
    put(70);
    struct node *root = (struct node *)(void *)model.list.root, *leaf = root->slots[1];
    PLANT(model.list.height, 10, "height 10 with a root");
    PLANT(root->present, 7, "a node of level 1 is broken");
    PLANT(root->reserved, 1, "a node of level 1 has 2 items below, it counts 1");
    PLANT(leaf->present, 0, "a node of level 0 is broken");
    PLANT(leaf->present, 3, "a node of level 0 is broken");
    root->present = root->reserved = 1;
    PLANT(root->slots[1], NULL, "height 2 is more than its items need");
    root->present = 3;
    root->reserved = 2;
    assert_true(page_list_check(&model.list, &vm_log_sink));
    page_list_remove(&model.list, 7);
    page_list_remove(&model.list, 70);
}

/* The search passes the last slots of several levels, and finds nothing. */
static void test_next_behind_the_last(void **state)
{
    const uint64_t last = ((uint64_t)1 << 18) - 1;
    uint64_t found;

    (void)state;
    start(0);
    put(last - 1);
    assert_null(page_list_next(&model.list, last, &found));
    page_list_remove(&model.list, last - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random),
        TEST(test_heights),
        TEST(test_reserved_stays),
        TEST(test_next_empty_over_full_leaves),
        TEST(test_full_subtrees),
        TEST(test_growing_above_what_is_full),
        TEST(test_check_finds_damage),
        TEST(test_check_says_what),
        TEST(test_next_behind_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
