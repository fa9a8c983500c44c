/* SPDX-License-Identifier: MIT */
/*
 * trace.c: the binary form of traces.
 *
 * Concept. A trace is what fuzzers breed, so its encoding is made for mutation rather than for size: every
 * operation is a record of sixteen bytes at a multiple of sixteen, every byte string is a trace, and a
 * changed byte changes one operand of one operation. Operations name objects by slots that the operation
 * which made the object chose itself, so that inserting or removing an operation elsewhere does not rename
 * anything.
 *
 * Structure of an operation, by byte: 0 code, 1 a, 2 b, 3 to, 4 mark, 5-6 options (low byte first), 7 align,
 * 8 kind of the first amount, 9-10 its value, 11 kind of the second, 12-13 its value, 14 kind of the third,
 * 15 its value. A kind byte holds the kind in its low five bits and the delta in its upper three.
 *
 * Codes. Codes 0 to 127 are dealt out to the operations of version 1 by weight, in the order of trace_shapes,
 * first the sensible form, then the wild one; the first code of a form is its canonical one. Later operations
 * have one code a form, from 128 on (later_codes). Codes behind the last of these are read as the code less
 * 128 until an operation is added that takes one of them. No writer writes them, so a written trace keeps its
 * meaning. The same holds for the other fields (trace_normalize), for the version (0 to 127 are version 1),
 * and for the unused bits of the header.
 *
 * Invariant: decode(encode(op)) = op for every canonical op, and encode(decode(bytes)) means what the bytes
 * mean.
 *
 * Locking: none; pure functions. Cost: constant an operation.
 */
#include <vm/mem.h>
#include <vm/vmo.h>
#include <zircon/syscalls/object.h>

#include "trace.h"

#define ANY_VMAR                                                                                             \
    {                                                                                                        \
        TRACE_FIELD_VMAR, "vmar"                                                                             \
    }
#define ANY_VMO                                                                                              \
    {                                                                                                        \
        TRACE_FIELD_VMO_A, "vmo"                                                                             \
    }
#define RESULT                                                                                               \
    {                                                                                                        \
        TRACE_FIELD_TO, "to"                                                                                 \
    }
#define LANDMARK                                                                                             \
    {                                                                                                        \
        TRACE_FIELD_MARK, "mark"                                                                             \
    }
#define OPTIONS                                                                                              \
    {                                                                                                        \
        TRACE_FIELD_OPTIONS, "options"                                                                       \
    }
#define ALIGNMENT                                                                                            \
    {                                                                                                        \
        TRACE_FIELD_ALIGN, "align"                                                                           \
    }

#define ANY_PROCESS                                                                                          \
    {                                                                                                        \
        TRACE_FIELD_PROCESS, "process"                                                                       \
    }
#define ANY_SPACE                                                                                            \
    {                                                                                                        \
        TRACE_FIELD_SPACE, "space"                                                                           \
    }
#define ADDRESS                                                                                              \
    {                                                                                                        \
        TRACE_FIELD_AMOUNT0, "addr"                                                                          \
    }
#define SIZE                                                                                                 \
    {                                                                                                        \
        TRACE_FIELD_AMOUNT1, "size"                                                                          \
    }

