/* SPDX-License-Identifier: MIT */
/*
 * selftest.c: tests of what only the kernel has: that exceptions arrive as they should, that the processor
 * enforces the permissions of the kernel's own pages, and that ring 3 sees of a space exactly what the core
 * promised. One line a test.
 */
#include <stddef.h>
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>
#include <vm/vdso.h>
#include <vm/virtual_alloc.h>
#include <vm/vmar.h>
#include <zircon/syscalls.h>

#include "behaviour.h"
#include "buffer.h"
#include "conformance.h"
#include "cpu.h"
#include "gdt.h"
#include "io.h"
#include "paging.h"
#include "port.h"
#include "selftest.h"
#include "symbols.h"
#include "text.h"
#include "trap.h"
#include "user.h"

/* boot.S */
extern char boot_stack_guard[];

static struct test_tally tally;

static void expect(bool fine, const char *what)
{
    conformance_report(&tally, fine, "", what);
}

void selftest_expect(bool fine, const char *what)
{
    expect(fine, what);
}

static void expect_status(zx_status_t status, zx_status_t wanted, const char *what)
{
    expect(status == wanted, what);
    if (status != wanted)
        vm_print(&vm_log_sink, "# got %s, wanted %s\n", zx_status_get_string(status),
                 zx_status_get_string(wanted));
}

/* ---- Exceptions, and ways to raise them ---- */

static void do_read(void *address)
{
    (void)*(volatile const char *)address;
}

static void do_write(void *address)
{
    *(volatile char *)address = 0;
}

static void do_execute(void *address)
{
    ((void (*)(void))(uintptr_t)address)();
}

static void do_divide(void *unused)
{
    (void)unused;
    __asm__ volatile("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx" : : : "eax", "ecx", "edx", "cc");
}

