/* SPDX-License-Identifier: MIT */
/*
 * internal.h: the private structures of the core and who may touch each field.
 *
 * Locks, in the order in which they may be taken (enum port_lock_class):
 *   (h) machine->handle_lock   (a) aspace->lock   (v) vmo->lock   (t) page_table.lock   (q) page_queue.lock
 *   (m) machine->lock
 *   then the slab caches' and the pmm's own.
 * Fields marked (a+v) are written under both and may be read under either. (c) is constant after creation.
 * (x) is atomic. A function named …_locked wants the lock of its first argument held.
 */
#ifndef VM_INTERNAL_H_
#define VM_INTERNAL_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/list.h>
#include <vm/machine.h>
#include <vm/page_queue.h>
#include <vm/pmm.h>
#include <vm/port.h>
#include <vm/thread.h>
#include <vm/vmar.h>
#include <vm/vmo.h>
#include <zircon/syscalls.h>

#include "assert.h"
#include "mapping_tree.h"
#include "page_list.h"
#include "prng.h"
#include "region_tree.h"
#include "slab.h"

#define PAGE_SIZE  ZX_PAGE_SIZE
#define PAGE_SHIFT ZX_PAGE_SHIFT

static inline bool is_page_aligned(uint64_t value)
{
    return (value & (PAGE_SIZE - 1)) == 0;
}

static inline uint64_t round_down_page(uint64_t value)
{
    return value & ~(uint64_t)(PAGE_SIZE - 1);
}

/* 0 when it overflows, or for 0. */
static inline uint64_t round_up_page(uint64_t value)
{
    return round_down_page(value + PAGE_SIZE - 1);
}

/* ---- The caller's memory; no lock is held ---- */

/* Reads a byte of every page of a buffer. INVALID_ARGS where one cannot be reached. */
zx_status_t user_probe(const void *user_from, size_t size);
/* Whether a result of `size` bytes, at most 8, can be put there. What is there stays. */
bool user_is_writable(void *user, size_t size);
/* Tells a handle that may yet come to nothing: then what was there before is put back. INVALID_ARGS. */
zx_status_t user_tell_handle(zx_handle_t *user, zx_handle_t value, zx_handle_t *before);
void user_untell_handle(zx_handle_t *user, zx_handle_t before);

/* ---- Kernel objects: what handles lead to ---- */

struct vm_object {
    zx_koid_t koid;        /* (c) */
    zx_obj_type_t type;    /* (c) ZX_OBJ_TYPE_PROCESS, THREAD, VMO, VMAR, JOB */
    atomic_uint refs;      /* (x) */
    uint32_t handles;      /* (h) handles that lead here; a process's own handles to itself do not count */
    struct list_node node; /* (m) on machine->objects */
};

/* ---- Regions: VMARs and mappings, the nodes of an address space ---- */

enum vm_region_kind { VM_REGION_VMAR, VM_REGION_MAPPING };

/* VMARs start with their vm_object, mappings have none; both have this. */
struct vm_region {
    enum vm_region_kind kind; /* (c) */
    bool alive;               /* (a) in the tree; never again once not */
    /* (c) ZX_VM_CAN_MAP_*: VMAR: what it may map; mapping: what protect may give (MAY bounds) */
    uint32_t flags;
    zx_vaddr_t base;          /* (a), mappings (a+v) */
    size_t size;              /* (a), mappings (a+v) */
    struct vm_vmar *parent;   /* (a) null for a root, and when dead */
    struct vm_aspace *aspace; /* (c) */
};

struct vm_vmar {
    struct vm_object object;
    struct vm_region region;
    bool is_root;                /* (c) */
    bool compact;                /* (c) places with the compact entropy */
    bool set_aside;              /* (c) of the kernel's space: maps nothing; its owner enters translations */
    bool high_priority;          /* (a) of memory: its mappings' too; counted in its space while alive */
    struct region_tree children; /* (a) values: struct vm_region * */
    struct vm_vmar *next_doomed; /* (a) while its subtree is being torn down */
};

/* Of what a mapping shows: pages that no other space shows, pages that others do, and these as bytes, each page's
   through the number of spaces. */
struct mapping_usage {
    uint64_t private_pages, shared_pages, scaled_shared_bytes;
};

struct vm_mapping {
    struct vm_region region;
    struct vm_vmo *source;    /* (c) what was mapped; referenced */
    struct vm_vmo *vmo;       /* (c) whose pages are shown: source->target */
    uint64_t vmo_limit;       /* (c) where in `vmo` a slice ends; UINT64_MAX: the source is no slice */
    uint64_t vmo_offset;      /* (a+v) bytes, of region.base, in `vmo` */
    struct mapping_link link; /* (v) in vmo->mappings */
    struct mapping_link zero; /* (v) likewise: where in `vmo` the zero page may be shown */
    /* (v) right where vmo->usage_known; else what was so once */
    struct mapping_usage usage;
    struct vm_mapping *next_end; /* (v) info.c's own, while usage is counted */
    uint8_t vain;   /* (v) how often it was looked for in `zero` in vain, since that was narrowed for it */
    uint32_t perms; /* (a+v) ARCH_MMU_READ|WRITE|EXECUTE where `protections` is empty */
    /* (a+v) when not empty: tiles the mapping; values: permissions as numbers */
    struct region_tree protections;
    /* (a) not 0: it does not merge, since zx_vmar_map is still handing out the address, or
       vm_aspace_map_object has made it, whose caller frees it by address. 0: as nearly always */
    uint64_t pending;
};

