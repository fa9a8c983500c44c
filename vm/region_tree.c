/* SPDX-License-Identifier: MIT */
/*
 * region_tree.c: disjoint ranges of addresses inside one span. Here: the shape of the tree, insertion,
 * removal, lookup. The search for a free place is in region_place.c, the layout of nodes in region_node.h.
 *
 * Concept
 *
 * The span [base, end) is seen as an alternation of ranges and gaps. A slot is a range together with the gap
 * that follows it, so that slots tile the span without a break:
 *
 *       base    end      base  end      base end
 *        |///////|........|/////|........|////|..........|
 *        <---- slot 0 ---> <-- slot 1 --> <---- slot 2 -->
 *
 * What precedes the first range would belong to no slot; therefore the lowest slot of a tree that is not
 * empty is a sentinel, the empty range [base, base) whose gap is the leading one. It counts in nodes but not
 * in tree->count, and no lookup returns it.
 *
 * Structure
 *
 * A B+-tree whose nodes are a handful of cache lines. Leaves hold up to 15 slots in three parallel arrays:
 * bases, ends, values. A gap is never stored: it is base[i + 1] - end[i], and base[count], one past the last
 * slot, is where the leaf's last gap ends (the base of the next leaf's first slot, or the span's end). Inner
 * nodes hold up to 16 children: keys, pointers, and for each child a summary of the gaps below it: free
 * bytes, size of the largest gap, number of gaps that are not empty, and the best alignment. Leaves are
 * linked upwards for iteration. There are no parent pointers: an operation that changes something notes its
 * path, an array on the stack.
 *
 * The best alignment of a gap [lo, hi) is the largest k such that it holds a multiple of 2^k. A multiple of
 * 2^k lies in it exactly when lo - 1 and hi - 1 differ once divided by 2^k, rounding down; so k is the
 * highest bit in which lo - 1 and hi - 1 differ. Of a set of gaps it is the highest bit of the union of those
 * differences. (For lo = 0 the subtraction wraps to all ones, and the answer is bit 63, which is right as
 * long as hi - 1 is below 2^63; spans that begin at 0 end below that.)
 *
 * Searching a node is four compare-and-adds over 16 sorted keys, unused ones being all ones. An address is
 * less than all ones because spans end at or below 2^64 - 4096, which also makes every exclusive end
 * representable.
 *
 * Invariants
 *
 *   I1  base[0] <= end[0] <= base[1] <= … <= base[count] in every leaf; only the sentinel is empty.
 *   I2  base[count] of a leaf is base[0] of the next, and tree->end in the last. The leaves' links visit all in
 *       order.
 *   I3  key[i], i > 0, is base[0] of the lowest leaf below child i: exact, not merely a separator, so that an
 *       address in a gap leads to the slot that owns the gap.
 *   I4  summary[i] is what a recount of the gaps below child i gives. A root has no summary.
 *   I5  a leaf that is not the root has at least 4 slots, an inner node at least 4 children, the root at least
 *       2. An empty tree has no node, and no tree but the empty one has no range.
 *
 * Insertion goes into one gap and therefore into the leaf that owns it: no other leaf changes, nor does any
 * key. Full nodes on the path are split first, which leaves the summaries above untouched because the set of
 * gaps is the same. A split at either edge of a node leaves most slots on the side that is not growing, so
 * that ascending and descending fills pack well.
 *
 * Removal of a slot gives its bytes to the gap of the slot before. When it is the first of its leaf, that is
 * the leaf before: its base[count] moves, and so does the one key between the two. An underfull node then
 * merges with a sibling, or evens out with it. Neither changes the set of gaps below the parent, so this too
 * needs no summaries but the siblings' own.
 *
 * Cutting in two gives each node on the path to the cut a new right neighbour, which takes the slots behind; the new
 * leaf begins with the sentinel of the right part. A range that reaches across is made two before. That leaves
 * the nodes along the cut with as little as one slot, in both parts. They are filled from their siblings from
 * the root downwards: a node that has one child more than it must have can lose one when its children merge.
 * Which part has how many ranges is counted along the leaves of both at once, until the shorter one ends; so a series
 * of cuts visits each leaf O(log n) times.
 *
 * Summaries are carried upwards as a difference: free bytes and number of gaps add up; largest gap and best
 * alignment are recounted over one node only where the part that changed was the record holder and shrank.
 *
 * Reservation
 *
 * Insertion takes nodes from a reserve. Merging stops at 12 slots, so removal never makes a node that three
 * insertions could overfill, and splitting always leaves the slot behind which is inserted in a node with as
 * much room. So up to three insertions directly behind one slot need one node for each level that lacks room
 * at the time of reserving, whatever is removed or resized above that slot in between, and a new root where
 * all levels lack it. Where that slot is the sentinel the removals may empty the tree: one leaf then. A cut needs a
 * node for each level, and one insertion where a range reaches across.
 *
 * Locking: the owner's. Cost: O(log n) for everything here but clear, check, bytes and a cut's count; a lookup
 * touches about three cache lines a level, and a million ranges are five or six levels. Recursion is bounded by
 * the height.
 */
#include "internal.h"
#include "region_node.h"

#define LEAF_MIN       4
#define INNER_MIN      4
#define LEAF_MERGE     12 /* slots that two siblings may have together to become one node */
#define INNER_MERGE    12
#define SAME_PLACE_MAX 3 /* REGION_LEAF_SLOTS - LEAF_MERGE: see Reservation */
#define LEAF_EDGE      3 /* slots on the growing side when a leaf is split at its edge; insertion adds one */
#define INNER_EDGE     4

