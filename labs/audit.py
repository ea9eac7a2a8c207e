"""An audit: does this router do what the RFCs ask of it?

RFC 4787, 5382 and 5508 number what they ask of NATs, for UDP, TCP and ICMP. The router is treated as a box nobody can
look into: everything is decided by what two hosts inside and two outside send and receive, and by the packets on either
side. `invoke audit --nat BEHAVIOUR` compares what was found with what theory says of that behaviour.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from .kit import icmp
from .kit.claim import Check
from .kit.facts import Facts
from .kit.lab import Fence, Lab
from .kit.packet import Packet, marked
from .kit.ports import outcome
from .kit.scene import Scene
from .net.endpoint import Endpoint, Protocol
from .net.requirements import find

TCP, UDP = Protocol.TCP, Protocol.UDP
SERVERS = (("alice", 8000), ("alice", 8001), ("bob", 8000))
KNOCKS = (("alice", 8002), ("bob", 8001))
CLOSED, SIP = 8009, 5060
MAPPED, KNOCKED, CALLED, HAIRPIN, REPORTED, CUT, TOLD = range(30000, 30007)
COLLIDING, PAIRS = 31000, 10
LONG = 3000
LAST = "the end"
lab = Lab("audit", "What the RFCs ask of a NAT", "nat", nats=("full-cone",), any_nat=True,
          fences=(Fence(LAST, ("lan", "wan", "alice")),))  # fmt: skip


def udp(scene: Scene, client: str, port: int, name: str) -> None:
    scene.socket(client, UDP, name).bind(scene.endpoint(client, port))


def say(scene: Scene, name: str, mark: str, server: str, port: int, text: str = "") -> Endpoint:
    """A datagram from a client's socket to a server; returns where the server saw it come from."""
    scene[name].sendto(marked(mark, text), scene.endpoint(server, port))
    return scene[f"udp {server}:{port}"].recvfrom()[1]


@lab.step
def open_the_servers(scene: Scene) -> None:
    """alice and bob open UDP sockets and listen."""
    for server, port in (*SERVERS, *KNOCKS, ("alice", SIP)):
        scene.socket(server, UDP, f"udp {server}:{port}").bind(scene.endpoint(server, port))
    for server, port in SERVERS:
        listener = scene.socket(server, TCP, f"tcp {server}:{port}")
        listener.bind(scene.endpoint(server, port))
        listener.listen(64)


def call(scene: Scene, client: str, port: int, name: str, server: str, service: int) -> None:
    """A TCP connection from a port that others use as well, and a word on it."""
    mine = scene.socket(client, TCP, name)
    for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
        mine.setsockopt("SOL_SOCKET", option, 1)
    mine.bind(scene.endpoint(client, port))
    mine.connect(scene.endpoint(server, service))
    scene[f"tcp {server}:{service}"].accept(f"{name} accepted")
    mine.send(marked(name))
    scene[f"{name} accepted"].recv()


@lab.step
def map_and_knock(scene: Scene) -> None:
    """client1 writes to three endpoints from one socket, over UDP and TCP. Then it writes to one only, and others write
    to it and call it."""
    udp(scene, "client1", MAPPED, "mapped")
    for server, port in SERVERS:
        say(scene, "mapped", f"udp {server}:{port}", server, port)
        call(scene, "client1", MAPPED, f"tcp {server}:{port} called", server, port)
    udp(scene, "client1", KNOCKED, "knocked")
    seen = say(scene, "knocked", "opens", *SERVERS[0])
    for server, port in KNOCKS:
        scene[f"udp {server}:{port}"].sendto(marked(f"{server} knocks"), seen)
    listener = scene.socket("client1", TCP, "listener")
    for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
        listener.setsockopt("SOL_SOCKET", option, 1)
    listener.bind(scene.endpoint("client1", CALLED))
    listener.listen()
    call(scene, "client1", CALLED, "tcp opens", *SERVERS[0])
    back = scene["tcp opens accepted"].getpeername()
    for server, port in KNOCKS:
        caller = scene.socket(server, TCP, f"{server} calls")
        caller.settimeout(0)
        caller.bind(scene.endpoint(server, port))
        with suppress(BlockingIOError):
            caller.connect(back)
    nobody = scene.socket("bob", TCP, "bob calls nobody")
    nobody.settimeout(0)
    with suppress(BlockingIOError):
        nobody.connect(Endpoint(back.address, 9))


