/* SPDX-License-Identifier: MIT */
/*
 * trace_names.c: what options, special slots, kinds of amounts and the fields of records are called in the text form of traces.
 *
 * Locking: none; constants. Cost: linear in the table.
 */
#include <vm/aspace.h>
#include <vm/vmo.h>
#include <zircon/syscalls/object.h>

#include "trace.h"
#include "trace_names.h"

static const struct trace_name vm_options[] = {
    {ZX_VM_PERM_READ, "PERM_READ"},
    {ZX_VM_PERM_WRITE, "PERM_WRITE"},
    {ZX_VM_PERM_EXECUTE, "PERM_EXECUTE"},
    {ZX_VM_COMPACT, "COMPACT"},
    {ZX_VM_SPECIFIC, "SPECIFIC"},
    {ZX_VM_SPECIFIC_OVERWRITE, "SPECIFIC_OVERWRITE"},
    {ZX_VM_CAN_MAP_SPECIFIC, "CAN_MAP_SPECIFIC"},
    {ZX_VM_CAN_MAP_READ, "CAN_MAP_READ"},
    {ZX_VM_CAN_MAP_WRITE, "CAN_MAP_WRITE"},
    {ZX_VM_CAN_MAP_EXECUTE, "CAN_MAP_EXECUTE"},
    {ZX_VM_MAP_RANGE, "MAP_RANGE"},
    {ZX_VM_REQUIRE_NON_RESIZABLE, "REQUIRE_NON_RESIZABLE"},
    {ZX_VM_ALLOW_FAULTS, "ALLOW_FAULTS"},
    {ZX_VM_OFFSET_IS_UPPER_LIMIT, "OFFSET_IS_UPPER_LIMIT"},
    {ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED, "PERM_READ_IF_XOM_UNSUPPORTED"},
    {TRACE_OPTION_UNDEFINED, "UNDEFINED"},
    {0, NULL},
};

static const struct trace_name vmo_options[] = {{ZX_VMO_RESIZABLE, "RESIZABLE"}, {0, NULL}};

static const struct trace_name child_options[] = {
    {ZX_VMO_CHILD_SNAPSHOT, "SNAPSHOT"},
    {ZX_VMO_CHILD_RESIZABLE, "RESIZABLE"},
    {ZX_VMO_CHILD_SLICE, "SLICE"},
    {ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, "SNAPSHOT_AT_LEAST_ON_WRITE"},
    {ZX_VMO_CHILD_NO_WRITE, "NO_WRITE"},
    {0, NULL},
};

static const struct trace_name fault_flags[] = {
    {VM_PF_FLAG_WRITE, "WRITE"},
    {VM_PF_FLAG_USER, "USER"},
    {VM_PF_FLAG_GUEST, "GUEST"},
    {VM_PF_FLAG_INSTRUCTION, "INSTRUCTION"},
    {VM_PF_FLAG_NOT_PRESENT, "NOT_PRESENT"},
    {VM_PF_FLAG_HW_FAULT, "HW_FAULT"},
    {VM_PF_FLAG_SW_FAULT, "SW_FAULT"},
    {VM_PF_FLAG_ACCESS, "ACCESS"},
    {0, NULL},
};

static const struct trace_name vmo_ops[] = {
    {ZX_VMO_OP_COMMIT, "COMMIT"},
    {ZX_VMO_OP_DECOMMIT, "DECOMMIT"},
    {ZX_VMO_OP_CACHE_SYNC, "CACHE_SYNC"},
    {ZX_VMO_OP_CACHE_INVALIDATE, "CACHE_INVALIDATE"},
    {ZX_VMO_OP_CACHE_CLEAN, "CACHE_CLEAN"},
    {ZX_VMO_OP_CACHE_CLEAN_INVALIDATE, "CACHE_CLEAN_INVALIDATE"},
    {ZX_VMO_OP_ZERO, "ZERO"},
    {ZX_VMO_OP_DONT_NEED, "DONT_NEED"},
    {ZX_VMO_OP_ALWAYS_NEED, "ALWAYS_NEED"},
    {0, NULL},
};

static const struct trace_name vmar_ops[] = {
    {ZX_VMAR_OP_COMMIT, "COMMIT"},           {ZX_VMAR_OP_DECOMMIT, "DECOMMIT"},
    {ZX_VMAR_OP_MAP_RANGE, "MAP_RANGE"},     {ZX_VMAR_OP_DONT_NEED, "DONT_NEED"},
    {ZX_VMAR_OP_ALWAYS_NEED, "ALWAYS_NEED"}, {0, NULL},
};