/* One array of pairs, not two arrays: gcc 12 at -O2 took the stores of a loop into two for stores to level 0
   only. */
struct path {
    struct {
        struct region_node *node;
        unsigned index;      /* which slot or child */
    } at[REGION_HEIGHT_MAX]; /* by level; [0] is the leaf */
};

/* A node that waits in a reserve. */
struct region_spare {
    struct region_spare *next;
};

void region_tree_start(void)
{
    slab_cache_init(&vm_machine->region_leaf_cache, "region leaf", (sizeof(struct region_leaf) + 15) & ~15ul);
    slab_cache_init(&vm_machine->region_inner_cache, "region inner",
                    (sizeof(struct region_inner) + 15) & ~15ul);
}

void region_tree_init(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end)
{
    VM_ASSERT(base < end && end <= -(zx_vaddr_t)PAGE_SIZE && (base > 0 || end <= (zx_vaddr_t)1 << 63));
    *tree = (struct region_tree){.base = base, .end = end};
}

static uint64_t node_count(const struct region_node *node, uint32_t level)
{
    return level == 0 ? region_leaf_of(node)->count : region_inner_of(node)->count;
}

static void free_subtree(struct region_node *node, uint32_t level)
{
    if (level == 0) {
        slab_free(&vm_machine->region_leaf_cache, node);
        return;
    }
    for (unsigned i = 0; i < region_inner_of(node)->count; i++)
        free_subtree(region_inner_of(node)->child[i], level - 1);
    slab_free(&vm_machine->region_inner_cache, node);
}

void region_tree_clear(struct region_tree *tree)
{
    if (tree->root)
        free_subtree(tree->root, tree->height - 1);
    tree->root = NULL;
    tree->height = 0;
    tree->count = 0;
}

/* ---- Paths and summaries ---- */

static void descend(const struct region_tree *tree, zx_vaddr_t va, struct path *path)
{
    struct region_node *node = tree->root;
    for (uint32_t level = tree->height - 1; level > 0; level--) {
        const struct region_inner *inner = region_inner_of(node);
        unsigned i = region_slot_of(inner->key, va);
        path->at[level].node = node;
        path->at[level].index = i;
        node = inner->child[i];
    }
    path->at[0].node = node;
    path->at[0].index = region_slot_of(region_leaf_of(node)->base, va);
}

/* The highest bit in which they differ, or 0. */
static unsigned highest_bit(uint64_t difference)
{
    return difference ? 63 - (unsigned)__builtin_clzll(difference) : 0;
}

static unsigned gap_align(zx_vaddr_t lo, zx_vaddr_t hi)
{
    return highest_bit((lo - 1) ^ (hi - 1));
}

static struct region_summary leaf_summary(const struct region_leaf *leaf)
{
    struct region_summary sum = {0};
    uint64_t differences = 0, gaps = 0;
    for (unsigned i = 0; i < leaf->count; i++) {
        zx_vaddr_t lo = leaf->end[i], hi = leaf->base[i + 1];
        sum.free += hi - lo;
        sum.max_gap = hi - lo > sum.max_gap ? hi - lo : sum.max_gap;
        gaps += hi != lo;
        differences |= (lo - 1) ^ (hi - 1);
    }
    sum.gaps = gaps;
    sum.best_align = highest_bit(differences);
    return sum;
}

static struct region_summary inner_summary(const struct region_inner *inner)
{
    struct region_summary sum = {0};
    for (unsigned i = 0; i < inner->count; i++) {
        const struct region_summary *child = &inner->summary[i];
        sum.free += child->free;
        sum.gaps += child->gaps;
        sum.max_gap = child->max_gap > sum.max_gap ? child->max_gap : sum.max_gap;
        sum.best_align = child->best_align > sum.best_align ? child->best_align : sum.best_align;
    }
    return sum;
}

static struct region_summary node_summary(const struct region_node *node, uint32_t level)
{
    return level == 0 ? leaf_summary(region_leaf_of(node)) : inner_summary(region_inner_of(node));
}

/* The leaf's summary as its parent has it; there is a parent. */
static struct region_summary *summary_in_parent(const struct path *path)
{
    return &region_inner_of(path->at[1].node)->summary[path->at[1].index];
}

/* The gaps of the path's leaf are now as `now` says: tells everyone above. */
static void ascend(const struct region_tree *tree, const struct path *path, struct region_summary now)
{
    for (uint32_t level = 1; level < tree->height; level++) {
        struct region_inner *inner = region_inner_of(path->at[level].node);
        struct region_summary *slot = &inner->summary[path->at[level].index];
        struct region_summary was = *slot;
        *slot = now;
        if (level + 1 == tree->height)
            break;
        struct region_summary up =
            region_inner_of(path->at[level + 1].node)->summary[path->at[level + 1].index];
        if ((was.max_gap == up.max_gap && now.max_gap < was.max_gap) ||
            (was.best_align == up.best_align && now.best_align < was.best_align)) {
            now = inner_summary(inner);
            continue;
        }
        up.free += now.free - was.free;
        up.gaps += now.gaps - was.gaps;
        if (now.max_gap > up.max_gap)
            up.max_gap = now.max_gap;
        if (now.best_align > up.best_align)
            up.best_align = now.best_align;
        now = up;
    }
}

