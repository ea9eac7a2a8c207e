"""The second client of a server that serves one, or one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import outcome
from fourtuple.kit.scene import Scene

from .plan import CLOSED, ONE, OPEN, QUEUED, SHORT, dial, listener, of


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


def a_connection_needs_no_listener(facts: Facts) -> Iterator[Check]:
    """After its listener closed, an accepted connection goes on while a new SYN gets RST; what was still queued is
    reset. (C61)"""
    question, answer = facts.at("near").only(f"first at {CLOSED}"), facts.at("near").only(f"answer at {CLOSED}")
    refused = [it for it in facts.at("near") if "R" in it.flags and it.flow.source.port == CLOSED]
    on = bool(refused) and answer.flow == question.flow.reversed() and refused[0].number < question.number
    yield Check("data goes both ways after the RST", True, on, (*refused, question, answer), {"C61": on})
    queued = facts.attempt("queued", "recv")
    yield Check("the queued client reads", "ECONNRESET", outcome(queued), (queued,))


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
