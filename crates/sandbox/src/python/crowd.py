"""Crowds: runs of so many processes, or threads, that they have to give way to every other run.

Not by niceness: a process that is starved inside the kernel, in a fork above all, keeps locks that forks of every other
process wait for, and a thousand processes of the least weight weigh as much as fifteen of the usual. So of a crowd's
busy processes one runs at a time, and the others are stopped, which takes them nothing but their time. They take turns; and
where the one whose turn it is has to share its core, all of them rest for a long while after a short turn. An honest
crowd comes to its end, then, and on a quiet machine soon. When a run has to end is for `zygote.py` to say.

A process of many threads cannot tell whether it shares a core: its threads share it among themselves. So all of them are
kept on one core, and what that core does while the whole crowd stands still tells whether others want it.
"""

import _signal
import os
import time

from census import MOST_PROCESSES, Census, resident, signal, stop_all

__all__ = ["Census", "Crowd", "resident"]

LOOK_MS = 25
# The first part of a turn, after which it is known whether others want the core too; what follows if so.
PROBE_MS = 5
# A rest takes so many times what the turn before it took, within these bounds.
RESTS = 60
SHORTEST_REST_MS, LONGEST_REST_MS = 300, 1500
# A turn on a core that nobody else wants is over after so much of it.
TURN_NS = 50_000_000
# How often a crowd is looked at that stands still as a whole: one of them may wake and let others go on.
CALM_LOOK_MS = 100
# How long the turn of a process of many threads is where its core is idle without it, and how long that is looked at.
SHIFT_MS = 120
PAUSE_MS = 30

# The machine's /proc/stat, which the supervisor opened, if it could: the zygote's own /proc shows only processes.
machine = None


class Crowd:
    """The turns of one run's processes. `core`: where those of many threads have to stay, of all `cores`."""

    def __init__(self, core, cores):
        self.core = core
        self.cores = cores
        # Of many threads, kept on the core.
        self.kept = set()
        # Stopped by us, by the order of their turns.
        self.waiting = {}
        self.turn = self.pause = None
        # The most threads that it was seen to have, and how long all of it rests in all because others wanted its core.
        self.most = self.rests_ms = 0
        # When the last rest is over.
        self.rest_until = 0.0
        # When to look again.
        self.look_ms = LOOK_MS

    def take_turns(self, census):
        """Stops the busy ones but the one whose turn it is, begins the next turn, or has all of them rest."""
        rows = census.rows
        self.most = max(self.most, census.threads())
        for name in [name for name in self.waiting if name not in rows or census.state(name) != b"T"]:
            del self.waiting[name]
        # A process gets the signal with its birth if all got it meanwhile.
        self.waiting.update((name, None) for name in rows if name not in self.waiting and census.state(name) == b"T")
        busy, turn = census.busy(), self.turn
        if time.monotonic() < self.rest_until:
            self.rest_on(busy, census)
            return
        is_shared = turn is not None and turn.is_shared(turn.name in busy)
        if is_shared or turn is not None and (turn.name not in busy or turn.is_over()):
            self.turn = None
        self.look_ms = LOOK_MS
        if self.turn is None and not self.waiting and is_few(census):
            self.release()
            return
        if is_shared or self.turn is None and not self.waiting:
            self.stop_with_newborn(busy, rows)
        self.stop(busy, census)
        if is_shared:
            self.rest(min(LONGEST_REST_MS, max(SHORTEST_REST_MS, RESTS * turn.lasted_ms())), rows)
        elif self.turn is None and self.waiting:
            self.begin(next(iter(self.waiting)), census)

    def rest(self, rest_ms, rows):
        """Has all of them stand still for so long."""
        self.pause = Pause(self.core)
        self.rests_ms += rest_ms
        self.rest_until = time.monotonic() + rest_ms / 1000
        self.look_in_rest(rows)

    def rested_ms(self):
        """How long all of it stood still until now."""
        return self.rests_ms - max(0, self.rest_until - time.monotonic()) * 1000

    def rest_on(self, busy, census):
        """Stops those that only waited when the rest began, and have something to do since."""
        if busy:
            self.stop_with_newborn(busy, census.rows)
            self.stop(busy, census)
        self.look_in_rest(census.rows)

    def look_in_rest(self, rows):
        """Looks less often where nobody can be up to anything, and not long after the rest is over."""
        look_ms = LOOK_MS if len(self.waiting) < len(rows) else CALM_LOOK_MS
        self.look_ms = max(1, min(look_ms, (self.rest_until - time.monotonic()) * 1000))

    def stop(self, busy, census):
        """Stops these but the one whose turn it is."""
        for name in busy:
            if self.turn is None or name != self.turn.name:
                census.stop(name)
                self.keep(name, census.rows[name].threads)
                self.waiting[name] = None

    def stop_with_newborn(self, busy, rows):
        """Stops all but those that only wait, by one signal for all: those that are being forked get no other, and would go on
        in their parents' place."""
        stop_all()
        for name in rows:
            if name not in self.waiting and name not in busy:
                signal(name, _signal.SIGCONT)

    def begin(self, name, census):
        """Lets a process go on; one of many threads not before it is known what its core does without the crowd."""
        if census.rows[name].threads < 2:
            self.turn, self.look_ms = Turn(name), PROBE_MS
        elif self.pause is None:
            self.pause, self.look_ms = Pause(self.core), PAUSE_MS
            return
        else:
            self.turn = Shift(name, self.pause.is_idle())
            self.look_ms = self.turn.look_ms
        self.pause = None
        del self.waiting[name]
        census.let_go(name)

    def keep(self, name, threads):
        """Keeps a process of many threads on the crowd's core; the threads that they start stay there as well."""
        if threads > 1 and name not in self.kept:
            self.kept.add(name)
            place(name, {self.core})

    def release(self):
        """Gives those that were kept on a core all of them again."""
        for name in self.kept:
            place(name, self.cores)
        self.kept.clear()


