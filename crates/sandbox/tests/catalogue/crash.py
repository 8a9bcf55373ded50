# Crashing, and bytes that are not text.

#: segmentation fault | run | runtime-error
import ctypes
ctypes.string_at(0)

#: segmentation fault in a call | judge
import ctypes
def add(a, b):
    ctypes.string_at(0)

#: abort | run | runtime-error
import os
os.abort()

#: killed by itself | run | runtime-error
import os, signal
os.kill(os.getpid(), signal.SIGKILL)

#: syntax error | judge | compile-error
def add(a, b)
    return a + b

#: null bytes | judge | compile-error
def add(a, b): return "\0NULL"

#: invalid output | run | passed
import sys
sys.stdout.buffer.write(b"\xff\xfe\x80 text \xc3\x28")

#: lone surrogate as an answer | judge
def add(a, b):
    return "\ud800"

#: empty program | judge
#
#: only a comment | judge
# nothing here

#: deep syntax | run
eval("(" * 100000 + ")" * 100000)

#: error without a message | run | runtime-error
class E(Exception):
    def __str__(self):
        raise E
raise E

#: error with a huge message | run | output-limit
raise ValueError("x" * 10_000_000)

#: error class with a lying name | judge
class E(Exception):
    __name__ = "x"
    def __getattribute__(self, name):
        raise E
E.__name__ = "\ud800" * 5
def add(a, b):
    raise E

#: closes everything | judge
import os
os.closerange(0, 64)
def add(a, b):
    return 0

#: broken standard streams | run
import sys
sys.stdout = sys.stderr = sys.stdin = None
sys.modules.clear()

#: exception group and notes | run | runtime-error
raise ExceptionGroup("many", [ValueError(1), TypeError(2)]) if hasattr(__builtins__, "ExceptionGroup") else ValueError
