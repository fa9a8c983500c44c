/* SPDX-License-Identifier: MIT */
/* test_conformance.c: the conformance suite on the host: test_conformance [SUITE...], by default all. */
#include "../conformance/host.h"

int main(int argc, char **argv)
{
    return run_suites(conformance_suites, argc, argv);
}
