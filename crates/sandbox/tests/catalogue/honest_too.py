# More programs that must work as they would outside, by somebody who looked for what might break them.

#: recursion to the very default limit | run | passed
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)
assert f(990) == 990
try:
    f(5000)
    print("no limit")
except RecursionError:
    print("ok")

#: recursion near the default limit in a call | judge-recursion | passed
def add(n):
    return n + add(n - 1) if n else 0

#: objects that speak when they go | judge-stdio | passed
class Last:
    def __init__(self, text):
        self.text = text
    def __del__(self):
        print(self.text)
a, b = map(int, input().split())
first = Last(a + b)
del first
last = Last(a - b)

#: objects in a list that speak when they go | judge-stdio | passed
class Last:
    def __init__(self, text):
        self.text = text
    def __del__(self):
        print(self.text)
a, b = map(int, input().split())
kept = [Last(a + b)]
kept.pop()
kept.append(Last(a - b))

#: its own writer for descriptor 1, never closed | judge-stdio | passed
import os
out = open(1, "w")
a, b = map(int, input().split())
out.write("%d\n%d\n" % (a + b, a - b))

#: its own writer, kept by a function | judge-stdio | passed
import io, os
write = io.TextIOWrapper(io.FileIO(os.dup(1), "w")).write
a, b = map(int, input().split())
write("%d\n%d\n" % (a + b, a - b))

#: fast input and output as in contests | judge-stdio-many | passed
import os, sys
from io import BytesIO, IOBase
class FastIO(IOBase):
    def __init__(self, file):
        self._file = file
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
        self.newlines = 0
    def read(self):
        while True:
            b = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            if not b:
                break
            ptr = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(b), self.buffer.seek(ptr)
        self.newlines = 0
        return self.buffer.read()
    def readline(self):
        while self.newlines == 0:
            b = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            self.newlines = b.count(b"\n") + (not b)
            ptr = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(b), self.buffer.seek(ptr)
        self.newlines -= 1
        return self.buffer.readline()
    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)
class IOWrapper(IOBase):
    def __init__(self, file):
        self.buffer = FastIO(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda s: self.buffer.write(s.encode("ascii"))
        self.read = lambda: self.buffer.read().decode("ascii")
        self.readline = lambda: self.buffer.readline().decode("ascii")
sys.stdin, sys.stdout = IOWrapper(sys.stdin), IOWrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\r\n")
for _ in range(int(input())):
    print(sum(map(int, input().split())))

#: reads until there is no more | judge-stdio-many | passed
n = int(input())
total = []
while True:
    try:
        line = input()
    except EOFError:
        break
    if line.strip():
        total.append(sum(map(int, line.split())))
print(*total, sep="\n")

#: reads bytes at once | judge-stdio-many | passed
import sys
n, *numbers = map(int, sys.stdin.buffer.read().split())
sys.stdout.buffer.write(b"\n".join(b"%d" % (numbers[2 * i] + numbers[2 * i + 1]) for i in range(n)))

#: reads descriptor 0 | judge-stdio-many | passed
import os
data = b""
while chunk := os.read(0, 5):
    data += chunk
n, *numbers = map(int, data.split())
os.write(1, b"".join(b"%d\r\n" % (numbers[2 * i] + numbers[2 * i + 1]) for i in range(n)))

#: reads lines by open(0) | judge-stdio-many | passed
with open(0) as lines:
    n = int(next(lines))
    rest = list(lines)
for line in rest[:n]:
    print(eval("+".join(line.split()).replace("+-", "-")))

#: reads lines by fileinput | judge-stdio-many | passed
import fileinput
for line in fileinput.input():
    if not fileinput.isfirstline():
        print(sum(map(int, line.split())))

#: reads and writes by the names of devices | judge-stdio | passed
with open("/dev/stdin") as source, open("/dev/stdout", "w") as sink, open("/dev/stderr", "w") as errors:
    a, b = map(int, source.read().split())
    print(a + b, a - b, sep="\n", file=sink)
    print("done", file=errors)

#: an answer from a thread with a large stack | judge-stdio | passed
import sys, threading
sys.setrecursionlimit(1 << 20)
threading.stack_size(1 << 27)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
def main():
    a, b = map(int, input().split())
    print(a + b + depth(50000) - 50000)
    print(a - b)
thread = threading.Thread(target=main)
thread.start()
thread.join()

#: asks for all the stack there is | judge-stdio | passed
import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.setrecursionlimit(10 ** 6)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
a, b = map(int, input().split())
print(a + b, a - b + depth(30000) - 30000, sep="\n")

#: prints from threads, flushed late | judge-stdio | passed
import sys, threading, time
a, b = map(int, input().split())
sys.stdout.write(str(a + b))
def later():
    time.sleep(0.05)
    sys.stdout.write("\n%d" % (a - b))
threading.Thread(target=later).start()

#: prints at exit | judge-stdio | passed
import atexit
a, b = map(int, input().split())
atexit.register(lambda: print(a - b))
print(a + b)
exit()

#: a file that is run again in other processes | run | passed
import multiprocessing
def square(n):
    return n * n
if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map(square, [2, 3]) == [4, 9]
    print("ok")

#: reads its own file | run | passed
import os
assert open(__file__).read().startswith("import os")
assert os.path.exists(__file__)
print("ok")

#: processes that share what one of them holds | run | passed
import multiprocessing, time
values = list(range(3_000_000))
def part(number):
    time.sleep(0.2)
    return values[number] + values[-1]
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(part, range(8)) == [n + 2_999_999 for n in range(8)]
    print("ok")

#: memory that several processes map | run | passed
import mmap, os, time
block = mmap.mmap(-1, 160 << 20)
for place in range(0, len(block), 4096):
    block[place] = 1
pids = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        total = sum(block[place] for place in range(0, len(block), 4096))
        time.sleep(0.1)
        os._exit(total % 251)
    pids.append(pid)
assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (160 << 8) % 251 for pid in pids)
print("ok")

