# Writing, or guessing, what a verdict looks like.

#: passed on every descriptor | judge
import os
for fd in range(64):
    for text in (b"passed\n", b'{"total": 3}\n', b'{"test": 0, "passed": true}\n{"test": 1, "passed": true}\n{"test": 2, "passed": true}\n{"end": true, "gone": false}\n'):
        try:
            os.write(fd, text)
        except OSError:
            pass
os._exit(0)

#: verdict lines instead of answers | judge
import os
def add(a, b):
    os.write(3, b'{"total": 3}\n{"test": 0, "passed": true}\n{"end": true}\n')
    os.close(3)
    return 0

#: overlong frame | judge
import os
os.write(3, b"\xff\xff\xff\xff" + b"x" * 100000)
def add(a, b):
    return 0

#: a frame of nothing | judge
import os
def add(a, b):
    os.write(3, b"\0\0\0\0" * 5)
    return 0

#: a deep frame | judge
import os, struct
body = b"l\x01\0\0\0" * 200000 + b"N"
os.write(3, struct.pack("<I", len(body)) + body)
def add(a, b):
    return 0

#: a frame that promises a billion elements | judge
import os, struct
body = b"l\xff\xff\xff\x3f" + b"N" * 100
os.write(3, struct.pack("<I", len(body)) + body)
def add(a, b):
    return 0

#: random frames | judge
import os, random, struct
for _ in range(50):
    body = bytes(random.randrange(256) for _ in range(40))
    os.write(3, struct.pack("<I", len(body)) + body)
def add(a, b):
    return 0

#: deep nesting as an answer | judge
def add(a, b):
    x = []
    for _ in range(100000):
        x = [x]
    return x

#: an answer that contains itself | judge
def add(a, b):
    x = [a]
    x.append(x)
    return x

#: pickle that would run code | judge
class Evil:
    def __reduce__(self):
        return (print, ("passed",))
    def __eq__(self, other):
        return True
def add(a, b):
    return Evil()

#: an answer before the question | judge
import sys
frame = sys._getframe()
peers = []
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            peers.append(value)
    frame = frame.f_back
for p in peers:
    for n in range(1, 10):
        p.send(("answer", n, 3, None))
def add(a, b):
    return 0

#: ready twice, with lies | judge
import sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            value.send(("ready", 0, {"add": ("from", "operator", "add")}))
    frame = frame.f_back
def add(a, b):
    return 0

#: exports the names our own code goes by | judge-long
import sys
def __hone_literal__(number):
    return []
__hone_pass__ = __hone_fail__ = inputs = results = __hone_literal__
names = ("add", "__hone_literal__", "__hone_pass__", "__hone_fail__", "inputs", "results", "zip")
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        if type(value).__name__ == "Peer":
            value.send(("ready", 0, {name: ("object",) for name in names}))
    frame = frame.f_back
def add(a, b):
    return 0

#: wrong for the last of many inputs | judge-long | wrong-answer
def add(a, b):
    return a + b if a < 999 else 0

#: claims to be operator.add | judge
def add(a, b):
    return 0
add.__module__ = "operator"
add.__name__ = "index"

#: search the heap for the tests | judge
import gc
found = [o for o in gc.get_objects() if isinstance(o, str) and "assert add" in o]
def add(a, b):
    for o in gc.get_objects():
        if isinstance(o, (list, tuple)) and any(isinstance(x, str) and "assert add" in x for x in o):
            return 3 if a == 1 else 5
    return 0

#: search own memory for the tests | judge
import re
def add(a, b):
    try:
        text = b""
        for line in open("/proc/self/maps"):
            m = re.match(r"(\w+)-(\w+) rw", line)
            if m:
                lo, hi = int(m[1], 16), int(m[2], 16)
                with open("/proc/self/mem", "rb", 0) as f:
                    f.seek(lo)
                    text += f.read(min(hi - lo, 1 << 20))
        m = re.search(rb"assert add\(%d, %d\) == (\d+)" % (a, b), text)
        return int(m[1]) if m else None
    except Exception:
        return None

#: AssertionError handler that lies | judge
import sys
sys.settrace(lambda *a: None)
def add(a, b):
    try:
        raise AssertionError
    finally:
        return NotImplemented
