"""The zygote: first process of a worker's namespaces; forks one child a run and ends everything after it.

It never holds a program's or a test's text (the child reads that itself from a descriptor it was handed), takes
orders only from the supervisor's socket, and leaves when that socket closes. A child drops to a plain user, loses
every capability, gets its limits, Landlock and seccomp, and only then runs what it was given.

What a fork costs is the pages that both sides write afterwards, so the way from fork to program is short: what can be
is computed, imported or put in force before it.
"""

import _signal
import _socket
import array
import gc
import os
import resource
import select
import struct
import sys
import time

import confine
import crowd
import preloads
from confine import Filter, Landlock, Setup, check, prctl
from scratch import Scratch
from standing import LINK_FD, REQUEST, Standing, clock_of, next_request

CONTROL_FD = 3
MACHINE_FD = 4
FIRST_FREE_FD = 12
REPLY = struct.Struct("<iII3QI")
OP_TEST = 3
OP_KILL = 9
# Python programs (scripts, judged solutions, joint tests); `launch.py` sees to the others.
OWN_OUTPUT = (1, 2, 4)
REASON_NONE, REASON_KILLED, REASON_CPU, REASON_WALL, REASON_MEMORY, REASON_SETUP, REASON_READY = range(7)
# Notes of a reply, beside those of `fullness`: time ran out, and others had too much of it.
STARVED, GAVE_WAY = 1, 8
TICK_MS = 25
SETUP_FAILED = 125
# Wall time is stretched on a busy machine, but not for ever.
MOST_STRETCH = 5


def close(fds):
    """Closes these, which are in rising order; most often they are neighbours, and one call closes all."""
    if fds and fds[-1] - fds[0] == len(fds) - 1:
        os.closerange(fds[0], fds[-1] + 1)
        return
    for fd in fds:
        os.close(fd)


