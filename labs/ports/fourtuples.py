"""Four numbers: what tells one connection from another.

Two addresses and two ports. For TCP, the kernel keeps those four apart within one network namespace and one bound
device, and nowhere else: one local port leads to any number of destinations, two devices may hold the same four
numbers, and two UDP sockets may share them altogether. Only the kernel's own cookie is never shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from statistics import median

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, RA, RP, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP, UDP = Protocol.TCP, Protocol.UDP
CROWD, SITES, STRANGER, ECHO = 8000, tuple(range(8001, 8011)), 8011, 9000
PRIVILEGED, CHOSEN, TWIN, SELF, SINGLE, ONLY = 500, 5555, 6000, 7100, 45000, 40000
MANY, PICKED = 400, 200
RANGE = ("cat", "/proc/sys/net/ipv4/ip_local_port_range")
CONNECT, BIND = "ephemeral.connect", "ephemeral.bind"
VARIED = ("the same", "another local address", "another local port", "another remote address", "another remote port")
lab = Lab("fourtuples", "Four numbers", "fourtuples", fences=(
    Fence(fences.LAST, ("near",)), Fence("the end at narrow", ("narrow",)), Fence("the end in the west", ("west",)),
    Fence("the end in the east", ("east",))))  # fmt: skip


def site(scene: Scene, port: int) -> Endpoint:
    return Endpoint(scene.address("srv", "near"), port)


def shared(scene: Scene) -> tuple[str, str]:
    """The address hub has on both sides, and the one both of its neighbours have: in a subnet of this lab's own."""
    prefix = scene.address("hub", "east").rsplit(".", 2)[0]
    return f"{prefix}.9.1", f"{prefix}.9.2"


def listen(scene: Scene, host: str, port: int) -> None:
    claim_port(scene, host, f"{host}:{port}", Endpoint(ANY, port), listen=True)


@lab.step
def let_the_kernel_choose(scene: Scene) -> None:
    """c1 connects 400 sockets to one port of srv, then one each to ten ports; and binds 200 sockets to port 0."""
    scene.act("srv", "workers.start", "crowd", CROWD, {"backlog": 64})
    for port in SITES:
        listen(scene, "srv", port)
    scene.run("c1", *RANGE)
    scene.act("c1", CONNECT, scene.address("srv", "near"), CROWD, MANY)
    for port in SITES:
        scene.act("c1", CONNECT, scene.address("srv", "near"), port, 1)
    scene.act("c1", BIND, PICKED)


@lab.step
def choose_yourself(scene: Scene) -> None:
    """c1 binds port 500 and connects; binds 5555 and connects, to two ports. Then it says when a port is to be picked,
    and from which range."""
    for name, port, to in (("privileged", PRIVILEGED, 0), ("chosen", CHOSEN, 1), ("chosen again", CHOSEN, 2)):
        sock = claim_port(scene, "c1", name, Endpoint(scene.address("c1", "near"), port), RA)
        sock.connect(site(scene, SITES[to]))
        sock.send(marked(name))
    late = scene.socket("c1", TCP, "late")
    late.setsockopt("IPPROTO_IP", "IP_BIND_ADDRESS_NO_PORT", 1)
    late.bind(Endpoint(scene.address("c1", "near"), 0))
    late.connect(site(scene, SITES[0]))
    ranged = scene.socket("c1", TCP, "ranged")
    ranged.setsockopt("IPPROTO_IP", "IP_LOCAL_PORT_RANGE", (SINGLE, SINGLE))
    ranged.connect(site(scene, SITES[0]))


@lab.step
def have_one_port_only(scene: Scene) -> None:
    """narrow has two ephemeral ports, and one of them is taken. It connects to three destinations from the other one,
    then to one of them again; tries to listen on that port; and c1 dials it."""
    listen(scene, "c1", STRANGER)
    destinations = (site(scene, SITES[0]), site(scene, SITES[1]), Endpoint(scene.address("c1", "near"), STRANGER))
    scene.run("narrow", *RANGE)
    if not any(f":{port} " in scene.run("narrow", "ss", "-tlnH") for port in (ONLY, ONLY + 1)):
        claim_port(scene, "narrow", "spare", Endpoint(ANY, ONLY + 1))  # else the engine's resolver took one already
    for number, destination in enumerate(destinations):
        scene.socket("narrow", TCP, f"narrow {number}").connect(destination)
    again = scene.socket("narrow", TCP, "narrow again")
    with suppress(OSError):
        again.connect(destinations[0])
    port = scene["narrow 0"].getsockname().port
    claim_port(scene, "narrow", "narrow server", Endpoint(ANY, port), RA, listen=True)
    with suppress(OSError):
        scene.socket("c1", TCP, "stranger").connect(Endpoint(scene.address("narrow", "near"), port))