struct vm_aspace {
    struct port_mutex lock;
    atomic_uint refs;                   /* (x) processes, its VMARs, unified spaces that show it */
    enum vm_aspace_type type;           /* (c) */
    enum vm_aspace_share_opt share_opt; /* (c) */
    struct vm_aspace *parts[2];         /* (c) of a unified one: what it shows, by address, referenced */
    uint32_t sharers; /* (h) processes alive that share it; it is destroyed with the last one */
    bool destroyed;   /* (a) */
    bool aslr;        /* (c) */
    uint8_t entropy_bits, compact_entropy_bits; /* (c) */
    zx_vaddr_t base;                            /* (c) */
    size_t size;                                /* (c) */
    char name[ZX_MAX_NAME_LEN];                 /* (a) */
    uint64_t seed;                              /* (c) recorded so that a run can be repeated */
    struct prng prng;                           /* (a) */
    struct vm_vmar *root;                       /* (a) referenced; null once destroyed */
    uint64_t next_pending;                      /* (a) counts those that vmar_map has begun */
    uint64_t high_vmars;                        /* (a) VMARs alive of high memory priority */
    bool always_need; /* (a) ALWAYS_NEED was used: the space is of high memory priority from then on */
    struct vm_mapping *last_fault; /* (a) the mapping that a fault or a copy found last; never a dead one */
    struct vm_mapping *vdso_code;  /* (a) the one that shows the vDSO's code, executable; null: none */
    uint64_t count_stamp;          /* (m) of the latest count of spaces that it was part of (info.c) */
    uint64_t count_showing;        /* (m) mappings of it that show the place where that count is */
    atomic_bool active;            /* (x) a processor has used it since the last harvest */
    uint8_t passes_due;            /* (a) harvests that may yet find tables to free */
    struct page_table table;       /* locks for itself */
    struct list_node node;         /* (m) on machine->aspaces */
    uint32_t check_refs;           /* check.c's own: references that it found so far */
    uint32_t check_sharers;        /* likewise */
};

/* ---- VMOs ---- */

/* So many pages that lie one behind the other, the first aligned to as much, can be shown by one large page. */
#define VM_LARGE_SHIFT 21
#define VM_LARGE_SIZE  ((uint64_t)1 << VM_LARGE_SHIFT)
#define VM_LARGE_PAGES (VM_LARGE_SIZE >> PAGE_SHIFT)

enum vmo_kind { VMO_PAGED, VMO_CONTIGUOUS, VMO_PHYSICAL };

struct vm_vmo {
    struct vm_object object;
    struct port_mutex lock;
    uint64_t size;         /* (v) bytes, page-aligned; slices (c) */
    enum vmo_kind kind;    /* (c) of a slice's target; a slice is VMO_PAGED */
    bool resizable;        /* (c) */
    bool is_snapshot;      /* (c) made as a snapshot of another */
    bool had_sharers;      /* (v) a page may be held by others too, or not counted in it */
    struct vm_vmo *target; /* (c) whose pages it shows: itself, or, a slice, the VMO behind; referenced */
    uint64_t window;       /* (c) where a slice begins in its target; else 0 */
    zx_paddr_t frames;     /* (c) contiguous, physical: the address of offset 0 */
    uint8_t cache_policy;  /* (v) enum vm_cache_policy; not changed while there are mappings */
    bool
        usage_known; /* (v) its mappings' usage is right: neither they nor its pages changed since (info.c) */
    uint64_t pinned_pages; /* (v) pages with pin_count > 0; physical: how often pages were pinned */
    /* (v) of a vDSO: where its code is; not changed while there are mappings. Size 0: it is none */
    uint64_t vdso_code_offset, vdso_code_size;
    char name[ZX_MAX_NAME_LEN];   /* (v) */
    struct page_list pages;       /* (v) by page number: struct vm_page * in state OBJECT; slices: none */
    struct mapping_tree mappings; /* (v) by the part that they show, those of slices too; slices: none */
    struct vm_vmo *children;      /* (m) the root of the tree of its children; null: none */
    struct vm_vmo *parent;        /* (m) whose children a tree has; of its root only; null: nobody's */
    struct vm_vmo *above;         /* (m) in the tree that it is in itself, vmo_family.c */
    struct vm_vmo *below[2];      /* (m) likewise */
    size_t weight;                /* (m) how many are in that tree from it downwards; 0: it is in none */
    atomic_uint host_refs;        /* (x) references of the core's host, for check.c to account for */
    uint32_t check_refs;          /* check.c's own: references that it found so far */
};

static inline bool vmo_is_slice(const struct vm_vmo *vmo)
{
    return vmo->target != vmo;
}

/* Whether other VMOs hold the page too: then nobody writes to it. Where the answer is no, and a holder's lock
   is held, it stays no. */
static inline bool page_is_shared(const struct vm_page *page)
{
    return atomic_load(&page->sharers) != 0;
}

/* ---- Handles and processes ---- */

struct vm_handle {
    uint32_t serial;            /* (h) 30 bits; the low 18 are the slot */
    zx_rights_t rights;         /* (c) */
    struct vm_object *object;   /* (c) referenced; null while reserved */
    struct vm_process *process; /* (h) who holds it */
    struct list_node node;      /* (h) on process->handles */
    bool moving;                /* (h) on its way into another process: found by nobody */
};

