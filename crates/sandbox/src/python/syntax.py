"""What the syntax tree of tests tells: which names they use, whether they can fail, whether they leave traces.

One list of nodes answers all of it; `ast.walk` and `NodeTransformer` would take as long as the tests themselves.
"""

import ast
import functools

# What tests may import, or find in the solution's imports, and still leave the interpreter as they found it
# (`tester.py` puts back what `random` draws from).
TRACELESS_MODULES = frozenset((
    "__future__", "abc", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "enum", "fractions",
    "functools", "heapq", "itertools", "math", "numbers", "operator", "random", "re", "string", "typing",
))
# Of numpy, what only looks at its arguments.
NUMPY_LOOKS = frozenset((
    "allclose", "array_equal", "e", "float32", "float64", "inf", "isclose", "isinf", "isnan", "nan", "ndarray", "pi",
))
# Built-in names through which anything can be reached.
TRACING_NAMES = frozenset((
    "__builtins__", "__import__", "__loader__", "__spec__", "breakpoint", "compile", "delattr", "eval", "exec", "exit",
    "getattr", "globals", "help", "input", "locals", "memoryview", "open", "quit", "setattr", "vars",
))
HARMLESS_ATTRIBUTES = frozenset(("__class__", "__doc__", "__eq__", "__init__", "__len__", "__name__", "__repr__", "__str__"))
# The place of nodes that are in no source.
NOWHERE = {"lineno": 1, "col_offset": 0}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def nodes(tree):
    """The tree and all below it."""
    found = [tree]
    for node in found:
        for value in node.__dict__.values():
            if type(value) is list:
                found += [v for v in value if isinstance(v, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


class Names:
    """Names that tests read (`used`), read attributes of (`bases`, and with these as pairs `reads`), give a meaning to (`own`), some of those by an import
    (`imported`), and the modules they import."""

    def __init__(self, found):
        self.used, self.bases, self.own, self.imported, self.modules = set(), set(), set(), set(), set()
        self.reads = set()
        for node in found:
            kind = type(node)
            if kind is ast.Name:
                (self.used if type(node.ctx) is ast.Load else self.own).add(node.id)
            elif kind is ast.Attribute:
                if type(node.value) is ast.Name:
                    self.bases.add(node.value.id)
                    self.reads.add((node.value.id, node.attr))
            elif kind in DEFINITIONS:
                self.own.add(node.name)
            elif kind is ast.arg:
                self.own.add(node.arg)
            elif kind is ast.alias:
                self.imported.add((node.asname or node.name).partition(".")[0])
            elif kind is ast.Import:
                self.modules.update(a.name.partition(".")[0] for a in node.names)
            elif kind is ast.ImportFrom:
                self.modules.add((node.module or "").partition(".")[0])
        self.own |= self.imported


def all_names(parts):
    """The names of several pieces of tests together."""
    names = Names(())
    for part in parts:
        for key, value in vars(part).items():
            getattr(names, key).update(value)
    return names


def is_traceless(found, names):
    """Whether running these nodes can change nothing that the next suite in the same interpreter would see.

    Tests are not hostile; this keeps one task's from meddling with another's by accident.
    """
    if not names.used.isdisjoint(TRACING_NAMES):
        return False
    others = names.modules - TRACELESS_MODULES
    if others and not (others == {"numpy"} and only_looks_by_numpy(found)):
        return False
    for node in found:
        kind = type(node)
        if kind is ast.Attribute:
            if node.attr.startswith("_") and node.attr not in HARMLESS_ATTRIBUTES:
                return False
            # Any other name may stand for a class or a module: `m = math; m.pi = 3`.
            if type(node.ctx) is not ast.Load and not (type(node.value) is ast.Name and node.value.id == "self"):
                return False
        elif kind in DEFINITIONS and node.name == "__del__":
            return False
    return True


def only_looks_by_numpy(found):
    """Whether numpy is imported as a whole, and used as `numpy.allclose` and the like only."""
    aliases, looks, uses = set(), 0, 0
    for node in found:
        if type(node) is ast.ImportFrom and (node.module or "").partition(".")[0] == "numpy":
            return False
        if type(node) is ast.Import:
            for alias in node.names:
                if alias.name == "numpy":
                    aliases.add(alias.asname or alias.name)
                elif alias.name.startswith("numpy."):
                    return False
    for node in found:
        if type(node) is ast.Attribute and type(node.value) is ast.Name and node.value.id in aliases:
            looks += type(node.ctx) is ast.Load and node.attr in NUMPY_LOOKS
        elif type(node) is ast.Name and node.id in aliases:
            uses += 1
    return looks == uses


def mark_in_place(found):
    """A call whose result is thrown away is made for what it does to its arguments: only such calls write back."""
    for node in found:
        if type(node) is ast.Expr and type(node.value) is ast.Call:
            call = node.value
            call.args.insert(0, call.func)
            call.func = ast.Name("__hone_in_place__", ast.Load(), **where(call))


def where(node):
    """The place of `node`, for nodes that are put in for it."""
    return {"lineno": node.lineno, "col_offset": node.col_offset}


@functools.lru_cache(2048)
def call_statement(function, argument):
    """`function(argument)`, the same node for every suite: making them anew took a fourteenth of what preparing a suite takes."""
    name = ast.Name(function, ast.Load(), **NOWHERE)
    return ast.Expr(ast.Call(name, [ast.Constant(argument, **NOWHERE)], [], **NOWHERE), **NOWHERE)


@functools.lru_cache(2048)
def catching(failed, index):
    """`except BaseException: failed(index)`, the same node for every suite."""
    caught = ast.Name("BaseException", ast.Load(), **NOWHERE)
    return ast.ExceptHandler(caught, None, [call_statement(failed, index)], **NOWHERE)


def guarded(node, done, failed, index):
    """`try: node` with `failed(index)` for whatever it raises and `done(index)` where it raises nothing."""
    return ast.Try([node], [catching(failed, index)], [call_statement(done, index)], [], **where(node))


def text(source, node):
    """The lines of `source` that `node` is on."""
    return "\n".join(source.split("\n")[node.lineno - 1:node.end_lineno])
