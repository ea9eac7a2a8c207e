"""Guessing the next port.

Bob's router takes another port for each destination, and Alice's lets in only whom she has written to: by what the
server saw they cannot meet. But if the ports follow one another, Bob can find that out, by asking three observers where
they see him, and tell Alice where his next packets will come from. Where ports are drawn at random there is nothing to
guess, and what is left is to talk through the server.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.kit import classified, homes, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, PEERS, SIDE
from fourtuple.kit.lab import Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting, stun
from fourtuple.net.behaviour import PortAssignment
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event
from fourtuple.net.presets import parse
from fourtuple.net.punching import predict

EASY = "home"
SEQUENTIAL, RANDOM = "apdm/apdf ports=sequential", "apdm/apdf ports=random:7"
ROUTERS = (SEQUENTIAL, RANDOM)
PLAIN, GUESS, RELAY = "by what the server saw", "by guessing", "through the server"
WAYS: dict[str, dict[str, object]] = {PLAIN: {}, GUESS: {"window": 5}, RELAY: {"relay": True}}
FIRST_PORT = 40000
lab = Lab("predict", "Guessing the next port", "homes", nats=(EASY,), guard=classified.check, fences=FENCES,
          options={"proto": "udp"}, accepts=introduced.accepts)  # fmt: skip


def transport(options: Mapping[str, str]) -> Protocol:
    return Protocol(options["proto"])


def port(router: str, way: str) -> int:
    return FIRST_PORT + 10 * ROUTERS.index(router) + list(WAYS).index(way)


@lab.step
def try_each_way(scene: Scene) -> None:
    """alice is behind a home router. bob's takes a new port for each destination, first one after the other, then at
    random. With either they try to meet by what the server saw, by guessing, and through the server."""
    classified.serve(scene, ("server", "witness"))
    classified.become(scene, {"router_a": EASY}, "alice", "server")
    where = scene.endpoint("server", meeting.PORT)
    scene.act("server", "rendezvous_server.start", where.address)
    observers = [scene.endpoint("server", stun.PORT), scene.endpoint("server", stun.PORT + 1),
                 scene.endpoint("witness", stun.PORT)]  # fmt: skip
    for router in ROUTERS:
        classified.become(scene, {"router_b": router}, "bob", "server")
        for way, more in WAYS.items():
            asked = {"observers": [*map(str, observers)]} if way == GUESS else {}
            plans = {"alice": more, "bob": {**more, **asked}}
            introduced.meet(scene, where, PEERS, transport(scene.options), port(router, way), plans, again=True)
    homes.end(scene)


def reports(facts: Facts, router: str, way: str) -> dict[str, Event]:
    """What both said of one try; EvidenceError when one of them is missing."""
    return introduced.reports(facts, PEERS, len(WAYS) * ROUTERS.index(router) + list(WAYS).index(way))


def _outcomes(facts: Facts, way: str, want: dict[str, str]) -> Iterator[Check]:
    for router in ROUTERS:
        for peer, event in reports(facts, router, way).items():
            yield Check(f"{router}: {peer}, {way}", want[router], event.result["outcome"], (event,))


@lab.claim
def by_what_the_server_saw_they_do_not_meet(facts: Facts) -> Iterator[Check]:
    """Where the server saw them they do not meet, as theory says, however ports are assigned."""
    words = {True: "direct", False: "no answer"}
    want = {
        router: words[bool(predict(parse(EASY), parse(router), transport(facts.options)).meets)] for router in ROUTERS
    }
    yield from _outcomes(facts, PLAIN, want)


@lab.claim
def a_port_that_follows_a_rule_is_guessed(facts: Facts) -> Iterator[Check]:
    """With five guesses they meet where bob's router assigns one port after the other, and not where it draws them."""
    follows = {router: parse(router).ports.assignment is PortAssignment.SEQUENTIAL for router in ROUTERS}
    yield from _outcomes(facts, GUESS, {router: "direct" if it else "no answer" for router, it in follows.items()})


@lab.claim
def the_guess_was_right(facts: Facts) -> Iterator[Check]:
    """Where the guess worked, bob's packets came from an endpoint that alice was told beside the one the server saw."""
    told = reports(facts, SEQUENTIAL, GUESS)
    alice = Endpoint(facts.topology.host("router_a").address("net_a"), port(SEQUENTIAL, GUESS))
    checks = [it for it in facts.at("out-b") if it.flow.destination == alice
              and introduced.tries(it, transport(facts.options))]  # fmt: skip
    if not checks:
        raise EvidenceError("no try of bob's was captured at out-b")
    tried, source = told["alice"].result["tried"], str(checks[0].flow.source)
    yield Check("it is among what alice tried", True, source in tried[1:], (told["alice"], checks[0]))
    yield Check("the first she was told is what the server saw", told["bob"].result["seen"], tried[0],
                (told["alice"], told["bob"]))  # fmt: skip
    yield Check("where alice heard him from", source, told["alice"].result["peer"], (told["alice"], checks[0]))


@lab.claim
def what_is_left_goes_through_the_server(facts: Facts) -> Iterator[Check]:
    """Through the server both hear each other, whatever their routers do; each hears from the server's endpoint."""
    server = facts.topology.endpoint("server", meeting.PORT)
    yield from _outcomes(facts, RELAY, dict.fromkeys(ROUTERS, "relayed"))
    for router in ROUTERS:
        for peer, event in reports(facts, router, RELAY).items():
            home = facts.topology.endpoint(peer, port(router, RELAY))
            came = [it for it in facts.at(f"home-{SIDE[peer]}") if it.flow.source == server
                    and it.flow.destination == home and b"4tup\x01\x09" in it.payload]  # fmt: skip
            if not came:
                raise EvidenceError(f"nothing relayed to {peer} was captured at home-{SIDE[peer]}")
            yield Check(f"{router}: {peer} hears from", str(server), event.result["peer"], (event, came[0]))
