"""Memory files of huge pages, for what is mapped in parts and far too often for single pages.

What a mapping shows of a huge page, the kernel maps, copies at a fork and takes apart in one go, where pages of their own cost
it a look at each, and where a mapping covers all of one it needs no entries for its pages at all. A program asks for
them by madvise, whatever the machine's settings, since Linux 6.1; else a file has pages of the usual size.
"""

import ctypes
import os

HUGE = 2 << 20
READ, WRITE = 1, 2
SHARED_FIXED, PRIVATE_ANONYMOUS = 0x11, 0x22
MADV_COLLAPSE = 25
FAILED = ctypes.c_void_p(-1).value

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def fill(file, size, write, is_huge=True):
    """Makes a memory file so large, of huge pages if it may be, after `write` put there, given an address, what it is to hold
    (at least one byte in each huge page)."""
    size = -(-size // HUGE) * HUGE if is_huge else size
    os.ftruncate(file, size)
    # Room for an address that huge pages can have.
    room = libc.mmap(None, size + HUGE, 0, PRIVATE_ANONYMOUS, -1, 0)
    if room == FAILED:
        raise OSError(ctypes.get_errno(), "room for a memory file")
    try:
        start = -(-room // HUGE) * HUGE
        if libc.mmap(start, size, READ | WRITE, SHARED_FIXED, file, 0) != start:
            raise OSError(ctypes.get_errno(), "mapping a memory file")
        write(start)
        if is_huge:
            libc.madvise(start, size, MADV_COLLAPSE)
    finally:
        libc.munmap(room, size + HUGE)
