/* SPDX-License-Identifier: MIT */
/*
 * page_list.c: a sparse array of pointers, as a radix tree.
 *
 * Concept. The index is cut into groups of six bits, the highest group first; each group selects one of the
 * 64 slots of a node, and the slot of the last level holds the item. A VMO of a terabyte with three pages is
 * a handful of nodes.
 *
 * Structure. `height` levels reach the indexes below 64^height. Levels are numbered from 0, the leaves,
 * upwards. A node keeps a bit for each slot in `present`: a child or an item is there; and, in leaves, a bit
 * in `reserved`: a later set at this slot must not fail, so the leaf has to stay although it may be empty.
 * The bits make a node's emptiness one comparison, and finding the next item or the next empty slot one count
 * of trailing zeros. A node above the leaves keeps how many items are below it, where a leaf has `reserved`; a leaf's
 * are the bits of `present`. So the items below an index are counted along one path.
 *
 * Invariants (page_list_check). Canonical form: no node has both masks empty; the root of a tree higher than
 * one level has a child in some slot other than the first. Memory is therefore a function of which indexes
 * are occupied or reserved, and giving up a reservation restores exactly the nodes that were there before it.
 * count is the number of items, and a node above the leaves counts those below it: where it has no child, none.
 *
 * Locking. The owner's. Nodes come from a slab cache of the machine, which locks for itself.
 *
 * Cost. get, set, remove, reserve: O(height), at most 9 levels, 3 for VMOs up to a gigabyte. next: O(height).
 * count_below: the siblings beside a path of that height, at most 63 a level.
 * next_empty: the full siblings beside such a path, which their counts tell.
 */
#include <vm/mem.h>

#include "internal.h"

#define SLOT_BITS  6
#define SLOTS      (1u << SLOT_BITS)
#define INDEX_BITS 52
#define HEIGHT_MAX ((INDEX_BITS + SLOT_BITS - 1) / SLOT_BITS)

struct page_list_node {
    uint64_t present;
    union {
        uint64_t reserved; /* leaves */
        uint64_t items;    /* all others: how many are below */
    };
    void *slots[SLOTS];
};

void page_list_start(void)
{
    slab_cache_init(&vm_machine->page_list_cache, "page list nodes", sizeof(struct page_list_node));
}

void page_list_init(struct page_list *list)
{
    *list = (struct page_list){.root = NULL};
}

static unsigned slot_at(uint64_t index, unsigned level)
{
    return (unsigned)(index >> (level * SLOT_BITS)) & (SLOTS - 1);
}

static uint64_t bit_of(unsigned slot)
{
    return (uint64_t)1 << slot;
}

/* Levels that a tree needs to reach index. */
static unsigned height_for(uint64_t index)
{
    unsigned height = 1;

    while (index >> (height * SLOT_BITS) != 0)
        height++;
    return height;
}

static bool reaches(const struct page_list *list, uint64_t index)
{
    return list->height > 0 && index >> (list->height * SLOT_BITS) == 0;
}

static struct page_list_node *leaf_of(const struct page_list *list, uint64_t index)
{
    VM_ASSERT(index >> INDEX_BITS == 0);
    if (!reaches(list, index))
        return NULL;
    struct page_list_node *node = list->root;
    for (unsigned level = list->height - 1; level > 0 && node != NULL; level--)
        node = node->slots[slot_at(index, level)];
    return node;
}

void *page_list_get(const struct page_list *list, uint64_t index)
{
    const struct page_list_node *leaf = leaf_of(list, index);

    return leaf == NULL ? NULL : leaf->slots[slot_at(index, 0)];
}

/* ---- Growing ---- */

static void node_put(struct page_list_node *node, unsigned slot, void *what)
{
    node->slots[slot] = what;
    node->present |= bit_of(slot);
}

