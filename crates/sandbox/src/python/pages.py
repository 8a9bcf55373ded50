"""What makes forks cheap: fewer mappings, fewer page faults, fewer shared pages that a child writes to.

A fork copies every mapping and every entry of the page tables, a child's end takes them apart again, and each shared
page that one side writes to is copied. All of this costs more than what a short program does. So before the first fork
of a zygote, all free memory inside used pages is taken out of use, which leaves fresh pages to its children,
and each library's code and constants become one mapping, of a file of huge pages where it is large enough.

Nothing here is needed: where something is not as expected, it is left as it was.
"""

import ctypes
import os
import sys

import folios
from folios import HUGE, libc

# A library of that size is worth a huge page, though it does not cover one, so that its pages are still mapped one by one.
LEAST_HUGE = 512 << 10
# One between the two stays what it is: it would be a copy of its own, and no cheaper.
MOST_COPIED = 256 << 10

READ, EXECUTE = 1, 4
PRIVATE_FIXED = 0x12
MADV_HUGEPAGE = 14

kept = []


def settle():
    """To be called once, as late as possible before the first fork."""
    for step in (merge_mappings, fill_pools, fill_heap):
        try:
            step()
        except Exception:
            pass


def fill_pools():
    """Takes every free block of the interpreter's own pools: a child's objects would be scattered over all of them."""
    for size, count in free_blocks().items():
        if size == 16:
            kept.append([object() for _ in range(count)])
        elif size == 32:
            kept.append([complex(1, number) for number in range(count)])
        else:
            # A bytes object has 33 bytes beside its contents.
            kept.append([bytes(size - 33) for _ in range(count)])


def free_blocks():
    """How many free blocks there are of each size, as the interpreter prints it: class, size, pools, used, free."""
    report, errors = os.memfd_create("hone"), os.dup(2)
    os.dup2(report, 2)
    try:
        sys._debugmallocstats()
    finally:
        os.dup2(errors, 2)
        os.close(errors)
    text = os.pread(report, 1 << 20, 0).decode()
    os.close(report)
    rows = (line.split() for line in text.splitlines())
    return {int(row[1]): int(row[4]) for row in rows if len(row) == 5 and all(map(str.isdigit, row))}


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]


def fill_heap():
    """The same for the heap of C: what is free below its top."""
    state = libc.mallinfo2
    state.restype = Mallinfo
    allocate, free = libc.malloc, libc.free
    allocate.restype = ctypes.c_void_p
    allocate.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    size = 64 << 10
    while size >= 24:
        before = state()
        block = None
        if before.fordblks - before.keepcost >= size:
            block = allocate(size)
            after = state()
            if (after.arena, after.keepcost) != (before.arena, before.keepcost):
                free(block)
                block = None
        if block is None:
            size = size * 3 // 4


def merge_mappings():
    """Replaces what is mapped read-only of each library, in several mappings, by one with the same contents.

    It is of a memory file, which no fork copies page tables for, and which counts as shared memory like the library.
    """
    if os.uname().machine != "x86_64":
        return
    for start, end in read_only_runs():
        first, last = -(-start // HUGE) * HUGE, end // HUGE * HUGE
        if first < last:
            replace(first, last - first)
        elif not MOST_COPIED < end - start < LEAST_HUGE:
            replace(start, end - start)


def read_only_runs():
    """Start and end of each file's neighbouring mappings that nobody can write to, if there is code among them."""
    runs = []
    with open("/proc/self/maps") as file:
        lines = [line.split(None, 5) for line in file]
    for addresses, access, _, _, inode, *name in lines:
        start, end = (int(number, 16) for number in addresses.split("-"))
        if inode == "0" or access not in ("r--p", "r-xp"):
            continue
        if runs and runs[-1][1] == start and runs[-1][2] == name:
            runs[-1][1] = end
            runs[-1][3] |= access == "r-xp"
        else:
            runs.append([start, end, name, access == "r-xp"])
    return [(start, end) for start, end, _, has_code in runs if has_code]


def replace(start, length):
    """Puts a copy of these pages in their place, in one step."""
    file = os.memfd_create("hone")
    try:
        folios.fill(file, length, lambda copy: ctypes.memmove(copy, start, length), length >= LEAST_HUGE)
        libc.mmap(start, length, READ | EXECUTE, PRIVATE_FIXED, file, 0)
        if length >= HUGE:
            libc.madvise(start, length, MADV_HUGEPAGE)
    finally:
        os.close(file)
