/* SPDX-License-Identifier: MIT */
/* The tree of a VMO's mappings against a plain array: random inserts, removals and searches, for what they show and for
   where they may show the zero page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../vm/internal.h"
#include "plant.h"

#define MAPPINGS 200

struct world {
    struct mapping_tree tree;
    struct vm_mapping mappings[MAPPINGS];
    struct bound {
        uint64_t first, end; /* of the zero page; equal: none */
    } zeros[MAPPINGS];
    struct prng prng;
};

/* A new mapping, or one that was removed and comes back somewhere else, as after a cut: of what it says of the zero page
   that stays which is in its new part. */
static void insert(struct world *world, struct vm_mapping *mapping)
{
    struct bound *zero = &world->zeros[mapping - world->mappings];
    if (prng_below(&world->prng, 2) == 0) {
        *mapping = (struct vm_mapping){0};
        *zero = (struct bound){0};
    }
    mapping->region.alive = true;
    mapping->vmo_offset = prng_below(&world->prng, 300) * PAGE_SIZE;
    mapping->region.size = (1 + prng_below(&world->prng, 40)) * PAGE_SIZE;
    uint64_t end = mapping->vmo_offset + mapping->region.size;
    zero->first = zero->first > mapping->vmo_offset ? zero->first : mapping->vmo_offset;
    zero->end = zero->end < end ? zero->end : end;
    if (zero->first >= zero->end)
        *zero = (struct bound){0};
    mapping_tree_insert(&world->tree, mapping);
}

static void change_zero(struct world *world, struct vm_mapping *mapping)
{
    struct bound *zero = &world->zeros[mapping - world->mappings];
    uint64_t pages = mapping->region.size / PAGE_SIZE, from = prng_below(&world->prng, pages);
    uint64_t first = mapping->vmo_offset + from * PAGE_SIZE;
    uint64_t end = first + (1 + prng_below(&world->prng, pages - from)) * PAGE_SIZE;
    if (prng_below(&world->prng, 2) == 0) {
        mapping_tree_show_zero(&world->tree, mapping, first, end);
        bool none = zero->end == 0;
        zero->first = none || first < zero->first ? first : zero->first;
        zero->end = end > zero->end ? end : zero->end;
        return;
    }
    mapping_tree_hide_zero(&world->tree, mapping, first, end);
    while (zero->first < zero->end && zero->first >= first && zero->first < end)
        zero->first += PAGE_SIZE;
    while (zero->first < zero->end && zero->end > first && zero->end <= end)
        zero->end -= PAGE_SIZE;
    if (zero->first == zero->end)
        *zero = (struct bound){0};
}

static bool shows(const struct world *world, size_t i, uint64_t offset, uint64_t end, bool zero)
{
    const struct vm_mapping *mapping = &world->mappings[i];
    if (zero)
        return mapping->region.alive && world->zeros[i].first < end && world->zeros[i].end > offset;
    return mapping->region.alive && mapping->vmo_offset < end &&
           mapping->vmo_offset + mapping->region.size > offset;
}

/* Every mapping that shows the part is found, once, in order; no other is. */
static void compare(struct world *world, uint64_t offset, uint64_t end, bool zero)
{
    size_t expected = 0, found = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < MAPPINGS; i++)
        expected += shows(world, i, offset, end, zero);
    for (struct vm_mapping *mapping = mapping_tree_first(&world->tree, offset, end, zero); mapping != NULL;
         mapping = mapping_tree_next(mapping, offset, end, zero)) {
        assert_true(shows(world, (size_t)(mapping - world->mappings), offset, end, zero));
        uint64_t begins = zero ? mapping->zero.first : mapping->vmo_offset;
        assert_true(begins >= last);
        last = begins;
        found++;
        assert_true(found <= expected);
    }
    assert_int_equal(found, expected);
}

static void agrees_with_an_array(void **state)
{
    static struct world world;
    (void)state;
    memset(&world, 0, sizeof(world));
    prng_seed(&world.prng, 1, 2);
    for (int step = 0; step < 20000; step++) {
        struct vm_mapping *mapping = &world.mappings[prng_below(&world.prng, MAPPINGS)];
        if (!mapping->region.alive) {
            insert(&world, mapping);
        } else if (prng_below(&world.prng, 2) == 0) {
            change_zero(&world, mapping);
        } else {
            mapping_tree_remove(&world.tree, mapping);
            mapping->region.alive = false;
        }
        assert_true(mapping_tree_check(&world.tree, &vm_log_sink));
        uint64_t offset = prng_below(&world.prng, 340) * PAGE_SIZE;
        uint64_t end = offset + (1 + prng_below(&world.prng, 30)) * PAGE_SIZE;
        compare(&world, offset, end, false);
        compare(&world, offset, end, true);
    }
}

#define PLANT(tree, place, value)                                                                            \
    PLANT_FOR(mapping_tree_check(tree, report_begin()), place, value,                                        \
              "misplaced in its VMO's tree, or a wrong summary there")

static void check_finds_damage(void **state)
{
    static struct vm_mapping mappings[15];
    struct mapping_tree tree = {0};
    (void)state;
    memset(mappings, 0, sizeof(mappings));
    for (unsigned i = 0; i < 15; i++) {
        mappings[i].vmo_offset = i * PAGE_SIZE;
        mappings[i].region.size = 2 * PAGE_SIZE;
        mapping_tree_insert(&tree, &mappings[i]);
        mapping_tree_show_zero(&tree, &mappings[i], i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    }
    struct mapping_link *roots[] = {tree.root, tree.zero_root};
    struct mapping_link *lowest[] = {&mappings[0].link, &mappings[0].zero};
    for (unsigned i = 0; i < 2; i++) {
        PLANT(&tree, roots[i]->parent, lowest[i]);
        PLANT(&tree, roots[i]->left, NULL); /* leans to the right */
        PLANT(&tree, roots[i]->right, NULL);
        PLANT(&tree, roots[i]->height, 9);
        PLANT(&tree, roots[i]->reach, 0);
        PLANT(&tree, roots[i]->first, 0);
        PLANT(&tree, roots[i]->end, 0);
        PLANT(&tree, lowest[i]->height, 2);
    }
    struct vm_mapping *root = container_of(tree.root, struct vm_mapping, link);
    PLANT(&tree, root->vmo_offset, 0);
    PLANT(&tree, root->region.size, PAGE_SIZE);
    PLANT(&tree, root->zero.end, root->link.end + PAGE_SIZE);
    PLANT(&tree, root->zero.end, root->zero.first + 1);
    PLANT_FOR(mapping_tree_check(&tree, report_begin()), tree.zero_root, NULL,
              "15 are missing in their VMO's tree");
    assert_true(mapping_tree_check(&tree, &vm_log_sink));
}

static void empty_tree_finds_nothing(void **state)
{
    struct mapping_tree tree = {0};
    (void)state;
    assert_null(mapping_tree_first(&tree, 0, UINT64_MAX, false));
    assert_null(mapping_tree_first(&tree, 0, UINT64_MAX, true));
    assert_true(mapping_tree_check(&tree, &vm_log_sink));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(check_finds_damage),
        cmocka_unit_test(empty_tree_finds_nothing),
    };
    return cmocka_run_group_tests_name("mapping_tree", tests, NULL, NULL);
}
