/* SPDX-License-Identifier: MIT */
/*
 * trace_text.c: the text form of traces, for people, in both directions.
 *
 * Concept. The first line is the header, every other line an operation: its name (with ! where options are
 * wild), then label=value for each operand, in any order, those that are zero left out. # starts a comment.
 * README.md has the names.
 *
 * Lossless. A canonical record prints as its operands alone. Where the bytes are not those that encoding
 * would give (a fuzzer wrote them, or the file ends in the middle of a record), the line also carries them,
 * as bytes=HEX, and these are what assembling writes; they must then mean what the line says.
 *
 * Locking: none; pure functions. Cost: linear.
 */
#include <limits.h>

#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>
#include <vm/vmo.h>
#include <zircon/errors.h>
#include <zircon/syscalls/object.h>

#include "trace.h"
#include "trace_names.h"

/* ---- Printing ---- */

static void print_named(struct vm_sink *sink, const char *label, const struct trace_name *names,
                        uint32_t value)
{
    const char *text = trace_name_of(names, value);

    if (text != NULL)
        vm_print(sink, " %s=%s", label, text);
    else
        vm_print(sink, " %s=%u", label, value);
}

static void print_options(struct vm_sink *sink, const char *label, const struct trace_op *op)
{
    bool bits;
    const struct trace_name *names = trace_option_names(op->code, &bits);
    uint32_t rest = op->options;
    const char *separator = "";

    if (!bits) {
        print_named(sink, label, names, op->options);
        return;
    }
    vm_print(sink, " %s=", label);
    for (; names->text != NULL; names++) {
        if ((rest & names->value) == 0)
            continue;
        vm_print(sink, "%s%s", separator, names->text);
        separator = "|";
        rest &= ~names->value;
    }
    if (rest != 0)
        vm_print(sink, "%s0x%x", separator, rest);
}

static bool kind_has_value(uint8_t kind)
{
    struct trace_op probe;

    memset(&probe, 0, sizeof probe);
    probe.code = TRACE_VMAR_UNMAP;
    probe.amount[1] = (struct trace_amount){kind, 0, 1};
    trace_normalize(&probe);
    return probe.amount[1].value != 0;
}

static void print_amount(struct vm_sink *sink, const char *label, const struct trace_amount *amount)
{
    const uint8_t kind = amount->kind == TRACE_PAGES_MANY ? TRACE_PAGES : amount->kind;

    vm_print(sink, " %s=%s", label, trace_name_of(trace_kind_names, kind));
    if (kind_has_value(kind))
        vm_print(sink, ":%u", (unsigned)amount->value);
    if (amount->delta != 0)
        vm_print(sink, ",%s", trace_name_of(trace_delta_names, amount->delta));
}

static void print_field(struct vm_sink *sink, const struct trace_op *op, const struct trace_field *field)
{
    const struct trace_amount *amount;

    switch (field->kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS_HANDLE:
        print_named(sink, field->label, trace_slot_names, op->a);
        break;
    case TRACE_FIELD_VMO:
        print_named(sink, field->label, trace_slot_names, op->b);
        break;
    case TRACE_FIELD_ANY:
        vm_print(sink, " %s=%s:", field->label, trace_name_of(trace_type_names, op->b));
        if (trace_name_of(trace_slot_names, op->a) != NULL)
            vm_print(sink, "%s", trace_name_of(trace_slot_names, op->a));
        else
            vm_print(sink, "%u", op->a);
        break;
    case TRACE_FIELD_PROCESS:
        if (op->a != 0)
            vm_print(sink, " %s=%u", field->label, op->a);
        break;
    case TRACE_FIELD_JOB:
        if (op->a != 0)
            print_named(sink, field->label, trace_job_names, op->a);
        break;
    case TRACE_FIELD_SPACE:
        if (op->a != 0)
            print_named(sink, field->label, trace_space_names, op->a);
        break;
    case TRACE_FIELD_TO:
        if (op->to != 0)
            print_named(sink, field->label, trace_to_names, op->to);
        break;
    case TRACE_FIELD_MARK:
        if (op->mark != 0)
            print_named(sink, field->label, trace_mark_names, op->mark);
        break;
    case TRACE_FIELD_OPTIONS:
        if (op->options != 0)
            print_options(sink, field->label, op);
        break;
    case TRACE_FIELD_ALIGN:
    case TRACE_FIELD_FILL:
        if (op->align != 0)
            vm_print(sink, " %s=%u", field->label, op->align);
        break;
    case TRACE_FIELD_RIGHTS:
        vm_print(sink, " %s=%s", field->label, trace_name_of(trace_rights_names, op->mark));
        if (op->mark != TRACE_RIGHTS_SAME)
            vm_print(sink, ":0x%x", op->options | (uint32_t)op->align << 16);
        break;
    case TRACE_FIELD_NUMBER:
        if (op->b != 0)
            vm_print(sink, " %s=%u", field->label, op->b);
        break;
    default:
        amount = &op->amount[field->kind - TRACE_FIELD_AMOUNT0];
        if (amount->kind != 0 || amount->delta != 0)
            print_amount(sink, field->label, amount);
        break;
    }
}

