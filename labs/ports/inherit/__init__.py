"""One socket, many processes.

A port belongs to a socket, and a socket to nobody in particular: any number of descriptors, in any processes, may refer
to it. They come by fork(), by dup(), over a Unix-domain socket, or are simply taken. Whoever calls accept() first takes
the next connection; the socket ends when the last descriptor is closed; and it lives in the network namespace it was
born in, wherever its descriptors go.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, Row, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, claim_port, outcome
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP = Protocol.TCP
FOUR, FIFTY, TURN, ORPHANED, PLAIN, EXCLUSIVE, APART, DISPATCHED, SHARED, COPIED, ADDRESSED, DEVICE = range(9100, 9112)
QUARTET = tuple(f"acceptor {number}" for number in range(4))
MANY = tuple(f"child {number}" for number in range(50))
PAIR, WATCHERS = ("left worker", "right worker"), tuple(f"watcher {number}" for number in range(8))
SITES = ("alpha", "beta", "gamma")
CALLS, PATH = 200, "/tmp/pass"  # noqa: S108 -- in the container, which has no other users
PERSON = 1000  # the user id the guest takes before it takes the listener
SHARE, BURST, SERIES, HOLDERS = "workers.share", "workers.burst", "workers.series", "processes.holders"
LISTENERS, CONNECTIONS = ("ss", "-tlnpH"), ("ss", "-tnpH")
HOLDERS_OF_IT = ("listener", "heir:listener", "given")
lab = Lab("inherit", "One socket, many processes", "inherit", fences=(Fence(fences.LAST, ("near",)),))


def burst(scene: Scene, port: int, first: int, count: int = CALLS, act: str = BURST) -> None:
    """c1 makes that many connections, at once or in a series, and hears who serves each."""
    scene.act("c1", act, scene.address("srv", "near"), port, list(range(first, first + count)), 3.0)


def dial(scene: Scene, name: str, port: int, address: str = "") -> Socket:
    client = scene.socket("c1", TCP, name)
    client.connect(Endpoint(address or scene.address("srv", "near"), port))
    return client


@lab.step
def fork_acceptors(scene: Scene) -> None:
    """srv listens and forks four children that accept; c1 makes 200 connections, one after the other. The same with
    fifty children. Then two children, of whom one is stopped: 40 connections, and 40 more when it goes on."""
    for names, port, first in ((QUARTET, FOUR, 20000), (MANY, FIFTY, 21000)):
        shared = scene.act("srv", SHARE, list(names), port, True)
        scene.act("srv", HOLDERS, inode_of(shared))
        burst(scene, port, first, act=SERIES)
    scene.run("srv", *COMMAND)
    scene.act("srv", SHARE, list(PAIR), TURN)
    scene.act("srv", "workers.tell", PAIR[0], int(signal.SIGSTOP))
    burst(scene, TURN, 22000, 40)
    scene.act("srv", "workers.tell", PAIR[0], int(signal.SIGCONT))
    burst(scene, TURN, 22100, 40)


def inode_of(said: object) -> int:
    assert isinstance(said, dict)
    return int(said["inode"])


@lab.step
def outlive_the_parent(scene: Scene) -> None:
    """A process listens and forks a child that only sleeps. The parent is killed, and c1 connects."""
    born = scene.act("srv", "workers.generations", "parent", ORPHANED)
    scene.act("srv", HOLDERS, inode_of(born))
    scene.act("srv", "workers.tell", "parent", int(signal.SIGKILL))
    dial(scene, "late comer", ORPHANED)
    scene.act("srv", HOLDERS, inode_of(born))
    scene.run("srv", *COMMAND)


@lab.step
def wait_with_epoll(scene: Scene) -> None:
    """Eight children wait for one listener with epoll, without and with EPOLLEXCLUSIVE; c1 connects 20 times, one after
    the other."""
    for port, exclusive in ((PLAIN, False), (EXCLUSIVE, True)):
        names = [f"{name} at {port}" for name in WATCHERS]
        scene.act("srv", "workers.watch", names, port, exclusive)
        for number in range(20):
            burst(scene, port, 23000 + 100 * (port - PLAIN) + number, 1)
        scene.act("srv", "workers.counts", names)


@lab.step
def open_ones_own(scene: Scene) -> None:
    """Two workers open a listener each, with SO_REUSEPORT; c1 makes 200 connections. And two listeners on one port by
    two addresses, and by two devices, without any option."""
    for name in PAIR:
        scene.act("srv", "workers.start", f"own {name}", APART, {"reuseport": True})
    burst(scene, APART, 24000)
    for name, address in (("by near", scene.address("srv", "near")), ("by loopback", "127.0.0.1")):
        claim_port(scene, "srv", name, Endpoint(address, ADDRESSED), listen=True)
    for name, device in (("on the device", scene.device("srv", "near")), ("on lo", "lo")):
        bound = scene.socket("srv", TCP, name)
        bound.setsockopt("SOL_SOCKET", "SO_BINDTODEVICE", device)
        bound.bind(Endpoint(ANY, DEVICE))
        bound.listen()


@lab.step
def dispatch(scene: Scene) -> None:
    """Three workers wait; a front process accepts six requests, peeks at their Host header, and passes each connection
    to the worker of that name, which reads and answers."""
    courier = scene.unix_socket("srv", "post office")
    courier.bind(PATH)
    courier.listen()
    workers = {name: scene.fork("srv", name) for name in SITES}
    front = claim_port(scene, "srv", "front", Endpoint(ANY, DISPATCHED), listen=True)
    front.identity()
    for name, process in workers.items():
        scene.unix_socket(process, f"{name}'s post").connect(PATH)
        courier.accept(f"post to {name}")
    for number, name in enumerate(SITES * 2):
        client = dial(scene, f"request {number}", DISPATCHED)
        client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        taken = front.accept(f"connection {number}")
        host = taken.peek().decode().partition("Host: ")[2].split("\r\n")[0]
        scene[f"post to {host}"].give(f"connection {number}")
        served = scene[f"{host}'s post"].take(f"served {number}")
        taken.identity()
        served.identity()
        taken.close()
        served.recv()
        served.send(marked(f"{host} answers {number}"))
        client.recv()
    scene.run("srv", *COMMAND)


@lab.step
def pass_a_listener(scene: Scene) -> None:
    """srv listens and forks a child. A guest, in another network namespace and as another user, is given the listener.
    Each of them accepts."""
    listener = claim_port(scene, "srv", "listener", Endpoint(ANY, SHARED), listen=True)
    scene.fork("srv", "heir")
    own = listener.identity()
    scene["heir:listener"].identity()
    scene.act("srv", "processes.reopen", own["pid"], own["descriptor"])
    claim_port(scene, "srv", "only bound", Endpoint(ANY, COPIED + 100)).identity()
    for host, command in (("srv", LISTENERS), ("stranger", LISTENERS), ("guest", LISTENERS)):
        scene.run(host, *command)
    person = scene.fork("guest", "person")
    post = scene.unix_socket(person, "guest's post")
    post.connect(f"/proc/{own['pid']}/root{PATH}")
    scene["post office"].accept("post to guest")
    scene.act(person, "processes.become", PERSON)
    scene["post to guest"].give("listener")
    post.take("given").identity()
    for holder in HOLDERS_OF_IT:
        serve_from(scene, holder)
    scene.run("c1", *CONNECTIONS)
    scene.run("guest", *CONNECTIONS)


def serve_from(scene: Scene, holder: str) -> None:
    """One client is accepted and answered by this holder of the listener."""
    client = dial(scene, f"client of {holder}", SHARED)
    accepted = scene[holder].accept(f"accepted by {holder}")
    client.send(marked(f"to {holder}"))
    accepted.recv()
    accepted.send(marked(f"from {holder}"))
    client.recv()


@lab.step
def take_a_listener(scene: Scene) -> None:
    """The guest copies the listener out of srv's process, which is not asked; and accepts."""
    own = scene["listener"].identity()
    scene.take_from("guest", "stolen", own["pid"], own["descriptor"]).identity()
    serve_from(scene, "stolen")


