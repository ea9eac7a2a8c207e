"""How long a mapping lives.

A router forgets a mapping when nothing was sent through it for a while: RFC 4787 wants at least two minutes, here it is
two seconds. Whoever wants to be reachable sends something from time to time. Some routers count what comes from
outside, others only what goes out: RFC 4787 REQ-6 asks that outbound packets count.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import aging, classified
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import parse

UDP = Protocol.UDP
ROUTERS = ("eim/apdf ports=sequential udp=2s", "eim/apdf ports=sequential udp=2s refresh=outbound")
QUIET, TALKS, HEARS = SOCKETS = ("quiet", "talks", "hears")
SERVICE, FIRST_PORT, SECONDS = 8000, 30000, 3
lab = Lab("lifetime", "How long a mapping lives", "nat", nats=("home",), guard=classified.check,
          fences=tuple(Fence(f"{router} fence", ("lan", "wan", "alice")) for router in ROUTERS))  # fmt: skip


@lab.step
def wait_and_see(scene: Scene) -> None:
    """Mappings live two seconds. Three sockets of client1 greet alice. For three seconds one is silent, one writes
    every second, and to one alice writes every second. Then alice writes to all three; and the silent one greets her
    again."""
    alice = scene.socket("alice", UDP, "alice")
    where = scene.endpoint("alice", SERVICE)
    alice.bind(where)
    classified.serve(scene)
    for number, router in enumerate(ROUTERS):
        classified.become(scene, {"router": router})
        seen: dict[str, Endpoint] = {}
        for offset, name in enumerate(SOCKETS):
            mine = scene.socket("client1", UDP, f"{router} {name}")
            mine.bind(scene.endpoint("client1", FIRST_PORT + 10 * number + offset))
            mine.sendto(marked(f"{router} {name} opens"), where)
            _, seen[name] = alice.recvfrom()
        for second in range(SECONDS):
            scene.wait(1, f"a mapping lives 2 s, and {second} of {SECONDS} have passed")
            scene[f"{router} {TALKS}"].sendto(marked(f"{router} keeps {second}"), where)
            alice.recvfrom()
            alice.sendto(marked(f"{router} kept {second}"), seen[HEARS])
        for name in SOCKETS:
            alice.sendto(marked(f"{router} {name} late"), seen[name])
        scene[f"{router} {QUIET}"].sendto(marked(f"{router} {QUIET} again"), where)
        _, anew = alice.recvfrom()
        alice.sendto(marked(f"{router} fence"), anew)
        scene[f"{router} {QUIET}"].recvfrom()


def _kept(facts: Facts, router: str, name: str) -> list[Packet]:
    """What was to keep the socket's mapping alive, on the WAN, from the first packet to alice's last word."""
    every = {TALKS: "keeps", HEARS: "kept"}.get(name, "")
    marks = [f"{name} opens", *(f"{every} {second}" for second in range(SECONDS) if every), f"{name} late"]
    return [facts.at("wan").only(f"{router} {mark}") for mark in marks]


def _since(facts: Facts, router: str, name: str) -> tuple[float, float]:
    """Seconds since the socket's last outbound and inbound packet when alice wrote to it in the end, on the WAN."""
    late = facts.at("wan").only(f"{router} {name} late")
    opened = facts.at("wan").only(f"{router} {name} opens").time_ns
    out = facts.at("wan").only(f"{router} keeps {SECONDS - 1}").time_ns if name == TALKS else opened
    came = facts.at("wan").only(f"{router} kept {SECONDS - 1}").time_ns if name == HEARS else opened
    return (late.time_ns - out) / 1e9, (late.time_ns - came) / 1e9


def _late(facts: Facts, router: str, name: str) -> tuple[bool, tuple[Packet, ...]]:
    """Did alice's last word reach the socket, before the fence?"""
    came, seen = facts.arrived(f"{router} {name} late", "lan", sent_at="wan", fence=f"{router} fence")
    return came, (facts.at("wan").only(f"{router} {name} opens"), *seen)


def _claim(name: str, socket: str, says: str) -> None:
    def claim(facts: Facts) -> Iterator[Check]:
        for router in ROUTERS:
            came, seen = _late(facts, router, socket)
            opened, late = seen[0], seen[1]
            yield Check(
                f"{router}: alice writes to where {socket} was", opened.flow.source, late.flow.destination, seen
            )
            alive = parse(router).alive(*_since(facts, router, socket))
            if alive:
                aging.in_time(_kept(facts, router, socket), parse(router).lifetimes.udp, f"the mapping of {socket}")
            yield Check(f"{router}: {socket} is reached after {SECONDS} s", alive, came, seen)

    lab.add(name, says, claim)


_claim("silence_ends_a_mapping", QUIET, "A mapping nothing was sent through for longer than its lifetime is gone.")
_claim("what_goes_out_keeps_it", TALKS, "A mapping through which its host writes lives on.")
_claim(
    "what_comes_in_may_keep_it",
    HEARS,
    "A mapping that only hears lives on where inbound packets count, and nowhere else.",
)


@lab.claim
def a_new_mapping_is_another_one(facts: Facts) -> Iterator[Check]:
    """When the silent socket writes again it gets a new mapping, from another port; the answer to that arrives."""
    for router in ROUTERS:
        before, after = (facts.at("wan").only(f"{router} {QUIET} {word}") for word in ("opens", "again"))
        same = before.flow.source == after.flow.source
        yield Check(f"{router}: the same external endpoint", False, same, (before, after))
        answer, home = facts.at("wan").only(f"{router} fence"), facts.at("lan").only(f"{router} fence")
        back = (answer.flow.destination, home.flow.destination)
        inside = facts.at("lan").only(f"{router} {QUIET} again").flow.source
        yield Check(f"{router}: where the answer goes", (after.flow.source, inside), back, (after, answer, home))