@lab.step
def collide(scene: Scene) -> None:
    """client1 and client2 use one source port, ten times, over UDP and TCP: client1 towards alice, client2 towards bob,
    then client2 towards alice."""
    for pair in range(PAIRS):
        for client, server in (("client1", "alice"), ("client2", "bob"), ("client2", "alice")):
            name = f"{client} {pair}"
            if name not in scene:
                udp(scene, client, COLLIDING + pair, name)
            say(scene, name, f"udp {pair} {client} {server}", server, 8000)
            if (client, server) != ("client2", "alice"):
                call(scene, client, COLLIDING + pair, f"tcp {pair} {client} {server}", server, 8000)


@lab.step
def call_back_in(scene: Scene) -> None:
    """client1 and client2 greet alice, then write to each other's external endpoints, client1 first."""
    seen = {}
    for client in ("client1", "client2"):
        udp(scene, client, HAIRPIN, f"hairpin {client}")
        seen[client] = say(scene, f"hairpin {client}", f"{client} greets", *SERVERS[0])
    for number, sender, receiver in ((1, "client1", "client2"), (2, "client2", "client1"), (3, "client1", "client2")):
        scene[f"hairpin {sender}"].sendto(marked(f"hairpin {number}"), seen[receiver])


@lab.step
def report_cut_and_tell(scene: Scene) -> None:
    """client1 writes to a closed port and to an open one again; sends a datagram of 3000 bytes that comes back; and one
    whose words are its own address. And the last datagram of the audit."""
    udp(scene, "client1", REPORTED, "reported")
    say(scene, "reported", "before the error", *SERVERS[0])
    scene["reported"].sendto(marked("to a closed port"), scene.endpoint("alice", CLOSED))
    say(scene, "reported", "after the error", *SERVERS[0])
    udp(scene, "client1", CUT, "cut")
    back = say(scene, "cut", "long", "alice", 8000, "x" * LONG)
    scene["udp alice:8000"].sendto(marked("long back", "x" * LONG), back)
    with suppress(OSError):
        scene["cut"].recvfrom()
    udp(scene, "client1", TOLD, "told")
    say(scene, "told", "words", "alice", SIP, f"Contact: <sip:me@{scene.endpoint('client1', TOLD)}>")
    say(scene, "told", LAST, *SERVERS[0])


def requirement(name: str) -> Callable[[Callable[[Facts], Iterator[Check]]], Callable[[Facts], Iterator[Check]]]:
    """Decorator: a claim that is a requirement, in the words of `labs.net.requirements`."""

    def mark(function: Callable[[Facts], Iterator[Check]]) -> Callable[[Facts], Iterator[Check]]:
        asked = find(name)
        lab.add(function.__name__, f"{asked.id} ({asked.level.value}): {asked.says}.", function)
        return function

    return mark


def _kept(facts: Facts, marks: list[str]) -> Iterator[Check]:
    """The packets of one inside endpoint come from one external endpoint."""
    inside, outside = ([facts.at(tap).only(it) for it in marks] for tap in ("lan", "wan"))
    yield Check("inside endpoints", 1, len({it.flow.source for it in inside}), tuple(inside))
    yield Check("external endpoints", 1, len({it.flow.source for it in outside}), tuple(outside))


@requirement("RFC 4787 REQ-1")
def udp_mapping(facts: Facts) -> Iterator[Check]:
    yield from _kept(facts, [f"udp {server}:{port}" for server, port in SERVERS])


@requirement("RFC 5382 REQ-1")
def tcp_mapping(facts: Facts) -> Iterator[Check]:
    yield from _kept(facts, [f"tcp {server}:{port} called" for server, port in SERVERS])


def _exclusive(facts: Facts, protocol: str) -> Iterator[Check]:
    """Two hosts with one source port never have one external endpoint."""
    pairs = [[facts.at("wan").only(f"{protocol} {pair} {client} {server}")
              for client, server in (("client1", "alice"), ("client2", "bob"))] for pair in range(PAIRS)]  # fmt: skip
    shared = sum(one.flow.source == other.flow.source for one, other in pairs)
    inside = [facts.at("lan").only(f"{protocol} {pair} client1 alice").flow.source.port for pair in range(PAIRS)]
    yield Check("source ports used", [COLLIDING + pair for pair in range(PAIRS)], inside,
                tuple(facts.at("lan").only(f"{protocol} {pair} client1 alice") for pair in range(PAIRS)))  # fmt: skip
    yield Check("external endpoints two hosts have", 0, shared, tuple(it for pair in pairs for it in pair))


