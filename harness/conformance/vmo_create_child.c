/* SPDX-License-Identifier: MIT */
#include "matrix.h"
const struct conformance_test vmo_create_child_tests[] = {NO_MORE_CASES};