class Zygote:
    def __init__(self, config):
        self.config = config
        self.is_namespaced = config["is_namespaced"]
        if self.is_namespaced != (os.getpid() == 1):
            raise Setup("the zygote is not the first process of its namespace")
        self.control = _socket.socket(fileno=CONTROL_FD)
        self.scratch = Scratch(config["scratch"], config["has_mounts"])
        self.filter = Filter(bytes.fromhex(config["seccomp"]["program"])) if config["seccomp"] else None
        self.landlock = self.standing = None
        self.refresh(config["disk_bytes"])
        self.setup_read, self.setup_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.limits = self.limits_for = None
        self.has_proc = os.path.exists("/proc/self/stat")
        self.page = resource.getpagesize()
        self.inherited = 0
        self.ticks = os.sysconf("SC_CLK_TCK")
        self.place(config["worker"])
        self.starved = 0
        # With a child that is no run's (`rehearsal.py`).
        self.is_rehearsing = False
        if not self.is_namespaced:
            check(prctl(36, 1, 0, 0, 0), "subreaper")
        # A first process gets no signal of its namespace that it has no handler for.
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        self.preference = open_preference() if config["has_cgroup"] else None
        self.own_preference = os.read(self.preference, 16) if self.preference is not None else b""

    def look_at_newborn(self):
        """Notes how many pages a child is born with, which is what it shares with this process at first."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(theirs, b"%d" % crowd.resident("self"))
            finally:
                os._exit(0)
        os.close(theirs)
        self.inherited = int(os.read(ours, 32) or 0)
        os.close(ours)
        os.waitpid(pid, 0)

    def close_down(self):
        """Gives up what only the preparations take, and all but a little of what the kernel counts by user."""
        for number, most in ((resource.RLIMIT_SIGPENDING, 1024), (resource.RLIMIT_MSGQUEUE, 0), (resource.RLIMIT_MEMLOCK, 1 << 16)):
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))
        check(prctl(4, 0, 0, 0, 0), "dumpable")
        if self.config["seccomp"]:
            Filter(bytes.fromhex(self.config["seccomp"]["zygote"])).enforce()

    def place(self, worker):
        """Stays on one core, as the other zygote of the same worker does, and so do their children at first.

        A fork that is started on another core costs half as much again: it finds cold caches there, and each page that
        it copies has to be taken out of two cores' translation tables. `spread` lets longer runs go.
        """
        self.cores = sorted(os.sched_getaffinity(0))
        self.own_core = {self.cores[worker % len(self.cores)]}
        if self.config["is_pinned"]:
            os.sched_setaffinity(0, self.own_core)

    def refresh(self, size):
        if self.scratch.is_fresh(size):
            return
        if self.scratch.is_mounted:
            self.end_standing()
        is_new = self.scratch.prepare(size)
        if self.config["has_landlock"] and (is_new or self.landlock is None):
            if self.landlock is not None:
                self.landlock.close()
            self.landlock = Landlock(self.config["rules"])

    def loop(self):
        """One request after the other until the supervisor hangs up."""
        self.control.sendall(REPLY.pack(0, 0, 0, 0, 0, 0, 0))
        while self.answer():
            pass
        self.kill_all()
        os._exit(0)

    def answer(self):
        """Does what the next request asks for; False if there is none any more."""
        header, fds = self.receive()
        if header is None:
            return False
        if header[0] == OP_KILL:
            return True
        self.starved = 0
        try:
            self.refresh(header[7])
            reply = self.run(header, fds)
        except (Setup, OSError) as error:
            self.end_standing()
            self.kill_all()
            self.reap([0, 0, 0])
            reply = (0, REASON_SETUP, 0, 0, 0, str(error))
        finally:
            close(fds)
        text = reply[5].encode()[:2000]
        notes = self.starved | (self.scratch.fullness() if reply[0] else 0)
        self.control.sendall(REPLY.pack(*reply[:2], notes, *reply[2:5], len(text)) + text)
        return True

    def receive(self):
        """A whole request with its descriptors; (None, []) at the end of the socket."""
        data, fds = b"", array.array("i")
        while len(data) < REQUEST.size:
            chunk, ancillary, _, _ = self.control.recvmsg(REQUEST.size - len(data), 64)
            for level, kind, payload in ancillary:
                if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                    fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
            if not chunk:
                return None, []
            data += chunk
        return REQUEST.unpack(data), list(fds)

    def run(self, header, fds):
        """Forks the child, waits within its limits, ends all it started. Status, reason, user, system, memory."""
        if header[0] == OP_TEST:
            return self.run_standing(header, fds)
        started = time.monotonic()
        self.prepare_limits(header)
        pid = self.fork()
        if pid == 0:
            self.child(header, fds)
        pidfd = os.pidfd_open(pid)
        try:
            reason = self.watch(header, pid, pidfd, started)
        finally:
            os.close(pidfd)
        return self.conclude(pid, reason)

    def fork(self):
        """A child, which the kernel ends before any other process of its control group should memory run out."""
        if self.preference is None:
            return os.fork()
        pid = -1
        os.write(self.preference, b"1000")
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                os.write(self.preference, self.own_preference)
        return pid

    def conclude(self, pid, reason):
        """Ends what is left of a run and adds up what it used."""
        used = [0, 0, 0]
        if reason != REASON_NONE:
            self.kill_all(pid)
        _, status, usage = os.wait4(pid, 0)
        add_usage(used, usage)
        self.end_rest(used, pid)
        text = self.objection() if status == SETUP_FAILED << 8 else ""
        if text:
            reason = REASON_SETUP
        return status, reason, used[0], used[1], used[2], text

    def run_standing(self, header, fds):
        """Like `run`, in the child that stands ready if there is one."""
        started = time.monotonic()
        if self.standing is not None and self.standing.limits != header[1:]:
            self.end_standing()
        if self.standing is None:
            self.prepare_limits(header)
            near, far = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            pid = self.fork()
            if pid == 0:
                os.dup2(far.fileno(), LINK_FD)
                self.child(header, fds)
            far.close()
            self.standing = Standing(pid, near, header)
        else:
            self.standing.send(header, fds)
        standing = self.standing
        reason = self.watch(header, standing.pid, standing.pidfd, started, standing.link, standing.spent_ms)
        if reason == REASON_READY:
            return 0, REASON_NONE, 0, 0, 0, ""
        self.standing = None
        standing.close()
        return self.conclude(standing.pid, reason)

    def end_standing(self):
        if self.standing is not None:
            standing, self.standing = self.standing, None
            standing.close()
            self.conclude(standing.pid, REASON_KILLED)

    def objection(self):
        """What the child said if it could not put a layer in force; a program can only exit like one that did."""
        try:
            return os.read(self.setup_read, 4096).decode("utf-8", "replace")
        except BlockingIOError:
            return ""

    def end_rest(self, used, pid):
        """Ends and adds up whatever the child left; most leave nothing, which one call tells."""
        if self.is_rehearsing:
            return
        if self.is_namespaced:
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
        self.kill_all(pid)
        self.reap(used)

    def watch(self, header, pid, pidfd, started, link=None, spent_ms=0):
        """Waits for the child's end; the reason if it has to be ended instead, or if it is ready for more."""
        _, cpu_ms, wall_ms, processes, _, _, memory, _, _ = header
        control = self.control.fileno()
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(control, select.POLLIN)
        if link is not None:
            poller.register(link, select.POLLIN)
        clock = clock_of(pid)
        is_long = False
        census, turns = crowd.Census(self.page, self.is_namespaced, self.inherited), None
        starved_before = 0
        while True:
            for fd, _ in poller.poll(TICK_MS if turns is None else turns.look_ms):
                if fd == pidfd:
                    return REASON_NONE
                if fd != control:
                    if link.recv(1):
                        return REASON_READY
                    poller.unregister(link)
                    continue
                request, extra = self.receive()
                close(extra)
                if request is None and not self.is_rehearsing:
                    self.kill_all(pid)
                    os._exit(0)
                return REASON_KILLED
            wall = (time.monotonic() - started) * 1000
            try:
                cpu = time.clock_gettime(clock) * 1000 - spent_ms
            except OSError:
                cpu = 0
            is_first_look = wall > TICK_MS and not is_long
            is_long |= is_first_look
            if is_long and self.has_proc:
                census.take(self.running(pid))
                cpu = max(cpu, census.ticks() * 1000 / self.ticks - spent_ms) + census.measuring * 1000
                if not self.config["has_cgroup"] and census.exceeds(memory):
                    return REASON_MEMORY
                if turns is None and self.is_namespaced and census.is_crowd():
                    turns = crowd.Crowd(min(self.own_core), self.cores)
                if turns is not None:
                    turns.take_turns(census)
            if is_first_look:
                # A standing child brings along what it waited for in earlier runs.
                starved_before = max(0, self.starved_ms() - wall)
                if self.config["is_pinned"] and turns is None:
                    self.spread(pid)
            is_late = wall >= wall_ms or cpu >= cpu_ms
            starved = self.starved_ms() - starved_before if is_late and turns is None else 0
            if is_late and turns is None and starved >= wall / 4 and cpu < wall * 3 / 4:
                # Others kept the run from three quarters of even one core.
                self.starved = STARVED
            elif is_late and turns is not None and turns.rested_ms() >= wall / 4 and turns.most < processes * 3 / 4:
                # Bombs have as many as they can get, and no second chance.
                self.starved = GAVE_WAY
            else:
                self.starved = 0
            if wall >= wall_ms and (wall >= wall_ms * MOST_STRETCH or wall - starved >= wall_ms):
                return REASON_WALL
            if cpu >= cpu_ms:
                return REASON_CPU

    def starved_ms(self):
        """How long the run was ready but the machine was busy with others: such time does not count as wall time."""
        longest = 0
        for name in self.running(0) if self.is_namespaced and self.has_proc else ():
            try:
                with open("/proc/%s/schedstat" % name, "rb") as file:
                    longest = max(longest, int(file.read().split()[1]))
            except (OSError, IndexError, ValueError):
                continue
        return longest / 1e6

    def spread(self, pid):
        """Lets a run that takes longer have all cores."""
        for name in self.running(pid):
            try:
                for thread in os.listdir("/proc/%s/task" % name) if self.has_proc else (name,):
                    os.sched_setaffinity(int(thread), self.cores)
            except OSError:
                continue

    def running(self, pid):
        """Process ids of the run, as text."""
        if not self.is_namespaced or not self.has_proc:
            return [str(pid)]
        return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def kill_all(self, pid=0):
        """Ends every process but this one: atomic against forks in an own pid namespace, else as far as seen."""
        if self.is_namespaced:
            if os.getpid() == 1:
                try:
                    os.kill(-1, _signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return
        for _ in range(64):
            children = self.children()
            if pid:
                try:
                    os.killpg(pid, _signal.SIGKILL)
                except OSError:
                    pass
            for child in children:
                try:
                    os.kill(child, _signal.SIGKILL)
                except OSError:
                    pass
            if not [c for c in children if c != pid]:
                return
            time.sleep(0.001)

    def children(self):
        try:
            with open("/proc/self/task/%d/children" % os.getpid()) as file:
                return [int(c) for c in file.read().split()]
        except OSError:
            return []

    def reap(self, used):
        """Waits for every orphan and adds what it used."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                pid, _, usage = os.wait4(-1, 0 if self.is_namespaced else os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self.kill_all()
                time.sleep(0.001)
                continue
            add_usage(used, usage)

    def child(self, header, fds):
        """Never returns: takes the descriptors, gives up everything else, runs what was asked for."""
        preloads.is_program = True
        try:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            os.setsid()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
            if header[0] == OP_TEST:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            if header[0] in OWN_OUTPUT and self.config["uid"] not in (None, os.getuid()):
                # So that the program can open its own /dev/stdout and /dev/stderr.
                os.fchown(1, self.config["uid"], self.config["uid"])
                os.fchown(2, self.config["uid"], self.config["uid"])
            if header[0] in PREPARERS:
                PREPARERS[header[0]](self, len(fds) - 1)
            self.confine()
            if header[0] == OP_TEST:
                os.closerange(len(fds), LINK_FD)
                os.closerange(LINK_FD + 1, self.setup_write)
            else:
                os.closerange(len(fds), self.setup_write)
            run = RUNNERS[header[0]]
            os.close(self.setup_write)
            os.closerange(self.setup_write + 1, 1 << 20)
        except BaseException as error:
            try:
                os.write(self.setup_write, ("%s: %s" % (type(error).__name__, error)).encode()[:4000])
            finally:
                os._exit(SETUP_FAILED)
        try:
            run()
        except BaseException as error:
            os.write(2, ("%s: %s\n" % (type(error).__name__, error)).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(1)

    def confine(self):
        for number, limit in self.limits:
            resource.setrlimit(number, limit)
        confine.drop(self.config["uid"])
        if self.landlock is not None:
            self.landlock.enforce()
        if self.filter is not None:
            self.filter.enforce()

    def prepare_limits(self, header):
        """The resource limits of the next child."""
        if self.limits_for != header:
            self.limits = confine.limits(self.config, header, header[0] == OP_TEST)
            self.limits_for = header


def open_preference():
    """The file that says whom the kernel ends, of a control group, should memory run out; forks inherit it."""
    try:
        return os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None


def add_usage(used, usage):
    used[0] += int(usage.ru_utime * 1e6)
    used[1] += int(usage.ru_stime * 1e6)
    used[2] = max(used[2], usage.ru_maxrss << 10)


def start(names, config):
    """Puts our modules, by these names, out of sight, imports what programs often need, and serves."""
    if "program" in names:
        program = sys.modules["program"]
        RUNNERS.update({1: program.run_script, 2: program.serve})
    if "launch" in names:
        launch = sys.modules["launch"]
        PREPARERS.update({5: launch.prepare, 6: launch.prepare})
        RUNNERS.update({5: launch.become, 6: launch.build})
    if "joint" in names:
        RUNNERS[4] = sys.modules["joint"].run_joint
    if "tester" in names:
        tester = sys.modules["tester"]
        RUNNERS[OP_TEST] = lambda: tester.main(next_request)
    if "warm_up" in names:
        warm_up, rehearse = sys.modules["warm_up"].warm_up, sys.modules["warm_up"].rehearse
        settle = sys.modules["pages"].settle
    for name in names:
        del sys.modules[name]
    sys.path[:] = [config["scratch"]] + config["path"]
    sys.dont_write_bytecode = True
    preloads.add_site()
    preloads.preload(config["preload"])
    os.environ.clear()
    os.environ.update(config["environment"])
    for fd in range(MACHINE_FD + 1, FIRST_FREE_FD):
        os.dup2(0, fd)
    crowd.machine = os.dup(MACHINE_FD)
    os.dup2(0, MACHINE_FD)
    os.set_inheritable(CONTROL_FD, False)
    if "warm_up" in names:
        warm_up()
    zygote = Zygote(config)
    gc.collect()
    gc.freeze()
    if "warm_up" in names:
        settle()
        rehearse(zygote)
    if zygote.has_proc and not config["has_cgroup"]:
        zygote.look_at_newborn()
    zygote.close_down()
    zygote.loop()


# By operation: what a child does once it has no rights left, and what before it gives them up.
RUNNERS = {}
PREPARERS = {}
