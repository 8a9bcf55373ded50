"""Exceptions on their way between the two processes: described as data where they are raised, made anew where they are
awaited.

A description is not believed: it chooses among classes of this interpreter, says what a new class below them is called, and
what its text is.
"""

import builtins
import sys

MOST_TEXT = 2000
MOST_NAMES = 64
MOST_PARTS = 16
SIMPLE = (int, float, str, bool, bytes, type(None))
# What would end the tests without a word of theirs; `SystemExit`, which they catch, is no such thing.
ENDING = (KeyboardInterrupt, GeneratorExit, StopAsyncIteration)
# Its exceptions tell `unittest` that a test is over: `_ShouldStop` even that nothing is wrong.
FOREIGN = "unittest"


def describer(filename):
    """Turns an exception into data: names of its classes, message, what it holds (arguments, attributes), line, column."""

    def describe(error):
        names = tuple([full_name(c) for c in type(error).__mro__ if c not in (object, BaseException)])
        try:
            message = str(error)[:MOST_TEXT]
        except BaseException:
            message = ""
        args = arguments(error)
        if not all(map(is_plain, args)):
            args = (message,)
        try:
            line, column = place(error, filename)
        except BaseException:
            line, column = 0, 0
        return names, message, (tuple(map(cut, args)), attributes(error)), line, column

    return describe


def full_name(kind):
    """`KeyError`; `json.decoder:JSONDecodeError` for a class of another standard module."""
    module = kind.__module__
    is_standard = type(module) is str and module != "builtins" and module.partition(".")[0] in sys.stdlib_module_names
    return "%s:%s" % (module, kind.__name__) if is_standard else kind.__name__


def simple_name(name):
    return name.rpartition(":")[2]


def arguments(error):
    """What makes the exception anew: an `OSError` keeps the name of its file elsewhere."""
    args = error.args if type(error.args) is tuple else ()
    if isinstance(error, OSError) and len(args) == 2 and error.filename is not None:
        return (*args, error.filename)
    return args[:MOST_PARTS]


def attributes(error):
    """What its own code put into it, as far as it is plain."""
    held = error.__dict__ if type(error.__dict__) is dict else {}
    names = [n for n, v in held.items() if type(n) is str and len(n) < 100 and n[:1] != "_" and is_plain(v)]
    return {name: cut(held[name]) for name in names[:MOST_PARTS]}


def is_plain(value):
    """Whether it is a small piece of data, or a list of such."""
    if type(value) in (list, tuple):
        return len(value) <= MOST_PARTS and all(type(v) in SIMPLE and is_plain(v) for v in value)
    return type(value) in SIMPLE and (type(value) is not int or value.bit_length() < 4096)


def cut(value):
    if type(value) in (list, tuple):
        return type(value)(map(cut, value))
    return value[:MOST_TEXT] if type(value) in (str, bytes) else value


def place(error, filename):
    """1-based line and column in the program where `error` left it, or (0, 0)."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno or 0, error.offset or 0
    line = column = 0
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filename:
            line, column = trace.tb_lineno or 0, 0
            if hasattr(code, "co_positions") and trace.tb_lasti >= 0:
                positions = list(code.co_positions())
                where = positions[trace.tb_lasti // 2] if trace.tb_lasti // 2 < len(positions) else None
                if where is not None and where[0] == line and where[2] is not None:
                    column = where[2] + 1
        trace = trace.tb_next
    return line, column


def again(own, names, message, held, is_iterating):
    """The exception of a description, below all that it derived from and that is known here; `own` are classes by name that
    were made for the other end's.
    """
    message = message if type(message) is str else ""
    try:
        names = [n for n in names[:MOST_NAMES] if type(n) is str]
        args, attributes = held
        error = made(known(own, names, is_iterating), simple_name(names[0])[:100], message, args)
        for name, value in attributes.items():
            if not hasattr(type(error), name):
                error.__dict__[name] = value
        return error
    except Exception:
        return RuntimeError(message[:MOST_TEXT])


def known(own, names, is_iterating):
    """The classes of these names, but those above others of them."""
    kinds = []
    for name in names:
        kind = own.get(name) or named(name)
        if kind is not None:
            kind = kind if is_iterating and issubclass(kind, StopIteration) else harmless(kind)
            if not any(issubclass(k, kind) for k in kinds):
                kinds.append(kind)
    return kinds


def named(name):
    """The exception class of that full name in this interpreter, which imports nothing for it; None if there is no such."""
    module, _, name = name.rpartition(":")
    if module.partition(".")[0] == FOREIGN:
        return None
    found = getattr(sys.modules.get(module) if module else builtins, name, None)
    is_exception = isinstance(found, type) and issubclass(found, Exception if module else BaseException)
    return found if is_exception and found.__name__ == name else None


def harmless(kind):
    """What stands for `kind` where tests wait for the result of a call: nothing ends them, or an iteration of theirs."""
    return RuntimeError if issubclass(kind, (StopIteration, *ENDING)) else kind


def made(kinds, name, message, args):
    """An instance of the class itself where it is one of this interpreter's and has that text, else of a new one."""
    if len(kinds) == 1 and kinds[0].__name__ == name:
        try:
            error = kinds[0](*args)
            if str(error)[:MOST_TEXT] == message:
                return error
        except Exception:
            # It takes other arguments than it keeps.
            pass
    body = {"__str__": lambda self: message, "__module__": kinds[0].__module__}
    kind = type(name, tuple(kinds), body)
    try:
        return kind(*args)
    except Exception:
        error = kind.__new__(kind, *args)
        error.args = args
        return error
