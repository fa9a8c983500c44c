/* SPDX-License-Identifier: MIT */
/* vmar_map_memory.c: zx_vmar_map: what there is once it has succeeded. */
#include "layout.h"

#define SPECIFIC  ZX_VM_SPECIFIC
#define OVERWRITE ZX_VM_SPECIFIC_OVERWRITE

static zx_vaddr_t addr;

/* The bytes of the part that was asked for, at the place that was asked for. */
TEST(the_part)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    char bytes[6] = "hello", got[6] = "";
    STATUS(ZX_OK, zx_vmo_write(vmo, bytes, 2 * PAGE + 9, sizeof(bytes)));
    OK(zx_vmar_map(vmar, READ_WRITE | SPECIFIC, 8 * PAGE, vmo, PAGE, 4 * PAGE, &addr));
    CHECK_EQUAL(addr, base + 8 * PAGE);
    OK(access_read(addr + PAGE + 9, got, sizeof(got)));
    CHECK(same_bytes(got, bytes, sizeof(got)));
    OK(touch(addr, 'h'));
    CHECK_EQUAL(byte_of(vmo, PAGE), 'h');
    REFUSED(ZX_ERR_ACCESS_DENIED, access_execute(addr, 1));
    REFUSED(ZX_ERR_OUT_OF_RANGE, access_read(addr + 3 * PAGE, got, 1));
    REFUSED(ZX_ERR_NOT_FOUND, access_read(addr + 4 * PAGE, got, 1));
    REFUSED(ZX_ERR_NOT_FOUND, access_read(addr - 1, got, 1));
}

/* A limit says where the mapping goes, and not which part of the VMO it shows. */
TEST(below_a_limit)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    STATUS(ZX_OK, zx_vmo_write(vmo, "x", 2 * PAGE, 1));
    OK(zx_vmar_map(vmar, READ | ZX_VM_OFFSET_IS_UPPER_LIMIT, 2 * PAGE, vmo, 2 * PAGE, 2 * PAGE, &addr));
    CHECK_EQUAL(addr, base);
    CHECK_EQUAL(byte_at(addr), 'x');
    REFUSED(ZX_ERR_NOT_FOUND, access_read(addr + 2 * PAGE, (char[1]){0}, 1));
}

/* A length is rounded up: one byte more is one page more. */
TEST(lengths)
{
    static const size_t lengths[] = {1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE};
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t size = lengths[i] > PAGE ? 2 * PAGE : PAGE;
        char byte = 'x';
        OK(zx_vmar_map(vmar, READ_WRITE | SPECIFIC, PAGE, vmo, 0, lengths[i], &addr));
        NOTE(i);
        STATUS(ZX_ERR_NOT_FOUND, access_read(addr - 1, &byte, 1));
        STATUS(ZX_OK, access_write(addr, &byte, 1));
        STATUS(ZX_OK, access_write(addr + size - 1, &byte, 1));
        STATUS(ZX_ERR_NOT_FOUND, access_read(addr + size, &byte, 1));
        STATUS(ZX_OK, zx_vmar_unmap(vmar, addr, lengths[i]));
    }
}

/* PERM_READ_IF_XOM_UNSUPPORTED is PERM_READ. */
TEST(execute_only_is_unsupported)
{
    zx_vm_option_t xom = ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED;
    zx_handle_t vmo = make_executable_vmo(PAGE), root = zx_vmar_root_self();
    char byte;
    OK(zx_vmar_map(root, xom | EXECUTE, 0, vmo, 0, PAGE, &addr));
    OK(access_read(addr, &byte, 1));
    OK(access_execute(addr, 1));
    REFUSED(ZX_ERR_ACCESS_DENIED, touch(addr, 'x'));
    OK(zx_vmar_map(root, xom | WRITE, 0, vmo, 0, PAGE, &addr));
    OK(touch(addr, 'x'));
    OK(zx_vmar_map(root, xom, 0, vmo, 0, PAGE, &addr));
    OK(access_read(addr, &byte, 1));
    REFUSED(ZX_ERR_ACCESS_DENIED, touch(addr, 'x'));
}

/* A mapping outlives the handles of its VMO and of its VMAR. */
TEST(without_handles)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(PAGE, 0), vmar = make_vmar(EVERYTHING, 16, &base);
    OK(zx_vmar_map(vmar, READ_WRITE, 0, vmo, 0, PAGE, &addr));
    STATUS(ZX_OK, touch(addr, 'x'));
    STATUS(ZX_OK, zx_handle_close(vmo));
    STATUS(ZX_OK, zx_handle_close(vmar));
    CHECK_EQUAL(byte_at(addr), 'x');
    STATUS(ZX_OK, touch(addr, 'y'));
    CHECK_EQUAL(byte_at(addr), 'y');
    OK(zx_vmar_unmap(zx_vmar_root_self(), base, 16 * PAGE));
    REFUSED(ZX_ERR_NOT_FOUND, touch(addr, 'z'));
}

