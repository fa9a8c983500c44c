/* SPDX-License-Identifier: MIT */
/* vmo_op_range.c: zx_vmo_op_range, each operation. */
#include "matrix.h"

#define PAGE ZX_PAGE_SIZE
#define SIZE (4 * PAGE)

static const struct operation {
    uint32_t op;
    zx_rights_t right;
    bool cache;   /* refuses an empty range */
    bool aligned; /* refuses one that is not made of pages */
    bool allocates;
} operations[] = {
    {ZX_VMO_OP_COMMIT, ZX_RIGHT_WRITE, false, false, true},
    {ZX_VMO_OP_DECOMMIT, ZX_RIGHT_WRITE, false, true, false},
    {ZX_VMO_OP_CACHE_SYNC, ZX_RIGHT_READ, true, false, false},
    {ZX_VMO_OP_CACHE_INVALIDATE, ZX_RIGHT_WRITE, true, false, false},
    {ZX_VMO_OP_CACHE_CLEAN, ZX_RIGHT_READ, true, false, false},
    {ZX_VMO_OP_CACHE_CLEAN_INVALIDATE, ZX_RIGHT_READ, true, false, false},
    {ZX_VMO_OP_ZERO, ZX_RIGHT_WRITE, false, false, false},
    {ZX_VMO_OP_DONT_NEED, ZX_RIGHT_NONE, false, false, false},
    {ZX_VMO_OP_ALWAYS_NEED, ZX_RIGHT_NONE, false, false, false},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static struct {
    zx_handle_t handle;
    uint32_t op;
    uint64_t offset, size;
    void *buffer;
    size_t buffer_size;
} args;

static const struct operation *operation;
static zx_handle_t vmo, closed, denied;
static char bytes[SIZE];

static void good(void)
{
    args.handle = vmo;
    args.op = operation->op;
    args.offset = PAGE;
    args.size = 2 * PAGE;
    args.buffer = NULL;
    args.buffer_size = 0;
}

static void begin(const struct operation *chosen)
{
    operation = chosen;
    vmo = make_vmo(SIZE, 0);
    closed = closed_handle();
    denied = without(vmo, chosen->right);
    good();
}

static zx_status_t call(void)
{
    return zx_vmo_op_range(args.handle, args.op, args.offset, args.size, args.buffer, args.buffer_size);
}

/* ---- Refusals ---- */

/* What only some operations refuse, in order; the numbering skips what this one has not. */
static zx_status_t spoil_more(unsigned nth)
{
    if (operation->right != ZX_RIGHT_NONE && nth-- == 0) {
        args.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    }
    if (operation->cache && nth-- == 0) {
        args.size = 0;
        return ZX_ERR_INVALID_ARGS;
    }
    if (nth-- == 0) {
        args.offset = SIZE + PAGE;
        return ZX_ERR_OUT_OF_RANGE;
    }
    if (operation->aligned && nth-- == 0) {
        args.offset |= 1;
        return ZX_ERR_INVALID_ARGS;
    }
    return operation->allocates && nth == 0 ? no_memory() : ZX_OK;
}

static zx_status_t spoil(unsigned nth)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = zx_vmar_root_self();
        return ZX_ERR_WRONG_TYPE;
    case 2:
        args.op = 99;
        return ZX_ERR_INVALID_ARGS;
    case 3:
        args.buffer = bytes;
        return ZX_ERR_INVALID_ARGS;
    case 4:
        args.buffer_size = 1;
        return ZX_ERR_INVALID_ARGS;
    default:
        return spoil_more(nth - 5);
    }
}

static zx_status_t call_on(zx_handle_t handle)
{
    return zx_vmo_op_range(handle, operation->op, 0, SIZE, NULL, 0);
}

TEST(errors_in_order)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        begin(&operations[i]);
        check_errors(&(const struct errors){good, spoil, call});
        check_handles(call_on, vmo, ZX_OBJ_TYPE_VMO, operation->right);
    }
}

