"""What the tests of a task are, wherever they run: scripts and functions cut into single tests, unittest cases, results.

Never here: where the solution is. `tester.py` has it in another process, `joint.py` in the tests' own.
"""

import ast
import builtins
import sys

import errors
import numpy_stand_in
import syntax


class Verdict:
    """Results by index; a test passes if all its executions passed. `say` writes lines to the supervisor."""

    def __init__(self, total, say):
        self.results = {}
        self.total = total
        self.say = say
        self.error = None
        say(total=total)

    def record(self, index, is_passed, message=None):
        if not is_passed and self.results.get(index, True):
            self.results[index] = False
            self.say(test=index, passed=False, message=plain(message or ""))
        self.results.setdefault(index, is_passed)

    def fail_all(self, message):
        """What went wrong before, or between, the tests fails every one that has no result."""
        for index in range(self.total):
            if index not in self.results:
                self.record(index, False, message)
        return self

    def finish(self, objection=None, **last):
        """Says what passed, unless there is an `objection` to all of it, and the `last` line."""
        lines = []
        for index in range(self.total):
            passed = self.results.get(index)
            if passed is None:
                lines.append({"test": index, "passed": False, "message": "not run"})
            elif passed and objection is not None:
                lines.append({"test": index, "passed": False, "message": objection})
            elif passed:
                lines.append({"test": index, "passed": True})
        if self.error is not None:
            lines.append({"error": report(self.error)})
        self.say(*lines, **last)


def plain(text):
    """Text for a line of the verdict, bounded; lone halves of surrogate pairs are in no JSON that others read."""
    return text[:2000].encode("utf-8", "replace").decode()


def report(error):
    """The solution's own error, described by its process: names, message, arguments, line, column."""
    names, message, _, line, column = error
    kind = names[0] if type(names) is tuple and names and type(names[0]) is str else "Exception"
    return {
        "kind": plain(errors.simple_name(kind))[:200],
        "message": plain(message) if type(message) is str else "",
        "line": line if type(line) is int and 0 < line < 1 << 31 else 0,
        "column": column if type(column) is int and 0 < column < 1 << 31 else 0,
    }


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


# Modules that `load_numpy` brought into the interpreter.
brought = 0


def load_numpy(names):
    """Loads numpy, or what stands in for it, before the first tests that import it run."""
    global brought
    if "numpy" in names.modules and "numpy" not in sys.modules:
        before = len(sys.modules)
        try:
            import numpy  # noqa: F401
        except ImportError:
            sys.modules["numpy"] = numpy_stand_in
        brought += len(sys.modules) - before


def parsed(source):
    """The tests' syntax tree."""
    tree = ast.parse(source, "tests.py")
    if "numpy" in source:
        load_numpy(syntax.Names(syntax.nodes(tree)))
    return tree


def compiled(tree):
    return compile(tree, "tests.py", "exec", dont_inherit=True)


def is_test(node):
    """Whether a statement tests something: it asserts, or makes a call for its own sake that is not a built-in's."""
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return False
    return any(
        type(n) is ast.Assert
        or type(n) is ast.Expr
        and type(n.value) is ast.Call
        and not (type(n.value.func) is ast.Name and hasattr(builtins, n.value.func.id))
        for n in syntax.nodes(node)
    )


def cut(body, is_module=False):
    """Rewrites statements so that each that tests is tried and recorded alone. The new body and the tests' statements.

    A failed statement that only prepares makes the tests after it fail: they would look at stale values.
    """
    changed, tests = [], []
    for node in body:
        is_kept = isinstance(node, (ast.Global, ast.Nonlocal, ast.Return, ast.Import, ast.ImportFrom)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        if is_kept or is_module and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            changed.append(node)
            continue
        index = len(tests) if is_test(node) else -1
        if index >= 0:
            tests.append(node)
        changed.append(syntax.guarded(node, "__hone_pass__", "__hone_fail__", index))
    return changed, tests


def cut_check(tree):
    """Cuts the body of the last `check` function; the tests' statements."""
    check = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    if not check:
        return []
    check[-1].body, tests = cut(check[-1].body)
    return tests


def cut_script(tree):
    """Cuts a script's top level; the tests' statements."""
    tree.body, tests = cut(tree.body, is_module=True)
    return tests


def recorders(verdict, source, tests, is_sound, blame):
    """What the rewritten tests call: `__hone_pass__` and `__hone_fail__`. `is_sound()` is None or an objection."""
    broken = []

    def passed(index):
        if index >= 0:
            objection = broken[0] if broken else is_sound()
            verdict.record(index, objection is None, objection)

    def failed(index):
        error = sys.exc_info()[1]
        blame(error)
        message = explain(error, syntax.text(source, tests[index]) if index >= 0 else "")
        if index >= 0:
            verdict.record(index, False, message)
        else:
            broken.append("a statement before this test failed: %s" % message)

    return {"__hone_pass__": passed, "__hone_fail__": failed}


def one_failure(say, message):
    """The verdict of tests that are wrong themselves."""
    return Verdict(1, say).fail_all("the test itself is wrong: %s" % message)


def unittest_cases(scope):
    """Every case of the TestCase classes that the tests define, class by class."""
    import unittest

    kinds = [
        v for v in list(scope.values())
        if isinstance(v, type) and issubclass(v, unittest.TestCase) and v.__module__ == scope["__name__"]
    ]
    loader = unittest.TestLoader()
    return [list(loader.loadTestsFromTestCase(kind)) for kind in dict.fromkeys(kinds)]


def run_unittest(groups, verdict, is_sound, blame):
    """Runs the cases with their class fixtures. What was skipped, or not run because a fixture failed, did not pass."""
    import unittest

    class Recorder(unittest.TestResult):
        """Notes the first trouble of each case, and that of a fixture of its class or module."""

        index = -1
        is_within = False
        trouble = fixture_trouble = None

        def startTest(self, test):
            self.index += 1
            self.is_within, self.trouble = True, None

        def stopTest(self, test):
            objection = is_sound() if self.trouble is None else self.trouble
            verdict.record(self.index, objection is None, objection)
            self.is_within = False

        def note(self, text, error=None):
            if error is not None:
                blame(error)
            if self.is_within:
                self.trouble = self.trouble or text
            else:
                self.fixture_trouble = self.fixture_trouble or text

        def addError(self, test, err):
            self.note(explain(err[1], ""), err[1])

        def addFailure(self, test, err):
            self.note(explain(err[1], ""), err[1])

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self.note(explain(err[1], ""), err[1])

        def addSkip(self, test, reason):
            self.note("skipped")

        def addSuccess(self, test):
            pass

        def addExpectedFailure(self, test, err):
            pass

        def addUnexpectedSuccess(self, test):
            self.note("an expected failure did not happen")

    first = 0
    for cases in groups:
        recorder = Recorder()
        recorder.index = first - 1
        try:
            unittest.TestSuite(cases).run(recorder)
        except BaseException as error:
            blame(error)
            recorder.fixture_trouble = explain(error, "")
        for index in range(first, first + len(cases)):
            if recorder.fixture_trouble is not None or index not in verdict.results:
                verdict.record(index, False, recorder.fixture_trouble or "not run")
        first += len(cases)
    return verdict
