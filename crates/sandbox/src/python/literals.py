"""Long literals of tests, taken out of their source before it becomes a syntax tree.

Benchmarks keep thousands of inputs and results in one assignment, `inputs = [...]`. A tree of them has a node for each
number and is walked several times; compiled as an expression of its own, such a line costs a third of that, and once.
"""

import ast
import re

# What a taken-out literal is called for; the tests' scope defines it, and no name of the solution can be it.
NAME = "__hone_literal__"
LEAST_LENGTH = 2000

_ASSIGNMENT = re.compile(r"^([ \t]*[A-Za-z_]\w* = )([\[({].*[\])}])[ \t]*$", re.MULTILINE)
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_WORD = re.compile(r"\b[^\W\d]\w*")
_CONSTANTS = {"True", "False", "None"}


def _is_literal(text):
    """Whether nothing but constants is in `text`: no names, so no calls and nothing that could differ from run to run."""
    bare = _TEXT.sub("''", text)
    return "\\" not in bare and _CONSTANTS.issuperset(_WORD.findall(bare))


def _places(tree):
    """The numbers of literals that are called for as `name = __hone_literal__(number)`, and nowhere else."""
    found, all_names = [], 0
    for node in ast.walk(tree):
        all_names += type(node) is ast.Name and node.id == NAME
        if type(node) is ast.Assign and type(node.value) is ast.Call and type(node.value.func) is ast.Name:
            if node.value.func.id == NAME:
                found.append(node.value.args[0].value)
    return found if len(found) == all_names else []


def parsed(source, filename):
    """The syntax tree of `source`, and the code of each long literal that was taken out of it."""
    codes = []

    def taken(match):
        head, text = match.groups()
        if len(text) < LEAST_LENGTH or not _is_literal(text):
            return match.group()
        try:
            codes.append(compile(text, filename, "eval", dont_inherit=True))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return match.group()
        return "%s%s(%d)" % (head, NAME, len(codes) - 1)

    if len(source) >= LEAST_LENGTH and NAME not in source:
        shorter = _ASSIGNMENT.sub(taken, source)
        if codes:
            try:
                tree = ast.parse(shorter, filename)
            except SyntaxError:
                tree = None
            # A line that was part of a text, or of something longer, would not be such an assignment now.
            if tree is not None and sorted(_places(tree)) == list(range(len(codes))):
                return tree, codes
    return ast.parse(source, filename), []