/* The weights of version 1 are fixed: a new operation takes codes from 128 on. */
const struct trace_shape trace_shapes[TRACE_CODE_COUNT] = {
    [TRACE_VMAR_ALLOCATE] = {"vmar_allocate",
                             12,
                             2,
                             {ANY_VMAR,
                              OPTIONS,
                              ALIGNMENT,
                              {TRACE_FIELD_AMOUNT0, "offset"},
                              {TRACE_FIELD_AMOUNT1, "size"},
                              LANDMARK,
                              RESULT}},
    [TRACE_VMAR_MAP] = {"vmar_map",
                        18,
                        2,
                        {ANY_VMAR,
                         OPTIONS,
                         ALIGNMENT,
                         {TRACE_FIELD_AMOUNT0, "offset"},
                         {TRACE_FIELD_VMO, "vmo"},
                         {TRACE_FIELD_AMOUNT2, "vmo_offset"},
                         {TRACE_FIELD_AMOUNT1, "len"},
                         LANDMARK,
                         RESULT}},
    [TRACE_VMAR_UNMAP] = {"vmar_unmap",
                          9,
                          0,
                          {ANY_VMAR, {TRACE_FIELD_AMOUNT0, "addr"}, {TRACE_FIELD_AMOUNT1, "len"}, LANDMARK}},
    [TRACE_VMAR_PROTECT] = {"vmar_protect",
                            8,
                            2,
                            {ANY_VMAR,
                             OPTIONS,
                             ALIGNMENT,
                             {TRACE_FIELD_AMOUNT0, "addr"},
                             {TRACE_FIELD_AMOUNT1, "len"},
                             LANDMARK}},
    [TRACE_VMAR_DESTROY] = {"vmar_destroy", 4, 0, {ANY_VMAR}},
    [TRACE_VMO_CREATE] = {"vmo_create", 7, 1, {{TRACE_FIELD_AMOUNT1, "size"}, OPTIONS, LANDMARK, RESULT}},
    [TRACE_VMO_READ] =
        {"vmo_read",
         3,
         0,
         {ANY_VMO, {TRACE_FIELD_AMOUNT0, "offset"}, {TRACE_FIELD_AMOUNT1, "size"}, LANDMARK, RESULT}},
    [TRACE_VMO_WRITE] = {"vmo_write",
                         4,
                         0,
                         {ANY_VMO,
                          {TRACE_FIELD_AMOUNT0, "offset"},
                          {TRACE_FIELD_AMOUNT1, "size"},
                          {TRACE_FIELD_NUMBER, "fill"},
                          LANDMARK,
                          RESULT}},
    [TRACE_VMO_SET_SIZE] = {"vmo_set_size", 4, 0, {ANY_VMO, {TRACE_FIELD_AMOUNT1, "size"}, LANDMARK}},
    [TRACE_VMO_GET_SIZE] = {"vmo_get_size", 2, 0, {ANY_VMO, RESULT}},
    [TRACE_VMO_OP_RANGE] = {"vmo_op_range",
                            5,
                            1,
                            {ANY_VMO,
                             OPTIONS,
                             {TRACE_FIELD_AMOUNT0, "offset"},
                             {TRACE_FIELD_AMOUNT1, "size"},
                             LANDMARK,
                             RESULT}},
    [TRACE_HANDLE_CLOSE] = {"handle_close", 3, 0, {{TRACE_FIELD_ANY, "handle"}}},
    [TRACE_HANDLE_DUPLICATE] = {"handle_duplicate",
                                4,
                                0,
                                {{TRACE_FIELD_ANY, "handle"}, {TRACE_FIELD_RIGHTS, "rights"}, RESULT}},
    [TRACE_HANDLE_REPLACE] = {"handle_replace",
                              2,
                              0,
                              {{TRACE_FIELD_ANY, "handle"}, {TRACE_FIELD_RIGHTS, "rights"}, RESULT}},
    [TRACE_PROCESS_CREATE] = {"process_create",
                              2,
                              1,
                              {{TRACE_FIELD_JOB, "job"}, {TRACE_FIELD_NUMBER, "name"}, OPTIONS, RESULT}},
    [TRACE_OBJECT_GET_INFO] = {"object_get_info", 3, 0, {{TRACE_FIELD_ANY, "handle"}, OPTIONS, RESULT}},
    [TRACE_READ] = {"read",
                    8,
                    0,
                    {{TRACE_FIELD_PROCESS, "process"},
                     {TRACE_FIELD_AMOUNT0, "addr"},
                     {TRACE_FIELD_AMOUNT1, "size"},
                     LANDMARK}},
    [TRACE_WRITE] = {"write",
                     9,
                     0,
                     {{TRACE_FIELD_PROCESS, "process"},
                      {TRACE_FIELD_AMOUNT0, "addr"},
                      {TRACE_FIELD_AMOUNT1, "size"},
                      {TRACE_FIELD_NUMBER, "fill"},
                      LANDMARK}},
    [TRACE_EXECUTE] = {"execute",
                       3,
                       0,
                       {{TRACE_FIELD_PROCESS, "process"}, {TRACE_FIELD_AMOUNT0, "addr"}, LANDMARK}},
    [TRACE_SOFT_FAULT] =
        {"soft_fault",
         3,
         0,
         {{TRACE_FIELD_PROCESS, "process"}, OPTIONS, {TRACE_FIELD_AMOUNT0, "addr"}, LANDMARK}},
    [TRACE_PAGE_FAULT] =
        {"page_fault",
         2,
         0,
         {{TRACE_FIELD_PROCESS, "process"}, OPTIONS, {TRACE_FIELD_AMOUNT0, "addr"}, LANDMARK}},
    [TRACE_FAIL_ALLOCATION] = {"fail_allocation", 2, 0, {{TRACE_FIELD_NUMBER, "nth"}}},
    [TRACE_SELECT_PROCESS] = {"select_process", 2, 0, {{TRACE_FIELD_PROCESS, "process"}}},
    [TRACE_VMO_REPLACE_AS_EXECUTABLE] = {"vmo_replace_as_executable",
                                         0,
                                         0,
                                         {{TRACE_FIELD_ANY, "handle"},
                                          {TRACE_FIELD_OPTIONS, "vmex"},
                                          RESULT}},
    [TRACE_VMAR_OP_RANGE] =
        {"vmar_op_range",
         0,
         0,
         {ANY_VMAR, OPTIONS, {TRACE_FIELD_AMOUNT0, "addr"}, {TRACE_FIELD_AMOUNT1, "len"}, LANDMARK, RESULT}},
    [TRACE_PROCESS_READ_MEMORY] = {"process_read_memory",
                                   0,
                                   0,
                                   {{TRACE_FIELD_PROCESS_HANDLE, "process"},
                                    {TRACE_FIELD_AMOUNT0, "addr"},
                                    {TRACE_FIELD_AMOUNT1, "size"},
                                    LANDMARK,
                                    RESULT}},
    [TRACE_PROCESS_WRITE_MEMORY] = {"process_write_memory",
                                    0,
                                    0,
                                    {{TRACE_FIELD_PROCESS_HANDLE, "process"},
                                     {TRACE_FIELD_AMOUNT0, "addr"},
                                     {TRACE_FIELD_AMOUNT1, "size"},
                                     {TRACE_FIELD_FILL, "fill"},
                                     LANDMARK,
                                     RESULT}},
    [TRACE_OBJECT_GET_PROPERTY] =
        {"object_get_property",
         0,
         0,
         {{TRACE_FIELD_ANY, "handle"}, OPTIONS, {TRACE_FIELD_AMOUNT1, "size"}, RESULT}},
    [TRACE_OBJECT_SET_PROPERTY] = {"object_set_property",
                                   0,
                                   0,
                                   {{TRACE_FIELD_ANY, "handle"},
                                    OPTIONS,
                                    {TRACE_FIELD_AMOUNT1, "size"},
                                    {TRACE_FIELD_FILL, "fill"},
                                    RESULT}},
    [TRACE_VMO_CREATE_CHILD] = {"vmo_create_child",
                                0,
                                0,
                                {ANY_VMO,
                                 OPTIONS,
                                 {TRACE_FIELD_AMOUNT0, "offset"},
                                 {TRACE_FIELD_AMOUNT1, "size"},
                                 LANDMARK,
                                 RESULT}},
    [TRACE_HANDLE_CLOSE_MANY] = {"handle_close_many",
                                 0,
                                 0,
                                 {{TRACE_FIELD_ANY, "handle"}, {TRACE_FIELD_OPTIONS, "count"}, RESULT}},
    [TRACE_VMO_CREATE_CONTIGUOUS] = {"vmo_create_contiguous",
                                     0,
                                     0,
                                     {{TRACE_FIELD_AMOUNT1, "size"}, ALIGNMENT, LANDMARK, RESULT}},
    [TRACE_VMO_PIN] = {"vmo_pin",
                       0,
                       0,
                       {ANY_VMO, {TRACE_FIELD_AMOUNT0, "offset"}, {TRACE_FIELD_AMOUNT1, "size"}, LANDMARK}},
    [TRACE_VMO_UNPIN] = {"vmo_unpin", 0, 0, {{TRACE_FIELD_NUMBER, "pin"}}},
    [TRACE_VMAR_SET_MEMORY_PRIORITY] = {"vmar_set_memory_priority",
                                        0,
                                        0,
                                        {ANY_VMAR, {TRACE_FIELD_OPTIONS, "priority"}}},
    [TRACE_PROCESS_CREATE_SHARED] =
        {"process_create_shared",
         0,
         0,
         {{TRACE_FIELD_PROCESS_HANDLE, "process"}, {TRACE_FIELD_NUMBER, "name"}, OPTIONS, RESULT}},
    [TRACE_PROCESS_EXIT] = {"process_exit", 0, 0, {{TRACE_FIELD_PROCESS, "process"}}},
    [TRACE_VMO_CREATE_PHYSICAL] = {"vmo_create_physical",
                                   0,
                                   0,
                                   {{TRACE_FIELD_AMOUNT0, "offset"},
                                    {TRACE_FIELD_AMOUNT1, "size"},
                                    {TRACE_FIELD_OPTIONS, "policy"},
                                    LANDMARK,
                                    RESULT}},
    [TRACE_VMO_SET_CACHE_POLICY] = {"vmo_set_cache_policy", 0, 0, {ANY_VMO, {TRACE_FIELD_OPTIONS, "policy"}}},
    [TRACE_CPRNG_DRAW] = {"cprng_draw", 0, 0, {{TRACE_FIELD_AMOUNT1, "size"}, LANDMARK}},
    [TRACE_TICKS_GET] = {"ticks_get", 0, 0, {{TRACE_FIELD_END, NULL}}},
    [TRACE_SELECT_PROCESSOR] = {"select_processor", 0, 0, {{TRACE_FIELD_NUMBER, "processor"}}},
    [TRACE_HARVEST_ACCESSED_BITS] = {"harvest_accessed_bits",
                                     0,
                                     0,
                                     {OPTIONS, ANY_PROCESS, ADDRESS, LANDMARK}},
    [TRACE_DROP_PAGE_TABLES] = {"drop_page_tables", 0, 0, {ANY_PROCESS}},
    [TRACE_DROP_ALL_PAGE_TABLES] = {"drop_all_page_tables", 0, 0, {{TRACE_FIELD_END, NULL}}},
    [TRACE_SOFT_FAULT_IN_RANGE] = {"soft_fault_in_range",
                                   0,
                                   0,
                                   {ANY_PROCESS, OPTIONS, ADDRESS, {TRACE_FIELD_AMOUNT1, "len"}, LANDMARK}},
    [TRACE_ACCESSED_FAULT] = {"accessed_fault", 0, 0, {ANY_PROCESS, ADDRESS, LANDMARK}},
    [TRACE_ASPACE_RENAME] = {"aspace_rename", 0, 0, {ANY_PROCESS, SIZE, {TRACE_FIELD_FILL, "fill"}, RESULT}},
    [TRACE_FIND_REGION] = {"find_region", 0, 0, {ANY_PROCESS, ADDRESS, LANDMARK}},
    [TRACE_ASPACE_ENUMERATE] = {"aspace_enumerate", 0, 0, {ANY_PROCESS}},
    [TRACE_GET_MEMORY_USAGE] = {"get_memory_usage", 0, 0, {ANY_PROCESS}},
    [TRACE_GUEST_CREATE] = {"guest_create", 0, 0, {ANY_SPACE, {TRACE_FIELD_AMOUNT0, "base"}, SIZE}},
    [TRACE_GUEST_DESTROY] = {"guest_destroy", 0, 0, {ANY_SPACE}},
    [TRACE_SPACE_ALLOC] = {"space_alloc",
                           0,
                           0,
                           {ANY_SPACE, OPTIONS, ALIGNMENT, ADDRESS, SIZE, LANDMARK, RESULT}},
    [TRACE_SPACE_ALLOC_CONTIGUOUS] = {"space_alloc_contiguous",
                                      0,
                                      0,
                                      {ANY_SPACE, OPTIONS, ALIGNMENT, ADDRESS, SIZE, LANDMARK, RESULT}},
    [TRACE_SPACE_ALLOC_PHYSICAL] =
        {"space_alloc_physical",
         0,
         0,
         {ANY_SPACE, OPTIONS, ALIGNMENT, ADDRESS, SIZE, {TRACE_FIELD_AMOUNT2, "offset"}, LANDMARK, RESULT}},
    [TRACE_SPACE_MAP_OBJECT] = {"space_map_object",
                                0,
                                0,
                                {ANY_SPACE,
                                 OPTIONS,
                                 ALIGNMENT,
                                 ADDRESS,
                                 {TRACE_FIELD_VMO, "vmo"},
                                 {TRACE_FIELD_AMOUNT2, "vmo_offset"},
                                 SIZE,
                                 LANDMARK,
                                 RESULT}},
    [TRACE_SPACE_FREE_REGION] = {"space_free_region", 0, 0, {ANY_SPACE, ADDRESS, LANDMARK}},
    [TRACE_SPACE_READ] = {"space_read", 0, 0, {ANY_SPACE, ADDRESS, SIZE, LANDMARK}},
    [TRACE_SPACE_WRITE] = {"space_write",
                           0,
                           0,
                           {ANY_SPACE, ADDRESS, SIZE, {TRACE_FIELD_NUMBER, "fill"}, LANDMARK}},
    [TRACE_SPACE_EXECUTE] = {"space_execute", 0, 0, {ANY_SPACE, ADDRESS, LANDMARK}},
    [TRACE_VMO_DECLARE_VDSO] = {"vmo_declare_vdso",
                                0,
                                0,
                                {ANY_VMO, {TRACE_FIELD_AMOUNT0, "offset"}, SIZE, LANDMARK}},
    [TRACE_VDSO_ADDRESS] = {"vdso_address",
                            0,
                            0,
                            {ANY_PROCESS, ADDRESS, {TRACE_FIELD_AMOUNT1, "len"}, LANDMARK}},
    [TRACE_VALLOC_INIT] = {"valloc_init", 0, 0, {SIZE, {TRACE_FIELD_NUMBER, "guard"}, ALIGNMENT}},
    [TRACE_VALLOC_ALLOC] = {"valloc_alloc", 0, 0, {SIZE, RESULT}},
    [TRACE_VALLOC_FREE] = {"valloc_free",
                           0,
                           0,
                           {{TRACE_FIELD_NUMBER, "run"}, {TRACE_FIELD_AMOUNT0, "from"}, SIZE}},
    [TRACE_VALLOC_ALLOCATE_RANGE] =
        {"valloc_allocate_range",
         0,
         0,
         {{TRACE_FIELD_NUMBER, "gap"}, {TRACE_FIELD_AMOUNT0, "from"}, SIZE, RESULT}},
    [TRACE_VALLOC_FREE_ALL] = {"valloc_free_all", 0, 0, {{TRACE_FIELD_END, NULL}}},
    [TRACE_VALLOC_DESTROY] = {"valloc_destroy", 0, 0, {{TRACE_FIELD_END, NULL}}},
};

