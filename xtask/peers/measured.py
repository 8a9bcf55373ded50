"""Runs a command and prints what it and everything it started used, as one JSON object: wall and CPU seconds, how the CPU seconds
were counted, exit status.

    python measured.py COMMAND ARGUMENT...

The command's own stdout goes to stderr. Processes whose parent ends before them are adopted and waited for.

CPU time is the kernel's task clock, which every process inherits from the one that starts it and gives its count back when
it ends, in whatever way. What the system adds up for `wait` (rusage) is less: where the first process of a PID namespace is killed,
the kernel ends and reaps the others itself, and their time is nobody's. Rusage is taken only where the clock may not be opened.
"""

import ctypes
import json
import os
import resource
import struct
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
SYS_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
PERF_TYPE_SOFTWARE = 1
PERF_COUNT_SW_TASK_CLOCK = 1
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
ATTRIBUTE_BYTES = 64

libc = ctypes.CDLL(None, use_errno=True)


def task_clock():
    """A descriptor that counts the CPU nanoseconds of this thread and of all processes it starts from now on, or None."""
    number = SYS_PERF_EVENT_OPEN.get(os.uname().machine)
    # type, size, config, period, sample type, read format, flags; this clock counts the kernel's time whatever the flags say.
    flags = INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR
    words = struct.pack("IIQQQQQ", PERF_TYPE_SOFTWARE, ATTRIBUTE_BYTES, PERF_COUNT_SW_TASK_CLOCK, 0, 0, 0, flags)
    attribute = ctypes.create_string_buffer(words, ATTRIBUTE_BYTES)
    this_thread, any_cpu, no_group, close_on_exec = 0, -1, -1, 8
    opened = libc.syscall(number, attribute, this_thread, any_cpu, no_group, close_on_exec) if number else -1
    return opened if opened >= 0 else None


def main():
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("failed to become the reaper of orphaned processes")
    clock, own = task_clock(), time.thread_time_ns()
    start = time.perf_counter()
    command = subprocess.Popen(sys.argv[1:], stdout=sys.stderr, stdin=subprocess.DEVNULL)
    status = command.wait()
    seconds = time.perf_counter() - start
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds, counted = used.ru_utime + used.ru_stime, "rusage"
    if clock is not None:
        own = time.thread_time_ns() - own
        cpu_seconds, counted = (int.from_bytes(os.read(clock, 8), sys.byteorder) - own) / 1e9, "task clock"
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "cpu_counted": counted, "status": status}))


main()
