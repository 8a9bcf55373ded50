# Programs that must work as they would outside.

#: prints | run | passed
print("ok")

#: reads all of stdin | run | passed
import sys
print("ok", len(sys.stdin.read()))

#: threads | run | passed
import threading
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool:
    assert sum(pool.map(lambda x: x * x, range(100))) == 328350
print("ok")

#: temporary files | run | passed
import tempfile, os
with tempfile.TemporaryDirectory() as d:
    with open(os.path.join(d, "x"), "w") as f:
        f.write("hello")
    assert open(os.path.join(d, "x")).read() == "hello"
with tempfile.NamedTemporaryFile() as f:
    f.write(b"x")
print("ok")

#: subprocesses | run | passed
import subprocess, sys
assert subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout == "hi\n"
assert subprocess.check_output("echo $((1 + 1)) | cat", shell=True) == b"2\n"
assert subprocess.run([sys.executable, "-c", "print(3)"], capture_output=True).stdout == b"3\n"
print("ok")

#: processes | run | passed
import multiprocessing
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    q = multiprocessing.Queue()
    p = multiprocessing.Process(target=q.put, args=(1,))
    p.start()
    assert q.get() == 1
    p.join()
    print("ok")

#: asyncio | run | passed
import asyncio
async def f(x):
    await asyncio.sleep(0.01)
    return x
async def main():
    return await asyncio.gather(*map(f, range(3)))
assert asyncio.run(main()) == [0, 1, 2]
print("ok")

#: recursion of 5000 | run | passed
import sys
sys.setrecursionlimit(10000)
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)
assert f(5000) == 5000
print("ok")

#: 200 megabytes | run | passed
x = bytearray(200 << 20)
for i in range(0, len(x), 4096):
    x[i] = 1
print("ok")

#: a second of work | run | passed
import time
start = time.process_time()
while time.process_time() - start < 1:
    pass
print("ok")

#: dataclasses and typing | run | passed
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Generic, List, NamedTuple, Optional, Protocol, TypeVar, get_type_hints
T = TypeVar("T")
@dataclass(order=True, frozen=True)
class P(Generic[T]):
    x: int
    y: Optional[int] = None
    z: List[int] = field(default_factory=list, compare=False)
assert P(1) < P(2) and get_type_hints(P)["x"] is int
class N(NamedTuple):
    a: int
assert N(1).a == 1
print("ok")

#: pickles its own class | run | passed
import copy, pickle
class C:
    def __init__(self, x):
        self.x = x
assert pickle.loads(pickle.dumps(C(3))).x == 3
assert copy.deepcopy(C([1])).x == [1]
print("ok")

#: looks at its own source | run | passed
import inspect
def f(x):
    return x + 1
assert "return x + 1" in inspect.getsource(f)
print("ok")

#: signals to itself | run | passed
import os, signal
got = []
signal.signal(signal.SIGUSR1, lambda *a: got.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda *a: got.append(2))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
assert got == [1, 2]
print("ok")

#: unicode | run | passed
s = "naïve — 日本語 🎉"
print(s, "ok")
assert s.encode().decode() == s

#: exits with zero | run | passed
import sys
print("ok")
sys.exit(0)

#: local sockets | run | passed
import socket
a, b = socket.socketpair()
a.sendall(b"x")
assert b.recv(1) == b"x"
print("ok")

#: shared memory | run | passed
from multiprocessing import shared_memory
m = shared_memory.SharedMemory(create=True, size=1000)
m.buf[0] = 7
assert m.buf[0] == 7
m.close()
m.unlink()
print("ok")

#: many standard modules | run | passed
import argparse, base64, calendar, csv, difflib, hashlib, html, http, ipaddress, logging, lzma, secrets, shlex, sqlite3, ssl, string, urllib.parse, uuid, xml.etree.ElementTree, zipfile, zlib, zoneinfo
db = sqlite3.connect(":memory:")
db.execute("create table t (x)")
uuid.uuid4(), secrets.token_hex(), hashlib.sha256(b"x").hexdigest()
logging.warning("fine")
print("ok")

#: reads its own module's name | run | passed
import __main__
x = 5
assert __main__.x == 5 and __name__ == "__main__"
print("ok")

#: right answer | judge | passed
def add(a, b):
    return a + b

#: right answer, noisy | judge | passed
print("loading")
def add(a, b):
    print(a, b)
    return a + b

#: right answer, a lambda | judge | passed
add = lambda a, b: a + b

#: right answer, a dataclass on the way | judge | passed
from dataclasses import dataclass
import pickle
@dataclass
class Pair:
    a: object
    b: object
def add(a, b):
    pair = pickle.loads(pickle.dumps(Pair(a, b)))
    return pair.a + pair.b

