/* SPDX-License-Identifier: MIT */
/*
 * processor.c: software processors.
 *
 * Concept. A processor turns addresses into physical ones as the manual says: it walks the four levels of
 * tables that the core built, honours present, writable, user, no-execute and large pages, marks entries
 * accessed and dirty, and keeps what it learnt in a translation cache. The cache forgets only what
 * port_invalidate tells it to forget. Real hardware forgets at whim, which hides missing invalidations; this
 * one exposes them.
 *
 * Structure. Per processor: translations of 4 KiB, 2 MiB and 1 GiB pages, set-associative, keyed by
 * (top-level table, page); and the lowest-level tables used lately (the paging-structure cache), keyed by
 * (top-level table, 2 MiB), which any invalidation of that space empties, as invlpg does. A bit for each slot
 * tells which are in use, so that emptying and visiting are cheap.
 *
 * Judgement. A cached translation may grant less than the tables (the core need not announce what it adds)
 * but never more, nor lead to another frame. Each hit is compared with a walk; processor_check compares all
 * of them. Between the core's change of an entry and its invalidation a hit may rightly differ, so a suspect
 * is judged only after the page table's lock was taken once: every operation that could have been under way
 * then has invalidated. A suspect that is still there is an error.
 *
 * Guests. A space of extended page tables is walked in that format: it has its own bits for what may be done, for
 * accessed and for dirty, and knows neither users nor global pages. The address is what a guest takes for a
 * physical one; its own tables are not played.
 *
 * Permission. A cached translation that does not suffice is dropped and the tables are walked before a fault
 * is raised, as processors do; so is one that is not dirty when it is written through.
 *
 * Locking. One mutex a processor, innermost of all: it is held from the lookup to the end of the copy, so
 * that an invalidation returns only when no access under way can use what it took away. The core is never
 * called with it held.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <vm/format.h>
#include <vm/machine.h>
#include <vm/pmm.h>

#include "host_port.h"
#include "processor.h"

#define LEVELS        4 /* 0: tables of 4 KiB pages … 3: the top */
#define WAYS          4
#define SETS          128
#define SLOTS         (SETS * WAYS)
#define TABLES        64 /* slots of the paging-structure cache */
#define FEW_PAGES     16 /* up to which an invalidation looks up each page rather than at every slot */
#define WORD          64
#define PHYSICAL_BITS 48
#define GUEST_BITS    48 /* of a guest's physical addresses */
#define TRIES         4  /* faults on one byte that may be resolved without progress or invalidation */
#define PAGE          ((uint64_t)ZX_PAGE_SIZE)
#define LEVEL_LARGEST 2 /* of a page */

enum { RIGHT_WRITE = 1, RIGHT_USER = 2, RIGHT_EXECUTE = 4 };

struct translation {
    zx_paddr_t frame; /* of the whole page */
    uint8_t level;    /* of the page */
    uint8_t rights;
    bool global;
};

struct slot {
    zx_paddr_t root;
    zx_vaddr_t va; /* of the whole page */
    struct translation to;
    bool dirty, guest;
    uint64_t stamp; /* unique among all that were ever cached */
    const char *note;
    uint64_t note_number;
};

/* Where the walk for an address reached the lowest level of tables, and what the levels above it allow. */
struct table_slot {
    zx_paddr_t root;
    zx_vaddr_t va; /* of the 2 MiB */
    zx_paddr_t table;
    uint8_t rights;
    bool guest;
    uint64_t stamp;
};

static struct processor {
    pthread_mutex_t lock;
    uint64_t used[SLOTS / WORD];
    uint64_t tables_used;               /* one bit each of TABLES */
    unsigned cached[LEVEL_LARGEST + 1]; /* by level of the page */
    unsigned victim;
    uint64_t next_stamp;
    struct slot slots[SLOTS];
    struct table_slot tables[TABLES];
} processors[PROCESSORS_MAX];

