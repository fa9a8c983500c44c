/* SPDX-License-Identifier: MIT */
/* test_host.c: the calls of zvm/host.h, through a program's eyes; and what the checker and the views say of
   what it did. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vm/machine.h>
#include <zircon/syscalls.h>
#include <zvm/host.h>

#define PAGE 4096u

static int start(void **state)
{
    (void)state;
    return zvm_start(NULL) == ZX_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    return zvm_stop() == ZX_OK ? 0 : -1;
}

static zx_handle_t make_vmo(uint64_t pages, uint32_t options)
{
    zx_handle_t vmo;

    assert_int_equal(zx_vmo_create(pages * PAGE, options, &vmo), ZX_OK);
    return vmo;
}

static zx_vaddr_t map(zx_handle_t vmo, zx_vm_option_t options, size_t pages)
{
    zx_vaddr_t va = 0;

    assert_int_equal(zx_vmar_map(zx_vmar_root_self(), options, 0, vmo, 0, pages * PAGE, &va), ZX_OK);
    return va;
}

static zx_status_t poke(zx_vaddr_t va, const char *text)
{
    char copy[64];

    memcpy(copy, text, strlen(text));
    return zvm_access(zx_process_self(), va, copy, strlen(text), ZVM_WRITE);
}

static zx_status_t peek(zx_vaddr_t va, char *text, size_t size)
{
    return zvm_access(zx_process_self(), va, text, size, ZVM_READ);
}

/* ---- Starting and stopping ---- */

static void test_not_started(void **state)
{
    struct zvm_stats stats;
    char byte;

    (void)state;
    assert_int_equal(zvm_stop(), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_check(), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_access(1, PAGE, &byte, 1, ZVM_READ), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_dump(1, stdout), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_svg(1, stdout), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_get_stats(&stats), ZX_ERR_BAD_STATE);
}

static void test_start_refusals(void **state)
{
    (void)state;
    assert_int_equal(zvm_start(&(struct zvm_config){.entropy_bits = 37}), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_start(&(struct zvm_config){.compact_entropy_bits = 37}), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_start(&(struct zvm_config){.processors = 17}), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_start(&(struct zvm_config){.memory_bytes = 1}), ZX_ERR_NO_MEMORY);
    assert_int_equal(zvm_start(&(struct zvm_config){.memory_bytes = SIZE_MAX}), ZX_ERR_NO_MEMORY);
    assert_int_equal(zvm_start(&(struct zvm_config){.memory_bytes = SIZE_MAX / 2}), ZX_ERR_NO_MEMORY);
    assert_int_equal(zvm_start(NULL), ZX_OK);
    assert_int_equal(zvm_start(NULL), ZX_ERR_BAD_STATE);
    assert_int_equal(zvm_stop(), ZX_OK);
}

/* However little memory there is, starting either works or leaves nothing behind. */
static void test_start_with_little_memory(void **state)
{
    unsigned started = 0;

    (void)state;
    for (size_t pages = 1; pages < 64; pages++) {
        zx_status_t status = zvm_start(&(struct zvm_config){.memory_bytes = pages * PAGE});
        if (status == ZX_OK) {
            started++;
            assert_int_equal(zvm_check(), ZX_OK);
            assert_int_equal(zvm_stop(), ZX_OK);
        } else {
            assert_int_equal(status, ZX_ERR_NO_MEMORY);
            assert_int_equal(started, 0);
        }
    }
    assert_true(started > 0);
}

/* The same seed gives the same places, another seed others; without randomness places are the lowest. */
static void test_repeatable(void **state)
{
    zx_vaddr_t first[4];
    const struct zvm_config configs[4] = {{.seed = 1}, {.seed = 1}, {.seed = 2}, {.aslr_off = true}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(zvm_start(&configs[i]), ZX_OK);
        first[i] = map(make_vmo(1, 0), ZX_VM_PERM_READ, 1);
        assert_int_equal(zvm_stop(), ZX_OK);
    }
    assert_int_equal(first[0], first[1]);
    assert_int_not_equal(first[0], first[2]);
    assert_int_equal(first[3], 0x1000000);
}

/* ---- Accesses ---- */

