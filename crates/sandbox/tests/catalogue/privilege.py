# Getting more rights.

#: who it is | run
import os
if 0 in os.getresuid() + os.getresgid():
    print("HARM", os.getresuid())
for line in open("/proc/self/status"):
    if line.startswith(("CapPrm", "CapEff", "CapAmb", "CapInh")) and int(line.split()[1], 16):
        print("HARM", line)
    if line.startswith("NoNewPrivs") and line.split()[1] != "1" or line.startswith("Seccomp:") and line.split()[1] != "2":
        print("HARM", line)

#: become root | run
import os
for act in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresuid(0, 0, 0)):
    try:
        act()
        print("HARM")
    except OSError:
        pass

#: new namespaces | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x80):
    if libc.unshare(flag) == 0:
        print("HARM", hex(flag))

#: new namespaces by clone | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0:
    libc._exit(0)
if pid > 0:
    print("HARM")
if libc.syscall(435, 0, 0) != -1:
    print("HARM")

#: set-uid programs | run
import os, subprocess
for name in ("su", "mount", "sudo", "passwd", "newgrp"):
    try:
        r = subprocess.run([name, "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True, timeout=2)
        if r.stdout.strip() == b"0":
            print("HARM", name)
    except (OSError, subprocess.SubprocessError):
        pass

#: a set-uid copy | run
import os, shutil, subprocess
shutil.copy("/usr/bin/id", "/tmp/id")
try:
    os.chmod("/tmp/id", 0o6755)
    print("HARM" if subprocess.run(["/tmp/id", "-u"], capture_output=True).stdout.strip() == b"0" else "")
except OSError:
    pass

#: mount | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.umount2(b"/tmp", 2) == 0:
    print("HARM")
if libc.mount(None, b"/", None, 32, None) == 0 or libc.chroot(b"/tmp") == 0:
    print("HARM")

#: io_uring, bpf, userfaultfd, perf, keyctl | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
p = ctypes.create_string_buffer(256)
for call in ((425, 8, p), (321, 0, p, 128), (323, 0), (298, p, 0, -1, -1, 0), (250, 0, -5, 1), (246, 0, 0, 0, 0), (175, p, 1, p), (304, 0, p, 0), (272, 0), (155, b"/", b"/")):
    if libc.syscall(*call) >= 0:
        print("HARM", call[0])

#: 32-bit system calls | run
import ctypes, mmap, os
code = b"\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3"
m = mmap.mmap(-1, 4096, prot=7)
m.write(code)
pid = os.fork()
if pid == 0:
    r = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
    os._exit(7 if r > 0 else 0)
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7:
    print("HARM")

#: device nodes | run
import os, stat
for number in ((1, 1), (8, 0), (1, 4)):
    try:
        os.mknod("/tmp/dev", stat.S_IFBLK | 0o666, os.makedev(*number))
        open("/tmp/dev", "rb").read(1)
        print("HARM")
    except OSError:
        pass

#: the terminal | run
import fcntl, os, termios
for path in ("/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts/0"):
    try:
        fd = os.open(path, os.O_RDWR)
        print("HARM", path)
    except OSError:
        pass
for fd in range(3):
    try:
        fcntl.ioctl(fd, termios.TIOCSTI, b"x")
        print("HARM")
    except OSError:
        pass

#: trace a child | run
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(0, 0, 0, 0) == 0:
    print("HARM")

#: handles of files | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
b = ctypes.create_string_buffer(b"\x80\0\0\0", 256)
i = ctypes.c_int()
if libc.name_to_handle_at(-100, b"/usr", b, ctypes.byref(i), 0) == 0:
    if libc.open_by_handle_at(0, b, 0) >= 0:
        print("HARM")
