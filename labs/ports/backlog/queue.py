"""The queue of a listener, and its limit."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence import counters
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene

from .plan import BURST, FULL, GROWING, HUGE, NINE, SMALL, accepted, burst, listener

SOMAXCONN = ("cat", "/proc/sys/net/core/somaxconn")


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
