/* SPDX-License-Identifier: MIT */
/*
 * power.c: the end. Every emulator is told in its own way; whoever does not listen ignores the others' ports.
 */
#include <vm/format.h>

#include "io.h"
#include "power.h"
#include "serial.h"
#include "smp.h"

#define QEMU_EXIT      0xf4   /* isa-debug-exit: value v ends QEMU with status (v << 1) | 1 */
#define QEMU_SUCCESS   0x10   /* status 33 */
#define QEMU_FAILURE   0x11   /* status 35 */
#define BOCHS_SHUTDOWN 0x8900 /* ends Bochs at the word "Shutdown" */
#define ACPI_CONTROL   0x604  /* where QEMU's firmware puts PM1a_CNT */
#define ACPI_SOFT_OFF  0x2000

void power_off(int status)
{
    smp_stop_others();
    vm_print(&vm_log_sink, "zvm: exit %d\n", status);
    serial_drain();
    outb(QEMU_EXIT, status == 0 ? QEMU_SUCCESS : QEMU_FAILURE);
    for (const char *letter = "Shutdown"; *letter != '\0'; letter++)
        outb(BOCHS_SHUTDOWN, (uint8_t)*letter);
    outw(ACPI_CONTROL, ACPI_SOFT_OFF);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_fail(const char *why)
{
    vm_print(&vm_log_sink, "%s\n", why);
    power_off(1);
}
