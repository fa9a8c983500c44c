/* SPDX-License-Identifier: MIT */
/* calls.h: the list of calls as a program sees it, and calls by number. */
#ifndef KERNEL_USER_CALLS_H_
#define KERNEL_USER_CALLS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zircon/types.h>

#define CALL_ARGUMENTS 8

/* One that goes to the kernel. An argument is told as in its prototype: type, then name. */
struct call {
    const char *name, *result;
    uint64_t number;
    unsigned argument_count;
    const char *arguments[CALL_ARGUMENTS];
};

extern const struct call calls[];
extern const unsigned call_count;

/* The call of that number; null: there is none. */
const struct call *call_of_number(uint64_t number);
/* By its name, or null. */
const struct call *call_of_name(const char *name);

bool call_is_pointer(const struct call *call, unsigned argument);
/* A pointer that is only read from. */
bool call_is_input(const struct call *call, unsigned argument);
/* Whether the argument is of that type, or has that name. */
bool call_has_type(const struct call *call, unsigned argument, const char *type);
bool call_has_name(const struct call *call, unsigned argument, const char *name);

/* Makes the call with that in rax, by the vDSO's own instruction. What it leaves in rax. */
uint64_t call_raw(uint64_t number, const uint64_t arguments[CALL_ARGUMENTS]);

/* Where in the vDSO the instructions `syscall; ret` are. */
zx_vaddr_t call_instruction(void);

/* calls_raw.S */
uint64_t call_through(uint64_t number, const uint64_t arguments[CALL_ARGUMENTS], zx_vaddr_t instruction)
    __attribute__((visibility("hidden")));

#endif /* KERNEL_USER_CALLS_H_ */
