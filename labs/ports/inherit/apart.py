"""Several listeners on one port, instead of one listener in several processes."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY, OK, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import ADDRESSED, APART, DEVICE, PAIR, SHARED, TCP, burst, served


def open_ones_own(scene: Scene) -> None:
    """Two workers open a listener each, with SO_REUSEPORT; c1 makes 200 connections. And two listeners on one port by
    two addresses, and by two devices, without any option."""
    for name in PAIR:
        scene.act("srv", "workers.start", f"own {name}", APART, {"reuseport": True})
    burst(scene, APART, 24000)
    for name, address in (("by near", scene.address("srv", "near")), ("by loopback", "127.0.0.1")):
        claim_port(scene, "srv", name, Endpoint(address, ADDRESSED), listen=True)
    for name, device in (("on the device", scene.device("srv", "near")), ("on lo", "lo")):
        bound = scene.socket("srv", TCP, name)
        bound.setsockopt("SOL_SOCKET", "SO_BINDTODEVICE", device)
        bound.bind(Endpoint(ANY, DEVICE))
        bound.listen()


def there_are_other_ways(facts: Facts) -> Iterator[Check]:
    """Workers with SO_REUSEPORT have a listener each; so have different addresses. But bound devices are one more way,
    which needs none of these. (C11, C92, C145, C170)"""
    own = [it for it in facts.acts("workers.start") if it.args[2] == APART]
    apart = len({it.result["inode"] for it in own}) == len(own) == 2 and {it.result["said"] for it in own} == {OK}
    yield Check("with SO_REUSEPORT: two sockets", True, apart, tuple(own), {"C145": apart, "C170": apart})
    (burst,) = served(facts, APART)
    several = set(burst.result) == {it.args[1] for it in own}
    yield Check("both serve", True, several, (burst, *own), {"C11": several, "C92": not several})
    listener, child = facts.call("listener", "identity"), facts.call("accepted by listener", "recv")
    beside = {it.local.port for it in (listener, child) if it.local} == {SHARED} and child.cookie != listener.cookie
    yield Check("a listener and what it accepted: one port", True, beside, (listener, child), {"C170": beside})
    for names, about in (("by near", "by loopback"), "by address"), (("on the device", "on lo"), "by device"):
        calls = [facts.attempt(name, "listen") for name in names]
        both = [outcome(it) for it in calls] == [OK, OK] and len({it.cookie for it in calls}) == 2
        port = {it.local.port for it in calls if it.local}
        one = both and len(port) == 1
        yield Check(f"two listeners on one port {about}", True, one, tuple(calls),
                    {"C170": one if about == "by address" else not one})  # fmt: skip
