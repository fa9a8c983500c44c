/* SPDX-License-Identifier: MIT */
/* test_trace.c: the encoding of traces, their text form, their digest, and the reference model. */
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

#include "../../fuzz/model.h"
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
        assert_true(encoded[0] < 128);
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
        assert_true(trace_shapes[i].weight > 0);
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
    assert_int_equal(sizeof codes, TRACE_CODE_COUNT);
    for (unsigned i = 0; i < TRACE_CODE_COUNT; i++) {
        for (unsigned high = 0; high < 256; high += 128) {
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
        "trace memory=256 aslr=off entropy=12 compact=3 fail-from=77 seed=18446744073709551615\n"
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
        "process_create! job=garbage name=1 options=3\n"
        "fail_allocation nth=3\n"
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
        {"trace\nvmo_invent\n", 2, "\"vmo_invent\""},
        {"trace\nvmo_read!\n", 2, "\"vmo_read!\""},
        {"trace\n\nvmo_create size\n", 3, "label=value"},
        {"trace\nvmo_create sise=0\n", 2, "a label that this operation has"},
        {"trace\nvmo_create size=pages\n", 2, "a colon and a number"},
        {"trace\nvmo_create size=pages:x\n", 2, "a number"},
        {"trace\nvmo_create size=pages:65536\n", 2, "up to 65535"},
        {"trace\nvmo_create options=SPECIFIC\n", 2, "\"SPECIFIC\""},
        {"trace\nvmar_map options=CAN_MAP_READ\n", 2, "!"},
        {"trace\nvmar_map vmar=64\n", 2, "operands"},
        {"trace\nvmo_create bytes=zz\n", 2, "hexadecimal"},
        {"trace\nvmo_create bytes=00\n", 2, "mean what the line says"},
        {"trace\nvmo_create bytes=39\nvmo_create\n", 3, "cut short"},
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

/* ---- The model ---- */

#define OPERATIONS 32

struct world {
    struct model model;
    void *memory;
    int32_t root, vmo;
};

static const zx_rights_t all_vmar_rights =
    ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE;

/* A root VMAR of 16 pages at 1 MiB, a VMO of 4 pages with every right, and handles to them. */
static struct world make_world(bool aslr)
{
    struct world w;

    memset(&w, 0, sizeof w);
    w.memory = calloc(1, model_layout(&w.model, NULL, OPERATIONS));
    assert_non_null(w.memory);
    model_layout(&w.model, w.memory, OPERATIONS);
    w.model.page_max = 4;
    w.model.pages = calloc(4, sizeof *w.model.pages);
    w.model.page_bytes = calloc(4, PAGE);
    w.model.aslr = aslr;
    w.model.entropy_bits = 2;
    w.model.compact_entropy_bits = 1;
    model_add_process(&w.model, true, 1 << 20, 16 * PAGE);
    w.root = model_add_handle(&w.model, 0, TRACE_TYPE_VMAR, w.model.processes[0].root, 3, all_vmar_rights);
    const int32_t vmo = model_do_vmo_create(&w.model, 4 * PAGE, ZX_VMO_RESIZABLE);
    w.vmo = model_add_handle(&w.model, 0, TRACE_TYPE_VMO, vmo, 7,
                             ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_EXECUTE | ZX_RIGHT_RESIZE);
    return w;
}

static void free_world(struct world *w)
{
    free(w->memory);
    free(w->model.pages);
    free(w->model.page_bytes);
}

#define BASE ((zx_vaddr_t)1 << 20)

/* Maps pages [first, first + count) of the root. */
static void map_at(struct world *w, uint64_t first, uint64_t count, uint32_t options)
{
    options |= ZX_VM_SPECIFIC;
    assert_int_equal(
        model_vmar_map(&w->model, w->root, options, first * PAGE, w->vmo, 0, count * PAGE, false).status,
        ZX_OK);
    model_do_vmar_map(&w->model, w->root, options, w->vmo, 0, BASE + first * PAGE, count * PAGE);
}

static const char *place(struct world *w, uint32_t options, uint64_t offset, uint64_t pages, uint64_t at)
{
    return model_place_wrong(&w->model, 0, options, offset, pages * PAGE, BASE + at * PAGE);
}

static void model_knows_the_window(void **state)
{
    struct world w = make_world(true);

    (void)state;
    /* Window: the lowest 2^2 free pages. Taken: 1 and 2. So it holds 0, 3, 4, 5. */
    map_at(&w, 1, 2, ZX_VM_PERM_READ);
    assert_null(place(&w, 0, 0, 1, 0));
    assert_non_null(place(&w, 0, 0, 1, 1));
    assert_null(place(&w, 0, 0, 1, 5));
    assert_non_null(place(&w, 0, 0, 1, 6));
    /* Two pages do not fit at 0; the window holds 3, 4, 5 for them. */
    assert_non_null(place(&w, 0, 0, 2, 0));
    assert_null(place(&w, 0, 0, 2, 5));
    /* An upper limit, at page 5. */
    assert_null(place(&w, ZX_VM_OFFSET_IS_UPPER_LIMIT, 5 * PAGE, 2, 3));
    assert_non_null(place(&w, ZX_VM_OFFSET_IS_UPPER_LIMIT, 5 * PAGE, 2, 4));
    /* An alignment of 4 pages makes the window 16 pages. */
    assert_null(place(&w, ZX_VM_ALIGN_16KB, 0, 1, 12));
    assert_non_null(place(&w, ZX_VM_ALIGN_16KB, 0, 1, 13));
    free_world(&w);
}

static void model_takes_the_lowest_place_outside_the_window(void **state)
{
    struct world w = make_world(true);

    (void)state;
    /* Free: 0, 2, 4, 6 and from 8 on. Two pages fit from 8 only, which is behind the window. */
    for (uint64_t i = 1; i < 8; i += 2)
        map_at(&w, i, 1, ZX_VM_PERM_READ);
    assert_null(place(&w, 0, 0, 2, 8));
    assert_non_null(place(&w, 0, 0, 2, 9));
    w.model.aslr = false;
    assert_null(place(&w, 0, 0, 1, 0));
    assert_non_null(place(&w, 0, 0, 1, 2));
    free_world(&w);
}

static void model_refuses_in_order(void **state)
{
    struct world w = make_world(true);
    const struct model *m = &w.model;

    (void)state;
    assert_int_equal(model_vmar_allocate(m, MODEL_NONE, 0, 0, PAGE, false).status, ZX_ERR_BAD_HANDLE);
    assert_int_equal(model_vmar_allocate(m, w.vmo, 0, 0, PAGE, false).status, ZX_ERR_WRONG_TYPE);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_PERM_READ, 0, PAGE, false).status,
                     ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, PAGE, PAGE, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_SPECIFIC, 16 * PAGE, PAGE, false).status,
                     ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, 0, 17 * PAGE, false).status, ZX_ERR_INVALID_ARGS);
    map_at(&w, 0, 8, ZX_VM_PERM_READ);
    assert_int_equal(model_vmar_allocate(m, w.root, 0, 0, 9 * PAGE, false).status, ZX_ERR_NO_MEMORY);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 0, 9 * PAGE, false).status, ZX_ERR_NO_RESOURCES);
    assert_int_equal(model_vmar_allocate(m, w.root, ZX_VM_SPECIFIC, 7 * PAGE, PAGE, false).status,
                     ZX_ERR_ALREADY_EXISTS);
    assert_int_equal(
        model_vmar_map(m, w.root, ZX_VM_PERM_WRITE | ZX_VM_COMPACT, 0, w.vmo, 0, PAGE, false).status,
        ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 1, PAGE, false).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_map(m, w.root, 0, 0, w.vmo, 0, UINT64_MAX, false).status,
                     ZX_ERR_OUT_OF_RANGE);
    free_world(&w);
}

