"""Who shakes hands? The kernel, before accept().

From listen() onwards the kernel answers SYNs, acknowledges data and keeps it, whether a program ever looks or not.
What it has finished waits in the listener's queue, and that has a limit: the backlog. accept() hands out a descriptor
of something that already exists; and whatever process holds the last descriptor decides when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence import counters
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, UDP_COMMAND, Row, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, outcome
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP, UDP = Protocol.TCP, Protocol.UDP
EARLY, SMALL, GROWING, HUGE, CLOSED, OPEN, QUEUED, ONE, MANY, FORKED, LOCAL, FULL = range(8080, 8092)
CLIENTS = tuple(f"early {number}" for number in range(4))  # of whom the last one is never accepted
FIFTY = tuple(f"crowd {number}" for number in range(50))
NINE = 9
SHORT = 0.5  # seconds: half the time until a SYN is sent again
BURST, SOMAXCONN = "workers.burst", ("cat", "/proc/sys/net/core/somaxconn")
lab = Lab("backlog", "Who shakes hands?", "backlog", fences=(Fence(fences.LAST, ("near",)),))


def listener(scene: Scene, port: int, backlog: int, host: str = "srv") -> Socket:
    """A listener called after its port."""
    opened = scene.socket(host, TCP, f"{host}:{port}")
    opened.bind(Endpoint(ANY, port))
    opened.listen(backlog)
    return opened


def dial(scene: Scene, name: str, port: int, host: str = "c1") -> Socket:
    client = scene.socket(host, TCP, name)
    client.connect(Endpoint(scene.address("srv", "near"), port))
    return client


def burst(scene: Scene, port: int, first: int, server: str = "srv") -> None:
    """c2 makes nine connections at once and waits half a second."""
    sources = list(range(first, first + NINE))
    scene.act("c2", BURST, scene.address(server, "near"), port, sources, SHORT)


@lab.step
def let_the_server_sleep(scene: Scene) -> None:
    """Four clients connect and each writes 19 bytes, while the server sleeps. Then it accepts three of them."""
    sleeping = listener(scene, EARLY, 8)
    for name in CLIENTS:
        dial(scene, name, EARLY).send(marked(name, "let me in"))
    scene.run("srv", *COMMAND)
    for name in CLIENTS[:3]:
        sleeping.accept(f"{name} accepted").identity()
    scene[f"{CLIENTS[0]} accepted"].recv()
    scene.run("srv", *COMMAND)


@lab.step
def fill_queues(scene: Scene) -> None:
    """listen(1), then listen(5) on the same socket; listen(5); listen(5) where the kernel caps it at four; listen of a
    million. Nobody accepts, and c2 makes nine connections to each."""
    growing = listener(scene, GROWING, 1)
    scene.run("srv", *COMMAND)
    burst(scene, GROWING, 20000)
    growing.listen(5)
    scene.run("srv", *COMMAND)
    burst(scene, GROWING, 20100)
    listener(scene, FULL, 5)
    scene.run("srv", *counters.COMMAND)
    burst(scene, FULL, 20200)
    scene.run("srv", *counters.COMMAND)
    listener(scene, SMALL, 5, "small")
    burst(scene, SMALL, 20300, "small")
    listener(scene, HUGE, 1_000_000)
    scene.run("srv", *COMMAND)
    scene.run("srv", *SOMAXCONN)


@lab.step
def run_out_of_descriptors(scene: Scene) -> None:
    """Fifty clients talk to one event loop. And a server that may open no more descriptors accepts."""
    scene.act("srv", "servers.event_loop", "loop", MANY)
    for name in FIFTY:
        dial(scene, name, MANY).send(marked(name))
    for name in FIFTY:
        scene[name].recv()
    scene.act("srv", "servers.look", "loop")
    scene.run("srv", *COMMAND)
    before = scene.act("srv", "servers.descriptors", 3)
    with suppress(OSError):
        scene[f"srv:{EARLY}"].accept("one too many")
    scene.act("srv", "servers.descriptors", before)


@lab.step
def serve_one(scene: Scene) -> None:
    """One server closes its listener after the first client, one leaves it open: a second client comes. And a listener
    closes with a client in its queue."""
    for port in (CLOSED, OPEN):
        waiting = listener(scene, port, 8)
        dial(scene, f"first at {port}", port)
        waiting.accept(f"served at {port}")
        if port == CLOSED:
            waiting.close()
        with suppress(OSError):
            dial(scene, f"second at {port}", port, "c2").send(marked(f"second at {port}"))
        scene[f"first at {port}"].send(marked(f"first at {port}"))
        scene[f"served at {port}"].recv()
        scene[f"served at {port}"].send(marked(f"answer at {port}"))
        scene[f"first at {port}"].recv()
    scene.run("srv", *COMMAND)
    closing = listener(scene, QUEUED, 8)
    dial(scene, "queued", QUEUED)
    closing.close()
    with suppress(OSError):
        scene["queued"].recv()


@lab.step
def serve_in_turn(scene: Scene) -> None:
    """A server answers one client until that closes, then the next one. The first client is silent; the second
    writes."""
    scene.act("srv", "servers.sequential", "in turn", ONE)
    dial(scene, "silent", ONE)
    dial(scene, "eager", ONE, "c2").send(marked("eager"))
    scene["eager"].settimeout(SHORT)
    with suppress(OSError):
        scene["eager"].recv()
    scene["silent"].send(marked("silent"))
    scene["silent"].recv()
    scene["silent"].close()
    scene["eager"].settimeout(2)
    scene["eager"].recv()


@lab.step
def share_with_a_child(scene: Scene) -> None:
    """The server accepts two clients and forks. It closes its own copy of one. The child answers the other, and is
    killed."""
    waiting = listener(scene, FORKED, 8)
    for name in ("shared", "handed over"):
        dial(scene, f"{name} client", FORKED)
        waiting.accept(name)
    child = scene.fork("srv", "child")
    scene["shared"].identity()
    scene["child:shared"].identity()
    scene["handed over"].close()
    scene["child:shared"].send(marked("from the child"))
    scene["shared client"].recv()
    scene.kill(child)
    scene["handed over client"].recv()
    scene["shared client"].send(marked("after the kill"))
    scene["shared"].recv()


@lab.step
def stay_at_home(scene: Scene) -> None:
    """A client connects to a server on its own machine. A datagram reaches a UDP socket that nobody reads from. And the
    last packet of the lab."""
    here = Endpoint("127.0.0.1", LOCAL)
    local = scene.socket("srv", TCP, "at home")
    local.bind(here)
    local.listen()
    scene.socket("srv", TCP, "home client").connect(here)
    local.accept("home accepted")
    scene.run("srv", *COMMAND)
    udp = scene.socket("srv", UDP, "unread")
    udp.bind(Endpoint(ANY, LOCAL))
    scene.socket("c1", UDP, "writer").sendto(marked("unread"), Endpoint(scene.address("srv", "near"), LOCAL))
    fences.end(scene, "c1", "srv", "near")
    scene.run("srv", *UDP_COMMAND)
    with suppress(OSError):
        udp.listen()


def row_of(facts: Facts, client: str, table: int) -> tuple[Row, Event]:
    """The server's row for a client's connection, in the table that was read as number `table`."""
    rows, event = tables(facts, "srv")[table]
    (row,) = (it for it in rows if it.remote == facts.call(client, "connect").local)
    return row, event


def of(facts: Facts, client: str) -> list[Packet]:
    """Every packet of a client's connection."""
    flow = facts.attempt(client, "connect").flow
    return [it for it in facts.at("near") if it.flow in (flow, flow.reversed())]


