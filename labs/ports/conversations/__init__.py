"""One port, fifty conversations.

A connection is a pair of endpoints. A server's port is one half of one of them, so it carries as many conversations as
there are distinct peers: one listening socket that never says a word, and a socket for each client that the kernel
makes before anybody accepts it. Nobody is given a port of his own.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import suppress

from fourtuple.errors import EvidenceError
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, outcome
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, FourTuple, Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP
WEB, THREADED, SHARED, FROZEN, UDP_PORT, FENCE_PORT = 80, 81, 82, 85, 5300, 9999
SITES, SOURCE = (WEB, 83, 84), 31000
CLIENTS = tuple(f"{host} {number}" for number in range(25) for host in ("c1", "c2"))
LATE = tuple(f"late {number}" for number in range(5))
CHILDREN = ("child 1", "child 2", "child 3", "child 4")
WAITING = tuple(f"frozen {number}" for number in range(20))
CALLS, LAST = 40, "the end"
LARGE, SMALL = marked("large", "x" * 20_000), marked("small")  # two parts of a page
PART_WINDOW = 4096  # bytes the client of a page lets the kernel keep: the large part does not fit
HOLDERS = ("ss", "-tnpH", "sport", "=", f":{WEB}")  # each connection with its processes and descriptors
HOLDER = re.compile(r"pid=(\d+),fd=(\d+)")
lab = Lab("conversations", "One port, fifty conversations", "hosts", fences=(Fence(LAST, ("near",)),))


def server(client: str) -> str:
    """The name of the server's socket for a client."""
    return f"server of {client}"


def says(client: str, what: str) -> str:
    return f"{client} {what}"


@lab.step
def connect_fifty_clients(scene: Scene) -> None:
    """srv listens on port 80. c1 and c2 connect 25 sockets each and write; nobody accepts. Then the kernel's table is
    read."""
    listener = scene.socket("srv", TCP, "listener")
    listener.bind(Endpoint(ANY, WEB))
    listener.listen(64)
    scene.run("srv", *COMMAND)
    for name in CLIENTS:
        dial(scene, name)
        scene[name].send(marked(says(name, "asks")))
        scene[name].getsockname()
    scene.run("srv", *COMMAND)
    scene.run("c1", *COMMAND)


def dial(scene: Scene, name: str) -> None:
    scene.socket("c2" if name.startswith("c2") else "c1", TCP, name)
    scene[name].connect(Endpoint(scene.address("srv", "near"), WEB))


@lab.step
def accept_and_answer(scene: Scene) -> None:
    """srv accepts all fifty, reads from each and answers each. While the first ten go on, five more connect."""
    for name in CLIENTS:
        accepted = scene["listener"].accept(f"fifty {CLIENTS.index(name)}")
        accepted.recv()
        accepted.getsockname()
        accepted.getpeername()
    scene.run("srv", *COMMAND)
    scene.run("srv", *HOLDERS)
    for number in range(len(CLIENTS)):
        scene[f"fifty {number}"].send(marked(f"answer {number}"))
    for name in CLIENTS:
        scene[name].recv()
    for name in LATE:
        scene["fifty 0"].send(marked(f"before {name}"))
        dial(scene, name)
        scene["fifty 1"].send(marked(f"after {name}"))
        scene["listener"].accept(server(name))
    scene.run("srv", *COMMAND)


@lab.step
def talk_to_the_listener(scene: Scene) -> None:
    """Somebody reads from the listening socket, writes to it, and asks for its peer."""
    scene["listener"].settimeout(0)  # or Python waits for something to read before it asks the kernel
    with suppress(OSError):
        scene["listener"].recv()
    with suppress(OSError):
        scene["listener"].send(b"hello")
    with suppress(OSError):
        scene["listener"].getpeername()
    scene["listener"].settimeout(2)


