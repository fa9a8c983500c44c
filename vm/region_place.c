/* SPDX-License-Identifier: MIT */
/*
 * region_place.c: the search for a free place in a region tree (region_tree.c): the lowest one, or one at
 * random.
 *
 * Concept
 *
 * A request asks for `size` bytes at a multiple of the alignment A = 2^a that end at or below a limit. An
 * address p is a place when p is a multiple of A, [p, p + size) lies in one gap, and p + size <= limit. A gap
 * [lo, hi) holds its places at every A bytes from lo rounded up to hi - size, so that their number is a shift
 * and a subtraction.
 *
 * The lowest place is the first that a walk from left to right meets. Subtrees are passed over whose largest
 * gap is below `size` or whose best alignment is below a. For page alignment every gap that is large enough
 * has a place, so one descent finds it; for larger ones a subtree may promise in vain (one gap is large,
 * another aligned) and the walk goes on behind it.
 *
 * Choosing at random
 *
 * The window is the lowest W = 2^entropy * A bytes of free space. Let C be the address behind its last byte:
 * a descent by the free bytes of the summaries. The candidates are the places below L = min(C, limit - size +
 * 1); each shall be equally likely. How many there are below a subtree is not in the summaries (it depends on
 * size and A), but an upper bound is:
 *
 *     U = min(E, F, G), or 0 where the largest gap m is below size or the best alignment below a
 *     E = number of multiples of A among the addresses of the subtree, from its first base to that of the next
 *     F = floor(free / A), plus the number of gaps where size < A
 *     G = gaps * (floor((m - size) / A) + 1)
 *
 * E bounds the number of places because they are multiples of A; it is there for many gaps smaller than A,
 * and left out where size >= A, as F is then hardly ever more. A gap of g >= size bytes has at most floor((g
 * - size) / A) + 1 places. As g <= m, G bounds their sum. With size >= A that number is at most floor(g / A),
 * with size < A at most floor(g / A) + 1, and a sum of floors is at most the floor of the sum: so F bounds
 * it.
 *
 * Lemma: U of a node is at least the sum of its children's U (for a leaf: of its gaps' numbers of places). A
 * child with U = 0 adds nothing. For the others E of the parent is at least the sum of their E (their
 * addresses are disjoint), F of the parent is at least the sum of their F (floors again), G of the parent at
 * least the sum of their G (m and the number of gaps only grow), the minimum of the sums at least the sum of
 * the minima; and the parent's U is not 0 by rule, since its largest gap and best alignment are at least
 * those of any child.
 *
 * The frontier is what lies below L: the path to the leaf that owns L - 1 cuts the tree; left of it, at each
 * level, lie whole subtrees, at most 15 a level; in the leaf, whole gaps; at the end at most one gap that L
 * cuts, counted exactly. Every gap of the first two kinds ends at or below L, so all its places are
 * candidates. Let T be the sum of U over the subtrees and of the exact numbers of the rest.
 *
 * One draw r, uniform in [0, T), selects: it is used up from left to right against these numbers; inside a
 * subtree the remainder, which is below its U, is used up against its children's U, and so on down to a gap,
 * where it is the number of the place. Where a node's children are used up first (possible, by the lemma,
 * just when they sum to less than U), the draw is rejected.
 *
 * Uniformity: the walk maps [0, T) to candidates and "rejected". By the lemma the interval of a node includes
 * those of its children one after another, hence those of all places below it, disjoint and each of length
 * one. So each candidate is hit by exactly one of T equally likely draws. Under the condition of not being
 * rejected every candidate has the same probability; draws are independent, so the first that is not rejected
 * is uniform. Counting exactly and drawing below the count is uniform at once. Whether to go on drawing or to
 * count is decided by the number of rejections and the shape of the tree, never by a candidate; so the
 * mixture is uniform as well.
 *
 * Cost
 *
 * A draw costs O(log n) and succeeds with probability (candidates / T): about one half and better for gaps of
 * similar size. Rejections come in rounds of 8, 16, 32, …; after each an exact count is tried that visits
 * only subtrees with U > 0 and gives up after as many nodes as the round has visited. So the whole is within
 * a constant factor of the cheaper of the two, and never more than O(n). No draw is made where T = 0 or
 * entropy is 0.
 *
 * Locking: the owner's. Recursion is bounded by the height.
 */
