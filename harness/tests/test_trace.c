/* SPDX-License-Identifier: MIT */
/* test_trace.c: the encoding of traces, their text form, their digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vm/aspace.h>
#include <vm/format.h>
#include <zircon/syscalls.h>

#include "../../fuzz/run.h"
#include "../../fuzz/trace.h"

#define PAGE ((uint64_t)ZX_PAGE_SIZE)

/* ---- Helpers ---- */

static uint64_t random_state;

static uint8_t random_byte(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(random_state >> 56);
}

static void random_bytes(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = random_byte();
}

struct text_sink {
    struct vm_sink sink;
    char *text;
    size_t size, capacity;
};

static void text_write(struct vm_sink *self, const char *text, size_t size)
{
    struct text_sink *sink = (struct text_sink *)self;

    if (sink->size + size + 1 > sink->capacity) {
        sink->capacity = 2 * (sink->size + size + 1);
        sink->text = realloc(sink->text, sink->capacity);
        assert_non_null(sink->text);
    }
    memcpy(sink->text + sink->size, text, size);
    sink->size += size;
    sink->text[sink->size] = '\0';
}

static struct text_sink print_trace(const uint8_t *bytes, size_t size)
{
    struct text_sink sink = {.sink = {text_write}};

    trace_print(&sink.sink, bytes, size);
    return sink;
}

/* Assembles text that must be right. */
static size_t parse(const char *text, uint8_t *out, size_t capacity)
{
    struct trace_parse_error error;
    const size_t size = trace_parse(text, strlen(text), out, capacity, &error);

    if (size == SIZE_MAX)
        fail_msg("line %u: %s", error.line, error.message);
    return size;
}

static struct trace_result run_bytes(const uint8_t *bytes, size_t size, unsigned check_every)
{
    const struct trace_options options = {.check_every = check_every};
    struct trace_result result;

    trace_run(bytes, size, &options, &result);
    return result;
}

/* ---- Encoding ---- */

#define FIRST_FREE_CODE 179 /* moves up when an operation is added */

static void every_byte_string_decodes_to_canonical_operations(void **state)
{
    uint8_t bytes[TRACE_HEADER_SIZE + TRACE_OPERATION_SIZE], encoded[TRACE_OPERATION_SIZE];
    struct trace_op op, again;

    (void)state;
    random_state = 1;
    for (int i = 0; i < 200000; i++) {
        random_bytes(bytes, sizeof bytes);
        trace_decode(bytes, sizeof bytes, 0, &op);
        assert_true(op.code < TRACE_CODE_COUNT);
        again = op;
        trace_normalize(&again);
        assert_memory_equal(&op, &again, sizeof op);
        trace_encode(&op, encoded);
        assert_true(encoded[0] < FIRST_FREE_CODE);
        memcpy(bytes + TRACE_HEADER_SIZE, encoded, sizeof encoded);
        trace_decode(bytes, sizeof bytes, 0, &again);
        assert_memory_equal(&op, &again, sizeof op);
    }
}

static void every_header_decodes(void **state)
{
    uint8_t bytes[TRACE_HEADER_SIZE], encoded[TRACE_HEADER_SIZE];
    struct trace_header header, again;

    (void)state;
    random_state = 2;
    for (int i = 0; i < 20000; i++) {
        random_bytes(bytes, sizeof bytes);
        trace_decode_header(bytes, (size_t)i % (TRACE_HEADER_SIZE + 1), &header);
        assert_true(header.memory_pages >= 64 && header.memory_pages <= 4096);
        assert_true(header.entropy_bits <= 36 && header.compact_entropy_bits <= 36);
        assert_true(header.processors >= 1 && header.processors <= TRACE_PROCESSORS_MAX);
        trace_encode_header(&header, encoded);
        trace_decode_header(encoded, sizeof encoded, &again);
        assert_memory_equal(&header, &again, sizeof header);
    }
}

static void codes_are_dealt_out_completely(void **state)
{
    unsigned sum = 0;

    (void)state;
    for (unsigned i = 0; i < TRACE_CODE_COUNT; i++) {
        assert_non_null(trace_shapes[i].name);
        assert_int_equal(trace_shapes[i].weight > 0, i < TRACE_LATER);
        sum += trace_shapes[i].weight + trace_shapes[i].wild_weight;
    }
    assert_int_equal(sum, 128);
}

/* What a written trace means may never change: the canonical codes of version 1. */
static void codes_stay_what_they_are(void **state)
{
    static const uint8_t codes[] = {0,  14, 34, 43, 53, 57,  65,  68,  72,  76,  78, 84,
                                    87, 91, 93, 96, 99, 107, 116, 119, 122, 124, 126};
    uint8_t bytes[TRACE_HEADER_SIZE + 1] = {0};
    struct trace_op op;

    (void)state;
    assert_int_equal(sizeof codes, TRACE_LATER);
    for (unsigned i = 0; i < TRACE_LATER; i++) {
        for (unsigned high = 0; high < 256; high += 128) {
            if (high != 0 && codes[i] + high < FIRST_FREE_CODE)
                continue;
            bytes[TRACE_HEADER_SIZE] = (uint8_t)(codes[i] + high);
            trace_decode(bytes, sizeof bytes, 0, &op);
            assert_int_equal(op.code, i);
            assert_false(op.wild);
        }
        bytes[TRACE_HEADER_SIZE] =
            (uint8_t)(codes[i] + trace_shapes[i].weight + trace_shapes[i].wild_weight - 1);
        trace_decode(bytes, sizeof bytes, 0, &op);
        assert_int_equal(op.code, i);
        assert_int_equal(op.wild, trace_shapes[i].wild_weight != 0);
    }
}

