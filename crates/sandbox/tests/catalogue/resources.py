# Using more than it was given.

#: fork bomb | run
import os
while True:
    try:
        os.fork()
    except OSError:
        pass

#: fork bomb in a call | judge
import os
def add(a, b):
    while True:
        try:
            os.fork()
        except OSError:
            pass

#: threads | run
import threading, time
n = 0
try:
    for n in range(100000):
        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
except RuntimeError:
    pass
if n > 1000:
    print("HARM", n)

#: one block | run | memory-limit
x = bytearray(2 << 30)

#: a list | run | memory-limit
x = []
while True:
    x.append([0] * 100000)

#: a list in a call | judge | memory-limit
def add(a, b):
    x = []
    while True:
        x.append([0] * 100000)

#: a huge answer | judge
def add(a, b):
    return "x" * (100 << 20)

#: a string | run | memory-limit
x = "a" * (1 << 20)
while True:
    x += x

#: memory files | run
import os
try:
    for _ in range(1000):
        fd = os.memfd_create("x")
        for _ in range(64):
            os.write(fd, bytes(1 << 20))
    print("HARM")
except (OSError, MemoryError):
    pass

#: shared memory | run
import mmap
blocks = []
try:
    for _ in range(1000):
        m = mmap.mmap(-1, 16 << 20)
        for i in range(0, 16 << 20, 4096):
            m[i] = 1
        blocks.append(m)
    print("HARM")
except (OSError, MemoryError, ValueError):
    pass

#: memory in many processes | run
import os, time
for _ in range(30):
    if os.fork() == 0:
        try:
            x = bytearray(100 << 20)
            for i in range(0, len(x), 4096):
                x[i] = 1
            time.sleep(10)
        finally:
            os._exit(0)
time.sleep(10)

#: recursion | run
import sys
sys.setrecursionlimit(10 ** 9)
def f(n):
    return f(n + 1) + 1
f(0)

#: recursion in C | run
import sys
sys.setrecursionlimit(10 ** 9)
x = []
for _ in range(10 ** 6):
    x = [x]
repr(x)

#: endless output | run | output-limit
while True:
    print("x" * 1000)

#: endless errors | run | output-limit
import sys
while True:
    sys.stderr.write("x" * 1000)

#: endless output in a call | judge | output-limit
def add(a, b):
    while True:
        print("x" * 1000)

#: descriptors | run
import os
n = 0
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
        n += 1
except OSError:
    pass
if n > 1000:
    print("HARM", n)

#: full disk | run
total = 0
try:
    for i in range(1000):
        with open("/tmp/%d" % i, "wb") as f:
            total += f.write(bytes(1 << 20))
except OSError:
    pass
if total > 64 << 20:
    print("HARM", total)

#: one large file | run
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
total = 0
try:
    with open("/tmp/x", "wb", 0) as f:
        while True:
            total += f.write(bytes(1 << 20))
except OSError:
    pass
if total > 64 << 20:
    print("HARM", total)

#: many files | run
n = 0
try:
    for n in range(100000):
        open("/tmp/%d" % n, "w").close()
except OSError:
    pass
if n > 10000:
    print("HARM", n)

#: sparse file | run
import os
try:
    fd = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 1 << 40)
    print("HARM")
except OSError:
    pass

#: fork bomb that ignores signals | run
import os, signal
for s in range(1, 32):
    try:
        signal.signal(s, signal.SIG_IGN)
    except OSError:
        pass
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
