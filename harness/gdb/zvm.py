# SPDX-License-Identifier: MIT
# zvm.py: commands for gdb, the same on the host and in the booted kernel: `gdb -x harness/gdb/zvm.py …`.
#
# zvm-tree [ASPACE]      every address space as text, or the one at that pointer
# zvm-around ASPACE VA   the regions around an address
# zvm-check              every invariant
# zvm-walk ROOT VA       the page-table entries that translate VA, from the top-level table at physical address ROOT
# zvm-region POINTER     the fields of a region, and its chain of parents
# zvm-stop-before N      stops before operation N of the trace that is run next
#
# All but zvm-region call functions of the program, which must therefore be stopped outside of any lock that these take: at
# reproduce_stop, between two operations, or in a failed assertion.
import gdb

PTE_FLAGS = [(0, "present"), (1, "write"), (2, "user"), (5, "accessed"), (6, "dirty"), (7, "large"), (8, "global"), (63, "nx")]
ADDRESS = 0x000FFFFFFFFFF000
LEVELS = ["PML4", "PDPT", "PD", "PT"]


def value(expression):
    return gdb.parse_and_eval(expression)


class Command(gdb.Command):
    """Base: tells errors in a line rather than as a stack of Python calls."""

    needs_machine = True

    def __init__(self):
        super().__init__(self.name, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            if self.needs_machine and not int(value("(unsigned long)vm_machine")):
                raise gdb.error("no machine is selected yet")
            self.run(gdb.string_to_argv(argument))
        except (gdb.error, IndexError, ValueError) as error:
            raise gdb.GdbError("%s: %s\n%s" % (self.name, error, self.__doc__))


class Tree(Command):
    """zvm-tree [ASPACE]: every address space as text, or the one at that pointer."""

    name = "zvm-tree"

    def run(self, words):
        if words:
            value("vm_aspace_dump((struct vm_aspace *)(%s), &vm_log_sink)" % words[0])
        else:
            value("vm_aspace_dump_all(&vm_log_sink)")


class Around(Command):
    """zvm-around ASPACE VA: the regions around an address."""

    name = "zvm-around"

    def run(self, words):
        value("vm_aspace_dump_around((struct vm_aspace *)(%s), %s, &vm_log_sink)" % (words[0], words[1]))


class Check(Command):
    """zvm-check: every invariant of the selected machine."""

    name = "zvm-check"

    def run(self, words):
        print("all hold" if int(value("(int)vm_check(&vm_log_sink)")) else "broken, see above")


class Walk(Command):
    """zvm-walk ROOT VA: the page-table entries that translate VA."""

    name = "zvm-walk"

    def run(self, words):
        table, va = int(value(words[0])), int(value(words[1])) & (2**64 - 1)
        for level, shift in enumerate((39, 30, 21, 12)):
            index = va >> shift & 511
            place = int(value("(unsigned long)port_phys_to_virt(%d)" % table))
            entry = int(value("((unsigned long *)%d)[%d]" % (place, index))) & (2**64 - 1)
            flags = " ".join(name for bit, name in PTE_FLAGS if entry >> bit & 1)
            print("%-4s %#12x [%3d] = %#018x %s" % (LEVELS[level], table, index, entry, flags or "nothing"))
            if not entry & 1 or entry >> 7 & 1:
                return
            table = entry & ADDRESS


class Region(Command):
    """zvm-region POINTER: the fields of a region, and its chain of parents."""

    name = "zvm-region"
    needs_machine = False

    def run(self, words):
        region = value("(struct vm_region *)(%s)" % words[0])
        depth = 0
        while int(region):
            r = region.dereference()
            print("%s%s [%#x, %#x) flags %#x %s" % ("  " * depth, r["kind"], int(r["base"]), int(r["base"]) + int(r["size"]),
                                                    int(r["flags"]), "" if r["alive"] else "dead"))
            parent = r["parent"]
            # A VMAR begins with its object; its region is a field.
            region = parent.dereference()["region"].address if int(parent) else gdb.Value(0)
            depth += 1


class StopBefore(Command):
    """zvm-stop-before N: stops before operation N of the trace that is run next (kernel)."""

    name = "zvm-stop-before"
    needs_machine = False

    def run(self, words):
        number = int(words[0])
        point = gdb.Breakpoint("run_operation", type=gdb.BP_BREAKPOINT)
        point.ignore_count = number
        print("stops before operation %d" % number)


for command in (Tree, Around, Check, Walk, Region, StopBefore):
    command()
