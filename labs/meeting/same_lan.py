"""Two hosts behind one router.

client1 and client2 are on one network, and do not know it: the server sees both at the router's address. If they tell
each other their own endpoints as well, they meet at home, and the router has nothing to do. If they know only what the
server saw, everything hangs on the router's turning their packets round (hairpinning), which many do not.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit import classified, fences, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting
from fourtuple.net.behaviour import Hairpinning
from fourtuple.net.endpoint import Protocol
from fourtuple.net.event import Event
from fourtuple.net.presets import parse

UDP = Protocol.UDP
ROUTERS = ("home", "eim/apdf hairpin=off", "masquerade")
OWN, SEEN = "with their own endpoints", "with what the server saw only"
WAYS = (OWN, SEEN)
PEERS = {"client1": "client2", "client2": "client1"}
FIRST_PORT = 40000
LAST = "the end"
lab = Lab("same-lan", "Two hosts behind one router", "nat", nats=("home",), guard=classified.check,
          fences=(Fence(LAST, ("lan", "wan", "alice")),))  # fmt: skip


def port(router: str, way: str) -> int:
    return FIRST_PORT + 10 * ROUTERS.index(router) + WAYS.index(way)


@lab.step
def meet_behind_each(scene: Scene) -> None:
    """alice is the rendezvous. Behind three routers client1 and client2 are introduced twice: once they tell their own
    endpoints, once they do not."""
    classified.serve(scene)
    where = scene.endpoint("alice", meeting.PORT)
    scene.act("alice", "rendezvous_server.start", where.address)
    for router in ROUTERS:
        classified.become(scene, {"router": router})
        for way in WAYS:
            number = port(router, way)
            own = {peer: {"hosts": [str(scene.endpoint(peer, number))]} for peer in PEERS if way == OWN}
            introduced.meet(scene, where, PEERS, UDP, number, own, again=True)
    fences.end(scene, "client1", "alice", "wan", LAST)


def reports(facts: Facts, router: str, way: str) -> dict[str, Event]:
    """What both said of one try; EvidenceError when one of them is missing."""
    return introduced.reports(facts, PEERS, len(WAYS) * ROUTERS.index(router) + WAYS.index(way))


def greeted(facts: Facts, router: str, way: str, peer: str) -> tuple[Packet, Packet]:
    """A packet of a peer to the rendezvous, inside and as it left the router; EvidenceError for none."""
    number = port(router, way)
    own, server = facts.topology.endpoint(peer, number), facts.topology.endpoint("alice", meeting.PORT)
    inside = [it for it in facts.at("lan") if it.flow.source == own and it.flow.destination == server]
    sent = {it.payload: it for it in inside}
    for it in facts.at("wan"):
        if it.flow.destination == server and it.payload in sent:
            return sent[it.payload], it
    raise EvidenceError(f"nothing of {peer} to the rendezvous was captured at wan")


@lab.claim
def the_server_sees_one_address(facts: Facts) -> Iterator[Check]:
    """The server sees both at the address of their router, and tells them where: as the packets on the WAN show."""
    for router in ROUTERS:
        for peer, event in reports(facts, router, SEEN).items():
            sent, packet = greeted(facts, router, SEEN, peer)
            yield Check(f"{router}: {peer} is seen at", str(packet.flow.source), event.result["seen"],
                        (event, sent, packet))  # fmt: skip
            address = facts.topology.router.address("wan")
            yield Check(f"{router}: {peer}'s address", address, packet.flow.source.address, (packet,))


@lab.claim
def at_home_they_need_no_router(facts: Facts) -> Iterator[Check]:
    """With their own endpoints they meet behind every router, and hear each other at home."""
    for router in ROUTERS:
        for peer, event in reports(facts, router, OWN).items():
            home = facts.topology.endpoint(PEERS[peer], port(router, OWN))
            yield Check(f"{router}: {peer}", "direct", event.result["outcome"], (event,))
            yield Check(f"{router}: {peer} hears from", str(home), event.result["peer"], (event,))


@lab.claim
def otherwise_the_router_must_turn_them_round(facts: Facts) -> Iterator[Check]:
    """With what the server saw only they meet exactly where the router hairpins, and hear each other from its address;
    their checks reach it in any case."""
    for router in ROUTERS:
        turns = parse(router).hairpinning is not Hairpinning.OFF
        address = facts.topology.router.address("wan")
        for peer, event in reports(facts, router, SEEN).items():
            own = facts.topology.endpoint(peer, port(router, SEEN))
            asked = [it for it in facts.at("lan") if it.flow.source == own and it.flow.destination.address == address]
            if not asked:
                raise EvidenceError(f"no check of {peer} to its router was captured at lan")
            want = "direct" if turns else "no answer"
            yield Check(f"{router}: {peer}", want, event.result["outcome"], (event, asked[0]))
            heard = str(event.result["peer"]).rpartition(":")[0]
            yield Check(f"{router}: {peer} hears from", address if turns else "", heard, (event, asked[0]))
