"""Tests and solution in one process: for suites that use the solution's own classes, or patch its inside.

Weaker by nature: a program that shares the tests' process can forge what they say. It is chosen for a task
openly, and the verdict says so.
"""

import json
import os
import sys

import program

VERDICT_FD = 3


def say(**what):
    payload = json.dumps(what).encode() + b"\n"
    while payload:
        payload = payload[os.write(VERDICT_FD, payload):]


def blame(error):
    names, message, _, line, column = program.describer("solution.py")(error)
    say(error={"kind": (names or ("BaseException",))[0][:200], "message": message, "line": line, "column": column})


def cases(suite):
    for item in suite:
        if hasattr(item, "__iter__"):
            yield from cases(item)
        else:
            yield item


def run_joint():
    """Loads the solution, then the tests in the same namespace, and runs every unittest case by itself."""
    import unittest

    os.set_inheritable(VERDICT_FD, False)
    source, tests = [s.decode("utf-8", "replace") for s in program.segments(program.PAYLOAD_FD)]
    try:
        module, code = program.load(source, "solution", "solution.py")
    except BaseException as error:
        blame(error)
        say(load={"compile": True})
        program.leave(0)
    try:
        exec(code, module.__dict__)
        exec(compile(tests, "tests.py", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        blame(error)
        say(load={"compile": False})
        program.leave(0)
    found = [v for v in list(vars(module).values()) if isinstance(v, type) and issubclass(v, unittest.TestCase)]
    loader = unittest.TestLoader()
    everything = [c for kind in found if kind.__module__ == "solution" for c in cases(loader.loadTestsFromTestCase(kind))]
    say(total=len(everything))
    is_blamed = False
    for index, case in enumerate(everything):
        result = unittest.TestResult()
        try:
            case.run(result)
        except BaseException as error:
            say(test=index, passed=False, message=type(error).__name__)
            continue
        bad = result.failures + result.errors
        if bad or result.skipped or result.unexpectedSuccesses or not result.testsRun:
            text = bad[0][1].strip().splitlines()[-1] if bad else "skipped or not run"
            say(test=index, passed=False, message=text[:2000])
            if result.errors and not is_blamed:
                is_blamed = True
                say(error={"kind": text.partition(":")[0][:200], "message": text[:2000], "line": 0, "column": 0})
        else:
            say(test=index, passed=True)
    say(end=True)
    program.leave(0)