@lab.step
def copy_a_descriptor(scene: Scene) -> None:
    """Before accept() a connection has no descriptor; then it has two; one is closed, then the other. A listener is
    shut down through one copy. And the last packet of the lab."""
    listener = claim_port(scene, "srv", "copied listener", Endpoint(ANY, COPIED), listen=True)
    client = dial(scene, "patient", COPIED)
    scene.run("srv", *COMMAND)
    accepted = listener.accept("original")
    copy = accepted.dup("copy")
    accepted.identity()
    copy.identity()
    accepted.close()
    copy.send(marked("one is closed"))
    client.recv()
    copy.close()
    client.recv()
    scene.fork("srv", "closer")
    scene["closer:copied listener"].shutdown("SHUT_RDWR")
    scene.run("srv", *COMMAND)
    fences.end(scene, "c1", "srv", "near")


def shared(facts: Facts, port: int) -> Event:
    (event,) = (it for it in facts.acts(SHARE) if it.args[2] == port)
    return event


def served(facts: Facts, port: int) -> list[Event]:
    return [it for act in (BURST, SERIES) for it in facts.acts(act) if it.args[2] == port]


def holders(facts: Facts, inode: int) -> list[Event]:
    return [it for it in facts.acts(HOLDERS) if it.args[1] == inode]