/* ---- Reserves ---- */

static bool spare_push(struct region_spare **list, uint64_t *have, uint64_t want, struct slab_cache *cache)
{
    while (*have < want) {
        struct region_spare *node = slab_alloc(cache);
        if (!node)
            return false;
        node->next = *list;
        *list = node;
        ++*have;
    }
    return true;
}

static zx_status_t reserve_nodes(struct region_reserve *reserve, uint64_t leaves, uint64_t inner)
{
    if (spare_push(&reserve->leaf_list, &reserve->leaves, reserve->leaves + leaves,
                   &vm_machine->region_leaf_cache) &&
        spare_push(&reserve->inner_list, &reserve->inner, reserve->inner + inner,
                   &vm_machine->region_inner_cache))
        return ZX_OK;
    region_reserve_release(reserve);
    return ZX_ERR_NO_MEMORY;
}

/* What `insertions` may need wherever they go: a split at every level and a new root for each. */
static zx_status_t reserve_anywhere(struct region_reserve *reserve, const struct region_tree *tree,
                                    uint64_t insertions)
{
    return reserve_nodes(reserve, insertions, insertions * (tree->height + 1));
}

zx_status_t region_reserve(struct region_reserve *reserve, const struct region_tree *tree, zx_vaddr_t at,
                           unsigned insertions)
{
    VM_ASSERT_TREE(insertions > 0 && at >= tree->base && at < tree->end, tree);
    if (insertions > SAME_PLACE_MAX)
        return reserve_anywhere(reserve, tree, insertions);
    if (!tree->root)
        return reserve_nodes(reserve, 1, 0);

    /* The slot behind which they go, and how many levels above it lack room. */
    struct path path;
    descend(tree, at > tree->base ? at - 1 : at, &path);
    const struct region_leaf *leaf = region_leaf_of(path.at[0].node);
    unsigned slot = path.at[0].index;
    bool behind_sentinel = leaf->base[slot] == leaf->end[slot] || at == tree->base;
    if (leaf->count + insertions <= REGION_LEAF_SLOTS)
        return reserve_nodes(reserve, behind_sentinel, 0);
    uint32_t level = 1;
    while (level < tree->height && region_inner_of(path.at[level].node)->count == REGION_INNER_SLOTS)
        level++;
    return reserve_nodes(reserve, 1, level < tree->height ? level - 1 : level);
}

/* The nodes of one level when `slots` came in ascending order. */
static uint64_t ascending_nodes(uint64_t slots, unsigned capacity, unsigned edge)
{
    return slots <= capacity ? 1 : 1 + (slots - edge - 1) / (capacity - edge);
}

zx_status_t region_reserve_ascending(struct region_reserve *reserve, uint64_t insertions)
{
    uint64_t leaves = ascending_nodes(insertions + 1, REGION_LEAF_SLOTS, LEAF_EDGE);
    uint64_t inner = 0;
    for (uint64_t level = leaves; level > 1; inner += level)
        level = ascending_nodes(level, REGION_INNER_SLOTS, INNER_EDGE);
    return reserve_nodes(reserve, leaves, inner);
}

void region_reserve_release(struct region_reserve *reserve)
{
    for (struct region_spare *node = reserve->leaf_list, *next; node; node = next) {
        next = node->next;
        slab_free(&vm_machine->region_leaf_cache, node);
    }
    for (struct region_spare *node = reserve->inner_list, *next; node; node = next) {
        next = node->next;
        slab_free(&vm_machine->region_inner_cache, node);
    }
    *reserve = (struct region_reserve){0};
}

static struct region_leaf *take_leaf(const struct region_tree *tree, struct region_reserve *reserve)
{
    VM_ASSERT_TREE(reserve->leaves > 0, tree);
    struct region_spare *node = reserve->leaf_list;
    reserve->leaf_list = node->next;
    reserve->leaves--;
    struct region_leaf *leaf = (void *)node;
    for (unsigned i = 0; i <= REGION_LEAF_SLOTS; i++)
        leaf->base[i] = UINT64_MAX;
    return leaf;
}

static struct region_inner *take_inner(const struct region_tree *tree, struct region_reserve *reserve)
{
    VM_ASSERT_TREE(reserve->inner > 0, tree);
    struct region_spare *node = reserve->inner_list;
    reserve->inner_list = node->next;
    reserve->inner--;
    struct region_inner *inner = (void *)node;
    for (unsigned i = 0; i < REGION_INNER_SLOTS; i++)
        inner->key[i] = UINT64_MAX;
    return inner;
}

/* ---- Moving slots between two siblings; right->base[0] or key[0] is where left ends ---- */

static void leaf_move_left(struct region_leaf *left, struct region_leaf *right, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        left->base[left->count + i] = right->base[i];
        left->end[left->count + i] = right->end[i];
        left->value[left->count + i] = right->value[i];
    }
    left->count += n;
    left->base[left->count] = right->base[n];
    right->count -= n;
    for (unsigned i = 0; i < right->count; i++) {
        right->base[i] = right->base[i + n];
        right->end[i] = right->end[i + n];
        right->value[i] = right->value[i + n];
    }
    right->base[right->count] = right->base[right->count + n];
    for (unsigned i = (unsigned)right->count + 1; i < REGION_LEAF_SLOTS + 1; i++)
        right->base[i] = UINT64_MAX;
}

