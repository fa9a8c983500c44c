/* SPDX-License-Identifier: MIT */
/*
 * conformance_checks.h: the checks of harness/conformance/conformance.h for whoever runs the suite on this kernel: the kernel itself
 * (conformance.c) and a program (user/conformance.c). The last section is what these supply.
 */
#ifndef KERNEL_CONFORMANCE_CHECKS_H_
#define KERNEL_CONFORMANCE_CHECKS_H_

#include <stdbool.h>
#include <stdint.h>

struct conformance_test;

/* The nth test of the whole suite, from 0, and the name of its source; null: there are fewer. */
const struct conformance_test *conformance_test_at(unsigned nth, const char **suite);

/* Forgets the notes and places of the test before. */
void conformance_begin(void);

/* ---- Supplied by who runs the suite ---- */

/* The state of the machine as a number. */
uint64_t conformance_state(void);

/* Ends the test: a check has failed, and has said so. */
_Noreturn void conformance_failed(void);

#endif /* KERNEL_CONFORMANCE_CHECKS_H_ */