static void later_codes_stay_what_they_are(void **state)
{
    static const struct {
        uint8_t code;
        bool wild;
    } later[FIRST_FREE_CODE - 128] = {
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
    uint8_t bytes[TRACE_HEADER_SIZE + TRACE_OPERATION_SIZE] = {0}, encoded[TRACE_OPERATION_SIZE];
    struct trace_op op;

    (void)state;
    for (unsigned i = 0; i < FIRST_FREE_CODE - 128; i++) {
        bytes[TRACE_HEADER_SIZE] = (uint8_t)(128 + i);
        trace_decode(bytes, sizeof bytes, 0, &op);
        assert_int_equal(op.code, later[i].code);
        assert_int_equal(op.wild, later[i].wild);
        trace_encode(&op, encoded);
        assert_int_equal(encoded[0], 128 + i);
    }
}

static void operations_are_counted_partial_ones_too(void **state)
{
    (void)state;
    assert_int_equal(trace_count(0), 0);
    assert_int_equal(trace_count(16), 0);
    assert_int_equal(trace_count(17), 1);
    assert_int_equal(trace_count(32), 1);
    assert_int_equal(trace_count(33), 2);
}

static void a_partial_operation_is_padded_with_zeroes(void **state)
{
    uint8_t whole[48] = {0}, part[48];
    struct trace_op a, b;

    (void)state;
    memset(part, 0xff, sizeof part);
    whole[32] = part[32] = 14;
    whole[33] = part[33] = 5;
    trace_decode(whole, 48, 1, &a);
    trace_decode(part, 34, 1, &b);
    assert_memory_equal(&a, &b, sizeof a);
}

/* ---- Text ---- */

static void binary_to_text_to_binary_is_lossless(void **state)
{
    static uint8_t bytes[400], again[400];
    struct trace_parse_error error;

    (void)state;
    random_state = 3;
    for (size_t i = 0; i < 3000; i++) {
        const size_t size = i % sizeof bytes;
        random_bytes(bytes, size);
        struct text_sink text = print_trace(bytes, size);
        const size_t parsed = trace_parse(text.text, text.size, again, sizeof again, &error);
        if (parsed == SIZE_MAX)
            fail_msg("line %u: %s\n%s", error.line, error.message, text.text);
        assert_int_equal(parsed, size);
        assert_memory_equal(bytes, again, size);
        free(text.text);
    }
}

static void text_to_binary_to_text_is_lossless(void **state)
{
    static uint8_t bytes[64 * 16];
    static const char text[] =
        "trace memory=256 aslr=off entropy=12 compact=3 processors=4 fail-from=77 seed=18446744073709551615\n"
        "vmo_create size=pages:4 options=RESIZABLE to=3\n"
        "vmar_map vmar=own options=PERM_READ|PERM_WRITE|SPECIFIC align=21 offset=pages:16 vmo=3 "
        "vmo_offset=pages:1 "
        "len=whole-minus:2,-page mark=root to=7\n"
        "vmar_map! vmar=wrong-type options=CAN_MAP_READ|UNDEFINED align=255 offset=minus-pages:1 vmo=closed "
        "len=pow2:63,-byte\n"
        "vmar_protect vmar=0 options=PERM_READ addr=mark-page:3 len=pages:1 mark=7\n"
        "handle_duplicate handle=vmo:3 rights=minus:0x28 to=null\n"
        "object_get_info handle=process:own options=HANDLE_BASIC\n"
        "vmo_op_range vmo=3 options=COMMIT size=whole\n"
        "soft_fault process=2 options=WRITE|USER addr=mark-byte:4097 mark=7\n"
        "write addr=mark-end,-byte size=bytes:2 fill=200 mark=7\n"
        "process_create options=SHARED to=2\n"
        "process_create! job=garbage name=1 options=SHARED|0x2\n"
        "fail_allocation nth=3\n"
        "vmo_replace_as_executable handle=vmo:3 vmex=same to=4\n"
        "vmar_op_range vmar=own options=DECOMMIT addr=mark-page:2 len=mark-size mark=7 to=null-second\n"
        "vmar_op_range! vmar=5 options=65535\n"
        "process_read_memory process=own addr=mark,+byte size=bytes:100 mark=7 to=null\n"
        "process_write_memory process=9 addr=mark size=pages:1 fill=255 mark=7\n"
        "object_get_property handle=vmo:4 options=NAME size=bytes:32\n"
        "object_set_property handle=process:own options=UNKNOWN size=bytes:31 fill=65\n"
        "process_create_shared process=own to=null-second\n"
        "process_create_shared! process=garbage name=1 options=0x80\n"
        "process_exit process=15\n"
        "vmo_create_physical offset=2m:1 size=pages:3 policy=WRITE_COMBINING to=9\n"
        "vmo_set_cache_policy vmo=9 policy=UNCACHED_DEVICE\n"
        "cprng_draw size=bytes:64\n"
        "ticks_get\n"
        "select_processor processor=3\n"
        "handle_close handle=vmar:foreign bytes=54c3a8ff\n";

    (void)state;
    const size_t size = parse(text, bytes, sizeof bytes);
    struct text_sink again = print_trace(bytes, size);
    assert_string_equal(again.text, text);
    free(again.text);
}

static void comments_and_empty_lines_are_skipped(void **state)
{
    uint8_t a[64], b[64];

    (void)state;
    const size_t size =
        parse("# a story\n\n  trace seed=1 memory=64 # its machine\r\n\t\nvmo_create to=1\n#\n", a, 64);
    assert_int_equal(size, 32);
    assert_int_equal(parse("trace memory=64 seed=1\nvmo_create to=1", b, 64), 32);
    assert_memory_equal(a, b, 32);
}

static void wrong_text_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *says;
    } cases[] = {
        {"", 0, "found no line"},
        {"# nothing\n", 1, "found no line"},
        {"vmo_create\n", 1, "starts with \"trace\""},
        {"trace memory=65\n", 1, "64, 96, 128"},
        {"trace entropy=37\n", 1, "up to 36"},
        {"trace colour=1\n", 1, "\"colour\""},
        {"trace processors=0\n", 1, "one processor or more"},
        {"trace processors=5\n", 1, "up to 4"},
        {"trace\nvmo_invent\n", 2, "\"vmo_invent\""},
        {"trace\nvmo_read!\n", 2, "\"vmo_read!\""},
        {"trace\nprocess_read_memory!\n", 2, "\"process_read_memory!\""},
        {"trace\nvmar_op_range options=RESIZABLE\n", 2, "\"RESIZABLE\""},
        {"trace\nvmar_op_range options=4\n", 2, "!"},
        {"trace\n\nvmo_create size\n", 3, "label=value"},
        {"trace\nvmo_create sise=0\n", 2, "a label that this operation has"},
        {"trace\nvmo_create size=pages\n", 2, "a colon and a number"},
        {"trace\nvmo_create size=pages:x\n", 2, "a number"},
        {"trace\nvmo_create size=pages:65536\n", 2, "up to 65535"},
        {"trace\nvmo_create options=SPECIFIC\n", 2, "\"SPECIFIC\""},
        {"trace\nvmar_map options=CAN_MAP_READ\n", 2, "!"},
        {"trace\nvmar_map vmar=64\n", 2, "vmar: expected"},
        {"trace\nvmar_map to=64 vmar=1\n", 2, "found \"to=64\""},
        {"trace\nvmar_map len=0:1\n", 2, "found \"len=0:1\""},
        {"trace\nvmo_create to=1 to=1\n", 2, "once, found \"to=1\""},
        {"trace fail=1 fail-from=1\n", 1, "once, found \"fail-from=1\""},
        {"trace\nvmo_create bytes=39 bytes=39\n", 2, "once"},
        {"trace\nvmo\033\377\n", 2, "\"vmo\\x1b\\xff\""},
        {"trace\nvmo_create bytes=zz\n", 2, "hexadecimal"},
        {"trace\nvmo_create bytes=00\n", 2, "mean what the line says"},
        {"trace\nvmo_create bytes=39\nvmo_create\n", 3, "cut short"},
        {"trace\nhandle_close\nhandle_close\nhandle_close\n\nhandle_close\n", 6,
         "at most 3 operations, found more"},
    };
    uint8_t out[64];
    struct trace_parse_error error;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(trace_parse(cases[i].text, strlen(cases[i].text), out, sizeof out, &error),
                         SIZE_MAX);
        if (error.line != cases[i].line || strstr(error.message, cases[i].says) == NULL)
            fail_msg("%s: line %u: %s", cases[i].text, error.line, error.message);
    }
}