@lab.step
def repeat_a_tuple(scene: Scene) -> None:
    """c1 connects two TCP sockets from one port to one destination; and two UDP sockets with SO_REUSEPORT, to which srv
    answers."""
    for name in ("once", "twice"):
        sock = claim_port(scene, "c1", name, Endpoint(scene.address("c1", "near"), TWIN), RA)
        with suppress(OSError):
            sock.connect(site(scene, SITES[3]))
    scene.socket("srv", UDP, "echo").bind(Endpoint(ANY, ECHO))
    for name in ("udp once", "udp twice"):
        sock = claim_port(scene, "c1", name, Endpoint(scene.address("c1", "near"), TWIN), RP, protocol=UDP)
        sock.connect(site(scene, ECHO))
        sock.getsockname()
        sock.send(marked(name))
        scene["echo"].recvfrom()
    for number in range(5):
        scene["echo"].sendto(marked(f"copy {number}"), Endpoint(scene.address("c1", "near"), TWIN))
    fences.end(scene, "srv", "c1", "near")
    scene["udp once"].drain()
    scene["udp twice"].drain()
    me = Endpoint("127.0.0.1", SELF)
    selfish = claim_port(scene, "c1", "selfish", me)
    selfish.connect(me)
    selfish.send(b"hello, me")
    selfish.recv()


@lab.step
def meet_the_same_twice(scene: Scene) -> None:
    """hub and its two neighbours claim one pair of addresses on both links. hub connects one socket on each link, from
    one port to one port."""
    same, both = shared(scene)
    for network, neighbour in (("west", "left"), ("east", "right")):
        for host, address in (("hub", same), (neighbour, both)):
            scene.run(host, "ip", "addr", "add", f"{address}/24", "dev", scene.device(host, network))
        listen(scene, neighbour, CROWD)
        sock = scene.socket("hub", TCP, f"hub in the {network}")
        sock.setsockopt("SOL_SOCKET", "SO_BINDTODEVICE", scene.device("hub", network))
        sock.bind(Endpoint(same, TWIN))
        sock.connect(Endpoint(both, CROWD))
        sock.getsockname()
        sock.getpeername()
        scene[f"{neighbour}:{CROWD}"].accept(f"{neighbour} of hub")
    for network, neighbour in (("west", "left"), ("east", "right")):
        scene[f"hub in the {network}"].send(marked(f"to the {network}"))
        scene[f"{neighbour} of hub"].recv()


@lab.step
def change_one_of_four(scene: Scene) -> None:
    """hub connects to left five times: the second to fifth time with one of the four numbers changed."""
    own, other = scene.address("hub", "west"), scene.address("left", "west")
    same, both = shared(scene)
    listen(scene, "left", CROWD + 1)
    base = (same, TWIN + 1, both, CROWD)
    tuples = (base, (own, *base[1:]), (same, TWIN + 2, *base[2:]), (*base[:2], other, CROWD), (*base[:3], CROWD + 1))
    device = scene.device("hub", "west")
    for name, (local, source, remote, port) in zip(VARIED, tuples, strict=True):
        sock = scene.socket("hub", TCP, name)
        sock.setsockopt("SOL_SOCKET", "SO_BINDTODEVICE", device)
        sock.setsockopt("SOL_SOCKET", RA, 1)
        sock.bind(Endpoint(local, source))
        sock.connect(Endpoint(remote, port))
        scene[f"left:{port}"].accept(f"left, {name}")
    for name in VARIED:
        scene[name].send(marked(name))
        scene[f"left, {name}"].recv()
    fences.end(scene, "c1", "narrow", "near", "the end at narrow")
    fences.end(scene, "hub", "left", "west", "the end in the west")
    fences.end(scene, "hub", "right", "east", "the end in the east")


def ports(facts: Facts, act: str, port: int = 0) -> tuple[list[int], Event]:
    """The ports the kernel picked, and the call that says so."""
    (event,) = (it for it in facts.acts(act) if not port or it.args[2] == port)
    return list(event.result), event


def allowed(facts: Facts, host: str) -> tuple[range, Event]:
    """The ephemeral range of a host."""
    (event,) = (it for it in facts.events if it.call == "run" and it.args == RANGE and it.host == host)
    low, high = map(int, str(event.result[1]).split())
    return range(low, high + 1), event


def connected(facts: Facts, *names: str) -> list[Event]:
    return [facts.attempt(name, "connect") for name in names]


