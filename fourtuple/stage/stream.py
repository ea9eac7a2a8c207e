"""The standard streams of a container, over the engine's API: a channel that touches no lab network.

Attached before the container starts, so nothing it says is missed. Without a terminal the engine multiplexes: eight
bytes of header (stream number, length) before each piece (Engine API, "Attach to a container", stream format).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .engine import Engine

STDOUT, STDERR = 1, 2


class Stream:
    """Both directions of one container's standard input, output and error."""

    def __init__(self, engine: Engine, container: str) -> None:
        ends = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        raw: Any = engine.api.attach_socket(container, params=ends)
        self._socket = getattr(raw, "_sock", raw)
        self._raw = raw  # closed when collected

    def send(self, data: bytes) -> None:
        """Write to the container's standard input."""
        self._socket.sendall(data)

    def pieces(self, patience: float | None) -> Iterator[tuple[int, bytes]]:
        """What it says, piece by piece, until it ends; TimeoutError after `patience` seconds of silence."""
        self._socket.settimeout(patience)
        while header := self._exactly(8):
            kind, length = struct.unpack(">BxxxL", header)
            yield kind, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        """So many bytes, or none when the stream ends first."""
        data = bytearray()
        while len(data) < length:
            try:
                piece = self._socket.recv(length - len(data))
            except ConnectionError:
                piece = b""
            if not piece:
                return b""
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Let go of the container; it goes on."""
        with suppress(OSError):
            self._raw.close()
            self._socket.close()
