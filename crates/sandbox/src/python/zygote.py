"""The zygote: first process of a worker's namespaces; forks one child a run and ends everything after it.

It never holds a program's or a test's text (the child reads that itself from a descriptor it was handed), takes
orders only from the supervisor's socket, and leaves when that socket closes. A child drops to a plain user, loses
every capability, gets its limits, Landlock and seccomp, and only then runs what it was given.
"""

import _socket
import array
import ctypes
import gc
import os
import resource
import select
import signal
import struct
import sys
import time

CONTROL_FD = 3
FIRST_FREE_FD = 12
REQUEST = struct.Struct("<6I3Q")
REPLY = struct.Struct("<iI3QI")
OP_KILL = 9
REASON_NONE, REASON_KILLED, REASON_CPU, REASON_WALL, REASON_MEMORY, REASON_SETUP = range(6)
TICK_MS = 25
# Wall time is stretched on a busy machine, but not for ever.
MOST_STRETCH = 5

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Setup(Exception):
    """A layer could not be put in force."""


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise Setup("%s: %s" % (what, os.strerror(number)))
    return result


class Landlock:
    """A ruleset made once; each child puts itself under it."""

    READ = 1 << 0 | 1 << 2 | 1 << 3
    FD_RULE = struct.Struct("<Qi")

    def __init__(self, rules):
        self.abi = libc.syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        if self.abi < 1:
            raise Setup("landlock is not available")
        handled = (1 << 13) - 1
        if self.abi >= 2:
            handled |= 1 << 13
        if self.abi >= 3:
            handled |= 1 << 14
        if self.abi >= 5:
            handled |= 1 << 15
        attributes = struct.pack("<Q", handled)
        if self.abi >= 4:
            attributes += struct.pack("<Q", 3)
        if self.abi >= 6:
            attributes += struct.pack("<Q", 3)
        self.fd = check(
            libc.syscall(444, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)), "landlock ruleset"
        )
        for path, kind in rules:
            self.allow(path, kind, handled)

    def allow(self, path, kind, handled):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        allowed = {"read": self.READ, "write": handled, "device": 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15}[kind]
        if not os.path.isdir(path):
            allowed &= 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
        rule = self.FD_RULE.pack(allowed & handled, fd)
        result = libc.syscall(445, self.fd, 1, rule, 0)
        os.close(fd)
        check(result, "landlock rule for %s" % path)

    def enforce(self):
        check(libc.syscall(446, self.fd, ctypes.c_uint(0)), "landlock")

    def close(self):
        os.close(self.fd)


