/* SPDX-License-Identifier: MIT */
/*
 * trace.h: the binary form of a trace: a header of 16 bytes, then operations of 16 bytes each. Decoding never
 * refuses anything.
 *
 * A field of an operation has canonical values, which are all that a writer writes; every other value is read
 * as one of them. What no writer writes may get a meaning of its own later: that is how the encoding grows
 * without changing what a written trace means. README.md has the whole format.
 */
#ifndef FUZZ_TRACE_H_
#define FUZZ_TRACE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

#define TRACE_HEADER_SIZE    16
#define TRACE_OPERATION_SIZE 16
/* A run stops here; what follows in a longer trace is ignored. */
#define TRACE_OPERATIONS_MAX 4096

#define TRACE_VERSION 1

#define TRACE_PROCESSORS_MAX 4

struct trace_header {
    uint16_t memory_pages; /* 64, 96, 128, 256, 512, 1024, 2048, 4096 */
    bool aslr_off;
    bool fail;                                  /* the fail_nth-th allocation after start-up fails */
    bool fail_persistent;                       /* and all after it */
    uint8_t entropy_bits, compact_entropy_bits; /* 0: the machine's defaults; at most 36 */
    uint8_t processors;                         /* 1 to TRACE_PROCESSORS_MAX */
    uint16_t fail_nth;
    uint64_t seed;
};

enum trace_code {
    TRACE_VMAR_ALLOCATE,
    TRACE_VMAR_MAP,
    TRACE_VMAR_UNMAP,
    TRACE_VMAR_PROTECT,
    TRACE_VMAR_DESTROY,
    TRACE_VMO_CREATE,
    TRACE_VMO_READ,
    TRACE_VMO_WRITE,
    TRACE_VMO_SET_SIZE,
    TRACE_VMO_GET_SIZE,
    TRACE_VMO_OP_RANGE,
    TRACE_HANDLE_CLOSE,
    TRACE_HANDLE_DUPLICATE,
    TRACE_HANDLE_REPLACE,
    TRACE_PROCESS_CREATE,
    TRACE_OBJECT_GET_INFO,
    TRACE_READ,
    TRACE_WRITE,
    TRACE_EXECUTE,
    TRACE_SOFT_FAULT,
    TRACE_PAGE_FAULT,
    TRACE_FAIL_ALLOCATION,
    TRACE_SELECT_PROCESS,
    TRACE_LATER, /* from here on: operations whose codes are from 128 on */
    TRACE_VMO_REPLACE_AS_EXECUTABLE = TRACE_LATER,
    TRACE_VMAR_OP_RANGE,
    TRACE_PROCESS_READ_MEMORY,
    TRACE_PROCESS_WRITE_MEMORY,
    TRACE_OBJECT_GET_PROPERTY,
    TRACE_OBJECT_SET_PROPERTY,
    TRACE_VMO_CREATE_CHILD,
    TRACE_HANDLE_CLOSE_MANY,
    TRACE_VMO_CREATE_CONTIGUOUS,
    TRACE_VMO_PIN,
    TRACE_VMO_UNPIN,
    TRACE_VMAR_SET_MEMORY_PRIORITY,
    TRACE_PROCESS_CREATE_SHARED,
    TRACE_PROCESS_EXIT,
    TRACE_VMO_CREATE_PHYSICAL,
    TRACE_VMO_SET_CACHE_POLICY,
    TRACE_CPRNG_DRAW,
    TRACE_TICKS_GET,
    TRACE_SELECT_PROCESSOR,
    TRACE_HARVEST_ACCESSED_BITS,
    TRACE_DROP_PAGE_TABLES,
    TRACE_DROP_ALL_PAGE_TABLES,
    TRACE_SOFT_FAULT_IN_RANGE,
    TRACE_ACCESSED_FAULT,
    TRACE_ASPACE_RENAME,
    TRACE_FIND_REGION,
    TRACE_ASPACE_ENUMERATE,
    TRACE_GET_MEMORY_USAGE,
    TRACE_GUEST_CREATE,
    TRACE_GUEST_DESTROY,
    TRACE_SPACE_ALLOC,
    TRACE_SPACE_ALLOC_CONTIGUOUS,
    TRACE_SPACE_ALLOC_PHYSICAL,
    TRACE_SPACE_MAP_OBJECT,
    TRACE_SPACE_FREE_REGION,
    TRACE_SPACE_READ,
    TRACE_SPACE_WRITE,
    TRACE_SPACE_EXECUTE,
    TRACE_VMO_DECLARE_VDSO,
    TRACE_VDSO_ADDRESS,
    TRACE_VALLOC_INIT,
    TRACE_VALLOC_ALLOC,
    TRACE_VALLOC_FREE,
    TRACE_VALLOC_ALLOCATE_RANGE,
    TRACE_VALLOC_FREE_ALL,
    TRACE_VALLOC_DESTROY,
    TRACE_CODE_COUNT
};

