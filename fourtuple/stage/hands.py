"""Several calls at once, none of them waited for longer than it is worth once the whole was given up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

AT_ONCE = 8  # parallel calls to the engine; more do not help on two cores
GRACE = 2.0  # seconds for what was under way when the rest was given up


class Hands(ThreadPoolExecutor):
    """A pool of threads that remembers what it was given, and whether the whole was given up."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        super().__init__(at_once)
        self.given: list[Future[Any]] = []
        self.over = False

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        self.given.append(future)
        return future


@contextmanager
def hands(at_once: int = AT_ONCE) -> Iterator[Hands]:
    """As a ThreadPoolExecutor; but when its body is interrupted or fails, what has not begun never begins, and what has
    is given a moment and then left alone: an engine that does not answer would keep it for a minute."""
    pool = Hands(at_once)
    try:
        yield pool
    except BaseException:
        pool.over = True
        pool.shutdown(wait=False, cancel_futures=True)
        wait(pool.given, GRACE)
        raise
    pool.shutdown()