void trace_print_op(struct vm_sink *sink, const struct trace_op *op)
{
    vm_print(sink, "%s%s", trace_shapes[op->code].name, op->wild ? "!" : "");
    for (const struct trace_field *f = trace_shapes[op->code].fields; f->kind != TRACE_FIELD_END; f++)
        print_field(sink, op, f);
}

static void print_bytes(struct vm_sink *sink, const uint8_t *bytes, size_t size)
{
    vm_print(sink, " bytes=");
    for (size_t i = 0; i < size; i++)
        vm_print(sink, "%02x", bytes[i]);
}

void trace_print_operation(struct vm_sink *sink, const uint8_t *bytes, size_t size, size_t index)
{
    const size_t at = TRACE_HEADER_SIZE + index * TRACE_OPERATION_SIZE;
    const size_t there = size - at < TRACE_OPERATION_SIZE ? size - at : TRACE_OPERATION_SIZE;
    uint8_t canonical[TRACE_OPERATION_SIZE];
    struct trace_op op;

    trace_decode(bytes, size, index, &op);
    trace_print_op(sink, &op);
    trace_encode(&op, canonical);
    if (there < TRACE_OPERATION_SIZE || memcmp(canonical, bytes + at, there) != 0)
        print_bytes(sink, bytes + at, there);
}

void trace_print_header(struct vm_sink *sink, const uint8_t *bytes, size_t size)
{
    const size_t there = size < TRACE_HEADER_SIZE ? size : TRACE_HEADER_SIZE;
    uint8_t canonical[TRACE_HEADER_SIZE];
    struct trace_header header;

    trace_decode_header(bytes, size, &header);
    vm_print(sink, "trace memory=%u", header.memory_pages);
    if (header.aslr_off)
        vm_print(sink, " aslr=off");
    if (header.entropy_bits != 0)
        vm_print(sink, " entropy=%u", header.entropy_bits);
    if (header.compact_entropy_bits != 0)
        vm_print(sink, " compact=%u", header.compact_entropy_bits);
    if (header.processors != 1)
        vm_print(sink, " processors=%u", header.processors);
    if (header.fail)
        vm_print(sink, " %s=%u", header.fail_persistent ? "fail-from" : "fail", header.fail_nth);
    vm_print(sink, " seed=%llu", (unsigned long long)header.seed);
    trace_encode_header(&header, canonical);
    if (there < TRACE_HEADER_SIZE || memcmp(canonical, bytes, there) != 0)
        print_bytes(sink, bytes, there);
}

void trace_print(struct vm_sink *sink, const uint8_t *bytes, size_t size)
{
    trace_print_header(sink, bytes, size);
    vm_print(sink, "\n");
    for (size_t i = 0; i < trace_count(size); i++) {
        trace_print_operation(sink, bytes, size, i);
        vm_print(sink, "\n");
    }
}

static void print_value(struct vm_sink *sink, bool handle, uint64_t value)
{
    const uint8_t slot = (uint8_t)value;

    if (!handle) {
        vm_print(sink, value < 10 ? "%llu" : "0x%llx", (unsigned long long)value);
        return;
    }
    vm_print(sink, "%s:", trace_name_of(trace_type_names, (uint32_t)(value >> 8)));
    if (trace_name_of(trace_slot_names, slot) != NULL)
        vm_print(sink, "%s", trace_name_of(trace_slot_names, slot));
    else
        vm_print(sink, "%u", slot);
}

