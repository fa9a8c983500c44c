#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_tools.sh: bad input to the tools: a clear message, the right exit status, nothing half-written.
#
#   harness/tests/test_tools.sh
#
# Prints each test that fails with what the tool said, and a last line `N passed, N failed`. ZVT=FILE is used for build/host/zvt, and then
# only zvt itself is tested: harness/valgrind names a script that runs it under memcheck.
set -uo pipefail
case ${1-} in --help | -h) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/../.." || exit 2
root=$PWD
zvt=${ZVT:-$root/build/host/zvt}
kernel=$root/build/kernel/zvm.elf
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
passed=0 failed=0

# expect NAME STATUS PATTERN COMMAND…: the command exits with one of STATUS ("1|2") and says something that matches PATTERN.
expect() {
    local name=$1 want=$2 pattern=$3 status=0
    shift 3
    "$@" >"$work/said" 2>&1 </dev/null || status=$?
    if [[ ! "|$want|" == *"|$status|"* ]]; then
        echo "FAILED $name: exit status $status, expected $want; it said:"
    elif ! grep -qE -- "$pattern" "$work/said"; then
        echo "FAILED $name: expected a message like \"$pattern\"; it said:"
    else
        passed=$((passed + 1))
        return 0
    fi
    head -n 10 "$work/said" | sed 's/^/    /'
    failed=$((failed + 1))
}

# that NAME COMMAND…: the command succeeds.
that() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED $name"
        failed=$((failed + 1))
    fi
}

# No file may grow beyond a kilobyte: what a full disk looks like to a program.
no_room() { (trap '' XFSZ; ulimit -f 1; "$@"); }

# absent FILE…: none of them is there, nor a temporary sibling.
absent() {
    local file
    for file in "$@"; do
        compgen -G "$file*" >/dev/null && { ls -l "$file"*; return 1; }
    done
    return 0
}

# As someone whom permissions bind.
as_nobody() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}

# ---- zvt ----
"$zvt" generate --seed 7 --ops 50 -o "$work/good.zvt" >/dev/null || echo "FAILED to generate a trace"
"$zvt" generate --seed 8 --ops 400 -o "$work/long.zvt" >/dev/null
expect "zvt alone" 2 'usage|zvt' "$zvt"
expect "zvt, unknown command" 2 'frobnicate' "$zvt" frobnicate
expect "zvt --help" 0 'minimize' "$zvt" --help
expect "zvt run, good" 0 'good.zvt [0-9a-f]{16} 50 ZX_OK' "$zvt" run "$work/good.zvt"
expect "zvt run, nothing given" 2 '.' "$zvt" run
expect "zvt run, missing file" 2 'nowhere.zvt' "$zvt" run "$work/nowhere.zvt"
expect "zvt run, directory" 2 "$work" "$zvt" run "$work"
mkdir "$work/closed" && cp "$work/good.zvt" "$work/closed/" && chmod 000 "$work/closed/good.zvt" && chmod 755 "$work" "$work/closed"
expect "zvt run, unreadable" 2 'good.zvt' as_nobody "$zvt" run "$work/closed/good.zvt"
: >"$work/empty.zvt"
expect "zvt run, empty file" 0 'empty.zvt [0-9a-f]{16} 0 ZX_OK' "$zvt" run "$work/empty.zvt"
head -c 37 "$work/good.zvt" >"$work/short.zvt"
expect "zvt run, truncated" 0 'short.zvt [0-9a-f]{16} [0-9]+ ZX_OK' "$zvt" run "$work/short.zvt"
head -c 100000000 /dev/zero >"$work/huge.zvt" 2>/dev/null
expect "zvt run, far too long" '0|2' 'huge.zvt' "$zvt" run "$work/huge.zvt"
rm -f "$work/huge.zvt"
printf 'no such operation here\n' >"$work/bad.txt"
expect "zvt assemble, bad text" 2 'bad.txt:1|line 1' "$zvt" assemble "$work/bad.txt" -o "$work/bad.zvt"
that "zvt assemble leaves nothing" absent "$work/bad.zvt"
expect "zvt assemble, binary for text" 2 '.' "$zvt" assemble "$work/good.zvt" -o "$work/bad.zvt"
that "zvt assemble leaves nothing of binary" absent "$work/bad.zvt"
# assembles TEXT STATUS PATTERN
assembles() {
    printf '%s\n' "$1" >"$work/bad.txt"
    expect "zvt assemble: ${1//$'\n'/; }" "$2" "$3" "$zvt" assemble "$work/bad.txt" -o "$work/bad.zvt"
}
assembles $'trace\nvmo_create size=pages:1 to=200' 2 'bad.txt:2: to: expected to=[0-9]+, .*found "to=200"'
assembles $'trace\nvmo_create to=1 size=0:5' 2 'size: expected nothing, .*found "size=0:5"'
assembles $'trace\nvmar_map vmo=1 options=PERM_WRITE to=2' 2 'options: expected options=PERM_READ.PERM_WRITE, .*!.*found "options=PERM_WRITE"'
assembles $'trace\nvmo_create size=pages:1 size=pages:2' 2 'expected each operand once, found "size=pages:2"'
assembles 'trace memory=64 seed=1 memory=128' 2 'once, found "memory=128"'
assembles $'trace\nvmo\033[31m\xff' 2 'found "vmo.x1b\[31m.xff"'
that "zvt assemble leaves nothing of operands out of place" absent "$work/bad.zvt"
expect "zvt generate, no such folder" 2 'nowhere' "$zvt" generate --seed 1 --ops 5 -o "$work/nowhere/x.zvt"
expect "zvt generate, not a number" 2 'many' "$zvt" generate --seed 1 --ops many -o "$work/x.zvt"
that "zvt generate leaves nothing" absent "$work/x.zvt"
expect "zvt generate, a hexadecimal number without digits" 2 '0x' "$zvt" generate --seed 0x --ops 5 -o "$work/x.zvt"
"$zvt" generate --seed 010 --ops 0xa -o "$work/x.zvt" && "$zvt" generate --seed 10 --ops 10 -o "$work/y.zvt"
that "numbers of zvt are decimal with a zero in front, too" cmp "$work/x.zvt" "$work/y.zvt"
chmod 640 "$work/x.zvt" && ln -s x.zvt "$work/link.zvt"
that "zvt generates to a link" "$zvt" generate --seed 7 --ops 50 -o "$work/link.zvt"
that "zvt follows a link, and keeps the mode" test "$(stat -c %A%a "$work/link.zvt" "$work/x.zvt" | tr '\n' ' ')" = "lrwxrwxrwx777 -rw-r-----640 "
that "zvt writes where the link leads" cmp "$work/good.zvt" "$work/x.zvt"
rm "$work/x.zvt"
expect "zvt generate to a link that leads nowhere" 2 'leads nowhere' "$zvt" generate --seed 7 --ops 50 -o "$work/link.zvt"
chmod 444 "$work/y.zvt"
expect "zvt generate over what may not be written" 2 'y.zvt: cannot be written: Permission' as_nobody "$zvt" generate --seed 7 --ops 50 -o "$work/y.zvt"
expect "zvt run --verbose --fail-each" 2 'found --fail-each' "$zvt" run --verbose --fail-each "$work/good.zvt"
expect "zvt run --verbose --check-every" 2 'found --check-every' "$zvt" run --check-every 5 --verbose "$work/good.zvt"
expect "zvt svg --after into a directory" 2 'expected -o FILE.svg' "$zvt" svg "$work/good.zvt" --after 3 -o "$work/closed"
expect "zvt generate, no room" 2 'full.zvt' no_room "$zvt" generate --seed 1 --ops 400 -o "$work/full.zvt"
that "zvt generate leaves nothing when full" absent "$work/full.zvt"
expect "zvt run to a full device" 2 'cannot be written: No space' bash -c '"$1" run "$2" >/dev/full' - "$zvt" "$work/good.zvt"
{ echo trace; for ((i = 0; i < 4097; i++)); do echo handle_close; done; } >"$work/many.txt"
expect "zvt assemble, too many operations" 2 'many.txt:4098: expected at most 4096 operations' "$zvt" assemble "$work/many.txt" -o "$work/bad.zvt"
{ echo trace; head -c 4194304 /dev/zero | tr '\0' '#'; } >"$work/many.txt"
expect "zvt assemble, too much text" 2 'at most 4194304 bytes' "$zvt" assemble "$work/many.txt" -o "$work/bad.zvt"
that "zvt assemble leaves nothing of what is too large" absent "$work/bad.zvt"
expect "zvt assemble tells its limits" 0 '4096 operations.* 4 MiB' "$zvt" assemble --help
expect "zvt dump to a full device" 2 'No space' bash -c '"$1" dump "$2" >/dev/full' - "$zvt" "$work/good.zvt"
expect "zvt svg, no room" 2 'full.svg' no_room "$zvt" svg "$work/long.zvt" -o "$work/full.svg"
that "zvt svg leaves nothing when full" absent "$work/full.svg"
expect "zvt diff, equal" 0 '' "$zvt" diff "$work/good.zvt" "$work/good.zvt"
expect "zvt diff, different" 1 '.' "$zvt" diff "$work/good.zvt" "$work/long.zvt"
"$zvt" dump "$work/good.zvt" >"$work/good.txt"
"$zvt" assemble "$work/good.txt" -o "$work/again.zvt"
that "zvt dump and assemble are lossless" cmp -s "$work/good.zvt" "$work/again.zvt"