static void any_text_is_survived(void **state)
{
    static const char alphabet[] = "trace vmo_create=:,|!#\n0x9 size pages bytes= vmar_map own +-";
    static char text[300];
    static uint8_t out[256];
    struct trace_parse_error error;

    (void)state;
    random_state = 4;
    for (int i = 0; i < 20000; i++) {
        const size_t size = (size_t)random_byte() + 6;
        memcpy(text, "trace\n", 6);
        for (size_t j = 6; j < size; j++)
            text[j] = alphabet[random_byte() % (sizeof alphabet - 1)];
        trace_parse(text, size, out, sizeof out, &error);
    }
}

/* ---- Runs ---- */

static void the_hash_is_fnv_1a(void **state)
{
    (void)state;
    assert_true(trace_hash(TRACE_DIGEST_START, "", 0) == 0xcbf29ce484222325ull);
    assert_true(trace_hash(TRACE_DIGEST_START, "a", 1) == 0xaf63dc4c8601ec8cull);
    assert_true(trace_hash(TRACE_DIGEST_START, "foobar", 6) == 0x85944171f73967e8ull);
    assert_true(trace_hash_u64(TRACE_DIGEST_START, 0x0706050403020100ull) ==
                trace_hash(TRACE_DIGEST_START, "\0\1\2\3\4\5\6\7", 8));
}

