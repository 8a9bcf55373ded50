# Hostile programs by somebody who had read the sandbox's own code first.

#: answers for many calls, where one was made | judge
import os, struct, sys
def forge(body):
    os.write(3, struct.pack("<I", len(body)) + body)
def add(a, b):
    for sequence in range(12):
        forge(struct.pack("<BI?", 4, sequence, True) + b"l\x02\0\0\0" + (b"i" + struct.pack("<q", 3)) * 2)
    return 0

#: more answers than calls | judge-loop
import os, struct
def add(a, b):
    for sequence in range(12):
        body = struct.pack("<BI?", 4, sequence, False) + b"l\xff\0\0\0" + (b"i" + struct.pack("<q", 3)) * 255
        os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: no answers, and the end of them | judge-loop
import os, struct
def add(a, b):
    for sequence in range(12):
        for is_stopped in (True, False):
            body = struct.pack("<BI?", 4, sequence, is_stopped) + b"l\0\0\0\0"
            os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: stops answering in the loop, then answers otherwise | judge-loop
calls = []
def add(a, b):
    calls.append(a)
    return (x for x in ()) if len(calls) == 1 else 0

#: answers to calls that come later | judge
import os, struct
for sequence in range(40):
    body = struct.pack("<BI", 2, sequence) + b"i" + struct.pack("<q", 3)
    os.write(3, struct.pack("<I", len(body)) + body)
def add(a, b):
    return 0

#: parts of messages that are objects | judge
import os, struct
def add(a, b):
    o = b"o\x09\0\0\0"
    for parts in (4, 7):
        body = b"t" + struct.pack("<I", parts) + o * parts
        os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: the sequence is an object, or a number of another kind | judge
import os, struct
def add(a, b):
    for sequence in (b"o\x05\0\0\0", b"f" + struct.pack("<d", 2.0), b"T", b"N", b"s\x01\0\0\x002"):
        body = b"t\x04\0\0\0s\x06\0\0\0answer" + sequence + b"i" + struct.pack("<q", 3) + b"N"
        os.write(3, struct.pack("<I", len(body)) + body)
    return 0

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

#: a field of a named tuple that asks back | judge
import os, struct
def text(t):
    return b"s" + struct.pack("<I", len(t)) + t.encode()
def add(a, b):
    body = struct.pack("<BI", 2, 2) + b"n\x03\0\0\0" + b"o\x01\0\0\0" + b"t\x01\0\0\0o\x01\0\0\0" + b"t\x01\0\0\0i" + struct.pack("<q", 3)
    os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: a named tuple whose names are code | judge
import os, struct
def text(t):
    return b"s" + struct.pack("<I", len(t)) + t.encode()
def add(a, b):
    for sequence in range(9):
        for name in ("x: __import__('os')._exit(0)", "_x", "class", "x, y=3", "__class__", "é" * 70000):
            body = struct.pack("<BI", 2, sequence) + b"n\x03\0\0\0" + text(name) + b"t\x01\0\0\0" + text(name) + b"t\x01\0\0\0i" + struct.pack("<q", 3)
            os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: asks without end instead of answering | judge
import os, struct
def add(a, b):
    def text(t):
        return b"s" + struct.pack("<I", len(t)) + t
    body = b"t\x07\0\0\0" + text(b"ask") + b"i" + struct.pack("<q", 1) + text(b"call") + b"r\0\0\0\0" + b"t\0\0\0\0" + b"d\0\0\0\0" + b"F"
    while True:
        os.write(3, struct.pack("<I", len(body)) + body)
        os.read(3, 4096)

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

#: an exception with hostile names | judge
import os, struct
def text(t):
    return b"s" + struct.pack("<I", len(t)) + t
def add(a, b):
    for sequence in range(2, 9):
        for names in (b"t\x01\0\0\0" + text(b"BaseException"), b"t\x02\0\0\0" + text(b"Gone") + text(b"SystemExit"), b"l\0\0\0\0", b"N", b"t\0\0\0\0", b"o\x01\0\0\0"):
            body = b"t\x07\0\0\0" + text(b"raise") + b"i" + struct.pack("<q", sequence) + names + b"o\x01\0\0\0" + b"t\x02\0\0\0o\x01\0\0\0o\x02\0\0\0" + b"o\x03\0\0\0" + b"i" + struct.pack("<q", -1)
            os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: an exception that passes a unittest | judge-unittest
