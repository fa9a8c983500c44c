/* SPDX-License-Identifier: MIT */
/*
 * hostile_deeds.c: deeds that must kill the process which does them, and nobody else. What comes back from one has survived it,
 * which is a failure.
 */
#include "access.h"
#include "calls.h"
#include "hostile.h"
#include "zvm.h"

#define KILLED          ZX_TASK_RETCODE_EXCEPTION_KILL
#define VDSO_KILL       ZX_TASK_RETCODE_VDSO_KILL
#define STRINGIFY(text) #text
#define STRING(text)    STRINGIFY(text)

#define NOT_CANONICAL 0x0000800000000000ull
#define KERNEL        0xffffffff80100000ull
#define DIRECT_MAP    0xffff800000100000ull
#define WINDOW        0xffffff0000000000ull
#define LAST_PAGE     0x00007fffffffe000ull /* the highest that a program can have */

/* A deed that is nothing but these instructions. */
#define INSTRUCTION(name, text)                                                                              \
    static void name(void)                                                                                   \
    {                                                                                                        \
        __asm__ volatile(text                                                                                \
                         :                                                                                   \
                         : "a"(0ull), "b"(here), "c"(0ull), "d"(0ull), "S"(here), "D"(here)                  \
                         : "memory", "cc");                                                                  \
    }

static uint64_t here[512]; /* memory for instructions that want some */

/* ---- Privileged instructions ---- */

INSTRUCTION(do_cli, "cli")
INSTRUCTION(do_sti, "sti")
INSTRUCTION(do_hlt, "hlt")
INSTRUCTION(do_in, "inb $0x64, %%al")
INSTRUCTION(do_out, "outb %%al, $0x80")
INSTRUCTION(do_out_exit, "movl $0xf4, %%edx; outl %%eax, %%dx")
INSTRUCTION(do_ins, "movl $0x60, %%edx; insb")
INSTRUCTION(do_outs, "movl $0x60, %%edx; outsb")
INSTRUCTION(do_read_cr0, "movq %%cr0, %%rax")
INSTRUCTION(do_write_cr0, "movq %%rax, %%cr0")
INSTRUCTION(do_read_cr2, "movq %%cr2, %%rax")
INSTRUCTION(do_write_cr3, "movq %%rax, %%cr3")
INSTRUCTION(do_write_cr4, "movq %%rax, %%cr4")
INSTRUCTION(do_write_cr8, "movq %%rax, %%cr8")
INSTRUCTION(do_write_dr7, "movq %%rax, %%dr7")
INSTRUCTION(do_rdmsr, "movl $0xc0000080, %%ecx; rdmsr")
INSTRUCTION(do_wrmsr, "movl $0xc0000082, %%ecx; wrmsr")
INSTRUCTION(do_lgdt, "lgdt (%%rbx)")
INSTRUCTION(do_lidt, "lidt (%%rbx)")
INSTRUCTION(do_lldt, "lldt %%ax")
INSTRUCTION(do_ltr, "ltr %%ax")
INSTRUCTION(do_lmsw, "lmsw %%ax")
INSTRUCTION(do_clts, "clts")
INSTRUCTION(do_invlpg, "invlpg (%%rbx)")
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_swapgs, "swapgs")
INSTRUCTION(do_sysret, "leaq 1f(%%rip), %%rcx; movl $0x202, %%r11d; sysretq; 1:")
INSTRUCTION(do_sysexit, ".byte 0x0f, 0x35")
INSTRUCTION(do_sysenter, ".byte 0x0f, 0x34")
INSTRUCTION(do_xsetbv, "xsetbv")
INSTRUCTION(do_monitor, "monitor")
INSTRUCTION(do_mwait, "mwait")
INSTRUCTION(do_stac, "stac")
INSTRUCTION(do_clac, "clac")
INSTRUCTION(do_vmcall, "vmcall")
INSTRUCTION(do_vmmcall, "vmmcall")
INSTRUCTION(do_vmrun, "vmrun")
INSTRUCTION(do_clgi, "clgi")
INSTRUCTION(do_rsm, "rsm")
INSTRUCTION(do_wrgsbase, "wrgsbase %%rbx")