static void random_bytes_run_and_give_the_same_digest_again(void **state)
{
    static uint8_t bytes[16 + 40 * 16];

    (void)state;
    random_state = 5;
    for (int i = 0; i < 300; i++) {
        const size_t size = (size_t)i < sizeof bytes ? (size_t)i * 2 : sizeof bytes;
        random_bytes(bytes, size);
        const struct trace_result first = run_bytes(bytes, size, 1);
        assert_int_equal(first.status, ZX_OK);
        assert_int_equal(first.operations, trace_count(size));
        const struct trace_result second = run_bytes(bytes, size, 0);
        assert_true(first.digest == second.digest);
        assert_true(first.allocations == second.allocations);
    }
}

static const char story[] = "trace memory=256 seed=7\n"
                            "vmo_create size=pages:8 options=RESIZABLE\n"
                            "vmar_map vmar=own options=PERM_READ|PERM_WRITE vmo=0 len=pages:8 to=1\n"
                            "write addr=mark-page:1,-byte size=bytes:100 fill=5 mark=1\n"
                            "read addr=mark size=pages:2 mark=1\n"
                            "vmar_unmap vmar=own addr=mark-page:3 len=pages:2 mark=1\n"
                            "read addr=mark-page:3,-byte size=bytes:2 mark=1\n"
                            "vmo_set_size vmo=0 size=pages:1\n"
                            "read addr=mark-page:1 size=bytes:1 mark=1\n";

struct seen {
    zx_status_t statuses[16];
    uint64_t first_results[16];
    uint32_t count;
};

static bool see(void *context, uint32_t index, const struct trace_op *op, const struct trace_record *record)
{
    struct seen *seen = context;

    (void)op;
    assert_int_equal(index, seen->count);
    seen->statuses[seen->count] = record->status;
    seen->first_results[seen->count++] = record->result_count > 0 ? record->results[0] : 0;
    return true;
}

