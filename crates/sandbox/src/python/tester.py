"""The tester's side: runs the tests against a solution that lives in another process, and writes the verdict.

No line of the solution runs here. Its functions are `Remote` objects, its values are data, its exceptions are
built-in ones raised anew. One JSON object a line goes to the supervisor, as soon as it is known.
"""

import ast
import builtins
import json
import os
import sys

import numpy_stand_in
import peer as channel
import program

VERDICT_FD = 5


def say(**what):
    """One line of the verdict."""
    payload = json.dumps(what).encode() + b"\n"
    while payload:
        payload = payload[os.write(VERDICT_FD, payload):]


class TesterPeer(channel.Peer):
    """The tests' end: shares nothing of its own but functions that tests pass as arguments."""

    def may_share(self, value):
        return type(value) in SHARED

    def may_be_asked(self, target):
        return self.was_shared(target)


SHARED = (type(say), type(len), type(str.upper), type("".upper), type)


class Verdict:
    """Results by index; a test passes if all its executions passed and the solution was alive after them."""

    def __init__(self, total):
        self.results = {}
        self.total = total
        self.error = None
        say(total=total)

    def record(self, index, is_passed, message=None):
        if not is_passed and self.results.get(index, True):
            self.results[index] = False
            say(test=index, passed=False, message=(message or "")[:2000])
        self.results.setdefault(index, is_passed)

    def blame(self, error, peer):
        """Keeps the solution's own exception, if that is what failed a test."""
        while error is not None and self.error is None:
            if error is peer.last_raised:
                self.error = peer.last_error
            error = error.__cause__ or error.__context__

    def finish(self, peer):
        for index in range(self.total):
            passed = self.results.get(index)
            if passed is None:
                say(test=index, passed=False, message="not run")
            elif passed and peer.calls == 0:
                say(test=index, passed=False, message="the tests never used the solution")
            elif passed:
                say(test=index, passed=True)
        if self.error is not None:
            say_error(self.error)
        say(end=True, gone=peer.is_gone)


def say_error(error):
    names, message, _, line, column = error
    kind = names[0] if type(names) is tuple and names and type(names[0]) is str else "Exception"
    say(error={
        "kind": kind[:200],
        "message": message[:2000] if type(message) is str else "",
        "line": line if type(line) is int and 0 < line < 1 << 31 else 0,
        "column": column if type(column) is int and 0 < column < 1 << 31 else 0,
    })


def explain(error, source):
    """Why a test failed, in one short text."""
    text = ""
    try:
        text = str(error)
    except BaseException:
        pass
    if isinstance(error, AssertionError):
        return "assertion failed: %s" % (text or " ".join(source.split()))[:1000]
    return "%s: %s" % (type(error).__name__, text[:1000])


class InPlace(ast.NodeTransformer):
    """A call whose result is thrown away is made for what it does to its arguments: only such calls write back."""

    def visit_Expr(self, node):
        self.generic_visit(node)
        if isinstance(node.value, ast.Call):
            call = node.value
            call.args.insert(0, call.func)
            call.func = ast.copy_location(ast.Name("__hone_in_place__", ast.Load()), call)
        return node


def in_place(function, /, *args, **kwargs):
    if type(function) is channel.Remote:
        return function._peer.ask("call", function, args, kwargs, True)
    return function(*args, **kwargs)


def names_used(trees):
    """Names that the tests read, and those of them that they read an attribute of."""
    names, bases = set(), set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                bases.add(node.value.id)
    return names, bases


def names_bound(trees):
    """Names that the tests give a meaning to themselves, anywhere."""
    own = {"__hone_in_place__", "__hone_pass__", "__hone_fail__"}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                own.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.arg):
                own.add(node.arg)
            elif isinstance(node, ast.alias):
                own.add((node.asname or node.name).partition(".")[0])
    return own


def standard(module, name=None):
    """A module of the standard library, or what it holds under `name`; None if there is no such thing."""
    if type(module) is not str or module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    try:
        found = __import__(module, fromlist=["*"])
        return found if name is None else getattr(found, name, None)
    except Exception:
        return None


