"""The missing rule that kills hole punching.

One nftables rule, `masquerade`, makes a Linux box a NAT router. It works, until two of them try to meet. Alice's first
packet reaches Bob's router before Bob has sent anything. With a firewall it is dropped, and nothing remembers it.
Without one it is for the router itself, whose own stack answers that nobody listens there; and conntrack keeps the
conversation. When Bob's packet to Alice comes, the endpoint it should leave from is taken by that one, so it leaves
from another, which Alice's router has never heard of. Every later packet of both meets the same fate.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError
from fourtuple.evidence import conntrack, icmp_errors
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit import classified, homes
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, LAST, SIDE
from fourtuple.kit.lab import Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.behaviour import Unsolicited
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import parse

UDP = Protocol.UDP
BARE, FIREWALL = "bare", "masquerade"
ROUTERS = (BARE, FIREWALL)
ROUNDS, FIRST_PORT, WORDS = 4, 40000, 8001
TABLE = ("conntrack", "-L", "-p", "udp")
lab = Lab("bare", "The missing rule that kills hole punching", "homes", nats=("home",), guard=classified.check,
          fences=FENCES)  # fmt: skip


def says(router: str, number: int, what: str) -> str:
    return f"{router} {number} {what}"


@lab.step
def try_to_meet(scene: Scene) -> None:
    """bob's router first has no firewall, then it has one. Four times with each, alice and bob greet the server, and
    alice writes to bob where it saw him; bob's router is asked what it remembers; bob writes to alice, and she to him
    again."""
    classified.serve(scene, ("server", "witness"))
    classified.become(scene, {"router_a": FIREWALL}, "alice", "server")
    scene.socket("server", UDP, "words").bind(scene.endpoint("server", WORDS))
    for router in ROUTERS:
        classified.become(scene, {"router_b": router}, "bob", "server")
        for number in range(ROUNDS):
            seen = {}
            for peer in SIDE:
                name = says(router, number, peer)
                scene.socket(peer, UDP, name).bind(scene.endpoint(peer, FIRST_PORT + number))
                scene[name].sendto(marked(says(router, number, f"{peer} greets")), scene.endpoint("server", WORDS))
                seen[peer] = scene["words"].recvfrom()[1]
            for mark, sender, receiver in (("early", "alice", "bob"), ("punch", "bob", "alice")):
                scene[says(router, number, sender)].sendto(marked(says(router, number, mark)), seen[receiver])
                if mark == "early":
                    scene.run("router_b", *TABLE)
            scene[says(router, number, "alice")].sendto(marked(says(router, number, "again")), seen["bob"])
            for peer in SIDE:
                scene[says(router, number, peer)].drain()
                scene[says(router, number, peer)].close()
    homes.end(scene)


def guarded(router: str) -> bool:
    """Does a router of this kind end what nobody asked for before its own stack has it? (docs/behaviours.md)"""
    return parse(router).unsolicited is not Unsolicited.HOST


def known(facts: Facts, peer: str, router: str, number: int) -> Endpoint:
    """Where the server saw a peer."""
    return facts.at(f"out-{SIDE[peer]}").only(says(router, number, f"{peer} greets")).flow.source


@lab.claim
def the_router_answers_for_itself(facts: Facts) -> Iterator[Check]:
    """Without the firewall alice's packets are answered by bob's router, that nobody listens there; with it nobody
    answers."""
    for router in ROUTERS:
        for number in range(ROUNDS):
            early = facts.at("out-b").only(says(router, number, "early"))
            after = [it for it in facts.at("out-b") if it.number > early.number]
            told = [it for it, read in icmp_errors.errors(after) if read.about == early.flow]
            yield Check(says(router, number, "is answered"), not guarded(router), bool(told), (early, *told))


@lab.claim
def and_remembers_it(facts: Facts) -> Iterator[Check]:
    """Without the firewall the connection table of bob's router then has a flow from alice to the very endpoint bob is
    known by; with it, none."""
    tables = [it for it in facts.events if it.call == "run" and it.args == TABLE]
    if len(tables) != ROUNDS * len(ROUTERS):
        raise EvidenceError("the connection table of bob's router was not read each time")
    for router in ROUTERS:
        for number in range(ROUNDS):
            event = tables[ROUNDS * ROUTERS.index(router) + number]
            early = facts.at("out-b").only(says(router, number, "early"))
            entries = conntrack.parse(str(event.result[1]))
            kept = any(it.original == early.flow for it in entries)
            yield Check(says(router, number, "is remembered"), not guarded(router), kept, (early, event))


@lab.claim
def so_the_port_changes(facts: Facts) -> Iterator[Check]:
    """bob's packet to alice leaves from the endpoint the server saw exactly where the firewall had dropped hers."""
    for router in ROUTERS:
        for number in range(ROUNDS):
            greeted = facts.at("out-b").only(says(router, number, "bob greets"))
            punch = facts.at("out-b").only(says(router, number, "punch"))
            same = punch.flow.source == greeted.flow.source
            yield Check(says(router, number, "from where he is known"), guarded(router), same, (greeted, punch))


@lab.claim
def and_they_never_meet(facts: Facts) -> Iterator[Check]:
    """His packet reaches her, and her next one him, exactly where bob's router has the firewall."""
    for router in ROUTERS:
        for number in range(ROUNDS):
            for mark, there, sent_at, end in (
                ("punch", "home-a", "out-b", "alice"),
                ("again", "home-b", "out-a", "bob"),
            ):
                came, seen = facts.arrived(says(router, number, mark), there, sent_at=sent_at, fence=LAST[end])
                yield Check(says(router, number, f"{mark} arrives"), guarded(router), came, seen)