@lab.step
def keep_a_connection_alive(scene: Scene) -> None:
    """One more client makes three requests over one connection."""
    dial(scene, "keep-alive")
    accepted = scene["listener"].accept(server("keep-alive"))
    for number in range(3):
        scene["keep-alive"].send(marked(f"request {number}"))
        accepted.recv()
        accepted.send(marked(f"response {number}"))
        scene["keep-alive"].recv()


@lab.step
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


@lab.step
def hand_it_on(scene: Scene) -> None:
    """One thread accepts and another one answers; and four forked children accept from one listener."""
    scene.act("srv", "threads.start", THREADED)
    client = scene.socket("c1", TCP, "threaded client")
    client.connect(Endpoint(scene.address("srv", "near"), THREADED))
    client.send(marked("threads"))
    client.recv()
    scene.act("srv", "threads.collect")
    scene.act("srv", "workers.share", list(CHILDREN), SHARED)
    scene.act("c1", "workers.series", scene.address("srv", "near"), SHARED, list(range(30000, 30000 + CALLS)), 3.0)


@lab.step
def stop_the_server(scene: Scene) -> None:
    """A server process listens and is stopped; c2 connects 20 clients and each writes."""
    server = scene.fork("srv", "server")
    listener = scene.socket(server, TCP, "frozen")
    listener.bind(Endpoint(ANY, FROZEN))
    listener.listen(64)
    scene["server:fifty 0"].identity()
    scene["fifty 0"].identity()
    scene.kill(server, signal.SIGSTOP)
    for number, name in enumerate(WAITING):
        scene.socket("c2", TCP, name).connect(Endpoint(scene.address("srv", "near"), FROZEN))
        scene[name].send(marked(name, "!" * number))
    scene.run("srv", *COMMAND)
    scene.kill(server, signal.SIGKILL)


@lab.step
def go_three_ways(scene: Scene) -> None:
    """c1 connects three sockets from one port to three ports of srv."""
    for port in SITES:
        if port != WEB:
            other = scene.socket("srv", TCP, f"listener {port}")
            other.bind(Endpoint(ANY, port))
            other.listen()
        client = scene.socket("c1", TCP, f"way to {port}")
        client.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        client.bind(Endpoint(scene.address("c1", "near"), SOURCE))
        client.connect(Endpoint(scene.address("srv", "near"), port))
    scene.run("c1", *COMMAND)


@lab.step
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


def from_server(facts: Facts) -> list[Packet]:
    """Segments of port 80, or to it, that the server's interface saw leave."""
    home = facts.topology.host("srv").address("near")
    clients = {facts.call(name, "getsockname").local for name in CLIENTS}
    return [p for p in facts.at("near") if p.flow.source.address == home and p.flow.destination in clients]


def syns(facts: Facts, port: int) -> list[Packet]:
    """The first segment of each connection to a port (one that was sent again counts once)."""
    found = {p.flow: p for p in facts.at("near") if p.flags == "S" and p.flow.destination.port == port}
    return list(found.values())


@lab.claim
def every_conversation_is_on_port_80(facts: Facts) -> Iterator[Check]:
    """Fifty connections of two hosts go to port 80, every answer leaves from it, and every accepted socket has it; the
    clients' own ports are others. (C01, C04, C40, C44, C55, C63, C67, C69, C70, C72, C123)"""
    dialled, sent = syns(facts, WEB), from_server(facts)
    accepted = [facts.call(f"fifty {number}", "getsockname") for number in range(len(CLIENTS))]
    ports = {int(it.result[1]) for it in accepted}
    one = ports == {WEB}
    answers = dict.fromkeys(("C01", "C55", "C69", "C123"), one) | dict.fromkeys(("C44", "C67"), not one)
    yield Check("ports of the accepted sockets", {WEB}, ports, tuple(accepted), answers)
    leave = {it.flow.source.port for it in sent}
    back = dict.fromkeys(("C63", "C70", "C72"), leave == {WEB})
    yield Check("ports the server's segments leave from", {WEB}, leave, tuple(sent[:3]), back)
    clients = {facts.call(name, "getsockname").local for name in CLIENTS}
    on_80 = WEB in {it.port for it in clients if it is not None} | {it.flow.source.port for it in dialled}
    own = tuple(facts.call(name, "getsockname") for name in CLIENTS)
    yield Check("a client has port 80", False, on_80, (*own, *dialled), {"C04": on_80})
    written = tuple(facts.at("near").only(f"answer {number}") for number in range(len(CLIENTS)))
    reached = {it.flow.destination for it in written} == clients
    yield Check("the server answers to every client's source port", True, reached, written,
                {"C40": reached, "C63": reached})  # fmt: skip


