"""Meeting over UDP: checks to every endpoint of the peer, until both have heard the other.

One check a side is enough where the routers let it in; the others cross what the filters drop, and arrive once both
sides have sent. A side is done when it has had a check that says its own was heard: then both directions work, and it
keeps answering for a moment, so that the peer is done as well.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Message
from .peer import LINGER, PACE, Plan, RefusedError, Report, Side, valid


def meet(said: dict[str, Any]) -> dict[str, Any]:
    """Meet over UDP, with one socket for the server and the peer."""
    plan = Plan.read(said)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", plan.port))
        server = (plan.server.address, plan.server.port)

        def receive(patience: float) -> bytes | None:
            ready, _, _ = select.select([sock], [], [], patience)
            return sock.recvfrom(meeting.LONGEST + 1)[0] if ready else None

        def send(data: bytes) -> None:
            sock.sendto(data, server)

        side, report = Side(plan, send, receive), Report()
        try:
            peer = side.meet()
        except RefusedError as refused:
            report.why = str(refused)
            return report.as_dict()
        report.seen = str(side.seen)
        _checks(side, sock, peer, report)
        return report.as_dict()


def _checks(side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
    """Rounds of checks to every endpoint of the peer that is known, and answers to where it is heard from."""
    targets = [it.endpoint for it in peer.candidates]
    report.tried = list(map(str, targets))
    heard, done_at = False, 0.0
    began = time.monotonic()
    start, end = began + side.plan.delay, began + side.plan.delay + side.plan.patience
    following = start
    while (now := time.monotonic()) < (done_at + LINGER if done_at else end):
        if now >= following and not done_at:
            for target in targets:
                report.sent += _send(sock, side.check(peer.token, heard), target)
            following = now + PACE
        until = (done_at + LINGER if done_at else following) - time.monotonic()
        if not select.select([sock], [], [], max(0.0, until))[0]:
            continue
        data, source = sock.recvfrom(meeting.LONGEST + 1)
        check = valid(data, peer)
        if check is None or now < start - side.plan.delay:
            continue
        report.heard += 1
        where = Endpoint(*source[:2])
        first, heard = not heard, True
        if where not in targets:
            targets.insert(0, where)  # peer-reflexive (RFC 8445 section 7.3.1.3)
        if check.heard and not done_at:
            done_at, report.outcome, report.peer = time.monotonic(), "direct", str(where)
            report.seconds = round(done_at - start, 4)
        if time.monotonic() >= start and (first or not check.heard or not done_at):
            report.sent += _send(sock, side.check(peer.token, True), where)
    if not done_at:
        report.why = "the peer was heard, and did not hear" if heard else "nothing of the peer was heard"


def _send(sock: socket.socket, data: bytes, where: Endpoint) -> int:
    try:
        sock.sendto(data, (where.address, where.port))
    except OSError:
        return 0
    return 1
