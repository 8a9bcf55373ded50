"""The program's side: runs the untrusted program, as a script or as a module that answers the tester.

Everything here shares a process with the program, so nothing it says is believed: reports are advice about
where the program failed, answers are data.
"""

import _thread
import builtins
import os
import sys

import ahead
import errors
import peer as channel

RPC_FD = 3
PAYLOAD_FD = 4
# Programs that say one of these may read their own file, or have it run by other interpreters: only they get one.
FILE_WORDS = ("__file__", "spawn", "forkserver") + (("multiprocessing", "ProcessPool") if sys.version_info >= (3, 14) else ())
# Programs that say one of these may hold what acts when it goes: finalizers, writers of their own with unwritten text.
END_WORDS = ("__del__", "open(1", "'w'", '"w"', "/dev/std", "fdopen(", "FileIO(", "IOWrapper(", "BufferedWriter(")


def segments(fd):
    """The payload, a memory file: length-prefixed byte strings."""
    size = os.fstat(fd).st_size
    payload = os.pread(fd, size, 0)
    while len(payload) < size:
        payload += os.pread(fd, size - len(payload), len(payload))
    os.close(fd)
    found = []
    pos = 0
    while pos < len(payload):
        size = int.from_bytes(payload[pos:pos + 4], "little")
        found.append(payload[pos + 4:pos + 4 + size])
        pos += 4 + size
    return found


def load(source, name, filename):
    """Runs `source` as a real module, so that dataclasses, pickle and inspect work as in a file."""
    module = type(sys)(name)
    module.__file__ = "/tmp/" + filename
    if any(word in source for word in FILE_WORDS):
        module.__file__ = os.path.abspath(filename)
        with open(module.__file__, "w", encoding="utf-8") as file:
            file.write(source)
    module.__builtins__ = builtins
    sys.modules[name] = module
    sys.argv = [filename]
    if "linecache" in sys.modules:
        lines = source.splitlines(True)
        sys.modules["linecache"].cache[filename] = (len(source), None, lines, filename)
    code = compile(source, filename, "exec", dont_inherit=True)
    return module, code


def report(kind, message, line, column, is_compile_error):
    """One advisory report to the supervisor."""
    import json

    message = message[:2000].encode("utf-8", "replace").decode()
    body = {"kind": kind[:200], "message": message, "line": line, "column": column, "compile": is_compile_error}
    try:
        os.write(RPC_FD, json.dumps(body).encode())
    except OSError:
        pass


def text(source):
    """A program's text: a byte order mark is not part of it, and what is no UTF-8 is replaced."""
    return source.decode("utf-8-sig", "replace")


def flush(stream):
    """Writes out what a stream holds, where the program has left a stream there that can."""
    try:
        stream.flush()
    except BaseException:
        pass


def let_go():
    """What of the interpreter's end can be seen: finalizers run, and writers write what they hold."""
    import gc
    import io

    for thing in gc.get_objects():
        try:
            if isinstance(thing, io.IOBase):
                flush(thing)
            elif hasattr(type(thing), "__del__"):
                type(thing).__del__(thing)
        except BaseException:
            pass