@lab.claim
def there_is_a_socket_for_each(facts: Facts) -> Iterator[Check]:
    """Fifty accepted sockets and the listener are 51 sockets of the kernel on one port; no tuple is there twice.
    (C01, C07, C33, C45, C46, C50, C66, C68, C114, C115, C121)"""
    table, event = tables(facts, "srv")[2]
    established, listeners = on_port(table, WEB, "ESTAB"), on_port(table, WEB, "LISTEN")
    cookies = {row.cookie for row in (*established, *listeners)}
    each = dict.fromkeys(("C01", "C07", "C46", "C66", "C68", "C114", "C115"), len(cookies) == len(CLIENTS) + 1)
    yield Check("sockets on the port", len(CLIENTS) + 1, len(cookies), (event,), each)
    yield Check("sockets that listen", 1, len(listeners), (event,), {"C45": len(listeners) == 1})
    peers = {row.remote for row in established}
    yield Check("peers", len(CLIENTS), len(peers), (event,), dict.fromkeys(("C50", "C121"), len(peers) == len(CLIENTS)))
    own = [facts.call(name, "getsockname") for name in CLIENTS]
    exact = peers == {it.local for it in own}
    yield Check("their peers are the clients of both hosts", True, exact, (event, *own), {"C33": exact, "C45": exact})
    inodes = {row.inode for row in established} - {0}
    yield Check("inodes", len(CLIENTS), len(inodes), (event,), {"C68": len(inodes) == len(CLIENTS)})
    held = facts.ran(*HOLDERS)
    descriptors = len(set(HOLDER.findall(str(held.result[1]))))
    yield Check("descriptors", len(CLIENTS), descriptors, (held,), {"C68": descriptors == len(CLIENTS)})


@lab.claim
def the_kernel_makes_it_before_accept(facts: Facts) -> Iterator[Check]:
    """Before accept() the fifty are established, hold what was sent, and belong to no process; accept() returns the
    same sockets. (C09, C24, C43, C65, C71)"""
    before, event = tables(facts, "srv")[1]
    after, later = tables(facts, "srv")[2]
    waiting, accepted = on_port(before, WEB, "ESTAB"), on_port(after, WEB, "ESTAB")
    orphans = [row for row in waiting if row.inode == 0]
    unaccepted = len(orphans) == len(CLIENTS)
    nobody = dict.fromkeys(("C24", "C43"), not unaccepted) | {"C71": unaccepted}
    yield Check("established before accept(), of no process", len(CLIENTS), len(orphans), (event,), nobody)
    sent = sorted(len(marked(says(name, "asks"))) for name in CLIENTS)
    yield Check("bytes that wait in them", sent, sorted(row.waiting for row in waiting), (event,))
    same = {row.cookie for row in waiting} == {row.cookie for row in accepted}
    yield Check("accept() returns the same sockets", True, same, (event, later), {"C09": not same, "C65": not same})
    fresh = len({row.inode for row in accepted} - {0}) == len(CLIENTS)
    yield Check("each has a descriptor of its own now", True, fresh, (later,), {"C09": fresh})


