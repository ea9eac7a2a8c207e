"""What a NAT does to a 4-tuple.

A client behind a router greets two servers. On the LAN its packets come from the endpoint the client bound; on the WAN
they come from the router. Everything else people say about NATs follows from which endpoint that is: whether two
servers see the same one (mapping), who may answer to it (filtering), and what happens when two clients want it at once.
Run it with `--nat none` to see the same packets cross a router that translates nothing.

    client1 --+                          +-- alice
              +-- lan -- router -- wan --+
    client2 --+                          +-- bob
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit import classified
from fourtuple.kit.claim import Check
from fourtuple.kit.exchange import QUESTION, Exchange, ask, bound, crossings
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Field, Protocol

SERVICE, SECOND_SERVICE = 8000, 8002  # servers answer here; alice also on the second
STRANGER = 8001  # nobody ever writes to this port of alice
SERVERS = (("alice", SERVICE), ("bob", SERVICE), ("alice", SECOND_SERVICE))
UDP, TCP = Protocol.UDP, Protocol.TCP


def asks(protocol: Protocol, client: str, port: int, servers: tuple[tuple[str, int], ...]) -> tuple[Exchange, ...]:
    """One client port asks several servers."""
    return tuple(Exchange(protocol, client, port, server, service) for server, service in servers)


GREETINGS = tuple(asks(UDP, "client1", port, SERVERS) for port in (40001, 40002))
CALLS = tuple(asks(TCP, "client1", port, SERVERS) for port in (41001, 41002))
SAME_PORT = tuple(
    asks(protocol, client, 42000, SERVERS[:1])[0] for protocol in (UDP, TCP) for client in ("client1", "client2")
)
LONELY = Exchange(UDP, "client1", 43000, "alice", SERVICE)
FORGOTTEN = Exchange(TCP, "client1", 44000, "alice", SERVICE)
FENCES = (Exchange(UDP, "client1", 43001, "alice", SERVICE), Exchange(UDP, "client1", 43002, "bob", SERVICE))
EXCHANGES = (*sum(GREETINGS + CALLS, ()), *SAME_PORT, LONELY, *FENCES)


@dataclass(frozen=True, slots=True)
class Knock:
    """A datagram nobody asked for: from a server's port to the endpoint LONELY is seen as."""

    server: str
    port: int
    fence: Exchange

    @property
    def mark(self) -> str:
        return f"udp {self.server}:{self.port} knocks"


KNOCKS = (Knock("alice", STRANGER, FENCES[0]), Knock("bob", SERVICE, FENCES[1]))

lab = Lab(
    "nat",
    "What a NAT does to a 4-tuple",
    compose="nat",
    nats=("masquerade", "masquerade-random", "none", "eim/eif", "eim/adf", "home", "adm/adf", "symmetric"),
    any_nat=True,
    guard=classified.check,
    fences=tuple(Fence(exchange.answer, (exchange.server, "wan", "lan")) for exchange in FENCES),
)


@lab.step
def ask_what_the_router_is(scene: Scene) -> None:
    """alice and bob serve STUN. client1 asks them what kind of NAT it is behind; the router then forgets that."""
    classified.serve(scene)
    classified.ask(scene, ("router",))


@lab.step
def greet_the_servers(scene: Scene) -> None:
    """client1 binds a UDP socket and greets alice, bob and a second port of alice from it; each answers. Then again
    from another socket."""
    for exchange in sum(GREETINGS, ()):
        ask(scene, exchange)


@lab.step
def call_the_servers(scene: Scene) -> None:
    """client1 connects over TCP to the same three from one source port, then from another."""
    for exchange in sum(CALLS, ()):
        ask(scene, exchange)


@lab.step
def share_a_source_port(scene: Scene) -> None:
    """client1 and client2 both bind port 42000 and both talk to alice, over UDP and over TCP."""
    for exchange in SAME_PORT:
        ask(scene, exchange)


