/* SPDX-License-Identifier: MIT */
/*
 * hostile_survivors.c: deeds that are refused, or allowed and odd: the process lives, and finds everything as it was. Each is a
 * test in a process of its own, which ends with 0 where all checks held.
 */
#include <stdatomic.h>

#include "access.h"
#include "calls.h"
#include "hostile.h"
#include "registers.h"
#include "zvm.h"

/* ---- Registers ---- */

#define FLAGS_ALWAYS 0x202ull    /* bit 1, and interrupts */
#define FLAGS_SEEN   0x244cd5ull /* CF PF AF ZF SF DF OF NT AC ID: what a program may set */

static const uint64_t flags[] = {0, 0x8d5, 0x400, 0x4000, 0x40000, 0x200000, 0x244cd5};

static void fill(struct registers *registers, uint64_t seed, uint64_t with_flags)
{
    uint64_t *words = (uint64_t *)registers;
    for (unsigned i = 0; i < sizeof(*registers) / sizeof(uint64_t); i++)
        words[i] = (seed + i) * 0x9e3779b97f4a7c15ull;
    registers->flags = with_flags | FLAGS_ALWAYS;
}

/* All but those named by `changed`, a bit each in the order of the structure. */
static void compare(const struct registers *seen, const struct registers *expected, uint32_t changed)
{
    const uint64_t *a = (const uint64_t *)seen, *b = (const uint64_t *)expected;
    for (unsigned i = 0; i < 15; i++)
        if ((changed >> i & 1) == 0 && !CHECK_EQUAL(a[i], b[i]))
            print("# register %u, flags %llx\n", i, (unsigned long long)expected->flags);
    CHECK_EQUAL(seen->flags & FLAGS_SEEN, expected->flags & FLAGS_SEEN);
}

#define RAX (1u << 0)
#define RCX (1u << 2)
#define RSI (1u << 4)
#define RDI (1u << 5)
#define R11 (1u << 10)

/* rcx and r11 are where the program goes on, and its flags: its own, none of the kernel's. */
static void call_with(struct registers *registers, uint64_t number, zx_status_t answer)
{
    struct registers before;
    registers->rax = number;
    before = *registers;
    registers_through(registers, (void (*)(void))call_instruction());
    compare(registers, &before, RAX | RCX | R11);
    CHECK_EQUAL((zx_status_t)registers->rax, answer);
    CHECK_EQUAL(registers->rcx, call_instruction() + 2);
    CHECK_EQUAL(registers->r11, before.flags);
}

static void registers_and_calls(void)
{
    struct registers registers;
    zx_handle_t vmo;
    uint64_t close = call_of_name("zx_handle_close")->number, read = call_of_name("zx_vmo_read")->number,
             sleep = call_of_name("zx_nanosleep")->number, self = call_of_name("zx_process_self")->number;
    CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &vmo));
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        fill(&registers, i, flags[i]);
        call_with(&registers, self, (zx_status_t)zx_process_self());
        fill(&registers, i + 1, flags[i]);
        registers.rdi = 0x55;
        call_with(&registers, close, ZX_ERR_BAD_HANDLE);
        fill(&registers, i + 2, flags[i]);
        call_with(&registers, 1000, ZX_ERR_BAD_SYSCALL);
        fill(&registers, i + 3, flags[i]);
        registers.rdi = (uint64_t)zx_clock_get_monotonic() + 300000;
        call_with(&registers, sleep, ZX_OK);
        fill(&registers, i + 4, flags[i]);
        registers.rdi = vmo;
        registers.rsi = map_pages(1, READ_WRITE) + 8;
        registers.rdx = 0;
        registers.r10 = 64;
        call_with(&registers, read, ZX_OK);
        registers.rsi = 0xffffffff80100000;
        call_with(&registers, read, ZX_ERR_INVALID_ARGS);
    }
}

