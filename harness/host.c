/* SPDX-License-Identifier: MIT */
/* host.c: the calls of zvm/host.h: one machine in an ordinary program, and what can be done to it from
   outside. */
#include <stdatomic.h>

#include <vm/aspace.h>
#include <vm/check.h>
#include <vm/format.h>
#include <vm/machine.h>
#include <zvm/host.h>

#include "host_port.h"
#include "processor.h"

#define MEMORY_DEFAULT ((size_t)256 << 20)
#define SEED_DEFAULT   0x7a766d00u
#define ENTROPY_MAX    36

static struct {
    atomic_bool started;
    struct pmm_range memory;
    struct vm_process *self;
} host;

static bool is_started(void)
{
    return atomic_load_explicit(&host.started, memory_order_acquire);
}

static bool is_valid(const struct zvm_config *config)
{
    return config->entropy_bits <= ENTROPY_MAX && config->compact_entropy_bits <= ENTROPY_MAX &&
           config->processors <= PROCESSORS_MAX;
}

static zx_status_t start_machine(const struct zvm_config *config)
{
    struct vm_machine_config machine = {
        .memory = &host.memory,
        .memory_count = 1,
        .seed = config->seed != 0 ? config->seed : SEED_DEFAULT,
        .aslr_off = config->aslr_off,
        .entropy_bits = config->entropy_bits,
        .compact_entropy_bits = config->compact_entropy_bits,
    };
    if (vm_machine_start(&machine) == NULL)
        return ZX_ERR_NO_MEMORY;
    host.self = vm_process_create("self");
    if (host.self != NULL)
        return ZX_OK;
    (void)vm_machine_stop(&vm_log_sink);
    return ZX_ERR_NO_MEMORY;
}

zx_status_t zvm_start(const struct zvm_config *config_or_null)
{
    const struct zvm_config defaults = {0};
    const struct zvm_config *config = config_or_null != NULL ? config_or_null : &defaults;

    if (is_started())
        return ZX_ERR_BAD_STATE;
    if (!is_valid(config))
        return ZX_ERR_INVALID_ARGS;
    host.memory = host_memory_map(config->memory_bytes != 0 ? config->memory_bytes : MEMORY_DEFAULT);
    if (host.memory.size == 0)
        return ZX_ERR_NO_MEMORY;
    host_switches_reset();
    processor_start(config->processors != 0 ? config->processors : 1);
    zx_status_t status = start_machine(config);
    if (status != ZX_OK) {
        host_memory_unmap(host.memory);
        return status;
    }
    host_switches_reset();
    host_set_process(host.self);
    atomic_store_explicit(&host.started, true, memory_order_release);
    return ZX_OK;
}

zx_status_t zvm_stop(void)
{
    if (!is_started())
        return ZX_ERR_BAD_STATE;
    atomic_store(&host.started, false);
    processor_note("zvm_stop");
    host_switches_reset();
    vm_process_kill(host.self);
    vm_process_release(host.self);
    host_set_process(NULL);
    zx_status_t status = vm_machine_stop(&vm_log_sink);
    if (!processor_check(&vm_log_sink))
        status = ZX_ERR_BAD_STATE;
    processor_reset();
    host_memory_unmap(host.memory);
    return status;
}

zx_status_t zvm_check(void)
{
    if (!is_started())
        return ZX_ERR_BAD_STATE;
    bool sound = vm_check(&vm_log_sink);
    sound = processor_check(&vm_log_sink) && sound;
    return sound ? ZX_OK : ZX_ERR_BAD_STATE;
}

/* ---- What happens inside a process ---- */

_Static_assert(ZVM_READ == PROCESSOR_READ && ZVM_WRITE == PROCESSOR_WRITE && ZVM_EXECUTE == PROCESSOR_EXECUTE,
               "kinds of access are handed on as they are");

zx_status_t zvm_access(zx_handle_t process, zx_vaddr_t va, void *buffer, size_t size, uint32_t kind)
{
    struct vm_process *target;
    size_t done;

    if (!is_started())
        return ZX_ERR_BAD_STATE;
    if (kind != ZVM_READ && kind != ZVM_WRITE && kind != ZVM_EXECUTE)
        return ZX_ERR_INVALID_ARGS;
    if (buffer == NULL && size != 0 && kind != ZVM_EXECUTE)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vm_process_from_handle(process, &target);
    if (status != ZX_OK)
        return status;
    /* The space of a dead process may live on in others that share it. */
    status = vm_process_is_dead(target)
                 ? ZX_ERR_NOT_FOUND
                 : processor_access(vm_process_aspace(target), va, buffer, size, kind, &done);
    vm_process_release(target);
    return status;
}

/* ---- Switches ---- */

void zvm_fail_allocation(uint64_t nth, bool persistent)
{
    host_fail_allocation(nth, persistent);
}

uint64_t zvm_allocation_count(void)
{
    return host_allocation_count();
}

void zvm_fail_user_copy(uint64_t nth)
{
    host_fail_user_copy(nth);
}

/* ---- Views ---- */

struct stream_sink {
    struct vm_sink sink;
    FILE *to;
    bool failed;
};

static void write_to_stream(struct vm_sink *self, const char *text, size_t size)
{
    struct stream_sink *stream = (struct stream_sink *)(void *)self;

    if (!stream->failed && fwrite(text, 1, size, stream->to) != size)
        stream->failed = true;
}

/* Has `view` write the space of a process to a stream. */
static zx_status_t write_view(zx_handle_t process, FILE *to,
                              void (*view)(struct vm_aspace *aspace, struct vm_sink *sink))
{
    struct stream_sink stream = {.sink = {.write = write_to_stream}, .to = to};
    struct vm_process *target;

    if (!is_started())
        return ZX_ERR_BAD_STATE;
    if (to == NULL)
        return ZX_ERR_INVALID_ARGS;
    zx_status_t status = vm_process_from_handle(process, &target);
    if (status != ZX_OK)
        return status;
    view(vm_process_aspace(target), &stream.sink);
    vm_process_release(target);
    return stream.failed || fflush(to) != 0 ? ZX_ERR_INTERNAL : ZX_OK;
}

zx_status_t zvm_dump(zx_handle_t process, FILE *to)
{
    return write_view(process, to, vm_aspace_dump);
}

zx_status_t zvm_svg(zx_handle_t process, FILE *to)
{
    return write_view(process, to, vm_aspace_svg);
}

zx_status_t zvm_get_stats(struct zvm_stats *out)
{
    struct vm_stats stats;

    if (!is_started())
        return ZX_ERR_BAD_STATE;
    if (out == NULL)
        return ZX_ERR_INVALID_ARGS;
    vm_machine_stats(&stats);
    *out = (struct zvm_stats){.regions = stats.regions,
                              .mappings = stats.mappings,
                              .page_tables = stats.page_tables,
                              .pages_free = stats.pages_free,
                              .pages_total = stats.pages_total,
                              .heap_bytes = stats.heap_bytes};
    return ZX_OK;
}