@requirement("RFC 4787 REQ-3")
def udp_ports_are_exclusive(facts: Facts) -> Iterator[Check]:
    yield from _exclusive(facts, "udp")


@requirement("RFC 5382 REQ-7")
def tcp_ports_are_exclusive(facts: Facts) -> Iterator[Check]:
    yield from _exclusive(facts, "tcp")


@requirement("RFC 4787 REQ-8")
def udp_filtering(facts: Facts) -> Iterator[Check]:
    came, seen = facts.arrived("alice knocks", "lan", sent_at="wan", fence=LAST)
    yield Check("another port of who was written to comes in", True, came, seen)


@requirement("RFC 5382 REQ-3")
def tcp_filtering(facts: Facts) -> Iterator[Check]:
    caller, opened = facts.topology.endpoint(*KNOCKS[0]), facts.at("wan").only("tcp opens")
    sent = next(it for it in facts.at("wan") if it.flags == "S" and it.flow.source == caller)
    home = facts.topology.endpoint("client1", CALLED)
    came = [it for it in facts.at("lan").before(LAST) if it.flags == "S" and it.flow.source == caller
            and it.flow.destination == home]  # fmt: skip
    yield Check("it was called where it is known", opened.flow.source, sent.flow.destination, (opened, sent))
    yield Check("another port of who was called comes in", True, bool(came), (sent, *came))


@requirement("RFC 5382 REQ-4")
def an_uninvited_syn(facts: Facts) -> Iterator[Check]:
    caller = facts.attempt("bob calls nobody", "connect")
    sent = next(it for it in facts.at("wan") if it.flags == "S" and it.flow.destination.port == 9)
    nobody = Endpoint(facts.topology.router.address("wan"), 9)
    yield Check("it goes to a port nobody has", nobody, sent.flow.destination, (sent,))
    back: list[Packet] = []
    for it in facts.at("wan").before(LAST):
        about = icmp.error(it).about if it.protocol is Protocol.ICMP else None
        if it.flow == sent.flow.reversed() or about == sent.flow:
            back.append(it)
    yield Check("answers to a SYN nobody asked for", 0, len(back), (sent, *back, caller))


@requirement("RFC 4787 REQ-9")
def hairpinning(facts: Facts) -> Iterator[Check]:
    known = {client: facts.at("wan").only(f"{client} greets") for client in ("client1", "client2")}
    home = facts.topology.endpoint("client2", HAIRPIN)
    asked = facts.at("lan").only("hairpin 3")
    came = [it for it in facts.at("lan").before(LAST) if it.mark == "hairpin 3" and it.flow.destination == home]
    yield Check("client1 calls where client2 is known", known["client2"].flow.source, asked.flow.destination,
                (asked, known["client2"]))  # fmt: skip
    source = came[0].flow.source if came else None
    yield Check("it comes in, from where client1 is known", known["client1"].flow.source, source,
                (known["client1"], asked, *came))  # fmt: skip


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
    error = _error(facts, "wan")
    yield Check("the error came between", True, before.number < error.number < after.number, (before, error, after))
    yield Check("the mapping afterwards", before.flow.source, after.flow.source, (before, after))


def _error(facts: Facts, tap: str) -> Packet:
    """The port unreachable about the datagram to the closed port."""
    return next(it for it in facts.at(tap) if it.protocol is Protocol.ICMP
                and icmp.error(it).about.destination.port == CLOSED)  # fmt: skip


@requirement("RFC 4787 REQ-14")
def fragments(facts: Facts) -> Iterator[Check]:
    heard = facts.attempt("cut", "recvfrom")
    size = len(marked("long back", "x" * LONG))
    yield Check("recvfrom() of a long answer", "ok", outcome(heard), (heard,))
    yield Check("bytes that came back", size, len(heard.payload), (heard,))


@requirement("RFC 5508 REQ-4")
def errors_are_turned_back(facts: Facts) -> Iterator[Check]:
    sent, error = facts.at("lan").only("to a closed port"), _error(facts, "lan")
    yield Check("the packet in the error", sent.flow, icmp.error(error).about, (sent, error))
    yield Check("where the error goes", sent.flow.source.address, error.flow.destination.address, (sent, error))
