# Harming what is not its own.

#: kill everything | run
import os, signal
for pid in (-1, 0, os.getppid(), 1, VICTIM):
    try:
        if pid != 0:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass

#: kill the parent from a call | judge
import os, signal
def add(a, b):
    for pid in (os.getppid(), 1, -1):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return 0

#: stop the parent | run
import os, signal
for name in ("SIGSTOP", "SIGTERM", "SIGINT", "SIGHUP", "SIGSEGV", "SIGALRM", "SIGCHLD"):
    try:
        os.kill(1, getattr(signal, name))
    except OSError:
        pass

#: kill by descriptor | run
import os, signal
try:
    signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)
except OSError:
    pass

#: attach to the parent | run
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):
    if libc.ptrace(request, 1, 0, 0) == 0:
        print("HARM")

#: delete everything | run
import os, shutil
for root in ("/", "/usr", "/etc", "/proc", "CANARY", "/home", "/root"):
    shutil.rmtree(root, ignore_errors=True)
if not os.path.exists("/usr/bin"):
    print("HARM")

#: overwrite programs | run
import os, sys
for path in (sys.executable, os.__file__, "/bin/sh", "/etc/passwd", "/usr/lib/os-release", "CANARY"):
    for mode in ("r+b", "wb", "ab"):
        try:
            with open(path, mode) as f:
                f.write(b"x")
            print("HARM", path)
        except OSError:
            pass

#: rename and link | run
import os
for act in (lambda: os.rename("/usr", "/tmp/usr"), lambda: os.link("/etc/passwd", "/tmp/p"), lambda: os.mkdir("/x"), lambda: os.chmod("/usr/bin", 0o777), lambda: os.symlink("/etc", "/usr/x")):
    try:
        act()
        print("HARM")
    except OSError:
        pass

#: write kernel settings | run
import os
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/uid_map", "/sys/kernel/uevent_helper", "/proc/1/oom_score_adj"):
    try:
        with open(path, "w") as f:
            f.write("|/tmp/x")
        print("HARM", path)
    except OSError:
        pass

#: raise its priority | run
import os
try:
    os.nice(-20)
    print("HARM")
except OSError:
    pass

#: set the clock, the name, the limits of others | run
import ctypes, resource, socket, time
try:
    time.clock_settime(time.CLOCK_REALTIME, 0)
    print("HARM")
except OSError:
    pass
try:
    socket.sethostname("x")
    print("HARM")
except OSError:
    pass
try:
    resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1))
    print("HARM")
except OSError:
    pass

#: run itself again | run
import os, sys
try:
    os.execv("/proc/1/exe", ["python3", "-c", "print('again')"])
except OSError:
    pass

#: slow the parent down | run
import os
for act in (lambda: os.sched_setaffinity(1, {0}), lambda: os.setpriority(os.PRIO_PROCESS, 1, 19), lambda: os.setpriority(os.PRIO_USER, 0, 19), lambda: os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))):
    try:
        act()
        print("HARM")
    except OSError:
        pass