/* ---- Exceptions ---- */

INSTRUCTION(do_ud2, "ud2")
INSTRUCTION(do_divide, "divl %%ecx")
INSTRUCTION(do_int3, "int3")
INSTRUCTION(do_icebp, ".byte 0xf1")
INSTRUCTION(do_lock_register, ".byte 0xf0, 0x01, 0xc0")
INSTRUCTION(do_too_long, ".fill 16, 1, 0x66; nop")
INSTRUCTION(do_single_step, "pushfq; orl $0x100, (%%rsp); popfq; nop; nop")
INSTRUCTION(do_sse, "movl $0, (%%rbx); ldmxcsr (%%rbx); xorps %%xmm0, %%xmm0; divss %%xmm0, %%xmm0")
INSTRUCTION(do_x87, "fninit; movw $0x340, (%%rbx); fldcw (%%rbx); fldz; fld1; fdivp; fwait")
INSTRUCTION(do_mxcsr, "movl $0xffff0000, (%%rbx); ldmxcsr (%%rbx)")
INSTRUCTION(do_int_nmi, "int $2")
INSTRUCTION(do_int_overflow, "int $4")
INSTRUCTION(do_int_double_fault, "int $8")
INSTRUCTION(do_int_protection, "int $13")
INSTRUCTION(do_int_page_fault, "int $14")
INSTRUCTION(do_int_machine_check, "int $18")
INSTRUCTION(do_int_serial, "int $0x24")
INSTRUCTION(do_int_timer, "int $0x40")
INSTRUCTION(do_int_reschedule, "int $0x41")
INSTRUCTION(do_int_shootdown, "int $0x42")
INSTRUCTION(do_int_80, "int $0x80")
INSTRUCTION(do_int_spurious, "int $0xff")

/* ---- System calls from the wrong place, or with a bad stack ---- */

INSTRUCTION(do_syscall, "movl $26, %%eax; syscall")
INSTRUCTION(do_syscall_exit, "movl $25, %%eax; xorl %%edi, %%edi; syscall")
INSTRUCTION(do_syscall_step, "pushfq; orl $0x100, (%%rsp); popfq; syscall")
INSTRUCTION(do_syscall_no_stack, "xorl %%esp, %%esp; syscall")
INSTRUCTION(do_syscall_kernel_stack, "movq $-0x7ff00000, %%rsp; syscall")

static void syscall_in_own_memory(void)
{
    static const uint8_t code[] = {0x0f, 0x05, 0xc3};
    zx_vaddr_t at = map_code(code, sizeof(code));
    __asm__ volatile("call *%0" : : "r"(at), "a"(0) : "rcx", "r11", "memory");
}

/* The instruction behind it would be at an address that is none. */
static void syscall_at_the_top(void)
{
    static const uint8_t code[] = {0x0f, 0x05};
    zx_handle_t vmo;
    zx_vaddr_t at;
    zx_info_vmar_t root;
    if (zx_vmo_create(PAGE, 0, &vmo) != ZX_OK || zx_vmo_write(vmo, code, PAGE - 2, 2) != ZX_OK ||
        zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &vmo) != ZX_OK ||
        zx_object_get_info(zx_vmar_root_self(), ZX_INFO_VMAR, &root, sizeof(root), NULL, NULL) != ZX_OK ||
        zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE | ZX_VM_SPECIFIC,
                    LAST_PAGE - root.base, vmo, 0, PAGE, &at) != ZX_OK)
        give_up("hostile: the last page cannot be mapped");
    __asm__ volatile("call *%0" : : "r"(at + PAGE - 2), "a"(0) : "rcx", "r11", "memory");
}