static void test_access(void **state)
{
    zx_handle_t vmo = make_vmo(4, 0);
    zx_vaddr_t va = map(vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 4);
    char text[8] = "xxxxxxx";

    (void)state;
    assert_int_equal(peek(va, text, 8), ZX_OK);
    assert_memory_equal(text, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(poke(va + PAGE - 2, "hello"), ZX_OK);
    assert_int_equal(peek(va + PAGE - 2, text, 5), ZX_OK);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(zx_vmo_read(vmo, text, PAGE - 2, 5), ZX_OK);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(zvm_access(zx_process_self(), va, NULL, 1, ZVM_EXECUTE), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(peek(va - 1, text, 1), ZX_ERR_NOT_FOUND);
    assert_int_equal(peek(va + 4 * PAGE - 1, text, 2), ZX_ERR_NOT_FOUND);
    assert_int_equal(zvm_check(), ZX_OK);
}

static void test_access_refusals(void **state)
{
    char byte;
    zx_handle_t vmo = make_vmo(1, 0);

    (void)state;
    assert_int_equal(zvm_access(zx_process_self(), PAGE, &byte, 1, 0), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_access(zx_process_self(), PAGE, &byte, 1, ZVM_READ | ZVM_WRITE),
                     ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_access(zx_process_self(), PAGE, NULL, 1, ZVM_READ), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_access(ZX_HANDLE_INVALID, PAGE, &byte, 1, ZVM_READ), ZX_ERR_BAD_HANDLE);
    assert_int_equal(zvm_access(vmo, PAGE, &byte, 1, ZVM_READ), ZX_ERR_WRONG_TYPE);
    assert_int_equal(zvm_access(zx_process_self(), 0, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(zvm_access(zx_process_self(), 1ull << 47, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(zvm_access(zx_process_self(), UINT64_MAX, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(zvm_access(zx_process_self(), 0, NULL, 0, ZVM_READ), ZX_OK);
    assert_int_equal(zx_handle_close(vmo), ZX_OK);
}

/* What protect takes is gone at once, what it gives works at once. */
static void test_protect(void **state)
{
    zx_vaddr_t va = map(make_vmo(3, 0), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 3);
    char byte;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(poke(va + i * PAGE, "x"), ZX_OK);
    assert_int_equal(zx_vmar_protect(zx_vmar_root_self(), ZX_VM_PERM_READ, va + PAGE, PAGE), ZX_OK);
    assert_int_equal(poke(va, "y"), ZX_OK);
    assert_int_equal(poke(va + PAGE, "y"), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(poke(va + 2 * PAGE, "y"), ZX_OK);
    assert_int_equal(peek(va + PAGE, &byte, 1), ZX_OK);
    assert_int_equal(byte, 'x');
    assert_int_equal(zx_vmar_protect(zx_vmar_root_self(), 0, va, 3 * PAGE), ZX_OK);
    assert_int_equal(peek(va + PAGE, &byte, 1), ZX_ERR_ACCESS_DENIED);
    assert_int_equal(zx_vmar_protect(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, va, 3 * PAGE),
                     ZX_OK);
    assert_int_equal(poke(va + PAGE, "z"), ZX_OK);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* Shrinking, decommitting and unmapping reach what the processor has cached. */
static void test_taken_away(void **state)
{
    zx_handle_t vmo = make_vmo(4, ZX_VMO_RESIZABLE);
    zx_vaddr_t va = map(vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 4), other = map(vmo, ZX_VM_PERM_READ, 4);
    char byte;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(poke(va + i * PAGE, "x"), ZX_OK);
        assert_int_equal(peek(other + i * PAGE, &byte, 1), ZX_OK);
        assert_int_equal(byte, 'x');
    }
    assert_int_equal(zx_vmo_set_size(vmo, 3 * PAGE), ZX_OK);
    assert_int_equal(peek(va + 3 * PAGE, &byte, 1), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(peek(other + 3 * PAGE, &byte, 1), ZX_ERR_OUT_OF_RANGE);
    assert_int_equal(zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, PAGE, PAGE, NULL, 0), ZX_OK);
    assert_int_equal(peek(other + PAGE, &byte, 1), ZX_OK);
    assert_int_equal(byte, 0);
    assert_int_equal(poke(va + PAGE, "y"), ZX_OK);
    assert_int_equal(peek(other + PAGE, &byte, 1), ZX_OK);
    assert_int_equal(byte, 'y');
    assert_int_equal(zx_vmar_unmap(zx_vmar_root_self(), va + PAGE, PAGE), ZX_OK);
    assert_int_equal(peek(va + PAGE, &byte, 1), ZX_ERR_NOT_FOUND);
    assert_int_equal(peek(va + 2 * PAGE, &byte, 1), ZX_OK);
    assert_int_equal(byte, 'x');
    assert_int_equal(zvm_check(), ZX_OK);
}

/* ---- Switches ---- */

static void test_fail_allocation(void **state)
{
    zx_handle_t vmo;

    (void)state;
    zvm_fail_allocation(1, false);
    uint64_t before = zvm_allocation_count();
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_ERR_NO_MEMORY);
    assert_true(zvm_allocation_count() > before);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_OK);
    zvm_fail_allocation(1, true);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_ERR_NO_MEMORY);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_ERR_NO_MEMORY);
    zvm_fail_allocation(0, false);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_OK);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* Every allocation of a mapping, a fault and a write fails in turn: refused, and nothing changed. */
static void test_fail_each_allocation(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        zx_handle_t vmo = make_vmo(8, 0);
        zx_vaddr_t va = 0;
        struct zvm_stats before, after;
        uint64_t count = zvm_allocation_count();
        assert_int_equal(zvm_get_stats(&before), ZX_OK);
        zvm_fail_allocation(nth, false);
        zx_status_t status =
            zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 8 * PAGE, &va);
        if (status == ZX_OK)
            status = poke(va + PAGE, "x");
        bool reached = zvm_allocation_count() - count >= nth;
        zvm_fail_allocation(0, false);
        assert_int_equal(status, reached ? ZX_ERR_NO_MEMORY : ZX_OK);
        assert_int_equal(zvm_check(), ZX_OK);
        if (va != 0)
            assert_int_equal(zx_vmar_unmap(zx_vmar_root_self(), va, 8 * PAGE), ZX_OK);
        assert_int_equal(zvm_get_stats(&after), ZX_OK);
        if (reached)
            assert_memory_equal(&before, &after, sizeof(before));
        assert_int_equal(zx_handle_close(vmo), ZX_OK);
        if (!reached)
            break;
    }
}

static void test_bad_pointers(void **state)
{
    zx_handle_t vmo;

    (void)state;
    assert_int_equal(zx_vmo_create(PAGE, 0, NULL), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zx_vmo_create(PAGE, 0, (zx_handle_t *)(uintptr_t)(PAGE - 4)), ZX_ERR_INVALID_ARGS);
    zvm_fail_user_copy(1);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zx_vmo_create(PAGE, 0, &vmo), ZX_OK);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* Whichever copy fails, neither result is told. */
static void test_both_results_or_none(void **state)
{
    const zx_vm_option_t options = ZX_VM_CAN_MAP_READ;
    zx_handle_t child = 1;
    zx_vaddr_t at = 2;

    (void)state;
    for (uint64_t nth = 1;; nth++) {
        zvm_fail_user_copy(nth);
        zx_status_t status = zx_vmar_allocate(zx_vmar_root_self(), options, 0, PAGE, &child, &at);
        if (status == ZX_OK)
            break;
        assert_int_equal(status, ZX_ERR_INVALID_ARGS);
        assert_int_equal(child, 1);
        assert_int_equal(at, 2);
        assert_int_equal(zvm_check(), ZX_OK);
    }
    zvm_fail_user_copy(0);
    assert_true(child != 1 && at != 2);
}

/* ---- Views ---- */

static char *view(zx_status_t (*draw)(zx_handle_t, FILE *), zx_handle_t process)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    assert_int_equal(draw(process, to), ZX_OK);
    fclose(to);
    return text;
}

static void test_dump(void **state)
{
    zx_handle_t vmar;
    zx_vaddr_t base, va;
    char expected[128];

    (void)state;
    assert_int_equal(zx_vmar_allocate(zx_vmar_root_self(), ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE, 0,
                                      16 * PAGE, &vmar, &base),
                     ZX_OK);
    zx_handle_t vmo = make_vmo(4, 0);
    assert_int_equal(zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4 * PAGE, &va), ZX_OK);
    assert_int_equal(poke(va + PAGE, "x"), ZX_OK);
    assert_int_equal(zx_vmar_protect(vmar, ZX_VM_PERM_READ, va + 2 * PAGE, PAGE), ZX_OK);
    char *text = view(zvm_dump, zx_process_self());
    assert_non_null(strstr(text, "space 'self' user"));
    snprintf(expected, sizeof(expected), "[0x%llx, 0x%llx) 64K rw-", (unsigned long long)base,
             (unsigned long long)(base + 16 * PAGE));
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "16K mixed of rw-"));
    assert_non_null(strstr(text, "1 of 4 pages"));
    snprintf(expected, sizeof(expected), "[0x%llx, 0x%llx) 4K r--", (unsigned long long)(va + 2 * PAGE),
             (unsigned long long)(va + 3 * PAGE));
    assert_non_null(strstr(text, expected));
    free(text);
}

