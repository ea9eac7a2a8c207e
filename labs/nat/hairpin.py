"""Hairpinning: two hosts behind one router, meeting at its outside.

client1 and client2 know each other only by the external endpoints that a server saw. Do their packets come back in? RFC
4787 says they must, and from which endpoint they have to seem to come: the sender's external one, because that is what
the receiver knows. Filters apply as if the packet had come from far away: the first one may be turned down, and yet
open the way for the answer.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import classified
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.behaviour import Hairpinning, NatBehaviour
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.presets import parse

UDP = Protocol.UDP
ROUTERS = (
    "eim/eif", "eim/adf", "eim/apdf", "adm/eif", "adm/adf", "adm/apdf", "apdm/eif", "apdm/adf", "apdm/apdf",
    "eim/eif hairpin=internal", "eim/apdf hairpin=internal", "eim/eif hairpin=off", "eim/apdf hairpin=off",
    "masquerade",
)  # fmt: skip
SERVICE, FIRST_PORT = 8000, 30000
CALLS = (("first", "client1", "client2"), ("second", "client2", "client1"), ("again", "client1", "client2"))
KNOWN, OTHER = "from its known external endpoint", "from another port of the router"
INSIDE, NOTHING = "from its inside endpoint", "never arrives"
lab = Lab("hairpin", "Two hosts behind one router", "nat", nats=("home",), guard=classified.check,
          fences=(Fence(f"{ROUTERS[-1]} fence", ("lan", "wan", "alice")),))  # fmt: skip


def port(router: str) -> int:
    return FIRST_PORT + ROUTERS.index(router)


@lab.step
def call_each_other(scene: Scene) -> None:
    """For each router, client1 and client2 greet alice, and learn what she saw. Then client1 writes to client2's
    external endpoint, client2 to client1's, and client1 again."""
    alice = scene.socket("alice", UDP, "alice")
    alice.bind(scene.endpoint("alice", SERVICE))
    classified.serve(scene)
    for router in ROUTERS:
        classified.become(scene, {"router": router})
        seen = {}
        for client in ("client1", "client2"):
            mine = scene.socket(client, UDP, f"{router} {client}")
            mine.bind(scene.endpoint(client, port(router)))
            mine.sendto(marked(f"{router} {client} greets"), scene.endpoint("alice", SERVICE))
            _, seen[client] = alice.recvfrom()
        for name, sender, receiver in CALLS:
            scene[f"{router} {sender}"].sendto(marked(f"{router} {name}"), seen[receiver])
        scene[f"{router} client1"].sendto(marked(f"{router} fence"), scene.endpoint("alice", SERVICE))
        alice.recvfrom()
        for client in ("client1", "client2"):
            scene[f"{router} {client}"].drain()


def predicted(facts: Facts, router: str) -> dict[str, str]:
    """What becomes of each call, from the behaviour and from who has written to whom before."""
    nat, alice = parse(router), facts.topology.endpoint("alice", SERVICE)
    known = {client: _outside(facts, router, client) for client in ("client1", "client2")}
    contacted: dict[str, set[Endpoint]] = {client: {alice} for client in known}
    outcomes = {}
    for name, sender, receiver in CALLS:
        if nat.hairpinning is Hairpinning.OFF:
            outcomes[name] = NOTHING
        elif nat.hairpinning is Hairpinning.INTERNAL_SOURCE:
            outcomes[name] = INSIDE
        else:
            contacted[sender].add(known[receiver])
            outcomes[name] = _from_outside(nat, alice, known[sender], known[receiver], contacted[receiver])
    return outcomes


def _from_outside(nat: NatBehaviour, alice: Endpoint, own: Endpoint, called: Endpoint, contacted: set[Endpoint]) -> str:
    """A call that seems to come from the outside: from which endpoint, and is it let in?"""
    same = nat.reuses_mapping(alice, called)
    came_from = own if same else Endpoint(own.address, 0)  # some port nobody has written to
    return (KNOWN if same else OTHER) if nat.admits(came_from, contacted) else NOTHING


def _outside(facts: Facts, router: str, client: str) -> Endpoint:
    """The external endpoint that alice saw of a client."""
    return facts.at("wan").only(f"{router} {client} greets").flow.source


def observed(facts: Facts, router: str, name: str, sender: str, receiver: str) -> tuple[str, tuple[Packet, ...]]:
    """What became of a call, as the LAN saw it before the fence."""
    home = facts.topology.endpoint(receiver, port(router))
    mark = f"{router} {name}"
    seen = [it for it in facts.at("lan").before(f"{router} fence") if it.mark == mark]
    if not seen:
        facts.at("lan").only(mark)
    came = [it for it in seen if it.flow.destination == home]
    greeted = (facts.at("wan").only(f"{router} {client} greets") for client in ("client1", "client2"))
    witnesses = (*seen, facts.at("lan").only(f"{router} fence"), *greeted)
    if not came:
        return NOTHING, witnesses
    where = came[0].flow.source
    if where == facts.topology.endpoint(sender, port(router)):
        return INSIDE, witnesses
    return (KNOWN if where == _outside(facts, router, sender) else OTHER), witnesses


def _claim(name: str, routers: tuple[str, ...], says: str) -> None:
    def claim(facts: Facts) -> Iterator[Check]:
        for router in routers:
            want = predicted(facts, router)
            arrivals: dict[str, list[str]] = {"client1": [], "client2": []}
            for call, sender, receiver in CALLS:
                got, seen = observed(facts, router, call, sender, receiver)
                yield Check(f"{router}: the {call} call", want[call], got, seen)
                if want[call] != NOTHING:
                    arrivals[receiver].append(marked(f"{router} {call}").decode())
            for client, expected in arrivals.items():
                read = facts.call(f"{router} {client}", "drain")
                yield Check(
                    f"{router}: what {client} reads", expected, [payload for payload, _ in read.result], (read,)
                )

    lab.add(name, says, claim)


_claim("from_the_external_endpoint", ROUTERS[:3],
       "With endpoint-independent mapping a hairpinned packet comes from the endpoint its sender is known by; a filter "
       "turns the first one down, and lets the answer in.")  # fmt: skip
_claim("from_another_mapping", ROUTERS[3:9],
       "With any other mapping it comes from a port of the router that nobody knows: address and port-dependent "
       "filters never let it in.")  # fmt: skip
_claim(
    "from_the_inside",
    ROUTERS[9:11],
    "A router that leaves the inside source delivers all of them, from an endpoint the receiver has never heard of.",
)
_claim("not_at_all", ROUTERS[11:], "Where hairpinning is off, as with the kernel's masquerade, nothing comes back in.")
