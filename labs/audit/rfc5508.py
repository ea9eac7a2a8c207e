"""RFC 5508: what is asked of a NAT for ICMP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError, NotAsked
from fourtuple.evidence import icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol

from .plan import LAST, SERVERS, requirement, say, udp
from .rfc4787 import HAIRPIN, hairpinned, report_of

ASKS, GONE, SHORT = 30700, 30701, 30702  # client1's identifier and ports


def ask_and_go(scene: Scene) -> None:
    """client1 pings alice and bob with one identifier; sends a datagram that may cross no router; and greets alice,
    closes its socket, and is answered."""
    servers = [scene.endpoint(name, 0).address for name in ("alice", "bob")]
    scene.act("client1", "ping.ask", ASKS, servers)
    udp(scene, "client1", SHORT, "short")
    scene["short"].setsockopt("IPPROTO_IP", "IP_TTL", 1)
    with suppress(OSError):
        scene["short"].sendto(marked("too short a life"), scene.endpoint(*SERVERS[0]))
    udp(scene, "client1", GONE, "gone")
    seen = say(scene, "gone", "goes", *SERVERS[0])
    scene["gone"].close()
    scene["udp alice:8000"].sendto(marked("to who is gone"), seen)


def echoes(facts: Facts, tap: str, kind: int, server: str) -> list[tuple[Packet, icmp_errors.Echo]]:
    """The echo requests (8) to a server at a tap, or the replies (0) from it."""
    address = facts.topology.host(server).address()
    found = [
        (it, icmp_errors.echo(it)) for it in facts.at(tap) if it.protocol is Protocol.ICMP and icmp_errors.is_echo(it)
    ]
    ends = {it: it.flow.destination if kind == icmp_errors.REQUEST else it.flow.source for it, _ in found}
    return [(it, read) for it, read in found if read.kind == kind and ends[it].address == address]


def asked_of(facts: Facts, server: str) -> Packet:
    """The query to a server as it left client1; EvidenceError for none."""
    for packet, read in echoes(facts, "lan", icmp_errors.REQUEST, server):
        if read.identifier == ASKS:
            return packet
    raise EvidenceError(f"no query to {server} was captured at lan")


@requirement("RFC 5508 REQ-1")
def queries(facts: Facts) -> Iterator[Check]:
    for server in ("alice", "bob"):
        asked = asked_of(facts, server)
        answers = [it for it, read in echoes(facts, "lan", icmp_errors.REPLY, server)
                   if (read.identifier, it.flow) == (ASKS, asked.flow.reversed())]  # fmt: skip
        yield Check(f"answers of {server} that reach the asker", 1, len(answers), (asked, *answers))


@requirement("RFC 5508 REQ-1a")
def one_identifier(facts: Facts) -> Iterator[Check]:
    asked = tuple(asked_of(facts, server) for server in ("alice", "bob"))
    went = [it for server in ("alice", "bob") for it in echoes(facts, "wan", icmp_errors.REQUEST, server)]
    if not went:
        raise EvidenceError("no query was captured at wan")
    servers = {it.flow.destination for it in asked}
    packets = tuple(it for it, _ in went)
    yield Check("servers that are asked outside", servers, {it.flow.destination for it in packets}, (*asked, *packets))
    yield Check("identifiers outside", 1, len({read.identifier for _, read in went}), (*asked, *packets))


def turned(facts: Facts, mark: str, came_to: str, goes_to: str) -> Iterator[Check]:
    """The error about a datagram, seen on the side it comes from, reaches the other side: about the packet as it was
    there, and back to where that came from. EvidenceError when nobody reported anything."""
    first, then = facts.at(came_to).only(mark), facts.at(goes_to).only(mark)
    reports = [it for it, read in icmp_errors.errors(facts.at(came_to)) if read.about == first.flow]
    if not reports:
        raise EvidenceError(f"no report about [{mark}] was captured at {came_to}")
    alice = next(it for it in (first.flow.source, first.flow.destination)
                 if it.address == facts.topology.host("alice").address())  # fmt: skip
    passed = [(it, read) for it, read in icmp_errors.errors(facts.at(goes_to).before(LAST))
              if alice in (read.about.source, read.about.destination)]  # fmt: skip
    seen = (then, reports[0], *(it for it, _ in passed))
    yield Check("the packets in the reports that pass", [then.flow], [read.about for _, read in passed], seen)
    to = [it.flow.destination.address for it, _ in passed]
    yield Check("where they go", [then.flow.source.address], to, seen)


@requirement("RFC 5508 REQ-4")
def errors_are_turned_back(facts: Facts) -> Iterator[Check]:
    yield from turned(facts, "to a closed port", "wan", "lan")


@requirement("RFC 5508 REQ-5")
def errors_are_turned_outwards(facts: Facts) -> Iterator[Check]:
    yield from turned(facts, "to who is gone", "lan", "wan")


@requirement("RFC 5508 REQ-6")
def errors_end_no_session(facts: Facts) -> Iterator[Check]:
    error = report_of(facts, "to a closed port", "wan")
    came, seen = facts.arrived("answer after the error", "lan", sent_at="wan", fence=LAST)
    yield Check("who is answered after an error hears it", True, came, (error, *seen))


@requirement("RFC 5508 REQ-7")
def errors_are_hairpinned(facts: Facts) -> Iterator[Check]:
    asked, came = hairpinned(facts, "hairpin to nobody")
    if not came:
        raise NotAsked("nothing that hairpins came in, so there was nothing to report")
    told = [it for it, read in icmp_errors.errors(facts.at("lan").before(LAST)) if read.about == asked.flow]
    greeted, home = facts.at("wan").only("client2 greets"), facts.topology.endpoint("client1", HAIRPIN)
    sought = [Endpoint(it.flow.destination.address, HAIRPIN) for it in told]
    yield Check("reports of it, and to whom", [home], sought, (greeted, asked, *came, *told))


@requirement("RFC 5508 REQ-10")
def an_expired_packet_is_reported(facts: Facts) -> Iterator[Check]:
    sent = facts.at("lan").only("too short a life")
    told = [
        (it, read)
        for it, read in icmp_errors.errors(facts.at("lan").before(LAST))
        if read.kind == icmp_errors.TTL_EXCEEDED
    ]
    yield Check("reports of it", [sent.flow], [read.about for _, read in told], (sent, *(it for it, _ in told)))