static void leaf_move_right(struct region_leaf *left, struct region_leaf *right, unsigned n)
{
    right->base[right->count + n] = right->base[right->count];
    for (unsigned i = (unsigned)right->count; i-- > 0;) {
        right->base[i + n] = right->base[i];
        right->end[i + n] = right->end[i];
        right->value[i + n] = right->value[i];
    }
    right->count += n;
    left->count -= n;
    for (unsigned i = 0; i < n; i++) {
        right->base[i] = left->base[left->count + i];
        right->end[i] = left->end[left->count + i];
        right->value[i] = left->value[left->count + i];
    }
    for (unsigned i = (unsigned)left->count + 1; i < REGION_LEAF_SLOTS + 1; i++)
        left->base[i] = UINT64_MAX;
}

static void inner_copy(struct region_inner *to, unsigned at, const struct region_inner *from, unsigned i)
{
    to->key[at] = from->key[i];
    to->child[at] = from->child[i];
    to->summary[at] = from->summary[i];
}

static void inner_move_left(struct region_inner *left, struct region_inner *right, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        inner_copy(left, (unsigned)left->count + i, right, i);
    left->count += n;
    right->count -= n;
    for (unsigned i = 0; i < right->count; i++)
        inner_copy(right, i, right, i + n);
    for (unsigned i = (unsigned)right->count; i < REGION_INNER_SLOTS; i++)
        right->key[i] = UINT64_MAX;
}

static void inner_move_right(struct region_inner *left, struct region_inner *right, unsigned n)
{
    for (unsigned i = (unsigned)right->count; i-- > 0;)
        inner_copy(right, i + n, right, i);
    right->count += n;
    left->count -= n;
    for (unsigned i = 0; i < n; i++)
        inner_copy(right, i, left, (unsigned)left->count + i);
    for (unsigned i = (unsigned)left->count; i < REGION_INNER_SLOTS; i++)
        left->key[i] = UINT64_MAX;
}

static void inner_insert(struct region_inner *inner, unsigned at, zx_vaddr_t key, struct region_node *child)
{
    for (unsigned i = (unsigned)inner->count; i > at; i--)
        inner_copy(inner, i, inner, i - 1);
    inner->key[at] = key;
    inner->child[at] = child;
    inner->count++;
}

static void inner_remove(struct region_inner *inner, unsigned at)
{
    inner->count--;
    for (unsigned i = at; i < inner->count; i++)
        inner_copy(inner, i, inner, i + 1);
    inner->key[inner->count] = UINT64_MAX;
}

/* ---- Splitting ---- */

static void grow_root(struct region_tree *tree, struct region_reserve *reserve, struct path *path)
{
    VM_ASSERT_TREE(tree->height < REGION_HEIGHT_MAX, tree);
    struct region_inner *root = take_inner(tree, reserve);
    root->key[0] = 0;
    root->child[0] = tree->root;
    root->count = 1;
    tree->root = (struct region_node *)root;
    path->at[tree->height].node = tree->root;
    path->at[tree->height].index = 0;
    tree->height++;
}

/* How many of a full node's slots stay on the left when more are to come at `at`. */
static unsigned split_point(unsigned at, unsigned capacity, unsigned edge)
{
    if (at == 0)
        return edge;
    return at == capacity - 1 ? capacity - edge : capacity - capacity / 2;
}

/* Splits the full node of the path at this level, and full ones above it before; the path then leads to the
   same slot as before. */
static void split(struct region_tree *tree, struct region_reserve *reserve, struct path *path, uint32_t level)
{
    if (level + 1 == tree->height)
        grow_root(tree, reserve, path);
    else if (region_inner_of(path->at[level + 1].node)->count == REGION_INNER_SLOTS)
        split(tree, reserve, path, level + 1);

    struct region_inner *parent = region_inner_of(path->at[level + 1].node);
    unsigned at = path->at[level + 1].index, index = path->at[level].index, keep;
    struct region_node *right_node;
    zx_vaddr_t border;
    if (level == 0) {
        struct region_leaf *left = region_leaf_of(path->at[0].node), *right = take_leaf(tree, reserve);
        keep = split_point(index, REGION_LEAF_SLOTS, LEAF_EDGE);
        right->base[0] = left->base[left->count];
        leaf_move_right(left, right, REGION_LEAF_SLOTS - keep);
        right->next = left->next;
        left->next = right;
        border = right->base[0];
        right_node = (struct region_node *)right;
    } else {
        struct region_inner *left = region_inner_of(path->at[level].node), *right = take_inner(tree, reserve);
        keep = split_point(index, REGION_INNER_SLOTS, INNER_EDGE);
        inner_move_right(left, right, REGION_INNER_SLOTS - keep);
        border = right->key[0];
        right->key[0] = 0;
        right_node = (struct region_node *)right;
    }
    inner_insert(parent, at + 1, border, right_node);
    parent->summary[at] = node_summary(parent->child[at], level);
    parent->summary[at + 1] = node_summary(right_node, level);
    if (index >= keep) {
        path->at[level].node = right_node;
        path->at[level].index = index - keep;
        path->at[level + 1].index = at + 1;
    }
}

/* ---- Joining ---- */