if [ -n "${ZVT:-}" ]; then
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
fi

expect "zvt minimize, no place for the result" 2 'nowhere.x.zvt: cannot be written' "$zvt" minimize "$work/good.zvt" -o "$work/nowhere/x.zvt"
expect "zvt minimize, nothing broken" 2 'does not' "$zvt" minimize "$work/good.zvt" -o "$work/x.zvt"
that "zvt minimize leaves nothing" absent "$work/x.zvt"
for ((i = 0; i < 2000; i++)); do echo "$work/good.zvt"; done >"$work/names"
# shellcheck disable=SC2016
expect "zvt run, and nobody reads" 0 '^141$' bash -c 'xargs -a "$1" sh -c '"'"'"$0" run "$@"; echo $? >&2'"'"' "$2" | head -n 1 >/dev/null' - "$work/names" "$zvt"
that "zvt run blames no trace for that" test -z "$(grep 'signal' "$work/said")"

# ---- the library, as the README shows it ----
sed -n "/tour.c <<'END'/,/^    END/p" README.md | sed '1d;$d;s/^    //' >"$work/tour.c"
that "the README's program compiles" gcc -Wall -Wextra -Ivm/include -Iharness/include "$work/tour.c" build/host/libzvm.a -pthread -o "$work/tour"
expect "the README's program runs" 0 'r' "$work/tour"
expect "the library exports what is declared" 0 'exports the [0-9]+ names' harness/public-names --check build/host/libzvm.a
# Both ways: a name too many, and one that is missing.
cp build/host/libzvm.o "$work/inner.o"
objcopy --globalize-symbol=vmo_create "$work/inner.o"
ar rcs "$work/inner.a" "$work/inner.o"
expect "public-names sees a name too many" 1 'vmo_create: exported' harness/public-names --check "$work/inner.a"
objcopy --localize-symbol=vmo_create --localize-symbol=zx_vmar_map "$work/inner.o"
ar rcs "$work/inner.a" "$work/inner.o"
expect "public-names sees a name that is missing" 1 'zx_vmar_map: declared' harness/public-names --check "$work/inner.a"
expect "public-names, no archive" 2 'make host' harness/public-names --check "$work/nowhere.a"

