# Leaving something for the next run: each program runs twice, and the second must see nothing.

#: a file | run-twice
import os
if os.path.exists("/tmp/left"):
    print("HARM")
open("/tmp/left", "w").close()

#: a directory that cannot be read | run-twice
import os
if os.listdir("/tmp"):
    print("HARM")
os.makedirs("/tmp/a/b")
os.chmod("/tmp/a", 0)

#: a file made and removed | run-twice
import os
s = os.stat("/tmp")
if s.st_mtime_ns == 12345:
    print("HARM")
try:
    os.utime("/tmp", ns=(12345, 12345))
except OSError:
    open("/tmp/x", "w").close()
    os.remove("/tmp/x")

#: attributes of the directory | run-twice
import os
s = os.stat("/tmp")
if s.st_mode & 0o7777 != 0o1777:
    print("HARM")
try:
    os.chmod("/tmp", 0o700)
except OSError:
    pass

#: shared memory | run-twice
from multiprocessing import shared_memory
try:
    shared_memory.SharedMemory("left")
    print("HARM")
except FileNotFoundError:
    m = shared_memory.SharedMemory("left", create=True, size=100)
    import multiprocessing.resource_tracker as t
    t.unregister("/left", "shared_memory")

#: System V memory | run-twice
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(4711, 0, 0) >= 0:
    print("HARM")
libc.shmget(4711, 4096, 0o1000 | 0o666)
if libc.semget(4712, 0, 0) >= 0:
    print("HARM")
libc.semget(4712, 1, 0o1000 | 0o666)
if libc.msgget(4713, 0) >= 0:
    print("HARM")
libc.msgget(4713, 0o1000 | 0o666)

#: message queue | run-twice
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
try:
    if libc.mq_open(b"/left", 0) >= 0:
        print("HARM")
    libc.mq_open(b"/left", 0o100 | 2, 0o666, None)
except AttributeError:
    pass

#: keys of the kernel | run-twice
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(249, b"user", b"left", None, -5) >= 0:
    print("HARM")
libc.syscall(248, b"user", b"left", b"x", 1, -5)

#: state of a module | run-twice
import json, math, collections
if hasattr(math, "left") or hasattr(json, "left"):
    print("HARM")
math.left = json.left = True

#: a poisoned module | run-twice
import os, sys
try:
    import evil
    print("HARM")
except ImportError:
    open("/tmp/evil.py", "w").write("x = 1")
    import importlib
    importlib.invalidate_caches()
    import evil
try:
    with open(os.path.join(os.path.dirname(os.__file__), "__pycache__", "evil.pyc"), "wb") as f:
        f.write(b"x")
    print("HARM")
except OSError:
    pass

#: a process | run-twice
import os, time
if len([p for p in os.listdir("/proc") if p.isdigit() and p != "1"]) > 1:
    print("HARM")
if os.fork() == 0:
    os.setsid()
    time.sleep(100)

#: an abstract socket | run-twice
import os, socket, time
s = socket.socket(socket.AF_UNIX)
try:
    s.bind("\0left")
except OSError:
    print("HARM")
if os.fork() == 0:
    os.setsid()
    time.sleep(100)

#: limits and environment | run-twice
import os, resource, sys
if sys.getrecursionlimit() == 77777 or "LEFT" in os.environ or os.getcwd() != "/tmp":
    print("HARM")
sys.setrecursionlimit(77777)
os.environ["LEFT"] = "1"
os.chdir("/")
