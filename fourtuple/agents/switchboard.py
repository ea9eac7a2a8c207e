"""Calls and connections over TCP, all from one port, until one of them is the connection.

Each side says on every connection who it is. Who asked for the other nominates the first on which the other has proven
itself (as the controlling agent of RFC 8445 section 8), the other agrees there, and so both keep the same one.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Message
from .peer import Side, valid

AGAIN = 0.05  # seconds until a call is made anew
Line = tuple[int, Endpoint]  # a port of this host, and an endpoint that is called from it


class Messages:
    """The messages of a stream, one after the other."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.begun, self.ended = stream, bytearray(), False

    def next(self, patience: float) -> bytes | None:
        """The next one; None when none came in time, or none will come any more. ValueError for something else."""
        deadline = time.monotonic() + patience
        while (length := meeting.length(bytes(self.begun[:16]))) is None or len(self.begun) < length:
            if not select.select([self.stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            if not (piece := self.stream.recv(65536)):
                self.ended = True
                return None
            self.begun += piece
        message = bytes(self.begun[:length])
        del self.begun[:length]
        return message


@dataclass(slots=True)
class _Talk:
    """A connection: with whom, what is heard on it, and whether the other end has proven to be the peer."""

    where: Endpoint
    messages: Messages
    proven: bool = False


class Switchboard:
    """The calls that are being made, and the connections that stand."""

    def __init__(self, side: Side, listener: socket.socket, peer: Message) -> None:
        self.side, self.listener, self.peer = side, listener, peer
        self.calls: dict[socket.socket, tuple[Line, float]] = {}  # on which line, since when
        self.talks: dict[socket.socket, _Talk] = {}
        self.nominated: socket.socket | None = None
        self.kept: socket.socket | None = None  # the one that is the connection
        self.heard = 0
        listener.setblocking(False)

    def dial(self, lines: list[Line]) -> int:
        """Call on each line, unless that is going on; returns how many calls were made.

        One that has got no answer for a while is made anew: the kernel would repeat a lost SYN after a second only.
        """
        now, busy = time.monotonic(), set[Line]()
        answered = select.select([], [*self.calls], [], 0.0)[1]  # while this process was held up, perhaps
        for call, (line, since) in list(self.calls.items()):
            if now - since < AGAIN or call in answered:
                busy.add(line)
            else:
                del self.calls[call]
                call.close()
        made = [(_call(*line), line) for line in lines if line not in busy]
        self.calls |= {call: (line, now) for call, line in made if call}
        return sum(call is not None for call, _ in made)

    def turn(self, patience: float) -> bool | None:
        """What happens within so many seconds, None where nothing did; True once there is a connection both `kept`."""
        readable, writable, _ = select.select([self.listener, *self.talks], [*self.calls], [], patience)
        for call in writable:
            del self.calls[call]
            if call.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                call.close()
            else:
                self._greet(call)
        for ready in readable:
            if ready is self.listener:
                if (accepted := _accepted(ready)) is not None:
                    self._greet(accepted)
            elif ready in self.talks and self._hear(ready):
                self.kept = ready
                return True
        return False if readable or writable else None

    def _greet(self, stream: socket.socket) -> None:
        """Say who one is."""
        stream.setblocking(False)
        try:
            self.talks[stream] = _Talk(Endpoint(*stream.getpeername()), Messages(stream))
            self._say(stream, heard=False)
        except OSError:
            self._drop(stream)

    def _hear(self, stream: socket.socket) -> bool:
        """Everything that came on this connection; is it the one that both keep?"""
        talk = self.talks[stream]
        try:
            while data := talk.messages.next(0.0):
                if (check := valid(data, self.peer)) is None:
                    continue
                self.heard += 1
                talk.proven = True
                if self.side.plan.asks and check.heard and stream is self.nominated:
                    return True
                if not self.side.plan.asks and check.heard:
                    self._say(stream, heard=True)
                    return True
        except (OSError, ValueError):
            talk.messages.ended = True
        if talk.messages.ended:
            self._drop(stream)
        if self.side.plan.asks and self.nominated is None:
            self._nominate()
        return False

    def _nominate(self) -> None:
        for stream, talk in list(self.talks.items()):
            if talk.proven:
                try:
                    self._say(stream, heard=True)
                except OSError:
                    self._drop(stream)
                    continue
                self.nominated = stream
                return

    def _say(self, stream: socket.socket, heard: bool) -> None:
        stream.send(self.side.check(self.peer.token, heard))

    def _drop(self, stream: socket.socket) -> None:
        self.talks.pop(stream, None)
        stream.close()
        if stream is self.nominated:
            self.nominated = None

    def close(self) -> None:
        """End every call and connection."""
        for opened in (*self.calls, *self.talks):
            opened.close()


def shared(port: int) -> socket.socket:
    """A socket bound to a port that others of this host are bound to as well; it leaves no TIME_WAIT."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        opened.setsockopt(socket.SOL_SOCKET, option, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    opened.bind(("0.0.0.0", port))
    return opened


def _call(port: int, target: Endpoint) -> socket.socket | None:
    """A call that goes on by itself; None where the kernel has one of the same tuple already."""
    call = shared(port)
    call.setblocking(False)
    try:
        call.connect((target.address, target.port))
    except BlockingIOError:
        return call
    except OSError:
        call.close()
        return None
    return call


def _accepted(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except OSError:
        return None