/* How many nodes are missing on the way to index, whose leaf is. */
static unsigned nodes_missing(const struct page_list *list, uint64_t index)
{
    if (list->height == 0)
        return height_for(index);
    if (!reaches(list, index)) {
        /* New roots above the old one, and a path down from the topmost to the leaf. */
        unsigned height = height_for(index);
        return (height - list->height) + (height - 1);
    }
    const struct page_list_node *node = list->root;
    unsigned level = list->height - 1;
    while ((node = node->slots[slot_at(index, level)]) != NULL)
        level--;
    return level;
}

static zx_status_t nodes_take(struct page_list_node **nodes, unsigned count)
{
    struct slab_cache *cache = &vm_machine->page_list_cache;

    for (unsigned i = 0; i < count; i++) {
        nodes[i] = slab_alloc(cache);
        if (nodes[i] == NULL) {
            while (i-- > 0)
                slab_free(cache, nodes[i]);
            return ZX_ERR_NO_MEMORY;
        }
    }
    return ZX_OK;
}

/* Links the missing nodes in; returns the leaf. */
static struct page_list_node *path_make(struct page_list *list, uint64_t index, struct page_list_node **nodes)
{
    unsigned height = height_for(index);

    if (list->height == 0) {
        list->root = *nodes++;
        list->height = height;
    }
    for (; list->height < height; list->height++) {
        struct page_list_node *root = *nodes++;
        node_put(root, 0, list->root);
        root->items = list->count;
        list->root = root;
    }
    struct page_list_node *node = list->root;
    for (unsigned level = list->height - 1; level > 0; level--) {
        unsigned slot = slot_at(index, level);
        if (node->slots[slot] == NULL)
            node_put(node, slot, *nodes++);
        node = node->slots[slot];
    }
    return node;
}

/* Counts an item that comes to (1) or goes from (-1) index, whose leaf is. */
static void count_item(struct page_list *list, uint64_t index, uint64_t change)
{
    struct page_list_node *node = list->root;

    list->count += change;
    for (unsigned level = list->height - 1; level > 0; level--) {
        node->items += change;
        node = node->slots[slot_at(index, level)];
    }
}

zx_status_t page_list_reserve(struct page_list *list, uint64_t index)
{
    struct page_list_node *nodes[2 * HEIGHT_MAX];

    struct page_list_node *leaf = leaf_of(list, index);
    if (leaf != NULL) {
        leaf->reserved |= bit_of(slot_at(index, 0));
        return ZX_OK;
    }
    if (nodes_take(nodes, nodes_missing(list, index)) != ZX_OK)
        return ZX_ERR_NO_MEMORY;
    path_make(list, index, nodes)->reserved |= bit_of(slot_at(index, 0));
    return ZX_OK;
}

void *page_list_set(struct page_list *list, uint64_t index, void *item)
{
    struct page_list_node *leaf = leaf_of(list, index);
    unsigned slot = slot_at(index, 0);

    VM_ASSERT(item != NULL);
    VM_ASSERT(leaf != NULL && ((leaf->reserved | leaf->present) & bit_of(slot)) != 0);
    void *before = leaf->slots[slot];
    leaf->reserved &= ~bit_of(slot);
    node_put(leaf, slot, item);
    if (before == NULL)
        count_item(list, index, 1);
    return before;
}

/* ---- Shrinking ---- */

/* Of a leaf, or one above that counts none where it has no child. */
static bool node_is_empty(const struct page_list_node *node)
{
    return (node->present | node->reserved) == 0;
}

/* Frees the empty nodes on the way to index, whose leaf exists, and the roots that are no longer needed. */
static void path_prune(struct page_list *list, uint64_t index)
{
    struct slab_cache *cache = &vm_machine->page_list_cache;
    struct page_list_node *path[HEIGHT_MAX];
    unsigned level = list->height - 1;

    path[level] = list->root;
    for (; level > 0; level--)
        path[level - 1] = path[level]->slots[slot_at(index, level)];

    for (; level < list->height && node_is_empty(path[level]); level++) {
        slab_free(cache, path[level]);
        if (level + 1 < list->height) {
            unsigned slot = slot_at(index, level + 1);
            path[level + 1]->slots[slot] = NULL;
            path[level + 1]->present &= ~bit_of(slot);
        }
    }
    if (level == list->height) {
        list->root = NULL;
        list->height = 0;
    }
    while (list->height > 1 && list->root->present == 1) {
        struct page_list_node *root = list->root;
        list->root = root->slots[0];
        list->height--;
        slab_free(cache, root);
    }
}