static unsigned processor_count = 1;
static atomic_uint_least64_t invalidations; /* how many there were */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local unsigned moved_to; /* one more than the processor; 0: by the thread's number */

_Static_assert(TABLES <= WORD, "tables_used has a bit for each");

/* ---- Notes ---- */

static _Atomic(const char *) note = "none noted";
static atomic_uint_least64_t note_number;

void processor_note(const char *operation)
{
    atomic_store_explicit(&note, operation, memory_order_relaxed);
    atomic_fetch_add_explicit(&note_number, 1, memory_order_relaxed);
}

const char *processor_note_text(void)
{
    return atomic_load_explicit(&note, memory_order_relaxed);
}

uint64_t processor_note_number(void)
{
    return atomic_load_explicit(&note_number, memory_order_relaxed);
}

/* ---- Processors ---- */

static void init_locks(void)
{
    for (unsigned i = 0; i < PROCESSORS_MAX; i++)
        pthread_mutex_init(&processors[i].lock, NULL);
}

static void lock(struct processor *processor)
{
    pthread_once(&once, init_locks);
    pthread_mutex_lock(&processor->lock);
}

static void unlock(struct processor *processor)
{
    pthread_mutex_unlock(&processor->lock);
}

static void forget_everything_locked(struct processor *processor)
{
    memset(processor->used, 0, sizeof(processor->used));
    memset(processor->cached, 0, sizeof(processor->cached));
    processor->tables_used = 0;
    processor->victim = 0;
}

void processor_reset(void)
{
    for (unsigned i = 0; i < processor_count; i++) {
        lock(&processors[i]);
        forget_everything_locked(&processors[i]);
        unlock(&processors[i]);
    }
}

void processor_start(unsigned count)
{
    processor_count = count;
    processor_reset();
}

unsigned processor_current(void)
{
    return (moved_to != 0 ? moved_to - 1 : host_thread_number() - 1) % processor_count;
}

void processor_move(unsigned processor)
{
    moved_to = processor % processor_count + 1;
}

unsigned processor_cached(unsigned number)
{
    unsigned count = 0;

    lock(&processors[number]);
    for (unsigned level = 0; level <= LEVEL_LARGEST; level++)
        count += processors[number].cached[level];
    unlock(&processors[number]);
    return count;
}

/* ---- Walking the tables ---- */

static unsigned level_shift(unsigned level)
{
    return ZX_PAGE_SHIFT + 9 * level;
}

static uint64_t level_size(unsigned level)
{
    return (uint64_t)1 << level_shift(level);
}

static uint64_t *entry_at(zx_paddr_t table, unsigned level, zx_vaddr_t va)
{
    uint64_t *entries = port_phys_to_virt(table);

    return &entries[va >> level_shift(level) & 511];
}

struct walk {
    bool guest; /* in extended page tables */
    bool present;
    struct translation to;
    zx_paddr_t table;                          /* the lowest-level table, 0 when not reached */
    uint8_t table_rights;                      /* what the levels above it allow */
    unsigned depth;                            /* entries read */
    uint64_t *entries[LEVELS], values[LEVELS]; /* them, the top one first */
};

/* Of a guest's access: nobody is a user there. */
static uint8_t entry_rights(uint64_t value, bool guest)
{
    if (guest)
        return (uint8_t)(((value & EPT_WRITE) != 0 ? RIGHT_WRITE : 0) |
                         ((value & EPT_EXECUTE) != 0 ? RIGHT_EXECUTE : 0));
    return (uint8_t)(((value & X86_PTE_WRITABLE) != 0 ? RIGHT_WRITE : 0) |
                     ((value & X86_PTE_USER) != 0 ? RIGHT_USER : 0) |
                     ((value & X86_PTE_NX) == 0 ? RIGHT_EXECUTE : 0));
}

/* Bits that must be zero: above the physical address, the page-size bit of the top level, address bits within
   a large page. */
