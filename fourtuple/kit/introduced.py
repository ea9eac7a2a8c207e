"""Two hosts are introduced by a rendezvous and try to meet: how a lab has them do it, and what each said of it.

The lab conducts them, so that nothing hangs on the clock: neither begins before both are introduced; who is to be first
has made its first round before the other begins; and both end when each has made so many rounds after the other's that
whatever the routers let through was read and answered. A host that is held up makes the lab wait; one that is held up
again and again leaves it open whether they meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import EvidenceError, TooLate
from ..evidence.facts import Facts
from ..evidence.packet import Packet
from ..net.endpoint import Endpoint, Protocol
from ..net.event import Event
from .scene import Scene

Plans = Mapping[str, Mapping[str, Any]]
TRIES, HOPE = 20, 10.0  # how often a peer asks a server that may be held up, and seconds until it is introduced
NO_ANSWER = "no answer"
ROUND = 2  # rounds of a turn: one may be going on already when the turn begins, the next one lies in it whole
TURNS = 6  # in which nobody was late: a meeting takes three, and a call that was lost is made anew after five rounds
MOST = 40  # turns in all
PATIENT_TURNS = 100  # by way of the server, which may be held up meanwhile


@dataclass(frozen=True, slots=True)
class Started:
    """A meeting that was begun: each peer and its process, who is to be first (or nobody), and whether they may talk
    through the server in the end."""

    children: Mapping[str, int]
    first: str = ""
    relays: bool = False


def meet(scene: Scene, server: Endpoint, peers: Mapping[str, str], protocol: Protocol, port: int,
         plans: Plans | None = None, again: bool = False, first: str = "") -> None:  # fmt: skip
    """Both try, at the same time or one of them `first`: the first of the peers asks for its other. `plans` says what
    else each does (`fourtuple.agents.peer.Plan`). Who is `again` introduced by this server goes by another name."""
    conduct(scene, [begin(scene, server, peers, protocol, port, plans, again, first)])


def begin(scene: Scene, server: Endpoint, peers: Mapping[str, str], protocol: Protocol, port: int,
          plans: Plans | None = None, again: bool = False, first: str = "") -> Started:  # fmt: skip
    """Only start it; `conduct` ends it."""
    plans, asking = plans or {}, next(iter(peers))
    end = f"-{port}" if again else ""
    children = {}
    for peer, other in reversed([*peers.items()]):  # who asks comes last, so that the other is known
        plan = {"name": peer + end, "wanted": other + end, "server": str(server), "port": port, "asks": peer == asking}
        plan |= {"meeting": port % 100 if again else 0, "tries": TRIES, "hope": HOPE}
        plan |= plans.get(peer, {})
        children[peer] = cast("int", scene.act(peer, "puncher.start", protocol.value, plan, True))
    return Started(children, first, any(plan.get("relay") for plan in plans.values()))


def conduct(scene: Scene, meetings: Sequence[Started]) -> list[dict[str, object]]:
    """Let the meetings happen, all at the same time, until each peer has reported; what they say."""
    peers = meetings[0].children
    mine = {peer: [it.children[peer] for it in meetings] for peer in peers}
    for peer, children in mine.items():
        scene.act(peer, "puncher.introduced", children)
    for peer in peers:
        if early := [it.children[peer] for it in meetings if it.first == peer]:
            scene.act(peer, "puncher.go", early)
            scene.act(peer, "puncher.rounds", early, ROUND)
    for peer in peers:
        if late := [it.children[peer] for it in meetings if it.first != peer]:
            scene.act(peer, "puncher.go", late)
    _rounds(scene, mine, TURNS, MOST)
    if any(it.relays for it in meetings):
        _rounds(scene, mine, PATIENT_TURNS, PATIENT_TURNS)
    return [{peer: scene.act(peer, "puncher.report", it.children[peer]) for peer in peers} for it in meetings]


def _rounds(scene: Scene, mine: Mapping[str, list[int]], turns: int, most: int) -> None:
    """Rounds of one host and the other in turn, until all were done before the last turn, or so many turns have passed
    in which nobody was late; then they are to end."""
    met, quiet = False, 0
    for _ in range(most):
        told = [it for peer, them in mine.items()
                for it in cast("list[list[bool]]", scene.act(peer, "puncher.rounds", them, ROUND))]  # fmt: skip
        quiet += not any(late for _, late in told)
        if met or quiet == turns:
            break
        met = all(done for done, _ in told)
    for peer, them in mine.items():
        scene.act(peer, "puncher.end", them, met or quiet == turns)


def reports(facts: Facts, peers: Mapping[str, str], number: int = 0) -> dict[str, Event]:
    """What both said of one meeting, counted from 0; EvidenceError when one of them is missing, TooLate when they have
    not met and were held up."""
    found = {it.host: it for it in facts.acts("puncher.report")[2 * number :][:2]}
    if set(found) != set(peers):
        raise EvidenceError(f"meeting {number + 1} was not reported by both")
    if late := held_up({peer: event.result for peer, event in found.items()}):
        raise TooLate(f"meeting {number + 1}: {late}")
    return found


def held_up(told: Mapping[str, Mapping[str, Any]]) -> str:
    """Why it cannot be told that two have not met, from what each reported; empty where it can, or they have met."""
    if not any(it["outcome"] == NO_ANSWER and it.get("unsettled") for it in told.values()):
        return ""
    peer = max(told, key=lambda it: float(told[it].get("late", 0.0)))
    return (
        f"in {MOST} turns there were fewer than {TURNS} in which nobody was late, so more might have come; "
        f"{peer} was up to {told[peer].get('late', 0.0):.2f} s late"
    )


def tries(packet: Packet, protocol: Protocol) -> bool:
    """Is this packet a try to reach a peer: a check, or over TCP a SYN or the answer to one?"""
    if packet.protocol is not protocol:
        return False
    return "S" in packet.flags if protocol is Protocol.TCP else (packet.mark or "").startswith("check")


def accepts(options: Mapping[str, str]) -> None:
    """ValueError for a transport there is not."""
    if options["proto"] not in ("udp", "tcp"):
        raise ValueError(f"--proto {options['proto']} is not possible; wanted was udp or tcp")