static void do_invalid(void *unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

static void do_breakpoint(void *unused)
{
    (void)unused;
    __asm__ volatile("int3");
}

static void do_nmi(void *unused)
{
    (void)unused;
    __asm__ volatile("int $2");
}

static void do_machine_check(void *unused)
{
    (void)unused;
    __asm__ volatile("int $18");
}

static void do_non_canonical(void *unused)
{
    (void)unused;
    do_read((void *)0x0000800000000000ull);
}

/* Uses up the stack; the write after the call keeps it from becoming a loop. */
static void do_overflow(void *unused)
{
    volatile char bytes[512];
    bytes[0] = 1;
    if (bytes[0] != 0)
        do_overflow(unused);
    bytes[1] = 1;
}

/* The report walks the stack, which leads it into a guard page. */
static void do_nested(void *guard)
{
    __asm__ volatile("movq %0, %%rbp\n\tud2" : : "r"((char *)guard + 64));
}

/* A page fault that finds no stack. */
static void do_double(void *unused)
{
    for (unsigned i = 0; i < 4; i++)
        gdt_page_fault_nest();
    (void)unused;
    do_read((void *)0x123456);
}

/* A data page that ring 0 could run if it were allowed to: a return instruction. */
static char code_in_data[] = {(char)0xc3};

static void expect_fault(void (*function)(void *), void *address, uint64_t error, const char *what)
{
    struct trap_frame frame;
    uint64_t cr2;
    bool caught = trap_catch(function, address, &frame, &cr2);
    expect(caught && frame.vector == TRAP_PAGE_FAULT && frame.error == error && cr2 == (uintptr_t)address,
           what);
    if (caught && (frame.vector != TRAP_PAGE_FAULT || frame.error != error || cr2 != (uintptr_t)address))
        trap_report(&frame, cr2);
}

static void expect_exception(void (*function)(void *), unsigned vector, const char *what)
{
    struct trap_frame frame;
    uint64_t cr2;
    bool caught = trap_catch(function, NULL, &frame, &cr2);
    expect(caught && frame.vector == vector, what);
}

static void test_exceptions(void)
{
    expect_exception(do_divide, 0, "division by zero is a divide error");
    expect_exception(do_breakpoint, TRAP_BREAKPOINT, "int3 is a breakpoint");
    expect_exception(do_invalid, 6, "ud2 is an invalid opcode");
    expect_exception(do_nmi, 2, "a non-maskable interrupt arrives, on a stack of its own");
    expect_exception(do_machine_check, 18, "so does a machine check");
    expect_exception(do_non_canonical, TRAP_PROTECTION, "a non-canonical address is a protection fault");
    expect_fault(do_read, (void *)(USER_WINDOW + (2 << 20)), 0, "reading nothing faults at its address");
    expect_fault(do_write, (void *)(USER_WINDOW + (1 << 20)), PF_WRITE,
                 "writing nothing is told from reading it");
}

static void test_permissions(void)
{
    char *code_direct = physical_to_virtual(kernel_to_physical(image_text));
    expect_fault(do_read, (void *)0x100000ul, 0, "the low mapping is gone");
    expect_fault(do_read, NULL, 0, "null cannot be read");
    expect_fault(do_write, image_text, PF_PRESENT | PF_WRITE, "kernel code cannot be written");
    expect_fault(do_write, code_direct, PF_PRESENT | PF_WRITE, "nor through the direct map");
    expect_fault(do_write, image_rodata, PF_PRESENT | PF_WRITE, "kernel constants cannot be written");
    expect_fault(do_execute, code_in_data, PF_PRESENT | PF_FETCH, "kernel data cannot be executed");
    expect_fault(do_execute, code_direct, PF_PRESENT | PF_FETCH, "nor anything through the direct map");
    for (unsigned i = 0; i < gdt_guard_count(); i++)
        expect_fault(do_write, (void *)(uintptr_t)gdt_guard(i), PF_WRITE, "below a stack lies a guard page");
    paging_open_window(paging_kernel_root(), true);
    if (cpu_has(CPU_SMEP))
        expect_fault(do_execute, (void *)USER_WINDOW_CODE, PF_PRESENT | PF_FETCH,
                     "SMEP: no user code in ring 0");
    if (cpu_has(CPU_SMAP))
        expect_fault(do_read, (void *)USER_WINDOW_BUFFER, PF_PRESENT, "SMAP: no user data in ring 0");
    paging_open_window(paging_kernel_root(), false);
}

static void test_symbols(void)
{
    uint64_t offset = 1;
    const char *name = symbol_at((uintptr_t)selftest, &offset);
    expect(name != NULL && text_equal(name, "selftest") && offset == 0,
           "the symbol table knows this function");
    expect(symbol_at((uintptr_t)code_in_data, NULL) == NULL, "and knows data for what it is");
}

/* ---- Ring 3 ---- */

struct space {
    zx_handle_t process, root, vmo;
    struct vm_process *object;
    struct vm_aspace *aspace;
};

static bool make_space(struct space *space)
{
    if (zx_process_create(ZX_HANDLE_INVALID, "selftest", 8, 0, &space->process, &space->root) != ZX_OK ||
        zx_vmo_create(4 * ZX_PAGE_SIZE, 0, &space->vmo) != ZX_OK ||
        vm_process_from_handle(space->process, &space->object) != ZX_OK)
        return false;
    space->aspace = vm_process_aspace(space->object);
    return true;
}

static zx_status_t touch(const struct space *space, zx_vaddr_t va, enum user_access kind)
{
    char byte = 0x5a;
    size_t done;
    return user_access(space->aspace, va, &byte, 1, kind, &done);
}

static void test_write_read(const struct space *space, zx_vaddr_t at)
{
    char in[] = "across a page boundary", out[sizeof(in)] = "", direct[sizeof(in)] = "";
    zx_vaddr_t va = at + ZX_PAGE_SIZE - 7;
    size_t done;

    expect_status(user_access(space->aspace, va, in, sizeof(in), USER_WRITE, &done), ZX_OK, "ring 3 writes");
    expect(done == sizeof(in), "every byte of it");
    expect_status(user_access(space->aspace, va, out, sizeof(out), USER_READ, &done), ZX_OK, "ring 3 reads");
    expect(done == sizeof(out) && memcmp(in, out, sizeof(in)) == 0, "the same bytes");
    expect_status(zx_vmo_read(space->vmo, direct, ZX_PAGE_SIZE - 7, sizeof(direct)), ZX_OK,
                  "zx_vmo_read reads");
    expect(memcmp(in, direct, sizeof(in)) == 0, "the same bytes, too");
    va = at + 4 * ZX_PAGE_SIZE - 3;
    expect_status(user_access(space->aspace, va, in, sizeof(in), USER_WRITE, &done), ZX_ERR_NOT_FOUND,
                  "a write that runs into a gap is refused");
    expect(done == 3, "and the bytes before the gap are written");
}

static void test_refusals(const struct space *space, zx_vaddr_t at)
{
    expect_status(touch(space, at, USER_EXECUTE), ZX_ERR_ACCESS_DENIED, "NX: data is not executed");
    expect_status(touch(space, at - 1, USER_READ), ZX_ERR_NOT_FOUND, "nothing lies before the mapping");
    expect_status(touch(space, 0, USER_READ), ZX_ERR_NOT_FOUND, "nor at null");
    expect_status(touch(space, (uintptr_t)image_text, USER_READ), ZX_ERR_NOT_FOUND,
                  "ring 3 reads no kernel code");
    expect_status(touch(space, (uintptr_t)image_text, USER_EXECUTE), ZX_ERR_NOT_FOUND, "nor runs it");
    expect_status(touch(space, DIRECT_MAP_BASE, USER_WRITE), ZX_ERR_NOT_FOUND, "nor writes physical memory");
    expect_status(touch(space, USER_WINDOW_BUFFER, USER_READ), ZX_ERR_NOT_FOUND, "nor sees its own window");
    expect_status(touch(space, 0x0000800000000000ull, USER_READ), ZX_ERR_NOT_FOUND, "nor the canonical hole");
    expect_status(touch(space, UINT64_MAX, USER_EXECUTE), ZX_ERR_NOT_FOUND, "nor the last byte");
}

static void test_changes(const struct space *space, zx_vaddr_t at)
{
    zx_vm_option_t read = ZX_VM_PERM_READ, execute = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE;
    expect_status(touch(space, at, USER_WRITE), ZX_OK, "writing is allowed");
    expect_status(zx_vmar_protect(space->root, read, at, ZX_PAGE_SIZE), ZX_OK, "until protect takes it away");
    expect_status(touch(space, at, USER_WRITE), ZX_ERR_ACCESS_DENIED, "from translations in use as well");
    expect_status(touch(space, at, USER_READ), ZX_OK, "reading stays");
    expect_status(zx_vmar_protect(space->root, execute, at, ZX_PAGE_SIZE), ZX_ERR_ACCESS_DENIED,
                  "execute needs a VMO that allows it");
    expect_status(zx_vmar_unmap(space->root, at, ZX_PAGE_SIZE), ZX_OK, "unmap");
    expect_status(touch(space, at, USER_READ), ZX_ERR_NOT_FOUND, "takes the page");
    expect_status(touch(space, at + ZX_PAGE_SIZE, USER_READ), ZX_OK, "and only that one");
}

/* The processor's own notes in the tables: two passes after the last use the tables are gone, and come back. */
static void test_harvest(const struct space *space, zx_vaddr_t at)
{
    uint64_t tables = pmm_count(VM_PAGE_MMU);
    struct page_table *table = vm_aspace_page_table(space->aspace);
    struct page_table_entry entry;

    expect_status(touch(space, at, USER_READ), ZX_OK, "ring 3 uses a page");
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_RETAIN, VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    expect(page_table_query(table, at, &entry) == ZX_OK && !entry.accessed, "a harvest takes the note back");
    expect_status(touch(space, at, USER_READ), ZX_OK, "the next use");
    expect(page_table_query(table, at, &entry) == ZX_OK && entry.accessed, "is noted again");
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_FREE_UNACCESSED,
                                             VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    expect(page_table_query(table, at, &entry) == ZX_OK, "tables in use stay for a pass");
    vm_aspace_harvest_all_user_accessed_bits(VM_NON_TERMINAL_FREE_UNACCESSED,
                                             VM_TERMINAL_UPDATE_AGE_AND_HARVEST);
    expect(pmm_count(VM_PAGE_MMU) < tables && page_table_query(table, at, &entry) == ZX_ERR_NOT_FOUND,
           "and go in the next");
    expect_status(vm_aspace_soft_fault_in_range(space->aspace, at, 0, 2 * ZX_PAGE_SIZE), ZX_OK,
                  "a soft fault of a range enters pages");
    expect_status(vm_aspace_accessed_fault(space->aspace, at), ZX_OK, "one can be noted as used");
    vm_aspace_drop_all_user_page_tables();
    expect(page_table_query(table, at, &entry) == ZX_ERR_NOT_FOUND, "dropping takes all tables");
    expect_status(touch(space, at, USER_READ), ZX_OK, "and ring 3 does not notice");
}

/* A table made by hand shows that fetching works where it is allowed, and only there. */
static void test_fetch(void)
{
    struct list_node pages;
    zx_paddr_t at[5];
    uint64_t flags = X86_PTE_PRESENT | X86_PTE_WRITABLE | X86_PTE_USER;
    struct trap_frame frame;
    uint64_t cr2;

    list_init(&pages);
    if (pmm_alloc_pages(5, VM_PAGE_ALLOC, &pages) != ZX_OK) {
        expect(false, "memory for a table");
        return;
    }
    unsigned count = 0;
    list_for_each(node, &pages)
    {
        struct vm_page *page = container_of(node, struct vm_page, node);
        memset(pmm_page_bytes(page), 0, ZX_PAGE_SIZE);
        at[count++] = page->paddr;
    }
    for (unsigned i = 0; i < 4; i++)
        ((uint64_t *)physical_to_virtual(at[i]))[1] = at[i + 1] | flags;
    paging_fill_root(at[0]);
    zx_vaddr_t va = (1ull << 39) + (1ull << 30) + (1ull << 21) + (1ull << 12) + 5;
    expect(user_fetch(at[0], va, &frame, &cr2), "ring 3 runs what may be executed");
    ((uint64_t *)physical_to_virtual(at[3]))[1] |= X86_PTE_NX;
    paging_forget_page(va);
    expect(!user_fetch(at[0], va, &frame, &cr2) && frame.vector == TRAP_PAGE_FAULT && cr2 == va &&
               frame.error == (PF_PRESENT | PF_USER | PF_FETCH),
           "and not what may not");
    user_leave();
    pmm_free_list(&pages);
}

static void test_ring3(void)
{
    struct space space = {0};
    uint64_t objects = pmm_count(VM_PAGE_OBJECT), tables = pmm_count(VM_PAGE_MMU);
    zx_handle_t executable;
    zx_vaddr_t at = 0;
    bool made = make_space(&space);

    expect(made, "a process, its space and a VMO");
    if (!made)
        return;
    executable = space.vmo;
    expect_status(
        zx_vmar_map(space.root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, executable, 0, 4 * ZX_PAGE_SIZE, &at),
        ZX_OK, "a mapping");
    test_write_read(&space, at);
    test_harvest(&space, at);
    test_refusals(&space, at);
    test_changes(&space, at);
    expect(vm_check(&vm_log_sink), "every invariant holds");
    vm_process_kill(space.object);
    vm_process_release(space.object);
    zx_handle_close(space.root);
    zx_handle_close(space.process);
    zx_handle_close(space.vmo);
    expect(pmm_count(VM_PAGE_OBJECT) == objects && pmm_count(VM_PAGE_MMU) == tables, "all pages came back");
    user_leave();
}

/* ---- Shared spaces ---- */

/* Two processes that share a space: what each sees in ring 3, by a top-level table of its own. */
struct members {
    zx_handle_t process[3], root[3], vmo; /* the first founded the space */
    struct vm_process *object[3];
};

static bool make_members(struct members *members)
{
    if (zx_process_create(ZX_HANDLE_INVALID, "first", 5, ZX_PROCESS_SHARED, &members->process[0],
                          &members->root[0]) != ZX_OK ||
        zx_vmo_create(4 * ZX_PAGE_SIZE, 0, &members->vmo) != ZX_OK)
        return false;
    for (unsigned i = 1; i < 3; i++)
        if (zx_process_create_shared(members->process[0], 0, "next", 4, &members->process[i],
                                     &members->root[i]) != ZX_OK)
            return false;
    for (unsigned i = 0; i < 3; i++)
        if (vm_process_from_handle(members->process[i], &members->object[i]) != ZX_OK)
            return false;
    return true;
}

static zx_status_t member_access(const struct members *members, unsigned number, zx_vaddr_t va, char *byte,
                                 enum user_access kind)
{
    size_t done;
    return user_access(vm_process_aspace(members->object[number]), va, byte, 1, kind, &done);
}

static void test_members(const struct members *members, zx_vaddr_t high, zx_vaddr_t low)
{
    char byte = 's';
    expect_status(member_access(members, 1, high, &byte, USER_WRITE), ZX_OK, "one writes to what they share");
    byte = 0;
    expect_status(member_access(members, 2, high, &byte, USER_READ), ZX_OK, "another reads it");
    expect(byte == 's', "the same byte");
    expect_status(member_access(members, 1, low, &byte, USER_WRITE), ZX_OK, "one writes to what is its own");
    expect_status(member_access(members, 2, low, &byte, USER_READ), ZX_ERR_NOT_FOUND, "which no other has");
    expect_status(member_access(members, 0, low, &byte, USER_READ), ZX_ERR_NOT_FOUND, "nor the founder");
    expect_status(member_access(members, 1, low, &byte, USER_READ), ZX_OK, "its translation is in use");
    expect_status(zx_vmar_unmap(members->root[1], low, 4 * ZX_PAGE_SIZE), ZX_OK, "until unmap takes it");
    expect_status(member_access(members, 1, low, &byte, USER_READ), ZX_ERR_NOT_FOUND, "from its view, too");
    expect_status(member_access(members, 1, high, &byte, USER_READ), ZX_OK, "the shared one is in use");
    expect_status(zx_vmar_protect(members->root[0], ZX_VM_PERM_READ, high, ZX_PAGE_SIZE), ZX_OK,
                  "until protect narrows it");
    expect_status(member_access(members, 1, high, &byte, USER_WRITE), ZX_ERR_ACCESS_DENIED, "for all");
    expect_status(member_access(members, 1, high, &byte, USER_READ), ZX_OK, "reading stays");
    expect_status(zx_vmar_unmap(members->root[0], high, 4 * ZX_PAGE_SIZE), ZX_OK, "until unmap takes that");
    for (unsigned i = 0; i < 3; i++)
        expect_status(member_access(members, i, high, &byte, USER_READ), ZX_ERR_NOT_FOUND, "from every view");
    expect(vm_check(&vm_log_sink), "every invariant holds");
}

static void test_shared(void)
{
    struct members members = {0};
    uint64_t objects = pmm_count(VM_PAGE_OBJECT), tables = pmm_count(VM_PAGE_MMU);
    zx_vm_option_t options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE;
    zx_vaddr_t high = 0, low = 0;
    bool made = make_members(&members);

    expect(made, "three processes that share a space");
    if (!made)
        return;
    expect_status(zx_vmar_map(members.root[0], options, 0, members.vmo, 0, 4 * ZX_PAGE_SIZE, &high), ZX_OK,
                  "a mapping for all");
    expect_status(zx_vmar_map(members.root[1], options, 0, members.vmo, 0, 4 * ZX_PAGE_SIZE, &low), ZX_OK,
                  "a mapping for one");
    test_members(&members, high, low);
    for (unsigned i = 0; i < 3; i++) {
        vm_process_release(members.object[i]);
        zx_handle_close(members.root[i]);
        zx_handle_close(members.process[i]);
    }
    zx_handle_close(members.vmo);
    expect(pmm_count(VM_PAGE_OBJECT) == objects && pmm_count(VM_PAGE_MMU) == tables, "all pages came back");
    user_leave();
}

/* ---- Spaces without a process ---- */

static struct vm_aspace *make_part(zx_vaddr_t base, size_t size, enum vm_aspace_share_opt share_opt)
{
    return vm_aspace_create_range(base, size, VM_ASPACE_USER, "part", share_opt);
}

static void discard(struct vm_aspace *aspace)
{
    if (aspace == NULL)
        return;
    vm_aspace_destroy(aspace);
    vm_aspace_release(aspace);
}

static void test_priority(struct vm_aspace *aspace, struct vm_aspace *unified)
{
    struct vm_vmar *root = vm_aspace_root_vmar(aspace);
    expect(root != NULL && !vm_aspace_is_high_memory_priority(aspace), "a root VMAR of default priority");
    expect_status(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_HIGH), ZX_OK, "made high");
    expect(vm_aspace_is_high_memory_priority(aspace) && vm_aspace_is_high_memory_priority(unified),
           "makes its space so, and what shows it");
    expect_status(vm_vmar_set_memory_priority(root, VM_MEMORY_PRIORITY_DEFAULT), ZX_OK, "made default again");
    expect(!vm_aspace_is_high_memory_priority(unified), "makes it default again");
    vm_vmar_release(root);
}