#include "internal.h"
#include "region_node.h"

#define FIRST_ROUND 8

struct search {
    uint64_t size;
    uint64_t loose; /* all ones where size is below the alignment, else 0 */
    unsigned align_log2;
};

static struct search search_of(const struct region_tree *tree, const struct region_request *request)
{
    VM_ASSERT_TREE(request->size > 0 && request->align_log2 >= PAGE_SHIFT && request->align_log2 < 64, tree);
    VM_ASSERT_TREE(is_page_aligned(request->size) && request->limit <= tree->end, tree);
    return (struct search){
        .size = request->size,
        .loose = request->size < (uint64_t)1 << request->align_log2 ? UINT64_MAX : 0,
        .align_log2 = request->align_log2,
    };
}

/* The places of the gap [lo, hi) that begin below `below`: how many, and the first. */
static uint64_t gap_places(const struct search *search, zx_vaddr_t lo, zx_vaddr_t hi, zx_vaddr_t below,
                           zx_vaddr_t *first_out)
{
    if (hi - lo < search->size || lo >= below)
        return 0;
    uint64_t mask = ((uint64_t)1 << search->align_log2) - 1;
    zx_vaddr_t first = (lo + mask) & ~mask;
    zx_vaddr_t last = hi - search->size < below ? hi - search->size : below - 1;
    if (first < lo || first > last)
        return 0;
    *first_out = first;
    return ((last - first) >> search->align_log2) + 1;
}

static bool is_promising(const struct search *search, const struct region_summary *sum)
{
    return sum->max_gap >= search->size && sum->best_align >= search->align_log2;
}

/* The multiples of the alignment below `end`. */
static uint64_t multiples(const struct search *search, zx_vaddr_t end)
{
    return end == 0 ? 0 : ((end - 1) >> search->align_log2) + 1;
}

/* U of the theory, for a subtree with the addresses [lo, hi). */
static uint64_t places_bound(const struct search *search, const struct region_summary *sum, zx_vaddr_t lo,
                             zx_vaddr_t hi)
{
    if (!is_promising(search, sum))
        return 0;
    uint64_t by_free = (sum->free >> search->align_log2) + (sum->gaps & search->loose);
    if (search->loose) {
        uint64_t by_extent = multiples(search, hi) - multiples(search, lo);
        by_free = by_extent < by_free ? by_extent : by_free;
    }
    uint64_t each = ((sum->max_gap - search->size) >> search->align_log2) + 1, by_gaps;
    if (__builtin_mul_overflow(each, (uint64_t)sum->gaps, &by_gaps) || by_gaps > by_free)
        return by_free;
    return by_gaps;
}

/* ---- The lowest place ---- */

/* What a walk over the candidates from left to right looks for. */
struct walk {
    const struct search *search;
    zx_vaddr_t below; /* places begin below this */
    uint64_t skip;    /* places to pass over before the one wanted */
    uint64_t nodes;   /* that it may still visit */
    zx_vaddr_t found; /* the one wanted, where the walk says so */
};

enum walk_end { WALK_ON, WALK_FOUND, WALK_TIRED };

static enum walk_end walk_leaf(struct walk *walk, const struct region_leaf *leaf, unsigned slots)
{
    for (unsigned i = 0; i < slots; i++) {
        zx_vaddr_t first;
        uint64_t places = gap_places(walk->search, leaf->end[i], leaf->base[i + 1], walk->below, &first);
        if (walk->skip < places) {
            walk->found = first + (walk->skip << walk->search->align_log2);
            return WALK_FOUND;
        }
        walk->skip -= places;
    }
    return WALK_ON;
}

