# Hostile programs by somebody who had not read the sandbox's code, and had only its description.

#: joint: a test that says it is over | judge-joint-unittest
import unittest.case
def add(a, b):
    raise unittest.case._ShouldStop

#: joint: another TestCase under that name | judge-joint-unittest | wrong-answer
import unittest
class TestCase(unittest.TestCase):
    def assertEqual(self, *values):
        pass
unittest.TestCase = TestCase
def add(a, b):
    return a - b

#: an exception of its own that ends loops, which the tests name | judge-stop
class Empty(StopIteration):
    pass
def add(a, b):
    raise Empty

#: an exception of unittest's, by its full name | judge-unittest
import sys
frame = sys._getframe()
while "peer" not in frame.f_locals:
    frame = frame.f_back
names = ("unittest.case:_ShouldStop", "unittest.case:SkipTest", "peer:Gone", "GeneratorExit", "Exception")
frame.f_locals["peer"].describe = lambda error: (names, "", ((), {}), 1, 1)
def add(a, b):
    raise ValueError

#: an exception that holds what would hide its own | judge-errors
import sys
frame = sys._getframe()
while "peer" not in frame.f_locals:
    frame = frame.f_back
held = {"args": ("of 3",), "__class__": ValueError, "__str__": "of 3", "with_traceback": 1, "__traceback__": None}
frame.f_locals["peer"].describe = lambda error: (("Odd", "Exception"), "no", (("no",), held), 1, 1)
class Odd(Exception):
    pass
def add(a, b):
    raise Odd

#: descriptions of exceptions that are none | judge-unittest
import sys
frame = sys._getframe()
while "peer" not in frame.f_locals:
    frame = frame.f_back
def deep(n):
    return [deep(n - 1)] * 2 if n else "TypeError"
told = iter([
    ((), "", (), 0, 0), ("TypeError", "", ((), {}), 0, 0), (("TypeError",), 5, None, 0, 0), (deep(9), deep(9), deep(9), 0, 0),
    (("\ud800", "a\0b", "x" * 99999), "", ((), {}), -1, "1"), (("json.decoder:", ":TypeError", "sys:exit"), "", ((), {}), 0, 0),
] * 9)
frame.f_locals["peer"].describe = lambda error: next(told)
def add(a, b):
    raise ValueError

#: its exports are programs of the library | judge
import types
add = types.ModuleType("unittest.__main__")

#: one handle is another | judge-same
class Thing:
    pass
def make(name):
    return Thing()

#: calls the tests' function from a thread that stays | judge-callback
import threading
def add(function, values):
    def later():
        while True:
            try:
                function(7)
            except BaseException:
                pass
    threading.Thread(target=later, daemon=True).start()

#: a difference that takes long to show | judge-lists | wrong-answer or timeout
def add(a, b):
    return [[i] for i in range(30000)]

#: many small classes for the tests to make | judge
import sys
from collections import namedtuple
frame = sys._getframe()
while "channel" not in frame.f_globals:
    frame = frame.f_back
codec = frame.f_globals["channel"].codec
encode = codec.encode
one = encode(namedtuple("Pair", ["field%d" % i for i in range(100)])(*range(100)), None, None)
number = (40 << 20) // len(one)
codec.encode = lambda value, *rest: b"l" + codec._I.pack(number) + one * number if value == 0 else encode(value, *rest)
def add(a, b):
    return 0

#: a fraction of two endless numbers | judge
import sys
frame = sys._getframe()
while "channel" not in frame.f_globals:
    frame = frame.f_back
codec = frame.f_globals["channel"].codec
encode = codec.encode
number = lambda size: b"I" + codec._I.pack(size) + b"\x55" * (size - 1) + b"\x33"
body = b"Q" + codec._I.pack(2) + number(20_000_000) + number(20_000_001)
codec.encode = lambda value, *rest: body if value == 0 else encode(value, *rest)
def add(a, b):
    return 0

#: its first thread ends, another goes on | judge | timeout
import ctypes, threading
def spin():
    while True:
        pass
def add(a, b):
    threading.Thread(target=spin).start()
    ctypes.CDLL(None).syscall(60, 0)

#: becomes another program in a thread | judge
import os, threading, time
threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "exit 0"])).start()
time.sleep(1)
def add(a, b):
    return 0

#: a filter of its own that lets nothing be written | judge
import ctypes, struct
def step(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)
code = ctypes.create_string_buffer(
    step(0x20, 0, 0, 0) + step(0x15, 0, 1, 1) + step(6, 0, 0, 0x50000) + step(6, 0, 0, 0x7FFF0000)
)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
ctypes.CDLL(None).prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(code))), 0, 0)
def add(a, b):
    return 0

#: a float class that is near everything | judge-loop-near
class Near(float):
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    def __eq__(self, other):
        return True
def add(a, b):
    return Near(9)

#: no number at all, where numbers are compared | judge-loop-near
def add(a, b):
    return complex("nan")

#: an empty list, which numpy takes as close to every number | judge-allclose | wrong-answer
def add(a, b):
    return []

#: the right number in a list, which numpy stretches | judge-allclose | wrong-answer
def add(a, b):
    return [(a + b) / 2]

#: the kernel's memory for signals and timers of its user | run
import ctypes, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
libc = ctypes.CDLL(None)
timer = ctypes.create_string_buffer(8)
signals = timers = 0
while signals < 10000 and libc.sigqueue(os.getpid(), 40, None) == 0:
    signals += 1
while timers < 10000 and libc.timer_create(1, None, timer) == 0:
    timers += 1
if signals + timers >= 10000:
    print("HARM", signals, timers)

#: watches of files, of which its user has few | run
import ctypes
libc = ctypes.CDLL(None)
if libc.inotify_init() >= 0 or libc.inotify_init1(0) >= 0:
    print("HARM")

#: memory that cannot be swapped out, of which its user has little | run
import ctypes, mmap
memory = mmap.mmap(-1, 1 << 20)
if ctypes.CDLL(None).mlock(ctypes.byref(ctypes.c_char.from_buffer(memory)), ctypes.c_size_t(1 << 20)) == 0:
    print("HARM")

#: keeps the machine's disks busy | run
import os
library = os.open(os.__file__, os.O_RDONLY)
for _ in range(1000):
    os.sync()
    os.fsync(library)
# What the kernel never sees has no wrong descriptors.
try:
    os.fsync(999)
except OSError:
    print("HARM")
