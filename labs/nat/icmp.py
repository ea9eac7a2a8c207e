"""ICMP errors through a NAT.

A router on the way, or the other end, reports that a packet could not be delivered, and sends its head along. That
carries the addresses as they were out there. A NAT has to turn both back, the outer packet's and the inner one's, or
the sender will not recognise what the report is about (RFC 5508). Here reports cross two of them.

    client1 -- home1 -- router1 --+
                                  +-- isp -- carrier -- wan -- alice
    client2 -- home2 -- router2 --+
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError
from fourtuple.evidence import icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import classified
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

UDP = Protocol.UDP
SERVICE, CLOSED = 8000, 8009
ASKS, EXPIRES, LONG, CALLED = 30000, 30001, 30002, 30003  # client1's ports
SMALL = 1300  # bytes the last link carries
LAST = "the end"
lab = Lab("icmp", "ICMP errors through a NAT", "cgnat", nats=("home",), guard=classified.check,
          fences=(Fence(LAST, ("home", "isp", "wan")),))  # fmt: skip


def opened(scene: Scene, name: str, port: int, service: int) -> None:
    """A connected UDP socket of client1: the kernel tells it of errors."""
    mine = scene.socket("client1", UDP, name)
    mine.bind(scene.endpoint("client1", port))
    mine.connect(scene.endpoint("alice", service))


@lab.step
def ask_a_closed_port(scene: Scene) -> None:
    """Both homes have a home router, the carrier a full cone. client1 writes to a port of alice nobody has, and to one
    somebody has, from one socket each."""
    classified.serve(scene)
    classified.become(scene, {"router1": "home", "router2": "home", "carrier": "cgnat"})
    scene.socket("alice", UDP, "alice").bind(scene.endpoint("alice", SERVICE))
    opened(scene, "asks", ASKS, CLOSED)
    scene["asks"].send(marked("to a closed port"))
    with suppress(OSError):
        scene["asks"].recv()


@lab.step
def live_too_short(scene: Scene) -> None:
    """client1 sends a packet that may cross one router only."""
    opened(scene, "expires", EXPIRES, SERVICE)
    scene["expires"].send(marked("before"))
    scene["alice"].recvfrom()
    scene["expires"].setsockopt("IPPROTO_IP", "IP_TTL", 2)
    scene["expires"].send(marked("expires"))
    scene["expires"].setsockopt("IPPROTO_IP", "IP_TTL", 64)
    with suppress(OSError):
        scene["expires"].send(marked("after"))
        scene["alice"].recvfrom()


@lab.step
def be_too_long(scene: Scene) -> None:
    """The carrier's last link carries 1300 bytes. client1 sends 1400 that must not be fragmented, twice."""
    scene.run("carrier", "ip", "link", "set", "dev", scene.device("carrier", "wan"), "mtu", str(SMALL))
    opened(scene, "long", LONG, SERVICE)
    scene["long"].setsockopt("IPPROTO_IP", "IP_MTU_DISCOVER", 2)  # IP_PMTUDISC_DO: never fragment
    for number in range(2):
        with suppress(OSError):
            scene["long"].send(marked(f"long {number}", "x" * SMALL))
    scene["long"].getsockopt("IPPROTO_IP", "IP_MTU")


@lab.step
def be_called_in_vain(scene: Scene) -> None:
    """client1 greets alice and closes its socket; alice answers. And the last datagram of the lab."""
    mine = scene.socket("client1", UDP, "called")
    mine.bind(scene.endpoint("client1", CALLED))
    mine.sendto(marked("calls"), scene.endpoint("alice", SERVICE))
    _, seen = scene["alice"].recvfrom()
    mine.close()
    scene["alice"].connect(seen)
    scene["alice"].send(marked("in vain"))
    with suppress(OSError):
        scene["alice"].recv()
    scene.socket("alice", UDP, "alice again").bind(scene.endpoint("alice", SERVICE + 1))
    last = scene.socket("client1", UDP, "last")
    last.sendto(marked(LAST), scene.endpoint("alice", SERVICE + 1))
    scene["alice again"].recvfrom()


