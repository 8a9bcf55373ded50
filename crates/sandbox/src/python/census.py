"""A census of a run's processes: what they use and do, by /proc, and how much memory they really hold, where no control
group counts that.

Memory is what is no file's: pages of their own, and of shared mappings and memory files. Resident pages count a page as
often as processes share it, and forks share most of what they have, with each other and
with the zygote. So the sum of resident pages only says when to look closer. What a process was born with it shares with
the zygote but for as many pages as it has had faults; if that does not bring the sum below the limit, the kernel is
asked for each process's part of what is shared (its proportional set size), while all of them stand still for the
milliseconds that this takes. After that, each page that a process gains, and each fault, which is what makes a shared
page its own, counts in full until they are measured again. Who does not want to be seen to take memory could have it
handed on by processes that end, up to what the zygote has for each process; so they are measured now and then anyway.
When a run has to end is for `zygote.py` to say.
"""

import _signal
import os
import re
import time

from standing import clock_of

# More processes, or threads that run, are a crowd.
MOST_PROCESSES = 16
# A run of many threads, of which few run, is looked at less and less often: the longest pause, in looks.
LONGEST_CALM = 8
# Unless they have to, processes are measured again only after so many times what measuring took.
MEASURING_PAUSE = 200
# Fields of what is no file's: with the part of what is shared that is a process's own, and without.
PROPORTIONAL = re.compile(rb"^Pss_(?:Anon|Shmem):\s+(\d+)", re.MULTILINE)
RESIDENT = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+)", re.MULTILINE)


class Row:
    """What a process uses and does."""

    __slots__ = ("state", "ticks", "pages", "threads", "faults", "born", "clock", "ran")

    def __init__(self, clock, ran, fields, statm):
        # Its CPU clock, and what that said before all else was read.
        self.clock, self.ran = clock, ran
        # Fields 3, 10, 14 to 17, 20 and 22 of proc(5).
        self.state = fields[0]
        self.faults = int(fields[7])
        # CPU time, of ended children that were waited for too, in clock ticks.
        self.ticks = sum(map(int, fields[11:15]))
        self.threads = int(fields[17])
        self.born = fields[19]
        # Resident pages, of files too.
        self.pages = int(statm[1])

    def is_current(self):
        """Whether it has not run since: then it is as it was, or is about to run. A clock costs a twentieth of the rest."""
        try:
            return time.clock_gettime_ns(self.clock) == self.ran
        except OSError:
            return False


