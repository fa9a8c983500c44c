/* SPDX-License-Identifier: MIT */
/* object_info.c: zx_object_get_info: what all topics have in common, and what each tells. */
#include "matrix.h"

#define PAGE       ZX_PAGE_SIZE
#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static const struct topic {
    uint32_t topic;
    size_t size;        /* of a record; 0: there is none */
    zx_obj_type_t type; /* NONE: any */
    zx_rights_t right;
    bool array;
} topics[] = {
    {ZX_INFO_HANDLE_VALID, 0, ZX_OBJ_TYPE_NONE, ZX_RIGHT_NONE, false},
    {ZX_INFO_HANDLE_BASIC, sizeof(zx_info_handle_basic_t), ZX_OBJ_TYPE_NONE, ZX_RIGHT_NONE, false},
    {ZX_INFO_PROCESS, sizeof(zx_info_process_t), ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, false},
    {ZX_INFO_VMAR, sizeof(zx_info_vmar_t), ZX_OBJ_TYPE_VMAR, ZX_RIGHT_INSPECT, false},
    {ZX_INFO_TASK_STATS, sizeof(zx_info_task_stats_t), ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, false},
    {ZX_INFO_PROCESS_MAPS, sizeof(zx_info_maps_t), ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_INSPECT, true},
    {ZX_INFO_KMEM_STATS, sizeof(zx_info_kmem_stats_t), ZX_OBJ_TYPE_NONE, ZX_RIGHT_INSPECT, false},
    {ZX_INFO_HANDLE_COUNT, sizeof(zx_info_handle_count_t), ZX_OBJ_TYPE_NONE, ZX_RIGHT_INSPECT, false},
    {ZX_INFO_VMO, sizeof(zx_info_vmo_t), ZX_OBJ_TYPE_VMO, ZX_RIGHT_NONE, false},
};

#define TOPICS (sizeof(topics) / sizeof(topics[0]))

static const struct topic *topic;
static zx_handle_t asked, wrong, denied, closed;
static size_t actual, avail;
static char record[1024];

static struct {
    zx_handle_t handle;
    uint32_t topic;
    void *buffer;
    size_t size;
    size_t *actual, *avail;
} args;

static void good(void)
{
    args.handle = asked;
    args.topic = topic->topic;
    args.buffer = record;
    args.size = topic->size;
    args.actual = &actual;
    args.avail = &avail;
}

static zx_status_t call(void)
{
    return zx_object_get_info(args.handle, args.topic, args.buffer, args.size, args.actual, args.avail);
}

static void begin(const struct topic *chosen)
{
    zx_handle_t root;
    topic = chosen;
    closed = closed_handle();
    asked = chosen->type == ZX_OBJ_TYPE_PROCESS ? make_process(&root)
            : chosen->type == ZX_OBJ_TYPE_VMAR  ? zx_vmar_root_self()
                                                : make_vmo(PAGE, 0);
    wrong = zx_job_default();
    denied = without(asked, chosen->right);
    good();
}

/* ---- Refusals ---- */

static zx_status_t spoil_results(unsigned nth)
{
    if (topic->size != 0 && !topic->array && nth-- == 0) {
        args.size = topic->size - 1;
        return ZX_ERR_BUFFER_TOO_SMALL;
    }
    if (topic->size != 0 && nth-- == 0) {
        args.buffer = NULL;
        return ZX_ERR_INVALID_ARGS;
    }
    if (nth == 0)
        args.actual = BAD_POINTER;
    else if (nth == 1)
        args.avail = BAD_POINTER;
    return nth < 2 ? ZX_ERR_INVALID_ARGS : ZX_OK;
}

static zx_status_t spoil(unsigned nth)
{
    if (nth-- == 0) {
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    }
    if (topic->type != ZX_OBJ_TYPE_NONE && nth-- == 0) {
        args.handle = wrong;
        return ZX_ERR_WRONG_TYPE;
    }
    if (topic->right != ZX_RIGHT_NONE && nth-- == 0) {
        args.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    }
    return spoil_results(nth);
}

