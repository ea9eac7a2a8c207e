"""Meeting over UDP: checks to every endpoint of the peer, until both have heard the other.

One check a side is enough where the routers let it in; the others cross what the filters drop, and arrive once both
sides have sent. A side is done when it has had a check that says its own was heard: then both directions work, and it
keeps answering for a moment, so that the peer is done as well.
"""

from __future__ import annotations

import random
import select
import socket
import time
from typing import Any

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Message, Where
from . import guess, relay
from .pace import Clock, Pace
from .peer import LINGER, PACE, Plan, RefusedError, Report, Side, kind_of, valid
from .stay import stay
from .waiting import until

SELDOM = 5  # rounds between two salvos of probes


def meet(said: dict[str, Any], pace: Pace | None = None) -> dict[str, Any]:
    """Meet over UDP, with one socket for the server and the peer; by the clock, or as a lab says."""
    plan, report = Plan.read(said), Report()
    try:
        _meet(plan, report, pace or Clock(plan.patience, LINGER))
    except (OSError, RefusedError) as refused:
        report.why = str(refused)
    return report.as_dict()


def _meet(plan: Plan, report: Report, pace: Pace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", plan.port))
        server = (plan.server.address, plan.server.port)

        def receive(patience: float) -> bytes | None:
            ready, _, _ = select.select([sock], [], [], patience)
            return sock.recvfrom(meeting.LONGEST + 1)[0] if ready else None

        def send(data: bytes) -> None:
            sock.sendto(data, server)

        side = Side(plan, send, receive)
        side.guesses = guess.over_udp(sock, plan)
        peer = side.meet()
        report.seen, report.introduced = str(side.seen), True
        _Tries(side, sock, peer, report).run(pace)
        if plan.relay and report.outcome != "direct":
            relay.talk(side, peer, report, pace)
        if plan.stay and report.outcome == "direct" and report.way != "birthday":
            stay(side, sock, peer, report)


class _Tries:
    """Rounds of checks to every endpoint of the peer that is known, and answers to where it is heard from.

    Where the peer's ports cannot be known: `more` sockets write to where the server saw the peer, each from a port of
    its own outside; `probes` are ports of the peer drawn at random. A pair of them that fits is enough (a birthday).
    """

    def __init__(self, side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
        self.side, self.sock, self.peer, self.report = side, sock, peer, report
        report.tried = [str(it.endpoint) for it in peer.candidates]
        self.seen = peer.candidates[0].endpoint  # where the server saw it
        self.near = [it.endpoint for it in peer.candidates if it.where is Where.HOST]  # preferred (RFC 8445, 5.1.2)
        self.targets = [*self.near, *(it.endpoint for it in peer.candidates if it.endpoint not in self.near)]
        self.more = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(side.plan.sockets)]
        self.probes = self._draw()
        self.heard, self.done_at = False, 0.0

    def _draw(self) -> list[Endpoint]:
        plan = self.side.plan
        ports = random.Random(plan.port).sample(range(plan.low, plan.high + 1), plan.probes)  # noqa: S311 -- repeatable
        return [Endpoint(self.seen.address, it) for it in ports]

    def run(self, pace: Pace) -> None:
        """Until it is over: a round of checks, and all that comes meanwhile."""
        pace.begin()
        start, rounds = time.monotonic(), 0
        while not pace.over(bool(self.done_at)):
            end = time.monotonic() + PACE
            self._round(rounds)
            for ready in until(end, self._ready):
                for sock in ready:
                    self._hear(sock, start)
            rounds += 1
            pace.round(bool(self.done_at), time.monotonic() - end)
        for opened in self.more:
            opened.close()
        self.report.unsettled, self.report.late = pace.unsettled, round(pace.latest, 3)
        if not self.done_at:
            self.report.why = "the peer was heard, and did not hear" if self.heard else "nothing of the peer was heard"

    def _ready(self, patience: float) -> list[socket.socket] | None:
        return select.select([self.sock, *self.more], [], [], patience)[0] or None

    def _round(self, number: int) -> None:
        """Try everything; who is done only tries whether there is a nearer way, and shows the other that there is."""
        if self.done_at:
            for target in self.near:
                self._say(self.sock, target)
            return
        for target in self.targets:
            self._say(self.sock, target)
        for opened in self.more:
            self._say(opened, self.seen)
        for probe in self.probes if number % SELDOM == 0 else ():
            self._say(self.sock, probe)

    def _hear(self, ready: socket.socket, start: float) -> None:
        try:
            data, source = ready.recvfrom(meeting.LONGEST + 1)
        except OSError:  # an ICMP error about a check
            return
        if (check := valid(data, self.peer)) is None:
            return
        now, where = time.monotonic(), Endpoint(*source[:2])
        self.report.heard += 1
        first, self.heard = not self.heard, True
        if where not in self.targets and ready is self.sock:
            self.targets.insert(0, where)  # peer-reflexive (RFC 8445 section 7.3.1.3)
        if check.heard and not self.done_at:
            self.done_at, self.report.outcome, self.report.way = now, "direct", self._way(ready, where)
            self.report.peer, self.report.seconds = str(where), round(now - start, 4)
        elif check.heard and where in self.near:
            self.report.peer, self.report.way = str(where), self._way(ready, where)
        if first or not check.heard or not self.done_at:
            self._say(ready, where)

    def _way(self, ready: socket.socket, where: Endpoint) -> str:
        """By which kind of endpoint the peer was met."""
        if ready is not self.sock or where in self.probes:
            return "birthday"
        return kind_of(where, self.peer)

    def _say(self, sock: socket.socket, where: Endpoint) -> None:
        self.report.sent += _send(sock, self.side.check(self.peer.token, self.heard), where)


def _send(sock: socket.socket, data: bytes, where: Endpoint) -> int:
    try:
        sock.sendto(data, (where.address, where.port))
    except OSError:
        return 0
    return 1