class Filter:
    """The seccomp program that the supervisor assembled."""

    def __init__(self, code):
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = Program(len(code) // 8, ctypes.addressof(self._code))
        self._reference = ctypes.byref(self._program)

    def enforce(self):
        check(libc.prctl(22, ctypes.c_ulong(2), self._reference, 0, 0), "seccomp")


class Scratch:
    """The private /tmp: bounded in bytes and inodes, fresh whenever a run left a trace in it."""

    def __init__(self, path, is_mounted):
        self.path = path
        self.is_mounted = is_mounted
        self.size = 0
        self.mark = None

    def prepare(self, size):
        """Makes it empty and of that size; True if it is a new file system."""
        if self.is_mounted:
            if self.size == size and self.mark == self.state():
                return False
            if self.size:
                check(libc.umount2(self.path.encode(), 2), "unmounting /tmp")
                self.size = 0
            options = ("size=%d,nr_inodes=4096,mode=1777" % max(size, 4096)).encode()
            check(libc.mount(b"scratch", self.path.encode(), b"tmpfs", ctypes.c_ulong(6), options), "mounting /tmp")
            is_new = True
        else:
            is_new = self.size == 0
            wipe(self.path)
        self.size = size
        self.mark = self.state()
        return is_new

    def state(self):
        """Changes whenever anything in the directory was made, removed or altered by name."""
        s = os.stat(self.path)
        return s.st_ctime_ns, s.st_mtime_ns, s.st_nlink, s.st_mode, s.st_uid


def wipe(path):
    for entry in os.scandir(path):
        try:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                wipe(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
        except OSError:
            pass


class Zygote:
    def __init__(self, config):
        self.config = config
        self.is_namespaced = config["is_namespaced"]
        if self.is_namespaced != (os.getpid() == 1):
            raise Setup("the zygote is not the first process of its namespace")
        self.control = _socket.socket(fileno=CONTROL_FD)
        self.scratch = Scratch(config["scratch"], config["has_mounts"])
        self.filter = Filter(bytes.fromhex(config["seccomp"])) if config["seccomp"] else None
        self.landlock = None
        self.refresh(config["disk_bytes"])
        self.setup_read, self.setup_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.limits = {name: getattr(resource, "RLIMIT_" + name) for name in (
            "CPU", "DATA", "AS", "NPROC", "NOFILE", "FSIZE", "STACK", "CORE",
        )}
        self.hard = {name: resource.getrlimit(number)[1] for name, number in self.limits.items()}
        self.has_proc = os.path.exists("/proc/self/stat")
        self.page = resource.getpagesize()
        self.ticks = os.sysconf("SC_CLK_TCK")
        self.cores = max(1, len(os.sched_getaffinity(0)))
        if not self.is_namespaced:
            check(libc.prctl(36, ctypes.c_ulong(1), 0, 0, 0), "subreaper")

    def refresh(self, size):
        is_new = self.scratch.prepare(size)
        if self.config["has_landlock"] and (is_new or self.landlock is None):
            if self.landlock is not None:
                self.landlock.close()
            self.landlock = Landlock(self.config["rules"])

    def loop(self):
        """One request after the other until the supervisor hangs up."""
        self.control.sendall(REPLY.pack(0, 0, self.landlock.abi if self.landlock else 0, 0, 0, 0))
        while True:
            header, fds = self.receive()
            if header is None:
                self.kill_all()
                os._exit(0)
            op = header[0]
            if op == OP_KILL:
                continue
            try:
                self.refresh(header[7])
                reply = self.run(header, fds)
            except (Setup, OSError) as error:
                self.kill_all()
                self.reap([0, 0, 0])
                reply = (0, REASON_SETUP, 0, 0, 0, str(error))
            finally:
                for fd in fds:
                    os.close(fd)
            text = reply[5].encode()[:2000]
            self.control.sendall(REPLY.pack(*reply[:5], len(text)) + text)

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
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self.child(header, fds)
        reason = REASON_NONE
        used = [0, 0, 0]
        pidfd = os.pidfd_open(pid)
        try:
            reason = self.watch(header, pid, pidfd, started)
        finally:
            os.close(pidfd)
        if reason != REASON_NONE:
            self.kill_all(pid)
        _, status, usage = os.wait4(pid, 0)
        add_usage(used, usage)
        self.kill_all(pid)
        self.reap(used)
        try:
            text = os.read(self.setup_read, 4096).decode("utf-8", "replace")
        except BlockingIOError:
            text = ""
        if text:
            reason = REASON_SETUP
        return status, reason, used[0], used[1], used[2], text

    def watch(self, header, pid, pidfd, started):
        """Waits for the child's end; the reason if it has to be ended instead."""
        _, cpu_ms, wall_ms, _, _, _, memory, _, _ = header
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(CONTROL_FD, select.POLLIN)
        clock = (~pid << 3) | 2
        while True:
            for fd, _ in poller.poll(TICK_MS):
                if fd == pidfd:
                    return REASON_NONE
                request, extra = self.receive()
                for unwanted in extra:
                    os.close(unwanted)
                if request is None:
                    self.kill_all(pid)
                    os._exit(0)
                return REASON_KILLED
            wall = (time.monotonic() - started) * 1000
            if wall >= wall_ms and (wall >= wall_ms * MOST_STRETCH or wall - self.starved_ms() >= wall_ms):
                return REASON_WALL
            try:
                cpu = time.clock_gettime(clock) * 1000
            except OSError:
                cpu = 0
            if wall > 2 * TICK_MS and self.has_proc:
                tree_cpu, tree_memory = self.tree(pid)
                cpu = max(cpu, tree_cpu)
                if tree_memory > memory:
                    return REASON_MEMORY
            if cpu >= cpu_ms:
                return REASON_CPU

    def starved_ms(self):
        """How long the run was ready but the machine was busy with others: such time does not count as wall time."""
        longest = 0
        for name in os.listdir("/proc") if self.is_namespaced and self.has_proc else ():
            if name.isdigit() and name != "1":
                try:
                    with open("/proc/%s/schedstat" % name, "rb") as file:
                        longest = max(longest, int(file.read().split()[1]))
                except (OSError, IndexError, ValueError):
                    continue
        return longest / 1e6

    def tree(self, pid):
        """CPU milliseconds and resident bytes of all that runs, from /proc."""
        cpu = memory = 0
        own = str(os.getpid())
        for name in os.listdir("/proc") if self.is_namespaced else (str(pid),):
            if not name.isdigit() or name == own:
                continue
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                with open("/proc/%s/statm" % name, "rb") as file:
                    pages = file.read().split()
            except OSError:
                continue
            cpu += sum(map(int, fields[11:15]))
            memory += (int(pages[1]) - int(pages[2])) * self.page
        return cpu * 1000 / self.ticks, memory

    def kill_all(self, pid=0):
        """Ends every process but this one: atomic against forks in an own pid namespace, else as far as seen."""
        if self.is_namespaced:
            if os.getpid() == 1:
                try:
                    os.kill(-1, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return
        for _ in range(64):
            children = self.children()
            if pid:
                try:
                    os.killpg(pid, signal.SIGKILL)
                except OSError:
                    pass
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
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
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
            self.confine(header)
            os.closerange(len(fds), self.setup_write)
            run = RUNNERS[header[0]]
            os.close(self.setup_write)
            os.closerange(self.setup_write + 1, 1 << 20)
        except BaseException as error:
            try:
                os.write(self.setup_write, ("%s: %s" % (type(error).__name__, error)).encode()[:4000])
            finally:
                os._exit(125)
        try:
            run()
        except BaseException as error:
            os.write(2, ("%s: %s\n" % (type(error).__name__, error)).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(1)

    def confine(self, header):
        _, cpu_ms, _, processes, open_files, _, memory, disk, _ = header
        config = self.config
        os.chdir(self.scratch.path)
        if config["has_cgroup"] and self.has_proc:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("1000")
        seconds = max(1, -(-cpu_ms // 1000))
        self.limit("CPU", seconds, seconds + 1)
        self.limit("DATA", memory)
        self.limit("AS", memory + (1 << 30))
        self.limit("NPROC", processes + config["own_processes"])
        self.limit("NOFILE", open_files)
        self.limit("FSIZE", disk)
        self.limit("STACK", min(memory // 2, 64 << 20))
        self.limit("CORE", 0)
        drop(config["uid"])
        if self.landlock is not None:
            self.landlock.enforce()
        if self.filter is not None:
            self.filter.enforce()

    def limit(self, name, soft, hard=None):
        most = self.hard[name]
        hard = soft if hard is None else hard
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(self.limits[name], (soft, hard))


def drop(uid):
    """Becomes the plain user `uid` where that is another one, and gives up every capability."""
    if uid is not None and os.getuid() != uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    else:
        libc.prctl(47, ctypes.c_ulong(4), 0, 0, 0)
        header = struct.pack("<Ii", 0x20080522, 0)
        check(libc.capset(header, bytes(24)), "giving up capabilities")
    check(libc.prctl(38, ctypes.c_ulong(1), 0, 0, 0), "no_new_privs")
    check(libc.prctl(4, ctypes.c_ulong(1), 0, 0, 0), "dumpable")


def add_usage(used, usage):
    used[0] += int(usage.ru_utime * 1e6)
    used[1] += int(usage.ru_stime * 1e6)
    used[2] = max(used[2], usage.ru_maxrss << 10)


def preload(names):
    for name in names:
        try:
            __import__(name)
        except Exception:
            pass


def start(sources, config):
    """Makes modules of the committed sources, imports what programs often need, and serves."""
    for name, source in sources.items():
        module = type(sys)(name)
        module.__file__ = "<hone>/%s.py" % name
        sys.modules[name] = module
        exec(compile(source, module.__file__, "exec"), module.__dict__)
    program = sys.modules["program"]
    RUNNERS.update({1: program.run_script, 2: program.serve})
    if "joint" in sources:
        RUNNERS[4] = sys.modules["joint"].run_joint
    if "tester" in sources:
        RUNNERS[3] = sys.modules["tester"].main
    for name in sources:
        del sys.modules[name]
    sys.path[:] = [config["scratch"]] + [p for p in sys.path if p]
    sys.dont_write_bytecode = True
    preload(config["preload"])
    os.environ.clear()
    os.environ.update(config["environment"])
    for fd in range(CONTROL_FD + 1, FIRST_FREE_FD):
        os.dup2(0, fd)
    os.set_inheritable(CONTROL_FD, False)
    zygote = Zygote(config)
    libc.prctl(4, ctypes.c_ulong(0), 0, 0, 0)
    gc.collect()
    gc.freeze()
    zygote.loop()


RUNNERS = {}
