"""The tester's side: runs the tests against a solution that lives in another process, and writes the verdict.

No line of the solution runs here. Its functions are `Remote` objects, its values are data, its exceptions are
built-in ones raised anew. One JSON object a line goes to the supervisor, as soon as it is known.
"""

import builtins
import gc
import json
import os
import resource
import sys
from itertools import chain
from operator import is_

import calls
import early
import errors
import literals
import loops
import peer as channel
import preparation
import program
import suites
import syntax

VERDICT_FD = 5


def say(*lines, **last):
    """Lines of the verdict, at once."""
    payload = "".join(map(line_of, (*lines, last))).encode()
    while payload:
        payload = payload[os.write(VERDICT_FD, payload):]


def line_of(fields):
    """A line of the verdict; most of them only say that a test passed."""
    if fields.get("passed") is True and len(fields) == 2:
        return '{"test": %d, "passed": true}\n' % fields["test"]
    return json.dumps(fields) + "\n"


class TesterPeer(channel.Peer):
    """The tests' end: shares nothing of its own but functions that tests pass as arguments."""

    # Whether the tests left this interpreter as they found it, and whether a module was within their reach.
    is_traceless = has_modules = False

    def look_at(self, parts):
        """Takes from all parts of the tests what their syntax tells of this."""
        self.is_traceless = all(part.is_traceless for part in parts)
        self.has_modules = any(part.names.modules for part in parts)

    def standard(self, module, name=None):
        """Something of the standard library that the tests take from the solution's imports."""
        self.is_traceless = self.is_traceless and module in syntax.TRACELESS_MODULES
        self.has_modules = True
        return standard(module, name)

    def may_share(self, value):
        return type(value) in SHARED and not is_reaching(value)

    def may_be_asked(self, target):
        return self.was_shared(target)


SHARED = (type(say), type(len), type(str.upper), type("".upper), type)


def is_reaching(value):
    """Whether it is a built-in through which a solution that calls it could reach anything here, such as `eval`."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    return module in ("builtins", "_io") and name in syntax.TRACING_NAMES or module in ("gc", "posix", "sys")


class Blame:
    """Keeps the solution's own exception, if that is what failed a test."""

    def __init__(self, peer):
        self.peer = peer
        self.error = None

    def __call__(self, error):
        while error is not None and self.error is None:
            if error is self.peer.last_raised:
                self.error = self.peer.last_error
            error = error.__cause__ or error.__context__


def presence(peer):
    """An objection to a test that passed: the solution's process has ended, even if the test caught that."""
    return lambda: "the solution's process has ended" if peer.is_gone else None


def in_place(function, /, *args, **kwargs):
    if type(function) is channel.Remote:
        return function._peer.ask("call", function, args, kwargs, True)
    return function(*args, **kwargs)


def standard(module, name=None):
    """A module of the standard library, or what it holds under `name`; None if there is no such thing. The solution says which:
    none that is a program.
    """
    parts = module.split(".") if type(module) is str else [""]
    if parts[0] not in sys.stdlib_module_names or "__main__" in parts:
        return None
    try:
        found = __import__(module, fromlist=["*"])
        return found if name is None else getattr(found, name, None)
    except Exception:
        return None


def bind(scope, names, exports, peer, asked, has_entry_point=False):
    """Gives the tests the solution's names; built-in names and standard modules are never the solution's. What is only
    `asked` early needs no name.

    One exception: tests that ask for nothing else, and have no entry point, mean the solution's own `sum`.
    """
    bases = names.bases
    is_shadowing = not has_entry_point and all(hasattr(builtins, name) for name in names.used - names.own)
    for name in sorted(names.used):
        if hasattr(builtins, name) and not (is_shadowing and exports.get(name) == ("object",)):
            continue
        export = exports.get(name)
        if name in asked.names and export == ("object",):
            continue
        if name in bases and name in sys.stdlib_module_names and is_module(name, export, names.reads):
            if export is not None:
                scope[name] = peer.standard(name)
            continue
        if type(export) is not tuple or not export:
            continue
        if export[0] == "module" and len(export) == 2:
            value = peer.standard(export[1])
        elif export[0] == "from" and len(export) == 3 and export[2] == name:
            value = peer.standard(export[1], export[2])
        elif is_exception(export):
            value = exception_class(name, exports, peer.exception_classes)
        else:
            value = peer.ask("name", None, (name,), {})
            peer.calls -= type(value) is channel.Remote
        if value is not None or export[0] == "object":
            scope[name] = value


def is_module(name, export, reads):
    """Whether tests that read attributes of `name` mean the standard module: not if the solution has an object of that
    name, but even then if the module has all that they read. What `math.isclose` says is not for a `class math` to say.
    """
    if type(export) is not tuple or export[:1] != ("object",):
        return True
    module = standard(name)
    return all(hasattr(module, attribute) for base, attribute in reads if base == name)


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


def is_exception(export):
    return type(export) is tuple and len(export) == 2 and export[0] == "exception" and type(export[1]) is tuple