static zx_status_t call_on(zx_handle_t handle)
{
    args.handle = handle;
    return call();
}

TEST(errors_in_order)
{
    for (unsigned i = 0; i < TOPICS; i++) {
        begin(&topics[i]);
        check_errors(&(const struct errors){good, spoil, call});
        good();
        check_handles(call_on, asked, topic->type, topic->right);
    }
}

/* Any handle will do where the topic is of none type. */
TEST(topics_of_all_types)
{
    zx_vaddr_t base;
    const zx_handle_t handles[] = {make_vmo(PAGE, 0), make_vmar(0, 1, &base), zx_vmar_root_self(),
                                   zx_process_self(), zx_job_default(),       make_thread(zx_process_self())};
    for (unsigned i = 0; i < TOPICS; i++) {
        begin(&topics[i]);
        for (unsigned j = 0; j < 6 && topic->type == ZX_OBJ_TYPE_NONE; j++)
            OK(call_on(handles[j]));
    }
}

static bool is_known(uint32_t number)
{
    for (unsigned i = 0; i < TOPICS; i++)
        if (topics[i].topic == number)
            return true;
    return false;
}

/* Nothing is looked at but the handle, and of that no right. */
static void check_unknown(uint32_t number)
{
    if (is_known(number))
        return;
    args.topic = number;
    REFUSED(ZX_ERR_NOT_SUPPORTED, call_on(asked));
    REFUSED(ZX_ERR_NOT_SUPPORTED, call_on(denied));
    REFUSED(ZX_ERR_BAD_HANDLE, call_on(closed));
}

TEST(every_topic)
{
    begin(&topics[0]);
    denied = with_rights(asked, ZX_RIGHT_NONE);
    args.buffer = args.actual = args.avail = BAD_POINTER;
    for (uint32_t number = 0; number < 64; number++)
        check_unknown(number);
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++)
            check_unknown(1u << first | 1u << second);
    check_unknown(UINT32_MAX);
}

/* ---- The buffer ---- */

/* With a buffer of this size, whichever of the counts are wanted. */
static void check_size(size_t size)
{
    bool fits = size >= topic->size;
    for (unsigned wanted = 0; wanted < 4; wanted++) {
        fill(record, '?', sizeof(record));
        actual = avail = 77;
        args.size = size;
        args.actual = (wanted & 1) != 0 ? &actual : NULL;
        args.avail = (wanted & 2) != 0 ? &avail : NULL;
        if (fits || topic->array)
            OK_ONCE(call());
        else
            REFUSED(ZX_ERR_BUFFER_TOO_SMALL, call());
        size_t records = topic->size == 0 ? 0 : topic->array ? size / topic->size : fits;
        size_t there = topic->size == 0 ? 0 : topic->array ? 2 : 1;
        records = records < there ? records : there;
        CHECK_EQUAL(actual, args.actual != NULL ? records : 77);
        CHECK_EQUAL(avail, args.avail != NULL ? there : 77);
        size_t told = records * topic->size;
        CHECK(told == 0 || !all_bytes(record, '?', told));
        CHECK(all_bytes(record + told, '?', sizeof(record) - told));
    }
}

TEST(buffers)
{
    for (unsigned i = 0; i < TOPICS; i++) {
        begin(&topics[i]);
        OK(call());
        const size_t sizes[] = {0,
                                1,
                                topic->size - 1,
                                topic->size,
                                topic->size + 1,
                                2 * topic->size - 1,
                                2 * topic->size,
                                3 * topic->size,
                                PAGE - 1,
                                PAGE,
                                (size_t)1 << 47,
                                SIZE_MAX};
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
            if (sizes[j] != SIZE_MAX || topic->size != 0)
                check_size(sizes[j]);
        /* A buffer that is too small is not looked at, and counts that cannot be told change no answer. */
        args.size = topic->size - 1;
        args.buffer = args.actual = args.avail = BAD_POINTER;
        if (topic->size != 0 && !topic->array)
            REFUSED(ZX_ERR_BUFFER_TOO_SMALL, call());
        if (topic->array) {
            args.actual = args.avail = NULL;
            OK(call());
        }
    }
}