static const struct trace_name vmex_names[] = {
    {TRACE_VMEX_NONE, "none"}, {TRACE_VMEX_GARBAGE, "garbage"}, {TRACE_VMEX_SAME, "same"}, {0, NULL}};

static const struct trace_name priorities[] = {{0, "DEFAULT"}, {1, "HIGH"}, {0, NULL}};

static const struct trace_name harvest_options[] = {{TRACE_HARVEST_FREE, "FREE_UNACCESSED"},
                                                    {TRACE_HARVEST_NOTES, "HARVEST"},
                                                    {TRACE_HARVEST_TOUCH, "TOUCH"},
                                                    {0, NULL}};

static const struct trace_name alloc_options[] = {{TRACE_ALLOC_SPECIFIC, "SPECIFIC"},
                                                  {TRACE_ALLOC_COMMIT, "COMMIT"},
                                                  {TRACE_ALLOC_READ, "READ"},
                                                  {TRACE_ALLOC_WRITE, "WRITE"},
                                                  {TRACE_ALLOC_EXECUTE, "EXECUTE"},
                                                  {1u << TRACE_ALLOC_CACHE_SHIFT, "CACHE_1"},
                                                  {2u << TRACE_ALLOC_CACHE_SHIFT, "CACHE_2"},
                                                  {0, NULL}};

static const struct trace_name process_options[] = {{ZX_PROCESS_SHARED, "SHARED"}, {0, NULL}};

static const struct trace_name cache_policies[] = {{VM_CACHED, "CACHED"},
                                                   {VM_UNCACHED, "UNCACHED"},
                                                   {VM_UNCACHED_DEVICE, "UNCACHED_DEVICE"},
                                                   {VM_WRITE_COMBINING, "WRITE_COMBINING"},
                                                   {0, NULL}};

static const struct trace_name properties[] = {
    {ZX_PROP_NAME, "NAME"}, {TRACE_PROPERTY_UNKNOWN, "UNKNOWN"}, {0, NULL}};

static const struct trace_name topics[] = {{ZX_INFO_HANDLE_VALID, "HANDLE_VALID"},
                                           {ZX_INFO_HANDLE_BASIC, "HANDLE_BASIC"},
                                           {ZX_INFO_VMAR, "VMAR"},
                                           {ZX_INFO_TASK_STATS, "TASK_STATS"},
                                           {ZX_INFO_PROCESS_MAPS, "PROCESS_MAPS"},
                                           {ZX_INFO_HANDLE_COUNT, "HANDLE_COUNT"},
                                           {ZX_INFO_VMO, "VMO"},
                                           {ZX_INFO_KMEM_STATS, "KMEM_STATS"},
                                           {TRACE_TOPIC_UNKNOWN, "UNKNOWN"},
                                           {0, NULL}};

const struct trace_name trace_slot_names[] = {{TRACE_SLOT_NONE, "none"},
                                              {TRACE_SLOT_GARBAGE, "garbage"},
                                              {TRACE_SLOT_CLOSED, "closed"},
                                              {TRACE_SLOT_FOREIGN, "foreign"},
                                              {TRACE_SLOT_WRONG_TYPE, "wrong-type"},
                                              {TRACE_SLOT_OWN, "own"},
                                              {0, NULL}};
const struct trace_name trace_space_names[] = {{TRACE_SPACE_KERNEL, "kernel"},
                                               {1, "guest-1"},
                                               {2, "guest-2"},
                                               {3, "guest-3"},
                                               {4, "guest-4"},
                                               {0, NULL}};
const struct trace_name trace_to_names[] = {
    {TRACE_TO_NULL_FIRST, "null"}, {TRACE_TO_NULL_SECOND, "null-second"}, {0, NULL}};
const struct trace_name trace_mark_names[] = {{TRACE_MARK_ROOT, "root"}, {0, NULL}};
const struct trace_name trace_job_names[] = {{0, "none"}, {1, "garbage"}, {0, NULL}};
const struct trace_name trace_type_names[] = {
    {TRACE_TYPE_VMAR, "vmar"}, {TRACE_TYPE_VMO, "vmo"}, {TRACE_TYPE_PROCESS, "process"}, {0, NULL}};
const struct trace_name trace_rights_names[] = {{TRACE_RIGHTS_SAME, "same"},
                                                {TRACE_RIGHTS_MINUS, "minus"},
                                                {TRACE_RIGHTS_RAW, "raw"},
                                                {TRACE_RIGHTS_HIGH, "high"},
                                                {0, NULL}};