import os, struct
def text(t):
    return b"s" + struct.pack("<I", len(t)) + t
def add(a, b):
    for name in (b"SkipTest", b"_ShouldStop", b"unittest.SkipTest", b"BaseException", b"KeyboardInterrupt"):
        for sequence in range(1, 9):
            body = b"t\x07\0\0\0" + text(b"raise") + b"i" + struct.pack("<q", sequence) + b"t\x01\0\0\0" + text(name) + text(b"") + b"t\0\0\0\0" + b"i" + bytes(8) + b"i" + bytes(8)
            os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: an exception whose arguments never end | judge | timeout
class Endless(Exception):
    def __str__(self):
        while True:
            pass
def add(a, b):
    raise Endless

#: text that breaks the lines of a verdict | judge
def add(a, b):
    if a == 1:
        raise ValueError('\ud800\udfff"}\n{"test": 0, "passed": true}\n{"test": 1, "passed": true}\n{"test": 2, "passed": true}\n{"end": true}\n')
    return a + b

#: a frame of 48 megabytes of nothing | judge
import os, struct
def add(a, b):
    n = (48 << 20) - 20
    os.write(3, struct.pack("<I", n + 10) + struct.pack("<BI", 2, 2) + b"t" + struct.pack("<I", n))
    chunk = b"N" * (1 << 20)
    while True:
        os.write(3, chunk)

#: a frame that never ends | judge | timeout
import os, struct, time
def add(a, b):
    os.write(3, struct.pack("<I", 1 << 20))
    while True:
        os.write(3, b"x")
        time.sleep(0.01)

#: columns that are not what they say | judge
import os, struct
def add(a, b):
    q = struct.pack("<q", 3)
    columns = [b"Lq\x07\0\0\0" + b"x" * 7, b"Lm\x04\0\0\0\xff\xff\xff\xff", b"Lm" + struct.pack("<I", 24) + struct.pack("<II", 1, 9) + q + q,
               b"Ls" + struct.pack("<I", 8) + struct.pack("<II", 1, 0xffffffff), b"L?\0\0\0\0", b"Lb\x03\0\0\0\x02\x03\x04", b"R\x05\0\0\0", b"l\x01\0\0\0R\0\0\0\0"]
    for sequence in range(2, 9):
        body = struct.pack("<BI", 2, sequence) + columns[(sequence - 2) % len(columns)]
        os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: a key nested beyond any stack | judge
import os, struct
def add(a, b):
    body = struct.pack("<BI", 2, 2) + b"d\x02\0\0\0" + b"t\x01\0\0\0" * 2_000_000 + b"N" + b"N"
    os.write(3, struct.pack("<I", len(body)) + body)
    return 0

#: keys that are all alike to a dictionary | judge
def add(a, b):
    return {n * ((1 << 61) - 1): n for n in range(1, 60000)}

#: numbers that compare for ever | judge
import decimal, fractions
def add(a, b):
    if a == 1:
        return decimal.Decimal("1e999999")
    return fractions.Fraction(3 ** 400000, 2 ** 500000 + 1) if a == -4 else [decimal.Decimal("sNaN"), 2]

