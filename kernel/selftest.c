/* SPDX-License-Identifier: MIT */
/*
 * selftest.c: tests of what only the kernel has: that exceptions arrive as they should, that the processor
 * enforces the permissions of the kernel's own pages, and that ring 3 sees of a space exactly what the core
 * promised. Then the behaviour suites (behaviour.c). One line a test, as TAP.
 */
#include <stddef.h>
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <vm/mem.h>
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
#include "thread.h"
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
static void do_nothing(void *unused)
{
    (void)unused;
    __asm__ volatile("int %0; int %1" : : "i"(TRAP_NOTHING), "i"(TRAP_NOTHING_SECOND));
}

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
    struct trap_frame frame;
    uint64_t cr2;
    expect_exception(do_divide, 0, "division by zero is a divide error");
    expect_exception(do_breakpoint, TRAP_BREAKPOINT, "int3 is a breakpoint");
    expect_exception(do_invalid, 6, "ud2 is an invalid opcode");
    expect(!trap_catch(do_nothing, NULL, &frame, &cr2), "an interrupt that was taken back is none");
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
    test_refusals(&space, at);
    expect(vm_check(&vm_log_sink), "every invariant holds");
    vm_process_kill(space.object);
    vm_process_release(space.object);
    zx_handle_close(space.root);
    zx_handle_close(space.process);
    zx_handle_close(space.vmo);
    expect(pmm_count(VM_PAGE_OBJECT) == objects && pmm_count(VM_PAGE_MMU) == tables, "all pages came back");
    user_leave();
}

/* ---- Large buffers ---- */

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
    expect_fault(do_execute, buffer, PF_PRESENT | PF_FETCH, "nothing in it is executed");
    buffer_give(buffer, size);
    expect_fault(do_read, buffer, 0, "it is gone when it is given back");
}

/* Large pages, in the tables that the processor itself goes by. */
static void test_large_buffers(void)
{
    const size_t size = 4ul << 20;
    struct page_table_entry entry;
    zx_paddr_t pa;
    uint64_t tables = pmm_count(VM_PAGE_MMU), taken = pmm_count(VM_PAGE_ALLOC);
    char *buffer = buffer_take(size);
    expect(buffer != NULL, "a large buffer");
    if (buffer == NULL)
        return;
    memset(buffer, 2, size);
    expect(page_table_query(vm_aspace_page_table(vm_aspace_kernel()), (uintptr_t)buffer, &entry) == ZX_OK &&
               entry.size == 2ul << 20,
           "is made of large pages");
    expect(paging_walk(read_cr3() & X86_PTE_ADDRESS, (uintptr_t)buffer, &pa) && pa == entry.paddr,
           "the processor's own tables have it");
    expect_fault(do_read, buffer + size, 0, "behind it is nothing");
    buffer_give(buffer, size);
    expect_fault(do_write, buffer + (2ul << 20), PF_WRITE, "it is gone when it is given back");
    expect(pmm_count(VM_PAGE_MMU) == tables && pmm_count(VM_PAGE_ALLOC) == taken, "all pages came back");
}

bool selftest(void)
{
    tally = (struct test_tally){0};
    test_exceptions();
    test_permissions();
    test_symbols();
    test_ring3();
    test_fetch();
    test_buffers();
    test_large_buffers();
    selftest_threads();
    selftest_processors();
    selftest_paging();
    expect(pmm_check(&vm_log_sink), "every page is in one state");
    behaviour(NULL, &tally);
    return conformance_end(&tally);
}

/* ---- Crashes on demand ---- */

static void in_a_thread(void *function)
{
    struct thread *thread = thread_create((void (*)(void *))(uintptr_t)function, NULL);
    if (thread != NULL)
        thread_join(thread);
}

static const struct {
    const char *name;
    void (*function)(void *);
    void *argument;
} crashes[] = {
    {"read", do_read, (void *)0x123456},
    {"write", do_write, image_text},
    {"fetch", do_execute, code_in_data},
    {"divide", do_divide, NULL},
    {"opcode", do_invalid, NULL},
    {"canonical", do_non_canonical, NULL},
    {"stack", do_overflow, NULL},
    {"nested", do_nested, boot_stack_guard},
    {"double", do_double, NULL},
    {"thread", in_a_thread, do_invalid},
    {"thread-stack", in_a_thread, do_overflow},
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
