"""Where it is not so: UDP, which may answer from another port, and fragments, which have none."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, FourTuple

from .plan import FENCE_PORT, LAST, UDP, UDP_PORT


def leave_tcp(scene: Scene) -> None:
    """A UDP server answers from a second socket; a datagram too long for one packet is sent; and the last one of the
    lab."""
    near, client = scene.address("srv", "near"), scene.address("c1", "near")
    scene.socket("c1", UDP, "asker").bind(Endpoint(client, 5000))
    scene["asker"].connect(Endpoint(near, UDP_PORT))
    for name, port in (("asked", UDP_PORT), ("answers", UDP_PORT + 1)):
        scene.socket("srv", UDP, name).bind(Endpoint(near, port))
    scene["asker"].send(marked("question"))
    scene["asked"].recvfrom()
    scene["answers"].sendto(marked("from elsewhere"), Endpoint(client, 5000))
    scene["asker"].send(marked("long", "x" * 3000))
    scene["asked"].recvfrom()
    scene.socket("srv", UDP, "fence").bind(Endpoint(near, FENCE_PORT))
    scene.socket("c1", UDP, "last").sendto(marked(LAST), Endpoint(near, FENCE_PORT))
    scene["fence"].recvfrom()
    scene["asker"].drain()


def udp_and_fragments_are_different(facts: Facts) -> Iterator[Check]:
    """A UDP server may answer from another port, which a connected client never reads; and only the first fragment of a
    packet has ports. (C58, C72)"""
    answer, drained = facts.at("near").only("from elsewhere"), facts.attempt("asker", "drain")
    elsewhere = answer.flow.source.port
    yield Check("the answer leaves from", UDP_PORT + 1, elsewhere, (answer,), {"C72": elsewhere == UDP_PORT})
    yield Check("the connected client reads", [], drained.result, (drained,))
    small = facts.at("near").only("question")
    whole = small.flow.source.port == 5000 and small.flow.destination.port == UDP_PORT
    yield Check("a small packet has both ports", True, whole, (small,), {"C58": whole})
    first = facts.at("near").only("long")
    rest = [p for p in facts.at("near") if p.protocol is UDP and p.flow == _portless(first.flow)]
    yield Check("a fragment without ports", True, bool(rest), (first, *rest), {"C58": not rest})


def _portless(flow: FourTuple) -> FourTuple:
    return FourTuple(Endpoint(flow.source.address, 0), Endpoint(flow.destination.address, 0))