static bool has_reserved_bits(uint64_t value, unsigned level, bool leaf, bool guest)
{
    uint64_t reserved = X86_PTE_ADDRESS & ~(((uint64_t)1 << PHYSICAL_BITS) - 1);
    uint64_t memory = (value & EPT_MEMORY_MASK) >> EPT_MEMORY_SHIFT;

    if (guest && ((value & EPT_READ) == 0 || (leaf && (memory == 2 || memory == 3 || memory == 7))))
        return true; /* what cannot be read may be executed alone at the most: nobody enters that */
    if (guest && !leaf)
        reserved |= EPT_MEMORY_MASK | EPT_IGNORE_PAT;
    if (level == LEVELS - 1)
        reserved |= X86_PTE_LARGE;
    if (leaf && level > 0)
        reserved |= (level_size(level) - 1) & X86_PTE_ADDRESS & ~PAGE; /* bit 12 is the page's PAT bit */
    return (value & reserved) != 0;
}

static void walk_tables(zx_paddr_t root, bool guest, zx_vaddr_t va, struct walk *walk)
{
    zx_paddr_t table = root;
    uint8_t rights = RIGHT_WRITE | RIGHT_USER | RIGHT_EXECUTE;

    *walk = (struct walk){.guest = guest};
    for (unsigned level = LEVELS; table != 0 && level-- > 0;) {
        if (level == 0) {
            walk->table = table;
            walk->table_rights = rights;
        }
        uint64_t *entry = entry_at(table, level, va);
        uint64_t value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        walk->entries[walk->depth] = entry;
        walk->values[walk->depth++] = value;
        if ((value & (guest ? EPT_READ | EPT_WRITE | EPT_EXECUTE : X86_PTE_PRESENT)) == 0)
            return;
        rights &= entry_rights(value, guest);
        bool leaf = level == 0 || (value & X86_PTE_LARGE) != 0;
        if (has_reserved_bits(value, level, leaf, guest)) {
            vm_print(&vm_log_sink, "processor: reserved bits in the level %u entry 0x%llx for 0x%llx\n",
                     level, (unsigned long long)value, (unsigned long long)va);
            port_panic();
        }
        table = value & X86_PTE_ADDRESS;
        if (leaf) {
            walk->to.frame = table & ~(level_size(level) - 1);
            walk->to.level = (uint8_t)level;
            walk->to.rights = rights;
            walk->to.global = !guest && (value & X86_PTE_GLOBAL) != 0;
            walk->present = true;
            return;
        }
    }
}

static uint64_t dirty_bit(const struct walk *walk)
{
    return walk->guest ? EPT_DIRTY : X86_PTE_DIRTY;
}

/* Marks the entries of a walk accessed, the last one dirty as well for a write. False where one has changed
   meanwhile. */
static bool mark_entries(struct walk *walk, bool write)
{
    const uint64_t accessed = walk->guest ? EPT_ACCESSED : X86_PTE_ACCESSED;

    for (unsigned i = 0; i < walk->depth; i++) {
        uint64_t wanted = walk->values[i] | accessed;
        if (write && i == walk->depth - 1)
            wanted |= dirty_bit(walk);
        if (wanted != walk->values[i] &&
            !__atomic_compare_exchange_n(walk->entries[i], &walk->values[i], wanted, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE))
            return false;
    }
    return true;
}

static bool is_permitted(uint8_t rights, uint32_t kind, bool guest)
{
    bool user = (rights & RIGHT_USER) != 0, supervisor = (kind & PROCESSOR_SUPERVISOR) != 0;

    if (!guest && user == supervisor) /* U in ring 0: SMEP, SMAP */
        return false;
    if ((kind & PROCESSOR_WRITE) != 0 && (rights & RIGHT_WRITE) == 0) /* in ring 0 too: WP */
        return false;
    return (kind & PROCESSOR_EXECUTE) == 0 || (rights & RIGHT_EXECUTE) != 0;
}

/* ---- The translation cache ---- */

static bool is_used(const struct processor *processor, unsigned slot)
{
    return (processor->used[slot / WORD] >> slot % WORD & 1) != 0;
}

