"""Children that hold the listener of their parent: who accepts, who is woken, and what they outlive."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.socket_table import COMMAND, Row, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net.event import Event

from .plan import CALLS, EXCLUSIVE, FIFTY, FOUR, ORPHANED, PAIR, PLAIN, SERIES, TURN, burst, dial, served, who

QUARTET = tuple(f"acceptor {number}" for number in range(4))
MANY = tuple(f"child {number}" for number in range(50))
WATCHERS = tuple(f"watcher {number}" for number in range(8))
SHARE, HOLDERS = "workers.share", "processes.holders"


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


def outlive_the_parent(scene: Scene) -> None:
    """A process listens and forks a child that only sleeps. The parent is killed, and c1 connects."""
    born = scene.act("srv", "workers.generations", "parent", ORPHANED)
    scene.act("srv", HOLDERS, inode_of(born))
    scene.act("srv", "workers.tell", "parent", int(signal.SIGKILL))
    dial(scene, "late comer", ORPHANED)
    scene.act("srv", HOLDERS, inode_of(born))
    scene.run("srv", *COMMAND)


def wait_with_epoll(scene: Scene) -> None:
    """Eight children wait for one listener with epoll, without and with EPOLLEXCLUSIVE; c1 connects 20 times, one after
    the other."""
    for port, exclusive in ((PLAIN, False), (EXCLUSIVE, True)):
        names = [f"{name} at {port}" for name in WATCHERS]
        scene.act("srv", "workers.watch", names, port, exclusive)
        for number in range(20):
            burst(scene, port, 23000 + 100 * (port - PLAIN) + number, 1)
        scene.act("srv", "workers.counts", names)


def shared(facts: Facts, port: int) -> Event:
    (event,) = (it for it in facts.acts(SHARE) if it.args[2] == port)
    return event


def holders(facts: Facts, inode: int) -> list[Event]:
    return [it for it in facts.acts(HOLDERS) if it.args[1] == inode]


def listed(facts: Facts, port: int) -> tuple[list[Row], Event]:
    """The LISTEN rows of a port in srv's first table that has it."""
    found = ((on_port(table, port, "LISTEN"), event) for table, event in tables(facts, "srv"))
    return next((rows, event) for rows, event in found if rows)


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


def so_do_fifty(facts: Facts) -> Iterator[Check]:
    """Fifty children hold one listener and serve 200 connections, each once. (C73)"""
    said, (burst,) = shared(facts, FIFTY), served(facts, FIFTY)
    (held,) = holders(facts, said.result["inode"])
    all_of_them = set(said.result["pids"]) == set(held.result)
    yield Check("processes that hold it", 51, len(held.result), (held, said), {"C73": all_of_them})
    yield Check("they are the children and their parent", True, all_of_them, (held, said), {"C73": all_of_them})
    every = sum(name in MANY for name in burst.result)
    yield Check("connections accepted", CALLS, every, (burst,), {"C73": every == CALLS})


def whoever_accepts_first_takes_it(facts: Facts) -> Iterator[Check]:
    """With one of two children stopped, the other one accepts everything; nothing is lost, nothing served twice.
    (C87)"""
    alone, both = served(facts, TURN)
    yield Check("one stopped", [PAIR[1]] * 40, alone.result, (alone,), {"C87": alone.result == [PAIR[1]] * 40})
    every = sum(name in PAIR for name in both.result)
    yield Check("both running: connections accepted", 40, every, (both,), {"C87": every == 40})


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


def waking_everybody_is_a_waste(facts: Facts) -> Iterator[Check]:
    """Of eight children that wait with epoll, a connection wakes all of them for one to accept it; with EPOLLEXCLUSIVE
    hardly more than that one."""
    plain, exclusive = facts.acts("workers.counts")
    accepted = [sum(count for count, _ in event.result) for event in (plain, exclusive)]
    yield Check("connections accepted", [20, 20], accepted, (plain, exclusive))
    # Whatever held all of them up woke all of them as well: that is what the child woke that had the least to do.
    common = min(woken - count for count, woken in exclusive.result)
    more, less = (sum(woken - common for _, woken in event.result) for event in (plain, exclusive))
    yield Check("less than half as many wake-ups with EPOLLEXCLUSIVE", True, 2 * less < more, (plain, exclusive))