@lab.claim
def the_kernel_picks_from_a_range(facts: Facts) -> Iterator[Check]:
    """Ports of 400 sockets nobody bound lie in the ephemeral range, all different, and all connect; bind(0) keeps to
    the range too. A program may as well choose port 500. (C17, C18)"""
    (picked, event), (bound, other), (within, said) = (
        ports(facts, CONNECT, CROWD), ports(facts, BIND), allowed(facts, "c1"))  # fmt: skip
    inside = len(picked) == MANY and all(port in within for port in picked) and min(picked) > 1023
    yield Check("400 ports within the range", True, inside, (event, said), {"C17": inside})
    distinct = len(set(picked))
    yield Check("different ports", MANY, distinct, (event,), {"C18": distinct == MANY})
    yield Check("bind(0) within the range", True, all(port in within for port in bound), (other, said))
    wrote = facts.at("near").only("privileged")
    low = wrote.flow.source.port
    yield Check("a chosen port", PRIVILEGED, low, (wrote,), {"C17": low > 1023})


@lab.claim
def it_is_unpredictable_not_random(facts: Facts) -> Iterator[Check]:
    """To one destination the ports step upwards by small even numbers; to ten destinations they start scattered; bind()
    prefers the other half. A bound port is what was bound. (C17, C39)"""
    picked, event = ports(facts, CONNECT, CROWD)
    span, _ = allowed(facts, "c1")
    steps = [(there - here) % len(span) for here, there in pairwise(picked)]
    small = all(step % 2 == 0 for step in steps) and median(steps) <= 32
    yield Check("steps are small and even", True, small, (event,), {"C17": not small, "C39": not small})
    starts = [ports(facts, CONNECT, port) for port in SITES]
    first = sorted(port for (port,), _ in starts)
    scattered = first[-1] - first[0] > 64 * len(first)
    yield Check("starts are scattered", True, scattered, tuple(it for _, it in starts), {"C39": scattered})
    bound, other = ports(facts, BIND)
    odd = sum(port % 2 for port in bound) > len(bound) / 2 > sum(port % 2 for port in picked)
    yield Check("bind(0) prefers odd ports, connect() even ones", True, odd, (other, event))
    chosen = tuple(facts.at("near").only(name) for name in ("chosen", "chosen again"))
    mine = [it.flow.source.port for it in chosen]
    yield Check("bound ports", [CHOSEN, CHOSEN], mine, chosen, {"C39": mine != [CHOSEN, CHOSEN]})


@lab.claim
def one_port_leads_anywhere(facts: Facts) -> Iterator[Check]:
    """A host with one ephemeral port left holds three connections from it, to three destinations; only a destination it
    has already is refused. (C18, C38, C41)"""
    (only, said) = allowed(facts, "narrow")
    three = connected(facts, *(f"narrow {number}" for number in range(3)))
    locals_, remotes = {it.local for it in three}, {it.remote for it in three}
    inside = {it.local.port for it in three if it.local} <= set(only) and len(only) == 2
    shared_by = len(remotes) == 3 and len(locals_) == 1 and inside
    answers = {"C38": shared_by, "C41": not shared_by}
    yield Check("three destinations from the only port", True, shared_by, (said, *three), answers)
    again = facts.attempt("narrow again", "connect")
    full = outcome(again) == "EADDRNOTAVAIL"
    yield Check("one of them again", "EADDRNOTAVAIL", outcome(again), (again,), {"C18": not full})


@lab.claim
def a_source_port_is_not_open(facts: Facts) -> Iterator[Check]:
    """Who dials a client's source port gets RST; and it is taken: no server may have it, whatever it allows.
    (C18, C41)"""
    stranger, mine = facts.attempt("stranger", "connect"), facts.call("narrow 0", "connect")
    yield Check("a stranger's connect()", "ECONNREFUSED", outcome(stranger), (stranger,))
    resets = tuple(it for it in facts.at("narrow").before("the end at narrow")
                   if "R" in it.flags and it.flow.source == mine.local)  # fmt: skip
    yield Check("RSTs from that port", 1, len(resets), resets or (mine,), {"C41": len(resets) != 1})
    server = facts.attempt("narrow server", "bind")
    taken = outcome(server) == "EADDRINUSE"
    yield Check("a server on that port", "EADDRINUSE", outcome(server), (server,), {"C18": not taken})