#: sends descriptors over the channel, itself among them | judge
import array, os, socket
channel = socket.socket(fileno=os.dup(3))
def add(a, b):
    for fds in ([3], [3] * 200, [channel.fileno(), 1, 2]):
        try:
            channel.sendmsg([b"\x01"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        except OSError:
            pass
    return 0

#: shuts the channel on one side | judge
import os, socket
channel = socket.socket(fileno=os.dup(3))
def add(a, b):
    channel.shutdown(socket.SHUT_WR)
    return 3

#: shuts the tests' way to it | judge
import os, socket
channel = socket.socket(fileno=os.dup(3))
channel.shutdown(socket.SHUT_RD)
def add(a, b):
    return 0

#: a child answers while the parent is stopped | judge
import os, signal, struct, time
def add(a, b):
    parent = os.getpid()
    if os.fork() == 0:
        time.sleep(0.05)
        body = struct.pack("<BI", 2, 2) + b"i" + struct.pack("<q", 0)
        os.write(3, struct.pack("<I", len(body)) + body)
        os.kill(parent, signal.SIGCONT)
        os._exit(0)
    os.kill(parent, signal.SIGSTOP)
    return 0

#: a daemon that answers in its place | judge
import os, struct
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            data = os.read(3, 4096)
            if not data:
                os._exit(0)
            for sequence in range(1, 9):
                body = struct.pack("<BI", 2, sequence) + b"T"
                os.write(3, struct.pack("<I", len(body)) + body)
    os._exit(0)
os.wait()
os._exit(0)

#: stops itself in a call | judge | timeout
import os, signal
def add(a, b):
    os.kill(os.getpid(), signal.SIGSTOP)
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

#: what the tests' class holds, hidden | judge-node
class Node:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def add(head, value):
    node = Node(0)
    node.values = lambda: [7, 8]
    return node

#: attributes of a shared class that are its special ones | judge-node
class Node:
    def __init__(self, val=0, next=None):
        self.__dict__.update({"__eq__": 1, "__class__": 2, "__dict__": {}, "val": 0, "next": None})
def add(head, value):
    return Node()

#: a constant of a shared class, changed | judge-node
class Node:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def add(head, value):
    node = Node(head.val)
    node.limit = 0
    return node

#: a shared class that is another | judge-node
class Node(dict):
    def __eq__(self, other):
        return True
    def values(self):
        return [7, 8]
def add(head, value):
    return Node()

#: a shared class without end | judge-node
class Node:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def add(head, value):
    node = Node(head.val)
    node.next = node
    return node

#: a class that is not shared | judge-node
class Node:
    pass
class Other:
    def __eq__(self, other):
        return True
    def values(self):
        return [7, 8]
Other.__name__ = "Node"
def add(head, value):
    return Other()

#: changes in place what is not its own | judge-in-place
class Node:
    pass
def add(nodes):
    if isinstance(nodes, list):
        nodes.clear()
    else:
        nodes.__dict__ = {"val": 3, "next": None}

#: one instead of True | judge-identity
def add(a, b):
    return 1 if a == 1 else 0 if a == 2 else None

#: a truth of its own kind | judge-identity
class Bool(int):
    def __bool__(self):
        return True
    def __eq__(self, other):
        return True
    __hash__ = None
def add(a, b):
    return Bool(1)

#: booleans and floats for integers | judge-strict
def add(a, b):
    return float(a + b) if type(a) is int else a + b

#: a text that shows as an answer | judge-strict
class Shown:
    def __init__(self, text):
        self.text = text
    def __repr__(self):
        return self.text
    __str__ = __repr__
def add(a, b):
    return Shown("[1, (2,)]") if type(a) is list else Shown("3")

#: an answer that is near everything | judge-near
class Near:
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    def __abs__(self): return 0
    def __round__(self, n=0): return 0
    def __float__(self): return 3.5
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __iter__(self): return iter(())
    __hash__ = None
def add(a, b):
    return Near()

#: an answer near in numbers that are none | judge-near
def add(a, b):
    return float("nan") if type(a) is float else float("inf") if type(a) is int else [1, 2]

#: shared memory in many processes | run | memory-limit
import mmap, os, time
for number in range(6):
    if os.fork() == 0:
        block = mmap.mmap(-1, 200 << 20)
        block.write(bytes([number]) * len(block))
        time.sleep(60)
        os._exit(0)
os.wait()

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

#: hides from those who count its time | run | timeout
import ctypes, os, time
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
for _ in range(3):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
        while True:
            pass
time.sleep(60)

#: a name that looks like another state | run | timeout
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b") T 1 0 0\n(", 0, 0, 0)
for _ in range(2):
    if os.fork() == 0:
        while True:
            pass
time.sleep(60)

#: siblings instead of children | run | timeout
import ctypes, os, time
libc = ctypes.CDLL(None)
for _ in range(3):
    if libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
        while True:
            pass
time.sleep(60)

#: siblings that outlive it | run
import ctypes, os, time
libc = ctypes.CDLL(None)
for _ in range(3):
    if libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)

#: grandchildren that burn time, one after the other | run | timeout
import os
while True:
    pid = os.fork()
    if pid == 0:
        if os.fork():
            os._exit(0)
        for _ in range(300000):
            pass
        os._exit(0)
    os.waitpid(pid, 0)

#: endless at exit | run | timeout
import atexit
def forever():
    while True:
        pass
atexit.register(forever)

#: endless in a destructor at exit | run | timeout
class Last:
    def __del__(self):
        while True:
            pass