static void a_story_runs_as_told(void **state)
{
    static const zx_status_t statuses[] = {
        ZX_OK, ZX_OK, ZX_OK, ZX_OK, ZX_OK, ZX_ERR_NOT_FOUND, ZX_OK, ZX_ERR_OUT_OF_RANGE};
    uint8_t bytes[256];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(story, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(result.operations, 8);
    assert_int_equal(seen.count, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[5], 1); /* one byte before the hole */
}

static void the_seed_decides_places(void **state)
{
    uint8_t bytes[256];
    const size_t size = parse(story, bytes, sizeof bytes);

    (void)state;
    const struct trace_result one = run_bytes(bytes, size, 0);
    bytes[8]++;
    const struct trace_result other = run_bytes(bytes, size, 0);
    assert_int_equal(other.status, ZX_OK);
    assert_true(one.digest != other.digest);
}

static const char regions[] =
    "trace memory=512 entropy=6 seed=3\n"
    "vmar_allocate vmar=own options=CAN_MAP_READ|CAN_MAP_WRITE|CAN_MAP_SPECIFIC size=pages:100 to=1\n"
    "vmar_allocate vmar=1 options=CAN_MAP_READ|COMPACT align=14 size=pages:9 to=2\n"
    "vmo_create size=pages:20 to=1\n"
    "vmar_map vmar=1 options=PERM_READ|PERM_WRITE|SPECIFIC offset=pages:40 vmo=1 len=pages:6 to=3\n"
    "vmar_map vmar=1 options=PERM_READ|OFFSET_IS_UPPER_LIMIT offset=pages:30 vmo=1 vmo_offset=pages:2 "
    "len=pages:3 to=4\n"
    "vmar_protect vmar=1 options=PERM_READ addr=mark-page:2 len=pages:2 mark=3\n"
    "write addr=mark-page:4,-byte size=bytes:2 fill=9 mark=3\n"
    "write addr=mark-page:4 size=bytes:5000 fill=9 mark=3\n"
    "read addr=mark-page:1 size=pages:2 mark=3\n"
    "vmar_unmap vmar=own addr=mark len=pages:100 mark=1\n"
    "vmar_destroy vmar=2\n"
    "vmar_destroy vmar=own\n"
    "vmar_map vmar=2 options=PERM_READ vmo=1 len=pages:1\n";

static const char objects[] = "trace memory=512 aslr=off seed=4\n"
                              "vmo_create size=pages:6 options=RESIZABLE to=1\n"
                              "vmo_write vmo=1 offset=bytes:4090 size=bytes:900 fill=3\n"
                              "vmo_read vmo=1 size=pages:3\n"
                              "vmo_op_range vmo=1 options=COMMIT size=whole\n"
                              "vmo_op_range vmo=1 options=ZERO offset=bytes:4000 size=bytes:200\n"
                              "vmo_set_size vmo=1 size=pages:2\n"
                              "vmo_get_size vmo=1\n"
                              "handle_duplicate handle=vmo:1 rights=minus:0x8 to=2\n"
                              "vmo_write vmo=2 size=bytes:1\n"
                              "handle_replace handle=vmo:2 rights=raw:0x24 to=3\n"
                              "handle_close handle=vmo:1\n"
                              "object_get_info handle=vmo:3 options=HANDLE_BASIC\n"
                              "process_create to=5\n"
                              "vmar_map vmar=5 options=PERM_READ vmo=3 len=whole-minus:1 to=6\n"
                              "vmar_map vmar=5 options=PERM_READ vmo=3 len=pages:2 to=7\n"
                              "soft_fault process=1 options=USER|HW_FAULT addr=mark mark=7\n"
                              "page_fault process=1 options=USER|WRITE addr=mark mark=7\n"
                              "execute process=1 addr=mark mark=7\n"
                              "select_process process=1\n"
                              "object_get_info handle=vmar:own options=VMAR\n"
                              "fail_allocation nth=1\n"
                              "vmo_create size=pages:1 to=9\n";

/* A VMO, a slice and a snapshot of it. */
static const char family[] = "trace memory=256 seed=11\n"
                             "vmo_create size=pages:4 to=1\n"
                             "vmo_write vmo=1 size=pages:2 fill=1\n"
                             "vmo_create_child vmo=1 options=SLICE offset=pages:1 size=pages:3 to=2\n"
                             "vmo_create_child vmo=1 options=SNAPSHOT|RESIZABLE size=pages:5 to=3\n"
                             "vmo_create_child! vmo=3 options=SNAPSHOT|0x40 size=pages:1 to=4\n"
                             "vmar_map vmar=own options=PERM_READ|PERM_WRITE vmo=3 len=pages:4 to=1\n"
                             "write addr=mark-page:1 size=bytes:10 fill=7 mark=1\n"
                             "vmo_write vmo=2 offset=pages:1,-byte size=bytes:2 fill=9\n"
                             "vmo_read vmo=1 size=pages:4\n"
                             "read addr=mark size=pages:2 mark=1\n"
                             "vmo_set_size vmo=2 size=pages:1\n"
                             "vmo_set_size vmo=3 size=pages:3\n"
                             "vmo_op_range vmo=3 options=DECOMMIT size=pages:1\n"
                             "handle_close handle=vmo:1\n"
                             "object_get_info handle=vmo:2 options=VMO\n"
                             "object_get_info handle=vmo:3 options=VMO\n";

/* Memory for devices, some of it mapped with a large page. */
static const char devices[] =
    "trace memory=2048 seed=13\n"
    "vmo_create_contiguous size=2m:1 align=21 to=1\n"
    "vmar_map vmar=own options=PERM_READ|PERM_WRITE align=21 vmo=1 len=2m:1 to=1\n"
    "write addr=mark-page:99 size=pages:2 fill=3 mark=1\n"
    "vmar_protect vmar=own options=PERM_READ addr=mark-page:100 len=pages:1 mark=1\n"
    "write addr=mark-page:99 size=pages:2 fill=4 mark=1\n"
    "read addr=mark-page:99 size=pages:2 mark=1\n"
    "vmo_create size=pages:4 options=RESIZABLE to=2\n"
    "vmo_pin vmo=2 offset=pages:1 size=pages:1\n"
    "vmo_set_size vmo=2 size=pages:1\n"
    "vmo_create_child vmo=2 options=SNAPSHOT size=whole to=3\n"
    "handle_close_many handle=vmo:1 count=2\n"
    "vmo_unpin pin=5\n"
    "vmo_unpin\n";

static void devices_run_as_told(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_ACCESS_DENIED,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_BAD_STATE,
                                           ZX_ERR_BAD_STATE,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK};
    uint8_t bytes[256];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(devices, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, sizeof statuses / sizeof statuses[0]);
    for (unsigned i = 0; i < seen.count; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[4], PAGE);
}

/* Three processes that share a space, seen from three processors. */
static const char sharing[] = "trace memory=512 processors=3 seed=17\n"
                              "process_create options=SHARED to=1\n"
                              "process_create_shared process=1 to=2\n"
                              "process_create_shared process=own to=3\n"
                              "vmo_create size=pages:4 to=1\n"
                              "vmar_map vmar=1 options=PERM_READ|PERM_WRITE vmo=1 len=pages:4 to=4\n"
                              "write process=1 addr=mark size=bytes:9 fill=7 mark=4\n"
                              "select_processor processor=1\n"
                              "read process=2 addr=mark size=bytes:9 mark=4\n"
                              "select_processor processor=2\n"
                              "process_exit process=1\n"
                              "read process=2 addr=mark size=bytes:9 mark=4\n"
                              "vmar_unmap vmar=1 addr=mark len=pages:1 mark=4\n"
                              "select_processor processor=1\n"
                              "read process=2 addr=mark size=bytes:9 mark=4\n"
                              "process_exit process=9\n"
                              "process_create_shared process=1 to=5\n";

