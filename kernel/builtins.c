/* SPDX-License-Identifier: MIT */
/* builtins.c: what the compiler calls where the processor it may assume has no instruction for it. */

int __popcountdi2(long value);

int __popcountdi2(long value)
{
    unsigned long bits = (unsigned long)value;
    int count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}
