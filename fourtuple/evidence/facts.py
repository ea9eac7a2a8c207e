"""Everything a run left behind, read-only: what claims are judged from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from ..errors import EvidenceError
from ..net.behaviour import NatBehaviour
from ..net.endpoint import FourTuple, Protocol
from ..net.event import Event
from .capture import Capture
from .conntrack import Entry
from .packet import Packet
from .topology import Topology


@dataclass(frozen=True, slots=True)
class Facts:
    """The topology as it was, the behaviour the router was asked for, and what taps, programs and kernel said.

    `conntrack` is the router's table after the steps, None when it was not read.
    """

    topology: Topology
    nat: NatBehaviour
    captures: Mapping[str, Capture]
    events: tuple[Event, ...]
    conntrack: tuple[Entry, ...] | None
    meta: Mapping[str, object] = field(default_factory=dict)

    @property
    def options(self) -> Mapping[str, str]:
        """What a person chose for this run, or what is chosen otherwise."""
        return cast("Mapping[str, str]", self.meta.get("options") or {})

    def at(self, tap: str) -> Capture:
        """What the tap called `tap` recorded; EvidenceError when there is none."""
        if tap not in self.captures:
            raise EvidenceError(f"nothing was captured at {tap}")
        return self.captures[tap]

    def packets(self) -> tuple[Packet, ...]:
        """Every packet of every tap, by time."""
        return tuple(sorted((p for c in self.captures.values() for p in c), key=lambda p: (p.time_ns, p.tap)))

    def call(self, socket: str, call: str) -> Event:
        """The last successful `call` on the socket a step called `socket`; EvidenceError when there was none."""
        for event in reversed(self.events):
            if event.socket == socket and event.call == call and event.error is None:
                return event
        refused = [event.error for event in self.events if event.socket == socket and event.call == call]
        why = f" (it was refused: {refused[-1]})" if refused else ""
        raise EvidenceError(f"no successful {call}() on the socket {socket!r} was recorded{why}")

    def attempt(self, socket: str, call: str) -> Event:
        """The last `call` on that socket, whatever came of it; EvidenceError when it was never made."""
        for event in reversed(self.events):
            if event.socket == socket and event.call == call:
                return event
        raise EvidenceError(f"{call}() on the socket {socket!r} was not recorded")

    def ran(self, *argv: str) -> Event:
        """The last time a step ran this program; EvidenceError when it never did."""
        for event in reversed(self.events):
            if event.call == "run" and event.args == argv and event.error is None:
                return event
        raise EvidenceError(f"`{' '.join(argv)}` was not recorded")

    def acts(self, function: str) -> tuple[Event, ...]:
        """Every successful call of a function of the programs; EvidenceError when there was none."""
        calls = [e for e in self.events if e.call == "act" and e.args[:1] == (function,)]
        found = tuple(e for e in calls if e.error is None)
        if not found:
            why = f" (it was refused: {calls[-1].error})" if calls else ""
            raise EvidenceError(f"no successful call of {function} was recorded{why}")
        return found

    def read(self, socket: str, mark: str) -> Event:
        """The recv() or recvfrom() by which the socket read the datagram [mark]; EvidenceError when it never did."""
        for event in self.events:
            reads = event.socket == socket and event.call in ("recv", "recvfrom") and event.error is None
            if reads and event.payload.startswith(f"[{mark}] ".encode()):
                return event
        raise EvidenceError(f"the socket {socket!r} never read [{mark}]")

    def arrived(self, mark: str, at: str, sent_at: str, fence: str) -> tuple[bool, tuple[Packet, ...]]:
        """Did the datagram [mark], seen at `sent_at`, reach the tap `at` before the fence? With the packets that tell.

        EvidenceError when it was never sent, or when the fence that would have followed it is missing.
        """
        sent = self.at(sent_at).only(mark)
        came = [packet for packet in self.at(at).before(fence) if packet.mark == mark]
        return bool(came), (sent, *came, self.at(at).only(fence))

    def untracked(self, host: str) -> None:
        """EvidenceError, with the reason, unless connection tracking was kept away from this host's packets."""
        prepared = self.meta.get("prepared")
        why = prepared.get(host, "nothing tried to") if isinstance(prepared, Mapping) else "nothing tried to"
        if why:
            raise EvidenceError(f"connection tracking was not kept away from the packets of {host}: {why}")

    def tracked(self, protocol: Protocol, original: FourTuple) -> Entry | None:
        """The router's entry for a flow that began as `original`; EvidenceError when the table was never read."""
        if not self.conntrack:
            raise EvidenceError("the router's connection table was not read, or held nothing")
        found = (e for e in self.conntrack if e.protocol is protocol and e.original == original)
        return next(found, None)
