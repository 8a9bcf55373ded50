"""What a child does with a solution, done beforehand in the zygote with small programs of ours.

A child inherits what that leaves: code that the interpreter has specialised, caches of types and attributes, symbols
that are bound, pools of memory. So it runs faster from its first line, and above all it writes to fewer pages that it
shares with the zygote, each of which the kernel would have to copy.
"""

import os
import socket
import sys

import peer as channel
import program
import rehearsal

# A function is specialised after eight calls, and each of its instructions some turns later.
TURNS = 40
# A rehearsal's program does not end: `rehearsal.py` looks at the pages while it stands still.
STOP = '''
import os

def stop(code):
    os.write(2, b"%d" % os.getpid())
    os.kill(os.getpid(), 19)

os._exit = stop
'''

SOLUTION = '''
from typing import List, Optional
import math


class Solution:
    """A class."""

    def twice(self, values: List[int]) -> List[int]:
        return [2 * v for v in values]


def add(a: int, b: int) -> int:
    """ A function.
    >>> add(1, 2)
    3
    """
    if a == 7:
        raise ValueError("seven")
    return a + b


def words(text: str, count: Optional[int] = None):
    """ Another. """
    found = sorted(set(text.split()), key=lambda word: (len(word), word))
    table = {word: found.count(word) for word in found[:count]}
    for word, times in table.items():
        if times > 1 and word.isalpha():
            table[word] = "".join(reversed(word)).lower()
    return [(w, t) for w, t in table.items()], math.floor(len(found) / 2), True, None, 1.5
'''

SCRIPT = '''
import sys
total = 0
for line in "1 2\\n3 4".splitlines():
    a, b = map(int, line.split())
    total += a + b
print(total)
'''

READER = '''
import sys
from collections import defaultdict, deque

def solve(numbers):
    seen, found = defaultdict(int), []
    queue = deque(numbers)
    while queue:
        number = queue.popleft()
        seen[number] += 1
        if seen[number] == 1:
            found.append(number)
    return sorted(found, reverse=True)

data = sys.stdin.read().split()
numbers = [int(word) for word in data[1:]]
print(*solve(numbers))
print(" ".join(str(number % 7) for number in numbers), len(set(data)), sep="\\n")
'''

LINES = '''
n = int(input())
values = list(map(int, input().split()))
best = 0
for index, value in enumerate(values):
    if value > best:
        best = value
print(best)
print(sum(values) / n)
'''

STDIN = b"4\n3 1 2 3\n"

CALLS = (
    ("add", (1, 2)),
    ("add", (3, -4)),
    ("add", (7, 0)),
    ("add", ([1, 2], [3])),
    ("words", ("a b c",)),
    ("words", ("some words, and words", 2)),
)


def warm_up():
    """Serves and runs the programs above some times, and forgets them."""
    arguments, modules = sys.argv, set(sys.modules)
    for _ in range(TURNS):
        serve_once()
        module, code = program.load(program.segments(payload(SCRIPT))[0].decode(), "__main__", "program.py")
        exec(code, module.__dict__)
        sys.stdout.flush()
    sys.argv = arguments
    sys.modules["__main__"] = MAIN
    for name in set(sys.modules) - modules:
        if name in ("solution", "__main__"):
            del sys.modules[name]
    if "linecache" in sys.modules:
        sys.modules["linecache"].cache.clear()


MAIN = sys.modules["__main__"]


def serve_once():
    near, far = socket.socketpair()
    with near, far:
        ask(near, CALLS)
        program.converse(far.fileno(), payload(SOLUTION))


def ask(near, calls):
    """Sends what a tester would ask for, all at once."""
    asking = channel.Peer(near.fileno(), None, None)
    names = list(dict.fromkeys(name for name, _ in calls))
    for number, name in enumerate(names):
        asking.send(("ask", number, "name", None, (name,), {}, False))
    asking.send_early(channel.pickled([("add", (1, 2)), ("add", (-1, 0)), ("words", ("a b",))]))
    asking.send_calls(channel.Remote(asking, names.index("add")), channel.pickled([(1, 2), ([1], [2])]))
    for number, (name, arguments) in enumerate(calls, len(names)):
        target = channel.Remote(asking, names.index(name))
        asking.send_call(number, target, arguments, {}, False)
    near.shutdown(socket.SHUT_WR)


def rehearse(zygote):
    """Has such programs run as they would for the supervisor (see `rehearsal.py`)."""
    rehearsal.rehearse(zygote, requests(zygote.scratch.size))


def requests(disk_bytes):
    """Headers and descriptors of runs that stop themselves, the end of the pipe that they say so to, and whether the program
    is a new one."""
    limits = (5000, 10000, 64, 64, 0, 512 << 20, disk_bytes, 0)
    for source, is_new in ((LINES, True), (READER, True), (LINES, False), (READER, False)):
        standard, stopped = streams()
        yield (1, *limits), [*standard, output(), payload(STOP + source)], stopped, is_new
    near, far = socket.socketpair()
    with near:
        ask(near, CALLS)
        standard, stopped = streams()
        yield (2, *limits), [*standard, far.detach(), payload(STOP + SOLUTION)], stopped, True


def streams():
    """A run's stdin, stdout and stderr, and the other end of the last."""
    stdin = os.memfd_create("hone", os.MFD_CLOEXEC)
    os.write(stdin, STDIN)
    os.lseek(stdin, 0, os.SEEK_SET)
    stopped, stderr = os.pipe()
    return (stdin, output(), stderr), stopped


def output():
    """What takes what is written; a pipe, as for the supervisor."""
    return os.pipe()[1]


def payload(source):
    """A descriptor of what the supervisor would hand over."""
    data = source.encode()
    fd = os.memfd_create("hone", os.MFD_CLOEXEC)
    os.write(fd, len(data).to_bytes(4, "little") + data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
