"""Two hosts meet through a rendezvous server, over UDP or TCP, each in a process of its own so that both do it at once.

By hand, in alice and then in bob, with the server running:
python3 -m fourtuple.agents.puncher udp alice bob 198.18.0.10:4747 40000 asks
python3 -m fourtuple.agents.puncher udp bob alice 198.18.0.10:4747 40000
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import child, punch_tcp, punch_udp
from .pace import DONE, END, GO, INTRODUCED, LATE, UNSETTLED, Conducted, Pace

_MEET: dict[str, Callable[[dict[str, Any], Pace | None], dict[str, Any]]] = {
    "udp": punch_udp.meet,
    "tcp": punch_tcp.meet,
}
PATIENCE = 12.0  # seconds until a puncher that says nothing more is ended


@dataclass(slots=True)
class _Child:
    """A puncher that was started: the pipes to and from it, and what it has said and nobody has looked at yet."""

    orders: int
    news: int
    said: bytearray = field(default_factory=bytearray)
    done: bool = False  # has it met the other, or ended?

    def order(self, word: bytes) -> None:
        """Tell it; one that has ended is told nothing."""
        try:
            os.write(self.orders, word)
        except BrokenPipeError:
            self.done = True

    def read(self, patience: float) -> bytes:
        """What it says next; TimeoutError when that does not come in time. Nothing: it has ended."""
        if not select.select([self.news], [], [], patience)[0]:
            raise TimeoutError(f"the puncher said nothing for {patience:.0f} s")
        piece = os.read(self.news, 65536)
        self.said += piece
        self.done = not piece or self.said[-1:] == DONE or b"{" in self.said
        return piece


_children: dict[int, _Child] = {}


def start(transport: str, said: dict[str, Any], held: bool = False) -> int:
    """Meet in a forked process; returns its pid, `report` waits for what came of it. One that is held waits for `go`
    when it is introduced, and goes on until `end`."""
    (orders_out, orders_in), (news_out, news_in) = os.pipe(), os.pipe()

    def tell() -> None:
        for ours in (orders_in, news_out):
            os.close(ours)
        pace = Conducted(news_in, orders_out) if held else None
        os.write(news_in, json.dumps(_MEET[transport](said, pace)).encode())

    meeting = child.begin(tell)
    for theirs in (orders_out, news_in):
        os.close(theirs)
    _children[meeting] = _Child(orders_in, news_out)
    return meeting


def introduced(meetings: list[int]) -> list[bool]:
    """Wait until each knows where its peer is; False where it ended instead."""
    for it in map(_children.__getitem__, meetings):
        while INTRODUCED not in it.said and not it.done:
            it.read(PATIENCE)
    return [_children[it].said.startswith(INTRODUCED) for it in meetings]


def go(meetings: list[int]) -> None:
    """Let them begin."""
    for meeting in meetings:
        _children[meeting].order(GO)


def rounds(meetings: list[int], count: int) -> list[list[bool]]:
    """Wait until each has made so many more rounds, or has ended. Has it met the other, or ended? Was it late?"""
    told = []
    for it in map(_children.__getitem__, meetings):
        while select.select([it.news], [], [], 0.0)[0] and it.read(0.0):
            pass
        mark = len(it.said)
        while len(it.said) < mark + count and b"{" not in it.said and it.read(PATIENCE):
            pass
        told.append([it.done, LATE in it.said[mark:]])
    return told


def end(meetings: list[int], settled: bool) -> None:
    """Tell them to end: nothing more can come; or it may, and nobody can tell (not settled)."""
    for meeting in meetings:
        _children[meeting].order(END if settled else UNSETTLED)


def report(meeting: int) -> dict[str, Any]:
    """What came of a meeting; TimeoutError when it does not end, ChildProcessError when it failed."""
    it = _children.pop(meeting)
    try:
        while it.read(PATIENCE):
            pass
    except TimeoutError:
        os.kill(meeting, signal.SIGKILL)
    finally:
        os.close(it.orders)
        os.close(it.news)
    _, status = os.waitpid(meeting, 0)
    if os.WIFSIGNALED(status):
        raise TimeoutError(f"the puncher did not end within {PATIENCE:.0f} s")
    if b"{" not in it.said:
        raise ChildProcessError("the puncher failed; what it said of it is in the log")
    told: dict[str, Any] = json.loads(it.said[it.said.index(b"{") :])
    return told


if __name__ == "__main__":
    if len(sys.argv) < 6:
        raise SystemExit("usage: puncher udp|tcp NAME WANTED SERVER:PORT PORT [asks]")
    transport, name, wanted, server, port, *more = sys.argv[1:]
    plan = {"name": name, "wanted": wanted, "server": server, "port": int(port), "asks": bool(more)}
    print(json.dumps(_MEET[transport](plan, None), indent=1))