/* A second vDSO of one's own is none. */
static void syscall_in_a_copy(void)
{
    uint8_t code[PAGE];
    memcpy(code, (const void *)(call_instruction() & ~ZX_PAGE_MASK), PAGE);
    zx_vaddr_t at = map_code(code, PAGE) + (call_instruction() & ZX_PAGE_MASK);
    __asm__ volatile("call *%0" : : "r"(at), "a"(26) : "rcx", "r11", "memory");
}

/* Makes a call that is allowed, with that stack pointer: the kernel answers, and the return address cannot be read. */
static void call_with_stack(uint64_t stack)
{
    __asm__ volatile("movq %0, %%rsp; jmp *%1" : : "r"(stack), "r"(call_instruction()), "a"(26) : "memory");
    __builtin_unreachable();
}

static void call_with_kernel_stack(void)
{
    call_with_stack(KERNEL);
}

static void call_with_odd_stack(void)
{
    call_with_stack(NOT_CANONICAL + 8);
}

static void call_with_null_stack(void)
{
    call_with_stack(0);
}

INSTRUCTION(fault_with_odd_stack, "movq $1, %%rsp; shlq $47, %%rsp; movq (%%rcx), %%rax")
INSTRUCTION(fault_with_kernel_stack, "movq $-0x7ff00000, %%rsp; movq (%%rcx), %%rax")
INSTRUCTION(push_on_kernel_stack, "movq $-0x7ff00000, %%rsp; pushq %%rax")
INSTRUCTION(push_on_odd_stack, "movq $1, %%rsp; shlq $47, %%rsp; pushq %%rax; pushq %%rax")

/* ---- Memory ---- */

static void read_at(uint64_t at)
{
    (void)*(volatile char *)at;
}

static void write_at(uint64_t at)
{
    *(volatile char *)at = 1;
}

static void jump_to(uint64_t at)
{
    __asm__ volatile("call *%0" : : "r"(at) : "memory");
}

#define AT(name, how, where)                                                                                 \
    static void name(void)                                                                                   \
    {                                                                                                        \
        how(where);                                                                                          \
    }
AT(read_null, read_at, 0)
AT(read_odd, read_at, NOT_CANONICAL)
AT(write_odd, write_at, 0xffff7ffffffffff8ull)
AT(jump_odd, jump_to, NOT_CANONICAL)
AT(jump_below_kernel, jump_to, 0xdeadbeefdeadbeefull)
AT(read_kernel, read_at, KERNEL)
AT(write_kernel, write_at, KERNEL)
AT(jump_kernel, jump_to, KERNEL)
AT(read_direct_map, read_at, DIRECT_MAP)
AT(write_direct_map, write_at, DIRECT_MAP)
AT(jump_window, jump_to, WINDOW)
AT(read_window, read_at, WINDOW)
AT(write_window, write_at, WINDOW + PAGE)
AT(read_last, read_at, LAST_PAGE + PAGE)
AT(jump_last, jump_to, LAST_PAGE + PAGE)
AT(jump_data, jump_to, (uint64_t)here)
AT(jump_constants, jump_to, (uint64_t) "\xc3")
AT(jump_stack, jump_to, (uint64_t)__builtin_frame_address(0))
AT(write_code, write_at, (uint64_t)(uintptr_t)write_code)
AT(write_vdso, write_at, call_instruction())
AT(write_vdso_head, write_at, runtime_vdso_base())
AT(write_read_only, write_at, map_pages(1, ZX_VM_PERM_READ))
AT(read_nothing_allowed, read_at, map_pages(1, 0))
AT(jump_not_executable, jump_to, map_pages(1, READ_WRITE))

INSTRUCTION(return_to_odd, "movq $1, %%rax; shlq $47, %%rax; pushq %%rax; ret")
INSTRUCTION(return_to_kernel, "movq $-0x7ff00000, %%rax; pushq %%rax; ret")

static int recurse(volatile char *above);
static int (*volatile deeper)(volatile char *) = recurse;

