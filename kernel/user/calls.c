/* SPDX-License-Identifier: MIT */
/* calls.c: the list of calls (kernel/calls.list), and calls by number. */
#include "calls.h"

#include "runtime.h"

const struct call calls[] = {
#include "call_table.h"
};
const unsigned call_count = sizeof(calls) / sizeof(calls[0]);

const struct call *call_of_number(uint64_t number)
{
    for (unsigned i = 0; i < call_count; i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}

const struct call *call_of_name(const char *name)
{
    for (unsigned i = 0; i < call_count; i++)
        if (text_equal(calls[i].name, name))
            return &calls[i];
    return NULL;
}

bool call_is_pointer(const struct call *call, unsigned argument)
{
    return text_contains(call->arguments[argument], "*");
}

bool call_is_input(const struct call *call, unsigned argument)
{
    return call_is_pointer(call, argument) && text_after(call->arguments[argument], "const ") != NULL;
}

bool call_has_type(const struct call *call, unsigned argument, const char *type)
{
    const char *rest = text_after(call->arguments[argument], type);
    return rest != NULL && *rest == ' ';
}

bool call_has_name(const struct call *call, unsigned argument, const char *name)
{
    const char *text = call->arguments[argument], *at = text;
    for (; *text != '\0'; text++)
        if (*text == ' ' || *text == '*')
            at = text + 1;
    return text_equal(at, name);
}

zx_vaddr_t call_instruction(void)
{
    const uint8_t *code = (const uint8_t *)(uintptr_t)zx_handle_close;
    for (unsigned i = 0; i < 32; i++)
        if (code[i] == 0x0f && code[i + 1] == 0x05 && code[i + 2] == 0xc3)
            return (zx_vaddr_t)(code + i);
    give_up("calls: the vDSO has another shape than expected");
}

uint64_t call_raw(uint64_t number, const uint64_t arguments[CALL_ARGUMENTS])
{
    return call_through(number, arguments, call_instruction());
}
