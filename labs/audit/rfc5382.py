"""RFC 5382: what is asked of a NAT for TCP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import NotAsked
from fourtuple.evidence import icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol

from .plan import KNOCKS, LAST, SERVERS, call, exclusive, kept, requirement, shared

MAPPED, CALLED, CROSSING, HAIRPIN = 30500, 30510, 30520, 30530
NOBODY = 9  # a port that no mapping has
FULL = 8005  # alice's listener that has no room


def map_and_be_called(scene: Scene) -> None:
    """client1 connects to three endpoints from one port. Then it connects to one only, listens on the same port, and is
    called by others."""
    for server, port in SERVERS:
        call(scene, "client1", MAPPED, f"tcp {server}:{port} called", server, port)
    shared(scene, "client1", CALLED, "listener")
    scene["listener"].listen()
    back = call(scene, "client1", CALLED, "tcp opens", *SERVERS[0])
    for server, port in KNOCKS:
        caller = scene.socket(server, Protocol.TCP, f"{server} calls")
        caller.bind(scene.endpoint(server, port))
        begin(scene, f"{server} calls", back)
    scene.socket("bob", Protocol.TCP, "bob calls nobody")
    begin(scene, "bob calls nobody", Endpoint(back.address, NOBODY))


def begin(scene: Scene, name: str, remote: Endpoint) -> None:
    """connect(), without waiting for what becomes of it."""
    scene[name].settimeout(0)
    with suppress(BlockingIOError, OSError):
        scene[name].connect(remote)


def cross(scene: Scene) -> None:
    """alice's listener has no room, so client1's SYN to it gets no answer. alice closes it and connects from its port
    to where client1 was seen: her SYN crosses his."""
    known = call(scene, "client1", CROSSING, "crossing is known", *SERVERS[0])
    shared(scene, "alice", FULL, "full")
    scene["full"].listen(0)
    for number in range(2):
        scene.socket("bob", Protocol.TCP, f"bob fills {number}")
        begin(scene, f"bob fills {number}", scene.endpoint("alice", FULL))
    shared(scene, "client1", CROSSING, "crossing out")
    begin(scene, "crossing out", scene.endpoint("alice", FULL))
    scene["full"].close()
    shared(scene, "alice", FULL, "crossing in")
    with suppress(OSError):
        scene["crossing in"].connect(known)
        scene["crossing in"].send(marked("across"))


def call_each_other(scene: Scene) -> None:
    """client1 and client2 connect to alice, listen on the same ports, and call each other where she saw them."""
    seen = {}
    for client in ("client1", "client2"):
        shared(scene, client, HAIRPIN, f"tcp hairpin {client}")
        scene[f"tcp hairpin {client}"].listen()
        seen[client] = call(scene, client, HAIRPIN, f"{client} connects", *SERVERS[0])
    for caller, callee in (("client2", "client1"), ("client1", "client2")):
        shared(scene, caller, HAIRPIN, f"{caller} calls")
        begin(scene, f"{caller} calls", seen[callee])


def syns(facts: Facts, tap: str) -> Iterator[Packet]:
    """First segments at a tap, before the end of the audit."""
    return (it for it in facts.at(tap).before(LAST) if it.flags == "S")


@requirement("RFC 5382 REQ-1")
def tcp_mapping(facts: Facts) -> Iterator[Check]:
    yield from kept(facts, [f"tcp {server}:{port} called" for server, port in SERVERS])


@requirement("RFC 5382 REQ-2")
def simultaneous_open(facts: Facts) -> Iterator[Check]:
    known = facts.at("wan").only("crossing is known")
    there = facts.topology.endpoint("alice", FULL)
    out = next(it for it in syns(facts, "wan") if it.flow.destination == there and it.flow.source != _fills(facts, it))
    crossed = next(it for it in syns(facts, "wan") if it.flow.source == there)
    if out.flow.source != known.flow.source:
        raise NotAsked("the mapping depends on the destination: alice cannot know where she will be called from")
    yield Check("her SYN answers his", out.flow.reversed(), crossed.flow, (known, out, crossed))
    yield Check("he was first, and got no answer", True, out.number < crossed.number, (out, crossed))
    connected = facts.attempt("crossing in", "connect")
    yield Check("alice's connect()", "ok", outcome(connected), (connected,))
    if connected.error is None:
        came, seen = facts.arrived("across", "lan", sent_at="wan", fence=LAST)
        yield Check("her word arrives", True, came, seen)


def _fills(facts: Facts, packet: Packet) -> Endpoint | None:
    """The source of a packet where that is bob, who fills alice's listener."""
    return packet.flow.source if packet.flow.source.address == facts.topology.host("bob").address() else None


@requirement("RFC 5382 REQ-3")
def tcp_filtering(facts: Facts) -> Iterator[Check]:
    caller, opened = facts.topology.endpoint(*KNOCKS[0]), facts.at("wan").only("tcp opens")
    sent = next(it for it in facts.at("wan") if it.flags == "S" and it.flow.source == caller)
    home = facts.topology.endpoint("client1", CALLED)
    came = [it for it in syns(facts, "lan") if it.flow.source == caller and it.flow.destination == home]
    yield Check("it was called where it is known", opened.flow.source, sent.flow.destination, (opened, sent))
    yield Check("another port of who was called comes in", True, bool(came), (sent, *came))


@requirement("RFC 5382 REQ-4")
def an_uninvited_syn(facts: Facts) -> Iterator[Check]:
    caller = facts.attempt("bob calls nobody", "connect")
    opened = facts.at("wan").only("tcp opens")
    sent = next(it for it in facts.at("wan") if it.flags == "S" and it.flow.destination.port == NOBODY)
    nobody = Endpoint(opened.flow.source.address, NOBODY)
    yield Check("it goes to a port nobody has", nobody, sent.flow.destination, (sent, opened))
    before = facts.at("wan").before(LAST)
    back = [it for it in before if it.flow == sent.flow.reversed()]
    back += [it for it, read in icmp_errors.errors(before) if read.about == sent.flow]
    yield Check("answers to a SYN nobody asked for", 0, len(back), (sent, *back, caller))


@requirement("RFC 5382 REQ-7")
def tcp_ports_are_exclusive(facts: Facts) -> Iterator[Check]:
    yield from exclusive(facts, "tcp")


@requirement("RFC 5382 REQ-8")
def tcp_hairpinning(facts: Facts) -> Iterator[Check]:
    known = {client: facts.at("wan").only(f"{client} connects") for client in ("client1", "client2")}
    asked, came = [], []
    for caller, callee in (("client2", "client1"), ("client1", "client2")):
        mine, home = (facts.topology.endpoint(client, HAIRPIN) for client in (caller, callee))
        outside = known[callee].flow.source
        if outside == home:
            raise NotAsked("nothing is translated: they reach each other without the router")
        asked += [it for it in syns(facts, "lan") if it.flow.source == mine and it.flow.destination == outside]
        came += [it for it in syns(facts, "lan") if it.flow.source == known[caller].flow.source
                 and it.flow.destination == home]  # fmt: skip
    yield Check("somebody called where the other is known", True, bool(asked), (*known.values(), *asked))
    yield Check("a call comes in, from where the caller is known", True, bool(came), (*known.values(), *asked, *came))
