"""Ctrl-C and its kin: the first one ends the command, and none of them ends the clearing away."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEARD = tuple(number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN)  # nohup ignores one
INTERRUPTED = 130  # the exit code, as a shell gives it for SIGINT
_AGAIN = 0.001  # seconds until an interruption that was lost is raised anew
_came = False


def interrupted() -> bool:
    """Has one of them come since the task began? Whoever waits for long then waits no longer than needed."""
    return _came


def end_on_any() -> None:
    """From now on each of them ends the process with a line and exit code 130: no task has begun anything yet."""
    _hear(_end)


def interrupt_on_any() -> None:
    """From now on each of them raises KeyboardInterrupt, once; one that our caller had ignored stays ignored."""
    _hear(_interrupt)


def too_late() -> None:
    """From now on they are ignored, and stay so while Python shuts down: the task is done and its answer given."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _hear(handler: Callable[[int, FrameType | None], Any]) -> None:
    sys.unraisablehook = _raise_again
    for number in HEARD:
        signal.signal(number, handler)


def _end(*_: int | FrameType | None) -> None:
    too_late()
    print("interrupted", file=sys.stderr)  # noqa: T201
    raise SystemExit(INTERRUPTED)  # of a KeyboardInterrupt invoke would make exit code 1


def _interrupt(*_: int | FrameType | None) -> None:
    _note()
    too_late()
    raise KeyboardInterrupt


def _note(*_: int | FrameType | None) -> None:
    global _came  # noqa: PLW0603 -- a signal is the whole process's
    _came = True


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """What is raised inside a callback of Python's own (every import has one) goes nowhere: raise it anew, outside."""
    if not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
        sys.__unraisablehook__(lost)
        return
    ending = lost.exc_type(INTERRUPTED)

    def again(*_: int | FrameType | None) -> None:
        raise ending

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)


@contextmanager
def undisturbed() -> Iterator[None]:
    """For what is bounded and must end: meanwhile they are only noted, and the first one interrupts when it has ended.

    Other threads never get them anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note if number in HEARD else signal.SIG_IGN) for number in ENDINGS}
    already = _came
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if _came and not already and _interrupt in before.values():
        _interrupt()
