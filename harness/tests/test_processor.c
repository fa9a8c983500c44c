/* SPDX-License-Identifier: MIT */
/*
 * test_processor.c: the software processor against tables that the core builds, and against tables with
 * planted errors. What ends in a panic runs in a child process.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/pmm.h>
#include <zircon/syscalls.h>

#include "../host_port.h"
#include "../processor.h"

#define PAGE   ((size_t)4096)
#define LARGE  ((size_t)2 << 20)
#define BASE   ((zx_vaddr_t)0x40000000)
#define USER_R (ARCH_MMU_READ | ARCH_MMU_USER)
#define USER_W (USER_R | ARCH_MMU_WRITE)
#define USER_X (USER_R | ARCH_MMU_EXECUTE)

static struct pmm_range memory;
static struct vm_aspace *aspace;
static struct page_table *table;

static int start(void **state)
{
    (void)state;
    memory = host_memory_map((size_t)64 << 20);
    processor_start(3);
    processor_move(0);
    if (vm_machine_start(&(struct vm_machine_config){.memory = &memory, .memory_count = 1}) == NULL)
        return -1;
    aspace = vm_aspace_create(VM_ASPACE_USER, "test");
    if (aspace == NULL)
        return -1;
    table = vm_aspace_page_table(aspace);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
    bool sound = vm_machine_stop(&vm_log_sink) == ZX_OK && processor_check(&vm_log_sink);
    host_memory_unmap(memory);
    return sound ? 0 : -1;
}

/* Pages that the tables lead to; no VMO stands behind them. */
static zx_paddr_t take(size_t count, uint8_t align_log2, struct list_node *list)
{
    list_init(list);
    assert_int_equal(pmm_alloc_contiguous(count, align_log2, VM_PAGE_ALLOC, list), ZX_OK);
    return container_of(list->next, struct vm_page, node)->paddr;
}

static zx_status_t touch(zx_vaddr_t va, uint32_t kind)
{
    char byte = 'w';
    size_t done;

    return processor_access(aspace, va, &byte, 1, kind, &done);
}

/* The entry for va at a level: 0 the lowest. */
static uint64_t *entry_of(zx_vaddr_t va, unsigned level)
{
    zx_paddr_t at = vm_aspace_table_root(aspace);

    for (unsigned above = 3;; above--) {
        uint64_t *entry = (uint64_t *)port_phys_to_virt(at) + (va >> (12 + 9 * above) & 511);
        if (above == level)
            return entry;
        at = *entry & X86_PTE_ADDRESS;
    }
}

/* A sink that keeps the report. */
struct kept {
    struct vm_sink sink;
    size_t size;
    char text[4096];
};

static void keep(struct vm_sink *self, const char *text, size_t size)
{
    struct kept *kept = (struct kept *)(void *)self;

    if (size > sizeof(kept->text) - 1 - kept->size)
        size = sizeof(kept->text) - 1 - kept->size;
    memcpy(kept->text + kept->size, text, size);
    kept->size += size;
}

static bool check_says(const char *words)
{
    struct kept kept = {.sink = {.write = keep}};

    return !processor_check(&kept.sink) && strstr(kept.text, words) != NULL;
}

/* Whether `broken` ends in a panic whose report has these words. */
static bool panics(void (*broken)(void), const char *words)
{
    int pipes[2], status;
    char text[4096];
    size_t size = 0;

    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        broken();
        _exit(0);
    }
    close(pipes[1]);
    for (ssize_t got;
         size < sizeof(text) - 1 && (got = read(pipes[0], text + size, sizeof(text) - 1 - size)) > 0;)
        size += (size_t)got;
    text[size] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0) && strstr(text, words) != NULL;
}

static void panic(void)
{
    port_panic();
}

/* Before the first note, in which operation it was cannot be told, and is not; afterwards it is. */
static void test_notes(void **state)
{
    (void)state;
    assert_true(panics(panic, "the core is broken, stopping\n"));
    processor_note("noted");
    assert_true(panics(panic, "the core is broken, stopping (operation 1: noted)\n"));
}

/* ---- What the tables allow ---- */