static void drop_locked(struct processor *processor, unsigned slot)
{
    processor->used[slot / WORD] &= ~((uint64_t)1 << slot % WORD);
    processor->cached[processor->slots[slot].to.level]--;
}

/* The next slot in use, from `slot` on; SLOTS when none. */
static unsigned next_used(const struct processor *processor, unsigned slot)
{
    while (slot < SLOTS) {
        uint64_t word = processor->used[slot / WORD] >> slot % WORD;
        if (word != 0)
            return slot + (unsigned)__builtin_ctzll(word);
        slot = (slot / WORD + 1) * WORD;
    }
    return SLOTS;
}

static unsigned set_of(zx_paddr_t root, zx_vaddr_t va, unsigned level)
{
    uint64_t mixed = ((va >> level_shift(level)) + root + level) * 0x9e3779b97f4a7c15ull;

    return (unsigned)(mixed >> 32) % SETS;
}

/* The cached translation of va by a page of that level; SLOTS when none. */
static unsigned lookup_level(const struct processor *processor, zx_paddr_t root, zx_vaddr_t va,
                             unsigned level)
{
    unsigned first = set_of(root, va, level) * WAYS;

    if (processor->cached[level] == 0)
        return SLOTS;
    va &= ~(level_size(level) - 1);
    for (unsigned slot = first; slot < first + WAYS; slot++) {
        const struct slot *candidate = &processor->slots[slot];
        if (is_used(processor, slot) && candidate->va == va && candidate->root == root &&
            candidate->to.level == level)
            return slot;
    }
    return SLOTS;
}

static unsigned lookup(const struct processor *processor, zx_paddr_t root, zx_vaddr_t va)
{
    unsigned slot = SLOTS;

    for (unsigned level = 0; slot == SLOTS && level <= LEVEL_LARGEST; level++)
        slot = lookup_level(processor, root, va, level);
    return slot;
}

static void insert_locked(struct processor *processor, zx_paddr_t root, zx_vaddr_t va,
                          const struct walk *walk, bool dirty)
{
    const struct translation *to = &walk->to;
    unsigned first = set_of(root, va, to->level) * WAYS, slot = first;

    while (slot < first + WAYS && is_used(processor, slot))
        slot++;
    if (slot == first + WAYS) {
        slot = first + processor->victim++ % WAYS;
        drop_locked(processor, slot);
    }
    processor->used[slot / WORD] |= (uint64_t)1 << slot % WORD;
    processor->cached[to->level]++;
    processor->slots[slot] = (struct slot){.root = root,
                                           .va = va & ~(level_size(to->level) - 1),
                                           .to = *to,
                                           .dirty = dirty,
                                           .guest = walk->guest,
                                           .stamp = processor->next_stamp++,
                                           .note = processor_note_text(),
                                           .note_number = processor_note_number()};
}

static struct table_slot *table_slot_of(struct processor *processor, zx_paddr_t root, zx_vaddr_t va,
                                        uint64_t *bit)
{
    uint64_t mixed = ((va >> level_shift(1)) + root) * 0x9e3779b97f4a7c15ull;
    unsigned slot = (unsigned)(mixed >> 32) % TABLES;

    *bit = (uint64_t)1 << slot;
    return &processor->tables[slot];
}

static void remember_table_locked(struct processor *processor, zx_paddr_t root, zx_vaddr_t va,
                                  const struct walk *walk)
{
    uint64_t bit;
    struct table_slot *slot = table_slot_of(processor, root, va, &bit);

    if (walk->table == 0)
        return;
    *slot = (struct table_slot){.root = root,
                                .va = va & ~(level_size(1) - 1),
                                .table = walk->table,
                                .rights = walk->table_rights,
                                .guest = walk->guest,
                                .stamp = processor->next_stamp++};
    processor->tables_used |= bit;
}

/* ---- Invalidation ---- */

