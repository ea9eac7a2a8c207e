"""Meeting over TCP: call and listen on one port at once, and keep one connection on which both proved who they are.

Where both SYNs cross there is no server: each end's connect() succeeds (RFC 5382 REQ-2). Where one arrives before the
other has left, the listener takes it. A router that answers an uninvited SYN with a RST ends a call; it is made again.
"""

from __future__ import annotations

import random
import select
import socket
import time
from typing import Any

from ..net.endpoint import Endpoint
from ..net.meeting import Message
from . import guess, relay
from .peer import ANSWER, LINGER, PACE, TRIES, Plan, RefusedError, Report, Side, kind_of
from .switchboard import Line, Messages, Switchboard, shared


def meet(said: dict[str, Any]) -> dict[str, Any]:
    """Meet over TCP: one port for the connection to the server, for calls to the peer and for calls from it."""
    plan, report = Plan.read(said), Report()
    try:
        with shared(plan.port) as control, shared(plan.port) as listener:
            listener.listen(8)
            control.settimeout(ANSWER * TRIES)
            control.connect((plan.server.address, plan.server.port))
            side = Side(plan, control.sendall, Messages(control).next)
            side.guesses = guess.over_tcp((shared(plan.port) for _ in plan.observers), plan)
            peer = side.meet()
            report.seen = str(side.seen)
            _calls(side, listener, peer, report)
            if plan.relay and report.outcome != "direct":
                relay.talk(side, peer, report)
    except (OSError, ValueError, RefusedError) as refused:
        report.why = str(refused)
    return report.as_dict()


def _lines(plan: Plan, targets: list[Endpoint]) -> tuple[list[Line], list[socket.socket]]:
    """Every endpoint of the peer from the one port; and for a birthday, ports of its router that are drawn at random,
    and more ports of this host, which stay its own as long as the sockets are open."""
    seen, draw = targets[0], random.Random(plan.port)  # noqa: S311 -- repeatable
    ports = draw.sample(range(plan.low, plan.high + 1), plan.probes)
    more = [shared(0) for _ in range(plan.sockets)]
    lines = [(plan.port, it) for it in (*targets, *(Endpoint(seen.address, port) for port in ports))]
    return [*dict.fromkeys(lines), *((it.getsockname()[1], seen) for it in more)], more


def _calls(side: Side, listener: socket.socket, peer: Message, report: Report) -> None:
    """Call every endpoint of the peer, again where a call is refused, and listen, until both keep one connection."""
    start = time.monotonic() + side.plan.delay
    targets = [it.endpoint for it in peer.candidates]
    report.tried = list(map(str, targets))
    lines, more = _lines(side.plan, targets)
    board, due = Switchboard(side, listener, peer), start
    try:
        while (now := time.monotonic()) < start + side.plan.patience:
            if now >= due:
                report.sent += board.dial(lines)
                due = now + PACE
            if stream := board.turn():
                report.outcome, report.seconds = "direct", max(0.0, round(time.monotonic() - start, 4))
                local, where = Endpoint(*stream.getsockname()), board.talks[stream].where
                by_luck = local.port != side.plan.port or (side.plan.probes > 0 and where not in targets)
                report.local, report.peer = str(local), str(where)
                report.way = "birthday" if by_luck else kind_of(where, peer)
                select.select([], [], [], LINGER)
                return
    finally:
        report.heard = board.heard
        board.close()
        for opened in more:
            opened.close()
    report.why = "the peer was heard, and no connection was agreed on" if board.heard else "no connection came about"