/* Every start tag has its end, and no text is outside of the picture. */
static void test_svg(void **state)
{
    (void)state;
    char *text = view(zvm_svg, zx_process_self());
    int depth = 0, deepest = 0;
    for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        depth += at[1] == '/' ? -1 : end[-1] == '/' ? 0 : 1;
        deepest = depth > deepest ? depth : deepest;
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    assert_true(deepest > 1);
    assert_int_equal(strncmp(text, "<svg ", 5), 0);
    free(text);
}

static void test_views_refuse(void **state)
{
    (void)state;
    assert_int_equal(zvm_dump(zx_process_self(), NULL), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_svg(ZX_HANDLE_INVALID, stdout), ZX_ERR_BAD_HANDLE);
    assert_int_equal(zvm_svg(zx_vmar_root_self(), stdout), ZX_ERR_WRONG_TYPE);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(zvm_svg(zx_process_self(), full), ZX_ERR_INTERNAL);
    fclose(full);
}

static void test_stats(void **state)
{
    struct zvm_stats before, after;

    (void)state;
    assert_int_equal(zvm_get_stats(NULL), ZX_ERR_INVALID_ARGS);
    assert_int_equal(zvm_get_stats(&before), ZX_OK);
    zx_handle_t vmo = make_vmo(2, 0);
    zx_vaddr_t va = map(vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 2);
    assert_int_equal(poke(va, "x"), ZX_OK);
    assert_int_equal(zvm_get_stats(&after), ZX_OK);
    assert_int_equal(after.mappings, before.mappings + 1);
    assert_int_equal(after.regions, before.regions + 1);
    assert_int_equal(after.pages_total, (256u << 20) / PAGE);
    assert_true(after.pages_free < before.pages_free);
    assert_true(after.heap_bytes > before.heap_bytes);
    assert_true(after.page_tables > before.page_tables);
    assert_int_equal(zx_vmar_unmap(zx_vmar_root_self(), va, 2 * PAGE), ZX_OK);
    assert_int_equal(zx_handle_close(vmo), ZX_OK);
    assert_int_equal(zvm_get_stats(&after), ZX_OK);
    assert_memory_equal(&before, &after, sizeof(before));
}