/* ---- HANDLE_BASIC, HANDLE_COUNT, VMAR ---- */

TEST(basic)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(PAGE, 0), vmar = make_vmar(0, 1, &base);
    const struct {
        zx_handle_t handle;
        zx_obj_type_t type;
        zx_rights_t rights;
    } expected[] = {
        {vmo, ZX_OBJ_TYPE_VMO, ZX_DEFAULT_VMO_RIGHTS},
        {with_rights(vmo, ZX_RIGHT_MAP), ZX_OBJ_TYPE_VMO, ZX_RIGHT_MAP},
        {vmar, ZX_OBJ_TYPE_VMAR, ZX_DEFAULT_VMAR_RIGHTS},
        {zx_vmar_root_self(), ZX_OBJ_TYPE_VMAR,
         ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE},
        {zx_process_self(), ZX_OBJ_TYPE_PROCESS, ZX_DEFAULT_PROCESS_RIGHTS},
        {zx_job_default(), ZX_OBJ_TYPE_JOB, ZX_DEFAULT_JOB_RIGHTS},
        {make_thread(zx_process_self()), ZX_OBJ_TYPE_THREAD, ZX_DEFAULT_THREAD_RIGHTS},
    };
    zx_koid_t own = basic_of(zx_process_self()).koid;
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        zx_info_handle_basic_t info = basic_of(expected[i].handle);
        CHECK_EQUAL(info.type, expected[i].type);
        CHECK_EQUAL(info.rights, expected[i].rights);
        CHECK_EQUAL(info.related_koid, info.type == ZX_OBJ_TYPE_THREAD ? own : 0);
        CHECK_EQUAL(info.reserved, 0);
        CHECK(all_bytes((const char *)info.padding1, 0, sizeof(info.padding1)));
        CHECK(info.koid != ZX_KOID_INVALID && info.koid != ZX_KOID_KERNEL);
        CHECK_EQUAL(info.koid >= ZX_KOID_FIRST, info.type != ZX_OBJ_TYPE_JOB);
        for (unsigned j = 2; j < i; j++)
            CHECK(info.koid != basic_of(expected[j].handle).koid);
    }
    CHECK_EQUAL(basic_of(expected[0].handle).koid, basic_of(expected[1].handle).koid);
}

TEST(handle_count)
{
    zx_handle_t vmo = make_vmo(PAGE, 0), process, root;
    zx_vaddr_t at;
    CHECK_EQUAL(handle_count_of(vmo), 1);
    zx_handle_t second = without(vmo, ZX_RIGHT_NONE), third = with_rights(vmo, ZX_RIGHT_INSPECT);
    CHECK_EQUAL(handle_count_of(third), 3);
    OK_ONCE(zx_handle_close(vmo));
    OK_ONCE(zx_handle_close(second));
    CHECK_EQUAL(handle_count_of(third), 1);
    vmo = make_vmo(PAGE, 0);
    OK(zx_vmar_map(zx_vmar_root_self(), READ, 0, vmo, 0, PAGE, &at));
    CHECK_EQUAL(handle_count_of(vmo), 1); /* a mapping is no handle */
    /* A process has a handle to itself and one to its root VMAR. */
    process = make_process(&root);
    CHECK_EQUAL(handle_count_of(process), 2);
    CHECK_EQUAL(handle_count_of(root), 2);
}