#: a server that others ask, by a socket in a file | run | passed
import os, socket, socketserver, tempfile, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())
path = os.path.join(tempfile.mkdtemp(), "s")
with socketserver.ThreadingUnixStreamServer(path, Echo) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b"hello\n")
        assert s.recv(100) == b"HELLO\n"
    server.shutdown()
print("ok")

#: a manager of shared objects | run | passed
import multiprocessing
def work(shared, lock, number):
    with lock:
        shared[number] = number * number
if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        shared, lock = manager.dict(), manager.Lock()
        jobs = [multiprocessing.Process(target=work, args=(shared, lock, n)) for n in range(4)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        assert dict(shared) == {n: n * n for n in range(4)}
    value = multiprocessing.Value("i", 0)
    values = multiprocessing.Array("d", 3)
    with value.get_lock():
        value.value += 1
    print("ok", value.value, list(values))

#: asynchronous subprocesses, queues and time limits | run | passed
import asyncio, sys
async def main():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(input() * 2)", stdin=-1, stdout=-1)
    out, _ = await process.communicate(b"ab\n")
    assert out == b"abab\n" and process.returncode == 0
    queue = asyncio.Queue()
    async def produce():
        for i in range(3):
            await queue.put(i)
    task = asyncio.create_task(produce())
    assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    await task
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.01)
    except asyncio.TimeoutError:
        pass
    reader, writer = await asyncio.open_unix_connection("/tmp/s") if False else (None, None)
    assert await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2]) == 3
asyncio.run(main())
print("ok")

#: databases and maps in files | run | passed
import dbm.dumb, mmap, os, shelve, sqlite3
with sqlite3.connect("/tmp/x.db") as db:
    db.execute("create table t (a integer primary key, b text)")
    db.executemany("insert into t (b) values (?)", [("x",), ("y",)])
    assert db.execute("select count(*), max(b) from t").fetchone() == (2, "y")
with shelve.open("/tmp/shelf") as shelf:
    shelf["k"] = [1, 2]
with shelve.open("/tmp/shelf") as shelf:
    assert shelf["k"] == [1, 2]
