/* SPDX-License-Identifier: MIT */
/*
 * zvm/host.h: the core in an ordinary program.
 *
 * zvm_start makes a simulated machine and a process on it, "self", for which all zx_ calls
 * (zircon/syscalls.h) then run. Result and buffer pointers of zx_ calls are ordinary pointers; null and
 * anything in the first page is a bad pointer (ZX_ERR_INVALID_ARGS). Addresses inside a simulated space are
 * reached by zvm_access and zx_process_read_memory, never dereferenced.
 *
 * Any number of threads may use one machine. Only zvm_start, zvm_stop and zvm_check want it quiet: no other
 * call may be under way. All but zvm_start answer ZX_ERR_BAD_STATE while no machine is started; a zx_ call
 * that asks the machine ends the program then, with a message, but zx_system_get_physmem answers 0. Reports go
 * to standard error.
 */
#ifndef ZVM_HOST_H_
#define ZVM_HOST_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero: defaults. */
struct zvm_config {
    size_t memory_bytes;  /* simulated physical memory; default 256 MiB; what the host has, below 32 TiB */
    uint64_t seed;        /* 0: a fixed default; runs are repeatable unless asked otherwise */
    bool aslr_off;        /* places are the lowest that fit */
    uint8_t entropy_bits; /* of random places, at most 36; 0: 30 */
    uint8_t compact_entropy_bits; /* likewise in compact VMARs; 0: 8 */
    unsigned processors; /* software processors, at most 16; default 1. Threads are spread over them */
};

/* Makes the machine and the calling process, "self". Null: defaults. Memory costs nothing until it is
   touched, but for the page structures, one part in 64. Errors in order: BAD_STATE started already; INVALID_ARGS a value out of range; NO_MEMORY the host
   has not that much, or memory_bytes are too few for a machine. */
zx_status_t zvm_start(const struct zvm_config *config_or_null);

/* Tears everything down. BAD_STATE, with a report, if a page or object leaked; the machine is gone all the
   same. */
zx_status_t zvm_stop(void);

/* Every invariant of the core, and every translation cached by a processor. OK, or BAD_STATE with a report of
   what is broken where. */
zx_status_t zvm_check(void);

/* Kinds of access: exactly one. */
#define ZVM_READ    1u
#define ZVM_WRITE   2u
#define ZVM_EXECUTE 4u

/*
 * One user-mode access of `size` bytes at va by the software processor, translation cache and page faults
 * included, byte after byte in ascending order. READ fills the buffer, WRITE stores it, EXECUTE fetches and
 * leaves it alone (it may be null). Errors in order: INVALID_ARGS kind, null buffer; BAD_HANDLE, WRONG_TYPE;
 * then the status with which a page fault was refused (the bytes before it were accessed): NOT_FOUND nothing
 * is mapped there, ACCESS_DENIED the protection in force, OUT_OF_RANGE past the end of the VMO, NO_MEMORY.
 */
zx_status_t zvm_access(zx_handle_t process, zx_vaddr_t va, void *buffer, size_t size, uint32_t kind);

/* The nth allocation from now fails, and all after it where persistent. 0: none does. Pages and objects are
   counted alike. */
void zvm_fail_allocation(uint64_t nth, bool persistent);

/* How many allocations were asked for since zvm_start. */
uint64_t zvm_allocation_count(void);

/* The nth copy from or to a caller's memory from now finds a bad pointer. 0: none does. */
void zvm_fail_user_copy(uint64_t nth);

/* The regions of a process as text, one a line, and as a picture (SVG). Errors in order: INVALID_ARGS null
   stream; BAD_HANDLE, WRONG_TYPE; INTERNAL the stream did not take all of it. */
zx_status_t zvm_dump(zx_handle_t process, FILE *to);
zx_status_t zvm_svg(zx_handle_t process, FILE *to);

struct zvm_stats {
    uint64_t regions; /* VMARs alive, roots included, and mappings */
    uint64_t mappings;
    uint64_t page_tables; /* pages of page tables */
    uint64_t pages_free, pages_total;
    uint64_t heap_bytes; /* in objects of the core */
};

/* Errors in order: INVALID_ARGS null. */
zx_status_t zvm_get_stats(struct zvm_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* ZVM_HOST_H_ */
