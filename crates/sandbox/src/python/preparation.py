"""Tests made ready to run, once for all solutions of a task: what they are compiled to, what their syntax tells."""

import sys

import early
import literals
import loops
import numpy_stand_in
import suites
import syntax


class Prepared:
    """Tests ready to run: their statements that test, their code, the names in them, whether they leave traces, what they ask
    the solution ahead of time."""

    def __init__(self, source, cut=None, is_planned=False):
        # Tests of several sources share a scope, so there the literals stay in their places.
        tree, self.literals = (suites.parsed(source), []) if cut is None else literals.parsed(source, "tests.py")
        found = syntax.nodes(tree)
        self.names = syntax.Names(found)
        # What our own name means is not for the solution to say.
        self.names.used.discard(literals.NAME)
        suites.load_numpy(self.names)
        numpy_stand_in.make_strict(sys.modules.get("numpy"))
        self.is_traceless = syntax.is_traceless(found, self.names)
        can_loop = cut is not None and self.is_traceless
        self.loop = loops.arranged(tree, self.names, cut is suites.cut_check) if can_loop else None
        is_planned = is_planned and self.loop is None
        self.plan = early.planned(tree, self.names, found, cut is suites.cut_check) if is_planned else early.Plan()
        self.tests = cut(tree) if cut is not None else [tree]
        syntax.mark_in_place(found)
        self.code = suites.compiled(tree)


class Memory:
    """Tests that were prepared for earlier solutions, by their source."""

    MOST_LENGTH = 2 << 20

    def __init__(self):
        self.found = {}
        self.length = 0

    def keep(self, key, tests):
        if self.length + len(key[0]) > self.MOST_LENGTH:
            self.__init__()
        self.length += len(key[0])
        self.found[key] = tests


REMEMBERED = Memory()


def prepared(source, *how):
    """The tests of `source`, as they were prepared for an earlier solution of the same task if there was one."""
    found = REMEMBERED.found.get((source, *how))
    if found is None:
        found = Prepared(source, *how)
        REMEMBERED.keep((source, *how), found)
    return found


def planned(kind, parts):
    """The plans of tests of this kind, and the entry point of their calls."""
    if kind == "check":
        return [plan_of(parts[0], suites.cut_check)], parts[1]
    if kind == "script":
        return [plan_of(parts[0], suites.cut_script)], None
    if kind == "asserts":
        return [plan_of(source, None) for source in parts], None
    return [], None


def plan_of(source, cut):
    try:
        return prepared(source, cut, True).plan
    except Exception:
        # What is wrong with these tests is said in their place; they will not run.
        return early.Plan(is_all=True)
