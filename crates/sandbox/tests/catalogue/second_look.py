# Hostile programs by somebody who had not read the others first.

#: an int whose class says int | judge
class Liar(int):
    __class__ = property(lambda self: int)
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def add(a, b): return Liar(0)

#: a metaclass that equals | judge
class Meta(type):
    def __eq__(cls, other): return True
    __hash__ = type.__hash__
class Same(metaclass=Meta): pass
def add(a, b): return Same

#: nan | judge
def add(a, b): return float('nan')

#: a list of itself | judge
def add(a, b):
    x = []
    x.append(x)
    return x

#: nested beyond any stack | judge
def add(a, b):
    x = []
    for _ in range(200000):
        x = [x]
    return x

#: an integer of a million digits | judge
def add(a, b): return 10 ** 1000000

#: text that is no text | judge
def add(a, b): return '\ud800\udfff' * 3

#: a dictionary that hides | judge
class Hidden(dict):
    def __eq__(self, other): return True
    def items(self): return [(1, 1)]
def add(a, b): return Hidden({1: 2})

#: a generator that never ends | judge
def add(a, b):
    while True:
        yield 3

#: a coroutine | judge
async def add(a, b): return a + b

#: the class of the answer | judge
def add(a, b): return type(a + b)

#: an exception that is the answer | judge
class Three(Exception):
    def __eq__(self, other): return True
def add(a, b): raise Three(a + b)

#: an exception with arguments that answer | judge
def add(a, b): raise StopIteration(a + b)

#: an exception that cannot be shown | judge
class Bad(Exception):
    def __str__(self): raise Bad()
    __repr__ = __str__
    @property
    def args(self): raise Bad()
def add(a, b): raise Bad()

#: an assertion in the solution's name | judge
AssertionError = ValueError
def add(a, b): raise AssertionError

#: answers on the channel itself | judge
import os
def add(a, b):
    for fd in range(3, 40):
        try:
            os.write(fd, b'\x0a\0\0\0\x02\x03\0\0\0i\x03\0\0\0\0\0\0\0')
        except OSError:
            pass
    return 0

#: closes the channel and lives on | judge
import os, time
def add(a, b):
    os.closerange(3, 64)
    time.sleep(1)
    return 3

#: a frame that promises much | judge
import os
def add(a, b):
    os.write(3, b'\xff\xff\xff\x7f' + b'x' * 100)
    return 3

#: the peer patched from within | judge
import gc
for found in gc.get_objects():
    if type(found).__name__ == 'Peer' and hasattr(found, 'send'):
        real = found.send
        try:
            type(found).send_answer = lambda self, sequence, result: self.send(('answer', sequence, 3, None))
        except Exception:
            pass
def add(a, b): return 0

#: the caller's frames | judge
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            if isinstance(value, dict) and 'expected' in value:
                return value['expected']
        frame = frame.f_back
    return 0

#: every module replaced | judge
import sys
class Anything:
    def __getattr__(self, name): return lambda *a, **k: True
    def __eq__(self, other): return True
for name in list(sys.modules):
    if name not in ('sys', 'builtins'):
        sys.modules[name] = Anything()
def add(a, b): return 0

#: an import hook that answers | judge
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(0)
sys.meta_path[:] = [Finder()]
def add(a, b):
    import nothing_of_that_name
    return 0

#: builtins that lie | judge
import builtins
builtins.isinstance = lambda *a: True
builtins.len = lambda *a: 0
builtins.all = builtins.any = lambda *a: True
builtins.type = lambda *a: int
def add(a, b): return 0

#: a thread answers after the answer | judge
import os, threading, time
def late():
    time.sleep(0.05)
    for fd in range(3, 20):
        try:
            os.write(fd, b'{"test": 0, "passed": true}\n{"end": true}\n')
        except OSError:
            pass
def add(a, b):
    threading.Thread(target=late, daemon=True).start()
    return 0

#: a child answers in its place | judge
import os
def add(a, b):
    if os.fork() == 0:
        return 3
    return 0

#: exits in a finaliser | judge
import os
class Last:
    def __del__(self): os._exit(0)
def add(a, b):
    Last()
    return 0

#: a deep copy of the question | judge-mutation
def add(values):
    class Twin(list):
        def __eq__(self, other): return True
    return Twin(values)

#: a call that changes the expected | judge-mutation
def add(values):
    values.clear()
    return []

#: contains everything | judge-contains
class All:
    def __contains__(self, other): return True
    def __iter__(self): return iter([0])
def add(a, b): return All()

#: true by length | judge-truth
class Long:
    def __len__(self): return 3
def add(a, b): return Long()

#: a map of lies | judge-map
class Yes:
    def __bool__(self): return True
def add(a): return Yes()

#: a method that is its own class | judge-method
class Solution:
    def __getattr__(self, name): return lambda *a: True

#: an entry point by getattr | judge-calls
def __getattr__(name): return lambda *a: 3

#: True for one | judge-apps
def add(a, b): return [True, [True]] if a == 1 else True

#: a tuple of the answers | judge-lcb
def add(a, b): return ((3, 5, [1, 2]),)

#: unittest that finds nothing | judge-joint-unittest
import unittest
unittest.TestCase.run = lambda self, result=None: result.startTest(self) or result.addSuccess(self) or result.stopTest(self)
def add(a, b): return 0

#: unittest whose loader is empty | judge-joint-unittest
import unittest
unittest.TestLoader.loadTestsFromTestCase = lambda self, case: unittest.TestSuite()
def add(a, b): return 0

#: unittest whose methods are gone | judge-unittest
import unittest
for name in dir(unittest.TestCase):
    if name.startswith('assert'):
        setattr(unittest.TestCase, name, lambda self, *a, **k: self)
def add(a, b): return 0

#: joint check that was replaced | judge-joint-check
import builtins, sys
def check(candidate): pass
builtins.__build_class__ = lambda *a, **k: None
def add(a, b): return 0

#: one line and the rest blank | judge-stdio
a, b = map(int, input().split())
print(a + b)
print()

#: a right line among wrong ones | judge-stdio
a, b = map(int, input().split())
for guess in range(-20, 20):
    print(guess)

#: carriage returns hide a line | judge-stdio-exact
a, b = map(int, input().split())
print(0, end='\r')
print(a + b)
print(a - b)

#: almost a number | judge-stdio-words
a, b = map(int, input().split())
print(a + b + 0.01, a - b)

#: infinities | judge-stdio-words
print('inf inf')

#: leaves something for the next | run-twice
import os, sys, glob
seen = glob.glob('/tmp/*') + glob.glob('/dev/shm/*') + glob.glob('/var/tmp/*')
if seen or 'left' in os.environ or getattr(sys, 'left', None): print('HARM', seen)
for path in ('/tmp/left', '/dev/shm/left', '/var/tmp/left', './left'):
    try:
        open(path, 'w').write('x')
    except OSError:
        pass
os.environ['left'] = sys.left = '1'

#: moves and restrains others | run
import os
for pid in (1, 2, os.getppid()):
    if pid == os.getpid():
        continue
    for act in (lambda: os.sched_setaffinity(pid, {0}), lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))):
        try:
            act()
            print('HARM', pid)
        except OSError:
            pass

#: a real-time priority | run
import os
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(50))
        print('HARM')
    except OSError:
        pass

#: reads what the machine says of others | run
import glob
for path in ('/proc/stat', '/proc/kcore', '/proc/kallsyms', '/proc/1/mem', '/proc/1/maps', '/sys/kernel', '/proc/self/root/etc/shadow'):
    try:
        if open(path, 'rb').read(64): print('HARM', path)
    except OSError:
        pass
