/* SPDX-License-Identifier: MIT */
/*
 * test_elf.c: the loader of programs (kernel/elf.c): where segments go and what they show; every refusal, which leaves nothing;
 * files cut short anywhere, and files with any byte changed.
 */
#include "calls.h"

#include "../../kernel/elf.h"

#define READ  ELF_PF_R
#define WRITE ELF_PF_W
#define EXEC  ELF_PF_X

#define RODATA 0 /* segments of the good file */
#define TEXT   1
#define DATA   2
#define OTHER  3 /* not to be loaded */

#define FILE_SIZE (4 * PAGE)
#define DATA_FILE 0x123
#define DATA_SIZE (2 * PAGE + 7)

static struct file {
    struct elf_header header;
    struct elf_segment segments[4];
    char bytes[FILE_SIZE - sizeof(struct elf_header) - 4 * sizeof(struct elf_segment)];
} file;

/* A byte of the file that tells where it is. */
static char byte_at_offset(size_t offset)
{
    return (char)(offset / PAGE * 16 + offset % 13 + 1);
}

/* One page of constants, one of code at page 1, data from the middle of page 3 on (of the file: of page 2). */
static void make_file(void)
{
    const struct elf_header header = {.magic = {0x7f, 'E', 'L', 'F'},
                                      .class = ELF_CLASS_64,
                                      .data = ELF_DATA_LITTLE,
                                      .version = ELF_VERSION,
                                      .type = ELF_TYPE_SHARED,
                                      .machine = ELF_MACHINE_X86_64,
                                      .entry = PAGE + 16,
                                      .segment_offset = sizeof(struct elf_header),
                                      .segment_entry_size = sizeof(struct elf_segment),
                                      .segment_count = 4};
    for (size_t i = 0; i < sizeof(file); i++)
        ((char *)&file)[i] = byte_at_offset(i);
    file.header = header;
    file.segments[RODATA] = (struct elf_segment){ELF_PT_LOAD, READ, 0, 0, 0, PAGE, PAGE, PAGE};
    file.segments[TEXT] = (struct elf_segment){ELF_PT_LOAD, READ | EXEC, PAGE, PAGE, 0, 100, 100, PAGE};
    file.segments[DATA] = (struct elf_segment){ELF_PT_LOAD, READ | WRITE, 2 * PAGE + 0x800, 3 * PAGE + 0x800,
                                               0,           DATA_FILE,    DATA_SIZE,        PAGE};
    file.segments[OTHER] =
        (struct elf_segment){ELF_PT_DYNAMIC, READ | WRITE | EXEC, 0, 0, 0, UINT64_MAX, 0, 3};
}

/* A VMO with the first bytes of the file, by a handle that a loader may have. */
static zx_handle_t make_image(size_t size)
{
    zx_handle_t vmo, fewer;
    assert_ok(zx_vmo_create(size, 0, &vmo));
    assert_ok(zx_vmo_write(vmo, &file, 0, size));
    assert_ok(zx_handle_replace(vmo, ZX_RIGHT_READ | ZX_RIGHT_MAP | ZX_RIGHT_DUPLICATE, &fewer));
    return fewer;
}

static zx_status_t read_at(zx_vaddr_t va, char *byte)
{
    return zvm_access(zx_process_self(), va, byte, 1, ZVM_READ);
}

static zx_status_t write_at(zx_vaddr_t va, char byte)
{
    return zvm_access(zx_process_self(), va, &byte, 1, ZVM_WRITE);
}

static zx_status_t execute_at(zx_vaddr_t va)
{
    return zvm_access(zx_process_self(), va, NULL, 1, ZVM_EXECUTE);
}

static char read_byte(zx_vaddr_t va)
{
    char byte = '?';
    assert_ok(read_at(va, &byte));
    return byte;
}