/* Another process: its space is its own, its handles are reached from its maker. */
static void test_processes(void **state)
{
    zx_handle_t process, root;
    zx_vaddr_t va;
    char byte = 'p';

    (void)state;
    assert_int_equal(zx_process_create(ZX_HANDLE_INVALID, "other", 5, 0, &process, &root), ZX_OK);
    zx_handle_t vmo = make_vmo(1, 0);
    assert_int_equal(zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, PAGE, &va), ZX_OK);
    assert_int_equal(zvm_access(process, va, &byte, 1, ZVM_WRITE), ZX_OK);
    assert_int_equal(zvm_access(zx_process_self(), va, &byte, 1, ZVM_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(zx_vmo_read(vmo, &byte, 0, 1), ZX_OK);
    assert_int_equal(byte, 'p');
    char *text = view(zvm_dump, process);
    assert_non_null(strstr(text, "space 'other' user"));
    free(text);
    assert_int_equal(zvm_check(), ZX_OK);
}

/* ---- Threads ---- */

#define THREADS 4
#define ROUNDS  200

static zx_handle_t shared_vmo;
static zx_vaddr_t shared_va;

/* Maps, writes, protects, reads back and unmaps on its own account, while all of them write the same shared
   page and one takes its memory away. */
static void *work(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    unsigned failures = 0, value, back;

    for (unsigned round = 0; round < ROUNDS; round++) {
        zx_handle_t vmo;
        zx_vaddr_t va;
        value = number << 16 | round;
        failures += zx_vmo_create(4 * PAGE, 0, &vmo) != ZX_OK;
        failures += zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4 * PAGE,
                                &va) != ZX_OK;
        failures += zvm_access(zx_process_self(), va + PAGE, &value, sizeof(value), ZVM_WRITE) != ZX_OK;
        failures += zvm_access(zx_process_self(), shared_va, &value, sizeof(value), ZVM_WRITE) != ZX_OK;
        if (number == 0)
            failures += zx_vmo_op_range(shared_vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0) != ZX_OK;
        failures += zx_vmar_protect(zx_vmar_root_self(), ZX_VM_PERM_READ, va, 2 * PAGE) != ZX_OK;
        failures += zvm_access(zx_process_self(), va + PAGE, &value, sizeof(value), ZVM_WRITE) !=
                    ZX_ERR_ACCESS_DENIED;
        failures += zvm_access(zx_process_self(), va + PAGE, &back, sizeof(back), ZVM_READ) != ZX_OK;
        failures += back != value;
        failures += zx_handle_close(vmo) != ZX_OK;
        failures += zx_vmar_unmap(zx_vmar_root_self(), va, 4 * PAGE) != ZX_OK;
        failures += zvm_access(zx_process_self(), shared_va, &back, sizeof(back), ZVM_READ) != ZX_OK;
    }
    return (void *)(uintptr_t)failures;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    void *failures;

    (void)state;
    assert_int_equal(zvm_start(&(struct zvm_config){.processors = THREADS}), ZX_OK);
    shared_vmo = make_vmo(1, 0);
    shared_va = map(shared_vmo, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 1);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failures), 0);
        assert_null(failures);
    }
    assert_int_equal(zvm_check(), ZX_OK);
    assert_int_equal(zvm_stop(), ZX_OK);
}