def accepted(facts: Facts, port: int) -> list[tuple[int, tuple[Packet, ...], Event]]:
    """Of each burst to a port: how many connections stood, the SYNs that nothing answered, and the call."""
    bursts = []
    for event in (it for it in facts.acts(BURST) if it.args[2] == port):
        mine = [it for it in facts.at("near") if port in (it.flow.source.port, it.flow.destination.port)]
        answered = {it.flow.reversed() for it in mine if it.flags == "SA"}
        syns = {it.flow: it for it in mine if it.flags == "S" and it.flow.source.port in event.args[3]}
        lost = tuple(it for flow, it in syns.items() if flow not in answered)
        bursts.append((event.result.count("connected"), lost, event))
    return bursts


@lab.claim
def the_kernel_shakes_hands(facts: Facts) -> Iterator[Check]:
    """While the server sleeps, its kernel completes the handshake: the connection is established before accept(), and
    belongs to no process. (C60, C85)"""
    shake = of(facts, CLIENTS[0])[:3]
    flags = [it.flags for it in shake]
    yield Check("the first three segments", ["S", "SA", "A"], flags, tuple(shake), {"C85": flags == ["S", "SA", "A"]})
    row, event = row_of(facts, CLIENTS[0], 0)
    orphan = (row.state, row.inode) == ("ESTAB", 0)
    yield Check("established, of no process", True, orphan, (event,), {"C60": not orphan, "C85": orphan})


