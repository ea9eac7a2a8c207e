"""A connection that a server and its child hold."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene

from .plan import FORKED, dial, listener, of


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