static enum walk_end walk_subtree(struct walk *walk, const struct region_node *node, uint32_t level)
{
    if (walk->nodes-- == 0)
        return WALK_TIRED;
    if (level == 0)
        return walk_leaf(walk, region_leaf_of(node), (unsigned)region_leaf_of(node)->count);
    const struct region_inner *inner = region_inner_of(node);
    for (unsigned i = 0; i < inner->count && inner->key[i] < walk->below; i++) {
        if (!is_promising(walk->search, &inner->summary[i]))
            continue;
        enum walk_end end = walk_subtree(walk, inner->child[i], level - 1);
        if (end != WALK_ON)
            return end;
    }
    return WALK_ON;
}

/* Where the places of the request must begin below; 0 where nothing can. */
static zx_vaddr_t begin_below(const struct region_tree *tree, const struct region_request *request)
{
    if (request->limit < tree->base || request->limit - tree->base < request->size)
        return 0;
    return request->limit - request->size + 1;
}

/* The lowest place but for the first `skip` ones. */
static zx_status_t place_after(const struct region_tree *tree, const struct region_request *request,
                               uint64_t skip, zx_vaddr_t *out)
{
    const struct search search = search_of(tree, request);
    zx_vaddr_t below = begin_below(tree, request), first;
    if (below == 0)
        return ZX_ERR_NO_RESOURCES;
    if (!tree->root) {
        if (gap_places(&search, tree->base, tree->end, below, &first) <= skip)
            return ZX_ERR_NO_RESOURCES;
        *out = first + (skip << search.align_log2);
        return ZX_OK;
    }
    struct walk walk = {.search = &search, .below = below, .skip = skip, .nodes = UINT64_MAX};
    if (walk_subtree(&walk, tree->root, tree->height - 1) != WALK_FOUND)
        return ZX_ERR_NO_RESOURCES;
    *out = walk.found;
    return ZX_OK;
}

zx_status_t region_tree_place_lowest(const struct region_tree *tree, const struct region_request *request,
                                     zx_vaddr_t *out)
{
    zx_vaddr_t place;
    zx_status_t status = place_after(tree, request, 0, &place);
    if (status == ZX_OK && place == 0 && request->nonzero)
        status = place_after(tree, request, 1, &place);
    if (status == ZX_OK)
        *out = place;
    return status;
}

/* ---- A place at random ---- */

/* The address behind the lowest `bytes` > 0 bytes of free space; the span's end where there are fewer. */
static zx_vaddr_t free_cutoff(const struct region_tree *tree, uint64_t bytes)
{
    if (bytes >= tree->end - tree->base)
        return tree->end;
    if (!tree->root)
        return tree->base + bytes;
    const struct region_node *node = tree->root;
    for (uint32_t level = tree->height - 1; level > 0; level--) {
        const struct region_inner *inner = region_inner_of(node);
        unsigned i = 0;
        while (i < inner->count && inner->summary[i].free < bytes)
            bytes -= inner->summary[i++].free;
        if (i == inner->count)
            return tree->end;
        node = inner->child[i];
    }
    const struct region_leaf *leaf = region_leaf_of(node);
    for (unsigned i = 0; i < leaf->count; i++) {
        uint64_t gap = leaf->base[i + 1] - leaf->end[i];
        if (bytes <= gap)
            return leaf->end[i] + bytes;
        bytes -= gap;
    }
    return tree->end;
}

/* What lies below L, as the theory has it. */
struct frontier {
    const struct search *search;
    uint32_t height;
    uint64_t total; /* T */
    uint64_t edge;  /* places in the gap that L cuts */
    zx_vaddr_t edge_first;
    struct {
        const struct region_node *node;
        zx_vaddr_t lo;       /* where the node begins */
        unsigned index;      /* how many of its children are left of the path */
        uint64_t left;       /* their share of T; at level 0 exact */
    } at[REGION_HEIGHT_MAX]; /* by level */
};

