"""Meeting over TCP: call and listen on one port at once, and keep one connection on which both proved who they are.

Where both SYNs cross there is no server: each end's connect() succeeds (RFC 5382 REQ-2). Where one arrives before the
other has left, the listener takes it. A router that answers an uninvited SYN with a RST ends a call; it is made again.
"""

from __future__ import annotations

import random
import socket
import time
from typing import Any

from ..net.endpoint import Endpoint
from ..net.meeting import Message
from . import guess, relay
from .pace import Clock, Pace
from .peer import ANSWER, LINGER, PACE, Plan, RefusedError, Report, Side, kind_of
from .switchboard import Line, Messages, Switchboard, shared
from .waiting import until


def meet(said: dict[str, Any], pace: Pace | None = None) -> dict[str, Any]:
    """Meet over TCP: one port for the connection to the server, for calls to the peer and for calls from it; by the
    clock, or as a lab says."""
    plan, report = Plan.read(said), Report()
    pace = pace or Clock(plan.patience, LINGER)
    try:
        with shared(plan.port) as control, shared(plan.port) as listener:
            listener.listen(8)
            control.settimeout(ANSWER * plan.tries)
            control.connect((plan.server.address, plan.server.port))
            side = Side(plan, control.sendall, Messages(control).next)
            side.guesses = guess.over_tcp((shared(plan.port) for _ in plan.observers), plan)
            peer = side.meet()
            report.seen, report.introduced = str(side.seen), True
            _calls(side, listener, peer, report, pace)
            if plan.relay and report.outcome != "direct":
                relay.talk(side, peer, report, pace)
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


def _calls(side: Side, listener: socket.socket, peer: Message, report: Report, pace: Pace) -> None:
    """Call every endpoint of the peer, again where a call is refused, and listen, until both keep one connection."""
    targets = [it.endpoint for it in peer.candidates]
    report.tried = list(map(str, targets))
    lines, more = _lines(side.plan, targets)
    board = Switchboard(side, listener, peer)
    pace.begin()
    start = time.monotonic()
    try:
        while not pace.over(board.kept is not None):
            end = time.monotonic() + PACE
            report.sent += 0 if board.kept else board.dial(lines)
            for agreed in until(end, board.turn):
                if agreed and report.outcome != "direct":
                    _kept(board, side.plan, targets, peer, report)
                    report.seconds = round(time.monotonic() - start, 4)
            pace.round(board.kept is not None, time.monotonic() - end)
    finally:
        report.heard, report.unsettled, report.late = board.heard, pace.unsettled, round(pace.latest, 3)
        board.close()
        for opened in more:
            opened.close()
    if not board.kept:
        report.why = (
            "the peer was heard, and no connection was agreed on" if board.heard else "no connection came about"
        )


def _kept(board: Switchboard, plan: Plan, targets: list[Endpoint], peer: Message, report: Report) -> None:
    """What there is to say of the connection both keep."""
    assert board.kept is not None
    local, where = Endpoint(*board.kept.getsockname()), board.talks[board.kept].where
    by_luck = local.port != plan.port or (plan.probes > 0 and where not in targets)
    report.outcome, report.local, report.peer = "direct", str(local), str(where)
    report.way = "birthday" if by_luck else kind_of(where, peer)