static int recurse(volatile char *above)
{
    volatile char room[512];
    room[0] = above != NULL ? above[0] : 0;
    return deeper(room) + room[0];
}

static void overflow_stack(void)
{
    (void)recurse(NULL);
}

static void overflow_of_thread(void *context)
{
    (void)context;
    overflow_stack();
}

static void overflow_other_stack(void)
{
    struct program_thread thread;
    if (thread_start(&thread, "deep", overflow_of_thread, NULL) == ZX_OK)
        (void)thread_join(&thread);
}

/* The handler of faults faults: for ever, until somebody ends it. */
static void fault_for_ever(void)
{
    zx_vaddr_t handler = map_pages(1, READ_WRITE);
    if (zvm_catch_faults(handler, 0) == ZX_OK)
        read_at(0);
}

/* Code that takes itself away: the call succeeds, and there is nothing to return to. */
static void unmap_running_code(void)
{
    static const uint8_t code[] = {0xff, 0xd0, 0xc3}; /* call *%rax; ret */
    zx_vaddr_t at = map_code(code, sizeof(code));
    uint64_t answer = (uintptr_t)zx_vmar_unmap;
    __asm__ volatile("call *%1"
                     : "+a"(answer)
                     : "r"(at), "D"((uint64_t)zx_vmar_root_self()), "S"(at), "d"(PAGE)
                     : "rcx", "r8", "r9", "r10", "r11", "memory");
}

static void protect_running_code(void)
{
    static const uint8_t code[] = {0xff, 0xd0, 0xc3};
    zx_vaddr_t at = map_code(code, sizeof(code));
    uint64_t answer = (uintptr_t)zx_vmar_protect;
    __asm__ volatile("call *%1"
                     : "+a"(answer)
                     : "r"(at), "D"((uint64_t)zx_vmar_root_self()), "S"(0ull), "d"(at), "c"(PAGE)
                     : "r8", "r9", "r10", "r11", "memory");
}

/* All but the vDSO: its own code, data and stack as well. */
static void unmap_all(void)
{
    zx_info_vmar_t root;
    zx_vaddr_t vdso = runtime_vdso_base(), above = vdso + ((zx_vaddr_t)1 << 20);
    if (zx_object_get_info(zx_vmar_root_self(), ZX_INFO_VMAR, &root, sizeof(root), NULL, NULL) != ZX_OK)
        return;
    if ((zx_vaddr_t)__builtin_frame_address(0) < vdso)
        (void)zx_vmar_unmap(zx_vmar_root_self(), root.base, vdso - root.base);
    else
        (void)zx_vmar_unmap(zx_vmar_root_self(), above, root.base + root.len - above);
}

/* ---- Segments ---- */

#define TO_SELECTOR(name, into, selector)                                                                    \
    INSTRUCTION(name, "movl $" STRING(selector) ", %%eax; movl %%eax, %%" into)
TO_SELECTOR(ds_kernel, "ds", 0x10)
TO_SELECTOR(es_kernel_code, "es", 0x0b)
TO_SELECTOR(fs_task, "fs", 0x33)
TO_SELECTOR(gs_beyond, "gs", 0xfffb)
TO_SELECTOR(ds_local, "ds", 0x07)
TO_SELECTOR(ss_null, "ss", 0x00)
TO_SELECTOR(ss_null_3, "ss", 0x03)
TO_SELECTOR(ss_kernel, "ss", 0x10)
TO_SELECTOR(ss_code, "ss", 0x2b)

/* To address 0: whatever is let through faults, with the rights of where it leads. */
#define FAR_JUMP(name, selector)                                                                             \
    INSTRUCTION(name, "movl $0, (%%rbx); movw $" STRING(selector) ", 4(%%rbx); ljmp *(%%rbx)")
FAR_JUMP(far_kernel, 0x08)
FAR_JUMP(far_kernel_3, 0x0b)
FAR_JUMP(far_compatible, 0x1b)
FAR_JUMP(far_data, 0x23)
FAR_JUMP(far_task, 0x33)
FAR_JUMP(far_null, 0x00)
FAR_JUMP(far_local, 0x07)
FAR_JUMP(far_beyond, 0xfffb)