static void test_spaces(void)
{
    uint64_t tables = pmm_count(VM_PAGE_MMU);
    struct vm_aspace *low = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
    struct vm_aspace *shared = make_part(1ull << 40, 1ull << 40, VM_ASPACE_SHARE_SHARED);
    struct vm_aspace *restricted = make_part(VM_USER_ASPACE_BASE, 1ull << 30, VM_ASPACE_SHARE_RESTRICTED);
    struct vm_aspace *overlapping = make_part(1ull << 40, 1ull << 30, VM_ASPACE_SHARE_RESTRICTED);
    expect(low != NULL && shared != NULL && restricted != NULL && overlapping != NULL, "spaces of all kinds");
    expect(make_part(VM_USER_ASPACE_TOP, ZX_PAGE_SIZE, VM_ASPACE_SHARE_NONE) == NULL,
           "none outside the range");
    expect(make_part(VM_USER_ASPACE_BASE, 0, VM_ASPACE_SHARE_NONE) == NULL, "and none of nothing");
    expect(low == NULL || (vm_aspace_base(low) == 0 && !vm_aspace_is_user(low)),
           "low memory is the kernel's");
    if (shared != NULL && restricted != NULL && overlapping != NULL) {
        struct vm_aspace *unified = vm_aspace_create_unified(shared, restricted, "unified");
        expect(unified != NULL && vm_aspace_size(unified) == 0, "a unified space");
        expect(vm_aspace_create_unified(shared, overlapping, "bad") == NULL, "and none of what overlaps");
        expect(vm_aspace_create_unified(restricted, overlapping, "bad") == NULL, "nor of what is not shared");
        if (unified != NULL)
            test_priority(shared, unified);
        expect(vm_check(&vm_log_sink), "every invariant holds");
        discard(unified);
    }
    discard(overlapping);
    discard(restricted);
    discard(shared);
    discard(low);
    expect(pmm_count(VM_PAGE_MMU) == tables, "all tables came back");
}