def leave(code, source=""):
    """Ends the process as the interpreter would after the program `source`, without the cost of taking it apart."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException:
        pass
    flush(sys.stdout)
    flush(sys.stderr)
    if any(word in source for word in END_WORDS):
        let_go()
        flush(sys.stdout)
        flush(sys.stderr)
    os._exit(code)


def exit_code(error):
    """The exit status that `SystemExit` asks for."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def show(error, filename):
    """The traceback on stderr, beginning with the program's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, trace)
        return
    import traceback

    traceback.print_exception(type(error), error, trace)


def run_script():
    """A plain run: the program is `__main__`, stdin and stdout are its own."""
    filename = "program.py"
    os.set_inheritable(RPC_FD, False)
    source = text(segments(PAYLOAD_FD)[0])
    try:
        module, code = load(source, "__main__", filename)
    except BaseException as error:
        _, message, _, line, column = errors.describer(filename)(error)
        report(type(error).__name__, message, line, column, True)
        show(error, filename)
        leave(1)
    status = 0
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        status = exit_code(error)
    except BaseException as error:
        status = 1
        _, message, _, line, column = errors.describer(filename)(error)
        report(type(error).__name__, message, line, column, False)
        try:
            show(error, filename)
        except BaseException:
            pass
    leave(status, source)


def exports(module):
    """What the program defines, by name: `module`, `from`, `exception` or `object`."""
    found = {}
    for name, value in list(vars(module).items()):
        if type(name) is not str or name.startswith("__"):
            continue
        if isinstance(value, type(sys)):
            found[name] = ("module", value.__name__)
        elif isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == module.__name__:
            found[name] = ("exception", tuple(c.__name__ for c in value.__mro__[1:]))
        elif getattr(value, "__module__", None) in sys.stdlib_module_names and hasattr(value, "__name__"):
            found[name] = ("from", value.__module__, value.__name__)
        else:
            found[name] = ("object",)
    return found


def in_turns(ask):
    """Threads of the program may call the tests' functions at the same time; each waits for its own answer."""
    turn = _thread.RLock()

    def asked(*args, **kwargs):
        with turn:
            return ask(*args, **kwargs)

    return asked


def share(peer, module, names):
    """Takes the program's own classes of these names as the other end's twins."""
    for name in names:
        value = getattr(module, name, None)
        if isinstance(value, type) and issubclass(value, object):
            peer.shared_classes[name] = value


def caller(module):
    """Makes a call of what the program has under a path: `f`, `Class.f` or `Class().f`."""
    targets = {}

    def make(call):
        path, arguments = call
        if path not in targets:
            targets[path] = found(module, path)
        return targets[path](*arguments)

    return make


def found(module, path):
    first, *rest = path.split(".")
    name = first.removesuffix("()")
    target = getattr(module, name)
    if name != first:
        target = target()
    for attribute in rest:
        target = getattr(target, attribute)
    return target


def serve():
    """A judged run: the program is the module `solution`; the tester asks, this answers until it hangs up."""
    os.set_inheritable(RPC_FD, False)
    # The tests are through; what the program would do at its end is nobody's concern any more.
    code = converse(RPC_FD, PAYLOAD_FD)
    os._exit(code)


def converse(rpc_fd, payload_fd):
    """Loads the program and answers what is asked of it; 0 once the other end has hung up."""
    filename = "solution.py"
    owner = os.getpid()
    describe = errors.describer(filename)
    source = text(segments(payload_fd)[0])
    peer = channel.Peer(rpc_fd, None, describe, is_other_trusted=True)
    peer.ask = in_turns(peer.ask)
    try:
        module, code = load(source, "solution", filename)
    except BaseException as error:
        peer.send(("broken", 0, True) + describe(error))
        leave(1)
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        if os.getpid() != owner:
            os._exit(1)
        peer.send(("broken", 0, False) + describe(error))
        leave(1)
    if os.getpid() != owner:
        os._exit(0)
    operations = dict(channel.OPERATIONS)
    operations["name"] = lambda target, name: getattr(module, name)
    operations["share"] = lambda target, *names: share(peer, module, names)
    peer.operations = operations
    peer.send(("ready", 0, exports(module)))
    try:
        while True:
            message = peer.receive()
            if os.getpid() != owner:
                os._exit(0)
            if message[0] == "calls":
                _, sequence, target, calls = message
                ahead.answer_all(peer, sequence, lambda arguments: target(*arguments), calls, ahead.MOST_ANSWERS)
            elif message[0] == "early":
                ahead.answer_all(peer, message[1], caller(module), message[2], 1)
            else:
                peer.answer(message)
            flush(sys.stdout)
    except channel.Gone:
        return 0
    except BaseException:
        return 1