# ---- the table of all calls ----
expect "the tables of calls and of methods are whole" 0 '^[0-9]+ passed, 0 failed' harness/check-calls
grep -v '^| `zx_vmar_destroy`' vm/CALLS.md >"$work/calls.md"
expect "check-calls sees a call without a row" 1 'zx_vmar_destroy: declared, but has no row' harness/check-calls "$work/calls.md"
grep -v '^| `ZX_INFO_VMAR`' vm/CALLS.md >"$work/calls.md"
expect "check-calls sees a topic without a row" 1 'ZX_INFO_VMAR: declared, but has no row' harness/check-calls "$work/calls.md"
sed 's/vmar_destroy: deep/vmar_destroy: shallow/' vm/CALLS.md >"$work/calls.md"
expect "check-calls sees a test that is not there" 1 'vmar_destroy: shallow: there is no such test' harness/check-calls "$work/calls.md"
sed 's/^| `zx_ticks_get`/| `zx_ticks_set`/' vm/CALLS.md >"$work/calls.md"
expect "check-calls sees a call that is not there" 1 'zx_ticks_set: declared in no public header' harness/check-calls "$work/calls.md"
sed -E 's/^(\| `zx_ticks_get`.*)`system: ticks`/\1/' vm/CALLS.md >"$work/calls.md"
expect "check-calls sees a row without a test" 1 'names no test' harness/check-calls "$work/calls.md"
sed '/`vm_aspace_rename`/d' vm/README.md >"$work/methods.md"
expect "check-calls sees a method without a row" 1 'vm_aspace_rename: declared, but has no row' harness/check-calls "$work/methods.md"
sed 's/`vdso\.h:[0-9]*`/`vdso.h:1`/' vm/README.md >"$work/methods.md"
expect "check-calls sees a declaration that is elsewhere" 1 'vm_vmo_declare_vdso: declared at vdso.h:[0-9]+, not vdso.h:1' harness/check-calls "$work/methods.md"
expect "check-calls puts lines right" 0 '^[0-9]+ passed, 0 failed' harness/check-calls --lines "$work/methods.md"
sed 's/`regions: svg`/`test_spaces: test_views`/' vm/README.md >"$work/methods.md"
expect "check-calls sees a method without a test in the kernel" 1 'test_spaces: test_views: there is no such test on the host and in the kernel' harness/check-calls "$work/methods.md"
expect "check-calls from another folder, no folder for temporary files" 1 'check-calls: no temporary folder' bash -c \
    'cd "$1" && touch here.md && TMPDIR=/nowhere exec "$2/harness/check-calls" here.md' - "$work" "$root"
expect "check-calls, no table" 2 'no such file' harness/check-calls "$work/nowhere.md"

cat >"$work/alone.c" <<'END'
#include <zircon/syscalls.h>
#include <zvm/host.h>
int main(int argc, char **argv)
{
    zx_handle_t vmar, vmo;
    if (argc > 2 && (zvm_start(NULL) != ZX_OK || zx_process_create(zx_job_default(), "a\n\033[", 4, 0, &vmo, &vmar) != ZX_OK))
        return 1;
    switch (argv[1][0]) {
    case 'c': return zx_handle_close(5);
    case 'p': return zx_system_get_physmem() != 0;
    case 'v': return zx_vmo_create(4096, 0, &vmo);
    case 's': return zx_process_self() == 0;
    default: return zvm_dump(vmo, stdout);
    }
}
END
that "a program without a machine compiles" gcc -Ivm/include -Iharness/include "$work/alone.c" build/host/libzvm.a -pthread -o "$work/alone"
for call in close vmo_create self; do
    expect "zx_ $call without a machine" 134 'expected zvm_start' bash -c '"$0" "$1"; exit $?' "$work/alone" $call
done
expect "zx_system_get_physmem without a machine" 0 '^0$' bash -c '"$0" physmem; echo $?' "$work/alone"
expect "a name cannot break a line of the dump" 0 "^space 'a\?\?\[' user" "$work/alone" dump started
"$zvt" assemble harness/doc/address-space.txt -o "$work/picture.zvt"
"$zvt" svg "$work/picture.zvt" -o "$work/picture.svg"
that "the README's picture is what its trace draws" cmp "$work/picture.svg" harness/doc/address-space.svg

# ---- replay, reproduce ----
expect "replay, nothing given" 2 'on is missing' harness/replay
expect "replay, unknown host" 2 'vax' harness/replay --on vax "$work/good.zvt"
expect "replay, no file" 2 'no trace' harness/replay --on host
expect "replay, missing file" 2 'nowhere.zvt' harness/replay --on host "$work/nowhere.zvt"
expect "replay, directory" 2 'not a regular file' harness/replay --on qemu "$work"
expect "replay, good" 0 'good.zvt [0-9a-f]{16} 50 ZX_OK' harness/replay --on host "$work/good.zvt"
expect "replay, no kernel" 3 'make kernel' env ZVM_KERNEL="$work/none.elf" harness/replay --on qemu "$work/good.zvt"
expect "replay, no tool" 3 'make' env ZVM_BUILD="$work/none" harness/replay --on host "$work/good.zvt"
mkdir "$work/odd name"
cp "$work/good.zvt" "$work/odd name/ä b.zvt"
expect "replay, odd names, one boot" 0 'odd name/ä b.zvt [0-9a-f]{16} 50 ZX_OK' harness/replay --on qemu \
    "$work/good.zvt" "$work/odd name/ä b.zvt" "$work/good.zvt" "$work/empty.zvt"