/* ---- Large buffers ---- */

static void expect_guards(zx_vaddr_t va, size_t pages)
{
    char *first = (char *)(uintptr_t)va, *end = first + pages * ZX_PAGE_SIZE;
    expect_fault(do_read, first - ZX_PAGE_SIZE, 0, "reading one page before an allocation faults");
    expect_fault(do_write, first - 1, PF_WRITE, "and writing the byte before it");
    expect_fault(do_read, end, 0, "reading the byte behind it");
    expect_fault(do_write, end + ZX_PAGE_SIZE - 1, PF_WRITE, "and writing one page behind it");
    expect_fault(do_execute, first, PF_PRESENT | PF_FETCH, "nothing in it is executed");
}

/* Each page of it keeps what is written there, also where it begins and ends. */
static bool keeps(zx_vaddr_t va, size_t pages)
{
    volatile uint64_t *words = (volatile uint64_t *)(uintptr_t)va;
    size_t step = ZX_PAGE_SIZE / sizeof(*words);
    for (size_t i = 0; i < pages; i++)
        words[i * step] = words[i * step + step - 1] = va + i;
    for (size_t i = 0; i < pages; i++)
        if (words[i * step] != va + i || words[i * step + step - 1] != va + i)
            return false;
    return true;
}

static void test_allocations(struct virtual_alloc *allocator)
{
    static const size_t sizes[] = {1, 700, 3, 1024 + 5};
    struct page_table *table = vm_aspace_page_table(vm_aspace_kernel());
    struct page_table_entry entry;
    zx_vaddr_t at[4] = {0}, again = 0;
    zx_paddr_t pa;
    for (unsigned i = 0; i < 4; i++) {
        expect_status(virtual_alloc_alloc_pages(allocator, sizes[i], &at[i]), ZX_OK, "an allocation");
        expect(keeps(at[i], sizes[i]), "keeps what is written to it");
        expect_guards(at[i], sizes[i]);
    }
    expect(page_table_query(table, at[3], &entry) == ZX_OK && entry.size == 2ul << 20, "a large page is one");
    expect(paging_walk(read_cr3() & X86_PTE_ADDRESS, at[3], &pa) && pa == entry.paddr,
           "the processor's own tables have it");
    virtual_alloc_free_pages(allocator, at[3] + ZX_PAGE_SIZE, 1);
    expect_guards(at[3], 1);
    expect_guards(at[3] + 2 * ZX_PAGE_SIZE, sizes[3] - 2);
    expect(keeps(at[3] + 2 * ZX_PAGE_SIZE, sizes[3] - 2), "freeing a part of a large page leaves the rest");
    virtual_alloc_free_pages(allocator, at[1], sizes[1]);
    expect_fault(do_read, (void *)(uintptr_t)at[1], 0, "what is freed faults");
    expect_status(virtual_alloc_alloc_pages(allocator, sizes[1], &again), ZX_OK, "the same size again");
    expect(again == at[1], "comes at the same place");
    expect(vm_check(&vm_log_sink), "every invariant holds");
    virtual_alloc_debug_free_all_allocations(allocator);
    for (unsigned i = 0; i < 4; i++)
        expect_fault(do_write, (void *)(uintptr_t)at[i], PF_WRITE, "what is freed faults");
}