struct vm_process {
    struct vm_object object;
    char name[ZX_MAX_NAME_LEN]; /* (h) */
    bool dead;                  /* (h) until then it holds one reference to itself */
    bool hosted;                /* (c) made by the host: lives without handles, until killed */
    uint32_t secret;            /* (c) mixed into handle values */
    struct vm_aspace *aspace;   /* (c) what it sees: its own, the shared or the unified one; referenced */
    struct vm_aspace *shared;   /* (c) the one that it shares; referenced; null: none */
    /* (c) its own below that one; referenced; null: none, as where it made the shared one */
    struct vm_aspace *restricted;
    struct list_node handles;    /* (h) */
    struct list_node dying;      /* (h) on the list of those that die with another */
    zx_handle_t self, root_vmar; /* (c) its own first handles */
    zx_handle_t job;             /* (h) what zx_job_default answers in it; invalid until asked */
    struct list_node threads;    /* (h) those that are there; they hold references to it, not it to them */
    uint32_t started;            /* (h) how many of them were started, ended ones included */
    uint32_t running;            /* (h) and how many of these have not ended */
    bool torn_down;              /* (h) dead, and what it had is gone */
    int64_t return_code;         /* (h) once it is dead */
    zx_time_t start_time;        /* (h) once it was started */
    atomic_uint signals;         /* (h) ZX_TASK_TERMINATED; (x) for reading */
    uint32_t check_refs;         /* check.c's own: references that it found so far */
    uint32_t check_threads;      /* likewise: its threads */
};

enum vm_thread_state { VM_THREAD_NEW, VM_THREAD_RUNNING, VM_THREAD_DEAD };

struct vm_thread {
    struct vm_object object;
    char name[ZX_MAX_NAME_LEN]; /* (h) */
    struct vm_process *process; /* (c) referenced */
    struct vm_aspace *aspace;   /* (h) where it runs; referenced; constant once it has been started */
    enum vm_thread_state state; /* (h) while it runs, the port has a reference to it */
    struct list_node node;      /* (h) on process->threads */
    atomic_uint signals;        /* (h) ZX_TASK_TERMINATED, ZX_THREAD_RUNNING; (x) for reading */
};

/* The one job of the machine: an object for handles to lead to. */
struct vm_job {
    struct vm_object object;
    char name[ZX_MAX_NAME_LEN]; /* (h) */
};

/* Below the numbers that are given out. */
#define VM_JOB_KOID (ZX_KOID_KERNEL + 1)

#define VM_HANDLES_MAX (1u << 18)

/* Of the handles to a root VMAR that come with a process. */
#define VM_ROOT_VMAR_RIGHTS (ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE)

/* ---- The machine ---- */

struct pmm {
    struct port_mutex lock;
    struct list_node free;
    uint64_t counts[VM_PAGE_STATE_COUNT];
    uint64_t total;
    size_t arena_count; /* (c) */
    size_t fresh_arena; /* the first arena that may have fresh pages */
    struct pmm_arena {
        zx_paddr_t base;            /* (c) */
        size_t pages;               /* (c) */
        struct vm_page *page_array; /* (c) */
        /* pages from here on were never used: FREE, on no list, their structures all zero */
        size_t fresh;
    } arenas[PMM_ARENAS_MAX];
};

/* Pages of VMOs by age; page_queue.c. */
struct page_queue {
    struct port_mutex lock; /* (q) */
    uint32_t generation;    /* (q) harvests begun */
    uint64_t counts[VM_PAGE_AGES];
    struct list_node pages[VM_PAGE_AGES]; /* (q) the youngest first */
};

/* In vm_page.marks. */
#define PAGE_MARK_QUEUED 1u /* OBJECT: on a page queue (q) */

struct vm_machine {
    struct pmm pmm;
    struct page_queue page_queue;
    struct vm_machine_config config; /* (c) `memory` is not kept */
    struct port_mutex lock;          /* (m) */
    struct port_mutex handle_lock;   /* (h) */
    struct list_node aspaces;        /* (m) */
    struct list_node objects;        /* (m) */
    zx_koid_t next_koid;             /* (m) */
    uint64_t count_stamp;            /* (m) of the latest count of spaces (info.c) */
    uint64_t next_stream;            /* (m) of the next address space's or process's random numbers */
    struct prng prng;                /* (m) what zx_cprng_draw gives out */
    struct vm_job job;
    struct page_list handles;        /* (h) by slot: struct vm_handle * */
    uint32_t next_serial;            /* (h) */
    struct vm_page *zero_page;       /* (c) */
    struct vm_aspace *kernel_aspace; /* (c) &kernel_aspace_storage */
    struct vm_aspace kernel_aspace_storage;
    /* region_tree.c sets them up: region_tree_start */
    struct slab_cache region_leaf_cache, region_inner_cache;
    struct slab_cache page_list_cache; /* page_list.c: page_list_start */
    struct slab_cache vmar_cache, mapping_cache, vmo_cache, aspace_cache, process_cache, handle_cache,
        thread_cache;
};

/* The selected machine. */
extern struct vm_machine *vm_machine;

/* pmm.c. First pmm_carve: where `extra` zeroed bytes lie in the first arena, behind its page array; null,
   nothing touched, when they leave no page of it free. Then pmm_start of a pmm in its final place (it may be
   in those bytes), which cannot fail and makes the pages of both WIRED. pmm_wired_bytes: what page structures
   and extra bytes take of an arena of so many pages. */
