"""Silence closes the way.

Alice and Bob have met, and now have nothing to say. Their routers remember for a while; then the mapping is gone, and
the permission with it. Alice's next word leaves by a new mapping, and Bob's router does not know what it is. If each
sends a little now and then, into nothing and unanswered, both mappings live, and the word arrives.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit import aging, classified, homes, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, LAST, PEERS, SIDE
from fourtuple.kit.lab import Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting
from fourtuple.net.endpoint import Protocol
from fourtuple.net.presets import parse

ROUTER = "short-lived"
STAY, KEEPALIVE = 3.5, 1.0  # seconds
PORTS = {40000: 0.0, 40001: KEEPALIVE}  # each meeting, and the pause between its keepalives; 0: none
WAYS = {40000: "silent", 40001: "kept"}
lab = Lab("keepalive", "Silence closes the way", "homes", nats=(ROUTER,), guard=classified.check, fences=FENCES)


@lab.step
def meet_and_wait(scene: Scene) -> None:
    """The routers forget after three seconds. alice and bob meet twice at the same time, from two ports each. By one
    way both are silent for three and a half seconds, by the other each sends a keepalive every second. Then alice
    speaks."""
    classified.serve(scene, ("server", "witness"))
    for peer, side in SIDE.items():
        classified.become(scene, {f"router_{side}": ROUTER}, peer, "server")
    where = scene.endpoint("server", meeting.PORT)
    scene.act("server", "rendezvous_server.start", where.address)
    begun = []
    for port, pause in PORTS.items():
        plans = {peer: {"stay": STAY, "keepalive": pause} for peer in PEERS}
        begun.append(introduced.begin(scene, where, PEERS, Protocol.UDP, port, plans, again=True))
    introduced.conduct(scene, begun)
    homes.end(scene)


def words(facts: Facts, tap: str, port: int, peer: str = "alice") -> list[Packet]:
    """A peer's checks to the other from one port, as a tap saw them before the end; EvidenceError for none."""
    side = tap[-1]
    found = [it for it in facts.at(tap).before(LAST["alice" if side == "a" else "bob"])
             if introduced.tries(it, Protocol.UDP) and (it.mark or "").startswith(f"check {peer}")
             and port in (it.flow.source.port, it.flow.destination.port)]  # fmt: skip
    if not found:
        raise EvidenceError(f"nothing of {peer} from port {port} was captured at {tap}")
    return found


def last_word(facts: Facts, port: int) -> tuple[Packet, Packet]:
    """The word before alice's wait ended, and the first one after it, as they left her router."""
    said = words(facts, "out-a", port)
    stay = [(before, after) for before, after in pairwise(said)
            if after.time_ns - said[0].time_ns >= 0.9e9 * STAY]  # fmt: skip
    if not stay:
        raise EvidenceError(f"alice said nothing from port {port} after {STAY} s")
    return stay[0]


@lab.claim
def they_meet(facts: Facts) -> Iterator[Check]:
    """At first they meet by both ways."""
    for number, port in enumerate(PORTS):
        for peer, event in introduced.reports(facts, PEERS, number).items():
            yield Check(f"{WAYS[port]}: {peer}", "direct", event.result["outcome"], (event,))


@lab.claim
def the_word_arrives_while_the_mapping_lives(facts: Facts) -> Iterator[Check]:
    """alice's first word after the wait reaches bob's home exactly where the pause before it was shorter than the life
    of a mapping; she is answered exactly there."""
    nat = parse(ROUTER)
    for number, port in enumerate(PORTS):
        before, word = last_word(facts, port)
        pause = (word.time_ns - before.time_ns) / 1e9
        alive = nat.alive(pause, pause)
        if alive:
            for peer, side in SIDE.items():
                said = [it for it in words(facts, f"out-{side}", port, peer) if it.time_ns <= word.time_ns]
                aging.in_time(said, nat.lifetimes.udp, f"the mapping of {peer}")
        crossed = [it for it in words(facts, "out-b", port) if it.mark == word.mark]
        came = [it for it in words(facts, "home-b", port) if it.mark == word.mark]
        fence = facts.at("home-b").only(LAST["bob"])
        yield Check(f"{WAYS[port]}: the word comes to bob's router", 1, len(crossed), (before, word, *crossed))
        yield Check(f"{WAYS[port]}: and to him", alive, bool(came), (word, *came, fence))
        for peer, event in introduced.reports(facts, PEERS, number).items():
            yield Check(f"{WAYS[port]}: {peer} hears the other", alive, event.result["still"], (event, word))


@lab.claim
def keepalives_go_out_on_both_sides(facts: Facts) -> Iterator[Check]:
    """Where the way stayed open each had the other's keepalives meanwhile, about one a second."""
    _, word = last_word(facts, 40001)
    for peer, event in introduced.reports(facts, PEERS, 1).items():
        sent = words(facts, f"out-{SIDE[PEERS[peer]]}", 40001, PEERS[peer])
        aging.in_time([it for it in sent if it.time_ns <= word.time_ns], 2 * KEEPALIVE, f"the way of {PEERS[peer]}")
        kept = event.result["kept"]
        yield Check(f"{peer} has had as many as were sent in {STAY} s", True, kept in (int(STAY / KEEPALIVE) - 1,
                    int(STAY / KEEPALIVE), int(STAY / KEEPALIVE) + 1), (event,))  # fmt: skip