/* Sizes, offsets and addresses. Those marked "address" name a place; the operand that they stand for turns
   them into what it needs (an offset into the VMAR, the distance from the start). Quantities turn into
   addresses by adding the landmark's base. */
enum trace_amount_kind {
    TRACE_ZERO,
    TRACE_PAGES,       /* value pages */
    TRACE_PAGES_MANY,  /* the same from 32 on */
    TRACE_POWER,       /* 1 << value */
    TRACE_BYTES,       /* value bytes */
    TRACE_LARGE,       /* value * 2 MiB */
    TRACE_GIGA,        /* value * 1 GiB */
    TRACE_MARK,        /* address: the landmark's base */
    TRACE_MARK_END,    /* address: its end */
    TRACE_MARK_SIZE,   /* its size */
    TRACE_MARK_PAGE,   /* address: page number `value` of it, modulo its pages */
    TRACE_MARK_BYTE,   /* address: byte number `value` of it, modulo its size */
    TRACE_MARK_MIDDLE, /* address: the page in its middle */
    TRACE_WHOLE,       /* the size of the object that the operation is about */
    TRACE_PART,        /* value / 65536 of that, rounded down to a page */
    TRACE_BASE,        /* address: the object's base */
    TRACE_END,         /* address: the object's end */
    TRACE_MINUS_PAGES, /* 2^64 - value pages */
    TRACE_MINUS_BYTES, /* 2^64 - value */
    TRACE_EDGE,        /* address: one of eight at the edges of the address spaces */
    TRACE_LAST,        /* address: what the latest successful placement answered */
    TRACE_GAP,         /* the free bytes behind the landmark */
    TRACE_WHOLE_MINUS, /* the object's size - value pages */
    TRACE_KIND_COUNT
};

enum trace_delta {
    TRACE_DELTA_NONE = 0,
    TRACE_DELTA_PAGE_UP = 1,
    TRACE_DELTA_PAGE_DOWN = 2,
    TRACE_DELTA_BYTE_UP = 6,
    TRACE_DELTA_BYTE_DOWN = 7,
};

struct trace_amount {
    uint8_t kind;  /* enum trace_amount_kind */
    uint8_t delta; /* enum trace_delta, added at the end */
    uint16_t value;
};

/* Slots. A slot that holds nothing fitting stands for the next one that does, around the end. */
#define TRACE_SLOTS           64
#define TRACE_PROCESSES       16
#define TRACE_SLOT_NONE       192 /* ZX_HANDLE_INVALID */
#define TRACE_SLOT_GARBAGE    193 /* a value that no handle ever has */
#define TRACE_SLOT_CLOSED     194 /* the handle that the process closed last */
#define TRACE_SLOT_FOREIGN    195 /* a handle of another process */
#define TRACE_SLOT_WRONG_TYPE 196 /* a handle of another type */
#define TRACE_SLOT_OWN        197 /* the process's own root VMAR, or itself */
#define TRACE_SLOT_LAST       197
/* In `to`, where slots say what a result is called afterwards: result pointers that are null. */
#define TRACE_TO_NULL_FIRST  192
#define TRACE_TO_NULL_SECOND 193
/* In `mark`: the root of the address space. */
#define TRACE_MARK_ROOT 192