void page_list_unreserve(struct page_list *list, uint64_t index)
{
    struct page_list_node *leaf = leaf_of(list, index);

    if (leaf == NULL)
        return;
    leaf->reserved &= ~bit_of(slot_at(index, 0));
    if (node_is_empty(leaf))
        path_prune(list, index);
}

void *page_list_remove(struct page_list *list, uint64_t index)
{
    struct page_list_node *leaf = leaf_of(list, index);
    unsigned slot = slot_at(index, 0);

    if (leaf == NULL || (leaf->present & bit_of(slot)) == 0)
        return NULL;
    void *item = leaf->slots[slot];
    leaf->slots[slot] = NULL;
    leaf->present &= ~bit_of(slot);
    count_item(list, index, (uint64_t)-1);
    if (node_is_empty(leaf))
        path_prune(list, index);
    return item;
}

zx_status_t page_list_reserve_range(struct page_list *list, uint64_t index, uint64_t count)
{
    for (uint64_t reserved = 0; reserved < count; reserved++) {
        if (page_list_reserve(list, index + reserved) == ZX_OK)
            continue;
        while (reserved-- > 0)
            page_list_unreserve(list, index + reserved);
        return ZX_ERR_NO_MEMORY;
    }
    return ZX_OK;
}

/* ---- Searching ---- */

/* The bits of `mask` at and above slot. */
static uint64_t bits_from(uint64_t mask, unsigned slot)
{
    return mask & (UINT64_MAX << slot);
}

void *page_list_next(const struct page_list *list, uint64_t index, uint64_t *found)
{
    const struct page_list_node *path[HEIGHT_MAX];

    if (index >> INDEX_BITS != 0 || !reaches(list, index))
        return NULL;
    unsigned level = list->height - 1;
    path[level] = list->root;
    for (;;) {
        uint64_t candidates = bits_from(path[level]->present, slot_at(index, level));
        if (candidates == 0) {
            /* On to the parent's next slot; where the carry went past its last one, the grandparent has moved
               on already. */
            if (++level == list->height)
                return NULL;
            index = ((index >> (level * SLOT_BITS)) + 1) << (level * SLOT_BITS);
            while (slot_at(index, level) == 0) {
                if (++level == list->height)
                    return NULL;
            }
            continue;
        }
        unsigned slot = (unsigned)__builtin_ctzll(candidates);
        if (slot != slot_at(index, level)) {
            uint64_t above = index >> (level * SLOT_BITS) & ~(uint64_t)(SLOTS - 1);
            index = (above | slot) << (level * SLOT_BITS);
        }
        if (level == 0) {
            *found = index;
            return path[0]->slots[slot];
        }
        path[level - 1] = path[level]->slots[slot];
        level--;
    }
}

static uint64_t items_of(const struct page_list_node *node, unsigned level)
{
    return level == 0 ? (unsigned)__builtin_popcountll(node->present) : node->items;
}

uint64_t page_list_count_below(const struct page_list *list, uint64_t index)
{
    const struct page_list_node *node = list->root;
    uint64_t count = 0;

    if (!reaches(list, index))
        return list->count;
    for (unsigned level = list->height - 1; node != NULL; level--) {
        unsigned slot = slot_at(index, level);
        uint64_t before = node->present & ~(UINT64_MAX << slot);
        if (level == 0)
            return count + (unsigned)__builtin_popcountll(before);
        for (; before != 0; before &= before - 1)
            count += items_of(node->slots[__builtin_ctzll(before)], level - 1);
        node = node->slots[slot];
    }
    return count;
}