def bind(scope, trees, exports, peer):
    """Gives the tests the solution's names; built-in names and standard modules are never the solution's.

    One exception: tests that ask for nothing else mean the solution's own `sum`, not the built-in one.
    """
    names, bases = names_used(trees)
    own = names_bound(trees)
    is_shadowing = not any(name not in own and not hasattr(builtins, name) for name in names)
    for name in sorted(names):
        if hasattr(builtins, name) and not (is_shadowing and exports.get(name) == ("object",)):
            continue
        export = exports.get(name)
        if name in bases and name in sys.stdlib_module_names and (export is None or export[:1] != ("object",)):
            if export is not None:
                scope[name] = standard(name)
            continue
        if type(export) is not tuple or not export:
            continue
        if export[0] == "module" and len(export) == 2:
            value = standard(export[1])
        elif export[0] == "from" and len(export) == 3:
            value = standard(export[1], export[2])
        elif export[0] == "exception" and len(export) == 2:
            value = exception_class(name, export[1])
            peer.exception_classes[name] = value
        else:
            value = peer.ask("name", None, (name,), {})
            peer.calls -= type(value) is channel.Remote
        if value is not None or export[0] == "object":
            scope[name] = value


def share(scope, exports, peer):
    """Classes that the tests define and the solution defines too: instances cross by their attributes."""
    twins = {}
    for name, value in scope.items():
        if isinstance(value, type) and value.__module__ == "tests" and name in exports and value.__flags__ & 1 << 9:
            if not issubclass(value, BaseException) and hasattr(value, "__dict__"):
                twins[name] = value
    if twins:
        peer.ask("share", None, tuple(sorted(twins)), {})
        peer.calls -= 1
        peer.shared_classes.update(twins)


def exception_class(name, bases):
    for base in bases if type(bases) is tuple else ():
        kind = getattr(builtins, base, None) if type(base) is str else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            return type(name, (kind,), {})
    return type(name, (Exception,), {})


def imports(tree, name):
    return any(
        isinstance(n, ast.Import) and any(a.name == name for a in n.names)
        or isinstance(n, ast.ImportFrom) and n.module == name
        for n in ast.walk(tree)
    )


def parsed(source):
    """The tests' syntax tree, ready to compile."""
    tree = ast.fix_missing_locations(InPlace().visit(ast.parse(source, "tests.py")))
    if "numpy" in source and "numpy" not in sys.modules and imports(tree, "numpy"):
        try:
            import numpy  # noqa: F401
        except ImportError:
            sys.modules["numpy"] = numpy_stand_in
    return tree


def new_scope():
    module = type(sys)("tests")
    sys.modules["tests"] = module
    module.__dict__.update(__builtins__=builtins, __hone_in_place__=in_place)
    return module.__dict__


def attempt(verdict, peer, index, code, source, scope):
    """Runs one test. Whatever it raises is its failure; a dead solution fails it even if the test caught that."""
    try:
        exec(code, scope)
    except BaseException as error:
        verdict.blame(error, peer)
        verdict.record(index, False, explain(error, source))
    else:
        verdict.record(index, not peer.is_gone, "the solution's process has ended")


def judge_asserts(peer, exports, setup, asserts):
    verdict = Verdict(len(asserts))
    scope = new_scope()
    codes = []
    trees = []
    for index, source in enumerate(asserts):
        try:
            tree = parsed(source)
            trees.append(tree)
            codes.append(compile(tree, "tests.py", "exec", dont_inherit=True))
        except Exception as error:
            codes.append(None)
            verdict.record(index, False, "the test itself is wrong: %s" % error)
    try:
        setup_tree = parsed(setup)
        bind(scope, trees + [setup_tree], exports, peer)
        exec(compile(setup_tree, "tests.py", "exec", dont_inherit=True), scope)
        share(scope, exports, peer)
    except BaseException as error:
        for index in range(len(asserts)):
            verdict.record(index, False, "setup failed: %s" % explain(error, setup))
        return verdict
    for index, code in enumerate(codes):
        if code is not None:
            attempt(verdict, peer, index, code, asserts[index], scope)
    return verdict