/* Children i and i + 1 become one, or share evenly. True: one. */
static bool level_out(struct region_inner *parent, unsigned i, uint32_t level)
{
    struct region_node *left = parent->child[i], *right = parent->child[i + 1];
    unsigned have = (unsigned)node_count(left, level), other = (unsigned)node_count(right, level);
    bool merge = have + other <= (level == 0 ? LEAF_MERGE : INNER_MERGE);
    unsigned want = merge ? have + other : (have + other) / 2;
    if (level == 0) {
        if (have < want)
            leaf_move_left(region_leaf_of(left), region_leaf_of(right), want - have);
        else
            leaf_move_right(region_leaf_of(left), region_leaf_of(right), have - want);
        parent->key[i + 1] = region_leaf_of(right)->base[0];
    } else {
        region_inner_of(right)->key[0] = parent->key[i + 1];
        if (have < want)
            inner_move_left(region_inner_of(left), region_inner_of(right), want - have);
        else
            inner_move_right(region_inner_of(left), region_inner_of(right), have - want);
        parent->key[i + 1] = region_inner_of(right)->key[0];
        region_inner_of(right)->key[0] = 0;
    }
    parent->summary[i] = node_summary(left, level);
    if (!merge) {
        parent->summary[i + 1] = node_summary(right, level);
        return false;
    }
    if (level == 0)
        region_leaf_of(left)->next = region_leaf_of(right)->next;
    inner_remove(parent, i + 1);
    slab_free(level == 0 ? &vm_machine->region_leaf_cache : &vm_machine->region_inner_cache, right);
    return true;
}

/* A root with one child gives way to it. */
static void shrink_root(struct region_tree *tree)
{
    while (tree->height > 1 && region_inner_of(tree->root)->count == 1) {
        struct region_node *old = tree->root;
        tree->root = region_inner_of(old)->child[0];
        tree->height--;
        slab_free(&vm_machine->region_inner_cache, old);
    }
}

/* Restores the least fill of the path's nodes, from the leaf upwards. */
static void refill(struct region_tree *tree, const struct path *path)
{
    for (uint32_t level = 0; level + 1 < tree->height; level++) {
        if (node_count(path->at[level].node, level) >= (level == 0 ? LEAF_MIN : INNER_MIN))
            break;
        struct region_inner *parent = region_inner_of(path->at[level + 1].node);
        unsigned i = path->at[level + 1].index;
        if (!level_out(parent, i + 1 < parent->count ? i : i - 1, level))
            break;
    }
    shrink_root(tree);
}

/* ---- Insertion ---- */

static void leaf_insert(struct region_leaf *leaf, unsigned at, zx_vaddr_t base, zx_vaddr_t end, void *value)
{
    leaf->base[leaf->count + 1] = leaf->base[leaf->count];
    for (unsigned i = (unsigned)leaf->count; i > at; i--) {
        leaf->base[i] = leaf->base[i - 1];
        leaf->end[i] = leaf->end[i - 1];
        leaf->value[i] = leaf->value[i - 1];
    }
    leaf->base[at] = base;
    leaf->end[at] = end;
    leaf->value[at] = value;
    leaf->count++;
}

static void plant(struct region_tree *tree, struct region_reserve *reserve)
{
    struct region_leaf *leaf = take_leaf(tree, reserve);
    leaf->base[0] = leaf->end[0] = tree->base;
    leaf->base[1] = tree->end;
    leaf->value[0] = NULL;
    leaf->next = NULL;
    leaf->count = 1;
    tree->root = (struct region_node *)leaf;
    tree->height = 1;
}

void region_tree_insert(struct region_tree *tree, struct region_reserve *reserve, zx_vaddr_t base,
                        zx_vaddr_t end, void *value)
{
    VM_ASSERT_TREE(tree->base <= base && base < end && end <= tree->end, tree);
    if (!tree->root)
        plant(tree, reserve);
    struct path path;
    descend(tree, base, &path);
    if (region_leaf_of(path.at[0].node)->count == REGION_LEAF_SLOTS)
        split(tree, reserve, &path, 0);
    struct region_leaf *leaf = region_leaf_of(path.at[0].node);
    unsigned i = path.at[0].index;
    zx_vaddr_t lo = leaf->end[i], hi = leaf->base[i + 1];
    VM_ASSERT_TREE(lo <= base && end <= hi, tree);
    leaf_insert(leaf, i + 1, base, end, value);
    tree->count++;
    if (tree->height == 1)
        return;
    struct region_summary sum = *summary_in_parent(&path);
    if (sum.max_gap == hi - lo || sum.best_align == gap_align(lo, hi)) {
        sum = leaf_summary(leaf);
    } else {
        sum.free -= end - base;
        sum.gaps = sum.gaps + (lo != base) + (end != hi) - 1;
    }
    ascend(tree, &path, sum);
}

/* ---- Removal and change ---- */

/* The path to the range that begins at base, and its leaf. */
static struct region_leaf *descend_to(const struct region_tree *tree, zx_vaddr_t base, struct path *path)
{
    VM_ASSERT_TREE(tree->root && base >= tree->base && base < tree->end, tree);
    descend(tree, base, path);
    struct region_leaf *leaf = region_leaf_of(path->at[0].node);
    VM_ASSERT_TREE(leaf->base[path->at[0].index] == base && leaf->end[path->at[0].index] > base, tree);
    return leaf;
}

