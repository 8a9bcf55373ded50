"""Calls of the solution that tests are sure to make, made as soon as it is loaded.

`assert candidate([1, 2]) == 3` asks, waits and compares, and the two processes take turns for each. Where the syntax shows that
tests begin with such statements, each with one call whose arguments are constants, all these calls go out at once, before
anything is known of the solution. It makes them in their order and sends each answer as soon as it is given, so
that whatever ends it leaves the answers before that. The tests find each answer by its number.

A call is as it would be: arguments are copies, an answer is taken down when it is given. At an exception, and at an answer that
is no data (a generator, which later calls could disturb), the solution stops, and the tests make the calls after it themselves.
"""

import ast
import bisect
import builtins
import copy

import literals
import peer as channel
import syntax

# What the rewritten tests call; no name of the solution can be it.
NAME = "__hone_early__"
MOST_CALLS = 4096
MOST_BYTES = 64 << 10


class Plan:
    """What is known of the calls of some tests, whatever solution they judge."""

    def __init__(self, calls=(), is_all=False):
        # Path and arguments; where the path is None, it is the entry point.
        self.calls = calls
        # Whether these are all that the tests want of the solution.
        self.is_all = is_all
        self._payloads = {}

    def payload(self, entry_point):
        """The calls as they are sent; None if they are too much to be sent."""
        if entry_point not in self._payloads:
            self._payloads[entry_point] = sendable(self.named(entry_point))
        return self._payloads[entry_point]

    def named(self, entry_point):
        return [(path or entry_point, values) for path, values in self.calls]


def sendable(calls):
    payload = channel.pickled(calls) if 0 < len(calls) <= MOST_CALLS else None
    return payload if payload is not None and len(payload) <= MOST_BYTES else None


def planned(tree, names, found, is_check):
    """Takes the calls out of the statements that `check`, or the script, begins with; `found` are all nodes of the tree."""
    foreign = names.used - names.own - {literals.NAME}
    foreign = {name for name in foreign if not hasattr(builtins, name)}
    is_open = "*" in names.imported or not names.used.isdisjoint(syntax.TRACING_NAMES)
    # Classes of the tests may be twins of the solution's, which knows of them later. What is within an f-string has no true place.
    if is_open or any(type(node) in (ast.ClassDef, ast.JoinedStr) for node in found):
        return Plan()
    body, parameter = tree.body, None
    if is_check:
        checks = [node for node in body if type(node) is ast.FunctionDef and node.name == "check"]
        parameters = [a.arg for a in checks[-1].args.args] if checks else []
        if len(parameters) != 1 or foreign or _is_stored(parameters[0], found):
            return Plan()
        parameter, foreign, body = parameters[0], {parameters[0]}, checks[-1].body
    uses = [node for node in found if type(node) is ast.Name and node.id in foreign]
    try:
        calls, is_all = _taken(body, uses, foreign - names.bases)
    except RecursionError:
        return Plan()
    plan = []
    for number, (call, values) in enumerate(calls):
        place = syntax.where(call)
        plan.append((call.func.id if parameter is None else None, values))
        call.func, call.args = ast.Name(NAME, ast.Load(), **place), [ast.Constant(number, **place)]
    return Plan(plan, is_all)


def _is_stored(name, found):
    return any(type(n) is ast.Name and n.id == name and type(n.ctx) is not ast.Load for n in found)


def _taken(body, uses, functions):
    """The calls, with their arguments, of the statements up to the first that uses the solution otherwise; whether there is
    none such. `uses` are all nodes that name what is the solution's.
    """
    places = sorted((node.lineno, node.col_offset) for node in uses)
    calls, end = [], bisect.bisect_left(places, _start(body[0])) if body else 0
    for statement in body:
        first, last = end, (statement.end_lineno, statement.end_col_offset)
        if first != bisect.bisect_left(places, _start(statement), first):
            return calls, False
        end = bisect.bisect_left(places, last, first)
        if first == end and not isinstance(statement, (ast.Return, ast.Raise)):
            continue
        call = _sure_call(statement, functions) if end - first == 1 else None
        if call is None or len(calls) == MOST_CALLS:
            return calls, False
        calls.append(call)
    return calls, True


def _start(statement):
    """Line and column, of its first decorator if it has one."""
    node = (getattr(statement, "decorator_list", None) or [statement])[0]
    return node.lineno, node.col_offset