/* A range that stays set aside: the next run takes it as it is. */
static void test_virtual_alloc(void)
{
    static bool set_aside;
    const size_t size = 64ul << 20;
    const zx_vaddr_t base = BUFFER_BASE + BUFFER_SIZE;
    uint64_t taken = pmm_count(VM_PAGE_ALLOC), tables = pmm_count(VM_PAGE_MMU);
    struct virtual_alloc allocator;

    set_aside = set_aside || vm_aspace_set_aside(base, size) == ZX_OK;
    virtual_alloc_construct(&allocator, VM_PAGE_ALLOC);
    zx_status_t status = set_aside ? virtual_alloc_init(&allocator, base, size, 1, 21) : ZX_ERR_BAD_STATE;
    expect_status(status, ZX_OK, "an allocator of 64 MiB");
    if (status != ZX_OK)
        return;
    test_allocations(&allocator);
    virtual_alloc_destroy(&allocator);
    expect(pmm_count(VM_PAGE_ALLOC) == taken && pmm_count(VM_PAGE_MMU) == tables, "all pages came back");
}

/* What the kernel itself uses. */
static void test_buffers(void)
{
    const size_t size = 5 * ZX_PAGE_SIZE + 3;
    char *buffer = buffer_take(size);
    expect(buffer != NULL, "a buffer");
    if (buffer == NULL)
        return;
    memset(buffer, 1, size);
    expect_fault(do_read, buffer + size, 0, "its first byte too many cannot be read");
    expect_fault(do_write, buffer + size, PF_WRITE, "nor written");
    expect_fault(do_read, buffer - ZX_PAGE_SIZE, 0, "nor one page before it");
    buffer_give(buffer, size);
    expect_fault(do_read, buffer, 0, "it is gone when it is given back");
}

