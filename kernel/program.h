/* SPDX-License-Identifier: MIT */
/* program.h: programs from the boot loader's modules, and the vDSO that they call through. */
#ifndef KERNEL_PROGRAM_H_
#define KERNEL_PROGRAM_H_

#include <stdbool.h>

struct vm_vmo;

/* Makes the VMO of the vDSO, in the kernel's process. Once, at boot. False without memory. */
bool program_start(void);

/*
 * Runs the programs (the modules named bin/NAME), or those with `part` in their names, one after the other, each as a process of
 * its own with its name and then the words of `arguments` (may be null; written to) as arguments; waits for its end and prints its
 * return code. The test aids (user/zvm.h) exist meanwhile. False where a return code was not 0, a program could not be
 * started, or there was none.
 */
bool program_run(const char *part, char *arguments);

/* Whether a program is being run, and so the test aids exist; the vDSO's VMO, not referenced; the running program's image,
   referenced, null while none is run: processes that a program left behind may ask while it ends. */
bool program_is_running(void);
struct vm_vmo *program_vdso(void);
struct vm_vmo *program_image(void);

#endif /* KERNEL_PROGRAM_H_ */