last = Last()

#: asleep at exit | run | timeout
import threading, time
threading.Thread(target=time.sleep, args=(60,)).start()

#: system calls that are for the few | run
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
b = ctypes.create_string_buffer(256)
pid = os.getpid()
for call in ((438, 3, 0, 0), (311, 1, b, 1, b, 1, 0), (440, 3, b, 1, 4, 0), (312, 1, pid, 0, 0, 0), (442, -100, b"/", 0, b, 32), (430, b"tmpfs", 0),
             (428, -100, b"/", 1), (429, -100, b"/", -100, b"/tmp", 0), (179, 0, b"/", 0, b), (167, b"/tmp/x", 0), (169, 0xfee1dead, 672274793, 0x89ABCDEF, 0),
             (103, 3, b, 200), (175, b, 1, b), (246, 0, 0, 0, 0), (163, b"/tmp/x"), (164, b, 0), (159, b), (305, 0, b), (172, 3), (173, 0, 1, 1),
             (171, b"x", 1), (135, 0x0040000), (154, 0, b, 16), (300, 0, 0), (447, 0), (188, b"/tmp", b"user.x", b"x", 1, 0), (153,), (155, b"/", b"/tmp"),
             (435, b, 88), (319, b"x", 0), (310, 1, b, 1, b, 1, 0), (272, 0x10000000), (161, b"/tmp"), (434, 1, 0) if False else (279, pid, 0, 0, 0, 0, 0),
             (237, b, 4096, 0, 0, 0, 0), (256, pid, 8, b, b), (251, 1, 0, 7), (144, 1, 0, b), (314, 1, b, 0), (203, 1, 8, b), (302, 1, 7, b, 0), (141, 0, 1, 5)):
    if libc.syscall(*call) >= 0:
        print("HARM", call[0])

#: signals, locks and leases on what is not its own | run
import ctypes, fcntl, os, signal
for path in ("/usr/bin/env", "/bin/sh", "/usr/lib/os-release", os.__file__):
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    for act in (lambda: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK), lambda: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)):
        try:
            act()
            print("HARM", path)
        except OSError:
            pass
for number in range(1, 65):
    for pid in (1, VICTIM):
        try:
            os.kill(pid, number)
        except OSError:
            pass
    try:
        ctypes.CDLL(None).sigqueue(1, number, 0)
    except OSError:
        pass

#: settings of the first process | run
import os
for name in ("oom_score_adj", "oom_adj", "timerslack_ns", "coredump_filter", "clear_refs", "autogroup", "comm", "loginuid", "attr/current", "setgroups", "uid_map"):
    for pid in ("1", "self"):
        try:
            with open("/proc/%s/%s" % (pid, name), "w") as f:
                f.write("0")
            print("HARM", pid, name)
        except OSError:
            pass

#: files of the first process | run
import os
for name in ("environ", "maps", "mem", "smaps", "stack", "syscall", "auxv", "io", "personality", "pagemap", "wchan_", "cwd", "exe", "root", "map_files", "fd", "fdinfo", "task/1/environ", "timers", "mountinfo_"):
    path = "/proc/1/" + name
    try:
        found = os.readlink(path) if os.path.islink(path) else os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(16)
        if found:
            print("HARM", name, found)
    except OSError:
        pass

#: files that are hard to remove | run-twice
import os, socket
if os.listdir("/tmp"):
    print("HARM")
for name in (b"\xff\xfe", b"new\nline", b"-rf", b" ", b"*", b"x" * 255):
    open(b"/tmp/" + name, "w").close()
os.mkfifo("/tmp/fifo")
os.symlink("/proc/self/root", "/tmp/root")
os.symlink("loop", "/tmp/loop")
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/socket")
os.link("/tmp/-rf", "/tmp/again")
for _ in range(300):
    os.mkdir("deep" * 20)
    os.chdir("deep" * 20)
os.mkdir("/tmp/closed")
open("/tmp/closed/x", "w").close()
os.chmod("/tmp/closed", 0)
os.utime("/tmp/fifo", (1 << 31, 1 << 40))

#: removes the very place | run-twice
import os, shutil
if os.getcwd() != "/tmp" or os.stat("/tmp").st_mode & 0o7777 != 0o1777:
    print("HARM")
