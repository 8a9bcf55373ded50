"""Many calls of one function in one crossing: the tests send all arguments, the solution answers while they compare.

Both ends are here. Each call is as if it were made alone: arguments are copies, an answer is taken down as soon as it is
given, and what ends the solution's process leaves the answers that were sent. At an exception, and at an answer that is no
data (a generator, say, which later calls could disturb), the solution stops, and the tests go on call by call.

As everywhere, what the solution says is read by the codec only.
"""

import _pickle
import os
import sys
import time

import codec
import peer as channel

# Answers that nothing can change while they wait for others.
SCALARS = frozenset((int, float, str, bool, type(None)))
# Calls, and bytes of their arguments, that are sent at once.
MOST_CALLS = 4096
MOST_BYTES = 1 << 20
# Answers wait for others until they are so many, so large or so old. The first ones hardly wait: a wrong one ends the tests.
MOST_ANSWERS = 256
MOST_WAITING_BYTES = 32 << 10
MOST_WAITING_S = 0.001
SMALL_BYTES = 512

unpickled = _pickle.loads


def batches(inputs):
    """The arguments of all calls as they are sent: payloads, each with its number of calls. None at all if anything in them
    is not plain data, or a call's arguments are too much."""
    found, waiting = [], [[tuple(arguments) for arguments in inputs]]
    while waiting:
        calls = waiting.pop()
        payload = channel.pickled(calls) if len(calls) <= MOST_CALLS else b""
        if payload is None or len(payload) > MOST_BYTES and len(calls) == 1:
            return []
        if payload and len(payload) <= MOST_BYTES:
            found.append((payload, len(calls)))
        else:
            half = len(calls) // 2
            waiting += [calls[half:], calls[:half]]
    return found


def answers(peer, function, inputs, sent):
    """What `function` gives for each of `inputs`, which are sent as the batches `sent` if it is the solution's."""
    done, is_stopped = 0, False
    for payload, count in sent if type(function) is channel.Remote else ():
        sequence, end = peer.send_calls(function, payload), done + count
        while done < end and not is_stopped:
            found, is_stopped = peer.next_answers(sequence, end - done)
            for value in found:
                done += 1
                peer.calls += 1
                yield value
        if is_stopped:
            break
    for arguments in list(inputs)[done:]:
        yield function(*arguments)


def answer_all(peer, sequence, make, calls, most):
    """The solution's end: makes the calls and sends what they give, at most so many answers at once."""
    owner = os.getpid()
    outbox = Outbox(peer, sequence, most)
    for call in calls:
        try:
            result = make(call)
            if os.getpid() != owner:
                os._exit(0)
            is_stopped = outbox.add(result)
        except channel.Gone:
            raise
        except BaseException as error:
            if os.getpid() != owner:
                os._exit(1)
            outbox.send()
            return peer.send(("raise", sequence) + peer.describe(error))
        if is_stopped:
            break
    outbox.send()


class Outbox:
    """Answers that wait to be sent together."""

    def __init__(self, peer, sequence, limit):
        self.peer, self.sequence, self.limit = peer, sequence, limit
        self.scalars, self.frames = [], bytearray()
        self.most, self.count = 1, 0
        self.last_s = time.monotonic()

    def add(self, result):
        """Takes an answer down; true if no other may follow it."""
        is_stopped, kind = False, type(result)
        if kind in SCALARS and (kind is not str and kind is not int or result.__sizeof__() <= SMALL_BYTES):
            self.scalars.append(result)
        else:
            self.take_down_scalars()
            is_stopped = self.take_down([result])
        self.count += 1
        is_full = self.count >= self.most or len(self.frames) > MOST_WAITING_BYTES
        if is_full or time.monotonic() - self.last_s > MOST_WAITING_S:
            self.send()
        return is_stopped

    def take_down_scalars(self):
        if self.scalars:
            self.take_down(self.scalars)
            self.scalars = []

    def take_down(self, results):
        """Writes answers as a frame; true if one of them stays here, for the tests to ask about."""
        stays = []

        def handle(value):
            stays.append(True)
            return self.peer._handle(value)

        body = codec.encode(results, handle, self.peer._name_of)
        head = channel.answers_head(self.sequence, bool(stays), len(body))
        if len(body) > MOST_WAITING_BYTES:
            # Megabytes are not copied once more.
            self.write(head)
            self.peer._write(body)
        else:
            self.frames += head + body
        return bool(stays)

    def write(self, more=b""):
        frames, self.frames = self.frames + more, bytearray()
        if frames:
            self.peer._write(frames)

    def send(self):
        self.take_down_scalars()
        self.most, self.count = min(2 * self.most, self.limit), 0
        self.write()
        try:
            sys.stdout.flush()
        except Exception:
            # The program may have put anything there.
            pass
        self.last_s = time.monotonic()
