# Using time that it was not given.

#: endless loop | run | timeout
while True:
    pass

#: endless loop in a call | judge | timeout
def add(a, b):
    while True:
        pass

#: catches everything | run | timeout
while True:
    try:
        while True:
            pass
    except BaseException:
        pass

#: sleeps | run | timeout
import time
time.sleep(60)

#: fakes the clock | run | timeout
import time
time.time = time.monotonic = time.process_time = lambda: 0
while True:
    pass

#: ignores signals | run | timeout
import signal
for s in range(1, 65):
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    pass

#: backtracking in C | run | timeout
import re
re.match(r"(a+)+$", "a" * 40 + "b")

#: big powers in C | run | timeout
x = 7 ** 200_000_000

#: stops itself | run | timeout
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
while True:
    pass

#: stops its group | run | timeout
import os, signal, time
os.killpg(0, signal.SIGSTOP)
time.sleep(60)

#: a thread that outlives the program | run | timeout
import threading
def f():
    while True:
        pass
threading.Thread(target=f).start()

#: a daemon that outlives the program | run
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(0.01)
    os._exit(0)

#: children that burn time | run | timeout
import os
for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
while True:
    try:
        os.wait()
    except ChildProcessError:
        break

#: children that nobody waits for | run | timeout
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
time.sleep(60)

#: raises its own limits | run | timeout
import resource
for limit in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NPROC):
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("HARM")
    except (OSError, ValueError):
        pass
while True:
    pass

#: reads a pipe that nobody writes | judge | timeout
import os
def add(a, b):
    r, w = os.pipe()
    os.read(r, 1)

#: endless answer | judge
def add(a, b):
    def f():
        while True:
            yield 1
    return f()