static void registers_and_faults(void)
{
    struct registers registers, before;
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        fill(&registers, i, flags[i]);
        registers.rbx = map_pages(1, READ_WRITE) + 100;
        before = registers;
        registers_through(&registers, registers_touch);
        compare(&registers, &before, 0);
        CHECK_STATUS(ZX_OK, zvm_catch_faults((zx_vaddr_t)registers_return, 0));
        registers.rbx = 0xffffffff80100000;
        before = registers;
        registers_through(&registers, registers_touch);
        CHECK_STATUS(ZX_OK, zvm_catch_faults(0, 0));
        compare(&registers, &before, RSI | RDI);
        CHECK_EQUAL(registers.rsi, before.rbx);
        CHECK((zx_status_t)registers.rdi < 0);
    }
}

static void spin_and_compare(void *context)
{
    struct registers registers, before;
    fill(&registers, (uintptr_t)context, 0x244cd5 & ~0x8d5ull);
    registers.rcx = 10000000;
    before = registers;
    registers_through(&registers, registers_spin);
    registers.flags = before.flags; /* the last count sets them */
    compare(&registers, &before, RCX);
    CHECK_EQUAL(registers.rcx, 0);
}

static void registers_and_preemption(void)
{
    struct program_thread threads[6];
    for (unsigned i = 0; i < 6; i++)
        CHECK_STATUS(ZX_OK,
                     thread_start(&threads[i], "spin", spin_and_compare, (void *)(uintptr_t)(i * 100)));
    for (unsigned i = 0; i < 6; i++)
        CHECK_STATUS(ZX_OK, thread_join(&threads[i]));
}

static void threads_begin_with_zeroes(void)
{
    static struct registers_all seen;
    uint64_t pattern[REGISTERS_XMM_WORDS], after[REGISTERS_XMM_WORDS];
    zx_handle_t thread;
    for (unsigned round = 0; round < 4; round++) {
        memset(pattern, 0x5a, sizeof(pattern));
        memset(&seen, 0xff, sizeof(seen));
        zx_vaddr_t stack = map_pages(1, READ_WRITE);
        CHECK_STATUS(ZX_OK, zx_thread_create(zx_process_self(), "zeroes", 6, 0, &thread));
        registers_hold(pattern, after, zx_nanosleep, 10);
        CHECK_STATUS(ZX_OK, zx_thread_start(thread, (zx_vaddr_t)registers_snapshot, stack + PAGE,
                                            (uintptr_t)&seen, (uintptr_t)zx_thread_exit));
        CHECK_STATUS(ZX_OK, zx_object_wait_one(thread, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL));
        for (unsigned i = 0; i < sizeof(seen) / sizeof(uint64_t); i++)
            CHECK_EQUAL(((const uint64_t *)&seen)[i], 0);
        CHECK_STATUS(ZX_OK, zx_handle_close(thread));
    }
}

static void odd_selectors(void)
{
    static const uint16_t selectors[] = {0, 1, 2, 3, 0x23, 0x20, 0x21, 0x2b, 0x28, 0x23};
    for (unsigned i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        uint32_t selector = selectors[i];
        volatile char *page = (volatile char *)map_pages(1, READ_WRITE);
        __asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs"
                         :
                         : "r"(selector)
                         : "memory");
        CHECK(zx_process_self() != ZX_HANDLE_INVALID);
        page[0] = 1;
        sleep_ms(1);
        CHECK_EQUAL(page[0], 1);
        CHECK_STATUS(ZX_ERR_BAD_HANDLE, zx_handle_close(0x57));
    }
}

struct selectors {
    uint16_t ds, es, fs, gs;
};

static struct selectors selectors_now(void)
{
    struct selectors now;
    __asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
                     : "=m"(now.ds), "=m"(now.es), "=m"(now.fs), "=m"(now.gs));
    return now;
}

/* Not 1 to 3: some processors make them 0 on the way back from an interrupt. */
static void keep_selectors(void *context)
{
    static const struct selectors kinds[] = {
        {0x20, 0, 0x23, 0}, {0x23, 0x2b, 0x22, 0x2a}, {0x2b, 0x20, 0x29, 0x23}};
    const struct selectors *own = &kinds[(uintptr_t)context % 3];
    struct selectors now = selectors_now();
    CHECK(now.ds == 0 && now.es == 0 && now.fs == 0 && now.gs == 0);
    __asm__ volatile("movw %0, %%ds; movw %1, %%es; movw %2, %%fs; movw %3, %%gs"
                     :
                     : "m"(own->ds), "m"(own->es), "m"(own->fs), "m"(own->gs)
                     : "memory");
    for (unsigned i = 0; i < 10; i++) {
        sleep_ms(1);
        now = selectors_now();
        CHECK_EQUAL(now.ds, own->ds);
        CHECK_EQUAL(now.es, own->es);
        CHECK_EQUAL(now.fs, own->fs);
        CHECK_EQUAL(now.gs, own->gs);
    }
}

