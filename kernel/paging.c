/* SPDX-License-Identifier: MIT */
/*
 * paging.c: the kernel's own page tables, built once at boot. Nothing is both writable and executable, not
 * even through the direct map: the kernel's code and constants are read-only there too. Pages of the image
 * and around it are small, the rest of the direct map is made of 2 MiB pages. Below each kernel stack one
 * page is left out.
 *
 * The last top-level entry spans the image and the core's kernel space alike. Once the core's machine has
 * started, the tables of that space have the image as well, in a range set aside, and take the place of those
 * built at boot.
 *
 * The tables of a user space share the kernel's half: the three top-level entries are copied when its
 * top-level table is made, and do not change afterwards: those of the kernel's space are fixed.
 */
#include <vm/arch_mmu.h>
#include <vm/aspace.h>
#include <vm/format.h>
#include <vm/mem.h>

#include "cpu.h"
#include "gdt.h"
#include "io.h"
#include "memory.h"
#include "multiboot.h"
#include "paging.h"
#include "percpu.h"
#include "power.h"
#include "spinlock.h"
#include "user.h"

#define ENTRIES     512
#define LARGE_PAGE  (2ull << 20)
#define UPPER_HALF  (ENTRIES / 2)
#define PTE_NOCACHE (1ull << 4)

#define KERNEL_CODE  X86_PTE_PRESENT
#define KERNEL_CONST (X86_PTE_PRESENT | X86_PTE_NX)
#define KERNEL_DATA  (X86_PTE_PRESENT | X86_PTE_WRITABLE | X86_PTE_NX)

static zx_paddr_t kernel_root;

static uint64_t *table_at(zx_paddr_t pa)
{
    return physical_to_virtual(pa & X86_PTE_ADDRESS);
}

static zx_paddr_t new_table(void)
{
    zx_paddr_t pa = memory_take(ZX_PAGE_SIZE, ZX_PAGE_SIZE);
    if (pa == 0)
        power_fail("boot: no memory for the kernel's page tables");
    memset(physical_to_virtual(pa), 0, ZX_PAGE_SIZE);
    return pa;
}

static unsigned index_at(zx_vaddr_t va, unsigned level)
{
    return va >> (ZX_PAGE_SHIFT + 9 * level) & (ENTRIES - 1);
}

/* The entry for va in the table of that level (0: of pages), tables above it made as needed. */
static uint64_t *entry_for(zx_vaddr_t va, unsigned level, uint64_t flags)
{
    uint64_t *table = table_at(kernel_root);
    for (unsigned at = 3; at > level; at--) {
        uint64_t *entry = &table[index_at(va, at)];
        if (*entry == 0)
            *entry = new_table() | X86_PTE_PRESENT | X86_PTE_WRITABLE | (flags & X86_PTE_USER);
        table = table_at(*entry);
    }
    return &table[index_at(va, level)];
}

/* Maps [va, va + size); by large pages where `large` and everything is aligned. */
static void map(zx_vaddr_t va, zx_paddr_t pa, size_t size, uint64_t flags, bool large)
{
    if (cpu_has(CPU_PGE) && (flags & X86_PTE_USER) == 0)
        flags |= X86_PTE_GLOBAL;
    while (size > 0) {
        bool one_large = large && ((va | pa) & (LARGE_PAGE - 1)) == 0 && size >= LARGE_PAGE;
        size_t step = one_large ? LARGE_PAGE : ZX_PAGE_SIZE;
        *entry_for(va, one_large, flags) = pa | flags | (one_large ? X86_PTE_LARGE : 0);
        va += step;
        pa += step;
        size -= step;
    }
}

static void map_image_part(const char *from, const char *to, uint64_t flags)
{
    zx_paddr_t pa = kernel_to_physical(from);
    size_t size = (size_t)(to - from);
    uint64_t direct = flags == KERNEL_CODE ? KERNEL_CONST : flags;
    map((uintptr_t)from, pa, size, flags, false);
    map(DIRECT_MAP_BASE + pa, pa, size, direct, false);
}

static void map_image(void)
{
    map_image_part(image_text, image_rodata, KERNEL_CODE);
    map_image_part(image_rodata, image_data, KERNEL_CONST);
    map_image_part(image_data, image_end, KERNEL_DATA);
    for (unsigned i = 0; i < gdt_guard_count(); i++)
        *entry_for((uintptr_t)gdt_guard(i), 0, 0) = 0;
}