static bool overlaps(const struct port_invalidation *invalidation, zx_vaddr_t va, uint64_t size)
{
    for (unsigned i = 0; i < invalidation->count; i++)
        if (va + size - 1 >= invalidation->ranges[i].va &&
            va <= invalidation->ranges[i].va + (invalidation->ranges[i].size - 1))
            return true;
    return invalidation->everything;
}

/* Forgets every cached translation that the invalidation names, looking at all of them. */
static void forget_by_scan_locked(struct processor *processor, const struct port_invalidation *invalidation)
{
    for (unsigned slot = next_used(processor, 0); slot < SLOTS; slot = next_used(processor, slot + 1)) {
        const struct slot *candidate = &processor->slots[slot];
        if ((port_invalidation_names(invalidation, candidate->root) ||
             (invalidation->global && candidate->to.global)) &&
            overlaps(invalidation, candidate->va, level_size(candidate->to.level)))
            drop_locked(processor, slot);
    }
}

/* The same for a few pages by way of one top-level table, looking only where they would be. */
static void forget_by_page_locked(struct processor *processor, const struct port_invalidation *invalidation)
{
    for (unsigned i = 0; i < invalidation->count; i++) {
        for (size_t at = 0; at < invalidation->ranges[i].size; at += level_size(0)) {
            unsigned slot;
            while ((slot = lookup(processor, invalidation->root, invalidation->ranges[i].va + at)) != SLOTS)
                drop_locked(processor, slot);
        }
    }
}

/* Of one top-level table only. */
static bool names_few_pages(const struct port_invalidation *invalidation)
{
    uint64_t size = 0;

    if (invalidation->views != NULL && !list_is_empty(invalidation->views))
        return false;
    for (unsigned i = 0; i < invalidation->count && size <= FEW_PAGES * level_size(0); i++)
        size += invalidation->ranges[i].size;
    return !invalidation->everything && !invalidation->global && size <= FEW_PAGES * level_size(0);
}

static void invalidate_locked(struct processor *processor, const struct port_invalidation *invalidation)
{
    if (names_few_pages(invalidation))
        forget_by_page_locked(processor, invalidation);
    else
        forget_by_scan_locked(processor, invalidation);
    for (uint64_t left = processor->tables_used; left != 0; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(left);
        if (port_invalidation_names(invalidation, processor->tables[slot].root) || invalidation->global)
            processor->tables_used &= ~((uint64_t)1 << slot);
    }
}

void processor_invalidate(const struct port_invalidation *invalidation)
{
    host_schedule_step();
    for (unsigned i = 0; i < processor_count; i++) {
        lock(&processors[i]);
        invalidate_locked(&processors[i], invalidation);
        unlock(&processors[i]);
    }
    atomic_fetch_add_explicit(&invalidations, 1, memory_order_relaxed);
}

/* ---- Judging what is cached ---- */

static void print_rights(struct vm_sink *report, const struct translation *to)
{
    static const char *const sizes[] = {"4 KiB", "2 MiB", "1 GiB"};

    vm_print(report, "%s page, frame 0x%llx, r%c%c%c", sizes[to->level], (unsigned long long)to->frame,
             (to->rights & RIGHT_WRITE) != 0 ? 'w' : '-', (to->rights & RIGHT_EXECUTE) != 0 ? 'x' : '-',
             (to->rights & RIGHT_USER) != 0 ? 'u' : '-');
}

static void print_stale(struct vm_sink *report, unsigned number, const struct slot *slot, zx_vaddr_t va,
                        const struct walk *walk)
{
    vm_print(report,
             "processor %u: stale translation of 0x%llx in the space with tables at 0x%llx\n  cached: ",
             number, (unsigned long long)va, (unsigned long long)slot->root);
    print_rights(report, &slot->to);
    vm_print(report, "\n  tables: ");
    if (walk != NULL && walk->present)
        print_rights(report, &walk->to);
    else
        vm_print(report, walk != NULL ? "nothing" : "gone");
    vm_print(report, "\n");
    if (processor_note_number() != 0)
        vm_print(report, "  cached in operation %llu (%s), found in operation %llu (%s)\n",
                 (unsigned long long)slot->note_number, slot->note,
                 (unsigned long long)processor_note_number(), processor_note_text());
}