static void selectors_are_kept(void)
{
    struct program_thread threads[9];
    for (unsigned i = 0; i < 9; i++)
        CHECK_STATUS(ZX_OK, thread_start(&threads[i], "select", keep_selectors, (void *)(uintptr_t)i));
    for (unsigned i = 0; i < 9; i++)
        CHECK_STATUS(ZX_OK, thread_join(&threads[i]));
}

/* ---- What is not a program's ---- */

static void kernel_is_closed(void)
{
    static const uint64_t others[] = {0xffffff0000000000, 0xffffff0000001000, 0xffffff8000000000,
                                      0xffffffc000000000, 0xffffffff80000000, 0xffffffff80100000,
                                      0xffffffff80200000, 0xffffffff80400000, 0xfffffffffffffff8,
                                      0x00007ffffffff000, 0x00007ffffffffff8};
    uint64_t value = 0;
    CHECK_STATUS(ZX_OK, zvm_catch_faults((zx_vaddr_t)access_caught, 0));
    for (unsigned i = 0; i < 256 + sizeof(others) / sizeof(others[0]); i++) {
        uint64_t at = i < 256 ? 0xffff800000000000 + ((uint64_t)i << 39) : others[i - 256];
        if (!CHECK(access_try_load(at, &value) < 0) || !CHECK(access_try_store(at, 0) < 0) ||
            !CHECK(access_try_fetch(at) < 0))
            print("# at %llx\n", (unsigned long long)at);
    }
    for (uint64_t at = 0xffff800000000000; at < 0xffff800010000000; at += 61 * PAGE)
        CHECK(access_try_load(at, &value) < 0);
    CHECK_STATUS(ZX_OK, zvm_catch_faults(0, 0));
    CHECK_EQUAL(value, 0);
}

static void vdso_stays(void)
{
    zx_vaddr_t code = call_instruction() & ~ZX_PAGE_MASK, at;
    zx_handle_t root = zx_vmar_root_self(), vdso, other;
    zx_info_vmar_t info;
    uint64_t word = *(uint64_t *)code;
    size_t actual = 0;
    CHECK_STATUS(ZX_OK, zx_object_get_info(root, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(root, code, PAGE));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_unmap(root, info.base, info.len));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, ZX_VM_PERM_READ, code, PAGE));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_protect(root, READ_WRITE, code, PAGE));
    CHECK_STATUS(ZX_ERR_NOT_SUPPORTED, zx_vmar_destroy(root));
    CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &other));
    CHECK(zx_vmar_map(root, READ_WRITE | ZX_VM_SPECIFIC_OVERWRITE, code - info.base, other, 0, PAGE, &at) !=
          ZX_OK);
    CHECK_STATUS(ZX_OK, zvm_vdso_vmo(&vdso));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vdso,
                                                   code - runtime_vdso_base(), PAGE, &at));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_map(root, READ_WRITE, 0, vdso, 0, PAGE, &at));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmo_write(vdso, &word, 0, sizeof(word)));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmo_op_range(vdso, ZX_VMO_OP_ZERO, 0, PAGE, NULL, 0));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmar_op_range(root, ZX_VMAR_OP_DECOMMIT, code, PAGE, NULL, 0));
    CHECK_STATUS(ZX_ERR_NO_MEMORY,
                 zx_process_write_memory(zx_process_self(), code, &word, sizeof(word), &actual));
    word = *(uint64_t *)runtime_vdso_base();
    CHECK_STATUS(ZX_ERR_NO_MEMORY, zx_process_write_memory(zx_process_self(), runtime_vdso_base(), &word,
                                                           sizeof(word), &actual));
    word = *(uint64_t *)code;
    CHECK_EQUAL(*(uint64_t *)code, word);
}