/* Each range of the first pages is overwritten: what is in the range is new, what is not stays as it was. */
TEST(overwriting)
{
    enum { PAGES = 12 };
    make_layout();
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0);
    for (size_t i = 0; i < PAGES; i++)
        STATUS(ZX_OK, zx_vmo_write(vmo, "n", i * PAGE, 1));
    for (size_t from = 0; from < PAGES; from++)
        for (size_t end = from + 1; end <= PAGES; end++) {
            NOTE(from);
            NOTE(end);
            OK(zx_vmar_map(layout.vmar, READ_WRITE | OVERWRITE, from * PAGE, vmo, 0, (end - from) * PAGE,
                           &addr));
            CHECK_EQUAL(addr, layout_at(from));
            for (size_t i = from; i < end; i++)
                layout.pages[i] = (struct layout_page){.mapped = true, .perms = READ_WRITE, .byte = 'n'};
            check_layout();
            restore_layout();
        }
}

/* Over itself; over nothing; and a child VMAR that is touched refuses it. */
TEST(overwriting_in_particular)
{
    make_layout();
    OK(zx_vmar_map(layout.vmar, READ_WRITE | OVERWRITE, PAGE, layout.vmo, PAGE, PAGE, &addr));
    OK(zx_vmar_map(layout.vmar, READ_WRITE | OVERWRITE, 0, layout.vmo, 0, 4 * PAGE, &addr));
    check_layout();
    OK(zx_vmar_map(layout.vmar, READ_WRITE | OVERWRITE, 16 * PAGE, layout.vmo, 0, 2 * PAGE, &addr));
    OK(zx_vmar_unmap(layout.vmar, addr, 2 * PAGE));
    for (size_t from = 11; from < 16; from++)
        for (size_t count = 1 + (from == 11); count < 8; count++)
            REFUSED(ZX_ERR_INVALID_ARGS, zx_vmar_map(layout.vmar, READ_WRITE | OVERWRITE, from * PAGE,
                                                     layout.vmo, 0, count * PAGE, &addr));
    check_layout();
}

/* MAP_RANGE enters the pages that the VMO has: they need no memory to be used. */
TEST(map_range)
{
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(4 * PAGE, 0), vmar = make_vmar(EVERYTHING | ALIGN(21), 16, &base);
    char byte = 'x';
    STATUS(ZX_OK, zx_vmo_write(vmo, "a", PAGE, 1));
    for (unsigned i = 0; i < 3; i++) {
        zx_vm_option_t perms = i == 0 ? READ : i == 1 ? READ_WRITE : 0;
        OK_ONCE(zx_vmar_map(vmar, perms | SPECIFIC | ZX_VM_MAP_RANGE, 4 * i * PAGE, vmo, 0, 4 * PAGE, &addr));
        NOTE(i);
        (void)conformance_fail_allocation(1, true);
        if (perms != 0)
            OK_ONCE(access_read(addr + PAGE, &byte, 1));
        (void)conformance_fail_allocation(0, false);
        if (perms == 0)
            REFUSED(ZX_ERR_ACCESS_DENIED, access_read(addr + PAGE, &byte, 1));
        else
            CHECK_EQUAL(byte, 'a');
        CHECK_EQUAL(vmo_info_of(vmo).committed_bytes, PAGE);
    }
    REFUSED(ZX_ERR_ACCESS_DENIED, touch(base + PAGE, 'x'));
    OK(touch(base + 5 * PAGE, 'b'));
    CHECK_EQUAL(byte_at(base + PAGE), 'b');
}

/* A resizable VMO may be mapped, and ALLOW_FAULTS says that one knows. */
TEST(allow_faults)
{
    zx_handle_t vmo = make_vmo(PAGE, ZX_VMO_RESIZABLE);
    for (unsigned i = 0; i < 2; i++) {
        OK(zx_vmar_map(zx_vmar_root_self(), READ_WRITE | (i == 0 ? ZX_VM_ALLOW_FAULTS : 0), 0, vmo, 0,
                       2 * PAGE, &addr));
        STATUS(ZX_ERR_OUT_OF_RANGE, touch(addr + PAGE, 'x'));
        STATUS(ZX_OK, zx_vmo_set_size(vmo, 2 * PAGE));
        STATUS(ZX_OK, touch(addr + PAGE, 'x'));
        STATUS(ZX_OK, zx_vmo_set_size(vmo, PAGE));
    }
}