def listed(facts: Facts, port: int) -> tuple[list[Row], Event]:
    """The LISTEN rows of a port in srv's first table that has it."""
    found = ((on_port(table, port, "LISTEN"), event) for table, event in tables(facts, "srv"))
    return next((rows, event) for rows, event in found if rows)


def who(event: Event) -> dict[str, int | str]:
    return dict(event.result)


@lab.claim
def children_share_their_parents_listener(facts: Facts) -> Iterator[Check]:
    """Four forked children hold the one listening socket of their parent, and all of them accept; each of 200
    connections is accepted once. (C05, C11, C15, C92, C145, C160)"""
    said, (burst,) = shared(facts, FOUR), served(facts, FOUR)
    (held,) = holders(facts, said.result["inode"])
    five = len(held.result) == len(set(held.result)) == 5 and held.result == sorted(said.result["pids"])
    yield Check("processes that hold it", 5, len(held.result), (held, said), {"C05": not five})
    rows, table = listed(facts, FOUR)
    one = [row.inode for row in rows] == [said.result["inode"]]
    yield Check("rows with its inode", True, one, (said, table), {"C145": not one, "C160": not one})
    counts = Counter(burst.result)
    several = len(counts) > 1 and set(counts) <= set(QUARTET)
    answers = {"C05": not several, "C11": several, "C15": several, "C92": not several}
    yield Check("several of them accept", True, several, (burst,), answers)
    every = sum(counts[name] for name in QUARTET)
    yield Check("connections accepted", CALLS, every, (burst,), {"C15": every == CALLS})
    option = said.result["reuseport"]
    yield Check("its SO_REUSEPORT", 0, option, (said,), {"C160": bool(option), "C145": bool(option)})


@lab.claim
def so_do_fifty(facts: Facts) -> Iterator[Check]:
    """Fifty children hold one listener and serve 200 connections, each once. (C73)"""
    said, (burst,) = shared(facts, FIFTY), served(facts, FIFTY)
    (held,) = holders(facts, said.result["inode"])
    all_of_them = set(said.result["pids"]) == set(held.result)
    yield Check("processes that hold it", 51, len(held.result), (held, said), {"C73": all_of_them})
    yield Check("they are the children and their parent", True, all_of_them, (held, said), {"C73": all_of_them})
    every = sum(name in MANY for name in burst.result)
    yield Check("connections accepted", CALLS, every, (burst,), {"C73": every == CALLS})