that "replay answers every file" test "$(grep -c ZX_OK "$work/said")" = 4
expect "replay, no room" '1' 'full|room|space|could not|large' no_room harness/replay --on qemu "$work/long.zvt"
expect "reproduce, nothing given" 2 'reproduce' harness/reproduce
expect "reproduce, missing file" 2 'nowhere.zvt: there is no such file' harness/reproduce "$work/nowhere.zvt"
expect "reproduce, directory" 2 'not a regular file' harness/reproduce "$work"
expect "reproduce, unreadable" 2 'permissions' as_nobody harness/reproduce "$work/closed/good.zvt"
expect "reproduce --gdb --on bochs" 2 'QEMU alone' harness/reproduce "$work/good.zvt" --gdb --on bochs
# Something that breaks, as a debugger meets it: with stand-ins for a broken core and for gdb.
mkdir -p "$work/broken/host-o0" "$work/stubs"
printf '#!/bin/sh\necho "$1: breaks at operation 3 of 5"; exit 1\n' >"$work/broken/host-o0/reproduce_trace"
printf '#!/bin/sh\necho "gdb $*"\n' >"$work/stubs/gdb"
chmod +x "$work/broken/host-o0/reproduce_trace" "$work/stubs/gdb"
expect "reproduce --gdb stops where it breaks" 0 'stop-before 3 .*good.zvt' env ZVM_BUILD="$work/broken" PATH="$work/stubs:$PATH" \
    harness/reproduce "$work/good.zvt" --gdb
expect "reproduce, nothing broken" 0 'does not' harness/reproduce "$work/good.zvt"

# ---- the boot image and the kernel ----
printf '' >"$work/none.tar"
tar --format=ustar -C "$work" -cf "$work/good.tar" good.zvt long.zvt
iso() { harness/make-iso --kernel "$kernel" --command-line "run=replay then=poweroff" "$@"; }
expect "make-iso, missing kernel" '1|2' 'none.elf' harness/make-iso --kernel "$work/none.elf" --corpus "$work/good.tar" \
    --command-line x -o "$work/x.iso"
expect "make-iso, missing corpus" '1|2' 'nowhere.tar' iso --corpus "$work/nowhere.tar" -o "$work/x.iso"
expect "make-iso, no such folder" '1|2' 'nowhere' iso --corpus "$work/good.tar" -o "$work/nowhere/x.iso"
that "make-iso leaves nothing" absent "$work/x.iso"
expect "make-iso, no room" '1|2' '.' no_room iso --corpus "$work/good.tar" -o "$work/full.iso"
that "make-iso leaves nothing when full" absent "$work/full.iso"

# boots NAME STATUS PATTERN ARCHIVE: the kernel's word on an archive of traces.
boots() {
    if iso --corpus "$4" -o "$work/boot.iso" >"$work/said" 2>&1; then
        rm -f "$work/serial.log"
        expect "$1" "$2" "$3" bash -c 'harness/run-qemu --timeout 60 --log "$1/serial.log" "$1/boot.iso"; s=$?; cat "$1/serial.log"; exit $s' \
            - "$work"
    else
        expect "$1" 0 "$3" cat "$work/said"
    fi
}
boots "kernel, good archive" 0 'good.zvt [0-9a-f]{16} 50 ZX_OK' "$work/good.tar"
head -c 1300 "$work/good.tar" >"$work/short.tar"
boots "kernel, truncated archive" 1 'truncated|ends|short|corrupt' "$work/short.tar"
head -c 20000 /dev/urandom >"$work/noise.tar"
boots "kernel, noise for an archive" 1 'corrupt|not a|archive|checksum' "$work/noise.tar"
boots "kernel, empty archive" '0|1' 'empty|no trace|corrupt|module|archive' "$work/none.tar"
expect "run-qemu, missing image" '1|2' 'nowhere.iso' harness/run-qemu "$work/nowhere.iso"
# What a person's ^C looks like: QEMU ends in good order, and says nothing. Who runs this in the background has it ignored.
printf '#!/bin/sh\nkill -INT $PPID\n' >"$work/stubs/qemu-system-x86_64"
chmod +x "$work/stubs/qemu-system-x86_64"
expect "run-qemu, interrupted in the shell" 1 'interrupted before the kernel' env --default-signal=INT PATH="$work/stubs:$PATH" harness/run-qemu --interactive "$work/good.tar"
expect "run-bochs, missing image" '1|2' 'nowhere.iso' harness/run-bochs "$work/nowhere.iso"
mkdir "$work/bin"
for tool in bash env dirname basename mktemp rm cat tr grep sed awk sleep timeout realpath readlink date mkdir; do
    ln -s "$(command -v $tool)" "$work/bin/$tool"
done
expect "run-qemu, no emulator" 3 'qemu-system-x86' env PATH="$work/bin" "$(command -v bash)" harness/run-qemu "$work/good.tar"
expect "run-bochs, no emulator" 3 'bochs' env PATH="$work/bin" "$(command -v bash)" harness/run-bochs "$work/good.tar"
# Words that a program could print, too, from an emulator that was not shut down.
cat >"$work/bin/bochs" <<'END'
#!/bin/bash
port=$(sed -n 's/^com1:.*dev="\(.*\)"$/\1/p' bochsrc)
printf 'zvm: exit 0\r\n' >"$port"
END
chmod +x "$work/bin/bochs"
expect "run-bochs, a verdict without an end" 1 'without a word from the kernel' env PATH="$work/bin:$PATH" harness/run-bochs "$work/good.tar"

# ---- the other scripts ----
printf 'a.zvt 0000000000000001 3 ZX_OK\nb.zvt 0000000000000002 3 ZX_OK\n' >"$work/left"
printf 'a.zvt 0000000000000001 3 ZX_OK\nb.zvt 0000000000000003 3 ZX_OK\nc.zvt 0000000000000003 3 ZX_OK\n' >"$work/right"
expect "compare, equal" 0 '2 equal, 0 different' harness/compare "$work/left" "$work/left"
expect "compare, different" 1 '1 equal, 2 different' harness/compare "$work/left" "$work/right"
expect "compare, nothing to compare" 1 '0 equal' harness/compare "$work/none.tar" "$work/none.tar"
expect "compare, missing file" 2 'nowhere' harness/compare "$work/left" "$work/nowhere"
expect "fuzz, bad time" 2 'soon' harness/fuzz --time soon
expect "fuzz, bad engine" 2 'honggfuzz' harness/fuzz --engine honggfuzz
expect "fuzz, bad number of operations" 2 '1e9' harness/fuzz --operations many
expect "fuzz, no target" 3 'make fuzzers`' env ZVM_BUILD="$work/none" harness/fuzz --engine afl
expect "fuzz, no target without sanitizers" 3 'make fuzzers-plain' env ZVM_BUILD="$work/none" harness/fuzz --plain
# A target that breaks at what begins with b, in words that depend on the size.
cat >"$work/target" <<'END'
#!/bin/bash
[ "$(head -c 1 "$1")" = b ] || exit 0
echo "trace: operation $(stat -c %s "$1"): expected 3 VMOs, got 4"
kill -ABRT $$
END
chmod +x "$work/target"
mkdir "$work/findings"
for input in bbbb bb g; do
    printf %s $input >"$work/findings/new-$input"
