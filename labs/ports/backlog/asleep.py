"""A server that sleeps: what the kernel does before accept(), and what accept() does."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, Row, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net.event import Event

from .plan import EARLY, dial, listener, of

CLIENTS = tuple(f"early {number}" for number in range(4))  # of whom the last one is never accepted


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


def row_of(facts: Facts, client: str, table: int) -> tuple[Row, Event]:
    """The server's row for a client's connection, in the table that was read as number `table`."""
    rows, event = tables(facts, "srv")[table]
    (row,) = (it for it in rows if it.remote == facts.call(client, "connect").local)
    return row, event


def the_kernel_shakes_hands(facts: Facts) -> Iterator[Check]:
    """While the server sleeps, its kernel completes the handshake: the connection is established before accept(), and
    belongs to no process. (C60, C85)"""
    shake = of(facts, CLIENTS[0])[:3]
    flags = [it.flags for it in shake]
    yield Check("the first three segments", ["S", "SA", "A"], flags, tuple(shake), {"C85": flags == ["S", "SA", "A"]})
    row, event = row_of(facts, CLIENTS[0], 0)
    orphan = (row.state, row.inode) == ("ESTAB", 0)
    yield Check("established, of no process", True, orphan, (event,), {"C60": not orphan, "C85": orphan})


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