@lab.claim
def whoever_accepts_first_takes_it(facts: Facts) -> Iterator[Check]:
    """With one of two children stopped, the other one accepts everything; nothing is lost, nothing served twice.
    (C87)"""
    alone, both = served(facts, TURN)
    yield Check("one stopped", [PAIR[1]] * 40, alone.result, (alone,), {"C87": alone.result == [PAIR[1]] * 40})
    every = sum(name in PAIR for name in both.result)
    yield Check("both running: connections accepted", 40, every, (both,), {"C87": every == 40})


@lab.claim
def a_listener_outlives_its_parent(facts: Facts) -> Iterator[Check]:
    """When the parent is killed the port stays open, though the child that holds it never accepts. (C80, C81)"""
    (born,) = facts.acts("workers.generations")
    before, after = holders(facts, born.result["inode"])
    pair = sorted((born.result["parent"], born.result["child"]))
    yield Check("who holds it", pair, before.result, (born, before), {"C80": before.result == pair})
    yield Check("when the parent is dead", [born.result["child"]], after.result, (born, after))
    rows, table = listed(facts, ORPHANED)
    same = [row.inode for row in rows] == [born.result["inode"]]
    yield Check("one row, with the same inode", True, same, (born, table), {"C80": same, "C81": same})
    client = facts.call("late comer", "connect")
    answer = [it for it in facts.at("near") if it.flow == client.flow.reversed() and it.flags == "SA"]
    yield Check("a SYN is answered", True, bool(answer), (client, *answer), {"C81": bool(answer)})
    parent, heir = facts.call("listener", "identity"), facts.call("heir:listener", "identity")
    equal = all(who(parent)[key] == who(heir)[key] for key in ("descriptor", "inode"))
    apart = who(parent)["pid"] != who(heir)["pid"]
    yield Check("after a fork: one descriptor number, one inode, two processes", True, equal and apart, (parent, heir),
                {"C80": equal and apart, "C81": equal and apart})  # fmt: skip


@lab.claim
def waking_everybody_is_a_waste(facts: Facts) -> Iterator[Check]:
    """Of eight children that wait with epoll, a connection wakes all of them for one to accept it; with EPOLLEXCLUSIVE
    hardly more than that one."""
    plain, exclusive = facts.acts("workers.counts")
    accepted = [sum(count for count, _ in event.result) for event in (plain, exclusive)]
    yield Check("connections accepted", [20, 20], accepted, (plain, exclusive))
    more, less = (sum(woken for _, woken in event.result) for event in (plain, exclusive))
    yield Check("less than half as many wake-ups with EPOLLEXCLUSIVE", True, 2 * less < more, (plain, exclusive))


@lab.claim
def there_are_other_ways(facts: Facts) -> Iterator[Check]:
    """Workers with SO_REUSEPORT have a listener each; so have different addresses. But bound devices are one more way,
    which needs none of these. (C11, C92, C145, C170)"""
    own = [it for it in facts.acts("workers.start") if it.args[2] == APART]
    apart = len({it.result["inode"] for it in own}) == len(own) == 2 and {it.result["said"] for it in own} == {OK}
    yield Check("with SO_REUSEPORT: two sockets", True, apart, tuple(own), {"C145": apart, "C170": apart})
    (burst,) = served(facts, APART)
    several = set(burst.result) == {it.args[1] for it in own}
    yield Check("both serve", True, several, (burst, *own), {"C11": several, "C92": not several})
    listener, child = facts.call("listener", "identity"), facts.call("accepted by listener", "recv")
    beside = {it.local.port for it in (listener, child) if it.local} == {SHARED} and child.cookie != listener.cookie
    yield Check("a listener and what it accepted: one port", True, beside, (listener, child), {"C170": beside})
    for names, about in (("by near", "by loopback"), "by address"), (("on the device", "on lo"), "by device"):
        calls = [facts.attempt(name, "listen") for name in names]
        both = [outcome(it) for it in calls] == [OK, OK] and len({it.cookie for it in calls}) == 2
        port = {it.local.port for it in calls if it.local}
        one = both and len(port) == 1
        yield Check(f"two listeners on one port {about}", True, one, tuple(calls),
                    {"C170": one if about == "by address" else not one})  # fmt: skip


