"""One field of one witness changed: what every claim must notice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from fourtuple.evidence.capture import Capture
from fourtuple.evidence.conntrack import Entry
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit.claim import Evidence
from fourtuple.net.endpoint import Endpoint, FourTuple
from fourtuple.net.event import Event

FEW, SOME, MANY = 4, 12, 60  # witnesses of one kind that stand for all of them


def mutants(facts: Facts, witness: Evidence, others: bool = False) -> Iterator[Facts]:
    """The facts again and again, each time with another field of this witness changed.

    With `others`, a packet instead takes the tuple or the mark of each other one.
    """
    match witness:
        case Packet():
            for changed in (_as_others if others else _packets)(facts, witness):
                capture = facts.captures[witness.tap]
                packets = tuple(changed if packet is witness else packet for packet in capture)
                yield replace(facts, captures={**facts.captures, witness.tap: Capture(witness.tap, packets)})
        case Event():
            for event in (*_events(witness), *_like_others(facts, witness)):
                yield replace(facts, events=tuple(event if it is witness else it for it in facts.events))
        case Entry():
            changed_entry = replace(witness, reply=_flow(witness.reply, port=True))
            table = tuple(changed_entry if entry is witness else entry for entry in facts.conntrack or ())
            yield replace(facts, conntrack=table)


def strayed(facts: Facts, witnesses: list[Evidence]) -> Iterator[Facts]:
    """The facts with a packet that was seen on one side seen on another side too, or answered, before all else."""
    packets = [it for it in witnesses if isinstance(it, Packet)]
    for packet in packets[:FEW]:
        answer = replace(packet, flow=packet.flow.reversed(), flags="RA")
        capture = Capture(packet.tap, (answer, *facts.captures[packet.tap]))
        yield replace(facts, captures={**facts.captures, packet.tap: capture})
    for tap in {it.tap for it in packets}:
        for packet in packets:
            if packet.tap != tap:
                capture = Capture(tap, (replace(packet, tap=tap), *facts.captures[tap]))
                yield replace(facts, captures={**facts.captures, tap: capture})


def joint(facts: Facts, witnesses: tuple[Evidence, ...]) -> Iterator[Facts]:
    """The facts with one field changed in every packet a comparison looked at, or one result for all its calls."""
    calls = [it for it in witnesses if isinstance(it, Event)]
    if len(calls) > 1:
        changed = [{id(it): replace(it, result=one.result) for it in calls} for one in calls[:SOME]]
        mirrored = {"local": calls[0].remote, "remote": calls[0].local}  # as if nothing between them had been rewritten
        changed.append({id(it): replace(it, **mirrored) for it in calls[1:]})
        for each in changed:
            yield replace(facts, events=tuple(each.get(id(it), it) for it in facts.events))
    cited = {id(it) for it in witnesses if isinstance(it, Packet)}
    inside = {packet.mark: packet.flow.source.port for packet in facts.captures.get("lan", ())}
    changes: tuple[Callable[[Packet], FourTuple], ...] = (
        lambda it: replace(it.flow, source=Endpoint(it.flow.source.address, 1)),
        lambda it: replace(it.flow, source=Endpoint(it.flow.source.address, inside.get(it.mark, 1))),
        lambda it: FourTuple(_at(it.flow.source, "203.0.113.9"), _at(it.flow.destination, "203.0.113.8")),
    )
    for change in changes:
        captures = {
            tap: Capture(tap, tuple(replace(it, flow=change(it)) if id(it) in cited else it for it in seen))
            for tap, seen in facts.captures.items()
        }
        yield replace(facts, captures=captures)


def _packets(facts: Facts, packet: Packet) -> Iterator[Packet]:
    another = [host for host in facts.topology.hosts if host.name in ("client2", "c2")] or facts.topology.hosts
    inside = another[0].interfaces[0][1]
    flow = packet.flow
    yield replace(packet, flow=replace(flow, source=_at(flow.source, "203.0.113.9")))
    yield replace(packet, flow=replace(flow, source=_at(flow.source, inside)))
    yield replace(packet, flow=_flow(flow, port=True))
    yield replace(packet, flow=_flow(flow.reversed(), port=True).reversed())
    yield replace(packet, flow=replace(flow, destination=_at(flow.destination, "203.0.113.9")))
    for host in (
        it for it in facts.topology.hosts if not it.router and it.interfaces
    ):  # it comes to whoever uses the same port
        yield replace(packet, flow=replace(flow, destination=Endpoint(host.interfaces[0][1], flow.source.port)))
    yield replace(packet, ttl=packet.ttl + 7)
    yield replace(packet, number=packet.number + 10_000)
    yield replace(packet, flags="R")
    yield replace(packet, flags="FA")
    yield replace(packet, sequence=packet.sequence + 1)
    yield replace(packet, payload=packet.payload + b"!")
    yield replace(packet, payload=packet.payload[:4] + b"!!" + packet.payload[6:])  # an echo's identifier
    yield replace(packet, payload=packet.payload[:6] + b"!!" + packet.payload[8:])
    yield replace(packet, payload=b"[another] " + packet.payload)
    for place in (len(packet.payload) // 2, len(packet.payload) - 1):  # a key in a message, and its signature
        if place > 0:
            changed = bytes([packet.payload[place] ^ 1])
            yield replace(packet, payload=packet.payload[:place] + changed + packet.payload[place + 1 :])


def _as_others(facts: Facts, packet: Packet) -> Iterator[Packet]:
    marks = {other.mark for capture in facts.captures.values() for other in capture} - {None, packet.mark}
    for mark in sorted(str(mark) for mark in marks)[-MANY:]:
        yield replace(packet, payload=f"[{mark}] ".encode())
    others = (it for it in facts.captures[packet.tap]
              if it.flow != packet.flow and it.protocol is packet.protocol and it.mark)  # fmt: skip
    for other in islice(others, 10 * MANY):
        yield replace(packet, flow=other.flow)


def _like_others(facts: Facts, event: Event) -> Iterator[Event]:
    """The event with what another call of the same kind returned, or with one part of that."""
    others = (it for it in facts.events if it.call == event.call and it.args[:1] == event.args[:1])
    for other in islice(others, FEW):
        if other is not event:
            yield replace(event, result=other.result)
            yield replace(event, cookie=other.cookie)
            yield replace(event, local=other.local)
            if isinstance(event.result, dict) and isinstance(other.result, dict):
                for key in event.result:
                    yield replace(event, result=event.result | {key: other.result[key]})


def _events(event: Event) -> Iterator[Event]:
    elsewhere = Endpoint("203.0.113.9", 80)
    yield replace(event, result=["203.0.113.9", 9])
    yield replace(event, result="something else")
    data = event.result[0] if isinstance(event.result, list) and event.result else event.result
    yield replace(event, result=f"{data}!")
    yield replace(event, result=[f"{data}!", ["203.0.113.9", 9]])
    yield replace(event, result=[data, ["203.0.113.9", 9]])
    if isinstance(event.result, list) and len(event.result) > 1:
        yield replace(event, result=[f"{event.result[0]}!", *event.result[1:]])  # one answer of many
        yield replace(event, result=[event.result[0], "something else"])  # what a program printed
        yield replace(event, result=[event.result[0], re.sub(r"\d+", "2", str(event.result[1]))])  # other numbers
        yield replace(event, result=[event.result[0], re.sub(r"\d+sec", "20sec", str(event.result[1]))])  # of a timer
        yield replace(event, result=[event.result[0], re.sub(r"sk:[0-9a-f]+", "sk:1", str(event.result[1]))])
        yield replace(event, result=[event.result[0], re.sub(r"ino:[0-9]+", "ino:1", str(event.result[1]))])
        yield replace(event, result=[event.result[0], re.sub(r"UNCONN|ESTAB", "CLOSING", str(event.result[1]))])
        yield replace(event, result=[event.result[0], re.sub(r"ESTAB ", "LISTEN", str(event.result[1]))])
        if len(event.args) == 2 and isinstance(event.args[1], list):  # one question of many was never asked
            yield replace(event, args=(event.args[0], event.args[1][1:]), result=event.result[1:])
    if isinstance(event.result, list) and event.result and all(isinstance(it, list) for it in event.result):
        for was, became in (("drop", "accept"), ("accept", "drop")):  # another verdict in a trace
            yield replace(event, result=[[str(it).replace(was, became) for it in each] for each in event.result])
        yield replace(event, result=event.result[1:])  # one datagram was never read
        yield replace(
            event, result=[[it for part in event.result for it in part], *([] for _ in event.result[1:])]
        )  # one read them all
    if isinstance(event.result, list) and event.result and all(isinstance(it, str) for it in event.result):
        yield replace(event, result=[event.result[0]] * len(event.result))  # one answer for all
    if isinstance(event.result, list) and event.result and all(isinstance(it, int) for it in event.result):
        lists = ([it + 1 for it in event.result], [it + 30_000 for it in event.result], [event.result[0]] * 2,
                 event.result[::-1])  # fmt: skip
        for changed in lists:
            yield replace(event, result=changed)
    yield from _parts(event)
    yield replace(event, host="elsewhere")
    yield replace(event, error="ENOMEM")
    yield replace(event, error="EADDRINUSE")
    if event.error is not None:
        yield replace(event, error=None)
    yield replace(event, local=elsewhere)
    yield replace(event, remote=elsewhere)


def _parts(event: Event) -> Iterator[Event]:
    """One part changed of what a program returned by name."""
    for key, value in event.result.items() if isinstance(event.result, dict) else ():
        yield replace(event, result=event.result | {key: [] if isinstance(value, list) else -1})
        if isinstance(value, int):
            yield replace(event, result=event.result | {key: value + 1})
        for other in (it for it in event.result.values() if isinstance(it, dict) and isinstance(value, dict)):
            for part in value:
                yield replace(event, result=event.result | {key: value | {part: other[part]}})
                yield replace(event, result=event.result | {key: value | {part: -1}})


def _at(endpoint: Endpoint, address: str) -> Endpoint:
    return Endpoint(address, endpoint.port)


def _flow(flow: FourTuple, port: bool) -> FourTuple:
    return replace(flow, source=Endpoint(flow.source.address, flow.source.port ^ 1 if port else flow.source.port))