/* What the codes from 128 on mean, in the order in which operations were added; new ones go to the end. */
static const struct {
    uint8_t code;
    bool wild;
} later_codes[] = {
    {TRACE_VMO_REPLACE_AS_EXECUTABLE, false},
    {TRACE_VMAR_OP_RANGE, false},
    {TRACE_VMAR_OP_RANGE, true},
    {TRACE_PROCESS_READ_MEMORY, false},
    {TRACE_PROCESS_WRITE_MEMORY, false},
    {TRACE_OBJECT_GET_PROPERTY, false},
    {TRACE_OBJECT_SET_PROPERTY, false},
    {TRACE_VMO_CREATE_CHILD, false},
    {TRACE_VMO_CREATE_CHILD, true},
    {TRACE_HANDLE_CLOSE_MANY, false},
    {TRACE_HANDLE_CLOSE_MANY, true},
    {TRACE_VMO_CREATE_CONTIGUOUS, false},
    {TRACE_VMO_CREATE_CONTIGUOUS, true},
    {TRACE_VMO_PIN, false},
    {TRACE_VMO_UNPIN, false},
    {TRACE_VMAR_SET_MEMORY_PRIORITY, false},
    {TRACE_PROCESS_CREATE_SHARED, false},
    {TRACE_PROCESS_CREATE_SHARED, true},
    {TRACE_PROCESS_EXIT, false},
    {TRACE_VMO_CREATE_PHYSICAL, false},
    {TRACE_VMO_SET_CACHE_POLICY, false},
    {TRACE_CPRNG_DRAW, false},
    {TRACE_TICKS_GET, false},
    {TRACE_SELECT_PROCESSOR, false},
    {TRACE_HARVEST_ACCESSED_BITS, false},
    {TRACE_DROP_PAGE_TABLES, false},
    {TRACE_DROP_ALL_PAGE_TABLES, false},
    {TRACE_SOFT_FAULT_IN_RANGE, false},
    {TRACE_ACCESSED_FAULT, false},
    {TRACE_ASPACE_RENAME, false},
    {TRACE_FIND_REGION, false},
    {TRACE_ASPACE_ENUMERATE, false},
    {TRACE_GET_MEMORY_USAGE, false},
    {TRACE_GUEST_CREATE, false},
    {TRACE_GUEST_DESTROY, false},
    {TRACE_SPACE_ALLOC, false},
    {TRACE_SPACE_ALLOC_CONTIGUOUS, false},
    {TRACE_SPACE_ALLOC_PHYSICAL, false},
    {TRACE_SPACE_MAP_OBJECT, false},
    {TRACE_SPACE_FREE_REGION, false},
    {TRACE_SPACE_READ, false},
    {TRACE_SPACE_WRITE, false},
    {TRACE_SPACE_EXECUTE, false},
    {TRACE_VMO_DECLARE_VDSO, false},
    {TRACE_VDSO_ADDRESS, false},
    {TRACE_VALLOC_INIT, false},
    {TRACE_VALLOC_ALLOC, false},
    {TRACE_VALLOC_FREE, false},
    {TRACE_VALLOC_ALLOCATE_RANGE, false},
    {TRACE_VALLOC_FREE_ALL, false},
    {TRACE_VALLOC_DESTROY, false},
};
#define LATER_CODES (sizeof later_codes / sizeof later_codes[0])