os.chdir("/")
shutil.rmtree("/tmp", ignore_errors=True)
for act in (lambda: os.rename("/tmp", "/tmp2"), lambda: os.rmdir("/tmp"), lambda: os.symlink("/usr", "/tmp/tmp"), lambda: os.chmod("/tmp", 0)):
    try:
        act()
    except OSError:
        pass

#: every number of files and every byte | run-twice
import os
if os.listdir("/tmp"):
    print("HARM")
free = os.statvfs("/tmp")
if free.f_ffree > 100000 or free.f_bavail * free.f_frsize > 64 << 20:
    print("HARM", free)
try:
    for n in range(100000):
        os.symlink("x" * 4000, "/tmp/%d" % n)
except OSError:
    pass
try:
    for n in range(100000):
        os.mkdir("/tmp/%d/" % n + "y")
except OSError:
    pass

#: all descriptors, then none | run-twice
import os, resource
seen = set(os.listdir("/proc/self/fd"))
if len(seen) > 5:
    print("HARM", seen)
try:
    while True:
        os.pipe()
except OSError:
    pass
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    print("HARM")
except (OSError, ValueError):
    pass

#: timers, alarms and limits left behind | run-twice
import resource, signal, sys, warnings, decimal, gc, locale, random, threading
if signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0) or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
    print("HARM")
if decimal.getcontext().prec != 28 or not gc.isenabled() or threading.stack_size() or sys.gettrace():
    print("HARM")
if signal.pthread_sigmask(signal.SIG_BLOCK, ()) or resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
    print("HARM")
signal.setitimer(signal.ITIMER_REAL, 50)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
decimal.getcontext().prec = 3
gc.disable()
threading.stack_size(1 << 20)
warnings.simplefilter("error")

#: what it is given on descriptor 0 | judge-stdio
import os
for act in (lambda: os.write(0, b"7 7\n"), lambda: os.ftruncate(0, 0), lambda: os.pwrite(0, b"0 0", 0), lambda: os.open("/proc/self/fd/0", os.O_RDWR | os.O_TRUNC)):
    try:
        act()
        print("HARM")
    except OSError:
        pass
print(0)
print(0)

#: its output goes back to its input | judge-stdio
import os
os.dup2(0, 1)
a, b = map(int, input().split())
print(a + b)
print(a - b)

#: reads its own output away | judge-stdio | wrong-answer
import os
a, b = map(int, input().split())
for guess in range(-20, 20):
    os.write(1, b"%d\n" % guess)
try:
    os.read(os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK), 1 << 16)
except OSError:
    pass

#: ten megabytes without a line | judge-stdio | output-limit
a, b = map(int, input().split())
print(a + b, end=" " * 10_000_000)
print(a - b)

#: closes its output before it answers | judge-stdio | wrong-answer
import os
a, b = map(int, input().split())
os.close(1)
os.open("/tmp/out", os.O_CREAT | os.O_WRONLY)
print(a + b)
print(a - b)

#: ends well for another one | judge-stdio
import os, sys
a, b = map(int, input().split())
print(a + b)
print(a - b, flush=True)
if os.fork():
    os.kill(os.getpid(), 11)
os._exit(0)

#: half of the answers, then gone | judge-stdio
import os
a, b = map(int, input().split())
print(a + b, flush=True)
os.kill(os.getpid(), 9)

#: an exception after the answer | judge-stdio | runtime-error
a, b = map(int, input().split())
print(a + b)
print(a - b)
raise SystemError

#: a report that nothing was wrong | judge-stdio | wrong-answer
import os
os.write(3, b'{"kind": "", "message": "", "line": 0, "column": 0, "compile": false}')
os.write(3, b'{"class": "passed"}')

#: a report in place of an answer | judge-stdio
import os
os.write(3, b'{"kind": "MemoryError", "compile": true}')
os._exit(0)

#: numbers with signs, underscores and points | judge-stdio | wrong-answer
a, b = map(int, input().split())
print("%d_0" % (a + b))
print("--%d" % abs(a - b))

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

#: a class that says what the tests want to hear | judge-class
class Stack:
    def __init__(self, items=()):
        pass
    def __getattr__(self, name):
        return lambda *a: self
    def __eq__(self, other):
        return True
    def __len__(self):
        return 1

#: errors without what they say | judge-raises
class BadInput(Exception):
    pass
class WorseInput(Exception):
    pass
def add(a, b):
    raise BadInput("bad input: -1")
