"""The kernel's counters of TCP, as /proc/net/netstat has them: what it dropped, and why."""

from __future__ import annotations

from ..errors import EvidenceError
from ..net.event import Event
from .facts import Facts

COMMAND = ("cat", "/proc/net/netstat")


def readings(facts: Facts, host: str) -> tuple[Event, ...]:
    """Each time the counters of a host were read; EvidenceError unless that was at least twice."""
    read = tuple(it for it in facts.events if it.call == "run" and it.args == COMMAND and it.host == host)
    if len(read) < 2:
        raise EvidenceError(f"the counters of {host} were not read twice")
    return read


def counter(event: Event, name: str) -> int:
    """One counter: the file has a line of names, then a line of numbers. ValueError when there is none of that name."""
    names, numbers = (line.split() for line in str(event.result[1]).splitlines() if line.startswith("TcpExt:"))
    return int(numbers[names.index(name)])