#define CODES 128

const uint16_t trace_memory_sizes[TRACE_MEMORY_SIZES] = {64, 96, 128, 256, 512, 1024, 2048, 4096};

/* ---- Header: version, memory, flags, entropy, compact entropy, processors, fail_nth (2), seed (8) ---- */

#define FLAG_ASLR_OFF        1u
#define FLAG_FAIL            2u
#define FLAG_FAIL_PERSISTENT 4u
#define ENTROPY_CODES        37

void trace_decode_header(const uint8_t *bytes, size_t size, struct trace_header *header)
{
    uint8_t b[TRACE_HEADER_SIZE] = {0};

    memcpy(b, bytes, size < sizeof b ? size : sizeof b);
    memset(header, 0, sizeof *header);
    header->memory_pages = trace_memory_sizes[b[1] % TRACE_MEMORY_SIZES];
    header->aslr_off = (b[2] & FLAG_ASLR_OFF) != 0;
    header->fail = (b[2] & FLAG_FAIL) != 0;
    header->fail_persistent = header->fail && (b[2] & FLAG_FAIL_PERSISTENT) != 0;
    header->entropy_bits = b[3] % ENTROPY_CODES;
    header->compact_entropy_bits = b[4] % ENTROPY_CODES;
    header->processors = (uint8_t)(1 + b[5] % TRACE_PROCESSORS_MAX);
    if (header->fail)
        header->fail_nth = (uint16_t)(b[6] | b[7] << 8);
    for (unsigned i = 0; i < 8; i++)
        header->seed |= (uint64_t)b[8 + i] << (8 * i);
}