/* Prints label=value for labels up to the bar or the end; where reading stopped. */
static const char *print_values(struct vm_sink *sink, const char *labels, const uint64_t *values,
                                uint32_t count)
{
    uint32_t i = 0;

    while (*labels != '\0' && *labels != '|') {
        const char *start = labels;
        while (*labels != '\0' && *labels != '|' && *labels != ' ')
            labels++;
        const bool handle = *start == '*';
        if (i < count) {
            vm_print(sink, " %.*s=", (int)(labels - start - handle), start + handle);
            print_value(sink, handle, values[i++]);
        }
        if (*labels == ' ')
            labels++;
    }
    return labels;
}

void trace_print_record(struct vm_sink *sink, const struct trace_op *op, const struct trace_record *record)
{
    const char *labels =
        print_values(sink, trace_record_labels[op->code], record->arguments, record->argument_count);

    vm_print(sink, " -> %s", zx_status_get_string(record->status));
    if (*labels == '|')
        print_values(sink, labels + 1, record->results, record->result_count);
    if (record->data_hash != 0)
        vm_print(sink, " data=%016llx", (unsigned long long)record->data_hash);
    if (record->failed_allocation)
        vm_print(sink, " (an allocation failed)");
}

/* ---- Parsing ---- */

struct word {
    const char *start;
    size_t length;
};

struct parser {
    const char *at, *end; /* of the line */
    struct trace_parse_error *error;
    uint8_t bytes[TRACE_OPERATION_SIZE]; /* given as bytes= */
    size_t byte_count;
    bool has_bytes;
    struct word
        given[TRACE_FIELDS_MAX]; /* label=value of each operand of the operation; null where it has none */
};

#define SHOWN_MAX 60

/* As much as fits, each byte that is no printable character as \xNN: what is no text must not reach a terminal. */
static void show_word(struct word word, char out[static SHOWN_MAX + 1])
{
    size_t length = 0;

    for (size_t i = 0; i < word.length; i++) {
        const char c = word.start[i];
        const bool plain = c >= ' ' && c <= '~';
        if (length + (plain ? 1 : 4) > SHOWN_MAX)
            break;
        vm_snprint(out + length, SHOWN_MAX + 1 - length, plain ? "%c" : "\\x%02x", c & 0xff);
        length += plain ? 1 : 4;
    }
    out[length] = '\0';
}

static bool wrong(struct parser *p, const char *expected, struct word found)
{
    const char *quote = found.length == 0 ? "" : "\"";
    char shown[SHOWN_MAX + 1];

    show_word(found, shown);
    vm_snprint(p->error->message, sizeof p->error->message, "expected %s, found %s%s%s", expected, quote,
               found.length == 0 ? "nothing" : shown, quote);
    return false;
}

static struct word next_word(struct parser *p)
{
    struct word word;

    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
    word.start = p->at;
    while (p->at < p->end && *p->at != ' ' && *p->at != '\t' && *p->at != '\r')
        p->at++;
    word.length = (size_t)(p->at - word.start);
    return word;
}

static bool is(struct word word, const char *text)
{
    size_t i = 0;

    while (i < word.length && text[i] != '\0' && word.start[i] == text[i])
        i++;
    return i == word.length && text[i] == '\0';
}