@lab.claim
def tcp_refuses_a_tuple_in_use(facts: Facts) -> Iterator[Check]:
    """A TCP connection with the four values of another one on the same device cannot be made. (C08, C49, C95, C119)"""
    once, twice = facts.attempt("once", "connect"), facts.attempt("twice", "connect")
    same = once.local == twice.local and once.args == twice.args
    yield Check("the same four values", True, same, (once, twice))
    refused = same and (outcome(once), outcome(twice)) == ("ok", "EADDRNOTAVAIL")
    answers = dict.fromkeys(("C08", "C49", "C95", "C119"), refused)
    yield Check("the second connect()", "EADDRNOTAVAIL", outcome(twice), (once, twice), answers)


@lab.claim
def udp_shares_a_tuple(facts: Facts) -> Iterator[Check]:
    """Two UDP sockets with SO_REUSEPORT have both ends in common and are two sockets; each answer reaches one of them.
    (C08, C34, C95)"""
    once, twice = facts.call("udp once", "getsockname"), facts.call("udp twice", "getsockname")
    both = once.flow == twice.flow and once.cookie != twice.cookie
    yield Check(
        "one tuple, two cookies", True, both, (once, twice), {"C08": not both, "C34": not both, "C95": not both}
    )
    read = [facts.call(name, "drain") for name in ("udp once", "udp twice")]
    marks = sorted(payload for it in read for payload, _ in it.result)
    sent = tuple(facts.at("near").only(f"copy {number}") for number in range(5))
    yield Check("each is read once", [it.payload.decode() for it in sent], marks, (*read, *sent))


@lab.claim
def devices_share_a_tuple(facts: Facts) -> Iterator[Check]:
    """Two TCP connections of one host, bound to two devices, have all four values in common; what is written on each
    reaches its own neighbour. (C34, C49, C119)"""
    west, east = facts.call("hub in the west", "getsockname"), facts.call("hub in the east", "getsockname")
    both = west.flow == east.flow and west.cookie != east.cookie
    yield Check(
        "one tuple, two cookies", True, both, (west, east), {"C34": not both, "C49": not both, "C119": not both}
    )
    for network, neighbour in (("west", "left"), ("east", "right")):
        packet, read = facts.at(network).only(f"to the {network}"), facts.call(f"{neighbour} of hub", "recv")
        right = packet.flow == west.flow and read.payload == packet.payload
        yield Check(f"what is written in the {network} is read there", True, right, (packet, read, west))


@lab.claim
def any_one_value_makes_a_difference(facts: Facts) -> Iterator[Check]:
    """Five connections, four of which differ from the first in one value only, stand at once, and each keeps its own
    data. (C120)"""
    dialled = connected(facts, *VARIED)
    base = dialled[0].flow
    changed = [sum((it.flow.source.address != base.source.address, it.flow.source.port != base.source.port,
                    it.flow.destination.address != base.destination.address,
                    it.flow.destination.port != base.destination.port)) for it in dialled]  # fmt: skip
    single = changed == [0, 1, 1, 1, 1]
    yield Check("values that differ from the first", [0, 1, 1, 1, 1], changed, tuple(dialled), {"C120": single})
    cookies = len({it.cookie for it in dialled})
    yield Check("sockets", len(VARIED), cookies, tuple(dialled), {"C120": cookies == len(VARIED)})
    for name, it in zip(VARIED, dialled, strict=True):
        packet, read = facts.at("west").only(name), facts.call(f"left, {name}", "recv")
        own = packet.flow == it.flow == read.flow.reversed() and read.payload == packet.payload
        yield Check(f"the data of {name!r} arrives on it", True, own, (packet, read, it), {"C120": own})


@lab.claim
def a_port_may_be_picked_late(facts: Facts) -> Iterator[Check]:
    """With IP_BIND_ADDRESS_NO_PORT bind() takes the address and leaves the port to connect(); IP_LOCAL_PORT_RANGE
    narrows the choice for one socket."""
    early, late = facts.call("late", "bind"), facts.call("late", "connect")
    yield Check("the port after bind()", 0, early.local and early.local.port, (early,))
    yield Check("picked by connect()", True, bool(late.local and late.local.port in allowed(facts, "c1")[0]), (late,))
    ranged = facts.call("ranged", "connect")
    yield Check("from a range of one", SINGLE, ranged.local and ranged.local.port, (ranged,))


@lab.claim
def a_socket_may_meet_itself(facts: Facts) -> Iterator[Check]:
    """A TCP socket connected to its own endpoint reads what it wrote: both its ends are one."""
    own, read = facts.call("selfish", "connect"), facts.call("selfish", "recv")
    yield Check("both ends", own.local, own.remote, (own,))
    yield Check("what it reads", b"hello, me", read.payload, (read,))