def exception_class(name, exports, made):
    """The tests' own class for an exception class of the solution, below what it derives from."""
    if name not in made:
        parent = Exception
        for base in exports[name][1]:
            kind = getattr(builtins, base, None) if type(base) is str else None
            if isinstance(kind, type) and issubclass(kind, Exception):
                parent = errors.harmless(kind)
                break
            if kind is None and type(base) is str and base != name and is_exception(exports.get(base)):
                parent = exception_class(base, exports, made)
                break
        made[name] = type(name, (parent,), {})
    return made[name]


def new_scope():
    module = type(sys)("tests")
    sys.modules["tests"] = module
    module.__dict__.update(__builtins__=builtins, __hone_in_place__=in_place)
    return module.__dict__


def run(part, scope, answer=None):
    """Runs prepared code; its long literals are made anew each time, as the code itself would have made them, and
    `answer` has what it asks early.
    """
    scope[literals.NAME] = lambda number: eval(part.literals[number], {})
    scope[early.NAME] = answer
    exec(part.code, scope)


def look_up(asked, scope, exports, peer):
    """Tells how functions are found that tests name themselves: the solution's own, or what the name means to the tests."""
    def found(name):
        if exports.get(name) == ("object",):
            return find(peer, exports, name)
        if name not in scope:
            raise NameError("name %r is not defined" % name)
        return scope[name]

    asked.find = found
    asked.foreign = {path for path, _ in asked.calls if exports.get(path) != ("object",)}


def attempt(verdict, peer, blame, index, test, source, scope, answer):
    """Runs one test. Whatever it raises is its failure; a dead solution fails it even if the test caught that."""
    try:
        run(test, scope, answer)
    except BaseException as error:
        blame(error)
        verdict.record(index, False, suites.explain(error, source))
    else:
        objection = presence(peer)()
        verdict.record(index, objection is None, objection)


def judge_asserts(peer, exports, blame, asked, setup, *asserts):
    verdict = suites.Verdict(len(asserts), say)
    scope = new_scope()
    tests = []
    for index, source in enumerate(asserts):
        try:
            tests.append(preparation.prepared(source, None, True))
        except Exception as error:
            tests.append(None)
            verdict.record(index, False, "the test itself is wrong: %s" % error)
    try:
        before = preparation.prepared(setup, None, True)
        parts = [part for part in tests + [before] if part is not None]
        peer.look_at(parts)
        bind(scope, syntax.all_names(part.names for part in parts), exports, peer, asked)
        look_up(asked, scope, exports, peer)
        run(before, scope, asked.answerer(0))
        share(scope, exports, peer)
    except BaseException as error:
        return verdict.fail_all("setup failed: %s" % suites.explain(error, setup))
    for index, test in enumerate(tests):
        if test is not None:
            attempt(verdict, peer, blame, index, test, asserts[index], scope, asked.answerer(index + 1))
    return verdict


def find(peer, exports, entry_point):
    """The solution's function `f`, `Class.f` or `Class().f`."""
    first, *rest = entry_point.split(".")
    name = first.removesuffix("()")
    must_define(exports, name)
    found = peer.ask("name", None, (name,), {})
    if name != first:
        found = peer.ask("call", found, (), {})
    for attribute in rest:
        found = peer.ask("get", found, (attribute,), {})
    return found


def must_define(exports, name):
    if name not in exports:
        raise NameError("the solution does not define %s" % name)


def judge_cut(peer, exports, blame, asked, source, cut, act, has_entry_point):
    """Judges tests that were cut into single ones; `act(scope, suite)` runs them."""
    scope = new_scope()
    try:
        suite = preparation.prepared(source, cut, True)
    except Exception as error:
        return suites.one_failure(say, error)
    if not suite.tests:
        return suites.one_failure(say, "none of its statements tests anything")
    verdict = suites.Verdict(len(suite.tests), say)
    scope.update(suites.recorders(verdict, source, suite.tests, presence(peer), blame))
    peer.look_at([suite])
    try:
        bind(scope, suite.names, exports, peer, asked, has_entry_point)
        if suite.loop is not None:
            suite.loop.bind(scope, peer)
        act(scope, suite)
    except BaseException as error:
        blame(error)
        verdict.fail_all(suites.explain(error, ""))
    return verdict


def judge_check(peer, exports, blame, asked, source, entry_point):
    def act(scope, suite):
        asked.find = lambda path: find(peer, exports, path)
        run(suite, scope, asked.answerer(0))
        share(scope, exports, peer)
        if suite.plan.is_all and suite.plan.calls:
            must_define(exports, entry_point.partition(".")[0].removesuffix("()"))
            candidate = None
        else:
            candidate = find(peer, exports, entry_point)
        peer.calls = 0
        scope["check"](candidate)

    return judge_cut(peer, exports, blame, asked, source, suites.cut_check, act, True)


