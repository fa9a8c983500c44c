/* SPDX-License-Identifier: MIT */
/*
 * conformance.h: all that a conformance test may use beside the public interface (zircon/).
 *
 * A test says what a call answers and what it does, and looks at that through other calls and through memory
 * alone. So its source needs no more than a compiler and someone who runs it: no libc, nothing of the core,
 * nothing of the host. Each source has a table of its tests, NAME_tests, which CONFORMANCE_SUITES below
 * lists.
 *
 * Whoever runs the suite supplies the functions of the last section; on the host that is host.c. Every test
 * begins with a machine of its own, whose one process it is. What it leaves behind goes with the process.
 *
 * The tests of what only those inside the kernel can call are made of the same pieces: ../behaviour/.
 */
#ifndef HARNESS_CONFORMANCE_CONFORMANCE_H_
#define HARNESS_CONFORMANCE_CONFORMANCE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zircon/syscalls.h>

/* ---- Tests and their tables ---- */

struct conformance_test {
    const char *name;
    void (*function)(void);
};

/* TEST(name) { … }, and at the end of the source the table: CASE(name), …, NO_MORE_CASES. */
#define TEST(name) static void name(void)
#define CASE(test)                                                                                           \
    {                                                                                                        \
        .name = #test, .function = test                                                                      \
    }
#define NO_MORE_CASES                                                                                        \
    {                                                                                                        \
        .name = NULL, .function = NULL                                                                       \
    }

/* A source with tests; a table of such ends with NO_MORE_SUITES. */
struct conformance_suite {
    const char *name; /* the name of the file */
    const struct conformance_test *tests;
};
#define SUITE_OF(file) {.name = #file, .tests = file##_tests},
#define NO_MORE_SUITES                                                                                       \
    {                                                                                                        \
        .name = NULL, .tests = NULL                                                                          \
    }

/* Every source with tests of the calls: the name of the file. */
#define CONFORMANCE_SUITES(SUITE)                                                                            \
    SUITE(vmar_allocate)                                                                                     \
    SUITE(vmar_map)                                                                                          \
    SUITE(vmar_map_memory)                                                                                   \
    SUITE(vmar_unmap)                                                                                        \
    SUITE(vmar_protect)                                                                                      \
    SUITE(vmar_destroy)                                                                                      \
    SUITE(vmar_op_range)                                                                                     \
    SUITE(access)                                                                                            \
    SUITE(types)                                                                                             \
    SUITE(vmo_create)                                                                                        \
    SUITE(vmo_create_child)                                                                                  \
    SUITE(vmo_child)                                                                                         \
    SUITE(vmo_read_write)                                                                                    \
    SUITE(vmo_size)                                                                                          \
    SUITE(vmo_op_range)                                                                                      \
    SUITE(vmo_replace_as_executable)                                                                         \
    SUITE(handle)                                                                                            \
    SUITE(object_info)                                                                                       \
    SUITE(object_maps)                                                                                       \
    SUITE(object_property)                                                                                   \
    SUITE(process)                                                                                           \
    SUITE(process_memory)                                                                                    \
    SUITE(process_shared)                                                                                    \
    SUITE(process_start)                                                                                     \
    SUITE(thread)                                                                                            \
    SUITE(wait)                                                                                              \
    SUITE(clock)                                                                                             \
    SUITE(system)

#define CONFORMANCE_DECLARE(name) extern const struct conformance_test name##_tests[];
CONFORMANCE_SUITES(CONFORMANCE_DECLARE)
#undef CONFORMANCE_DECLARE
extern const struct conformance_suite conformance_suites[]; /* suites.c */

/* ---- Checks: one that fails ends its test ---- */

/* Where a check stands, for messages. */
struct conformance_place {
    const char *file;
    int line;
    const char *text;
};
#define CONFORMANCE_PLACE(text) (&(const struct conformance_place){__FILE__, __LINE__, text})

#define CHECK(condition) conformance_check((condition), CONFORMANCE_PLACE(#condition))

