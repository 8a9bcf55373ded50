"""What a child gives up before it runs anything: its user, every capability, resources beyond its limits, files, system
calls.

Rules and filters are made once, by the zygote; a child only puts itself under them.
"""

import ctypes
import os
import resource
import struct

libc = ctypes.CDLL(None, use_errno=True)
prctl, system_call = libc.prctl, libc.syscall
system_call.restype = ctypes.c_long


class Setup(Exception):
    """A layer could not be put in force."""


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise Setup("%s: %s" % (what, os.strerror(number)))
    return result


class Landlock:
    """A ruleset made once; each child puts itself under it."""

    READ = 1 << 0 | 1 << 2 | 1 << 3
    FD_RULE = struct.Struct("<Qi")

    def __init__(self, rules):
        self.abi = system_call(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        if self.abi < 1:
            raise Setup("landlock is not available")
        handled = (1 << 13) - 1
        if self.abi >= 2:
            handled |= 1 << 13
        if self.abi >= 3:
            handled |= 1 << 14
        if self.abi >= 5:
            handled |= 1 << 15
        attributes = struct.pack("<Q", handled)
        if self.abi >= 4:
            attributes += struct.pack("<Q", 3)
        if self.abi >= 6:
            attributes += struct.pack("<Q", 3)
        self.fd = check(
            system_call(444, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)), "landlock ruleset"
        )
        for path, kind in rules:
            self.allow(path, kind, handled)

    def allow(self, path, kind, handled):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        allowed = {"read": self.READ, "write": handled, "device": 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15}[kind]
        if not os.path.isdir(path):
            allowed &= 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
        rule = self.FD_RULE.pack(allowed & handled, fd)
        result = system_call(445, self.fd, 1, rule, 0)
        os.close(fd)
        check(result, "landlock rule for %s" % path)

    def enforce(self):
        check(system_call(446, self.fd, 0), "landlock")

    def close(self):
        os.close(self.fd)


class Filter:
    """A seccomp program that the supervisor assembled."""

    def __init__(self, code):
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = Program(len(code) // 8, ctypes.addressof(self._code))
        self._reference = ctypes.byref(self._program)

    def enforce(self):
        check(prctl(22, 2, self._reference, 0, 0), "seccomp")


def drop(uid):
    """Becomes the plain user `uid` where that is another one, and gives up every capability."""
    if uid is not None and os.getuid() != uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    else:
        prctl(47, 4, 0, 0, 0)
        header = struct.pack("<Ii", 0x20080522, 0)
        check(libc.capset(header, bytes(24)), "giving up capabilities")
    check(prctl(4, 1, 0, 0, 0), "dumpable")


def limits(config, header, is_standing):
    """The resource limits of a child, within what this process has itself: numbers, each with soft and hard limit."""
    _, cpu_ms, _, processes, open_files, _, memory, disk, _ = header
    # A standing child outlives a run: the zygote bounds what each takes.
    seconds = 1 << 31 if is_standing else max(1, -(-cpu_ms // 1000))
    stack = min(memory // 2, 64 << 20)
    processes += config["own_processes"]
    wanted = (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_DATA, memory, memory),
        (resource.RLIMIT_AS, memory + (1 << 30), memory + (1 << 30)),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_NOFILE, open_files, open_files),
        (resource.RLIMIT_FSIZE, disk, disk),
        # Contest programs ask for an unlimited stack; what it then holds is bounded like all address space.
        (resource.RLIMIT_STACK, stack, resource.RLIM_INFINITY),
    )
    if config["reserves_address_space"]:
        wanted = [limit for limit in wanted if limit[0] not in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
    found = []
    for number, soft, hard in wanted:
        most = resource.getrlimit(number)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), most if hard == resource.RLIM_INFINITY else min(hard, most)
        found.append((number, (soft, hard)))
    return found
