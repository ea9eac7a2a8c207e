"""Meeting in the middle.

Alice wants to talk to Bob. In the open she calls him, and that is all. Behind NATs neither can call the other: what
nobody inside asked for ends at the router. But both can talk to a server outside; it sees where they come from, and can
tell each where the other is. When both then send, each router lets in what it takes for an answer. From then on they
need nobody between them.

    alice -- home_a -- router_a --+
                                  +-- core -- wan -- server, witness
    bob ---- home_b -- router_b --+
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError
from fourtuple.evidence import signed
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, on_port, rows
from fourtuple.kit import classified, homes, introduced
from fourtuple.kit.claim import Check
from fourtuple.kit.homes import FENCES, LAST, PEERS, SIDE
from fourtuple.kit.lab import Lab
from fourtuple.kit.ports import OK, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net import meeting
from fourtuple.net.behaviour import Mapping, Unsolicited
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event
from fourtuple.net.meeting import Kind, Message
from fourtuple.net.presets import parse
from fourtuple.net.punching import predict

TCP, UDP = Protocol.TCP, Protocol.UDP
SERVICE, WORDS = 8000, 8001  # ports of the server that say where one comes from, over TCP and UDP
OPEN, PLAIN, TALK = 40000, 40010, 40020  # ports of alice and bob
MET = {UDP: 40030, TCP: 40040}
HOME = "home"
AT_ONCE = (HOME, "eim/apdf ports=random:7", "symmetric", "rst")
CALLS = 40050  # the port of all calls at once
lab = Lab("rendezvous", "Meeting in the middle", "homes", nats=(HOME,), guard=classified.check, fences=FENCES)


def become(scene: Scene, behaviour: str) -> None:
    """Both routers; each host finds out that its own has become so."""
    for peer, side in SIDE.items():
        classified.become(scene, {f"router_{side}": behaviour}, peer, "server")


def shared(scene: Scene, host: str, port: int, name: str) -> None:
    """A TCP socket on a port that others of the host use as well."""
    mine = scene.socket(host, TCP, name)
    for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
        mine.setsockopt("SOL_SOCKET", option, 1)
    mine.setsockopt("SOL_SOCKET", "SO_LINGER", (1, 0))  # it leaves nothing behind when it is closed
    mine.bind(scene.endpoint(host, port))


def known(scene: Scene, host: str, port: int, name: str) -> Endpoint:
    """Where the server sees a TCP port of a host; the connection stays."""
    shared(scene, host, port, name)
    scene[name].connect(scene.endpoint("server", SERVICE))
    return scene["server"].accept(f"{name} accepted").getpeername()


@lab.step
def call_in_the_open(scene: Scene) -> None:
    """Both routers only route. bob listens, alice calls him where he is."""
    classified.serve(scene, ("server", "witness"))
    become(scene, "none")
    scene.socket("server", TCP, "server").bind(scene.endpoint("server", SERVICE))
    scene["server"].listen(64)
    scene.socket("server", UDP, "words").bind(scene.endpoint("server", WORDS))
    shared(scene, "bob", OPEN, "bob in the open")
    scene["bob in the open"].listen()
    scene.socket("alice", TCP, "alice in the open").bind(scene.endpoint("alice", OPEN))
    scene["alice in the open"].connect(scene.endpoint("bob", OPEN))


@lab.step
def call_through_a_nat(scene: Scene) -> None:
    """Both routers are home routers. bob listens on a port he has called the server from, and alice calls him where the
    server saw him."""
    become(scene, HOME)
    where = known(scene, "bob", PLAIN, "bob is known")
    shared(scene, "bob", PLAIN, "bob behind a NAT")
    scene["bob behind a NAT"].listen()
    scene.socket("alice", TCP, "alice's plain call").bind(scene.endpoint("alice", PLAIN))
    with suppress(OSError):
        scene["alice's plain call"].connect(where)


@lab.step
def be_introduced(scene: Scene) -> None:
    """alice and bob register with the rendezvous server, alice asks for bob, and both try every endpoint they are told:
    over UDP, then over TCP."""
    where = scene.endpoint("server", meeting.PORT)
    scene.act("server", "rendezvous_server.start", where.address)
    for protocol, port in MET.items():
        own = {peer: {"hosts": [str(scene.endpoint(peer, port))]} for peer in PEERS}
        introduced.meet(scene, where, PEERS, protocol, port, own)


@lab.step
def talk_without_the_server(scene: Scene) -> None:
    """alice and bob learn over UDP where the server sees them, and write to each other there, alice first, until both
    were heard. Then the rendezvous server is ended, and they talk on."""
    seen = {}
    for peer in PEERS:
        scene.socket(peer, UDP, f"{peer} talks").bind(scene.endpoint(peer, TALK))
        scene[f"{peer} talks"].sendto(marked(f"{peer} asks"), scene.endpoint("server", WORDS))
        seen[peer] = scene["words"].recvfrom()[1]
    for mark, peer in (("first", "alice"), ("second", "bob"), ("third", "alice")):
        scene[f"{peer} talks"].sendto(marked(mark), seen[PEERS[peer]])
    for peer in ("alice", "bob"):
        scene[f"{peer} talks"].recvfrom()
    scene.act("server", "rendezvous_server.stop")
    for peer, other in PEERS.items():
        scene[f"{peer} talks"].sendto(marked(f"{peer} goes on"), seen[other])
        scene[f"{other} talks"].recvfrom()


@lab.step
def connect_at_once(scene: Scene) -> None:
    """For four kinds of routers, both call each other from ports the server has seen, alice a moment before bob. Nobody
    listens."""
    for router in AT_ONCE:
        become(scene, router)
        seen = {peer: known(scene, peer, CALLS, f"{router}: {peer} is known") for peer in PEERS}
        for peer in PEERS:
            shared(scene, peer, CALLS, f"{router}: {peer} calls")
        scene[f"{router}: alice calls"].settimeout(0)
        with suppress(OSError):
            scene[f"{router}: alice calls"].connect(seen["bob"])
        with suppress(OSError):
            scene[f"{router}: bob calls"].connect(seen["alice"])
        for peer in PEERS:
            scene.run(peer, *COMMAND)
        for peer in PEERS:
            scene[f"{router}: {peer} calls"].close()
            scene[f"{router}: {peer} is known"].close()
    homes.end(scene)


def syn(facts: Facts, tap: str, source: Endpoint, destination: Endpoint) -> Packet:
    """The first SYN from one endpoint to another at a tap; EvidenceError for none."""
    for it in facts.at(tap):
        if (it.flags, it.flow.source, it.flow.destination) == ("S", source, destination):
            return it
    raise EvidenceError(f"no SYN {source} > {destination} was captured at {tap}")


def outside(facts: Facts, peer: str) -> str:
    """The address of a peer's router outside."""
    return facts.topology.host(f"router_{SIDE[peer]}").address(f"net_{SIDE[peer]}")


