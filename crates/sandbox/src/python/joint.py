"""Tests and solution in one process: for suites that use the solution's own classes, or patch its inside.

Weaker by nature: a program that shares the tests' process can forge what they say, if it means to. What is cheap
to notice is noticed: lines without the run's secret, a changed `unittest`, changed built-in names, trace functions.
It is chosen for a task openly, and the verdict says so.
"""

import ast
import builtins
import json
import os
import sys

import errors
import program
import suites
import syntax

VERDICT_FD = 3


def teller(secret):
    """What writes a line of the verdict, each with the secret that the supervisor handed in."""

    def say(*lines, _write=os.write, _dumps=json.dumps, **last):
        payload = b"".join(_dumps(dict(line, secret=secret)).encode() + b"\n" for line in (*lines, last))
        while payload:
            payload = payload[_write(VERDICT_FD, payload):]

    return say


def machinery(is_unittest):
    """The objects that tests rely on, by place: equal before and after, or something was tampered with."""
    places = [builtins]
    if is_unittest:
        import unittest.case
        import unittest.loader
        import unittest.result
        import unittest.suite

        # A test that raises it is over, and counts as passed; `except ():` catches nothing.
        unittest.case._ShouldStop = ()
        places += [unittest, unittest.case, unittest.loader, unittest.result, unittest.suite]
        places += [unittest.TestCase, unittest.TestLoader, unittest.TestResult, unittest.TestSuite]
        places += [unittest.case._Outcome, unittest.suite.BaseTestSuite]
    found = [(vars(place), n, v, getattr(v, "__code__", None)) for place in places for n, v in list(vars(place).items())]
    modules = [n for n in sys.modules if n.partition(".")[0] == "unittest"]
    return found + [(sys.modules, n, sys.modules[n], None) for n in modules]


# Modules whose functions are theirs to exchange who use them, such as `sys.excepthook`.
HOOKED_MODULES = ("sys", "warnings", "unittest")


def borrowed(sources):
    """Like `machinery`: what the tests import of the standard library, and the methods of its classes; and whether the tests
    may exchange any of it themselves, as mocks do."""
    names, is_patching, found = set(), False, []
    for source in sources:
        try:
            nodes = syntax.nodes(ast.parse(source))
        except (SyntaxError, ValueError):
            continue
        names |= syntax.Names(nodes).modules
        is_patching |= "patch" in source or "mock" in source or "setattr" in source
        is_patching |= any(type(n) is ast.Attribute and type(n.ctx) is ast.Store for n in nodes)
    for name in sorted((names & sys.stdlib_module_names).difference(HOOKED_MODULES)):
        try:
            module = sys.modules[name] if name in sys.modules else __import__(name)
        except Exception:
            continue
        found.append((sys.modules, name, module, None))
        for place in [module, *(v for v in vars(module).values() if isinstance(v, type) and v.__flags__ & 1 << 9)]:
            names = [(n, v) for n, v in vars(place).items() if callable(v)]
            found += [(vars(place), n, v, getattr(v, "__code__", None)) for n, v in names]
    return found, is_patching


def tampering(before):
    """An objection where the machinery is not what it was, else None."""
    for place, name, value, code in before:
        now = place.get(name)
        if now is not value or getattr(now, "__code__", None) is not code:
            return "the program changed %s" % name
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return "the program traces the tests"
    return None


def judge_asserts(module, scope, say, is_sound, blame, setup, *asserts):
    verdict = suites.Verdict(len(asserts), say)
    try:
        exec(suites.compiled(suites.parsed(setup)), scope)
    except BaseException as error:
        blame(error)
        return verdict.fail_all("setup failed: %s" % suites.explain(error, setup))
    for index, source in enumerate(asserts):
        try:
            exec(suites.compiled(suites.parsed(source)), scope)
        except BaseException as error:
            blame(error)
            verdict.record(index, False, suites.explain(error, source))
        else:
            objection = is_sound()
            verdict.record(index, objection is None, objection)
    return verdict


def judge_cut(scope, say, is_sound, blame, source, cut, act):
    try:
        tree = suites.parsed(source)
        tests = cut(tree)
        code = suites.compiled(tree)
    except Exception as error:
        return suites.one_failure(say, error)
    if not tests:
        return suites.one_failure(say, "none of its statements tests anything")
    verdict = suites.Verdict(len(tests), say)
    scope.update(suites.recorders(verdict, source, tests, is_sound, blame))
    try:
        exec(code, scope)
        act(scope)
    except BaseException as error:
        blame(error)
        verdict.fail_all(suites.explain(error, ""))
    return verdict


def judge_check(module, scope, say, is_sound, blame, source, entry_point):
    def act(scope):
        first, *rest = entry_point.split(".")
        candidate = getattr(module, first[:-2])() if first.endswith("()") else getattr(module, first)
        for name in rest:
            candidate = getattr(candidate, name)
        scope["check"](candidate)

    return judge_cut(scope, say, is_sound, blame, source, suites.cut_check, act)


def judge_script(module, scope, say, is_sound, blame, source):
    return judge_cut(scope, say, is_sound, blame, source, suites.cut_script, lambda scope: None)


def judge_unittest(module, scope, say, is_sound, blame, source):
    try:
        exec(suites.compiled(suites.parsed(source)), scope)
        groups = suites.unittest_cases(scope)
    except BaseException as error:
        blame(error)
        return suites.one_failure(say, suites.explain(error, ""))
    total = sum(map(len, groups))
    if not total:
        return suites.one_failure(say, "no unittest.TestCase has a test")
    return suites.run_unittest(groups, suites.Verdict(total, say), is_sound, blame)


JUDGES = {"asserts": judge_asserts, "check": judge_check, "script": judge_script, "unittest": judge_unittest}


def run_joint():
    """Loads the solution, then judges by tests that run in its namespace."""
    owner = os.getpid()
    os.set_inheritable(VERDICT_FD, False)
    source, secret, kind, *parts = [s.decode("utf-8", "replace") for s in program.segments(program.PAYLOAD_FD)]
    say = teller(secret)
    describe = errors.describer("solution.py")
    blamed = []

    def blame(error):
        if not blamed and not isinstance(error, AssertionError):
            blamed.append(describe(error))

    before = machinery(kind == "unittest")
    # Of `check`, the last part is a name, which does no harm.
    tools, is_patching = borrowed(parts)
    module = code = None
    try:
        module, code = program.load(source, "solution", "solution.py")
    except BaseException as error:
        say(error=suites.report(describe(error)))
        say(load={"compile": True})
        program.leave(0)
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        if os.getpid() != owner:
            os._exit(1)
        say(error=suites.report(describe(error)))
        say(load={"compile": False})
        program.leave(0)
    if os.getpid() != owner:
        os._exit(0)
    # Before the tests begin, a change is never their own.
    objection = tampering(tools)

    def is_sound():
        return objection or tampering(before if is_patching else before + tools)

    verdict = JUDGES[kind](module, module.__dict__, say, is_sound, blame, *parts)
    if os.getpid() != owner:
        os._exit(0)
    verdict.error = blamed[0] if blamed else None
    verdict.finish(is_sound(), end=True)
    program.leave(0)
