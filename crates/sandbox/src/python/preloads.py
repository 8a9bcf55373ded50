"""What programs find loaded already."""

import os
import sys

# What modules want done in a child after a fork.
FORK_HOOKS = []
# Whether this process is a run's, and so its children are a program's.
is_program = False


def preload(names):
    """Imports what programs often need. What modules want done after each fork is left to the children's own forks:
    a child of this process has but one thread, whose locks are free."""
    register = os.register_at_fork

    def later(**hooks):
        hook = hooks.pop("after_in_child", None)
        if hook is not None:
            FORK_HOOKS.append(hook)
        if hooks:
            register(**hooks)

    os.register_at_fork = later
    for name in names:
        try:
            __import__(name)
        except Exception:
            pass
    os.register_at_fork = register
    register(after_in_child=after_fork)
    # Every run draws the same numbers, as it sees sets in the same order.
    if "random" in sys.modules:
        sys.modules["random"].seed(0)


def after_fork():
    """In what a program forked, not in a program itself."""
    if is_program:
        for hook in FORK_HOOKS:
            hook()


def add_site():
    """What `site` would do, without the code that packages have it run (the interpreter was started with -S)."""
    import site

    site.setquit()
    site.setcopyright()
    site.sethelper()
