"""Becoming another program: a compiler, or what a compiler made.

A child places the program's files in a read-only directory of its own while it still may, gives up every right
like any other child, and executes the program in its own place. Nothing of this file is left in that process.
"""

import _signal as signal
import ctypes
import errno
import json
import os
import resource
import stat

OUTPUT = "out"
ARTIFACT_FD = 3
MOST_OUTPUTS = 4096
NEW_MOUNTS = 0x20000
NO_SETUID_NO_DEVICES = 2 | 4
READ_ONLY_REMOUNT = 1 | 32 | NO_SETUID_NO_DEVICES

libc = ctypes.CDLL(None, use_errno=True)
order = {}


class LaunchError(OSError):
    """A step of the launch failed."""


def check(result, what):
    if result < 0:
        raise LaunchError("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def prepare(zygote, payload_fd):
    """Reads the order and places its files; still with the zygote's rights."""
    segments = read_segments(payload_fd)
    os.close(payload_fd)
    order.update(json.loads(segments[0]))
    files = list(zip(segments[1::2], segments[2::2]))
    config = zygote.config
    if config["has_mounts"]:
        folder = order["program"].encode()
        size = sum(len(data) + 8192 for _, data in files) + (64 << 10)
        # Each part of a name may be a folder of its own: Java has one for each part of a package.
        inodes = sum(1 + len(name.split(b"/")) for name, _ in files) + 64
        options = b"size=%d,nr_inodes=%d,mode=755" % (size, inodes)
        check(libc.unshare(NEW_MOUNTS), "an own mount namespace")
        check(libc.mount(b"program", folder, b"tmpfs", ctypes.c_ulong(NO_SETUID_NO_DEVICES), options), "mounting")
        place(folder, files)
        check(libc.mount(None, folder, None, ctypes.c_ulong(READ_ONLY_REMOUNT), options), "making it read-only")
    else:
        folder = (config["scratch"] + order["program"]).encode()
        os.mkdir(folder, 0o755)
        place(folder, files)
    order["folder"] = os.fsdecode(folder)
    order["scratch"] = config["scratch"]
    if config["uid"] is not None and config["uid"] != os.getuid():
        # So that the program can open its own /dev/stdout and /dev/stderr.
        for fd in range(1, payload_fd):
            os.fchown(fd, config["uid"], config["uid"])


def read_segments(fd):
    """Length-prefixed byte strings, wherever the descriptor stands."""
    data = bytearray()
    while True:
        chunk = os.pread(fd, 4 << 20, len(data))
        if not chunk:
            break
        data += chunk
    found, pos = [], 0
    view = memoryview(data)
    while pos < len(data):
        size = int.from_bytes(view[pos:pos + 4], "little")
        found.append(bytes(view[pos + 4:pos + 4 + size]))
        pos += 4 + size
    return found


def place(folder, files):
    """Writes files below a fresh directory; the supervisor has checked their names."""
    for name, data in files:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o555)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
        finally:
            os.close(fd)


def default_signals():
    """As a program finds them that no interpreter started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def execute(command):
    places = {"{program}": order["folder"], "{scratch}": order["scratch"], "{out}": order["scratch"] + "/" + OUTPUT}

    def placed(text):
        for name, path in places.items():
            text = text.replace(name, path)
        return text

    environment = {name: placed(value) for name, value in order["environment"].items()}
    command = [placed(part) for part in command]
    default_signals()
    os.execve(command[0], command, environment)


def become():
    """The program takes this process over."""
    if order.get("stack_bytes"):
        soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
        soft = order["stack_bytes"] if soft == resource.RLIM_INFINITY else min(soft, order["stack_bytes"])
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    execute(order["commands"][0])


def build():
    """Runs the compilers, one after the other, and sends what they left in `out`."""
    os.set_inheritable(ARTIFACT_FD, False)
    os.mkdir(OUTPUT)
    for command in order["commands"]:
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(order["folder"])
                execute(command)
            finally:
                os._exit(127)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
    send_outputs()
    os._exit(0)


def send_outputs():
    """Every regular file below `out`, by name: the compiler is not trusted, so links and the like are left out."""
    count = 0
    for folder, folders, names in os.walk(OUTPUT):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue
                raise
            with open(fd, "rb") as file:
                count += 1
                if not stat.S_ISREG(os.fstat(fd).st_mode) or count > MOST_OUTPUTS:
                    continue
                send(os.fsencode(os.path.relpath(path, OUTPUT)))
                send(file.read())


def send(data):
    view = memoryview(len(data).to_bytes(4, "little") + data)
    while view:
        view = view[os.write(ARTIFACT_FD, view):]
