/* SPDX-License-Identifier: MIT */
/* object_maps.c: the records of ZX_INFO_PROCESS_MAPS. */
#include "matrix.h"

#define PAGE       ZX_PAGE_SIZE
#define READ       ZX_VM_PERM_READ
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define CAN_MAP    (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC)

#define ASPACE  ZX_INFO_MAPS_TYPE_ASPACE
#define VMAR    ZX_INFO_MAPS_TYPE_VMAR
#define MAPPING ZX_INFO_MAPS_TYPE_MAPPING

/* Of user spaces. */
#define SPACE_BASE 0x1000000
#define SPACE_SIZE (0x7ffffffff000 - SPACE_BASE)

#define RECORDS 32
static zx_info_maps_t records[RECORDS];

/* How many there are. */
static size_t maps_of(zx_handle_t process)
{
    size_t actual, avail;
    OK(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records, sizeof(records), &actual, &avail));
    CHECK_EQUAL(actual, avail < RECORDS ? avail : RECORDS);
    return avail;
}

struct expected {
    size_t depth;
    zx_info_maps_type_t type;
    zx_vaddr_t base;
    size_t size;
};

static void check_records(const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(records[i].depth, expected[i].depth);
        CHECK_EQUAL(records[i].type, expected[i].type);
        CHECK_EQUAL(records[i].base, expected[i].base);
        CHECK_EQUAL(records[i].size, expected[i].size);
        CHECK(all_bytes((const char *)records[i].padding1, 0, sizeof(records[i].padding1)));
        if (records[i].type != MAPPING)
            CHECK(all_bytes((const char *)&records[i].u, 0, sizeof(records[i].u)));
    }
}

static zx_handle_t process, root, pages;

/*
 *  outer  [0 inner [0 deep [0 mapping 0..2]  4) 8)  mapping 8..12 (three parts)  empty [12..14)  16)
 * every address at which several begin, and a mapping that ends with all its ancestors
 */
static zx_vaddr_t build(void)
{
    const zx_vm_option_t vmar_at = CAN_MAP | ZX_VM_SPECIFIC, at = ZX_VM_SPECIFIC;
    zx_handle_t outer, inner, deep, empty, last;
    zx_vaddr_t base, addr;
    pages = make_vmo(16 * PAGE, 0);
    OK(zx_process_create(ZX_HANDLE_INVALID, "victim", 6, 0, &process, &root));
    CHECK_EQUAL(maps_of(process), 2);
    OK(zx_object_set_property(pages, ZX_PROP_NAME, "pages", 5));
    OK_ONCE(zx_vmo_write(pages, "x", 9 * PAGE, 1));
    OK_ONCE(zx_vmo_write(pages, "x", 10 * PAGE, 1));
    OK(zx_vmar_allocate(root, CAN_MAP, 0, 16 * PAGE, &outer, &base));
    OK(zx_vmar_allocate(outer, vmar_at, 0, 8 * PAGE, &inner, &addr));
    OK(zx_vmar_allocate(inner, vmar_at, 0, 4 * PAGE, &deep, &addr));
    OK(zx_vmar_map(deep, READ_WRITE | at, 0, pages, 0, 2 * PAGE, &addr));
    OK(zx_vmar_map(outer, READ_WRITE | at, 8 * PAGE, pages, 8 * PAGE, 4 * PAGE, &addr));
    OK(zx_vmar_protect(root, READ, addr + PAGE, PAGE));
    OK(zx_vmar_allocate(outer, vmar_at, 12 * PAGE, 2 * PAGE, &empty, &addr));
    OK(zx_vmar_allocate(outer, vmar_at, 14 * PAGE, 2 * PAGE, &last, &addr));
    OK(zx_vmar_map(last, at, PAGE, pages, 15 * PAGE, PAGE, &addr));
    return base;
}

TEST(tree)
{
    zx_vaddr_t base = build();
    const struct expected expected[] = {
        {0, ASPACE, SPACE_BASE, SPACE_SIZE},
        {1, VMAR, SPACE_BASE, SPACE_SIZE},
        {2, VMAR, base, 16 * PAGE},
        {3, VMAR, base, 8 * PAGE},
        {4, VMAR, base, 4 * PAGE},
        {5, MAPPING, base, 2 * PAGE},
        {3, MAPPING, base + 8 * PAGE, PAGE},
        {3, MAPPING, base + 9 * PAGE, PAGE},
        {3, MAPPING, base + 10 * PAGE, 2 * PAGE},
        {3, VMAR, base + 12 * PAGE, 2 * PAGE},
        {3, VMAR, base + 14 * PAGE, 2 * PAGE},
        {4, MAPPING, base + 15 * PAGE, PAGE},
    };
    enum { COUNT = sizeof(expected) / sizeof(expected[0]) };
    CHECK_EQUAL(maps_of(process), COUNT);
    check_records(expected, COUNT);
    CHECK(same_bytes(records[0].name, "victim", 7));
    CHECK(same_bytes(records[2].name, "", 1));
    CHECK(same_bytes(records[7].name, "pages", 6));
    const struct {
        zx_vm_option_t perms;
        uint64_t offset;
        size_t committed;
    } mappings[COUNT] = {[5] = {READ_WRITE, 0, 0},
                         [6] = {READ_WRITE, 8 * PAGE, 0},
                         [7] = {READ, 9 * PAGE, 1},
                         [8] = {READ_WRITE, 10 * PAGE, 1},
                         [11] = {0, 15 * PAGE, 0}};
    for (unsigned i = 0; i < COUNT; i++) {
        const zx_info_maps_mapping_t *mapping = &records[i].u.mapping;
        CHECK_EQUAL(mapping->mmu_flags, mappings[i].perms);
        CHECK_EQUAL(mapping->vmo_offset, mappings[i].offset);
        CHECK_EQUAL(mapping->committed_pages, mappings[i].committed);
        CHECK_EQUAL(mapping->vmo_koid, records[i].type == MAPPING ? basic_of(pages).koid : 0);
    }
    /* As many as fit, whole ones only, and the buffer's rest untouched. */
    for (size_t room = 0; room <= COUNT; room++) {
        size_t actual, avail;
        fill((char *)records, '?', sizeof(records));
        OK(zx_object_get_info(process, ZX_INFO_PROCESS_MAPS, records,
                              room * sizeof(*records) + sizeof(*records) - 1, &actual, &avail));
        CHECK_EQUAL(actual, room);
        CHECK_EQUAL(avail, COUNT);
        check_records(expected, room);
        CHECK(all_bytes((const char *)&records[room], '?', (RECORDS - room) * sizeof(*records)));
    }
}

/* Depth is no matter of stack. */
TEST(deep)
{
    enum { DEPTH = 3000 };
    zx_vaddr_t base;
    process = make_process(&root);
    zx_handle_t at = make_vmar_at(root, CAN_MAP, PAGE, DEPTH);
    for (size_t i = 1; i < DEPTH; i++)
        STATUS(ZX_OK, zx_vmar_allocate(at, CAN_MAP | ZX_VM_SPECIFIC, 0, (DEPTH - i) * PAGE, &at, &base));
    CHECK_EQUAL(maps_of(process), 2 + DEPTH);
    CHECK_EQUAL(records[RECORDS - 1].depth, RECORDS - 1);
}

const struct conformance_test object_maps_tests[] = {CASE(tree), CASE(deep), NO_MORE_CASES};
