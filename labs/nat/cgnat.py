"""A router behind a router: carrier-grade NAT.

Homes behind a carrier share its few addresses. Each packet is translated twice, in between it carries an address of
100.64.0.0/10 (RFC 6598), and from outside the two routers look like one: a mapping is kept only if both keep it, and a
stranger gets in only if both let him. Two customers of one carrier meet at its outside, if it hairpins.

    client1 -- home1 -- router1 --+
                                  +-- isp -- carrier -- wan -- alice
    client2 -- home2 -- router2 --+
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import classified
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import parse

UDP = Protocol.UDP
PAIRS = (
    ("eim/apdf", "eim/eif"), ("eim/eif", "eim/eif"), ("eim/eif", "eim/adf"), ("eim/apdf", "apdm/apdf"),
    ("apdm/eif", "eim/eif"), ("eim/eif", "eim/eif hairpin=off"),
)  # fmt: skip
MEETING = tuple(pair for pair in PAIRS if all(it.startswith("eim") for it in pair))
SERVICE, OTHER, STRANGER, FIRST_PORT = 8000, 8001, 8002, 30000
CALLS = (("first", "client1", "client2"), ("second", "client2", "client1"), ("again", "client1", "client2"))
LAST = f"{' '.join(PAIRS[-1])} fence"
lab = Lab("cgnat", "A router behind a router", "cgnat", nats=("home",), guard=classified.check,
          fences=(Fence(LAST, ("home", "isp", "wan")),))  # fmt: skip


def port(pair: tuple[str, str]) -> int:
    return FIRST_PORT + PAIRS.index(pair)


def say(pair: tuple[str, str], what: str) -> str:
    return f"{' '.join(pair)} {what}"


@lab.step
def cross_two_routers(scene: Scene) -> None:
    """Both homes get one behaviour and the carrier another. client1 and client2 greet alice, client1 on two ports;
    alice writes back to client1 from a port nobody wrote to; then the two write to each other's external endpoints."""
    for number in (SERVICE, OTHER, STRANGER):
        scene.socket("alice", UDP, f"alice:{number}").bind(scene.endpoint("alice", number))
    classified.serve(scene)
    for pair in PAIRS:
        classified.become(scene, {"router1": pair[0], "router2": pair[0], "carrier": pair[1]})
        seen = {}
        for client in ("client1", "client2"):
            mine = scene.socket(client, UDP, say(pair, client))
            mine.bind(scene.endpoint(client, port(pair)))
            mine.sendto(marked(say(pair, f"{client} greets")), scene.endpoint("alice", SERVICE))
            _, seen[client] = scene[f"alice:{SERVICE}"].recvfrom()
        mine = scene[say(pair, "client1")]
        scene[f"alice:{STRANGER}"].sendto(marked(say(pair, "knock")), seen["client1"])
        scene[f"alice:{SERVICE}"].sendto(marked(say(pair, "answer")), seen["client1"])
        mine.recvfrom()
        mine.sendto(marked(say(pair, "other port")), scene.endpoint("alice", OTHER))
        scene[f"alice:{OTHER}"].recvfrom()
        for name, sender, receiver in CALLS if pair in MEETING else ():
            scene[say(pair, sender)].sendto(marked(say(pair, name)), seen[receiver])
        mine.sendto(marked(say(pair, "fence")), scene.endpoint("alice", SERVICE))
        scene[f"alice:{SERVICE}"].recvfrom()
        for client in ("client1", "client2"):
            scene[say(pair, client)].drain()


def at(facts: Facts, tap: str, pair: tuple[str, str], what: str) -> Packet:
    return facts.at(tap).only(say(pair, what))


@lab.claim
def each_packet_is_translated_twice(facts: Facts) -> Iterator[Check]:
    """A packet leaves home with a private address, crosses the carrier's network with one of 100.64.0.0/10, and reaches
    the Internet with the carrier's; its TTL falls by two."""
    for pair in PAIRS:
        home, isp, wan = (at(facts, tap, pair, "client1 greets") for tap in ("home", "isp", "wan"))
        addresses = [it.flow.source.address for it in (home, isp, wan)]
        want = [facts.topology.host(host).address(network)
                for host, network in (("client1", "home1"), ("router1", "isp"), ("carrier", "wan"))]  # fmt: skip
        yield Check(say(pair, "source addresses"), want, addresses, (home, isp, wan))
        yield Check(say(pair, "destination"), home.flow.destination, wan.flow.destination, (home, wan))
        yield Check(say(pair, "TTL"), home.ttl - 2, wan.ttl, (home, wan))


@lab.claim
def the_stricter_of_both_decides(facts: Facts) -> Iterator[Check]:
    """From outside the pair keeps a mapping only if both routers do, and lets in only whom both let in."""
    known, other, stranger = (facts.topology.endpoint("alice", number) for number in (SERVICE, OTHER, STRANGER))
    for pair in PAIRS:
        inner, outer = map(parse, pair)
        first, second = at(facts, "wan", pair, "client1 greets"), at(facts, "wan", pair, "other port")
        same = first.flow.source == second.flow.source
        kept = inner.reuses_mapping(known, other) and outer.reuses_mapping(known, other)
        yield Check(say(pair, "keeps the mapping"), kept, same, (first, second))
        came, seen = facts.arrived(say(pair, "knock"), "home", sent_at="wan", fence=say(pair, "fence"))
        lets = inner.admits(stranger, (known,)) and outer.admits(stranger, (known,))
        yield Check(say(pair, "lets a stranger in"), lets, came, seen)


@lab.claim
def customers_meet_at_the_carriers_outside(facts: Facts) -> Iterator[Check]:
    """Two customers reach each other at the carrier's external endpoints if it hairpins and all filters on the way
    agree; each sees the other's external endpoint."""
    alice = facts.topology.endpoint("alice", SERVICE)
    for pair in MEETING:
        inner, outer = map(parse, pair)
        known = {client: at(facts, "wan", pair, f"{client} greets").flow.source for client in ("client1", "client2")}
        contacted = {client: {alice} for client in known}
        reads: dict[str, list[list[object]]] = {client: [] for client in known}
        for name, sender, receiver in CALLS:
            contacted[sender].add(known[receiver])
            lets = all(nat.admits(known[sender], contacted[receiver]) for nat in (inner, outer))
            if lets and outer.hairpinning.value != "off":
                reads[receiver].append([marked(say(pair, name)).decode(), _pair(known[sender])])
        greeted = tuple(at(facts, "wan", pair, f"{client} greets") for client in known)
        for client, want in reads.items():
            drained = facts.call(say(pair, client), "drain")
            strange = [it for it in drained.result if it[1][0] != alice.address]
            yield Check(say(pair, f"what {client} reads of the other"), want, strange, (drained, *greeted))


def _pair(endpoint: Endpoint) -> list[object]:
    return [endpoint.address, endpoint.port]
