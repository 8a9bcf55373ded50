# Ending the process early, so that a runner which trusts the exit status believes in success.

#: exit at import | judge
import os
os._exit(0)

#: sys.exit at import | judge
import sys
sys.exit(0)

#: exit in the call | judge
import os
def add(a, b):
    os._exit(0)

#: SystemExit in the call | judge
def add(a, b):
    raise SystemExit(0)

#: KeyboardInterrupt in the call | judge
def add(a, b):
    raise KeyboardInterrupt

#: GeneratorExit in the call | judge
def add(a, b):
    raise GeneratorExit

#: exit from atexit | judge
import atexit, os
atexit.register(os._exit, 0)
raise SystemExit

#: exit from excepthook | judge
import sys, os
sys.excepthook = lambda *a: os._exit(0)
raise ValueError("x")

#: exit from a thread | judge
import os, threading, time
threading.Thread(target=lambda: (time.sleep(0.005), os._exit(0))).start()
def add(a, b):
    time.sleep(1)

#: exec of true | judge
import os
os.execv("/bin/true", ["true"])

#: exec of true in the call | judge
import os
def add(a, b):
    os.execv("/usr/bin/true", ["true"])

#: fork and exit, the parent leaves | judge
import os
if os.fork():
    os._exit(0)
def add(a, b):
    return a - b

#: fork, both go on | judge
import os
os.fork()
def add(a, b):
    return a - b

#: exit in a destructor | judge
import os
class D:
    def __del__(self):
        os._exit(0)
def add(a, b):
    D()
    return 0

#: exit by a signal handler | judge
import os, signal
signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.001)
def add(a, b):
    while True:
        pass

#: quiet success code through SIGTERM | judge
import os, signal
def add(a, b):
    os.kill(os.getpid(), signal.SIGKILL)
