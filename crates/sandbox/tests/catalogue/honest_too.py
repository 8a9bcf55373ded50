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