void *pmm_carve(const struct pmm_range *first, size_t extra);
void pmm_start(struct pmm *pmm, const struct pmm_range *memory, size_t count, size_t extra);
size_t pmm_wired_bytes(size_t pages, size_t extra);

/* page_queue.c. A page goes onto the youngest queue as a VMO takes it up, and off its queue before it is given
   back. `use` makes those of the pages young that are on a queue; a translation leads to each, and the lock of
   its tables is held. `turn` begins a generation. check: how many pages there are on all queues; false, with a
   report, when they are not sound. */
void page_queue_start(struct page_queue *queue);
void page_queue_add(struct vm_page *page);
void page_queue_remove(struct vm_page *page);
void page_queue_use(struct vm_page *const *pages, size_t count);
void page_queue_turn(void);
bool page_queue_check(uint64_t *pages, struct vm_sink *report);

/* machine.c: the space after `before` (null: the first), referenced; the reference to `before` is given up.
   Null: no more. */
struct vm_aspace *machine_next_aspace(struct vm_aspace *before);

uint64_t machine_heap_bytes(void); /* in objects alive */

/* Sets up the caches of region_tree.c and page_list.c in *vm_machine. */
void region_tree_start(void);
void page_list_start(void);

/* object.c */
void vm_object_init(struct vm_object *object, zx_obj_type_t type); /* one reference; on machine->objects */
void vm_object_acquire(struct vm_object *object);
void vm_object_release(struct vm_object *object); /* the last one destroys the object */

/* handle.c */
/* A slot for a handle of `process`, invisible until published. NO_MEMORY: out of memory, or all of the
   machine's handles in use. */
zx_status_t handle_reserve(struct vm_process *process, struct vm_handle **out);
void handle_unreserve(struct vm_handle *handle);
/* The value that publishing will give to programs. */
zx_handle_t handle_value(const struct vm_handle *handle);
/* Makes it lead to object (whose reference it takes over) with these rights. Cannot fail. No lock is held. */
void handle_publish(struct vm_handle *handle, struct vm_object *object, zx_rights_t rights);
/* Publishes `fresh` in the place of the handle `value`, which is closed. BAD_HANDLE: there is none any more,
   nothing done. */
zx_status_t handle_replace(zx_handle_t value, zx_rights_t rights, struct vm_handle *fresh);
/* Publishes `fresh` beside the handle `value`, to the same object. BAD_HANDLE: as above. So a handle that is
   closed meanwhile is not duplicated: what dies of its closing stays dead for all. */
zx_status_t handle_duplicate(zx_handle_t value, zx_rights_t rights, struct vm_handle *fresh);
/* The object behind a handle of the current process, referenced. type NONE: any. Errors in order: BAD_HANDLE,
   WRONG_TYPE, ACCESS_DENIED where a right of `needed` is missing. rights may be null. */
zx_status_t handle_get(zx_handle_t value, zx_obj_type_t type, zx_rights_t needed, struct vm_object **out,
                       zx_rights_t *rights);
zx_status_t handle_close(struct vm_process *process, zx_handle_t value);
/* A handle of the current process on its way into another one. */
struct handle_move {
    zx_handle_t value;        /* its number so far */
    struct vm_object *object; /* where it leads; referenced by the caller */
    struct vm_process *to;    /* where it goes */
    struct vm_handle *fresh;  /* reserved there */
    zx_handle_t fresh_value;  /* what it will be there */
    bool moved;               /* the first step is done */
};
/* Moves it, keeping its rights; the handle lock is held, the process where it goes alive. BAD_HANDLE: it has been closed
   meanwhile, nothing done. */
zx_status_t handle_move_locked(struct handle_move *move);
/* Makes the move final, or moves it back to its former number, as far as its process is alive. Cannot fail. No lock is
   held. */
void handle_move_end(struct handle_move *move, bool keep);
/* Processes that die of it join `doomed`. No lock is held. */
void handle_close_all(struct vm_process *process, struct list_node *doomed);
/* How many handles lead to the object, a process's own to itself included. O(handles of the object, where it
   is a process). */
uint32_t handle_count(struct vm_object *object);
bool handle_check(struct vm_sink *report); /* tables, counts, references of objects by handles */

/* process.c */
/* One reference, the caller's, beside the one that it holds to itself. NO_MEMORY. */
zx_status_t process_create(const char *name, bool hosted, struct vm_process **out);
/* The same, of one that shares a space: that of `with`, or (null) a new one. Errors in order: INVALID_ARGS
   `with` shares none; BAD_STATE nobody alive shares it any more; NO_MEMORY. */
zx_status_t process_create_sharing(const char *name, struct vm_process *with, struct vm_process **out);
/* The VMAR that spans the space of its own; the process is alive. */
struct vm_vmar *process_root(const struct vm_process *process);
/* Marks a process dead, and its threads that never ran; nothing where it was already. Its reference to itself goes with its
   place on `doomed`. The handle lock is held. */
void process_doom_locked(struct vm_process *process, int64_t return_code, struct list_node *doomed);
/* Says so where a process is torn down and none of its threads runs any more. The handle lock is held. */
void process_tell_end_locked(struct vm_process *process);
/* Tears down the doomed and all that die with them. No lock is held. */
void process_end_doomed(struct list_node *doomed);
void process_free(struct vm_process *process);