def is_few(census):
    """Whether what is busy may go on without turns."""
    most = 1 if len(census.rows) > MOST_PROCESSES else MOST_PROCESSES
    return census.running(most + 1) <= most


class Turn:
    """What a process has of a core from when it is let go on."""

    def __init__(self, name):
        self.name = name
        self.began = time.monotonic_ns()
        self.before = self.times()

    def lasted_ms(self):
        """How long it has been going on."""
        return (time.monotonic_ns() - self.began) / 1e6

    def times(self):
        """Nanoseconds that it ran, and that it was ready but had to wait; none of either once it is gone."""
        try:
            with open("/proc/%s/schedstat" % self.name, "rb", 0) as file:
                ran, waited = file.read(128).split()[:2]
        except (OSError, ValueError):
            return 0, 0
        return int(ran), int(waited)

    def is_shared(self, is_busy):
        """Whether others wanted the core too."""
        ran, waited = (now - before for now, before in zip(self.times(), self.before))
        # What it waits for just now is not among its times yet.
        is_late = is_busy and ran < (time.monotonic_ns() - self.began) / 2
        return is_late or waited > 1_000_000 + ran / 4

    def is_over(self):
        return self.times()[0] - self.before[0] >= TURN_NS


class Shift:
    """The turn of a process of many threads: long on a core that was idle before, else short, with a rest after it."""

    def __init__(self, name, is_idle):
        self.name = name
        self.is_idle = is_idle
        self.began = time.monotonic()
        self.look_ms = LOOK_MS if is_idle else PROBE_MS

    def lasted_ms(self):
        """How long it has been going on."""
        return (time.monotonic() - self.began) * 1000

    def is_shared(self, _is_busy):
        return not self.is_idle

    def is_over(self):
        return self.lasted_ms() >= SHIFT_MS


class Pause:
    """A core from when all of a crowd were stopped."""

    def __init__(self, core):
        self.core = core
        self.began = time.monotonic()
        self.before = idle_ms(core)

    def is_idle(self):
        """Whether nobody wanted it for half of the time; no, if the machine does not tell."""
        idle = idle_ms(self.core)
        if idle is None or self.before is None:
            return False
        return idle - self.before >= (time.monotonic() - self.began) * 1000 / 2


def idle_ms(core):
    """How long a core has had nothing to do, in steps of 10 ms; None if the machine does not tell."""
    if machine is None:
        return None
    try:
        mark = b"cpu%d " % core
        for line in os.pread(machine, 1 << 16, 0).splitlines():
            if line.startswith(mark):
                idle, waiting = line.split()[4:6]
                return (int(idle) + int(waiting)) * 1000 / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        pass
    return None


def place(name, cores):
    """Puts all threads of a process on some cores."""
    try:
        for thread in os.listdir("/proc/%s/task" % name):
            os.sched_setaffinity(int(thread), cores)
    except OSError:
        pass