static uint64_t sum_of(zx_handle_t vmo)
{
    uint64_t words[64], size, sum = 0;
    CHECK_STATUS(ZX_OK, zx_vmo_get_size(vmo, &size));
    for (uint64_t at = 0; at < size; at += sizeof(words)) {
        CHECK_STATUS(ZX_OK, zx_vmo_read(vmo, words, at, sizeof(words)));
        for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            sum = (sum ^ words[i]) * 0x100000001b3ull;
    }
    return sum;
}

static const volatile uint64_t constant = 0x5afe5afe5afe5afe;

/* What a process has of its program is its own: what it writes there, nobody else gets. */
static void image_stays(void)
{
    uint64_t word = ~constant;
    zx_handle_t image;
    size_t actual = 0;
    CHECK_STATUS(ZX_OK, zvm_program_vmo(&image));
    uint64_t before = sum_of(image);
    CHECK_STATUS(ZX_OK, zx_process_write_memory(zx_process_self(), (zx_vaddr_t)&constant, &word, sizeof(word),
                                                &actual));
    CHECK_EQUAL(constant, word);
    CHECK_EQUAL(sum_of(image), before);
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmo_write(image, &word, 0, sizeof(word)));
    CHECK_STATUS(ZX_ERR_ACCESS_DENIED, zx_vmo_op_range(image, ZX_VMO_OP_DECOMMIT, 0, PAGE, NULL, 0));
}

static void bad_beginnings(void)
{
    static const uint64_t bad[] = {0x0000800000000000, 0x00007ffffffff001, 0xffffffff80100000,
                                   0xffff800000000000, 0xffffffffffffffff};
    zx_handle_t thread;
    zx_vaddr_t stack = map_pages(1, READ_WRITE) + PAGE;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_STATUS(ZX_OK, zx_thread_create(zx_process_self(), "bad", 3, 0, &thread));
        CHECK_STATUS(ZX_ERR_INVALID_ARGS, zx_thread_start(thread, bad[i], stack, 0, 0));
        CHECK_STATUS(ZX_ERR_INVALID_ARGS,
                     zx_thread_start(thread, (zx_vaddr_t)registers_return, bad[i], 0, 0));
        CHECK_STATUS(ZX_OK, zx_handle_close(thread));
    }
}

/* ---- Beginning and end at once ---- */

static struct {
    zx_handle_t process, thread;
    zx_vaddr_t entry;
    atomic_uint ready;
} race;

static void meet(void)
{
    atomic_fetch_add(&race.ready, 1);
    while (atomic_load(&race.ready) < 2)
        ;
}

static void start_it(void *context)
{
    (void)context;
    meet();
    zx_status_t status =
        zx_process_start(race.process, race.thread, race.entry, race.entry, ZX_HANDLE_INVALID, 0);
    CHECK(status == ZX_OK || status == ZX_ERR_BAD_STATE);
}

/* A process that runs nothing but a loop, in a space that another one keeps: that it has no memory any more is not what ends
   it. */
static bool make_founder(zx_handle_t *other)
{
    static const uint8_t loop[] = {0xeb, 0xfe};
    zx_handle_t root, restricted, code;
    if (!CHECK_STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "founder", 7, ZX_PROCESS_SHARED,
                                               &race.process, &root)) ||
        !CHECK_STATUS(ZX_OK, zx_process_create_shared(race.process, 0, "other", 5, other, &restricted)) ||
        !CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &code)) ||
        !CHECK_STATUS(ZX_OK, zx_vmo_write(code, loop, 0, sizeof(loop))) ||
        !CHECK_STATUS(ZX_OK, zx_vmo_replace_as_executable(code, ZX_HANDLE_INVALID, &code)) ||
        !CHECK_STATUS(
            ZX_OK, zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, code, 0, PAGE, &race.entry)) ||
        !CHECK_STATUS(ZX_OK, zx_thread_create(race.process, "loop", 4, 0, &race.thread)))
        return false;
    const zx_handle_t done[] = {root, restricted, code};
    return CHECK_STATUS(ZX_OK, zx_handle_close_many(done, 3));
}