done
expect "findings are sorted by what breaks" 1 'breaks, and 1 more like it: trace: operation 2: expected' \
    harness/findings --target "$work/target" --new "$work/findings"
that "findings keep what does not break again" test "$(find "$work/findings" -name 'unsteady-*.zvt' | wc -l)" = 1
expect "findings are tried again" 1 'unsteady-.* does not break' harness/findings --target "$work/target" "$work/findings"
printf bbb >"$work/findings/new-seed.zvt"
expect "findings, one that has both names" 1 'breaks, and 2 more like it' harness/findings --target "$work/target" "$work/findings"
expect "findings that are fixed" 0 'does not break' harness/findings --target /bin/true "$work/findings"
expect "findings, no folder" 2 'expected a folder' harness/findings "$work/nowhere"
expect "findings, no target" 3 'make fuzzers' harness/findings --target "$work/nowhere" "$work/findings"
mkdir "$work/inputs" "$work/inputs/more"
for input in crash-1 id:000,sig:06 good notes.txt old.log; do
    printf 'b%s' $input >"$work/inputs/$input"
done
printf g >"$work/inputs/good"
expect "findings look at every input" 1 '^findings: 3 inputs were tried' harness/findings --target "$work/target" "$work/inputs"
chmod a-w "$work/inputs"
expect "findings, no log can be made" 1 'cannot write a log' as_nobody harness/findings --target /bin/true "$work/inputs"
that "findings say nothing of inputs then" test "$(wc -l <"$work/said")" = 1
# Numbers and folders of a campaign.
for bad in "--time 0" "--time 0m" "--time 9000h" "--operations 0" "--operations 1e30" "--operations 1000000000000000001" "--jobs 0"; do
    # shellcheck disable=SC2086
    expect "fuzz $bad" 2 "^fuzz: $bad: expected a number" harness/fuzz $bad
