"""The two ends of the channel between tests and solution: requests, answers, and objects that stay where they are.

What is data crosses as data. What is not (functions, classes, instances, generators) stays in its process and
crosses as a number; the other end holds a `Remote`, which can be called and asked for data, but never decides an
equality or a truth value: the solution must not judge itself.

What the solution says is read by the codec only. What the tests say to the solution is their own, so calls whose
arguments are plain data go that way, and that way only, as a pickle that holds nothing but exact built-in types.
"""

import _pickle
import io
import os
import re
import struct

import codec
import errors

_U32 = struct.Struct("<I")
# A call as a pickle: a byte that begins no frame of the codec, sequence, target, whether it is made in place.
_CALL = struct.Struct("<BII?")
_CALL_BYTE = 1
# A plain answer: such a byte, sequence, then the result as the codec writes it.
_ANSWER = struct.Struct("<BI")
_ANSWER_BYTE = 2
# Many calls of one function: such a byte, sequence, target, then a pickle of the list of their arguments (`ahead.py`).
_CALLS = struct.Struct("<BII")
_CALLS_BYTE = 3
# Answers to some of them: such a byte, sequence, whether the others will not be made, then the list as the codec writes it.
_ANSWERS = struct.Struct("<BI?")
_ANSWERS_BYTE = 4
# Calls made before anything is known of the solution: such a byte, sequence, then a pickle of a list of paths (`f`, `Class().f`)
# and arguments (`early.py`).
_EARLY = struct.Struct("<BI")
_EARLY_BYTE = 5
_READ_AHEAD = 16 << 10


class Gone(BaseException):
    """The other process ended or broke the protocol; nothing may be believed after it."""


def refuse(what):
    raise TypeError(
        "%s of an object that lives in the solution's process: tests compare data, "
        "so that a solution cannot decide its own verdict (tests of its own classes are of the kind `joint`)" % what
    )


class NotPlain(Exception):
    """The arguments are not only data of exact built-in types."""


class PlainPickler(_pickle.Pickler):
    """Writes exact built-in types; the pickler asks about anything else, and is refused."""

    def reducer_override(self, value):
        raise NotPlain


def pickled(arguments):
    """The arguments as a pickle, or None if they are not plain data."""
    file = io.BytesIO()
    try:
        PlainPickler(file, 5).dump(arguments)
    except (NotPlain, RecursionError):
        return None
    return file.getvalue()


