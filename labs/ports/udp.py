"""UDP: one socket, the last one, or everybody.

Several sockets may share a UDP port. Who then receives a datagram? Of unicast always exactly one socket: with
SO_REUSEADDR the one that bound last, with SO_REUSEPORT the one a hash of the flow picks, a connected one before all
others. Only broadcast and multicast are copied to everybody. And one socket may have many readers: each datagram
wakes one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, RA, RP, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.bind_rule import ADDRESS_IN_USE
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol
from fourtuple.net.event import Event

UDP = Protocol.UDP
SHARED, CONNECTED, HASHED, FORKED, FENCE_PORT, TCP_PORT = 9090, 9091, 9092, 9093, 9099, 9080
GROUP = "239.1.2.3"
MANY, READERS, NUMBERED = 20, 4, 200
TRIO = ("first", "second", "third")  # in the order they bind: srv, another process, another user
FLOCK = tuple(f"hashed {number}" for number in range(4))

LAST = "the end"
lab = Lab("udp", "UDP: one socket, the last one, or everybody", "hosts", fences=(Fence(LAST, ("near",)),))


def send(scene: Scene, tag: str, where: Endpoint, count: int = MANY) -> None:
    """c1 sends numbered datagrams, and then one to a socket of its own: when that was read, all of them are there."""
    for number in range(count):
        scene["sender"].sendto(marked(f"{tag} {number}"), where)
    fence(scene, f"{tag} fence")


def fence(scene: Scene, mark: str) -> None:
    """A datagram that follows on the same path, and is waited for."""
    scene["sender"].sendto(marked(mark), Endpoint(_near(scene), FENCE_PORT))
    scene["fence"].recvfrom()


def _near(scene: Scene) -> str:
    return scene.address("srv", "near")


def drain(scene: Scene, *names: str) -> None:
    for name in names:
        scene[name].drain()


@lab.step
def share_a_port(scene: Scene) -> None:
    """Three sockets bind port 9090 with SO_REUSEADDR: of two processes, and of another user. c1 sends 20 datagrams;
    then 20 broadcasts; then 20 to a multicast group that all three have joined."""
    near = _near(scene)
    scene.socket("c1", UDP, "sender").bind(Endpoint(scene.address("c1", "near"), 5000))
    scene["sender"].setsockopt("SOL_SOCKET", "SO_BROADCAST", 1)
    scene.socket("srv", UDP, "fence").bind(Endpoint(near, FENCE_PORT))
    for name, host in zip(TRIO, ("srv", "twin", "other"), strict=True):
        claim_port(scene, host, name, Endpoint(ANY, SHARED), RA, protocol=UDP)
        scene[name].setsockopt("IPPROTO_IP", "IP_ADD_MEMBERSHIP", (GROUP, near))
    send(scene, "unicast", Endpoint(near, SHARED))
    drain(scene, *TRIO)
    send(scene, "broadcast", Endpoint(near.rpartition(".")[0] + ".255", SHARED))
    drain(scene, *TRIO)
    send(scene, "multicast", Endpoint(GROUP, SHARED))
    drain(scene, *TRIO)


@lab.step
def close_the_last_one(scene: Scene) -> None:
    """The socket that bound last closes, and c1 sends 20 more."""
    scene["third"].close()
    send(scene, "after", Endpoint(_near(scene), SHARED))
    drain(scene, *TRIO[:2])


@lab.step
def connect_the_first_one(scene: Scene) -> None:
    """Two sockets share port 9091; the one that bound first connects to c1. c1 sends 20."""
    for name in ("early, connected", "late"):
        claim_port(scene, "srv", name, Endpoint(ANY, CONNECTED), RA, protocol=UDP)
    scene["early, connected"].connect(Endpoint(scene.address("c1", "near"), 5000))
    send(scene, "connected", Endpoint(_near(scene), CONNECTED))
    drain(scene, "early, connected", "late")


@lab.step
def share_by_hash(scene: Scene) -> None:
    """Four sockets share port 9092 with SO_REUSEPORT; c1 sends 20 datagrams of one flow."""
    for number, name in enumerate(FLOCK):
        claim_port(scene, ("srv", "twin")[number % 2], name, Endpoint(ANY, HASHED), RP, protocol=UDP)
    send(scene, "hashed", Endpoint(_near(scene), HASHED))
    drain(scene, *FLOCK)


@lab.step
def share_by_fork(scene: Scene) -> None:
    """One socket is bound, and four forked children read from it; c1 sends 200 numbered datagrams of one flow."""
    scene.act("srv", "forks.start_readers", FORKED, READERS)
    send(scene, "forked", Endpoint(_near(scene), FORKED), NUMBERED)
    scene.act("srv", "forks.collect_readers")


@lab.step
def do_the_same_over_tcp(scene: Scene) -> None:
    """Beside a TCP listener with SO_REUSEADDR, a second socket with SO_REUSEADDR wants the port."""
    claim_port(scene, "srv", "tcp listener", Endpoint(ANY, TCP_PORT), RA, listen=True)
    claim_port(scene, "twin", "tcp second", Endpoint(ANY, TCP_PORT), RA)


@lab.step
def write_to_a_closed_port(scene: Scene) -> None:
    """c1 writes to a port nobody has bound, from a connected socket; then the last datagram of the lab."""
    claim_port(scene, "c1", "refused", Endpoint(scene.address("c1", "near"), 5001), protocol=UDP)
    scene["refused"].connect(Endpoint(_near(scene), 9999))
    scene["refused"].send(marked("nobody"))
    with suppress(OSError):
        scene["refused"].recv()
    fence(scene, LAST)


def reads(facts: Facts, socket: str, tag: str) -> tuple[int, tuple[Event, ...]]:
    """How many datagrams of that tag a socket read, and the calls that say so."""
    events = tuple(it for it in facts.events if it.socket == socket and it.call == "drain" and it.error is None)
    return sum(payload.startswith(f"[{tag} ") for it in events for payload, _ in it.result), events


def sent(facts: Facts, tag: str) -> tuple[Packet, ...]:
    """The datagrams of that tag that passed the server's interface, before the fence that followed them."""
    return tuple(it for it in facts.at("near").before(f"{tag} fence") if (it.mark or "").startswith(f"{tag} "))


