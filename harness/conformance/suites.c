/* SPDX-License-Identifier: MIT */
/* suites.c: every test of every call, for whoever runs them. */
#include "conformance.h"

const struct conformance_suite conformance_suites[] = {CONFORMANCE_SUITES(SUITE_OF) NO_MORE_SUITES};
