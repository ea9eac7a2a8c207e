"""Collisions: two hosts want one external port.

Two hosts behind a router use one source port. RFC 4787 forbids that they share an external port (REQ-3): whoever is
called there must be one host. Linux's masquerade shares it all the same, as long as their destinations differ, and
moves one of them away when they meet. And when the ports of a router are used up, a new flow gets none.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError, TooLate
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import classified
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.behaviour import NatBehaviour
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import parse

UDP = Protocol.UDP
EXACT = ("eim/apdf ports=preserve", "eim/apdf ports=sequential", "eim/apdf ports=random:7", "apdm/apdf ports=preserve")
ROUTERS = (*EXACT, "masquerade")
PAIRS, SERVICE, FIRST_PORT = 20, 8000, 30000
CROWD = 750  # sockets of each host
LITTLE, WANTED = "eim/apdf ports=sequential:50000-50003", 6
TALKS = (("client1", "alice"), ("client2", "bob"), ("client2", "alice"))  # different destinations first, then the same
lab = Lab("collisions", "Two hosts want one port", "nat", nats=("home",), guard=classified.check,
          fences=(Fence(f"{LITTLE} fence", ("lan", "wan", "alice")),))  # fmt: skip


def says(router: str, pair: int, client: str, server: str) -> str:
    return f"{router} {pair} {client} {server}"


@lab.step
def use_one_source_port(scene: Scene) -> None:
    """For each router, client1 and client2 bind one port, twenty times. client1 writes to alice and client2 to bob;
    then client2 writes to alice as well."""
    for server in ("alice", "bob"):
        scene.socket(server, UDP, server).bind(scene.endpoint(server, SERVICE))
    classified.serve(scene)
    for router in ROUTERS:
        classified.become(scene, {"router": router})
        for pair in range(PAIRS):
            for client in ("client1", "client2"):
                scene.socket(client, UDP, f"{router} {pair} {client}").bind(scene.endpoint(client, FIRST_PORT + pair))
            for client, server in TALKS:
                mine = scene[f"{router} {pair} {client}"]
                mine.sendto(marked(says(router, pair, client, server)), scene.endpoint(server, SERVICE))
                scene[server].recvfrom()
            for client in ("client1", "client2"):
                scene[f"{router} {pair} {client}"].close()


@lab.step
def come_all_at_once(scene: Scene) -> None:
    """client1 and client2 open 750 sockets each, on the same ports, and begin at one moment: each socket writes to
    alice and to bob."""
    classified.become(scene, {"router": EXACT[0]})
    targets = [(scene.endpoint(name, SERVICE).address, SERVICE) for name in ("alice", "bob")]
    moment = scene.act("client1", "flood.soon", 300)
    for client in ("client1", "client2"):
        scene.act(client, "flood.start", f"{EXACT[0]} crowd {client}", FIRST_PORT + 1000, CROWD, targets, moment)
    for client in ("client1", "client2"):
        scene.act(client, "flood.wait")
    for server in ("alice", "bob"):
        scene[server].drain()


@lab.step
def use_all_there_are(scene: Scene) -> None:
    """A router with four ports; six sockets of client1 write to alice. Then the first one writes again."""
    classified.become(scene, {"router": LITTLE})
    for number in range(WANTED):
        mine = scene.socket("client1", UDP, f"one of six {number}")
        mine.bind(scene.endpoint("client1", FIRST_PORT + 100 + number))
        mine.sendto(marked(f"{LITTLE} {number}"), scene.endpoint("alice", SERVICE))
    scene["one of six 0"].sendto(marked(f"{LITTLE} fence"), scene.endpoint("alice", SERVICE))
    scene["alice"].drain()


def outside(facts: Facts, router: str, client: str, server: str) -> list[Packet]:
    """A client's packet to a server in each of the twenty rounds, as it left the router."""
    return [facts.at("wan").only(says(router, pair, client, server)) for pair in range(PAIRS)]


