"""Whether a mapping was kept alive in time, and whether the machine was quick enough for that to be told."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ..errors import TooLate
from ..evidence.packet import Packet

SECOND = 1_000_000_000  # nanoseconds
NEAR = 0.9  # of a mapping's life: closer to its end nobody can say whether a packet was still in time


def in_time(packets: Iterable[Packet], life: float, what: str) -> None:
    """TooLate unless each packet followed the one before well within a mapping's life of so many seconds, as planned.

    A machine that is held up lets a mapping die that was to be kept alive: then nothing follows for the router.
    """
    by_time = sorted(packets, key=lambda it: it.time_ns)
    for before, after in pairwise(by_time):
        pause = (after.time_ns - before.time_ns) / SECOND
        if pause > NEAR * life:
            raise TooLate(
                f"{what} was to be kept alive, and between {before.mark or before} and {after.mark or after} passed "
                f"{pause:.2f} s; it lives for {life:g} s"
            )
