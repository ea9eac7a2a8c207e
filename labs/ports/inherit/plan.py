"""The ports of the lab `inherit`, and what its stories have in common."""

from __future__ import annotations

from fourtuple.evidence.facts import Facts
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP = Protocol.TCP
FOUR, FIFTY, TURN, ORPHANED, PLAIN, EXCLUSIVE, APART, DISPATCHED, SHARED, COPIED, ADDRESSED, DEVICE = range(9100, 9112)
PAIR = ("left worker", "right worker")
CALLS = 200
PATH = "/tmp/pass"  # noqa: S108 -- in the container, which has no other users
BURST, SERIES = "workers.burst", "workers.series"


def burst(scene: Scene, port: int, first: int, count: int = CALLS, act: str = BURST) -> None:
    """c1 makes that many connections, at once or in a series, and hears who serves each."""
    scene.act("c1", act, scene.address("srv", "near"), port, list(range(first, first + count)), 3.0)


def dial(scene: Scene, name: str, port: int, address: str = "") -> Socket:
    client = scene.socket("c1", TCP, name)
    client.connect(Endpoint(address or scene.address("srv", "near"), port))
    return client


def served(facts: Facts, port: int) -> list[Event]:
    return [it for act in (BURST, SERIES) for it in facts.acts(act) if it.args[2] == port]


def who(event: Event) -> dict[str, int | str]:
    return dict(event.result)
