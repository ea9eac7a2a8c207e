"""From which port will the next packet come? Asked of several observers in turn, each of which is a new destination.

A router that gives its ports out one after the other shows that to whoever asks three times (RFC 5128, section 3.5).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ..net.endpoint import Endpoint
from ..net.punching import guess_ports
from .peer import Plan
from .questions import PATIENCE, Line, Refused, Silent, Untrue


def over_udp(sock: socket.socket, plan: Plan) -> tuple[Endpoint, ...]:
    """The next endpoints of this socket; none where they do not follow one another, or an observer does not answer."""
    return _next(plan, (_seen(sock, it) for it in plan.observers))


def over_tcp(opened: Iterable[socket.socket], plan: Plan) -> tuple[Endpoint, ...]:
    """The same for a port: each of these sockets is bound to it, and is connected to one observer."""
    held = list(zip(opened, plan.observers, strict=False)) if plan.window else []
    try:
        return _next(plan, (_called(sock, where) for sock, where in held))
    finally:
        for sock, _ in held:
            sock.close()


def _next(plan: Plan, asked: Iterable[Endpoint | None]) -> tuple[Endpoint, ...]:
    seen = [it for it in asked if it] if plan.window else []
    if not seen or len(seen) < len(plan.observers):
        return ()
    return tuple(Endpoint(seen[-1].address, port) for port in guess_ports([it.port for it in seen], plan.window))


def _called(sock: socket.socket, where: Endpoint) -> Endpoint | None:
    sock.settimeout(PATIENCE)
    try:
        sock.connect((where.address, where.port))
    except OSError:
        return None
    return _seen(sock, where)


def _seen(sock: socket.socket, where: Endpoint) -> Endpoint | None:
    """Where an observer sees the socket; None when it does not say, or is not to be believed."""
    line = Line(sock)
    try:
        line.ask(where)
    except (Silent, Refused, Untrue):
        return None
    return line.mapped[where]