static void sharing_runs_as_told(void **state)
{
    static const zx_status_t statuses[] = {
        ZX_OK, ZX_OK, ZX_ERR_INVALID_ARGS, ZX_OK, ZX_OK,           ZX_OK, ZX_OK, ZX_OK, ZX_OK, ZX_OK, ZX_OK,
        ZX_OK, ZX_OK, ZX_ERR_NOT_FOUND,    ZX_OK, ZX_ERR_BAD_STATE};
    uint8_t bytes[16 * 32];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(sharing, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, sizeof statuses / sizeof statuses[0]);
    for (unsigned i = 0; i < seen.count; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[10], 9);
}

/* Memory of a device's, random numbers, the clock. */
static const char machine[] = "trace memory=64 seed=19\n"
                              "vmo_create_physical offset=pages:2 size=pages:4 policy=UNCACHED to=1\n"
                              "vmo_create_physical size=2m:1 to=2\n"
                              "vmar_map vmar=own options=PERM_READ|PERM_WRITE vmo=1 len=pages:4 to=1\n"
                              "vmar_map vmar=own options=PERM_READ align=21 vmo=2 len=2m:1 to=2\n"
                              "write addr=mark-page:1 size=bytes:9 fill=7 mark=1\n"
                              "read addr=mark-page:3 size=bytes:9 mark=2\n"
                              "vmo_set_cache_policy vmo=1 policy=CACHED\n"
                              "vmo_read vmo=1 size=bytes:9\n"
                              "cprng_draw size=bytes:40\n"
                              "ticks_get\n"
                              "cprng_draw size=bytes:40\n"
                              "vmo_create_physical size=pages:1,+byte\n";

static void the_machine_runs_as_told(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_BAD_STATE,
                                           ZX_ERR_NOT_SUPPORTED,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_INVALID_ARGS};
    uint8_t bytes[16 * 16];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(machine, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, sizeof statuses / sizeof statuses[0]);
    for (unsigned i = 0; i < seen.count; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    /* The device's memory begins as zeroes each time. */
    const uint64_t digest = result.digest;
    assert_true(run_bytes(bytes, parse(machine, bytes, sizeof bytes), 0).digest == digest);
}

/* Each of those from 152 on, but for the accesses of processes. */
static const char spaces[] =
    "trace memory=1024 seed=5\nvmo_create size=pages:9 to=1\nvmo_replace_as_executable handle=vmo:1 to=1\n"
    "vmar_map vmar=own options=PERM_READ|PERM_WRITE vmo=1 len=pages:9 to=1\n"
    "soft_fault_in_range options=WRITE|USER addr=mark len=pages:3 mark=1\naccessed_fault addr=mark mark=1\n"
    "harvest_accessed_bits options=FREE_UNACCESSED|TOUCH addr=mark mark=1\ndrop_page_tables\n"
    "drop_all_page_tables\naspace_rename size=bytes:40 fill=2\nfind_region addr=mark mark=1\n"
    "aspace_enumerate\nget_memory_usage\nguest_create space=guest-2\n"
    "space_map_object space=guest-2 options=READ|WRITE vmo=1 size=pages:9 to=2\n"
    "space_write space=guest-2 addr=mark size=bytes:9 fill=7 mark=2\n"
    "space_read space=guest-2 addr=mark size=bytes:9 mark=2\nspace_execute space=guest-2 addr=mark mark=2\n"
    "space_alloc options=READ|WRITE size=pages:2 to=3\nspace_free_region addr=mark mark=3\n"
    "space_alloc_contiguous options=COMMIT|READ size=pages:2 to=3\n"
    "space_alloc_physical options=READ size=pages:2 to=4\nguest_destroy space=guest-2\n"
    "vmo_create size=pages:2 to=2\nvmo_declare_vdso vmo=2 size=pages:1\nvdso_address len=pages:1\n"
    "valloc_init size=2m:1 guard=1\nvalloc_alloc size=pages:3 to=5\nvalloc_free from=pages:1 size=pages:1\n"
    "valloc_allocate_range size=pages:1 to=6\nvalloc_free_all\nvalloc_destroy\n";

/* What a written trace does may not change when operations are added, nor may the digest of what it did. Memory is never short
   in these, so no detail of the core's bookkeeping shows. */