@lab.claim
def connections_can_be_handed_out(facts: Facts) -> Iterator[Check]:
    """A front process alone listens; each connection goes to the worker its request names, and is answered from there
    on the original tuple. (C26, C94, C164)"""
    front = facts.call("front", "identity")
    pids: dict[str, set[object]] = {}
    for number, name in enumerate(SITES * 2):
        answer = facts.at("near").only(f"{name} answers {number}")
        handed, taken = facts.call(f"connection {number}", "identity"), facts.call(f"served {number}", "identity")
        client = facts.call(f"request {number}", "connect")
        same = handed.cookie == taken.cookie and who(handed)["inode"] == who(taken)["inode"]
        away = who(handed)["pid"] == who(front)["pid"] != who(taken)["pid"]
        on = answer.flow == client.flow.reversed()
        pids.setdefault(name, set()).add(who(taken)["pid"])
        ids = dict.fromkeys(("C26", "C94", "C164"), same and away and on)
        yield Check(f"request {number} is answered by {name}", (True, True, True), (same, away, on),
                    (handed, taken, answer, client, front), ids)  # fmt: skip
    takers = tuple(facts.call(f"served {number}", "identity") for number in range(6))
    three = all(len(it) == 1 for it in pids.values()) and len(set().union(*pids.values())) == len(SITES)
    yield Check("each name has its own process", True, three, takers, {"C94": three, "C164": three})


def one_socket(facts: Facts, holder: str) -> tuple[bool, tuple[Event | Packet, ...]]:
    """Is what this holder has the listener itself?"""
    own, other = facts.call("listener", "identity"), facts.call(holder, "identity")
    return who(other)["inode"] == who(own)["inode"] and other.cookie == own.cookie, (own, other)


def accepts(facts: Facts, holder: str) -> tuple[bool, tuple[Event | Packet, ...]]:
    """Did this holder serve its client, on the tuple the wire shows?"""
    read, wrote = facts.call(f"accepted by {holder}", "recv"), facts.at("near").only(f"to {holder}")
    return read.payload == wrote.payload and read.flow == wrote.flow.reversed(), (read, wrote)


@lab.claim
def a_listener_can_be_passed(facts: Facts) -> Iterator[Check]:
    """The owner, a forked child, and a guest of another user and namespace who was given the listener hold one socket;
    each of them accepts, in the namespace it was born in. (C83, C100)"""
    own, guest = facts.call("listener", "identity"), facts.call("given", "identity")
    for holder, ids in (("listener", ()), ("heir:listener", ("C100",)), ("given", ("C83", "C100"))):
        if holder != "listener":
            same, seen = one_socket(facts, holder)
            yield Check(f"{holder}: the same socket", True, same, seen, dict.fromkeys(ids, same))
        serves, seen = accepts(facts, holder)
        yield Check(f"{holder}: accepts", True, serves, seen, dict.fromkeys(ids, serves))
    foreign = who(guest)["namespace"] != who(own)["namespace"] and who(guest)["uid"] == PERSON
    yield Check("the guest is of another user and namespace", True, foreign, (guest, own), {"C83": foreign})
    holders_of_it = tuple(facts.call(name, "identity") for name in HOLDERS_OF_IT)
    pids = len({who(it)["pid"] for it in holders_of_it})
    yield Check("processes", 3, pids, holders_of_it, {"C100": pids == 3})


@lab.claim
def a_listener_can_be_taken(facts: Facts) -> Iterator[Check]:
    """With the right to trace a process, another one copies the listener out of it and accepts. Opening its file in
    /proc does not do. (C82)"""
    taken = facts.call("stolen", "take_from")
    same, seen = one_socket(facts, "stolen")
    yield Check("the same socket", True, same, (taken, *seen), {"C82": not same})
    serves, seen = accepts(facts, "stolen")
    yield Check("it accepts", True, serves, seen, {"C82": not serves})
    own, thief = facts.call("listener", "identity"), facts.call("stolen", "identity")
    unrelated = who(thief)["namespace"] != who(own)["namespace"] and who(thief)["pid"] != who(own)["pid"]
    yield Check("the thief is another process in another namespace", True, unrelated, (thief, own),
                {"C82": not unrelated})  # fmt: skip
    (reopened,) = facts.acts("processes.reopen")
    yield Check("opening its file in /proc", "ENXIO", reopened.result, (reopened,))