static void test_segments(void **state)
{
    struct elf_place place, second;
    char byte = 'w';
    (void)state;
    make_file();
    zx_handle_t image = make_image(FILE_SIZE), root = zx_vmar_root_self();
    assert_ok(elf_load(image, root, &place));
    assert_int_equal(place.base, place.bias);
    assert_int_equal(place.size, 6 * PAGE);
    assert_int_equal(place.entry, place.base + PAGE + 16);
    assert_int_equal(read_byte(place.base), 0x7f);
    for (size_t i = 400; i < PAGE; i++)
        assert_int_equal(read_byte(place.base + i), byte_at_offset(i));
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(read_byte(place.base + PAGE + i), byte_at_offset(PAGE + i));
    for (size_t i = 0; i < DATA_SIZE; i++)
        assert_int_equal(read_byte(place.base + 3 * PAGE + 0x800 + i),
                         i < DATA_FILE ? byte_at_offset(2 * PAGE + 0x800 + i) : 0);
    /* What may be done with each. */
    check_status(write_at(place.base, byte), ZX_ERR_ACCESS_DENIED, __FILE__, __LINE__);
    check_status(execute_at(place.base), ZX_ERR_ACCESS_DENIED, __FILE__, __LINE__);
    check_status(write_at(place.base + PAGE, byte), ZX_ERR_ACCESS_DENIED, __FILE__, __LINE__);
    check_status(execute_at(place.base + PAGE), ZX_OK, __FILE__, __LINE__);
    check_status(execute_at(place.base + 3 * PAGE), ZX_ERR_ACCESS_DENIED, __FILE__, __LINE__);
    check_status(read_at(place.base + 2 * PAGE, &byte), ZX_ERR_NOT_FOUND, __FILE__, __LINE__);
    /* Of two copies each has data of its own, and the file stays as it is. */
    assert_ok(elf_load(image, root, &second));
    assert_ok(write_at(place.base + 3 * PAGE + 0x800, 'w'));
    assert_int_equal(read_byte(second.base + 3 * PAGE + 0x800), byte_at_offset(2 * PAGE + 0x800));
    assert_ok(zx_vmo_read(image, &byte, 2 * PAGE + 0x800, 1));
    assert_int_equal(byte, byte_at_offset(2 * PAGE + 0x800));
    assert_int_not_equal(place.base, second.base);
}

/* A file of type FIXED goes where it says, or nowhere. */
static void test_fixed(void **state)
{
    struct elf_place place;
    (void)state;
    make_file();
    file.header.type = ELF_TYPE_FIXED;
    const uint64_t base = 0x40000000;
    for (unsigned i = 0; i < 3; i++)
        file.segments[i].address += base;
    file.header.entry += base;
    zx_handle_t image = make_image(FILE_SIZE);
    assert_ok(elf_load(image, zx_vmar_root_self(), &place));
    assert_int_equal(place.base, base);
    assert_int_equal(place.bias, 0);
    assert_int_equal(place.entry, base + PAGE + 16);
    assert_int_equal(read_byte(base + PAGE + 5), byte_at_offset(PAGE + 5));
    assert_refused(elf_load(image, zx_vmar_root_self(), &place), ZX_ERR_ALREADY_EXISTS);
    for (unsigned i = 0; i < 3; i++)
        file.segments[i].address -= base;
    file.header.entry -= base;
    image = make_image(FILE_SIZE);
    assert_refused(elf_load(image, zx_vmar_root_self(), &place), ZX_ERR_INVALID_ARGS);
}

/* ---- Refusals ---- */

static void refused(zx_status_t expected, int line)
{
    struct elf_place place;
    zx_handle_t image = make_image(FILE_SIZE);
    struct snapshot before = snapshot_take();
    check_status(elf_load(image, zx_vmar_root_self(), &place), expected, __FILE__, line);
    check_unchanged(&before, __FILE__, line);
    make_file();
}
#define REFUSED(status, change)                                                                              \
    do {                                                                                                     \
        change;                                                                                              \
        refused((status), __LINE__);                                                                         \
    } while (0)

static void test_heads(void **state)
{
    (void)state;
    make_file();
    for (unsigned i = 0; i < 4; i++)
        REFUSED(ZX_ERR_INVALID_ARGS, file.header.magic[i]++);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.class = 1);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.data = 2);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.version = 0);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.segment_entry_size++);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.header.machine = 3);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.header.type = 1);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.header.type = 4);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.header.segment_count = ELF_SEGMENTS_MAX + 1);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.header.segment_count = UINT16_MAX);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.segment_count = 0);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.segment_offset = UINT64_MAX);
    REFUSED(ZX_ERR_INVALID_ARGS,
            file.header.segment_offset = UINT64_MAX - 4 * sizeof(struct elf_segment) + 1);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.segment_offset = FILE_SIZE - 4 * sizeof(struct elf_segment) + 1);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.entry = 16);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.entry = PAGE + 100);
    REFUSED(ZX_ERR_INVALID_ARGS, file.header.entry = UINT64_MAX);
}