/* The first slot of the path's leaf has another base now: so the leaf before ends there. */
static void move_border(const struct region_tree *tree, const struct path *path, zx_vaddr_t border)
{
    struct path before = *path;
    uint32_t level = 1;
    while (level + 1 < REGION_HEIGHT_MAX && path->at[level].index == 0)
        level++;
    region_inner_of(path->at[level].node)->key[path->at[level].index] = border;
    before.at[level].index--;
    for (; level > 0; level--) {
        before.at[level - 1].node = region_inner_of(before.at[level].node)->child[before.at[level].index];
        before.at[level - 1].index = (unsigned)node_count(before.at[level - 1].node, level - 1) - 1;
    }
    struct region_leaf *leaf = region_leaf_of(before.at[0].node);
    leaf->base[leaf->count] = border;
    ascend(tree, &before, leaf_summary(leaf));
}

static void leaf_remove(struct region_leaf *leaf, unsigned at)
{
    leaf->count--;
    for (unsigned i = at; i < leaf->count; i++) {
        leaf->base[i] = leaf->base[i + 1];
        leaf->end[i] = leaf->end[i + 1];
        leaf->value[i] = leaf->value[i + 1];
    }
    leaf->base[leaf->count] = leaf->base[leaf->count + 1];
    leaf->base[leaf->count + 1] = UINT64_MAX;
}

void *region_tree_remove(struct region_tree *tree, zx_vaddr_t base)
{
    struct path path;
    struct region_leaf *leaf = descend_to(tree, base, &path);
    unsigned i = path.at[0].index;
    void *value = leaf->value[i];
    if (tree->count == 1) {
        region_tree_clear(tree);
        return value;
    }
    tree->count--;
    zx_vaddr_t end = leaf->end[i];
    leaf_remove(leaf, i);
    if (tree->height == 1)
        return value;
    if (i == 0) {
        move_border(tree, &path, leaf->base[0]);
        ascend(tree, &path, leaf_summary(leaf));
    } else {
        struct region_summary sum = *summary_in_parent(&path);
        zx_vaddr_t lo = leaf->end[i - 1], hi = leaf->base[i];
        unsigned align = gap_align(lo, hi);
        sum.free += end - base;
        sum.gaps = sum.gaps + 1 - (lo != base) - (end != hi);
        sum.max_gap = hi - lo > sum.max_gap ? hi - lo : sum.max_gap;
        sum.best_align = align > sum.best_align ? align : sum.best_align;
        ascend(tree, &path, sum);
    }
    if (leaf->count < LEAF_MIN)
        refill(tree, &path);
    return value;
}

void region_tree_resize(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t new_base, zx_vaddr_t new_end)
{
    struct path path;
    struct region_leaf *leaf = descend_to(tree, base, &path);
    unsigned i = path.at[0].index;
    VM_ASSERT_TREE(new_base < new_end && new_end <= leaf->base[i + 1], tree);
    if (i > 0) {
        VM_ASSERT_TREE(leaf->end[i - 1] <= new_base, tree);
    } else if (new_base != base) {
        struct region_entry before;
        zx_vaddr_t lo = region_tree_find_before(tree, base, &before) ? before.end : tree->base;
        VM_ASSERT_TREE(lo <= new_base, tree);
        move_border(tree, &path, new_base);
    }
    leaf->base[i] = new_base;
    leaf->end[i] = new_end;
    if (tree->height > 1)
        ascend(tree, &path, leaf_summary(leaf));
}

void region_tree_set_value(struct region_tree *tree, zx_vaddr_t base, void *value)
{
    struct path path;
    descend_to(tree, base, &path)->value[path.at[0].index] = value;
}

void region_tree_set_span(struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end)
{
    struct region_tree moved;
    region_tree_init(&moved, base, end);
    if (tree->root) {
        struct path path;
        descend(tree, tree->end - 1, &path);
        struct region_leaf *leaf = region_leaf_of(path.at[0].node);
        VM_ASSERT_TREE(leaf->end[leaf->count - 1] <= end, tree);
        leaf->base[leaf->count] = end;
        ascend(tree, &path, leaf_summary(leaf));

        descend(tree, 0, &path);
        leaf = region_leaf_of(path.at[0].node);
        VM_ASSERT_TREE(base <= leaf->base[1], tree);
        leaf->base[0] = leaf->end[0] = base;
        ascend(tree, &path, leaf_summary(leaf));
    }
    tree->base = base;
    tree->end = end;
}

/* ---- Cutting in two ---- */

/* The range that reaches across `at`. */
static bool find_across(const struct region_tree *tree, zx_vaddr_t at, struct region_entry *out)
{
    return region_tree_find(tree, at, out) && out->base < at;
}

zx_status_t region_reserve_cut(struct region_reserve *reserve, const struct region_tree *tree, zx_vaddr_t at)
{
    struct region_entry across;
    VM_ASSERT_TREE(tree->base < at && at < tree->end, tree);
    if (!tree->root)
        return ZX_OK;
    uint64_t had = reserve->inner, inner = tree->height - 1;
    if (find_across(tree, at, &across)) {
        if (region_reserve(reserve, tree, at, 1) != ZX_OK)
            return ZX_ERR_NO_MEMORY;
        if (reserve->inner - had == tree->height)
            inner++; /* for there will be another root */
    }
    return reserve_nodes(reserve, 1, inner);
}

/* Moves the leaf's slots from `keep` on behind the sentinel of a new leaf. */
static struct region_leaf *cut_leaf(const struct region_tree *tree, struct region_reserve *reserve,
                                    struct region_leaf *left, unsigned keep, zx_vaddr_t at)
{
    struct region_leaf *right = take_leaf(tree, reserve);
    right->base[0] = left->base[left->count];
    leaf_move_right(left, right, (unsigned)left->count - keep);
    leaf_insert(right, 0, at, at, NULL);
    right->next = left->next;
    left->next = NULL;
    left->base[keep] = at;
    return right;
}

