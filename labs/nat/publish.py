"""Publishing is rewriting, not listening.

Every host has 65,536 ports of its own, so two of them may well listen on port 80. To make one reachable, a router
rewrites the destination of what arrives at some port of its own. No socket takes part in that: whoever listens on that
port of the router hears nothing, and the router's own socket table does not know the connection.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

TCP = Protocol.TCP
WEB, PUBLISHED = 80, 8080
CLIENTS = (("client1", PUBLISHED), ("client2", PUBLISHED + 1))
RULES = "table ip publish {{ chain dstnat {{ type nat hook prerouting priority dstnat; {rules} }}; }}"
lab = Lab("publish", "Publishing is rewriting", "nat", fences=(Fence(fences.LAST, ("bob", "wan", "lan")),),
          nats=("masquerade",))  # fmt: skip


@lab.step
def listen_everywhere(scene: Scene) -> None:
    """client1 and client2 both listen on port 80, and the router on its port 8080."""
    for host in ("client1", "client2"):
        claim_port(scene, host, f"web of {host}", Endpoint(ANY, WEB), listen=True)
    claim_port(scene, "router", "router's own", Endpoint(ANY, PUBLISHED), listen=True)


@lab.step
def publish(scene: Scene) -> None:
    """The router rewrites what comes for its ports 8080 and 8081 to port 80 of client1 and client2. bob dials both."""
    rules = " ".join(f"tcp dport {port} dnat to {scene.address(host, 'lan')}:{WEB};" for host, port in CLIENTS)
    scene.run("router", "nft", RULES.format(rules=rules))
    scene.run("router", "nft", "insert rule ip fourtuple forward ct status dnat accept")
    for host, port in CLIENTS:
        visitor = scene.socket("bob", TCP, f"visitor of {host}")
        visitor.connect(Endpoint(scene.address("router", "wan"), port))
        served = scene[f"web of {host}"].accept(f"{host} serves")
        visitor.send(marked(f"to {host}"))
        served.recv()
        served.send(marked(f"from {host}"))
        visitor.recv()
        visitor.getpeername()
        served.getsockname()
    scene["router's own"].settimeout(0)
    with suppress(OSError):
        scene["router's own"].accept("nobody")
    scene.run("router", *COMMAND)


@lab.step
def withdraw(scene: Scene) -> None:
    """The rules are taken away, and the router may be dialled itself: bob dials 8080 again. Then client1's own datagram
    ends the lab."""
    scene.run("router", "nft", "delete table ip publish")
    scene.run("router", "nft", f"insert rule ip fourtuple input tcp dport {PUBLISHED} accept")
    visitor = scene.socket("bob", TCP, "visitor of the router")
    visitor.connect(Endpoint(scene.address("router", "wan"), PUBLISHED))
    scene["router's own"].settimeout(2)
    served = scene["router's own"].accept("router serves")
    visitor.send(marked("to the router"))
    served.recv()
    fences.end(scene, "client1", "bob", "wan")


@lab.claim
def every_host_has_ports_of_its_own(facts: Facts) -> Iterator[Check]:
    """Two hosts listen on port 80, and a third one beside them on the port it publishes for one of them."""
    for name in ("web of client1", "web of client2", "router's own"):
        event = facts.attempt(name, "listen")
        yield Check(name, OK, outcome(event), (event,))


@lab.claim
def publishing_rewrites_the_destination(facts: Facts) -> Iterator[Check]:
    """What goes to the router's published port outside goes to port 80 of a host inside, and neither end knows: the
    visitor's peer is the router, the server's own port is 80. (C56)"""
    router = facts.topology.router.address("wan")
    for host, port in CLIENTS:
        outside, inside = facts.at("wan").only(f"to {host}"), facts.at("lan").only(f"to {host}")
        home = Endpoint(facts.topology.host(host).address("lan"), WEB)
        yield Check(f"to {host}, outside", Endpoint(router, port), outside.flow.destination, (outside,))
        yield Check(f"to {host}, inside", home, inside.flow.destination, (inside,))
        visitor, server = facts.call(f"visitor of {host}", "getpeername"), facts.call(f"{host} serves", "getsockname")
        ends = (str(visitor.remote), str(server.local))
        mirrored = visitor.flow == server.flow.reversed()
        yield Check(f"the peer of the visitor, the server of {host}", (str(Endpoint(router, port)), str(home)), ends,
                    (visitor, server), {"C56": mirrored})  # fmt: skip


@lab.claim
def the_answer_comes_from_the_dialled_port(facts: Facts) -> Iterator[Check]:
    """Every segment that reaches the visitor leaves from the port it dialled. (C70)"""
    for host, port in CLIENTS:
        call = facts.call(f"visitor of {host}", "connect")
        back = tuple(it for it in facts.at("bob") if it.flow.destination == call.local)
        ports = {it.flow.source.port for it in back}
        yield Check(f"ports {host}'s answers come from", {port}, ports, (call, *back), {"C70": ports == {port}})


@lab.claim
def no_socket_takes_part(facts: Facts) -> Iterator[Check]:
    """A listener on the published port of the router hears nothing and its socket table does not list the connection;
    the connection table has both tuples. Without the rule the same port reaches that listener."""
    nobody = facts.attempt("router's own", "accept")
    first = next(it for it in facts.events if it.socket == "router's own" and it.call == "accept")
    yield Check("the router's own listener accepts", "EAGAIN", outcome(first), (first,))
    table, event = tables(facts, "router")[0]
    states = [row.state for row in on_port(table, PUBLISHED)]
    yield Check("rows of that port in the router", ["LISTEN"], states, (event,))
    visitor, server = facts.call("visitor of client1", "connect"), facts.call("client1 serves", "getsockname")
    entry = facts.tracked(TCP, visitor.flow)
    answers = entry.reply if entry else None
    yield Check("where the connection table expects answers", FourTuple(*_ends(server.flow)), answers,
                (visitor, server, *([entry] if entry else [])))  # fmt: skip
    wrote, read = facts.at("wan").only("to the router"), facts.call("router serves", "recv")
    yield Check("without the rule the router itself serves", (OK, wrote.payload), (outcome(nobody), read.payload),
                (wrote, read, nobody))  # fmt: skip


def _ends(flow: FourTuple) -> tuple[Endpoint, Endpoint]:
    return flow.source, flow.destination