static void model_splits_mappings(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    map_at(&w, 0, 4, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
    model_do_vmar_protect(m, 0, ZX_VM_PERM_READ, BASE + PAGE, 2 * PAGE);
    assert_int_equal(model_fault(m, 0, BASE, MODEL_WRITE), ZX_OK);
    assert_int_equal(model_fault(m, 0, BASE + PAGE, MODEL_WRITE), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(model_fault(m, 0, BASE + 3 * PAGE - 1, MODEL_READ), ZX_OK);
    assert_int_equal(model_fault(m, 0, BASE + 3 * PAGE, MODEL_WRITE), ZX_OK);
    model_do_vmar_unmap(m, 0, BASE + 2 * PAGE, PAGE);
    assert_int_equal(model_fault(m, 0, BASE + 2 * PAGE, MODEL_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(model_vmar_protect(m, w.root, ZX_VM_PERM_READ, BASE, 4 * PAGE).status, ZX_ERR_NOT_FOUND);
    const int32_t tail = model_piece_at(m, 0, BASE + 3 * PAGE);
    assert_int_equal(m->pieces[tail].vmo_offset, 3 * PAGE);
    free_world(&w);
}

static void model_keeps_contents(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    uint8_t bytes[10];
    uint64_t done;

    (void)state;
    map_at(&w, 0, 6, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE);
    model_do_space_write(m, 0, BASE + PAGE - 5, "abcdefghij", 10);
    model_vmo_read(m, 0, PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abcdefghij", 10);
    model_do_vmo_op_range(m, 0, ZX_VMO_OP_ZERO, PAGE - 2, 4);
    model_space_read(m, 0, BASE + PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abc\0\0\0\0hij", 10);
    assert_int_equal(model_access(m, 0, BASE + 4 * PAGE - 3, 10, MODEL_READ, &done), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(done, 3);
    model_do_vmo_set_size(m, 0, PAGE);
    model_do_vmo_set_size(m, 0, 4 * PAGE);
    model_space_read(m, 0, BASE + PAGE - 5, bytes, 10);
    assert_memory_equal(bytes, "abc\0\0\0\0\0\0\0", 10);
    free_world(&w);
}

static void model_destroys_subtrees(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;
    const uint32_t options = ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC;

    (void)state;
    const int32_t child = model_do_vmar_allocate(m, 0, options, BASE, 8 * PAGE);
    const int32_t grandchild = model_do_vmar_allocate(m, child, options, BASE + PAGE, PAGE);
    const int32_t handle = model_add_handle(m, 0, TRACE_TYPE_VMAR, grandchild, 11, all_vmar_rights);
    model_do_vmar_map(m, handle, ZX_VM_PERM_READ, w.vmo, 0, BASE + PAGE, PAGE);
    assert_int_equal(model_vmar_unmap(m, w.root, BASE, 4 * PAGE).status, ZX_ERR_INVALID_ARGS);
    assert_int_equal(model_vmar_unmap(m, w.root, BASE, 8 * PAGE).status, ZX_OK);
    model_do_vmar_unmap(m, 0, BASE, 8 * PAGE);
    assert_false(m->vmars[child].alive);
    assert_false(m->vmars[grandchild].alive);
    assert_int_equal(m->piece_count, 0);
    assert_int_equal(model_vmar_destroy(m, handle).status, ZX_ERR_BAD_STATE);
    assert_int_equal(model_vmar_destroy(m, w.root).status, ZX_ERR_NOT_SUPPORTED);
    free_world(&w);
}

static void model_ends_processes_with_their_last_handle(void **state)
{
    struct world w = make_world(true);
    struct model *m = &w.model;

    (void)state;
    const int32_t child = model_add_process(m, false, BASE, 16 * PAGE);
    const int32_t to_child = model_add_handle(m, 0, TRACE_TYPE_PROCESS, child, 11, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t second = model_add_handle(m, 0, TRACE_TYPE_PROCESS, child, 15, ZX_DEFAULT_PROCESS_RIGHTS);
    model_add_handle(m, (uint8_t)child, TRACE_TYPE_PROCESS, child, 19, ZX_DEFAULT_PROCESS_RIGHTS);
    const int32_t grandchild = model_add_process(m, false, BASE, 16 * PAGE);
    model_add_handle(m, (uint8_t)child, TRACE_TYPE_PROCESS, grandchild, 23, ZX_DEFAULT_PROCESS_RIGHTS);
    model_do_handle_close(m, to_child);
    assert_true(m->processes[child].alive);
    model_do_handle_close(m, second);
    assert_false(m->processes[child].alive);
    assert_false(m->processes[grandchild].alive);
    assert_false(m->vmars[m->processes[grandchild].root].alive);
    assert_true(m->processes[0].alive);
    assert_true(m->vmars[0].alive);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_string_decodes_to_canonical_operations),
        cmocka_unit_test(every_header_decodes),
        cmocka_unit_test(codes_are_dealt_out_completely),
        cmocka_unit_test(codes_stay_what_they_are),
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
        cmocka_unit_test(an_observer_may_stop_the_run),
        cmocka_unit_test(a_run_stops_at_the_longest_trace),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(model_knows_the_window),
        cmocka_unit_test(model_takes_the_lowest_place_outside_the_window),
        cmocka_unit_test(model_refuses_in_order),
        cmocka_unit_test(model_splits_mappings),
        cmocka_unit_test(model_keeps_contents),
        cmocka_unit_test(model_destroys_subtrees),
        cmocka_unit_test(model_ends_processes_with_their_last_handle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