/* thread.c */
void thread_free(struct vm_thread *thread); /* last reference; no lock is held */
/* Starts the first thread of a process, which is then `first`, or a further one, or (host) any. `move`: a handle that goes to the
   process with it, and is arg1 there; null: none. Errors in order: BAD_STATE the thread is not new, the process dead or (not)
   started; NO_MEMORY; NOT_SUPPORTED. */
enum thread_start_kind { THREAD_START_FIRST, THREAD_START_FURTHER, THREAD_START_ANY };
zx_status_t thread_start(struct vm_thread *thread, enum thread_start_kind kind,
                         struct port_thread_entry *entry, struct handle_move *move);
/* Whether it could be started now: BAD_STATE as above. */
zx_status_t thread_check_start(struct vm_thread *thread, enum thread_start_kind kind);
/* The process died before the thread ran. The handle lock is held. */
void thread_doom_locked(struct vm_thread *thread);
/* Both are addresses of user space; a stack may begin at its end. */
static inline bool thread_is_entry(zx_vaddr_t entry, zx_vaddr_t stack)
{
    return entry < VM_USER_ASPACE_TOP && stack <= VM_USER_ASPACE_TOP;
}
/* What an object asserts is a word of its own, on which the waiting wait. The handle lock is held. */
static inline void signals_set_locked(atomic_uint *signals, zx_signals_t to)
{
    atomic_store_explicit(signals, to, memory_order_release);
    port_wake(signals, UINT32_MAX);
}

/* process_memory.c: what zx_process_read_memory and _write_memory do; errors as there from BAD_STATE on */
zx_status_t process_read_memory(struct vm_process *process, zx_vaddr_t va, void *user_to, size_t size,
                                size_t *actual);
zx_status_t process_write_memory(struct vm_process *process, zx_vaddr_t va, const void *user_from,
                                 size_t size, size_t *actual);

/* info.c: what can be learned of objects */
void vmo_info(struct vm_vmo *vmo, zx_rights_t rights, zx_info_vmo_t *out);
void process_info(struct vm_process *process, zx_info_process_t *out);
zx_status_t aspace_task_stats(struct vm_aspace *aspace,
                              zx_info_task_stats_t *out); /* BAD_STATE destroyed; CANCELED: port_go_on */
void machine_kmem_stats(zx_info_kmem_stats_t *out);
/* A place in the walk over a space that the records of PROCESS_MAPS make, between two records. */
struct maps_walk {
    struct vm_aspace *aspace;
    bool started;       /* the record of the space itself is out */
    struct vm_vmar *at; /* referenced; whose children come next; null: to be found by va and depth */
    size_t at_depth;    /* of `at`; the root's is 1 */
    zx_vaddr_t va;      /* what begins below is out, but for the rest of a mapping */
    size_t depth;       /* and so is what begins at va with a lower depth */
};
void maps_walk_start(struct maps_walk *walk, struct vm_aspace *aspace);
/* The next records, at most `most`; *count of them, 0 at the end. BAD_STATE the space is destroyed. Takes the
   locks for itself: between two calls none is held, and the space may change; what was there all the time is
   told once. */
zx_status_t maps_walk_next(struct maps_walk *walk, zx_info_maps_t *records, size_t most, size_t *count);
void maps_walk_end(struct maps_walk *walk);

/* aspace.c */
/* The range is within the type's. */
zx_status_t vm_aspace_init(struct vm_aspace *aspace, zx_vaddr_t base, size_t size, enum vm_aspace_type type,
                           const char *name, enum vm_aspace_share_opt share_opt);
/* Who answers for va: the space itself, or what a unified one shows there; null where that is destroyed. As
   long-lived as `aspace`. */
struct vm_aspace *aspace_at(struct vm_aspace *aspace, zx_vaddr_t va);
static inline bool aspace_is_unified(const struct vm_aspace *aspace)
{
    return aspace->parts[0] != NULL;
}
/* The spaces that have the regions, by address: itself, or the two that a unified one shows; null where that
   is destroyed. */
struct vm_aspace *aspace_part(struct vm_aspace *aspace, unsigned index);
static inline unsigned aspace_part_count(const struct vm_aspace *aspace)
{
    return aspace_is_unified(aspace) ? 2 : 1;
}
/* Whether all of [base, base + size) lies in one range that was set aside. */
bool aspace_is_set_aside(struct vm_aspace *aspace, zx_vaddr_t base, size_t size);
/* Whether it is of high memory priority; not of a unified one. */
/* fault.c: the mapping that holds va; null in a gap. The one that was found last is tried first. The aspace's
   lock is held. */
struct vm_mapping *aspace_mapping_at_locked(struct vm_aspace *aspace, zx_vaddr_t va);
bool aspace_is_high_locked(const struct vm_aspace *aspace);
/* What a placement in this VMAR draws from. */
uint8_t vm_aspace_entropy(const struct vm_aspace *aspace, bool compact);

/* vmar.c */
struct vm_vmar *vmar_create_root(struct vm_aspace *aspace);
void vmar_free(struct vm_vmar *vmar); /* last reference */
/* The core of the calls; rights of the handle have been checked, those of the VMAR not. Errors as in
   zircon/syscalls.h from BAD_STATE on; the search itself answers NO_RESOURCES. *out is referenced. `out`
   null: everything is checked and reserved, nothing done. */
