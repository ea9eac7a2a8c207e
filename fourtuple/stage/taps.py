"""Taps while they listen: each streams its pcap into the run directory, and is watched for the fences.

A tap has begun when tcpdump says "listening on", and is complete when every fence that passes it has been seen and
tcpdump's own count says that nothing was dropped. So nothing here waits for a time to pass.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import Path

from ..errors import DriveError, SetupError
from .engine import Engine
from .stream import STDERR, Stream

PATIENCE = 10.0  # seconds for tcpdump to begin, for a fence to pass, or for it to end
_COUNTS = re.compile(r"(\d+) packets? (captured|received by filter|dropped by kernel)")
_OVERLAP = 128  # bytes kept from the piece before: a fence may lie across two


class LiveTap:
    """One tcpdump, its file, and the thread between them."""

    def __init__(self, name: str, container: str, stream: Stream, file: Path) -> None:
        self.name = name
        self.log = ""
        self._container = container
        self._stream = stream
        self._file = file
        self._seen: set[bytes] = set()
        self._fences: set[bytes] = set()
        self._trouble: Exception | None = None
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name=f"tap {name}", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            with self._file.open("wb") as file:
                tail = b""
                for kind, piece in self._stream.pieces(None):
                    if kind == STDERR:
                        self._tell(log=piece.decode(errors="replace"))
                        continue
                    file.write(piece)
                    recent = tail + piece
                    self._tell(seen={fence for fence in self._fences if fence in recent})
                    tail = recent[-_OVERLAP:]
        except Exception as error:  # noqa: BLE001 -- carried to the thread that waits, which raises it
            self._trouble = error
        self._tell(ended=True)

    def _tell(self, log: str = "", seen: Iterable[bytes] = (), ended: bool = False) -> None:
        with self._news:
            self.log += log
            self._seen.update(seen)
            self._ended = self._ended or ended
            self._news.notify_all()

    def _wait(self, what: str, done: object) -> None:
        assert callable(done)
        with self._news:
            came = self._news.wait_for(lambda: done() or self._ended, PATIENCE)
        self._check()
        if not done():
            end = "ended" if came else f"did not within {PATIENCE:.0f} s"
            raise DriveError(
                f"the tap {self.name} was to {what}, and {end}: {self.log.strip()[-300:] or 'it said nothing'}"
            )

    def _check(self) -> None:
        if isinstance(self._trouble, OSError):
            raise SetupError(
                f"the capture of {self.name} cannot be written to {self._file}: {self._trouble.strerror}",
                "Free some space, or choose another place with --out DIR.",
            )
        if self._trouble:
            raise self._trouble

    def ready(self) -> None:
        """Return when tcpdump is capturing."""
        self._wait("begin to listen", lambda: "listening on" in self.log)

    def expect(self, marks: Iterable[str]) -> None:
        """Watch for these fences from now on."""
        self._fences = {f"[{mark}] ".encode() for mark in marks}

    def settled(self) -> None:
        """Return when every expected fence has been seen."""
        self._wait("see the fences", lambda: self._fences <= self._seen)

    def stop(self, engine: Engine) -> dict[str, int]:
        """End the capture; returns tcpdump's counts. DriveError when the kernel dropped a packet.

        What the kernel received and tcpdump had not read when it was told to stop came after the fence: packets are
        read in order, and the fence was. A delayed ACK does that in one run of some seventy. Where no fence passed,
        nothing can be said to be absent either: `Capture.before` refuses.
        """
        engine.api.kill(self._container, signal="SIGINT")
        self._thread.join(PATIENCE)
        self._check()
        counts = {name: int(number) for number, name in _COUNTS.findall(self.log)}
        if len(counts) != 3:
            raise DriveError(f"the tap {self.name} did not end as tcpdump does: {self.log.strip()[-300:]}")
        if counts["dropped by kernel"]:
            raise DriveError(f"the tap {self.name} lost packets: {counts}", "Run it again on a less busy machine.")
        return counts
