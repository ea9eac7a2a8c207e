"""Meeting over UDP: checks to every endpoint of the peer, until both have heard the other.

One check a side is enough where the routers let it in; the others cross what the filters drop, and arrive once both
sides have sent. A side is done when it has had a check that says its own was heard: then both directions work, and it
keeps answering for a moment, so that the peer is done as well.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any

from ..net import meeting, stun
from ..net.endpoint import Endpoint
from ..net.meeting import Kind, Message, Where
from ..net.punching import guess_ports
from .peer import ANSWER, LINGER, PACE, Plan, RefusedError, Report, Side, valid

RELAYING = 1.0  # seconds to try it through the server


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
            side.guesses = _guess(sock, plan)
            peer = side.meet()
        except RefusedError as refused:
            report.why = str(refused)
            return report.as_dict()
        report.seen = str(side.seen)
        _checks(side, sock, peer, report)
        if plan.relay and report.outcome != "direct":
            _relay(side, sock, peer, report)
        return report.as_dict()


def _guess(sock: socket.socket, plan: Plan) -> tuple[Endpoint, ...]:
    """Where the next packets will come from: asked of several observers in turn, each of which is a new destination."""
    if not plan.window:
        return ()
    seen = []
    for where in plan.observers:
        asked = stun.request()
        sock.sendto(stun.encode(asked), (where.address, where.port))
        deadline = time.monotonic() + ANSWER
        while (left := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            with suppress(ValueError):
                answer = stun.decode(sock.recv(stun.LONGEST + 1))
                if answer.transaction == asked.transaction:
                    seen.append(answer.attributes["XOR-MAPPED-ADDRESS"])
                    break
    if len(seen) < len(plan.observers):
        return ()
    return tuple(Endpoint(seen[-1].address, port) for port in guess_ports([it.port for it in seen], plan.window))


def _relay(side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
    """The last resort: the same checks, through the server."""
    server = (side.plan.server.address, side.plan.server.port)
    heard, began = False, time.monotonic()
    while time.monotonic() - began < RELAYING:
        report.sent += 1
        sock.sendto(side.relayed(peer.token, heard), server)
        if not select.select([sock], [], [], 5 * PACE)[0]:
            continue
        with suppress(ValueError):
            told = meeting.decode(sock.recvfrom(meeting.LONGEST + 1)[0])
            check = valid(told.data, peer) if told.kind is Kind.RELAYED else None
            if check:
                report.heard, heard = report.heard + 1, True
            if check and check.heard and report.outcome != "relayed":
                report.outcome, report.why, report.peer = "relayed", "", str(side.plan.server)
                report.seconds = round(time.monotonic() - began, 4)
                began = time.monotonic() - RELAYING + LINGER  # the other side may not know yet


def _checks(side: Side, sock: socket.socket, peer: Message, report: Report) -> None:
    """Rounds of checks to every endpoint of the peer that is known, and answers to where it is heard from."""
    report.tried = [str(it.endpoint) for it in peer.candidates]
    near = [it.endpoint for it in peer.candidates if it.where is Where.HOST]  # preferred (RFC 8445, 5.1.2)
    targets = [*near, *(it.endpoint for it in peer.candidates if it.endpoint not in near)]
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
        elif check.heard and where in near:
            report.peer = str(where)
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