with open("/tmp/m", "w+b") as f:
    f.truncate(8192)
    with mmap.mmap(f.fileno(), 0) as m:
        m[4096] = 65
        m.flush()
    f.seek(4096)
    assert f.read(1) == b"A"
os.remove("/tmp/m")
print("ok")

#: tests of its own | run | passed
import doctest, unittest
def twice(x):
    """
    >>> twice(2)
    4
    """
    return 2 * x
class T(unittest.TestCase):
    def test(self):
        self.assertEqual(twice(3), 6)
assert doctest.testmod().attempted == 1 and doctest.testmod().failed == 0
assert unittest.main(exit=False, verbosity=0).result.testsRun == 1
print("ok")

#: looks at its own running | run | passed
import cProfile, faulthandler, gc, io, pstats, sys, timeit, traceback, tracemalloc, warnings, weakref
faulthandler.enable()
tracemalloc.start()
x = [bytes(1000) for _ in range(100)]
assert tracemalloc.get_traced_memory()[0] > 100_000
profile = cProfile.Profile()
profile.runcall(sum, range(1000))
pstats.Stats(profile, stream=io.StringIO()).print_stats()
assert timeit.timeit("1 + 1", number=10) >= 0
lines = []
def trace(frame, event, argument):
    lines.append(frame.f_lineno)
    return trace
def g():
    a = 1
    return a
sys.settrace(trace)
g()
sys.settrace(None)
assert len(lines) >= 3
class C:
    pass
c = C()
r = weakref.ref(c)
c.c = c
del c
gc.collect()
assert r() is None
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("w")
assert len(caught) == 1
try:
    1 / 0
except ZeroDivisionError:
    assert "1 / 0" in traceback.format_exc()
print("ok")

#: functions of C that call back | run | passed
import ctypes
libc = ctypes.CDLL(None)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
values = (ctypes.c_int * 4)(3, 1, 4, 2)
libc.qsort(values, 4, ctypes.sizeof(ctypes.c_int), compare)
assert list(values) == [1, 2, 3, 4]
print("ok")

#: pipes, polls and children | run | passed
import os, select, selectors, signal, subprocess, sys
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(read)
    os.write(write, b"child")
    os._exit(7)
os.close(write)
assert select.select([read], [], [], 5)[0] == [read]
with selectors.DefaultSelector() as s:
    s.register(read, selectors.EVENT_READ)
    assert s.select(5)
assert os.read(read, 9) == b"child" and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert os.popen("printf x | wc -c").read().strip() == "1" and os.system("exit 3") == 3 << 8
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR2)
assert signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2
class Late(Exception):
    pass
def late(*_):
    raise Late
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    while True:
        pass
except Late:
    pass
try:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(9)"], timeout=0.2)
except subprocess.TimeoutExpired:
    print("ok")

#: modules of its own making | run | passed
import importlib, os, pathlib, pickle, runpy, sys, types
pathlib.Path("helper.py").write_text("VALUE = 3\nclass C:\n    pass\n")
importlib.invalidate_caches()
import helper
assert helper.VALUE == 3 and type(pickle.loads(pickle.dumps(helper.C()))) is helper.C
pathlib.Path("helper.py").write_text("VALUE = 45\n")
assert importlib.reload(helper).VALUE == 45
assert runpy.run_path("helper.py")["VALUE"] == 45
pathlib.Path("p").mkdir()
pathlib.Path("p/__init__.py").write_text("")
pathlib.Path("p/m.py").write_text("from . import __name__ as n\n")
from p.m import n
assert n == "p"
print("ok")

#: arithmetic with contexts of its own | run | passed
import decimal, fractions, locale, random, statistics, sys, time
decimal.getcontext().prec = 50
assert str(decimal.Decimal(1) / 3).startswith("0.33333333333333333333333333333333333333333333333333")
random.seed(1)
assert random.randint(1, 100) == 18
assert statistics.mean([1, 2, 4]) * 3 == 7 and sum([fractions.Fraction(1, 3)] * 3) == 1
sys.set_int_max_str_digits(0) if hasattr(sys, "set_int_max_str_digits") else None
assert len(str(3 ** 20000)) == 9543
assert time.strftime("%Y", time.gmtime(0)) == "1970" and time.get_clock_info("monotonic").monotonic
print("ok")