static zx_info_vmar_t vmar_info(zx_handle_t vmar)
{
    zx_info_vmar_t info;
    OK(zx_object_get_info(vmar, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    return info;
}

TEST(vmar)
{
    zx_vaddr_t base;
    zx_handle_t made = make_vmar(0, 4, &base);
    zx_info_vmar_t info = vmar_info(made);
    CHECK_EQUAL(info.base, base);
    CHECK_EQUAL(info.len, 4 * PAGE);
    /* One that is dead is where it was. */
    OK(zx_vmar_destroy(made));
    info = vmar_info(made);
    CHECK_EQUAL(info.base, base);
    CHECK_EQUAL(info.len, 4 * PAGE);
    info = vmar_info(zx_vmar_root_self());
    CHECK_EQUAL(info.base, 0x1000000);
    CHECK_EQUAL(info.base + info.len, 0x7ffffffff000);
}

/* ---- VMO ---- */

TEST(vmo)
{
    zx_handle_t made = make_vmo(8 * PAGE, ZX_VMO_RESIZABLE), bare = with_rights(made, 0), process, root;
    zx_vaddr_t at;
    zx_info_vmo_t info = vmo_info_of(made);
    CHECK_EQUAL(info.koid, basic_of(made).koid);
    CHECK_EQUAL(info.size_bytes, 8 * PAGE);
    CHECK_EQUAL(info.flags, ZX_INFO_VMO_TYPE_PAGED | ZX_INFO_VMO_RESIZABLE | ZX_INFO_VMO_VIA_HANDLE);
    CHECK_EQUAL(info.handle_rights, ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_RESIZE);
    CHECK_EQUAL(info.cache_policy, 0);
    CHECK(all_bytes(info.name, 0, sizeof(info.name)));
    CHECK(all_bytes((const char *)info.padding1, 0, sizeof(info.padding1)));
    CHECK_EQUAL(vmo_info_of(bare).handle_rights, 0);
    OK(zx_object_set_property(made, ZX_PROP_NAME, "name", 4));
    OK_ONCE(zx_vmo_write(made, "a", PAGE, 1));
    OK_ONCE(zx_vmo_write(made, "a", 3 * PAGE - 1, 1));
    OK_ONCE(zx_vmo_write(made, "a", 7 * PAGE, 1));
    OK(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root));
    for (unsigned i = 0; i < 3; i++)
        OK(zx_vmar_map(zx_vmar_root_self(), READ, 0, made, i * 2 * PAGE, PAGE, &at));
    OK(zx_vmar_map(root, READ, 0, made, 0, PAGE, &at));
    info = vmo_info_of(made);
    CHECK(same_bytes(info.name, "name\0", 6));
    CHECK_EQUAL(info.committed_bytes, 3 * PAGE);
    CHECK_EQUAL(info.num_mappings, 4);
    CHECK_EQUAL(info.share_count, 2);
    OK(zx_vmar_unmap(root, at, PAGE));
    OK(zx_vmo_set_size(made, 2 * PAGE));
    info = vmo_info_of(made);
    CHECK_EQUAL(info.num_mappings, 3);
    CHECK_EQUAL(info.share_count, 1);
    CHECK_EQUAL(info.committed_bytes, PAGE);
    CHECK_EQUAL(info.size_bytes, 2 * PAGE);
}

/* However many spaces map it, each is counted. */
TEST(many_shares)
{
    enum { MANY = 70 };
    zx_handle_t made = make_vmo(PAGE, 0), root;
    for (unsigned i = 0; i < MANY; i++) {
        (void)make_process(&root);
        (void)map_at(root, READ, 0, made, 0, 1);
        CHECK_EQUAL(vmo_info_of(made).share_count, i + 1);
    }
}

/* ---- TASK_STATS, KMEM_STATS ---- */

static void check_stats(zx_handle_t process, size_t mapped, size_t private, size_t shared, size_t scaled)
{
    zx_info_task_stats_t info;
    OK(zx_object_get_info(process, ZX_INFO_TASK_STATS, &info, sizeof(info), NULL, NULL));
    CHECK_EQUAL(info.mem_mapped_bytes, mapped);
    CHECK_EQUAL(info.mem_private_bytes, private);
    CHECK_EQUAL(info.mem_shared_bytes, shared);
    CHECK_EQUAL(info.mem_scaled_shared_bytes, scaled);
}

TEST(task_stats)
{
    zx_handle_t made = make_vmo(8 * PAGE, 0), roots[3], outer, child;
    zx_handle_t first = make_process(&roots[0]), second = make_process(&roots[1]),
                third = make_process(&roots[2]);
    check_stats(first, 0, 0, 0, 0);
    outer = make_vmar_at(roots[0], EVERYTHING, PAGE, 32);
    child = make_vmar_at(outer, EVERYTHING, 8 * PAGE, 16);
    (void)map_at(child, READ_WRITE, 0, made, 0, 8);
    check_stats(first, 8 * PAGE, 0, 0, 0);
    for (unsigned i = 0; i < 6; i++)
        OK_ONCE(zx_vmo_write(made, "a", i * PAGE, 1));
    check_stats(first, 8 * PAGE, 6 * PAGE, 0, 0);
    /* The first four pages in a second process, the first two in a third. */
    (void)map_at(roots[1], READ, 0, made, 0, 4);
    (void)map_at(roots[2], 0, 0, made, 0, 2);
    check_stats(first, 8 * PAGE, 2 * PAGE, 4 * PAGE, 2 * (PAGE / 2) + 2 * (PAGE / 3));
    check_stats(second, 4 * PAGE, 0, 4 * PAGE, 2 * (PAGE / 2) + 2 * (PAGE / 3));
    check_stats(third, 2 * PAGE, 0, 2 * PAGE, 2 * (PAGE / 3));
    /* Twice in one space counts twice, but is one space. */
    (void)map_at(outer, READ, 0, made, 5 * PAGE, 1);
    check_stats(first, 9 * PAGE, 3 * PAGE, 4 * PAGE, 2 * (PAGE / 2) + 2 * (PAGE / 3));
    OK_ONCE(zx_handle_close(third));
    check_stats(first, 9 * PAGE, 3 * PAGE, 4 * PAGE, 4 * (PAGE / 2));
}

static zx_info_kmem_stats_t kmem(void)
{
    zx_info_kmem_stats_t info = kmem_stats();
    CHECK_EQUAL(info.total_bytes, zx_system_get_physmem());
    CHECK_EQUAL(info.free_bytes + info.wired_bytes + info.total_heap_bytes + info.vmo_bytes +
                    info.mmu_overhead_bytes + info.ipc_bytes + info.other_bytes,
                info.total_bytes);
    CHECK(info.free_heap_bytes <= info.total_heap_bytes);
    CHECK_EQUAL(info.ipc_bytes, 0);
    return info;
}

TEST(kmem_figures)
{
    zx_handle_t made = make_vmo(8 * PAGE, 0);
    zx_vaddr_t at;
    char byte;
    zx_info_kmem_stats_t before = kmem();
    OK(zx_vmo_op_range(made, ZX_VMO_OP_COMMIT, 0, 8 * PAGE, NULL, 0));
    CHECK_EQUAL(kmem().vmo_bytes, before.vmo_bytes + 8 * PAGE);
    OK(zx_vmar_map(zx_vmar_root_self(), READ, 0, made, 0, 8 * PAGE, &at));
    OK(access_read(at, &byte, 1));
    zx_info_kmem_stats_t after = kmem();
    CHECK(after.mmu_overhead_bytes > before.mmu_overhead_bytes);
    CHECK_EQUAL(after.wired_bytes, before.wired_bytes);
    CHECK(after.free_bytes < before.free_bytes);
    OK(zx_vmo_op_range(made, ZX_VMO_OP_DECOMMIT, 0, 8 * PAGE, NULL, 0));
    CHECK_EQUAL(kmem().vmo_bytes, before.vmo_bytes);
}

const struct conformance_test object_info_tests[] = {
    CASE(errors_in_order), CASE(topics_of_all_types), CASE(every_topic),  CASE(buffers),
    CASE(basic),           CASE(handle_count),        CASE(vmar),         CASE(vmo),
    CASE(many_shares),     CASE(task_stats),          CASE(kmem_figures), NO_MORE_CASES};