@lab.claim
def in_the_open_an_endpoint_is_enough(facts: Facts) -> Iterator[Check]:
    """Without NATs alice's SYN arrives as she sent it, and the connection stands."""
    ends = facts.topology.endpoint("alice", OPEN), facts.topology.endpoint("bob", OPEN)
    sent, came = syn(facts, "home-a", *ends), syn(facts, "home-b", *ends)
    yield Check("its number", sent.sequence, came.sequence, (sent, came))
    called = facts.attempt("alice in the open", "connect")
    yield Check("alice's connect()", OK, outcome(called), (called, came), {"C110": outcome(called) == OK})


@lab.claim
def behind_a_nat_it_is_not(facts: Facts) -> Iterator[Check]:
    """Behind a home router bob is not reached where the server saw him, though he listens there: alice's SYN ends at
    his router."""
    where = facts.call("bob is known accepted", "getpeername")
    bob = Endpoint(*where.result)
    alice = Endpoint(outside(facts, "alice"), PLAIN)
    sent, fence = syn(facts, "out-b", alice, bob), facts.at("home-b").only(LAST["bob"])
    came = [it for it in facts.at("home-b").before(LAST["bob"]) if it.flow.source == alice and it.flags == "S"]
    yield Check("SYNs of hers in bob's home", 0, len(came), (sent, where, fence, *came))
    called = facts.attempt("alice's plain call", "connect")
    yield Check("alice's connect()", "ETIMEDOUT", outcome(called), (called, sent), {"C110": outcome(called) == OK})


