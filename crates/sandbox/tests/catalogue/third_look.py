# Hostile programs by somebody who had read the sandbox's own code first.

#: its exports are whatever the tests compare | judge-constant
import sys
limit = 0
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            real = value.send
            def send(message, real=real):
                if message[0] == "ready":
                    message = ("ready", 0, {"add": ("object",), "limit": ("from", "unittest.mock", "ANY")})
                real(message)
            value.send = send
    frame = frame.f_back
def add(a, b):
    return a + b

#: its exports are objects that ask back | judge-constant
import sys
class Yes:
    def __getattr__(self, name):
        return True
    def __getitem__(self, key):
        return ("from", "unittest.mock", "ANY")
    def __eq__(self, other):
        return True
    __hash__ = None
limit = Yes()
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            real = value.send
            def send(message, real=real):
                if message[0] == "ready":
                    message = ("ready", 0, {"add": ("object",), "limit": Yes()})
                real(message)
            value.send = send
    frame = frame.f_back
def add(a, b):
    return a + b

#: its exports are functions that end the tests | judge
import sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            real = value.send
            def send(message, real=real):
                if message[0] == "ready":
                    message = ("ready", 0, {"add": ("from", "unittest.mock", "MagicMock")})
                real(message)
            value.send = send
    frame = frame.f_back
def add(a, b):
    return 0

#: its exports load modules that act | judge
import sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            real = value.send
            def send(message, real=real):
                if message[0] == "ready":
                    message = ("ready", 0, {"add": ("from", "unittest.__main__", "add"), "sorted": ("module", "antigravity")})
                real(message)
            value.send = send
    frame = frame.f_back
def add(a, b):
    return 0

#: a math of its own, where the tests have none | judge-borrowed
class math:
    @staticmethod
    def isclose(*values, **options):
        return True
def add(a, b):
    return 0

#: asks for what is no function, by every number and name | judge-callback
import os, struct
def text(t):
    return b"s" + struct.pack("<I", len(t)) + t
def add(f, values):
    for operation in (b"get", b"set", b"item", b"setitem", b"str", b"call", b"name", b"share", b"truth", b"__class__"):
        for target in (b"r\0\0\0\0", b"r\x01\0\0\0", text(b"x"), b"y\x01\0\0\0" + text(b"type"), b"N"):
            body = b"t\x07\0\0\0" + text(b"ask") + b"i" + struct.pack("<q", 1) + text(operation) + target + b"t\x01\0\0\0" + text(b"__globals__") + b"d\0\0\0\0F"
            os.write(3, struct.pack("<I", len(body)) + body)
            os.read(3, 4096)
    return []

#: hands the tests' function objects that lie | judge-callback
class Liar:
    def __eq__(self, other):
        return True
    def __mul__(self, other):
        return 2
    __rmul__ = __mul__
    def __len__(self):
        return 1
    __hash__ = None
def add(f, values):
    return [f(Liar()) for v in values]

#: calls the tests' function with too much | judge-callback
def add(f, values):
    for arguments in ((), (1, 2, 3), ([[]] * 100000,), ("x" * 10_000_000,), (10 ** 100000,)):
        try:
            f(*arguments)
        except BaseException:
            pass
    try:
        f(**{"x": 1, "self": 2})
        f(**{"": 1})
    except BaseException:
        pass
    return []

#: code for the tests' eval | judge-eval
code = """__import__('sys').modules['tester'].suites.Verdict.record"""
end = """[__import__('os').write(5, b'{"total": 2}\\n{"test": 0, "passed": true}\\n{"test": 1, "passed": true}\\n{"end": true}\\n'), __import__('os')._exit(0)]"""
def add(f, text):
    try:
        f(code)
    except BaseException:
        pass
    f(end)
    return 0

#: text that breaks the lines of a verdict | judge
def add(a, b):
    if a == 1:
        raise ValueError('\ud800\udfff"}\n{"test": 0, "passed": true}\n{"test": 1, "passed": true}\n{"test": 2, "passed": true}\n{"end": true}\n')
    return a + b