static void digests_stay_what_they_are(void **state)
{
    static const struct {
        const char *text;
        uint64_t digest;
    } pinned[] = {
        {story, 0x2e281f17094daac1ull},   {regions, 0xa3192c0f6d832953ull}, {objects, 0xb260f494ce14ad9dull},
        {devices, 0x29ae55dbbb97bd13ull}, {family, 0xa0e5b98523d645b5ull},  {sharing, 0x47111c104173ede4ull},
        {machine, 0xf2521773a9b8f14cull}, {spaces, 0x89bece23498b48a2ull},
    };
    static uint8_t bytes[TRACE_HEADER_SIZE + 200 * TRACE_OPERATION_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        const size_t size = parse(pinned[i].text, bytes, sizeof bytes);
        const struct trace_result result = run_bytes(bytes, size, 1);
        assert_int_equal(result.status, ZX_OK);
        if (result.digest != pinned[i].digest)
            fail_msg("pinned trace %zu gives %016llx", i, (unsigned long long)result.digest);
    }
    /* Bytes that no writer writes, codes below 124 only: no allocation is made to fail. */
    random_state = 6;
    random_bytes(bytes, sizeof bytes);
    memset(bytes, 0, TRACE_HEADER_SIZE);
    bytes[1] = 7; /* 4096 pages */
    for (size_t at = TRACE_HEADER_SIZE; at < sizeof bytes; at += TRACE_OPERATION_SIZE)
        bytes[at] %= 124;
    const struct trace_result result = run_bytes(bytes, sizeof bytes, 1);
    assert_int_equal(result.status, ZX_OK);
    if (result.digest != 0xe7f81280eeb5be02ull)
        fail_msg("the random bytes give %016llx", (unsigned long long)result.digest);
}

static void children_run_as_told(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_INVALID_ARGS,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_UNAVAILABLE,
                                           ZX_OK,
                                           ZX_ERR_NOT_SUPPORTED,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK};
    uint8_t bytes[512];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(family, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, 16);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[3], 3); /* the slot */
}

static const char closing[] = "trace memory=128 seed=12\n"
                              "vmo_create size=pages:2 to=1\n"
                              "vmo_create_child vmo=1 options=SLICE size=whole to=2\n"
                              "process_create to=3\n"
                              "handle_close_many handle=vmo:1 count=2 to=null\n"
                              "handle_close_many handle=vmo:2 count=2\n"
                              "handle_close_many handle=vmo:2 count=1\n"
                              "object_get_info handle=vmar:0 options=KMEM_STATS\n"
                              "handle_close_many! handle=process:3 count=2\n"
                              "handle_close_many handle=process:own count=2\n"
                              "object_get_info handle=process:0 options=KMEM_STATS to=null-second\n";

static void many_handles_close_at_once(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK, ZX_OK, ZX_OK, ZX_ERR_INVALID_ARGS, ZX_OK,
                                           ZX_OK, ZX_OK, ZX_OK, ZX_ERR_BAD_HANDLE,   ZX_ERR_BAD_HANDLE};
    uint8_t bytes[256];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(closing, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, sizeof statuses / sizeof statuses[0]);
    for (unsigned i = 0; i < seen.count; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[6], 128 * PAGE);
}

static const char executable[] =
    "trace memory=256 seed=7\n"
    "vmo_create size=pages:4 to=1\n"
    "vmo_replace_as_executable handle=vmo:1 vmex=same to=2\n"
    "vmo_replace_as_executable handle=vmo:1 to=2\n"
    "vmar_map vmar=own options=PERM_READ|PERM_EXECUTE vmo=2 len=pages:4 to=1\n"
    "execute addr=mark mark=1\n"
    "vmar_protect vmar=own options=PERM_READ addr=mark-page:1 len=pages:1 mark=1\n"
    "execute addr=mark-page:1 mark=1\n"
    "vmar_op_range vmar=own options=COMMIT addr=mark len=pages:4 mark=1\n"
    "process_write_memory process=own addr=mark-page:1 size=pages:4 fill=8 mark=1\n"
    "vmar_op_range vmar=own options=DECOMMIT addr=mark-page:2 len=pages:1 mark=1\n"
    "process_read_memory process=own addr=mark-page:1 size=pages:2 mark=1\n"
    "object_set_property handle=vmo:2 options=NAME size=bytes:6 fill=65\n"
    "object_get_property handle=vmo:2 options=NAME size=bytes:32\n"
    "vmar_op_range vmar=own options=MAP_RANGE addr=mark len=pages:5 mark=1\n";

static void later_operations_run_as_told(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK,
                                           ZX_ERR_BAD_HANDLE,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_ACCESS_DENIED,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_BAD_STATE};
    uint8_t bytes[256];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(executable, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, 14);
    for (unsigned i = 0; i < 14; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[8], 3 * PAGE);
    assert_int_equal(seen.first_results[10], 2 * PAGE);
}