#define IRET(name, cs, ss, flags)                                                                            \
    INSTRUCTION(name, "movq %%rsp, %%rax; pushq $" STRING(ss) "; pushq %%rax; pushq $" STRING(               \
                          flags) "; pushq $" STRING(cs) "; leaq 1f(%%rip), %%rax; pushq %%rax; iretq; 1:")
IRET(iret_to_kernel, 0x08, 0x10, 0x202)
IRET(iret_compatible, 0x1b, 0x23, 0x202)
IRET(iret_null_stack, 0x2b, 0x03, 0x202)
INSTRUCTION(iret_nested, "movq %%rsp, %%rax; pushq $0x23; pushq %%rax; pushq $0x202; pushq $0x2b; "
                         "leaq 1f(%%rip), %%rax; pushq %%rax; pushq $0x4002; popfq; iretq; 1:")
INSTRUCTION(iret_to_odd,
            "movq %%rsp, %%rax; pushq $0x23; pushq %%rax; pushq $0x202; pushq $0x2b; movq $1, %%rax; "
            "shlq $47, %%rax; pushq %%rax; iretq")
/* IOPL cannot be had: nothing comes of it, and cli is still forbidden. */
INSTRUCTION(iret_with_privilege, "movq %%rsp, %%rax; pushq $0x23; pushq %%rax; pushq $0x3002; pushq $0x2b; "
                                 "leaq 1f(%%rip), %%rax; pushq %%rax; iretq; 1: cli")
INSTRUCTION(popf_with_privilege, "pushq $0x3002; popfq; cli")

/* ---- Several threads ---- */

static void spin(void *context)
{
    (void)context;
    for (;;)
        __asm__ volatile("pause");
}

static void sleep_for_ever(void *context)
{
    (void)context;
    (void)zx_nanosleep(ZX_TIME_INFINITE);
}

/* One for each processor, and one more. */
static void start_many(void (*function)(void *))
{
    static struct program_thread threads[17];
    uint32_t processors = 1;
    (void)zvm_processors(&processors);
    for (unsigned i = 0; i <= processors && i < 17; i++)
        if (thread_start(&threads[i], "one of many", function, NULL) != ZX_OK)
            give_up("hostile: a thread cannot be made");
}

static void spin_on_all(void)
{
    start_many(spin);
    spin(NULL);
}

static void sleep_on_all(void)
{
    start_many(sleep_for_ever);
    sleep_for_ever(NULL);
}

static void exit_while_others_spin(void)
{
    start_many(spin);
    zx_process_exit(42);
}

static void exit_while_others_sleep(void)
{
    start_many(sleep_for_ever);
    sleep_ms(2);
    zx_process_exit(42);
}

static void die_soon(void *context)
{
    (void)context;
    sleep_ms(2);
    do_syscall();
}

static void fault_soon(void *context)
{
    (void)context;
    sleep_ms(2);
    read_at(0);
}

/* It waits for a thread that never ends but with the process. */
static void wait_for(void (*function)(void *))
{
    static struct program_thread thread;
    if (thread_start(&thread, "awaited", function, NULL) == ZX_OK)
        (void)thread_join(&thread);
    (void)zx_nanosleep(ZX_TIME_INFINITE);
}

static void die_while_other_waits(void)
{
    wait_for(die_soon);
}

static void fault_while_other_waits(void)
{
    start_many(spin);
    wait_for(fault_soon);
}

static void kill_itself(void)
{
    (void)zx_task_kill(zx_process_self());
}

static void copy_without_end(void *context)
{
    static const size_t size = 4 << 20;
    zx_handle_t vmo;
    (void)context;
    zx_vaddr_t at = map_pages((unsigned)(size / PAGE), READ_WRITE);
    if (zx_vmo_create(size, 0, &vmo) != ZX_OK)
        return;
    for (;;) {
        (void)zx_vmo_write(vmo, (void *)at, 0, size);
        (void)zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, size, NULL, 0);
        (void)zx_vmo_read(vmo, (void *)at, 0, size);
    }
}