void *const *page_list_run(const struct page_list *list, uint64_t index, size_t *count)
{
    const struct page_list_node *leaf = leaf_of(list, index);
    unsigned slot = slot_at(index, 0);

    *count = 0;
    if (leaf == NULL)
        return NULL;
    uint64_t missing = ~leaf->present >> slot;
    *count = missing != 0 ? (unsigned)__builtin_ctzll(missing) : SLOTS - slot;
    return &leaf->slots[slot];
}

static bool is_full(const struct page_list_node *node, unsigned level)
{
    return level == 0 ? ~node->present == 0 : node->items == (uint64_t)1 << ((level + 1) * SLOT_BITS);
}

/* Whether the slot of *at is empty, or one behind it in the same leaf: moves *at there. Else moves it past the full node that it is in,
   or the leaf. */
static bool find_empty(const struct page_list *list, uint64_t *at)
{
    const struct page_list_node *node = list->root;
    unsigned level = list->height;
    if (node == NULL || *at >> (level * SLOT_BITS) != 0)
        return true;
    while (level-- > 0 && !is_full(node, level)) {
        uint64_t empty = level == 0 ? bits_from(~node->present, slot_at(*at, 0)) : 0;
        if (empty != 0)
            *at = (*at & ~(uint64_t)(SLOTS - 1)) + (unsigned)__builtin_ctzll(empty);
        if (level == 0 && empty == 0)
            break;
        node = node->slots[slot_at(*at, level)];
        if (node == NULL)
            return true;
    }
    *at = (*at | (((uint64_t)1 << ((level + 1) * SLOT_BITS)) - 1)) + 1;
    return false;
}

uint64_t page_list_next_empty(const struct page_list *list, uint64_t from, uint64_t limit)
{
    while (from < limit && from >> INDEX_BITS == 0 && !find_empty(list, &from))
        ;
    return from < limit ? from : limit;
}

/* ---- Check ---- */

static bool check_node(const struct page_list_node *node, unsigned level, uint64_t *items,
                       struct vm_sink *report)
{
    uint64_t items_before = *items;
    bool sound = !node_is_empty(node);

    for (unsigned slot = 0; slot < SLOTS; slot++)
        sound = sound && ((node->present & bit_of(slot)) != 0) == (node->slots[slot] != NULL);
    if (!sound) {
        vm_print(report, "page list: a node of level %u is broken: present %016llx, reserved %016llx\n",
                 level, (unsigned long long)node->present, (unsigned long long)node->reserved);
        return false;
    }
    if (level == 0) {
        *items += (unsigned)__builtin_popcountll(node->present);
        return true;
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (node->slots[slot] != NULL && !check_node(node->slots[slot], level - 1, items, report))
            return false;
    }
    if (*items - items_before != node->items) {
        vm_print(report, "page list: a node of level %u has %llu items below, it counts %llu\n", level,
                 (unsigned long long)(*items - items_before), (unsigned long long)node->items);
        return false;
    }
    return true;
}

bool page_list_check(const struct page_list *list, struct vm_sink *report)
{
    uint64_t items = 0;

    if ((list->root == NULL) != (list->height == 0) || list->height > HEIGHT_MAX) {
        vm_print(report, "page list: height %u %s a root\n", list->height,
                 list->root == NULL ? "without" : "with");
        return false;
    }
    if (list->root != NULL && !check_node(list->root, list->height - 1, &items, report))
        return false;
    if (list->height > 1 && list->root->present == 1) {
        vm_print(report, "page list: height %u is more than its items need\n", list->height);
        return false;
    }
    if (items != list->count) {
        vm_print(report, "page list: %llu items, the count says %llu\n", (unsigned long long)items,
                 (unsigned long long)list->count);
        return false;
    }
    return true;
}