#: many threads that meet | run | passed
import threading
barrier, lock, seen = threading.Barrier(40), threading.RLock(), []
local = threading.local()
condition, ready = threading.Condition(), threading.Event()
def work(number):
    local.number = number
    barrier.wait()
    ready.wait()
    with condition, lock:
        seen.append(local.number)
        condition.notify_all()
threads = [threading.Thread(target=work, args=(n,)) for n in range(40)]
for thread in threads:
    thread.start()
ready.set()
for thread in threads:
    thread.join()
assert sorted(seen) == list(range(40)) and threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
print("ok")

#: leaves with 60 kilobytes, all printed | run | passed
import sys
print("ok")
sys.stdout.write("é" * 30000)
sys.exit()

#: right answer with standard output replaced | judge | passed
import sys
class Log:
    def __init__(self):
        self.lines = []
    def write(self, text):
        self.lines.append(text)
log = sys.stdout = Log()
def add(a, b):
    print("adding", a, b)
    return a + b

#: right answer with standard output closed | judge | passed
import sys
sys.stdout.close()
def add(a, b):
    return a + b

#: right answer without standard output | judge | passed
import sys
sys.stdout = None
def add(a, b):
    print("nobody hears")
    return a + b

#: right answer with a changed recursion limit and traces | judge | passed
import sys, threading
sys.setrecursionlimit(150)
sys.setswitchinterval(1e-5)
threading.setprofile(lambda *a: None)
def add(a, b):
    return a + b

#: right answer from a process of its own | judge | passed
import multiprocessing
def add(a, b):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.apply(sum, ([a, b],)) if isinstance(a, int) else a + b

#: right answer from a pool that stays | judge | passed
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
threads = ThreadPoolExecutor(3)
def plus(a, b):
    return a + b
def add(a, b):
    return threads.submit(plus, a, b).result()

#: right answer from a loop of events | judge | passed
import asyncio
async def plus(a, b):
    await asyncio.sleep(0)
    return a + b
def add(a, b):
    return asyncio.run(plus(a, b))

#: right answer, a numpy that is not there | judge | passed
try:
    import numpy as np
except ImportError:
    np = None
def add(a, b):
    return a + b

#: right answer with warnings and noise on errors | judge | passed
import sys, warnings
warnings.warn("careful")
def add(a, b):
    warnings.warn("adding", RuntimeWarning)
    print("adding", file=sys.stderr, flush=True)
    return a + b

#: right answer by classes that are more than data | judge | passed
import enum, functools
class Number(int):
    def __eq__(self, other):
        return int(self) == other
    __hash__ = int.__hash__
class Sums(list):
    pass
@functools.singledispatch
def add(a, b):
    return Number(a) + Number(b)
@add.register
def _(a: list, b):
    return Sums(a + b)

#: calls back | judge-callback | passed
def add(f, values):
    return [f(v) for v in values]

#: calls back by map | judge-callback | passed
def add(f, values):
    return list(map(f, values))

#: calls back from threads | judge-callback | passed
from concurrent.futures import ThreadPoolExecutor
def add(f, values):
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(f, values))

#: instances of a class of the tests | judge-node | passed
class Node:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next
def add(head, value):
    node = head
    while node.next:
        node = node.next
    node.next = Node(value)
    return head

#: instances of a class of the tests, with slots of its own | judge-node | passed
from dataclasses import dataclass
from typing import Optional
@dataclass
class Node:
    val: int = 0
    next: Optional["Node"] = None
def add(head, value):
    return Node(head.val, add(head.next, value)) if head else Node(value)

#: changes in place what the tests hold | judge-in-place | passed
class Node:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def add(nodes):
    if isinstance(nodes, list):
        nodes.reverse()
        return
    values, node = [], nodes
    while node:
        values.append(node.val)
        node = node.next
    node = nodes
    while node:
        node.val = values.pop()
        node = node.next

