"""Nine routers in one: every mapping with every filtering.

RFC 4787 describes a NAT by two questions. When does an inside endpoint keep its external endpoint (mapping)? Whose
packets may come in through it (filtering)? Three answers to each make nine behaviours. Here one router becomes each of
them in turn, with three ways of assigning ports, and then the kernel's own masquerades; the same packets are sent
through all.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.behaviour import NatBehaviour, PortAssignment
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import NINE, parse

TCP, UDP = Protocol.TCP, Protocol.UDP
POLICIES = ("preserve", "sequential", "random:7")
EXACT = tuple(f"{pair} ports={policy}" for pair in NINE for policy in POLICIES)
WILD = ("masquerade", "masquerade-random", "masquerade-fully-random", "none")
ROUTERS = (*EXACT, *WILD)
SERVERS = (("alice", 8000), ("alice", 8001), ("bob", 8000))  # one endpoint, another port of it, another address
KNOCKS = (("alice", 8002), ("bob", 8001))  # nobody writes to these: another port of who was written to, another address
FIRST_SOURCE = 20000
lab = Lab("behaviours", "Nine routers in one", "nat", nats=("home",),
          fences=(Fence(f"{ROUTERS[-1]} fence", ("lan", "wan", "alice")),))  # fmt: skip


def source(router: str, protocol: Protocol, what: int) -> int:
    """A client port of its own for every socket of the lab."""
    return FIRST_SOURCE + 10 * ROUTERS.index(router) + 2 * what + (protocol is TCP)


def mark(router: str, protocol: Protocol, server: str, port: int) -> str:
    return f"{router} {protocol.value} {server}:{port}"


@lab.step
def open_the_servers(scene: Scene) -> None:
    """alice and bob open their UDP sockets and TCP listeners."""
    for server, port in (*SERVERS, *KNOCKS):
        scene.socket(server, UDP, f"udp {server}:{port}").bind(scene.endpoint(server, port))
    for server, port in SERVERS:
        listener = scene.socket(server, TCP, f"tcp {server}:{port}")
        listener.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        listener.bind(scene.endpoint(server, port))
        listener.listen()


def _map_udp(scene: Scene, router: str) -> None:
    """client1 writes to three endpoints from one socket."""
    mine = scene.socket("client1", UDP, f"{router} udp")
    mine.bind(scene.endpoint("client1", source(router, UDP, 0)))
    for server, port in SERVERS:
        mine.sendto(marked(mark(router, UDP, server, port)), scene.endpoint(server, port))
        scene[f"udp {server}:{port}"].recvfrom()


def _map_tcp(scene: Scene, router: str) -> None:
    """client1 connects to three endpoints from one port."""
    for server, port in SERVERS:
        name = mark(router, TCP, server, port)
        mine = scene.socket("client1", TCP, name)
        mine.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        mine.setsockopt("SOL_SOCKET", "SO_LINGER", (1, 0))
        mine.bind(scene.endpoint("client1", source(router, TCP, 0)))
        mine.connect(scene.endpoint(server, port))
        scene[f"tcp {server}:{port}"].accept(f"{name} accepted")
        mine.send(marked(name))
        scene[f"{name} accepted"].recv()


def _knock(scene: Scene, router: str) -> None:
    """client1 writes to alice only; then alice writes back from another port, and bob; then alice as expected."""
    mine = scene.socket("client1", UDP, f"{router} udp knocked")
    mine.bind(scene.endpoint("client1", source(router, UDP, 1)))
    mine.sendto(marked(f"{router} udp opens"), scene.endpoint(*SERVERS[0]))
    _, seen = scene["udp alice:8000"].recvfrom()
    for server, port in KNOCKS:
        scene[f"udp {server}:{port}"].sendto(marked(f"{mark(router, UDP, server, port)} knocks"), seen)
    scene["udp alice:8000"].sendto(marked(f"{router} udp answer"), seen)
    mine.recvfrom()
    _call(scene, router)


def _call(scene: Scene, router: str) -> None:
    """The same over TCP: client1 listens on the port it has connected from, and is called from elsewhere."""
    here, name = scene.endpoint("client1", source(router, TCP, 1)), f"{router} tcp opens"
    for socket in (f"{router} tcp listener", name):
        mine = scene.socket("client1", TCP, socket)
        mine.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        mine.setsockopt("SOL_SOCKET", "SO_REUSEPORT", 1)
        mine.bind(here)
    scene[f"{router} tcp listener"].listen()
    scene[name].connect(scene.endpoint(*SERVERS[0]))
    served = scene["tcp alice:8000"].accept(f"{name} accepted")
    seen = served.getpeername()
    for server, port in KNOCKS:
        caller = scene.socket(server, TCP, f"{mark(router, TCP, server, port)} calls")
        caller.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        caller.setsockopt("SOL_SOCKET", "SO_LINGER", (1, 0))
        caller.settimeout(0)  # the SYN leaves, and nobody waits for what becomes of it
        caller.bind(scene.endpoint(server, port))
        with suppress(BlockingIOError):
            caller.connect(seen)
    served.send(marked(f"{router} fence"))
    scene[name].recv()
    for server, port in KNOCKS:
        scene[f"{mark(router, TCP, server, port)} calls"].close()


def _play(scene: Scene, routers: tuple[str, ...]) -> None:
    for router in routers:
        scene.act("router", "router.become", router)
        _map_udp(scene, router)
        _map_tcp(scene, router)
        _knock(scene, router)


@lab.step
def become_each_of_the_nine(scene: Scene) -> None:
    """The router becomes each of the nine, with three ways of assigning ports. client1 writes to three endpoints from
    one socket, over UDP and TCP; then it writes to one only, and is written to and called from two others."""
    _play(scene, EXACT)


@lab.step
def become_what_is_met(scene: Scene) -> None:
    """The same with the kernel's own masquerades, and with a router that only routes."""
    _play(scene, WILD)


