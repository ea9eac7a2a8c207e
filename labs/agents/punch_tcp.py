"""Meeting over TCP: call and listen on one port at once, keep the first connection on which both prove who they are.

Where both SYNs cross there is no server: each end's connect() succeeds (RFC 5382 REQ-2). Where one arrives before the
other has left, the listener takes it. A router that answers an uninvited SYN with a RST ends a call; it is made again.
"""

from __future__ import annotations

import random
import select
import socket
import time
from typing import Any

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Message
from . import guess, relay
from .peer import ANSWER, LINGER, PACE, TRIES, Plan, RefusedError, Report, Side, valid


def meet(said: dict[str, Any]) -> dict[str, Any]:
    """Meet over TCP: one port for the connection to the server, for calls to the peer and for calls from it."""
    plan, report = Plan.read(said), Report()
    with _shared(plan.port) as control, _shared(plan.port) as listener:
        listener.listen(8)
        control.settimeout(ANSWER * TRIES)
        try:
            control.connect((plan.server.address, plan.server.port))
            side = Side(plan, control.sendall, _Messages(control).next)
            side.guesses = guess.over_tcp((_shared(plan.port) for _ in plan.observers), plan)
            peer = side.meet()
            report.seen = str(side.seen)
            _calls(side, listener, peer, report)
            if plan.relay and report.outcome != "direct":
                relay.talk(side, peer, report)
        except (OSError, ValueError, RefusedError) as refused:
            report.why = str(refused)
    return report.as_dict()


def _shared(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        opened.setsockopt(socket.SOL_SOCKET, option, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT
    opened.bind(("0.0.0.0", port))
    return opened


class _Messages:
    """The messages of a stream, one after the other."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.begun = stream, bytearray()

    def next(self, patience: float) -> bytes | None:
        """The next one; None when none came in time, or none will come any more. ValueError for something else."""
        deadline = time.monotonic() + patience
        while (length := meeting.length(bytes(self.begun[:16]))) is None or len(self.begun) < length:
            if not select.select([self.stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            if not (piece := self.stream.recv(65536)):
                return None
            self.begun += piece
        message = bytes(self.begun[:length])
        del self.begun[:length]
        return message


AGAIN = 0.05  # seconds until a call is made anew
_Line = tuple[int, Endpoint]


class _Switchboard:
    """The calls that are being made, and the connections that stand and have not shown yet who is there.

    A line is a port of this host and an endpoint that is called from it.
    """

    def __init__(self, side: Side, listener: socket.socket, peer: Message) -> None:
        self.side, self.listener, self.peer = side, listener, peer
        self.calls: dict[socket.socket, tuple[_Line, float]] = {}  # on which line, since when
        self.talks: dict[socket.socket, tuple[Endpoint, bytearray]] = {}  # with whom, and what was heard
        listener.setblocking(False)

    def dial(self, lines: list[_Line]) -> int:
        """Call on each line, unless that is going on; returns how many calls were made.

        One that has got no answer for a while is made anew: the kernel would repeat a lost SYN after a second only.
        """
        now, busy = time.monotonic(), set[_Line]()
        for call, (line, since) in list(self.calls.items()):
            if now - since < AGAIN:
                busy.add(line)
            else:
                del self.calls[call]
                call.close()
        made = [(_call(*line), line) for line in lines if line not in busy]
        self.calls |= {call: (line, now) for call, line in made if call}
        return sum(call is not None for call, _ in made)

    def turn(self) -> socket.socket | None:
        """Whatever happened, for a moment at most; the connection whose other end proved to be the peer."""
        readable, writable, _ = select.select([self.listener, *self.talks], [*self.calls], [], PACE)
        for call in writable:
            del self.calls[call]
            if call.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                call.close()
            else:
                self._greet(call)
        for ready in readable:
            if ready is not self.listener and self._proven(ready):
                return ready
            if ready is self.listener and (accepted := _accepted(ready)) is not None:
                self._greet(accepted)
        return None

    def _greet(self, stream: socket.socket) -> None:
        """Say who one is."""
        try:
            stream.setblocking(False)
            stream.send(self.side.check(self.peer.token, True))
            self.talks[stream] = (Endpoint(*stream.getpeername()), bytearray())
        except OSError:
            stream.close()

    def _proven(self, stream: socket.socket) -> bool:
        """Has the other end of this connection said who it is, and is it the peer?"""
        piece = b""
        try:
            piece = stream.recv(65536)
            self.talks[stream][1].extend(piece)
            begun = bytes(self.talks[stream][1])
            length = meeting.length(begun[:16])
            if length and len(begun) >= length and valid(begun[:length], self.peer):
                return True
        except (OSError, ValueError):
            piece = b""
        if not piece:
            del self.talks[stream]
            stream.close()
        return False

    def close(self) -> None:
        """End every call and connection."""
        for opened in (*self.calls, *self.talks):
            opened.close()


def _lines(plan: Plan, targets: list[Endpoint]) -> tuple[list[_Line], list[socket.socket]]:
    """Every endpoint of the peer from the one port; and for a birthday, ports of its router that are drawn at random,
    and more ports of this host, which stay its own as long as the sockets are open."""
    seen, draw = targets[0], random.Random(plan.port)  # noqa: S311 -- repeatable
    ports = draw.sample(range(plan.low, plan.high + 1), plan.probes)
    more = [_shared(0) for _ in range(plan.sockets)]
    lines = [(plan.port, it) for it in (*targets, *(Endpoint(seen.address, port) for port in ports))]
    return [*dict.fromkeys(lines), *((it.getsockname()[1], seen) for it in more)], more


def _calls(side: Side, listener: socket.socket, peer: Message, report: Report) -> None:
    """Call every endpoint of the peer, again where a call is refused, and listen, until one connection is proven."""
    start = time.monotonic() + side.plan.delay
    targets = [it.endpoint for it in peer.candidates]
    report.tried = list(map(str, targets))
    lines, more = _lines(side.plan, targets)
    board, due = _Switchboard(side, listener, peer), start
    try:
        while (now := time.monotonic()) < start + side.plan.patience:
            if now >= due:
                report.sent += board.dial(lines)
                due = now + PACE
            if stream := board.turn():
                report.outcome, report.heard, report.seconds = "direct", 1, round(time.monotonic() - start, 4)
                local, where = Endpoint(*stream.getsockname()), board.talks[stream][0]
                report.local, report.peer, report.way = str(local), str(where), _way(side.plan, local, where, targets)
                select.select([], [], [], LINGER)
                return
    finally:
        board.close()
        for opened in more:
            opened.close()
    report.why = "no connection came about"


def _way(plan: Plan, local: Endpoint, where: Endpoint, targets: list[Endpoint]) -> str:
    """By which kind of endpoint the peer was met: the first is where the server saw it."""
    if local.port != plan.port or (plan.probes and where not in targets):
        return "birthday"
    return "reflexive" if where == targets[0] else "told" if where in targets else "peer-reflexive"


def _call(port: int, target: Endpoint) -> socket.socket | None:
    """A call that goes on by itself; None where the kernel has one of the same tuple already."""
    call = _shared(port)
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
