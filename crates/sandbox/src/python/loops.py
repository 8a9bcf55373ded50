"""Loops of tests over constant inputs, `for i, inp in enumerate(inputs): assertion(candidate(*inp), ref_func(*inp), 0)`.

Benchmarks judge by hundreds of inputs in one such loop. Where the syntax shows that a loop is this and nothing else, all its
calls of the solution go out together (`ahead.py`), and what a reference function gives is computed once for all solutions.
Neither changes what is compared: the loop is one test, it ends at its first failure, and it is the last statement, so a
call made too early could only fail a test that has failed already.
"""

import ast
import builtins
import sys

import ahead
import literals
import peer as channel
import syntax

# What the rewritten loop calls; no name of the solution can be one of these.
AHEAD, ANSWER, REFERENCE = "__hone_ahead__", "__hone_answer__", "__hone_reference__"
# Modules whose functions give the same for the same arguments.
PURE_MODULES = syntax.TRACELESS_MODULES - {"datetime", "functools", "random"}
IMPURE_NAMES = frozenset(("id", "input", "object", "open"))
# Bytes of results that are kept of a reference; those of one suite only.
MOST_KEPT_BYTES = 192 << 20


class Loop:
    """What is known of a suite's loop, whatever solution it judges: its calls as they are sent, its reference's results."""

    keeper = None

    def __init__(self):
        self.batches = None
        self.kept, self.kept_bytes = [], 0

    def bind(self, scope, peer):
        """Gives a run of the suite what its rewritten loop calls."""

        def send_ahead(function, inputs, *others):
            if self.batches is None:
                self.batches = ahead.batches(inputs)
            is_whole = all(len(other) >= len(inputs) for other in others)
            scope[ANSWER] = ahead.answers(peer, function, inputs, self.batches if is_whole else ()).__next__
            return inputs

        position = -1

        def reference(function, arguments):
            nonlocal position
            position += 1
            if position < len(self.kept):
                value = self.kept[position]
                return ahead.unpickled(value) if type(value) is bytes else value
            value = function(*arguments)
            if position == len(self.kept):
                self.keep(value)
            return value

        scope.update({AHEAD: send_ahead, REFERENCE: reference})

    def keep(self, value):
        """Keeps what the reference gave: a number or text as it is, other data as a pickle, of which each use is a copy."""
        if Loop.keeper is not self:
            if Loop.keeper is not None:
                Loop.keeper.kept = []
            Loop.keeper, self.kept_bytes = self, 0
        if type(value) not in ahead.SCALARS:
            value = channel.pickled(value)
            if value is None:
                return
        size = sys.getsizeof(value)
        if self.kept_bytes + size <= MOST_KEPT_BYTES:
            self.kept.append(value)
            self.kept_bytes += size


def kept_bytes():
    """How much is kept of a reference at the moment."""
    return Loop.keeper.kept_bytes if Loop.keeper is not None else 0


def arranged(tree, names, is_check):
    """Rewrites the loop that ends `check`, or the script; None if there is none. Nothing of the solution's but the function
    called in the loop may be within the tests' reach."""
    body = tree.body
    if is_check:
        checks = [node for node in body if type(node) is ast.FunctionDef and node.name == "check"]
        body = checks[-1].body if checks else []
    found = _found(body)
    if found is None or not names.own.isdisjoint(("enumerate", "zip")):
        return None
    loop, lists, item, call = found
    parameters = [a.arg for a in checks[-1].args.args] if is_check else []
    foreign = {name for name in names.used - names.own if not hasattr(builtins, name)} - {literals.NAME}
    is_solutions = parameters == [call.func.id] and not foreign if is_check else foreign == {call.func.id}
    if not is_solutions or sum(name == call.func.id for name in _loaded(loop)) != 1:
        return None
    if not all(_is_constant_list(tree, body, name) for name in lists):
        return None
    _rewrite(loop, lists, item, call, _pure_functions(tree))
    return Loop()


def _found(body):
    """The loop, the names of the lists it walks, that of an input, and the call that is made of it first."""
    loop = body[-1] if body else None
    if type(loop) is not ast.For or loop.orelse or len(loop.body) != 1:
        return None
    walked, target, statement = loop.iter, loop.target, loop.body[0]
    if _is_call_of(walked, "enumerate", 1) and type(target) is ast.Tuple and len(target.elts) == 2:
        walked, target = walked.args[0], target.elts[1]
    lists, items = [walked], [target]
    if _is_call_of(walked, "zip", 2) and type(target) is ast.Tuple and len(target.elts) == 2:
        lists, items = walked.args, target.elts
    if type(statement) not in (ast.Expr, ast.Assert) or any(type(n) is not ast.Name for n in (*lists, *items)):
        return None
    # A call for its own sake writes back; one call alone compares nothing.
    call = _first_call(statement.value.args[0] if _has_arguments(statement) else getattr(statement, "test", None))
    if call is None or not _is_spread_call(call, items[0].id):
        return None
    if any(type(n) in (ast.NamedExpr, ast.Lambda, ast.Await, ast.Yield) for n in syntax.nodes(statement)):
        return None
    return loop, [n.id for n in lists], items[0].id, call