/* ---- Memory for the kernel by the piece, in a space that this processor uses meanwhile ---- */

static void test_allocators(struct vm_aspace *aspace)
{
    void *now = NULL, *run = NULL, *seen = NULL, *wanted = (void *)(1ul << 30);
    uint32_t flags = ARCH_MMU_READ | ARCH_MMU_WRITE, specific = VMM_FLAG_COMMIT | VMM_FLAG_VALLOC_SPECIFIC;
    struct page_table_entry entry = {0};
    expect_status(vm_aspace_alloc(aspace, "wanted", 2 * ZX_PAGE_SIZE, &wanted, 0, specific, ARCH_MMU_READ),
                  ZX_OK, "memory at a given address");
    expect(wanted == (void *)(1ul << 30), "lies there");
    expect_status(vm_aspace_alloc(aspace, "now", 0x3000, &now, 21, VMM_FLAG_COMMIT, flags), ZX_OK,
                  "memory at any address");
    expect_status(vm_aspace_alloc_contiguous(aspace, "run", 0x4000, &run, 0, VMM_FLAG_COMMIT, flags), ZX_OK,
                  "memory in one run");
    expect(page_table_query(vm_aspace_page_table(aspace), (uintptr_t)run + 0x3000, &entry) == ZX_OK,
           "entered at once");
    expect_status(vm_aspace_alloc_physical(aspace, "seen", ZX_PAGE_SIZE, &seen, 0, entry.paddr, 0, flags),
                  ZX_OK, "its last page shown once more, by its physical address");
    paging_switch(vm_aspace_table_root(aspace));
    ((volatile char *)now)[0x2fff] = 'n';
    ((volatile char *)run)[0x3001] = 'r';
    char bytes[] = {((volatile char *)now)[0x2fff], ((volatile char *)seen)[1], *(volatile char *)wanted};
    expect(bytes[0] == 'n' && bytes[1] == 'r' && bytes[2] == 0, "is read and written, without a fault");
    expect_fault(do_write, wanted, PF_PRESENT | PF_WRITE, "but for what may only be read");
    expect_status(vm_aspace_free_region(aspace, (uintptr_t)now + 5), ZX_OK, "what is freed");
    expect_fault(do_read, now, 0, "is gone");
    expect_status(vm_aspace_free_region(aspace, (uintptr_t)now), ZX_ERR_NOT_FOUND, "and is not freed twice");
    paging_switch(paging_kernel_root());
    expect_status(vm_aspace_alloc(aspace, "none", 0, &now, 0, 0, flags), ZX_ERR_INVALID_ARGS,
                  "none of size 0");
    expect_status(vm_aspace_alloc_contiguous(aspace, "none", 1, &now, 0, 0, flags), ZX_ERR_INVALID_ARGS,
                  "no run that is not committed");
    expect_status(vm_aspace_alloc_physical(aspace, "none", 0, &now, 0, 0, 0, flags), ZX_OK,
                  "showing nothing does nothing");
}