static void kill_itself_in_a_copy(void)
{
    start_many(copy_without_end);
    sleep_ms(10);
    kill_itself();
}

/* The same few pages, so often that one call can fill 8 GiB. */
static zx_vaddr_t map_much(size_t size)
{
    const size_t part = (size_t)16 << 20;
    zx_handle_t vmo, vmar;
    zx_vaddr_t base, at;
    if (zx_vmo_create(part, 0, &vmo) != ZX_OK ||
        zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, size, &vmar, &base) != ZX_OK)
        give_up("hostile: no memory");
    for (size_t offset = 0; offset < size; offset += part)
        if (zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, offset, vmo, 0, part, &at) != ZX_OK)
            give_up("hostile: no memory");
    return base;
}

#define MUCH ((size_t)8 << 30)

static void copy_for_hours(void)
{
    zx_vaddr_t to = map_much(MUCH);
    zx_handle_t vmo;
    if (zx_vmo_create(MUCH, 0, &vmo) == ZX_OK)
        (void)zx_vmo_read(vmo, (void *)to, 0, MUCH);
}

/* More mappings than are counted before others may run. */
static void count_without_end(void)
{
    enum { COUNT = 5000 };
    zx_info_task_stats_t stats;
    zx_handle_t vmo, vmar;
    zx_vaddr_t at;
    if (zx_vmo_create(PAGE, 0, &vmo) != ZX_OK ||
        zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, COUNT * PAGE, &vmar, &at) != ZX_OK)
        give_up("hostile: no memory");
    for (unsigned i = 0; i < COUNT; i++)
        if (zx_vmar_map(vmar, READ_WRITE | ZX_VM_SPECIFIC, i * PAGE, vmo, 0, PAGE, &at) != ZX_OK)
            give_up("hostile: no memory");
    for (;;)
        (void)zx_object_get_info(zx_process_self(), ZX_INFO_TASK_STATS, &stats, sizeof(stats), NULL, NULL);
}

static void draw_for_hours(void)
{
    zx_cprng_draw((void *)map_much(MUCH), MUCH);
}

static void exit_in_a_copy(void)
{
    start_many(copy_without_end);
    sleep_ms(10);
    zx_process_exit(42);
}

/* ---- Ends with much to give back ---- */

static void exit_with_many_regions(void)
{
    zx_handle_t vmo, vmar;
    zx_vaddr_t at;
    if (zx_vmo_create(PAGE, 0, &vmo) != ZX_OK)
        return;
    for (unsigned i = 0; i < 4000; i++) {
        if (zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, vmo, 0, PAGE, &at) != ZX_OK)
            give_up("hostile: no region");
        if (i % 8 == 0)
            write_at(at);
        if (i % 4 == 0 &&
            zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, 4 * PAGE, &vmar, &at) != ZX_OK)
            give_up("hostile: no VMAR");
    }
    zx_process_exit(42);
}

static void die_in_deep_nesting(void)
{
    zx_handle_t vmar = zx_vmar_root_self();
    zx_vaddr_t at;
    for (size_t pages = 3000; pages > 0; pages--)
        if (zx_vmar_allocate(vmar, VMAR_OPTIONS, 0, pages * PAGE, &vmar, &at) != ZX_OK)
            give_up("hostile: no VMAR");
    do_syscall();
}

/* A page of memory for each, until there is none: the touch that finds none kills. */
static void touch_all_memory(void)
{
    size_t size = (size_t)1 << 40;
    zx_handle_t vmo;
    zx_vaddr_t at;
    if (zx_vmo_create(size, 0, &vmo) == ZX_OK &&
        zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, vmo, 0, size, &at) == ZX_OK)
        for (size_t i = 0; i < size; i += PAGE)
            write_at(at + i);
}

