/* SPDX-License-Identifier: MIT */
/*
 * storm.c: several threads change one address space as fast as they can, and hold every touch of its memory against what it must
 * see.
 *
 *   storm [ROUNDS [SEED [STEPS]]]
 *
 * Own slots. Each thread owns a row of slots in a VMAR that all share. Only the owner changes a slot, so that it knows
 * exactly what every page there is: unmapped, what permissions are in force, which of the slot's two VMOs it shows, and the
 * stamp (owner, generation) in it. Calls and touches must answer just that, while the neighbours in the same page tables are
 * changed by the other threads. Each VMO is also mapped as a whole elsewhere, its mirror, and must look the same there.
 *
 * Common slots. Everybody maps, protects, unmaps and touches these, and has the kernel copy into them and out of them,
 * without any agreement. Page i of a slot only ever shows page i of one of the slot's VMOs, and all that is ever written there is
 * the word that belongs to slot and page (or zero, after a decommit). A touch sees that or faults; a copy is done or answers
 * INVALID_ARGS; whatever else is seen came from somewhere else.
 *
 * Between rounds nobody is at work: then everything is looked at again, and all invariants must hold (zvm_check).
 */
#include "access.h"
#include "registers.h"
#include "test.h"
#include "zvm.h"

#define PAGE        ZX_PAGE_SIZE
#define THREADS_MAX 16
#define SLOTS       8 /* of a thread */
#define COMMON      6
#define PAGES       8 /* of a slot */
#define SLOT_SIZE   (PAGES * PAGE)
#define WORDS       (PAGE / sizeof(uint64_t))
#define READ_WRITE  (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define COMMON_MARK 0xc0ull
#define ROUNDS      3
#define STEPS       4000 /* of all threads, in a round */

static unsigned thread_count;
static zx_handle_t arena, common_arena;
static zx_vaddr_t arena_base, common_base;

struct page {
    bool mapped;
    uint8_t vmo;
    zx_vm_option_t permissions;
};

struct slot {
    zx_vaddr_t base;
    size_t offset; /* in the arena */
    struct page pages[PAGES];
    zx_handle_t vmos[2];
    zx_vaddr_t mirrors[2];
    uint64_t stamps[2][PAGES]; /* 0: the page is zeroes */
};

struct worker {
    struct program_thread thread;
    unsigned number;
    uint64_t random, generation;
    unsigned steps;
    bool failed;
    uint64_t touches, faults, calls;
    struct slot slots[SLOTS];
};

static struct worker workers[THREADS_MAX];
static zx_handle_t common_vmos[COMMON][2];

/* ---- Small things ---- */

static uint32_t draw(struct worker *worker, uint32_t below)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((worker->random >> 33) % below);
}

static bool fail(struct worker *worker, const struct slot *slot, unsigned page, const char *what,
                 uint64_t seen, uint64_t expected)
{
    if (worker->failed)
        return false;
    worker->failed = true;
    print("# thread %u, slot at %llx, page %u: %s: 0x%llx, expected 0x%llx\n", worker->number,
          (unsigned long long)(slot != NULL ? slot->base : common_base), page, what, (unsigned long long)seen,
          (unsigned long long)expected);
    return false;
}

static bool expect(struct worker *worker, const struct slot *slot, unsigned page, const char *what,
                   zx_status_t seen, zx_status_t expected)
{
    worker->calls++;
    return seen == expected ||
           fail(worker, slot, page, what, (uint64_t)(int64_t)seen, (uint64_t)(int64_t)expected);
}

/* The first, the last or another word of a page: all that is written of it. */
static size_t draw_word(struct worker *worker)
{
    static const size_t words[] = {0, WORDS / 2, WORDS - 1};
    return words[draw(worker, 3)] * sizeof(uint64_t);
}

/* ---- Own slots: touches ---- */

static int fault_of(const struct page *page, zx_vm_option_t permission)
{
    if (!page->mapped)
        return ZX_ERR_NOT_FOUND;
    return page->permissions & permission ? ACCESS_DONE : ZX_ERR_ACCESS_DENIED;
}

