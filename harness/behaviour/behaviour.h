/* SPDX-License-Identifier: MIT */
/*
 * behaviour.h: all that a test of the interfaces inside the kernel (vm/) may use beside them: address spaces and
 * large buffers as the kernel itself sees them, of which programs see only a part.
 *
 * These tests are made of the pieces of the conformance suite (../conformance/conformance.h): the same checks, the
 * same tables, a machine of its own for each test. A source includes this header and nothing else; it is
 * freestanding, and knows the core by its public headers alone. What is said here is true on the host, whose
 * processor is software, and in the booted kernel, where the processor itself takes the faults.
 *
 * Whoever runs the suites supplies the functions of the last section: harness/tests/test_behaviour.c and
 * kernel/behaviour.c.
 */
#ifndef HARNESS_BEHAVIOUR_BEHAVIOUR_H_
#define HARNESS_BEHAVIOUR_BEHAVIOUR_H_

#include "../conformance/conformance.h"

#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/page_queue.h>
#include <vm/pmm.h>
#include <vm/thread.h>
#include <vm/vdso.h>
#include <vm/virtual_alloc.h>
#include <vm/vmar.h>
#include <vm/vmo.h>

/* Every source with tests: the name of the file. Assertions come last: after them a core may say less. */
#define BEHAVIOUR_SUITES(SUITE)                                                                              \
    SUITE(aspace)                                                                                            \
    SUITE(regions)                                                                                           \
    SUITE(allocators)                                                                                        \
    SUITE(faults)                                                                                            \
    SUITE(harvest)                                                                                           \
    SUITE(spaces)                                                                                            \
    SUITE(guest)                                                                                             \
    SUITE(vdso)                                                                                              \
    SUITE(virtual_alloc)                                                                                     \
    SUITE(assertions)

#define BEHAVIOUR_DECLARE(name) extern const struct conformance_test name##_tests[];
BEHAVIOUR_SUITES(BEHAVIOUR_DECLARE)
#undef BEHAVIOUR_DECLARE
extern const struct conformance_suite behaviour_suites[]; /* behaviour.c */

/* ---- Things to work with (behaviour.c) ---- */

#define PAGE   ((size_t)ZX_PAGE_SIZE)
#define MIB    ((size_t)1 << 20)
#define GIB    ((size_t)1 << 30)
#define GIB    ((size_t)1 << 30)
#define R      ZX_VM_PERM_READ
#define RW     (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define RX     (ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE)
#define MMU_RW (ARCH_MMU_READ | ARCH_MMU_WRITE)

/* The space of the running process; of the process behind a handle, which keeps it. */
struct vm_aspace *self(void);
struct vm_aspace *space_of(zx_handle_t process);
/* What a handle leads to, and keeps. */
struct vm_vmo *vmo_behind(zx_handle_t handle);
struct vm_vmar *vmar_behind(zx_handle_t handle);
/* Destroys and releases; null is fine. */
void discard(struct vm_aspace *aspace);
/* Every invariant of the core holds. */
void check_sound(void);

/* The translation of va; size 0 where there is none. */
struct page_table_entry entry_at(struct vm_aspace *aspace, zx_vaddr_t va);
size_t count_entered(struct vm_aspace *aspace, zx_vaddr_t va, size_t pages);

/* Maps all of a VMO in the running process, somewhere. */
zx_vaddr_t map_somewhere(zx_handle_t vmo, zx_vm_option_t perms, size_t pages);
/* One byte, in user mode. */
void put_byte(struct vm_aspace *aspace, zx_vaddr_t va, char byte);
char get_byte(struct vm_aspace *aspace, zx_vaddr_t va);

/* A sink that keeps the text. */
struct kept_text {
    struct vm_sink sink;
    size_t size;
    unsigned lines;
    char text[4096];
};
struct vm_sink *keep_text(struct kept_text *kept);
bool says(const struct kept_text *kept, const char *words);

/* ---- What whoever runs the suites supplies ---- */

enum behaviour_access { BEHAVIOUR_READ, BEHAVIOUR_WRITE, BEHAVIOUR_EXECUTE };

/*
 * One byte is read (into *byte), written (from it) or fetched at va through the tables of that space: in user mode,
 * or by the kernel (in a space of its own) or by a guest (in a guest's). Page faults are resolved by
 * vm_aspace_page_fault; OK, or the status with which one was refused.
 */
zx_status_t behaviour_user(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind);
zx_status_t behaviour_kernel(struct vm_aspace *aspace, zx_vaddr_t va, char *byte, enum behaviour_access kind);

/* 4 MiB of zeroed memory, aligned to 2 MiB, that is no machine's. */
struct pmm_range behaviour_device(void);

/* Whether function(context) fails an assertion. Whatever it does to the machine is undone; what it changes outside
   of it (variables of the test) may stay. */
bool behaviour_asserts(void (*function)(void *context), void *context);

#endif /* HARNESS_BEHAVIOUR_BEHAVIOUR_H_ */
