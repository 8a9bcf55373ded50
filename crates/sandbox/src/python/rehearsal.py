"""Finds the pages that every run writes to, and has the kernel copy them while it forks.

A page that zygote and child share is copied when one of them first writes to it, by a page fault of the one and often
another of the other. The kernel copies a page at the fork itself if it is pinned, as for a device, which costs much less
than the faults; and io_uring pins the buffers that it is told of. So here some runs of our own are made in every way
as later ones will be, the pages that all of them write to are looked up, and these become buffers of a ring that is
used for nothing else. It stays with the zygote: a child's copies are pinned by nobody, and children close the ring.

Nothing here is needed: where io_uring is forbidden, or so much memory may not be locked, all stays as it was.
"""

import _signal
import ctypes
import os
import resource
import struct

PAGE = resource.getpagesize()
# Of an entry of /proc/self/pagemap: the page is there, and no other process has it.
PRESENT, EXCLUSIVE = 1 << 63, 1 << 56
IO_URING_SETUP, IO_URING_REGISTER, REGISTER_BUFFERS = 425, 427, 0
PARAMETERS_BYTES = 120
MOST_BUFFERS = 1024

libc = ctypes.CDLL(None, use_errno=True)
system_call = libc.syscall
system_call.restype = ctypes.c_long


def rehearse(zygote, requests):
    """Makes the runs, whose programs have to stop themselves (SIGSTOP), and pins what all of them write to."""
    try:
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        written = [pages_written(zygote, header, fds, pagemap) for header, fds in requests]
        pin(ranges(set.intersection(*written)))
    except OSError:
        pass
    finally:
        os.close(pagemap)


def pages_written(zygote, header, fds, pagemap):
    """Addresses of the pages that zygote or child have written to by the time the child stops; none if it fails."""
    zygote.prepare_limits(header)
    pid = zygote.fork()
    if pid == 0:
        zygote.child(header, fds)
    for fd in fds:
        os.close(fd)
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        zygote.objection()
        return set()
    found = own_pages(pagemap)
    os.kill(pid, _signal.SIGKILL)
    os.waitpid(pid, 0)
    return found


def own_pages(pagemap):
    """Addresses of the pages, of those that this process can write to, that no other process has."""
    found = set()
    with open("/proc/self/maps") as file:
        mappings = [line.split(None, 2)[:2] for line in file]
    for addresses, access in mappings:
        if access[1] != "w" or access[3] != "p":
            continue
        start, end = (int(number, 16) for number in addresses.split("-"))
        entries = os.pread(pagemap, (end - start) // PAGE * 8, start // PAGE * 8)
        for number, (entry,) in enumerate(struct.iter_unpack("<Q", entries)):
            if entry & PRESENT and entry & EXCLUSIVE:
                found.add(start + number * PAGE)
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


def pin(buffers):
    """Registers the buffers with a ring that stays open as long as this process lives."""
    buffers = buffers[:MOST_BUFFERS]
    if not buffers:
        return
    ring = system_call(IO_URING_SETUP, 1, ctypes.create_string_buffer(PARAMETERS_BYTES))
    if ring < 0:
        return
    vectors = b"".join(struct.pack("QQ", *buffer) for buffer in buffers)
    if system_call(IO_URING_REGISTER, ring, REGISTER_BUFFERS, vectors, len(buffers)) < 0:
        os.close(ring)