static int load(struct worker *worker, zx_vaddr_t va, uint64_t *value)
{
    int answer = access_try_load(va, value);
    worker->touches++;
    worker->faults += answer != ACCESS_DONE;
    return answer;
}

static int store(struct worker *worker, zx_vaddr_t va, uint64_t value)
{
    int answer = access_try_store(va, value);
    worker->touches++;
    worker->faults += answer != ACCESS_DONE;
    return answer;
}

static bool touch_read(struct worker *worker, struct slot *slot, unsigned page)
{
    const struct page *state = &slot->pages[page];
    uint64_t seen = 0;
    int answer = load(worker, slot->base + page * PAGE + draw_word(worker), &seen);
    if (answer != fault_of(state, ZX_VM_PERM_READ))
        return fail(worker, slot, page, "read answers", (uint64_t)(int64_t)answer,
                    (uint64_t)(int64_t)fault_of(state, ZX_VM_PERM_READ));
    if (answer == ACCESS_DONE && seen != slot->stamps[state->vmo][page])
        return fail(worker, slot, page, "read sees", seen, slot->stamps[state->vmo][page]);
    return true;
}

static uint64_t next_stamp(struct worker *worker)
{
    return (uint64_t)(worker->number + 1) << 56 | ++worker->generation;
}

static bool touch_write(struct worker *worker, struct slot *slot, unsigned page)
{
    const struct page *state = &slot->pages[page];
    uint64_t stamp = next_stamp(worker);
    int expected = fault_of(state, ZX_VM_PERM_WRITE);
    zx_vaddr_t at = slot->base + page * PAGE;
    for (unsigned i = 0; i < 3; i++) {
        int answer =
            store(worker, at + i * (WORDS / 2) * sizeof(uint64_t) - (i == 2 ? sizeof(uint64_t) : 0), stamp);
        if (answer != expected)
            return fail(worker, slot, page, "write answers", (uint64_t)(int64_t)answer,
                        (uint64_t)(int64_t)expected);
    }
    if (expected == ACCESS_DONE)
        slot->stamps[state->vmo][page] = stamp;
    return true;
}

static bool touch_mirror(struct worker *worker, struct slot *slot, unsigned page)
{
    unsigned vmo = draw(worker, 2);
    uint64_t seen = *(volatile uint64_t *)(slot->mirrors[vmo] + page * PAGE + draw_word(worker));
    worker->touches++;
    return seen == slot->stamps[vmo][page] ||
           fail(worker, slot, page, "the mirror shows", seen, slot->stamps[vmo][page]);
}

/* ---- Own slots: calls ---- */

struct range {
    unsigned first, count;
};

static struct range draw_range(struct worker *worker)
{
    unsigned first = draw(worker, PAGES);
    return (struct range){first, 1 + draw(worker, PAGES - first)};
}

static unsigned count_mapped(const struct slot *slot, struct range range)
{
    unsigned mapped = 0;
    for (unsigned i = range.first; i < range.first + range.count; i++)
        mapped += slot->pages[i].mapped;
    return mapped;
}

static zx_vm_option_t draw_permissions(struct worker *worker)
{
    static const zx_vm_option_t all[] = {READ_WRITE, READ_WRITE, ZX_VM_PERM_READ, 0};
    return all[draw(worker, 4)];
}

static bool do_map(struct worker *worker, struct slot *slot, struct range range)
{
    uint8_t vmo = (uint8_t)draw(worker, 2);
    bool overwrite = draw(worker, 3) != 0, enter = !overwrite && draw(worker, 2) == 0;
    zx_vm_option_t permissions = draw_permissions(worker);
    zx_vaddr_t at = 0;
    zx_status_t status = zx_vmar_map(
        arena,
        permissions | (overwrite ? ZX_VM_SPECIFIC_OVERWRITE : ZX_VM_SPECIFIC) | (enter ? ZX_VM_MAP_RANGE : 0),
        slot->offset + range.first * PAGE, slot->vmos[vmo], range.first * PAGE, range.count * PAGE, &at);
    bool refused = !overwrite && count_mapped(slot, range) != 0;
    if (!expect(worker, slot, range.first, "map", status, refused ? ZX_ERR_ALREADY_EXISTS : ZX_OK))
        return false;
    if (refused)
        return true;
    for (unsigned i = range.first; i < range.first + range.count; i++)
        slot->pages[i] = (struct page){.mapped = true, .vmo = vmo, .permissions = permissions};
    return at == slot->base + range.first * PAGE ||
           fail(worker, slot, range.first, "mapped at", at, slot->base);
}

