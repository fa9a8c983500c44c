/* SPDX-License-Identifier: MIT */
/*
 * percpu.c: what each processor has for itself lies in one array, of which smp.c fills an element before it starts the
 * processor.
 */
#include <vm/mem.h>

#include "io.h"
#include "percpu.h"

#define MSR_GS_BASE 0xc0000101u

static struct percpu processors[PERCPU_MAX];
static atomic_uint count;

void percpu_load(struct percpu *processor)
{
    write_msr(MSR_GS_BASE, (uintptr_t)processor);
}

struct percpu *percpu_prepare(void)
{
    unsigned number = atomic_load(&count);
    if (number == PERCPU_MAX)
        return NULL;
    memset(&processors[number], 0, sizeof(processors[number])); /* of one that did not get far */
    processors[number].self = &processors[number];
    processors[number].number = number;
    return &processors[number];
}

void percpu_add(void)
{
    atomic_fetch_add(&count, 1);
}

void percpu_start(void)
{
    struct percpu *first = percpu_prepare();
    percpu_add();
    percpu_load(first);
    atomic_store(&first->online, true);
}

unsigned percpu_count(void)
{
    return atomic_load(&count);
}

struct percpu *percpu_at(unsigned number)
{
    return &processors[number];
}