def reports(facts: Facts, protocol: Protocol) -> dict[str, Event]:
    """What came of the meeting over that transport, by peer; the first two reports are of UDP."""
    return introduced.reports(facts, PEERS, [*MET].index(protocol))


def said(facts: Facts, tap: str, kind: Kind) -> list[tuple[Packet, Message]]:
    """The messages of one kind that a tap saw over UDP; EvidenceError for none."""
    found = []
    for packet in facts.at(tap):
        if packet.protocol is UDP and packet.payload.startswith(meeting.MAGIC):
            with suppress(ValueError):
                found.append((packet, meeting.decode(packet.payload)))
    if not (wanted := [it for it in found if it[1].kind is kind]):
        raise EvidenceError(f"no {kind.name} was captured at {tap}")
    return wanted


@lab.claim
def the_server_sees_public_endpoints(facts: Facts) -> Iterator[Check]:
    """The server tells each peer an endpoint of its router, which is the source of its packets on the WAN, and not the
    private one it has."""
    server = facts.topology.endpoint("server", meeting.PORT)
    for protocol, port in MET.items():
        for peer, event in reports(facts, protocol).items():
            sent = tuple(it for it in facts.at("wan") if it.protocol is protocol and it.flow.destination == server
                         and it.flow.source.address == outside(facts, peer))  # fmt: skip
            if not sent:
                raise EvidenceError(f"nothing of {peer} to the server was captured at wan")
            seen, own = str(event.result["seen"]), facts.topology.endpoint(peer, port)
            public = seen in {str(it.flow.source) for it in sent} and seen != str(own)
            yield Check(f"{protocol.value}: {peer} is known by the address", outside(facts, peer),
                        seen.rpartition(":")[0], (event,), {"C111": public})  # fmt: skip
            yield Check(f"{protocol.value}: {peer} comes from", {seen}, {str(it.flow.source) for it in sent},
                        (event, *sent))  # fmt: skip


@lab.claim
def introduced_they_meet(facts: Facts) -> Iterator[Check]:
    """Each is told where the server saw the other, and behind home routers both then hear each other, over UDP and over
    TCP, from exactly there."""
    nat = parse(HOME)
    for protocol in MET:
        told = reports(facts, protocol)
        want = "direct" if predict(nat, nat, protocol).meets else "no answer"
        for peer, event in told.items():
            other = told[PEERS[peer]]
            about = f"{protocol.value}: {peer}"
            told_where = event.result["tried"][0]
            yield Check(f"{about} was told first", other.result["seen"], told_where, (event, other),
                        {"C109": told_where == other.result["seen"]})  # fmt: skip
            yield Check(f"{about}'s meeting", want, event.result["outcome"], (event,),
                        {"C109": event.result["outcome"] == "direct"})  # fmt: skip
            yield Check(f"{about} hears the other from", other.result["seen"], event.result["peer"], (event, other))


@lab.claim
def each_knows_the_other_by_key(facts: Facts) -> Iterator[Check]:
    """The key each is told for the other is the one the other has registered and signed with, and every check that
    comes over UDP is signed with it, and not with one's own."""
    for peer, other in PEERS.items():
        registered, record = said(facts, f"home-{SIDE[other]}", Kind.REGISTER)[0]
        heard, introduction = said(facts, f"home-{SIDE[peer]}", Kind.INTRODUCTION)[0]
        yield Check(f"{peer} is told the key of {other}", record.key.hex(), introduction.key.hex(), (registered, heard))
        yield Check(f"{other} has signed it", True, signed.by(introduction.key, record), (registered, heard))
        own = said(facts, f"home-{SIDE[peer]}", Kind.REGISTER)[0][1].key
        came = [it for it in said(facts, f"home-{SIDE[peer]}", Kind.CHECK)
                if it[0].flow.destination.address == facts.topology.host(peer).address()]  # fmt: skip
        if not came:
            raise EvidenceError(f"no check came to {peer}")
        for packet, check in came:
            yield Check(f"{packet.mark}: signed by {other}", True, signed.by(introduction.key, check), (packet, heard))
            yield Check(f"{packet.mark}: signed by {peer}", False, signed.by(own, check), (packet,))