/* Cuts word at the first `mark`: what follows it; absent (null) where there is none. */
static struct word split(struct word *word, char mark)
{
    for (size_t i = 0; i < word->length; i++) {
        if (word->start[i] == mark) {
            struct word rest = {word->start + i + 1, word->length - i - 1};
            word->length = i;
            return rest;
        }
    }
    return (struct word){NULL, 0};
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

static bool parse_number(struct parser *p, struct word word, uint64_t max, uint64_t *out)
{
    const bool hex = word.length > 2 && word.start[0] == '0' && word.start[1] == 'x';
    const unsigned base = hex ? 16 : 10;
    uint64_t value = 0;

    for (size_t i = hex ? 2 : 0; i < word.length; i++) {
        const unsigned digit = (unsigned)digit_of(word.start[i]);
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return wrong(p, "a number", word);
        value = value * base + digit;
    }
    if (word.length == 0)
        return wrong(p, "a number", word);
    if (value > max) {
        vm_snprint(p->error->message, sizeof p->error->message, "expected a number up to %llu, found %.*s",
                   (unsigned long long)max, (int)word.length, word.start);
        return false;
    }
    *out = value;
    return true;
}

static bool parse_named(struct parser *p, struct word word, const struct trace_name *names, uint64_t max,
                        uint64_t *out)
{
    for (; names->text != NULL; names++) {
        if (is(word, names->text)) {
            *out = names->value;
            return true;
        }
    }
    if (word.length > 0 && digit_of(word.start[0]) < 10)
        return parse_number(p, word, max, out);
    return wrong(p, "a name that fits here or a number", word);
}

static bool parse_options(struct parser *p, struct word word, struct trace_op *op)
{
    bool bits;
    const struct trace_name *names = trace_option_names(op->code, &bits);
    uint64_t all = 0;

    while (word.start != NULL) {
        struct word rest = split(&word, '|');
        uint64_t value;
        if (!parse_named(p, word, names, UINT16_MAX, &value))
            return false;
        all |= value;
        word = rest;
    }
    op->options = (uint16_t)all;
    return true;
}

static bool parse_amount(struct parser *p, struct word word, struct trace_amount *amount)
{
    const struct word delta = split(&word, ',');
    const struct word value = split(&word, ':');
    uint64_t number = 0, kind, step = 0;

    if (!parse_named(p, word, trace_kind_names, 0, &kind))
        return false;
    if (value.start != NULL && !parse_number(p, value, UINT16_MAX, &number))
        return false;
    if (value.start == NULL && kind_has_value((uint8_t)kind))
        return wrong(p, "a colon and a number after the kind", word);
    if (delta.start != NULL && !parse_named(p, delta, trace_delta_names, 0, &step))
        return false;
    if (kind == TRACE_PAGES && number >= 32)
        kind = TRACE_PAGES_MANY;
    *amount = (struct trace_amount){(uint8_t)kind, (uint8_t)step, (uint16_t)number};
    return true;
}

static bool parse_rights(struct parser *p, struct word word, struct trace_op *op)
{
    const struct word value = split(&word, ':');
    uint64_t mode, bits = 0;

    if (!parse_named(p, word, trace_rights_names, 0, &mode))
        return false;
    if (mode != TRACE_RIGHTS_SAME && !parse_number(p, value, 0xffffff, &bits))
        return false;
    op->mark = (uint8_t)mode;
    op->options = (uint16_t)bits;
    op->align = (uint8_t)(bits >> 16);
    return true;
}

static bool parse_byte(struct parser *p, struct word word, const struct trace_name *names, uint8_t *out)
{
    uint64_t value;

    if (!parse_named(p, word, names, UINT8_MAX, &value))
        return false;
    *out = (uint8_t)value;
    return true;
}

static bool parse_field(struct parser *p, const struct trace_field *field, struct word word,
                        struct trace_op *op)
{
    struct word rest;