static const char telling[] =
    "trace memory=256 seed=9\n"
    "vmar_allocate vmar=own options=CAN_MAP_READ|CAN_MAP_WRITE|CAN_MAP_SPECIFIC size=pages:9 to=1\n"
    "vmo_create size=pages:6 options=RESIZABLE to=1\n"
    "vmar_map vmar=1 options=PERM_READ|PERM_WRITE|SPECIFIC vmo=1 len=pages:4 to=2\n"
    "vmar_map vmar=own options=PERM_READ vmo=1 vmo_offset=pages:1 len=pages:2 to=3\n"
    "vmar_protect vmar=1 options=PERM_READ addr=mark-page:1 len=pages:2 mark=2\n"
    "object_get_info handle=process:own options=PROCESS_MAPS\n"
    "object_get_info handle=process:own options=PROCESS_MAPS to=null-second\n"
    "object_get_info handle=process:own options=TASK_STATS\n"
    "object_get_info handle=vmo:1 options=VMO\n"
    "object_get_info handle=vmo:1 options=HANDLE_COUNT\n"
    "object_get_info handle=vmo:1 options=HANDLE_COUNT to=null-second\n"
    "object_get_info handle=vmo:1 options=TASK_STATS\n"
    "handle_duplicate handle=vmo:1 rights=minus:0x8000 to=2\n"
    "object_get_info handle=vmo:2 options=HANDLE_COUNT\n"
    "object_get_info handle=vmo:2 options=VMO\n";

static void memory_is_told(void **state)
{
    static const zx_status_t statuses[] = {ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_OK,
                                           ZX_ERR_BUFFER_TOO_SMALL,
                                           ZX_ERR_WRONG_TYPE,
                                           ZX_OK,
                                           ZX_ERR_ACCESS_DENIED,
                                           ZX_OK};
    uint8_t bytes[256];
    struct seen seen = {.count = 0};
    const struct trace_options options = {.check_every = 1, .observe = see, .context = &seen};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(telling, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(seen.count, 15);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(seen.statuses[i], statuses[i]);
    assert_int_equal(seen.first_results[5], 2); /* VMARs: the root and one below */
    assert_int_equal(seen.first_results[7], 6 * PAGE);
    assert_int_equal(seen.first_results[9], 1);
}

static bool stop_at_two(void *context, uint32_t index, const struct trace_op *op,
                        const struct trace_record *record)
{
    (void)context, (void)op, (void)record;
    return index < 1;
}

static void an_observer_may_stop_the_run(void **state)
{
    uint8_t bytes[256];
    const struct trace_options options = {.observe = stop_at_two};
    struct trace_result result;

    (void)state;
    trace_run(bytes, parse(story, bytes, sizeof bytes), &options, &result);
    assert_int_equal(result.operations, 2);
    assert_int_equal(result.status, ZX_OK);
}

static void a_run_stops_at_the_longest_trace(void **state)
{
    static uint8_t bytes[16 + (TRACE_OPERATIONS_MAX + 9) * 16];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    const struct trace_result result = run_bytes(bytes, sizeof bytes, 0);
    assert_int_equal(result.status, ZX_OK);
    assert_int_equal(result.operations, TRACE_OPERATIONS_MAX);
}

static void each_allocation_may_fail(void **state)
{
    uint8_t bytes[256];
    const size_t size = parse(story, bytes, sizeof bytes);

    (void)state;
    const uint64_t count = run_bytes(bytes, size, 1).allocations;
    assert_true(count > 10);
    for (uint64_t nth = 1; nth <= count + 1; nth++) {
        for (int persistent = 0; persistent < 2; persistent++) {
            const struct trace_options options = {
                .check_every = 1, .fail_nth = nth, .fail_persistent = persistent != 0};
            struct trace_result result;
            trace_run(bytes, size, &options, &result);
            assert_int_equal(result.status, ZX_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_string_decodes_to_canonical_operations),
        cmocka_unit_test(every_header_decodes),
        cmocka_unit_test(codes_are_dealt_out_completely),
        cmocka_unit_test(codes_stay_what_they_are),
        cmocka_unit_test(later_codes_stay_what_they_are),
        cmocka_unit_test(operations_are_counted_partial_ones_too),
        cmocka_unit_test(a_partial_operation_is_padded_with_zeroes),
        cmocka_unit_test(binary_to_text_to_binary_is_lossless),
        cmocka_unit_test(text_to_binary_to_text_is_lossless),
        cmocka_unit_test(comments_and_empty_lines_are_skipped),
        cmocka_unit_test(wrong_text_is_refused_with_its_line),
        cmocka_unit_test(any_text_is_survived),
        cmocka_unit_test(the_hash_is_fnv_1a),
        cmocka_unit_test(random_bytes_run_and_give_the_same_digest_again),
        cmocka_unit_test(a_story_runs_as_told),
        cmocka_unit_test(the_seed_decides_places),
        cmocka_unit_test(digests_stay_what_they_are),
        cmocka_unit_test(later_operations_run_as_told),
        cmocka_unit_test(memory_is_told),
        cmocka_unit_test(children_run_as_told),
        cmocka_unit_test(many_handles_close_at_once),
        cmocka_unit_test(devices_run_as_told),
        cmocka_unit_test(sharing_runs_as_told),
        cmocka_unit_test(the_machine_runs_as_told),
        cmocka_unit_test(an_observer_may_stop_the_run),
        cmocka_unit_test(a_run_stops_at_the_longest_trace),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
