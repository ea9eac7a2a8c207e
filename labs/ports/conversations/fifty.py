"""Fifty clients of one port: the kernel makes a socket for each, and no two of them are mixed up."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, FourTuple

from .plan import CLIENTS, HOLDER, HOLDERS, LATE, TCP, WEB, dial, server, syns


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


def says(client: str, what: str) -> str:
    return f"{client} {what}"


def from_server(facts: Facts) -> list[Packet]:
    """Segments of port 80, or to it, that the server's interface saw leave."""
    home = facts.topology.host("srv").address("near")
    clients = {facts.call(name, "getsockname").local for name in CLIENTS}
    return [p for p in facts.at("near") if p.flow.source.address == home and p.flow.destination in clients]


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


def no_payload_is_swapped(facts: Facts) -> Iterator[Check]:
    """What each client wrote is read on the socket whose peer is that client, and nowhere else. (C07, C21)"""
    whose = {facts.call(name, "getsockname").local: name for name in CLIENTS}
    for number in range(len(CLIENTS)):
        read = facts.call(f"fifty {number}", "recv")
        name = whose[read.remote]
        right = read.payload == marked(says(name, "asks"))
        yield Check(f"the socket of {name} reads", True, right, (read,), {"C07": right, "C21": right})
