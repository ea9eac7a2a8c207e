"""From which port will the next packet come? Asked of several observers in turn, each of which is a new destination.

A router that gives its ports out one after the other shows that to whoever asks three times (RFC 5128, section 3.5).
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable
from contextlib import suppress

from ..net import stun
from ..net.endpoint import Endpoint
from ..net.punching import guess_ports
from .peer import ANSWER, Plan


def over_udp(sock: socket.socket, plan: Plan) -> tuple[Endpoint, ...]:
    """The next endpoints of this socket; none where they do not follow one another, or an observer does not answer."""
    return _next(plan, (_seen(sock, it, connected=False) for it in plan.observers))


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
    sock.settimeout(ANSWER)
    try:
        sock.connect((where.address, where.port))
        return _seen(sock, where, connected=True)
    except OSError:
        return None


def _seen(sock: socket.socket, where: Endpoint, connected: bool) -> Endpoint | None:
    """Where an observer sees the socket; None when it does not say."""
    asked = stun.request()
    sock.send(stun.encode(asked)) if connected else sock.sendto(stun.encode(asked), (where.address, where.port))
    deadline = time.monotonic() + ANSWER
    while (left := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        with suppress(ValueError):
            answer = stun.decode(sock.recv(stun.LONGEST + 1))
            if answer.transaction == asked.transaction:
                mapped: Endpoint = answer.attributes["XOR-MAPPED-ADDRESS"]
                return mapped
    return None
