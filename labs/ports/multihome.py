"""Address, interface, family: what bind() selects.

An address given to bind() is a filter on where packets say they go, not a cable: the kernel takes a packet for any of
its addresses from any interface, unless SO_BINDTODEVICE or a filter says otherwise. The most specific listener gets the
connection. And `::` means IPv4 as well, unless IPV6_V6ONLY is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, RP, claim_port, outcome
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.bind_rule import ADDRESS_IN_USE
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP = Protocol.TCP
EACH, NEAR_ONLY, HOME, CLOSED, BOUND, FILTERED, SPECIFIC, DEVICE, SIX, DUAL, NOBODYS = range(8080, 8091)
LOOPBACK, FOREIGN, SOURCE = "127.0.0.1", "203.0.113.7", 5000  # RFC 5737: an address nobody here has
REFUSED = "ECONNREFUSED"
SHORT = 0.5  # seconds: half the time until a SYN is sent again
FILTER = ("nft", "list", "table", "ip", "filter")
END_FAR = "the end of far"
lab = Lab("multihome", "Address, interface, family", "multihome",
          fences=(Fence(fences.LAST, ("near",)), Fence(END_FAR, ("far",))))  # fmt: skip


def dial(scene: Scene, name: str, network: str, port: int, host: str = "c2", source: int = 0) -> Socket:
    """Connect to an address of srv and say the name; what is refused stays in the record."""
    client = scene.socket(host, TCP, name)
    if source:
        client.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        client.bind(Endpoint(scene.address(host, "near"), source))
    with suppress(OSError):
        client.connect(Endpoint(LOOPBACK if network == "lo" else scene.address("srv", network), port))
        client.send(marked(name))
    return client


def serve(scene: Scene, listener: str, *clients: str) -> None:
    """Accept the next clients of a listener and read what they say."""
    for client in clients:
        scene[listener].accept(f"{listener} serves {client}").recv()


@lab.step
def listen_on_each_address(scene: Scene) -> None:
    """Two processes of srv listen on one port, each on another address; c2 dials both. Then one listens on the near
    address only, and c2 dials the other one."""
    process = scene.fork("srv", "process")
    claim_port(scene, "srv", "near listener", scene_endpoint(scene, "near", EACH), listen=True).identity()
    claim_port(scene, process, "far listener", scene_endpoint(scene, "far", EACH), listen=True).identity()
    for network in ("near", "far"):
        dial(scene, f"client of {network}", network, EACH)
        serve(scene, f"{network} listener", f"client of {network}")
    claim_port(scene, "srv", "near only", scene_endpoint(scene, "near", NEAR_ONLY), listen=True)
    dial(scene, "the right address", "near", NEAR_ONLY)
    dial(scene, "the wrong address", "far", NEAR_ONLY)


def scene_endpoint(scene: Scene, network: str, port: int) -> Endpoint:
    return Endpoint(scene.address("srv", network), port)


@lab.step
def take_another_road(scene: Scene) -> None:
    """c1, which has no interface in the far network, sends what goes to srv's far address through the near one. It
    dials both addresses from one source port, which c2 uses as well."""
    scene.run("c1", "ip", "route", "add", scene.address("srv", "far"), "via", scene.address("srv", "near"))
    dial(scene, "around", "far", EACH, "c1", SOURCE)
    dial(scene, "straight", "near", EACH, "c1", SOURCE)
    dial(scene, "the other host", "near", EACH, "c2", SOURCE)
    serve(scene, "far listener", "around")
    serve(scene, "near listener", "straight", "the other host")


@lab.step
def stay_at_home(scene: Scene) -> None:
    """srv listens on 127.0.0.1 only, and is dialled by itself and by c1. It also dials 127.0.0.1 where it listens on
    its network addresses."""
    claim_port(scene, "srv", "home listener", Endpoint(LOOPBACK, HOME), listen=True)
    dial(scene, "at home", "lo", HOME, "srv")
    serve(scene, "home listener", "at home")
    dial(scene, "from outside", "near", HOME, "c1")
    dial(scene, "home to far", "lo", EACH, "srv")


@lab.step
def knock_where_nobody_listens(scene: Scene) -> None:
    """c2 dials a closed port, and one that is bound but not listening. It dials another closed port before a filter
    drops what comes for it, meanwhile, and afterwards."""
    claim_port(scene, "srv", "only bound", Endpoint(ANY, BOUND))
    for name, port in (("to a closed port", CLOSED), ("to a bound port", BOUND), ("before the filter", FILTERED)):
        dial(scene, name, "near", port)
    scene.run("srv", "nft", "add table ip filter; add chain ip filter input { type filter hook input priority 0; };"
              f" add rule ip filter input tcp dport {FILTERED} counter drop")  # fmt: skip
    dropped = scene.socket("c2", TCP, "at the filter")
    dropped.settimeout(SHORT)
    with suppress(OSError):
        dropped.connect(scene_endpoint(scene, "near", FILTERED))
    dropped.close()  # or its SYN is sent again
    scene.run("srv", *FILTER)
    scene.run("srv", "nft", "delete table ip filter")
    dial(scene, "after the filter", "near", FILTERED)


@lab.step
def be_more_or_less_specific(scene: Scene) -> None:
    """One listener on the near address beside one on the wildcard. Then two on the wildcard, each bound to a device,
    and a third one bound to none."""
    claim_port(scene, "srv", "specific", scene_endpoint(scene, "near", SPECIFIC), RP, listen=True)
    claim_port(scene, "srv", "wildcard", Endpoint(ANY, SPECIFIC), RP, listen=True)
    for network, listener in (("near", "specific"), ("far", "wildcard")):
        dial(scene, f"{network} to either", network, SPECIFIC)
        serve(scene, listener, f"{network} to either")
    for network in ("near", "far"):
        bound = scene.socket("srv", TCP, f"on the {network} device")
        bound.setsockopt("SOL_SOCKET", "SO_BINDTODEVICE", scene.device("srv", network))
        bound.bind(Endpoint(ANY, DEVICE))
        bound.listen()
        dial(scene, f"by {network}", network, DEVICE)
        serve(scene, f"on the {network} device", f"by {network}")
    claim_port(scene, "srv", "on no device", Endpoint(ANY, DEVICE))
    dial(scene, "around to a device", "far", DEVICE, "c1")
    serve(scene, "on the near device", "around to a device")
    dial(scene, "home to a device", "lo", DEVICE, "srv")


@lab.step
def speak_both_families(scene: Scene) -> None:
    """`::` with IPV6_V6ONLY beside 0.0.0.0, and without; c2 dials the latter by IPv4. The option is set too late. An
    address nobody has is bound, without and with IP_FREEBIND. And the last datagrams of the lab."""
    for name, port, only in (("six only", SIX, 1), ("both families", DUAL, 0)):
        six = scene.socket("srv", TCP, name, "6")
        six.setsockopt("IPPROTO_IPV6", "IPV6_V6ONLY", only)
        six.bind(Endpoint("::", port))
        six.listen()
        claim_port(scene, "srv", f"four beside {name}", Endpoint(ANY, port), listen=True)
    dial(scene, "four to six", "near", DUAL)
    serve(scene, "both families", "four to six")
    scene.run("srv", "ss", "-6tnH", "state", "established")
    with suppress(OSError):
        scene["both families"].setsockopt("IPPROTO_IPV6", "IPV6_V6ONLY", 1)
    claim_port(scene, "srv", "of nobody", Endpoint(FOREIGN, NOBODYS))
    free = scene.socket("srv", TCP, "of nobody yet")
    free.setsockopt("IPPROTO_IP", "IP_FREEBIND", 1)
    free.bind(Endpoint(FOREIGN, NOBODYS))
    fences.end(scene, "c1", "srv", "near")
    far = scene.socket("srv", Protocol.UDP, "far fence")
    far.bind(Endpoint(scene.address("srv", "far"), fences.PORT))
    scene["fence at srv"].close()
    scene.socket("c2", Protocol.UDP, "far fence sender").sendto(
        marked(END_FAR), scene_endpoint(scene, "far", fences.PORT)
    )
    far.recvfrom()


def arrived(facts: Facts, tap: str, mark: str, listener: str) -> tuple[bool, tuple[Packet | Event, ...]]:
    """Was what the client said seen on that interface of srv, and read from a child of that listener?"""
    packet, read = facts.at(tap).only(mark), facts.call(f"{listener} serves {mark}", "recv")
    return read.payload == packet.payload and read.flow == packet.flow.reversed(), (packet, read)


def refused(facts: Facts, name: str) -> tuple[bool, tuple[Event | Packet, ...]]:
    """Was a client's SYN answered with RST? Seen at both ends where it came by a network."""
    event = facts.attempt(name, "connect")
    address, port = event.args[0]
    taps = [tap for tap in ("near", "far") if facts.topology.host("srv").address(tap) == address]
    resets = [it for tap in taps for it in facts.at(tap)
              if "R" in it.flags and it.flow.source == Endpoint(address, port)
              and it.flow.destination == event.local]  # fmt: skip
    return outcome(event) == REFUSED and (bool(resets) or not taps), (event, *resets)


