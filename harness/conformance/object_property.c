/* SPDX-License-Identifier: MIT */
/* object_property.c: zx_object_get_property and zx_object_set_property: the name. */
#include "matrix.h"

#define NAME_SIZE ZX_MAX_NAME_LEN

static struct {
    zx_handle_t handle;
    uint32_t property;
    char *value;
    size_t size;
} args;

static zx_handle_t vmo, closed, no_get, no_set;
static char name[2 * ZX_MAX_NAME_LEN];

static void good(void)
{
    args.handle = vmo;
    args.property = ZX_PROP_NAME;
    args.value = name;
    args.size = NAME_SIZE;
}

static void begin(void)
{
    vmo = make_vmo(ZX_PAGE_SIZE, 0);
    closed = closed_handle();
    no_get = without(vmo, ZX_RIGHT_GET_PROPERTY);
    no_set = without(vmo, ZX_RIGHT_SET_PROPERTY);
    fill(name, 0, sizeof(name));
    good();
}

static zx_status_t call_get(void)
{
    return zx_object_get_property(args.handle, args.property, args.value, args.size);
}

static zx_status_t call_set(void)
{
    return zx_object_set_property(args.handle, args.property, args.value, args.size);
}

/* An object without a name is a VMAR, and no handle to one has the right to ask: there is no WRONG_TYPE
   to be seen. */
static zx_status_t spoil_either(unsigned nth, zx_handle_t denied)
{
    switch (nth) {
    case 0:
        args.handle = closed;
        return ZX_ERR_BAD_HANDLE;
    case 1:
        args.handle = denied;
        return ZX_ERR_ACCESS_DENIED;
    case 2:
        args.property = ZX_PROP_NAME + 1;
        return ZX_ERR_NOT_SUPPORTED;
    default:
        return ZX_OK;
    }
}

static zx_status_t spoil_get(unsigned nth)
{
    if (nth == 3) {
        args.size = NAME_SIZE - 1;
        return ZX_ERR_BUFFER_TOO_SMALL;
    }
    if (nth == 4) {
        args.value = NULL;
        return ZX_ERR_INVALID_ARGS;
    }
    return spoil_either(nth, no_get);
}

static zx_status_t spoil_set(unsigned nth)
{
    if (nth == 3) {
        args.value = NULL;
        return ZX_ERR_INVALID_ARGS;
    }
    return spoil_either(nth, no_set);
}

static zx_status_t get_on(zx_handle_t handle)
{
    return zx_object_get_property(handle, ZX_PROP_NAME, name, NAME_SIZE);
}

static zx_status_t set_on(zx_handle_t handle)
{
    return zx_object_set_property(handle, ZX_PROP_NAME, name, NAME_SIZE);
}

TEST(errors_in_order)
{
    begin();
    check_errors(&(const struct errors){good, spoil_get, call_get});
    check_errors(&(const struct errors){good, spoil_set, call_set});
    const zx_handle_t named[] = {vmo, zx_process_self(), zx_job_default(), make_thread(zx_process_self())};
    check_bad_handles(get_on);
    check_bad_handles(set_on);
    for (unsigned i = 0; i < 4; i++) {
        check_rights(get_on, named[i], ZX_RIGHT_GET_PROPERTY);
        check_rights(set_on, named[i], ZX_RIGHT_SET_PROPERTY);
    }
    REFUSED(ZX_ERR_ACCESS_DENIED, get_on(zx_vmar_root_self()));
    REFUSED(ZX_ERR_ACCESS_DENIED, set_on(zx_vmar_root_self()));
}

static void check_unknown(uint32_t property)
{
    args.property = property;
    if (property == ZX_PROP_NAME)
        return;
    REFUSED(ZX_ERR_NOT_SUPPORTED, call_get());
    REFUSED(ZX_ERR_NOT_SUPPORTED, call_set());
}

