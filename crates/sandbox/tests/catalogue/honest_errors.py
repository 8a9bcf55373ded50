# Honest programs whose exceptions and objects are tested, and numbers by numpy.

#: exceptions with what they say, of its own and of the library | judge-errors | passed
import json, statistics
class AppError(Exception):
    def __init__(self, message, code, parts=()):
        super().__init__(message)
        self.code, self.parts = code, parts
    def __str__(self):
        return "[%d] %s" % (self.code, self.args[0])
class Missing(AppError, KeyError):
    pass
def add(a, b):
    if a == "own":
        raise AppError("failed", 7, ["x", 1])
    if a == "both":
        raise Missing("no", 404)
    if a == "json":
        return json.loads("{")
    if a == "mean":
        return statistics.mean([])
    if a == "file":
        return open("/tmp/no such file")
    if a == "exit":
        raise SystemExit(3)
    if a == "unnamed":
        raise type("Hidden", (ValueError,), {})("of 3", [1, 2])
    if a == "text":
        return b"\xff".decode()
    return a + b

#: an exception of its own that ends loops, where nothing loops | judge-stop | passed
class Empty(StopIteration):
    pass
def add(a, b):
    if a is None:
        raise Empty("none left")
    return a + b

#: one object for all who ask | judge-same | passed
class Thing:
    pass
things = {}
def make(name):
    return things.setdefault(name, Thing())

#: asks that its files last | run | passed
import os, tempfile
with tempfile.TemporaryFile() as file:
    file.write(b"text")
    file.flush()
    os.fsync(file.fileno())
    os.fdatasync(file.fileno())
os.sync()
print("ok")

#: nearly the number, compared by numpy | judge-allclose | passed
def add(a, b):
    return (a + b) / 2 + 1e-9
