# Hostile programs by somebody who had read the sandbox's own code first.

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
