"""Fifty clients of one thread, and a server that has no descriptor left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import outcome
from fourtuple.kit.scene import Scene

from .plan import EARLY, FULL, MANY, accepted, dial

FIFTY = tuple(f"crowd {number}" for number in range(50))


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