def _claim(name: str, router: str, sentence: str) -> None:
    def claim(facts: Facts) -> Iterator[Check]:
        nat = parse(router)
        first, other, met = (outside(facts, router, *talk) for talk in TALKS)
        inside = [facts.at("lan").only(says(router, pair, client, server))
                  for pair in range(PAIRS) for client, server in TALKS]  # fmt: skip
        own = [it.flow.source.port for it in inside]
        wanted = [FIRST_PORT + pair for pair in range(PAIRS) for _ in TALKS]
        yield Check(f"{router}: source ports on the LAN", wanted, own, tuple(inside))
        pairs = zip(first, other, strict=True)
        shared = sum(one.flow.source == another.flow.source for one, another in pairs)
        seen = (*first, *other)
        yield Check(f"{router}: external ports both hosts have", PAIRS if nat.overloads else 0, shared, seen)
        stays = sum(one.flow.source == another.flow.source for one, another in zip(other, met, strict=True))
        yield Check(f"{router}: mappings that stay", _staying(facts, nat), stays, (*other, *met))
        kept = sum(it.flow.source.port == FIRST_PORT + pair for pair, it in enumerate(first))
        yield Check(f"{router}: ports of client1 that are kept", PAIRS * nat.preserves_port(), kept, tuple(first))
        tuples = {it.flow for it in (*first, *other, *met)}
        yield Check(f"{router}: distinct tuples", 3 * PAIRS, len(tuples), (*first, *other, *met))

    lab.add(name, sentence, claim)


def _staying(facts: Facts, nat: NatBehaviour) -> int:
    """How many of client2's mappings are the same for bob and for alice, whom client1 has written to before."""
    bob, alice = (Endpoint(facts.topology.host(name).address(), SERVICE) for name in ("bob", "alice"))
    return PAIRS if nat.reuses_mapping(bob, alice) and not nat.overloads else 0


_claim(
    "a_preserved_port_is_one_hosts_only",
    EXACT[0],
    "With port preservation the first host keeps its number; the second one gets another, and keeps that.",
)
_claim("sequential_ports_are_one_hosts_only", EXACT[1], "With sequential ports every mapping has a port of its own.")
_claim("random_ports_are_one_hosts_only", EXACT[2], "With random ports every mapping has a port of its own.")
_claim(
    "so_are_those_of_a_symmetric_router",
    EXACT[3],
    "With address and port-dependent mapping no port is shared either, and none stays.",
)
_claim("masquerade_overloads", "masquerade",
       "Linux's masquerade gives two hosts one external port while their destinations differ, and takes it from the "
       "second when they meet.")  # fmt: skip


@lab.claim
def a_crowd_is_kept_apart(facts: Facts) -> Iterator[Check]:
    """Of 1500 endpoints whose first packets come at once from two hosts, no two share an external port, each keeps its
    own towards both servers, and nothing is lost."""
    crowd = f"{EXACT[0]} crowd "
    inside = {it.mark: it for it in facts.at("lan") if it.mark and it.mark.startswith(crowd)}
    left = {it.mark: it for it in facts.at("wan") if it.mark and it.mark.startswith(crowd)}
    if not inside or not left:
        raise EvidenceError("the crowd was not captured on either side of the router")
    moments = [[it.time_ns for mark, it in inside.items() if f" {name} " in mark] for name in ("client1", "client2")]
    if not all(moments):
        raise EvidenceError("the crowd of one host was not captured")
    if (apart := max(map(min, moments)) - min(map(max, moments))) > 0:
        raise TooLate(
            f"one host began {apart / 1e6:.0f} ms after the other had ended; they were to come at the same time"
        )
    few = tuple(left.values())[:2]
    yield Check("packets that arrived at the router", 4 * CROWD, len(inside), tuple(inside.values())[:2])
    yield Check("packets that left it", 4 * CROWD, len(left), few)
    ports: dict[Endpoint, set[Endpoint]] = {}
    owners: dict[Endpoint, set[Endpoint]] = {}
    for mark, packet in left.items():
        ports.setdefault(inside[mark].flow.source, set()).add(packet.flow.source)
        owners.setdefault(packet.flow.source, set()).add(inside[mark].flow.source)
    yield Check("inside endpoints", 2 * CROWD, len(ports), few)
    yield Check("endpoints with two mappings", 0, sum(len(it) > 1 for it in ports.values()), few)
    yield Check("external ports with two owners", 0, sum(len(it) > 1 for it in owners.values()), few)


@lab.claim
def when_all_are_used_nobody_gets_one(facts: Facts) -> Iterator[Check]:
    """A router with four ports lets four sockets out; what the others send goes no further."""
    asked = [facts.at("lan").only(f"{LITTLE} {number}") for number in range(WANTED)]
    left = [it for number in range(WANTED) for it in facts.at("wan").before(f"{LITTLE} fence")
            if it.mark == f"{LITTLE} {number}"]  # fmt: skip
    pool = parse(LITTLE).ports
    fence = facts.at("wan").only(f"{LITTLE} fence")
    ports = [it.flow.source.port for it in left]
    yield Check(
        "ports of those that got out", list(range(pool.low, pool.high + 1)), sorted(ports), (*asked, *left, fence)
    )
    yield Check("how many asked", WANTED, len({it.flow.source for it in asked}), tuple(asked))
    yield Check("the first one keeps its port", ports[0], fence.flow.source.port, (left[0], fence))
