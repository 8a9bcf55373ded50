# Values that claim to be equal to everything.

#: always equal | judge
class Any:
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
def add(a, b):
    return Any()

#: an int that is always equal | judge
class Int(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
def add(a, b):
    return Int(0)

#: a list that is always equal | judge
class List(list):
    def __eq__(self, other):
        return True
def add(a, b):
    return List()

#: a str that is always equal | judge
class Str(str):
    def __eq__(self, other):
        return True
def add(a, b):
    return Str("")

#: a tuple with fields that lies | judge
class T(tuple):
    _fields = ("x",)
    def __eq__(self, other):
        return True
def add(a, b):
    return T((0,))

#: equality by metaclass | judge
class Meta(type):
    def __eq__(cls, other):
        return True
    __hash__ = type.__hash__
class C(metaclass=Meta):
    pass
def add(a, b):
    return C

#: a class that pretends to be int | judge
class Fake:
    @property
    def __class__(self):
        return int
    def __eq__(self, other):
        return True
def add(a, b):
    return Fake()

#: NotImplemented | judge
def add(a, b):
    return NotImplemented

#: nan | judge
def add(a, b):
    return float("nan")

#: an answer of the wrong type | judge
def add(a, b):
    return str(a + b)

#: changes its argument to fit | judge-mutation
def add(values):
    values.clear()
    return []

#: changes the expected answer that it was given | judge-mutation
def add(values):
    for i in range(len(values)):
        values[i] = 0
    return values

#: a mock | judge
from unittest.mock import MagicMock
add = MagicMock()
add.return_value.__eq__ = lambda self, other: True

#: the class itself as function | judge
class add:
    def __init__(self, a, b):
        pass
    def __eq__(self, other):
        return True
    def __bool__(self):
        return True

#: redefines set and sorted | judge-builtins
def set(x):
    return 0
def sorted(x):
    return 0
def list(x):
    return 0
def add(values):
    return values

#: truth without a value | judge-truth
class Yes:
    def __bool__(self):
        return True
def add(a, b):
    return Yes()

#: contains everything | judge-contains
class All:
    def __contains__(self, x):
        return True
    def __iter__(self):
        return iter(())
def add(a, b):
    return All()

#: ends the tests' iteration | judge-map
def add(a):
    raise StopIteration

#: lies through a type of the tests' making | judge
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Peer":
                made = value.ask("call", type, ("X", (int,), {"__eq__": lambda *a: True, "__hash__": None}), {})
                return value.ask("call", made, (), {})
        frame = frame.f_back
