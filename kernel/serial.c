/* SPDX-License-Identifier: MIT */
/*
 * serial.c: the first serial port. Writing polls and fills the 16-byte queue whenever it is empty; reading
 * halts until the port's interrupt, the only one that is ever let in. Where there is no port, everything is
 * silently dropped.
 */
#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "serial.h"
#include "spinlock.h"

#define PORT 0x3f8

enum { DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };

#define FIFO_ON          0xc7 /* on, both queues emptied */
#define LINE_8N1         0x03
#define LINE_DIVISOR     0x80
#define MODEM_READY      0x0b /* DTR, RTS, and OUT2, which lets the interrupt through */
#define STATUS_RECEIVED  0x01
#define STATUS_EMPTY     0x20 /* room in the queue: all of it */
#define STATUS_IDLE      0x40 /* the last bit has left as well */
#define QUEUE            16
#define CONTROLLER_MASK  0x21
#define CONTROLLER_LINE4 0xef
#define CONTROLLER_NONE  0xff

static bool present;

void serial_start(void)
{
    outb(PORT + SCRATCH, 0x5a);
    present = inb(PORT + SCRATCH) == 0x5a;
    if (!present)
        return;
    outb(PORT + INTERRUPTS, 0);
    outb(PORT + LINE, LINE_DIVISOR);
    outb(PORT + DATA, 1); /* 115200 */
    outb(PORT + INTERRUPTS, 0);
    outb(PORT + LINE, LINE_8N1);
    outb(PORT + FIFO, FIFO_ON);
    outb(PORT + MODEM, MODEM_READY);
}

static void wait_for(uint8_t status)
{
    while ((inb(PORT + STATUS) & status) == 0)
        __asm__ volatile("pause");
}

void serial_write(const char *text, size_t size)
{
    for (size_t i = 0; present && i < size; i++) {
        if (i % QUEUE == 0)
            wait_for(STATUS_EMPTY);
        outb(PORT + DATA, (uint8_t)text[i]);
    }
}

void serial_drain(void)
{
    if (present)
        wait_for(STATUS_IDLE);
}

char serial_read(void)
{
    while (!present)
        __asm__ volatile("cli; hlt");
    uint64_t flags = interrupts_off();
    outb(CONTROLLER_MASK, CONTROLLER_LINE4);
    outb(PORT + INTERRUPTS, STATUS_RECEIVED);
    while ((inb(PORT + STATUS) & STATUS_RECEIVED) == 0)
        __asm__ volatile("sti; hlt; cli");
    outb(PORT + INTERRUPTS, 0);
    outb(CONTROLLER_MASK, CONTROLLER_NONE);
    char c = (char)inb(PORT + DATA);
    interrupts_restore(flags);
    return c;
}