def judge_script(peer, exports, blame, asked, source):
    def act(scope, suite):
        look_up(asked, scope, exports, peer)
        run(suite, scope, asked.answerer(0))

    return judge_cut(peer, exports, blame, asked, source, suites.cut_script, act, False)


def judge_calls(peer, exports, blame, asked, rule, entry_point, *texts):
    verdict = suites.Verdict(len(texts) // 2, say)
    peer.is_traceless = True
    try:
        candidate = find(peer, exports, entry_point)
        peer.calls = 0
    except BaseException as error:
        blame(error)
        return verdict.fail_all(suites.explain(error, ""))
    for index in range(verdict.total):
        try:
            arguments, expected = calls.case(rule, texts[2 * index], texts[2 * index + 1])
        except Exception as error:
            verdict.record(index, False, "the test itself is wrong: %s" % error)
            continue
        try:
            found = candidate(*arguments)
            if not calls.agrees(rule, found, expected):
                message = "expected %s, found %s" % (calls.short(expected), calls.short(found))
                verdict.record(index, False, message)
        except BaseException as error:
            blame(error)
            verdict.record(index, False, suites.explain(error, ""))
        objection = presence(peer)()
        verdict.record(index, objection is None, objection)
    return verdict


def judge_unittest(peer, exports, blame, asked, source):
    scope = new_scope()
    try:
        suite = preparation.prepared(source)
        bind(scope, suite.names, exports, peer, asked)
        run(suite, scope)
        share(scope, exports, peer)
        peer.calls = 0
        groups = suites.unittest_cases(scope)
    except BaseException as error:
        blame(error)
        return suites.one_failure(say, suites.explain(error, ""))
    total = sum(map(len, groups))
    if not total:
        return suites.one_failure(say, "no unittest.TestCase has a test")
    return suites.run_unittest(groups, suites.Verdict(total, say), presence(peer), blame)


JUDGES = {
    "asserts": judge_asserts,
    "check": judge_check,
    "script": judge_script,
    "calls": judge_calls,
    "unittest": judge_unittest,
}


# What tests left behind: nothing; nothing by their syntax, but a change of modules may be hidden from that; something.
NOTHING, MODULES, TRACES = "nothing", "modules", "traces"
MOST_TURNS = 2048
MOST_GROWTH_KIB = 96 << 10
# What has to be made before rubbish is collected: a suite's syntax tree would set that off several times, and it is none.
ALLOCATIONS = 50_000


def main(next_request):
    """Judges, and goes on with the next request as long as no suite has left a trace here."""
    # Loaded by the zygote, which sees to what it does after a fork.
    import random

    modules, size = len(sys.modules), peak_kib()
    watched = [vars(builtins)] + [vars(sys.modules[n]) for n in sorted(syntax.TRACELESS_MODULES) if n in sys.modules]
    kept = list(values_of(watched))
    draws = random.getstate()
    gc.set_threshold(ALLOCATIONS)
    for turn in range(MOST_TURNS):
        if turn > 0:
            next_request()
        left = judge()
        is_same = left is not TRACES and len(sys.modules) == modules + suites.brought
        if left is MODULES:
            is_same = is_same and are_same(watched, kept)
            random.setstate(draws)
        # What computes a reference's results may need as much again as they.
        if not is_same or peak_kib() > size + MOST_GROWTH_KIB + (2 * loops.kept_bytes() >> 10):
            break
    os._exit(0)


def values_of(watched):
    return chain.from_iterable(map(dict.values, watched))


def are_same(watched, kept):
    """Whether the names of modules stand for what they did. However a suite changed one, through an alias or a function of
    its own, it is seen, and no other suite is judged in this process.
    """
    return sum(map(len, watched)) == len(kept) and all(map(is_, values_of(watched), kept))


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def judge():
    """Judges one solution; tells what is left behind of its tests."""
    kind, *parts = [p.decode("utf-8", "surrogatepass") for p in program.segments(program.PAYLOAD_FD)]
    peer = TesterPeer(program.RPC_FD, {"call": channel._call}, errors.describer("tests.py"))
    plans, entry_point = preparation.planned(kind, parts)
    try:
        asked = early.Calls(peer, plans, entry_point)
        hello = peer.receive()
    except channel.Gone as error:
        say(load={"kind": "", "message": str(error), "line": 0, "column": 0, "compile": False})
        return TRACES
    if hello[0] == "broken" and len(hello) == 8:
        say(error=suites.report(hello[3:]))
        say(load={"compile": hello[2] is True})
        return NOTHING
    exports = hello[2] if hello[0] == "ready" and type(hello[2]) is dict else {}
    blame = Blame(peer)
    verdict = JUDGES[kind](peer, exports, blame, asked, *parts)
    verdict.error = blame.error
    verdict.finish("the tests never used the solution" if peer.calls == 0 else None, end=True, gone=peer.is_gone)
    sys.modules.pop("tests", None)
    if peer.is_gone or not peer.is_traceless:
        return TRACES
    return MODULES if peer.has_modules else NOTHING