/* Whether a cached translation, used at va, is one that the tables give too. */
static bool is_sound(const struct slot *slot, zx_vaddr_t va, const struct walk *walk)
{
    return walk->present && (slot->to.rights & ~walk->to.rights) == 0 &&
           slot->to.frame + (va & (level_size(slot->to.level) - 1)) ==
               walk->to.frame + (va & (level_size(walk->to.level) - 1));
}

static bool is_table_root(zx_paddr_t root)
{
    const struct vm_page *page = vm_machine_current() == NULL ? NULL : pmm_page_at(root);

    return page != NULL && page->state == VM_PAGE_MMU;
}

static bool check_slot(unsigned number, const struct slot *slot, struct vm_sink *report)
{
    struct walk walk;
    uint64_t size = level_size(slot->to.level);

    if (!is_table_root(slot->root)) {
        print_stale(report, number, slot, slot->va, NULL);
        return false;
    }
    for (uint64_t offset = 0; offset < size; offset += level_size(walk.to.level)) {
        walk_tables(slot->root, slot->guest, slot->va + offset, &walk);
        if (!is_sound(slot, slot->va + offset, &walk)) {
            print_stale(report, number, slot, slot->va + offset, &walk);
            return false;
        }
    }
    return true;
}

static bool is_table_sound(const struct table_slot *slot, const struct walk *walk)
{
    return walk->table == slot->table && (slot->rights & ~walk->table_rights) == 0;
}

static void print_table(struct vm_sink *report, unsigned number, const struct table_slot *slot)
{
    vm_print(report,
             "processor %u: still uses the table at 0x%llx for 0x%llx in the space with tables at 0x%llx, "
             "which is linked there no more\n",
             number, (unsigned long long)slot->table, (unsigned long long)slot->va,
             (unsigned long long)slot->root);
    if (processor_note_number() != 0)
        vm_print(report, "  found in operation %llu (%s)\n", (unsigned long long)processor_note_number(),
                 processor_note_text());
}

static bool check_table(unsigned number, const struct table_slot *slot, struct vm_sink *report)
{
    struct walk walk;

    if (is_table_root(slot->root)) {
        walk_tables(slot->root, slot->guest, slot->va, &walk);
        if (is_table_sound(slot, &walk))
            return true;
    }
    print_table(report, number, slot);
    return false;
}

static bool check_processor(unsigned number, struct vm_sink *report)
{
    struct processor *processor = &processors[number];
    bool sound = true;

    lock(processor);
    for (unsigned slot = next_used(processor, 0); slot < SLOTS; slot = next_used(processor, slot + 1))
        sound = check_slot(number, &processor->slots[slot], report) && sound;
    for (uint64_t left = processor->tables_used; left != 0; left &= left - 1)
        sound = check_table(number, &processor->tables[__builtin_ctzll(left)], report) && sound;
    unlock(processor);
    return sound;
}

bool processor_check(struct vm_sink *report)
{
    bool sound = true;

    for (unsigned i = 0; i < processor_count; i++)
        sound = check_processor(i, report) && sound;
    return sound;
}

/* A top-level table at the place of one that is gone: nothing may be left of that. */
void processor_root_created(zx_paddr_t root)
{
    bool sound = true;

    for (unsigned i = 0; i < processor_count; i++) {
        struct processor *processor = &processors[i];
        lock(processor);
        for (unsigned slot = next_used(processor, 0); slot < SLOTS; slot = next_used(processor, slot + 1))
            if (processor->slots[slot].root == root) {
                print_stale(&vm_log_sink, i, &processor->slots[slot], processor->slots[slot].va, NULL);
                sound = false;
            }
        for (uint64_t left = processor->tables_used; left != 0; left &= left - 1)
            if (processor->tables[__builtin_ctzll(left)].root == root) {
                print_table(&vm_log_sink, i, &processor->tables[__builtin_ctzll(left)]);
                sound = false;
            }
        unlock(processor);
    }
    if (!sound)
        port_panic();
}