static bool is_known(uint32_t op)
{
    for (unsigned i = 0; i < OPERATIONS; i++)
        if (operations[i].op == op)
            return true;
    return false;
}

TEST(every_operation)
{
    begin(&operations[0]);
    for (uint32_t op = 0; op < 64; op++) {
        args.op = op;
        if (is_known(op))
            OK(call());
        else
            REFUSED(ZX_ERR_INVALID_ARGS, call());
    }
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++) {
            args.op = 1u << first | 1u << second;
            if (!is_known(args.op))
                REFUSED(ZX_ERR_INVALID_ARGS, call());
        }
    args.op = UINT32_MAX;
    REFUSED(ZX_ERR_INVALID_ARGS, call());
}

static zx_status_t expected_of(uint64_t offset, uint64_t size)
{
    if (operation->cache && size == 0)
        return ZX_ERR_INVALID_ARGS;
    if (offset > SIZE || size > SIZE - offset)
        return ZX_ERR_OUT_OF_RANGE;
    if (operation->aligned && ((offset | size) & ZX_PAGE_MASK) != 0)
        return ZX_ERR_INVALID_ARGS;
    return ZX_OK;
}

TEST(ranges)
{
    uint64_t offsets[BOUNDARIES], sizes[BOUNDARIES];
    boundaries_of(SIZE, offsets);
    boundaries_of(SIZE, sizes);
    for (unsigned op = 0; op < OPERATIONS; op++) {
        begin(&operations[op]);
        OK(call());
        for (unsigned i = 0; i < BOUNDARIES; i++)
            for (unsigned j = 0; j < BOUNDARIES; j++) {
                args.offset = offsets[i];
                args.size = sizes[j];
                zx_status_t expected = expected_of(args.offset, args.size);
                if (expected == ZX_OK)
                    OK_ONCE(call());
                else
                    REFUSED(expected, call());
            }
    }
}

TEST(an_empty_vmo)
{
    zx_handle_t empty = make_vmo(0, ZX_VMO_RESIZABLE);
    for (unsigned op = 0; op < OPERATIONS; op++) {
        begin(&operations[op]);
        args.handle = empty;
        args.offset = args.size = 0;
        if (operation->cache)
            REFUSED(ZX_ERR_INVALID_ARGS, call());
        else
            OK(call());
        args.size = 1;
        REFUSED(ZX_ERR_OUT_OF_RANGE, call());
    }
}

/* ---- What they do ---- */

static void do_op(uint32_t op, uint64_t offset, uint64_t size)
{
    OK(zx_vmo_op_range(vmo, op, offset, size, NULL, 0));
}

static uint64_t committed(void)
{
    return vmo_info_of(vmo).committed_bytes;
}

/* Each byte of the range reads as this. */
static bool reads_as(uint64_t offset, size_t size, char byte)
{
    static char read[SIZE];
    fill(read, (char)(byte + 1), SIZE);
    OK(zx_vmo_read(vmo, read, offset, size));
    return all_bytes(read, byte, size);
}

/* All pages that the range touches, those that are there untouched; all or none. */
TEST(commit)
{
    begin(&operations[0]);
    OK_ONCE(zx_vmo_write(vmo, "x", 2 * PAGE, 1));
    do_op(ZX_VMO_OP_COMMIT, PAGE - 1, PAGE + 2);
    CHECK_EQUAL(committed(), 3 * PAGE);
    CHECK(reads_as(0, 2 * PAGE, 0) && reads_as(2 * PAGE, 1, 'x'));
    do_op(ZX_VMO_OP_COMMIT, 0, SIZE);
    do_op(ZX_VMO_OP_COMMIT, 0, SIZE);
    CHECK_EQUAL(committed(), SIZE);
    /* From now on no write needs memory. */
    (void)conformance_fail_allocation(1, true);
    OK_ONCE(zx_vmo_write(vmo, bytes, 0, SIZE));
    (void)conformance_fail_allocation(0, false);
    vmo = make_vmo(1ull << 40, 0);
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 1ull << 40, NULL, 0));
    REFUSED(ZX_ERR_NO_MEMORY, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, PAGE, 1ull << 39, NULL, 0));
    CHECK_EQUAL(committed(), 0);
}