done
expect "fuzz, numbers are decimal" 3 'is missing' env ZVM_BUILD="$work/none" harness/fuzz --time 08m --operations 010
expect "fuzz, no such seeds" 2 'found none' harness/fuzz --seeds "$work/nowhere"
# Campaigns with stand-ins for the engines, which break at what begins with b. libFuzzer's finds something when it is started first, and has
# the campaign interrupted when it is started again.
campaign=$work/campaign
mkdir -p "$campaign/libfuzzer" "$campaign/afl" "$campaign/bin" "$campaign/seeds/a" "$campaign/seeds/b" "$campaign/queue"
cat >"$campaign/libfuzzer/fuzz_trace" <<'END'
#!/bin/bash
at=${0%/*}/../fuzz/libfuzzer
case $* in
*-merge=1*) printf kept >"${*: -2:1}/kept"; exit ;;
*-max_total_time=*)
    echo 'stat::number_of_executed_units: 5'
    prefix=$* prefix=${prefix##*-artifact_prefix=} prefix=${prefix%% *}
    [ -e "$at/again" ] || { touch "$at/again"; printf bbb >"${prefix}crash-1"; exit 77; }
    trap 'exit 0' USR1
    kill "$(cat "$at/lock")"
    while :; do sleep 0.02; done
    ;;
esac
for input; do
    [ "$(head -c 1 "$input")" != b ] || { echo "trace: operation $(stat -c %s "$input"): expected 3 VMOs, got 4"; kill -ABRT $$; }
done
END
cp "$campaign/libfuzzer/fuzz_trace" "$campaign/afl/"
touch "$campaign/afl/mutator.so"
cat >"$campaign/bin/afl-fuzz" <<'END'
#!/bin/bash
while [ "$1" != -o ]; do shift; done
mkdir -p "$2/default/queue" "$2/default/crashes"
printf fine >"$2/default/queue/id:000000"
printf bb >"$2/default/crashes/id:000000,sig:06"
printf 'execs_done : 7\nedges_found : 3\nstability : 100.00%%\n' >"$2/default/fuzzer_stats"
trap 'exit 0' TERM
kill "$(cat "$2/../lock")"
while :; do sleep 0.02; done
END
chmod +x "$campaign/bin/afl-fuzz" "$campaign"/*/fuzz_trace
printf b >"$campaign/seeds/a/x.zvt"
printf g >"$campaign/seeds/b/x.zvt"
printf bbb >"$campaign/queue/breaks"
printf one >"$campaign/queue/one"
fuzz=$root/harness/fuzz
export ZVM_BUILD=$campaign
cd "$campaign" || exit 2
ZVM_QUEUE_MOST=1 expect "fuzz, interrupted after a finding" 130 'job 1 found something .*it starts anew' "$fuzz" --time 10m --seeds seeds --queue queue/
that "fuzz tells of a seed that breaks" grep -q 'seeds that break, set aside: 1' "$work/said"
that "fuzz tells all when it is interrupted" grep -q '10 executions in .* queue 1, findings 1' "$work/said"
that "fuzz, the shell says nothing of what breaks" test -z "$(grep -E 'Abort|line [0-9]+:' "$work/said")"
that "fuzz cuts a queue down and keeps it" test "$(ls queue)" = kept
mkdir -p fuzz/afl/out/default/crashes
printf b >fuzz/afl/out/default/crashes/id:000001,sig:06
PATH=$campaign/bin:$PATH expect "fuzz, afl interrupted, another before it killed" 130 'cut short: taking what it left' \
    "$fuzz" --engine afl --time 10m --seeds seeds/b --queue queue
that "fuzz keeps what both found" grep -q 'breaks, and 1 more like it' "$work/said"
that "fuzz keeps what afl has in its queue" test "$(find queue -type f | wc -l)" = 2
expect "fuzz, two campaigns at once" 2 'under way in .* of process [0-9]+' flock fuzz/afl/lock "$fuzz" --engine afl
chmod a-w fuzz/libfuzzer fuzz/libfuzzer/lock
expect "fuzz, nothing can be written" 1 'cannot write in' as_nobody "$fuzz"
that "fuzz tells no figures then" test "$(wc -l <"$work/said")" = 1
cd "$root" || exit 2
unset ZVM_BUILD
# What a campaign counts: the operations and runs of all processes that share the file.
for engine in libfuzzer afl; do
    head -c 16 /dev/zero >"$work/count"
    for _ in 1 2; do
        ZVM_COUNT_FILE=$work/count ASAN_OPTIONS=detect_leaks=0 build/$engine/fuzz_trace "$work/good.zvt" >/dev/null 2>&1
    done
    expect "operations are counted by $engine" 0 '^ +100 +2$' od -An -t u8 "$work/count"
    expect "a count file that is none, $engine" 1 'expected a file of 16 bytes' env ZVM_COUNT_FILE="$work/empty.zvt" \
        build/$engine/fuzz_trace "$work/good.zvt"
done
expect "soak, no number" 2 'whole number' harness/soak --operations many
expect "soak, too many jobs" 2 'from 1 to' harness/soak --jobs 1000
expect "soak, unknown option" 2 'vax' harness/soak --vax 1
expect "soak, unknown host" 2 'vax' harness/soak --on vax
expect "soak, no program" 3 'make' env ZVM_BUILD="$work/none" harness/soak
mkdir -p "$work/soaked/host"
cp build/host/soak_trace "$work/soaked/host/"
expect "soak" 0 '^soak: 20224 operations in 79 traces.*findings 0' env ZVM_BUILD="$work/soaked" harness/soak --operations 2e4 --jobs 2 --seed 7 \
    --length 256
expect "soak tells of progress and can be interrupted" '1|124' 'operations \([0-9.]+ %\), [0-9]+/s, [0-9]+ min left' \
    env ZVM_BUILD="$work/soaked" timeout -s INT 1.5 harness/soak --operations 1e9 --jobs 2 --progress 1
that "soak tells where to go on" grep -qE 'seed [0-9]+ goes on' "$work/said"

# ---- Against a core that is broken: answers wrongly where it tells the size of a VMO, dies where it protects, and in another way or
# never ends where it unmaps so much ----
mkdir -p "$work/lame/host" "$work/lame/host-o0" "$work/lame/asan"
cat >"$work/lame.c" <<'END'
#include <zircon/syscalls.h>
#include "../vm/internal.h"
zx_status_t __wrap_zx_vmo_get_size(zx_handle_t handle, uint64_t *size);
zx_status_t __wrap_zx_vmo_get_size(zx_handle_t handle, uint64_t *size) { (void)handle; (void)size; return ZX_ERR_INTERNAL; }
zx_status_t __wrap_zx_vmar_protect(zx_handle_t vmar, zx_vm_option_t options, zx_vaddr_t address, size_t size);
zx_status_t __wrap_zx_vmar_protect(zx_handle_t vmar, zx_vm_option_t options, zx_vaddr_t address, size_t size)
{
    VM_ASSERT(vmar == options && address == size && size == 0x5eed);
    return ZX_OK;
}
zx_status_t __real_zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t address, size_t size);
zx_status_t __wrap_zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t address, size_t size);
zx_status_t __wrap_zx_vmar_unmap(zx_handle_t vmar, zx_vaddr_t address, size_t size)
{
    if (size == 1501 * 4096)
        *(volatile int *)8 = 1;
    while (size == 1502 * 4096)
        __asm__ volatile("");
    return __real_zx_vmar_unmap(vmar, address, size);
}
END
gcc -std=c17 -ffreestanding -Ivm/include -iquote "$root/harness" -c "$work/lame.c" -o "$work/lame.o"
mapfile -t core < <(make --no-print-directory print-judges)
# lame PROGRAM OBJECT…
lame() {
    local program=$1
    shift
    gcc -Wl,--wrap=zx_vmo_get_size,--wrap=zx_vmar_protect,--wrap=zx_vmar_unmap -o "$program" "$@" "${core[@]}" "$work/lame.o" -pthread
}
that "programs with a broken core link" lame "$work/lame/host/soak_trace" build/host/harness/soak_trace.o
expect "soak finds what is broken" 1 'found .*seed-[0-9]+.zvt: harness/reproduce' env ZVM_BUILD="$work/lame" harness/soak --operations 1e6 --jobs 2
that "soak leaves the trace" test -s "$(echo "$work"/lame/soak/seed-*.zvt | cut -d ' ' -f 1)"

that "the trace tool with a broken core links" lame "$work/lame/host/zvt" build/host/fuzz/zvt*.o
that "the teller with a broken core links" lame "$work/lame/host-o0/reproduce_trace" build/host-o0/harness/reproduce_trace.o
printf 'trace\nvmo_create size=pages:1 to=1\n' >"$work/fine.txt"
printf 'trace\nvmo_create size=pages:1 to=1\nvmo_get_size vmo=1\n' >"$work/wrong.txt"
printf 'trace\nvmo_create size=pages:1 to=1\nvmar_map vmo=1 len=pages:1 options=PERM_READ to=2\nvmar_protect addr=mark len=mark-size mark=2\n' >"$work/dies.txt"
printf 'trace\nvmo_create size=pages:1 to=1\nvmar_unmap addr=mark len=pages:1501\n' >"$work/faults.txt"
printf 'trace\nvmo_create size=pages:1 to=1\nvmar_unmap addr=mark len=pages:1502\n' >"$work/endless.txt"
for name in fine wrong dies faults endless; do
    "$zvt" assemble "$work/$name.txt" -o "$work/$name.zvt"
