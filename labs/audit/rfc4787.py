"""RFC 4787: what is asked of a NAT for UDP, but for the timers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError, NotAsked
from fourtuple.evidence import icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import outcome
from fourtuple.kit.scene import Scene

from .plan import KNOCKS, LAST, PAIRS, SERVERS, SIP, exclusive, kept, requirement, say, udp

CLOSED = 8009
MAPPED, KNOCKED, HAIRPIN, REPORTED, CUT, TOLD, WIDE = (30000 + 10 * number for number in range(7))
EVEN, TWENTY = 32000, 20
LONG, SMALL = 3000, 1300  # bytes: a datagram that must be cut; what the outer link is made to carry


def map_and_knock(scene: Scene) -> None:
    """client1 writes to three endpoints from one socket. Then it writes to one only, and others write to it."""
    udp(scene, "client1", MAPPED, "mapped")
    for server, port in SERVERS:
        say(scene, "mapped", f"udp {server}:{port}", server, port)
    udp(scene, "client1", KNOCKED, "knocked")
    seen = say(scene, "knocked", "opens", *SERVERS[0])
    for server, port in KNOCKS:
        scene[f"udp {server}:{port}"].sendto(marked(f"{server} knocks"), seen)


def use_even_ports(scene: Scene) -> None:
    """client1 writes from twenty sockets, all on even ports."""
    for number in range(TWENTY):
        udp(scene, "client1", EVEN + 2 * number, f"even {number}")
        say(scene, f"even {number}", f"even {number}", *SERVERS[0])


def call_back_in(scene: Scene) -> None:
    """client1 and client2 greet alice, then write to each other's external endpoints, client1 first; and once more when
    client2 has closed its socket."""
    seen = {}
    for client in ("client1", "client2"):
        udp(scene, client, HAIRPIN, f"hairpin {client}")
        seen[client] = say(scene, f"hairpin {client}", f"{client} greets", *SERVERS[0])
    for number, sender, receiver in ((1, "client1", "client2"), (2, "client2", "client1"), (3, "client1", "client2")):
        scene[f"hairpin {sender}"].sendto(marked(f"hairpin {number}"), seen[receiver])
    scene["hairpin client2"].close()
    scene["hairpin client1"].sendto(marked("hairpin to nobody"), seen["client2"])


def report_cut_and_tell(scene: Scene) -> None:
    """client1 writes to a closed port, to an open one again, and is answered; sends a datagram of 3000 bytes that comes
    back; one whose words are its own address; and, when the outer link carries 1300 bytes only, one of 1400."""
    udp(scene, "client1", REPORTED, "reported")
    say(scene, "reported", "before the error", *SERVERS[0])
    scene["reported"].sendto(marked("to a closed port"), scene.endpoint("alice", CLOSED))
    seen = say(scene, "reported", "after the error", *SERVERS[0])
    scene["udp alice:8000"].sendto(marked("answer after the error"), seen)
    udp(scene, "client1", CUT, "cut")
    back = say(scene, "cut", "long", "alice", 8000, "x" * LONG)
    scene["udp alice:8000"].sendto(marked("long back", "x" * LONG), back)
    with suppress(OSError):
        scene["cut"].recvfrom()
    udp(scene, "client1", TOLD, "told")
    say(scene, "told", "words", "alice", SIP, f"Contact: <sip:me@{scene.endpoint('client1', TOLD)}>")
    outside = scene.device("router", "wan")
    scene.run("router", "ip", "link", "set", "dev", outside, "mtu", str(SMALL))
    udp(scene, "client1", WIDE, "wide")
    scene["wide"].setsockopt("IPPROTO_IP", "IP_MTU_DISCOVER", 2)  # IP_PMTUDISC_DO: never fragment
    scene["wide"].sendto(marked("too wide", "x" * SMALL), scene.endpoint(*SERVERS[0]))
    scene.run("router", "ip", "link", "set", "dev", outside, "mtu", "1500")


def report_of(facts: Facts, mark: str, tap: str) -> Packet:
    """The ICMP error about a datagram as it was at this tap; EvidenceError when nobody reported anything."""
    sent = facts.at(tap).only(mark)
    for packet, read in icmp_errors.errors(facts.at(tap)):
        if read.about == sent.flow:
            return packet
    raise EvidenceError(f"no report about [{mark}] was captured at {tap}")


@requirement("RFC 4787 REQ-1")
def udp_mapping(facts: Facts) -> Iterator[Check]:
    yield from kept(facts, [f"udp {server}:{port}" for server, port in SERVERS])


def one_address(facts: Facts, marks: list[str]) -> Iterator[Check]:
    """What one inside host sent came from one external address; NotAsked unless several are in use at all."""
    wan = facts.at("wan")
    mine = tuple(wan.only(mark) for mark in marks)
    others = (wan.only(f"udp {pair} client2 bob") for pair in range(PAIRS))
    if len({it.flow.source.address for it in (*mine, *others)}) == 1:
        raise NotAsked("everybody came from one external address: there may be no other")
    yield Check("client1's external addresses", 1, len({it.flow.source.address for it in mine}), mine)


@requirement("RFC 4787 REQ-2")
def address_pooling(facts: Facts) -> Iterator[Check]:
    yield from one_address(facts, [f"even {number}" for number in range(TWENTY)])


@requirement("RFC 4787 REQ-3")
def udp_ports_are_exclusive(facts: Facts) -> Iterator[Check]:
    yield from exclusive(facts, "udp")


@requirement("RFC 4787 REQ-4")
def parity(facts: Facts) -> Iterator[Check]:
    for tap in ("lan", "wan"):
        seen = tuple(facts.at(tap).only(f"even {number}") for number in range(TWENTY))
        yield Check(f"odd source ports at {tap}", 0, sum(it.flow.source.port % 2 for it in seen), seen)


@requirement("RFC 4787 REQ-8")
def udp_filtering(facts: Facts) -> Iterator[Check]:
    came, seen = facts.arrived("alice knocks", "lan", sent_at="wan", fence=LAST)
    yield Check("another port of who was written to comes in", True, came, seen)


@requirement("RFC 4787 REQ-9")
def hairpinning(facts: Facts) -> Iterator[Check]:
    known = {client: facts.at("wan").only(f"{client} greets") for client in ("client1", "client2")}
    asked, came = hairpinned(facts, "hairpin 3")
    yield Check("client1 calls where client2 is known", known["client2"].flow.source, asked.flow.destination,
                (asked, known["client2"]))  # fmt: skip
    source = came[0].flow.source if came else None
    yield Check("it comes in, from where client1 is known", known["client1"].flow.source, source,
                (known["client1"], asked, *came))  # fmt: skip


def hairpinned(facts: Facts, mark: str) -> tuple[Packet, list[Packet]]:
    """client1's call of client2's external endpoint, and what came of it at client2.

    NotAsked where client2 is known by its own endpoint: they need no router to meet.
    """
    home = facts.topology.endpoint("client2", HAIRPIN)
    if facts.at("wan").only("client2 greets").flow.source == home:
        raise NotAsked("nothing is translated: they reach each other without the router")
    before = facts.at("lan").before(LAST)
    return facts.at("lan").only(mark), [it for it in before if it.mark == mark and it.flow.destination == home]


@requirement("RFC 4787 REQ-10")
def payloads(facts: Facts) -> Iterator[Check]:
    inside, outside = facts.at("lan").only("words"), facts.at("wan").only("words")
    yield Check("the words outside", inside.payload, outside.payload, (inside, outside))


@requirement("RFC 4787 REQ-11")
def determinism(facts: Facts) -> Iterator[Check]:
    wan = facts.at("wan")
    moved = [(wan.only(f"udp {pair} client2 bob"), wan.only(f"udp {pair} client2 alice")) for pair in range(PAIRS)]
    stays = sum(one.flow.source == other.flow.source for one, other in moved)
    yield Check("mappings that stay", PAIRS, stays, tuple(it for pair in moved for it in pair))


@requirement("RFC 4787 REQ-12")
def errors_end_nothing(facts: Facts) -> Iterator[Check]:
    before, after = facts.at("wan").only("before the error"), facts.at("wan").only("after the error")
    error = report_of(facts, "to a closed port", "wan")
    yield Check("the error came between", True, before.number < error.number < after.number, (before, error, after))
    yield Check("the mapping afterwards", before.flow.source, after.flow.source, (before, after))


@requirement("RFC 4787 REQ-13")
def too_long_is_reported(facts: Facts) -> Iterator[Check]:
    lan = facts.at("lan")
    sent = lan.only("too wide")
    told = [
        (it, read) for it, read in icmp_errors.errors(lan.before(LAST)) if read.kind == icmp_errors.FRAGMENTATION_NEEDED
    ]
    seen = (sent, *(it for it, _ in told))
    yield Check("reports of it", [sent.flow], [read.about for _, read in told], seen)
    yield Check("the size they name", [SMALL], [read.mtu for _, read in told], seen)


@requirement("RFC 4787 REQ-14")
def fragments(facts: Facts) -> Iterator[Check]:
    heard = facts.attempt("cut", "recvfrom")
    size = len(marked("long back", "x" * LONG))
    yield Check("recvfrom() of a long answer", "ok", outcome(heard), (heard,))
    yield Check("bytes that came back", size, len(heard.payload), (heard,))