/* ---- Accesses ---- */

enum outcome { OUTCOME_DONE, OUTCOME_FAULT, OUTCOME_SUSPECT };

struct access {
    struct vm_aspace *aspace;
    uint32_t kind;
    bool guest;
    uint32_t fault_flags; /* of the latest OUTCOME_FAULT */
    unsigned slot;        /* of the latest OUTCOME_SUSPECT: which (SLOTS: a table), and its stamp */
    uint64_t stamp;
};

static uint32_t fault_flags(uint32_t kind, bool guest, bool present)
{
    uint32_t who = guest ? VM_PF_FLAG_GUEST : (kind & PROCESSOR_SUPERVISOR) != 0 ? 0 : VM_PF_FLAG_USER;

    return VM_PF_FLAG_HW_FAULT | (present ? 0 : VM_PF_FLAG_NOT_PRESENT) | who |
           ((kind & PROCESSOR_WRITE) != 0 ? VM_PF_FLAG_WRITE : 0) |
           ((kind & PROCESSOR_EXECUTE) != 0 ? VM_PF_FLAG_INSTRUCTION : 0);
}

/* A walk after a miss, by way of the paging-structure cache. */
static enum outcome walk_and_cache_locked(struct processor *processor, struct access *access, zx_paddr_t root,
                                          zx_vaddr_t va, struct translation *to)
{
    struct walk walk;
    uint64_t bit;
    bool write = (access->kind & PROCESSOR_WRITE) != 0;
    const struct table_slot *table = table_slot_of(processor, root, va, &bit);

    do {
        walk_tables(root, access->guest, va, &walk);
        if ((processor->tables_used & bit) != 0 && table->root == root &&
            table->va == (va & ~(level_size(1) - 1)) && !is_table_sound(table, &walk)) {
            access->slot = SLOTS;
            access->stamp = table->stamp;
            return OUTCOME_SUSPECT;
        }
        if (!walk.present || !is_permitted(walk.to.rights, access->kind, access->guest)) {
            access->fault_flags = fault_flags(access->kind, access->guest, walk.present);
            return OUTCOME_FAULT;
        }
    } while (!mark_entries(&walk, write));
    bool dirty = write || (walk.values[walk.depth - 1] & dirty_bit(&walk)) != 0;
    insert_locked(processor, root, va, &walk, dirty);
    remember_table_locked(processor, root, va, &walk);
    *to = walk.to;
    return OUTCOME_DONE;
}

static enum outcome translate_locked(struct processor *processor, struct access *access, zx_paddr_t root,
                                     zx_vaddr_t va, struct translation *to)
{
    unsigned slot = lookup(processor, root, va);

    if (slot != SLOTS) {
        const struct slot *hit = &processor->slots[slot];
        struct walk walk;
        walk_tables(root, access->guest, va, &walk);
        if (!is_sound(hit, va, &walk)) {
            access->slot = slot;
            access->stamp = hit->stamp;
            return OUTCOME_SUSPECT;
        }
        if (is_permitted(hit->to.rights, access->kind, access->guest) &&
            ((access->kind & PROCESSOR_WRITE) == 0 || hit->dirty)) {
            *to = hit->to;
            return OUTCOME_DONE;
        }
        drop_locked(processor, slot);
    }
    return walk_and_cache_locked(processor, access, root, va, to);
}

/* Byte by byte, each at once: programs in different threads may race on a byte, which is their business, not
   undefined. */