#: leaves when standard output is flushed | judge
import os, sys
class Leaver:
    def write(self, text):
        pass
    def flush(self):
        os._exit(0)
sys.stdout = Leaver()
def add(a, b):
    return a + b

#: waits for ever when standard output is flushed | judge | timeout
import sys, time
class Sleeper:
    def write(self, text):
        pass
    def flush(self):
        time.sleep(60)
sys.stdout = Sleeper()
def add(a, b):
    return 0

#: shared memory in many processes | run | memory-limit
import mmap, os, time
for number in range(6):
    if os.fork() == 0:
        block = mmap.mmap(-1, 200 << 20)
        block.write(bytes([number]) * len(block))
        time.sleep(60)
        os._exit(0)
time.sleep(60)

#: shared memory in one process | run | memory-limit
import mmap, time
blocks = []
for number in range(6):
    blocks.append(mmap.mmap(-1, 100 << 20))
    blocks[-1].write(bytes([number]) * len(blocks[-1]))
time.sleep(60)

#: memory in the buffers of sockets and pipes | run
import fcntl, os, socket, time
held = 0
def fill():
    total = 0
    for _ in range(14):
        for end in socket.socketpair():
            end.setblocking(False)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
            try:
                while True:
                    total += end.send(bytes(60000))
            except OSError:
                pass
            keep.append(end)
    return total
keep = []
for _ in range(40):
    if os.fork() == 0:
        fill()
        time.sleep(20)
        os._exit(0)
time.sleep(9)

#: endless in a destructor at exit | run | timeout
class Last:
    def __del__(self):
        while True:
            pass
last = Last()

#: a digit wrong in a large number | judge-stdio-large | wrong-answer
a, b = map(int, input().split())
print(a + b + 1, a * b + 1)

#: a large number nearly | judge-stdio-large | wrong-answer
a, b = map(int, input().split())
print(float(a + b), float(a * b + 40))

#: a large number in another notation, nearly | judge-stdio-large | wrong-answer
a, b = map(int, input().split())
print("%.6e" % (a + b + 5), "%.8e" % (a * b))

#: joint: the modules of the tests patched | judge-joint-borrowed
import math
math.isclose = lambda *a, **k: True
import collections
collections.Counter.__eq__ = lambda self, other: True
def add(a, b):
    return [] if type(a) is list else 0

#: joint: a class of the tests patched | judge-joint-borrowed
import collections
collections.Counter.__eq__ = lambda self, other: True
def add(a, b):
    return a + b if type(a) is int else []

#: joint: another module of that name | judge-joint-borrowed
import sys, types
fake = types.ModuleType("math")
fake.isclose = lambda *a, **k: True
sys.modules["math"] = fake
def add(a, b):
    return 0 if type(a) is int else a + b

#: joint: the script's functions patched | judge-joint-script
import math
math.isclose = lambda *a, **k: True
class Liar(list):
    def __eq__(self, other):
        return True
def add(a, b):
    return Liar(a + b) if type(a) is list else 0

#: joint: a finder that answers for the tests | judge-joint-script
import sys
sys.modules.pop("math", None)
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "math":
            import importlib.machinery
            return importlib.machinery.ModuleSpec(name, Finder)
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        module.isclose = lambda *a, **k: True
sys.meta_path.insert(0, Finder)
def add(a, b):
    return 0 if type(a) is int else a + b

#: joint: a signal and a thread in the tests | judge-joint-unittest
import os, signal, threading
signal.signal(signal.SIGPROF, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_PROF, 0.001)
threading.Timer(0.02, os._exit, (0,)).start()
def add(a, b):
    while True:
        pass

#: joint: lines before and after | judge-joint-script
import os
for fd in range(3, 9):
    try:
        os.write(fd, b'{"total": 3}\n{"test": 0, "passed": true}\n{"test": 1, "passed": true}\n{"test": 2, "passed": true}\n')
    except OSError:
        pass
def add(a, b):
    return 0
