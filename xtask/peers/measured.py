"""Runs a command and prints what it and everything it started used, as one JSON object: wall and CPU seconds, exit status.

    python measured.py COMMAND ARGUMENT...

The command's own stdout goes to stderr. Processes whose parent ends before them are adopted and waited for, so that their
CPU time counts too; what is killed counts up to then.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36

if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
    sys.exit("failed to become the reaper of orphaned processes")
start = time.perf_counter()
command = subprocess.Popen(sys.argv[1:], stdout=sys.stderr, stdin=subprocess.DEVNULL)
status = command.wait()
seconds = time.perf_counter() - start
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "status": status}))