const struct trace_name trace_delta_names[] = {{TRACE_DELTA_PAGE_UP, "+page"},
                                               {TRACE_DELTA_PAGE_DOWN, "-page"},
                                               {TRACE_DELTA_BYTE_UP, "+byte"},
                                               {TRACE_DELTA_BYTE_DOWN, "-byte"},
                                               {0, NULL}};
/* A second name for a kind may not appear: pages with many is told from pages with few by its value. */
const struct trace_name trace_kind_names[] = {
    {TRACE_ZERO, "0"},
    {TRACE_PAGES, "pages"},
    {TRACE_POWER, "pow2"},
    {TRACE_BYTES, "bytes"},
    {TRACE_LARGE, "2m"},
    {TRACE_GIGA, "1g"},
    {TRACE_MARK, "mark"},
    {TRACE_MARK_END, "mark-end"},
    {TRACE_MARK_SIZE, "mark-size"},
    {TRACE_MARK_PAGE, "mark-page"},
    {TRACE_MARK_BYTE, "mark-byte"},
    {TRACE_MARK_MIDDLE, "mark-middle"},
    {TRACE_WHOLE, "whole"},
    {TRACE_PART, "part"},
    {TRACE_BASE, "base"},
    {TRACE_END, "end"},
    {TRACE_MINUS_PAGES, "minus-pages"},
    {TRACE_MINUS_BYTES, "minus-bytes"},
    {TRACE_EDGE, "edge"},
    {TRACE_LAST, "last"},
    {TRACE_GAP, "gap"},
    {TRACE_WHOLE_MINUS, "whole-minus"},
    {0, NULL},
};

const char *trace_name_of(const struct trace_name *names, uint32_t value)
{
    for (; names->text != NULL; names++) {
        if (names->value == value)
            return names->text;
    }
    return NULL;
}

/* The names of an operation's options, and whether they are bits to be combined. */
const struct trace_name *trace_option_names(uint8_t code, bool *bits)
{
    *bits = true;
    switch (code) {
    case TRACE_VMAR_ALLOCATE:
    case TRACE_VMAR_MAP:
    case TRACE_VMAR_PROTECT:
        return vm_options;
    case TRACE_VMO_CREATE:
        return vmo_options;
    case TRACE_VMO_CREATE_CHILD:
        return child_options;
    case TRACE_PROCESS_CREATE:
    case TRACE_PROCESS_CREATE_SHARED:
        return process_options;
    case TRACE_HARVEST_ACCESSED_BITS:
        return harvest_options;
    case TRACE_SPACE_ALLOC:
    case TRACE_SPACE_ALLOC_CONTIGUOUS:
    case TRACE_SPACE_ALLOC_PHYSICAL:
    case TRACE_SPACE_MAP_OBJECT:
        return alloc_options;
    case TRACE_SOFT_FAULT:
    case TRACE_SOFT_FAULT_IN_RANGE:
    case TRACE_PAGE_FAULT:
        return fault_flags;
    case TRACE_VMO_OP_RANGE:
        *bits = false;
        return vmo_ops;
    case TRACE_VMAR_OP_RANGE:
        *bits = false;
        return vmar_ops;
    case TRACE_OBJECT_GET_INFO:
        *bits = false;
        return topics;
    case TRACE_OBJECT_GET_PROPERTY:
    case TRACE_OBJECT_SET_PROPERTY:
        *bits = false;
        return properties;
    case TRACE_VMAR_SET_MEMORY_PRIORITY:
        *bits = false;
        return priorities;
    case TRACE_VMO_CREATE_PHYSICAL:
    case TRACE_VMO_SET_CACHE_POLICY:
        *bits = false;
        return cache_policies;
    case TRACE_VMO_REPLACE_AS_EXECUTABLE:
        *bits = false;
        return vmex_names;
    default:
        *bits = false;
        return trace_job_names + 2; /* none */
    }
}

