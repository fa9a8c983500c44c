/* SPDX-License-Identifier: MIT */
/*
 * run_process.c: operations that make, choose and end processes, those that share a space among them.
 */
#include <vm/aspace.h>
#include <vm/mem.h>
#include <zircon/syscalls.h>

#include "runner.h"
#include "trace_host.h"

#define ROOT_RIGHTS (ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE)
#define NAME        "traced"

uint8_t run_adopt_process(struct run *run, struct vm_process *process, bool hosted,
                          enum model_sharing sharing, int32_t shared)
{
    struct vm_aspace *const aspace = vm_process_aspace(process);
    zx_vaddr_t base = vm_aspace_base(aspace);
    size_t size = vm_aspace_size(aspace);

    /* What it sees is no space with a place then. */
    if (sharing == MODEL_JOINS) {
        base = VM_USER_ASPACE_BASE;
        size = VM_RESTRICTED_ASPACE_SIZE;
    }
    const uint8_t index = (uint8_t)model_add_process(&run->model, hosted, sharing, shared, base, size);
    const int32_t root =
        model_add_handle(&run->model, index, TRACE_TYPE_VMAR, run->model.processes[index].root,
                         vm_process_root_handle(process), ROOT_RIGHTS);
    const int32_t self = model_add_handle(&run->model, index, TRACE_TYPE_PROCESS, index,
                                          vm_process_self_handle(process), ZX_DEFAULT_PROCESS_RIGHTS);

    memcpy(run->model.processes[index].name, hosted ? "trace" : NAME, hosted ? 5 : sizeof NAME - 1);
    run->processes[index] = process;
    run->closed[index] = ZX_HANDLE_INVALID;
    run->passes_due[run->model.vmars[run->model.processes[index].root].space] = 0;
    memset(run->slots[index], 0, sizeof run->slots[index]);
    run_name_handle(run, index, TRACE_TYPE_VMAR, 0, root);
    run_name_handle(run, index, TRACE_TYPE_PROCESS, 0, self);
    return index;
}

/* Whether the model has room for one more; where not, the call is made one that is refused. */
static bool room_for_process(const struct run *run)
{
    /* As many handles as the rest of the trace may make stay in reserve. */
    return model_has_room_for_process(&run->model) && run->model.handle_count + 4 < run->model.handle_max / 2;
}

/* The core has made a process, with handles to it and to its root VMAR. */
static void adopt_made(struct run *run, zx_handle_t made, zx_handle_t root, enum model_sharing sharing,
                       int32_t shared)
{
    struct vm_process *process;

    if (vm_process_from_handle(made, &process) != ZX_OK) {
        run_broken(run, "the new process cannot be found by its handle");
        return;
    }
    const uint8_t index = run_adopt_process(run, process, false, sharing, shared);
    run_result(run, run_add_handle(run, TRACE_TYPE_PROCESS, index, made, ZX_DEFAULT_PROCESS_RIGHTS));
    run_result(run,
               run_add_handle(run, TRACE_TYPE_VMAR, run->model.processes[index].root, root, ROOT_RIGHTS));
}

void run_process_create(struct run *run)
{
    const uint32_t options = room_for_process(run) ? run->op.options : UINT16_MAX;
    const zx_handle_t job = run->op.a == 0 ? ZX_HANDLE_INVALID : RUN_GARBAGE_HANDLE;
    const bool null_first = run->op.to == TRACE_TO_NULL_FIRST,
               null_second = run->op.to == TRACE_TO_NULL_SECOND;
    const char *const name = run->op.b == 0 ? NAME : NULL;
    zx_handle_t made = ZX_HANDLE_INVALID, root = ZX_HANDLE_INVALID;

    run_argument(run, options);
    const struct model_answer want =
        model_process_create(options, job != ZX_HANDLE_INVALID, name == NULL, null_first || null_second);
    if (run_agree(run,
                  zx_process_create(job, name, sizeof NAME - 1, options, null_first ? NULL : &made,
                                    null_second ? NULL : &root),
                  want))
        adopt_made(run, made, root, options == ZX_PROCESS_SHARED ? MODEL_FOUNDS : MODEL_ALONE, MODEL_NONE);
}

void run_process_create_shared(struct run *run)
{
    const struct run_target with = run_resolve(run, TRACE_TYPE_PROCESS, run->op.a);
    const uint32_t options = room_for_process(run) ? run->op.options : UINT16_MAX;
    const bool null_first = run->op.to == TRACE_TO_NULL_FIRST,
               null_second = run->op.to == TRACE_TO_NULL_SECOND;
    const char *const name = run->op.b == 0 ? NAME : NULL;
    zx_handle_t made = ZX_HANDLE_INVALID, root = ZX_HANDLE_INVALID;

    run_argument(run, options);
    const struct model_answer want = model_process_create_shared(&run->model, with.handle, options,
                                                                 name == NULL, null_first || null_second);
    if (!run_agree(run,
                   zx_process_create_shared(with.value, options, name, sizeof NAME - 1,
                                            null_first ? NULL : &made, null_second ? NULL : &root),
                   want))
        return;
    const int32_t founder = model_object(&run->model, with.handle);
    adopt_made(run, made, root, MODEL_JOINS, run->model.processes[founder].spaces[1]);
}

void run_select_process(struct run *run)
{
    run->current = run_resolve_process(run);
    trace_host_set_process(run->processes[run->current]);
    run->record.status = ZX_OK;
}

/* What zx_process_exit does before it does not return. The first process never exits: the next one that is
   alive does, if there is one. Where the current one dies of it, the first one is current again. */
void run_process_exit(struct run *run)
{
    uint8_t process = run->op.a;

    for (unsigned i = 0; i < TRACE_PROCESSES && (process == 0 || !run->model.processes[process].alive); i++)
        process = (process + 1) % TRACE_PROCESSES;
    if (!run->model.processes[process].alive)
        process = 0;
    run_argument(run, process);
    run->record.status = ZX_OK;
    if (process == 0)
        return;
    vm_process_kill(run->processes[process]);
    if (!vm_process_is_dead(run->processes[process]))
        run_broken(run, "process %u has exited and is alive", process);
    model_do_process_exit(&run->model, process);
    if (!run->model.processes[run->current].alive) {
        run->current = 0;
        trace_host_set_process(run->processes[0]);
    }
}
