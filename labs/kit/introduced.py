"""Two hosts are introduced by a rendezvous and try to meet: how a lab has them do it, and what each said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..net.endpoint import Endpoint, Protocol
from ..net.event import Event
from .errors import EvidenceError
from .facts import Facts
from .packet import Packet
from .scene import Scene

Started = list[tuple[str, object]]  # each peer and its process
Plans = Mapping[str, Mapping[str, Any]]


def meet(scene: Scene, server: Endpoint, peers: Mapping[str, str], protocol: Protocol, port: int,
         plans: Plans | None = None, again: bool = False) -> None:  # fmt: skip
    """Both try, at the same time: the first of the peers asks for its other. `plans` says what else each does
    (`labs.agents.peer.Plan`). Who is `again` introduced by this server goes by another name."""
    wait(scene, begin(scene, server, peers, protocol, port, plans, again))


def begin(scene: Scene, server: Endpoint, peers: Mapping[str, str], protocol: Protocol, port: int,
          plans: Plans | None = None, again: bool = False) -> Started:  # fmt: skip
    """Only start it; `wait` ends it."""
    first, end = next(iter(peers)), f"-{port}" * again
    started = []
    for peer, other in reversed([*peers.items()]):  # who asks comes last, so that the other is known
        plan = {"name": peer + end, "wanted": other + end, "server": str(server), "port": port, "asks": peer == first}
        plan |= {"meeting": port % 100 if again else 0}
        plan |= (plans or {}).get(peer, {})
        started.append((peer, scene.act(peer, "puncher.start", protocol.value, plan)))
    return started


def wait(scene: Scene, started: Started) -> dict[str, object]:
    """Until each has reported; what they say."""
    return {peer: scene.act(peer, "puncher.report", child) for peer, child in started}


def reports(facts: Facts, peers: Mapping[str, str], number: int = 0) -> dict[str, Event]:
    """What both said of one meeting, counted from 0; EvidenceError when one of them is missing."""
    found = {it.host: it for it in facts.acts("puncher.report")[2 * number :][:2]}
    if set(found) != set(peers):
        raise EvidenceError(f"meeting {number + 1} was not reported by both")
    return found


def tries(packet: Packet, protocol: Protocol) -> bool:
    """Is this packet a try to reach a peer: a check, or over TCP a SYN or the answer to one?"""
    if packet.protocol is not protocol:
        return False
    return "S" in packet.flags if protocol is Protocol.TCP else (packet.mark or "").startswith("check")


def accepts(options: Mapping[str, str]) -> None:
    """ValueError for a transport there is not."""
    if options["proto"] not in ("udp", "tcp"):
        raise ValueError(f"--proto {options['proto']} is not possible; wanted was udp or tcp")