static bool do_unmap(struct worker *worker, struct slot *slot, struct range range)
{
    zx_status_t status = zx_vmar_unmap(arena, slot->base + range.first * PAGE, range.count * PAGE);
    for (unsigned i = range.first; i < range.first + range.count; i++)
        slot->pages[i].mapped = false;
    return expect(worker, slot, range.first, "unmap", status, ZX_OK);
}

static bool do_protect(struct worker *worker, struct slot *slot, struct range range)
{
    zx_vm_option_t permissions = draw_permissions(worker);
    zx_status_t status =
        zx_vmar_protect(arena, permissions, slot->base + range.first * PAGE, range.count * PAGE);
    bool refused = count_mapped(slot, range) != range.count;
    if (!expect(worker, slot, range.first, "protect", status, refused ? ZX_ERR_NOT_FOUND : ZX_OK))
        return false;
    for (unsigned i = range.first; i < range.first + range.count && !refused; i++)
        slot->pages[i].permissions = permissions;
    return true;
}

static bool do_decommit(struct worker *worker, struct slot *slot, struct range range)
{
    if (draw(worker, 2) == 0) {
        unsigned vmo = draw(worker, 2);
        zx_status_t status =
            zx_vmo_op_range(slot->vmos[vmo], draw(worker, 2) ? ZX_VMO_OP_DECOMMIT : ZX_VMO_OP_ZERO,
                            range.first * PAGE, range.count * PAGE, NULL, 0);
        for (unsigned i = range.first; i < range.first + range.count; i++)
            slot->stamps[vmo][i] = 0;
        return expect(worker, slot, range.first, "decommit", status, ZX_OK);
    }
    bool refused = count_mapped(slot, range) != range.count;
    zx_status_t status = zx_vmar_op_range(arena, ZX_VMAR_OP_DECOMMIT, slot->base + range.first * PAGE,
                                          range.count * PAGE, NULL, 0);
    for (unsigned i = range.first; i < range.first + range.count && !refused; i++)
        slot->stamps[slot->pages[i].vmo][i] = 0;
    return expect(worker, slot, range.first, "decommit of mappings", status,
                  refused ? ZX_ERR_BAD_STATE : ZX_OK);
}

static bool do_enter(struct worker *worker, struct slot *slot, struct range range)
{
    bool refused = count_mapped(slot, range) != range.count, commit = draw(worker, 2) == 0;
    zx_status_t status = zx_vmar_op_range(arena, commit ? ZX_VMAR_OP_COMMIT : ZX_VMAR_OP_MAP_RANGE,
                                          slot->base + range.first * PAGE, range.count * PAGE, NULL, 0);
    return expect(worker, slot, range.first, "commit", status, refused ? ZX_ERR_BAD_STATE : ZX_OK);
}

/* Bytes through the kernel, into and out of a page of this thread's stack. */
static bool do_copy(struct worker *worker, struct slot *slot, unsigned page)
{
    uint64_t words[2 * 64] = {0};
    unsigned vmo = draw(worker, 2);
    uint64_t offset = page * PAGE;
    if (draw(worker, 3) == 0) {
        uint64_t stamp = next_stamp(worker);
        for (unsigned i = 0; i < 3; i++) {
            zx_status_t status =
                zx_vmo_write(slot->vmos[vmo], &stamp, offset + i * (PAGE / 2) - (i == 2 ? sizeof(stamp) : 0),
                             sizeof(stamp));
            if (!expect(worker, slot, page, "zx_vmo_write", status, ZX_OK))
                return false;
        }
        slot->stamps[vmo][page] = stamp;
    }
    zx_status_t status = zx_vmo_read(slot->vmos[vmo], words, offset, sizeof(words) / 2);
    if (!expect(worker, slot, page, "zx_vmo_read", status, ZX_OK))
        return false;
    if (words[0] != slot->stamps[vmo][page])
        return fail(worker, slot, page, "zx_vmo_read tells", words[0], slot->stamps[vmo][page]);
    return words[64] == 0 || fail(worker, slot, page, "zx_vmo_read wrote past its end", words[64], 0);
}

