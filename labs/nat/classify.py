"""What kind of NAT am I behind?

A host cannot look at its router; it can only ask a server what its packets look like from there. STUN (RFC 8489) is
that question, and with a server that has two addresses and two ports (RFC 5780) the answers tell mapping and filtering
apart. Here alice and bob are that server, each answering for the other, and client1 asks behind one router after the
other. The packets on the WAN say whether it was told the truth.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.kit import classified, fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net import stun
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event
from fourtuple.net.presets import NINE, parse

WILD = ("masquerade", "masquerade-random", "none")
ROUTERS = (*(f"{pair} ports=random:7" for pair in NINE), *WILD)
FIRST_PORT = 30000
ASK_UDP, ASK_TCP = "classifier.udp", "classifier.tcp"
lab = Lab("classify", "What kind of NAT am I behind?", "nat", nats=("home",),
          fences=(Fence(fences.LAST, ("lan", "wan", "alice")),))  # fmt: skip


def port(router: str) -> int:
    return FIRST_PORT + 10 * ROUTERS.index(router)


@lab.step
def ask_behind_each(scene: Scene) -> None:
    """alice and bob serve STUN. The router becomes each of the nine, and three more; client1 asks, over UDP and TCP."""
    alice, bob = (scene.endpoint(name, stun.PORT).address for name in ("alice", "bob"))
    scene.act("alice", "stun_server.start", alice, bob)
    scene.act("bob", "stun_server.start", bob, alice)
    for router in ROUTERS:
        scene.act("router", "router.become", router)
        scene.act("client1", ASK_UDP, alice, port(router))
        scene.act("client1", ASK_TCP, alice, port(router) + 5)
    fences.end(scene, "client1", "alice", "wan")


def asked(facts: Facts, router: str, act: str) -> Event:
    number = port(router) + 5 * (act == ASK_TCP)
    (event,) = (it for it in facts.acts(act) if it.args[2] == number)
    return event


@lab.claim
def the_client_finds_the_mapping(facts: Facts) -> Iterator[Check]:
    """Behind each router the client concludes the mapping it has, over UDP and over TCP."""
    for router in ROUTERS:
        for act in (ASK_UDP, ASK_TCP):
            event = asked(facts, router, act)
            found = classified.told(event, "mapping")
            yield Check(f"{router}, {act}", parse(router).mapping.value, found, (event,))


@lab.claim
def the_client_finds_the_filtering(facts: Facts) -> Iterator[Check]:
    """Behind each router the client concludes the filtering it has, over UDP from which answers came in, over TCP from
    who could call back."""
    for router in ROUTERS:
        for act in (ASK_UDP, ASK_TCP):
            event = asked(facts, router, act)
            found = classified.told(event, "filtering")
            yield Check(f"{router}, {act}", parse(router).filtering.value, found, (event,))


@lab.claim
def fragments_pass(facts: Facts) -> Iterator[Check]:
    """Behind each router a question that is longer than a packet is answered with as much."""
    for router in ROUTERS:
        event = asked(facts, router, ASK_UDP)
        yield Check(router, True, event.result["fragments"], (event,))


@lab.claim
def what_the_server_says_is_on_the_wire(facts: Facts) -> Iterator[Check]:
    """Each endpoint the server reports is the source of the client's request on the WAN."""
    servers = [facts.topology.endpoint(*it) for it in (("alice", stun.PORT), ("bob", stun.PORT),
               ("bob", stun.PORT + 1), ("alice", stun.PORT + 1))]  # fmt: skip
    for router in ROUTERS:
        for act, protocol in ((ASK_UDP, Protocol.UDP), (ASK_TCP, Protocol.TCP)):
            event = asked(facts, router, act)
            reported = zip(servers, map(Endpoint.parse, event.result["mapped"]), strict=False)
            sent = {(it.flow.destination, it.flow.source): it for it in facts.at("wan")
                    if it.protocol is protocol and it.payload[:2] == b"\x00\x01"}  # fmt: skip
            if not sent:
                raise EvidenceError("no request was captured at wan")
            found = tuple(sent[it] for it in reported if it in sent)
            yield Check(f"{router}, {act}: endpoints found on the WAN", len(servers), len(found), (event, *found))


@lab.claim
def it_is_a_few_questions(facts: Facts) -> Iterator[Check]:
    """One classification over UDP, of mapping, filtering and fragments, is a few dozen questions: the client counts as
    many as there are on the LAN."""
    for router in ROUTERS:
        event = asked(facts, router, ASK_UDP)
        own = {facts.topology.endpoint("client1", port(router) + number) for number in (0, 1)}
        first = {it.payload[8:20]: it for it in facts.at("lan").before(fences.LAST)
                 if it.flow.source in own and it.payload[:2] == b"\x00\x01"}  # fmt: skip
        if not first:
            raise EvidenceError("no question was captured at lan")
        yield Check(router, event.result["questions"], len(first), (event, *first.values()))