@lab.step
def forget_a_connection(scene: Scene) -> None:
    """The router is made to forget an open connection; then the client closes it. To the router its FIN is a stray."""
    ask(scene, FORGOTTEN)
    scene.run("router", "conntrack", "-D", "-p", "tcp", "--orig-port-src", str(FORGOTTEN.port))
    scene[FORGOTTEN.client_socket].close()


@lab.step
def knock_uninvited(scene: Scene) -> None:
    """A client greets only alice. Then alice writes back from a port it never wrote to, and so does bob."""
    seen = ask(scene, LONELY)
    for knock in KNOCKS:
        bound(scene, knock.server, knock.port).sendto(marked(knock.mark, "may I come in?"), seen)


@lab.step
def close_with_a_fence(scene: Scene) -> None:
    """Two more greetings. Their answers follow the knocks on the same paths: a knock that is not there by now is not
    coming."""
    for exchange in FENCES:
        ask(scene, exchange)


def outside_addresses(facts: Facts, client: str) -> tuple[str, ...]:
    """The addresses a client may have on the WAN: the router's, or its own where nothing is translated."""
    router = facts.topology.router
    if not facts.nat.translates:
        return (facts.topology.host(client).address(),)
    return (router.address("wan"), *router.pool[: facts.nat.addresses.count - 1])


@lab.claim
def the_source_becomes_the_router(facts: Facts) -> Iterator[Check]:
    """On the LAN a packet comes from the endpoint the client bound; on the WAN its source address is the router's,
    unless the router only routes."""
    for it in crossings(facts, EXCHANGES):
        bind = facts.call(it.exchange.client_socket, "bind")
        yield Check(f"{it.exchange}: source on the LAN", bind.local, it.asked.flow.source, (it.asked, bind))
        outside = outside_addresses(facts, it.exchange.client)
        right = it.asked_outside.flow.source.address in outside
        yield Check(f"{it.exchange}: source address on the WAN is {' or '.join(outside)}", True, right,
                    (it.asked_outside,))  # fmt: skip


@lab.claim
def only_the_source_and_the_ttl_change(facts: Facts) -> Iterator[Check]:
    """A router leaves the destination and the payload alone, and takes exactly one from the TTL; what it passes on is
    what the server receives."""
    for it in crossings(facts, EXCHANGES):
        seen = (it.asked, it.asked_outside)
        server = facts.topology.endpoint(it.exchange.server, it.exchange.service)
        yield Check(f"{it.exchange}: destination on the LAN", server, it.asked.flow.destination, seen)
        yield Check(f"{it.exchange}: destination on the WAN", server, it.asked_outside.flow.destination, seen)
        sent = marked(it.exchange.question, QUESTION)
        yield Check(f"{it.exchange}: payload on the LAN", sent, it.asked.payload, seen)
        yield Check(f"{it.exchange}: payload on the WAN", sent, it.asked_outside.payload, seen)
        yield Check(f"{it.exchange}: TTL", it.asked.ttl - 1, it.asked_outside.ttl, seen)
        received = facts.at(it.exchange.server).only(it.exchange.question)
        yield Check(f"{it.exchange}: tuple at the server", it.asked_outside.flow, received.flow, (received,))


@lab.claim
def the_reply_is_turned_back(facts: Facts) -> Iterator[Check]:
    """On the WAN the answer goes to the tuple the question came from, ends exchanged; on the LAN it arrives at the
    endpoint the client bound, with every byte the server sent, and the client reads it."""
    for it in crossings(facts, EXCHANGES):
        outside = it.asked_outside.flow.reversed()
        yield Check(f"{it.exchange}: answer on the WAN", outside, it.answered_outside.flow, (it.answered_outside,))
        inside = it.asked.flow.reversed()
        yield Check(f"{it.exchange}: answer on the LAN", inside, it.answered.flow, (it.answered,))
        yield Check(f"{it.exchange}: answer's TTL", it.answered_outside.ttl - 1, it.answered.ttl, (it.answered,))
        answer = facts.at(it.exchange.server).only(it.exchange.answer)
        yield Check(f"{it.exchange}: answer's payload", answer.payload, it.answered.payload, (answer, it.answered))
        read = facts.read(it.exchange.client_socket, it.exchange.answer)
        yield Check(f"{it.exchange}: the client reads", answer.payload, read.payload, (answer, read))


