"""The listening socket, which has no peer and carries no data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.socket_table import on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import OK, outcome
from fourtuple.kit.scene import Scene

from .plan import LATE, WEB


def talk_to_the_listener(scene: Scene) -> None:
    """Somebody reads from the listening socket, writes to it, and asks for its peer."""
    scene["listener"].settimeout(0)  # or Python waits for something to read before it asks the kernel
    with suppress(OSError):
        scene["listener"].recv()
    with suppress(OSError):
        scene["listener"].send(b"hello")
    with suppress(OSError):
        scene["listener"].getpeername()
    scene["listener"].settimeout(2)


def the_listener_only_listens(facts: Facts) -> Iterator[Check]:
    """The listener has no peer, carries no data, and listens before, during and after; new clients are answered while
    others are served. (C06, C10, C31, C33, C52, C123)"""
    read, write = facts.attempt("listener", "recv"), facts.attempt("listener", "send")
    peer = facts.attempt("listener", "getpeername")
    mute = (outcome(read), outcome(write)) == ("ENOTCONN", "EPIPE")
    yield Check(
        "recv() and send()", ["ENOTCONN", "EPIPE"], [outcome(read), outcome(write)], (read, write), {"C06": mute}
    )
    yield Check("getpeername()", "ENOTCONN", outcome(peer), (peer,), {"C52": outcome(peer) == "ENOTCONN"})
    found = tables(facts, "srv")
    listening = [on_port(table, WEB, "LISTEN") for table, _ in found]
    always = [len(it) for it in listening] == [1] * len(found) and all(it[0].remote is None for it in listening)
    events = tuple(event for _, event in found)
    answers = {"C10": not always, "C33": always, "C52": always}
    yield Check("it is listed as listening, without a peer", True, always, events, answers)
    cookie = listening[2][0].cookie
    fresh = all(row.cookie != cookie for row in on_port(found[2][0], WEB, "ESTAB"))
    yield Check("accepted sockets are others", True, fresh, (found[2][1],), {"C123": fresh})
    for name in LATE:
        near = facts.at("near")
        before, after = near.only(f"before {name}"), near.only(f"after {name}")
        client = facts.attempt(name, "connect")
        answered = [it for it in near if it.flags == "SA" and it.flow.destination == client.local
                    and before.number < it.number < after.number]  # fmt: skip
        between = outcome(client) == OK and bool(answered)
        yield Check(f"{name} is answered between two segments of others", True, between,
                    (client, before, *answered, after), {"C10": not between, "C31": between})  # fmt: skip
