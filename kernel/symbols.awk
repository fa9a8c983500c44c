# SPDX-License-Identifier: MIT
# symbols.awk: the output of `nm -n` becomes the assembly source of the kernel's symbol table, which symbols.c
# reads. Only functions in the upper half; of several names for one address the first.
BEGIN {
    print "    .section .symbols, \"a\""
    print "    .balign 8"
    print "    .global symbol_table, symbol_names, symbol_count"
    print "symbol_table:"
}
$2 ~ /^[tT]$/ && $1 ~ /^ffffffff[89a-f]/ && $1 != last && $3 !~ /^(image_|\.)/ {
    last = $1
    printf "    .long 0x%s - 0x80000000, %d\n", substr($1, 9), length_so_far
    names[count++] = $3
    length_so_far += length($3) + 1
}
END {
    printf "symbol_count:\n    .long %d\n", count
    print "symbol_names:"
    for (i = 0; i < count; i++)
        printf "    .asciz \"%s\"\n", names[i]
    print "    .section .note.GNU-stack, \"\", @progbits"
}