static bool own_step(struct worker *worker)
{
    struct slot *slot = &worker->slots[draw(worker, SLOTS)];
    struct range range = draw_range(worker);
    switch (draw(worker, 16)) {
    case 0:
    case 1:
        return do_map(worker, slot, range);
    case 2:
        return do_unmap(worker, slot, range);
    case 3:
        return do_protect(worker, slot, range);
    case 4:
        return do_decommit(worker, slot, range);
    case 5:
        return do_enter(worker, slot, range);
    case 6:
        return do_copy(worker, slot, range.first);
    case 7:
        return touch_mirror(worker, slot, range.first);
    case 8:
    case 9:
    case 10:
    case 11:
        return touch_write(worker, slot, range.first);
    default:
        return touch_read(worker, slot, range.first);
    }
}

/* ---- Common slots ---- */

static uint64_t common_word(unsigned slot, unsigned page)
{
    return COMMON_MARK << 56 | (uint64_t)slot << 8 | page;
}

static bool is_common(struct worker *worker, unsigned slot, unsigned page, const char *what, uint64_t seen)
{
    return seen == 0 || seen == common_word(slot, page) ||
           fail(worker, NULL, slot * PAGES + page, what, seen, common_word(slot, page));
}

static bool is_one_of(struct worker *worker, const char *what, zx_status_t status, zx_status_t other)
{
    worker->calls++;
    return status == ZX_OK || status == other ||
           fail(worker, NULL, 0, what, (uint64_t)(int64_t)status, (uint64_t)(int64_t)other);
}

static bool touch_common(struct worker *worker, unsigned slot, unsigned page)
{
    zx_vaddr_t at = common_base + slot * SLOT_SIZE + page * PAGE + draw_word(worker);
    uint64_t seen = 0;
    int answer = draw(worker, 2) ? load(worker, at, &seen) : store(worker, at, common_word(slot, page));
    if (answer != ACCESS_DONE && answer != ZX_ERR_NOT_FOUND && answer != ZX_ERR_ACCESS_DENIED)
        return fail(worker, NULL, slot * PAGES + page, "touch answers", (uint64_t)(int64_t)answer,
                    ACCESS_DONE);
    return is_common(worker, slot, page, "touch sees", seen);
}

/* The kernel reads or writes memory that others take away meanwhile. */
static bool copy_common(struct worker *worker, unsigned slot, unsigned page)
{
    void *at = (void *)(common_base + slot * SLOT_SIZE + page * PAGE);
    zx_handle_t vmo = common_vmos[slot][draw(worker, 2)];
    uint64_t word = 0;
    size_t actual = 0;
    zx_status_t status;
    switch (draw(worker, 4)) {
    case 0:
        return is_one_of(worker, "zx_vmo_read", zx_vmo_read(vmo, at, page * PAGE, PAGE), ZX_ERR_INVALID_ARGS);
    case 1:
        return is_one_of(worker, "zx_vmo_write", zx_vmo_write(vmo, at, page * PAGE, PAGE),
                         ZX_ERR_INVALID_ARGS);
    case 2:
        status = zx_process_read_memory(zx_process_self(), (zx_vaddr_t)at, &word, sizeof(word), &actual);
        return is_one_of(worker, "zx_process_read_memory", status, ZX_ERR_NO_MEMORY) &&
               is_common(worker, slot, page, "zx_process_read_memory tells", word);
    default:
        word = common_word(slot, page);
        status = zx_process_write_memory(zx_process_self(), (zx_vaddr_t)at, &word, sizeof(word), &actual);
        return is_one_of(worker, "zx_process_write_memory", status, ZX_ERR_NO_MEMORY);
    }
}