void trace_encode_header(const struct trace_header *header, uint8_t out[static TRACE_HEADER_SIZE])
{
    memset(out, 0, TRACE_HEADER_SIZE);
    out[0] = TRACE_VERSION;
    for (uint8_t i = 0; i < TRACE_MEMORY_SIZES; i++) {
        if (trace_memory_sizes[i] == header->memory_pages)
            out[1] = i;
    }
    out[2] = (uint8_t)((header->aslr_off ? FLAG_ASLR_OFF : 0) | (header->fail ? FLAG_FAIL : 0) |
                       (header->fail_persistent ? FLAG_FAIL_PERSISTENT : 0));
    out[3] = header->entropy_bits;
    out[4] = header->compact_entropy_bits;
    out[5] = (uint8_t)(header->processors - (header->processors > 0));
    out[6] = (uint8_t)header->fail_nth;
    out[7] = (uint8_t)(header->fail_nth >> 8);
    for (unsigned i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)(header->seed >> (8 * i));
}

/* ---- Canonical form ---- */

static bool value_counts(uint8_t kind)
{
    switch (kind) {
    case TRACE_ZERO:
    case TRACE_MARK:
    case TRACE_MARK_END:
    case TRACE_MARK_SIZE:
    case TRACE_MARK_MIDDLE:
    case TRACE_WHOLE:
    case TRACE_BASE:
    case TRACE_END:
    case TRACE_LAST:
    case TRACE_GAP:
        return false;
    default:
        return true;
    }
}

#define PAGES_FEW 32

static void normalize_amount(struct trace_amount *amount)
{
    if (amount->kind >= TRACE_KIND_COUNT)
        amount->kind = TRACE_PAGES;
    if (amount->kind == TRACE_PAGES)
        amount->value %= PAGES_FEW;
    if (amount->kind == TRACE_PAGES_MANY && amount->value < PAGES_FEW)
        amount->kind = TRACE_PAGES;
    if (amount->kind == TRACE_POWER)
        amount->value %= 64;
    if (amount->kind == TRACE_LARGE)
        amount->value %= 512;
    if (amount->kind == TRACE_EDGE)
        amount->value %= 8;
    if (!value_counts(amount->kind))
        amount->value = 0;
    if (amount->delta >= 3 && amount->delta <= 5)
        amount->delta = TRACE_DELTA_NONE;
}