static void test_permissions(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(3, 12, &pages);

    (void)state;
    assert_int_equal(page_table_map(table, BASE, pa, PAGE, USER_R, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(page_table_map(table, BASE + PAGE, pa + PAGE, PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    assert_int_equal(
        page_table_map(table, BASE + 2 * PAGE, pa + 2 * PAGE, PAGE, USER_X, PAGE_TABLE_EXISTING_ERROR),
        ZX_OK);
    const uint32_t kinds[] = {PROCESSOR_READ, PROCESSOR_WRITE, PROCESSOR_EXECUTE};
    const bool allowed[3][3] = {{true, false, false}, {true, true, false}, {true, false, true}};
    for (unsigned round = 0; round < 2; round++) /* walked, then cached */
        for (unsigned page = 0; page < 3; page++)
            for (unsigned kind = 0; kind < 3; kind++)
                /* No mapping is behind these tables, so a fault ends in NOT_FOUND. */
                assert_int_equal(touch(BASE + page * PAGE, kinds[kind]),
                                 allowed[page][kind] ? ZX_OK : ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(BASE, PROCESSOR_READ | PROCESSOR_SUPERVISOR), ZX_ERR_NOT_FOUND); /* SMAP */
    assert_int_equal(touch(BASE + 2 * PAGE, PROCESSOR_EXECUTE | PROCESSOR_SUPERVISOR), ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(BASE + 3 * PAGE, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    page_table_unmap(table, BASE, 3 * PAGE);
    pmm_free_list(&pages);
}

/* Rights are those that every level grants. */
static void test_upper_levels_restrict(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(1, 12, &pages);
    const struct {
        uint64_t set, cleared;
        uint32_t kind;
    } cases[] = {
        {0, X86_PTE_WRITABLE, PROCESSOR_WRITE},
        {0, X86_PTE_USER, PROCESSOR_READ},
        {0, X86_PTE_PRESENT, PROCESSOR_READ},
        {X86_PTE_NX, 0, PROCESSOR_EXECUTE},
    };

    (void)state;
    assert_int_equal(
        page_table_map(table, BASE, pa, PAGE, USER_W | ARCH_MMU_EXECUTE, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    for (unsigned level = 0; level < 4; level++) {
        uint64_t *entry = entry_of(BASE, level), before = *entry;
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            processor_reset();
            assert_int_equal(touch(BASE, cases[i].kind), ZX_OK);
            *entry = (before | cases[i].set) & ~cases[i].cleared;
            processor_reset();
            assert_int_equal(touch(BASE, cases[i].kind), ZX_ERR_NOT_FOUND);
            *entry = before;
        }
    }
    page_table_unmap(table, BASE, PAGE);
    pmm_free_list(&pages);
}

static void test_accessed_and_dirty(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(1, 12, &pages);

    (void)state;
    assert_int_equal(page_table_map(table, BASE, pa, PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    for (unsigned level = 0; level < 4; level++)
        assert_int_equal(*entry_of(BASE, level) & (X86_PTE_ACCESSED | X86_PTE_DIRTY), 0);
    assert_int_equal(touch(BASE, PROCESSOR_EXECUTE), ZX_ERR_NOT_FOUND);
    assert_int_equal(*entry_of(BASE, 0) & X86_PTE_ACCESSED, 0); /* refused: not accessed */
    assert_int_equal(touch(BASE, PROCESSOR_READ), ZX_OK);
    for (unsigned level = 0; level < 4; level++)
        assert_int_equal(*entry_of(BASE, level) & (X86_PTE_ACCESSED | X86_PTE_DIRTY), X86_PTE_ACCESSED);
    assert_int_equal(touch(BASE, PROCESSOR_WRITE),
                     ZX_OK); /* by the cached translation, which is not dirty yet */
    assert_int_equal(*entry_of(BASE, 0) & X86_PTE_DIRTY, X86_PTE_DIRTY);
    for (unsigned level = 1; level < 4; level++)
        assert_int_equal(*entry_of(BASE, level) & X86_PTE_DIRTY, 0);
    page_table_unmap(table, BASE, PAGE);
    pmm_free_list(&pages);
}

static void test_bytes_in_order(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(2, 12, &pages);
    char text[] = "across", read[8] = "";
    size_t done;

    (void)state;
    /* The second page first: what crosses must go by addresses, not by frames. */
    assert_int_equal(page_table_map(table, BASE, pa + PAGE, PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(page_table_map(table, BASE + PAGE, pa, PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(processor_access(aspace, BASE + PAGE - 3, text, 6, PROCESSOR_WRITE, &done), ZX_OK);
    assert_int_equal(done, 6);
    assert_memory_equal((char *)port_phys_to_virt(pa + PAGE) + PAGE - 3, "acr", 3);
    assert_memory_equal(port_phys_to_virt(pa), "oss", 3);
    page_table_unmap(table, BASE + PAGE, PAGE);
    assert_int_equal(processor_access(aspace, BASE + PAGE - 3, read, 6, PROCESSOR_READ, &done),
                     ZX_ERR_NOT_FOUND);
    assert_int_equal(done, 3);
    assert_string_equal(read, "acr");
    page_table_unmap(table, BASE, PAGE);
    pmm_free_list(&pages);
}

static void test_not_canonical(void **state)
{
    char bytes[2];
    size_t done;

    (void)state;
    assert_int_equal(touch(1ull << 47, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(~(1ull << 47), PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(UINT64_MAX, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(UINT64_MAX << 47, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(processor_access(aspace, 1ull << 47, bytes, 0, PROCESSOR_READ, &done), ZX_OK);
    assert_int_equal(done, 0);
}

/* ---- The cache ---- */

static void test_large_page(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(512, 21, &pages);
    char text[] = "large";
    size_t done;

    (void)state;
    assert_int_equal(page_table_map(table, BASE, pa, LARGE, USER_W, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(processor_access(aspace, BASE + 77 * PAGE + 5, text, 5, PROCESSOR_WRITE, &done), ZX_OK);
    assert_memory_equal((char *)port_phys_to_virt(pa + 77 * PAGE) + 5, "large", 5);
    assert_int_equal(touch(BASE, PROCESSOR_READ), ZX_OK);
    assert_int_equal(touch(BASE + LARGE - 1, PROCESSOR_READ), ZX_OK);
    assert_int_equal(processor_cached(0), 1);
    /* A hole in the middle takes the large translation away as a whole. */
    page_table_unmap(table, BASE + 5 * PAGE, PAGE);
    assert_true(processor_check(&vm_log_sink));
    assert_int_equal(touch(BASE + 4 * PAGE, PROCESSOR_READ), ZX_OK);
    assert_int_equal(touch(BASE + 5 * PAGE, PROCESSOR_READ), ZX_ERR_NOT_FOUND);
    assert_int_equal(touch(BASE + 6 * PAGE, PROCESSOR_WRITE), ZX_OK);
    page_table_unmap(table, BASE, LARGE);
    pmm_free_list(&pages);
}

static void test_forgets_what_it_is_told(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(8, 12, &pages);

    (void)state;
    assert_int_equal(page_table_map(table, BASE, pa, 8 * PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    for (unsigned processor = 0; processor < 3; processor++) {
        processor_move(processor);
        for (unsigned page = 0; page < 8; page++)
            assert_int_equal(touch(BASE + page * PAGE, PROCESSOR_WRITE), ZX_OK);
    }
    for (unsigned processor = 0; processor < 3; processor++)
        assert_int_equal(processor_cached(processor), 8);
    page_table_unmap(table, BASE + 2 * PAGE, 3 * PAGE);
    for (unsigned processor = 0; processor < 3; processor++)
        assert_int_equal(processor_cached(processor), 5);
    page_table_protect(table, BASE, PAGE, USER_R);
    for (unsigned processor = 0; processor < 3; processor++)
        assert_int_equal(processor_cached(processor), 4);
    assert_true(processor_check(&vm_log_sink));
    page_table_unmap(table, BASE, 8 * PAGE);
    for (unsigned processor = 0; processor < 3; processor++)
        assert_int_equal(processor_cached(processor), 0);
    processor_move(0);
    pmm_free_list(&pages);
}

/* A translation that was widened without a word is walked again before it faults. */
static void test_widening_needs_no_word(void **state)
{
    struct list_node pages;
    zx_paddr_t pa = take(1, 12, &pages);

    (void)state;
    assert_int_equal(page_table_map(table, BASE, pa, PAGE, USER_R, PAGE_TABLE_EXISTING_ERROR), ZX_OK);
    assert_int_equal(touch(BASE, PROCESSOR_READ), ZX_OK);
    *entry_of(BASE, 0) |= X86_PTE_WRITABLE;
    assert_true(processor_check(&vm_log_sink));
    assert_int_equal(touch(BASE, PROCESSOR_WRITE), ZX_OK);
    page_table_unmap(table, BASE, PAGE);
    pmm_free_list(&pages);
}

/* More pages than slots: old ones make room, and everything still leads where it should. */
static void test_capacity(void **state)
{
    enum { COUNT = 2000 };
    struct list_node pages;
    zx_paddr_t pa = take(COUNT, 12, &pages);

    (void)state;
    assert_int_equal(page_table_map(table, BASE + PAGE, pa, COUNT * PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR),
                     ZX_OK);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned page = 1; page <= COUNT; page++) {
            size_t done;
            assert_int_equal(processor_access(aspace, BASE + page * PAGE, &page, sizeof(page),
                                              round == 0 ? PROCESSOR_WRITE : PROCESSOR_READ, &done),
                             ZX_OK);
        }
    for (unsigned page = 1; page <= COUNT; page++)
        assert_int_equal(*(unsigned *)port_phys_to_virt(pa + (page - 1) * PAGE), page);
    assert_true(processor_cached(0) > 256);
    assert_true(processor_check(&vm_log_sink));
    page_table_unmap(table, BASE + PAGE, COUNT * PAGE);
    assert_int_equal(processor_cached(0), 0);
    pmm_free_list(&pages);
}

/* ---- Planted errors ---- */

static struct list_node planted;
static zx_paddr_t planted_pa;

static int start_planted(void **state)
{
    if (start(state) != 0)
        return -1;
    planted_pa = take(2, 12, &planted);
    processor_note("planting");
    if (page_table_map(table, BASE, planted_pa, 2 * PAGE, USER_W, PAGE_TABLE_EXISTING_ERROR) != ZX_OK)
        return -1;
    return touch(BASE, PROCESSOR_WRITE) == ZX_OK && touch(BASE + PAGE, PROCESSOR_READ) == ZX_OK ? 0 : -1;
}

static int stop_planted(void **state)
{
    processor_reset();
    page_table_unmap(table, BASE, 2 * PAGE);
    pmm_free_list(&planted);
    return stop(state);
}

static void use_planted(void)
{
    (void)touch(BASE, PROCESSOR_READ);
}

static void test_stale_removed(void **state)
{
    uint64_t before = *entry_of(BASE, 0);

    (void)state;
    assert_true(processor_check(&vm_log_sink));
    processor_note("breaking");
    *entry_of(BASE, 0) = 0;
    assert_true(check_says("stale translation of 0x40000000"));
    assert_true(check_says("(planting), found in operation"));
    assert_true(check_says("(breaking)"));
    assert_true(panics(use_planted, "stale translation of 0x40000000"));
    *entry_of(BASE, 0) = before;
}

static void test_stale_narrowed(void **state)
{
    (void)state;
    *entry_of(BASE, 0) &= ~X86_PTE_WRITABLE;
    assert_true(check_says("stale"));
    assert_true(panics(use_planted, "stale"));
    *entry_of(BASE, 0) |= X86_PTE_WRITABLE;
    assert_true(processor_check(&vm_log_sink));
}

static void test_stale_frame(void **state)
{
    uint64_t before = *entry_of(BASE, 0);

    (void)state;
    *entry_of(BASE, 0) = before + PAGE;
    assert_true(check_says("stale"));
    assert_true(panics(use_planted, "stale"));
    *entry_of(BASE, 0) = before;
}

static void test_stale_on_another_processor(void **state)
{
    uint64_t before = *entry_of(BASE + PAGE, 0);

    (void)state;
    processor_move(2);
    assert_int_equal(touch(BASE + PAGE, PROCESSOR_READ), ZX_OK);
    processor_move(0);
    *entry_of(BASE + PAGE, 0) = 0;
    assert_true(check_says("processor 2: stale"));
    *entry_of(BASE + PAGE, 0) = before;
}

/* A table that was unlinked, while a processor still remembers it. */
static void use_unlinked_table(void)
{
    *entry_of(BASE, 1) = 0;
    (void)touch(BASE + 9 * PAGE, PROCESSOR_READ);
}

static void test_stale_table(void **state)
{
    uint64_t before = *entry_of(BASE, 1);

    (void)state;
    *entry_of(BASE, 1) = 0;
    assert_true(check_says("linked there no more"));
    *entry_of(BASE, 1) = before;
    assert_true(panics(use_unlinked_table, "linked there no more"));
}

static void use_reserved_bits(void)
{
    *entry_of(BASE, 0) |= 1ull << 50;
    processor_reset();
    (void)touch(BASE, PROCESSOR_READ);
}

static void test_reserved_bits(void **state)
{
    (void)state;
    assert_true(panics(use_reserved_bits, "reserved bits"));
}

static void make_root_over_stale(void)
{
    processor_root_created(vm_aspace_table_root(aspace));
}

static void test_dead_root(void **state)
{
    (void)state;
    assert_true(panics(make_root_over_stale, "tables: gone"));
    struct vm_page *root = pmm_page_at(vm_aspace_table_root(aspace));
    root->state = VM_PAGE_ALLOC;
    assert_true(check_says("tables: gone"));
    root->state = VM_PAGE_MMU;
}

/* ---- With mappings behind the tables ---- */

/* SMAP forbids what the mapping allows, so resolving the fault changes nothing. */
static void fault_without_progress(void)
{
    struct vm_process *process = vm_process_create("stuck");
    zx_handle_t vmo;
    char byte;
    size_t done;

    aspace = vm_process_aspace(process);
    host_set_process(process);
    (void)zx_vmo_create(PAGE, 0, &vmo);
    (void)zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_SPECIFIC, BASE - VM_USER_ASPACE_BASE, vmo,
                      0, PAGE, &(zx_vaddr_t){0});
    (void)processor_access(aspace, BASE, &byte, 1, PROCESSOR_READ, &done);
    (void)processor_access(aspace, BASE, &byte, 1, PROCESSOR_READ | PROCESSOR_SUPERVISOR, &done);
}

static void test_fault_without_progress(void **state)
{
    (void)state;
    assert_true(panics(fault_without_progress, "resolved without effect"));
}

/* ---- The port's own checks ---- */

static void lock_against_order(void)
{
    struct port_mutex low, high;

    port_mutex_init(&low, PORT_LOCK_ASPACE);
    port_mutex_init(&high, PORT_LOCK_VMO);
    port_mutex_lock(&high);
    port_mutex_lock(&low);
}

static void lock_two_of_a_class(void)
{
    struct port_mutex one, other;

    port_mutex_init(&one, PORT_LOCK_VMO);
    port_mutex_init(&other, PORT_LOCK_VMO);
    port_mutex_lock(&one);
    port_mutex_lock(&other);
}

static void lock_twice(void)
{
    struct port_mutex mutex;

    port_mutex_init(&mutex, PORT_LOCK_PMM);
    port_mutex_lock(&mutex);
    port_mutex_lock(&mutex);
}

static void unlock_free(void)
{
    struct port_mutex mutex;

    port_mutex_init(&mutex, PORT_LOCK_PMM);
    port_mutex_unlock(&mutex);
}

static void copy_under_lock(void)
{
    struct port_mutex mutex;
    char byte = 0, other;

    port_mutex_init(&mutex, PORT_LOCK_PMM);
    port_mutex_lock(&mutex);
    (void)port_copy_from_user(&other, &byte, 1);
}

static void touch_nowhere(void)
{
    (void)port_phys_to_virt(0);
}

static void test_port_errors(void **state)
{
    struct port_mutex low, high;

    (void)state;
    port_mutex_init(&low, PORT_LOCK_ASPACE);
    port_mutex_init(&high, PORT_LOCK_VMO);
    port_mutex_lock(&low);
    port_mutex_lock(&high);
    assert_true(port_mutex_is_held(&low));
    port_mutex_unlock(&low); /* in any order */
    assert_false(port_mutex_is_held(&low));
    port_mutex_unlock(&high);
    assert_true(panics(lock_against_order, "against the order"));
    assert_true(panics(lock_two_of_a_class, "against the order"));
    assert_true(panics(lock_twice, "locking twice"));
    assert_true(panics(unlock_free, "unlocking"));
    assert_true(panics(copy_under_lock, "with locks held"));
    assert_true(panics(touch_nowhere, "outside the simulated memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),
        cmocka_unit_test_setup_teardown(test_permissions, start, stop),
        cmocka_unit_test_setup_teardown(test_upper_levels_restrict, start, stop),
        cmocka_unit_test_setup_teardown(test_accessed_and_dirty, start, stop),
        cmocka_unit_test_setup_teardown(test_bytes_in_order, start, stop),
        cmocka_unit_test_setup_teardown(test_not_canonical, start, stop),
        cmocka_unit_test_setup_teardown(test_large_page, start, stop),
        cmocka_unit_test_setup_teardown(test_forgets_what_it_is_told, start, stop),
        cmocka_unit_test_setup_teardown(test_widening_needs_no_word, start, stop),
        cmocka_unit_test_setup_teardown(test_capacity, start, stop),
        cmocka_unit_test_setup_teardown(test_stale_removed, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_stale_narrowed, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_stale_frame, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_stale_on_another_processor, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_stale_table, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_reserved_bits, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_dead_root, start_planted, stop_planted),
        cmocka_unit_test_setup_teardown(test_fault_without_progress, start, stop),
        cmocka_unit_test(test_port_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