done
expect "zvt run goes on where the core dies" 1 'dies.zvt [0-9a-f]{16} 2 ZX_ERR_INTERNAL' "$work/lame/host/zvt" run "$work/fine.zvt" \
    "$work/dies.zvt" "$work/wrong.zvt" "$work/dies.zvt" "$work/fine.zvt"
that "zvt run prints a line for each file, in order" diff <(sed -nE 's/.*\/(.*) [0-9a-f]{16} ([0-9]+ ZX_)/\1 \2/p' "$work/said") - <<'END'
fine.zvt 1 ZX_OK
dies.zvt 2 ZX_ERR_INTERNAL
wrong.zvt 2 ZX_ERR_BAD_STATE
dies.zvt 2 ZX_ERR_INTERNAL
fine.zvt 1 ZX_OK
END
expect "zvt run --fail-each goes on" 1 'fine.zvt: [0-9]+ allocations' "$work/lame/host/zvt" run --fail-each "$work/dies.zvt" "$work/fine.zvt"
expect "zvt run, missing file behind one that dies" 2 'nowhere' "$work/lame/host/zvt" run "$work/dies.zvt" "$work/nowhere.zvt"
expect "replay tells of a core that dies" 1 'dies.zvt [0-9a-f]{16} 2 ZX_ERR_INTERNAL' env ZVM_BUILD="$work/lame" harness/replay --on host \
    "$work/dies.zvt" "$work/fine.zvt"
expect "reproduce where the core dies" 1 'breaks at operation 2 of 3' env ZVM_BUILD="$work/lame" harness/reproduce "$work/dies.zvt"
that "reproduce tells of no note where there is none" test -z "$(grep -i 'noted' "$work/said")"
expect "zvt dump where the core faults" 1 'faults.zvt: the core stopped' "$work/lame/host/zvt" dump "$work/faults.zvt" -o "$work/faults.out"
that "zvt dump leaves nothing then" absent "$work/faults.out"
that "a teller with less patience links" gcc -std=c17 -DSECONDS_MOST=1 -Ivm/include -c harness/reproduce_trace.c -o "$work/impatient.o"
mkdir -p "$work/impatient/host-o0"
lame "$work/impatient/host-o0/reproduce_trace" "$work/impatient.o"
expect "reproduce where the core does not end" 1 'does not end: it was stopped after 1 s' env ZVM_BUILD="$work/impatient" harness/reproduce "$work/endless.zvt"
that "reproduce tells where it does not end" grep -q 'breaks at operation 1 of 2' "$work/said"

# make run, where the core dies in the same trace on both hosts: nothing is called equal. The emulator is a stand-in.
mkdir -p "$work/both/harness" "$work/both/build/host" "$work/both/corpus"
cp harness/run harness/compare harness/tap "$work/both/harness/"
cp "$work/lame/host/zvt" "$work/both/build/host/"
cp "$work/dies.zvt" "$work/both/corpus/a.zvt"
cat >"$work/both/harness/run-qemu" <<'END'
#!/bin/sh
while [ "$1" != --log ]; do shift; done
(cd "$(dirname "$0")/.." && build/host/zvt run corpus/a.zvt >"$2" 2>/dev/null)
exit 1
END
chmod +x "$work/both/harness/run-qemu"
expect "run, where the core dies on both hosts" 1 'FAILED' "$work/both/harness/run"
that "run calls nothing equal then" test -z "$(grep -i 'equal' "$work/said")"
expect "run, no number of processors" 2 'number of processors' "$work/both/harness/run" qemu x
expect "run, while another one runs" 2 'another run in qemu' flock "$work/both/build/run/lock-qemu-1" "$work/both/harness/run"
# On a terminal: what is done in the shell, in which tests run again and come to no end, is not the boot.
cp "$work/fine.zvt" "$work/both/corpus/a.zvt"
cat >"$work/both/harness/run-qemu" <<'END'
#!/bin/sh
while [ "$1" != --log ]; do shift; done
{ printf 'ok 1 - boot\r\n1..1\r\n'; build/host/zvt run corpus/a.zvt; printf 'Type `help` for the commands, `poweroff` to leave.\r\nzvm> ok 1 - boot\r\nok 1 - boot\r\n'; } >"$2"
END
expect "run, tests run again in the shell" 0 '^2 passed, 0 failed' script -qec "$work/both/harness/run" /dev/null