static void killed_while_starting(void)
{
    struct program_thread starter;
    zx_handle_t other;
    for (unsigned i = 0; i < 50; i++) {
        atomic_store(&race.ready, 0);
        if (!make_founder(&other) || !CHECK_STATUS(ZX_OK, thread_start(&starter, "starter", start_it, NULL)))
            return;
        meet();
        for (volatile unsigned spins = 0; spins < i * 80; spins++)
            ;
        CHECK_STATUS(ZX_OK, zx_task_kill(race.process));
        CHECK_STATUS(ZX_OK, thread_join(&starter));
        if (!CHECK_STATUS(ZX_OK, zx_object_wait_one(race.process, ZX_PROCESS_TERMINATED,
                                                    zx_clock_get_monotonic() + ZX_SEC(5), NULL)))
            return;
        const zx_handle_t done[] = {race.process, race.thread, other};
        CHECK_STATUS(ZX_OK, zx_handle_close_many(done, 3));
    }
}

/* ---- Running out ---- */

#define MANY (1u << 19)
static zx_handle_t many[MANY];

static unsigned take_handles(zx_handle_t of)
{
    unsigned count = 0;
    while (count < MANY && zx_handle_duplicate(of, ZX_RIGHT_SAME_RIGHTS, &many[count]) == ZX_OK)
        count++;
    return count;
}

static void handles_run_out(void)
{
    zx_handle_t vmo, more;
    CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &vmo));
    unsigned count = take_handles(vmo);
    CHECK(count > 1000 && count < MANY);
    CHECK_STATUS(ZX_ERR_NO_MEMORY, zx_vmo_create(PAGE, 0, &more));
    CHECK_STATUS(ZX_ERR_NO_MEMORY, zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &more));
    CHECK_STATUS(ZX_OK, zx_handle_close_many(many, count));
    CHECK_STATUS(ZX_OK, zx_vmo_create(PAGE, 0, &more));
    CHECK_EQUAL(take_handles(more), count - 1); /* and they go with the process */
}

/* Commits all that there is, step by step. How much that was. */
static size_t take_memory(zx_handle_t vmo)
{
    size_t size = 0;
    for (size_t step = (size_t)16 << 20; step >= PAGE; step /= 4)
        while (zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, size, step, NULL, 0) == ZX_OK)
            size += step;
    return size;
}

static void memory_runs_out(void)
{
    size_t huge = (size_t)1 << 40, first;
    zx_handle_t vmo, more;
    runtime_settle();
    CHECK_STATUS(ZX_OK, zx_vmo_create(huge, 0, &vmo));
    CHECK_STATUS(ZX_ERR_NO_MEMORY, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, huge, NULL, 0));
    first = take_memory(vmo);
    CHECK(first > (size_t)16 << 20);
    CHECK_STATUS(ZX_ERR_NO_MEMORY, zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, first, PAGE, NULL, 0));
    (void)zx_vmo_create(PAGE, 0, &more);
    CHECK_STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, huge, NULL, 0));
    CHECK(take_memory(vmo) + ((size_t)1 << 20) > first);
}

/* With little memory left, so that it is soon reached. */
static void regions_run_out(void)
{
    zx_handle_t vmo, vmar;
    zx_vaddr_t at;
    zx_status_t status = ZX_OK;
    size_t size, spare = (size_t)4 << 20;
    unsigned regions[2] = {0, 0};
    runtime_settle();
    CHECK_STATUS(ZX_OK, zx_vmo_create((size_t)1 << 40, 0, &vmo));
    size = take_memory(vmo);
    CHECK_STATUS(ZX_OK, zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, spare, NULL, 0));
    for (unsigned round = 0; round < 2; round++) {
        if (!CHECK_STATUS(
                ZX_OK, zx_vmar_allocate(zx_vmar_root_self(), VMAR_OPTIONS, 0, (size_t)1 << 36, &vmar, &at)))
            return;
        for (status = ZX_OK; status == ZX_OK; regions[round] += status == ZX_OK) {
            zx_handle_t child = ZX_HANDLE_INVALID;
            if (regions[round] % 2 == 0)
                status = zx_vmar_map(vmar, ZX_VM_PERM_READ, 0, vmo, 0, PAGE, &at);
            else
                status = zx_vmar_allocate(vmar, VMAR_OPTIONS, 0, PAGE, &child, &at);
            (void)zx_handle_close(child);
        }
        CHECK_STATUS(ZX_ERR_NO_MEMORY, status);
        CHECK_STATUS(ZX_OK, zx_vmar_destroy(vmar));
        CHECK_STATUS(ZX_OK, zx_handle_close(vmar));
    }
    CHECK(size > spare && regions[0] > 1000 && regions[1] + 1000 > regions[0]);
}

