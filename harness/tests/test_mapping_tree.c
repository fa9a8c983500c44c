/* SPDX-License-Identifier: MIT */
/* The tree of a VMO's mappings against a plain array: random inserts, removals and searches, with and without
   the zero flag. */
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
    struct prng prng;
};

static void insert(struct world *world, struct vm_mapping *mapping)
{
    *mapping = (struct vm_mapping){0};
    mapping->region.alive = true;
    mapping->vmo_offset = prng_below(&world->prng, 300) * PAGE_SIZE;
    mapping->region.size = (1 + prng_below(&world->prng, 40)) * PAGE_SIZE;
    mapping_tree_insert(&world->tree, mapping);
}

static bool shows(const struct vm_mapping *mapping, uint64_t offset, uint64_t end, bool zero)
{
    return mapping->region.alive && (!zero || mapping->link.zero) && mapping->vmo_offset < end &&
           mapping->vmo_offset + mapping->region.size > offset;
}

/* Every mapping that shows the part is found, once, in order; no other is. */
static void compare(struct world *world, uint64_t offset, uint64_t end, bool zero)
{
    size_t expected = 0, found = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < MAPPINGS; i++)
        expected += shows(&world->mappings[i], offset, end, zero);
    for (struct vm_mapping *mapping = mapping_tree_first(&world->tree, offset, end, zero); mapping != NULL;
         mapping = mapping_tree_next(mapping, offset, end, zero)) {
        assert_true(shows(mapping, offset, end, zero));
        assert_true(mapping->vmo_offset >= last);
        last = mapping->vmo_offset;
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
        } else if (prng_below(&world.prng, 3) == 0) {
            mapping_tree_set_zero(mapping);
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
        mappings[i].region.size = PAGE_SIZE;
        mapping_tree_insert(&tree, &mappings[i]);
    }
    struct vm_mapping *root = tree.root, *lowest = &mappings[0];
    PLANT(&tree, root->link.parent, lowest);
    PLANT(&tree, root->link.left, NULL); /* leans to the right */
    PLANT(&tree, root->link.right, NULL);
    PLANT(&tree, root->link.height, 9);
    PLANT(&tree, root->link.reach, 0);
    PLANT(&tree, root->link.zero_reach, 1);
    PLANT(&tree, lowest->link.height, 2);
    PLANT(&tree, root->vmo_offset, 0);
    assert_true(mapping_tree_check(&tree, &vm_log_sink));
}

static void empty_tree_finds_nothing(void **state)
{
    struct mapping_tree tree = {0};
    (void)state;
    assert_null(mapping_tree_first(&tree, 0, UINT64_MAX, false));
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
