# Runs a program's tests once more, in its own process, and says which of its lines could have run and did not.
#
# The program shares the process and could lie: what is said here may steer a loss mask, never a verdict. A function is
# watched until each of its lines was seen; a program that the tracer slows past its limits says nothing.
import io
import json
import sys

job = json.loads(sys.stdin.readline())
out, sys.stdout = sys.stdout, io.StringIO()
try:
    code = compile(job["program"], "<solution>", "exec")
except (SyntaxError, ValueError):
    sys.exit(0)


def lines_of(code):
    own = {line for _, _, line in code.co_lines() if line}
    inner = [const for const in code.co_consts if hasattr(const, "co_lines")]
    # The line of a definition runs in the scope around it.
    return own, inner


could, pending = set(), [code]
unseen = {}
while pending:
    one = pending.pop()
    own, inner = lines_of(one)
    if one is not code:
        own.discard(one.co_firstlineno)
    could |= own
    unseen[one] = set(own)
    pending.extend(inner)
seen = set()


def trace(frame, event, argument):
    left = unseen.get(frame.f_code)
    if not left:
        return None
    if event == "line":
        left.discard(frame.f_lineno)
        seen.add(frame.f_lineno)
    return trace


def attempt(action):
    sys.settrace(trace)
    try:
        action()
    except BaseException:
        pass
    finally:
        sys.settrace(None)


def find(space, path):
    value = None
    for index, name in enumerate(path.replace("()", "").split(".")):
        value = space[name] if index == 0 else getattr(value, name)
        if index == 0 and "()" in path.split(".")[0]:
            value = value()
    return value


def fresh():
    return {"__name__": "solution"}


tests = job["tests"]
space = fresh()
if tests["kind"] == "stdio":
    for case in tests["cases"]:
        sys.stdin = io.StringIO(case["stdin"])
        attempt(lambda: exec(code, {"__name__": "__main__"}))
else:
    attempt(lambda: exec(code, space))
    if tests["kind"] == "asserts":
        attempt(lambda: exec(tests.get("setup", ""), space))
        for test in tests["asserts"]:
            attempt(lambda: exec(test, space))
    elif tests["kind"] == "calls":
        for case in tests["cases"]:
            attempt(lambda: find(space, tests["entry_point"])(*json.loads(case["arguments"])))
    elif tests["kind"] == "check":
        candidate = []
        attempt(lambda: candidate.append(find(space, tests["entry_point"])))
        attempt(lambda: exec(tests["code"], space))
        attempt(lambda: space["check"](*candidate))
    else:
        attempt(lambda: exec(tests["code"], space))
out.write("\n" + json.dumps(sorted(could - seen)) + "\n")
out.flush()