@lab.claim
def they_go_on_without_it(facts: Facts) -> Iterator[Check]:
    """When the server has ended they talk on; their packets cross both routers and never the server's network."""
    stopped = facts.acts("rendezvous_server.stop")[-1]
    after = facts.events[facts.events.index(stopped) :]
    for peer, other in PEERS.items():
        mark = f"{peer} goes on"
        heard = next(it for it in after if it.socket == f"{other} talks" and it.call == "recvfrom")
        yield Check(f"what {other} reads after the server ended", marked(mark), heard.payload, (stopped, heard))
        left, came = facts.at(f"out-{SIDE[peer]}").only(mark), facts.at(f"home-{SIDE[other]}").only(mark)
        yield Check(f"{mark}: between the routers", (outside(facts, peer), outside(facts, other)),
                    (left.flow.source.address, left.flow.destination.address), (left,))  # fmt: skip
        yield Check(f"{mark}: to", facts.topology.endpoint(other, TALK), came.flow.destination, (left, came))
        through = [it for it in facts.at("wan").before(LAST["alice"]) if it.mark == mark]
        fence = facts.at("wan").only(LAST["alice"])
        yield Check(f"{mark}: seen at the server's network", 0, len(through), (fence, left, *through))


@lab.claim
def two_calls_make_a_connection(facts: Facts) -> Iterator[Check]:
    """Two calls at once make one connection, with nobody listening, exactly where both mappings do not depend on the
    destination and neither router answers an uninvited SYN."""
    peers = {outside(facts, peer) for peer in PEERS}
    tables = [it for it in facts.events if it.call == "run" and it.args == COMMAND and it.host in PEERS]
    if len(tables) < len(PEERS) * len(AT_ONCE):
        raise EvidenceError("the socket tables were not all read")
    for number, router in enumerate(AT_ONCE):
        nat = parse(router)
        wants = nat.mapping is Mapping.ENDPOINT_INDEPENDENT and nat.unsolicited is Unsolicited.DROP
        for table in tables[2 * number :][:2]:
            found = [it for it in on_port(rows(table), CALLS, "ESTAB") if it.remote and it.remote.address in peers]
            yield Check(f"{router}: a connection stands at {table.host}", wants, bool(found), (table,),
                        {"C113": bool(found)})  # fmt: skip
            listening = on_port(rows(table), CALLS, "LISTEN")
            yield Check(f"{router}: listening sockets at {table.host}", 0, len(listening), (table,))
        called = facts.attempt(f"{router}: bob calls", "connect")
        yield Check(f"{router}: bob's connect() succeeds", wants, outcome(called) == OK, (called,))


@lab.claim
def the_calls_crossed(facts: Facts) -> Iterator[Check]:
    """Where it worked alice's SYN had ended at bob's router, and bob's SYN, not an answer, came to her."""
    alice, bob = (Endpoint(outside(facts, peer), CALLS) for peer in ("alice", "bob"))
    sent, crossing = syn(facts, "out-b", alice, bob), syn(facts, "out-b", bob, alice)
    yield Check("hers was first", True, sent.number < crossing.number, (sent, crossing))
    fence = facts.at("home-b").only(LAST["bob"])
    came = [it for it in facts.at("home-b").before(LAST["bob"]) if it.flow.source == alice and it.flags == "S"]
    yield Check("SYNs of hers in bob's home", 0, len(came), (sent, fence, *came))
    home = facts.topology.endpoint("alice", CALLS)
    first = next(it for it in facts.at("home-a") if it.flow.source == bob and it.flow.destination == home)
    yield Check("flags of the first that comes to her from him", "S", first.flags, (first,))