/* Many mappings side by side, of pages that follow each other or do not, with permissions that are alike
   or not: each shows its own page, whatever the core makes of them. Made once: a result pointer that is good
   when it is tried and bad when it is used, as OK has it, may leave the VMAR's tree with a node more. */
TEST(neighbours)
{
    enum { PAGES = 16 };
    zx_vaddr_t base;
    zx_handle_t vmo = make_vmo(PAGES * PAGE, 0), vmar = make_vmar(EVERYTHING, PAGES, &base);
    for (size_t i = 0; i < PAGES; i++) {
        char byte = LETTER(i);
        STATUS(ZX_OK, zx_vmo_write(vmo, &byte, i * PAGE, 1));
    }
    for (unsigned round = 0; round < 8; round++) {
        for (size_t i = 0; i < PAGES; i++) {
            size_t at = (5 * i + round) % PAGES, page = round % 2 == 0 ? at : PAGES - 1 - at;
            zx_vm_option_t perms = (round & 2) != 0 && at % 4 == 0 ? READ : READ_WRITE;
            zx_vm_option_t how = (round & 4) != 0 ? OVERWRITE : SPECIFIC;
            OK_ONCE(zx_vmar_map(vmar, perms | how, at * PAGE, vmo, page * PAGE, PAGE, &addr));
        }
        for (size_t at = 0; at < PAGES; at++) {
            CHECK_EQUAL(byte_at(base + at * PAGE), LETTER(round % 2 == 0 ? at : PAGES - 1 - at));
            STATUS((round & 2) != 0 && at % 4 == 0 ? ZX_ERR_ACCESS_DENIED : ZX_OK,
                   touch(base + at * PAGE, byte_at(base + at * PAGE)));
        }
        if ((round & 4) == 0)
            STATUS(ZX_OK, zx_vmar_unmap(vmar, base, PAGES * PAGE));
    }
}

/* A VMAR of another process is divided by the same calls, and only that process sees it. With the process
   goes its root. */
TEST(another_process)
{
    zx_handle_t process, root, child, vmo = make_vmo(PAGE, 0);
    zx_vaddr_t base;
    size_t actual;
    char byte = '?';
    STATUS(ZX_OK, zx_process_create(ZX_HANDLE_INVALID, "", 0, 0, &process, &root));
    STATUS(ZX_OK, zx_vmo_write(vmo, "x", 0, 1));
    OK(zx_vmar_allocate(root, EVERYTHING, 0, 4 * PAGE, &child, &base));
    OK(zx_vmar_map(child, READ | SPECIFIC, PAGE, vmo, 0, PAGE, &addr));
    CHECK_EQUAL(addr, base + PAGE);
    STATUS(ZX_OK, zx_process_read_memory(process, addr, &byte, 1, &actual));
    CHECK_EQUAL(byte, 'x');
    REFUSED(ZX_ERR_NOT_FOUND, access_read(addr, &byte, 1));
    OK(zx_vmar_protect(root, READ, addr, PAGE));
    OK(zx_vmar_unmap(child, addr, PAGE));
    REFUSED(ZX_ERR_NO_MEMORY, zx_process_read_memory(process, addr, &byte, 1, &actual));
    STATUS(ZX_OK, zx_handle_close(process));
    for (unsigned i = 0; i < 2; i++) {
        zx_handle_t dead = i == 0 ? root : child, inner;
        NOTE(i);
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_allocate(dead, 0, 0, PAGE, &inner, &base));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_map(dead, READ, 0, vmo, 0, PAGE, &base));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_unmap(dead, addr, PAGE));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_protect(dead, READ, addr, PAGE));
        REFUSED(ZX_ERR_BAD_STATE, zx_vmar_op_range(dead, ZX_VMAR_OP_COMMIT, addr, PAGE, NULL, 0));
    }
    REFUSED(ZX_ERR_BAD_STATE, zx_vmar_destroy(child));
    REFUSED(ZX_ERR_NOT_SUPPORTED, zx_vmar_destroy(root));
}

const struct conformance_test vmar_map_memory_tests[] = {CASE(the_part),
                                                         CASE(below_a_limit),
                                                         CASE(lengths),
                                                         CASE(execute_only_is_unsupported),
                                                         CASE(without_handles),
                                                         CASE(overwriting),
                                                         CASE(overwriting_in_particular),
                                                         CASE(map_range),
                                                         CASE(allow_faults),
                                                         CASE(neighbours),
                                                         CASE(another_process),
                                                         NO_MORE_CASES};