/* Any two numbers. */
#define CHECK_EQUAL(a, b)                                                                                    \
    conformance_check_equal((uint64_t)(a), (uint64_t)(b), CONFORMANCE_PLACE(#a " == " #b))

/* The call answers that status. Nothing else is looked at. */
#define STATUS(expected, call) conformance_check_status((call), (expected), CONFORMANCE_PLACE(#call))

/* The call answers that status and changes nothing. The status is worked out first. The
   expression holds the call and nothing else that changes anything. */
#define REFUSED(expected, call)                                                                              \
    do {                                                                                                     \
        zx_status_t wanted_ = (expected);                                                                    \
        conformance_before();                                                                                \
        conformance_unchanged((call), wanted_, CONFORMANCE_PLACE(#call));                                    \
    } while (0)

/*
 * The call succeeds, and it can fail: with each copy from or to the caller's memory failing in turn it
 * answers INVALID_ARGS, with each allocation failing in turn, once or for good, NO_MEMORY, and changes
 * nothing. A call that does without the memory (best effort) may succeed there, and is then not made again.
 * In a loop not every round need do all that. Where nothing can be made to fail the call is made once. So the
 * expression is evaluated many times, and succeeds the last time: it must not count on being evaluated just
 * once, nor contain OK or REFUSED.
 */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        struct conformance_attempt attempt_ = {.place = CONFORMANCE_PLACE(#call)};                           \
        while (conformance_attempt(&attempt_))                                                               \
            attempt_.status = (call);                                                                        \
    } while (0)

/* The call succeeds; for what a failure may change (a copy of many bytes that breaks off, the first use of
   something made when it is asked for), and for what other tests make fail already. Evaluated once. */
#define OK_ONCE(call) conformance_succeeded((call), CONFORMANCE_PLACE(#call))

/* A value that is shown when a check fails: for loops. It stays until its name is noted again, or the test
   ends. */
#define NOTE(value) conformance_note(#value, (uint64_t)(value))

/* ---- Things to make calls with (conformance.c) ---- */

/* A pointer at which no program has memory. */
#define BAD_POINTER ((void *)8)

#define RIGHTS_RWX  (ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE)
#define CAN_MAP_RWX (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE)
#define EVERYTHING  (CAN_MAP_RWX | ZX_VM_CAN_MAP_SPECIFIC)
#define ALIGN(log2) ((zx_vm_option_t)(log2) << ZX_VM_ALIGN_BASE)

zx_handle_t make_vmo(uint64_t size, uint32_t options);
/* One whose handle has EXECUTE too. */
zx_handle_t make_executable_vmo(uint64_t size);
/* A child VMAR of the root, of so many pages. */
zx_handle_t make_vmar(zx_vm_option_t options, size_t pages, zx_vaddr_t *base);
/* A child VMAR of `parent`, at `offset`. */
zx_handle_t make_vmar_at(zx_handle_t parent, zx_vm_option_t options, size_t offset, size_t pages);
/* Maps pages of a VMO at base + offset of a VMAR; the address. */
zx_vaddr_t map_at(zx_handle_t vmar, zx_vm_option_t perms, size_t offset, zx_handle_t vmo, uint64_t vmo_offset,
                  size_t pages);

/* A handle to a VMAR of 16 pages that has been destroyed. */
zx_handle_t dead_vmar(void);
/* A number that was a handle. */
zx_handle_t closed_handle(void);
/* Further handles to the same object, with just these rights of the first, or without them. */
zx_handle_t with_rights(zx_handle_t handle, zx_rights_t rights);
zx_handle_t without(zx_handle_t handle, zx_rights_t rights);

zx_info_handle_basic_t basic_of(zx_handle_t handle);
zx_rights_t rights_of(zx_handle_t handle);
zx_info_vmar_t vmar_info_of(zx_handle_t vmar);
zx_info_vmo_t vmo_info_of(zx_handle_t vmo);
zx_info_kmem_stats_t kmem_stats(void);
bool same_bytes(const void *a, const void *b, size_t size);

/* One byte, through the processor or the VMO. */
char byte_at(zx_vaddr_t va);
char byte_of(zx_handle_t vmo, uint64_t offset);
zx_status_t touch(zx_vaddr_t va, char byte);

/* ---- What whoever runs the suite supplies ---- */

/*
 * The calling process reads, writes or executes `size` bytes at va. ZX_OK, or the status with which the page
 * fault was refused, the bytes before it accessed: NOT_FOUND nothing is mapped there, ACCESS_DENIED the
 * permission in force, OUT_OF_RANGE past the end of the VMO, NO_MEMORY.
 */
zx_status_t access_read(zx_vaddr_t va, void *buffer, size_t size);
zx_status_t access_write(zx_vaddr_t va, const void *buffer, size_t size);
zx_status_t access_execute(zx_vaddr_t va, size_t size);

/* The nth allocation of the machine from now fails, and all after it where persistent; 0: none does.
   Whether that can be done: where it cannot, tests of failing allocations are left out. */
bool conformance_fail_allocation(uint64_t nth, bool persistent);

/* Whether threads of programs run: where they do not, starting one is NOT_SUPPORTED, and tests of what they do are
   left out. */
bool conformance_runs_programs(void);

/* The macros above. A check that fails prints the place, the values and the notes, and does not return. */
void conformance_check(bool condition, const struct conformance_place *place);
void conformance_check_equal(uint64_t a, uint64_t b, const struct conformance_place *place);
void conformance_check_status(zx_status_t status, zx_status_t expected,
                              const struct conformance_place *place);
void conformance_succeeded(zx_status_t status, const struct conformance_place *place);
void conformance_note(const char *name, uint64_t value);

/* Remembers the state of the whole machine, as far as it can be seen; and demands that it is still the
   same and sound. */
void conformance_before(void);
void conformance_unchanged(zx_status_t status, zx_status_t expected, const struct conformance_place *place);

/* OK: judges what the call answered, and says whether it is to be made (again). */
struct conformance_attempt {
    const struct conformance_place *place;
    zx_status_t status;
    unsigned phase, nth; /* the runner's; zero at first, as are these: */
    uint64_t copies, allocations;
};
bool conformance_attempt(struct conformance_attempt *attempt);

#endif /* HARNESS_CONFORMANCE_CONFORMANCE_H_ */