zx_status_t vmar_allocate(struct vm_vmar *parent, uint32_t options, size_t offset, size_t size,
                          struct vm_vmar **out);
struct vm_mapped {
    zx_vaddr_t base;
    size_t size;
    uint64_t pending;
};
/* `may`: CAN_MAP_* bits that protect may later give. `out` null: as above. What has been mapped is pending
   until vmar_map_end is called: others may do with it what they like, but it does not merge. */
zx_status_t vmar_map(struct vm_vmar *vmar, uint32_t options, size_t offset, struct vm_vmo *vmo,
                     uint64_t vmo_offset, size_t len, uint32_t may, struct vm_mapped *out);
/* Keeps what vmar_map made and merges it with its neighbours, or takes it away. What others have removed or
   replaced meanwhile is left alone. Cannot fail. Cost: O(log siblings), for each part where others cut it. */
void vmar_map_end(struct vm_vmar *vmar, const struct vm_mapped *mapped, bool keep);
zx_status_t vmar_unmap(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, bool op_children);
zx_status_t vmar_protect(struct vm_vmar *vmar, zx_vaddr_t base, size_t size, uint32_t perms,
                         bool op_children);
zx_status_t vmar_destroy(struct vm_vmar *vmar);
void vmar_destroy_tree_locked(struct vm_vmar *vmar); /* roots too; the aspace's lock is held */
/* The mappings of [va, end), which is within `at`, in ascending order, across child VMARs, without recursion.
   The aspace's lock is held. */
struct mapping_walk {
    struct vm_vmar *at; /* the VMAR whose children are being visited */
    zx_vaddr_t va, end;
};
/* The next mapping, and which part of it is in the range. OK; STOP at the end of the range; NOT_FOUND at a
   gap. Each VMAR is entered and left once. */
zx_status_t mapping_walk_next(struct mapping_walk *walk, struct vm_mapping **mapping, zx_vaddr_t *base,
                              zx_vaddr_t *end);
static inline zx_vaddr_t region_end(const struct vm_region *region)
{
    return region->base + region->size;
}
/* Whether [base, base + size) is within the region. */
static inline bool region_holds(const struct vm_region *region, zx_vaddr_t base, size_t size)
{
    return base >= region->base && base - region->base <= region->size &&
           size <= region->size - (base - region->base);
}
static inline struct vm_vmar *vmar_of(struct vm_region *region)
{
    return container_of(region, struct vm_vmar, region);
}
static inline struct vm_mapping *mapping_of(struct vm_region *region)
{
    return container_of(region, struct vm_mapping, region);
}

/* For vmar_map, of the core alone: every page is entered, or NO_MEMORY, nothing done. Not with overwriting. */
#define VMAR_MAP_ALL (1u << 16)

/* vdso.c; the aspace's lock is held in those named so */
/* Whether it was declared to be one. Takes the VMO's lock. */
bool vdso_is(struct vm_vmo *vmo);
/* ACCESS_DENIED where this would be an executable mapping of a vDSO that may not be. */
zx_status_t vdso_check_map_locked(const struct vm_aspace *aspace, const struct vm_vmo *source,
                                  uint64_t vmo_offset, size_t size, uint32_t perms);
/* `may` without what a mapping with these permissions may never get, where it is one of a vDSO. */
uint32_t vdso_may(const struct vm_vmo *source, uint32_t perms, uint32_t may);
/* Notes that a mapping has been made, where it is the code of a vDSO. */
void vdso_mapped_locked(struct vm_mapping *mapping);
bool vdso_intersects_locked(const struct vm_aspace *aspace, zx_vaddr_t base, size_t size);

/* vmar_op.c */
/* An operation of zx_vmar_op_range, which is known, on page-aligned [base, base + size). Errors as there from
   OUT_OF_RANGE on. */
zx_status_t vmar_op_range(struct vm_vmar *vmar, uint32_t op, zx_vaddr_t base, size_t size, bool op_children);
/* Gives every page of [base, end) memory, up to the first gap and but for what lies past the ends of VMOs;
   all or none. NO_MEMORY. */
zx_status_t mappings_commit_locked(struct vm_vmar *vmar, zx_vaddr_t base, zx_vaddr_t end);

/* mapping.c; the aspace's lock is held in all */
/* not in any tree; takes a reference to source */
zx_status_t mapping_create(struct vm_vmo *source, struct vm_mapping **out);
void mapping_abandon(struct vm_mapping *mapping); /* of one never inserted */
void mapping_insert(struct vm_mapping *mapping, struct vm_vmar *parent, struct region_reserve *reserve,
                    zx_vaddr_t base, size_t size, uint64_t vmo_offset, uint32_t perms, uint32_t may);
/* The same, with every page that the VMO has entered first. NO_MEMORY: nothing done. */
zx_status_t mapping_insert_entered(struct vm_mapping *mapping, struct vm_vmar *parent,
                                   struct region_reserve *reserve, zx_vaddr_t base, size_t size,
                                   uint64_t vmo_offset, uint32_t perms, uint32_t may);
void mapping_destroy(struct vm_mapping *mapping); /* out of its parent's tree, translations gone, freed */
/* what is left to do when tree and translations are dealt with */
void mapping_detach(struct vm_mapping *mapping);
/* MAP_RANGE: enters the pages that the VMO has in [base, end), a part of the mapping; skips entries that are
   there; best effort. */
