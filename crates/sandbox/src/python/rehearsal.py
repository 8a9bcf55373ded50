"""Finds the pages that runs touch, and those that every run writes to, and has forks copy these and no others.

Some runs of our own are made as all others will be, with a child of the zygote, the observer, in the supervisor's place. Just
before the program's process would end it stops, and the observer looks at its memory. What the runs and the zygote
touched decides for which pages a fork copies entries of the page tables (`backing.py`). And what all of
them wrote to is copied by the kernel while it forks: a page that zygote and child share is otherwise
copied when one of them first writes to it, by a page fault of the one and often another of the other. The
kernel copies a page at the fork itself if it is pinned, as for a device, which costs less than the faults; and
io_uring pins the buffers that it is told of. So these pages become buffers of a ring that is used for nothing else.
It stays with the zygote: a child's copies are pinned by nobody, and children close the ring.

Nothing here is needed: where the kernel does not tell, io_uring is forbidden, or so much memory may not be locked, forks are
only slower.
"""

import _signal
import array
import ctypes
import os
import re
import socket
import struct
import time

import backing
from backing import PAGE
from folios import libc
from standing import REQUEST

# Of an entry of /proc/PID/pagemap: the page is there, it is a file's, and no other process has it.
PRESENT, FILE, EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
# Of /proc/PID/smaps: where a mapping of one page begins that was touched.
TOUCHED = re.compile(
    rb"^([0-9a-f]+)-[0-9a-f]+ rw-p [^\n]*\nSize: +%d kB\n(?:[A-Z][^\n]*\n)*?Referenced: +[1-9]" % (PAGE >> 10), re.MULTILINE
)
MADV_NORMAL, MADV_RANDOM = 0, 1
IO_URING_SETUP, IO_URING_REGISTER, REGISTER_BUFFERS = 425, 427, 0
PARAMETERS_BYTES = 120
MOST_BUFFERS = 1024
# How many calls and buffers a plan has; a buffer.
COUNTS, BUFFER = struct.Struct("QQ"), struct.Struct("QQ")

system_call = libc.syscall
system_call.restype = ctypes.c_long


def rehearse(zygote, requests):
    """Makes the runs that are asked for: headers, descriptors, one where the run's pid can be read once it stops, and
    whether its program is a new one."""
    file, plan = os.memfd_create("hone"), os.memfd_create("hone")
    try:
        mappings = backing.writable()
        try:
            split(mappings)
            have_observed(zygote, requests, mappings, file, plan)
        finally:
            join(mappings)
        carry_out(plan)
    except Exception:
        pass
    finally:
        os.close(file)
        os.close(plan)


def split(mappings):
    """Makes each page a mapping of its own, as it is of mappings that the kernel tells whether they were touched."""
    for start, end in mappings:
        for page in range(start, end, 2 * PAGE):
            libc.madvise(page, PAGE, MADV_RANDOM)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("1")


def join(mappings):
    for start, end in mappings:
        libc.madvise(start, end - start, MADV_NORMAL)


def have_observed(zygote, requests, mappings, file, plan):
    """Does what the observer asks for, until it has written the plan."""
    ours, theirs = socket.socketpair()
    observer = os.fork()
    if observer == 0:
        ours.close()
        observe(theirs, requests, mappings, file, plan)
    theirs.close()
    control, zygote.control = zygote.control, ours
    zygote.is_rehearsing = True
    try:
        while zygote.answer():
            pass
    finally:
        zygote.is_rehearsing = False
        zygote.control = control
        os.kill(observer, _signal.SIGKILL)
        os.waitpid(observer, 0)


def observe(supervisor, requests, mappings, file, plan):
    """The observer: asks for runs, looks at each, writes the plan, and hangs up. The zygote ends it."""
    run = 0
    try:
        zygote = os.getppid()
        touches, writes = set(), []
        for header, fds, stopped, is_new in requests:
            supervisor.sendmsg([REQUEST.pack(*header)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
            for fd in fds:
                os.close(fd)
            run = int(os.read(stopped, 32))
            until_stopped(run)
            if is_new:
                touches |= touched(run)
            writes.append(written(run, mappings))
            os.kill(run, _signal.SIGKILL)
            run = 0
            supervisor.recv(4096)
        calls = backing.plan(mappings, touches | touched(zygote), file)
        buffers = backing.ranges(set.intersection(*writes))[:MOST_BUFFERS]
        counts = COUNTS.pack(len(calls) // backing.CALL.size, len(buffers))
        os.write(plan, counts + calls + b"".join(BUFFER.pack(*buffer) for buffer in buffers))
    finally:
        if run:
            os.kill(run, _signal.SIGKILL)
        os._exit(0)


def until_stopped(run):
    """Waits, but not for ever."""
    for _ in range(1000):
        with open("/proc/%d/stat" % run, "rb") as file:
            if file.read().rpartition(b")")[2].split()[0] == b"T":
                return
        time.sleep(0.001)


def touched(process):
    """Addresses of the pages, of those that a process can write to, that it has touched."""
    with open("/proc/%d/smaps" % process, "rb") as file:
        return {int(start, 16) for start in TOUCHED.findall(file.read())}


def written(process, mappings):
    """Addresses of the pages of some mappings that no other process has."""
    found = set()
    with open("/proc/%d/pagemap" % process, "rb", 0) as pagemap:
        for start, end in mappings:
            entries = os.pread(pagemap.fileno(), (end - start) // PAGE * 8, start // PAGE * 8)
            for number, (entry,) in enumerate(struct.iter_unpack("<Q", entries)):
                if entry & PRESENT and entry & EXCLUSIVE and not entry & FILE:
                    found.add(start + number * PAGE)
    return found


def carry_out(plan):
    """Moves this process's memory, and pins what runs write to, as long as this process lives."""
    size = os.fstat(plan).st_size
    if size < COUNTS.size:
        return
    calls, buffers = COUNTS.unpack(os.pread(plan, COUNTS.size, 0))
    first_buffer = COUNTS.size + calls * backing.CALL.size
    if size != first_buffer + buffers * BUFFER.size:
        return
    address = backing.map_file(plan, size, backing.READ)
    try:
        backing.carry_out(address + COUNTS.size, calls)
        pin(address + first_buffer, buffers)
    finally:
        libc.munmap(address, size)


def pin(address, count):
    """Registers so many buffers, whose list is there, with a ring that stays open."""
    ring = system_call(IO_URING_SETUP, 1, ctypes.create_string_buffer(PARAMETERS_BYTES))
    if ring >= 0 and system_call(IO_URING_REGISTER, ring, REGISTER_BUFFERS, ctypes.c_void_p(address), count) < 0:
        os.close(ring)