/* ---- Copies ---- */

static zx_vaddr_t contested;
static zx_handle_t contested_vmo;

static void map_and_unmap(void *context)
{
    zx_info_vmar_t root;
    zx_vaddr_t at;
    (void)context;
    CHECK_STATUS(ZX_OK,
                 zx_object_get_info(zx_vmar_root_self(), ZX_INFO_VMAR, &root, sizeof(root), NULL, NULL));
    for (unsigned i = 0; i < 500; i++) {
        CHECK_STATUS(ZX_OK, zx_vmar_unmap(zx_vmar_root_self(), contested + PAGE, PAGE));
        CHECK_STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), READ_WRITE | ZX_VM_SPECIFIC,
                                        contested + PAGE - root.base, contested_vmo, PAGE, PAGE, &at));
    }
}

static void copies_while_unmapping(void)
{
    static char bytes[4 * PAGE];
    struct program_thread thread;
    zx_status_t status;
    size_t actual;
    unsigned kinds = 0;
    CHECK_STATUS(ZX_OK, zx_vmo_create(4 * PAGE, 0, &contested_vmo));
    CHECK_STATUS(ZX_OK,
                 zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, contested_vmo, 0, 4 * PAGE, &contested));
    memset((void *)contested, 0x77, 4 * PAGE);
    if (!CHECK_STATUS(ZX_OK, thread_start(&thread, "unmapper", map_and_unmap, NULL)))
        return;
    for (unsigned i = 0; i < 500; i++) {
        memset(bytes, 0x77, sizeof(bytes));
        status = zx_process_read_memory(zx_process_self(), contested, bytes, sizeof(bytes), &actual);
        CHECK_STATUS(ZX_OK, status);
        CHECK(actual >= PAGE && actual <= 4 * PAGE);
        for (unsigned j = 0; j < 4 * PAGE; j += 64)
            kinds |= bytes[j] != 0x77;
        status = zx_process_read_memory(zx_process_self(), contested + PAGE, bytes, PAGE, &actual);
        CHECK(status == ZX_OK || status == ZX_ERR_NO_MEMORY);
        status = zx_vmo_write(contested_vmo, (void *)contested, 0, 4 * PAGE);
        CHECK(status == ZX_OK || status == ZX_ERR_INVALID_ARGS);
        status = zx_vmo_read(contested_vmo, (void *)contested, 0, 4 * PAGE);
        CHECK(status == ZX_OK || status == ZX_ERR_INVALID_ARGS);
    }
    CHECK_STATUS(ZX_OK, thread_join(&thread));
    CHECK_EQUAL(kinds, 0);
}

#define LIVES(function) DEED(function, 0, 0)

const struct deed survivors[] = {
    LIVES(bad_pointers),
    LIVES(unused_numbers),
    LIVES(registers_and_calls),
    LIVES(registers_and_faults),
    LIVES(registers_and_preemption),
    LIVES(threads_begin_with_zeroes),
    LIVES(odd_selectors),
    LIVES(selectors_are_kept),
    LIVES(kernel_is_closed),
    LIVES(vdso_stays),
    LIVES(image_stays),
    LIVES(bad_beginnings),
    LIVES(handles_run_out),
    LIVES(killed_while_starting),
    LIVES(memory_runs_out),
    LIVES(regions_run_out),
    LIVES(copies_while_unmapping),
};
const unsigned survivor_count = sizeof(survivors) / sizeof(survivors[0]);