static void test_bad_segments(void **state)
{
    struct elf_segment *text = &file.segments[TEXT], *data = &file.segments[DATA];
    (void)state;
    make_file();
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.segments[OTHER].type = ELF_PT_INTERP);
    REFUSED(ZX_ERR_NOT_SUPPORTED, file.segments[OTHER].type = ELF_PT_TLS);
    REFUSED(ZX_ERR_ACCESS_DENIED, text->flags |= WRITE);
    REFUSED(ZX_ERR_ACCESS_DENIED, data->flags |= EXEC);
    REFUSED(ZX_ERR_INVALID_ARGS, text->flags = EXEC);
    REFUSED(ZX_ERR_INVALID_ARGS, data->flags = WRITE);
    REFUSED(ZX_ERR_INVALID_ARGS, data->flags = 0);
    REFUSED(ZX_ERR_OUT_OF_RANGE, data->offset = FILE_SIZE + 0x800);
    REFUSED(ZX_ERR_OUT_OF_RANGE, data->offset = UINT64_MAX - PAGE + 1 + 0x800);
    REFUSED(ZX_ERR_OUT_OF_RANGE, (data->offset = FILE_SIZE - PAGE + 0x800, data->file_size = 0x801));
    REFUSED(ZX_ERR_OUT_OF_RANGE, data->file_size = data->memory_size = UINT64_MAX);
    REFUSED(ZX_ERR_OUT_OF_RANGE, data->file_size = data->memory_size = (uint64_t)0 - data->offset);
    REFUSED(ZX_ERR_INVALID_ARGS, data->memory_size = DATA_FILE - 1);
    REFUSED(ZX_ERR_INVALID_ARGS, data->memory_size = UINT64_MAX);
    REFUSED(ZX_ERR_INVALID_ARGS, data->memory_size = (uint64_t)0 - data->address);
    REFUSED(ZX_ERR_INVALID_ARGS, data->memory_size = (1ull << 47) - data->address + 1);
    REFUSED(ZX_ERR_INVALID_ARGS, data->address = UINT64_MAX - PAGE + 1 + 0x800);
    REFUSED(ZX_ERR_INVALID_ARGS, data->address = (1ull << 63) + 0x800);
    REFUSED(ZX_ERR_NOT_SUPPORTED, data->alignment = 2 * PAGE);
    REFUSED(ZX_ERR_INVALID_ARGS, data->address++);
    REFUSED(ZX_ERR_INVALID_ARGS, text->offset++);
    REFUSED(ZX_ERR_NOT_SUPPORTED, text->memory_size++);
    /* Larger than any space. */
    REFUSED(ZX_ERR_INVALID_ARGS, data->memory_size = (1ull << 47) - data->address);
}

/* In any order but ascending, or two in one page. */
static void test_overlaps(void **state)
{
    struct elf_segment *text = &file.segments[TEXT], *data = &file.segments[DATA];
    (void)state;
    make_file();
    REFUSED(ZX_ERR_INVALID_ARGS, data->address = PAGE + 0x800);
    REFUSED(ZX_ERR_INVALID_ARGS, data->address = 0x800);
    REFUSED(ZX_ERR_INVALID_ARGS, text->address = 0);
    REFUSED(ZX_ERR_INVALID_ARGS, text->file_size = text->memory_size = 2 * PAGE + 1;
            data->address = 3 * PAGE + 0x800);
    struct elf_segment first = file.segments[RODATA];
    REFUSED(ZX_ERR_INVALID_ARGS, file.segments[RODATA] = file.segments[TEXT]; file.segments[TEXT] = first);
    REFUSED(ZX_ERR_INVALID_ARGS, file.segments[RODATA].type = text->type = data->type = ELF_PT_DYNAMIC);
    /* What takes no memory says nothing. */
    struct elf_place place;
    text->memory_size = 0;
    text->flags = WRITE | EXEC;
    file.header.entry = 0;
    assert_ok(elf_load(make_image(FILE_SIZE), zx_vmar_root_self(), &place));
    assert_int_equal(place.entry, 0);
}

/* Handles that lead nowhere, or to what it is not; rights. */
static void test_handles(void **state)
{
    struct elf_place place;
    zx_handle_t root = zx_vmar_root_self(), fewer, closed;
    (void)state;
    make_file();
    zx_handle_t image = make_image(FILE_SIZE);
    assert_refused(elf_load(ZX_HANDLE_INVALID, root, &place), ZX_ERR_BAD_HANDLE);
    assert_refused(elf_load(root, root, &place), ZX_ERR_WRONG_TYPE);
    assert_refused(elf_load(image, image, &place), ZX_ERR_WRONG_TYPE);
    assert_ok(zx_handle_duplicate(image, ZX_RIGHT_MAP | ZX_RIGHT_DUPLICATE, &fewer));
    assert_refused(elf_load(fewer, root, &place), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_handle_duplicate(image, ZX_RIGHT_READ | ZX_RIGHT_DUPLICATE, &fewer));
    assert_int_equal(elf_load(fewer, root, &place), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_handle_duplicate(image, ZX_RIGHT_READ | ZX_RIGHT_MAP, &fewer));
    assert_int_equal(elf_load(fewer, root, &place), ZX_ERR_ACCESS_DENIED);
    assert_ok(zx_handle_duplicate(image, ZX_RIGHT_SAME_RIGHTS, &closed));
    assert_ok(zx_handle_close(closed));
    assert_refused(elf_load(closed, root, &place), ZX_ERR_BAD_HANDLE);
}

