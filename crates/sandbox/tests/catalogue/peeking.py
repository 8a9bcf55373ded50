# Reading the answers, or anything else that is not the program's.

#: answers in the frames | judge
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, (list, tuple, str)) and "==" in str(value) and "add(" in str(value):
                return 3 if a == 1 else 5
        frame = frame.f_back
    return 0

#: answers in linecache | judge
import linecache
def add(a, b):
    for name, entry in linecache.cache.items():
        if "tests" in name:
            return 3
    return 0

#: answers in files | judge
import os
def add(a, b):
    for root in ("/tmp", "/dev/shm", "/proc/1/cwd", "/proc/1/root/tmp"):
        for folder, _, files in os.walk(root):
            for name in files:
                try:
                    text = open(os.path.join(folder, name), errors="replace").read(100000)
                except OSError:
                    continue
                if "assert add" in text:
                    return 3
    return 0

#: memory of the first process | run
try:
    open("/proc/1/mem", "rb").read(1)
    print("HARM")
except OSError:
    pass
try:
    print("HARM" if open("/proc/1/environ").read() else "")
except OSError:
    pass

#: descriptors of the first process | run
import os
try:
    for fd in os.listdir("/proc/1/fd"):
        print("HARM", os.readlink("/proc/1/fd/" + fd))
except OSError:
    pass

#: the caller's environment | run
import os
if set(os.environ) - {"PATH", "HOME", "LANG", "PYTHONHASHSEED", "PYTHONUTF8", "LC_CTYPE"} or "SECRET_OF_THE_CALLER" in str(os.environ):
    print("HARM", os.environ)

#: open descriptors | run
import os
for fd in range(4, 1024):
    try:
        os.fstat(fd)
        print("HARM", fd)
    except OSError:
        pass

#: the caller's files | run
import os
for path in ("CANARY", "/etc/shadow", "/root", "/home", "/var/log", "/sys/kernel", "/proc/kcore", "/proc/sys/kernel/hostname", "/proc/kallsyms"):
    try:
        os.stat(path)
        if path == "CANARY" or os.path.isdir(path) and os.listdir(path) not in ([], [".pyenv"]):
            print("HARM", path)
        elif os.path.isfile(path):
            open(path).read(1)
            print("HARM", path)
    except OSError:
        pass

#: other processes | run
import os
seen = [p for p in os.listdir("/proc") if p.isdigit()]
if any(int(p) not in (1, os.getpid()) for p in seen):
    print("HARM", seen)

#: process memory by system call | run
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
class V(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
local, remote = V(ctypes.addressof(buffer), 8), V(id(libc), 8)
if libc.process_vm_readv(1, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) >= 0:
    print("HARM")

#: the other end of the channel | judge
import os, socket
def add(a, b):
    s = socket.socket(fileno=os.dup(3))
    try:
        print(s.getpeername(), s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        os.kill(int.from_bytes(s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little"), 9)
    except OSError:
        pass
    return 0
