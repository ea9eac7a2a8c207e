"""RFC 4787 REQ-5 and REQ-6: how long a mapping lives, and what keeps it alive.

That two minutes are too long for a router is seen as soon as a mapping has died before; that they are not takes two
minutes. So an audit waits for a few seconds, and the whole time only when it is told to (`--full`).
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.errors import NotAsked
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit import aging
from fourtuple.kit.claim import Check
from fourtuple.kit.scene import Scene
from fourtuple.net import requirements

from .plan import LAST, SERVERS, requirement, say, udp

SILENT, IDLE, KEPT = 30800, 30801, 30802


def wait(scene: Scene) -> None:
    """Three sockets of client1 greet alice. One then says a word each second, two are silent: alice answers the first
    of them after a while, the other and the talkative one a little later. And the last datagram of the audit."""
    seen = {}
    for name, port in (("silent", SILENT), ("idle", IDLE), ("kept", KEPT)):
        udp(scene, "client1", port, name)
        seen[name] = say(scene, name, f"{name} greets", *SERVERS[0])
    idle, more = ((requirements.LONG, requirements.MORE_LONG) if scene.full
                  else (requirements.SHORT, requirements.MORE_SHORT))  # fmt: skip
    for second in range(idle + more):
        if second == idle:
            scene["udp alice:8000"].sendto(marked("answer to idle"), seen["idle"])
        scene.wait(1, f"mappings age, for {idle + more - second} s")
        if second < idle + more - 1:
            say(scene, "kept", f"kept says {second}", *SERVERS[0])
    for name in ("silent", "kept"):
        scene["udp alice:8000"].sendto(marked(f"answer to {name}"), seen[name])
    say(scene, "kept", LAST, *SERVERS[0])


@requirement("RFC 4787 REQ-5")
def two_minutes(facts: Facts) -> Iterator[Check]:
    greeted = facts.at("wan").only("idle greets")
    came, seen = facts.arrived("answer to idle", "lan", sent_at="wan", fence=LAST)
    seconds = round((seen[0].time_ns - greeted.time_ns) / aging.SECOND)
    yield Check("its mapping is answered", greeted.flow.source, seen[0].flow.destination, (greeted, seen[0]))
    if came and seconds < requirements.LONG:
        raise NotAsked(f"the mapping lives after {seconds} s; the two minutes are waited out with --full")
    yield Check(f"the answer comes in, after {seconds} s", True, came, (greeted, *seen))


@requirement("RFC 4787 REQ-6")
def outbound_refresh(facts: Facts) -> Iterator[Check]:
    greeted = facts.at("wan").only("kept greets")
    silent, _ = facts.arrived("answer to silent", "lan", sent_at="wan", fence=LAST)
    came, seen = facts.arrived("answer to kept", "lan", sent_at="wan", fence=LAST)
    if silent:
        raise NotAsked("a mapping that nothing kept alive was alive as well; more time is taken with --full")
    if not came:
        said = [it for it in facts.at("wan").before(LAST) if (it.mark or "").startswith("kept ")]
        aging.in_time((*said, seen[0]), 2.0, "the mapping of who speaks each second")
    yield Check("its mapping is answered", greeted.flow.source, seen[0].flow.destination, (greeted, seen[0]))
    yield Check("who speaks each second is reached, when who is silent is not", True, came, (greeted, *seen))
