/* SPDX-License-Identifier: MIT */
/*
 * paging.h: the kernel's half of every address space.
 *
 *   0xffff800000000000  all physical memory, readable and writable, never executable
 *   0xffffff0000000000  two pages that ring 3 may use: code that moves bytes, and a buffer for them (user.c)
 *   0xffffff8000000000  the kernel's own address space, as the core manages it (paging_join_space); in it:
 *   0xffffffc000000000  large buffers (buffer.c)
 *   0xffffffff7ffff000  the registers of the interrupt controllers (apic.c)
 *   0xffffffff80000000  the kernel image: code, constants and data, each with its own permissions
 */
#ifndef KERNEL_PAGING_H_
#define KERNEL_PAGING_H_

#include <stdbool.h>
#include <stdint.h>
#include <zircon/types.h>

struct vm_aspace;

#define DIRECT_MAP_BASE 0xffff800000000000ull
#define DIRECT_MAP_SIZE (512ull << 30)
#define EARLY_MAP_SIZE  (4ull << 30) /* what boot.S maps */
#define USER_WINDOW     0xffffff0000000000ull
#define APIC_BASE       0xffffffff7ffff000ull
#define KERNEL_BASE     0xffffffff80000000ull

/* linker.ld */
extern char image_start_physical[], image_text[], image_rodata[], image_data[], image_end[];

static inline void *physical_to_virtual(zx_paddr_t pa)
{
    return (void *)(uintptr_t)(DIRECT_MAP_BASE + pa);
}

/* Of something in the kernel image. */
static inline zx_paddr_t kernel_to_physical(const void *pointer)
{
    return (uintptr_t)pointer - KERNEL_BASE;
}

/* Builds the kernel's tables and loads them; the early ones and the low mapping are gone then. cpu_start came
 * before. */
void paging_start(void);

/* The selected machine's kernel space becomes the processor's, for good: the image is entered into its
   tables, as the kernel's have it, and they take the place of these. Once, after vm_machine_start. False
   without memory. */
bool paging_join_space(void);

/* Writes the kernel's half into a top-level table. */
void paging_fill_root(zx_paddr_t root);

zx_paddr_t paging_kernel_root(void);

/* Makes this table the running processor's, unless it is already. The others can see which one it is, or is about to be
   (percpu.h): whoever changes tables looks there after the change, so either the change is seen by the one
   who loads, or the load by the one who changes. */
void paging_switch(zx_paddr_t root);

/* The same with the table of a space that may be destroyed meanwhile. False: it is, and what was loaded still is. The caller has a
   reference to the space. */
bool paging_switch_to_space(struct vm_aspace *aspace);

/* Whether ring 3 may use the window with the tables of that root: not, but for a visit. The running processor knows at once, others
   when they load the root again. */
void paging_open_window(zx_paddr_t root, bool open);

/* Forgets, on the running processor, one page of the space that is loaded, and global translations of that page; everything of that
   space; everything of all spaces, global translations too (interrupts off, or at boot). */
void paging_forget_page(zx_vaddr_t va);
void paging_forget_all(void);
void paging_forget_global(void);

/* What the table of `root` says about va: its physical address; false where it has no translation. */
bool paging_walk(zx_paddr_t root, zx_vaddr_t va, zx_paddr_t *pa);

#endif /* KERNEL_PAGING_H_ */