/* Memory goes back; the bytes read as zero, also in mappings. */
TEST(decommit)
{
    zx_vaddr_t at;
    char byte = 'y';
    begin(&operations[1]);
    fill(bytes, 'x', SIZE);
    OK_ONCE(zx_vmo_write(vmo, bytes, 0, SIZE));
    OK(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, SIZE, &at));
    OK_ONCE(access_write(at + PAGE, &byte, 1)); /* an access is not undone */
    do_op(ZX_VMO_OP_DECOMMIT, PAGE, 2 * PAGE);
    CHECK_EQUAL(committed(), 2 * PAGE);
    CHECK(reads_as(0, PAGE, 'x') && reads_as(PAGE, 2 * PAGE, 0) && reads_as(3 * PAGE, PAGE, 'x'));
    OK(access_read(at + PAGE, &byte, 1));
    CHECK_EQUAL(byte, 0);
    do_op(ZX_VMO_OP_DECOMMIT, PAGE, 0);
    do_op(ZX_VMO_OP_DECOMMIT, 0, SIZE);
    do_op(ZX_VMO_OP_DECOMMIT, 0, SIZE);
    CHECK_EQUAL(committed(), 0);
}

/* Any bytes; whole pages give their memory back. */
TEST(zero)
{
    const struct {
        uint64_t offset, size;
    } ranges[] = {{10, 20},  {0, PAGE},     {PAGE - 1, PAGE + 2}, {PAGE - 1, 2},
                  {1, PAGE}, {SIZE - 1, 1}, {PAGE, 2 * PAGE},     {0, SIZE},
                  {5, 0},    {SIZE, 0},     {3, SIZE - PAGE},     {2 * PAGE, PAGE + 1}};
    zx_vaddr_t at;
    begin(&operations[6]);
    OK(zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ, 0, vmo, 0, SIZE, &at));
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        uint64_t offset = ranges[i].offset, end = offset + ranges[i].size;
        fill(bytes, 'x', SIZE);
        OK_ONCE(zx_vmo_write(vmo, bytes, 0, SIZE));
        OK(access_read(at, bytes, SIZE));
        do_op(ZX_VMO_OP_ZERO, offset, ranges[i].size);
        CHECK(reads_as(0, offset, 'x') && reads_as(offset, end - offset, 0) &&
              reads_as(end, SIZE - end, 'x'));
        OK(access_read(at, bytes, SIZE));
        CHECK(all_bytes(bytes, 'x', offset) && all_bytes(bytes + offset, 0, end - offset) &&
              all_bytes(bytes + end, 'x', SIZE - end));
        uint64_t first = (offset + PAGE - 1) / PAGE, limit = end / PAGE;
        CHECK_EQUAL(committed(), SIZE - (limit > first ? limit - first : 0) * PAGE);
    }
}

/* The others change no byte, and take and give no memory. */
TEST(hints)
{
    begin(&operations[0]);
    OK_ONCE(zx_vmo_write(vmo, "x", PAGE, 1));
    for (unsigned i = 0; i < OPERATIONS; i++) {
        if (operations[i].op <= ZX_VMO_OP_DECOMMIT || operations[i].op == ZX_VMO_OP_ZERO)
            continue;
        do_op(operations[i].op, 0, SIZE);
        do_op(operations[i].op, PAGE - 1, 3);
        CHECK_EQUAL(committed(), PAGE);
        CHECK(reads_as(0, PAGE, 0) && reads_as(PAGE, 1, 'x') && reads_as(PAGE + 1, SIZE - PAGE - 1, 0));
    }
}

const struct conformance_test vmo_op_range_tests[] = {
    CASE(errors_in_order), CASE(every_operation), CASE(ranges), CASE(an_empty_vmo),
    CASE(commit),          CASE(decommit),        CASE(zero),   CASE(hints),
    NO_MORE_CASES};