void mapping_map_present(struct vm_mapping *mapping, zx_vaddr_t base, zx_vaddr_t end);
/* Makes one of the mappings that meet at va, where one could stand for both. It may be either that goes. Cannot
   fail. O(log siblings). */
void mapping_merge(struct vm_vmar *parent, zx_vaddr_t va);
/* The same at the far ends of the mappings that end at `base` and begin at `end`, which are no ends of a mapping any more or
   never were: what stayed of one that was cut there. */
void mapping_merge_beside(struct vm_vmar *parent, zx_vaddr_t base, zx_vaddr_t end);
/* Whether one mapping could stand for the two, of which `right` begins where `left` ends, with the same parent. */
bool mapping_is_alike(const struct vm_mapping *left, const struct vm_mapping *right);
/* The page-table flags for permissions in this mapping's space. */
uint32_t mapping_mmu_flags(const struct vm_mapping *mapping, uint32_t perms);
/* The physical addresses of the run of pages that the VMO has from va on, below `end`, at most `most`; how
   many. All of them are shared, or none is, as *shared tells. */
size_t mapping_gather_vmo_locked(const struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t end, size_t most,
                                 zx_paddr_t *paddrs, bool *shared);
/* Whether one large page, within [base, end), can show the pages around va, of which the one at va has the address
   paddr: they lie one behind the other, and nobody else holds any. O(1) where not even the one at va fits, else
   O(VM_LARGE_PAGES). */
bool mapping_has_large_vmo_locked(const struct vm_mapping *mapping, zx_vaddr_t va, zx_paddr_t paddr,
                                  zx_vaddr_t base, zx_vaddr_t end);
/* Where in mapping->vmo it ends to show anything: at the end of the VMO, or of the slice that was mapped. */
uint64_t mapping_vmo_end_locked(const struct vm_mapping *mapping);
uint64_t mapping_vmo_end(const struct vm_mapping *mapping);

/* A removal of [base, base + size) from a mapping, prepared so that committing cannot fail. */
struct mapping_cut {
    struct vm_mapping *tail;                /* for what lies behind a hole in the middle */
    struct region_reserve tail_protections; /* and its protection ranges */
    bool made_uniform; /* what was left of a mapping has one permission where there were several */
};
zx_status_t mapping_cut_prepare(struct mapping_cut *cut, struct vm_mapping *mapping, zx_vaddr_t base,
                                size_t size);
void mapping_cut_commit(struct mapping_cut *cut, struct vm_mapping *mapping, zx_vaddr_t base, size_t size,
                        struct region_reserve *reserve);
void mapping_cut_release(struct mapping_cut *cut);

/* protection.c: the permissions of parts of a mapping */
uint32_t protection_at(const struct vm_mapping *mapping, zx_vaddr_t va);
/* The largest part around va with one permission. */
uint32_t protection_range(const struct vm_mapping *mapping, zx_vaddr_t va, zx_vaddr_t *base, zx_vaddr_t *end);
zx_status_t protection_reserve(struct region_reserve *reserve, const struct vm_mapping *mapping,
                               zx_vaddr_t base, zx_vaddr_t end);
void protection_set(struct vm_mapping *mapping, struct region_reserve *reserve, zx_vaddr_t base,
                    zx_vaddr_t end, uint32_t perms);
/* Forgets what lies outside [new_base, new_end), a part of the present extent. Cannot fail. */
void protection_truncate(struct vm_mapping *mapping, zx_vaddr_t new_base, zx_vaddr_t new_end);
/* What moving the permissions at and above `at` to another mapping takes. */
zx_status_t protection_split_reserve(struct region_reserve *tail_reserve, const struct vm_mapping *mapping,
                                     zx_vaddr_t at);
/* Moves them to `tail`, which has none yet; `at` is inside the mapping, not at its edge. */
void protection_split(struct vm_mapping *mapping, struct vm_mapping *tail, zx_vaddr_t at,
                      struct region_reserve *tail_reserve);
/* The ranges tile the mapping, neighbours differ, the tree is sound. False, with a report, when not. */
bool protection_check(const struct vm_mapping *mapping, struct vm_sink *report);

/* vmo.c */
zx_status_t vmo_round_size(uint64_t size, uint64_t *rounded); /* OUT_OF_RANGE */
zx_status_t vmo_create(uint64_t size, bool resizable, struct vm_vmo **out);
void vmo_free(struct vm_vmo *vmo); /* last reference */
uint64_t vmo_size(struct vm_vmo *vmo);
zx_status_t vmo_set_size(struct vm_vmo *vmo, uint64_t size);
/* Turns a range of a slice into one of the VMO behind it; leaves any other. OUT_OF_RANGE: not within the slice. */
zx_status_t vmo_find_target(struct vm_vmo **vmo, uint64_t *offset, uint64_t size);
zx_status_t vmo_commit(struct vm_vmo *vmo, uint64_t offset, uint64_t size);
/* Of pages [first, limit), all or none. NO_MEMORY. */
zx_status_t vmo_commit_locked(struct vm_vmo *vmo, uint64_t first, uint64_t limit);
/* Committing parts of several VMOs, all or none: prepare each part, then finish or release them all; `ready`
   begins as an empty list. Pages and their places are then at hand, and finishing fails (NO_MEMORY) only
   where another thread took such a place away meanwhile. The VMOs must not go away in between. prepare: the
   part is cut at the VMO's end. NO_MEMORY: what is on the list stays there, for the caller to release. */