/* below: L, above tree->base and at most tree->end. The tree is not empty. */
static void frontier_find(struct frontier *frontier, const struct search *search,
                          const struct region_tree *tree, zx_vaddr_t below)
{
    const struct region_node *node = tree->root;
    zx_vaddr_t lo = tree->base;
    frontier->search = search;
    frontier->height = tree->height;
    frontier->total = 0;
    for (uint32_t level = tree->height - 1; level > 0; level--) {
        const struct region_inner *inner = region_inner_of(node);
        unsigned index = region_slot_of(inner->key, below - 1);
        uint64_t sum = 0;
        for (unsigned i = 0; i < index; i++)
            sum += places_bound(search, &inner->summary[i], i > 0 ? inner->key[i] : lo, inner->key[i + 1]);
        frontier->at[level].node = node;
        frontier->at[level].lo = lo;
        frontier->at[level].index = index;
        frontier->at[level].left = sum;
        frontier->total += sum;
        node = inner->child[index];
        lo = index > 0 ? inner->key[index] : lo;
    }
    const struct region_leaf *leaf = region_leaf_of(node);
    unsigned slot = region_slot_of(leaf->base, below - 1);
    uint64_t sum = 0;
    zx_vaddr_t first;
    for (unsigned i = 0; i < slot; i++)
        sum += gap_places(search, leaf->end[i], leaf->base[i + 1], below, &first);
    frontier->at[0].node = node;
    frontier->at[0].index = slot;
    frontier->at[0].left = sum;
    frontier->edge = gap_places(search, leaf->end[slot], leaf->base[slot + 1], below, &frontier->edge_first);
    frontier->total += sum + frontier->edge;
}

/* The place that the draw r selects below the frontier's node at this level, left of the path. False:
   rejected. */
static bool select_below(const struct frontier *frontier, uint32_t level, uint64_t r, zx_vaddr_t *out)
{
    const struct search *search = frontier->search;
    const struct region_node *node = frontier->at[level].node;
    unsigned end = frontier->at[level].index;
    zx_vaddr_t lo = level > 0 ? frontier->at[level].lo : 0;
    zx_vaddr_t hi = 0; /* not asked for in the first node: something is right of its children */
    for (; level > 0; level--) {
        const struct region_inner *inner = region_inner_of(node);
        zx_vaddr_t node_hi = hi;
        unsigned i = 0;
        for (;; i++) {
            if (i == end)
                return false;
            lo = i > 0 ? inner->key[i] : lo;
            hi = i + 1 < inner->count ? inner->key[i + 1] : node_hi;
            uint64_t bound = places_bound(search, &inner->summary[i], lo, hi);
            if (r < bound)
                break;
            r -= bound;
        }
        node = inner->child[i];
        end = (unsigned)(level > 1 ? region_inner_of(node)->count : region_leaf_of(node)->count);
    }
    struct walk walk = {.search = search, .below = UINT64_MAX, .skip = r};
    if (walk_leaf(&walk, region_leaf_of(node), end) != WALK_FOUND)
        return false;
    *out = walk.found;
    return true;
}

static bool frontier_select(const struct frontier *frontier, uint64_t r, zx_vaddr_t *out)
{
    if (r < frontier->edge) {
        *out = frontier->edge_first + (r << frontier->search->align_log2);
        return true;
    }
    r -= frontier->edge;
    uint32_t level = 0;
    while (r >= frontier->at[level].left)
        r -= frontier->at[level++].left;
    return select_below(frontier, level, r, out);
}