@lab.claim
def the_kernel_does_the_work(facts: Facts) -> Iterator[Check]:
    """While the server process is stopped, twenty clients are connected and acknowledged, and what each wrote waits on
    its own connection. A socket may belong to no process, and to two. (C43, C71)"""
    table, event = next((rows, event) for rows, event in tables(facts, "srv") if on_port(rows, FROZEN, "ESTAB"))
    waiting = {row.remote: row.waiting for row in on_port(table, FROZEN, "ESTAB") if row.inode == 0}
    wrote = tuple(facts.at("near").only(name) for name in WAITING)
    right = waiting == {it.flow.source: len(it.payload) for it in wrote}
    yield Check("each client's bytes wait on its own row", True, right, (event, *wrote), {"C71": right})
    acknowledged = tuple(facts.at("near").acknowledgement(it) for it in wrote)
    flags = {it.flags for it in acknowledged}
    yield Check("what answers them", {"A"}, flags, acknowledged, {"C71": flags == {"A"}})
    parent, child = facts.call("fifty 0", "identity"), facts.call("server:fifty 0", "identity")
    two = parent.result["inode"] == child.result["inode"] and parent.result["pid"] != child.result["pid"]
    yield Check("after a fork one socket belongs to two processes", True, two, (parent, child), {"C43": not two})


@lab.claim
def one_client_port_goes_three_ways(facts: Facts) -> Iterator[Check]:
    """A client's port carries three connections whose tuples differ only in the remote endpoint. (C50)"""
    ways = [facts.call(f"way to {port}", "connect") for port in SITES]
    table, event = tables(facts, "c1")[-1]
    rows = {(row.local, row.remote) for row in on_port(table, SOURCE, "ESTAB")}
    three = len(rows) == len(SITES) and rows == {(it.local, it.remote) for it in ways}
    yield Check("three rows", True, three, (*ways, event), {"C50": three})
    local = {str(it.local) for it in ways}
    yield Check("their local endpoint", 1, len(local), tuple(ways), {"C50": len(local) == 1})


