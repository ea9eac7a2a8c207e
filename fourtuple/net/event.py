"""An event: one call a program made, and what came of it. The second witness, beside the wire.

The program in the container answers each call with its event, one JSON object on one line; the same line is kept
in the run directory. Payloads are text in Latin-1, so that every byte has exactly one spelling.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from . import document
from .endpoint import Endpoint, FourTuple

_Read = TypeVar("_Read")
_LONG = 200  # characters of a result that a person still reads; the run directory has all of them


@dataclass(frozen=True, slots=True)
class Event:
    """One call on one socket of one host.

    `cookie` is SO_COOKIE, the kernel's own identity of a socket; `local` and `remote` are what getsockname() and
    getpeername() said right after the call; times are nanoseconds (monotonic of the host, wall since 1970).
    `error` is the errno's name, or None.
    """

    host: str
    step: str
    socket: str
    call: str
    args: tuple[Any, ...]
    result: Any
    error: str | None
    local: Endpoint | None
    remote: Endpoint | None
    cookie: int | None
    monotonic_ns: int
    wall_ns: int

    def __str__(self) -> str:
        outcome = _words(self.error or self.result)
        asked = f"{self.host}: {self.socket}.{self.call}({', '.join(map(_words, self.args))}) = "
        return asked + (outcome if len(outcome) <= _LONG else f"{outcome[:_LONG]}... ({len(outcome)} characters)")

    @property
    def flow(self) -> FourTuple:
        """The socket's own 4-tuple, local first; ValueError where it has none (unbound or unconnected)."""
        if self.local is None or self.remote is None:
            raise ValueError(f"{self.socket} of {self.host} is not connected")
        return FourTuple(self.local, self.remote)

    @property
    def payload(self) -> bytes:
        """What recv() or recvfrom() returned."""
        data = self.result[0] if isinstance(self.result, list) and self.result else self.result
        return str(data).encode("latin-1", "replace")

    def to_json(self) -> str:
        """The event as one line."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        for end in ("local", "remote"):
            fields[end] = str(fields[end]) if fields[end] else None
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Event:
        """Read a line back; ValueError when it is not an event."""
        try:
            said = document.read(line, "it")
            strange = sorted(name for name, _ in said.items() if name not in cls.__slots__)
            if strange:
                raise ValueError(f"it has {strange[0]!r}, which no event has")
            return cls(
                **{name: said[name].text() for name in ("host", "step", "socket", "call")},
                args=tuple(it.raw for it in said["args"].list()),
                result=said["result"].raw,
                error=_unless_null(said["error"], document.Value.text),
                local=_unless_null(said["local"], _endpoint),
                remote=_unless_null(said["remote"], _endpoint),
                cookie=_unless_null(said["cookie"], document.Value.number),
                monotonic_ns=said["monotonic_ns"].number(),
                wall_ns=said["wall_ns"].number(),
            )
        except ValueError as error:
            raise ValueError(f"not an event: {line[:80]!r} ({error})") from None


def _unless_null(value: document.Value, read: Callable[[document.Value], _Read]) -> _Read | None:
    return None if value.raw is None else read(value)


def _endpoint(value: document.Value) -> Endpoint:
    return Endpoint.parse(value.name())


def _words(value: Any) -> str:
    """A value as a person reads it: endpoints as ADDRESS:PORT, everything else as Python writes it."""
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_words, value)) + ")"
    return repr(value)