#: right answer by threads | judge | passed
from concurrent.futures import ThreadPoolExecutor
def add(a, b):
    with ThreadPoolExecutor(2) as pool:
        return pool.submit(lambda: a + b).result()

#: right answer by a process | judge | passed
import subprocess, json, sys
def add(a, b):
    code = "import json, sys; a, b = json.load(sys.stdin); print(json.dumps(a + b))"
    r = subprocess.run([sys.executable, "-c", code], input=json.dumps([a, b]), capture_output=True, text=True)
    return json.loads(r.stdout)

#: right answer, recursive | judge | passed
import sys
sys.setrecursionlimit(20000)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
def add(a, b):
    depth(5000)
    return a + b

#: right answer behind a main guard | judge | passed
def add(a, b):
    return a + b
if __name__ == "__main__":
    raise SystemExit(1)

#: calls | judge-calls | passed
def add(a, b):
    print("noise")
    return a + b

#: calls by the rule of APPS | judge-apps | passed
def add(a, b):
    return (a, b) if a == 7 else a + b

#: calls by the rule of LiveCodeBench | judge-lcb | passed
def add(a, b):
    return tuple(a) + tuple(b) if type(a) is list else a + b

#: a method | judge-method | passed
class Solution:
    def add(self, a, b):
        return a + b

#: check | judge-check | passed
def add(a, b):
    return a + b

#: script | judge-script | passed
def add(a, b):
    return a + b

#: unittest | judge-unittest | passed
def add(a, b):
    if a is None:
        raise TypeError("no number")
    return a + b

#: unittest in one process | judge-joint-unittest | passed
def add(a, b):
    if a is None:
        raise TypeError("no number")
    return a + b

#: check in one process | judge-joint-check | passed
def add(a, b):
    return a + b

#: stdin and stdout | judge-stdio | passed
a, b = map(int, input().split())
print(a + b)
print(" %d " % (a - b))

#: stdin and stdout by the rule of APPS | judge-stdio-apps | passed
a, b = map(int, input().split())
print(a + b, a - b, sep="\n\n")

#: stdin and stdout, word by word | judge-stdio-words | passed
a, b = map(int, input().split())
print(a + b, a - b + 1e-9)

#: stdin and stdout, exactly | judge-stdio-exact | passed
a, b = map(int, input().split())
print(a + b)
print(a - b)

#: a generator that is read | run | passed
def squares(n):
    for i in range(n):
        yield i * i
assert list(squares(4)) == [0, 1, 4, 9]
print('ok')

#: a process pool of four | run | passed
from concurrent.futures import ProcessPoolExecutor
def square(n):
    return n * n
if __name__ == '__main__':
    with ProcessPoolExecutor(4) as pool:
        assert list(pool.map(square, range(8))) == [i * i for i in range(8)]
    print('ok')

#: long lines of output | run | passed
print('x' * 30000)
print('ok')

#: cached recursion | run | passed
import functools, sys
sys.setrecursionlimit(20000)
@functools.lru_cache(None)
def path(n):
    return 1 if n < 2 else path(n - 1) + path(n - 2)
assert path(4000) % 10 == 1
print('ok')

#: threads that wait for each other | run | passed
import queue, threading
jobs, done = queue.Queue(), queue.Queue()
def work():
    while (job := jobs.get()) is not None:
        done.put(job * 2)
workers = [threading.Thread(target=work) for _ in range(8)]
for w in workers: w.start()
for i in range(100): jobs.put(i)
for w in workers: jobs.put(None)
for w in workers: w.join()
assert sum(done.get() for _ in range(100)) == 9900
print('ok')

#: sets its own affinity | run | passed
import os
os.sched_setaffinity(0, os.sched_getaffinity(0))
assert os.cpu_count() >= 1
print('ok')

#: right answer, cached | judge | passed
import functools
@functools.lru_cache(maxsize=None)
def plus(a, b):
    return a + b
def add(a, b):
    return plus(a, b) if isinstance(a, int) else a + b

#: right answer, a partial function | judge | passed
import functools, operator
add = functools.partial(lambda f, a, b: f(a, b), operator.add)

#: right answer, a callable object | judge | passed
class Adder:
    def __call__(self, a, b):
        return a + b
add = Adder()

#: right answer for many inputs | judge-long | passed
def add(a, b):
    return a + b

#: right answer with enums and named tuples | judge | passed
from collections import namedtuple
from enum import Enum
Pair = namedtuple('Pair', 'a b')
class Mode(Enum):
    SUM = 1
def add(a, b):
    pair = Pair(a, b)
    return pair.a + pair.b if Mode(1) is Mode.SUM else None
