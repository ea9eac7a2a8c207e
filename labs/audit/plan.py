"""The lab `audit`: its servers, and what the audits of the protocols have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.requirements import find

TCP, UDP = Protocol.TCP, Protocol.UDP
SERVERS = (("alice", 8000), ("alice", 8001), ("bob", 8000))  # one endpoint, another port of it, another address
KNOCKS = (("alice", 8002), ("bob", 8001))  # nobody writes to these: another port of who was written to, another address
SIP = 5060
COLLIDING, PAIRS = 31000, 10
LAST = "the end"
lab = Lab("audit", "What the RFCs ask of a NAT", "nat", nats=("eim/eif udp=120s addresses=2",), any_nat=True,
          fences=(Fence(LAST, ("lan", "wan", "alice")),))  # fmt: skip

Examination = Callable[[Facts], Iterator[Check]]
EXAMINED: dict[str, Examination] = {}  # by requirement


def requirement(name: str) -> Callable[[Examination], Examination]:
    """Decorator: a claim that is a requirement, in the words of `fourtuple.net.requirements`."""

    def mark(function: Examination) -> Examination:
        EXAMINED[find(name).id] = function
        return function

    return mark


def udp(scene: Scene, client: str, port: int, name: str) -> None:
    """A bound UDP socket of a client."""
    scene.socket(client, UDP, name).bind(scene.endpoint(client, port))


def say(scene: Scene, name: str, mark: str, server: str, port: int, text: str = "") -> Endpoint:
    """A datagram from a client's socket to a server; returns where the server saw it come from.

    What arrived meanwhile and nobody waited for is read and passed over.
    """
    scene[name].sendto(marked(mark, text), scene.endpoint(server, port))
    while True:
        payload, seen = scene[f"udp {server}:{port}"].recvfrom()
        if payload.startswith(marked(mark)):
            return seen


def shared(scene: Scene, host: str, port: int, name: str) -> None:
    """A TCP socket on a port that others use as well."""
    mine = scene.socket(host, TCP, name)
    for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
        mine.setsockopt("SOL_SOCKET", option, 1)
    mine.bind(scene.endpoint(host, port))


def call(scene: Scene, client: str, port: int, name: str, server: str, service: int) -> Endpoint:
    """A TCP connection from a port that others use as well, and a word on it; returns where the server saw it from."""
    shared(scene, client, port, name)
    scene[name].connect(scene.endpoint(server, service))
    accepted = scene[f"tcp {server}:{service}"].accept(f"{name} accepted")
    scene[name].send(marked(name))
    accepted.recv()
    return accepted.getpeername()


def kept(facts: Facts, marks: list[str]) -> Iterator[Check]:
    """The packets of one inside endpoint come from one external endpoint."""
    inside, outside = ([facts.at(tap).only(it) for it in marks] for tap in ("lan", "wan"))
    yield Check("inside endpoints", 1, len({it.flow.source for it in inside}), tuple(inside))
    yield Check("external endpoints", 1, len({it.flow.source for it in outside}), tuple(outside))


def exclusive(facts: Facts, protocol: str) -> Iterator[Check]:
    """Two hosts with one source port never have one external endpoint."""
    pairs = [[facts.at("wan").only(f"{protocol} {pair} {client} {server}")
              for client, server in (("client1", "alice"), ("client2", "bob"))] for pair in range(PAIRS)]  # fmt: skip
    same = sum(one.flow.source == other.flow.source for one, other in pairs)
    inside = tuple(facts.at("lan").only(f"{protocol} {pair} client1 alice") for pair in range(PAIRS))
    ports = [it.flow.source.port for it in inside]
    yield Check("source ports used", [COLLIDING + pair for pair in range(PAIRS)], ports, inside)
    yield Check("external endpoints two hosts have", 0, same, tuple(it for pair in pairs for it in pair))


def open_the_servers(scene: Scene) -> None:
    """alice and bob open UDP sockets and listen."""
    for server, port in (*SERVERS, *KNOCKS, ("alice", SIP)):
        scene.socket(server, UDP, f"udp {server}:{port}").bind(scene.endpoint(server, port))
    for server, port in SERVERS:
        listener = scene.socket(server, TCP, f"tcp {server}:{port}")
        listener.bind(scene.endpoint(server, port))
        listener.listen(64)


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