    switch (field->kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS_HANDLE:
        return parse_byte(p, word, trace_slot_names, &op->a);
    case TRACE_FIELD_VMO:
        return parse_byte(p, word, trace_slot_names, &op->b);
    case TRACE_FIELD_ANY:
        rest = split(&word, ':');
        return parse_byte(p, word, trace_type_names, &op->b) && parse_byte(p, rest, trace_slot_names, &op->a);
    case TRACE_FIELD_JOB:
        return parse_byte(p, word, trace_job_names, &op->a);
    case TRACE_FIELD_PROCESS:
        return parse_byte(p, word, trace_job_names + 2, &op->a);
    case TRACE_FIELD_SPACE:
        return parse_byte(p, word, trace_space_names, &op->a);
    case TRACE_FIELD_TO:
        return parse_byte(p, word, trace_to_names, &op->to);
    case TRACE_FIELD_MARK:
        return parse_byte(p, word, trace_mark_names, &op->mark);
    case TRACE_FIELD_OPTIONS:
        return parse_options(p, word, op);
    case TRACE_FIELD_ALIGN:
    case TRACE_FIELD_FILL:
        return parse_byte(p, word, trace_job_names + 2, &op->align);
    case TRACE_FIELD_RIGHTS:
        return parse_rights(p, word, op);
    case TRACE_FIELD_NUMBER:
        return parse_byte(p, word, trace_job_names + 2, &op->b);
    default:
        return parse_amount(p, word, &op->amount[field->kind - TRACE_FIELD_AMOUNT0]);
    }
}

static bool parse_bytes(struct parser *p, struct word word)
{
    if (p->has_bytes)
        return wrong(p, "bytes= once in a line", word);
    if (word.length % 2 != 0 || word.length / 2 > sizeof p->bytes)
        return wrong(p, "up to 32 hexadecimal digits, two a byte", word);
    for (size_t i = 0; i < word.length; i += 2) {
        const int high = digit_of(word.start[i]), low = digit_of(word.start[i + 1]);
        if (high > 15 || low > 15)
            return wrong(p, "hexadecimal digits", word);
        p->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    p->byte_count = word.length / 2;
    p->has_bytes = true;
    return true;
}

static bool parse_op_fields(struct parser *p, struct trace_op *op)
{
    memset(p->given, 0, sizeof p->given);
    for (struct word word = next_word(p); word.length > 0; word = next_word(p)) {
        const struct word whole = word, value = split(&word, '=');
        const struct trace_field *f = trace_shapes[op->code].fields;
        if (value.start == NULL)
            return wrong(p, "label=value", word);
        if (is(word, "bytes")) {
            if (!parse_bytes(p, value))
                return false;
            continue;
        }
        while (f->kind != TRACE_FIELD_END && !is(word, f->label))
            f++;
        if (f->kind == TRACE_FIELD_END)
            return wrong(p, "a label that this operation has", word);
        struct word *given = &p->given[f - trace_shapes[op->code].fields];
        if (given->start != NULL)
            return wrong(p, "each operand once", whole);
        *given = whole;
        if (!parse_field(p, f, value, op))
            return false;
    }
    return true;
}

/* Whether two operations of one code have the same in that field. */
static bool field_equal(const struct trace_op *x, const struct trace_op *y, uint8_t kind)
{
    switch (kind) {
    case TRACE_FIELD_VMAR:
    case TRACE_FIELD_VMO_A:
    case TRACE_FIELD_PROCESS:
    case TRACE_FIELD_PROCESS_HANDLE:
    case TRACE_FIELD_JOB:
    case TRACE_FIELD_SPACE:
        return x->a == y->a;
    case TRACE_FIELD_ANY:
        return x->a == y->a && x->b == y->b;
    case TRACE_FIELD_VMO:
    case TRACE_FIELD_NUMBER:
        return x->b == y->b;
    case TRACE_FIELD_TO:
        return x->to == y->to;
    case TRACE_FIELD_MARK:
        return x->mark == y->mark;
    case TRACE_FIELD_OPTIONS:
        return x->options == y->options;
    case TRACE_FIELD_ALIGN:
    case TRACE_FIELD_FILL:
        return x->align == y->align;
    case TRACE_FIELD_RIGHTS:
        return x->mark == y->mark && x->options == y->options && x->align == y->align;
    default:
        kind -= TRACE_FIELD_AMOUNT0;
        return x->amount[kind].kind == y->amount[kind].kind &&
               x->amount[kind].delta == y->amount[kind].delta &&
               x->amount[kind].value == y->amount[kind].value;
    }
}

struct text_sink {
    struct vm_sink sink; /* first: the sink leads to its text */
    size_t length;
    char text[SHOWN_MAX * 2 + 1];
};

static void text_sink_write(struct vm_sink *self, const char *bytes, size_t size)
{
    struct text_sink *to = (struct text_sink *)self;

    for (size_t i = 0; i < size && to->length + 1 < sizeof to->text; i++)
        to->text[to->length++] = bytes[i];
    to->text[to->length] = '\0';
}

/* Names the operand that encoding would change, and what it would become. */
static bool wrong_operand(struct parser *p, const struct trace_op *op, const struct trace_op *normal,
                          struct word name)
{
    struct text_sink canonical = {.sink = {text_sink_write}};
    const struct trace_field *fields = trace_shapes[op->code].fields, *f = fields;
    char shown[SHOWN_MAX + 1];

    while (f->kind != TRACE_FIELD_END && field_equal(op, normal, f->kind))
        f++;
    if (f->kind == TRACE_FIELD_END)
        return wrong(p, "operands that this operation takes (see ! for wild options)", name);
    const bool tame = f->kind == TRACE_FIELD_OPTIONS && !op->wild && trace_has_wild(op->code);
    print_field(&canonical.sink, normal, f);
    show_word(p->given[f - fields], shown);
    const char *hint = tame                   ? ", or the operation's name with ! for options as they are"
                       : canonical.length > 0 ? ", which is what this would mean, or another value"
                                              : ", or another value";
    const char *quote = shown[0] != '\0' ? "\"" : "";
    vm_snprint(p->error->message, sizeof p->error->message, "%s: expected %s%s, found %s%s%s", f->label,
               canonical.length > 0 ? canonical.text + 1 : "nothing", hint, quote,
               shown[0] != '\0' ? shown : "nothing", quote);
    return false;
}

/* Puts what a line says into p->bytes, p->byte_count. */
static bool parse_op(struct parser *p)
{
    struct word name = next_word(p);
    struct trace_op op, normal;
    uint8_t canonical[TRACE_OPERATION_SIZE], padded[TRACE_HEADER_SIZE + TRACE_OPERATION_SIZE] = {0};
    const struct word found = name;

    memset(&op, 0, sizeof op);
    op.wild = name.length > 0 && name.start[name.length - 1] == '!';
    name.length -= op.wild;
    while (op.code < TRACE_CODE_COUNT && !is(name, trace_shapes[op.code].name))
        op.code++;
    if (op.code == TRACE_CODE_COUNT || (op.wild && !trace_has_wild(op.code)))
        return wrong(p, "the name of an operation", found);
    if (!parse_op_fields(p, &op))
        return false;
    normal = op;
    trace_normalize(&normal);
    trace_encode(&normal, canonical);
    if (memcmp(&normal, &op, sizeof op) != 0)
        return wrong_operand(p, &op, &normal, found);
    if (!p->has_bytes) {
        memcpy(p->bytes, canonical, sizeof canonical);
        p->byte_count = sizeof canonical;
        return true;
    }
    memcpy(padded + TRACE_HEADER_SIZE, p->bytes, p->byte_count);
    trace_decode(padded, sizeof padded, 0, &op);
    if (memcmp(&normal, &op, sizeof op) != 0)
        return wrong(p, "bytes= that mean what the line says (leave them out to encode the line)", found);
    return true;
}

/* The bit of a header's label, fail and fail-from sharing one; 0: it is none. */
static unsigned header_label(struct word label)
{
    static const char *const labels[] = {"memory",     "aslr", "entropy", "compact",
                                         "processors", "fail", "seed"};

    for (unsigned i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (is(label, labels[i]) || (i == 5 && is(label, "fail-from")))
            return 1u << i;
    }
    return 0;
}

static bool parse_header_field(struct parser *p, struct word label, struct word value,
                               struct trace_header *header)
{
    uint64_t number = 0;

    if (is(label, "aslr")) {
        header->aslr_off = is(value, "off");
        return header->aslr_off || is(value, "on") || wrong(p, "aslr=on or aslr=off", value);
    }
    if (is(label, "entropy") || is(label, "compact")) {
        uint8_t *bits = is(label, "entropy") ? &header->entropy_bits : &header->compact_entropy_bits;
        if (!parse_number(p, value, 36, &number))
            return false;
        *bits = (uint8_t)number;
        return true;
    }
    if (is(label, "processors")) {
        if (!parse_number(p, value, TRACE_PROCESSORS_MAX, &number))
            return false;
        header->processors = (uint8_t)number;
        return number != 0 || wrong(p, "one processor or more", value);
    }
    if (is(label, "fail") || is(label, "fail-from")) {
        header->fail = true;
        header->fail_persistent = is(label, "fail-from");
        if (!parse_number(p, value, UINT16_MAX, &number))
            return false;
        header->fail_nth = (uint16_t)number;
        return true;
    }
    if (is(label, "seed"))
        return parse_number(p, value, UINT64_MAX, &header->seed);
    if (!is(label, "memory"))
        return wrong(p, "memory, aslr, entropy, compact, processors, fail, fail-from or seed", label);
    if (!parse_number(p, value, UINT16_MAX, &number))
        return false;
    header->memory_pages = (uint16_t)number;
    for (size_t i = 0; i < TRACE_MEMORY_SIZES; i++) {
        if (trace_memory_sizes[i] == number)
            return true;
    }
    return wrong(p, "memory of 64, 96, 128, 256, 512, 1024, 2048 or 4096 pages", value);
}

static bool parse_header(struct parser *p)
{
    uint8_t canonical[TRACE_HEADER_SIZE], given[TRACE_HEADER_SIZE];
    struct trace_header header;
    struct word name = next_word(p);
    unsigned labels = 0;

    memset(&header, 0, sizeof header);
    header.memory_pages = trace_memory_sizes[0];
    header.processors = 1;
    if (!is(name, "trace"))
        return wrong(p, "a first line that starts with \"trace\"", name);
    for (struct word word = next_word(p); word.length > 0; word = next_word(p)) {
        const struct word whole = word, value = split(&word, '=');
        const unsigned label = header_label(word);
        if (value.start == NULL)
            return wrong(p, "label=value", word);
        if ((labels & label) != 0)
            return wrong(
                p, "each of memory, aslr, entropy, compact, processors, fail or fail-from, seed once", whole);
        labels |= label;
        if (!(is(word, "bytes") ? parse_bytes(p, value) : parse_header_field(p, word, value, &header)))
            return false;
    }
    trace_encode_header(&header, canonical);
    if (!p->has_bytes) {
        memcpy(p->bytes, canonical, sizeof canonical);
        p->byte_count = sizeof canonical;
        return true;
    }
    trace_decode_header(p->bytes, p->byte_count, &header);
    trace_encode_header(&header, given);
    if (memcmp(canonical, given, sizeof given) != 0)
        return wrong(p, "bytes= that mean what the line says (leave them out to encode the line)", name);
    return true;
}

/* Sets p to the next line that says something; false at the end of the text. */
static bool next_line(struct parser *p, const char **text, const char *text_end)
{
    while (*text < text_end) {
        p->at = p->end = *text;
        while (p->end < text_end && *p->end != '\n')
            p->end++;
        *text = p->end < text_end ? p->end + 1 : text_end;
        p->error->line++;
        for (const char *c = p->at; c < p->end; c++) {
            if (*c == '#') {
                p->end = c;
                break;
            }
        }
        const char *rewind = p->at;
        if (next_word(p).length > 0) {
            p->at = rewind;
            p->has_bytes = false;
            return true;
        }
    }
    return false;
}

size_t trace_parse(const char *text, size_t length, uint8_t *out, size_t capacity,
                   struct trace_parse_error *error)
{
    const char *const end = text + length;
    struct parser p = {.error = error};
    size_t size = 0;
    bool header = true, partial = false;

    error->line = 0;
    error->message[0] = '\0';
    while (next_line(&p, &text, end)) {
        if (partial) {
            wrong(&p, "no operation behind one that is cut short", next_word(&p));
            return SIZE_MAX;
        }
        if (!(header ? parse_header(&p) : parse_op(&p)))
            return SIZE_MAX;
        partial = p.byte_count < (header ? TRACE_HEADER_SIZE : TRACE_OPERATION_SIZE);
        header = false;
        if (p.byte_count > capacity - size) {
            vm_snprint(error->message, sizeof error->message, "expected at most %zu operations, found more",
                       capacity < TRACE_HEADER_SIZE ? 0
                                                    : (capacity - TRACE_HEADER_SIZE) / TRACE_OPERATION_SIZE);
            return SIZE_MAX;
        }
        memcpy(out + size, p.bytes, p.byte_count);
        size += p.byte_count;
    }
    if (header) {
        vm_snprint(error->message, sizeof error->message,
                   "expected a line that starts with \"trace\", found no line");
        return SIZE_MAX;
    }
    return size;
}
