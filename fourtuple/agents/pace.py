"""When the tries of a meeting begin, and when they are over.

By hand each side has a time to try, and goes on for a moment after it is done, so that the other one is done as well.
That is enough while neither side is held up. A lab leaves nothing to the clock: it holds both sides until both are
introduced, lets them go in the order that was chosen, counts the rounds of either, and ends both when nothing more can
come. A side that is held up only takes longer: a round that took too long says so, and does not count.
"""

from __future__ import annotations

import os
import select
import time
from typing import Protocol

INTRODUCED, ROUND, LATE, DONE = b"i", b".", b"~", b"!"  # what a side tells the lab
GO, END, UNSETTLED = b"g", b"e", b"u"  # what the lab tells a side; the last: to end, though more may come
TOO_LONG = 0.1  # seconds that a round may take longer than planned, and still count
LAST_RESORT = 1.0  # seconds to talk by the server, by hand
ABANDONED = 60.0  # seconds until a side ends by itself


class Pace(Protocol):
    """What a side asks before, between and after its rounds."""

    unsettled: bool  # was this ended before all that was to come could come?
    latest: float  # seconds by which the slowest round took longer than planned

    def begin(self) -> None:
        """Wait until the tries may begin."""

    def again(self) -> None:
        """Another way is tried now, by the same pace."""

    def round(self, done: bool, late: float) -> None:
        """A round is over: everything was tried, and all that came was read. Has this side met the other? By how many
        seconds did the round take longer than planned (negative: by how many was it quicker)?"""

    def over(self, done: bool) -> bool:
        """Are the tries over?"""


class Clock:
    """By hand: `patience` seconds to try, and `linger` seconds after this side is done."""

    def __init__(self, patience: float, linger: float) -> None:
        self.unsettled, self.latest = False, 0.0
        self._patience, self._linger = patience, linger
        self._until, self._done = 0.0, False

    def begin(self) -> None:
        self._until, self._done = time.monotonic() + self._patience, False

    def again(self) -> None:
        self._patience = LAST_RESORT
        self.begin()

    def round(self, done: bool, late: float = 0.0) -> None:  # noqa: ARG002 -- nobody counts these rounds
        if done and not self._done:
            self._done, self._until = True, time.monotonic() + self._linger

    def over(self, done: bool) -> bool:
        self.round(done)
        return time.monotonic() >= self._until


class Conducted:
    """By a lab, which reads what this side tells from one pipe and writes what it is told into another: `tells` and
    `told` are the descriptors of this side's ends."""

    def __init__(self, tells: int, told: int) -> None:
        self.unsettled, self.latest = False, 0.0
        self._tells, self._told = tells, told
        self._until, self._ended = 0.0, False

    def begin(self) -> None:
        os.write(self._tells, INTRODUCED)
        self._ended = self._order(ABANDONED) != GO
        self._until = time.monotonic() + ABANDONED

    def again(self) -> None:
        self._ended = False

    def round(self, done: bool, late: float) -> None:
        self.latest = max(self.latest, late)
        os.write(self._tells, DONE if done else LATE if late > TOO_LONG else ROUND)

    def over(self, done: bool) -> bool:  # noqa: ARG002 -- the lab knows better
        if not self._ended:
            order = self._order(0.0)
            self.unsettled = self.unsettled or order == UNSETTLED
            self._ended = order in (END, UNSETTLED) or time.monotonic() > self._until
        return self._ended

    def _order(self, patience: float) -> bytes:
        """The next order, or nothing where none came; END where nobody is there to give one."""
        if not select.select([self._told], [], [], patience)[0]:
            return b""
        return os.read(self._told, 1) or END