#: changes the links in place | judge-in-place | passed
class Node:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def add(nodes):
    if isinstance(nodes, list):
        nodes[:] = nodes[::-1]
        return
    last, node = None, nodes.next
    while node:
        node.next, last, node = last, node, node.next
    last_value = nodes.val
    first = last
    while first.next:
        first = first.next
    first.next = Node(last_value)
    nodes.val, nodes.next = last.val, last.next

#: a class that is used | judge-class | passed
class Stack:
    def __init__(self, items=()):
        self._items = list(items)
    def push(self, x):
        self._items.append(x)
    def pop(self):
        if not self._items:
            raise IndexError("empty")
        return self._items.pop()
    def __len__(self):
        return len(self._items)
    def __iter__(self):
        return iter(self._items)
    def __getitem__(self, i):
        return self._items[i]
    def __repr__(self):
        return "Stack(%r)" % self._items

#: errors of its own | judge-raises | passed
class BadInput(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value
    def __str__(self):
        return "bad input: %d" % self.value
class WorseInput(BadInput):
    pass
def add(a, b):
    if type(a) is str:
        raise ValueError("no number: %s" % a)
    if a < -100:
        raise WorseInput(a)
    if a < 0:
        raise BadInput(a)
    return a + b

#: yes, no and nothing | judge-identity | passed
def add(a, b):
    return None if a is None else a <= b

#: exact types | judge-strict | passed
def add(a, b):
    return [*a, b] if type(a) is list else a + b

#: near enough | judge-near | passed
def add(a, b):
    return a + b

#: a constant | judge-constant | passed
limit = 42
def add(a, b):
    return a + b

#: the module that the tests lack | judge-borrowed | passed
import math
def add(a, b):
    return math.fsum((a, b))

#: kinds of values | judge-values | passed
import array, collections, datetime, decimal, enum, fractions
Pair = collections.namedtuple("Pair", "a b")
class Color(enum.IntEnum):
    BLUE = 3
def add(kind):
    naive = datetime.datetime(2024, 2, 29, 12, 30)
    shift = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    default = collections.defaultdict(list)
    default["a"].append(1)
    cycle = [0]
    cycle.append([1, cycle])
    cycle[1][1] = [cycle[1][0]]
    return {
        "big": 10 ** 3000, "minus": -2 ** 200, "decimal": decimal.Decimal("1.10"), "fraction": fractions.Fraction(4, 6),
        "counter": collections.Counter("abca"), "deque": collections.deque([1, 2], 5),
        "ordered": collections.OrderedDict(a=1, b=2), "pair": Pair(1, 2), "default": default, "set": {1, 2},
        "frozen": frozenset("ab"), "date": naive.date(), "delta": datetime.timedelta(hours=26), "naive": naive,
        "aware": naive.replace(tzinfo=datetime.timezone.utc), "shifted": naive.replace(tzinfo=shift),
        "zone": datetime.timezone.utc, "complex": 1 + 2j, "bytes": b"a\0", "array": array.array("i", [1, 2]),
        "text": "naïve 🎉 \ud800", "range": range(3), "generator": (i * i for i in range(3)), "zip": zip([1], "a"),
        "iterator": iter([7]), "nested": [0] * 999 + [{"a": (1, [2.5, None, {True}])}], "cycle": cycle,
        "function": lambda x: x + 1, "enum": Color.BLUE, "keys": {1: 2}.keys(), "values": {1: 2, 3: 3}.values(),
    }[kind]

#: a class of its own, judged jointly | judge-joint-class | passed
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    y: int
def add(p, q):
    return Point(p.x + q.x, p.y + q.y)

#: modules of the tests, judged jointly | judge-joint-borrowed | passed
import math
def add(a, b):
    return math.fsum((a, b)) if isinstance(a, int) else a + b

#: a script, judged jointly | judge-joint-script | passed
import random, sys
random.seed(3)
sys.setrecursionlimit(3000)
def add(a, b):
    return a + b