/* ---- Exiting ---- */

/* At the end of a program that called zx_process_exit: its process is dead and has nothing, the machine is
   sound, and stops as at any other end. */
static void check_exited(void)
{
    struct zvm_stats stats;
    struct vm_stats machine;

    vm_machine_stats(&machine);
    if (zvm_check() != ZX_OK || zvm_get_stats(&stats) != ZX_OK || stats.mappings != 0 ||
        machine.handles != 0 || machine.vmos != 0 || zvm_stop() != ZX_OK)
        _exit(99);
}

static const char *program; /* this one */

/* What test_host does when it is called with a code: a program that exits with it. */
static int exit_with(const char *retcode)
{
    zx_handle_t vmo;
    zx_vaddr_t va;

    if (zvm_start(NULL) != ZX_OK || zx_vmo_create(4 * PAGE, 0, &vmo) != ZX_OK ||
        zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4 * PAGE, &va) !=
            ZX_OK ||
        poke(va, "mine") != ZX_OK || atexit(check_exited) != 0)
        return 98;
    zx_process_exit(strtoll(retcode, NULL, 10));
}

/* The exit status of such a program. */
static int exit_status(const char *retcode)
{
    int status;

    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, retcode, (char *)NULL);
        _exit(97);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_process_exit(void **state)
{
    (void)state;
    assert_int_equal(exit_status("0"), 0);
    assert_int_equal(exit_status("7"), 7);
    assert_int_equal(exit_status("-1"), 255);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return exit_with(argv[1]);
    program = argv[0];
    const struct CMUnitTest before[] = {
        cmocka_unit_test(test_not_started),
        cmocka_unit_test(test_start_refusals),
        cmocka_unit_test(test_start_with_little_memory),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_threads),
    };
    const struct CMUnitTest started[] = {
        cmocka_unit_test_setup_teardown(test_access, start, stop),
        cmocka_unit_test_setup_teardown(test_access_refusals, start, stop),
        cmocka_unit_test_setup_teardown(test_protect, start, stop),
        cmocka_unit_test_setup_teardown(test_taken_away, start, stop),
        cmocka_unit_test_setup_teardown(test_fail_allocation, start, stop),
        cmocka_unit_test_setup_teardown(test_fail_each_allocation, start, stop),
        cmocka_unit_test_setup_teardown(test_bad_pointers, start, stop),
        cmocka_unit_test_setup_teardown(test_both_results_or_none, start, stop),
        cmocka_unit_test_setup_teardown(test_dump, start, stop),
        cmocka_unit_test_setup_teardown(test_svg, start, stop),
        cmocka_unit_test_setup_teardown(test_views_refuse, start, stop),
        cmocka_unit_test_setup_teardown(test_stats, start, stop),
        cmocka_unit_test_setup_teardown(test_processes, start, stop),
        cmocka_unit_test_setup_teardown(test_process_exit, start, stop),
    };
    int failed = cmocka_run_group_tests(before, NULL, NULL);
    return cmocka_run_group_tests(started, NULL, NULL) + failed;
}