@lab.claim
def data_waits_in_the_kernel(facts: Facts) -> Iterator[Check]:
    """What the client wrote is acknowledged and kept until the program reads it. (C62)"""
    wrote = facts.at("near").only(CLIENTS[0])
    answer = facts.at("near").acknowledgement(wrote)
    (row, before), (later, after) = row_of(facts, CLIENTS[0], 0), row_of(facts, CLIENTS[0], 1)
    read = facts.call(f"{CLIENTS[0]} accepted", "recv")
    size = len(wrote.payload)
    waited = row.waiting == len(read.payload) == size and later.waiting == 0
    sizes = [19, 19, 19, 0]
    found = [size, row.waiting, len(read.payload), later.waiting]
    yield Check("written, waiting, read, left", sizes, found, (wrote, before, read, after), {"C62": waited})
    early = answer.time_ns < read.wall_ns
    yield Check("acknowledged before it was read", True, early, (answer, read), {"C62": early})


@lab.claim
def accept_hands_out_descriptors(facts: Facts) -> Iterator[Check]:
    """accept() gives each of three connections a descriptor and an inode; the sockets are those of before, and the one
    nobody accepted is there as well. (C64, C89, C122)"""
    holders = [facts.call(f"{name} accepted", "identity") for name in CLIENTS[:3]]
    for name, holder in zip(CLIENTS[:3], holders, strict=True):
        (before, early), (after, late) = row_of(facts, name, 0), row_of(facts, name, 1)
        cookie = facts.call(f"{name} accepted", "identity").cookie
        known = before.cookie == after.cookie == cookie
        given = before.inode == 0 and after.inode == holder.result["inode"]
        old = {"C89": not known, "C122": not known}
        yield Check(f"the socket of {name} was there before", True, known, (early, late, holder), old)
        new = {"C64": given, "C89": given}
        yield Check(f"accept() gave {name} its inode", True, given, (early, late, holder), new)
    numbers = len({it.result["descriptor"] for it in holders})
    yield Check("descriptors", 3, numbers, tuple(holders), {"C122": numbers == len(holders)})
    row, event = row_of(facts, CLIENTS[3], 1)
    without = (row.state, row.inode) == ("ESTAB", 0)
    yield Check("nobody accepted the last one", True, without, (event,), {"C64": not without})


@lab.claim
def the_backlog_is_a_limit(facts: Facts) -> Iterator[Check]:
    """The kernel lists the number given to listen(), and lets one connection more than that wait; further SYNs get no
    answer. A larger number lets more wait. (C84, C86, C126)"""
    rows = [(on_port(table, GROWING, "LISTEN"), event) for table, event in tables(facts, "srv")]
    (first, one), (second, other) = [(it[0].room, event) for it, event in rows if it][:2]
    given = (first, second) == (1, 5)
    yield Check("listed backlogs", [1, 5], [first, second], (one, other), {"C84": given})
    (stood, _, call), (more, _, again) = accepted(facts, GROWING)
    yield Check("of nine, with listen(1)", 2, stood, (call,))
    yield Check("more, with listen(5)", 4, more, (again,), {"C84": more > 0})
    ((stood, lost, call),) = accepted(facts, FULL)
    strict = stood == 6 and len(lost) == NINE - 6
    yield Check("of nine, with listen(5)", 6, stood, (call,), {"C86": not strict, "C126": stood == 5})
    yield Check("SYNs that nothing answered", NINE - 6, len(lost), lost, {"C86": not strict})
    before, after = counters.readings(facts, "srv")[:2]
    grew = counters.counter(after, "ListenOverflows") > counters.counter(before, "ListenOverflows")
    yield Check("the kernel counts overflows", True, grew, (before, after))


