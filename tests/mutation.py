"""One field of one witness changed: what every claim must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from labs.kit.capture import Capture
from labs.kit.claim import Evidence
from labs.kit.conntrack import Entry
from labs.kit.facts import Facts
from labs.kit.packet import Packet
from labs.net.endpoint import Endpoint, FourTuple
from labs.net.event import Event


def mutants(facts: Facts, witness: Evidence) -> Iterator[tuple[str, Facts]]:
    """The facts again and again, each time with another field of this witness changed; with the field's name."""
    match witness:
        case Packet():
            for name, changed in _packets(facts, witness):
                capture = facts.captures[witness.tap]
                packets = tuple(changed if packet is witness else packet for packet in capture)
                yield name, replace(facts, captures={**facts.captures, witness.tap: Capture(witness.tap, packets)})
        case Event():
            for name, event in _events(witness):
                yield name, replace(facts, events=tuple(event if it is witness else it for it in facts.events))
        case Entry():
            changed_entry = replace(witness, reply=_flow(witness.reply, port=True))
            table = tuple(changed_entry if entry is witness else entry for entry in facts.conntrack or ())
            yield "reply", replace(facts, conntrack=table)


def joint(facts: Facts, witnesses: tuple[Evidence, ...]) -> Iterator[Facts]:
    """The facts with one field changed in every packet a comparison looked at."""
    cited = {id(it) for it in witnesses if isinstance(it, Packet)}
    inside = {packet.mark: packet.flow.source.port for packet in facts.captures["lan"]}
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


def _packets(facts: Facts, packet: Packet) -> Iterator[tuple[str, Packet]]:
    inside = facts.topology.host("client2").address()
    yield "source address", replace(packet, flow=replace(packet.flow, source=_at(packet.flow.source, "203.0.113.9")))
    yield "private source", replace(packet, flow=replace(packet.flow, source=_at(packet.flow.source, inside)))
    yield "source port", replace(packet, flow=_flow(packet.flow, port=True))
    reverse = packet.flow.reversed()
    yield "destination port", replace(packet, flow=_flow(reverse, port=True).reversed())
    moved = replace(packet.flow, destination=_at(packet.flow.destination, "203.0.113.9"))
    yield "destination address", replace(packet, flow=moved)
    yield "ttl", replace(packet, ttl=packet.ttl + 7)
    yield "payload", replace(packet, payload=packet.payload + b"!")
    yield "mark", replace(packet, payload=b"[another] " + packet.payload)
    for mark in {other.mark for capture in facts.captures.values() for other in capture} - {None, packet.mark}:
        yield "the mark of another packet", replace(packet, payload=f"[{mark}] ".encode())
    for other in facts.captures[packet.tap]:
        if other.flow != packet.flow and other.protocol is packet.protocol and other.mark:
            yield "the tuple of another packet", replace(packet, flow=other.flow)


def _events(event: Event) -> Iterator[tuple[str, Event]]:
    elsewhere = Endpoint("203.0.113.9", 9)
    yield "result", replace(event, result=["203.0.113.9", 9])
    yield "received", replace(event, result="something else")
    yield "received from", replace(event, result=["something else", ["203.0.113.9", 9]])
    yield "local", replace(event, local=elsewhere)
    yield "remote", replace(event, remote=elsewhere)


def _at(endpoint: Endpoint, address: str) -> Endpoint:
    return Endpoint(address, endpoint.port)


def _flow(flow: FourTuple, port: bool) -> FourTuple:
    return replace(flow, source=Endpoint(flow.source.address, flow.source.port ^ 1 if port else flow.source.port))