def dialled(facts: Facts, name: str) -> str:
    return outcome(facts.attempt(name, "connect"))


@lab.claim
def each_address_has_its_listener(facts: Facts) -> Iterator[Check]:
    """Two processes listen on one port without any option, on two addresses; what is dialled to an address reaches its
    listener, by its interface. (C79, C114, C151, C168)"""
    near, far = facts.call("near listener", "identity"), facts.call("far listener", "identity")
    apart = all(near.result[key] != far.result[key] for key in ("pid", "inode"))
    yield Check(
        "two processes, two sockets", True, apart, (near, far), {"C79": not apart, "C114": apart, "C151": apart}
    )
    for network in ("near", "far"):
        own, seen = arrived(facts, network, f"client of {network}", f"{network} listener")
        yield Check(f"dialled to {network}", True, own, seen, {"C79": not own, "C151": own, "C168": own})


@lab.claim
def a_specific_address_is_one_address(facts: Facts) -> Iterator[Check]:
    """A server bound to one of its addresses is reached by that one; the other refuses. (C98)"""
    right = facts.attempt("the right address", "connect")
    yield Check("the address it bound", OK, outcome(right), (right,), {"C98": outcome(right) == OK})
    away, seen = refused(facts, "the wrong address")
    yield Check("the other one answers with RST", True, away, seen, {"C98": away})