static void test_no_memory(void **state)
{
    struct elf_place place;
    zx_handle_t stack;
    zx_vaddr_t top;
    (void)state;
    make_file();
    zx_handle_t image = make_image(FILE_SIZE), root = zx_vmar_root_self();
    for (unsigned nth = 1;; nth++) {
        struct vm_stats before = stats_now();
        assert_true(nth < 1000);
        zvm_fail_allocation(nth, nth % 2 == 0);
        zx_status_t status = elf_load(image, root, &place);
        zvm_fail_allocation(0, false);
        struct vm_stats after = stats_now();
        if (status == ZX_OK)
            break;
        assert_int_equal(status, ZX_ERR_NO_MEMORY);
        assert_int_equal(before.handles, after.handles);
        assert_int_equal(before.vmos, after.vmos);
        assert_int_equal(before.regions, after.regions);
        assert_ok(zvm_check());
    }
    assert_survives_failed_allocations(elf_map_stack(root, 4 * PAGE, &stack, &top));
}

/* ---- Files that are broken anyhow ---- */

/* Whatever it says: an answer, a sound machine, and after a refusal nothing left. */
static void load_anyhow(size_t size)
{
    struct elf_place place;
    zx_handle_t vmo, root, process, image;
    assert_int_equal(zx_vmo_create(size, 0, &vmo), ZX_OK);
    assert_int_equal(zx_vmo_write(vmo, &file, 0, size), ZX_OK);
    assert_int_equal(zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID, &image), ZX_OK);
    assert_int_equal(zx_process_create(ZX_HANDLE_INVALID, "p", 1, 0, &process, &root), ZX_OK);
    struct vm_stats before = stats_now();
    zx_status_t status = elf_load(image, root, &place);
    struct vm_stats after = stats_now();
    if (status != ZX_OK) {
        assert_int_equal(before.handles, after.handles);
        assert_int_equal(before.vmos, after.vmos);
        assert_int_equal(before.regions, after.regions);
    }
    const zx_handle_t all[] = {process, root, image};
    assert_int_equal(zx_handle_close_many(all, 3), ZX_OK);
}

static void test_cut_short(void **state)
{
    (void)state;
    make_file();
    for (size_t size = 0; size <= FILE_SIZE; size += size < 400 ? 1 : PAGE / 4)
        load_anyhow(size);
    assert_ok(zvm_check());
}

static void test_any_byte(void **state)
{
    const size_t head = sizeof(struct elf_header) + 4 * sizeof(struct elf_segment);
    static const uint8_t values[] = {0, 1, 2, 4, 7, 0x10, 0x7f, 0x80, 0xff};
    (void)state;
    for (size_t at = 0; at < head; at++)
        for (unsigned i = 0; i < sizeof(values); i++) {
            make_file();
            ((uint8_t *)&file)[at] = values[i];
            load_anyhow(FILE_SIZE);
        }
    assert_ok(zvm_check());
}

/* ---- The stack ---- */

static void test_stack(void **state)
{
    zx_handle_t vmar;
    zx_vaddr_t top;
    char byte = 'x';
    (void)state;
    assert_ok(elf_map_stack(zx_vmar_root_self(), 4 * PAGE, &vmar, &top));
    assert_ok(write_at(top - 1, byte));
    assert_ok(write_at(top - 4 * PAGE, byte));
    check_status(read_at(top, &byte), ZX_ERR_NOT_FOUND, __FILE__, __LINE__);
    check_status(read_at(top - 4 * PAGE - 1, &byte), ZX_ERR_NOT_FOUND, __FILE__, __LINE__);
    check_status(execute_at(top - 1), ZX_ERR_ACCESS_DENIED, __FILE__, __LINE__);
    /* Nobody else gets the guard pages. */
    zx_info_vmar_t info;
    assert_ok(zx_object_get_info(vmar, ZX_INFO_VMAR, &info, sizeof(info), NULL, NULL));
    assert_int_equal(info.base, top - 5 * PAGE);
    assert_int_equal(info.len, 6 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_segments), TEST(test_fixed),   TEST(test_heads),     TEST(test_bad_segments),
        TEST(test_overlaps), TEST(test_handles), TEST(test_no_memory), TEST(test_cut_short),
        TEST(test_any_byte), TEST(test_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
