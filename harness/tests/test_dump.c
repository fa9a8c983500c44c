/* SPDX-License-Identifier: MIT */
/*
 * test_dump.c: spaces as text and as pictures: every shape that a tree can have in them, and names that hold what
 * neither a terminal nor XML can bear.
 */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"

#include "../../vm/internal.h"
#include "plant.h"

#define RW (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)

static struct vm_aspace *own_space(void)
{
    return vm_process_aspace(port_current_process());
}

static void around(zx_vaddr_t va)
{
    vm_aspace_dump_around(own_space(), va, report_begin());
}

/* A picture is longer than the report: its text, to be freed. */
struct stream_sink {
    struct vm_sink sink;
    FILE *stream;
};

static void write_stream(struct vm_sink *self, const char *text, size_t size)
{
    fwrite(text, 1, size, ((struct stream_sink *)(void *)self)->stream);
}

static char *picture_of(struct vm_aspace *aspace)
{
    char *text = NULL;
    size_t size;
    struct stream_sink whole = {{.write = write_stream}, open_memstream(&text, &size)};

    assert_non_null(whole.stream);
    vm_aspace_svg(aspace, &whole.sink);
    assert_int_equal(fclose(whole.stream), 0);
    assert_non_null(strstr(text, "</svg>"));
    return text;
}

#define assert_shows(text, words) assert_non_null(strstr(text, words))
#define assert_hides(text, words) assert_null(strstr(text, words))

/* What cannot be printed is replaced; what XML would misread is escaped. */
static void test_names(void **state)
{
    (void)state;
    vm_aspace_rename(own_space(), "<a>&\x01\x7f\xff");
    vm_aspace_dump(own_space(), report_begin());
    assert_true(report_says("space '<a>&??"
                            "?' user"));
    char *picture = picture_of(own_space());
    assert_shows(picture, "&#60;a&#62;&#38;??"
                          "?<");
    free(picture);
}

static void test_kinds(void **state)
{
    static const struct {
        enum vm_aspace_type type;
        const char *words;
    } kinds[] = {{VM_ASPACE_USER, "' user"},
                 {VM_ASPACE_LOW_KERNEL, "' low kernel"},
                 {VM_ASPACE_GUEST_PHYSICAL, "' guest"}};
    (void)state;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct vm_aspace *aspace = vm_aspace_create(kinds[i].type, "kind");
        vm_aspace_dump(aspace, report_begin());
        assert_true(report_says(kinds[i].words));
        vm_aspace_destroy(aspace);
        vm_aspace_dump(aspace, report_begin());
        assert_true(report_says(", destroyed"));
        vm_aspace_dump_around(aspace, PAGE, report_begin());
        assert_true(report_says("is outside of it"));
        char *picture = picture_of(aspace);
        assert_shows(picture, "destroyed space");
        free(picture);
        vm_aspace_release(aspace);
    }
}

