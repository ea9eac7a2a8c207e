"""Writing a run directory: under another name until it is sealed, so that a finished one is a whole one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..kit import rundir
from ..kit.errors import SetupError
from ..net.event import Event
from .ownership import is_dead, owner_of_this_process

_OWNER = "owner"


class Recording:
    """A run directory that is being written; `path` is where it will be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        try:
            _clear_dead(path.parent)
            (self.part / rundir.LOGS).mkdir(parents=True)
            (self.part / _OWNER).write_text(owner_of_this_process())
            self._events = (self.part / rundir.EVENTS).open("w")
        except OSError as error:
            raise SetupError(
                f"the run directory {path} cannot be made: {error.strerror}", "Choose another place with --out DIR."
            ) from None

    def capture(self, tap: str) -> Path:
        """Where the capture of a tap goes."""
        return self.part / f"{tap}.pcap"

    def event(self, event: Event) -> None:
        """Keep one event."""
        self._write(lambda: self._events.write(event.to_json() + "\n"))

    def text(self, name: str, text: str) -> None:
        """Keep a file of the directory."""
        self._write(lambda: (self.part / name).write_text(text))

    def file(self, name: str, writer: Callable[[Path], None]) -> None:
        """Let somebody write a file of the directory."""
        self._write(lambda: writer(self.part / name))

    def seal(self, meta: Mapping[str, Any]) -> Path:
        """Write the seal, last of all, and give the directory its name."""
        self._write(self._events.close)
        self._write((self.part / _OWNER).unlink)
        files = {str(p.relative_to(self.part)): p.stat().st_size for p in sorted(self.part.rglob("*")) if p.is_file()}
        self.text(rundir.META, json.dumps({"fourtuple": rundir.FORMAT, **meta, "files": files}, indent=1) + "\n")
        self._write(lambda: self.part.rename(self.path))
        return self.path

    def discard(self) -> None:
        """Leave nothing behind of a run that did not end well."""
        with suppress(OSError):  # a full disk refuses what was not flushed yet
            self._events.close()
        shutil.rmtree(self.part, ignore_errors=True)

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise SetupError(
                f"the run directory {self.path} cannot be written: {error.strerror}",
                "Free some space, or choose another place with --out DIR.",
            ) from None


def _clear_dead(place: Path) -> None:
    """Remove what runs were writing here when they were killed."""
    for part in place.glob("*.part"):
        owner = part / _OWNER
        if owner.is_file() and is_dead(owner.read_text()):
            shutil.rmtree(part, ignore_errors=True)
