/* SPDX-License-Identifier: MIT */
/* hostile.h: parts of the hostile suite (hostile.c). */
#ifndef KERNEL_USER_HOSTILE_H_
#define KERNEL_USER_HOSTILE_H_

#include "test.h"

#define PAGE       ZX_PAGE_SIZE
#define READ_WRITE (ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
#define VMAR_OPTIONS                                                                                         \
    (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC)

/* What a process ends with that did what should have killed it, and went on. */
#define SURVIVED 77
/* For a deed: that its parent must kill it, after a while; as `other`: unless it has ended by then. */
#define NEEDS_KILLING ((int64_t)1 << 40)

/* What a process of its own does; its end must be `code`, or `other`. */
struct deed {
    const char *name;
    void (*function)(void);
    int64_t code, other;
};

#define DEED_NAME(function) #function
#define DEED(function, code, other)                                                                          \
    {                                                                                                        \
        DEED_NAME(function), function, code, other                                                           \
    }

/* What kills (hostile_deeds.c), and what does not (hostile_survivors.c): the latter is made of checks, as a test. */
extern const struct deed deeds[], survivors[];
extern const unsigned deed_count, survivor_count;

/* Every pointer argument of every call, bad in every way (hostile_pointers.c). Made of checks. */
void bad_pointers(void);
void unused_numbers(void);

/* That many random calls (hostile_random.c). Their process is told by its name how many were made, at least. */
#define RANDOM_NAME "random "
_Noreturn void random_calls(uint64_t seed, uint64_t count);

/* Memory of the caller's own, of any permissions, filled with zeroes. Gives up without memory. */
zx_vaddr_t map_pages(unsigned pages, zx_vm_option_t permissions);
/* A page that holds these bytes, to be executed. */
zx_vaddr_t map_code(const void *bytes, size_t size);

void sleep_ms(int64_t milliseconds);

#endif /* KERNEL_USER_HOSTILE_H_ */
