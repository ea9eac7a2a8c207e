"""Who serves a connection: a thread, one process or several, or for a while nobody but the kernel."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import CLIENTS, FROZEN, HOLDER, HOLDERS, SHARED, TCP, THREADED

CHILDREN = ("child 1", "child 2", "child 3", "child 4")
WAITING = tuple(f"frozen {number}" for number in range(20))
CALLS = 40


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