/* Pages far apart: each needs tables too. */
static void touch_all_tables(void)
{
    size_t size = (size_t)1 << 45, step = (size_t)1 << 21;
    zx_handle_t vmo;
    zx_vaddr_t at;
    if (zx_vmo_create(size, 0, &vmo) == ZX_OK &&
        zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, vmo, 0, size, &at) == ZX_OK)
        for (size_t i = 0; i < size; i += step)
            write_at(at + i);
}

#define KILLS(function) DEED(function, KILLED, KILLED)
#define EXITS(function) DEED(function, 42, 42)
/* QEMU 7.2 knows no exceptions of SSE, and reads the stack of iret as if in the kernel, which with SMAP in force faults
   for ever. */
#define KILLS_OR_LIVES(function) DEED(function, KILLED, SURVIVED)
#define KILLS_OR_HANGS(function) DEED(function, KILLED, NEEDS_KILLING)

const struct deed deeds[] = {
    KILLS(do_cli),
    KILLS(do_sti),
    KILLS(do_hlt),
    KILLS(do_in),
    KILLS(do_out),
    KILLS(do_out_exit),
    KILLS(do_ins),
    KILLS(do_outs),
    KILLS(do_read_cr0),
    KILLS(do_write_cr0),
    KILLS(do_read_cr2),
    KILLS(do_write_cr3),
    KILLS(do_write_cr4),
    KILLS(do_write_cr8),
    KILLS(do_write_dr7),
    KILLS(do_rdmsr),
    KILLS(do_wrmsr),
    KILLS(do_lgdt),
    KILLS(do_lidt),
    KILLS(do_lldt),
    KILLS(do_ltr),
    KILLS(do_lmsw),
    KILLS(do_clts),
    KILLS(do_invlpg),
    KILLS(do_invd),
    KILLS(do_wbinvd),
    KILLS(do_swapgs),
    KILLS(do_sysret),
    KILLS(do_sysexit),
    KILLS(do_sysenter),
    KILLS(do_xsetbv),
    KILLS(do_monitor),
    KILLS(do_mwait),
    KILLS(do_stac),
    KILLS(do_clac),
    KILLS(do_vmcall),
    KILLS(do_vmmcall),
    KILLS(do_vmrun),
    KILLS(do_clgi),
    KILLS(do_rsm),
    KILLS(do_wrgsbase),

    KILLS(do_ud2),
    KILLS(do_divide),
    KILLS(do_int3),
    KILLS(do_icebp),
    KILLS(do_lock_register),
    KILLS(do_too_long),
    KILLS(do_single_step),
    KILLS_OR_LIVES(do_sse),
    KILLS(do_x87),
    KILLS_OR_LIVES(do_mxcsr),
    KILLS(do_int_nmi),
    KILLS(do_int_overflow),
    KILLS(do_int_double_fault),
    KILLS(do_int_protection),
    KILLS(do_int_page_fault),
    KILLS(do_int_machine_check),
    KILLS(do_int_serial),
    KILLS(do_int_timer),
    KILLS(do_int_reschedule),
    KILLS(do_int_shootdown),
    KILLS(do_int_80),
    KILLS(do_int_spurious),

    {"do_syscall", do_syscall, VDSO_KILL, VDSO_KILL},
    {"do_syscall_exit", do_syscall_exit, VDSO_KILL, VDSO_KILL},
    {"do_syscall_step", do_syscall_step, VDSO_KILL, KILLED},
    {"do_syscall_no_stack", do_syscall_no_stack, VDSO_KILL, VDSO_KILL},
    {"do_syscall_kernel_stack", do_syscall_kernel_stack, VDSO_KILL, VDSO_KILL},
    {"syscall_in_own_memory", syscall_in_own_memory, VDSO_KILL, VDSO_KILL},
    {"syscall_at_the_top", syscall_at_the_top, VDSO_KILL, VDSO_KILL},
    {"syscall_in_a_copy", syscall_in_a_copy, VDSO_KILL, VDSO_KILL},
    KILLS(call_with_kernel_stack),
    KILLS(call_with_odd_stack),
    KILLS(call_with_null_stack),
    KILLS(fault_with_odd_stack),
    KILLS(fault_with_kernel_stack),
    KILLS(push_on_kernel_stack),
    KILLS(push_on_odd_stack),

    KILLS(read_null),
    KILLS(read_odd),
    KILLS(write_odd),
    KILLS(jump_odd),
    KILLS(jump_below_kernel),
    KILLS(read_kernel),
    KILLS(write_kernel),
    KILLS(jump_kernel),
    KILLS(read_direct_map),
    KILLS(write_direct_map),
    KILLS(jump_window),
    KILLS(read_window),
    KILLS(write_window),
    KILLS(read_last),
    KILLS(jump_last),
    KILLS(jump_data),
    KILLS(jump_constants),
    KILLS(jump_stack),
    KILLS(write_code),
    KILLS(write_vdso),
    KILLS(write_vdso_head),
    KILLS(write_read_only),
    KILLS(read_nothing_allowed),
    KILLS(jump_not_executable),
    KILLS(return_to_odd),
    KILLS(return_to_kernel),
    KILLS(overflow_stack),
    KILLS(overflow_other_stack),
    {"fault_for_ever", fault_for_ever, NEEDS_KILLING, NEEDS_KILLING},
    KILLS(unmap_running_code),
    KILLS(protect_running_code),
    KILLS(unmap_all),

    KILLS(ds_kernel),
    KILLS(es_kernel_code),
    KILLS(fs_task),
    KILLS(gs_beyond),
    KILLS(ds_local),
    KILLS(ss_null),
    KILLS(ss_null_3),
    KILLS(ss_kernel),
    KILLS(ss_code),
    KILLS(far_kernel),
    KILLS(far_kernel_3),
    KILLS(far_compatible),
    KILLS(far_data),
    KILLS(far_task),
    KILLS(far_null),
    KILLS(far_local),
    KILLS(far_beyond),
    KILLS_OR_HANGS(iret_to_kernel),
    KILLS_OR_HANGS(iret_compatible),
    KILLS_OR_HANGS(iret_null_stack),
    KILLS_OR_HANGS(iret_nested),
    KILLS_OR_HANGS(iret_to_odd),
    KILLS_OR_HANGS(iret_with_privilege),
    KILLS(popf_with_privilege),

    {"spin_on_all", spin_on_all, NEEDS_KILLING, NEEDS_KILLING},
    {"sleep_on_all", sleep_on_all, NEEDS_KILLING, NEEDS_KILLING},
    EXITS(exit_while_others_spin),
    EXITS(exit_while_others_sleep),
    {"die_while_other_waits", die_while_other_waits, VDSO_KILL, VDSO_KILL},
    KILLS(fault_while_other_waits),
    {"kill_itself", kill_itself, ZX_TASK_RETCODE_SYSCALL_KILL, ZX_TASK_RETCODE_SYSCALL_KILL},
    {"kill_itself_in_a_copy", kill_itself_in_a_copy, ZX_TASK_RETCODE_SYSCALL_KILL,
     ZX_TASK_RETCODE_SYSCALL_KILL},
    EXITS(exit_in_a_copy),
    {"copy_for_hours", copy_for_hours, NEEDS_KILLING, NEEDS_KILLING},
    {"draw_for_hours", draw_for_hours, NEEDS_KILLING, NEEDS_KILLING},
    {"count_without_end", count_without_end, NEEDS_KILLING, NEEDS_KILLING},
    EXITS(exit_with_many_regions),
    {"die_in_deep_nesting", die_in_deep_nesting, VDSO_KILL, VDSO_KILL},
    KILLS(touch_all_memory),
    KILLS(touch_all_tables),
};
const unsigned deed_count = sizeof(deeds) / sizeof(deeds[0]);