/* Walks over every candidate of the frontier; walk->skip falls by how many there are. */
static enum walk_end frontier_walk(const struct frontier *frontier, struct walk *walk)
{
    if (walk->skip < frontier->edge) {
        walk->found = frontier->edge_first + (walk->skip << frontier->search->align_log2);
        return WALK_FOUND;
    }
    walk->skip -= frontier->edge;
    enum walk_end end = walk_leaf(walk, region_leaf_of(frontier->at[0].node), frontier->at[0].index);
    for (uint32_t level = 1; end == WALK_ON && level < frontier->height; level++) {
        const struct region_inner *inner = region_inner_of(frontier->at[level].node);
        for (unsigned i = 0; end == WALK_ON && i < frontier->at[level].index; i++)
            if (is_promising(frontier->search, &inner->summary[i]))
                end = walk_subtree(walk, inner->child[i], level - 1);
    }
    return end;
}

/* A candidate, each equally likely. False: there is none. */
static bool frontier_draw(const struct frontier *frontier, struct prng *prng, zx_vaddr_t *out)
{
    if (frontier->total == 0)
        return false;
    for (uint64_t round = FIRST_ROUND;; round *= 2) {
        for (uint64_t i = 0; i < round; i++)
            if (frontier_select(frontier, prng_below(prng, frontier->total), out))
                return true;
        struct walk count = {.search = frontier->search,
                             .below = UINT64_MAX,
                             .skip = UINT64_MAX,
                             .nodes = round * frontier->height};
        if (frontier_walk(frontier, &count) == WALK_TIRED)
            continue;
        uint64_t candidates = UINT64_MAX - count.skip;
        if (candidates == 0)
            return false;
        struct walk pick = {.search = frontier->search,
                            .below = UINT64_MAX,
                            .skip = prng_below(prng, candidates),
                            .nodes = UINT64_MAX};
        frontier_walk(frontier, &pick);
        *out = pick.found;
        return true;
    }
}

/* Size of the window in bytes; all ones where that is more. */
static uint64_t window_bytes(const struct region_request *request, uint8_t entropy_bits)
{
    unsigned shift = (unsigned)request->align_log2 + entropy_bits;
    return shift < 64 ? (uint64_t)1 << shift : UINT64_MAX;
}

zx_status_t region_tree_place_random(const struct region_tree *tree, const struct region_request *request,
                                     uint8_t entropy_bits, struct prng *prng, zx_vaddr_t *out)
{
    const struct search search = search_of(tree, request);
    zx_vaddr_t below = begin_below(tree, request);
    if (below == 0)
        return ZX_ERR_NO_RESOURCES;
    if (entropy_bits == 0)
        return region_tree_place_lowest(tree, request, out);
    zx_vaddr_t cutoff = free_cutoff(tree, window_bytes(request, entropy_bits));
    below = cutoff < below ? cutoff : below;
    if (tree->root) {
        struct frontier frontier;
        frontier_find(&frontier, &search, tree, below);
        if (frontier_draw(&frontier, prng, out))
            return ZX_OK;
    } else {
        zx_vaddr_t first;
        uint64_t places = gap_places(&search, tree->base, tree->end, below, &first);
        if (places > 0) {
            *out = first + (prng_below(prng, places) << search.align_log2);
            return ZX_OK;
        }
    }
    return region_tree_place_lowest(tree, request, out);
}

uint64_t region_tree_count_places(const struct region_tree *tree, const struct region_request *request,
                                  uint8_t entropy_bits)
{
    const struct search search = search_of(tree, request);
    zx_vaddr_t below = begin_below(tree, request), at = tree->base, first;
    uint64_t window = window_bytes(request, entropy_bits), places = 0;
    for (struct region_entry entry; at < tree->end && window > 0; at = entry.end) {
        if (!region_tree_find_from(tree, at, &entry))
            entry.base = entry.end = tree->end;
        uint64_t gap = entry.base - at;
        zx_vaddr_t cut = gap < window ? entry.base : at + window;
        places += gap_places(&search, at, entry.base, cut < below ? cut : below, &first);
        window -= gap < window ? gap : window;
    }
    return places;
}
