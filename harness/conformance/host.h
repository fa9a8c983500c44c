/* SPDX-License-Identifier: MIT */
/* host.h: running suites on the host; each of the programs that do says which. */
#ifndef HARNESS_CONFORMANCE_HOST_H_
#define HARNESS_CONFORMANCE_HOST_H_

#include <stdbool.h>

#include "conformance.h"

/* What main returns: runs the suites that the arguments name, by default all of the table. */
int run_suites(const struct conformance_suite *suites, int argc, char **argv);

/* Whether function(context) ends the program by an assertion: it is called in a copy of this process, so what
   it does stays there. */
bool asserts_in_a_copy(void (*function)(void *context), void *context);

#endif /* HARNESS_CONFORMANCE_HOST_H_ */