static bool change_common(struct worker *worker, unsigned slot, struct range range)
{
    size_t offset = slot * SLOT_SIZE + range.first * PAGE, size = range.count * PAGE;
    zx_handle_t vmo = common_vmos[slot][draw(worker, 2)];
    zx_vaddr_t at;
    switch (draw(worker, 6)) {
    case 0:
        return is_one_of(worker, "common unmap", zx_vmar_unmap(common_arena, common_base + offset, size),
                         ZX_OK);
    case 1:
        return is_one_of(worker, "common protect",
                         zx_vmar_protect(common_arena, draw_permissions(worker), common_base + offset, size),
                         ZX_ERR_NOT_FOUND);
    case 2:
        return is_one_of(worker, "common decommit",
                         zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, range.first * PAGE, size, NULL, 0), ZX_OK);
    case 3:
        return is_one_of(worker, "common map",
                         zx_vmar_map(common_arena, ZX_VM_SPECIFIC | READ_WRITE, offset, vmo,
                                     range.first * PAGE, size, &at),
                         ZX_ERR_ALREADY_EXISTS);
    default:
        return is_one_of(worker, "common overwrite",
                         zx_vmar_map(common_arena, ZX_VM_SPECIFIC_OVERWRITE | draw_permissions(worker),
                                     offset, vmo, range.first * PAGE, size, &at),
                         ZX_OK);
    }
}

static bool common_step(struct worker *worker)
{
    unsigned slot = draw(worker, COMMON);
    struct range range = draw_range(worker);
    switch (draw(worker, 8)) {
    case 0:
    case 1:
        return change_common(worker, slot, range);
    case 2:
        return copy_common(worker, slot, range.first);
    default:
        return touch_common(worker, slot, range.first);
    }
}

/* ---- Registers ---- */

/* Long enough that others run meanwhile. */
static bool keep_registers(struct worker *worker)
{
    uint64_t pattern[REGISTERS_XMM_WORDS], seen[REGISTERS_XMM_WORDS];
    uint32_t control = 0x1f80 | (worker->number & 3) << 13, control_seen, usual = 0x1f80; /* rounding */
    for (unsigned i = 0; i < REGISTERS_XMM_WORDS; i++)
        pattern[i] = (uint64_t)(worker->number + 1) << 48 | (uint64_t)draw(worker, 1u << 30) << 8 | i;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
    registers_hold(pattern, seen, zx_nanosleep, 20000);
    __asm__ volatile("stmxcsr %0" : "=m"(control_seen));
    __asm__ volatile("ldmxcsr %0" : : "m"(usual));
    for (unsigned i = 0; i < REGISTERS_XMM_WORDS; i++)
        if (seen[i] != pattern[i])
            return fail(worker, NULL, i / 2, "an xmm register holds", seen[i], pattern[i]);
    return (control_seen & ~0x3fu) == control || fail(worker, NULL, 0, "mxcsr is", control_seen, control);
}

/* ---- Rounds ---- */

static void work(void *context)
{
    struct worker *worker = context;
    if (zvm_catch_faults((zx_vaddr_t)access_caught, 0) != ZX_OK) {
        worker->failed = true;
        return;
    }
    for (unsigned step = 0; step < worker->steps && !worker->failed; step++) {
        bool fine = step % 512 == 511 ? keep_registers(worker)
                    : draw(worker, 4) ? own_step(worker)
                                      : common_step(worker);
        if (!fine)
            worker->failed = true;
    }
}

static bool make_slot(struct worker *worker, struct slot *slot, unsigned nth)
{
    slot->offset = (worker->number * SLOTS + nth) * SLOT_SIZE;
    slot->base = arena_base + slot->offset;
    for (unsigned i = 0; i < 2; i++) {
        if (!CHECK_STATUS(ZX_OK, zx_vmo_create(SLOT_SIZE, 0, &slot->vmos[i])) ||
            !CHECK_STATUS(ZX_OK, zx_vmar_map(zx_vmar_root_self(), READ_WRITE, 0, slot->vmos[i], 0, SLOT_SIZE,
                                             &slot->mirrors[i])))
            return false;
    }
    return true;
}