def mapped(facts: Facts, router: str, protocol: Protocol) -> list[Packet]:
    """The client's packets to the three servers, as they left the router."""
    return [facts.at("wan").only(mark(router, protocol, server, port)) for server, port in SERVERS]


def _mapping(facts: Facts, router: str, nat: NatBehaviour) -> Iterator[Check]:
    """Do two destinations see one external endpoint?"""
    first, *others = [facts.topology.endpoint(server, port) for server, port in SERVERS]
    for protocol in (UDP, TCP):
        here, *there = mapped(facts, router, protocol)
        for endpoint, packet, about in zip(others, there, ("another port", "another address"), strict=True):
            same = here.flow.source == packet.flow.source
            right = here.flow.destination == first and packet.flow.destination == endpoint
            want = (True, nat.reuses_mapping(first, endpoint))
            yield Check(f"{router}, {protocol.value}: one mapping for {about}", want, (right, same), (here, packet))


def _filtering(facts: Facts, router: str, nat: NatBehaviour) -> Iterator[Check]:
    """Who reaches the client that has written to one endpoint only?"""
    contacted = (facts.topology.endpoint(*SERVERS[0]),)
    fence = f"{router} fence"
    for server, port in KNOCKS:
        stranger = facts.topology.endpoint(server, port)
        came, seen = facts.arrived(f"{mark(router, UDP, server, port)} knocks", "lan", sent_at="wan", fence=fence)
        yield Check(f"{router}, udp: {server}:{port} comes in", nat.admits(stranger, contacted), came, seen)
        called, syns = _called(facts, router, stranger)
        yield Check(f"{router}, tcp: {server}:{port} comes in", nat.admits(stranger, contacted), called, syns)


def _called(facts: Facts, router: str, stranger: Endpoint) -> tuple[bool, tuple[Packet, ...]]:
    """Did that server's SYN reach the LAN before the fence, and which packets tell?"""
    opened = facts.at("wan").only(f"{router} fence")
    sent = next(it for it in facts.at("wan") if it.flags == "S"
                and it.flow.source == stranger and it.flow.destination == opened.flow.destination)  # fmt: skip
    fence = facts.at("lan").only(f"{router} fence")
    home = facts.topology.endpoint("client1", source(router, TCP, 1))
    came = [it for it in facts.at("lan").before(fence.mark or "") if it.flags == "S"
            and it.flow.source == stranger and it.flow.destination in (home, opened.flow.destination)]  # fmt: skip
    return bool(came), (sent, *came, fence, opened)


def _ports(facts: Facts, router: str, nat: NatBehaviour) -> Iterator[Check]:
    """Which port does the first mapping get?"""
    for protocol in (UDP, TCP):
        first = mapped(facts, router, protocol)[0]
        own, got = source(router, protocol, 0), first.flow.source.port
        about = f"{router}, {protocol.value}: the first port"
        if nat.ports.assignment is PortAssignment.PRESERVATION:
            yield Check(about, own, got, (first,))
        elif nat.ports.assignment is PortAssignment.SEQUENTIAL:
            yield Check(about, nat.ports.low, got, (first,))
        else:
            yield Check(f"{about} is one of the pool's", True, got in nat.ports and got != own, (first,))


def _claim(pair: str, routers: tuple[str, ...], says: str) -> None:
    """A claim about one cell of the table: what its routers did to the same packets."""

    def claim(facts: Facts) -> Iterator[Check]:
        for router in routers:
            nat = parse(router)
            yield from _mapping(facts, router, nat)
            yield from _filtering(facts, router, nat)
            yield from _ports(facts, router, nat)

    lab.add("".join(letter if letter.isalnum() else "_" for letter in pair), says, claim)


for _pair in NINE:
    _nat = parse(_pair)
    _says = f"{_pair}: {_nat.mapping.value} mapping, {_nat.filtering.value} filtering, however ports are assigned."
    _claim(_pair, tuple(it for it in EXACT if it.startswith(f"{_pair} ")), _says)
for _name in WILD:
    _nat = parse(_name)
    _claim(_name, (_name,), f"{_name}, {_nat.met}: {_nat.mapping.value} mapping, {_nat.filtering.value} filtering.")
