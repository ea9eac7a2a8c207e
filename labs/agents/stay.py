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
from .peer import ANSWER, TRIES, Report, Side, valid


def stay(side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
    """Stay for the time that was planned, then speak, or wait to be spoken to."""
    plan, where = side.plan, Endpoint.parse(report.peer)

    def say() -> None:
        sock.sendto(side.check(peer.token, True), (where.address, where.port))

    def heard(until: float) -> bool:
        while (left := until - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            if valid(sock.recv(meeting.LONGEST + 1), peer):
                return True
        return False

    until, pace = time.monotonic() + plan.stay, plan.keepalive or plan.stay
    early = 0.0 if plan.asks else ANSWER  # who is spoken to listens a little before and after
    due = time.monotonic() + pace
    while (now := time.monotonic()) < until - early:
        if now >= due:
            say()
            due += pace
        report.kept += heard(min(due, until - early))
    report.still = False
    for _ in range(TRIES if plan.asks else 1):
        if plan.asks:
            say()
        if heard(time.monotonic() + (ANSWER if plan.asks else ANSWER * (TRIES + 2))):
            report.still = True
            break
    if report.still and not plan.asks:
        say()
