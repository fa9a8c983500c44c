/* SPDX-License-Identifier: MIT */
/* trace_names.h: the words of the text form, for trace_text.c. */
#ifndef FUZZ_TRACE_NAMES_H_
#define FUZZ_TRACE_NAMES_H_

#include <stdbool.h>
#include <stdint.h>

#include "trace.h"

/* A table ends with a null text. */
struct trace_name {
    uint32_t value;
    const char *text;
};

extern const struct trace_name trace_slot_names[], trace_to_names[], trace_mark_names[], trace_job_names[],
    trace_type_names[], trace_rights_names[], trace_delta_names[], trace_kind_names[], trace_space_names[];

/* Of a record: labels of arguments, a bar, labels of results; * before those that are handles. */
extern const char *const trace_record_labels[TRACE_CODE_COUNT];

/* Null where the value has none. */
const char *trace_name_of(const struct trace_name *names, uint32_t value);

/* The names of an operation's options, and whether they are bits to be combined. */
const struct trace_name *trace_option_names(uint8_t code, bool *bits);

#endif /* FUZZ_TRACE_NAMES_H_ */
