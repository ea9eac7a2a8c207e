"""Ctrl-C and its kin: the first one ends a task, and none of them ends the clearing away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEARD = tuple(number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN)  # nohup ignores one


def interrupt_on_any() -> None:
    """From now on each of them raises KeyboardInterrupt, once; one that our caller had ignored stays ignored."""
    for number in HEARD:
        signal.signal(number, _interrupt)


def too_late() -> None:
    """From now on they are ignored, and stay so while Python shuts down: the task is done and its answer given."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: int | FrameType | None) -> None:
    too_late()
    raise KeyboardInterrupt


@contextmanager
def undisturbed() -> Iterator[None]:
    """While this lasts they are ignored: for what is bounded and must end. Other threads never get them anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