class Census:
    """The processes of a run, by their names in /proc."""

    def __init__(self, page_bytes, is_namespaced, inherited):
        self.page_bytes = page_bytes
        self.is_namespaced = is_namespaced
        # Pages that a process is born with: shared with the zygote, but for some 300 that the kernel copies at the fork.
        self.inherited = inherited
        self.rows = {}
        # By name and birth, when measured: pages, the part of them, and faults; and the sum of all parts.
        self.measured = {}
        self.measured_pages = 0
        # CPU time that measuring took, in seconds: the run has to answer for it. And when it may be done again.
        self.measuring = 0.0
        self.next_measuring = 0.0
        # How often in a row too many threads were running, and looks to let go by before they are counted again.
        self.busy_looks = self.calm = self.pause = 0

    def take(self, names):
        """Looks at all of these."""
        known = self.rows
        self.rows = {}
        for name in names:
            row = known.get(name)
            if row is None or not row.is_current():
                row = look_at(name)
            if row is not None:
                self.rows[name] = row

    def ticks(self):
        """CPU time, of ended children that were waited for too."""
        return sum(row.ticks for row in self.rows.values())

    def exceeds(self, memory):
        """Whether they hold more bytes than that together."""
        most = memory // self.page_bytes
        if sum(row.pages for row in self.rows.values()) <= most:
            return False
        pages, believed = self.bound()
        is_time = believed > most / 8 and time.monotonic() >= self.next_measuring
        if pages <= most and not is_time:
            return False
        self.measure()
        return self.measured_pages > most

    def bound(self):
        """The pages they can hold at most, and how many they are believed to share with the zygote besides.

        Who has ended since it was measured counts as if it had not.
        """
        pages, believed = self.measured_pages, 0
        for name, row in self.rows.items():
            known = self.measured.get((name, row.born))
            if known is None:
                shared = min(row.pages, max(0, self.inherited - row.faults))
                pages += row.pages - shared
                believed += shared
            else:
                before, part, faults = known
                pages += max(0, row.pages - before) + min(max(0, before - part), max(0, row.faults - faults))
        return pages, believed

    def measure(self):
        """Has all of them stand still, and asks for their parts."""
        began = time.thread_time()
        self.measured = {}
        self.measured_pages = 0
        before = self.rows
        if self.is_namespaced:
            stop_all()
            self.rows = {}
            self.take(processes())
        for name, row in self.rows.items():
            part = part_of(name, self.page_bytes)
            part = row.pages if part is None else part
            self.measured[name, row.born] = row.pages, part, row.faults
            self.measured_pages += part
        if self.is_namespaced:
            self.go_on(before)
        took = time.thread_time() - began
        self.measuring += took
        self.next_measuring = time.monotonic() + MEASURING_PAUSE * took

    def go_on(self, before):
        """Lets those go on that did not stand still before."""
        for name, row in self.rows.items():
            known = before.get(name)
            row.state = known.state if known is not None and known.born == row.born else b"R"
            if row.state != b"T":
                signal(name, _signal.SIGCONT)

    def is_crowd(self):
        """Whether they are so many, or so many of their threads want to run and did at the look before too."""
        if len(self.rows) > MOST_PROCESSES:
            return True
        if self.threads() <= MOST_PROCESSES:
            self.busy_looks = 0
            return False
        if self.calm > 0:
            self.calm -= 1
            return False
        if self.running(MOST_PROCESSES + 1) > MOST_PROCESSES:
            self.busy_looks += 1
            self.pause = 0
        else:
            self.busy_looks = 0
            self.pause = min(2 * self.pause + 1, LONGEST_CALM)
            self.calm = self.pause
        return self.busy_looks > 1

    def threads(self):
        """How many threads they have."""
        return sum(row.threads for row in self.rows.values())

    def running(self, enough):
        """How many of their threads run or want to; counting ends where there are `enough`."""
        found = 0
        for name, row in self.rows.items():
            if found >= enough:
                break
            found += row.state == b"R" if row.threads < 2 else count_running(name, enough - found)[0]
        return found

    def busy(self):
        """Those that run or want to, in any of their threads, or wait for a lock of the kernel, as in a fork."""
        return [name for name in self.rows if self.state(name) in (b"R", b"D")]

    def state(self, name):
        """A process's state: of its first thread, or `R` if any other runs. The first may have ended before the others."""
        row = self.rows[name]
        if row.threads < 2 or row.state in (b"R", b"T"):
            return row.state
        found, last = count_running(name, 1)
        return b"R" if found else last or row.state

    def stop(self, name):
        """Stops a process, and notes that."""
        signal(name, _signal.SIGSTOP)
        self.rows[name].state = b"T"

    def let_go(self, name):
        """Lets a stopped process go on, and notes that."""
        signal(name, _signal.SIGCONT)
        self.rows[name].state = b"R"


def processes():
    """Names of all processes of this namespace but its first."""
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def stop_all():
    """Stops them, by one call that no fork can outrun."""
    try:
        os.kill(-1, _signal.SIGSTOP)
    except OSError:
        pass


def signal(name, number):
    try:
        os.kill(int(name), number)
    except OSError:
        pass


def resident(name):
    """A process's resident pages, of files too."""
    return int(read("/proc/%s/statm" % name, 256).split()[1])


def look_at(name):
    """A process's row; None if it is gone."""
    try:
        clock = clock_of(int(name))
        ran, fields = time.clock_gettime_ns(clock), stat(name)
        statm = read("/proc/%s/statm" % name, 256).split()
        if fields[0] == b"Z" and int(fields[17]) > 1:
            # Its first thread has ended, and shows no memory any more; any other does.
            statm = read("/proc/%s/task/%s/statm" % (name, os.listdir("/proc/%s/task" % name)[-1]), 256).split()
        return Row(clock, ran, fields, statm)
    except (OSError, IndexError, ValueError):
        return None


def count_running(name, enough):
    """How many threads of a process run, up to `enough`, and the state of the last that was looked at."""
    found, last = 0, None
    try:
        for thread in os.listdir("/proc/%s/task" % name):
            try:
                last = stat("%s/task/%s" % (name, thread))[0]
            except (OSError, IndexError):
                continue
            found += last == b"R"
            if found >= enough:
                break
    except OSError:
        pass
    return found, last


def part_of(name, page_bytes):
    """A process's pages that are no file's, shared ones by the part that is its own, or in full where the kernel does not tell
    the parts; None if the process is gone."""
    for file, fields in (("smaps_rollup", PROPORTIONAL), ("status", RESIDENT)):
        try:
            found = fields.findall(read("/proc/%s/%s" % (name, file), 4096))
        except OSError:
            continue
        if found:
            return (sum(map(int, found)) << 10) // page_bytes
    return None


def stat(name):
    """The fields of /proc/NAME/stat from the third on."""
    return read("/proc/%s/stat" % name, 1024).rpartition(b")")[2].split()


def read(path, size):
    with open(path, "rb", 0) as file:
        return file.read(size)