def _has_arguments(statement):
    call = getattr(statement, "value", None)
    return type(call) is ast.Call and type(call.func) is ast.Name and bool(call.args)


def _first_call(node):
    """The first call that is made when an expression is evaluated, if it surely is and its function is a name."""
    while node is not None:
        kind = type(node)
        if kind is ast.Call and type(node.func) is ast.Name:
            if not node.args or _spread(node) is not None:
                return node
            node = node.args[0]
        elif kind in (ast.Starred, ast.Subscript, ast.Attribute):
            node = node.value
        elif kind in (ast.Compare, ast.BinOp):
            node = node.left
        elif kind is ast.UnaryOp:
            node = node.operand
        else:
            return None
    return None


def _spread(call):
    """The name in `f(*name)`."""
    only = call.args[0] if len(call.args) == 1 and not call.keywords else None
    return only.value.id if type(only) is ast.Starred and type(only.value) is ast.Name else None


def _is_spread_call(call, item):
    return _spread(call) == item


def _is_call_of(node, name, count):
    is_call = type(node) is ast.Call and type(node.func) is ast.Name and not node.keywords
    return is_call and node.func.id == name and len(node.args) == count


def _loaded(tree):
    return [n.id for n in syntax.nodes(tree) if type(n) is ast.Name and type(n.ctx) is ast.Load]


def _is_constant_list(tree, body, name):
    """Whether `name` is given a list of constants once, in this body, and is looked at by the loop only."""
    given = [
        n.value for n in body
        if type(n) is ast.Assign and len(n.targets) == 1 and type(n.targets[0]) is ast.Name and n.targets[0].id == name
    ]
    uses = sum(type(n) is ast.Name and n.id == name for n in syntax.nodes(tree))
    return len(given) == 1 and uses == 2 and _is_constant(given[0])


def _is_constant(value):
    if _is_call_of(value, literals.NAME, 1):
        return True
    kinds = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Constant, ast.UnaryOp, ast.USub, ast.Load)
    return type(value) is ast.List and all(type(n) in kinds for n in syntax.nodes(value))


def _pure_functions(tree):
    """The functions of a module that give the same for the same arguments, as far as their syntax shows."""
    functions, modules, others = {}, set(), set()
    for node in tree.body:
        if type(node) is ast.FunctionDef:
            (others if node.name in functions else set()).add(node.name)
            functions[node.name] = node
        elif type(node) is ast.Import:
            for alias in node.names:
                (modules if alias.name in PURE_MODULES else others).add((alias.asname or alias.name).partition(".")[0])
        elif type(node) is ast.ImportFrom:
            known = modules if node.module in PURE_MODULES else others
            known.update(alias.asname or alias.name for alias in node.names)
        else:
            others |= syntax.Names(syntax.nodes(node)).own
    outer = {name: _outer_names(node) for name, node in functions.items()}
    pure = {name for name in functions if outer[name] is not None}
    while True:
        known = (pure | modules) - others
        left = {name for name in pure - others if all(_is_known(used, known, functions, others) for used in outer[name])}
        if left == pure:
            return pure
        pure = left


def _is_known(name, known, functions, others):
    if name in known:
        return True
    return hasattr(builtins, name) and name not in functions and name not in others and name not in IMPURE_NAMES


def _outer_names(function):
    """The names that a function takes from outside; None if it may keep something from call to call."""
    found = [node for statement in function.body for node in syntax.nodes(statement)]
    defaults = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
    is_stateless = not function.decorator_list and all(type(d) is ast.Constant for d in defaults)
    kinds = (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await, ast.ClassDef, ast.Import, ast.ImportFrom)
    if not is_stateless or any(type(n) in kinds for n in found):
        return None
    own = syntax.Names(found).own | {n.arg for n in syntax.nodes(function.args) if type(n) is ast.arg}
    return {n.id for n in found if type(n) is ast.Name and type(n.ctx) is ast.Load} - own


def _rewrite(loop, lists, item, call, pure):
    place = syntax.where(loop.iter)
    zipped = loop.iter.args[0] if _is_call_of(loop.iter, "enumerate", 1) else loop.iter
    walked = [ast.Name(name, ast.Load(), **place) for name in lists]
    sent = ast.Call(ast.Name(AHEAD, ast.Load(), **place), [call.func, *walked], [], **place)
    if len(lists) == 2:
        zipped.args[0] = sent
    elif zipped is loop.iter:
        loop.iter = sent
    else:
        loop.iter.args[0] = sent
    call.func, call.args = ast.Name(ANSWER, ast.Load(), **syntax.where(call)), []
    references = [n for n in syntax.nodes(loop.body[0]) if type(n) is ast.Call and type(n.func) is ast.Name]
    references = [n for n in references if n.func.id in pure and _is_spread_call(n, item)]
    # A reference may change its arguments, so nothing else may look at them after it.
    if len(references) == 1 and _loaded(loop.body[0]).count(item) == 1:
        found = references[0]
        place = syntax.where(found)
        found.args = [found.func, ast.Name(item, ast.Load(), **place)]
        found.func = ast.Name(REFERENCE, ast.Load(), **place)