static uint8_t normal_slot(uint8_t slot, uint8_t last_special)
{
    return slot >= TRACE_SLOT_NONE && slot <= last_special ? slot : slot % TRACE_SLOTS;
}

#define ALLOCATE_OPTIONS                                                                                     \
    (ZX_VM_COMPACT | ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE |    \
     ZX_VM_CAN_MAP_EXECUTE | ZX_VM_OFFSET_IS_UPPER_LIMIT)
#define PERMISSIONS (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)
#define MAP_OPTIONS                                                                                          \
    (PERMISSIONS | ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_MAP_RANGE |                             \
     ZX_VM_REQUIRE_NON_RESIZABLE | ZX_VM_ALLOW_FAULTS | ZX_VM_OFFSET_IS_UPPER_LIMIT |                        \
     ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED)

static uint32_t sensible_permissions(uint32_t options)
{
    if ((options & (ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)) != 0 &&
        (options & ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED) == 0)
        options |= ZX_VM_PERM_READ;
    return options;
}

static uint32_t sensible_map_options(uint32_t options)
{
    options = sensible_permissions(options & MAP_OPTIONS);
    if ((options & ZX_VM_SPECIFIC_OVERWRITE) != 0)
        options &= ~ZX_VM_MAP_RANGE;
    if ((options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE)) != 0)
        options &= ~ZX_VM_OFFSET_IS_UPPER_LIMIT;
    return options;
}

/* One of the choices: itself where it is one, else whichever it falls on. */
static uint16_t choose(uint16_t value, const uint16_t *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (choices[i] == value)
            return value;
    }
    return choices[value % count];
}

/* One kind of child, and what goes with it. */
static uint16_t sensible_child_options(uint16_t options)
{
    static const uint16_t children[] = {
        ZX_VMO_CHILD_SNAPSHOT,
        ZX_VMO_CHILD_SLICE,
        ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_RESIZABLE,
        ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_NO_WRITE,
        ZX_VMO_CHILD_SLICE | ZX_VMO_CHILD_NO_WRITE,
        ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
        ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | ZX_VMO_CHILD_RESIZABLE,
        ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | ZX_VMO_CHILD_NO_WRITE,
    };

    return choose(options, children, sizeof children / sizeof children[0]);
}

/* What may be written or executed may be read; only memory of a device has a cache policy. */
static uint16_t sensible_alloc_options(const struct trace_op *op)
{
    uint32_t options = op->options & TRACE_ALLOC_ALL;

    if ((options & (TRACE_ALLOC_WRITE | TRACE_ALLOC_EXECUTE)) != 0)
        options |= TRACE_ALLOC_READ;
    if (op->code != TRACE_SPACE_ALLOC_PHYSICAL)
        options &= (1u << TRACE_ALLOC_CACHE_SHIFT) - 1;
    return (uint16_t)options;
}