@lab.claim
def each_side_tells_its_own_truth(facts: Facts) -> Iterator[Check]:
    """What the server calls its peer is the WAN tuple and the client's getsockname() the LAN tuple: two connected
    sockets mirror each other in every field the router did not rewrite. (C56, C57)"""
    for it in crossings(facts, sum(GREETINGS, ())):
        heard = facts.read(it.exchange.server_socket, it.exchange.question)
        yield Check(
            f"{it.exchange}: recvfrom()", str(it.asked_outside.flow.source), _address(heard.result[1]), (heard,)
        )
    for it in crossings(facts, sum(CALLS, ())):
        client = facts.call(it.exchange.client_socket, "getsockname")
        server = facts.call(it.exchange.server_socket, "getpeername")
        wire = (it.asked, it.asked_outside)
        yield Check(
            f"{it.exchange}: getsockname()", str(it.asked.flow.source), _address(client.result), (client, *wire)
        )
        seen = str(it.asked_outside.flow.source)
        yield Check(f"{it.exchange}: getpeername()", seen, _address(server.result), (server, *wire))
        rewritten = it.asked.flow.rewritten(it.asked_outside.flow)
        differ = client.flow.rewritten(server.flow.reversed())
        answers = {"C56": not differ}
        if facts.nat.translates:
            answers["C57"] = Field.SOURCE_ADDRESS in differ
        about = f"{it.exchange}: fields in which the sockets differ"
        yield Check(about, rewritten, differ, (client, server, *wire), answers)


@lab.claim
def the_mapping_decides_which_port_a_server_sees(facts: Facts) -> Iterator[Check]:
    """Two servers, and two ports of one server, see one and the same source endpoint exactly when the mapping
    predicts it."""
    endpoints = [facts.topology.endpoint(server, service) for server, service in SERVERS]
    for protocol, groups in ((UDP, GREETINGS), (TCP, CALLS)):
        seen = [list(crossings(facts, group)) for group in groups]
        for first, *others in seen:
            for other in others:
                sources = (first.asked, other.asked)
                about = f"{first.exchange} and {other.exchange.server}:{other.exchange.service}: source on the LAN"
                yield Check(about, first.asked.flow.source, other.asked.flow.source, sources)
        for number, about in ((1, "alice and bob"), (2, "two ports of alice")):
            pairs = [(group[0].asked_outside, group[number].asked_outside) for group in seen]
            same = all(one.flow.source == other.flow.source for one, other in pairs)
            predicted = facts.nat.reuses_mapping(endpoints[0], endpoints[number])
            yield Check(f"{protocol.value}: one endpoint for {about}", predicted, same, sum(pairs, ()))


@lab.claim
def the_port_number_survives(facts: Facts) -> Iterator[Check]:
    """The port number the client bound is also the port of its first mapping on the WAN exactly when the router
    preserves ports; a further mapping has to take another one."""
    endpoints = [facts.topology.endpoint(server, service) for server, service in SERVERS]
    same = all(facts.nat.reuses_mapping(endpoints[0], other) for other in endpoints)
    for protocol, groups in ((UDP, GREETINGS), (TCP, CALLS)):
        seen = list(crossings(facts, sum(groups, ())))
        for it in seen:
            yield Check(f"{it.exchange}: port on the LAN", it.exchange.port, it.asked.flow.source.port, (it.asked,))
        first = [it for it in seen if it.exchange in tuple(group[0] for group in groups)]
        kept = all(it.exchange.port == it.asked_outside.flow.source.port for it in first)
        packets = tuple(it.asked_outside for it in first)
        yield Check(f"{protocol.value}: the first mapping's port kept", facts.nat.preserves_port(), kept, packets)
        kept = all(it.exchange.port == it.asked_outside.flow.source.port for it in seen)
        packets = tuple(it.asked_outside for it in seen)
        yield Check(f"{protocol.value}: every mapping's port kept", facts.nat.preserves_port() and same, kept, packets)


