"""An event: one call a program made, and what came of it. The second witness, beside the wire.

The program in the container answers each call with its event, one JSON object on one line; the same line is kept
in the run directory. Payloads are text in Latin-1, so that every byte has exactly one spelling.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .endpoint import Endpoint, FourTuple

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
            fields = json.loads(line)
            for end in ("local", "remote"):
                fields[end] = Endpoint.parse(fields[end]) if fields[end] else None
            fields["args"] = tuple(fields["args"])
            made = cls(**fields)
            if not (isinstance(made.socket, str) and isinstance(made.call, str) and isinstance(made.host, str)):
                raise TypeError("its words are not text")
            return made
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"not an event: {line[:80]!r} ({error})") from None


def _words(value: Any) -> str:
    """A value as a person reads it: endpoints as ADDRESS:PORT, everything else as Python writes it."""
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_words, value)) + ")"
    return repr(value)
