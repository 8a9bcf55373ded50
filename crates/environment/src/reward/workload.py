# What a task's tests call, as a workload: reads {"reference", "entry_point", "tests", "cases", "target_ms"} as JSON from
# stdin, prints {"calls": [source of arguments, …], "rounds": …}, or null if the tests hold no call that can be repeated.
# Calls are those whose arguments are literals and that the reference accepts; rounds are as many as make it busy for target_ms.
import ast, json, sys, time

question = json.load(sys.stdin)
name = question["entry_point"]
plain = name.replace("()", "").split(".")[-1]


def written(source):
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if called not in (plain, "candidate"):
            continue
        try:
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                ast.literal_eval(argument)
        except (ValueError, TypeError, SyntaxError):
            continue
        if all(keyword.arg for keyword in node.keywords):
            arguments = [ast.unparse(argument) for argument in node.args]
            yield ", ".join(arguments + [f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in node.keywords])


def given(cases):
    for case in cases:
        yield ", ".join(repr(argument) for argument in json.loads(case))


def is_accepted(arguments):
    space = {"__name__": "solution"}
    exec(code, space)
    try:
        answer = eval(f"{name}({arguments})", space)
        return " at 0x" not in repr(answer) and not hasattr(answer, "__next__")
    except Exception:
        return False


code = compile(question["reference"], "solution", "exec")
calls = list(dict.fromkeys([*written(question["tests"]), *given(question["cases"])]))
calls = [arguments for arguments in calls if is_accepted(arguments)][:40]
if not calls:
    print("\nnull")
    sys.exit(0)
body = compile("\n".join(f"{name}({arguments})" for arguments in calls), "calls", "exec")
rounds, spent = 1, 0.0
while rounds < 1 << 17:
    start = time.process_time()
    for _ in range(rounds):
        space = {"__name__": "solution"}
        exec(code, space)
        exec(body, space)
    spent = 1000 * (time.process_time() - start)
    if spent >= question["target_ms"]:
        break
    rounds = min(1 << 17, max(2 * rounds, int(rounds * question["target_ms"] / max(spent, 0.01))))
print("\n" + json.dumps({"calls": calls, "rounds": rounds}))
