"""Waiting for what comes until a deadline, in a process that may be held up for longer than it has to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

_T = TypeVar("_T")
LATE = 100  # things that are taken after the deadline, at most: somebody may never stop sending


def until(deadline: float, receive: Callable[[float], _T | None]) -> Iterator[_T]:
    """What `receive` returns, given the seconds that are left, until it returns None.

    What is there already is taken also after the deadline (of `time.monotonic`): a process that was held up must not
    call an answer missing that lies in its socket.
    """
    spare = LATE
    while spare:
        left = deadline - time.monotonic()
        spare -= left <= 0
        if (came := receive(max(0.0, left))) is None:
            return
        yield came