class Remote:
    """An object of the other process."""

    __slots__ = ("_peer", "_id")

    def __init__(self, peer, number):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_id", number)

    def __call__(self, *args, **kwargs):
        return self._peer.ask("call", self, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__name__", "__doc__", "__annotations__", "__dict__"):
            raise AttributeError(name)
        return self._peer.ask("get", self, (name,), {})

    def __setattr__(self, name, value):
        self._peer.ask("set", self, (name, value), {})

    def __iter__(self):
        return RemoteIterator(self._peer, self._peer.ask("iter", self, (), {}))

    def __next__(self):
        return self._peer.ask("next", self, (), {})

    def __len__(self):
        return data(self._peer.ask("len", self, (), {}), int)

    def __getitem__(self, key):
        return self._peer.ask("item", self, (key,), {})

    def __setitem__(self, key, value):
        self._peer.ask("setitem", self, (key, value), {})

    def __str__(self):
        return data(self._peer.ask("str", self, (), {}), str)

    def __repr__(self):
        return data(self._peer.ask("repr", self, (), {}), str)

    def __enter__(self):
        return self._peer.ask("enter", self, (), {})

    def __exit__(self, kind, value, trace):
        self._peer.ask("exit", self, (), {})
        return False

    def __bool__(self):
        return data(self._peer.ask("truth", self, (), {}), bool)

    def _compare(self, other):
        refuse("comparison")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare

    def __hash__(self):
        return object.__hash__(self)


class RemoteIterator:
    """Iterates an iterator of the other process."""

    def __init__(self, peer, remote):
        self._peer, self._remote = peer, remote

    def __iter__(self):
        return self

    def __next__(self):
        if not isinstance(self._remote, Remote):
            refuse("iteration")
        return self._peer.ask("next", self._remote, (), {})


def data(value, kind):
    if type(value) is not kind:
        raise TypeError("expected %s, found %s" % (kind.__name__, type(value).__name__))
    return value


def _truth(target):
    """A match is what functions return for yes; the truth of anything else is not the solution's to say."""
    if type(target) is not re.Match:
        refuse("truth value")
    return True


def _call(target, /, *args, **kwargs):
    return target(*args, **kwargs)


def _item(target, key):
    return target[key]


def _setitem(target, key, value):
    target[key] = value


OPERATIONS = {
    "call": _call,
    "get": getattr,
    "set": setattr,
    "iter": iter,
    "next": next,
    "len": len,
    "truth": _truth,
    "item": _item,
    "setitem": _setitem,
    "str": str,
    "repr": repr,
    "enter": lambda target: type(target).__enter__(target),
    "exit": lambda target: type(target).__exit__(target, None, None, None) and None,
}


def answers_head(sequence, is_stopped, size):
    """What stands before `size` bytes of answers."""
    return _U32.pack(_ANSWERS.size + size) + _ANSWERS.pack(_ANSWERS_BYTE, sequence, is_stopped)


class Peer:
    """One end. `operations` is what the other end may ask of objects that live here."""

    def __init__(self, fd, operations, describe, is_other_trusted=False):
        self.fd = fd
        self.operations = operations
        self.describe = describe
        self.is_other_trusted = is_other_trusted
        self.calls = 0
        self.is_gone = False
        # Calls that went out before anything was asked for; takes what comes back from them.
        self.early = None
        self.last_error = self.last_raised = None
        self.exception_classes = {}
        self.shared_classes = {}
        self._sequence = 0
        self._objects = []
        self._numbers = {}
        # One for each object of the other end, so that `is` tells them apart.
        self._remotes = {}
        self._ahead, self._position = b"", 0

    def send(self, value):
        self._send(b"", codec.encode(value, self._handle, self._name_of))

    def send_answer(self, sequence, result):
        self._send(_ANSWER.pack(_ANSWER_BYTE, sequence), codec.encode(result, self._handle, self._name_of))

    def send_call(self, sequence, target, args, kwargs, is_in_place):
        body = pickled((args, kwargs))
        if body is None or len(body) >= codec.MAX_FRAME:
            self.send(("ask", sequence, "call", target, args, kwargs, is_in_place))
        else:
            self._send(_CALL.pack(_CALL_BYTE, sequence, target._id, is_in_place), body)

    def send_calls(self, target, arguments):
        """Calls a function of the other end with each of the pickled `arguments`; the sequence of the answers."""
        self._check_presence()
        self._sequence += 1
        self._send(_CALLS.pack(_CALLS_BYTE, self._sequence, target._id), arguments)
        return self._sequence

    def send_early(self, calls):
        """Has the pickled `calls` made as soon as the solution is loaded; the sequence of the answers."""
        self._sequence += 1
        try:
            self._send(_EARLY.pack(_EARLY_BYTE, self._sequence), calls)
        except Gone:
            # What it said before it ended is still to be read.
            self.is_gone = False
        return self._sequence

    def wait_for_early(self):
        """Waits until something came back from the early calls."""
        self._check_presence()
        self._wait(None, None, False)

    def next_answers(self, sequence, most):
        """Some answers to such calls, and whether there will be no more; an exception is raised as `ask` does it."""
        _, _, found, is_stopped = self._wait(sequence, "answers", False)
        if type(found) is not list or not 0 < len(found) <= most:
            self._end("the solution's process broke the protocol")
        return found, is_stopped is True

    def _send(self, head, body):
        head = _U32.pack(len(head) + len(body)) + head
        if len(body) < _READ_AHEAD:
            self._write(head + body)
        else:
            # Megabytes are not copied once more.
            self._write(head)
            self._write(body)

    def receive(self):
        """The next message, exactly as the codec decodes it."""
        try:
            size = _U32.unpack(self._read(4))[0]
            if size > codec.MAX_FRAME:
                raise codec.CodecError("frame is too long")
            message = self._message(self._read(size))
        except Exception as error:
            self._end("the solution's process answered with what is not a message (%s)" % type(error).__name__)
        if type(message) is not tuple or len(message) < 3:
            self._end("the solution's process answered with what is not a message")
        return message

    def _message(self, body):
        if body[0] == _ANSWER_BYTE:
            result = codec.decode(body, self._resolve, self._make, _ANSWER.size)
            return "answer", _ANSWER.unpack_from(body)[1], result, None
        if body[0] == _ANSWERS_BYTE:
            _, sequence, is_stopped = _ANSWERS.unpack_from(body)
            found = codec.decode(body, self._resolve, self._make, _ANSWERS.size)
            return "answers", sequence, found, is_stopped
        if body[0] == _CALL_BYTE and self.is_other_trusted:
            _, sequence, number, is_in_place = _CALL.unpack_from(body)
            args, kwargs = _pickle.loads(memoryview(body)[_CALL.size:])
            return "ask", sequence, "call", self._objects[number], args, kwargs, is_in_place
        if body[0] == _CALLS_BYTE and self.is_other_trusted:
            _, sequence, number = _CALLS.unpack_from(body)
            return "calls", sequence, self._objects[number], _pickle.loads(memoryview(body)[_CALLS.size:])
        if body[0] == _EARLY_BYTE and self.is_other_trusted:
            return "early", _EARLY.unpack_from(body)[1], _pickle.loads(memoryview(body)[_EARLY.size:])
        return codec.decode(body, self._resolve, self._make)

    def ask(self, operation, target, args, kwargs, is_in_place=False):
        """Asks the other end and waits; its exception is raised here anew (`errors.py`)."""
        self._check_presence()
        self.calls += 1
        self._sequence += 1
        sequence = self._sequence
        if operation == "call" and type(target) is Remote and not self.is_other_trusted:
            self.send_call(sequence, target, args, kwargs, is_in_place)
        else:
            self.send(("ask", sequence, operation, target, args, kwargs, is_in_place))
        _, _, result, after = self._wait(sequence, "answer", operation == "next")
        if is_in_place:
            write_back(args, kwargs, after)
        return result

    def _check_presence(self):
        if self.is_gone:
            raise Gone("the solution's process has ended")

    def _wait(self, sequence, wanted, is_iterating):
        """The next message of the kind `wanted`, of four parts; until then, does what the other end asks for. If none is
        wanted, waits for something of the early calls.
        """
        while True:
            message = self.receive()
            kind = message[0]
            if kind == "ask" and len(message) == 7:
                self.answer(message)
            elif kind == wanted and message[1] == sequence and len(message) == 4:
                return message
            elif kind == "raise" and message[1] == sequence and len(message) == 7:
                self.raise_again(message, is_iterating)
            elif self.early is not None and self.early.takes(message):
                if wanted is None:
                    return None
            else:
                self._end("the solution's process broke the protocol")

    def raise_again(self, message, is_iterating=False):
        """Raises what the other end says was raised there."""
        self.last_error = message[2:]
        self.last_raised = errors.again(self.exception_classes, *message[2:5], is_iterating)
        raise self.last_raised

    def answer(self, message):
        """Does what the other end asks of an object here, and answers."""
        _, sequence, operation, target, args, kwargs, is_in_place = message
        try:
            if not self.may_be_asked(target):
                raise TypeError("only functions that were passed as arguments can be called")
            result = self.operations[operation](target, *args, **kwargs)
            if is_in_place:
                self.send(("answer", sequence, result, (args, kwargs)))
            else:
                self.send_answer(sequence, result)
        except Gone:
            raise
        except BaseException as error:
            if self.is_gone:
                raise
            self.send(("raise", sequence) + self.describe(error))

    def _handle(self, value):
        if type(value) is Remote:
            return b"r", value._id
        if type(value) is RemoteIterator:
            return b"r", value._remote._id
        if not self.may_share(value):
            raise TypeError("%s cannot be sent to the other process" % type(value).__name__)
        number = self._numbers.get(id(value))
        if number is None:
            number = len(self._objects)
            self._objects.append(value)
            self._numbers[id(value)] = number
        return b"o", number

    def may_share(self, value):
        return True

    def may_be_asked(self, target):
        return True

    def was_shared(self, target):
        """Whether `target` is an object of this end that the other end was given."""
        number = self._numbers.get(id(target))
        return number is not None and self._objects[number] is target

    def _name_of(self, value):
        """Name of a class that both ends define: its instances cross as their attributes."""
        name = type(value).__name__
        return name if self.shared_classes.get(name) is type(value) and type(value.__dict__) is dict else None

    def _make(self, name):
        return object.__new__(self.shared_classes[name])

    def _resolve(self, tag, number):
        if tag == b"r":
            return self._objects[number]
        remote = self._remotes.get(number)
        if remote is None:
            remote = self._remotes[number] = Remote(self, number)
        return remote

    def _end(self, why):
        self.is_gone = True
        raise Gone(why)

    def _write(self, payload):
        view = memoryview(payload)
        try:
            while view:
                view = view[os.write(self.fd, view):]
        except OSError:
            self._end("the solution's process has ended")

    def _read(self, size):
        end = self._position + size
        if end > len(self._ahead):
            chunks, missing = [self._ahead[self._position:]], end - len(self._ahead)
            while missing > 0:
                try:
                    chunk = os.read(self.fd, min(max(missing, _READ_AHEAD), 1 << 20))
                except OSError:
                    # It ended before it read all that was sent.
                    chunk = b""
                if not chunk:
                    self._end("the solution's process has ended")
                chunks.append(chunk)
                missing -= len(chunk)
            self._ahead, self._position, end = b"".join(chunks), 0, size
        data, self._position = self._ahead[self._position:end], end
        if end == len(self._ahead):
            self._ahead, self._position = b"", 0
        return data


def write_back(args, kwargs, after):
    """Makes the caller's mutable arguments equal to what the call left of them."""
    if type(after) is not tuple or len(after) != 2 or type(after[0]) is not tuple or type(after[1]) is not dict:
        return
    pairs = list(zip(args, after[0])) + [(v, after[1].get(k)) for k, v in kwargs.items()]
    for before, now in pairs:
        if type(before) is not type(now):
            continue
        if type(before) in (list, bytearray):
            before[:] = now
        elif type(before) in (dict, set):
            before.clear()
            before.update(now)
        elif type(before).__name__ == "deque":
            before.clear()
            before.extend(now)
        elif is_twin(before) and before is not now:
            before.__dict__.clear()
            before.__dict__.update(now.__dict__)


def is_twin(value):
    """Whether it is, among arguments that came back, an instance of a class that both ends define."""
    kind = type(value)
    return bool(kind.__flags__ & 1 << 9 and kind.__dictoffset__) and not isinstance(value, dict)