static uint16_t normal_options(const struct trace_op *op)
{
    static const uint16_t vmo_ops[] = {ZX_VMO_OP_COMMIT,
                                       ZX_VMO_OP_DECOMMIT,
                                       ZX_VMO_OP_ZERO,
                                       ZX_VMO_OP_CACHE_SYNC,
                                       ZX_VMO_OP_CACHE_INVALIDATE,
                                       ZX_VMO_OP_CACHE_CLEAN,
                                       ZX_VMO_OP_CACHE_CLEAN_INVALIDATE,
                                       ZX_VMO_OP_DONT_NEED,
                                       ZX_VMO_OP_ALWAYS_NEED};
    static const uint16_t topics[] = {ZX_INFO_HANDLE_VALID, ZX_INFO_HANDLE_BASIC, ZX_INFO_VMAR,
                                      TRACE_TOPIC_UNKNOWN};
    static const uint16_t vmar_ops[] = {ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_MAP_RANGE,
                                        ZX_VMAR_OP_DONT_NEED, ZX_VMAR_OP_ALWAYS_NEED};
    static const uint16_t properties[] = {ZX_PROP_NAME, TRACE_PROPERTY_UNKNOWN};
    uint32_t options = op->options;

    /* Topics that were added later: others are still read as one of the first ones. */
    if (op->code == TRACE_OBJECT_GET_INFO &&
        (options == ZX_INFO_TASK_STATS || options == ZX_INFO_PROCESS_MAPS ||
         options == ZX_INFO_HANDLE_COUNT || options == ZX_INFO_VMO || options == ZX_INFO_KMEM_STATS))
        return op->options;
    switch (op->code) {
    case TRACE_VMO_REPLACE_AS_EXECUTABLE:
        return op->options % TRACE_VMEX_COUNT;
    case TRACE_VMAR_SET_MEMORY_PRIORITY:
        return op->options % 2;
    case TRACE_VMO_CREATE_PHYSICAL:
    case TRACE_VMO_SET_CACHE_POLICY:
        return op->options % VM_CACHE_POLICIES;
    case TRACE_HANDLE_CLOSE_MANY:
        return op->options % (TRACE_CLOSE_MANY_MAX + 1);
    case TRACE_OBJECT_GET_PROPERTY:
    case TRACE_OBJECT_SET_PROPERTY:
        return choose(op->options, properties, sizeof properties / sizeof properties[0]);
    case TRACE_OBJECT_GET_INFO:
        return choose(op->options, topics, sizeof topics / sizeof topics[0]);
    case TRACE_HARVEST_ACCESSED_BITS:
        return options & (TRACE_HARVEST_FREE | TRACE_HARVEST_NOTES | TRACE_HARVEST_TOUCH);
    case TRACE_SPACE_ALLOC:
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
    case TRACE_SPACE_ALLOC_PHYSICAL:
    case TRACE_SPACE_MAP_OBJECT:
        return sensible_alloc_options(op);
    case TRACE_SOFT_FAULT:
    case TRACE_SOFT_FAULT_IN_RANGE:
        return options & 0x6b; /* WRITE, USER, INSTRUCTION, HW_FAULT, SW_FAULT */
    case TRACE_PAGE_FAULT:
        return options & 0xff;
    default:
        break;
    }
    if (op->wild)
        return op->options;
    switch (op->code) {
    case TRACE_VMAR_ALLOCATE:
        options &= ALLOCATE_OPTIONS;
        return (uint16_t)((options & ZX_VM_SPECIFIC) ? options & ~ZX_VM_OFFSET_IS_UPPER_LIMIT : options);
    case TRACE_VMAR_MAP:
        return (uint16_t)sensible_map_options(options);
    case TRACE_VMAR_PROTECT:
        return (uint16_t)sensible_permissions(options & PERMISSIONS);
    case TRACE_VMO_CREATE:
        return options & ZX_VMO_RESIZABLE;
    case TRACE_PROCESS_CREATE: /* was added later: other values are still read as none */
        return options == ZX_PROCESS_SHARED ? ZX_PROCESS_SHARED : 0;
    case TRACE_VMO_OP_RANGE:
        return choose(op->options, vmo_ops, sizeof vmo_ops / sizeof vmo_ops[0]);
    case TRACE_VMAR_OP_RANGE:
        return choose(op->options, vmar_ops, sizeof vmar_ops / sizeof vmar_ops[0]);
    case TRACE_VMO_CREATE_CHILD:
        return sensible_child_options(op->options);
    default:
        return 0;
    }
}

/* Below the page size is rare, none is common. */
static uint8_t normal_align(const struct trace_op *op)
{
    if (op->wild || (op->align >= 10 && op->align <= 32))
        return op->align;
    return op->align < 128 || op->code == TRACE_VMAR_PROTECT ? 0 : (uint8_t)(12 + op->align % 21);
}

static void normalize_field(const struct trace_op *in, uint8_t kind, struct trace_op *out)
{
    switch (kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS_HANDLE:
        out->a = normal_slot(in->a, TRACE_SLOT_LAST);
        break;
    case TRACE_FIELD_VMO:
        out->b = normal_slot(in->b, TRACE_SLOT_LAST);
        break;
    case TRACE_FIELD_ANY:
        out->a = normal_slot(in->a, TRACE_SLOT_LAST);
        out->b = in->b % TRACE_TYPE_COUNT;
        break;
    case TRACE_FIELD_PROCESS:
        out->a = in->a % TRACE_PROCESSES;
        break;
    case TRACE_FIELD_JOB:
        out->a = in->wild ? in->a % 2 : 0;
        break;
    case TRACE_FIELD_SPACE:
        out->a = in->a % TRACE_SPACES;
        break;
    case TRACE_FIELD_TO:
        out->to = normal_slot(in->to, TRACE_TO_NULL_SECOND);
        break;
    case TRACE_FIELD_MARK:
        out->mark = normal_slot(in->mark, TRACE_MARK_ROOT);
        break;
    case TRACE_FIELD_OPTIONS:
        out->options = normal_options(in);
        break;
    case TRACE_FIELD_ALIGN:
        out->align = normal_align(in);
        break;
    case TRACE_FIELD_RIGHTS:
        out->mark = in->mark % TRACE_RIGHTS_COUNT;
        out->options = out->mark == TRACE_RIGHTS_SAME ? 0 : in->options;
        out->align = out->mark == TRACE_RIGHTS_SAME ? 0 : in->align;
        break;
    case TRACE_FIELD_NUMBER:
        out->b = in->b;
        if (in->code == TRACE_PROCESS_CREATE || in->code == TRACE_PROCESS_CREATE_SHARED)
            out->b = in->wild ? in->b % 2 : 0;
        if (in->code == TRACE_SELECT_PROCESSOR)
            out->b = in->b % TRACE_PROCESSORS_MAX;
        break;
    case TRACE_FIELD_FILL:
        out->align = in->align;
        break;
    case TRACE_FIELD_AMOUNT0:
    case TRACE_FIELD_AMOUNT1:
    case TRACE_FIELD_AMOUNT2:
        out->amount[kind - TRACE_FIELD_AMOUNT0] = in->amount[kind - TRACE_FIELD_AMOUNT0];
        if (kind == TRACE_FIELD_AMOUNT2)
            out->amount[2].value &= 0xff;
        normalize_amount(&out->amount[kind - TRACE_FIELD_AMOUNT0]);
        break;
    default:
        break;
    }
}