def shares(
    facts: Facts, sockets: tuple[str, ...], tag: str, want: list[int], answers: dict[str, bool]
) -> Iterator[Check]:
    """What each socket read, beside what was on the wire; the answers go with the shares."""
    wire = sent(facts, tag)
    yield Check(f"{tag}: datagrams on the wire", MANY, len(wire), wire)
    got, seen = zip(*(reads(facts, name, tag) for name in sockets), strict=True)
    yield Check(f"{tag}: read by {', '.join(sockets)}", want, list(got), sum(seen, ()), answers)


def counts(facts: Facts, sockets: tuple[str, ...], tag: str) -> list[int]:
    return [reads(facts, name, tag)[0] for name in sockets]


@lab.claim
def several_sockets_bind_one_port(facts: Facts) -> Iterator[Check]:
    """With SO_REUSEADDR on each, three sockets bind one UDP port, even under different users. (C154)"""
    for name in TRIO:
        event = facts.attempt(name, "bind")
        yield Check(f"bind() of {name}", OK, outcome(event), (event,), {"C154": outcome(event) == OK})


@lab.claim
def unicast_goes_to_the_last_binder(facts: Facts) -> Iterator[Check]:
    """20 unicast datagrams are 20 reads in all, every one by the socket that bound last, though another user owns it.
    (C155, C156, C157, C166)"""
    got = counts(facts, TRIO, "unicast")
    everybody = all(count >= MANY for count in got)
    answers = {"C155": everybody, "C156": everybody, "C157": got[0] == got[-1] == MANY, "C166": got[0] == MANY}
    yield from shares(facts, TRIO, "unicast", [0, 0, MANY], answers)


