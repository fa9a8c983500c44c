/* SPDX-License-Identifier: MIT */
/* port.h: what the kernel asks of its side of the core's port. */
#ifndef KERNEL_PORT_H_
#define KERNEL_PORT_H_

#include <stdbool.h>
#include <stdint.h>

struct vm_aspace;
struct vm_process;

/* A lock class of the kernel's own: such a lock is taken before all of the core's. */
#define PORT_LOCK_BUFFERS ((enum port_lock_class)0)

/* Makes `process` the one that calls are made for; returns the one before. */
struct vm_process *port_set_process(struct vm_process *process);

/* The space that ring 3 is being entered in; null: the running process's. */
void port_set_user_aspace(struct vm_aspace *aspace);
struct vm_aspace *port_running_aspace(void);

/* Whether threads of programs are not started from now on (NOT_SUPPORTED): on machines that are gone in a moment. */
void port_refuse_programs(bool refuse);

/* The nth allocation from now fails (0: none), and all after it where persistent. */
void port_fail_allocation(uint64_t nth, bool persistent);
uint64_t port_allocation_count(void);
void port_reset_allocations(void);

/* From here on locks do nothing: a report looks at structures that someone may have been changing. */
void port_stop_locking(void);

/* For tests of assertions: the next panic calls `catcher`, which does not return, instead of ending the machine;
 * the locks count as given up. Null: none does. What the core was doing is left half done: whoever catches a panic
 * throws that machine away, or puts its memory back as it was. */
void port_catch_panic(void (*catcher)(void));

#endif /* KERNEL_PORT_H_ */