def reported(facts: Facts, tap: str, kind: tuple[int, int], inward: bool = True) -> tuple[Packet, icmp_errors.Error]:
    """The error of that kind a tap saw; `inward`: about a packet that went out."""
    server = facts.topology.host("alice").address()
    for packet in facts.at(tap):
        if packet.protocol is Protocol.ICMP:
            found = icmp_errors.error(packet)
            if found.kind == kind and (found.about.destination.address == server) == inward:
                return packet, found
    raise EvidenceError(f"no ICMP error {kind} was captured at {tap}")


def _about(facts: Facts, kind: tuple[int, int], mark: str, taps: tuple[str, ...]) -> Iterator[Check]:
    """At every tap the report is about the packet as it passed there, and goes to where that came from."""
    for tap in taps:
        packet, found = reported(facts, tap, kind)
        sent = facts.at(tap).only(mark)
        yield Check(f"at {tap}: the packet it carries", sent.flow, found.about, (sent, packet))
        to = packet.flow.destination.address
        yield Check(f"at {tap}: where it goes", sent.flow.source.address, to, (sent, packet))


@lab.claim
def a_closed_port_is_reported(facts: Facts) -> Iterator[Check]:
    """Port unreachable from the other end comes back through both routers, its inner packet rewritten at each; the
    client's socket is told. (RFC 5508 REQ-4)"""
    yield from _about(facts, icmp_errors.PORT_UNREACHABLE, "to a closed port", ("wan", "isp", "home"))
    told = facts.attempt("asks", "recv")
    yield Check("the client's recv()", "ECONNREFUSED", outcome(told), (told,))
    packet, _ = reported(facts, "home", icmp_errors.PORT_UNREACHABLE)
    yield Check("who reports", facts.topology.host("alice").address(), packet.flow.source.address, (packet,))


@lab.claim
def an_expired_packet_is_reported(facts: Facts) -> Iterator[Check]:
    """Time exceeded of the carrier's router reaches the client, about the packet as the client sent it; the mapping
    stays. (RFC 5508 REQ-6)"""
    yield from _about(facts, icmp_errors.TTL_EXCEEDED, "expires", ("isp", "home"))
    packet, _ = reported(facts, "home", icmp_errors.TTL_EXCEEDED)
    carrier = facts.topology.network("isp").gateway
    addresses = {carrier, facts.topology.host("carrier").address("isp")}
    yield Check("the carrier's router reports", True, packet.flow.source.address in addresses, (packet,))
    before, after = facts.at("wan").only("before"), facts.at("wan").only("after")
    yield Check("the mapping afterwards", before.flow.source, after.flow.source, (before, after))


@lab.claim
def a_long_packet_is_reported(facts: Facts) -> Iterator[Check]:
    """Fragmentation needed comes back with the size of the small link, and the client's kernel believes it: the second
    long packet does not even leave. (RFC 5508 REQ-4, path MTU discovery)"""
    yield from _about(facts, icmp_errors.FRAGMENTATION_NEEDED, "long 0", ("isp", "home"))
    packet, found = reported(facts, "home", icmp_errors.FRAGMENTATION_NEEDED)
    yield Check("the size it asks for", SMALL, found.mtu, (packet,))
    learned = facts.call("long", "getsockopt")
    yield Check("what the client's kernel learned", SMALL, learned.result, (learned,))
    again = facts.attempt("long", "send")
    yield Check("sending it again", "EMSGSIZE", outcome(again), (again,))


@lab.claim
def the_inside_may_report_too(facts: Facts) -> Iterator[Check]:
    """An inside host's port unreachable reaches the server from the carrier's address, about the endpoint the server
    knows. (RFC 5508 REQ-5)"""
    packet, found = reported(facts, "wan", icmp_errors.PORT_UNREACHABLE, inward=False)
    sent = facts.at("wan").only("in vain")
    yield Check("the packet it carries", sent.flow, found.about, (sent, packet))
    ends = FourTuple(Endpoint(sent.flow.destination.address, 0), Endpoint(sent.flow.source.address, 0))
    yield Check("from the carrier to alice", ends, packet.flow, (sent, packet))
    told = facts.attempt("alice", "recv")
    yield Check("alice's recv()", "ECONNREFUSED", outcome(told), (told,))
