"""Who is let in by a NAT? Asked by CHANGE-REQUEST (RFC 5780 section 4.4), over UDP and, of our own server, over TCP.

That an answer does not come in is never concluded from time. After the questions that ask for it, the server and then
its other address are asked something that must be answered; each answers in turn, so whatever they were asked to send
before has left them by then, and arrives first. There are three rounds of that, since a packet may be lost. And a
filter is blamed only where such an answer does come in to a socket that has written to where it comes from, as far as
the mapping lets that be tried: a server may ignore CHANGE-REQUEST.
"""

from __future__ import annotations

import socket

from ..net import classification, stun
from ..net.classification import Finding
from ..net.endpoint import Endpoint
from .questions import ERROR, Line, Untrue, code

ROUNDS = 3  # a question that may remain without an answer is asked so often
BOTH = stun.CHANGE_ADDRESS | stun.CHANGE_PORT


def telling(first: Endpoint, other: Endpoint | None, seen: dict[Endpoint, Endpoint]) -> dict[int, Endpoint]:
    """Each CHANGE-REQUEST that can tell something, and where its answer has to come from: an endpoint that answers."""
    changes = {}
    if other in seen and other and other.address != first.address:
        changes[BOTH] = other
    if other and (neighbour := Endpoint(first.address, other.port)) in seen and neighbour != first:
        changes[stun.CHANGE_PORT] = neighbour
    return changes


def over_udp(line: Line, probe: Line, first: Endpoint, changes: dict[int, Endpoint], missing: str) -> Finding:
    """The filter over UDP: who gets in to `line`, which has written to the first endpoint only. `probe` has written to
    all of them: what it does not hear either, though its mapping is the same for both, was never sent."""
    came = _changed(line, probe, first, changes)
    doubted = {it: changes[it] for it, arrived in came.items() if arrived is False and came.get(BOTH) is not True}
    for change, arrived in _changed(probe, probe, first, doubted).items():
        if arrived is False and probe.mapped[changes[change]] == probe.mapped[first]:
            came[change] = (f"{first} sends nothing from {changes[change]} when CHANGE-REQUEST asks it to: "
                            "a socket that has written there hears nothing either")  # fmt: skip
        elif arrived is not True:
            came[change] = arrived
            missing = missing or ("it is the server's word that it sends from elsewhere (RFC 5780 section 7.4): behind "
                                  "this mapping nothing can be let in from there on purpose")  # fmt: skip
    return _concluded(came, missing)


def over_tcp(
    listener: socket.socket, line: Line, lines: dict[Endpoint, Line], changes: dict[int, Endpoint], missing: str
) -> Finding:
    """The filter over TCP: who calls back. The server answers when it has called, its other address when that has."""
    first = next(iter(lines))
    came: dict[int, bool | str] = dict.fromkeys(changes, False)
    for _ in range(ROUNDS):
        for change in [it for it, arrived in came.items() if not arrived]:
            asked = line.wait(stun.request(CHANGE_REQUEST=change), first)
            for answer, _origin in line.answers(asked):
                if answer.kind == ERROR:
                    came[change] = f"{first} answers CHANGE-REQUEST over TCP with error {code(answer)}"
                elif answer.attributes.get("RESPONSE-ORIGIN") != changes[change]:
                    came[change] = f"{first} does not call back over TCP"
        if BOTH in changes:
            lines[changes[BOTH]].ask(changes[BOTH])
        callers = _accepted(listener)
        came |= {change: True for change, origin in changes.items() if origin in callers}
        if came.get(BOTH) or all(came.values()):
            break
    return _concluded(came, missing)


def _concluded(came: dict[int, bool | str], missing: str) -> Finding:
    """The filter, from what came by each change; where a text stands instead, that is why nobody knows."""
    address, port = (came.get(change) for change in (BOTH, stun.CHANGE_PORT))
    reasons = dict.fromkeys(it for it in (missing, address, port) if isinstance(it, str) and it)
    by_address, by_port = (it if isinstance(it, bool) else None for it in (address, port))
    return classification.filtering(by_address, by_port, "; ".join(reasons))


def _changed(line: Line, probe: Line, first: Endpoint, changes: dict[int, Endpoint]) -> dict[int, bool | str]:
    """Did the answer to each change come in to `line`? A text says why that cannot be told."""
    asked: dict[int, list[bytes]] = {change: [] for change in changes}
    came: dict[int, bool | str] = dict.fromkeys(changes, False)
    for _ in range(ROUNDS):
        for change in [it for it, arrived in came.items() if not arrived]:
            asked[change].append(line.send(stun.request(CHANGE_REQUEST=change), first))
        line.ask(first)
        if BOTH in changes:
            probe.ask(changes[BOTH])
        came = {change: _arrived(line, asked[change], first, origin) for change, origin in changes.items()}
        if came.get(BOTH) or all(came.values()):
            break
    return came


def _arrived(line: Line, asked: list[bytes], first: Endpoint, wanted: Endpoint) -> bool | str:
    """Is an answer there that came from the endpoint it was wanted from? A text: the server does not do it."""
    for answer, origin in (it for transaction in asked for it in line.answers(transaction)):
        if answer.kind == ERROR:
            return f"{first} answers CHANGE-REQUEST with error {code(answer)}"
        if origin == first:
            return f"{first} answers CHANGE-REQUEST from the endpoint that was asked"
        if origin != wanted:
            raise Untrue(f"{first} was asked to answer from {wanted}, and {origin} answered")
        return True
    return False


def _accepted(listener: socket.socket) -> set[Endpoint]:
    """Who has called by now."""
    listener.setblocking(False)
    callers = set[Endpoint]()
    while True:
        try:
            caller, peer = listener.accept()
        except BlockingIOError:
            return callers
        caller.close()
        callers.add(Endpoint(*peer))