expect "zoo, no such defect" 2 '99' harness/zoo 99
expect "zoo, no such defect behind one" 2 'fuzz/zoo/99' harness/zoo --apply-only 01 99
expect "zoo, a number is one with a zero" 0 '^1 passed, 0 failed' harness/zoo --apply-only 1
expect "zoo, bad engine" 2 'vax: expected libfuzzer or afl' harness/zoo --apply-only --engine vax
expect "zoo, bad time" 2 'seconds from 1' harness/zoo --time 0
expect "determinism, no number" 2 'a number behind it' harness/determinism --count
expect "determinism, nothing to do" 2 'a number from 1' harness/determinism --count 0
expect "setup, bad word" 2 'setup' harness/setup everything
expect "valgrind, no such variant" 2 'VARIANT' harness/valgrind vax
expect "valgrind, no valgrind" 3 'setup' env PATH="$work/bin" "$(command -v bash)" harness/valgrind
# memcheck must see what it is for: in a program, and through the variant's objects.
printf 'int main(int argc, char **argv) { int undefined[argc]; (void)argv; return undefined[0] ? 0 : 1; }\n' >"$work/undefined.c"
gcc -w -O0 "$work/undefined.c" -o "$work/undefined"
expect "valgrind sees an undefined value" 99 'uninitialised' harness/valgrind --one "$work/undefined"
expect "run-tests, no folder for temporary files" 1 'run-tests: no temporary file .TMPDIR=/nowhere' env TMPDIR=/nowhere harness/run-tests /bin/true
expect "oom, no folder for temporary files" 1 'oom: no temporary file .TMPDIR=/nowhere' env TMPDIR=/nowhere ZVT=/bin/true harness/oom a.zvt
expect "oom from another folder" 0 '1 passed' bash -c 'cd "$1" && exec env ZVT="$2" "$3/harness/oom" good.zvt' - "$work" "$zvt" "$root"
expect "make run ON=bochs sets up Bochs" 0 'harness/setup check' make -n setup ON=bochs
expect "run-tests under a command" 1 '0 passed, 1 failed' env TEST_UNDER=false harness/run-tests /bin/true
# Lines that no test reaches against their explanations: a line without one, one of no line, and what only some runs reach.
printf 'vm/a.c:f\t3\treturn false;\nvm/a.c:f\t9\tgo();\nvm/b.c:g\t4\tx = 1;\n' >"$work/lines"
printf '# words\nvm/a.c:f: why\n    return false;\n    ? rare();\n    go();\n\nvm/b.c:g: all of it\n    *\n' >"$work/why"
expect "coverage, all explained" 0 '3 lines of vm/ are not reached; 0 findings' harness/coverage --compare "$work/why" "$work/lines"
printf 'vm/a.c:f: why\n    return false;\n    gone();\nvm/b.c:g: all of it\n    *\n' >"$work/why"
expect "coverage, something explained that is reached" 1 'reached or gone: .*:3: vm/a.c:f: gone' harness/coverage --compare "$work/why" "$work/lines"
that "coverage, something not explained" grep -q 'not explained: vm/a.c:f, line 9: go' "$work/said"
printf 'vm/a.c:f:\n    *\n' >"$work/why"
expect "coverage, an explanation without a reason" 1 'expected FILE:FUNCTION: REASON' harness/coverage --compare "$work/why" "$work/lines"
expect "coverage, no explanations" 2 'expected explanations' harness/coverage --compare "$work/nowhere" "$work/lines"
expect "coverage, no lines" 2 'nowhere' harness/coverage --compare "$work/why" "$work/nowhere"
expect "coverage, bad word" 2 'coverage' harness/coverage everything
expect "coverage --check, no explanations" 2 'expected explanations' harness/coverage --check "$work/nowhere"
cp harness/coverage "$work/both/harness/"
expect "coverage, nothing built" 3 'build/cov/zvt is missing' "$work/both/harness/coverage"
expect "run-tests, missing program" 1 '0 passed, 1 failed' harness/run-tests "$work/none"

# Every script explains itself when asked, wherever its first comment ends.
for script in harness/check* harness/compare harness/coverage harness/determinism harness/findings harness/fuzz harness/make-iso harness/oom \
    harness/public-names harness/replay harness/reproduce harness/run harness/run-* harness/setup harness/soak harness/valgrind harness/zoo harness/bench/run harness/bench/region_tree; do
    expect "$script --help" 0 "$script" "$script" --help
done

# A signal to one script alone ends all that it started. Each runs in a session of its own, so that nothing else is counted.
# interrupted NAME SIGNAL COMMAND…: as soon as a process like $busy runs.
busy='qemu|bochs'
interrupted() {
    local name=$1 signal=$2 leader=''
    shift 2
    # shellcheck disable=SC2016
    TMPDIR=$work/scratch setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' - "$work/leader" "$@" >"$work/said" 2>&1 </dev/null &
    for _ in {1..60}; do
        sleep 0.1
        leader=$(cat "$work/leader" 2>/dev/null) && [ -n "$leader" ] && pgrep -s "$leader" "$busy" >/dev/null && break
    done
    kill -s "$signal" "$leader"
    wait $!
    sleep 0.2
    that "$name, interrupted by $signal, leaves no process" test -z "$(ps -o stat= -o args= -s "$leader" | grep -v '^Z')"
    that "$name, interrupted by $signal, leaves no file" test -z "$(ls -A "$work/scratch")"
    rm -f "$work/leader"
}
mkdir "$work/scratch"
interrupted "replay" TERM harness/replay --on bochs "$work/good.zvt"
interrupted "reproduce" TERM harness/reproduce --on bochs "$work/good.zvt"
interrupted "run-bochs" HUP harness/run-bochs --timeout 60 --log "$work/serial.log" "$work/boot.iso"
busy='zvt|repro|tail'
interrupted "zvt run" TERM "$work/lame/host/zvt" run "$work/endless.zvt"
interrupted "zvt run --verbose" TERM "$work/lame/host/zvt" run --verbose "$work/endless.zvt"
interrupted "reproduce_trace" TERM env ZVM_BUILD="$work/lame" harness/reproduce "$work/endless.zvt"
interrupted "replay --on host" TERM env ZVM_BUILD="$work/lame" harness/replay --on host "$work/endless.zvt"
interrupted "oom" TERM env ZVT="$work/lame/host/zvt" harness/oom "$work/endless.zvt"
interrupted "run-tests" TERM env TEST_UNDER="tail -f" harness/run-tests /bin/true

# The include check must see what it is for.
mkdir -p "$work/tree/vm" "$work/tree/kernel" "$work/tree/fuzz" "$work/tree/harness/tests"
echo '#include "../harness/host_port.h"' >"$work/tree/vm/bad.c"
echo '#include <stdio.h>' >"$work/tree/vm/libc.c"
echo '#include "../fuzz/run.h"' >"$work/tree/kernel/main.c"
echo '#include "../vm/internal.h"' >"$work/tree/fuzz/model.c"
echo '#include "../kernel/cpu.h"' >"$work/tree/harness/port.c"
echo '#include "../../vm/internal.h"' >"$work/tree/harness/tests/test_x.c"
echo '#include <stdint.h>' >"$work/tree/kernel/cpu.c"
expect "check-includes sees all wrong directions" 1 '7 includes, 5 in a wrong direction' harness/check-includes "$work/tree"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