@lab.claim
def both_sides_mirror_each_other(facts: Facts) -> Iterator[Check]:
    """What the server calls its peer is what the client calls itself, and what the SYN came from.
    (C16, C20, C21, C32, C36, C37, C54)"""
    pairs = {facts.call(f"fifty {n}", "getpeername").flow.reversed() for n in range(len(CLIENTS))}
    own = [facts.call(name, "getsockname") for name in CLIENTS]
    dialled = {it.flow for it in syns(facts, WEB)}
    mirrored = pairs == {it.flow for it in own} and pairs <= dialled
    events = (*own[:2], facts.call("fifty 0", "getpeername"))
    answers = dict.fromkeys(("C20", "C36", "C54"), mirrored)
    yield Check("client and server sockets mirror each other", True, mirrored, events, answers)
    here, there = tables(facts, "c1")[0], tables(facts, "srv")[2]
    listed = [{FourTuple(row.local, row.remote) for row in table if row.remote} for table, _ in (here, there)]
    flows = {it.flow for it in own if it.host == "c1"}
    both = flows <= listed[0] and {it.reversed() for it in flows} <= listed[1] and not listed[0] & listed[1]
    yield Check("each side lists a socket of its own", True, both, (here[1], there[1]), {"C16": both})
    ports = {it.local.port for it in own if it.host == "c1" and it.local}
    apart = len(ports) == len(CLIENTS) // 2
    answers = dict.fromkeys(("C21", "C32", "C37"), apart)
    yield Check("client ports of one host", len(CLIENTS) // 2, len(ports), tuple(own), answers)


@lab.claim
def no_payload_is_swapped(facts: Facts) -> Iterator[Check]:
    """What each client wrote is read on the socket whose peer is that client, and nowhere else. (C07, C21)"""
    whose = {facts.call(name, "getsockname").local: name for name in CLIENTS}
    for number in range(len(CLIENTS)):
        read = facts.call(f"fifty {number}", "recv")
        name = whose[read.remote]
        right = read.payload == marked(says(name, "asks"))
        yield Check(f"the socket of {name} reads", True, right, (read,), {"C07": right, "C21": right})


@lab.claim
def the_listener_only_listens(facts: Facts) -> Iterator[Check]:
    """The listener has no peer, carries no data, and listens before, during and after; new clients are answered while
    others are served. (C06, C10, C31, C33, C52, C123)"""
    read, write = facts.attempt("listener", "recv"), facts.attempt("listener", "send")
    peer = facts.attempt("listener", "getpeername")
    mute = (outcome(read), outcome(write)) == ("ENOTCONN", "EPIPE")
    yield Check(
        "recv() and send()", ["ENOTCONN", "EPIPE"], [outcome(read), outcome(write)], (read, write), {"C06": mute}
    )
    yield Check("getpeername()", "ENOTCONN", outcome(peer), (peer,), {"C52": outcome(peer) == "ENOTCONN"})
    found = tables(facts, "srv")
    listening = [on_port(table, WEB, "LISTEN") for table, _ in found]
    always = [len(it) for it in listening] == [1] * len(found) and all(it[0].remote is None for it in listening)
    events = tuple(event for _, event in found)
    answers = {"C10": not always, "C33": always, "C52": always}
    yield Check("it is listed as listening, without a peer", True, always, events, answers)
    cookie = listening[2][0].cookie
    fresh = all(row.cookie != cookie for row in on_port(found[2][0], WEB, "ESTAB"))
    yield Check("accepted sockets are others", True, fresh, (found[2][1],), {"C123": fresh})
    for name in LATE:
        near = facts.at("near")
        before, after = near.only(f"before {name}"), near.only(f"after {name}")
        client = facts.attempt(name, "connect")
        answered = [it for it in near if it.flags == "SA" and it.flow.destination == client.local
                    and before.number < it.number < after.number]  # fmt: skip
        between = outcome(client) == OK and bool(answered)
        yield Check(f"{name} is answered between two segments of others", True, between,
                    (client, before, *answered, after), {"C10": not between, "C31": between})  # fmt: skip


@lab.claim
def requests_are_not_connections(facts: Facts) -> Iterator[Check]:
    """Three requests over one connection are one SYN. (C37)"""
    client = facts.call("keep-alive", "connect").local
    mine = [it for it in syns(facts, WEB) if it.flow.source == client]
    requests = [facts.at("near").only(f"request {number}") for number in range(3)]
    one = len(mine) == 1 and {it.flow.source for it in requests} == {client}
    yield Check("connections for three requests", 1, len(mine), (*mine, *requests), {"C37": one})


@lab.claim
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


@lab.claim
def who_serves_is_another_question(facts: Facts) -> Iterator[Check]:
    """A connection may be accepted by one thread and served by another, and one listener may be served by one process
    or by several. (C19, C25)"""
    (event,) = facts.acts("threads.collect")
    accepted, served = event.result["accepted"], event.result["served"]
    handed = accepted["cookie"] == served["cookie"] and accepted["descriptor"] == served["descriptor"]
    yield Check("the same socket in both threads", True, handed, (event,), {"C25": handed})
    threads = len({accepted["thread"], served["thread"]})
    yield Check("two threads", 2, threads, (event,), {"C25": threads == 2})
    said, told = facts.call("threaded client", "recv"), marked("threads") + b" served"
    yield Check("the client reads on its connection", told, said.payload, (said,), {"C25": said.payload == told})
    (burst,) = facts.acts("workers.series")
    several = len(set(burst.result)) > 1
    yield Check("children that served", True, several, (burst,), {"C19": not several})
    held = facts.ran(*HOLDERS)
    found = [HOLDER.findall(line) for line in str(held.result[1]).splitlines()]
    alone = len(found) == len(CLIENTS) and len({pid for row in found for pid, _ in row}) == 1 and all(found)
    yield Check("without children one process holds all fifty", True, alone, (held,), {"C19": alone})


@lab.claim
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