@lab.claim
def two_clients_never_share_a_tuple(facts: Facts) -> Iterator[Check]:
    """Two clients that use one source port towards one server have distinct tuples on the WAN, and each gets its own
    answer."""
    for protocol in (UDP, TCP):
        seen = list(crossings(facts, tuple(e for e in SAME_PORT if e.protocol is protocol)))
        inside = {it.asked.flow.source.port for it in seen}
        outside = {it.asked_outside.flow for it in seen}
        packets = tuple(it.asked_outside for it in seen)
        yield Check(f"{protocol.value}: source ports on the LAN", 1, len(inside), tuple(it.asked for it in seen))
        yield Check(f"{protocol.value}: distinct tuples on the WAN", len(seen), len(outside), packets)
        for it in seen:
            read = facts.read(it.exchange.client_socket, it.exchange.answer)
            yield Check(f"{it.exchange}: the client reads", it.answered_outside.payload, read.payload, (read,))


@lab.claim
def filtering_decides_who_may_knock(facts: Facts) -> Iterator[Check]:
    """A datagram from an endpoint the client never wrote to reaches it exactly when the filtering admits it; the
    answer of the endpoint it did write to arrives."""
    contacted = (facts.topology.endpoint(LONELY.server, SERVICE),)
    (lonely,) = crossings(facts, (LONELY,))
    control = lonely.answered.flow.destination == lonely.asked.flow.source
    yield Check("the invited answer arrives", True, control, (lonely.answered,))
    for knock in KNOCKS:
        came, seen = facts.arrived(knock.mark, "lan", sent_at="wan", fence=knock.fence.answer)
        stranger = facts.topology.endpoint(knock.server, knock.port)
        yield Check(f"{knock.mark}: sent by", stranger, seen[0].flow.source, seen[:1])
        yield Check(f"{knock.mark}: sent to", lonely.asked_outside.flow.source, seen[0].flow.destination, seen[:1])
        yield Check(f"{knock.mark}: arrives on the LAN", facts.nat.admits(stranger, contacted), came, seen)


@lab.claim
def nothing_leaves_untranslated(facts: Facts) -> Iterator[Check]:
    """No packet of the WAN carries an address of the LAN, not even a stray FIN the router knows nothing of, unless the
    router only routes."""
    lan, routes = facts.topology.network("lan"), not facts.nat.translates
    wan = facts.at("wan").before(FENCES[0].answer)
    found = [p for p in wan if p.flow.source.address in lan or p.flow.destination.address in lan]
    control = facts.at("wan").only(FENCES[0].question)
    yield Check("any private address on the WAN", routes, bool(found), (*found, control))
    client = facts.topology.endpoint(FORGOTTEN.client, FORGOTTEN.port)
    strays = [p for p in facts.at("lan").before(FENCES[0].answer) if p.flow.source == client and "F" in p.flags]
    if not strays:
        raise EvidenceError("the client's FIN was not captured at lan")
    passed = [p for p in wan if p.sequence == strays[0].sequence and "F" in p.flags and p.flow.source.address in lan]
    yield Check("the stray FIN leaves with its private source", routes, bool(passed), (strays[0], *passed, control))


@lab.claim
def the_kernel_agrees_with_the_wire(facts: Facts) -> Iterator[Check]:
    """The router's own connection table names the tuples that were captured on either side of it."""
    for it in crossings(facts, EXCHANGES):
        entry = facts.tracked(it.exchange.protocol, it.asked.flow)
        want, got = it.asked_outside.flow.reversed(), entry.reply if entry else "no such flow"
        seen = (it.asked, it.asked_outside, *((entry,) if entry else ()))
        yield Check(f"{it.exchange}: answers expected as", want, got, seen)


def _address(result: list[Any]) -> str:
    """An address as Python's socket module returns it, as ADDRESS:PORT."""
    return f"{result[0]}:{result[1]}"
