"""A connection with no descriptor, with one and with two; and a listener that is shut down through a copy."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY, claim_port
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import COPIED, dial, who


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
