"""Crowds: runs of so many processes that they have to give way to every other run.

Not by niceness: a process that is starved inside the kernel, in a fork above all, keeps locks that forks of every other
process wait for, and a thousand processes of the least weight weigh as much as fifteen of the usual. So of a crowd's
busy processes one runs at a time, and the others are stopped, which takes them nothing but their time. They take turns; and
where the one whose turn it is has to share its core, all of them rest for a long while after a short turn. An honest
crowd comes to its end, then, and on a quiet machine soon. When a run has to end is for `zygote.py` to say.
"""

import _signal
import os
import re
import time

# More processes than that are a crowd.
MOST_PROCESSES = 16
LOOK_MS = 25
# The first part of a turn, after which it is known whether others want the core too; what follows if so.
PROBE_MS = 5
REST_MS = 300
# A turn on a core that nobody else wants is over after so much of it.
TURN_NS = 50_000_000
# So often even those that stand still are looked at: one of them may have let another go on.
LOOKS_UNTIL_ALL = 4
# An exact look at memory took so long; for so many times that, there is no other.
RESTS_A_LOOK = 10
# Memory that is no file's: pages of its own, and of shared mappings and memory files.
RESIDENT = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+)", re.MULTILINE)
# The same, where a page that several processes map counts once among them.
PROPORTIONAL = re.compile(rb"^Pss_(?:Anon|Shmem):\s+(\d+)", re.MULTILINE)


class Census:
    """What the processes of a run use and do, by their names in /proc."""

    def __init__(self):
        self.rows = {}
        self.next_exact_s = 0.0

    def take(self, names, still=()):
        """Looks at all of these; those that stand `still` are as they were."""
        known = self.rows
        self.rows = {}
        for name in names:
            row = known.get(name) if name in still else None
            row = row or look_at(name)
            if row is not None:
                self.rows[name] = row

    def ticks(self):
        """CPU time, of ended children that were waited for too."""
        return sum(row[1] for row in self.rows.values())

    def holds_more(self, most_bytes, page_bytes):
        """Whether the processes together hold more memory than `most_bytes`, files not counted.

        Three looks, each dearer and closer than the one before: at all that is resident, at what of that is no file's, and
        at each page once, as processes that were forked share what they have not written to.
        """
        if sum(row[2] for row in self.rows.values()) * page_bytes <= most_bytes:
            return False
        if sum(kibibytes(name, "status", RESIDENT) for name in self.rows) << 10 <= most_bytes:
            return False
        began = time.monotonic()
        if began < self.next_exact_s:
            return False
        found = sum(exact_kibibytes(name) for name in self.rows) << 10
        ended = time.monotonic()
        self.next_exact_s = ended + RESTS_A_LOOK * (ended - began)
        return found > most_bytes

    def busy(self):
        """Those that run or want to."""
        return [name for name, row in self.rows.items() if row[0] == b"R"]

    def is_crowd(self):
        return len(self.rows) > MOST_PROCESSES


def look_at(name):
    """State, ticks and resident pages of a process; None if it is gone."""
    try:
        with open("/proc/%s/stat" % name, "rb", 0) as file:
            fields = file.read(1024).rpartition(b")")[2].split()
        with open("/proc/%s/statm" % name, "rb", 0) as file:
            pages = file.read(256).split()
        return fields[0], sum(map(int, fields[11:15])), int(pages[1])
    except (OSError, IndexError, ValueError):
        return None


def exact_kibibytes(name):
    """What a process holds, with its part of what it shares; all of that where the kernel does not tell the parts."""
    return kibibytes(name, "smaps_rollup", PROPORTIONAL) or kibibytes(name, "status", RESIDENT)


def kibibytes(name, file, fields):
    """The sum of these fields of a process; nothing once it is gone."""
    try:
        with open("/proc/%s/%s" % (name, file), "rb", 0) as text:
            return sum(map(int, fields.findall(text.read(4096))))
    except OSError:
        return 0


class Crowd:
    """The turns of one run's processes."""

    def __init__(self):
        # Stopped by us, by the order of their turns.
        self.waiting = {}
        self.turn = None
        self.looks = 0
        # When to look again.
        self.look_ms = LOOK_MS

    def still(self):
        """What needs no new look this time."""
        self.looks += 1
        return self.waiting if self.looks % LOOKS_UNTIL_ALL else ()

    def take_turns(self, census):
        """Stops the busy ones but the one whose turn it is, begins the next turn, or has all of them rest."""
        rows = census.rows
        for name in [name for name in self.waiting if name not in rows or rows[name][0] != b"T"]:
            del self.waiting[name]
        busy, turn = census.busy(), self.turn
        is_shared = turn is not None and turn.is_shared(turn.name in busy)
        if is_shared or turn is not None and (turn.name not in busy or turn.is_over()):
            self.turn = None
        self.look_ms = LOOK_MS
        if self.turn is None and not self.waiting and len(busy) < 2:
            return
        for name in busy:
            if self.turn is None or name != self.turn.name:
                signal(name, _signal.SIGSTOP)
                rows[name] = (b"T", *rows[name][1:])
                self.waiting[name] = None
        if is_shared:
            self.look_ms = REST_MS
        elif self.turn is None and self.waiting:
            name = next(iter(self.waiting))
            del self.waiting[name]
            self.turn = Turn(name)
            self.look_ms = PROBE_MS
            signal(name, _signal.SIGCONT)


class Turn:
    """What a process has of a core from when it is let go on."""

    def __init__(self, name):
        self.name = name
        self.began = time.monotonic_ns()
        self.before = self.times()

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


def signal(name, number):
    try:
        os.kill(int(name), number)
    except OSError:
        pass