static bool count_mappings(void *count, const struct vm_region_info *info)
{
    *(unsigned *)count += info->is_mapping;
    return true;
}

static void test_looking(struct vm_aspace *aspace)
{
    struct vm_region_info info = {0};
    struct vm_aspace_usage usage = {0};
    unsigned count = 0;
    expect(vm_aspace_find_region(aspace, (1ul << 30) + 5, &info, NULL) && info.is_mapping &&
               info.perms == ARCH_MMU_READ,
           "the region at an address is found");
    expect(vm_aspace_enumerate(aspace, count_mappings, &count) == ZX_OK && count == 3, "and all regions are");
    expect_status(vm_aspace_get_memory_usage(aspace, &usage), ZX_OK, "memory usage");
    expect(usage.mapped_pages == 7 && usage.private_pages == 6 && usage.shared_pages == 0, "is exact");
    expect(vm_aspace_vdso_code_address(aspace) == 0 && !vm_aspace_intersects_vdso_code(aspace, 0, 1ul << 40),
           "there is no vDSO in it");
}

static void test_kernel_memory(void)
{
    uint64_t objects = pmm_count(VM_PAGE_OBJECT), tables = pmm_count(VM_PAGE_MMU);
    struct vm_aspace *aspace = vm_aspace_create(VM_ASPACE_LOW_KERNEL, "low");
    expect(aspace != NULL, "a space of the kernel's in low memory");
    if (aspace == NULL)
        return;
    test_allocators(aspace);
    test_looking(aspace);
    expect(vm_check(&vm_log_sink), "every invariant holds");
    discard(aspace);
    expect(pmm_count(VM_PAGE_OBJECT) == objects && pmm_count(VM_PAGE_MMU) == tables, "all pages came back");
}

bool selftest(void)
{
    tally = (struct test_tally){0};
    test_exceptions();
    test_permissions();
    test_symbols();
    test_ring3();
    test_shared();
    test_spaces();
    test_kernel_memory();
    test_fetch();
    test_virtual_alloc();
    test_buffers();
    selftest_threads();
    expect(pmm_check(&vm_log_sink), "every page is in one state");
    behaviour(NULL, &tally);
    return conformance_end(&tally);
}

/* ---- Crashes on demand ---- */

static const struct {
    const char *name;
    void (*function)(void *);
    void *argument;
} crashes[] = {
    {"read", do_read, (void *)0x123456}, {"write", do_write, image_text},
    {"fetch", do_execute, code_in_data}, {"divide", do_divide, NULL},
    {"opcode", do_invalid, NULL},        {"canonical", do_non_canonical, NULL},
    {"stack", do_overflow, NULL},        {"nested", do_nested, boot_stack_guard},
    {"double", do_double, NULL},
};

unsigned selftest_crash_count(void)
{
    return sizeof(crashes) / sizeof(crashes[0]);
}

const char *selftest_crash_name(unsigned index)
{
    return crashes[index].name;
}

void selftest_crash(unsigned index)
{
    crashes[index].function(crashes[index].argument);
}