TEST(every_property)
{
    begin();
    for (uint32_t property = 0; property < 64; property++)
        check_unknown(property);
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = first; second < 32; second++)
            check_unknown(1u << first | 1u << second);
    check_unknown(UINT32_MAX);
}

/* Told as a whole, padded with zeroes; what follows in the buffer is left alone. */
static void check_name(zx_handle_t handle, const char *expected, size_t length)
{
    char told[NAME_SIZE + 1];
    fill(told, '?', sizeof(told));
    OK(zx_object_get_property(handle, ZX_PROP_NAME, told, sizeof(told)));
    CHECK(same_bytes(told, expected, length));
    CHECK(all_bytes(told + length, 0, NAME_SIZE - length));
    CHECK_EQUAL(told[NAME_SIZE], '?');
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Up to the first NUL, and 31 bytes at most: no more of the buffer is looked at. */
TEST(lengths)
{
    const size_t sizes[] = {
        0, 1, 2, 30, 31, 32, 33, 62, ZX_PAGE_SIZE - 1, ZX_PAGE_SIZE, (size_t)1 << 47, SIZE_MAX};
    begin();
    check_name(vmo, "", 0);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        OK(zx_object_set_property(vmo, ZX_PROP_NAME, letters, sizes[i]));
        check_name(vmo, letters, sizes[i] < 31 ? sizes[i] : 31);
        if (sizes[i] != 0)
            REFUSED(ZX_ERR_INVALID_ARGS, zx_object_set_property(vmo, ZX_PROP_NAME, BAD_POINTER, sizes[i]));
    }
    OK(zx_object_set_property(vmo, ZX_PROP_NAME, NULL, 0));
    check_name(vmo, "", 0);
}

TEST(sizes_to_get)
{
    const size_t sizes[] = {0, 1, 31, 32, 33, ZX_PAGE_SIZE - 1, ZX_PAGE_SIZE, (size_t)1 << 47, SIZE_MAX};
    begin();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        args.size = sizes[i];
        args.value = name;
        fill(name, '?', sizeof(name));
        if (sizes[i] < NAME_SIZE) {
            REFUSED(ZX_ERR_BUFFER_TOO_SMALL, call_get());
            CHECK(all_bytes(name, '?', sizeof(name)));
            args.value = BAD_POINTER;
            REFUSED(ZX_ERR_BUFFER_TOO_SMALL, call_get());
        } else {
            OK(call_get());
            CHECK(all_bytes(name, 0, NAME_SIZE) && all_bytes(name + NAME_SIZE, '?', NAME_SIZE));
            args.value = BAD_POINTER;
            REFUSED(ZX_ERR_INVALID_ARGS, call_get());
        }
    }
}

TEST(names)
{
    zx_handle_t process, root;
    begin();
    OK(zx_object_set_property(vmo, ZX_PROP_NAME, "first", 5));
    check_name(no_set, "first", 5);
    OK(zx_object_set_property(no_get, ZX_PROP_NAME, "a\0b", 3));
    check_name(vmo, "a", 1);
    OK(zx_object_set_property(vmo, ZX_PROP_NAME, "\xff\x01 /", 4)); /* any bytes */
    check_name(vmo, "\xff\x01 /", 4);
    OK(zx_object_set_property(vmo, ZX_PROP_NAME, "\0after", 6));
    check_name(vmo, "", 0);
    OK(zx_process_create(ZX_HANDLE_INVALID, "child", 5, 0, &process, &root));
    check_name(process, "child", 5);
    OK(zx_object_set_property(process, ZX_PROP_NAME, "renamed", 7));
    check_name(process, "renamed", 7);
    check_name(zx_job_default(), "root", 4);
    OK(zx_object_set_property(zx_job_default(), ZX_PROP_NAME, "job", 3));
    check_name(zx_job_default(), "job", 3);
    check_name(vmo, "", 0);
}

const struct conformance_test object_property_tests[] = {CASE(errors_in_order), CASE(every_property),
                                                         CASE(lengths),         CASE(sizes_to_get),
                                                         CASE(names),           NO_MORE_CASES};