/* Spaces that are no process's: the kernel's, then those of guests. */
#define TRACE_SPACE_KERNEL 0
#define TRACE_GUESTS       4
#define TRACE_SPACES       (1 + TRACE_GUESTS)

/* Options of harvest_accessed_bits: tables that were not used go; the notes of use go; the address is read
   first. */
#define TRACE_HARVEST_FREE  1u
#define TRACE_HARVEST_NOTES 2u
#define TRACE_HARVEST_TOUCH 4u

/* Options of what allocates in a space: where, whether at once, what may be done, the cache policy of physical
   memory in two bits. */
#define TRACE_ALLOC_SPECIFIC    1u
#define TRACE_ALLOC_COMMIT      2u
#define TRACE_ALLOC_READ        4u
#define TRACE_ALLOC_WRITE       8u
#define TRACE_ALLOC_EXECUTE     16u
#define TRACE_ALLOC_CACHE_SHIFT 5
#define TRACE_ALLOC_ALL         127u
#define TRACE_ALLOC_PERMS_SHIFT 2

/* Types of handles, in the field `b` of operations on any of them. */
enum trace_type { TRACE_TYPE_VMAR, TRACE_TYPE_VMO, TRACE_TYPE_PROCESS, TRACE_TYPE_COUNT };

/* Rights of duplicate and replace: the way in `mark`, 24 bits in `options` and `align`. */
enum trace_rights {
    TRACE_RIGHTS_SAME,
    TRACE_RIGHTS_MINUS,
    TRACE_RIGHTS_RAW,
    TRACE_RIGHTS_HIGH,
    TRACE_RIGHTS_COUNT
};

/* In the options of vmo_replace_as_executable: what is passed as vmex. */
enum trace_vmex { TRACE_VMEX_NONE, TRACE_VMEX_GARBAGE, TRACE_VMEX_SAME, TRACE_VMEX_COUNT };

/* In the options of object_get_property and object_set_property: a property that there is not. */
#define TRACE_PROPERTY_UNKNOWN 0x7fff

/* In the options of object_get_info: a topic that there is not. */
#define TRACE_TOPIC_UNKNOWN 0x7fff

/* Handles that handle_close_many names, by slots from `a` on. */
#define TRACE_CLOSE_MANY_MAX 4

/* An option bit that names one of the undefined options 15 to 23, chosen by `mark`; only where options are
   wild. */
#define TRACE_OPTION_UNDEFINED (1u << 15)

struct trace_op {
    uint8_t code; /* enum trace_code */
    bool wild;    /* options are taken as they are, not made sensible */
    uint8_t a, b; /* slots, or what the operation says */
    uint8_t to;   /* slot of the result; also of the landmark that the result becomes */
    uint8_t mark; /* landmark */
    uint16_t options;
    uint8_t align, reserved;
    struct trace_amount amount[3]; /* the third has values up to 255 */
};

/* What the fields of an operation are. One table drives decoding, text and mutation. */
enum trace_field_kind {
    TRACE_FIELD_END,
    TRACE_FIELD_VMAR,           /* a */
    TRACE_FIELD_VMO,            /* b */
    TRACE_FIELD_VMO_A,          /* a */
    TRACE_FIELD_ANY,            /* a, of the type in b */
    TRACE_FIELD_PROCESS,        /* a: number of a process */
    TRACE_FIELD_PROCESS_HANDLE, /* a */
    TRACE_FIELD_JOB,            /* a */
    TRACE_FIELD_SPACE,          /* a: number of a space */
    TRACE_FIELD_TO,
    TRACE_FIELD_MARK,
    TRACE_FIELD_OPTIONS,
    TRACE_FIELD_ALIGN,
    TRACE_FIELD_RIGHTS,
    TRACE_FIELD_NUMBER, /* b */
    TRACE_FIELD_FILL,   /* align: a byte */
    TRACE_FIELD_AMOUNT0,
    TRACE_FIELD_AMOUNT1,
    TRACE_FIELD_AMOUNT2,
};

