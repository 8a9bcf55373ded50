"""The private `/tmp`."""

import ctypes
import os

from confine import check, libc


class Scratch:
    """The private /tmp: bounded in bytes and inodes, fresh whenever a run left a trace in it."""

    def __init__(self, path, is_mounted):
        self.path = path
        self.is_mounted = is_mounted
        self.size = 0
        self.mark = None

    def is_fresh(self, size):
        """Whether it is a file system of that size that nothing has touched."""
        return self.is_mounted and self.size == size and self.mark == self.state()

    def prepare(self, size):
        """Makes it empty and of that size; whether it is a new file system."""
        if self.is_mounted:
            if self.size:
                check(libc.umount2(self.path.encode(), 2), "unmounting /tmp")
                self.size = 0
            options = ("size=%d,nr_inodes=4096,mode=1777" % max(size, 4096)).encode()
            check(libc.mount(b"scratch", self.path.encode(), b"tmpfs", ctypes.c_ulong(6), options), "mounting /tmp")
            is_new = True
        else:
            is_new = self.size == 0
            wipe(self.path)
        os.chdir(self.path)
        self.size = size
        self.mark = self.state()
        return is_new

    def fullness(self):
        """What of it is used up, as the supervisor reads it: 2 for bytes, 4 for files."""
        if not self.is_mounted:
            return 0
        s = os.statvfs(self.path)
        return 2 * (s.f_bavail == 0) | 4 * (s.f_favail == 0)

    def state(self):
        """Changes whenever anything in the directory was made, removed or altered by name."""
        s = os.stat(self.path)
        return s.st_ctime_ns, s.st_mtime_ns, s.st_size, s.st_nlink, s.st_mode, s.st_uid


def wipe(path):
    for entry in os.scandir(path):
        try:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                wipe(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
        except OSError:
            pass
