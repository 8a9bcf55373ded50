# Loads SOLUTION and, where stdin says "run", runs TESTS beside its names, in one process: the difference of both is what the tests
# cost. Says MARK when it got to its end. Whether the solution is right was decided before, and elsewhere.
import io, sys, types


def main():
    is_run = sys.stdin.read() == "run"
    shown, sys.stdout = sys.stdout, io.StringIO()
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    exec(compile(SOLUTION, "solution.py", "exec"), module.__dict__)
    tests = compile(TESTS, "tests.py", "exec")
    if is_run:
        exec(tests, dict(module.__dict__, __name__="tests"))
    sys.stdout = shown
    print(MARK)


main()