struct trace_field {
    uint8_t kind; /* enum trace_field_kind */
    const char *label;
};

#define TRACE_FIELDS_MAX 9

struct trace_shape {
    const char *name;
    uint8_t weight, wild_weight; /* codes of the 128 that mean it; 0: see trace_has_wild */
    struct trace_field fields[TRACE_FIELDS_MAX + 1];
};

extern const struct trace_shape trace_shapes[TRACE_CODE_COUNT];

/* The bytes are padded with zeroes where there are too few. */
void trace_decode_header(const uint8_t *bytes, size_t size, struct trace_header *header);
void trace_encode_header(const struct trace_header *header, uint8_t out[static TRACE_HEADER_SIZE]);

/* Operations in that many bytes, a last partial one included. */
size_t trace_count(size_t size);

/* Operation `index`, which is below trace_count(size), in canonical form. */
void trace_decode(const uint8_t *bytes, size_t size, size_t index, struct trace_op *op);

/* Whether the operation has a wild form. */
bool trace_has_wild(uint8_t code);

/* Makes every field canonical. */
void trace_normalize(struct trace_op *op);

/* Of an operation in canonical form: decoding gives it back. */
void trace_encode(const struct trace_op *op, uint8_t out[static TRACE_OPERATION_SIZE]);

/* The memory sizes that a header can name, ascending. */
#define TRACE_MEMORY_SIZES 8
extern const uint16_t trace_memory_sizes[TRACE_MEMORY_SIZES];

/* ---- What came of an operation ---- */

#define TRACE_ARGUMENTS_MAX 6
#define TRACE_RESULTS_MAX   4

struct vm_aspace;
struct vm_stats;

struct trace_record {
    zx_status_t status;
    uint32_t argument_count, result_count;
    uint64_t arguments[TRACE_ARGUMENTS_MAX]; /* as resolved; handles as slots (trace_reference) */
    uint64_t results[TRACE_RESULTS_MAX];
    uint64_t data_hash; /* of the bytes read; 0: none were */
    uint32_t data_size;
    bool failed_allocation; /* the switch fired; not in the digest */
    /* Not in the digest: the space of the current process; the counts of the machine after the operation. */
    struct vm_aspace *aspace;
    const struct vm_stats *stats;
    uint64_t digest; /* of the run so far, this record included */
};

/* How records name a handle. */
static inline uint64_t trace_reference(uint8_t type, uint8_t slot)
{
    return (uint64_t)type << 8 | slot;
}

/* FNV-1a, 64 bits, a byte at a time. */
#define TRACE_DIGEST_START 0xcbf29ce484222325ull
uint64_t trace_hash(uint64_t hash, const void *bytes, size_t size);
/* Of a number as 8 bytes, the lowest first. */
uint64_t trace_hash_u64(uint64_t hash, uint64_t value);
/* Of code, status, counts, arguments, results, data_size and data_hash, in this order, each as a u64. */
uint64_t trace_hash_record(uint64_t hash, const struct trace_op *op, const struct trace_record *record);

/* ---- Text ---- */

struct vm_sink;

/* The first line of the text form; the bytes where they are not those that encoding would give. */
void trace_print_header(struct vm_sink *sink, const uint8_t *bytes, size_t size);
/* One line, without the end of line. */
void trace_print_operation(struct vm_sink *sink, const uint8_t *bytes, size_t size, size_t index);
void trace_print_op(struct vm_sink *sink, const struct trace_op *op);
void trace_print_record(struct vm_sink *sink, const struct trace_op *op, const struct trace_record *record);
/* All of it. */
void trace_print(struct vm_sink *sink, const uint8_t *bytes, size_t size);

struct trace_parse_error {
    uint32_t line;     /* from 1 */
    char message[320]; /* what was expected and what was found */
};

/* Text to bytes: how many, or SIZE_MAX where the text is wrong (*error says how) or the bytes do not fit
   into `capacity`. */
size_t trace_parse(const char *text, size_t length, uint8_t *out, size_t capacity,
                   struct trace_parse_error *error);

#endif /* FUZZ_TRACE_H_ */