/* A mapping of mixed permissions, longer than its VMO, with some of its pages; VMARs that differ. */
static void test_mixed(void **state)
{
    (void)state;
    enum { PAGES = 300 };
    zx_handle_t vmo = make_vmo(150 * PAGE, 0), compact, empty;
    zx_vaddr_t base, at, va;
    char bytes[PAGE] = {1};
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_COMPACT,
                               0, 2 * PAGES * PAGE, &compact, &base));
    struct vm_vmar *vmar;
    check_status(vm_vmar_from_handle(compact, &vmar), ZX_OK, __FILE__, __LINE__);
    vm_vmar_release(vmar); /* its handle keeps it */
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), 0, 0, PAGE, &empty, &at));
    assert_ok(zx_vmar_map(compact, RW, 0, vmo, 0, PAGES * PAGE, &va));
    assert_ok(zx_vmo_write(vmo, bytes, 0, sizeof(bytes)));
    for (unsigned page = 20; page < 60; page++)
        assert_ok(zx_vmo_write(vmo, bytes, page * PAGE, 1));
    for (unsigned parts = 1; parts <= 40; parts += 13) {
        check_status(vm_vmar_set_memory_priority(vmar, parts == 1 ? VM_MEMORY_PRIORITY_HIGH
                                                                  : VM_MEMORY_PRIORITY_DEFAULT),
                     ZX_OK, __FILE__, __LINE__);
        for (unsigned part = 1; part < parts; part++)
            assert_ok(zx_vmar_protect(compact,
                                      part % 2 == 0   ? RW
                                      : part % 3 == 0 ? 0
                                                      : ZX_VM_PERM_READ,
                                      va + part * 5 * PAGE, 5 * PAGE));
        vm_aspace_dump(own_space(), report_begin());
        assert_true(report_says(parts == 1 ? " compact high-priority" : " compact"));
        assert_true(report_says(parts == 1 ? " rw- of rw-" : " mixed of rw-"));
        assert_true(report_says("41 of 300 pages"));
        char *picture = picture_of(own_space());
        assert_shows(picture, " · compact");
        assert_shows(picture, "41 of 300 pages");
        assert_shows(picture, "1 mapping ·");
        assert_shows(picture, "class=\"p\"");
        assert_true((strstr(picture, "… more protection ranges") != NULL) == (parts > 24));
        free(picture);
    }
}

/* Around a gap, a region, and what is too deep. */
static void test_around(void **state)
{
    (void)state;
    zx_handle_t vmo = make_vmo(PAGE, 0), outer, child, deep[80];
    zx_vaddr_t base, at, low;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 16 * PAGE, &outer, &base));
    assert_ok(zx_vmar_allocate(outer, ZX_VM_SPECIFIC, 2 * PAGE, PAGE, &child, &low));
    assert_ok(zx_vmar_map(outer, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 8 * PAGE, vmo, 0, PAGE, &at));
    around(base + 4 * PAGE);
    assert_true(report_says("gap [") && report_says("vmar ") && report_says("mapping ["));
    around(at);
    assert_true(report_says("vmar ") && report_says("mapping ["));
    around(base);
    assert_true(report_says("gap ["));
    assert_hides(report.text, "mapping [");
    for (unsigned i = 0; i < 80; i++)
        assert_ok(zx_vmar_allocate(i == 0 ? outer : deep[i - 1], EVERYTHING | ZX_VM_SPECIFIC,
                                   i == 0 ? 12 * PAGE : 0, PAGE, &deep[i], &at));
    around(base + 12 * PAGE);
    assert_true(report_says("… nested deeper"));
    char *picture = picture_of(own_space());
    assert_shows(picture, "… 58 more regions");
    free(picture);
}

/* More regions than are drawn. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 2001 };
    zx_handle_t vmar, child;
    zx_vaddr_t base, at;
    assert_ok(zx_vmar_allocate(zx_vmar_root_self(), EVERYTHING, 0, 2 * MANY * PAGE, &vmar, &base));
    for (unsigned i = 0; i < MANY - 1; i++) {
        check_status(zx_vmar_allocate(vmar, ZX_VM_SPECIFIC, 2 * i * PAGE, PAGE, &child, &at), ZX_OK, __FILE__,
                     __LINE__);
        check_status(zx_handle_close(child), ZX_OK, __FILE__, __LINE__);
    }
    char *picture = picture_of(own_space());
    assert_shows(picture, "… 1 more region<");
    free(picture);
}

/* Whoever holds the lock of a space may have it shown, as one stopped in a debugger. */
static void test_locked(void **state)
{
    (void)state;
    struct vm_aspace *aspace = own_space();
    port_mutex_lock(&aspace->lock);
    vm_aspace_dump(aspace, report_begin());
    char *picture = picture_of(aspace);
    port_mutex_unlock(&aspace->lock);
    assert_true(report_says("user"));
    assert_shows(picture, "user space");
    free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),  TEST(test_kinds), TEST(test_mixed),
        TEST(test_around), TEST(test_many),  TEST(test_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