zx_status_t vmo_commit_prepare(struct vm_vmo *vmo, uint64_t offset, uint64_t size, struct list_node *ready);
zx_status_t vmo_commit_finish(struct list_node *ready);
void vmo_commit_release(struct list_node *ready);
zx_status_t vmo_decommit(struct vm_vmo *vmo, uint64_t offset, uint64_t size);
/* How decommitting a range of a paged VMO that is no slice would end. */
zx_status_t vmo_check_decommit(struct vm_vmo *vmo, uint64_t offset, uint64_t size);
zx_status_t vmo_zero(struct vm_vmo *vmo, uint64_t offset, uint64_t size);
zx_status_t vmo_read(struct vm_vmo *vmo, void *user_to, uint64_t offset, size_t size);
zx_status_t vmo_write(struct vm_vmo *vmo, const void *user_from, uint64_t offset, size_t size);
/* How many pages of [first, limit) (page numbers) the VMO has. O(height of the radix tree), not the pages. */
uint64_t vmo_count_pages_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit);
#define VM_COPY_CHUNK 512 /* bytes moved at a time between a program and a page */
/* How many of `size` bytes from offset one step moves: within a page and the chunk. */
size_t vm_copy_step(uint64_t offset, size_t size);
/* Copies bytes of one page out or in. Errors in order: OUT_OF_RANGE past the end; NO_MEMORY (poke). */
zx_status_t vmo_peek_locked(const struct vm_vmo *vmo, uint64_t offset, char *bytes, size_t size);
zx_status_t vmo_poke_locked(struct vm_vmo *vmo, uint64_t offset, const char *bytes, size_t size);
/* The page at offset (within the size), null where the VMO has none and reads as zero there. O(height of the
   radix tree). */
struct vm_page *vmo_page_locked(const struct vm_vmo *vmo, uint64_t offset);
/* Makes a page that the VMO owns where it has none, zeroed, or where it has a shared one, as a copy; *before is
   the shared page, or null. NO_MEMORY. Then either vmo_page_made_locked or vmo_unmake_page_locked is due. */
zx_status_t vmo_make_page_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page **before);
/* Removes the translations of what was shown at offset until then, but for those in `except` (may be null), and
   lets go of the shared page. */
void vmo_page_made_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page *before,
                          const struct vm_mapping *except);
/* Puts back what was there. The page that was made is in no page table. */
void vmo_unmake_page_locked(struct vm_vmo *vmo, uint64_t offset, struct vm_page *before);
/* How many pages are counted in this VMO; those that no holder counts are from now on. O(1) where no page of it was
   shared since the last call that found none, else O(pages). */
uint64_t vmo_counted_pages_locked(struct vm_vmo *vmo);
/* Removes the translations of [offset, offset + size) from every mapping. */
void vmo_unmap_range_locked(struct vm_vmo *vmo, uint64_t offset, uint64_t size);

/* info.c, for check.c: no lock is taken. False: the usage that is known of its mappings is wrong. */
bool vmo_usage_check(struct vm_vmo *vmo);

/* vmo_device.c */
/* The physical address of the page at offset, and whether it is shared. False: there is no page. */
bool vmo_frame_locked(const struct vm_vmo *vmo, uint64_t offset, zx_paddr_t *frame, bool *shared);
/* Whether any page of [first, limit) is pinned. O(1) where no page of the VMO is. */
bool vmo_is_pinned_locked(const struct vm_vmo *vmo, uint64_t first, uint64_t limit);
/* Cache maintenance for a range. OUT_OF_RANGE. */
zx_status_t vmo_cache(struct vm_vmo *vmo, enum port_cache_operation operation, uint64_t offset,
                      uint64_t size);

/* vmo_child.c; the parent is referenced by the caller. `out` null: everything is tried, nothing is left. */
/* Errors in order: INVALID_ARGS a contiguous VMO; NOT_SUPPORTED a physical one; INVALID_ARGS offset unaligned;
   OUT_OF_RANGE size too large, offset + size overflows; BAD_STATE a page of the range is pinned; NO_MEMORY. */
zx_status_t vmo_create_snapshot(struct vm_vmo *parent, uint64_t offset, uint64_t size, bool resizable,
                                struct vm_vmo **out);
/* Errors in order: INVALID_ARGS offset unaligned; OUT_OF_RANGE as above; INVALID_ARGS not within the parent;
   NOT_SUPPORTED the parent is resizable; NO_MEMORY. */
zx_status_t vmo_create_slice(struct vm_vmo *parent, uint64_t offset, uint64_t size, struct vm_vmo **out);

/* vmo_family.c; none of it can fail. */
/* The parent is referenced by the caller. */
void vmo_join_family(struct vm_vmo *child, struct vm_vmo *parent);
/* The children of a VMO that goes become its parent's. */
void vmo_leave_family(struct vm_vmo *vmo);
/* The parent's number, 0 where there is none, and how many children there are. */
void vmo_family(const struct vm_vmo *vmo, zx_koid_t *parent, size_t *children);
/* What is broken about its children, and its place among its parent's; null: nothing. What holds for each
   VMO holds for all trees. */
const char *vmo_family_check(const struct vm_vmo *vmo);

#define VMO_SIZE_MAX (UINT64_MAX & ~(uint64_t)((64u << ZX_PAGE_SHIFT) - 1))

#endif /* VM_INTERNAL_H_ */
