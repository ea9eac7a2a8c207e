"""A packet's journey: the same packet at one tap after the other, and the fields that changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..net.endpoint import Field
from .packet import Packet


@dataclass(frozen=True, slots=True)
class Hop:
    """A packet as one tap saw it, and the fields that differ from the tap before."""

    packet: Packet
    rewritten: frozenset[Field]


@dataclass(frozen=True, slots=True)
class Journey:
    """One datagram or segment, tap by tap in the order it passed them."""

    mark: str
    hops: tuple[Hop, ...]

    def at(self, tap: str) -> Hop | None:
        return next((hop for hop in self.hops if hop.packet.tap == tap), None)


def journeys(packets: Iterable[Packet], called: Callable[[Packet], str | None]) -> tuple[Journey, ...]:
    """The journey of every packet that is called something, in the order they set out; `packets` are by time.

    A tap counts once in a journey: a TCP segment that was sent again does not travel twice.
    """
    found: dict[str, dict[str, Packet]] = {}
    for packet in packets:
        if (name := called(packet)) is not None:
            found.setdefault(name, {}).setdefault(packet.tap, packet)
    return tuple(Journey(mark, _hops(tuple(seen.values()))) for mark, seen in found.items())


def _hops(seen: tuple[Packet, ...]) -> tuple[Hop, ...]:
    before = (seen[0], *seen)
    return tuple(Hop(now, last.flow.rewritten(now.flow)) for last, now in zip(before, seen, strict=False))
