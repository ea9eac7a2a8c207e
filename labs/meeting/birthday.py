"""A birthday: two guesses that fit.

Bob's router draws a port at random for each destination; nobody can know it. But Bob may open many sockets, each of
which has a port of its own outside, and Alice may try many ports of his router: among a few tries each, a pair that
fits is nearly certain, as among a few people two that share a birthday. Here the router draws from 100 ports, so that
it takes a moment; from 64,000 it takes 256 sockets and about a thousand tries.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit import classified, homes, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, PEERS
from fourtuple.kit.lab import Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting
from fourtuple.net.endpoint import Protocol
from fourtuple.net.event import Event
from fourtuple.net.presets import parse
from fourtuple.net.punching import predict

EASY, HARD = "home", "apdm/apdf ports=random:7:50000-50099"
LOW, HIGH = 50000, 50099
SOCKETS, PROBES = 25, 60  # were all drawn anew, none would fit in one of 10^10 runs; seeds draw the same each time
LUCK = {"bob": {"sockets": SOCKETS}, "alice": {"probes": PROBES, "low": LOW, "high": HIGH}}
PLAIN, PORT = 40000, 40001
lab = Lab("birthday", "A birthday: two guesses that fit", "homes", nats=(EASY,), guard=classified.check, fences=FENCES,
          options={"proto": "udp"}, accepts=introduced.accepts)  # fmt: skip


@lab.step
def try_without_and_with(scene: Scene) -> None:
    """alice is behind a home router, bob's draws from a hundred ports. They try to meet where the server saw them; then
    bob opens 25 sockets more, and alice tries 60 of the hundred ports."""
    classified.serve(scene, ("server", "witness"))
    where = scene.endpoint("server", meeting.PORT)
    scene.act("server", "rendezvous_server.start", where.address)
    for number in (PLAIN, PORT):
        classified.become(scene, {"router_a": EASY}, "alice", "server")
        classified.become(scene, {"router_b": HARD}, "bob", "server")
        protocol = Protocol(scene.options["proto"])
        introduced.meet(scene, where, PEERS, protocol, number, LUCK if number == PORT else {}, again=True)
    homes.end(scene)


def reports(facts: Facts, number: int) -> dict[str, Event]:
    """What both said of one try; EvidenceError when one of them is missing."""
    return introduced.reports(facts, PEERS, number - PLAIN)


def tries(facts: Facts, tap: str, source: str, destination: str) -> list[Packet]:
    """The tries from one router's address to another address, as a tap saw them; EvidenceError for none."""
    protocol = Protocol(facts.options["proto"])
    found = [it for it in facts.at(tap) if it.flow.source.address == source
             and it.flow.destination.address == destination and introduced.tries(it, protocol)]  # fmt: skip
    if not found:
        raise EvidenceError(f"no try {source} > {destination} was captured at {tap}")
    return found


@lab.claim
def where_the_server_saw_them_they_do_not_meet(facts: Facts) -> Iterator[Check]:
    """Where the server saw them they do not meet, as theory says."""
    meets = predict(parse(EASY), parse(HARD), Protocol(facts.options["proto"])).meets
    for peer, event in reports(facts, PLAIN).items():
        yield Check(peer, "direct" if meets else "no answer", event.result["outcome"], (event,))


@lab.claim
def a_pair_that_fits_is_found(facts: Facts) -> Iterator[Check]:
    """With 25 sockets and 60 tries they meet, by a pair of ports nobody knew."""
    for peer, event in reports(facts, PORT).items():
        yield Check(peer, "direct", event.result["outcome"], (event,))
    alice = reports(facts, PORT)["alice"]
    yield Check("the way alice found", "birthday", alice.result["way"], (alice,))


@lab.claim
def what_comes_in_is_what_fits(facts: Facts) -> Iterator[Check]:
    """Of the ports bob's packets come from, alice hears only such as she has tried."""
    a, b = (facts.topology.host(f"router_{side}").address(f"net_{side}") for side in ("a", "b"))
    home = facts.topology.host("alice").address()
    tried = [it for it in tries(facts, "out-a", a, b) if it.flow.source.port == PORT]
    left = [it for it in tries(facts, "out-b", b, a) if it.flow.destination.port == PORT]
    came = [it for it in tries(facts, "home-a", b, home) if it.flow.destination.port == PORT]
    fits = {it.flow.destination.port for it in tried} & {it.flow.source.port for it in left}
    heard = {it.flow.source.port for it in came}
    yield Check("ports she hears that do not fit", [], sorted(heard - fits), (*came, *tried, *left))