@lab.claim
def an_address_is_not_an_interface(facts: Facts) -> Iterator[Check]:
    """A client with a route reaches the far address through the near interface; that address being internal keeps
    nobody out. (C51, C152, C168, C169)"""
    through, seen = arrived(facts, "near", "around", "far listener")
    target = seen[0].flow.destination.address if isinstance(seen[0], Packet) else ""
    far = facts.topology.host("srv").address("far")
    yield Check("it was dialled by the far address", far, target, seen)
    inside = through and target == far
    ids = dict.fromkeys(("C51", "C152", "C168", "C169"), not inside)
    yield Check("seen on the near interface, served by the far listener", True, inside, seen, ids)
    none = any(it.mark == "around" for it in facts.at("far").before(END_FAR))
    control = facts.at("far").only("client of far")
    yield Check("seen on the far interface", False, none, (control, facts.at("far").only(END_FAR)))


@lab.claim
def loopback_is_for_locals(facts: Facts) -> Iterator[Check]:
    """A server on 127.0.0.1 is reached from its own host only; one on another address is not reached by way of
    127.0.0.1. (C51, C169)"""
    home = facts.call("home listener serves at home", "recv")
    yield Check("dialled at home", marked("at home"), home.payload, (home,))
    away, seen = refused(facts, "from outside")
    yield Check("dialled from outside: RST", True, away, seen, {"C51": away, "C169": away})
    local, seen = refused(facts, "home to far")
    yield Check("at home, where it listens on other addresses", True, local, seen, {"C51": not local})


@lab.claim
def a_closed_port_says_so(facts: Facts) -> Iterator[Check]:
    """A SYN to a closed port gets RST, and so does one to a port that is only bound. Nothing comes back only while a
    filter drops what arrives: before and afterwards the same port refuses. (C59)"""
    for name in ("to a closed port", "to a bound port", "before the filter", "after the filter"):
        away, seen = refused(facts, name)
        yield Check(f"{name}: RST", True, away, seen, {"C59": away})
    event, listed = facts.attempt("at the filter", "connect"), facts.ran(*FILTER)
    near = facts.at("near").before(fences.LAST)
    syns = tuple(it for it in near if it.flow.source == event.local and it.flow.destination.port == FILTERED)
    back = tuple(it for it in near if it.flow.source.port == FILTERED and it.flow.destination == event.local)
    yield Check("at the filter", "ETIMEDOUT", outcome(event), (event,))
    yield Check("its SYN arrived", True, bool(syns) and {it.flags for it in syns} == {"S"}, syns or (event,))
    counted = [int(it) for it in re.findall(r"counter packets (\d+)", str(listed.result[1]))]
    yield Check("packets the filter dropped", [len(syns)], counted, (listed, *syns))
    silent = outcome(event) == "ETIMEDOUT" and not back and bool(syns) and counted == [len(syns)]
    yield Check("packets back", 0, len(back), (event, listed, *syns, *back), {"C59": silent})