static void map_memory(void)
{
    zx_paddr_t image = (zx_paddr_t)image_start_physical;
    zx_paddr_t end = kernel_to_physical(image_end);
    zx_paddr_t top = (memory_top() + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    zx_paddr_t image_large = (end + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    map(DIRECT_MAP_BASE, 0, image, KERNEL_DATA, false);
    map(DIRECT_MAP_BASE + image, image, kernel_to_physical(image_text) - image, KERNEL_CONST, false);
    map(DIRECT_MAP_BASE + end, end, image_large - end, KERNEL_DATA, false);
    map(DIRECT_MAP_BASE + image_large, image_large, top - image_large, KERNEL_DATA, true);
}

/* Graphics memory lies above or beside the memory that the loader lists. */
static void map_framebuffer(void)
{
    const struct boot_framebuffer *screen = &boot_info.framebuffer;
    if (!boot_info.has_framebuffer || screen->type == BOOT_FRAMEBUFFER_TEXT)
        return;
    zx_paddr_t base = screen->base & ~(LARGE_PAGE - 1);
    zx_paddr_t end = screen->base + (uint64_t)screen->pitch * screen->height;
    end = (end + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    if (base < memory_top() || end > DIRECT_MAP_SIZE)
        boot_info.has_framebuffer = false;
    else
        map(DIRECT_MAP_BASE + base, base, end - base, KERNEL_DATA | PTE_NOCACHE, true);
}

void paging_start(void)
{
    kernel_root = new_table();
    map_memory();
    map_framebuffer();
    map_image();
    map(USER_WINDOW_CODE, kernel_to_physical(user_window_code), ZX_PAGE_SIZE, X86_PTE_PRESENT | X86_PTE_USER,
        false);
    map(USER_WINDOW_BUFFER, kernel_to_physical(user_window_buffer), ZX_PAGE_SIZE, KERNEL_DATA | X86_PTE_USER,
        false);
    paging_open_window(kernel_root, false);
    paging_switch(kernel_root);
    paging_forget_global();
}

static bool join_image(struct page_table *table)
{
    for (zx_vaddr_t va = (uintptr_t)image_text; va < (uintptr_t)image_end; va += ZX_PAGE_SIZE) {
        uint64_t entry = *entry_for(va, 0, 0);
        uint32_t flags = ARCH_MMU_READ | ARCH_MMU_GLOBAL;
        if ((entry & X86_PTE_PRESENT) == 0)
            continue; /* below a stack */
        flags |= entry & X86_PTE_WRITABLE ? ARCH_MMU_WRITE : 0;
        flags |= entry & X86_PTE_NX ? 0 : ARCH_MMU_EXECUTE;
        if (page_table_map(table, va, entry & X86_PTE_ADDRESS, ZX_PAGE_SIZE, flags,
                           PAGE_TABLE_EXISTING_ERROR) != ZX_OK)
            return false;
    }
    return true;
}

bool paging_join_space(void)
{
    struct vm_aspace *aspace = vm_aspace_kernel();
    struct page_table *table = vm_aspace_page_table(aspace);
    size_t size = (uintptr_t)image_end - (uintptr_t)image_text;
    unsigned slot = index_at(VM_KERNEL_ASPACE_BASE, 3);

    if (page_table_fix(table) != ZX_OK || vm_aspace_set_aside((uintptr_t)image_text, size) != ZX_OK ||
        !join_image(table))
        return false;
    table_at(kernel_root)[slot] = table_at(vm_aspace_table_root(aspace))[slot];
    paging_forget_global();
    return true;
}

void paging_fill_root(zx_paddr_t root)
{
    const uint64_t *from = table_at(kernel_root);
    memcpy(table_at(root) + UPPER_HALF, from + UPPER_HALF, UPPER_HALF * sizeof(*from));
}

zx_paddr_t paging_kernel_root(void)
{
    return kernel_root;
}

/* Others look at what this processor has loaded before they decide whether to tell it of what has changed: it is
   noted first, and what was changed before that is then seen in the tables. */
void paging_switch(zx_paddr_t root)
{
    if (atomic_load_explicit(&percpu()->root, memory_order_relaxed) == root)
        return;
    uint64_t flags = interrupts_off();
    struct percpu *self = percpu();
    atomic_store(&self->root, root);
    write_cr3(root);
    atomic_store(&self->leaving, root);
    interrupts_restore(flags);
}

/* The root is said before it is known to be there still, and loaded after that: whoever destroys the space takes its root
   away first, then looks who has it. So either the root is seen to be gone, here, or this processor is waited for. */
bool paging_switch_space(struct vm_aspace *aspace)
{
    uint64_t flags = interrupts_off();
    struct percpu *self = percpu();
    zx_paddr_t before = atomic_load(&self->root), root = vm_aspace_table_root(aspace);
    if (root != before) {
        atomic_store(&self->root, root);
        atomic_thread_fence(memory_order_seq_cst);
        if (root != 0 && vm_aspace_table_root(aspace) == root)
            write_cr3(root);
        else
            atomic_store(&self->root, before);
        atomic_store(&self->leaving, atomic_load(&self->root));
    }
    bool loaded = root != 0 && atomic_load(&self->root) == root;
    interrupts_restore(flags);
    return loaded;
}

/* By the bit in the top-level entry, which is the root's own. */
void paging_open_window(zx_paddr_t root, bool open)
{
    uint64_t *entry = &table_at(root)[index_at(USER_WINDOW, 3)];
    *entry = open ? *entry | X86_PTE_USER : *entry & ~X86_PTE_USER;
    paging_forget_page(USER_WINDOW_CODE);
    paging_forget_page(USER_WINDOW_BUFFER);
}

void paging_forget_page(zx_vaddr_t va)
{
    invlpg(va);
}

void paging_forget_all(void)
{
    write_cr3(read_cr3());
}

void paging_forget_global(void)
{
    uint64_t cr4 = read_cr4();
    write_cr4(cr4 & ~CR4_PGE);
    write_cr3(read_cr3());
    write_cr4(cr4);
}

bool paging_walk(zx_paddr_t root, zx_vaddr_t va, zx_paddr_t *pa)
{
    const uint64_t *table = table_at(root);
    for (unsigned level = 4; level-- > 0;) {
        uint64_t entry = table[index_at(va, level)];
        uint64_t inside = (1ull << (ZX_PAGE_SHIFT + 9 * level)) - 1;
        if (!(entry & X86_PTE_PRESENT))
            return false;
        if (level == 0 || (level < 3 && (entry & X86_PTE_LARGE))) {
            *pa = ((entry & X86_PTE_ADDRESS) & ~inside) | (va & inside);
            return true;
        }
        table = table_at(entry);
    }
    return false;
}
