"""After they have met: does the way stay open? The one that asked speaks again after a while, and is answered or not.

Meanwhile both are silent, or each sends a keepalive now and then: a check like those before, which no one answers
(RFC 8445 section 11; RFC 4787 REQ-6 is why it must go out from both).
"""

from __future__ import annotations

import select
import socket
import time

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Message
from .peer import ANSWER, Report, Side, valid
from .waiting import until

TRIES = 6  # how often the peer is asked again: it may be held up


def stay(side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
    """Stay for the time that was planned, then speak, or wait to be spoken to."""
    plan, where = side.plan, Endpoint.parse(report.peer)

    def say() -> None:
        sock.sendto(side.check(peer.token, True), (where.address, where.port))

    def receive(patience: float) -> bytes | None:
        return sock.recv(meeting.LONGEST + 1) if select.select([sock], [], [], patience)[0] else None

    def heard(deadline: float) -> bool:
        return any(valid(data, peer) for data in until(deadline, receive))

    begun, pace = time.monotonic(), plan.keepalive or plan.stay
    end = begun + plan.stay - (0.0 if plan.asks else ANSWER)  # who is spoken to listens a little before and after
    for number in range(1, int(plan.stay / pace) + 2):
        due = min(begun + number * pace, end)
        while heard(due):
            report.kept += 1
        if due < end:
            say()
    report.still = False
    for _ in range(TRIES if plan.asks else 1):
        if plan.asks:
            say()
        if heard(time.monotonic() + (ANSWER if plan.asks else ANSWER * (TRIES + 2))):
            report.still = True
            break
    if report.still and not plan.asks:
        say()
