/* SPDX-License-Identifier: MIT */
/*
 * thread.h: threads, as the host of the core sees them (programs use zx_thread_create and what follows it).
 *
 * The core knows whose a thread is, in which space it runs and whether it has run; running it is the host's
 * part (port_thread_start in vm/port.h). A thread is new, then runs, then is dead, and never goes back; one
 * whose process dies before it has run is dead at once. A process that was started dies when the last of its
 * threads that run has ended.
 *
 * All functions may be called from any thread at any time, with no lock of the core held.
 */
#ifndef VM_THREAD_H_
#define VM_THREAD_H_

#include <zircon/types.h>

struct vm_aspace;
struct vm_process;
struct vm_thread;

/* A new thread of the process, in its space. One reference, the caller's. BAD_STATE the process is dead;
   NO_MEMORY. The name is copied, cut at 31 bytes; null will do. O(1). */
zx_status_t vm_thread_create(struct vm_process *process, const char *name, struct vm_thread **out);
/* Gives up a reference. What goes may be the thread, and its process with it where that is dead. */
void vm_thread_release(struct vm_thread *thread);

/* Whose it is; as long-lived as the thread. Not referenced. */
struct vm_process *vm_thread_process(struct vm_thread *thread);
/* In which space it runs: the process's, unless another was attached. As long-lived as the thread. Not
   referenced. */
struct vm_aspace *vm_thread_aspace(struct vm_thread *thread);

/* Makes a user space the one that the thread, which must be new, will run in. The thread holds a reference to
   it; destroying that space is still its maker's part. */
void vm_aspace_attach_to_thread(struct vm_aspace *aspace, struct vm_thread *thread);

/* Starts it, the process's first or a further one. Errors in order: INVALID_ARGS entry or stack no address of user space; BAD_STATE the thread is not new, or the process dead; those of port_thread_start. O(1). */
zx_status_t vm_thread_start(struct vm_thread *thread, zx_vaddr_t entry, zx_vaddr_t stack, uint64_t arg1,
                            uint64_t arg2);

/* The host says that a thread which it was given by port_thread_start has stopped for good, and gives back the
   reference that came with it. Where it was the last of its process that ran, the process dies, with return
   code 0 unless it was killed with another. Harmless for a thread that is dead already (the caller has then a
   reference of its own); one that never ran is an assertion. Cost: O(1), and what the process has where it
   dies. */
void vm_thread_ended(struct vm_thread *thread);

#endif /* VM_THREAD_H_ */