@lab.claim
def a_descriptor_is_only_a_reference(facts: Facts) -> Iterator[Check]:
    """A connection exists without a descriptor, then with two; the client hears of its end when the second one is
    closed. A shutdown through any copy is one for all. (C47, C90)"""
    client = facts.call("patient", "connect")
    rows, event = next((on_port(table, COPIED, "ESTAB"), event) for table, event in tables(facts, "srv")
                       if on_port(table, COPIED, "ESTAB"))  # fmt: skip
    none = [(row.remote, row.inode) for row in rows] == [(client.local, 0)]
    yield Check("before accept(): no descriptor", True, none, (client, event), {"C47": not none})
    first, second = facts.call("original", "identity"), facts.call("copy", "identity")
    two = who(first)["descriptor"] != who(second)["descriptor"] and who(first)["inode"] == who(second)["inode"]
    two = two and first.cookie == second.cookie
    yield Check("two descriptors, one socket", True, two, (first, second), {"C47": not two, "C90": two})
    last = facts.at("near").only("one is closed")
    fins = [it for it in facts.at("near") if it.flow == last.flow and "F" in it.flags]
    later = bool(fins) and fins[0].number > last.number and last.flow == client.flow.reversed()
    yield Check("FIN only after the second was closed", True, later, (client, last, *fins), {"C90": later})
    rows = on_port(tables(facts, "srv")[-1][0], COPIED, "LISTEN")
    shut = facts.call("closer:copied listener", "shutdown")
    yield Check("listening after a shutdown by a child", 0, len(rows), (shut, tables(facts, "srv")[-1][1]))


@lab.claim
def who_may_see_whose_it_is(facts: Facts) -> Iterator[Check]:
    """ss names the process of a listener or a connection to root in its namespace; another user sees the row without
    the process, another namespace no row, and a socket that is only bound is listed to nobody. (C42, C159)"""
    own = facts.call("listener", "identity")
    lines = {host: _lines(facts, host, LISTENERS, SHARED) for host in ("srv", "stranger", "guest")}
    named = f"pid={who(own)['pid']}," in lines["srv"][0]
    yield Check("root sees the process", True, named, (own, lines["srv"][1]), {"C159": named})
    row = f":{SHARED}" in lines["stranger"][0]
    blind = row and "pid=" not in lines["stranger"][0]
    yield Check("another user sees the row only", True, blind, (lines["stranger"][1],), {"C159": not blind})
    nothing = not lines["guest"][0]
    yield Check("another namespace sees nothing", True, nothing, (lines["guest"][1],), {"C159": not nothing})
    bound = facts.call("only bound", "identity").local
    unlisted = bool(bound) and not _lines(facts, "srv", LISTENERS, bound.port if bound else 0)[0]
    yield Check("only bound: not listed", True, unlisted, (facts.call("only bound", "identity"), lines["srv"][1]),
                {"C159": not unlisted})  # fmt: skip
    clients = [facts.call(f"client of {holder}", "connect") for holder in HOLDERS_OF_IT]
    text, seen = _lines(facts, "c1", CONNECTIONS, SHARED)
    mine = all(str(it.local) in text for it in clients) and text.count("pid=") == len(clients)
    yield Check("a client's own connections, with its process", True, mine, (*clients, seen), {"C42": mine})
    hidden, other = _lines(facts, "guest", CONNECTIONS, SHARED)
    yield Check("in another namespace", "", hidden, (other,), {"C42": bool(hidden)})


def _lines(facts: Facts, host: str, command: tuple[str, ...], port: int) -> tuple[str, Event]:
    """What ss printed about a port in a host, and the event."""
    event = next(it for it in reversed(facts.events) if it.call == "run" and it.args == command and it.host == host)
    return "\n".join(it for it in str(event.result[1]).splitlines() if f":{port} " in it), event