bool trace_has_wild(uint8_t code)
{
    for (size_t i = 0; i < LATER_CODES; i++) {
        if (later_codes[i].code == code && later_codes[i].wild)
            return true;
    }
    return trace_shapes[code].wild_weight != 0;
}

void trace_normalize(struct trace_op *op)
{
    struct trace_op out;

    memset(&out, 0, sizeof out);
    out.code = op->code % TRACE_CODE_COUNT;
    out.wild = op->wild && trace_has_wild(out.code);
    struct trace_op in = *op;
    in.code = out.code;
    in.wild = out.wild;
    for (const struct trace_field *f = trace_shapes[out.code].fields; f->kind != TRACE_FIELD_END; f++)
        normalize_field(&in, f->kind, &out);
    /* Options that place nothing come with no offset, which would only be refused. */
    if (!out.wild && (out.code == TRACE_VMAR_ALLOCATE || out.code == TRACE_VMAR_MAP) &&
        (out.options & (ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE | ZX_VM_OFFSET_IS_UPPER_LIMIT)) == 0)
        memset(&out.amount[0], 0, sizeof out.amount[0]);
    *op = out;
}

/* ---- Operations ---- */

size_t trace_count(size_t size)
{
    if (size <= TRACE_HEADER_SIZE)
        return 0;
    return (size - TRACE_HEADER_SIZE + TRACE_OPERATION_SIZE - 1) / TRACE_OPERATION_SIZE;
}

static void decode_code(uint8_t byte, struct trace_op *op)
{
    unsigned code = byte % CODES;

    if (byte >= CODES && code < LATER_CODES) {
        op->code = later_codes[code].code;
        op->wild = later_codes[code].wild;
        return;
    }
    for (uint8_t i = 0; i < TRACE_LATER; i++) {
        const struct trace_shape *shape = &trace_shapes[i];
        if (code < (unsigned)shape->weight + shape->wild_weight) {
            op->code = i;
            op->wild = code >= shape->weight;
            return;
        }
        code -= (unsigned)shape->weight + shape->wild_weight;
    }
}

static uint8_t encode_code(const struct trace_op *op)
{
    unsigned code = 0;

    for (uint8_t i = 0; i < LATER_CODES; i++) {
        if (later_codes[i].code == op->code && later_codes[i].wild == op->wild)
            return (uint8_t)(CODES + i);
    }
    for (uint8_t i = 0; i < op->code; i++)
        code += (unsigned)trace_shapes[i].weight + trace_shapes[i].wild_weight;
    return (uint8_t)(code + (op->wild ? trace_shapes[op->code].weight : 0));
}

void trace_decode(const uint8_t *bytes, size_t size, size_t index, struct trace_op *op)
{
    uint8_t b[TRACE_OPERATION_SIZE] = {0};
    const size_t at = TRACE_HEADER_SIZE + index * TRACE_OPERATION_SIZE;

    memcpy(b, bytes + at, size - at < sizeof b ? size - at : sizeof b);
    memset(op, 0, sizeof *op);
    decode_code(b[0], op);
    op->a = b[1];
    op->b = b[2];
    op->to = b[3];
    op->mark = b[4];
    op->options = (uint16_t)(b[5] | b[6] << 8);
    op->align = b[7];
    for (unsigned i = 0; i < 3; i++) {
        op->amount[i].kind = b[8 + 3 * i] & 31;
        op->amount[i].delta = b[8 + 3 * i] >> 5;
        op->amount[i].value = (uint16_t)(i == 2 ? b[15] : b[9 + 3 * i] | b[10 + 3 * i] << 8);
    }
    trace_normalize(op);
}

void trace_encode(const struct trace_op *op, uint8_t out[static TRACE_OPERATION_SIZE])
{
    out[0] = encode_code(op);
    out[1] = op->a;
    out[2] = op->b;
    out[3] = op->to;
    out[4] = op->mark;
    out[5] = (uint8_t)op->options;
    out[6] = (uint8_t)(op->options >> 8);
    out[7] = op->align;
    for (unsigned i = 0; i < 3; i++) {
        out[8 + 3 * i] = (uint8_t)(op->amount[i].kind | op->amount[i].delta << 5);
        out[9 + 3 * i] = (uint8_t)op->amount[i].value;
        if (i < 2)
            out[10 + 3 * i] = (uint8_t)(op->amount[i].value >> 8);
    }
}

/* ---- Digest ---- */

uint64_t trace_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * 0x100000001b3ull;
    return hash;
}

uint64_t trace_hash_u64(uint64_t hash, uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8)
        hash = (hash ^ (uint8_t)(value >> i)) * 0x100000001b3ull;
    return hash;
}

uint64_t trace_hash_record(uint64_t hash, const struct trace_op *op, const struct trace_record *record)
{
    hash = trace_hash_u64(hash, op->code);
    hash = trace_hash_u64(hash, (uint64_t)(int64_t)record->status);
    hash = trace_hash_u64(hash, record->argument_count);
    hash = trace_hash_u64(hash, record->result_count);
    for (uint32_t i = 0; i < record->argument_count; i++)
        hash = trace_hash_u64(hash, record->arguments[i]);
    for (uint32_t i = 0; i < record->result_count; i++)
        hash = trace_hash_u64(hash, record->results[i]);
    hash = trace_hash_u64(hash, record->data_size);
    return trace_hash_u64(hash, record->data_hash);
}
