# More programs that must work as they would outside, by somebody who looked for what might break them.

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

#: reads and writes by the names of devices | judge-stdio | passed
with open("/dev/stdin") as source, open("/dev/stdout", "w") as sink, open("/dev/stderr", "w") as errors:
    a, b = map(int, source.read().split())
    print(a + b, a - b, sep="\n", file=sink)
    print("done", file=errors)

#: asks for all the stack there is | judge-stdio | passed
import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.setrecursionlimit(10 ** 6)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
a, b = map(int, input().split())
print(a + b, a - b + depth(30000) - 30000, sep="\n")

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