def is_test(node):
    """Whether a statement of `check` tests something: it asserts, or makes a call for its own sake."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    return any(
        isinstance(n, ast.Assert) or isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) for n in ast.walk(node)
    )


def split_check(tree):
    """Rewrites `check` so that each of its testing statements is tried and recorded alone. Their sources, in order.

    A failed statement that only prepares makes the tests after it fail: they would look at stale values.
    """
    check = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    if not check:
        return []
    body, sources = [], []
    for node in check[-1].body:
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.Return, ast.Import, ast.ImportFrom)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            body.append(node)
            continue
        index = len(sources) if is_test(node) else -1
        if index >= 0:
            sources.append(ast.unparse(node).replace("__hone_in_place__(", "("))
        done = ast.parse("__hone_pass__(%d)" % index).body
        failed = ast.parse("__hone_fail__(%d)" % index).body
        handler = ast.ExceptHandler(type=ast.Name("BaseException", ast.Load()), name=None, body=failed)
        body.append(ast.copy_location(ast.Try(body=[node], handlers=[handler], orelse=done, finalbody=[]), node))
    check[-1].body = body or [ast.Pass()]
    ast.fix_missing_locations(tree)
    return sources


def find(peer, exports, entry_point):
    """The solution's function `f`, `Class.f` or `Class().f`."""
    first, *rest = entry_point.split(".")
    name = first[:-2] if first.endswith("()") else first
    if name not in exports:
        raise NameError("the solution does not define %s" % name)
    found = peer.ask("name", None, (name,), {})
    if name != first:
        found = peer.ask("call", found, (), {})
    for attribute in rest:
        found = peer.ask("get", found, (attribute,), {})
    return found


def judge_check(peer, exports, source, entry_point):
    scope = new_scope()
    try:
        tree = parsed(source)
        sources = split_check(tree)
        code = compile(tree, "tests.py", "exec", dont_inherit=True)
    except Exception as error:
        verdict = Verdict(1)
        verdict.record(0, False, "the test itself is wrong: %s" % error)
        return verdict
    if not sources:
        verdict = Verdict(1)
        verdict.record(0, False, "the test itself is wrong: no check function that asserts")
        return verdict
    verdict = Verdict(len(sources))
    broken = []

    def passed(index):
        if index >= 0:
            verdict.record(index, not (peer.is_gone or broken), broken[0] if broken else "the solution's process has ended")

    def failed(index):
        verdict.blame(sys.exc_info()[1], peer)
        message = explain(sys.exc_info()[1], sources[index] if index >= 0 else "")
        if index >= 0:
            verdict.record(index, False, message)
        else:
            broken.append("a statement before this test failed: %s" % message)

    scope.update(__hone_pass__=passed, __hone_fail__=failed)
    try:
        bind(scope, [tree], exports, peer)
        exec(code, scope)
        share(scope, exports, peer)
        candidate = find(peer, exports, entry_point)
        peer.calls = 0
        scope["check"](candidate)
    except BaseException as error:
        for index in range(len(sources)):
            if index not in verdict.results:
                verdict.record(index, False, explain(error, ""))
    return verdict


def main():
    parts = program.segments(program.PAYLOAD_FD)
    parts = [p.decode("utf-8", "surrogatepass") for p in parts]
    peer = TesterPeer(program.RPC_FD, {"call": channel._call}, program.describer("tests.py"))
    try:
        hello = peer.receive()
    except channel.Gone as error:
        say(load={"kind": "", "message": str(error), "line": 0, "column": 0, "compile": False})
        os._exit(0)
    if hello[0] == "broken" and len(hello) == 8:
        say_error(hello[3:])
        say(load={"compile": hello[2] is True})
        os._exit(0)
    exports = hello[2] if hello[0] == "ready" and type(hello[2]) is dict else {}
    if parts[0] == "asserts":
        verdict = judge_asserts(peer, exports, parts[1], parts[2:])
    else:
        verdict = judge_check(peer, exports, parts[1], parts[2])
    verdict.finish(peer)
    os._exit(0)