@lab.claim
def the_most_specific_listener_gets_it(facts: Facts) -> Iterator[Check]:
    """Beside a listener on the wildcard, the one on the address that is dialled gets the connection."""
    for network, listener in (("near", "specific"), ("far", "wildcard")):
        right, seen = arrived(facts, network, f"{network} to either", listener)
        yield Check(f"dialled to {network}: the {listener} one", True, right, seen)


@lab.claim
def a_device_is_an_interface(facts: Facts) -> Iterator[Check]:
    """Bound to devices, two wildcard listeners share a port without options; the interface a SYN arrives on decides,
    whatever address it goes to. Nobody else fits beside them, and loopback is refused. (C79)"""
    for network in ("near", "far"):
        own, seen = arrived(facts, network, f"by {network}", f"on the {network} device")
        yield Check(f"dialled by {network}", True, own, seen, {"C79": not own})
    around, seen = arrived(facts, "near", "around to a device", "on the near device")
    yield Check("to the far address by the near device", True, around, seen)
    third = facts.attempt("on no device", "bind")
    yield Check("a third one without a device", ADDRESS_IN_USE, outcome(third), (third,))
    home, seen = refused(facts, "home to a device")
    yield Check("by loopback", True, home, seen)


@lab.claim
def connections_differ_in_any_value(facts: Facts) -> Iterator[Check]:
    """Two hosts may use one source port; and one client endpoint may hold two connections, to two addresses of a
    server. (C125)"""
    around, straight = (
        facts.call("far listener serves around", "recv"),
        facts.call("near listener serves straight", "recv"),
    )
    other = facts.call("near listener serves the other host", "recv")
    ports = {it.remote.port for it in (straight, other) if it.remote}
    apart = straight.remote != other.remote and straight.local == other.local and ports == {SOURCE}
    yield Check("told apart by the remote address", True, apart, (straight, other), {"C125": apart})
    two = around.remote == straight.remote and around.local != straight.local and around.cookie != straight.cookie
    yield Check("one remote endpoint, two connections", True, two, (around, straight), {"C125": not two})


@lab.claim
def six_includes_four(facts: Facts) -> Iterator[Check]:
    """`::` takes IPv4 as well and is in the way of 0.0.0.0, unless IPV6_V6ONLY was set before bind(); an IPv4 client
    then shows as ::ffff:. (C99)"""
    beside = facts.attempt("four beside six only", "bind")
    yield Check("0.0.0.0 beside :: with IPV6_V6ONLY", OK, outcome(beside), (beside,), {"C99": outcome(beside) == OK})
    listened = facts.attempt("four beside six only", "listen")
    yield Check("both listen", OK, outcome(listened), (listened,))
    taken = facts.attempt("four beside both families", "bind")
    free = outcome(taken) == OK
    yield Check("0.0.0.0 beside :: without", ADDRESS_IN_USE, outcome(taken), (taken,), {"C99": free})
    packet, read = facts.at("near").only("four to six"), facts.call("both families serves four to six", "recv")
    peer = f"::ffff:{packet.flow.source.address}"
    shown = read.remote.address if read.remote else ""
    yield Check("the peer of an IPv4 client", peer, shown, (packet, read), {"C99": shown != peer})
    table = facts.ran("ss", "-6tnH", "state", "established")
    listed = f"[{peer}]:{packet.flow.source.port}" in str(table.result[1])
    yield Check("listed among the IPv6 sockets", True, listed, (packet, table))
    late = facts.attempt("both families", "setsockopt")
    yield Check("IPV6_V6ONLY after bind()", "EINVAL", outcome(late), (late,))


@lab.claim
def an_address_must_be_ones_own(facts: Facts) -> Iterator[Check]:
    """An address no interface has cannot be bound, except with IP_FREEBIND."""
    without, free = facts.attempt("of nobody", "bind"), facts.attempt("of nobody yet", "bind")
    yield Check("without the option", "EADDRNOTAVAIL", outcome(without), (without,))
    yield Check("with IP_FREEBIND", OK, outcome(free), (free,))
