/* SPDX-License-Identifier: MIT */
/*
 * plant.h: what tests of the checkers share: a report that is kept, and damage that is planted in a field, must be
 * reported in so many words, and is repaired again.
 */
#ifndef HARNESS_TESTS_PLANT_H_
#define HARNESS_TESTS_PLANT_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vm/format.h>

/* A sink that keeps what it is told, as far as there is room. */
struct kept {
    struct vm_sink sink;
    size_t size;
    char text[1 << 16];
};

static void keep(struct vm_sink *self, const char *text, size_t size)
{
    struct kept *kept = (struct kept *)(void *)self;

    if (size > sizeof(kept->text) - 1 - kept->size)
        size = sizeof(kept->text) - 1 - kept->size;
    memcpy(kept->text + kept->size, text, size);
    kept->size += size;
    kept->text[kept->size] = '\0';
}

static struct kept report;

/* The sink of a report that is empty yet. */
static inline struct vm_sink *report_begin(void)
{
    report.sink.write = keep;
    report.size = 0;
    report.text[0] = '\0';
    return &report.sink;
}

static inline bool report_says(const char *words)
{
    bool says = strstr(report.text, words) != NULL;

    if (!says)
        print_message("the report does not say '%s':\n%s", words, report.text);
    return says;
}

/* Puts `value` into `place`; then `check` must be false and say `words` to report_begin(). The place is repaired
   before the test can fail. */
#define PLANT_FOR(check, place, value, words)                                                                \
    do {                                                                                                     \
        __typeof__(place) before_ = (place);                                                                 \
        (place) = (value);                                                                                   \
        bool found_ = !(check) && report_says(words);                                                        \
        (place) = before_;                                                                                   \
        assert_true(found_);                                                                                 \
    } while (0)

#endif /* HARNESS_TESTS_PLANT_H_ */
