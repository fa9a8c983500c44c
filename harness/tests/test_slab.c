/* SPDX-License-Identifier: MIT */
/* test_slab.c: objects of every size: zeroed, apart, counted; and not a page kept that is not needed. */
#include "machine.h"
#include "plant.h"

#define OBJECTS_MAX 2000

static struct slab_cache cache;

static void fill(unsigned char *object, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(object[i], 0);
        object[i] = byte;
    }
}

static void expect_filled(const unsigned char *object, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(object[i], byte);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {1, 8, 16, 17, 64, 100, 528, 1000, 1344, 1345, SLAB_OBJECT_MAX};
    static unsigned char *objects[600];
    uint64_t free_pages = pmm_count(VM_PAGE_FREE);

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        slab_cache_init(&cache, "test", sizes[s]);
        assert_true(cache.object_size >= sizes[s] && cache.object_size < sizes[s] + 16);
        for (size_t i = 0; i < 600; i++) {
            objects[i] = slab_alloc(&cache);
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % 16, 0);
            fill(objects[i], sizes[s], (unsigned char)(i + 1));
        }
        assert_int_equal(cache.objects, 600);
        assert_int_equal(cache.slabs, (600 + cache.per_slab - 1) / cache.per_slab);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages - cache.slabs);
        assert_true(slab_cache_check(&cache, &vm_log_sink));
        for (size_t i = 0; i < 600; i++) {
            expect_filled(objects[i], sizes[s], (unsigned char)(i + 1));
            slab_free(&cache, objects[i]);
        }
        assert_int_equal(cache.objects, 0);
        assert_int_equal(cache.slabs, 0);
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
        assert_true(slab_cache_check(&cache, &vm_log_sink));
    }
}

static void test_random(void **state)
{
    static unsigned char *objects[OBJECTS_MAX];
    uint64_t random = 3, free_pages = pmm_count(VM_PAGE_FREE);
    size_t count = 0;

    (void)state;
    slab_cache_init(&cache, "test", 200);
    for (int step = 0; step < 20000; step++) {
        bool growing = step / 3000 % 2 == 0;
        if (count < OBJECTS_MAX && draw_below(&random, 8) < (growing ? 5 : 3)) {
            objects[count] = slab_alloc(&cache);
            fill(objects[count], 200, (unsigned char)((uintptr_t)&objects[count] >> 3 | 1));
            count++;
        } else if (count > 0) {
            size_t which = draw_below(&random, count);
            slab_free(&cache, objects[which]);
            count--;
            objects[which] = objects[count];
        }
        assert_int_equal(cache.objects, count);
        if (step % 64 == 0)
            assert_true(slab_cache_check(&cache, &vm_log_sink));
    }
    while (count > 0)
        slab_free(&cache, objects[--count]);
    assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
}

static void test_refusal(void **state)
{
    uint64_t free_pages = pmm_count(VM_PAGE_FREE);

    (void)state;
    slab_cache_init(&cache, "test", 64);
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the object's own, the page's */
        host_fail_allocation(nth, false);
        assert_null(slab_alloc(&cache));
        assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
        assert_int_equal(cache.objects, 0);
        assert_true(slab_cache_check(&cache, &vm_log_sink));
    }
    host_fail_allocation(3, false);
    void *first = slab_alloc(&cache);
    assert_non_null(first);
    assert_null(slab_alloc(&cache)); /* the second object's own; no page was asked for */
    host_fail_allocation(2, true);
    void *second = slab_alloc(&cache);
    assert_non_null(second);
    host_fail_allocation(0, false);
    slab_free(&cache, first);
    slab_free(&cache, second);
    assert_int_equal(pmm_count(VM_PAGE_FREE), free_pages);
}

static void test_until_memory_ends(void **state)
{
    struct list_node *last = NULL, *object;
    struct list_node pages;
    size_t count = 0;

    (void)state;
    list_init(&pages);
    assert_int_equal(pmm_alloc_pages(pmm_count(VM_PAGE_FREE) - 3, VM_PAGE_ALLOC, &pages), ZX_OK);
    slab_cache_init(&cache, "test", 1000);
    while ((object = slab_alloc(&cache)) != NULL) {
        object->next = last;
        last = object;
        count++;
    }
    assert_int_equal(count, 3 * cache.per_slab);
    assert_int_equal(pmm_count(VM_PAGE_FREE), 0);
    for (; last != NULL; last = object) {
        object = last->next;
        slab_free(&cache, last);
    }
    assert_int_equal(pmm_count(VM_PAGE_FREE), 3);
    pmm_free_list(&pages);
}

static void discard(struct vm_sink *self, const char *text, size_t size)
{
    (void)self, (void)text, (void)size;
}

static void test_check_finds_damage(void **state)
{
    struct vm_sink nowhere = {discard};

    (void)state;
    slab_cache_init(&cache, "test", 64);
    void *object = slab_alloc(&cache);
    cache.objects++;
    assert_false(slab_cache_check(&cache, &nowhere));
    cache.objects--;
    cache.slabs = 0;
    assert_false(slab_cache_check(&cache, &nowhere));
    cache.slabs = 1;
    cache.per_slab = 1;
    assert_false(slab_cache_check(&cache, &nowhere));
    cache.per_slab = 63;
    assert_true(slab_cache_check(&cache, &nowhere));
    slab_free(&cache, object);
}

/* As in slab.c. */
struct slab {
    struct list_node node;
    struct slab_cache *cache;
    struct vm_page *page;
    void *free;
    uint32_t in_use, fresh;
};

#define PLANT(place, value)                                                                                  \
    PLANT_FOR(slab_cache_check(&cache, report_begin()), place, value, "slab test: a slab is broken")

static void test_check_finds_broken_slabs(void **state)
{
    (void)state;
    slab_cache_init(&cache, "test", 64);
    void *objects[2] = {slab_alloc(&cache), slab_alloc(&cache)};
    slab_free(&cache, objects[1]);
    struct slab *slab = (struct slab *)(void *)cache.partial.next;
    char *page = (char *)(void *)slab;
    void **slot = slab->free;
    PLANT(slab->cache, NULL);
    PLANT(slab->page->state, VM_PAGE_ALLOC);
    PLANT(slab->fresh, 64);
    PLANT(slab->free, page);
    PLANT(slab->free, page + PAGE_SIZE);
    PLANT(slab->free, page + 80);
    PLANT(slab->free, page + 64 * 10);
    PLANT(*slot, slot); /* a ring */
    PLANT(slab->in_use, 0);
    PLANT(slab->in_use, 2);
    list_remove(&slab->node);
    list_add_tail(&cache.full, &slab->node);
    assert_false(slab_cache_check(&cache, report_begin()));
    assert_true(report_says("full list"));
    list_remove(&slab->node);
    list_add_tail(&cache.partial, &slab->node);
    assert_true(slab_cache_check(&cache, &vm_log_sink));
    slab_free(&cache, objects[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),
        TEST(test_random),
        TEST(test_refusal),
        TEST(test_until_memory_ends),
        TEST(test_check_finds_damage),
        TEST(test_check_finds_broken_slabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
