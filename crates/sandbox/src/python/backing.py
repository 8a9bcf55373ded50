"""Puts a file behind the memory of this process, so that forks copy less.

A fork copies each entry of the page tables that stands for memory of its own, and a child's end takes it apart again, which
costs 0.14 µs a page, of 2,300; entries for neighbouring pages of a huge page, which only a file can have here, are copied
together. Memory that is a private mapping of a file is the file's until it is written to, and has an entry only where it was touched.
So all that may be written to is moved to a memory file of huge pages, with the same contents at the same addresses,
and entries are made for the pages that programs do touch. What else a child needs it takes from the file, sixteen pages at
a time.

Nothing may write to a mapping between the moment it is copied and the moment the copy takes its place, and an interpreter
writes all the time. So both are system calls of a few instructions of our own, which write to nothing but the stack, and
the zygote has no other thread.

Nothing here is needed: on other processors, on kernels older than 5.14, or where something is not as expected, all stays as
it was.
"""

import ctypes
import os
import resource
import struct

import folios
from folios import HUGE, libc

PAGE = resource.getpagesize()
READ, WRITE, EXECUTE = 1, 2, 4
PRIVATE, FIXED = 2, 0x10
PWRITE, MMAP, MADVISE = 18, 9, 28
POPULATE_READ = 22
# Of /proc/PID/smaps: what a plain mapping may be; not one that a fork empties or leaves out, or that is locked.
PLAIN = frozenset(b"rd wr mr mw me ac sd nr rr hg nh mg dd".split())
# The least size that malloc makes a mapping for, and what it notes in a block's second word if it did.
LEAST_BLOCK, IS_MAPPED, FLAGS = 128 << 10, 2, 7
# Of one system call: its number, six arguments, and what it returns if all goes well.
CALL = struct.Struct("8q")

# long calls(void *table, long rows): makes these system calls in turn, until one returns something else.
CODE = bytes.fromhex(
    "53"  # push rbx
    "4154"  # push r12
    "4889fb"  # mov rbx, rdi
    "4989f4"  # mov r12, rsi
    "488b03"  # next: mov rax, [rbx]
    "488b7b08"  # mov rdi, [rbx + 8]
    "488b7310"  # mov rsi, [rbx + 16]
    "488b5318"  # mov rdx, [rbx + 24]
    "4c8b5320"  # mov r10, [rbx + 32]
    "4c8b4328"  # mov r8, [rbx + 40]
    "4c8b4b30"  # mov r9, [rbx + 48]
    "0f05"  # syscall
    "483b4338"  # cmp rax, [rbx + 56]
    "7509"  # jne end
    "4883c340"  # add rbx, 64
    "49ffcc"  # dec r12
    "75d4"  # jnz next
    "4c89e0"  # end: mov rax, r12
    "415c"  # pop r12
    "5b"  # pop rbx
    "c3"  # ret
)


def plan(mappings, touched, file):
    """The calls that move mappings to a file, and make entries for the touched pages. The first is to fail where the others
    would."""
    if os.uname().machine != "x86_64" or not touched:
        return b""
    moves, entries, offset = [], [CALL.pack(MADVISE, min(touched), PAGE, POPULATE_READ, 0, 0, 0, 0)], 0
    for start, end in [part for mapping in mappings for part in without_blocks(*mapping)]:
        size = end - start
        moves.append(CALL.pack(PWRITE, file, start, size, offset, 0, 0, size))
        moves.append(CALL.pack(MMAP, start, size, READ | WRITE, PRIVATE | FIXED, file, offset, start))
        offset += size
        for first, length in ranges(page for page in touched if start <= page < end):
            entries.append(CALL.pack(MADVISE, first, length, POPULATE_READ, 0, 0, 0, 0))
    folios.fill(file, offset, lambda copy: touch(copy, offset))
    return b"".join(entries[:1] + moves + entries[1:])


def touch(start, size):
    """Writes to each huge page that so much memory takes: the kernel makes none of nothing."""
    for page in range(start, start + size, HUGE):
        ctypes.memset(page, 0, 1)


def without_blocks(start, end):
    """The parts of a mapping beside what malloc made mappings for: when it makes these larger, the kernel would map
    what follows in the file, or nothing."""
    page = begin = start
    while page < end:
        before, size = struct.unpack("2Q", ctypes.string_at(page, 16))
        if before == 0 and size & FLAGS == IS_MAPPED and LEAST_BLOCK <= size - IS_MAPPED <= end - page and size % PAGE == IS_MAPPED:
            if begin < page:
                yield begin, page
            page = begin = page + size - IS_MAPPED
        else:
            page += PAGE
    if begin < end:
        yield begin, end


def carry_out(address, count):
    """Makes so many calls of a plan that is mapped there."""
    if count == 0:
        return
    file = os.memfd_create("hone")
    try:
        os.write(file, CODE)
        code = map_file(file, len(CODE), READ | EXECUTE)
    finally:
        os.close(file)
    ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_long)(code)(address, count)
    libc.munmap(code, len(CODE))


def map_file(file, size, access):
    """The address of a private mapping of a file."""
    address = libc.mmap(None, size, access, PRIVATE, file, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mapping a memory file")
    return address


def writable():
    """Start and end of each plain private mapping that this process may write to, but for its stack."""
    found = []
    with open("/proc/self/smaps", "rb") as file:
        for line in file:
            name, _, rest = line.partition(b" ")
            if not name.endswith(b":"):
                start, end = (int(number, 16) for number in name.split(b"-"))
                access, _, _, _, *path = rest.split(None, 4)
            elif name == b"VmFlags:" and access == b"rw-p" and PLAIN.issuperset(rest.split()):
                if not path or path[0].strip() == b"[heap]" or not path[0].startswith(b"["):
                    found.append((start, end))
    return found


def ranges(pages):
    """Neighbouring pages as one: address and length in bytes."""
    found = []
    for page in sorted(pages):
        if found and sum(found[-1]) == page:
            found[-1][1] += PAGE
        else:
            found.append([page, PAGE])
    return found