@lab.claim
def the_one_before_takes_over(facts: Facts) -> Iterator[Check]:
    """When the last binder closes, the one that bound before it receives."""
    yield from shares(facts, TRIO[:2], "after", [0, MANY], {})


@lab.claim
def broadcast_and_multicast_go_to_everybody(facts: Facts) -> Iterator[Check]:
    """20 broadcasts are 20 reads at each socket, and so are 20 multicasts at each member. (C158)"""
    yield from shares(facts, TRIO, "broadcast", [MANY] * 3, {})
    everybody = counts(facts, TRIO, "multicast") == [MANY] * 3
    yield from shares(facts, TRIO, "multicast", [MANY] * 3, {"C158": everybody})


@lab.claim
def connected_comes_first(facts: Facts) -> Iterator[Check]:
    """A socket connected to the sender receives before one that is not, though that one bound later."""
    yield from shares(facts, ("early, connected", "late"), "connected", [MANY, 0], {})


@lab.claim
def a_hash_keeps_a_flow_together(facts: Facts) -> Iterator[Check]:
    """Of four sockets with SO_REUSEPORT, one receives all datagrams of one flow. (C12)"""
    got = counts(facts, FLOCK, "hashed")
    events = sum((reads(facts, name, "hashed")[1] for name in FLOCK), ())
    wire = sent(facts, "hashed")
    yield Check("hashed: datagrams on the wire", MANY, len(wire), wire)
    shared = sum(count > 0 for count in got)
    yield Check("shares of the four, sorted", [0, 0, 0, MANY], sorted(got), events, {"C12": shared > 1})


@lab.claim
def forked_readers_share_one_queue(facts: Facts) -> Iterator[Check]:
    """Four children that read one socket bound before the fork read each of 200 datagrams exactly once, and several of
    them do. listen() means nothing to it. (C12, C13)"""
    (event,) = facts.acts("forks.collect_readers")
    (begun,) = facts.acts("forks.start_readers")
    times = Counter(payload for child in event.result for payload in child)
    expected = {marked(f"forked {number}").decode() for number in range(NUMBERED)}
    once = set(times) == expected and set(times.values()) == {1}
    yield Check("each datagram is read once", True, once, (event,), {"C13": once})
    several = sum(bool(child) for child in event.result) > 1
    yield Check("several children read", True, several, (event,), {"C12": several})
    yield Check("listen() on a UDP socket", "EOPNOTSUPP", begun.result, (begun,))


@lab.claim
def tcp_is_stricter(facts: Facts) -> Iterator[Check]:
    """A TCP listener with SO_REUSEADDR is safe from a second socket that sets it too; a UDP socket is not. (C166)"""
    event = facts.attempt("tcp second", "bind")
    safe = outcome(event) == ADDRESS_IN_USE
    yield Check("a second TCP socket", ADDRESS_IN_USE, outcome(event), (event,), {"C166": safe})


@lab.claim
def nobody_there_is_said_so(facts: Facts) -> Iterator[Check]:
    """A datagram to a port nobody has bound is answered by ICMP, which a connected sender reads as ECONNREFUSED."""
    event = facts.attempt("refused", "recv")
    asked = facts.at("near").only("nobody")
    answers = [it for it in facts.at("near") if it.protocol is Protocol.ICMP and it.flow == _back(asked.flow)]
    yield Check("the sender reads", "ECONNREFUSED", outcome(event), (event, asked))
    yield Check("ICMP messages back to the sender", 1, len(answers), (asked, *answers))


def _back(flow: FourTuple) -> FourTuple:
    """The ICMP flow of an answer: addresses exchanged, no ports."""
    return FourTuple(Endpoint(flow.destination.address, 0), Endpoint(flow.source.address, 0))
