"""Requests and the parts of a page: how many connections carry them."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, FourTuple

from .plan import TCP, WEB, dial, server, syns

LARGE, SMALL = marked("large", "x" * 20_000), marked("small")  # two parts of a page
PART_WINDOW = 4096  # bytes the client of a page lets the kernel keep: the large part does not fit


def keep_a_connection_alive(scene: Scene) -> None:
    """One more client makes three requests over one connection."""
    dial(scene, "keep-alive")
    accepted = scene["listener"].accept(server("keep-alive"))
    for number in range(3):
        scene["keep-alive"].send(marked(f"request {number}"))
        accepted.recv()
        accepted.send(marked(f"response {number}"))
        scene["keep-alive"].recv()


def load_a_page(scene: Scene) -> None:
    """c1 loads a page of two parts, a large one and a small one, over one connection and then over two. srv writes the
    large part first."""
    for name in ("page", "large part", "small part"):
        client = scene.socket("c1", TCP, name)
        client.setsockopt("SOL_SOCKET", "SO_RCVBUF", PART_WINDOW)
        client.connect(Endpoint(scene.address("srv", "near"), WEB))
        scene["listener"].accept(server(name))
    for part in (LARGE, SMALL):
        scene[server("page")].send(part)
    read(scene["page"], len(LARGE + SMALL))
    scene[server("large part")].send(LARGE)
    scene[server("small part")].send(SMALL)
    read(scene["small part"], len(SMALL))
    read(scene["large part"], len(LARGE))


def read(client: Socket, size: int) -> None:
    """Read so many bytes, or until the other side ends."""
    while size > 0 and (got := len(client.recv())):
        size -= got


def requests_are_not_connections(facts: Facts) -> Iterator[Check]:
    """Three requests over one connection are one SYN. (C37)"""
    client = facts.call("keep-alive", "connect").local
    mine = [it for it in syns(facts, WEB) if it.flow.source == client]
    requests = [facts.at("near").only(f"request {number}") for number in range(3)]
    one = len(mine) == 1 and {it.flow.source for it in requests} == {client}
    yield Check("connections for three requests", 1, len(mine), (*mine, *requests), {"C37": one})


def a_part_of_a_page_need_not_wait(facts: Facts) -> Iterator[Check]:
    """Over one connection a client can read the small part of a page only after the large one that was written before
    it; over two, from two ports to one port, it has the small one while the large one is still under way. (C32)"""
    last = facts.call("page", "recv")
    alone = [it for it in facts.events if (it.socket, it.call, it.error) == (last.socket, last.call, None)]
    ahead = b"".join(it.payload for it in alone).find(SMALL)
    yield Check("over one connection: bytes before the small part", len(LARGE), ahead, tuple(alone))
    large, small = facts.call("large part", "connect"), facts.call("small part", "connect")
    beside = large.remote == small.remote and large.local != small.local
    yield Check("two connections to one port", True, beside, (large, small), {"C32": beside})
    near = facts.at("near")
    begun = next(it for it in near if it.flow == large.flow.reversed() and it.mark == "large")
    came = next(it for it in near if it.flow == small.flow.reversed() and it.mark == "small")
    done = whole(facts, large.flow, len(LARGE))
    order = [it.number for it in (begun, came, done)]
    sooner = ahead == len(LARGE) and order == sorted(order)
    yield Check("over two: the large one begins, the small one is there, the large one is whole", True, sooner,
                (begun, came, done, *alone), {"C32": sooner})  # fmt: skip


def whole(facts: Facts, flow: FourTuple, size: int) -> Packet:
    """The segment by which a client acknowledges the last of so many bytes that a server wrote to it."""
    near = facts.at("near")
    end = next((it.sequence + 1 + size for it in near if it.flow == flow.reversed() and it.flags == "SA"), 0)
    for it in near:
        if end and it.flow == flow and it.flags != "S" and (it.acknowledgement - end) % 2**32 < 2**31:
            return it
    raise EvidenceError(f"nothing at near acknowledges {size} bytes of {flow.reversed()}")