static void copy_bytes(char *to, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        __atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* Accesses up to `size` bytes within one page. */
static enum outcome access_page(struct processor *processor, struct access *access, zx_vaddr_t va,
                                char *buffer, size_t size)
{
    struct translation to;

    lock(processor);
    enum outcome outcome = translate_locked(processor, access, vm_aspace_table_root(access->aspace), va, &to);
    if (outcome == OUTCOME_DONE) {
        zx_paddr_t pa = to.frame + (va & (level_size(to.level) - 1));
        char *bytes = (char *)port_phys_to_virt(pa & ~(PAGE - 1)) + pa % PAGE;
        if ((access->kind & PROCESSOR_WRITE) != 0)
            copy_bytes(bytes, buffer, size);
        else if ((access->kind & PROCESSOR_READ) != 0)
            copy_bytes(buffer, bytes, size);
        vm_aspace_note_active(access->aspace);
    }
    unlock(processor);
    return outcome;
}

/* Waits for the page-table operations under way, then reports the suspect if it is still there. Returns when
   it is not. */
static void judge(unsigned number, const struct access *access, zx_vaddr_t va)
{
    struct processor *processor = &processors[number];
    struct page_table_entry unused;

    (void)page_table_query(vm_aspace_page_table(access->aspace), va & ~(PAGE - 1), &unused);
    lock(processor);
    bool sound;
    if (access->slot == SLOTS) {
        uint64_t bit;
        const struct table_slot *table =
            table_slot_of(processor, vm_aspace_table_root(access->aspace), va, &bit);
        sound = (processor->tables_used & bit) == 0 || table->stamp != access->stamp ||
                check_table(number, table, &vm_log_sink);
    } else {
        const struct slot *slot = &processor->slots[access->slot];
        sound = !is_used(processor, access->slot) || slot->stamp != access->stamp ||
                check_slot(number, slot, &vm_log_sink);
    }
    unlock(processor);
    if (!sound)
        port_panic();
}

/* Counts faults that were resolved and had no effect. Where something was invalidated meanwhile, another thread may have
   taken away what the fault had given: the count begins again. */
struct patience {
    uint64_t invalidations;
    unsigned tries;
};

static bool is_exhausted(struct patience *patience)
{
    uint64_t now = atomic_load_explicit(&invalidations, memory_order_relaxed);

    if (patience->invalidations != now)
        *patience = (struct patience){.invalidations = now};
    return ++patience->tries > TRIES;
}

static bool is_canonical(zx_vaddr_t va)
{
    return va + (1ull << 47) < (1ull << 48);
}

zx_status_t processor_access(struct vm_aspace *aspace, zx_vaddr_t va, void *buffer, size_t size,
                             uint32_t kind, size_t *done)
{
    const bool guest = vm_aspace_page_table(aspace)->guest;
    struct access access = {.aspace = aspace, .kind = kind, .guest = guest};
    struct patience patience = {0};
    unsigned number = processor_current();

    *done = 0;
    while (*done < size) {
        zx_vaddr_t at = va + *done;
        size_t step = PAGE - at % PAGE;
        if (step > size - *done)
            step = size - *done;
        if (guest ? at >> GUEST_BITS != 0 : !is_canonical(at))
            return ZX_ERR_NOT_FOUND;
        char *bytes = (kind & PROCESSOR_EXECUTE) != 0 ? NULL : (char *)buffer + *done;
        switch (access_page(&processors[number], &access, at, bytes, step)) {
        case OUTCOME_DONE:
            *done += step;
            patience.tries = 0;
            break;
        case OUTCOME_SUSPECT:
            judge(number, &access, at);
            break;
        case OUTCOME_FAULT: {
            zx_status_t status = vm_aspace_page_fault(aspace, at, access.fault_flags);
            if (status != ZX_OK)
                return status;
            if (is_exhausted(&patience)) {
                vm_print(&vm_log_sink,
                         "processor %u: %u faults at 0x%llx (flags 0x%x) were resolved without effect\n",
                         number, patience.tries, (unsigned long long)at, access.fault_flags);
                port_panic();
            }
            break;
        }
        }
    }
    return ZX_OK;
}