static bool make_arenas(uint64_t seed)
{
    const zx_vm_option_t options = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC;
    zx_handle_t root = zx_vmar_root_self();
    if (!CHECK_STATUS(ZX_OK, zx_vmar_allocate(root, options, 0, thread_count * SLOTS * SLOT_SIZE, &arena,
                                              &arena_base)) ||
        !CHECK_STATUS(ZX_OK,
                      zx_vmar_allocate(root, options, 0, COMMON * SLOT_SIZE, &common_arena, &common_base)))
        return false;
    for (unsigned i = 0; i < COMMON; i++)
        for (unsigned j = 0; j < 2; j++)
            if (!CHECK_STATUS(ZX_OK, zx_vmo_create(SLOT_SIZE, 0, &common_vmos[i][j])))
                return false;
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i].number = i;
        workers[i].random = seed * 1000003 + i;
        for (unsigned j = 0; j < SLOTS; j++)
            if (!make_slot(&workers[i], &workers[i].slots[j], j))
                return false;
    }
    return true;
}

/* Nobody is at work: everything is as its owner left it. */
static void look_at_all(void)
{
    CHECK_STATUS(ZX_OK, zvm_catch_faults((zx_vaddr_t)access_caught, 0));
    for (unsigned i = 0; i < thread_count; i++)
        for (unsigned j = 0; j < SLOTS; j++)
            for (unsigned page = 0; page < PAGES; page++) {
                struct slot *slot = &workers[i].slots[j];
                CHECK(touch_read(&workers[i], slot, page));
                for (unsigned vmo = 0; vmo < 2; vmo++)
                    CHECK_EQUAL(*(uint64_t *)(slot->mirrors[vmo] + page * PAGE), slot->stamps[vmo][page]);
            }
    CHECK_STATUS(ZX_OK, zvm_catch_faults(0, 0));
    runtime_await_quiet();
    CHECK_STATUS(ZX_OK, zvm_check());
}

static void run_round(void)
{
    unsigned started = 0;
    for (; started < thread_count; started++)
        if (!CHECK_STATUS(ZX_OK, thread_start(&workers[started].thread, "storm", work, &workers[started])))
            break;
    for (unsigned i = 0; i < started; i++) {
        CHECK_STATUS(ZX_OK, thread_join(&workers[i].thread));
        CHECK(!workers[i].failed);
    }
    look_at_all();
}

static uint64_t argument(int count, char **words, int nth, uint64_t otherwise)
{
    uint64_t number;
    if (nth >= count)
        return otherwise;
    if (!text_number(words[nth], &number))
        give_up("storm: %s: expected a number", words[nth]);
    return number;
}

static unsigned steps;

TEST(threads_change_one_space)
{
    for (unsigned i = 0; i < thread_count; i++)
        workers[i].steps = steps;
    run_round();
}

int main(int count, char **words)
{
    uint64_t rounds = argument(count, words, 1, ROUNDS), seed = argument(count, words, 2, 1);
    uint32_t processors = 1;
    uint64_t touches = 0, faults = 0, calls = 0;
    if (zvm_processors(&processors) != ZX_OK)
        give_up("storm: needs the test aids");
    thread_count = processors + 2 < THREADS_MAX ? processors + 2 : THREADS_MAX;
    steps = (unsigned)argument(count, words, 3, STEPS / thread_count);
    if (!make_arenas(seed))
        give_up("storm: the arenas cannot be made");
    for (uint64_t round = 0; round < rounds; round++)
        RUN(threads_change_one_space);
    for (unsigned i = 0; i < thread_count; i++) {
        touches += workers[i].touches;
        faults += workers[i].faults;
        calls += workers[i].calls;
    }
    print("# storm: %u threads on %u processors, seed %llu: %llu touches, %llu of them refused, %llu calls\n",
          thread_count, processors, (unsigned long long)seed, (unsigned long long)touches,
          (unsigned long long)faults, (unsigned long long)calls);
    return test_end();
}