def _sure_call(statement, functions):
    """The call of the solution that an assertion is sure to make, once, and its constant arguments; None if it is not that."""
    waiting = [statement.test] if type(statement) is ast.Assert else []
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is ast.Call:
            if type(node.func) is ast.Name and node.func.id in functions:
                return _with_values(node)
            waiting += [node.func, *node.args]
        elif kind is ast.Compare:
            waiting += [node.left, node.comparators[0]]
        elif kind is ast.BinOp:
            waiting += [node.left, node.right]
        elif kind is ast.UnaryOp:
            waiting.append(node.operand)
        elif kind in (ast.Subscript, ast.Attribute, ast.Starred):
            waiting.append(node.value)
        elif kind in (ast.List, ast.Tuple):
            waiting += node.elts
    return None


class NotConstant(Exception):
    """An expression is more than a literal."""


def _with_values(call):
    try:
        return None if call.keywords else (call, tuple([_value(node) for node in call.args]))
    except (NotConstant, TypeError):
        # A list, say, as a key: that is for the test to fail at.
        return None


def _value(node):
    """What a literal stands for."""
    kind = type(node)
    if kind is ast.Constant:
        return node.value
    if kind is ast.List:
        return [_value(part) for part in node.elts]
    if kind is ast.Tuple:
        return tuple([_value(part) for part in node.elts])
    if kind is ast.Set:
        return {_value(part) for part in node.elts}
    if kind is ast.Dict and None not in node.keys:
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values)}
    if kind is ast.UnaryOp and type(node.op) is ast.USub:
        value = _value(node.operand)
        if type(value) in (int, float, complex):
            return -value
    raise NotConstant


class Raised:
    """What a call raised, as the solution's end describes it."""

    def __init__(self, message):
        self.message = message


TAKEN = object()


class Calls:
    """The calls of one judgement, and what comes back, by their numbers."""

    def __init__(self, peer, plans, entry_point=None):
        """Has the calls of all plans made, up to the first plan that leaves something open."""
        self.peer = peer
        self.calls, self.firsts, sent, is_open = [], [], 0, True
        for plan in plans:
            self.firsts.append(len(self.calls))
            self.calls += plan.named(entry_point)
            sent = len(self.calls) if is_open else sent
            is_open = is_open and plan.is_all
        # Names that are used in no other way.
        self.names = frozenset(path for path, _ in self.calls) if is_open else frozenset()
        # How what is not answered early is found by its path, and the paths whose answers do not count.
        self.find, self.foreign, self.functions = None, (), {}
        # What came back, and how much of it there may be.
        self.found, self.most, self.sequence = [], 0, None
        payload = plans[0].payload(entry_point) if len(plans) == 1 else sendable(self.calls[:sent])
        if payload is not None:
            self.sequence, self.most = peer.send_early(payload), sent
            peer.early = self

    def takes(self, message):
        """Whether a message is of these calls; then its answers, or what was raised, are kept."""
        kind, sequence = message[:2]
        left = self.most - len(self.found)
        if sequence != self.sequence or left == 0:
            return False
        if kind == "raise" and len(message) == 7:
            self.found.append(Raised(message))
            self.most = len(self.found)
            return True
        if kind != "answers" or len(message) != 4 or type(message[2]) is not list or not 0 < len(message[2]) <= left:
            return False
        self.found += message[2]
        if message[3] is True:
            self.most = len(self.found)
        return True

    def answerer(self, part):
        """What the calls of plan number `part` are rewritten to."""
        first = self.firsts[part]
        return lambda number: self.answer(first + number)

    def answer(self, number):
        """What a call gives, or raises."""
        path, values = self.calls[number]
        if path in self.foreign:
            return self.find(path)(*copy.deepcopy(values))
        while len(self.found) <= number < self.most:
            self.peer.wait_for_early()
        if number >= len(self.found) or self.found[number] is TAKEN:
            return self.function(path)(*copy.deepcopy(values))
        self.peer.calls += 1
        found, self.found[number] = self.found[number], TAKEN
        if type(found) is Raised:
            self.peer.raise_again(found.message)
        return found

    def function(self, path):
        """What the solution has under a path, for a call that the tests make themselves."""
        if path not in self.functions:
            calls = self.peer.calls
            self.functions[path] = self.find(path)
            self.peer.calls = calls
        return self.functions[path]