/* Child i of the node at this level was cut, `lower` is its right part: moves that and what follows to a new node. */
static struct region_inner *cut_inner(const struct region_tree *tree, struct region_reserve *reserve,
                                      struct region_inner *left, unsigned i, uint32_t level,
                                      struct region_node *lower)
{
    struct region_inner *right = take_inner(tree, reserve);
    inner_move_right(left, right, (unsigned)left->count - i - 1);
    inner_insert(right, 0, 0, lower);
    right->summary[0] = node_summary(lower, level - 1);
    left->summary[i] = node_summary(left->child[i], level - 1);
    return right;
}

/* Restores the least fill along the way to va, which is an edge of the tree: the nodes there may lack slots, but have
   one, and all others are sound. From the root downwards, so that each has a sibling and one child more than it must. */
static void refill_edge(struct region_tree *tree, zx_vaddr_t va)
{
    shrink_root(tree);
    struct region_node *node = tree->root;
    for (uint32_t level = tree->height - 1; level > 0; level--) {
        struct region_inner *inner = region_inner_of(node);
        unsigned i = region_slot_of(inner->key, va);
        if (node_count(inner->child[i], level - 1) <= (level == 1 ? LEAF_MIN : INNER_MIN))
            level_out(inner, i + 1 < inner->count ? i : i - 1, level - 1);
        node = inner->child[region_slot_of(inner->key, va)];
    }
    shrink_root(tree);
}

/* Says how many of `both` each has, by the leaves of the one that has fewer. */
static void share_count(struct region_tree *tree, struct region_tree *tail, uint64_t both)
{
    const struct region_leaf *left = region_leaf_at(tree, tree->base);
    const struct region_leaf *right = region_leaf_at(tail, tail->base);
    uint64_t left_slots = 0, right_slots = 0;
    for (; left && right; left = left->next, right = right->next) {
        left_slots += left->count;
        right_slots += right->count;
    }
    tail->count = right ? both - (left_slots - 1) : right_slots - 1;
    tree->count = both - tail->count;
}

void region_tree_cut(struct region_tree *tree, struct region_tree *tail, struct region_reserve *reserve,
                     zx_vaddr_t at)
{
    struct region_entry across;
    struct path path;
    VM_ASSERT_TREE(tree->base < at && at < tree->end, tree);
    region_tree_init(tail, at, tree->end);
    if (find_across(tree, at, &across)) {
        region_tree_resize(tree, across.base, across.base, at);
        region_tree_insert(tree, reserve, at, across.end, across.value);
    }
    tree->end = at;
    if (!tree->root)
        return;
    descend(tree, at - 1, &path);
    tail->root = (struct region_node *)cut_leaf(tree, reserve, region_leaf_of(path.at[0].node),
                                                path.at[0].index + 1, at);
    for (uint32_t level = 1; level < tree->height; level++)
        tail->root = (struct region_node *)cut_inner(tree, reserve, region_inner_of(path.at[level].node),
                                                     path.at[level].index, level, tail->root);
    tail->height = tree->height;
    refill_edge(tree, at - 1);
    refill_edge(tail, at - 1);
    share_count(tree, tail, tree->count);
    if (tree->count == 0)
        region_tree_clear(tree);
    if (tail->count == 0)
        region_tree_clear(tail);
}

/* ---- Lookup ---- */

bool region_tree_find(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out)
{
    if (!tree->root || va < tree->base || va >= tree->end)
        return false;
    const struct region_leaf *leaf = region_leaf_at(tree, va);
    unsigned i = region_slot_of(leaf->base, va);
    if (leaf->end[i] <= va)
        return false;
    *out = (struct region_entry){leaf->base[i], leaf->end[i], leaf->value[i]};
    return true;
}

bool region_tree_find_from(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out)
{
    if (!tree->root || va >= tree->end)
        return false;
    va = va < tree->base ? tree->base : va;
    const struct region_leaf *leaf = region_leaf_at(tree, va);
    unsigned i = region_slot_of(leaf->base, va);
    if (leaf->end[i] <= va && ++i == leaf->count) {
        leaf = leaf->next;
        i = 0;
        if (!leaf)
            return false;
    }
    *out = (struct region_entry){leaf->base[i], leaf->end[i], leaf->value[i]};
    return true;
}

bool region_tree_find_before(const struct region_tree *tree, zx_vaddr_t va, struct region_entry *out)
{
    if (!tree->root || va <= tree->base)
        return false;
    va = va > tree->end ? tree->end - 1 : va - 1;
    const struct region_leaf *leaf = region_leaf_at(tree, va);
    unsigned i = region_slot_of(leaf->base, va);
    if (leaf->base[i] == leaf->end[i])
        return false;
    *out = (struct region_entry){leaf->base[i], leaf->end[i], leaf->value[i]};
    return true;
}

bool region_tree_is_free(const struct region_tree *tree, zx_vaddr_t base, zx_vaddr_t end)
{
    if (base < tree->base || base >= end || end > tree->end)
        return false;
    if (!tree->root)
        return true;
    const struct region_leaf *leaf = region_leaf_at(tree, base);
    unsigned i = region_slot_of(leaf->base, base);
    return leaf->end[i] <= base && end <= leaf->base[i + 1];
}