@lab.claim
def the_kernel_caps_it(facts: Facts) -> Iterator[Check]:
    """A backlog above somaxconn is cut down to that; where somaxconn is four, listen(5) lets five wait.
    (C86, C126)"""
    most = facts.ran(*SOMAXCONN)
    found = [(on_port(table, HUGE, "LISTEN"), event) for table, event in tables(facts, "srv")]
    row, event = next((rows[0], event) for rows, event in found if rows)
    cut = row.room == int(most.result[1]) < 1_000_000
    yield Check("a million is listed as somaxconn", True, cut, (most, event), {"C86": cut})
    (call,) = (it for it in facts.acts(BURST) if it.args[2] == SMALL)
    stood = call.result.count("connected")
    yield Check("of nine, where somaxconn is four", 5, stood, (call,), {"C126": stood == 5})


@lab.claim
def one_process_serves_fifty(facts: Facts) -> Iterator[Check]:
    """Fifty clients are served by one process with one thread; but not past a full queue, nor past the last
    descriptor. (C97, C124)"""
    (look,) = facts.acts("servers.look")
    table, listed = next((rows, event) for rows, event in tables(facts, "srv") if on_port(rows, MANY, "ESTAB"))
    held = [row for row in on_port(table, MANY, "ESTAB") if row.inode in look.result["inodes"]]
    read = tuple(facts.call(name, "recv") for name in FIFTY)
    served = sum(it.payload == marked(name) for name, it in zip(FIFTY, read, strict=True))
    yield Check("threads", 1, look.result["threads"], (look,), {"C97": look.result["threads"] > 1})
    yield Check("connections that one process holds", 50, len(held), (look, listed), {"C97": len(held) < 50})
    yield Check("clients that got an answer", 50, served, read, {"C124": served == len(FIFTY)})
    ((_, lost, call),) = accepted(facts, FULL)
    yield Check("of nine nobody accepts, turned away", 3, len(lost), (*lost, call), {"C124": not lost})
    full = facts.attempt(f"srv:{EARLY}", "accept")
    yield Check("accept() at the last descriptor", "EMFILE", outcome(full), (full,), {"C124": outcome(full) == "ok"})


@lab.claim
def only_a_closed_listener_refuses(facts: Facts) -> Iterator[Check]:
    """A second client is refused with RST only where the listener was closed; where it is open, he is connected and
    what he writes is acknowledged, though nobody ever accepts him. (C23)"""
    closed, opened = facts.attempt(f"second at {CLOSED}", "connect"), facts.attempt(f"second at {OPEN}", "connect")
    refusals = tuple(it for it in facts.at("near") if "R" in it.flags and it.flow.source.port == CLOSED)
    away = (outcome(closed), len(refusals)) == ("ECONNREFUSED", 1)
    yield Check("closed: refused", "ECONNREFUSED", outcome(closed), (closed,), {"C23": away})
    yield Check("closed: RSTs", 1, len(refusals), refusals or (closed,), {"C23": away})
    wrote = facts.at("near").only(f"second at {OPEN}")
    answer = facts.at("near").acknowledgement(wrote)
    connected = wrote.flow == opened.flow and "R" not in answer.flags
    yield Check(
        "open: what he writes is acknowledged", True, connected, (opened, wrote, answer), {"C23": not connected}
    )
    rows, event = tables(facts, "srv")[-2]
    (row,) = (it for it in rows if it.remote == opened.local)
    waits = (row.state, row.inode, row.waiting) == ("ESTAB", 0, len(wrote.payload))
    yield Check("open: established, of no process", True, waits, (event, opened, wrote), {"C23": not waits})