/* Labels of arguments, a bar, labels of results; * before those that are handles. */
const char *const trace_record_labels[TRACE_CODE_COUNT] = {
    [TRACE_VMAR_ALLOCATE] = "*vmar options offset size|slot address",
    [TRACE_VMAR_MAP] = "*vmar options offset *vmo vmo_offset len|address",
    [TRACE_VMAR_UNMAP] = "*vmar addr len|",
    [TRACE_VMAR_PROTECT] = "*vmar options addr len|",
    [TRACE_VMAR_DESTROY] = "*vmar|",
    [TRACE_VMO_CREATE] = "size options|slot",
    [TRACE_VMO_READ] = "*vmo offset size|",
    [TRACE_VMO_WRITE] = "*vmo offset size|",
    [TRACE_VMO_SET_SIZE] = "*vmo size|",
    [TRACE_VMO_GET_SIZE] = "*vmo|size",
    [TRACE_VMO_OP_RANGE] = "*vmo op offset size|",
    [TRACE_HANDLE_CLOSE] = "*handle|",
    [TRACE_HANDLE_DUPLICATE] = "*handle rights|slot",
    [TRACE_HANDLE_REPLACE] = "*handle rights|slot",
    [TRACE_PROCESS_CREATE] = "options|process vmar",
    [TRACE_OBJECT_GET_INFO] = "*handle topic|r0 r1 r2 r3",
    [TRACE_READ] = "process addr size|done",
    [TRACE_WRITE] = "process addr size|done",
    [TRACE_EXECUTE] = "process addr|done",
    [TRACE_SOFT_FAULT] = "process flags addr|",
    [TRACE_PAGE_FAULT] = "process flags addr|",
    [TRACE_FAIL_ALLOCATION] = "nth|",
    [TRACE_SELECT_PROCESS] = "process|",
    [TRACE_VMO_REPLACE_AS_EXECUTABLE] = "*handle vmex|slot",
    [TRACE_VMAR_OP_RANGE] = "*vmar op addr len|",
    [TRACE_PROCESS_READ_MEMORY] = "*process addr size|actual",
    [TRACE_PROCESS_WRITE_MEMORY] = "*process addr size|actual",
    [TRACE_OBJECT_GET_PROPERTY] = "*handle property size|",
    [TRACE_OBJECT_SET_PROPERTY] = "*handle property size|",
    [TRACE_HANDLE_CLOSE_MANY] = "count *handle *handle *handle *handle|",
    [TRACE_VMO_CREATE_CONTIGUOUS] = "size align|slot",
    [TRACE_VMAR_SET_MEMORY_PRIORITY] = "*vmar priority|",
    [TRACE_VMO_PIN] = "*vmo offset size|",
    [TRACE_VMO_UNPIN] = "pin|",
    [TRACE_VMO_CREATE_CHILD] = "*vmo options offset size|slot",
    [TRACE_PROCESS_CREATE_SHARED] = "*process options|process vmar",
    [TRACE_PROCESS_EXIT] = "process|",
    [TRACE_VMO_CREATE_PHYSICAL] = "offset size policy|slot",
    [TRACE_VMO_SET_CACHE_POLICY] = "*vmo policy|",
    [TRACE_CPRNG_DRAW] = "size|",
    [TRACE_TICKS_GET] = "|",
    [TRACE_SELECT_PROCESSOR] = "processor|",
    [TRACE_HARVEST_ACCESSED_BITS] = "options process addr|touched",
    [TRACE_DROP_PAGE_TABLES] = "process|",
    [TRACE_DROP_ALL_PAGE_TABLES] = "|",
    [TRACE_SOFT_FAULT_IN_RANGE] = "process flags addr len|pages",
    [TRACE_ACCESSED_FAULT] = "process addr|",
    [TRACE_ASPACE_RENAME] = "process size|",
    [TRACE_FIND_REGION] = "process addr|mapping depth base size",
    [TRACE_ASPACE_ENUMERATE] = "process|vmars bytes",
    [TRACE_GET_MEMORY_USAGE] = "process|mapped",
    [TRACE_GUEST_CREATE] = "space base size|",
    [TRACE_GUEST_DESTROY] = "space|",
    [TRACE_SPACE_ALLOC] = "space options addr size|address",
    [TRACE_SPACE_ALLOC_CONTIGUOUS] = "space options addr size|address",
    [TRACE_SPACE_ALLOC_PHYSICAL] = "space options addr size offset|address",
    [TRACE_SPACE_MAP_OBJECT] = "space options addr *vmo vmo_offset size|address",
    [TRACE_SPACE_FREE_REGION] = "space addr|",
    [TRACE_SPACE_READ] = "space addr size|done",
    [TRACE_SPACE_WRITE] = "space addr size|done",
    [TRACE_SPACE_EXECUTE] = "space addr|done",
    [TRACE_VMO_DECLARE_VDSO] = "*vmo offset size|",
    [TRACE_VDSO_ADDRESS] = "process addr len|code base touched",
    [TRACE_VALLOC_INIT] = "size guard align|bookkeeping",
    [TRACE_VALLOC_ALLOC] = "pages|address",
    [TRACE_VALLOC_FREE] = "addr pages|",
    [TRACE_VALLOC_ALLOCATE_RANGE] = "addr pages|",
    [TRACE_VALLOC_FREE_ALL] = "|",
    [TRACE_VALLOC_DESTROY] = "|",
};