/* ---- Proof ---- */

struct audit {
    const struct region_tree *tree;
    struct vm_sink *report;
    const struct region_leaf *next; /* the leaf that must come next */
    zx_vaddr_t at;                  /* where it must begin */
    uint64_t slots;
    bool ok;
};

static void complain(struct audit *audit, const char *what, const void *node, uint64_t number)
{
    if (audit->ok)
        vm_print(audit->report, "region tree %p [0x%llx, 0x%llx), %llu ranges:\n", (const void *)audit->tree,
                 (unsigned long long)audit->tree->base, (unsigned long long)audit->tree->end,
                 (unsigned long long)audit->tree->count);
    vm_print(audit->report, "  node %p: %s (0x%llx)\n", node, what, (unsigned long long)number);
    audit->ok = false;
}

/* False: too broken to be summed up. */
static bool audit_leaf(struct audit *audit, const struct region_leaf *leaf)
{
    bool first = audit->slots == 0;
    if (leaf != audit->next && !first)
        complain(audit, "the leaves are not linked in order", leaf, audit->at);
    if (leaf->count > REGION_LEAF_SLOTS || leaf->count < (audit->tree->height > 1 ? LEAF_MIN : 2)) {
        complain(audit, "number of slots", leaf, leaf->count);
        return false;
    }
    if (leaf->base[0] != audit->at)
        complain(audit, "does not begin where the one before ends", leaf, leaf->base[0]);
    if (first && leaf->end[0] != leaf->base[0])
        complain(audit, "no sentinel", leaf, leaf->end[0]);
    for (unsigned i = 0; i < leaf->count; i++) {
        if (leaf->end[i] <= leaf->base[i] && !(first && i == 0))
            complain(audit, "empty range", leaf, leaf->base[i]);
        if (leaf->end[i] > leaf->base[i + 1])
            complain(audit, "ranges overlap", leaf, leaf->end[i]);
        if (!is_page_aligned(leaf->base[i]) || !is_page_aligned(leaf->end[i]))
            complain(audit, "not page-aligned", leaf, leaf->base[i]);
    }
    for (uint64_t i = leaf->count + 1; i <= REGION_LEAF_SLOTS; i++)
        if (leaf->base[i] != UINT64_MAX)
            complain(audit, "unused base is not all ones", leaf, leaf->base[i]);
    audit->at = leaf->base[leaf->count];
    audit->slots += leaf->count;
    audit->next = leaf->next;
    return true;
}

static bool summaries_equal(const struct region_summary *a, const struct region_summary *b)
{
    return a->free == b->free && a->max_gap == b->max_gap && a->gaps == b->gaps &&
           a->best_align == b->best_align;
}

static bool audit_node(struct audit *audit, const struct region_node *node, uint32_t level)
{
    if (level == 0)
        return audit_leaf(audit, region_leaf_of(node));
    const struct region_inner *inner = region_inner_of(node);
    unsigned least = level + 1 < audit->tree->height ? INNER_MIN : 2;
    if (inner->count > REGION_INNER_SLOTS || inner->count < least) {
        complain(audit, "number of children", inner, inner->count);
        return false;
    }
    if (inner->key[0] != 0)
        complain(audit, "first key is not 0", inner, inner->key[0]);
    for (unsigned i = 0; i < inner->count; i++) {
        if (i > 0 && inner->key[i] != audit->at)
            complain(audit, "key is not where its child begins", inner, inner->key[i]);
        if (!audit_node(audit, inner->child[i], level - 1))
            continue;
        struct region_summary sum = node_summary(inner->child[i], level - 1);
        if (!summaries_equal(&sum, &inner->summary[i]))
            complain(audit, "summary differs from a recount, child", inner, i);
    }
    for (uint64_t i = inner->count; i < REGION_INNER_SLOTS; i++)
        if (inner->key[i] != UINT64_MAX)
            complain(audit, "unused key is not all ones", inner, inner->key[i]);
    return true;
}

bool region_tree_check(const struct region_tree *tree, struct vm_sink *report)
{
    struct audit audit = {.tree = tree, .report = report, .at = tree->base, .ok = true};
    if (!tree->root) {
        if (tree->height != 0 || tree->count != 0)
            complain(&audit, "an empty tree with a height or a count", NULL, tree->count);
        return audit.ok;
    }
    if (tree->height == 0 || tree->height > REGION_HEIGHT_MAX) {
        complain(&audit, "height", tree->root, tree->height);
        return false;
    }
    audit_node(&audit, tree->root, tree->height - 1);
    if (audit.next != NULL)
        complain(&audit, "a leaf follows the last", audit.next, 0);
    if (audit.at != tree->end)
        complain(&audit, "the last gap does not end where the span does", tree->root, audit.at);
    if (audit.slots != tree->count + 1)
        complain(&audit, "count of ranges", tree->root, audit.slots - 1);
    return audit.ok;
}

static size_t subtree_bytes(const struct region_node *node, uint32_t level)
{
    if (level == 0)
        return vm_machine->region_leaf_cache.object_size;
    size_t bytes = vm_machine->region_inner_cache.object_size;
    for (unsigned i = 0; i < region_inner_of(node)->count; i++)
        bytes += subtree_bytes(region_inner_of(node)->child[i], level - 1);
    return bytes;
}

size_t region_tree_bytes(const struct region_tree *tree)
{
    return tree->root ? subtree_bytes(tree->root, tree->height - 1) : 0;
}