@lab.claim
def a_connection_needs_no_listener(facts: Facts) -> Iterator[Check]:
    """After its listener closed, an accepted connection goes on while a new SYN gets RST; what was still queued is
    reset. (C61)"""
    question, answer = facts.at("near").only(f"first at {CLOSED}"), facts.at("near").only(f"answer at {CLOSED}")
    refused = [it for it in facts.at("near") if "R" in it.flags and it.flow.source.port == CLOSED]
    on = bool(refused) and answer.flow == question.flow.reversed() and refused[0].number < question.number
    yield Check("data goes both ways after the RST", True, on, (*refused, question, answer), {"C61": on})
    queued = facts.attempt("queued", "recv")
    yield Check("the queued client reads", "ECONNRESET", outcome(queued), (queued,))


@lab.claim
def a_sequential_server_makes_wait(facts: Facts) -> Iterator[Check]:
    """The second client of a one-by-one server is connected and acknowledged, but answered only when the first has
    gone. (C22)"""
    near = facts.at("near")
    wrote = near.only("eager")
    acknowledged = near.acknowledgement(wrote)
    gone = next(it for it in of(facts, "silent") if "F" in it.flags)
    echo = next(it for it in near if it.flow == wrote.flow.reversed() and it.payload)
    order = [it.number for it in (wrote, acknowledged, gone, echo)]
    yield Check("written, acknowledged, first gone, answered", sorted(order), order,
                (wrote, acknowledged, gone, echo), {"C22": order == sorted(order)})  # fmt: skip
    read = facts.call("eager", "recv")
    yield Check("what is answered in the end", wrote.payload, read.payload, (wrote, read))


@lab.claim
def a_connection_lives_until_its_last_descriptor(facts: Facts) -> Iterator[Check]:
    """A killed child ends the connection only it had; one that its parent also holds goes on, and what the client
    writes is read there. (C27, C28, C91)"""
    near = facts.at("near")
    child, parent = facts.call("child:shared", "identity"), facts.call("shared", "identity")
    spoken = near.only("from the child")
    same = child.result["inode"] == parent.result["inode"] and child.result["pid"] != parent.result["pid"]
    yield Check("one socket in two processes", True, same, (child, parent), {"C91": same})
    heard = spoken.flow == facts.call("shared", "recv").flow
    yield Check(
        "the child speaks on the connection", True, heard, (spoken, facts.call("shared", "recv")), {"C91": heard}
    )
    ended = tuple(it for it in of(facts, "handed over client") if "F" in it.flags or "R" in it.flags)
    alone = bool(ended) and ended[0].flow == facts.call("handed over client", "connect").flow.reversed()
    yield Check("the child's own ends with it", True, alone, ended or (spoken,), {"C28": alone})
    wrote = near.only("after the kill")
    last = near.acknowledgement(wrote)
    over = [
        it for it in of(facts, "shared client") if ("F" in it.flags or "R" in it.flags) and it.number <= last.number
    ]
    read = facts.call("shared", "recv")
    lives = not over and read.payload == wrote.payload
    yield Check("the shared one goes on", True, lives, (*over, wrote, last, read), {"C27": lives, "C28": not lives})


@lab.claim
def client_and_server_at_home_are_three_sockets(facts: Facts) -> Iterator[Check]:
    """A connection within one machine is a listener and two ends that mirror each other. (C53)"""
    table, event = tables(facts, "srv")[-1]
    mine = [row for row in table if row.remote and LOCAL in (row.local.port, row.remote.port)]
    listening = on_port(table, LOCAL, "LISTEN")
    ends = {(row.local, row.remote) for row in mine if row.state == "ESTAB"}
    three = len(listening) == 1 and len(ends) == 2 and ends == {(remote, local) for local, remote in ends}
    yield Check("a listener and two mirrored ends", True, three, (event,), {"C53": three})


@lab.claim
def udp_does_not_listen(facts: Facts) -> Iterator[Check]:
    """A UDP socket is ready from bind() on: what arrives waits in it, and listen() is refused. (C14)"""
    refused = facts.attempt("unread", "listen")
    yield Check("listen()", "EOPNOTSUPP", outcome(refused), (refused,), {"C14": outcome(refused) == "EOPNOTSUPP"})
    sent = facts.at("near").only("unread")
    ((table, event),) = tables(facts, "srv", UDP_COMMAND)
    (row,) = on_port(table, LOCAL)
    ready = row.state == "UNCONN" and row.waiting > 0
    yield Check("unconnected, with something to read", True, ready, (sent, event), {"C14": ready})
